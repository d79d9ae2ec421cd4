// What user.c does, in C++17.
#include <millrace/millrace.h>

#include <cmath>
#include <iostream>
#include <memory>
#include <string_view>

template <auto free> struct freed_by {
    template <class T> void operator()(T *p) const
    {
        free(p);
    }
};
template <class T, auto free> using owned = std::unique_ptr<T, freed_by<free>>;
using module = owned<mr_module, mr_module_free>;

// An operation of its own: twice its input.
static mr_status doubled(mr_op_call *call)
{
    call->output[0] = mr_mul_scalar(call->tape, call->input[0], 2);
    return MR_OK;
}

static mr_status doubled_backward(mr_op_call *call)
{
    mr_op_add_grad(call, 0, mr_mul_scalar(call->tape, call->grad[0], 2));
    return MR_OK;
}

static const mr_op double_op = { "double", doubled, doubled_backward, 0 };

static double slope_of_double(mr_rng *rng)
{
    owned<mr_tape, mr_tape_free> tape{ mr_tape_new(rng) };
    owned<mr_tensor, mr_tensor_free> x{ mr_tensor_ones(MR_FLOAT32, MR_SCALAR) };
    mr_tensor *input = x.get();
    mr_tensor_set_requires_grad(input, true);
    return mr_backward(tape.get(), mr_apply(tape.get(), &double_op, &input, 1, nullptr, 0)) < 0
               ? 0
               : mr_item(mr_tensor_grad(input));
}

static mr_tensor *training_step(mr_step *s, const mr_batch *b)
{
    return mr_mse_loss(s->tape, mr_forward(s->model, s->tape, b->field[0]), b->field[1], nullptr);
}

static mr_optim *configure_optimizers(void *, mr_module *model)
{
    return mr_sgd_new(mr_module_parameters(model), 0.5, nullptr);
}

/* C++17 has no names in initialisers; what is not set is null. */
static mr_task_vtable make_task_vtable()
{
    mr_task_vtable v{};
    v.training_step = training_step;
    v.configure_optimizers = configure_optimizers;
    return v;
}
static const mr_task_vtable task_vtable = make_task_vtable();

int main(int argc, char **argv)
{
    owned<mr_rng, mr_rng_free> rng{ mr_rng_new(1) };
    owned<mr_tensor, mr_tensor_free> x{ mr_tensor_rand(rng.get(), MR_FLOAT32, MR_SHAPE(64, 1)) };
    mr_tensor *const tensors[] = { x.get(), x.get() };
    const char *const names[] = { "x", "y" };
    owned<mr_dataset, mr_dataset_free> line{ mr_dataset_from_tensors(tensors, names, 2) };
    mr_loader_opts in_batches{};
    in_batches.batch_size = 8;
    in_batches.shuffle = true;
    owned<mr_loader, mr_loader_free> loader{ mr_loader_new(line.get(), rng.get(), &in_batches) };
    module model{ mr_linear_new(1, 1, rng.get(), nullptr) }, copy{ mr_linear_new(1, 1, rng.get(), nullptr) };
    owned<mr_task, mr_task_free> task{ mr_task_new(&task_vtable, model.get(), nullptr, 0) };
    mr_trainer_opts quiet{};
    quiet.max_epochs = 40;
    quiet.no_progress = quiet.no_summary = true;
    owned<mr_trainer, mr_trainer_free> trainer{ mr_trainer_new(&quiet) };

    if (mr_trainer_fit(trainer.get(), task.get(), loader.get()) < 0 ||
        mr_module_save(model.get(), "user.safetensors") < 0 ||
        mr_module_load(copy.get(), "user.safetensors", nullptr) < 0) {
        std::cerr << mr_error() << '\n';
        return 1;
    }
    double slope = mr_item(mr_module_parameters(copy.get()).item[0].tensor);
    std::cout << "C++, millrace " << mr_version() << ": y = " << slope << " x\n";
    if (slope_of_double(rng.get()) != 2)
        return 1;
    return argc != 2 || std::string_view{ mr_version() } != argv[1] || !(std::fabs(slope - 1) < 0.05);
}

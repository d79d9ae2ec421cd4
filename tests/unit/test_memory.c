/* The memory of a step as it is reported. */
#include "check.h"

#include <millrace/millrace.h>

static mr_rng *rng;

static void test_tape(void)
{
    mr_tape *tape = mr_tape_new(rng);
    mr_tensor *x = mr_tensor_ones(MR_FLOAT32, MR_SHAPE(100000));
    CHECK_EQ_I64(mr_tape_peak_bytes(tape), 0);
    CHECK_EQ_I64(mr_tape_peak_bytes(NULL), 0);

    /* Three results of 400 kB without a gradient. */
    mr_tensor *y = mr_exp(tape, mr_exp(tape, mr_mul_scalar(tape, x, 0.1)));
    CHECK(y != NULL);
    size_t without = mr_tape_peak_bytes(tape);
    CHECK(without >= 1200000 && without < 1200000 + 4096);
    mr_tape_reset(tape);
    CHECK_EQ_I64(mr_tape_peak_bytes(tape), without);

    /* The same with it: two of them have gradients in backward, and the loss. */
    CHECK(mr_tensor_set_requires_grad(x, true) == MR_OK);
    y = mr_sum(tape, mr_exp(tape, mr_exp(tape, mr_mul_scalar(tape, x, 0.1))), MR_ALL, false);
    CHECK(mr_backward(tape, y) == MR_OK);
    size_t with = mr_tape_peak_bytes(tape);
    CHECK(with >= 2400000 && with < 2400000 + 8192);

    /* A smaller round changes nothing, and what the tape holds is at least that. */
    mr_tape_reset(tape);
    CHECK(mr_sum(tape, x, MR_ALL, false) != NULL);
    mr_tape_reset(tape);
    CHECK_EQ_I64(mr_tape_peak_bytes(tape), with);
    CHECK(mr_tape_bytes(tape) >= with);
    mr_tape_free(tape);
    mr_tensor_free(x);
}

/* Layers one after the other use the same memory for what is between their loops. */
static void test_work(void)
{
    size_t peak[2];
    for (int layers = 1; layers <= 2; layers++) {
        mr_module *m = mr_sequential_new();
        for (int i = 0; i < layers; i++)
            mr_sequential_add(m, mr_conv2d_new(16, 16, 3, rng, &(mr_conv_opts){ .padding = 1 }));
        mr_tape *tape = mr_tape_new(rng);
        mr_tensor *x = mr_tensor_rand(rng, MR_FLOAT32, MR_SHAPE(2, 16, 24, 24));
        mr_tape_set_grad(tape, false);
        CHECK(mr_forward(m, tape, x) != NULL);
        peak[layers - 1] = mr_tape_peak_bytes(tape);
        CHECK(peak[layers - 1] <= mr_tape_bytes(tape));
        mr_tape_free(tape);
        mr_tensor_free(x);
        mr_module_free(m);
    }
    CHECK(peak[1] - peak[0] < 2 * 16 * 24 * 24 * sizeof(float) + 4096); /* the second result alone */

    mr_tape *tape = mr_tape_new(rng);
    mr_tensor *x = mr_tensor_rand(rng, MR_FLOAT32, MR_SHAPE(2, 16, 24, 24)),
              *w = mr_tensor_ones(MR_FLOAT32, MR_SHAPE(16, 16, 3, 3));
    mr_tape_set_max_bytes(tape, 200000); /* enough for the result, not for the work */
    CHECK(mr_conv2d_no_bias(tape, x, w, &(mr_conv_opts){ .padding = 1 }) == NULL);
    CHECK(strncmp(mr_error(), "tape: over its limit of 200000 bytes (", 38) == 0);
    mr_tape_free(tape);
    mr_tensor_free(x);
    mr_tensor_free(w);
}

static void test_model(void)
{
    mr_module *m = mr_sequential_add(mr_sequential_new(), mr_linear_new(64, 32, rng, NULL));
    mr_module_add(m, "norm", mr_batch_norm1d_new(32, NULL));
    mr_module_share(m, "again", mr_module_child(m, 0, NULL));
    size_t parameters = 4 * (64 * 32 + 32 + 2 * 32), buffers = 4 * 2 * 32 + 8;
    mr_memory none = mr_memory_of(NULL, NULL, NULL), before = mr_memory_of(m, NULL, NULL);
    CHECK_EQ_I64(none.total, 0);
    CHECK_EQ_I64(before.parameters, parameters);
    CHECK_EQ_I64(before.buffers, buffers);
    CHECK_EQ_I64(before.gradients, 0);
    CHECK_EQ_I64(before.total, parameters + buffers);

    mr_optim *adam = mr_adam_new(mr_module_parameters(m), 1e-3, NULL);
    mr_tape *tape = mr_tape_new(rng);
    mr_tensor *x = mr_tensor_rand(rng, MR_FLOAT32, MR_SHAPE(8, 64));
    mr_tensor *y =
        mr_forward(mr_module_child(m, 1, NULL), tape, mr_forward(mr_module_child(m, 0, NULL), tape, x));
    CHECK(mr_backward(tape, mr_sum(tape, y, MR_ALL, false)) == MR_OK);
    mr_memory after = mr_memory_of(m, adam, tape);
    CHECK_EQ_I64(after.gradients, parameters);
    CHECK_EQ_I64(after.optimizer, 2 * parameters);
    CHECK_EQ_I64(after.step, mr_tape_peak_bytes(tape));
    CHECK_EQ_I64(after.total, 4 * parameters + buffers + after.step);
    mr_tape_free(tape);
    mr_optim_free(adam);

    mr_optim *sgd = mr_sgd_new(mr_module_parameters(m), 0.1, NULL),
             *lbfgs = mr_lbfgs_new(mr_module_parameters(m), 1, NULL);
    CHECK_EQ_I64(mr_memory_of(NULL, sgd, NULL).optimizer, 0);
    CHECK(lbfgs && mr_memory_of(NULL, lbfgs, NULL).optimizer > 0);
    mr_optim_free(sgd);
    mr_optim_free(lbfgs);
    mr_tensor_free(x);
    mr_module_free(m);
}

/* ---- of a fit ---- */

static mr_tensor *training_step(mr_step *s, const mr_batch *b)
{
    return mr_mse_loss(s->tape, mr_forward(s->model, s->tape, b->field[0]), b->field[1], NULL);
}

static mr_optim *configure(void *self, mr_module *model)
{
    (void)self;
    return mr_adam_new(mr_module_parameters(model), 1e-3, NULL);
}

static void test_fit(void)
{
    static const mr_task_vtable vtable = { .training_step = training_step,
                                           .configure_optimizers = configure };
    mr_tensor *x = mr_tensor_rand(rng, MR_FLOAT32, MR_SHAPE(64, 16)),
              *y = mr_tensor_rand(rng, MR_FLOAT32, MR_SHAPE(64, 4));
    mr_dataset *data = mr_dataset_from_tensors((mr_tensor *[]){ x, y }, NULL, 2);
    mr_loader *loader = mr_loader_new(data, rng, &(mr_loader_opts){ .batch_size = 32 });
    mr_module *model = mr_linear_new(16, 4, rng, NULL);
    mr_task *task = mr_task_new(&vtable, model, NULL, 0);
    mr_trainer *trainer =
        mr_trainer_new(&(mr_trainer_opts){ .max_epochs = 1, .no_progress = true, .no_summary = true });
    CHECK_EQ_I64(mr_trainer_memory(trainer).total, 0);
    CHECK_EQ_I64(mr_trainer_fit(trainer, task, loader), MR_OK);
    mr_memory m = mr_trainer_memory(trainer);
    CHECK_EQ_I64(m.parameters, 4 * 68);
    CHECK_EQ_I64(m.gradients, 4 * 68);
    CHECK(m.optimizer >= 2 * 4 * 68 && m.optimizer < 2 * 4 * 68 + 256);
    CHECK(m.step >= 4 * 32 * 4 && m.step < 8192);
    CHECK_EQ_I64(mr_trainer_memory(NULL).total, 0);
    mr_trainer_free(trainer);
    mr_task_free(task);
    mr_module_free(model);
    mr_loader_free(loader);
    mr_dataset_free(data);
    mr_tensor_free(x);
    mr_tensor_free(y);
}

int main(void)
{
    rng = mr_rng_new(0);
    RUN(test_tape);
    RUN(test_work);
    RUN(test_model);
    RUN(test_fit);
    mr_rng_free(rng);
    return check_report();
}

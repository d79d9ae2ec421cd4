/* What is held across calls: tapes side by side, gradients kept by the user, tensors that belong to others. */
#include "check.h"

#include <millrace/millrace.h>

static mr_rng *rng;
static mr_tape *tape, *other;

static mr_tensor *leaf(double value)
{
    mr_tensor *x = mr_tensor_full(MR_FLOAT32, MR_SHAPE(2), value);
    mr_tensor_set_requires_grad(x, true);
    return x;
}

static mr_tensor *square_sum(mr_tape *t, mr_tensor *x)
{
    return mr_sum(t, mr_square(t, x), MR_ALL, false);
}

static void test_another_tape(void)
{
    mr_tensor *x = leaf(3);
    mr_tensor *loss = square_sum(tape, x);
    CHECK_EQ_I64(mr_backward(other, loss), MR_ERR_STATE);
    CHECK_EQ_STR(mr_error(), "backward: the loss lives on another tape");
    mr_tape_reset(other);
    mr_tensor_set_name(x, "w");
    mr_tensor *mixed = mr_add(other, loss, mr_tape_wrap(other, MR_FLOAT32, MR_SCALAR, &(float){ 1 }));
    (void)mixed;
    CHECK_EQ_I64(mr_tape_status(other), MR_ERR_STATE);
    CHECK_EQ_STR(mr_error(),
                 "add: [] is recorded on another tape, where no gradient gets to from here; mr_detach or "
                 "mr_tensor_keep gives its values alone");
    mr_tape_reset(other);
    CHECK_EQ_I64(mr_backward(tape, loss), MR_OK); /* the right one is unharmed */
    float g[2];
    CHECK_EQ_I64(mr_copy_out(mr_tensor_grad(x), MR_FLOAT32, g, 2), MR_OK);
    CHECK(g[0] == 6 && g[1] == 6);
    /* What needs no gradient may come from anywhere, and without recording everything may. */
    bool was = mr_tape_set_grad(other, false);
    CHECK_NEAR(mr_item(mr_add(other, loss, loss)), 36, 1e-6);
    mr_tape_set_grad(other, was);
    mr_tape_reset(tape);
    mr_tape_reset(other);
    mr_tensor_free(x);
}

static void test_gradient_that_is_held(void)
{
    mr_tensor *x = leaf(2), *g;
    CHECK_EQ_I64(mr_backward(tape, square_sum(tape, x)), MR_OK);
    g = mr_tensor_grad(x);
    float *values = mr_tensor_data(g);
    CHECK(values[0] == 4 && values[1] == 4);
    mr_tensor_zero_grad(x);
    CHECK(values[0] == 0 && values[1] == 0);
    mr_tape_reset(tape);
    /* What is written to it counts: with nothing else, and with a backward on top. */
    mr_optim *sgd = mr_sgd_new((mr_params){ &(mr_param){ "x", x }, 1 }, 0.5, NULL);
    mr_optim_zero_grad(sgd);
    CHECK_EQ_I64(mr_tensor_fill(g, 1), MR_OK);
    CHECK_EQ_I64(mr_optim_step(sgd), MR_OK);
    CHECK_NEAR(((float *)mr_tensor_data(x))[1], 1.5, 0);
    mr_optim_zero_grad(sgd);
    CHECK_EQ_I64(mr_tensor_fill(g, 1), MR_OK);
    CHECK_EQ_I64(mr_backward(tape, square_sum(tape, x)), MR_OK);
    CHECK_NEAR(((float *)mr_tensor_data(g))[0], 4, 0);
    mr_tape_reset(tape);
    mr_optim_free(sgd);
    mr_tensor_free(g); /* not the user's */
    mr_tensor_free(x);
}

static void test_parameters_are_not_freed_by_users(void)
{
    mr_module *linear = mr_linear_new(2, 2, rng, NULL);
    mr_tensor_free(mr_module_parameters(linear).item[0].tensor);
    mr_tensor *y = mr_forward(linear, tape, mr_tape_wrap(tape, MR_FLOAT32, MR_SHAPE(2), (float[]){ 1, 1 }));
    CHECK(y != NULL);
    mr_tape_reset(tape);
    mr_module_free(linear);
}

/* ---- callbacks ---- */

static int64_t ten(void *self)
{
    (void)self;
    return 10;
}

static int bad = 7;

static mr_status get_one(void *self, int64_t index, const mr_sample *sample)
{
    (void)self;
    *(float *)sample->field[0] = (float)index;
    return index == bad ? mr_fail(MR_ERR_FORMAT, "row is bad") : MR_OK;
}

static mr_status get_some(void *self, const int64_t *indices, int64_t count, const mr_sample *first)
{
    (void)self;
    for (int64_t i = 0; i < count; i++) {
        ((float *)first->field[0])[i] = (float)indices[i];
        if (indices[i] == 7)
            return mr_fail(MR_ERR_FORMAT, "a row is bad");
    }
    return MR_OK;
}

/* get_many does not know which sample it was; get is asked. */
static void test_get_many_fails(void)
{
    static const mr_dataset_vtable vtable = { .len = ten, .get = get_one, .get_many = get_some };
    static const mr_field field = { .name = "x" };
    mr_dataset *data = mr_dataset_new(&vtable, NULL, 0, &field, 1);
    for (int pass = 0; pass < 2; pass++) {
        const mr_batch *b;
        mr_loader *loader = mr_loader_new(data, rng, &(mr_loader_opts){ .batch_size = 5 });
        bad = pass ? -1 : 7; /* then get finds nothing wrong */
        CHECK_EQ_I64(mr_loader_next(loader, &b), MR_OK);
        CHECK_EQ_I64(mr_loader_next(loader, &b), MR_ERR_FORMAT);
        CHECK_EQ_STR(mr_error(), pass ? "loader: one of 5 samples, the first of them 5: a row is bad"
                                      : "loader: sample 7: row is bad");
        mr_loader_free(loader);
    }
    mr_dataset_free(data);
}

static void test_failures_that_are_none(void)
{
    CHECK_EQ_I64(mr_fail(MR_OK, "no failure"), MR_ERR_CALLBACK);
    mr_error_clear();
    CHECK_EQ_I64(mr_fail(MR_END, "the end"), MR_ERR_CALLBACK);
    CHECK_EQ_I64(mr_tape_status(tape), MR_ERR_CALLBACK);
    CHECK_EQ_STR(mr_error(), "the end");
    CHECK_EQ_I64(mr_tape_status(tape), MR_OK);
}

/* ---- what constructors refuse ---- */

#define REFUSED(call, text)             \
    do {                                \
        CHECK((call) == NULL);          \
        CHECK_EQ_STR(mr_error(), text); \
    } while (0)

static int64_t minus_five(void *self)
{
    (void)self;
    return -5;
}

static mr_status nothing(void *self, int64_t epoch)
{
    (void)self, (void)epoch;
    return MR_OK;
}

static mr_status no_index(void *self, int64_t *index)
{
    (void)self, (void)index;
    return MR_END;
}

static mr_tensor *no_loss(mr_step *step, const mr_batch *batch)
{
    (void)step, (void)batch;
    return NULL;
}

static mr_optim *no_optim(void *self, mr_module *model)
{
    (void)self, (void)model;
    return NULL;
}

static void test_refused(void)
{
    static const mr_dataset_vtable wrong = { .len = minus_five, .get = get_one };
    static const mr_sampler_vtable sampler = { .begin = nothing, .next = no_index };
    static const mr_task_vtable task = { .training_step = no_loss, .configure_optimizers = no_optim };
    static const mr_field field = { .name = "x" };
    mr_module *model = mr_relu_new();
    REFUSED(mr_dataset_new(&wrong, NULL, 8, &field, 1), "dataset_new: self is NULL");
    REFUSED(mr_sampler_new(&sampler, NULL, 8), "sampler_new: self is NULL");
    REFUSED(mr_task_new(&task, model, NULL, 8), "task_new: self is NULL");
    mr_dataset *data = mr_dataset_new(&wrong, NULL, 0, &field, 1);
    REFUSED(mr_loader_new(data, rng, NULL), "loader: the dataset's len gave -5");
    mr_rng_permutation(rng, NULL, 3);
    CHECK_EQ_STR(mr_error(), "rng_permutation: order is NULL");
    mr_tensor *x = leaf(1);
    mr_optim *sgd = mr_sgd_new((mr_params){ &(mr_param){ "x", x }, 1 }, 0.5, NULL);
    mr_optim_set_lr(sgd, NAN);
    CHECK_EQ_STR(mr_error(), "optim_set_lr: learning rate nan is negative or not finite");
    mr_optim_set_group_lr(sgd, 0, -1);
    CHECK_EQ_STR(mr_error(), "optim_set_group_lr: learning rate -1 is negative or not finite");
    CHECK(mr_optim_lr(sgd) == 0.5);
    mr_optim_free(sgd);
    mr_tensor_free(x);
    mr_dataset_free(data);
    mr_module_free(model);
}

/* MR_ZERO is the smallest number there is: a program linked with -ffast-math takes it for zero. */
static void test_zero_option_under_fast_math(void)
{
#ifdef __SSE__
    enum { DENORMALS_ARE_ZERO = 1 << 6 };
    unsigned before = __builtin_ia32_stmxcsr();
    mr_tensor *x = leaf(1);
    __builtin_ia32_ldmxcsr(before | DENORMALS_ARE_ZERO);
    mr_optim *adamw = mr_adamw_new((mr_params){ &(mr_param){ "x", x }, 1 }, 0.5,
                                   &(mr_adamw_opts){ .weight_decay = MR_ZERO });
    CHECK_EQ_I64(mr_backward(tape, mr_mul_scalar(tape, mr_sum(tape, x, MR_ALL, false), 0)), MR_OK);
    CHECK_EQ_I64(mr_optim_step(adamw), MR_OK);
    __builtin_ia32_ldmxcsr(before);
    CHECK(((float *)mr_tensor_data(x))[0] == 1);
    mr_tape_reset(tape);
    mr_optim_free(adamw);
    mr_tensor_free(x);
#endif
}

int main(void)
{
    rng = mr_rng_new(1);
    tape = mr_tape_new(rng);
    other = mr_tape_new(rng);
    RUN(test_another_tape);
    RUN(test_gradient_that_is_held);
    RUN(test_parameters_are_not_freed_by_users);
    RUN(test_get_many_fails);
    RUN(test_failures_that_are_none);
    RUN(test_refused);
    RUN(test_zero_option_under_fast_math);
    mr_tape_free(tape);
    mr_tape_free(other);
    mr_rng_free(rng);
    return check_report();
}

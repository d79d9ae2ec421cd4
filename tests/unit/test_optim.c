/* Optimizers: options, which parameters move, order of freeing. Values are compared with torch's in tests/ops. */
#include "check.h"

#include <millrace/optim.h>

#include <math.h>

static mr_tensor *parameter(double value)
{
    mr_tensor *p = mr_tensor_full(MR_FLOAT32, MR_SHAPE(3), value);
    CHECK_EQ_I64(mr_tensor_set_requires_grad(p, true), MR_OK);
    return p;
}

static double first(const mr_tensor *x)
{
    return (double)((float *)mr_tensor_data(x))[0];
}

/* sum(scale * p): the gradient of p is scale. */
static mr_status backward(mr_tape *tape, mr_tensor *p, double scale)
{
    mr_status s = mr_backward(tape, mr_sum(tape, mr_mul_scalar(tape, p, scale), MR_ALL, false));
    mr_tape_reset(tape);
    return s;
}

static void test_parameters_without_gradient(void)
{
    mr_rng *rng = mr_rng_new(0);
    mr_tape *tape = mr_tape_new(rng);
    mr_tensor *a = parameter(1), *b = parameter(1);
    mr_param list[] = { { "a", a }, { "b", b } };
    mr_optim *o = mr_sgd_new((mr_params){ list, 2 }, 0.5, NULL);
    CHECK_EQ_I64(backward(tape, a, 1), MR_OK);
    CHECK_EQ_I64(mr_optim_step(o), MR_OK);
    CHECK_NEAR(first(a), 0.5, 0);
    CHECK_NEAR(first(b), 1, 0); /* never had one: left as it is */
    CHECK_EQ_I64(mr_optim_steps(o), 1);
    mr_optim_zero_grad(o);
    CHECK(mr_tensor_has_grad(a));
    CHECK_NEAR(first(mr_tensor_grad(a)), 0, 0);
    CHECK(!mr_tensor_has_grad(b));
    mr_optim_free(o);

    o = mr_adam_new((mr_params){ list, 2 }, 0.1, NULL);
    CHECK_EQ_I64(backward(tape, a, 1), MR_OK);
    CHECK_EQ_I64(mr_optim_step(o), MR_OK);
    mr_optim_zero_grad(o);
    double before = first(a);
    CHECK_EQ_I64(mr_optim_step(o), MR_OK); /* a zeroed gradient is a gradient of zero: momentum moves it on */
    CHECK(first(a) < before);
    CHECK_EQ_I64(backward(tape, b, 1), MR_OK);
    CHECK_EQ_I64(mr_optim_step(o), MR_OK);
    CHECK_NEAR(first(b), 0.9, 1e-6); /* its first step, corrected as a first one */
    mr_optim_free(o);
    mr_tensor_free(a);
    mr_tensor_free(b);
    mr_tape_free(tape);
    mr_rng_free(rng);
}

static void test_gradients_add_up(void)
{
    mr_rng *rng = mr_rng_new(0);
    mr_tape *tape = mr_tape_new(rng);
    mr_tensor *p = parameter(0);
    mr_param list[] = { { "p", p } };
    CHECK_EQ_I64(backward(tape, p, 2), MR_OK);
    mr_optim *o = mr_sgd_new((mr_params){ list, 1 }, 1, NULL); /* moves the gradient that is there, too */
    CHECK_EQ_I64(backward(tape, p, 3), MR_OK);
    CHECK_NEAR(first(mr_tensor_grad(p)), 5, 0);
    CHECK_EQ_I64(mr_optim_step(o), MR_OK);
    CHECK_NEAR(first(p), -5, 0);
    mr_optim_set_lr(o, 0);
    CHECK_NEAR(mr_optim_lr(o), 0, 0);
    CHECK_EQ_I64(mr_optim_step(o), MR_OK);
    CHECK_NEAR(first(p), -5, 0);
    mr_tensor_free(p); /* before its optimizer */
    mr_optim_free(o);
    mr_tape_free(tape);
    mr_rng_free(rng);
}

/* Each option: unset, set, zero itself. The decay of AdamW shows in one step without a gradient's direction. */
static void test_zero_options(void)
{
    static const struct {
        double decay, want;
    } table[] = { { 0, 1 - 0.1 * 0.01 }, { 0.5, 1 - 0.1 * 0.5 }, { MR_ZERO, 1 } };
    mr_rng *rng = mr_rng_new(0);
    mr_tape *tape = mr_tape_new(rng);
    for (size_t i = 0; i < 3; i++) {
        mr_tensor *p = parameter(1);
        mr_param list[] = { { "p", p } };
        mr_optim *o =
            mr_adamw_new((mr_params){ list, 1 }, 0.1, &(mr_adamw_opts){ .weight_decay = table[i].decay });
        CHECK_EQ_I64(backward(tape, p, 0), MR_OK);
        CHECK_EQ_I64(mr_optim_step(o), MR_OK);
        CHECK_NEAR(first(p), table[i].want, 1e-7);
        mr_optim_free(o);
        mr_tensor_free(p);
    }
    /* beta1 of zero: the step is lr * sign(g) whatever came before */
    mr_tensor *p = parameter(1);
    mr_param list[] = { { "p", p } };
    mr_optim *o =
        mr_adam_new((mr_params){ list, 1 }, 0.1, &(mr_adam_opts){ .beta1 = MR_ZERO, .beta2 = MR_ZERO });
    for (int i = 1; i <= 3; i++) {
        mr_optim_zero_grad(o);
        CHECK_EQ_I64(backward(tape, p, i % 2 ? 2 : -7), MR_OK);
        CHECK_EQ_I64(mr_optim_step(o), MR_OK);
        CHECK_NEAR(first(p), i % 2 ? 0.9 : 1.0, 1e-6);
    }
    mr_optim_free(o);
    mr_tensor_free(p);
    mr_tape_free(tape);
    mr_rng_free(rng);
}

static void test_wrong_arguments(void)
{
    mr_tensor *p = parameter(1), *fixed = mr_tensor_ones(MR_FLOAT32, MR_SCALAR);
    mr_param list[] = { { "p", p }, { "p", p } }, no_grad[] = { { "fixed", fixed } };
    const mr_params one = { list, 1 }, none = { NULL, 0 };
    CHECK(mr_adam_new(none, 1e-3, NULL) == NULL);
    CHECK_EQ_STR(mr_error(), "adam: params is NULL");
    CHECK(mr_adam_new((mr_params){ list, 0 }, 1e-3, NULL) == NULL);
    CHECK_EQ_STR(mr_error(), "adam: the list of parameters is empty");
    CHECK(mr_sgd_new((mr_params){ list, 2 }, 1e-3, NULL) == NULL);
    CHECK_EQ_STR(mr_error(), "sgd: p is in the list twice");
    CHECK(mr_adam_new((mr_params){ no_grad, 1 }, 1e-3, NULL) == NULL);
    CHECK_EQ_STR(mr_error(),
                 "adam: fixed[] is no parameter: it does not require a gradient, or lives on a tape");
    CHECK(mr_adam_new(one, -1, NULL) == NULL);
    CHECK_EQ_STR(mr_error(), "adam: learning rate -1 is negative or not finite");
    CHECK(mr_adamw_new(one, 1e-3, &(mr_adamw_opts){ .beta2 = 1 }) == NULL);
    CHECK_EQ_STR(mr_error(), "adamw: beta2 1 is not in [0, 1)");
    CHECK(mr_sgd_new(one, 1e-3, &(mr_sgd_opts){ .nesterov = true }) == NULL);
    CHECK_EQ_STR(mr_error(), "sgd: nesterov needs a momentum and no dampening, not 0 and 0");
    CHECK_EQ_I64(mr_optim_step(NULL), MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(), "optim_step: optim is NULL");

    mr_optim *a = mr_sgd_new(one, 1, NULL), *b = mr_sgd_new(one, 1, NULL);
    CHECK_EQ_I64(mr_optim_step(b), MR_OK);
    CHECK_EQ_I64(mr_optim_step(a), MR_ERR_STATE);
    CHECK_EQ_STR(mr_error(), "optim_step: p belongs to another optimizer by now");
    mr_fail(MR_ERR_SHAPE, "earlier");
    CHECK_EQ_I64(mr_optim_step(b), MR_ERR_SHAPE);
    CHECK_EQ_STR(mr_error(), "earlier");
    mr_optim_free(a);
    mr_optim_free(b);
    mr_tensor_free(p);
    mr_tensor_free(fixed);
}

/* A step between forward and backward changes what backward needs. */
static void test_stepped_parameter(void)
{
    mr_rng *rng = mr_rng_new(0);
    mr_tape *tape = mr_tape_new(rng);
    mr_tensor *x = mr_tensor_ones(MR_FLOAT32, MR_SHAPE(2, 3));
    mr_module *m = mr_sequential_new();
    mr_sequential_add(m, mr_linear_new(3, 3, rng, NULL));
    mr_sequential_add(m, mr_linear_new(3, 1, rng, NULL));
    mr_optim *o = mr_sgd_new(mr_module_parameters(m), 0.1, NULL);
    CHECK_EQ_I64(mr_backward(tape, mr_mean(tape, mr_forward(m, tape, x), MR_ALL, false)), MR_OK);
    mr_tape_reset(tape);
    mr_tensor *loss = mr_mean(tape, mr_forward(m, tape, x), MR_ALL, false);
    CHECK_EQ_I64(mr_optim_step(o), MR_OK);
    CHECK_EQ_I64(mr_backward(tape, loss), MR_ERR_STATE);
    CHECK_EQ_STR(mr_error(),
                 "backward: linear needs the elements of 1.weight[1,3] as they were, but they have been "
                 "changed since");
    mr_optim_free(o);
    mr_module_free(m);
    mr_tensor_free(x);
    mr_tape_free(tape);
    mr_rng_free(rng);
}

int main(void)
{
    RUN(test_parameters_without_gradient);
    RUN(test_gradients_add_up);
    RUN(test_zero_options);
    RUN(test_wrong_arguments);
    RUN(test_stepped_parameter);
    return check_report();
}

/* Groups of parameters in an optimizer: options of their own, learning rates, momentum, failures. */
#include "check.h"

#include <millrace/optim.h>

#include <math.h>

static mr_tape *tape;

static mr_tensor *parameter(mr_dtype dtype, double value)
{
    mr_tensor *p = mr_tensor_full(dtype, MR_SHAPE(3), value);
    CHECK_EQ_I64(mr_tensor_set_requires_grad(p, true), MR_OK);
    return p;
}

static double first(const mr_tensor *x)
{
    double values[3] = { 0 };
    CHECK(mr_copy_out(x, MR_FLOAT64, values, 3) == MR_OK && values[0] == values[1] && values[0] == values[2]);
    return values[0];
}

/* Gives p the gradient `slope`. */
static void backward(mr_tensor *p, double slope)
{
    mr_tensor_zero_grad(p);
    CHECK_EQ_I64(mr_backward(tape, mr_sum(tape, mr_mul_scalar(tape, p, slope), MR_ALL, false)), MR_OK);
    mr_tape_reset(tape);
}

static mr_params list_of(mr_param *item, const char *name, mr_tensor *p)
{
    *item = (mr_param){ name, p };
    return (mr_params){ item, 1 };
}

static void test_options_of_their_own(void)
{
    mr_tensor *a = parameter(MR_FLOAT32, 1), *b = parameter(MR_FLOAT64, 1), *c = parameter(MR_FLOAT32, 1);
    mr_param item;
    mr_optim *o = mr_sgd_new(list_of(&item, "a", a), 0.5, NULL);
    CHECK_EQ_I64(mr_sgd_add_group(o, list_of(&item, "b", b), 0.25, &(mr_sgd_opts){ .weight_decay = 1 }),
                 MR_OK);
    CHECK_EQ_I64(mr_sgd_add_group(o, list_of(&item, "c", c), 1, &(mr_sgd_opts){ .momentum = 0.5 }), MR_OK);
    CHECK_EQ_I64(mr_optim_group_count(o), 3);
    backward(a, 1);
    backward(b, 1);
    backward(c, 1);
    CHECK_EQ_I64(mr_optim_step(o), MR_OK);
    CHECK_NEAR(first(a), 0.5, 0);
    CHECK_NEAR(first(b), 0.5, 0); /* 1 - 0.25 * (1 + 1 * 1) */
    CHECK_NEAR(first(c), 0, 0);
    CHECK_EQ_I64(mr_optim_step(o), MR_OK);
    CHECK_NEAR(first(a), 0, 0);
    CHECK_NEAR(first(b), 0.125, 0);
    CHECK_NEAR(first(c), -1.5, 0);
    CHECK_EQ_I64(mr_optim_steps(o), 2);
    mr_optim_zero_grad(o);
    CHECK_NEAR(first(mr_tensor_grad(c)), 0, 0);

    /* learning rates */
    CHECK_NEAR(mr_optim_lr(o), 0.5, 0);
    CHECK_NEAR(mr_optim_group_lr(o, 1), 0.25, 0);
    mr_optim_set_group_lr(o, 1, 0.75);
    CHECK_NEAR(mr_optim_group_lr(o, 0), 0.5, 0);
    CHECK_NEAR(mr_optim_group_lr(o, 1), 0.75, 0);
    CHECK_NEAR(mr_optim_group_lr(o, 2), 1, 0);
    mr_optim_set_lr(o, 0.125);
    for (int i = 0; i < 3; i++)
        CHECK_NEAR(mr_optim_group_lr(o, i), 0.125, 0);
    mr_optim_free(o);
    mr_tensor_free(a);
    mr_tensor_free(b);
    mr_tensor_free(c);
}

/* Groups are updated whole or by parameters each for itself: one without a gradient does not touch the others. */
static void test_group_without_gradient(void)
{
    mr_tensor *a = parameter(MR_FLOAT32, 1), *b = parameter(MR_FLOAT32, 1);
    mr_param item;
    mr_optim *o = mr_adam_new(list_of(&item, "a", a), 0.1, NULL);
    CHECK_EQ_I64(mr_adam_add_group(o, list_of(&item, "b", b), 0.1, &(mr_adam_opts){ .amsgrad = true }),
                 MR_OK);
    backward(a, 1);
    CHECK_EQ_I64(mr_optim_step(o), MR_OK);
    CHECK_EQ_I64(mr_optim_step(o), MR_OK);
    CHECK_NEAR(first(a), 0.8, 1e-6);
    CHECK_NEAR(first(b), 1, 0);
    backward(b, 1);
    CHECK_EQ_I64(mr_optim_step(o), MR_OK);
    CHECK_NEAR(first(b), 0.9, 1e-6); /* its first step */
    mr_optim_free(o);
    mr_tensor_free(a);
    mr_tensor_free(b);
}

static void test_momentum(void)
{
    mr_tensor *a = parameter(MR_FLOAT32, 0), *b = parameter(MR_FLOAT64, 0), *c = parameter(MR_FLOAT32, 0);
    mr_param item;
    mr_optim *o = mr_sgd_new(list_of(&item, "a", a), 1, &(mr_sgd_opts){ .dampening = 0.5 });
    CHECK_EQ_I64(mr_sgd_add_group(o, list_of(&item, "b", b), 1, &(mr_sgd_opts){ .momentum = 0.5 }), MR_OK);
    CHECK_NEAR(mr_optim_group_momentum(o, 0), 0, 0);
    CHECK_NEAR(mr_optim_group_momentum(o, 1), 0.5, 0);
    backward(a, 1);
    backward(b, 1);
    CHECK_EQ_I64(mr_optim_step(o), MR_OK);
    CHECK_NEAR(first(a), -1, 0);
    /* A momentum begins with the gradient, undampened, whenever it is set for the first time. */
    CHECK(mr_optim_set_group_momentum(o, 0, 0.5));
    CHECK(mr_optim_set_group_momentum(o, 1, 0));
    CHECK_NEAR(mr_optim_group_momentum(o, 0), 0.5, 0);
    CHECK_EQ_I64(mr_optim_step(o), MR_OK);
    CHECK_NEAR(first(a), -2, 0); /* buffer 1 */
    CHECK_NEAR(first(b), -2, 0); /* no momentum, and the buffer stays at 1 */
    CHECK(mr_optim_set_group_momentum(o, 1, 0.25));
    CHECK_EQ_I64(mr_optim_step(o), MR_OK);
    CHECK_NEAR(first(a), -3, 0);    /* 0.5 * 1 + 0.5 * 1 */
    CHECK_NEAR(first(b), -3.25, 0); /* 0.25 * 1 + 1 */
    mr_optim_free(o);

    o = mr_adam_new(list_of(&item, "c", c), 0.1, NULL);
    backward(c, 1);
    CHECK_NEAR(mr_optim_group_momentum(o, 0), 0.9, 0);
    CHECK_EQ_I64(mr_optim_step(o), MR_OK);
    CHECK_EQ_I64(mr_optim_step(o), MR_OK);
    double before = first(c);
    CHECK(mr_optim_set_group_momentum(o, 0, 0)); /* the correction 1 / (1 - beta1^t) follows */
    CHECK_EQ_I64(mr_optim_step(o), MR_OK);
    CHECK_NEAR(first(c), before - 0.1, 1e-6);
    CHECK(!mr_optim_set_group_momentum(o, 0, 1));
    CHECK_EQ_STR(mr_error(), "optim_set_group_momentum: beta1 1 is not in [0, 1)");
    CHECK_NEAR(mr_optim_group_momentum(o, 0), 0, 0);
    mr_optim_free(o);
    mr_tensor_free(a);
    mr_tensor_free(b);
    mr_tensor_free(c);
}

static void test_failures(void)
{
    mr_tensor *a = parameter(MR_FLOAT32, 1), *b = parameter(MR_FLOAT32, 1);
    mr_param item;
    mr_optim *o = mr_adam_new(list_of(&item, "a", a), 0.1, NULL);
    CHECK_EQ_I64(mr_adam_add_group(NULL, list_of(&item, "b", b), 0.1, NULL), MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(), "adam_add_group: optim is NULL");
    CHECK_EQ_I64(mr_adam_add_group(o, list_of(&item, "a", a), 0.1, NULL), MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(), "adam_add_group: a[3] is in another group already");
    CHECK_EQ_I64(mr_adam_add_group(o, list_of(&item, "b", b), -1, NULL), MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(), "adam_add_group: learning rate -1 is negative or not finite");
    CHECK_EQ_I64(mr_adam_add_group(o, list_of(&item, "b", b), 1, &(mr_adam_opts){ .beta1 = -1 }),
                 MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(), "adam_add_group: beta1 -1 is not in [0, 1)");
    CHECK_EQ_I64(mr_adamw_add_group(o, list_of(&item, "b", b), 0.1, NULL), MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(), "adamw_add_group: the optimizer is of the kind adam");
    CHECK_EQ_I64(mr_adamw_add_group(o, list_of(&item, "b", b), 0.1, &(mr_adamw_opts){ .eps = -1 }),
                 MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(), "adamw_add_group: eps -1 is not in [0, inf)");
    CHECK_EQ_I64(mr_sgd_add_group(o, list_of(&item, "b", b), 0.1, &(mr_sgd_opts){ .momentum = -1 }),
                 MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(), "sgd_add_group: momentum -1 is not in [0, inf)");
    CHECK_EQ_I64(mr_optim_group_count(o), 1);
    CHECK(isnan(mr_optim_group_lr(o, 1)));
    CHECK_EQ_STR(mr_error(), "optim_group_lr: there is no group 1 of 1");
    mr_optim_set_group_lr(o, -1, 1);
    CHECK_EQ_STR(mr_error(), "optim_set_group_lr: there is no group -1 of 1");
    CHECK(isnan(mr_optim_group_momentum(o, 7)));
    CHECK_EQ_STR(mr_error(), "optim_group_momentum: there is no group 7 of 1");
    CHECK(!mr_optim_set_group_momentum(o, 7, 0));
    CHECK_EQ_STR(mr_error(), "optim_set_group_momentum: there is no group 7 of 1");
    CHECK(isnan(mr_optim_group_lr(NULL, 0)));
    CHECK_EQ_STR(mr_error(), "optim_group_lr: optim is NULL");
    CHECK_EQ_I64(mr_optim_group_count(NULL), 0);

    /* One that nobody looked at ends the next step. */
    (void)mr_adam_add_group(o, list_of(&item, "a", a), 0.1, NULL);
    CHECK_EQ_I64(mr_optim_step(o), MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(), "adam_add_group: a[3] is in another group already");

    /* A step that fails in the second group leaves the first as it was. */
    CHECK_EQ_I64(mr_adam_add_group(o, list_of(&item, "b", b), 0.1, NULL), MR_OK);
    mr_optim *other = mr_sgd_new(list_of(&item, "b", b), 0.1, NULL);
    backward(a, 1);
    CHECK_EQ_I64(mr_optim_step(o), MR_ERR_STATE);
    CHECK_EQ_STR(mr_error(), "optim_step: b[3] belongs to another optimizer by now");
    CHECK_NEAR(first(a), 1, 0);
    CHECK_EQ_I64(mr_optim_steps(o), 0);
    mr_optim_free(o);
    mr_optim_free(other);
    mr_tensor_free(a);
    mr_tensor_free(b);
}

int main(void)
{
    mr_rng *rng = mr_rng_new(0);
    tape = mr_tape_new(rng);
    RUN(test_options_of_their_own);
    RUN(test_group_without_gradient);
    RUN(test_momentum);
    RUN(test_failures);
    mr_tape_free(tape);
    mr_rng_free(rng);
    return check_report();
}

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

/* Frozen before the optimizer was made: it is taken, and goes on when it is frozen no longer. */
static void test_frozen_from_the_start(void)
{
    mr_rng *rng = mr_rng_new(0);
    mr_tape *tape = mr_tape_new(rng);
    mr_tensor *a = mr_tensor_ones(MR_FLOAT32, MR_SHAPE(3)), *b = parameter(1);
    mr_param list[] = { { "a", a }, { "b", b } };
    mr_optim *o = mr_adam_new((mr_params){ list, 2 }, 0.5, NULL);
    CHECK(o != NULL);
    for (int i = 0; i < 3; i++) {
        mr_optim_zero_grad(o);
        CHECK_EQ_I64(mr_tensor_set_requires_grad(a, i == 2), MR_OK);
        CHECK_EQ_I64(backward(tape, mr_add(tape, a, b), 1), MR_OK);
        CHECK_EQ_I64(mr_optim_step(o), MR_OK);
        CHECK_NEAR(first(a), i < 2 ? 1 : 0.5, 1e-6);
        CHECK_NEAR(first(b), 0.5 - 0.5 * i, 1e-6);
    }
    mr_optim_free(o);
    mr_tensor_free(a);
    mr_tensor_free(b);
    mr_tape_free(tape);
    mr_rng_free(rng);
}

/* Frozen after the optimizer was made: it stays, whatever gradient and momentum it has; and it can go on. */
static void test_frozen_parameters(void)
{
    mr_rng *rng = mr_rng_new(0);
    mr_tape *tape = mr_tape_new(rng);
    mr_tensor *a = parameter(1), *b = parameter(1);
    mr_param list[] = { { "a", a }, { "b", b } };
    mr_optim *o = mr_sgd_new((mr_params){ list, 2 }, 0.5, &(mr_sgd_opts){ .momentum = 0.5 });
    for (int i = 0; i < 3; i++) {
        CHECK_EQ_I64(mr_tensor_set_requires_grad(a, i != 1), MR_OK);
        mr_optim_zero_grad(o);
        if (i != 1)
            CHECK_EQ_I64(backward(tape, a, 1), MR_OK);
        CHECK_EQ_I64(backward(tape, b, 1), MR_OK);
        CHECK_EQ_I64(mr_optim_step(o), MR_OK);
        CHECK_NEAR(first(a), i < 2 ? 0.5 : -0.25, 0);
        CHECK_NEAR(first(b), i == 0 ? 0.5 : i == 1 ? -0.25 : -1.125, 0);
    }
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

/* ---- what is refused ---- */

static void check_refused(const mr_optim *made, const char *text)
{
    CHECK(made == NULL);
    CHECK_EQ_I64(mr_error_status(), MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(), text);
}

static void test_wrong_lists(void)
{
    mr_rng *rng = mr_rng_new(0);
    mr_tape *tape = mr_tape_new(rng);
    float memory[2] = { 1, 2 };
    mr_tensor *p = parameter(1), *named = parameter(2);
    mr_tensor *wrapped = mr_tensor_wrap(MR_FLOAT32, MR_SHAPE(2), memory),
              *whole = mr_tensor_ones(MR_INT64, MR_SCALAR);
    CHECK_EQ_I64(mr_tensor_set_requires_grad(wrapped, true), MR_OK);
    mr_tensor_set_name(named, "layer1.weight");
    const struct {
        mr_param second;
        const char *text;
    } table[] = {
        { { "w", NULL }, "sgd: w is NULL" },
        { { "", NULL }, "sgd: a parameter is NULL" },
        { { NULL, NULL }, "sgd: a parameter is NULL" },
        { { "q", p }, "sgd: q[3] is in the list twice" },
        { { NULL, p }, "sgd: [3] is in the list twice" },
        { { "y", mr_neg(tape, p) },
          "sgd: y[3] is no parameter: it is not of a floating type, or lives on a tape" },
        { { "count", whole },
          "sgd: count[] is no parameter: it is not of a floating type, or lives on a tape" },
        { { "w", wrapped }, "sgd: w[2] wraps memory of the caller's, which cannot be moved" },
        { { NULL, wrapped }, "sgd: [2] wraps memory of the caller's, which cannot be moved" },
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        mr_param list[] = { { "p", p }, table[i].second };
        check_refused(mr_sgd_new((mr_params){ list, 2 }, 0.1, NULL), table[i].text);
    }
    mr_param one[] = { { "p", p } };
    check_refused(mr_adam_new((mr_params){ NULL, 0 }, 1e-3, NULL), "adam: params is NULL");
    check_refused(mr_adamw_new((mr_params){ NULL, 3 }, 1e-3, NULL), "adamw: params is NULL");
    check_refused(mr_sgd_new((mr_params){ one, 0 }, 1e-3, NULL), "sgd: the list of parameters is empty");
    CHECK_NEAR(first(p), 1, 0); /* none of this has moved or changed it */
    mr_tape_free(tape);
    mr_tensor_free(p);
    mr_tensor_free(named);
    mr_tensor_free(wrapped);
    mr_tensor_free(whole);
    mr_rng_free(rng);
}

static void test_wrong_options(void)
{
    mr_tensor *p = parameter(1);
    mr_param list[] = { { "p", p } };
    const mr_params one = { list, 1 };
    check_refused(mr_adam_new(one, -1, NULL), "adam: learning rate -1 is negative or not finite");
    check_refused(mr_adamw_new(one, INFINITY, NULL), "adamw: learning rate inf is negative or not finite");
    check_refused(mr_sgd_new(one, fabs((double)NAN), NULL),
                  "sgd: learning rate nan is negative or not finite");
    check_refused(mr_adam_new(one, 1, &(mr_adam_opts){ .beta1 = 1 }), "adam: beta1 1 is not in [0, 1)");
    check_refused(mr_adam_new(one, 1, &(mr_adam_opts){ .beta2 = -0.5 }), "adam: beta2 -0.5 is not in [0, 1)");
    check_refused(mr_adam_new(one, 1, &(mr_adam_opts){ .eps = -1 }), "adam: eps -1 is not in [0, inf)");
    check_refused(mr_adam_new(one, 1, &(mr_adam_opts){ .weight_decay = -1 }),
                  "adam: weight_decay -1 is not in [0, inf)");
    check_refused(mr_adamw_new(one, 1, &(mr_adamw_opts){ .beta1 = 1.5 }),
                  "adamw: beta1 1.5 is not in [0, 1)");
    check_refused(mr_adamw_new(one, 1, &(mr_adamw_opts){ .beta2 = 1 }), "adamw: beta2 1 is not in [0, 1)");
    check_refused(mr_adamw_new(one, 1, &(mr_adamw_opts){ .eps = INFINITY }),
                  "adamw: eps inf is not in [0, inf)");
    check_refused(mr_adamw_new(one, 1, &(mr_adamw_opts){ .weight_decay = -0.25 }),
                  "adamw: weight_decay -0.25 is not in [0, inf)");
    check_refused(mr_sgd_new(one, 1, &(mr_sgd_opts){ .momentum = -1 }),
                  "sgd: momentum -1 is not in [0, inf)");
    check_refused(mr_sgd_new(one, 1, &(mr_sgd_opts){ .weight_decay = -1 }),
                  "sgd: weight_decay -1 is not in [0, inf)");
    check_refused(mr_sgd_new(one, 1, &(mr_sgd_opts){ .nesterov = true }),
                  "sgd: nesterov needs a momentum and no dampening, not 0 and 0");
    check_refused(mr_sgd_new(one, 1, &(mr_sgd_opts){ .momentum = MR_ZERO, .nesterov = true }),
                  "sgd: nesterov needs a momentum and no dampening, not 0 and 0");
    check_refused(mr_sgd_new(one, 1, &(mr_sgd_opts){ .momentum = 0.5, .dampening = 0.25, .nesterov = true }),
                  "sgd: nesterov needs a momentum and no dampening, not 0.5 and 0.25");
    mr_tensor_free(p);
}

static void test_wrong_steps(void)
{
    mr_tensor *p = parameter(1), *unnamed = parameter(1);
    mr_param list[] = { { "p", p } }, other[] = { { NULL, unnamed } };
    const mr_params one = { list, 1 }, two = { other, 1 };
    CHECK_EQ_I64(mr_optim_step(NULL), MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(), "optim_step: optim is NULL");
    mr_optim *a = mr_sgd_new(one, 1, NULL), *b = mr_sgd_new(one, 1, NULL);
    mr_optim *c = mr_sgd_new(two, 1, NULL), *d = mr_sgd_new(two, 1, NULL);
    CHECK_EQ_I64(mr_optim_step(b), MR_OK);
    CHECK_EQ_I64(mr_optim_step(a), MR_ERR_STATE);
    CHECK_EQ_STR(mr_error(), "optim_step: p[3] belongs to another optimizer by now");
    CHECK_EQ_I64(mr_optim_step(c), MR_ERR_STATE);
    CHECK_EQ_STR(mr_error(), "optim_step: [3] belongs to another optimizer by now");
    CHECK_EQ_I64(mr_optim_steps(a), 0);
    mr_fail(MR_ERR_SHAPE, "earlier");
    CHECK_EQ_I64(mr_optim_step(b), MR_ERR_SHAPE);
    CHECK_EQ_STR(mr_error(), "earlier");
    CHECK_EQ_I64(mr_optim_steps(b), 1);
    CHECK_EQ_I64(mr_optim_steps(NULL), 0);
    CHECK_NEAR(mr_optim_lr(NULL), 0, 0);
    mr_optim_set_lr(NULL, 1);
    mr_optim_zero_grad(NULL);
    mr_optim_free(NULL);
    mr_optim_free(a);
    mr_optim_free(b);
    mr_optim_free(c);
    mr_optim_free(d);
    mr_tensor_free(p);
    mr_tensor_free(unnamed);
}

/* ---- where parameters lie ---- */

/* Parameters without elements, alone and beside others. */
static void test_empty_parameters(void)
{
    mr_rng *rng = mr_rng_new(0);
    mr_tape *tape = mr_tape_new(rng);
    for (int kind = 0; kind < 2; kind++)
        for (int alone = 0; alone < 2; alone++) {
            mr_tensor *empty = mr_tensor_zeros(kind ? MR_FLOAT32 : MR_FLOAT64, MR_SHAPE(3, 0)),
                      *p = parameter(1);
            CHECK_EQ_I64(mr_tensor_set_requires_grad(empty, true), MR_OK);
            mr_param list[] = { { "empty", empty }, { "p", p } };
            mr_params params = { list, alone ? 1 : 2 };
            mr_optim *o = kind ? mr_adam_new(params, 0.5, NULL) : mr_sgd_new(params, 0.5, NULL);
            CHECK(o != NULL);
            CHECK_EQ_I64(mr_optim_step(o), MR_OK);
            CHECK_EQ_I64(backward(tape, empty, 1), MR_OK);
            CHECK_EQ_I64(backward(tape, p, 1), MR_OK);
            CHECK_EQ_I64(mr_optim_step(o), MR_OK);
            CHECK_NEAR(first(p), alone ? 1 : 0.5, 1e-6);
            CHECK_EQ_I64(mr_tensor_numel(mr_tensor_grad(empty)), 0);
            mr_optim_free(o);
            mr_tensor_free(empty);
            mr_tensor_free(p);
        }
    mr_tape_free(tape);
    mr_rng_free(rng);
}

/* A gradient that was asked for before the optimizer was made is the same afterwards. */
static void test_views_of_gradients(void)
{
    mr_rng *rng = mr_rng_new(0);
    mr_tape *tape = mr_tape_new(rng);
    mr_tensor *p = parameter(2);
    mr_param list[] = { { "p", p } };
    CHECK_EQ_I64(backward(tape, p, 3), MR_OK);
    mr_tensor *g = mr_tensor_grad(p);
    mr_optim *o = mr_sgd_new((mr_params){ list, 1 }, 0.5, NULL);
    CHECK(mr_tensor_grad(p) == g);
    CHECK_NEAR(first(g), 3, 0);
    CHECK_EQ_I64(backward(tape, p, 4), MR_OK);
    CHECK_NEAR(first(g), 7, 0);
    CHECK_EQ_I64(mr_optim_step(o), MR_OK);
    CHECK_NEAR(first(p), -1.5, 0);
    mr_optim_free(o); /* the parameter stays where it is */
    CHECK_NEAR(first(p), -1.5, 0);
    CHECK_NEAR(first(g), 7, 0);
    CHECK_EQ_I64(backward(tape, p, 1), MR_OK);
    CHECK_NEAR(first(g), 8, 0);
    mr_tensor_free(p);
    mr_tape_free(tape);
    mr_rng_free(rng);
}

/* ---- the hand-written update: p.sub_(lr * p.grad) ---- */

static mr_module *small_net(uint64_t seed, mr_dtype dtype)
{
    mr_rng *rng = mr_rng_new(seed);
    mr_linear_opts opts = { .dtype = dtype };
    mr_module *m = mr_sequential_new();
    mr_sequential_add(m, mr_linear_new(3, 17, rng, &opts));
    mr_sequential_add(m, mr_tanh_new());
    mr_sequential_add(m, mr_linear_new(17, 2, rng, &opts));
    mr_rng_free(rng);
    return m;
}

static void check_by_hand(mr_dtype dtype)
{
    mr_rng *rng = mr_rng_new(1);
    mr_tape *tape = mr_tape_new(rng);
    mr_module *m[2] = { small_net(4, dtype), small_net(4, dtype) };
    mr_params p[2] = { mr_module_parameters(m[0]), mr_module_parameters(m[1]) };
    mr_optim *sgd = mr_sgd_new(p[0], 0.1, NULL);
    mr_tensor *x = mr_tensor_randn(rng, dtype, MR_SHAPE(5, 3)),
              *y = mr_tensor_randn(rng, dtype, MR_SHAPE(5, 2));
    for (int step = 0; step < 20; step++) {
        double loss[2];
        for (int i = 0; i < 2; i++) {
            mr_module_zero_grad(m[i]);
            mr_tensor *l = mr_mse_loss(tape, mr_forward(m[i], tape, x), y, NULL);
            loss[i] = mr_item(l);
            CHECK_EQ_I64(mr_backward(tape, l), MR_OK);
            mr_tape_reset(tape);
        }
        CHECK_NEAR(loss[0], loss[1], 0);
        CHECK_EQ_I64(mr_optim_step(sgd), MR_OK);
        for (size_t k = 0; k < p[1].count; k++) {
            mr_tensor *w = p[1].item[k].tensor;
            CHECK_EQ_I64(mr_tensor_add_scaled(w, -0.1, mr_tensor_grad(w)), MR_OK);
            CHECK(memcmp(mr_tensor_data(w), mr_tensor_data(p[0].item[k].tensor),
                         (size_t)mr_tensor_numel(w) * mr_dtype_size(dtype)) == 0);
        }
    }
    /* Like a step of an optimizer, it changes what a backward to come needs. */
    mr_tensor *l = mr_mse_loss(tape, mr_forward(m[1], tape, x), y, NULL), *w = p[1].item[2].tensor;
    CHECK_EQ_I64(mr_tensor_add_scaled(w, -0.1, mr_tensor_grad(w)), MR_OK);
    CHECK_EQ_I64(mr_backward(tape, l), MR_ERR_STATE);
    CHECK_EQ_STR(mr_error(),
                 "backward: linear needs the elements of 2.weight[2,17] as they were, but they have been "
                 "changed since");
    mr_optim_free(sgd);
    for (int i = 0; i < 2; i++)
        mr_module_free(m[i]);
    mr_tensor_free(x);
    mr_tensor_free(y);
    mr_tape_free(tape);
    mr_rng_free(rng);
}

static void test_by_hand(void)
{
    check_by_hand(MR_FLOAT32);
    check_by_hand(MR_FLOAT64);
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
    RUN(test_frozen_from_the_start);
    RUN(test_frozen_parameters);
    RUN(test_gradients_add_up);
    RUN(test_wrong_lists);
    RUN(test_wrong_options);
    RUN(test_wrong_steps);
    RUN(test_empty_parameters);
    RUN(test_views_of_gradients);
    RUN(test_by_hand);
    RUN(test_stepped_parameter);
    return check_report();
}

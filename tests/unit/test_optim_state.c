/* The state of an optimizer as a list, and loading it. That going on from a loaded state gives the same numbers for every
 * kind is tested in tests/ops. */
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

static void backward(mr_tensor *p, double slope)
{
    mr_tensor_zero_grad(p);
    CHECK_EQ_I64(mr_backward(tape, mr_sum(tape, mr_mul_scalar(tape, p, slope), MR_ALL, false)), MR_OK);
    mr_tape_reset(tape);
}

static const mr_tensor *find(mr_params list, const char *name)
{
    for (size_t i = 0; i < list.count; i++)
        if (strcmp(list.item[i].name, name) == 0)
            return list.item[i].tensor;
    return NULL;
}

static void check_names(mr_params list, const char *const *names)
{
    size_t count = 0;
    for (; names[count]; count++)
        if (CHECK(count < list.count))
            CHECK_EQ_STR(list.item[count].name, names[count]);
    CHECK_EQ_I64(list.count, count);
}

static void test_list(void)
{
    mr_tensor *a = parameter(MR_FLOAT32, 1), *b = parameter(MR_FLOAT64, 1), *c = parameter(MR_FLOAT32, 1),
              *d = parameter(MR_FLOAT32, 1);
    const mr_param list[] = { { "a", a }, { "", b } }, more[] = { { "a", c }, { "d", d } };
    static const char *const names[] = { "a.step",
                                         "a.mu_product",
                                         "a.exp_avg",
                                         "a.exp_avg_sq",
                                         "1.step",
                                         "1.mu_product",
                                         "1.exp_avg",
                                         "1.exp_avg_sq",
                                         "param_groups.0.lr",
                                         "param_groups.0.beta1",
                                         "param_groups.0.beta1_power",
                                         "param_groups.0.beta2_power",
                                         "param_groups.0.powers_at",
                                         "steps",
                                         NULL };
    mr_optim *o = mr_nadam_new((mr_params){ list, 2 }, 0.5, NULL);
    check_names(mr_optim_state(o), names);
    CHECK(mr_optim_state(o).item == mr_optim_state(o).item);
    backward(a, 2);
    CHECK_EQ_I64(mr_optim_step(o), MR_OK);
    mr_params state = mr_optim_state(o);
    CHECK_EQ_I64(mr_item_int64(find(state, "a.step")), 1);
    CHECK_EQ_I64(mr_item_int64(find(state, "1.step")), 0);
    CHECK_EQ_I64(mr_item_int64(find(state, "steps")), 1);
    CHECK_NEAR(first(find(state, "a.exp_avg")), 0.2, 1e-7);
    CHECK_EQ_I64(mr_tensor_dtype(find(state, "1.exp_avg")), MR_FLOAT64);
    CHECK_NEAR(mr_item(find(state, "1.mu_product")), 1, 0);
    CHECK_NEAR(mr_item(find(state, "param_groups.0.lr")), 0.5, 0);
    mr_optim_free(o);

    /* Groups, a name that is there twice, and a buffer that comes later. */
    static const char *const later[] = { "a.step",
                                         "1.step",
                                         "2.step",
                                         "2.momentum_buffer",
                                         "d.step",
                                         "d.momentum_buffer",
                                         "param_groups.0.lr",
                                         "param_groups.0.momentum",
                                         "param_groups.1.lr",
                                         "param_groups.1.momentum",
                                         "steps",
                                         NULL };
    o = mr_sgd_new((mr_params){ list, 2 }, 1, NULL);
    CHECK_EQ_I64(mr_optim_state(o).count, 5);
    CHECK_EQ_I64(mr_sgd_add_group(o, (mr_params){ more, 2 }, 1, NULL), MR_OK);
    CHECK_EQ_I64(mr_optim_state(o).count, 9);
    CHECK(mr_optim_set_group_momentum(o, 1, 0.5));
    check_names(mr_optim_state(o), later);
    mr_optim_free(o);
    CHECK(mr_optim_state(NULL).item == NULL);
    CHECK_EQ_STR(mr_error(), "optim_state: optim is NULL");
    mr_tensor_free(a);
    mr_tensor_free(b);
    mr_tensor_free(c);
    mr_tensor_free(d);
}

/* A state with another momentum and learning rate than the optimizer that it is loaded into, after as many steps. */
static void test_other_momentum(void)
{
    for (int sgd = 0; sgd < 2; sgd++) {
        mr_tensor *p[2] = { parameter(MR_FLOAT64, 1), parameter(MR_FLOAT64, 1) };
        mr_optim *o[2];
        for (int i = 0; i < 2; i++) {
            const mr_param item = { "p", p[i] };
            const mr_params params = { &item, 1 };
            o[i] = sgd ? mr_sgd_new(params, 0.1, NULL) : mr_adam_new(params, 0.1, NULL);
            if (i == 1) {
                CHECK(mr_optim_set_group_momentum(o[i], 0, 0.5));
                mr_optim_set_lr(o[i], 0.2);
            }
            for (int n = 0; n < 3; n++) {
                backward(p[i], 1 + n);
                CHECK_EQ_I64(mr_optim_step(o[i]), MR_OK);
            }
        }
        CHECK_EQ_I64(mr_optim_load_state(o[0], mr_optim_state(o[1])), MR_OK);
        CHECK_NEAR(mr_optim_group_momentum(o[0], 0), 0.5, 0);
        CHECK_NEAR(mr_optim_lr(o[0]), 0.2, 0);
        CHECK_EQ_I64(mr_tensor_copy(p[0], p[1]), MR_OK);
        for (int i = 0; i < 2; i++)
            CHECK_EQ_I64(mr_optim_step(o[i]), MR_OK);
        CHECK_NEAR(first(p[0]), first(p[1]), 1e-15);
        for (int i = 0; i < 2; i++)
            CHECK_EQ_I64(mr_optim_step(o[i]), MR_OK);
        CHECK_NEAR(first(p[0]), first(p[1]), 1e-15);
        for (int i = 0; i < 2; i++) {
            mr_optim_free(o[i]);
            mr_tensor_free(p[i]);
        }
    }
}

/* A state without a momentum, and so without its buffers: its momentum counts, too. */
static void test_no_momentum(void)
{
    for (int sgd = 0; sgd < 2; sgd++) {
        mr_tensor *p[2] = { parameter(MR_FLOAT64, 1), parameter(MR_FLOAT64, 1) };
        mr_optim *o[2];
        for (int i = 0; i < 2; i++) {
            const mr_param item = { "p", p[i] };
            const mr_params params = { &item, 1 };
            o[i] = sgd ? mr_sgd_new(params, 0.1, &(mr_sgd_opts){ .momentum = i ? 0.9 : 0 })
                       : mr_rmsprop_new(params, 0.1, &(mr_rmsprop_opts){ .momentum = i ? 0.9 : 0 });
            backward(p[i], 1);
            CHECK_EQ_I64(mr_optim_step(o[i]), MR_OK);
        }
        const size_t count = mr_optim_state(o[1]).count;
        mr_param less[16];
        mr_params without = mr_optim_state(o[0]);
        memcpy(less, without.item, without.count * sizeof *less);
        CHECK_EQ_I64(mr_optim_load_state(o[1], (mr_params){ less, without.count - 1 }), MR_ERR_ARGUMENT);
        CHECK_EQ_STR(mr_error(), "optim_load_state: steps is missing");
        CHECK_EQ_I64(mr_optim_state(o[1]).count, count); /* nothing has changed */
        CHECK_NEAR(first(find(mr_optim_state(o[1]), "p.momentum_buffer")), sgd ? 1 : 1 / sqrt(0.01), 1e-6);
        CHECK_EQ_I64(mr_optim_load_state(o[1], without), MR_OK);
        CHECK_EQ_I64(mr_optim_state(o[1]).count, without.count);
        CHECK_NEAR(mr_optim_group_momentum(o[1], 0), 0, 0);
        CHECK_EQ_I64(mr_tensor_copy(p[1], p[0]), MR_OK);
        for (int n = 0; n < 2; n++) {
            if (n == 1) /* and later on both get one */
                CHECK(mr_optim_set_group_momentum(o[0], 0, 0.5) && mr_optim_set_group_momentum(o[1], 0, 0.5));
            for (int k = 0; k < 2; k++)
                for (int i = 0; i < 2; i++)
                    CHECK_EQ_I64(mr_optim_step(o[i]), MR_OK);
            CHECK_NEAR(first(p[0]), first(p[1]), 0);
        }
        for (int i = 0; i < 2; i++) {
            mr_optim_free(o[i]);
            mr_tensor_free(p[i]);
        }
    }
}

/* Parameters that have been updated equally often, but with other momenta: each goes on with its own product. */
static void test_products(void)
{
    mr_tensor *a = parameter(MR_FLOAT64, 1), *b = parameter(MR_FLOAT64, 1), *alone = parameter(MR_FLOAT64, 1);
    const mr_param both[] = { { "a", a }, { "b", b } }, one = { "alone", alone };
    mr_optim *o = mr_nadam_new((mr_params){ both, 2 }, 0.1, NULL);
    mr_optim *reference = mr_nadam_new((mr_params){ &one, 1 }, 0.1, &(mr_nadam_opts){ .beta1 = 0.5 });
    backward(a, 1);
    CHECK_EQ_I64(mr_optim_step(o), MR_OK); /* a alone has a gradient */
    CHECK(mr_tensor_set_requires_grad(a, false) == MR_OK);
    CHECK(mr_optim_set_group_momentum(o, 0, 0.5));
    backward(b, 1);
    CHECK_EQ_I64(mr_optim_step(o), MR_OK); /* b alone */
    CHECK(mr_tensor_set_requires_grad(a, true) == MR_OK);
    CHECK_EQ_I64(mr_optim_step(o), MR_OK); /* both */
    backward(alone, 1);
    CHECK_EQ_I64(mr_optim_step(reference), MR_OK);
    CHECK_EQ_I64(mr_optim_step(reference), MR_OK);
    CHECK_NEAR(first(b), first(alone), 1e-15);
    mr_optim_free(o);
    mr_optim_free(reference);
    mr_tensor_free(a);
    mr_tensor_free(b);
    mr_tensor_free(alone);
}

static void expect_failure(mr_optim *o, const mr_param *item, size_t count, mr_status status,
                           const char *text)
{
    CHECK_EQ_I64(mr_optim_load_state(o, (mr_params){ item, count }), status);
    CHECK_EQ_STR(mr_error(), text);
    CHECK_NEAR(first(find(mr_optim_state(o), "p.exp_avg")), 0, 0);
    CHECK_EQ_I64(mr_optim_steps(o), 0);
}

static void test_failures(void)
{
    mr_tensor *p = parameter(MR_FLOAT32, 1), *q = parameter(MR_FLOAT32, 1);
    const mr_param item = { "p", p }, other = { "p", q };
    mr_optim *o = mr_adam_new((mr_params){ &item, 1 }, 0.1, NULL);
    mr_optim *from = mr_adam_new((mr_params){ &other, 1 }, 0.1, NULL);
    backward(q, 1);
    CHECK_EQ_I64(mr_optim_step(from), MR_OK);
    mr_params state = mr_optim_state(from);
    mr_tensor *wrong = mr_tensor_ones(MR_FLOAT32, MR_SHAPE(1));
    mr_param list[10];
    CHECK_EQ_I64(state.count, 9);
    memcpy(list, state.item, sizeof list - sizeof *list);
    list[9] = (mr_param){ "p.max_exp_avg_sq", q };
    expect_failure(o, list, 8, MR_ERR_ARGUMENT, "optim_load_state: steps is missing");
    expect_failure(o, list, 10, MR_ERR_ARGUMENT,
                   "optim_load_state: this adam optimizer keeps no p.max_exp_avg_sq");
    list[2].tensor = wrong;
    expect_failure(o, list, 9, MR_ERR_SHAPE, "optim_load_state: p.exp_avg_sq is [1], not [3]");
    list[2].tensor = NULL;
    expect_failure(o, list, 9, MR_ERR_ARGUMENT, "optim_load_state: p.exp_avg_sq is NULL");
    expect_failure(o, NULL, 9, MR_ERR_ARGUMENT, "optim_load_state: state is NULL");
    CHECK_EQ_I64(mr_optim_load_state(NULL, state), MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(), "optim_load_state: optim is NULL");

    /* Any order, and any type that can be cast. */
    mr_tensor *steps = mr_tensor_full(MR_FLOAT32, MR_SCALAR, 1);
    for (size_t i = 0; i < 9; i++)
        list[i] = state.item[8 - i];
    CHECK_EQ_STR(list[8].name, "p.step");
    list[8].tensor = steps;
    CHECK_EQ_I64(mr_optim_load_state(o, (mr_params){ list, 9 }), MR_OK);
    CHECK_EQ_I64(mr_item_int64(find(mr_optim_state(o), "param_groups.0.powers_at")), 1);

    /* Without the powers, which torch's state has not: they are worked out at the next step. */
    CHECK_EQ_STR(list[1].name, "param_groups.0.powers_at");
    list[1] = list[8];
    list[2] = list[7];
    list[3] = list[6];
    CHECK_EQ_I64(mr_optim_load_state(o, (mr_params){ list, 6 }), MR_OK);
    CHECK_EQ_I64(mr_item_int64(find(mr_optim_state(o), "param_groups.0.powers_at")), -1);
    CHECK_EQ_I64(mr_optim_steps(o), 1);
    CHECK_EQ_I64(mr_item_int64(find(mr_optim_state(o), "p.step")), 1);
    CHECK_NEAR(first(find(mr_optim_state(o), "p.exp_avg")), 0.1, 1e-8);
    mr_optim_free(o);
    mr_optim_free(from);
    mr_tensor_free(p);
    mr_tensor_free(q);
    mr_tensor_free(wrong);
    mr_tensor_free(steps);
}

int main(void)
{
    mr_rng *rng = mr_rng_new(0);
    tape = mr_tape_new(rng);
    RUN(test_list);
    RUN(test_other_momentum);
    RUN(test_no_momentum);
    RUN(test_products);
    RUN(test_failures);
    mr_tape_free(tape);
    mr_rng_free(rng);
    return check_report();
}

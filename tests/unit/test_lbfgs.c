/* L-BFGS: options, closures that fail, state; and steps with a closure of other optimizers. tests/ops has the numbers. */
#include "check.h"

#include <millrace/optim.h>

#include <math.h>

typedef struct bowl {
    mr_tape *tape;
    mr_optim *optim;
    mr_tensor *x;
    int calls, fail_at;
    mr_status failure;
    const char *text;
    double lie; /* what the loss is said to be, from the second call on; 0: the truth */
} bowl;

/* sum of (x - 3)^4 */
static mr_status closure(void *user, double *loss)
{
    bowl *b = user;
    if (++b->calls == b->fail_at)
        return b->text ? mr_fail(b->failure, "%s", b->text) : b->failure;
    mr_optim_zero_grad(b->optim);
    mr_tensor *square = mr_square(b->tape, mr_add_scalar(b->tape, b->x, -3));
    mr_tensor *y = mr_sum(b->tape, mr_square(b->tape, square), MR_ALL, false);
    mr_status status = mr_backward(b->tape, y);
    *loss = status ? NAN : b->lie != 0 && b->calls > 1 ? b->lie : mr_item(y);
    mr_tape_reset(b->tape);
    return status;
}

static mr_tape *tape;

static bowl new_bowl(const mr_lbfgs_opts *opts)
{
    bowl b = { .tape = tape, .x = mr_tensor_zeros(MR_FLOAT64, MR_SHAPE(2)) };
    const mr_param item = { "x", b.x };
    CHECK_EQ_I64(mr_tensor_set_requires_grad(b.x, true), MR_OK);
    b.optim = mr_lbfgs_new((mr_params){ &item, 1 }, 1, opts);
    CHECK(b.optim != NULL);
    return b;
}

static void free_bowl(bowl *b)
{
    mr_optim_free(b->optim);
    mr_tensor_free(b->x);
}

static double first(const mr_tensor *x)
{
    double values[2] = { NAN, 0 };
    CHECK(mr_copy_out(x, MR_FLOAT64, values, 2) == MR_OK && values[0] == values[1]);
    return values[0];
}

static void test_finds_the_minimum(void)
{
    for (int wolfe = 0; wolfe < 2; wolfe++) {
        bowl b = new_bowl(&(mr_lbfgs_opts){ .strong_wolfe = wolfe });
        double loss = 0;
        for (int i = 0; i < 10; i++)
            CHECK_EQ_I64(mr_optim_step_closure(b.optim, closure, &b, i ? NULL : &loss), MR_OK);
        CHECK_NEAR(loss, 162, 1e-12); /* the first of the first step */
        CHECK_NEAR(first(b.x), 3, 0.02);
        CHECK_EQ_I64(mr_optim_steps(b.optim), 10);
        free_bowl(&b);
    }
}

/* A failure in any evaluation ends the step; a search leaves the parameters where it began. */
static void test_failing_closures(void)
{
    static const struct {
        mr_status failure;
        const char *text, *want;
        mr_status status;
    } table[] = { { MR_ERR_IO, "no data", "no data", MR_ERR_IO },
                  { MR_ERR_IO, NULL, "optim_step_closure: the closure failed with status -6",
                    MR_ERR_CALLBACK },
                  { MR_END, NULL, NULL, MR_END } };
    for (int i = 0; i < 3; i++)
        for (int at = 1; at <= 3; at++) {
            bowl b = new_bowl(&(mr_lbfgs_opts){ .strong_wolfe = true });
            mr_error_clear();
            b.fail_at = at;
            b.failure = table[i].failure;
            b.text = table[i].text;
            CHECK_EQ_I64(mr_optim_step_closure(b.optim, closure, &b, NULL), table[i].status);
            CHECK_EQ_STR(mr_error(), table[i].want ? table[i].want : "");
            CHECK_EQ_I64(b.calls, at);
            if (at < 3) /* the first iteration is done by two evaluations */
                CHECK_NEAR(first(b.x), 0, 0);
            b.fail_at = 0;
            CHECK_EQ_I64(mr_optim_step_closure(b.optim, closure, &b, NULL), MR_OK);
            CHECK(first(b.x) > 1);
            free_bowl(&b);
        }
}

/* A loss that does not fit its gradients: the search ends all the same. */
static void test_lying_closure(void)
{
    const double lies[] = { NAN, INFINITY, -INFINITY, 1e300, 162, -1e300 };
    for (int i = 0; i < 6; i++) {
        bowl b = new_bowl(&(mr_lbfgs_opts){ .strong_wolfe = true, .max_iter = 1 });
        b.lie = lies[i];
        CHECK_EQ_I64(mr_optim_step_closure(b.optim, closure, &b, NULL), MR_OK);
        CHECK(b.calls <= 27);
        free_bowl(&b);
    }
}

static void test_options(void)
{
    static const struct {
        mr_lbfgs_opts opts;
        const char *text;
    } table[] = {
        { { .max_iter = -1 }, "lbfgs: max_iter -1 is less than 1" },
        { { .max_iter = MR_ZERO_INT }, "lbfgs: max_iter 0 is less than 1" },
        { { .max_eval = MR_ZERO_INT }, "lbfgs: max_eval 0 is less than 1" },
        { { .history_size = -5 }, "lbfgs: history_size -5 is less than 1" },
        { { .tolerance_grad = -1 }, "lbfgs: tolerance_grad -1 is not in [0, inf)" },
        { { .tolerance_change = NAN }, "lbfgs: tolerance_change nan is not in [0, inf)" },
    };
    mr_tensor *x = mr_tensor_zeros(MR_FLOAT64, MR_SHAPE(2)), *y = mr_tensor_zeros(MR_FLOAT32, MR_SHAPE(3));
    CHECK(mr_tensor_set_requires_grad(x, true) == MR_OK && mr_tensor_set_requires_grad(y, true) == MR_OK);
    mr_tensor_set_name(y, "y");
    const mr_param list[] = { { "x", x }, { "y", y } };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        CHECK(mr_lbfgs_new((mr_params){ list, 1 }, 1, &table[i].opts) == NULL);
        CHECK_EQ_STR(mr_error(), table[i].text);
    }
    CHECK(mr_lbfgs_new((mr_params){ list, 2 }, 1, NULL) == NULL);
    CHECK_EQ_STR(mr_error(), "lbfgs: x[2] is float64, y[3] is float32: it takes one type");
    CHECK(mr_lbfgs_new((mr_params){ NULL, 0 }, 1, NULL) == NULL);
    CHECK_EQ_STR(mr_error(), "lbfgs: params is NULL");
    mr_tensor_free(x);
    mr_tensor_free(y);

    /* Evaluations of one step: each option unset, its default given, another value, zero itself. */
    static const struct {
        mr_lbfgs_opts opts;
        int calls;
    } evaluations[] = { { { .max_iter = 0 }, 20 },
                        { { .max_iter = 20 }, 20 },
                        { { .max_iter = 7 }, 7 },
                        { { .max_iter = 7, .max_eval = 8 }, 7 },
                        { { .max_iter = 7, .max_eval = 3 }, 3 },
                        { { .tolerance_grad = 1e-7 }, 20 },
                        { { .tolerance_grad = 1e4 }, 1 },
                        { { .tolerance_grad = MR_ZERO }, 20 },
                        { { .tolerance_change = 1e-9 }, 20 },
                        { { .tolerance_change = 1e5 }, 1 },
                        { { .tolerance_change = MR_ZERO }, 20 },
                        { { .history_size = 100 }, 20 } };
    for (size_t i = 0; i < sizeof evaluations / sizeof *evaluations; i++) {
        bowl b = new_bowl(&evaluations[i].opts);
        CHECK_EQ_I64(mr_optim_step_closure(b.optim, closure, &b, NULL), MR_OK);
        if (!CHECK_EQ_I64(b.calls, evaluations[i].calls))
            printf("    in row %zu\n", i);
        free_bowl(&b);
    }
}

static void test_other_calls(void)
{
    bowl b = new_bowl(NULL);
    CHECK_EQ_I64(mr_optim_step(b.optim), MR_ERR_STATE);
    CHECK_EQ_STR(mr_error(), "optim_step: lbfgs needs a closure: call optim_step_closure");
    CHECK_EQ_I64(mr_optim_step_closure(b.optim, NULL, &b, NULL), MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(), "optim_step_closure: closure is NULL");
    CHECK_EQ_I64(mr_optim_step_closure(NULL, closure, &b, NULL), MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(), "optim_step_closure: optim is NULL");
    mr_fail(MR_ERR_SHAPE, "earlier");
    CHECK_EQ_I64(mr_optim_step_closure(b.optim, closure, &b, NULL), MR_ERR_SHAPE);
    CHECK_EQ_I64(b.calls, 0);
    CHECK(isnan(mr_optim_group_momentum(b.optim, 0)) && !mr_optim_set_group_momentum(b.optim, 0, 0.5));
    const mr_param item = { "x", b.x };
    mr_optim *lbfgs = b.optim, *other = mr_sgd_new((mr_params){ &item, 1 }, 0.01, NULL);
    CHECK_EQ_I64(mr_optim_step_closure(lbfgs, closure, &b, NULL), MR_ERR_STATE);
    CHECK_EQ_STR(mr_error(), "optim_step: x[2] belongs to another optimizer by now");

    /* Any other optimizer: one evaluation, one step. */
    double loss = 0;
    b.optim = other;
    CHECK_EQ_I64(mr_optim_step_closure(other, closure, &b, &loss), MR_OK);
    CHECK_EQ_I64(b.calls, 1);
    CHECK_NEAR(loss, 162, 1e-12);
    CHECK_NEAR(first(b.x), 0.01 * 4 * 27, 1e-12);
    b.fail_at = 2;
    b.failure = MR_END;
    CHECK_EQ_I64(mr_optim_step_closure(other, closure, &b, &loss), MR_END);
    CHECK_EQ_I64(mr_optim_steps(other), 1);
    mr_optim_free(lbfgs);
    free_bowl(&b);
}

/* A gradient that was zeroed and not written since is zero, whatever lies in its memory. */
typedef struct pair {
    mr_optim *optim;
    mr_tensor *x[2];
    bool write_zeros;
    int calls;
} pair;

static mr_status pair_closure(void *user, double *loss)
{
    pair *p = user;
    mr_optim_zero_grad(p->optim);
    mr_tensor *y = mr_sum(tape, mr_square(tape, p->x[0]), MR_ALL, false);
    if (++p->calls == 1 || p->write_zeros)
        y = mr_add(tape, y, mr_sum(tape, mr_mul_scalar(tape, p->x[1], p->calls == 1), MR_ALL, false));
    mr_status status = mr_backward(tape, y);
    *loss = status ? NAN : mr_item(y);
    mr_tape_reset(tape);
    return status;
}

static void test_zeroed_gradients(void)
{
    double end[2][2];
    for (int i = 0; i < 2; i++) {
        pair p = { .x = { mr_tensor_ones(MR_FLOAT64, MR_SHAPE(2)), mr_tensor_ones(MR_FLOAT64, MR_SHAPE(2)) },
                   .write_zeros = i };
        const mr_param list[] = { { "a", p.x[0] }, { "b", p.x[1] } };
        CHECK(mr_tensor_set_requires_grad(p.x[0], true) == MR_OK &&
              mr_tensor_set_requires_grad(p.x[1], true) == MR_OK);
        p.optim = mr_lbfgs_new((mr_params){ list, 2 }, 0.1, &(mr_lbfgs_opts){ .max_iter = 4 });
        CHECK_EQ_I64(mr_optim_step_closure(p.optim, pair_closure, &p, NULL), MR_OK);
        for (int k = 0; k < 2; k++) {
            end[i][k] = first(p.x[k]);
            mr_tensor_free(p.x[k]);
        }
        mr_optim_free(p.optim);
    }
    CHECK_NEAR(end[0][0], end[1][0], 0);
    CHECK_NEAR(end[0][1], end[1][1], 0);
}

static bool has(mr_params list, const char *name)
{
    for (size_t i = 0; i < list.count; i++)
        if (strcmp(list.item[i].name, name) == 0)
            return true;
    return false;
}

static void test_state(void)
{
    bowl a = new_bowl(&(mr_lbfgs_opts){ .history_size = 3 });
    bowl b = new_bowl(&(mr_lbfgs_opts){ .history_size = 2 });
    CHECK_EQ_I64(mr_optim_state(a.optim).count, 4); /* func_evals, n_iter, param_groups.0.lr, steps */
    CHECK_EQ_I64(mr_optim_step_closure(a.optim, closure, &a, NULL), MR_OK);
    mr_params state = mr_optim_state(a.optim);
    CHECK_EQ_I64(state.count, 16);
    CHECK(has(state, "x.old_dirs.2") && has(state, "x.ro") && has(state, "x.prev_flat_grad") &&
          has(state, "steps"));

    /* A longer history than it keeps: refused, and it is as it was. */
    CHECK_EQ_I64(mr_optim_load_state(b.optim, state), MR_ERR_SHAPE);
    CHECK_EQ_STR(mr_error(), "optim_load_state: x.ro is [3], not [2]");
    CHECK_EQ_I64(mr_optim_state(b.optim).count, 4);
    CHECK_EQ_I64(mr_optim_step_closure(b.optim, closure, &b, NULL), MR_OK);
    CHECK_EQ_I64(b.calls, 20);

    /* One that has begun goes back to the beginning. */
    bowl c = new_bowl(&(mr_lbfgs_opts){ .history_size = 3 });
    CHECK_EQ_I64(mr_optim_load_state(a.optim, mr_optim_state(c.optim)), MR_OK);
    CHECK_EQ_I64(mr_tensor_fill(a.x, 0), MR_OK);
    a.calls = 0;
    CHECK_EQ_I64(mr_optim_step_closure(a.optim, closure, &a, NULL), MR_OK);
    CHECK_EQ_I64(mr_optim_step_closure(c.optim, closure, &c, NULL), MR_OK);
    CHECK_NEAR(first(a.x), first(c.x), 0);
    CHECK_EQ_I64(a.calls, c.calls);
    free_bowl(&a);
    free_bowl(&b);
    free_bowl(&c);
}

int main(void)
{
    mr_rng *rng = mr_rng_new(0);
    tape = mr_tape_new(rng);
    RUN(test_finds_the_minimum);
    RUN(test_failing_closures);
    RUN(test_lying_closure);
    RUN(test_options);
    RUN(test_other_calls);
    RUN(test_zeroed_gradients);
    RUN(test_state);
    mr_tape_free(tape);
    mr_rng_free(rng);
    return check_report();
}

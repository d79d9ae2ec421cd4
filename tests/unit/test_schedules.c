/* Schedules: what is refused and in which words, who frees what, groups and state. That the rates are torch's is tested
 * in tests/ops. */
#include "check.h"

#include <millrace/schedules.h>

enum { MAX_GROUPS = 3 };

typedef struct bench {
    mr_tensor *p[MAX_GROUPS];
    mr_optim *optim;
    int groups;
} bench;

static void add_group(bench *b, double lr)
{
    mr_tensor *p = b->p[b->groups] = mr_tensor_ones(MR_FLOAT32, MR_SHAPE(2));
    CHECK_EQ_I64(mr_tensor_set_requires_grad(p, true), MR_OK);
    const mr_param item = { "p", p };
    const mr_params params = { &item, 1 };
    if (b->optim)
        CHECK_EQ_I64(mr_sgd_add_group(b->optim, params, lr, NULL), MR_OK);
    else
        b->optim = mr_sgd_new(params, lr, NULL);
    b->groups++;
}

static bench two_groups(void)
{
    bench b = { { 0 }, NULL, 0 };
    add_group(&b, 0.5);
    add_group(&b, 0.25);
    return b;
}

static void drop(bench *b)
{
    mr_optim_free(b->optim);
    for (int i = 0; i < b->groups; i++)
        mr_tensor_free(b->p[i]);
}

/* ---- what is refused ---- */

static double always(void *user, int group, int64_t step)
{
    (void)group;
    const int64_t *fails_at = user;
    if (step != *fails_at)
        return 1;
    return *fails_at % 2 ? NAN : (double)mr_fail(MR_ERR_FORMAT, "no factor today");
}

static void test_arguments(void)
{
    bench b = two_groups();
    mr_optim *o = b.optim;
    int64_t never = -1, stone = -1;
#define REFUSED(call, text) CHECK((call) == NULL && mr_error_status() < 0 && CHECK_EQ_STR(mr_error(), text))
    REFUSED(mr_step_lr_new(NULL, 1, NULL), "step_lr: optim is NULL");
    REFUSED(mr_step_lr_new(o, 0, NULL), "step_lr: step_size 0 is less than 1");
    REFUSED(mr_multi_step_lr_new(o, NULL, 1, NULL), "multi_step_lr: milestones is NULL");
    REFUSED(mr_multi_step_lr_new(o, &stone, 1, NULL), "multi_step_lr: a milestone of -1 is less than 0");
    REFUSED(mr_multi_step_lr_new(NULL, NULL, 0, NULL), "multi_step_lr: optim is NULL");
    REFUSED(mr_exponential_lr_new(o, -0.5), "exponential_lr: gamma -0.5 is not in [0, inf)");
    REFUSED(mr_exponential_lr_new(NULL, 0.5), "exponential_lr: optim is NULL");
    REFUSED(mr_constant_lr_new(NULL, NULL), "constant_lr: optim is NULL");
    REFUSED(mr_linear_lr_new(NULL, NULL), "linear_lr: optim is NULL");
    REFUSED(mr_polynomial_lr_new(NULL, NULL), "polynomial_lr: optim is NULL");
    REFUSED(mr_cosine_annealing_lr_new(o, 0, NULL), "cosine_annealing_lr: t_max 0 is less than 1");
    REFUSED(mr_cosine_annealing_lr_new(o, INT64_MAX, NULL),
            "cosine_annealing_lr: t_max 9223372036854775807 is too large");
    REFUSED(mr_cosine_annealing_lr_new(NULL, 1, NULL), "cosine_annealing_lr: optim is NULL");
    REFUSED(mr_cosine_annealing_warm_restarts_new(o, 0, NULL),
            "cosine_annealing_warm_restarts: t_0 0 is less than 1");
    REFUSED(mr_cosine_annealing_warm_restarts_new(NULL, 1, NULL),
            "cosine_annealing_warm_restarts: optim is NULL");
    REFUSED(mr_lambda_lr_new(o, NULL, NULL), "lambda_lr: factor is NULL");
    REFUSED(mr_lambda_lr_new(NULL, always, &never), "lambda_lr: optim is NULL");
    REFUSED(mr_multiplicative_lr_new(o, NULL, NULL), "multiplicative_lr: factor is NULL");
    REFUSED(mr_one_cycle_lr_new(o, -1, 10, NULL), "one_cycle_lr: max_lr -1 is not in [0, inf)");
    REFUSED(mr_one_cycle_lr_new(o, 1, 0, NULL), "one_cycle_lr: total_steps 0 is less than 1");
    REFUSED(mr_one_cycle_lr_new(NULL, 1, 10, NULL), "one_cycle_lr: optim is NULL");
    REFUSED(mr_one_cycle_lr_new(o, 1, 10, &(mr_one_cycle_lr_opts){ .pct_start = 0.1 }),
            "one_cycle_lr: a phase of no length at step 0: change pct_start or total_steps");
    REFUSED(mr_cyclic_lr_new(o, NAN, 1, NULL), "cyclic_lr: base_lr nan is not in [0, inf)");
    REFUSED(mr_cyclic_lr_new(o, 0, INFINITY, NULL), "cyclic_lr: max_lr inf is not in [0, inf)");
    REFUSED(mr_cyclic_lr_new(NULL, 0, 1, NULL), "cyclic_lr: optim is NULL");
    REFUSED(mr_reduce_lr_on_plateau_new(NULL, NULL), "reduce_lr_on_plateau: optim is NULL");
    REFUSED(mr_swa_lr_new(NULL, 0.1, NULL), "swa_lr: optim is NULL");
    REFUSED(mr_swa_lr_new(o, -0.1, NULL), "swa_lr: swa_lr -0.1 is not in [0, inf)");
    REFUSED(mr_swa_lr_new(o, 0.1, &(mr_swa_lr_opts){ .anneal_epochs = -1 }),
            "swa_lr: anneal_epochs -1 is less than 0");
    REFUSED(mr_swa_lr_new(o, 0.1, &(mr_swa_lr_opts){ .anneal = (mr_anneal)2 }),
            "swa_lr: there is no annealing 2");
    drop(&b);

    /* An optimizer without a momentum. */
    mr_tensor *p = mr_tensor_ones(MR_FLOAT32, MR_SHAPE(2));
    CHECK_EQ_I64(mr_tensor_set_requires_grad(p, true), MR_OK);
    const mr_param item = { "p", p };
    o = mr_adagrad_new((mr_params){ &item, 1 }, 0.1, NULL);
    REFUSED(mr_one_cycle_lr_new(o, 1, 9, NULL),
            "one_cycle_lr: adagrad has no momentum to cycle: set no_cycle_momentum");
    REFUSED(mr_cyclic_lr_new(o, 0, 1, NULL),
            "cyclic_lr: adagrad has no momentum to cycle: set no_cycle_momentum");
    mr_optim_free(o);
    mr_tensor_free(p);
}

static void test_wrong_steps(void)
{
    bench b = two_groups();
    int64_t fails_at = 2;
    mr_schedule *s = mr_lambda_lr_new(b.optim, always, &fails_at);
    CHECK_EQ_I64(mr_schedule_step(NULL), MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(), "schedule_step: schedule is NULL");
    CHECK_EQ_I64(mr_schedule_step_metric(NULL, 1), MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(), "schedule_step_metric: schedule is NULL");
    CHECK_EQ_I64(mr_schedule_step_metric(s, 1), MR_ERR_STATE);
    CHECK_EQ_STR(mr_error(), "schedule_step_metric: lambda_lr looks at no metric: call schedule_step");
    CHECK(isnan(mr_schedule_last_lr(NULL, 0)));
    CHECK_EQ_STR(mr_error(), "schedule_last_lr: schedule is NULL");
    CHECK(isnan(mr_schedule_last_lr(s, 2)));
    CHECK_EQ_STR(mr_error(), "schedule_last_lr: there is no group 2 of 2");
    CHECK(isnan(mr_schedule_last_lr(s, -1)));
    CHECK_EQ_STR(mr_error(), "schedule_last_lr: there is no group -1 of 2");

    /* A callback's own failure, and a factor that is none; the step can be made again. */
    CHECK_EQ_I64(mr_schedule_step(s), MR_OK);
    mr_optim_set_group_lr(b.optim, 1, 7);
    CHECK_EQ_I64(mr_schedule_step(s), MR_ERR_FORMAT);
    CHECK_EQ_STR(mr_error(), "no factor today");
    CHECK_NEAR(mr_optim_group_lr(b.optim, 1), 7, 0);
    fails_at = 3;
    CHECK_EQ_I64(mr_schedule_step(s), MR_OK);
    CHECK_NEAR(mr_optim_group_lr(b.optim, 1), 0.25, 0);
    CHECK_EQ_I64(mr_schedule_step(s), MR_ERR_CALLBACK);
    CHECK_EQ_STR(mr_error(), "lambda_lr: the factor of group 0 at step 3 is nan");
    mr_schedule_free(s);
    fails_at = 0;
    REFUSED(mr_lambda_lr_new(b.optim, always, &fails_at), "no factor today");

    /* A failure of the step before, which nobody has looked at. */
    s = mr_exponential_lr_new(b.optim, 0.5);
    mr_optim_set_group_lr(b.optim, 9, 1);
    CHECK_EQ_I64(mr_schedule_step(s), MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(), "optim_set_group_lr: there is no group 9 of 2");
    CHECK_NEAR(mr_optim_group_lr(b.optim, 0), 0.5, 0);
    mr_schedule_free(s);

    s = mr_reduce_lr_on_plateau_new(b.optim, NULL);
    CHECK_NEAR(mr_schedule_last_lr(s, 1), 0.25, 0);
    CHECK_EQ_I64(mr_schedule_step(s), MR_ERR_STATE);
    CHECK_EQ_STR(mr_error(),
                 "schedule_step: reduce_lr_on_plateau looks at a metric: call schedule_step_metric");
    mr_schedule_free(s);

    s = mr_one_cycle_lr_new(b.optim, 1, 2, NULL);
    CHECK_EQ_I64(mr_schedule_step(s), MR_OK);
    CHECK_EQ_I64(mr_schedule_step(s), MR_OK);
    const double last = mr_optim_lr(b.optim);
    CHECK_EQ_I64(mr_schedule_step(s), MR_ERR_STATE);
    CHECK_EQ_STR(mr_error(), "one_cycle_lr: step 3 of 2");
    CHECK(mr_optim_lr(b.optim) == last && mr_schedule_last_lr(s, 0) == last);
    mr_schedule_free(s);
    drop(&b);
}

static double no_scale(void *user, double x)
{
    (void)user;
    return x > 2 ? INFINITY : 1;
}

static void test_scale(void)
{
    bench b = two_groups();
    mr_schedule *s = mr_cyclic_lr_new(
        b.optim, 0.1, 1, &(mr_cyclic_lr_opts){ .step_size_up = 2, .scale = no_scale, .by_step = true });
    CHECK_EQ_I64(mr_schedule_step(s), MR_OK);
    CHECK_EQ_I64(mr_schedule_step(s), MR_OK);
    CHECK_EQ_I64(mr_schedule_step(s), MR_ERR_CALLBACK);
    CHECK_EQ_STR(mr_error(), "cyclic_lr: the scale at step 3 is inf");
    CHECK_NEAR(mr_optim_group_lr(b.optim, 1), 1, 0);
    mr_schedule_free(s);
    drop(&b);
}

/* Behind the last batch a line goes on, and beta1 with it, but not out of its range. */
static void test_last_step(void)
{
    mr_tensor *p = mr_tensor_ones(MR_FLOAT32, MR_SHAPE(2));
    CHECK_EQ_I64(mr_tensor_set_requires_grad(p, true), MR_OK);
    const mr_param item = { "p", p };
    mr_optim *o = mr_adam_new((mr_params){ &item, 1 }, 0.1, NULL);
    mr_schedule *s = mr_one_cycle_lr_new(o, 1, 2, &(mr_one_cycle_lr_opts){ .anneal = MR_ANNEAL_LINEAR });
    CHECK_EQ_I64(mr_schedule_step(s), MR_OK);
    CHECK_NEAR(mr_optim_group_momentum(o, 0), 0.95, 1e-12);
    CHECK_EQ_I64(mr_schedule_step(s), MR_OK);
    CHECK_NEAR(mr_optim_group_momentum(o, 0), 1, 1e-15);
    CHECK(mr_optim_group_momentum(o, 0) < 1);
    mr_schedule_free(s);
    mr_optim_free(o);
    mr_tensor_free(p);
}

static double minus(void *user, int group, int64_t step)
{
    (void)user;
    return group && step ? -1 : 1;
}

static void test_negative_factor(void)
{
    bench b = two_groups();
    mr_schedule *s = mr_multiplicative_lr_new(b.optim, minus, NULL);
    CHECK_EQ_I64(mr_schedule_step(s), MR_ERR_CALLBACK);
    CHECK_EQ_STR(mr_error(), "multiplicative_lr: the factor of group 1 at step 1 is -1");
    mr_schedule_free(s);
    drop(&b);
}

/* ---- lists ---- */

static mr_schedule *decay(bench *b)
{
    return mr_exponential_lr_new(b->optim, 0.5);
}

static void test_refused_lists(void)
{
    bench b = two_groups(), other = two_groups();
    const int64_t first[] = { 3 }, zero[] = { 0 }, back[] = { 3, 3 };
    mr_schedule *list[3];
#define LIST(n, ...) (memcpy(list, (mr_schedule *[3]){ __VA_ARGS__ }, sizeof list), list), n
    REFUSED(mr_sequential_lr_new(b.optim, NULL, 0, NULL), "sequential_lr: schedules is NULL");
    REFUSED(mr_sequential_lr_new(b.optim, list, 0, NULL), "sequential_lr: the list of schedules is empty");
    REFUSED(mr_sequential_lr_new(NULL, LIST(1, decay(&b)), NULL), "sequential_lr: optim is NULL");
    REFUSED(mr_sequential_lr_new(b.optim, LIST(2, decay(&b), decay(&b)), NULL),
            "sequential_lr: milestones is NULL");
    REFUSED(mr_sequential_lr_new(b.optim, LIST(2, decay(&b), decay(&b)), zero),
            "sequential_lr: milestone 0 is 0, after 0");
    REFUSED(mr_sequential_lr_new(b.optim, LIST(3, decay(&b), decay(&b), decay(&b)), back),
            "sequential_lr: milestone 1 is 3, after 3");
    REFUSED(mr_sequential_lr_new(b.optim, LIST(2, decay(&b), NULL), first),
            "sequential_lr: a schedule is NULL");
    REFUSED(mr_sequential_lr_new(b.optim, LIST(2, decay(&other), decay(&b)), first),
            "sequential_lr: schedule 0, exponential_lr, is for another optimizer");
    REFUSED(
        mr_sequential_lr_new(b.optim, LIST(2, decay(&b), mr_reduce_lr_on_plateau_new(b.optim, NULL)), first),
        "sequential_lr: schedule 1, reduce_lr_on_plateau, looks at a metric");
    mr_schedule *one = decay(&b);
    REFUSED(mr_sequential_lr_new(b.optim, LIST(2, one, one), first),
            "sequential_lr: schedule 1, exponential_lr, is in the list twice");
    REFUSED(mr_chained_scheduler_new(NULL, 0), "chained_scheduler: schedules is NULL");
    REFUSED(mr_chained_scheduler_new(list, 0), "chained_scheduler: the list of schedules is empty");
    REFUSED(mr_chained_scheduler_new(LIST(2, NULL, decay(&b))), "chained_scheduler: a schedule is NULL");
    REFUSED(mr_chained_scheduler_new(LIST(2, decay(&b), decay(&other))),
            "chained_scheduler: schedule 1, exponential_lr, is for another optimizer");

    /* One that belongs to another stays there. */
    one = decay(&b);
    mr_schedule *chain = mr_chained_scheduler_new(LIST(1, one));
    REFUSED(mr_chained_scheduler_new(LIST(2, decay(&b), one)),
            "chained_scheduler: schedule 1, exponential_lr, belongs to another schedule");
    mr_schedule_free(one); /* so it does then, too */
    mr_optim_set_lr(b.optim, 1);
    CHECK_EQ_I64(mr_schedule_step(chain), MR_OK);
    CHECK_NEAR(mr_schedule_last_lr(chain, 1), 0.5, 0);
    REFUSED(mr_sequential_lr_new(b.optim, LIST(2, decay(&b), chain), first),
            "sequential_lr: schedule 1, chained_scheduler, cannot begin anew");
    /* A NULL schedule passes the failure on that was there before. */
    REFUSED(mr_sequential_lr_new(b.optim, LIST(2, decay(&b), mr_step_lr_new(b.optim, 0, NULL)), first),
            "step_lr: step_size 0 is less than 1");
    drop(&b);
    drop(&other);
}

/* A step that fails within a sequence is not made. */
static void test_failing_sequence(void)
{
    bench b = two_groups();
    int64_t fails_at = 1;
    const int64_t first[] = { 2 };
    mr_schedule *s = mr_sequential_lr_new(
        b.optim, (mr_schedule *[]){ decay(&b), mr_lambda_lr_new(b.optim, always, &fails_at) }, 2, first);
    CHECK_EQ_I64(mr_schedule_step(s), MR_OK);
    CHECK_NEAR(mr_schedule_last_lr(s, 0), 0.25, 0);
    CHECK_EQ_I64(mr_schedule_step(s), MR_OK);
    CHECK_EQ_I64(mr_schedule_step(s), MR_ERR_CALLBACK);
    fails_at = -1;
    const mr_params state = mr_schedule_state(s);
    CHECK_EQ_STR(state.item[0].name, "last_epoch");
    CHECK_EQ_I64(mr_item_int64(state.item[0].tensor), 2);
    CHECK_EQ_I64(mr_schedule_step(s), MR_OK);
    CHECK_EQ_I64(mr_item_int64(state.item[0].tensor), 3);
    mr_schedule_free(s);

    fails_at = 1;
    s = mr_chained_scheduler_new((mr_schedule *[]){ mr_lambda_lr_new(b.optim, always, &fails_at), decay(&b) },
                                 2);
    CHECK_EQ_I64(mr_schedule_step(s), MR_ERR_CALLBACK);
    CHECK_EQ_STR(mr_error(), "lambda_lr: the factor of group 0 at step 1 is nan");
    mr_schedule_free(s);
    drop(&b);
}

/* ---- groups and state ---- */

static void test_later_groups(void)
{
    bench b = two_groups();
    mr_schedule *s = decay(&b);
    add_group(&b, 8);
    CHECK_EQ_I64(mr_schedule_step(s), MR_OK);
    CHECK_NEAR(mr_optim_group_lr(b.optim, 0), 0.25, 0);
    CHECK_NEAR(mr_optim_group_lr(b.optim, 1), 0.125, 0);
    CHECK_NEAR(mr_optim_group_lr(b.optim, 2), 8, 0);
    CHECK(isnan(mr_schedule_last_lr(s, 2)));
    CHECK_EQ_STR(mr_error(), "schedule_last_lr: there is no group 2 of 2");
    mr_schedule *all = decay(&b); /* a new one sees it; the initial rates of the others are the first ones */
    CHECK_EQ_I64(mr_schedule_step(all), MR_OK);
    CHECK_NEAR(mr_schedule_last_lr(all, 2), 4, 0);
    const mr_params state = mr_schedule_state(all);
    CHECK_EQ_STR(state.item[2].name, "base_lrs");
    double base[3] = { 0 };
    CHECK(mr_copy_out(state.item[2].tensor, MR_FLOAT64, base, 3) == MR_OK);
    CHECK(base[0] == 0.5 && base[1] == 0.25 && base[2] == 8);
    /* The optimizer may go first. */
    drop(&b);
    mr_schedule_free(s);
    mr_schedule_free(all);
    mr_schedule_free(NULL);
}

static void check_names(mr_schedule *s, const char *const *names, size_t count)
{
    const mr_params state = mr_schedule_state(s);
    CHECK_EQ_I64(state.count, count);
    for (size_t i = 0; i < count && i < state.count; i++)
        CHECK_EQ_STR(state.item[i].name, names[i]);
    CHECK(mr_schedule_state(s).item == state.item);
}

static void test_state(void)
{
    static const char *const plain[] = { "last_epoch", "last_lr", "base_lrs" };
    static const char *const restarts[] = { "last_epoch", "last_lr", "base_lrs", "T_i", "T_cur" };
    static const char *const plateau[] = { "last_epoch", "last_lr", "best", "num_bad_epochs",
                                           "cooldown_counter" };
    static const char *const nested[] = {
        "last_epoch",
        "last_lr",
        "schedules.0.last_epoch",
        "schedules.0.last_lr",
        "schedules.0.schedules.0.last_epoch",
        "schedules.0.schedules.0.last_lr",
        "schedules.0.schedules.0.base_lrs",
    };
    bench b = two_groups();
    mr_schedule *one = decay(&b), *r = mr_cosine_annealing_warm_restarts_new(b.optim, 3, NULL);
    mr_schedule *p = mr_reduce_lr_on_plateau_new(b.optim, NULL);
    check_names(one, plain, 3);
    check_names(r, restarts, 5);
    check_names(p, plateau, 5);
    mr_schedule *s = decay(&b);
    s = mr_sequential_lr_new(b.optim, &s, 1, NULL);
    s = mr_chained_scheduler_new(&s, 1);
    check_names(s, nested, 7);
    CHECK(mr_schedule_state(NULL).item == NULL);
    CHECK_EQ_STR(mr_error(), "schedule_state: schedule is NULL");

    CHECK_EQ_I64(mr_schedule_load_state(NULL, mr_schedule_state(s)), MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(), "schedule_load_state: schedule is NULL");
    CHECK_EQ_I64(mr_schedule_load_state(s, (mr_params){ NULL, 0 }), MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(), "schedule_load_state: state is NULL");
    CHECK_EQ_I64(mr_schedule_load_state(r, mr_schedule_state(one)), MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(), "schedule_load_state: T_i is missing");
    CHECK_EQ_I64(mr_schedule_load_state(one, mr_schedule_state(r)), MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(), "schedule_load_state: this exponential_lr keeps no T_i");
    bench three = two_groups();
    add_group(&three, 1);
    mr_schedule *more = decay(&three);
    CHECK_EQ_I64(mr_schedule_load_state(one, mr_schedule_state(more)), MR_ERR_SHAPE);
    CHECK_EQ_STR(mr_error(), "schedule_load_state: last_lr is [3], not [2]");

    /* The initial rates are part of it. */
    const double other[] = { 3, 5 };
    const mr_params all = mr_schedule_state(r);
    mr_param given[5];
    memcpy(given, all.item, sizeof given);
    given[2].tensor = mr_tensor_from(MR_FLOAT64, MR_SHAPE(2), other);
    CHECK_EQ_I64(mr_schedule_load_state(r, (mr_params){ given, 5 }), MR_OK);
    for (int i = 0; i < 3; i++)
        CHECK_EQ_I64(mr_schedule_step(r), MR_OK);
    CHECK(mr_schedule_last_lr(r, 0) == 3 && mr_schedule_last_lr(r, 1) == 5);
    mr_tensor_free(given[2].tensor);
    mr_schedule_free(one);
    mr_schedule_free(r);
    mr_schedule_free(p);
    mr_schedule_free(s);
    mr_schedule_free(more);
    drop(&b);
    drop(&three);
}

/* Adam's beta1 is moved as well, in steps that use it. */
static void test_training(void)
{
    mr_rng *rng = mr_rng_new(0);
    mr_tape *tape = mr_tape_new(rng);
    mr_tensor *p = mr_tensor_ones(MR_FLOAT64, MR_SHAPE(2));
    CHECK_EQ_I64(mr_tensor_set_requires_grad(p, true), MR_OK);
    const mr_param item = { "p", p };
    mr_optim *o = mr_adam_new((mr_params){ &item, 1 }, 0.1, NULL);
    mr_schedule *s = mr_cyclic_lr_new(o, 0.25, 0.75, &(mr_cyclic_lr_opts){ .step_size_up = 1 });
    const double rates[] = { 0.25, 0.75, 0.25 }, betas[] = { 0.9, 0.8, 0.9 };
    double value[2], want = 1;
    for (int i = 0; i < 3; i++) {
        CHECK_NEAR(mr_optim_group_lr(o, 0), rates[i], 1e-15);
        CHECK_NEAR(mr_optim_group_momentum(o, 0), betas[i], 1e-15);
        mr_optim_zero_grad(o);
        CHECK_EQ_I64(mr_backward(tape, mr_sum(tape, p, MR_ALL, false)), MR_OK);
        CHECK_EQ_I64(mr_optim_step(o), MR_OK);
        mr_tape_reset(tape);
        CHECK_EQ_I64(mr_schedule_step(s), MR_OK);
        if (i == 0) { /* the first step of Adam is the learning rate */
            want -= rates[0];
            CHECK(mr_copy_out(p, MR_FLOAT64, value, 2) == MR_OK);
            CHECK_NEAR(value[0], want, 1e-7);
        }
    }
    mr_schedule_free(s);
    mr_optim_free(o);
    mr_tensor_free(p);
    mr_tape_free(tape);
    mr_rng_free(rng);
}

int main(void)
{
    RUN(test_arguments);
    RUN(test_wrong_steps);
    RUN(test_scale);
    RUN(test_last_step);
    RUN(test_negative_factor);
    RUN(test_refused_lists);
    RUN(test_failing_sequence);
    RUN(test_later_groups);
    RUN(test_state);
    RUN(test_training);
    return check_report();
}

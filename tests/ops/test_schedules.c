/* The learning rates and momenta of every step, against PyTorch; once straight through, and once with new schedules that
 * are loaded with the state of the old ones half-way. The file is described in golden/make_schedules.py.
 *
 * The formulas are torch's, in torch's order, in double; allowed is what another C library may make of cos and pow. The
 * recursive form of cosine annealing magnifies that where the rate is nearly zero. */
#include "golden.h"

#include <millrace/schedules.h>

#include <float.h>

enum { MAX_GROUPS = 2, MAX_MADE = 4, MAX_VALUES = 256 };
static const double allowed = 64 * DBL_EPSILON;

typedef struct made {
    mr_tensor *p[MAX_GROUPS];
    mr_optim *optim;
    mr_schedule *top[MAX_MADE];
    size_t tops;
} made;

/* One run as the file has it. */
typedef struct run {
    golden_case head, line[8], hand; /* `op` is the kind */
    bool join[8];
    int lines;
    double metrics[MAX_VALUES], rates[MAX_VALUES], momenta[MAX_VALUES];
    bool has_metrics, has_momenta;
} run;

static golden_file file;

/* ---- reading ---- */

static bool word_is(const char *word)
{
    char *next = file.at + strspn(file.at, " \n");
    size_t n = strlen(word);
    if (strncmp(next, word, n) || (next[n] != ' ' && next[n] != '\n'))
        return false;
    golden_word(&file);
    return true;
}

static void read_options(golden_case *c)
{
    for (;;) {
        char *next = file.at + strspn(file.at, " \n");
        if (!memchr(next, '=', strcspn(next, " \n")))
            return;
        if (!CHECK(golden_read_parameter(&file, c, golden_word(&file))))
            return;
    }
}

static void read_values(double *values, int64_t count)
{
    CHECK(word_is(":") && count <= MAX_VALUES);
    for (int64_t i = 0; i < count; i++)
        CHECK(golden_value(golden_word(&file), MR_FLOAT64, values, i));
}

static void read_named(golden_case *c)
{
    snprintf(c->op, sizeof c->op, "%s", golden_word(&file));
    read_options(c);
}

static int steps_of(const run *r)
{
    return (int)golden_number(&r->head, "steps", 0);
}

static int groups_of(const run *r)
{
    const golden_parameter *lr = golden_find(&r->head, "lr");
    return lr ? lr->count : 0;
}

static bool read_run(run *r)
{
    memset(r, 0, sizeof *r);
    if (!word_is("run"))
        return false;
    r->head.number = atoi(golden_word(&file));
    CHECK_EQ_I64(r->head.number, ++file.seen);
    read_named(&r->head);
    for (;;) {
        bool join = word_is("join");
        if (!join && !word_is("make"))
            break;
        r->join[r->lines] = join;
        read_named(&r->line[r->lines++]);
    }
    if (word_is("hand"))
        read_options(&r->hand);
    r->has_metrics = word_is("metrics");
    if (r->has_metrics)
        read_values(r->metrics, steps_of(r));
    const int64_t count = (steps_of(r) + 1) * groups_of(r);
    if (CHECK(word_is("rates")))
        read_values(r->rates, count);
    r->has_momenta = word_is("momenta");
    if (r->has_momenta)
        read_values(r->momenta, count);
    return true;
}

/* ---- making ---- */

static double wave(void *user, int group, int64_t step)
{
    CHECK(user == &file);
    return (1 + sin((double)(step + group))) / (double)(1 + step);
}

static double cut(void *user, double x)
{
    CHECK(user == &file);
    return 1 / (1 + x);
}

static double option(const golden_case *c, const char *key)
{
    const golden_parameter *p = golden_find(c, key);
    return !p ? 0 : p->value[0] == 0 ? MR_ZERO : p->value[0];
}

static int64_t whole(const golden_case *c, const char *key)
{
    const golden_parameter *p = golden_find(c, key);
    return !p ? 0 : p->value[0] == 0 ? MR_ZERO_INT : (int64_t)p->value[0];
}

static const double *array(const golden_case *c, const char *key)
{
    const golden_parameter *p = golden_find(c, key);
    return p ? p->value : NULL;
}

static size_t integers(const golden_case *c, const char *key, int64_t *to)
{
    const golden_parameter *p = golden_find(c, key);
    for (int i = 0; p && i < p->count; i++)
        to[i] = (int64_t)p->value[i];
    return p ? (size_t)p->count : 0;
}

#define OPTION(key) .key = option(c, #key)
#define WHOLE(key) .key = whole(c, #key)
#define SWITCH(key) .key = golden_number(c, #key, 0) != 0
#define ARRAY(key) .key = array(c, #key)
#define IS(kind) (strcmp(c->op, #kind) == 0)
#define NEW(kind, ...) mr_##kind##_new(__VA_ARGS__)

static mr_schedule *make_cycle(mr_optim *optim, const golden_case *c)
{
    if (IS(one_cycle_lr))
        return mr_one_cycle_lr_new(
            optim, golden_number(c, "max_lr", NAN), whole(c, "total_steps"),
            &(mr_one_cycle_lr_opts){ OPTION(pct_start), .anneal = (mr_anneal)golden_number(c, "anneal", 0),
                                     SWITCH(no_cycle_momentum), OPTION(base_momentum), OPTION(max_momentum),
                                     OPTION(div_factor), OPTION(final_div_factor), SWITCH(three_phase),
                                     ARRAY(max_lrs), ARRAY(base_momenta), ARRAY(max_momenta) });
    if (IS(cyclic_lr))
        return mr_cyclic_lr_new(
            optim, golden_number(c, "base_lr", NAN), golden_number(c, "max_lr", NAN),
            &(mr_cyclic_lr_opts){ WHOLE(step_size_up), WHOLE(step_size_down),
                                  .mode = (mr_cyclic_mode)golden_number(c, "mode", 0), OPTION(gamma),
                                  SWITCH(no_cycle_momentum), OPTION(base_momentum), OPTION(max_momentum),
                                  ARRAY(base_lrs), ARRAY(max_lrs), ARRAY(base_momenta), ARRAY(max_momenta),
                                  .scale = golden_find(c, "scale") ? cut : NULL, .user = &file,
                                  SWITCH(by_step) });
    if (IS(reduce_lr_on_plateau))
        return mr_reduce_lr_on_plateau_new(
            optim, &(mr_reduce_lr_on_plateau_opts){
                       .mode = (mr_plateau_mode)golden_number(c, "mode", 0),
                       OPTION(factor),
                       WHOLE(patience),
                       OPTION(threshold),
                       .threshold_mode = (mr_threshold_mode)golden_number(c, "threshold_mode", 0),
                       WHOLE(cooldown),
                       OPTION(min_lr),
                       OPTION(eps),
                       ARRAY(min_lrs) });
    return NULL;
}

static mr_schedule *make_one(mr_optim *optim, const golden_case *c)
{
    int64_t list[GOLDEN_NUMBERS];
    if (IS(step_lr))
        return mr_step_lr_new(optim, whole(c, "step_size"), &(mr_step_lr_opts){ OPTION(gamma) });
    if (IS(multi_step_lr)) {
        size_t count = integers(c, "milestones", list);
        return mr_multi_step_lr_new(optim, list, count, &(mr_multi_step_lr_opts){ OPTION(gamma) });
    }
    if (IS(exponential_lr))
        return mr_exponential_lr_new(optim, golden_number(c, "gamma", NAN));
    if (IS(constant_lr))
        return mr_constant_lr_new(optim, &(mr_constant_lr_opts){ OPTION(factor), WHOLE(total_iters) });
    if (IS(linear_lr))
        return mr_linear_lr_new(
            optim, &(mr_linear_lr_opts){ OPTION(start_factor), OPTION(end_factor), WHOLE(total_iters) });
    if (IS(polynomial_lr))
        return mr_polynomial_lr_new(optim, &(mr_polynomial_lr_opts){ WHOLE(total_iters), OPTION(power) });
    if (IS(cosine_annealing_lr))
        return mr_cosine_annealing_lr_new(optim, whole(c, "t_max"),
                                          &(mr_cosine_annealing_lr_opts){ OPTION(eta_min) });
    if (IS(cosine_annealing_warm_restarts))
        return mr_cosine_annealing_warm_restarts_new(
            optim, whole(c, "t_0"),
            &(mr_cosine_annealing_warm_restarts_opts){ WHOLE(t_mult), OPTION(eta_min) });
    if (IS(lambda_lr))
        return mr_lambda_lr_new(optim, wave, &file);
    if (IS(multiplicative_lr))
        return mr_multiplicative_lr_new(optim, wave, &file);
    if (IS(swa_lr))
        return mr_swa_lr_new(optim, golden_number(c, "swa_lr", 0),
                             &(mr_swa_lr_opts){ WHOLE(anneal_epochs),
                                                .anneal = (mr_anneal)golden_number(c, "anneal", 0),
                                                ARRAY(swa_lrs) });
    return make_cycle(optim, c);
}

static void add_line(made *m, const golden_case *c, bool join)
{
    int64_t milestones[GOLDEN_NUMBERS];
    mr_schedule *s;
    if (!join) {
        s = make_one(m->optim, c);
    } else {
        if (IS(sequential_lr)) {
            size_t count = integers(c, "milestones", milestones);
            CHECK_EQ_I64(count + 1, m->tops);
            s = mr_sequential_lr_new(m->optim, m->top, m->tops, milestones);
        } else {
            s = mr_chained_scheduler_new(m->top, m->tops);
        }
        m->tops = 0;
    }
    if (!CHECK(s != NULL))
        printf("    run %d, %s: %s\n", file.seen, c->op, mr_error());
    m->top[m->tops++] = s;
}

static void make_all(const run *r, made *m)
{
    memset(m, 0, sizeof *m);
    const double *lr = array(&r->head, "lr");
    const char *kind = r->head.op;
    for (int i = 0; i < groups_of(r); i++) {
        m->p[i] = mr_tensor_zeros(MR_FLOAT32, MR_SHAPE(2));
        CHECK_EQ_I64(mr_tensor_set_requires_grad(m->p[i], true), MR_OK);
        const mr_param item = { i ? "b" : "a", m->p[i] };
        const mr_params params = { &item, 1 };
        const mr_sgd_opts sgd = { .momentum = 0.5 };
        const mr_rmsprop_opts rmsprop = { .momentum = 0.5 };
        mr_status status = MR_OK;
        if (strcmp(kind, "adam") == 0 && i)
            status = mr_adam_add_group(m->optim, params, lr[i], NULL);
        else if (strcmp(kind, "adam") == 0)
            m->optim = mr_adam_new(params, lr[i], NULL);
        else if (strcmp(kind, "adagrad") == 0 && i)
            status = mr_adagrad_add_group(m->optim, params, lr[i], NULL);
        else if (strcmp(kind, "adagrad") == 0)
            m->optim = mr_adagrad_new(params, lr[i], NULL);
        else if (strcmp(kind, "rmsprop") == 0 && i)
            status = mr_rmsprop_add_group(m->optim, params, lr[i], &rmsprop);
        else if (strcmp(kind, "rmsprop") == 0)
            m->optim = mr_rmsprop_new(params, lr[i], &rmsprop);
        else if (i)
            status = mr_sgd_add_group(m->optim, params, lr[i], &sgd);
        else
            m->optim = mr_sgd_new(params, lr[i], &sgd);
        CHECK(m->optim && status == MR_OK);
    }
    for (int i = 0; i < r->lines; i++)
        add_line(m, &r->line[i], r->join[i]);
}

static void free_all(made *m)
{
    for (size_t i = 0; i < m->tops; i++)
        mr_schedule_free(m->top[i]);
    mr_optim_free(m->optim);
    for (int i = 0; i < MAX_GROUPS; i++)
        mr_tensor_free(m->p[i]);
}

/* New schedules for new optimizers, loaded with copies of the old ones' state. */
static void go_over(const run *r, made *m)
{
    made next;
    make_all(r, &next);
    bool ok = mr_optim_load_state(next.optim, mr_optim_state(m->optim)) == MR_OK;
    for (size_t i = 0; i < m->tops; i++)
        ok = mr_schedule_load_state(next.top[i], mr_schedule_state(m->top[i])) == MR_OK && ok;
    if (!CHECK(ok))
        printf("    run %d: %s\n", file.seen, mr_error());
    free_all(m);
    *m = next;
}

/* ---- comparing ---- */

static bool near(double value, double want)
{
    return (isnan(value) && isnan(want)) || fabs(value - want) <= allowed * fmax(fabs(want), 1e-3);
}

static bool compare(const run *r, const made *m, int step)
{
    const int groups = groups_of(r);
    for (int i = 0; i < groups; i++) {
        double rate = mr_optim_group_lr(m->optim, i), want = r->rates[step * groups + i];
        double momentum = mr_optim_group_momentum(m->optim, i);
        double moved = r->has_momenta ? r->momenta[step * groups + i] : momentum;
        bool last = mr_schedule_last_lr(m->top[m->tops - 1], i) == rate;
        if (CHECK(near(rate, want) && near(momentum, moved) && last))
            continue;
        printf(
            "    run %d, step %d, group %d: rate %.17g, not %.17g; momentum %.17g, not %.17g; last %.17g\n",
            file.seen, step, i, rate, want, momentum, moved, mr_schedule_last_lr(m->top[m->tops - 1], i));
        return false;
    }
    return true;
}

static void follow(const run *r, bool resumed)
{
    made m;
    make_all(r, &m);
    bool ok = compare(r, &m, 0);
    const int hand = (int)golden_number(&r->hand, "at", 0);
    for (int step = 1; ok && step <= steps_of(r); step++) {
        if (resumed && step == steps_of(r) / 2)
            go_over(r, &m);
        if (step == hand)
            mr_optim_set_lr(m.optim, golden_number(&r->hand, "lr", NAN));
        for (size_t i = 0; i < m.tops; i++)
            ok = (r->has_metrics ? mr_schedule_step_metric(m.top[i], r->metrics[step - 1])
                                 : mr_schedule_step(m.top[i])) == MR_OK &&
                 ok;
        if (!CHECK(ok))
            printf("    run %d, step %d: %s\n", file.seen, step, mr_error());
        ok = ok && compare(r, &m, step);
    }
    free_all(&m);
}

static void test_rates(void)
{
    static run r;
    if (!golden_open(&file, "schedules"))
        return;
    while (read_run(&r)) {
        follow(&r, false);
        follow(&r, true);
    }
    golden_close(&file);
}

int main(void)
{
    RUN(test_rates);
    return check_report();
}

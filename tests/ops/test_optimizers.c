/* Optimizers, their groups and their state, against PyTorch. The file is described in golden/make_optimizers.py.
 *
 * In float32 the updates are torch's bit for bit where the processor has fused multiply-adds: every rounding is where
 * torch has it. Without them each product is rounded, which a step divides by a small root. In float64 torch's
 * products are fused, too, and beta^t is multiplied up here: 1 - 0.999^t has its last places' error a hundredfold.
 * Allowed are units in the last place of the value, or of 1 where that is larger. */
#include "golden_run.h"

#include "kernels/kernels.h"

#include <millrace/optim.h>

enum { MAX_PARAMS = 4, MAX_STEPS = 12 };

static golden_op tolerance[] = { { .name = "float32", .forward = 0, .floor = 1 },
                                 { .name = "float64", .forward = 64, .floor = 1 } };

typedef struct series {
    int params, steps;
    golden_tensor param[MAX_PARAMS];
    golden_tensor grad[MAX_STEPS][MAX_PARAMS]; /* values NULL: none in this step */
} series;

/* A run: its options, those of a second group (op empty: none), and the change in the middle. */
typedef struct run {
    golden_case options, second, then;
    mr_tensor *p[MAX_PARAMS];
    mr_param list[MAX_PARAMS];
    mr_optim *optim;
} run;

static golden_file file;
static mr_tape *tape;

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

/* ---- a series ---- */

static void free_series(series *s)
{
    for (int k = 0; k < MAX_PARAMS; k++) {
        free(s->param[k].values);
        for (int n = 0; n < MAX_STEPS; n++)
            free(s->grad[n][k].values);
    }
    memset(s, 0, sizeof *s);
}

static void read_series(series *s)
{
    while (word_is("param"))
        if (!CHECK(s->params < MAX_PARAMS && golden_read_tensor(&file, &s->param[s->params++])))
            return;
    while (word_is("step")) {
        if (!CHECK(s->steps < MAX_STEPS))
            return;
        while (word_is("grad")) {
            int k = atoi(golden_word(&file));
            if (!CHECK(k < s->params && golden_read_like(&file, &s->grad[s->steps][k], &s->param[k])))
                return;
        }
        s->steps++;
    }
}

/* ---- making optimizers: optim NULL for a new one, else a group is added to it ---- */

static double option(const golden_case *c, const char *key)
{
    const golden_parameter *p = golden_find(c, key);
    return !p ? 0 : p->value[0] == 0 ? MR_ZERO : p->value[0];
}

static bool on(const golden_case *c, const char *key)
{
    return golden_find(c, key) != NULL;
}

#define OPTION(key) .key = option(c, #key)
#define SWITCH(key) .key = on(c, #key)
#define MAKE(kind, ...)                                                   \
    if (strcmp(name, #kind) == 0) {                                       \
        const mr_##kind##_opts opts = { __VA_ARGS__ };                    \
        if (!*optim)                                                      \
            return (*optim = mr_##kind##_new(params, lr, &opts)) != NULL; \
        return mr_##kind##_add_group(*optim, params, lr, &opts) == MR_OK; \
    }

static bool make(mr_optim **optim, const char *name, const golden_case *c, mr_params params)
{
    double lr = golden_number(c, "lr", -1);
    MAKE(sgd, OPTION(momentum), OPTION(dampening), OPTION(weight_decay), SWITCH(nesterov))
    MAKE(adam, OPTION(beta1), OPTION(beta2), OPTION(eps), OPTION(weight_decay), SWITCH(amsgrad))
    MAKE(adamw, OPTION(beta1), OPTION(beta2), OPTION(eps), OPTION(weight_decay), SWITCH(amsgrad))
    MAKE(rmsprop, OPTION(alpha), OPTION(eps), OPTION(weight_decay), OPTION(momentum), SWITCH(centered))
    MAKE(adagrad, OPTION(lr_decay), OPTION(weight_decay), .initial_accumulator_value = option(c, "initial"),
         OPTION(eps))
    MAKE(adadelta, OPTION(rho), OPTION(eps), OPTION(weight_decay))
    MAKE(adamax, OPTION(beta1), OPTION(beta2), OPTION(eps), OPTION(weight_decay))
    MAKE(nadam, OPTION(beta1), OPTION(beta2), OPTION(eps), OPTION(weight_decay), OPTION(momentum_decay))
    MAKE(radam, OPTION(beta1), OPTION(beta2), OPTION(eps), OPTION(weight_decay))
    return false;
}

static bool make_optimizer(const series *s, run *r)
{
    size_t count = (size_t)s->params;
    size_t first = *r->second.op ? (size_t)golden_number(&r->second, "from", 0) : count;
    if (!make(&r->optim, r->options.op, &r->options, (mr_params){ r->list, first }))
        return false;
    return first == count ||
           make(&r->optim, r->options.op, &r->second, (mr_params){ r->list + first, count - first });
}

static void make_parameters(const series *s, run *r)
{
    static const char *const names[] = { "a", "b", "c", "d" };
    for (int k = 0; k < s->params; k++) {
        r->p[k] = mr_tensor_from(s->param[k].dtype, s->param[k].shape, s->param[k].values);
        CHECK(mr_tensor_set_requires_grad(r->p[k], true) == MR_OK);
        r->list[k] = (mr_param){ names[k], r->p[k] };
    }
}

/* ---- a run ---- */

/* Gives p the gradient: that of the sum of p times it. */
static void put_gradient(mr_tensor *p, const golden_tensor *gradient)
{
    mr_tensor *factor = mr_tensor_from(gradient->dtype, gradient->shape, gradient->values);
    CHECK(mr_backward(tape, mr_sum(tape, mr_mul(tape, p, factor), MR_ALL, false)) == MR_OK);
    mr_tape_reset(tape);
    mr_tensor_free(factor);
}

static void compare(const run *r, const char *what, golden_tensor *want, const mr_tensor *got)
{
    golden_compare(&r->options, &tolerance[want->dtype == MR_FLOAT64], what, want, got, false);
    free(want->values);
}

static void check_params(const series *s, const run *r, int step)
{
    char what[40];
    for (int k = 0; k < s->params; k++) {
        golden_tensor want = { 0 };
        if (!CHECK(word_is("after") && atoi(golden_word(&file)) == step && atoi(golden_word(&file)) == k &&
                   golden_read_like(&file, &want, &s->param[k])))
            return;
        snprintf(what, sizeof what, "parameter %d after step %d", k, step);
        compare(r, what, &want, r->p[k]);
    }
}

static void change(const run *r)
{
    for (int group = 0; group < mr_optim_group_count(r->optim); group++) {
        mr_optim_set_group_lr(r->optim, group, golden_number(&r->then, "lr", -1));
        if (on(&r->then, "momentum"))
            CHECK(mr_optim_set_group_momentum(r->optim, group, golden_number(&r->then, "momentum", -1)));
    }
}

/* Steps first to last, counted from 1. */
static void train(const series *s, const run *r, int first, int last, bool check)
{
    for (int n = first; n <= last; n++) {
        if (n == (int)golden_number(&r->then, "at", 0))
            change(r);
        mr_optim_zero_grad(r->optim);
        for (int k = 0; k < s->params; k++)
            if (s->grad[n - 1][k].values)
                put_gradient(r->p[k], &s->grad[n - 1][k]);
        CHECK_EQ_I64(mr_optim_step(r->optim), MR_OK);
        char *next = file.at + strspn(file.at, " \n");
        if (check && strncmp(next, "after ", 6) == 0 && atoi(next + 6) == n)
            check_params(s, r, n);
    }
}

static const mr_tensor *find_state(mr_params state, const char *param, const char *what)
{
    char name[64];
    snprintf(name, sizeof name, "%s.%s", param, what);
    for (size_t i = 0; i < state.count; i++)
        if (strcmp(state.item[i].name, name) == 0)
            return state.item[i].tensor;
    printf("    there is no %s\n", name);
    return NULL;
}

static void check_state(const series *s, const run *r)
{
    mr_params state = mr_optim_state(r->optim);
    while (word_is("state")) {
        int k = atoi(golden_word(&file));
        const char *name = golden_word(&file);
        golden_tensor scalar = { .dtype = MR_FLOAT64 }, want = { 0 };
        bool number = strcmp(name, "step") == 0 || strcmp(name, "mu_product") == 0;
        if (!CHECK(k < s->params && golden_read_like(&file, &want, number ? &scalar : &s->param[k])))
            return;
        const mr_tensor *got = find_state(state, r->list[k].name, name);
        if (CHECK(got != NULL) && number) {
            CHECK_CLOSE(strcmp(name, "step") ? mr_item(got) : (double)mr_item_int64(got),
                        ((double *)want.values)[0], 1e-15, 0);
            free(want.values);
        } else {
            compare(r, name, &want, got);
        }
    }
}

/* Another optimizer, made alike, goes on from the state after six steps, and ends where the first would have. */
static void check_going_on(const series *s, const run *whole)
{
    enum { CUT = 6 };
    run begun = { .options = whole->options, .second = whole->second, .then = whole->then }, r = begun;
    make_parameters(s, &begun);
    make_parameters(s, &r);
    if (!CHECK(make_optimizer(s, &begun) && make_optimizer(s, &r)))
        return;
    train(s, &begun, 1, CUT, false);
    for (int k = 0; k < s->params;
         k++) { /* a gradient that is there, if only as a zero, is not part of the state */
        CHECK_EQ_I64(mr_tensor_copy(r.p[k], begun.p[k]), MR_OK);
        if (mr_tensor_has_grad(begun.p[k]))
            put_gradient(r.p[k], &s->param[k]);
    }
    CHECK_EQ_I64(mr_optim_load_state(r.optim, mr_optim_state(begun.optim)), MR_OK);
    CHECK_EQ_I64(mr_optim_steps(r.optim), CUT);
    train(s, &r, CUT + 1, s->steps, false);
    for (int k = 0; k < s->params; k++) {
        double want[32], got[32];
        int64_t count = mr_tensor_numel(r.p[k]);
        CHECK(mr_copy_out(whole->p[k], MR_FLOAT64, want, count) == MR_OK &&
              mr_copy_out(r.p[k], MR_FLOAT64, got, count) == MR_OK);
        for (int64_t i = 0; i < count; i++)
            CHECK(got[i] == want[i]);
        mr_tensor_free(r.p[k]);
        mr_tensor_free(begun.p[k]);
    }
    mr_optim_free(r.optim);
    mr_optim_free(begun.optim);
}

static void read_run(run *r)
{
    r->options.file = file.name;
    r->options.number = atoi(golden_word(&file));
    CHECK_EQ_I64(r->options.number, ++file.seen);
    snprintf(r->options.op, sizeof r->options.op, "%s", golden_word(&file));
    read_options(&r->options);
    if (word_is("group")) {
        snprintf(r->second.op, sizeof r->second.op, "%s", r->options.op);
        read_options(&r->second);
    }
    CHECK(word_is("then"));
    read_options(&r->then);
}

static void check_run_of(const series *s)
{
    run r = { 0 };
    read_run(&r);
    make_parameters(s, &r);
    if (CHECK(make_optimizer(s, &r))) {
        train(s, &r, 1, s->steps, true);
        check_state(s, &r);
        check_going_on(s, &r);
    } else {
        printf("    %s\n", mr_error());
    }
    mr_optim_free(r.optim);
    for (int k = 0; k < s->params; k++)
        mr_tensor_free(r.p[k]);
}

static void test_optimizers(void)
{
    series s = { 0 };
    if (!golden_open(&file, "optimizers"))
        return;
    if (strcmp(mr__k->level, "plain") == 0)
        tolerance[0].forward = 16;
    while (word_is("series")) {
        read_series(&s);
        while (!file.bad && word_is("run"))
            check_run_of(&s);
        free_series(&s);
    }
    CHECK(word_is("end"));
    golden_close(&file);
    for (int i = 0; getenv("MR_GOLDEN_WORST") && i < 2; i++)
        printf("%s: %.3f of %g\n", tolerance[i].name, tolerance[i].worst[0], tolerance[i].forward);
}

int main(void)
{
    mr_rng *rng = mr_rng_new(0);
    tape = mr_tape_new(rng);
    RUN(test_optimizers);
    mr_tape_free(tape);
    mr_rng_free(rng);
    return check_report();
}

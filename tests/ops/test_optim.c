/* Optimizers, against PyTorch. The file is described in golden/make_optim.py.
 *
 * In float32 the updates are torch's bit for bit where the processor has fused multiply-adds: every rounding is where
 * torch has it. Without them each product is rounded, which a step of Adam divides by a small square root. In float64
 * the products are rounded, too, and beta^t is multiplied up: 1 - 0.999^t has its last places' error a hundredfold.
 * p.sub_(lr * p.grad) rounds twice, mr_tensor_add_scaled once. Allowed are units in the last place of the value, or of
 * 1 where that is larger. */
#include "golden_run.h"

#include "kernels/kernels.h"

#include <millrace/optim.h>

enum { MAX_PARAMS = 5, MAX_STEPS = 12 };

static golden_op tolerance[] = { { .name = "float32", .forward = 0, .floor = 1 },
                                 { .name = "float64", .forward = 64, .floor = 1 },
                                 { .name = "by hand", .forward = 4, .floor = 1 } };

typedef struct series {
    int params, steps;
    golden_tensor param[MAX_PARAMS];
    golden_tensor grad[MAX_STEPS][MAX_PARAMS]; /* values NULL: none in this step */
} series;

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

/* ---- a run ---- */

static double option(const golden_case *c, const char *key)
{
    const golden_parameter *p = golden_find(c, key);
    return !p ? 0 : p->value[0] == 0 ? MR_ZERO : p->value[0];
}

static bool by_hand(const golden_case *c)
{
    return strcmp(c->op, "hand") == 0;
}

static mr_optim *optimizer(const golden_case *c, mr_params params)
{
    double lr = golden_number(c, "lr", -1);
    bool amsgrad = golden_find(c, "amsgrad") != NULL;
    if (strcmp(c->op, "sgd") == 0)
        return mr_sgd_new(params, lr,
                          &(mr_sgd_opts){ .momentum = option(c, "momentum"),
                                          .dampening = option(c, "dampening"),
                                          .weight_decay = option(c, "weight_decay"),
                                          .nesterov = golden_find(c, "nesterov") != NULL });
    if (strcmp(c->op, "adam") == 0)
        return mr_adam_new(params, lr,
                           &(mr_adam_opts){ .beta1 = option(c, "beta1"),
                                            .beta2 = option(c, "beta2"),
                                            .eps = option(c, "eps"),
                                            .weight_decay = option(c, "weight_decay"),
                                            .amsgrad = amsgrad });
    return mr_adamw_new(params, lr,
                        &(mr_adamw_opts){ .beta1 = option(c, "beta1"),
                                          .beta2 = option(c, "beta2"),
                                          .eps = option(c, "eps"),
                                          .weight_decay = option(c, "weight_decay"),
                                          .amsgrad = amsgrad });
}

/* Gives p the gradient: that of the sum of p times it. */
static void put_gradient(mr_tensor *p, const golden_tensor *gradient)
{
    mr_tensor *factor = mr_tensor_from(gradient->dtype, gradient->shape, gradient->values);
    CHECK(mr_backward(tape, mr_sum(tape, mr_mul(tape, p, factor), MR_ALL, false)) == MR_OK);
    mr_tape_reset(tape);
    mr_tensor_free(factor);
}

static void check_params(const golden_case *c, const series *s, mr_tensor **p, int step)
{
    char what[64];
    for (int k = 0; k < s->params; k++) {
        golden_tensor want = { 0 };
        if (!CHECK(word_is("after") && atoi(golden_word(&file)) == step && atoi(golden_word(&file)) == k &&
                   golden_read_like(&file, &want, &s->param[k])))
            return;
        snprintf(what, sizeof what, "parameter %d after step %d", k, step);
        golden_compare(c, &tolerance[by_hand(c) ? 2 : want.dtype == MR_FLOAT64], what, &want, p[k], false);
        free(want.values);
    }
}

static bool next_is_after(int step)
{
    char *next = file.at + strspn(file.at, " \n");
    return strncmp(next, "after ", 6) == 0 && atoi(next + 6) == step;
}

/* optim: NULL for updates by hand. */
static void train(const golden_case *c, const series *s, mr_optim *optim, mr_tensor **p)
{
    bool had[MAX_PARAMS] = { false };
    double lr = golden_number(c, "lr", 0), later = golden_number(c, "later", lr);
    for (int n = 0; n < s->steps; n++) {
        if (n + 1 == (int)golden_number(c, "at", 0))
            mr_optim_set_lr(optim, lr = later);
        mr_optim_zero_grad(optim);
        for (int k = 0; by_hand(c) && k < s->params; k++)
            mr_tensor_zero_grad(p[k]);
        for (int k = 0; k < s->params; k++)
            if (s->grad[n][k].values) {
                put_gradient(p[k], &s->grad[n][k]);
                had[k] = true;
            }
        for (int k = 0; by_hand(c) && k < s->params; k++)
            if (mr_tensor_has_grad(p[k]))
                CHECK_EQ_I64(mr_tensor_add_scaled(p[k], -lr, mr_tensor_grad(p[k])), MR_OK);
        if (!by_hand(c)) {
            CHECK_EQ_I64(mr_optim_step(optim), MR_OK);
            CHECK_EQ_I64(mr_optim_steps(optim), n + 1);
        }
        for (int k = 0; k < s->params; k++)
            CHECK(mr_tensor_has_grad(p[k]) == had[k]);
        if (next_is_after(n + 1))
            check_params(c, s, p, n + 1);
    }
}

static void read_run(golden_case *c)
{
    c->file = file.name;
    c->number = atoi(golden_word(&file));
    CHECK_EQ_I64(c->number, ++file.seen);
    snprintf(c->op, sizeof c->op, "%s", golden_word(&file));
    for (;;) {
        char *next = file.at + strspn(file.at, " \n");
        if (!memchr(next, '=', strcspn(next, " \n")))
            return;
        if (!CHECK(golden_read_parameter(&file, c, golden_word(&file))))
            return;
    }
}

static void check_run_of(const series *s)
{
    golden_case c = { 0 };
    mr_tensor *p[MAX_PARAMS];
    mr_param list[MAX_PARAMS];
    read_run(&c);
    for (int k = 0; k < s->params; k++) {
        p[k] = mr_tensor_from(s->param[k].dtype, s->param[k].shape, s->param[k].values);
        CHECK(mr_tensor_set_requires_grad(p[k], true) == MR_OK);
        list[k] = (mr_param){ "", p[k] };
    }
    mr_optim *optim = by_hand(&c) ? NULL : optimizer(&c, (mr_params){ list, (size_t)s->params });
    if (CHECK(by_hand(&c) || optim != NULL))
        train(&c, s, optim, p);
    else
        printf("    %s\n", mr_error());
    mr_optim_free(optim);
    for (int k = 0; k < s->params; k++)
        mr_tensor_free(p[k]);
}

static void test_optimizers(void)
{
    series s = { 0 };
    if (!golden_open(&file, "optim"))
        return;
    if (strcmp(mr__k->level, "plain") == 0)
        tolerance[0].forward = 8;
    mr_rng *rng = mr_rng_new(0);
    tape = mr_tape_new(rng);
    while (word_is("series")) {
        read_series(&s);
        while (!file.bad && word_is("run"))
            check_run_of(&s);
        free_series(&s);
    }
    CHECK(word_is("end"));
    golden_close(&file);
    mr_tape_free(tape);
    mr_rng_free(rng);
    for (int i = 0; getenv("MR_GOLDEN_WORST") && i < 3; i++)
        printf("%s: %.3f of %g\n", tolerance[i].name, tolerance[i].worst[0], tolerance[i].forward);
}

int main(void)
{
    RUN(test_optimizers);
    return check_report();
}

/* Models trained beside PyTorch from the same seed: their losses follow, step by step. Where a step's last digit decides
 * between two ways (the larger of two equal ones, a relu at 0) they part after a while, and are looked at again from
 * PyTorch's own weights and moments. golden/golden_follow.py describes the files; one program includes this once. */
#ifndef FOLLOW_H
#define FOLLOW_H

#include "golden_run.h"

#include <millrace/layers.h>
#include <millrace/optim.h>

static mr_dtype dtype;
static mr_rng *rng;

typedef struct follow_run {
    mr_module *model;
    mr_tensor *x, *target;
    int64_t batch;
    double allowed; /* between the losses, relative */
    mr_optim *adam;
    mr_tape *tape;
} follow_run;

/* Each program's own: gives *r the model of this name, drawn from `rng`, its data, and what is above `adam`. */
static void follow_make(follow_run *r, const char *name);

/* ---- parts of models ---- */

static inline mr_module *linear(int64_t in, int64_t out)
{
    return mr_linear_new(in, out, rng, &(mr_linear_opts){ .dtype = dtype });
}

static inline mr_module *mlp(int64_t a, int64_t b, int64_t c, int64_t d)
{
    mr_module *m = mr_sequential_add(mr_sequential_new(), linear(a, b));
    mr_sequential_add(m, mr_relu_new());
    mr_sequential_add(m, linear(b, c));
    if (d) {
        mr_sequential_add(m, mr_relu_new());
        mr_sequential_add(m, linear(c, d));
    }
    return m;
}

static inline mr_module *conv(int64_t in, int64_t out, int64_t padding, int64_t stride, bool no_bias)
{
    return mr_conv2d_new(
        in, out, 3, rng,
        &(mr_conv_opts){ .padding = padding, .stride = stride, .no_bias = no_bias, .dtype = dtype });
}

/* ---- a run ---- */

static void begin(follow_run *r, const char *name)
{
    rng = mr_rng_new(0);
    *r = (follow_run){ .tape = mr_tape_new(rng) };
    follow_make(r, name);
    if (!CHECK(r->model != NULL))
        printf("    %s: %s\n", name, mr_error());
    r->adam = mr_adam_new(mr_module_parameters(r->model), 1e-3, NULL);
}

static void end(follow_run *r)
{
    mr_optim_free(r->adam);
    mr_module_free(r->model);
    mr_tensor_free(r->x);
    mr_tensor_free(r->target);
    mr_tape_free(r->tape);
    mr_rng_free(rng);
}

/* The loss of a step, and backward from it. */
static double loss_of(follow_run *r, int64_t step)
{
    int64_t at = step * r->batch % mr_tensor_size(r->x, 0);
    mr_tensor *y = mr_forward(r->model, r->tape, mr_slice(r->tape, r->x, 0, at, at + r->batch, 1));
    mr_tensor *target = mr_slice(r->tape, r->target, 0, at, at + r->batch, 1);
    if (mr_tensor_ndim(y) == 3) { /* classes of each step of a sequence */
        y = mr_flatten(r->tape, y, 0, 1);
        target = mr_flatten(r->tape, target, 0, 1);
    }
    mr_tensor *loss = mr_tensor_dtype(target) == MR_INT64 ? mr_cross_entropy(r->tape, y, target, NULL)
                                                          : mr_mse_loss(r->tape, y, target, NULL);
    mr_optim_zero_grad(r->adam);
    bool ok = CHECK_EQ_I64(mr_backward(r->tape, loss), MR_OK);
    return ok ? mr_item(loss) : NAN;
}

/* ---- following ---- */

static golden_file file;

static void follow(void)
{
    char name[32];
    follow_run r;
    snprintf(name, sizeof name, "%s", golden_word(&file));
    int64_t steps = strtoll(golden_word(&file), NULL, 10), parted = -1;
    double worst = 0;
    begin(&r, name);
    CHECK_EQ_STR(golden_word(&file), ":");
    for (int64_t i = 0; i < steps; i++) {
        double want = strtod(golden_word(&file), NULL), got = loss_of(&r, i), error = fabs(got - want) / want;
        worst = error > worst ? error : worst;
        if (!(error <= r.allowed) && parted < 0)
            parted = i;
        CHECK(mr_optim_step(r.adam) == MR_OK);
        mr_tape_reset(r.tape);
    }
    if (!CHECK(parted < 0) || getenv("MR_GOLDEN_WORST"))
        printf("    %s: off by %.3g of %g; beyond it at step %lld\n", name, worst, r.allowed,
               (long long)parted);
    end(&r);
}

/* ---- one step from PyTorch's state ---- */

enum { MOST = 64 };

static bool next_is(const char *word)
{
    char *next = file.at + strspn(file.at, " \n");
    size_t n = strlen(word);
    if (strncmp(next, word, n) || next[n] != ' ')
        return false;
    golden_word(&file);
    return true;
}

static mr_tensor *find(mr_params list, const char *name)
{
    for (size_t i = 0; i < list.count; i++)
        if (strcmp(list.item[i].name, name) == 0)
            return list.item[i].tensor;
    return NULL;
}

/* Reads weights into the model and moments into the optimizer, which is told that it has made `step` updates. */
static void read_state(follow_run *r, int64_t step)
{
    mr_params params = mr_module_parameters(r->model), kept = mr_optim_state(r->adam);
    mr_param copy[MOST];
    mr_params state = { copy, kept.count };
    if (!CHECK(kept.count && kept.count <= MOST))
        return;
    for (size_t i = 0; i < kept.count; i++) {
        size_t n = strlen(kept.item[i].name);
        copy[i] = (mr_param){ kept.item[i].name, mr_tensor_keep(kept.item[i].tensor) };
        if (n >= 5 &&
            (strcmp(kept.item[i].name + n - 5, ".step") == 0 || strcmp(kept.item[i].name, "steps") == 0))
            CHECK(mr_tensor_fill(copy[i].tensor, (double)step) == MR_OK);
    }
    while (next_is("state")) {
        char name[64];
        golden_tensor t = { 0 };
        snprintf(name, sizeof name, "%s", golden_word(&file));
        mr_tensor *to = find(params, name);
        to = to ? to : find(state, name);
        if (CHECK(to != NULL) && CHECK(golden_read_tensor(&file, &t))) {
            mr_tensor *from = mr_tensor_from(t.dtype, t.shape, t.values);
            CHECK(mr_tensor_copy(to, from) == MR_OK);
            mr_tensor_free(from);
        }
        free(t.values);
    }
    CHECK_EQ_I64(mr_optim_load_state(r->adam, state), MR_OK);
    for (size_t i = 0; i < state.count; i++)
        mr_tensor_free(copy[i].tensor);
}

/* The norm of a - b over that of b. */
static double difference(const float *a, const float *b, int64_t n)
{
    double off = 0, all = 0;
    for (int64_t i = 0; i < n; i++) {
        off += ((double)a[i] - (double)b[i]) * ((double)a[i] - (double)b[i]);
        all += (double)b[i] * (double)b[i];
    }
    return off == 0 ? 0 : sqrt(off / all);
}

static void restart(void)
{
    char name[32];
    follow_run r;
    snprintf(name, sizeof name, "%s", golden_word(&file));
    int64_t step = strtoll(golden_word(&file), NULL, 10);
    bool near = true;
    double want = strtod(golden_word(&file), NULL), next = strtod(golden_word(&file), NULL), worst = 0;
    begin(&r, name);
    read_state(&r, step);
    double off = fabs(loss_of(&r, step) - want) / want;
    mr_params params = mr_module_parameters(r.model);
    for (size_t i = 0; i < params.count; i++) {
        golden_tensor t = { 0 };
        if (CHECK(next_is("gradient") && golden_read_tensor(&file, &t))) {
            double d = difference(mr_tensor_data(mr_tensor_grad(params.item[i].tensor)), t.values, t.numel);
            near = near && d <= 1e-4;
            worst = d > worst ? d : worst;
        }
        free(t.values);
    }
    CHECK(mr_optim_step(r.adam) == MR_OK);
    mr_tape_reset(r.tape);
    double then = fabs(loss_of(&r, step + 1) - next) / next;
    if (!CHECK(off <= r.allowed && then <= r.allowed && near) || getenv("MR_GOLDEN_WORST"))
        printf("    %s from step %lld: losses off by %.3g and %.3g, gradients by %.3g\n", name,
               (long long)step, off, then, worst);
    end(&r);
}

/* ---- a file ---- */

/* Reads the line `source`: are these the data that PyTorch was given? */
static inline bool follow_source_is(const void *bytes, size_t count)
{
    CHECK_EQ_STR(golden_word(&file), "source");
    size_t want = strtoull(golden_word(&file), NULL, 10);
    uint64_t hash = strtoull(golden_word(&file), NULL, 16);
    return CHECK(want > 0) && count == want && golden_fnv(bytes, count) == hash;
}

/* What is left of an open file. */
static void follow_cases(void)
{
    int cases = 0;
    for (;; cases++) {
        if (next_is("follow"))
            follow();
        else if (next_is("restart"))
            restart();
        else
            break;
    }
    CHECK_EQ_I64(cases, file.promised);
    CHECK_EQ_STR(golden_word(&file), "end");
    file.seen = cases;
    golden_close(&file);
}

#endif

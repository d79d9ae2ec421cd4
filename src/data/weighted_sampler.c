/*
 * torch's WeightedRandomSampler: the draws of torch.multinomial in float64.
 *
 * With replacement: each index takes one uniform number, which is looked up in the running sum of the weights.
 * Without: an exponential number is drawn for each weight, and the indices come in the order of
 * weight / number, the largest first. A heap gives them as they are asked for.
 */
#include "draws.h"
#include "sampler.h"

#include "base/alloc.h"
#include "base/mix.h"

#include <math.h>
#include <stdio.h>

typedef struct weighted {
    mr_sampler_vtable vtable;
    mr__draws draws;
    int64_t weights, count, at, heaped;
    bool once;   /* by exponential numbers */
    double *sum; /* up to each weight, as part of all; or the weights themselves, where they are drawn once */
    double *key; /* of each weight in this epoch */
    int64_t *heaped_index; /* no parent's key is below its children's; `heaped` of them are left */
} weighted;

static mr_status begin(void *self, int64_t epoch)
{
    weighted *w = self;
    (void)epoch;
    w->at = 0;
    mr__draws_epoch(&w->draws);
    return MR_OK;
}

static int64_t len(void *self)
{
    return ((const weighted *)self)->count;
}

static int describe(void *self, char *text, size_t room)
{
    const weighted *w = self;
    const uint64_t hash = mr__mix_bytes(0, w->sum, (size_t)w->weights * sizeof *w->sum);
    return snprintf(text, room, "weighted by %lld weights (%016llx), %lld samples%s%s", (long long)w->weights,
                    (unsigned long long)hash, (long long)w->count, w->once ? ", no replacement" : "",
                    w->draws.own ? ", a generator of its own" : "");
}

static void save(void *self, void *state)
{
    mr__draws_save(&((weighted *)self)->draws, state);
}

static mr_status restore(void *self, const void *state)
{
    return mr__draws_restore(&((weighted *)self)->draws, state);
}

static mr_rng *generator(void *self)
{
    const mr__draws *draws = &((weighted *)self)->draws;
    return draws->own ? NULL : draws->shared;
}

static void destroy(void *self)
{
    weighted *w = self;
    mr__draws_free(&w->draws);
    mr__free(w->sum);
    mr__free(w->key);
    mr__free(w->heaped_index);
}

/* ---- with replacement ---- */

/* The first place whose sum is not below u. */
static int64_t look_up(const weighted *w, double u)
{
    int64_t low = 0, high = w->weights;
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        if (w->sum[middle] < u)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static mr_status next_of_sum(void *self, int64_t *index)
{
    weighted *w = self;
    if (w->at == w->count)
        return MR_END;
    if (w->at == 0)
        mr__draws_begin(&w->draws, 2 * w->count);
    *index = look_up(w, mr__rng_uniform53(w->draws.source));
    w->at++;
    return MR_OK;
}

static mr_status skip_of_sum(void *self, int64_t count)
{
    weighted *w = self;
    if (count > w->count - w->at)
        return MR_END;
    if (w->at == 0 && count > 0)
        mr__draws_begin(&w->draws, 2 * w->count);
    mr__rng_pass(w->draws.source, 2 * count);
    w->at += count;
    return MR_OK;
}

/* ---- each once ---- */

static bool goes_before(const weighted *w, int64_t a, int64_t b)
{
    return w->key[a] > w->key[b] || (w->key[a] == w->key[b] && a < b);
}

static void sink(weighted *w, int64_t at)
{
    int64_t *heap = w->heaped_index, held = heap[at];
    for (int64_t child; (child = 2 * at + 1) < w->heaped; at = child) {
        if (child + 1 < w->heaped && goes_before(w, heap[child + 1], heap[child]))
            child++;
        if (!goes_before(w, heap[child], held))
            break;
        heap[at] = heap[child];
    }
    heap[at] = held;
}

static void draw_keys(weighted *w)
{
    mr__draws_begin(&w->draws, 2 * w->weights);
    for (int64_t i = 0; i < w->weights; i++) {
        double exponential = -log(1 - mr__rng_uniform53(w->draws.source));
        w->key[i] = w->sum[i] > 0 ? w->sum[i] / exponential : 0;
        w->heaped_index[i] = i;
    }
    w->heaped = w->weights;
    for (int64_t i = w->heaped / 2 - 1; i >= 0; i--)
        sink(w, i);
}

static mr_status next_of_heap(void *self, int64_t *index)
{
    weighted *w = self;
    if (w->at == w->count)
        return MR_END;
    if (w->at == 0)
        draw_keys(w);
    *index = w->heaped_index[0];
    w->heaped_index[0] = w->heaped_index[--w->heaped];
    sink(w, 0);
    w->at++;
    return MR_OK;
}

/* ---- making ---- */

static const char call[] = "weighted_sampler_new";

/* Checks the weights, and sums them up as torch does: one after the other. */
static mr_status take_weights(weighted *w, const double *weights, bool no_replacement)
{
    double sum = 0;
    int64_t positive = 0;
    for (int64_t i = 0; i < w->weights; i++) {
        if (!(weights[i] >= 0) || isinf(weights[i]))
            return mr__raise(MR_ERR_ARGUMENT, "%s: weight %lld is %g, not finite and at least 0", call,
                             (long long)i, weights[i]);
        sum += weights[i];
        positive += weights[i] > 0;
        w->sum[i] = w->once ? weights[i] : sum;
    }
    if (!(sum > 0) || isinf(sum))
        return mr__raise(MR_ERR_ARGUMENT, "%s: the weights add up to %g", call, sum);
    if (no_replacement && w->count > positive)
        return mr__raise(MR_ERR_ARGUMENT,
                         "%s: %lld samples without replacement, and only %lld weights are above zero", call,
                         (long long)w->count, (long long)positive);
    if (w->once)
        return MR_OK;
    for (int64_t i = 0; i < w->weights; i++)
        w->sum[i] /= sum;
    w->sum[w->weights - 1] = 1;
    return MR_OK;
}

static bool make_room(weighted *w)
{
    size_t n = (size_t)w->weights;
    w->sum = mr__alloc_array(n, sizeof *w->sum);
    if (!w->sum || !w->once)
        return w->sum != NULL;
    w->key = mr__alloc_array(n, sizeof *w->key);
    w->heaped_index = w->key ? mr__alloc_array(n, sizeof *w->heaped_index) : NULL;
    return w->heaped_index != NULL;
}

mr_sampler *mr_weighted_sampler_new(const double *weights, int64_t count, int64_t num_samples, mr_rng *rng,
                                    const mr_weighted_sampler_opts *opts)
{
    static const mr_weighted_sampler_opts defaults = { 0 };
    opts = opts ? opts : &defaults;
    weighted w = { .weights = count, .count = num_samples };
    if (!weights) {
        mr__null(call, "weights");
        return NULL;
    }
    if (count < 1 || num_samples < 1) {
        mr__raise(MR_ERR_ARGUMENT, "%s: %lld samples of %lld weights, not at least one each", call,
                  (long long)num_samples, (long long)count);
        return NULL;
    }
    w.once = opts->no_replacement;
    if (mr__draws_init(&w.draws, call, rng, opts->generator, false) || !make_room(&w) ||
        take_weights(&w, weights, opts->no_replacement)) {
        destroy(&w);
        return NULL;
    }
    w.vtable = (mr_sampler_vtable){
        .begin = begin, .next = next_of_heap, .len = len, .destroy = destroy, .save = save, .restore = restore
    };
    if (!w.once) {
        w.vtable.next = next_of_sum;
        w.vtable.skip = skip_of_sum;
    }
    w.vtable.state_size = mr__draws_state_size(&w.draws);
    w.vtable.generator = generator;
    w.vtable.describe = describe;
    return mr__sampler_with_vtable(&w, sizeof w);
}

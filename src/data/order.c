#include "order.h"

#include "dataset.h"

#include "base/alloc.h"
#include "base/rng.h"
#include "sampler.h"

mr_status mr__order_init(mr__order *order, mr_dataset *dataset, mr_rng *shared, bool shuffle)
{
    order->len = mr_dataset_len(dataset);
    order->shared = shared;
    order->shuffle = shuffle;
    if (dataset->map && order->len < 0)
        return mr__raise(MR_ERR_CALLBACK, "loader: the dataset's len gave %lld", (long long)order->len);
    if (!shuffle)
        return MR_OK;
    if (order->len == 0)
        return mr__raise(MR_ERR_ARGUMENT, "loader: cannot shuffle a dataset without samples");
    if (order->len > UINT32_MAX)
        return mr__raise(MR_ERR_ARGUMENT,
                         "loader: torch's shuffle takes at most 2^32-1 samples, not %lld; a sampler "
                         "can give another order",
                         (long long)order->len);
    order->seeded = mr_rng_new(0);
    order->permutation = mr__alloc_array((size_t)order->len, sizeof *order->permutation);
    return order->seeded && order->permutation ? MR_OK : MR_ERR_MEMORY;
}

void mr__order_free(mr__order *order)
{
    mr_rng_free(order->seeded);
    mr_sampler_free(order->sampler);
    mr__free(order->permutation);
}

mr_status mr__order_begin(mr__order *order, int64_t epoch)
{
    mr_rng_u64(order->generator ? order->generator : order->shared); /* the workers' base seed */
    order->at = 0;
    order->drawn = -1;
    order->exhausted = false;
    if (!order->sampler)
        return MR_OK;
    mr_status status = order->sampler->vtable->begin(order->sampler->self, epoch);
    if (status < 0 && !mr__pending())
        mr__raise(status, "loader: the sampler failed without a message");
    return status;
}

/* ---- the permutation: a forward Fisher-Yates shuffle ---- */

/* Makes the permutation final up to `end`. The last element falls into place without a draw. */
static void draw_until(mr__order *order, mr_rng *rng, int64_t end)
{
    enum { BLOCK = 256 };
    uint32_t *p = order->permutation, jump[BLOCK];
    while (order->drawn < end) {
        int64_t i = order->drawn, left = order->len - i, most = left - 1 < BLOCK ? left - 1 : BLOCK;
        uint32_t draws = (uint32_t)(end - i < most ? end - i : most);
        mr__rng_jumps(rng, jump, draws, (uint32_t)left);
        for (uint32_t j = 0; j < draws; j++) {
            uint32_t *here = p + i + j, *there = here + jump[j], held = *here;
            *here = *there;
            *there = held;
        }
        order->drawn = left == 1 ? order->len : i + draws;
    }
}

static mr_rng *source(const mr__order *order)
{
    return order->generator ? order->generator : order->seeded;
}

static void start_permutation(mr__order *order)
{
    for (int64_t i = 0; i < order->len; i++)
        order->permutation[i] = (uint32_t)i;
    order->drawn = 0;
    if (!order->generator) {
        mr_rng_seed(order->seeded, mr_rng_u64(order->shared) & INT64_MAX);
        return; /* nobody else draws from it, so the draws can wait until they are needed */
    }
    draw_until(order, order->generator, order->len);
}

/* The permutation that torch draws and throws away when the sampler is exhausted. */
static void discard_permutation(mr__order *order)
{
    for (int64_t i = 0; order->generator && i + 1 < order->len; i++)
        mr_rng_u32(order->generator);
}

static int64_t take_shuffled(mr__order *order, int64_t *index, int64_t count)
{
    if (order->drawn < 0)
        start_permutation(order);
    int64_t rest = order->len - order->at, n = count < rest ? count : rest;
    draw_until(order, source(order), order->at + n);
    for (int64_t i = 0; i < n; i++)
        index[i] = order->permutation[order->at + i];
    if (n < count && !order->exhausted)
        discard_permutation(order);
    return n;
}

/* ---- the others ---- */

static int64_t take_sampled(mr__order *order, int64_t *index, int64_t count)
{
    const mr_sampler *s = order->sampler;
    for (int64_t i = 0; i < count; i++) {
        mr_status status = s->vtable->next(s->self, &index[i]);
        if (status == MR_END)
            return i;
        if (status != MR_OK) {
            if (!mr__pending())
                mr__raise(status, "loader: the sampler failed without a message");
            return -1;
        }
        if (index[i] < 0 || index[i] >= order->len) {
            mr__raise(MR_ERR_ARGUMENT, "loader: the sampler gave index %lld; the dataset has %lld samples",
                      (long long)index[i], (long long)order->len);
            return -1;
        }
    }
    return count;
}

static int64_t take_in_order(const mr__order *order, int64_t *index, int64_t count)
{
    int64_t rest = order->len - order->at, n = count < rest ? count : rest;
    for (int64_t i = 0; i < n; i++)
        index[i] = order->at + i;
    return n;
}

int64_t mr__order_take(mr__order *order, int64_t *index, int64_t count)
{
    if (order->exhausted)
        return 0;
    int64_t n = order->sampler   ? take_sampled(order, index, count)
                : order->shuffle ? take_shuffled(order, index, count)
                                 : take_in_order(order, index, count);
    if (n > 0)
        order->at += n;
    order->exhausted = n < count;
    return n;
}

int64_t mr__order_len(const mr__order *order)
{
    if (!order->sampler)
        return order->len;
    return order->sampler->vtable->len ? order->sampler->vtable->len(order->sampler->self) : -1;
}

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
                         "loader: torch's shuffle takes at most 2^32-1 samples, not %lld; "
                         "mr_permutation_sampler_new gives an order of any length",
                         (long long)order->len);
    order->seeded = mr_rng_new(0);
    return order->seeded ? mr__shuffle_init(&order->shuffled, order->len) : MR_ERR_MEMORY;
}

void mr__order_free(mr__order *order)
{
    mr_rng_free(order->seeded);
    mr_sampler_free(order->sampler);
    mr__shuffle_free(&order->shuffled);
}

void mr__order_seed(mr__order *order)
{
    mr_rng_u64(order->generator ? order->generator : order->shared);
}

mr_status mr__order_start(mr__order *order, int64_t epoch)
{
    order->at = 0;
    order->began = false;
    order->exhausted = false;
    if (!order->sampler)
        return MR_OK;
    return mr__sampler_begin(order->sampler, "loader", epoch);
}

/* ---- the permutation ---- */

static mr_rng *source(const mr__order *order)
{
    return order->generator ? order->generator : order->seeded;
}

void mr__order_draw(mr__order *order)
{
    if (!order->shuffle || order->began)
        return;
    mr__shuffle_begin(&order->shuffled);
    order->began = true;
    if (!order->generator) {
        mr_rng_seed(order->seeded, mr_rng_u64(order->shared) & INT64_MAX);
        return; /* nobody else draws from it, so the draws can wait until they are needed */
    }
    mr__shuffle_draw(&order->shuffled, order->generator, order->len);
}

static int64_t take_shuffled(mr__order *order, int64_t *index, int64_t count)
{
    if (!order->began)
        mr__order_draw(order);
    int64_t rest = order->len - order->at, n = count < rest ? count : rest;
    mr__shuffle_draw(&order->shuffled, source(order), order->at + n);
    for (int64_t i = 0; i < n; i++)
        index[i] = order->shuffled.place[order->at + i];
    return n;
}

void mr__order_end(const mr__order *order)
{
    if (order->shuffle && order->generator)
        mr__shuffle_discard(order->len, order->generator);
}

/* ---- the others ---- */

static int64_t take_sampled(const mr__order *order, int64_t *index, bool *valid, int64_t count)
{
    int64_t n = mr__sampler_take(order->sampler, "loader", index, valid, count);
    for (int64_t i = 0; i < n; i++)
        if (index[i] < 0 || index[i] >= order->len) {
            mr__raise(MR_ERR_ARGUMENT, "loader: the sampler gave index %lld; the dataset has %lld samples",
                      (long long)index[i], (long long)order->len);
            return -1;
        }
    return n;
}

static int64_t take_in_order(const mr__order *order, int64_t *index, int64_t count)
{
    int64_t rest = order->len - order->at, n = count < rest ? count : rest;
    for (int64_t i = 0; i < n; i++)
        index[i] = order->at + i;
    return n;
}

bool mr__order_of_batches(const mr__order *order)
{
    return order->sampler && order->sampler->vtable->batches;
}

int64_t mr__order_take(mr__order *order, int64_t *index, bool *valid, int64_t count)
{
    if (order->exhausted)
        return 0;
    int64_t n = order->sampler   ? take_sampled(order, index, valid, count)
                : order->shuffle ? take_shuffled(order, index, count)
                                 : take_in_order(order, index, count);
    if (n > 0)
        order->at += n;
    order->exhausted = mr__order_of_batches(order) ? n <= 0 : n < count;
    return n;
}

int64_t mr__order_len(const mr__order *order)
{
    if (!order->sampler)
        return order->len;
    return mr_sampler_len(order->sampler);
}

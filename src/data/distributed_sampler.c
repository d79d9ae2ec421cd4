/* torch's DistributedSampler: every so many-th index of an order that all replicas have in common. */
#include "permutation.h"
#include "sampler.h"
#include "shuffle.h"

#include "base/alloc.h"
#include "base/error.h"

#include <stdio.h>

typedef struct distributed {
    mr_distributed_sampler_opts opts;
    int64_t length, rank, replicas;
    int64_t count, at; /* of this replica */
    mr_rng *rng;       /* torch's order */
    mr__shuffle shuffle;
    mr_permutation order; /* Millrace's */
} distributed;

static mr_status begin(void *self, int64_t epoch)
{
    distributed *d = self;
    epoch += d->opts.first_epoch;
    d->at = 0;
    if (d->opts.own_order) {
        mr_permutation_set_epoch(&d->order, epoch);
    } else if (d->rng) {
        mr_rng_seed(d->rng, d->opts.seed + (uint64_t)epoch);
        mr__shuffle_begin(&d->shuffle);
    }
    return MR_OK;
}

/* Those beyond the end are the first ones once more, as often as it takes. */
static int64_t index_at(distributed *d, uint64_t place)
{
    const int64_t position = (int64_t)(place % (uint64_t)d->length);
    if (d->opts.own_order)
        return mr__permutation_at(&d->order, position);
    if (!d->rng)
        return position;
    mr__shuffle_draw(&d->shuffle, d->rng, position + 1);
    return d->shuffle.place[position];
}

static mr_status next_many(void *self, int64_t *index, bool *valid, int64_t most, int64_t *count)
{
    distributed *d = self;
    int64_t left = d->count - d->at;
    *count = most < left ? most : left;
    for (int64_t i = 0; i < *count; i++) {
        const uint64_t position = (uint64_t)d->rank + (uint64_t)d->at++ * (uint64_t)d->replicas;
        index[i] = index_at(d, position);
        if (valid && position >= (uint64_t)d->length && d->opts.remainder == MR_REMAINDER_UNEVEN)
            valid[i] = false;
    }
    return *count ? MR_OK : MR_END;
}

static mr_status next(void *self, int64_t *index)
{
    int64_t count;
    return next_many(self, index, NULL, 1, &count);
}

static mr_status skip(void *self, int64_t count)
{
    distributed *d = self;
    if (count > d->count - d->at)
        return MR_END;
    d->at += count;
    return MR_OK;
}

static int64_t len(void *self)
{
    return ((const distributed *)self)->count;
}

static int describe(void *self, char *text, size_t room)
{
    const distributed *d = self;
    char order[120] = "in order";
    if (!d->opts.no_shuffle)
        snprintf(order, sizeof order, "%s of seed %llu from epoch %lld",
                 d->opts.own_order ? "own order" : "torch's order", (unsigned long long)d->opts.seed,
                 (long long)d->opts.first_epoch);
    return snprintf(text, room, "distributed of %lld, rank %lld of %lld, %s, %s", (long long)d->length,
                    (long long)d->rank, (long long)d->replicas, mr__remainder_name(d->opts.remainder), order);
}

static void destroy(void *self)
{
    distributed *d = self;
    mr_rng_free(d->rng);
    mr__shuffle_free(&d->shuffle);
}

static const mr_sampler_vtable vtable = { .begin = begin,
                                          .next = next,
                                          .len = len,
                                          .destroy = destroy,
                                          .skip = skip,
                                          .next_many = next_many,
                                          .describe = describe };

static const char call[] = "distributed_sampler_new";

static mr_status make_order(distributed *d)
{
    if (d->opts.no_shuffle)
        return MR_OK;
    if (d->opts.own_order)
        return mr__permutation_init(&d->order, call, d->length, d->opts.seed);
    if (d->length > UINT32_MAX)
        return mr__raise(
            MR_ERR_ARGUMENT,
            "%s: torch's permutation takes at most 2^32-1 samples, not %lld; own_order takes any", call,
            (long long)d->length);
    d->rng = mr_rng_new(0);
    return d->rng ? mr__shuffle_init(&d->shuffle, d->length) : MR_ERR_MEMORY;
}

mr_sampler *mr_distributed_sampler_new(int64_t length, int rank, int replicas,
                                       const mr_distributed_sampler_opts *opts)
{
    distributed d = { .length = length, .rank = rank, .replicas = replicas };
    d.opts = opts ? *opts : d.opts;
    if (length < 0) {
        mr__raise(MR_ERR_ARGUMENT, "%s: length %lld is negative", call, (long long)length);
        return NULL;
    }
    if (replicas < 1 || rank < 0 || rank >= replicas) {
        mr__raise(MR_ERR_ARGUMENT, "%s: rank %d of %d replicas, not 0 to one below them", call, rank,
                  replicas);
        return NULL;
    }
    if (d.opts.remainder < MR_REMAINDER_PAD || d.opts.remainder > MR_REMAINDER_UNEVEN) {
        mr__raise(MR_ERR_ARGUMENT, "%s: %d is no mr_remainder", call, (int)d.opts.remainder);
        return NULL;
    }
    if (d.opts.no_shuffle && d.opts.own_order) {
        mr__raise(MR_ERR_ARGUMENT, "%s: no_shuffle and own_order exclude each other", call);
        return NULL;
    }
    d.count = length / replicas;
    if (d.opts.remainder != MR_REMAINDER_DROP)
        d.count += length % replicas != 0;
    mr_sampler *sampler = make_order(&d) == MR_OK ? mr_sampler_new(&vtable, &d, sizeof d) : NULL;
    if (!sampler)
        destroy(&d);
    return sampler;
}

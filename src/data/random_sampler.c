/* torch's RandomSampler and SubsetRandomSampler. */
#include "draws.h"
#include "sampler.h"
#include "shuffle.h"

#include "base/alloc.h"
#include "base/mix.h"

#include <stdio.h>
#include <string.h>

enum { CHUNK = 32 }; /* indices that torch draws at once when it draws with replacement */

typedef struct random_order {
    mr_sampler_vtable vtable; /* whose state_size is the draws' */
    mr__draws draws;
    mr__shuffle shuffle; /* without replacement */
    int64_t length, count, at;
    int64_t *chosen; /* SubsetRandomSampler's indices; NULL: the numbers themselves */
    bool began, over;
} random_order;

static mr_status begin(void *self, int64_t epoch)
{
    random_order *r = self;
    (void)epoch;
    r->at = 0;
    r->began = r->over = false;
    mr__draws_epoch(&r->draws);
    return MR_OK;
}

static int64_t len(void *self)
{
    return ((const random_order *)self)->count;
}

static void save(void *self, void *state)
{
    mr__draws_save(&((random_order *)self)->draws, state);
}

static mr_status restore(void *self, const void *state)
{
    return mr__draws_restore(&((random_order *)self)->draws, state);
}

static mr_rng *generator(void *self)
{
    const mr__draws *draws = &((random_order *)self)->draws;
    return draws->own ? NULL : draws->shared;
}

static void destroy(void *self)
{
    random_order *r = self;
    mr__draws_free(&r->draws);
    mr__shuffle_free(&r->shuffle);
    mr__free(r->chosen);
}

/* A generator that is used directly gives each chunk, or permutation, when that begins; one that was seeded for
 * the epoch goes on. */
static void draw_ahead(random_order *r, int64_t words)
{
    if (!r->began || !r->draws.seeds)
        mr__draws_begin(&r->draws, words);
    r->began = true;
}

static mr_status next_permuted(void *self, int64_t *index)
{
    random_order *r = self;
    int64_t place = r->length ? r->at % r->length : 0;
    if (r->at == r->count) {
        /* RandomSampler always begins one more permutation for what is left, be it nothing. */
        if (!r->over && place == 0 && r->draws.own && !r->chosen)
            mr__rng_pass(r->draws.own, r->length - 1);
        r->over = true;
        return MR_END;
    }
    if (place == 0) {
        draw_ahead(r, r->length - 1);
        mr__shuffle_begin(&r->shuffle);
    }
    mr__shuffle_draw(&r->shuffle, r->draws.source, place + 1);
    *index = r->chosen ? r->chosen[r->shuffle.place[place]] : r->shuffle.place[place];
    r->at++;
    return MR_OK;
}

static mr_status next_replaced(void *self, int64_t *index)
{
    random_order *r = self;
    if (r->at == r->count)
        return MR_END;
    if (r->at % CHUNK == 0) {
        int64_t left = r->count - r->at, indices = left < CHUNK ? left : CHUNK;
        draw_ahead(r, r->length > UINT32_MAX ? 2 * indices : indices);
    }
    *index = mr__rng_randint(r->draws.source, 0, r->length);
    r->at++;
    return MR_OK;
}

static const char *of_its_own(const random_order *r)
{
    return r->draws.own ? ", a generator of its own" : "";
}

static int describe_random(void *self, char *text, size_t room)
{
    const random_order *r = self;
    return snprintf(text, room, "random of %lld, %lld samples%s%s", (long long)r->length, (long long)r->count,
                    r->vtable.next == next_replaced ? ", with replacement" : "", of_its_own(r));
}

static int describe_chosen(void *self, char *text, size_t room)
{
    const random_order *r = self;
    const uint64_t hash = mr__mix_bytes(0, r->chosen, (size_t)r->length * sizeof *r->chosen);
    return snprintf(text, room, "random of %lld indices (%016llx)%s", (long long)r->length,
                    (unsigned long long)hash, of_its_own(r));
}

static mr_sampler *make(random_order *r)
{
    r->vtable.state_size = mr__draws_state_size(&r->draws);
    r->vtable.generator = generator;
    r->vtable.describe = r->chosen ? describe_chosen : describe_random;
    return mr__sampler_with_vtable(r, sizeof *r);
}

static const mr_sampler_vtable permuted = {
    .begin = begin, .next = next_permuted, .len = len, .destroy = destroy, .save = save, .restore = restore
};

mr_sampler *mr_random_sampler_new(int64_t length, mr_rng *rng, const mr_random_sampler_opts *opts)
{
    static const char call[] = "random_sampler_new";
    static const mr_random_sampler_opts defaults = { 0 };
    opts = opts ? opts : &defaults;
    random_order r = { .vtable = permuted, .length = length };
    r.count = opts->num_samples ? opts->num_samples : length;
    if (length < 1) {
        mr__raise(MR_ERR_ARGUMENT, "%s: nothing can be drawn from %lld samples", call, (long long)length);
    } else if (opts->num_samples < 0) {
        mr__raise(MR_ERR_ARGUMENT, "%s: num_samples %lld is negative", call, (long long)opts->num_samples);
    } else if (!opts->replacement && length > UINT32_MAX) {
        mr__raise(MR_ERR_ARGUMENT,
                  "%s: torch's permutation takes at most 2^32-1 samples, not %lld; "
                  "mr_permutation_sampler_new gives an order of any length",
                  call, (long long)length);
    } else if (mr__draws_init(&r.draws, call, rng, opts->generator, true) ||
               (!opts->replacement && mr__shuffle_init(&r.shuffle, length))) {
        destroy(&r);
    } else {
        r.vtable.next = opts->replacement ? next_replaced : next_permuted;
        return make(&r);
    }
    return NULL;
}

mr_sampler *mr_subset_random_sampler_new(const int64_t *indices, int64_t count, mr_rng *rng,
                                         const mr_subset_random_sampler_opts *opts)
{
    static const char call[] = "subset_random_sampler_new";
    random_order r = { .vtable = permuted, .length = count, .count = count };
    if (!indices) {
        mr__null(call, "indices");
        return NULL;
    }
    if (count < 0 || count > UINT32_MAX) {
        mr__raise(MR_ERR_ARGUMENT, "%s: %lld indices, not 0 to 2^32-1", call, (long long)count);
        return NULL;
    }
    r.chosen = mr__alloc_array((size_t)count, sizeof *r.chosen);
    if (!r.chosen || mr__draws_init(&r.draws, call, rng, opts ? opts->generator : NULL, false) ||
        mr__shuffle_init(&r.shuffle, count)) {
        destroy(&r);
        return NULL;
    }
    memcpy(r.chosen, indices, (size_t)count * sizeof *indices);
    return make(&r);
}

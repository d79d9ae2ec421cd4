#include "draws.h"

#include "base/alloc.h"

#include <string.h>

mr_status mr__draws_init(mr__draws *draws, const char *call, mr_rng *shared, mr_rng *own, bool seeds)
{
    *draws = (mr__draws){ .shared = shared, .own = own, .seeds = seeds && !own };
    if (!shared && !own)
        return mr__null(call, "rng");
    draws->source = mr_rng_new(0);
    return draws->source ? MR_OK : MR_ERR_MEMORY;
}

void mr__draws_free(mr__draws *draws)
{
    mr_rng_free(draws->source);
}

void mr__rng_pass(mr_rng *rng, int64_t words)
{
    while (words > 0) {
        if (rng->next >= MR__RNG_WORDS)
            mr__rng_refill(rng);
        int64_t left = MR__RNG_WORDS - rng->next, some = words < left ? words : left;
        rng->next += (uint32_t)some;
        words -= some;
    }
}

void mr__draws_epoch(mr__draws *draws)
{
    draws->resumed = draws->restored;
    draws->restored = false;
}

void mr__draws_begin(mr__draws *draws, int64_t words)
{
    bool restored = draws->resumed;
    draws->resumed = false;
    if (draws->seeds) {
        mr_rng_seed(draws->source, (uint64_t)(restored ? draws->seed : mr__rng_random_i64(draws->shared)));
    } else if (!restored) {
        mr_rng *torchs = draws->own ? draws->own : draws->shared;
        *draws->source = *torchs;
        mr__rng_pass(torchs, words);
    }
}

size_t mr__draws_state_size(const mr__draws *draws)
{
    return draws->seeds ? sizeof draws->seed : MR_RNG_STATE_BYTES;
}

void mr__draws_save(mr__draws *draws, void *state)
{
    draws->restored = false;
    if (draws->seeds) { /* what will be drawn, without drawing it */
        mr_rng ahead = *draws->shared;
        int64_t seed = mr__rng_random_i64(&ahead);
        memcpy(state, &seed, sizeof seed);
    } else {
        mr_rng_get_state(draws->own ? draws->own : draws->shared, state);
    }
}

mr_status mr__draws_restore(mr__draws *draws, const void *state)
{
    if (draws->seeds) {
        memcpy(&draws->seed, state, sizeof draws->seed);
        draws->restored = true;
        return MR_OK;
    }
    mr_status status = mr_rng_set_state(draws->own ? draws->own : draws->source, state, MR_RNG_STATE_BYTES);
    if (status < 0)
        return mr__raise(status, "sampler: the state of its generator is damaged");
    draws->restored = !draws->own;
    return MR_OK;
}

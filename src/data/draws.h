/*
 * Where a sampler that draws as torch does has its random numbers from.
 *
 * What torch draws all at once at the first index is drawn here as far as it is needed: the `source` is a copy of
 * torch's generator as it stood, and torch's is moved on at once. So the first batch costs the first batch, and what others
 * draw from it in the meantime changes nothing.
 */
#ifndef MILLRACE_DATA_DRAWS_H
#define MILLRACE_DATA_DRAWS_H

#include "base/rng.h"

typedef struct mr__draws {
    mr_rng *shared, *own; /* borrowed; `own` may be NULL */
    bool seeds;           /* RandomSampler's way: without an own one two words of `shared` seed the source */
    mr_rng *source;
    int64_t seed;
    /* the next epoch begins with what is in the source, or with `seed`; `shared` was moved on long ago */
    bool restored;
    bool resumed; /* this epoch does */
} mr__draws;

mr_status mr__draws_init(mr__draws *draws, const char *call, mr_rng *shared, mr_rng *own, bool seeds);
void mr__draws_free(mr__draws *draws);

/* At the beginning of each epoch, which draws nothing. */
void mr__draws_epoch(mr__draws *draws);

/* Makes the source stand where torch's generator stands, and moves that one on by `words`. */
void mr__draws_begin(mr__draws *draws, int64_t words);

/* Passes over words. */
void mr__rng_pass(mr_rng *rng, int64_t words);

/* A sampler's state_size, save and restore. What was restored is for a `begin` that follows at once, inside an epoch.
 * If the state is saved before that, an epoch begins in the usual way: the state was one between epochs, and it is from
 * `shared`, which its owner has put where it stood, that the epoch is drawn. */
size_t mr__draws_state_size(const mr__draws *draws);
void mr__draws_save(mr__draws *draws, void *state);
mr_status mr__draws_restore(mr__draws *draws, const void *state);

#endif

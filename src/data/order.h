/*
 * The order in which a loader asks for samples: 0, 1, 2 …, torch's random permutation, or a sampler's.
 *
 * Torch's draws, which are kept to the last word: when an epoch begins, DataLoader draws 64 bits that seed
 * its workers; at the first index RandomSampler draws 64 more, which seed a generator of its own that the
 * permutation comes from. With a generator of the loader's own both draw from that one, and when the
 * sampler is exhausted it draws one more permutation, which nobody looks at. Words that are not looked at yet, or never,
 * are passed over.
 */
#ifndef MILLRACE_DATA_ORDER_H
#define MILLRACE_DATA_ORDER_H

#include "shuffle.h"

#include <millrace/data.h>

/* What the order of one epoch hangs on besides its number. */
typedef struct mr__order_key {
    uint64_t seed;  /* of the permutation, without a generator */
    mr_rng *before; /* where the loader's own generator stood before the permutation; NULL: there is none */
    unsigned char *sampler; /* what the sampler saved before the epoch; NULL: it has no state */
} mr__order_key;

typedef struct mr__order {
    int64_t len; /* samples of the dataset; -1 for a stream */
    bool shuffle;
    bool stream;       /* which takes no indices, but the seed of a permutation */
    mr_rng *shared;    /* torch's default generator; borrowed */
    mr_rng *generator; /* the loader's own; borrowed; NULL: none */
    mr_rng *seeded;    /* what the permutation is drawn from: seeded, or a copy of `generator` as it stood */
    mr_sampler *sampler; /* adopted; NULL: none */
    char *about;         /* what that one says of itself, or a stream; NULL: nothing */
    mr__shuffle shuffled;
    bool began;          /* the permutation of this epoch */
    int64_t at, batches; /* indices handed out in this epoch, and in how many turns */
    bool exhausted;
    mr__order_key key[2]; /* of this epoch, key[now], and of the one before */
    int now;
} mr__order;

/* Checks the length and makes what an epoch needs. */
mr_status mr__order_init(mr__order *order, mr_dataset *dataset, mr_rng *shared, bool shuffle);
void mr__order_free(mr__order *order);

/* Takes a generator of the loader's own, or a sampler, which is adopted if that succeeds. */
mr_status mr__order_set_generator(mr__order *order, mr_rng *generator);
mr_status mr__order_set_sampler(mr__order *order, mr_sampler *sampler);

/* Bytes of the sampler's state, 0 without. */
size_t mr__order_state_size(const mr__order *order);

/* Draws what torch draws when an epoch begins: the workers' base seed. */
void mr__order_seed(mr__order *order);

/* Starts an epoch's order. Nothing is drawn, but by a sampler of the user's. */
mr_status mr__order_start(mr__order *order, int64_t epoch);

/* Goes to where `taken` indices of an epoch have been handed out, whose key is key[now]. Nothing is drawn, but by a sampler
 * of the user's. */
mr_status mr__order_resume(mr__order *order, int64_t epoch, int64_t taken);

/* Draws what the first index of an epoch takes, if it is not drawn yet. */
void mr__order_draw(mr__order *order);

/* Draws what torch draws when its sampler is exhausted: once an epoch, when the caller learns of the end. */
void mr__order_end(const mr__order *order);

/* Writes the next indices, at most `count`; fewer only at the end of the epoch, unless the sampler gives batches. -1 after
 * a failure. valid[], which is true for all rows unless a sampler makes it something else, tells padding. */
int64_t mr__order_take(mr__order *order, int64_t *index, bool *valid, int64_t count);

/* Whether the sampler gives batches of its own. */
bool mr__order_of_batches(const mr__order *order);

/* Indices in an epoch, or batches of the sampler's; -1 when that is not known. */
int64_t mr__order_len(const mr__order *order);

#endif

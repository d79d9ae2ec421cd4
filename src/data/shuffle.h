/*
 * torch.randperm, worked out as far as it is asked for: a Fisher and Yates shuffle from the front, whose places are
 * final in the order in which they are drawn.
 *
 * The numbers 0 to len - 1, which the shuffle starts from, are written page by page where it first comes: so the
 * first batch of a large dataset costs the first batch, in time and in memory that is touched.
 */
#ifndef MILLRACE_DATA_SHUFFLE_H
#define MILLRACE_DATA_SHUFFLE_H

#include "base/error.h"

typedef struct mr__shuffle {
    int64_t len;     /* at most 2^32-1 */
    uint32_t *place; /* final up to `drawn` */
    uint64_t *ready; /* a bit for each page that is written; NULL: short, and written at once */
    int64_t missing; /* pages that are not */
    int64_t drawn;
} mr__shuffle;

/* Makes room for a permutation of `len`. */
mr_status mr__shuffle_init(mr__shuffle *shuffle, int64_t len);
void mr__shuffle_free(mr__shuffle *shuffle);

/* A new permutation begins, of which nothing is drawn yet. */
void mr__shuffle_begin(mr__shuffle *shuffle);

/* Makes the places before `end` final: one word of the generator for each but the last of all. */
void mr__shuffle_draw(mr__shuffle *shuffle, mr_rng *rng, int64_t end);

#endif

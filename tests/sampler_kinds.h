/* One sampler of each kind, over ROWS samples, with a generator of its own where it takes one. */
#ifndef SAMPLER_KINDS_H
#define SAMPLER_KINDS_H

#include <millrace/samplers.h>

enum { ROWS = 70, SAMPLER_KINDS = 15, BATCHES_FROM = 11 /* those that give batches of their own */ };

static inline int64_t kinds_length_of(void *user, int64_t index)
{
    (void)user;
    return index * 7 % 11;
}

static inline mr_sampler *sampler_of_kind(int kind, mr_rng *rng, mr_rng *own)
{
    double weights[ROWS];
    int64_t indices[ROWS], sizes[] = { 30, 3, 7, 30 };
    for (int i = 0; i < ROWS; i++) {
        weights[i] = 1 + i % 5;
        indices[i] = ROWS - 1 - i;
    }
    switch (kind) {
    case 0:
        return mr_sequential_sampler_new(ROWS);
    case 1:
        return mr_permutation_sampler_new(ROWS, 3);
    case 2:
        return mr_random_sampler_new(ROWS, rng, &(mr_random_sampler_opts){ .generator = own });
    case 3:
        return mr_random_sampler_new(ROWS / 2, rng, &(mr_random_sampler_opts){ false, ROWS, own });
    case 4:
        return mr_random_sampler_new(ROWS, rng, &(mr_random_sampler_opts){ true, ROWS, own });
    case 5:
        return mr_subset_random_sampler_new(indices, ROWS, rng, &(mr_subset_random_sampler_opts){ own });
    case 6:
        return mr_weighted_sampler_new(weights, ROWS, ROWS, rng, &(mr_weighted_sampler_opts){ false, own });
    case 7:
        return mr_weighted_sampler_new(weights, ROWS, ROWS, rng, &(mr_weighted_sampler_opts){ true, own });
    case 8:
        return mr_distributed_sampler_new(2 * ROWS, 1, 2, NULL);
    case 9:
        return mr_replica_sampler_new(mr_permutation_sampler_new(2 * ROWS - 1, 3), 1, 2, MR_REMAINDER_UNEVEN);
    case 10:
        return mr_replica_sampler_new(
            mr_random_sampler_new(2 * ROWS - 1, rng, &(mr_random_sampler_opts){ .generator = own }), 0, 2,
            MR_REMAINDER_PAD);
    case 11:
        return mr_batch_sampler_new(sampler_of_kind(2, rng, own), 30, false);
    case 12:
        return mr_batch_list_sampler_new(indices, sizes, 4);
    case 13:
        return mr_bucket_sampler_new(ROWS, 7, 1, kinds_length_of, NULL,
                                     &(mr_bucket_sampler_opts){ .pool = 2 });
    default:
        return mr_bucket_sampler_new(ROWS, 7, 1, kinds_length_of, NULL,
                                     &(mr_bucket_sampler_opts){ .pool = 2, .max_length = 20 });
    }
}

#endif

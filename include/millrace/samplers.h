/*
 * Millrace, data layer: orders in which a loader can ask for samples (torch's samplers), and a permutation that takes no
 * memory.
 *
 * A sampler is made, and given to one loader with mr_loader_set_sampler, which frees it. Those named after torch's draw
 * what torch's draw, to the last word, and when torch does: at the first index of an epoch. `rng` stands for torch's
 * default generator, as in mr_loader_new; an own generator (`generator=` in torch) is an option. Both are borrowed.
 * What the order of an epoch hangs on is part of the loader's state. Where that is restored, an own generator is set
 * back, too, as it was when the epoch began, and moves on as it did then; `rng` is not touched, since it is the
 * program's.
 *
 * Threads: a sampler belongs to the thread that asks for batches, whatever the number of workers. With workers indices are
 * taken ahead: so within an epoch an own generator may stand further than it would without, and where an epoch ends, is left
 * or fails it stands where it would.
 */
#ifndef MILLRACE_SAMPLERS_H
#define MILLRACE_SAMPLERS_H

#include <millrace/data.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- a permutation in constant memory ------------------------------------------------------------------------ */

/* The numbers 0 to length - 1 in an order that hangs on (seed, epoch) and nothing else: a few hundred bytes, whatever
 * the length, which may be as large as INT64_MAX. Any place can be asked for, in any order, and for any number its place;
 * each takes about 40 ns, and half of that where a sampler takes many in a row. Several threads may ask at once. */
typedef struct mr_permutation mr_permutation;

/* Makes the permutation of epoch 0. All 64 bits of the seed count. */
MR_API mr_permutation *mr_permutation_new(int64_t length, uint64_t seed);
MR_API void mr_permutation_free(mr_permutation *permutation);

/* Makes it the permutation of another epoch; while nobody else uses it. */
MR_API void mr_permutation_set_epoch(mr_permutation *permutation, int64_t epoch);

/* What is at `position`, and at which position `number` is; both 0 to length - 1. -1 after a failure. */
MR_API int64_t mr_permutation_at(const mr_permutation *permutation, int64_t position);
MR_API int64_t mr_permutation_find(const mr_permutation *permutation, int64_t number);
MR_API int64_t mr_permutation_len(const mr_permutation *permutation);

/* Millrace's own order: the permutation of each epoch. The first batch of a dataset of any length costs the first
 * batch, a place late in the epoch as little as an early one, and there is no state but (seed, epoch, position). */
MR_API mr_sampler *mr_permutation_sampler_new(int64_t length, uint64_t seed);

/* ---- torch's samplers ------------------------------------------------------------------------------------------ */

/* Makes SequentialSampler: 0 to length - 1. */
MR_API mr_sampler *mr_sequential_sampler_new(int64_t length);

typedef struct mr_random_sampler_opts {
    bool replacement; /* each index is drawn from all */
    /* indices in an epoch; default: the length. Without replacement one permutation follows the other */
    int64_t num_samples;
    mr_rng *generator; /* draws from this one directly */
} mr_random_sampler_opts;

/* Makes RandomSampler. Without a generator each epoch draws two words from `rng`, which seed one of its own. The length
 * is at least 1, and without replacement at most 2^32-1. */
MR_API mr_sampler *mr_random_sampler_new(int64_t length, mr_rng *rng, const mr_random_sampler_opts *opts);

typedef struct mr_subset_random_sampler_opts {
    mr_rng *generator;
} mr_subset_random_sampler_opts;

/* Makes SubsetRandomSampler: the indices, which are copied, in random order. Draws from `rng` or the generator directly. */
MR_API mr_sampler *mr_subset_random_sampler_new(const int64_t *indices, int64_t count, mr_rng *rng,
                                                const mr_subset_random_sampler_opts *opts);

typedef struct mr_weighted_sampler_opts {
    bool no_replacement; /* no index twice in an epoch */
    mr_rng *generator;
} mr_weighted_sampler_opts;

/* Makes WeightedRandomSampler: `num_samples` indices an epoch, index i with a probability in proportion to weights[i],
 * which are copied, finite, not negative, and not all zero. torch.multinomial's draws, from `rng` or the generator
 * directly; any number of weights. Without replacement there are at most as many samples as weights above zero. */
MR_API mr_sampler *mr_weighted_sampler_new(const double *weights, int64_t count, int64_t num_samples,
                                           mr_rng *rng, const mr_weighted_sampler_opts *opts);

/* ---- one of several replicas --------------------------------------------------------------------------------------- */

/* What becomes of samples that cannot be divided among the replicas evenly. */
typedef enum mr_remainder {
    MR_REMAINDER_PAD = 0,  /* the first samples of the order once more, so that all have as many (torch) */
    MR_REMAINDER_DROP = 1, /* the last ones of the order are left out (torch's drop_last) */
    MR_REMAINDER_UNEVEN =
        2 /* as PAD, but batch->valid is false for what is there once more: so each sample counts
                               once, and yet all replicas make as many steps */
} mr_remainder;

typedef struct mr_distributed_sampler_opts {
    bool no_shuffle;        /* in order; otherwise each epoch's order is torch.randperm's of seed + epoch */
    uint64_t seed;          /* the same for all replicas */
    mr_remainder remainder; /* default: pad */
    bool own_order;         /* shuffles with mr_permutation instead: for any length */
    int64_t first_epoch;    /* that the loader's epoch 0 stands for */
} mr_distributed_sampler_opts;

/* Makes DistributedSampler: every `replicas`-th index of an order, from number `rank` on. There is no set_epoch: the epoch
 * is the loader's own. */
MR_API mr_sampler *mr_distributed_sampler_new(int64_t length, int rank, int replicas,
                                              const mr_distributed_sampler_opts *opts);

/* Makes every `replicas`-th index of any sampler, which is adopted: weighted samples, say. All replicas are given samplers that
 * give the same indices, so of the same seed, or with generators that stand alike. */
MR_API mr_sampler *mr_replica_sampler_new(mr_sampler *sampler, int rank, int replicas,
                                          mr_remainder remainder);

/* ---- batches of a sampler's own ------------------------------------------------------------------------------------- */

/* The following give batches, not indices: the loader delivers them as they are (torch's batch_sampler). Its own batch
 * size is then the most that a batch may have, and drop_last is not for it. Each has its length in batches. */

/* Makes BatchSampler: the indices of a sampler, which is adopted, `batch_size` at a time. */
MR_API mr_sampler *mr_batch_sampler_new(mr_sampler *sampler, int64_t batch_size, bool drop_last);

/* Makes batches of your own, the same in each epoch: sizes[0] indices are the first one, sizes[1] the second. Copies both
 * arrays. */
MR_API mr_sampler *mr_batch_list_sampler_new(const int64_t *indices, const int64_t *sizes, int64_t batches);

/* How long the sample at `index` is, not negative; of no other sample's business, and the same each time. */
typedef int64_t (*mr_length_function)(void *user, int64_t index);

/* One whose `user` is the offsets (an mr_tensor) that mr_dataset_from_ragged takes. */
MR_API int64_t mr_length_by_offsets(void *offsets, int64_t index);

typedef struct mr_bucket_sampler_opts {
    int64_t pool; /* batches whose samples are sorted together; default 100 */
    int64_t
        max_length; /* no batch has more than this, as its rows times its longest sample, so padding counts; a sample
                           that is longer by itself is a failure. Default: no bound */
    bool
        drop_last; /* leaves out batches that are smaller than the batch size at the end of a pool; with max_length
                           none is left out */
    bool no_shuffle; /* pools are made of samples in order, and their batches stay sorted by length */
} mr_bucket_sampler_opts;

/* Makes batches of samples of similar length, so that little is padded: takes pools of samples in Millrace's own order, sorts
 * each by length, cuts it into batches of at most `batch_size`, and gives those in random order. All of it hangs on
 * (seed, epoch) alone. Memory is a pool's. `user` is borrowed. The number of batches is known unless there is a max_length. */
MR_API mr_sampler *mr_bucket_sampler_new(int64_t length, int64_t batch_size, uint64_t seed,
                                         mr_length_function length_of, void *user,
                                         const mr_bucket_sampler_opts *opts);

/* ---- by hand --------------------------------------------------------------------------------------------------------- */

/* What a loader does with a sampler, for one that is given to none: begins an epoch, and asks for the next index (MR_OK, or
 * MR_END at the end). */
MR_API MR_CHECKED mr_status mr_sampler_begin(mr_sampler *sampler, int64_t epoch);
MR_API MR_CHECKED mr_status mr_sampler_next(mr_sampler *sampler, int64_t *index);

/* Indices in an epoch, or batches where it gives those; -1 when that is not known. */
MR_API int64_t mr_sampler_len(mr_sampler *sampler);

/* What the sampler is, in words: "distributed of 1000, rank 1 of 4, seed 7, torch's order, padded". Writes at most `room` bytes
 * with the '\0'; the length of all, as snprintf, and 0 where a sampler of your own says nothing. Of lists and weights there
 * is a number that hangs on all of them. */
MR_API int mr_sampler_describe(mr_sampler *sampler, char *text, size_t room);

#ifdef __cplusplus
}
#endif
#endif

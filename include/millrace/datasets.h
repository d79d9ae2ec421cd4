/*
 * Millrace, data layer: datasets made of other datasets.
 *
 * Each keeps what it is made of for as long as it is needed: so the inner ones may be freed at once, and in any order.
 * What the inner ones borrow themselves (tensors, a user's data) must live on. A sample that cannot be had is named at
 * each level: "loader: sample 117: concat: dataset 1: sample 17: row is damaged". Each passes on where its samples come
 * from (mr_dataset_origin). Datasets take at most 64 fields.
 *
 * Threads: everything is called by the threads that call a dataset, the loader's workers among them (see data.h): functions of
 * yours by several at once for a dataset by index, by one at a time for a stream. What an inner dataset's worker_open makes
 * is made for each thread, and given to it.
 */
#ifndef MILLRACE_DATASETS_H
#define MILLRACE_DATASETS_H

#include <millrace/data.h>
#include <millrace/random.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- parts ----------------------------------------------------------------------------------------------------- */

/* Makes the dataset of the samples at `indices`, which are copied (torch's Subset). */
MR_API mr_dataset *mr_subset_new(mr_dataset *dataset, const int64_t *indices, int64_t count);

/* Divides a dataset at random: makes parts[i] with lengths[i] samples, torch's random_split. The lengths add up to the
 * dataset's, which is at most 2^32-1. Draws one torch.randperm from `rng`. After a failure all parts are NULL. */
MR_API mr_status mr_random_split(mr_dataset *dataset, const int64_t *lengths, int count, mr_rng *rng,
                                 mr_dataset **parts);

/* The same by fractions, which add up to 1: each part has its fraction of the samples, rounded down, and the first ones get
 * one of those that are left over each. */
MR_API mr_status mr_random_split_fractions(mr_dataset *dataset, const double *fractions, int count,
                                           mr_rng *rng, mr_dataset **parts);

/* Makes the part of a stream that is for one of several replicas, `rank` from 0 on: of k shards those with its number
 * among k times as many. All parts together are the stream, each sample once, but they need not be of equal length; a
 * stream that cannot be cut is all the first one's. Maps go below it: they number samples among all shards of what they
 * are asked for, and above it that would be the same numbers, and random draws, in each replica. Samples of datasets by
 * index are divided by samplers (mr_distributed_sampler_new). */
MR_API mr_dataset *mr_replica_stream_new(mr_dataset *stream, int rank, int replicas);

/* ---- several --------------------------------------------------------------------------------------------------- */

/* Makes the dataset of the samples of all, one dataset after the other (torch's ConcatDataset). Their fields are the same. */
MR_API mr_dataset *mr_concat_new(mr_dataset *const *datasets, int count);

/* Makes the dataset whose samples have the fields of all, for datasets of equal length (torch's StackDataset). With
 * `names` the fields of the i-th are called "names[i].field". Names of fields differ. Of streams it makes a stream: the
 * n-th samples of each belong together, within a shard. One that is bad makes the whole sample bad, and where one
 * stream ends before the others, that is a failure. */
MR_API mr_dataset *mr_zip_new(mr_dataset *const *datasets, const char *const *names, int count);

/* Makes the stream of the samples of all, one stream after the other (torch's ChainDataset). It has one shard, unless the
 * loader is told to cut it into more: then a shard of it is the chain of that shard of each. The same goes for streams of
 * mr_zip_new and mr_interleave_new. Maps and filters have the shards of what they are made of. */
MR_API mr_dataset *mr_chain_new(mr_dataset *const *streams, int count);

/* What becomes of an interleaved dataset when one that it is made of ends. */
typedef enum mr_interleave_end {
    MR_INTERLEAVE_ALL = 0, /* goes on with the others, in proportion to their weights, until all have ended */
    MR_INTERLEAVE_FIRST = 1 /* ends, too */
} mr_interleave_end;

typedef struct mr_interleave_opts {
    mr_interleave_end end; /* default: all */
} mr_interleave_opts;

/* Makes the stream, or dataset by index, that takes samples from several in proportion to weights, which are finite and
 * above zero. Nothing is random: of the first n samples number i has given n times its share, less than one sample more
 * or less, for any n, and its samples are in order. All are streams, or all are by index: then the order is worked out
 * here and kept, which takes a little more than a byte for each sample, and there are at most 256 datasets. */
MR_API mr_dataset *mr_interleave_new(mr_dataset *const *datasets, const double *weights, int count,
                                     const mr_interleave_opts *opts);

/* ---- changes --------------------------------------------------------------------------------------------------- */

/* Makes of a sample another one. in[i] is the i-th field of the inner sample; out[i] where the i-th field of the new one goes,
 * and the same memory as in[i] where mr_map_new was given no fields. `random` is the sample's own: what is drawn from
 * it hangs on the seed, the epoch and the sample alone, not on the thread. MR_OK, or mr_fail(…). */
typedef mr_status (*mr_map_function)(void *user, void *const *in, void *const *out, int64_t index,
                                     mr_random *random);

typedef struct mr_map_opts {
    uint64_t seed;
    /* of the new samples, copied; NULL: those of the inner ones, changed where they lie */
    const mr_field *fields;
    int field_count;
    void (*release)(
        void *user); /* optional: frees `user` with the dataset, or at once when it cannot be made */
    /* the inner field that the function looks at, if it is one, for the messages of samples that it fails for */
    const char *reads;
} mr_map_opts;

/* Makes the dataset, or stream, of what `function` makes of each sample. `user` is borrowed, or adopted with a
 * `release`. In a stream the index is the sample's number: number n of shard s of k is s + n * k. Where the function
 * fails, the message says where the sample comes from, if what is below knows it (`origin` in data.h), and which field
 * `reads` names: "map: sample 17: 'a.tar': member '0017.jpg' at byte 512, field 'picture': …". */
MR_API mr_dataset *mr_map_new(mr_dataset *dataset, mr_map_function function, void *user,
                              const mr_map_opts *opts);

/* Whether a sample, whose i-th field is at field[i], is to be kept. */
typedef bool (*mr_filter_function)(void *user, void *const *field);

/* Makes the stream of the samples for which `keep` is true; `user` is borrowed. mr_fail in `keep` fails the sample. */
MR_API mr_dataset *mr_filter_new(mr_dataset *stream, mr_filter_function keep, void *user);

/* ---- memory ---------------------------------------------------------------------------------------------------- */

typedef struct mr_cache_opts {
    int64_t
        max_bytes; /* of samples, the items of ragged fields among them; those beyond are read each time. Default: no
                          bound. What is known of each sample comes on top: a byte, and 32 for each ragged field */
} mr_cache_opts;

/* Makes the dataset that reads each sample once and then has it in memory. Memory is taken up as samples come. A sample
 * that two threads ask for is read by one of them; one that failed is read again when it is asked for. What a sample
 * looks like must not hang on the epoch: changes at random belong on top of a cache. */
MR_API mr_dataset *mr_cache_new(mr_dataset *dataset, const mr_cache_opts *opts);

typedef struct mr_cache_counts {
    int64_t
        capacity;  /* samples that it may hold; how many of those with ragged fields, hangs on their items */
    int64_t held;  /* samples in memory */
    int64_t hits;  /* samples given from memory */
    int64_t reads; /* samples read, those that failed and those beyond the bound among them */
    int64_t bytes; /* of the samples in memory */
} mr_cache_counts;

/* What a dataset of mr_cache_new has done so far; from any thread. */
MR_API mr_status mr_cache_count(const mr_dataset *cache, mr_cache_counts *counts);

#ifdef __cplusplus
}
#endif
#endif

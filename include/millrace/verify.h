/*
 * Millrace, data layer: proof of what an epoch consisted of.
 *
 * A digest is a few words that hang on all samples of an epoch. Two epochs with the same `samples` and `multiset` had the same
 * samples, each as often, in whatever order; with the same `order` they also came in the same order. So an epoch that is
 * divided among replicas, read by other numbers of workers, or stopped and gone on with, can be compared with one that
 * was not. Batches may be cut differently: only rows count, and those that are padding do not.
 */
#ifndef MILLRACE_VERIFY_H
#define MILLRACE_VERIFY_H

#include <millrace/data.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Begins as { 0 }. Equal epochs have equal ones on every machine with the same byte order. */
typedef struct mr_digest {
    uint64_t multiset[2]; /* which samples, and how often */
    uint64_t order;       /* the same in order */
    int64_t samples;      /* rows that count */
    int64_t padding;      /* rows that do not (batch->valid) */
    int64_t batches;
} mr_digest;

/* Takes a batch into a digest: the indices of its rows, and with `contents` also what is in its row of each tensor,
 * and its items of ragged fields; a tensor without a row for each sample, as mr_collate_pack makes, is a failure, and what
 * mr_collate_pad makes differs with the batches. Samples of a stream have no index, so of them contents are taken
 * alone, and not to take them is a failure. */
MR_API mr_status mr_digest_add(mr_digest *digest, const mr_batch *batch, bool contents);

/* Takes another digest into one, as if its samples had come behind: of another replica, say. The order that results
 * is that of the parts, and not comparable with one that was made sample by sample. */
MR_API mr_status mr_digest_merge(mr_digest *digest, const mr_digest *other);

/* The digest, without contents, of the samples 0 to length - 1 in order, each once: what an epoch must have if nothing
 * is lost or there twice. */
MR_API mr_digest mr_digest_of_range(int64_t length);

/* Whether two digests have the same samples, in whatever order. */
MR_API bool mr_digest_same_samples(const mr_digest *a, const mr_digest *b);

/* Goes through what is left of the loader's epoch, or through the next one where none has begun, and makes its digest: of
 * the samples, before they are collated. A collate function is not called. */
MR_API MR_CHECKED mr_status mr_loader_verify(mr_loader *loader, bool contents, mr_digest *digest);

#ifdef __cplusplus
}
#endif
#endif

/*
 * Millrace, base layer: random streams that belong to a place, not to a thread or to what was drawn before.
 *
 * An mr_random is a few words on the stack, made of a seed, an epoch and the number of a sample. What is drawn for a
 * sample is the same whoever draws, and whenever: so random changes of samples (augmentation) do not depend on how many
 * workers a loader has, on how far it reads ahead, or on whether the run was resumed. These draws are Millrace's own,
 * not torch's; all 64 bits of the seed count.
 */
#ifndef MILLRACE_RANDOM_H
#define MILLRACE_RANDOM_H

#include <millrace/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A stream of random numbers: of use to one thread at a time, copied by assignment, freed by nobody. */
typedef struct mr_random {
    uint64_t state, step;
} mr_random;

/* The beginning of the stream of sample `index` in `epoch`. */
MR_API mr_random mr_random_at(uint64_t seed, int64_t epoch, int64_t index);

/* The next 64 bits. These and all below: a NULL stream is a failure, and gives 0. */
MR_API uint64_t mr_random_u64(mr_random *random);

/* Uniform in [0, 1) with 53 bits. */
MR_API double mr_random_uniform(mr_random *random);

/* 0 to count - 1, each as likely as the others. A count below 1 is a failure. */
MR_API int64_t mr_random_below(mr_random *random, int64_t count);

/* A normal draw of mean 0 and standard deviation 1. */
MR_API double mr_random_normal(mr_random *random);

#ifdef __cplusplus
}
#endif
#endif

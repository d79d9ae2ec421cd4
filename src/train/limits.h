/* How many batches of a loader are used. */
#ifndef MILLRACE_TRAIN_LIMITS_H
#define MILLRACE_TRAIN_LIMITS_H

#include <millrace/train.h>

/* A number of batches, or a share of those that there are. */
typedef struct mr__limit {
    const char *name; /* "limit_train_batches" */
    int64_t batches;  /* -1: none */
    double share;     /* 0: none */
} mr__limit;

/* Of an option and its share, which exclude each other; raises what is wrong. */
mr_status mr__limit_option(mr__limit *limit, const char *name, int64_t batches, double share);

/* What a limit comes to for `len` batches, -1 when that is not known; *most is -1 for no limit. Raises, in the name of `call`,
 * that a share is less than one batch. */
mr_status mr__limit_of(const char *call, const mr__limit *limit, int64_t len, int64_t *most);

#endif

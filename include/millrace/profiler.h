/*
 * Millrace, train layer: the profiler, a callback that says where the time of a fit goes.
 *
 * Threads: as callbacks.
 */
#ifndef MILLRACE_PROFILER_H
#define MILLRACE_PROFILER_H

#include <millrace/callbacks.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct mr_profiler_opts {
    bool quiet; /* no table when the fit ends */
} mr_profiler_opts;

/* Measures how long a fit waits for data, is in training_step, in zero_grad, in backward, in the optimizer's step (clipping
 * included), in validations, in the hooks of callbacks, in handing over what was logged, and in taking checkpoints; a table of
 * it goes to the log when the fit has ended. Each stage costs a look at the clock, so some tenths of a microsecond a step; a
 * fit without a profiler pays nothing. One to a trainer. Times do not overlap; they are the training thread's: files are
 * written by another. */
MR_API mr_callback *mr_profiler_new(const mr_profiler_opts *opts);

/* A line of the table. */
typedef struct mr_profile_row {
    const char *stage; /* "data", "training_step", …, "other", "total" */
    int64_t calls;     /* of "total": batches; of "other": 0, it is no call of its own */
    double seconds;
    double share; /* of the total */
} mr_profile_row;

/* The lines of the last fit. Views *count of them, valid until the next one; NULL when there was none, or of another
 * callback. */
MR_API const mr_profile_row *mr_profiler_rows(const mr_callback *callback, size_t *count);

#ifdef __cplusplus
}
#endif
#endif

/* What a training gets through in a time, from what its loader counts. */
#ifndef MILLRACE_TRAIN_THROUGHPUT_H
#define MILLRACE_TRAIN_THROUGHPUT_H

#include <millrace/data.h>

typedef struct mr__rates {
    double samples, batches; /* a second */
    double data_wait;        /* the share of the time that was spent waiting for batches */
} mr__rates;

/* Of the time between two looks at a loader's stats, that many seconds. */
mr__rates mr__rates_between(const mr_loader_stats *from, const mr_loader_stats *to, double seconds);

/* What is to be done about a loader that is waited for. */
const char *mr__loader_advice(int workers, const mr_loader_stats *stats);

#endif

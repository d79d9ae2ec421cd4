/*
 * Where a loader's time goes. Looking at the clock would cost a tenth of a small step of training, so when calls follow
 * quickly on each other one of sixteen is timed, and counts for all of them.
 */
#ifndef MILLRACE_DATA_STATS_H
#define MILLRACE_DATA_STATS_H

#include "fill.h"

typedef struct mr__stats {
    int64_t batches, samples; /* delivered */
    int64_t item_bytes;       /* of ragged fields in them */

    int64_t stride, skip;  /* calls that a timed one stands for, and that pass before the next is timed */
    int64_t entered, left; /* when a timed call began, and ended; 0 otherwise */
    int64_t gap;           /* the last time between two calls */
    bool quick;            /* calls follow quickly on each other */
    bool own;              /* the batch of this call is filled by the calling thread */

    int64_t waiting, elsewhere, collating; /* nanoseconds */
    int64_t filling, filled;               /* of all threads, and samples in it */
    int64_t looks, ready; /* how often the queue was looked at, and batches that were ready then */
} mr__stats;

/* A call of mr_loader_next begins; it ends, with so many rows, 0 at the end of an epoch, -1 after a failure. */
void mr__stats_enter_timed(mr__stats *stats);
void mr__stats_leave_timed(mr__stats *stats, int64_t rows);

/* What has gone by since the last call is not the caller's time: it did something else. */
static inline void mr__stats_leave_out(mr__stats *stats)
{
    stats->left = 0;
}

static inline void mr__stats_enter(mr__stats *stats)
{
    stats->own = false;
    if (stats->skip)
        stats->skip--;
    else
        mr__stats_enter_timed(stats);
}

static inline void mr__stats_leave(mr__stats *stats, int64_t rows)
{
    if (rows > 0) {
        stats->batches++;
        stats->samples += rows;
    }
    if (MR__UNLIKELY(stats->entered != 0))
        mr__stats_leave_timed(stats, rows);
}

#endif

/*
 * The trainer's background thread: it writes the log, draws the bar and writes checkpoints, so that a step
 * does none of that. It looks for work ten times a second, when a block of rows is full, and at the end.
 *
 * What crosses: rows through a queue with one writer and one reader; the bar's numbers through
 * relaxed atomics (a torn pair is a wrong picture for a tenth of a second); snapshots under the mutex: the
 * training thread fills one that is not being written, and a newer one takes the place of one that waits. A
 * failure stops the reporter's writing, and the training thread learns of it at its next step.
 */
#ifndef MILLRACE_TRAIN_REPORTER_H
#define MILLRACE_TRAIN_REPORTER_H

#include "loaders.h"
#include "progress.h"
#include "row_queue.h"
#include "snapshot.h"

#include "base/error.h"
#include "loggers/logger.h"

#include <pthread.h>
#include <stdatomic.h>

enum { MR__MAX_METRICS = 256, MR__MAX_SAVES = 128 /* four of each callback */ };

/* A checkpoint that is to be written to this path, and what is to be removed then; owned. */
typedef struct mr__save {
    char *path, *remove;
} mr__save;

/* Where a snapshot is to be written to: what was asked for, then a checkpoint of the trainer's own. */
typedef struct mr__targets {
    mr__save save[MR__MAX_SAVES];
    size_t saves;
    bool own;
} mr__targets;

typedef struct mr__metric {
    const char *name; /* borrowed from the caller of mr_log */
    _Atomic double latest;
    atomic_bool seen; /* the bar has it */
} mr__metric;

/* Where each logger's log has ended, for what is logged behind it. */
typedef struct mr__log_ends {
    bool known;
    mr__loader_bytes at[MR__MAX_LOGGERS]; /* of size 0: it does not tell */
} mr__log_ends;

typedef struct mr__reporter {
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t wake; /* there is work, or the end */
    pthread_cond_t free; /* there is room again */
    atomic_bool wanted;  /* the training thread waits for the mutex */
    bool running, stop;
    bool opened;       /* the loggers, or they have failed */
    bool full;         /* the training thread waits for room */
    bool clock;        /* it is to run for its ticks alone */
    atomic_uint ticks; /* how often it has woken up */
    atomic_bool failed;
    mr__failure failure; /* read after `failed` */

    mr__row_queue rows; /* each: epoch, step, kind and n, then n times metric and value */
    mr__loggers loggers;
    mr_log_run run;                         /* for them; its strings are the trainer's */
    mr__position position[MR__MAX_LOGGERS]; /* where each is to go on from; views, valid until the start */
    mr__log_ends *ends;                     /* where each has ended in the end; NULL: not wanted */

    /* the bar */
    bool bar;
    mr__progress progress;
    int64_t version, total;
    atomic_int_least64_t epoch, done,
        initial; /* of the epoch: batches; those that were done when it began here */
    _Atomic double epoch_began;

    /* checkpoints */
    mr__snapshot *snapshot;        /* NULL: none; adopted */
    int waiting, writing;          /* which copies do so; -1: none */
    int last;                      /* the one that was taken last */
    size_t mark[MR__SNAPSHOTS];    /* how many rows there were before each */
    size_t through[MR__SNAPSHOTS]; /* how many are to be on the disk before it is: more, for the last one */
    mr__targets to[MR__SNAPSHOTS]; /* where each goes */
    bool prompt;                   /* they are written at once, not at the next tick */
    bool synced;                   /* the folders above them are on the disk */
    bool clean;                    /* others in the folder go when one is written */
    char *checkpoint_dir;          /* adopted */
    char path[4096];               /* of the last checkpoint written */

    /* metrics, in the order of their first logging; appended by the training thread */
    mr__metric metric[MR__MAX_METRICS];
    atomic_size_t metric_count;
} mr__reporter;

/* Makes one that does nothing yet: the trainer attaches loggers, bar and snapshot, then starts it. */
mr__reporter *mr__reporter_new(void);

/* Starts the thread, if anything was attached, and opens the loggers there. */
mr_status mr__reporter_start(mr__reporter *reporter);

/* Waits for the rest to be written, and for the thread to end. Frees nothing. */
mr_status mr__reporter_finish(mr__reporter *reporter);
void mr__reporter_free(mr__reporter *reporter);

/* ---- for the training thread ---- */

/* Hands over one row of a kind: the metrics with these numbers. Waits while the queue is full. */
void mr__reporter_row(mr__reporter *reporter, mr_row_kind kind, int64_t epoch, int64_t step, size_t count,
                      const uint32_t *metric, const double *value);

/* Takes a snapshot; `epoch` is that of the last step. It will be written as each of `saves` says, which are adopted, whatever
 * comes behind it. As a checkpoint of the trainer's own (`own`) it will be unless the next one comes before its turn. */
mr_status mr__reporter_snapshot(mr__reporter *reporter, int64_t epoch, bool own, const mr__save *saves,
                                size_t count);

/* Has the last one written again, as that of a fit of which nothing is left to be done. */
void mr__reporter_finish_snapshot(mr__reporter *reporter);

/* Raises the reporter's failure, if there is one. */
static inline mr_status mr__reporter_status(mr__reporter *reporter)
{
    if (MR__LIKELY(!atomic_load_explicit(&reporter->failed, memory_order_acquire)))
        return MR_OK;
    return mr__failure_raise(&reporter->failure);
}

static inline void mr__reporter_progress(mr__reporter *reporter, int64_t done)
{
    atomic_store_explicit(&reporter->done, done, memory_order_relaxed);
}

/* Seconds on a clock that does not go back. */
double mr__now(void);

#endif

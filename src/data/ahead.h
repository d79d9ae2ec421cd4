/*
 * Batches made ahead: which tickets a loader's pipeline is given, and what is made of those that come back.
 *
 * All of this runs on the calling thread, so order and samplers are asked by it alone, and what torch draws is drawn
 * where torch draws it. Indices are taken as far ahead as there are slots.
 *
 * Across the epoch's end: when all batches of an epoch are posted, those of the next one are begun on a guess. An order
 * that hangs on nothing but the epoch (none, or a sampler without state) is no guess. For a shuffle the loader
 * draws what the next epoch will draw, keeps where the generator stood before and after, and puts it back. When the
 * next epoch begins and the generator still stands there, the guess was right, and it is moved to where it stood
 * after. If somebody else has drawn from it, the batches are thrown away, and no more is guessed. Where a stream ends
 * is known when its lanes were read: tickets that were posted behind that are taken back, to make room.
 *
 * Small batches: handing one over costs a lock or two, and waking a thread some microseconds. Batches that take less
 * than that are filled by the calling thread, as without workers; every eighth is timed, to see whether that is
 * still so. Content does not depend on who fills.
 */
#ifndef MILLRACE_DATA_AHEAD_H
#define MILLRACE_DATA_AHEAD_H

#include "pipeline.h"

enum { MR__MOST_PREFETCH = 1 << 20 };

typedef struct mr__ahead {
    mr__pipeline_opts opts;           /* workers 0: none of this */
    int64_t prefetch, prefetch_bytes; /* as they were asked for */
    int64_t most_items;     /* bytes of ragged fields in a batch, of those that were delivered; 0: none was */
    mr__pipeline *pipeline; /* NULL: not started, or given up */
    int64_t epoch;          /* that tickets are posted of */
    bool ended;             /* its end was posted */
    bool stuck;             /* no more tickets, until the next epoch: the sampler has failed */
    bool failed;            /* a batch of this epoch has */

    bool guessed, never; /* the epoch was begun on a guess; one was wrong */
    mr_rng *expected, *after;

    bool direct;  /* batches are too small to hand over */
    int64_t cost; /* nanoseconds of a batch, towards the lowest seen; 0: none was seen yet */
    unsigned direct_count;
} mr__ahead;

mr_status mr__ahead_init(mr_loader *loader, const mr_loader_opts *opts, int64_t capacity);

/* Before the threads are started: the rows of a slot, and with them how many slots there are. */
void mr__ahead_size(mr_loader *loader, int64_t capacity);

void mr__ahead_free(mr_loader *loader);

/* Before the first batch of an epoch; starts the threads where there are none. Draws what order_begin draws. */
mr_status mr__ahead_begin(mr_loader *loader);

/* The next batch: the number of its rows, 0 at the end, -1 after a failure. Valid until the next call. Of a stream it is what
 * some lane gave, which may be less than a batch. */
int64_t mr__ahead_next(mr_loader *loader, mr__slot_batch **slot);

/* The end of a stream's epoch was seen: what was posted behind it reads nothing. */
int64_t mr__ahead_pass_over(mr_loader *loader);

/* Takes back what was posted of the epoch that is being left, and waits until nobody works on it. */
void mr__ahead_leave(mr_loader *loader);

/* Takes back everything, of the next epoch, too. */
void mr__ahead_forget(mr_loader *loader);

/* In the middle of an epoch, where the order was taken by mr__order_resume and the lane by mr__lane_resume; starts the
 * threads where there are none. */
mr_status mr__ahead_resume(mr_loader *loader);

/* Stops the threads. */
void mr__ahead_stop(mr_loader *loader);

#endif

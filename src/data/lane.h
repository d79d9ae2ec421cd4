/*
 * A lane reads some shards of a stream one after the other. It belongs to one thread at a time, which need not be the
 * same one for each batch.
 */
#ifndef MILLRACE_DATA_LANE_H
#define MILLRACE_DATA_LANE_H

#include "fill.h"

typedef struct mr__lane {
    mr_dataset *dataset;
    mr_stream_vtable copy;            /* of the stream's, which may be freed before the loader */
    const mr_stream_vtable *vtable;   /* this copy */
    void *cursor;                     /* NULL: none is open */
    int64_t epoch;                    /* that is being read; -1: none */
    int64_t read;                     /* samples in this epoch */
    atomic_int_least64_t ended_epoch; /* the last one that came to its end; -1: none */
    bool in_hand;                     /* under the pipeline's lock */
    bool resumes;                     /* the epoch is to be read from a place in it on: */
    mr__mark from;
} mr__lane;

mr__lane *mr__lane_new(mr_dataset *dataset);
void mr__lane_free(mr__lane *lane);

/* Leaves the epoch. */
void mr__lane_close(mr__lane *lane);

/* From now on an epoch is read from a place on, if it is the next to be read; otherwise from its beginning. */
void mr__lane_resume(mr__lane *lane, int64_t epoch, const mr__mark *from);

/* Writes the next samples of an epoch, which may be a new one, to the rows of a slot from `row` on, at most `count`;
 * fewer at the end. How many, or -1 after a failure. Where the lane stands then is in the slot. */
int64_t mr__lane_read(mr__lane *lane, mr__filler *filler, mr__slot_batch *slot, int64_t epoch, int64_t row,
                      int64_t count);

#endif

/*
 * A lane reads some shards of a stream one after the other. It belongs to one thread at a time, which need not be the
 * same one for each batch. Lane l of n has the shards l, l + n, … of the order of shards, so what it gives hangs on
 * the stream, its number and the epoch's seed alone.
 *
 * Shuffled: it reads a block of samples into memory of its own, and gives them in an order that hangs on the seed and the
 * block's number. To go to a place in a block it is read again.
 */
#ifndef MILLRACE_DATA_LANE_H
#define MILLRACE_DATA_LANE_H

#include "fill.h"
#include "permutation.h"

enum { MR__MOST_LANES = 32 };

/* How a stream is cut. */
typedef struct mr__cut {
    int lanes;
    int64_t shards;
    int64_t block; /* samples of a lane that are shuffled at a time; 0: none are */
} mr__cut;

typedef struct mr__lane {
    mr_dataset *dataset;
    mr_stream_vtable copy;          /* of the stream's, which may be freed before the loader */
    const mr_stream_vtable *vtable; /* this copy */
    mr__cut cut;
    int number;

    int64_t epoch;         /* that is being read; -1: none */
    uint64_t seed;         /* of its shuffling */
    mr_permutation shards; /* shuffled: their order */
    int64_t shard, read;   /* the next sample */
    int64_t round;         /* times that it was read in this epoch */
    void *cursor;          /* NULL: none is open */
    bool resumes;          /* the epoch is to be read from a place in it on: */
    mr__mark from;

    mr__slot_batch *block; /* NULL: not needed yet; its indices are the order in which rows are given */
    int64_t block_number, block_rows, given;
    mr__mark block_begin;

    atomic_int_least64_t ended_epoch; /* the last one that came to its end; -1: none */
    bool in_hand;                     /* under the pipeline's lock */
} mr__lane;

typedef struct mr__lanes {
    int count;
    mr__lane *lane[MR__MOST_LANES];
} mr__lanes;

mr__lanes *mr__lanes_new(mr_dataset *dataset, const mr__cut *cut);
void mr__lanes_free(mr__lanes *lanes);

/* Leaves the epoch. */
void mr__lanes_close(mr__lanes *lanes);

/* Whether a lane is known to have nothing more in an epoch. */
static inline bool mr__lane_ended(mr__lane *lane, int64_t epoch)
{
    return atomic_load_explicit(&lane->ended_epoch, memory_order_relaxed) == epoch;
}

/* Whether all are. */
bool mr__lanes_ended(const mr__lanes *lanes, int64_t epoch);

/* An epoch is to be read from a place on, by the next mr__lane_read. */
void mr__lane_resume(mr__lane *lane, int64_t epoch, const mr__mark *from);

/* Writes the next samples of an epoch, which may be a new one, to the rows of a slot from `row` on, at most `count`;
 * fewer at the end. How many, or -1 after a failure. Where the lane stands then is in the slot. */
int64_t mr__lane_read(mr__lane *lane, mr__filler *filler, mr__slot_batch *slot, int64_t epoch, uint64_t seed,
                      int64_t row, int64_t count);

#endif

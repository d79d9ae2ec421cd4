/*
 * Samples that cannot be had, where the loader is to go on without them. Whichever thread meets one hangs it on the
 * slot; the calling thread takes it down when the batch is due, so that what is counted, and when it is too much, does
 * not depend on the workers.
 */
#ifndef MILLRACE_DATA_FAULTS_H
#define MILLRACE_DATA_FAULTS_H

#include "bytes.h"
#include "slot.h"

enum {
    MR__BAD_LISTED = 1000,  /* of which the text is kept */
    MR__BAD_IN_A_ROW = 1000 /* with which a stream counts as broken; lane.c says the number */
};

typedef struct mr__fault {
    struct mr__fault *next;
    int64_t row, shard, sample;
    char text[];
} mr__fault;

/* What a loader remembers of them. */
typedef struct mr__bad {
    bool skip;
    int64_t most; /* in an epoch; 0: any number */
    int64_t count, in_epoch;
    mr_bad_sample *list; /* the first MR__BAD_LISTED */
    int64_t listed;
} mr__bad;

/* Takes note of the pending failure of a sample, of a shard or of none (-1), on its slot. False when that fails. */
bool mr__fault_note(mr__slot_batch *slot, int64_t row, int64_t shard, int64_t sample);

/* Forgets those of a slot. */
void mr__faults_clear(mr__slot_batch *slot);

/* Takes down those of a slot: counts them, and in a dataset by index (`by_row`) closes the gaps that they leave. The
 * number of rows that are left; -1 with a failure when there have been too many. */
int64_t mr__faults_take(mr__bad *bad, mr__slot_batch *slot, int64_t rows, int64_t epoch, bool by_row);

void mr__bad_free(mr__bad *bad);

/* Exchanges what is remembered, not what is done about it. */
void mr__bad_swap(mr__bad *a, mr__bad *b);

/* For a loader's state. The second reads into an empty struct; false when the bytes make no sense or there is no memory,
 * which is pending then. */
void mr__bad_write(const mr__bad *bad, mr__strbuf *to);
bool mr__bad_read(mr__bad *bad, mr__reader *from);

#endif

/*
 * Writing samples into a slot, by whichever thread it is: the calling one, or a worker.
 */
#ifndef MILLRACE_DATA_FILL_H
#define MILLRACE_DATA_FILL_H

#include "slot.h"

#include <stdatomic.h>

/* What a thread needs to fill slots; each has one of its own. */
typedef struct mr__filler {
    mr_dataset *dataset; /* borrowed */
    void *worker;        /* what worker_open gave */
    bool opened;
    bool skip;  /* goes on after a sample that cannot be had, and hangs it on the slot */
    void **row; /* where each field of the sample in hand goes */

    /* For the watchdog, when `watched`: the sample in hand, of which shard if there are several (-1: not), and since when, in
     * nanoseconds; 0: none. */
    bool watched;
    atomic_int_least64_t shard, sample, since;
} mr__filler;

mr_status mr__filler_init(mr__filler *filler, mr_dataset *dataset);
void mr__filler_free(mr__filler *filler);

/* Calls the dataset's worker_open on this thread, once, and its worker_close. */
mr_status mr__filler_open(mr__filler *filler);
void mr__filler_close(mr__filler *filler);

/* Writes the samples slot->index[begin] to [end - 1] to their rows. A failure is raised as "loader: sample 17: …",
 * and *failed set to its row, unless bad samples are skipped; then their rows hold anything. */
mr_status mr__fill(mr__filler *filler, mr__slot_batch *slot, int64_t epoch, int64_t begin, int64_t end,
                   int64_t *failed);

/* After a sample's callback failed: whether that was taken note of, so that the next one can be asked for. If not, the
 * failure is pending. */
bool mr__fill_goes_on(mr__filler *filler, mr__slot_batch *slot, mr_status status, int64_t row,
                      int64_t sample);

/* Takes note of the sample in hand. */
void mr__filler_watch(mr__filler *filler, int64_t shard, int64_t sample);

/* Nanoseconds on a clock that does not go back. */
int64_t mr__clock(void);

#endif

/*
 * The inside of a loader: batches, filled in the order that order.h gives.
 *
 * Without workers the calling thread fills the next slot of a ring of two when it is asked for it, so that a batch
 * stays as it was while the next one is being written. With workers ahead.h has batches made ahead; it falls back on
 * this way when they are so small that handing them over would cost more than making them.
 */
#ifndef MILLRACE_DATA_LOADER_H
#define MILLRACE_DATA_LOADER_H

#include "ahead.h"
#include "collate.h"
#include "done.h"
#include "faults.h"
#include "fill.h"
#include "merge.h"
#include "order.h"
#include "slot.h"
#include "stats.h"

#include "base/strbuf.h"

enum { MR__RING_SLOTS = 2 };

struct mr_loader {
    /* borrowed; NULL: it has been freed, and a thread of ours could have been using it */
    mr_dataset *dataset;
    int64_t batch_size;
    bool drop_last;
    bool streams; /* the dataset is a stream */
    bool started; /* an epoch has ever begun: the settings are fixed */
    bool in_epoch;
    bool busy;        /* somebody is in a call that runs callbacks */
    int64_t epoch;    /* the current one, or the last; -1 before the first */
    int64_t position; /* samples delivered in it */
    int64_t taken;    /* indices of the order that were handed out up to the last batch */
    mr__done done;    /* which batches were delivered */
    bool unordered;
    bool order_ended; /* mr__order_end was called in this epoch */
    mr__bad bad;
    mr__stats stats;
    int64_t sample_bytes; /* of the dense fields */
    mr__order order;
    mr__filler filler; /* the calling thread's */
    mr__merge merge;   /* of a stream */
    mr__lanes *lanes;  /* and what it merges */
    mr__slot_batch *ring[MR__RING_SLOTS];
    int next_slot;
    mr_collated collated;
    mr__ahead ahead; /* not used without workers */
    mr__user user;   /* of the dataset, when `attached` */
    bool attached;
    mr__strbuf state; /* that mr_loader_save gave last */
};

/* Makes a loader of the same batches on the calling thread, in the dataset's order; NULL after a failure. */
mr_loader *mr__loader_in_order(const mr_loader *loader);

/* The number of an epoch's key in the order: the order may be of the next epoch already. */
int mr__loader_key(const mr_loader *loader);

/* Begins a call that runs callbacks. False with a failure when a callback of this loader's makes it. */
bool mr__loader_enter(mr_loader *loader, const char *call);

/* Leaves the epoch. */
void mr__loader_leave(mr_loader *loader);

/* Takes down the samples that could not be had. The rows that are left; -1 if there are too many, or if the batch had failed
 * besides. */
int64_t mr__loader_without_bad(mr_loader *loader, mr__slot_batch *slot, int64_t rows);

/* Takes the indices of the next batch of an epoch that was not delivered yet; as mr__order_take. */
int64_t mr__loader_take(mr_loader *loader, mr__slot_batch *slot, int64_t epoch);

/* Fills the next slot of the ring on the calling thread. The number of rows: 0 at the end, -1 after a failure. */
int64_t mr__loader_fill(mr_loader *loader, mr__slot_batch **slot);

#endif

/*
 * The inside of a loader: a ring of slots, filled in the order that order.h gives.
 *
 * Without workers the calling thread fills the next slot when it is asked for it; the ring has two slots, so
 * that a batch stays as it was while the next one is being written.
 */
#ifndef MILLRACE_DATA_LOADER_H
#define MILLRACE_DATA_LOADER_H

#include "collate.h"
#include "order.h"
#include "slot.h"

enum { MR__RING_SLOTS = 2 };

struct mr_loader {
    mr_dataset *dataset; /* borrowed */
    int64_t batch_size;
    bool drop_last;
    bool started; /* an epoch has ever begun: the settings are fixed */
    bool in_epoch;
    int64_t epoch;    /* the current one, or the last; -1 before the first */
    int64_t position; /* samples delivered in it */
    mr__order order;
    void *cursor;                          /* of a stream, in an epoch */
    const mr_stream_vtable *cursor_vtable; /* the stream may be freed before the loader */
    bool stream_ended;
    mr__slot_batch *ring[MR__RING_SLOTS];
    int next_slot;
    mr_collated collated;
};

#endif

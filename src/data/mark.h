/*
 * Where a lane of a stream stood after the last sample of a batch: with the batch in its slot, and in the loader as it
 * stood after the last batch that was delivered.
 */
#ifndef MILLRACE_DATA_MARK_H
#define MILLRACE_DATA_MARK_H

#include "dataset.h"

typedef struct mr__mark {
    int64_t read;          /* samples read in the epoch */
    bool ended;            /* there are no more */
    bool told;             /* `cursor` holds what the stream's tell said of this place */
    unsigned char *cursor; /* `bytes` of them; NULL: the stream cannot tell */
    size_t bytes;
} mr__mark;

/* The beginning of an epoch; of a dataset by index it is never more than that. */
mr_status mr__mark_init(mr__mark *mark, const mr_dataset *dataset);
void mr__mark_free(mr__mark *mark);

/* Goes back to the beginning. */
void mr__mark_clear(mr__mark *mark);

/* Both are of one dataset. */
void mr__mark_copy(mr__mark *to, const mr__mark *from);

#endif

/*
 * Where a lane of a stream stood after the last sample of a batch: with the batch in its slot, and in the loader as it
 * stood after the last batch that was delivered.
 */
#ifndef MILLRACE_DATA_MARK_H
#define MILLRACE_DATA_MARK_H

#include "bytes.h"
#include "dataset.h"

typedef struct mr__mark {
    int64_t shard; /* of the order of shards: the one with the next sample */
    int64_t read;  /* samples read in it */
    int64_t round; /* times that the lane was read in this epoch */
    bool ended;    /* there are no more, in no shard */
    bool told;     /* `cursor` holds what the stream's tell said of this place */
    int64_t block,
        given; /* shuffled: this is where block number `block` begins, of which so many samples are given */
    unsigned char *cursor; /* `bytes` of them; NULL: the stream cannot tell */
    size_t bytes;
} mr__mark;

mr_status mr__mark_init(mr__mark *mark, const mr_dataset *dataset);
void mr__mark_free(mr__mark *mark);

/* Goes to the beginning of a lane whose first shard this is. */
void mr__mark_clear(mr__mark *mark, int64_t shard);

/* Both are of one dataset. */
void mr__mark_copy(mr__mark *to, const mr__mark *from);

/* For a loader's state. */
void mr__mark_write(const mr__mark *mark, mr__strbuf *to);
void mr__mark_read(mr__mark *mark, mr__reader *from);

#endif

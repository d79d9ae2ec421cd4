/* Several streams that are read together, and a cursor on each, which is opened when it is first read. */
#ifndef MILLRACE_DATA_CURSORS_H
#define MILLRACE_DATA_CURSORS_H

#include "inner.h"

typedef struct mr__streams {
    mr_stream_vtable vtable;
    mr_dataset **inner; /* held */
    int count;
    const char *what; /* they make, for failures: "chain" */
} mr__streams;

typedef struct mr__cursors {
    const mr__streams *streams; /* gone when there is nothing left to do but to close */
    int64_t shard, shards;
    int count;
    mr__inner_cursor *cursor;
    bool *ended; /* a stream is not asked again */
} mr__cursors;

/* A stream's `destroy`. */
void mr__streams_destroy(void *self);

/* Whether all can tell; the most bytes that one of them takes, and those of all together. */
bool mr__streams_tell(const mr__streams *streams, size_t *most, size_t *total);

/* Makes a struct of `size` bytes that begins with an mr__cursors; what is behind that is zero. NULL after a failure. */
void *mr__cursors_new(const void *streams, size_t size, int64_t shard, int64_t shards);

/* Frees it. A stream's `close`. */
void mr__cursors_close(void *cursors);

mr_status mr__cursors_open(mr__cursors *cursors, int i);

/* Puts the stream before the pending failure. */
mr_status mr__cursors_failed(const mr__cursors *cursors, int i, mr_status status);

/* The next sample of stream i: MR_OK, MR_END from then on, or a failure that names the stream. */
mr_status mr__cursors_next(mr__cursors *cursors, int i, const mr_sample *sample);

/* Writes where stream i stands, or goes there; `*state` moves behind it. */
void mr__cursors_tell(const mr__cursors *cursors, int i, unsigned char **state);
mr_status mr__cursors_seek(mr__cursors *cursors, int i, const unsigned char **state);

#endif

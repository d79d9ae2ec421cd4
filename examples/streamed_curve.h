/*
 * The chapter's second dataset: the same curve, one point after the other, for data that is too large to hold or that
 * arrives over a network.
 *
 *     class StreamedCurve(IterableDataset):
 *
 * __iter__ in Python is a generator, which keeps its local variables between two yields. Here they are a struct, the
 * cursor: `open` makes it, `next` moves it on by one sample.
 */
#ifndef EXAMPLES_STREAMED_CURVE_H
#define EXAMPLES_STREAMED_CURVE_H

#include "my_curve.h"

#include <stdlib.h>

typedef struct streamed_curve {
    float start, end, delta;
} streamed_curve;

typedef struct curve_cursor {
    float x, end, delta;
} curve_cursor;

/* x = self.start. A stream may be read in several parts, called shards; this one cannot be split, so that shard 0 has
 * all the points and the others have none. */
static void *streamed_curve_open(void *self, int64_t shard, int64_t shards)
{
    const streamed_curve *curve = self;
    curve_cursor *cursor = malloc(sizeof *cursor);
    (void)shards;
    if (!cursor) {
        mr_fail(MR_ERR_MEMORY, "no memory for a cursor");
        return NULL;
    }
    *cursor = (curve_cursor){ shard == 0 ? curve->start : curve->end, curve->end, curve->delta };
    return cursor;
}

/* while x < self.end: yield x, f(x); x = x + self.delta */
static mr_status streamed_curve_next(void *self, const mr_sample *sample)
{
    curve_cursor *cursor = self;
    if (!(cursor->x < cursor->end))
        return MR_END; /* StopIteration */
    write_point(sample, cursor->x);
    cursor->x += cursor->delta;
    return MR_OK;
}

/* def __init__(self, start, end, delta): */
static inline mr_dataset *streamed_curve_new(float start, float end, float delta)
{
    static const mr_stream_vtable vtable = { .open = streamed_curve_open,
                                             .next = streamed_curve_next,
                                             .close = free };
    streamed_curve self = { start, end, delta };
    return mr_stream_new(&vtable, &self, sizeof self, curve_fields, 2);
}

#endif

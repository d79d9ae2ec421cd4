/*
 * Resizing with PIL's arithmetic: each side by itself, first the width, each pixel a sum of weights of 22 binary places, rounded to a
 * byte in between.
 */
#ifndef MILLRACE_SOURCES_IMAGES_RESIZE_H
#define MILLRACE_SOURCES_IMAGES_RESIZE_H

#include "decoder.h"

#include <millrace/sources/transforms.h>

/* One side: `out` pixels are made of the part from `begin` to `end` of the `in` pixels that there are, and of those `count` from
 * number `from` on are wanted. */
typedef struct mr__side {
    int64_t in;
    double begin, end;
    int64_t out, from, count;
} mr__side;

/* What the pixels that are wanted are made of: number i of count[i] pixels from number first[i] on. Both ends ascend. */
typedef struct mr__weights {
    int64_t out;
    int32_t *first, *count;
    int32_t *weight; /* `taps` for each, zeros behind the last; NULL where each is a copy of one pixel */
    int64_t taps;
    mr__room room;
} mr__weights;

mr_status mr__weights_make(mr__weights *w, const mr__side *side, mr_interpolation interpolation);
void mr__weights_free(mr__weights *w);

/* The pixels that are taken, from *first to before *end. */
void mr__weights_need(const mr__weights *w, int64_t *first, int64_t *end);

/* Makes rows->out x columns->out pixels of `channels` bytes at `to`, one row behind the other, of those at `from`, whose first row and
 * column are the first that are needed. `between` is room for rows of which only the width is done. */
mr_status mr__resize(const mr__view *from, int64_t channels, const mr__weights *rows,
                     const mr__weights *columns, mr__room *between, uint8_t *to);

#endif

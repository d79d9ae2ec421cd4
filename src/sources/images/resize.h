/*
 * Resizing with PIL's arithmetic: each side by itself, first the width, each pixel a sum of weights of 22 binary
 * places, rounded to a byte in between.
 */
#ifndef MILLRACE_SOURCES_IMAGES_RESIZE_H
#define MILLRACE_SOURCES_IMAGES_RESIZE_H

#include "decoder.h"

#include <millrace/sources/transforms.h>

/* One side: `out` pixels are made of the part from `begin` to `end` of the `in` pixels that there are, and of those
 * `count` from number `from` on are wanted. */
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
    int64_t quads; /* for resize_avx2.c: the weights in another order */
    mr__room wide;
} mr__weights;

mr_status mr__weights_make(mr__weights *w, const mr__side *side, mr_interpolation interpolation);
void mr__weights_free(mr__weights *w);

/* The pixels that are taken, from *first to before *end. */
void mr__weights_need(const mr__weights *w, int64_t *first, int64_t *end);

/* Makes rows->out x columns->out pixels of `channels` bytes at `to`, one row behind the other, of those at `from`,
 * whose first row and column are the first that are needed. `between` is room for rows of which only the width is
 * done. */
mr_status mr__resize(const mr__view *from, int64_t channels, const mr__weights *rows, mr__weights *columns,
                     mr__room *between, uint8_t *to);

/* ---- most of it by wide instructions, where mr__has_avx2 ---- */

enum { MR__PLACES = 22 }; /* of a weight */

/* Before rows are made with these weights. Without memory false, and a failure. */
bool mr__resize_prepare_avx2(mr__weights *columns);

/* Makes the first pixels of a row of 3 channels, and says how many; no byte at `end` or behind is read. */
int64_t mr__resize_row_avx2(const uint8_t *from, const uint8_t *end, const mr__weights *columns, uint8_t *to);

/* Makes the first bytes of a row out of `count` rows, and says how many. */
size_t mr__mix_rows_avx2(const uint8_t *from, size_t stride, const int32_t *weight, int64_t count,
                         size_t bytes, uint8_t *to);

#endif

/*
 * From coefficients to samples, and from samples to pixels, by wide instructions and with libjpeg's arithmetic (its
 * slow and exact one), to the byte.
 */
#ifndef MILLRACE_SOURCES_IMAGES_BLOCK_AVX2_H
#define MILLRACE_SOURCES_IMAGES_BLOCK_AVX2_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What coefficients are multiplied by, and how large each may be so that no sum gets too large; row by row. */
typedef struct mr__steps {
    _Alignas(32) int16_t step[64];
    _Alignas(32) int16_t most[64];
} mr__steps;

/* A block and where its 8 x 8 samples go. */
typedef struct mr__block {
    int16_t *coefficient; /* aligned to 32 bytes */
    const mr__steps *steps;
    uint8_t *to;
    size_t stride;
} mr__block;

/* The inverse cosine transform of two blocks, whose coefficients are zero afterwards. False when a coefficient is too large. */
bool mr__two_blocks_avx2(const mr__block *a, const mr__block *b);

/* The same, of each four samples their mean: 4 x 4. */
bool mr__two_halved_blocks_avx2(const mr__block *a, const mr__block *b);

/* ---- rows ---- */

/* Doubles the width of a row of chroma: `count` samples of `near` and, where the height is doubled as well, of the row
 * `far` on its other side (otherwise NULL) become 2 * count at `to`. Each sample is mixed with its neighbours: `first`
 * and `last` say whether there are none in front of them, and behind them. `sums` is room for count + 34 numbers; up to
 * 32 bytes behind are read and written. */
void mr__widen_avx2(const uint8_t *near, const uint8_t *far, int64_t count, bool first, bool last,
                    int16_t *sums, uint8_t *to);

/* `count` pixels of luma and chroma become red, green and blue; up to 16 samples behind are read, and 48 bytes written. */
void mr__rgb_of_ycc_avx2(const uint8_t *y, const uint8_t *cb, const uint8_t *cr, int64_t count, uint8_t *to);

/* The same of grey. */
void mr__rgb_of_grey_avx2(const uint8_t *y, int64_t count, uint8_t *to);

#endif

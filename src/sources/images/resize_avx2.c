/*
 * Sums of weighted bytes by pairs: `pmaddwd` multiplies numbers of 16 bits and adds two products. A weight of 22 places
 * is too long for that; so it is cut in two, and what the upper parts give is shifted up in the end. All of it is whole
 * numbers: the sums are those of plain loops.
 */
#include "resize.h"

#include "sources/cpu.h"

#include <string.h>

#if MR__X86

#include <immintrin.h>

enum { LOWER = 14, LOWER_BITS = (1 << LOWER) - 1, HALF = 1 << (MR__PLACES - 1) };

static int32_t pair(int32_t first, int32_t second)
{
    return (int32_t)(((uint32_t)first & 0xffff) | (uint32_t)second << 16);
}

static int32_t lower_pair(int32_t first, int32_t second)
{
    return pair(first & LOWER_BITS, second & LOWER_BITS);
}

static int32_t upper_pair(int32_t first, int32_t second)
{
    return pair(first >> LOWER, second >> LOWER);
}

/* ---- the width ---- */

enum { TAPS = 4, PIXELS = 4, READ = 16 /* bytes, for four taps of 3 */ };

/* Weights of four taps, two in each half, repeated for red, green and blue. */
typedef struct quad {
    __m256i lower, upper;
} quad;

MR__AVX2 static quad quad_of(const int32_t *weight, int64_t taps)
{
    int32_t w[TAPS] = { 0 };
    for (int64_t i = 0; i < taps && i < TAPS; i++)
        w[i] = weight[i];
    const int32_t l = lower_pair(w[0], w[1]), m = lower_pair(w[2], w[3]);
    const int32_t u = upper_pair(w[0], w[1]), v = upper_pair(w[2], w[3]);
    return (quad){ _mm256_setr_epi32(l, l, l, l, m, m, m, m), _mm256_setr_epi32(u, u, u, u, v, v, v, v) };
}

/* In mr__weights.wide: the quads of all pixels, and behind them at which byte each begins. */
static const quad *quads_of(const mr__weights *w)
{
    return (const quad *)(const void *)w->wide.at;
}

static const int32_t *places_of(const mr__weights *w)
{
    return (const int32_t *)(const void *)(quads_of(w) + w->out * w->quads);
}

MR__AVX2 bool mr__resize_prepare_avx2(mr__weights *w)
{
    int32_t most = 1;
    for (int64_t i = 0; i < w->out; i++)
        most = w->count[i] > most ? w->count[i] : most;
    w->quads = (most + TAPS - 1) / TAPS;
    quad *q = (quad *)(void *)mr__room_for(&w->wide, (size_t)w->out *
                                                         ((size_t)w->quads * sizeof(quad) + sizeof(int32_t)));
    if (!q)
        return false;
    int32_t *place = (int32_t *)(void *)(q + w->out * w->quads);
    for (int64_t i = 0; i < w->out; i++) {
        place[i] = 3 * (w->first[i] - w->first[0]);
        for (int64_t k = 0; k < w->quads; k++)
            q[i * w->quads + k] = quad_of(w->weight + i * w->taps + k * TAPS, w->taps - k * TAPS);
    }
    return true;
}

/* Red, green and blue of one pixel: sums of half of the taps in each half. */
MR__AVX2 __attribute__((always_inline)) static inline __m256i halves_of(const uint8_t *at, const quad *q,
                                                                        int64_t quads)
{
    const __m256i spread = _mm256_setr_epi8(0, -1, 3, -1, 1, -1, 4, -1, 2, -1, 5, -1, -1, -1, -1, -1, /* */
                                            6, -1, 9, -1, 7, -1, 10, -1, 8, -1, 11, -1, -1, -1, -1, -1);
    __m256i lower = _mm256_setzero_si256(), upper = lower;
    for (int64_t k = 0; k < quads; k++, at += 3 * TAPS) {
        const __m256i bytes = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)(const void *)at));
        const __m256i pairs = _mm256_shuffle_epi8(bytes, spread);
        const __m256i more = _mm256_madd_epi16(pairs, q[k].lower),
                      above = _mm256_madd_epi16(pairs, q[k].upper);
        lower = k ? _mm256_add_epi32(lower, more) : more;
        upper = k ? _mm256_add_epi32(upper, above) : above;
    }
    return _mm256_add_epi32(lower, _mm256_slli_epi32(upper, LOWER));
}

/* Two pixels, one in each half. */
MR__AVX2 static inline __m256i two_of(__m256i a, __m256i b)
{
    const __m256i sum =
        _mm256_add_epi32(_mm256_blend_epi32(a, b, 0xf0), _mm256_permute2x128_si256(a, b, 0x21));
    return _mm256_srai_epi32(_mm256_add_epi32(sum, _mm256_set1_epi32(HALF)), MR__PLACES);
}

/* Four pixels at a time, written as 16 bytes of which 12 count. */
MR__AVX2 __attribute__((always_inline)) static inline int64_t row_of(const uint8_t *from, const uint8_t *end,
                                                                     const mr__weights *w, int64_t quads,
                                                                     uint8_t *to)
{
    const __m128i close = _mm_setr_epi8(0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, -1, -1, -1, -1);
    const quad *q = quads_of(w);
    const int32_t *place = places_of(w);
    const int64_t reach = 3 * TAPS * (quads - 1) + READ;
    int64_t i = 0;
    for (; i + PIXELS + 1 < w->out && place[i + PIXELS - 1] + reach <= end - from; i += PIXELS) {
        __m256i p[PIXELS];
        for (int k = 0; k < PIXELS; k++)
            p[k] = halves_of(from + place[i + k], q + (i + k) * quads, quads);
        const __m256i words = _mm256_packs_epi32(
            two_of(p[0], p[1]), two_of(p[2], p[3])); /* 0 and 2 in a half, 1 and 3 in the other */
        const __m256i bytes = _mm256_packus_epi16(words, words);
        const __m128i four =
            _mm_unpacklo_epi32(_mm256_castsi256_si128(bytes), _mm256_extracti128_si256(bytes, 1));
        _mm_storeu_si128((__m128i *)(void *)(to + 3 * i), _mm_shuffle_epi8(four, close));
    }
    return i;
}

MR__AVX2 int64_t mr__resize_row_avx2(const uint8_t *from, const uint8_t *end, const mr__weights *columns,
                                     uint8_t *to)
{
    switch (columns->quads) { /* known numbers make better loops */
    case 1:
        return row_of(from, end, columns, 1, to);
    case 2:
        return row_of(from, end, columns, 2, to);
    default:
        return row_of(from, end, columns, columns->quads, to);
    }
}

/* ---- the height ---- */

enum { BYTES = 16, PREPARED = 16 /* pairs of weights */ };

/* The weights of two rows; the last of them may have none. */
typedef struct both {
    __m256i lower, upper;
} both;

MR__AVX2 static inline both both_of(const int32_t *weight, int64_t count)
{
    const int32_t second = count > 1 ? weight[1] : 0;
    return (both){ _mm256_set1_epi32(lower_pair(weight[0], second)),
                   _mm256_set1_epi32(upper_pair(weight[0], second)) };
}

typedef struct sums {
    __m256i lower[2], upper[2]; /* of bytes 0-3 and 8-11, and 4-7 and 12-15 */
} sums;

MR__AVX2 static inline void add_pair(sums *s, const uint8_t *a, const uint8_t *b, const both *w)
{
    const __m256i x = _mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i *)(const void *)a));
    const __m256i y = _mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i *)(const void *)b));
    const __m256i pairs[2] = { _mm256_unpacklo_epi16(x, y), _mm256_unpackhi_epi16(x, y) };
    for (int k = 0; k < 2; k++) {
        s->lower[k] = _mm256_add_epi32(s->lower[k], _mm256_madd_epi16(pairs[k], w->lower));
        s->upper[k] = _mm256_add_epi32(s->upper[k], _mm256_madd_epi16(pairs[k], w->upper));
    }
}

MR__AVX2 static inline __m128i bytes_of(const sums *s)
{
    __m256i x[2];
    for (int k = 0; k < 2; k++)
        x[k] = _mm256_srai_epi32(_mm256_add_epi32(s->lower[k], _mm256_slli_epi32(s->upper[k], LOWER)),
                                 MR__PLACES);
    const __m256i words = _mm256_packs_epi32(x[0], x[1]);
    return _mm_packus_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
}

/* All bytes of a row. The first pairs of weights are at `prepared`. */
MR__AVX2 __attribute__((always_inline)) static inline size_t mix(const uint8_t *from, size_t stride,
                                                                 const int32_t *weight, const both *prepared,
                                                                 int64_t count, size_t bytes, uint8_t *to)
{
    const __m256i half = _mm256_set1_epi32(HALF), zero = _mm256_setzero_si256();
    size_t i = 0;
    for (; i + BYTES <= bytes; i += BYTES) {
        sums s = { { half, half }, { zero, zero } };
        const uint8_t *at = from + i;
        for (int64_t y = 0; y < count; y += 2, at += 2 * stride) {
            const both w = y / 2 < PREPARED ? prepared[y / 2] : both_of(weight + y, count - y);
            add_pair(&s, at, y + 1 < count ? at + stride : at, &w);
        }
        _mm_storeu_si128((__m128i *)(void *)(to + i), bytes_of(&s));
    }
    return i;
}

MR__AVX2 size_t mr__mix_rows_avx2(const uint8_t *from, size_t stride, const int32_t *weight, int64_t count,
                                  size_t bytes, uint8_t *to)
{
    both w[PREPARED];
    for (int64_t y = 0; y < count && y / 2 < PREPARED; y += 2)
        w[y / 2] = both_of(weight + y, count - y);
    switch (count) { /* known numbers make better loops */
    case 2:
        return mix(from, stride, weight, w, 2, bytes, to);
    case 3:
        return mix(from, stride, weight, w, 3, bytes, to);
    case 4:
        return mix(from, stride, weight, w, 4, bytes, to);
    default:
        return mix(from, stride, weight, w, count, bytes, to);
    }
}

#else /* these are never called: mr__has_avx2 says no */

bool mr__resize_prepare_avx2(mr__weights *columns)
{
    (void)columns;
    return true;
}

int64_t mr__resize_row_avx2(const uint8_t *from, const uint8_t *end, const mr__weights *columns, uint8_t *to)
{
    (void)from, (void)end, (void)columns, (void)to;
    return 0;
}

size_t mr__mix_rows_avx2(const uint8_t *from, size_t stride, const int32_t *weight, int64_t count,
                         size_t bytes, uint8_t *to)
{
    (void)from, (void)stride, (void)weight, (void)count, (void)bytes, (void)to;
    return 0;
}

#endif

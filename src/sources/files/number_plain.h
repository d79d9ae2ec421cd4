/*
 * The most frequent kind of number, as fast as can be: digits with a point, at the front of a text. Inline, since it is
 * done for each cell of a table.
 */
#ifndef MILLRACE_SOURCES_NUMBER_PLAIN_H
#define MILLRACE_SOURCES_NUMBER_PLAIN_H

#include <stdint.h>
#include <string.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

/* 10 to the powers of 0 to 8, and the same with a minus: 0 by one of those is -0. */
extern const double mr__signed_tens[2][9];

/* mr__read_plain for any number of digits up to 19. */
const char *mr__read_any_plain(const char *at, const char *end, double *value);

/* Eight digits at once, the first in the lowest byte: pairs, fours, all. */
static inline uint64_t mr__fold_eight(uint64_t x)
{
    x = x * 10 + (x >> 8);
    return (((x & 0x000000ff000000ff) * 0x000f424000000064) +
            (((x >> 16) & 0x000000ff000000ff) * 0x0000271000000001)) >>
           32;
}

#ifdef __SSE2__

static inline uint64_t mr__load_eight(const char *at)
{
    uint64_t x;
    memcpy(&x, at, sizeof x);
    return x ^ 0x3030303030303030;
}

/* Of 16 characters that are looked at together, which are no digits: a bit for each; and which are points. */
static inline unsigned mr__other_than_digits(const char *at, unsigned *points)
{
    const __m128i text = _mm_loadu_si128((const __m128i *)(const void *)at),
                  number = _mm_sub_epi8(text, _mm_set1_epi8('0')),
                  digits = _mm_cmpeq_epi8(_mm_min_epu8(number, _mm_set1_epi8(9)), number);
    *points = (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(text, _mm_set1_epi8('.')));
    return (unsigned)_mm_movemask_epi8(digits) ^ 0xffff;
}

#endif

/* Reads a number of the front of a text: where it ends, or NULL when it is of another kind, which is not to say that it
 * is none. With up to eight digits there is no branch that hangs on where the sign, the point and the end are. */
static inline const char *mr__read_plain(const char *at, const char *end, double *value)
{
#ifdef __SSE2__
    unsigned points, negative, others, first, rest;
    if (end - at < 16)
        return mr__read_any_plain(at, end, value);
    others = mr__other_than_digits(at, &points);
    negative = *at == '-';
    others &= ~negative;
    first = others & -others; /* the point, or the end */
    rest = others ^ (first & points);
    if (!rest)
        return mr__read_any_plain(at, end, value);
    const unsigned point = (unsigned)__builtin_ctz(others), stop = (unsigned)__builtin_ctz(rest),
                   before = point - negative, behind = stop - point - (stop > point), count = before + behind;
    if (before - 1 > 6 || count > 8)
        return mr__read_any_plain(at, end, value);
    /* The digits before the point, and those behind moved up to them; what follows is pushed out. */
    const uint64_t whole = ((uint64_t)1 << 8 * before) - 1;
    const uint64_t text =
        (mr__load_eight(at + negative) & whole) | (mr__load_eight(at + negative + 1) & ~whole);
    *value = (double)(int64_t)mr__fold_eight(text << (64 - 8 * count)) / mr__signed_tens[negative][behind];
    return at + stop;
#else
    return mr__read_any_plain(at, end, value);
#endif
}

#endif

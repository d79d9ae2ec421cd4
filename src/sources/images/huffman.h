/*
 * Huffman codes of JPEG, looked up by the next bits. For a coefficient one look gives run, value and how many bits that
 * was, where all of it is in the bits that are looked at, which it mostly is.
 */
#ifndef MILLRACE_SOURCES_IMAGES_HUFFMAN_H
#define MILLRACE_SOURCES_IMAGES_HUFFMAN_H

#include <stdbool.h>
#include <stdint.h>

enum {
    MR__LOOK = 11,     /* bits that are looked at */
    MR__END_RUN = 128, /* the run of the code that ends a block: beyond any coefficient */
    MR__LONGEST = 16   /* of a code, in bits */
};

/* In one word: how many bits the code and the value have, how many coefficients of zero are in front of the value, and
 * the value. With 0 bits there are too many of them: then the second number is those of the code, and the value is the
 * symbol; or it is 0 as well. */
typedef uint32_t mr__code;

static inline mr__code mr__code_make(int bits, int run, int value)
{
    return (uint32_t)bits | (uint32_t)run << 8 | (uint32_t)value << 16;
}

static inline int mr__code_bits(mr__code code)
{
    return (int)(code & 63); /* so much of it as a shift looks at */
}

static inline int mr__code_run(mr__code code)
{
    return (int)(code >> 8 & 0xff);
}

static inline int mr__code_value(mr__code code)
{
    return (int32_t)code >> 16;
}

/* Several coefficients at once, of which only the number counts, for blocks that are passed over: how many bits, 0
 * where more are to be looked at; and how many coefficients with those of zero, and MR__END_RUN more where a block
 * ends. */
typedef uint16_t mr__leap;

static inline int mr__leap_bits(mr__leap leap)
{
    return leap & 63;
}

static inline int mr__leap_advance(mr__leap leap)
{
    return leap >> 8;
}

typedef struct mr__huffman {
    uint8_t bits[17],
        symbols[256]; /* as they are in the file, to know whether they are the same in the next one */
    bool made;
    mr__code code[1 << MR__LOOK];
    mr__leap leap[1 << MR__LOOK];
    int32_t below[MR__LONGEST + 1];  /* codes of this length, put in front of 16 bits, are below this */
    int32_t offset[MR__LONGEST + 1]; /* from a code of this length to the place of its symbol */
} mr__huffman;

/* Of codes for coefficients (or for the first of a block: then no leaps are made). False for codes that are none. */
bool mr__huffman_make(mr__huffman *table, const uint8_t bits[17], const uint8_t symbols[256], bool first);

/* The symbol at the front of 16 bits, and the length of its code; -1 when there is none. */
int mr__huffman_symbol(const mr__huffman *table, uint32_t front, int *length);

/* A value of `size` bits: the upper half of the numbers are themselves, the lower half are negative. */
static inline int mr__extend(uint32_t bits, int size)
{
    return size && bits < 1U << (size - 1) ? (int)bits - (1 << size) + 1 : (int)bits;
}

#endif

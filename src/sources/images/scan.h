/*
 * The coefficients of a baseline JPEG, out of the bytes of its one scan: units of some blocks for each channel, from
 * left to right and from top to bottom. Of units outside of a window only as much is read as it takes to come to those
 * behind.
 */
#ifndef MILLRACE_SOURCES_IMAGES_SCAN_H
#define MILLRACE_SOURCES_IMAGES_SCAN_H

#include "decoder.h"
#include "huffman.h"

enum {
    MR__MOST_BLOCKS = 6 /* of a unit: two by two, and two */,
    MR__BLOCK = 64 + 64 /* numbers: behind a block there is waste */
};

/* Bytes of a scan without what JPEG puts between them, in pieces that end at markers for a restart. */
typedef struct mr__entropy {
    mr__room bytes, pieces; /* pieces: uint32_t, where each ends */
    int64_t count;
} mr__entropy;

/* Takes them out of a file, from the first byte of the scan on. A failure only when there is no memory. */
mr_status mr__entropy_take(mr__entropy *entropy, const uint8_t *bytes, size_t size);

typedef struct mr__scan {
    int blocks;                              /* of a unit */
    int channel[MR__MOST_BLOCKS];            /* of each of them */
    const mr__huffman *first[3], *others[3]; /* codes of each channel */
    bool only_first[3];                      /* the other coefficients are not wanted, and stay zero */
    int64_t units_across, restart;           /* restart: units from one to the next; 0: none */
    int64_t top, bottom, left, right;        /* the window: from the first, to before the last */
} mr__scan;

/* Gets the blocks of a unit in the window: coefficients row by row, which it makes zero again. False ends it. */
typedef bool (*mr__unit_function)(void *user, int64_t row, int64_t column, int16_t (*block)[MR__BLOCK]);

/* False when the bytes are not as they should be, or the function has said so. */
bool mr__scan_read(const mr__scan *scan, const mr__entropy *entropy, mr__unit_function unit, void *user);

#endif

/* Where the rows of a file begin: each of some, those in between are looked for. */
#ifndef MILLRACE_SOURCES_ROW_INDEX_H
#define MILLRACE_SOURCES_ROW_INDEX_H

#include <millrace/base.h>

enum { MR__INDEX_STEP = 8 };

typedef struct mr__row_index {
    uint64_t *place; /* of each `step`th row; owned by whoever has the struct */
    int64_t rows, places, room;
    int64_t step; /* MR__INDEX_STEP, or 1 where rows are left out that are between others */
} mr__row_index;

/* Adds a row. */
mr_status mr__row_index_add(mr__row_index *index, uint64_t place);

#endif

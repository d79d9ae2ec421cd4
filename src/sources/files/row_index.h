/* Rows of a file in memory by their number: an index of where some of them begin; those in between are looked for. */
#ifndef MILLRACE_SOURCES_ROW_INDEX_H
#define MILLRACE_SOURCES_ROW_INDEX_H

#include "input.h"
#include "line_table.h"

#include <millrace/data.h>

enum { MR__INDEX_STEP = 8 };

typedef struct mr__row_index {
    uint64_t *place; /* of each `step`th row; owned by whoever has the struct */
    int64_t rows, places, room;
    int64_t step; /* MR__INDEX_STEP, or 1 where rows are left out that are between others */
} mr__row_index;

/* Adds a row. */
mr_status mr__row_index_add(mr__row_index *index, uint64_t place);

/* What rows there are. */
typedef struct mr__row_kind {
    /* The first row from `at` on, before the file's end; *end is its own. NULL: there is none. */
    const char *(*next)(const void *plan, const char *at, const char *file_end, const char **end);
    /* Writes it into row `row` of the fields. MR_END: it is to be left out. A failure with a line of 0 raises nothing:
     * who reads counts lines, and calls again. */
    mr_status (*read)(const void *plan, const char *at, const char *end, int64_t line, void *const *field,
                      int64_t row);
    /* Optional: the same of most rows, without looking for the end first: where the next one begins, or NULL when it is
     * to be read by `next` and `read`. */
    const char *(*quick)(const void *plan, const char *at, const char *file_end, void *const *field,
                         int64_t row);
} mr__row_kind;

/* A dataset's struct begins with its rows. */
typedef struct mr__rows {
    mr__row_kind kind;
    const void *plan;
    const char *path; /* for messages */
    mr__bytes bytes;
    mr__row_index index;
    mr__line_table lines; /* for messages */
} mr__rows;

void mr__rows_init(mr__rows *rows);

/* The next row from `at` on; NULL: there is none. */
static inline const char *mr__rows_next(const mr__rows *rows, const char *at, const char **end)
{
    return rows->kind.next(rows->plan, at, rows->bytes.at + rows->bytes.size, end);
}

void mr__rows_close(mr__rows *rows);

/* A dataset's callbacks. */
int64_t mr__rows_len(void *self);
mr_status mr__rows_get(void *self, int64_t index, const mr_sample *sample);
mr_status mr__rows_get_many(void *self, const int64_t *indices, int64_t count, const mr_sample *first);
int mr__rows_origin(void *self, int64_t index, int field, char *text, size_t room);

#endif

/* What the two kinds of CSV dataset share: the shape of a file, cells, and what becomes of them. */
#ifndef MILLRACE_SOURCES_CSV_INTERNAL_H
#define MILLRACE_SOURCES_CSV_INTERNAL_H

#include <millrace/sources/csv.h>

#include "sources/cell.h"
#include "sources/words.h"

#include "window.h"

typedef struct mr__csv_format {
    char delimiter, quote, comment;
    bool header;
    int64_t skip_lines;
} mr__csv_format;

/* ---- lines and cells ---- */

enum {
    MR__CSV_GUESSED = 100,     /* rows that are looked at to guess what columns are */
    MR__MOST_COLUMNS = 1 << 16 /* of a file */
};

/* An mr__record_end; `format` is an mr__csv_format. A line break ends a record unless it is within quotes, and a quote
 * opens only at the beginning of a cell. */
bool mr__csv_scan(const void *format, const char *at, const char *end, mr__scan *scan);

/* The end of the record that begins at `at`: behind its line break, or `end`. *complete: there is a line break. */
const char *mr__csv_record_end(const mr__csv_format *format, const char *at, const char *end, bool *complete);

/* The record without its line break. */
const char *mr__csv_trim(const char *at, const char *end);

/* Whether a line is no record: empty, of blanks and tabs that are no delimiters only, or a comment. */
bool mr__csv_is_blank(const mr__csv_format *format, const char *at, const char *end);

typedef struct mr__csv_cell {
    const char *at, *end;
    bool quoted; /* quotes in it are doubled */
} mr__csv_cell;

/* The next cell of a record that ends at `end`; *at moves behind it and its delimiter, and is NULL after the last. False when
 * the quotes are wrong. */
bool mr__csv_next_cell(const mr__csv_format *format, const char **at, const char *end, mr__csv_cell *cell);

/* The cell's text with single quotes, in `out`, whose room is the cell's length; its own length. */
size_t mr__csv_cell_bytes(const mr__csv_format *format, const mr__csv_cell *cell, char *out);

/* The same with a byte 0 behind it, for which there is room; gives `out`. */
char *mr__csv_cell_text(const mr__csv_format *format, const mr__csv_cell *cell, char *out);

bool mr__csv_is_missing(const mr__csv_cell *cell);

/* How many cells a record has without its line break; -1 when its quotes are wrong. */
int64_t mr__csv_count_cells(const mr__csv_format *format, const char *at, const char *end);

/* ---- what the columns are for ---- */

typedef struct mr__csv_target {
    int field;      /* -1: the column is not read */
    bool follows;   /* it lies right behind that of the column before */
    bool plain;     /* most cells are plain numbers: the field is of a floating type */
    mr_dtype dtype; /* of the field */
    size_t offset;  /* of its element within the field, in bytes */
    size_t stride;  /* from row to row */
} mr__csv_target;

typedef struct mr__csv_plan {
    const char *call; /* for messages: "csv_new" */
    mr__csv_format format;
    char *path;
    int64_t columns;
    char **column; /* names; NULL without a header */
    mr__csv_target *target;
    int field_count;
    mr_field *field;       /* names are owned */
    mr_csv_field *options; /* of each field; strings are gone */
    mr__words *words;      /* of each field */
    bool plain;            /* all columns are */
} mr__csv_plan;

/* Whether a field is a cell's text. */
static inline bool mr__csv_is_text(const mr__csv_plan *plan, int field)
{
    return mr__is_ragged(&plan->field[field].shape);
}

/* Begins a plan. */
mr_status mr__csv_plan_begin(mr__csv_plan *plan, const char *call, const char *path, const mr_csv_opts *opts);

/* What is looked for in the first bytes of a file. Zeroed before. */
typedef struct mr__csv_front {
    size_t at, end; /* of the first record; equal: there is none */
    size_t data;    /* where the rows begin */
    int64_t line;   /* at `at`, and when the header has been read at `data`; from 1 */
    int64_t skipped;
    mr__scan scan;
} mr__csv_front;

/* Passes over the mark, the lines to skip and those that are none: true when the first record is there in full, or the
 * bytes are all. To be called again with more of them until then. */
bool mr__csv_front_find(const mr__csv_format *format, mr__csv_front *front, const char *bytes, size_t size,
                        bool all);

/* Takes the columns from it. */
mr_status mr__csv_plan_head(mr__csv_plan *plan, mr__csv_front *front, const char *bytes);

/* Completes it with the fields. Without any, each column becomes one, by what the rows from `at` to `end` have, which may
 * end in the middle of a row. */
mr_status mr__csv_plan_fields(mr__csv_plan *plan, const mr_csv_field *fields, int field_count);
mr_status mr__csv_plan_each(mr__csv_plan *plan,
                            const mr_csv_field *fields); /* one for each column, in their order */
mr_status mr__csv_plan_guess(mr__csv_plan *plan, const char *at, const char *end, bool classes);

/* After a guess, and when words are known: a line of the log for each column that has become words although some of its
 * cells begin as numbers. */
mr_status mr__csv_plan_tell(const mr__csv_plan *plan, const char *at, const char *end);
void mr__csv_plan_free(mr__csv_plan *plan);

/* Writes a record into a sample. MR_OK, MR_END when the row is to be left out, or a failure that names the line; with a
 * line of 0 a failure raises nothing. A row that is left out is so whatever its other cells are. */
mr_status mr__csv_read_row(const mr__csv_plan *plan, const char *at, const char *end, int64_t line,
                           void *const *field, int64_t row);

/* Whether a cell has no value for a field: where the row is left out, if that is what the field wants. */
bool mr__csv_has_none(const mr__csv_plan *plan, int field, const mr__csv_cell *cell);

/* The same as mr__csv_read_row for a record whose cells are all plain numbers, without knowing where it ends: the next
 * one's beginning, or NULL when it may be another kind of record. */
const char *mr__csv_read_plain(const mr__csv_plan *plan, const char *at, const char *file_end,
                               void *const *field, int64_t row);

/* Whether a number in this format cannot be taken for something else. */
bool mr__csv_may_be_plain(const mr__csv_format *format);

#endif

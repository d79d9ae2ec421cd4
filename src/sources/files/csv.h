/* What the two kinds of CSV dataset share: the shape of a file, cells, and what becomes of them. */
#ifndef MILLRACE_SOURCES_CSV_INTERNAL_H
#define MILLRACE_SOURCES_CSV_INTERNAL_H

#include <millrace/sources/csv.h>

#include "sources/words.h"

typedef struct mr__csv_format {
    char delimiter, quote, comment;
    bool header;
    int64_t skip_lines;
} mr__csv_format;

/* ---- lines and cells ---- */

/* The end of the record that begins at `at`: behind its line break, or `end`. *complete: there is a line break. */
const char *mr__csv_record_end(const mr__csv_format *format, const char *at, const char *end, bool *complete);

/* The record without its line break. */
const char *mr__csv_trim(const char *at, const char *end);

/* Whether a line is no record: empty, or a comment. */
bool mr__csv_is_blank(const mr__csv_format *format, const char *at, const char *end);

typedef struct mr__csv_cell {
    const char *at, *end;
    bool quoted; /* quotes in it are doubled */
} mr__csv_cell;

/* The next cell of a record that ends at `end`; *at moves behind it and its delimiter, and is NULL after the last. False when
 * the quotes are wrong. */
bool mr__csv_next_cell(const mr__csv_format *format, const char **at, const char *end, mr__csv_cell *cell);

/* The cell's text with single quotes, in `out`, whose room is the cell's length + 1; gives `out`. */
char *mr__csv_cell_text(const mr__csv_format *format, const mr__csv_cell *cell, char *out);

bool mr__csv_is_missing(const mr__csv_cell *cell);

/* How many cells a record has without its line break; -1 when its quotes are wrong. */
int64_t mr__csv_count_cells(const mr__csv_format *format, const char *at, const char *end);

/* ---- what the columns are for ---- */

typedef struct mr__csv_target {
    int field;      /* -1: the column is not read */
    bool number;    /* of a floating type, and not words */
    mr_dtype dtype; /* of the field */
    size_t offset;  /* of its element within the field, in bytes */
    size_t stride;  /* from row to row */
} mr__csv_target;

typedef struct mr__csv_plan {
    mr__csv_format format;
    char *path;
    int64_t columns;
    char **column; /* names; NULL without a header */
    mr__csv_target *target;
    int field_count;
    mr_field *field;       /* names are owned */
    mr_csv_field *options; /* of each field; strings are gone */
    mr__words *words;      /* of each field */
} mr__csv_plan;

/* Begins a plan with the first bytes of a file, which hold its first record in full. *data: where the rows begin, *line:
 * the number of that line, from 1. */
mr_status mr__csv_plan_open(mr__csv_plan *plan, const char *path, const mr_csv_opts *opts, const char *bytes,
                            size_t size, size_t *data, int64_t *line);

/* Completes it with the fields. Without any, each column becomes one, by what the rows from `at` to `end` have, which may
 * end in the middle of a row. */
mr_status mr__csv_plan_fields(mr__csv_plan *plan, const mr_csv_field *fields, int field_count);
mr_status mr__csv_plan_guess(mr__csv_plan *plan, const char *at, const char *end, bool classes);
void mr__csv_plan_free(mr__csv_plan *plan);

/* Writes a record into a sample. MR_OK, MR_END when the row is to be left out, or a failure that names the line. */
mr_status mr__csv_read_row(const mr__csv_plan *plan, const char *at, const char *end, int64_t line,
                           void *const *field, int64_t row);

#endif

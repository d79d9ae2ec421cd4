/*
 * The columns of a CSV file, and its lines, which end with CR LF: names are quoted where Python's csv module quotes,
 * floats are Python's repr, and what a row does not have is left empty.
 */
#ifndef MILLRACE_LOGGERS_CSV_TABLE_H
#define MILLRACE_LOGGERS_CSV_TABLE_H

#include "base/strbuf.h"

#include <millrace/loggers.h>

#define MR__CSV_LINE_END "\r\n"

/* What a row has in a column. */
typedef struct mr__csv_cell {
    enum { MR__CSV_EMPTY, MR__CSV_INTEGER, MR__CSV_REAL } kind;
    int64_t integer;
    double real;
} mr__csv_cell;

typedef struct mr__csv_column {
    char *name;
    const char *in_rows; /* the pointer that a row had last for it */
    mr__csv_cell cell;   /* of the row in the making */
    mr__csv_cell held;   /* of one that waits */
} mr__csv_column;

typedef struct mr__csv_table {
    mr__csv_column *column;
    size_t count, room;
    size_t next; /* where the search for a name begins */
} mr__csv_table;

/* The column of that name, made if there is none; NULL when memory is out. */
mr__csv_column *mr__csv_column_of(mr__csv_table *table, const char *name);

/* All but the first `count` go. */
void mr__csv_drop_columns(mr__csv_table *table, size_t count);
void mr__csv_table_free(mr__csv_table *table);

/* Empties the row. */
void mr__csv_clear_row(mr__csv_table *table);

/* Has the row wait, and begins another; and lets that one go, and gives the first one back. */
void mr__csv_hold_row(mr__csv_table *table);
void mr__csv_release_row(mr__csv_table *table);

/* Puts values into the row, and makes columns that are missing: metrics, then epoch, then step. A metric that is itself called
 * "epoch" or "step" stands for the row's own; with a "step" of its own a row has no epoch unless it is a metric too. Names are
 * borrowed for as long as the table is used.
 * False when memory is out. */
bool mr__csv_set_row(mr__csv_table *table, const mr_log_row *row);

/* The line of names, and that of the row. */
void mr__csv_append_header(const mr__csv_table *table, mr__strbuf *text);
void mr__csv_append_row(const mr__csv_table *table, mr__strbuf *text);

/* Copies lines, each with `commas` empty cells more. */
void mr__csv_append_widened(mr__strbuf *to, const char *lines, size_t bytes, size_t commas);

#endif

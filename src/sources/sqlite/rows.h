/* What tables and queries share: a connection, and the way from a row to a sample. */
#ifndef MILLRACE_SOURCES_SQLITE_ROWS_H
#define MILLRACE_SOURCES_SQLITE_ROWS_H

#include <millrace/sources/sqlite.h>

#include "sources/words.h"

#include <sqlite3.h>

typedef struct mr__sqlite_plan {
    char *path, *what; /* the table, or "the query" */
    int field_count;
    mr_field *field;          /* names are owned */
    mr_sqlite_field *options; /* strings are gone, but for `columns`, which is owned */
    mr__words *words;
    int columns; /* of all fields together */
    char **column;
    int *target; /* the field of each column */
    bool *blob;  /* of each field: it is a column of blobs */
    bool skips;
} mr__sqlite_plan;

mr_status mr__sqlite_plan_make(mr__sqlite_plan *plan, const char *call, const char *path, const char *what,
                               const mr_sqlite_field *fields, int field_count);
void mr__sqlite_plan_free(mr__sqlite_plan *plan);

/* A connection for reading; NULL after a failure. */
sqlite3 *mr__sqlite_open(const char *path);

/* Raises what SQLite says. */
mr_status mr__sqlite_failed(sqlite3 *db, const char *path);

/* Where each column of the plan is in a statement's results: in `place`, of plan->columns. */
mr_status mr__sqlite_places(const mr__sqlite_plan *plan, sqlite3_stmt *statement, int *place);

/* Writes the row that a statement stands at into row `row` of the fields. `number`: of the row, for messages. MR_END when it is
 * to be left out. */
mr_status mr__sqlite_read(const mr__sqlite_plan *plan, sqlite3_stmt *statement, const int *place,
                          int64_t number, void *const *field, int64_t row);

#endif

/* What tables and queries share: a connection, and the way from a row to a sample. */
#ifndef MILLRACE_SOURCES_SQLITE_ROWS_H
#define MILLRACE_SOURCES_SQLITE_ROWS_H

#include <millrace/sources/sqlite.h>

#include "sources/table.h"

#include <sqlite3.h>

typedef struct mr__sqlite {
    char *path;
    mr__table table;
} mr__sqlite;

/* `what`: the table, or "the query". Without fields mr__sqlite_guess is to follow. */
mr_status mr__sqlite_make(mr__sqlite *sqlite, const char *call, const char *path, const char *what,
                          const mr_table_field *fields, int field_count);

/* A field for each column of a statement's results, at whose first rows it looks. */
mr_status mr__sqlite_guess(mr__sqlite *sqlite, const char *call, sqlite3_stmt *statement);
void mr__sqlite_free(mr__sqlite *sqlite);

/* A connection for reading; NULL after a failure. */
sqlite3 *mr__sqlite_open(const mr__sqlite *sqlite);

/* Raises what SQLite says. */
mr_status mr__sqlite_failed(const mr__sqlite *sqlite, sqlite3 *db);

/* Prepares a statement whose text is freed; *statement is NULL after a failure. */
mr_status mr__sqlite_prepare(const mr__sqlite *sqlite, sqlite3 *db, char *text, sqlite3_stmt **statement);

/* Where each column of the table is in a statement's results: in `place`, one for each. */
mr_status mr__sqlite_places(const mr__sqlite *sqlite, sqlite3_stmt *statement, int *place);

/* Whether the row that a statement stands at is to be left out. */
bool mr__sqlite_left_out(const mr__sqlite *sqlite, sqlite3_stmt *statement, const int *place);

/* Writes the row that a statement stands at into row `row` of the fields. `number`: of the row, for messages. MR_END when it is
 * to be left out. */
mr_status mr__sqlite_read(const mr__sqlite *sqlite, sqlite3_stmt *statement, const int *place, int64_t number,
                          void *const *field, int64_t row);

#endif

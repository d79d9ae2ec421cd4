/* The rows of a query through a cursor of the server's: some at a time, while the next ones are on their way. */
#ifndef MILLRACE_SOURCES_POSTGRES_ROWS_H
#define MILLRACE_SOURCES_POSTGRES_ROWS_H

#include "server.h"

typedef struct mr__pg_rows {
    const mr__postgres *postgres;
    PGconn *conn;     /* in a transaction; belongs to whoever has the struct */
    PGresult *result; /* owned; has the row */
    int at;           /* the row in it; before the first, -1 */
    int64_t most;     /* rows that were asked for last */
    bool asked, end;  /* some are on their way; there are no more */
} mr__pg_rows;

/* Declares the cursor, which is the only one of the connection. */
mr_status mr__pg_rows_open(mr__pg_rows *rows, const mr__postgres *postgres, PGconn *conn, const char *query);

/* Takes a look at the columns, before the first row: a result without rows, which is to be cleared. NULL after a failure. */
PGresult *mr__pg_rows_look(const mr__pg_rows *rows);

/* Passes over rows, before the first: how many there were, up to `count`; -1 after a failure. */
int64_t mr__pg_rows_skip(mr__pg_rows *rows, int64_t count);

/* Goes to the next row: MR_OK, MR_END or a failure. */
mr_status mr__pg_rows_next(mr__pg_rows *rows);

/* Frees what it owns. */
void mr__pg_rows_close(mr__pg_rows *rows);

#endif

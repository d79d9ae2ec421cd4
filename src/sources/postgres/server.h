/* A connection to a server, and what it says. */
#ifndef MILLRACE_SOURCES_POSTGRES_SERVER_H
#define MILLRACE_SOURCES_POSTGRES_SERVER_H

#include <millrace/sources/postgres.h>

#include "sources/table.h"

#include <libpq-fe.h>

typedef struct mr__postgres {
    char *server; /* as it was given, the password too */
    mr__table table;
} mr__postgres;

/* `what`: the table, or "the query". Without fields mr__pg_guess is to follow. What is made is freed by
 * mr__postgres_free also after a failure. */
mr_status mr__postgres_make(mr__postgres *postgres, const char *call, const char *server, const char *what,
                            const mr_table_field *fields, int field_count);
void mr__postgres_free(mr__postgres *postgres);

/* A connection; NULL after a failure. */
PGconn *mr__postgres_open(const mr__postgres *postgres);

/* Raises what the server has said, or libpq of the connection. `result` may be NULL, and is cleared. */
mr_status mr__postgres_failed(const mr__postgres *postgres, PGconn *conn, PGresult *result);

/* Runs one statement; its result, with values in binary, or NULL after a failure. */
PGresult *mr__postgres_run(const mr__postgres *postgres, PGconn *conn, const char *statement);

/* The same of one without a result that is looked at. */
mr_status mr__postgres_do(const mr__postgres *postgres, PGconn *conn, const char *statement);

/* Prepares a statement under a name; what its results will be, or NULL after a failure. */
PGresult *mr__pg_describe(const mr__postgres *postgres, PGconn *conn, const char *name,
                          const char *statement);

#endif

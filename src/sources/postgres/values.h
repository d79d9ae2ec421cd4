/* From what the server sends in binary to values. */
#ifndef MILLRACE_SOURCES_POSTGRES_VALUES_H
#define MILLRACE_SOURCES_POSTGRES_VALUES_H

#include "server.h"

typedef enum mr__pg_type {
    MR__PG_OTHER,
    MR__PG_BOOL,
    MR__PG_INT2,
    MR__PG_INT4,
    MR__PG_INT8,
    MR__PG_FLOAT4,
    MR__PG_FLOAT8,
    MR__PG_NUMERIC,
    MR__PG_DATE,
    MR__PG_TIMESTAMP,
    MR__PG_TEXT,
    MR__PG_PADDED, /* char(n), whose blanks at the end count for nothing */
    MR__PG_BYTEA
} mr__pg_type;

/* Where a column of the table is among the columns of a result, and what it is there. */
typedef struct mr__pg_column {
    int place;
    Oid oid;
    mr__pg_type type;
} mr__pg_column;

/* A type by its oid: MR__PG_OTHER where the server must be asked. */
mr__pg_type mr__pg_known_type(Oid oid);

/* Sets a column's type by its oid, and gives what the server calls it, which it asks; NULL after a failure. */
char *mr__pg_type_of(const mr__postgres *postgres, PGconn *conn, mr__pg_column *column);

/* A field for each column that a statement gives; the text, which may be NULL after a failure, is freed. */
mr_status mr__pg_guess(mr__postgres *postgres, const char *call, char *text);

/* Finds the columns of the table in a result; `columns` has one for each. A failure names one that is not there, or whose type
 * does not fit its field. */
mr_status mr__pg_columns(const mr__postgres *postgres, PGconn *conn, const PGresult *result,
                         mr__pg_column *columns);

/* A column that is to be a key: a failure where it is not there, or has no whole numbers. */
mr_status mr__pg_key(const mr__postgres *postgres, const PGresult *result, const char *name,
                     mr__pg_column *column);

/* The key of a row; or what it is instead, in words. */
const char *mr__pg_key_of(const PGresult *result, int row, const mr__pg_column *column, int64_t *key);

/* Writes row `from` of a result into row `row` of the fields; MR_END when it is to be left out. */
mr_status mr__pg_read(const mr__postgres *postgres, const PGresult *result, int from,
                      const mr__pg_column *columns, int64_t number, void *const *field, int64_t row);

/* The value of a numeric; false when the bytes are none. */
bool mr__pg_numeric(const void *bytes, size_t size, mr__value *value);

#endif

/* Statements put together from pieces. */
#ifndef MILLRACE_SOURCES_SQL_H
#define MILLRACE_SOURCES_SQL_H

#include <millrace/base.h>

/* A text in the making. After a failure it stays NULL, and adding does nothing. */
typedef struct mr__sql {
    char *text; /* owned by whoever has the struct */
    size_t used, room;
    bool failed;
} mr__sql;

void mr__sql_add(mr__sql *sql, const char *text);
void mr__sql_add_bytes(mr__sql *sql, const char *bytes, size_t count);
void mr__sql_add_number(mr__sql *sql, int64_t number);

/* A name in quotes, which are doubled inside. */
void mr__sql_add_name(mr__sql *sql, const char *name);

#endif

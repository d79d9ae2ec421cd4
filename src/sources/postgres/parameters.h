/* The parameters :shard and :shards in the text of a query. */
#ifndef MILLRACE_SOURCES_POSTGRES_PARAMETERS_H
#define MILLRACE_SOURCES_POSTGRES_PARAMETERS_H

#include "sources/sql.h"

/* Which of them a query has. */
typedef struct mr__pg_parameters {
    bool shard, shards;
} mr__pg_parameters;

/* Adds the query with numbers in their places, and without a semicolon at its end. `found` may be NULL. */
void mr__pg_add_query(mr__sql *sql, const char *query, int64_t shard, int64_t shards,
                      mr__pg_parameters *found);

#endif

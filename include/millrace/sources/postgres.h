/*
 * Millrace, sources: tables and queries of PostgreSQL. Link with millrace-postgres.
 *
 * A server is named as in libpq: "host=db dbname=test user=me" or "postgresql://me@db/test"; what is not said there
 * comes from the environment (PGHOST, PGPASSWORD, …), from the service and the password file. Each thread that reads
 * has a connection of its own, which only reads. Messages name the server as it was given, but never a password; in
 * that of an address '/' is written %2F and '@' %40, without which the address is refused.
 *
 * Whole numbers, floating ones, numeric and bool are numbers; text, varchar, char, name, json and enumerations texts;
 * bytea is bytes. A date or timestamp is a number of seconds, as EXTRACT(EPOCH FROM …) gives: a fraction wants a
 * floating type, float64 for dates of today. Columns of other types are cast in the query. Numbers become the nearest
 * double and that the field's type.
 */
#ifndef MILLRACE_SOURCES_POSTGRES_H
#define MILLRACE_SOURCES_POSTGRES_H

#include <millrace/sources/rows.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Makes a dataset of a table's rows in the order of `key`, a column of whole numbers that differ; they are listed when
 * it is opened (8 bytes each), and a batch is one question to the server. The strings are copied. `table` is written as
 * in SQL (public.people), names of columns as they are. A value that is none of the field's type fails when it is read:
 * "'host=db dbname=test': row 17 of people, column 'age': a text, not a number". Rows that MR_MISSING_SKIP leaves out
 * are left out of the list.
 *
 * A connection that is lost while rows are asked for is a failure, and is made again at the next row. With MR_BAD_STOP
 * the epoch ends. With MR_BAD_SKIP the rows of a batch are then asked for one by one: none is lost if the server is
 * there again, else they are bad samples. Where rows are asked for one by one anyway (by a loader with a
 * timeout, by a map with fields of its own), the one that the break met is a bad sample.
 *
 * `fields` NULL: each column is a field of its name and type: bool, int16, int32, int64, float32, float64 (numeric,
 * dates and timestamps, too), of those with a point NULL is NaN; texts and bytea are ragged uint8. */
MR_API mr_dataset *mr_postgres_new(const char *server, const char *table, const char *key,
                                   const mr_table_field *fields, int field_count);

typedef struct mr_postgres_opts {
    /* A column of the query, whole numbers that differ: rows come in its order, and a reader goes on right behind a
     * row. Without it they come in the query's order, and a reader goes on where it stood by passing over the rows
     * before (which the server does); so that order must be one. */
    const char *key;
    bool own_snapshots; /* of a query in shards; see below */
} mr_postgres_opts;

/* Makes a stream of a query's rows; `fields` NULL: as above. Where the query has the parameters :shard and :shards, it
 * is read in shards, and gives each of them its rows: "SELECT … WHERE id % :shards = :shard". Without them one reader
 * has all. Rows come through a cursor of the server's, about a megabyte at a time, at most 256 rows, while the next are
 * on their way. Where the query fails, or the connection is lost, the rows that were to come together with the failing
 * one are lost with it, though they lie before it: "the query, behind row 72: …" names the last row that had come.
 *
 * A reader sees the database as it was when it began (REPEATABLE READ). Those of a query in shards all see it as it was
 * when the stream was made, in all epochs: a connection holds that state, and the server keeps what belongs to it,
 * until the stream is freed. With own_snapshots each of them sees its own. */
MR_API mr_dataset *mr_postgres_stream_new(const char *server, const char *query, const mr_table_field *fields,
                                          int field_count, const mr_postgres_opts *opts);

#ifdef __cplusplus
}
#endif
#endif

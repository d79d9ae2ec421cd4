/*
 * Millrace, sources: tables and queries of SQLite. Link with millrace-sqlite.
 *
 * Databases are opened for reading alone, with a connection for each thread that reads. Where another connection has
 * the database for itself, to write, reading waits for it, a minute at most: then it fails, "'a.db': database is
 * locked".
 */
#ifndef MILLRACE_SOURCES_SQLITE_H
#define MILLRACE_SOURCES_SQLITE_H

#include <millrace/sources/rows.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Makes a dataset of a table's rows in the order of their rowids, which are listed when it is opened (8 bytes each).
 * The strings are copied. A value of another type than the field's, or one that does not fit, fails when it is read:
 * "'a.db': row 17 of 'people', column 'age': a text, not a number". Rows that MR_MISSING_SKIP leaves out are left out
 * of the list. Columns may be called rowid, _rowid_ or oid, not all three. Tables WITHOUT ROWID and views are refused:
 * they are for mr_sqlite_stream_new.
 *
 * `fields` NULL: each column is a field of its name, whole numbers as int64, others as float64, of which NULL is NaN,
 * texts and blobs as ragged uint8: by the column's declared type, or if that does not say, by what the first 100 rows
 * have. */
MR_API mr_dataset *mr_sqlite_new(const char *path, const char *table, const mr_table_field *fields,
                                 int field_count);

/* Makes a stream of a query's rows, in the query's order. Where the query has the parameters :shard and :shards, it is
 * read in shards, and gives each of them its rows: "SELECT … WHERE id % :shards = :shard ORDER BY id". Without them one
 * reader has all. A reader goes on where it stood by passing over the rows before; so the order must be one. `fields`
 * NULL: as above. */
MR_API mr_dataset *mr_sqlite_stream_new(const char *path, const char *query, const mr_table_field *fields,
                                        int field_count);

#ifdef __cplusplus
}
#endif
#endif

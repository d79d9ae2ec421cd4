/* Memory runs out while tables and queries of SQLite are opened and read. */
#include <millrace/sources/sqlite.h>

#include "files.h"
#include "refuse.h"
#include "row_checks.h"

#include <sqlite3.h>

static const char *const words[] = { "a", "b" };
static const mr_table_field fields[] = {
    { .name = "n", .dtype = MR_INT64, .missing = MR_MISSING_SKIP },
    { .name = "x", .columns = "n,m" },
    { .name = "w", .words = words, .word_count = 2 },
    { .name = "letters", .columns = "w", .dtype = MR_UINT8, .shape = { 1, { -1 } } },
};

static double table(mr_status *status)
{
    return sum_of_rows(mr_sqlite_new(in_folder("a.db"), "t", fields, 4), status);
}

static double query(mr_status *status)
{
    return sum_of_rows(mr_sqlite_stream_new(in_folder("a.db"), "SELECT * FROM t ORDER BY n", fields, 4),
                       status);
}

static double every_column(mr_status *status)
{
    return sum_of_rows(
        mr_sqlite_stream_new(in_folder("a.db"), "SELECT n, * FROM t WHERE n NOT NULL", NULL, 0), status);
}

static double all_of_table(mr_status *status)
{
    return sum_of_rows(mr_sqlite_new(in_folder("a.db"), "whole", NULL, 0), status);
}

int main(void)
{
    sqlite3 *db = NULL;
    if (!files_begin())
        return 1;
    CHECK(sqlite3_open(in_folder("a.db"), &db) == SQLITE_OK);
    CHECK(sqlite3_exec(db,
                       "CREATE TABLE t (n, m, w);"
                       "INSERT INTO t VALUES (1, 2, 'a'), (NULL, 1, 'b'), (5, 6, 'b'), (7, 0.5, 'a');"
                       "CREATE TABLE whole AS SELECT * FROM t WHERE n NOT NULL",
                       NULL, NULL, NULL) == SQLITE_OK);
    sqlite3_close(db);
    refuse_begin();
    refuse_each("table", table, 20);
    refuse_each("query", query, 20);
    refuse_each("every column", every_column, 30);
    refuse_each("all of a table", all_of_table, 30);
    refuse_end();
    return files_report();
}

/* Tables of SQLite whose columns are called as the numbers of rows are, and those that have no such numbers. */
#include <millrace/sources/sqlite.h>

#include "check.h"
#include "files.h"
#include "said.h"

#include <sqlite3.h>

static const char *make(const char *sql)
{
    sqlite3 *db = NULL;
    char *said = NULL;
    unlink(in_folder("a.db"));
    CHECK(sqlite3_open(in_folder("a.db"), &db) == SQLITE_OK);
    if (!CHECK(sqlite3_exec(db, sql, NULL, NULL, &said) == SQLITE_OK))
        printf("    %s\n", said);
    sqlite3_free(said);
    sqlite3_close(db);
    return in_folder("a.db");
}

/* One column's numbers, by number and shuffled. */
static void check_numbers(const char *sql, const char *column, const int64_t *wanted, int64_t count)
{
    const mr_table_field n = { .name = column, .dtype = MR_INT64 };
    for (int all = 0; all < 2; all++) {
        mr_dataset *d = mr_sqlite_new(make(sql), "t", all ? NULL : &n, !all);
        if (!CHECK(d != NULL))
            printf("    %s\n", mr_error());
        CHECK_EQ_I64(mr_dataset_len(d), count);
        int field = 0;
        while (d && strcmp(mr_dataset_fields(d)[field].name, column) != 0)
            field++;
        for (int64_t i = count - 1; d && i >= 0; i--) {
            mr_batch *b = mr_dataset_get(d, i);
            if (CHECK(b != NULL))
                CHECK_EQ_I64(*(int64_t *)mr_tensor_data(b->field[field]), wanted[i]);
            mr_batch_free(b);
        }
        mr_dataset_free(d);
    }
}

static void check_refused(const char *sql, const char *name, const char *wanted)
{
    const char *path = make(sql);
    for (int all = 0; all < 2; all++) {
        CHECK(!mr_sqlite_new(path, name, all ? NULL : &(mr_table_field){ .name = "x" }, !all));
        check_said(wanted);
    }
}

/* A column may have one of the names of a row's number, or be it. */
static void test_rowid(void)
{
    const int64_t given[] = { 1, 2, 4, 3 }, sorted[] = { 1, 2, 3, 4 };
    check_numbers(
        "CREATE TABLE t (rowid INTEGER, x INTEGER); INSERT INTO t VALUES (5, 1), (5, 2), (7, 4), (6, 3)", "x",
        given, 4);
    check_numbers("CREATE TABLE t (RowId INTEGER, x INTEGER, _rowid_ TEXT);"
                  "INSERT INTO t VALUES (5, 1, 'a'), (5, 2, 'b'), (7, 4, 'c'), (6, 3, 'd')",
                  "RowId", (int64_t[]){ 5, 5, 7, 6 }, 4);
    check_numbers("CREATE TABLE t (x INTEGER, rowid INTEGER GENERATED ALWAYS AS (-x));"
                  "INSERT INTO t (x) VALUES (1), (2), (4), (3)",
                  "x", given, 4);
    check_numbers("CREATE TABLE t (x INTEGER, rowid INTEGER PRIMARY KEY DESC);"
                  "INSERT INTO t VALUES (1, 5), (2, 9), (4, 7), (3, 6)",
                  "x", given, 4);
    check_numbers("CREATE TABLE t (x INTEGER, rowid INTEGER, PRIMARY KEY (rowid, x));"
                  "INSERT INTO t VALUES (1, 5), (2, 5), (4, 7), (3, 6)",
                  "x", given, 4);
    check_numbers("CREATE TABLE t (rowid integer PRIMARY KEY, x INTEGER, _rowid_ INTEGER, oid INTEGER);"
                  "INSERT INTO t VALUES (5, 1, 0, 0), (6, 2, 0, 0), (8, 4, 0, 0), (7, 3, 0, 0)",
                  "x", sorted, 4);
    check_refused(
        "CREATE TABLE t (rowid, x, _rowid_, OID)", "t",
        "/a.db': t has columns called rowid, _rowid_ and oid, so that nothing names the rowids of its rows: "
        "mr_sqlite_stream_new reads it");
    check_refused("CREATE TABLE t (rowid INTEGER PRIMARY KEY, x) WITHOUT ROWID; INSERT INTO t VALUES (1, 1)",
                  "t", "/a.db': t is a table WITHOUT ROWID: mr_sqlite_stream_new reads it");
    check_refused("CREATE TABLE t (x); INSERT INTO t VALUES (1); CREATE VIEW v AS SELECT x FROM t", "V",
                  "/a.db': V is a view, whose rows have no rowids: mr_sqlite_stream_new reads it");
}

int main(void)
{
    if (!files_begin())
        return 1;
    RUN(test_rowid);
    return files_report();
}

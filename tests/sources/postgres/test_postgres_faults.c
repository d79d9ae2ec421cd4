/* What goes wrong with PostgreSQL, in words that never have the password: servers, statements, types, values, lost connections. */
#include <millrace/sources/postgres.h>

#include "row_checks.h"
#include "server.h"
#include "sources/postgres/rows.h"

static const mr_table_field x = { .name = "x" }, n = { .name = "n", .dtype = MR_INT64 };

static void said(const char *wanted)
{
    CHECK(!strstr(mr_error(), "sesame") && !strchr(mr_error(), '\n'));
    check_said(wanted);
}

static void refused(const char *server, const char *query, const mr_table_field *field,
                    const mr_postgres_opts *opts, const char *wanted)
{
    mr_dataset *d = mr_postgres_stream_new(server, query, field, 1, opts);
    CHECK(!d);
    said(wanted);
    mr_dataset_free(d);
}

static void test_servers(void)
{
    char text[800];
    server_do("CREATE ROLE locked LOGIN PASSWORD '" SERVER_PASSWORD "'");
    snprintf(text, sizeof text, "postgresql://locked:sesame@/postgres?host=%s", files_folder);
    refused(text, "SELECT 1 AS x", &x, NULL,
            "failed: FATAL:  password authentication failed for user \"locked\"");
    snprintf(text, sizeof text, "host=%s user=locked dbname=postgres", files_folder);
    refused(text, "SELECT 1 AS x", &x, NULL, "failed: fe_sendauth: no password supplied");
    snprintf(text, sizeof text, "host=%s user=locked dbname=postgres password='%s'", files_folder,
             SERVER_PASSWORD);
    mr_dataset *d = mr_postgres_stream_new(text, "SELECT 1 AS x", &x, 1, NULL);
    CHECK(d != NULL);
    mr_dataset_free(d);

    snprintf(text, sizeof text, "host=%s user=tester dbname=nowhere password='%s'", files_folder,
             SERVER_PASSWORD);
    refused(text, "SELECT 1 AS x", &x, NULL, "failed: FATAL:  database \"nowhere\" does not exist");
    refused("host=/nowhere password='open sesame'", "SELECT 1 AS x", &x, NULL,
            "'host=/nowhere': connection to server on socket \"/nowhere/.s.PGSQL.5432\" failed: No such file "
            "or directory");
    refused(
        "postgresql://me:open@sesame@db/test", "SELECT 1 AS x", &x, NULL,
        "postgres_stream_new: the server's host is none: in the password of an address '/' is %2F and '@' is "
        "%40");
    static const char *const torn[][2] = { { "postgresql://me:open/sesame@localhost/db", "dbname" },
                                           { "postgresql://me:sesame/db", "port" },
                                           { "postgresql://me:12/sesame@localhost/db", "dbname" },
                                           { "postgresql://me:1,2/sesame@localhost/db", "dbname" },
                                           { "dbname=postgresql://me:sesame@localhost/db", "dbname" },
                                           { "dbname=postgresql://localhost/sesame", "dbname" } };
    for (int i = 0; i < 6; i++) {
        snprintf(text, sizeof text, "postgres_stream_new: the server's %s is none: ", torn[i][1]);
        refused(torn[i][0], "SELECT 1 AS x", &x, NULL, text);
    }
    refused("host=/nowhere user=me@sesame", "SELECT 1 AS x", &x, NULL,
            "'host=/nowhere': connection to server");
    refused("postgresql://me:%2Fopen%40sesame@/?host=/nowhere", "SELECT 1 AS x", &x, NULL,
            "'user=me host=/nowhere': connection to server");
    refused("sesame", "SELECT 1 AS x", &x, NULL,
            "postgres_stream_new: the server is no list of keyword=value and no postgresql:// address");
    refused(NULL, "SELECT 1 AS x", &x, NULL, "postgres_stream_new: server is NULL");
    CHECK(!mr_postgres_new(server_name, NULL, "n", &x, 1));
    said("postgres_new: table or query is NULL");
    CHECK(!mr_postgres_new(server_name, "t", NULL, &x, 1));
    said("postgres_new: key is NULL");
    CHECK(!mr_postgres_new(server_name, "t", "n", &x, 0));
    said("postgres_new: a list of no fields: NULL instead of it takes every column");
}

static void test_statements(void)
{
    server_do("CREATE TABLE t (n integer PRIMARY KEY, x text, i interval);"
              "INSERT INTO t SELECT n, 'a', '1 day' FROM generate_series(0, 4999) AS n");
    refused(server_name, "SELECT", &x, NULL, "': the query has no column 'x'");
    refused(server_name, "SELECT y FROM t", &x, NULL, "': column \"y\" does not exist");
    refused(server_name, "SELECT x FROM s", &x, NULL, "': relation \"s\" does not exist");
    refused(server_name, "SELECT n FROM t", &x, NULL, "': the query has no column 'x'");
    refused(server_name, " ; ", &x, NULL, "postgres_stream_new: the query is empty");
    refused(server_name, "SELECT 1 AS x; SELECT 2 AS x", &x, NULL,
            "': cannot insert multiple commands into a prepared statement");
    refused(server_name, "DELETE FROM t", &x, NULL, "': syntax error at or near \"DELETE\"");
    refused(server_name, "WITH d AS (DELETE FROM t RETURNING n) SELECT n FROM d", &n, NULL,
            "': DECLARE CURSOR must not contain data-modifying statements in WITH");
    refused(server_name, "SELECT n FROM t WHERE n % :shards = 0", &n, NULL,
            "postgres_stream_new: a query has neither of :shard and :shards, or both");
    refused(server_name, "SELECT x FROM t", &x, NULL,
            "': the query, column 'x': it has the type text, and is to be a number");
    refused(server_name, "SELECT i AS x FROM t", &x, NULL,
            "': the query, column 'x': it has the type interval, and is to be a number");
    refused(server_name, "SELECT n AS x FROM t", &(mr_table_field){ .name = "x", .shape = { 1, { 2 } } },
            NULL, "': the query, column 'x': it has the type integer, and is to be bytea");
    refused(server_name, "SELECT n AS x FROM t",
            &(mr_table_field){ .name = "x", .dtype = MR_UINT8, .shape = { 1, { -1 } } }, NULL,
            "': the query, column 'x': it has the type integer, and is to be bytea or a text");
    refused(server_name, "SELECT n AS x FROM t",
            &(mr_table_field){ .name = "x", .words = (const char *const[]){ "a" }, .word_count = 1 }, NULL,
            "': the query, column 'x': it has the type integer, and is to be a text");
    refused(server_name, "SELECT n FROM t", &n, &(mr_postgres_opts){ .key = "m" },
            "': column \"m\" does not exist");
    refused(server_name, "SELECT n, x FROM t", &n, &(mr_postgres_opts){ .key = "x" },
            "': the query, column 'x': a key is a smallint, an integer or a bigint");
    CHECK(!mr_postgres_new(server_name, "s", "n", &n, 1));
    said("': relation \"s\" does not exist");
    CHECK(!mr_postgres_new(server_name, "t", "m", &n, 1));
    said("': column t.m does not exist");
    CHECK(!mr_postgres_new(server_name, "t", "x", &n, 1));
    said("': operator does not exist: text = bigint");
}

/* ---- values ---- */

static void bad_value(const char *value, const mr_table_field *field, const char *wanted)
{
    char query[200];
    snprintf(query, sizeof query, "SELECT %s AS x", value);
    mr_dataset *d = mr_postgres_stream_new(server_name, query, field, 1, NULL);
    mr_cursor *cursor = mr_stream_open(d);
    const mr_batch *b;
    CHECK(mr_cursor_next(cursor, &b) < 0);
    said(wanted);
    mr_cursor_free(cursor);
    mr_dataset_free(d);
}

static void test_values(void)
{
    const mr_table_field small = { .name = "x", .dtype = MR_UINT8 },
                         bytes = { .name = "x", .shape = { 1, { 2 } } },
                         word = { .name = "x", .words = (const char *const[]){ "a" }, .word_count = 1 };
    bad_value("NULL::int", &x,
              "': row 1 of the query, column 'x': NULL, not a value (the field's .missing may be "
              "MR_MISSING_FILL, MR_MISSING_NAN or MR_MISSING_SKIP)");
    bad_value("256", &small, "': row 1 of the query, column 'x': 256 does not fit uint8");
    bad_value("1.5", &small, "': row 1 of the query, column 'x': a number, not a whole number");
    bad_value("2::float8", &small, "': row 1 of the query, column 'x': a number, not a whole number");
    bad_value("'\\x00'::bytea", &bytes, "': row 1 of the query, column 'x': 1 bytes, not 8");
    bad_value("'b'", &word, "': row 1 of the query, column 'x': 'b' is none of the words 'a'");
    bad_value("1 / (random()::int * 0)", &x, "': division by zero");
}

/* Row 2000 of 5000, of a table and of a query: a value that does not fit, and one that the server cannot compute. */
static void test_planted(void)
{
    static const char values[] =
        "SELECT n, CASE WHEN n = 2000 THEN 1e300 ELSE n END::float8 AS x, "
        "CASE WHEN n = 2000 THEN NULL ELSE n END AS y FROM generate_series(1, 5000) AS n";
    static const mr_table_field whole = { .name = "y", .dtype = MR_INT64 };
    char text[400];
    server_do("CREATE TABLE planted (n integer PRIMARY KEY, x float8, y integer)");
    snprintf(text, sizeof text, "INSERT INTO planted %s", values);
    server_do(text);
    for (int i = 0; i < 3; i++) {
        mr_dataset *d =
            i == 0   ? mr_postgres_new(server_name, "planted", "n", &whole, 1)
            : i == 1 ? mr_postgres_stream_new(server_name, values, &whole, 1, NULL)
                     : mr_postgres_stream_new(server_name,
                                              "SELECT 1 / (n - 2000) AS y FROM generate_series(1, 5000) AS n",
                                              &whole, 1, NULL);
        mr_rng *rng = mr_rng_new(1);
        mr_loader *loader = mr_loader_new(d, rng, &(mr_loader_opts){ .batch_size = 1 });
        const mr_batch *b;
        int64_t rows = 0;
        while (mr_loader_next(loader, &b) == MR_OK)
            rows++;
        if (i < 2)
            CHECK_EQ_I64(rows, 1999);
        snprintf(text, sizeof text,
                 i < 2 ? "': row 2000 of %s, column 'y': NULL, not a value (the field's .missing may be "
                         "MR_MISSING_FILL, MR_MISSING_NAN or MR_MISSING_SKIP)"
                       : "the query, behind row %s: '",
                 i == 0   ? "planted"
                 : i == 1 ? "the query"
                          : "1864");
        said(text);
        mr_loader_free(loader);
        mr_rng_free(rng);
        mr_dataset_free(d);
    }
    server_do("DROP TABLE planted");
}

/* Rows that are small, and then large ones: of these few are asked for at once, too. */
static void test_growing_rows(void)
{
    mr__postgres postgres = { 0 };
    mr__pg_rows rows;
    size_t largest = 0;
    int64_t count = 0;
    CHECK_EQ_I64(mr__postgres_make(&postgres, "test", server_name, "the query", &x, 1), MR_OK);
    PGconn *conn = mr__postgres_open(&postgres);
    CHECK_EQ_I64(mr__postgres_do(&postgres, conn, "BEGIN"), MR_OK);
    CHECK_EQ_I64(mr__pg_rows_open(&rows, &postgres, conn,
                                  "SELECT repeat('x', CASE WHEN n < 8000 THEN 1 ELSE 10000 END) AS x "
                                  "FROM generate_series(1, 9999) AS n ORDER BY n"),
                 MR_OK);
    mr_status s;
    for (; (s = mr__pg_rows_next(&rows)) == MR_OK; count++) {
        const size_t now = PQresultMemorySize(rows.result);
        largest = now > largest ? now : largest;
    }
    CHECK_EQ_I64(s, MR_END);
    CHECK_EQ_I64(count, 9999);
    CHECK(largest < 4 << 20);
    mr__pg_rows_close(&rows);
    PQfinish(conn);
    mr__postgres_free(&postgres);
}

/* Keys that are none. */
static void test_keys(void)
{
    const mr_postgres_opts key = { .key = "n" };
    const char *const queries[] = { "SELECT n / 2 AS n FROM generate_series(0, 9) AS n",
                                    "SELECT nullif(n, 1) AS n FROM generate_series(0, 1) AS n" },
                      *const wanted[] = {
                          "': row 2 of the query: the key 'n' is the same as of the row before",
                          "': row 2 of the query: the key 'n' is NULL"
                      };
    for (int i = 0; i < 2; i++) {
        mr_dataset *d = mr_postgres_stream_new(server_name, queries[i], &n, 1, &key);
        mr_cursor *cursor = mr_stream_open(d);
        const mr_batch *b;
        CHECK_EQ_I64(mr_cursor_next(cursor, &b), MR_OK);
        CHECK(mr_cursor_next(cursor, &b) < 0);
        said(wanted[i]);
        mr_cursor_free(cursor);
        mr_dataset_free(d);
    }
    server_do("CREATE TABLE k (n integer, m integer); INSERT INTO k VALUES (1, 1), (2, 1), (3, NULL)");
    CHECK(!mr_postgres_new(server_name, "k", "m", &n, 1));
    said("': k, column 'm': a key that is there twice");
    server_do("DELETE FROM k WHERE n = 1");
    CHECK(!mr_postgres_new(server_name, "k", "m", &n, 1));
    said("': k, column 'm': a key that is NULL");
}

/* Rows of a table that change after it was opened. */
static void test_changes(void)
{
    const mr_table_field skip = { .name = "m", .missing = MR_MISSING_SKIP };
    server_do("DELETE FROM k; INSERT INTO k VALUES (1, 1), (2, 2), (3, 3)");
    mr_dataset *d = mr_postgres_new(server_name, "k", "n", &skip, 1);
    server_do("DELETE FROM k WHERE n = 2; UPDATE k SET m = NULL WHERE n = 3; INSERT INTO k VALUES (1, 5)");
    for (int64_t i = 0; i < 3; i++)
        CHECK(i == 0 || !mr_dataset_get(d, i));
    said("': row 2 of k is gone since the table was opened");
    CHECK(!mr_dataset_get(d, 2));
    said("': row 3 of k has become one to leave out since the table was opened");
    mr_rng *rng = mr_rng_new(1);
    mr_loader *loader = mr_loader_new(d, rng, &(mr_loader_opts){ .batch_size = 3 });
    const mr_batch *b;
    CHECK(mr_loader_next(loader, &b) < 0);
    mr_error_clear();
    mr_loader_free(loader);
    mr_rng_free(rng);
    mr_dataset_free(d);
}

/* ---- lost connections ---- */

static void check_lost(const mr_postgres_opts *opts, const char *how)
{
    mr_dataset *d = mr_postgres_stream_new(server_name, "SELECT n FROM t ORDER BY n", &n, 1, opts);
    mr_cursor *cursor = mr_stream_open(d);
    const mr_batch *b;
    int64_t rows = 0;
    CHECK_EQ_I64(mr_cursor_next(cursor, &b), MR_OK);
    if (how)
        server_do(how);
    else
        server_stop(SIGINT);
    while (mr_cursor_next(cursor, &b) == MR_OK)
        rows++;
    CHECK(rows < 4999);
    /* The server's last words may be lost with the connection. */
    said(strstr(mr_error(), "closed") ? "': server closed the connection unexpectedly"
                                      : "': terminating connection due to administrator command");
    CHECK_EQ_I64(mr_cursor_next(cursor, &b), MR_END); /* there is nothing behind it */
    mr_cursor_free(cursor);
    mr_dataset_free(d);
}

static void test_lost(void)
{
    check_lost(NULL,
               "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'millrace'");
    check_lost(&(mr_postgres_opts){ .key = "n" }, NULL);
    CHECK(server_start());
}

/* A table's reader connects again; while the server is away its samples are failures. */
static void test_again(void)
{
    mr_dataset *d = mr_postgres_new(server_name, "t", "n", &n, 1);
    mr_rng *rng = mr_rng_new(1);
    mr_loader *loader =
        mr_loader_new(d, rng, &(mr_loader_opts){ .batch_size = 100, .on_bad_sample = MR_BAD_SKIP });
    const mr_batch *b;
    CHECK_EQ_I64(mr_loader_next(loader, &b), MR_OK);
    CHECK_EQ_I64(b->rows, 100);
    server_stop(SIGINT);
    CHECK(server_start());
    CHECK_EQ_I64(mr_loader_next(loader, &b), MR_OK);
    CHECK_EQ_I64(b->rows, 100);
    CHECK_EQ_I64(*(int64_t *)mr_tensor_data(b->field[0]), 100);
    CHECK_EQ_I64(mr_loader_bad_samples(loader, NULL, NULL), 0);
    server_stop(SIGQUIT);
    CHECK(!mr_dataset_get(d, 7));
    said(" failed: No such file or directory");
    CHECK(server_start());
    mr_loader_free(loader);
    mr_rng_free(rng);
    mr_dataset_free(d);
}

/* A query that fails in the middle: what the server sends together with what fails is lost, too. */
static void test_broken_query(void)
{
    mr_dataset *d = mr_postgres_stream_new(
        server_name, "SELECT i + 0 / (i - 70) AS n FROM generate_series(1, 1000) AS t(i)", &n, 1, NULL);
    check_breaks_off(d, 0, 8, "division by zero");
    mr_dataset_free(d);
}

/* Who holds the snapshot is gone. */
static void test_holder(void)
{
    mr_dataset *d =
        mr_postgres_stream_new(server_name, "SELECT n FROM t WHERE n % :shards = :shard", &n, 1, NULL);
    CHECK_EQ_STR(server_do("SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity WHERE "
                           "application_name = 'millrace'"),
                 "1");
    CHECK(!mr_stream_open(d));
    CHECK(strstr(mr_error(), "the stream's snapshot, or the connection that held it, is gone: 'user=") &&
          strstr(mr_error(), "': invalid snapshot identifier"));
    mr_error_clear();
    mr_dataset_free(d);
}

int main(void)
{
    if (!files_begin())
        return 1;
    if (!server_installed()) {
        printf("PostgreSQL's server is not installed (Debian: postgresql)\n");
        files_report();
        return 77;
    }
    if (CHECK(server_begin())) {
        RUN(test_servers);
        RUN(test_statements);
        RUN(test_values);
        RUN(test_planted);
        RUN(test_growing_rows);
        RUN(test_keys);
        RUN(test_changes);
        RUN(test_lost);
        RUN(test_again);
        RUN(test_broken_query);
        RUN(test_holder);
    }
    server_stop(SIGQUIT);
    return files_report();
}

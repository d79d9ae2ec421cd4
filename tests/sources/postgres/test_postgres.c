/* Tables and queries of PostgreSQL: values, shards, snapshots, going on. */
#include <millrace/sources/postgres.h>

#include "row_checks.h"
#include "server.h"

static const char *const cities[] = { "K\xc3\xb6ln", "Bonn" };

static const char people[] =
    "CREATE TYPE colour AS ENUM ('red', 'green');"
    "CREATE TABLE \"Peo\"\"ple\" (id integer PRIMARY KEY, age smallint, height real, weight double precision,"
    " city varchar(20), code char(8), picture bytea, ok boolean, price numeric, born date, seen timestamptz, "
    "c colour);"
    "INSERT INTO \"Peo\"\"ple\" VALUES"
    " (3, 41, 1.75, 80, 'Bonn', 'Bonn', '\\x0102', true, 12345678901234567, '1970-01-02', '1970-01-01 "
    "00:00:01.5+00', 'red'),"
    " (-7, 9, 1.2, 30.5, 'K\xc3\xb6ln', 'K\xc3\xb6ln', '\\xff00', false, -0.1, '1969-12-31', '1969-12-31 "
    "23:59:58.75+00', 'green'),"
    " (900, NULL, 1.9, NULL, 'Bonn', 'Bonn', '\\x0000', true, 1e30, '2000-01-01', '2000-01-01 01:00:00+01', "
    "'red'),"
    " (5, 20, 2, 'Infinity', 'Bonn', 'Bonn', '\\x0a0b', true, 1000000, '2024-02-29', 'infinity', 'red');";

static const char *const colours[] = { "green", "red" };
static const mr_table_field fields[] = {
    { .name = "age", .dtype = MR_INT64, .missing = MR_MISSING_FILL, .fill = -1 },
    { .name = "size", .columns = "height, weight", .missing = MR_MISSING_NAN },
    { .name = "city", .words = cities, .word_count = 2 },
    { .name = "picture", .dtype = MR_UINT8, .shape = { 2, { 1, 2 } } },
    { .name = "ok", .dtype = MR_BOOL },
    { .name = "price", .dtype = MR_FLOAT64 },
    { .name = "born", .dtype = MR_INT64 },
    { .name = "seen", .dtype = MR_FLOAT64 },
    { .name = "colour", .columns = "c", .dtype = MR_UINT8, .words = colours, .word_count = 2 },
    { .name = "code", .words = cities, .word_count = 2 },
};
enum { FIELDS = sizeof fields / sizeof *fields };

/* In the order of ids: -7, 3, 5, 900. */
static void check_person(const mr_batch *b, int i)
{
    static const int64_t age[] = { 9, 41, 20, -1 }, city[] = { 0, 1, 1, 1 },
                         born[] = { -86400, 86400, 1709164800, 946684800 };
    static const float size[4][2] = { { 1.2f, 30.5f }, { 1.75f, 80 }, { 2, HUGE_VALF }, { 1.9f, NAN } };
    static const unsigned char picture[4][2] = { { 0xff, 0 }, { 1, 2 }, { 10, 11 }, { 0, 0 } };
    static const double price[] = { -0.1, 12345678901234568, 1000000, 1e30 },
                        seen[] = { -1.25, 1.5, HUGE_VAL, 946684800 };
    if (!CHECK(b != NULL)) {
        printf("    %s\n", mr_error());
        return;
    }
    const float *got = mr_tensor_data(b->field[1]);
    CHECK_EQ_I64(*(int64_t *)mr_tensor_data(b->field[0]), age[i]);
    CHECK(got[0] == size[i][0] && (got[1] == size[i][1] || (i == 3 && isnan(got[1]))));
    CHECK_EQ_I64(*(int64_t *)mr_tensor_data(b->field[2]), city[i]);
    CHECK(memcmp(mr_tensor_data(b->field[3]), picture[i], 2) == 0);
    CHECK_EQ_I64(*(bool *)mr_tensor_data(b->field[4]), i != 0);
    CHECK(*(double *)mr_tensor_data(b->field[5]) == price[i]);
    CHECK_EQ_I64(*(int64_t *)mr_tensor_data(b->field[6]), born[i]);
    CHECK(*(double *)mr_tensor_data(b->field[7]) == seen[i]);
    CHECK_EQ_I64(*(uint8_t *)mr_tensor_data(b->field[8]), i != 0);
    CHECK_EQ_I64(*(int64_t *)mr_tensor_data(b->field[9]), city[i]);
}

static void test_table(void)
{
    char text[400];
    server_do(people);
    mr_dataset *d = mr_postgres_new(server_name, "public.\"Peo\"\"ple\"", "id", fields, FIELDS);
    CHECK_EQ_I64(mr_dataset_len(d), 4);
    for (int i = 3; i >= 0; i--) {
        mr_batch *b = mr_dataset_get(d, i);
        check_person(b, i);
        mr_batch_free(b);
    }
    mr_dataset_free(d);

    const mr_table_field some[] = { { .name = "age", .missing = MR_MISSING_SKIP },
                                    { .name = "code", .dtype = MR_UINT8, .shape = { 1, { -1 } } } };
    d = mr_postgres_new(server_name, "\"Peo\"\"ple\"", "id", some, 2);
    mr_rng *rng = mr_rng_new(1);
    mr_loader *loader = mr_loader_new(d, rng, &(mr_loader_opts){ .batch_size = 3 });
    const mr_batch *b;
    CHECK_EQ_I64(mr_dataset_len(d), 3);
    if (CHECK_EQ_I64(mr_loader_next(loader, &b), MR_OK)) {
        const float *age = mr_tensor_data(b->field[0]);
        CHECK(age[0] == 9 && age[1] == 41 && age[2] == 20);
        CHECK(memcmp(mr_tensor_data(b->field[1]), "K\xc3\xb6lnBonnBonn", 13) == 0);
    }
    CHECK(mr_dataset_origin(d, 2, 0, text, sizeof text) > 0);
    CHECK(strstr(text, "': row 5 of \"Peo\"\"ple\"") != NULL);
    mr_loader_free(loader);
    mr_rng_free(rng);
    mr_dataset_free(d);
}

/* Without fields each column is one, of its type. */
static void test_every_column(void)
{
    static const struct {
        const char *name;
        mr_dtype dtype;
        int ndim;
    } wanted[] = { { "id", MR_INT32, 0 },       { "age", MR_INT16, 0 },    { "height", MR_FLOAT32, 0 },
                   { "weight", MR_FLOAT64, 0 }, { "city", MR_UINT8, 1 },   { "code", MR_UINT8, 1 },
                   { "picture", MR_UINT8, 1 },  { "ok", MR_BOOL, 0 },      { "price", MR_FLOAT64, 0 },
                   { "born", MR_FLOAT64, 0 },   { "seen", MR_FLOAT64, 0 }, { "c", MR_UINT8, 1 } };
    mr_rng *rng = mr_rng_new(1);
    for (int stream = 0; stream < 2; stream++) {
        mr_dataset *d = stream ? mr_postgres_stream_new(
                                     server_name, "SELECT * FROM \"Peo\"\"ple\" WHERE id % :shards = :shard",
                                     NULL, 0, &(mr_postgres_opts){ .key = "id" })
                               : mr_postgres_new(server_name, "\"Peo\"\"ple\"", "id", NULL, 0);
        if (!CHECK(d && mr_dataset_field_count(d) == 12)) {
            printf("    %s\n", mr_error());
            continue;
        }
        for (int i = 0; i < 12; i++) {
            const mr_field *f = &mr_dataset_fields(d)[i];
            CHECK_EQ_STR(f->name, wanted[i].name);
            CHECK(f->dtype == wanted[i].dtype && f->shape.ndim == wanted[i].ndim);
        }
        mr_loader *loader = mr_loader_new(d, rng, &(mr_loader_opts){ .batch_size = 3 });
        const mr_batch *b;
        if (CHECK_EQ_I64(mr_loader_next(loader, &b), MR_OK)) {
            CHECK_EQ_I64(((int32_t *)mr_tensor_data(b->field[0]))[0], -7);
            CHECK(memcmp(mr_tensor_data(b->field[4]), "K\xc3\xb6lnBonnBonn", 13) == 0);
            CHECK(((double *)mr_tensor_data(b->field[10]))[1] == 1.5);
            CHECK(memcmp(mr_tensor_data(b->field[11]), "greenredred", 11) == 0);
        }
        CHECK(mr_loader_next(loader, &b) < 0);
        check_said("column 'age': NULL, not a value (the field's .missing may be");
        mr_loader_free(loader);
        mr_dataset_free(d);
    }
    mr_rng_free(rng);
    mr_dataset *d =
        mr_postgres_stream_new(server_name, "SELECT 1 AS x, 2.5::real AS x, NULL::real AS n;", NULL, 0, NULL);
    mr_cursor *cursor = mr_stream_open(d);
    const mr_batch *b;
    char text[400];
    CHECK_EQ_I64(mr_cursor_origin(cursor, 0, text, sizeof text), 0);
    if (CHECK_EQ_I64(mr_cursor_next(cursor, &b), MR_OK)) {
        CHECK(mr_cursor_origin(cursor, 0, text, sizeof text) > 0);
        CHECK(strstr(text, "': row 1 of the query") != NULL);
        CHECK(*(int32_t *)mr_tensor_data(b->field[0]) == 1 && *(float *)mr_tensor_data(b->field[1]) == 2.5f &&
              isnan(*(float *)mr_tensor_data(b->field[2])));
    }
    mr_cursor_free(cursor);
    mr_dataset_free(d);
    CHECK(!mr_postgres_stream_new(server_name, "SELECT '1 day'::interval AS i", NULL, 0, NULL));
    check_said("': the query, column 'i': it has the type interval, which is no field's: name the fields, or "
               "cast it "
               "in a query");
    CHECK(!mr_postgres_stream_new(server_name, "SELECT", NULL, 0, NULL));
    check_said("': the query has no columns");
    CHECK(!mr_postgres_stream_new(server_name, ";", NULL, 0, NULL));
    check_said("postgres_stream_new: the query is empty");
    CHECK(!mr_postgres_new(server_name, "nothing", "id", NULL, 0));
    check_said("': relation \"nothing\" does not exist");
}

static void test_query(void)
{
    mr_dataset *d = mr_postgres_stream_new(server_name, "SELECT * FROM \"Peo\"\"ple\" ORDER BY id; -- all",
                                           fields, FIELDS, NULL);
    mr_cursor *cursor = mr_stream_open(d);
    const mr_batch *b;
    CHECK_EQ_I64(mr_dataset_len(d), -1);
    for (int i = 0; i < 4; i++)
        if (CHECK_EQ_I64(mr_cursor_next(cursor, &b), MR_OK))
            check_person(b, i);
    CHECK_EQ_I64(mr_cursor_next(cursor, &b), MR_END);
    mr_cursor_free(cursor);
    mr_dataset_free(d);

    const mr_table_field some[] = { { .name = "n", .missing = MR_MISSING_SKIP } };
    d = mr_postgres_stream_new(server_name, "SELECT age * 2 AS n FROM \"Peo\"\"ple\" ORDER BY id DESC", some,
                               1, NULL);
    cursor = mr_stream_open(d);
    CHECK_EQ_I64(mr_cursor_next(cursor, &b), MR_OK);
    CHECK(*(float *)mr_tensor_data(b->field[0]) == 40);
    mr_cursor_free(cursor);
    mr_dataset_free(d);
}

/* What the server itself makes of numbers and times: numerics of all sizes, timestamps far away. */
static void test_against_server(void)
{
    static const char query[] =
        "SELECT x, x::float8 AS y FROM (SELECT (random() - 0.5)::numeric(30, 28) * 10 ^ (n % 60 - "
        "30)::numeric AS x"
        " FROM generate_series(1, 2000) AS n UNION ALL SELECT (n || '.' || n)::numeric FROM "
        "generate_series(1, 20000, 7) AS n"
        " UNION ALL VALUES (0::numeric), ('NaN'), ('Infinity'), ('-Infinity'), (9223372036854775807), "
        "(-9223372036854775808),"
        " (9223372036854775808), (10 ^ 300::numeric), (repeat('123456789', 30)::numeric), (10 ^ "
        "-300::numeric)) AS q"
        " UNION ALL SELECT extract(epoch FROM t), extract(epoch FROM t)::float8 FROM"
        " generate_series(timestamp '1800-01-01', '2200-01-01', '97 days 12:34:56.789012') AS t";
    const mr_table_field both[] = { { .name = "x", .dtype = MR_FLOAT64 },
                                    { .name = "y", .dtype = MR_FLOAT64 } };
    const char times[] =
        "SELECT t AS x, extract(epoch FROM t) AS y FROM"
        " generate_series(timestamp '1000-01-01', '2250-01-01', '97 days 12:34:56.789012') AS t";
    for (int i = 0; i < 2; i++) {
        mr_dataset *d = mr_postgres_stream_new(server_name, i ? times : query, both, 2, NULL);
        mr_cursor *cursor = mr_stream_open(d);
        const mr_batch *b;
        mr_status s;
        int64_t rows = 0;
        for (; (s = mr_cursor_next(cursor, &b)) == MR_OK; rows++) {
            double x = *(double *)mr_tensor_data(b->field[0]), y = *(double *)mr_tensor_data(b->field[1]);
            if (!CHECK(x == y || (isnan(x) && isnan(y))))
                printf("    row %lld: %.17g, %.17g\n", (long long)rows, x, y);
        }
        if (!CHECK_EQ_I64(s, MR_END))
            printf("    %s\n", mr_error());
        CHECK(rows > 4000);
        mr_cursor_free(cursor);
        mr_dataset_free(d);
    }
}

/* ---- many rows: workers, shards, going on ---- */

static const mr_table_field n = { .name = "n", .dtype = MR_INT64 };

static void test_workers(void)
{
    server_do("CREATE TABLE t (n integer PRIMARY KEY, wide text);"
              "INSERT INTO t SELECT n, repeat('x', n % 7 * 100) FROM generate_series(0, 2999) AS n");
    mr_dataset *d = mr_postgres_new(server_name, "t", "n", &n, 1);
    check_each_once(d, (mr_loader_opts){ .batch_size = 70, .shuffle = true }, 3000);
    check_each_once(d, (mr_loader_opts){ .batch_size = 2000 }, 3000); /* asked for in parts */
    check_resumed(d, (mr_loader_opts){ .batch_size = 600, .shuffle = true }, 3000);
    mr_dataset_free(d);
}

static void check_stream(const char *query, const mr_postgres_opts *opts, bool sharded)
{
    mr_dataset *d = mr_postgres_stream_new(server_name, query, &n, 1, opts);
    check_each_once(d, (mr_loader_opts){ .batch_size = 110, .shards = 3 }, 3000);
    check_resumed(d, (mr_loader_opts){ .batch_size = 700, .shards = sharded ? 3 : 0 }, 3000);
    mr_dataset_free(d);
}

static void test_streams(void)
{
    const mr_postgres_opts key = { .key = "n" }, own = { .own_snapshots = true };
    check_stream("SELECT n, wide FROM t ORDER BY n", NULL, false);
    check_stream("SELECT n, wide FROM t;\n", &key, false);
    check_stream("SELECT n, wide FROM t WHERE n % :shards = :shard ORDER BY n", NULL, true);
    check_stream("SELECT n, wide FROM t WHERE n % :shards = :shard -- in any order", &key, true);
    check_stream("SELECT n, wide FROM t WHERE n % :shards = :shard ORDER BY n", &own, true);
    check_stream(
        "SELECT n::int8 - 0 AS n /* :shard /* */ ' */ FROM t, (SELECT ':shard' AS a) AS \":shard\""
        " WHERE n%:shards=:shard AND length(a) = 6 AND a || ' ' = $q$:shard $q$ AND E'\\':shard' = '''' || "
        "\":shard\".a"
        " ORDER BY 1",
        NULL, true);
}

/* A reader that goes on by a key does not read what was before: rows there may be gone. */
static void test_by_key(void)
{
    const mr_loader_opts opts = { .batch_size = 1000 };
    mr_rng *rng = mr_rng_new(1);
    for (int by_key = 0; by_key < 2; by_key++) {
        mr_dataset *d = mr_postgres_stream_new(server_name, "SELECT n FROM t ORDER BY n", &n, 1,
                                               &(mr_postgres_opts){ .key = by_key ? "n" : NULL });
        mr_loader *first = mr_loader_new(d, rng, &opts), *second = mr_loader_new(d, rng, &opts);
        const mr_batch *b;
        const void *bytes;
        size_t size;
        CHECK_EQ_I64(mr_loader_next(first, &b), MR_OK);
        CHECK_EQ_I64(mr_loader_save(first, &bytes, &size), MR_OK);
        server_do("UPDATE t SET n = n + 100000 WHERE n < 10");
        CHECK_EQ_I64(mr_loader_restore(second, bytes, size), MR_OK);
        if (CHECK_EQ_I64(mr_loader_next(second, &b), MR_OK))
            CHECK_EQ_I64(*(int64_t *)mr_tensor_data(b->field[0]), by_key ? 1000 : 1010);
        server_do("UPDATE t SET n = n - 100000 WHERE n >= 100000");
        mr_loader_free(first);
        mr_loader_free(second);
        mr_dataset_free(d);
    }
    mr_rng_free(rng);
}

/* The readers of a query in shards see one state of the database, or each its own. */
static void test_snapshots(void)
{
    static const char query[] = "SELECT count(*) AS n FROM t WHERE :shard < :shards";
    for (int own = 0; own < 2; own++) {
        const mr_postgres_opts opts = { .own_snapshots = own };
        mr_dataset *d = mr_postgres_stream_new(server_name, query, &n, 1, &opts);
        int64_t values[3];
        const mr_loader_opts shards = { .batch_size = 1, .shards = 3 };
        server_do("INSERT INTO t VALUES (-1)");
        CHECK_EQ_I64(rows_of(d, &shards, values, 3), 3);
        for (int i = 0; i < 3; i++)
            CHECK_EQ_I64(values[i], 3000 + own);
        server_do("DELETE FROM t WHERE n = -1");
        mr_dataset_free(d);
    }
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
        RUN(test_table);
        RUN(test_every_column);
        RUN(test_query);
        RUN(test_against_server);
        RUN(test_workers);
        RUN(test_streams);
        RUN(test_by_key);
        RUN(test_snapshots);
    }
    server_stop(SIGQUIT);
    return files_report();
}

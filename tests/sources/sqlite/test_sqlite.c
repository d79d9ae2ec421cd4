/* Tables and queries of SQLite: values by number and in order, shards, going on, faults in words. */
#include <millrace/sources/sqlite.h>

#include "check.h"
#include "files.h"
#include "row_checks.h"

#include <pthread.h>
#include <semaphore.h>
#include <sqlite3.h>

static mr_rng *rng;

static void run(const char *sql)
{
    sqlite3 *db = NULL;
    char *said = NULL;
    CHECK(sqlite3_open(in_folder("a.db"), &db) == SQLITE_OK);
    if (!CHECK(sqlite3_exec(db, sql, NULL, NULL, &said) == SQLITE_OK))
        printf("    %s\n", said);
    sqlite3_free(said);
    sqlite3_close(db);
}

static const char *make(const char *sql)
{
    unlink(in_folder("a.db"));
    run(sql);
    return in_folder("a.db");
}

static const char people[] =
    "CREATE TABLE \"peo\"\"ple\" (id INTEGER PRIMARY KEY, age, height REAL, weight REAL, city TEXT, picture "
    "BLOB, ok);"
    "INSERT INTO \"peo\"\"ple\" VALUES (3, 41, 1.75, 80, 'Bonn', x'0102', 1), (-7, 9, 1.2, 30.5, "
    "'K\xc3\xb6ln', x'ff00', 0),"
    " (900, NULL, 1.9, NULL, 'Bonn', x'0000', 1), (5, 20, 2, 99, 'Bonn', x'0a0b', 1);";

static const char *const cities[] = { "K\xc3\xb6ln", "Bonn" };
static const mr_table_field fields[] = {
    { .name = "age", .dtype = MR_INT64, .missing = MR_MISSING_FILL, .fill = -1 },
    { .name = "size", .columns = "height, weight", .missing = MR_MISSING_NAN },
    { .name = "city", .words = cities, .word_count = 2 },
    { .name = "picture", .dtype = MR_UINT8, .shape = { 2, { 1, 2 } } },
    { .name = "ok", .dtype = MR_BOOL },
};

/* In the order of ids: -7, 3, 5, 900. */
static void check_person(const mr_batch *b, int i)
{
    static const int64_t age[] = { 9, 41, 20, -1 }, city[] = { 0, 1, 1, 1 };
    static const float size[4][2] = { { 1.2f, 30.5f }, { 1.75f, 80 }, { 2, 99 }, { 1.9f, NAN } };
    static const unsigned char picture[4][2] = { { 0xff, 0 }, { 1, 2 }, { 10, 11 }, { 0, 0 } };
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
}

static void test_table(void)
{
    char text[400], wanted[400];
    mr_dataset *d = mr_sqlite_new(make(people), "peo\"ple", fields, 5);
    CHECK_EQ_I64(mr_dataset_len(d), 4);
    for (int i = 3; i >= 0; i--) {
        mr_batch *b = mr_dataset_get(d, i);
        check_person(b, i);
        mr_batch_free(b);
    }
    mr_dataset_free(d);

    const mr_table_field some[] = { { .name = "age", .missing = MR_MISSING_SKIP } };
    d = mr_sqlite_new(in_folder("a.db"), "peo\"ple", some, 1);
    CHECK_EQ_I64(mr_dataset_len(d), 3);
    mr_batch *b = mr_dataset_get(d, 2);
    CHECK(*(float *)mr_tensor_data(b->field[0]) == 20);
    mr_batch_free(b);
    CHECK(mr_dataset_origin(d, 2, -1, text, sizeof text) > 0);
    snprintf(wanted, sizeof wanted, "'%s': row 5 of peo\"ple", in_folder("a.db"));
    CHECK_EQ_STR(text, wanted);
    mr_dataset_free(d);
}

static void test_query(void)
{
    char text[400], wanted[400];
    mr_dataset *d =
        mr_sqlite_stream_new(make(people), "SELECT * FROM \"peo\"\"ple\" ORDER BY id; ", fields, 5);
    mr_cursor *cursor = mr_stream_open(d);
    const mr_batch *b;
    CHECK_EQ_I64(mr_dataset_len(d), -1);
    for (int i = 0; i < 4; i++)
        if (CHECK_EQ_I64(mr_cursor_next(cursor, &b), MR_OK))
            check_person(b, i);
    CHECK(mr_cursor_origin(cursor, 0, text, sizeof text) > 0);
    snprintf(wanted, sizeof wanted, "'%s': row 4 of the query", in_folder("a.db"));
    CHECK_EQ_STR(text, wanted);
    CHECK_EQ_I64(mr_cursor_next(cursor, &b), MR_END);
    mr_cursor_free(cursor);
    mr_dataset_free(d);

    const mr_table_field some[] = { { .name = "n", .missing = MR_MISSING_SKIP } };
    d = mr_sqlite_stream_new(in_folder("a.db"), "SELECT age * 2 AS n FROM \"peo\"\"ple\" ORDER BY id DESC",
                             some, 1);
    cursor = mr_stream_open(d);
    CHECK_EQ_I64(mr_cursor_next(cursor, &b), MR_OK);
    CHECK(*(float *)mr_tensor_data(b->field[0]) == 40);
    mr_cursor_free(cursor);
    mr_dataset_free(d);
}

/* Texts and blobs of any length, and narrow numbers. */
static void test_ragged(void)
{
    const mr_table_field wanted[] = {
        { .name = "city", .dtype = MR_UINT8, .shape = { 1, { -1 } } },
        { .name = "pairs", .columns = "picture", .dtype = MR_INT8, .shape = { 2, { -1, 2 } } },
        { .name = "age", .dtype = MR_INT16, .missing = MR_MISSING_SKIP },
    };
    mr_dataset *d = mr_sqlite_new(make(people), "peo\"ple", wanted, 3);
    mr_loader *loader = mr_loader_new(d, rng, &(mr_loader_opts){ .batch_size = 3 });
    const mr_batch *b;
    if (CHECK_EQ_I64(mr_loader_next(loader, &b), MR_OK)) {
        static const int64_t ends[] = { 0, 5, 9, 13 };
        static const int16_t ages[] = { 9, 41, 20 };
        CHECK(memcmp(mr_tensor_data(b->field[0]), "K\xc3\xb6lnBonnBonn", 13) == 0);
        CHECK(memcmp(mr_tensor_data(b->field[3]), ends, sizeof ends) == 0);
        CHECK_EQ_I64(mr_tensor_size(b->field[1], 0), 3);
        CHECK(memcmp(mr_tensor_data(b->field[1]), "\xff\0\1\2\n\v", 6) == 0);
        CHECK(memcmp(mr_tensor_data(b->field[2]), ages, sizeof ages) == 0);
    }
    mr_loader_free(loader);
    mr_dataset_free(d);
}

/* ---- a thousand rows: workers, shards, going on ---- */

static const char numbers[] = "CREATE TABLE t (n INTEGER);"
                              "WITH RECURSIVE c(x) AS (SELECT 0 UNION ALL SELECT x + 1 FROM c WHERE x < 999)"
                              " INSERT INTO t SELECT x FROM c;";
static const mr_table_field n = { .name = "n", .dtype = MR_INT64 };

static void test_workers(void)
{
    mr_dataset *d = mr_sqlite_new(make(numbers), "t", &n, 1);
    check_each_once(d, (mr_loader_opts){ .batch_size = 7, .shuffle = true }, 1000);
    check_resumed(d, (mr_loader_opts){ .batch_size = 90, .shuffle = true }, 1000);
    mr_dataset_free(d);
}

static void test_shards(void)
{
    mr_dataset *d = mr_sqlite_stream_new(make(numbers), "SELECT n FROM t ORDER BY n", &n, 1);
    check_each_once(d, (mr_loader_opts){ .batch_size = 12 }, 1000);
    check_each_once(d, (mr_loader_opts){ .batch_size = 12, .shards = 3 }, 1000);
    check_resumed(d, (mr_loader_opts){ .batch_size = 90 }, 1000);
    mr_dataset_free(d);

    d = mr_sqlite_stream_new(in_folder("a.db"), "SELECT n FROM t WHERE n % :shards = :shard ORDER BY n", &n,
                             1);
    check_each_once(d, (mr_loader_opts){ .batch_size = 12, .shards = 3 }, 1000);
    check_resumed(d, (mr_loader_opts){ .batch_size = 90, .shards = 3, .shuffle = true }, 1000);
    mr_dataset_free(d);
}

/* ---- faults ---- */

static void check_fault(const char *value, const mr_table_field *field, const char *wanted)
{
    char sql[300];
    snprintf(sql, sizeof sql, "CREATE TABLE t (x); INSERT INTO t VALUES (%s);", value);
    mr_dataset *d = mr_sqlite_new(make(sql), "t", field, 1);
    CHECK(d && mr_dataset_get(d, 0) == NULL);
    check_said(wanted);
    mr_dataset_free(d);
}

static void test_faults(void)
{
    const mr_table_field x = { .name = "x" }, small = { .name = "x", .dtype = MR_UINT8 },
                         blob = { .name = "x", .shape = { 1, { 2 } } },
                         word = { .name = "x", .words = cities, .word_count = 2 },
                         pairs = { .name = "x", .shape = { 2, { -1, 2 } } },
                         letters = { .name = "x", .dtype = MR_UINT8, .shape = { 1, { -1 } } };
    static char text[128][4];
    const char *many[129] = { [128] = "Bonn" };
    for (int i = 0; i < 128; i++) {
        snprintf(text[i], sizeof *text, "%d", i);
        many[i] = text[i];
    }
    check_fault("'1'", &x, "/a.db': row 1 of t, column 'x': a text, not a number");
    check_fault("NULL", &x,
                "/a.db': row 1 of t, column 'x': NULL, not a value (the field's .missing may be "
                "MR_MISSING_FILL, MR_MISSING_NAN or MR_MISSING_SKIP)");
    check_fault("1.5", &small, "/a.db': row 1 of t, column 'x': a number, not a whole number");
    check_fault("256", &small, "/a.db': row 1 of t, column 'x': 256 does not fit uint8");
    check_fault("x'00'", &blob, "/a.db': row 1 of t, column 'x': 1 bytes, not 8");
    check_fault("1", &blob, "/a.db': row 1 of t, column 'x': a whole number, not bytes");
    check_fault("x'000000'", &pairs, "/a.db': row 1 of t, column 'x': 3 bytes, not a multiple of 8");
    check_fault("'text'", &pairs, "/a.db': row 1 of t, column 'x': a text, not bytes");
    check_fault("12", &letters, "/a.db': row 1 of t, column 'x': a whole number, not bytes or a text");
    check_fault("-32769", &(mr_table_field){ .name = "x", .dtype = MR_INT16 },
                "/a.db': row 1 of t, column 'x': -32769 does not fit int16");
    check_fault("'Rom'", &word,
                "/a.db': row 1 of t, column 'x': 'Rom' is none of the words 'K\xc3\xb6ln', 'Bonn'");
    check_fault("1", &word, "/a.db': row 1 of t, column 'x': a whole number, not a word");

    const char *path = make("CREATE TABLE t (x);");
    CHECK(!mr_sqlite_new(path, "t", &(mr_table_field){ .name = "y" }, 1));
    check_said("/a.db': no such column: y");
    CHECK(!mr_sqlite_new(path, "s", &x, 1));
    check_said("/a.db': no such table: s");
    CHECK(!mr_sqlite_new("/nowhere/a.db", "t", &x, 1));
    check_said("'/nowhere/a.db': unable to open database file");
    file_put(in_folder("no.db"),
             "this is no database, and longer than a header is of one, which has a hundred bytes or so", 88);
    CHECK(!mr_sqlite_new(in_folder("no.db"), "t", &x, 1));
    check_said("/no.db': file is not a database");
    CHECK(!mr_sqlite_new(NULL, "t", &x, 1));
    check_said("sqlite_new: path is NULL");
    CHECK(!mr_sqlite_new(path, NULL, &x, 1));
    check_said("sqlite_new: table or query is NULL");
    CHECK(!mr_sqlite_new(
        path, "t", &(mr_table_field){ .name = "x", .dtype = MR_INT8, .words = many, .word_count = 129 }, 1));
    check_said("sqlite_new: field 'x': the numbers of 129 words do not fit int8");
    mr_dataset *fits = mr_sqlite_new(
        path, "t", &(mr_table_field){ .name = "x", .dtype = MR_INT8, .words = many, .word_count = 128 }, 1);
    CHECK(fits != NULL);
    mr_dataset_free(fits);
    CHECK(!mr_sqlite_new(path, "t", &x, 0));
    check_said("sqlite_new: a list of no fields: NULL instead of it takes every column");
    CHECK(!mr_sqlite_new(path, "s", NULL, 0));
    check_said("/a.db': no such table: s");
}

static void test_queries_refused(void)
{
    const mr_table_field x = { .name = "x" };
    const char *path = make("CREATE TABLE t (x)");
    CHECK(!mr_sqlite_stream_new(path, "SELECT", &x, 1));
    check_said("/a.db': incomplete input");
    CHECK(!mr_sqlite_stream_new(path, "SELECT x AS y FROM t", &x, 1));
    check_said("/a.db': the query has no column 'x'");
    CHECK(!mr_sqlite_stream_new(path, "SELECT x FROM t WHERE x = :y", &x, 1));
    check_said("sqlite_stream_new: a query has no parameters, or :shard and :shards");
    CHECK(!mr_sqlite_stream_new(path, "SELECT x FROM t; SELECT x FROM t", &x, 1));
    check_said("/a.db': a query is one statement");
    CHECK(!mr_sqlite_stream_new(path, " ", &x, 1));
    check_said("/a.db': a query is one statement");
}

/* Rows that come between others are passed over; one that has gone, or has become one to leave out, is named. */
static void test_changes(void)
{
    const mr_table_field some[] = { { .name = "x", .dtype = MR_INT64 },
                                    { .name = "y", .missing = MR_MISSING_SKIP } };
    mr_dataset *d =
        mr_sqlite_new(make("CREATE TABLE t (x INTEGER PRIMARY KEY, y);"
                           "INSERT INTO t VALUES (10, 1), (20, 1), (30, NULL), (40, 1), (50, 1), (60, 1)"),
                      "t", some, 2);
    int64_t values[5];
    const mr_loader_opts opts = { .batch_size = 5 };
    run("INSERT INTO t VALUES (5, 1), (25, 1), (45, 1)");
    CHECK_EQ_I64(rows_of(d, &opts, values, 5), 5);
    CHECK(values[0] == 10 && values[1] == 20 && values[2] == 40 && values[3] == 50 && values[4] == 60);

    run("DELETE FROM t WHERE x = 20; UPDATE t SET y = NULL WHERE x = 50; DELETE FROM t WHERE x = 60");
    static const char *const said[] = {
        "/a.db': row 20 of t is gone since the table was opened",
        "/a.db': row 50 of t has become one to leave out since the table was opened",
        "/a.db': row 60 of t is gone since the table was opened"
    };
    for (int i = 0; i < 3; i++) {
        CHECK(!mr_dataset_get(d, (int64_t[]){ 1, 3, 4 }[i]));
        check_said(said[i]);
    }
    mr_loader *loader = mr_loader_new(d, rng, &opts);
    const mr_batch *b;
    CHECK(mr_loader_next(loader, &b) < 0);
    CHECK(strstr(mr_error(), "loader: sample 1: '") == mr_error());
    mr_error_clear();
    mr_loader_free(loader);
    mr_loader *rest =
        mr_loader_new(d, rng, &(mr_loader_opts){ .batch_size = 5, .on_bad_sample = MR_BAD_SKIP });
    if (CHECK_EQ_I64(mr_loader_next(rest, &b), MR_OK))
        CHECK_EQ_I64(b->rows, 2);
    mr_loader_free(rest);
    mr_dataset_free(d);
}

static void check_refused(mr_table_field field, const char *wanted)
{
    CHECK(!mr_sqlite_new(in_folder("a.db"), "t", &field, 1));
    check_said(wanted);
}

/* Has the database for itself for a while; says when it has. */
static void *writer(void *locked)
{
    sqlite3 *db = NULL;
    CHECK(sqlite3_open(in_folder("a.db"), &db) == SQLITE_OK);
    CHECK(sqlite3_exec(db, "BEGIN EXCLUSIVE; INSERT INTO t VALUES (2);", NULL, NULL, NULL) == SQLITE_OK);
    sem_post(locked);
    sqlite3_sleep(100);
    CHECK(sqlite3_exec(db, "COMMIT", NULL, NULL, NULL) == SQLITE_OK);
    sqlite3_close(db);
    return NULL;
}

/* Who reads while another writes waits for it. */
static void test_locked(void)
{
    const mr_table_field x = { .name = "x", .dtype = MR_INT64 };
    const char *path = make("CREATE TABLE t (x); INSERT INTO t VALUES (1);");
    for (int by_index = 0; by_index < 2; by_index++) {
        pthread_t thread;
        sem_t locked;
        int64_t values[4] = { 0 };
        sem_init(&locked, 0, 0);
        CHECK(pthread_create(&thread, NULL, writer, &locked) == 0);
        while (sem_wait(&locked) != 0)
            ;
        mr_dataset *d =
            by_index ? mr_sqlite_new(path, "t", &x, 1) : mr_sqlite_stream_new(path, "SELECT x FROM t", &x, 1);
        if (CHECK(d != NULL))
            CHECK_EQ_I64(rows_of(d, NULL, values, 4), 2 + by_index);
        else
            check_said("");
        CHECK_EQ_I64(values[1], 2);
        mr_dataset_free(d);
        pthread_join(thread, NULL);
        sem_destroy(&locked);
    }
}

static void test_wrong_fields(void)
{
    const char *const twice[] = { "a", "a" };
    make("CREATE TABLE t (x, y);");
    check_refused((mr_table_field){ 0 }, "sqlite_new: a field without a name");
    check_refused((mr_table_field){ .name = "x", .dtype = MR_FLOAT16 },
                  "sqlite_new: field 'x': float16 is none of float32, float64, int64, int32, int16, uint16, "
                  "int8, uint8, bool");
    check_refused((mr_table_field){ .name = "x", .dtype = MR_FLOAT64, .words = twice, .word_count = 2 },
                  "sqlite_new: field 'x': words are whole numbers, not float64");
    check_refused((mr_table_field){ .name = "x", .words = cities, .word_count = 2, .shape = { 1, { 2 } } },
                  "sqlite_new: field 'x': words have no shape");
    check_refused((mr_table_field){ .name = "x", .words = twice, .word_count = 2 },
                  "sqlite_new: field 'x': the word 'a' is there twice");
    check_refused((mr_table_field){ .name = "x", .dtype = MR_INT64, .missing = MR_MISSING_NAN },
                  "sqlite_new: field 'x': there is no NaN among whole numbers");
    check_refused(
        (mr_table_field){
            .name = "x", .dtype = MR_FLOAT16, .shape = { 1, { 2 } }, .missing = MR_MISSING_FILL },
        "sqlite_new: field 'x': float16 is none of float32, float64, int64, int32, int16, uint16, "
        "int8, uint8, bool");
    check_refused((mr_table_field){ .name = "x", .columns = "x,y", .words = cities, .word_count = 2 },
                  "sqlite_new: field 'x': bytes and words are of one column");
}

/* ---- in the middle ---- */

enum { MANY = 5000, BAD = 2999 };

static void check_planted(const char *wanted_by_row, const char *wanted_by_query)
{
    static const mr_table_field columns[] = { { .name = "n", .dtype = MR_INT64 }, { .name = "x" } };
    for (int stream = 0; stream < 2; stream++) {
        mr_dataset *d = stream ? mr_sqlite_stream_new(in_folder("a.db"), "SELECT * FROM t", columns, 2)
                               : mr_sqlite_new(in_folder("a.db"), "t", columns, 2);
        mr_loader *loader = mr_loader_new(d, rng, &(mr_loader_opts){ .batch_size = 1 });
        const mr_batch *b;
        char wanted[900];
        int64_t rows = 0;
        while (mr_loader_next(loader, &b) == MR_OK)
            rows++;
        CHECK_EQ_I64(rows, BAD);
        snprintf(wanted, sizeof wanted, stream ? wanted_by_query : wanted_by_row, in_folder("a.db"));
        CHECK_EQ_STR(mr_error(), wanted);
        mr_error_clear();
        mr_loader_free(loader);
        mr_dataset_free(d);
    }
}

static void test_planted(void)
{
    make("CREATE TABLE t (n INTEGER PRIMARY KEY, x);"
         "WITH RECURSIVE s (n) AS (SELECT 10 UNION ALL SELECT n + 10 FROM s LIMIT 5000)"
         "INSERT INTO t SELECT n, n / 2 FROM s; UPDATE t SET x = 'many' WHERE n = 30000");
    check_planted("loader: sample 2999: '%s': row 30000 of t, column 'x': a text, not a number",
                  "loader: sample 2999: '%s': row 3000 of the query, column 'x': a text, not a number");
    run("UPDATE t SET x = 1 WHERE n < 30000; UPDATE t SET x = NULL WHERE n = 30000");
    check_planted(
        "loader: sample 2999: '%s': row 30000 of t, column 'x': NULL, not a value (the field's .missing "
        "may be MR_MISSING_FILL, MR_MISSING_NAN or MR_MISSING_SKIP)",
        "loader: sample 2999: '%s': row 3000 of the query, column 'x': NULL, not a value (the field's "
        ".missing may be MR_MISSING_FILL, MR_MISSING_NAN or MR_MISSING_SKIP)");
}

/* A page of the file in the middle of the table has become something else. */
static void test_damaged_page(void)
{
    char page[1024], name[300];
    const mr_table_field x = { .name = "x" };
    make("PRAGMA page_size = 1024; CREATE TABLE t (n INTEGER PRIMARY KEY, x);"
         "WITH RECURSIVE s (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s LIMIT 5000)"
         "INSERT INTO t SELECT n, n / 2 FROM s");
    mr_dataset *table = mr_sqlite_new(in_folder("a.db"), "t", &x, 1);
    FILE *file = fopen(in_folder("a.db"), "r+");
    fseek(file, 0, SEEK_END);
    const long middle = ftell(file) / 2 / 1024 * 1024;
    memset(page, 0x77, sizeof page);
    fseek(file, middle, SEEK_SET);
    CHECK(fwrite(page, 1, sizeof page, file) == sizeof page);
    fclose(file);
    snprintf(name, sizeof name, ": '%s': database disk image is malformed", in_folder("a.db"));
    int bad = 0;
    for (int64_t i = 0; i < 5000; i += 10) {
        char wanted[400];
        mr_batch *b = mr_dataset_get(table, i);
        snprintf(wanted, sizeof wanted, "dataset_get: sample %d: row %d of t%s", (int)i, (int)i + 1, name);
        if (!b && !bad++)
            CHECK_EQ_STR(mr_error(), wanted);
        mr_error_clear();
        mr_batch_free(b);
    }
    CHECK(bad > 0 && bad < 100);
    mr_dataset_free(table);
    mr_dataset *query = mr_sqlite_stream_new(in_folder("a.db"), "SELECT * FROM t", &x, 1);
    mr_cursor *cursor = mr_stream_open(query);
    const mr_batch *b;
    int rows = 0;
    while (mr_cursor_next(cursor, &b) == MR_OK)
        rows++;
    char wanted[400];
    snprintf(wanted, sizeof wanted, "cursor_next: sample %d: the query, behind row %d%s", rows, rows, name);
    CHECK_EQ_STR(mr_error(), wanted);
    CHECK(rows > 1000 && rows < 4000);
    mr_error_clear();
    mr_cursor_free(cursor);
    mr_dataset_free(query);
}

/* ---- without fields: every column ---- */

static void check_field(const mr_dataset *d, int i, const char *name, mr_dtype dtype, int ndim)
{
    const mr_field *f = &mr_dataset_fields(d)[i];
    CHECK_EQ_STR(f->name, name);
    if (!CHECK(f->dtype == dtype && f->shape.ndim == ndim && (!ndim || f->shape.dim[0] == -1)))
        printf("    %s: %s\n", name, mr_dtype_name(f->dtype));
}

/* Types are those that are declared, or what the rows have. */
static void test_every_column(void)
{
    mr_dataset *d = mr_sqlite_new(make(people), "peo\"ple", NULL, 0);
    if (!CHECK(d && mr_dataset_field_count(d) == 7)) {
        printf("    %s\n", mr_error());
        return;
    }
    check_field(d, 0, "id", MR_INT64, 0);
    check_field(d, 1, "age", MR_INT64, 0);
    check_field(d, 2, "height", MR_FLOAT64, 0);
    check_field(d, 3, "weight", MR_FLOAT64, 0);
    check_field(d, 4, "city", MR_UINT8, 1);
    check_field(d, 5, "picture", MR_UINT8, 1);
    check_field(d, 6, "ok", MR_INT64, 0);
    mr_batch *b = mr_dataset_get(d, 0);
    CHECK(b && *(int64_t *)mr_tensor_data(b->field[0]) == -7 &&
          *(double *)mr_tensor_data(b->field[3]) == 30.5 && mr_tensor_numel(b->field[4]) == 5 &&
          mr_tensor_numel(b->field[5]) == 2);
    mr_batch_free(b);
    CHECK(!mr_dataset_get(d, 3)); /* a whole number is never NaN */
    check_said("/a.db': row 900 of peo\"ple, column 'age': NULL, not a value (the field's .missing may be "
               "MR_MISSING_FILL, MR_MISSING_NAN or MR_MISSING_SKIP)");
    mr_dataset_free(d);

    d = mr_sqlite_stream_new(
        in_folder("a.db"),
        "SELECT weight, age AS \"a,b\", age, height * 2, city || '!', NULL, count(*) FROM "
        "\"peo\"\"ple\" WHERE age AND id % :shards = :shard GROUP BY id ORDER BY id",
        NULL, 0);
    if (!CHECK(d && mr_dataset_field_count(d) == 7)) {
        printf("    %s\n", mr_error());
        return;
    }
    check_field(d, 0, "weight", MR_FLOAT64, 0);
    check_field(d, 1, "a,b", MR_INT64, 0);
    check_field(d, 2, "age", MR_INT64, 0);
    check_field(d, 3, "height * 2", MR_FLOAT64, 0);
    check_field(d, 4, "city || '!'", MR_UINT8, 1);
    check_field(d, 5, "NULL", MR_FLOAT64, 0);
    check_field(d, 6, "count(*)", MR_INT64, 0);
    mr_cursor *cursor = mr_stream_open(d);
    const mr_batch *sample;
    if (CHECK_EQ_I64(mr_cursor_next(cursor, &sample), MR_OK))
        CHECK(*(double *)mr_tensor_data(sample->field[3]) == 2.4 && mr_tensor_numel(sample->field[4]) == 6 &&
              isnan(*(double *)mr_tensor_data(sample->field[5])));
    mr_cursor_free(cursor);
    mr_dataset_free(d);
}

/* What the types say is not always what is there; columns may have the same name, or none of a type. */
static void test_odd_columns(void)
{
    const char *path = make("CREATE TABLE t (d DECIMAL(10, 2), b BOOLEAN, p VARCHAR(3), m);"
                            "INSERT INTO t VALUES (NULL, 1, 'x', 1), (1.5, 0, 'y', 'word')");
    mr_dataset *d = mr_sqlite_new(path, "t", NULL, 0);
    check_field(d, 0, "d", MR_FLOAT64, 0);
    check_field(d, 1, "b", MR_INT64, 0);
    check_field(d, 2, "p", MR_UINT8, 1);
    check_field(d, 3, "m", MR_UINT8, 1);
    CHECK(!mr_dataset_get(d, 0));
    check_said("/a.db': row 1 of t, column 'm': a whole number, not bytes or a text");
    mr_dataset_free(d);
    d = mr_sqlite_stream_new(path, "SELECT 1 AS x, 2.5 AS x", NULL, 0);
    check_field(d, 0, "x", MR_INT64, 0);
    check_field(d, 1, "x", MR_FLOAT64, 0);
    mr_cursor *cursor = mr_stream_open(d);
    const mr_batch *b;
    CHECK_EQ_I64(mr_cursor_next(cursor, &b), MR_OK);
    CHECK(*(int64_t *)mr_tensor_data(b->field[0]) == 1 && *(double *)mr_tensor_data(b->field[1]) == 2.5);
    mr_cursor_free(cursor);
    mr_dataset_free(d);
    CHECK(!mr_sqlite_stream_new(path, "DELETE FROM t", NULL, 0));
    check_said("sqlite_stream_new: a query that writes");
    CHECK(!mr_sqlite_stream_new(path, "BEGIN", NULL, 0));
    check_said("/a.db': the query has no columns");
    CHECK(!mr_sqlite_stream_new(path, "SELECT :x", NULL, 0));
    check_said("sqlite_stream_new: a query has no parameters, or :shard and :shards");
    CHECK(!mr_sqlite_stream_new(path, "SELECT abs(-9223372036854775808)", NULL, 0));
    check_said("/a.db': integer overflow");
    CHECK(!mr_sqlite_stream_new(NULL, "SELECT 1", NULL, 0));
    check_said("sqlite_stream_new: path is NULL");
}

/* A query that fails in the middle is not begun anew. */
static void test_broken_query(void)
{
    mr_dataset *d = mr_sqlite_stream_new(
        make("CREATE TABLE t (id INTEGER PRIMARY KEY, x);"
             "WITH RECURSIVE r(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM r WHERE i < 99)"
             "INSERT INTO t SELECT i, CASE i WHEN 60 THEN -9223372036854775808 ELSE i END FROM r"),
        "SELECT abs(x) AS n FROM t ORDER BY id", &(mr_table_field){ .name = "n", .dtype = MR_INT64 }, 1);
    for (int workers = 0; workers < 2; workers++)
        check_breaks_off(d, workers, 60, "a.db': integer overflow");
    mr_dataset_free(d);
}

int main(void)
{
    if (!files_begin())
        return 1;
    rng = mr_rng_new(1);
    RUN(test_table);
    RUN(test_query);
    RUN(test_ragged);
    RUN(test_workers);
    RUN(test_shards);
    RUN(test_faults);
    RUN(test_queries_refused);
    RUN(test_changes);
    RUN(test_planted);
    RUN(test_damaged_page);
    RUN(test_locked);
    RUN(test_wrong_fields);
    RUN(test_every_column);
    RUN(test_odd_columns);
    RUN(test_broken_query);
    mr_rng_free(rng);
    return files_report();
}

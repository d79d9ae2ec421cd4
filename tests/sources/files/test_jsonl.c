/* JSON lines: by number and from the front to the back; faults in words. */
#include <millrace/sources/jsonl.h>

#include "check.h"
#include "files.h"

#include <fcntl.h>

static const char *put(const char *text)
{
    file_put(in_folder("a.jsonl"), text, strlen(text));
    return in_folder("a.jsonl");
}

static float number(const mr_batch *sample, int field, int at)
{
    return ((const float *)mr_tensor_data(sample->field[field]))[at];
}

static const char *const colours[] = { "red", "gr\xc3\xbcn" };
static const mr_jsonl_field fields[] = { { .name = "x", .shape = { 2, { 2, 2 } } },
                                         { .name = "age", .key = "user.age", .dtype = MR_INT64 },
                                         { .name = "ok", .dtype = MR_BOOL },
                                         { .name = "colour", .words = colours, .word_count = 2 },
                                         { .name = "y", .dtype = MR_FLOAT64, .missing = MR_MISSING_NAN } };
static const char rows[] =
    "{\"x\": [[1, 2.5], [-3, 4e1]], \"user\": {\"age\": 41}, \"ok\": true, \"colour\": \"red\", \"y\": 0.1}\n"
    "\n"
    "{\"user.age\": 9, \"colour\": \"gr\\u00fcn\", \"ok\": false, \"x\": [[0, 0], [0, 1]], \"more\": "
    "[{}]}\r\n"
    "{\"x\":[[1,1],[1,1]],\"user\":{\"age\":-1},\"ok\":1,\"colour\":\"red\",\"y\":null}";

static void check_rows(const mr_batch *sample, int row)
{
    static const float x[3][4] = { { 1, 2.5f, -3, 40 }, { 0, 0, 0, 1 }, { 1, 1, 1, 1 } };
    static const int64_t age[] = { 41, 9, -1 }, colour[] = { 0, 1, 0 };
    static const bool ok[] = { true, false, true };
    CHECK(memcmp(mr_tensor_data(sample->field[0]), x[row], sizeof x[row]) == 0);
    CHECK_EQ_I64(*(int64_t *)mr_tensor_data(sample->field[1]), age[row]);
    CHECK_EQ_I64(*(bool *)mr_tensor_data(sample->field[2]), ok[row]);
    CHECK_EQ_I64(*(int64_t *)mr_tensor_data(sample->field[3]), colour[row]);
    double y = *(double *)mr_tensor_data(sample->field[4]);
    CHECK(row ? isnan(y) : y == 0.1);
}

static void test_rows(void)
{
    mr_dataset *d = mr_jsonl_new(put(rows), fields, 5, NULL),
               *stream = mr_jsonl_stream_new(put(rows), fields, 5, NULL);
    mr_cursor *cursor = mr_stream_open(stream);
    const mr_batch *sample;
    CHECK_EQ_I64(mr_dataset_len(d), 3);
    for (int i = 2; i >= 0; i--) {
        mr_batch *b = mr_dataset_get(d, i);
        if (CHECK(b != NULL))
            check_rows(b, i);
        mr_batch_free(b);
    }
    for (int i = 0; i < 3; i++)
        if (CHECK_EQ_I64(mr_cursor_next(cursor, &sample), MR_OK))
            check_rows(sample, i);
    CHECK_EQ_I64(mr_cursor_next(cursor, &sample), MR_END);
    mr_cursor_free(cursor);
    mr_dataset_free(stream);
    mr_dataset_free(d);
}

static void test_missing(void)
{
    static const mr_jsonl_field f[] = {
        { .name = "a", .missing = MR_MISSING_SKIP },
        { .name = "b", .shape = { 1, { 2 } }, .missing = MR_MISSING_FILL, .fill = 7 }
    };
    const char *path = put("{\"a\":1}\n{\"b\":[1,2]}\n{\"a\":3,\"b\":[4,5]}\n{\"a\":null}\n");
    mr_dataset *d = mr_jsonl_new(path, f, 2, NULL), *stream = mr_jsonl_stream_new(path, f, 2, NULL);
    CHECK_EQ_I64(mr_dataset_len(d), 2);
    mr_batch *b = mr_dataset_get(d, 0);
    CHECK(number(b, 0, 0) == 1 && number(b, 1, 0) == 7 && number(b, 1, 1) == 7);
    mr_batch_free(b);
    mr_cursor *cursor = mr_stream_open(stream);
    const mr_batch *sample;
    CHECK_EQ_I64(mr_cursor_next(cursor, &sample), MR_OK);
    CHECK_EQ_I64(mr_cursor_next(cursor, &sample), MR_OK);
    CHECK(number(sample, 0, 0) == 3 && number(sample, 1, 1) == 5);
    CHECK_EQ_I64(mr_cursor_next(cursor, &sample), MR_END);
    mr_cursor_free(cursor);
    mr_dataset_free(stream);

    /* The second row of a batch is not the second line. */
    mr_rng *rng = mr_rng_new(1);
    mr_loader *loader = mr_loader_new(d, rng, &(mr_loader_opts){ .batch_size = 2 });
    if (CHECK_EQ_I64(mr_loader_next(loader, &sample), MR_OK))
        CHECK(number(sample, 0, 0) == 1 && number(sample, 0, 1) == 3 && number(sample, 1, 3) == 5);
    mr_loader_free(loader);
    mr_rng_free(rng);
    mr_dataset_free(d);

    /* A line that is another one than it was. */
    d = mr_jsonl_new(path, f, 2, NULL);
    int fd = open(path, O_WRONLY);
    CHECK(pwrite(fd, "{\"c\":1}", 7, 0) == 7);
    close(fd);
    CHECK(!mr_dataset_get(d, 0));
    CHECK(strstr(mr_error(), "' has changed since its rows were counted") != NULL);
    mr_error_clear();
    mr_dataset_free(d);
}

/* ---- going on where a loader stood ---- */

static void test_resumed(void)
{
    static const mr_jsonl_field i = { .name = "i" };
    FILE *file = fopen(in_folder("long.jsonl"), "w");
    for (int k = 0; k < 1000; k++)
        fprintf(file, k % 3 ? "{\"i\": %d}\n" : "\n{\"other\": {}, \"i\": %d}\n", k);
    fclose(file);
    mr_dataset *d = mr_jsonl_stream_new(in_folder("long.jsonl"), &i, 1, NULL),
               *by_number = mr_jsonl_new(in_folder("long.jsonl"), &i, 1, NULL);
    mr_rng *rng = mr_rng_new(1);
    const mr_batch *b;
    const void *bytes;
    size_t size;
    CHECK_EQ_I64(mr_dataset_len(by_number), 1000);
    for (int64_t k = 0; k < 1000; k += 97) {
        mr_batch *one = mr_dataset_get(by_number, k);
        CHECK(number(one, 0, 0) == (float)k);
        mr_batch_free(one);
    }
    for (int k = 0; k < 5; k++) {
        mr_loader *first = mr_loader_new(d, rng, &(mr_loader_opts){ .batch_size = 200, .workers = k % 3 }),
                  *second =
                      mr_loader_new(d, rng, &(mr_loader_opts){ .batch_size = 200, .workers = (k + 1) % 3 });
        for (int n = 0; n < k; n++)
            CHECK_EQ_I64(mr_loader_next(first, &b), MR_OK);
        CHECK_EQ_I64(mr_loader_save(first, &bytes, &size), MR_OK);
        CHECK_EQ_I64(mr_loader_restore(second, bytes, size), MR_OK);
        int row = 200 * k;
        while (mr_loader_next(second, &b) == MR_OK)
            for (int64_t n = 0; n < b->rows; n++, row++)
                CHECK(number(b, 0, (int)n) == (float)row);
        CHECK_EQ_I64(row, 1000);
        mr_loader_free(first);
        mr_loader_free(second);
    }
    mr_rng_free(rng);
    mr_dataset_free(by_number);
    mr_dataset_free(d);
}

/* ---- faults ---- */

static void check_fault(const char *text, const mr_jsonl_field *f, const char *wanted)
{
    char all[600];
    const char *path = put(text);
    mr_dataset *d = mr_jsonl_new(path, f, 1, NULL);
    CHECK(d && mr_dataset_get(d, mr_dataset_len(d) - 1) == NULL);
    const char *said = mr_error(), *at = strstr(said, path);
    snprintf(all, sizeof all, "%s%s", path, wanted);
    CHECK_EQ_STR(at ? at : said, all);
    mr_error_clear();
    mr_dataset_free(d);
}

static void test_faults(void)
{
    const mr_jsonl_field x = { .name = "x", .key = "a.x" }, two = { .name = "x", .shape = { 1, { 2 } } },
                         whole = { .name = "x", .dtype = MR_UINT8 },
                         word = { .name = "x", .words = colours, .word_count = 2 };
    check_fault("{\"a\":{\"x\":1}}\n\n{\"a\":{\"x\":\"1\"}}\n", &x,
                "': line 3, key 'a.x': a string, not a number");
    check_fault("{\"a\":[]}", &x,
                "': line 1 has no 'a.x' (the field's .missing may be MR_MISSING_FILL, MR_MISSING_NAN or "
                "MR_MISSING_SKIP)");
    check_fault("{\"a\":{\"x\":null}}", &x,
                "': line 1 has no 'a.x' (the field's .missing may be MR_MISSING_FILL, MR_MISSING_NAN or "
                "MR_MISSING_SKIP)");
    check_fault("[1]", &x, "': line 1 is an array, not an object");
    check_fault("{\"x\":[1]}", &two, "': line 1, key 'x': an array of 1, not 2");
    check_fault("{\"x\":{}}", &two, "': line 1, key 'x': an object, not an array");
    check_fault("{\"x\":[1,true]}", &two, "': line 1, key 'x': true or false, not a number");
    check_fault("{\"x\":1.5}", &whole, "': line 1, key 'x': a number, not a whole one");
    check_fault("{\"x\":256}", &whole, "': line 1, key 'x': 256 does not fit uint8");
    check_fault("{\"x\":\"blue\"}", &word,
                "': line 1, key 'x': 'blue' is none of the words 'red', 'gr\xc3\xbcn'");
    check_fault("{\"x\":3}", &word, "': line 1, key 'x': a number, not a word");
    check_fault("{\"x\":1}\n{\"x\":", &x, "': line 2, column 5: unexpected token near end of file");
}

static void check_refused(const mr_jsonl_field *f, int count, const char *text)
{
    CHECK(mr_jsonl_new(put("{}"), f, count, NULL) == NULL);
    CHECK_EQ_STR(mr_error(), text);
    mr_error_clear();
}

static void test_wrong_fields(void)
{
    const char *const twice[] = { "a", "a" };
    check_refused(
        NULL, 0,
        "jsonl_new: no fields are named, and lines need not have the same keys: { .name = \"x\" } is a "
        "field of the numbers at key 'x'");
    check_refused(&(mr_jsonl_field){ 0 }, 1, "jsonl_new: a field without a name");
    check_refused(&(mr_jsonl_field){ .name = "x", .dtype = MR_FLOAT16 }, 1,
                  "jsonl_new: field 'x': float16 is none of float32, float64, int64, int32, int16, uint16, "
                  "int8, uint8, bool");
    check_refused(&(mr_jsonl_field){ .name = "x", .dtype = MR_FLOAT64, .words = twice, .word_count = 2 }, 1,
                  "jsonl_new: field 'x': words are whole numbers, not float64");
    check_refused(&(mr_jsonl_field){ .name = "x", .dtype = MR_INT64, .missing = MR_MISSING_NAN }, 1,
                  "jsonl_new: field 'x': there is no NaN among whole numbers");
    check_refused(&(mr_jsonl_field){ .name = "x", .words = twice, .word_count = 2 }, 1,
                  "jsonl_new: field 'x': the word 'a' is there twice");
    check_refused(&(mr_jsonl_field){ .name = "x", .shape = { 1, { -2 } } }, 1,
                  "dataset_new: negative size in shape [-2]");
    CHECK(!mr_jsonl_stream_new(NULL, fields, 5, NULL));
    CHECK_EQ_STR(mr_error(), "jsonl_stream_new: path is NULL");
    CHECK(!mr_jsonl_stream_new("/nowhere/a", fields, 5, NULL));
    CHECK_EQ_STR(mr_error(), "cannot open '/nowhere/a': No such file or directory");
}

/* Every byte of the text changed in some ways: rows or a text, never a crash. */
static void test_damage(void)
{
    static const char others[] = "\"\\{}[]:,\n\x80 1e-";
    char copy[sizeof rows];
    for (size_t i = 0; i < sizeof rows - 1; i++)
        for (size_t k = 0; k < sizeof others - 1; k++) {
            memcpy(copy, rows, sizeof rows);
            copy[i] = others[k];
            mr_dataset *d = mr_jsonl_new(put(copy), fields, 5, NULL);
            for (int64_t r = 0; r < mr_dataset_len(d); r++)
                mr_batch_free(mr_dataset_get(d, r));
            mr_error_clear();
            mr_dataset_free(d);
        }
}

int main(void)
{
    if (!files_begin())
        return 1;
    RUN(test_rows);
    RUN(test_missing);
    RUN(test_resumed);
    RUN(test_faults);
    RUN(test_wrong_fields);
    RUN(test_damage);
    return files_report();
}

/* JSON lines: by number and from the front to the back; faults in words. */
#include <millrace/sources/jsonl.h>

#include "check.h"
#include "files.h"
#include "refuse.h"
#include "row_checks.h"

#include <millrace/ragged.h>

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

/* ---- texts and lists of any length ---- */

static const mr_jsonl_field documents[] = {
    { .name = "label", .dtype = MR_INT64 },
    { .name = "text", .dtype = MR_UINT8, .shape = { 1, { -1 } }, .missing = MR_MISSING_FILL },
    { .name = "ids", .dtype = MR_INT32, .shape = { 1, { -1 } }, .missing = MR_MISSING_FILL, .fill = 7 },
    { .name = "boxes", .shape = { 2, { -1, 2 } }, .missing = MR_MISSING_NAN },
    { .name = "tags", .shape = { 1, { -1 } }, .words = colours, .word_count = 2, .missing = MR_MISSING_FILL }
};
static const char document_rows[] = "{\"label\": 0, \"text\": \"a\\\"\\u00fc\\ud83d\\ude00\\n\", \"ids\": "
                                    "[1, null, 3], \"boxes\": [[1, 2], [3, null]], "
                                    "\"tags\": [\"red\", \"gr\\u00fcn\", \"red\"]}\n"
                                    "{\"label\": 1, \"ids\": [], \"text\": [65, 66], \"boxes\": []}\n"
                                    "{\"label\": 2, \"text\": \"\", \"tags\": []}\n";

static void check_items(const mr_batch *sample, int field, const void *items, int64_t count)
{
    const mr_tensor *x = sample->field[field];
    if (CHECK_EQ_I64(mr_tensor_size(x, 0), count) && count)
        CHECK(memcmp(mr_tensor_data(x), items,
                     (size_t)mr_tensor_numel(x) * mr_dtype_size(mr_tensor_dtype(x))) == 0);
}

static void check_document(const mr_batch *sample, int row)
{
    static const char *const text[] = { "a\"\xc3\xbc\xf0\x9f\x98\x80\n", "AB", "" };
    static const int32_t ids[] = { 1, 7, 3 };
    static const int64_t tags[] = { 0, 1, 0 };
    CHECK_EQ_I64(*(const int64_t *)mr_tensor_data(sample->field[0]), row);
    check_items(sample, 1, text[row], (int64_t)strlen(text[row]));
    check_items(sample, 2, ids, row ? 0 : 3);
    CHECK_EQ_I64(mr_tensor_size(sample->field[3], 0), row ? 0 : 2);
    if (!row)
        CHECK(number(sample, 3, 0) == 1 && number(sample, 3, 2) == 3 && isnan(number(sample, 3, 3)));
    check_items(sample, 4, tags, row ? 0 : 3);
}

static void test_ragged(void)
{
    const char *path = put(document_rows);
    mr_dataset *d = mr_jsonl_new(path, documents, 5, NULL),
               *stream = mr_jsonl_stream_new(path, documents, 5, NULL);
    mr_cursor *cursor = mr_stream_open(stream);
    const mr_batch *sample;
    for (int i = 0; i < 3; i++) {
        mr_batch *b = mr_dataset_get(d, 2 - i);
        if (CHECK(b != NULL))
            check_document(b, 2 - i);
        mr_batch_free(b);
        if (CHECK_EQ_I64(mr_cursor_next(cursor, &sample), MR_OK))
            check_document(sample, i);
    }
    mr_cursor_free(cursor);
    mr_dataset_free(stream);

    mr_rng *rng = mr_rng_new(1);
    mr_loader *loader = mr_loader_new(d, rng, &(mr_loader_opts){ .batch_size = 3 });
    mr_loader_set_collate(loader, mr_collate_pad, NULL);
    if (CHECK_EQ_I64(mr_loader_next(loader, &sample), MR_OK)) {
        CHECK_EQ_I64(mr_tensor_size(sample->field[1], 0), 3);
        CHECK_EQ_I64(mr_tensor_size(sample->field[1], 1), 9);
        CHECK(memcmp((const char *)mr_tensor_data(sample->field[1]) + 9, "AB\0\0\0\0\0\0", 9) == 0);
    }
    mr_loader_free(loader);
    mr_rng_free(rng);
    mr_dataset_free(d);
}

/* Rows of any length are the same with workers, and by a loader that goes on. */
static void test_ragged_resumed(void)
{
    FILE *file = fopen(in_folder("texts.jsonl"), "w");
    for (int i = 0; i < 300; i++)
        fprintf(file, "{\"label\": %d, \"text\": \"%.*s\"}\n", i, i % 40,
                "0123456789012345678901234567890123456789");
    fclose(file);
    mr_dataset *d = mr_jsonl_new(in_folder("texts.jsonl"), documents, 2, NULL),
               *stream = mr_jsonl_stream_new(in_folder("texts.jsonl"), documents, 2, NULL);
    check_each_once(d, (mr_loader_opts){ .batch_size = 7, .shuffle = true }, 300);
    check_each_once(stream, (mr_loader_opts){ .batch_size = 7, .shards = 3 }, 300);
    check_resumed(d, (mr_loader_opts){ .batch_size = 50 }, 300);
    check_resumed(stream, (mr_loader_opts){ .batch_size = 50, .shards = 3 }, 300);
    mr_dataset_free(stream);
    mr_dataset_free(d);
}

/* ---- memory that runs out ---- */

static double read_documents(mr_status *status)
{
    return sum_of_rows(mr_jsonl_new(in_folder("a.jsonl"), documents, 5, NULL), status);
}

static double stream_documents(mr_status *status)
{
    return sum_of_rows(mr_jsonl_stream_new(in_folder("a.jsonl"), documents, 5, NULL), status);
}

static double skip_rows(mr_status *status)
{
    static const mr_jsonl_field label = { .name = "label", .dtype = MR_INT64, .missing = MR_MISSING_SKIP };
    return sum_of_rows(mr_jsonl_new(in_folder("a.jsonl"), &label, 1, NULL), status);
}

static void test_memory(void)
{
    put(document_rows);
    refuse_begin();
    refuse_each("read_documents", read_documents, 20);
    refuse_each("stream_documents", stream_documents, 20);
    refuse_each("skip_rows", skip_rows, 10);
    refuse_end();
}

/* ---- null among the items ---- */

static void test_null_items(void)
{
    const char *path = put("{\"v\":[1,null]}\n{\"v\":[3,4]}\n");
    for (mr_missing how = MR_MISSING_FILL; how <= MR_MISSING_SKIP; how++) {
        const mr_jsonl_field v = { .name = "v", .shape = { 1, { 2 } }, .missing = how, .fill = 9 };
        mr_dataset *d = mr_jsonl_new(path, &v, 1, NULL);
        const bool skip = how == MR_MISSING_SKIP;
        CHECK_EQ_I64(mr_dataset_len(d), skip ? 1 : 2);
        mr_batch *b = mr_dataset_get(d, 0);
        if (CHECK(b != NULL))
            CHECK(skip                     ? number(b, 0, 0) == 3 && number(b, 0, 1) == 4
                  : how == MR_MISSING_FILL ? number(b, 0, 0) == 1 && number(b, 0, 1) == 9
                                           : number(b, 0, 0) == 1 && isnan(number(b, 0, 1)));
        mr_batch_free(b);
        mr_dataset_free(d);
    }
}

/* ---- what nobody has asked for ---- */

static void test_other_keys(void)
{
    static const mr_jsonl_field v = { .name = "v" };
    static const char *const lines[] = { "{\"id\":18446744073709551615,\"v\":1}",
                                         "{\"id\":1e400,\"v\":1}",
                                         "{\"id\":\"\\u0000\",\"v\":1}",
                                         "{\"id\":\"\\ud800\",\"\\udc00\":0,\"v\":1}",
                                         "{\"id\":[NaN,Infinity,-Infinity],\"v\":1}",
                                         "{\"v\":2,\"id\":\"\x80\",\"v\":1}",
                                         "\xef\xbb\xbf{\"v\":1}",
                                         "{\"\\u0076\":true}" };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        mr_dataset *d = mr_jsonl_new(put(lines[i]), &v, 1, NULL);
        mr_batch *b = mr_dataset_get(d, 0);
        if (CHECK(b != NULL))
            CHECK(number(b, 0, 0) == 1);
        else
            printf("    %s: %s\n", lines[i], mr_error());
        mr_batch_free(b);
        mr_error_clear();
        mr_dataset_free(d);
    }
    mr_dataset *d = mr_jsonl_new(put("\xef\xbb\xbf\n"), &v, 1, NULL);
    CHECK_EQ_I64(mr_dataset_len(d), 0);
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

/* A text that is no JSON. */
static void check_form(void)
{
    static const struct {
        const char *line, *said;
    } of[] = { { "{x:1}", "column 2: a key in quotes expected" },
               { "{\"\xc3\xbc\" 1}", "column 6: ':' expected" },
               { "{\"a\":1{", "column 7: ',' or '}' expected" },
               { "{\"a\":[1 2]}", "column 9: ',' or ']' expected" },
               { "{\"a\":1,}", "column 8: a key in quotes expected" },
               { "{\"a\":[1,]}", "column 9: a value expected" },
               { "{\"a\":01}", "column 7: ',' or '}' expected" },
               { "{\"a\":1.}", "column 8: a digit expected" },
               { "{\"a\":-}", "column 7: a digit expected" },
               { "{\"a\":1e+", "column 9: a digit expected before the end" },
               { "{\"a\":\"\\x\"}", "column 8: one of \"\\/bfnrtu expected" },
               { "{\"a\":\"\\u12g4\"}", "column 11: four hexadecimal digits expected" },
               { "{\"a\":\"\t\"}", "column 7: the end of a string, or an escape expected" },
               { "{\"a\":\"\\", "column 8: the end of a string expected before the end" },
               { "{\"a\":1} 2", "column 9: nothing more expected" },
               { "nul", "column 1: a value expected" } };
    const mr_jsonl_field a = { .name = "a" };
    for (size_t i = 0; i < sizeof of / sizeof *of; i++) {
        char wanted[100];
        snprintf(wanted, sizeof wanted, "': line 1, %s", of[i].said);
        check_fault(of[i].line, &a, wanted);
    }
    static char deep[5000];
    memset(deep, '[', sizeof deep - 1);
    memcpy(deep, "{\"a\":", 5);
    check_fault(deep, &a,
                "': line 1, column 2053: not that many objects and arrays within each other expected");
}

static void test_faults(void)
{
    const mr_jsonl_field x = { .name = "x", .key = "a.x" }, two = { .name = "x", .shape = { 1, { 2 } } },
                         whole = { .name = "x", .dtype = MR_UINT8 },
                         text = { .name = "x", .dtype = MR_UINT8, .shape = { 1, { -1 } } },
                         list = { .name = "x", .shape = { 1, { -1 } } },
                         pairs = { .name = "x", .shape = { 2, { -1, 2 } } },
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
    check_fault("{\"x\":[1,\"1\"]}", &two, "': line 1, key 'x': a string, not a number");
    check_fault("{\"x\":[1,null]}", &two,
                "': line 1, key 'x': null, not a number (the field's .missing may be MR_MISSING_FILL, "
                "MR_MISSING_NAN or MR_MISSING_SKIP)");
    check_fault("{\"x\":18446744073709551615}", &whole,
                "': line 1, key 'x': 18446744073709551615 does not fit uint8");
    check_fault("{\"x\":1}", &text, "': line 1, key 'x': a number, not a string or an array");
    check_fault("{\"x\":\"\\ud800x\"}", &text, "': line 1, key 'x': half of a surrogate pair");
    check_fault("{\"x\":\"a\"}", &list,
                "': line 1, key 'x': a string, not an array (the dtype of texts is MR_UINT8)");
    check_fault("{\"x\":[[1,2],[3]]}", &pairs, "': line 1, key 'x': an array of 1, not 2");
    check_fault("{\"x\":[300]}", &text, "': line 1, key 'x': 300 does not fit uint8");
    check_fault("{\"x\":1.5}", &whole, "': line 1, key 'x': a number, not a whole one");
    check_fault("{\"x\":256}", &whole, "': line 1, key 'x': 256 does not fit uint8");
    check_fault("{\"x\":\"blue\"}", &word,
                "': line 1, key 'x': 'blue' is none of the words 'red', 'gr\xc3\xbcn'");
    check_fault("{\"x\":3}", &word, "': line 1, key 'x': a number, not a word");
    check_fault("{\"x\":1}\n{\"x\":", &x, "': line 2, column 6: a value expected before the end");
    check_form();
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
    RUN(test_ragged);
    RUN(test_ragged_resumed);
    RUN(test_memory);
    RUN(test_null_items);
    RUN(test_other_keys);
    RUN(test_resumed);
    RUN(test_faults);
    RUN(test_wrong_fields);
    RUN(test_damage);
    return files_report();
}

/* One fault in the middle of a large file of each format: what is said names the file, the place, the field and what
 * was expected; to the letter, by number and in a stream, and the samples around it come. */
#include <millrace/sources/arrays.h>
#include <millrace/sources/csv.h>
#include <millrace/sources/jsonl.h>
#include <millrace/sources/records.h>

#include "check.h"
#include "files.h"

enum { ROWS = 10000, BAD = 6999 };

static mr_rng *rng;

/* "loader: sample 6999: '/tmp/…/NAME': TEXT" */
static void check_text(const char *call, const char *name, const char *text)
{
    char wanted[800];
    snprintf(wanted, sizeof wanted, "%s: sample %d: '%s%s", call, BAD, in_folder(name), text);
    CHECK_EQ_STR(mr_error(), wanted);
    mr_error_clear();
}

/* Of a dataset that is given up to the fault, and named there. It is freed. */
static void check_fault(mr_dataset *d, const char *name, const char *text)
{
    mr_loader *loader = mr_loader_new(d, rng, &(mr_loader_opts){ .batch_size = 1 });
    const mr_batch *b;
    int64_t rows = 0;
    while (mr_loader_next(loader, &b) == MR_OK)
        rows++;
    CHECK_EQ_I64(rows, BAD);
    check_text("loader", name, text);
    mr_loader_free(loader);
    mr_batch *first = mr_dataset_len(d) > 0 ? mr_dataset_get(d, 0) : NULL;
    if (first) {
        CHECK(!mr_dataset_get(d, BAD));
        check_text("dataset_get", name, text);
    }
    mr_batch_free(first);
    mr_error_clear();
    loader = mr_loader_new(
        d, rng, &(mr_loader_opts){ .batch_size = 100, .workers = 2, .on_bad_sample = MR_BAD_SKIP });
    for (rows = 0; mr_loader_next(loader, &b) == MR_OK;)
        rows += b->rows;
    CHECK_EQ_I64(rows, ROWS - 1);
    mr_error_clear();
    mr_loader_free(loader);
    mr_dataset_free(d);
}

/* ---- text ---- */

static const char *const words[] = { "red", "green" };

static void put_csv(const char *name, const char *bad)
{
    FILE *file = fopen(in_folder(name), "w");
    fputs("a,b,c\n", file);
    for (int i = 0; i < ROWS; i++)
        if (i == BAD)
            fprintf(file, "%s\n", bad);
        else
            fprintf(file, "%d,%d.5,red\n", i, i);
    fclose(file);
}

static void check_csv(const char *bad, const char *text)
{
    static const mr_csv_field fields[] = { { .name = "a", .dtype = MR_INT32 },
                                           { .name = "b" },
                                           { .name = "c", .words = words, .word_count = 2 } };
    put_csv("a.csv", bad);
    check_fault(mr_csv_new(in_folder("a.csv"), fields, 3, NULL), "a.csv", text);
    check_fault(mr_csv_stream_new(in_folder("a.csv"), fields, 3, NULL), "a.csv", text);
}

static void test_csv(void)
{
    check_csv("1,x,red", "': line 7001, column 'b': 'x' is no number");
    check_csv("1,2,blue", "': line 7001, column 'c': 'blue' is none of the words 'red', 'green'");
    check_csv("3000000000,2,red", "': line 7001, column 'a': '3000000000' does not fit int32");
    check_csv("1.5,2,red", "': line 7001, column 'a': '1.5' is no whole number");
    check_csv("1,2", "': line 7001 has 2 cells, not 3");
    check_csv("1,,red",
              "': line 7001, column 'b': '' is missing (the field's .missing may be MR_MISSING_FILL, "
              "MR_MISSING_NAN or MR_MISSING_SKIP)");
    check_csv("1,\"2\"3,red", "': line 7001, cell 2: a quote that is not closed, or text behind it");
}

static void check_jsonl(const char *bad, const char *text)
{
    static const mr_jsonl_field fields[] = { { .name = "a", .key = "in.a", .dtype = MR_INT32 },
                                             { .name = "b", .shape = { 1, { 2 } } },
                                             { .name = "c", .words = words, .word_count = 2 } };
    FILE *file = fopen(in_folder("a.jsonl"), "w");
    for (int i = 0; i < ROWS; i++)
        if (i == BAD)
            fprintf(file, "%s\n", bad);
        else
            fprintf(file, "{\"in\": {\"a\": %d}, \"b\": [1, %d], \"c\": \"green\"}\n", i, i);
    fclose(file);
    check_fault(mr_jsonl_new(in_folder("a.jsonl"), fields, 3, NULL), "a.jsonl", text);
    check_fault(mr_jsonl_stream_new(in_folder("a.jsonl"), fields, 3, NULL), "a.jsonl", text);
}

static void test_jsonl(void)
{
    check_jsonl("{\"in\": {\"a\": \"1\"}, \"b\": [1, 2], \"c\": \"red\"}",
                "': line 7000, key 'in.a': a string, not a whole number");
    check_jsonl("{\"in\": {\"a\": 1}, \"b\": [1, 2, 3], \"c\": \"red\"}",
                "': line 7000, key 'b': an array of 3, not 2");
    check_jsonl("{\"in\": {\"a\": 1}, \"b\": [1, 2], \"c\": \"blue\"}",
                "': line 7000, key 'c': 'blue' is none of the words 'red', 'green'");
    check_jsonl("{\"in\": {}, \"b\": [1, 2], \"c\": \"red\"}",
                "': line 7000 has no 'in.a' (the field's .missing may be MR_MISSING_FILL, MR_MISSING_NAN or "
                "MR_MISSING_SKIP)");
    check_jsonl("{\"in\": {\"a\": 1}, \"b\": [1, 2}", "': line 7000, column 28: ',' or ']' expected");
    check_jsonl("[]", "': line 7000 is an array, not an object");
}

static void test_text(void)
{
    static char text[ROWS];
    char wanted[400];
    memset(text, 'a', sizeof text);
    text[BAD] = (char)0xc3;
    file_put(in_folder("a.txt"), text, sizeof text);
    CHECK(!mr_text_new(in_folder("a.txt"), 10, &(mr_text_opts){ .characters = true }));
    snprintf(wanted, sizeof wanted, "'%s': byte 6999 is none of UTF-8", in_folder("a.txt"));
    CHECK_EQ_STR(mr_error(), wanted);
    mr_error_clear();
}

/* ---- numbers ---- */

/* What there is before, one that int64 does not hold, and what is behind. */
static void test_npy(void)
{
    mr_tensor *numbers = mr_tensor_arange(MR_INT64, 0, ROWS, 1);
    mr_status s = mr_npy_save(numbers, in_folder("a.npy"));
    CHECK_EQ_I64(s, MR_OK);
    ((int64_t *)mr_tensor_data(numbers))[BAD] = -2;
    s = mr_npy_save(numbers, in_folder("a.npy"));
    CHECK_EQ_I64(s, MR_OK);
    mr_tensor_free(numbers);
    FILE *file = fopen(in_folder("a.npy"), "r+");
    char head[128];
    CHECK(fread(head, 1, sizeof head, file) == sizeof head);
    memcpy(strstr(head + 10, "<i8"), "<u8", 3);
    rewind(file);
    CHECK(fwrite(head, 1, sizeof head, file) == sizeof head);
    fclose(file);
    const mr_array_file array = { .path = in_folder("a.npy") };
    check_fault(mr_arrays_new(&array, 1), "a.npy",
                "': element 6999 is 18446744073709551614, more than an int64 holds");
    check_fault(mr_array_stream_new(&array), "a.npy",
                "': row 6999: element 0 is 18446744073709551614, more than an int64 holds");
}

/* ---- files that are cut off, or whose packed bytes are others ---- */

static const char *pack(const char *name)
{
    static char packed[300];
    char command[900];
    snprintf(packed, sizeof packed, "%s.gz", in_folder(name));
    snprintf(command, sizeof command, "gzip -c '%s' >'%s'", in_folder(name), packed);
    CHECK(system(command) == 0);
    return packed;
}

static void cut(const char *path, off_t bytes)
{
    CHECK(truncate(path, bytes) == 0);
}

/* What a stream ends with: its message, without the loader's part of it. */
static const char *last_words(mr_dataset *d)
{
    mr_loader *loader = mr_loader_new(d, rng, &(mr_loader_opts){ .batch_size = 100 });
    const mr_batch *b;
    mr_status s;
    while ((s = mr_loader_next(loader, &b)) == MR_OK)
        ;
    CHECK(s < 0);
    mr_loader_free(loader);
    mr_dataset_free(d);
    const char *path = strchr(mr_error(), '\'');
    return path ? path : mr_error();
}

static void check_last_words(mr_dataset *d, const char *path, const char *text)
{
    char wanted[500];
    snprintf(wanted, sizeof wanted, "'%s%s", path, text);
    CHECK_EQ_STR(last_words(d), wanted);
    mr_error_clear();
}

static void check_not_made(mr_dataset *d, const char *path, const char *text)
{
    char wanted[500];
    CHECK(!d);
    snprintf(wanted, sizeof wanted, "'%s%s", path, text);
    CHECK_EQ_STR(mr_error(), wanted);
    mr_error_clear();
}

static void test_cut(void)
{
    char *path = strdup(in_folder("a"));
    static const mr_field record[] = { { .name = "x", .shape = { 1, { 3 } } } };
    const mr_array_file array = { .path = path };
    file_put(path, "\0\0\x08\1\0\0\x27\x10", 8); /* IDX, 10,000 bytes */
    cut(path, 8 + BAD);
    check_not_made(mr_arrays_new(&array, 1), path, "' should have 10000 bytes of elements, 6999 are there");
    check_not_made(mr_array_stream_new(&array), path, "' should have 10000 rows, 6999 are there");
    char *packed = strdup(pack("a"));
    const mr_array_file packed_array = { .path = packed };
    check_not_made(mr_arrays_new(&packed_array, 1), packed,
                   "' should have 10000 bytes of elements, 6999 are there");
    check_last_words(mr_array_stream_new(&packed_array), packed, "' ends before row 6999 of 10000");
    cut(path, BAD);
    check_not_made(mr_tokens_new(path, 10, NULL), path,
                   "': 6999 bytes, 0 of them skipped, are no whole number of uint16 tokens");
    check_not_made(mr_tokens_stream_new(path, 10, NULL), path,
                   "': 6999 bytes, of which 0 are skipped, are no whole number of 2 bytes for each window");
    check_not_made(mr_records_stream_new(path, record, 1, NULL), path,
                   "': 6999 bytes, of which 0 are skipped, are no whole number of 12 bytes for each record");
    packed = (free(packed), strdup(pack("a")));
    check_last_words(mr_records_stream_new(packed, record, 1, NULL), packed,
                     "' ends within record 583: 3 bytes of 12");
    check_last_words(mr_tokens_stream_new(packed, 10, NULL), packed,
                     "' ends within window 349: 19 bytes of 22");
    free(packed);
    free(path);
}

/* A bit of the packed bytes in the middle. */
static void test_packed(void)
{
    static const mr_csv_field field = { .name = "b" };
    put_csv("a.csv", "1,2,red");
    char *packed = strdup(pack("a.csv"));
    FILE *file = fopen(packed, "r+");
    fseek(file, 0, SEEK_END);
    const long size = ftell(file);
    fseek(file, size - 6, SEEK_SET); /* of the sum at the end */
    fputc(1, file);
    fclose(file);
    check_not_made(mr_csv_new(packed, &field, 1, NULL), packed,
                   "': the packed bytes are damaged, after 131072 unpacked ones");
    cut(packed, size / 2);
    CHECK(!mr_csv_new(packed, &field, 1, NULL));
    CHECK(strstr(mr_error(), "/a.csv.gz': the packed bytes end in the middle, after ") != NULL);
    mr_error_clear();
    CHECK(strstr(last_words(mr_csv_stream_new(packed, &field, 1, NULL)),
                 "/a.csv.gz': the packed bytes end in the middle, after ") != NULL);
    free(packed);
}

int main(void)
{
    if (!files_begin())
        return 1;
    rng = mr_rng_new(1);
    RUN(test_csv);
    RUN(test_jsonl);
    RUN(test_text);
    RUN(test_npy);
    RUN(test_cut);
    RUN(test_packed);
    mr_rng_free(rng);
    return files_report();
}

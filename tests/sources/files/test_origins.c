/* Samples that are refused behind their source: what is said names the file and the line, row or record, once. */
#include <millrace/datasets.h>
#include <millrace/ragged.h>
#include <millrace/sources/arrays.h>
#include <millrace/sources/csv.h>
#include <millrace/sources/jsonl.h>
#include <millrace/sources/records.h>

#include "check.h"
#include "files.h"
#include "refuse.h"

enum { ROWS = 30000 };

static mr_rng *rng;

static mr_status refuse_value(void *user, void *const *in, void *const *out, int64_t index, mr_random *random)
{
    (void)out;
    (void)index;
    (void)random;
    return *(int64_t *)in[0] == *(int64_t *)user ? mr_fail(MR_ERR_FORMAT, "it is refused") : MR_OK;
}

/* What is said of the sample whose first field has the value; "" if none has. The dataset stays. */
static const char *said_of(mr_dataset *d, int64_t bad, int64_t shards)
{
    static char text[512];
    mr_dataset *mapped = mr_map_new(d, refuse_value, &bad, NULL);
    mr_loader *loader = mr_loader_new(
        mapped, rng, &(mr_loader_opts){ .batch_size = 64, .workers = 2, .prefetch = 4, .shards = shards });
    const mr_batch *b;
    mr_status s;
    while ((s = mr_loader_next(loader, &b)) == MR_OK) {}
    snprintf(text, sizeof text, "%s", s < 0 ? mr_error() : "");
    mr_loader_free(loader);
    mr_dataset_free(mapped);
    return text;
}

static void check_said_of(mr_dataset *d, int64_t bad, int64_t sample, const char *name, const char *place)
{
    char wanted[512];
    if (!CHECK(d != NULL))
        return;
    snprintf(wanted, sizeof wanted, "loader: sample %lld: map: sample %lld: '%s': %s: it is refused",
             (long long)sample, (long long)sample, in_folder(name), place);
    CHECK_EQ_STR(said_of(d, bad, 0), wanted);
}

/* ---- CSV ---- */

static const mr_csv_field columns[] = { { .name = "i", .dtype = MR_INT64 }, { .name = "x" } };
static int64_t line_at[ROWS];

/* Some lines are empty, and some rows have two. */
static void make_csv(void)
{
    FILE *file = fopen(in_folder("a.csv"), "w");
    int64_t line = 2;
    fputs("i,text,x\n", file);
    for (int i = 0; i < ROWS; i++) {
        const bool empty = i % 7 == 3, two = i % 5 == 2;
        fprintf(file, "%s%d,%s,%d.5\n", empty ? "\n" : "", i, two ? "\"one\nand\"" : "one", i);
        line_at[i] = line + empty;
        line += empty + two + 1;
    }
    fclose(file);
}

static void test_csv(void)
{
    char place[40], text[600];
    make_csv();
    mr_dataset *d = mr_csv_new(in_folder("a.csv"), columns, 2, NULL),
               *s = mr_csv_stream_new(in_folder("a.csv"), columns, 2, NULL);
    static const int rows[] = { 20000, 3, 0, ROWS - 1, 12345, 12 };
    for (int i = 0; i < 6; i++) {
        snprintf(place, sizeof place, "line %lld", (long long)line_at[rows[i]]);
        check_said_of(d, rows[i], rows[i], "a.csv", place);
        check_said_of(s, rows[i], rows[i], "a.csv", place);
    }
    int right = 0;
    for (int i = 0; i < ROWS; i++) {
        const int row = (int)((int64_t)i * 7919 % ROWS);
        char wanted[600];
        snprintf(wanted, sizeof wanted, "'%s': line %lld", in_folder("a.csv"), (long long)line_at[row]);
        right += mr_dataset_origin(d, row, -1, text, sizeof text) > 0 && strcmp(text, wanted) == 0;
    }
    CHECK_EQ_I64(right, ROWS);
    mr_dataset_free(d);
    mr_dataset_free(s);
}

/* Lines of a part are counted from its beginning, as in what the stream itself says. */
static void test_csv_shards(void)
{
    mr_dataset *s = mr_csv_stream_new(in_folder("a.csv"), columns, 2, NULL);
    const char *said = said_of(s, ROWS - 10, 4), *counted = strstr(said, "counted from byte ");
    unsigned long long byte = 0;
    long long line = 0;
    char rest[300] = "", wanted[300];
    if (CHECK(counted != NULL))
        sscanf(counted, "counted from byte %llu on: '%299[^']': line %lld", &byte, rest, &line);
    CHECK_EQ_STR(rest, in_folder("a.csv"));
    FILE *file = fopen(in_folder("a.csv"), "rb");
    fseek(file, (long)byte, SEEK_SET);
    for (long long i = 0; i < line; i++)
        CHECK(fgets(rest, sizeof rest, file) != NULL);
    fclose(file);
    snprintf(wanted, sizeof wanted, "%d,", ROWS - 10);
    CHECK(strncmp(rest, wanted, strlen(wanted)) == 0);
    mr_dataset_free(s);
}

/* What the source itself says below a map is said once. */
static void test_once(void)
{
    static const mr_csv_field bad[] = { { .name = "text", .dtype = MR_INT64 } };
    char wanted[600];
    mr_dataset *d = mr_csv_new(in_folder("a.csv"), bad, 1, NULL),
               *s = mr_csv_stream_new(in_folder("a.csv"), bad, 1, NULL);
    snprintf(wanted, sizeof wanted,
             "loader: sample 0: map: sample 0: '%s': line 2, column 'text': 'one' is no whole number",
             in_folder("a.csv"));
    CHECK_EQ_STR(said_of(d, 0, 0), wanted);
    CHECK_EQ_STR(said_of(s, 0, 0), wanted);
    mr_dataset_free(d);
    mr_dataset_free(s);
}

static mr_status cut_and_refuse(void *user, void *const *in, void *const *out, int64_t index,
                                mr_random *random)
{
    (void)user;
    (void)in;
    (void)out;
    (void)index;
    (void)random;
    CHECK(truncate(in_folder("short.csv"), 10) == 0);
    return mr_fail(MR_ERR_FORMAT, "it is refused");
}

/* A file that has become shorter meanwhile is not looked into. */
static void test_cut(void)
{
    char wanted[600], text[600];
    FILE *file = fopen(in_folder("short.csv"), "w");
    fputs("i,x\n", file);
    for (int i = 0; i < ROWS; i++)
        fprintf(file, "%d,1\n", i);
    fclose(file);
    mr_dataset *d = mr_csv_new(in_folder("short.csv"), columns, 2, NULL),
               *mapped = mr_map_new(d, cut_and_refuse, NULL, NULL);
    CHECK(!mr_dataset_get(mapped, ROWS - 1));
    snprintf(wanted, sizeof wanted, "dataset_get: sample %d: map: sample %d: '%s': it is refused", ROWS - 1,
             ROWS - 1, in_folder("short.csv"));
    CHECK_EQ_STR(mr_error(), wanted);
    CHECK_EQ_I64(mr_dataset_origin(d, 5, -1, text, sizeof text), -1);
    CHECK(strstr(mr_error(), "has become shorter") != NULL);
    mr_dataset_free(mapped);
    mr_dataset_free(d);
}

static mr_status refuse_without_memory(void *user, void *const *in, void *const *out, int64_t index,
                                       mr_random *random)
{
    (void)user;
    (void)in;
    (void)out;
    (void)index;
    (void)random;
    refuse.for_good = true;
    refuse.at = 1;
    return mr_fail(MR_ERR_FORMAT, "it is refused");
}

/* Where there is no memory at all, it is said all the same: what went wrong first is what counts. */
static void test_no_memory(void)
{
    char wanted[600];
    const int row = ROWS / 2;
    mr_dataset *d = mr_csv_new(in_folder("a.csv"), columns, 2, NULL),
               *mapped = mr_map_new(d, refuse_without_memory, NULL, NULL);
    snprintf(wanted, sizeof wanted, "dataset_get: sample %d: map: sample %d: '%s': line %lld: it is refused",
             row, row, in_folder("a.csv"), (long long)line_at[row]);
    for (int i = 0; i < 2; i++) {
        refuse.at = 0;
        CHECK(!mr_dataset_get(mapped, row));
        CHECK_EQ_STR(mr_error(), wanted);
    }
    CHECK(atomic_load(&refuse.refused) > 0);
    refuse.at = 0;
    mr_dataset_free(mapped);
    mr_dataset_free(d);
}

/* ---- others ---- */

static void test_jsonl(void)
{
    static const mr_jsonl_field i = { .name = "i", .dtype = MR_INT64, .missing = MR_MISSING_SKIP };
    FILE *file = fopen(in_folder("a.jsonl"), "w");
    for (int row = 0; row < 1000; row++)
        fprintf(file, row % 10 == 9 ? "{}\n\n{\"i\": %d}\n" : "{\"i\": %d}\n", row);
    fclose(file);
    mr_dataset *d = mr_jsonl_new(in_folder("a.jsonl"), &i, 1, NULL),
               *s = mr_jsonl_stream_new(in_folder("a.jsonl"), &i, 1, NULL);
    check_said_of(d, 509, 509, "a.jsonl", "line 612");
    check_said_of(s, 509, 509, "a.jsonl", "line 612");
    mr_dataset_free(d);
    mr_dataset_free(s);
}

static void test_arrays(void)
{
    int64_t values[100];
    for (int i = 0; i < 100; i++)
        values[i] = 2 * i;
    mr_tensor *t = mr_tensor_from(MR_INT64, MR_SHAPE(100), values);
    CHECK_EQ_I64(mr_npy_save(t, in_folder("a.npy")), MR_OK);
    CHECK_EQ_I64(mr_npy_save(t, in_folder("b.npy")), MR_OK);
    mr_tensor_free(t);
    const mr_array_file files[] = { { .path = in_folder("a.npy") }, { .path = in_folder("b.npy") } };
    mr_dataset *d = mr_arrays_new(files, 2), *s = mr_array_stream_new(&files[0]);
    char text[600], wanted[600];
    check_said_of(d, 84, 42, "a.npy", "row 42");
    check_said_of(s, 84, 42, "a.npy", "row 42");
    CHECK(mr_dataset_origin(d, 7, 1, text, sizeof text) > 0);
    snprintf(wanted, sizeof wanted, "'%s': row 7", in_folder("b.npy"));
    CHECK_EQ_STR(text, wanted);
    mr_dataset_free(d);
    mr_dataset_free(s);

    static const mr_field field = { "i", MR_INT64, { 0 } };
    FILE *file = fopen(in_folder("a.bin"), "wb");
    CHECK(fwrite(values, sizeof *values, 100, file) == 100);
    fclose(file);
    s = mr_records_stream_new(in_folder("a.bin"), &field, 1, NULL);
    check_said_of(s, 84, 42, "a.bin", "record 42");
    mr_dataset_free(s);
    s = mr_tokens_stream_new(in_folder("a.bin"), 3, &(mr_tokens_opts){ .dtype = MR_INT64 });
    check_said_of(s, 84, 14, "a.bin", "window 14");
    mr_dataset_free(s);
    d = mr_tokens_new(in_folder("a.bin"), 3, &(mr_tokens_opts){ .dtype = MR_INT64 });
    check_said_of(d, 84, 14, "a.bin", "window 14");
    mr_dataset_free(d);
}

static mr_status refuse_long(void *user, void *const *in, void *const *out, int64_t index, mr_random *random)
{
    (void)user;
    (void)out;
    (void)index;
    (void)random;
    return ((const mr_ragged *)in[0])->count > 5 ? mr_fail(MR_ERR_FORMAT, "it is too long") : MR_OK;
}

static void test_lines(void)
{
    char wanted[600];
    FILE *file = fopen(in_folder("a.txt"), "w");
    fputs("one\n\nthree\nfour and more\n", file);
    fclose(file);
    mr_dataset *s = mr_lines_stream_new(in_folder("a.txt"), NULL),
               *mapped = mr_map_new(s, refuse_long, NULL, &(mr_map_opts){ .reads = "text" });
    mr_cursor *cursor = mr_stream_open(mapped);
    const mr_batch *b;
    for (int i = 0; i < 3; i++)
        CHECK_EQ_I64(mr_cursor_next(cursor, &b), MR_OK);
    CHECK(mr_cursor_next(cursor, &b) < 0);
    snprintf(wanted, sizeof wanted,
             "cursor_next: sample 3: map: sample 3: '%s': line 4, field 'text': it is too long",
             in_folder("a.txt"));
    CHECK_EQ_STR(mr_error(), wanted);
    mr_cursor_free(cursor);
    mr_dataset_free(mapped);
    mr_dataset_free(s);
}

int main(void)
{
    refuse_begin();
    if (!CHECK(files_begin()))
        return check_report();
    rng = mr_rng_new(1);
    RUN(test_csv);
    RUN(test_csv_shards);
    RUN(test_once);
    RUN(test_cut);
    RUN(test_no_memory);
    RUN(test_jsonl);
    RUN(test_arrays);
    RUN(test_lines);
    mr_rng_free(rng);
    return files_report();
}

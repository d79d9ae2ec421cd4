/* One file read by several: CSV and JSON lines cut into ranges of bytes; pipes and descriptors, which cannot be. */
#include <millrace/sources/csv.h>
#include <millrace/sources/jsonl.h>

#include "check.h"
#include "files.h"
#include "said.h"

#include <fcntl.h>

enum { ROWS = 2000 };

static mr_rng *rng;
static const mr_csv_field row = { .name = "i", .dtype = MR_INT64 };
static const mr_jsonl_field line = { .name = "i", .dtype = MR_INT64 };

static int64_t value(const mr_batch *b, int64_t i)
{
    return ((const int64_t *)mr_tensor_data(b->field[0]))[i];
}

/* Each row once, whatever the shards and workers; a loader that goes on in the middle gives what the first one would have. */
static void check_each_once(mr_dataset *d, int64_t shards, int workers)
{
    static int64_t order[ROWS];
    bool seen[ROWS] = { false };
    const mr_loader_opts opts = { .batch_size = 64, .workers = workers, .shards = shards },
                         other = { .batch_size = 64, .workers = (workers + 1) % 3, .shards = shards };
    mr_loader *loader = mr_loader_new(d, rng, &opts), *second = mr_loader_new(d, rng, &other);
    const mr_batch *b;
    const void *bytes;
    size_t size;
    int64_t rows = 0;
    mr_status s;
    for (int batch = 0; (s = mr_loader_next(loader, &b)) == MR_OK; batch++) {
        for (int64_t i = 0; i < b->rows && rows < ROWS; i++, rows++) {
            order[rows] = value(b, i);
            CHECK(order[rows] >= 0 && order[rows] < ROWS && !seen[order[rows]]);
            seen[order[rows]] = true;
        }
        if (batch == 7) {
            CHECK_EQ_I64(mr_loader_save(loader, &bytes, &size), MR_OK);
            CHECK_EQ_I64(mr_loader_restore(second, bytes, size), MR_OK);
        }
    }
    CHECK_EQ_I64(s, MR_END);
    CHECK_EQ_I64(rows, ROWS);
    rows = 8 * 64;
    while ((s = mr_loader_next(second, &b)) == MR_OK)
        for (int64_t i = 0; i < b->rows && rows < ROWS; i++, rows++)
            CHECK_EQ_I64(value(b, i), order[rows]);
    if (!CHECK_EQ_I64(s, MR_END) || !CHECK_EQ_I64(rows, ROWS))
        printf("    %lld shards: %s\n", (long long)shards, mr_error());
    mr_loader_free(loader);
    mr_loader_free(second);
}

static const char *make(const char *name, const char *header, const char *rows, const char *some)
{
    FILE *file = fopen(in_folder(name), "w");
    CHECK(file != NULL);
    fputs(header, file);
    for (int i = 0; i < ROWS; i++)
        fprintf(file, i % 3 ? rows : some, i);
    fclose(file);
    return in_folder(name);
}

static void check_shards(mr_dataset *d)
{
    static const int64_t shards[] = { 1, 2, 3, 7, 40, 300 };
    for (int i = 0; i < 6; i++)
        check_each_once(d, shards[i], i % 3);
    mr_dataset_free(d);
}

static void test_csv(void)
{
    check_shards(
        mr_csv_stream_new(make("plain.csv", "i,x\n", "%d,1\n", "%d,1000000000000\r\n\n"), &row, 1, NULL));
    check_shards(mr_csv_stream_new(make("bare.csv", "", "%d,1\n", "%d,2\n"),
                                   &(mr_csv_field){ .name = "#0", .dtype = MR_INT64 }, 1,
                                   &(mr_csv_opts){ .no_header = true }));
}

/* Line breaks, delimiters and quotes within quotes: a cut may lie anywhere in them. */
static void test_quoted_lines(void)
{
    check_shards(mr_csv_stream_new(
        make("quoted.csv", "i,x,y\n", "%d,\"one\ntwo\n\n3,4,5\n\",\"\"\n", "%d,\"a \"\"b\"\" \r\n,\",2\n"),
        &row, 1, NULL));
}

/* A quote that is no cell's first character, which a cut may lie on. */
static void test_stray_quotes(void)
{
    check_shards(mr_csv_stream_new(make("stray.csv", "i,x,y\n", "%d,5\" disc,a\"b\"\n", "%d,\"a\n\",\"\"\n"),
                                   &row, 1, NULL));
}

static void test_jsonl(void)
{
    check_shards(mr_jsonl_stream_new(
        make("a.jsonl", "", "{\"i\": %d}\n", "  {\"i\": %d, \"more\": [1, 2, 3, 4]}\r\n\n"), &line, 1, NULL));
}

/* Packed files and pipes have one reader, and the other shards have nothing. */
static void test_packed(void)
{
    char command[600];
    snprintf(command, sizeof command, "gzip -kf '%s'", in_folder("plain.csv"));
    CHECK(system(command) == 0);
    check_shards(mr_csv_stream_new(in_folder("plain.csv.gz"), &row, 1, NULL));
}

static void test_empty_parts(void)
{
    file_put(in_folder("short.csv"), "i\n1\n22", 6);
    mr_dataset *d = mr_csv_stream_new(in_folder("short.csv"), &row, 1, NULL);
    for (int64_t shards = 1; shards < 9; shards++) {
        mr_loader *loader = mr_loader_new(d, rng, &(mr_loader_opts){ .batch_size = 4, .shards = shards });
        const mr_batch *b;
        CHECK_EQ_I64(mr_loader_next(loader, &b), MR_OK);
        CHECK_EQ_I64(b->rows, 2);
        CHECK_EQ_I64(value(b, 0) + value(b, 1), 23);
        CHECK_EQ_I64(mr_loader_next(loader, &b), MR_END);
        mr_loader_free(loader);
    }
    mr_dataset_free(d);
    file_put(in_folder("short.csv"), "i\n", 2);
    d = mr_csv_stream_new(in_folder("short.csv"), &row, 1, NULL);
    mr_loader *loader = mr_loader_new(d, rng, &(mr_loader_opts){ .batch_size = 4, .shards = 3 });
    const mr_batch *b;
    CHECK_EQ_I64(mr_loader_next(loader, &b), MR_END);
    mr_loader_free(loader);
    mr_dataset_free(d);
}

/* ---- faults ---- */

static mr_status count_rows(mr_dataset *d, int64_t shards, int64_t *rows)
{
    mr_loader *loader = mr_loader_new(d, rng, &(mr_loader_opts){ .batch_size = 64, .shards = shards });
    const mr_batch *b;
    mr_status s;
    while ((s = mr_loader_next(loader, &b)) == MR_OK)
        *rows += b->rows;
    mr_loader_free(loader);
    mr_dataset_free(d);
    return s;
}

static mr_status read_all(mr_dataset *d, int64_t shards)
{
    int64_t rows = 0;
    return count_rows(d, shards, &rows);
}

static void test_faults(void)
{
    FILE *file = fopen(in_folder("bad.csv"), "w");
    fputs("i\n", file);
    for (int i = 0; i < 100; i++)
        fputs(i == 80 ? "two\n" : "123\n", file);
    fclose(file);
    CHECK_EQ_I64(read_all(mr_csv_stream_new(in_folder("bad.csv"), &row, 1, NULL), 2), MR_ERR_FORMAT);
    check_said("loader: shard 1: sample 30: counted from byte 202 on: '");
    CHECK_EQ_I64(read_all(mr_csv_stream_new(in_folder("bad.csv"), &row, 1, NULL), 2), MR_ERR_FORMAT);
    check_said("/bad.csv': line 31, column 'i': 'two' is no whole number");

    /* More shards than bytes: the rows are not the first one's. */
    file_put(in_folder("bad.csv"), "i\nx\n", 4);
    CHECK_EQ_I64(read_all(mr_csv_stream_new(in_folder("bad.csv"), &row, 1, NULL), 20), MR_ERR_FORMAT);
    check_said("/bad.csv': line 2, column 'i': 'x' is no whole number");

    /* Text within quotes that looks like rows, as far as one looks: that it is none is found by whoever reads into it. */
    file = fopen(in_folder("odd.csv"), "w");
    fputs("i,x\n1,\"\n", file);
    for (int i = 0; i < 150000; i++)
        fputs("3,4\n", file);
    fputs("\"\n", file);
    fclose(file);
    CHECK_EQ_I64(read_all(mr_csv_stream_new(in_folder("odd.csv"), &row, 1, NULL), 1), MR_END);
    CHECK_EQ_I64(read_all(mr_csv_stream_new(in_folder("odd.csv"), &row, 1, NULL), 2), MR_ERR_FORMAT);
    check_said(
        "/odd.csv': a record from byte 4 on is longer than it seems from its middle, byte 300008: the file "
        "cannot be cut into that many shards");
}

/* One cell over several cuts, the lines of which look like rows from the middle on, but not at its front: whoever finds
 * himself there takes them for rows. The rows are all there once, or the file is refused. */
static void test_long_cell(void)
{
    static const mr_csv_field text = { .name = "text", .dtype = MR_UINT8, .shape = { 1, { -1 } } };
    FILE *file = fopen(in_folder("cell.csv"), "w");
    int refused = 0;
    fputs("text\n", file);
    for (int i = 0; i < 400; i++) {
        const int lines = i == 200 ? 5000 : 12;
        for (int j = 0; j < lines; j++)
            fprintf(file, "%s%s of text number %d%s", j ? "" : "\"",
                    lines > 12 && j < 2000 ? "a line," : "a line", j, j + 1 < lines ? "\n" : "\"\n");
    }
    fclose(file);
    for (int64_t shards = 1; shards < 17; shards++) {
        int64_t rows = 0;
        const mr_status s =
            count_rows(mr_csv_stream_new(in_folder("cell.csv"), &text, 1, NULL), shards, &rows);
        if (s == MR_END)
            CHECK_EQ_I64(rows, 400);
        else
            check_said("the file cannot be cut into that many shards");
        refused += s < 0;
    }
    CHECK(refused > 0 && refused < 16);
}

static void test_changed(void)
{
    mr_dataset *d = mr_csv_stream_new(in_folder("plain.csv"), &row, 1, NULL);
    mr_loader *loader = mr_loader_new(d, rng, &(mr_loader_opts){ .batch_size = 1000 });
    const mr_batch *b;
    const void *bytes;
    size_t size;
    CHECK_EQ_I64(mr_loader_next(loader, &b), MR_OK);
    CHECK_EQ_I64(mr_loader_save(loader, &bytes, &size), MR_OK);
    file_put(in_folder("plain.csv"), "i,x\n1,2\n", 8);
    mr_dataset *shorter = mr_csv_stream_new(in_folder("plain.csv"), &row, 1, NULL);
    mr_loader *second = mr_loader_new(shorter, rng, &(mr_loader_opts){ .batch_size = 1000 });
    CHECK_EQ_I64(mr_loader_restore(second, bytes, size), MR_OK);
    CHECK_EQ_I64(mr_loader_next(second, &b), MR_ERR_STATE);
    check_said("/plain.csv' has changed since it was read up to byte ");
    mr_loader_free(loader);
    mr_loader_free(second);
    mr_dataset_free(d);
    mr_dataset_free(shorter);
}

/* ---- a file that tells nothing of having changed ---- */

static const char *text;

static void *text_open(void *self, const char *name, mr_file_facts *facts)
{
    (void)self;
    (void)name;
    facts->size = (int64_t)strlen(text);
    return calloc(1, sizeof(int64_t));
}

static int64_t text_read(void *file, void *bytes, size_t size)
{
    int64_t *at = file;
    const size_t left = strlen(text) - (size_t)*at, n = size < left ? size : left;
    memcpy(bytes, text + *at, n);
    *at += (int64_t)n;
    return (int64_t)n;
}

static mr_status text_seek(void *file, int64_t offset)
{
    *(int64_t *)file = offset;
    return MR_OK;
}

/* Where the rows are others, so that the parts of the shards are, too: a place outside of a part is none of it. */
static void test_place_of_another_part(void)
{
    static const mr_storage_vtable vtable = {
        .open = text_open, .read = text_read, .close = free, .seek = text_seek
    };
    mr_storage *storage = mr_storage_new(&vtable, NULL, 0);
    const mr_loader_opts opts = { .batch_size = 1, .shards = 2 };
    const mr_batch *b;
    const void *bytes;
    size_t size;
    text = "{\"i\":1}\n{\"i\":2}\n{\"i\":3}\n{\"i\":4}\n";
    mr_dataset *d = mr_jsonl_stream_new("x", &line, 1, &(mr_jsonl_opts){ .storage = storage });
    mr_loader *first = mr_loader_new(d, rng, &opts), *second = mr_loader_new(d, rng, &opts);
    CHECK_EQ_I64(mr_loader_next(first, &b), MR_OK);
    CHECK_EQ_I64(mr_loader_next(first, &b), MR_OK);
    CHECK_EQ_I64(value(b, 0), 3);
    CHECK_EQ_I64(mr_loader_save(first, &bytes, &size), MR_OK);
    text = "{\"i\":1}\n{\"i\":2                }\n";
    CHECK_EQ_I64(mr_loader_restore(second, bytes, size), MR_OK);
    CHECK_EQ_I64(mr_loader_next(second, &b), MR_OK);
    CHECK_EQ_I64(mr_loader_next(second, &b), MR_ERR_STATE);
    check_said("'x' has nothing at byte 24 for this shard: it has changed");
    mr_loader_free(first);
    mr_loader_free(second);
    mr_dataset_free(d);
    mr_storage_free(storage);
}

/* ---- a pipe that is open already ---- */

static void test_descriptor(void)
{
    int ends[2];
    CHECK(pipe(ends) == 0);
    CHECK(write(ends[1], "i\n0\n1\n2\n3\n", 10) == 10);
    close(ends[1]);
    mr_storage *storage = mr_storage_from_fd(ends[0]);
    mr_dataset *d = mr_csv_stream_new("sensor", &row, 1, &(mr_csv_opts){ .storage = storage });
    mr_storage_free(storage);
    mr_loader *loader = mr_loader_new(d, rng, &(mr_loader_opts){ .batch_size = 2, .shards = 2 });
    const mr_batch *b;
    const void *bytes;
    size_t size;
    CHECK_EQ_I64(mr_loader_next(loader, &b), MR_OK);
    CHECK_EQ_I64(value(b, 1), 1);
    CHECK_EQ_I64(mr_loader_save(loader, &bytes, &size), MR_OK);

    int again[2];
    CHECK(pipe(again) == 0);
    CHECK(write(again[1], "i\n0\n1\n2\n3\n", 10) == 10);
    close(again[1]);
    storage = mr_storage_from_fd(again[0]);
    mr_dataset *other = mr_csv_stream_new("sensor", &row, 1, &(mr_csv_opts){ .storage = storage });
    mr_storage_free(storage);
    mr_loader *second = mr_loader_new(other, rng, &(mr_loader_opts){ .batch_size = 2, .shards = 2 });
    CHECK_EQ_I64(mr_loader_restore(second, bytes, size), MR_OK);
    CHECK_EQ_I64(mr_loader_next(second, &b), MR_ERR_STATE);
    check_said("'sensor' is read once, from front to back: it cannot go from byte 2 to 6");

    CHECK_EQ_I64(mr_loader_next(loader, &b), MR_OK);
    CHECK_EQ_I64(value(b, 1), 3);
    CHECK_EQ_I64(mr_loader_next(loader, &b), MR_END);
    CHECK_EQ_I64(mr_loader_next(loader, &b), MR_ERR_STATE);
    check_said("'sensor' can be read once only");
    mr_loader_free(loader);
    mr_loader_free(second);
    mr_dataset_free(d);
    mr_dataset_free(other);
    close(ends[0]);
    close(again[0]);
}

/* Lines come out of a pipe as they went into it. */
static void test_lines_of_a_pipe(void)
{
    int ends[2];
    CHECK(pipe(ends) == 0);
    CHECK(write(ends[1], "{\"i\": 0}\n{\"i\": 1}\n", 18) == 18);
    close(ends[1]);
    mr_storage *storage = mr_storage_from_fd(ends[0]);
    mr_dataset *d = mr_jsonl_stream_new("sensor", &line, 1, &(mr_jsonl_opts){ .storage = storage });
    mr_storage_free(storage);
    mr_loader *loader = mr_loader_new(d, rng, &(mr_loader_opts){ .batch_size = 2 });
    const mr_batch *b;
    CHECK_EQ_I64(mr_loader_next(loader, &b), MR_OK);
    CHECK_EQ_I64(value(b, 1), 1);
    CHECK_EQ_I64(mr_loader_next(loader, &b), MR_END);
    mr_loader_free(loader);
    mr_dataset_free(d);
    close(ends[0]);
}

/* By row, of a descriptor: all of it is read, or mapped if it is a file. */
static void test_descriptor_by_row(void)
{
    int ends[2];
    CHECK(pipe(ends) == 0);
    CHECK(write(ends[1], "{\"i\": 5}\n{\"i\": 6}\n", 18) == 18);
    close(ends[1]);
    mr_storage *storage = mr_storage_from_fd(ends[0]);
    mr_dataset *d = mr_jsonl_new("sensor", &line, 1, &(mr_jsonl_opts){ .storage = storage });
    mr_storage_free(storage);
    CHECK_EQ_I64(mr_dataset_len(d), 2);
    mr_batch *b = mr_dataset_get(d, 1);
    CHECK_EQ_I64(value(b, 0), 6);
    mr_batch_free(b);
    mr_dataset_free(d);
    close(ends[0]);

    int fd = open(in_folder("quoted.csv"), O_RDONLY);
    storage = mr_storage_from_fd(fd);
    d = mr_csv_new("rows", &row, 1, &(mr_csv_opts){ .storage = storage });
    close(fd);
    mr_storage_free(storage);
    CHECK_EQ_I64(mr_dataset_len(d), ROWS);
    b = mr_dataset_get(d, 1234);
    CHECK_EQ_I64(value(b, 0), 1234);
    mr_batch_free(b);
    mr_dataset_free(d);
}

int main(void)
{
    if (!files_begin())
        return 1;
    rng = mr_rng_new(1);
    RUN(test_csv);
    RUN(test_quoted_lines);
    RUN(test_stray_quotes);
    RUN(test_jsonl);
    RUN(test_packed);
    RUN(test_empty_parts);
    RUN(test_faults);
    RUN(test_long_cell);
    RUN(test_changed);
    RUN(test_place_of_another_part);
    RUN(test_descriptor);
    RUN(test_lines_of_a_pipe);
    RUN(test_descriptor_by_row);
    mr_rng_free(rng);
    return files_report();
}

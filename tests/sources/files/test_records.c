/* Streams of records of one size, lines, windows of tokens and rows of arrays: of files, shared out, and of pipes. */
#include <millrace/millrace.h>
#include <millrace/sources/arrays.h>
#include <millrace/sources/records.h>

#include "check.h"
#include "files.h"
#include "refuse.h"
#include "said.h"

#include <pthread.h>

enum { ROWS = 1000 };

static mr_rng *rng;

/* ---- what all have in common ---- */

typedef int64_t (*number_of)(const mr_batch *batch, int64_t row); /* of a sample, which is its place */

/* Each sample once and in order within its shard, with any shards and workers; and a loader that goes on in the middle. */
static void check_stream(mr_dataset *d, number_of number, int64_t samples)
{
    static int64_t order[2 * ROWS];
    static const int64_t shards[] = { 1, 2, 7, 600 };
    if (!CHECK(d != NULL)) {
        printf("    %s\n", mr_error());
        return;
    }
    for (int k = 0; k < 4; k++) {
        bool seen[2 * ROWS] = { false };
        mr_loader *first = mr_loader_new(
                      d, rng, &(mr_loader_opts){ .batch_size = 32, .shards = shards[k], .workers = k % 3 }),
                  *second = mr_loader_new(
                      d, rng,
                      &(mr_loader_opts){ .batch_size = 32, .shards = shards[k], .workers = (k + 1) % 3 });
        const mr_batch *b;
        const void *bytes;
        size_t size;
        int64_t rows = 0, at = -1;
        while (mr_loader_next(first, &b) == MR_OK) {
            for (int64_t i = 0; i < b->rows; i++, rows++) {
                order[rows] = number(b, i);
                if (CHECK(order[rows] >= 0 && order[rows] < samples && !seen[order[rows]]))
                    seen[order[rows]] = true;
                CHECK(shards[k] > 1 || order[rows] == rows);
            }
            if (at < 0 && rows > samples / 2) {
                at = rows;
                CHECK_EQ_I64(mr_loader_save(first, &bytes, &size), MR_OK);
                CHECK_EQ_I64(mr_loader_restore(second, bytes, size), MR_OK);
            }
        }
        CHECK_EQ_I64(rows, samples);
        while (mr_loader_next(second, &b) == MR_OK)
            for (int64_t i = 0; i < b->rows && at < samples; i++, at++)
                CHECK_EQ_I64(number(b, i), order[at]);
        if (!CHECK_EQ_I64(at, samples))
            printf("    %s\n", mr_error());
        mr_error_clear();
        mr_loader_free(first);
        mr_loader_free(second);
    }
    mr_dataset_free(d);
}

static const char *pack(const char *name)
{
    static char packed[300];
    char command[600];
    snprintf(packed, sizeof packed, "%s.gz", in_folder(name));
    snprintf(command, sizeof command, "gzip -kf '%s'", in_folder(name));
    CHECK(system(command) == 0);
    return packed;
}

/* A pipe with a file's bytes in it, which somebody writes. */
typedef struct piped {
    int ends[2];
    pthread_t writer;
    const char *path;
} piped;

static void *write_file(void *user)
{
    const piped *p = user;
    char bytes[4096];
    FILE *file = fopen(p->path, "rb");
    for (size_t n; file && (n = fread(bytes, 1, sizeof bytes, file)) > 0;)
        if (write(p->ends[1], bytes, n) != (ssize_t)n)
            break;
    fclose(file);
    close(p->ends[1]);
    return NULL;
}

static mr_storage *pipe_open(piped *p, const char *path)
{
    p->path = path;
    CHECK(pipe(p->ends) == 0);
    CHECK(pthread_create(&p->writer, NULL, write_file, p) == 0);
    return mr_storage_from_fd(p->ends[0]);
}

static void pipe_close(piped *p)
{
    pthread_join(p->writer, NULL);
    close(p->ends[0]);
}

/* Goes through a stream of a pipe, and then finds that nobody can go on in it. */
static void check_piped(mr_dataset *d, number_of number, int64_t samples)
{
    mr_loader *loader = mr_loader_new(d, rng, &(mr_loader_opts){ .batch_size = 10, .shards = 3 });
    const mr_batch *b;
    const void *bytes;
    size_t size;
    int64_t rows = 0;
    mr_status s = MR_ERR_STATE;
    while (loader && (s = mr_loader_next(loader, &b)) == MR_OK)
        for (int64_t i = 0; i < b->rows; i++, rows++) {
            CHECK_EQ_I64(number(b, i), rows);
            if (rows == 9)
                CHECK_EQ_I64(mr_loader_save(loader, &bytes, &size), MR_OK);
        }
    if (!CHECK_EQ_I64(s, MR_END) || !CHECK_EQ_I64(rows, samples))
        printf("    %s\n", mr_error());
    CHECK_EQ_I64(mr_loader_next(loader, &b), MR_ERR_STATE);
    check_said("'sensor' can be read once only");
    mr_loader_free(loader);
    mr_dataset_free(d);
}

/* ---- records ---- */

static const mr_field fields[] = { { "n", MR_INT32, { 0 } },
                                   { "x", MR_FLOAT32, { 1, { 2 } } },
                                   { "ok", MR_BOOL, { 0 } } };

#pragma pack(push, 1)
typedef struct record {
    int32_t n;
    float x[2];
    unsigned char ok;
} record;
#pragma pack(pop)

static int64_t record_number(const mr_batch *b, int64_t row)
{
    const int32_t *n = mr_tensor_data(b->field[0]);
    const float *x = mr_tensor_data(b->field[1]);
    CHECK(x[2 * row] == (float)n[row] / 2 && x[2 * row + 1] == -(float)n[row]);
    CHECK_EQ_I64(((const unsigned char *)mr_tensor_data(b->field[2]))[row], n[row] % 3 != 0);
    return n[row];
}

static const char *put_records(size_t head, size_t tail)
{
    static const char zeros[64];
    FILE *file = fopen(in_folder("records"), "wb");
    fwrite(zeros, 1, head, file);
    for (int i = 0; i < ROWS; i++) {
        const record r = { i, { (float)i / 2, (float)-i }, (unsigned char)(i % 3) };
        fwrite(&r, sizeof r, 1, file);
    }
    fwrite(zeros, 1, tail, file);
    fclose(file);
    return in_folder("records");
}

static void test_records(void)
{
    mr_dataset *d = mr_records_stream_new(put_records(0, 0), fields, 3, NULL);
    CHECK_EQ_I64(mr_dataset_len(d), ROWS);
    check_stream(d, record_number, ROWS);
    d = mr_records_stream_new(put_records(7, 0), fields, 3, &(mr_records_opts){ .skip = 7 });
    check_stream(d, record_number, ROWS);
    d = mr_records_stream_new(pack("records"), fields, 3, &(mr_records_opts){ .skip = 7 });
    CHECK_EQ_I64(mr_dataset_len(d), -1);
    check_stream(d, record_number, ROWS);

    piped p;
    mr_storage *storage = pipe_open(&p, in_folder("records"));
    check_piped(
        mr_records_stream_new("sensor", fields, 3, &(mr_records_opts){ .skip = 7, .storage = storage }),
        record_number, ROWS);
    mr_storage_free(storage);
    pipe_close(&p);

    d = mr_records_stream_new(put_records(0, 0), fields, 3, NULL);
    file_put(in_folder("records"), "", 0);
    mr_dataset_free(d);
    d = mr_records_stream_new(in_folder("records"), fields, 3, NULL);
    CHECK_EQ_I64(mr_dataset_len(d), 0);
    mr_dataset_free(d);
}

static mr_status last_status(mr_dataset *d)
{
    mr_cursor *cursor = mr_stream_open(d);
    const mr_batch *b;
    mr_status s = cursor ? MR_OK : mr_error_status();
    while (s == MR_OK)
        s = mr_cursor_next(cursor, &b);
    mr_cursor_free(cursor);
    mr_dataset_free(d);
    return s;
}

static void test_record_faults(void)
{
    CHECK(!mr_records_stream_new(put_records(0, 5), fields, 3, NULL));
    check_said(
        "/records': 13005 bytes, of which 0 are skipped, are no whole number of 13 bytes for each record");
    CHECK(!mr_records_stream_new(in_folder("records"), fields, 3, &(mr_records_opts){ .skip = 20000 }));
    check_said("/records': 13005 bytes, of which 20000 are skipped, are no whole number of 13 bytes for each "
               "record");
    CHECK_EQ_I64(last_status(mr_records_stream_new(pack("records"), fields, 3, NULL)), MR_ERR_FORMAT);
    check_said("/records.gz' ends within record 1000: 5 bytes of 13");
    CHECK(!mr_records_stream_new(NULL, fields, 3, NULL));
    check_said("records_stream_new: path is NULL");
    CHECK(!mr_records_stream_new("a", fields, 0, NULL));
    check_said("records_stream_new: no fields are named, and a file does not say what records have: { .name "
               "= \"x\" } "
               "is a field of one float32");
    CHECK(!mr_records_stream_new("a", fields, 3, &(mr_records_opts){ .skip = -1 }));
    check_said("records_stream_new: skip is negative");
    CHECK(!mr_records_stream_new("a", &(mr_field){ "x", MR_UINT8, { 1, { -1 } } }, 1, NULL));
    check_said("records_stream_new: field 'x': its size is not fixed, or too large");
    CHECK(!mr_records_stream_new("a", &(mr_field){ "x", MR_UINT8, { 1, { 0 } } }, 1, NULL));
    check_said("records_stream_new: a record of 0 bytes: it has 1 to 1073741824");
    CHECK(!mr_records_stream_new("a", &(mr_field){ "x", MR_UINT8, { 2, { 1 << 20, 1 << 20 } } }, 1, NULL));
    check_said("records_stream_new: a record of 1099511627776 bytes");
    CHECK(!mr_records_stream_new("/nowhere/a", fields, 3, NULL));
    check_said("cannot open '/nowhere/a'");

    /* A file that has become another since. */
    mr_dataset *d = mr_records_stream_new(put_records(0, 0), fields, 3, NULL);
    mr_loader *loader = mr_loader_new(d, rng, &(mr_loader_opts){ .batch_size = 900 });
    const mr_batch *b;
    const void *bytes;
    size_t size;
    CHECK_EQ_I64(mr_loader_next(loader, &b), MR_OK);
    CHECK_EQ_I64(mr_loader_save(loader, &bytes, &size), MR_OK);
    file_put(in_folder("records"), "0123456789abc", 13);
    mr_dataset *other = mr_array_stream_new(&(mr_array_file){ .path = in_folder("records") });
    CHECK(!other);
    check_said("/records' is neither an NPY nor an IDX file");
    other = mr_records_stream_new(in_folder("records"), fields, 3, NULL);
    mr_loader *second = mr_loader_new(other, rng, &(mr_loader_opts){ .batch_size = 900 });
    CHECK_EQ_I64(mr_loader_restore(second, bytes, size), MR_ERR_ARGUMENT); /* the length is another */
    check_said("loader_restore: the state has samples: 1000, the loader 1");
    mr_loader_free(loader);
    mr_loader_free(second);
    mr_dataset_free(d);
    mr_dataset_free(other);
}

/* ---- lines ---- */

static int64_t line_number(const mr_batch *b, int64_t row)
{
    const int64_t *offset = mr_tensor_data(b->field[1]);
    char text[64] = "";
    const int64_t length = offset[row + 1] - offset[row];
    CHECK(length < (int64_t)sizeof text);
    memcpy(text, (const char *)mr_tensor_data(b->field[0]) + offset[row], (size_t)length);
    int number = -1, end = 0;
    CHECK(sscanf(text, "line %d%n", &number, &end) == 1 && end == length);
    return number;
}

static void test_lines(void)
{
    FILE *file = fopen(in_folder("lines"), "w");
    for (int i = 0; i < ROWS; i++)
        fprintf(file, "line %d%s", i, i == ROWS - 1 ? "" : i % 3 ? "\n" : "\r\n");
    fclose(file);
    check_stream(mr_lines_stream_new(in_folder("lines"), NULL), line_number, ROWS);
    check_stream(mr_lines_stream_new(pack("lines"), NULL), line_number, ROWS);
    piped p;
    mr_storage *storage = pipe_open(&p, in_folder("lines"));
    check_piped(mr_lines_stream_new("sensor", &(mr_lines_opts){ .storage = storage }), line_number, ROWS);
    mr_storage_free(storage);
    pipe_close(&p);

    file_put(in_folder("lines"), "\n\nabc\n\n", 7);
    mr_dataset *d = mr_lines_stream_new(in_folder("lines"), NULL);
    mr_cursor *cursor = mr_stream_open(d);
    const mr_batch *b;
    static const int64_t lengths[] = { 0, 0, 3, 0 };
    for (int i = 0; i < 4; i++) {
        CHECK_EQ_I64(mr_cursor_next(cursor, &b), MR_OK);
        CHECK_EQ_I64(mr_tensor_numel(b->field[0]), lengths[i]);
    }
    CHECK_EQ_I64(mr_cursor_next(cursor, &b), MR_END);
    mr_cursor_free(cursor);
    mr_dataset_free(d);
    CHECK(!mr_lines_stream_new(NULL, NULL));
    check_said("lines_stream_new: path is NULL");
    CHECK(!mr_lines_stream_new("/nowhere/a", NULL));
    check_said("cannot open '/nowhere/a'");
}

/* ---- tokens ---- */

static int64_t window_number(const mr_batch *b, int64_t row)
{
    const int64_t *x = (const int64_t *)mr_tensor_data(b->field[0]) + 5 * row,
                  *y = (const int64_t *)mr_tensor_data(b->field[1]) + 5 * row;
    for (int i = 0; i < 5; i++) {
        CHECK(i == 0 || x[i] == x[i - 1] + 1);
        CHECK_EQ_I64(y[i], x[i] + 1);
    }
    return x[0];
}

static int64_t window_number_by_5(const mr_batch *b, int64_t row)
{
    return window_number(b, row) / 5;
}

static int64_t window_number_by_9(const mr_batch *b, int64_t row)
{
    return window_number(b, row) / 9;
}

static int64_t window_number_by_400(const mr_batch *b, int64_t row)
{
    return window_number(b, row) / 400;
}

static void test_tokens(void)
{
    uint16_t tokens[ROWS];
    for (int i = 0; i < ROWS; i++)
        tokens[i] = (uint16_t)i;
    file_put(in_folder("tokens"), tokens, sizeof tokens);
    const char *path = in_folder("tokens");
    mr_dataset *by_index = mr_tokens_new(path, 5, NULL), *d = mr_tokens_stream_new(path, 5, NULL);
    CHECK_EQ_I64(mr_dataset_len(d), mr_dataset_len(by_index));
    CHECK_EQ_I64(mr_dataset_len(d), 199);
    mr_dataset_free(by_index);
    check_stream(d, window_number_by_5, 199);
    check_stream(mr_tokens_stream_new(path, 5, &(mr_tokens_opts){ .stride = 1 }), window_number, 995);
    check_stream(mr_tokens_stream_new(path, 5, &(mr_tokens_opts){ .stride = 9 }), window_number_by_9, 111);
    check_stream(mr_tokens_stream_new(path, 5, &(mr_tokens_opts){ .stride = 400 }), window_number_by_400, 3);
    check_stream(mr_tokens_stream_new(pack("tokens"), 5, &(mr_tokens_opts){ .stride = 9 }),
                 window_number_by_9, 111);
    piped p;
    mr_storage *storage = pipe_open(&p, path);
    check_piped(mr_tokens_stream_new("sensor", 5, &(mr_tokens_opts){ .stride = 9, .storage = storage }),
                window_number_by_9, 111);
    mr_storage_free(storage);
    pipe_close(&p);

    CHECK(!mr_tokens_stream_new(path, 0, NULL));
    check_said("tokens_stream_new: length 0, stride 0, skip 0: a window has 1 to 536870911 tokens");
    CHECK(!mr_tokens_stream_new(path, 5, &(mr_tokens_opts){ .stride = -1 }));
    check_said("tokens_stream_new: length 5, stride -1, skip 0");
    CHECK(!mr_tokens_stream_new(path, 5, &(mr_tokens_opts){ .dtype = MR_FLOAT64 }));
    check_said("tokens_stream_new: tokens of type float64, not uint8, uint16, int32 or int64");
    CHECK(!mr_tokens_stream_new(NULL, 5, NULL));
    check_said("tokens_stream_new: path is NULL");
    CHECK(!mr_tokens_stream_new(path, 5, &(mr_tokens_opts){ .skip = 1 }));
    check_said(
        "/tokens': 2000 bytes, of which 1 are skipped, are no whole number of 2 bytes for each window");
}

/* ---- arrays ---- */

static int64_t array_number(const mr_batch *b, int64_t row)
{
    const float *x = (const float *)mr_tensor_data(b->field[0]) + 6 * row;
    for (int i = 1; i < 6; i++)
        CHECK(x[i] == x[0] + (float)i);
    return (int64_t)x[0] / 6;
}

static void test_arrays(void)
{
    mr_tensor *flat = mr_tensor_arange(MR_FLOAT32, 0, 6 * ROWS, 1),
              *x = mr_tensor_wrap(MR_FLOAT32, MR_SHAPE(ROWS, 2, 3), mr_tensor_data(flat));
    CHECK_EQ_I64(mr_npy_save(x, in_folder("x.npy")), MR_OK);
    mr_tensor_free(x);
    mr_tensor_free(flat);
    const mr_array_file file = { .path = in_folder("x.npy") };
    mr_dataset *d = mr_array_stream_new(&file);
    CHECK_EQ_I64(mr_dataset_len(d), ROWS);
    CHECK_EQ_STR(mr_dataset_fields(d)[0].name, "x");
    CHECK_EQ_I64(mr_dataset_fields(d)[0].shape.ndim, 2);
    check_stream(d, array_number, ROWS);
    check_stream(mr_array_stream_new(&(mr_array_file){ .path = pack("x.npy"), .name = "y" }), array_number,
                 ROWS);
    piped p;
    mr_storage *storage = pipe_open(&p, in_folder("x.npy"));
    check_piped(mr_array_stream_new(&(mr_array_file){ .path = "sensor", .storage = storage }), array_number,
                ROWS);
    mr_storage_free(storage);
    pipe_close(&p);
}

static int64_t no_number(const mr_batch *b)
{
    CHECK_EQ_I64(mr_tensor_numel(b->field[0]), 0);
    return 0;
}

/* Rows without elements, in any number of shards, and where it goes on; packed and from a pipe as well. */
static void test_empty_rows(void)
{
    mr_tensor *none = mr_tensor_zeros(MR_FLOAT32, MR_SHAPE(50, 2, 0));
    CHECK_EQ_I64(mr_npy_save(none, in_folder("none.npy")), MR_OK);
    mr_tensor_free(none);
    const mr_array_file file = { .path = in_folder("none.npy") };
    for (int from = 0; from < 3; from++) {
        piped p;
        mr_storage *storage = from == 2 ? pipe_open(&p, in_folder("none.npy")) : NULL;
        mr_dataset *d = mr_array_stream_new(
            from == 0   ? &file
            : from == 1 ? &(mr_array_file){ .path = pack("none.npy") }
                        : &(mr_array_file){ .path = "sensor", .name = "none", .storage = storage });
        if (!CHECK(d != NULL)) {
            printf("    %s\n", mr_error());
            return;
        }
        CHECK_EQ_I64(mr_dataset_len(d), 50);
        CHECK_EQ_STR(mr_dataset_fields(d)[0].name, "none");
        CHECK(mr_dataset_fields(d)[0].shape.ndim == 2 && mr_dataset_fields(d)[0].shape.dim[1] == 0);
        const mr_loader_opts opts = { .batch_size = 7, .workers = 2, .shards = 4 };
        mr_loader *first = mr_loader_new(d, rng, &opts), *second = mr_loader_new(d, rng, &opts);
        const mr_batch *b;
        const void *state;
        size_t size;
        int64_t rows = 0;
        mr_status s = MR_OK;
        for (int i = 0; i < 3 && (s = mr_loader_next(first, &b)) == MR_OK; i++)
            rows += b->rows + no_number(b);
        CHECK_EQ_I64(mr_loader_save(first, &state, &size), MR_OK);
        CHECK_EQ_I64(mr_loader_restore(second, state, size), MR_OK);
        while ((s = mr_loader_next(second, &b)) == MR_OK)
            rows += b->rows + no_number(b);
        if (!CHECK_EQ_I64(s, MR_END))
            printf("    %s\n", mr_error());
        CHECK_EQ_I64(rows, 50);
        mr_loader_free(first);
        mr_loader_free(second);
        mr_dataset_free(d);
        mr_storage_free(storage);
        if (from == 2)
            pipe_close(&p);
    }
    char command[600];
    snprintf(command, sizeof command, "printf xyz >>'%s'", file.path);
    CHECK(system(command) == 0);
    CHECK(!mr_array_stream_new(&file));
    check_said("/none.npy' should have 0 bytes of elements, 3 are there");
}

static void test_array_faults(void)
{
    char command[600];
    snprintf(command, sizeof command, "head -c 5000 '%s' >'%s' && gzip -kf '%s'", in_folder("x.npy"),
             in_folder("cut.npy"), in_folder("cut.npy"));
    CHECK(system(command) == 0);
    CHECK(!mr_array_stream_new(&(mr_array_file){ .path = in_folder("cut.npy") }));
    check_said("/cut.npy' should have 1000 rows, 203 are there");
    CHECK_EQ_I64(last_status(mr_array_stream_new(&(mr_array_file){ .path = in_folder("cut.npy.gz") })),
                 MR_ERR_FORMAT);
    check_said("/cut.npy.gz' ends before row 203 of 1000");
    CHECK(!mr_array_stream_new(&(mr_array_file){ .path = MR_TEST_DATA "/arrays/complex.npy" }));
    check_said("/complex.npy': elements of type '<c8', which Millrace has not");
    CHECK_EQ_I64(
        last_status(mr_array_stream_new(&(mr_array_file){ .path = MR_TEST_DATA "/arrays/too_large.npy" })),
        MR_ERR_FORMAT);
    check_said("/too_large.npy': row 1: element 0 is 9223372036854775808, more than an int64 holds");
    CHECK(!mr_array_stream_new(NULL));
    check_said("array_stream_new: file is NULL");
    CHECK(!mr_array_stream_new(&(mr_array_file){ .name = "x" }));
    check_said("array_stream_new: the file has no path");
    static const char scalar[] =
        "\x93NUMPY\1\0\x3a\0{'descr': '<f4', 'fortran_order': False, 'shape': (), }   \n\0\0\x80\x3f";
    file_put(in_folder("scalar.npy"), scalar, sizeof scalar - 1);
    CHECK(!mr_array_stream_new(&(mr_array_file){ .path = in_folder("scalar.npy") }));
    check_said("array_stream_new: '");
}

/* ---- memory runs out ---- */

static double sum_program(mr_status *status)
{
    double sum = 0;
    for (int i = 0; i < 4 && *status == MR_OK; i++) {
        mr_dataset *d = i == 0   ? mr_records_stream_new(in_folder("records"), fields, 3, NULL)
                        : i == 1 ? mr_lines_stream_new(in_folder("lines"), NULL)
                        : i == 2 ? mr_tokens_stream_new(in_folder("tokens"), 5, NULL)
                                 : mr_array_stream_new(&(mr_array_file){ .path = in_folder("x.npy") });
        mr_cursor *cursor = mr_stream_open(d);
        const mr_batch *b;
        while ((*status = mr_cursor_next(cursor, &b)) == MR_OK)
            sum += (double)mr_tensor_numel(b->field[0]);
        *status = *status == MR_END ? MR_OK : *status;
        mr_cursor_free(cursor);
        mr_dataset_free(d);
    }
    return sum;
}

static void test_out_of_memory(void)
{
    put_records(0, 0);
    refuse_begin();
    refuse_each("streams of records", sum_program, 20);
    refuse_end();
}

int main(void)
{
    if (!files_begin())
        return 1;
    rng = mr_rng_new(1);
    RUN(test_records);
    RUN(test_record_faults);
    RUN(test_lines);
    RUN(test_tokens);
    RUN(test_arrays);
    RUN(test_empty_rows);
    RUN(test_array_faults);
    RUN(test_out_of_memory);
    mr_rng_free(rng);
    return files_report();
}

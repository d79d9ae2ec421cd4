/* Streams of files that break off, where bad samples are left out: what is before the damage is given, and the damage
 * counts as one. */
#include <millrace/millrace.h>
#include <millrace/sources/arrays.h>
#include <millrace/sources/csv.h>
#include <millrace/sources/jsonl.h>
#include <millrace/sources/records.h>

#include "check.h"
#include "files.h"
#include "row_checks.h"

enum { ROWS = 20000 };

static mr_rng *rng;

typedef struct kind {
    const char *name;
    void (*put)(FILE *file, int row);
    mr_dataset *(*open)(const char *path, mr_storage *storage);
} kind;

static int mixed(int row)
{
    return (int)((unsigned)row * 2654435761u >> 12);
}

static void put_text(FILE *file, int row)
{
    fprintf(file, "%d,%d\n", row, mixed(row));
}

static mr_dataset *open_csv(const char *path, mr_storage *storage)
{
    return mr_csv_stream_new(path, &(mr_csv_field){ .name = "#0", .dtype = MR_INT64 }, 1,
                             &(mr_csv_opts){ .no_header = true, .storage = storage });
}

static mr_dataset *open_lines(const char *path, mr_storage *storage)
{
    return mr_lines_stream_new(path, &(mr_lines_opts){ .storage = storage });
}

static void put_json(FILE *file, int row)
{
    fprintf(file, "{\"i\": %d, \"more\": %d}\n", row, mixed(row));
}

static mr_dataset *open_json(const char *path, mr_storage *storage)
{
    return mr_jsonl_stream_new(path, &(mr_jsonl_field){ .name = "i", .dtype = MR_INT64 }, 1,
                               &(mr_jsonl_opts){ .storage = storage });
}

static void put_number(FILE *file, int row)
{
    const int64_t numbers[] = { row, mixed(row) };
    fwrite(numbers, sizeof numbers, 1, file);
}

static mr_dataset *open_records(const char *path, mr_storage *storage)
{
    const mr_field fields[] = { { "i", MR_INT64, { 0 } }, { "x", MR_INT64, { 0 } } };
    return mr_records_stream_new(path, fields, 2, &(mr_records_opts){ .storage = storage });
}

static mr_dataset *open_tokens(const char *path, mr_storage *storage)
{
    return mr_tokens_stream_new(path, 4, &(mr_tokens_opts){ .dtype = MR_INT64, .storage = storage });
}

static mr_dataset *open_array(const char *path, mr_storage *storage)
{
    return mr_array_stream_new(&(mr_array_file){ .path = path, .storage = storage });
}

static void put_array(FILE *file, int row)
{
    static const char head[] = "{'descr': '<i8', 'fortran_order': False, 'shape': (20000, 2), }";
    if (row == 0)
        fprintf(file, "\x93NUMPY\x01%c\x76%c%-117s\n", 0, 0, head);
    const int64_t numbers[] = { row, mixed(row) };
    fwrite(numbers, sizeof numbers, 1, file);
}

static const kind kinds[] = {
    { "a.csv", put_text, open_csv },         { "a.txt", put_text, open_lines },
    { "a.jsonl", put_json, open_json },      { "a.bin", put_number, open_records },
    { "a.tokens", put_number, open_tokens }, { "a.npy", put_array, open_array },
};
enum { KINDS = sizeof kinds / sizeof *kinds };

/* Makes NAME, and NAME.gz of which the last third is missing. */
static void make(const kind *k)
{
    char path[300], command[700];
    struct stat about;
    snprintf(path, sizeof path, "%s", in_folder(k->name));
    FILE *file = fopen(path, "wb");
    for (int i = 0; i < ROWS; i++)
        k->put(file, i);
    fclose(file);
    snprintf(command, sizeof command, "gzip -kfn '%s'", path);
    CHECK(system(command) == 0);
    strcat(path, ".gz");
    CHECK(stat(path, &about) == 0 && truncate(path, about.st_size * 2 / 3) == 0);
}

/* Samples before the first failure. */
static int64_t samples_before(mr_dataset *d)
{
    mr_cursor *cursor = mr_stream_open(d);
    const mr_batch *b;
    int64_t samples = 0;
    mr_status s;
    while ((s = mr_cursor_next(cursor, &b)) == MR_OK)
        samples++;
    CHECK(s < 0);
    mr_error_clear();
    mr_cursor_free(cursor);
    return samples;
}

static void check_broken(const kind *k, const char *path, mr_storage *storage, const char *wanted)
{
    mr_dataset *d = k->open(path, storage);
    if (!CHECK(d != NULL)) {
        printf("    %s: %s\n", k->name, mr_error());
        return;
    }
    const int64_t before = samples_before(d);
    CHECK(before > 100 && before < ROWS * 2 / 3 + 1000);
    for (int workers = 0; workers < 3; workers++)
        check_breaks_off(d, workers, before, wanted);
    mr_dataset_free(d);
}

static void test_packed(void)
{
    for (int i = 0; i < KINDS; i++) {
        char path[300];
        make(&kinds[i]);
        snprintf(path, sizeof path, "%s.gz", in_folder(kinds[i].name));
        check_broken(&kinds[i], path, NULL, ".gz': the packed bytes end in the middle, after ");
    }
}

/* An array that is packed well, and has fewer rows than its head says. */
static void test_fewer_rows(void)
{
    char path[300], command[700];
    snprintf(path, sizeof path, "%s", in_folder("a.npy"));
    CHECK(truncate(path, 128 + 16 * 9000) == 0);
    snprintf(command, sizeof command, "gzip -kfn '%s'", path);
    CHECK(system(command) == 0);
    strcat(path, ".gz");
    check_broken(&kinds[5], path, NULL, ".gz' ends before row 9000 of 20000");
}

/* ---- a storage that cannot be read to the end ---- */

typedef struct dying {
    FILE *file;
    int64_t left;
} dying;

static void *dying_open(void *self, const char *name, mr_file_facts *facts)
{
    struct stat about;
    dying *d = malloc(sizeof *d);
    (void)self;
    d->file = fopen(name, "rb");
    CHECK(d->file != NULL && stat(name, &about) == 0);
    d->left = about.st_size / 2;
    facts->size = about.st_size;
    return d;
}

static int64_t dying_read(void *file, void *bytes, size_t size)
{
    dying *d = file;
    const size_t most = (int64_t)size < d->left ? size : (size_t)d->left, n = fread(bytes, 1, most, d->file);
    d->left -= (int64_t)n;
    if (!n)
        mr_fail(MR_ERR_IO, "the line is dead");
    return n ? (int64_t)n : -1;
}

static mr_status dying_seek(void *file, int64_t offset)
{
    return fseek(((dying *)file)->file, offset, SEEK_SET) == 0 ? MR_OK : mr_fail(MR_ERR_IO, "no seek");
}

static void dying_close(void *file)
{
    fclose(((dying *)file)->file);
    free(file);
}

static void test_lost_connection(void)
{
    static const mr_storage_vtable vtable = {
        .open = dying_open, .read = dying_read, .close = dying_close, .seek = dying_seek
    };
    mr_storage *storage = mr_storage_new(&vtable, NULL, 0);
    for (int i = 0; i < KINDS; i++) {
        char path[300];
        make(&kinds[i]);
        snprintf(path, sizeof path, "%s", in_folder(kinds[i].name));
        check_broken(&kinds[i], path, storage, "the line is dead");
    }
    mr_storage_free(storage);
}

/* A record that is bad by itself costs no other. */
static void test_bad_rows(void)
{
    FILE *file = fopen(in_folder("bad.csv"), "w");
    for (int i = 0; i < 1000; i++)
        fprintf(file, i % 100 == 50 ? "x%d,1\n" : "%d,1\n", i);
    fclose(file);
    mr_dataset *d = open_csv(in_folder("bad.csv"), NULL);
    mr_loader *loader =
        mr_loader_new(d, rng, &(mr_loader_opts){ .batch_size = 7, .on_bad_sample = MR_BAD_SKIP });
    const mr_batch *b;
    int64_t rows = 0;
    while (mr_loader_next(loader, &b) == MR_OK)
        rows += b->rows;
    CHECK_EQ_I64(rows, 990);
    CHECK_EQ_I64(mr_loader_bad_samples(loader, NULL, NULL), 10);
    mr_loader_free(loader);
    mr_dataset_free(d);
}

int main(void)
{
    if (!files_begin())
        return 1;
    rng = mr_rng_new(1);
    RUN(test_packed);
    RUN(test_fewer_rows);
    RUN(test_lost_connection);
    RUN(test_bad_rows);
    mr_rng_free(rng);
    return files_report();
}

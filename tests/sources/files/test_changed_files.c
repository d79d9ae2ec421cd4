/* A file that has become another one since a loader's state was saved is not gone on with; its copy is. */
#include <millrace/sources/arrays.h>
#include <millrace/sources/csv.h>
#include <millrace/sources/jsonl.h>
#include <millrace/sources/records.h>

#include "check.h"
#include "files.h"
#include "said.h"

#include <fcntl.h>

enum { ROWS = 40000, BATCH = 300 };

static mr_rng *rng;

/* ---- streams of all kinds, whose rows are written by `put` and begin with a number ---- */

typedef struct kind {
    const char *name, *what; /* the file; what is counted in messages */
    void (*put)(FILE *file, int row);
    mr_dataset *(*open)(const char *path);
} kind;

static void put_csv(FILE *file, int row)
{
    fprintf(file, "%06d,1\n", row);
}

static mr_dataset *open_csv(const char *path)
{
    return mr_csv_stream_new(path, &(mr_csv_field){ .name = "#0", .dtype = MR_INT64 }, 1,
                             &(mr_csv_opts){ .no_header = true });
}

static void put_json(FILE *file, int row)
{
    fprintf(file, "{\"i\":%6d}\n", row);
}

static mr_dataset *open_json(const char *path)
{
    return mr_jsonl_stream_new(path, &(mr_jsonl_field){ .name = "i", .dtype = MR_INT64 }, 1, NULL);
}

static void put_number(FILE *file, int row)
{
    const int64_t number = row;
    fwrite(&number, sizeof number, 1, file);
}

static mr_dataset *open_records(const char *path)
{
    return mr_records_stream_new(path, &(mr_field){ "i", MR_INT64, { 0 } }, 1, NULL);
}

static mr_dataset *open_tokens(const char *path)
{
    return mr_tokens_stream_new(path, 1, &(mr_tokens_opts){ .dtype = MR_INT64 });
}

static const kind kinds[] = {
    { "a.csv", "byte", put_csv, open_csv },
    { "a.jsonl", "byte", put_json, open_json },
    { "a.bin", "record", put_number, open_records },
    { "a.tokens", "window", put_number, open_tokens },
};

static void put_file(const kind *k, int rows)
{
    FILE *file = fopen(in_folder(k->name), "wb");
    for (int i = 0; i < rows; i++)
        k->put(file, i);
    fclose(file);
}

/* Another name, and another time. */
static const char *copy_of(const char *path)
{
    static char copy[300];
    char command[1000];
    const char *suffix = strstr(path, ".gz");
    snprintf(copy, sizeof copy, "%s/copy%s", files_folder, suffix ? suffix : "");
    snprintf(command, sizeof command, "cp '%s' '%s' && touch -d 2001-01-01 '%s'", path, copy, copy);
    CHECK(system(command) == 0);
    return copy;
}

/* ---- states ---- */

static char state[4096];
static size_t state_size;

/* Reads some batches, and keeps the state. */
static void save_in(mr_dataset *d, int64_t shards)
{
    mr_loader *loader = mr_loader_new(d, rng, &(mr_loader_opts){ .batch_size = BATCH, .shards = shards });
    const mr_batch *b;
    const void *bytes;
    for (int i = 0; i < 4; i++)
        CHECK_EQ_I64(mr_loader_next(loader, &b), MR_OK);
    CHECK_EQ_I64(mr_loader_save(loader, &bytes, &state_size), MR_OK);
    if (CHECK(state_size <= sizeof state))
        memcpy(state, bytes, state_size);
    mr_loader_free(loader);
    mr_dataset_free(d);
}

/* Goes on; the first number of the next batch, or -1. */
static int64_t go_on(mr_dataset *d, int64_t shards)
{
    mr_loader *loader = mr_loader_new(d, rng, &(mr_loader_opts){ .batch_size = BATCH, .shards = shards });
    const mr_batch *b;
    mr_status s = mr_loader_restore(loader, state, state_size);
    if (s == MR_OK)
        s = mr_loader_next(loader, &b);
    const int64_t first = s == MR_OK ? *(const int64_t *)mr_tensor_data(b->field[0]) : -1;
    mr_loader_free(loader);
    mr_dataset_free(d);
    return first;
}

static void change(const char *name, long at, int whence)
{
    FILE *file = fopen(in_folder(name), "r+b");
    fseek(file, at, whence);
    const int c = fgetc(file);
    fseek(file, at, whence);
    fputc(c ^ 1, file);
    fclose(file);
}

static void check_refused(const kind *k, const char *path, int64_t shards)
{
    char wanted[400];
    snprintf(wanted, sizeof wanted, "%s' has changed since it was read up to %s ", k->name, k->what);
    CHECK_EQ_I64(go_on(k->open(path), shards), -1);
    check_said(wanted);
}

static void check_kind(const kind *k, int64_t shards)
{
    const int64_t next = shards > 1 ? 600 : 1200;
    char path[300];
    snprintf(path, sizeof path, "%s", in_folder(k->name));
    put_file(k, ROWS);
    save_in(k->open(path), shards);
    CHECK_EQ_I64(go_on(k->open(copy_of(path)), shards), next);
    change(k->name, 5, SEEK_SET);
    check_refused(k, path, shards);
    put_file(k, ROWS);
    change(k->name, -2, SEEK_END);
    check_refused(k, path, shards);
    for (int more = -1; more < 2; more += 2) {
        put_file(k, ROWS + more);
        if (strcmp(k->what, "byte") == 0) {
            check_refused(k, path, shards);
        } else { /* it says how many there are */
            CHECK_EQ_I64(go_on(k->open(path), shards), -1);
            check_said("loader_restore: the state has samples: ");
        }
    }
    put_file(k, ROWS); /* as it was */
    CHECK_EQ_I64(go_on(k->open(path), shards), next);
}

/* Of a packed file it is the packed bytes that count. */
static void test_packed(void)
{
    char path[300], command[700];
    const kind packed = { "a.csv.gz", "byte", put_csv, open_csv };
    snprintf(path, sizeof path, "%s", in_folder("a.csv.gz"));
    snprintf(command, sizeof command, "gzip -kfn '%s'", in_folder("a.csv"));
    put_file(&kinds[0], ROWS);
    CHECK(system(command) == 0);
    save_in(open_csv(path), 1);
    CHECK_EQ_I64(go_on(open_csv(copy_of(path)), 1), 1200);
    put_file(&kinds[0], ROWS + 1);
    CHECK(system(command) == 0);
    check_refused(&packed, path, 1);
}

/* Every byte of a small file counts. */
static void test_small(void)
{
    static const kind small = { "small.csv", "byte", put_csv, open_csv };
    char path[300];
    snprintf(path, sizeof path, "%s", in_folder(small.name));
    put_file(&small, 7000);
    save_in(open_csv(path), 1);
    for (long at = 5; at < 9L * 7000; at += 9 * 311) {
        change(small.name, at, SEEK_SET);
        check_refused(&small, path, 1);
        change(small.name, at, SEEK_SET);
    }
    CHECK_EQ_I64(go_on(open_csv(path), 1), 1200);
}

/* A descriptor's file, as one that has a name. */
static mr_dataset *open_descriptor(int fd)
{
    mr_storage *storage = mr_storage_from_fd(fd);
    const mr_csv_field field = { .name = "#0", .dtype = MR_INT64 };
    mr_dataset *d =
        mr_csv_stream_new("rows", &field, 1, &(mr_csv_opts){ .no_header = true, .storage = storage });
    mr_storage_free(storage);
    return d;
}

static void test_descriptor(void)
{
    put_file(&kinds[0], ROWS);
    const int fd = open(in_folder(kinds[0].name), O_RDONLY);
    save_in(open_descriptor(fd), 1);
    CHECK_EQ_I64(go_on(open_descriptor(fd), 1), 1200);
    change(kinds[0].name, 5, SEEK_SET);
    CHECK_EQ_I64(go_on(open_descriptor(fd), 1), -1);
    check_said("'rows' has changed since it was read up to byte ");
    close(fd);
}

static void test_kinds(void)
{
    for (int i = 0; i < 4; i++)
        for (int64_t shards = 1; shards < 3; shards++)
            check_kind(&kinds[i], shards);
}

int main(void)
{
    if (!files_begin())
        return 1;
    rng = mr_rng_new(1);
    RUN(test_kinds);
    RUN(test_packed);
    RUN(test_small);
    RUN(test_descriptor);
    mr_rng_free(rng);
    return files_report();
}

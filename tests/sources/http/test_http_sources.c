/* Readers of files read from a web server: CSV, JSON lines, NPY, tar; in shards, going on with other workers, over
 * connections that are cut. */
#include <millrace/millrace.h>
#include <millrace/sources/arrays.h>
#include <millrace/sources/csv.h>
#include <millrace/sources/http.h>
#include <millrace/sources/jsonl.h>
#include <millrace/sources/tar.h>

#include "check.h"
#include "files.h"
#include "said.h"
#include "stub.h"

enum { ROWS = 8000 };

static mr_rng *rng;
static const mr_http_opts hasty = {
    .backoff = 0.001, .part_bytes = 30000, .connections = 3, .stall_timeout = 0.3
};

/* ---- files ---- */

static char *file_bytes(const char *path, int64_t *size)
{
    FILE *file = fopen(path, "rb");
    fseek(file, 0, SEEK_END);
    *size = ftell(file);
    rewind(file);
    char *bytes = malloc((size_t)*size + 1);
    CHECK(fread(bytes, 1, (size_t)*size, file) == (size_t)*size);
    fclose(file);
    return bytes;
}

/* A server that cuts each third answer or so. */
static stub serve(const char *name)
{
    stub s = { .etag = "\"1\"", .cuts = 1000000 };
    s.bytes = file_bytes(in_folder(name), &s.size);
    s.cut = s.size < 60000 ? s.size / 3 : 20000;
    return s;
}

static void run(const char *program, const char *name)
{
    char command[800];
    snprintf(command, sizeof command, "cd '%s' && %s '%s'", files_folder, program, name);
    CHECK(system(command) == 0);
}

static void make_files(void)
{
    FILE *csv = fopen(in_folder("a.csv"), "w"), *jsonl = fopen(in_folder("a.jsonl"), "w");
    fputs("n,square\n", csv);
    for (int i = 0; i < ROWS; i++) {
        fprintf(csv, "%d,%lld\n", i, (long long)i * i);
        fprintf(jsonl, "{\"n\": %d}\n", i);
    }
    fclose(csv);
    fclose(jsonl);
    run("gzip -k", "a.csv");
    mr_tensor *numbers = mr_tensor_arange(MR_INT64, 0, ROWS, 1);
    CHECK_EQ_I64(mr_npy_save(numbers, in_folder("a.npy")), MR_OK);
    mr_tensor_free(numbers);
    CHECK(mkdir(in_folder("members"), 0777) == 0);
    for (int i = 0; i < 300; i++) {
        char name[64];
        FILE *member;
        snprintf(name, sizeof name, "members/%03d.n", i);
        member = fopen(in_folder(name), "w");
        fprintf(member, "%d", i);
        fclose(member);
        snprintf(name, sizeof name, "members/%03d.bin", i);
        member = fopen(in_folder(name), "w");
        for (int j = 0; j < 2000; j++)
            fputc((i + j) % 256, member);
        fclose(member);
    }
    run("tar --sort=name -C members -cf a.tar", ".");
    run("gzip -k", "a.tar");
}

/* ---- reading ---- */

static int64_t number(const mr_batch *b, int64_t row)
{
    return ((const int64_t *)mr_tensor_data(b->field[0]))[row];
}

/* Each row once, and from the middle of an epoch on, by another loader with other workers, what would have come. */
static void check_stream(mr_dataset *d, int64_t rows, int64_t shards)
{
    static int64_t order[ROWS];
    static bool seen[ROWS];
    mr_loader *first = mr_loader_new(d, rng,
                                     &(mr_loader_opts){ .batch_size = 64, .shards = shards, .workers = 2 }),
              *second = mr_loader_new(d, rng,
                                      &(mr_loader_opts){ .batch_size = 64, .shards = shards, .workers = 1 });
    const mr_batch *b;
    const void *bytes;
    size_t size;
    int64_t n = 0, at = -1;
    memset(seen, 0, sizeof seen);
    if (!CHECK(d != NULL))
        printf("    %s\n", mr_error());
    while (d && mr_loader_next(first, &b) == MR_OK) {
        for (int64_t i = 0; i < b->rows; i++, n++) {
            order[n] = number(b, i);
            if (CHECK(order[n] >= 0 && order[n] < rows && !seen[order[n]]))
                seen[order[n]] = true;
        }
        if (at < 0 && n > rows / 2) {
            at = n;
            CHECK_EQ_I64(mr_loader_save(first, &bytes, &size), MR_OK);
            CHECK_EQ_I64(mr_loader_restore(second, bytes, size), MR_OK);
        }
    }
    if (!CHECK_EQ_I64(n, rows))
        printf("    %s\n", mr_error());
    while (d && mr_loader_next(second, &b) == MR_OK)
        for (int64_t i = 0; i < b->rows && at < rows; i++, at++)
            CHECK_EQ_I64(number(b, i), order[at]);
    if (!CHECK_EQ_I64(at, rows))
        printf("    %s\n", mr_error());
    mr_error_clear();
    mr_loader_free(first);
    mr_loader_free(second);
    mr_dataset_free(d);
}

static mr_dataset *make_dataset(const char *name, const char *url, mr_storage *web)
{
    static const mr_csv_field column = { .name = "n", .dtype = MR_INT64 };
    static const mr_jsonl_field key = { .name = "n", .dtype = MR_INT64 };
    static const mr_tar_field members[] = {
        { .name = "n", .content = MR_MEMBER_TEXT, .dtype = MR_INT64 },
        { .name = "bin", .content = MR_MEMBER_RAW, .dtype = MR_UINT8, .shape = { 1, { 2000 } } }
    };
    if (strstr(name, ".csv"))
        return mr_csv_stream_new(url, &column, 1, &(mr_csv_opts){ .storage = web });
    if (strstr(name, ".jsonl"))
        return mr_jsonl_stream_new(url, &key, 1, &(mr_jsonl_opts){ .storage = web });
    if (strstr(name, ".npy"))
        return mr_array_stream_new(&(mr_array_file){ .path = url, .storage = web });
    return mr_tar_stream_new(url, members, 2, &(mr_tar_opts){ .storage = web });
}

static void check_source(const char *name, int64_t rows)
{
    static const int64_t shards[] = { 1, 3 };
    for (int i = 0; i < 2; i++) {
        stub s = serve(name);
        stub_begin(&s);
        mr_storage *web = mr_storage_from_http(&hasty);
        check_stream(make_dataset(name, s.url, web), rows, shards[i]);
        mr_storage_free(web);
        stub_end(&s);
        CHECK(s.cuts < 1000000);
        free((char *)(uintptr_t)s.bytes);
    }
}

static void test_streams(void)
{
    check_source("a.csv", ROWS);
    check_source("a.csv.gz", ROWS);
    check_source("a.jsonl", ROWS);
    check_source("a.npy", ROWS);
    check_source("a.tar", 300);
    check_source("a.tar.gz", 300);
}

/* By row: all of the file comes at once. */
static void test_by_row(void)
{
    stub s = serve("a.csv");
    stub_begin(&s);
    mr_storage *web = mr_storage_from_http(&hasty);
    mr_dataset *rows = mr_csv_new(s.url, NULL, 0, &(mr_csv_opts){ .storage = web });
    CHECK_EQ_I64(mr_dataset_len(rows), ROWS);
    mr_batch *b = mr_dataset_get(rows, 17);
    CHECK(*(float *)mr_tensor_data(b->field[1]) == 289);
    mr_batch_free(b);
    mr_dataset_free(rows);
    mr_storage_free(web);
    stub_end(&s);
    free((char *)(uintptr_t)s.bytes);
    s = serve("a.npy");
    stub_begin(&s);
    web = mr_storage_from_http(&hasty);
    mr_dataset *array = mr_arrays_new(&(mr_array_file){ .path = s.url, .storage = web }, 1);
    CHECK_EQ_I64(mr_dataset_len(array), ROWS);
    b = mr_dataset_get(array, 1234);
    CHECK_EQ_I64(number(b, 0), 1234);
    mr_batch_free(b);
    mr_dataset_free(array);
    mr_storage_free(web);
    stub_end(&s);
    free((char *)(uintptr_t)s.bytes);
}

/* A server that gives no parts: others go on in its file by reading up to there. */
static void test_without_parts(void)
{
    stub s = serve("a.csv");
    s.no_parts = true;
    s.cut = 100000;
    s.cuts = 4;
    stub_begin(&s);
    mr_storage *web = mr_storage_from_http(&hasty);
    check_stream(make_dataset(".csv", s.url, web), ROWS, 1);
    mr_storage_free(web);
    stub_end(&s);
    free((char *)(uintptr_t)s.bytes);
}

/* ---- names, and what a file is packed with ---- */

static const char *at(const stub *s, const char *path)
{
    static char url[200];
    snprintf(url, sizeof url, "http://127.0.0.1:%d/%s", s->port, path);
    return url;
}

/* A thousand tokens, packed, by index and as a stream; that they are what they are. */
static void check_tokens(const char *url, mr_storage *web)
{
    for (int i = 0; i < 2; i++) {
        const mr_tokens_opts opts = { .storage = web };
        mr_dataset *d = i ? mr_tokens_stream_new(url, 10, &opts) : mr_tokens_new(url, 10, &opts);
        mr_loader *loader = mr_loader_new(d, rng, &(mr_loader_opts){ .batch_size = 99 });
        const mr_batch *b = NULL;
        if (!CHECK_EQ_I64(mr_loader_next(loader, &b), MR_OK) || !CHECK_EQ_I64(b->rows, 99))
            printf("    %s: %s\n", url, mr_error());
        for (int64_t j = 0; b && j < b->rows * 10 && CHECK_EQ_I64(number(b, j), j); j++)
            continue;
        CHECK_EQ_I64(mr_loader_next(loader, &b), MR_END);
        mr_loader_free(loader);
        mr_dataset_free(d);
    }
}

static void make_tokens(void)
{
    uint16_t tokens[1000];
    for (int i = 0; i < 1000; i++)
        tokens[i] = (uint16_t)i;
    file_put(in_folder("t.bin"), tokens, sizeof tokens);
    run("gzip -k", "t.bin");
}

/* What a URL has behind its path is no part of the file's name, but it may have one. */
static void test_names(void)
{
    stub s = serve("t.bin.gz");
    stub_begin(&s);
    mr_storage *web = mr_storage_from_http(&hasty);
    check_tokens(at(&s, "t.bin.gz"), web);
    check_tokens(at(&s, "t.bin.gz?sig=abc"), web);
    check_tokens(at(&s, "t.bin.gz?X=1.2#part/a"), web);
    check_tokens(at(&s, "get?file=t.bin.gz"), web);
    mr_storage_free(web);
    stub_end(&s);
    free((char *)(uintptr_t)s.bytes);

    s = serve("a.npy");
    stub_begin(&s);
    web = mr_storage_from_http(&hasty);
    static const char *const names[] = { "im.npy", "a/im.npy?path=/x/y.z", "im?a.b", "im.v2.npy#a/b" };
    for (int i = 0; i < 4; i++) {
        const mr_array_file file = { .path = at(&s, names[i]), .storage = web };
        mr_dataset *d = i % 2 ? mr_arrays_new(&file, 1) : mr_array_stream_new(&file);
        if (CHECK(d != NULL))
            CHECK_EQ_STR(mr_dataset_fields(d)[0].name, "im");
        mr_dataset_free(d);
    }
    mr_storage_free(web);
    stub_end(&s);
    free((char *)(uintptr_t)s.bytes);

    s = (stub){ .bytes = "n\tm\n1\t2\n", .size = 8, .etag = "\"1\"" };
    stub_begin(&s);
    web = mr_storage_from_http(&hasty);
    mr_dataset *d = mr_csv_new(at(&s, "a.tsv?b=.csv"), NULL, 0, &(mr_csv_opts){ .storage = web });
    CHECK_EQ_I64(mr_dataset_field_count(d), 2);
    mr_dataset_free(d);
    mr_storage_free(web);
    stub_end(&s);
}

/* A server that packs files, although nobody asks for that: readers know it even if neither name nor first bytes tell. */
static void test_packed_on_the_way(void)
{
    static const char *const encodings[] = { "gzip", "X-GZIP", "identity" };
    for (int i = 0; i < 3; i++) {
        stub s = serve(i < 2 ? "t.bin.gz" : "t.bin");
        s.encoding = encodings[i];
        stub_begin(&s);
        mr_http_opts opts = hasty;
        opts.cache = in_folder("cache");
        for (int j = 0; j < 2; j++) { /* the second time most comes from the cache */
            mr_storage *web = mr_storage_from_http(&opts);
            check_tokens(at(&s, "t.bin"), web);
            mr_storage_free(web);
        }
        stub_end(&s);
        free((char *)(uintptr_t)s.bytes);
    }
    stub s = serve("t.bin");
    stub_begin(&s);
    mr_storage *web = mr_storage_from_http(&hasty);
    static const char *const others[] = { "br", "gzip, br", "a name of a packing that is longer than any" };
    for (int i = 0; i < 3; i++) {
        s.encoding = others[i];
        CHECK(!mr_file_open(web, s.url));
        check_said("/file': the server packs the file by '");
    }
    s.encoding = "gzip"; /* a lie */
    CHECK(!mr_tokens_new(s.url, 10, &(mr_tokens_opts){ .storage = web }));
    check_said("/file' is said to be packed, and begins like neither gzip nor zstd");
    mr_storage_free(web);
    stub_end(&s);
    free((char *)(uintptr_t)s.bytes);
}

/* A fault in the middle of a file whose connections break: URL, line, column, and what was expected. */
static void test_planted(void)
{
    FILE *csv = fopen(in_folder("bad.csv"), "w");
    fputs("n,square\n", csv);
    for (int i = 0; i < ROWS; i++)
        fprintf(csv, i == 5000 ? "%d,none\n" : "%d,4\n", i);
    fclose(csv);
    stub s = serve("bad.csv");
    stub_begin(&s);
    mr_storage *web = mr_storage_from_http(&hasty);
    const mr_csv_field column = { .name = "square" };
    for (int stream = 0; stream < 2; stream++) {
        const mr_csv_opts opts = { .storage = web };
        mr_dataset *d =
            stream ? mr_csv_stream_new(s.url, &column, 1, &opts) : mr_csv_new(s.url, &column, 1, &opts);
        mr_loader *loader = mr_loader_new(d, rng, &(mr_loader_opts){ .batch_size = 100, .workers = 1 });
        const mr_batch *b;
        char wanted[300];
        while (mr_loader_next(loader, &b) == MR_OK)
            ;
        snprintf(wanted, sizeof wanted,
                 "loader: sample 5000: '%s': line 5002, column 'square': 'none' is no number", s.url);
        CHECK_EQ_STR(mr_error(), wanted);
        mr_error_clear();
        mr_loader_free(loader);
        mr_dataset_free(d);
    }
    mr_storage_free(web);
    stub_end(&s);
    free((char *)(uintptr_t)s.bytes);
}

/* ---- what is no longer the file that a state is of ---- */

static void test_changed(void)
{
    stub s = serve("a.csv");
    s.cuts = 0;
    stub_begin(&s);
    mr_storage *web = mr_storage_from_http(&hasty);
    mr_dataset *d = make_dataset(".csv", s.url, web);
    mr_loader *loader = mr_loader_new(d, rng, &(mr_loader_opts){ .batch_size = 100 });
    const mr_batch *b;
    const void *bytes;
    size_t size;
    CHECK_EQ_I64(mr_loader_next(loader, &b), MR_OK);
    CHECK_EQ_I64(mr_loader_save(loader, &bytes, &size), MR_OK);
    s.etag = "\"2\"";
    mr_dataset *other = make_dataset(".csv", s.url, web);
    mr_loader *second = mr_loader_new(other, rng, &(mr_loader_opts){ .batch_size = 100 });
    CHECK_EQ_I64(mr_loader_restore(second, bytes, size), MR_OK);
    CHECK_EQ_I64(mr_loader_next(second, &b), MR_ERR_STATE);
    check_said("/file' has changed since it was read up to byte ");
    mr_loader_free(loader);
    mr_loader_free(second);
    mr_dataset_free(d);
    mr_dataset_free(other);
    mr_storage_free(web);
    stub_end(&s);
    free((char *)(uintptr_t)s.bytes);
}

/* ---- without an end ---- */

static void test_endless(void)
{
    static const char points[] = "0.5,2.5\n1.5,3.5\n";
    stub s = { .bytes = points, .size = sizeof points - 1, .endless = true };
    stub_begin(&s);
    mr_storage *web = mr_storage_from_http(&hasty);
    const mr_csv_field fields[] = { { .name = "x", .columns = "#0" }, { .name = "y", .columns = "#1" } };
    mr_dataset *curve =
        mr_csv_stream_new(s.url, fields, 2, &(mr_csv_opts){ .storage = web, .no_header = true });
    mr_loader *loader = mr_loader_new(curve, rng, &(mr_loader_opts){ .batch_size = 1000, .workers = 1 });
    const mr_batch *b;
    const void *bytes;
    size_t size;
    for (int i = 0; i < 50 && CHECK_EQ_I64(mr_loader_next(loader, &b), MR_OK); i++)
        CHECK(((float *)mr_tensor_data(b->field[0]))[999] == 1.5f &&
              ((float *)mr_tensor_data(b->field[1]))[0] == 2.5f);
    CHECK_EQ_I64(atomic_load(&s.requests), 1);
    CHECK_EQ_I64(mr_loader_save(loader, &bytes, &size), MR_OK);
    mr_dataset *again =
        mr_csv_stream_new(s.url, fields, 2, &(mr_csv_opts){ .storage = web, .no_header = true });
    mr_loader *second = mr_loader_new(again, rng, &(mr_loader_opts){ .batch_size = 1000 });
    CHECK_EQ_I64(mr_loader_restore(second, bytes, size), MR_OK);
    CHECK_EQ_I64(mr_loader_next(second, &b), MR_ERR_STATE);
    check_said("/file' is read once, from front to back: it cannot go from byte 0 to 400000");
    mr_loader_free(loader);
    mr_loader_free(second);
    mr_dataset_free(curve);
    mr_dataset_free(again);
    mr_storage_free(web);
    stub_end(&s);
}

int main(void)
{
    if (!files_begin())
        return 1;
    setenv("no_proxy", "*", 1);
    rng = mr_rng_new(1);
    make_files();
    RUN(test_streams);
    RUN(test_by_row);
    RUN(test_without_parts);
    make_tokens();
    RUN(test_names);
    RUN(test_packed_on_the_way);
    RUN(test_planted);
    RUN(test_changed);
    RUN(test_endless);
    mr_rng_free(rng);
    return files_report();
}

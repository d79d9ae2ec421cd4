/* Ranges of a web server's file, and the rows of arrays there: only what is asked for comes, several at once; who reads
 * on is read ahead for. */
#include <millrace/millrace.h>
#include <millrace/sources/arrays.h>
#include <millrace/sources/http.h>

#include "check.h"
#include "files.h"
#include "largest_block.h"
#include "said.h"
#include "stub.h"

#include "sources/files/array_file.h"

enum { ROW = 1000, ROWS = 20000, HEAD = 128, SIZE = HEAD + ROWS * ROW * 4 };

static mr_rng *rng;
static char *file_bytes; /* an NPY file of uint32 in the other order of bytes: element i is i */

static void make_file(void)
{
    const mr_shape shape = { 2, { ROWS, ROW } };
    file_bytes = malloc(SIZE);
    CHECK_EQ_I64(mr__npy_head(file_bytes, MR_INT32, &shape, ROWS), HEAD);
    memcpy(strstr(file_bytes + 10, "<i4"), ">u4", 3);
    for (uint32_t i = 0; i < ROWS * ROW; i++)
        for (int j = 0; j < 4; j++)
            file_bytes[HEAD + 4 * i + (uint32_t)j] = (char)(i >> (24 - 8 * j) & 0xff);
}

static stub serve(void)
{
    return (stub){ .bytes = file_bytes, .size = SIZE, .etag = "\"1\"" };
}

static mr_http_counts counts_of(mr_storage *web)
{
    mr_http_counts counts;
    CHECK_EQ_I64(mr_http_count(web, &counts), MR_OK);
    return counts;
}

static const mr_http_opts plain = { .backoff = 0.001, .connections = 4, .part_bytes = 100000 };

/* ---- ranges ---- */

enum { MOST = 300000 };

typedef struct reading {
    mr_file *file;
    uint64_t seed;
    bool right;
} reading;

/* Ranges from everywhere, some long, some empty, some that overlap, some twice. */
static void *read_anything(void *user)
{
    reading *r = user;
    mr_random random = mr_random_at(r->seed, 0, 0);
    char *bytes = malloc(10 * (size_t)MOST);
    r->right = true;
    for (int round = 0; round < 10; round++) {
        mr_file_range ranges[10];
        const int64_t near = mr_random_below(&random, SIZE - 2 * MOST);
        for (int i = 0; i < 10; i++) {
            const int64_t most = i % 3 ? 5000 : MOST;
            ranges[i].size = i == 4 ? 0 : 1 + (size_t)mr_random_below(&random, most);
            ranges[i].offset = mr_random_below(&random, i % 2 ? SIZE - MOST : MOST) + (i % 2 ? 0 : near);
            ranges[i].bytes = bytes + i * MOST;
        }
        ranges[9] = (mr_file_range){ ranges[1].offset, ranges[1].size, bytes + 9 * MOST };
        r->right = r->right && mr_file_read_ranges(r->file, ranges, 10) == MR_OK;
        for (int i = 0; i < 10 && r->right; i++)
            r->right = memcmp(ranges[i].bytes, file_bytes + ranges[i].offset, ranges[i].size) == 0;
    }
    free(bytes);
    return NULL;
}

static void check_ranges(const mr_http_opts *opts, int64_t cut)
{
    stub s = serve();
    stub_begin(&s);
    s.cut = cut;
    s.cuts = cut ? 1000000 : 0;
    mr_storage *web = mr_storage_from_http(opts);
    mr_file *file = mr_file_open(web, s.url);
    reading readings[3] = { { file, 1, false }, { file, 2, false }, { file, 3, false } };
    pthread_t threads[3];
    for (int i = 0; i < 3; i++)
        CHECK(pthread_create(&threads[i], NULL, read_anything, &readings[i]) == 0);
    for (int i = 0; i < 3; i++) {
        pthread_join(threads[i], NULL);
        CHECK(readings[i].right);
    }
    mr_file_close(file);
    mr_storage_free(web);
    stub_end(&s);
}

static void test_ranges(void)
{
    char folder[300];
    snprintf(folder, sizeof folder, "%s", in_folder("cache"));
    check_ranges(&plain, 0);
    check_ranges(&plain, 30000);
    check_ranges(&(mr_http_opts){ .connections = 1 }, 0);
    check_ranges(&(mr_http_opts){ .connections = 64, .part_bytes = 7777, .backoff = 0.001 }, 0);
    for (int i = 0; i < 2; i++) /* the second time round much is there */
        check_ranges(&(mr_http_opts){ .cache = folder, .backoff = 0.001, .part_bytes = 150000 }, 40000);
    check_ranges(&(mr_http_opts){ .cache = folder, .cache_bytes = 2000000, .part_bytes = 1000 }, 0);
}

/* What lies close to each other is one request, what is far apart one each, and nothing else comes. */
static void test_only_what_is_asked_for(void)
{
    char bytes[6][100];
    const mr_file_range ranges[] = { { 9000000, 100, bytes[0] }, { 5000000, 100, bytes[1] },
                                     { 5000200, 100, bytes[2] }, { 7000000, 100, bytes[3] },
                                     { 5000050, 100, bytes[4] }, { SIZE - 100, 100, bytes[5] } };
    stub s = serve();
    stub_begin(&s);
    s.delay = 50;
    mr_storage *web = mr_storage_from_http(&plain);
    mr_file *file = mr_file_open(web, s.url);
    CHECK(mr_file_read(file, bytes[0], 1) == 1);
    while (counts_of(web).bytes < plain.part_bytes) /* what comes of itself when a file is opened */
        stub_sleep(1);
    const mr_http_counts before = counts_of(web);
    CHECK_EQ_I64(mr_file_read_ranges(file, ranges, 6), MR_OK);
    for (int i = 0; i < 6; i++)
        CHECK(memcmp(bytes[i], file_bytes + ranges[i].offset, 100) == 0);
    CHECK_EQ_I64(counts_of(web).requests - before.requests, 4);
    CHECK_EQ_I64(counts_of(web).bytes - before.bytes, 600); /* with the 100 between two of them */
    CHECK_EQ_I64(atomic_load(&s.most_open), 4);             /* at once */
    CHECK(mr_file_read(file, bytes[0], 1) == 1 && bytes[0][0] == file_bytes[1]);
    mr_file_close(file);
    mr_storage_free(web);
    stub_end(&s);
}

/* ---- arrays ---- */

static mr_dataset *array_of(const stub *s, mr_storage *web)
{
    return mr_arrays_new(&(mr_array_file){ .path = s->url, .name = "x", .storage = web }, 1);
}

/* Each row once. */
static void check_epoch(mr_dataset *array, const mr_loader_opts *opts)
{
    static bool seen[ROWS];
    mr_loader *loader = mr_loader_new(array, rng, opts);
    const mr_batch *b;
    int64_t rows = 0;
    memset(seen, 0, sizeof seen);
    while (mr_loader_next(loader, &b) == MR_OK)
        for (int64_t i = 0; i < b->rows; i++, rows++) {
            const int64_t *x = (const int64_t *)mr_tensor_data(b->field[0]) + i * ROW, row = x[0] / ROW;
            if (!CHECK(row >= 0 && row < ROWS && !seen[row] && row == b->indices[i] &&
                       x[ROW - 1] == row * ROW + ROW - 1))
                break;
            seen[row] = true;
        }
    if (!CHECK_EQ_I64(rows, ROWS))
        printf("    %s\n", mr_error());
    mr_error_clear();
    mr_loader_free(loader);
}

static void read_random_rows(mr_dataset *array, int workers)
{
    mr_loader *loader = mr_loader_new(array, rng, &(mr_loader_opts){ .batch_size = 16, .workers = workers });
    mr_loader_set_sampler(loader, mr_permutation_sampler_new(ROWS, 1));
    const mr_batch *b;
    for (int i = 0; i < 10 && CHECK_EQ_I64(mr_loader_next(loader, &b), MR_OK); i++)
        for (int64_t row = 0; row < b->rows; row++)
            CHECK_EQ_I64(((const int64_t *)mr_tensor_data(b->field[0]))[row * ROW + 7],
                         b->indices[row] * ROW + 7);
    mr_loader_free(loader);
}

/* Rows from everywhere, in little memory: a megabyte or two of 80. */
static void test_random_rows(void)
{
    stub s = serve();
    stub_begin(&s);
    mr_storage *web = mr_storage_from_http(&plain);
    largest_block_begin();
    mr_dataset *array = array_of(&s, web);
    CHECK_EQ_I64(mr_dataset_len(array), ROWS);
    read_random_rows(array, 2);
    mr_dataset_free(array);
    CHECK(largest_block_end() < 1000000);
    CHECK(counts_of(web).bytes < 2000000);
    mr_storage_free(web);
    stub_end(&s);
}

static void test_read_ahead(void)
{
    stub s = serve();
    stub_begin(&s);
    mr_storage *web = mr_storage_from_http(&(mr_http_opts){ .part_bytes = 1 << 20 });
    mr_dataset *array = array_of(&s, web);
    check_epoch(array, &(mr_loader_opts){ .batch_size = 1 });
    mr_http_counts counts = counts_of(web);
    CHECK(counts.requests < 100 && counts.bytes < SIZE + (SIZE / 50));
    check_epoch(array, &(mr_loader_opts){ .batch_size = 1 }); /* once more from the front */
    CHECK(counts_of(web).requests < 2 * counts.requests + 5);
    counts = counts_of(web);
    check_epoch(array, &(mr_loader_opts){ .batch_size = 32, .workers = 3 }); /* who come in any order */
    CHECK(counts_of(web).bytes - counts.bytes < 2 * (int64_t)SIZE);
    CHECK(counts_of(web).requests - counts.requests < 400);
    mr_dataset_free(array);
    mr_storage_free(web);
    stub_end(&s);
}

/* The second time all that is wanted is there. */
static void test_cached(void)
{
    char folder[300];
    snprintf(folder, sizeof folder, "%s", in_folder("rows"));
    stub s = serve();
    stub_begin(&s);
    for (int i = 0; i < 2; i++) {
        mr_storage *web = mr_storage_from_http(&(mr_http_opts){ .cache = folder });
        mr_dataset *array = array_of(&s, web);
        while (!i && counts_of(web).bytes < 1 << 20) /* what comes when a file is opened */
            stub_sleep(1);
        read_random_rows(array, 0);
        mr_dataset_free(array);
        const mr_http_counts counts = counts_of(web);
        CHECK(i ? counts.bytes == 0 && counts.cache_bytes > 1000000 : counts.bytes < 12000000);
        mr_storage_free(web);
    }
    stub_end(&s);
}

/* ---- faults ---- */

static const char refused[] = "HTTP/1.1 503 Out Of Order\r\nContent-Length: 0\r\n\r\n";

static void test_refused(void)
{
    stub s = serve();
    stub_begin(&s);
    mr_storage *web = mr_storage_from_http(&(mr_http_opts){ .backoff = 0.001, .retries = 2 });
    mr_dataset *array = array_of(&s, web);
    s.refusal = refused;
    for (int ahead = 0; ahead < 2; ahead++) { /* of a row from somewhere, and of those that are read ahead */
        mr_batch_free(mr_dataset_get(array, 10000));
        s.refusals = 1000000;
        CHECK(!mr_dataset_get(array, ahead ? 10001 : 777));
        check_said("/file': the server says 503 Out Of Order, after 2 retries");
        s.refusals = 0;
        for (int64_t i = 10001; i < 10004; i++) {
            mr_batch *b = mr_dataset_get(array, i);
            CHECK(b && ((const int64_t *)mr_tensor_data(b->field[0]))[1] == i * ROW + 1);
            mr_batch_free(b);
        }
    }
    mr_dataset_free(array);
    mr_storage_free(web);
    stub_end(&s);
}

static void test_changed(void)
{
    for (int ahead = 0; ahead < 2; ahead++) {
        stub s = serve();
        stub_begin(&s);
        mr_storage *web = mr_storage_from_http(&plain);
        mr_dataset *array = array_of(&s, web);
        mr_batch_free(mr_dataset_get(array, 10000));
        s.etag = "\"2\"";
        CHECK(!mr_dataset_get(array, ahead ? 10001 : 777));
        check_said("/file' has changed while it was read");
        mr_dataset_free(array);
        mr_storage_free(web);
        stub_end(&s);
    }
}

static mr_storage *to_interrupt;

static void *interrupt_later(void *unused)
{
    stub_sleep(50);
    mr_storage_interrupt(to_interrupt);
    return unused;
}

static void test_interrupted(void)
{
    stub s = serve();
    stub_begin(&s);
    pthread_t thread;
    to_interrupt = mr_storage_from_http(&plain);
    mr_dataset *array = array_of(&s, to_interrupt);
    s.stall = 1000;
    s.stalls = 10;
    CHECK(pthread_create(&thread, NULL, interrupt_later, NULL) == 0);
    CHECK(!mr_dataset_get(array, 10000));
    check_said("/file': interrupted");
    pthread_join(thread, NULL);
    mr_dataset_free(array);
    mr_storage_free(to_interrupt);
    stub_end(&s);
}

/* An array that is refused, of a file of this size. */
static void check_refused(int64_t size, const char *wanted)
{
    stub s = serve();
    s.size = size;
    stub_begin(&s);
    mr_storage *web = mr_storage_from_http(&plain);
    CHECK(!array_of(&s, web));
    check_said(wanted);
    mr_storage_free(web);
    stub_end(&s);
}

static void test_head(void)
{
    const char first = file_bytes[0];
    check_refused(SIZE - 4, "/file' should have 80000000 bytes of elements, 79999996 are there");
    file_bytes[0] = 1;
    check_refused(SIZE, "/file' is neither an NPY nor an IDX file");
    file_bytes[0] = first;
}

/* The last, since the file is another then: numbers of 64 bits, of which int64 does not hold one. */
static void test_element(void)
{
    memcpy(strstr(file_bytes + 10, ">u4"), ">u8", 3);
    memcpy(strstr(file_bytes + 10, "1000)"), "500) ", 5);
    memset(file_bytes + HEAD + 4 * (12345 * ROW + 6), -1, 4);
    stub s = serve();
    stub_begin(&s);
    mr_storage *web = mr_storage_from_http(&plain);
    mr_dataset *array = array_of(&s, web);
    CHECK(!mr_dataset_get(array, 12345));
    check_said("/file': element 6172503 is 18446744069426929327, more than an int64 holds");
    mr_dataset_free(array);
    mr_storage_free(web);
    stub_end(&s);
}

int main(void)
{
    if (!files_begin())
        return 1;
    setenv("no_proxy", "*", 1);
    rng = mr_rng_new(1);
    make_file();
    RUN(test_ranges);
    RUN(test_only_what_is_asked_for);
    RUN(test_random_rows);
    RUN(test_read_ahead);
    RUN(test_cached);
    RUN(test_refused);
    RUN(test_changed);
    RUN(test_interrupted);
    RUN(test_head);
    RUN(test_element);
    mr_rng_free(rng);
    free(file_bytes);
    return files_report();
}

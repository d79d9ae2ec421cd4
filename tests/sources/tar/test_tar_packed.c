/* A packed tar file that several read: it is unpacked once, each sample comes once, and nothing depends on who was faster. */
#include <millrace/datasets.h>
#include <millrace/sources/tar.h>

#include "check.h"
#include "data/dataset.h"
#include "files.h"
#include "refuse.h"
#include "said.h"
#include "tar_fixture.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

enum { SAMPLES = 500, BATCH = 16 };

static mr_rng *rng;
static const mr_tar_field fields[] = { { .name = "n", .content = MR_MEMBER_TEXT, .dtype = MR_INT64 },
                                       { .name = "bin" } };

/* ---- a disk that counts ---- */

static atomic_int_least64_t bytes_read;

static void *counted_open(void *self, const char *name, mr_file_facts *facts)
{
    FILE *file = fopen(name, "rb");
    struct stat about;
    (void)self;
    if (!file || fstat(fileno(file), &about) != 0) {
        mr_fail(MR_ERR_IO, "cannot open '%s'", name);
        return NULL;
    }
    setbuf(file, NULL);
    facts->size = about.st_size;
    facts->stamp = (uint64_t)about.st_size;
    return file;
}

static int64_t counted_read(void *file, void *bytes, size_t size)
{
    const size_t n = fread(bytes, 1, size, file);
    atomic_fetch_add(&bytes_read, (int64_t)n);
    return (int64_t)n;
}

static void counted_close(void *file)
{
    fclose(file);
}

static mr_status counted_seek(void *file, int64_t offset)
{
    return fseek(file, (long)offset, SEEK_SET) == 0 ? MR_OK : mr_fail(MR_ERR_IO, "no seek");
}

static mr_storage *counted_disk(void)
{
    static const mr_storage_vtable vtable = {
        .open = counted_open, .read = counted_read, .close = counted_close, .seek = counted_seek
    };
    return mr_storage_new(&vtable, NULL, 0);
}

/* ---- files ---- */

static size_t size_of(int64_t n)
{
    return (size_t)(n * 977 % 3000);
}

/* Bytes that cannot be packed much. */
static unsigned char byte_at(int64_t n, size_t i)
{
    uint64_t x = ((uint64_t)n << 32 | i) * UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ x >> 29) * UINT64_C(0xbf58476d1ce4e5b9);
    return (unsigned char)(x >> 56);
}

static void make(const char *name, int samples, int large, size_t large_size)
{
    static unsigned char content[1 << 20];
    char member[32], text[16];
    FILE *file = fopen(in_folder(name), "wb");
    for (int n = 0; n < samples; n++) {
        const size_t size = n == large ? large_size : size_of(n);
        for (size_t i = 0; i < size; i++)
            content[i] = byte_at(n, i);
        snprintf(member, sizeof member, "%04d.n", n);
        snprintf(text, sizeof text, "%d", n);
        put_text(file, member, text);
        snprintf(member, sizeof member, "%04d.bin", n);
        put_member(file, member, content, size);
        if (n % 7 == 3) {
            snprintf(member, sizeof member, "%04d-x.unwanted", n);
            put_text(file, member, "nobody wants this");
        }
    }
    put_end(file);
    char command[600];
    snprintf(command, sizeof command, "gzip -kf1 '%s'", in_folder(name));
    CHECK(system(command) == 0);
}

static int64_t file_size(const char *name)
{
    struct stat about;
    return stat(in_folder(name), &about) == 0 ? (int64_t)about.st_size : -1;
}

/* ---- reading ---- */

typedef struct reading {
    int64_t number[SAMPLES], rows, bad;
    char said[4][200]; /* of the first bad ones */
} reading;

static void take(reading *r, const mr_batch *b)
{
    const int64_t *number = mr_tensor_data(b->field[0]), *offset = mr_tensor_data(b->field[2]);
    const unsigned char *bytes = mr_tensor_data(b->field[1]);
    for (int64_t i = 0; i < b->rows && CHECK(r->rows < SAMPLES); i++) {
        const size_t size = (size_t)(offset[i + 1] - offset[i]);
        r->number[r->rows++] = number[i];
        CHECK(size == 0 || size == size_of(number[i]) || size > 3000);
        for (size_t j = 0; j < size; j += 97)
            CHECK_EQ_I64(bytes[offset[i] + (int64_t)j], byte_at(number[i], j));
    }
}

static mr_status read_on(mr_loader *loader, reading *r)
{
    const mr_batch *b;
    const mr_bad_sample *bad;
    int64_t listed = 0;
    mr_status s;
    while ((s = mr_loader_next(loader, &b)) == MR_OK)
        take(r, b);
    r->bad = mr_loader_bad_samples(loader, &bad, &listed);
    for (int64_t i = 0; i < listed && i < 4; i++)
        snprintf(r->said[i], sizeof r->said[i], "%s", bad[i].message);
    return s;
}

static mr_loader_opts of_shards(int64_t shards, int workers)
{
    return (mr_loader_opts){
        .batch_size = BATCH, .shards = shards, .workers = workers, .on_bad_sample = MR_BAD_SKIP
    };
}

static void read_all(mr_dataset *d, const mr_loader_opts *opts, reading *r)
{
    *r = (reading){ 0 };
    mr_loader *loader = mr_loader_new(d, rng, opts);
    CHECK_EQ_I64(read_on(loader, r), MR_END);
    mr_loader_free(loader);
}

static void check_each_once(const reading *r, int samples)
{
    bool seen[SAMPLES] = { false };
    CHECK_EQ_I64(r->rows, samples);
    CHECK_EQ_I64(r->bad, 0);
    for (int64_t i = 0; i < r->rows; i++) {
        const int64_t n = r->number[i];
        if (CHECK(n >= 0 && n < samples && !seen[n]))
            seen[n] = true;
    }
}

static bool are_equal(const reading *a, const reading *b)
{
    return a->rows == b->rows && a->bad == b->bad && memcmp(a->said, b->said, sizeof a->said) == 0 &&
           memcmp(a->number, b->number, (size_t)a->rows * sizeof *a->number) == 0;
}

static mr_dataset *open_packed(const char *name, int64_t max_held)
{
    mr_storage *storage = counted_disk();
    mr_dataset *d = mr_tar_stream_new(in_folder(name), fields, 2,
                                      &(mr_tar_opts){ .storage = storage, .max_held = max_held });
    mr_storage_free(storage);
    CHECK(d != NULL);
    return d;
}

/* ---- tests ---- */

/* What a pass through a file of this size reads, and the beginning of the next epoch. */
static int64_t most_of_one(int64_t size)
{
    const int64_t once = size + 3 * (1 << 17) + 2 * 4096;
    CHECK(once < 2 * size);
    return once;
}

static void test_unpacked_once(void)
{
    static reading first, r;
    make("a.tar", SAMPLES, -1, 0);
    const int64_t size = file_size("a.tar.gz");
    mr_dataset *d = open_packed("a.tar.gz", 0);
    for (int64_t shards = 1; shards < 12; shards += shards < 4 ? 1 : 3)
        for (int workers = 0; workers < 4; workers++) {
            const mr_loader_opts opts = of_shards(shards, workers);
            bytes_read = 0;
            read_all(d, &opts, workers ? &r : &first);
            check_each_once(workers ? &r : &first, SAMPLES);
            CHECK(!workers || are_equal(&r, &first));
            if (!CHECK(bytes_read >= size && bytes_read <= most_of_one(size)))
                printf("    %lld bytes of %lld, %lld shards, %d workers\n", (long long)bytes_read,
                       (long long)size, (long long)shards, workers);
        }
    mr_dataset_free(d);
}

/* Wherever it goes on. */
static void test_resumed(void)
{
    static reading whole, rest;
    const int64_t size = file_size("a.tar.gz");
    for (int workers = 0; workers < 3; workers++)
        for (int64_t at = 1; at < SAMPLES / BATCH; at += 5) {
            mr_dataset *d = open_packed("a.tar.gz", 0), *again = open_packed("a.tar.gz", 0);
            const mr_loader_opts opts = of_shards(4, workers), other = of_shards(4, (workers + 1) % 3);
            mr_loader *loader = mr_loader_new(d, rng, &opts), *second = mr_loader_new(again, rng, &other);
            const mr_batch *b;
            const void *state;
            size_t state_size;
            read_all(d, &opts, &whole);
            for (int64_t i = 0; i < at; i++)
                CHECK_EQ_I64(mr_loader_next(loader, &b), MR_OK);
            CHECK_EQ_I64(mr_loader_save(loader, &state, &state_size), MR_OK);
            CHECK_EQ_I64(mr_loader_restore(second, state, state_size), MR_OK);
            mr_loader_free(loader);
            bytes_read = 0;
            rest = (reading){ 0 };
            CHECK_EQ_I64(read_on(second, &rest), MR_END);
            CHECK_EQ_I64(rest.rows, SAMPLES - at * BATCH);
            for (int64_t i = 0; i < rest.rows; i++)
                CHECK_EQ_I64(rest.number[i], whole.number[at * BATCH + i]);
            if (!CHECK(bytes_read <= most_of_one(size)))
                printf("    %lld bytes of %lld, %d workers, from batch %lld\n", (long long)bytes_read,
                       (long long)size, workers, (long long)at);
            mr_loader_free(second);
            mr_dataset_free(again);
            mr_dataset_free(d);
        }
}

/* Without the memory to wait for each other they unpack for themselves, and get the same. */
static void test_little_memory(void)
{
    static const int64_t most[] = { 1, 3000, 30000, 200000 };
    static reading first, r;
    mr_dataset *d = open_packed("a.tar.gz", 0);
    const mr_loader_opts in_order = of_shards(5, 0);
    read_all(d, &in_order, &first);
    mr_dataset_free(d);
    for (int i = 0; i < 4; i++) {
        d = open_packed("a.tar.gz", most[i]);
        for (int workers = 0; workers < 4; workers++) {
            const mr_loader_opts opts = of_shards(5, workers);
            read_all(d, &opts, &r);
            check_each_once(&r, SAMPLES);
            CHECK(are_equal(&r, &first));
        }
        mr_dataset_free(d);
    }
}

/* One that is too large to wait is read by its own reader. */
static void test_large_sample(void)
{
    static reading first, r;
    make("large.tar", 200, 70, 1 << 20);
    for (int i = 0; i < 2; i++) {
        mr_dataset *d = open_packed("large.tar.gz", i ? 1 << 20 : 0);
        for (int workers = 0; workers < 4; workers++) {
            const mr_loader_opts opts = of_shards(3, workers);
            read_all(d, &opts, i || workers ? &r : &first);
            CHECK(!(i || workers) || are_equal(&r, &first));
        }
        mr_dataset_free(d);
    }
    check_each_once(&first, 200);
}

static void check_damaged(const reading *r)
{
    static const char *const wanted[] = {
        "member '040.n' at byte 61440, field 'n': 'forty' is no whole number",
        "member '050.n' at byte 76800, field 'n': 2 numbers, not 1",
        "/bad.tar.gz': no next member at byte 155648: Truncated input file",
        "member '100.n' at byte 153600, field 'n': '3' is no whole number"
    };
    CHECK_EQ_I64(r->rows, 98);
    CHECK_EQ_I64(r->bad, 6);
    for (int i = 0; i < 4; i++)
        if (!CHECK(strstr(r->said[i], wanted[i]) != NULL))
            printf("    %s\n", r->said[i]);
}

/* What is behind damage is lost with one bad sample of each reader, whoever comes to it. */
static void test_damage(void)
{
    static reading first, r;
    FILE *file = fopen(in_folder("bad.tar"), "wb");
    for (int n = 0; n < 100; n++) {
        char name[32];
        snprintf(name, sizeof name, "%03d.n", n);
        put_text(file, name, n == 40 ? "forty" : n == 50 ? "51 52" : (const char[]){ '7', 0 });
        snprintf(name, sizeof name, "%03d.bin", n);
        put_member(file, name, "", 0);
    }
    put_head(file, "100.n", '0', 5);
    put_content(file, "3", 1);
    put_head(file, "101.n", '0', 5000); /* there are fewer */
    put_content(file, "3", 1);
    fclose(file);
    char command[600];
    snprintf(command, sizeof command, "gzip -kf1 '%s'", in_folder("bad.tar"));
    CHECK(system(command) == 0);
    for (int64_t held = 0; held < 3; held++) {
        mr_dataset *d = open_packed("bad.tar.gz", held);
        for (int workers = 0; workers < 4; workers++) {
            const mr_loader_opts opts = of_shards(3, workers);
            read_all(d, &opts, workers ? &r : &first);
            CHECK(!workers || are_equal(&r, &first));
        }
        mr_dataset_free(d);
        check_damaged(&first);
    }
}

/* Replicas, each with some of the readers. */
static void test_replicas(void)
{
    static reading r;
    bool seen[SAMPLES] = { false };
    mr_dataset *d = open_packed("a.tar.gz", 0);
    int64_t rows = 0;
    for (int rank = 0; rank < 3; rank++) {
        mr_dataset *mine = mr_replica_stream_new(d, rank, 3);
        const mr_loader_opts opts = of_shards(2, rank);
        read_all(mine, &opts, &r);
        rows += r.rows;
        for (int64_t i = 0; i < r.rows; i++) {
            CHECK(!seen[r.number[i]]);
            seen[r.number[i]] = true;
        }
        mr_dataset_free(mine);
    }
    CHECK_EQ_I64(rows, SAMPLES);
    mr_dataset_free(d);
}

/* Readers who leave at any time are not waited for. */
static void test_left(void)
{
    static reading r;
    mr_dataset *d = open_packed("a.tar.gz", 0);
    for (int i = 0; i < 24; i++) {
        const mr_loader_opts opts = of_shards(1 + i % 6, i % 4);
        mr_loader *loader = mr_loader_new(d, rng, &opts);
        const mr_batch *b;
        for (int j = 0; j < i; j++)
            CHECK_EQ_I64(mr_loader_next(loader, &b), MR_OK);
        if (i % 3 == 0)
            mr_loader_rewind(loader);
        if (i % 3) {
            mr_loader_free(loader);
            continue;
        }
        r = (reading){ 0 };
        CHECK_EQ_I64(read_on(loader, &r), MR_END);
        check_each_once(&r, SAMPLES);
        mr_loader_free(loader);
    }
    mr_dataset_free(d);
}

/* Readers who outlive the stream. */
static void test_stream_gone(void)
{
    for (int workers = 0; workers < 2; workers++) {
        mr_dataset *d = open_packed("a.tar.gz", 0);
        const mr_loader_opts opts = of_shards(3, workers);
        mr_loader *loader = mr_loader_new(d, rng, &opts);
        const mr_batch *b;
        for (int i = 0; i < 4; i++)
            CHECK_EQ_I64(mr_loader_next(loader, &b), MR_OK);
        mr_dataset_free(d);
        mr_loader_free(loader);
    }
}

/* A file that has become another one since is not gone on in. */
static void test_changed(void)
{
    make("c.tar", 300, -1, 0);
    mr_dataset *d = open_packed("c.tar.gz", 0);
    const mr_loader_opts opts = of_shards(3, 0);
    mr_loader *loader = mr_loader_new(d, rng, &opts), *second;
    const mr_batch *b;
    const void *state;
    size_t size;
    for (int i = 0; i < 9; i++)
        CHECK_EQ_I64(mr_loader_next(loader, &b), MR_OK);
    CHECK_EQ_I64(mr_loader_save(loader, &state, &size), MR_OK);
    make("c.tar", 290, -1, 0);
    second = mr_loader_new(d, rng, &opts);
    CHECK_EQ_I64(mr_loader_restore(second, state, size), MR_OK);
    CHECK_EQ_I64(mr_loader_next(second, &b), MR_ERR_STATE);
    check_said("/c.tar.gz' has changed since it was read up to byte ");
    mr_loader_free(second);
    mr_loader_free(loader);
    mr_dataset_free(d);
    make("c.tar", 20, -1, 0); /* the same on the disk */
    d = mr_tar_stream_new(in_folder("c.tar.gz"), fields, 2, NULL);
    make("c.tar", 300, -1, 0);
    loader = mr_loader_new(d, rng, &opts);
    for (int i = 0; i < 9; i++)
        CHECK_EQ_I64(mr_loader_next(loader, &b), MR_OK);
    CHECK_EQ_I64(mr_loader_save(loader, &state, &size), MR_OK);
    make("c.tar", 20, -1, 0);
    second = mr_loader_new(d, rng, &opts);
    CHECK_EQ_I64(mr_loader_restore(second, state, size), MR_OK);
    CHECK_EQ_I64(mr_loader_next(second, &b), MR_ERR_STATE);
    check_said("/c.tar.gz' has changed since it was read up to byte ");
    mr_loader_free(second);
    mr_loader_free(loader);
    mr_dataset_free(d);
}

/* ---- two at once ---- */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t came = PTHREAD_COND_INITIALIZER;
static int inside;
static bool met, given_up;

/* Waits until another thread is in here, too; for some seconds, if none comes. */
static mr_status meet(void *user, void *const *in, void *const *out, int64_t index, mr_random *random)
{
    struct timespec until;
    (void)user, (void)in, (void)out, (void)index, (void)random;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 20;
    pthread_mutex_lock(&lock);
    inside++;
    met = met || inside > 1;
    pthread_cond_broadcast(&came);
    while (!met && !given_up)
        given_up = pthread_cond_timedwait(&came, &lock, &until) != 0;
    inside--;
    pthread_mutex_unlock(&lock);
    return MR_OK;
}

static void test_at_once(void)
{
    static reading r;
    mr_dataset *d = open_packed("a.tar.gz", 0), *map = mr_map_new(d, meet, NULL, NULL);
    const mr_loader_opts opts = of_shards(4, 2);
    read_all(map, &opts, &r);
    check_each_once(&r, SAMPLES);
    CHECK(met);
    mr_dataset_free(map);
    mr_dataset_free(d);
}

/* ---- by default ---- */

static void test_default(void)
{
    static unsigned char content[1 << 20];
    FILE *file = fopen(in_folder("default.tar"), "wb");
    for (int n = 0; n < 17; n++) {
        char name[16];
        for (size_t i = 0; i < sizeof content; i++)
            content[i] = byte_at(n, i);
        snprintf(name, sizeof name, "%d.bin", n);
        put_member(file, name, content, sizeof content);
    }
    put_end(file);
    char command[600];
    snprintf(command, sizeof command, "gzip -kf1 '%s'", in_folder("default.tar"));
    CHECK(system(command) == 0);
    CHECK(file_size("default.tar.gz") > 16 << 20);
    mr_dataset *d = mr_tar_stream_new(in_folder("default.tar.gz"), &fields[1], 1, NULL),
               *small = mr_tar_stream_new(in_folder("a.tar.gz"), fields, 2, NULL);
    CHECK_EQ_I64(d->stream->shards(d->self), 4);
    CHECK_EQ_I64(small->stream->shards(small->self), 1);
    mr_dataset_free(d);
    mr_dataset_free(small);
    CHECK(!mr_tar_stream_new(in_folder("a.tar.gz"), fields, 2, &(mr_tar_opts){ .max_held = -1 }));
    check_said("tar_stream_new: max_held is -1");
}

/* ---- memory runs out ---- */

static double read_program(mr_status *status)
{
    mr_dataset *d = mr_tar_stream_new(in_folder("few.tar.gz"), fields, 2, NULL);
    mr_rng *own = mr_rng_new(0);
    mr_loader *loader = mr_loader_new(d, own, &(mr_loader_opts){ .batch_size = 48, .shards = 2 });
    const mr_batch *b;
    double sum = 0;
    while ((*status = mr_loader_next(loader, &b)) == MR_OK)
        sum += (double)mr_tensor_numel(b->field[1]);
    *status = *status == MR_END ? MR_OK : *status;
    mr_loader_free(loader);
    mr_rng_free(own);
    mr_dataset_free(d);
    return sum;
}

static void test_out_of_memory(void)
{
    make("few.tar", 100, -1, 0);
    refuse_begin();
    refuse_each("packed tar", read_program, 20);
    refuse_end();
}

int main(void)
{
    if (!files_begin())
        return 1;
    rng = mr_rng_new(1);
    RUN(test_unpacked_once);
    RUN(test_resumed);
    RUN(test_little_memory);
    RUN(test_large_sample);
    RUN(test_damage);
    RUN(test_replicas);
    RUN(test_left);
    RUN(test_stream_gone);
    RUN(test_changed);
    RUN(test_at_once);
    RUN(test_default);
    RUN(test_out_of_memory);
    mr_rng_free(rng);
    return files_report();
}

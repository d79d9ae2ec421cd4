/* Bytes: how many are made ahead, held by a cache, and counted; items of ragged fields, too. */
#include "loader_fixture.h"

#include <millrace/datasets.h>
#include <millrace/ragged.h>

#include <string.h>

/* ---- how far ahead; sample i is ROW bytes of i, dense or ragged ---- */

enum { ROW = 1024, ROWS = 400 };

static atomic_int_least64_t begun, due, furthest;

static int64_t wide_len(void *self)
{
    (void)self;
    return ROWS;
}

static mr_status wide_get(void *self, int64_t index, const mr_sample *sample)
{
    (void)self;
    int64_t ahead = atomic_fetch_add(&begun, 1) + 1 - atomic_load(&due), seen = atomic_load(&furthest);
    while (ahead > seen && !atomic_compare_exchange_weak(&furthest, &seen, ahead)) {}
    memset(sample->field[0], (int)index, ROW);
    return MR_OK;
}

static mr_status ragged_get(void *self, int64_t index, const mr_sample *sample)
{
    void *bytes = mr_ragged_resize(sample->field[0], ROW);
    return bytes ? wide_get(self, index, &(mr_sample){ .field = &bytes }) : MR_ERR_MEMORY;
}

static const mr_dataset_vtable wide_vtable = { .len = wide_len, .get = wide_get },
                               ragged_vtable = { .len = wide_len, .get = ragged_get };
static const mr_field wide_field = { "row", MR_UINT8, { 1, { ROW } } },
                      ragged_field = { "row", MR_UINT8, { 1, { -1 } } };

static atomic_int_least64_t live, peak;

static void *counting_allocate(void *user, size_t bytes, size_t alignment)
{
    (void)user;
    size_t *block = aligned_alloc(alignment < 64 ? 64 : alignment, 64 + (bytes + 63) / 64 * 64);
    if (!block)
        return NULL;
    *block = bytes;
    int64_t now = atomic_fetch_add(&live, (int64_t)bytes) + (int64_t)bytes, seen = atomic_load(&peak);
    while (now > seen && !atomic_compare_exchange_weak(&peak, &seen, now)) {}
    return (char *)block + 64;
}

static void counting_release(void *user, void *memory)
{
    (void)user;
    if (!memory)
        return;
    size_t *block = (size_t *)((char *)memory - 64);
    atomic_fetch_sub(&live, (int64_t)*block);
    free(block);
}

/* Most samples that were begun before the batch they are in was asked for; two epochs. */
static int64_t samples_ahead(const mr_loader_opts *opts, bool ragged)
{
    mr_rng *rng = mr_rng_new(0);
    mr_dataset *d = ragged ? mr_dataset_new(&ragged_vtable, NULL, 0, &ragged_field, 1)
                           : mr_dataset_new(&wide_vtable, NULL, 0, &wide_field, 1);
    mr_loader *l = mr_loader_new(d, rng, opts);
    const mr_batch *b;
    atomic_store(&begun, 0);
    atomic_store(&furthest, 0);
    atomic_store(&due, 0);
    atomic_store(&peak, atomic_load(&live));
    for (int epoch = 0; epoch < 2; epoch++)
        for (;;) {
            atomic_fetch_add(&due, opts->batch_size);
            if (mr_loader_next(l, &b) != MR_OK)
                break;
            nanosleep(&(struct timespec){ .tv_nsec = 300000 }, NULL); /* slower than the workers */
        }
    mr_loader_free(l);
    mr_dataset_free(d);
    mr_rng_free(rng);
    return atomic_load(&furthest);
}

static void test_bytes_ahead(void)
{
    enum { BATCH = 20, BYTES = BATCH * ROW };
    static const mr_allocator counting = { counting_allocate, counting_release, NULL };
    mr_set_allocator(&counting);
    for (int kind = 0; kind < 4; kind++) {
        const bool ragged = kind & 2;
        const int64_t copies =
            ragged ? 2 : 1; /* of ragged rows: as they were written, and behind each other */
        mr_loader_opts opts = { .batch_size = BATCH, .workers = 2, .prefetch = 15, .unordered = kind & 1 };
        opts.timeout = 1000; /* so that all batches are made by workers, small as they are */
        int64_t free_ahead = samples_ahead(&opts, ragged),
                free_peak = atomic_load(&peak) - atomic_load(&live);
        CHECK(free_ahead > 8 * BATCH && free_ahead <= 15 * BATCH);
        CHECK(free_peak >= (ragged ? 12 : 16) * BYTES);
        static const int64_t bounds[] = { 1, BYTES, 3 * BYTES + 5, 7 * BYTES };
        for (int i = 0; i < 4; i++) {
            opts.prefetch_bytes = bounds[i];
            int64_t ahead = samples_ahead(&opts, ragged) * ROW,
                    used = atomic_load(&peak) - atomic_load(&live);
            int64_t batches = bounds[i] / BYTES > 0 ? bounds[i] / BYTES : 1;
            CHECK(ahead <= batches * BYTES);
            CHECK(ahead > batches * BYTES / 2);   /* and it is made use of */
            CHECK(used >= (batches + 1) * BYTES); /* those, the one in hand, */
            CHECK(used <= copies * (batches + 3) * BYTES + 24 * 1024 +
                              (ragged ? 16 : batches) * 2048); /* and two for what is made at once */
        }
    }
    mr_set_allocator(NULL);
}

/* ---- samples of i * 7 % 11 items of four bytes, and a label ---- */

static int64_t items_of(int64_t index)
{
    return index * 7 % 11;
}

static atomic_int_least64_t asked;

static mr_status text_get(void *self, int64_t index, const mr_sample *sample)
{
    int32_t *item = mr_ragged_resize(sample->field[0], items_of(index));
    (void)self;
    atomic_fetch_add(&asked, 1);
    for (int64_t j = 0; item && j < items_of(index); j++)
        item[j] = (int32_t)(100 * index + j);
    *(int64_t *)sample->field[1] = index;
    return item ? MR_OK : MR_ERR_MEMORY;
}

static const mr_dataset_vtable text_vtable = { .len = wide_len, .get = text_get };
static const mr_field text_fields[] = { { "text", MR_INT32, { 1, { -1 } } }, { "label", MR_INT64, { 0 } } };

static mr_dataset *text_new(void)
{
    return mr_dataset_new(&text_vtable, NULL, 0, text_fields, 2);
}

static void test_counts(void)
{
    int64_t items = 0;
    for (int64_t i = 0; i < ROWS; i++)
        items += items_of(i);
    for (int workers = 0; workers < 3; workers++) {
        mr_rng *rng = mr_rng_new(0);
        mr_dataset *d = text_new();
        mr_loader *l = mr_loader_new(d, rng, &(mr_loader_opts){ .batch_size = 7, .workers = workers });
        const mr_batch *b;
        mr_loader_stats s;
        while (mr_loader_next(l, &b) == MR_OK) {}
        mr_loader_get_stats(l, &s);
        CHECK_EQ_I64(s.samples, ROWS);
        CHECK_EQ_I64(s.bytes, 8 * ROWS + 4 * items);
        CHECK_CLOSE(s.all.bytes * s.all.seconds, (double)s.bytes, 1e-9, 0);
        CHECK_CLOSE(s.fill.bytes / s.fill.samples, (double)s.bytes / ROWS, 1e-9, 0);
        mr_loader_free(l);
        mr_dataset_free(d);
        mr_rng_free(rng);
    }
}

/* ---- a cache ---- */

static bool is_sample(mr_dataset *data, int64_t index)
{
    mr_batch *b = mr_dataset_get(data, index);
    bool same = b && mr_tensor_numel(b->field[0]) == items_of(index) &&
                *(int64_t *)mr_tensor_data(b->field[1]) == index;
    for (int64_t j = 0; same && j < items_of(index); j++)
        same = ((int32_t *)mr_tensor_data(b->field[0]))[j] == (int32_t)(100 * index + j);
    mr_batch_free(b);
    return same;
}

static void test_cache(void)
{
    static const int64_t bounds[] = { 0, 1, 71, 72, 1000, 9999, 1 << 20 };
    static const mr_allocator counting = { counting_allocate, counting_release, NULL };
    mr_set_allocator(&counting);
    for (size_t i = 0; i < sizeof bounds / sizeof *bounds; i++) {
        mr_dataset *d = text_new(), *cache = mr_cache_new(d, &(mr_cache_opts){ .max_bytes = bounds[i] });
        mr_cache_counts counts;
        const int64_t before = atomic_load(&live);
        atomic_store(&asked, 0);
        for (int64_t k = 0; k < ROWS; k++)
            CHECK(is_sample(cache, k));
        CHECK_EQ_I64(mr_cache_count(cache, &counts), MR_OK);
        CHECK_EQ_I64(counts.reads, ROWS);
        CHECK_EQ_I64(atomic_load(&asked), ROWS);
        /* a label, and room for the items, of which a little is taken at least */
        CHECK_EQ_I64(counts.bytes, counts.held * (8 + 64));
        CHECK_EQ_I64(atomic_load(&live) - before, counts.held * 64);
        const int64_t fit = bounds[i] / 72;
        CHECK_EQ_I64(counts.held, bounds[i] && fit < ROWS ? fit : ROWS);
        for (int64_t k = 0; k < ROWS; k++)
            CHECK(is_sample(cache, k));
        CHECK_EQ_I64(mr_cache_count(cache, &counts), MR_OK);
        CHECK_EQ_I64(counts.hits, counts.held);
        CHECK_EQ_I64(atomic_load(&asked), 2 * ROWS - counts.held);
        mr_dataset_free(cache);
        mr_dataset_free(d);
    }
    mr_set_allocator(NULL);
}

/* Many threads: the bound is kept, and what is held is whole. */
static void test_cache_crowd(void)
{
    mr_rng *rng = mr_rng_new(0);
    mr_dataset *d = text_new(), *cache = mr_cache_new(d, &(mr_cache_opts){ .max_bytes = 5000 });
    mr_loader *l =
        mr_loader_new(cache, rng, &(mr_loader_opts){ .batch_size = 40, .shuffle = true, .workers = 4 });
    const mr_batch *b;
    mr_cache_counts counts;
    for (int epoch = 0; epoch < 3; epoch++)
        while (mr_loader_next(l, &b) == MR_OK) {
            const int64_t *offset = mr_tensor_data(b->field[2]);
            for (int64_t r = 0; r < b->rows; r++) {
                CHECK_EQ_I64(offset[r + 1] - offset[r], items_of(b->indices[r]));
                for (int64_t j = 0; j < offset[r + 1] - offset[r]; j++)
                    CHECK_EQ_I64(((int32_t *)mr_tensor_data(b->field[0]))[offset[r] + j],
                                 100 * b->indices[r] + j);
            }
        }
    CHECK_EQ_I64(mr_cache_count(cache, &counts), MR_OK);
    CHECK_EQ_I64(counts.held, 5000 / 72);
    CHECK(counts.hits + counts.reads >= 3 * ROWS); /* and what was read of the next epoch */
    mr_loader_free(l);
    mr_dataset_free(cache);
    mr_dataset_free(d);
    mr_rng_free(rng);
}

int main(void)
{
    RUN(test_bytes_ahead);
    RUN(test_counts);
    RUN(test_cache);
    RUN(test_cache_crowd);
    return check_report();
}

/* A dataset of 2^40 samples in Millrace's order costs what a batch costs, and no sampler allocates at steady state. */
#include "check.h"
#include "count_malloc.h"
#include "ragged_fixture.h"

#include <millrace/datasets.h>
#include <millrace/samplers.h>

enum { PIXELS = 28 * 28, BATCH = 32 };

typedef struct computed {
    int64_t length;
} computed;

static int64_t computed_len(void *self)
{
    return ((const computed *)self)->length;
}

static mr_status computed_get(void *self, int64_t index, const mr_sample *sample)
{
    (void)self;
    for (int i = 0; i < PIXELS; i++)
        ((float *)sample->field[0])[i] = (float)((index >> i % 40) & 1);
    *(int64_t *)sample->field[1] = index;
    return MR_OK;
}

static const mr_dataset_vtable computed_vtable = { .len = computed_len, .get = computed_get };
static const mr_field computed_fields[] = { { "image", MR_FLOAT32, { 2, { 28, 28 } } },
                                            { "index", MR_INT64, { 0 } } };

static mr_dataset *computed_new(int64_t length)
{
    computed c = { length };
    return mr_dataset_new(&computed_vtable, &c, sizeof c, computed_fields, 2);
}

/* ---- 2^40 samples ---- */

static void check_large(int workers)
{
    int64_t length = INT64_C(1) << 40, bytes = atomic_load(&counted_bytes),
            blocks = atomic_load(&counted_allocations);
    int64_t above = 0, in_a_row = 0, last = -1;
    mr_rng *rng = mr_rng_new(0);
    mr_dataset *data = computed_new(length);
    mr_loader *loader =
        mr_loader_new(data, rng, &(mr_loader_opts){ .batch_size = BATCH, .workers = workers });
    CHECK_EQ_I64(mr_loader_set_sampler(loader, mr_permutation_sampler_new(length, 7)), MR_OK);
    const mr_batch *batch;
    CHECK_EQ_I64(mr_loader_next(loader, &batch), MR_OK);
    bytes = atomic_load(&counted_bytes) - bytes;
    blocks = atomic_load(&counted_allocations) - blocks;
    if (!CHECK(bytes < 2000000 && blocks < 300))
        printf("    %lld bytes in %lld blocks with %d workers\n", (long long)bytes, (long long)blocks,
               workers);
    CHECK_EQ_I64(mr_loader_len(loader), length / BATCH);
    blocks = atomic_load(&counted_allocations);
    for (int i = 0; i < 10000 && CHECK(mr_loader_next(loader, &batch) == MR_OK); i++)
        for (int64_t r = 0; r < batch->rows; r++) {
            above += batch->indices[r] >= length / 2;
            in_a_row += batch->indices[r] == last + 1;
            last = batch->indices[r];
        }
    CHECK_EQ_I64(atomic_load(&counted_allocations), blocks);
    CHECK(above > 158000 && above < 162000 && in_a_row == 0);
    mr_loader_free(loader);
    mr_dataset_free(data);
    mr_rng_free(rng);
}

static void test_large(void)
{
    check_large(2);
    int64_t before =
        atomic_load(&live_blocks); /* the C library keeps something of a thread's for the next one */
    check_large(0);
    check_large(2);
    CHECK_EQ_I64(atomic_load(&live_blocks), before);
}

/* ---- all samplers, over epochs ---- */

enum { ROWS = 1000 };

static int64_t length_of(void *user, int64_t index)
{
    (void)user;
    return index * 7 % 101;
}

static mr_sampler *make(int kind, mr_rng *rng)
{
    static double weights[ROWS];
    static int64_t indices[ROWS], sizes[ROWS / 10];
    for (int i = 0; i < ROWS; i++) {
        weights[i] = 1 + i % 3;
        indices[i] = ROWS - 1 - i;
        sizes[i / 10] = 10;
    }
    switch (kind) {
    case 0:
        return mr_sequential_sampler_new(ROWS);
    case 1:
        return mr_permutation_sampler_new(ROWS, 0);
    case 2:
        return mr_random_sampler_new(ROWS, rng, NULL);
    case 3:
        return mr_random_sampler_new(ROWS, rng, &(mr_random_sampler_opts){ true, 2 * ROWS, rng });
    case 4:
        return mr_subset_random_sampler_new(indices, ROWS, rng, NULL);
    case 5:
        return mr_weighted_sampler_new(weights, ROWS, ROWS, rng, NULL);
    case 6:
        return mr_weighted_sampler_new(weights, ROWS, ROWS / 2, rng,
                                       &(mr_weighted_sampler_opts){ true, NULL });
    case 7:
        return mr_distributed_sampler_new(ROWS, 1, 3, NULL);
    case 8:
        return mr_batch_sampler_new(mr_random_sampler_new(ROWS, rng, NULL), BATCH, false);
    case 9:
        return mr_batch_list_sampler_new(indices, sizes, ROWS / 10);
    default:
        return mr_bucket_sampler_new(ROWS, BATCH, 0, length_of, NULL, &(mr_bucket_sampler_opts){ .pool = 5 });
    }
}

static mr_status darken(void *user, void *const *in, void *const *out, int64_t index, mr_random *random)
{
    (void)user;
    (void)in;
    (void)index;
    float *image = out[0], factor = (float)mr_random_uniform(random);
    for (int i = 0; i < PIXELS; i++)
        image[i] *= factor;
    return MR_OK;
}

/* Cuts the last token and pair off. */
static mr_status shorten(void *user, void *const *in, void *const *out, int64_t index, mr_random *random)
{
    const mr_ragged *from = in[0];
    int64_t items = from->count > 0 ? from->count - 1 : 0;
    (void)user;
    (void)index;
    (void)random;
    return mr_ragged_resize(out[0], items) && mr_ragged_resize(out[2], items) ? MR_OK : MR_ERR_MEMORY;
}

static void test_steady_state(void)
{
    int64_t before = atomic_load(&live_blocks);
    for (int kind = 0; kind < 11; kind++) {
        mr_rng *rng = mr_rng_new(0);
        mr_dataset *rows = computed_new(ROWS), *cache = mr_cache_new(rows, NULL);
        mr_dataset *map = mr_map_new(cache, darken, NULL, NULL);
        mr_loader *loader =
            mr_loader_new(map, rng, &(mr_loader_opts){ .batch_size = BATCH, .workers = kind % 3 });
        CHECK_EQ_I64(mr_loader_set_sampler(loader, make(kind, rng)), MR_OK);
        const mr_batch *batch;
        mr_status status;
        int64_t blocks = 0;
        for (int epoch = 0; epoch < 4; epoch++) {
            while ((status = mr_loader_next(loader, &batch)) == MR_OK)
                ;
            CHECK_EQ_I64(status, MR_END);
            if (epoch == 0)
                blocks = atomic_load(&counted_allocations);
        }
        if (!CHECK_EQ_I64(atomic_load(&counted_allocations), blocks))
            printf("    sampler %d\n", kind);
        mr_loader_free(loader);
        mr_dataset *all[] = { rows, cache, map };
        for (int i = 0; i < 3; i++)
            mr_dataset_free(all[i]);
        mr_rng_free(rng);
    }
    CHECK_EQ_I64(atomic_load(&live_blocks), before);
}

/* ---- ragged fields: nothing is allocated once the longest batch has been there ---- */

static void test_ragged(void)
{
    static mr_collate_pack_opts eight = { .length = 8 };
    int64_t before = atomic_load(&live_blocks);
    for (int kind = 0; kind < 6; kind++) {
        mr_rng *rng = mr_rng_new(0);
        mr_dataset *rows = ragged_new(60, -1, -1), *map = mr_map_new(rows, shorten, NULL, NULL);
        mr_loader *loader =
            mr_loader_new(map, rng, &(mr_loader_opts){ .batch_size = 8, .workers = kind / 3 });
        if (kind % 3)
            mr_loader_set_collate(loader, kind % 3 == 1 ? mr_collate_pad : mr_collate_pack,
                                  kind % 3 == 1 ? NULL : &eight);
        const mr_batch *batch;
        int64_t blocks = 0;
        for (int epoch = 0; epoch < 30; epoch++) {
            mr_status status;
            while ((status = mr_loader_next(loader, &batch)) == MR_OK)
                ;
            CHECK_EQ_I64(status, MR_END);
            if (epoch == 9)
                blocks = atomic_load(&counted_allocations);
        }
        if (!CHECK_EQ_I64(atomic_load(&counted_allocations), blocks))
            printf("    kind %d\n", kind);
        mr_loader_free(loader);
        mr_dataset_free(map);
        mr_dataset_free(rows);
        mr_rng_free(rng);
    }
    CHECK_EQ_I64(atomic_load(&live_blocks), before);
}

int main(void)
{
    RUN(test_large);
    RUN(test_steady_state);
    RUN(test_ragged);
    return check_report();
}

/* Datasets whose samples are changed, or kept in memory: map and cache. */
#include "check.h"
#include "loader_fixture.h"

#include <millrace/datasets.h>

#include <stdlib.h>
#include <string.h>

static mr_dataset *numbers(int64_t length, bool many, int delay)
{
    return fixture_new((fixture){ .length = length, .bad = -1, .bad2 = -1, .many = many, .delay = delay });
}

static void check_error(const char *text)
{
    CHECK_EQ_STR(mr_error(), text);
    mr_error_clear();
}

/* A number that hangs on all batches of two epochs. */
static uint64_t hash_of(mr_dataset *data, int64_t batch_size, int workers, bool shuffle)
{
    uint64_t hash = UINT64_C(14695981039346656037);
    mr_rng *rng = mr_rng_new(3);
    mr_loader *loader = mr_loader_new(
        data, rng, &(mr_loader_opts){ .batch_size = batch_size, .workers = workers, .shuffle = shuffle });
    const mr_batch *b;
    for (int epoch = 0; epoch < 2; epoch++) {
        mr_status status;
        while ((status = mr_loader_next(loader, &b)) == MR_OK)
            fixture_hash_batch(&hash, b);
        if (!CHECK_EQ_I64(status, MR_END))
            printf("    %s\n", mr_error());
    }
    mr_loader_free(loader);
    mr_rng_free(rng);
    return hash;
}

/* ---- map ---- */

static atomic_int misplaced; /* samples that were not what they should be */

static mr_status jitter(void *user, void *const *in, void *const *out, int64_t index, mr_random *random)
{
    int64_t *pair = out[0];
    misplaced += in[0] != out[0] || in[1] != out[1] || pair[0] != index;
    if (index == *(const int64_t *)user)
        return mr_fail(MR_ERR_FORMAT, "cannot jitter");
    pair[1] = mr_random_below(random, 1000000);
    *(uint8_t *)out[1] = (uint8_t)mr_random_below(random, 256);
    return MR_OK;
}

static void test_map_in_place(void)
{
    int64_t none = -1, bad = 17;
    for (int many = 0; many < 2; many++) {
        mr_dataset *data = numbers(100, many, 60);
        mr_dataset *map = mr_map_new(data, jitter, &none, NULL);
        mr_dataset *other = mr_map_new(data, jitter, &none, &(mr_map_opts){ .seed = 1 });
        mr_dataset *failing = mr_map_new(map, jitter, &bad, NULL);
        mr_dataset_free(data);
        CHECK_EQ_I64(mr_dataset_len(map), 100);
        uint64_t want = hash_of(map, 7, 0, true);
        for (int workers = 1; workers < 8; workers += 2)
            CHECK(hash_of(map, 7, workers, true) == want); /* what is drawn does not hang on who draws */
        CHECK(hash_of(other, 7, 0, true) != want);
        CHECK_EQ_I64(misplaced, 0);
        mr_batch *a = mr_dataset_get(map, 3), *b = mr_dataset_get(map, 4), *c = mr_dataset_get(map, 3);
        int64_t first = ((const int64_t *)mr_tensor_data(a->field[0]))[1];
        CHECK(first != ((const int64_t *)mr_tensor_data(b->field[0]))[1]);
        CHECK_EQ_I64(first, ((const int64_t *)mr_tensor_data(c->field[0]))[1]);
        mr_batch_free(a);
        mr_batch_free(b);
        mr_batch_free(c);

        mr_rng *rng = mr_rng_new(0);
        mr_loader *loader =
            mr_loader_new(failing, rng, &(mr_loader_opts){ .batch_size = 20, .workers = 2 * many });
        const mr_batch *batch;
        CHECK_EQ_I64(mr_loader_next(loader, &batch), MR_ERR_FORMAT);
        check_error("loader: sample 17: map: sample 17: cannot jitter");
        mr_loader_free(loader);
        mr_rng_free(rng);
        mr_dataset *all[] = { map, other, failing };
        for (int i = 0; i < 3; i++)
            mr_dataset_free(all[i]);
        CHECK_EQ_I64(workers_open, 0);
    }
}

/* Of another epoch other numbers are drawn. */
static void test_map_epochs(void)
{
    int64_t none = -1;
    mr_dataset *data = numbers(3, false, 0), *map = mr_map_new(data, jitter, &none, NULL);
    mr_rng *rng = mr_rng_new(0);
    mr_loader *loader = mr_loader_new(map, rng, &(mr_loader_opts){ .batch_size = 3 });
    const mr_batch *b;
    int64_t drawn[2];
    for (int epoch = 0; epoch < 2; epoch++) {
        CHECK_EQ_I64(mr_loader_next(loader, &b), MR_OK);
        drawn[epoch] = ((const int64_t *)mr_tensor_data(b->field[0]))[1];
        CHECK_EQ_I64(mr_loader_next(loader, &b), MR_END);
    }
    CHECK(drawn[0] != drawn[1]);
    mr_loader_free(loader);
    mr_rng_free(rng);
    mr_dataset_free(map);
    mr_dataset_free(data);
}

static const mr_field sums[] = { { "sum", MR_FLOAT64, { 0 } }, { "three", MR_INT32, { 1, { 3 } } } };

static mr_status add_up(void *user, void *const *in, void *const *out, int64_t index, mr_random *random)
{
    const int64_t *pair = in[0];
    (void)user;
    (void)random;
    *(double *)out[0] = (double)pair[0] + (double)pair[1] + *(const uint8_t *)in[1];
    for (int i = 0; i < 3; i++)
        ((int32_t *)out[1])[i] = (int32_t)index + i;
    return MR_OK;
}

static void test_map_fields(void)
{
    for (int workers = 0; workers < 4; workers++)
        for (int many = 0; many < 2; many++) {
            mr_dataset *data = numbers(30, many, 30);
            mr_dataset *map =
                mr_map_new(data, add_up, NULL, &(mr_map_opts){ .fields = sums, .field_count = 2 });
            mr_dataset_free(data);
            CHECK_EQ_STR(mr_dataset_fields(map)[1].name, "three");
            mr_rng *rng = mr_rng_new(0);
            mr_loader *loader =
                mr_loader_new(map, rng, &(mr_loader_opts){ .batch_size = 8, .workers = workers });
            const mr_batch *b;
            for (int64_t at = 0; mr_loader_next(loader, &b) == MR_OK; at += b->rows)
                for (int64_t i = 0; i < b->rows; i++) {
                    int64_t n = at + i;
                    CHECK_NEAR(((const double *)mr_tensor_data(b->field[0]))[i], n + n * n + n, 0);
                    CHECK_EQ_I64(((const int32_t *)mr_tensor_data(b->field[1]))[3 * i + 2], n + 2);
                }
            mr_loader_free(loader);
            mr_rng_free(rng);
            mr_dataset_free(map);
            CHECK_EQ_I64(workers_open, 0);
        }
}

static mr_status pending_only(void *user, void *const *in, void *const *out, int64_t index, mr_random *random)
{
    (void)user;
    (void)in;
    (void)out;
    (void)index;
    (void)random;
    mr_fail(MR_ERR_IO, "forgotten");
    return MR_OK;
}

static mr_status no_text(void *user, void *const *in, void *const *out, int64_t index, mr_random *random)
{
    (void)user;
    (void)in;
    (void)out;
    (void)index;
    (void)random;
    return MR_ERR_IO;
}

/* ---- what a map is given for good ---- */

static void count_release(void *user)
{
    ++*(int *)user;
}

static void test_map_release(void)
{
    int released = 0;
    mr_map_opts opts = { .release = count_release };
    mr_dataset *data = numbers(3, false, 0), *map = mr_map_new(data, pending_only, &released, &opts);
    mr_dataset *above = mr_subset_new(map, (int64_t[]){ 1 }, 1);
    mr_dataset_free(map);
    CHECK_EQ_I64(released, 0);
    mr_dataset_free(above);
    CHECK_EQ_I64(released, 1);
    CHECK(!mr_map_new(NULL, pending_only, &released, &opts));
    CHECK_EQ_I64(released, 2);
    opts.fields = (mr_field[]){ { "x", MR_FLOAT32, { 1, { -2 } } } };
    opts.field_count = 1;
    CHECK(!mr_map_new(data, pending_only, &released, &opts));
    CHECK_EQ_I64(released, 3);
    mr_error_clear();
    mr_dataset_free(data);
}

static void test_map_errors(void)
{
    mr_dataset *data = numbers(3, false, 0);
    mr_dataset *faulty = fixture_new((fixture){ .length = 3, .bad = 1, .bad2 = -1, .worker_fault = 3 });
    CHECK(mr_map_new(NULL, add_up, NULL, NULL) == NULL);
    check_error("map_new: dataset is NULL");
    CHECK(mr_map_new(data, NULL, NULL, NULL) == NULL);
    check_error("map_new: function is NULL");
    CHECK(mr_map_new(data, add_up, NULL, &(mr_map_opts){ .fields = sums }) == NULL);
    check_error("map_new: 0 fields");
    CHECK(mr_map_new(data, add_up, NULL, &(mr_map_opts){ .field_count = 2 }) == NULL);
    check_error("map_new: 2 fields at NULL");
    mr_dataset *map = mr_map_new(data, pending_only, NULL, NULL),
               *silent = mr_map_new(data, no_text, NULL, NULL);
    CHECK(mr_dataset_get(map, 2) == NULL);
    check_error("dataset_get: sample 2: map: sample 2: forgotten");
    CHECK(mr_dataset_get(silent, 2) == NULL);
    check_error("dataset_get: sample 2: map: sample 2: the callback failed without a message");
    mr_dataset *other = mr_map_new(faulty, add_up, NULL, &(mr_map_opts){ .fields = sums, .field_count = 2 });
    atomic_store(&workers_opened, 0);
    CHECK(mr_dataset_get(other, 1) == NULL);
    check_error("dataset_get: sample 1: map: sample 1: row is damaged");
    mr_batch_free(mr_dataset_get(other, 0));
    CHECK(mr_dataset_get(other, 0) == NULL);
    check_error("loader: worker_open: no decoder is left");
    CHECK_EQ_I64(workers_open, 0);
    mr_dataset *all[] = { data, faulty, map, silent, other };
    for (int i = 0; i < 5; i++)
        mr_dataset_free(all[i]);
}

/* ---- cache ---- */

static void test_cache(void)
{
    for (int workers = 0; workers < 8; workers++) {
        mr_dataset *data = numbers(200, workers % 2, 20);
        mr_dataset *cache = mr_cache_new(data, NULL);
        mr_cache_counts counts;
        mr_dataset_free(data);
        /* the samples of epoch 1 are those of epoch 0 */
        mr_rng *rng = mr_rng_new(3);
        mr_loader *loader = mr_loader_new(
            cache, rng, &(mr_loader_opts){ .batch_size = 16, .workers = workers, .shuffle = true });
        const mr_batch *b;
        for (int epoch = 0; epoch < 3; epoch++) {
            while (mr_loader_next(loader, &b) == MR_OK)
                for (int64_t i = 0; i < b->rows; i++) {
                    const int64_t *pair = (const int64_t *)mr_tensor_data(b->field[0]) + 2 * i;
                    CHECK_EQ_I64(pair[0], b->indices[i]);
                    CHECK(pair[1] - pair[0] * pair[0] < 3); /* and the epoch in which it was read */
                    CHECK_EQ_I64(((const uint8_t *)mr_tensor_data(b->field[1]))[i], pair[0]);
                }
        }
        mr_loader_free(loader);
        mr_rng_free(rng);
        CHECK_EQ_I64(mr_cache_count(cache, &counts), MR_OK);
        CHECK_EQ_I64(counts.capacity, 200);
        CHECK_EQ_I64(counts.held, 200);
        CHECK_EQ_I64(counts.reads, 200); /* each once */
        CHECK(counts.hits >= 400);
        mr_dataset_free(cache);
        CHECK_EQ_I64(workers_open, 0);
    }
}

/* Many ask for few samples at once. */
static void test_cache_crowd(void)
{
    int64_t indices[400];
    for (int i = 0; i < 400; i++)
        indices[i] = i / 40;
    mr_dataset *data = numbers(10, false, 2000), *cache = mr_cache_new(data, NULL);
    mr_dataset *crowd = mr_subset_new(cache, indices, 400);
    mr_cache_counts counts;
    hash_of(crowd, 100, 8, false);
    CHECK_EQ_I64(mr_cache_count(cache, &counts), MR_OK);
    CHECK_EQ_I64(counts.reads, 10);
    CHECK(counts.hits >= 790); /* and of an epoch that was begun ahead */
    mr_dataset *all[] = { data, cache, crowd };
    for (int i = 0; i < 3; i++)
        mr_dataset_free(all[i]);
}

static void test_cache_bound(void)
{
    mr_dataset *data = numbers(100, false, 0);
    mr_dataset *cache = mr_cache_new(data, &(mr_cache_opts){ .max_bytes = 17 * 40 + 16 });
    mr_cache_counts counts;
    uint64_t want = hash_of(cache, 10, 0, true);
    CHECK_EQ_I64(mr_cache_count(cache, &counts), MR_OK);
    CHECK_EQ_I64(counts.capacity, 40);
    CHECK_EQ_I64(counts.held, 40);
    CHECK_EQ_I64(counts.reads, 40 + 2 * 60);
    CHECK_EQ_I64(counts.hits, 40);
    mr_dataset *again = mr_cache_new(data, &(mr_cache_opts){ .max_bytes = 17 * 40 });
    CHECK(hash_of(again, 10, 3, true) == want);
    mr_dataset *all[] = { data, cache, again };
    for (int i = 0; i < 3; i++)
        mr_dataset_free(all[i]);
}

/* A failing sample is asked for again each time, and does not stop others. */
static void test_cache_failures(void)
{
    mr_dataset *data = fixture_new((fixture){ .length = 20, .bad = 7, .bad2 = -1 }),
               *cache = mr_cache_new(data, NULL);
    mr_dataset *stream = fixture_stream_new((fixture){ .length = 5 });
    mr_cache_counts counts;
    for (int i = 0; i < 3; i++) {
        CHECK(mr_dataset_get(cache, 7) == NULL);
        check_error("dataset_get: sample 7: cache: sample 7: row is damaged");
        mr_batch_free(mr_dataset_get(cache, 8));
    }
    CHECK_EQ_I64(mr_cache_count(cache, &counts), MR_OK);
    CHECK_EQ_I64(counts.reads, 4);
    CHECK_EQ_I64(counts.held, 1);
    CHECK_EQ_I64(counts.hits, 2);
    mr_rng *rng = mr_rng_new(0);
    mr_loader *loader = mr_loader_new(cache, rng, &(mr_loader_opts){ .batch_size = 20, .workers = 4 });
    const mr_batch *b;
    for (int i = 0; i < 2; i++) {
        CHECK_EQ_I64(mr_loader_next(loader, &b), MR_ERR_FORMAT);
        check_error("loader: sample 7: cache: sample 7: row is damaged");
    }
    mr_loader_free(loader);
    mr_rng_free(rng);

    CHECK_EQ_I64(mr_cache_count(data, &counts), MR_ERR_ARGUMENT);
    check_error("cache_count: the dataset is no cache");
    CHECK_EQ_I64(mr_cache_count(NULL, &counts), MR_ERR_ARGUMENT);
    check_error("cache_count: cache is NULL");
    CHECK_EQ_I64(mr_cache_count(cache, NULL), MR_ERR_ARGUMENT);
    check_error("cache_count: counts is NULL");
    CHECK(mr_cache_new(stream, NULL) == NULL);
    check_error("cache_new: a stream has no samples by index");
    CHECK(mr_cache_new(data, &(mr_cache_opts){ -1 }) == NULL);
    check_error("cache_new: max_bytes -1 is negative");
    mr_dataset *all[] = { data, cache, stream };
    for (int i = 0; i < 3; i++)
        mr_dataset_free(all[i]);
}

int main(void)
{
    RUN(test_map_in_place);
    RUN(test_map_epochs);
    RUN(test_map_fields);
    RUN(test_map_release);
    RUN(test_map_errors);
    RUN(test_cache);
    RUN(test_cache_crowd);
    RUN(test_cache_bound);
    RUN(test_cache_failures);
    return check_report();
}

/* What loaders do behind a failure: nothing of a block that was begun, no call of a reader that failed, the next epoch's order
 * whatever the workers, time limits of single samples. Memory that is handed out is filled with 0x5a. */
#include "check.h"

#include <millrace/millrace.h>

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void *allocate(void *user, size_t bytes, size_t alignment)
{
    (void)user;
    void *memory = aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
    return memory ? memset(memory, 0x5a, bytes) : NULL;
}

static void release(void *user, void *memory)
{
    (void)user;
    free(memory);
}

static const mr_field number = { "n", MR_INT64, { 0 } };

static void check_contains(const char *said, const char *wanted)
{
    if (!CHECK(strstr(said, wanted) != NULL))
        printf("    %s\n", said);
    mr_error_clear();
}

/* ---- a stream of 5000 of which one sample fails ---- */

static atomic_int failures;

typedef struct torn {
    int64_t next;
} torn;

static void *torn_open(void *self, int64_t shard, int64_t shards)
{
    (void)self, (void)shards;
    torn *t = calloc(1, sizeof *t);
    t->next = shard ? 5000 : 0;
    return t;
}

static mr_status torn_next(void *cursor, const mr_sample *sample)
{
    torn *t = cursor;
    if (t->next >= 5000)
        return MR_END;
    if (t->next == 300) {
        atomic_fetch_add(&failures, 1);
        return mr_fail(MR_ERR_FORMAT, "torn");
    }
    *(int64_t *)sample->field[0] = t->next++;
    return MR_OK;
}

static const mr_stream_vtable torn_vtable = { .open = torn_open, .next = torn_next, .close = free };

static void test_stream_stops(void)
{
    mr_rng *rng = mr_rng_new(0);
    mr_dataset *stream = mr_stream_new(&torn_vtable, NULL, 0, &number, 1);
    for (int shuffle = 0; shuffle < 2; shuffle++)
        for (int workers = 0; workers < 4; workers++) {
            atomic_store(&failures, 0);
            mr_loader *loader = mr_loader_new(
                stream, rng,
                &(mr_loader_opts){
                    .batch_size = 4, .shuffle = shuffle, .workers = workers, .prefetch = workers ? 30 : 0 });
            const mr_batch *b;
            mr_status s;
            while ((s = mr_loader_next(loader, &b)) == MR_OK)
                for (int64_t i = 0; i < b->rows; i++)
                    CHECK(((int64_t *)mr_tensor_data(b->field[0]))[i] < 300);
            CHECK_EQ_I64(s, MR_ERR_FORMAT);
            check_contains(mr_error(), "loader: sample 300: torn");
            mr_loader_free(loader);
            CHECK_EQ_I64(atomic_load(&failures), 1);
        }
    mr_dataset_free(stream);
    mr_rng_free(rng);
}

/* ---- orders after a failure ---- */

static atomic_int_least64_t bad_index;

static int64_t two_hundred(void *self)
{
    (void)self;
    return 200;
}

static mr_status get(void *self, int64_t index, const mr_sample *sample)
{
    (void)self;
    if (index == bad_index)
        return mr_fail(MR_ERR_FORMAT, "torn");
    *(int64_t *)sample->field[0] = index;
    return MR_OK;
}

/* The first four indices of the epoch behind one in which a sample of the third batch fails. */
static void next_epoch(int workers, int64_t *index)
{
    static const mr_dataset_vtable vtable = { .len = two_hundred, .get = get };
    mr_dataset *data = mr_dataset_new(&vtable, NULL, 0, &number, 1);
    mr_rng *rng = mr_rng_new(0), *own = mr_rng_new(3);
    mr_loader *loader = mr_loader_new(
        data, rng, &(mr_loader_opts){ .batch_size = 4, .workers = workers, .prefetch = workers ? 30 : 0 });
    mr_random_sampler_opts opts = { .replacement = true, .generator = own };
    CHECK_EQ_I64(mr_loader_set_sampler(loader, mr_random_sampler_new(200, rng, &opts)), MR_OK);
    const mr_batch *b;
    mr_status s = MR_OK;
    for (int i = 0; i < 20 && s == MR_OK; i++)
        s = mr_loader_next(loader, &b);
    CHECK_EQ_I64(s, MR_ERR_FORMAT);
    check_contains(mr_error(), "torn");
    int64_t held = bad_index;
    bad_index = -1;
    if (CHECK_EQ_I64(mr_loader_next(loader, &b), MR_OK))
        memcpy(index, b->indices, 4 * sizeof *index);
    else
        printf("    %s\n", mr_error());
    bad_index = held;
    mr_loader_free(loader);
    mr_rng_free(own);
    mr_rng_free(rng);
    mr_dataset_free(data);
}

static void test_order_after_failure(void)
{
    /* A sample that is drawn in the third batch. */
    mr_rng *own = mr_rng_new(3), *rng = mr_rng_new(0);
    mr_random_sampler_opts opts = { .replacement = true, .generator = own };
    mr_sampler *sampler = mr_random_sampler_new(200, rng, &opts);
    CHECK_EQ_I64(mr_sampler_begin(sampler, 0), MR_OK);
    int64_t drawn = -1;
    for (int i = 0; i < 10; i++)
        CHECK_EQ_I64(mr_sampler_next(sampler, &drawn), MR_OK);
    bad_index = drawn;
    mr_sampler_free(sampler);
    mr_rng_free(own);
    mr_rng_free(rng);
    int64_t first[4], other[4];
    next_epoch(0, first);
    for (int workers = 1; workers < 4; workers++) {
        next_epoch(workers, other);
        CHECK(memcmp(first, other, sizeof first) == 0);
    }
    bad_index = -1;
}

/* ---- time limits ---- */

static mr_status slowly(void *user, void *const *in, void *const *out, int64_t index, mr_random *random)
{
    (void)user, (void)random;
    usleep(20000);
    while (index == bad_index)
        usleep(1000);
    *(int64_t *)out[0] = *(const int64_t *)in[0];
    return MR_OK;
}

/* A map of a dataset that gives many at once: the limit is for a sample, and names the one that hangs. */
static void test_time_limit(void)
{
    mr_tensor *x = mr_tensor_zeros(MR_INT64, MR_SHAPE(32));
    mr_dataset *data = mr_dataset_from_tensors(&x, (const char *[]){ "n" }, 1);
    mr_dataset *map = mr_map_new(data, slowly, NULL, NULL);
    mr_rng *rng = mr_rng_new(0);
    const mr_batch *b;
    bad_index = -1;
    mr_loader *loader =
        mr_loader_new(map, rng, &(mr_loader_opts){ .batch_size = 32, .workers = 1, .timeout = 0.35 });
    CHECK_EQ_I64(mr_loader_next(loader, &b), MR_OK);
    mr_loader_free(loader);
    mr_error_clear();
    bad_index = 5;
    loader = mr_loader_new(map, rng, &(mr_loader_opts){ .batch_size = 32, .workers = 1, .timeout = 0.35 });
    CHECK_EQ_I64(mr_loader_next(loader, &b), MR_ERR_STATE);
    check_contains(mr_error(), "sample 5 has taken");
    bad_index = -1;
    usleep(100000);
    mr_loader_free(loader);
    mr_rng_free(rng);
    mr_dataset_free(map);
    mr_dataset_free(data);
    mr_tensor_free(x);
}

static atomic_bool stuck;

static void *stuck_open(void *self, int64_t shard, int64_t shards)
{
    while (atomic_load(&stuck))
        usleep(1000);
    return torn_open(self, shard, shards);
}

/* A sample of the second shard hangs. */
static mr_status stuck_next(void *cursor, const mr_sample *sample)
{
    torn *t = cursor;
    while (t->next == 4990 && atomic_load(&stuck))
        usleep(1000);
    return torn_next(cursor, sample);
}

static void *both_open(void *self, int64_t shard, int64_t shards)
{
    torn *t = torn_open(self, shard, shards);
    t->next = shard ? 4983 : 4000;
    return t;
}

static void test_shard_hangs(void)
{
    static const mr_stream_vtable vtable = { .open = both_open, .next = stuck_next, .close = free };
    mr_rng *rng = mr_rng_new(0);
    mr_dataset *stream = mr_stream_new(&vtable, NULL, 0, &number, 1);
    for (int unordered = 0; unordered < 2; unordered++) {
        mr_loader_opts opts = { .batch_size = 4, .workers = 2, .timeout = 0.2, .shards = 2 };
        opts.unordered = unordered;
        atomic_store(&stuck, true);
        mr_loader *loader = mr_loader_new(stream, rng, &opts);
        const mr_batch *b;
        mr_status s;
        while ((s = mr_loader_next(loader, &b)) == MR_OK) {}
        CHECK_EQ_I64(s, MR_ERR_STATE);
        CHECK(strncmp(mr_error(), "loader: shard 1: sample 7 has taken worker ", 43) == 0);
        check_contains(mr_error(), " longer than 0.2 s");
        atomic_store(&stuck, false);
        mr_loader_free(loader);
    }
    mr_dataset_free(stream);
    mr_rng_free(rng);
}

static void test_open_hangs(void)
{
    static const mr_stream_vtable vtable = { .open = stuck_open, .next = torn_next, .close = free };
    mr_rng *rng = mr_rng_new(0);
    mr_dataset *stream = mr_stream_new(&vtable, NULL, 0, &number, 1);
    atomic_store(&stuck, true);
    mr_loader *loader =
        mr_loader_new(stream, rng, &(mr_loader_opts){ .batch_size = 4, .workers = 2, .timeout = 0.2 });
    const mr_batch *b;
    CHECK_EQ_I64(mr_loader_next(loader, &b), MR_ERR_STATE);
    check_contains(mr_error(), "sample 0 has taken");
    atomic_store(&stuck, false);
    usleep(50000);
    mr_loader_free(loader);
    mr_dataset_free(stream);
    mr_rng_free(rng);
}

/* A sample that comes back behind the time limit, and before its thread is left behind. */
static mr_status late_next(void *cursor, const mr_sample *sample)
{
    torn *t = cursor;
    if (t->next == 17 && atomic_exchange(&stuck, false))
        usleep(300000);
    return t->next == 40 ? MR_END : torn_next(cursor, sample);
}

static void test_restored_after_time_limit(void)
{
    static const mr_stream_vtable vtable = { .open = torn_open, .next = late_next, .close = free };
    mr_rng *rng = mr_rng_new(0);
    mr_dataset *stream = mr_stream_new(&vtable, NULL, 0, &number, 1);
    mr_loader *loader =
        mr_loader_new(stream, rng, &(mr_loader_opts){ .batch_size = 4, .workers = 1, .timeout = 0.2 });
    const mr_batch *b;
    const void *bytes;
    size_t size;
    CHECK_EQ_I64(mr_loader_save(loader, &bytes, &size), MR_OK);
    void *state = memcpy(malloc(size), bytes, size);
    atomic_store(&stuck, true);
    while (mr_loader_next(loader, &b) == MR_OK) {}
    check_contains(mr_error(), "sample 17 has taken");
    CHECK_EQ_I64(mr_loader_restore(loader, state, size), MR_OK);
    int64_t rows = 0;
    for (; mr_loader_next(loader, &b) == MR_OK; rows += b->rows)
        CHECK_EQ_I64(*(int64_t *)mr_tensor_data(b->field[0]), rows);
    CHECK_EQ_I64(rows, 40);
    free(state);
    mr_loader_free(loader);
    mr_dataset_free(stream);
    mr_rng_free(rng);
}

/* ---- how long leaving waits ---- */

static atomic_bool leaving;
static atomic_int left_behind;

/* From when on the epoch is being left it hangs for one and a half time limits, or until it was left behind. */
static mr_status hanging_get(void *self, int64_t index, const mr_sample *sample)
{
    (void)self;
    *(int64_t *)sample->field[0] = index;
    if (index != 9)
        return MR_OK;
    atomic_store(&stuck, true);
    while (!atomic_load(&leaving))
        usleep(1000);
    for (int i = 0; i < 290 && !atomic_load(&left_behind); i++)
        usleep(1000);
    return MR_OK;
}

static atomic_bool hanging_gone;

static void hanging_destroy(void *self)
{
    (void)self;
    atomic_store(&hanging_gone, true);
}

static void count_left_behind(void *user, mr_log_level level, const char *line)
{
    (void)user;
    atomic_fetch_add(&left_behind, level == MR_LOG_WARNING && strstr(line, "is left behind"));
}

static void test_leaving_waits_once(void)
{
    static const mr_dataset_vtable vtable = { .len = two_hundred,
                                              .get = hanging_get,
                                              .destroy = hanging_destroy };
    mr_rng *rng = mr_rng_new(0);
    mr_dataset *data = mr_dataset_new(&vtable, NULL, 0, &number, 1);
    mr_loader *loader =
        mr_loader_new(data, rng, &(mr_loader_opts){ .batch_size = 4, .workers = 3, .timeout = 0.2 });
    const mr_batch *b;
    mr_set_log_hook(count_left_behind, NULL);
    atomic_store(&stuck, false);
    CHECK_EQ_I64(mr_loader_next(loader, &b), MR_OK);
    while (!atomic_load(&stuck))
        usleep(1000);
    atomic_store(&leaving, true);
    mr_loader_rewind(loader);
    CHECK_EQ_I64(atomic_load(&left_behind), 1); /* and the others were not */
    mr_loader_free(loader);
    mr_dataset_free(data);
    while (!atomic_load(&hanging_gone)) /* by the thread that was left behind */
        usleep(1000);
    mr_set_log_hook(NULL, NULL);
    mr_rng_free(rng);
}

static void *no_open(void *self, int64_t shard, int64_t shards)
{
    if (shard < 2)
        return torn_open(self, shard, shards);
    mr_fail(MR_ERR_IO, "cannot reach host");
    return NULL;
}

static void test_open_fails(void)
{
    static const mr_stream_vtable vtable = { .open = no_open, .next = torn_next, .close = free };
    mr_rng *rng = mr_rng_new(0);
    mr_dataset *stream = mr_stream_new(&vtable, NULL, 0, &number, 1);
    mr_loader *loader = mr_loader_new(stream, rng, &(mr_loader_opts){ .batch_size = 4, .shards = 3 });
    const mr_batch *b;
    mr_status s;
    while ((s = mr_loader_next(loader, &b)) == MR_OK) {}
    CHECK_EQ_I64(s, MR_ERR_IO);
    check_contains(mr_error(), "loader: shard 2: cannot reach host");
    mr_loader_free(loader);
    mr_dataset_free(stream);
    mr_rng_free(rng);
}

/* ---- a sampler that says it has a state, and cannot save it ---- */

static mr_status begin(void *self, int64_t epoch)
{
    (void)epoch;
    *(int64_t *)self = 0;
    return MR_OK;
}

static mr_status next(void *self, int64_t *index)
{
    *index = (*(int64_t *)self)++;
    return *index < 10 ? MR_OK : MR_END;
}

static void test_state_without_save(void)
{
    static const mr_sampler_vtable vtable = { .begin = begin, .next = next, .state_size = 8 };
    mr_tensor *x = mr_tensor_zeros(MR_INT64, MR_SHAPE(10));
    mr_dataset *data = mr_dataset_from_tensors(&x, NULL, 1);
    mr_rng *rng = mr_rng_new(0);
    mr_loader *loader = mr_loader_new(data, rng, &(mr_loader_opts){ .batch_size = 3, .workers = 1 });
    mr_sampler *inner = mr_sampler_new(&vtable, &(int64_t){ 0 }, sizeof(int64_t));
    CHECK_EQ_I64(mr_loader_set_sampler(loader, mr_batch_sampler_new(inner, 3, false)), MR_OK);
    const mr_batch *b;
    int64_t rows = 0;
    while (mr_loader_next(loader, &b) == MR_OK)
        rows += b->rows;
    CHECK_EQ_I64(rows, 10);
    mr_loader_free(loader);
    mr_rng_free(rng);
    mr_dataset_free(data);
    mr_tensor_free(x);
}

int main(void)
{
    mr_set_allocator(&(mr_allocator){ allocate, release, NULL });
    RUN(test_stream_stops);
    RUN(test_order_after_failure);
    RUN(test_time_limit);
    RUN(test_shard_hangs);
    RUN(test_open_hangs);
    RUN(test_restored_after_time_limit);
    RUN(test_leaving_waits_once);
    RUN(test_open_fails);
    RUN(test_state_without_save);
    return check_report();
}

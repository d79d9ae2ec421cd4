/* Batches as they are ready: the same ones, each once, also across a save. */
#include "loader_fixture.h"

#include <millrace/samplers.h>

#include <string.h>

enum { LENGTH = 61, MOST_BATCHES = 64 };

static const fixture fine = { .length = LENGTH, .bad = -1, .bad2 = -1 };

/* ---- a sample that keeps one batch back until others have come ---- */

static atomic_bool may_go, waited;

static mr_status slow_get(void *self, int64_t index, const mr_sample *sample)
{
    (void)self;
    if (index == 1) {
        for (int i = 0; i < 10000 && !atomic_load(&may_go); i++)
            nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
        atomic_store(&waited, true);
    } else {
        nanosleep(&(struct timespec){ .tv_nsec = 50000 }, NULL);
    }
    fixture_write(sample, index);
    return MR_OK;
}

static const mr_dataset_vtable slow_vtable = { .len = fixture_len, .get = slow_get };

static void test_slow_sample(void)
{
    for (int epoch = 0; epoch < 2; epoch++) {
        fixture f = fine;
        f.length = 40;
        atomic_store(&may_go, false);
        atomic_store(&waited, false);
        mr_rng *rng = mr_rng_new(0);
        mr_dataset *d = mr_dataset_new(&slow_vtable, &f, sizeof f, fixture_fields, 2);
        mr_loader *l = mr_loader_new(
            d, rng, &(mr_loader_opts){ .batch_size = 4, .workers = 2, .prefetch = 5, .unordered = true });
        const mr_batch *b;
        bool seen[10] = { false };
        for (int64_t i = 0; i < 10 && CHECK_EQ_I64(mr_loader_next(l, &b), MR_OK); i++) {
            if (i < 4) /* the first batch is not yet there, and four others are */
                CHECK(b->number != 0 && !atomic_load(&waited));
            atomic_store(&may_go, i >= 3);
            CHECK_EQ_I64(b->position, 4 * i);
            CHECK_EQ_I64(b->indices[0], 4 * b->number);
            CHECK_EQ_I64(((int64_t *)mr_tensor_data(b->field[0]))[6], 4 * b->number + 3);
            CHECK(!seen[b->number]);
            seen[b->number] = true;
        }
        CHECK_EQ_I64(mr_loader_next(l, &b), MR_END);
        mr_loader_free(l);
        mr_dataset_free(d);
        mr_rng_free(rng);
    }
}

/* ---- the same batches ---- */

typedef struct setup {
    bool shuffle, own, drop_last, skip;
    int64_t batch_size;
    int delay;
} setup;

typedef struct machine {
    mr_rng *rng, *own;
    mr_dataset *dataset;
    mr_loader *loader;
} machine;

static machine start(const setup *s, int workers, bool unordered)
{
    fixture f = fine;
    f.delay = s->delay;
    f.bad = s->skip ? 17 : -1;
    machine m = { .rng = mr_rng_new(7), .own = mr_rng_new(8) };
    m.dataset = fixture_new(f);
    m.loader = mr_loader_new(m.dataset, m.rng,
                             &(mr_loader_opts){ .batch_size = s->batch_size,
                                                .shuffle = s->shuffle,
                                                .drop_last = s->drop_last,
                                                .workers = workers,
                                                .on_bad_sample = s->skip ? MR_BAD_SKIP : MR_BAD_STOP,
                                                .unordered = unordered });
    if (s->own)
        CHECK_EQ_I64(mr_loader_set_generator(m.loader, m.own), MR_OK);
    return m;
}

static void stop(machine *m)
{
    mr_loader_free(m->loader);
    mr_dataset_free(m->dataset);
    mr_rng_free(m->rng);
    mr_rng_free(m->own);
}

/* All of a batch but its position. */
static uint64_t content(const mr_batch *b)
{
    mr_batch same = *b;
    uint64_t hash = 14695981039346656037u;
    same.position = 0;
    fixture_hash_batch(&hash, &same);
    return hash;
}

static uint64_t generators(const machine *m)
{
    uint64_t hash = 14695981039346656037u;
    unsigned char state[MR_RNG_STATE_BYTES];
    mr_rng_get_state(m->rng, state);
    fixture_hash(&hash, state, sizeof state);
    mr_rng_get_state(m->own, state);
    fixture_hash(&hash, state, sizeof state);
    return hash;
}

/* One call: takes note of the batch's content by its number. False at the end. */
static bool take(machine *m, uint64_t *by_number, int64_t *rows)
{
    const mr_batch *b;
    mr_status status = mr_loader_next(m->loader, &b);
    if (status != MR_OK) {
        CHECK_EQ_I64(status, MR_END);
        return false;
    }
    CHECK_EQ_I64(b->position, *rows);
    if (CHECK(b->number >= 0 && b->number < MOST_BATCHES))
        by_number[b->number] += content(b); /* a batch that comes twice is seen */
    *rows += b->rows;
    return true;
}

static void move(const setup *s, machine *m, int workers, bool unordered)
{
    const void *view;
    size_t size = 0;
    unsigned char state[MR_RNG_STATE_BYTES];
    CHECK_EQ_I64(mr_loader_save(m->loader, &view, &size), MR_OK);
    unsigned char *bytes = malloc(size);
    memcpy(bytes, view, size);
    mr_rng_get_state(m->rng, state);
    stop(m);
    *m = start(s, workers, unordered);
    CHECK_EQ_I64(mr_loader_restore(m->loader, bytes, size), MR_OK);
    CHECK_EQ_I64(mr_rng_set_state(m->rng, state, sizeof state), MR_OK);
    CHECK_EQ_I64(mr_loader_save(m->loader, &view, &size), MR_OK);
    CHECK(memcmp(bytes, view, size) == 0);
    free(bytes);
}

/* Three epochs; after `first` and `second` calls of each the loader is saved and another one goes on. */
static void compare(const setup *s, int workers, int first, int second)
{
    uint64_t want[3][MOST_BATCHES] = { { 0 } }, got[3][MOST_BATCHES] = { { 0 } };
    machine ordered = start(s, 0, false), m = start(s, workers, true);
    for (int epoch = 0; epoch < 3; epoch++) {
        int64_t rows = 0, all = 0, batches = 0;
        while (take(&ordered, want[epoch], &all))
            batches++;
        for (int i = 0;; i++) {
            if (i == first)
                move(s, &m, (workers + 1) % 4, i % 2);
            if (i == second)
                move(s, &m, workers, true);
            if (!take(&m, got[epoch], &rows))
                break;
        }
        CHECK_EQ_I64(rows, all);
        CHECK(memcmp(want[epoch], got[epoch], sizeof want[epoch]) == 0);
        CHECK(generators(&m) == generators(&ordered));
    }
    stop(&m);
    stop(&ordered);
}

static void test_same_batches(void)
{
    for (int kind = 0; kind < 32; kind++) {
        setup s = { .batch_size = 1 + kind % 9 };
        s.shuffle = kind & 1;
        s.own = kind & 2;
        s.drop_last = kind & 4;
        s.skip = kind & 8;
        s.delay = kind & 16 ? 30 : 0;
        for (int workers = 0; workers <= 8; workers++)
            compare(&s, workers, -1, -1);
        for (int calls = 0; calls < 18; calls++)
            compare(&s, 1 + calls % 4, calls, calls + kind % 5);
    }
}

/* ---- streams ---- */

enum { MOST_TURNS = 1024 };

/* A stream in shards, of which shard s has (s + 1) * 5 % 17 samples: so their ends come at all times. */
typedef struct jagged {
    fixture_cursor c;
    int64_t left;
} jagged;

static void *jagged_open(void *self, int64_t shard, int64_t shards)
{
    jagged *j = malloc(sizeof *j);
    j->c = (fixture_cursor){ *(fixture *)self, shard, shards };
    j->left = (shard + 1) * 5 % 17;
    atomic_fetch_add(&cursors_open, 1);
    return j;
}

static mr_status jagged_next(void *cursor, const mr_sample *sample)
{
    jagged *j = cursor;
    return j->left-- > 0 ? fixture_next(&j->c, sample) : MR_END;
}

static const mr_stream_vtable jagged_vtable = { .open = jagged_open,
                                                .next = jagged_next,
                                                .close = fixture_close };

/* One call: what its batch holds, but for where it stands among those that were delivered, by its number. */
static mr_status take_turn(mr_loader *loader, uint64_t *by_number, int64_t *last)
{
    const mr_batch *b;
    mr_status status = mr_loader_next(loader, &b);
    if (status != MR_OK || !CHECK(b->number >= 0 && b->number < MOST_TURNS))
        return status;
    uint64_t hash = 14695981039346656037u;
    fixture_hash(&hash, mr_tensor_data(b->field[0]), (size_t)b->rows * 16);
    fixture_hash(&hash, mr_tensor_data(b->field[1]), (size_t)b->rows);
    by_number[b->number] += hash;
    *last = b->number;
    return status;
}

/* Two epochs in shards, without workers and in order, and unordered with some; the loader is saved after `at` calls, and
 * another one goes on, in order or not. The batches have the same contents, under the same numbers. */
static void compare_streams(int kind, int at)
{
    fixture f = fine;
    f.length = 1000;
    f.delay = kind % 3 == 1 ? 30 : 0;
    const bool skip = kind % 7 == 6;
    f.bad = skip ? 20 : -1;
    mr_loader_opts opts = { .batch_size = 3 + kind % 5, .shards = 1 + kind * 5 % 40, .shuffle = kind & 1 };
    opts.drop_last = kind % 5 == 4;
    opts.shuffle_block = kind & 1 ? 20 : 0;
    opts.on_bad_sample = skip ? MR_BAD_SKIP : MR_BAD_STOP;
    uint64_t want[2][MOST_TURNS] = { { 0 } }, got[2][MOST_TURNS] = { { 0 } };
    mr_rng *rng = mr_rng_new(7), *other = mr_rng_new(7);
    mr_dataset *d = mr_stream_new(&jagged_vtable, &f, sizeof f, fixture_fields, 2);
    mr_loader *ordered = mr_loader_new(d, rng, &opts);
    opts.workers = 1 + kind % 4;
    opts.unordered = true;
    mr_loader *l = mr_loader_new(d, other, &opts);
    for (int epoch = 0; epoch < 2; epoch++) {
        int64_t number, before = -1;
        for (int64_t i = 0; take_turn(ordered, want[epoch], &number) == MR_OK; before = number, i++) {
            CHECK(number > before);
            if (opts.shards == 1)
                CHECK_EQ_I64(number, i);
        }
        for (int i = 0;; i++) {
            if (i == at) {
                const void *bytes;
                size_t size;
                opts.workers = 1 + (opts.workers + 1) % 4;
                opts.unordered = kind % 4 != 0;
                mr_loader *next = mr_loader_new(d, other, &opts);
                CHECK_EQ_I64(mr_loader_save(l, &bytes, &size), MR_OK);
                CHECK_EQ_I64(mr_loader_restore(next, bytes, size), MR_OK);
                mr_loader_free(l);
                l = next;
            }
            if (take_turn(l, got[epoch], &number) != MR_OK)
                break;
        }
        CHECK(memcmp(want[epoch], got[epoch], sizeof want[epoch]) == 0);
    }
    mr_loader_free(ordered);
    mr_loader_free(l);
    mr_dataset_free(d);
    mr_rng_free(rng);
    mr_rng_free(other);
}

static void test_streams(void)
{
    for (int kind = 0; kind < 48; kind++)
        for (int at = kind % 4; at < 30; at += 7)
            compare_streams(kind, at);
    CHECK_EQ_I64(atomic_load(&cursors_open), 0);
}

/* A shard that keeps its batch back is overtaken by others, whose numbers say so. */
static mr_status slow_next(void *cursor, const mr_sample *sample)
{
    fixture_cursor *c = cursor;
    for (int i = 0; i < 10000 && c->next == 0 && !atomic_load(&may_go); i++)
        nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
    return fixture_next(cursor, sample);
}

static const mr_stream_vtable slow_stream_vtable = { .open = fixture_open,
                                                     .next = slow_next,
                                                     .close = fixture_close };

static void test_slow_shard(void)
{
    fixture f = fine;
    atomic_store(&may_go, false);
    mr_rng *rng = mr_rng_new(0);
    mr_dataset *d = mr_stream_new(&slow_stream_vtable, &f, sizeof f, fixture_fields, 2);
    mr_loader *l = mr_loader_new(
        d, rng,
        &(mr_loader_opts){ .batch_size = 5, .shards = 3, .workers = 2, .prefetch = 9, .unordered = true });
    const mr_batch *b;
    for (int i = 0; i < 4 && CHECK_EQ_I64(mr_loader_next(l, &b), MR_OK); i++) {
        const int64_t shard = b->number % 3, *pair = mr_tensor_data(b->field[0]);
        CHECK(shard != 0);
        CHECK_EQ_I64(pair[0], shard + 3 * 5 * (b->number / 3));
    }
    atomic_store(&may_go, true);
    int64_t rows = 20;
    while (mr_loader_next(l, &b) == MR_OK)
        rows += b->rows;
    CHECK_EQ_I64(rows, LENGTH);
    mr_loader_free(l);
    mr_dataset_free(d);
    mr_rng_free(rng);
}

/* A failure comes when its batch is ready, and the next epoch is a whole one. */
static void test_fault(void)
{
    for (int workers = 0; workers < 4; workers++) {
        fixture f = fine;
        f.bad = 5;
        f.delay = 50;
        mr_rng *rng = mr_rng_new(0);
        mr_dataset *d = fixture_new(f);
        mr_loader *l = mr_loader_new(
            d, rng, &(mr_loader_opts){ .batch_size = 4, .workers = workers, .unordered = true });
        const mr_batch *b;
        for (int64_t epoch = 0; epoch < 3; epoch++) {
            mr_status status;
            while ((status = mr_loader_next(l, &b)) == MR_OK)
                CHECK(b->epoch == epoch && b->number != 1);
            CHECK_EQ_I64(status, MR_ERR_FORMAT);
            CHECK_EQ_STR(mr_error(), "loader: sample 5: row is damaged");
        }
        mr_loader_free(l);
        mr_dataset_free(d);
        mr_rng_free(rng);
    }
}

/* ---- an epoch that is left early ---- */

enum { CALLS = 4 };

static atomic_int_least64_t held_index;

static mr_status held_get(void *self, int64_t index, const mr_sample *sample)
{
    (void)self;
    for (int i = 0; i < 10000 && index == atomic_load(&held_index) && !atomic_load(&may_go); i++)
        nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
    nanosleep(&(struct timespec){ .tv_nsec = 50000 }, NULL);
    fixture_write(sample, index);
    return MR_OK;
}

static mr_sampler *draw(mr_rng *own, int batches)
{
    mr_sampler *s = mr_random_sampler_new(
        4000, own, &(mr_random_sampler_opts){ .replacement = true, .num_samples = 400, .generator = own });
    return batches ? mr_batch_sampler_new(s, 8, false) : s;
}

/* The first index of the epoch behind one that is left after some batches, of which the first was not ready in time. `goes_on`:
 * it is another loader, which was given the state, that leaves it. */
static int64_t first_of_next(int workers, int batches, bool goes_on)
{
    static const mr_dataset_vtable vtable = { .len = fixture_len, .get = held_get };
    fixture f = fine;
    f.length = 4000;
    mr_rng *rng = mr_rng_new(0), *own = mr_rng_new(1), *twin = mr_rng_new(1);
    mr_sampler *first = draw(twin, batches);
    int64_t index = -1;
    CHECK_EQ_I64(mr_sampler_begin(first, 0), MR_OK);
    CHECK_EQ_I64(mr_sampler_next(first, &index), MR_OK);
    atomic_store(&held_index, index);
    atomic_store(&may_go, !workers);
    mr_dataset *d = mr_dataset_new(&vtable, &f, sizeof f, fixture_fields, 2);
    mr_loader_opts opts = { .batch_size = 8, .workers = workers, .prefetch = workers ? 20 : 0 };
    opts.unordered = workers > 0;
    mr_loader *l = mr_loader_new(d, rng, &opts), *other = mr_loader_new(d, rng, &opts);
    CHECK_EQ_I64(mr_loader_set_sampler(l, draw(own, batches)), MR_OK);
    CHECK_EQ_I64(mr_loader_set_sampler(other, draw(own, batches)), MR_OK);
    const mr_batch *b;
    for (int i = 0; i < CALLS; i++) {
        CHECK_EQ_I64(mr_loader_next(l, &b), MR_OK);
        CHECK(!workers || b->number != 0);
    }
    atomic_store(&may_go, true);
    if (goes_on) {
        const void *bytes;
        size_t size;
        CHECK_EQ_I64(mr_loader_save(l, &bytes, &size), MR_OK);
        CHECK_EQ_I64(mr_loader_restore(other, bytes, size), MR_OK);
    }
    mr_loader_rewind(goes_on ? other : l);
    do {
        CHECK_EQ_I64(mr_loader_next(goes_on ? other : l, &b), MR_OK);
        index = b->indices[0];
    } while (b->number != 0);
    CHECK_EQ_I64(b->epoch, 1);
    mr_sampler_free(first);
    mr_loader_free(l);
    mr_loader_free(other);
    mr_dataset_free(d);
    mr_rng_free(twin);
    mr_rng_free(own);
    mr_rng_free(rng);
    return index;
}

static void test_left_early(void)
{
    for (int batches = 0; batches < 2; batches++) {
        const int64_t wanted = first_of_next(0, batches, false);
        for (int workers = 2; workers < 4; workers++) {
            CHECK_EQ_I64(first_of_next(workers, batches, false), wanted);
            CHECK_EQ_I64(first_of_next(workers, batches, true), wanted);
        }
    }
}

int main(void)
{
    RUN(test_slow_sample);
    RUN(test_same_batches);
    RUN(test_streams);
    RUN(test_slow_shard);
    RUN(test_fault);
    RUN(test_left_early);
    return check_report();
}

/* Streams in shards: each sample once, one short batch an epoch, the same for any number of workers, shuffled or not. */
#include "loader_fixture.h"

#include <string.h>

/* ---- a stream of which shard s has `size[s]` samples, numbered 1000 s + i, and of which two threads may not read one
 * shard at once ---- */

enum { MOST_SHARDS = 50 };

typedef struct uneven {
    int64_t size[MOST_SHARDS], shards, promised;
    int delay;
} uneven;

typedef struct reader {
    const uneven *of;
    int64_t shard, next;
    atomic_int inside;
} reader;

static atomic_int open_now, open_most, opened, read_now, read_most;

static void count_up(atomic_int *now, atomic_int *most)
{
    int count = atomic_fetch_add(now, 1) + 1, seen = atomic_load(most);
    while (count > seen && !atomic_compare_exchange_weak(most, &seen, count)) {}
}

static void *uneven_open(void *self, int64_t shard, int64_t shards)
{
    reader *r = calloc(1, sizeof *r);
    r->of = *(uneven **)self;
    r->shard = shard;
    if (shards != r->of->shards) /* one that is cut otherwise has all in its first shard */
        r->shard = shard == 0 ? -1 : -2;
    count_up(&open_now, &open_most);
    atomic_fetch_add(&opened, 1);
    return r;
}

static mr_status uneven_next(void *cursor, const mr_sample *sample)
{
    reader *r = cursor;
    const uneven *u = r->of;
    if (atomic_fetch_add(&r->inside, 1) != 0)
        return mr_fail(MR_ERR_STATE, "two threads in one shard");
    count_up(&read_now, &read_most);
    fixture_wait(&(fixture){ .delay = u->delay });
    atomic_fetch_sub(&read_now, 1);
    atomic_fetch_sub(&r->inside, 1);
    int64_t shard = r->shard == -1 ? 0 : r->shard;
    if (shard < 0 || r->next >= u->size[shard])
        return MR_END;
    fixture_write(sample, shard * 1000 + r->next++);
    return MR_OK;
}

static void uneven_close(void *cursor)
{
    free(cursor);
    atomic_fetch_sub(&open_now, 1);
}

static int64_t uneven_len(void *self)
{
    return (*(uneven **)self)->promised;
}

static int64_t uneven_shards(void *self)
{
    return (*(uneven **)self)->shards;
}

static const mr_stream_vtable uneven_vtable = { .open = uneven_open,
                                                .next = uneven_next,
                                                .close = uneven_close,
                                                .len = uneven_len,
                                                .shards = uneven_shards };

static mr_dataset *uneven_new(uneven *u)
{
    return mr_stream_new(&uneven_vtable, &u, sizeof u, fixture_fields, 2);
}

static uneven sizes(int64_t shards, unsigned seed, int64_t most)
{
    uneven u = { .shards = shards, .promised = -1 };
    for (int64_t i = 0; i < shards; i++) {
        seed = seed * 1103515245u + 12345u;
        u.size[i] = seed >> 16 & 1 ? (int64_t)(seed >> 17) % (most + 1) : 0;
    }
    return u;
}

static int64_t total(const uneven *u)
{
    int64_t sum = 0;
    for (int64_t i = 0; i < u->shards; i++)
        sum += u->size[i];
    return sum;
}

/* Two epochs: checks that each sample comes once, and one batch at most is short. A number that hangs on all of it. */
static uint64_t run(uneven *u, const mr_loader_opts *opts)
{
    static unsigned char seen[MOST_SHARDS * 1000];
    uint64_t hash = 14695981039346656037u;
    mr_rng *rng = mr_rng_new(1);
    mr_dataset *d = uneven_new(u);
    mr_loader *l = mr_loader_new(d, rng, opts);
    const mr_batch *b;
    const int64_t all = total(u), dropped = opts->drop_last ? all % opts->batch_size : 0;
    for (int epoch = 0; epoch < 2; epoch++) {
        int64_t rows = 0, shorter = 0;
        mr_status status;
        memset(seen, 0, sizeof seen);
        while ((status = mr_loader_next(l, &b)) == MR_OK) {
            CHECK_EQ_I64(shorter, 0); /* only the last one */
            shorter += b->rows < opts->batch_size;
            CHECK_EQ_I64(b->position, rows);
            const int64_t *pair = mr_tensor_data(b->field[0]);
            for (int64_t i = 0; i < b->rows; i++) {
                CHECK_EQ_I64(seen[pair[2 * i]]++, 0);
                CHECK_EQ_I64(pair[2 * i + 1], pair[2 * i] * pair[2 * i] + epoch);
                CHECK_EQ_I64(b->indices[i], rows + i);
            }
            rows += b->rows;
            fixture_hash_batch(&hash, b);
        }
        CHECK_EQ_I64(status, MR_END);
        CHECK_EQ_I64(rows, all - dropped);
    }
    uint32_t word = mr_rng_u32(rng);
    fixture_hash(&hash, &word, sizeof word);
    mr_loader_free(l);
    mr_dataset_free(d);
    mr_rng_free(rng);
    CHECK_EQ_I64(atomic_load(&open_now), 0);
    return hash;
}

static void test_each_once(void)
{
    for (unsigned kind = 0; kind < 60; kind++) {
        uneven u = sizes(1 + kind * 7 % MOST_SHARDS, kind, kind % 4 ? 30 : 90);
        u.delay = kind % 3 ? 0 : 20;
        u.promised = kind % 2 ? total(&u) : -1;
        mr_loader_opts opts = { .batch_size = 1 + kind * 3 % 17,
                                .drop_last = kind % 5 == 4,
                                .shuffle = kind & 1 };
        opts.shuffle_block = opts.shuffle ? kind * kind % 300 : 0;
        uint64_t want = run(&u, &opts);
        for (int workers = 1; workers <= 8; workers++) {
            opts.workers = workers;
            opts.prefetch = workers % 3 ? 0 : 1 + workers;
            CHECK_EQ_I64(run(&u, &opts), want);
        }
    }
}

/* Not more than 32 shards are open, and without shuffling they come in turns. */
static void test_turns(void)
{
    uneven u = { .shards = 50, .promised = -1 };
    for (int i = 0; i < 50; i++)
        u.size[i] = 4;
    mr_rng *rng = mr_rng_new(1);
    mr_dataset *d = uneven_new(&u);
    mr_loader *l = mr_loader_new(d, rng, &(mr_loader_opts){ .batch_size = 2 });
    const mr_batch *b;
    atomic_store(&open_most, 0);
    for (int64_t i = 0; i < 100 && CHECK_EQ_I64(mr_loader_next(l, &b), MR_OK); i++) {
        const int64_t *pair = mr_tensor_data(b->field[0]);
        int64_t shard = i < 64 ? i % 32 : 32 + (i - 64) % 18;
        CHECK_EQ_I64(pair[0], shard * 1000 + (i / 32 % 2 && i < 64 ? 2 : i >= 82 ? 2 : 0));
        CHECK_EQ_I64(pair[2], pair[0] + 1);
    }
    CHECK_EQ_I64(mr_loader_next(l, &b), MR_END);
    CHECK_EQ_I64(atomic_load(&open_most), 32);
    mr_loader_free(l);
    l = mr_loader_new(d, rng, &(mr_loader_opts){ .batch_size = 2, .shards = 3 }); /* the option goes first */
    atomic_store(&opened, 0);
    CHECK_EQ_I64(mr_loader_next(l, &b), MR_OK);
    while (mr_loader_next(l, &b) == MR_OK) {}
    CHECK_EQ_I64(atomic_load(&opened), 3);
    mr_loader_free(l);
    mr_dataset_free(d);
    mr_rng_free(rng);
}

/* Several shards are read at the same time, if there are workers for it. */
static void test_at_once(void)
{
    uneven u = { .shards = 4, .promised = -1, .delay = 900 };
    for (int i = 0; i < 4; i++)
        u.size[i] = 100;
    atomic_store(&read_most, 0);
    run(&u, &(mr_loader_opts){ .batch_size = 10, .workers = 4 });
    CHECK(atomic_load(&read_most) > 1);
}

/* ---- shuffling ---- */

static void first_epochs(uneven *u, const mr_loader_opts *opts, uint64_t seed, int64_t *order, int epochs)
{
    mr_rng *rng = mr_rng_new(seed);
    mr_dataset *d = uneven_new(u);
    mr_loader *l = mr_loader_new(d, rng, opts);
    const mr_batch *b;
    while (epochs > 0) {
        mr_status status = mr_loader_next(l, &b);
        epochs -= status != MR_OK;
        for (int64_t i = 0; status == MR_OK && i < b->rows; i++)
            *order++ = ((int64_t *)mr_tensor_data(b->field[0]))[2 * i];
    }
    mr_loader_free(l);
    mr_dataset_free(d);
    mr_rng_free(rng);
}

static void test_blocks(void)
{
    enum { ALL = 600, BLOCK = 100 };
    uneven u = { .shards = 1, .size = { ALL }, .promised = -1 };
    int64_t order[2 * ALL], again[2 * ALL];
    mr_loader_opts opts = { .batch_size = 7, .shuffle = true, .shuffle_block = BLOCK };
    first_epochs(&u, &opts, 5, order, 2);
    first_epochs(&u, &opts, 5, again, 2);
    CHECK(memcmp(order, again, sizeof order) == 0);
    CHECK(memcmp(order, order + ALL, ALL * sizeof *order) != 0); /* each epoch has its own */
    first_epochs(&u, &opts, 6, again, 2);
    CHECK(memcmp(order, again, sizeof order) != 0); /* and each seed */
    int fixed = 0, moved = 0, same = 0;
    for (int i = 0; i < ALL; i++) {
        CHECK_EQ_I64(order[i] / BLOCK, i / BLOCK); /* a sample stays in its block */
        fixed += order[i] == i;
        moved += i % BLOCK && order[i] > order[i - 1];
        same += i >= BLOCK && order[i] % BLOCK == order[i - BLOCK] % BLOCK;
    }
    CHECK(fixed < 30);                 /* 6 are expected */
    CHECK(same < 25);                  /* 5 are: no block is like the one before */
    CHECK(moved > 240 && moved < 350); /* 297 are */
    opts.shuffle_block = 0;            /* 1024: all of them */
    first_epochs(&u, &opts, 5, order, 1);
    int64_t far = 0;
    for (int i = 0; i < ALL; i++)
        far += llabs(order[i] - i);
    CHECK(far / ALL > 150 && far / ALL < 250); /* a third of all is expected */
}

/* Shards come in another order each epoch. */
static void test_order_of_shards(void)
{
    uneven u = { .shards = 40, .promised = -1 };
    for (int i = 0; i < 40; i++)
        u.size[i] = 1;
    int64_t order[3 * 40];
    int first[40] = { 0 }, different = 0;
    mr_loader_opts opts = { .batch_size = 1, .shuffle = true, .shuffle_block = 1 };
    for (uint64_t seed = 0; seed < 200; seed++) {
        first_epochs(&u, &opts, seed, order, 3);
        first[order[0] / 1000]++;
        different += order[0] != order[40];
    }
    int never = 0;
    for (int i = 0; i < 40; i++) {
        CHECK(first[i] < 20); /* 5 are expected */
        never += first[i] == 0;
    }
    CHECK(never < 5);
    CHECK(different > 180);
}

/* ---- lengths ---- */

static void test_promised_length(void)
{
    static const struct {
        int64_t promised;
        bool drop_last;
        const char *text;
    } cases[] = {
        { 52, false, "loader: the stream promised 52 samples, and gave 50" },
        { 52, true, "loader: the stream promised 52 samples, and gave 50" },
        { 0, false, "loader: the stream promised 0 samples, and has given 7" },
        { 40, false, "loader: the stream promised 40 samples, and has given 42" },
        { 49, true, "loader: the stream promised 49 samples, and has given 50" },
        { 50, true, NULL },
        { 50, false, NULL },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int workers = 0; workers < 3; workers++)
            for (int shards = 1; shards < 4; shards += 2) {
                uneven u = { .shards = shards, .size = { 50 }, .promised = cases[i].promised };
                mr_rng *rng = mr_rng_new(5);
                mr_dataset *d = uneven_new(&u);
                mr_loader *l =
                    mr_loader_new(d, rng,
                                  &(mr_loader_opts){
                                      .batch_size = 7, .drop_last = cases[i].drop_last, .workers = workers });
                for (int epoch = 0; epoch < 2; epoch++) {
                    const mr_batch *b;
                    mr_status status;
                    while ((status = mr_loader_next(l, &b)) == MR_OK)
                        CHECK_EQ_I64(b->epoch, epoch);
                    CHECK_EQ_I64(status, cases[i].text ? MR_ERR_CALLBACK : MR_END);
                    if (cases[i].text)
                        CHECK_EQ_STR(mr_error(), cases[i].text);
                }
                mr_loader_free(l);
                mr_dataset_free(d);
                mr_rng_free(rng);
            }
}

/* ---- faults ---- */

static mr_status torn_next(void *cursor, const mr_sample *sample)
{
    reader *r = cursor;
    if (r->shard == 2 && r->next == 3) {
        r->next++;
        return mr_fail(MR_ERR_FORMAT, "the line is torn");
    }
    return uneven_next(cursor, sample);
}

static void *torn_open(void *self, int64_t shard, int64_t shards)
{
    if (shard == 3)
        return mr_fail(MR_ERR_IO, "no such file"), NULL;
    return uneven_open(self, shard, shards);
}

static void test_faults(void)
{
    static const mr_stream_vtable torn = { .open = uneven_open, .next = torn_next, .close = uneven_close };
    static const mr_stream_vtable missing = { .open = torn_open, .next = uneven_next, .close = uneven_close };
    for (int workers = 0; workers < 4; workers++) {
        uneven u = { .shards = 4, .size = { 10, 10, 10, 10 }, .promised = -1 }, *p = &u;
        mr_rng *rng = mr_rng_new(5);
        mr_dataset *d = mr_stream_new(&torn, &p, sizeof p, fixture_fields, 2);
        mr_loader_opts opts = { .batch_size = 5, .workers = workers, .shards = 4 };
        mr_loader *l = mr_loader_new(d, rng, &opts);
        const mr_batch *b;
        for (int epoch = 0; epoch < 2; epoch++) {
            CHECK_EQ_I64(mr_loader_next(l, &b), MR_OK);
            CHECK_EQ_I64(mr_loader_next(l, &b), MR_OK);
            CHECK_EQ_I64(mr_loader_next(l, &b), MR_ERR_FORMAT);
            CHECK_EQ_STR(mr_error(), "loader: shard 2: sample 3: the line is torn");
        }
        mr_loader_free(l);
        opts.on_bad_sample = MR_BAD_SKIP;
        l = mr_loader_new(d, rng, &opts);
        int64_t rows = 0;
        while (mr_loader_next(l, &b) == MR_OK)
            rows += b->rows;
        CHECK_EQ_I64(rows, 39);
        const mr_bad_sample *list;
        int64_t listed;
        CHECK_EQ_I64(mr_loader_bad_samples(l, &list, &listed), 1);
        if (CHECK_EQ_I64(listed, 1)) {
            CHECK_EQ_I64(list[0].shard, 2);
            CHECK_EQ_I64(list[0].index, 3);
            CHECK_EQ_STR(list[0].message, "loader: shard 2: sample 3: the line is torn");
        }
        mr_loader_free(l);
        mr_dataset_free(d);
        d = mr_stream_new(&missing, &p, sizeof p, fixture_fields, 2);
        l = mr_loader_new(d, rng, &(mr_loader_opts){ .batch_size = 5, .workers = workers, .shards = 4 });
        for (int i = 0; i < 3; i++)
            CHECK_EQ_I64(mr_loader_next(l, &b), MR_OK);
        CHECK_EQ_I64(mr_loader_next(l, &b), MR_ERR_IO);
        CHECK_EQ_STR(mr_error(), "loader: shard 3: no such file");
        mr_loader_free(l);
        mr_dataset_free(d);
        mr_rng_free(rng);
        CHECK_EQ_I64(atomic_load(&open_now), 0);
    }
}

static void test_wrong_options(void)
{
    static const struct {
        bool stream;
        int64_t shards; /* the stream's own */
        mr_loader_opts opts;
        const char *text;
    } cases[] = {
        { true, 1, { .shards = -1 }, "loader_new: shards -1 is negative" },
        { true, 1, { .shuffle = true, .shuffle_block = -1 }, "loader_new: shuffle_block -1 is negative" },
        { true, 1, { .shuffle_block = 8 }, "loader_new: shuffle_block is for loaders that shuffle" },
        { false, 1, { .shards = 8 }, "loader_new: shards is for streams" },
        { false, 1, { .shuffle = true, .shuffle_block = 8 }, "loader_new: shuffle_block is for streams" },
        { true, -3, { 0 }, "loader_new: a stream has 1 to 2147483647 shards, not -3" },
        { true,
          1,
          { .shards = INT64_C(1) << 31 },
          "loader_new: a stream has 1 to 2147483647 shards, not 2147483648" },
    };
    mr_rng *rng = mr_rng_new(0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uneven u = { .shards = cases[i].shards, .promised = -1 };
        mr_dataset *d = cases[i].stream ? uneven_new(&u) : fixture_new((fixture){ .length = 3 });
        CHECK(mr_loader_new(d, rng, &cases[i].opts) == NULL);
        CHECK_EQ_STR(mr_error(), cases[i].text);
        mr_dataset_free(d);
    }
    mr_rng_free(rng);
}

int main(void)
{
    RUN(test_each_once);
    RUN(test_turns);
    RUN(test_at_once);
    RUN(test_blocks);
    RUN(test_order_of_shards);
    RUN(test_promised_length);
    RUN(test_faults);
    RUN(test_wrong_options);
    return check_report();
}

/* Samples that cannot be had and are left out: what is delivered, counted and kept does not depend on the workers. */
#include "loader_fixture.h"

#include "data/faults.h"

#include <millrace/datasets.h>

#include <string.h>

static const fixture fine = { .length = 61, .bad = -1, .bad2 = -1 };

/* ---- a dataset with many bad samples ---- */

static mr_status spoiled_get(void *self, int64_t index, const mr_sample *sample)
{
    const fixture *f = self;
    fixture_wait(f);
    if (index % f->bad == f->bad2)
        return index % 2 ? MR_ERR_CALLBACK : mr_fail(MR_ERR_FORMAT, "row %lld is damaged", (long long)index);
    fixture_write(sample, index);
    return MR_OK;
}

static mr_status spoiled_get_many(void *self, const int64_t *indices, int64_t count, const mr_sample *first)
{
    const fixture *f = self;
    for (int64_t i = 0; i < count; i++)
        if (indices[i] % f->bad == f->bad2)
            return MR_ERR_CALLBACK;
    int64_t *pair = first->field[0];
    for (int64_t i = 0; i < count; i++) {
        void *field[] = { pair + 2 * i, (uint8_t *)first->field[1] + i };
        mr_sample one = { .field = field, .epoch = first->epoch };
        fixture_write(&one, indices[i]);
    }
    return MR_OK;
}

static const mr_dataset_vtable spoiled_vtable = { .len = fixture_len, .get = spoiled_get };
static const mr_dataset_vtable spoiled_many_vtable = { .len = fixture_len,
                                                       .get = spoiled_get,
                                                       .get_many = spoiled_get_many };

static mr_status spoiled_next(void *cursor, const mr_sample *sample)
{
    fixture_cursor *c = cursor;
    if (c->next >= c->f.length)
        return MR_END;
    mr_status status = spoiled_get(&c->f, c->next, sample);
    c->next += c->step;
    return status;
}

static const mr_stream_vtable spoiled_stream_vtable = { .open = fixture_open,
                                                        .next = spoiled_next,
                                                        .close = fixture_close };

typedef struct setup {
    fixture f;
    bool stream, shuffle, drop_last;
    int64_t batch_size, most, shards, block;
} setup;

static mr_dataset *spoiled_new(const setup *s)
{
    if (s->stream)
        return mr_stream_new(&spoiled_stream_vtable, &s->f, sizeof s->f, fixture_fields, 2);
    return mr_dataset_new(s->f.many ? &spoiled_many_vtable : &spoiled_vtable, &s->f, sizeof s->f,
                          fixture_fields, 2);
}

static mr_loader *loader_new(mr_dataset *d, mr_rng *rng, const setup *s, int workers)
{
    return mr_loader_new(d, rng,
                         &(mr_loader_opts){ .batch_size = s->batch_size,
                                            .shuffle = s->shuffle,
                                            .drop_last = s->drop_last,
                                            .workers = workers,
                                            .shards = s->shards,
                                            .shuffle_block = s->block,
                                            .on_bad_sample = MR_BAD_SKIP,
                                            .max_bad_samples = s->most });
}

static void hash_bad(uint64_t *hash, const mr_loader *loader)
{
    const mr_bad_sample *list;
    int64_t listed, count = mr_loader_bad_samples(loader, &list, &listed);
    fixture_hash(hash, &count, sizeof count);
    fixture_hash(hash, &listed, sizeof listed);
    for (int64_t i = 0; i < listed; i++) {
        fixture_hash(hash, &list[i].index, sizeof list[i].index);
        fixture_hash(hash, &list[i].epoch, sizeof list[i].epoch);
        fixture_hash(hash, &list[i].shard, sizeof list[i].shard);
        fixture_hash(hash, list[i].message, strlen(list[i].message));
    }
}

/* Three epochs; after `stop` calls the loader is thrown away and another one, with other workers, goes on. */
static uint64_t run(const setup *s, int workers, int stop)
{
    uint64_t hash = 14695981039346656037u;
    mr_rng *rng = mr_rng_new(7);
    mr_dataset *d = spoiled_new(s);
    mr_loader *l = loader_new(d, rng, s, workers);
    int calls = 0;
    for (int ends = 0; ends < 3; calls++) {
        const mr_batch *b;
        if (calls == stop) {
            const void *bytes;
            size_t size;
            mr_loader *other = loader_new(d, rng, s, (workers + 1) % 4);
            CHECK_EQ_I64(mr_loader_save(l, &bytes, &size), MR_OK);
            CHECK_EQ_I64(mr_loader_restore(other, bytes, size), MR_OK);
            mr_loader_free(l);
            l = other;
        }
        int32_t status = mr_loader_next(l, &b);
        fixture_hash(&hash, &status, sizeof status);
        if (status == MR_OK)
            fixture_hash_batch(&hash, b);
        if (status < 0)
            fixture_hash(&hash, mr_error(), strlen(mr_error()));
        hash_bad(&hash, l);
        ends += status != MR_OK;
    }
    uint32_t word = mr_rng_u32(rng);
    fixture_hash(&hash, &word, sizeof word);
    mr_loader_free(l);
    mr_dataset_free(d);
    mr_rng_free(rng);
    CHECK_EQ_I64(atomic_load(&cursors_open), 0);
    return hash;
}

static void test_same_with_workers_and_after_restoring(void)
{
    for (int kind = 0; kind < 64; kind++) {
        setup s = { .f = fine, .batch_size = kind % 3 ? 7 + kind % 3 : 61 };
        s.f.bad = kind & 1 ? 3 : 11;
        s.f.bad2 = kind & 2 ? 1 : 0;
        s.f.many = kind & 4;
        s.stream = kind & 8;
        s.shuffle = kind & 16;
        s.shards = s.stream ? 1 + kind % 4 : 0;
        s.block = s.stream && s.shuffle ? 30 : 0;
        s.drop_last = kind & 32;
        s.f.delay = kind % 5 ? 0 : 60;
        s.most = kind % 7 == 6 ? 4 : 0;
        uint64_t want = run(&s, 0, -1);
        for (int workers = 1; workers <= 7; workers += 2)
            CHECK_EQ_I64(run(&s, workers, -1), want);
        for (int stop = 0; stop < 20; stop++)
            CHECK_EQ_I64(run(&s, stop % 4, stop), want);
    }
}

/* Bad samples make their batches shorter, and nothing else changes. */
static void test_other_batches_stay(void)
{
    setup s = { .f = fine, .batch_size = 8, .shuffle = true };
    s.f.bad = 61;
    s.f.bad2 = 17;
    for (int workers = 0; workers < 3; workers++) {
        mr_rng *rng = mr_rng_new(3), *same = mr_rng_new(3);
        mr_dataset *d = spoiled_new(&s), *whole = fixture_new(fine);
        mr_loader *l = loader_new(d, rng, &s, workers);
        mr_loader *all = mr_loader_new(whole, same, &(mr_loader_opts){ .batch_size = 8, .shuffle = true });
        const mr_batch *got, *want;
        int64_t position = 0, shorter = 0;
        while (mr_loader_next(all, &want) == MR_OK && CHECK_EQ_I64(mr_loader_next(l, &got), MR_OK)) {
            int64_t rows = 0;
            CHECK_EQ_I64(got->position, position);
            for (int64_t i = 0; i < want->rows; i++) {
                if (want->indices[i] == 17) {
                    shorter++;
                    continue;
                }
                CHECK_EQ_I64(got->indices[rows], want->indices[i]);
                CHECK(got->valid[rows]);
                CHECK_EQ_I64(((int64_t *)mr_tensor_data(got->field[0]))[2 * rows], want->indices[i]);
                CHECK_EQ_I64(((int64_t *)mr_tensor_data(got->field[0]))[2 * rows + 1],
                             want->indices[i] * want->indices[i]);
                CHECK_EQ_I64(((uint8_t *)mr_tensor_data(got->field[1]))[rows], want->indices[i]);
                rows++;
            }
            CHECK_EQ_I64(got->rows, rows);
            CHECK_EQ_I64(mr_tensor_size(got->field[0], 0), rows);
            position += rows;
        }
        CHECK_EQ_I64(shorter, 1);
        CHECK_EQ_I64(mr_loader_next(l, &got), MR_END);
        const mr_bad_sample *list;
        int64_t listed;
        CHECK_EQ_I64(mr_loader_bad_samples(l, &list, &listed), 1);
        if (CHECK_EQ_I64(listed, 1)) {
            CHECK_EQ_I64(list[0].index, 17);
            CHECK_EQ_I64(list[0].epoch, 0);
            CHECK_EQ_I64(list[0].shard, -1);
            CHECK_EQ_STR(list[0].message, "loader: sample 17: the callback failed without a message");
        }
        mr_loader_free(all);
        mr_loader_free(l);
        mr_dataset_free(whole);
        mr_dataset_free(d);
        mr_rng_free(same);
        mr_rng_free(rng);
    }
}

/* A stream goes on, so its batches are full; a batch of nothing but bad samples is not delivered. */
static void test_rows(void)
{
    for (int workers = 0; workers < 3; workers++)
        for (int stream = 0; stream < 2; stream++) {
            setup s = { .f = fine, .batch_size = 1 + 4 * stream, .stream = stream };
            s.f.length = 20;
            s.f.bad = 4;
            s.f.bad2 = 0;
            mr_rng *rng = mr_rng_new(3);
            mr_dataset *d = spoiled_new(&s);
            mr_loader *l = loader_new(d, rng, &s, workers);
            const mr_batch *b;
            int64_t batches = 0;
            for (; mr_loader_next(l, &b) == MR_OK; batches++)
                CHECK_EQ_I64(b->rows, s.batch_size);
            CHECK_EQ_I64(batches, stream ? 3 : 15);
            CHECK_EQ_I64(mr_loader_bad_samples(l, NULL, NULL), 5);
            while (mr_loader_next(l, &b) == MR_OK)
                CHECK_EQ_I64(b->epoch, 1);
            CHECK_EQ_I64(mr_loader_bad_samples(l, NULL, NULL), 10);
            mr_loader_free(l);
            mr_dataset_free(d);
            mr_rng_free(rng);
        }
}

static void test_too_many(void)
{
    for (int workers = 0; workers < 3; workers++)
        for (int stream = 0; stream < 2; stream++) {
            setup s = { .f = fine, .batch_size = 5, .stream = stream, .most = 3 };
            s.f.bad = 4;
            s.f.bad2 = 0;
            mr_rng *rng = mr_rng_new(3);
            mr_dataset *d = spoiled_new(&s);
            mr_loader *l = loader_new(d, rng, &s, workers);
            const mr_batch *b;
            for (int64_t epoch = 0; epoch < 2;
                 epoch++) { /* 0, 4 and 8 are left out, and 12 is one too many */
                mr_status status;
                char text[120];
                while ((status = mr_loader_next(l, &b)) == MR_OK)
                    CHECK_EQ_I64(b->epoch, epoch);
                CHECK_EQ_I64(status, MR_ERR_CALLBACK);
                snprintf(
                    text, sizeof text,
                    "loader: sample 12: row 12 is damaged; bad samples in epoch %lld: 4, and 3 are allowed",
                    (long long)epoch);
                CHECK_EQ_STR(mr_error(), text);
            }
            CHECK_EQ_I64(mr_loader_bad_samples(l, NULL, NULL), 8);
            mr_loader_free(l);
            mr_dataset_free(d);
            mr_rng_free(rng);
        }
}

/* ---- a stream that is broken for good ---- */

static mr_status broken_next(void *cursor, const mr_sample *sample)
{
    fixture_cursor *c = cursor;
    if (c->next >= c->f.bad)
        return mr_fail(MR_ERR_IO, "the line is dead");
    fixture_write(sample, c->next++);
    return MR_OK;
}

static const mr_stream_vtable broken_vtable = { .open = fixture_open,
                                                .next = broken_next,
                                                .close = fixture_close };

static void test_broken_stream(void)
{
    for (int workers = 0; workers < 3; workers++) {
        setup s = { .f = fine, .batch_size = 5 };
        s.f.bad = 12;
        mr_rng *rng = mr_rng_new(3);
        mr_dataset *d = mr_stream_new(&broken_vtable, &s.f, sizeof s.f, fixture_fields, 2);
        mr_loader *l = loader_new(d, rng, &s, workers);
        const mr_batch *b;
        CHECK_EQ_I64(mr_loader_next(l, &b), MR_OK);
        CHECK_EQ_I64(mr_loader_next(l, &b), MR_OK);
        CHECK_EQ_I64(mr_loader_next(l, &b), MR_ERR_IO);
        CHECK_EQ_STR(mr_error(),
                     "loader: the stream has failed 1000 times in a row, at last in sample 1011: the "
                     "line is dead");
        const mr_bad_sample *list;
        int64_t listed;
        CHECK_EQ_I64(mr_loader_next(l, &b), MR_OK);
        CHECK_EQ_I64(b->epoch, 1);
        CHECK_EQ_I64(mr_loader_next(l, &b), MR_OK);
        CHECK_EQ_I64(mr_loader_next(l, &b), MR_ERR_IO);
        CHECK_EQ_I64(mr_loader_bad_samples(l, &list, &listed),
                     1998); /* and the list is no longer than this: */
        CHECK_EQ_I64(listed, 1000);
        CHECK_EQ_I64(list[0].index, 12);
        CHECK_EQ_I64(list[0].shard, 0);
        CHECK_EQ_STR(list[998].message, "loader: sample 1010: the line is dead");
        CHECK_EQ_I64(list[999].epoch, 1);
        mr_loader_free(l);
        mr_dataset_free(d);
        mr_rng_free(rng);
    }
}

/* A stream that promises as many samples as there would be, and one that is more than it promises. */
static mr_status ending_next(void *cursor, const mr_sample *sample)
{
    fixture_cursor *c = cursor;
    if (c->next > c->f.bad)
        return MR_END;
    if (c->next == c->f.bad && c->next++)
        return mr_fail(MR_ERR_IO, "the line is dead");
    fixture_write(sample, c->next++);
    return MR_OK;
}

static int64_t promised;

static int64_t promised_len(void *self)
{
    (void)self;
    return promised;
}

static void test_ended_stream(void)
{
    static const mr_stream_vtable vtable = {
        .open = fixture_open, .next = ending_next, .close = fixture_close, .len = promised_len
    };
    for (int workers = 0; workers < 3; workers++)
        for (promised = 12; promised < 15; promised++) {
            setup s = { .f = fine, .batch_size = 5 };
            s.f.bad = 12; /* the thirteenth */
            mr_rng *rng = mr_rng_new(3);
            mr_dataset *d = mr_stream_new(&vtable, &s.f, sizeof s.f, fixture_fields, 2);
            mr_loader *l = loader_new(d, rng, &s, workers);
            const mr_batch *b;
            int64_t rows = 0;
            mr_status status;
            while ((status = mr_loader_next(l, &b)) == MR_OK)
                rows += b->rows;
            CHECK_EQ_I64(status, promised < 13 ? MR_ERR_CALLBACK : MR_END);
            if (promised < 13)
                CHECK_EQ_STR(mr_error(), "loader: the stream promised 12 samples, and has given 13");
            else
                CHECK_EQ_I64(rows, 12);
            CHECK_EQ_I64(mr_loader_bad_samples(l, NULL, NULL), 1);
            mr_loader_free(l);
            mr_dataset_free(d);
            mr_rng_free(rng);
        }
}

/* ---- very many, in any order, of several threads ---- */

static void test_order_of_many(void)
{
    enum { MANY = 20011 }; /* a prime */
    fixture f = { .length = MANY, .bad = -1, .bad2 = -1 };
    mr_dataset *d = fixture_new(f);
    mr__slot_batch *slot = mr__slot_new(d, MANY, false);
    mr__bad bad = { .skip = true };
    int64_t row = 0, left = 0;
    for (int64_t i = 0; i < MANY; i++, row = (row + 7919) % MANY) {
        slot->index[row] = 3 * row;
        if (row % 100 == 50)
            continue;
        mr_fail(MR_ERR_FORMAT, "row %lld", (long long)row);
        CHECK(mr__fault_note(slot, row, -1, 3 * row));
    }
    int64_t rows = mr__faults_take(&bad, slot, MANY, 0, true);
    for (int64_t i = 50; i < MANY; i += 100)
        CHECK_EQ_I64(slot->index[left++], 3 * i);
    CHECK_EQ_I64(rows, left);
    CHECK_EQ_I64(bad.count, MANY - left);
    for (int64_t i = 0, at = 0; i < bad.listed; i++, at++) {
        at += at % 100 == 50;
        CHECK_EQ_I64(bad.list[i].index, 3 * at);
    }
    mr__bad_free(&bad);
    mr__slot_free(slot);
    mr_dataset_free(d);
}

static void test_wrong_options(void)
{
    static const struct {
        mr_loader_opts opts;
        const char *text;
    } cases[] = {
        { { .on_bad_sample = (mr_bad_policy)2 }, "loader_new: 2 is no mr_bad_policy" },
        { { .on_bad_sample = MR_BAD_SKIP, .max_bad_samples = -1 },
          "loader_new: max_bad_samples -1 is negative" },
        { { .max_bad_samples = 3 }, "loader_new: max_bad_samples is for loaders that skip bad samples" },
    };
    mr_rng *rng = mr_rng_new(0);
    mr_dataset *d = fixture_new(fine);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        CHECK(mr_loader_new(d, rng, &cases[i].opts) == NULL);
        CHECK_EQ_STR(mr_error(), cases[i].text);
    }
    const mr_bad_sample *list = (const mr_bad_sample *)&list;
    int64_t listed = 1;
    mr_error_clear();
    CHECK_EQ_I64(mr_loader_bad_samples(NULL, &list, &listed), 0);
    CHECK(list == NULL && listed == 0);
    CHECK_EQ_I64(mr_error_status(), MR_OK);
    mr_dataset_free(d);
    mr_rng_free(rng);
}

/* ---- callbacks that raise a failure, and give back MR_OK ---- */

static mr_status careless_get(void *self, int64_t index, const mr_sample *sample)
{
    (void)self;
    fixture_write(sample, index);
    if (index == 5)
        mr_fail(MR_ERR_FORMAT, "no such word");
    return MR_OK;
}

static mr_status careless_get_many(void *self, const int64_t *indices, int64_t count, const mr_sample *first)
{
    for (int64_t i = 0; i < count; i++) {
        void *field[] = { (int64_t *)first->field[0] + 2 * i, (uint8_t *)first->field[1] + i };
        careless_get(self, indices[i], &(mr_sample){ .field = field });
    }
    return MR_OK;
}

static mr_status careless_next(void *cursor, const mr_sample *sample)
{
    fixture_cursor *c = cursor;
    if (c->next == 9)
        mr_fail(MR_ERR_IO, "the end is cut off");
    return c->next >= 9 ? MR_END : careless_get(NULL, c->next++, sample);
}

static mr_dataset *careless_new(int kind)
{
    static const mr_dataset_vtable plain = { .len = fixture_len, .get = careless_get }, many = {
        .len = fixture_len, .get = careless_get, .get_many = careless_get_many
    };
    static const mr_stream_vtable stream = { .open = fixture_open,
                                             .next = careless_next,
                                             .close = fixture_close };
    const fixture f = { .length = 20 };
    if (kind == 2)
        return mr_stream_new(&stream, &f, sizeof f, fixture_fields, 2);
    return mr_dataset_new(kind ? &many : &plain, &f, sizeof f, fixture_fields, 2);
}

static void check_careless(mr_loader *loader, bool stream, bool skip)
{
    const mr_batch *b;
    mr_status status;
    int64_t rows = 0;
    while ((status = mr_loader_next(loader, &b)) == MR_OK)
        rows += b->rows;
    CHECK_EQ_I64(status, !skip ? MR_ERR_FORMAT : stream ? MR_ERR_IO : MR_END);
    if (!skip)
        CHECK_EQ_STR(mr_error(), "loader: sample 5: no such word");
    if (stream || !skip)
        return;
    const mr_bad_sample *list;
    CHECK_EQ_I64(rows, 19);
    if (CHECK_EQ_I64(mr_loader_bad_samples(loader, &list, NULL), 1))
        CHECK_EQ_STR(list[0].message, "loader: sample 5: no such word");
}

static void test_careless(void)
{
    mr_rng *rng = mr_rng_new(7);
    for (int kind = 0; kind < 3; kind++) {
        mr_dataset *data = careless_new(kind);
        for (int workers = 0; workers < 3; workers++)
            for (int skip = 0; skip < 2; skip++) {
                mr_loader_opts opts = { .batch_size = 4, .workers = workers };
                opts.on_bad_sample = skip ? MR_BAD_SKIP : MR_BAD_STOP;
                mr_loader *loader = mr_loader_new(data, rng, &opts);
                check_careless(loader, kind == 2, skip);
                mr_loader_free(loader);
                mr_error_clear();
            }
        mr_dataset_free(data);
    }
    mr_rng_free(rng);
}

static void test_careless_by_hand(void)
{
    mr_dataset *data = careless_new(0), *stream = careless_new(2),
               *both = mr_concat_new((mr_dataset *[]){ data, data }, 2);
    CHECK(mr_dataset_get(data, 5) == NULL);
    CHECK_EQ_STR(mr_error(), "dataset_get: sample 5: no such word");
    mr_error_clear();
    CHECK(mr_dataset_get(both, 25) == NULL);
    CHECK_EQ_STR(mr_error(), "dataset_get: sample 25: concat: dataset 1: sample 5: no such word");
    mr_error_clear();
    mr_fail(MR_ERR_IO, "something else"); /* what failed before is no fault of the sample's */
    mr_batch_free(mr_dataset_get(data, 4));
    CHECK_EQ_STR(mr_error(), "something else");
    mr_error_clear();
    mr_cursor *cursor = mr_stream_open(stream);
    const mr_batch *b;
    for (int64_t i = 0; i < 5; i++)
        CHECK_EQ_I64(mr_cursor_next(cursor, &b), MR_OK);
    CHECK_EQ_I64(mr_cursor_next(cursor, &b), MR_ERR_FORMAT);
    CHECK_EQ_STR(mr_error(), "cursor_next: sample 5: no such word");
    mr_cursor_free(cursor);
    mr_dataset_free(both);
    mr_dataset_free(stream);
    mr_dataset_free(data);
}

int main(void)
{
    RUN(test_same_with_workers_and_after_restoring);
    RUN(test_other_batches_stay);
    RUN(test_rows);
    RUN(test_too_many);
    RUN(test_broken_stream);
    RUN(test_ended_stream);
    RUN(test_order_of_many);
    RUN(test_wrong_options);
    RUN(test_careless);
    RUN(test_careless_by_hand);
    return check_report();
}

/* Streams made of streams: chain, interleave, filter and map. */
#include "check.h"
#include "loader_fixture.h"

#include "data/inner.h"

#include <stdlib.h>

/* A stream of `length` samples, whose numbers begin at `first`; with a length that is known, or not. */
typedef struct run {
    int64_t first, length, bad;
    bool unknown, shut, tells, no_seek;
} run;

typedef struct run_cursor {
    run r;
    int64_t at, step;
} run_cursor;

static atomic_int runs_open, runs_alive, runs_read;

static void *run_open(void *self, int64_t shard, int64_t shards)
{
    const run *r = self;
    if (r->shut) {
        mr_fail(MR_ERR_IO, "no such file");
        return NULL;
    }
    run_cursor *c = malloc(sizeof *c);
    *c = (run_cursor){ *r, shard, shards };
    runs_open++;
    return c;
}

static mr_status run_next(void *cursor, const mr_sample *sample)
{
    run_cursor *c = cursor;
    runs_read++;
    if (c->at >= c->r.length)
        return MR_END;
    if (c->at == c->r.bad)
        return mr_fail(MR_ERR_FORMAT, "line is damaged");
    *(int64_t *)sample->field[0] = c->r.first + c->at;
    c->at += c->step;
    return MR_OK;
}

static void run_close(void *cursor)
{
    free(cursor);
    runs_open--;
}

static int64_t run_len(void *self)
{
    const run *r = self;
    return r->unknown ? -1 : r->length;
}

static void run_destroy(void *self)
{
    (void)self;
    runs_alive--;
}

static void run_tell(void *cursor, void *state)
{
    memcpy(state, &((run_cursor *)cursor)->at, sizeof(int64_t));
}

static int64_t run_shards(void *self)
{
    (void)self;
    return 3;
}

static mr_status run_seek(void *cursor, const void *state)
{
    run_cursor *c = cursor;
    memcpy(&c->at, state, sizeof(int64_t));
    return c->r.no_seek ? mr_fail(MR_ERR_IO, "cannot seek") : MR_OK;
}

static const mr_stream_vtable run_vtable = { .open = run_open,
                                             .next = run_next,
                                             .close = run_close,
                                             .len = run_len,
                                             .destroy = run_destroy },
                              telling_vtable = { .open = run_open,
                                                 .next = run_next,
                                                 .close = run_close,
                                                 .len = run_len,
                                                 .destroy = run_destroy,
                                                 .cursor_state_size = sizeof(int64_t),
                                                 .shards = run_shards,
                                                 .tell = run_tell,
                                                 .seek = run_seek };
static const mr_field number = { "number", MR_INT64, { 0 } };

static mr_dataset *run_new(int64_t first, int64_t length)
{
    run r = { .first = first, .length = length, .bad = -1 };
    runs_alive++;
    return mr_stream_new(&run_vtable, &r, sizeof r, &number, 1);
}

static mr_dataset *run_of(run r)
{
    runs_alive++;
    return mr_stream_new(r.tells ? &telling_vtable : &run_vtable, &r, sizeof r, &number, 1);
}

static void check_error(const char *text)
{
    CHECK_EQ_STR(mr_error(), text);
    mr_error_clear();
}

/* What a stream gives, as text; and by loaders the same, with and without workers, twice. */
static const char *numbers_of(mr_dataset *stream)
{
    static char text[1 << 14], loaded[1 << 14];
    size_t n = 0;
    const mr_batch *b;
    mr_cursor *cursor = mr_stream_open(stream);
    text[0] = 0;
    while (mr_cursor_next(cursor, &b) == MR_OK)
        n += (size_t)snprintf(text + n, sizeof text - n, "%s%lld", n ? " " : "",
                              (long long)*(const int64_t *)mr_tensor_data(b->field[0]));
    mr_cursor_free(cursor);
    for (int workers = 0; workers < 3; workers++) {
        mr_rng *rng = mr_rng_new(0);
        mr_loader *loader =
            mr_loader_new(stream, rng, &(mr_loader_opts){ .batch_size = 3, .workers = workers });
        for (int epoch = 0; epoch < 2; epoch++) {
            loaded[n = 0] = 0;
            while (mr_loader_next(loader, &b) == MR_OK)
                for (int64_t i = 0; i < b->rows; i++)
                    n += (size_t)snprintf(loaded + n, sizeof loaded - n, "%s%lld", n ? " " : "",
                                          (long long)((const int64_t *)mr_tensor_data(b->field[0]))[i]);
            CHECK_EQ_STR(loaded, text);
        }
        mr_loader_free(loader);
        mr_rng_free(rng);
    }
    CHECK_EQ_I64(runs_open, 0);
    return text;
}

static void free_all(mr_dataset **all, int count)
{
    for (int i = 0; i < count; i++)
        mr_dataset_free(all[i]);
}

static bool is_odd(void *user, void *const *field)
{
    int64_t value = *(const int64_t *)field[0];
    if (user && value == *(const int64_t *)user)
        mr_fail(MR_ERR_FORMAT, "neither odd nor even");
    return value % 2 != 0;
}

static mr_status add_random(void *user, void *const *in, void *const *out, int64_t index, mr_random *random)
{
    (void)user;
    *(int64_t *)out[0] = *(const int64_t *)in[0] * 100 + index * 10 + mr_random_below(random, 10);
    return index == 7 ? mr_fail(MR_ERR_FORMAT, "seven") : MR_OK;
}

static mr_status add_random_quietly(void *user, void *const *in, void *const *out, int64_t index,
                                    mr_random *random)
{
    if (add_random(user, in, out, index, random) < 0)
        mr_error_clear();
    return MR_OK;
}

static size_t append(char *text, size_t n, mr_loader *loader, int batches)
{
    const mr_batch *b;
    mr_status status = MR_OK;
    while (batches-- != 0 && (status = mr_loader_next(loader, &b)) == MR_OK)
        for (int64_t i = 0; i < b->rows; i++)
            n += (size_t)sprintf(text + n, "%lld ",
                                 (long long)((const int64_t *)mr_tensor_data(b->field[0]))[i]);
    CHECK(status >= 0);
    return n;
}

/* ---- chain ---- */

static void test_chain(void)
{
    mr_dataset *all[] = { run_new(10, 3), run_new(0, 0), run_new(20, 1), run_new(30, 4) };
    mr_dataset *chain = mr_chain_new(all, 4);
    free_all(all, 4);
    CHECK_EQ_I64(runs_alive, 4);
    CHECK_EQ_I64(mr_dataset_len(chain), 8);
    CHECK_EQ_STR(numbers_of(chain), "10 11 12 20 30 31 32 33");
    mr_cursor *cursor = mr_stream_open(chain);
    const mr_batch *b;
    CHECK_EQ_I64(mr_cursor_next(cursor, &b), MR_OK);
    mr_dataset_free(chain); /* a cursor can be freed after its stream */
    CHECK_EQ_I64(runs_alive, 0);
    mr_cursor_free(cursor);
    CHECK_EQ_I64(runs_open, 0);

    mr_dataset *some[] = { run_new(10, 3), run_of((run){ .length = 2, .bad = -1, .unknown = true }) };
    chain = mr_chain_new(some, 2);
    CHECK_EQ_I64(mr_dataset_len(chain), -1);
    CHECK_EQ_STR(numbers_of(chain), "10 11 12 0 1");
    mr_dataset_free(chain);
    free_all(some, 2);
}

/* All samples are in one of the shards, whatever their number. */
static void test_shards(void)
{
    mr_dataset *all[] = { run_new(0, 7), run_new(100, 2) };
    const double weights[] = { 3, 1 };
    mr_dataset *some[] = { mr_chain_new(all, 2), mr_interleave_new(all, weights, 2, NULL) };
    for (int which = 0; which < 2; which++)
        for (int shards = 1; shards < 4; shards++) {
            int64_t sum = 0, count = 0, one;
            void *field[] = { &one };
            const mr_sample sample = { .field = field };
            for (int shard = 0; shard < shards; shard++) {
                void *cursor = some[which]->stream->open(some[which]->self, shard, shards);
                for (; some[which]->stream->next(cursor, &sample) == MR_OK; count++)
                    sum += one;
                some[which]->stream->close(cursor);
            }
            CHECK_EQ_I64(sum, 21 + 201);
            CHECK_EQ_I64(count, 9);
        }
    free_all(some, 2);
    free_all(all, 2);
}

/* Maps and filters have the shards of what they are made of, and what is drawn for a sample does not hang on workers. */
static void test_own_shards(void)
{
    mr_dataset *fifty = run_of((run){ .length = 50, .bad = -1, .tells = true });
    mr_dataset *odd = mr_filter_new(fifty, is_odd, NULL),
               *map = mr_map_new(fifty, add_random_quietly, NULL, NULL);
    CHECK_EQ_I64(odd->stream->shards(odd->self), 3);
    CHECK_EQ_I64(map->stream->shards(map->self), 3);
    static char want[1 << 12], got[1 << 12];
    for (int workers = 0; workers < 5; workers++) {
        mr_rng *rng = mr_rng_new(1);
        mr_loader *loader = mr_loader_new(map, rng, &(mr_loader_opts){ .batch_size = 4, .workers = workers });
        append(workers ? got : want, append(workers ? got : want, 0, loader, -1), loader, -1);
        if (workers)
            CHECK_EQ_STR(got, want);
        mr_loader_free(loader);
        mr_rng_free(rng);
    }
    mr_dataset *all[] = { fifty, odd, map };
    free_all(all, 3);
}

/* ---- interleave ---- */

static mr_dataset *mixed(const double *weights, const int64_t *lengths, int count, mr_interleave_end end)
{
    mr_dataset *all[8];
    for (int i = 0; i < count; i++)
        all[i] = run_new(1000000 * i, lengths[i]);
    mr_dataset *stream = mr_interleave_new(all, weights, count, &(mr_interleave_opts){ end });
    free_all(all, count);
    return stream;
}

/* Of the first n samples each stream has given its share, less than one sample more or less, while all go on. */
static void check_proportions(const double *weights, int count)
{
    int64_t lengths[8], taken[8] = { 0 };
    double sum = 0, worst = 0;
    for (int i = 0; i < count; i++) {
        lengths[i] = 1000000;
        sum += weights[i];
    }
    mr_dataset *stream = mixed(weights, lengths, count, MR_INTERLEAVE_ALL);
    mr_cursor *cursor = mr_stream_open(stream);
    const mr_batch *b;
    for (int64_t n = 1; n <= 5000 && CHECK(mr_cursor_next(cursor, &b) == MR_OK); n++) {
        int64_t value = *(const int64_t *)mr_tensor_data(b->field[0]), which = value / 1000000;
        CHECK_EQ_I64(value % 1000000, taken[which]); /* in its own order */
        taken[which]++;
        for (int i = 0; i < count; i++) {
            double off = fabs((double)taken[i] - weights[i] / sum * (double)n);
            worst = off > worst ? off : worst;
        }
    }
    double most = count > 1 ? 1 - 1.0 / (2.0 * count - 2) : 0;
    if (!CHECK(worst <= most + 1e-9))
        printf("    off by %g with %d streams\n", worst, count);
    mr_cursor_free(cursor);
    mr_dataset_free(stream);
}

static void test_proportions(void)
{
    check_proportions((const double[]){ 5 }, 1);
    check_proportions((const double[]){ 1, 1 }, 2);
    check_proportions((const double[]){ 3, 1 }, 2);
    check_proportions((const double[]){ 1e-3, 1 }, 2);
    check_proportions((const double[]){ 1, 2, 3, 4 }, 4);
    check_proportions((const double[]){ 0.5, 0.2, 0.2, 0.05, 0.05 }, 5);
    check_proportions((const double[]){ 100, 1, 1, 1, 1, 1, 1, 1 }, 8);
    check_proportions((const double[]){ 0.3, 0.3, 0.4 }, 3);
    mr_random random = mr_random_at(1, 0, 0);
    for (int trial = 0; trial < 30; trial++) {
        double weights[8];
        int count = 2 + (int)mr_random_below(&random, 7);
        for (int i = 0; i < count; i++)
            weights[i] = 0.001 + mr_random_uniform(&random);
        check_proportions(weights, count);
    }
}

static void test_interleave_ends(void)
{
    const double weights[] = { 1, 1, 2 };
    const int64_t lengths[] = { 1, 3, 4 };
    mr_dataset *all = mixed(weights, lengths, 3, MR_INTERLEAVE_ALL);
    CHECK_EQ_I64(mr_dataset_len(all), 8);
    const char *text = numbers_of(all);
    int spaces = 0;
    for (const char *c = text; *c; c++)
        spaces += *c == ' ';
    CHECK_EQ_I64(spaces, 7); /* all eight, and in an order that stays what it is: */
    CHECK_EQ_STR(text, "2000000 0 1000000 2000001 2000002 2000003 1000001 1000002");
    mr_dataset_free(all);
    mr_dataset *first = mixed(weights, lengths, 3, MR_INTERLEAVE_FIRST);
    CHECK_EQ_I64(mr_dataset_len(first), -1);
    CHECK_EQ_STR(numbers_of(first), "2000000 0 1000000 2000001 2000002");
    mr_dataset_free(first);
}

static void test_interleave_errors(void)
{
    const double good[] = { 1, 2 }, zero[] = { 1, 0 }, large[] = { 1.7e308, 1.7e308 };
    mr_dataset *all[] = { run_new(0, 3), run_of((run){ .length = 5, .bad = 2 }) };
    mr_dataset *shut[] = { run_of((run){ .shut = true }) }, *by_index = fixture_new((fixture){ .length = 3 });
    CHECK(mr_interleave_new(all, NULL, 2, NULL) == NULL);
    check_error("interleave_new: weights is NULL");
    CHECK(mr_interleave_new(all, zero, 2, NULL) == NULL);
    check_error("interleave_new: weight 1 is 0, not finite and above 0");
    CHECK(mr_interleave_new(all, large, 2, NULL) == NULL);
    check_error("interleave_new: weights that add up to inf, end 0");
    CHECK(mr_interleave_new(all, good, 2, &(mr_interleave_opts){ (mr_interleave_end)2 }) == NULL);
    check_error("interleave_new: weights that add up to 3, end 2");
    CHECK(mr_chain_new(&by_index, 1) == NULL);
    check_error("chain_new: the dataset is one by index, not a stream");
    CHECK(mr_chain_new(all, 0) == NULL);
    check_error("chain_new: no datasets");

    mr_dataset *streams[] = { mr_chain_new(all, 2), mr_interleave_new(all, good, 2, NULL),
                              mr_chain_new(shut, 1) };
    const char *const texts[] = { "cursor_next: sample 5: chain: stream 1: line is damaged",
                                  "cursor_next: sample 3: interleave: stream 1: line is damaged",
                                  "cursor_next: sample 0: chain: stream 0: no such file" };
    for (int i = 0; i < 3; i++) {
        mr_cursor *cursor = mr_stream_open(streams[i]);
        const mr_batch *b;
        mr_status status;
        while ((status = mr_cursor_next(cursor, &b)) == MR_OK)
            ;
        CHECK(status < 0);
        check_error(texts[i]);
        mr_cursor_free(cursor);
    }
    free_all(streams, 3);
    free_all(all, 2);
    free_all(shut, 1);
    mr_dataset_free(by_index);
    CHECK_EQ_I64(runs_open, 0);
}

/* ---- filter and map ---- */

static mr_status halve(void *user, void *const *in, void *const *out, int64_t index, mr_random *random)
{
    (void)user;
    (void)index;
    (void)random;
    *(float *)out[0] = (float)*(const int64_t *)in[0] / 2;
    return MR_OK;
}

static void test_filter(void)
{
    mr_dataset *all[] = { run_new(0, 9), run_new(100, 4) }, *chain = mr_chain_new(all, 2);
    mr_dataset *odd = mr_filter_new(chain, is_odd, NULL);
    free_all(all, 2);
    mr_dataset_free(chain);
    CHECK_EQ_I64(mr_dataset_len(odd), -1);
    CHECK_EQ_STR(numbers_of(odd), "1 3 5 7 101 103");
    mr_dataset_free(odd);
    CHECK_EQ_I64(runs_alive, 0);

    int64_t bad = 5;
    mr_dataset *nine = run_new(0, 9), *shut = run_of((run){ .shut = true });
    mr_dataset *failing = mr_filter_new(nine, is_odd, &bad), *closed = mr_filter_new(shut, is_odd, NULL);
    mr_cursor *cursor = mr_stream_open(failing);
    const mr_batch *b;
    mr_status status;
    while ((status = mr_cursor_next(cursor, &b)) == MR_OK)
        ;
    CHECK_EQ_I64(status, MR_ERR_FORMAT);
    check_error("cursor_next: sample 2: filter: sample 5: neither odd nor even");
    mr_cursor_free(cursor);
    CHECK(mr_stream_open(closed) == NULL);
    check_error("filter: no such file");
    CHECK(mr_filter_new(nine, NULL, NULL) == NULL);
    check_error("filter_new: keep is NULL");
    CHECK(mr_filter_new(NULL, is_odd, NULL) == NULL);
    check_error("filter_new: dataset is NULL");
    mr_dataset *some[] = { nine, shut, failing, closed };
    free_all(some, 4);
}

static void test_map(void)
{
    static const mr_field real = { "half", MR_FLOAT32, { 0 } };
    mr_dataset *five = run_new(3, 5), *shut = run_of((run){ .shut = true });
    mr_dataset *map = mr_map_new(five, add_random, NULL, NULL);
    mr_dataset *other = mr_map_new(five, add_random, NULL, &(mr_map_opts){ .seed = 1 });
    mr_dataset *half = mr_map_new(five, halve, NULL, &(mr_map_opts){ .fields = &real, .field_count = 1 });
    mr_dataset *closed = mr_map_new(shut, halve, NULL, &(mr_map_opts){ .fields = &real, .field_count = 1 });
    mr_dataset_free(five);
    CHECK_EQ_I64(mr_dataset_len(map), 5);
    mr_rng *rng = mr_rng_new(0);
    const mr_batch *b, *c;
    mr_cursor *x = mr_stream_open(map), *y = mr_stream_open(half), *z = mr_stream_open(other);
    int same = 0;
    for (int i = 0; i < 5; i++) {
        CHECK_EQ_I64(mr_cursor_next(x, &b), MR_OK);
        CHECK_EQ_I64(mr_cursor_next(z, &c), MR_OK);
        int64_t value = *(const int64_t *)mr_tensor_data(b->field[0]);
        same += value == *(const int64_t *)mr_tensor_data(c->field[0]);
        CHECK_EQ_I64(value / 10, (3 + i) * 10 + i);
        mr_random random = mr_random_at(0, 0, i);
        CHECK_EQ_I64(value % 10, mr_random_below(&random, 10));
        CHECK_EQ_I64(mr_cursor_next(y, &b), MR_OK);
        CHECK_NEAR(mr_item(b->field[0]), (3 + i) / 2.0, 0);
    }
    CHECK(same < 5);
    CHECK_EQ_I64(mr_cursor_next(x, &b), MR_END);
    mr_cursor_free(x);
    mr_cursor_free(y);
    mr_cursor_free(z);
    CHECK(mr_stream_open(closed) == NULL);
    check_error("map: no such file");
    mr_dataset *twenty = run_new(0, 20);
    mr_dataset *failing = mr_map_new(twenty, add_random, NULL, NULL);
    mr_loader *loader = mr_loader_new(failing, rng, &(mr_loader_opts){ .batch_size = 20 });
    CHECK_EQ_I64(mr_loader_next(loader, &b), MR_ERR_FORMAT);
    check_error("loader: sample 7: map: sample 7: seven");
    mr_loader_free(loader);
    mr_rng_free(rng);
    mr_dataset *some[] = { twenty, shut, map, other, half, closed, failing };
    free_all(some, 7);
    CHECK_EQ_I64(runs_open, 0);
    CHECK_EQ_I64(runs_alive, 0);
}

/* ---- going on where a loader stood ---- */

static mr_dataset *everything(bool tells, bool no_seek)
{
    const double weights[] = { 2, 1, 3 };
    run r = { .length = 15, .bad = -1, .tells = tells, .no_seek = no_seek };
    mr_dataset *a = run_of(r), *b = run_of((run){ .first = 100, .length = 9, .bad = -1, .tells = true });
    mr_dataset *odd = mr_filter_new(a, is_odd, NULL), *chain = mr_chain_new((mr_dataset *[]){ odd, b, a }, 3);
    mr_dataset *mixed = mr_interleave_new((mr_dataset *[]){ chain, b, a }, weights, 3, NULL);
    mr_dataset *map = mr_map_new(mixed, add_random_quietly, NULL, NULL);
    mr_dataset *all[] = { a, b, odd, chain, mixed };
    free_all(all, 5);
    return map;
}

static void test_resume(void)
{
    static char want[1 << 14], got[1 << 14];
    for (int tells = 0; tells < 2; tells++) {
        mr_dataset *stream = everything(tells, false);
        mr_rng *rng = mr_rng_new(0);
        CHECK_EQ_I64(stream->stream->tell != NULL, tells);
        mr_loader *whole = mr_loader_new(stream, rng, &(mr_loader_opts){ .batch_size = 4 });
        size_t n = append(want, 0, whole, -1);
        append(want, n, whole, -1);
        int64_t batches = (46 + 3) / 4;
        for (int64_t k = 0; k <= batches; k++) {
            mr_loader *first = mr_loader_new(stream, rng, &(mr_loader_opts){ 4, .workers = (int)(k % 3) });
            mr_loader *second = mr_loader_new(stream, rng, &(mr_loader_opts){ 4, .workers = (int)(k % 2) });
            const void *state;
            size_t size;
            n = append(got, 0, first, (int)k);
            CHECK_EQ_I64(mr_loader_save(first, &state, &size), MR_OK);
            CHECK_EQ_I64(mr_loader_restore(second, state, size), MR_OK);
            runs_read = 0;
            if (k < batches) {
                n = append(got, n, second, 1);
                CHECK(!tells || k % 2 || runs_read < 20); /* not all that comes before */
            }
            append(got, append(got, n, second, -1), second, -1);
            if (!CHECK(strcmp(got, want) == 0))
                printf("    after %lld batches, %d\n%s\n%s\n", (long long)k, tells, want, got);
            mr_loader_free(first);
            mr_loader_free(second);
        }
        mr_loader_free(whole);
        mr_rng_free(rng);
        mr_dataset_free(stream);
    }
    CHECK_EQ_I64(runs_open, 0);
    CHECK_EQ_I64(runs_alive, 0);
}

static void test_seek_errors(void)
{
    mr_dataset *stream = everything(true, true);
    unsigned char state[4096];
    CHECK(stream->stream->cursor_state_size < sizeof state);
    void *cursor = stream->stream->open(stream->self, 0, 1), *other;
    int64_t one;
    void *field[] = { &one };
    const mr_sample sample = { .field = field };
    for (int i = 0; i < 6; i++)
        CHECK_EQ_I64(stream->stream->next(cursor, &sample), MR_OK);
    stream->stream->tell(cursor, state);
    stream->stream->close(cursor);
    other = stream->stream->open(stream->self, 0, 1);
    CHECK_EQ_I64(stream->stream->seek(other, state), MR_ERR_IO);
    check_error("map: interleave: stream 0: chain: stream 0: filter: cannot seek");
    stream->stream->close(other);
    mr_dataset_free(stream);

    mr_dataset *three = run_of((run){ .length = 3, .bad = -1, .tells = true }),
               *chain = mr_chain_new(&three, 1);
    const int64_t wrong[] = { 2, 0, 0 };
    cursor = chain->stream->open(chain->self, 0, 1);
    CHECK_EQ_I64(chain->stream->seek(cursor, wrong), MR_ERR_FORMAT);
    check_error("chain: stream 2 of 1 in the state");
    chain->stream->close(cursor);
    mr_dataset_free(chain);
    mr_dataset_free(three);
}

int main(void)
{
    RUN(test_chain);
    RUN(test_shards);
    RUN(test_own_shards);
    RUN(test_proportions);
    RUN(test_interleave_ends);
    RUN(test_interleave_errors);
    RUN(test_filter);
    RUN(test_map);
    RUN(test_resume);
    RUN(test_seek_errors);
    return check_report();
}

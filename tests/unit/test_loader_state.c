/* A loader's state: whatever is delivered, k batches, a save, a restore and the rest are the uninterrupted run. */
#include "loader_fixture.h"

#include <string.h>

enum { EPOCHS = 3, MOST = 400 };

/* ---- a stream that can tell, and counts what is read ---- */

static atomic_int samples_read;

static mr_status telling_next(void *cursor, const mr_sample *sample)
{
    atomic_fetch_add(&samples_read, 1);
    return fixture_next(cursor, sample);
}

static void telling_tell(void *cursor, void *state)
{
    memcpy(state, &((fixture_cursor *)cursor)->next, sizeof(int64_t));
}

static mr_status telling_seek(void *cursor, const void *state)
{
    memcpy(&((fixture_cursor *)cursor)->next, state, sizeof(int64_t));
    return ((fixture_cursor *)cursor)->next < 0 ? mr_fail(MR_ERR_FORMAT, "no such place") : MR_OK;
}

static const mr_stream_vtable telling_vtable = { .open = fixture_open,
                                                 .next = telling_next,
                                                 .close = fixture_close,
                                                 .cursor_state_size = sizeof(int64_t),
                                                 .tell = telling_tell,
                                                 .seek = telling_seek };

/* ---- a sampler whose order hangs on what it drew before; and one whose order hangs on the epoch ---- */

typedef struct draws {
    uint64_t state;
    int64_t length, count, left;
} draws;

static mr_status draws_begin(void *self, int64_t epoch)
{
    draws *s = self;
    (void)epoch;
    s->left = s->count;
    return MR_OK;
}

static mr_status draws_next(void *self, int64_t *index)
{
    draws *s = self;
    if (s->left == 0)
        return MR_END;
    s->left--;
    s->state = s->state * UINT64_C(6364136223846793005) + 1442695040888963407u;
    *index = (int64_t)((s->state >> 33) % (uint64_t)s->length);
    return MR_OK;
}

static void draws_save(void *self, void *state)
{
    memcpy(state, &((draws *)self)->state, sizeof(uint64_t));
}

static mr_status draws_restore(void *self, const void *state)
{
    memcpy(&((draws *)self)->state, state, sizeof(uint64_t));
    return ((draws *)self)->state ? MR_OK : mr_fail(MR_ERR_FORMAT, "a state of zero");
}

static mr_status draws_skip(void *self, int64_t count)
{
    mr_status status = MR_OK;
    for (int64_t index; status == MR_OK && count > 0; count--)
        status = draws_next(self, &index);
    return status;
}

static const mr_sampler_vtable draws_vtable = { .begin = draws_begin,
                                                .next = draws_next,
                                                .state_size = sizeof(uint64_t),
                                                .save = draws_save,
                                                .restore = draws_restore };
static const mr_sampler_vtable skipping_vtable = { .begin = draws_begin,
                                                   .next = draws_next,
                                                   .state_size = sizeof(uint64_t),
                                                   .save = draws_save,
                                                   .restore = draws_restore,
                                                   .skip = draws_skip };

static mr_status rising_begin(void *self, int64_t epoch)
{
    ((draws *)self)->left = epoch;
    return MR_OK;
}

static mr_status rising_next(void *self, int64_t *index)
{
    draws *s = self;
    *index = s->left;
    s->left += 2;
    return *index < s->length ? MR_OK : MR_END;
}

static const mr_sampler_vtable rising_vtable = { .begin = rising_begin, .next = rising_next };

/* ---- one loader, with what it borrows ---- */

typedef enum order {
    IN_ORDER,
    SHUFFLED,
    DRAWN,
    SKIPPING,
    RISING,
    STREAM,
    TELLING,
    SHARDS,
    BLOCKS,
    TELLING_BLOCKS,
    ORDERS
} order;

typedef struct setup {
    order order;
    bool own, drop_last, draws, collate;
    int64_t batch_size, length, shards, block;
} setup;

typedef struct machine {
    mr_rng *rng, *own;
    mr_dataset *dataset;
    mr_loader *loader;
} machine;

static mr_status pair_up(void *user, const mr_batch *samples, mr_collated *out)
{
    (void)user;
    mr_tensor *x = mr_collate_field(out, "rows", MR_INT64, MR_SHAPE(samples->rows));
    for (int64_t i = 0; x && i < samples->rows; i++)
        ((int64_t *)mr_tensor_data(x))[i] = samples->indices[i] + samples->position;
    return x ? MR_OK : MR_ERR_MEMORY;
}

static machine start(const setup *s, int workers)
{
    fixture f = { .length = s->length, .bad = -1, .bad2 = -1, .delay = workers == 3 ? 20 : 0 };
    machine m = { .rng = mr_rng_new(7), .own = mr_rng_new(8) };
    const bool shuffle = s->order == SHUFFLED || s->order == BLOCKS || s->order == TELLING_BLOCKS;
    if (s->order == TELLING || s->order == SHARDS || s->order == TELLING_BLOCKS)
        m.dataset = mr_stream_new(&telling_vtable, &f, sizeof f, fixture_fields, 2);
    else
        m.dataset = s->order == STREAM || s->order == BLOCKS ? fixture_stream_new(f) : fixture_new(f);
    m.loader = mr_loader_new(m.dataset, m.rng,
                             &(mr_loader_opts){ .batch_size = s->batch_size,
                                                .drop_last = s->drop_last,
                                                .shuffle = shuffle,
                                                .shards = s->order >= SHARDS ? s->shards : 0,
                                                .shuffle_block = shuffle && s->order >= BLOCKS ? s->block : 0,
                                                .workers = workers });
    if (s->own)
        CHECK_EQ_I64(mr_loader_set_generator(m.loader, m.own), MR_OK);
    if (s->collate)
        CHECK_EQ_I64(mr_loader_set_collate(m.loader, pair_up, NULL), MR_OK);
    draws d = { .state = 5, .length = s->length, .count = s->length + 3 };
    const mr_sampler_vtable *v = s->order == DRAWN      ? &draws_vtable
                                 : s->order == SKIPPING ? &skipping_vtable
                                 : s->order == RISING   ? &rising_vtable
                                                        : NULL;
    if (v)
        CHECK_EQ_I64(mr_loader_set_sampler(m.loader, mr_sampler_new(v, &d, sizeof d)), MR_OK);
    return m;
}

static void stop(machine *m)
{
    mr_loader_free(m->loader);
    mr_dataset_free(m->dataset);
    mr_rng_free(m->rng);
    mr_rng_free(m->own);
    CHECK_EQ_I64(atomic_load(&cursors_open), 0);
}

/* One call: a number that hangs on what it delivers; 1 at the end of an epoch. */
static uint64_t call(const setup *s, machine *m)
{
    const mr_batch *b;
    uint64_t hash = 14695981039346656037u;
    mr_status status = mr_loader_next(m->loader, &b);
    if (status == MR_OK)
        fixture_hash_batch(&hash, b);
    else if (CHECK_EQ_I64(status, MR_END))
        hash = 1;
    if (s->draws)
        mr_rng_u32(m->rng);
    return hash;
}

/* Saves, throws everything away, and goes on in another loader, which may have been used before. */
static void move(const setup *s, machine *m, int workers, int used)
{
    const void *view;
    size_t size = 0;
    unsigned char state[MR_RNG_STATE_BYTES], *bytes;
    CHECK_EQ_I64(mr_loader_save(m->loader, &view, &size), MR_OK);
    bytes = malloc(size);
    memcpy(bytes, view, size);
    CHECK_EQ_I64(mr_loader_save(m->loader, &view, &size), MR_OK); /* again, the same */
    CHECK(memcmp(bytes, view, size) == 0);
    mr_rng_get_state(m->rng, state);
    stop(m);
    *m = start(s, workers);
    for (int i = 0; i < used; i++)
        call(s, m);
    if (!CHECK_EQ_I64(mr_loader_restore(m->loader, bytes, size), MR_OK))
        printf("    %s\n", mr_error());
    CHECK_EQ_I64(mr_rng_set_state(m->rng, state, sizeof state), MR_OK);
    CHECK_EQ_I64(mr_loader_save(m->loader, &view, &size), MR_OK); /* and still the same */
    CHECK(memcmp(bytes, view, size) == 0);
    free(bytes);
}

/* What the generators stand at in the end. */
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

/* Interrupts a run at each of its calls, and a second time a little later. */
static void interrupt_everywhere(const setup *s)
{
    uint64_t want[MOST];
    int calls = 0, number = 0;
    machine m = start(s, 0);
    for (int ends = 0; ends < EPOCHS && CHECK(calls < MOST); calls++)
        ends += (want[calls] = call(s, &m)) == 1;
    const uint64_t end = generators(&m);
    stop(&m);
    for (int k = 0; k <= calls; k++, number++) {
        int second = k + number % 4 < calls ? k + number % 4 : calls;
        bool same = true;
        m = start(s, number % 4);
        for (int i = 0; i <= calls; i++) {
            if (i == k)
                move(s, &m, (number + 1) % 4, number % 5);
            if (i == second)
                move(s, &m, (number + 2) % 4, 0);
            if (i < calls)
                same = call(s, &m) == want[i] && same;
        }
        same = generators(&m) == end && same;
        stop(&m);
        if (!CHECK(same)) {
            printf("    order %d, own %d, drop_last %d, draws %d, batch size %lld: stopped at %d and %d\n",
                   s->order, s->own, s->drop_last, s->draws, (long long)s->batch_size, k, second);
            return;
        }
    }
}

static void test_every_place(void)
{
    static const int64_t sizes[] = { 7, 8, 40, 41, 13 };
    for (int kind = 0; kind < 16; kind++)
        for (order o = IN_ORDER; o < ORDERS; o++) {
            setup s = { .order = o, .length = 40, .batch_size = sizes[(kind + (int)o) % 5] };
            s.shards = 1 + (kind * 5 + (int)o) % 7 * (kind % 3);
            s.block = kind % 5 ? 1 + kind * 2 : 0;
            s.own = kind & 1;
            s.drop_last = kind & 2;
            s.draws = kind & 4;
            s.collate = kind & 8;
            interrupt_everywhere(&s);
        }
}

static void test_nothing_to_read(void)
{
    for (order o = IN_ORDER; o < ORDERS; o++)
        if (o != SHUFFLED && o != DRAWN && o != SKIPPING) {
            setup s = { .order = o, .length = 0, .batch_size = 3 };
            interrupt_everywhere(&s);
        }
}

/* With tell and seek nothing is read twice. */
static void test_seeking(void)
{
    setup s = { .order = TELLING, .length = 40, .batch_size = 8 };
    machine m = start(&s, 0);
    for (int i = 0; i < 3; i++)
        call(&s, &m);
    atomic_store(&samples_read, 0);
    move(&s, &m, 0, 0);
    call(&s, &m);
    CHECK_EQ_I64(atomic_load(&samples_read), 8);
    stop(&m);
}

/* Left early, restored, and ended by a failure: the next epoch is the one that would have come. */
static void test_leaving(void)
{
    for (order o = IN_ORDER; o < ORDERS; o++)
        for (int workers = 0; workers < 4; workers += 3) {
            setup s = { .order = o, .length = 40, .batch_size = 8 };
            uint64_t want[2];
            machine m = start(&s, 0);
            for (int i = 0; i < 3; i++)
                call(&s, &m);
            mr_loader_rewind(m.loader);
            want[0] = call(&s, &m);
            want[1] = call(&s, &m);
            stop(&m);
            m = start(&s, 3 - workers);
            for (int i = 0; i < 2; i++)
                call(&s, &m);
            move(&s, &m, workers, 0);
            call(&s, &m);
            mr_loader_rewind(m.loader);
            move(&s, &m, workers, 2);
            CHECK(call(&s, &m) == want[0]);
            CHECK(call(&s, &m) == want[1]);
            stop(&m);
        }
}

/* ---- bytes that are wrong ---- */

static unsigned char *saved(const setup *s, int calls, size_t *size)
{
    const void *view;
    machine m = start(s, 0);
    for (int i = 0; i < calls; i++)
        call(s, &m);
    CHECK_EQ_I64(mr_loader_save(m.loader, &view, size), MR_OK);
    unsigned char *bytes = malloc(*size);
    memcpy(bytes, view, *size);
    stop(&m);
    return bytes;
}

/* As mr_loader_save ends its bytes. */
static void seal(unsigned char *bytes, size_t size)
{
    uint64_t hash = 14695981039346656037u;
    fixture_hash(&hash, bytes, size - 8);
    for (int i = 0; i < 8; i++)
        bytes[size - 8 + (size_t)i] = (unsigned char)(hash >> 8 * i);
}

static void refused(machine *m, const unsigned char *bytes, size_t size, mr_status status, const char *text)
{
    unsigned char *copy = malloc(size ? size : 1); /* so that a sanitizer sees the end */
    memcpy(copy, bytes, size);
    CHECK_EQ_I64(mr_loader_restore(m->loader, copy, size), status);
    CHECK_EQ_STR(mr_error(), text);
    free(copy);
}

static void test_cut_and_damaged(void)
{
    for (order o = IN_ORDER; o < ORDERS; o++) {
        setup s = { .order = o, .length = 40, .batch_size = 8, .own = o == SHUFFLED };
        size_t size;
        unsigned char *bytes = saved(&s, 2, &size);
        machine m = start(&s, 1);
        uint64_t first = call(&s, &m);
        for (size_t cut = 0; cut < size; cut += cut < 200 || cut + 200 > size ? 1 : 97) {
            char text[120];
            snprintf(text, sizeof text,
                     cut < 20 ? "loader_restore: these %zu bytes are no state of a loader"
                              : "loader_restore: the state is damaged",
                     cut);
            refused(&m, bytes, cut, MR_ERR_FORMAT, text);
        }
        for (size_t at = 12; at < size; at += at < 200 || at + 200 > size ? 1 : 97)
            for (int bit = 0; bit < 8; bit++) {
                bytes[at] ^= (unsigned char)(1 << bit);
                refused(&m, bytes, size, MR_ERR_FORMAT, "loader_restore: the state is damaged");
                bytes[at] ^= (unsigned char)(1 << bit);
            }
        bytes[8] = 99;
        refused(&m, bytes, size, MR_ERR_FORMAT,
                "loader_restore: the state is of version 99, and 2 is known here");
        bytes[0] = 'x';
        refused(&m, bytes, 20, MR_ERR_FORMAT, "loader_restore: these 20 bytes are no state of a loader");
        CHECK(call(&s, &m) != first); /* it goes on as if nothing had been asked of it */
        stop(&m);
        free(bytes);
    }
}

/* A place that nothing reaches, to which nothing can be added. */
static void test_beyond_reach(void)
{
    static const unsigned char place[] = { 1, 0, 0, 0, 0, 0, 0, 0, 0, 16, 0, 0, 0, 0, 0, 0, 0 };
    setup s = { .order = STREAM, .length = 40, .batch_size = 8 };
    size_t size, at = 12;
    unsigned char *bytes = saved(&s, 2, &size);
    while (at + sizeof place < size && memcmp(bytes + at, place, sizeof place) != 0)
        at++;
    if (CHECK(at + sizeof place < size)) { /* the state is inside an epoch, 0, behind 16 samples */
        machine m = start(&s, 0);
        memset(bytes + at + 9, 255, 7);
        bytes[at + 16] = 127;
        seal(bytes, size);
        refused(&m, bytes, size, MR_ERR_FORMAT, "loader_restore: the state is damaged");
        stop(&m);
    }
    free(bytes);
}

/* Whoever seals what he has made up gets an error, or a place in an epoch, and no crash. */
static void test_made_up(void)
{
    for (order o = IN_ORDER; o < ORDERS; o++) {
        setup s = { .order = o, .length = 40, .batch_size = 8, .own = o == SHUFFLED };
        size_t size;
        unsigned char *bytes = saved(&s, 2, &size);
        for (size_t at = 12; at + 8 < size; at += at < 200 ? 1 : 131) {
            static const unsigned char with[] = { 0, 1, 2, 41, 127, 128, 255 };
            for (size_t i = 0; i < sizeof with; i++) {
                machine m = start(&s, 0);
                unsigned char old = bytes[at];
                bytes[at] = with[i];
                seal(bytes, size);
                mr_status status = mr_loader_restore(m.loader, bytes, size);
                CHECK(status == MR_OK || status == MR_ERR_FORMAT || status == MR_ERR_ARGUMENT ||
                      status == MR_ERR_STATE);
                const mr_batch *b;
                status = mr_loader_next(m.loader, &b);
                CHECK(status == MR_OK || status == MR_END || status == MR_ERR_STATE ||
                      status == MR_ERR_FORMAT);
                stop(&m);
                bytes[at] = old;
            }
        }
        seal(bytes, size);
        bytes = realloc(bytes, size + 1);
        memmove(bytes + size - 7, bytes + size - 8, 8);
        bytes[size - 8] = 0;
        seal(bytes, size + 1);
        machine m = start(&s, 0);
        refused(&m, bytes, size + 1, MR_ERR_FORMAT, "loader_restore: the state is damaged");
        stop(&m);
        free(bytes);
    }
}

static void test_other_loaders(void)
{
    static const struct {
        setup there, here;
        const char *text;
    } cases[] = {
        { { .length = 9, .batch_size = 2 },
          { .length = 9, .batch_size = 3 },
          "loader_restore: the state has batch size 2, the loader 3" },
        { { .length = 9, .batch_size = 2, .drop_last = true },
          { .length = 9, .batch_size = 2 },
          "loader_restore: the state has drop_last 1, the loader 0" },
        { { .length = 9, .batch_size = 2 },
          { .length = 8, .batch_size = 2 },
          "loader_restore: the state has samples: 9, the loader 8" },
        { { .length = 9, .batch_size = 2 },
          { .length = 9, .batch_size = 2, .order = SHUFFLED },
          "loader_restore: the state has the order of the dataset, the loader that of a shuffle" },
        { { .length = 9, .batch_size = 2, .order = DRAWN },
          { .length = 9, .batch_size = 2, .order = STREAM },
          "loader_restore: the state has the order of a sampler, the loader that of a stream" },
        { { .length = 9, .batch_size = 2, .order = DRAWN },
          { .length = 9, .batch_size = 2, .order = RISING },
          "loader_restore: the state has bytes of a sampler's state: 8, the loader 0" },
        { { .length = 9, .batch_size = 2, .order = STREAM },
          { .length = 9, .batch_size = 2, .order = TELLING },
          "loader_restore: the state has bytes of a cursor's state: -1, the loader 8" },
        { { .length = 9, .batch_size = 2, .own = true },
          { .length = 9, .batch_size = 2 },
          "loader_restore: the state has generators of its own: 1, the loader 0" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t size;
        unsigned char *bytes = saved(&cases[i].there, 1, &size);
        machine m = start(&cases[i].here, 0);
        refused(&m, bytes, size, MR_ERR_ARGUMENT, cases[i].text);
        stop(&m);
        free(bytes);
    }
}

/* What samplers, streams and generators refuse. */
static void test_refused_inside(void)
{
    setup drawn = { .order = DRAWN, .length = 9, .batch_size = 2 },
          stream = { .order = TELLING, .length = 9, .batch_size = 2 };
    size_t size;
    unsigned char *bytes = saved(&drawn, 1, &size);
    machine m = start(&drawn, 0);
    memset(bytes + size - 16, 0, 8);
    seal(bytes, size);
    refused(&m, bytes, size, MR_ERR_FORMAT, "a state of zero");
    stop(&m);
    free(bytes);

    bytes = saved(&stream, 1, &size);
    m = start(&stream, 0);
    memset(bytes + size - 20, 255, 8);
    seal(bytes, size);
    const mr_batch *b;
    CHECK_EQ_I64(mr_loader_restore(m.loader, bytes, size), MR_OK);
    CHECK_EQ_I64(mr_loader_next(m.loader, &b), MR_ERR_FORMAT);
    CHECK_EQ_STR(mr_error(), "loader: seek to sample 2: no such place");
    CHECK_EQ_I64(mr_loader_next(m.loader, &b), MR_OK);
    CHECK_EQ_I64(b->epoch, 1);
    stop(&m);
    free(bytes);

    stream.order = STREAM; /* shorter than it was */
    bytes = saved(&stream, 4, &size);
    stream.length = 5;
    m = start(&stream, 0);
    CHECK_EQ_I64(mr_loader_restore(m.loader, bytes, size), MR_OK);
    CHECK_EQ_I64(mr_loader_next(m.loader, &b), MR_ERR_STATE);
    CHECK_EQ_STR(mr_error(), "loader: the stream has come to its end after 5 of 8 samples");
    stop(&m);
    free(bytes);

    drawn.order = SKIPPING; /* it is asked for more than it has */
    bytes = saved(&drawn, 5, &size);
    draws d = { .state = 5, .length = 9, .count = 3 };
    for (int skips = 0; skips < 2; skips++) {
        drawn.order = IN_ORDER;
        m = start(&drawn, 0);
        CHECK_EQ_I64(mr_loader_set_sampler(
                         m.loader, mr_sampler_new(skips ? &skipping_vtable : &draws_vtable, &d, sizeof d)),
                     MR_OK);
        refused(&m, bytes, size, MR_ERR_STATE,
                "loader: the sampler has come to its end before index 10 of epoch 0");
        CHECK_EQ_I64(mr_loader_next(m.loader, &b), MR_OK);
        stop(&m);
    }
    free(bytes);
}

static void test_nulls(void)
{
    setup s = { .length = 9, .batch_size = 2 };
    machine m = start(&s, 0);
    const void *view;
    size_t size;
    CHECK_EQ_I64(mr_loader_save(NULL, &view, &size), MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(), "loader_save: loader is NULL");
    CHECK_EQ_I64(mr_loader_save(m.loader, NULL, &size), MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(), "loader_save: bytes is NULL");
    CHECK_EQ_I64(mr_loader_save(m.loader, &view, NULL), MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(), "loader_save: size is NULL");
    CHECK_EQ_I64(mr_loader_restore(NULL, "x", 1), MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(), "loader_restore: loader is NULL");
    CHECK_EQ_I64(mr_loader_restore(m.loader, NULL, 1), MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(), "loader_restore: bytes is NULL");
    mr_fail(MR_ERR_IO, "the first cause");
    CHECK_EQ_I64(mr_loader_save(m.loader, &view, &size), MR_ERR_IO);
    mr_fail(MR_ERR_IO, "the first cause");
    CHECK_EQ_I64(mr_loader_restore(m.loader, "x", 1), MR_ERR_IO);
    CHECK_EQ_STR(mr_error(), "the first cause");
    stop(&m);
    m = start(&s, 1);
    mr_dataset_free(m.dataset);
    m.dataset = NULL;
    CHECK_EQ_I64(mr_loader_save(m.loader, &view, &size), MR_OK);
    CHECK_EQ_I64(mr_loader_restore(m.loader, view, size), MR_ERR_STATE);
    CHECK_EQ_STR(mr_error(), "loader_restore: the dataset has been freed");
    stop(&m);
}

int main(void)
{
    RUN(test_every_place);
    RUN(test_nothing_to_read);
    RUN(test_seeking);
    RUN(test_leaving);
    RUN(test_cut_and_damaged);
    RUN(test_beyond_reach);
    RUN(test_made_up);
    RUN(test_other_loaders);
    RUN(test_refused_inside);
    RUN(test_nulls);
    return check_report();
}

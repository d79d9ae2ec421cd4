/* Loaders with workers give what loaders without give, whatever time samples take, and always come to an end. */
#include "loader_fixture.h"

#include <string.h>

enum { EPOCHS = 4 };

typedef struct setup {
    bool shuffle, own, drop_last, stream, sampler, draws;
    int64_t batch_size, stop; /* batches of each epoch but the last; 0: all */
    fixture f;
} setup;

/* ---- a sampler without state: every third, from the epoch on ---- */

typedef struct thirds {
    int64_t length, next;
} thirds;

static mr_status thirds_begin(void *self, int64_t epoch)
{
    ((thirds *)self)->next = epoch;
    return MR_OK;
}

static mr_status thirds_next(void *self, int64_t *index)
{
    thirds *s = self;
    if (s->next >= s->length)
        return MR_END;
    *index = s->next;
    s->next += 3;
    return MR_OK;
}

static const mr_sampler_vtable thirds_vtable = { .begin = thirds_begin, .next = thirds_next };

/* A number that hangs on everything that a run delivers, returns and draws. */
static uint64_t run(const setup *s, int workers, int64_t prefetch)
{
    uint64_t hash = 14695981039346656037u;
    mr_rng *rng = mr_rng_new(7), *own = mr_rng_new(8);
    mr_dataset *d = s->stream ? fixture_stream_new(s->f) : fixture_new(s->f);
    const mr_loader_opts opts = { .batch_size = s->batch_size,
                                  .shuffle = s->shuffle,
                                  .drop_last = s->drop_last,
                                  .workers = workers,
                                  .prefetch = workers ? prefetch : 0 };
    mr_loader *l = mr_loader_new(d, rng, &opts);
    if (s->own)
        CHECK_EQ_I64(mr_loader_set_generator(l, own), MR_OK);
    if (s->sampler) {
        thirds t = { s->f.length, 0 };
        CHECK_EQ_I64(mr_loader_set_sampler(l, mr_sampler_new(&thirds_vtable, &t, sizeof t)), MR_OK);
    }
    for (int epoch = 0; epoch < EPOCHS; epoch++) {
        const mr_batch *b;
        mr_status status;
        int64_t batches = 0;
        while ((status = mr_loader_next(l, &b)) == MR_OK) {
            fixture_hash_batch(&hash, b);
            if (s->draws)
                mr_rng_u32(rng);
            if (++batches == s->stop && epoch + 1 < EPOCHS) {
                mr_loader_rewind(l);
                break;
            }
        }
        int32_t result = status;
        fixture_hash(&hash, &result, sizeof result);
        if (status < 0)
            fixture_hash(&hash, mr_error(), strlen(mr_error()));
        uint32_t words[] = { mr_rng_u32(rng), mr_rng_u32(own) };
        if (epoch % 2 == 0) /* otherwise the generators are where the loader left them */
            fixture_hash(&hash, words, sizeof words);
        if (!s->draws) {
            mr_rng_seed(rng, 7 + (uint64_t)epoch);
            mr_rng_seed(own, 8);
        }
    }
    mr_loader_free(l);
    mr_dataset_free(d);
    mr_rng_free(rng);
    mr_rng_free(own);
    CHECK_EQ_I64(atomic_load(&workers_open), 0);
    CHECK_EQ_I64(atomic_load(&cursors_open), 0);
    return hash;
}

/* As `run`, but nobody touches the generators: so that epochs are begun on a guess. */
static uint64_t run_undisturbed(const setup *s, int workers)
{
    uint64_t hash = 14695981039346656037u;
    mr_rng *rng = mr_rng_new(7), *own = mr_rng_new(8);
    mr_dataset *d = fixture_new(s->f);
    const mr_loader_opts opts = {
        .batch_size = s->batch_size, .shuffle = true, .drop_last = s->drop_last, .workers = workers
    };
    mr_loader *l = mr_loader_new(d, rng, &opts);
    if (s->own)
        CHECK_EQ_I64(mr_loader_set_generator(l, own), MR_OK);
    for (int epoch = 0; epoch < 6; epoch++) {
        const mr_batch *b;
        mr_status status;
        if (epoch == 4)
            mr_rng_u32(s->own ? own : rng); /* and a guess that is wrong */
        while ((status = mr_loader_next(l, &b)) == MR_OK)
            fixture_hash_batch(&hash, b);
        CHECK_EQ_I64(status, MR_END);
        unsigned char state[MR_RNG_STATE_BYTES];
        mr_rng_get_state(rng, state);
        fixture_hash(&hash, state, sizeof state);
        mr_rng_get_state(own, state);
        fixture_hash(&hash, state, sizeof state);
    }
    mr_loader_free(l);
    mr_dataset_free(d);
    mr_rng_free(rng);
    mr_rng_free(own);
    return hash;
}

static void compare(const setup *s)
{
    uint64_t want = run(s, 0, 0);
    for (int workers = 1; workers <= 8; workers++)
        CHECK_EQ_I64(run(s, workers, workers % 3 ? 0 : 1 + workers % 4), want);
}

static const fixture fine = { .length = 61, .bad = -1, .bad2 = -1, .delay = 200 };

static void test_same_batches(void)
{
    for (int kind = 0; kind < 64; kind++) {
        setup s = { .batch_size = kind % 5 ? 5 + kind % 3 : 61, .f = fine };
        s.shuffle = kind & 1;
        s.own = kind & 2;
        s.drop_last = kind & 4;
        s.draws = kind & 8;
        s.stop = kind & 16 ? 3 : 0;
        s.f.many = kind & 32;
        s.f.delay = kind % 3 ? 60 : 0;
        compare(&s);
    }
}

static void test_same_guesses(void)
{
    for (int kind = 0; kind < 8; kind++) {
        setup s = { .batch_size = 61 - 50 * (kind & 1) - kind, .f = fine };
        s.own = kind & 2;
        s.drop_last = kind & 4;
        s.f.delay = 30;
        uint64_t want = run_undisturbed(&s, 0);
        for (int workers = 1; workers <= 4; workers++)
            CHECK_EQ_I64(run_undisturbed(&s, workers), want);
    }
}

static void test_same_streams_and_samplers(void)
{
    for (int kind = 0; kind < 16; kind++) {
        setup s = { .batch_size = kind & 1 ? 7 : 61, .f = fine, .stream = kind & 2, .sampler = !(kind & 2) };
        s.drop_last = kind & 4;
        s.stop = kind & 8 ? 2 : 0;
        s.f.delay = 50;
        compare(&s);
    }
    setup none = { .batch_size = 3, .f = fine, .stream = true };
    none.f.length = 0;
    compare(&none);
    none.stream = false;
    compare(&none);
}

/* A bad sample in each place: the batches before it come, then its failure, then the next epoch. */
static void test_same_faults(void)
{
    for (int kind = 0; kind < 24; kind++) {
        setup s = { .batch_size = 8, .f = fine };
        s.f.bad = (kind * 11) % 61;
        s.f.bad2 = kind % 3 ? s.f.bad + 1 : -1;
        s.f.many = kind & 1;
        s.stream = kind & 2;
        s.shuffle = kind & 4 && !s.stream;
        s.f.delay = kind & 8 ? 100 : 0;
        compare(&s);
    }
}

static void test_worker_fault(void)
{
    for (int fault = 1; fault <= 3; fault++) {
        atomic_store(&workers_opened, 0);
        fixture f = fine;
        f.worker_fault = fault;
        mr_rng *rng = mr_rng_new(0);
        mr_dataset *d = fixture_new(f);
        mr_loader *l = mr_loader_new(d, rng, &(mr_loader_opts){ .batch_size = 4, .workers = 2 });
        const mr_batch *b;
        CHECK_EQ_I64(mr_loader_next(l, &b), MR_ERR_IO);
        CHECK_EQ_STR(mr_error(), "loader: worker_open: no decoder is left");
        CHECK_EQ_I64(mr_loader_next(l, &b), MR_OK); /* this time there is one */
        CHECK_EQ_I64(b->epoch, 1);
        mr_loader_free(l);
        mr_dataset_free(d);
        mr_rng_free(rng);
        CHECK_EQ_I64(atomic_load(&workers_open), 0);
    }
}

/* ---- closing in every state ---- */

static void close_after(mr_dataset *d, int workers, int64_t batches, bool dataset_first, int linger)
{
    mr_rng *rng = mr_rng_new(3);
    mr_loader *l = mr_loader_new(d, rng, &(mr_loader_opts){ .batch_size = 4, .workers = workers });
    const mr_batch *b;
    for (int64_t i = 0; i < batches; i++)
        if (mr_loader_next(l, &b) < 0)
            CHECK_EQ_STR(mr_error(), "loader: sample 17: row is damaged");
    if (linger) /* the workers have filled all there is room for, and sleep */
        nanosleep(&(struct timespec){ .tv_nsec = 3000000 }, NULL);
    if (dataset_first)
        mr_dataset_free(d);
    if (dataset_first && batches % 2) {
        mr_loader_rewind(l);
        CHECK_EQ_I64(mr_loader_next(l, &b), MR_ERR_STATE);
        CHECK_EQ_STR(mr_error(), "loader_next: the dataset has been freed");
    }
    mr_loader_free(l);
    if (!dataset_first)
        mr_dataset_free(d);
    mr_rng_free(rng);
    CHECK_EQ_I64(atomic_load(&workers_open), 0);
    CHECK_EQ_I64(atomic_load(&cursors_open), 0);
}

static void test_closing(void)
{
    for (int kind = 0; kind < 8; kind++)
        for (int64_t batches = 0; batches < 20; batches++) {
            fixture f = fine;
            f.length = 41;
            f.delay = kind & 1 ? 150 : 0;
            f.bad = kind & 2 ? 17 : -1;
            close_after(kind & 4 ? fixture_stream_new(f) : fixture_new(f), 1 + (int)batches % 4, batches,
                        batches % 3 == 1, kind == 0);
        }
}

/* ---- callbacks that do not come back ---- */

static atomic_bool blocked, let_go, destroyed;

static mr_status blocking_get(void *self, int64_t index, const mr_sample *sample)
{
    fixture_write(sample, index);
    if (index == ((fixture *)self)->bad && !atomic_load(&let_go)) {
        atomic_store(&blocked, true);
        while (!atomic_load(&let_go))
            nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
        fixture_write(sample, index);
    }
    return MR_OK;
}

static void blocking_destroy(void *self)
{
    (void)self;
    atomic_store(&destroyed, true);
}

static const mr_dataset_vtable blocking_vtable = { .len = fixture_len,
                                                   .get = blocking_get,
                                                   .destroy = blocking_destroy };

/* The same as a stream. */
static mr_status blocking_next(void *cursor, const mr_sample *sample)
{
    fixture_cursor *c = cursor;
    if (c->next >= c->f.length)
        return MR_END;
    mr_status status = blocking_get(&c->f, c->next, sample);
    c->next += c->step;
    return status;
}

static const mr_stream_vtable blocking_stream_vtable = {
    .open = fixture_open, .next = blocking_next, .close = fixture_close, .destroy = blocking_destroy
};

static int warnings;

static void count_warning(void *user, mr_log_level level, const char *line)
{
    (void)user;
    warnings += level == MR_LOG_WARNING && strstr(line, "is left behind");
}

static void test_watchdog(void)
{
    mr_set_log_hook(count_warning, NULL);
    for (int goes_on = 0; goes_on < 2; goes_on++) {
        fixture f = fine;
        f.bad = 22;
        warnings = 0;
        atomic_store(&let_go, false);
        atomic_store(&destroyed, false);
        mr_rng *rng = mr_rng_new(0);
        mr_dataset *d = mr_dataset_new(&blocking_vtable, &f, sizeof f, fixture_fields, 2);
        mr_loader *l =
            mr_loader_new(d, rng, &(mr_loader_opts){ .batch_size = 10, .workers = 2, .timeout = 0.1 });
        const mr_batch *b;
        CHECK_EQ_I64(mr_loader_next(l, &b), MR_OK);
        CHECK_EQ_I64(mr_loader_next(l, &b), MR_OK);
        CHECK_EQ_I64(mr_loader_next(l, &b), MR_ERR_STATE);
        CHECK(strncmp(mr_error(), "loader: sample 22 has taken worker ", 35) == 0);
        CHECK(strstr(mr_error(), " longer than 0.1 s") != NULL);
        CHECK_EQ_I64(warnings, 1);
        if (goes_on) { /* with new workers, once the old one has come back */
            atomic_store(&let_go, true);
            int64_t rows = 0;
            while (mr_loader_next(l, &b) == MR_OK)
                rows += b->rows;
            CHECK_EQ_I64(rows, f.length);
        }
        mr_loader_free(l);
        mr_dataset_free(d);
        CHECK(goes_on || !atomic_load(&destroyed));
        atomic_store(&let_go, true);
        for (int i = 0; i < 5000 && !atomic_load(&destroyed); i++) /* by the thread that was left behind */
            nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
        CHECK(atomic_load(&destroyed));
        mr_rng_free(rng);
    }
    mr_set_log_hook(NULL, NULL);
}

/* A worker that is in a callback for ever keeps nobody from leaving the epoch, restoring, or saving. */
static void test_leaving_blocked(void)
{
    mr_set_log_hook(count_warning, NULL);
    for (int kind = 0; kind < 16; kind++) {
        const bool stream = kind & 8;
        fixture f = fine;
        f.bad = kind & 4 ? 8 : 22; /* blocks in the second batch, or in the third */
        warnings = 0;
        atomic_store(&let_go, false);
        atomic_store(&blocked, false);
        atomic_store(&destroyed, false);
        mr_rng *rng = mr_rng_new(0);
        mr_dataset *d = stream ? mr_stream_new(&blocking_stream_vtable, &f, sizeof f, fixture_fields, 2)
                               : mr_dataset_new(&blocking_vtable, &f, sizeof f, fixture_fields, 2);
        mr_loader *l = mr_loader_new(d, rng,
                                     &(mr_loader_opts){ .batch_size = 8,
                                                        .shards = stream ? 1 + kind % 2 : 0,
                                                        .workers = 2,
                                                        .timeout = 0.1,
                                                        .unordered = kind & 1 });
        const mr_batch *b;
        const void *bytes;
        size_t size;
        CHECK_EQ_I64(mr_loader_next(l, &b), MR_OK);
        while (!atomic_load(&blocked))
            nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
        CHECK_EQ_I64(mr_loader_save(l, &bytes, &size), MR_OK);
        if (kind & 2) {
            unsigned char *copy = malloc(size);
            memcpy(copy, bytes, size);
            CHECK_EQ_I64(mr_loader_restore(l, copy, size), MR_OK);
            free(copy);
        } else {
            mr_loader_rewind(l);
        }
        CHECK_EQ_I64(warnings, 1);
        atomic_store(&let_go, true);
        CHECK_EQ_I64(mr_loader_next(l, &b), MR_OK);
        CHECK_EQ_I64(b->epoch, kind & 2 ? 0 : 1);
        CHECK_EQ_I64(b->position, kind & 2 ? 8 : 0);
        mr_loader_free(l);
        mr_dataset_free(d);
        for (int i = 0; i < 5000 && !atomic_load(&destroyed); i++)
            nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
        CHECK(atomic_load(&destroyed));
        for (int i = 0; i < 5000 && atomic_load(&cursors_open); i++)
            nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
        CHECK_EQ_I64(atomic_load(&cursors_open), 0);
        mr_rng_free(rng);
    }
    mr_set_log_hook(NULL, NULL);
}

/* ---- callbacks that call their loader ---- */

enum { NEXT, REWIND, SAVE, RESTORE, FREE, CALLS };

static mr_loader *own_loader;
static int own_call;

static mr_status calling_get(void *self, int64_t index, const mr_sample *sample)
{
    const mr_batch *b;
    const void *bytes;
    size_t size;
    fixture_write(sample, index);
    if (index != ((fixture *)self)->bad)
        return MR_OK;
    if (own_call == REWIND)
        mr_loader_rewind(own_loader);
    if (own_call == FREE)
        mr_loader_free(own_loader);
    const mr_status status = own_call == NEXT      ? mr_loader_next(own_loader, &b)
                             : own_call == SAVE    ? mr_loader_save(own_loader, &bytes, &size)
                             : own_call == RESTORE ? mr_loader_restore(own_loader, "", 1)
                                                   : MR_OK;
    return status == MR_OK ? MR_OK : mr_fail(status, "%s", mr_error());
}

static void test_calls_its_loader(void)
{
    static const mr_dataset_vtable vtable = { .len = fixture_len, .get = calling_get };
    static const char *const name[] = { "next", "rewind", "save", "restore", "free" };
    fixture f = fine;
    f.bad = 5;
    mr_rng *rng = mr_rng_new(0);
    mr_dataset *d = mr_dataset_new(&vtable, &f, sizeof f, fixture_fields, 2);
    for (int workers = 0; workers < 3; workers++)
        for (own_call = 0; own_call < CALLS; own_call++) {
            char text[100];
            const mr_batch *b;
            own_loader = mr_loader_new(d, rng, &(mr_loader_opts){ .batch_size = 2, .workers = workers });
            CHECK_EQ_I64(mr_loader_next(own_loader, &b), MR_OK);
            CHECK_EQ_I64(mr_loader_next(own_loader, &b), MR_OK);
            CHECK_EQ_I64(b->indices[0], 2);
            CHECK_EQ_I64(mr_loader_next(own_loader, &b), MR_ERR_STATE);
            snprintf(text, sizeof text, "loader_%s: called from a callback of this loader", name[own_call]);
            CHECK(strstr(mr_error(), text) != NULL);
            CHECK_EQ_I64(mr_loader_next(own_loader, &b), MR_OK); /* of the next epoch */
            CHECK_EQ_I64(b->epoch, 1);
            mr_loader_free(own_loader);
        }
    mr_dataset_free(d);
    mr_rng_free(rng);
}

static void test_wrong_options(void)
{
    mr_rng *rng = mr_rng_new(0);
    mr_dataset *d = fixture_new(fine);
    static const struct {
        mr_loader_opts opts;
        const char *text;
    } cases[] = {
        { { .workers = -1 }, "loader_new: -1 workers, not 0 to 256" },
        { { .workers = 257 }, "loader_new: 257 workers, not 0 to 256" },
        { { .workers = 1, .prefetch = -1 }, "loader_new: prefetch -1 is negative" },
        { { .workers = 1, .prefetch = INT64_MAX },
          "loader_new: prefetch 9223372036854775807 is more than 1048576" },
        { { .workers = 1, .prefetch_bytes = -1 }, "loader_new: prefetch_bytes -1 is negative" },
        { { .workers = 1, .timeout = -1 }, "loader_new: timeout -1 is no time in seconds" },
        { { .prefetch = 3 }, "loader_new: prefetch is for loaders with workers" },
        { { .prefetch_bytes = 3 }, "loader_new: prefetch_bytes is for loaders with workers" },
        { { .timeout = 3 }, "loader_new: timeout is for loaders with workers" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        CHECK(mr_loader_new(d, rng, &cases[i].opts) == NULL);
        CHECK_EQ_STR(mr_error(), cases[i].text);
    }
    mr_dataset_free(d);
    mr_rng_free(rng);
}

int main(void)
{
    RUN(test_same_batches);
    RUN(test_same_guesses);
    RUN(test_same_streams_and_samplers);
    RUN(test_same_faults);
    RUN(test_worker_fault);
    RUN(test_closing);
    RUN(test_watchdog);
    RUN(test_leaving_blocked);
    RUN(test_calls_its_loader);
    RUN(test_wrong_options);
    return check_report();
}

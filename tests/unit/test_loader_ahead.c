/* How workers work: several at one batch, the same threads for ever, and into the next epoch before it is asked for. */
#include "loader_fixture.h"

#include "data/loader.h"

#include <millrace/samplers.h>
#include <pthread.h>

/* ---- a dataset, and stream, that takes note of who reads what ---- */

enum { MOST_THREADS = 64, LENGTH = 60 };

static atomic_int inside, most_inside, wanted_inside; /* threads in samples of the first epoch */
static atomic_int_least64_t begun_epoch;              /* the latest of which a sample was begun */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_t thread[MOST_THREADS];
static int threads;

static void take_note_of_thread(void)
{
    pthread_mutex_lock(&lock);
    int i = 0;
    while (i < threads && !pthread_equal(thread[i], pthread_self()))
        i++;
    if (i == threads && threads < MOST_THREADS)
        thread[threads++] = pthread_self();
    pthread_mutex_unlock(&lock);
}

static void rise(atomic_int *most, int value)
{
    int seen = atomic_load(most);
    while (value > seen && !atomic_compare_exchange_weak(most, &seen, value)) {}
}

/* Stays in a sample until as many threads are in one as are wanted, or have been; ten seconds at most. */
static void meet(const mr_sample *sample)
{
    int_least64_t seen = atomic_load(&begun_epoch);
    while (sample->epoch > seen && !atomic_compare_exchange_weak(&begun_epoch, &seen, sample->epoch)) {}
    take_note_of_thread();
    if (sample->epoch > 0)
        return;
    rise(&most_inside, atomic_fetch_add(&inside, 1) + 1);
    for (int i = 0; i < 10000 && atomic_load(&most_inside) < atomic_load(&wanted_inside); i++)
        nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
    atomic_fetch_sub(&inside, 1);
}

static mr_status meeting_get(void *self, int64_t index, const mr_sample *sample)
{
    (void)self;
    meet(sample);
    fixture_write(sample, index);
    return MR_OK;
}

static mr_status meeting_next(void *cursor, const mr_sample *sample)
{
    meet(sample);
    nanosleep(&(struct timespec){ .tv_nsec = 50000 }, NULL); /* a batch is worth a thread */
    return fixture_next(cursor, sample);
}

static const mr_dataset_vtable meeting_vtable = { .len = fixture_len, .get = meeting_get };
static const mr_stream_vtable meeting_stream_vtable = { .open = fixture_open,
                                                        .next = meeting_next,
                                                        .close = fixture_close };

static mr_dataset *meeting_new(bool stream, int64_t length)
{
    const fixture f = { .length = length, .bad = -1, .bad2 = -1 };
    return stream ? mr_stream_new(&meeting_stream_vtable, &f, sizeof f, fixture_fields, 2)
                  : mr_dataset_new(&meeting_vtable, &f, sizeof f, fixture_fields, 2);
}

static void forget(int wanted)
{
    atomic_store(&inside, 0);
    atomic_store(&most_inside, 0);
    atomic_store(&wanted_inside, wanted);
    atomic_store(&begun_epoch, 0);
    threads = 0;
}

/* The first batch, and only one there is, is made by all workers together, so that it comes soon. */
static void test_one_batch_is_split(void)
{
    mr_rng *rng = mr_rng_new(0);
    for (int workers = 2; workers <= 6; workers++) {
        forget(workers);
        mr_dataset *d = meeting_new(false, LENGTH);
        mr_loader *l = mr_loader_new(d, rng, &(mr_loader_opts){ .batch_size = LENGTH, .workers = workers });
        const mr_batch *b;
        CHECK_EQ_I64(mr_loader_next(l, &b), MR_OK);
        CHECK_EQ_I64(b->rows, LENGTH);
        for (int64_t i = 0; i < LENGTH; i++)
            CHECK_EQ_I64(((int64_t *)mr_tensor_data(b->field[0]))[2 * i], i);
        CHECK(atomic_load(&most_inside) >= workers);
        mr_loader_free(l);
        mr_dataset_free(d);
    }
    mr_rng_free(rng);
}

/* No thread is made for an epoch: those of the first one make all the others, too. */
static void test_threads_stay(void)
{
    enum { EPOCHS = 12, WORKERS = 3 };
    mr_rng *rng = mr_rng_new(0);
    for (int kind = 0; kind < 4; kind++) {
        forget(kind & 1 ? 1 : WORKERS);
        mr_dataset *d = meeting_new(kind & 1, LENGTH);
        mr_loader_opts opts = { .batch_size = 7, .workers = WORKERS, .shuffle = kind & 2 };
        opts.timeout = 1000; /* so that the caller does not work itself */
        opts.shards = kind & 1 ? WORKERS : 0;
        mr_loader *l = mr_loader_new(d, rng, &opts);
        const mr_batch *b;
        for (int epoch = 0; epoch < EPOCHS; epoch++) {
            int64_t rows = 0;
            while (mr_loader_next(l, &b) == MR_OK)
                rows += b->rows;
            CHECK_EQ_I64(rows, LENGTH);
            if (epoch % 4 == 2 && mr_loader_next(l, &b) == MR_OK)
                mr_loader_rewind(l);
        }
        mr_loader_free(l);
        CHECK(threads <= WORKERS && threads >= (kind & 1 ? 1 : WORKERS));
        for (int i = 0; i < threads; i++)
            CHECK(!pthread_equal(thread[i], pthread_self()));
        mr_dataset_free(d);
    }
    mr_rng_free(rng);
    CHECK_EQ_I64(atomic_load(&cursors_open), 0);
}

/* Whether the workers have made all that was posted of a stream. */
static bool all_done(const mr_loader *l)
{
    const mr__ahead *a = &l->ahead;
    return a->guessed || mr__lanes_ended(l->lanes, a->epoch) ||
           mr__pipeline_ready(a->pipeline) == mr__pipeline_posted(a->pipeline);
}

/* While the caller has the last batch of an epoch in hand, the next one's are being made. */
static void test_into_the_next_epoch(void)
{
    for (int kind = 0; kind < 8; kind++) {
        const bool stream = kind >= 6;
        mr_rng *rng = mr_rng_new(0), *own = mr_rng_new(1);
        forget(1);
        mr_dataset *d = meeting_new(stream, LENGTH);
        mr_loader_opts opts = { .batch_size = 10, .workers = 2, .shuffle = kind & 1, .timeout = 1000 };
        opts.unordered = kind == 4 || kind == 5;
        mr_loader *l = mr_loader_new(d, rng, &opts);
        if (kind == 2)
            CHECK_EQ_I64(mr_loader_set_sampler(l, mr_permutation_sampler_new(LENGTH, 3)), MR_OK);
        if (kind == 3)
            CHECK_EQ_I64(mr_loader_set_generator(l, own), MR_OK);
        const mr_batch *b;
        for (int64_t i = 0; i < LENGTH / 10; i++) {
            CHECK_EQ_I64(mr_loader_next(l, &b), MR_OK);
            /* of a stream the end is known when it was read: the workers are given the time for what they have to do */
            for (int ms = 0; stream && ms < 10000 && !all_done(l); ms++)
                nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
        }
        /* nothing is asked for meanwhile */
        for (int i = 0; i < 10000 && atomic_load(&begun_epoch) == 0; i++)
            nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
        if (!CHECK_EQ_I64(atomic_load(&begun_epoch), 1))
            printf("    kind %d\n", kind);
        CHECK_EQ_I64(mr_loader_next(l, &b), MR_END);
        CHECK_EQ_I64(mr_loader_next(l, &b), MR_OK);
        CHECK_EQ_I64(b->epoch, 1);
        mr_loader_free(l);
        mr_dataset_free(d);
        mr_rng_free(rng);
        mr_rng_free(own);
    }
}

/* ---- a lane that the calling thread gives back ---- */

static atomic_int samples_read;

static mr_status slow_first_next(void *cursor, const mr_sample *sample)
{
    fixture_cursor *c = cursor;
    if (c->next == 0) /* time for the worker to find nothing to do */
        nanosleep(&(struct timespec){ .tv_nsec = 20000000 }, NULL);
    fixture_write(sample, c->next++);
    atomic_fetch_add(&samples_read, 1);
    return c->next > c->f.length ? MR_END : MR_OK;
}

static void test_worker_goes_on(void)
{
    static const mr_stream_vtable vtable = { .open = fixture_open,
                                             .next = slow_first_next,
                                             .close = fixture_close };
    const fixture f = { .length = 1000, .bad = -1, .bad2 = -1 };
    mr_rng *rng = mr_rng_new(0);
    mr_dataset *stream = mr_stream_new(&vtable, &f, sizeof f, fixture_fields, 2);
    for (int i = 0; i < 10; i++) {
        const mr_batch *b;
        mr_loader *loader = mr_loader_new(stream, rng, &(mr_loader_opts){ .batch_size = 4, .workers = 1 });
        atomic_store(&samples_read, 0);
        CHECK_EQ_I64(mr_loader_next(loader, &b), MR_OK);
        for (int wait = 0; wait < 3000 && atomic_load(&samples_read) < 8; wait++)
            nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
        if (!CHECK(atomic_load(&samples_read) >= 8)) /* of batches that nobody has asked for yet */
            i = 10;
        mr_loader_free(loader);
    }
    mr_dataset_free(stream);
    mr_rng_free(rng);
}

int main(void)
{
    RUN(test_one_batch_is_split);
    RUN(test_threads_stay);
    RUN(test_into_the_next_epoch);
    RUN(test_worker_goes_on);
    return check_report();
}

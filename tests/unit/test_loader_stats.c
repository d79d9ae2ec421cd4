/* What a loader says of its time. Who is slow is made up by waiting, a hundred times longer than anything else takes. */
#include "loader_fixture.h"

#include <string.h>

static void sleep_ms(int64_t ms)
{
    nanosleep(&(struct timespec){ .tv_nsec = ms * 1000000 }, NULL);
}

static mr_status slow_get(void *self, int64_t index, const mr_sample *sample)
{
    sleep_ms(((fixture *)self)->delay);
    fixture_write(sample, index);
    return MR_OK;
}

static const mr_dataset_vtable slow_vtable = { .len = fixture_len, .get = slow_get };

static mr_status slow_collate(void *user, const mr_batch *samples, mr_collated *out)
{
    sleep_ms(*(int *)user);
    return mr_collate_field(out, "nothing", MR_UINT8, MR_SHAPE(samples->rows)) ? MR_OK : MR_ERR_MEMORY;
}

/* An epoch of 12 samples in batches of 3; milliseconds of a sample, of collation, and of the caller. */
static void run(int sample, int collate, int caller, int workers, mr_loader_stats *stats, char *text,
                size_t room)
{
    fixture f = { .length = 12, .delay = sample };
    mr_rng *rng = mr_rng_new(0);
    mr_dataset *d = mr_dataset_new(&slow_vtable, &f, sizeof f, fixture_fields, 2);
    mr_loader *l = mr_loader_new(d, rng, &(mr_loader_opts){ .batch_size = 3, .workers = workers });
    if (collate)
        CHECK_EQ_I64(mr_loader_set_collate(l, slow_collate, &collate), MR_OK);
    const mr_batch *b;
    CHECK_EQ_I64(mr_loader_explain(l, text, room), 26);
    CHECK_EQ_STR(text, "no batch was delivered yet");
    while (mr_loader_next(l, &b) == MR_OK)
        sleep_ms(caller);
    mr_loader_get_stats(l, stats);
    int length = mr_loader_explain(l, text, room);
    CHECK_EQ_I64(length, strlen(text));
    mr_loader_free(l);
    mr_dataset_free(d);
    mr_rng_free(rng);
}

static void test_counts(void)
{
    for (int workers = 0; workers < 3; workers++) {
        mr_loader_stats s;
        char text[400];
        run(1, 0, 0, workers, &s, text, sizeof text);
        CHECK_EQ_I64(s.batches, 4);
        CHECK_EQ_I64(s.samples, 12);
        CHECK_EQ_I64(s.bytes, 12 * 17);
        CHECK_EQ_I64(s.prefetch, workers ? 4 : 0);
        CHECK(s.fill.seconds >= 0.012); /* each sample has waited at least that long */
        CHECK(s.fill.samples > 0 && s.fill.samples <= 1000);
        CHECK_CLOSE(s.fill.bytes, s.fill.samples * 17, 1e-9, 0);
        CHECK_CLOSE(s.wait.samples * s.wait.seconds, 12, 1e-9, 0);
        CHECK_CLOSE(s.all.seconds, s.wait.seconds + s.caller.seconds, 1e-9, 0);
        CHECK_CLOSE(s.all.bytes * s.all.seconds, 12 * 17, 1e-9, 0);
        CHECK(s.collate.seconds == 0);
    }
}

static void test_verdicts(void)
{
    for (int workers = 0; workers < 3; workers++) {
        mr_loader_stats s;
        char text[400];
        run(10, 0, 0, workers, &s, text, sizeof text);
        CHECK(s.loader_bound);
        CHECK(strncmp(text, "loader-bound: of ", 17) == 0);
        CHECK(strstr(text, workers == 2 ? "; 2 workers, "
                           : workers    ? "; 1 workers, "
                                        : "; no workers") != NULL);
        CHECK(strstr(text, " of 4 batches ready on average") ? workers > 0 : workers == 0);
        run(0, 0, 30, workers, &s, text, sizeof text);
        CHECK(!s.loader_bound);
        CHECK(strncmp(text, "model-bound: of ", 16) == 0);
        CHECK(s.caller.seconds >= 0.12);
        CHECK(s.caller.samples <= 100);
        if (workers)
            CHECK(s.ready > 0 && s.ready <= 4);
    }
}

static void test_collation(void)
{
    for (int workers = 0; workers < 2; workers++) {
        mr_loader_stats s;
        char text[400];
        run(0, 20, 0, workers, &s, text, sizeof text);
        CHECK(s.collate.seconds >= 0.08);
        CHECK(s.wait.seconds >= s.collate.seconds);
        CHECK(s.fill.seconds >= 0 && s.fill.seconds < s.collate.seconds);
    }
}

/* Quick calls are timed now and then; what is reckoned is not far from what a clock outside says. */
static void test_quick_calls(void)
{
    mr_rng *rng = mr_rng_new(0);
    fixture f = { .length = 100, .bad = -1, .bad2 = -1, .many = true };
    mr_dataset *d = fixture_new(f);
    mr_loader *l = mr_loader_new(d, rng, &(mr_loader_opts){ .batch_size = 3 });
    const mr_batch *b;
    mr_loader_stats s;
    struct timespec begin, end;
    clock_gettime(CLOCK_MONOTONIC, &begin);
    for (int epoch = 0; epoch < 3000; epoch++)
        while (mr_loader_next(l, &b) == MR_OK) {}
    clock_gettime(CLOCK_MONOTONIC, &end);
    double seconds = (double)(end.tv_sec - begin.tv_sec) + (double)(end.tv_nsec - begin.tv_nsec) * 1e-9;
    mr_loader_get_stats(l, &s);
    CHECK_EQ_I64(s.batches, 34 * 3000);
    CHECK_EQ_I64(s.samples, 300000);
    CHECK(s.all.seconds > 0 && s.all.seconds < 20 * seconds); /* a guess, and a busy machine */
    CHECK_CLOSE(s.fill.samples * s.fill.seconds, 300000, 0.5, 0);
    mr_loader_free(l);
    mr_dataset_free(d);
    mr_rng_free(rng);
}

static void test_nulls(void)
{
    mr_loader_stats s = { .batches = 3 };
    char text[30] = "x";
    mr_loader_get_stats(NULL, &s);
    CHECK_EQ_I64(s.batches, 0);
    CHECK_EQ_I64(mr_error_status(), MR_OK);
    mr_loader_get_stats(NULL, NULL);
    CHECK_EQ_STR(mr_error(), "loader_get_stats: stats is NULL");
    CHECK_EQ_I64(mr_loader_explain(NULL, text, sizeof text), 0);
    CHECK_EQ_STR(mr_error(), "loader_explain: loader is NULL");
    CHECK_EQ_STR(text, "");
    mr_rng *rng = mr_rng_new(0);
    mr_dataset *d = fixture_new((fixture){ .length = 3, .bad = -1, .bad2 = -1 });
    mr_loader *l = mr_loader_new(d, rng, NULL);
    CHECK_EQ_I64(mr_loader_explain(l, NULL, 3), 0);
    CHECK_EQ_STR(mr_error(), "loader_explain: text is NULL");
    const mr_batch *b;
    CHECK_EQ_I64(mr_loader_next(l, &b), MR_OK);
    int whole = mr_loader_explain(l, NULL, 0);
    CHECK(whole > 100);
    CHECK(mr_loader_explain(l, text, 12) > 100); /* cut off */
    CHECK_EQ_I64(strlen(text), 11);
    CHECK(strcmp(text, "model-bound") == 0 || strcmp(text, "loader-boun") == 0);
    mr_loader_free(l);
    mr_dataset_free(d);
    mr_rng_free(rng);
}

int main(void)
{
    RUN(test_counts);
    RUN(test_verdicts);
    RUN(test_collation);
    RUN(test_quick_calls);
    RUN(test_nulls);
    return check_report();
}

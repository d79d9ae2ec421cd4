/* A loader with any sampler goes on where another stood: with other workers, twice in a row, and the generators, too. */
#include "check.h"
#include "loader_fixture.h"
#include "sampler_kinds.h"

/* A loader with all that belongs to it. */
typedef struct run {
    mr_rng *rng, *own;
    mr_dataset *data;
    mr_loader *loader;
    uint64_t hash;
    int64_t batches;
} run;

static run begin(int kind, bool with_own, int workers, uint64_t seed)
{
    run r = { .rng = mr_rng_new(seed), .own = mr_rng_new(seed + 1), .hash = UINT64_C(14695981039346656037) };
    r.data = fixture_new((fixture){ .length = 2 * ROWS, .bad = -1, .bad2 = -1, .many = workers % 2 });
    int64_t batch_size = kind >= BATCHES_FROM ? 30 : 7;
    r.loader =
        mr_loader_new(r.data, r.rng, &(mr_loader_opts){ .batch_size = batch_size, .workers = workers });
    CHECK_EQ_I64(mr_loader_set_sampler(r.loader, sampler_of_kind(kind, r.rng, with_own ? r.own : NULL)),
                 MR_OK);
    return r;
}

static void end(run *r)
{
    mr_loader_free(r->loader);
    mr_dataset_free(r->data);
    mr_rng_free(r->rng);
    mr_rng_free(r->own);
}

/* Some batches, across the ends of epochs; something else draws from the program's generator in between. */
static void go_on(run *r, int64_t batches)
{
    const mr_batch *b;
    while (r->batches < batches) {
        mr_status status = mr_loader_next(r->loader, &b);
        if (!CHECK(status >= 0)) {
            printf("    %s\n", mr_error());
            return;
        }
        if (status == MR_END)
            continue;
        fixture_hash_batch(&r->hash, b);
        r->batches++;
        if (r->batches % 3 == 0)
            mr_rng_u32(r->rng);
    }
}

/* Another loader, whose generators stand elsewhere, goes on with the state; the program puts its own generator back. */
static run take_over(run *from, int kind, bool with_own, int workers)
{
    static unsigned char state[MR_RNG_STATE_BYTES];
    const void *bytes;
    size_t size;
    run to = begin(kind, with_own, workers, 1000);
    CHECK_EQ_I64(mr_loader_save(from->loader, &bytes, &size), MR_OK);
    if (!CHECK_EQ_I64(mr_loader_restore(to.loader, bytes, size), MR_OK))
        printf("    kind %d: %s\n", kind, mr_error());
    mr_rng_get_state(from->rng, state);
    CHECK_EQ_I64(mr_rng_set_state(to.rng, state, sizeof state), MR_OK);
    to.hash = from->hash;
    to.batches = from->batches;
    return to;
}

static void check_kind(int kind, bool with_own)
{
    enum { ALL = 27 };
    run whole = begin(kind, with_own, 0, 5);
    go_on(&whole, ALL);
    for (int64_t k = 0; k <= 15; k++) {
        run first = begin(kind, with_own, (int)(k % 3), 5);
        go_on(&first, k);
        run second = take_over(&first, kind, with_own, (int)((k + 1) % 3));
        go_on(&second, k + 3);
        run third = take_over(&second, kind, with_own, (int)((k + 2) % 4));
        go_on(&third, ALL);
        bool same = CHECK(third.hash == whole.hash);
        same = CHECK_EQ_I64(mr_rng_u32(third.rng), mr_rng_u32(whole.rng)) && same;
        if (with_own)
            same = CHECK_EQ_I64(mr_rng_u32(third.own), mr_rng_u32(whole.own)) && same;
        if (!same)
            printf("    kind %d, own %d, after %lld batches\n", kind, with_own, (long long)k);
        end(&first);
        end(&second);
        end(&third);
        end(&whole);
        whole = begin(kind, with_own, 0, 5);
        go_on(&whole, ALL);
    }
    end(&whole);
}

static void test_every_sampler(void)
{
    for (int kind = 0; kind < SAMPLER_KINDS; kind++) {
        check_kind(kind, false);
        if (kind >= 2 && kind <= BATCHES_FROM && kind != 8 && kind != 9)
            check_kind(kind, true);
    }
}

/* ---- batches as they are ready: each comes once, with its number, also when another loader goes on ---- */

static void take_unordered(mr_loader *loader, int64_t batches, int *times, const int64_t *first_of,
                           int64_t count)
{
    const mr_batch *b;
    while (batches-- != 0 && mr_loader_next(loader, &b) == MR_OK) {
        if (!CHECK(b->number >= 0 && b->number < count))
            return;
        times[b->number]++;
        CHECK_EQ_I64(b->indices[0], first_of[b->number]);
    }
}

static void test_unordered(void)
{
    for (int kind = BATCHES_FROM; kind < SAMPLER_KINDS; kind++)
        for (int64_t k = 0; k < 5; k++) {
            int64_t first_of[ROWS], count = 0;
            int times[ROWS] = { 0 };
            const mr_batch *b;
            mr_rng *rng = mr_rng_new(4), *other = mr_rng_new(4);
            mr_dataset *data =
                fixture_new((fixture){ .length = 2 * ROWS, .bad = -1, .bad2 = -1, .delay = 2000 });
            const mr_loader_opts unordered = { .batch_size = 30, .workers = 3, .unordered = true };
            mr_loader *in_order = mr_loader_new(data, rng, &(mr_loader_opts){ .batch_size = 30 });
            mr_loader *first = mr_loader_new(data, other, &unordered),
                      *second = mr_loader_new(data, other, &unordered);
            mr_loader_set_sampler(in_order, sampler_of_kind(kind, rng, NULL));
            mr_loader_set_sampler(first, sampler_of_kind(kind, other, NULL));
            mr_loader_set_sampler(second, sampler_of_kind(kind, other, NULL));
            for (; mr_loader_next(in_order, &b) == MR_OK; count++) {
                CHECK_EQ_I64(b->number, count);
                first_of[count] = b->indices[0];
            }
            const void *state;
            size_t size;
            take_unordered(first, k, times, first_of, count);
            CHECK_EQ_I64(mr_loader_save(first, &state, &size), MR_OK);
            CHECK_EQ_I64(mr_loader_restore(second, state, size), MR_OK);
            if (k <= count) /* otherwise the second begins an epoch of its own */
                take_unordered(second, -1, times, first_of, count);
            for (int64_t i = 0; k <= count && i < count; i++)
                CHECK_EQ_I64(times[i], 1);
            mr_loader_free(in_order);
            mr_loader_free(first);
            mr_loader_free(second);
            mr_dataset_free(data);
            mr_rng_free(rng);
            mr_rng_free(other);
        }
}

int main(void)
{
    RUN(test_every_sampler);
    RUN(test_unordered);
    return check_report();
}

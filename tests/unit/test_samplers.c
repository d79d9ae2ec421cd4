/* The order of torch's samplers and the draws that they take (golden/make_samplers.py). */
#include "check.h"
#include "sampler_kinds.h"

#include "data/sampler.h"
#include "data/shuffle.h"

#include <stdlib.h>
#include <string.h>

typedef struct sampler_case {
    char kind[16];
    unsigned long long seed;
    long long own, length, count, flag, batch;
    mr_rng *rng, *generator;
} sampler_case;

static mr_sampler *make_sampler(const sampler_case *c, int rank)
{
    mr_rng *own = c->own ? c->generator : NULL;
    mr_sampler *sampler = NULL;
    int64_t indices[64];
    double weights[256];
    if (strcmp(c->kind, "random") == 0) {
        sampler = mr_random_sampler_new(c->length, c->rng,
                                        &(mr_random_sampler_opts){ c->flag != 0, c->count, own });
    } else if (strcmp(c->kind, "subset") == 0) {
        for (int64_t i = 0; i < c->length; i++)
            indices[i] = 10 * i + 3;
        sampler =
            mr_subset_random_sampler_new(indices, c->length, c->rng, &(mr_subset_random_sampler_opts){ own });
    } else if (strcmp(c->kind, "weighted") == 0) {
        for (int64_t i = 0; i < c->length; i++)
            weights[i] = (double)(i * 7 % 11) / 3;
        sampler = mr_weighted_sampler_new(weights, c->length, c->count, c->rng,
                                          &(mr_weighted_sampler_opts){ !c->flag, own });
    } else if (strcmp(c->kind, "distributed") == 0) {
        const mr_distributed_sampler_opts opts = { .no_shuffle = c->flag >= 2,
                                                   .seed = c->seed,
                                                   .remainder =
                                                       c->flag % 2 ? MR_REMAINDER_DROP : MR_REMAINDER_PAD };
        sampler = mr_distributed_sampler_new(c->length, rank, (int)c->count, &opts);
    }
    CHECK(sampler != NULL);
    return sampler;
}

/* Compares an epoch with a line of indices. */
static void compare_epoch(mr_sampler *sampler, char *line, int64_t epoch)
{
    int64_t index = -1, count = 0;
    CHECK_EQ_I64(mr_sampler_begin(sampler, epoch), MR_OK);
    for (char *at = line; *at && *at != '\n'; at += *at == ' ', count++) {
        CHECK_EQ_I64(mr_sampler_next(sampler, &index), MR_OK);
        CHECK_EQ_I64(index, strtoll(at, &at, 10));
    }
    CHECK_EQ_I64(mr_sampler_next(sampler, &index), MR_END);
    CHECK_EQ_I64(mr_sampler_next(sampler, &index), MR_END);
    CHECK_EQ_I64(mr_sampler_len(sampler), count);
}

/* ---- by a loader ---- */

static int64_t thousand(void *self)
{
    (void)self;
    return 1000;
}

static mr_status get_number(void *self, int64_t index, const mr_sample *sample)
{
    (void)self;
    *(int64_t *)sample->field[0] = index;
    return MR_OK;
}

static const mr_dataset_vtable numbers_vtable = { .len = thousand, .get = get_number };
static const mr_field numbers_field = { "number", MR_INT64, { 0 } };

static void compare_loader_epoch(mr_loader *loader, const char *line)
{
    const mr_batch *b;
    char text[4096] = "";
    size_t n = 0;
    while (mr_loader_next(loader, &b) == MR_OK)
        for (int64_t i = 0; i < b->rows; i++) {
            CHECK_EQ_I64(((const int64_t *)mr_tensor_data(b->field[0]))[i], b->indices[i]);
            n += (size_t)snprintf(text + n, sizeof text - n, "%lld%s", (long long)b->indices[i],
                                  i + 1 < b->rows ? " " : "|");
        }
    if (n)
        text[n - 1] = '\n';
    CHECK_EQ_STR(text, line);
}

static void compare_case(FILE *file, const char *line)
{
    char *text = NULL;
    size_t room = 0;
    sampler_case c = { .own = 0 };
    if (!CHECK(sscanf(line, "case %15s %llu %lld %lld %lld %lld %lld", c.kind, &c.seed, &c.own, &c.length,
                      &c.count, &c.flag, &c.batch) == 7))
        return;
    c.rng = mr_rng_new(c.seed);
    c.generator = mr_rng_new(c.seed + 1);
    int ranks = strcmp(c.kind, "distributed") == 0 ? (int)c.count : 1;
    mr_sampler *sampler[8];
    for (int r = 0; r < ranks; r++)
        sampler[r] = make_sampler(&c, r);
    mr_dataset *numbers = mr_dataset_new(&numbers_vtable, NULL, 0, &numbers_field, 1);
    mr_loader *loader = NULL;
    if (c.batch) {
        loader = mr_loader_new(numbers, c.rng, &(mr_loader_opts){ .batch_size = c.batch });
        CHECK_EQ_I64(mr_loader_set_sampler(loader, sampler[0]), MR_OK);
    }
    for (int epoch = 0; getline(&text, &room, file) > 0 && strncmp(text, "next", 4) != 0; epoch++) {
        if (loader)
            compare_loader_epoch(loader, text);
        else
            compare_epoch(sampler[epoch % ranks], text, epoch / ranks);
    }
    long long word, own_word;
    if (CHECK(sscanf(text, "next %lld %lld", &word, &own_word) == 2)) {
        CHECK_EQ_I64(mr_rng_u32(c.rng) & 0x7fffffff, word);
        if (c.own)
            CHECK_EQ_I64(mr_rng_u32(c.generator) & 0x7fffffff, own_word);
    }
    free(text);
    mr_loader_free(loader);
    for (int r = 0; r < ranks && !loader; r++)
        mr_sampler_free(sampler[r]);
    mr_dataset_free(numbers);
    mr_rng_free(c.generator);
    mr_rng_free(c.rng);
}

static void test_golden_samplers(void)
{
    FILE *file = fopen(MR_TEST_DATA "/samplers.txt", "r");
    char *line = NULL;
    size_t room = 0;
    int cases = 0;
    if (!CHECK(file != NULL))
        return;
    while (getline(&line, &room, file) > 0) {
        compare_case(file, line);
        cases++;
    }
    CHECK_EQ_I64(cases, 364);
    free(line);
    fclose(file);
}

/* ---- state: an epoch can be had again, from any place on ---- */

static void read_epoch(mr_sampler *s, int64_t from, int64_t *index)
{
    for (int64_t i = from; i < ROWS; i++)
        CHECK_EQ_I64(mr_sampler_next(s, &index[i]), MR_OK);
    CHECK_EQ_I64(mr_sampler_next(s, &index[0]), MR_END);
}

static bool same_place(const mr_rng *a, const mr_rng *b)
{
    static unsigned char x[MR_RNG_STATE_BYTES], y[MR_RNG_STATE_BYTES];
    mr_rng_get_state(a, x);
    mr_rng_get_state(b, y);
    return memcmp(x, y, sizeof x) == 0;
}

/* Two epochs, of which the second is begun again by another sampler that skips to a place. */
static void go_on_from(int kind, bool with_own, int64_t place)
{
    static unsigned char state[MR_RNG_STATE_BYTES];
    int64_t want[ROWS], got[ROWS];
    mr_rng *rng = mr_rng_new(9), *own = mr_rng_new(10), *rng2 = mr_rng_new(11), *own2 = mr_rng_new(12);
    mr_rng *untouched = mr_rng_new(11);
    mr_sampler *s = sampler_of_kind(kind, rng, with_own ? own : NULL);
    mr_sampler *t = sampler_of_kind(kind, rng2, with_own ? own2 : NULL);
    CHECK_EQ_I64(mr_sampler_begin(s, 0), MR_OK);
    read_epoch(s, 0, want);
    if (s->vtable->state_size)
        s->vtable->save(s->self, state);
    CHECK_EQ_I64(mr_sampler_begin(s, 1), MR_OK);
    read_epoch(s, 0, want);
    for (int twice = 0; twice < 2; twice++) { /* the second time on a sampler that has been used */
        if (t->vtable->state_size)
            CHECK_EQ_I64(t->vtable->restore(t->self, state), MR_OK);
        memset(got, 0, sizeof got);
        CHECK_EQ_I64(mr_sampler_begin(t, 1), MR_OK);
        CHECK_EQ_I64(mr__sampler_skip(t, "test", place), MR_OK);
        read_epoch(t, place, got);
        if (!CHECK(memcmp(got + place, want + place, (size_t)(ROWS - place) * sizeof *got) == 0))
            printf("    kind %d, own %d, from %lld on\n", kind, with_own, (long long)place);
        CHECK(same_place(rng2, untouched)); /* is the program's */
        CHECK(!with_own || !s->vtable->state_size || same_place(own, own2));
    }
    mr_sampler_free(s);
    mr_sampler_free(t);
    mr_rng *all[] = { rng, own, rng2, own2, untouched };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        mr_rng_free(all[i]);
}

static void test_state(void)
{
    static const int64_t places[] = { 0, 1, 13, 14, 15, 30, 31, 32, 33, 35, 36, 42, 69, 70 };
    for (int kind = 0; kind < SAMPLER_KINDS - 1; kind++) /* the last one's batches end at other places */
        for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
            bool anywhere = kind < BATCHES_FROM || kind == 12;
            if (!anywhere && places[i] % (kind == 11 ? 30 : 7) && places[i] != ROWS)
                continue;
            go_on_from(kind, false, places[i]);
            go_on_from(kind, true, places[i]);
        }
}

/* ---- what the first batch costs ---- */

/* Of torch's permutation of very many that is what is looked at: the pages of those places, and no draws beyond them. */
static void test_first_batch_costs_the_first_batch(void)
{
    enum { LENGTH = 1 << 27, FIRST = 32 };
    mr__shuffle s;
    mr_rng *rng = mr_rng_new(7), *same = mr_rng_new(7);
    if (CHECK_EQ_I64(mr__shuffle_init(&s, LENGTH), MR_OK)) { /* room that nobody touches */
        mr__shuffle_begin(&s);
        const int64_t pages = LENGTH / 1024;
        mr__shuffle_draw(&s, rng, FIRST);
        CHECK(pages - s.missing >= 1 && pages - s.missing <= FIRST + 2);
        for (int64_t i = 0; i < FIRST; i++) {
            const int64_t jump = mr_rng_u32(same) % (LENGTH - i); /* the first draw of each place */
            CHECK(s.place[i] == i + jump || jump < FIRST);
        }
        CHECK(same_place(rng, same));
        mr__shuffle_free(&s);
    }
    mr_rng_free(rng);
    mr_rng_free(same);
}

/* More weights than a float32 can count, of which only the last one is above zero. */
static void test_many_weights(void)
{
    const int64_t many = (1 << 24) + 6;
    double *weights = calloc((size_t)many, sizeof *weights);
    mr_rng *rng = mr_rng_new(7);
    int64_t index;
    weights[many - 1] = 0.25;
    mr_sampler *s = mr_weighted_sampler_new(weights, many, 3, rng, NULL);
    CHECK_EQ_I64(mr_sampler_begin(s, 0), MR_OK);
    for (int i = 0; i < 3; i++) {
        CHECK_EQ_I64(mr_sampler_next(s, &index), MR_OK);
        CHECK_EQ_I64(index, many - 1);
    }
    CHECK_EQ_I64(mr_sampler_next(s, &index), MR_END);
    mr_sampler_free(s);
    mr_rng_free(rng);
    free(weights);
}

/* In Millrace's own order, and in a replica's part of it, a place late in an epoch is as near as an early one. */
static void test_late_places(void)
{
    const int64_t length = INT64_C(1) << 62, late = INT64_C(1) << 60;
    mr_permutation *order = mr_permutation_new(length, 7);
    mr_permutation_set_epoch(order, 3);
    mr_sampler *s[] = { mr_permutation_sampler_new(length, 7),
                        mr_distributed_sampler_new(
                            length, 1, 3, &(mr_distributed_sampler_opts){ .own_order = true, .seed = 7 }),
                        mr_replica_sampler_new(mr_permutation_sampler_new(length, 7), 1, 3, 0),
                        mr_sequential_sampler_new(length) };
    for (int i = 0; i < 4; i++) {
        int64_t index, place = i == 0 || i == 3 ? late : 1 + 3 * late;
        CHECK_EQ_I64(mr_sampler_begin(s[i], 3), MR_OK);
        CHECK_EQ_I64(mr__sampler_skip(s[i], "test", late), MR_OK);
        CHECK_EQ_I64(mr_sampler_next(s[i], &index), MR_OK);
        CHECK_EQ_I64(index, i == 3 ? late : mr_permutation_at(order, place));
        mr_sampler_free(s[i]);
    }
    mr_permutation_free(order);
}

static void test_skip_too_far(void)
{
    mr_rng *rng = mr_rng_new(1);
    for (int kind = 0; kind < SAMPLER_KINDS; kind++) {
        mr_sampler *s = sampler_of_kind(kind, rng, NULL);
        CHECK_EQ_I64(mr_sampler_begin(s, 0), MR_OK);
        CHECK_EQ_I64(mr__sampler_skip(s, "test", ROWS + 1), MR_END);
        mr_sampler_free(s);
    }
    mr_rng_free(rng);
}

static void test_damaged_state(void)
{
    static const unsigned char nothing[MR_RNG_STATE_BYTES];
    mr_rng *rng = mr_rng_new(1);
    mr_sampler *s = sampler_of_kind(7, rng, NULL);
    CHECK_EQ_I64(s->vtable->restore(s->self, nothing), MR_ERR_FORMAT);
    CHECK_EQ_STR(mr_error(), "sampler: the state of its generator is damaged");
    mr_sampler_free(s);
    mr_rng_free(rng);
}

/* The last of the longest order that there is: its place is beyond what 64 bits with a sign hold. */
static void test_end_of_longest(void)
{
    for (int uneven = 0; uneven < 2; uneven++) {
        mr_distributed_sampler_opts opts = { .no_shuffle = true };
        opts.remainder = uneven ? MR_REMAINDER_UNEVEN : MR_REMAINDER_PAD;
        mr_sampler *s = mr_distributed_sampler_new(INT64_MAX, 2, 3, &opts);
        const int64_t before = mr_sampler_len(s) - 1;
        int64_t index = -1, count = 0;
        bool valid = true;
        CHECK_EQ_I64(mr_sampler_begin(s, 0), MR_OK);
        CHECK_EQ_I64(before, INT64_MAX / 3);
        CHECK_EQ_I64(s->vtable->skip(s->self, before), MR_OK);
        CHECK_EQ_I64(s->vtable->next_many(s->self, &index, &valid, 2, &count), MR_OK);
        CHECK_EQ_I64(count, 1);
        CHECK_EQ_I64(index, 1);
        CHECK(valid == !uneven);
        mr_sampler_free(s);
    }
}

int main(void)
{
    RUN(test_golden_samplers);
    RUN(test_state);
    RUN(test_first_batch_costs_the_first_batch);
    RUN(test_many_weights);
    RUN(test_late_places);
    RUN(test_skip_too_far);
    RUN(test_damaged_state);
    RUN(test_end_of_longest);
    return check_report();
}

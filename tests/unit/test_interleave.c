/* Datasets by index in proportion to weights: the order of streams, with random access. */
#include "check.h"
#include "loader_fixture.h"

#include <millrace/datasets.h>
#include <millrace/verify.h>

enum { MOST = 8, OFFSET = 1000000 };

static int64_t offsets[MOST];

/* Sample i of dataset d is i + d * OFFSET. */
static mr_status add_offset(void *user, void *const *in, void *const *out, int64_t index, mr_random *random)
{
    (void)in, (void)index, (void)random;
    *(int64_t *)out[0] += *(const int64_t *)user;
    return MR_OK;
}

/* With a bad sample 3 in dataset `bad`; -1: in none. */
static mr_dataset *mix(bool stream, const double *weights, const int64_t *lengths, int count,
                       mr_interleave_end end, int bad)
{
    mr_dataset *all[MOST];
    for (int i = 0; i < count; i++) {
        const fixture f = {
            .length = lengths[i], .bad = i == bad ? 3 : -1, .bad2 = -1, .many = !stream && i % 2
        };
        mr_dataset *inner = stream ? fixture_stream_new(f) : fixture_new(f);
        offsets[i] = (int64_t)i * OFFSET;
        all[i] = mr_map_new(inner, add_offset, &offsets[i], NULL);
        mr_dataset_free(inner);
    }
    mr_dataset *mixed = mr_interleave_new(all, weights, count, &(mr_interleave_opts){ end });
    for (int i = 0; i < count; i++)
        mr_dataset_free(all[i]);
    return mixed;
}

/* The first numbers of a batch's samples. */
static int64_t value(const mr_batch *b, int64_t row)
{
    return ((const int64_t *)mr_tensor_data(b->field[0]))[2 * row];
}

static int64_t value_at(mr_dataset *data, int64_t index)
{
    mr_batch *b = mr_dataset_get(data, index);
    const int64_t v = b ? value(b, 0) : -1;
    mr_batch_free(b);
    return v;
}

static void check_order(const double *weights, const int64_t *lengths, int count, mr_interleave_end end)
{
    mr_dataset *stream = mix(true, weights, lengths, count, end, -1),
               *data = mix(false, weights, lengths, count, end, -1);
    mr_cursor *cursor = mr_stream_open(stream);
    const mr_batch *b;
    int64_t n = 0, all = mr_dataset_len(data), steps = 0;
    for (; mr_cursor_next(cursor, &b) == MR_OK; n++)
        CHECK_EQ_I64(value_at(data, n), value(b, 0));
    CHECK_EQ_I64(all, n);
    for (int64_t i = all / 2; steps < all; i = (i + 7) % all, steps++) { /* in any order */
        const int64_t v = value_at(data, i);
        CHECK_EQ_I64(value_at(data, i), v);
        CHECK(v % OFFSET < lengths[v / OFFSET]);
    }
    mr_cursor_free(cursor);
    mr_dataset_free(stream);
    mr_dataset_free(data);
}

static void test_order_of_streams(void)
{
    mr_random random = mr_random_at(3, 0, 0);
    for (int trial = 0; trial < 60; trial++) {
        double weights[MOST];
        int64_t lengths[MOST];
        const int count = 1 + (int)mr_random_below(&random, MOST);
        for (int i = 0; i < count; i++) {
            weights[i] = 0.01 + mr_random_uniform(&random);
            lengths[i] = mr_random_below(&random, trial % 3 ? 60 : 3);
        }
        check_order(weights, lengths, count, trial % 2 ? MR_INTERLEAVE_FIRST : MR_INTERLEAVE_ALL);
    }
}

/* Many blocks of counts; of the first n samples each dataset has its share. */
static void test_proportions(void)
{
    const double weights[] = { 0.7, 0.25, 0.05 };
    const int64_t lengths[] = { 70000, 25000, 5000 };
    mr_dataset *data = mix(false, weights, lengths, 3, MR_INTERLEAVE_ALL, -1);
    int64_t taken[3] = { 0 };
    CHECK_EQ_I64(mr_dataset_len(data), 100000);
    for (int64_t n = 0; n < 20000; n++) {
        const int64_t v = value_at(data, n);
        CHECK_EQ_I64(v % OFFSET, taken[v / OFFSET]++);
        for (int i = 0; i < 3; i++)
            CHECK(fabs((double)taken[i] - weights[i] * (double)(n + 1)) <= 0.75 + 1e-6);
    }
    int64_t last[3] = { -1, -1, -1 };
    for (int64_t n = 90000; n < 100000; n++) {
        const int64_t v = value_at(data, n);
        CHECK(last[v / OFFSET] < 0 || v % OFFSET == last[v / OFFSET] + 1);
        last[v / OFFSET] = v % OFFSET;
    }
    for (int i = 0; i < 3; i++)
        CHECK_EQ_I64(last[i], lengths[i] - 1);
    mr_dataset_free(data);
}

static void test_in_loaders(void)
{
    const double weights[] = { 3, 1, 2 };
    const int64_t lengths[] = { 40, 9, 61 };
    mr_dataset *data = mix(false, weights, lengths, 3, MR_INTERLEAVE_ALL, -1);
    mr_rng *rng = mr_rng_new(0);
    mr_digest want = { { 0 }, 0, 0, 0, 0 };
    for (int workers = 0; workers < 4; workers++) {
        mr_loader *loader = mr_loader_new(
            data, rng, &(mr_loader_opts){ .batch_size = 7, .shuffle = true, .workers = workers });
        mr_digest got;
        CHECK_EQ_I64(mr_loader_verify(loader, true, &got), MR_OK);
        CHECK_EQ_I64(got.samples, 110);
        want = workers ? want : got;
        CHECK(mr_digest_same_samples(&got, &want));
        mr_loader_free(loader);
    }
    mr_dataset_free(data);
    mr_rng_free(rng);
    CHECK_EQ_I64(atomic_load(&workers_open), 0);
}

static void test_errors(void)
{
    enum { MANY = 257 };
    double weights[MANY];
    const int64_t lengths[] = { 10, 10 };
    mr_dataset *all[MANY], *one = fixture_new((fixture){ .length = 3, .bad = -1, .bad2 = -1 });
    mr_dataset *stream = fixture_stream_new((fixture){ .length = 3 });
    for (int i = 0; i < MANY; i++) {
        weights[i] = 1;
        all[i] = one;
    }
    CHECK(mr_interleave_new(all, weights, MANY, NULL) == NULL);
    CHECK_EQ_STR(mr_error(), "interleave_new: 257 datasets by index, and 256 are the most");
    mr_dataset *most = mr_interleave_new(all, weights, MANY - 1, NULL);
    CHECK_EQ_I64(mr_dataset_len(most), 3 * 256);
    CHECK_EQ_I64(value_at(most, 767), 2);
    mr_dataset_free(most);
    CHECK(mr_interleave_new((mr_dataset *[]){ one, stream }, weights, 2, NULL) == NULL);
    CHECK_EQ_STR(mr_error(), "interleave_new: a stream has no samples by index");
    CHECK(mr_interleave_new((mr_dataset *[]){ stream, one }, weights, 2, NULL) == NULL);
    CHECK_EQ_STR(mr_error(), "interleave_new: the dataset is one by index, not a stream");
    CHECK(mr_interleave_new((mr_dataset *[]){ NULL }, weights, 1, NULL) == NULL);
    CHECK_EQ_STR(mr_error(), "interleave_new: dataset is NULL");
    CHECK(mr_interleave_new(NULL, weights, 1, NULL) == NULL);
    CHECK_EQ_STR(mr_error(), "interleave_new: no datasets");
    mr_dataset *bad = mix(false, weights, lengths, 2, MR_INTERLEAVE_ALL, 1);
    CHECK(mr_dataset_get(bad, 7) == NULL);
    CHECK_EQ_STR(mr_error(), "dataset_get: sample 7: interleave: dataset 1: sample 3: map: sample 3: row is "
                             "damaged");
    mr_dataset_free(bad);
    mr_dataset_free(one);
    mr_dataset_free(stream);
}

int main(void)
{
    RUN(test_order_of_streams);
    RUN(test_proportions);
    RUN(test_in_loaders);
    RUN(test_errors);
    return check_report();
}

/* Ragged rows of streams are written where the batch has them, whatever their lengths. */
#include "check.h"

#include <millrace/millrace.h>

#include <stdlib.h>
#include <string.h>

enum { SAMPLES = 300, LONGEST = 700, BATCH = 16 };

static const mr_field fields[] = { { "x", MR_INT32, { 1, { -1 } } },
                                   { "pairs", MR_UINT8, { 2, { -1, 2 } } },
                                   { "number", MR_INT64, { 0 } } };

static int64_t length_of(int64_t n)
{
    return n % 11 == 3 ? LONGEST : n * 37 % 50;
}

typedef struct cursor {
    int64_t at, step;
} cursor;

static void *cursor_open(void *self, int64_t shard, int64_t shards)
{
    cursor *c = malloc(sizeof *c);
    (void)self;
    *c = (cursor){ .at = shard, .step = shards };
    return c;
}

/* Where the last rows were written. */
static const void *written[SAMPLES];

/* Makes a row longer bit by bit, and too long, as somebody does who does not know its length before. */
static mr_status cursor_next(void *self, const mr_sample *sample)
{
    cursor *c = self;
    const int64_t n = c->at, length = length_of(n);
    if (n >= SAMPLES)
        return MR_END;
    c->at += c->step;
    int32_t *x = NULL;
    for (int64_t room = 1, done = 0; done < length || !x; room = 2 * room + 3) {
        if (!(x = mr_ragged_resize(sample->field[0], room)))
            return mr_error_status();
        for (; done < room && done < length; done++)
            x[done] = (int32_t)(n * 1000 + done);
    }
    x = mr_ragged_resize(sample->field[0], length);
    unsigned char *pair = mr_ragged_resize(sample->field[1], n % 3);
    if (!x || !pair)
        return mr_error_status();
    memset(pair, (int)(n % 251), (size_t)(n % 3) * 2);
    *(int64_t *)sample->field[2] = n;
    written[n] = x;
    return n % 29 == 7 ? mr_fail(MR_ERR_FORMAT, "this one is bad") : MR_OK;
}

static const mr_stream_vtable vtable = { .open = cursor_open, .next = cursor_next, .close = free };

static void check_rows(const mr_batch *b, int *times)
{
    const int32_t *x = mr_tensor_data(b->field[0]);
    const unsigned char *pair = mr_tensor_data(b->field[1]);
    const int64_t *number = mr_tensor_data(b->field[2]), *offset = mr_tensor_data(b->field[3]),
                  *pairs = mr_tensor_data(b->field[4]);
    CHECK_EQ_I64(mr_tensor_numel(b->field[0]), offset[b->rows]);
    CHECK_EQ_I64(mr_tensor_size(b->field[1], 0), pairs[b->rows]);
    for (int64_t i = 0; i < b->rows; i++) {
        const int64_t n = number[i];
        bool right = CHECK(n >= 0 && n < SAMPLES) && CHECK_EQ_I64(offset[i + 1] - offset[i], length_of(n)) &&
                     CHECK_EQ_I64(pairs[i + 1] - pairs[i], n % 3);
        for (int64_t j = 0; right && j < length_of(n); j++)
            right = CHECK_EQ_I64(x[offset[i] + j], n * 1000 + j);
        for (int64_t j = 2 * pairs[i]; right && j < 2 * pairs[i + 1]; j++)
            right = CHECK_EQ_I64(pair[j], n % 251);
        times[n]++;
    }
}

static void check_epochs(const mr_loader_opts *opts)
{
    mr_rng *rng = mr_rng_new(1);
    mr_dataset *stream = mr_stream_new(&vtable, NULL, 0, fields, 3);
    mr_loader *loader = mr_loader_new(stream, rng, opts);
    const mr_batch *b;
    mr_batch *kept = NULL;
    int kept_times[SAMPLES] = { 0 };
    for (int epoch = 0; epoch < 3; epoch++) {
        int times[SAMPLES] = { 0 };
        mr_status s;
        while ((s = mr_loader_next(loader, &b)) == MR_OK) {
            check_rows(b, times);
            if (!kept)
                kept = mr_batch_keep(b);
        }
        CHECK_EQ_I64(s, MR_END);
        for (int64_t i = 0; i < SAMPLES; i++)
            CHECK_EQ_I64(times[i], i % 29 != 7);
    }
    check_rows(kept, kept_times);
    mr_batch_free(kept);
    mr_loader_free(loader);
    mr_dataset_free(stream);
    mr_rng_free(rng);
}

/* Bad samples leave no gap, ends of shards are put together, blocks are shuffled; whoever reads them. */
static void test_values(void)
{
    for (int workers = 0; workers < 4; workers++)
        for (int64_t shards = 1; shards < 40; shards += 12)
            for (int64_t block = 0; block < 40; block += 19)
                for (int unordered = 0; unordered < (workers ? 2 : 1); unordered++)
                    check_epochs(&(mr_loader_opts){ .batch_size = BATCH,
                                                    .workers = workers,
                                                    .shards = shards,
                                                    .shuffle = block > 0,
                                                    .shuffle_block = block,
                                                    .unordered = unordered,
                                                    .on_bad_sample = MR_BAD_SKIP });
}

/* Once there is room enough, nothing is copied. */
static void test_place(void)
{
    mr_rng *rng = mr_rng_new(1);
    mr_dataset *stream = mr_stream_new(&vtable, NULL, 0, fields, 3);
    mr_loader *loader =
        mr_loader_new(stream, rng, &(mr_loader_opts){ .batch_size = BATCH, .on_bad_sample = MR_BAD_SKIP });
    const mr_batch *b;
    for (int epoch = 0; epoch < 3; epoch++)
        while (mr_loader_next(loader, &b) == MR_OK) {
            const int32_t *x = mr_tensor_data(b->field[0]);
            const int64_t *number = mr_tensor_data(b->field[2]), *offset = mr_tensor_data(b->field[3]);
            for (int64_t i = 0; epoch > 1 && b->rows == BATCH && i < b->rows; i++)
                CHECK(written[number[i]] == x + offset[i]);
        }
    mr_loader_free(loader);
    mr_cursor *by_hand = mr_stream_open(stream);
    for (int64_t i = 0; i < 7 && CHECK_EQ_I64(mr_cursor_next(by_hand, &b), MR_OK); i++)
        CHECK(i < 4 || written[i] == mr_tensor_data(b->field[0])); /* the fourth is the longest */
    mr_cursor_free(by_hand);
    mr_dataset_free(stream);
    mr_rng_free(rng);
}

int main(void)
{
    RUN(test_values);
    RUN(test_place);
    return check_report();
}

/* Datasets, streams, batches, samplers, collate functions, and what the loader says of wrong ones. */
#include "check.h"

#include <millrace/ops.h>
#include <millrace/data.h>

#include <stdlib.h>
#include <string.h>

/* ---- a dataset of two fields, of which one sample may be bad ---- */

typedef struct squares {
    int64_t length, bad;
} squares;

static int64_t squares_len(void *self)
{
    return ((squares *)self)->length;
}

static mr_status squares_get(void *self, int64_t index, const mr_sample *sample)
{
    float *pair = sample->field[0];
    if (index == ((squares *)self)->bad)
        return mr_fail(MR_ERR_FORMAT, "row is damaged");
    pair[0] = (float)index;
    pair[1] = (float)(index * index);
    *(uint8_t *)sample->field[1] = index % 2 == 0;
    return MR_OK;
}

static int destroyed;

static void squares_destroy(void *self)
{
    (void)self;
    destroyed++;
}

static const mr_dataset_vtable squares_vtable = { .len = squares_len,
                                                  .get = squares_get,
                                                  .destroy = squares_destroy };
static const mr_field squares_fields[] = { { "pair", MR_FLOAT32, { 1, { 2 } } }, { "even", MR_BOOL, { 0 } } };

static mr_dataset *squares_new(int64_t length, int64_t bad)
{
    squares s = { length, bad };
    return mr_dataset_new(&squares_vtable, &s, sizeof s, squares_fields, 2);
}

static void test_one_sample(void)
{
    mr_dataset *d = squares_new(10, 7);
    mr_batch *b = mr_dataset_get(d, 3);
    CHECK_EQ_I64(mr_dataset_len(d), 10);
    CHECK_EQ_I64(mr_dataset_field_count(d), 2);
    CHECK_EQ_STR(mr_dataset_fields(d)[0].name, "pair");
    if (CHECK(b != NULL)) {
        CHECK_EQ_I64(mr_tensor_ndim(b->field[0]), 1);
        CHECK_NEAR(((float *)mr_tensor_data(b->field[0]))[1], 9, 0);
        CHECK_EQ_I64(mr_item_int64(b->field[1]), 0);
        CHECK_EQ_I64(b->indices[0], 3);
    }
    mr_batch_free(b);
    CHECK(mr_dataset_get(d, 7) == NULL);
    CHECK_EQ_STR(mr_error(), "dataset_get: sample 7: row is damaged");
    CHECK(mr_dataset_get(d, 10) == NULL);
    CHECK_EQ_STR(mr_error(), "dataset_get: index 10 is out of range for 10 samples");
    destroyed = 0;
    mr_dataset_free(d);
    CHECK_EQ_I64(destroyed, 1);
}

static void test_bad_sample_in_a_loader(void)
{
    mr_rng *rng = mr_rng_new(0);
    mr_dataset *d = squares_new(10, 7);
    mr_loader *l = mr_loader_new(d, rng, &(mr_loader_opts){ .batch_size = 4 });
    const mr_batch *b;
    CHECK_EQ_I64(mr_loader_next(l, &b), MR_OK);
    CHECK_EQ_I64(mr_loader_next(l, &b), MR_ERR_FORMAT);
    CHECK_EQ_STR(mr_error(), "loader: sample 7: row is damaged");
    CHECK_EQ_I64(mr_loader_next(l, &b), MR_OK); /* the next epoch */
    CHECK_EQ_I64(b->epoch, 1);
    CHECK_EQ_I64(b->position, 0);
    mr_loader_free(l);
    mr_dataset_free(d);
    mr_rng_free(rng);
}

static void test_views_and_kept_batches(void)
{
    mr_rng *rng = mr_rng_new(0);
    mr_tape *tape = mr_tape_new(rng);
    mr_dataset *d = squares_new(6, -1);
    mr_loader *l = mr_loader_new(d, rng, &(mr_loader_opts){ .batch_size = 2 });
    mr_tensor *w = mr_tensor_ones(MR_FLOAT32, MR_SHAPE(2, 2));
    const mr_batch *b;
    mr_batch *kept[3] = { NULL };
    CHECK_EQ_I64(mr_tensor_set_requires_grad(w, true), MR_OK);
    for (int i = 0; i < 3; i++) {
        CHECK_EQ_I64(mr_loader_next(l, &b), MR_OK);
        kept[i] = mr_batch_keep(b);
    }
    for (int i = 0; i < 3; i++) {
        CHECK_EQ_I64(kept[i]->position, 2 * i);
        CHECK_EQ_I64(kept[i]->indices[1], 2 * i + 1);
        CHECK_NEAR(((float *)mr_tensor_data(kept[i]->field[0]))[2], 2 * i + 1, 0);
        CHECK_EQ_STR(kept[i]->name[1], "even");
        mr_batch_free(kept[i]);
    }
    CHECK_EQ_I64(mr_loader_next(l, &b), MR_END);

    /* A backward over a batch whose slot has been filled again is told so. */
    CHECK_EQ_I64(mr_loader_next(l, &b), MR_OK);
    mr_tensor *loss = mr_sum(tape, mr_linear_no_bias(tape, b->field[0], w), MR_ALL, false);
    CHECK_EQ_I64(mr_loader_next(l, &b), MR_OK);
    CHECK_EQ_I64(mr_loader_next(l, &b), MR_OK);
    CHECK_EQ_I64(mr_backward(tape, loss), MR_ERR_STATE);
    CHECK_EQ_STR(mr_error(),
                 "backward: linear needs the elements of pair[2,2] as they were, but they have been "
                 "changed since");
    mr_tensor_free(w);
    mr_loader_free(l);
    mr_dataset_free(d);
    mr_tape_free(tape);
    mr_rng_free(rng);
}

static void test_tensor_dataset(void)
{
    mr_rng *rng = mr_rng_new(5);
    mr_tensor *x = mr_tensor_arange(MR_INT32, 0, 12, 1), *y = mr_tensor_arange(MR_FLOAT64, 0, 4, 1);
    mr_tape *tape = mr_tape_new(rng);
    mr_tensor *rows = mr_tensor_keep(mr_view(tape, x, MR_SHAPE(4, 3)));
    mr_tensor *both[] = { rows, y }, *uneven[] = { x, y }, *scalar[] = { mr_scalar(tape, MR_FLOAT32, 1) };
    const char *names[] = { "rows", "y" };
    mr_dataset *d = mr_dataset_from_tensors(both, names, 2);
    mr_loader *l = mr_loader_new(d, rng, &(mr_loader_opts){ .batch_size = 3, .shuffle = true });
    const mr_batch *b;
    int64_t seen = 0;
    for (int i = 0; i < 2; i++) {
        CHECK_EQ_I64(mr_loader_next(l, &b), MR_OK);
        for (int64_t r = 0; r < b->rows; r++) {
            CHECK_EQ_I64(((int32_t *)mr_tensor_data(b->field[0]))[3 * r + 2], 3 * b->indices[r] + 2);
            CHECK_NEAR(((double *)mr_tensor_data(b->field[1]))[r], (double)b->indices[r], 0);
            seen |= 1 << b->indices[r];
        }
    }
    CHECK_EQ_I64(seen, 15);
    CHECK_EQ_STR(b->name[0], "rows");
    CHECK_EQ_I64(mr_loader_next(l, &b), MR_END);
    CHECK(mr_dataset_from_tensors(uneven, NULL, 2) == NULL);
    CHECK_EQ_STR(mr_error(), "dataset_from_tensors: first sizes differ: [12] and [4]");
    CHECK(mr_dataset_from_tensors(scalar, NULL, 1) == NULL);
    CHECK_EQ_STR(mr_error(),
                 "dataset_from_tensors: tensor 0, [], is a scalar, not contiguous, or lives on a tape");
    mr_loader_free(l);
    mr_dataset_free(d);
    mr_tensor_free(rows);
    mr_tensor_free(x);
    mr_tensor_free(y);
    mr_tape_free(tape);
    mr_rng_free(rng);
}

/* ---- a stream that counts, and may break off ---- */

typedef struct counter {
    int64_t next, end, bad;
} counter;

static int open_cursors;

static void *counter_open(void *self, int64_t shard, int64_t shards)
{
    counter *cursor = malloc(sizeof *cursor);
    CHECK_EQ_I64(shard, 0);
    CHECK_EQ_I64(shards, 1);
    *cursor = *(counter *)self;
    open_cursors++;
    return cursor;
}

static mr_status counter_next(void *self, const mr_sample *sample)
{
    counter *c = self;
    if (c->next == c->bad)
        return MR_ERR_IO; /* without a text of its own */
    if (c->next >= c->end)
        return MR_END;
    *(int64_t *)sample->field[0] = c->next++;
    return MR_OK;
}

static void counter_close(void *cursor)
{
    free(cursor);
    open_cursors--;
}

static const mr_stream_vtable counter_vtable = { .open = counter_open,
                                                 .next = counter_next,
                                                 .close = counter_close };
static const mr_field counter_fields[] = { { "n", MR_INT64, { 0 } } };

static mr_dataset *counter_new(int64_t end, int64_t bad)
{
    counter c = { 0, end, bad };
    return mr_stream_new(&counter_vtable, &c, sizeof c, counter_fields, 1);
}

static void test_stream_in_a_loader(void)
{
    mr_rng *rng = mr_rng_new(0);
    mr_dataset *d = counter_new(10, -1);
    for (int drop = 0; drop < 2; drop++) {
        mr_loader *l = mr_loader_new(d, rng, &(mr_loader_opts){ .batch_size = 4, .drop_last = drop });
        const mr_batch *b;
        CHECK_EQ_I64(mr_loader_len(l), -1);
        for (int epoch = 0; epoch < 2; epoch++) {
            int64_t next = 0, batches = 0;
            while (mr_loader_next(l, &b) == MR_OK) {
                CHECK_EQ_I64(b->position, next);
                for (int64_t i = 0; i < b->rows; i++, next++)
                    CHECK_EQ_I64(((int64_t *)mr_tensor_data(b->field[0]))[i], next);
                batches++;
            }
            CHECK_EQ_I64(next, drop ? 8 : 10);
            CHECK_EQ_I64(batches, drop ? 2 : 3);
            CHECK_EQ_I64(open_cursors, 0);
        }
        CHECK_EQ_I64(mr_loader_next(l, &b), MR_OK);
        mr_loader_rewind(l);
        CHECK_EQ_I64(open_cursors, 0);
        CHECK_EQ_I64(mr_loader_next(l, &b), MR_OK);
        mr_loader_free(l); /* in mid-epoch */
        CHECK_EQ_I64(open_cursors, 0);
    }
    CHECK(mr_dataset_get(d, 0) == NULL);
    CHECK_EQ_STR(mr_error(), "dataset_get: a stream has no samples by index; use mr_stream_open");
    mr_dataset_free(d);
    mr_rng_free(rng);
}

static void test_stream_by_hand(void)
{
    mr_rng *rng = mr_rng_new(0);
    mr_dataset *d = counter_new(5, 2), *by_index = squares_new(2, -1);
    mr_cursor *c = mr_stream_open(d);
    const mr_batch *sample;
    CHECK_EQ_I64(mr_cursor_next(c, &sample), MR_OK);
    CHECK_EQ_I64(mr_tensor_ndim(sample->field[0]), 0);
    CHECK_EQ_I64(mr_cursor_next(c, &sample), MR_OK);
    CHECK_EQ_I64(mr_item_int64(sample->field[0]), 1);
    CHECK_EQ_I64(mr_cursor_next(c, &sample), MR_ERR_IO);
    CHECK_EQ_STR(mr_error(), "cursor_next: sample 2: the callback failed without a message");
    mr_cursor_free(c);
    CHECK_EQ_I64(open_cursors, 0);
    CHECK(mr_stream_open(by_index) == NULL);
    CHECK_EQ_STR(mr_error(), "stream_open: the dataset is one by index, not a stream");
    mr_dataset_free(d);
    mr_dataset_free(by_index);
    mr_rng_free(rng);
}

/* ---- a sampler that goes backwards ---- */

typedef struct backwards {
    int64_t length, next, extra;
} backwards;

static mr_status backwards_begin(void *self, int64_t epoch)
{
    backwards *s = self;
    s->next = s->length - 1 + s->extra * epoch;
    return MR_OK;
}

static mr_status backwards_next(void *self, int64_t *index)
{
    backwards *s = self;
    if (s->next < 0)
        return MR_END;
    *index = s->next--;
    return MR_OK;
}

static int64_t backwards_len(void *self)
{
    return ((backwards *)self)->length;
}

static const mr_sampler_vtable backwards_vtable = { .begin = backwards_begin,
                                                    .next = backwards_next,
                                                    .len = backwards_len };

static void test_sampler(void)
{
    mr_rng *rng = mr_rng_new(0);
    mr_dataset *d = squares_new(5, -1);
    mr_loader *l = mr_loader_new(d, rng, &(mr_loader_opts){ .batch_size = 2 });
    backwards s = { 5, 0, 3 };
    const mr_batch *b;
    CHECK_EQ_I64(mr_loader_set_sampler(l, mr_sampler_new(&backwards_vtable, &s, sizeof s)), MR_OK);
    CHECK_EQ_I64(mr_loader_len(l), 3);
    for (int64_t want = 4; want >= 0; want -= 2) {
        CHECK_EQ_I64(mr_loader_next(l, &b), MR_OK);
        CHECK_EQ_I64(b->indices[0], want);
    }
    CHECK_EQ_I64(b->rows, 1);
    CHECK_EQ_I64(mr_loader_next(l, &b), MR_END);
    CHECK_EQ_I64(mr_loader_next(l, &b), MR_ERR_ARGUMENT); /* epoch 1 begins at index 7 */
    CHECK_EQ_STR(mr_error(), "loader: the sampler gave index 7; the dataset has 5 samples");
    CHECK_EQ_I64(mr_loader_set_sampler(l, mr_sampler_new(&backwards_vtable, &s, sizeof s)), MR_ERR_STATE);
    CHECK_EQ_STR(mr_error(), "loader_set_sampler: the loader has begun an epoch already");
    mr_loader_free(l);
    mr_dataset_free(d);
    mr_rng_free(rng);
}

/* ---- a collate function that makes sums of pairs and a count ---- */

static mr_status sum_pairs(void *user, const mr_batch *samples, mr_collated *out)
{
    const float *pairs = mr_tensor_data(samples->field[0]);
    mr_tensor *sums = mr_collate_field(out, "sums", MR_FLOAT64, MR_SHAPE(samples->rows));
    mr_tensor *count = mr_collate_field(out, "count", MR_INT64, MR_SCALAR);
    if (!sums || !count)
        return mr_error_status();
    if (samples->position == *(int64_t *)user)
        return mr_fail(MR_ERR_CALLBACK, "no sums today");
    for (int64_t i = 0; i < samples->rows; i++)
        ((double *)mr_tensor_data(sums))[i] = (double)(pairs[2 * i] + pairs[2 * i + 1]);
    *(int64_t *)mr_tensor_data(count) = samples->rows;
    return MR_OK;
}

static void test_collate(void)
{
    mr_rng *rng = mr_rng_new(0);
    mr_dataset *d = squares_new(5, -1);
    mr_loader *l = mr_loader_new(d, rng, &(mr_loader_opts){ .batch_size = 3 });
    int64_t bad = -1;
    const mr_batch *b;
    CHECK_EQ_I64(mr_loader_set_collate(l, sum_pairs, &bad), MR_OK);
    CHECK_EQ_I64(mr_loader_next(l, &b), MR_OK);
    CHECK_EQ_I64(b->field_count, 2);
    CHECK_EQ_STR(b->name[1], "count");
    CHECK_NEAR(((double *)mr_tensor_data(b->field[0]))[2], 6, 0);
    CHECK_EQ_I64(mr_loader_next(l, &b), MR_OK);
    CHECK_EQ_I64(mr_tensor_size(b->field[0], 0), 2);
    CHECK_EQ_I64(mr_item_int64(b->field[1]), 2);
    CHECK_EQ_I64(mr_loader_next(l, &b), MR_END);
    bad = 3;
    CHECK_EQ_I64(mr_loader_next(l, &b), MR_OK);
    CHECK_EQ_I64(mr_loader_next(l, &b), MR_ERR_CALLBACK);
    CHECK_EQ_STR(mr_error(), "loader: batch at position 3: no sums today");
    mr_loader_free(l);
    mr_dataset_free(d);
    mr_rng_free(rng);
}

static void test_wrong_arguments(void)
{
    mr_rng *rng = mr_rng_new(0);
    mr_dataset *d = squares_new(5, -1), *none = squares_new(0, -1);
    const mr_batch *b;
    CHECK(mr_loader_new(NULL, rng, NULL) == NULL);
    CHECK_EQ_STR(mr_error(), "loader_new: dataset is NULL");
    CHECK(mr_loader_new(d, NULL, NULL) == NULL);
    CHECK_EQ_STR(mr_error(), "loader_new: rng is NULL");
    CHECK(mr_loader_new(d, rng, &(mr_loader_opts){ .batch_size = -3 }) == NULL);
    CHECK_EQ_STR(mr_error(), "loader_new: batch size -3 is negative");
    CHECK(mr_loader_new(none, rng, &(mr_loader_opts){ .shuffle = true }) == NULL);
    CHECK_EQ_STR(mr_error(), "loader: cannot shuffle a dataset without samples");
    CHECK(mr_dataset_new(&squares_vtable, NULL, 0, NULL, 0) == NULL);
    CHECK_EQ_STR(mr_error(), "dataset_new: a dataset has at least one field");
    mr_loader *l = mr_loader_new(none, rng, NULL);
    CHECK_EQ_I64(mr_loader_next(l, &b), MR_END);
    CHECK_EQ_I64(mr_loader_next(NULL, &b), MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(), "loader_next: loader is NULL");
    CHECK_EQ_I64(mr_loader_len(NULL), 0);
    CHECK_EQ_STR(mr_error(), "loader_len: loader is NULL");
    CHECK_EQ_I64(mr_loader_batch_size(NULL), 0);
    CHECK_EQ_STR(mr_error(), "loader_batch_size: loader is NULL");
    CHECK_EQ_I64(mr_dataset_len(NULL), 0);
    CHECK_EQ_STR(mr_error(), "dataset_len: dataset is NULL");
    CHECK(mr_dataset_fields(NULL) == NULL);
    CHECK_EQ_STR(mr_error(), "dataset_fields: dataset is NULL");
    CHECK_EQ_I64(mr_dataset_field_count(NULL), 0);
    CHECK_EQ_STR(mr_error(), "dataset_field_count: dataset is NULL");
    mr_fail(MR_ERR_CALLBACK, "something before");
    CHECK_EQ_I64(mr_loader_next(l, &b), MR_ERR_CALLBACK);
    CHECK_EQ_STR(mr_error(), "something before");
    mr_loader_free(l);
    mr_dataset_free(d);
    mr_dataset_free(none);
    mr_rng_free(rng);
}

int main(void)
{
    RUN(test_one_sample);
    RUN(test_bad_sample_in_a_loader);
    RUN(test_views_and_kept_batches);
    RUN(test_tensor_dataset);
    RUN(test_stream_in_a_loader);
    RUN(test_stream_by_hand);
    RUN(test_sampler);
    RUN(test_collate);
    RUN(test_wrong_arguments);
    return check_report();
}

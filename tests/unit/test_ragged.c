/* Ragged fields: in batches, in datasets of datasets, and padded. */
#include "check.h"
#include "ragged_fixture.h"

#include <millrace/millrace.h>

#include <string.h>

/* Whether the rows of a batch are the fixture's samples. `sample` gives the number of each; NULL: what `indices` says. */
static void check_batch(const mr_batch *b, const int64_t *sample)
{
    const char *const names[] = { "tokens", "label", "pairs", "tokens.offsets", "pairs.offsets" };
    if (!CHECK_EQ_I64(b->field_count, 5))
        return;
    for (int f = 0; f < 5; f++) {
        CHECK_EQ_STR(b->name[f], names[f]);
        CHECK_EQ_STR(mr_tensor_name(b->field[f]), names[f]);
    }
    const int32_t *token = mr_tensor_data(b->field[0]);
    const int64_t *label = mr_tensor_data(b->field[1]), *offset = mr_tensor_data(b->field[3]);
    const float *pair = mr_tensor_data(b->field[2]);
    CHECK_EQ_I64(mr_tensor_size(b->field[3], 0), b->rows + 1);
    CHECK_EQ_I64(mr_tensor_size(b->field[0], 0), offset[b->rows]);
    CHECK_EQ_I64(mr_tensor_size(b->field[2], 0), offset[b->rows]);
    CHECK_EQ_I64(mr_tensor_size(b->field[2], 1), 2);
    CHECK(memcmp(offset, mr_tensor_data(b->field[4]), (size_t)(b->rows + 1) * sizeof *offset) == 0);
    CHECK_EQ_I64(offset[0], 0);
    for (int64_t i = 0; i < b->rows; i++) {
        int64_t n = sample ? sample[i] : b->indices[i];
        CHECK_EQ_I64(label[i], n);
        CHECK_EQ_I64(offset[i + 1] - offset[i], ragged_items(n));
        for (int64_t j = 0; j < ragged_items(n); j++) {
            int64_t at = offset[i] + j;
            CHECK(token[at] == 10 * n + j && pair[2 * at] == (float)n && pair[2 * at + 1] == (float)j);
        }
    }
}

/* ---- batches ---- */

static void test_batches(void)
{
    for (int workers = 0; workers < 4; workers++)
        for (int64_t batch_size = 1; batch_size < 40; batch_size += 12) {
            mr_rng *rng = mr_rng_new(1);
            mr_dataset *data = ragged_new(31, -1, -1);
            mr_loader *loader = mr_loader_new(
                data, rng,
                &(mr_loader_opts){ .batch_size = batch_size, .shuffle = true, .workers = workers });
            const mr_batch *b;
            mr_batch *kept = NULL;
            for (int epoch = 0; epoch < 3; epoch++) {
                int64_t rows = 0;
                for (; mr_loader_next(loader, &b) == MR_OK; rows += b->rows) {
                    check_batch(b, NULL);
                    if (!kept)
                        kept = mr_batch_keep(b);
                }
                CHECK_EQ_I64(rows, 31);
            }
            check_batch(kept, NULL);
            mr_batch_free(kept);
            mr_loader_free(loader);
            mr_dataset_free(data);
            mr_rng_free(rng);
        }
}

static void test_one_sample(void)
{
    mr_dataset *data = ragged_new(31, -1, -1), *stream = ragged_stream_new(5);
    mr_batch *b = mr_dataset_get(data, 4);
    CHECK_EQ_I64(b->field_count, 3);
    CHECK_EQ_I64(mr_tensor_size(b->field[0], 0), 4);
    CHECK_EQ_I64(((const int32_t *)mr_tensor_data(b->field[0]))[3], 43);
    CHECK_EQ_I64(mr_tensor_ndim(b->field[1]), 0);
    CHECK_EQ_I64(mr_tensor_size(b->field[2], 0), 4);
    mr_batch_free(b);
    b = mr_dataset_get(data, 6); /* without any items */
    CHECK_EQ_I64(mr_tensor_size(b->field[0], 0), 0);
    mr_batch_free(b);

    mr_cursor *cursor = mr_stream_open(stream);
    const mr_batch *s;
    for (int64_t i = 0; i < 5; i++) {
        CHECK_EQ_I64(mr_cursor_next(cursor, &s), MR_OK);
        CHECK_EQ_I64(mr_tensor_size(s->field[0], 0), ragged_items(i));
        CHECK_EQ_I64(mr_tensor_size(s->field[2], 0), ragged_items(i));
        if (ragged_items(i))
            CHECK_EQ_I64(((const int32_t *)mr_tensor_data(s->field[0]))[0], 10 * i);
    }
    CHECK_EQ_I64(mr_cursor_next(cursor, &s), MR_END);
    mr_cursor_free(cursor);
    mr_dataset_free(stream);
    mr_dataset_free(data);
}

static void test_streams(void)
{
    for (int workers = 0; workers < 3; workers++) {
        mr_rng *rng = mr_rng_new(1);
        mr_dataset *stream = ragged_stream_new(10),
                   *chain = mr_chain_new((mr_dataset *[]){ stream, stream }, 2);
        mr_loader *loader =
            mr_loader_new(chain, rng, &(mr_loader_opts){ .batch_size = 7, .workers = workers });
        const mr_batch *b;
        for (int64_t at = 0; mr_loader_next(loader, &b) == MR_OK; at += b->rows) {
            int64_t sample[7];
            for (int64_t i = 0; i < b->rows; i++)
                sample[i] = (at + i) % 10;
            check_batch(b, sample);
        }
        mr_loader_free(loader);
        mr_dataset_free(chain);
        mr_dataset_free(stream);
        mr_rng_free(rng);
    }
}

/* Shards, whose last samples are put together, and blocks that are shuffled: rows move from one slot to another. */
static void test_shuffled_streams(void)
{
    for (int workers = 0; workers < 4; workers++)
        for (int64_t shards = 1; shards < 6; shards += 2)
            for (int64_t block = 0; block < 20; block += 9) {
                mr_rng *rng = mr_rng_new(1);
                mr_dataset *stream = ragged_stream_new(50);
                mr_loader *loader = mr_loader_new(stream, rng,
                                                  &(mr_loader_opts){ .batch_size = 7,
                                                                     .workers = workers,
                                                                     .shards = shards,
                                                                     .shuffle = block > 0,
                                                                     .shuffle_block = block });
                const mr_batch *b;
                for (int epoch = 0; epoch < 3; epoch++) {
                    int times[50] = { 0 };
                    int64_t rows = 0;
                    for (; mr_loader_next(loader, &b) == MR_OK; rows += b->rows) {
                        const int64_t *label = mr_tensor_data(b->field[1]);
                        check_batch(b, label);
                        for (int64_t i = 0; i < b->rows; i++)
                            times[label[i]]++;
                    }
                    CHECK_EQ_I64(rows, 50);
                    for (int i = 0; i < 50; i++)
                        CHECK_EQ_I64(times[i], 1);
                }
                mr_loader_free(loader);
                mr_dataset_free(stream);
                mr_rng_free(rng);
            }
}

/* Rows that are left out take their items with them, and no memory is lost or there twice. */
static void test_bad_samples(void)
{
    for (int workers = 0; workers < 3; workers++) {
        mr_rng *rng = mr_rng_new(1);
        mr_dataset *data = ragged_new(20, 5, -1);
        mr_loader *loader = mr_loader_new(
            data, rng,
            &(mr_loader_opts){ .batch_size = 8, .workers = workers, .on_bad_sample = MR_BAD_SKIP });
        const mr_batch *b;
        for (int epoch = 0; epoch < 3; epoch++) {
            int64_t rows = 0;
            for (; mr_loader_next(loader, &b) == MR_OK; rows += b->rows)
                check_batch(b, NULL);
            CHECK_EQ_I64(rows, 19);
        }
        mr_loader_free(loader);
        mr_dataset_free(data);
        mr_rng_free(rng);
    }
}

/* A callback that forgets to say how many items there are has given none, whatever was there before. */
static mr_status forgetful_get(void *self, int64_t index, const mr_sample *sample)
{
    if (index % 2 == 0)
        return ragged_get(self, index, sample);
    *(int64_t *)sample->field[1] = index;
    return MR_OK;
}

static void test_forgotten(void)
{
    static const mr_dataset_vtable vtable = { .len = ragged_len, .get = forgetful_get };
    ragged_fixture f = { 21, -1, -1 };
    mr_rng *rng = mr_rng_new(1);
    mr_dataset *data = mr_dataset_new(&vtable, &f, sizeof f, ragged_fields, 3);
    mr_loader *loader = mr_loader_new(data, rng, &(mr_loader_opts){ .batch_size = 3 });
    const mr_batch *b;
    while (mr_loader_next(loader, &b) == MR_OK) {
        const int64_t *offset = mr_tensor_data(b->field[3]);
        for (int64_t i = 0; i < b->rows; i++)
            CHECK_EQ_I64(offset[i + 1] - offset[i], b->indices[i] % 2 ? 0 : ragged_items(b->indices[i]));
    }
    mr_loader_free(loader);
    mr_dataset_free(data);
    mr_rng_free(rng);
}

/* The same, of which a bad sample fails in the first epoch alone, behind its items. */
static mr_status once_bad_get(void *self, int64_t index, const mr_sample *sample)
{
    const ragged_fixture all = { ((ragged_fixture *)self)->length, -1, -1 };
    const mr_status status = forgetful_get((void *)(uintptr_t)&all, index, sample);
    const bool bad = index == ((ragged_fixture *)self)->bad && sample->epoch == 0;
    return bad ? mr_fail(MR_ERR_FORMAT, "text is damaged") : status;
}

static mr_status once_bad_next(void *cursor, const mr_sample *sample)
{
    int64_t *at = cursor;
    ragged_fixture f = { at[1], 4, -1 };
    return at[0] >= at[1] ? MR_END : once_bad_get(&f, at[0]++, sample);
}

static mr_status once_bad_get_many(void *self, const int64_t *indices, int64_t count, const mr_sample *first)
{
    mr_status status = MR_OK;
    for (int64_t i = 0; i < count && status == MR_OK; i++) {
        void *field[] = { (mr_ragged *)first->field[0] + i, (int64_t *)first->field[1] + i,
                          (mr_ragged *)first->field[2] + i };
        const mr_sample one = { .field = field, .epoch = first->epoch };
        status = once_bad_get(self, indices[i], &one);
    }
    return status;
}

static bool is_not_two(void *user, void *const *field)
{
    (void)user;
    return *(const int64_t *)field[1] != 2;
}

/* Goes through two epochs, and leaves them at a failure. */
static void check_forgotten(mr_dataset *data, mr_loader_opts opts)
{
    mr_rng *rng = mr_rng_new(1);
    mr_loader *loader = mr_loader_new(data, rng, &opts);
    const mr_batch *b;
    for (int epoch = 0; epoch < 2; epoch++) {
        mr_status status;
        while ((status = mr_loader_next(loader, &b)) == MR_OK) {
            const int64_t *offset = mr_tensor_data(b->field[3]), *label = mr_tensor_data(b->field[1]);
            for (int64_t i = 0; i < b->rows; i++)
                CHECK_EQ_I64(offset[i + 1] - offset[i], label[i] % 2 ? 0 : ragged_items(label[i]));
        }
        CHECK_EQ_I64(status, epoch == 0 && opts.on_bad_sample == MR_BAD_STOP ? MR_ERR_FORMAT : MR_END);
    }
    mr_loader_free(loader);
    mr_rng_free(rng);
}

/* Rows that were written and never delivered: of a bad sample, of a batch with one, of a sample that a filter leaves out. */
static void test_forgotten_in_used_rows(void)
{
    static const mr_dataset_vtable one_by_one = { .len = ragged_len, .get = once_bad_get }, many = {
        .len = ragged_len, .get = once_bad_get, .get_many = once_bad_get_many
    };
    static const mr_stream_vtable by_turns = { .open = ragged_open, .next = once_bad_next, .close = free };
    ragged_fixture f = { 40, 8, -1 };
    mr_dataset *stream = mr_stream_new(&by_turns, &f, sizeof f, ragged_fields, 3);
    for (int workers = 0; workers < 3; workers++) {
        for (int is_many = 0; is_many < 2; is_many++) {
            mr_dataset *data = mr_dataset_new(is_many ? &many : &one_by_one, &f, sizeof f, ragged_fields, 3);
            check_forgotten(data, (mr_loader_opts){ .batch_size = 5, .workers = workers });
            check_forgotten(
                data, (mr_loader_opts){ .batch_size = 4, .workers = workers, .on_bad_sample = MR_BAD_SKIP });
            mr_dataset_free(data);
        }
        for (int shuffle = 0; shuffle < 2; shuffle++)
            check_forgotten(stream, (mr_loader_opts){ .batch_size = 4,
                                                      .workers = workers,
                                                      .shuffle = shuffle,
                                                      .shuffle_block = shuffle ? 8 : 0,
                                                      .on_bad_sample = MR_BAD_SKIP });
    }
    mr_dataset_free(stream);
}

static void test_forgotten_by_hand(void)
{
    static const mr_stream_vtable by_turns = { .open = ragged_open, .next = once_bad_next, .close = free };
    ragged_fixture f = { 9, -1, -1 };
    mr_dataset *stream = mr_stream_new(&by_turns, &f, sizeof f, ragged_fields, 3),
               *filter = mr_filter_new(stream, is_not_two, NULL);
    for (int filtered = 0; filtered < 2; filtered++) {
        mr_cursor *cursor = mr_stream_open(filtered ? filter : stream);
        const mr_batch *b;
        for (int64_t i = 0; i < 9; i++) {
            if (filtered && i == 2)
                continue;
            const mr_status status = mr_cursor_next(cursor, &b);
            if (i == 4 && CHECK_EQ_I64(status, MR_ERR_FORMAT))
                mr_error_clear();
            else if (CHECK_EQ_I64(status, MR_OK))
                CHECK_EQ_I64(mr_tensor_size(b->field[0], 0), i % 2 ? 0 : ragged_items(i));
        }
        mr_cursor_free(cursor);
    }
    mr_dataset_free(filter);
    mr_dataset_free(stream);
}

static void test_errors(void)
{
    static const mr_field none = { "nothing", MR_FLOAT32, { 2, { -1, 0 } } },
                          inner = { "x", MR_FLOAT32, { 2, { 3, -1 } } };
    mr_ragged r = { .item_bytes = 4 };
    ragged_fixture f = { 1, -1, -1 };
    CHECK(mr_dataset_new(&ragged_vtable, &f, sizeof f, &none, 1) == NULL);
    check_error("dataset_new: the items of field 'nothing' have no elements");
    CHECK(mr_dataset_new(&ragged_vtable, &f, sizeof f, &inner, 1) == NULL);
    CHECK(strstr(mr_error(), "dataset_new") && strstr(mr_error(), "-1"));
    mr_error_clear();
    CHECK(mr_ragged_resize(NULL, 1) == NULL);
    check_error("ragged_resize: ragged is NULL");
    CHECK(mr_ragged_resize(&r, -1) == NULL);
    check_error("ragged_resize: -1 items");
    CHECK(mr_ragged_resize(&r, INT64_MAX) == NULL);
    CHECK_EQ_I64(mr_error_status(), MR_ERR_MEMORY);
    mr_error_clear();
}

/* ---- datasets of datasets ---- */

static mr_status add_one(void *user, void *const *in, void *const *out, int64_t index, mr_random *random)
{
    const mr_ragged *from = in[0];
    mr_ragged *to = out[0];
    (void)user;
    (void)index;
    (void)random;
    int32_t *token = mr_ragged_resize(to, from->count + 1); /* the last one twice */
    if (!token)
        return MR_ERR_MEMORY;
    if (to != from)
        memcpy(token, from->data, (size_t)from->count * sizeof *token);
    token[to->count - 1] = to->count > 1 ? token[to->count - 2] : -1;
    return MR_OK;
}

static bool is_long(void *user, void *const *field)
{
    (void)user;
    return ((const mr_ragged *)field[0])->count > 2;
}

static void check_loaded(mr_dataset *data, const int64_t *sample, int64_t count)
{
    for (int workers = 0; workers < 3; workers++) {
        mr_rng *rng = mr_rng_new(1);
        mr_loader *loader =
            mr_loader_new(data, rng, &(mr_loader_opts){ .batch_size = 4, .workers = workers });
        const mr_batch *b;
        for (int epoch = 0; epoch < 2; epoch++) {
            int64_t at = 0;
            for (; mr_loader_next(loader, &b) == MR_OK && at + b->rows <= count; at += b->rows)
                check_batch(b, sample + at);
            CHECK_EQ_I64(at, count);
        }
        mr_loader_free(loader);
        mr_rng_free(rng);
    }
}

static void test_datasets(void)
{
    const int64_t indices[] = { 7, 3, 11, 3, 0 }, joined_samples[] = { 0, 1, 2, 7, 3, 11, 3, 0 },
                  long_samples[] = { 3, 4, 5, 9, 10, 11 };
    mr_dataset *data = ragged_new(12, -1, -1), *some = ragged_new(3, -1, -1), *stream = ragged_stream_new(12);
    mr_dataset *part = mr_subset_new(data, indices, 5),
               *joined = mr_concat_new((mr_dataset *[]){ some, part }, 2);
    mr_dataset *cache = mr_cache_new(joined, NULL), *filter = mr_filter_new(stream, is_long, NULL);
    check_loaded(part, indices, 5);
    check_loaded(joined, joined_samples, 8);
    check_loaded(cache, joined_samples, 8);
    check_loaded(cache, joined_samples, 8);
    check_loaded(filter, long_samples, 6);
    mr_dataset *all[] = { data, some, stream, part, joined, cache, filter };
    for (int i = 0; i < 7; i++)
        mr_dataset_free(all[i]);
}

static void test_map(void)
{
    const mr_map_opts to_tokens = { .fields = ragged_fields, .field_count = 1 };
    for (int in_place = 0; in_place < 2; in_place++)
        for (int is_stream = 0; is_stream < 2; is_stream++) {
            mr_dataset *data = is_stream ? ragged_stream_new(12) : ragged_new(12, -1, -1);
            mr_dataset *map = mr_map_new(data, add_one, NULL, in_place ? NULL : &to_tokens);
            mr_rng *rng = mr_rng_new(1);
            mr_loader *loader =
                mr_loader_new(map, rng, &(mr_loader_opts){ .batch_size = 5, .workers = in_place });
            const mr_batch *b;
            for (int64_t at = 0; mr_loader_next(loader, &b) == MR_OK; at += b->rows) {
                const int64_t *offset = mr_tensor_data(b->field[in_place ? 3 : 1]);
                const int32_t *token = mr_tensor_data(b->field[0]);
                for (int64_t i = 0; i < b->rows; i++) {
                    int64_t n = at + i, items = ragged_items(n);
                    CHECK_EQ_I64(offset[i + 1] - offset[i], items + 1);
                    for (int64_t j = 0; j <= items; j++)
                        CHECK_EQ_I64(token[offset[i] + j],
                                     items == 0 ? -1 : 10 * n + (j < items ? j : items - 1));
                }
            }
            mr_loader_free(loader);
            mr_dataset_free(data);
            mr_dataset_free(map);
            mr_rng_free(rng);
        }
}

static void test_zip(void)
{
    const char *const names[] = { "a", "b" };
    const int64_t indices[] = { 3, 2, 1, 0 };
    mr_dataset *data = ragged_new(4, -1, -1), *back = mr_subset_new(data, indices, 4);
    mr_dataset *both = mr_zip_new((mr_dataset *[]){ data, back }, names, 2);
    mr_rng *rng = mr_rng_new(1);
    mr_loader *loader = mr_loader_new(both, rng, &(mr_loader_opts){ .batch_size = 4 });
    const mr_batch *b;
    CHECK_EQ_I64(mr_loader_next(loader, &b), MR_OK);
    CHECK_EQ_I64(b->field_count, 10);
    CHECK_EQ_STR(b->name[8], "b.tokens.offsets");
    const int64_t *offset = mr_tensor_data(b->field[8]);
    for (int64_t i = 0; i < 4; i++) {
        CHECK_EQ_I64(offset[i + 1] - offset[i], ragged_items(3 - i));
        if (ragged_items(3 - i))
            CHECK_EQ_I64(((const int32_t *)mr_tensor_data(b->field[3]))[offset[i]], 10 * (3 - i));
    }
    mr_loader_free(loader);
    mr_dataset_free(data);
    mr_dataset_free(back);
    mr_dataset_free(both);
    mr_rng_free(rng);
}

static void test_verify(void)
{
    mr_dataset *data = ragged_new(23, -1, -1);
    mr_rng *rng = mr_rng_new(1);
    mr_digest first = { { 0 }, 0, 0, 0, 0 };
    for (int64_t batch_size = 1; batch_size < 24; batch_size++) {
        mr_digest digest;
        mr_loader *loader = mr_loader_new(data, rng, &(mr_loader_opts){ .batch_size = batch_size });
        CHECK_EQ_I64(mr_loader_verify(loader, true, &digest), MR_OK);
        first = batch_size == 1 ? digest : first;
        CHECK(digest.order == first.order && mr_digest_same_samples(&digest, &first));
        mr_loader_free(loader);
    }
    mr_rng_free(rng);
    mr_dataset_free(data);
}

/* ---- padded ---- */

static void check_padded(const mr_batch *b, int64_t length, double value)
{
    const char *const names[] = { "tokens",         "label",         "pairs",        "tokens.padding",
                                  "tokens.lengths", "pairs.padding", "pairs.lengths" };
    if (!CHECK_EQ_I64(b->field_count, 7))
        return;
    for (int f = 0; f < 7; f++)
        CHECK_EQ_STR(b->name[f], names[f]);
    CHECK_EQ_I64(mr_tensor_size(b->field[0], 1), length);
    CHECK_EQ_I64(mr_tensor_size(b->field[2], 2), 2);
    const int32_t *token = mr_tensor_data(b->field[0]);
    const float *pair = mr_tensor_data(b->field[2]);
    const bool *padding = mr_tensor_data(b->field[3]);
    for (int64_t i = 0; i < b->rows; i++) {
        int64_t n = b->indices[i], items = ragged_items(n);
        CHECK_EQ_I64(((const int64_t *)mr_tensor_data(b->field[1]))[i], n);
        CHECK_EQ_I64(((const int64_t *)mr_tensor_data(b->field[4]))[i], items);
        for (int64_t j = 0; j < length; j++) {
            int64_t at = i * length + j;
            CHECK(padding[at] == (j >= items));
            CHECK_EQ_I64(token[at], j < items ? 10 * n + j : (int64_t)value);
            CHECK(pair[2 * at + 1] == (j < items ? (float)j : (float)value));
        }
    }
}

static void test_pad(void)
{
    mr_collate_pad_opts most = { .multiple_of = INT64_MAX };
    mr_collate_pad_opts eight = { .value = -100, .length = 8 }, four = { .multiple_of = 4 },
                        short_ = { .length = 3 }, bad = { .length = -1 };
    mr_dataset *data = ragged_new(20, -1, -1);
    mr_rng *rng = mr_rng_new(1);
    const mr_batch *b;
    mr_loader *loader = collating(data, rng, mr_collate_pad, NULL, 3);
    for (int epoch = 0; epoch < 2; epoch++)
        while (mr_loader_next(loader, &b) == MR_OK) {
            int64_t longest = 0;
            for (int64_t i = 0; i < b->rows; i++)
                longest = ragged_items(b->indices[i]) > longest ? ragged_items(b->indices[i]) : longest;
            check_padded(b, longest, 0);
        }
    mr_loader_free(loader);
    loader = collating(data, rng, mr_collate_pad, &eight, 7);
    while (mr_loader_next(loader, &b) == MR_OK)
        check_padded(b, 8, -100);
    mr_loader_free(loader);
    loader = collating(data, rng, mr_collate_pad, &four, 5);
    while (mr_loader_next(loader, &b) == MR_OK)
        check_padded(b, b->indices[0] ? 8 : 4, 0);
    mr_loader_free(loader);
    loader = collating(data, rng, mr_collate_pad, &short_, 5);
    CHECK_EQ_I64(mr_loader_next(loader, &b), MR_ERR_SHAPE);
    check_error(
        "loader: batch at position 0: collate_pad: sample 4 has 4 items of 'tokens', and a row takes 3");
    mr_loader_free(loader);
    loader = collating(data, rng, mr_collate_pad, &bad, 5);
    CHECK_EQ_I64(mr_loader_next(loader, &b), MR_ERR_ARGUMENT);
    check_error("loader: batch at position 0: collate_pad: length -1, multiple_of 0");
    mr_loader_free(loader);
    loader = collating(data, rng, mr_collate_pad, &most, 5);
    CHECK(mr_loader_next(loader, &b) < 0 && strstr(mr_error(), "9223372036854775807"));
    mr_error_clear();
    mr_loader_free(loader);
    CHECK_EQ_I64(mr_collate_pad(NULL, NULL, NULL), MR_ERR_ARGUMENT);
    check_error("collate_pad: samples is NULL");
    mr_rng_free(rng);
    mr_dataset_free(data);
}

/* ---- together with buckets ---- */

static int64_t length_of(void *user, int64_t index)
{
    (void)user;
    return ragged_items(index);
}

static void test_buckets(void)
{
    mr_dataset *data = ragged_new(60, -1, -1);
    mr_rng *rng = mr_rng_new(1);
    const mr_batch *b;
    mr_loader *loader = collating(data, rng, mr_collate_pad, NULL, 10);
    CHECK_EQ_I64(mr_loader_set_sampler(loader, mr_bucket_sampler_new(60, 10, 1, length_of, NULL, NULL)),
                 MR_OK);
    for (int epoch = 0; epoch < 2; epoch++) {
        int64_t batches = 0;
        for (; mr_loader_next(loader, &b) == MR_OK; batches++) {
            check_padded(b, ragged_items(b->indices[0]), 0);
            for (int64_t i = 0; i < b->rows * mr_tensor_size(b->field[0], 1); i++)
                CHECK(!((const bool *)mr_tensor_data(b->field[3]))[i]); /* ten samples of each length */
        }
        CHECK_EQ_I64(batches, 6);
    }
    mr_loader_free(loader);
    mr_rng_free(rng);
    mr_dataset_free(data);
}

int main(void)
{
    RUN(test_batches);
    RUN(test_one_sample);
    RUN(test_streams);
    RUN(test_shuffled_streams);
    RUN(test_bad_samples);
    RUN(test_forgotten);
    RUN(test_forgotten_in_used_rows);
    RUN(test_forgotten_by_hand);
    RUN(test_errors);
    RUN(test_datasets);
    RUN(test_map);
    RUN(test_zip);
    RUN(test_verify);
    RUN(test_pad);
    RUN(test_buckets);
    return check_report();
}

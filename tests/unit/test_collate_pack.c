/* Ragged fields packed: several samples in a row. */
#include "check.h"
#include "ragged_fixture.h"

static void check_packed(const mr_batch *b, int64_t length, double value)
{
    const char *const names[] = { "tokens",    "label",      "pairs",       "segments",
                                  "positions", "packed_row", "packed_start" };
    if (!CHECK_EQ_I64(b->field_count, 7))
        return;
    for (int f = 0; f < 7; f++)
        CHECK_EQ_STR(b->name[f], names[f]);
    int64_t packed = mr_tensor_size(b->field[0], 0), used = 0, free_places = 0;
    const int32_t *token = mr_tensor_data(b->field[0]);
    const float *pair = mr_tensor_data(b->field[2]);
    const int64_t *segment = mr_tensor_data(b->field[3]), *position = mr_tensor_data(b->field[4]);
    const int64_t *row = mr_tensor_data(b->field[5]), *start = mr_tensor_data(b->field[6]);
    for (int64_t i = 0; i < b->rows; i++) {
        int64_t n = b->indices[i], items = ragged_items(n);
        CHECK_EQ_I64(((const int64_t *)mr_tensor_data(b->field[1]))[i], n);
        CHECK(row[i] >= 0 && row[i] < packed && start[i] >= 0 && start[i] + items <= length);
        for (int64_t j = 0; j < items; j++) {
            int64_t at = row[i] * length + start[i] + j;
            CHECK_EQ_I64(token[at], 10 * n + j);
            CHECK(pair[2 * at] == (float)n && pair[2 * at + 1] == (float)j);
            CHECK_EQ_I64(position[at], j);
            CHECK_EQ_I64(segment[at], segment[row[i] * length + start[i]]);
            /* samples without items take a number, too */
            CHECK(segment[at] > 0 && (j || !start[i] || segment[at - 1] < segment[at]));
        }
        used += items;
    }
    for (int64_t at = 0; at < packed * length; at++)
        if (segment[at] == 0) {
            free_places++;
            CHECK(token[at] == (int32_t)value && position[at] == 0);
        }
    CHECK_EQ_I64(used + free_places, packed * length);
}

static void test_pack(void)
{
    mr_collate_pack_opts eight = { .length = 8, .value = -1 }, three = { .length = 3 }, none = { 0 };
    mr_dataset *data = ragged_new(20, -1, -1), *odd = ragged_new(20, -1, 3);
    mr_rng *rng = mr_rng_new(1);
    const mr_batch *b;
    mr_loader *loader = collating(data, rng, mr_collate_pack, &eight, 6);
    for (int epoch = 0; epoch < 2; epoch++)
        while (mr_loader_next(loader, &b) == MR_OK) {
            check_packed(b, 8, -1);
            if (b->rows == 6) /* 0 to 5 items: 0 1 2 3, then 4, then 5 */
                CHECK_EQ_I64(mr_tensor_size(b->field[0], 0), 3);
        }
    mr_loader_free(loader);
    loader = collating(data, rng, mr_collate_pack, &three, 6);
    CHECK_EQ_I64(mr_loader_next(loader, &b), MR_ERR_SHAPE);
    check_error(
        "loader: batch at position 0: collate_pack: sample 4 has 4 items of 'tokens', and a row takes 3");
    mr_loader_free(loader);
    loader = collating(data, rng, mr_collate_pack, &none, 6);
    CHECK_EQ_I64(mr_loader_next(loader, &b), MR_ERR_ARGUMENT);
    check_error("loader: batch at position 0: collate_pack: length 0 is not at least 1");
    mr_loader_free(loader);
    loader = collating(odd, rng, mr_collate_pack, &eight, 6);
    CHECK_EQ_I64(mr_loader_next(loader, &b), MR_ERR_SHAPE);
    check_error(
        "loader: batch at position 0: collate_pack: sample 3 has 3 items of 'tokens' and 4 of 'pairs'");
    mr_loader_free(loader);
    CHECK_EQ_I64(mr_collate_pack(NULL, NULL, NULL), MR_ERR_ARGUMENT);
    check_error("collate_pack: user is NULL");

    mr_tensor *x = mr_tensor_zeros(MR_FLOAT32, MR_SHAPE(3, 2));
    mr_dataset *dense = mr_dataset_from_tensors(&x, NULL, 1);
    loader = collating(dense, rng, mr_collate_pack, &eight, 3);
    CHECK_EQ_I64(mr_loader_next(loader, &b), MR_ERR_ARGUMENT);
    check_error("loader: batch at position 0: collate_pack: no field is ragged");
    mr_loader_free(loader);
    loader = collating(dense, rng, mr_collate_pad, NULL, 2); /* nothing to pad */
    CHECK_EQ_I64(mr_loader_next(loader, &b), MR_OK);
    CHECK_EQ_I64(b->field_count, 1);
    mr_loader_free(loader);
    mr_dataset_free(dense);
    mr_tensor_free(x);
    mr_rng_free(rng);
    mr_dataset_free(data);
    mr_dataset_free(odd);
}

/* ---- best fit ---- */

static const int64_t *lengths; /* of the samples */

static int64_t lengths_len(void *self)
{
    return *(int64_t *)self;
}

static mr_status lengths_get(void *self, int64_t index, const mr_sample *sample)
{
    (void)self;
    int32_t *item = mr_ragged_resize(sample->field[0], lengths[index]);
    for (int64_t j = 0; item && j < lengths[index]; j++)
        item[j] = (int32_t)(100 * index + j);
    return item ? MR_OK : MR_ERR_MEMORY;
}

static const mr_dataset_vtable lengths_vtable = { .len = lengths_len, .get = lengths_get };
static const mr_field item_field = { "item", MR_INT32, { 1, { -1 } } };

/* Packs the samples as one batch, and compares rows and places with what is expected, both as one digit for each sample;
 * NULL: only the number of packed rows is. */
static void packs(const int64_t *of, int64_t count, mr_collate_pack_opts opts, int64_t packed,
                  const char *rows, const char *starts)
{
    lengths = of;
    mr_rng *rng = mr_rng_new(0);
    mr_dataset *data = mr_dataset_new(&lengths_vtable, &count, sizeof count, &item_field, 1);
    mr_loader *loader = collating(data, rng, mr_collate_pack, &opts, count);
    const mr_batch *b;
    if (CHECK_EQ_I64(mr_loader_next(loader, &b), MR_OK)) {
        const int32_t *item = mr_tensor_data(b->field[0]);
        const int64_t *segment = mr_tensor_data(b->field[1]), *row = mr_tensor_data(b->field[3]),
                      *start = mr_tensor_data(b->field[4]);
        CHECK_EQ_I64(mr_tensor_size(b->field[0], 0), packed);
        for (int64_t i = 0; i < count; i++) {
            if (rows)
                CHECK(row[i] == rows[i] - '0' && start[i] == starts[i] - '0');
            for (int64_t j = 0; j < of[i]; j++) {
                const int64_t at = row[i] * opts.length + start[i] + j;
                CHECK_EQ_I64(item[at], 100 * i + j);
                CHECK(j ? segment[at] == segment[at - 1] : !start[i] || segment[at] > segment[at - 1]);
            }
        }
    }
    mr_loader_free(loader);
    mr_dataset_free(data);
    mr_rng_free(rng);
}

static void test_best_fit(void)
{
    const mr_collate_pack_opts first = { .length = 8 }, best = { .length = 8, .best_fit = true };
    /* the second 5 comes last, and finds no 3 that is free: three rows; the longest first take two */
    packs((const int64_t[]){ 3, 3, 5, 5 }, 4, first, 3, "0012", "0300");
    packs((const int64_t[]){ 3, 3, 5, 5 }, 4, best, 2, "0101", "5500");
    /* into the fuller of two rows that have room; those of one length in the order of the batch */
    packs((const int64_t[]){ 5, 6, 2, 2 }, 4, first, 2, "0101", "0056");
    packs((const int64_t[]){ 5, 6, 2, 2 }, 4, best, 2, "1001", "0065");
    /* the 1 would fit into the first row, too, and leave more free there */
    const mr_collate_pack_opts ten = { .length = 10, .best_fit = true };
    packs((const int64_t[]){ 7, 5, 4, 1 }, 4, ten, 2, "0111", "0059");
    /* none, all of it, and nothing but empty ones */
    packs((const int64_t[]){ 0, 8, 0, 1 }, 4, best, 2, "0001", "8080");
    packs((const int64_t[]){ 0, 0 }, 2, best, 1, "00", "00");
    packs((const int64_t[]){ 0, 0 }, 2, first, 1, "00", "00");
}

/* As few rows as the items fill. */
static void test_many(void)
{
    enum { MANY = 300, LENGTH = 50 };
    int64_t of[MANY], all = 0;
    for (int64_t i = 0; i < MANY; i++)
        all += of[i] = i * 7919 % (LENGTH + 1);
    const int64_t least = (all + LENGTH - 1) / LENGTH;
    packs(of, MANY, (mr_collate_pack_opts){ .length = LENGTH, .best_fit = true }, least, NULL, NULL);
}

int main(void)
{
    RUN(test_pack);
    RUN(test_best_fit);
    RUN(test_many);
    return check_report();
}

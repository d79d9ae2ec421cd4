/* Items in memory, all behind each other, as a ragged dataset. */
#include "check.h"

#include <millrace/millrace.h>

static void check_error(const char *text)
{
    CHECK_EQ_STR(mr_error(), text);
    mr_error_clear();
}

static mr_tensor *int64s(const int64_t *values, int64_t count)
{
    mr_tensor *x = mr_tensor_zeros(MR_INT64, MR_SHAPE(count));
    if (count)
        memcpy(mr_tensor_data(x), values, (size_t)count * sizeof *values);
    return x;
}

static void test_from_memory(void)
{
    const int64_t values[] = { 10, 11, 12, 13, 14, 15 }, offsets[] = { 0, 2, 2, 5, 6 },
                  labels[] = { 7, 8, 9, 6 };
    mr_tensor *v = int64s(values, 6), *o = int64s(offsets, 5), *l = int64s(labels, 4);
    mr_dataset *words = mr_dataset_from_ragged(v, o, "words");
    mr_dataset *label = mr_dataset_from_tensors(&l, (const char *[]){ "label" }, 1);
    mr_dataset *both = mr_zip_new((mr_dataset *[]){ words, label }, NULL, 2);
    CHECK_EQ_I64(mr_dataset_len(both), 4);
    mr_rng *rng = mr_rng_new(0);
    const mr_batch *b;
    for (int workers = 0; workers < 3; workers++) {
        mr_loader *loader =
            mr_loader_new(both, rng, &(mr_loader_opts){ .batch_size = 4, .workers = workers });
        CHECK_EQ_I64(mr_loader_next(loader, &b), MR_OK);
        CHECK_EQ_STR(b->name[2], "words.offsets");
        CHECK(memcmp(mr_tensor_data(b->field[0]), values, sizeof values) == 0);
        CHECK(memcmp(mr_tensor_data(b->field[1]), labels, sizeof labels) == 0);
        CHECK(memcmp(mr_tensor_data(b->field[2]), offsets, sizeof offsets) == 0);
        mr_loader_free(loader);
    }
    mr_loader *loader = mr_loader_new(both, rng, &(mr_loader_opts){ .batch_size = 2 });
    mr_bucket_sampler_opts sorted = { .no_shuffle = true };
    mr_loader_set_sampler(loader, mr_bucket_sampler_new(4, 2, 0, mr_length_by_offsets, o, &sorted));
    CHECK_EQ_I64(mr_loader_next(loader, &b), MR_OK);
    CHECK(b->indices[0] == 1 && b->indices[1] == 3); /* of lengths 0 and 1 */
    CHECK_EQ_I64(*(const int64_t *)mr_tensor_data(b->field[0]), 15);
    mr_loader_free(loader);
    mr_rng_free(rng);
    mr_dataset *all[] = { words, label, both };
    for (int i = 0; i < 3; i++)
        mr_dataset_free(all[i]);

    CHECK(mr_dataset_from_ragged(NULL, o, "x") == NULL);
    check_error("dataset_from_ragged: values is NULL");
    CHECK(mr_dataset_from_ragged(v, NULL, "x") == NULL);
    check_error("dataset_from_ragged: offsets is NULL");
    ((int64_t *)mr_tensor_data(o))[2] = 1;
    CHECK(mr_dataset_from_ragged(v, o, "x") == NULL);
    check_error("dataset_from_ragged: offset 2 is 1, not from 2 to 6");
    ((int64_t *)mr_tensor_data(o))[2] = 7;
    CHECK(mr_dataset_from_ragged(v, o, "x") == NULL);
    check_error("dataset_from_ragged: offset 2 is 7, not from 2 to 6");
    mr_tensor *wrong = mr_tensor_zeros(MR_FLOAT32, MR_SHAPE(2));
    CHECK(mr_dataset_from_ragged(v, wrong, "x") == NULL);
    check_error("dataset_from_ragged: values [6] and offsets [2]");
    mr_tensor *three[] = { v, o, l };
    for (int i = 0; i < 3; i++)
        mr_tensor_free(three[i]);
    mr_tensor_free(wrong);
}

int main(void)
{
    RUN(test_from_memory);
    return check_report();
}

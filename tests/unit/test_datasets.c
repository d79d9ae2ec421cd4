/* Datasets made of datasets by index. */
#include "check.h"
#include "loader_fixture.h"

#include <millrace/datasets.h>

#include <stdlib.h>
#include <string.h>

static const fixture good = { .bad = -1, .bad2 = -1 };

static mr_dataset *numbers(int64_t length, bool many)
{
    fixture f = good;
    f.length = length;
    f.many = many;
    return fixture_new(f);
}

/* Whether the sample at `index` is the fixture's sample `number`. */
static void check_sample(mr_dataset *data, int64_t index, int64_t number)
{
    mr_batch *b = mr_dataset_get(data, index);
    if (!CHECK(b != NULL)) {
        printf("    %s\n", mr_error());
        return;
    }
    const int64_t *pair = mr_tensor_data(b->field[0]);
    CHECK_EQ_I64(pair[0], number);
    CHECK_EQ_I64(pair[1], number * number);
    CHECK_EQ_I64(*(const uint8_t *)mr_tensor_data(b->field[1]), number % 251);
    mr_batch_free(b);
}

/* Whether a loader with any number of workers gives these numbers, in `batch_size` rows each. */
static void check_loaded(mr_dataset *data, const int64_t *number, int64_t count, int64_t batch_size)
{
    for (int workers = 0; workers < 4; workers++) {
        mr_rng *rng = mr_rng_new(0);
        mr_loader *loader =
            mr_loader_new(data, rng, &(mr_loader_opts){ .batch_size = batch_size, .workers = workers });
        const mr_batch *b;
        int64_t at = 0;
        while (mr_loader_next(loader, &b) == MR_OK)
            for (int64_t i = 0; i < b->rows; i++, at++) {
                const int64_t *pair = (const int64_t *)mr_tensor_data(b->field[0]) + 2 * i;
                if (at < count && (pair[0] != number[at] || pair[1] != number[at] * number[at]))
                    CHECK_EQ_I64(pair[0], number[at]);
                if (at < count)
                    CHECK_EQ_I64(((const uint8_t *)mr_tensor_data(b->field[1]))[i], number[at] % 251);
            }
        CHECK_EQ_I64(at, count);
        mr_loader_free(loader);
        mr_rng_free(rng);
    }
}

static void check_error(const char *text)
{
    CHECK_EQ_STR(mr_error(), text);
    mr_error_clear();
}

/* ---- subset ---- */

static void test_subset(void)
{
    int64_t indices[600];
    for (int i = 0; i < 600; i++)
        indices[i] = (int64_t)i * 7 % 1000;
    for (int many = 0; many < 2; many++) {
        mr_dataset *data = numbers(1000, many), *part = mr_subset_new(data, indices, 600);
        mr_dataset *of_part = mr_subset_new(part, indices, 85);
        mr_dataset_free(data); /* the parts go on */
        mr_dataset_free(part);
        CHECK_EQ_I64(mr_dataset_len(of_part), 85);
        CHECK_EQ_I64(mr_dataset_field_count(of_part), 2);
        check_sample(of_part, 3, indices[21]);
        int64_t want[85];
        for (int i = 0; i < 85; i++)
            want[i] = indices[indices[i]];
        check_loaded(of_part, want, 85, 10);
        mr_dataset_free(of_part);
        CHECK_EQ_I64(workers_open, 0);
    }
    mr_dataset *data = numbers(1000, true), *part = mr_subset_new(data, indices, 600);
    check_loaded(part, indices, 600, 600); /* more at once than there is room for */
    mr_dataset_free(part);
    mr_dataset_free(data);
}

static void test_subset_errors(void)
{
    const int64_t indices[] = { 3, 10 };
    mr_dataset *data = numbers(10, false), *stream = fixture_stream_new(good);
    CHECK(mr_subset_new(data, indices, 2) == NULL);
    check_error("subset_new: index 10 is out of range for 10 samples");
    CHECK(mr_subset_new(data, NULL, 2) == NULL);
    check_error("subset_new: 2 indices at NULL");
    CHECK(mr_subset_new(data, indices, -1) == NULL);
    check_error("subset_new: -1 indices");
    CHECK(mr_subset_new(NULL, indices, 1) == NULL);
    check_error("subset_new: dataset is NULL");
    CHECK(mr_subset_new(stream, indices, 1) == NULL);
    check_error("subset_new: a stream has no samples by index");
    mr_dataset_free(data);
    mr_dataset_free(stream);
    mr_field fields[65];
    for (int i = 0; i < 65; i++)
        fields[i] = (mr_field){ .name = "x" };
    data = mr_dataset_new(&fixture_vtable, &good, sizeof good, fields, 65);
    CHECK(mr_subset_new(data, indices, 1) == NULL);
    check_error("subset_new: 65 fields, and 64 are the most");
    mr_dataset_free(data);
}

/* ---- random_split ---- */

static void compare_part(mr_dataset *part, char *line)
{
    int64_t at = 0;
    for (char *c = line; *c && *c != '\n'; at++) {
        int64_t number = strtoll(c, &c, 10);
        mr_batch *b = mr_dataset_get(part, at);
        if (CHECK(b != NULL))
            CHECK_EQ_I64(*(const int64_t *)mr_tensor_data(b->field[0]), number);
        mr_batch_free(b);
        c += *c == ' ';
    }
    CHECK_EQ_I64(mr_dataset_len(part), at);
    mr_dataset_free(part);
}

static void compare_split(FILE *file, char *line, char **text, size_t *room)
{
    unsigned long long seed;
    long long samples, word = -1;
    int fractions, at, count = 0;
    int64_t lengths[10];
    double fraction[10];
    if (!CHECK(sscanf(line, "case %llu %lld %d :%n", &seed, &samples, &fractions, &at) == 3))
        return;
    for (char *c = line + at; *c && *c != '\n'; count++) {
        fraction[count] = strtod(c, &c);
        lengths[count] = (int64_t)fraction[count];
    }
    mr_rng *rng = mr_rng_new(seed);
    mr_dataset *data = numbers(samples, false), *part[10];
    for (int twice = 0; twice < 2; twice++) {
        CHECK_EQ_I64(fractions ? mr_random_split_fractions(data, fraction, count, rng, part)
                               : mr_random_split(data, lengths, count, rng, part),
                     MR_OK);
        for (int i = 0; i < count && CHECK(getline(text, room, file) > 0); i++)
            compare_part(part[i], *text);
    }
    CHECK(getline(text, room, file) > 0 && sscanf(*text, "next %lld", &word) == 1);
    CHECK_EQ_I64(mr_rng_u32(rng) & 0x7fffffff, word);
    mr_dataset_free(data);
    mr_rng_free(rng);
}

static int warnings;

static void count_warnings(void *user, mr_log_level level, const char *line)
{
    (void)user;
    warnings += level == MR_LOG_WARNING && strcmp(line, "random_split: part 1 has no samples") == 0;
}

static void test_golden_split(void)
{
    FILE *file = fopen(MR_TEST_DATA "/split.txt", "r");
    char *line = NULL, *text = NULL;
    size_t room = 0, more = 0;
    int cases = 0;
    if (!CHECK(file != NULL))
        return;
    mr_set_log_hook(count_warnings, NULL);
    for (; getline(&line, &room, file) > 0; cases++)
        compare_split(file, line, &text, &more);
    mr_set_log_hook(NULL, NULL);
    CHECK_EQ_I64(cases, 144);
    CHECK_EQ_I64(warnings, 102);
    free(line);
    free(text);
    fclose(file);
}

static void *allocate_little(void *user, size_t bytes, size_t alignment)
{
    (void)user;
    return bytes > 1 << 20 ? NULL : aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
}

static void release(void *user, void *memory)
{
    (void)user;
    free(memory);
}

/* Fractions that add up to 1 as nearly as is asked for, and still to more samples than there are. */
static void test_split_of_many(void)
{
    static const mr_allocator little = { allocate_little, release, NULL };
    const double fractions[] = { 0.5, 0.5 + 9e-10 };
    mr_rng *rng = mr_rng_new(0);
    mr_dataset *data = numbers(4000000000, false), *part[2];
    mr_set_allocator(&little);
    CHECK_EQ_I64(mr_random_split_fractions(data, fractions, 2, rng, part), MR_ERR_ARGUMENT);
    check_error("random_split: the fractions add up to 1.0000000009, which is 3 samples too many");
    mr_set_allocator(NULL);
    mr_dataset_free(data);
    mr_rng_free(rng);
}

static void test_split_errors(void)
{
    const int64_t lengths[] = { 3, 6 }, negative[] = { 11, -1 };
    const double fractions[] = { 0.5, 0.6 }, above[] = { 1.5, -0.5 }, small[] = { 0.5, 0.49999999 },
                 hardly[] = { 1.0000001, 0 }, nearly[] = { 0.2, 0.4, 0.3, 0.1 };
    mr_rng *rng = mr_rng_new(0);
    mr_dataset *data = numbers(10, false), *part[3], *stream = fixture_stream_new(good);
    mr_dataset *large = numbers(INT64_C(1) << 32, false);
    CHECK_EQ_I64(mr_random_split(data, lengths, 2, rng, part), MR_ERR_ARGUMENT);
    CHECK(part[0] == NULL && part[1] == NULL);
    check_error("random_split: the lengths add up to 9, and there are 10 samples");
    CHECK(mr_random_split(data, negative, 2, rng, part) < 0);
    check_error("random_split: length -1 of part 1");
    CHECK(mr_random_split(data, lengths, 0, rng, part) < 0);
    check_error("random_split: no parts");
    CHECK(mr_random_split(data, lengths, 2, NULL, part) < 0);
    check_error("random_split: rng is NULL");
    CHECK(mr_random_split(stream, lengths, 2, rng, part) < 0);
    check_error("random_split: a stream has no samples by index");
    CHECK(mr_random_split(large, lengths, 2, rng, part) < 0);
    check_error("random_split: torch's permutation takes at most 2^32-1 samples, not 4294967296");
    CHECK(mr_random_split_fractions(data, fractions, 2, rng, part) < 0);
    check_error("random_split: the fractions add up to 1.1, not 1");
    CHECK(mr_random_split_fractions(data, above, 2, rng, part) < 0);
    check_error("random_split: fraction 1.5 of part 0 is not 0 to 1");
    CHECK(mr_random_split_fractions(data, small, 2, rng, part) < 0);
    check_error("random_split: the fractions add up to 0.9999999900000001, not 1");
    CHECK(mr_random_split_fractions(data, hardly, 2, rng, part) < 0);
    check_error("random_split: fraction 1.0000001 of part 0 is not 0 to 1");
    CHECK(mr_random_split_fractions(data, NULL, 2, rng, part) < 0);
    check_error("random_split: no parts");
    /* their sum is a little more than 1, where torch takes them for lengths and fails */
    mr_dataset *four[4];
    CHECK_EQ_I64(mr_random_split_fractions(data, nearly, 4, rng, four), MR_OK);
    const int64_t want[] = { 2, 4, 3, 1 };
    for (int i = 0; i < 4; i++) {
        CHECK_EQ_I64(mr_dataset_len(four[i]), want[i]);
        mr_dataset_free(four[i]);
    }
    mr_dataset_free(data);
    mr_dataset_free(stream);
    mr_dataset_free(large);
    mr_rng_free(rng);
}

/* ---- concat ---- */

static void test_concat(void)
{
    for (int many = 0; many < 4; many++) {
        mr_dataset *all[] = { numbers(3, many & 1), numbers(0, false), numbers(500, many & 2),
                              numbers(1, true) };
        mr_dataset *joined = mr_concat_new(all, 4);
        for (int i = 0; i < 4; i++)
            mr_dataset_free(all[i]);
        CHECK_EQ_I64(mr_dataset_len(joined), 504);
        check_sample(joined, 0, 0);
        check_sample(joined, 2, 2);
        check_sample(joined, 3, 0);
        check_sample(joined, 502, 499);
        check_sample(joined, 503, 0);
        int64_t want[504];
        for (int i = 0; i < 504; i++)
            want[i] = i < 3 ? i : i < 503 ? i - 3 : 0;
        check_loaded(joined, want, 504, 7);
        check_loaded(joined, want, 504, 504);
        mr_dataset_free(joined);
        CHECK_EQ_I64(workers_open, 0);
    }
}

static void test_concat_errors(void)
{
    static const mr_field other[] = { { "pair", MR_INT64, { 1, { 3 } } }, { "byte", MR_UINT8, { 0 } } };
    mr_dataset *a = numbers(3, false), *b = mr_dataset_new(&fixture_vtable, &good, sizeof good, other, 1);
    mr_dataset *c = mr_dataset_new(&fixture_vtable, &good, sizeof good, other, 2),
               *d = fixture_stream_new(good);
    mr_dataset *most = numbers(INT64_MAX, false);
    CHECK(mr_concat_new(NULL, 1) == NULL);
    check_error("concat_new: no datasets");
    CHECK(mr_concat_new(&a, 0) == NULL);
    check_error("concat_new: no datasets");
    CHECK(mr_concat_new((mr_dataset *[]){ a, b }, 2) == NULL);
    check_error("concat_new: dataset 1 has 1 fields, dataset 0 has 2");
    CHECK(mr_concat_new((mr_dataset *[]){ a, c }, 2) == NULL);
    check_error("concat_new: field 0, 'pair', of dataset 1 is not the 'pair' of dataset 0");
    CHECK(mr_concat_new((mr_dataset *[]){ a, d }, 2) == NULL);
    check_error("concat_new: a stream has no samples by index");
    CHECK(mr_concat_new((mr_dataset *[]){ a, most }, 2) == NULL);
    check_error("concat_new: more samples than 2^63-1");
    mr_dataset *all[] = { a, b, c, d, most };
    for (int i = 0; i < 5; i++)
        mr_dataset_free(all[i]);
}

/* Each level names its own sample, also where samples are got several at once. */
static void test_errors_are_named(void)
{
    for (int many = 0; many < 2; many++)
        for (int workers = 0; workers < 3; workers += 2) {
            const int64_t indices[] = { 0, 1, 2, 3, 22, 4 };
            mr_rng *rng = mr_rng_new(0);
            mr_dataset *a = numbers(5, many);
            mr_dataset *b = fixture_new((fixture){ .length = 20, .bad = 17, .bad2 = -1, .many = many });
            mr_dataset *joined = mr_concat_new((mr_dataset *[]){ a, b }, 2),
                       *part = mr_subset_new(joined, indices, 6);
            mr_loader *loader =
                mr_loader_new(part, rng, &(mr_loader_opts){ .batch_size = 6, .workers = workers });
            const mr_batch *batch;
            CHECK_EQ_I64(mr_loader_next(loader, &batch), MR_ERR_FORMAT);
            check_error("loader: sample 4: subset: sample 22: concat: dataset 1: sample 17: row is damaged");
            CHECK(mr_dataset_get(part, 4) == NULL);
            check_error(
                "dataset_get: sample 4: subset: sample 22: concat: dataset 1: sample 17: row is damaged");
            mr_loader_free(loader);
            mr_dataset *all[] = { a, b, joined, part };
            for (int i = 0; i < 4; i++)
                mr_dataset_free(all[i]);
            mr_rng_free(rng);
        }
}

/* ---- workers ---- */

static void test_workers_are_opened(void)
{
    mr_dataset *all[] = { numbers(3, true), numbers(4, false), numbers(5, false) };
    mr_dataset *joined = mr_concat_new(all, 3);
    CHECK_EQ_I64(workers_open, 0);
    atomic_store(&workers_opened, 0);
    mr_batch_free(mr_dataset_get(joined, 5));
    CHECK_EQ_I64(workers_opened, 2);
    CHECK_EQ_I64(workers_open, 0);
    mr_dataset_free(joined);

    mr_dataset *faulty = fixture_new((fixture){ .length = 3, .bad = -1, .bad2 = -1, .worker_fault = 2 });
    atomic_store(&workers_opened, 0);
    joined = mr_concat_new((mr_dataset *[]){ all[1], faulty }, 2);
    CHECK(mr_dataset_get(joined, 0) == NULL);
    check_error("loader: worker_open: no decoder is left");
    CHECK_EQ_I64(workers_open, 0);
    mr_dataset_free(joined);
    mr_dataset_free(faulty);
    for (int i = 0; i < 3; i++)
        mr_dataset_free(all[i]);
}

/* ---- zip ---- */

static void test_zip(void)
{
    const char *const names[] = { "left", "right" };
    for (int many = 0; many < 4; many++) {
        const int64_t indices[] = { 4, 3, 2, 1, 0 };
        mr_dataset *a = numbers(5, many & 1), *b = numbers(5, many & 2), *back = mr_subset_new(b, indices, 5);
        mr_dataset *both = mr_zip_new((mr_dataset *[]){ a, back }, names, 2);
        mr_dataset *all[] = { a, b, back };
        for (int i = 0; i < 3; i++)
            mr_dataset_free(all[i]);
        CHECK_EQ_I64(mr_dataset_len(both), 5);
        CHECK_EQ_I64(mr_dataset_field_count(both), 4);
        CHECK_EQ_STR(mr_dataset_fields(both)[3].name, "right.byte");
        mr_rng *rng = mr_rng_new(0);
        for (int workers = 0; workers < 3; workers++) {
            mr_loader *loader =
                mr_loader_new(both, rng, &(mr_loader_opts){ .batch_size = 5, .workers = workers });
            const mr_batch *batch;
            CHECK_EQ_I64(mr_loader_next(loader, &batch), MR_OK);
            for (int i = 0; i < 5; i++) {
                CHECK_EQ_I64(((const int64_t *)mr_tensor_data(batch->field[0]))[2 * i], i);
                CHECK_EQ_I64(((const uint8_t *)mr_tensor_data(batch->field[1]))[i], i);
                CHECK_EQ_I64(((const int64_t *)mr_tensor_data(batch->field[2]))[2 * i], 4 - i);
                CHECK_EQ_I64(((const uint8_t *)mr_tensor_data(batch->field[3]))[i], 4 - i);
            }
            mr_loader_free(loader);
        }
        mr_rng_free(rng);
        mr_dataset_free(both);
        CHECK_EQ_I64(workers_open, 0);
    }
}

static void test_zip_errors(void)
{
    char name[200];
    memset(name, 'n', sizeof name);
    name[199] = 0;
    const char *const long_names[] = { name };
    mr_dataset *a = numbers(5, false), *b = numbers(6, false), *d = fixture_stream_new(good);
    mr_dataset *c = fixture_new((fixture){ .length = 5, .bad = 3, .bad2 = -1 });
    mr_dataset *many[33];
    for (int i = 0; i < 33; i++)
        many[i] = a;
    const char *names[33];
    char text[33][4];
    for (int i = 0; i < 33; i++) {
        snprintf(text[i], sizeof text[i], "%d", i);
        names[i] = text[i];
    }
    CHECK(mr_zip_new(&a, NULL, 0) == NULL);
    check_error("zip_new: no datasets");
    CHECK(mr_zip_new((mr_dataset *[]){ a, b }, NULL, 2) == NULL);
    check_error("zip_new: dataset 1 has 6 samples, dataset 0 has 5");
    CHECK(mr_zip_new((mr_dataset *[]){ a, c }, NULL, 2) == NULL);
    check_error("zip_new: two fields are called 'pair'");
    CHECK(mr_zip_new((mr_dataset *[]){ a, d }, NULL, 2) == NULL);
    check_error("zip_new: a stream has no samples by index");
    CHECK(mr_zip_new(&a, long_names, 1) == NULL);
    check_error("zip_new: the name of field 0 of dataset 0 has 204 characters");
    CHECK(mr_zip_new(many, names, 33) == NULL);
    check_error("zip_new: more than 64 fields");
    mr_dataset *both = mr_zip_new((mr_dataset *[]){ a, c }, names, 2);
    CHECK(mr_dataset_get(both, 3) == NULL);
    check_error("dataset_get: sample 3: zip: dataset 1: sample 3: row is damaged");
    mr_dataset *all[] = { a, b, c, d, both };
    for (int i = 0; i < 5; i++)
        mr_dataset_free(all[i]);
}

int main(void)
{
    RUN(test_subset);
    RUN(test_subset_errors);
    RUN(test_golden_split);
    RUN(test_split_errors);
    RUN(test_split_of_many);
    RUN(test_concat);
    RUN(test_concat_errors);
    RUN(test_errors_are_named);
    RUN(test_workers_are_opened);
    RUN(test_zip);
    RUN(test_zip_errors);
    return check_report();
}

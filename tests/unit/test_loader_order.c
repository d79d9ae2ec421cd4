/* The order of samples and the draws that it takes, against torch's DataLoader (golden/make_loader.py). */
#include "check.h"

#include <millrace/random.h>

#include "data/loader.h"

#include <stdlib.h>
#include <string.h>

typedef struct numbers {
    int64_t length;
} numbers;

static int64_t numbers_len(void *self)
{
    return ((numbers *)self)->length;
}

static mr_status numbers_get(void *self, int64_t index, const mr_sample *sample)
{
    (void)self;
    *(int64_t *)sample->field[0] = index;
    return MR_OK;
}

static const mr_dataset_vtable vtable = { .len = numbers_len, .get = numbers_get };
static const mr_field fields[] = { { "number", MR_INT64, { 0 } } };

/* Compares one epoch with a line of batches; `stop` batches, if not 0, are taken before it is left. */
static void compare_epoch(mr_loader *loader, char *line, int64_t epoch, int64_t stop)
{
    const mr_batch *b = NULL;
    int64_t batches = 0, position = 0;
    mr_status status = MR_OK;
    line[strcspn(line, "\n")] = '\0';
    for (char *at = line; *at; batches++) {
        if (!CHECK_EQ_I64(status = mr_loader_next(loader, &b), MR_OK))
            return;
        const int64_t *got = mr_tensor_data(b->field[0]);
        int64_t rows = 0;
        CHECK_EQ_I64(b->epoch, epoch);
        CHECK_EQ_I64(b->position, position);
        do {
            int64_t want = strtoll(at, &at, 10);
            CHECK_EQ_I64(got[rows], want);
            CHECK_EQ_I64(b->indices[rows], want);
            CHECK(b->valid[rows]);
            rows++;
        } while (*at == ' ');
        CHECK_EQ_I64(b->rows, rows);
        CHECK_EQ_I64(mr_tensor_size(b->field[0], 0), rows);
        position += rows;
        at += *at == '|';
    }
    if (stop)
        mr_loader_rewind(loader);
    else
        CHECK_EQ_I64(mr_loader_next(loader, &b), MR_END);
}

static void compare_case(FILE *file, const char *line)
{
    char *text = NULL;
    size_t room = 0;
    unsigned long long seed;
    long long length, batch_size, shuffle, drop_last, own, stop;
    if (!CHECK(sscanf(line, "case %llu %lld %lld %lld %lld %lld %lld", &seed, &length, &batch_size, &shuffle,
                      &drop_last, &own, &stop) == 7))
        return;
    numbers data = { length };
    mr_rng *rng = mr_rng_new(seed), *generator = mr_rng_new(seed + 1);
    mr_dataset *dataset = mr_dataset_new(&vtable, &data, sizeof data, fields, 1);
    const mr_loader_opts opts = { .batch_size = batch_size, .shuffle = shuffle, .drop_last = drop_last };
    mr_loader *loader = mr_loader_new(dataset, rng, &opts);
    if (own)
        CHECK_EQ_I64(mr_loader_set_generator(loader, generator), MR_OK);
    CHECK_EQ_I64(mr_loader_len(loader),
                 drop_last ? length / batch_size : (length + batch_size - 1) / batch_size);
    for (int64_t epoch = 0; getline(&text, &room, file) > 0 && strncmp(text, "next", 4) != 0; epoch++)
        compare_epoch(loader, text, epoch, stop);
    long long word, own_word;
    if (CHECK(sscanf(text, "next %lld %lld", &word, &own_word) == 2)) {
        CHECK_EQ_I64(mr_rng_u32(rng) & 0x7fffffff, word);
        if (own)
            CHECK_EQ_I64(mr_rng_u32(generator) & 0x7fffffff, own_word);
    }
    free(text);
    mr_loader_free(loader);
    mr_dataset_free(dataset);
    mr_rng_free(generator);
    mr_rng_free(rng);
}

static void test_golden_orders(void)
{
    FILE *file = fopen(MR_TEST_DATA "/loader.txt", "r");
    char *line = NULL;
    size_t room = 0;
    int cases = 0;
    if (!CHECK(file != NULL))
        return;
    while (getline(&line, &room, file) > 0) {
        compare_case(file, line);
        cases++;
    }
    CHECK_EQ_I64(cases, 174);
    free(line);
    fclose(file);
}

/* A permutation is drawn as far as it is asked for, whatever the generator; that one stands behind all of it at once. */
static void test_drawn_as_needed(void)
{
    enum { LENGTH = 100000, BATCH = 10 };
    int64_t *order = malloc(LENGTH * sizeof *order);
    numbers data = { LENGTH };
    mr_dataset *dataset = mr_dataset_new(&vtable, &data, sizeof data, fields, 1);
    for (int own = 0; own < 2; own++) {
        const mr_batch *b;
        const void *bytes;
        size_t size;
        mr_rng *rng = mr_rng_new(3), *generator = mr_rng_new(4), *same = mr_rng_new(4);
        mr_loader *loader =
            mr_loader_new(dataset, rng, &(mr_loader_opts){ .batch_size = BATCH, .shuffle = true });
        if (own)
            CHECK_EQ_I64(mr_loader_set_generator(loader, generator), MR_OK);
        CHECK_EQ_I64(mr_loader_next(loader, &b), MR_OK);
        CHECK_EQ_I64(loader->order.shuffled.drawn, BATCH);
        CHECK_EQ_I64(mr_loader_save(loader, &bytes, &size), MR_OK);
        void *state = memcpy(malloc(size), bytes, size);
        CHECK_EQ_I64(mr_loader_restore(loader, state, size), MR_OK);
        CHECK_EQ_I64(mr_loader_next(loader, &b), MR_OK);
        CHECK_EQ_I64(loader->order.shuffled.drawn, 2 * BATCH);
        if (own) {
            mr_rng_u64(same);
            mr_rng_permutation(same, order, LENGTH);
            CHECK(memcmp(b->indices, order + BATCH, BATCH * sizeof *order) == 0);
            CHECK_EQ_I64(mr_rng_u32(generator), mr_rng_u32(same));
        }
        free(state);
        mr_loader_free(loader);
        mr_rng_free(same);
        mr_rng_free(generator);
        mr_rng_free(rng);
    }
    mr_dataset_free(dataset);
    free(order);
}

int main(void)
{
    RUN(test_drawn_as_needed);
    RUN(test_golden_orders);
    return check_report();
}

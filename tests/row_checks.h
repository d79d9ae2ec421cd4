/* What the tests of sources of rows share: values that are there once, in their order, also when a loader stops and
 * another goes on. The datasets have a first field of int64. */
#ifndef ROW_CHECKS_H
#define ROW_CHECKS_H

#include "said.h"

#include <millrace/data.h>

#include <stdlib.h>

/* The values of the first field of all rows of an epoch, in their order; how many, at most `room`. */
static inline int64_t rows_of(mr_dataset *d, const mr_loader_opts *opts, int64_t *values, int64_t room)
{
    mr_rng *rng = mr_rng_new(1);
    mr_loader *loader = mr_loader_new(d, rng, opts);
    const mr_batch *b;
    int64_t rows = 0;
    mr_status s;
    while ((s = mr_loader_next(loader, &b)) == MR_OK)
        for (int64_t i = 0; i < b->rows; i++, rows++)
            if (CHECK(rows < room))
                values[rows] = ((const int64_t *)mr_tensor_data(b->field[0]))[i];
    if (!CHECK_EQ_I64(s, MR_END))
        printf("    %s\n", mr_error());
    mr_loader_free(loader);
    mr_rng_free(rng);
    return rows;
}

/* For programs that run out of memory: the sum of the first field over an epoch. It frees the dataset, which may be NULL. */
static inline double sum_of_rows(mr_dataset *d, mr_status *status)
{
    mr_rng *rng = mr_rng_new(1);
    mr_loader *loader = mr_loader_new(d, rng, &(mr_loader_opts){ .batch_size = 2 });
    const mr_batch *b;
    double sum = 0;
    while ((*status = mr_loader_next(loader, &b)) == MR_OK)
        for (int64_t i = 0; i < b->rows; i++)
            sum += (double)((const int64_t *)mr_tensor_data(b->field[0]))[i] * (double)(i + 1);
    if (*status == MR_END)
        *status = MR_OK;
    mr_loader_free(loader);
    mr_rng_free(rng);
    mr_dataset_free(d);
    return sum;
}

/* Of a stream that breaks off, where bad samples are left out: `rows` rows, and what is then said, once. */
static inline void check_breaks_off(mr_dataset *d, int workers, int64_t rows, const char *wanted)
{
    mr_rng *rng = mr_rng_new(1);
    mr_loader *loader = mr_loader_new(
        d, rng,
        &(mr_loader_opts){ .batch_size = 7, .workers = workers, .shards = 1, .on_bad_sample = MR_BAD_SKIP });
    const mr_batch *b;
    const mr_bad_sample *bad = NULL;
    int64_t given = 0, listed = 0;
    mr_status s;
    while ((s = mr_loader_next(loader, &b)) == MR_OK)
        given += b->rows;
    if (!CHECK_EQ_I64(s, MR_END))
        printf("    %s\n", mr_error());
    CHECK_EQ_I64(given, rows);
    CHECK_EQ_I64(mr_loader_bad_samples(loader, &bad, &listed), 1);
    if (CHECK(listed > 0) && (!CHECK(strstr(bad->message, wanted)) || !CHECK_EQ_I64(bad->index, rows)))
        printf("    %s\n", bad->message);
    mr_loader_free(loader);
    mr_rng_free(rng);
}

/* The values 0 to count - 1, each once, in an order that does not hang on the workers. */
static inline void check_each_once(mr_dataset *d, mr_loader_opts opts, int64_t count)
{
    int64_t *first = calloc((size_t)count, sizeof *first), *again = calloc((size_t)count, sizeof *again);
    bool *seen = calloc((size_t)count, sizeof *seen);
    for (opts.workers = 0; opts.workers < 4; opts.workers++) {
        int64_t *values = opts.workers ? again : first;
        CHECK_EQ_I64(rows_of(d, &opts, values, count), count);
        CHECK(memcmp(values, first, (size_t)count * sizeof *values) == 0);
    }
    for (int64_t i = 0; i < count && CHECK(first[i] >= 0 && first[i] < count && !seen[first[i]]); i++)
        seen[first[i]] = true;
    free(first);
    free(again);
    free(seen);
}

/* After each number of batches another loader, with another number of workers, goes on. */
static inline void check_resumed(mr_dataset *d, mr_loader_opts opts, int64_t count)
{
    int64_t *all = calloc((size_t)count, sizeof *all);
    const mr_batch *b;
    const void *bytes;
    size_t size;
    CHECK_EQ_I64(rows_of(d, &opts, all, count), count);
    for (int64_t k = 0; k * opts.batch_size <= count; k++) {
        mr_rng *rng = mr_rng_new(1);
        opts.workers = (int)(k % 3);
        mr_loader *first = mr_loader_new(d, rng, &opts);
        opts.workers = (int)((k + 1) % 3);
        mr_loader *second = mr_loader_new(d, rng, &opts);
        for (int64_t i = 0; i < k; i++)
            CHECK_EQ_I64(mr_loader_next(first, &b), MR_OK);
        CHECK_EQ_I64(mr_loader_save(first, &bytes, &size), MR_OK);
        CHECK_EQ_I64(mr_loader_restore(second, bytes, size), MR_OK);
        int64_t row = k * opts.batch_size;
        while (row < count && mr_loader_next(second, &b) == MR_OK)
            for (int64_t i = 0; i < b->rows && row < count; i++, row++)
                if (!CHECK_EQ_I64(((const int64_t *)mr_tensor_data(b->field[0]))[i], all[row]))
                    i = row = count;
        CHECK_EQ_I64(row, count);
        mr_loader_free(first);
        mr_loader_free(second);
        mr_rng_free(rng);
    }
    free(all);
}

#endif

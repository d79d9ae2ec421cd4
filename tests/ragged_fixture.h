/* A dataset whose samples differ in length: sample i has i * 7 % 6 tokens, 10 * i + j, as many pairs (i, j), and a label. */
#ifndef RAGGED_FIXTURE_H
#define RAGGED_FIXTURE_H

#include "check.h"

#include <millrace/ragged.h>

#include <stdlib.h>

typedef struct ragged_fixture {
    int64_t length, bad; /* -1: none is bad */
    int64_t odd;         /* this one has one pair too many; -1: none */
} ragged_fixture;

static const mr_field ragged_fields[] = { { "tokens", MR_INT32, { 1, { -1 } } },
                                          { "label", MR_INT64, { 0 } },
                                          { "pairs", MR_FLOAT32, { 2, { -1, 2 } } } };

static inline int64_t ragged_items(int64_t index)
{
    return index * 7 % 6;
}

static inline int64_t ragged_len(void *self)
{
    return ((const ragged_fixture *)self)->length;
}

static inline mr_status ragged_get(void *self, int64_t index, const mr_sample *sample)
{
    const ragged_fixture *f = self;
    int64_t n = ragged_items(index);
    int32_t *token = mr_ragged_resize(sample->field[0], n);
    float *pair = mr_ragged_resize(sample->field[2], n + (index == f->odd));
    if (!token || !pair)
        return MR_ERR_MEMORY;
    for (int64_t j = 0; j < n; j++) {
        token[j] = (int32_t)(10 * index + j);
        pair[2 * j] = (float)index;
        pair[2 * j + 1] = (float)j;
    }
    *(int64_t *)sample->field[1] = index;
    return index == f->bad ? mr_fail(MR_ERR_FORMAT, "text is damaged") : MR_OK;
}

static const mr_dataset_vtable ragged_vtable = { .len = ragged_len, .get = ragged_get };

static inline mr_dataset *ragged_new(int64_t length, int64_t bad, int64_t odd)
{
    ragged_fixture f = { length, bad, odd };
    return mr_dataset_new(&ragged_vtable, &f, sizeof f, ragged_fields, 3);
}

/* The same as a stream. */
static inline void *ragged_open(void *self, int64_t shard, int64_t shards)
{
    int64_t *at = malloc(3 * sizeof *at);
    at[0] = shard;
    at[1] = ((const ragged_fixture *)self)->length;
    at[2] = shards;
    return at;
}

static inline mr_status ragged_next(void *cursor, const mr_sample *sample)
{
    int64_t *at = cursor;
    ragged_fixture f = { .bad = -1, .odd = -1 };
    if (at[0] >= at[1])
        return MR_END;
    at[0] += at[2];
    return ragged_get(&f, at[0] - at[2], sample);
}

static const mr_stream_vtable ragged_stream_vtable = { .open = ragged_open,
                                                       .next = ragged_next,
                                                       .close = free };

static inline mr_dataset *ragged_stream_new(int64_t length)
{
    ragged_fixture f = { length, -1, -1 };
    return mr_stream_new(&ragged_stream_vtable, &f, sizeof f, ragged_fields, 3);
}

/* ---- for what is made of such batches ---- */

static inline mr_loader *collating(mr_dataset *data, mr_rng *rng, mr_collate_function collate, void *user,
                                   int64_t batch_size)
{
    mr_loader *loader = mr_loader_new(data, rng, &(mr_loader_opts){ .batch_size = batch_size });
    CHECK_EQ_I64(mr_loader_set_collate(loader, collate, user), MR_OK);
    return loader;
}

static inline void check_error(const char *text)
{
    CHECK_EQ_STR(mr_error(), text);
    mr_error_clear();
}

#endif

/* Datasets and streams for the tests of the loader: samples that take random time, faults, and what becomes of them. */
#ifndef LOADER_FIXTURE_H
#define LOADER_FIXTURE_H

#include "check.h"

#include <millrace/data.h>

#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

typedef struct fixture {
    int64_t length;
    int64_t bad, bad2; /* samples that cannot be had; -1: none */
    int delay;         /* microseconds a sample takes, at most */
    int worker_fault;  /* which worker_open fails, from 1 on; 0: none */
    bool many;         /* get_many as well */
} fixture;

static atomic_int workers_open, workers_opened, cursors_open;
static atomic_int random_state;

static inline void fixture_wait(const fixture *f)
{
    if (!f->delay)
        return;
    unsigned r = (unsigned)atomic_fetch_add(&random_state, 1) * 2654435761u;
    const int microseconds = (int)(r >> 16) % f->delay;
    if (r >> 8 & 3) /* one of four waits: the kernel takes longer than is asked for */
        return;
    nanosleep(&(struct timespec){ .tv_nsec = microseconds * 1000 }, NULL);
}

static inline void fixture_write(const mr_sample *sample, int64_t index)
{
    int64_t *pair = sample->field[0];
    pair[0] = index;
    pair[1] = index * index + sample->epoch;
    *(uint8_t *)sample->field[1] = (uint8_t)(index % 251);
}

static int64_t fixture_len(void *self)
{
    return ((fixture *)self)->length;
}

static mr_status fixture_get(void *self, int64_t index, const mr_sample *sample)
{
    const fixture *f = self;
    fixture_wait(f);
    if (index == f->bad || index == f->bad2)
        return mr_fail(MR_ERR_FORMAT, "row is damaged");
    fixture_write(sample, index);
    if (sample->worker)
        ++*(int64_t *)sample->worker; /* a race, if two threads had the same */
    return MR_OK;
}

static mr_status fixture_get_many(void *self, const int64_t *indices, int64_t count, const mr_sample *first)
{
    const fixture *f = self;
    int64_t *pair = first->field[0];
    uint8_t *byte = first->field[1];
    for (int64_t i = 0; i < count; i++) {
        void *field[] = { pair + 2 * i, byte + i };
        mr_sample one = { .field = field, .epoch = first->epoch, .worker = first->worker };
        if (indices[i] == f->bad || indices[i] == f->bad2)
            return MR_ERR_CALLBACK;
        fixture_write(&one, indices[i]);
    }
    fixture_wait(f);
    return MR_OK;
}

static void *fixture_worker_open(void *self)
{
    if (atomic_fetch_add(&workers_opened, 1) + 1 == ((fixture *)self)->worker_fault) {
        mr_fail(MR_ERR_IO, "no decoder is left");
        return NULL;
    }
    atomic_fetch_add(&workers_open, 1);
    return calloc(1, sizeof(int64_t));
}

static void fixture_worker_close(void *self, void *worker)
{
    (void)self;
    atomic_fetch_sub(&workers_open, 1);
    free(worker);
}

static const mr_dataset_vtable fixture_vtable = { .len = fixture_len,
                                                  .get = fixture_get,
                                                  .worker_open = fixture_worker_open,
                                                  .worker_close = fixture_worker_close };
static const mr_dataset_vtable fixture_many_vtable = { .len = fixture_len,
                                                       .get = fixture_get,
                                                       .get_many = fixture_get_many };
static const mr_field fixture_fields[] = { { "pair", MR_INT64, { 1, { 2 } } }, { "byte", MR_UINT8, { 0 } } };

static inline mr_dataset *fixture_new(fixture f)
{
    return mr_dataset_new(f.many ? &fixture_many_vtable : &fixture_vtable, &f, sizeof f, fixture_fields, 2);
}

/* ---- the same as a stream, in shards: shard s of n has samples s, s + n, … ---- */

typedef struct fixture_cursor {
    fixture f;
    int64_t next, step;
} fixture_cursor;

static void *fixture_open(void *self, int64_t shard, int64_t shards)
{
    fixture_cursor *c = malloc(sizeof *c);
    *c = (fixture_cursor){ *(fixture *)self, shard, shards };
    atomic_fetch_add(&cursors_open, 1);
    return c;
}

static mr_status fixture_next(void *cursor, const mr_sample *sample)
{
    fixture_cursor *c = cursor;
    fixture_wait(&c->f);
    if (c->next >= c->f.length)
        return MR_END;
    int64_t index = c->next;
    c->next += c->step;
    if (index == c->f.bad || index == c->f.bad2)
        return mr_fail(MR_ERR_FORMAT, "row is damaged");
    fixture_write(sample, index);
    return MR_OK;
}

static void fixture_close(void *cursor)
{
    free(cursor);
    atomic_fetch_sub(&cursors_open, 1);
}

static const mr_stream_vtable fixture_stream_vtable = { .open = fixture_open,
                                                        .next = fixture_next,
                                                        .close = fixture_close };

static inline mr_dataset *fixture_stream_new(fixture f)
{
    return mr_stream_new(&fixture_stream_vtable, &f, sizeof f, fixture_fields, 2);
}

/* ---- what a batch is: a number that hangs on all of it ---- */

static inline void fixture_hash(uint64_t *hash, const void *bytes, size_t count)
{
    const unsigned char *c = bytes;
    for (size_t i = 0; i < count; i++)
        *hash = (*hash ^ c[i]) * UINT64_C(1099511628211);
}

static inline void fixture_hash_batch(uint64_t *hash, const mr_batch *b)
{
    fixture_hash(hash, &b->rows, sizeof b->rows);
    fixture_hash(hash, &b->epoch, sizeof b->epoch);
    fixture_hash(hash, &b->position, sizeof b->position);
    fixture_hash(hash, &b->number, sizeof b->number);
    fixture_hash(hash, b->indices, (size_t)b->rows * sizeof *b->indices);
    fixture_hash(hash, b->valid, (size_t)b->rows);
    for (int i = 0; i < b->field_count; i++)
        fixture_hash(hash, mr_tensor_data(b->field[i]),
                     (size_t)mr_tensor_numel(b->field[i]) * mr_dtype_size(mr_tensor_dtype(b->field[i])));
}

#endif

/* Streams divided among replicas: each sample is one replica's, whatever the shards and workers, also after a stop. */
#include "row_checks.h"

#include <millrace/datasets.h>

#include <stdatomic.h>
#include <stdlib.h>

enum { LENGTH = 1000 };

/* ---- a stream of numbers, every shards-th of them in a shard ---- */

typedef struct numbers {
    bool one_shard, tells, shut;
    int64_t bad;
} numbers;

typedef struct place {
    int64_t next, step, bad;
} place;

static atomic_int cursors;

static void *numbers_open(void *self, int64_t shard, int64_t shards)
{
    const numbers *n = self;
    if (n->shut) {
        mr_fail(MR_ERR_IO, "no such file");
        return NULL;
    }
    place *p = malloc(sizeof *p);
    *p = (place){ n->one_shard && shard ? LENGTH : shard, n->one_shard ? 1 : shards, n->bad };
    cursors++;
    return p;
}

static mr_status numbers_next(void *cursor, const mr_sample *sample)
{
    place *p = cursor;
    if (p->next >= LENGTH)
        return MR_END;
    *(int64_t *)sample->field[0] = p->next;
    p->next += p->step;
    return p->next - p->step == p->bad ? mr_fail(MR_ERR_FORMAT, "line is damaged") : MR_OK;
}

static void numbers_close(void *cursor)
{
    free(cursor);
    cursors--;
}

static int64_t numbers_shards(void *self)
{
    (void)self;
    return 8;
}

static void numbers_tell(void *cursor, void *state)
{
    memcpy(state, &((place *)cursor)->next, sizeof(int64_t));
}

static mr_status numbers_seek(void *cursor, const void *state)
{
    memcpy(&((place *)cursor)->next, state, sizeof(int64_t));
    return MR_OK;
}

static mr_dataset *numbers_new(numbers n)
{
    static const mr_field field = { "n", MR_INT64, { 0 } };
    static const mr_stream_vtable plain = { .open = numbers_open,
                                            .next = numbers_next,
                                            .close = numbers_close },
                                  telling = { .open = numbers_open,
                                              .next = numbers_next,
                                              .close = numbers_close,
                                              .cursor_state_size = sizeof(int64_t),
                                              .tell = numbers_tell,
                                              .seek = numbers_seek,
                                              .shards = numbers_shards };
    return mr_stream_new(n.tells ? &telling : &plain, &n, sizeof n, &field, 1);
}

/* ---- parts ---- */

/* All replicas together have each number once. */
static void check_parts(numbers n, int replicas, int64_t shards, int workers)
{
    static int64_t values[LENGTH];
    bool seen[LENGTH] = { false };
    int64_t rows = 0;
    mr_dataset *all = numbers_new(n);
    for (int rank = 0; rank < replicas; rank++) {
        mr_dataset *part = mr_replica_stream_new(all, rank, replicas);
        const int64_t count = rows_of(
            part, &(mr_loader_opts){ .batch_size = 7, .workers = workers, .shards = shards, .shuffle = true },
            values, LENGTH);
        CHECK(n.one_shard ? count == (rank ? 0 : LENGTH) : count > 0);
        for (int64_t i = 0; i < count; i++, rows++)
            if (CHECK(values[i] >= 0 && values[i] < LENGTH && !seen[values[i]]))
                seen[values[i]] = true;
        mr_dataset_free(part);
    }
    CHECK_EQ_I64(rows, LENGTH);
    mr_dataset_free(all);
}

static void test_parts(void)
{
    for (int replicas = 1; replicas < 6; replicas++)
        for (int64_t shards = 0; shards < 4; shards++) {
            check_parts((numbers){ .bad = -1 }, replicas, shards, (int)shards % 3);
            check_parts((numbers){ .bad = -1, .tells = true }, replicas, shards, (int)shards % 3);
            check_parts((numbers){ .bad = -1, .one_shard = true }, replicas, shards, 1);
        }
    CHECK_EQ_I64(cursors, 0);
}

/* A part goes on where it stood, by its cursors or by passing samples over. */
static void test_resumed(void)
{
    for (int tells = 0; tells < 2; tells++) {
        mr_dataset *all = numbers_new((numbers){ .bad = -1, .tells = tells });
        mr_dataset *part = mr_replica_stream_new(all, 1, 2);
        mr_dataset_free(all); /* the part holds it */
        check_resumed(part, (mr_loader_opts){ .batch_size = 60, .shards = 3 }, LENGTH / 2);
        mr_dataset_free(part);
    }
    CHECK_EQ_I64(cursors, 0);
}

/* Eight shards for three replicas are three for each; also of a part of a part. */
static void test_shards(void)
{
    mr_dataset *all = numbers_new((numbers){ .bad = -1, .tells = true });
    mr_dataset *part = mr_replica_stream_new(all, 2, 3), *inner = mr_replica_stream_new(part, 1, 2);
    mr_rng *rng = mr_rng_new(1);
    mr_loader *loader = mr_loader_new(part, rng, &(mr_loader_opts){ .batch_size = 4 });
    const mr_batch *b;
    if (CHECK_EQ_I64(mr_loader_next(loader, &b), MR_OK)) {
        static const int64_t first[] = { 2, 11, 20, 29 }; /* shard 0 of 3 is shard 2 of 9 */
        CHECK(memcmp(mr_tensor_data(b->field[0]), first, sizeof first) == 0);
    }
    mr_loader_free(loader);
    mr_cursor *cursor = mr_stream_open(inner); /* shard 0 of 1 is 1 of 2, and that is 5 of 6 */
    CHECK_EQ_I64(mr_cursor_next(cursor, &b), MR_OK);
    CHECK_EQ_I64(*(int64_t *)mr_tensor_data(b->field[0]), 5);
    CHECK_EQ_I64(mr_cursor_next(cursor, &b), MR_OK);
    CHECK_EQ_I64(*(int64_t *)mr_tensor_data(b->field[0]), 11);
    mr_cursor_free(cursor);
    mr_rng_free(rng);
    mr_dataset_free(inner);
    mr_dataset_free(part);
    mr_dataset_free(all);
}

static void test_faults(void)
{
    mr_dataset *all = numbers_new((numbers){ .bad = 5 }), *shut = numbers_new((numbers){ .shut = true });
    mr_dataset *part = mr_replica_stream_new(all, 1, 2), *closed = mr_replica_stream_new(shut, 0, 2);
    mr_cursor *cursor = mr_stream_open(part);
    const mr_batch *b;
    CHECK_EQ_I64(mr_cursor_next(cursor, &b), MR_OK);
    CHECK_EQ_I64(mr_cursor_next(cursor, &b), MR_OK);
    CHECK(mr_cursor_next(cursor, &b) < 0);
    check_said("sample 2: line is damaged");
    CHECK(!mr_stream_open(closed));
    check_said("no such file");
    for (int i = 0; i < 3; i++) {
        CHECK(!mr_replica_stream_new(all, (int[]){ -1, 2, 0 }[i], (int[]){ 2, 2, 0 }[i]));
        check_said(
            (const char *const[]){ "replica_stream_new: rank -1 of 2 replicas, not 0 to one below them",
                                   "replica_stream_new: rank 2 of 2 replicas, not 0 to one below them",
                                   "replica_stream_new: rank 0 of 0 replicas, not 0 to one below them" }[i]);
    }
    CHECK(!mr_replica_stream_new(NULL, 0, 2));
    check_said("replica_stream_new: ");
    mr_cursor_free(cursor);
    mr_dataset *parts[] = { part, closed, all, shut };
    for (int i = 0; i < 4; i++)
        mr_dataset_free(parts[i]);
    CHECK_EQ_I64(cursors, 0);
}

int main(void)
{
    RUN(test_parts);
    RUN(test_resumed);
    RUN(test_shards);
    RUN(test_faults);
    return check_report();
}

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

/* ---- whose state it is ---- */

/* A state after so many batches of 7, restored in a loader of another stream; frees both. */
static void check_state_of(mr_dataset *from, mr_dataset *to, int batches, const char *wanted)
{
    const mr_loader_opts opts = { .batch_size = 7, .shards = 2 };
    mr_rng *rng = mr_rng_new(1);
    mr_loader *saved = mr_loader_new(from, rng, &opts), *other = mr_loader_new(to, rng, &opts);
    const mr_batch *b;
    const void *bytes;
    size_t size;
    for (int i = 0; i < batches; i++)
        CHECK_EQ_I64(mr_loader_next(saved, &b), MR_OK);
    CHECK_EQ_I64(mr_loader_save(saved, &bytes, &size), MR_OK);
    CHECK_EQ_I64(mr_loader_restore(other, bytes, size), wanted ? MR_ERR_ARGUMENT : MR_OK);
    if (wanted)
        check_said(wanted);
    mr_loader_free(saved);
    mr_loader_free(other);
    mr_rng_free(rng);
    mr_dataset_free(from);
    mr_dataset_free(to);
}

static mr_dataset *part_of(mr_dataset *all, int rank, int replicas)
{
    mr_dataset *part = mr_replica_stream_new(all, rank, replicas);
    mr_dataset_free(all);
    return part;
}

static bool keep_all(void *user, void *const *field)
{
    (void)user;
    (void)field;
    return true;
}

static mr_status change_nothing(void *user, void *const *in, void *const *out, int64_t index,
                                mr_random *random)
{
    (void)user;
    (void)in;
    (void)out;
    (void)index;
    (void)random;
    return MR_OK;
}

enum { MAPPED, FILTERED, CHAINED, MIXED, ZIPPED, KINDS };

/* A stream that is made of a part. */
static mr_dataset *made_of(mr_dataset *part, int kind)
{
    mr_dataset *two[] = { part, part }, *made = NULL;
    if (kind == MAPPED)
        made = mr_map_new(part, change_nothing, NULL, NULL);
    else if (kind == FILTERED)
        made = mr_filter_new(part, keep_all, NULL);
    else if (kind == CHAINED)
        made = mr_chain_new(two, 2);
    else if (kind == MIXED)
        made = mr_interleave_new(two, (const double[]){ 1, 1 }, 2, NULL);
    else
        made = mr_zip_new(two, (const char *const[]){ "a", "b" }, 2);
    mr_dataset_free(part);
    return made;
}

/* A state of another rank is refused, wherever it stands and whatever the stream can tell, also above the part. */
static void test_state_of_another_rank(void)
{
    for (int tells = 0; tells < 2; tells++)
        for (int batches = 0; batches < 4; batches += 3) {
            const numbers n = { .bad = -1, .tells = tells };
            check_state_of(part_of(numbers_new(n), 0, 2), part_of(numbers_new(n), 0, 2), batches, NULL);
            check_state_of(
                part_of(numbers_new(n), 0, 2), part_of(numbers_new(n), 1, 2), batches,
                "loader_restore: the state is of rank 0 of 2 of the stream, the loader has rank 1 of 2");
            check_state_of(numbers_new(n), part_of(numbers_new(n), 1, 2), batches,
                           "loader_restore: the state is of all of the stream, the loader has rank 1 of 2");
            check_state_of(part_of(part_of(numbers_new(n), 1, 3), 0, 2), numbers_new(n), batches,
                           "loader_restore: the state is of rank 0 of 2 of rank 1 of 3 of the stream, the "
                           "loader has all");
            for (int kind = 0; kind < KINDS; kind++) {
                check_state_of(made_of(part_of(numbers_new(n), 1, 2), kind),
                               made_of(part_of(numbers_new(n), 1, 2), kind), batches, NULL);
                check_state_of(
                    made_of(part_of(numbers_new(n), 1, 2), kind),
                    made_of(part_of(numbers_new(n), 0, 2), kind), batches,
                    "loader_restore: the state is of rank 1 of 2 of the stream, the loader has rank 0 of 2");
            }
        }
    CHECK_EQ_I64(cursors, 0);
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
    RUN(test_state_of_another_rank);
    RUN(test_faults);
    return check_report();
}

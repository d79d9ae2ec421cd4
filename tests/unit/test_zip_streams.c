/* Streams side by side: samples that belong together stay together, also behind a bad one, and where a loader goes on. */
#include "check.h"
#include "loader_fixture.h"

#include <millrace/datasets.h>

#include <string.h>

/* ---- a stream of one number, which may be bad, and whose cursors may tell ---- */

typedef struct line {
    int64_t first, length, bad;
    bool unknown, tells, shut;
} line;

typedef struct line_cursor {
    line of;
    int64_t next, step;
} line_cursor;

static void *line_open(void *self, int64_t shard, int64_t shards)
{
    const line *l = self;
    if (l->shut)
        return mr_fail(MR_ERR_IO, "no such file"), NULL;
    line_cursor *c = malloc(sizeof *c);
    *c = (line_cursor){ *l, shard, shards };
    atomic_fetch_add(&cursors_open, 1);
    return c;
}

static mr_status line_next(void *cursor, const mr_sample *sample)
{
    line_cursor *c = cursor;
    const int64_t at = c->next;
    if (at >= c->of.length)
        return MR_END;
    c->next += c->step;
    *(int64_t *)sample->field[0] = c->of.first + at;
    return at == c->of.bad ? mr_fail(MR_ERR_FORMAT, "line %lld is torn", (long long)at) : MR_OK;
}

static int64_t line_len(void *self)
{
    const line *l = self;
    return l->unknown ? -1 : l->length;
}

static void line_tell(void *cursor, void *state)
{
    memcpy(state, &((line_cursor *)cursor)->next, sizeof(int64_t));
}

static mr_status line_seek(void *cursor, const void *state)
{
    memcpy(&((line_cursor *)cursor)->next, state, sizeof(int64_t));
    return MR_OK;
}

static const mr_stream_vtable silent = {
    .open = line_open, .next = line_next, .close = fixture_close, .len = line_len
};
static const mr_stream_vtable telling = { .open = line_open,
                                          .next = line_next,
                                          .close = fixture_close,
                                          .len = line_len,
                                          .cursor_state_size = sizeof(int64_t),
                                          .tell = line_tell,
                                          .seek = line_seek };
static const mr_field number = { "n", MR_INT64, { 0 } };

static mr_dataset *line_new(line l)
{
    return mr_stream_new(l.tells ? &telling : &silent, &l, sizeof l, &number, 1);
}

static const char *const names[] = { "a", "b", "c" };

/* Holds what it is made of, which is freed here. */
static mr_dataset *zip_of(line a, line b)
{
    mr_dataset *parts[] = { line_new(a), line_new(b) }, *both = mr_zip_new(parts, names, 2);
    mr_dataset_free(parts[0]);
    mr_dataset_free(parts[1]);
    return both;
}

/* Whether all rows are pairs that belong together; their number. */
static int64_t check_pairs(mr_loader *loader, int64_t most)
{
    const mr_batch *b;
    int64_t rows = 0;
    mr_status status = MR_OK;
    for (; most != 0 && (status = mr_loader_next(loader, &b)) == MR_OK; most--)
        for (int64_t i = 0; i < b->rows; i++, rows++)
            CHECK_EQ_I64(((int64_t *)mr_tensor_data(b->field[1]))[i],
                         ((int64_t *)mr_tensor_data(b->field[0]))[i] + 1000);
    CHECK(status >= 0);
    return rows;
}

static void test_pairs(void)
{
    mr_rng *rng = mr_rng_new(0);
    for (int kind = 0; kind < 16; kind++) {
        mr_dataset *both =
            zip_of((line){ .length = 50, .bad = -1, .unknown = kind & 1, .tells = true },
                   (line){ .first = 1000, .length = 50, .bad = -1, .unknown = kind & 2, .tells = kind & 4 });
        mr_loader_opts opts = { .batch_size = 7, .shards = 1 + kind % 5, .shuffle = kind & 8 };
        CHECK_EQ_STR(mr_dataset_fields(both)[1].name, "b.n");
        CHECK_EQ_I64(mr_dataset_len(both), (kind & 3) == 3 ? -1 : 50);
        for (opts.workers = 0; opts.workers < 4; opts.workers++) {
            mr_loader *loader = mr_loader_new(both, rng, &opts);
            CHECK_EQ_I64(check_pairs(loader, -1), 50);
            CHECK_EQ_I64(check_pairs(loader, -1), 50);
            mr_loader_free(loader);
        }
        mr_dataset_free(both);
    }
    mr_rng_free(rng);
    CHECK_EQ_I64(atomic_load(&cursors_open), 0);
}

/* A bad sample takes the ones beside it along, and no others. */
static void test_bad_samples(void)
{
    mr_rng *rng = mr_rng_new(0);
    mr_dataset *both =
        zip_of((line){ .length = 50, .bad = 20 }, (line){ .first = 1000, .length = 50, .bad = 31 });
    for (int workers = 0; workers < 3; workers++) {
        mr_loader *loader = mr_loader_new(
            both, rng,
            &(mr_loader_opts){ .batch_size = 7, .workers = workers, .on_bad_sample = MR_BAD_SKIP });
        const mr_bad_sample *list;
        int64_t listed;
        CHECK_EQ_I64(check_pairs(loader, -1), 48);
        CHECK_EQ_I64(mr_loader_bad_samples(loader, &list, &listed), 2);
        CHECK_EQ_STR(list[0].message, "loader: sample 20: zip: stream 0: line 20 is torn");
        CHECK_EQ_STR(list[1].message, "loader: sample 31: zip: stream 1: line 31 is torn");
        mr_loader_free(loader);
    }
    mr_dataset_free(both);
    both = zip_of((line){ .length = 50, .bad = 20 }, (line){ .length = 50, .bad = 20 }); /* the first one */
    mr_cursor *cursor = mr_stream_open(both);
    const mr_batch *sample;
    mr_status status;
    while ((status = mr_cursor_next(cursor, &sample)) == MR_OK) {}
    CHECK_EQ_I64(status, MR_ERR_FORMAT);
    CHECK_EQ_STR(mr_error(), "cursor_next: sample 20: zip: stream 0: line 20 is torn");
    mr_cursor_free(cursor);
    mr_dataset_free(both);
    mr_rng_free(rng);
}

static void test_resume(void)
{
    mr_rng *rng = mr_rng_new(0);
    for (int tells = 0; tells < 2; tells++) {
        mr_dataset *both = zip_of((line){ .length = 50, .bad = -1, .tells = true },
                                  (line){ .first = 1000, .length = 50, .bad = -1, .tells = tells });
        for (int64_t k = 0; k <= 9; k++) {
            mr_loader_opts opts = { .batch_size = 6, .shards = 1 + k % 3, .workers = (int)(k % 3) };
            mr_loader *first = mr_loader_new(both, rng, &opts);
            opts.workers = (int)(k % 2);
            mr_loader *second = mr_loader_new(both, rng, &opts);
            const void *state;
            size_t size;
            int64_t rows = check_pairs(first, k);
            CHECK_EQ_I64(mr_loader_save(first, &state, &size), MR_OK);
            CHECK_EQ_I64(mr_loader_restore(second, state, size), MR_OK);
            CHECK_EQ_I64(rows + check_pairs(second, -1), 50);
            mr_loader_free(first);
            mr_loader_free(second);
        }
        mr_dataset_free(both);
    }
    mr_rng_free(rng);
}

static void fails(line a, line b, const char *text)
{
    mr_dataset *both = zip_of(a, b);
    mr_cursor *cursor = mr_stream_open(both);
    const mr_batch *sample;
    mr_status status;
    while ((status = mr_cursor_next(cursor, &sample)) == MR_OK) {}
    CHECK(status < 0);
    CHECK_EQ_STR(mr_error(), text);
    mr_cursor_free(cursor);
    mr_dataset_free(both);
}

static void test_errors(void)
{
    fails((line){ .length = 5, .bad = -1 }, (line){ .length = 3, .bad = -1, .unknown = true },
          "cursor_next: sample 3: zip: stream 1 has ended, and stream 0 goes on");
    fails((line){ .length = 3, .bad = -1, .unknown = true }, (line){ .length = 5, .bad = -1 },
          "cursor_next: sample 3: zip: stream 0 has ended, and stream 1 goes on");
    fails((line){ .length = 5, .bad = -1 }, (line){ .length = 5, .bad = -1, .shut = true },
          "cursor_next: sample 0: zip: stream 1: no such file");
    CHECK_EQ_I64(atomic_load(&cursors_open), 0);

    mr_dataset *five = line_new((line){ .length = 5 }), *six = line_new((line){ .length = 6 }),
               *any = line_new((line){ .length = 9, .unknown = true }),
               *by_index = fixture_new((fixture){ .length = 5 });
    CHECK(mr_zip_new((mr_dataset *[]){ any, five, six }, names, 3) == NULL);
    CHECK_EQ_STR(mr_error(), "zip_new: dataset 2 has 6 samples, dataset 1 has 5");
    CHECK(mr_zip_new((mr_dataset *[]){ five, by_index }, NULL, 2) == NULL);
    CHECK_EQ_STR(mr_error(), "zip_new: the dataset is one by index, not a stream");
    CHECK(mr_zip_new((mr_dataset *[]){ five, five }, NULL, 2) == NULL);
    CHECK_EQ_STR(mr_error(), "zip_new: two fields are called 'n'");
    CHECK(mr_zip_new((mr_dataset *[]){ NULL }, NULL, 1) == NULL);
    CHECK_EQ_STR(mr_error(), "zip_new: dataset is NULL");
    mr_dataset *all[] = { five, six, any, by_index };
    for (int i = 0; i < 4; i++)
        mr_dataset_free(all[i]);
}

int main(void)
{
    RUN(test_pairs);
    RUN(test_bad_samples);
    RUN(test_resume);
    RUN(test_errors);
    return check_report();
}

/* Where a sample comes from that is refused behind its source: through every dataset that is made of others, by index
 * and in streams. */
#include "check.h"

#include <millrace/datasets.h>

#include <stdlib.h>

enum { ROWS = 12 };

/* A value is 100 * the file's number + its row; the second field is the row again. */
typedef struct source {
    const char *file;
    int64_t number;
    bool fails; /* when it is asked */
} source;

static const mr_field fields[] = { { "x", MR_INT64, { 0 } }, { "y", MR_INT64, { 0 } } };

static void put(const source *s, int64_t row, const mr_sample *sample)
{
    *(int64_t *)sample->field[0] = 100 * s->number + row;
    *(int64_t *)sample->field[1] = row;
}

static int say(const source *s, int64_t row, int field, char *text, size_t room)
{
    if (s->fails)
        mr_fail(MR_ERR_IO, "the file is gone");
    return field < 0 ? snprintf(text, room, "'%s': row %lld", s->file, (long long)row)
                     : snprintf(text, room, "'%s': row %lld, column %d", s->file, (long long)row, field);
}

static int64_t len(void *self)
{
    (void)self;
    return ROWS;
}

static mr_status get(void *self, int64_t index, const mr_sample *sample)
{
    put(self, index, sample);
    return MR_OK;
}

static mr_status get_many(void *self, const int64_t *indices, int64_t count, const mr_sample *first)
{
    for (int64_t i = 0; i < count; i++)
        put(self, indices[i],
            &(mr_sample){ .field =
                              (void *[]){ (int64_t *)first->field[0] + i, (int64_t *)first->field[1] + i } });
    return MR_OK;
}

static int origin(void *self, int64_t index, int field, char *text, size_t room)
{
    return say(self, index, field, text, room);
}

static const mr_dataset_vtable silent_vtable = { .len = len, .get = get },
                               vtable = { .len = len, .get = get, .origin = origin },
                               many_vtable = {
                                   .len = len, .get = get, .get_many = get_many, .origin = origin
                               };

static mr_dataset *by_index(const char *file, int64_t number)
{
    const source s = { .file = file, .number = number };
    return mr_dataset_new(number % 2 ? &many_vtable : &vtable, &s, sizeof s, fields, 2);
}

typedef struct cursor {
    source of;
    int64_t next, step;
} cursor;

static void *stream_open(void *self, int64_t shard, int64_t shards)
{
    cursor *c = malloc(sizeof *c);
    *c = (cursor){ *(source *)self, shard, shards };
    return c;
}

static mr_status stream_next(void *at, const mr_sample *sample)
{
    cursor *c = at;
    if (c->next >= ROWS)
        return MR_END;
    put(&c->of, c->next, sample);
    c->next += c->step;
    return MR_OK;
}

static int stream_origin(void *at, int field, char *text, size_t room)
{
    const cursor *c = at;
    return say(&c->of, c->next - c->step, field, text, room);
}

static const mr_stream_vtable stream_vtable = {
    .open = stream_open, .next = stream_next, .close = free, .origin = stream_origin
};

static mr_dataset *stream(const char *file, int64_t number)
{
    const source s = { .file = file, .number = number };
    return mr_stream_new(&stream_vtable, &s, sizeof s, fields, 2);
}

/* ---- what refuses ---- */

static mr_status refuse(void *user, void *const *in, void *const *out, int64_t index, mr_random *random)
{
    (void)out;
    (void)index;
    (void)random;
    const int64_t bad = *(int64_t *)user;
    return *(int64_t *)in[0] == bad ? mr_fail(MR_ERR_FORMAT, "%lld is a bad number", (long long)bad) : MR_OK;
}

static mr_status change(void *user, void *const *in, void *const *out, int64_t index, mr_random *random)
{
    (void)user;
    (void)index;
    (void)random;
    *(int64_t *)out[0] = *(int64_t *)in[0];
    return MR_OK;
}

static bool refuse_few(void *user, void *const *field)
{
    const int64_t bad = *(int64_t *)user;
    if (*(int64_t *)field[0] == bad)
        mr_fail(MR_ERR_FORMAT, "%lld cannot be judged", (long long)bad);
    return true;
}

static mr_rng *rng;

/* What a loader says of the first bad sample of a map over the dataset, whatever makes the batches; and of each where
 * they are left out. The dataset is freed. */
static void check_map(mr_dataset *inner, int64_t bad, const char *reads, const char *said)
{
    mr_dataset *mapped = mr_map_new(inner, refuse, &bad, &(mr_map_opts){ .reads = reads });
    mr_dataset_free(inner);
    if (!CHECK(mapped != NULL))
        return;
    for (int how = 0; how < 4; how++) {
        const bool skip = how >= 2;
        mr_loader *loader = mr_loader_new(
            mapped, rng,
            &(mr_loader_opts){ .batch_size = 3, .workers = how % 2 ? 2 : 0, .on_bad_sample = skip });
        const mr_batch *batch;
        mr_status s;
        while ((s = mr_loader_next(loader, &batch)) == MR_OK) {}
        CHECK_EQ_I64(s, skip ? MR_END : MR_ERR_FORMAT);
        const mr_bad_sample *list = NULL;
        int64_t listed = 0;
        CHECK_EQ_I64(mr_loader_bad_samples(loader, &list, &listed), skip);
        CHECK_EQ_STR(skip ? (listed ? list[0].message : "") : mr_error(), said);
        mr_loader_free(loader);
    }
    mr_dataset_free(mapped);
}

static mr_dataset *made(mr_dataset *dataset, mr_dataset *of, mr_dataset *and)
{
    mr_dataset_free(of);
    mr_dataset_free(and);
    return dataset;
}

static void test_by_index(void)
{
    mr_dataset *a = by_index("a", 0), *b = by_index("b", 1);
    check_map(a, 7, NULL, "loader: sample 7: map: sample 7: 'a': row 7: 7 is a bad number");
    check_map(b, 107, "y",
              "loader: sample 7: map: sample 7: 'b': row 7, column 1, field 'y': 107 is a bad number");

    a = by_index("a", 0), b = by_index("b", 1);
    check_map(made(mr_concat_new((mr_dataset *[]){ a, b }, 2), a, b), 103, "x",
              "loader: sample 15: map: sample 15: 'b': row 3, column 0, field 'x': 103 is a bad number");

    a = by_index("a", 0);
    check_map(made(mr_subset_new(a, (const int64_t[]){ 5, 9, 2 }, 3), a, NULL), 9, NULL,
              "loader: sample 1: map: sample 1: 'a': row 9: 9 is a bad number");

    a = by_index("a", 0);
    check_map(made(mr_cache_new(a, NULL), a, NULL), 4, NULL,
              "loader: sample 4: map: sample 4: 'a': row 4: 4 is a bad number");

    a = by_index("a", 0), b = by_index("b", 1);
    check_map(made(mr_interleave_new((mr_dataset *[]){ a, b }, (const double[]){ 1, 1 }, 2, NULL), a, b), 104,
              NULL, "loader: sample 9: map: sample 9: 'b': row 4: 104 is a bad number");

    a = by_index("a", 0);
    check_map(made(mr_map_new(a, change, NULL, NULL), a, NULL), 4, NULL,
              "loader: sample 4: map: sample 4: 'a': row 4: 4 is a bad number");
}

/* Of several that lie side by side the one that has the field, or all. */
static void test_zip(void)
{
    static const char *const names[] = { "a", "b" };
    mr_dataset *a = by_index("a", 0), *b = by_index("b", 1);
    check_map(made(mr_zip_new((mr_dataset *[]){ a, b }, names, 2), a, b), 4, NULL,
              "loader: sample 4: map: sample 4: 'a': row 4, 'b': row 4: 4 is a bad number");
    a = by_index("a", 0), b = by_index("b", 1);
    check_map(made(mr_zip_new((mr_dataset *[]){ a, b }, names, 2), a, b), 4, "b.y",
              "loader: sample 4: map: sample 4: 'b': row 4, column 1, field 'b.y': 4 is a bad number");

    a = stream("a", 0), b = stream("b", 1);
    check_map(made(mr_zip_new((mr_dataset *[]){ a, b }, names, 2), a, b), 4, NULL,
              "loader: sample 4: map: sample 4: 'a': row 4, 'b': row 4: 4 is a bad number");
    a = stream("a", 0), b = stream("b", 1);
    check_map(made(mr_zip_new((mr_dataset *[]){ a, b }, names, 2), a, b), 4, "b.x",
              "loader: sample 4: map: sample 4: 'b': row 4, column 0, field 'b.x': 4 is a bad number");
}

static bool all(void *user, void *const *field)
{
    (void)user;
    return *(int64_t *)field[0] % 2 == 0;
}

static void test_streams(void)
{
    mr_dataset *a = stream("a", 0), *b;
    check_map(a, 7, NULL, "loader: sample 7: map: sample 7: 'a': row 7: 7 is a bad number");

    a = stream("a", 0), b = stream("b", 1);
    check_map(made(mr_chain_new((mr_dataset *[]){ a, b }, 2), a, b), 111, "y",
              "loader: sample 23: map: sample 23: 'b': row 11, column 1, field 'y': 111 is a bad number");

    a = stream("a", 0), b = stream("b", 1);
    check_map(made(mr_interleave_new((mr_dataset *[]){ a, b }, (const double[]){ 1, 3 }, 2, NULL), a, b), 104,
              NULL, "loader: sample 6: map: sample 6: 'b': row 4: 104 is a bad number");

    a = stream("a", 0);
    check_map(made(mr_filter_new(a, all, NULL), a, NULL), 4, NULL,
              "loader: sample 2: map: sample 2: 'a': row 4: 4 is a bad number");

    a = stream("a", 0);
    check_map(made(mr_replica_stream_new(a, 1, 2), a, NULL), 5, NULL,
              "loader: sample 2: map: sample 2: 'a': row 5: 5 is a bad number");

    a = stream("a", 0);
    check_map(made(mr_map_new(a, change, NULL, NULL), a, NULL), 4, NULL,
              "loader: sample 4: map: sample 4: 'a': row 4: 4 is a bad number");
}

static void test_filter(void)
{
    int64_t bad = 5;
    mr_dataset *a = stream("a", 0), *kept = mr_filter_new(a, refuse_few, &bad);
    mr_cursor *c = mr_stream_open(kept);
    const mr_batch *sample;
    for (int i = 0; i < 5; i++)
        CHECK_EQ_I64(mr_cursor_next(c, &sample), MR_OK);
    CHECK_EQ_I64(mr_cursor_next(c, &sample), MR_ERR_FORMAT);
    CHECK_EQ_STR(mr_error(), "cursor_next: sample 5: filter: sample 5: 'a': row 5: 5 cannot be judged");
    mr_cursor_free(c);
    mr_dataset_free(made(kept, a, NULL));
}

/* It is said once, by the map whose function refused. A field that a map has made is what the map reads, unless there
 * is one of its name. */
static void test_maps_over_maps(void)
{
    static const mr_field others[] = { { "z", MR_INT64, { 0 } }, { "x", MR_INT64, { 0 } } };
    static const mr_map_opts opts = { .fields = others, .field_count = 2, .reads = "y" };
    mr_dataset *a = by_index("a", 0);
    check_map(made(mr_map_new(a, change, NULL, &opts), a, NULL), 4, "z",
              "loader: sample 4: map: sample 4: 'a': row 4, column 1, field 'z': 4 is a bad number");
    a = by_index("a", 0);
    check_map(made(mr_map_new(a, change, NULL, &opts), a, NULL), 4, "x",
              "loader: sample 4: map: sample 4: 'a': row 4, column 0, field 'x': 4 is a bad number");
    a = stream("a", 0);
    check_map(made(mr_map_new(a, change, NULL, &opts), a, NULL), 4, "z",
              "loader: sample 4: map: sample 4: 'a': row 4, column 1, field 'z': 4 is a bad number");

    int64_t bad = 4;
    a = by_index("a", 0);
    check_map(made(mr_map_new(a, refuse, &bad, NULL), a, NULL), -1, NULL,
              "loader: sample 4: map: sample 4: map: sample 4: 'a': row 4: 4 is a bad number");
}

/* ---- what is not known, or too much ---- */

static void test_unknown(void)
{
    const source s = { .number = 0 };
    check_map(mr_dataset_new(&silent_vtable, &s, sizeof s, fields, 2), 3, NULL,
              "loader: sample 3: map: sample 3: 3 is a bad number");
    check_map(mr_dataset_new(&silent_vtable, &s, sizeof s, fields, 2), 3, "y",
              "loader: sample 3: map: sample 3: field 'y': 3 is a bad number");

    /* what fails while it is asked is not what went wrong */
    const source gone = { .file = "a", .fails = true };
    check_map(mr_dataset_new(&vtable, &gone, sizeof gone, fields, 2), 3, NULL,
              "loader: sample 3: map: sample 3: 'a': row 3: 3 is a bad number");

    int64_t bad = 0;
    mr_dataset *a = by_index("a", 0);
    CHECK(!mr_map_new(a, refuse, &bad, &(mr_map_opts){ .reads = "z" }));
    CHECK_EQ_STR(mr_error(), "map_new: there is no field 'z' to read");
    mr_dataset_free(a);
}

/* Of a long path the end is said, 320 bytes from a whole character on, and what is wrong is not cut off. It stays one line. */
static void test_long(void)
{
    enum { LETTERS = 300, SAID = 154 };
    char path[2 * LETTERS + 4] = "", said[512] = "loader: sample 3: map: sample 3: ...";
    for (int i = 0; i < LETTERS; i++)
        strcat(path, "\xc3\xa4");
    strcat(path, "!\n!");
    for (int i = 0; i < SAID; i++)
        strcat(said, "\xc3\xa4");
    strcat(said, "! !': row 3: 3 is a bad number");
    check_map(by_index(path, 0), 3, NULL, said);
}

/* ---- asking ---- */

static void test_asking(void)
{
    char text[64];
    mr_dataset *a = by_index("a", 0), *b = stream("b", 1);
    CHECK_EQ_I64(mr_dataset_origin(a, 3, -1, text, sizeof text), 10);
    CHECK_EQ_STR(text, "'a': row 3");
    CHECK_EQ_I64(mr_dataset_origin(a, 3, 1, text, 5), 20);
    CHECK_EQ_STR(text, "'a':");
    CHECK_EQ_I64(mr_dataset_origin(a, 3, 1, NULL, 0), 20);
    CHECK_EQ_I64(mr_dataset_origin(a, ROWS, -1, text, sizeof text), -1);
    CHECK_EQ_STR(mr_error(), "dataset_origin: sample 12 of 12, field -1 of 2");
    CHECK_EQ_I64(mr_dataset_origin(a, 0, 2, text, sizeof text), -1);
    CHECK_EQ_STR(mr_error(), "dataset_origin: sample 0 of 12, field 2 of 2");
    CHECK_EQ_I64(mr_dataset_origin(b, 0, -1, text, sizeof text), -1);
    CHECK_EQ_STR(mr_error(), "dataset_origin: a stream has no samples by index; use mr_cursor_origin");
    CHECK_EQ_I64(mr_dataset_origin(NULL, 0, -1, text, sizeof text), -1);
    CHECK_EQ_STR(mr_error(), "dataset_origin: dataset is NULL");

    mr_cursor *c = mr_stream_open(b);
    const mr_batch *sample;
    CHECK_EQ_I64(mr_cursor_origin(c, -1, text, sizeof text), 0);
    CHECK_EQ_STR(text, "");
    CHECK_EQ_I64(mr_cursor_next(c, &sample), MR_OK);
    CHECK_EQ_I64(mr_cursor_origin(c, 0, text, sizeof text), 20);
    CHECK_EQ_STR(text, "'b': row 0, column 0");
    CHECK_EQ_I64(mr_cursor_origin(c, 2, text, sizeof text), -1);
    CHECK_EQ_STR(mr_error(), "cursor_origin: field 2 of 2");
    for (int i = 1; i < ROWS; i++)
        CHECK_EQ_I64(mr_cursor_next(c, &sample), MR_OK);
    CHECK_EQ_I64(mr_cursor_origin(c, -1, text, sizeof text), 11);
    CHECK_EQ_I64(mr_cursor_next(c, &sample), MR_END);
    CHECK_EQ_I64(mr_cursor_origin(c, -1, text, sizeof text), 0);
    CHECK_EQ_I64(mr_cursor_origin(NULL, 0, text, sizeof text), -1);
    CHECK_EQ_STR(mr_error(), "cursor_origin: cursor is NULL");
    mr_cursor_free(c);

    const source gone = { .file = "c", .fails = true };
    mr_dataset *fails = mr_dataset_new(&vtable, &gone, sizeof gone, fields, 2);
    CHECK_EQ_I64(mr_dataset_origin(fails, 0, -1, text, sizeof text), -1);
    CHECK_EQ_STR(mr_error(), "the file is gone");
    mr_fail(MR_ERR_IO, "something else");
    CHECK_EQ_I64(mr_dataset_origin(fails, 0, -1, text, sizeof text), 10); /* and the first cause stays */
    CHECK_EQ_STR(mr_error(), "something else");
    mr_dataset_free(fails);
    mr_dataset_free(a);
    mr_dataset_free(b);
}

int main(void)
{
    rng = mr_rng_new(1);
    RUN(test_by_index);
    RUN(test_zip);
    RUN(test_streams);
    RUN(test_filter);
    RUN(test_maps_over_maps);
    RUN(test_unknown);
    RUN(test_long);
    RUN(test_asking);
    mr_rng_free(rng);
    return check_report();
}

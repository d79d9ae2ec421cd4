/* Memory runs out while a loader leaves out bad samples, reads a stream in shards, saves and restores. */
#include "refuse.h"

#include <millrace/data.h>

enum { ROWS = 23 };

/* ---- rows, of which every seventh is bad ---- */

static int64_t rows_len(void *self)
{
    (void)self;
    return ROWS;
}

static mr_status rows_get(void *self, int64_t index, const mr_sample *sample)
{
    (void)self;
    if (index % 7 == 3)
        return mr_fail(MR_ERR_FORMAT, "row is damaged");
    *(int64_t *)sample->field[0] = index * index;
    return MR_OK;
}

static const mr_dataset_vtable rows_vtable = { .len = rows_len, .get = rows_get };
static const mr_field fields[] = { { "square", MR_INT64, { 0 } } };

/* A cursor is memory of the user's own. */
typedef struct place {
    int64_t next, step;
} place;

static void *rows_open(void *self, int64_t shard, int64_t shards)
{
    (void)self;
    place *p = refuse_allocate(NULL, sizeof *p, sizeof *p);
    if (p)
        *p = (place){ shard, shards };
    else
        mr_fail(MR_ERR_MEMORY, "rows: out of memory");
    return p;
}

static mr_status rows_next(void *cursor, const mr_sample *sample)
{
    place *p = cursor;
    int64_t index = p->next;
    if (index >= ROWS)
        return MR_END;
    p->next += p->step;
    return rows_get(NULL, index, sample);
}

static void rows_close(void *cursor)
{
    refuse_release(NULL, cursor);
}

static void rows_tell(void *cursor, void *state)
{
    *(int64_t *)state = ((place *)cursor)->next;
}

static mr_status rows_seek(void *cursor, const void *state)
{
    ((place *)cursor)->next = *(const int64_t *)state;
    return MR_OK;
}

static const mr_stream_vtable stream_vtable = { .open = rows_open,
                                                .next = rows_next,
                                                .close = rows_close,
                                                .cursor_state_size = sizeof(int64_t),
                                                .tell = rows_tell,
                                                .seek = rows_seek };

/* ---- a sampler with a state ---- */

typedef struct steps {
    int64_t step, left;
} steps;

static mr_status steps_begin(void *self, int64_t epoch)
{
    steps *s = self;
    s->step += 1 + epoch;
    s->left = 20;
    return MR_OK;
}

static mr_status steps_next(void *self, int64_t *index)
{
    steps *s = self;
    *index = s->left * s->step % ROWS;
    return s->left-- > 0 ? MR_OK : MR_END;
}

static void steps_save(void *self, void *state)
{
    *(int64_t *)state = ((steps *)self)->step;
}

static mr_status steps_restore(void *self, const void *state)
{
    ((steps *)self)->step = *(const int64_t *)state;
    return MR_OK;
}

static const mr_sampler_vtable steps_vtable = { .begin = steps_begin,
                                                .next = steps_next,
                                                .state_size = sizeof(int64_t),
                                                .save = steps_save,
                                                .restore = steps_restore };

/* ---- four calls, a save, and the rest of two epochs in another loader ---- */

typedef struct machine {
    mr_rng *rng, *own;
    mr_dataset *dataset;
    mr_loader *loader;
} machine;

typedef machine maker(void);

static double take(mr_loader *loader, double sum, mr_status *status)
{
    const mr_batch *b;
    *status = mr_loader_next(loader, &b);
    for (int64_t i = 0; *status == MR_OK && i < b->rows; i++)
        sum = sum * 1.01 + (double)((const int64_t *)mr_tensor_data(b->field[0]))[i];
    return sum;
}

static void machine_free(machine *m)
{
    mr_loader_free(m->loader);
    mr_dataset_free(m->dataset);
    mr_rng_free(m->own);
    mr_rng_free(m->rng);
}

static double interrupted(maker *make, mr_status *status)
{
    machine a = make(), b = make();
    mr_status s = MR_OK;
    double sum = 0;
    const void *bytes;
    size_t size;
    for (int i = 0; s == MR_OK && i < 4; i++)
        sum = take(a.loader, sum, &s);
    if (s >= 0)
        s = mr_loader_save(a.loader, &bytes, &size);
    if (s >= 0)
        s = mr_loader_restore(b.loader, bytes, size);
    for (int ends = 0; s >= 0 && ends < 2; ends += s == MR_END)
        sum = take(b.loader, sum, &s);
    const mr_bad_sample *list;
    int64_t listed = 0;
    sum += b.loader ? (double)mr_loader_bad_samples(b.loader, &list, &listed) : 0;
    for (int64_t i = 0; i < listed; i++)
        sum = sum * 1.01 + (double)strlen(list[i].message);
    *status = s < 0 ? s : MR_OK;
    machine_free(&a);
    machine_free(&b);
    return s < 0 ? 0 : sum;
}

static machine make_with(const mr_loader_opts *opts, bool stream)
{
    machine m = { .rng = mr_rng_new(1), .own = mr_rng_new(2) };
    m.dataset = stream ? mr_stream_new(&stream_vtable, NULL, 0, fields, 1)
                       : mr_dataset_new(&rows_vtable, NULL, 0, fields, 1);
    m.loader = mr_loader_new(m.dataset, m.rng, opts);
    return m;
}

static machine make_shuffled(void)
{
    machine m =
        make_with(&(mr_loader_opts){ .batch_size = 4, .shuffle = true, .on_bad_sample = MR_BAD_SKIP }, false);
    mr_loader_set_generator(m.loader, m.own);
    return m;
}

static machine make_sampled(void)
{
    machine m = make_with(&(mr_loader_opts){ .batch_size = 3, .on_bad_sample = MR_BAD_SKIP }, false);
    mr_loader_set_sampler(m.loader, mr_sampler_new(&steps_vtable, &(steps){ 0 }, sizeof(steps)));
    return m;
}

static machine make_stream(void)
{
    return make_with(&(mr_loader_opts){ .batch_size = 3, .on_bad_sample = MR_BAD_SKIP, .shards = 3 }, true);
}

static machine make_blocks(void)
{
    return make_with(&(mr_loader_opts){ .batch_size = 3,
                                        .on_bad_sample = MR_BAD_SKIP,
                                        .shards = 3,
                                        .shuffle = true,
                                        .shuffle_block = 12 },
                     true);
}

static double shuffled_program(mr_status *status)
{
    return interrupted(make_shuffled, status);
}

static double sampled_program(mr_status *status)
{
    return interrupted(make_sampled, status);
}

static double stream_program(mr_status *status)
{
    return interrupted(make_stream, status);
}

static double blocks_program(mr_status *status)
{
    return interrupted(make_blocks, status);
}

static void test_all(void)
{
    refuse_each("shuffled", shuffled_program, 50);
    refuse_each("sampled", sampled_program, 50);
    refuse_each("stream", stream_program, 50);
    refuse_each("blocks", blocks_program, 50);
}

int main(void)
{
    refuse_begin();
    RUN(test_all);
    refuse_end();
    return check_report();
}

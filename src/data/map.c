/*
 * Samples made of samples by a function of the user's.
 *
 * Without fields of its own a map changes samples where they are to lie. With some, the inner sample is written to memory of
 * the thread's, which its `worker` has beside what the inner dataset's worker_open gave.
 */
#include "inner.h"
#include "ragged.h"

#include "base/alloc.h"

#include <string.h>

/* What the function is called with; copied into cursors. */
typedef struct change {
    mr_map_function function;
    void *user;
    uint64_t seed;
    mr_dataset *inner;              /* held by the map */
    int reads;                      /* the field of the inner samples; -1: any */
    int8_t origin[MR__MOST_FIELDS]; /* which of those each field is made of; -1 */
} change;

/* Room for one inner sample. */
typedef struct room {
    void *worker; /* the inner dataset's */
    void **field;
    char *bytes;
    mr_ragged **ragged; /* those of the fields that are; memory of their own */
    int ragged_count;
} room;

typedef struct map {
    union {
        mr_dataset_vtable by_index;
        mr_stream_vtable stream;
    } vtable;
    change change;
    void (*release)(void *user);
    bool in_place;
} map;

/* `cursor`: that gave the sample; NULL by index. */
static mr_status apply(const change *c, const mr__inner_cursor *cursor, void *const *in, const mr_sample *out,
                       int64_t index)
{
    mr_random random = mr_random_at(c->seed, out->epoch, index);
    mr_status status = c->function(c->user, in, out->field, index, &random);
    if (MR__LIKELY(status == MR_OK && !mr__pending()))
        return MR_OK;
    return mr__refused(status, c->inner, cursor, index, c->reads);
}

static int inner_field(const change *c, int field)
{
    return field < 0 ? -1 : c->origin[field];
}

/* ---- room ---- */

static void room_free(room *r)
{
    for (int i = 0; i < r->ragged_count; i++)
        mr__ragged_clear(r->ragged[i]);
    mr__free(r->ragged);
    mr__free(r->field);
    mr__free(r->bytes);
    *r = (room){ 0 };
}

static bool room_init(room *r, const mr_dataset *inner)
{
    size_t total = 0, fields = (size_t)inner->field_count;
    for (int f = 0; f < inner->field_count; f++)
        total += mr__round_up(inner->row_bytes[f], MR__ALIGNMENT);
    *r = (room){ 0 };
    r->field = mr__alloc_array(fields, sizeof *r->field);
    r->ragged = r->field ? mr__alloc_array(fields, sizeof(mr_ragged *)) : NULL;
    r->bytes = r->ragged ? mr__alloc_zeroed(total) : NULL;
    if (!r->bytes) {
        room_free(r);
        return false;
    }
    total = 0;
    for (int f = 0; f < inner->field_count; f++) {
        r->field[f] = r->bytes + total;
        total += mr__round_up(inner->row_bytes[f], MR__ALIGNMENT);
        if (!inner->item_bytes[f])
            continue;
        mr__ragged_init(r->field[f], inner->item_bytes[f]);
        r->ragged[r->ragged_count++] = r->field[f];
    }
    return true;
}

/* For the next sample. */
static void room_empty(const room *r)
{
    for (int i = 0; i < r->ragged_count; i++)
        r->ragged[i]->count = 0;
}

/* ---- by index ---- */

static int64_t map_len(void *self)
{
    return mr_dataset_len(((const map *)self)->change.inner);
}

static mr_status get_in_place(void *self, int64_t index, const mr_sample *sample)
{
    const map *m = self;
    mr_status status = mr__inner_get(m->change.inner, index, sample);
    if (MR__LIKELY(status == MR_OK))
        status = apply(&m->change, NULL, sample->field, sample, index);
    return MR__LIKELY(status == MR_OK) ? MR_OK : mr__sample_failed("map", status, index);
}

static mr_status get_many_in_place(void *self, const int64_t *indices, int64_t count, const mr_sample *first)
{
    const map *m = self;
    void *row[MR__MOST_FIELDS];
    mr_sample sample = *first;
    sample.field = row;
    mr_status status = mr__inner_get_many(m->change.inner, indices, count, first);
    for (int64_t i = 0; status == MR_OK && i < count; i++) {
        for (int f = 0; f < m->change.inner->field_count; f++)
            row[f] = mr__row(m->change.inner, first, f, i);
        status = apply(&m->change, NULL, row, &sample, indices[i]);
    }
    return status;
}

static mr_status get_by_way_of_room(void *self, int64_t index, const mr_sample *sample)
{
    const map *m = self;
    const room *r = sample->worker;
    mr_sample inner = *sample;
    inner.field = r->field;
    inner.worker = r->worker;
    room_empty(r);
    mr_status status = mr__inner_get(m->change.inner, index, &inner);
    if (MR__LIKELY(status == MR_OK))
        status = apply(&m->change, NULL, r->field, sample, index);
    return MR__LIKELY(status == MR_OK) ? MR_OK : mr__sample_failed("map", status, index);
}

static void *inner_worker_open(void *self)
{
    const mr_dataset *inner = ((const map *)self)->change.inner;
    return inner->map->worker_open(inner->self);
}

static void inner_worker_close(void *self, void *worker)
{
    const mr_dataset *inner = ((const map *)self)->change.inner;
    if (inner->map->worker_close)
        inner->map->worker_close(inner->self, worker);
}

static void room_worker_close(void *self, void *worker)
{
    room *r = worker;
    if (r->worker)
        inner_worker_close(self, r->worker);
    room_free(r);
    mr__free(r);
}

static void *room_worker_open(void *self)
{
    const map *m = self;
    room *r = mr__alloc(sizeof *r);
    if (!r || !room_init(r, m->change.inner)) {
        mr__free(r);
        return NULL;
    }
    if (m->change.inner->map->worker_open && !(r->worker = inner_worker_open(self))) {
        room_worker_close(self, r);
        return NULL;
    }
    return r;
}

static int map_origin(void *self, int64_t index, int field, char *text, size_t bytes)
{
    const change *c = &((const map *)self)->change;
    return mr__origin_of(c->inner, index, inner_field(c, field), text, bytes);
}

static void map_destroy(void *self)
{
    map *m = self;
    mr__dataset_release(m->change.inner);
    if (m->release)
        m->release(m->change.user);
}

static mr_dataset *map_by_index(map *m, const mr_field *fields, int field_count)
{
    mr_dataset_vtable *v = &m->vtable.by_index;
    *v = (mr_dataset_vtable){
        .len = map_len, .get = get_in_place, .destroy = map_destroy, .origin = map_origin
    };
    if (!m->in_place) {
        v->get = get_by_way_of_room;
        v->worker_open = room_worker_open;
        v->worker_close = room_worker_close;
    } else if (m->change.inner->map->worker_open) {
        v->worker_open = inner_worker_open;
        v->worker_close = inner_worker_close;
    }
    if (m->in_place && m->change.inner->map->get_many)
        v->get_many = get_many_in_place;
    mr__dataset_hold(m->change.inner);
    return mr__dataset_with_vtable(m, sizeof *m, fields, field_count);
}

/* ---- streams ---- */

typedef struct map_cursor {
    mr__inner_cursor inner;
    change change;
    room room; /* empty in place */
    int64_t number, step;
} map_cursor;

static void stream_close(void *cursor)
{
    map_cursor *c = cursor;
    mr__inner_close(&c->inner);
    room_free(&c->room);
    mr__free(c);
}

static void *stream_open(void *self, int64_t shard, int64_t shards)
{
    const map *m = self;
    map_cursor *c = mr__alloc_zeroed(sizeof *c);
    if (!c)
        return NULL;
    c->change = m->change;
    c->number = shard;
    c->step = shards;
    if (!m->in_place && !room_init(&c->room, m->change.inner)) {
        mr__free(c);
        return NULL;
    }
    if (mr__inner_open(&c->inner, m->change.inner, shard, shards) == MR_OK)
        return c;
    mr__add_context("map");
    stream_close(c);
    return NULL;
}

static mr_status stream_next(void *cursor, const mr_sample *sample)
{
    map_cursor *c = cursor;
    mr_sample inner = *sample;
    if (c->room.field) {
        inner.field = c->room.field;
        room_empty(&c->room);
    }
    mr_status status = mr__inner_next(&c->inner, &inner);
    if (status == MR_END)
        return MR_END;
    if (status == MR_OK)
        status = apply(&c->change, &c->inner, inner.field, sample, c->number);
    const int64_t number = c->number;
    c->number +=
        c->step; /* one that fails counts as well: those behind it keep their numbers when it is left out */
    return status == MR_OK ? MR_OK : mr__sample_failed("map", status, number);
}

static int stream_origin(void *cursor, int field, char *text, size_t bytes)
{
    const map_cursor *c = cursor;
    return mr__origin_of_last(&c->inner, inner_field(&c->change, field), text, bytes);
}

static int64_t stream_shards(void *self)
{
    return mr__inner_shards(((const map *)self)->change.inner);
}

static void stream_tell(void *cursor, void *state)
{
    const map_cursor *c = cursor;
    unsigned char *at = state;
    mr__put_number(&at, c->number);
    mr__inner_tell(&c->inner, &at);
}

static mr_status stream_seek(void *cursor, const void *state)
{
    map_cursor *c = cursor;
    const unsigned char *at = state;
    c->number = mr__get_number(&at);
    mr_status status = mr__inner_seek(&c->inner, &at);
    if (status != MR_OK)
        mr__add_context("map");
    return status;
}

static mr_dataset *map_stream(map *m, const mr_field *fields, int field_count)
{
    mr_stream_vtable *v = &m->vtable.stream;
    *v = (mr_stream_vtable){ .open = stream_open,
                             .next = stream_next,
                             .close = stream_close,
                             .len = map_len,
                             .destroy = map_destroy,
                             .shards = stream_shards,
                             .origin = stream_origin };
    if (mr__inner_tells(m->change.inner)) {
        v->cursor_state_size = MR__STATE_NUMBER + m->change.inner->stream->cursor_state_size;
        v->tell = stream_tell;
        v->seek = stream_seek;
    }
    mr__dataset_hold(m->change.inner);
    return mr__stream_with_vtable(m, sizeof *m, fields, field_count, &m->change.inner, 1);
}

/* ---- either ---- */

/* The number of a field; -1: there is none of that name. */
static int find_field(const mr_dataset *dataset, const char *name)
{
    for (int f = 0; f < dataset->field_count; f++)
        if (strcmp(dataset->fields[f].name, name) == 0)
            return f;
    return -1;
}

static bool acceptable(const char *call, const mr_dataset *dataset, mr_map_function function,
                       const mr_map_opts *opts)
{
    if (!mr__inner_acceptable(call, dataset, MR__EITHER))
        return false;
    if (!function) {
        mr__null(call, "function");
        return false;
    }
    if (opts->fields ? opts->field_count < 1 || opts->field_count > MR__MOST_FIELDS
                     : opts->field_count != 0) {
        mr__raise(MR_ERR_ARGUMENT, "%s: %d fields%s", call, opts->field_count,
                  opts->fields ? "" : " at NULL");
        return false;
    }
    if (opts->reads && find_field(dataset, opts->reads) < 0) {
        mr__raise(MR_ERR_ARGUMENT, "%s: there is no field '%s' to read", call, opts->reads);
        return false;
    }
    return true;
}

/* What each field of the new samples is made of: the one of its name, or else what the function reads. */
static void find_origins(change *c, const mr_field *fields, int count)
{
    for (int f = 0; f < count; f++) {
        const int same = fields[f].name ? find_field(c->inner, fields[f].name) : -1;
        c->origin[f] = (int8_t)(same >= 0 ? same : c->reads);
    }
}

mr_dataset *mr_map_new(mr_dataset *dataset, mr_map_function function, void *user, const mr_map_opts *opts)
{
    static const mr_map_opts defaults = { 0 };
    opts = opts ? opts : &defaults;
    if (!acceptable("map_new", dataset, function, opts)) {
        if (opts->release)
            opts->release(user);
        return NULL;
    }
    map m = { .change = { .function = function,
                          .user = user,
                          .seed = opts->seed,
                          .inner = dataset,
                          .reads = opts->reads ? find_field(dataset, opts->reads) : -1 },
              .release = opts->release,
              .in_place = !opts->fields };
    const mr_field *fields = opts->fields ? opts->fields : dataset->fields;
    int count = opts->fields ? opts->field_count : dataset->field_count;
    find_origins(&m.change, fields, count);
    return dataset->map ? map_by_index(&m, fields, count) : map_stream(&m, fields, count);
}

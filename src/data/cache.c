/*
 * Samples that are read once.
 *
 * There is room for all of them from the start, which the operating system gives when it is written to. A sample's state
 * goes from EMPTY over BEING_READ to HELD, from where on it is only read, without a lock. Who finds it EMPTY reads it, without
 * holding the lock; who finds it BEING_READ waits. A failure puts it back to EMPTY, and wakes those who wait, of whom one
 * tries again. A sample whose ragged fields leave the bound no room becomes BEYOND, for ever.
 */
#include "inner.h"
#include "ragged.h"

#include "base/alloc.h"

#include <string.h>

enum { EMPTY, BEING_READ, HELD, BEYOND };

typedef struct store {
    int64_t capacity;  /* samples */
    int64_t max_bytes; /* 0: no bound */
    char **base;       /* of each field */
    atomic_uchar *state;
    pthread_mutex_t lock;
    pthread_cond_t read;
    atomic_int_least64_t held, hits, reads, bytes;
} store;

typedef struct cache {
    mr_dataset_vtable vtable;
    mr_dataset *inner; /* held */
    store *store;
} cache;

/* ---- reading ---- */

static mr_status copy_sample(const cache *c, void *const *to, void *const *from)
{
    for (int f = 0; f < c->inner->field_count; f++) {
        if (!c->inner->item_bytes[f])
            memcpy(to[f], from[f], c->inner->row_bytes[f]);
        else if (mr__ragged_copy(to[f], from[f]))
            return mr_error_status();
    }
    return MR_OK;
}

/* The fields of a sample that is held. */
static void point_at(const cache *c, int64_t index, void **field)
{
    for (int f = 0; f < c->inner->field_count; f++)
        field[f] = c->store->base[f] + (size_t)index * c->inner->row_bytes[f];
}

static mr_status copy_out(const cache *c, int64_t index, void *const *field)
{
    void *held[MR__MOST_FIELDS];
    point_at(c, index, held);
    return copy_sample(c, field, held);
}

static mr_status copy_in(const cache *c, int64_t index, void *const *field)
{
    void *held[MR__MOST_FIELDS];
    point_at(c, index, held);
    for (int f = 0; f < c->inner->field_count; f++) /* what was there is freed, or never was anything */
        if (c->inner->item_bytes[f])
            mr__ragged_init(held[f], c->inner->item_bytes[f]);
    mr_status status = copy_sample(c, held, field);
    for (int f = 0; status != MR_OK && f < c->inner->field_count; f++)
        if (c->inner->item_bytes[f])
            mr__ragged_clear(held[f]);
    return status;
}

/* What it takes to hold a sample. */
static int64_t bytes_of(const mr_dataset *inner, void *const *field)
{
    int64_t bytes = 0;
    for (int f = 0; f < inner->field_count; f++)
        bytes += (int64_t)(inner->item_bytes[f] ? mr__ragged_bytes(field[f]) : inner->row_bytes[f]);
    return bytes;
}

static bool reserve(store *s, int64_t bytes)
{
    int64_t used = atomic_load_explicit(&s->bytes, memory_order_relaxed);
    do
        if (s->max_bytes && bytes > s->max_bytes - used)
            return false;
    while (!atomic_compare_exchange_weak(&s->bytes, &used, used + bytes));
    return true;
}

static mr_status read_inner(const cache *c, int64_t index, const mr_sample *sample)
{
    atomic_fetch_add_explicit(&c->store->reads, 1, memory_order_relaxed);
    mr_status status = mr__inner_get(c->inner, index, sample);
    return status == MR_OK ? MR_OK : mr__sample_failed("cache", status, index);
}

static int state_of(const store *s, int64_t index)
{
    return index < s->capacity ? atomic_load_explicit(&s->state[index], memory_order_acquire) : BEYOND;
}

static void set_state(store *s, int64_t index, unsigned char state)
{
    pthread_mutex_lock(&s->lock);
    atomic_store_explicit(&s->state[index], state, memory_order_release);
    pthread_cond_broadcast(&s->read);
    pthread_mutex_unlock(&s->lock);
}

/* Waits while somebody else reads the sample. True: it is the caller's to read. */
static bool claim(store *s, int64_t index)
{
    pthread_mutex_lock(&s->lock);
    while (atomic_load_explicit(&s->state[index], memory_order_relaxed) == BEING_READ)
        pthread_cond_wait(&s->read, &s->lock);
    bool mine = atomic_load_explicit(&s->state[index], memory_order_relaxed) == EMPTY;
    if (mine)
        atomic_store_explicit(&s->state[index], BEING_READ, memory_order_relaxed);
    pthread_mutex_unlock(&s->lock);
    return mine;
}

/* Of a sample that is the caller's to read. */
static mr_status read_and_hold(const cache *c, int64_t index, const mr_sample *sample)
{
    store *s = c->store;
    mr_status status = read_inner(c, index, sample);
    int64_t bytes = status == MR_OK ? bytes_of(c->inner, sample->field) : 0;
    if (status == MR_OK && !reserve(s, bytes)) {
        set_state(s, index, BEYOND);
        return MR_OK;
    }
    if (status == MR_OK && (status = copy_in(c, index, sample->field)) == MR_OK)
        atomic_fetch_add_explicit(&s->held, 1, memory_order_relaxed);
    else
        atomic_fetch_sub(&s->bytes, bytes);
    set_state(s, index, status == MR_OK ? HELD : EMPTY);
    return status;
}

static mr_status get(void *self, int64_t index, const mr_sample *sample)
{
    const cache *c = self;
    store *s = c->store;
    if (state_of(s, index) < HELD && claim(s, index))
        return read_and_hold(c, index, sample);
    if (state_of(s, index) == BEYOND)
        return read_inner(c, index, sample);
    atomic_fetch_add_explicit(&s->hits, 1, memory_order_relaxed);
    return copy_out(c, index, sample->field);
}

/* Those that are held are copied field by field. */
static mr_status get_many(void *self, const int64_t *indices, int64_t count, const mr_sample *first)
{
    const cache *c = self;
    store *s = c->store;
    void *row[MR__MOST_FIELDS];
    mr_sample sample = *first;
    mr_status status = MR_OK;
    sample.field = row;
    int64_t hits = 0;
    for (int64_t i = 0; status == MR_OK && i < count; i++) {
        for (int f = 0; f < c->inner->field_count; f++)
            row[f] = mr__row(c->inner, first, f, i);
        if (state_of(s, indices[i]) == HELD) {
            status = copy_out(c, indices[i], row);
            hits++;
        } else {
            status = get(self, indices[i], &sample);
        }
    }
    atomic_fetch_add_explicit(&s->hits, hits, memory_order_relaxed);
    return status;
}

static int64_t len(void *self)
{
    return mr_dataset_len(((const cache *)self)->inner);
}

static int origin(void *self, int64_t index, int field, char *text, size_t room)
{
    return mr__origin_of(((const cache *)self)->inner, index, field, text, room);
}

static void *worker_open(void *self)
{
    const mr_dataset *inner = ((const cache *)self)->inner;
    return inner->map->worker_open(inner->self);
}

static void worker_close(void *self, void *worker)
{
    const mr_dataset *inner = ((const cache *)self)->inner;
    if (inner->map->worker_close)
        inner->map->worker_close(inner->self, worker);
}

/* ---- making ---- */

static void store_free(store *s, const mr_dataset *inner)
{
    if (!s)
        return;
    for (int f = 0; s->base && f < inner->field_count; f++) {
        mr_ragged *row = inner->item_bytes[f] ? (mr_ragged *)(void *)s->base[f] : NULL;
        for (int64_t i = 0; row && i < s->capacity; i++)
            if (state_of(s, i) == HELD)
                mr__ragged_clear(&row[i]);
        mr__free(s->base[f]);
    }
    mr__free(s->base);
    mr__free(s->state);
    pthread_mutex_destroy(&s->lock);
    pthread_cond_destroy(&s->read);
    mr__free(s);
}

static void destroy(void *self)
{
    cache *c = self;
    store_free(c->store, c->inner);
    mr__dataset_release(c->inner);
}

static store *store_new(const mr_dataset *inner, int64_t capacity, int64_t max_bytes)
{
    store *s = mr__alloc_zeroed(sizeof *s);
    if (!s)
        return NULL;
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->read, NULL);
    s->capacity = capacity;
    s->max_bytes = max_bytes;
    s->base = mr__alloc_zeroed((size_t)inner->field_count * sizeof *s->base);
    s->state = mr__alloc_zeroed((size_t)capacity * sizeof *s->state);
    bool made = s->base && s->state;
    for (int f = 0; made && f < inner->field_count; f++) {
        s->base[f] = mr__alloc_array((size_t)capacity, inner->row_bytes[f]);
        made = s->base[f] != NULL;
    }
    if (made)
        return s;
    store_free(s, inner);
    return NULL;
}

mr_dataset *mr_cache_new(mr_dataset *dataset, const mr_cache_opts *opts)
{
    static const char call[] = "cache_new";
    int64_t bytes = 0;
    if (!mr__inner_acceptable(call, dataset, MR__BY_INDEX))
        return NULL;
    int64_t capacity = mr_dataset_len(dataset);
    if (opts && opts->max_bytes < 0) {
        mr__raise(MR_ERR_ARGUMENT, "%s: max_bytes %lld is negative", call, (long long)opts->max_bytes);
        return NULL;
    }
    for (int f = 0; f < dataset->field_count; f++)
        bytes += dataset->item_bytes[f] ? 0 : (int64_t)dataset->row_bytes[f];
    if (opts && opts->max_bytes && bytes > 0 && capacity > opts->max_bytes / bytes)
        capacity = opts->max_bytes / bytes;
    cache c = {
        .vtable = { .len = len, .get = get, .get_many = get_many, .destroy = destroy, .origin = origin },
        .inner = dataset
    };
    if (dataset->map->worker_open) {
        c.vtable.worker_open = worker_open;
        c.vtable.worker_close = worker_close;
    }
    c.store = store_new(dataset, capacity, opts ? opts->max_bytes : 0);
    if (!c.store)
        return NULL;
    mr__dataset_hold(dataset);
    return mr__dataset_with_vtable(&c, sizeof c, dataset->fields, dataset->field_count);
}

mr_status mr_cache_count(const mr_dataset *dataset, mr_cache_counts *counts)
{
    if (!dataset || !counts)
        return mr__null("cache_count", dataset ? "counts" : "cache");
    if (!dataset->map || dataset->map->get != get)
        return mr__raise(MR_ERR_ARGUMENT, "cache_count: the dataset is no cache");
    const store *s = ((const cache *)dataset->self)->store;
    *counts = (mr_cache_counts){ s->capacity, atomic_load(&s->held), atomic_load(&s->hits),
                                 atomic_load(&s->reads), atomic_load(&s->bytes) };
    return MR_OK;
}

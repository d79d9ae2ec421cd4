/*
 * Samples that are read once.
 *
 * There is room for all of them from the start, which the operating system gives when it is written to. A sample's state
 * goes from EMPTY over BEING_READ to HELD, from where on it is only read, without a lock. Who finds it EMPTY reads it, without
 * holding the lock; who finds it BEING_READ waits. A failure puts it back to EMPTY, and wakes those who wait, of whom one
 * tries again.
 */
#include "inner.h"
#include "ragged.h"

#include "base/alloc.h"

#include <string.h>

enum { EMPTY, BEING_READ, HELD };

typedef struct store {
    int64_t capacity; /* samples */
    char **base;      /* of each field */
    atomic_uchar *state;
    pthread_mutex_t lock;
    pthread_cond_t read;
    atomic_int_least64_t held, hits, reads;
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
    return copy_sample(c, held, field);
}

static mr_status read_inner(const cache *c, int64_t index, const mr_sample *sample)
{
    atomic_fetch_add_explicit(&c->store->reads, 1, memory_order_relaxed);
    mr_status status = mr__inner_get(c->inner, index, sample);
    return status == MR_OK ? MR_OK : mr__sample_failed("cache", status, index);
}

static bool is_held(const store *s, int64_t index)
{
    return atomic_load_explicit(&s->state[index], memory_order_acquire) == HELD;
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

static mr_status get(void *self, int64_t index, const mr_sample *sample)
{
    const cache *c = self;
    store *s = c->store;
    if (index >= s->capacity)
        return read_inner(c, index, sample);
    if (!is_held(s, index) && claim(s, index)) {
        mr_status status = read_inner(c, index, sample);
        if (status == MR_OK)
            status = copy_in(c, index, sample->field);
        if (status == MR_OK)
            atomic_fetch_add_explicit(&s->held, 1, memory_order_relaxed);
        set_state(s, index, status == MR_OK ? HELD : EMPTY);
        return status;
    }
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
        if (indices[i] < s->capacity && is_held(s, indices[i])) {
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
        if (inner->item_bytes[f])
            mr__ragged_rows_free((mr_ragged *)(void *)s->base[f], s->capacity);
        else
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

static store *store_new(const mr_dataset *inner, int64_t capacity)
{
    store *s = mr__alloc_zeroed(sizeof *s);
    if (!s)
        return NULL;
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->read, NULL);
    s->capacity = capacity;
    s->base = mr__alloc_zeroed((size_t)inner->field_count * sizeof *s->base);
    s->state = mr__alloc_zeroed((size_t)capacity * sizeof *s->state);
    bool made = s->base && s->state;
    for (int f = 0; made && f < inner->field_count; f++) {
        s->base[f] = inner->item_bytes[f] ? (char *)mr__ragged_rows(capacity, inner->item_bytes[f])
                                          : mr__alloc_array((size_t)capacity, inner->row_bytes[f]);
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
        bytes += (int64_t)dataset->row_bytes[f];
    if (opts && opts->max_bytes && bytes > 0 && capacity > opts->max_bytes / bytes)
        capacity = opts->max_bytes / bytes;
    cache c = { .vtable = { .len = len, .get = get, .get_many = get_many, .destroy = destroy },
                .inner = dataset };
    if (dataset->map->worker_open) {
        c.vtable.worker_open = worker_open;
        c.vtable.worker_close = worker_close;
    }
    c.store = store_new(dataset, capacity);
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
                                 atomic_load(&s->reads) };
    return MR_OK;
}

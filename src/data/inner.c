#include "inner.h"

#include "base/alloc.h"
#include "base/strbuf.h"

#include <string.h>

/* ---- making ---- */

mr__kind mr__kind_of(const mr_dataset *dataset)
{
    return !dataset ? MR__EITHER : dataset->map ? MR__BY_INDEX : MR__STREAM;
}

bool mr__inner_acceptable(const char *call, const mr_dataset *inner, mr__kind kind)
{
    if (!inner)
        mr__null(call, "dataset");
    else if (kind == MR__BY_INDEX && !inner->map)
        mr__raise(MR_ERR_ARGUMENT, "%s: a stream has no samples by index", call);
    else if (kind == MR__STREAM && !inner->stream)
        mr__raise(MR_ERR_ARGUMENT, "%s: the dataset is one by index, not a stream", call);
    else if (inner->field_count > MR__MOST_FIELDS)
        mr__raise(MR_ERR_ARGUMENT, "%s: %d fields, and %d are the most", call, inner->field_count,
                  MR__MOST_FIELDS);
    else
        return true;
    return false;
}

static bool same_field(const mr_field *a, const mr_field *b)
{
    return strcmp(a->name, b->name) == 0 && a->dtype == b->dtype && a->shape.ndim == b->shape.ndim &&
           memcmp(a->shape.dim, b->shape.dim, (size_t)a->shape.ndim * sizeof *a->shape.dim) == 0;
}

bool mr__inners_alike(const char *call, mr_dataset *const *inners, int count, mr__kind kind)
{
    if (!inners || count < 1) {
        mr__raise(MR_ERR_ARGUMENT, "%s: no datasets", call);
        return false;
    }
    for (int i = 0; i < count; i++) {
        if (!mr__inner_acceptable(call, inners[i], kind))
            return false;
        if (inners[i]->field_count != inners[0]->field_count) {
            mr__raise(MR_ERR_ARGUMENT, "%s: dataset %d has %d fields, dataset 0 has %d", call, i,
                      inners[i]->field_count, inners[0]->field_count);
            return false;
        }
        for (int f = 0; f < inners[0]->field_count; f++)
            if (!same_field(&inners[0]->fields[f], &inners[i]->fields[f])) {
                mr__raise(MR_ERR_ARGUMENT, "%s: field %d, '%s', of dataset %d is not the '%s' of dataset 0",
                          call, f, inners[i]->fields[f].name, i, inners[0]->fields[f].name);
                return false;
            }
    }
    return true;
}

mr_dataset **mr__inners_hold(mr_dataset *const *inners, int count)
{
    mr_dataset **held = mr__alloc_array((size_t)count, sizeof(mr_dataset *));
    for (int i = 0; held && i < count; i++) {
        held[i] = inners[i];
        mr__dataset_hold(inners[i]);
    }
    return held;
}

void mr__inners_release(mr_dataset **inners, int count)
{
    for (int i = 0; inners && i < count; i++)
        mr__dataset_release(inners[i]);
    mr__free(inners);
}

int64_t mr__inners_len(mr_dataset *const *inners, int count)
{
    int64_t sum = 0;
    for (int i = 0; i < count; i++) {
        const int64_t len = mr_dataset_len(inners[i]);
        if (len < 0 || __builtin_add_overflow(sum, len, &sum))
            return -1;
    }
    return sum;
}

mr_dataset *mr__dataset_with_vtable(const void *self, size_t size, const mr_field *fields, int field_count)
{
    const mr_dataset_vtable *vtable = self; /* a struct's first member is where the struct is */
    mr_dataset *dataset = mr_dataset_new(vtable, self, size, fields, field_count);
    if (dataset)
        dataset->map = dataset->self;
    else
        vtable->destroy((void *)(uintptr_t)self);
    return dataset;
}

/* What the streams say of themselves, one after the other, to `dataset`; false after a failure. */
static bool take_about(mr_dataset *dataset, mr_dataset *const *inners, int count)
{
    const char *last = NULL;
    mr__strbuf text = { 0 };
    for (int i = 0; i < count; i++) {
        const char *about = inners[i]->about;
        if (!about || (last && strcmp(last, about) == 0))
            continue;
        mr__strbuf_append(&text, last ? ", " : "");
        mr__strbuf_append(&text, about);
        last = about;
    }
    dataset->about = last ? mr__strbuf_take(&text) : NULL;
    return !last || dataset->about;
}

mr_dataset *mr__stream_with_vtable(const void *self, size_t size, const mr_field *fields, int field_count,
                                   mr_dataset *const *inners, int count)
{
    const mr_stream_vtable *vtable = self;
    mr_dataset *dataset = mr_stream_new(vtable, self, size, fields, field_count);
    if (!dataset) {
        vtable->destroy((void *)(uintptr_t)self);
        return NULL;
    }
    dataset->stream = dataset->self;
    if (take_about(dataset, inners, count))
        return dataset;
    mr_dataset_free(dataset);
    return NULL;
}

/* ---- reading ---- */

mr_status mr__with_text(mr_status status)
{
    status = mr__outcome(status);
    if (status == MR_OK || mr__has_cause(status))
        return status < 0 || status == MR_OK ? status : MR_ERR_CALLBACK;
    return mr__raise(status < 0 ? status : MR_ERR_CALLBACK, "the callback failed without a message");
}

mr_status mr__inner_get(const mr_dataset *inner, int64_t index, const mr_sample *sample)
{
    return mr__with_text(inner->map->get(inner->self, index, sample));
}

mr_status mr__inner_get_many(const mr_dataset *inner, const int64_t *indices, int64_t count,
                             const mr_sample *first)
{
    if (inner->map->get_many)
        return mr__with_text(inner->map->get_many(inner->self, indices, count, first));
    void *row[MR__MOST_FIELDS];
    mr_sample sample = *first;
    sample.field = row;
    for (int64_t i = 0; i < count; i++) {
        for (int f = 0; f < inner->field_count; f++)
            row[f] = mr__row(inner, first, f, i);
        mr_status status = mr__inner_get(inner, indices[i], &sample);
        if (status != MR_OK)
            return status;
    }
    return MR_OK;
}

/* ---- several by index, as one ---- */

static void workers_close(void *self, void *worker)
{
    const mr__several *s = self;
    void **workers = worker;
    for (int i = s->count - 1; i >= 0; i--)
        if (workers[i] && s->inner[i]->map->worker_close)
            s->inner[i]->map->worker_close(s->inner[i]->self, workers[i]);
    mr__free(workers);
}

/* NULL for those that have no worker_open. */
static void *workers_open(void *self)
{
    const mr__several *s = self;
    void **workers = mr__alloc_zeroed((size_t)s->count * sizeof *workers);
    for (int i = 0; workers && i < s->count; i++) {
        if (!s->inner[i]->map->worker_open)
            continue;
        workers[i] = s->inner[i]->map->worker_open(s->inner[i]->self);
        if (workers[i])
            continue;
        mr__with_text(MR_ERR_CALLBACK);
        workers_close(self, workers);
        return NULL;
    }
    return workers;
}

bool mr__several_begin(mr__several *s, mr_dataset *const *datasets, int count)
{
    s->count = count;
    for (int i = 0; i < count; i++)
        if (datasets[i]->map->worker_open) {
            s->vtable.worker_open = workers_open;
            s->vtable.worker_close = workers_close;
        }
    s->inner = mr__inners_hold(datasets, count);
    return s->inner != NULL;
}

void mr__several_end(mr__several *s)
{
    mr__inners_release(s->inner, s->count);
}

void *mr__several_worker(const mr_sample *sample, int i)
{
    return sample->worker ? ((void **)sample->worker)[i] : NULL;
}

/* ---- streams ---- */

mr_status mr__inner_open(mr__inner_cursor *cursor, const mr_dataset *stream, int64_t shard, int64_t shards)
{
    cursor->vtable = *stream->stream;
    mr__error_mark();
    cursor->at = stream->stream->open(stream->self, shard, shards);
    return cursor->at ? MR_OK : mr__with_text(mr__has_cause(MR_OK) ? mr_error_status() : MR_ERR_CALLBACK);
}

void mr__inner_close(mr__inner_cursor *cursor)
{
    if (cursor->at)
        cursor->vtable.close(cursor->at);
    cursor->at = NULL;
}

mr_status mr__inner_next(const mr__inner_cursor *cursor, const mr_sample *sample)
{
    mr_status status = mr__outcome(cursor->vtable.next(cursor->at, sample));
    return status == MR_END ? MR_END : mr__with_text(status);
}

int64_t mr__inner_shards(const mr_dataset *stream)
{
    return stream->stream->shards ? stream->stream->shards(stream->self) : 1;
}

bool mr__inner_tells(const mr_dataset *stream)
{
    return stream->stream->tell && stream->stream->seek;
}

void mr__inner_tell(const mr__inner_cursor *cursor, unsigned char **state)
{
    cursor->vtable.tell(cursor->at, *state);
    *state += cursor->vtable.cursor_state_size;
}

mr_status mr__inner_seek(const mr__inner_cursor *cursor, const unsigned char **state)
{
    mr_status status = cursor->vtable.seek(cursor->at, *state);
    *state += cursor->vtable.cursor_state_size;
    return mr__with_text(status);
}

void mr__put_number(unsigned char **state, int64_t number)
{
    memcpy(*state, &number, MR__STATE_NUMBER);
    *state += MR__STATE_NUMBER;
}

int64_t mr__get_number(const unsigned char **state)
{
    int64_t number;
    memcpy(&number, *state, MR__STATE_NUMBER);
    *state += MR__STATE_NUMBER;
    return number;
}

#include "dataset.h"

#include "ragged.h"

#include "base/alloc.h"
#include "tensor/tensor.h"

#include <string.h>

/* ---- making and freeing ---- */

/* The field at `i` is ragged: its first dimension is -1. */
static bool copy_ragged(mr_dataset *dataset, const mr_field *field, int i, int64_t numel)
{
    static const char suffix[] = ".offsets";
    const char *name = field->name ? field->name : "";
    if (numel == 0) {
        mr__raise(MR_ERR_SHAPE, "dataset_new: the items of field '%s' have no elements", name);
        return false;
    }
    char *offsets = dataset->offsets[i] = mr__alloc(strlen(name) + sizeof suffix);
    if (!offsets)
        return false;
    strcpy(offsets, name);
    strcat(offsets, suffix);
    dataset->item_bytes[i] = (size_t)numel * mr_dtype_size(field->dtype);
    dataset->row_bytes[i] = sizeof(mr_ragged);
    dataset->ragged++;
    return true;
}

static bool copy_field(mr_dataset *dataset, const mr_field *from, int i)
{
    mr_shape shape = from->shape;
    bool ragged = shape.ndim > 0 && shape.dim[0] == -1;
    if (ragged)
        shape.dim[0] = 1;
    int64_t numel = mr__numel("dataset_new", &shape, from->dtype);
    if (numel < 0)
        return false;
    if (shape.ndim == MR_MAX_DIMS) {
        mr__raise(MR_ERR_SHAPE,
                  "dataset_new: field '%s' has %d dimensions; a batch adds one, and %d is the most",
                  from->name ? from->name : "", shape.ndim, MR_MAX_DIMS);
        return false;
    }
    mr_field *field = &dataset->fields[i];
    *field = *from;
    field->name = mr__strdup(from->name ? from->name : "");
    if (!field->name)
        return false;
    dataset->row_bytes[i] = (size_t)numel * mr_dtype_size(field->dtype);
    return !ragged || copy_ragged(dataset, from, i, numel);
}

static bool copy_fields(mr_dataset *dataset, const mr_field *fields, int count)
{
    dataset->fields = mr__alloc_zeroed(mr__mul_size((size_t)count, sizeof *fields));
    dataset->row_bytes = mr__alloc_array((size_t)count, sizeof *dataset->row_bytes);
    dataset->item_bytes = mr__alloc_zeroed(mr__mul_size((size_t)count, sizeof *dataset->item_bytes));
    dataset->offsets = mr__alloc_zeroed(mr__mul_size((size_t)count, sizeof *dataset->offsets));
    if (!dataset->fields || !dataset->row_bytes || !dataset->item_bytes || !dataset->offsets)
        return false;
    dataset->field_count = count;
    for (int i = 0; i < count; i++)
        if (!copy_field(dataset, &fields[i], i))
            return false;
    return true;
}

static mr_dataset *dataset_new(const char *call, const void *self, size_t size, const mr_field *fields,
                               int field_count)
{
    if (!fields || field_count < 1) {
        mr__raise(MR_ERR_ARGUMENT, "dataset_new: a dataset has at least one field");
        return NULL;
    }
    mr_dataset *dataset = mr__alloc_zeroed(sizeof *dataset);
    if (!dataset)
        return NULL;
    atomic_init(&dataset->holders, 1);
    pthread_mutex_init(&dataset->lock, NULL);
    if (!mr__copy_self(call, self, size, &dataset->self) || !copy_fields(dataset, fields, field_count)) {
        mr_dataset_free(dataset);
        return NULL;
    }
    return dataset;
}

mr_dataset *mr_dataset_new(const mr_dataset_vtable *vtable, const void *self, size_t size,
                           const mr_field *fields, int field_count)
{
    if (!vtable || !vtable->len || !vtable->get) {
        mr__raise(MR_ERR_ARGUMENT, "dataset_new: the vtable needs len and get");
        return NULL;
    }
    mr_dataset *dataset = dataset_new("dataset_new", self, size, fields, field_count);
    if (dataset)
        dataset->map = vtable;
    return dataset;
}

mr_dataset *mr_stream_new(const mr_stream_vtable *vtable, const void *self, size_t size,
                          const mr_field *fields, int field_count)
{
    if (!vtable || !vtable->open || !vtable->next || !vtable->close) {
        mr__raise(MR_ERR_ARGUMENT, "stream_new: the vtable needs open, next and close");
        return NULL;
    }
    mr_dataset *dataset = dataset_new("stream_new", self, size, fields, field_count);
    if (dataset)
        dataset->stream = vtable;
    return dataset;
}

void *mr_dataset_self(mr_dataset *dataset, const mr_dataset_vtable *vtable)
{
    return dataset && dataset->map == vtable ? dataset->self : NULL;
}

void mr__dataset_hold(mr_dataset *dataset)
{
    atomic_fetch_add(&dataset->holders, 1);
}

void mr__dataset_release(mr_dataset *dataset)
{
    if (atomic_fetch_sub(&dataset->holders, 1) > 1)
        return;
    if (dataset->map && dataset->map->destroy)
        dataset->map->destroy(dataset->self);
    if (dataset->stream && dataset->stream->destroy)
        dataset->stream->destroy(dataset->self);
    for (int i = 0; i < dataset->field_count; i++) {
        mr__free((char *)(uintptr_t)dataset->fields[i].name);
        mr__free(dataset->offsets[i]);
    }
    mr__free(dataset->about);
    mr__free(dataset->item_bytes);
    mr__free(dataset->offsets);
    mr__free(dataset->fields);
    mr__free(dataset->row_bytes);
    mr__free(dataset->self);
    pthread_mutex_destroy(&dataset->lock);
    mr__free(dataset);
}

void mr__dataset_attach(mr_dataset *dataset, mr__user *user)
{
    pthread_mutex_lock(&dataset->lock);
    user->next = dataset->users;
    dataset->users = user;
    pthread_mutex_unlock(&dataset->lock);
}

void mr__dataset_detach(mr_dataset *dataset, mr__user *user)
{
    pthread_mutex_lock(&dataset->lock);
    mr__user **at = &dataset->users;
    while (*at && *at != user)
        at = &(*at)->next;
    if (*at)
        *at = user->next;
    pthread_mutex_unlock(&dataset->lock);
}

void mr_dataset_free(mr_dataset *dataset)
{
    if (!dataset)
        return;
    while (dataset->users) {
        mr__user *user = dataset->users;
        mr__dataset_detach(dataset, user);
        user->gone(user);
    }
    mr__dataset_release(dataset);
}

/* ---- reading ---- */

void mr__empty_ragged(const mr_dataset *dataset, void *const *field, int64_t count)
{
    for (int f = 0; f < dataset->field_count; f++)
        if (dataset->item_bytes[f])
            for (int64_t i = 0; i < count; i++)
                ((mr_ragged *)field[f])[i].count = 0;
}

/* ---- asking ---- */

int64_t mr_dataset_len(mr_dataset *dataset)
{
    if (!dataset) {
        mr__null("dataset_len", "dataset");
        return 0;
    }
    if (dataset->map)
        return dataset->map->len(dataset->self);
    return dataset->stream->len ? dataset->stream->len(dataset->self) : -1;
}

const mr_field *mr_dataset_fields(const mr_dataset *dataset)
{
    if (!dataset)
        mr__null("dataset_fields", "dataset");
    return dataset ? dataset->fields : NULL;
}

int mr_dataset_field_count(const mr_dataset *dataset)
{
    if (!dataset)
        mr__null("dataset_field_count", "dataset");
    return dataset ? dataset->field_count : 0;
}

mr_status mr__sample_failed(const char *call, mr_status status, int64_t index)
{
    if (!mr__has_cause(status < 0 ? status : MR_ERR_CALLBACK))
        mr__raise(status < 0 ? status : MR_ERR_CALLBACK, "the callback failed without a message");
    mr__add_context("%s: sample %lld", call, (long long)index);
    return status < 0 ? status : MR_ERR_CALLBACK;
}

/* Datasets one after the other, and side by side. */
#include "inner.h"

#include "base/alloc.h"

#include <stdio.h>
#include <string.h>

typedef struct several {
    mr_dataset_vtable vtable;
    mr_dataset **inner; /* held */
    int count;
    int64_t *end; /* behind the last sample of each, when they are one after the other */
    int *field;   /* the first of each, when they are side by side */
} several;

static void *worker_open(void *self)
{
    const several *s = self;
    return mr__workers_open(s->inner, s->count);
}

static void worker_close(void *self, void *worker)
{
    const several *s = self;
    mr__workers_close(s->inner, s->count, worker);
}

static void destroy(void *self)
{
    several *s = self;
    mr__inners_release(s->inner, s->count);
    mr__free(s->end);
    mr__free(s->field);
}

static void *worker_of(const mr_sample *sample, int i)
{
    return sample->worker ? ((void **)sample->worker)[i] : NULL;
}

/* Holds the datasets; false after a failure. */
static bool begin(several *s, mr_dataset *const *datasets, int count)
{
    s->count = count;
    s->vtable.destroy = destroy;
    if (mr__any_worker_open(datasets, count)) {
        s->vtable.worker_open = worker_open;
        s->vtable.worker_close = worker_close;
    }
    s->inner = mr__inners_hold(datasets, count);
    s->end = mr__alloc_array((size_t)count, sizeof *s->end);
    s->field = mr__alloc_array((size_t)count, sizeof *s->field);
    return s->inner && s->end && s->field;
}

/* ---- one after the other ---- */

static int64_t concat_len(void *self)
{
    const several *s = self;
    return s->end[s->count - 1];
}

/* Which dataset a sample is of; *index becomes its index there. */
static int find(const several *s, int64_t *index)
{
    int low = 0, high = s->count - 1;
    while (low < high) {
        int middle = low + (high - low) / 2;
        if (*index < s->end[middle])
            high = middle;
        else
            low = middle + 1;
    }
    *index -= low ? s->end[low - 1] : 0;
    return low;
}

static mr_status concat_failed(int number, mr_status status, int64_t index)
{
    char call[40];
    snprintf(call, sizeof call, "concat: dataset %d", number);
    return mr__sample_failed(call, status, index);
}

static mr_status concat_get(void *self, int64_t index, const mr_sample *sample)
{
    const several *s = self;
    int i = find(s, &index);
    mr_sample inner = *sample;
    inner.worker = worker_of(sample, i);
    mr_status status = mr__inner_get(s->inner[i], index, &inner);
    return MR__LIKELY(status == MR_OK) ? MR_OK : concat_failed(i, status, index);
}

/* Those that follow each other and are of one dataset are got together. */
static mr_status concat_get_many(void *self, const int64_t *indices, int64_t count, const mr_sample *first)
{
    enum { SOME = 256 };
    const several *s = self;
    int64_t inner[SOME];
    void *row[MR__MOST_FIELDS];
    mr_sample sample = *first;
    sample.field = row;
    for (int64_t i = 0, n; i < count; i += n) {
        inner[0] = indices[i];
        int which = find(s, &inner[0]);
        int64_t begin = which ? s->end[which - 1] : 0, end = s->end[which];
        for (n = 1; n < SOME && i + n < count && indices[i + n] >= begin && indices[i + n] < end; n++)
            inner[n] = indices[i + n] - begin;
        for (int f = 0; f < s->inner[which]->field_count; f++)
            row[f] = mr__row(s->inner[which], first, f, i);
        sample.worker = worker_of(first, which);
        mr_status status = mr__inner_get_many(s->inner[which], inner, n, &sample);
        if (status != MR_OK)
            return status;
    }
    return MR_OK;
}

mr_dataset *mr_concat_new(mr_dataset *const *datasets, int count)
{
    static const char call[] = "concat_new";
    several s = { .vtable = { .len = concat_len, .get = concat_get } };
    int64_t end = 0;
    if (!mr__inners_alike(call, datasets, count, MR__BY_INDEX))
        return NULL;
    if (!begin(&s, datasets, count)) {
        destroy(&s);
        return NULL;
    }
    for (int i = 0; i < count; i++) {
        if (__builtin_add_overflow(end, mr_dataset_len(datasets[i]), &end)) {
            mr__raise(MR_ERR_ARGUMENT, "%s: more samples than 2^63-1", call);
            destroy(&s);
            return NULL;
        }
        s.end[i] = end;
        if (datasets[i]->map->get_many)
            s.vtable.get_many = concat_get_many;
    }
    return mr__dataset_with_vtable(&s, sizeof s, datasets[0]->fields, datasets[0]->field_count);
}

/* ---- side by side ---- */

static int64_t zip_len(void *self)
{
    return mr_dataset_len(((const several *)self)->inner[0]);
}

static mr_status zip_failed(int number, mr_status status, int64_t index)
{
    char call[40];
    snprintf(call, sizeof call, "zip: dataset %d", number);
    return mr__sample_failed(call, status, index);
}

static mr_status zip_get(void *self, int64_t index, const mr_sample *sample)
{
    const several *s = self;
    for (int i = 0; i < s->count; i++) {
        mr_sample inner = *sample;
        inner.field = sample->field + s->field[i];
        inner.worker = worker_of(sample, i);
        mr_status status = mr__inner_get(s->inner[i], index, &inner);
        if (status != MR_OK)
            return zip_failed(i, status, index);
    }
    return MR_OK;
}

static mr_status zip_get_many(void *self, const int64_t *indices, int64_t count, const mr_sample *first)
{
    const several *s = self;
    for (int i = 0; i < s->count; i++) {
        mr_sample inner = *first;
        inner.field = first->field + s->field[i];
        inner.worker = worker_of(first, i);
        mr_status status = mr__inner_get_many(s->inner[i], indices, count, &inner);
        if (status != MR_OK)
            return status;
    }
    return MR_OK;
}

static const char zip[] = "zip_new";

/* The fields of all. Their number, or -1 after a failure. */
static int gather_fields(mr_dataset *const *datasets, const char *const *names, int count, mr_field *fields,
                         char (*text)[128], int *first)
{
    int n = 0;
    for (int i = 0; i < count; i++) {
        first[i] = n;
        for (int f = 0; f < datasets[i]->field_count; f++, n++) {
            const mr_field *field = &datasets[i]->fields[f];
            if (n == MR__MOST_FIELDS) {
                mr__raise(MR_ERR_ARGUMENT, "%s: more than %d fields", zip, MR__MOST_FIELDS);
                return -1;
            }
            fields[n] = *field;
            fields[n].name = text[n];
            int length = names && names[i] ? snprintf(text[n], sizeof text[n], "%s.%s", names[i], field->name)
                                           : snprintf(text[n], sizeof text[n], "%s", field->name);
            if (length >= (int)sizeof text[n]) {
                mr__raise(MR_ERR_ARGUMENT, "%s: the name of field %d of dataset %d has %d characters", zip, f,
                          i, length);
                return -1;
            }
            for (int other = 0; other < n; other++)
                if (strcmp(text[other], text[n]) == 0) {
                    mr__raise(MR_ERR_ARGUMENT, "%s: two fields are called '%s'", zip, text[n]);
                    return -1;
                }
        }
    }
    return n;
}

mr_dataset *mr_zip_new(mr_dataset *const *datasets, const char *const *names, int count)
{
    several s = { .vtable = { .len = zip_len, .get = zip_get } };
    mr_field fields[MR__MOST_FIELDS];
    char text[MR__MOST_FIELDS][128];
    if (!datasets || count < 1) {
        mr__raise(MR_ERR_ARGUMENT, "%s: no datasets", zip);
        return NULL;
    }
    for (int i = 0; i < count; i++) {
        if (!mr__inner_acceptable(zip, datasets[i], MR__BY_INDEX))
            return NULL;
        int64_t length = mr_dataset_len(datasets[0]), other = mr_dataset_len(datasets[i]);
        if (other != length) {
            mr__raise(MR_ERR_ARGUMENT, "%s: dataset %d has %lld samples, dataset 0 has %lld", zip, i,
                      (long long)other, (long long)length);
            return NULL;
        }
        if (datasets[i]->map->get_many)
            s.vtable.get_many = zip_get_many;
    }
    int n = begin(&s, datasets, count) ? gather_fields(datasets, names, count, fields, text, s.field) : -1;
    if (n < 0) {
        destroy(&s);
        return NULL;
    }
    return mr__dataset_with_vtable(&s, sizeof s, fields, n);
}

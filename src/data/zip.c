/* Datasets side by side: samples that have the fields of all. */
#include "cursors.h"

#include "base/alloc.h"

#include <stdio.h>
#include <string.h>

/* ---- the fields ---- */

static const char zip[] = "zip_new";

/* The fields of all. Their number, or -1 after a failure. */
static int gather_fields(mr_dataset *const *datasets, const char *const *names, int count, mr_field *fields,
                         char (*text)[128], int *first)
{
    int n = 0;
    for (int i = 0; i < count; i++) {
        if (n + datasets[i]->field_count > MR__MOST_FIELDS) {
            mr__raise(MR_ERR_ARGUMENT, "%s: more than %d fields", zip, MR__MOST_FIELDS);
            return -1;
        }
        first[i] = n;
        for (int f = 0; f < datasets[i]->field_count; f++, n++) {
            const mr_field *field = &datasets[i]->fields[f];
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

/* ---- where samples come from ---- */

/* The fields of one of several, the first of which is `first`: the number that one of all has there, or -1 where all
 * are meant. False: it is another one's. */
static bool is_of(const mr_dataset *inner, int first, int *field)
{
    if (*field < 0)
        return true;
    *field -= first;
    return *field >= 0 && *field < inner->field_count;
}

/* Puts what one says behind what others said. The length of all. */
static int add_origin(char *text, size_t room, int length, const char *part)
{
    const size_t used = (size_t)length < room ? (size_t)length : room;
    return length +
           snprintf(room ? text + used : NULL, room - used, "%s%s", length && *part ? ", " : "", part);
}

/* ---- by index ---- */

typedef struct zip_by_index {
    mr__several all;
    int field[MR__MOST_FIELDS]; /* the first of each */
} zip_by_index;

static void zip_destroy(void *self)
{
    mr__several_end(&((zip_by_index *)self)->all);
}

static int64_t zip_len(void *self)
{
    return mr_dataset_len(((const zip_by_index *)self)->all.inner[0]);
}

static mr_status zip_failed(int number, mr_status status, int64_t index)
{
    char call[40];
    snprintf(call, sizeof call, "zip: dataset %d", number);
    return mr__sample_failed(call, status, index);
}

static mr_status zip_get(void *self, int64_t index, const mr_sample *sample)
{
    const zip_by_index *s = self;
    for (int i = 0; i < s->all.count; i++) {
        mr_sample inner = *sample;
        inner.field = sample->field + s->field[i];
        inner.worker = mr__several_worker(sample, i);
        mr_status status = mr__inner_get(s->all.inner[i], index, &inner);
        if (status != MR_OK)
            return zip_failed(i, status, index);
    }
    return MR_OK;
}

static mr_status zip_get_many(void *self, const int64_t *indices, int64_t count, const mr_sample *first)
{
    const zip_by_index *s = self;
    for (int i = 0; i < s->all.count; i++) {
        mr_sample inner = *first;
        inner.field = first->field + s->field[i];
        inner.worker = mr__several_worker(first, i);
        mr_status status = mr__inner_get_many(s->all.inner[i], indices, count, &inner);
        if (status != MR_OK)
            return status;
    }
    return MR_OK;
}

static int zip_origin(void *self, int64_t index, int field, char *text, size_t room)
{
    const zip_by_index *s = self;
    char part[MR__ORIGIN_ROOM];
    int length = 0;
    for (int i = 0; i < s->all.count; i++) {
        int inner = field;
        if (!is_of(s->all.inner[i], s->field[i], &inner))
            continue;
        mr__origin_of(s->all.inner[i], index, inner, part, sizeof part);
        length = add_origin(text, room, length, part);
    }
    return length;
}

static mr_dataset *make_by_index(mr_dataset *const *datasets, int count, const int *first,
                                 const mr_field *fields, int field_count)
{
    zip_by_index s = { .all.vtable = {
                           .len = zip_len, .get = zip_get, .destroy = zip_destroy, .origin = zip_origin } };
    memcpy(s.field, first, (size_t)count * sizeof *first);
    for (int i = 0; i < count; i++)
        if (datasets[i]->map->get_many)
            s.all.vtable.get_many = zip_get_many;
    if (mr__several_begin(&s.all, datasets, count))
        return mr__dataset_with_vtable(&s, sizeof s, fields, field_count);
    zip_destroy(&s);
    return NULL;
}

/* ---- streams ---- */

typedef struct zip_streams {
    mr__streams all;
    int field[MR__MOST_FIELDS];
} zip_streams;

static void *zip_open(void *self, int64_t shard, int64_t shards)
{
    return mr__cursors_new(self, sizeof(mr__cursors), shard, shards);
}

/* One sample of each stream. Of one that fails the others' are read all the same, so that what follows fits together. */
static mr_status zip_next(void *cursor, const mr_sample *sample)
{
    mr__cursors *c = cursor;
    const int *field = ((const zip_streams *)(const void *)c->streams)->field;
    mr__failure first = { 0 };
    int ended = 0, goes_on = 0, stopped = 0;
    for (int i = 0; i < c->count; i++) {
        mr_status status = mr__cursors_open(c, i);
        if (status != MR_OK)
            return status;
    }
    for (int i = 0; i < c->count; i++) {
        mr_sample inner = *sample;
        inner.field = sample->field + field[i];
        mr_status status = mr__cursors_next(c, i, &inner);
        ended += status == MR_END;
        stopped = status == MR_END ? i : stopped;
        goes_on = status == MR_END ? goes_on : i;
        if (status < 0) {
            if (!first.status)
                mr__failure_take(&first);
            mr_error_clear();
        }
    }
    if (ended == c->count)
        return MR_END;
    if (first.status)
        return mr__failure_raise(&first);
    return ended ? mr__raise(MR_ERR_CALLBACK, "zip: stream %d has ended, and stream %d goes on", stopped,
                             goes_on)
                 : MR_OK;
}

static int zip_stream_origin(void *cursor, int field, char *text, size_t room)
{
    const mr__cursors *c = cursor;
    const int *first = ((const zip_streams *)(const void *)c->streams)->field;
    char part[MR__ORIGIN_ROOM];
    int length = 0;
    for (int i = 0; i < c->count; i++) {
        int inner = field;
        if (!is_of(c->streams->inner[i], first[i], &inner))
            continue;
        mr__origin_of_last(&c->cursor[i], inner, part, sizeof part);
        length = add_origin(text, room, length, part);
    }
    return length;
}

/* What the first one knows that knows it. */
static int64_t zip_stream_len(void *self)
{
    const mr__streams *s = self;
    int64_t len = -1;
    for (int i = 0; i < s->count && len < 0; i++)
        len = mr_dataset_len(s->inner[i]);
    return len;
}

static void zip_tell(void *cursor, void *state)
{
    const mr__cursors *c = cursor;
    unsigned char *at = state;
    for (int i = 0; i < c->count; i++)
        mr__cursors_tell(c, i, &at);
}

static mr_status zip_seek(void *cursor, const void *state)
{
    mr__cursors *c = cursor;
    const unsigned char *at = state;
    mr_status status = MR_OK;
    for (int i = 0; i < c->count && status == MR_OK; i++)
        status = mr__cursors_seek(c, i, &at);
    return status;
}

static mr_dataset *make_of_streams(mr_dataset *const *streams, int count, const int *first,
                                   const mr_field *fields, int field_count)
{
    size_t most, total;
    zip_streams s = { .all = { .inner = mr__inners_hold(streams, count), .count = count, .what = "zip" } };
    s.all.vtable = (mr_stream_vtable){ .open = zip_open,
                                       .next = zip_next,
                                       .close = mr__cursors_close,
                                       .len = zip_stream_len,
                                       .destroy = mr__streams_destroy,
                                       .origin = zip_stream_origin };
    memcpy(s.field, first, (size_t)count * sizeof *first);
    if (!s.all.inner)
        return NULL;
    if (mr__streams_tell(&s.all, &most, &total)) {
        s.all.vtable.cursor_state_size = (size_t)count * MR__STATE_NUMBER + total;
        s.all.vtable.tell = zip_tell;
        s.all.vtable.seek = zip_seek;
    }
    return mr__stream_with_vtable(&s, sizeof s, fields, field_count, streams, count);
}

/* ---- either ---- */

/* Whether all are of one kind, and of one length where they know it. */
static bool fit(mr_dataset *const *datasets, int count)
{
    int known = -1;
    if (!datasets || count < 1) {
        mr__raise(MR_ERR_ARGUMENT, "%s: no datasets", zip);
        return false;
    }
    for (int i = 0; i < count; i++) {
        if (!mr__inner_acceptable(zip, datasets[i], mr__kind_of(datasets[0])))
            return false;
        const int64_t length = mr_dataset_len(datasets[i]);
        if (length < 0)
            continue;
        known = known < 0 ? i : known;
        if (length != mr_dataset_len(datasets[known])) {
            mr__raise(MR_ERR_ARGUMENT, "%s: dataset %d has %lld samples, dataset %d has %lld", zip, i,
                      (long long)length, known, (long long)mr_dataset_len(datasets[known]));
            return false;
        }
    }
    return true;
}

mr_dataset *mr_zip_new(mr_dataset *const *datasets, const char *const *names, int count)
{
    mr_field fields[MR__MOST_FIELDS];
    char text[MR__MOST_FIELDS][128];
    int first[MR__MOST_FIELDS];
    if (!fit(datasets, count))
        return NULL;
    int n = gather_fields(datasets, names, count, fields, text, first);
    if (n < 0)
        return NULL;
    return datasets[0]->map ? make_by_index(datasets, count, first, fields, n)
                            : make_of_streams(datasets, count, first, fields, n);
}

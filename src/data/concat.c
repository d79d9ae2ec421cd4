/* Datasets one after the other, and streams. */
#include "cursors.h"

#include "base/alloc.h"

#include <stdio.h>
#include <string.h>

/* ---- by index ---- */

typedef struct concat {
    mr__several all;
    int64_t *end; /* behind the last sample of each */
} concat;

static void concat_destroy(void *self)
{
    concat *s = self;
    mr__several_end(&s->all);
    mr__free(s->end);
}

static int64_t concat_len(void *self)
{
    const concat *s = self;
    return s->end[s->all.count - 1];
}

/* Which dataset a sample is of; *index becomes its index there. */
static int find(const concat *s, int64_t *index)
{
    int low = 0, high = s->all.count - 1;
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
    const concat *s = self;
    int i = find(s, &index);
    mr_sample inner = *sample;
    inner.worker = mr__several_worker(sample, i);
    mr_status status = mr__inner_get(s->all.inner[i], index, &inner);
    return MR__LIKELY(status == MR_OK) ? MR_OK : concat_failed(i, status, index);
}

static int concat_origin(void *self, int64_t index, int field, char *text, size_t room)
{
    const concat *s = self;
    const int i = find(s, &index);
    return mr__origin_of(s->all.inner[i], index, field, text, room);
}

/* Those that follow each other and are of one dataset are got together. */
static mr_status concat_get_many(void *self, const int64_t *indices, int64_t count, const mr_sample *first)
{
    enum { SOME = 256 };
    const concat *s = self;
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
        for (int f = 0; f < s->all.inner[which]->field_count; f++)
            row[f] = mr__row(s->all.inner[which], first, f, i);
        sample.worker = mr__several_worker(first, which);
        mr_status status = mr__inner_get_many(s->all.inner[which], inner, n, &sample);
        if (status != MR_OK)
            return status;
    }
    return MR_OK;
}

mr_dataset *mr_concat_new(mr_dataset *const *datasets, int count)
{
    static const char call[] = "concat_new";
    concat s = { .all.vtable = { .len = concat_len,
                                 .get = concat_get,
                                 .destroy = concat_destroy,
                                 .origin = concat_origin } };
    int64_t end = 0;
    if (!mr__inners_alike(call, datasets, count, MR__BY_INDEX))
        return NULL;
    s.end = mr__alloc_array((size_t)count, sizeof *s.end);
    if (!mr__several_begin(&s.all, datasets, count) || !s.end) {
        concat_destroy(&s);
        return NULL;
    }
    for (int i = 0; i < count; i++) {
        if (__builtin_add_overflow(end, mr_dataset_len(datasets[i]), &end)) {
            mr__raise(MR_ERR_ARGUMENT, "%s: more samples than 2^63-1", call);
            concat_destroy(&s);
            return NULL;
        }
        s.end[i] = end;
        if (datasets[i]->map->get_many)
            s.all.vtable.get_many = concat_get_many;
    }
    return mr__dataset_with_vtable(&s, sizeof s, datasets[0]->fields, datasets[0]->field_count);
}

/* ---- streams ---- */

typedef struct chain_cursors {
    mr__cursors all;
    int at; /* the stream that is being read */
} chain_cursors;

static void *chain_open(void *self, int64_t shard, int64_t shards)
{
    return mr__cursors_new(self, sizeof(chain_cursors), shard, shards);
}

static mr_status chain_next(void *cursor, const mr_sample *sample)
{
    chain_cursors *c = cursor;
    for (; c->at < c->all.count; c->at++) {
        mr_status status = mr__cursors_next(&c->all, c->at, sample);
        if (status != MR_END)
            return status;
    }
    return MR_END;
}

static int chain_origin(void *cursor, int field, char *text, size_t room)
{
    const chain_cursors *c = cursor;
    return c->at < c->all.count ? mr__origin_of_last(&c->all.cursor[c->at], field, text, room) : 0;
}

static int64_t chain_len(void *self)
{
    const mr__streams *s = self;
    return mr__inners_len(s->inner, s->count);
}

/* Which stream is being read, and where it stands. */
static void chain_tell(void *cursor, void *state)
{
    const chain_cursors *c = cursor;
    unsigned char *at = state, *end = at + c->all.streams->vtable.cursor_state_size;
    mr__put_number(&at, c->at);
    if (c->at < c->all.count)
        mr__cursors_tell(&c->all, c->at, &at);
    memset(at, 0, (size_t)(end - at));
}

static mr_status chain_seek(void *cursor, const void *state)
{
    chain_cursors *c = cursor;
    const unsigned char *at = state;
    const int64_t which = mr__get_number(&at);
    if (which < 0 || which > c->all.count)
        return mr__raise(MR_ERR_FORMAT, "chain: stream %lld of %d in the state", (long long)which,
                         c->all.count);
    c->at = (int)which;
    return c->at < c->all.count ? mr__cursors_seek(&c->all, c->at, &at) : MR_OK;
}

mr_dataset *mr_chain_new(mr_dataset *const *streams, int count)
{
    size_t most, total;
    if (!mr__inners_alike("chain_new", streams, count, MR__STREAM))
        return NULL;
    mr__streams s = { .inner = mr__inners_hold(streams, count), .count = count, .what = "chain" };
    s.vtable = (mr_stream_vtable){ .open = chain_open,
                                   .next = chain_next,
                                   .close = mr__cursors_close,
                                   .len = chain_len,
                                   .destroy = mr__streams_destroy,
                                   .origin = chain_origin };
    if (!s.inner)
        return NULL;
    if (mr__streams_tell(&s, &most, &total)) {
        s.vtable.cursor_state_size = 2 * MR__STATE_NUMBER + most;
        s.vtable.tell = chain_tell;
        s.vtable.seek = chain_seek;
    }
    return mr__stream_with_vtable(&s, sizeof s, streams[0]->fields, streams[0]->field_count, streams, count);
}

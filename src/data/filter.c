/* Some of the samples of a stream. */
#include "inner.h"

#include "base/alloc.h"

typedef struct filter {
    mr_stream_vtable vtable;
    mr_dataset *inner; /* held */
    mr_filter_function keep;
    void *user;
} filter;

typedef struct filter_cursor {
    mr__inner_cursor inner;
    const mr_dataset *stream; /* that is being filtered */
    mr_filter_function keep;
    void *user;
    int64_t read; /* samples of the inner stream */
} filter_cursor;

static void *filter_open(void *self, int64_t shard, int64_t shards)
{
    const filter *f = self;
    filter_cursor *c = mr__alloc_zeroed(sizeof *c);
    if (!c)
        return NULL;
    c->stream = f->inner;
    c->keep = f->keep;
    c->user = f->user;
    if (mr__inner_open(&c->inner, f->inner, shard, shards) == MR_OK)
        return c;
    mr__add_context("filter");
    mr__free(c);
    return NULL;
}

static mr_status filter_next(void *cursor, const mr_sample *sample)
{
    filter_cursor *c = cursor;
    for (;; mr__empty_rows(c->stream, sample->field, 1)) { /* of a sample that was not kept */
        mr_status status = mr__inner_next(&c->inner, sample);
        if (status == MR_END)
            return MR_END;
        bool kept = status == MR_OK && c->keep(c->user, sample->field);
        const int64_t number = c->read++; /* one that fails counts as well */
        if (status == MR_OK && mr__pending())
            status = mr__refused(MR_OK, c->stream, &c->inner, number, -1);
        if (status != MR_OK)
            return mr__sample_failed("filter", status, number);
        if (kept)
            return MR_OK;
    }
}

static int filter_origin(void *cursor, int field, char *text, size_t room)
{
    return mr__origin_of_last(&((const filter_cursor *)cursor)->inner, field, text, room);
}

static void filter_close(void *cursor)
{
    mr__inner_close(&((filter_cursor *)cursor)->inner);
    mr__free(cursor);
}

static int64_t filter_shards(void *self)
{
    return mr__inner_shards(((const filter *)self)->inner);
}

static void filter_destroy(void *self)
{
    mr__dataset_release(((filter *)self)->inner);
}

static void filter_tell(void *cursor, void *state)
{
    const filter_cursor *c = cursor;
    unsigned char *at = state;
    mr__put_number(&at, c->read);
    mr__inner_tell(&c->inner, &at);
}

static mr_status filter_seek(void *cursor, const void *state)
{
    filter_cursor *c = cursor;
    const unsigned char *at = state;
    c->read = mr__get_number(&at);
    mr_status status = mr__inner_seek(&c->inner, &at);
    if (status != MR_OK)
        mr__add_context("filter");
    return status;
}

mr_dataset *mr_filter_new(mr_dataset *stream, mr_filter_function keep, void *user)
{
    static const char call[] = "filter_new";
    if (!mr__inner_acceptable(call, stream, MR__STREAM))
        return NULL;
    if (!keep) {
        mr__null(call, "keep");
        return NULL;
    }
    filter f = { .inner = stream, .keep = keep, .user = user };
    f.vtable = (mr_stream_vtable){ .open = filter_open,
                                   .next = filter_next,
                                   .close = filter_close,
                                   .destroy = filter_destroy,
                                   .shards = filter_shards,
                                   .origin = filter_origin };
    if (mr__inner_tells(stream)) {
        f.vtable.cursor_state_size = MR__STATE_NUMBER + stream->stream->cursor_state_size;
        f.vtable.tell = filter_tell;
        f.vtable.seek = filter_seek;
    }
    mr__dataset_hold(stream);
    return mr__stream_with_vtable(&f, sizeof f, stream->fields, stream->field_count, &stream, 1);
}

/* Lines of JSON from the front to the back. */
#include "jsonl.h"
#include "records.h"

#include <string.h>

typedef struct jsonl_stream {
    mr__jsonl_plan plan;
    mr__records records;
} jsonl_stream;

typedef struct jsonl_cursor {
    const mr__jsonl_plan *plan;
    mr__reader reader;
} jsonl_cursor;

static void cursor_close(void *self)
{
    jsonl_cursor *c = self;
    mr__reader_close(&c->reader);
    mr_free(c);
}

static void *cursor_open(void *self, int64_t shard, int64_t shards)
{
    jsonl_stream *s = *(jsonl_stream **)self;
    jsonl_cursor *c = mr_calloc(1, sizeof *c);
    if (!c)
        return NULL;
    c->plan = &s->plan;
    if (mr__reader_open(&c->reader, &s->records, shard, shards) == MR_OK)
        return c;
    cursor_close(c);
    return NULL;
}

static mr_status cursor_next(void *self, const mr_sample *sample)
{
    jsonl_cursor *c = self;
    for (;;) {
        const char *at, *end;
        int64_t line;
        mr_status s = mr__reader_next(&c->reader, &at, &end, &line);
        if (s != MR_OK)
            return s;
        if (mr__jsonl_is_blank(at, end))
            continue;
        s = mr__jsonl_read_row(c->plan, at, end, line, sample->field, 0);
        if (s != MR_END)
            return mr__reader_failed(&c->reader, s);
    }
}

static void cursor_tell(void *self, void *state)
{
    mr__reader_tell(&((jsonl_cursor *)self)->reader, state);
}

static mr_status cursor_seek(void *self, const void *state)
{
    return mr__reader_seek(&((jsonl_cursor *)self)->reader, state);
}

static void stream_free(jsonl_stream *s)
{
    mr__records_free(&s->records);
    mr__jsonl_plan_free(&s->plan);
    mr_free(s);
}

static void destroy(void *self)
{
    stream_free(*(jsonl_stream **)self);
}

mr_dataset *mr_jsonl_stream_new(const char *path, const mr_jsonl_field *fields, int field_count,
                                const mr_jsonl_opts *opts)
{
    static const mr_stream_vtable vtable = { .open = cursor_open,
                                             .next = cursor_next,
                                             .close = cursor_close,
                                             .destroy = destroy,
                                             .cursor_state_size = sizeof(mr__place),
                                             .tell = cursor_tell,
                                             .seek = cursor_seek };
    mr_storage *storage = opts ? opts->storage : NULL;
    jsonl_stream *s = mr_calloc(1, sizeof *s);
    if (!s)
        return NULL;
    mr_dataset *dataset = NULL;
    mr__window w = { 0 };
    if (mr__jsonl_plan_make(&s->plan, "jsonl_stream_new", path, fields, field_count) == MR_OK &&
        mr__window_open(&w, storage, path, 0) == MR_OK) {
        mr__records_init(&s->records, storage, s->plan.path,
                         (mr__record_kind){ mr__line_end, mr__line_begin, NULL }, &w, 1);
        dataset = mr_stream_new(&vtable, &s, sizeof s, s->plan.field, s->plan.field_count);
    }
    if (!dataset)
        stream_free(s);
    return dataset;
}

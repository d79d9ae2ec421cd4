/* Lines of JSON from the front to the back. */
#include "jsonl.h"

#include "window.h"

#include <string.h>

typedef struct jsonl_stream {
    mr__jsonl_plan plan;
    mr__input *once; /* a pipe, which has one reader; NULL when it is gone, and of a file */
    bool is_pipe;
} jsonl_stream;

typedef struct jsonl_cursor {
    const jsonl_stream *stream;
    mr__window window;
    int64_t line;
} jsonl_cursor;

typedef struct place {
    uint64_t offset; /* among the unpacked bytes */
    int64_t line;
} place;

static void cursor_close(void *self)
{
    jsonl_cursor *c = self;
    mr__window_close(&c->window);
    mr_free(c);
}

static mr_status open_window(jsonl_stream *s, mr__window *w)
{
    if (!s->is_pipe)
        return mr__window_open(w, s->plan.path, 0);
    if (!s->once)
        return mr_fail(MR_ERR_STATE, "'%s' can be read once only", s->plan.path);
    w->input = s->once;
    s->once = NULL;
    return MR_OK;
}

static void *cursor_open(void *self, int64_t shard, int64_t shards)
{
    jsonl_stream *s = *(jsonl_stream **)self;
    (void)shards;
    jsonl_cursor *c = mr_calloc(1, sizeof *c);
    if (!c)
        return NULL;
    c->stream = s;
    c->line = 1;
    if (shard > 0 || open_window(s, &c->window) == MR_OK)
        return c;
    cursor_close(c);
    return NULL;
}

static mr_status cursor_next(void *self, const mr_sample *sample)
{
    jsonl_cursor *c = self;
    for (;;) {
        const char *end = NULL;
        mr_status s = mr__window_record(&c->window, mr__jsonl_line_end, NULL, &end);
        if (s != MR_OK)
            return s;
        const char *at = c->window.bytes + c->window.at;
        c->window.at = (size_t)(end - c->window.bytes);
        int64_t line = c->line++;
        if (mr__jsonl_is_blank(at, end))
            continue;
        s = mr__jsonl_read_row(&c->stream->plan, at, end, line, sample->field, 0);
        if (s != MR_END)
            return s;
    }
}

static void cursor_tell(void *self, void *state)
{
    const jsonl_cursor *c = self;
    const place here = { c->window.base + c->window.at, c->line };
    memcpy(state, &here, sizeof here);
}

static mr_status cursor_seek(void *self, const void *state)
{
    jsonl_cursor *c = self;
    place to;
    memcpy(&to, state, sizeof to);
    c->line = to.line;
    return mr__window_seek(&c->window, to.offset);
}

static void stream_free(jsonl_stream *s)
{
    mr__jsonl_plan_free(&s->plan);
    mr__input_close(s->once);
    mr_free(s);
}

static void destroy(void *self)
{
    stream_free(*(jsonl_stream **)self);
}

mr_dataset *mr_jsonl_stream_new(const char *path, const mr_jsonl_field *fields, int field_count)
{
    static const mr_stream_vtable vtable = { .open = cursor_open,
                                             .next = cursor_next,
                                             .close = cursor_close,
                                             .destroy = destroy,
                                             .cursor_state_size = sizeof(place),
                                             .tell = cursor_tell,
                                             .seek = cursor_seek };
    jsonl_stream *s = mr_calloc(1, sizeof *s);
    if (!s)
        return NULL;
    mr_dataset *dataset = NULL;
    if (mr__jsonl_plan_make(&s->plan, "jsonl_stream_new", path, fields, field_count) == MR_OK &&
        (s->once = mr__input_open(path)) != NULL) {
        s->is_pipe = !mr__input_can_seek(s->once);
        if (!s->is_pipe) {
            mr__input_close(s->once);
            s->once = NULL;
        }
        dataset = mr_stream_new(&vtable, &s, sizeof s, s->plan.field, s->plan.field_count);
    }
    if (!dataset)
        stream_free(s);
    return dataset;
}

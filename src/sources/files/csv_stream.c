/* Rows of a CSV file from the front to the back. */
#include "csv.h"
#include "window.h"

#include <string.h>

enum { LOOKED_AT = 1 << 18 };

typedef struct csv_stream {
    mr__csv_plan plan;
    uint64_t data; /* where the rows begin, among the unpacked bytes */
    int64_t line;  /* of that place */
    bool once;     /* it is a pipe: what has been read of it is in `first`, until somebody reads on */
    mr__window first;
} csv_stream;

typedef struct csv_cursor {
    const csv_stream *stream;
    mr__window window;
    int64_t line;
} csv_cursor;

static const char *record_end(const void *format, const char *at, const char *end, bool *complete)
{
    return mr__csv_record_end(format, at, end, complete);
}

/* ---- the cursor ---- */

static void cursor_close(void *self)
{
    csv_cursor *c = self;
    mr__window_close(&c->window);
    mr_free(c);
}

static mr_status open_window(csv_stream *s, mr__window *w)
{
    if (s->once) {
        if (!s->first.input)
            return mr_fail(MR_ERR_STATE, "'%s' can be read once only", s->plan.path);
        *w = s->first;
        s->first = (mr__window){ 0 };
        return MR_OK;
    }
    return mr__window_open(w, s->plan.path, s->data);
}

static void *cursor_open(void *self, int64_t shard, int64_t shards)
{
    csv_stream *s = *(csv_stream **)self;
    (void)shards;
    csv_cursor *c = mr_calloc(1, sizeof *c);
    if (!c)
        return NULL;
    c->stream = s;
    c->line = s->line;
    c->window.end = shard > 0;
    if (shard > 0 || open_window(s, &c->window) == MR_OK)
        return c;
    cursor_close(c);
    return NULL;
}

static mr_status cursor_next(void *self, const mr_sample *sample)
{
    csv_cursor *c = self;
    mr__window *w = &c->window;
    const mr__csv_plan *plan = &c->stream->plan;
    for (;;) {
        const char *end = NULL;
        mr_status s = mr__window_record(w, record_end, &plan->format, &end);
        if (s != MR_OK)
            return s;
        const char *at = w->bytes + w->at;
        int64_t line = c->line;
        for (const char *p = at; (p = memchr(p, '\n', (size_t)(end - p))); p++)
            c->line++;
        w->at = (size_t)(end - w->bytes);
        if (mr__csv_is_blank(&plan->format, at, end))
            continue;
        s = mr__csv_read_row(plan, at, end, line, sample->field, 0);
        if (s != MR_END)
            return s;
    }
}

/* ---- going on ---- */

typedef struct place {
    uint64_t offset; /* among the unpacked bytes */
    int64_t line;
} place;

static void cursor_tell(void *self, void *state)
{
    const csv_cursor *c = self;
    const place here = { c->window.base + c->window.at, c->line };
    memcpy(state, &here, sizeof here);
}

static mr_status cursor_seek(void *self, const void *state)
{
    csv_cursor *c = self;
    place to;
    memcpy(&to, state, sizeof to);
    c->line = to.line;
    return mr__window_seek(&c->window, to.offset);
}

/* ---- making ---- */

static void stream_free(csv_stream *s)
{
    mr__csv_plan_free(&s->plan);
    mr__window_close(&s->first);
    mr_free(s);
}

static void destroy(void *self)
{
    stream_free(*(csv_stream **)self);
}

/* Reads the front of the file for its first record, and for a guess some more. */
static mr_status look(csv_stream *s, mr__window *w, const char *path, const mr_csv_field *fields,
                      int field_count, const mr_csv_opts *opts)
{
    w->input = mr__input_open(path);
    if (!w->input)
        return mr_error_status();
    size_t data;
    for (;;) { /* until the window has the first record, and what is behind it, or all */
        if (!w->end && mr__window_more(w) < 0)
            return mr_error_status();
        if (!w->end && w->filled < LOOKED_AT)
            continue;
        mr__csv_plan_free(&s->plan);
        mr_status status = mr__csv_plan_open(&s->plan, path, opts, w->bytes, w->filled, &data, &s->line);
        if (w->end && status < 0)
            return status;
        if (w->end || (status == MR_OK && data < w->filled))
            break;
        mr_error_clear();
    }
    s->data = data;
    s->once = !mr__input_can_seek(w->input);
    return fields ? mr__csv_plan_fields(&s->plan, fields, field_count)
                  : mr__csv_plan_guess(&s->plan, w->bytes + data, w->bytes + w->filled, false);
}

static mr_status check_fields(const mr_csv_field *fields, int field_count)
{
    for (int i = 0; fields && i < field_count; i++)
        if (fields[i].classes)
            return mr_fail(
                MR_ERR_ARGUMENT,
                "csv_stream_new: field '%s': the words of a stream are not known before its end: name them",
                fields[i].name ? fields[i].name : "");
    return MR_OK;
}

mr_dataset *mr_csv_stream_new(const char *path, const mr_csv_field *fields, int field_count,
                              const mr_csv_opts *opts)
{
    static const mr_stream_vtable vtable = { .open = cursor_open,
                                             .next = cursor_next,
                                             .close = cursor_close,
                                             .destroy = destroy,
                                             .cursor_state_size = sizeof(place),
                                             .tell = cursor_tell,
                                             .seek = cursor_seek };
    if (!path) {
        mr_fail(MR_ERR_ARGUMENT, "csv_stream_new: path is NULL");
        return NULL;
    }
    csv_stream *s = mr_calloc(1, sizeof *s);
    if (!s)
        return NULL;
    mr__window w = { 0 };
    mr_dataset *dataset = NULL;
    if (check_fields(fields, field_count) == MR_OK && look(s, &w, path, fields, field_count, opts) == MR_OK)
        dataset = mr_stream_new(&vtable, &s, sizeof s, s->plan.field, s->plan.field_count);
    if (dataset && s->once) {
        w.at = s->data;
        s->first = w;
        w = (mr__window){ 0 };
    }
    mr__window_close(&w);
    if (!dataset)
        stream_free(s);
    return dataset;
}

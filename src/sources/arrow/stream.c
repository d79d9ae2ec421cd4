/* The rows of a stream's record batches. */
#include "columns.h"

#include <string.h>

typedef struct arrow_stream {
    mr__arrow_columns columns;
    struct ArrowArrayStream from; /* until somebody reads */
} arrow_stream;

typedef struct arrow_cursor {
    const arrow_stream *stream;
    struct ArrowArrayStream from; /* without `release`: there are no rows */
    struct ArrowArray batch;      /* without `release`: none is there */
    int64_t next;                 /* row of it */
    int64_t rows;                 /* that were gone through */
} arrow_cursor;

static mr_status failed(struct ArrowArrayStream *from, int code)
{
    const char *text = from->get_last_error ? from->get_last_error(from) : NULL;
    text = text && *text ? text : strerror(code);
    return mr_fail(MR_ERR_IO, "arrow: the producer failed: %.*s", (int)strcspn(text, "\n"), text);
}

/* Takes over what a struct holds, as Arrow has it. */
static struct ArrowArrayStream taken(struct ArrowArrayStream *from)
{
    struct ArrowArrayStream stream = *from;
    from->release = NULL;
    return stream;
}

static void release(struct ArrowArrayStream *from)
{
    if (from->release)
        from->release(from);
}

static void batch_free(arrow_cursor *c)
{
    if (c->batch.release)
        c->batch.release(&c->batch);
    c->batch = (struct ArrowArray){ 0 };
}

/* ---- the cursor ---- */

static void cursor_close(void *self)
{
    arrow_cursor *c = self;
    batch_free(c);
    release(&c->from);
    mr_free(c);
}

static void *cursor_open(void *self, int64_t shard, int64_t shards)
{
    arrow_stream *s = *(arrow_stream **)self;
    (void)shards;
    if (shard == 0 && !s->from.release) {
        mr_fail(MR_ERR_STATE, "arrow: the stream can be read once only");
        return NULL;
    }
    arrow_cursor *c = mr_calloc(1, sizeof *c);
    if (!c)
        return NULL;
    c->stream = s;
    if (shard == 0)
        c->from = taken(&s->from);
    return c;
}

/* Asks for a record batch: MR_OK, MR_END or a failure. */
static mr_status next_batch(arrow_cursor *c)
{
    const int code = c->from.get_next(&c->from, &c->batch);
    if (code) { /* then a producer is only to be released */
        c->batch.release = NULL;
        failed(&c->from, code);
        release(&c->from);
        c->from.release = NULL;
        return mr_error_status();
    }
    if (!c->batch.release)
        return MR_END;
    if (mr__arrow_columns_check(&c->stream->columns, &c->batch) == MR_OK)
        return MR_OK;
    batch_free(c);
    return mr_error_status();
}

/* Goes to the next row: MR_OK, MR_END or a failure. */
static mr_status step(arrow_cursor *c)
{
    while (!c->batch.release || c->next == c->batch.length) {
        batch_free(c);
        c->next = 0;
        if (!c->from.release)
            return MR_END;
        const mr_status s = next_batch(c);
        if (s < 0)
            mr_fail_context("behind row %lld", (long long)c->rows);
        if (s != MR_OK)
            return s < 0 ? mr_error_status() : s;
    }
    c->next++;
    c->rows++;
    return MR_OK;
}

static mr_status cursor_next(void *self, const mr_sample *sample)
{
    arrow_cursor *c = self;
    for (;;) {
        mr_status s = step(c);
        if (s != MR_OK)
            return s;
        s = mr__arrow_columns_read(&c->stream->columns, &c->batch, c->next - 1, c->rows, sample->field);
        if (s != MR_END)
            return s;
    }
}

static int cursor_origin(void *self, int field, char *text, size_t room)
{
    const arrow_cursor *c = self;
    (void)field;
    return mr__table_origin(&c->stream->columns.table, c->rows, text, room);
}

/* ---- making ---- */

static void stream_free(arrow_stream *s)
{
    mr__arrow_columns_free(&s->columns);
    release(&s->from);
    mr_free(s);
}

static void destroy(void *self)
{
    stream_free(*(arrow_stream **)self);
}

static mr_status look(arrow_stream *s, const mr_table_field *fields, int field_count)
{
    struct ArrowSchema schema = { 0 };
    int code = s->from.get_schema(&s->from, &schema);
    if (code)
        return failed(&s->from, code);
    if (!schema.release)
        return mr_fail(MR_ERR_FORMAT, "arrow: the producer gave no schema");
    mr_status status = mr__arrow_columns_make(&s->columns, &schema, fields, field_count);
    schema.release(&schema);
    return status;
}

mr_dataset *mr_arrow_stream_new(struct ArrowArrayStream *stream, const mr_table_field *fields,
                                int field_count)
{
    static const mr_stream_vtable vtable = { .open = cursor_open,
                                             .next = cursor_next,
                                             .close = cursor_close,
                                             .destroy = destroy,
                                             .origin = cursor_origin };
    if (!stream || !stream->release) {
        mr_fail(MR_ERR_ARGUMENT, "arrow_stream_new: %s",
                stream ? "the stream was released" : "stream is NULL");
        return NULL;
    }
    arrow_stream *s = mr_calloc(1, sizeof *s);
    if (!s) {
        release(stream);
        return NULL;
    }
    mr_dataset *dataset = NULL;
    s->from = taken(stream);
    if (!s->from.get_schema || !s->from.get_next)
        mr_fail(MR_ERR_ARGUMENT, "arrow_stream_new: a stream without its functions");
    else if (look(s, fields, field_count) == MR_OK)
        dataset = mr_stream_new(&vtable, &s, sizeof s, s->columns.table.field, s->columns.table.field_count);
    if (!dataset)
        stream_free(s);
    return dataset;
}

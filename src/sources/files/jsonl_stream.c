/* Lines of JSON from the front to the back. */
#include "jsonl.h"
#include "records.h"

typedef struct jsonl_stream {
    mr__records records; /* first */
    mr__jsonl_plan plan;
} jsonl_stream;

static mr_status read_line(const void *plan, const char *at, const char *end, int64_t line,
                           const mr_sample *sample)
{
    return mr__jsonl_is_blank(at, end) ? MR_END : mr__jsonl_read_row(plan, at, end, line, sample->field, 0);
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
    static const mr_stream_vtable vtable = MR__RECORDS_VTABLE(destroy);
    mr_storage *storage = opts ? opts->storage : NULL;
    jsonl_stream *s = mr_calloc(1, sizeof *s);
    if (!s)
        return NULL;
    mr_dataset *dataset = NULL;
    mr__window w = { 0 };
    if (mr__jsonl_plan_make(&s->plan, "jsonl_stream_new", path, fields, field_count) == MR_OK &&
        mr__window_open(&w, storage, path, 0) == MR_OK) {
        mr__records_init(&s->records, storage, s->plan.path,
                         (mr__record_kind){ mr__line_end, mr__line_begin, read_line, &s->plan }, &w, 1);
        dataset = mr_stream_new(&vtable, &s, sizeof s, s->plan.field, s->plan.field_count);
    }
    if (!dataset)
        stream_free(s);
    return dataset;
}

/* Lines of text. */
#include "records.h"

#include <millrace/ragged.h>
#include <millrace/sources/records.h>

#include <string.h>

typedef struct line_stream {
    mr__records records; /* first */
    char *path;
} line_stream;

static mr_status read_line(const void *format, const char *at, const char *end, int64_t line,
                           const mr_sample *sample)
{
    (void)format;
    (void)line;
    end -= end > at && end[-1] == '\n';
    end -= end > at && end[-1] == '\r';
    char *to = mr_ragged_resize(sample->field[0], end - at);
    if (!to)
        return mr_error_status();
    memcpy(to, at, (size_t)(end - at));
    return MR_OK;
}

static void stream_free(line_stream *s)
{
    mr__records_free(&s->records);
    mr_free(s->path);
    mr_free(s);
}

static void destroy(void *self)
{
    stream_free(*(line_stream **)self);
}

mr_dataset *mr_lines_stream_new(const char *path, const mr_lines_opts *opts)
{
    static const mr_field field = { "text", MR_UINT8, { 1, { -1 } } };
    static const mr_stream_vtable vtable = MR__RECORDS_VTABLE(destroy);
    mr_storage *storage = opts ? opts->storage : NULL;
    if (!path) {
        mr_fail(MR_ERR_ARGUMENT, "lines_stream_new: path is NULL");
        return NULL;
    }
    line_stream *s = mr_calloc(1, sizeof *s);
    if (!s)
        return NULL;
    mr_dataset *dataset = NULL;
    mr__window w = { 0 };
    s->path = mr_strdup(path);
    if (s->path && mr__window_open(&w, storage, path, 0) == MR_OK) {
        mr__records_init(&s->records, storage, s->path,
                         (mr__record_kind){ mr__line_end, mr__line_begin, read_line, NULL }, &w, 1);
        dataset = mr_stream_new(&vtable, &s, sizeof s, &field, 1);
    }
    if (!dataset)
        stream_free(s);
    return dataset;
}

/* Rows of a CSV file from the front to the back. */
#include "csv.h"
#include "records.h"

#include <string.h>

enum { LOOKED_AT = 1 << 18 };

typedef struct csv_stream {
    mr__records records; /* first */
    mr__csv_plan plan;
} csv_stream;

static const char *record_end(const void *plan, const char *at, const char *end, bool *complete)
{
    return mr__csv_record_end(&((const mr__csv_plan *)plan)->format, at, end, complete);
}

/* ---- the middle of a file ---- */

/* Whether records begin here: those up to `end` have as many cells as they should; the last one only if it is all there. */
static bool records_begin(const mr__csv_plan *plan, const char *at, const char *end, bool last)
{
    for (bool complete = true; at < end && complete;) {
        const char *next = mr__csv_record_end(&plan->format, at, end, &complete);
        if ((complete || last) && !mr__csv_is_blank(&plan->format, at, next) &&
            mr__csv_count_cells(&plan->format, at, mr__csv_trim(at, next)) != plan->columns)
            return false;
        at = next;
    }
    return true;
}

/* Here is a place within quotes, or one without: that is told by the records that follow then. */
static const char *record_begin(const void *format, const char *at, const char *end, bool last)
{
    const mr__csv_plan *plan = format;
    bool without, within = false;
    const char *next = mr__csv_record_end(&plan->format, at, end, &without),
               *quote = memchr(at, plan->format.quote, (size_t)(end - at)), *other = NULL;
    if (without && records_begin(plan, next, end, last))
        return next;
    if (quote)
        other = mr__csv_record_end(&plan->format, quote + 1, end, &within);
    if (within && records_begin(plan, other, end, last))
        return other;
    return without ? next : NULL;
}

static mr_status read_record(const void *format, const char *at, const char *end, int64_t line,
                             const mr_sample *sample)
{
    const mr__csv_plan *plan = format;
    return mr__csv_is_blank(&plan->format, at, end) ? MR_END
                                                    : mr__csv_read_row(plan, at, end, line, sample->field, 0);
}

/* ---- making ---- */

static void stream_free(csv_stream *s)
{
    mr__records_free(&s->records);
    mr__csv_plan_free(&s->plan);
    mr_free(s);
}

static void destroy(void *self)
{
    stream_free(*(csv_stream **)self);
}

/* Reads the front of the file for its first record, and for a guess some more. */
static mr_status look(csv_stream *s, mr__window *w, const char *path, const mr_csv_field *fields,
                      int field_count, const mr_csv_opts *opts, int64_t *line)
{
    w->input = mr__input_open(opts ? opts->storage : NULL, path);
    if (!w->input)
        return mr_error_status();
    size_t data;
    for (;;) { /* until the window has the first record, and what is behind it, or all */
        if (!w->end && mr__window_more(w) < 0)
            return mr_error_status();
        if (!w->end && w->filled < LOOKED_AT)
            continue;
        mr__csv_plan_free(&s->plan);
        mr_status status = mr__csv_plan_open(&s->plan, path, opts, w->bytes, w->filled, &data, line);
        if (w->end && status < 0)
            return status;
        if (w->end || (status == MR_OK && data < w->filled))
            break;
        mr_error_clear();
    }
    w->at = data;
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
    static const mr_stream_vtable vtable = MR__RECORDS_VTABLE(destroy);
    if (!path) {
        mr_fail(MR_ERR_ARGUMENT, "csv_stream_new: path is NULL");
        return NULL;
    }
    csv_stream *s = mr_calloc(1, sizeof *s);
    if (!s)
        return NULL;
    mr__window w = { 0 };
    mr_dataset *dataset = NULL;
    int64_t line;
    if (check_fields(fields, field_count) == MR_OK &&
        look(s, &w, path, fields, field_count, opts, &line) == MR_OK) {
        mr__records_init(&s->records, opts ? opts->storage : NULL, s->plan.path,
                         (mr__record_kind){ record_end, record_begin, read_record, &s->plan }, &w, line);
        dataset = mr_stream_new(&vtable, &s, sizeof s, s->plan.field, s->plan.field_count);
    }
    mr__window_close(&w);
    if (!dataset)
        stream_free(s);
    return dataset;
}

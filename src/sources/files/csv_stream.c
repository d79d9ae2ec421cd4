/* Rows of a CSV file from the front to the back. */
#include "csv.h"
#include "records.h"

#include <string.h>

enum { LOOKED_AT = 1 << 18 };

typedef struct csv_stream {
    mr__records records; /* first */
    mr__csv_plan plan;
} csv_stream;

static bool record_end(const void *plan, const char *at, const char *end, mr__scan *scan)
{
    return mr__csv_scan(&((const mr__csv_plan *)plan)->format, at, end, scan);
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

/* Waits for the rows that are looked at for a guess, if there are as many. */
static mr_status wait_for_rows(const mr__csv_plan *plan, mr__window *w, size_t at)
{
    mr__scan scan = { 0 };
    const size_t most = at + LOOKED_AT;
    for (int rows = 0; rows < MR__CSV_GUESSED;) {
        const char *begin = w->bytes + at;
        if (mr__csv_scan(&plan->format, begin, w->bytes + w->filled, &scan)) {
            rows += !mr__csv_is_blank(&plan->format, begin, begin + scan.passed);
            at += scan.passed;
            scan = (mr__scan){ 0 };
        } else if (w->end || w->filled >= most) {
            return MR_OK;
        } else if (mr__window_more(w) < 0) {
            return mr_error_status();
        }
    }
    return MR_OK;
}

/* Reads the front of the file, no more of it than it takes: what is behind may not come soon, of a pipe. */
static mr_status look(csv_stream *s, mr__window *w, const char *path, const mr_csv_field *fields,
                      int field_count, const mr_csv_opts *opts, int64_t *line)
{
    mr__csv_front front = { 0 };
    if (mr__csv_plan_begin(&s->plan, "csv_stream_new", path, opts) < 0 ||
        mr__window_open(w, opts ? opts->storage : NULL, path, 0) < 0)
        return mr_error_status();
    while (!mr__csv_front_find(&s->plan.format, &front, w->bytes, w->filled, w->end))
        if (mr__window_more(w) < 0)
            return mr_error_status();
    if (mr__csv_plan_head(&s->plan, &front, w->bytes) < 0 ||
        (!fields && wait_for_rows(&s->plan, w, front.data) < 0))
        return mr_error_status();
    w->at = front.data;
    *line = front.line;
    return fields ? mr__csv_plan_fields(&s->plan, fields, field_count)
                  : mr__csv_plan_guess(&s->plan, w->bytes + front.data, w->bytes + w->filled, false);
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
    int64_t line = 1;
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

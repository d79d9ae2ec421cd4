/* The front of a file: how it is written, and its first record. */
#include "csv.h"

#include "name.h"
#include "records.h"

#include <string.h>

/* ---- how it is written ---- */

static mr__csv_format format_of(const char *path, const mr_csv_opts *opts)
{
    mr__csv_format f = { .delimiter = ',', .quote = '"', .header = true };
    if (mr__name_ends_in(path, ".tsv") || mr__name_ends_in(path, ".tsv.gz") ||
        mr__name_ends_in(path, ".tsv.zst"))
        f.delimiter = '\t';
    if (opts) {
        f.delimiter = opts->delimiter ? opts->delimiter : f.delimiter;
        f.quote = opts->quote ? opts->quote : f.quote;
        f.comment = opts->comment;
        f.header = !opts->no_header;
        f.skip_lines = opts->skip_lines;
    }
    return f;
}

mr_status mr__csv_plan_begin(mr__csv_plan *plan, const char *call, const char *path, const mr_csv_opts *opts)
{
    plan->call = call;
    plan->format = format_of(path, opts);
    plan->path = mr_strdup(path);
    if (!plan->path)
        return mr_error_status();
    if (plan->format.delimiter == plan->format.quote || plan->format.delimiter == '\n' ||
        plan->format.quote == '\n')
        return mr_fail(MR_ERR_ARGUMENT, "%s: delimiter and quote are the same, or a line break", call);
    return MR_OK;
}

/* ---- the first record ---- */

bool mr__csv_front_find(const mr__csv_format *format, mr__csv_front *front, const char *bytes, size_t size,
                        bool all)
{
    if (!front->line) {
        if (size < 3 && !all)
            return false;
        front->at = front->end = size >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
        front->line = 1;
    }
    while (front->at < size) {
        const bool skip = front->skipped < format->skip_lines;
        const char *at = bytes + front->at, *end = bytes + size;
        if (!(skip ? mr__line_end(NULL, at, end, &front->scan)
                   : mr__csv_scan(format, at, end, &front->scan)) &&
            !all)
            return false;
        front->end = skip || mr__csv_is_blank(format, at, at + front->scan.passed)
                         ? front->at
                         : front->at + front->scan.passed;
        if (front->end > front->at)
            return true;
        front->at = front->end = front->at + front->scan.passed;
        front->scan = (mr__scan){ 0 };
        front->skipped += skip;
        front->line++;
    }
    return all;
}

static mr_status read_names(mr__csv_plan *plan, const char *at, const char *end)
{
    mr__csv_cell cell;
    plan->column = mr_calloc((size_t)plan->columns, sizeof *plan->column);
    for (int64_t i = 0; plan->column && i < plan->columns; i++) {
        if (!mr__csv_next_cell(&plan->format, &at, end, &cell))
            return mr_error_status();
        plan->column[i] = mr_alloc((size_t)(cell.end - cell.at) + 1);
        if (!plan->column[i])
            return mr_error_status();
        mr__csv_cell_text(&plan->format, &cell, plan->column[i]);
    }
    return plan->column ? MR_OK : mr_error_status();
}

mr_status mr__csv_plan_head(mr__csv_plan *plan, mr__csv_front *front, const char *bytes)
{
    if (front->end == front->at)
        return mr_fail(MR_ERR_FORMAT, "'%s' has no lines", plan->path);
    const char *begin = bytes + front->at, *end = mr__csv_trim(begin, bytes + front->end);
    mr__csv_cell cell;
    for (const char *at = begin; at; plan->columns++) {
        if (plan->columns == MR__MOST_COLUMNS)
            return mr_fail(MR_ERR_FORMAT, "'%s': line %lld has more than %d columns", plan->path,
                           (long long)front->line, MR__MOST_COLUMNS);
        if (!mr__csv_next_cell(&plan->format, &at, end, &cell))
            return mr_fail(MR_ERR_FORMAT, "'%s': line %lld: a quote that is not closed, or text behind it",
                           plan->path, (long long)front->line);
    }
    plan->target = mr_calloc((size_t)plan->columns, sizeof *plan->target);
    if (!plan->target)
        return mr_error_status();
    for (int64_t i = 0; i < plan->columns; i++)
        plan->target[i].field = -1;
    front->data = front->at;
    if (!plan->format.header)
        return MR_OK;
    front->data = front->end;
    for (const char *p = begin; p < bytes + front->end; p++)
        front->line += *p == '\n';
    return read_names(plan, begin, end);
}

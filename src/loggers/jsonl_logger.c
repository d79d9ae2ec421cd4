/* JSON lines. */
#include "file_logger.h"
#include "logger.h"

#include "base/error.h"
#include "base/utf8.h"

#include <math.h>

/* ---- text ---- */

/* A string in quotes; false when it is not UTF-8. */
static bool put_string(mr__strbuf *out, const char *text)
{
    mr__strbuf_append(out, "\"");
    while (*text) {
        const char *begin = text;
        const int32_t c = mr__utf8_next(&text);
        if (c < 0)
            return false;
        if (c == '"' || c == '\\')
            mr__strbuf_append(out, "\\");
        if (c < ' ')
            mr__strbuf_appendf(out, "\\u%04x", (unsigned)c);
        else
            mr__strbuf_append_bytes(out, begin, (size_t)(text - begin));
    }
    mr__strbuf_append(out, "\"");
    return true;
}

static void put_number(mr__strbuf *out, double value)
{
    if (isfinite(value))
        mr__strbuf_append_double(out, value);
    else
        mr__strbuf_append(out, isnan(value) ? "\"NaN\"" : value > 0 ? "\"Infinity\"" : "\"-Infinity\"");
}

/* What the row says of itself, but for what it has a value of that name for. */
static void put_head(mr__strbuf *out, const mr_log_row *row)
{
    const char *comma = "";
    if (!mr__row_value(row, "kind")) {
        mr__strbuf_appendf(out, "\"kind\":\"%s\"", mr_row_kind_name(row->kind));
        comma = ",";
    }
    if (row->epoch >= 0 && !mr__row_value(row, "epoch")) {
        mr__strbuf_appendf(out, "%s\"epoch\":", comma);
        mr__strbuf_append_integer(out, row->epoch);
        comma = ",";
    }
    if (!mr__row_value(row, "step")) {
        mr__strbuf_appendf(out, "%s\"step\":", comma);
        mr__strbuf_append_integer(out, row->step);
    }
}

static mr_status row(void *self, const mr_log_row *row)
{
    mr__log_file *file = &((mr__file_logger *)self)->file;
    mr__strbuf *out = &file->rest;
    const size_t before = out->length;
    mr__strbuf_append(out, "{");
    put_head(out, row);
    for (size_t i = 0; i < row->count; i++) {
        mr__strbuf_append(out, out->length > before + 1 ? "," : "");
        if (!put_string(out, row->names[i])) {
            out->length = before;
            return mr__raise(MR_ERR_ARGUMENT, "logger jsonl: a name that was logged is not UTF-8: '%.100s'",
                             row->names[i]);
        }
        mr__strbuf_append(out, ":");
        put_number(out, row->values[i]);
    }
    mr__strbuf_append(out, "}\n");
    return mr__log_file_added(file);
}

/* ---- the logger ---- */

static const char called[] = "jsonl", file_name[] = "metrics.jsonl";

static mr_status check_log(void *self, const mr_log_run *run)
{
    return mr__file_logger_check(self, run, called, file_name);
}

static mr_status open_log(void *self, const mr_log_run *run)
{
    return mr__file_logger_open(self, run, called, file_name, true);
}

static const mr_logger_vtable vtable = { .name = "jsonl",
                                         .open = open_log,
                                         .row = row,
                                         .flush = mr__file_logger_flush,
                                         .sync = mr__file_logger_sync,
                                         .tell = mr__file_logger_tell,
                                         .close = mr__file_logger_close,
                                         .destroy = mr__file_logger_destroy,
                                         .check = check_log };

mr_logger *mr_jsonl_logger_new(const mr_jsonl_logger_opts *opts)
{
    mr__file_logger self = { .given = NULL };
    return mr__file_logger_new(&vtable, &self, sizeof self, opts ? opts->path : NULL);
}

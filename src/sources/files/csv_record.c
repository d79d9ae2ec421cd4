#include "csv.h"

#include <string.h>

/* ---- records ---- */

static char *find(const char *at, const char *end, char c)
{
    return at < end ? memchr(at, c, (size_t)(end - at)) : NULL;
}

/* The quote that ends a cell: one that is not doubled. */
static const char *closing(const char *at, const char *end, char quote)
{
    for (;;) {
        at = find(at, end, quote);
        if (!at || at + 1 == end || at[1] != quote)
            return at;
        at += 2;
    }
}

/* The quote that begins a cell; `record` is where the record begins. */
static const char *opening(const mr__csv_format *format, const char *record, const char *at, const char *end)
{
    for (at = find(at, end, format->quote); at; at = find(at + 1, end, format->quote))
        if (at == record || at[-1] == format->delimiter)
            return at;
    return NULL;
}

bool mr__csv_scan(const void *of, const char *at, const char *end, mr__scan *scan)
{
    const mr__csv_format *format = of;
    const bool comment = format->comment && at < end && *at == format->comment;
    const char *p = at + scan->passed, *stop = NULL, *line_end = p;
    for (;;) {
        if (scan->inside) {
            const char *quote = closing(p, end, format->quote);
            scan->passed = (size_t)((quote ? quote : end) - at);
            if (!quote || quote + 1 == end)
                return false;
            scan->inside = false;
            p = quote + 1;
        }
        if (p >= line_end) { /* once for each line, however many quotes it has */
            stop = find(p, end, '\n');
            line_end = stop ? stop : end;
        }
        const char *quote = comment ? NULL : opening(format, at, p, line_end);
        if (!quote) {
            scan->passed = (size_t)(line_end - at) + (stop != NULL);
            return stop != NULL;
        }
        scan->inside = true;
        p = quote + 1;
    }
}

const char *mr__csv_record_end(const mr__csv_format *format, const char *at, const char *end, bool *complete)
{
    mr__scan scan = { 0 };
    *complete = mr__csv_scan(format, at, end, &scan);
    return *complete ? at + scan.passed : end;
}

const char *mr__csv_trim(const char *at, const char *end)
{
    if (end > at && end[-1] == '\n')
        end--;
    if (end > at && end[-1] == '\r')
        end--;
    return end;
}

bool mr__csv_is_blank(const mr__csv_format *format, const char *at, const char *end)
{
    if (at < end && (unsigned char)*at > ' ' && *at != format->comment) /* most lines */
        return false;
    const char *p = at;
    end = mr__csv_trim(at, end);
    while (p < end && (*p == ' ' || *p == '\t') && *p != format->delimiter && *p != format->quote)
        p++;
    return p == end || (format->comment && *at == format->comment);
}

/* ---- cells ---- */

bool mr__csv_next_cell(const mr__csv_format *format, const char **at, const char *end, mr__csv_cell *cell)
{
    const char *p = *at;
    cell->quoted = p < end && *p == format->quote;
    if (cell->quoted) {
        cell->at = ++p;
        p = closing(p, end, format->quote);
        if (!p)
            return false;
        cell->end = p++;
        if (p < end && *p != format->delimiter)
            return false;
    } else {
        cell->at = p;
        while (p < end && *p != format->delimiter)
            p++;
        cell->end = p;
    }
    *at = p < end ? p + 1 : NULL;
    return true;
}

int64_t mr__csv_count_cells(const mr__csv_format *format, const char *at, const char *end)
{
    mr__csv_cell cell;
    int64_t count = 0;
    for (; at; count++)
        if (!mr__csv_next_cell(format, &at, end, &cell))
            return -1;
    return count;
}

size_t mr__csv_cell_bytes(const mr__csv_format *format, const mr__csv_cell *cell, char *out)
{
    size_t n = 0;
    for (const char *p = cell->at; p < cell->end;) {
        const char *quote = cell->quoted ? find(p, cell->end, format->quote) : NULL;
        const char *stop = quote ? quote + 1 : cell->end;
        memcpy(out + n, p, (size_t)(stop - p));
        n += (size_t)(stop - p);
        p = stop + (quote && stop < cell->end);
    }
    return n;
}

char *mr__csv_cell_text(const mr__csv_format *format, const mr__csv_cell *cell, char *out)
{
    out[mr__csv_cell_bytes(format, cell, out)] = 0;
    return out;
}

bool mr__csv_is_missing(const mr__csv_cell *cell)
{
    static const char *const words[] = { "NA",  "NaN",      "nan",    "NULL",    "null",    "N/A",
                                         "n/a", "None",     "<NA>",   "-NaN",    "-nan",    "#N/A",
                                         "#NA", "#N/A N/A", "1.#IND", "-1.#IND", "1.#QNAN", "-1.#QNAN" };
    size_t length = (size_t)(cell->end - cell->at);
    if (length == 0)
        return true;
    if (length > 8 || length < 2 || (unsigned char)(*cell->at - '0') < 10 * (length < 6))
        return false;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strlen(words[i]) == length && memcmp(words[i], cell->at, length) == 0)
            return true;
    return false;
}

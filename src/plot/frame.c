/* A table of numbers from a CSV file: cells as RFC 4180 has them, which may be quoted. */
#include "frame.h"

#include "base/alloc.h"
#include "base/c_locale.h"
#include "base/error.h"
#include "base/file.h"
#include "base/strbuf.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Integers up to here are exact as a double. */
#define MOST_WHOLE 9007199254740992.0

void mr_frame_free(mr_frame *frame)
{
    if (!frame)
        return;
    for (int c = 0; frame->column && c < frame->columns; c++)
        mr__free(frame->column[c].values);
    mr__free(frame->column);
    mr__free(frame->text);
    mr__free(frame);
}

/* ---- cells ---- */

/* A walk through the text, in which each cell is unquoted and ended where it stands. */
typedef struct walk {
    const char *path;
    char *at;
    int64_t line;      /* on which the last cell began */
    int64_t next_line; /* on which the next one begins */
    bool more;         /* the last cell ended with a comma */
} walk;

mr_status mr__frame_malformed(const char *path, int64_t line, const char *what)
{
    enum { SHOWN = 300 };
    size_t length = strlen(path);
    bool cut = length > SHOWN;
    return mr__raise(MR_ERR_FORMAT, "'%s%s' line %lld: %s", cut ? "..." : "",
                     cut ? path + (length - SHOWN) : path, (long long)line, what);
}

static mr_status malformed(const walk *w, const char *what)
{
    return mr__frame_malformed(w->path, w->line, what);
}

/* Where the quoted cell at `at` ends: behind its closing quote; NULL if there is none. What it says goes to `to`. */
static char *unquote(walk *w, char *at, char *to)
{
    for (at++; *at; at++) {
        if (*at == '"' && *++at != '"') {
            *to = '\0';
            return at;
        }
        w->next_line += *at == '\n';
        *to++ = *at;
    }
    return NULL;
}

/* LF, CR LF, or the CR that a cut off file ends with. */
static bool is_line_end(const char *at)
{
    return *at == '\n' || (*at == '\r' && (at[1] == '\n' || !at[1]));
}

/* The next cell, ended by '\0'; NULL with a failure raised. */
static char *next_cell(walk *w)
{
    char *cell = w->at, *end = cell;
    w->line = w->next_line;
    if (*cell == '"') {
        end = unquote(w, cell, cell);
        if (!end || (*end && *end != ',' && !is_line_end(end))) {
            malformed(w, end ? "there is more behind a closing quote" : "a quote is not closed");
            return NULL;
        }
    } else {
        while (*end && *end != ',' && !is_line_end(end))
            end++;
    }
    char stop = *end;
    *end = '\0';
    w->more = stop == ',';
    if (stop == '\r')
        stop = *++end;
    w->next_line += stop == '\n';
    w->at = end + (stop != '\0');
    return cell;
}

/* Passes over empty lines, as pandas does; whether there is another line. */
static bool find_line(walk *w)
{
    for (; is_line_end(w->at); w->at++)
        w->next_line += *w->at == '\n';
    return *w->at;
}

/* ---- numbers ---- */

/* Whether the text is a decimal number, "nan" or "inf", and nothing else; strtod takes more than that. */
static bool read_number(const char *text, double *value)
{
    const char *start = text + strspn(text, " ");
    const char *digits = start + (*start == '-' || *start == '+');
    char *end;
    bool word = strncasecmp(digits, "nan", 3) == 0 || strncasecmp(digits, "inf", 3) == 0;
    *value = strtod(start, &end);
    if (end == start || end[strspn(end, " ")] != '\0')
        return false;
    return word || digits + strspn(digits, "0123456789.eE+-") >= end;
}

static bool is_whole(const char *text, double value)
{
    text += strspn(text, " ");
    text += *text == '-' || *text == '+';
    text += strspn(text, "0123456789");
    return !text[strspn(text, " ")] && fabs(value) <= MOST_WHOLE;
}

static bool read_cell(const walk *w, mr__column *column, const char *text, int64_t row)
{
    double value = NAN;
    if (*text && !read_number(text, &value)) {
        char what[128];
        snprintf(what, sizeof what, "column '%.40s': '%.40s' is no number", column->name, text);
        malformed(w, what);
        return false;
    }
    column->whole = column->whole && *text && is_whole(text, value);
    column->values[row] = value;
    return true;
}

/* ---- lines ---- */

mr__column *mr__frame_add_column(mr_frame *frame, const char *name, int64_t rows)
{
    size_t used = (size_t)frame->columns, size = sizeof *frame->column;
    if (used % 16 == 0) {
        mr__column *larger = mr__grow(frame->column, used * size, (used + 16) * size);
        if (!larger)
            return NULL;
        frame->column = larger;
    }
    mr__column *column = &frame->column[used];
    *column = (mr__column){ name, mr__alloc_array((size_t)rows, sizeof *column->values), true };
    if (!column->values)
        return NULL;
    frame->columns++;
    return column;
}

static bool read_names(mr_frame *frame, walk *w, int64_t rows)
{
    if (!find_line(w)) {
        malformed(w, "there are no names of columns");
        return false;
    }
    do {
        const char *name = next_cell(w);
        if (!name || !mr__frame_add_column(frame, name, rows))
            return false;
    } while (w->more);
    return true;
}

static bool read_row(mr_frame *frame, walk *w)
{
    const char *cell;
    int c = 0;
    do {
        cell = next_cell(w);
        if (!cell || (c < frame->columns && !read_cell(w, &frame->column[c], cell, frame->rows)))
            return false;
        c++;
    } while (w->more);
    if (c != frame->columns) {
        char what[64];
        snprintf(what, sizeof what, "%d cells, where the names are %d", c, frame->columns);
        malformed(w, what);
        return false;
    }
    frame->rows++;
    return true;
}

static bool read_lines(mr_frame *frame, const char *path, size_t bytes)
{
    walk w = { .path = path, .at = frame->text, .line = 1, .next_line = 1 };
    int64_t room = 1;
    for (const char *c = frame->text; *c; c++)
        room += *c == '\n';
    if (strlen(frame->text) != bytes) {
        malformed(&w, "this is no text: there is a zero byte in the file");
        return false;
    }
    if (strncmp(w.at, "\xEF\xBB\xBF", 3) == 0) /* Excel's mark of UTF-8 */
        w.at += 3;
    if (!read_names(frame, &w, room))
        return false;
    while (find_line(&w))
        if (!read_row(frame, &w))
            return false;
    return true;
}

mr_frame *mr_frame_read_csv(const char *path)
{
    if (!path) {
        mr__null("frame_read_csv", "path");
        return NULL;
    }
    mr_frame *frame = mr__alloc_zeroed(sizeof *frame);
    size_t bytes = 0;
    if (!frame || mr__file_read_all(path, &frame->text, &bytes, 0) != MR_OK) {
        mr_frame_free(frame);
        return NULL;
    }
    mr__c_locale point = mr__c_locale_enter();
    bool read = read_lines(frame, path, bytes);
    mr__c_locale_leave(&point);
    if (read)
        return frame;
    mr_frame_free(frame);
    return NULL;
}

/* ---- looking at it ---- */

int64_t mr_frame_rows(const mr_frame *frame)
{
    return frame ? frame->rows : 0;
}

int mr_frame_columns(const mr_frame *frame)
{
    return frame ? frame->columns : 0;
}

const char *mr_frame_name(const mr_frame *frame, int index)
{
    return frame && index >= 0 && index < frame->columns ? frame->column[index].name : NULL;
}

/* Raises it with the names that there are. */
static void no_column(const mr_frame *frame, const char *name)
{
    mr__strbuf names = { 0 };
    for (int c = 0; c < frame->columns; c++)
        mr__strbuf_appendf(&names, c ? ", '%s'" : "'%s'", frame->column[c].name);
    mr__raise(MR_ERR_ARGUMENT, "frame_column: no column '%.100s'; there %s %.300s", name,
              frame->columns == 1 ? "is" : "are", mr__strbuf_text(&names));
    mr__strbuf_free(&names);
}

const double *mr_frame_column(const mr_frame *frame, const char *name)
{
    if (!frame || !name) {
        mr__null("frame_column", frame ? "name" : "frame");
        return NULL;
    }
    for (int c = 0; c < frame->columns; c++)
        if (strcmp(frame->column[c].name, name) == 0)
            return frame->column[c].values;
    no_column(frame, name);
    return NULL;
}

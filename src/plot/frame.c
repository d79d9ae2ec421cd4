/* A table of numbers from a CSV file. */
#include "frame.h"

#include "base/alloc.h"
#include "base/error.h"
#include "base/file.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

void mr_frame_free(mr_frame *frame)
{
    if (!frame)
        return;
    for (int c = 0; c < frame->columns; c++)
        mr__free(frame->values ? frame->values[c] : NULL);
    mr__free(frame->values);
    mr__free(frame->names);
    mr__free(frame->whole);
    mr__free(frame->text);
    mr__free(frame);
}

/* Cuts the text at `at` off at the end of its line; gives the start of the next, NULL at the end. */
static char *cut_line(char *at)
{
    char *end = strchr(at, '\n');
    if (!end)
        return NULL;
    *end = '\0';
    if (end > at && end[-1] == '\r')
        end[-1] = '\0';
    return end + 1;
}

/* The same for a cell of a line. */
static char *cut_cell(char *at)
{
    char *end = strchr(at, ',');
    if (!end)
        return NULL;
    *end = '\0';
    return end + 1;
}

static bool read_header(mr_frame *frame, char *line)
{
    frame->columns = 1;
    for (const char *c = line; *c; c++)
        frame->columns += *c == ',';
    size_t n = (size_t)frame->columns;
    frame->names = mr__alloc_zeroed(n * sizeof *frame->names);
    frame->values = mr__alloc_zeroed(n * sizeof *frame->values);
    frame->whole = mr__alloc_zeroed(n);
    if (!frame->names || !frame->values || !frame->whole)
        return false;
    for (int c = 0; c < frame->columns; c++) {
        char *next = cut_cell(line);
        frame->names[c] = line;
        frame->whole[c] = true;
        frame->values[c] = mr__alloc_array((size_t)frame->room + 1, sizeof(double));
        if (!frame->values[c])
            return false;
        line = next;
    }
    return true;
}

static bool read_row(mr_frame *frame, char *line, const char *path, int64_t number)
{
    for (int c = 0; c < frame->columns; c++) {
        char *end, *next = line ? cut_cell(line) : NULL;
        if (!line || (c == frame->columns - 1 && next)) {
            mr__raise(MR_ERR_FORMAT, "'%s' line %lld: not %d cells, as in the first line", path,
                      (long long)number, frame->columns);
            return false;
        }
        double value = *line ? strtod(line, &end) : NAN;
        if (*line && (end == line || *end)) {
            mr__raise(MR_ERR_FORMAT, "'%s' line %lld, column '%s': '%.40s' is no number", path,
                      (long long)number, frame->names[c], line);
            return false;
        }
        frame->whole[c] &= *line && !line[strspn(line, "+-0123456789")];
        frame->values[c][frame->rows] = value;
        line = next;
    }
    frame->rows++;
    return true;
}

mr_frame *mr_frame_read_csv(const char *path)
{
    if (!path) {
        mr__null("frame_read_csv", "path");
        return NULL;
    }
    mr_frame *frame = mr__alloc_zeroed(sizeof *frame);
    char *bytes = NULL;
    size_t size = 0;
    if (!frame || mr__file_read_all(path, &bytes, &size, SIZE_MAX / 4) != MR_OK)
        goto failed;
    frame->text = mr__alloc(size + 1);
    if (!frame->text)
        goto failed;
    memcpy(frame->text, bytes, size);
    frame->text[size] = '\0';
    for (const char *c = frame->text; *c; c++)
        frame->room += *c == '\n';
    char *line = frame->text, *next = cut_line(line);
    if (!read_header(frame, line))
        goto failed;
    for (int64_t number = 2; next && *next; number++) {
        line = next;
        next = cut_line(line);
        if (!read_row(frame, line, path, number))
            goto failed;
    }
    mr__free(bytes);
    return frame;
failed:
    mr__free(bytes);
    mr_frame_free(frame);
    return NULL;
}

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
    return frame && index >= 0 && index < frame->columns ? frame->names[index] : NULL;
}

const double *mr_frame_column(const mr_frame *frame, const char *name)
{
    if (!frame || !name) {
        mr__null("frame_column", frame ? "name" : "frame");
        return NULL;
    }
    for (int c = 0; c < frame->columns; c++)
        if (strcmp(frame->names[c], name) == 0)
            return frame->values[c];
    mr__raise(MR_ERR_ARGUMENT, "frame_column: no column '%s'; the first of %d is '%s'", name, frame->columns,
              frame->names[0]);
    return NULL;
}

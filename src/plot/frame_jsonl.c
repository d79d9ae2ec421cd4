/* A table of numbers from JSON lines. */
#include "frame.h"

#include "base/alloc.h"
#include "base/error.h"
#include "base/file.h"

#include <jansson.h>
#include <math.h>
#include <string.h>

typedef struct lines {
    const char *path;
    mr_frame *frame;
    size_t names; /* bytes of names in the frame's text */
    int64_t line; /* from 1, of the file */
    int64_t room; /* rows that there can be */
} lines;

/* The column of that name, made if there is none, with NAN for the rows before. */
static mr__column *column_of(lines *l, const char *name)
{
    mr_frame *frame = l->frame;
    for (int c = 0; c < frame->columns; c++)
        if (strcmp(frame->column[c].name, name) == 0)
            return &frame->column[c];
    char *copy = frame->text + l->names;
    mr__column *column = mr__frame_add_column(frame, copy, l->room);
    if (!column)
        return NULL;
    l->names += strlen(name) + 1;
    strcpy(copy, name);
    for (int64_t i = 0; i < l->room; i++)
        column->values[i] = NAN;
    column->whole = frame->rows == 0;
    return column;
}

/* MR_END: this is no number, and to be passed over. */
static mr_status number_of(const lines *l, const char *name, const json_t *json, double *value)
{
    const char *text = json_string_value(json);
    *value = json_number_value(json);
    if (json_is_number(json))
        return MR_OK;
    if (json_is_null(json) || (text && strcmp(text, "NaN") == 0))
        *value = NAN;
    else if (text && (strcmp(text, "Infinity") == 0 || strcmp(text, "-Infinity") == 0))
        *value = *text == '-' ? -INFINITY : INFINITY;
    else if (text)
        return MR_END;
    else {
        char what[100];
        snprintf(what, sizeof what, "'%.60s' is no number", name);
        return mr__frame_malformed(l->path, l->line, what);
    }
    return MR_OK;
}

static mr_status read_object(lines *l, json_t *object)
{
    const char *name;
    json_t *json;
    mr_status status = MR_OK;
    json_object_foreach(object, name, json)
    {
        double value;
        status = number_of(l, name, json, &value);
        if (status == MR_END)
            continue;
        mr__column *column = status ? NULL : column_of(l, name);
        if (!column)
            return status ? status : MR_ERR_MEMORY;
        column->values[l->frame->rows] = value;
        column->whole = column->whole && json_is_integer(json);
    }
    l->frame->rows++;
    return status < 0 ? status : MR_OK;
}

/* Columns that this row does not have have a gap. */
static void mark_gaps(mr_frame *frame)
{
    for (int c = 0; c < frame->columns; c++)
        if (isnan(frame->column[c].values[frame->rows - 1]))
            frame->column[c].whole = false;
}

static mr_status read_line(lines *l, const char *text, size_t length)
{
    json_error_t error = { .text = "none" };
    json_t *object = json_loadb(text, length, JSON_REJECT_DUPLICATES, &error);
    mr_status status = MR_OK;
    if (!object && !*error.text) /* the parser says nothing of memory */
        status = mr__raise(MR_ERR_MEMORY, "out of memory: a line of '%.300s' wanted", l->path);
    else if (!json_is_object(object))
        status = mr__frame_malformed(l->path, l->line, "this is no JSON object");
    else
        status = read_object(l, object);
    json_decref(object);
    if (!status)
        mark_gaps(l->frame);
    return status;
}

static mr_status read_lines(lines *l, const char *text, size_t bytes)
{
    const char *end = text + bytes;
    mr_status status = MR_OK;
    l->room = 1;
    for (const char *c = text; c < end; c++)
        l->room += *c == '\n';
    for (l->line = 1; text < end && !status; l->line++) {
        const char *next = memchr(text, '\n', (size_t)(end - text));
        const size_t length = (size_t)((next ? next : end) - text);
        if (strspn(text, " \t\r") < length)
            status = read_line(l, text, length);
        text = next ? next + 1 : end;
    }
    return status;
}

mr_frame *mr_frame_read_jsonl(const char *path)
{
    char *text = NULL;
    size_t bytes = 0;
    if (!path) {
        mr__null("frame_read_jsonl", "path");
        return NULL;
    }
    lines l = { .path = path, .frame = mr__alloc_zeroed(sizeof *l.frame) };
    mr_status status = l.frame ? mr__file_read_all(path, &text, &bytes, 0) : MR_ERR_MEMORY;
    if (!status && !(l.frame->text = mr__alloc(bytes + 1))) /* all names together are shorter than the file */
        status = MR_ERR_MEMORY;
    if (!status)
        status = read_lines(&l, text, bytes);
    mr__free(text);
    if (!status)
        return l.frame;
    mr_frame_free(l.frame);
    return NULL;
}

#include "type.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DEEPEST = 16 };

/* ---- formats ---- */

typedef struct format {
    const char *begins;
    mr__arrow_kind kind;
    int width;
} format;

/* What a format begins with, the longer ones first; a format is one of these in full unless it ends in ':'. */
static const format formats[] = {
    { "+w:", MR__ARROW_FIXED_LIST, 0 }, { "+l", MR__ARROW_LIST, 4 },  { "+L", MR__ARROW_LIST, 8 },
    { "w:", MR__ARROW_FIXED_BYTES, 0 }, { "tss:", MR__ARROW_INT, 8 }, { "tsm:", MR__ARROW_INT, 8 },
    { "tsu:", MR__ARROW_INT, 8 },       { "tsn:", MR__ARROW_INT, 8 }, { "tdD", MR__ARROW_INT, 4 },
    { "tdm", MR__ARROW_INT, 8 },        { "tts", MR__ARROW_INT, 4 },  { "ttm", MR__ARROW_INT, 4 },
    { "ttu", MR__ARROW_INT, 8 },        { "ttn", MR__ARROW_INT, 8 },  { "tDs", MR__ARROW_INT, 8 },
    { "tDm", MR__ARROW_INT, 8 },        { "tDu", MR__ARROW_INT, 8 },  { "tDn", MR__ARROW_INT, 8 },
    { "n", MR__ARROW_NULL, 0 },         { "b", MR__ARROW_BOOL, 0 },   { "c", MR__ARROW_INT, 1 },
    { "s", MR__ARROW_INT, 2 },          { "i", MR__ARROW_INT, 4 },    { "l", MR__ARROW_INT, 8 },
    { "C", MR__ARROW_UINT, 1 },         { "S", MR__ARROW_UINT, 2 },   { "I", MR__ARROW_UINT, 4 },
    { "L", MR__ARROW_UINT, 8 },         { "e", MR__ARROW_FLOAT, 2 },  { "f", MR__ARROW_FLOAT, 4 },
    { "g", MR__ARROW_FLOAT, 8 },        { "u", MR__ARROW_TEXT, 4 },   { "U", MR__ARROW_TEXT, 8 },
    { "z", MR__ARROW_BYTES, 4 },        { "Z", MR__ARROW_BYTES, 8 },  { "vu", MR__ARROW_TEXT, 0 },
    { "vz", MR__ARROW_BYTES, 0 },       { "+vl", MR__ARROW_LIST, 4 }, { "+vL", MR__ARROW_LIST, 8 },
    { "d:", MR__ARROW_DECIMAL, 0 },
};

static mr_status wrong(const char *column, const char *what)
{
    return mr_fail(MR_ERR_FORMAT, "arrow: column '%s': %s", column, what);
}

/* "19,10", or with the number of bits: "19,10,256". */
static mr_status read_decimal(mr__arrow_type *type, const char *text, const char *column)
{
    enum { MOST_DIGITS = 76, LARGEST_SCALE = 1000 };
    int digits = 0, scale = 0, bits = 128, end = -1;
    sscanf(text, "d:%4d,%5d%n,%4d%n", &digits, &scale, &end, &bits, &end);
    if (end < 0 || text[end] || digits < 1 || digits > MOST_DIGITS || scale < -LARGEST_SCALE ||
        scale > LARGEST_SCALE || (bits != 32 && bits != 64 && bits != 128 && bits != 256))
        return mr_fail(MR_ERR_FORMAT, "arrow: column '%s': the format '%.40s' is no decimal's", column, text);
    type->scale = scale;
    type->width = bits / 8;
    return MR_OK;
}

static mr_status read_size(mr__arrow_type *type, const char *text, const char *number, const char *column)
{
    char *end;
    type->size = strtoll(number, &end, 10);
    return isdigit((unsigned char)*number) && !*end && type->size <= INT32_MAX
               ? MR_OK
               : mr_fail(MR_ERR_FORMAT, "arrow: column '%s': the format '%.40s' has no size", column, text);
}

static mr_status read_format(mr__arrow_type *type, const char *text, const char *column)
{
    if (!text || !*text)
        return wrong(column, "a schema without a format");
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
        const size_t length = strlen(formats[i].begins);
        const bool more = formats[i].begins[length - 1] == ':';
        if (strncmp(text, formats[i].begins, length) != 0 || (!more && text[length]))
            continue;
        type->kind = formats[i].kind;
        type->width = formats[i].width;
        type->view = strchr(formats[i].begins, 'v') != NULL;
        return type->kind == MR__ARROW_DECIMAL       ? read_decimal(type, text, column)
               : more && type->kind != MR__ARROW_INT ? read_size(type, text, text + length, column)
                                                     : MR_OK;
    }
    return MR_OK; /* another one */
}

/* ---- trees ---- */

static mr__arrow_type *type_at(const struct ArrowSchema *schema, const char *column, int depth)
{
    if (!schema || !schema->release) {
        wrong(column, "a schema that is not there");
        return NULL;
    }
    if (depth > DEEPEST) {
        wrong(column, "lists in lists without an end");
        return NULL;
    }
    mr__arrow_type *type = mr_calloc(1, sizeof *type);
    if (!type || read_format(type, schema->format, column) < 0) {
        mr_free(type);
        return NULL;
    }
    mr_status s = MR_OK;
    if (mr__arrow_is_list(type)) {
        if (schema->n_children != 1 || !schema->children)
            s = wrong(column, "a list whose schema has no child");
        else if (!(type->inner = type_at(schema->children[0], column, depth + 1)))
            s = mr_error_status();
    }
    if (s == MR_OK && schema->dictionary) {
        if (type->kind != MR__ARROW_INT && type->kind != MR__ARROW_UINT)
            s = wrong(column, "a dictionary whose indices are no whole numbers");
        else if (!(type->values = type_at(schema->dictionary, column, depth + 1)))
            s = mr_error_status();
        else if (type->values->values || mr__arrow_is_list(type->values))
            type->values->kind = MR__ARROW_OTHER; /* lists by a dictionary are not read */
    }
    if (s == MR_OK)
        return type;
    mr__arrow_type_free(type);
    return NULL;
}

mr__arrow_type *mr__arrow_type_new(const struct ArrowSchema *schema, const char *column)
{
    return type_at(schema, column, 0);
}

void mr__arrow_type_free(mr__arrow_type *type)
{
    if (!type)
        return;
    mr__arrow_type_free(type->inner);
    mr__arrow_type_free(type->values);
    mr_free(type);
}

#include "json_value.h"

#include "sources/cell.h"
#include "sources/field.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* ---- what is wrong ---- */

typedef struct place {
    const mr__json_field *f;
    const mr__where *where;
} place;

/* "'a.jsonl': line 17" and what is wrong there. */
MR_PRINTF(2, 3)
static mr_status failed(const mr__where *where, const char *format, ...)
{
    char here[300], what[300];
    va_list args;
    if (!where)
        return MR_ERR_FORMAT;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    where->say(where->of, here, sizeof here);
    return mr_fail(MR_ERR_FORMAT, "%s%s", here, what);
}

static const char *kind_of(const json_t *value)
{
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        return "an object";
    case JSON_ARRAY:
        return "an array";
    case JSON_STRING:
        return "a string";
    case JSON_NULL:
        return "null";
    case JSON_TRUE:
    case JSON_FALSE:
        return "true or false";
    default:
        return "a number";
    }
}

static mr_status wrong(const place *p, const json_t *value, const char *wanted)
{
    return failed(p->where, ", key '%s': %s, not %s", p->f->key, kind_of(value), wanted);
}

/* ---- values ---- */

static mr_status write_value(const place *p, const json_t *value, void *to)
{
    const mr_dtype dtype = p->f->field->dtype;
    const mr__words *words = p->f->words;
    char shown[MR__WORDS_SHOWN];
    if (words->count) {
        if (!json_is_string(value))
            return wrong(p, value, "a word");
        int64_t number = mr__words_find(words, json_string_value(value), json_string_length(value));
        if (number < 0)
            return failed(p->where, ", key '%s': '%.40s' is none of the words %s", p->f->key,
                          json_string_value(value), mr__words_show(words, shown));
        if (!mr__put_int(dtype, to, number))
            return failed(p->where, ", key '%s': word number %lld does not fit %s", p->f->key,
                          (long long)number, mr_dtype_name(dtype));
        return MR_OK;
    }
    if (mr__is_floating(dtype)) {
        if (!json_is_number(value))
            return wrong(p, value, "a number");
        mr__put_double(dtype, to, json_number_value(value));
        return MR_OK;
    }
    if (!json_is_integer(value) && !json_is_boolean(value))
        return wrong(p, value, json_is_real(value) ? "a whole one" : "a whole number");
    int64_t whole = json_is_integer(value) ? json_integer_value(value) : json_is_true(value);
    if (!mr__put_int(dtype, to, whole))
        return failed(p->where, ", key '%s': %lld does not fit %s", p->f->key, (long long)whole,
                      mr_dtype_name(dtype));
    return MR_OK;
}

/* An array of the field's shape from dimension d on; *to moves behind what is written. */
static mr_status write_array(const place *p, const json_t *value, int d, char **to)
{
    const mr_field *f = p->f->field;
    if (d == f->shape.ndim) {
        char *at = *to;
        *to += mr_dtype_size(f->dtype);
        return write_value(p, value, at);
    }
    if (!json_is_array(value))
        return wrong(p, value, "an array");
    if ((int64_t)json_array_size(value) != f->shape.dim[d])
        return failed(p->where, ", key '%s': an array of %zu, not %lld", p->f->key, json_array_size(value),
                      (long long)f->shape.dim[d]);
    mr_status s = MR_OK;
    for (size_t i = 0; s == MR_OK && i < json_array_size(value); i++)
        s = write_array(p, json_array_get(value, i), d + 1, to);
    return s;
}

static mr_status missing(const place *p, char *to)
{
    const mr__json_field *o = p->f;
    const mr_field *f = o->field;
    if (o->missing == MR_MISSING_SKIP)
        return MR_END;
    if (o->missing == MR_MISSING_FAIL)
        return failed(p->where, " has no '%s'" MR__MISSING_REMEDY, p->f->key);
    for (int64_t i = 0; i < mr__numel(&f->shape); i++, to += mr_dtype_size(f->dtype))
        mr__put_missing(f->dtype, to, o->missing, o->fill);
    return MR_OK;
}

/* "a.b.c", or a key that has points itself; NULL when it is not there, and for null. */
static const json_t *find(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    for (const char *point = strchr(key, '.'); !value && point; point = strchr(point + 1, '.')) {
        char first[256];
        size_t length = (size_t)(point - key);
        if (length >= sizeof first)
            break;
        memcpy(first, key, length);
        first[length] = 0;
        const json_t *inner = json_object_get(object, first);
        if (json_is_object(inner))
            value = find(inner, point + 1);
    }
    return json_is_null(value) ? NULL : value;
}

size_t mr__json_field_bytes(const mr_field *field)
{
    return (size_t)mr__numel(&field->shape) * mr_dtype_size(field->dtype);
}

mr_status mr__json_write(const json_t *object, const mr__json_field *f, const mr__where *where, void *to)
{
    const place p = { f, where };
    char *at = to;
    const json_t *value = find(object, f->key);
    return value ? write_array(&p, value, 0, &at) : missing(&p, to);
}

json_t *mr__json_parse(const char *at, const char *end, const mr__where *where)
{
    json_error_t error;
    if ((size_t)(end - at) > MR__LONGEST_JSON) {
        failed(where, ": JSON of more than %zu MB", MR__LONGEST_JSON >> 20);
        return NULL;
    }
    json_t *object = json_loadb(at, (size_t)(end - at), 0, &error);
    if (!object)
        failed(where, ", column %d: %s", error.column, error.text);
    else if (!json_is_object(object))
        failed(where, " is %s, not an object", kind_of(object));
    else
        return object;
    json_decref(object);
    return NULL;
}

/* From a JSON object to the fields of a sample. */
#include "jsonl.h"

#include "sources/cell.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

const char *mr__jsonl_line_end(const void *format, const char *at, const char *end, bool *complete)
{
    (void)format;
    const char *stop = memchr(at, '\n', (size_t)(end - at));
    *complete = stop != NULL;
    return stop ? stop + 1 : end;
}

bool mr__jsonl_is_blank(const char *at, const char *end)
{
    while (at < end && (*at == ' ' || *at == '\t' || *at == '\r' || *at == '\n'))
        at++;
    return at == end;
}

/* ---- what is wrong ---- */

typedef struct place {
    const mr__jsonl_plan *plan;
    int64_t line;
    int field;
} place;

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
    return mr_fail(MR_ERR_FORMAT, "'%s': line %lld, key '%s': %s, not %s", p->plan->path, (long long)p->line,
                   p->plan->key[p->field], kind_of(value), wanted);
}

/* ---- values ---- */

static mr_status write_value(const place *p, const json_t *value, void *to)
{
    const mr_dtype dtype = p->plan->field[p->field].dtype;
    const mr__words *words = &p->plan->words[p->field];
    if (words->count) {
        if (!json_is_string(value))
            return wrong(p, value, "a word");
        int64_t number = mr__words_find(words, json_string_value(value), json_string_length(value));
        if (number < 0)
            return mr_fail(MR_ERR_FORMAT, "'%s': line %lld, key '%s': '%.40s' is none of the words",
                           p->plan->path, (long long)p->line, p->plan->key[p->field],
                           json_string_value(value));
        mr__put_int(dtype, to, number);
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
        return mr_fail(MR_ERR_FORMAT, "'%s': line %lld, key '%s': %lld does not fit %s", p->plan->path,
                       (long long)p->line, p->plan->key[p->field], (long long)whole, mr_dtype_name(dtype));
    return MR_OK;
}

/* An array of the field's shape from dimension d on; *to moves behind what is written. */
static mr_status write_array(const place *p, const json_t *value, int d, char **to)
{
    const mr_field *f = &p->plan->field[p->field];
    if (d == f->shape.ndim) {
        char *at = *to;
        *to += mr_dtype_size(f->dtype);
        return write_value(p, value, at);
    }
    if (!json_is_array(value))
        return wrong(p, value, "an array");
    if ((int64_t)json_array_size(value) != f->shape.dim[d])
        return mr_fail(MR_ERR_FORMAT, "'%s': line %lld, key '%s': an array of %zu, not %lld", p->plan->path,
                       (long long)p->line, p->plan->key[p->field], json_array_size(value),
                       (long long)f->shape.dim[d]);
    mr_status s = MR_OK;
    for (size_t i = 0; s == MR_OK && i < json_array_size(value); i++)
        s = write_array(p, json_array_get(value, i), d + 1, to);
    return s;
}

static mr_status missing(const place *p, char *to)
{
    const mr_jsonl_field *o = &p->plan->options[p->field];
    const mr_field *f = &p->plan->field[p->field];
    if (o->missing == MR_MISSING_SKIP)
        return MR_END;
    if (o->missing == MR_MISSING_FAIL)
        return mr_fail(MR_ERR_FORMAT, "'%s': line %lld has no '%s'", p->plan->path, (long long)p->line,
                       p->plan->key[p->field]);
    for (int64_t i = mr__numel(&f->shape); i > 0; i--, to += mr_dtype_size(f->dtype))
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

mr_status mr__jsonl_read_row(const mr__jsonl_plan *plan, const char *at, const char *end, int64_t line,
                             void *const *field, int64_t row)
{
    json_error_t error;
    json_t *object = json_loadb(at, (size_t)(end - at), 0, &error);
    if (!object)
        return mr_fail(MR_ERR_FORMAT, "'%s': line %lld, column %d: %s", plan->path, (long long)line,
                       error.column, error.text);
    mr_status s = MR_OK;
    if (!json_is_object(object))
        s = mr_fail(MR_ERR_FORMAT, "'%s': line %lld is %s, not an object", plan->path, (long long)line,
                    kind_of(object));
    for (int i = 0; s == MR_OK && i < plan->field_count; i++) {
        const mr_field *f = &plan->field[i];
        const place p = { plan, line, i };
        char *to = (char *)field[i] + (size_t)(row * mr__numel(&f->shape)) * mr_dtype_size(f->dtype);
        const json_t *value = find(object, plan->key[i]);
        s = value ? write_array(&p, value, 0, &to) : missing(&p, to);
    }
    json_decref(object);
    return s;
}

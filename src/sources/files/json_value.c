#include "json_value.h"

#include "sources/cell.h"
#include "sources/field.h"

#include "number.h"

#include <millrace/ragged.h>

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

static const char *kind_of(mr__json_span value)
{
    switch (*value.at) {
    case '{':
        return "an object";
    case '[':
        return "an array";
    case '"':
        return "a string";
    case 'n':
        return "null";
    case 't':
    case 'f':
        return "true or false";
    default:
        return "a number";
    }
}

static mr_status wrong(const place *p, mr__json_span value, const char *wanted)
{
    return failed(p->where, ", key '%s': %s, not %s", p->f->key, kind_of(value), wanted);
}

/* ---- numbers and words ---- */

static bool is_none(mr__json_span value)
{
    return *value.at == 'n' || *value.at == 'N';
}

/* true is 1, and false 0. */
static bool read_bool(mr__json_span value, int64_t *number)
{
    *number = *value.at == 't';
    return *value.at == 't' || *value.at == 'f';
}

static mr_status write_word(const place *p, mr__json_span value, void *to)
{
    const mr_dtype dtype = p->f->field->dtype;
    const size_t room = (size_t)(value.end - value.at);
    char some[256], *text = some, shown[MR__WORDS_SHOWN];
    if (*value.at != '"')
        return wrong(p, value, "a word");
    if (room > sizeof some && !(text = mr_alloc(room)))
        return mr_error_status();
    const ptrdiff_t length = mr__json_string(value, text);
    const int64_t number = length < 0 ? -1 : mr__words_find(p->f->words, text, (size_t)length);
    mr_status s = MR_OK;
    if (number < 0)
        s = failed(p->where, ", key '%s': '%.*s' is none of the words %s", p->f->key,
                   room > 42 ? 40 : (int)room - 2, value.at + 1, mr__words_show(p->f->words, shown));
    else if (!mr__put_int(dtype, to, number))
        s = failed(p->where, ", key '%s': word number %lld does not fit %s", p->f->key, (long long)number,
                   mr_dtype_name(dtype));
    if (text != some)
        mr_free(text);
    return s;
}

static mr_status write_whole(const place *p, mr__json_span value, void *to)
{
    const mr_dtype dtype = p->f->field->dtype;
    int64_t whole;
    const int length = (int)(value.end - value.at < 40 ? value.end - value.at : 40);
    if (!read_bool(value, &whole)) {
        if (*value.at != '-' && (*value.at < '0' || *value.at > '9'))
            return wrong(p, value, "a whole number");
        for (const char *at = value.at; at < value.end; at++)
            if (strchr(".eEI", *at))
                return wrong(p, value, "a whole one");
        if (!mr__read_int64(value.at, value.end, &whole))
            return failed(p->where, ", key '%s': %.*s does not fit %s", p->f->key, length, value.at,
                          mr_dtype_name(dtype));
    }
    if (!mr__put_int(dtype, to, whole))
        return failed(p->where, ", key '%s': %lld does not fit %s", p->f->key, (long long)whole,
                      mr_dtype_name(dtype));
    return MR_OK;
}

static mr_status missing(const place *p, mr_missing how)
{
    if (how == MR_MISSING_SKIP)
        return MR_END;
    return how == MR_MISSING_FAIL ? failed(p->where, " has no '%s'" MR__MISSING_REMEDY, p->f->key) : MR_OK;
}

static mr_status write_value(const place *p, mr__json_span value, void *to)
{
    const mr_dtype dtype = p->f->field->dtype;
    double number;
    int64_t whole;
    if (is_none(value)) {
        if (p->f->missing == MR_MISSING_FAIL)
            return failed(p->where, ", key '%s': null, not %s" MR__MISSING_REMEDY, p->f->key,
                          p->f->words->count ? "a word" : "a number");
        mr__put_missing(dtype, to, p->f->missing, p->f->fill);
        return missing(p, p->f->missing);
    }
    if (p->f->words->count)
        return write_word(p, value, to);
    if (!mr__is_floating(dtype))
        return write_whole(p, value, to);
    if (read_bool(value, &whole))
        number = (double)whole;
    else if (strchr("\"[{", *value.at) || !mr__read_double(value.at, value.end, &number))
        return wrong(p, value, "a number");
    mr__put_double(dtype, to, number);
    return MR_OK;
}

/* ---- arrays and texts: the form has been looked at, so walks do not fail ---- */

static bool is_text(const mr__json_field *f)
{
    return mr__is_ragged(&f->field->shape) && f->field->shape.ndim == 1 && f->field->dtype == MR_UINT8 &&
           !f->words->count;
}

/* Whether a value is an array of the field's shape from dimension d on, and of how many items. */
static mr_status check_shape(const place *p, mr__json_span value, int d, int64_t *count)
{
    const mr_field *f = p->f->field;
    mr__json_fault fault;
    mr__json_span item;
    *count = 0;
    if (d == f->shape.ndim)
        return MR_OK;
    if (*value.at != '[')
        return wrong(p, value,
                     is_text(p->f) ? "a string or an array"
                     : *value.at == '"' && d == 0 && f->shape.dim[0] == -1 && !p->f->words->count
                         ? "an array (the dtype of texts is MR_UINT8)"
                         : "an array");
    mr_status s = MR_OK;
    int64_t inner;
    for (mr__json_list list = mr__json_open(value, &fault); s == MR_OK && mr__json_next_item(&list, &item);
         ++*count)
        s = check_shape(p, item, d + 1, &inner);
    if (s == MR_OK && f->shape.dim[d] != -1 && *count != f->shape.dim[d])
        return failed(p->where, ", key '%s': an array of %lld, not %lld", p->f->key, (long long)*count,
                      (long long)f->shape.dim[d]);
    return s;
}

/* What has been checked; *to moves behind what is written. */
static mr_status write_array(const place *p, mr__json_span value, int d, char **to)
{
    const mr_field *f = p->f->field;
    mr__json_fault fault;
    mr__json_span item;
    if (d == f->shape.ndim) {
        char *at = *to;
        *to += mr_dtype_size(f->dtype);
        return write_value(p, value, at);
    }
    mr_status s = MR_OK;
    for (mr__json_list list = mr__json_open(value, &fault); s == MR_OK && mr__json_next_item(&list, &item);)
        s = write_array(p, item, d + 1, to);
    return s;
}

static mr_status write_text(const place *p, mr__json_span value, mr_ragged *to)
{
    char *bytes = mr_ragged_resize(to, value.end - value.at - 2);
    if (!bytes)
        return mr_error_status();
    const ptrdiff_t length = mr__json_string(value, bytes);
    if (length < 0)
        return failed(p->where, ", key '%s': half of a surrogate pair", p->f->key);
    return mr_ragged_resize(to, length) ? MR_OK : mr_error_status();
}

/* ---- fields ---- */

static mr_status write_missing(const place *p, char *to)
{
    const mr_field *f = p->f->field;
    const mr_status s = missing(p, p->f->missing);
    if (s != MR_OK)
        return s;
    if (mr__is_ragged(&f->shape))
        return mr_ragged_resize((mr_ragged *)(void *)to, 0) ? MR_OK : mr_error_status();
    for (int64_t i = 0; i < mr__numel(&f->shape); i++, to += mr_dtype_size(f->dtype))
        mr__put_missing(f->dtype, to, p->f->missing, p->f->fill);
    return MR_OK;
}

/* The value at a key: of the object as it has been read, or of one inside of it. The last of several that are alike. */
static bool get(const mr__json *read, mr__json_span inside, const char *key, size_t length,
                mr__json_span *value)
{
    mr__json_member member;
    mr__json_fault fault;
    bool found = false;
    for (int64_t i = read ? read->count : 0; i-- > 0;)
        if (mr__json_string_is(read->member[i].key, key, length)) {
            *value = read->member[i].value;
            return true;
        }
    for (mr__json_list list = mr__json_open(inside, &fault); !read && mr__json_next_member(&list, &member);)
        if (mr__json_string_is(member.key, key, length)) {
            *value = member.value;
            found = true;
        }
    return found;
}

/* "a.b.c", or a key that has points itself. */
static bool find(const mr__json *read, mr__json_span inside, const char *key, mr__json_span *value)
{
    bool found = get(read, inside, key, strlen(key), value);
    for (const char *point = strchr(key, '.'); !found && point; point = strchr(point + 1, '.')) {
        mr__json_span inner;
        if (get(read, inside, key, (size_t)(point - key), &inner) && *inner.at == '{')
            found = find(NULL, inner, point + 1, value);
    }
    return found;
}

static bool find_value(const mr__json *object, const char *key, mr__json_span *value)
{
    return find(object, (mr__json_span){ NULL, NULL }, key, value) && !is_none(*value);
}

size_t mr__json_field_bytes(const mr_field *field)
{
    return mr__is_ragged(&field->shape) ? sizeof(mr_ragged)
                                        : (size_t)mr__numel(&field->shape) * mr_dtype_size(field->dtype);
}

static bool has_none(mr__json_span value, int dims)
{
    mr__json_fault fault;
    mr__json_span item;
    bool none = dims == 0 && is_none(value);
    if (dims && *value.at == '[')
        for (mr__json_list list = mr__json_open(value, &fault); !none && mr__json_next_item(&list, &item);)
            none = has_none(item, dims - 1);
    return none;
}

bool mr__json_left_out(const mr__json *object, const mr__json_field *f)
{
    mr__json_span value;
    return f->missing == MR_MISSING_SKIP &&
           (!find_value(object, f->key, &value) || has_none(value, f->field->shape.ndim));
}

mr_status mr__json_write(const mr__json *object, const mr__json_field *f, const mr__where *where, void *to)
{
    const place p = { f, where };
    mr__json_span value;
    int64_t count;
    if (!find_value(object, f->key, &value))
        return write_missing(&p, to);
    if (*value.at == '"' && is_text(f))
        return write_text(&p, value, to);
    const mr_status s = check_shape(&p, value, 0, &count);
    if (s < 0)
        return s;
    char *at = mr__is_ragged(&f->field->shape) ? mr_ragged_resize(to, count) : to;
    return at ? write_array(&p, value, 0, &at) : mr_error_status();
}

/* ---- objects ---- */

const char *mr__json_mark(const char *at, const char *end)
{
    return at + (end - at >= 3 && memcmp(at, "\xef\xbb\xbf", 3) == 0 ? 3 : 0);
}

static mr_status add_member(mr__json *object, const mr__json_member *member)
{
    if (object->count == object->room) {
        const int64_t room = object->room ? object->room * 2 : 16;
        mr__json_member *larger =
            mr_grow(object->member, (size_t)object->count * sizeof *larger, (size_t)room * sizeof *larger);
        if (!larger)
            return mr_error_status();
        object->member = larger;
        object->room = room;
    }
    object->member[object->count++] = *member;
    return MR_OK;
}

static mr_status no_json(const mr__where *where, const char *begin, const char *end,
                         const mr__json_fault *fault)
{
    int column = 1;
    for (const char *at = begin; at < fault->at; at++)
        column += ((unsigned char)*at & 0xc0) != 0x80;
    return failed(where, ", column %d: %s expected%s", column, fault->wanted,
                  fault->at == end ? " before the end" : "");
}

mr_status mr__json_parse(mr__json *object, const char *at, const char *end, const mr__where *where)
{
    const char *begin = at;
    mr__json_fault fault = { 0 };
    mr__json_member member;
    if ((size_t)(end - at) > MR__LONGEST_JSON)
        return failed(where, ": JSON of more than %zu MB", MR__LONGEST_JSON >> 20);
    at = mr__json_blanks(mr__json_mark(at, end), end);
    object->count = 0;
    object->read = true;
    mr__json_list list = mr__json_open((mr__json_span){ at, end }, &fault);
    if (at < end && *at == '{')
        while (mr__json_next_member(&list, &member))
            if (add_member(object, &member) < 0)
                return mr_error_status();
    const char *behind = at < end && *at == '{' ? list.at : mr__json_value_end(at, end, &fault);
    if (!fault.wanted) {
        behind = mr__json_blanks(behind, end);
        if (behind < end)
            fault = (mr__json_fault){ behind, "nothing more" };
    }
    if (fault.wanted)
        return no_json(where, begin, end, &fault);
    return *at == '{' ? MR_OK
                      : failed(where, " is %s, not an object", kind_of((mr__json_span){ at, behind }));
}

void mr__json_free(mr__json *object)
{
    mr_free(object->member);
    *object = (mr__json){ 0 };
}

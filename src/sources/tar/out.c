#include "out.h"

#include "sources/cell.h"
#include "sources/files/writing.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char call[] = "tar_write";

mr_status mr__content_add(mr__content *c, const void *bytes, size_t count)
{
    if (count > c->room - c->used) {
        const size_t room = (c->used + count) * 2 + 256;
        char *larger = mr_grow(c->bytes, c->used, room);
        if (!larger)
            return mr_error_status();
        c->bytes = larger;
        c->room = room;
    }
    memcpy(c->bytes + c->used, bytes, count);
    c->used += count;
    return MR_OK;
}

static mr_status add_text(mr__content *c, const char *text)
{
    return mr__content_add(c, text, strlen(text));
}

/* ---- the plan ---- */

static bool is_ragged(const mr_field *f)
{
    return f->shape.ndim && f->shape.dim[0] < 0;
}

mr_status mr__out_plan(mr__out *o, mr_dataset *dataset, const mr_tar_out *from)
{
    const mr_field *fields = mr_dataset_fields(dataset);
    int64_t room;
    o->place = mr__writing_field(call, dataset, from->field);
    if (o->place < 0)
        return mr_error_status();
    o->field = &fields[o->place];
    o->extension = from->extension ? from->extension : o->field->name;
    o->key = from->key ? from->key : o->field->name;
    o->content = from->content;
    o->offsets = is_ragged(o->field) ? mr_dataset_field_count(dataset) : -1;
    for (int i = 0; i < o->place && o->offsets >= 0; i++)
        o->offsets += is_ragged(&fields[i]);
    o->item = mr_dtype_size(o->field->dtype);
    for (int d = is_ragged(o->field); d < o->field->shape.ndim; d++)
        o->item *= (size_t)o->field->shape.dim[d];
    if (o->content < MR_MEMBER_BYTES || o->content > MR_MEMBER_JSON)
        return mr_fail(MR_ERR_ARGUMENT, "%s: field '%s': a content that is none", call, from->field);
    if (o->content == MR_MEMBER_BYTES && o->field->dtype != MR_UINT8)
        return mr_fail(MR_ERR_DTYPE, "%s: field '%s' has %s, and bytes are uint8", call, from->field,
                       mr_dtype_name(o->field->dtype));
    if (o->content > MR_MEMBER_RAW && !mr__is_floating(o->field->dtype) &&
        !mr__put_int(o->field->dtype, &room, 0))
        return mr_fail(MR_ERR_DTYPE, "%s: field '%s': %s is not written as text", call, from->field,
                       mr_dtype_name(o->field->dtype));
    if (!*o->extension || strpbrk(o->extension, "/") || *o->extension == '.')
        return mr_fail(MR_ERR_ARGUMENT, "%s: field '%s': '%s' is no extension", call, from->field,
                       o->extension);
    return MR_OK;
}

const char *mr__out_row(const mr__out *o, const mr_batch *batch, int64_t row, int64_t *items)
{
    const char *data = mr_tensor_data(batch->field[o->place]);
    *items = 1;
    if (o->offsets < 0)
        return data + (size_t)row * o->item;
    const int64_t *offset = mr_tensor_data(batch->field[o->offsets]);
    *items = offset[row + 1] - offset[row];
    return data + (size_t)offset[row] * o->item;
}

/* ---- numbers ---- */

static long long whole_at(mr_dtype dtype, const void *at)
{
    switch (dtype) {
    case MR_INT64:
        return *(const int64_t *)at;
    case MR_INT32:
        return *(const int32_t *)at;
    case MR_INT16:
        return *(const int16_t *)at;
    case MR_UINT16:
        return *(const uint16_t *)at;
    case MR_INT8:
        return *(const int8_t *)at;
    default: /* bool, too */
        return *(const uint8_t *)at;
    }
}

/* As few digits as give the number back; with a point, whatever the locale. */
static void write_floating(char *text, size_t room, double value, bool narrow)
{
    const int most = narrow ? 9 : 17;
    for (int digits = narrow ? 6 : 15; digits <= most; digits++) {
        snprintf(text, room, "%.*g", digits, value);
        if (narrow ? strtof(text, NULL) == (float)value : strtod(text, NULL) == value)
            break;
    }
    char *point = text + strspn(text, "+-0123456789einfa"); /* of one byte or several */
    const size_t length = strcspn(point, "0123456789");
    if (length) {
        *point = '.';
        memmove(point + 1, point + length, strlen(point + length) + 1);
    }
}

static mr_status add_number(const mr__out *o, mr__content *c, const void *at)
{
    char text[40];
    const mr_dtype dtype = o->field->dtype;
    if (!mr__is_floating(dtype)) {
        snprintf(text, sizeof text, "%lld", whole_at(dtype, at));
        return add_text(c, text);
    }
    const bool narrow = dtype == MR_FLOAT32;
    const double value = narrow ? (double)*(const float *)at : *(const double *)at;
    if (o->content == MR_MEMBER_JSON && !isfinite(value))
        return mr_fail(MR_ERR_FORMAT, "field '%s': JSON has no %s", o->field->name,
                       isnan(value) ? "NaN" : "infinity");
    write_floating(text, sizeof text, value, narrow);
    return add_text(c, text);
}

/* The elements of one sample from dimension `d` on: JSON's arrays. */
static mr_status add_array(const mr__out *o, mr__content *c, int d, int64_t items, const char **at)
{
    const mr_shape *shape = &o->field->shape;
    if (d == shape->ndim) {
        mr_status s = add_number(o, c, *at);
        *at += mr_dtype_size(o->field->dtype);
        return s;
    }
    const int64_t count = shape->dim[d] < 0 ? items : shape->dim[d];
    mr_status s = add_text(c, "[");
    for (int64_t i = 0; s == MR_OK && i < count; i++) {
        s = i ? add_text(c, ", ") : MR_OK;
        s = s == MR_OK ? add_array(o, c, d + 1, items, at) : s;
    }
    return s == MR_OK ? add_text(c, "]") : s;
}

static mr_status add_pair(const mr__out *o, mr__content *c, int64_t items, const char *at)
{
    mr_status s = add_text(c, "\"");
    for (const char *p = o->key; s == MR_OK && *p; p++) {
        char escaped[8];
        snprintf(escaped, sizeof escaped,
                 *p == '"' || *p == '\\'   ? "\\%c"
                 : (unsigned char)*p < ' ' ? "\\u%04x"
                                           : "%c",
                 *p);
        s = add_text(c, escaped);
    }
    s = s == MR_OK ? add_text(c, "\": ") : s;
    return s == MR_OK ? add_array(o, c, 0, items, &at) : s;
}

mr_status mr__out_add(const mr__out *o, const mr_batch *batch, int64_t row, mr__content *c)
{
    int64_t items;
    const char *at = mr__out_row(o, batch, row, &items);
    const size_t bytes = (size_t)items * o->item, size = mr_dtype_size(o->field->dtype);
    if (o->content < MR_MEMBER_TEXT)
        return mr__content_add(c, at, bytes);
    if (o->content == MR_MEMBER_JSON)
        return add_pair(o, c, items, at);
    mr_status s = MR_OK;
    for (size_t i = 0; s == MR_OK && i < bytes; i += size) {
        s = i ? add_text(c, " ") : MR_OK;
        s = s == MR_OK ? add_number(o, c, at + i) : s;
    }
    return s == MR_OK ? add_text(c, "\n") : s;
}

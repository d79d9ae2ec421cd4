#include "type.h"

#include "decimal.h"
#include "tensor/half.h"

#include <string.h>

/* ---- sound? ---- */

static bool is_bytes(const mr__arrow_type *type)
{
    return type->kind == MR__ARROW_TEXT || type->kind == MR__ARROW_BYTES;
}

/* How many buffers it has; with views of bytes at least: others lie before the last one, which has their lengths. */
static int64_t buffers_of(const mr__arrow_type *type)
{
    if (type->kind == MR__ARROW_NULL)
        return 0;
    if (type->kind == MR__ARROW_FIXED_LIST)
        return 1;
    return is_bytes(type) || type->view ? 3 : 2;
}

static bool has_buffers(const mr__arrow_type *type, const struct ArrowArray *array)
{
    const int64_t count = buffers_of(type);
    return (array->n_buffers == count || (is_bytes(type) && type->view && array->n_buffers > count)) &&
           (!count || array->buffers);
}

/* Those behind the bitmap that are there if anything is: of texts in one piece the last may be missing, where all are empty. */
static bool has_what_is_needed(const mr__arrow_type *type, const struct ArrowArray *array)
{
    if (!array->length || array->n_buffers < 2)
        return true;
    if (is_bytes(type) && array->n_buffers > 3 && !array->buffers[array->n_buffers - 1])
        return false;
    return array->buffers[1] && (type->kind != MR__ARROW_LIST || !type->view || array->buffers[2]);
}

/* The length that the items of the first `end` lists have together, where that is known. */
static bool items_before(const mr__arrow_type *type, int64_t end, int64_t *items)
{
    *items = 0;
    return type->kind != MR__ARROW_FIXED_LIST || !__builtin_mul_overflow(end, type->size, items);
}

const char *mr__arrow_check(const mr__arrow_type *type, const struct ArrowArray *array, int64_t length)
{
    int64_t end, items;
    if (!array || !array->release)
        return "an array that is not there";
    if (type->kind == MR__ARROW_OTHER) /* nobody looks into it */
        return NULL;
    if (array->length < 0 || array->offset < 0 || array->null_count < -1 ||
        __builtin_add_overflow(array->offset, array->length, &end))
        return "an array with a length, an offset or a number of nulls that is none";
    if (array->length < length)
        return "an array that is too short";
    if (!has_buffers(type, array))
        return "an array with another number of buffers than its type has";
    if (array->n_buffers && array->null_count > 0 && !array->buffers[0])
        return "an array with nulls and without a bitmap of them";
    if (!has_what_is_needed(type, array))
        return "an array without its buffer";
    if (array->n_children != (mr__arrow_is_list(type) ? 1 : 0) || (array->n_children && !array->children))
        return "an array with another number of children than its type has";
    if (!array->dictionary != !type->values)
        return type->values ? "an array without its dictionary"
                            : "an array with a dictionary that its type has not";
    if (type->values)
        return mr__arrow_check(type->values, array->dictionary, 0);
    if (!mr__arrow_is_list(type))
        return NULL;
    return items_before(type, end, &items) ? mr__arrow_check(type->inner, array->children[0], items)
                                           : "an array with a length that is none";
}

/* ---- elements ---- */

static bool bit(const void *bits, int64_t at)
{
    return ((const unsigned char *)bits)[at / 8] >> (at % 8) & 1;
}

/* A number of the machine's own order of bytes, wherever it lies. */
static uint64_t bits_at(const void *at, int width)
{
    uint8_t one;
    uint16_t two;
    uint32_t four;
    uint64_t eight;
    switch (width) {
    case 1:
        memcpy(&one, at, 1);
        return one;
    case 2:
        memcpy(&two, at, 2);
        return two;
    case 4:
        memcpy(&four, at, 4);
        return four;
    default:
        memcpy(&eight, at, 8);
        return eight;
    }
}

static int64_t signed_of(uint64_t bits, int width)
{
    return width == 1   ? (int8_t)bits
           : width == 2 ? (int16_t)bits
           : width == 4 ? (int32_t)bits
                        : (int64_t)bits;
}

static double floating(const void *at, int width)
{
    float narrow;
    double wide;
    if (width == 2)
        return (double)mr__from_float16((uint16_t)bits_at(at, 2));
    if (width == 4) {
        memcpy(&narrow, at, sizeof narrow);
        return (double)narrow;
    }
    memcpy(&wide, at, sizeof wide);
    return wide;
}

/* A whole number, or the index into a dictionary. */
static mr__value whole_at(const mr__arrow_type *type, const struct ArrowArray *array, int64_t index)
{
    const char *at = (const char *)array->buffers[1] + (array->offset + index) * type->width;
    const uint64_t bits = bits_at(at, type->width);
    if (type->kind == MR__ARROW_INT)
        return (mr__value){ .kind = MR__WHOLE, .whole = signed_of(bits, type->width) };
    if (bits > INT64_MAX) /* fits a floating type only */
        return (mr__value){ .kind = MR__NUMBER, .number = (double)bits };
    return (mr__value){ .kind = MR__WHOLE, .whole = (int64_t)bits };
}

static bool in_dictionary(const struct ArrowArray *array, const mr__value *place)
{
    return place->kind == MR__WHOLE && place->whole >= 0 && place->whole < array->dictionary->length;
}

bool mr__arrow_is_null(const mr__arrow_type *type, const struct ArrowArray *array, int64_t index)
{
    if (type->kind == MR__ARROW_NULL)
        return true;
    if (array->null_count != 0 && array->buffers[0] && !bit(array->buffers[0], array->offset + index))
        return true;
    if (!type->values)
        return false;
    const mr__value place = whole_at(type, array, index);
    return in_dictionary(array, &place) && mr__arrow_is_null(type->values, array->dictionary, place.whole);
}

/* The two offsets of an element of a text, of bytes or of a list. */
static const char *offsets(const mr__arrow_type *type, const struct ArrowArray *array, int64_t index,
                           int64_t *first, int64_t *end)
{
    const char *at = (const char *)array->buffers[1] + (array->offset + index) * type->width;
    *first = signed_of(bits_at(at, type->width), type->width);
    *end = signed_of(bits_at(at + type->width, type->width), type->width);
    return *first >= 0 && *end >= *first ? NULL : "offsets that go back";
}

/* Texts that say each how long they are; the bytes of short ones follow, of others where they are. */
static const char *viewed(const struct ArrowArray *array, int64_t index, mr__value *value)
{
    enum { VIEW = 16, SHORT = 12 };
    const char *at = (const char *)array->buffers[1] + (array->offset + index) * VIEW;
    const int64_t size = signed_of(bits_at(at, 4), 4), buffer = signed_of(bits_at(at + 8, 4), 4),
                  first = signed_of(bits_at(at + 12, 4), 4);
    if (size < 0)
        return "a view with a length that is none";
    value->size = (size_t)size;
    value->at = at + 4;
    if (size <= SHORT)
        return NULL;
    if (buffer < 0 || buffer >= array->n_buffers - 3 || !array->buffers[2 + buffer])
        return "a view of a buffer that is not there";
    const char *lengths = array->buffers[array->n_buffers - 1];
    if (first < 0 || first + size > signed_of(bits_at(lengths + buffer * 8, 8), 8))
        return "a view that ends behind its buffer";
    value->at = (const char *)array->buffers[2 + buffer] + first;
    return NULL;
}

static const char *bytes_of(const mr__arrow_type *type, const struct ArrowArray *array, int64_t index,
                            mr__value *value)
{
    int64_t first, end;
    value->kind = type->kind == MR__ARROW_TEXT ? MR__TEXT : MR__BYTES;
    if (type->view)
        return viewed(array, index, value);
    const char *fault = offsets(type, array, index, &first, &end);
    if (fault)
        return fault;
    if (end > first && !array->buffers[2])
        return "an array without its buffer";
    value->at = end > first ? (const char *)array->buffers[2] + first : "";
    value->size = (size_t)(end - first);
    return NULL;
}

const char *mr__arrow_value(const mr__arrow_type *type, const struct ArrowArray *array, int64_t index,
                            mr__value *value)
{
    const int64_t at = array->offset + index;
    switch (type->kind) {
    case MR__ARROW_BOOL:
        *value = (mr__value){ .kind = MR__WHOLE, .whole = bit(array->buffers[1], at) };
        return NULL;
    case MR__ARROW_FLOAT:
        value->kind = MR__NUMBER;
        value->number = floating((const char *)array->buffers[1] + at * type->width, type->width);
        return NULL;
    case MR__ARROW_DECIMAL:
        *value =
            mr__arrow_decimal((const char *)array->buffers[1] + at * type->width, type->width, type->scale);
        return NULL;
    case MR__ARROW_FIXED_BYTES:
        value->kind = MR__BYTES;
        value->at = (const char *)array->buffers[1] + at * type->size;
        value->size = (size_t)type->size;
        return NULL;
    case MR__ARROW_TEXT:
    case MR__ARROW_BYTES:
        return bytes_of(type, array, index, value);
    default:
        break;
    }
    *value = whole_at(type, array, index);
    if (!type->values)
        return NULL;
    return in_dictionary(array, value) ? mr__arrow_value(type->values, array->dictionary, value->whole, value)
                                       : "an index outside its dictionary";
}

/* Lists that say each where it begins, in one buffer, and in another how long it is. */
static const char *list_viewed(const mr__arrow_type *type, const struct ArrowArray *array, int64_t index,
                               int64_t *first, int64_t *end)
{
    const int64_t at = (array->offset + index) * type->width;
    *first = signed_of(bits_at((const char *)array->buffers[1] + at, type->width), type->width);
    const int64_t size = signed_of(bits_at((const char *)array->buffers[2] + at, type->width), type->width);
    return *first < 0 || size < 0 || __builtin_add_overflow(*first, size, end)
               ? "a list with an offset or a length that is none"
               : NULL;
}

const char *mr__arrow_items(const mr__arrow_type *type, const struct ArrowArray *array, int64_t index,
                            int64_t *first, int64_t *count)
{
    int64_t end;
    if (type->kind == MR__ARROW_FIXED_LIST) { /* the check has seen that its child is long enough */
        *first = (array->offset + index) * type->size;
        *count = type->size;
        return NULL;
    }
    const char *fault =
        type->view ? list_viewed(type, array, index, first, &end) : offsets(type, array, index, first, &end);
    if (fault)
        return fault;
    *count = end - *first;
    return end > array->children[0]->length ? "a list that ends behind its items" : NULL;
}

/* ---- many ---- */

const void *mr__arrow_plain(const mr__arrow_type *type, const struct ArrowArray *array, int64_t first,
                            mr_dtype dtype)
{
    static const struct {
        mr__arrow_kind kind;
        int width;
        mr_dtype dtype;
    } same[] = {
        { MR__ARROW_INT, 1, MR_INT8 },      { MR__ARROW_INT, 2, MR_INT16 },
        { MR__ARROW_INT, 4, MR_INT32 },     { MR__ARROW_INT, 8, MR_INT64 },
        { MR__ARROW_UINT, 1, MR_UINT8 },    { MR__ARROW_UINT, 2, MR_UINT16 },
        { MR__ARROW_FLOAT, 4, MR_FLOAT32 }, { MR__ARROW_FLOAT, 8, MR_FLOAT64 },
        { MR__ARROW_FLOAT, 2, MR_FLOAT16 },
    };
    if (type->values || (array->null_count != 0 && array->buffers[0]))
        return NULL;
    for (size_t i = 0; i < sizeof same / sizeof *same; i++)
        if (same[i].kind == type->kind && same[i].width == type->width && same[i].dtype == dtype)
            return (const char *)array->buffers[1] + (array->offset + first) * type->width;
    return NULL;
}

/* Types of Arrow's columns, and the arrays that have them. */
#ifndef MILLRACE_SOURCES_ARROW_TYPE_H
#define MILLRACE_SOURCES_ARROW_TYPE_H

#include <millrace/sources/arrow.h>

#include "sources/table.h"

typedef enum mr__arrow_kind {
    MR__ARROW_OTHER, /* that is not read */
    MR__ARROW_NULL,  /* no values at all */
    MR__ARROW_BOOL,
    MR__ARROW_INT,
    MR__ARROW_UINT,
    MR__ARROW_FLOAT,
    MR__ARROW_DECIMAL,
    MR__ARROW_TEXT,
    MR__ARROW_BYTES,
    MR__ARROW_FIXED_BYTES,
    MR__ARROW_LIST,
    MR__ARROW_FIXED_LIST
} mr__arrow_kind;

typedef struct mr__arrow_type {
    mr__arrow_kind kind;
    int width;                     /* bytes of a number, or of an offset */
    bool view;                     /* texts, bytes and lists that say each where it is, in any order */
    int scale;                     /* of decimals: digits behind the point */
    int64_t size;                  /* of what has a fixed one */
    struct mr__arrow_type *inner;  /* of a list's items */
    struct mr__arrow_type *values; /* of a dictionary; the type itself is that of its indices */
} mr__arrow_type;

/* Reads a schema's type; NULL after a failure, which says what is wrong with `column`. */
mr__arrow_type *mr__arrow_type_new(const struct ArrowSchema *schema, const char *column);
void mr__arrow_type_free(mr__arrow_type *type);

/* The type of what is given: behind a dictionary. */
static inline const mr__arrow_type *mr__arrow_given(const mr__arrow_type *type)
{
    return type->values ? type->values : type;
}

static inline bool mr__arrow_is_list(const mr__arrow_type *type)
{
    return type->kind == MR__ARROW_LIST || type->kind == MR__ARROW_FIXED_LIST;
}

/* ---- arrays ---- */

/* Whether an array can be one of the type, with at least `length` elements; what is wrong, or NULL. */
const char *mr__arrow_check(const mr__arrow_type *type, const struct ArrowArray *array, int64_t length);

/* Whether element `index` has no value. */
bool mr__arrow_is_null(const mr__arrow_type *type, const struct ArrowArray *array, int64_t index);

/* Its value, which is no list; what is wrong, or NULL. */
const char *mr__arrow_value(const mr__arrow_type *type, const struct ArrowArray *array, int64_t index,
                            mr__value *value);

/* The items of a list: from element *first of its child on, *count of them; what is wrong, or NULL. */
const char *mr__arrow_items(const mr__arrow_type *type, const struct ArrowArray *array, int64_t index,
                            int64_t *first, int64_t *count);

/* Numbers that lie in memory as elements of this type, or NULL: they are other ones, or some are missing. */
const void *mr__arrow_plain(const mr__arrow_type *type, const struct ArrowArray *array, int64_t first,
                            mr_dtype dtype);

#endif

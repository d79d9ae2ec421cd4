/* What becomes of a cell's number: an element of a field. */
#ifndef MILLRACE_SOURCES_CELL_H
#define MILLRACE_SOURCES_CELL_H

#include <millrace/sources/rows.h>

#include <math.h>

static inline bool mr__is_floating(mr_dtype dtype)
{
    return dtype == MR_FLOAT32 || dtype == MR_FLOAT64;
}

static inline void mr__put_double(mr_dtype dtype, void *to, double value)
{
    if (dtype == MR_FLOAT32)
        *(float *)to = (float)value;
    else
        *(double *)to = value;
}

/* Of a whole type, or bool; false when the value does not fit. */
static inline bool mr__put_int(mr_dtype dtype, void *to, int64_t value)
{
    switch (dtype) {
    case MR_INT64:
        *(int64_t *)to = value;
        return true;
    case MR_INT32:
        *(int32_t *)to = (int32_t)value;
        return value == (int32_t)value;
    case MR_INT16:
        *(int16_t *)to = (int16_t)value;
        return value == (int16_t)value;
    case MR_UINT16:
        *(uint16_t *)to = (uint16_t)value;
        return value == (uint16_t)value;
    case MR_INT8:
        *(int8_t *)to = (int8_t)value;
        return value == (int8_t)value;
    case MR_UINT8:
        *(uint8_t *)to = (uint8_t)value;
        return value == (uint8_t)value;
    case MR_BOOL:
        *(bool *)to = value != 0;
        return value == 0 || value == 1;
    default:
        return false;
    }
}

/* What stands in for a value that is missing: NaN, or `fill`. */
static inline void mr__put_missing(mr_dtype dtype, void *to, mr_missing missing, double fill)
{
    if (mr__is_floating(dtype))
        mr__put_double(dtype, to, missing == MR_MISSING_NAN ? NAN : fill);
    else
        mr__put_int(dtype, to, (int64_t)fill);
}

/* Whether samples have any number of items. */
static inline bool mr__is_ragged(const mr_shape *shape)
{
    return shape->ndim > 0 && shape->dim[0] == -1;
}

/* How many elements a field has; what is not sound comes out as some number, and is refused when the dataset is made. */
static inline int64_t mr__numel(const mr_shape *shape)
{
    uint64_t n = 1;
    for (int d = 0; d < shape->ndim; d++)
        n *= (uint64_t)shape->dim[d];
    return (int64_t)n;
}

#endif

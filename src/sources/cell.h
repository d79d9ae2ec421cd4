/* What becomes of a cell's number: an element of a field. */
#ifndef MILLRACE_SOURCES_CELL_H
#define MILLRACE_SOURCES_CELL_H

#include <millrace/tensor.h>

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

/* Of int64, int32, uint8 or bool; false when the value does not fit. */
static inline bool mr__put_int(mr_dtype dtype, void *to, int64_t value)
{
    switch (dtype) {
    case MR_INT64:
        *(int64_t *)to = value;
        return true;
    case MR_INT32:
        *(int32_t *)to = (int32_t)value;
        return value == (int32_t)value;
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

#endif

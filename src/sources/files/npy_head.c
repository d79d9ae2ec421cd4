/* The header of an NPY file, version 1: what numpy.save writes, to the byte. */
#include "array_file.h"

#include <stdio.h>
#include <string.h>

enum { MAGIC_AND_SIZE = 10, ALIGNMENT = 64 };

static const char *descr_of(mr_dtype dtype)
{
    switch (dtype) {
    case MR_FLOAT32:
        return "<f4";
    case MR_FLOAT64:
        return "<f8";
    case MR_FLOAT16:
        return "<f2";
    case MR_INT64:
        return "<i8";
    case MR_INT32:
        return "<i4";
    case MR_INT16:
        return "<i2";
    case MR_INT8:
        return "|i1";
    case MR_UINT16:
        return "<u2";
    case MR_UINT8:
        return "|u1";
    case MR_BOOL:
        return "|b1";
    default:
        return NULL;
    }
}

/* The literal of a shape, whose first size is `rows`; its length. */
static int write_literal(char *text, size_t room, const char *descr, const mr_shape *shape, int64_t rows)
{
    int n = snprintf(text, room, "{'descr': '%s', 'fortran_order': False, 'shape': (", descr);
    for (int d = 0; d < shape->ndim; d++)
        n += snprintf(text + n, room - (size_t)n,
                      shape->ndim == 1 ? "%lld,"
                      : d              ? ", %lld"
                                       : "%lld",
                      (long long)(d ? shape->dim[d] : rows));
    return n + snprintf(text + n, room - (size_t)n, "), }");
}

size_t mr__npy_head(char *out, mr_dtype dtype, const mr_shape *shape, int64_t most_rows)
{
    const char *descr = descr_of(dtype);
    char *text = out + MAGIC_AND_SIZE;
    const size_t room = MR__NPY_HEAD - MAGIC_AND_SIZE;
    if (!descr)
        return 0;
    const int longest = write_literal(text, room, descr, shape, most_rows);
    const int n = write_literal(text, room, descr, shape, shape->ndim ? shape->dim[0] : 0);
    const size_t all = (MAGIC_AND_SIZE + (size_t)longest + 1 + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    memset(text + n, ' ', all - MAGIC_AND_SIZE - (size_t)n);
    out[all - 1] = '\n';
    memcpy(out, "\x93NUMPY\1\0", 8);
    out[8] = (char)((all - MAGIC_AND_SIZE) & 0xff);
    out[9] = (char)((all - MAGIC_AND_SIZE) >> 8);
    return all;
}

/* IDX: two bytes 0, the type, the number of dimensions, each as 32 bits with the highest byte first, then the elements. */
#include "array_file.h"

#include <string.h>

mr_status mr__idx_header(mr__array_file *a, const char *path, size_t *data)
{
    static const struct {
        unsigned char code, bytes;
        mr_dtype dtype;
    } types[] = { { 0x08, 1, MR_UINT8 }, { 0x09, 1, MR_INT8 },    { 0x0b, 2, MR_INT16 },
                  { 0x0c, 4, MR_INT32 }, { 0x0d, 4, MR_FLOAT32 }, { 0x0e, 8, MR_FLOAT64 } };
    const unsigned char *at = (const unsigned char *)a->bytes.at;
    if (a->bytes.size < 4 || at[0] || at[1])
        return mr_fail(MR_ERR_FORMAT, "'%s' is neither an NPY nor an IDX file", path);
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (types[i].code == at[2]) {
            a->dtype = types[i].dtype;
            a->element_bytes = types[i].bytes;
        }
    if (!a->element_bytes)
        return mr_fail(MR_ERR_FORMAT,
                       "'%s': an IDX file of type 0x%02x, which is none of 0x08, 0x09, 0x0b to 0x0e", path,
                       at[2]);
    if (at[3] > MR_MAX_DIMS)
        return mr_fail(MR_ERR_SHAPE, "'%s': %d dimensions, more than %d", path, at[3], MR_MAX_DIMS);
    *data = 4 + 4 * (size_t)at[3];
    if (a->bytes.size < *data)
        return mr_fail(MR_ERR_FORMAT, "'%s': an IDX file ends in its header: %zu bytes of %zu", path,
                       a->bytes.size, *data);
    a->shape.ndim = at[3];
    for (int d = 0; d < a->shape.ndim; d++) {
        const unsigned char *p = at + 4 + 4 * d;
        a->shape.dim[d] = (int64_t)p[0] << 24 | p[1] << 16 | p[2] << 8 | p[3];
    }
    a->swapped = a->element_bytes > 1 && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__;
    return MR_OK;
}

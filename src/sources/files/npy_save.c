/* Writing NPY, version 1: what numpy.save writes, to the byte. */
#include <millrace/sources/arrays.h>

#include "sources/new_file.h"
#include "sources/settle.h"

#include <stdio.h>
#include <string.h>

enum { MAGIC_AND_SIZE = 10, ALIGNMENT = 64, ROOM = 512 };

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

/* The header with its padding, in `out` of ROOM bytes; its length. */
static size_t header(const mr_tensor *tensor, const char *descr, char *out)
{
    mr_shape shape = mr_tensor_shape(tensor);
    char *text = out + MAGIC_AND_SIZE;
    size_t room = ROOM - MAGIC_AND_SIZE;
    int n = snprintf(text, room, "{'descr': '%s', 'fortran_order': False, 'shape': (", descr);
    for (int d = 0; d < shape.ndim; d++)
        n += snprintf(text + n, room - (size_t)n,
                      shape.ndim == 1 ? "%lld,"
                      : d             ? ", %lld"
                                      : "%lld",
                      (long long)shape.dim[d]);
    n += snprintf(text + n, room - (size_t)n, "), }");
    size_t all = (MAGIC_AND_SIZE + (size_t)n + 1 + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    memset(text + n, ' ', all - MAGIC_AND_SIZE - (size_t)n);
    out[all - 1] = '\n';
    memcpy(out, "\x93NUMPY\1\0", 8);
    out[8] = (char)((all - MAGIC_AND_SIZE) & 0xff);
    out[9] = (char)((all - MAGIC_AND_SIZE) >> 8);
    return all;
}

/* Elements in order, of any strides: a copy of a tensor that is not contiguous. */
static mr_status write_elements(mr__new_file *file, const mr_tensor *tensor)
{
    size_t bytes = (size_t)mr_tensor_numel(tensor) * mr_dtype_size(mr_tensor_dtype(tensor));
    if (mr_tensor_is_contiguous(tensor))
        return mr__new_file_write(file, mr_tensor_data(tensor), bytes);
    mr_tensor *copy = mr_tensor_keep(tensor);
    mr_status s = copy ? mr__new_file_write(file, mr_tensor_data(copy), bytes) : mr_error_status();
    mr_tensor_free(copy);
    return s;
}

static mr_status save(const mr_tensor *tensor, const char *path)
{
    char head[ROOM];
    if (!tensor || !path)
        return mr_fail(MR_ERR_ARGUMENT, "npy_save: %s is NULL", tensor ? "path" : "tensor");
    const char *descr = descr_of(mr_tensor_dtype(tensor));
    if (!descr)
        return mr_fail(MR_ERR_DTYPE, "npy_save: NumPy has no %s", mr_dtype_name(mr_tensor_dtype(tensor)));
    mr__new_file file;
    mr_status s = mr__new_file_open(&file, path);
    if (s == MR_OK)
        s = mr__new_file_write(&file, head, header(tensor, descr, head));
    if (s == MR_OK)
        s = write_elements(&file, tensor);
    return mr__new_file_close(&file, s);
}

mr_status mr_npy_save(const mr_tensor *tensor, const char *path)
{
    return mr__settled(save(tensor, path));
}

/* Writing NPY, version 1: what numpy.save writes, to the byte. */
#include <millrace/sources/arrays.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

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

static mr_status failed(const char *verb, const char *path)
{
    return mr_fail(MR_ERR_IO, "cannot %s '%s': %s", verb, path, strerror(errno));
}

static mr_status write_all(int fd, const char *path, const char *bytes, size_t size)
{
    while (size) {
        ssize_t n = write(fd, bytes, size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return failed("write", path);
        bytes += n;
        size -= (size_t)n;
    }
    return MR_OK;
}

/* Elements in order, of any strides: a copy of a tensor that is not contiguous. */
static mr_status write_elements(int fd, const char *path, const mr_tensor *tensor)
{
    size_t bytes = (size_t)mr_tensor_numel(tensor) * mr_dtype_size(mr_tensor_dtype(tensor));
    if (mr_tensor_is_contiguous(tensor))
        return write_all(fd, path, mr_tensor_data(tensor), bytes);
    mr_tensor *copy = mr_tensor_keep(tensor);
    mr_status s = copy ? write_all(fd, path, mr_tensor_data(copy), bytes) : mr_error_status();
    mr_tensor_free(copy);
    return s;
}

mr_status mr_npy_save(const mr_tensor *tensor, const char *path)
{
    char head[ROOM];
    if (!tensor || !path)
        return mr_fail(MR_ERR_ARGUMENT, "npy_save: %s is NULL", tensor ? "path" : "tensor");
    const char *descr = descr_of(mr_tensor_dtype(tensor));
    if (!descr)
        return mr_fail(MR_ERR_DTYPE, "npy_save: NumPy has no %s", mr_dtype_name(mr_tensor_dtype(tensor)));
    size_t length = strlen(path);
    char *temporary = mr_alloc(length + 32);
    if (!temporary)
        return mr_error_status();
    snprintf(temporary, length + 32, "%s.%ld.tmp", path, (long)getpid());
    int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    mr_status s =
        fd < 0 ? failed("create", temporary) : write_all(fd, path, head, header(tensor, descr, head));
    if (s == MR_OK)
        s = write_elements(fd, path, tensor);
    if (s == MR_OK && fsync(fd) < 0 && errno != EINVAL)
        s = failed("write", path);
    if (fd >= 0 && close(fd) < 0 && s == MR_OK)
        s = failed("write", path);
    if (s == MR_OK && rename(temporary, path) < 0)
        s = failed("write", path);
    if (s != MR_OK && fd >= 0)
        unlink(temporary);
    mr_free(temporary);
    return s;
}

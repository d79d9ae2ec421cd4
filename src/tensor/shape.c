/* Shapes: checking them, and writing them into messages. */
#include "shape.h"

#include <stdio.h>

int64_t mr__numel(const char *call, const mr_shape *shape, mr_dtype dtype)
{
    int64_t n = 1;
    bool empty = false, overflow = false;
    if (mr_dtype_size(dtype) == 0) {
        mr__raise(MR_ERR_DTYPE, "%s: %d is no dtype", call, (int)dtype);
        return -1;
    }
    if (shape->ndim < 0 || shape->ndim > MR_MAX_DIMS) {
        mr__raise(MR_ERR_SHAPE, "%s: %d dimensions; a tensor has at most %d", call, shape->ndim, MR_MAX_DIMS);
        return -1;
    }
    for (int i = 0; i < shape->ndim; i++) {
        if (shape->dim[i] < 0) {
            mr__raise(MR_ERR_SHAPE, "%s: negative size in shape %s", call, mr__shape_text(shape).text);
            return -1;
        }
        if (shape->dim[i] == 0)
            empty = true;
        else if (__builtin_mul_overflow(n, shape->dim[i], &n))
            overflow = true;
    }
    if (overflow || n > INT64_MAX / 2 / (int64_t)mr_dtype_size(dtype)) {
        mr__raise(MR_ERR_SHAPE, "%s: shape %s has too many elements", call, mr__shape_text(shape).text);
        return -1;
    }
    return empty ? 0 : n;
}

static int put_shape(char *text, size_t room, int ndim, const int64_t *dim)
{
    int used = snprintf(text, room, "[");
    for (int i = 0; i < ndim && used < (int)room; i++)
        used += snprintf(text + used, room - (size_t)used, i ? ",%lld" : "%lld", (long long)dim[i]);
    if (used < (int)room)
        used += snprintf(text + used, room - (size_t)used, "]");
    return used;
}

mr__text mr__shape_text(const mr_shape *shape)
{
    mr__text t;
    int ndim = shape->ndim < 0 ? 0 : shape->ndim > MR_MAX_DIMS ? MR_MAX_DIMS : shape->ndim;
    put_shape(t.text, sizeof t.text, ndim, shape->dim);
    return t;
}

mr__text mr__tensor_text(const mr_tensor *x)
{
    mr__text t;
    const char *name = x->tape ? NULL : x->name;
    int used = snprintf(t.text, sizeof t.text, "%.80s", name ? name : "");
    put_shape(t.text + used, sizeof t.text - (size_t)used, x->ndim, x->shape);
    return t;
}

int mr__dim(const char *call, const mr_tensor *x, int dim)
{
    int n = x->ndim ? x->ndim : 1;
    if (dim < -n || dim >= n) {
        mr__raise(MR_ERR_ARGUMENT, "%s: dimension %d of %s is out of range (%d to %d)", call, dim,
                  mr__tensor_text(x).text, -n, n - 1);
        return -1;
    }
    return dim < 0 ? dim + n : dim;
}

bool mr__broadcast(const char *call, const mr_tensor *a, const mr_tensor *b, mr_shape *out)
{
    int ndim = a->ndim > b->ndim ? a->ndim : b->ndim;
    out->ndim = ndim;
    for (int i = 1; i <= ndim; i++) {
        int64_t m = i <= a->ndim ? a->shape[a->ndim - i] : 1;
        int64_t n = i <= b->ndim ? b->shape[b->ndim - i] : 1;
        if (m != n && m != 1 && n != 1) {
            mr__raise(MR_ERR_SHAPE, "%s: shapes do not broadcast: %s and %s", call, mr__tensor_text(a).text,
                      mr__tensor_text(b).text);
            return false;
        }
        out->dim[ndim - i] = m == 1 ? n : m;
    }
    return mr__numel(call, out, MR_FLOAT64) >= 0; /* a broadcast result may be larger than both */
}

void mr__broadcast_strides(const mr_tensor *x, const mr_shape *shape, int64_t *stride)
{
    for (int d = shape->ndim - 1, e = x->ndim - 1; d >= 0; d--, e--)
        stride[d] = e < 0 || x->shape[e] == 1 ? 0 : x->stride[e];
}

bool mr__same_shape(const mr_tensor *a, const mr_tensor *b)
{
    if (a->ndim != b->ndim)
        return false;
    for (int i = 0; i < a->ndim; i++)
        if (a->shape[i] != b->shape[i])
            return false;
    return true;
}

static int category(uint8_t dtype)
{
    return mr__is_float(dtype) ? 2 : dtype == MR_BOOL ? 0 : 1;
}

mr_dtype mr__promote(const mr_tensor *a, const mr_tensor *b)
{
    if (a->dtype == b->dtype)
        return (mr_dtype)a->dtype;
    /* A scalar tensor raises the type of one with dimensions only if it is of a higher kind. */
    if (a->ndim && !b->ndim && category(a->dtype) >= category(b->dtype))
        return (mr_dtype)a->dtype;
    if (b->ndim && !a->ndim && category(b->dtype) >= category(a->dtype))
        return (mr_dtype)b->dtype;
    return mr_dtype_promote((mr_dtype)a->dtype, (mr_dtype)b->dtype);
}

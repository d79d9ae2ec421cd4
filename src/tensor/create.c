/* Tensors of the user's own with values: constants, and copies of what is there. */
#include "tensor.h"

mr_tensor *mr_tensor_zeros(mr_dtype dtype, mr_shape shape)
{
    return mr__tensor_alloc("tensor_zeros", dtype, &shape);
}

static mr_tensor *filled(const char *call, mr_dtype dtype, const mr_shape *shape, double value)
{
    mr_tensor *x = mr__tensor_alloc(call, dtype, shape);
    if (x)
        mr_tensor_fill(x, value);
    return x;
}

mr_tensor *mr_tensor_full(mr_dtype dtype, mr_shape shape, double value)
{
    return filled("tensor_full", dtype, &shape, value);
}

mr_tensor *mr_tensor_ones(mr_dtype dtype, mr_shape shape)
{
    return filled("tensor_ones", dtype, &shape, 1);
}

mr_tensor *mr_tensor_scalar(mr_dtype dtype, double value)
{
    return filled("tensor_scalar", dtype, &MR_SCALAR, value);
}

mr_tensor *mr_tensor_from(mr_dtype dtype, mr_shape shape, const void *data)
{
    mr_tensor *x = mr__tensor_alloc("tensor_from", dtype, &shape);
    if (!x || x->numel == 0)
        return x;
    if (!data) {
        mr__null("tensor_from", "data");
        mr_tensor_free(x);
        return NULL;
    }
    memcpy(x->data, data, (size_t)x->numel * mr_dtype_size(dtype));
    return x;
}

/* Calls that write to a tensor of the user's own, unrecorded. */
#include "shape.h"
#include "tensor.h"

#include "kernels/kernels.h"

static mr_status writable(const char *call, const mr_tensor *dst)
{
    if (!dst)
        return mr__null(call, "dst");
    if (dst->tape)
        return mr__raise(MR_ERR_ARGUMENT, "%s: dst is a result on a tape, which nothing may change", call);
    return MR_OK;
}

mr_status mr_tensor_fill(mr_tensor *dst, double value)
{
    mr_status status = writable("tensor_fill", dst);
    if (status)
        return status;
    size_t size = mr_dtype_size((mr_dtype)dst->dtype);
    mr__bump(dst);
    for (int64_t i = 0; i < dst->numel; i++) {
        if (i == 0)
            mr__cast_elements((mr_dtype)dst->dtype, dst->data, MR_FLOAT64, &value, 1, 1);
        else
            memcpy(dst->data + (size_t)i * size, dst->data, size);
    }
    return MR_OK;
}

static bool broadcasts_to(const mr_tensor *src, const mr_tensor *dst)
{
    bool fits = src->ndim <= dst->ndim;
    for (int i = 1; fits && i <= src->ndim; i++)
        fits = src->shape[src->ndim - i] == 1 || src->shape[src->ndim - i] == dst->shape[dst->ndim - i];
    return fits;
}

mr_status mr_tensor_copy(mr_tensor *dst, const mr_tensor *src)
{
    mr_status status = writable("tensor_copy", dst);
    if (status)
        return status;
    if (!mr__live("tensor_copy", src, "src"))
        return mr_error_status();
    if (!broadcasts_to(src, dst))
        return mr__raise(MR_ERR_SHAPE, "tensor_copy: %s does not broadcast to %s", mr__tensor_text(src).text,
                         mr__tensor_text(dst).text);
    mr_tensor spread;
    memcpy(&spread, src, MR__TAPE_HEADER_BYTES); /* all there is of a tensor on a tape */
    if (!mr__same_shape(dst, src)) {
        mr_shape shape = mr__shape_of(dst);
        mr__broadcast_strides(src, &shape, spread.stride);
        memcpy(spread.shape, shape.dim, sizeof spread.shape);
        spread.ndim = (uint8_t)shape.ndim;
        spread.numel = dst->numel;
        spread.contiguous = false;
    }
    mr__bump(dst);
    mr__gather_elements((mr_dtype)dst->dtype, dst->data, &spread);
    return MR_OK;
}

mr_status mr_tensor_add_scaled(mr_tensor *dst, double alpha, const mr_tensor *src)
{
    mr_status status = writable("tensor_add_scaled", dst);
    if (status)
        return status;
    if (!mr__live("tensor_add_scaled", src, "src"))
        return mr_error_status();
    if (!mr__same_shape(dst, src) || dst->dtype != src->dtype || !mr__is_float(dst->dtype) ||
        !src->contiguous)
        return mr__raise(MR_ERR_SHAPE,
                         "tensor_add_scaled: dst is %s%s, src %s%s; both must be of one floating "
                         "type and shape, and contiguous",
                         mr_dtype_name((mr_dtype)dst->dtype), mr__tensor_text(dst).text,
                         mr_dtype_name((mr_dtype)src->dtype), mr__tensor_text(src).text);
    mr__bump(dst);
    if (dst->dtype == MR_FLOAT32) {
        mr__k->add_scaled((float *)dst->data, (float)alpha, (const float *)src->data, dst->numel);
        return MR_OK;
    }
    double *y = (double *)dst->data;
    const double *x = (const double *)src->data;
    for (int64_t i = 0; i < dst->numel; i++)
        y[i] += alpha * x[i];
    return MR_OK;
}

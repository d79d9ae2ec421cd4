/* Tensors of the user's own with values: from data, constants, ranges, draws. */
#include "tensor.h"

#include "base/rng.h"

#include <math.h>

mr_tensor *mr_tensor_zeros(mr_dtype dtype, mr_shape shape)
{
    return mr__tensor_alloc("tensor_zeros", dtype, &shape);
}

mr_tensor *mr_tensor_full(mr_dtype dtype, mr_shape shape, double value)
{
    mr_tensor *x = mr__tensor_alloc("tensor_full", dtype, &shape);
    if (x)
        mr_tensor_fill(x, value);
    return x;
}

mr_tensor *mr_tensor_ones(mr_dtype dtype, mr_shape shape)
{
    return mr_tensor_full(dtype, shape, 1);
}

mr_tensor *mr_tensor_scalar(mr_dtype dtype, double value)
{
    return mr_tensor_full(dtype, MR_SCALAR, value);
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

mr_tensor *mr_tensor_arange(mr_dtype dtype, double start, double end, double step)
{
    double count = ceil((end - start) / step);
    if (!(step != 0) || !(count > -1) || !(count < 0x1p62)) {
        mr__raise(MR_ERR_ARGUMENT, "tensor_arange: no range from %g to %g in steps of %g", start, end, step);
        return NULL;
    }
    mr_shape shape = { 1, { count > 0 ? (int64_t)count : 0 } };
    mr_tensor *x = mr__tensor_alloc("tensor_arange", dtype, &shape);
    size_t size = mr_dtype_size(dtype);
    for (int64_t i = 0; x && i < x->numel; i++) {
        double value = start + (double)i * step;
        mr__cast_elements(dtype, x->data + (size_t)i * size, MR_FLOAT64, &value, 1, 1);
    }
    return x;
}

/* One rounding per value, each half from its own end, as torch 2 (docs/differences.md). */
static void linspace_f32(float *out, float start, float end, int64_t steps)
{
    float step = steps > 1 ? (end - start) / (float)(steps - 1) : 0;
    for (int64_t i = 0; i < steps; i++)
        out[i] = i < steps / 2 ? fmaf(step, (float)i, start) : fmaf(-step, (float)(steps - 1 - i), end);
    if (steps == 1)
        out[0] = start;
}

static void linspace_f64(double *out, double start, double end, int64_t steps)
{
    double step = steps > 1 ? (end - start) / (double)(steps - 1) : 0;
    for (int64_t i = 0; i < steps; i++)
        out[i] = i < steps / 2 ? fma(step, (double)i, start) : fma(-step, (double)(steps - 1 - i), end);
    if (steps == 1)
        out[0] = start;
}

mr_tensor *mr_tensor_linspace(mr_dtype dtype, double start, double end, int64_t steps)
{
    mr_shape shape = { 1, { steps } };
    if (steps < 0) {
        mr__raise(MR_ERR_ARGUMENT, "tensor_linspace: %lld steps", (long long)steps);
        return NULL;
    }
    mr_tensor *x = mr__tensor_alloc("tensor_linspace", dtype, &shape);
    if (!x)
        return NULL;
    double step = steps > 1 ? (end - start) / (double)(steps - 1) : 0;
    if (dtype == MR_FLOAT32)
        linspace_f32((float *)x->data, (float)start, (float)end, steps);
    else if (dtype == MR_FLOAT64)
        linspace_f64((double *)x->data, start, end, steps);
    else
        for (int64_t i = 0; i < steps; i++) { /* the step stays a double, the value is cut */
            double value = i < steps / 2 ? start + step * (double)i : end - step * (double)(steps - 1 - i);
            mr__cast_elements(dtype, x->data + (size_t)i * mr_dtype_size(dtype), MR_FLOAT64, &value, 1, 1);
        }
    return x;
}

/* ---- draws ---- */

static mr_tensor *drawn(const char *call, mr_rng *rng, mr_dtype dtype, const mr_shape *shape)
{
    if (!rng) {
        mr__null(call, "rng");
        return NULL;
    }
    if (!mr__is_float((uint8_t)dtype)) {
        mr__raise(MR_ERR_DTYPE, "%s: %s is not a floating type that can be drawn", call,
                  mr_dtype_name(dtype));
        return NULL;
    }
    return mr__tensor_alloc(call, dtype, shape);
}

mr_tensor *mr_tensor_rand(mr_rng *rng, mr_dtype dtype, mr_shape shape)
{
    mr_tensor *x = drawn("tensor_rand", rng, dtype, &shape);
    if (x && dtype == MR_FLOAT32)
        mr_rng_fill_uniform(rng, (float *)x->data, x->numel, 0, 1);
    else if (x)
        mr_rng_fill_uniform_f64(rng, (double *)x->data, x->numel, 0, 1);
    return x;
}

mr_tensor *mr_tensor_randn(mr_rng *rng, mr_dtype dtype, mr_shape shape)
{
    mr_tensor *x = drawn("tensor_randn", rng, dtype, &shape);
    if (x && dtype == MR_FLOAT32)
        mr_rng_fill_normal(rng, (float *)x->data, x->numel, 0, 1);
    else if (x)
        mr_rng_fill_normal_f64(rng, (double *)x->data, x->numel, 0, 1);
    return x;
}

mr_tensor *mr_tensor_randint(mr_rng *rng, mr_dtype dtype, int64_t low, int64_t high, mr_shape shape)
{
    if (!rng) {
        mr__null("tensor_randint", "rng");
        return NULL;
    }
    if (low >= high) {
        mr__raise(MR_ERR_ARGUMENT, "tensor_randint: low %lld is not below high %lld", (long long)low,
                  (long long)high);
        return NULL;
    }
    mr_tensor *x = mr__tensor_alloc("tensor_randint", dtype, &shape);
    for (int64_t i = 0; x && i < x->numel; i++) {
        int64_t value = mr__rng_randint(rng, low, high);
        mr__cast_elements(dtype, x->data + (size_t)i * mr_dtype_size(dtype), MR_INT64, &value, 1, 1);
    }
    return x;
}

mr_tensor *mr_tensor_randperm(mr_rng *rng, int64_t count)
{
    mr_shape shape = { 1, { count } };
    if (!rng) {
        mr__null("tensor_randperm", "rng");
        return NULL;
    }
    if (count < 0 || count > UINT32_MAX) {
        mr__raise(MR_ERR_ARGUMENT, "tensor_randperm: count %lld is not from 0 to 2^32-1", (long long)count);
        return NULL;
    }
    mr_tensor *x = mr__tensor_alloc("tensor_randperm", MR_INT64, &shape);
    if (x)
        mr_rng_permutation(rng, (int64_t *)x->data, count);
    return x;
}

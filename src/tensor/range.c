/* Tensors of the user's own that count: arange and linspace. Each value has one rounding, as in torch 2
 * (docs/differences.md). */
#include "tensor.h"

#include <math.h>

/* Of the types that count: bool does not. */
static bool is_integer(mr_dtype dtype)
{
    return !mr__is_float((uint8_t)dtype) && dtype != MR_FLOAT16 && dtype != MR_BFLOAT16;
}

/* What is left of a number without its fraction; false when that is no int64. */
static bool cut(double x, int64_t *whole)
{
    if (!(x >= -0x1p63 && x < 0x1p63))
        return false;
    *whole = (int64_t)x;
    return true;
}

static void put(mr_tensor *x, int64_t i, mr_dtype from, const void *value)
{
    size_t size = mr_dtype_size((mr_dtype)x->dtype);
    mr__cast_elements((mr_dtype)x->dtype, x->data + (size_t)i * size, from, value, 1, 1);
}

/* ---- arange ---- */

/* Values of integer types begin at `start` and are `step` apart when both have been cut. */
typedef struct integers {
    int64_t start, step;
} integers;

/* The number of values; -1 when there is no such range (and none from or to infinity). */
static int64_t count_of_floats(double start, double end, double step)
{
    bool runs = step > 0 ? end >= start : step < 0 && end <= start;
    double count = ceil((end - start) / step);
    return runs && count < 0x1p62 ? (int64_t)count : -1;
}

/* torch counts with the cut numbers for int64, and with the uncut ones for smaller integers. */
static int64_t count_of_integers(mr_dtype dtype, double start, double end, double step, integers *cuts)
{
    int64_t last;
    if (!cut(start, &cuts->start) || !cut(end, &last) || !cut(step, &cuts->step) || cuts->step == 0)
        return -1;
    bool up = cuts->step > 0;
    if (up ? last < cuts->start : last > cuts->start)
        return -1;
    if (dtype != MR_INT64) {
        double count = ceil((end - start) / step);
        return count >= 0 && count < 0x1p62 ? (int64_t)count : -1;
    }
    uint64_t way = up ? (uint64_t)last - (uint64_t)cuts->start : (uint64_t)cuts->start - (uint64_t)last;
    uint64_t pace = up ? (uint64_t)cuts->step : 0 - (uint64_t)cuts->step;
    uint64_t count = way / pace + (way % pace != 0);
    return count < UINT64_C(1) << 62 ? (int64_t)count : -1;
}

mr_tensor *mr_tensor_arange(mr_dtype dtype, double start, double end, double step)
{
    if (dtype == MR_BOOL) {
        mr__raise(MR_ERR_DTYPE, "tensor_arange: not defined for bool");
        return NULL;
    }
    integers cuts = { 0, 0 };
    bool whole = is_integer(dtype);
    int64_t count =
        whole ? count_of_integers(dtype, start, end, step, &cuts) : count_of_floats(start, end, step);
    if (count < 0) {
        mr__raise(MR_ERR_ARGUMENT, "tensor_arange: no range of %s from %g to %g in steps of %g",
                  mr_dtype_name(dtype), start, end, step);
        return NULL;
    }
    mr_shape shape = { 1, { count } };
    mr_tensor *x = mr__tensor_alloc("tensor_arange", dtype, &shape);
    for (int64_t i = 0; x && i < count; i++) {
        if (whole) {
            int64_t value = (int64_t)((uint64_t)cuts.start + (uint64_t)cuts.step * (uint64_t)i);
            put(x, i, MR_INT64, &value);
        } else {
            double value = fma(step, (double)i, start);
            put(x, i, MR_FLOAT64, &value);
        }
    }
    return x;
}

/* ---- linspace ---- */

/* Each half is counted from its own end. */
static void fill_f32(float *out, float start, float end, int64_t steps)
{
    float step = (end - start) / (float)(steps - 1);
    for (int64_t i = 0; i < steps; i++)
        out[i] = i < steps / 2 ? fmaf(step, (float)i, start) : fmaf(-step, (float)(steps - 1 - i), end);
}

static void fill(mr_tensor *x, double start, double end)
{
    int64_t last = x->numel - 1, half = x->numel / 2;
    double step = (end - start) / (double)last;
    for (int64_t i = 0; i <= last; i++) {
        double value = i < half ? fma(step, (double)i, start) : fma(-step, (double)(last - i), end);
        put(x, i, MR_FLOAT64, &value);
    }
}

/* Cuts an end of a range of integers to what the type can hold; false when it cannot hold that. */
static bool cut_to(mr_dtype dtype, double *end)
{
    int64_t whole, held;
    char element[8];
    if (!cut(*end, &whole))
        return false;
    mr__cast_elements(dtype, element, MR_INT64, &whole, 1, 1);
    mr__cast_elements(MR_INT64, &held, dtype, element, 1, 1);
    *end = (double)whole;
    return held == whole;
}

mr_tensor *mr_tensor_linspace(mr_dtype dtype, double start, double end, int64_t steps)
{
    mr_shape shape = { 1, { steps } };
    double low = start, high = end;
    if (steps < 0) {
        mr__raise(MR_ERR_ARGUMENT, "tensor_linspace: %lld steps", (long long)steps);
        return NULL;
    }
    if (dtype == MR_BOOL) {
        mr__raise(MR_ERR_DTYPE, "tensor_linspace: not defined for bool");
        return NULL;
    }
    if (is_integer(dtype) && mr_dtype_size(dtype) && (!cut_to(dtype, &low) || !cut_to(dtype, &high))) {
        mr__raise(MR_ERR_ARGUMENT, "tensor_linspace: %s does not hold the values from %g to %g",
                  mr_dtype_name(dtype), start, end);
        return NULL;
    }
    mr_tensor *x = mr__tensor_alloc("tensor_linspace", dtype, &shape);
    if (!x || steps == 0)
        return x;
    if (steps == 1)
        put(x, 0, MR_FLOAT64, &low);
    else if (dtype == MR_FLOAT32)
        fill_f32((float *)x->data, (float)low, (float)high, steps);
    else
        fill(x, low, high);
    return x;
}

/* Casting elements between all types, and gathering those of a strided tensor. */
#include "half.h"
#include "tensor.h"

/* As a C cast where that is defined, and INT64_MIN where it is not (NaN, out of range), as x86-64 does. */
static inline int64_t integer_of(double x)
{
    return x > -9.3e18 && x < 9.3e18 && x >= -0x1p63 && x < 0x1p63 ? (int64_t)x : INT64_MIN;
}

#define SAME(x) (x)
#define TRUTH(x) ((uint8_t)((x) != 0))

/* One loop per pair of types. `read` and `write` convert between an element and its widest value. */
#define LOOP(from_type, read, to_type, write)            \
    {                                                    \
        const from_type *in = x;                         \
        to_type *o = out;                                \
        for (int64_t i = 0; i < n; i++)                  \
            o[i] = (to_type)write(read(in[i * stride])); \
        return;                                          \
    }

#define TO_EACH(from_type, read, integer)        \
    switch (to) {                                \
    case MR_FLOAT32:                             \
        LOOP(from_type, read, float, (float))    \
    case MR_FLOAT64:                             \
        LOOP(from_type, read, double, (double))  \
    case MR_INT64:                               \
        LOOP(from_type, read, int64_t, integer)  \
    case MR_INT32:                               \
        LOOP(from_type, read, int32_t, integer)  \
    case MR_UINT8:                               \
        LOOP(from_type, read, uint8_t, integer)  \
    case MR_BOOL:                                \
        LOOP(from_type, read, uint8_t, TRUTH)    \
    case MR_FLOAT16:                             \
        LOOP(from_type, read, uint16_t, TO_F16)  \
    case MR_BFLOAT16:                            \
        LOOP(from_type, read, uint16_t, TO_BF16) \
    case MR_INT8:                                \
        LOOP(from_type, read, int8_t, integer)   \
    case MR_INT16:                               \
        LOOP(from_type, read, int16_t, integer)  \
    case MR_UINT16:                              \
        LOOP(from_type, read, uint16_t, integer) \
    }                                            \
    return;

#define TO_F16(x) mr__to_float16((float)(x))
#define TO_BF16(x) mr__to_bfloat16((float)(x))

void mr__cast_elements(mr_dtype to, void *out, mr_dtype from, const void *x, int64_t stride, int64_t n)
{
    if (to == from && stride == 1) {
        memcpy(out, x, (size_t)n * mr_dtype_size(to));
        return;
    }
    switch (from) {
    case MR_FLOAT32:
        TO_EACH(float, SAME, integer_of)
    case MR_FLOAT64:
        TO_EACH(double, SAME, integer_of)
    case MR_INT64:
        TO_EACH(int64_t, SAME, (int64_t))
    case MR_INT32:
        TO_EACH(int32_t, SAME, (int64_t))
    case MR_UINT8:
        TO_EACH(uint8_t, SAME, (int64_t))
    case MR_BOOL:
        TO_EACH(uint8_t, TRUTH, (int64_t))
    case MR_FLOAT16:
        TO_EACH(uint16_t, mr__from_float16, integer_of)
    case MR_BFLOAT16:
        TO_EACH(uint16_t, mr__from_bfloat16, integer_of)
    case MR_INT8:
        TO_EACH(int8_t, SAME, (int64_t))
    case MR_INT16:
        TO_EACH(int16_t, SAME, (int64_t))
    case MR_UINT16:
        TO_EACH(uint16_t, SAME, (int64_t))
    }
}

void mr__gather_elements(mr_dtype dtype, void *out, const mr_tensor *x)
{
    if (x->numel == 0)
        return;
    if (x->contiguous) {
        mr__cast_elements(dtype, out, (mr_dtype)x->dtype, x->data, 1, x->numel);
        return;
    }
    size_t from_size = mr_dtype_size((mr_dtype)x->dtype), to_size = mr_dtype_size(dtype);
    int64_t index[MR_MAX_DIMS] = { 0 };
    int last = x->ndim - 1; /* a tensor that is not contiguous has dimensions */
    int64_t n = x->shape[last];
    char *to = out;
    for (;;) {
        int64_t at = 0;
        for (int d = 0; d < last; d++)
            at += index[d] * x->stride[d];
        mr__cast_elements(dtype, to, (mr_dtype)x->dtype, x->data + at * (int64_t)from_size, x->stride[last],
                          n);
        to += (size_t)n * to_size;
        int d = last - 1;
        while (d >= 0 && ++index[d] == x->shape[d])
            index[d--] = 0;
        if (d < 0)
            return;
    }
}

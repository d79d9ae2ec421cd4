/* Tensors of the user's own with values that are drawn, as torch draws them. */
#include "tensor.h"

#include "base/rng.h"

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

/* ---- integers ---- */

/* The whole numbers that a type holds. */
static bool limits(mr_dtype dtype, int64_t *least, int64_t *most)
{
    switch (dtype) {
    case MR_INT32:
        *least = INT32_MIN, *most = INT32_MAX;
        return true;
    case MR_INT16:
        *least = INT16_MIN, *most = INT16_MAX;
        return true;
    case MR_INT8:
        *least = INT8_MIN, *most = INT8_MAX;
        return true;
    case MR_UINT16:
        *least = 0, *most = UINT16_MAX;
        return true;
    case MR_UINT8:
        *least = 0, *most = UINT8_MAX;
        return true;
    case MR_BOOL:
        *least = 0, *most = 1;
        return true;
    default:
        return false;
    }
}

static int64_t as_held(mr_dtype dtype, int64_t value)
{
    char element[8];
    mr__cast_elements(dtype, element, MR_INT64, &value, 1, 1);
    mr__cast_elements(MR_INT64, &value, dtype, element, 1, 1);
    return value;
}

static int log2_of(int64_t value)
{
    int n = 0;
    for (uint64_t v = value < 0 ? 0 - (uint64_t)value : (uint64_t)value; v >>= 1;)
        n++;
    return n;
}

/* Draws from the left out end would be rounded onto it, so torch brings both ends of a range that a floating
 * type does not resolve nearer, by one step between neighbours. */
static void bring_nearer(mr_dtype dtype, int64_t *low, int64_t *high)
{
    int digits = dtype == MR_FLOAT32 ? 24 : 53;
    int64_t next = as_held(dtype, *low + 1), before = as_held(dtype, *high - 1);
    if (next < *low)
        *low = next + (INT64_C(1) << (log2_of(*low + 1) - digits + 1));
    if (before >= *high)
        *high = before - (INT64_C(1) << (log2_of(*high - 1) - digits + 1));
}

/* torch draws two words for a large range, but one for every type that is smaller than that. */
static int64_t draw_integer(mr_rng *rng, mr_dtype dtype, int64_t low, int64_t high)
{
    if (dtype == MR_INT32 && high - low == INT64_C(1) << 32)
        return low + (int64_t)mr__rng_next32(rng);
    return mr__rng_randint(rng, low, high);
}

mr_tensor *mr_tensor_randint(mr_rng *rng, mr_dtype dtype, int64_t low, int64_t high, mr_shape shape)
{
    if (!rng) {
        mr__null("tensor_randint", "rng");
        return NULL;
    }
    int64_t least, most, from = low, to = high;
    if (low < high && mr__is_float((uint8_t)dtype))
        bring_nearer(dtype, &from, &to);
    if (from >= to) {
        mr__raise(MR_ERR_ARGUMENT, "tensor_randint: low %lld is not below high %lld", (long long)low,
                  (long long)high);
        return NULL;
    }
    if (limits(dtype, &least, &most) && (low < least || high - 1 > most)) {
        mr__raise(MR_ERR_ARGUMENT, "tensor_randint: %s does not hold the values from %lld to %lld",
                  mr_dtype_name(dtype), (long long)low, (long long)high - 1);
        return NULL;
    }
    mr_tensor *x = mr__tensor_alloc("tensor_randint", dtype, &shape);
    for (int64_t i = 0; x && i < x->numel; i++) {
        int64_t value = draw_integer(rng, dtype, from, to);
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

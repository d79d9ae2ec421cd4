#include "initial.h"

#include "base/error.h"

#include <math.h>

bool mr__initial_ready(const char *call, const mr_rng *rng, mr_dtype dtype)
{
    if (!rng)
        mr__null(call, "rng");
    else if (dtype != MR_FLOAT32 && dtype != MR_FLOAT64)
        mr__raise(MR_ERR_DTYPE, "%s: %s is not a floating type that can be trained", call,
                  mr_dtype_name(dtype));
    else
        return true;
    return false;
}

static mr_tensor *drawn(mr_rng *rng, mr_dtype dtype, mr_shape shape, double bound)
{
    mr_tensor *x = mr_tensor_zeros(dtype, shape);
    if (x && dtype == MR_FLOAT32)
        mr_rng_fill_uniform(rng, mr_tensor_data(x), mr_tensor_numel(x), -bound, bound);
    else if (x)
        mr_rng_fill_uniform_f64(rng, mr_tensor_data(x), mr_tensor_numel(x), -bound, bound);
    return x;
}

mr_tensor *mr__initial_weight(mr_rng *rng, mr_dtype dtype, mr_shape shape, int64_t fan_in)
{
    /* gain sqrt(2 / (1 + 5)), bound sqrt 3 * gain / sqrt(fan_in) */
    double bound = fan_in ? sqrt(3.0) * (sqrt(2.0 / 6.0) / sqrt((double)fan_in)) : 0;
    return drawn(rng, dtype, shape, bound);
}

mr_tensor *mr__initial_bias(mr_rng *rng, mr_dtype dtype, int64_t count, int64_t fan_in)
{
    return drawn(rng, dtype, MR_SHAPE(count), fan_in ? 1 / sqrt((double)fan_in) : 0);
}

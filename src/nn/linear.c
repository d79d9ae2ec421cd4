#include "module.h"

#include <millrace/nn.h>

#include <math.h>

typedef struct linear {
    mr_tensor *weight, *bias; /* bias: NULL when there is none */
} linear;

static mr_tensor *forward(mr_module *module, mr_tape *tape, mr_tensor *x)
{
    const linear *l = mr_module_self(module);
    return l->bias ? mr_linear(tape, x, l->weight, l->bias) : mr_linear_no_bias(tape, x, l->weight);
}

static const mr_module_vtable vtable = { .type = "Linear", .forward = forward };

static mr_tensor *drawn(mr_rng *rng, mr_dtype dtype, mr_shape shape, double bound)
{
    mr_tensor *x = mr_tensor_zeros(dtype, shape);
    if (x && dtype == MR_FLOAT32)
        mr_rng_fill_uniform(rng, mr_tensor_data(x), mr_tensor_numel(x), -bound, bound);
    else if (x)
        mr_rng_fill_uniform_f64(rng, mr_tensor_data(x), mr_tensor_numel(x), -bound, bound);
    return x;
}

mr_module *mr_linear_new(int64_t in_features, int64_t out_features, mr_rng *rng, const mr_linear_opts *opts)
{
    mr_dtype dtype = opts ? opts->dtype : MR_FLOAT32;
    if (!rng) {
        mr__null("linear_new", "rng");
        return NULL;
    }
    if (in_features < 0 || out_features < 0) {
        mr__raise(MR_ERR_ARGUMENT, "linear_new: %lld in and %lld out features", (long long)in_features,
                  (long long)out_features);
        return NULL;
    }
    if (dtype != MR_FLOAT32 && dtype != MR_FLOAT64) {
        mr__raise(MR_ERR_DTYPE, "linear_new: %s is not a floating type that can be trained",
                  mr_dtype_name(dtype));
        return NULL;
    }
    linear none = { NULL, NULL };
    mr_module *module = mr_module_new(&vtable, &none, sizeof none);
    linear *l = mr_module_self(module);
    if (!l)
        return NULL;
    /* kaiming_uniform_(a = sqrt 5): gain sqrt(2 / (1 + 5)), bound sqrt 3 * gain / sqrt(fan_in) */
    double fan_in = (double)in_features;
    double bound = in_features ? sqrt(3.0) * (sqrt(2.0 / 6.0) / sqrt(fan_in)) : 0;
    l->weight = mr_module_add_parameter(module, "weight",
                                        drawn(rng, dtype, MR_SHAPE(out_features, in_features), bound));
    if (!opts || !opts->no_bias)
        l->bias = mr_module_add_parameter(
            module, "bias", drawn(rng, dtype, MR_SHAPE(out_features), in_features ? 1 / sqrt(fan_in) : 0));
    if (module->failed) {
        mr_module_free(module);
        return NULL;
    }
    return module;
}

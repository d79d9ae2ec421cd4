#include "initial.h"
#include "module.h"
#include "together.h"

#include "tensor/tape.h"

typedef struct linear {
    mr_tensor *weight, *bias; /* bias: NULL when there is none */
} linear;

static mr_tensor *forward(mr_module *module, mr_tape *tape, mr_tensor *x)
{
    const linear *l = mr_module_self(module);
    return l->bias ? mr_linear(tape, x, l->weight, l->bias) : mr_linear_no_bias(tape, x, l->weight);
}

const mr_module_vtable mr__linear_vtable = { .type = "Linear", .forward = forward };

mr_tensor *mr__linear_relu_of(mr_module *module, mr_tape *tape, mr_tensor *x)
{
    const linear *l = mr_module_self(module);
    if (!l->bias && !mr__usable(l->weight))
        return forward(module, tape, x);
    return mr__linear_then_relu(tape, x, l->weight, l->bias);
}

mr_module *mr_linear_new(int64_t in_features, int64_t out_features, mr_rng *rng, const mr_linear_opts *opts)
{
    mr_dtype dtype = opts ? opts->dtype : MR_FLOAT32;
    if (!mr__initial_ready("linear_new", rng, dtype))
        return NULL;
    if (in_features < 0 || out_features < 0) {
        mr__raise(MR_ERR_ARGUMENT, "linear_new: %lld in and %lld out features", (long long)in_features,
                  (long long)out_features);
        return NULL;
    }
    linear none = { NULL, NULL };
    mr_module *module = mr_module_new(&mr__linear_vtable, &none, sizeof none);
    linear *l = mr_module_self(module);
    if (!l)
        return NULL;
    l->weight = mr_module_add_parameter(
        module, "weight", mr__initial_weight(rng, dtype, MR_SHAPE(out_features, in_features), in_features));
    if (!opts || !opts->no_bias)
        l->bias =
            mr_module_add_parameter(module, "bias", mr__initial_bias(rng, dtype, out_features, in_features));
    if (module->failed) {
        mr_module_free(module);
        return NULL;
    }
    return module;
}

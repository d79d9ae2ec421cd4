/* The activations as modules. */
#include "module.h"

#include <millrace/layers.h>

typedef struct settings {
    double a, b;
    int dim;
    mr_softplus_opts softplus;
    mr_tensor *weight;
} settings;

/* A module that calls mr_NAME(tape, x, …), with settings `s`. */
#define DEFINE_ACTIVATION(name, type_name, ...)                                                  \
    static mr_tensor *forward_##name(mr_module *module, mr_tape *tape, mr_tensor *x)             \
    {                                                                                            \
        const settings *s = mr_module_self(module);                                              \
        (void)s;                                                                                 \
        return mr_##name(tape, __VA_ARGS__);                                                     \
    }                                                                                            \
    static mr_module *make_##name(settings s)                                                    \
    {                                                                                            \
        static const mr_module_vtable vtable = { .type = type_name, .forward = forward_##name }; \
        return mr_module_new(&vtable, &s, sizeof s);                                             \
    }
DEFINE_ACTIVATION(leaky_relu, "LeakyReLU", x, s->a)
DEFINE_ACTIVATION(prelu, "PReLU", x, s->weight)
DEFINE_ACTIVATION(elu, "ELU", x, s->a)
DEFINE_ACTIVATION(selu, "SELU", x)
DEFINE_ACTIVATION(gelu, "GELU", x)
DEFINE_ACTIVATION(gelu_tanh, "GELU", x)
DEFINE_ACTIVATION(silu, "SiLU", x)
DEFINE_ACTIVATION(mish, "Mish", x)
DEFINE_ACTIVATION(softplus, "Softplus", x, &s->softplus)
DEFINE_ACTIVATION(hardtanh, "Hardtanh", x, s->a, s->b)
DEFINE_ACTIVATION(hardswish, "Hardswish", x)
DEFINE_ACTIVATION(glu, "GLU", x, s->dim)
DEFINE_ACTIVATION(softmax, "Softmax", x, s->dim)
DEFINE_ACTIVATION(log_softmax, "LogSoftmax", x, s->dim)

mr_module *mr_leaky_relu_new(double slope)
{
    return make_leaky_relu((settings){ .a = slope });
}

mr_module *mr_prelu_new(int64_t count, double initial, mr_dtype dtype)
{
    if (dtype != MR_FLOAT32 && dtype != MR_FLOAT64) {
        mr__raise(MR_ERR_DTYPE, "prelu_new: %s is not a floating type that can be trained",
                  mr_dtype_name(dtype));
        return NULL;
    }
    mr_module *module = make_prelu((settings){ 0 });
    settings *s = mr_module_self(module);
    if (!s)
        return NULL;
    s->weight = mr_module_add_parameter(module, "weight", mr_tensor_full(dtype, MR_SHAPE(count), initial));
    if (module->failed) {
        mr_module_free(module);
        return NULL;
    }
    return module;
}

mr_module *mr_elu_new(double alpha)
{
    return make_elu((settings){ .a = alpha });
}

mr_module *mr_selu_new(void)
{
    return make_selu((settings){ 0 });
}

mr_module *mr_gelu_new(void)
{
    return make_gelu((settings){ 0 });
}

mr_module *mr_gelu_tanh_new(void)
{
    return make_gelu_tanh((settings){ 0 });
}

mr_module *mr_silu_new(void)
{
    return make_silu((settings){ 0 });
}

mr_module *mr_mish_new(void)
{
    return make_mish((settings){ 0 });
}

mr_module *mr_softplus_new(const mr_softplus_opts *opts)
{
    settings s = { 0 };
    if (opts)
        s.softplus = *opts;
    return make_softplus(s);
}

mr_module *mr_hardtanh_new(double low, double high)
{
    return make_hardtanh((settings){ .a = low, .b = high });
}

mr_module *mr_hardswish_new(void)
{
    return make_hardswish((settings){ 0 });
}

mr_module *mr_glu_new(int dim)
{
    return make_glu((settings){ .dim = dim });
}

mr_module *mr_softmax_new(int dim)
{
    return make_softmax((settings){ .dim = dim });
}

mr_module *mr_log_softmax_new(int dim)
{
    return make_log_softmax((settings){ .dim = dim });
}

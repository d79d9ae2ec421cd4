#include "initial.h"
#include "together.h"

#include "tensor/conv.h"

#include <millrace/layers.h>

typedef struct conv {
    mr_tensor *weight, *bias; /* bias: NULL when there is none */
    mr_conv_opts opts;
} conv;

static mr_tensor *forward_2d(mr_module *module, mr_tape *tape, mr_tensor *x)
{
    const conv *c = mr_module_self(module);
    return c->bias ? mr_conv2d(tape, x, c->weight, c->bias, &c->opts)
                   : mr_conv2d_no_bias(tape, x, c->weight, &c->opts);
}

const mr_module_vtable mr__conv2d_vtable = { .type = "Conv2d", .forward = forward_2d };

mr_tensor *mr__conv2d_relu(mr_module *module, mr_tape *tape, mr_tensor *x, bool *pool)
{
    const conv *c = mr_module_self(module);
    return mr__conv2d_tail(tape, x, c->weight, c->bias, &c->opts, pool);
}

static mr_tensor *forward_1d(mr_module *module, mr_tape *tape, mr_tensor *x)
{
    const conv *c = mr_module_self(module);
    return c->bias ? mr_conv1d(tape, x, c->weight, c->bias, &c->opts)
                   : mr_conv1d_no_bias(tape, x, c->weight, &c->opts);
}

static mr_tensor *forward_transposed(mr_module *module, mr_tape *tape, mr_tensor *x)
{
    const conv *c = mr_module_self(module);
    return c->bias ? mr_conv_transpose2d(tape, x, c->weight, c->bias, &c->opts)
                   : mr_conv_transpose2d_no_bias(tape, x, c->weight, &c->opts);
}

/* What the shape of a weight is made of. */
typedef enum { ONE_DIMENSION, TWO_DIMENSIONS, TRANSPOSED } conv_kind;

static mr_module *conv_new(const char *call, const mr_module_vtable *vtable, conv_kind kind, int64_t in,
                           int64_t out, int64_t kernel, mr_rng *rng, const mr_conv_opts *opts)
{
    conv c = { 0 };
    if (opts)
        c.opts = *opts;
    int64_t groups = c.opts.groups ? c.opts.groups : 1, width = c.opts.kernel_w ? c.opts.kernel_w : kernel;
    if (!mr__initial_ready(call, rng, c.opts.dtype))
        return NULL;
    if (in < 1 || out < 1 || kernel < 1 || width < 1 || groups < 1 || in % groups || out % groups) {
        mr__raise(
            MR_ERR_ARGUMENT,
            "%s: %lld and %lld channels in %lld groups with a kernel of %lld: all are at least 1, and the "
            "channels multiples of the groups",
            call, (long long)in, (long long)out, (long long)groups, (long long)kernel);
        return NULL;
    }
    mr_module *module = mr_module_new(vtable, &c, sizeof c);
    conv *self = mr_module_self(module);
    if (!self)
        return NULL;
    mr_shape shape = MR_SHAPE(out, in / groups, kernel, width);
    if (kind == TRANSPOSED)
        shape = MR_SHAPE(in, out / groups, kernel, width);
    if (kind == ONE_DIMENSION)
        shape.ndim = 3;
    int64_t fan_in = 1; /* torch's, of transposed ones too */
    for (int i = 1; i < shape.ndim; i++)
        if (__builtin_mul_overflow(fan_in, shape.dim[i], &fan_in))
            fan_in = INT64_MAX; /* there is no tensor of such a shape: what follows fails */
    self->weight =
        mr_module_add_parameter(module, "weight", mr__initial_weight(rng, c.opts.dtype, shape, fan_in));
    if (!c.opts.no_bias)
        self->bias =
            mr_module_add_parameter(module, "bias", mr__initial_bias(rng, c.opts.dtype, out, fan_in));
    if (module->failed) {
        mr_module_free(module);
        return NULL;
    }
    return module;
}

mr_module *mr_conv2d_new(int64_t in_channels, int64_t out_channels, int64_t kernel, mr_rng *rng,
                         const mr_conv_opts *opts)
{
    return conv_new("conv2d_new", &mr__conv2d_vtable, TWO_DIMENSIONS, in_channels, out_channels, kernel, rng,
                    opts);
}

mr_module *mr_conv1d_new(int64_t in_channels, int64_t out_channels, int64_t kernel, mr_rng *rng,
                         const mr_conv_opts *opts)
{
    static const mr_module_vtable vtable = { .type = "Conv1d", .forward = forward_1d };
    return conv_new("conv1d_new", &vtable, ONE_DIMENSION, in_channels, out_channels, kernel, rng, opts);
}

mr_module *mr_conv_transpose2d_new(int64_t in_channels, int64_t out_channels, int64_t kernel, mr_rng *rng,
                                   const mr_conv_opts *opts)
{
    static const mr_module_vtable vtable = { .type = "ConvTranspose2d", .forward = forward_transposed };
    return conv_new("conv_transpose2d_new", &vtable, TRANSPOSED, in_channels, out_channels, kernel, rng,
                    opts);
}

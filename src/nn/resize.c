/* Upsample and the padding functions as modules. */
#include "module.h"

#include "tensor/tensor.h"

#include <millrace/layers.h>

/* ---- upsampling ---- */

typedef struct upsample {
    mr_shape size;
    double scale; /* 0: the size is given */
    mr_upsample_opts opts;
} upsample;

static mr_tensor *forward_upsample(mr_module *module, mr_tape *tape, mr_tensor *x)
{
    const upsample *u = mr_module_self(module);
    return u->scale != 0 ? mr_upsample_scale(tape, x, u->scale, &u->opts)
                         : mr_upsample(tape, x, u->size, &u->opts);
}

static mr_module *upsample_new(upsample u, const mr_upsample_opts *opts)
{
    static const mr_module_vtable vtable = { .type = "Upsample", .forward = forward_upsample };
    if (opts)
        u.opts = *opts;
    return mr_module_new(&vtable, &u, sizeof u);
}

mr_module *mr_upsample_new(mr_shape size, const mr_upsample_opts *opts)
{
    return upsample_new((upsample){ .size = size }, opts);
}

mr_module *mr_upsample_scale_new(double scale, const mr_upsample_opts *opts)
{
    if (!(scale > 0)) {
        mr__raise(MR_ERR_ARGUMENT, "upsample_scale_new: %g is no scale", scale);
        return NULL;
    }
    return upsample_new((upsample){ .scale = scale }, opts);
}

/* ---- padding ---- */

typedef struct pads {
    mr_shape sides;
    mr_pad_opts opts;
} pads;

static mr_tensor *forward_padding(mr_module *module, mr_tape *tape, mr_tensor *x)
{
    const pads *p = mr_module_self(module);
    return mr_pad(tape, x, p->sides, &p->opts);
}

/* One number stands for all sides. */
static mr_module *padding_new(const char *call, const mr_module_vtable *vtable, int dims, mr_shape sides,
                              mr_pad_opts opts)
{
    pads p = { .sides = { .ndim = 2 * dims }, .opts = opts };
    if (sides.ndim != 1 && sides.ndim != 2 * dims) {
        mr__raise(MR_ERR_ARGUMENT, "%s: padding %s is not of 1 or %d numbers", call,
                  mr__shape_text(&sides).text, 2 * dims);
        return NULL;
    }
    for (int i = 0; i < 2 * dims; i++)
        p.sides.dim[i] = sides.dim[sides.ndim == 1 ? 0 : i];
    return mr_module_new(vtable, &p, sizeof p);
}

#define DEFINE_PADDING(name, type_name, dims, ...)                                                \
    mr_module *mr_##name##_new(mr_shape padding)                                                  \
    {                                                                                             \
        static const mr_module_vtable vtable = { .type = type_name, .forward = forward_padding }; \
        return padding_new(#name "_new", &vtable, dims, padding, (mr_pad_opts){ __VA_ARGS__ });   \
    }
DEFINE_PADDING(zero_pad2d, "ZeroPad2d", 2, .value = 0)
DEFINE_PADDING(reflection_pad1d, "ReflectionPad1d", 1, .mode = MR_PAD_REFLECT)
DEFINE_PADDING(reflection_pad2d, "ReflectionPad2d", 2, .mode = MR_PAD_REFLECT)
DEFINE_PADDING(replication_pad1d, "ReplicationPad1d", 1, .mode = MR_PAD_REPLICATE)
DEFINE_PADDING(replication_pad2d, "ReplicationPad2d", 2, .mode = MR_PAD_REPLICATE)

#define DEFINE_CONSTANT(name, type_name, dims)                                                     \
    mr_module *mr_##name##_new(mr_shape padding, double value)                                     \
    {                                                                                              \
        static const mr_module_vtable vtable = { .type = type_name, .forward = forward_padding };  \
        return padding_new(#name "_new", &vtable, dims, padding, (mr_pad_opts){ .value = value }); \
    }
DEFINE_CONSTANT(constant_pad1d, "ConstantPad1d", 1)
DEFINE_CONSTANT(constant_pad2d, "ConstantPad2d", 2)

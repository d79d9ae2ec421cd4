#include "together.h"

#include <millrace/layers.h>

typedef struct pool {
    int64_t kernel;
    mr_pool_opts opts;
} pool;

#define DEFINE_POOL(name, type_name)                                                                \
    static mr_tensor *forward_##name(mr_module *module, mr_tape *tape, mr_tensor *x)                \
    {                                                                                               \
        const pool *p = mr_module_self(module);                                                     \
        return mr_##name(tape, x, p->kernel, &p->opts);                                             \
    }                                                                                               \
    static const mr_module_vtable name##_vtable = { .type = type_name, .forward = forward_##name }; \
    mr_module *mr_##name##_new(int64_t kernel, const mr_pool_opts *opts)                            \
    {                                                                                               \
        pool p = { .kernel = kernel };                                                              \
        if (opts)                                                                                   \
            p.opts = *opts;                                                                         \
        return mr_module_new(&name##_vtable, &p, sizeof p);                                         \
    }
DEFINE_POOL(max_pool2d, "MaxPool2d")
DEFINE_POOL(max_pool1d, "MaxPool1d")
DEFINE_POOL(avg_pool2d, "AvgPool2d")
DEFINE_POOL(avg_pool1d, "AvgPool1d")

static bool is_unless_set(int64_t option, int64_t value)
{
    return option == 0 || option == value;
}

bool mr__pools_pairs(const mr_module *module)
{
    if (module->vtable != &max_pool2d_vtable)
        return false;
    const pool *p = module->self;
    const mr_pool_opts *o = &p->opts;
    return p->kernel == 2 && is_unless_set(o->kernel_w, 2) && is_unless_set(o->stride, 2) &&
           is_unless_set(o->stride_w, 2) && is_unless_set(o->padding, MR_ZERO_INT) &&
           is_unless_set(o->padding_w, MR_ZERO_INT) && is_unless_set(o->dilation, 1) &&
           is_unless_set(o->dilation_w, 1) && !o->ceil;
}

typedef struct sizes {
    int64_t height, width;
} sizes;

static mr_tensor *forward_adaptive(mr_module *module, mr_tape *tape, mr_tensor *x)
{
    const sizes *s = mr_module_self(module);
    return mr_adaptive_avg_pool2d(tape, x, s->height, s->width);
}

mr_module *mr_adaptive_avg_pool2d_new(int64_t height, int64_t width)
{
    static const mr_module_vtable vtable = { .type = "AdaptiveAvgPool2d", .forward = forward_adaptive };
    const sizes s = { height, width };
    return mr_module_new(&vtable, &s, sizeof s);
}

#include <millrace/layers.h>

typedef struct pool {
    int64_t kernel;
    mr_pool_opts opts;
} pool;

#define DEFINE_POOL(name, type_name)                                                             \
    static mr_tensor *forward_##name(mr_module *module, mr_tape *tape, mr_tensor *x)             \
    {                                                                                            \
        const pool *p = mr_module_self(module);                                                  \
        return mr_##name(tape, x, p->kernel, &p->opts);                                          \
    }                                                                                            \
    mr_module *mr_##name##_new(int64_t kernel, const mr_pool_opts *opts)                         \
    {                                                                                            \
        static const mr_module_vtable vtable = { .type = type_name, .forward = forward_##name }; \
        pool p = { .kernel = kernel };                                                           \
        if (opts)                                                                                \
            p.opts = *opts;                                                                      \
        return mr_module_new(&vtable, &p, sizeof p);                                             \
    }
DEFINE_POOL(max_pool2d, "MaxPool2d")
DEFINE_POOL(max_pool1d, "MaxPool1d")
DEFINE_POOL(avg_pool2d, "AvgPool2d")
DEFINE_POOL(avg_pool1d, "AvgPool1d")

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

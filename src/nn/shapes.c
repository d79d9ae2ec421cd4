/* Modules that pass x on, in another shape at most. */
#include <millrace/layers.h>

static mr_tensor *identity(mr_module *module, mr_tape *tape, mr_tensor *x)
{
    (void)module, (void)tape;
    return x;
}

mr_module *mr_identity_new(void)
{
    static const mr_module_vtable vtable = { .type = "Identity", .forward = identity };
    return mr_module_new(&vtable, NULL, 0);
}

typedef struct range {
    int first, last;
} range;

static mr_tensor *flatten(mr_module *module, mr_tape *tape, mr_tensor *x)
{
    const range *r = mr_module_self(module);
    return mr_flatten(tape, x, r->first, r->last);
}

mr_module *mr_flatten_dims_new(int first, int last)
{
    static const mr_module_vtable vtable = { .type = "Flatten", .forward = flatten };
    return mr_module_new(&vtable, &(range){ first, last }, sizeof(range));
}

typedef struct split {
    int dim;
    mr_shape sizes;
} split;

static mr_tensor *unflatten(mr_module *module, mr_tape *tape, mr_tensor *x)
{
    const split *s = mr_module_self(module);
    return mr_unflatten(tape, x, s->dim, s->sizes);
}

mr_module *mr_unflatten_new(int dim, mr_shape sizes)
{
    static const mr_module_vtable vtable = { .type = "Unflatten", .forward = unflatten };
    return mr_module_new(&vtable, &(split){ dim, sizes }, sizeof(split));
}

#include "module.h"

#include <millrace/layers.h>

static mr_tensor *forward(mr_module *module, mr_tape *tape, mr_tensor *x)
{
    const double *p = mr_module_self(module);
    return mr_dropout(tape, x, *p, module->training);
}

static mr_tensor *forward_2d(mr_module *module, mr_tape *tape, mr_tensor *x)
{
    const double *p = mr_module_self(module);
    return mr_dropout2d(tape, x, *p, module->training);
}

static mr_module *dropout_new(const char *call, const mr_module_vtable *vtable, double p)
{
    if (p >= 0 && p <= 1)
        return mr_module_new(vtable, &p, sizeof p);
    mr__raise(MR_ERR_ARGUMENT, "%s: probability %g is not in [0, 1]", call, p);
    return NULL;
}

mr_module *mr_dropout_new(double p)
{
    static const mr_module_vtable vtable = { .type = "Dropout", .forward = forward };
    return dropout_new("dropout_new", &vtable, p);
}

mr_module *mr_dropout2d_new(double p)
{
    static const mr_module_vtable vtable = { .type = "Dropout2d", .forward = forward_2d };
    return dropout_new("dropout2d_new", &vtable, p);
}

#include "module.h"

#include <stdio.h>

static mr_tensor *forward(mr_module *module, mr_tape *tape, mr_tensor *x)
{
    for (size_t i = 0; i < module->child_count; i++)
        x = mr_forward(module->children[i].module, tape, x);
    return x;
}

static const mr_module_vtable vtable = { .type = "Sequential", .forward = forward };

mr_module *mr_sequential_new(void)
{
    return mr_module_new(&vtable, NULL, 0);
}

mr_module *mr_sequential_add(mr_module *sequential, mr_module *child)
{
    char name[24];
    snprintf(name, sizeof name, "%zu", sequential ? sequential->child_count : 0);
    mr_module_add(sequential, name, child);
    return sequential;
}

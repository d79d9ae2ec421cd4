/* Modules of numbered children. */
#include "together.h"

#include "tensor/tape.h"

#include <millrace/layers.h>

#include <stdio.h>

static mr_tensor *forward(mr_module *module, mr_tape *tape, mr_tensor *x)
{
    for (size_t i = 0; i < module->child_count;)
        i += mr__run_together(module->children + i, module->child_count - i, tape, &x);
    return x;
}

static const mr_module_vtable vtable = { .type = "Sequential", .forward = forward };

mr_module *mr_sequential_new(void)
{
    return mr_module_new(&vtable, NULL, 0);
}

static mr_module *add_numbered(mr_module *module, mr_module *child)
{
    char name[24];
    snprintf(name, sizeof name, "%zu", module ? module->child_count : 0);
    mr_module_add(module, name, child);
    return module;
}

mr_module *mr_sequential_add(mr_module *sequential, mr_module *child)
{
    return add_numbered(sequential, child);
}

/* ---- a list, which its owner runs ---- */

static mr_tensor *no_forward(mr_module *module, mr_tape *tape, mr_tensor *x)
{
    (void)module, (void)x;
    return mr__fail(tape, MR_ERR_STATE, "module_list: a list of modules has no forward; run its children");
}

mr_module *mr_module_list_new(void)
{
    static const mr_module_vtable list_vtable = { .type = "ModuleList", .forward = no_forward };
    return mr_module_new(&list_vtable, NULL, 0);
}

mr_module *mr_module_list_add(mr_module *list, mr_module *child)
{
    return add_numbered(list, child);
}

/* The list of all parameters of a module, with torch's names and in torch's order. */
#include "module.h"

#include "base/alloc.h"

#include <stdio.h>
#include <string.h>

static size_t count_all(const mr_module *module)
{
    size_t n = module->own_count;
    for (size_t i = 0; i < module->child_count; i++)
        n += count_all(module->children[i].module);
    return n;
}

/* "prefix.name", or the name alone; NULL when memory is out. */
static char *joined(const char *prefix, const char *name)
{
    size_t a = strlen(prefix), b = strlen(name);
    char *text = mr__alloc(a + b + 2);
    if (text)
        snprintf(text, a + b + 2, "%s%s%s", prefix, a ? "." : "", name);
    return text;
}

static bool collect(mr_module *root, const mr_module *module, const char *prefix)
{
    for (size_t i = 0; i < module->own_count; i++) {
        char *name = joined(prefix, module->own[i].name);
        if (!name)
            return false;
        root->list[root->list_count++] = (mr_param){ name, module->own[i].tensor };
    }
    for (size_t i = 0; i < module->child_count; i++) {
        char *below = joined(prefix, module->children[i].name);
        bool done = below && collect(root, module->children[i].module, below);
        mr__free(below);
        if (!done)
            return false;
    }
    return true;
}

mr_params mr_module_parameters(mr_module *module)
{
    mr_params none = { NULL, 0 };
    if (!mr__module_ready("module_parameters", module))
        return none;
    if (!module->list) {
        module->list = mr__alloc_array(count_all(module) + 1, sizeof *module->list);
        if (!module->list)
            return none;
        module->list_count = 0;
        if (!collect(module, module, "")) {
            for (size_t i = 0; i < module->list_count; i++)
                mr__free((char *)(uintptr_t)module->list[i].name);
            mr__free(module->list);
            module->list = NULL;
            module->list_count = 0;
            return none;
        }
    }
    return (mr_params){ module->list, module->list_count };
}

void mr_module_zero_grad(mr_module *module)
{
    if (!module)
        return;
    for (size_t i = 0; i < module->own_count; i++)
        mr_tensor_zero_grad(module->own[i].tensor);
    for (size_t i = 0; i < module->child_count; i++)
        mr_module_zero_grad(module->children[i].module);
}

/* Lists of all parameters of a module, and of its state, with torch's names and in torch's order. */
#include "module.h"

#include "base/alloc.h"
#include "tensor/tensor.h"

#include <stdio.h>
#include <string.h>

void mr__list_free(mr__list *list)
{
    for (size_t i = 0; i < list->count; i++)
        mr__free((char *)(uintptr_t)list->item[i].name);
    mr__free(list->item);
    *list = (mr__list){ 0 };
}

/* ---- making a list ---- */

static size_t count_all(const mr_module *module, uint64_t *changes)
{
    size_t n = module->parameters.count + module->buffers.count;
    *changes += module->changes;
    for (size_t i = 0; i < module->child_count; i++)
        n += count_all(module->children[i].module, changes);
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

static bool is_listed(const mr__list *list, const mr_tensor *tensor)
{
    for (size_t i = 0; i < list->count; i++)
        if (list->item[i].tensor == tensor)
            return true;
    return false;
}

/* What a list is made for: the state has every name; parameters are listed once, which takes a search where
 * something is `shared`. */
typedef struct wanted {
    bool state, shared;
} wanted;

static bool collect_tensors(mr__list *list, wanted w, const mr__tensors *tensors, const char *prefix)
{
    for (size_t i = 0; i < tensors->count; i++) {
        mr_tensor *tensor = tensors->item[i].tensor;
        if (!w.state && (w.shared || tensor->holders > 1) && is_listed(list, tensor))
            continue;
        char *name = joined(prefix, tensors->item[i].name);
        if (!name)
            return false;
        list->item[list->count++] = (mr_param){ name, tensor };
    }
    return true;
}

static bool collect(mr__list *list, wanted w, const mr_module *module, const char *prefix)
{
    w.shared |= module->holders > 1;
    if (!collect_tensors(list, w, &module->parameters, prefix) ||
        (w.state && !collect_tensors(list, w, &module->buffers, prefix)))
        return false;
    for (size_t i = 0; i < module->child_count; i++) {
        char *below = joined(prefix, module->children[i].name);
        bool done = below && collect(list, w, module->children[i].module, below);
        mr__free(below);
        if (!done)
            return false;
    }
    return true;
}

static mr_params list_all(mr_module *module, mr__list *list, bool state)
{
    uint64_t changes = 0;
    size_t room = count_all(module, &changes);
    if (list->item && list->changes == changes)
        return (mr_params){ list->item, list->count };
    mr__list_free(list);
    list->item = mr__alloc_array(room + 1, sizeof *list->item);
    if (list->item && collect(list, (wanted){ .state = state }, module, "")) {
        list->changes = changes;
        return (mr_params){ list->item, list->count };
    }
    mr__list_free(list);
    return (mr_params){ NULL, 0 };
}

mr_params mr_module_parameters(mr_module *module)
{
    if (!mr__module_ready("module_parameters", module))
        return (mr_params){ NULL, 0 };
    return list_all(module, &module->parameter_list, false);
}

mr_params mr_module_state(mr_module *module)
{
    if (!mr__module_ready("module_state", module))
        return (mr_params){ NULL, 0 };
    return list_all(module, &module->state_list, true);
}

/* ---- of all parameters ---- */

void mr_module_zero_grad(mr_module *module)
{
    if (!module)
        return;
    for (size_t i = 0; i < module->parameters.count; i++)
        mr_tensor_zero_grad(module->parameters.item[i].tensor);
    for (size_t i = 0; i < module->child_count; i++)
        mr_module_zero_grad(module->children[i].module);
}

void mr_module_set_requires_grad(mr_module *module, bool requires_grad)
{
    if (!module)
        return;
    for (size_t i = 0; i < module->parameters.count; i++) {
        mr_tensor *x = module->parameters.item[i].tensor;
        x->grad = requires_grad ? &x->own_grad : NULL;
    }
    for (size_t i = 0; i < module->child_count; i++)
        mr_module_set_requires_grad(module->children[i].module, requires_grad);
}

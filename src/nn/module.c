#include "module.h"

#include "base/alloc.h"
#include "tensor/tensor.h"

#include <stdio.h>
#include <string.h>

/* ---- making and freeing ---- */

mr_module *mr_module_new(const mr_module_vtable *vtable, const void *self, size_t size)
{
    if (!vtable || !vtable->forward || !vtable->type) {
        mr__raise(MR_ERR_ARGUMENT, "module_new: the vtable needs a type and a forward");
        return NULL;
    }
    void *copy;
    mr_module *module = mr__alloc_zeroed(sizeof *module);
    if (!module || !mr__copy_self("module_new", self, size, &copy)) {
        mr__free(module);
        return NULL;
    }
    module->vtable = vtable;
    module->self = copy;
    module->training = true;
    return module;
}

/* The list of all parameters is made anew when it is next asked for; so are those of the modules above. */
static void forget_lists(mr_module *module)
{
    for (; module; module = module->parent) {
        for (size_t i = 0; i < module->list_count; i++)
            mr__free((char *)(uintptr_t)module->list[i].name);
        mr__free(module->list);
        module->list = NULL;
        module->list_count = 0;
    }
}

static void free_tree(mr_module *module)
{
    for (size_t i = 0; i < module->child_count; i++) {
        free_tree(module->children[i].module);
        mr__free(module->children[i].name);
    }
    for (size_t i = 0; i < module->own_count; i++) {
        mr__tensor_free(module->own[i].tensor);
        mr__free((char *)(uintptr_t)module->own[i].name);
    }
    module->parent = NULL;
    forget_lists(module);
    if (module->vtable->destroy)
        module->vtable->destroy(module->self);
    mr__free(module->children);
    mr__free(module->own);
    mr__free(module->self);
    mr__free(module);
}

void mr_module_free(mr_module *module)
{
    if (module && !module->parent)
        free_tree(module);
}

/* ---- adding ---- */

/* Keeps the first cause, which every use of the module raises from now on. */
static void fail_module(mr_module *module)
{
    if (module && !module->failed) {
        module->failed = true;
        mr__failure_take(&module->failure);
    }
}

static bool name_is_free(const mr_module *module, const char *call, const char *name)
{
    bool taken = false;
    if (!name || !*name || strchr(name, '.')) {
        mr__raise(MR_ERR_ARGUMENT, "%s: '%s' cannot be a name: it is empty or has a dot", call,
                  name ? name : "");
        return false;
    }
    for (size_t i = 0; i < module->child_count; i++)
        taken |= strcmp(module->children[i].name, name) == 0;
    for (size_t i = 0; i < module->own_count; i++)
        taken |= strcmp(module->own[i].name, name) == 0;
    if (taken)
        mr__raise(MR_ERR_ARGUMENT, "%s: %s has a '%s' already", call, module->vtable->type, name);
    return !taken;
}

/* Room for one more in a list that doubles. */
static void *with_room(void *list, size_t count, size_t *room, size_t size)
{
    if (count < *room)
        return list;
    size_t wanted = *room ? 2 * *room : 4;
    void *larger = mr__grow(list, count * size, wanted * size);
    if (larger)
        *room = wanted;
    return larger;
}

static bool is_below(const mr_module *module, const mr_module *other)
{
    for (; module; module = module->parent)
        if (module == other)
            return true;
    return false;
}

/* Messages about parameters name them by their path from the root. */
static void name_parameters(mr_module *module)
{
    char name[256];
    mr__path path = mr__module_path(module);
    for (size_t i = 0; i < module->own_count; i++) {
        snprintf(name, sizeof name, "%s%s%s", module->parent ? path.text : "", module->parent ? "." : "",
                 module->own[i].name);
        mr_tensor_set_name(module->own[i].tensor, name);
    }
    for (size_t i = 0; i < module->child_count; i++)
        name_parameters(module->children[i].module);
}

static bool add_child(mr_module *module, const char *name, mr_module *child)
{
    if (child->failed) {
        mr__failure_raise(&child->failure);
        return false;
    }
    if (child->parent || is_below(module, child)) {
        mr__raise(MR_ERR_ARGUMENT, "module_add: '%s' %s", name ? name : "",
                  child->parent ? "has a parent already" : "would lie within itself");
        return false;
    }
    if (!name_is_free(module, "module_add", name))
        return false;
    mr__child *children =
        with_room(module->children, module->child_count, &module->child_room, sizeof *children);
    if (!children)
        return false;
    module->children = children;
    char *copy = mr__strdup(name);
    if (!copy)
        return false;
    children[module->child_count++] = (mr__child){ copy, child };
    child->parent = module;
    child->name = copy;
    forget_lists(module);
    name_parameters(child);
    return true;
}

void mr_module_add(mr_module *module, const char *name, mr_module *child)
{
    bool ready = mr__module_ready("module_add", module);
    if (ready && !child)
        mr__null("module_add", name ? name : "child");
    if (ready && child && add_child(module, name, child))
        return;
    fail_module(module);
    if (!is_below(module, child)) /* adopted, also when the call fails; a module around this one is not */
        mr_module_free(child);
}

static bool is_adopted(const mr_tensor *parameter)
{
    return !parameter->tape && parameter->adopted;
}

static bool add_parameter(mr_module *module, const char *name, mr_tensor *parameter)
{
    if (is_adopted(parameter)) {
        mr__raise(MR_ERR_ARGUMENT, "module_add_parameter: '%s' belongs to a module already",
                  name ? name : "");
        return false;
    }
    if (!name_is_free(module, "module_add_parameter", name) || mr_tensor_set_requires_grad(parameter, true))
        return false;
    mr_param *own = with_room(module->own, module->own_count, &module->own_room, sizeof *own);
    if (!own)
        return false;
    module->own = own;
    char *copy = mr__strdup(name);
    if (!copy)
        return false;
    own[module->own_count++] = (mr_param){ copy, parameter };
    parameter->adopted = true;
    forget_lists(module);
    name_parameters(module);
    return true;
}

mr_tensor *mr_module_add_parameter(mr_module *module, const char *name, mr_tensor *parameter)
{
    bool ready = mr__module_ready("module_add_parameter", module);
    if (ready && !parameter)
        mr__null("module_add_parameter", name ? name : "parameter");
    if (ready && parameter && add_parameter(module, name, parameter))
        return parameter;
    fail_module(module);
    if (parameter && !is_adopted(parameter))
        mr_tensor_free(parameter);
    return NULL;
}

/* ---- asking ---- */

void *mr_module_self(const mr_module *module)
{
    return module ? module->self : NULL;
}

const char *mr_module_type(const mr_module *module)
{
    return module ? module->vtable->type : "";
}

mr_module *mr_module_child(const mr_module *module, size_t index, const char **name)
{
    if (!module || index >= module->child_count)
        return NULL;
    if (name)
        *name = module->children[index].name;
    return module->children[index].module;
}

void mr_module_train(mr_module *module, bool training)
{
    if (!module)
        return;
    module->training = training;
    for (size_t i = 0; i < module->child_count; i++)
        mr_module_train(module->children[i].module, training);
}

bool mr_module_is_training(const mr_module *module)
{
    return module && module->training;
}

static size_t put_path(char *text, size_t room, const mr_module *module)
{
    size_t used = 0;
    if (!module->parent)
        return 0;
    if (module->parent->parent) {
        used = put_path(text, room, module->parent);
        if (used + 1 < room)
            text[used++] = '.';
    }
    int n = snprintf(text + used, room - used, "%s", module->name);
    used += n > 0 ? (size_t)n : 0;
    return used < room ? used : room - 1;
}

mr__path mr__module_path(const mr_module *module)
{
    mr__path path;
    if (put_path(path.text, sizeof path.text, module) == 0)
        snprintf(path.text, sizeof path.text, "%s", module->vtable->type);
    return path;
}

bool mr__module_ready(const char *call, const mr_module *module)
{
    if (MR__LIKELY(module && !module->failed))
        return true;
    if (!module)
        mr__null(call, "module");
    else
        mr__failure_raise(&module->failure);
    return false;
}

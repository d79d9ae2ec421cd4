#include "module.h"

#include "base/alloc.h"
#include "tensor/tensor.h"

#include <stdio.h>
#include <string.h>

/* ---- making and freeing ---- */

mr_module *mr_module_new(const mr_module_vtable *vtable, const void *self, size_t size)
{
    if (!vtable || !vtable->type) {
        mr__raise(MR_ERR_ARGUMENT, "module_new: the vtable needs a type");
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
    module->self_size = size;
    module->training = true;
    module->holders = 1;
    return module;
}

void mr__tensor_drop(const mr_module *module, mr_tensor *tensor)
{
    if (tensor->home == module)
        tensor->home = NULL;
    if (--tensor->holders == 0)
        mr__tensor_free(tensor);
}

static void drop_tensors(const mr_module *module, mr__tensors *tensors)
{
    for (size_t i = 0; i < tensors->count; i++) {
        mr__tensor_drop(module, tensors->item[i].tensor);
        mr__free((char *)(uintptr_t)tensors->item[i].name);
    }
    mr__free(tensors->item);
}

static void drop_module(mr_module *module)
{
    if (--module->holders)
        return;
    for (size_t i = 0; i < module->child_count; i++) {
        mr_module *child = module->children[i].module;
        if (child->parent == module && child->name == module->children[i].name) {
            child->parent = NULL; /* it may live on where it is shared */
            child->name = NULL;
        }
        drop_module(child);
        mr__free(module->children[i].name);
    }
    drop_tensors(module, &module->parameters);
    drop_tensors(module, &module->buffers);
    mr__list_free(&module->parameter_list);
    mr__list_free(&module->state_list);
    if (module->vtable->destroy)
        module->vtable->destroy(module->self);
    mr__free(module->children);
    mr__free(module->self);
    mr__free(module);
}

void mr_module_free(mr_module *module)
{
    if (!module || module->adopted)
        return;
    module->adopted = true;
    drop_module(module);
}

/* ---- adding ---- */

void mr__module_fail(mr_module *module)
{
    if (module && !module->failed) {
        module->failed = true;
        mr__failure_take(&module->failure);
    }
}

static bool has_name(const mr__tensors *tensors, const char *name)
{
    for (size_t i = 0; i < tensors->count; i++)
        if (strcmp(tensors->item[i].name, name) == 0)
            return true;
    return false;
}

bool mr__name_is_free(const mr_module *module, const char *call, const char *name)
{
    if (!name || !*name || strchr(name, '.')) {
        mr__raise(MR_ERR_ARGUMENT, "%s: '%s' cannot be a name: it is empty or has a dot", call,
                  name ? name : "");
        return false;
    }
    bool taken = has_name(&module->parameters, name) || has_name(&module->buffers, name);
    for (size_t i = 0; i < module->child_count; i++)
        taken |= strcmp(module->children[i].name, name) == 0;
    if (taken)
        mr__raise(MR_ERR_ARGUMENT, "%s: %s has a '%s' already", call, module->vtable->type, name);
    return !taken;
}

void *mr__with_room(void *list, size_t count, size_t *room, size_t size)
{
    if (count < *room)
        return list;
    size_t wanted = *room ? 2 * *room : 4;
    void *larger = mr__grow(list, count * size, wanted * size);
    if (larger)
        *room = wanted;
    return larger;
}

bool mr__module_reaches(const mr_module *module, const mr_module *other)
{
    if (module == other)
        return true;
    for (size_t i = 0; i < module->child_count; i++)
        if (mr__module_reaches(module->children[i].module, other))
            return true;
    return false;
}

static void name_tensors(const mr_module *module, const mr__tensors *tensors)
{
    char name[256];
    mr__path path = mr__module_path(module);
    for (size_t i = 0; i < tensors->count; i++) {
        if (tensors->item[i].tensor->home != module)
            continue; /* shared: it keeps its first name */
        snprintf(name, sizeof name, "%s%s%s", module->parent ? path.text : "", module->parent ? "." : "",
                 tensors->item[i].name);
        mr_tensor_set_name(tensors->item[i].tensor, name);
    }
}

/* Messages about parameters and buffers name them by their path from the root. */
static void name_all(const mr_module *module)
{
    name_tensors(module, &module->parameters);
    name_tensors(module, &module->buffers);
    for (size_t i = 0; i < module->child_count; i++)
        if (module->children[i].module->parent == module)
            name_all(module->children[i].module);
}

bool mr__enter_child(mr_module *module, const char *name, mr_module *child)
{
    mr__child *children =
        mr__with_room(module->children, module->child_count, &module->child_room, sizeof *children);
    if (!children)
        return false;
    module->children = children;
    char *copy = mr__strdup(name);
    if (!copy)
        return false;
    children[module->child_count++] = (mr__child){ copy, child };
    module->changes++;
    return true;
}

/* The cause why there is no child, with the path where it was to be: "encoder.linear1: linear_new: …". */
static void place_failure(mr_module *module, const char *name, const mr_module *child)
{
    mr__failure cause, placed;
    if (!mr__pending() && child)
        mr__failure_raise(&child->failure);
    mr__failure_take(&cause);
    if (!name || !*name || (child && strcmp(child->failure.text, cause.text) != 0))
        return; /* something else is pending */
    bool deeper = child && child->placed;
    placed.status = cause.status;
    snprintf(placed.text, sizeof placed.text, "%.100s%s%.400s", name, deeper ? "." : ": ", cause.text);
    mr_error_clear();
    mr__failure_raise(&placed);
    module->placed = true;
}

static bool add_child(mr_module *module, const char *name, mr_module *child)
{
    if (child->failed) {
        place_failure(module, name, child);
        return false;
    }
    if (child->adopted || mr__module_reaches(child, module)) {
        mr__raise(MR_ERR_ARGUMENT, "module_add: '%s' %s", name ? name : "",
                  child->adopted ? "has a parent already" : "would lie within itself");
        return false;
    }
    if (!mr__name_is_free(module, "module_add", name) || !mr__enter_child(module, name, child))
        return false;
    child->adopted = true;
    child->parent = module;
    child->name = module->children[module->child_count - 1].name;
    name_all(child);
    return true;
}

void mr_module_add(mr_module *module, const char *name, mr_module *child)
{
    bool ready = mr__module_ready("module_add", module);
    if (ready && !child && mr__pending())
        place_failure(module, name, NULL);
    else if (ready && !child)
        mr__null("module_add", name ? name : "child");
    if (ready && child && add_child(module, name, child))
        return;
    mr__module_fail(module);
    /* adopted, also when the call fails; a module around this one is not */
    if (child && !(module && mr__module_reaches(child, module)))
        mr_module_free(child);
}

bool mr__enter_tensor(mr_module *module, mr__tensors *tensors, const char *name, mr_tensor *tensor)
{
    mr_param *item = mr__with_room(tensors->item, tensors->count, &tensors->room, sizeof *item);
    if (!item)
        return false;
    tensors->item = item;
    char *copy = mr__strdup(name);
    if (!copy)
        return false;
    item[tensors->count++] = (mr_param){ copy, tensor };
    tensor->adopted = true;
    tensor->holders++;
    module->changes++;
    return true;
}

static bool is_adopted(const mr_tensor *tensor)
{
    return !tensor->tape && tensor->adopted;
}

static bool add_tensor(mr_module *module, const char *call, mr__tensors *tensors, const char *name,
                       mr_tensor *tensor)
{
    bool trained = tensors == &module->parameters;
    if (is_adopted(tensor)) {
        mr__raise(MR_ERR_ARGUMENT, "%s: '%s' belongs to a module already", call, name ? name : "");
        return false;
    }
    if (!mr__name_is_free(module, call, name) || mr_tensor_set_requires_grad(tensor, trained) ||
        !mr__enter_tensor(module, tensors, name, tensor))
        return false;
    tensor->home = module;
    name_tensors(module, tensors);
    return true;
}

static mr_tensor *adopt(mr_module *module, const char *call, bool trained, const char *name,
                        mr_tensor *tensor, const char *what)
{
    bool ready = mr__module_ready(call, module);
    if (ready && !tensor)
        mr__null(call, name ? name : what);
    if (ready && tensor &&
        add_tensor(module, call, trained ? &module->parameters : &module->buffers, name, tensor))
        return tensor;
    mr__module_fail(module);
    if (tensor && !is_adopted(tensor))
        mr_tensor_free(tensor);
    return NULL;
}

mr_tensor *mr_module_add_parameter(mr_module *module, const char *name, mr_tensor *parameter)
{
    return adopt(module, "module_add_parameter", true, name, parameter, "parameter");
}

mr_tensor *mr_module_add_buffer(mr_module *module, const char *name, mr_tensor *buffer)
{
    return adopt(module, "module_add_buffer", false, name, buffer, "buffer");
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

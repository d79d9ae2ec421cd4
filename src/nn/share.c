/* Second names: of a module below another parent, and of a parameter in another module. */
#include "module.h"

#include "base/alloc.h"
#include "tensor/tensor.h"

#include <string.h>

void mr_module_share(mr_module *module, const char *name, mr_module *child)
{
    static const char call[] = "module_share";
    bool done = false;
    if (mr__module_ready(call, module)) {
        if (!child)
            mr__null(call, name ? name : "child");
        else if (child->failed)
            mr__failure_raise(&child->failure);
        else if (mr__module_reaches(child, module))
            mr__raise(MR_ERR_ARGUMENT, "%s: '%s' would lie within itself", call, name ? name : "");
        else
            done = mr__name_is_free(module, call, name) && mr__enter_child(module, name, child);
    }
    if (done)
        child->holders++;
    else
        mr__module_fail(module);
}

/* The module's own parameter of this name; NULL when there is none. */
static mr_param *find_own(mr_module *module, const char *name)
{
    for (size_t i = 0; name && i < module->parameters.count; i++)
        if (strcmp(module->parameters.item[i].name, name) == 0)
            return &module->parameters.item[i];
    return NULL;
}

/* Members of the module's struct that point to `old` point to `shared` from now on. */
static void replace_pointers(mr_module *module, const mr_tensor *old, mr_tensor *shared)
{
    for (size_t at = 0; at + sizeof old <= module->self_size; at += sizeof old) {
        char *place = (char *)module->self + at;
        if (memcmp(place, &old, sizeof old) == 0)
            memcpy(place, &shared, sizeof shared);
    }
}

static bool replace(mr_module *module, mr_param *own, mr_tensor *shared)
{
    mr_tensor *old = own->tensor;
    mr_shape a = mr__shape_of(old), b = mr__shape_of(shared);
    if (old->dtype != shared->dtype || a.ndim != b.ndim ||
        memcmp(a.dim, b.dim, (size_t)a.ndim * sizeof *a.dim) != 0) {
        mr__raise(MR_ERR_SHAPE, "module_share_parameter: '%s' is %s %s, what is to be shared %s %s",
                  own->name, mr_dtype_name((mr_dtype)old->dtype), mr__shape_text(&a).text,
                  mr_dtype_name((mr_dtype)shared->dtype), mr__shape_text(&b).text);
        return false;
    }
    if (old->memory && atomic_load(&old->memory->holders) > 1) {
        mr__raise(MR_ERR_STATE, "module_share_parameter: '%s' is an optimizer's already", own->name);
        return false;
    }
    if (old == shared)
        return true;
    replace_pointers(module, old, shared);
    own->tensor = shared;
    shared->holders++;
    module->changes++;
    mr__tensor_drop(module, old);
    return true;
}

mr_tensor *mr_module_share_parameter(mr_module *module, const char *name, mr_module *owner, const char *path)
{
    static const char call[] = "module_share_parameter";
    mr_tensor *shared = NULL;
    if (mr__module_ready(call, module) && mr__module_ready(call, owner)) {
        mr_params list = mr_module_parameters(owner);
        for (size_t i = 0; i < list.count && !shared; i++)
            if (path && strcmp(list.item[i].name, path) == 0)
                shared = list.item[i].tensor;
        if (list.item && !shared)
            mr__raise(MR_ERR_ARGUMENT, "%s: %s has no parameter '%s'", call, mr_module_type(owner),
                      path ? path : "");
    }
    mr_param *own = shared ? find_own(module, name) : NULL;
    bool done = false;
    if (own)
        done = replace(module, own, shared);
    else if (shared)
        done = mr__name_is_free(module, call, name) &&
               mr__enter_tensor(module, &module->parameters, name, shared);
    if (done)
        return shared;
    mr__module_fail(module);
    return NULL;
}

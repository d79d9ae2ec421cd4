/* Copying tensors into a module by their names. */
#include "module.h"

#include "tensor/tensor.h"

#include <string.h>

static const mr_param *find(mr_params list, const char *name)
{
    for (size_t i = 0; i < list.count; i++)
        if (list.item[i].name && strcmp(list.item[i].name, name) == 0)
            return &list.item[i];
    return NULL;
}

static mr_status check_names(mr_params own, mr_params given)
{
    for (size_t i = 0; i < own.count; i++)
        if (!find(given, own.item[i].name))
            return mr__raise(MR_ERR_ARGUMENT, "module_set_state: '%s' is not in the state", own.item[i].name);
    for (size_t i = 0; i < given.count; i++) {
        const char *name = given.item[i].name ? given.item[i].name : "";
        if (!find(own, name))
            return mr__raise(MR_ERR_ARGUMENT, "module_set_state: '%s' is not in the module", name);
    }
    return MR_OK;
}

static mr_status check_shapes(mr_params own, mr_params given)
{
    for (size_t i = 0; i < own.count; i++) {
        const mr_param *from = find(given, own.item[i].name);
        if (!from)
            continue;
        if (!from->tensor)
            return mr__null("module_set_state", own.item[i].name);
        mr_shape a = mr__shape_of(from->tensor), b = mr__shape_of(own.item[i].tensor);
        if (a.ndim != b.ndim || memcmp(a.dim, b.dim, (size_t)a.ndim * sizeof *a.dim) != 0)
            return mr__raise(MR_ERR_SHAPE, "module_set_state: %s is %s in the state, %s in the module",
                             own.item[i].name, mr__shape_text(&a).text, mr__shape_text(&b).text);
    }
    return MR_OK;
}

mr_status mr_module_set_state(mr_module *module, mr_params state, const mr_state_opts *opts)
{
    mr_params own = mr_module_state(module);
    if (!own.item)
        return mr__settle(mr_error_status());
    if (!state.item && state.count)
        return mr__settle(mr__null("module_set_state", "state"));
    mr_status status = opts && opts->not_strict ? MR_OK : check_names(own, state);
    if (status == MR_OK)
        status = check_shapes(own, state);
    for (size_t i = 0; status == MR_OK && i < own.count; i++) {
        const mr_param *from = find(state, own.item[i].name);
        if (from && from->tensor != own.item[i].tensor)
            status = mr_tensor_copy(own.item[i].tensor, from->tensor);
    }
    return mr__settle(status);
}

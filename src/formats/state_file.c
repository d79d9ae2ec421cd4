/* Saving and loading the state of an optimizer or a schedule, for loops without a trainer. */
#include "safetensors.h"

#include <millrace/formats.h>

/* ---- saving ---- */

static mr_status save(const char *call, mr_params state, const char *path)
{
    static const mr__metadata metadata[] = { { MR__SAFETENSORS_CHECKSUM, MR__SAFETENSORS_NO_CHECKSUM },
                                             { "format", "pt" } };
    if (!path)
        return mr__null(call, "path");
    if (!state.item)
        return mr_error_status();
    mr__safetensor *list = mr__alloc_array(state.count, sizeof *list);
    if (!list)
        return MR_ERR_MEMORY;
    for (size_t i = 0; i < state.count; i++) {
        const mr_tensor *x = state.item[i].tensor;
        list[i] = (mr__safetensor){ state.item[i].name, (mr_dtype)x->dtype, mr__shape_of(x), x->data, 0 };
    }
    mr_status status = mr__safetensors_write(path, list, state.count, metadata, 2);
    mr__free(list);
    return status;
}

mr_status mr_optim_save(mr_optim *optim, const char *path)
{
    if (mr__pending())
        return mr__settle(mr_error_status());
    return mr__settle(optim ? save("optim_save", mr_optim_state(optim), path)
                            : mr__null("optim_save", "optim"));
}

mr_status mr_schedule_save(mr_schedule *schedule, const char *path)
{
    if (mr__pending())
        return mr__settle(mr_error_status());
    return mr__settle(schedule ? save("schedule_save", mr_schedule_state(schedule), path)
                               : mr__null("schedule_save", "schedule"));
}

/* ---- loading ---- */

/* The tensors of a file as a list; their number in *count. */
static mr_status read_list(const char *path, mr_param **list, size_t *count, mr__safetensors **file)
{
    *list = NULL;
    *count = 0;
    *file = mr__safetensors_read(path);
    if (!*file)
        return mr_error_status();
    *list = mr__alloc_zeroed(mr__mul_size((*file)->count + 1, sizeof **list));
    if (!*list)
        return MR_ERR_MEMORY;
    for (; *count < (*file)->count; ++*count) {
        const mr__safetensor *x = &(*file)->tensors[*count];
        mr_tensor *copy = mr_tensor_from(x->dtype, x->shape, x->data);
        if (!copy)
            return mr_error_status();
        (*list)[*count] = (mr_param){ x->name, copy };
    }
    return MR_OK;
}

/* One of the two is loaded. */
static mr_status load(const char *call, mr_optim *optim, mr_schedule *schedule, const char *path)
{
    mr_param *list;
    mr__safetensors *file;
    size_t count;
    if (mr__pending())
        return mr__settle(mr_error_status());
    if (!path || (!optim && !schedule))
        return mr__settle(mr__null(call, path ? strcmp(call, "optim_load") ? "schedule" : "optim" : "path"));
    mr_status status = read_list(path, &list, &count, &file);
    if (!status) {
        const mr_params state = { list, count };
        status = optim ? mr_optim_load_state(optim, state) : mr_schedule_load_state(schedule, state);
        if (status) {
            mr__failure failure; /* settled already: raised again, with the path */
            mr__failure_take(&failure);
            mr_error_clear();
            mr__load_failed(status, path, "%s", failure.text);
        }
    }
    for (size_t i = 0; i < count; i++)
        mr_tensor_free(list[i].tensor);
    mr__free(list);
    mr__safetensors_free(file);
    return mr__settle(status);
}

mr_status mr_optim_load(mr_optim *optim, const char *path)
{
    return load("optim_load", optim, NULL, path);
}

mr_status mr_schedule_load(mr_schedule *schedule, const char *path)
{
    return load("schedule_load", NULL, schedule, path);
}

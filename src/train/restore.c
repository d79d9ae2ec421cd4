#include "restore.h"

#include "parts.h"
#include "window.h"

#include "base/alloc.h"
#include "formats/module_file.h"
#include "tensor/tape.h"

#include <stdio.h>

static bool begins_with(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

/* ---- single tensors ---- */

/* The tensor of that name, of this type and this number of elements (-1: any); NULL with a failure raised. */
static const mr__safetensor *need(const char *path, const mr__safetensors *file, const char *name,
                                  mr_dtype dtype, int64_t count)
{
    const mr__safetensor *x = mr__safetensors_find(file, name);
    if (!x)
        mr__load_failed(MR_ERR_FORMAT, path, "%s is not in it", name);
    else if (x->dtype != dtype)
        mr__load_failed(MR_ERR_DTYPE, path, "%s is %s in the file, %s here", name, mr_dtype_name(x->dtype),
                        mr_dtype_name(dtype));
    else if (count >= 0 && x->bytes != (size_t)count * mr_dtype_size(dtype))
        mr__load_failed(MR_ERR_SHAPE, path, "%s is %s in the file, and has %lld elements here", name,
                        mr__shape_text(&x->shape).text, (long long)count);
    else
        return x;
    return NULL;
}

/* A copy of such a tensor's elements, which are aligned then; `*count` of them. Empty if it is not there. */
static void *aligned_copy(const mr__safetensors *file, const char *name, mr_dtype dtype, size_t *count)
{
    const mr__safetensor *x = mr__safetensors_find(file, name);
    const size_t bytes = x && x->dtype == dtype ? x->bytes : 0;
    void *copy = mr__alloc(bytes + 1);
    if (copy && bytes)
        memcpy(copy, x->data, bytes);
    *count = bytes / mr_dtype_size(dtype);
    return copy;
}

/* ---- what is listed ---- */

/* What a training can do without that asks for it only now: a state to go back to, which it has none of yet, and the time that
 * it has taken, which counts from here. */
static bool may_lack(const mr__safetensors *file, const char *name)
{
    if (strcmp(name, MR__SAVED_PREFIX "elapsed") == 0 || strcmp(name, MR__SAVED_PREFIX "time_over") == 0)
        return !mr__safetensors_find(file, name);
    return begins_with(name, MR__SAVED_PREFIX "rollback.") &&
           !mr__safetensors_find(file, MR__SAVED_PREFIX "rollback.kept");
}

static mr_status check_list(mr_params list, const char *path, const mr__safetensors *file)
{
    for (size_t i = 0; i < list.count; i++) {
        const mr_tensor *own = list.item[i].tensor;
        if (may_lack(file, list.item[i].name))
            continue;
        const mr__safetensor *x = need(path, file, list.item[i].name, (mr_dtype)own->dtype, own->numel);
        if (!x)
            return mr_error_status();
    }
    return MR_OK;
}

static void take_list(mr_params list, const mr__safetensors *file)
{
    for (size_t i = 0; i < list.count; i++) {
        const mr__safetensor *x = mr__safetensors_find(file, list.item[i].name);
        if (x)
            memcpy(list.item[i].tensor->data, x->data, x->bytes);
    }
}

static mr_params listed(const mr__fit *fit)
{
    return (mr_params){ fit->saved.list.item, fit->saved.list.count };
}

static mr_status check_lists(mr__fit *fit, const char *path, const mr__safetensors *file)
{
    mr_status status = check_list(listed(fit), path, file);
    if (!status)
        status = mr__window_find(fit, path, file);
    return status ? status : check_list(mr__window_saved(&fit->saved), path, file);
}

/* Nothing of the file may be left over that this fit would have to know. */
static mr_status check_left_over(const mr__fit *fit, const char *path, const mr__safetensors *file)
{
    static const char *const parts[] = { MR__SAVED_PREFIX "schedule.", MR__SAVED_PREFIX "schedules.",
                                         MR__SAVED_PREFIX "task.",     MR__SAVED_PREFIX "callback.",
                                         MR__SAVED_PREFIX "loaders.",  MR__SAVED_PREFIX "gradient." };
    const mr_params list = listed(fit), window = mr__window_saved(&fit->saved);
    if (!fit->rollback && mr__safetensors_find(file, MR__SAVED_PREFIX "rollback.kept"))
        return mr__load_failed(MR_ERR_ARGUMENT, path,
                               "it is of a training with MR_NONFINITE_ROLLBACK, whose rates and kept state "
                               "have no place in this one");
    for (size_t i = 0; i < file->count; i++)
        for (size_t k = 0; k < sizeof parts / sizeof *parts; k++)
            if (begins_with(file->tensors[i].name, parts[k]) &&
                !mr__state_find(list, file->tensors[i].name, 0) &&
                !mr__state_find(window, file->tensors[i].name, 0))
                return mr__load_failed(MR_ERR_ARGUMENT, path, "this training has no %s",
                                       mr__shown_name(file->tensors[i].name).text);
    return MR_OK;
}

/* ---- the optimizer ---- */

static mr_status take_optimizer(mr_optim *optim, const char *prefix, const char *path,
                                const mr__safetensors *file)
{
    mr_status status = MR_OK;
    mr_param *items = mr__alloc_zeroed(mr__mul_size(file->count + 1, sizeof *items));
    size_t count = 0;
    if (!items)
        return MR_ERR_MEMORY;
    for (size_t i = 0; i < file->count && !status; i++) {
        const mr__safetensor *x = &file->tensors[i];
        if (!begins_with(x->name, prefix))
            continue;
        items[count].name = x->name + strlen(prefix);
        items[count].tensor = mr_tensor_from(x->dtype, x->shape, x->data);
        status = items[count++].tensor ? MR_OK : mr_error_status();
    }
    if (!status && (status = mr_optim_load_state(optim, (mr_params){ items, count }))) {
        mr__failure failure; /* settled already: raised again, with the path */
        mr__failure_take(&failure);
        mr_error_clear();
        mr__load_failed(status, path, "%s", failure.text);
    }
    for (size_t i = 0; i < count; i++)
        mr_tensor_free(items[i].tensor);
    mr__free(items);
    return status;
}

/* Nor a loader besides those that are here. */
static mr_status check_loaders(const mr__fit *fit, const char *path, const mr__safetensors *file)
{
    static const char *const parts[] = { MR__SAVED_PREFIX "loader.", MR__SAVED_PREFIX "val_loader." };
    for (size_t i = 0; i < file->count; i++)
        for (int k = 0; k < 2; k++) {
            const char *name = file->tensors[i].name;
            bool known = !begins_with(name, parts[k]);
            for (size_t j = 0; !known && j < fit->saved.loaders; j++)
                known = strcmp(name + strlen(MR__SAVED_PREFIX), fit->saved.loader[j].name) == 0;
            if (!known)
                return mr__load_failed(MR_ERR_ARGUMENT, path, "this training has no %s",
                                       mr__shown_name(name).text);
        }
    return MR_OK;
}

/* An optimizer that is not here is not passed over. */
static mr_status take_optimizers(const mr__fit *fit, const char *path, const mr__safetensors *file)
{
    mr_status status = MR_OK;
    char prefix[MR__PREFIX_BYTES];
    for (int i = 0; i < fit->optims && !status; i++) {
        mr__optimizer_prefix(fit, i, prefix);
        status = take_optimizer(fit->made.optim[i], prefix, path, file);
    }
    for (size_t i = 0; i < file->count && !status; i++) {
        const char *name = file->tensors[i].name;
        const bool by_hand = begins_with(name, MR__SAVED_OPTIMIZERS ".");
        const size_t length = strlen(MR__SAVED_OPTIMIZERS ".");
        if (by_hand && (!fit->manual || (name[length] - '0' >= fit->optims && name[length + 1] == '.')))
            status =
                mr__load_failed(MR_ERR_ARGUMENT, path, "this training has no %s", mr__shown_name(name).text);
    }
    return status;
}

/* ---- the loaders ---- */

static mr_status take_loader(mr_loader *loader, const char *name, const char *path,
                             const mr__safetensors *file)
{
    const mr__safetensor *x = need(path, file, name, MR_UINT8, -1);
    mr_status status = x ? mr_loader_restore(loader, x->data, x->bytes) : mr_error_status();
    if (x && status) {
        mr__failure failure;
        mr__failure_take(&failure);
        mr_error_clear();
        mr__load_failed(status, path, "%s", failure.text);
    }
    return status;
}

static mr_status take_loaders(const mr__fit *fit, const char *path, const mr__safetensors *file)
{
    mr_status status = MR_OK;
    char name[40];
    for (size_t i = 0; i < fit->saved.loaders && !status; i++) {
        snprintf(name, sizeof name, MR__SAVED_PREFIX "%s", fit->saved.loader[i].name);
        status = take_loader(fit->saved.loader[i].loader, name, path, file);
    }
    return status;
}

/* ---- the log ---- */

static mr_status take_log(mr__fit *fit, const char *path, const mr__safetensors *file)
{
    size_t values, flags, metrics;
    double *value = aligned_copy(file, MR__SAVED_PREFIX "logged", MR_FLOAT64, &values);
    uint8_t *flag = aligned_copy(file, MR__SAVED_PREFIX "logged_flags", MR_UINT8, &flags);
    double *metric = aligned_copy(file, MR__SAVED_PREFIX "metrics", MR_FLOAT64, &metrics);
    mr_status status = value && flag && metric ? MR_OK : MR_ERR_MEMORY;
    const mr__log_numbers numbers = { value, flag, metric, flags, metrics };
    if (!status && values != MR__LOGGED_NUMBERS * flags)
        status = mr__load_failed(MR_ERR_FORMAT, path, "what it says of logged names makes no sense");
    if (!status && (status = mr__log_restore(fit, mr__safetensors_text(file, "logged"),
                                             mr__safetensors_text(file, "metrics"), &numbers)))
        mr__add_context("load '%.200s'", path);
    mr__free(value);
    mr__free(flag);
    mr__free(metric);
    return status;
}

mr__position mr__restore_position(const mr__safetensors *file, const mr_logger *logger, bool end)
{
    char name[sizeof MR__SAVED_LOG_END + MR__LOGGER_NAME];
    snprintf(name, sizeof name, "%s%s", end ? MR__SAVED_LOG_END : MR__SAVED_LOG, logger->vtable->name);
    const mr__safetensor *x = mr__safetensors_find(file, name);
    if (!x && end)
        return mr__restore_position(file, logger, false);
    return x && x->dtype == MR_UINT8 ? (mr__position){ x->data, x->bytes } : (mr__position){ NULL, 0 };
}

/* ---- generators ---- */

static mr_status check_rngs(const mr__fit *fit, const char *path, const mr__safetensors *file)
{
    const char *users = mr__safetensors_text(file, "rng");
    if (!users || strcmp(users, fit->saved.rng_users) != 0)
        return mr__load_failed(MR_ERR_ARGUMENT, path, "its generators are those of %.120s, here of %.120s",
                               users ? users : "nobody", fit->saved.rng_users);
    for (size_t i = 0; i < fit->saved.rngs; i++) {
        char name[40];
        snprintf(name, sizeof name, MR__SAVED_PREFIX "rng.%zu", i);
        if (!need(path, file, name, MR_UINT8, MR_RNG_STATE_BYTES))
            return mr_error_status();
    }
    return MR_OK;
}

/* Last, since a loader's restoring may draw. */
static mr_status take_rngs(const mr__fit *fit, const mr__safetensors *file)
{
    mr_status status = MR_OK;
    for (size_t i = 0; i < fit->saved.rngs && !status; i++) {
        char name[40];
        snprintf(name, sizeof name, MR__SAVED_PREFIX "rng.%zu", i);
        const mr__safetensor *x = mr__safetensors_find(file, name);
        status = mr_rng_set_state(fit->saved.rng[i], x->data, x->bytes);
    }
    return status;
}

/* ---- gradients ---- */

/* Memory for those of parameters that are in no optimizer. */
static mr_status make_gradients(mr__fit *fit)
{
    for (size_t i = 0; i < fit->params.count; i++) {
        mr_tensor *x = fit->params.item[i].tensor;
        if (x->grad && !x->own_grad.data && !mr__grad_memory(fit->tape, x))
            return MR_ERR_MEMORY;
    }
    return MR_OK;
}

/* ---- all of it ---- */

mr_status mr__restore(mr__fit *fit, const char *path, const mr__safetensors *file)
{
    const mr__safetensor *gradients = NULL;
    mr_status status = mr__module_check(path, fit->task->model, file);
    if (!status)
        status = mr__parts_check(fit, path, file);
    if (!status &&
        !(gradients = need(path, file, MR__SAVED_PREFIX "gradients", MR_UINT8, (int64_t)fit->params.count)))
        status = mr_error_status();
    if (!status)
        status = check_rngs(fit, path, file);
    if (!status)
        status = check_lists(fit, path, file);
    if (!status)
        status = check_left_over(fit, path, file);
    if (!status)
        status = check_loaders(fit, path, file);
    if (!status)
        status = take_optimizers(fit, path, file);
    if (!status)
        status = take_loaders(fit, path, file);
    if (!status)
        status = take_log(fit, path, file);
    if (!status)
        status = take_rngs(fit, file);
    if (!status && (fit->saved.gradients || fit->window))
        status = make_gradients(fit);
    if (status)
        return status;
    mr__module_take(fit->task->model, file);
    take_list(listed(fit), file);
    take_list(mr__window_saved(&fit->saved), file);
    mr__restore_gradients(fit->params, gradients->data);
    if (fit->saved.gradients)
        mr__gradients_put_back(fit->params, fit->saved.gradients);
    if (fit->saved.window)
        mr__window_go_on(fit);
    return MR_OK;
}

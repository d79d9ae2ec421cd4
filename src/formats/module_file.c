/* Saving and loading the parameters and buffers of a module. */
#include "module_file.h"

#include "base/alloc.h"
#include "base/strbuf.h"
#include "nn/module.h"

#include <millrace/formats.h>

/* A trainer keeps the rest of its state in the same file, under names that begin so. */
static const char *const trainer_prefixes[] = { "optimizer.", "trainer." };

static mr_params state_of(const char *call, mr_module *module)
{
    return mr__module_ready(call, module) ? mr_module_state(module) : (mr_params){ NULL, 0 };
}

/* ---- saving ---- */

mr_status mr_module_save(mr_module *module, const char *path)
{
    static const mr__metadata metadata = { "format", "pt" }; /* torch's reader wants to see it */
    if (!path || mr__pending())
        return mr__settle(mr__null("module_save", "path"));
    mr_params params = state_of("module_save", module);
    mr__safetensor *list = params.item ? mr__alloc_array(params.count, sizeof *list) : NULL;
    if (!list)
        return mr__settle(mr_error_status());
    for (size_t i = 0; i < params.count; i++) {
        const mr_tensor *x = params.item[i].tensor;
        list[i] = (mr__safetensor){ params.item[i].name, (mr_dtype)x->dtype, mr__shape_of(x), x->data, 0 };
    }
    mr_status status = mr__safetensors_write(path, list, params.count, &metadata, 1);
    mr__free(list);
    return mr__settle(status);
}

/* ---- loading: names ---- */

static const mr_param *find_parameter(mr_params params, const char *name)
{
    for (size_t i = 0; i < params.count; i++)
        if (strcmp(params.item[i].name, name) == 0)
            return &params.item[i];
    return NULL;
}

static bool is_trainer_state(const char *name)
{
    for (int i = 0; i < 2; i++)
        if (strncmp(name, trainer_prefixes[i], strlen(trainer_prefixes[i])) == 0)
            return true;
    return false;
}

/* Adds a name to a list that may not grow long: further ones are only counted. */
static void add_name(mr__strbuf *list, size_t *left_out, const char *name)
{
    enum { MOST_BYTES = 100 };
    if (list->length > MOST_BYTES)
        ++*left_out;
    else
        mr__strbuf_appendf(list, "%s%s", list->length ? ", " : "", mr__shown_name(name).text);
}

static void end_names(mr__strbuf *list, size_t left_out)
{
    if (left_out)
        mr__strbuf_appendf(list, " and %zu more", left_out);
}

/* Every parameter is in the file, and every tensor of the file in the module. */
static mr_status check_names(const char *path, mr_params params, const mr__safetensors *file)
{
    mr__strbuf missing = { 0 }, unexpected = { 0 };
    size_t more_missing = 0, more_unexpected = 0;
    for (size_t i = 0; i < params.count; i++)
        if (!mr__safetensors_find(file, params.item[i].name))
            add_name(&missing, &more_missing, params.item[i].name);
    for (size_t i = 0; i < file->count; i++)
        if (!find_parameter(params, file->tensors[i].name) && !is_trainer_state(file->tensors[i].name))
            add_name(&unexpected, &more_unexpected, file->tensors[i].name);
    end_names(&missing, more_missing);
    end_names(&unexpected, more_unexpected);
    mr_status status = MR_OK;
    if (missing.failed || unexpected.failed)
        status = MR_ERR_MEMORY;
    else if (missing.length || unexpected.length)
        status =
            mr__load_failed(MR_ERR_FORMAT, path, "%s%s%s%s%s", missing.length ? "not in the file: " : "",
                            mr__strbuf_text(&missing), missing.length && unexpected.length ? "; " : "",
                            unexpected.length ? "not in the module: " : "", mr__strbuf_text(&unexpected));
    mr__strbuf_free(&missing);
    mr__strbuf_free(&unexpected);
    return status;
}

/* ---- loading: averages ---- */

/* What a trainer's checkpoint has of an average: "trainer.callback.0.EMA.n_averaged", "trainer.callback.0.EMA.average.weight". */
static const char callback_prefix[] = "trainer.callback.", count_name[] = ".n_averaged";

/* The average of a file that a call asks for. */
typedef struct average {
    const char *key; /* in the file, "0.EMA…" */
    int length;
    int64_t updates;
} average;

/* The average that a tensor is the count of; false: of none. */
static bool is_average(const mr__safetensor *x, average *found)
{
    const size_t begin = sizeof callback_prefix - 1, end = sizeof count_name - 1, length = strlen(x->name);
    if (length <= begin + end || strncmp(x->name, callback_prefix, begin) != 0 ||
        strcmp(x->name + length - end, count_name) != 0 || x->dtype != MR_INT64 ||
        x->bytes != sizeof found->updates)
        return false;
    found->key = x->name + begin;
    found->length = (int)(length - begin - end);
    memcpy(&found->updates, x->data, sizeof found->updates);
    return true;
}

/* By its whole key, or by the name behind the number. */
static bool is_called(const average *a, const char *name)
{
    const size_t length = strlen(name), digits = strspn(a->key, "0123456789");
    const char *behind = a->key + digits + 1;
    return (length == (size_t)a->length && strncmp(a->key, name, length) == 0) ||
           (a->key[digits] == '.' && digits + 1 + length == (size_t)a->length &&
            strncmp(behind, name, length) == 0);
}

static mr_status find_average(const char *path, const mr__safetensors *file, const char *name, average *found)
{
    mr__strbuf called = { 0 }, others = { 0 };
    mr_status status = MR_OK;
    int count = 0;
    for (size_t i = 0; i < file->count; i++) {
        average a;
        if (!is_average(&file->tensors[i], &a))
            continue;
        mr__strbuf *list = is_called(&a, name) ? &called : &others;
        mr__strbuf_appendf(list, "%s%.*s", list->length ? ", " : "", a.length, a.key);
        if (list == &called && count++ == 0)
            *found = a;
    }
    if (called.failed || others.failed)
        status = MR_ERR_MEMORY;
    else if (count > 1)
        status = mr__load_failed(MR_ERR_ARGUMENT, path, "it has several averages by %s: %.100s",
                                 mr__shown_name(name).text, mr__strbuf_text(&called));
    else if (count == 0)
        status = mr__load_failed(MR_ERR_ARGUMENT, path, "it has no average by %s%s%.100s",
                                 mr__shown_name(name).text, others.length ? ", but by " : "",
                                 mr__strbuf_text(&others));
    else if (found->updates < 1)
        status = mr__load_failed(MR_ERR_STATE, path, "the average by %s has not begun yet",
                                 mr__shown_name(name).text);
    mr__strbuf_free(&called);
    mr__strbuf_free(&others);
    return status;
}

/* The average of what the module calls `name`; NULL: it is not averaged. */
static const mr__safetensor *average_of(const mr__safetensors *file, const average *a, const char *name)
{
    const size_t begin = sizeof callback_prefix - 1;
    for (size_t i = 0; i < file->count; i++) {
        const char *x = file->tensors[i].name;
        if (strncmp(x, callback_prefix, begin) == 0 && strncmp(x + begin, a->key, (size_t)a->length) == 0 &&
            strncmp(x + begin + a->length, ".average.", 9) == 0 &&
            strcmp(x + begin + a->length + 9, name) == 0)
            return &file->tensors[i];
    }
    return NULL;
}

/* ---- loading: contents ---- */

static mr_status check_tensor(const char *path, const mr_param *param, const mr__safetensor *tensor)
{
    mr_shape shape = mr__shape_of(param->tensor);
    if (shape.ndim != tensor->shape.ndim ||
        memcmp(shape.dim, tensor->shape.dim, (size_t)shape.ndim * sizeof *shape.dim) != 0)
        return mr__load_failed(MR_ERR_SHAPE, path, "%s is %s in the file, %s in the module",
                               mr__shown_name(param->name).text, mr__shape_text(&tensor->shape).text,
                               mr__shape_text(&shape).text);
    if (param->tensor->dtype != tensor->dtype)
        return mr__load_failed(MR_ERR_DTYPE, path, "%s is %s in the file, %s in the module",
                               mr__shown_name(param->name).text, mr_dtype_name(tensor->dtype),
                               mr_dtype_name((mr_dtype)param->tensor->dtype));
    return MR_OK;
}

/* Of the tensors that both have. */
static mr_status check_tensors(const char *path, mr_params params, const mr__safetensors *file)
{
    mr_status status = MR_OK;
    for (size_t i = 0; i < params.count && !status; i++) {
        const mr__safetensor *tensor = mr__safetensors_find(file, params.item[i].name);
        status = tensor ? check_tensor(path, &params.item[i], tensor) : MR_OK;
    }
    return status;
}

static void copy_tensor(mr_tensor *to, const mr__safetensor *from)
{
    if (from && from->bytes)
        memcpy(to->data, from->data, from->bytes);
    if (from)
        mr_tensor_touch(to);
}

static void copy_tensors(mr_params params, const mr__safetensors *file)
{
    for (size_t i = 0; i < params.count; i++)
        copy_tensor(params.item[i].tensor, mr__safetensors_find(file, params.item[i].name));
}

static mr_status check_averages(const char *path, mr_params params, const mr__safetensors *file,
                                const average *a)
{
    mr_status status = MR_OK;
    for (size_t i = 0; i < params.count && !status; i++) {
        const mr__safetensor *tensor = average_of(file, a, params.item[i].name);
        status = tensor ? check_tensor(path, &params.item[i], tensor) : MR_OK;
    }
    return status;
}

/* Behind the tensors themselves: one that has two names is averaged under the first alone. */
static void copy_averages(mr_params params, const mr__safetensors *file, const average *a)
{
    for (size_t i = 0; i < params.count; i++)
        copy_tensor(params.item[i].tensor, average_of(file, a, params.item[i].name));
}

mr_status mr__module_check(const char *path, mr_module *module, const mr__safetensors *file)
{
    mr_params params = mr_module_state(module);
    mr_status status = params.item ? check_names(path, params, file) : mr_error_status();
    return status ? status : check_tensors(path, params, file);
}

void mr__module_take(mr_module *module, const mr__safetensors *file)
{
    copy_tensors(mr_module_state(module), file);
}

/* Copies nothing before everything was checked: a module is loaded as a whole or not at all. */
mr_status mr_module_load(mr_module *module, const char *path, const mr_load_opts *opts)
{
    if (!path || mr__pending())
        return mr__settle(mr__null("module_load", "path"));
    mr_params params = state_of("module_load", module);
    mr__safetensors *file = params.item ? mr__safetensors_read(path) : NULL;
    if (!file)
        return mr__settle(mr_error_status());
    const char *by = opts ? opts->average : NULL;
    average a = { NULL, 0, 0 };
    mr_status status = by ? find_average(path, file, by, &a) : MR_OK;
    if (status == MR_OK && !(opts && opts->not_strict))
        status = check_names(path, params, file);
    if (status == MR_OK)
        status = check_tensors(path, params, file);
    if (status == MR_OK && by)
        status = check_averages(path, params, file, &a);
    if (status == MR_OK)
        copy_tensors(params, file);
    if (status == MR_OK && by)
        copy_averages(params, file, &a);
    mr__safetensors_free(file);
    return mr__settle(status);
}

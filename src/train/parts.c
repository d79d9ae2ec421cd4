#include "parts.h"

#include "base/strbuf.h"
#include "base/utf8.h"
#include "optim/schedule.h"

#include <jansson.h>
#include <stdio.h>

static const char optimizers[] = "optimizers", schedules[] = "schedules", callbacks[] = "callbacks",
                  by_hand[] = "by_hand";

/* ---- saying ---- */

static json_t *optimizers_of(const mr__fit *fit)
{
    json_t *list = json_array();
    bool made = list;
    for (int i = 0; i < fit->optims && made; i++)
        made = json_array_append_new(list, json_string(fit->made.optim[i]->kind->name)) == 0;
    if (!made)
        json_decref(list);
    return made ? list : NULL;
}

/* Of each optimizer. */
static json_t *schedules_of(const mr__fit *fit)
{
    json_t *list = json_array();
    bool made = list;
    for (int i = 0; i < fit->optims && made; i++) {
        mr__strbuf text = { 0 };
        mr__schedule_text(fit->made.schedule[i], &text);
        made = !text.failed && json_array_append_new(list, json_string(mr__strbuf_text(&text))) == 0;
        mr__strbuf_free(&text);
    }
    if (!made)
        json_decref(list);
    return made ? list : NULL;
}

static json_t *callbacks_of(const mr__fit *fit)
{
    const mr_trainer *t = fit->trainer;
    json_t *list = json_array();
    bool made = list;
    for (size_t i = 0; i < t->callbacks && made; i++)
        if (t->callback[i]->vtable->state)
            made = json_array_append_new(list, json_string(t->callback[i]->vtable->name)) == 0;
    if (!made)
        json_decref(list);
    return made ? list : NULL;
}

static mr_status out_of_memory(void)
{
    return mr__raise(MR_ERR_MEMORY, "out of memory: the parts of a training wanted");
}

/* NULL with a failure raised. */
static json_t *parts_of(const mr__fit *fit)
{
    json_t *parts = json_object();
    const bool made = json_object_set_new(parts, optimizers, optimizers_of(fit)) == 0 &&
                      json_object_set_new(parts, schedules, schedules_of(fit)) == 0 &&
                      json_object_set_new(parts, callbacks, callbacks_of(fit)) == 0 &&
                      json_object_set_new(parts, by_hand, json_boolean(fit->manual)) == 0;
    if (made)
        return parts;
    json_decref(parts);
    out_of_memory();
    return NULL;
}

static mr_status check_names(const mr_trainer *t)
{
    for (size_t i = 0; i < t->callbacks; i++)
        if (!mr__is_utf8(t->callback[i]->vtable->name))
            return mr__raise(MR_ERR_ARGUMENT, "fit: the name of a callback is not UTF-8: '%.100s'",
                             t->callback[i]->vtable->name);
    return MR_OK;
}

static int append_text(const char *text, size_t size, void *out)
{
    mr__strbuf_append_bytes(out, text, size);
    return ((const mr__strbuf *)out)->failed ? -1 : 0;
}

mr_status mr__parts_describe(mr__fit *fit)
{
    mr__strbuf text = { 0 };
    mr_status status = check_names(fit->trainer);
    json_t *parts = status ? NULL : parts_of(fit);
    if (!parts)
        return mr_error_status();
    if (json_dump_callback(parts, append_text, &text, JSON_COMPACT | JSON_SORT_KEYS))
        status = out_of_memory();
    json_decref(parts);
    fit->saved.parts = mr__strbuf_take(&text);
    return status || !fit->saved.parts ? mr_error_status() : MR_OK;
}

/* ---- comparing ---- */

/* "[adam, sgd]" */
static void append_list(mr__strbuf *out, const json_t *list)
{
    mr__strbuf_append(out, "[");
    for (size_t i = 0; i < json_array_size(list); i++)
        mr__strbuf_appendf(out, "%s%s", i ? ", " : "",
                           mr__shown_name(json_string_value(json_array_get(list, i))).text);
    mr__strbuf_append(out, "]");
}

static bool are_texts(const json_t *list)
{
    bool texts = json_is_array(list);
    for (size_t i = 0; texts && i < json_array_size(list); i++)
        texts = json_is_string(json_array_get(list, i));
    return texts;
}

/* `what` of all, in which there are `of_one` for each optimizer. */
static mr_status differ(const char *path, const char *what, const json_t *file, const json_t *here)
{
    mr__strbuf of_file = { 0 }, of_here = { 0 };
    append_list(&of_file, file);
    append_list(&of_here, here);
    mr_status status =
        of_file.failed || of_here.failed
            ? MR_ERR_MEMORY
            : mr__load_failed(MR_ERR_ARGUMENT, path, "the %s are %.120s in the file, %.120s here", what,
                              mr__strbuf_text(&of_file), mr__strbuf_text(&of_here));
    mr__strbuf_free(&of_file);
    mr__strbuf_free(&of_here);
    return status;
}

/* What there is of each optimizer: of another number, all; or the first that is another. */
static mr_status compare(const char *path, const char *all, const char *one, const json_t *file,
                         const json_t *here)
{
    const size_t count = json_array_size(here);
    if (json_equal(file, here))
        return MR_OK;
    if (json_array_size(file) != count)
        return differ(path, all, file, here);
    size_t i = 0;
    while (json_equal(json_array_get(file, i), json_array_get(here, i)))
        i++;
    char number[24] = "";
    if (count > 1)
        snprintf(number, sizeof number, " %zu", i);
    return mr__load_failed(MR_ERR_ARGUMENT, path, "%s%s is %s in the file, %.120s here", one, number,
                           mr__shown_name(json_string_value(json_array_get(file, i))).text,
                           json_string_value(json_array_get(here, i)));
}

static mr_status compare_all(const char *path, const json_t *file, const json_t *here)
{
    const bool hand = json_is_true(json_object_get(here, by_hand)),
               several = json_array_size(json_object_get(here, optimizers)) > 1;
    const json_t *of_file[3], *of_here[3];
    static const char *const key[] = { optimizers, schedules, callbacks };
    for (int i = 0; i < 3; i++) {
        of_file[i] = json_object_get(file, key[i]);
        of_here[i] = json_object_get(here, key[i]);
        if (!are_texts(of_file[i]))
            return mr__load_failed(MR_ERR_FORMAT, path, "what it says of its parts makes no sense");
    }
    if (hand != json_is_true(json_object_get(file, by_hand)))
        return mr__load_failed(MR_ERR_ARGUMENT, path, "its task %s by hand, this one %s",
                               hand ? "does not optimize" : "optimizes", hand ? "does" : "does not");
    mr_status status =
        compare(path, "optimizers", several ? "optimizer" : "the optimizer", of_file[0], of_here[0]);
    if (!status)
        status = compare(path, "schedules", several ? "the schedule of optimizer" : "the schedule",
                         of_file[1], of_here[1]);
    if (!status && !json_equal(of_file[2], of_here[2]))
        status = differ(path, "callbacks that keep a state", of_file[2], of_here[2]);
    return status;
}

mr_status mr__parts_check(const mr__fit *fit, const char *path, const mr__safetensors *file)
{
    const char *text = mr__safetensors_text(file, MR__PARTS_KEY);
    json_error_t error = { .text = "" };
    json_t *of_file = json_loads(text ? text : "", JSON_REJECT_DUPLICATES, &error), *here = parts_of(fit);
    mr_status status = MR_OK;
    if (!here)
        status = mr_error_status();
    else if (!of_file && !*error.text) /* the parser says nothing of memory */
        status = out_of_memory();
    else
        status = compare_all(path, of_file, here);
    json_decref(of_file);
    json_decref(here);
    return status;
}

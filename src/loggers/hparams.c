#include "hparams.h"

#include "log_file.h"
#include "yaml.h"

#include "base/alloc.h"
#include "base/error.h"
#include "base/utf8.h"

#include <fcntl.h>
#include <string.h>

enum { MOST_NAME = 100 };

/* ---- the list ---- */

static mr_status check(const char *call, const mr_hparam *param)
{
    const char *name = param->name;
    if (!name)
        return mr__null(call, "name");
    if (param->kind == MR_HPARAM_TEXT && !param->text)
        return mr__null(call, "text");
    if (!*name || strlen(name) > MOST_NAME)
        return mr__raise(MR_ERR_ARGUMENT, "%s: a name has 1 to %d bytes, not %zu", call, MOST_NAME,
                         strlen(name));
    if (!mr__is_utf8(name) || (param->kind == MR_HPARAM_TEXT && !mr__is_utf8(param->text)))
        return mr__raise(MR_ERR_ARGUMENT, "%s: '%.100s' or its text is not UTF-8", call, name);
    return MR_OK;
}

static void drop(mr_hparam *param)
{
    mr__free((char *)(uintptr_t)param->name);
    mr__free((char *)(uintptr_t)param->text);
}

/* Where the name is, or is to be. */
static size_t find(const mr__hparams *list, const char *name, bool *there)
{
    size_t i = 0;
    int order = -1;
    while (i < list->count && (order = strcmp(list->item[i].name, name)) < 0)
        i++;
    *there = i < list->count && order == 0;
    return i;
}

static bool make_room(mr__hparams *list)
{
    if (list->count < list->room)
        return true;
    const size_t room = 2 * list->room + 8, size = sizeof *list->item;
    mr_hparam *larger = mr__grow(list->item, list->count * size, mr__mul_size(room, size));
    if (!larger)
        return false;
    list->item = larger;
    list->room = room;
    return true;
}

mr_status mr__hparams_set(mr__hparams *list, const char *call, const mr_hparam *param)
{
    mr_status status = check(call, param);
    if (status)
        return status;
    mr_hparam copy = *param;
    copy.name = mr__strdup(param->name);
    copy.text = param->kind == MR_HPARAM_TEXT ? mr__strdup(param->text) : NULL;
    if (!copy.name || (param->kind == MR_HPARAM_TEXT && !copy.text) || !make_room(list)) {
        drop(&copy);
        return MR_ERR_MEMORY;
    }
    bool there;
    const size_t at = find(list, param->name, &there);
    mr_hparam *place = list->item + at;
    if (there)
        drop(place);
    else
        memmove(place + 1, place, (list->count++ - at) * sizeof *place);
    *place = copy;
    return MR_OK;
}

void mr__hparams_free(mr__hparams *list)
{
    for (size_t i = 0; i < list->count; i++)
        drop(&list->item[i]);
    mr__free(list->item);
    *list = (mr__hparams){ NULL, 0, 0 };
}

/* ---- hparams.yaml ---- */

static void put(mr__strbuf *out, const mr_hparam *param)
{
    const size_t before = out->length;
    mr__yaml_text(out, param->name, -1);
    mr__strbuf_append(out, ": ");
    if (param->kind == MR_HPARAM_REAL)
        mr__yaml_real(out, param->real);
    else if (param->kind == MR_HPARAM_INT)
        mr__strbuf_append_integer(out, param->integer);
    else if (param->kind == MR_HPARAM_BOOL)
        mr__strbuf_append(out, param->integer ? "true" : "false");
    else
        mr__yaml_text(out, param->text, (int)(out->length - before));
    mr__strbuf_append(out, "\n");
}

void mr__hparams_yaml(const mr__hparams *list, mr__strbuf *out)
{
    for (size_t i = 0; i < list->count; i++)
        put(out, &list->item[i]);
    if (!list->count)
        mr__strbuf_append(out, "{}\n");
}

mr_status mr__hparams_write(const mr__hparams *list, const char *dir)
{
    mr__log_file file;
    mr_status status = mr__log_file_init(&file, "hparams", NULL, dir, "hparams.yaml");
    if (!status)
        status = mr__log_file_open(&file, O_CREAT | O_TRUNC);
    if (!status) {
        mr__hparams_yaml(list, &file.rest);
        status = mr__log_file_added(&file);
    }
    mr_status closed = mr__log_file_close(&file);
    return status ? status : closed;
}

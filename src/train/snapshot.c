#include "snapshot.h"

#include "base/alloc.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct mr__snapshot {
    size_t count, room;
    mr__safetensor *entries; /* names are owned here; data are set for writing */
    const void **sources;    /* where each entry's values are copied from */
    struct {
        int64_t epoch, global_step;
        char *memory; /* the entries' values one after the other, each aligned */
    } copy[MR__SNAPSHOTS];
};

static bool add_entry(mr__snapshot *s, const char *prefix, const mr_param *param)
{
    const mr_tensor *x = param->tensor;
    size_t length = strlen(prefix) + strlen(param->name) + 1;
    char *name = mr__alloc(length);
    if (!name)
        return false;
    snprintf(name, length, "%s%s", prefix, param->name);
    s->entries[s->count] = (mr__safetensor){ .name = name,
                                             .dtype = (mr_dtype)x->dtype,
                                             .shape = mr__shape_of(x),
                                             .bytes = (size_t)x->numel * mr_dtype_size((mr_dtype)x->dtype) };
    s->sources[s->count++] = x->data;
    return true;
}

/* "layer1.weight" for a parameter or buffer; "optimizer.layer1.weight.exp_avg" for its state. */
static bool list_entries(mr__snapshot *s, mr_params params, mr_params state)
{
    for (size_t i = 0; i < params.count; i++)
        if (!add_entry(s, "", &params.item[i]))
            return false;
    for (size_t i = 0; i < state.count; i++)
        if (!add_entry(s, "optimizer.", &state.item[i]))
            return false;
    return true;
}

mr__snapshot *mr__snapshot_new(mr_module *model, mr_optim *optim)
{
    mr_params params = mr_module_state(model), state = mr_optim_state(optim);
    mr__snapshot *s = params.item && state.item ? mr__alloc_zeroed(sizeof *s) : NULL;
    if (!s)
        return NULL;
    s->room = params.count + state.count;
    s->entries = mr__alloc_zeroed(mr__mul_size(s->room, sizeof *s->entries));
    s->sources = mr__alloc_zeroed(mr__mul_size(s->room, sizeof *s->sources));
    size_t total = 0;
    bool made = s->entries && s->sources && list_entries(s, params, state);
    for (size_t i = 0; i < s->count; i++)
        total += mr__round_up(s->entries[i].bytes, MR__ALIGNMENT);
    for (int i = 0; made && i < MR__SNAPSHOTS; i++)
        made = (s->copy[i].memory = mr__alloc(total)) != NULL;
    if (made)
        return s;
    mr__snapshot_free(s);
    return NULL;
}

void mr__snapshot_free(mr__snapshot *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->count; i++)
        mr__free((char *)(uintptr_t)s->entries[i].name);
    mr__free(s->entries);
    mr__free(s->sources);
    for (int i = 0; i < MR__SNAPSHOTS; i++)
        mr__free(s->copy[i].memory);
    mr__free(s);
}

void mr__snapshot_take(mr__snapshot *s, int which, int64_t epoch, int64_t global_step)
{
    char *to = s->copy[which].memory;
    s->copy[which].epoch = epoch;
    s->copy[which].global_step = global_step;
    for (size_t i = 0; i < s->count; i++) {
        memcpy(to, s->sources[i], s->entries[i].bytes);
        to += mr__round_up(s->entries[i].bytes, MR__ALIGNMENT);
    }
}

mr_status mr__snapshot_write(mr__snapshot *s, int which, const char *dir, const char *previous, char *path,
                             size_t room)
{
    char epoch[24], step[24];
    const char *from = s->copy[which].memory;
    snprintf(epoch, sizeof epoch, "%lld", (long long)s->copy[which].epoch);
    snprintf(step, sizeof step, "%lld", (long long)s->copy[which].global_step);
    int length = snprintf(path, room, "%s/epoch=%s-step=%s.safetensors", dir, epoch, step);
    if (length < 0 || (size_t)length >= room)
        return mr__raise(MR_ERR_IO, "checkpoint: the path of '%.200s…' is too long", dir);
    for (size_t i = 0; i < s->count; i++) {
        s->entries[i].data = from;
        from += mr__round_up(s->entries[i].bytes, MR__ALIGNMENT);
    }
    const mr__metadata metadata[] = { { "epoch", epoch }, { "format", "pt" }, { "global_step", step } };
    mr_status status =
        mr__safetensors_write(path, s->entries, s->count, metadata, sizeof metadata / sizeof *metadata);
    if (status == MR_OK && previous && strcmp(previous, path) != 0)
        unlink(previous); /* an old file that stays does no harm */
    return status;
}

#include "snapshot.h"

#include "base/alloc.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct mr__snapshot {
    int64_t epoch, global_step;
    size_t count, room;
    mr__safetensor *entries; /* their data lie in `memory`, their names are owned here */
    const void **sources;    /* where each entry's values are copied from */
    char *memory;
};

static bool add_entry(mr__snapshot *s, const char *prefix, const char *name, const char *suffix,
                      mr_dtype dtype, mr_shape shape, const void *source, size_t bytes)
{
    size_t length = strlen(prefix) + strlen(name) + strlen(suffix) + 2;
    char *text = mr__alloc(length);
    if (!text)
        return false;
    snprintf(text, length, "%s%s%s%s", prefix, name, *suffix ? "." : "", suffix);
    s->entries[s->count] = (mr__safetensor){ .name = text, .dtype = dtype, .shape = shape, .bytes = bytes };
    s->sources[s->count++] = source;
    return true;
}

static size_t bytes_of(const mr_tensor *x)
{
    return (size_t)x->numel * mr_dtype_size((mr_dtype)x->dtype);
}

/* "layer1.weight" for a parameter or buffer; "optimizer.layer1.weight.exp_avg" for its state. */
static bool list_entries(mr__snapshot *s, mr_params params, const mr_optim *optim)
{
    for (size_t i = 0; i < params.count; i++) {
        const mr_tensor *x = params.item[i].tensor;
        if (!add_entry(s, "", params.item[i].name, "", (mr_dtype)x->dtype, mr__shape_of(x), x->data,
                       bytes_of(x)))
            return false;
    }
    for (size_t i = 0; i < optim->count; i++) {
        const mr__slot *slot = &optim->slots[i];
        const mr_tensor *x = slot->tensor;
        if (!add_entry(s, "optimizer.", slot->name, "step", MR_INT64, MR_SCALAR, &slot->steps,
                       sizeof slot->steps))
            return false;
        for (int k = 0; k < optim->kind->state_count; k++)
            if (!add_entry(s, "optimizer.", slot->name, optim->kind->state_name[k], (mr_dtype)x->dtype,
                           mr__shape_of(x), mr__range_at(slot->range, slot->range->state[k], slot->offset),
                           bytes_of(x)))
                return false;
    }
    return true;
}

mr__snapshot *mr__snapshot_new(mr_module *model, const mr_optim *optim)
{
    mr_params params = mr_module_state(model);
    mr__snapshot *s = params.item ? mr__alloc_zeroed(sizeof *s) : NULL;
    if (!s)
        return NULL;
    s->room = params.count + optim->count * (1 + (size_t)optim->kind->state_count);
    s->entries = mr__alloc_zeroed(mr__mul_size(s->room, sizeof *s->entries));
    s->sources = mr__alloc_zeroed(mr__mul_size(s->room, sizeof *s->sources));
    size_t total = 0;
    if (s->entries && s->sources && list_entries(s, params, optim)) {
        for (size_t i = 0; i < s->count; i++)
            total += mr__round_up(s->entries[i].bytes, MR__ALIGNMENT);
        s->memory = mr__alloc(total);
    }
    if (!s->memory) {
        mr__snapshot_free(s);
        return NULL;
    }
    char *at = s->memory;
    for (size_t i = 0; i < s->count; i++) {
        s->entries[i].data = at;
        at += mr__round_up(s->entries[i].bytes, MR__ALIGNMENT);
    }
    return s;
}

void mr__snapshot_free(mr__snapshot *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->count; i++)
        mr__free((char *)(uintptr_t)s->entries[i].name);
    mr__free(s->entries);
    mr__free(s->sources);
    mr__free(s->memory);
    mr__free(s);
}

void mr__snapshot_take(mr__snapshot *s, int64_t epoch, int64_t global_step)
{
    s->epoch = epoch;
    s->global_step = global_step;
    for (size_t i = 0; i < s->count; i++)
        memcpy((char *)(uintptr_t)s->entries[i].data, s->sources[i], s->entries[i].bytes);
}

mr_status mr__snapshot_write(const mr__snapshot *s, const char *dir, const char *previous, char *path,
                             size_t room)
{
    char epoch[24], step[24];
    snprintf(epoch, sizeof epoch, "%lld", (long long)s->epoch);
    snprintf(step, sizeof step, "%lld", (long long)s->global_step);
    int length = snprintf(path, room, "%s/epoch=%s-step=%s.safetensors", dir, epoch, step);
    if (length < 0 || (size_t)length >= room)
        return mr__raise(MR_ERR_IO, "checkpoint: the path of '%.200s…' is too long", dir);
    const mr__metadata metadata[] = { { "epoch", epoch }, { "format", "pt" }, { "global_step", step } };
    mr_status status =
        mr__safetensors_write(path, s->entries, s->count, metadata, sizeof metadata / sizeof *metadata);
    if (status == MR_OK && previous && strcmp(previous, path) != 0)
        unlink(previous); /* an old file that stays does no harm */
    return status;
}

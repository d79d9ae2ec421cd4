#include "snapshot.h"

#include "checkpoint.h"
#include "trainer.h"
#include "window.h"

#include "base/alloc.h"
#include "base/rng.h"

#include <stdio.h>

typedef struct marks {
    mr__position item[MR__MAX_LOGGERS];
    mr__loader_bytes bytes; /* where they are */
} marks;

typedef struct copy {
    int64_t epoch, step;     /* for the name */
    mr__safetensor *entries; /* names are owned here; data lie in `memory` */
    const void **sources;    /* where each entry's values are copied from */
    size_t count;
    mr_params optims[MR_MAX_OPTIMIZERS]; /* the optimizers' states, when the entries were made */
    bool of_window;                      /* … with those of a window */
    char *memory;                        /* the entries' values one after the other, each aligned */
    size_t bytes, touched;               /* of that; all, once it was taken */
    mr_rng *rng;
    uint8_t *gradients;
    mr__loader_bytes loader[MR__MAX_SAVED_LOADERS];
    mr__log_state logged;
    /* of the loggers, once the reporter has come there; and behind that, at the end of the training */
    bool marked;
    marks at, end;
} copy;

struct mr__snapshot {
    const mr__fit *fit;
    mr_params params, model; /* its parameters; its state */
    size_t finished;         /* which entry it is */
    copy copy[MR__SNAPSHOTS];
};

/* ---- entries ---- */

static bool add_entry(copy *c, const char *prefix, const mr_param *param)
{
    const mr_tensor *x = param->tensor;
    size_t length = strlen(prefix) + strlen(param->name) + 1;
    char *name = mr__alloc(length);
    if (!name)
        return false;
    snprintf(name, length, "%s%s", prefix, param->name);
    c->entries[c->count] = (mr__safetensor){ .name = name,
                                             .dtype = (mr_dtype)x->dtype,
                                             .shape = mr__shape_of(x),
                                             .bytes = (size_t)x->numel * mr_dtype_size((mr_dtype)x->dtype) };
    c->sources[c->count++] = x->data;
    return true;
}

static bool add_entries(copy *c, const char *prefix, mr_params list)
{
    for (size_t i = 0; i < list.count; i++)
        if (!add_entry(c, prefix, &list.item[i]))
            return false;
    return true;
}

static void drop_entries(copy *c)
{
    for (size_t i = 0; i < c->count; i++)
        mr__free((char *)(uintptr_t)c->entries[i].name);
    mr__free(c->entries);
    mr__free(c->sources);
    mr__free(c->memory);
    c->entries = NULL;
    c->sources = NULL;
    c->memory = NULL;
    c->count = c->bytes = c->touched = 0;
    memset(c->optims, 0, sizeof c->optims);
}

/* Memory for the values, each aligned. */
static bool place_entries(copy *c)
{
    size_t total = 0;
    for (size_t i = 0; i < c->count; i++)
        total += mr__round_up(c->entries[i].bytes, MR__ALIGNMENT);
    c->memory = mr__alloc(total);
    if (!c->memory)
        return false;
    c->bytes = total;
    char *at = c->memory;
    for (size_t i = 0; i < c->count; i++) {
        c->entries[i].data = at;
        at += mr__round_up(c->entries[i].bytes, MR__ALIGNMENT);
    }
    return true;
}

/* The states of the optimizers; false after a failure. */
static bool list_optims(const mr__fit *fit, mr_params optims[MR_MAX_OPTIMIZERS])
{
    for (int i = 0; i < fit->optims; i++)
        if (!(optims[i] = mr_optim_state(fit->made.optim[i])).item)
            return false;
    return true;
}

static bool are_the_same(const mr__fit *fit, const mr_params *a, const mr_params *b)
{
    for (int i = 0; i < fit->optims; i++)
        if (a[i].item != b[i].item || a[i].count != b[i].count)
            return false;
    return true;
}

static bool add_optims(const mr__fit *fit, copy *c, const mr_params *optims)
{
    char prefix[MR__PREFIX_BYTES];
    for (int i = 0; i < fit->optims; i++) {
        mr__optimizer_prefix(fit, i, prefix);
        if (!add_entries(c, prefix, optims[i]))
            return false;
        c->optims[i] = optims[i];
    }
    return true;
}

/* "layer1.weight" for a parameter or buffer; "optimizer.layer1.weight.exp_avg" for its state. */
static bool make_entries(mr__snapshot *s, copy *c, const mr_params *optims)
{
    const mr__state *saved = &s->fit->saved.list;
    const mr_params list = { saved->item, saved->count }, window = mr__window_saved(&s->fit->saved);
    drop_entries(c);
    c->of_window = window.item;
    size_t room = s->model.count + list.count + window.count;
    for (int i = 0; i < s->fit->optims; i++)
        room += optims[i].count;
    c->entries = mr__alloc_zeroed(mr__mul_size(room, sizeof *c->entries));
    c->sources = mr__alloc_zeroed(mr__mul_size(room, sizeof *c->sources));
    if (c->entries && c->sources && add_entries(c, "", s->model) && add_optims(s->fit, c, optims) &&
        add_entries(c, "", list) && add_entries(c, "", window) && place_entries(c))
        return true;
    drop_entries(c);
    return false;
}

/* ---- loaders ---- */

static mr_status take_loaders(const mr__fit *fit, copy *c)
{
    mr_status status = MR_OK;
    for (size_t i = 0; i < fit->saved.loaders && !status; i++)
        status = mr__loader_bytes_take(&c->loader[i], fit->saved.loader[i].loader);
    return status;
}

/* ---- making and freeing ---- */

mr__snapshot *mr__snapshot_new(const mr__fit *fit)
{
    mr__snapshot *s = mr__alloc_zeroed(sizeof *s);
    if (!s)
        return NULL;
    s->fit = fit;
    s->params = fit->params;
    s->model = mr_module_state(fit->task->model);
    mr_params optims[MR_MAX_OPTIMIZERS];
    bool made = s->model.item && list_optims(fit, optims);
    for (int i = 0; made && i < MR__SNAPSHOTS; i++) {
        copy *c = &s->copy[i];
        c->rng = mr__alloc_array(fit->saved.rngs, sizeof *c->rng);
        c->gradients = mr__alloc(s->params.count);
        made = c->rng && c->gradients && make_entries(s, c, optims) && take_loaders(fit, c) == MR_OK;
    }
    if (made)
        return s;
    mr__snapshot_free(s);
    return NULL;
}

void mr__snapshot_free(mr__snapshot *s)
{
    if (!s)
        return;
    for (int i = 0; i < MR__SNAPSHOTS; i++) {
        copy *c = &s->copy[i];
        drop_entries(c);
        mr__free(c->rng);
        mr__free(c->gradients);
        for (int k = 0; k < MR__MAX_SAVED_LOADERS; k++)
            mr__free(c->loader[k].data);
        mr__free(c->at.bytes.data);
        mr__free(c->end.bytes.data);
    }
    mr__free(s);
}

/* ---- taking ---- */

bool mr__snapshot_touch(mr__snapshot *s, int which)
{
    enum { PART = 1 << 20 };
    copy *c = &s->copy[which];
    const size_t left = c->bytes - c->touched, part = left < PART ? left : PART;
    if (!part)
        return false;
    memset(c->memory + c->touched, 0, part);
    c->touched += part;
    return true;
}

mr_status mr__snapshot_take(mr__snapshot *s, int which, int64_t epoch)
{
    const mr__fit *fit = s->fit;
    copy *c = &s->copy[which];
    mr_params optims[MR_MAX_OPTIMIZERS];
    if (!list_optims(fit, optims))
        return mr_error_status();
    const bool same = are_the_same(fit, optims, c->optims) && c->of_window == (fit->saved.window != NULL);
    if (MR__UNLIKELY(!same && !make_entries(s, c, optims)))
        return MR_ERR_MEMORY;
    c->epoch = epoch;
    c->step = fit->step.global_step;
    c->marked = false;
    memset(c->end.item, 0, sizeof c->end.item);
    c->touched = c->bytes;
    if (MR__UNLIKELY(fit->saved.gradients))
        mr__gradients_take(fit->params, fit->saved.gradients);
    for (size_t i = 0; i < c->count; i++)
        memcpy((char *)(uintptr_t)c->entries[i].data, c->sources[i], c->entries[i].bytes);
    for (size_t i = 0; i < fit->saved.rngs; i++)
        c->rng[i] = *fit->saved.rng[i];
    mr__saved_gradients(s->params, c->gradients);
    mr__log_save(fit, &c->logged);
    return take_loaders(fit, c);
}

void mr__snapshot_finish(mr__snapshot *s, int which)
{
    copy *c = &s->copy[which];
    const int64_t one = 1;
    for (size_t i = 0; i < c->count; i++)
        if (strcmp(c->entries[i].name, MR__SAVED_PREFIX "finished") == 0)
            memcpy((char *)(uintptr_t)c->entries[i].data, &one, sizeof one);
}

/* ---- writing ---- */

static mr_status keep_positions(const mr__snapshot *s, marks *kept, const mr__position *item)
{
    const size_t loggers = s->fit->reporter->loggers.count;
    size_t total = 0;
    for (size_t i = 0; i < loggers; i++)
        total += item[i].bytes;
    if (mr__loader_bytes_room(&kept->bytes, total))
        return MR_ERR_MEMORY;
    char *to = kept->bytes.data;
    for (size_t i = 0; i < loggers; i++) {
        kept->item[i] = (mr__position){ to, item[i].bytes };
        if (item[i].bytes)
            memcpy(to, item[i].data, item[i].bytes);
        to += item[i].bytes;
    }
    return MR_OK;
}

/* A copy may be written a second time, when the logs are longer. */
mr_status mr__snapshot_mark(mr__snapshot *s, int which, const mr__position *positions)
{
    copy *c = &s->copy[which];
    if (c->marked)
        return MR_OK;
    mr_status status = keep_positions(s, &c->at, positions);
    c->marked = !status;
    return status;
}

mr_status mr__snapshot_mark_end(mr__snapshot *s, int which, const mr__position *positions)
{
    return keep_positions(s, &s->copy[which].end, positions);
}

mr_status mr__snapshot_path(const mr__snapshot *s, int which, const char *dir, char *path, size_t room)
{
    char name[80];
    mr__checkpoint_name(name, sizeof name, s->copy[which].epoch, s->copy[which].step);
    int length = snprintf(path, room, "%s/%s", dir, name);
    if (length < 0 || (size_t)length >= room)
        return mr__raise(MR_ERR_IO, "checkpoint: the path of '%.200s…' is too long", dir);
    return MR_OK;
}

mr_status mr__snapshot_write(mr__snapshot *s, int which, const char *path)
{
    copy *c = &s->copy[which];
    const mr__checkpoint contents = {
        .epoch = c->epoch,
        .step = c->step,
        .entries = c->entries,
        .count = c->count,
        .rng = c->rng,
        .rngs = s->fit->saved.rngs,
        .rng_users = s->fit->saved.rng_users,
        .parts = s->fit->saved.parts,
        .gradients = c->gradients,
        .params = s->params.count,
        .loaders = &s->fit->saved,
        .loader = c->loader,
        .logged = &c->logged,
        .loggers = &s->fit->reporter->loggers,
        .position = c->at.item,
        .end = c->end.item,
    };
    return mr__checkpoint_write(path, &contents);
}

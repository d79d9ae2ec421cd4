/* OptimizerMonitor: norms of gradients, updates, parameters and the optimizer's state. */
#include "copies.h"
#include "trainer.h"

#include "base/option.h"

#include <math.h>
#include <stdio.h>

/* Norms of one kind: for each part, and behind them for all. */
typedef struct norms {
    char **name; /* "l2_norm/grad/layer1.weight" */
    double *square;
} norms;

/* What is measured at the updates of one optimizer. */
typedef struct meter {
    const mr_optimizer_monitor_opts *opts;
    mr_params params; /* those that it moves; of the only one all */
    size_t parts;
    size_t *part_of; /* of each parameter */
    norms gradients, updates, parameters, moments[MR__MAX_STATE];
    char *before; /* the parameters before an update; NULL: not wanted */
    bool due;     /* of the update that is being made */
} meter;

typedef struct watch {
    mr_optimizer_monitor_opts opts;
    meter of[MR_MAX_OPTIMIZERS];
} watch;

/* ---- making ---- */

static void drop_norms(norms *n, size_t count)
{
    for (size_t i = 0; n->name && i < count; i++)
        mr__free(n->name[i]);
    mr__free(n->name);
    mr__free(n->square);
    *n = (norms){ NULL, NULL };
}

static void drop(meter *w)
{
    drop_norms(&w->gradients, w->parts + 1);
    drop_norms(&w->updates, w->parts + 1);
    drop_norms(&w->parameters, w->parts + 1);
    for (int i = 0; i < MR__MAX_STATE; i++)
        drop_norms(&w->moments[i], w->parts + 1);
    mr__free((mr_param *)(uintptr_t)w->params.item);
    mr__free(w->part_of);
    mr__free(w->before);
    *w = (meter){ NULL };
}

/* How much of a parameter's name says which part it is of: with `by_module` all before the last point, if there is one. */
static size_t part_length(const meter *w, const char *name)
{
    const char *point = w->opts->by_module ? strrchr(name, '.') : NULL;
    return point ? (size_t)(point - name) : strlen(name);
}

/* Parameters of one module lie behind each other. */
static bool find_parts(meter *w, mr_params params)
{
    w->parts = 0;
    w->part_of = mr__alloc_array(params.count + 1, sizeof *w->part_of);
    if (!w->part_of)
        return false;
    for (size_t i = 0; i < params.count; i++) {
        const char *name = params.item[i].name, *before = i ? params.item[i - 1].name : "";
        const size_t length = part_length(w, name);
        if (i == 0 || part_length(w, before) != length || strncmp(name, before, length) != 0)
            w->parts++;
        w->part_of[i] = w->parts - 1;
    }
    return true;
}

static char *make_name(const char *kind, const char *name, size_t length)
{
    static const char prefix[] = "l2_norm/";
    const size_t room = sizeof prefix + strlen(kind) + length + 2;
    char *text = mr__alloc(room);
    if (text)
        snprintf(text, room, "%s%s/%.*s", prefix, kind, (int)length, name);
    return text;
}

/* "global" of the only optimizer and of the first, "global-1" of the second. */
static char *make_global(const char *kind, int index)
{
    char name[24] = "global";
    if (index)
        snprintf(name, sizeof name, "global-%d", index);
    return make_name(kind, name, strlen(name));
}

static bool make_norms(meter *w, norms *n, const char *kind, int index)
{
    const mr_params params = w->params;
    n->name = mr__alloc_zeroed((w->parts + 1) * sizeof *n->name);
    n->square = mr__alloc_array(w->parts + 1, sizeof *n->square);
    if (!n->name || !n->square)
        return false;
    for (size_t i = 0; i < params.count; i++) {
        const size_t part = w->part_of[i];
        const char *name = params.item[i].name;
        if (!n->name[part] && !(n->name[part] = make_name(kind, name, part_length(w, name))))
            return false;
    }
    n->name[w->parts] = make_global(kind, index);
    return n->name[w->parts];
}

static bool has_state(const mr_optim *optim, int state)
{
    for (const mr__group *group = &optim->first; group; group = group->next)
        if (group->range[0].state[state] || group->range[1].state[state])
            return true;
    return false;
}

static bool make_moments(meter *w, const mr_optim *optim, int index)
{
    const mr__optim_kind *kind = optim->kind;
    for (int i = 0; w->opts->moments && i < kind->state_count; i++)
        if (has_state(optim, i) && !make_norms(w, &w->moments[i], kind->state_name[i], index))
            return false;
    return true;
}

static bool moves(const mr_optim *optim, const mr_tensor *parameter)
{
    for (const mr__group *group = &optim->first; group; group = group->next)
        for (size_t i = 0; i < group->count; i++)
            if (group->slots[i].tensor == parameter)
                return true;
    return false;
}

/* All parameters of the model are the only optimizer's, also those that it leaves as they are. */
static bool find_params(meter *w, const mr__fit *fit, int index)
{
    mr_param *item = mr__alloc_array(fit->params.count + 1, sizeof *item);
    size_t count = 0;
    for (size_t i = 0; item && i < fit->params.count; i++)
        if (fit->optims == 1 || moves(fit->made.optim[index], fit->params.item[i].tensor))
            item[count++] = fit->params.item[i];
    w->params = (mr_params){ item, count };
    return item;
}

static bool make_meter(meter *w, const mr_optimizer_monitor_opts *opts, const mr__fit *fit, int index)
{
    w->opts = opts;
    return find_params(w, fit, index) && find_parts(w, w->params) &&
           make_norms(w, &w->gradients, "grad", index) &&
           (opts->no_updates || (make_norms(w, &w->updates, "update", index) &&
                                 (w->before = mr__alloc(mr__copies_bytes(w->params))) != NULL)) &&
           (!opts->parameters || make_norms(w, &w->parameters, "param", index)) &&
           make_moments(w, fit->made.optim[index], index);
}

static void drop_all(watch *w)
{
    for (int i = 0; i < MR_MAX_OPTIMIZERS; i++)
        drop(&w->of[i]);
}

static mr_status begin(void *self, mr_step *step)
{
    watch *w = self;
    const mr__fit *fit = (const mr__fit *)step;
    drop_all(w);
    for (int i = 0; i < fit->optims; i++)
        if (!make_meter(&w->of[i], &w->opts, fit, i))
            return MR_ERR_MEMORY;
    return MR_OK;
}

/* ---- measuring ---- */

static void clear(const meter *w, norms *n)
{
    memset(n->square, 0, (w->parts + 1) * sizeof *n->square);
}

static void add(const meter *w, norms *n, size_t param, double square)
{
    n->square[w->part_of[param]] += square;
    n->square[w->parts] += square;
}

static void log_norms(const meter *w, const norms *n, mr_step *step)
{
    for (size_t i = w->opts->only_global ? w->parts : 0; i <= w->parts; i++)
        mr_log_value(step, n->name[i], sqrt(n->square[i]), NULL);
}

static void log_gradients(meter *w, mr_step *step)
{
    const mr_params params = w->params;
    clear(w, &w->gradients);
    for (size_t i = 0; i < params.count; i++) {
        const mr_tensor *x = params.item[i].tensor;
        if (x->grad && x->own_grad.state == MR__GRAD_WRITTEN)
            add(w, &w->gradients, i, mr__power_sum((mr_dtype)x->dtype, x->own_grad.data, x->numel, 2));
    }
    log_norms(w, &w->gradients, step);
}

static void log_parameters(meter *w, mr_step *step)
{
    const mr_params params = w->params;
    clear(w, &w->parameters);
    for (size_t i = 0; i < params.count; i++) {
        const mr_tensor *x = params.item[i].tensor;
        add(w, &w->parameters, i, mr__power_sum((mr_dtype)x->dtype, x->data, x->numel, 2));
    }
    log_norms(w, &w->parameters, step);
}

static double squared_distance(const mr_tensor *x, const void *from)
{
    double sum = 0;
    for (int64_t i = 0; i < x->numel; i++) {
        const double by = x->dtype == MR_FLOAT64
                              ? ((const double *)x->data)[i] - ((const double *)from)[i]
                              : (double)((const float *)x->data)[i] - (double)((const float *)from)[i];
        sum += by * by;
    }
    return sum;
}

static void log_updates(meter *w, mr_step *step)
{
    const mr_params params = w->params;
    const char *from = w->before;
    clear(w, &w->updates);
    for (size_t i = 0; i < params.count; i++) {
        const mr_tensor *x = params.item[i].tensor;
        add(w, &w->updates, i, squared_distance(x, from));
        from += mr__copy_room(x);
    }
    log_norms(w, &w->updates, step);
}

static size_t param_of(const mr__slot *slot, mr_params params)
{
    size_t i = 0;
    while (i < params.count && params.item[i].tensor != slot->tensor)
        i++;
    return i;
}

static void log_moments(meter *w, mr_step *step)
{
    const mr_params params = w->params;
    for (int k = 0; k < MR__MAX_STATE; k++) {
        norms *n = &w->moments[k];
        if (!n->name)
            continue;
        clear(w, n);
        for (const mr__group *group = &step->optim->first; group; group = group->next)
            for (const mr__slot *slot = group->slots; slot < group->slots + group->count; slot++) {
                const void *at = mr__range_at(slot->range, slot->range->state[k], slot->offset);
                const size_t param = at ? param_of(slot, params) : params.count;
                if (param < params.count)
                    add(w, n, param, mr__power_sum(slot->range->dtype, at, slot->numel, 2));
            }
        log_norms(w, n, step);
    }
}

/* ---- hooks ---- */

/* That of the optimizer that makes the update. */
static meter *meter_of(watch *w, const mr_step *step)
{
    const mr__fit *fit = (const mr__fit *)step;
    int i = 0;
    while (i + 1 < fit->optims && fit->made.optim[i] != step->optim)
        i++;
    return &w->of[i];
}

static mr_status before_step(void *self, mr_step *step)
{
    watch *w = self;
    meter *m = meter_of(w, step);
    const mr__fit *fit = (const mr__fit *)step;
    m->due = w->opts.every_n_steps ? mr__row_number(fit) % w->opts.every_n_steps == 0 : mr__row_due(fit);
    if (!m->due)
        return MR_OK;
    log_gradients(m, step);
    if (w->opts.parameters)
        log_parameters(m, step);
    if (m->before)
        mr__copies_take(m->params, m->before);
    return MR_OK;
}

static mr_status after_step(void *self, mr_step *step)
{
    meter *m = meter_of(self, step);
    if (!m->due)
        return MR_OK;
    m->due = false;
    if (m->before)
        log_updates(m, step);
    log_moments(m, step);
    return MR_OK;
}

static void destroy(void *self)
{
    drop_all(self);
}

static const mr_callback_vtable vtable = { .name = "OptimizerMonitor",
                                           .on_fit_start = begin,
                                           .on_before_optimizer_step = before_step,
                                           .on_after_optimizer_step = after_step,
                                           .destroy = destroy };

mr_callback *mr_optimizer_monitor_new(const mr_optimizer_monitor_opts *opts)
{
    watch w = { .opts = opts ? *opts : (mr_optimizer_monitor_opts){ 0 } };
    if (w.opts.every_n_steps < 0) {
        mr__raise(MR_ERR_ARGUMENT, "optimizer_monitor: every_n_steps %lld is negative",
                  (long long)w.opts.every_n_steps);
        return NULL;
    }
    return mr_callback_new(&vtable, &w, sizeof w);
}

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

typedef struct watch {
    mr_optimizer_monitor_opts opts;
    size_t parts;
    size_t *part_of; /* of each parameter */
    norms gradients, updates, parameters, moments[MR__MAX_STATE];
    char *before; /* the parameters before an update; NULL: not wanted */
    bool due;     /* of the update that is being made */
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

static void drop(watch *w)
{
    drop_norms(&w->gradients, w->parts + 1);
    drop_norms(&w->updates, w->parts + 1);
    drop_norms(&w->parameters, w->parts + 1);
    for (int i = 0; i < MR__MAX_STATE; i++)
        drop_norms(&w->moments[i], w->parts + 1);
    mr__free(w->part_of);
    mr__free(w->before);
    w->part_of = NULL;
    w->before = NULL;
}

/* How much of a parameter's name says which part it is of: with `by_module` all before the last point, if there is one. */
static size_t part_length(const watch *w, const char *name)
{
    const char *point = w->opts.by_module ? strrchr(name, '.') : NULL;
    return point ? (size_t)(point - name) : strlen(name);
}

/* Parameters of one module lie behind each other. */
static bool find_parts(watch *w, mr_params params)
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

static bool make_norms(watch *w, norms *n, const char *kind, mr_params params)
{
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
    n->name[w->parts] = make_name(kind, "global", strlen("global"));
    return n->name[w->parts];
}

static bool has_state(const mr_optim *optim, int state)
{
    for (const mr__group *group = &optim->first; group; group = group->next)
        if (group->range[0].state[state] || group->range[1].state[state])
            return true;
    return false;
}

static bool make_moments(watch *w, const mr_optim *optim, mr_params params)
{
    const mr__optim_kind *kind = optim->kind;
    for (int i = 0; w->opts.moments && i < kind->state_count; i++)
        if (has_state(optim, i) && !make_norms(w, &w->moments[i], kind->state_name[i], params))
            return false;
    return true;
}

static mr_status begin(void *self, mr_step *step)
{
    watch *w = self;
    const mr_params params = ((mr__fit *)step)->params;
    drop(w);
    const bool made = find_parts(w, params) && make_norms(w, &w->gradients, "grad", params) &&
                      (w->opts.no_updates || (make_norms(w, &w->updates, "update", params) &&
                                              (w->before = mr__alloc(mr__copies_bytes(params))) != NULL)) &&
                      (!w->opts.parameters || make_norms(w, &w->parameters, "param", params)) &&
                      make_moments(w, step->optim, params);
    return made ? MR_OK : MR_ERR_MEMORY;
}

/* ---- measuring ---- */

static void clear(const watch *w, norms *n)
{
    memset(n->square, 0, (w->parts + 1) * sizeof *n->square);
}

static void add(const watch *w, norms *n, size_t param, double square)
{
    n->square[w->part_of[param]] += square;
    n->square[w->parts] += square;
}

static void log_norms(const watch *w, const norms *n, mr_step *step)
{
    for (size_t i = w->opts.only_global ? w->parts : 0; i <= w->parts; i++)
        mr_log_value(step, n->name[i], sqrt(n->square[i]), NULL);
}

static void log_gradients(watch *w, mr_step *step, mr_params params)
{
    clear(w, &w->gradients);
    for (size_t i = 0; i < params.count; i++) {
        const mr_tensor *x = params.item[i].tensor;
        if (x->grad && x->own_grad.state == MR__GRAD_WRITTEN)
            add(w, &w->gradients, i, mr__power_sum((mr_dtype)x->dtype, x->own_grad.data, x->numel, 2));
    }
    log_norms(w, &w->gradients, step);
}

static void log_parameters(watch *w, mr_step *step, mr_params params)
{
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

static void log_updates(watch *w, mr_step *step, mr_params params)
{
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

static void log_moments(watch *w, mr_step *step, mr_params params)
{
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

static mr_status before_step(void *self, mr_step *step)
{
    watch *w = self;
    const mr_params params = ((mr__fit *)step)->params;
    const int64_t every = w->opts.every_n_steps ? w->opts.every_n_steps : step->trainer->log_every;
    w->due = (step->global_step + 1) % every == 0;
    if (!w->due)
        return MR_OK;
    log_gradients(w, step, params);
    if (w->opts.parameters)
        log_parameters(w, step, params);
    if (w->before)
        mr__copies_take(params, w->before);
    return MR_OK;
}

static mr_status after_step(void *self, mr_step *step)
{
    watch *w = self;
    const mr_params params = ((mr__fit *)step)->params;
    if (!w->due)
        return MR_OK;
    w->due = false;
    if (w->before)
        log_updates(w, step, params);
    log_moments(w, step, params);
    return MR_OK;
}

static void destroy(void *self)
{
    drop(self);
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

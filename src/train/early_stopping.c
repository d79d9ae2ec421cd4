/* EarlyStopping. */
#include "monitor.h"

#include "base/alloc.h"
#include "base/log.h"
#include "base/option.h"

#include <math.h>

typedef struct stopping {
    char *monitor;
    mr_early_stopping_opts opts;
    mr__monitor seen;
    double best;
    int64_t waited, stopped;
    mr_module *model;
    char *weights; /* of the best check, one tensor behind the other; NULL: not wanted */
    mr_param *state;
    size_t count;
} stopping;

/* ---- the best weights ---- */

static void copy_weights(stopping *s, bool back)
{
    mr_params list = mr_module_state(s->model);
    char *at = s->weights;
    for (size_t i = 0; s->weights && i < list.count; i++) {
        mr_tensor *x = list.item[i].tensor;
        const size_t bytes = (size_t)x->numel * mr_dtype_size((mr_dtype)x->dtype);
        memcpy(back ? x->data : at, back ? at : x->data, bytes);
        if (back)
            mr_tensor_touch(x);
        at += bytes;
    }
}

static void drop_state(stopping *s)
{
    for (size_t i = 0; i < s->count; i++)
        mr_tensor_free(s->state[i].tensor);
    mr__free(s->state);
    mr__free(s->weights);
    s->state = NULL;
    s->weights = NULL;
    s->count = 0;
}

static mr_status begin(void *self, mr_step *step)
{
    stopping *s = self;
    size_t bytes = 0;
    drop_state(s);
    s->model = step->model;
    s->waited = s->stopped = s->seen.count = 0;
    s->best = s->opts.mode == MR_LESS_IS_BETTER ? INFINITY : -INFINITY;
    if (!s->opts.restore_best)
        return MR_OK;
    mr_params list = mr_module_state(step->model);
    for (size_t i = 0; i < list.count; i++)
        bytes += (size_t)list.item[i].tensor->numel * mr_dtype_size((mr_dtype)list.item[i].tensor->dtype);
    s->weights = mr__alloc(bytes);
    if (!s->weights)
        return MR_ERR_MEMORY;
    copy_weights(s, false);
    return MR_OK;
}

static bool add(stopping *s, const char *name, mr_dtype dtype, mr_shape shape, void *data)
{
    s->state[s->count] = (mr_param){ name, mr_tensor_wrap(dtype, shape, data) };
    return s->state[s->count].tensor && ++s->count;
}

static mr_params state(void *self)
{
    enum { NUMBERS = 4 };
    stopping *s = self;
    mr_params list = s->weights ? mr_module_state(s->model) : (mr_params){ NULL, 0 };
    s->state = mr__alloc_array(list.count + NUMBERS, sizeof *s->state);
    if (!s->state || !add(s, "best_score", MR_FLOAT64, MR_SCALAR, &s->best) ||
        !add(s, "wait_count", MR_INT64, MR_SCALAR, &s->waited) ||
        !add(s, "stopped", MR_INT64, MR_SCALAR, &s->stopped) ||
        !add(s, "checks", MR_INT64, MR_SCALAR, &s->seen.count))
        return (mr_params){ NULL, 0 };
    char *at = s->weights;
    for (size_t i = 0; i < list.count; i++) {
        const mr_tensor *x = list.item[i].tensor;
        if (!add(s, list.item[i].name, (mr_dtype)x->dtype, mr__shape_of(x), at))
            return (mr_params){ NULL, 0 };
        at += (size_t)x->numel * mr_dtype_size((mr_dtype)x->dtype);
    }
    return (mr_params){ s->state, s->count };
}

/* ---- checking ---- */

static bool is_better(const stopping *s, double value, double than, double by)
{
    return s->opts.mode == MR_LESS_IS_BETTER ? value < than - by : value > than + by;
}

static void improved(stopping *s, double value)
{
    if (s->opts.verbose && isinf(s->best))
        mr__log(MR_LOG_INFO, "Metric %s improved. New best score: %.3f", s->monitor, value);
    else if (s->opts.verbose)
        mr__log(MR_LOG_INFO, "Metric %s improved by %.3f >= min_delta = %g. New best score: %.3f", s->monitor,
                fabs(s->best - value), s->opts.min_delta, value);
    s->best = value;
    s->waited = 0;
    copy_weights(s, false);
}

/* Why it ends now; NULL: it does not. */
static const char *why_now(stopping *s, double value)
{
    const mr_early_stopping_opts *o = &s->opts;
    if (!o->no_finite_check && !isfinite(value))
        return "is not finite";
    if (o->has_stopping_threshold && is_better(s, value, o->stopping_threshold, 0)) {
        improved(s, value);
        return "has passed the stopping threshold";
    }
    if (o->has_divergence_threshold && is_better(s, -value, -o->divergence_threshold, 0))
        return "has passed the divergence threshold";
    if (is_better(s, value, s->best, o->min_delta))
        improved(s, value);
    else if (++s->waited >= o->patience)
        return "did not improve any more";
    return NULL;
}

static mr_status check(void *self, mr_step *step)
{
    stopping *s = self;
    double value;
    mr_status status = mr__monitor_look(&s->seen, step, s->monitor, &value);
    if (status != MR_OK || s->stopped)
        return status == MR_END ? MR_OK : status;
    const char *why = why_now(s, value);
    if (!why)
        return MR_OK;
    s->stopped = 1;
    if (s->opts.verbose)
        mr__log(MR_LOG_INFO, "Monitored metric %s %s: %g, best score: %.3f. Signaling Trainer to stop.",
                s->monitor, why, value, s->best);
    mr_trainer_stop(step->trainer);
    return MR_OK;
}

/* By then it must have been there. */
static mr_status epoch_begins(void *self, mr_step *step)
{
    const stopping *s = self;
    return s->opts.not_strict || s->seen.count || step->epoch < step->trainer->check_val_every
               ? MR_OK
               : mr__monitor_missing(step, s->monitor);
}

static mr_status end(void *self, mr_step *step)
{
    stopping *s = self;
    (void)step;
    copy_weights(s, true);
    return MR_OK;
}

static void destroy(void *self)
{
    stopping *s = self;
    drop_state(s);
    mr__free(s->monitor);
}

static const mr_callback_vtable vtable = { .name = "EarlyStopping",
                                           .on_fit_start = begin,
                                           .on_train_epoch_start = epoch_begins,
                                           .on_metrics = check,
                                           .on_fit_end = end,
                                           .state = state,
                                           .destroy = destroy };

mr_callback *mr_early_stopping_new(const char *monitor, const mr_early_stopping_opts *opts)
{
    static const char call[] = "early_stopping";
    stopping s = { .opts = opts ? *opts : (mr_early_stopping_opts){ 0 } };
    s.opts.min_delta = mr__option(s.opts.min_delta, 0);
    s.opts.patience = mr__option_int(s.opts.patience, 3);
    if (!monitor || !*monitor) {
        mr__raise(MR_ERR_ARGUMENT, "%s: monitor is %s", call, monitor ? "empty" : "NULL");
        return NULL;
    }
    if ((unsigned)s.opts.mode > MR_MORE_IS_BETTER)
        mr__raise(MR_ERR_ARGUMENT, "%s: there is no mode %d", call, (int)s.opts.mode);
    else if (s.opts.patience < 0)
        mr__raise(MR_ERR_ARGUMENT, "%s: patience %lld is negative", call, (long long)s.opts.patience);
    else if (!(s.opts.min_delta >= 0))
        mr__raise(MR_ERR_ARGUMENT, "%s: min_delta %g is negative", call, s.opts.min_delta);
    else if ((s.monitor = mr__strdup(monitor)) != NULL) {
        mr_callback *callback = mr_callback_new(&vtable, &s, sizeof s);
        if (!callback)
            mr__free(s.monitor);
        return callback;
    }
    return NULL;
}

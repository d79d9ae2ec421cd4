/* EarlyStopping. */
#include "average.h"
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
    char *weights; /* of the best check; NULL: not wanted */
    mr__state state;
} stopping;

/* ---- the best weights ---- */

static void drop_state(stopping *s)
{
    mr__state_drop(&s->state);
    mr__free(s->weights);
    s->weights = NULL;
}

/* Before there is a best one. */
static double worst(const stopping *s)
{
    return s->opts.mode == MR_LESS_IS_BETTER ? INFINITY : -INFINITY;
}

/* At the end the model cannot have the best weights and an average that no check has seen. */
static mr_status check_others(const mr__fit *fit)
{
    const mr_trainer *t = fit->trainer;
    for (size_t i = 0; i < t->callbacks; i++) {
        const mr__average_use ema = mr__ema_use(t->callback[i]), swa = mr__swa_use(t->callback[i]);
        if (swa.at_end || (ema.at_end && !(ema.validated && fit->val_tape)))
            return mr__raise(MR_ERR_ARGUMENT,
                             "restore_best: %s would give the model an average that was not validated: it "
                             "needs not_at_end",
                             t->callback[i]->vtable->name);
    }
    return MR_OK;
}

static mr_status begin(void *self, mr_step *step)
{
    stopping *s = self;
    drop_state(s);
    s->model = step->model;
    s->waited = s->stopped = s->seen.count = 0;
    s->best = worst(s);
    if (!s->opts.restore_best)
        return MR_OK;
    if (check_others((const mr__fit *)step))
        return mr_error_status();
    mr_params list = mr_module_state(step->model);
    s->weights = mr__alloc(mr__copies_bytes(list));
    if (!s->weights)
        return MR_ERR_MEMORY;
    mr__copies_take(list, s->weights);
    return MR_OK;
}

static mr_params state(void *self)
{
    stopping *s = self;
    const mr_params list = s->weights ? mr_module_state(s->model) : (mr_params){ NULL, 0 };
    const bool listed = mr__state_add(&s->state, "", "best_score", MR_FLOAT64, MR_SCALAR, &s->best) &&
                        mr__state_add(&s->state, "", "wait_count", MR_INT64, MR_SCALAR, &s->waited) &&
                        mr__state_add(&s->state, "", "stopped", MR_INT64, MR_SCALAR, &s->stopped) &&
                        mr__state_add(&s->state, "", "checks", MR_INT64, MR_SCALAR, &s->seen.count) &&
                        mr__copies_list(&s->state, "", list, s->weights);
    return listed ? (mr_params){ s->state.item, s->state.count } : (mr_params){ NULL, 0 };
}

/* ---- checking ---- */

static bool is_better(const stopping *s, double value, double than, double by)
{
    return s->opts.mode == MR_LESS_IS_BETTER ? value < than - by : value > than + by;
}

/* The weights that the value was computed with: behind a validation with an average, that one. */
static void take_weights(stopping *s, const mr__fit *fit)
{
    mr__average *average = fit->log.validating ? fit->validated_with : NULL;
    if (average)
        mr__average_swap_in(average);
    mr__copies_take(mr_module_state(s->model), s->weights);
    if (average)
        mr__average_swap_out(average);
}

static void improved(stopping *s, const mr_step *step, double value)
{
    if (s->opts.verbose && isinf(s->best))
        mr__log(MR_LOG_INFO, "Metric %s improved. New best score: %.3f", s->monitor, value);
    else if (s->opts.verbose)
        mr__log(MR_LOG_INFO, "Metric %s improved by %.3f >= min_delta = %g. New best score: %.3f", s->monitor,
                fabs(s->best - value), s->opts.min_delta, value);
    s->best = value;
    s->waited = 0;
    if (s->weights)
        take_weights(s, (const mr__fit *)step);
}

/* Why it ends now; NULL: it does not. */
static const char *why_now(stopping *s, const mr_step *step, double value)
{
    const mr_early_stopping_opts *o = &s->opts;
    if (!o->no_finite_check && !isfinite(value))
        return "is not finite";
    if (o->has_stopping_threshold && is_better(s, value, o->stopping_threshold, 0)) {
        improved(s, step, value);
        return "has passed the stopping threshold";
    }
    if (o->has_divergence_threshold && is_better(s, -value, -o->divergence_threshold, 0))
        return "has passed the divergence threshold";
    if (is_better(s, value, s->best, o->min_delta))
        improved(s, step, value);
    else if (++s->waited >= o->patience)
        return "did not improve any more";
    return NULL;
}

static mr_status check(void *self, mr_step *step)
{
    stopping *s = self;
    double value;
    mr_status status = mr__monitor_look(&s->seen, step, s->monitor, !s->opts.not_strict, &value);
    if (status != MR_OK)
        return status == MR_END ? MR_OK : status;
    if (s->stopped) { /* and the training goes on to its least length: what comes may still be the best */
        if (is_better(s, value, s->best, s->opts.min_delta))
            improved(s, step, value);
        return MR_OK;
    }
    const char *why = why_now(s, step, value);
    if (!why)
        return MR_OK;
    s->stopped = 1;
    if (s->opts.verbose)
        mr__log(MR_LOG_INFO, "Monitored metric %s %s: %g, best score: %.3f. Signaling Trainer to stop.",
                s->monitor, why, value, s->best);
    mr_trainer_stop(step->trainer);
    return MR_OK;
}

static mr_status end(void *self, mr_step *step)
{
    stopping *s = self;
    if (!s->weights || s->best == worst(s))
        return MR_OK;
    mr__copies_put_back(mr_module_state(s->model), s->weights);
    ((mr__fit *)step)->ends_as_best = true;
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

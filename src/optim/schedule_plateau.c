/* ReduceLROnPlateau. */
#include "schedule.h"

#include <math.h>

static bool better(const mr_reduce_lr_on_plateau_opts *o, double value, double best)
{
    const bool relative = o->threshold_mode == MR_THRESHOLD_REL;
    if (o->mode == MR_PLATEAU_MIN)
        return value < (relative ? best * (1. - o->threshold) : best - o->threshold);
    return value > (relative ? best * (o->threshold + 1.) : best + o->threshold);
}

static void reduce(mr_schedule *s)
{
    const mr_reduce_lr_on_plateau_opts *o = &s->of.plateau.opts;
    for (size_t i = 0; i < s->groups; i++) {
        double old = mr_optim_group_lr(s->optim, (int)i), lowest = s->base[i];
        double lr = lowest > old * o->factor ? lowest : old * o->factor;
        if (old - lr > o->eps)
            mr_optim_set_group_lr(s->optim, (int)i, lr);
    }
}

static mr_status step_metric(mr_schedule *s, double metric)
{
    const mr_reduce_lr_on_plateau_opts *o = &s->of.plateau.opts;
    s->last_epoch++;
    if (better(o, metric, s->of.plateau.best)) {
        s->of.plateau.best = metric;
        s->of.plateau.bad = 0;
    } else {
        s->of.plateau.bad++;
    }
    if (s->of.plateau.cooling > 0) {
        s->of.plateau.cooling--;
        s->of.plateau.bad = 0;
    }
    if (s->of.plateau.bad > o->patience) {
        reduce(s);
        s->of.plateau.cooling = o->cooldown;
        s->of.plateau.bad = 0;
    }
    for (size_t i = 0; i < s->groups; i++)
        s->last[i] = mr_optim_group_lr(s->optim, (int)i);
    return MR_OK;
}

static const mr__schedule_kind plateau_kind = {
    .name = "reduce_lr_on_plateau",
    .step_metric = step_metric,
    .own = { { "best", MR_FLOAT64, offsetof(mr_schedule, of.plateau.best) },
             { "num_bad_epochs", MR_INT64, offsetof(mr_schedule, of.plateau.bad) },
             { "cooldown_counter", MR_INT64, offsetof(mr_schedule, of.plateau.cooling) } },
};

static bool fill_in(const char *call, mr_reduce_lr_on_plateau_opts *o)
{
    o->factor = mr__option(o->factor, 0.1);
    o->patience = mr__option_int(o->patience, 10);
    o->threshold = mr__option(o->threshold, 1e-4);
    o->cooldown = mr__option_int(o->cooldown, 0);
    o->min_lr = mr__option(o->min_lr, 0);
    o->eps = mr__option(o->eps, 1e-8);
    if ((unsigned)o->mode > MR_PLATEAU_MAX || (unsigned)o->threshold_mode > MR_THRESHOLD_ABS) {
        mr__raise(MR_ERR_ARGUMENT, "%s: there is no mode %d with a threshold mode %d", call, (int)o->mode,
                  (int)o->threshold_mode);
        return false;
    }
    return mr__option_within(call, "factor", o->factor, 0, 1) &&
           mr__schedule_at_least(call, "patience", o->patience, 0) &&
           mr__schedule_finite(call, "threshold", o->threshold) &&
           mr__schedule_at_least(call, "cooldown", o->cooldown, 0) &&
           mr__schedule_finite(call, "min_lr", o->min_lr) && mr__schedule_finite(call, "eps", o->eps);
}

mr_schedule *mr_reduce_lr_on_plateau_new(mr_optim *optim, const mr_reduce_lr_on_plateau_opts *opts)
{
    const char *call = plateau_kind.name;
    mr_reduce_lr_on_plateau_opts o = opts ? *opts : (mr_reduce_lr_on_plateau_opts){ 0 };
    if (!fill_in(call, &o))
        return NULL;
    mr_schedule *s = mr__schedule_new(&plateau_kind, optim);
    if (!s)
        return NULL;
    for (size_t i = 0; i < s->groups; i++) {
        s->base[i] = o.min_lrs ? o.min_lrs[i] : o.min_lr;
        if (!mr__schedule_finite(call, "min_lr", s->base[i])) {
            mr_schedule_free(s);
            return NULL;
        }
    }
    o.min_lrs = NULL;
    s->of.plateau.opts = o;
    s->of.plateau.best = o.mode == MR_PLATEAU_MIN ? INFINITY : -INFINITY;
    s->last_epoch = 0;
    return s;
}

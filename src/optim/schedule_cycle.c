/* OneCycleLR and CyclicLR, which move the momentum as well. */
#include "schedule.h"

#include <math.h>

static bool spread_momenta(const mr_schedule *s, const double *bases, double base, const double *maxima,
                           double max)
{
    if (!s->kind->momentum)
        return true;
    if (!s->optim->kind->momentum) {
        mr__raise(MR_ERR_ARGUMENT, "%s: %s has no momentum to cycle: set no_cycle_momentum", s->kind->name,
                  s->optim->kind->name);
        return false;
    }
    if (!mr__schedule_spread(s, "base_momentum", s->base_momentum, bases, base) ||
        !mr__schedule_spread(s, "max_momentum", s->max_momentum, maxima, max))
        return false;
    for (size_t i = 0; i < s->groups; i++)
        if (!mr__option_within(s->kind->name, "base_momentum", s->base_momentum[i], 0, 1) ||
            !mr__option_within(s->kind->name, "max_momentum", s->max_momentum[i], 0, 1))
            return false;
    return true;
}

/* ---- OneCycleLR ---- */

enum { INITIAL, PEAK, LOWEST };

static const struct {
    int from, to;
} two_phases[] = { { INITIAL, PEAK }, { PEAK, LOWEST } },
  three_phases[] = { { INITIAL, PEAK }, { PEAK, INITIAL }, { INITIAL, LOWEST } };

static double anneal(mr_anneal how, double start, double end, double share)
{
    if (how == MR_ANNEAL_LINEAR)
        return (end - start) * share + start;
    return end + (start - end) / 2.0 * (cos(3.141592653589793 * share) + 1);
}

/* Where in which phase this step is. */
static double find_phase(const mr_schedule *s, int *from, int *to)
{
    const int last = s->of.one.three_phase ? 2 : 1;
    const double at = (double)s->last_epoch;
    int i = 0;
    while (i < last && at > s->of.one.end[i])
        i++;
    const double start = i ? s->of.one.end[i - 1] : 0;
    *from = last == 2 ? three_phases[i].from : two_phases[i].from;
    *to = last == 2 ? three_phases[i].to : two_phases[i].to;
    return (at - start) / (s->of.one.end[i] - start);
}

static double rate_at(const mr_schedule *s, size_t group, int level)
{
    return level == PEAK      ? s->max_lr[group]
           : level == INITIAL ? s->base[group]
                              : s->base[group] / s->of.one.final_div;
}

static bool one_cycle_rate(const mr_schedule *s, size_t group, double now, double *rate)
{
    (void)now;
    if (s->last_epoch > s->of.one.steps) {
        mr__raise(MR_ERR_STATE, "%s: step %lld of %lld", s->kind->name, (long long)s->last_epoch,
                  (long long)s->of.one.steps);
        return false;
    }
    int from, to;
    const double share = find_phase(s, &from, &to);
    if (!isfinite(share)) {
        mr__raise(MR_ERR_ARGUMENT, "%s: a phase of no length at step %lld: change pct_start or total_steps",
                  s->kind->name, (long long)s->last_epoch);
        return false;
    }
    *rate = anneal(s->of.one.anneal, rate_at(s, group, from), rate_at(s, group, to), share);
    return true;
}

static double one_cycle_momentum(const mr_schedule *s, size_t group)
{
    int from, to;
    const double share = find_phase(s, &from, &to);
    const double base = s->base_momentum[group], max = s->max_momentum[group];
    const double momentum =
        anneal(s->of.one.anneal, from == PEAK ? base : max, to == PEAK ? base : max, share);
    /* The line may leave the range of a beta in the step behind the last batch. */
    const double below = s->optim->kind->momentum_below;
    return momentum < 0 ? 0 : momentum < below ? momentum : nextafter(below, 0);
}

static const mr__schedule_kind one_cycle_kinds[2] = {
    { .name = "one_cycle_lr", .rate = one_cycle_rate, .momentum = one_cycle_momentum },
    { .name = "one_cycle_lr", .rate = one_cycle_rate },
};

static bool positive(const char *call, const char *name, double value)
{
    if (value > 0)
        return true;
    mr__raise(MR_ERR_ARGUMENT, "%s: %s %g is not positive", call, name, value);
    return false;
}

static bool fill_in_one_cycle(const char *call, mr_one_cycle_lr_opts *o, double max_lr, int64_t total_steps)
{
    o->pct_start = mr__option(o->pct_start, 0.3);
    o->base_momentum = mr__option(o->base_momentum, 0.85);
    o->max_momentum = mr__option(o->max_momentum, 0.95);
    o->div_factor = mr__option(o->div_factor, 25);
    o->final_div_factor = mr__option(o->final_div_factor, 1e4);
    if ((unsigned)o->anneal > MR_ANNEAL_LINEAR) {
        mr__raise(MR_ERR_ARGUMENT, "%s: there is no way %d to anneal", call, (int)o->anneal);
        return false;
    }
    return positive(call, "div_factor", o->div_factor) &&
           positive(call, "final_div_factor", o->final_div_factor) &&
           (o->max_lrs || mr__schedule_finite(call, "max_lr", max_lr)) &&
           mr__schedule_at_least(call, "total_steps", total_steps, 1) &&
           mr__schedule_factor(call, "pct_start", o->pct_start, true);
}

mr_schedule *mr_one_cycle_lr_new(mr_optim *optim, double max_lr, int64_t total_steps,
                                 const mr_one_cycle_lr_opts *opts)
{
    mr_one_cycle_lr_opts o = opts ? *opts : (mr_one_cycle_lr_opts){ 0 };
    const mr__schedule_kind *kind = &one_cycle_kinds[o.no_cycle_momentum];
    if (!fill_in_one_cycle(kind->name, &o, max_lr, total_steps))
        return NULL;
    mr_schedule *s = mr__schedule_new(kind, optim);
    if (!s)
        return NULL;
    if (!mr__schedule_spread(s, "max_lr", s->max_lr, o.max_lrs, max_lr) ||
        !spread_momenta(s, o.base_momenta, o.base_momentum, o.max_momenta, o.max_momentum)) {
        mr_schedule_free(s);
        return NULL;
    }
    const double steps = (double)total_steps;
    s->of.one.steps = total_steps;
    s->of.one.anneal = o.anneal;
    s->of.one.three_phase = o.three_phase;
    s->of.one.final_div = o.final_div_factor;
    s->of.one.end[0] = o.pct_start * steps - 1;
    s->of.one.end[1] = o.three_phase ? 2 * o.pct_start * steps - 2 : steps - 1;
    s->of.one.end[2] = steps - 1;
    for (size_t i = 0; i < s->groups; i++)
        mr__set_initial_lr(optim, i, s->max_lr[i] / o.div_factor);
    return mr__schedule_begin(s);
}

/* ---- CyclicLR ---- */

/* How far up a cycle is at this step, and the factor of its height. */
static bool find_height(const mr_schedule *s, double *up, double *factor)
{
    const double at = (double)s->last_epoch;
    const double cycle = floor(1 + at / s->of.cyclic.total);
    const double x = 1. + at / s->of.cyclic.total - cycle, ratio = s->of.cyclic.ratio;
    *up = x <= ratio ? x / ratio : (x - 1) / (ratio - 1);
    if (s->of.cyclic.scale)
        *factor = s->of.cyclic.scale(s->of.cyclic.user, s->of.cyclic.by_step ? at : cycle);
    else if (s->of.cyclic.mode == MR_CYCLIC_TRIANGULAR2)
        *factor = 1 / pow(2., cycle - 1);
    else
        *factor = s->of.cyclic.mode == MR_CYCLIC_EXP_RANGE ? pow(s->of.cyclic.gamma, at) : 1.;
    if (s->of.cyclic.scale && !mr__pending() && !isfinite(*factor))
        mr__raise(MR_ERR_CALLBACK, "%s: the scale at step %lld is %g", s->kind->name,
                  (long long)s->last_epoch, *factor);
    return !s->of.cyclic.scale || !mr__pending();
}

static bool cyclic_rate(const mr_schedule *s, size_t group, double now, double *rate)
{
    (void)now;
    double up, factor;
    if (!find_height(s, &up, &factor))
        return false;
    *rate = s->base[group] + (s->max_lr[group] - s->base[group]) * up * factor;
    return true;
}

static double cyclic_momentum(const mr_schedule *s, size_t group)
{
    double up, factor;
    find_height(s, &up, &factor);
    const double base = s->base_momentum[group], max = s->max_momentum[group];
    return max - (max - base) * up * factor;
}

static const mr__schedule_kind cyclic_kinds[2] = {
    { .name = "cyclic_lr", .rate = cyclic_rate, .momentum = cyclic_momentum },
    { .name = "cyclic_lr", .rate = cyclic_rate },
};

static bool fill_in_cyclic(const char *call, mr_cyclic_lr_opts *o, double base_lr, double max_lr)
{
    o->step_size_up = mr__option_int(o->step_size_up, 2000);
    o->step_size_down = mr__option_int(o->step_size_down, o->step_size_up);
    o->gamma = mr__option(o->gamma, 1);
    o->base_momentum = mr__option(o->base_momentum, 0.8);
    o->max_momentum = mr__option(o->max_momentum, 0.9);
    if ((unsigned)o->mode > MR_CYCLIC_EXP_RANGE) {
        mr__raise(MR_ERR_ARGUMENT, "%s: there is no mode %d", call, (int)o->mode);
        return false;
    }
    return (o->base_lrs || mr__schedule_finite(call, "base_lr", base_lr)) &&
           (o->max_lrs || mr__schedule_finite(call, "max_lr", max_lr)) &&
           mr__schedule_at_least(call, "step_size_up", o->step_size_up, 1) &&
           mr__schedule_at_least(call, "step_size_down", o->step_size_down, 1) &&
           mr__schedule_finite(call, "gamma", o->gamma);
}

mr_schedule *mr_cyclic_lr_new(mr_optim *optim, double base_lr, double max_lr, const mr_cyclic_lr_opts *opts)
{
    mr_cyclic_lr_opts o = opts ? *opts : (mr_cyclic_lr_opts){ 0 };
    const mr__schedule_kind *kind = &cyclic_kinds[o.no_cycle_momentum];
    if (!fill_in_cyclic(kind->name, &o, base_lr, max_lr))
        return NULL;
    mr_schedule *s = mr__schedule_new(kind, optim);
    if (!s)
        return NULL;
    if (!mr__schedule_spread(s, "base_lr", s->next, o.base_lrs, base_lr) ||
        !mr__schedule_spread(s, "max_lr", s->max_lr, o.max_lrs, max_lr) ||
        !spread_momenta(s, o.base_momenta, o.base_momentum, o.max_momenta, o.max_momentum)) {
        mr_schedule_free(s);
        return NULL;
    }
    const double up = (double)o.step_size_up;
    s->of.cyclic.total = up + (double)o.step_size_down;
    s->of.cyclic.ratio = up / s->of.cyclic.total;
    s->of.cyclic.gamma = o.gamma;
    s->of.cyclic.mode = o.mode;
    s->of.cyclic.scale = o.scale;
    s->of.cyclic.user = o.user;
    s->of.cyclic.by_step = o.by_step;
    for (size_t i = 0; i < s->groups; i++)
        mr_optim_set_group_lr(optim, (int)i, s->next[i]);
    s = mr__schedule_begin(s);
    /* As in torch, step 0 gives the initial rate, which is another one when a schedule came before. */
    for (size_t i = 0; s && i < s->groups; i++)
        s->base[i] = o.base_lrs ? o.base_lrs[i] : base_lr;
    return s;
}

/* Schedules that decay: by steps, by a constant, in a line, by a power. */
#include "schedule.h"

#include "base/alloc.h"

#include <math.h>

/* ---- StepLR ---- */

static bool step_rate(const mr_schedule *s, size_t group, double now, double *rate)
{
    (void)group;
    bool at_rest = s->last_epoch == 0 || s->last_epoch % s->of.step.size != 0;
    *rate = at_rest ? now : now * s->of.step.gamma;
    return true;
}

mr_schedule *mr_step_lr_new(mr_optim *optim, int64_t step_size, const mr_step_lr_opts *opts)
{
    static const mr__schedule_kind kind = { .name = "step_lr", .rate = step_rate };
    double gamma = mr__option(opts ? opts->gamma : 0, 0.1);
    if (!mr__schedule_at_least(kind.name, "step_size", step_size, 1) ||
        !mr__schedule_finite(kind.name, "gamma", gamma))
        return NULL;
    mr_schedule *s = mr__schedule_new(&kind, optim);
    if (s) {
        s->of.step.size = step_size;
        s->of.step.gamma = gamma;
    }
    return mr__schedule_begin(s);
}

/* ---- ExponentialLR ---- */

static bool exponential_rate(const mr_schedule *s, size_t group, double now, double *rate)
{
    (void)group;
    *rate = s->last_epoch == 0 ? now : now * s->of.step.gamma;
    return true;
}

mr_schedule *mr_exponential_lr_new(mr_optim *optim, double gamma)
{
    static const mr__schedule_kind kind = { .name = "exponential_lr", .rate = exponential_rate };
    if (!mr__schedule_finite(kind.name, "gamma", gamma))
        return NULL;
    mr_schedule *s = mr__schedule_new(&kind, optim);
    if (s)
        s->of.step.gamma = gamma;
    return mr__schedule_begin(s);
}

/* ---- MultiStepLR ---- */

static bool multi_rate(const mr_schedule *s, size_t group, double now, double *rate)
{
    (void)group;
    int times = 0;
    for (size_t i = 0; i < s->of.multi.count; i++)
        times += s->of.multi.milestones[i] == s->last_epoch;
    *rate = times ? now * pow(s->of.multi.gamma, times) : now;
    return true;
}

static void free_milestones(mr_schedule *s)
{
    mr__free(s->of.multi.milestones);
}

mr_schedule *mr_multi_step_lr_new(mr_optim *optim, const int64_t *milestones, size_t count,
                                  const mr_multi_step_lr_opts *opts)
{
    static const mr__schedule_kind kind = { .name = "multi_step_lr",
                                            .rate = multi_rate,
                                            .destroy = free_milestones };
    double gamma = mr__option(opts ? opts->gamma : 0, 0.1);
    if (count && !milestones) {
        mr__null(kind.name, "milestones");
        return NULL;
    }
    for (size_t i = 0; i < count; i++)
        if (!mr__schedule_at_least(kind.name, "a milestone of", milestones[i], 0))
            return NULL;
    if (!mr__schedule_finite(kind.name, "gamma", gamma))
        return NULL;
    mr_schedule *s = mr__schedule_new(&kind, optim);
    if (!s)
        return NULL;
    s->of.multi.gamma = gamma;
    s->of.multi.milestones = mr__alloc_array(count ? count : 1, sizeof *milestones);
    if (!s->of.multi.milestones) {
        mr_schedule_free(s);
        return NULL;
    }
    s->of.multi.count = count;
    for (size_t i = 0; i < count; i++)
        s->of.multi.milestones[i] = milestones[i];
    return mr__schedule_begin(s);
}

/* ---- ConstantLR ---- */

static bool constant_rate(const mr_schedule *s, size_t group, double now, double *rate)
{
    (void)group;
    double factor = s->of.ramp.start;
    *rate = s->last_epoch == 0                  ? now * factor
            : s->last_epoch == s->of.ramp.iters ? now * (1.0 / factor)
                                                : now;
    return true;
}

mr_schedule *mr_constant_lr_new(mr_optim *optim, const mr_constant_lr_opts *opts)
{
    static const mr__schedule_kind kind = { .name = "constant_lr", .rate = constant_rate };
    double factor = mr__option(opts ? opts->factor : 0, 1.0 / 3);
    int64_t iters = mr__option_int(opts ? opts->total_iters : 0, 5);
    if (!mr__schedule_factor(kind.name, "factor", factor, false) ||
        !mr__schedule_at_least(kind.name, "total_iters", iters, 1))
        return NULL;
    mr_schedule *s = mr__schedule_new(&kind, optim);
    if (s) {
        s->of.ramp.start = factor;
        s->of.ramp.iters = iters;
    }
    return mr__schedule_begin(s);
}

/* ---- LinearLR ---- */

static bool linear_rate(const mr_schedule *s, size_t group, double now, double *rate)
{
    (void)group;
    const double start = s->of.ramp.start, rise = s->of.ramp.end - start;
    if (s->last_epoch == 0)
        *rate = now * start;
    else if (s->last_epoch > s->of.ramp.iters)
        *rate = now;
    else
        *rate = now * (1. + rise / ((double)s->of.ramp.iters * start + (double)(s->last_epoch - 1) * rise));
    return true;
}

mr_schedule *mr_linear_lr_new(mr_optim *optim, const mr_linear_lr_opts *opts)
{
    static const mr__schedule_kind kind = { .name = "linear_lr", .rate = linear_rate };
    double start = mr__option(opts ? opts->start_factor : 0, 1.0 / 3);
    double end = mr__option(opts ? opts->end_factor : 0, 1);
    int64_t iters = mr__option_int(opts ? opts->total_iters : 0, 5);
    if (!mr__schedule_factor(kind.name, "start_factor", start, false) ||
        !mr__schedule_factor(kind.name, "end_factor", end, true) ||
        !mr__schedule_at_least(kind.name, "total_iters", iters, 1))
        return NULL;
    mr_schedule *s = mr__schedule_new(&kind, optim);
    if (s) {
        s->of.ramp.start = start;
        s->of.ramp.end = end;
        s->of.ramp.iters = iters;
    }
    return mr__schedule_begin(s);
}

/* ---- PolynomialLR ---- */

static bool polynomial_rate(const mr_schedule *s, size_t group, double now, double *rate)
{
    (void)group;
    const double at = (double)s->last_epoch, iters = (double)s->of.ramp.iters;
    *rate = now;
    if (s->last_epoch != 0 && s->last_epoch <= s->of.ramp.iters)
        *rate = now * pow((1.0 - at / iters) / (1.0 - (at - 1) / iters), s->of.ramp.power);
    return true;
}

mr_schedule *mr_polynomial_lr_new(mr_optim *optim, const mr_polynomial_lr_opts *opts)
{
    static const mr__schedule_kind kind = { .name = "polynomial_lr", .rate = polynomial_rate };
    int64_t iters = mr__option_int(opts ? opts->total_iters : 0, 5);
    double power = mr__option(opts ? opts->power : 0, 1);
    if (!mr__schedule_at_least(kind.name, "total_iters", iters, 1) ||
        !mr__schedule_finite(kind.name, "power", power))
        return NULL;
    mr_schedule *s = mr__schedule_new(&kind, optim);
    if (s) {
        s->of.ramp.power = power;
        s->of.ramp.iters = iters;
    }
    return mr__schedule_begin(s);
}

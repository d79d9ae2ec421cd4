/* CosineAnnealingLR and CosineAnnealingWarmRestarts. */
#include "schedule.h"

#include <math.h>

static const double pi = 3.141592653589793;

static bool annealing_rate(const mr_schedule *s, size_t group, double now, double *rate)
{
    const int64_t at = s->last_epoch, t_max = s->of.cosine.t_max;
    const double eta_min = s->of.cosine.eta_min, t = (double)t_max;
    if (at == 0)
        *rate = now;
    else if ((at - 1 - t_max) % (2 * t_max) ==
             0) /* the rate is at its lowest: no factor leads up from there */
        *rate = now + (s->base[group] - eta_min) * (1 - cos(pi / t)) / 2;
    else
        *rate =
            (1 + cos(pi * (double)at / t)) / (1 + cos(pi * (double)(at - 1) / t)) * (now - eta_min) + eta_min;
    return true;
}

mr_schedule *mr_cosine_annealing_lr_new(mr_optim *optim, int64_t t_max,
                                        const mr_cosine_annealing_lr_opts *opts)
{
    static const mr__schedule_kind kind = { .name = "cosine_annealing_lr", .rate = annealing_rate };
    double eta_min = mr__option(opts ? opts->eta_min : 0, 0);
    if (!mr__schedule_at_least(kind.name, "t_max", t_max, 1) ||
        !mr__schedule_finite(kind.name, "eta_min", eta_min))
        return NULL;
    if (t_max > INT64_MAX / 2) {
        mr__raise(MR_ERR_ARGUMENT, "%s: t_max %lld is too large", kind.name, (long long)t_max);
        return NULL;
    }
    mr_schedule *s = mr__schedule_new(&kind, optim);
    if (s) {
        s->of.cosine.t_max = t_max;
        s->of.cosine.eta_min = eta_min;
    }
    return mr__schedule_begin(s);
}

/* ---- with restarts ---- */

static void restarts_move(mr_schedule *s)
{
    if (s->last_epoch == 0) {
        s->of.cosine.t_cur = 0;
        return;
    }
    if (++s->of.cosine.t_cur < s->of.cosine.t_i)
        return;
    s->of.cosine.t_cur -= s->of.cosine.t_i;
    if (__builtin_mul_overflow(s->of.cosine.t_i, s->of.cosine.t_mult, &s->of.cosine.t_i))
        s->of.cosine.t_i = INT64_MAX;
}

static bool restarts_rate(const mr_schedule *s, size_t group, double now, double *rate)
{
    (void)now;
    const double eta_min = s->of.cosine.eta_min;
    const double share = pi * (double)s->of.cosine.t_cur / (double)s->of.cosine.t_i;
    *rate = eta_min + (s->base[group] - eta_min) * (1 + cos(share)) / 2;
    return true;
}

mr_schedule *mr_cosine_annealing_warm_restarts_new(mr_optim *optim, int64_t t_0,
                                                   const mr_cosine_annealing_warm_restarts_opts *opts)
{
    static const mr__schedule_kind kind = {
        .name = "cosine_annealing_warm_restarts",
        .rate = restarts_rate,
        .move = restarts_move,
        .own = { { "T_i", MR_INT64, offsetof(mr_schedule, of.cosine.t_i) },
                 { "T_cur", MR_INT64, offsetof(mr_schedule, of.cosine.t_cur) } },
    };
    int64_t t_mult = mr__option_int(opts ? opts->t_mult : 0, 1);
    double eta_min = mr__option(opts ? opts->eta_min : 0, 0);
    if (!mr__schedule_at_least(kind.name, "t_0", t_0, 1) ||
        !mr__schedule_at_least(kind.name, "t_mult", t_mult, 1) ||
        !mr__schedule_finite(kind.name, "eta_min", eta_min))
        return NULL;
    mr_schedule *s = mr__schedule_new(&kind, optim);
    if (s) {
        s->of.cosine.t_i = t_0;
        s->of.cosine.t_mult = t_mult;
        s->of.cosine.eta_min = eta_min;
    }
    return mr__schedule_begin(s);
}

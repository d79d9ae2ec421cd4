/* LambdaLR and MultiplicativeLR: the factor comes from the user. */
#include "schedule.h"

#include <math.h>

static bool factor_of(const mr_schedule *s, size_t group, double *factor)
{
    *factor = s->of.lambda.factor(s->of.lambda.user, (int)group, s->last_epoch);
    if (!mr__pending() && (!isfinite(*factor) || *factor < 0))
        mr__raise(MR_ERR_CALLBACK, "%s: the factor of group %zu at step %lld is %g", s->kind->name, group,
                  (long long)s->last_epoch, *factor);
    return !mr__pending();
}

static bool lambda_rate(const mr_schedule *s, size_t group, double now, double *rate)
{
    (void)now;
    double factor;
    if (!factor_of(s, group, &factor))
        return false;
    *rate = s->base[group] * factor;
    return true;
}

static bool multiplicative_rate(const mr_schedule *s, size_t group, double now, double *rate)
{
    double factor = 1;
    if (s->last_epoch > 0 && !factor_of(s, group, &factor))
        return false;
    *rate = now * factor;
    return true;
}

static mr_schedule *make(const mr__schedule_kind *kind, mr_optim *optim, mr_lr_factor factor, void *user)
{
    if (!factor) {
        mr__null(kind->name, "factor");
        return NULL;
    }
    mr_schedule *s = mr__schedule_new(kind, optim);
    if (s) {
        s->of.lambda.factor = factor;
        s->of.lambda.user = user;
    }
    return mr__schedule_begin(s);
}

mr_schedule *mr_lambda_lr_new(mr_optim *optim, mr_lr_factor factor, void *user)
{
    static const mr__schedule_kind kind = { .name = "lambda_lr", .rate = lambda_rate };
    return make(&kind, optim, factor, user);
}

mr_schedule *mr_multiplicative_lr_new(mr_optim *optim, mr_lr_factor factor, void *user)
{
    static const mr__schedule_kind kind = { .name = "multiplicative_lr",
                                            .rate = multiplicative_rate,
                                            .relative = true };
    return make(&kind, optim, factor, user);
}

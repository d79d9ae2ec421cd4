/* SWALR: to a constant rate, for stochastic weight averaging. */
#include "schedule.h"

#include <math.h>

/* How much of the way is behind a step. */
static double share_at(int64_t step, int64_t anneal_epochs, mr_anneal anneal)
{
    const double t = step <= 0 ? 0 : fmin(1, (double)step / fmax(1, (double)anneal_epochs));
    return anneal == MR_ANNEAL_LINEAR ? t : (1 - cos(3.141592653589793 * t)) / 2;
}

double mr__swa_rate(double now, double swa_lr, int64_t step, int64_t anneal_epochs, mr_anneal anneal)
{
    if (anneal_epochs == 0 && step < 1)
        step = 1;
    const double before = share_at(step - 1, anneal_epochs, anneal),
                 share = share_at(step, anneal_epochs, anneal),
                 first = before == 1 ? swa_lr : (now - before * swa_lr) / (1 - before);
    return swa_lr * share + first * (1 - share);
}

static bool swa_rate(const mr_schedule *s, size_t group, double now, double *rate)
{
    *rate = mr__swa_rate(now, s->max_lr[group], s->last_epoch, s->of.swa.epochs, s->of.swa.anneal);
    return true;
}

mr_schedule *mr_swa_lr_new(mr_optim *optim, double swa_lr, const mr_swa_lr_opts *opts)
{
    static const mr__schedule_kind kind = { .name = "swa_lr", .rate = swa_rate, .relative = true };
    const int64_t epochs = mr__option_int(opts ? opts->anneal_epochs : 0, 10);
    const mr_anneal anneal = opts ? opts->anneal : MR_ANNEAL_COS;
    if (!mr__schedule_at_least(kind.name, "anneal_epochs", epochs, 0))
        return NULL;
    if ((unsigned)anneal > MR_ANNEAL_LINEAR) {
        mr__raise(MR_ERR_ARGUMENT, "%s: there is no annealing %d", kind.name, (int)anneal);
        return NULL;
    }
    mr_schedule *s = mr__schedule_new(&kind, optim);
    if (s && !mr__schedule_spread(s, "swa_lr", s->max_lr, opts ? opts->swa_lrs : NULL, swa_lr)) {
        mr_schedule_free(s);
        return NULL;
    }
    if (s) {
        s->of.swa.epochs = epochs;
        s->of.swa.anneal = anneal;
    }
    return mr__schedule_begin(s);
}

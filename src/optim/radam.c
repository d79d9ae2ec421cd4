/* RAdam. State: exp_avg (m), exp_avg_sq (v). */
#include "optim.h"

#include <math.h>
#include <stddef.h>

/* What the step of update t is multiplied by; 0 while the mean of squares is of too few, and not to be used. */
static double rectification_at(const mr__group *group, int64_t t)
{
    double longest = 2 / (1 - group->opts.adam.beta2) - 1;
    double length = longest - 2 * (double)t * group->power2 / (1 - group->power2);
    if (!(length > 5))
        return 0;
    return sqrt((length - 4) * (length - 2) * longest / ((longest - 4) * (longest - 2) * length));
}

static void update_f64(const mr__arrays *a, int64_t n, const mr__group *group, double rectification)
{
    double *p = a->p, *m = a->state[0], *v = a->state[1];
    double beta1 = group->opts.adam.beta1, beta2 = group->opts.adam.beta2, eps = group->opts.adam.eps;
    double correction1 = 1 - group->power1, sqrt_correction2 = sqrt(1 - group->power2);
    for (int64_t i = 0; i < n; i++) {
        double g = ((double *)a->g)[i] + group->opts.adam.weight_decay * p[i];
        m[i] = m[i] * beta1 + (1 - beta1) * g;
        v[i] = v[i] * beta2 + (1 - beta2) * g * g;
        double step = m[i] / correction1 * group->lr;
        if (rectification > 0)
            step *= sqrt_correction2 / (sqrt(v[i]) + eps) * rectification;
        p[i] -= step;
    }
}

static void update_f32(const mr__arrays *a, int64_t n, const void *settings)
{
    mr__k->radam(a->p, a->g, a->state[0], a->state[1], n, settings);
}

static void update(mr__group *group, mr__range *range, int64_t offset, int64_t count, const mr__slot *like)
{
    const mr__arrays a = mr__arrays_at(range, offset);
    group->powers_at =
        -1; /* exactly: the length is a small difference, which makes an error a thousandfold */
    mr__advance_powers(group, group->opts.adam.beta1, group->opts.adam.beta2, like->steps);
    double rectification = rectification_at(group, like->steps);
    if (range->dtype == MR_FLOAT64) {
        update_f64(&a, count, group, rectification);
        return;
    }
    const mr__radam_step s = { .moments = mr__moments_of(group),
                               .correction1 = (float)(1 - group->power1),
                               .lr = (float)group->lr,
                               .sqrt_correction2 = (float)sqrt(1 - group->power2),
                               .rectification = (float)rectification };
    mr__update_parts(update_f32, &a, count, &s);
}

static const mr__optim_kind radam_kind = { .name = "radam",
                                           .state_count = 2,
                                           .state_name = { "exp_avg", "exp_avg_sq" },
                                           .update = update,
                                           .powers = true,
                                           .momentum = offsetof(mr__group, opts.adam.beta1),
                                           .momentum_name = "beta1",
                                           .momentum_below = 1 };

static bool setup_from(const char *call, const mr_radam_opts *opts, mr__setup *setup)
{
    static const mr_radam_opts defaults = { 0 };
    const mr_radam_opts *o = opts ? opts : &defaults;
    *setup = (mr__setup){ .kind = &radam_kind, .states = 3 };
    return mr__adam_options(call, setup, o->beta1, o->beta2, o->eps, o->weight_decay, 0);
}

MR__OPTIM_CALLS(radam, setup_from)

/* NAdam. State: exp_avg (m), exp_avg_sq (v), and mu_product, the product of all momenta so far, which torch keeps in
 * a float32. */
#include "optim.h"

#include <math.h>
#include <stddef.h>

/* The momentum of update t. */
static double momentum_at(const mr__group *group, int64_t t)
{
    return group->opts.adam.beta1 * (1 - 0.5 * pow(0.96, (double)t * group->opts.adam.momentum_decay));
}

static void advance(const mr__group *group, mr__slot *slot)
{
    slot->factor *= momentum_at(group, slot->steps);
}

static void update_f64(const mr__arrays *a, int64_t n, const mr__group *group, double correction2,
                       double gradient_step, double momentum_step)
{
    double *p = a->p, *m = a->state[0], *v = a->state[1];
    double beta1 = group->opts.adam.beta1, beta2 = group->opts.adam.beta2, eps = group->opts.adam.eps;
    for (int64_t i = 0; i < n; i++) {
        double g = ((double *)a->g)[i] + group->opts.adam.weight_decay * p[i];
        m[i] = m[i] * beta1 + (1 - beta1) * g;
        v[i] = v[i] * beta2 + (1 - beta2) * g * g;
        double root = sqrt(v[i] / correction2) + eps;
        p[i] += gradient_step * g / root;
        p[i] += momentum_step * m[i] / root;
    }
}

static void update_f32(const mr__arrays *a, int64_t n, const void *settings)
{
    mr__k->nadam(a->p, a->g, a->state[0], a->state[1], n, settings);
}

static void update(mr__group *group, mr__range *range, int64_t offset, int64_t count, const mr__slot *like)
{
    const mr__arrays a = mr__arrays_at(range, offset);
    double momentum = momentum_at(group, like->steps), next = momentum_at(group, like->steps + 1);
    mr__advance_powers(group, group->opts.adam.beta1, group->opts.adam.beta2, like->steps);
    double correction2 = 1 - group->power2;
    double gradient_step = -group->lr * (1 - momentum) / (1 - like->factor);
    double momentum_step = -group->lr * next / (1 - like->factor * next);
    if (range->dtype == MR_FLOAT64) {
        update_f64(&a, count, group, correction2, gradient_step, momentum_step);
        return;
    }
    const mr__nadam_step s = { .moments = mr__moments_of(group),
                               .correction2 = (float)correction2,
                               .gradient_step = (float)gradient_step,
                               .momentum_step = (float)momentum_step };
    mr__update_parts(update_f32, &a, count, &s);
}

static const mr__optim_kind nadam_kind = { .name = "nadam",
                                           .state_count = 2,
                                           .state_name = { "exp_avg", "exp_avg_sq" },
                                           .update = update,
                                           .powers = true,
                                           .advance = advance,
                                           .factor_name = "mu_product",
                                           .momentum = offsetof(mr__group, opts.adam.beta1),
                                           .momentum_name = "beta1",
                                           .momentum_below = 1 };

static bool setup_from(const char *call, const mr_nadam_opts *opts, mr__setup *setup)
{
    static const mr_nadam_opts defaults = { 0 };
    const mr_nadam_opts *o = opts ? opts : &defaults;
    *setup = (mr__setup){ .kind = &nadam_kind, .states = 3 };
    setup->opts.adam.momentum_decay = mr__option(o->momentum_decay, 4e-3);
    return mr__adam_options(call, setup, o->beta1, o->beta2, o->eps, o->weight_decay, 0) &&
           mr__option_within(call, "momentum_decay", setup->opts.adam.momentum_decay, 0, INFINITY);
}

MR__OPTIM_CALLS(nadam, setup_from)

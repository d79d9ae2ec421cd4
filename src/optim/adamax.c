/* Adamax. State: exp_avg (m) and exp_inf (u). */
#include "optim.h"

#include <math.h>
#include <stddef.h>

static void update_f64(const mr__arrays *a, int64_t n, double step_size, const mr__group *group)
{
    double *p = a->p, *m = a->state[0], *u = a->state[1];
    double beta1 = group->opts.adam.beta1, beta2 = group->opts.adam.beta2, eps = group->opts.adam.eps;
    for (int64_t i = 0; i < n; i++) {
        double g = ((double *)a->g)[i] + group->opts.adam.weight_decay * p[i];
        m[i] = m[i] * beta1 + (1 - beta1) * g;
        double decayed = u[i] * beta2, size = fabs(g) + eps;
        u[i] = decayed > size || isnan(decayed) ? decayed : size;
        p[i] -= step_size * m[i] / u[i];
    }
}

static void update_f32(const mr__arrays *a, int64_t n, const void *settings)
{
    mr__k->adamax(a->p, a->g, a->state[0], a->state[1], n, settings);
}

static void update(mr__group *group, mr__range *range, int64_t offset, int64_t count, const mr__slot *like)
{
    const mr__arrays a = mr__arrays_at(range, offset);
    double beta1 = group->opts.adam.beta1, beta2 = group->opts.adam.beta2;
    mr__advance_powers(group, beta1, beta2, like->steps);
    double step_size = group->lr / (1 - group->power1);
    if (range->dtype == MR_FLOAT64) {
        update_f64(&a, count, step_size, group);
        return;
    }
    const mr__adamax_step s = { .beta1 = (float)beta1,
                                .one_minus_beta1 = (float)(1 - beta1),
                                .beta2 = (float)beta2,
                                .eps = (float)group->opts.adam.eps,
                                .minus_step_size = (float)-step_size,
                                .weight_decay = (float)group->opts.adam.weight_decay };
    mr__update_parts(update_f32, &a, count, &s);
}

static const mr__optim_kind adamax_kind = { .name = "adamax",
                                            .state_count = 2,
                                            .state_name = { "exp_avg", "exp_inf" },
                                            .update = update,
                                            .powers = true,
                                            .momentum = offsetof(mr__group, opts.adam.beta1),
                                            .momentum_name = "beta1",
                                            .momentum_below = 1 };

static bool setup_from(const char *call, const mr_adamax_opts *opts, mr__setup *setup)
{
    static const mr_adamax_opts defaults = { 0 };
    const mr_adamax_opts *o = opts ? opts : &defaults;
    *setup = (mr__setup){ .kind = &adamax_kind, .states = 3 };
    return mr__adam_options(call, setup, o->beta1, o->beta2, o->eps, o->weight_decay, 0);
}

MR__OPTIM_CALLS(adamax, setup_from)

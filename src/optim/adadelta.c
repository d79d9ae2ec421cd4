/* Adadelta. State: square_avg and acc_delta, the means of the squares of gradients and of steps. */
#include "optim.h"

#include <math.h>

static void update_f64(const mr__arrays *a, int64_t n, double lr, const mr_adadelta_opts *o)
{
    double *p = a->p, *square = a->state[0], *steps = a->state[1];
    for (int64_t i = 0; i < n; i++) {
        double g = ((double *)a->g)[i] + o->weight_decay * p[i];
        square[i] = square[i] * o->rho + (1 - o->rho) * g * g;
        double step = sqrt(steps[i] + o->eps) / sqrt(square[i] + o->eps) * g;
        steps[i] = steps[i] * o->rho + (1 - o->rho) * step * step;
        p[i] -= lr * step;
    }
}

static void update_f32(const mr__arrays *a, int64_t n, const void *settings)
{
    mr__k->adadelta(a->p, a->g, a->state[0], a->state[1], n, settings);
}

static void update(mr__group *group, mr__range *range, int64_t offset, int64_t count, const mr__slot *like)
{
    (void)like;
    const mr_adadelta_opts *o = &group->opts.adadelta;
    const mr__arrays a = mr__arrays_at(range, offset);
    if (range->dtype == MR_FLOAT64) {
        update_f64(&a, count, group->lr, o);
        return;
    }
    const mr__adadelta_step s = { (float)-group->lr, (float)o->rho, (float)(1 - o->rho), (float)o->eps,
                                  (float)o->weight_decay };
    mr__update_parts(update_f32, &a, count, &s);
}

static const mr__optim_kind adadelta_kind = {
    .name = "adadelta", .state_count = 2, .state_name = { "square_avg", "acc_delta" }, .update = update
};

static bool setup_from(const char *call, const mr_adadelta_opts *opts, mr__setup *setup)
{
    static const mr_adadelta_opts defaults = { 0 };
    mr_adadelta_opts o = opts ? *opts : defaults;
    o.rho = mr__option(o.rho, 0.9);
    o.eps = mr__option(o.eps, 1e-6);
    o.weight_decay = mr__option(o.weight_decay, 0);
    *setup = (mr__setup){ .kind = &adadelta_kind, .states = 3, .opts = { .adadelta = o } };
    if (!(o.rho >= 0 && o.rho <= 1)) {
        mr__raise(MR_ERR_ARGUMENT, "%s: rho %g is not in [0, 1]", call, o.rho);
        return false;
    }
    return mr__option_within(call, "eps", o.eps, 0, INFINITY) &&
           mr__option_within(call, "weight_decay", o.weight_decay, 0, INFINITY);
}

MR__OPTIM_CALLS(adadelta, setup_from)

/* Stochastic gradient descent, with momentum. State: momentum_buffer. */
#include "optim.h"

#include <math.h>
#include <stddef.h>

static void update_f64(double *p, const double *gradient, double *buffer, int64_t n, double lr,
                       const mr_sgd_opts *o, bool first)
{
    for (int64_t i = 0; i < n; i++) {
        double g = gradient[i] + o->weight_decay * p[i];
        if (buffer) {
            buffer[i] = first ? g : buffer[i] * o->momentum + (1 - o->dampening) * g;
            g = o->nesterov ? g + o->momentum * buffer[i] : buffer[i];
        }
        p[i] -= lr * g;
    }
}

static void update_f32(const mr__arrays *a, int64_t n, const void *settings)
{
    mr__k->sgd(a->p, a->g, a->state[0], n, settings);
}

static void update(mr__group *group, mr__range *range, int64_t offset, int64_t count, const mr__slot *like)
{
    const mr_sgd_opts *o = &group->opts.sgd;
    const bool first = like->steps == 1;
    void *p = mr__range_at(range, range->values, offset), *g = mr__range_at(range, range->gradients, offset);
    void *buffer = o->momentum > 0 ? mr__range_at(range, range->state[0], offset) : NULL;
    if (range->dtype == MR_FLOAT64) {
        update_f64(p, g, buffer, count, group->lr, o, first);
        return;
    }
    const mr__sgd_step s = { .minus_lr = (float)-group->lr,
                             .momentum = (float)o->momentum,
                             .one_minus_dampening = (float)(1 - o->dampening),
                             .weight_decay = (float)o->weight_decay,
                             .nesterov = o->nesterov,
                             .first = first };
    if (MR__LIKELY(count < 2 * MR__GRAIN_ELEMENTS)) {
        mr__k->sgd(p, g, buffer, count, &s);
        return;
    }
    const mr__arrays a = { p, g, { buffer } };
    mr__update_by_threads(update_f32, &a, count, &s);
}

static const mr__optim_kind sgd_kind = { .name = "sgd",
                                         .state_count = 1,
                                         .state_name = { "momentum_buffer" },
                                         .update = update,
                                         .momentum = offsetof(mr__group, opts.sgd.momentum),
                                         .momentum_name = "momentum",
                                         .momentum_below = INFINITY,
                                         .buffer = 1u,
                                         .counts_momentum = true };

static bool setup_from(const char *call, const mr_sgd_opts *opts, mr__setup *setup)
{
    static const mr_sgd_opts defaults = { 0 };
    mr_sgd_opts o = opts ? *opts : defaults;
    o.momentum = mr__option(o.momentum, 0);
    o.dampening = mr__option(o.dampening, 0);
    o.weight_decay = mr__option(o.weight_decay, 0);
    if (!mr__option_within(call, "momentum", o.momentum, 0, INFINITY) ||
        !mr__option_within(call, "weight_decay", o.weight_decay, 0, INFINITY))
        return false;
    if (o.nesterov && (o.momentum <= 0 || o.dampening != 0)) {
        mr__raise(MR_ERR_ARGUMENT, "%s: nesterov needs a momentum and no dampening, not %g and %g", call,
                  o.momentum, o.dampening);
        return false;
    }
    *setup = (mr__setup){ .kind = &sgd_kind, .states = o.momentum > 0, .opts = { .sgd = o } };
    return true;
}

MR__OPTIM_CALLS(sgd, setup_from)

/* RMSprop. State: square_avg, with a momentum momentum_buffer, centered grad_avg. */
#include "optim.h"

#include <math.h>
#include <stddef.h>

enum { SQUARE, BUFFER, MEAN };

static void update_f64(const mr__arrays *a, int64_t n, double lr, const mr_rmsprop_opts *o)
{
    double *p = a->p, *square = a->state[SQUARE], *buffer = a->state[BUFFER], *mean = a->state[MEAN];
    for (int64_t i = 0; i < n; i++) {
        double g = ((double *)a->g)[i] + o->weight_decay * p[i];
        square[i] = square[i] * o->alpha + (1 - o->alpha) * g * g;
        double variance = square[i];
        if (o->centered) {
            mean[i] = mean[i] * o->alpha + (1 - o->alpha) * g;
            variance -= mean[i] * mean[i];
            variance = variance < 0 ? 0 : variance; /* by rounding only */
        }
        double root = sqrt(variance) + o->eps;
        if (o->momentum > 0) {
            buffer[i] = buffer[i] * o->momentum + g / root;
            p[i] -= lr * buffer[i];
        } else {
            p[i] -= lr * g / root;
        }
    }
}

static void update_f32(const mr__arrays *a, int64_t n, const void *settings)
{
    mr__k->rmsprop(a->p, a->g, a->state[SQUARE], a->state[BUFFER], a->state[MEAN], n, settings);
}

static void update(mr__group *group, mr__range *range, int64_t offset, int64_t count, const mr__slot *like)
{
    (void)like;
    const mr_rmsprop_opts *o = &group->opts.rmsprop;
    mr__arrays a = mr__arrays_at(range, offset);
    if (range->dtype == MR_FLOAT64) {
        update_f64(&a, count, group->lr, o);
        return;
    }
    const mr__rmsprop_step s = { .alpha = (float)o->alpha,
                                 .one_minus_alpha = (float)(1 - o->alpha),
                                 .eps = (float)o->eps,
                                 .minus_lr = (float)-group->lr,
                                 .weight_decay = (float)o->weight_decay,
                                 .momentum = (float)o->momentum };
    if (!(o->momentum > 0))
        a.state[BUFFER] = NULL;
    if (!o->centered)
        a.state[MEAN] = NULL;
    mr__update_parts(update_f32, &a, count, &s);
}

static const mr__optim_kind rmsprop_kind = { .name = "rmsprop",
                                             .state_count = 3,
                                             .state_name = { "square_avg", "momentum_buffer", "grad_avg" },
                                             .update = update,
                                             .momentum = offsetof(mr__group, opts.rmsprop.momentum),
                                             .momentum_name = "momentum",
                                             .momentum_below = INFINITY,
                                             .buffer = 1u << BUFFER };

static bool setup_from(const char *call, const mr_rmsprop_opts *opts, mr__setup *setup)
{
    static const mr_rmsprop_opts defaults = { 0 };
    mr_rmsprop_opts o = opts ? *opts : defaults;
    o.alpha = mr__option(o.alpha, 0.99);
    o.eps = mr__option(o.eps, 1e-8);
    o.weight_decay = mr__option(o.weight_decay, 0);
    o.momentum = mr__option(o.momentum, 0);
    *setup = (mr__setup){ .kind = &rmsprop_kind, .opts = { .rmsprop = o } };
    setup->states = 1u << SQUARE | (o.momentum > 0 ? 1u << BUFFER : 0) | (o.centered ? 1u << MEAN : 0);
    return mr__option_within(call, "alpha", o.alpha, 0, INFINITY) &&
           mr__option_within(call, "eps", o.eps, 0, INFINITY) &&
           mr__option_within(call, "weight_decay", o.weight_decay, 0, INFINITY) &&
           mr__option_within(call, "momentum", o.momentum, 0, INFINITY);
}

MR__OPTIM_CALLS(rmsprop, setup_from)

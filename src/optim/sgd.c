/* Stochastic gradient descent, with momentum. State: momentum_buffer. */
#include "optim.h"

#include "kernels/kernels.h"

#include <math.h>

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

static void update(mr_optim *optim, mr__range *range, int64_t offset, int64_t count, int64_t steps)
{
    const mr_sgd_opts *o = &optim->opts.sgd;
    void *p = mr__range_at(range, range->values, offset), *g = mr__range_at(range, range->gradients, offset);
    void *buffer = range->state[0] ? mr__range_at(range, range->state[0], offset) : NULL;
    if (range->dtype == MR_FLOAT64) {
        update_f64(p, g, buffer, count, optim->lr, o, steps == 1);
        return;
    }
    const mr__sgd_step s = { .minus_lr = (float)-optim->lr,
                             .momentum = (float)o->momentum,
                             .one_minus_dampening = (float)(1 - o->dampening),
                             .weight_decay = (float)o->weight_decay,
                             .nesterov = o->nesterov,
                             .first = steps == 1 };
    mr__k->sgd(p, g, buffer, count, &s);
}

static const mr__optim_kind plain_kind = { "sgd", 0, { NULL }, update };
static const mr__optim_kind momentum_kind = { "sgd", 1, { "momentum_buffer" }, update };

mr_optim *mr_sgd_new(mr_params params, double lr, const mr_sgd_opts *opts)
{
    mr_sgd_opts o = opts ? *opts : (mr_sgd_opts){ 0 };
    o.momentum = mr__option(o.momentum, 0);
    o.dampening = mr__option(o.dampening, 0);
    o.weight_decay = mr__option(o.weight_decay, 0);
    if (!mr__option_within("sgd", "momentum", o.momentum, 0, INFINITY) ||
        !mr__option_within("sgd", "weight_decay", o.weight_decay, 0, INFINITY))
        return NULL;
    if (o.nesterov && (o.momentum <= 0 || o.dampening != 0)) {
        mr__raise(MR_ERR_ARGUMENT, "sgd: nesterov needs a momentum and no dampening, not %g and %g",
                  o.momentum, o.dampening);
        return NULL;
    }
    mr_optim *optim = mr__optim_new("sgd", params, lr, o.momentum > 0 ? &momentum_kind : &plain_kind);
    if (optim)
        optim->opts.sgd = o;
    return optim;
}

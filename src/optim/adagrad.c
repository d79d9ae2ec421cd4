/* Adagrad. State: sum, of the squares. */
#include "optim.h"

#include <math.h>

static void update_f64(const mr__arrays *a, int64_t n, double lr, const mr_adagrad_opts *o)
{
    double *p = a->p, *sum = a->state[0];
    for (int64_t i = 0; i < n; i++) {
        double g = ((double *)a->g)[i] + o->weight_decay * p[i];
        sum[i] += g * g;
        p[i] -= lr * g / (sqrt(sum[i]) + o->eps);
    }
}

static void update_f32(const mr__arrays *a, int64_t n, const void *settings)
{
    mr__k->adagrad(a->p, a->g, a->state[0], n, settings);
}

static void update(mr__group *group, mr__range *range, int64_t offset, int64_t count, const mr__slot *like)
{
    const mr_adagrad_opts *o = &group->opts.adagrad;
    const mr__arrays a = mr__arrays_at(range, offset);
    double lr = group->lr / (1 + (double)(like->steps - 1) * o->lr_decay);
    if (range->dtype == MR_FLOAT64) {
        update_f64(&a, count, lr, o);
        return;
    }
    const mr__adagrad_step s = { (float)-lr, (float)o->eps, (float)o->weight_decay };
    mr__update_parts(update_f32, &a, count, &s);
}

static const mr__optim_kind adagrad_kind = {
    .name = "adagrad", .state_count = 1, .state_name = { "sum" }, .update = update
};

static bool setup_from(const char *call, const mr_adagrad_opts *opts, mr__setup *setup)
{
    static const mr_adagrad_opts defaults = { 0 };
    mr_adagrad_opts o = opts ? *opts : defaults;
    o.lr_decay = mr__option(o.lr_decay, 0);
    o.weight_decay = mr__option(o.weight_decay, 0);
    o.initial_accumulator_value = mr__option(o.initial_accumulator_value, 0);
    o.eps = mr__option(o.eps, 1e-10);
    *setup = (mr__setup){
        .kind = &adagrad_kind, .states = 1, .initial = o.initial_accumulator_value, .opts = { .adagrad = o }
    };
    return mr__option_within(call, "lr_decay", o.lr_decay, 0, INFINITY) &&
           mr__option_within(call, "weight_decay", o.weight_decay, 0, INFINITY) &&
           mr__option_within(call, "initial_accumulator_value", o.initial_accumulator_value, 0, INFINITY) &&
           mr__option_within(call, "eps", o.eps, 0, INFINITY);
}

MR__OPTIM_CALLS(adagrad, setup_from)

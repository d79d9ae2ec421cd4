/* Adam and AdamW. State: exp_avg (m), exp_avg_sq (v), with amsgrad max_exp_avg_sq. */
#include "optim.h"

#include "kernels/kernels.h"

#include <math.h>

/* beta^steps by one multiplication a step; torch's pow differs in the last bits of a double only. Powers that
 * 1 - power no longer sees become 0: on numbers that are too small for all their digits processors are slow. */
static double next_power(double power, double beta)
{
    power *= beta;
    return power < 1e-30 ? 0 : power;
}

static void advance_powers(mr_optim *optim, int64_t steps)
{
    if (optim->opts.adam.at + 1 == steps) {
        optim->opts.adam.power1 = next_power(optim->opts.adam.power1, optim->opts.adam.beta1);
        optim->opts.adam.power2 = next_power(optim->opts.adam.power2, optim->opts.adam.beta2);
    } else if (optim->opts.adam.at != steps) {
        optim->opts.adam.power1 = pow(optim->opts.adam.beta1, (double)steps);
        optim->opts.adam.power2 = pow(optim->opts.adam.beta2, (double)steps);
    }
    optim->opts.adam.at = steps;
}

typedef struct adam_f64 {
    double beta1, beta2, correction, eps, minus_step_size, weight_decay, decay_factor;
} adam_f64;

static void update_f64(double *p, const double *gradient, double *m, double *v, double *largest, int64_t n,
                       const adam_f64 *s)
{
    for (int64_t i = 0; i < n; i++) {
        double g = gradient[i];
        p[i] *= s->decay_factor;
        g += s->weight_decay * p[i];
        m[i] = m[i] * s->beta1 + (1 - s->beta1) * g;
        v[i] = v[i] * s->beta2 + (1 - s->beta2) * g * g;
        double second = v[i];
        if (largest)
            second = largest[i] = largest[i] > v[i] ? largest[i] : v[i];
        p[i] += s->minus_step_size * m[i] / (sqrt(second) / s->correction + s->eps);
    }
}

static void update(mr_optim *optim, mr__range *range, int64_t offset, int64_t count, int64_t steps)
{
    advance_powers(optim, steps);
    double beta1 = optim->opts.adam.beta1, beta2 = optim->opts.adam.beta2;
    double decay = optim->opts.adam.weight_decay;
    double correction = sqrt(1 - optim->opts.adam.power2);
    double minus_step_size = -(optim->lr / (1 - optim->opts.adam.power1));
    double decay_factor = optim->opts.adam.decoupled ? 1 - optim->lr * decay : 1;
    double weight_decay = optim->opts.adam.decoupled ? 0 : decay;
    void *p = mr__range_at(range, range->values, offset), *g = mr__range_at(range, range->gradients, offset);
    void *m = mr__range_at(range, range->state[0], offset), *v = mr__range_at(range, range->state[1], offset);
    void *largest = range->state[2] ? mr__range_at(range, range->state[2], offset) : NULL;
    if (range->dtype == MR_FLOAT64) {
        const adam_f64 s = { beta1,           beta2,        correction,  optim->opts.adam.eps,
                             minus_step_size, weight_decay, decay_factor };
        update_f64(p, g, m, v, largest, count, &s);
        return;
    }
    const mr__adam_step s = { .beta1 = (float)beta1,
                              .one_minus_beta1 = (float)(1 - beta1),
                              .beta2 = (float)beta2,
                              .one_minus_beta2 = (float)(1 - beta2),
                              .sqrt_correction2 = (float)correction,
                              .eps = (float)optim->opts.adam.eps,
                              .minus_step_size = (float)minus_step_size,
                              .weight_decay = (float)weight_decay,
                              .decay_factor = (float)decay_factor };
    mr__k->adam(p, g, m, v, largest, count, &s);
}

/* The same but for the presence of max_exp_avg_sq. */
static const mr__optim_kind plain_kind = { "adam", 2, { "exp_avg", "exp_avg_sq" }, update };
static const mr__optim_kind amsgrad_kind = {
    "adam", 3, { "exp_avg", "exp_avg_sq", "max_exp_avg_sq" }, update
};

static mr_optim *adam_new(const char *call, mr_params params, double lr, const mr_adam_opts *opts,
                          double default_decay, bool decoupled)
{
    static const mr_adam_opts defaults = { 0 };
    opts = opts ? opts : &defaults;
    double beta1 = mr__option(opts->beta1, 0.9), beta2 = mr__option(opts->beta2, 0.999);
    double eps = mr__option(opts->eps, 1e-8), decay = mr__option(opts->weight_decay, default_decay);
    if (!mr__option_within(call, "beta1", beta1, 0, 1) || !mr__option_within(call, "beta2", beta2, 0, 1) ||
        !mr__option_within(call, "eps", eps, 0, INFINITY) ||
        !mr__option_within(call, "weight_decay", decay, 0, INFINITY))
        return NULL;
    mr_optim *optim = mr__optim_new(call, params, lr, opts->amsgrad ? &amsgrad_kind : &plain_kind);
    if (!optim)
        return NULL;
    optim->opts.adam.beta1 = beta1;
    optim->opts.adam.beta2 = beta2;
    optim->opts.adam.eps = eps;
    optim->opts.adam.weight_decay = decay;
    optim->opts.adam.amsgrad = opts->amsgrad;
    optim->opts.adam.decoupled = decoupled;
    optim->opts.adam.power1 = optim->opts.adam.power2 = 1;
    return optim;
}

mr_optim *mr_adam_new(mr_params params, double lr, const mr_adam_opts *opts)
{
    return adam_new("adam", params, lr, opts, 0, false);
}

mr_optim *mr_adamw_new(mr_params params, double lr, const mr_adamw_opts *opts)
{
    mr_adam_opts same = { 0 };
    if (opts)
        same = (mr_adam_opts){ opts->beta1, opts->beta2, opts->eps, opts->weight_decay, opts->amsgrad };
    return adam_new("adamw", params, lr, &same, 0.01, true);
}

/* Adam and AdamW. State: exp_avg (m), exp_avg_sq (v), with amsgrad max_exp_avg_sq. */
#include "optim.h"

#include "kernels/parallel.h"

#include <math.h>
#include <stddef.h>

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

/* A part of a large range. */
typedef struct adam_work {
    float *p, *m, *v, *largest;
    const float *g;
    const mr__adam_step *step;
} adam_work;

static void adam_part(void *work, int64_t begin, int64_t end)
{
    const adam_work *w = work;
    mr__k->adam(w->p + begin, w->g + begin, w->m + begin, w->v + begin,
                w->largest ? w->largest + begin : NULL, end - begin, w->step);
}

static void update(mr__group *group, mr__range *range, int64_t offset, int64_t count, const mr__slot *like)
{
    double beta1 = group->opts.adam.beta1, beta2 = group->opts.adam.beta2;
    double decay = group->opts.adam.weight_decay;
    mr__advance_powers(group, beta1, beta2, like->steps);
    double correction = sqrt(1 - group->power2);
    double minus_step_size = -(group->lr / (1 - group->power1));
    double decay_factor = group->opts.adam.decoupled ? 1 - group->lr * decay : 1;
    double weight_decay = group->opts.adam.decoupled ? 0 : decay;
    void *p = mr__range_at(range, range->values, offset), *g = mr__range_at(range, range->gradients, offset);
    void *m = mr__range_at(range, range->state[0], offset), *v = mr__range_at(range, range->state[1], offset);
    void *largest = mr__range_at(range, range->state[2], offset);
    if (range->dtype == MR_FLOAT64) {
        const adam_f64 s = { beta1,           beta2,        correction,  group->opts.adam.eps,
                             minus_step_size, weight_decay, decay_factor };
        update_f64(p, g, m, v, largest, count, &s);
        return;
    }
    const mr__adam_step s = { .beta1 = (float)beta1,
                              .one_minus_beta1 = (float)(1 - beta1),
                              .beta2 = (float)beta2,
                              .one_minus_beta2 = (float)(1 - beta2),
                              .sqrt_correction2 = (float)correction,
                              .eps = (float)group->opts.adam.eps,
                              .minus_step_size = (float)minus_step_size,
                              .weight_decay = (float)weight_decay,
                              .decay_factor = (float)decay_factor };
    if (MR__LIKELY(count < 2 * MR__GRAIN_ELEMENTS)) {
        mr__k->adam(p, g, m, v, largest, count, &s);
        return;
    }
    adam_work w = { p, m, v, largest, g, &s };
    mr__parallel(adam_part, &w, count, MR__GRAIN_ELEMENTS, MR__ALIGNMENT);
}

#define ADAM_KIND(kind_name)                                                                                \
    {                                                                                                       \
        .name = (kind_name), .state_count = 3, .state_name = { "exp_avg", "exp_avg_sq", "max_exp_avg_sq" }, \
        .update = update, .momentum = offsetof(mr__group, opts.adam.beta1), .momentum_name = "beta1",       \
        .momentum_below = 1, .powers = true                                                                 \
    }
static const mr__optim_kind adam_kind = ADAM_KIND("adam"), adamw_kind = ADAM_KIND("adamw");

bool mr__adam_options(const char *call, mr__setup *setup, double beta1, double beta2, double eps,
                      double weight_decay, double default_decay)
{
    setup->opts.adam.beta1 = mr__option(beta1, 0.9);
    setup->opts.adam.beta2 = mr__option(beta2, 0.999);
    setup->opts.adam.eps = mr__option(eps, 1e-8);
    setup->opts.adam.weight_decay = mr__option(weight_decay, default_decay);
    return mr__option_within(call, "beta1", setup->opts.adam.beta1, 0, 1) &&
           mr__option_within(call, "beta2", setup->opts.adam.beta2, 0, 1) &&
           mr__option_within(call, "eps", setup->opts.adam.eps, 0, INFINITY) &&
           mr__option_within(call, "weight_decay", setup->opts.adam.weight_decay, 0, INFINITY);
}

static bool setup_from(const char *call, const mr_adam_opts *opts, mr__setup *setup)
{
    static const mr_adam_opts defaults = { 0 };
    const mr_adam_opts *o = opts ? opts : &defaults;
    *setup = (mr__setup){ .kind = &adam_kind, .states = o->amsgrad ? 7 : 3 };
    return mr__adam_options(call, setup, o->beta1, o->beta2, o->eps, o->weight_decay, 0);
}

MR__OPTIM_CALLS(adam, setup_from)

static bool setup_from_adamw(const char *call, const mr_adamw_opts *opts, mr__setup *setup)
{
    static const mr_adamw_opts defaults = { 0 };
    const mr_adamw_opts *o = opts ? opts : &defaults;
    *setup = (mr__setup){ .kind = &adamw_kind, .states = o->amsgrad ? 7 : 3 };
    setup->opts.adam.decoupled = true;
    return mr__adam_options(call, setup, o->beta1, o->beta2, o->eps, o->weight_decay, 0.01);
}

MR__OPTIM_CALLS(adamw, setup_from_adamw)

/* The steps of the optimizers that divide by the root of a sum or mean of squares. Roundings are where torch's are. */
#include "kernels/level/optim_loop.h"

/* ---- RMSprop: a is the mean of squares, b the momentum, c the mean ---- */

typedef struct {
    vf alpha, one_minus_alpha, eps, minus_lr, weight_decay, momentum;
    bool l2, centered, momenta;
} rmsprop_constants;

VF_INLINE optim_values rmsprop_one(optim_values x, vf g, const void *constants)
{
    const rmsprop_constants *s = constants;
    if (s->l2)
        g = vf_fma(x.p, s->weight_decay, g);
    x.a = vf_fma(vf_mul(s->one_minus_alpha, g), g, vf_mul(x.a, s->alpha));
    vf square = x.a;
    if (s->centered) {
        x.c = vf_fma(g, s->one_minus_alpha, vf_mul(x.c, s->alpha));
        /* rounding may make the variance negative, and the root of that is none */
        square = vf_at_least(vf_fma(vf_sub(vf_zero(), x.c), x.c, square), vf_zero());
    }
    const vf root = vf_add(vf_sqrt(square), s->eps);
    if (s->momenta) {
        x.b = vf_add(vf_mul(x.b, s->momentum), vf_div(g, root));
        x.p = vf_fma(x.b, s->minus_lr, x.p);
    } else {
        x.p = vf_add(x.p, vf_div(vf_mul(s->minus_lr, g), root));
    }
    return x;
}

void MR__LEVEL(rmsprop)(float *p, const float *g, float *square, float *momentum, float *mean, int64_t n,
                        const mr__rmsprop_step *s)
{
    rmsprop_constants c = { vf_set1(s->alpha),        vf_set1(s->one_minus_alpha),
                            vf_set1(s->eps),          vf_set1(s->minus_lr),
                            vf_set1(s->weight_decay), vf_set1(s->momentum),
                            s->weight_decay != 0,     mean != NULL,
                            momentum != NULL };
    if (c.l2 || c.centered || c.momenta) {
        optim_loop(p, g, square, momentum, mean, n, rmsprop_one, &c);
    } else {
        c.l2 = c.centered = c.momenta = false; /* known when this call is compiled */
        optim_loop(p, g, square, NULL, NULL, n, rmsprop_one, &c);
    }
}

/* ---- Adagrad: a is the sum of squares ---- */

typedef struct {
    vf minus_lr, eps, weight_decay;
    bool l2;
} adagrad_constants;

VF_INLINE optim_values adagrad_one(optim_values x, vf g, const void *constants)
{
    const adagrad_constants *s = constants;
    if (s->l2)
        g = vf_fma(x.p, s->weight_decay, g);
    x.a = vf_fma(g, g, x.a);
    x.p = vf_add(x.p, vf_div(vf_mul(s->minus_lr, g), vf_add(vf_sqrt(x.a), s->eps)));
    return x;
}

void MR__LEVEL(adagrad)(float *p, const float *g, float *sum, int64_t n, const mr__adagrad_step *s)
{
    const adagrad_constants c = { vf_set1(s->minus_lr), vf_set1(s->eps), vf_set1(s->weight_decay),
                                  s->weight_decay != 0 };
    optim_loop(p, g, sum, NULL, NULL, n, adagrad_one, &c);
}

/* ---- Adadelta: a is the mean of squares, b that of the steps' ---- */

typedef struct {
    vf minus_lr, rho, one_minus_rho, eps, weight_decay;
    bool l2;
} adadelta_constants;

VF_INLINE optim_values adadelta_one(optim_values x, vf g, const void *constants)
{
    const adadelta_constants *s = constants;
    if (s->l2)
        g = vf_fma(x.p, s->weight_decay, g);
    x.a = vf_fma(vf_mul(s->one_minus_rho, g), g, vf_mul(x.a, s->rho));
    const vf root = vf_sqrt(vf_add(x.a, s->eps));
    const vf step = vf_mul(vf_div(vf_sqrt(vf_add(x.b, s->eps)), root), g);
    x.b = vf_fma(vf_mul(s->one_minus_rho, step), step, vf_mul(x.b, s->rho));
    x.p = vf_fma(step, s->minus_lr, x.p);
    return x;
}

void MR__LEVEL(adadelta)(float *p, const float *g, float *square, float *steps, int64_t n,
                         const mr__adadelta_step *s)
{
    const adadelta_constants c = { vf_set1(s->minus_lr), vf_set1(s->rho),          vf_set1(s->one_minus_rho),
                                   vf_set1(s->eps),      vf_set1(s->weight_decay), s->weight_decay != 0 };
    optim_loop(p, g, square, steps, NULL, n, adadelta_one, &c);
}

/* The steps of Adam's relatives; a is the mean of gradients (m). Roundings are where torch's are. */
#include "kernels/level/optim_loop.h"

/* ---- Adamax: b is the decayed maximum (u) ---- */

typedef struct {
    vf beta1, one_minus_beta1, beta2, eps, minus_step_size, weight_decay;
    bool l2;
} adamax_constants;

VF_INLINE optim_values adamax_one(optim_values x, vf g, const void *constants)
{
    const adamax_constants *s = constants;
    if (s->l2)
        g = vf_fma(x.p, s->weight_decay, g);
    x.a = vf_fma(g, s->one_minus_beta1, vf_mul(x.a, s->beta1));
    x.b = vf_max(vf_mul(x.b, s->beta2), vf_sub(s->eps, vf_negative(g)));
    x.p = vf_add(x.p, vf_div(vf_mul(s->minus_step_size, x.a), x.b));
    return x;
}

void MR__LEVEL(adamax)(float *p, const float *g, float *m, float *u, int64_t n, const mr__adamax_step *s)
{
    const adamax_constants c = { vf_set1(s->beta1),   vf_set1(s->one_minus_beta1), vf_set1(s->beta2),
                                 vf_set1(s->eps),     vf_set1(s->minus_step_size), vf_set1(s->weight_decay),
                                 s->weight_decay != 0 };
    optim_loop(p, g, m, u, NULL, n, adamax_one, &c);
}

/* ---- NAdam and RAdam: b is the mean of squares (v) ---- */

typedef struct {
    vf beta1, one_minus_beta1, beta2, one_minus_beta2, eps, weight_decay;
    bool l2;
} moments;

VF_INLINE moments moments_of(const mr__moments *s)
{
    return (moments){ vf_set1(s->beta1),   vf_set1(s->one_minus_beta1),
                      vf_set1(s->beta2),   vf_set1(s->one_minus_beta2),
                      vf_set1(s->eps),     vf_set1(s->weight_decay),
                      s->weight_decay != 0 };
}

/* Brings m and v up to date; returns the gradient, with its decay. */
VF_INLINE vf advance(optim_values *x, vf g, const moments *s)
{
    if (s->l2)
        g = vf_fma(x->p, s->weight_decay, g);
    x->a = vf_fma(g, s->one_minus_beta1, vf_mul(x->a, s->beta1));
    x->b = vf_fma(vf_mul(s->one_minus_beta2, g), g, vf_mul(x->b, s->beta2));
    return g;
}

typedef struct {
    moments moments;
    vf correction2, gradient_step, momentum_step;
} nadam_constants;

VF_INLINE optim_values nadam_one(optim_values x, vf g, const void *constants)
{
    const nadam_constants *s = constants;
    g = advance(&x, g, &s->moments);
    const vf root = vf_add(vf_sqrt(vf_div(x.b, s->correction2)), s->moments.eps);
    x.p = vf_add(x.p, vf_div(vf_mul(s->gradient_step, g), root));
    x.p = vf_add(x.p, vf_div(vf_mul(s->momentum_step, x.a), root));
    return x;
}

void MR__LEVEL(nadam)(float *p, const float *g, float *m, float *v, int64_t n, const mr__nadam_step *s)
{
    const nadam_constants c = { moments_of(&s->moments), vf_set1(s->correction2), vf_set1(s->gradient_step),
                                vf_set1(s->momentum_step) };
    optim_loop(p, g, m, v, NULL, n, nadam_one, &c);
}

typedef struct {
    moments moments;
    vf correction1, lr, sqrt_correction2, rectification;
    bool rectified;
} radam_constants;

VF_INLINE optim_values radam_one(optim_values x, vf g, const void *constants)
{
    const radam_constants *s = constants;
    advance(&x, g, &s->moments);
    vf step = vf_mul(vf_div(x.a, s->correction1), s->lr);
    if (s->rectified) {
        const vf inverse = vf_div(vf_set1(1), vf_add(vf_sqrt(x.b), s->moments.eps));
        step = vf_mul(vf_mul(step, vf_mul(inverse, s->sqrt_correction2)), s->rectification);
    }
    x.p = vf_sub(x.p, step);
    return x;
}

void MR__LEVEL(radam)(float *p, const float *g, float *m, float *v, int64_t n, const mr__radam_step *s)
{
    const radam_constants c = {
        moments_of(&s->moments),      vf_set1(s->correction1),   vf_set1(s->lr),
        vf_set1(s->sqrt_correction2), vf_set1(s->rectification), s->rectification > 0
    };
    optim_loop(p, g, m, v, NULL, n, radam_one, &c);
}

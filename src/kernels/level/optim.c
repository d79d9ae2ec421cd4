/* The optimizers' steps, in one pass over the parameters. Every rounding is where torch has it. */
#include "kernels/level/level.h"

#include <stddef.h>

typedef struct {
    vf p, m, v, v_max;
} adam_values;

typedef struct {
    vf beta1, one_minus_beta1, beta2, one_minus_beta2, sqrt_correction2, eps, minus_step_size, weight_decay,
        decay_factor;
    bool decay, l2, amsgrad;
} adam_constants;

VF_INLINE adam_values adam_one(adam_values x, vf g, const adam_constants *c)
{
    if (c->decay)
        x.p = vf_mul(x.p, c->decay_factor);
    if (c->l2)
        g = vf_fma(x.p, c->weight_decay, g);
    x.m = vf_fma(g, c->one_minus_beta1, vf_mul(x.m, c->beta1));
    x.v = vf_fma(vf_mul(c->one_minus_beta2, g), g, vf_mul(x.v, c->beta2));
    if (c->amsgrad)
        x.v_max = vf_max(x.v_max, x.v);
    const vf root = vf_sqrt(c->amsgrad ? x.v_max : x.v);
    const vf denominator = vf_add(vf_div(root, c->sqrt_correction2), c->eps);
    x.p = vf_add(x.p, vf_div(vf_mul(c->minus_step_size, x.m), denominator));
    return x;
}

VF_INLINE void adam(float *p, const float *g, float *m, float *v, float *v_max, int64_t n, adam_constants c)
{
    int64_t i = 0;
    for (; i + VF_LANES <= n; i += VF_LANES) {
        const vf top = c.amsgrad ? vf_load(v_max + i) : vf_zero();
        const adam_values old = { vf_load(p + i), vf_load(m + i), vf_load(v + i), top };
        const adam_values new = adam_one(old, vf_load(g + i), &c);
        vf_store(p + i, new.p);
        vf_store(m + i, new.m);
        vf_store(v + i, new.v);
        if (c.amsgrad)
            vf_store(v_max + i, new.v_max);
    }
    if (i < n) {
        const vm rest = vm_first(n - i);
        const vf top = c.amsgrad ? vf_load_m(v_max + i, rest) : vf_zero();
        const adam_values old = { vf_load_m(p + i, rest), vf_load_m(m + i, rest), vf_load_m(v + i, rest),
                                  top };
        const adam_values new = adam_one(old, vf_load_m(g + i, rest), &c);
        vf_store_m(p + i, new.p, rest);
        vf_store_m(m + i, new.m, rest);
        vf_store_m(v + i, new.v, rest);
        if (c.amsgrad)
            vf_store_m(v_max + i, new.v_max, rest);
    }
}

void MR__LEVEL(adam)(float *p, const float *g, float *m, float *v, float *v_max, int64_t n,
                     const mr__adam_step *s)
{
    adam_constants c = {
        .beta1 = vf_set1(s->beta1),
        .one_minus_beta1 = vf_set1(s->one_minus_beta1),
        .beta2 = vf_set1(s->beta2),
        .one_minus_beta2 = vf_set1(s->one_minus_beta2),
        .sqrt_correction2 = vf_set1(s->sqrt_correction2),
        .eps = vf_set1(s->eps),
        .minus_step_size = vf_set1(s->minus_step_size),
        .weight_decay = vf_set1(s->weight_decay),
        .decay_factor = vf_set1(s->decay_factor),
        .decay = s->decay_factor != 1,
        .l2 = s->weight_decay != 0,
        .amsgrad = v_max != NULL,
    };
    if (c.decay || c.l2 || c.amsgrad) {
        adam(p, g, m, v, v_max, n, c);
    } else {
        c.decay = c.l2 = c.amsgrad = false; /* known when this call is compiled */
        adam(p, g, m, v, NULL, n, c);
    }
}

typedef struct {
    vf minus_lr, momentum, one_minus_dampening, weight_decay;
    bool l2, momenta, first, nesterov;
} sgd_constants;

VF_INLINE vf sgd_one(vf p, vf g, vf *buffer, const sgd_constants *c)
{
    if (c->l2)
        g = vf_fma(p, c->weight_decay, g);
    if (c->momenta) {
        *buffer = c->first ? g : vf_fma(g, c->one_minus_dampening, vf_mul(*buffer, c->momentum));
        g = c->nesterov ? vf_fma(*buffer, c->momentum, g) : *buffer;
    }
    return vf_fma(g, c->minus_lr, p);
}

void MR__LEVEL(sgd)(float *p, const float *g, float *momentum, int64_t n, const mr__sgd_step *s)
{
    const sgd_constants c = {
        .minus_lr = vf_set1(s->minus_lr),
        .momentum = vf_set1(s->momentum),
        .one_minus_dampening = vf_set1(s->one_minus_dampening),
        .weight_decay = vf_set1(s->weight_decay),
        .l2 = s->weight_decay != 0,
        .momenta = momentum != NULL,
        .first = s->first,
        .nesterov = s->nesterov,
    };
    const bool read = c.momenta && !c.first; /* before the first step the buffer may hold anything */
    int64_t i = 0;
    for (; i + VF_LANES <= n; i += VF_LANES) {
        vf buffer = read ? vf_load(momentum + i) : vf_zero();
        vf_store(p + i, sgd_one(vf_load(p + i), vf_load(g + i), &buffer, &c));
        if (c.momenta)
            vf_store(momentum + i, buffer);
    }
    if (i < n) {
        const vm rest = vm_first(n - i);
        vf buffer = read ? vf_load_m(momentum + i, rest) : vf_zero();
        vf_store_m(p + i, sgd_one(vf_load_m(p + i, rest), vf_load_m(g + i, rest), &buffer, &c), rest);
        if (c.momenta)
            vf_store_m(momentum + i, buffer, rest);
    }
}

/* The terms of elementwise losses and their derivatives; kernels.h has the formulas. */
#include "kernels/level/exp.h"
#include "kernels/level/level.h"
#include "kernels/level/log.h"

/* Of elements a, b and c, with the parameter in every lane of p. */
typedef vf function(vf a, vf b, vf c, vf p);

VF_INLINE void map(function f, bool with_c, float *out, const float *a, const float *b, const float *c,
                   float parameter, int64_t n)
{
    const vf p = vf_set1(parameter), half = vf_set1(0.5f);
    int64_t i = 0;
    for (; i + VF_LANES <= n; i += VF_LANES)
        vf_store(out + i, f(vf_load(a + i), vf_load(b + i), with_c ? vf_load(c + i) : half, p));
    if (i < n) { /* lanes left out: a number that no function is slow for */
        const vm rest = vm_first(n - i);
        vf_store_m(out + i,
                   f(vf_load_or(a + i, rest, half), vf_load_or(b + i, rest, half),
                     with_c ? vf_load_or(c + i, rest, half) : half, p),
                   rest);
    }
}

#define FUNCTION(name) VF_INLINE vf name(vf a, vf b, vf c, vf p)
#define UNUSED(x) ((void)(x))

VF_INLINE vf magnitude(vf x)
{
    return vf_sub(vf_zero(), vf_negative(x));
}

VF_INLINE vf minus(vf x)
{
    return vf_sub(vf_zero(), x);
}

/* 1, -1, and 0 of 0 and NaN. */
VF_INLINE vf sign(vf x)
{
    const vf zero = vf_zero();
    return vf_where_lt(zero, x, vf_set1(1), vf_where_lt(x, zero, vf_set1(-1), zero));
}

/* x limited to [-p, p]; NaN stays. */
VF_INLINE vf limited(vf x, vf p)
{
    return vf_at_most(vf_at_least(x, minus(p)), p);
}

/* ---- of a difference ---- */

FUNCTION(l1)
{
    UNUSED(c), UNUSED(p);
    return magnitude(vf_sub(a, b));
}

FUNCTION(l1_a)
{
    UNUSED(c), UNUSED(p);
    return sign(vf_sub(a, b));
}

FUNCTION(smooth_l1)
{
    const vf z = magnitude(vf_sub(a, b)), half = vf_set1(0.5f);
    UNUSED(c);
    return vf_where_lt(z, p, vf_div(vf_mul(vf_mul(half, z), z), p), vf_sub(z, vf_mul(half, p)));
}

FUNCTION(smooth_l1_a)
{
    UNUSED(c);
    return vf_div(limited(vf_sub(a, b), p), p);
}

FUNCTION(huber)
{
    const vf z = magnitude(vf_sub(a, b)), half = vf_set1(0.5f);
    UNUSED(c);
    return vf_where_lt(p, z, vf_mul(p, vf_sub(z, vf_mul(half, p))), vf_mul(vf_mul(half, z), z));
}

FUNCTION(huber_a)
{
    UNUSED(c);
    return limited(vf_sub(a, b), p);
}

/* ---- of two classes ---- */

FUNCTION(bce)
{
    const vf one = vf_set1(1), least = vf_set1(-100);
    const vf no = vf_at_least(log_one(vf_sub(one, a)), least), yes = vf_at_least(log_one(a), least);
    UNUSED(c), UNUSED(p);
    return vf_sub(vf_mul(vf_sub(b, one), no), vf_mul(b, yes));
}

FUNCTION(bce_a)
{
    const vf spread = vf_at_least(vf_mul(vf_sub(vf_set1(1), a), a), vf_set1(1e-12f));
    UNUSED(c), UNUSED(p);
    return vf_div(vf_sub(a, b), spread);
}

FUNCTION(bce_b)
{
    const vf one = vf_set1(1), least = vf_set1(-100);
    UNUSED(b), UNUSED(c), UNUSED(p);
    return vf_sub(vf_at_least(log_one(vf_sub(one, a)), least), vf_at_least(log_one(a), least));
}

/* ln(1 + exp(-x)) */
VF_INLINE vf softplus_of_minus(vf x)
{
    return vf_add(log_of_1_plus(exp_at_most_1(vf_negative(x))), vf_at_least(minus(x), vf_zero()));
}

FUNCTION(bce_logits)
{
    UNUSED(c), UNUSED(p);
    return vf_add(vf_mul(vf_sub(vf_set1(1), b), a), softplus_of_minus(a));
}

FUNCTION(bce_logits_a)
{
    UNUSED(c), UNUSED(p);
    return vf_sub(sigmoid_one(a), b);
}

FUNCTION(bce_logits_b)
{
    UNUSED(b), UNUSED(c), UNUSED(p);
    return minus(a);
}

/* 1 + (c - 1) b */
VF_INLINE vf share(vf b, vf c)
{
    return vf_fma(vf_sub(c, vf_set1(1)), b, vf_set1(1));
}

FUNCTION(bce_logits_pos)
{
    UNUSED(p);
    return vf_fma(share(b, c), softplus_of_minus(a), vf_mul(vf_sub(vf_set1(1), b), a));
}

FUNCTION(bce_logits_pos_a)
{
    UNUSED(p);
    return vf_sub(vf_mul(share(b, c), sigmoid_one(a)), vf_mul(b, c));
}

FUNCTION(bce_logits_pos_b)
{
    UNUSED(b), UNUSED(p);
    return vf_sub(vf_mul(vf_sub(c, vf_set1(1)), softplus_of_minus(a)), a);
}

/* ---- of distributions ---- */

FUNCTION(kl)
{
    const vf zero = vf_zero(), product = vf_mul(b, log_one(b));
    UNUSED(c), UNUSED(p);
    const vf b_log_b =
        vf_where_lt(zero, b, product, vf_where_lt(b, zero, product, b)); /* 0 of 0; NaN of NaN */
    return vf_sub(b_log_b, vf_mul(b, a));
}

FUNCTION(kl_a)
{
    UNUSED(a), UNUSED(c), UNUSED(p);
    return minus(b);
}

FUNCTION(kl_b)
{
    UNUSED(c), UNUSED(p);
    return vf_sub(vf_add(log_one(b), vf_set1(1)), a);
}

FUNCTION(kl_log)
{
    UNUSED(c), UNUSED(p);
    return vf_mul(exp_one(b), vf_sub(b, a));
}

FUNCTION(kl_log_a)
{
    UNUSED(a), UNUSED(c), UNUSED(p);
    return minus(exp_one(b));
}

FUNCTION(kl_log_b)
{
    const vf e = exp_one(b);
    UNUSED(c), UNUSED(p);
    return vf_fma(e, vf_sub(b, a), e);
}

FUNCTION(poisson)
{
    UNUSED(c);
    return vf_sub(a, vf_mul(b, log_one(vf_add(a, p))));
}

FUNCTION(poisson_a)
{
    UNUSED(c);
    return vf_sub(vf_set1(1), vf_div(b, vf_add(a, p)));
}

FUNCTION(poisson_b)
{
    UNUSED(b), UNUSED(c);
    return minus(log_one(vf_add(a, p)));
}

FUNCTION(poisson_log)
{
    UNUSED(c), UNUSED(p);
    return vf_sub(exp_one(a), vf_mul(b, a));
}

FUNCTION(poisson_log_a)
{
    UNUSED(c), UNUSED(p);
    return vf_sub(exp_one(a), b);
}

FUNCTION(stirling)
{
    const vf one = vf_set1(1), constant = vf_set1(0.91893853f); /* ln(2 pi) / 2 */
    const vf log_b = log_one(b);
    UNUSED(a), UNUSED(c), UNUSED(p);
    const vf sum = vf_add(vf_sub(vf_mul(b, log_b), b), vf_fma(vf_set1(0.5f), log_b, constant));
    return vf_where_lt(one, b, sum, vf_zero());
}

FUNCTION(stirling_b)
{
    UNUSED(a), UNUSED(c), UNUSED(p);
    return vf_where_lt(vf_set1(1), b, vf_add(log_one(b), vf_div(vf_set1(0.5f), b)), vf_zero());
}

FUNCTION(gaussian)
{
    const vf v = vf_at_least(b, p);
    UNUSED(c);
    return vf_mul(vf_set1(0.5f), vf_add(log_one(v), vf_div(a, v)));
}

FUNCTION(gaussian_a)
{
    UNUSED(a), UNUSED(c);
    return vf_div(vf_set1(0.5f), vf_at_least(b, p));
}

FUNCTION(gaussian_b)
{
    const vf v = vf_at_least(b, p);
    UNUSED(c);
    return vf_div(vf_mul(vf_set1(0.5f), vf_sub(vf_set1(1), vf_div(a, v))), v);
}

/* ---- of pairs ---- */

FUNCTION(hinge)
{
    UNUSED(c);
    return vf_at_least(vf_sub(p, vf_mul(a, b)), vf_zero());
}

FUNCTION(hinge_a)
{
    UNUSED(c);
    return vf_where_lt(vf_sub(p, vf_mul(a, b)), vf_zero(), vf_zero(), minus(b));
}

FUNCTION(hinge_b)
{
    UNUSED(c);
    return vf_where_lt(vf_sub(p, vf_mul(a, b)), vf_zero(), vf_zero(), minus(a));
}

/* ---- the choice ---- */

#define CASE(kind, name, with_c)                       \
    case kind:                                         \
        map(name, with_c, out, a, b, c, parameter, n); \
        break

void MR__LEVEL(loss_terms)(mr__loss_kind kind, float *out, const float *a, const float *b, const float *c,
                           float parameter, int64_t n)
{
    switch (kind) {
        CASE(MR__LOSS_L1, l1, false);
        CASE(MR__LOSS_SMOOTH_L1, smooth_l1, false);
        CASE(MR__LOSS_HUBER, huber, false);
        CASE(MR__LOSS_BCE, bce, false);
        CASE(MR__LOSS_BCE_LOGITS, bce_logits, false);
        CASE(MR__LOSS_BCE_LOGITS_POS, bce_logits_pos, true);
        CASE(MR__LOSS_KL, kl, false);
        CASE(MR__LOSS_KL_LOG, kl_log, false);
        CASE(MR__LOSS_POISSON, poisson, false);
        CASE(MR__LOSS_POISSON_LOG, poisson_log, false);
        CASE(MR__LOSS_STIRLING, stirling, false);
        CASE(MR__LOSS_GAUSSIAN, gaussian, false);
        CASE(MR__LOSS_HINGE, hinge, false);
    }
}

static void negate(float *out, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        out[i] = -out[i];
}

static void slopes_a(mr__loss_kind kind, float *out, const float *a, const float *b, const float *c,
                     float parameter, int64_t n)
{
    switch (kind) {
        CASE(MR__LOSS_L1, l1_a, false);
        CASE(MR__LOSS_SMOOTH_L1, smooth_l1_a, false);
        CASE(MR__LOSS_HUBER, huber_a, false);
        CASE(MR__LOSS_BCE, bce_a, false);
        CASE(MR__LOSS_BCE_LOGITS, bce_logits_a, false);
        CASE(MR__LOSS_BCE_LOGITS_POS, bce_logits_pos_a, true);
        CASE(MR__LOSS_KL, kl_a, false);
        CASE(MR__LOSS_KL_LOG, kl_log_a, false);
        CASE(MR__LOSS_POISSON, poisson_a, false);
        CASE(MR__LOSS_POISSON_LOG, poisson_log_a, false);
        CASE(MR__LOSS_GAUSSIAN, gaussian_a, false);
        CASE(MR__LOSS_HINGE, hinge_a, false);
    case MR__LOSS_STIRLING:
        MR__LEVEL(fill)(out, 0, n);
    }
}

void MR__LEVEL(loss_slopes)(mr__loss_kind kind, bool of_b, float *out, const float *a, const float *b,
                            const float *c, float parameter, int64_t n)
{
    if (!of_b) {
        slopes_a(kind, out, a, b, c, parameter, n);
        return;
    }
    switch (kind) {
    case MR__LOSS_L1:
    case MR__LOSS_SMOOTH_L1:
    case MR__LOSS_HUBER:
        slopes_a(kind, out, a, b, c, parameter, n);
        negate(out, n);
        break;
        CASE(MR__LOSS_BCE, bce_b, false);
        CASE(MR__LOSS_BCE_LOGITS, bce_logits_b, false);
        CASE(MR__LOSS_BCE_LOGITS_POS, bce_logits_pos_b, true);
        CASE(MR__LOSS_KL, kl_b, false);
        CASE(MR__LOSS_KL_LOG, kl_log_b, false);
        CASE(MR__LOSS_POISSON, poisson_b, false);
        CASE(MR__LOSS_POISSON_LOG, bce_logits_b, false);
        CASE(MR__LOSS_STIRLING, stirling_b, false);
        CASE(MR__LOSS_GAUSSIAN, gaussian_b, false);
        CASE(MR__LOSS_HINGE, hinge_b, false);
    }
}

/* Activations and their gradients, from the input; kernels.h lists their formulas. */
#include "kernels/level/exp.h"
#include "kernels/level/level.h"
#include "kernels/level/log.h"

/* ---- parts ---- */

/*
 * The probability that a standard normal number is below x; *density is the density there. Of -|x| it is exp(-x^2 / 2) t
 * p(t) with t = 1 / (1 + 0.35 |x|), where p is fitted to the smallest greatest relative error (3e-8).
 */
VF_INLINE vf normal_below(vf x, vf *density)
{
    const vf one = vf_set1(1), half = vf_set1(0.5f), negative = vf_negative(x);
    const vf t = vf_div(one, vf_fma(negative, vf_set1(-0.35f), one));
    const vf e =
        exp_at_most_1(vf_mul(vf_mul(negative, half), vf_at_most(vf_sub(vf_zero(), negative), vf_set1(20))));
    vf p = vf_fma(vf_set1(-0x1.dd80acp-6f), t, vf_set1(0x1.26d702p-3f));
    p = vf_fma(p, t, vf_set1(-0x1.05d662p-2f));
    p = vf_fma(p, t, vf_set1(0x1.45f554p-3f));
    p = vf_fma(p, t, vf_set1(-0x1.7a7932p-6f));
    p = vf_fma(p, t, vf_set1(0x1.b02524p-4f));
    p = vf_fma(p, t, vf_set1(0x1.ead6d2p-4f));
    p = vf_fma(p, t, vf_set1(0x1.1e6fd6p-3f));
    p = vf_fma(p, t, vf_set1(0x1.1df1d4p-3f));
    const vf below = vf_mul(vf_mul(p, t), e);
    *density = vf_mul(e, vf_set1(0.3989422804f)); /* 1 / sqrt(2 pi) */
    return vf_if_negative(x, below, vf_sub(one, below));
}

/* exp(x) - 1 for x of at most 0. */
VF_INLINE vf expm1_at_most_0(vf x)
{
    vf n;
    const vf p = exp_minus_one(vf_at_least(x, vf_set1(-87)), &n), power = vf_scale2_fast(vf_set1(1), n);
    return vf_fma(p, power, vf_sub(power, vf_set1(1)));
}

/* With n = e^x (e^x + 2), tanh(ln(1 + e^x)) = n / (n + 2). Beyond 20 it is 1. */
VF_INLINE vf mish_part(vf x)
{
    const vf e = exp_one(vf_at_most(x, vf_set1(20)));
    return vf_mul(e, vf_add(e, vf_set1(2)));
}

/* 2 sqrt(2 / pi) (x + 0.044715 x^3), so that its sigmoid is (1 + tanh(half of it)) / 2; *slope is its derivative times x.
 * x is taken as at most 100, where all is decided. */
VF_INLINE vf gelu_argument(vf x, vf *slope)
{
    const vf factor = vf_set1(1.5957691216f),
             limited = vf_at_most(vf_at_least(x, vf_set1(-100)), vf_set1(100));
    const vf cube = vf_mul(vf_mul(vf_set1(0.044715f), vf_mul(limited, limited)), limited);
    *slope = vf_mul(factor, vf_fma(cube, vf_set1(3), limited));
    return vf_mul(factor, vf_add(limited, cube));
}

VF_INLINE vf times_1_minus(vf s)
{
    return vf_mul(s, vf_sub(vf_set1(1), s));
}

/* ---- one vector ---- */

typedef struct parameters {
    vf a, b;
} parameters;

VF_INLINE vf value_of(mr__activation kind, vf x, parameters p)
{
    vf rest;
    switch (kind) {
    case MR__LEAKY_RELU:
        return vf_where_lt(vf_zero(), x, x, vf_mul(x, p.a));
    case MR__ELU:
        return vf_where_lt(vf_zero(), x, vf_mul(x, p.b),
                           vf_mul(expm1_at_most_0(vf_at_most(x, vf_zero())), vf_mul(p.a, p.b)));
    case MR__GELU:
        return vf_mul(x, normal_below(x, &rest));
    case MR__GELU_TANH:
        return vf_mul(x, sigmoid_one(gelu_argument(x, &rest)));
    case MR__SILU:
        return vf_mul(x, sigmoid_one(x));
    case MR__MISH:
        rest = mish_part(x);
        return vf_mul(x, vf_div(rest, vf_add(rest, vf_set1(2))));
    case MR__SOFTPLUS:
        rest = vf_mul(x, p.a);
        return vf_where_lt(
            p.b, rest, x,
            vf_div(vf_add(vf_at_least(rest, vf_zero()), log_of_1_plus(exp_at_most_1(vf_negative(rest)))),
                   p.a));
    case MR__HARDTANH:
        return vf_at_most(vf_at_least(x, p.a), p.b);
    default: /* MR__HARDSWISH */
        rest = vf_at_most(vf_at_least(vf_add(x, vf_set1(3)), vf_zero()), vf_set1(6));
        return vf_div(vf_mul(x, rest), vf_set1(6));
    }
}

VF_INLINE vf slope_of(mr__activation kind, vf x, parameters p)
{
    const vf one = vf_set1(1), zero = vf_zero();
    vf rest, s;
    switch (kind) {
    case MR__LEAKY_RELU:
        return vf_where_lt(zero, x, one, p.a);
    case MR__ELU:
        return vf_where_lt(zero, x, p.b, vf_mul(exp_at_most_1(vf_at_most(x, zero)), vf_mul(p.a, p.b)));
    case MR__GELU:
        s = normal_below(x, &rest);
        return vf_fma(vf_at_most(vf_at_least(x, vf_set1(-100)), vf_set1(100)), rest, s);
    case MR__GELU_TANH:
        s = sigmoid_one(gelu_argument(x, &rest));
        return vf_fma(times_1_minus(s), rest, s);
    case MR__SILU:
        s = sigmoid_one(x);
        return vf_fma(vf_at_most(vf_at_least(x, vf_set1(-200)), vf_set1(200)), times_1_minus(s), s);
    case MR__MISH:
        rest = mish_part(x);
        s = vf_add(rest, vf_set1(2));
        /* with t = rest / s, t + x sigmoid(x) (1 - t^2) */
        return vf_fma(vf_mul(vf_at_most(vf_at_least(x, vf_set1(-200)), vf_set1(200)), sigmoid_one(x)),
                      vf_div(vf_mul(vf_set1(4), vf_add(rest, one)), vf_mul(s, s)), vf_div(rest, s));
    case MR__SOFTPLUS:
        rest = vf_mul(x, p.a);
        return vf_where_lt(p.b, rest, one, sigmoid_one(rest));
    case MR__HARDTANH:
        return vf_keep_unless_le0(vf_keep_unless_le0(one, vf_sub(x, p.a)), vf_sub(p.b, x));
    default: /* MR__HARDSWISH */
        rest = vf_add(vf_div(x, vf_set1(3)), vf_set1(0.5f));
        return vf_where_lt(x, vf_set1(-3), zero, vf_where_lt(x, vf_set1(3), rest, one));
    }
}

/* ---- arrays ---- */

VF_INLINE void map(mr__activation kind, float *out, const float *x, parameters p, int64_t n)
{
    int64_t i = 0;
    for (; i + VF_LANES <= n; i += VF_LANES)
        vf_store(out + i, value_of(kind, vf_load(x + i), p));
    if (i < n) {
        const vm rest = vm_first(n - i);
        vf_store_m(out + i, value_of(kind, vf_load_m(x + i, rest), p), rest);
    }
}

VF_INLINE void map_backward(mr__activation kind, float *dx, const float *dy, const float *x, parameters p,
                            int64_t n, bool add)
{
    int64_t i = 0;
    for (; i + VF_LANES <= n; i += VF_LANES) {
        const vf d = vf_mul(vf_load(dy + i), slope_of(kind, vf_load(x + i), p));
        vf_store(dx + i, add ? vf_add(vf_load(dx + i), d) : d);
    }
    if (i < n) {
        const vm rest = vm_first(n - i);
        const vf d = vf_mul(vf_load_m(dy + i, rest), slope_of(kind, vf_load_m(x + i, rest), p));
        vf_store_m(dx + i, add ? vf_add(vf_load_m(dx + i, rest), d) : d, rest);
    }
}

/* A loop for each kind, so that none decides inside. */
#define EACH_KIND(CASE)  \
    CASE(MR__LEAKY_RELU) \
    CASE(MR__ELU)        \
    CASE(MR__GELU)       \
    CASE(MR__GELU_TANH)  \
    CASE(MR__SILU)       \
    CASE(MR__MISH)       \
    CASE(MR__SOFTPLUS)   \
    CASE(MR__HARDTANH)   \
    CASE(MR__HARDSWISH)

void MR__LEVEL(activation)(mr__activation kind, float *out, const float *x, float a, float b, int64_t n)
{
    const parameters p = { vf_set1(a), vf_set1(b) };
#define CASE(k)               \
    case k:                   \
        map(k, out, x, p, n); \
        break;
    switch (kind) {
        EACH_KIND(CASE)
    }
#undef CASE
}

void MR__LEVEL(activation_backward)(mr__activation kind, float *dx, const float *dy, const float *x, float a,
                                    float b, int64_t n, bool add)
{
    const parameters p = { vf_set1(a), vf_set1(b) };
#define CASE(k)                                \
    case k:                                    \
        map_backward(k, dx, dy, x, p, n, add); \
        break;
    switch (kind) {
        EACH_KIND(CASE)
    }
#undef CASE
}

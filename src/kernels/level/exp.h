/* exp, and what is made of it: sigmoid and tanh; for one vector. */
#ifndef MILLRACE_KERNELS_LEVEL_EXP_H
#define MILLRACE_KERNELS_LEVEL_EXP_H

#include "kernels/level/vec.h"

/*
 * x = n ln 2 + r with n whole and |r| <= ln 2 / 2; the result is exp(r) - 1, and *n is set. ln 2 is taken in two
 * parts, the first short enough for its product with n to be exact. The polynomial is 1/2 + r/6 + ... with
 * coefficients fitted to the smallest greatest error of the whole (3e-9), each rounded to float.
 */
VF_INLINE vf rest_of(vf x, vf *n)
{
    const vf rounder = vf_set1(12582912.0f); /* 1.5 * 2^23: what is added to it loses its fraction */
    *n = vf_sub(vf_fma(x, vf_set1(1.44269504f), rounder), rounder);
    const vf r = vf_fma(*n, vf_set1(-0x1.62e4p-1f), x);
    return vf_fma(*n, vf_set1(-0x1.7f7d1cp-20f), r);
}

VF_INLINE vf polynomial(vf r)
{
    vf q = vf_fma(vf_set1(0x1.6a23dp-10f), r, vf_set1(0x1.123a2p-7f));
    q = vf_fma(q, r, vf_set1(0x1.5558f2p-5f));
    q = vf_fma(q, r, vf_set1(0x1.555492p-3f));
    return vf_fma(q, r, vf_set1(0x1.fffffcp-2f));
}

VF_INLINE vf exp_minus_one(vf x, vf *n)
{
    const vf r = rest_of(x, n), q = polynomial(r);
    return vf_fma(vf_mul(q, r), r, r);
}

/* Beyond these the result is 0 and infinity; below LEAST_NORMAL it is less than 2^-126. */
#define LOWEST -104.0f
#define HIGHEST 89.0f
#define LEAST_NORMAL -87.33654f

/* exp(x) for x from LOWEST to LEAST_NORMAL. */
VF_INLINE vf exp_tiny(vf x)
{
    vf n;
    const vf p = exp_minus_one(x, &n);
    return vf_tiny(vf_scale2_fast(vf_add(p, vf_set1(1)), vf_add(n, vf_set1(149))));
}

VF_INLINE vf exp_one(vf x)
{
    vf n;
    const vf least = vf_set1(LEAST_NORMAL);
    const bool tiny = vf_any_lt(x, least);
    const vf p = exp_minus_one(vf_at_most(vf_at_least(x, least), vf_set1(HIGHEST)), &n);
    const vf y = vf_scale2(vf_add(p, vf_set1(1)), n);
    if (__builtin_expect(!tiny, 1))
        return y;
    return vf_where_lt(x, least, exp_tiny(vf_at_least(vf_at_most(x, least), vf_set1(LOWEST))), y);
}

/* exp(x) for x of at most 0, with 0 in place of results below 2^-126: those would be slow to make and to work with. */
VF_INLINE vf exp_at_most_1(vf x)
{
    vf n;
    const vf one = vf_set1(1), r = rest_of(x, &n);
    return vf_scale2_unless_lt(vf_fma(vf_fma(polynomial(r), r, one), r, one), n, x, vf_set1(LEAST_NORMAL));
}

/* With e = exp(-|x|), which cannot overflow: 1 / (1 + e), or e / (1 + e) for negative x. */
VF_INLINE vf sigmoid_one(vf x)
{
    vf n;
    const vf one = vf_set1(1), least = vf_set1(LEAST_NORMAL),
             r = rest_of(vf_at_least(vf_negative(x), least), &n);
    const vf e = vf_scale2_fast(vf_fma(vf_fma(polynomial(r), r, one), r, one), n);
    const vf y = vf_div_by_1_to_2(vf_if_negative(x, e, one), vf_add(e, one));
    if (__builtin_expect(!vf_any_lt(x, least), 1))
        return y;
    return vf_where_lt(x, least, exp_tiny(vf_at_least(vf_at_most(x, least), vf_set1(LOWEST))), y);
}

/* With d = exp(-2|x|) - 1: -d / (d + 2), and the sign of x. n is 0 for small x, and d then as exact as p. */
VF_INLINE vf tanh_one(vf x)
{
    vf n;
    const vf twice = vf_negative(vf_add(x, x)), p = exp_minus_one(vf_at_least(twice, vf_set1(-40)), &n);
    const vf power = vf_scale2_fast(vf_set1(1), n);
    const vf d = vf_fma(p, power, vf_sub(power, vf_set1(1)));
    return vf_with_sign(vf_div_by_1_to_2(d, vf_add(d, vf_set1(2))), x);
}

#endif

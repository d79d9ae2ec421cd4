/* The natural logarithm of one vector. */
#ifndef MILLRACE_KERNELS_LEVEL_LOG_H
#define MILLRACE_KERNELS_LEVEL_LOG_H

#include "kernels/level/vec.h"

#include <float.h>
#include <math.h>

/*
 * x = m 2^e with m from sqrt(1/2) to sqrt(2), and with f = m - 1, which is exact, ln(m) = f - f^2/2 + f^3 p(f). The
 * coefficients are fitted to the smallest greatest relative error of the whole (6e-9), each rounded to float. ln 2 is taken in
 * two parts, the first short enough for its product with e to be exact. Only for positive normal x.
 */
VF_INLINE vf log_of_normal(vf x)
{
    vf e;
    const vf f = vf_sub(vf_split(x, &e), vf_set1(1)), square = vf_mul(f, f);
    vf p = vf_fma(vf_set1(-0x1.38b58ap-4f), f, vf_set1(0x1.055b72p-3f));
    p = vf_fma(p, f, vf_set1(-0x1.0d8542p-3f));
    p = vf_fma(p, f, vf_set1(0x1.22da1cp-3f));
    p = vf_fma(p, f, vf_set1(-0x1.547244p-3f));
    p = vf_fma(p, f, vf_set1(0x1.99a008p-3f));
    p = vf_fma(p, f, vf_set1(-0x1.000226p-2f));
    p = vf_fma(p, f, vf_set1(0x1.555554p-2f));
    vf rest = vf_fma(e, vf_set1(0x1.7f7d1cp-20f), vf_mul(vf_mul(square, f), p));
    rest = vf_fma(square, vf_set1(-0.5f), rest);
    return vf_fma(e, vf_set1(0x1.62e4p-1f), vf_add(f, rest));
}

/* Of any x. Numbers below 2^-126 are multiplied by 2^23 first. */
VF_INLINE vf log_one(vf x)
{
    const vf least = vf_set1(FLT_MIN), zero = vf_zero();
    const vf large = vf_where_lt(x, least, vf_mul(x, vf_set1(0x1p23f)), x);
    vf y = vf_add(log_of_normal(large), vf_where_lt(x, least, vf_set1(-15.942385f), zero));
    y = vf_where_lt(zero, x, y, vf_where_lt(x, zero, vf_set1(NAN), vf_set1(-INFINITY)));
    y = vf_add(y, vf_sub(x, x)); /* NaN where x is NaN or infinite */
    return vf_where_lt(vf_set1(FLT_MAX), x, x, y);
}

/* ln(1 + u) for u from 0 to 1: what 1 + u has lost of u is put back. */
VF_INLINE vf log_of_1_plus(vf u)
{
    const vf one = vf_set1(1), sum = vf_add(one, u);
    return vf_add(log_of_normal(sum), vf_div_by_1_to_2(vf_sub(u, vf_sub(sum, one)), sum));
}

#endif

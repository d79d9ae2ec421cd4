/* sin and cos. */
#include "kernels/level/level.h"

#include <math.h>

/*
 * x = n pi + r with n whole and |r| <= pi / 2, so that sin(x) = (-1)^n sin(r). For cos(x) = sin(x + pi / 2) half of
 * pi is put back: n - 1/2 takes the place of n in r. pi is taken in four parts; the products of the first three
 * with n, or n - 1/2, are exact while n has no more than 13 bits, which is so up to `far`. sin(r) = r + r^3 p(r^2), with
 * coefficients fitted to the smallest greatest relative error of the whole (6e-9), each rounded to float.
 */
static const float far = 12000;

VF_INLINE vf sine_near(vf x, float shift)
{
    const vf n = vf_round(vf_fma(x, vf_set1(0x1.45f306p-2f), vf_set1(shift)));
    const vf turns = vf_sub(n, vf_set1(shift));
    vf r = vf_fma(turns, vf_set1(-0x1.92p+1f), x);
    r = vf_fma(turns, vf_set1(-0x1.fb4p-11f), r);
    r = vf_fma(turns, vf_set1(-0x1.444p-23f), r);
    r = vf_fma(turns, vf_set1(-0x1.68c234p-38f), r);
    const vf s = vf_mul(r, r);
    vf p = vf_fma(vf_set1(0x1.5dbdf0p-19f), s, vf_set1(-0x1.9f6ffep-13f));
    p = vf_fma(p, s, vf_set1(0x1.110ed4p-7f));
    p = vf_fma(p, s, vf_set1(-0x1.55554cp-3f));
    return vf_flip_if_odd(vf_with_sign(vf_fma(vf_mul(s, p), r, r), r), n); /* the sign of a zero, too */
}

typedef float scalar(float x);

/* Numbers beyond `far`, infinities and NaN go to the C library, one by one. */
static __attribute__((noinline)) vf with_far(vf y, vf x, scalar exact)
{
    float from[VF_LANES], to[VF_LANES];
    vf_store(from, x);
    vf_store(to, y);
    for (int i = 0; i < VF_LANES; i++)
        if (!(fabsf(from[i]) <= far))
            to[i] = exact(from[i]);
    return vf_load(to);
}

VF_INLINE vf sin_one(vf x)
{
    const vf y = sine_near(x, 0);
    return __builtin_expect(vf_any_beyond(x, far), 0) ? with_far(y, x, sinf) : y;
}

VF_INLINE vf cos_one(vf x)
{
    const vf y = sine_near(x, 0.5f);
    return __builtin_expect(vf_any_beyond(x, far), 0) ? with_far(y, x, cosf) : y;
}

typedef vf function(vf x);

VF_INLINE void map(function f, float *out, const float *x, int64_t n)
{
    int64_t i = 0;
    for (; i + VF_LANES <= n; i += VF_LANES)
        vf_store(out + i, f(vf_load(x + i)));
    if (i < n) {
        const vm rest = vm_first(n - i);
        vf_store_m(out + i, f(vf_load_m(x + i, rest)), rest);
    }
}

void MR__LEVEL(sin)(float *out, const float *x, int64_t n)
{
    map(sin_one, out, x, n);
}

void MR__LEVEL(cos)(float *out, const float *x, int64_t n)
{
    map(cos_one, out, x, n);
}

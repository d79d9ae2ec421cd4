/* Sums over an array, and the search for numbers that are not finite. */
#include "kernels/level/level.h"

#include <stddef.h>

/* Longer arrays are halved until they are not longer than this, so that the error grows with the logarithm of n. */
enum { BLOCK = 128 * VF_LANES };

/* The terms of a sum: x, or with b the squares of x - b. */
VF_INLINE vf add_term(vf sum, vf x, vf b, bool squares)
{
    if (!squares)
        return vf_add(sum, x);
    const vf d = vf_sub(x, b);
    return vf_fma(d, d, sum);
}

VF_INLINE vf load_from(const float *b, int64_t i)
{
    return b ? vf_load(b + i) : vf_zero();
}

VF_INLINE vf sum_block(const float *x, const float *b, int64_t n, bool squares)
{
    vf s0 = vf_zero(), s1 = s0, s2 = s0, s3 = s0;
    int64_t i = 0;
    for (; i + 4 * VF_LANES <= n; i += 4 * VF_LANES) {
        const int64_t i1 = i + VF_LANES, i2 = i + 2 * VF_LANES, i3 = i + 3 * VF_LANES;
        s0 = add_term(s0, vf_load(x + i), load_from(squares ? b : NULL, i), squares);
        s1 = add_term(s1, vf_load(x + i1), load_from(squares ? b : NULL, i1), squares);
        s2 = add_term(s2, vf_load(x + i2), load_from(squares ? b : NULL, i2), squares);
        s3 = add_term(s3, vf_load(x + i3), load_from(squares ? b : NULL, i3), squares);
    }
    for (; i + VF_LANES <= n; i += VF_LANES)
        s0 = add_term(s0, vf_load(x + i), load_from(squares ? b : NULL, i), squares);
    if (i < n) {
        const vm rest = vm_first(n - i);
        s1 = add_term(s1, vf_load_m(x + i, rest), squares ? vf_load_m(b + i, rest) : vf_zero(), squares);
    }
    return vf_add(vf_add(s0, s1), vf_add(s2, s3));
}

static int64_t half(int64_t n)
{
    return (n / 2 + BLOCK - 1) / BLOCK * BLOCK;
}

static vf sum_all(const float *x, int64_t n)
{
    if (n <= BLOCK)
        return sum_block(x, NULL, n, false);
    const int64_t h = half(n);
    return vf_add(sum_all(x, h), sum_all(x + h, n - h));
}

static vf sum_squares(const float *a, const float *b, int64_t n)
{
    if (n <= BLOCK)
        return sum_block(a, b, n, true);
    const int64_t h = half(n);
    return vf_add(sum_squares(a, b, h), sum_squares(a + h, b + h, n - h));
}

float MR__LEVEL(sum)(const float *x, int64_t n)
{
    return vf_sum(sum_all(x, n));
}

float MR__LEVEL(sum_squared_difference)(const float *a, const float *b, int64_t n)
{
    return vf_sum(sum_squares(a, b, n));
}

/* x - x is 0, and NaN where x is not finite; a NaN then stays in the sum. */
bool MR__LEVEL(all_finite)(const float *x, int64_t n)
{
    vf s0 = vf_zero(), s1 = s0;
    int64_t i = 0;
    for (; i + 2 * VF_LANES <= n; i += 2 * VF_LANES) {
        const vf v0 = vf_load(x + i), v1 = vf_load(x + i + VF_LANES);
        s0 = vf_add(s0, vf_sub(v0, v0));
        s1 = vf_add(s1, vf_sub(v1, v1));
    }
    for (; i < n; i += VF_LANES) {
        const vf v = vf_load_m(x + i, vm_first(n - i < VF_LANES ? n - i : VF_LANES));
        s0 = vf_add(s0, vf_sub(v, v));
    }
    return vf_sum(vf_add(s0, s1)) == 0;
}

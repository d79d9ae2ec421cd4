/* Max pooling. */
#include "kernels/level/level.h"

VF_INLINE void pool(float *restrict best, int32_t *restrict at, const float *restrict line, int64_t step,
                    int32_t start, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        const float x = line[i * step], b = best[i];
        const bool takes = !(x <= b); /* greater, or one of them NaN; a NaN that is there is left below */
        const bool keeps = b != b && x == x;
        best[i] = takes && !keeps ? x : b;
        at[i] = takes && !keeps ? start + (int32_t)(i * step) : at[i];
    }
}

void MR__LEVEL(pool_max)(float *best, int32_t *at, const float *line, int64_t step, int32_t start, int64_t n)
{
    if (step == 1)
        pool(best, at, line, 1, start, n);
    else if (step == 2)
        pool(best, at, line, 2, start, n);
    else
        pool(best, at, line, step, start, n);
}

/* ---- windows of 2 x 2, two apart ---- */

/* Two vectors from 2 n floats, whose lanes beyond them are zero; vm_first takes no more than a vector's lanes. */
VF_INLINE void load_pairs(const float *p, int64_t n, vf *even, vf *odd)
{
    vf a, b;
    if (n >= VF_LANES) {
        a = vf_load(p);
        b = vf_load(p + VF_LANES);
    } else {
        const int64_t first = 2 * n < VF_LANES ? 2 * n : VF_LANES;
        a = vf_load_m(p, vm_first(first));
        b = vf_load_m(p + first, vm_first(2 * n - first));
    }
    *even = vf_even(a, b);
    *odd = vf_odd(a, b);
}

VF_INLINE void take(vf *best, vf *which, vf x, float number)
{
    *which = vf_if_exceeds(x, *best, vf_set1(number), *which);
    *best = vf_if_exceeds(x, *best, x, *best);
}

void MR__LEVEL(pool_max_pairs)(float *y, float *which, const float *upper, const float *lower, int64_t n)
{
    for (int64_t i = 0; i < n; i += VF_LANES) {
        vf best, second, third, fourth, at = vf_zero();
        load_pairs(upper + 2 * i, n - i, &best, &second);
        load_pairs(lower + 2 * i, n - i, &third, &fourth);
        take(&best, &at, second, 1);
        take(&best, &at, third, 2);
        take(&best, &at, fourth, 3);
        if (n - i >= VF_LANES) {
            vf_store(y + i, best);
            vf_store(which + i, at);
        } else {
            vf_store_m(y + i, best, vm_first(n - i));
            vf_store_m(which + i, at, vm_first(n - i));
        }
    }
}

VF_INLINE void store_pairs(float *p, int64_t n, vf even, vf odd, bool add)
{
    vf a = vf_zip_low(even, odd), b = vf_zip_high(even, odd);
    if (n >= VF_LANES) {
        vf_store(p, add ? vf_add(vf_load(p), a) : a);
        vf_store(p + VF_LANES, add ? vf_add(vf_load(p + VF_LANES), b) : b);
        return;
    }
    const int64_t first = 2 * n < VF_LANES ? 2 * n : VF_LANES;
    const vm in_a = vm_first(first), in_b = vm_first(2 * n - first);
    vf_store_m(p, add ? vf_add(vf_load_m(p, in_a), a) : a, in_a);
    vf_store_m(p + first, add ? vf_add(vf_load_m(p + first, in_b), b) : b, in_b);
}

void MR__LEVEL(pool_spread_pairs)(float *upper, float *lower, const float *dy, const float *which, int64_t n,
                                  bool add)
{
    for (int64_t i = 0; i < n; i += VF_LANES) {
        const bool whole = n - i >= VF_LANES;
        const vm lanes = vm_first(whole ? VF_LANES : n - i);
        const vf g = vf_load_m(dy + i, lanes), at = vf_load_m(which + i, lanes);
        store_pairs(upper + 2 * i, n - i, vf_keep_if_equal(g, at, vf_zero()),
                    vf_keep_if_equal(g, at, vf_set1(1)), add);
        store_pairs(lower + 2 * i, n - i, vf_keep_if_equal(g, at, vf_set1(2)),
                    vf_keep_if_equal(g, at, vf_set1(3)), add);
    }
}

void MR__LEVEL(pool_relu)(float *y, float *which, int64_t n)
{
    const vf none = vf_set1(4);
    for (int64_t i = 0; i < n; i += VF_LANES) {
        const vm lanes = vm_first(n - i < VF_LANES ? n - i : VF_LANES);
        const vf v = vf_load_m(y + i, lanes), at = vf_load_m(which + i, lanes);
        vf_store_m(y + i, vf_keep_unless_le0(v, v), lanes);
        vf_store_m(which + i, vf_add(vf_keep_unless_le0(vf_sub(at, none), v), none), lanes);
    }
}

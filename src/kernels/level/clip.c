/* Sizes of gradients, and cutting them. NaN in gives NaN out. */
#include "kernels/level/level.h"

typedef enum { SQUARES, MAGNITUDES, LARGEST } measure;

VF_INLINE vf add_to(vf sum, vf x, measure what)
{
    switch (what) {
    case SQUARES:
        return vf_fma(x, x, sum);
    case MAGNITUDES:
        return vf_sub(sum, vf_negative(x));
    default:
        return vf_max(sum, vf_sub(vf_zero(), vf_negative(x)));
    }
}

VF_INLINE vf join(vf a, vf b, measure what)
{
    return what == LARGEST ? vf_max(a, b) : vf_add(a, b);
}

VF_INLINE vf measure_of(const float *x, int64_t n, measure what)
{
    vf s0 = vf_zero(), s1 = s0, s2 = s0, s3 = s0;
    int64_t i = 0;
    for (; i + 4 * VF_LANES <= n; i += 4 * VF_LANES) {
        s0 = add_to(s0, vf_load(x + i), what);
        s1 = add_to(s1, vf_load(x + i + VF_LANES), what);
        s2 = add_to(s2, vf_load(x + i + 2 * VF_LANES), what);
        s3 = add_to(s3, vf_load(x + i + 3 * VF_LANES), what);
    }
    for (; i + VF_LANES <= n; i += VF_LANES)
        s0 = add_to(s0, vf_load(x + i), what);
    if (i < n)
        s1 = add_to(s1, vf_load_m(x + i, vm_first(n - i)), what);
    return join(join(s0, s1, what), join(s2, s3, what), what);
}

float MR__LEVEL(sum_squares)(const float *x, int64_t n)
{
    return vf_sum(measure_of(x, n, SQUARES));
}

float MR__LEVEL(sum_magnitudes)(const float *x, int64_t n)
{
    return vf_sum(measure_of(x, n, MAGNITUDES));
}

float MR__LEVEL(largest_magnitude)(const float *x, int64_t n)
{
    float lane[VF_LANES];
    vf_store(lane, measure_of(x, n, LARGEST));
    float largest = lane[0];
    for (int i = 1; i < VF_LANES; i++)
        largest = largest != largest || largest > lane[i] ? largest : lane[i];
    return largest;
}

void MR__LEVEL(clip)(float *x, float bound, int64_t n)
{
    const vf high = vf_set1(bound), low = vf_set1(-bound);
    int64_t i = 0;
    for (; i + VF_LANES <= n; i += VF_LANES)
        vf_store(x + i, vf_at_least(vf_at_most(vf_load(x + i), high), low));
    if (i < n) {
        const vm rest = vm_first(n - i);
        vf_store_m(x + i, vf_at_least(vf_at_most(vf_load_m(x + i, rest), high), low), rest);
    }
}

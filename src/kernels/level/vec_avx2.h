/* Vectors of 8 floats; see vec.h. */
#include <immintrin.h>

enum { VF_LANES = 8 };
typedef __m256 vf;
typedef __m256i vm;

VF_INLINE vm vm_first(int64_t n)
{
    return _mm256_cmpgt_epi32(_mm256_set1_epi32((int)n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

VF_INLINE vf vf_load(const float *p)
{
    return _mm256_loadu_ps(p);
}

VF_INLINE vf vf_load_m(const float *p, vm m)
{
    return _mm256_maskload_ps(p, m);
}

VF_INLINE vf vf_load_or(const float *p, vm m, vf other)
{
    return _mm256_blendv_ps(other, _mm256_maskload_ps(p, m), _mm256_castsi256_ps(m));
}

VF_INLINE void vf_store(float *p, vf v)
{
    _mm256_storeu_ps(p, v);
}

VF_INLINE void vf_store_m(float *p, vf v, vm m)
{
    _mm256_maskstore_ps(p, m, v);
}

VF_INLINE vf vf_set1(float x)
{
    return _mm256_set1_ps(x);
}

VF_INLINE vf vf_zero(void)
{
    return _mm256_setzero_ps();
}

VF_INLINE vf vf_add(vf a, vf b)
{
    return _mm256_add_ps(a, b);
}

VF_INLINE vf vf_sub(vf a, vf b)
{
    return _mm256_sub_ps(a, b);
}

VF_INLINE vf vf_mul(vf a, vf b)
{
    return _mm256_mul_ps(a, b);
}

VF_INLINE vf vf_div(vf a, vf b)
{
    return _mm256_div_ps(a, b);
}

/* a / b for b in [1, 2] */
VF_INLINE vf vf_div_by_1_to_2(vf a, vf b)
{
    return vf_div(a, b);
}

VF_INLINE vf vf_fma(vf a, vf b, vf c)
{
    return _mm256_fmadd_ps(a, b, c);
}

VF_INLINE vf vf_sqrt(vf a)
{
    return _mm256_sqrt_ps(a);
}

VF_INLINE vf vf_at_least(vf x, vf bound)
{
    return _mm256_max_ps(bound, x);
}

VF_INLINE vf vf_at_most(vf x, vf bound)
{
    return _mm256_min_ps(bound, x);
}

VF_INLINE vf vf_max(vf a, vf b)
{
    return _mm256_blendv_ps(_mm256_max_ps(a, b), a, _mm256_cmp_ps(a, a, _CMP_UNORD_Q));
}

VF_INLINE vf vf_keep_unless_le0(vf v, vf x)
{
    return _mm256_and_ps(v, _mm256_cmp_ps(x, _mm256_setzero_ps(), _CMP_NLE_UQ));
}

VF_INLINE vf vf_negative(vf x)
{
    return _mm256_or_ps(x, _mm256_set1_ps(-0.0f));
}

VF_INLINE vf vf_with_sign(vf v, vf x)
{
    const __m256 sign = _mm256_set1_ps(-0.0f);
    return _mm256_or_ps(_mm256_andnot_ps(sign, v), _mm256_and_ps(sign, x));
}

VF_INLINE vf vf_if_negative(vf x, vf a, vf b)
{
    return _mm256_blendv_ps(b, a, x);
}

VF_INLINE bool vf_any_beyond(vf x, float bound)
{
    const vf magnitude = _mm256_andnot_ps(_mm256_set1_ps(-0.0f), x);
    return _mm256_movemask_ps(_mm256_cmp_ps(magnitude, _mm256_set1_ps(bound), _CMP_NLE_UQ)) != 0;
}

VF_INLINE vf vf_flip_if_odd(vf v, vf n)
{
    const __m256i sign = _mm256_slli_epi32(_mm256_cvtps_epi32(n), 31);
    return _mm256_xor_ps(v, _mm256_castsi256_ps(sign));
}

VF_INLINE vf vf_where_lt(vf x, vf y, vf a, vf b)
{
    return _mm256_blendv_ps(b, a, _mm256_cmp_ps(x, y, _CMP_LT_OQ));
}

VF_INLINE vf vf_if_exceeds(vf x, vf y, vf a, vf b)
{
    const vf m = _mm256_or_ps(_mm256_cmp_ps(x, y, _CMP_GT_OQ), _mm256_cmp_ps(x, x, _CMP_UNORD_Q));
    return _mm256_blendv_ps(b, a, m);
}

VF_INLINE vf vf_keep_if_equal(vf v, vf x, vf y)
{
    return _mm256_and_ps(v, _mm256_cmp_ps(x, y, _CMP_EQ_OQ));
}

VF_INLINE vf vf_in_order(vf v) /* its quarters 0, 2, 1, 3 */
{
    return _mm256_castpd_ps(_mm256_permute4x64_pd(_mm256_castps_pd(v), 0xd8));
}

VF_INLINE vf vf_even(vf a, vf b)
{
    return vf_in_order(_mm256_shuffle_ps(a, b, 0x88));
}

VF_INLINE vf vf_odd(vf a, vf b)
{
    return vf_in_order(_mm256_shuffle_ps(a, b, 0xdd));
}

VF_INLINE vf vf_zip_low(vf a, vf b)
{
    return _mm256_permute2f128_ps(_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b), 0x20);
}

VF_INLINE vf vf_zip_high(vf a, vf b)
{
    return _mm256_permute2f128_ps(_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b), 0x31);
}

VF_INLINE vf vf_split(vf x, vf *e)
{
    const __m256i bits = _mm256_castps_si256(x);
    const __m256i whole = _mm256_srai_epi32(_mm256_sub_epi32(bits, _mm256_set1_epi32(0x3f3504f3)), 23);
    *e = _mm256_cvtepi32_ps(whole);
    return _mm256_castsi256_ps(_mm256_sub_epi32(bits, _mm256_slli_epi32(whole, 23)));
}

VF_INLINE vf vf_round(vf x)
{
    return _mm256_round_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

/* In two steps, since 2^n alone may be too great or too small; only the last one rounds. */
VF_INLINE vf vf_scale2(vf x, vf n)
{
    const __m256i bias = _mm256_set1_epi32(127), whole = _mm256_cvtps_epi32(n);
    const __m256i half = _mm256_srai_epi32(whole, 1), rest = _mm256_sub_epi32(whole, half);
    x = _mm256_mul_ps(x, _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(half, bias), 23)));
    return _mm256_mul_ps(x, _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(rest, bias), 23)));
}

VF_INLINE vf vf_scale2_fast(vf x, vf n)
{
    const __m256i exponent = _mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127));
    return _mm256_mul_ps(x, _mm256_castsi256_ps(_mm256_slli_epi32(exponent, 23)));
}

VF_INLINE vf vf_scale2_unless_lt(vf x, vf n, vf v, vf bound)
{
    return _mm256_and_ps(vf_scale2_fast(x, n), _mm256_cmp_ps(v, bound, _CMP_NLT_UQ));
}

VF_INLINE bool vf_any_lt(vf x, vf y)
{
    return _mm256_movemask_ps(_mm256_cmp_ps(x, y, _CMP_LT_OQ)) != 0;
}

VF_INLINE vf vf_tiny(vf x)
{
    const __m256 whole = _mm256_add_ps(x, _mm256_set1_ps(0x1p23f));
    return _mm256_castsi256_ps(_mm256_sub_epi32(_mm256_castps_si256(whole), _mm256_set1_epi32(0x4b000000)));
}

#include "kernels/level/vec_256.h"

VF_INLINE float vf_sum(vf v)
{
    return vd_sum(v);
}

VF_INLINE vd vf_fold_sum(vf v)
{
    return v;
}

VF_INLINE vd vf_fold_greatest(vf v)
{
    return v;
}

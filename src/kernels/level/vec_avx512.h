/* Vectors of 16 floats; see vec.h. */
#include <immintrin.h>

enum { VF_LANES = 16 };
typedef __m512 vf;
typedef __mmask16 vm;

VF_INLINE vm vm_first(int64_t n)
{
    return (vm)((1u << n) - 1u);
}

VF_INLINE vf vf_load(const float *p)
{
    return _mm512_loadu_ps(p);
}

VF_INLINE vf vf_load_m(const float *p, vm m)
{
    return _mm512_maskz_loadu_ps(m, p);
}

/* lanes left out are those of `other` */
VF_INLINE vf vf_load_or(const float *p, vm m, vf other)
{
    return _mm512_mask_loadu_ps(other, m, p);
}

VF_INLINE void vf_store(float *p, vf v)
{
    _mm512_storeu_ps(p, v);
}

VF_INLINE void vf_store_m(float *p, vf v, vm m)
{
    _mm512_mask_storeu_ps(p, m, v);
}

VF_INLINE vf vf_set1(float x)
{
    return _mm512_set1_ps(x);
}

VF_INLINE vf vf_zero(void)
{
    return _mm512_setzero_ps();
}

VF_INLINE vf vf_add(vf a, vf b)
{
    return _mm512_add_ps(a, b);
}

VF_INLINE vf vf_sub(vf a, vf b)
{
    return _mm512_sub_ps(a, b);
}

VF_INLINE vf vf_mul(vf a, vf b)
{
    return _mm512_mul_ps(a, b);
}

VF_INLINE vf vf_div(vf a, vf b)
{
    return _mm512_div_ps(a, b);
}

/* a / b for b in [1, 2], within 1 ulp: an estimate with 14 bits, and one step of Newton's on the quotient. Several
 * times faster than the division of this many lanes. */
VF_INLINE vf vf_div_by_1_to_2(vf a, vf b)
{
    const vf r = _mm512_rcp14_ps(b), q = _mm512_mul_ps(a, r);
    return _mm512_fmadd_ps(_mm512_fnmadd_ps(q, b, a), r, q);
}

VF_INLINE vf vf_fma(vf a, vf b, vf c)
{
    return _mm512_fmadd_ps(a, b, c);
}

VF_INLINE vf vf_sqrt(vf a)
{
    return _mm512_sqrt_ps(a);
}

/* The greater and the lesser of a bound and x; x if it is NaN. */
VF_INLINE vf vf_at_least(vf x, vf bound)
{
    return _mm512_max_ps(bound, x);
}

VF_INLINE vf vf_at_most(vf x, vf bound)
{
    return _mm512_min_ps(bound, x);
}

/* the greater; NaN if either is */
VF_INLINE vf vf_max(vf a, vf b)
{
    return _mm512_mask_mov_ps(_mm512_max_ps(a, b), _mm512_cmp_ps_mask(a, a, _CMP_UNORD_Q), a);
}

/* v where x is greater than zero or NaN, else 0 */
VF_INLINE vf vf_keep_unless_le0(vf v, vf x)
{
    return _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(x, _mm512_setzero_ps(), _CMP_NLE_UQ), v);
}

/* -|x| */
VF_INLINE vf vf_negative(vf x)
{
    return _mm512_or_ps(x, _mm512_set1_ps(-0.0f));
}

/* |v| with the sign of x */
VF_INLINE vf vf_with_sign(vf v, vf x)
{
    const __m512i sign = _mm512_set1_epi32(INT32_MIN);
    /* bit by bit: sign ? x : v */
    return _mm512_castsi512_ps(
        _mm512_ternarylogic_epi32(sign, _mm512_castps_si512(x), _mm512_castps_si512(v), 0xca));
}

/* a where the sign bit of x is set, else b */
VF_INLINE vf vf_if_negative(vf x, vf a, vf b)
{
    return _mm512_mask_blend_ps(_mm512_movepi32_mask(_mm512_castps_si512(x)), b, a);
}

/* whether |x| is greater than the bound, or NaN, in any lane */
VF_INLINE bool vf_any_beyond(vf x, float bound)
{
    return _mm512_cmp_ps_mask(_mm512_abs_ps(x), _mm512_set1_ps(bound), _CMP_NLE_UQ) != 0;
}

/* v, with the other sign where the whole number n is odd */
VF_INLINE vf vf_flip_if_odd(vf v, vf n)
{
    const __m512i sign = _mm512_slli_epi32(_mm512_cvtps_epi32(n), 31);
    return _mm512_castsi512_ps(_mm512_xor_si512(_mm512_castps_si512(v), sign));
}

/* a where x < y, else b */
VF_INLINE vf vf_where_lt(vf x, vf y, vf a, vf b)
{
    return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(x, y, _CMP_LT_OQ), b, a);
}

/* a where x is greater than y, or NaN, else b */
VF_INLINE vf vf_if_exceeds(vf x, vf y, vf a, vf b)
{
    const vm m = (vm)(_mm512_cmp_ps_mask(x, y, _CMP_GT_OQ) | _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q));
    return _mm512_mask_blend_ps(m, b, a);
}

/* v where x equals y, else 0 */
VF_INLINE vf vf_keep_if_equal(vf v, vf x, vf y)
{
    return _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(x, y, _CMP_EQ_OQ), v);
}

/* The lanes of even and of odd number of a and b, one after the other; and lanes of a and b in turn, from the lower and
 * the upper half. */
VF_INLINE vf vf_even(vf a, vf b)
{
    const __m512i lanes = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    return _mm512_permutex2var_ps(a, lanes, b);
}

VF_INLINE vf vf_odd(vf a, vf b)
{
    const __m512i lanes = _mm512_setr_epi32(1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31);
    return _mm512_permutex2var_ps(a, lanes, b);
}

VF_INLINE vf vf_zip_low(vf a, vf b)
{
    const __m512i lanes = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
    return _mm512_permutex2var_ps(a, lanes, b);
}

VF_INLINE vf vf_zip_high(vf a, vf b)
{
    const __m512i lanes = _mm512_setr_epi32(8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
    return _mm512_permutex2var_ps(a, lanes, b);
}

/* x = m * 2^e for a positive normal x, with e whole and m from sqrt(1/2) to sqrt(2) */
VF_INLINE vf vf_split(vf x, vf *e)
{
    const __m512i bits = _mm512_castps_si512(x);
    const __m512i whole = _mm512_srai_epi32(_mm512_sub_epi32(bits, _mm512_set1_epi32(0x3f3504f3)), 23);
    *e = _mm512_cvtepi32_ps(whole);
    return _mm512_castsi512_ps(_mm512_sub_epi32(bits, _mm512_slli_epi32(whole, 23)));
}

/* the nearest whole number; without optimisation gcc's header has a macro here, whose mask is a signed -1 */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wsign-conversion"
VF_INLINE vf vf_round(vf x)
{
    return _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
#pragma GCC diagnostic pop

/* x * 2^n, rounded once; n is a whole number from -150 to 128 */
VF_INLINE vf vf_scale2(vf x, vf n)
{
    return _mm512_scalef_ps(x, n);
}

/* the same for n from -126 to 127 */
VF_INLINE vf vf_scale2_fast(vf x, vf n)
{
    return _mm512_scalef_ps(x, n);
}

/* x * 2^n, with n from -126 to 127, where v is not less than `bound`; 0 elsewhere, whatever x and n are there */
VF_INLINE vf vf_scale2_unless_lt(vf x, vf n, vf v, vf bound)
{
    return _mm512_maskz_scalef_ps(_mm512_cmp_ps_mask(v, bound, _CMP_NLT_UQ), x, n);
}

/* whether a lane of x is less than that of y */
VF_INLINE bool vf_any_lt(vf x, vf y)
{
    return _mm512_cmp_ps_mask(x, y, _CMP_LT_OQ) != 0;
}

/* x * 2^-149 for x from 0 to 2^23, rounded to a whole number: made of bits, since arithmetic with such results is slow */
VF_INLINE vf vf_tiny(vf x)
{
    const __m512 whole = _mm512_add_ps(x, _mm512_set1_ps(0x1p23f));
    return _mm512_castsi512_ps(_mm512_sub_epi32(_mm512_castps_si512(whole), _mm512_set1_epi32(0x4b000000)));
}

#include "kernels/level/vec_256.h"

VF_INLINE float vf_sum(vf v)
{
    return vd_sum(_mm256_add_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps(v, 1)));
}

/* A vd of the same sum, or greatest value. */
VF_INLINE vd vf_fold_sum(vf v)
{
    return _mm256_add_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps(v, 1));
}

VF_INLINE vd vf_fold_greatest(vf v)
{
    return _mm256_max_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps(v, 1));
}

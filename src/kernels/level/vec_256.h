/* vd of vec.h as 8 floats, for AVX2 and for AVX-512. */

enum { VD_LANES = 8 };
typedef __m256 vd;

#ifdef __AVX512VL__

typedef __mmask8 vdm;

VF_INLINE vdm vdm_first(int64_t n)
{
    return (vdm)((1u << n) - 1u);
}

VF_INLINE vd vd_load_m(const float *p, vdm m)
{
    return _mm256_maskz_loadu_ps(m, p);
}

VF_INLINE void vd_store_m(float *p, vd v, vdm m)
{
    _mm256_mask_storeu_ps(p, m, v);
}

#else

typedef __m256i vdm;

VF_INLINE vdm vdm_first(int64_t n)
{
    return _mm256_cmpgt_epi32(_mm256_set1_epi32((int)n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

VF_INLINE vd vd_load_m(const float *p, vdm m)
{
    return _mm256_maskload_ps(p, m);
}

VF_INLINE void vd_store_m(float *p, vd v, vdm m)
{
    _mm256_maskstore_ps(p, m, v);
}

#endif

VF_INLINE vd vd_load(const float *p)
{
    return _mm256_loadu_ps(p);
}

VF_INLINE void vd_store(float *p, vd v)
{
    _mm256_storeu_ps(p, v);
}

VF_INLINE vd vd_set1(float x)
{
    return _mm256_set1_ps(x);
}

VF_INLINE vd vd_add(vd a, vd b)
{
    return _mm256_add_ps(a, b);
}

VF_INLINE vd vd_fma(vd a, vd b, vd c)
{
    return _mm256_fmadd_ps(a, b, c);
}

VF_INLINE float vd_sum(vd v)
{
    __m128 s = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    s = _mm_add_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
}

/* Lane i of the result is the sum of v[i]. Each level adds halves of neighbours and halves the number of vectors. */
VF_INLINE vd vd_sum_each(const vd v[VD_LANES])
{
    vd a[4], b[2];
    VF_UNROLL
    for (int i = 0; i < 4; i++)
        a[i] = _mm256_add_ps(_mm256_blend_ps(v[2 * i], v[2 * i + 1], 0xcc),
                             _mm256_shuffle_ps(v[2 * i], v[2 * i + 1], 0x4e));
    VF_UNROLL
    for (int i = 0; i < 2; i++)
        b[i] = _mm256_add_ps(_mm256_shuffle_ps(a[2 * i], a[2 * i + 1], 0x88),
                             _mm256_shuffle_ps(a[2 * i], a[2 * i + 1], 0xdd));
    return _mm256_add_ps(_mm256_blend_ps(b[0], b[1], 0xf0), _mm256_permute2f128_ps(b[0], b[1], 0x21));
}

/* The same with the greatest of v[i]. */
VF_INLINE vd vd_greatest_each(const vd v[VD_LANES])
{
    vd a[4], b[2];
    VF_UNROLL
    for (int i = 0; i < 4; i++)
        a[i] = _mm256_max_ps(_mm256_blend_ps(v[2 * i], v[2 * i + 1], 0xcc),
                             _mm256_shuffle_ps(v[2 * i], v[2 * i + 1], 0x4e));
    VF_UNROLL
    for (int i = 0; i < 2; i++)
        b[i] = _mm256_max_ps(_mm256_shuffle_ps(a[2 * i], a[2 * i + 1], 0x88),
                             _mm256_shuffle_ps(a[2 * i], a[2 * i + 1], 0xdd));
    return _mm256_max_ps(_mm256_blend_ps(b[0], b[1], 0xf0), _mm256_permute2f128_ps(b[0], b[1], 0x21));
}

/* Lane j of v[i] changes places with lane i of v[j]. */
VF_INLINE void vd_transpose(vd v[VD_LANES])
{
    vd a[8], b[8];
    VF_UNROLL
    for (int i = 0; i < 4; i++) {
        a[2 * i] = _mm256_unpacklo_ps(v[2 * i], v[2 * i + 1]);
        a[2 * i + 1] = _mm256_unpackhi_ps(v[2 * i], v[2 * i + 1]);
    }
    VF_UNROLL
    for (int i = 0; i < 8; i += 4) {
        b[i] = _mm256_shuffle_ps(a[i], a[i + 2], 0x44);
        b[i + 1] = _mm256_shuffle_ps(a[i], a[i + 2], 0xee);
        b[i + 2] = _mm256_shuffle_ps(a[i + 1], a[i + 3], 0x44);
        b[i + 3] = _mm256_shuffle_ps(a[i + 1], a[i + 3], 0xee);
    }
    VF_UNROLL
    for (int i = 0; i < 4; i++) {
        v[i] = _mm256_permute2f128_ps(b[i], b[i + 4], 0x20);
        v[i + 4] = _mm256_permute2f128_ps(b[i], b[i + 4], 0x31);
    }
}

/*
 * The inverse transform of C. Loeffler, A. Ligtenberg and G. S. Moschytz (Practical fast 1-D DCT algorithms with 11
 * multiplications, 1989), with constants of 13 binary places, first of the columns, then of the rows, rounded in
 * between to two places: what libjpeg does. Multiplications come in pairs, a * p + b * q, for `pmaddwd`. A register has
 * a row of two blocks, one in each half.
 */
#include "block_avx2.h"

#include "sources/cpu.h"

#if MR__X86

#include <immintrin.h>

typedef __m256i rows[8];

/* The constants times 2^13, rounded. */
enum {
    C0_298 = 2446,
    C0_390 = 3196,
    C0_541 = 4433,
    C0_765 = 6270,
    C0_899 = 7373,
    C1_175 = 9633,
    C1_501 = 12299,
    C1_847 = 15137,
    C1_961 = 16069,
    C2_053 = 16819,
    C2_562 = 20995,
    C3_072 = 25172,
    ONE = 8192
};

/* Two columns beside each other, as 32 bits: `low` of the columns 0 to 3, `high` of 4 to 7. */
typedef struct wide {
    __m256i low, high;
} wide;

/* a * p + b * q */
MR__AVX2 static inline wide pairs(__m256i a, __m256i b, int p, int q)
{
    const __m256i by = _mm256_set1_epi32((int)(((uint32_t)p & 0xffff) | (uint32_t)q << 16));
    return (wide){ _mm256_madd_epi16(_mm256_unpacklo_epi16(a, b), by),
                   _mm256_madd_epi16(_mm256_unpackhi_epi16(a, b), by) };
}

MR__AVX2 static inline wide shifted(__m256i a)
{
    const __m256i zero = _mm256_setzero_si256();
    return (wide){ _mm256_srai_epi32(_mm256_unpacklo_epi16(zero, a), 3),
                   _mm256_srai_epi32(_mm256_unpackhi_epi16(zero, a), 3) };
}

MR__AVX2 static inline wide add(wide a, wide b)
{
    return (wide){ _mm256_add_epi32(a.low, b.low), _mm256_add_epi32(a.high, b.high) };
}

MR__AVX2 static inline wide subtract(wide a, wide b)
{
    return (wide){ _mm256_sub_epi32(a.low, b.low), _mm256_sub_epi32(a.high, b.high) };
}

MR__AVX2 static inline __m256i narrow(wide x, int places)
{
    const __m256i half = _mm256_set1_epi32(1 << (places - 1));
    const __m128i by = _mm_cvtsi32_si128(places);
    return _mm256_packs_epi32(_mm256_sra_epi32(_mm256_add_epi32(x.low, half), by),
                              _mm256_sra_epi32(_mm256_add_epi32(x.high, half), by));
}

/* One direction: number i of each column is in r[i]. */
MR__AVX2 static inline void transform(rows r, int places)
{
    const __m256i sum73 = _mm256_add_epi16(r[7], r[3]), sum51 = _mm256_add_epi16(r[5], r[1]);
    const wide z3 = pairs(sum73, sum51, C1_175 - C1_961, C1_175),
               z4 = pairs(sum73, sum51, C1_175, C1_175 - C0_390);
    const wide t0 = add(pairs(r[7], r[1], C0_298 - C0_899, -C0_899), z3);
    const wide t1 = add(pairs(r[5], r[3], C2_053 - C2_562, -C2_562), z4);
    const wide t2 = add(pairs(r[5], r[3], -C2_562, C3_072 - C2_562), z3);
    const wide t3 = add(pairs(r[7], r[1], -C0_899, C1_501 - C0_899), z4);
    const wide sum = shifted(_mm256_add_epi16(r[0], r[4])),
               difference = shifted(_mm256_sub_epi16(r[0], r[4]));
    const wide e2 = pairs(r[2], r[6], C0_541, C0_541 - C1_847),
               e3 = pairs(r[2], r[6], C0_541 + C0_765, C0_541);
    const wide u0 = add(sum, e3), u3 = subtract(sum, e3), u1 = add(difference, e2),
               u2 = subtract(difference, e2);
    r[0] = narrow(add(u0, t3), places);
    r[7] = narrow(subtract(u0, t3), places);
    r[1] = narrow(add(u1, t2), places);
    r[6] = narrow(subtract(u1, t2), places);
    r[2] = narrow(add(u2, t1), places);
    r[5] = narrow(subtract(u2, t1), places);
    r[3] = narrow(add(u3, t0), places);
    r[4] = narrow(subtract(u3, t0), places);
}

MR__AVX2 static inline void transpose(rows r)
{
    rows a, b;
    for (int i = 0; i < 4; i++) {
        a[2 * i] = _mm256_unpacklo_epi16(r[2 * i], r[2 * i + 1]);
        a[2 * i + 1] = _mm256_unpackhi_epi16(r[2 * i], r[2 * i + 1]);
    }
    for (int i = 0; i < 2; i++)
        for (int j = 0; j < 2; j++) {
            b[4 * i + 2 * j] = _mm256_unpacklo_epi32(a[4 * i + j], a[4 * i + 2 + j]);
            b[4 * i + 2 * j + 1] = _mm256_unpackhi_epi32(a[4 * i + j], a[4 * i + 2 + j]);
        }
    for (int i = 0; i < 4; i++) {
        r[2 * i] = _mm256_unpacklo_epi64(b[i], b[4 + i]);
        r[2 * i + 1] = _mm256_unpackhi_epi64(b[i], b[4 + i]);
    }
}

MR__AVX2 static inline __m256i row_of_two(const int16_t *a, const int16_t *b, int row)
{
    return _mm256_inserti128_si256(
        _mm256_castsi128_si256(_mm_load_si128((const __m128i *)(const void *)(a + 8 * row))),
        _mm_load_si128((const __m128i *)(const void *)(b + 8 * row)), 1);
}

MR__AVX2 static inline bool load(rows r, const mr__block *a, const mr__block *b)
{
    __m256i large = _mm256_setzero_si256();
    for (int i = 0; i < 8; i++) {
        const __m256i x = row_of_two(a->coefficient, b->coefficient, i);
        large = _mm256_or_si256(
            large, _mm256_subs_epu16(_mm256_abs_epi16(x), row_of_two(a->steps->most, b->steps->most, i)));
        r[i] = _mm256_mullo_epi16(x, row_of_two(a->steps->step, b->steps->step, i));
    }
    return _mm256_testz_si256(large, large);
}

MR__AVX2 static inline void clear(int16_t *coefficient)
{
    for (int i = 0; i < 4; i++)
        _mm256_store_si256((__m256i *)(void *)(coefficient + 16 * i), _mm256_setzero_si256());
}

/* A pair of rows: 8 bytes of each of the two blocks, and 8 of each in the next row. */
MR__AVX2 static inline void store(const rows r, const mr__block *a, const mr__block *b)
{
    for (int i = 0; i < 8; i += 2) {
        const __m256i bytes = _mm256_add_epi8(_mm256_packs_epi16(r[i], r[i + 1]), _mm256_set1_epi8(-128));
        const __m128i x = _mm256_castsi256_si128(bytes), y = _mm256_extracti128_si256(bytes, 1);
        _mm_storel_epi64((__m128i *)(void *)(a->to + (size_t)i * a->stride), x);
        _mm_storeh_pd((double *)(void *)(a->to + (size_t)(i + 1) * a->stride), _mm_castsi128_pd(x));
        _mm_storel_epi64((__m128i *)(void *)(b->to + (size_t)i * b->stride), y);
        _mm_storeh_pd((double *)(void *)(b->to + (size_t)(i + 1) * b->stride), _mm_castsi128_pd(y));
    }
}

/* Rows two by two, and in them pairs. */
MR__AVX2 static inline void store_halved(const rows r, const mr__block *a, const mr__block *b)
{
    for (int i = 0; i < 4; i++) {
        const __m256i bytes =
            _mm256_add_epi8(_mm256_packs_epi16(r[2 * i], r[2 * i + 1]), _mm256_set1_epi8(-128));
        const __m256i sums = _mm256_maddubs_epi16(bytes, _mm256_set1_epi8(1));
        const __m256i four =
            _mm256_add_epi16(_mm256_add_epi16(sums, _mm256_srli_si256(sums, 8)), _mm256_set1_epi16(2));
        const __m256i means = _mm256_packus_epi16(_mm256_srli_epi16(four, 2), four);
        _mm_storeu_si32(a->to + (size_t)i * a->stride, _mm256_castsi256_si128(means));
        _mm_storeu_si32(b->to + (size_t)i * b->stride, _mm256_extracti128_si256(means, 1));
    }
}

/* From coefficients to samples around 0. */
MR__AVX2 static inline bool transform_two(rows r, const mr__block *a, const mr__block *b)
{
    if (!load(r, a, b))
        return false;
    clear(a->coefficient);
    clear(b->coefficient);
    transform(r, 13 - 2);
    transpose(r);
    transform(r, 13 + 2 + 3);
    transpose(r);
    return true;
}

MR__AVX2 bool mr__two_blocks_avx2(const mr__block *a, const mr__block *b)
{
    rows r;
    if (!transform_two(r, a, b))
        return false;
    store(r, a, b);
    return true;
}

MR__AVX2 bool mr__two_halved_blocks_avx2(const mr__block *a, const mr__block *b)
{
    rows r;
    if (!transform_two(r, a, b))
        return false;
    store_halved(r, a, b);
    return true;
}

#endif

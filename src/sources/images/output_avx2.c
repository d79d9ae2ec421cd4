/*
 * Bytes to floats without a table. A division by a number that is known is a multiplication by its reciprocal and a
 * correction by what is left over (P. Markstein, Computation of elementary functions on the IBM RISC System/6000
 * processor, 1990); whether that gives the table's values to the last bit is tried out for all 256 of them.
 */
#include "output.h"

#include "sources/cpu.h"

#include <math.h>

#if MR__X86

#include <immintrin.h>

#define MR__AVX2_FMA __attribute__((target("avx2,fma")))

enum { AT_ONCE = 8, BEHIND = 2 /* pixels behind them, which are read too */ };

static float quotient(float x, float by)
{
    const float reciprocal = 1 / by, first = x * reciprocal;
    return fmaf(fmaf(-first, by, x), reciprocal, first);
}

bool mr__quick_output(float table[3][256], const mr__normal *normal)
{
    if (!mr__has_avx2() || !__builtin_cpu_supports("fma"))
        return false;
    for (int c = 0; c < 3; c++)
        for (int i = 0; i < 256; i++)
            if (quotient(quotient((float)i, 255) - normal->mean[c], normal->std[c]) != table[c][i])
                return false;
    return true;
}

MR__AVX2_FMA static inline __m256 divided(__m256 x, __m256 by, __m256 reciprocal)
{
    const __m256 first = _mm256_mul_ps(x, reciprocal);
    return _mm256_fmadd_ps(_mm256_fnmadd_ps(first, by, x), reciprocal, first);
}

/* Eight bytes of a channel out of two times four pixels, as numbers; the first four and the last may have changed places. */
MR__AVX2_FMA static inline __m256i numbers_of(__m256i pixels, int channel, bool mirrored)
{
    const __m256i there = _mm256_setr_epi8(0, -1, -1, -1, 3, -1, -1, -1, 6, -1, -1, -1, 9, -1, -1, -1, /* */
                                           0, -1, -1, -1, 3, -1, -1, -1, 6, -1, -1, -1, 9, -1, -1, -1);
    const __m256i back = _mm256_setr_epi8(9, -1, -1, -1, 6, -1, -1, -1, 3, -1, -1, -1, 0, -1, -1, -1, /* */
                                          9, -1, -1, -1, 6, -1, -1, -1, 3, -1, -1, -1, 0, -1, -1, -1);
    const __m256i from = _mm256_add_epi8(mirrored ? back : there, _mm256_set1_epi32(channel));
    return _mm256_shuffle_epi8(pixels, from);
}

MR__AVX2_FMA static inline __m256i pixels_at(const uint8_t *first, const uint8_t *second)
{
    const __m128i a = _mm_loadu_si128((const __m128i *)(const void *)first),
                  b = _mm_loadu_si128((const __m128i *)(const void *)second);
    return _mm256_inserti128_si256(_mm256_castsi128_si256(a), b, 1);
}

MR__AVX2_FMA void mr__put_floats_avx2(const uint8_t *row, int64_t width, bool mirrored,
                                      const mr__normal *normal, float *to, int64_t plane, int64_t *begin,
                                      int64_t *end)
{
    __m256 mean[3], std[3], reciprocal[3];
    for (int c = 0; c < 3; c++) {
        mean[c] = _mm256_set1_ps(normal->mean[c]);
        std[c] = _mm256_set1_ps(normal->std[c]);
        reciprocal[c] = _mm256_set1_ps(1 / normal->std[c]);
    }
    const __m256 most = _mm256_set1_ps(255), part = _mm256_set1_ps(1 / 255.0F);
    int64_t x = *begin = mirrored ? BEHIND : 0;
    for (; x + AT_ONCE + (mirrored ? 0 : BEHIND) <= width; x += AT_ONCE) {
        const uint8_t *at = row + 3 * (mirrored ? width - AT_ONCE - x : x);
        const __m256i pixels = mirrored ? pixels_at(at + 12, at) : pixels_at(at, at + 12);
        for (int c = 0; c < 3; c++) {
            const __m256 v = _mm256_cvtepi32_ps(numbers_of(pixels, c, mirrored));
            const __m256 y = divided(_mm256_sub_ps(divided(v, most, part), mean[c]), std[c], reciprocal[c]);
            _mm256_storeu_ps(to + c * plane + x, y);
        }
    }
    *end = x;
}

#else

bool mr__quick_output(float table[3][256], const mr__normal *normal)
{
    (void)table, (void)normal;
    return false;
}

#endif

/* From samples to pixels. */
#include "block_avx2.h"

#include "sources/cpu.h"

#if MR__X86

#include <immintrin.h>

enum { AT_ONCE = 16 };

MR__AVX2 static inline __m256i words_at(const uint8_t *at)
{
    return _mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i *)(const void *)at));
}

MR__AVX2 static inline __m256i numbers_at(const int16_t *at)
{
    return _mm256_loadu_si256((const __m256i *)(const void *)at);
}

/* ---- twice as wide ---- */

/* Three quarters of each sample and a quarter of the next one, first in height. */
MR__AVX2 static void mix_heights(const uint8_t *near, const uint8_t *far, int64_t count, int16_t *sums)
{
    for (int64_t i = 0; i < count; i += AT_ONCE) {
        __m256i x = words_at(near + i);
        if (far)
            x = _mm256_add_epi16(_mm256_add_epi16(x, words_at(far + i)), _mm256_slli_epi16(x, 1));
        _mm256_storeu_si256((__m256i *)(void *)(sums + i), x);
    }
}

/* Rounding goes one way to the left and the other way to the right, so that it does not add up. */
MR__AVX2 void mr__widen_avx2(const uint8_t *near, const uint8_t *far, int64_t count, bool first, bool last,
                             int16_t *sums, uint8_t *to)
{
    int16_t *at = sums + 1;
    mix_heights(near - !first, far ? far - !first : NULL, count + !first + !last, at - !first);
    if (first)
        at[-1] = at[0];
    if (last)
        at[count] = at[count - 1];
    const __m256i left = _mm256_set1_epi16(far ? 8 : 1), right = _mm256_set1_epi16(far ? 7 : 2);
    const __m128i places = _mm_cvtsi32_si128(far ? 4 : 2);
    for (int64_t i = 0; i < count; i += AT_ONCE) {
        const __m256i x = numbers_at(at + i), three = _mm256_add_epi16(x, _mm256_slli_epi16(x, 1));
        const __m256i a = _mm256_add_epi16(_mm256_add_epi16(three, numbers_at(at + i - 1)), left);
        const __m256i b = _mm256_add_epi16(_mm256_add_epi16(three, numbers_at(at + i + 1)), right);
        const __m256i even = _mm256_srl_epi16(a, places), odd = _mm256_srl_epi16(b, places);
        _mm256_storeu_si256((__m256i *)(void *)(to + 2 * i),
                            _mm256_or_si256(even, _mm256_slli_epi16(odd, 8)));
    }
}

/* ---- colours ---- */

/* x * by / 2^16, rounded. */
MR__AVX2 static inline __m256i scaled(__m256i x, int by)
{
    const __m256i c = _mm256_set1_epi16((short)by);
    return _mm256_add_epi16(_mm256_mulhi_epi16(x, c), _mm256_srli_epi16(_mm256_mullo_epi16(x, c), 15));
}

/* (a * p + b * q) / 2^16, rounded. */
MR__AVX2 static inline __m256i scaled_sum(__m256i a, __m256i b, int p, int q)
{
    const __m256i by = _mm256_set1_epi32((int)(((uint32_t)p & 0xffff) | (uint32_t)q << 16)),
                  half = _mm256_set1_epi32(1 << 15);
    const __m256i low = _mm256_add_epi32(_mm256_madd_epi16(_mm256_unpacklo_epi16(a, b), by), half);
    const __m256i high = _mm256_add_epi32(_mm256_madd_epi16(_mm256_unpackhi_epi16(a, b), by), half);
    return _mm256_packs_epi32(_mm256_srai_epi32(low, 16), _mm256_srai_epi32(high, 16));
}

MR__AVX2 static inline __m128i bytes_of(__m256i words)
{
    return _mm_packus_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
}

/* 16 pixels of three bytes: each of the 48 comes from one of the three. */
MR__AVX2 static inline void store_rgb(__m128i r, __m128i g, __m128i b, uint8_t *to)
{
    const __m128i from_r[3] = { _mm_setr_epi8(0, -1, -1, 1, -1, -1, 2, -1, -1, 3, -1, -1, 4, -1, -1, 5),
                                _mm_setr_epi8(-1, -1, 6, -1, -1, 7, -1, -1, 8, -1, -1, 9, -1, -1, 10, -1),
                                _mm_setr_epi8(-1, 11, -1, -1, 12, -1, -1, 13, -1, -1, 14, -1, -1, 15, -1,
                                              -1) };
    const __m128i from_g[3] = { _mm_setr_epi8(-1, 0, -1, -1, 1, -1, -1, 2, -1, -1, 3, -1, -1, 4, -1, -1),
                                _mm_setr_epi8(5, -1, -1, 6, -1, -1, 7, -1, -1, 8, -1, -1, 9, -1, -1, 10),
                                _mm_setr_epi8(-1, -1, 11, -1, -1, 12, -1, -1, 13, -1, -1, 14, -1, -1, 15,
                                              -1) };
    const __m128i from_b[3] = { _mm_setr_epi8(-1, -1, 0, -1, -1, 1, -1, -1, 2, -1, -1, 3, -1, -1, 4, -1),
                                _mm_setr_epi8(-1, 5, -1, -1, 6, -1, -1, 7, -1, -1, 8, -1, -1, 9, -1, -1),
                                _mm_setr_epi8(10, -1, -1, 11, -1, -1, 12, -1, -1, 13, -1, -1, 14, -1, -1,
                                              15) };
    for (int i = 0; i < 3; i++)
        _mm_storeu_si128(
            (__m128i *)(void *)(to + 16 * i),
            _mm_or_si128(_mm_or_si128(_mm_shuffle_epi8(r, from_r[i]), _mm_shuffle_epi8(g, from_g[i])),
                         _mm_shuffle_epi8(b, from_b[i])));
}

/* Red is y + 1.402 cr, green y - 0.34414 cb - 0.71414 cr, blue y + 1.772 cb, of chroma around 0 and with constants of
 * 16 binary places. What is too long for a factor of 16 bits is taken off: 1.402 is 1 + 0.402, 1.772 is 2 - 0.228,
 * -0.71414 is -1 + 0.28586. */
MR__AVX2 void mr__rgb_of_ycc_avx2(const uint8_t *y, const uint8_t *cb, const uint8_t *cr, int64_t count,
                                  uint8_t *to)
{
    enum { RED = 91881 - 65536, BLUE = 116130 - 131072, GREEN_B = -22554, GREEN_R = 65536 - 46802 };
    const __m256i middle = _mm256_set1_epi16(128);
    for (int64_t i = 0; i < count; i += AT_ONCE, to += 3 * AT_ONCE) {
        const __m256i l = words_at(y + i), b = _mm256_sub_epi16(words_at(cb + i), middle),
                      r = _mm256_sub_epi16(words_at(cr + i), middle);
        const __m256i red = _mm256_add_epi16(_mm256_add_epi16(l, r), scaled(r, RED));
        const __m256i green = _mm256_add_epi16(_mm256_sub_epi16(l, r), scaled_sum(b, r, GREEN_B, GREEN_R));
        const __m256i blue = _mm256_add_epi16(_mm256_add_epi16(l, _mm256_slli_epi16(b, 1)), scaled(b, BLUE));
        store_rgb(bytes_of(red), bytes_of(green), bytes_of(blue), to);
    }
}

MR__AVX2 void mr__rgb_of_grey_avx2(const uint8_t *y, int64_t count, uint8_t *to)
{
    for (int64_t i = 0; i < count; i += AT_ONCE, to += 3 * AT_ONCE) {
        const __m128i l = _mm_loadu_si128((const __m128i *)(const void *)(y + i));
        store_rgb(l, l, l, to);
    }
}

#endif

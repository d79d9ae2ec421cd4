#include "line_ends.h"

#include "sources/cpu.h"

#if MR__X86

#include <immintrin.h>

MR__AVX2 static inline uint64_t places_of(const char *at, char c)
{
    const __m256i wanted = _mm256_set1_epi8(c);
    const __m256i first = _mm256_loadu_si256((const __m256i *)(const void *)at);
    const __m256i second = _mm256_loadu_si256((const __m256i *)(const void *)(at + 32));
    return (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(first, wanted)) |
           (uint64_t)(uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(second, wanted)) << 32;
}

MR__AVX2 bool mr__line_ends_avx2(const char *at, char quote, uint64_t *ends)
{
    *ends = places_of(at, '\n');
    return !places_of(at, quote);
}

#else

bool mr__line_ends_avx2(const char *at, char quote, uint64_t *ends)
{
    (void)at, (void)quote, (void)ends;
    return false;
}

#endif

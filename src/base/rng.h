/*
 * PyTorch's CPU generator: mt19937, and the draws that torch makes of its words. Draws that a fast loop of
 * the library wants are inline here and take no NULL; the public ones of base.h check.
 */
#ifndef MILLRACE_BASE_RNG_H
#define MILLRACE_BASE_RNG_H

#include <millrace/base.h>

#include "error.h"

#define MR__RNG_WORDS 624

struct mr_rng {
    uint32_t next;                 /* which of `words` is drawn next; MR__RNG_WORDS: none is left */
    bool fresh;                    /* seeded, and not one word drawn yet */
    uint32_t words[MR__RNG_WORDS]; /* what will be drawn: `state`, tempered all at once */
    uint32_t state[MR__RNG_WORDS];
    uint64_t seed;
    double normal; /* the second value of the last Box and Muller pair, if has_normal */
    bool has_normal;
    bool has_float;     /* torch's state also has room for a float one, which its CPU side never draws: */
    float float_normal; /* it is only carried from set_state to get_state */
};

/* Makes the next MR__RNG_WORDS words. */
void mr__rng_refill(mr_rng *rng);

static inline uint32_t mr__rng_next32(mr_rng *rng)
{
    if (MR__UNLIKELY(rng->next >= MR__RNG_WORDS))
        mr__rng_refill(rng);
    return rng->words[rng->next++];
}

static inline uint64_t mr__rng_next64(mr_rng *rng)
{
    uint64_t high = mr__rng_next32(rng);
    return high << 32 | mr__rng_next32(rng);
}

/* Uniform in [0, 1) with 53 bits. */
static inline double mr__rng_uniform53(mr_rng *rng)
{
    return (double)(int64_t)(mr__rng_next64(rng) & ((UINT64_C(1) << 53) - 1)) * 0x1p-53;
}

/* An int64 tensor's random_(): 0 to 2^63-1. The sampler's seed of each epoch is one of these. */
static inline int64_t mr__rng_random_i64(mr_rng *rng)
{
    return (int64_t)(mr__rng_next64(rng) & INT64_MAX);
}

/* torch.randint(low, high): low to high-1, low < high. As torch up to 2.6 it draws one word unless the range
 * takes more, and has the small bias of a remainder. */
static inline int64_t mr__rng_randint(mr_rng *rng, int64_t low, int64_t high)
{
    uint64_t range = (uint64_t)high - (uint64_t)low;
    uint64_t draw = range >> 32 ? mr__rng_next64(rng) : mr__rng_next32(rng);
    return (int64_t)((uint64_t)low + draw % range);
}

/* Draws `count` words, each modulo left, left - 1, … (which stays above 1): how far a shuffle reaches ahead. */
void mr__rng_jumps(mr_rng *rng, uint32_t *jumps, uint32_t count, uint32_t left);

/* Fills with (word & 0xffffff) * 2^-24, one word each: torch's float in [0, 1). */
void mr__rng_fill_uniform24(mr_rng *rng, float *values, int64_t count);

/* Fills as tensor.bernoulli_(p) does, with `value` for 1. */
void mr__rng_fill_bernoulli(mr_rng *rng, float *out, int64_t count, double p, float value);
void mr__rng_fill_bernoulli_f64(mr_rng *rng, double *out, int64_t count, double p, double value);

/* Loops worth it are compiled a second time for processors with AVX2 and FMA, from the same source: a body
 * that is MR__INLINE, and a function that is MR__WIDE around it. Where a multiply-add with one rounding is
 * wanted the source says fmaf, which is an instruction there and a call elsewhere. The results are equal. */
#define MR__INLINE static inline __attribute__((always_inline))
#if defined(__x86_64__)
#define MR__WIDE __attribute__((target("avx2,fma")))
#define MR__HAS_WIDE() (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
#else
#define MR__WIDE
#define MR__HAS_WIDE() false
#endif

#endif

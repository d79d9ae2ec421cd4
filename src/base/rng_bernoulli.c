/* Draws of bernoulli_(p): `value` where a uniform number of 53 bits is below p, else 0. */
#include "rng.h"

#include <math.h>

/* The smallest whole number of 2^-53 that is not below p: comparing integers is comparing the numbers. */
static int64_t limit_of(double p)
{
    return (int64_t)ceil(p * 0x1p53);
}

/* Two words each, the first one with the high bits. */
MR__INLINE void draw(float *out, const uint32_t *words, int64_t count, int64_t limit, float value)
{
    for (int64_t i = 0; i < count; i++) {
        int64_t u = (int64_t)(words[2 * i] & 0x1fffff) << 32 | words[2 * i + 1];
        out[i] = u < limit ? value : 0;
    }
}

MR__WIDE static void draw_wide(float *out, const uint32_t *words, int64_t count, int64_t limit, float value)
{
    draw(out, words, count, limit, value);
}

void mr__rng_fill_bernoulli(mr_rng *rng, float *out, int64_t count, double p, float value)
{
    const int64_t limit = limit_of(p);
    while (count > 0) {
        int64_t run = ((int64_t)MR__RNG_WORDS - (int64_t)rng->next) / 2;
        run = run < count ? run : count;
        if (run < 1) { /* no word is left, or one, whose partner is still to be made */
            *out++ = (int64_t)(mr__rng_next64(rng) & ((UINT64_C(1) << 53) - 1)) < limit ? value : 0;
            count--;
            continue;
        }
        if (MR__HAS_WIDE())
            draw_wide(out, rng->words + rng->next, run, limit, value);
        else
            draw(out, rng->words + rng->next, run, limit, value);
        rng->next += (uint32_t)(2 * run);
        out += run;
        count -= run;
    }
}

void mr__rng_fill_bernoulli_f64(mr_rng *rng, double *out, int64_t count, double p, double value)
{
    for (int64_t i = 0; i < count; i++)
        out[i] = mr__rng_uniform53(rng) < p ? value : 0;
}

/*
 * Normal draws. torch has three ways to them and so have we: one by one in double for fewer than 16 values;
 * in blocks of 16 for float, with the polynomials for log, sin and cos that its AVX2 build uses; in blocks of
 * 16 for double, with the C library's functions. All three are Box and Muller's transform.
 */
#include "rng.h"

#include <math.h>
#include <string.h>

enum { BLOCK = 16, HALF = 8 };

static const double pi = 3.14159265358979323846;

/* ---- one by one ------------------------------------------------------------------------------ */

static double next_normal(mr_rng *rng)
{
    if (rng->has_normal) {
        rng->has_normal = false;
        return rng->normal;
    }
    double u1 = mr__rng_uniform53(rng), u2 = mr__rng_uniform53(rng);
    double radius = sqrt(-2.0 * log(1.0 - u2)), theta = 2.0 * pi * u1;
    rng->normal = radius * sin(theta);
    rng->has_normal = true;
    return radius * cos(theta);
}

double mr_rng_normal(mr_rng *rng)
{
    if (rng)
        return next_normal(rng);
    mr__null("rng_normal", "the generator");
    return 0;
}

/* ---- blocks of float ------------------------------------------------------------------------- */

MR__INLINE uint32_t to_bits(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

MR__INLINE float from_bits(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* Natural logarithm of a normal number above zero: the polynomial of Cephes' logf on sqrt(1/2) to sqrt(2),
 * each step rounded once. */
MR__INLINE float log_block(float x)
{
    uint32_t bits = to_bits(x);
    float m = from_bits((bits & 0x007fffffu) | 0x3f000000u); /* 1/2 to 1 */
    float e = (float)((int32_t)(bits >> 23) - 126);
    bool small = m < 0.707106781186547524f;
    e = small ? e - 1.0f : e;
    m = small ? (m - 1.0f) + m : m - 1.0f;

    float z = m * m, y = 7.0376836292e-2f;
    y = fmaf(y, m, -1.1514610310e-1f);
    y = fmaf(y, m, 1.1676998740e-1f);
    y = fmaf(y, m, -1.2420140846e-1f);
    y = fmaf(y, m, 1.4249322787e-1f);
    y = fmaf(y, m, -1.6668057665e-1f);
    y = fmaf(y, m, 2.0000714765e-1f);
    y = fmaf(y, m, -2.4999993993e-1f);
    y = fmaf(y, m, 3.3333331174e-1f);
    y = y * m;
    y = fmaf(y, z, e * -2.12194440e-4f); /* ln 2 in two parts, the small one first */
    y = fmaf(-z, 0.5f, y);
    return fmaf(e, 0.693359375f, m + y);
}

/* Sine and cosine of 0 to 2 pi: Cephes' sinf and cosf, which find the nearest even octant, take it away in
 * three parts of pi / 4, and swap and negate two polynomials. */
MR__INLINE void sin_cos_block(float x, float *sine, float *cosine)
{
    int32_t octant = (int32_t)(x * 1.27323954473516f); /* 4 / pi */
    octant = (octant + 1) & ~1;
    float k = (float)octant;
    x = fmaf(k, -0.78515625f, x);
    x = fmaf(k, -2.4187564849853515625e-4f, x);
    x = fmaf(k, -3.77489497744594108e-8f, x);

    float z = x * x;
    float c = fmaf(2.443315711809948e-5f, z, -1.388731625493765e-3f);
    c = fmaf(c, z, 4.166664568298827e-2f);
    c = c * z;
    c = fmaf(c, z, -(z * 0.5f)) + 1.0f;
    float s = fmaf(-1.9515295891e-4f, z, 8.3321608736e-3f);
    s = fmaf(s, z, -1.6666654611e-1f);
    s = s * z;
    s = fmaf(s, x, x);

    bool swapped = octant & 2;
    float sine_here = swapped ? c : s, cosine_here = swapped ? s : c;
    *sine = from_bits(to_bits(sine_here) ^ (uint32_t)(octant & 4) << 29);
    *cosine = from_bits(to_bits(cosine_here) ^ (uint32_t)((octant + 2) & 4) << 29);
}

/* Turns 16 uniform values into 16 normal ones: value j and value j + 8 are a pair. */
MR__INLINE void block_of_floats(float *values, float mean, float std)
{
    for (int j = 0; j < HALF; j++) {
        float u1 = 1.0f - values[j], u2 = values[j + HALF], sine, cosine;
        float radius = sqrtf(-2.0f * log_block(u1));
        sin_cos_block((float)(2.0 * pi) * u2, &sine, &cosine);
        values[j] = fmaf(radius * cosine, std, mean);
        values[j + HALF] = fmaf(radius * sine, std, mean);
    }
}

MR__INLINE void blocks_of_floats(float *values, int64_t count, float mean, float std)
{
    for (int64_t i = 0; i + BLOCK <= count; i += BLOCK)
        block_of_floats(values + i, mean, std);
}

MR__WIDE static void blocks_of_floats_wide(float *values, int64_t count, float mean, float std)
{
    blocks_of_floats(values, count, mean, std);
}

static void fill_block_of_floats(mr_rng *rng, float *values, int64_t count, float mean, float std)
{
    mr__rng_fill_uniform24(rng, values, count);
    if (MR__HAS_WIDE())
        blocks_of_floats_wide(values, count, mean, std);
    else
        blocks_of_floats(values, count, mean, std);
}

/* ---- blocks of double ------------------------------------------------------------------------ */

static void fill_blocks_of_doubles(mr_rng *rng, double *values, int64_t count, double mean, double std)
{
    for (int64_t i = 0; i < count; i++)
        values[i] = mr__rng_uniform53(rng);
    for (; count >= BLOCK; values += BLOCK, count -= BLOCK)
        for (int j = 0; j < HALF; j++) {
            double u1 = 1.0 - values[j], u2 = values[j + HALF];
            double radius = sqrt(-2.0 * log(u1)), theta = 2.0 * pi * u2;
            values[j] = fma(radius * cos(theta), std, mean);
            values[j + HALF] = fma(radius * sin(theta), std, mean);
        }
}

/* ---- both ------------------------------------------------------------------------------------ */

static bool normal_is_right(const char *call, const mr_rng *rng, int64_t count, double std)
{
    if (!rng)
        mr__null(call, "the generator");
    else if (count < 0)
        mr__raise(MR_ERR_ARGUMENT, "%s: %lld values wanted", call, (long long)count);
    else if (!(std >= 0))
        mr__raise(MR_ERR_ARGUMENT, "%s: a standard deviation of %g", call, std);
    else
        return true;
    return false;
}

/* Values behind the last full block: the last 16 places are drawn again, with fresh words. */
void mr_rng_fill_normal(mr_rng *rng, float *values, int64_t count, double mean, double std)
{
    if (!normal_is_right("rng_fill_normal", rng, count, std))
        return;
    if (count < BLOCK) {
        for (int64_t i = 0; i < count; i++)
            values[i] = (float)fma(next_normal(rng), std, mean);
        return;
    }
    fill_block_of_floats(rng, values, count, (float)mean, (float)std);
    if (count % BLOCK)
        fill_block_of_floats(rng, values + count - BLOCK, BLOCK, (float)mean, (float)std);
}

void mr_rng_fill_normal_f64(mr_rng *rng, double *values, int64_t count, double mean, double std)
{
    if (!normal_is_right("rng_fill_normal_f64", rng, count, std))
        return;
    if (count < BLOCK) {
        for (int64_t i = 0; i < count; i++)
            values[i] = fma(next_normal(rng), std, mean);
        return;
    }
    fill_blocks_of_doubles(rng, values, count, mean, std);
    if (count % BLOCK)
        fill_blocks_of_doubles(rng, values + count - BLOCK, BLOCK, mean, std);
}

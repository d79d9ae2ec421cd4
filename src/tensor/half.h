/* The two 16-bit floating types, which can be loaded and cast but not computed with. */
#ifndef MILLRACE_TENSOR_HALF_H
#define MILLRACE_TENSOR_HALF_H

#include <stdint.h>
#include <string.h>

static inline float mr__float_of_bits(uint32_t bits)
{
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

static inline uint32_t mr__bits_of_float(float f)
{
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    return bits;
}

static inline float mr__from_bfloat16(uint16_t h)
{
    return mr__float_of_bits((uint32_t)h << 16);
}

static inline uint16_t mr__to_bfloat16(float f) /* to nearest, ties to even */
{
    uint32_t bits = mr__bits_of_float(f);
    if (f != f)
        return 0x7fc0;
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

static inline float mr__from_float16(uint16_t h)
{
    uint32_t sign = (uint32_t)(h & 0x8000) << 16, exponent = h >> 10 & 31, fraction = h & 1023;
    if (exponent == 31)
        return mr__float_of_bits(sign | 0x7f800000 | fraction << 13);
    if (exponent)
        return mr__float_of_bits(sign | (exponent + 112) << 23 | fraction << 13);
    float f = (float)fraction * 0x1p-24f;
    return sign ? -f : f;
}

static inline uint16_t mr__to_float16(float f) /* to nearest, ties to even */
{
    uint32_t bits = mr__bits_of_float(f), sign = bits >> 16 & 0x8000;
    uint32_t magnitude = bits & 0x7fffffff;
    if (magnitude > 0x7f800000)
        return (uint16_t)(sign | 0x7e00);
    if (magnitude >= 0x477ff000) /* rounds to 65536 or more */
        return (uint16_t)(sign | 0x7c00);
    if (magnitude < 0x38800000) { /* a subnormal: the addition rounds at its last place */
        float shifted = mr__float_of_bits(magnitude) + 0.5f;
        return (uint16_t)(sign | (mr__bits_of_float(shifted) - 0x3f000000));
    }
    return (uint16_t)(sign | (magnitude - 0x38000000 + 0xfff + (magnitude >> 13 & 1)) >> 13);
}

#endif

/* Sums, products and the like, element by element. */
#include "kernels/level/level.h"

#define BINARY(name, op)                                                                   \
    void MR__LEVEL(name)(float *out, const float *a, const float *b, int64_t n)            \
    {                                                                                      \
        int64_t i = 0;                                                                     \
        for (; i + VF_LANES <= n; i += VF_LANES)                                           \
            vf_store(out + i, op(vf_load(a + i), vf_load(b + i)));                         \
        if (i < n) {                                                                       \
            const vm rest = vm_first(n - i);                                               \
            vf_store_m(out + i, op(vf_load_m(a + i, rest), vf_load_m(b + i, rest)), rest); \
        }                                                                                  \
    }

BINARY(add, vf_add)
BINARY(sub, vf_sub)
BINARY(mul, vf_mul)
BINARY(div, vf_div)

void MR__LEVEL(affine)(float *out, const float *x, float scale, float shift, int64_t n)
{
    const vf s = vf_set1(scale), t = vf_set1(shift);
    int64_t i = 0;
    for (; i + VF_LANES <= n; i += VF_LANES)
        vf_store(out + i, vf_add(vf_mul(vf_load(x + i), s), t));
    if (i < n) {
        const vm rest = vm_first(n - i);
        vf_store_m(out + i, vf_add(vf_mul(vf_load_m(x + i, rest), s), t), rest);
    }
}

void MR__LEVEL(add_scaled)(float *y, float alpha, const float *x, int64_t n)
{
    const vf s = vf_set1(alpha);
    int64_t i = 0;
    for (; i + VF_LANES <= n; i += VF_LANES)
        vf_store(y + i, vf_fma(s, vf_load(x + i), vf_load(y + i)));
    if (i < n) {
        const vm rest = vm_first(n - i);
        vf_store_m(y + i, vf_fma(s, vf_load_m(x + i, rest), vf_load_m(y + i, rest)), rest);
    }
}

void MR__LEVEL(fill)(float *out, float value, int64_t n)
{
    const vf v = vf_set1(value);
    int64_t i = 0;
    for (; i + VF_LANES <= n; i += VF_LANES)
        vf_store(out + i, v);
    if (i < n)
        vf_store_m(out + i, v, vm_first(n - i));
}

void MR__LEVEL(relu)(float *out, const float *x, int64_t n)
{
    int64_t i = 0;
    for (; i + VF_LANES <= n; i += VF_LANES)
        vf_store(out + i, vf_at_least(vf_load(x + i), vf_zero()));
    if (i < n) {
        const vm rest = vm_first(n - i);
        vf_store_m(out + i, vf_at_least(vf_load_m(x + i, rest), vf_zero()), rest);
    }
}

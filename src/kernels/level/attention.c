/* The weights of attention, softmax over the keys that a row sees, and the gradient of what they are made from. */
#include "kernels/level/exp.h"
#include "kernels/level/level.h"

#include <math.h>

/* Partial sums are added up after so many vectors, so that the error grows less than with n. */
enum { BLOCK = 64 };

VF_INLINE vf load_or(const float *x, int64_t n, vf other)
{
    return n >= VF_LANES ? vf_load(x) : vf_load_or(x, vm_first(n), other);
}

VF_INLINE void store(float *out, vf v, int64_t n)
{
    if (n >= VF_LANES)
        vf_store(out, v);
    else
        vf_store_m(out, v, vm_first(n));
}

static float greatest_of(const float *x, int64_t n)
{
    const vf lowest = vf_set1(-INFINITY);
    vf greatest = lowest;
    for (int64_t i = 0; i < n; i += VF_LANES)
        greatest = vf_at_least(load_or(x + i, n - i, lowest), greatest);
    float lane[VD_LANES], top;
    vd_store(lane, vf_fold_greatest(greatest));
    top = lane[0];
    for (int i = 1; i < VD_LANES; i++)
        top = lane[i] > top || lane[i] != lane[i] ? lane[i] : top;
    return top;
}

/* x = exp(x - top); returns the sum. */
static float make_powers(float *x, float top, int64_t n)
{
    const vf t = vf_set1(top), lowest = vf_set1(-INFINITY);
    vf sum = vf_zero();
    for (int64_t i = 0; i < n;) {
        vf part = vf_zero();
        for (int b = 0; b < BLOCK && i < n; b++, i += VF_LANES) {
            const vf e = exp_at_most_1(vf_sub(load_or(x + i, n - i, lowest), t));
            store(x + i, e, n - i);
            part = vf_add(part, e);
        }
        sum = vf_add(sum, part);
    }
    return vf_sum(sum);
}

/* x = exp(x - top) inverse */
static void make_again(float *x, float top, float inverse, int64_t n)
{
    const vf t = vf_set1(top), by = vf_set1(inverse), zero = vf_zero();
    for (int64_t i = 0; i < n; i += VF_LANES)
        store(x + i, vf_mul(exp_at_most_1(vf_sub(load_or(x + i, n - i, zero), t)), by), n - i);
}

void MR__LEVEL(attention_weights)(float *x, float *top, float *inverse, int64_t rows, int64_t n, int64_t seen,
                                  bool again)
{
    for (int64_t r = 0; r < rows; r++, x += n) {
        const int64_t own = seen + r < n ? seen + r : n;
        if (again) {
            make_again(x, top[r], inverse[r], own);
        } else {
            top[r] = greatest_of(x, own);
            inverse[r] = 1 / make_powers(x, top[r], own);
            MR__LEVEL(scale)(x, x, inverse[r], own, false);
        }
        for (int64_t i = own; i < n; i += VF_LANES)
            store(x + i, vf_zero(), n - i);
    }
}

void MR__LEVEL(attention_slopes)(float *dx, const float *x, int64_t rows, int64_t n, float scale)
{
    const vf by = vf_set1(scale), zero = vf_zero();
    for (int64_t r = 0; r < rows; r++, x += n, dx += n) {
        vf sum = zero;
        for (int64_t i = 0; i < n;) {
            vf part = zero;
            for (int b = 0; b < BLOCK && i < n; b++, i += VF_LANES)
                part = vf_fma(load_or(x + i, n - i, zero), load_or(dx + i, n - i, zero), part);
            sum = vf_add(sum, part);
        }
        const vf all = vf_set1(vf_sum(sum));
        for (int64_t i = 0; i < n; i += VF_LANES)
            store(dx + i,
                  vf_mul(vf_mul(vf_sub(load_or(dx + i, n - i, zero), all), load_or(x + i, n - i, zero)), by),
                  n - i);
    }
}

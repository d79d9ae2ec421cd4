/* Gradients of the elementwise functions. Where one is added to what is there, it is rounded first. */
#include "kernels/level/level.h"

typedef vf gradient(vf dy, vf y);

VF_INLINE vf relu_gradient(vf dy, vf y)
{
    return vf_keep_unless_le0(dy, y);
}

VF_INLINE vf sigmoid_gradient(vf dy, vf y)
{
    return vf_mul(vf_mul(dy, vf_sub(vf_set1(1), y)), y);
}

VF_INLINE vf tanh_gradient(vf dy, vf y)
{
    return vf_mul(dy, vf_sub(vf_set1(1), vf_mul(y, y)));
}

VF_INLINE void backward(gradient f, float *dx, const float *dy, const float *y, int64_t n, bool add)
{
    int64_t i = 0;
    if (add) {
        for (; i + VF_LANES <= n; i += VF_LANES)
            vf_store(dx + i, vf_add(vf_load(dx + i), f(vf_load(dy + i), vf_load(y + i))));
    } else {
        for (; i + VF_LANES <= n; i += VF_LANES)
            vf_store(dx + i, f(vf_load(dy + i), vf_load(y + i)));
    }
    if (i < n) {
        const vm rest = vm_first(n - i);
        const vf d = f(vf_load_m(dy + i, rest), vf_load_m(y + i, rest));
        vf_store_m(dx + i, add ? vf_add(vf_load_m(dx + i, rest), d) : d, rest);
    }
}

void MR__LEVEL(relu_backward)(float *dx, const float *dy, const float *y, int64_t n, bool add)
{
    backward(relu_gradient, dx, dy, y, n, add);
}

void MR__LEVEL(sigmoid_backward)(float *dx, const float *dy, const float *y, int64_t n, bool add)
{
    backward(sigmoid_gradient, dx, dy, y, n, add);
}

void MR__LEVEL(tanh_backward)(float *dx, const float *dy, const float *y, int64_t n, bool add)
{
    backward(tanh_gradient, dx, dy, y, n, add);
}

void MR__LEVEL(mul_backward)(float *da, const float *dy, const float *b, int64_t n, bool add)
{
    backward(vf_mul, da, dy, b, n, add);
}

void MR__LEVEL(scale)(float *out, const float *x, float alpha, int64_t n, bool add)
{
    const vf s = vf_set1(alpha);
    int64_t i = 0;
    if (add) {
        for (; i + VF_LANES <= n; i += VF_LANES)
            vf_store(out + i, vf_add(vf_load(out + i), vf_mul(s, vf_load(x + i))));
    } else {
        for (; i + VF_LANES <= n; i += VF_LANES)
            vf_store(out + i, vf_mul(s, vf_load(x + i)));
    }
    if (i < n) {
        const vm rest = vm_first(n - i);
        const vf d = vf_mul(s, vf_load_m(x + i, rest));
        vf_store_m(out + i, add ? vf_add(vf_load_m(out + i, rest), d) : d, rest);
    }
}

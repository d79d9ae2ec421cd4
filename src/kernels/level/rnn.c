/* The cells of recurrent layers: what is done to the sums of a step, element by element. */
#include "kernels/level/level.h"

VF_INLINE vf load(const float *p, vm lanes, bool whole)
{
    return whole ? vf_load(p) : vf_load_m(p, lanes);
}

VF_INLINE void store(float *p, vf v, vm lanes, bool whole)
{
    if (whole)
        vf_store(p, v);
    else
        vf_store_m(p, v, lanes);
}

/* ---- LSTM: gates are input, forget, cell, output, each `n` long ---- */

VF_INLINE void lstm(const float *gates, const float *c_before, float *c, float *tanh_c, int64_t n, int64_t i,
                    vm lanes, bool whole)
{
    const vf in = load(gates + i, lanes, whole), forget = load(gates + n + i, lanes, whole);
    const vf cell = load(gates + 2 * n + i, lanes, whole);
    const vf now = vf_fma(forget, load(c_before + i, lanes, whole), vf_mul(in, cell));
    store(c + i, now, lanes, whole);
    store(tanh_c + i, now, lanes, whole);
}

void MR__LEVEL(lstm_forward)(float *gates, const float *c_before, float *c, float *tanh_c, float *h,
                             int64_t n)
{
    MR__LEVEL(sigmoid)(gates, gates, 2 * n);
    MR__LEVEL(tanh)(gates + 2 * n, gates + 2 * n, n);
    MR__LEVEL(sigmoid)(gates + 3 * n, gates + 3 * n, n);
    int64_t i = 0;
    for (; i + VF_LANES <= n; i += VF_LANES)
        lstm(gates, c_before, c, tanh_c, n, i, vm_first(VF_LANES), true);
    if (i < n)
        lstm(gates, c_before, c, tanh_c, n, i, vm_first(n - i), false);
    MR__LEVEL(tanh)(tanh_c, tanh_c, n);
    MR__LEVEL(mul)(h, gates + 3 * n, tanh_c, n);
}

/* The gates become their gradients. */
VF_INLINE void lstm_back(float *gates, const float *c_before, const float *tanh_c, const float *dh, float *dc,
                         int64_t n, int64_t i, vm lanes, bool whole)
{
    const vf one = vf_set1(1), d = load(dh + i, lanes, whole), t = load(tanh_c + i, lanes, whole);
    const vf in = load(gates + i, lanes, whole), forget = load(gates + n + i, lanes, whole);
    const vf cell = load(gates + 2 * n + i, lanes, whole), out = load(gates + 3 * n + i, lanes, whole);
    const vf before = load(c_before + i, lanes, whole);
    const vf d_now = vf_fma(vf_mul(d, out), vf_sub(one, vf_mul(t, t)), load(dc + i, lanes, whole));
    store(gates + i, vf_mul(vf_mul(vf_mul(d_now, cell), vf_sub(one, in)), in), lanes, whole);
    store(gates + n + i, vf_mul(vf_mul(vf_mul(d_now, before), vf_sub(one, forget)), forget), lanes, whole);
    store(gates + 2 * n + i, vf_mul(vf_mul(d_now, in), vf_sub(one, vf_mul(cell, cell))), lanes, whole);
    store(gates + 3 * n + i, vf_mul(vf_mul(vf_mul(d, t), vf_sub(one, out)), out), lanes, whole);
    store(dc + i, vf_mul(d_now, forget), lanes, whole);
}

void MR__LEVEL(lstm_backward)(float *gates, const float *c_before, const float *tanh_c, const float *dh,
                              float *dc, int64_t n)
{
    int64_t i = 0;
    for (; i + VF_LANES <= n; i += VF_LANES)
        lstm_back(gates, c_before, tanh_c, dh, dc, n, i, vm_first(VF_LANES), true);
    if (i < n)
        lstm_back(gates, c_before, tanh_c, dh, dc, n, i, vm_first(n - i), false);
}

/* ---- GRU: gates are reset, update, new; `hidden` holds the same sums of the state ---- */

VF_INLINE void gru_sum(float *gates, const float *hidden, int64_t n, int64_t i, vm lanes, bool whole)
{
    const vf reset = load(gates + i, lanes, whole), inner = load(hidden + 2 * n + i, lanes, whole);
    store(gates + 2 * n + i, vf_fma(reset, inner, load(gates + 2 * n + i, lanes, whole)), lanes, whole);
}

VF_INLINE void gru_mix(const float *gates, const float *h_before, float *h, int64_t n, int64_t i, vm lanes,
                       bool whole)
{
    const vf update = load(gates + n + i, lanes, whole), new = load(gates + 2 * n + i, lanes, whole);
    store(h + i, vf_fma(update, vf_sub(load(h_before + i, lanes, whole), new), new), lanes, whole);
}

void MR__LEVEL(gru_forward)(float *gates, const float *hidden, const float *h_before, float *h, int64_t n)
{
    MR__LEVEL(add)(gates, gates, hidden, 2 * n);
    MR__LEVEL(sigmoid)(gates, gates, 2 * n);
    int64_t i = 0;
    for (; i + VF_LANES <= n; i += VF_LANES)
        gru_sum(gates, hidden, n, i, vm_first(VF_LANES), true);
    if (i < n)
        gru_sum(gates, hidden, n, i, vm_first(n - i), false);
    MR__LEVEL(tanh)(gates + 2 * n, gates + 2 * n, n);
    for (i = 0; i + VF_LANES <= n; i += VF_LANES)
        gru_mix(gates, h_before, h, n, i, vm_first(VF_LANES), true);
    if (i < n)
        gru_mix(gates, h_before, h, n, i, vm_first(n - i), false);
}

/* Gates and hidden become their gradients, dh what goes to the state before past the products. */
VF_INLINE void gru_back(float *gates, float *hidden, const float *h_before, float *dh, int64_t n, int64_t i,
                        vm lanes, bool whole)
{
    const vf one = vf_set1(1), d = load(dh + i, lanes, whole), inner = load(hidden + 2 * n + i, lanes, whole);
    const vf reset = load(gates + i, lanes, whole), update = load(gates + n + i, lanes, whole);
    const vf new = load(gates + 2 * n + i, lanes, whole);
    const vf d_new = vf_mul(vf_mul(d, vf_sub(one, update)), vf_sub(one, vf_mul(new, new)));
    const vf d_update =
        vf_mul(vf_mul(vf_mul(d, vf_sub(load(h_before + i, lanes, whole), new)), vf_sub(one, update)), update);
    const vf d_reset = vf_mul(vf_mul(vf_mul(d_new, inner), vf_sub(one, reset)), reset);
    store(gates + i, d_reset, lanes, whole);
    store(hidden + i, d_reset, lanes, whole);
    store(gates + n + i, d_update, lanes, whole);
    store(hidden + n + i, d_update, lanes, whole);
    store(gates + 2 * n + i, d_new, lanes, whole);
    store(hidden + 2 * n + i, vf_mul(d_new, reset), lanes, whole);
    store(dh + i, vf_mul(d, update), lanes, whole);
}

void MR__LEVEL(gru_backward)(float *gates, float *hidden, const float *h_before, float *dh, int64_t n)
{
    int64_t i = 0;
    for (; i + VF_LANES <= n; i += VF_LANES)
        gru_back(gates, hidden, h_before, dh, n, i, vm_first(VF_LANES), true);
    if (i < n)
        gru_back(gates, hidden, h_before, dh, n, i, vm_first(n - i), false);
}

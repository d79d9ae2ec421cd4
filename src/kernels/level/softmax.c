/*
 * Softmax along the middle of (outer, n, inner), and its gradient.
 *
 * With inner = 1 a row is dense. VD_LANES rows go together, so that finding the greatest element and the sum of
 * each costs few shuffles. Otherwise each lane is a row of its own and n steps through memory. A row's result does not
 * depend on its place among the others.
 */
#include "kernels/level/exp.h"
#include "kernels/level/level.h"
#include "kernels/level/log.h"

#include <stddef.h>

/* PARTS leaves exp(x - greatest), the greatest and the sum as they are. */
typedef enum result { PARTS, SOFTMAX, LOG_SOFTMAX } result;

/* Partial sums are added up after so many terms, so that the error grows less than with n. */
enum { BLOCK = 64 };

VF_INLINE vf load_first(const float *x, int64_t n)
{
    return n >= VF_LANES ? vf_load(x) : vf_load_m(x, vm_first(n));
}

VF_INLINE vf load_first_or(const float *x, int64_t n, vf other)
{
    return n >= VF_LANES ? vf_load(x) : vf_load_or(x, vm_first(n), other);
}

VF_INLINE void store_first(float *out, vf v, int64_t n)
{
    if (n >= VF_LANES)
        vf_store(out, v);
    else
        vf_store_m(out, v, vm_first(n));
}

VF_INLINE void put_first(float *out, vf v, int64_t n, bool add)
{
    store_first(out, add ? vf_add(load_first(out, n), v) : v, n);
}

/* ---- dense rows ---- */

VF_INLINE vd greatest(const float *x, int64_t n)
{
    const vf lowest = vf_set1(-INFINITY);
    vf g0 = lowest, g1 = lowest;
    int64_t i = 0;
    for (; i + 2 * VF_LANES <= n; i += 2 * VF_LANES) {
        g0 = vf_at_least(vf_load(x + i), g0);
        g1 = vf_at_least(vf_load(x + i + VF_LANES), g1);
    }
    for (; i < n; i += VF_LANES)
        g0 = vf_at_least(load_first_or(x + i, n - i, lowest), g0);
    return vf_fold_greatest(vf_at_least(g0, g1));
}

/* Stores exp(x - top), unless `powers` is NULL, and returns the sum. */
VF_INLINE vd sum_powers(float *powers, const float *x, int64_t n, float top)
{
    const vf t = vf_set1(top), lowest = vf_set1(-INFINITY);
    vf sum = vf_zero();
    for (int64_t i = 0; i < n;) {
        vf part = vf_zero();
        for (int k = 0; k < BLOCK && i < n; k++, i += VF_LANES) {
            const vf e = exp_at_most_1(vf_sub(load_first_or(x + i, n - i, lowest), t));
            if (powers)
                store_first(powers + i, e, n - i);
            part = vf_add(part, e);
        }
        sum = vf_add(sum, part);
    }
    return vf_fold_sum(sum);
}

VF_INLINE void finish_row(result kind, float *y, const float *x, int64_t n, float top, float total)
{
    const vf factor = vf_set1(1 / total), t = vf_set1(top), logarithm = vf_set1(total);
    for (int64_t i = 0; i < n; i += VF_LANES)
        if (kind == SOFTMAX)
            store_first(y + i, vf_mul(load_first(y + i, n - i), factor), n - i);
        else
            store_first(y + i, vf_sub(vf_sub(load_first(x + i, n - i), t), logarithm), n - i);
}

VF_INLINE void put_parts(float *top, float *total, const float *tops, const float *totals, int count)
{
    for (int r = 0; r < count; r++) {
        top[r] = tops[r];
        total[r] = totals[r];
    }
}

VF_INLINE void together(result kind, float *y, float *top, float *total, const float *x, int64_t n, int count)
{
    vd some[VD_LANES];
    float tops[VD_LANES] = { 0 }, totals[VF_LANES] = { 0 };
    for (int r = 0; r < VD_LANES; r++)
        some[r] = r < count ? greatest(x + r * n, n) : vd_set1(0);
    vd_store(tops, vd_greatest_each(some));
    for (int r = 0; r < VD_LANES; r++)
        some[r] = r < count ? sum_powers(kind != LOG_SOFTMAX && y ? y + r * n : NULL, x + r * n, n, tops[r])
                            : vd_set1(0);
    vd_store(totals, vd_sum_each(some));
    if (kind == PARTS) {
        put_parts(top, total, tops, totals, count);
        return;
    }
    if (kind == LOG_SOFTMAX)
        vf_store(totals, log_one(vf_load(totals)));
    for (int r = 0; r < count; r++)
        finish_row(kind, y + r * n, x + r * n, n, tops[r], totals[r]);
}

/* The same for rows that fit into one vector each, which then stay in registers. */
VF_INLINE void together_short(result kind, float *y, float *top, float *total, const float *x, int64_t n,
                              int count)
{
    const vf lowest = vf_set1(-INFINITY);
    const vm used = vm_first(n);
    vf v[VD_LANES], e[VD_LANES];
    vd some[VD_LANES];
    float tops[VD_LANES], totals[VF_LANES] = { 0 };
    VF_UNROLL
    for (int r = 0; r < VD_LANES; r++) {
        v[r] = r < count ? vf_load_or(x + r * n, used, lowest) : lowest;
        some[r] = vf_fold_greatest(v[r]);
    }
    vd_store(tops, vd_greatest_each(some));
    VF_UNROLL
    for (int r = 0; r < VD_LANES; r++) {
        v[r] = vf_sub(v[r], vf_set1(tops[r]));
        e[r] = exp_at_most_1(v[r]);
        if (kind == PARTS && y && r < count)
            vf_store_m(y + r * n, e[r], used);
        some[r] = vf_fold_sum(e[r]);
    }
    vd_store(totals, vd_sum_each(some));
    if (kind == PARTS) {
        put_parts(top, total, tops, totals, count);
        return;
    }
    const vf all = vf_load(totals);
    vf_store(totals, kind == SOFTMAX ? vf_div(vf_set1(1), all) : log_one(all));
    VF_UNROLL
    for (int r = 0; r < VD_LANES; r++)
        if (r < count)
            vf_store_m(y + r * n,
                       kind == SOFTMAX ? vf_mul(e[r], vf_set1(totals[r])) : vf_sub(v[r], vf_set1(totals[r])),
                       used);
}

VF_INLINE void rows(bool fit, result kind, float *y, float *top, float *total, const float *x, int64_t count,
                    int64_t n)
{
    for (int64_t i = 0; i < count; i += VD_LANES) {
        float *to = y ? y + i * n : NULL;
        float *t = kind == PARTS ? top + i : NULL, *s = kind == PARTS ? total + i : NULL;
        const int left = (int)(count - i);
        if (fit && left >= VD_LANES)
            together_short(kind, to, t, s, x + i * n, n, VD_LANES);
        else if (fit)
            together_short(kind, to, t, s, x + i * n, n, left);
        else
            together(kind, to, t, s, x + i * n, n, left < VD_LANES ? left : VD_LANES);
    }
}

/* ---- rows in lanes ---- */

/* `count` lanes of a matrix whose rows are `inner` apart. */
VF_INLINE void lanes(result kind, float *y, float *top, float *total, const float *x, int64_t n,
                     int64_t inner, int64_t count)
{
    vf t = vf_set1(-INFINITY), sum = vf_zero();
    for (int64_t k = 0; k < n; k++)
        t = vf_at_least(load_first(x + k * inner, count), t);
    for (int64_t k = 0; k < n;) {
        vf part = vf_zero();
        for (int b = 0; b < BLOCK && k < n; b++, k++) {
            const vf e = exp_at_most_1(vf_sub(load_first(x + k * inner, count), t));
            if (kind != LOG_SOFTMAX && y)
                store_first(y + k * inner, e, count);
            part = vf_add(part, e);
        }
        sum = vf_add(sum, part);
    }
    if (kind == PARTS) {
        store_first(top, t, count);
        store_first(total, sum, count);
        return;
    }
    const vf last = kind == SOFTMAX ? vf_div(vf_set1(1), sum) : log_one(sum);
    for (int64_t k = 0; k < n; k++)
        if (kind == SOFTMAX)
            store_first(y + k * inner, vf_mul(load_first(y + k * inner, count), last), count);
        else
            store_first(y + k * inner, vf_sub(vf_sub(load_first(x + k * inner, count), t), last), count);
}

/* ---- dense rows of few elements: turned into rows in lanes ---- */

enum { FEW = 4 };

VF_INLINE void few(result kind, float *y, float *top, float *total, const float *x, int64_t count, int64_t n)
{
    float in[FEW * VF_LANES], out[FEW * VF_LANES];
    for (int64_t i = 0; i < count; i += VF_LANES) {
        const int64_t together = count - i < VF_LANES ? count - i : VF_LANES;
        for (int64_t r = 0; r < together; r++)
            for (int64_t k = 0; k < n; k++)
                in[k * VF_LANES + r] = x[(i + r) * n + k];
        lanes(kind, y ? out : NULL, kind == PARTS ? top + i : NULL, kind == PARTS ? total + i : NULL, in, n,
              VF_LANES, together);
        for (int64_t r = 0; r < together && y; r++)
            for (int64_t k = 0; k < n; k++)
                y[(i + r) * n + k] = out[k * VF_LANES + r];
    }
}

VF_INLINE void softmax(result kind, float *y, float *top, float *total, const float *x, int64_t outer,
                       int64_t n, int64_t inner)
{
    if (inner == 1) {
        if (n <= FEW)
            few(kind, y, top, total, x, outer, n);
        else if (n <= VF_LANES)
            rows(true, kind, y, top, total, x, outer, n);
        else
            rows(false, kind, y, top, total, x, outer, n);
        return;
    }
    for (int64_t o = 0; o < outer; o++)
        for (int64_t i = 0; i < inner; i += VF_LANES) {
            const int64_t at = o * n * inner + i, row = o * inner + i;
            const int64_t left = inner - i;
            float *to = y ? y + at : NULL;
            float *t = kind == PARTS ? top + row : NULL, *s = kind == PARTS ? total + row : NULL;
            if (left >= VF_LANES)
                lanes(kind, to, t, s, x + at, n, inner, VF_LANES);
            else
                lanes(kind, to, t, s, x + at, n, inner, left);
        }
}

void MR__LEVEL(softmax)(float *y, const float *x, int64_t outer, int64_t n, int64_t inner)
{
    softmax(SOFTMAX, y, NULL, NULL, x, outer, n, inner);
}

void MR__LEVEL(log_softmax)(float *y, const float *x, int64_t outer, int64_t n, int64_t inner)
{
    softmax(LOG_SOFTMAX, y, NULL, NULL, x, outer, n, inner);
}

void MR__LEVEL(softmax_parts)(float *powers, float *top, float *total, const float *x, int64_t outer,
                              int64_t n, int64_t inner)
{
    softmax(PARTS, powers, top, total, x, outer, n, inner);
}

/* ---- gradients ---- */

/* dx = y (dy - sum of dy y); of the logarithm: dx = dy - exp(y) sum of dy. */
VF_INLINE vf term(bool logarithm, vf dy, vf y)
{
    return logarithm ? dy : vf_mul(dy, y);
}

VF_INLINE vf gradient(bool logarithm, vf dy, vf y, vf sum)
{
    return logarithm ? vf_sub(dy, vf_mul(exp_at_most_1(y), sum)) : vf_mul(vf_sub(dy, sum), y);
}

VF_INLINE void row_gradient(bool logarithm, float *dx, const float *dy, const float *y, int64_t n, bool add)
{
    vf sum = vf_zero();
    for (int64_t i = 0; i < n;) {
        vf part = vf_zero();
        for (int k = 0; k < BLOCK && i < n; k++, i += VF_LANES)
            part = vf_add(part, term(logarithm, load_first(dy + i, n - i), load_first(y + i, n - i)));
        sum = vf_add(sum, part);
    }
    const vf all = vf_set1(vf_sum(sum));
    for (int64_t i = 0; i < n; i += VF_LANES)
        put_first(dx + i, gradient(logarithm, load_first(dy + i, n - i), load_first(y + i, n - i), all),
                  n - i, add);
}

VF_INLINE void lanes_gradient(bool logarithm, float *dx, const float *dy, const float *y, int64_t n,
                              int64_t inner, int64_t count, bool add)
{
    vf sum = vf_zero();
    for (int64_t k = 0; k < n;) {
        vf part = vf_zero();
        for (int b = 0; b < BLOCK && k < n; b++, k++)
            part = vf_add(
                part, term(logarithm, load_first(dy + k * inner, count), load_first(y + k * inner, count)));
        sum = vf_add(sum, part);
    }
    for (int64_t k = 0; k < n; k++) {
        const vf g = load_first(dy + k * inner, count), v = load_first(y + k * inner, count);
        put_first(dx + k * inner, gradient(logarithm, g, v, sum), count, add);
    }
}

VF_INLINE void backward(bool logarithm, float *dx, const float *dy, const float *y, int64_t outer, int64_t n,
                        int64_t inner, bool add)
{
    for (int64_t o = 0; o < outer; o++) {
        const int64_t at = o * n * inner;
        if (inner == 1)
            row_gradient(logarithm, dx + at, dy + at, y + at, n, add);
        else
            for (int64_t i = 0; i < inner; i += VF_LANES)
                lanes_gradient(logarithm, dx + at + i, dy + at + i, y + at + i, n, inner, inner - i, add);
    }
}

void MR__LEVEL(softmax_backward)(float *dx, const float *dy, const float *y, int64_t outer, int64_t n,
                                 int64_t inner, bool add)
{
    backward(false, dx, dy, y, outer, n, inner, add);
}

void MR__LEVEL(log_softmax_backward)(float *dx, const float *dy, const float *y, int64_t outer, int64_t n,
                                     int64_t inner, bool add)
{
    backward(true, dx, dy, y, outer, n, inner, add);
}

/* Rows that fit into one vector each. */
VF_INLINE void scale_short(float *out, const float *x, const float *factor, int64_t count, int64_t n,
                           bool add)
{
    const vm used = vm_first(n);
    for (int64_t i = 0; i < count; i++) {
        const vf v = vf_mul(vf_load_m(x + i * n, used), vf_set1(factor[i]));
        vf_store_m(out + i * n, add ? vf_add(vf_load_m(out + i * n, used), v) : v, used);
    }
}

void MR__LEVEL(scale_rows)(float *out, const float *x, const float *factor, int64_t outer, int64_t n,
                           int64_t inner, bool add)
{
    if (inner == 1 && n <= VF_LANES && add) {
        scale_short(out, x, factor, outer, n, true);
    } else if (inner == 1 && n <= VF_LANES) {
        scale_short(out, x, factor, outer, n, false);
    } else if (inner == 1) {
        for (int64_t o = 0; o < outer; o++)
            MR__LEVEL(scale)(out + o * n, x + o * n, factor[o], n, add);
    } else {
        for (int64_t o = 0; o < outer; o++)
            for (int64_t k = 0; k < n; k++)
                for (int64_t i = 0; i < inner; i += VF_LANES) {
                    const int64_t at = (o * n + k) * inner + i, left = inner - i;
                    const vf by = load_first(factor + o * inner + i, left);
                    put_first(out + at, vf_mul(load_first(x + at, left), by), left, add);
                }
    }
}

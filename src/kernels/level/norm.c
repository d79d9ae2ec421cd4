/* Moments of rows and columns, and what normalisation makes of them. Sums of more than a block are added in double. */
#include "kernels/level/level.h"

#include <stddef.h>

enum { BLOCK = 64 * VF_LANES };

/* Runs a body for vectors from i on: with m for the last one, which is not whole. */
#define EACH(n, ...)                                 \
    {                                                \
        int64_t i = 0;                               \
        for (; i + VF_LANES <= (n); i += VF_LANES) { \
            const vm m = vm_first(0);                \
            const bool whole = true;                 \
            (void)m;                                 \
            __VA_ARGS__                              \
        }                                            \
        if (i < (n)) {                               \
            const vm m = vm_first((n)-i);            \
            const bool whole = false;                \
            __VA_ARGS__                              \
        }                                            \
    }
#define GET(p) (whole ? vf_load((p) + i) : vf_load_m((p) + i, m))
#define PUT(p, v)                        \
    do {                                 \
        if (whole)                       \
            vf_store((p) + i, (v));      \
        else                             \
            vf_store_m((p) + i, (v), m); \
    } while (0)

/* ---- rows ---- */

static const float ones[16] = { 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1 };

static float block_of_squares(const float *x, float center, int64_t n)
{
    const vf c = vf_set1(center);
    vf s0 = vf_zero(), s1 = s0, s2 = s0, s3 = s0;
    int64_t i = 0;
    for (; i + 4 * VF_LANES <= n; i += 4 * VF_LANES) {
        const vf d0 = vf_sub(vf_load(x + i), c), d1 = vf_sub(vf_load(x + i + VF_LANES), c);
        const vf d2 = vf_sub(vf_load(x + i + 2 * VF_LANES), c), d3 = vf_sub(vf_load(x + i + 3 * VF_LANES), c);
        s0 = vf_fma(d0, d0, s0);
        s1 = vf_fma(d1, d1, s1);
        s2 = vf_fma(d2, d2, s2);
        s3 = vf_fma(d3, d3, s3);
    }
    for (; i + VF_LANES <= n; i += VF_LANES) {
        const vf d = vf_sub(vf_load(x + i), c);
        s0 = vf_fma(d, d, s0);
    }
    if (i < n) {
        const vm m = vm_first(n - i);
        const vf d = vf_mul(vf_sub(vf_load_m(x + i, m), c), vf_load_m(ones, m));
        s1 = vf_fma(d, d, s1);
    }
    return vf_sum(vf_add(vf_add(s0, s1), vf_add(s2, s3)));
}

double MR__LEVEL(norm_squares)(const float *x, float center, int64_t n)
{
    double sum = 0;
    for (int64_t at = 0; at < n; at += BLOCK)
        sum += (double)block_of_squares(x + at, center, n - at < BLOCK ? n - at : BLOCK);
    return sum;
}

void MR__LEVEL(norm_sums)(double *sums, const float *dy, const float *gamma, const float *x, float center,
                          int64_t size)
{
    const vf c = vf_set1(center);
    sums[0] = sums[1] = 0;
    for (int64_t at = 0; at < size; at += BLOCK) {
        const float *g = dy + at, *w = gamma ? gamma + at : NULL, *from = x + at;
        const int64_t n = size - at < BLOCK ? size - at : BLOCK;
        vf s = vf_zero(), t = s;
        EACH(n, {
            const vf v = w ? vf_mul(GET(g), GET(w)) : GET(g);
            s = vf_add(s, v);
            t = vf_fma(v, vf_sub(GET(from), c), t);
        })
        sums[0] += (double)vf_sum(s);
        sums[1] += (double)vf_sum(t);
    }
}

void MR__LEVEL(norm_apply)(float *y, const float *x, float center, float scale, float shift, int64_t n)
{
    const vf c = vf_set1(center), s = vf_set1(scale), t = vf_set1(shift);
    EACH(n, { PUT(y, vf_fma(vf_sub(GET(x), c), s, t)); })
}

void MR__LEVEL(norm_apply_each)(float *y, const float *x, float center, float scale, const float *gamma,
                                const float *beta, int64_t n)
{
    const vf c = vf_set1(center), s = vf_set1(scale);
    EACH(n, { PUT(y, vf_fma(vf_mul(vf_sub(GET(x), c), s), GET(gamma), GET(beta))); })
}

void MR__LEVEL(norm_dx)(float *dx, const float *dy, const float *gamma, const float *x, float center, float a,
                        float b, float c, int64_t n, bool add)
{
    const vf mean = vf_set1(center), va = vf_set1(a), vb = vf_set1(b), vc = vf_set1(c);
    EACH(n, {
        const vf g = gamma ? vf_mul(GET(dy), GET(gamma)) : GET(dy);
        const vf d = vf_fma(g, va, vf_fma(vf_sub(GET(x), mean), vb, vc));
        PUT(dx, add ? vf_add(GET(dx), d) : d);
    })
}

void MR__LEVEL(norm_dw)(float *dgamma, float *dbeta, const float *dy, const float *x, float center,
                        float scale, int64_t n)
{
    const vf c = vf_set1(center), s = vf_set1(scale);
    EACH(n, {
        const vf g = GET(dy);
        PUT(dgamma, vf_fma(g, vf_mul(vf_sub(GET(x), c), s), GET(dgamma)));
        PUT(dbeta, vf_add(GET(dbeta), g));
    })
}

/* ---- columns, of rows that lie ld apart ---- */

void MR__LEVEL(norm_column_products)(float *out, const float *a, const float *b, const float *center,
                                     int64_t ld, int64_t rows, int64_t n)
{
    enum { ROWS = 64 };
    EACH(n, {
        const vf c = GET(center);
        vf total = vf_zero();
        for (int64_t from = 0; from < rows; from += ROWS) {
            const int64_t end = from + ROWS < rows ? from + ROWS : rows;
            vf s = vf_zero();
            for (int64_t r = from; r < end; r++) {
                const vf d = vf_sub(GET(b + r * ld), c);
                s = vf_fma(a ? GET(a + r * ld) : d, d, s);
            }
            total = vf_add(total, s);
        }
        PUT(out, total);
    })
}

void MR__LEVEL(norm_column_apply)(float *y, const float *x, const float *center, const float *scale,
                                  const float *shift, int64_t ld, int64_t rows, int64_t n)
{
    for (int64_t r = 0; r < rows; r++, x += ld, y += ld)
        EACH(n, { PUT(y, vf_fma(vf_sub(GET(x), GET(center)), GET(scale), GET(shift))); })
}

void MR__LEVEL(norm_column_dx)(float *dx, const float *dy, const float *x, const float *center,
                               const float *a, const float *b, const float *c, int64_t ld, int64_t rows,
                               int64_t n, bool add)
{
    for (int64_t r = 0; r < rows; r++, x += ld, dy += ld, dx += ld)
        EACH(n, {
            const vf d = vf_fma(GET(dy), GET(a), vf_fma(vf_sub(GET(x), GET(center)), GET(b), GET(c)));
            PUT(dx, add ? vf_add(GET(dx), d) : d);
        })
}

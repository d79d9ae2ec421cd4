/* Linear layers: the shapes for which a product of matrices is the wrong loop, and gemm for the others. */
#include "kernels/level/level.h"

#include <stddef.h>

enum {
    FEW_ROWS = 4,           /* with less rows of x, linear goes through w row by row */
    FEW_COLUMNS = VD_LANES, /* with less columns of y, through x */
    GROUP = 4,              /* vectors of columns that stay in registers */
    ROW_BLOCK = 1024,       /* rows that are summed before they are added to the others */
};

/* ---- dot products ---- */

/* The products of up to VD_LANES rows of a with x, one in each lane; rows beyond `rows` repeat the last. */
VF_INLINE vd dot_rows(const float *a, int64_t ld, int64_t rows, const float *x, int64_t k)
{
    vd sum[VD_LANES];
    const float *row[VD_LANES];
    VF_UNROLL
    for (int i = 0; i < VD_LANES; i++) {
        row[i] = a + (i < rows ? i : rows - 1) * ld;
        sum[i] = vd_set1(0);
    }
    int64_t l = 0;
    for (; l + VD_LANES <= k; l += VD_LANES) {
        const vd u = vd_load(x + l);
        VF_UNROLL
        for (int i = 0; i < VD_LANES; i++)
            sum[i] = vd_fma(vd_load(row[i] + l), u, sum[i]);
    }
    if (l < k) {
        const vdm rest = vdm_first(k - l);
        const vd u = vd_load_m(x + l, rest);
        VF_UNROLL
        for (int i = 0; i < VD_LANES; i++)
            sum[i] = vd_fma(vd_load_m(row[i] + l, rest), u, sum[i]);
    }
    return vd_sum_each(sum);
}

void MR__LEVEL(dots)(float *out, int64_t step, const float *a, int64_t ld, const float *x, const float *bias,
                     int64_t bias_step, int64_t m, int64_t k, bool add)
{
    for (int64_t i = 0; i < m; i += VD_LANES) {
        const bool whole = m - i >= VD_LANES;
        const int64_t rows = whole ? VD_LANES : m - i;
        const vdm lanes = vdm_first(rows);
        vd sum = whole ? dot_rows(a + i * ld, ld, VD_LANES, x, k) : dot_rows(a + i * ld, ld, rows, x, k);
        if (bias)
            sum = vd_add(sum, bias_step ? vd_load_m(bias + i, lanes) : vd_set1(*bias));
        if (step == 1) {
            vd_store_m(out + i, add ? vd_add(vd_load_m(out + i, lanes), sum) : sum, lanes);
        } else {
            float each[VD_LANES];
            vd_store(each, sum);
            for (int64_t r = 0; r < rows; r++)
                out[(i + r) * step] = add ? out[(i + r) * step] + each[r] : each[r];
        }
    }
}

/* ---- outer products: out (m,n) = a (m) b (n)^T + bias (n) ---- */

VF_INLINE void outer_columns(float *out, const float *a, const float *b, const float *bias, int64_t m,
                             int64_t n, int vectors, vm last, bool add)
{
    vf u[GROUP], v[GROUP];
    VF_UNROLL
    for (int j = 0; j < vectors; j++) {
        const vm lanes = j == vectors - 1 ? last : vm_first(VF_LANES);
        u[j] = vf_load_m(b + j * VF_LANES, lanes);
        v[j] = bias ? vf_load_m(bias + j * VF_LANES, lanes) : vf_zero();
    }
    for (int64_t i = 0; i < m; i++, out += n) {
        const vf x = vf_set1(a[i]);
        VF_UNROLL
        for (int j = 0; j < vectors; j++) {
            float *to = out + j * VF_LANES;
            if (j < vectors - 1)
                vf_store(to, add ? vf_add(vf_load(to), vf_mul(x, u[j])) : vf_fma(x, u[j], v[j]));
            else
                vf_store_m(to, add ? vf_add(vf_load_m(to, last), vf_mul(x, u[j])) : vf_fma(x, u[j], v[j]),
                           last);
        }
    }
}

static void outer(float *out, const float *a, const float *b, const float *bias, int64_t m, int64_t n,
                  bool add)
{
    for (int64_t j = 0; j < n; j += GROUP * VF_LANES) {
        const int64_t width = n - j < GROUP * VF_LANES ? n - j : GROUP * VF_LANES;
        const int64_t vectors = (width + VF_LANES - 1) / VF_LANES;
        const vm last = vm_first(width - (vectors - 1) * VF_LANES);
        const float *bias_j = bias ? bias + j : NULL;
        switch (vectors) {
        case 1:
            outer_columns(out + j, a, b + j, bias_j, m, n, 1, last, add);
            break;
        case 2:
            outer_columns(out + j, a, b + j, bias_j, m, n, 2, last, add);
            break;
        case 3:
            outer_columns(out + j, a, b + j, bias_j, m, n, 3, last, add);
            break;
        default:
            outer_columns(out + j, a, b + j, bias_j, m, n, 4, last, add);
            break;
        }
    }
}

/* ---- sums of rows: weighted (n) = sum of weights[i] * row i of a (m,n; ld floats apart), plain (n) = sum of the rows ---- */

VF_INLINE void keep(float *out, vf sum, vm lanes, bool add)
{
    vf_store_m(out, add ? vf_add(vf_load_m(out, lanes), sum) : sum, lanes);
}

/* One or two vectors of columns, each in four partial sums; the last one has the lanes of `last`. */
VF_INLINE void sum_vectors(float *weighted, float *plain, const float *a, int64_t ld, const float *weights,
                           int64_t m, int vectors, vm last, bool whole, bool add_weighted, bool add_plain)
{
    for (int64_t first = 0; first < m || first == 0; first += ROW_BLOCK) {
        const int64_t end = m - first < ROW_BLOCK ? m : first + ROW_BLOCK;
        vf w[2][4], p[2][4];
        VF_UNROLL
        for (int r = 0; r < 4; r++)
            w[0][r] = p[0][r] = w[1][r] = p[1][r] = vf_zero();
        int64_t i = first;
        for (; i + 4 <= end; i += 4) {
            VF_UNROLL
            for (int r = 0; r < 4; r++) {
                const float *row = a + (i + r) * ld;
                const vf weight = weights ? vf_set1(weights[i + r]) : vf_zero();
                VF_UNROLL
                for (int j = 0; j < vectors; j++) {
                    const bool all = whole || j < vectors - 1;
                    const vf x = all ? vf_load(row + j * VF_LANES) : vf_load_m(row + j * VF_LANES, last);
                    if (weights)
                        w[j][r] = vf_fma(weight, x, w[j][r]);
                    if (plain)
                        p[j][r] = vf_add(p[j][r], x);
                }
            }
        }
        for (; i < end; i++) {
            const vf weight = weights ? vf_set1(weights[i]) : vf_zero();
            VF_UNROLL
            for (int j = 0; j < vectors; j++) {
                const vm lanes = j < vectors - 1 ? vm_first(VF_LANES) : last;
                const vf x = vf_load_m(a + i * ld + j * VF_LANES, lanes);
                w[j][0] = vf_fma(weight, x, w[j][0]);
                p[j][0] = vf_add(p[j][0], x);
            }
        }
        VF_UNROLL
        for (int j = 0; j < vectors; j++) {
            const vm lanes = j < vectors - 1 ? vm_first(VF_LANES) : last;
            if (weights)
                keep(weighted + j * VF_LANES, vf_add(vf_add(w[j][0], w[j][1]), vf_add(w[j][2], w[j][3])),
                     lanes, add_weighted || first);
            if (plain)
                keep(plain + j * VF_LANES, vf_add(vf_add(p[j][0], p[j][1]), vf_add(p[j][2], p[j][3])), lanes,
                     add_plain || first);
        }
    }
}

/* `weighted` goes with `weights`; without either, or without `plain`, that sum is left out. */
VF_INLINE void sum_columns(float *weighted, float *plain, const float *a, int64_t ld, const float *weights,
                           int64_t m, int64_t n, bool add_weighted, bool add_plain)
{
    const vm all = vm_first(VF_LANES);
    for (int64_t j = 0; j < n;) {
        float *to = weights ? weighted + j : NULL, *sum = plain ? plain + j : NULL;
        const int64_t rest = n - j;
        if (rest <= VF_LANES) {
            if (rest == VF_LANES)
                sum_vectors(to, sum, a + j, ld, weights, m, 1, all, true, add_weighted, add_plain);
            else
                sum_vectors(to, sum, a + j, ld, weights, m, 1, vm_first(rest), false, add_weighted,
                            add_plain);
            return;
        }
        const int64_t lanes = rest < 2 * VF_LANES ? rest - VF_LANES : VF_LANES;
        sum_vectors(to, sum, a + j, ld, weights, m, 2, vm_first(lanes), false, add_weighted, add_plain);
        j += 2 * VF_LANES;
    }
}

void MR__LEVEL(column_sums)(float *plain, const float *a, int64_t ld, int64_t m, int64_t n, bool add)
{
    if (n == 1 && ld == 1) {
        const float sum = MR__LEVEL(sum)(a, m);
        *plain = add ? *plain + sum : sum;
    } else {
        sum_columns(NULL, plain, a, ld, NULL, m, n, false, add);
    }
}

/* ---- the layer ---- */

void MR__LEVEL(linear)(float *y, const float *x, const float *w, const float *b, int64_t m, int64_t k,
                       int64_t n)
{
    if (k == 1) {
        outer(y, x, w, b, m, n, false);
    } else if (n < FEW_COLUMNS) {
        for (int64_t j = 0; j < n; j++)
            MR__LEVEL(dots)(y + j, n, x, k, w + j * k, b ? b + j : NULL, 0, m, k, false);
    } else if (m < FEW_ROWS) {
        for (int64_t i = 0; i < m; i++)
            MR__LEVEL(dots)(y + i * n, 1, w, k, x + i * k, b, 1, n, k, false);
    } else {
        MR__LEVEL(gemm_bias)(false, true, m, n, k, x, k, w, k, y, n, b, false);
    }
}

void MR__LEVEL(linear_dx)(float *dx, const float *dy, const float *w, int64_t m, int64_t k, int64_t n,
                          bool add)
{
    if (n == 1)
        outer(dx, dy, w, NULL, m, k, add);
    else if (k == 1)
        MR__LEVEL(dots)(dx, 1, dy, n, w, NULL, 0, m, n, add);
    else
        MR__LEVEL(gemm_bias)(false, false, m, k, n, dy, n, w, k, dx, k, NULL, add);
}

void MR__LEVEL(linear_dw)(float *dw, float *db, const float *dy, const float *x, int64_t m, int64_t k,
                          int64_t n, bool add_dw, bool add_db)
{
    if (k == 1 && n > 1) {
        if (db)
            sum_columns(dw, db, dy, n, x, m, n, add_dw, add_db);
        else
            sum_columns(dw, NULL, dy, n, x, m, n, add_dw, false);
        return;
    }
    if (n == 1)
        sum_columns(dw, NULL, x, k, dy, m, k, add_dw, false);
    else if (m == 1)
        outer(dw, dy, x, NULL, n, k, add_dw);
    else
        MR__LEVEL(gemm_bias)(true, false, n, k, m, dy, n, x, k, dw, k, NULL, add_dw);
    if (db)
        MR__LEVEL(column_sums)(db, dy, n, m, n, add_db);
}

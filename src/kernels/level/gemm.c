/*
 * Products of matrices. c is computed in tiles of ROWS rows and up to WIDE vectors of columns, held in registers
 * while the inner dimension runs over a block of DEPTH. b is first copied into a panel of DEPTH rows and PANEL
 * columns, zeros after the last column, unless its rows are whole vectors and read too rarely to pay for it;
 * a transposed a is copied too if it is large.
 *
 * Every element of c is the sum of its blocks in order, and a block the sum of its products in order, wherever
 * the tiles happen to lie: an element does not depend on the number of rows and columns around it.
 */
#include "kernels/level/level.h"

#include <stddef.h>

enum {
    ROWS = 6,
    WIDE = VF_LANES == 16 ? 4 : 2,
    STRIP = WIDE * VF_LANES,
    PANEL = 64,
    DEPTH = 192,
    BLOCK_ROWS = 192, /* rows of a transposed a that are copied at a time */
};

/* Element (i, l) of op(a), and row l of a panel of b, i and l counted from a tile's first. */
typedef struct {
    const float *a;
    int64_t a_row, a_step;
    const float *b;
    int64_t b_step, k;
    float *c;
    int64_t ldc;
    const float *bias; /* or NULL */
    bool add;
    vm last; /* the lanes of the last vector of columns */
} tile_args;

VF_INLINE void finish(const tile_args *t, float *c, vf sum, int v, bool last)
{
    const int64_t j = (int64_t)v * VF_LANES;
    if (last) {
        if (t->bias)
            sum = vf_add(sum, vf_load_m(t->bias + j, t->last));
        vf_store_m(c + j, t->add ? vf_add(vf_load_m(c + j, t->last), sum) : sum, t->last);
    } else {
        if (t->bias)
            sum = vf_add(sum, vf_load(t->bias + j));
        vf_store(c + j, t->add ? vf_add(vf_load(c + j), sum) : sum);
    }
}

VF_INLINE void tile(const tile_args *t, const float *a, float *c, const int rows, const int vectors)
{
    vf sum[ROWS][WIDE];
    VF_UNROLL
    for (int i = 0; i < rows; i++) {
        VF_UNROLL
        for (int v = 0; v < vectors; v++)
            sum[i][v] = vf_zero();
    }
    const float *b = t->b;
    const int64_t a_row = t->a_row, a_step = t->a_step, b_step = t->b_step;
    for (int64_t l = t->k; l > 0; l--) {
        vf row[WIDE];
        VF_UNROLL
        for (int v = 0; v < vectors; v++)
            row[v] = vf_load(b + v * VF_LANES);
        VF_UNROLL
        for (int i = 0; i < rows; i++) {
            const vf x = vf_set1(a[i * a_row]);
            VF_UNROLL
            for (int v = 0; v < vectors; v++)
                sum[i][v] = vf_fma(x, row[v], sum[i][v]);
        }
        a += a_step;
        b += b_step;
    }
    VF_UNROLL
    for (int i = 0; i < rows; i++) {
        VF_UNROLL
        for (int v = 0; v < vectors; v++)
            finish(t, c + i * t->ldc, sum[i][v], v, v == vectors - 1);
    }
}

/* All m rows of a strip; a_tile is the distance from one tile's rows of a to the next tile's. */
VF_INLINE void strip(const tile_args *t, int64_t m, int64_t a_tile, const int vectors)
{
    const float *a = t->a;
    float *c = t->c;
    for (; m >= ROWS; m -= ROWS) {
        tile(t, a, c, ROWS, vectors);
        a += a_tile;
        c += ROWS * t->ldc;
    }
    switch (m) {
    case 5:
        tile(t, a, c, 5, vectors);
        break;
    case 4:
        tile(t, a, c, 4, vectors);
        break;
    case 3:
        tile(t, a, c, 3, vectors);
        break;
    case 2:
        tile(t, a, c, 2, vectors);
        break;
    case 1:
        tile(t, a, c, 1, vectors);
        break;
    default:
        break;
    }
}

static void strip_1(const tile_args *t, int64_t m, int64_t a_tile)
{
    strip(t, m, a_tile, 1);
}

static void strip_2(const tile_args *t, int64_t m, int64_t a_tile)
{
    strip(t, m, a_tile, 2);
}

#if MR__LEVEL_NUMBER(MR_LEVEL) == 3
static void strip_3(const tile_args *t, int64_t m, int64_t a_tile)
{
    strip(t, m, a_tile, 3);
}

static void strip_4(const tile_args *t, int64_t m, int64_t a_tile)
{
    strip(t, m, a_tile, 4);
}

static void (*const strips[WIDE])(const tile_args *, int64_t, int64_t) = { strip_1, strip_2, strip_3,
                                                                           strip_4 };
#else
static void (*const strips[WIDE])(const tile_args *, int64_t, int64_t) = { strip_1, strip_2 };
#endif

/* k rows and n columns of b, strip after strip; a strip's rows have STRIP places, the last strip's whole vectors. */
static void pack_rows(float *panel, const float *b, int64_t ldb, int64_t k, int64_t n)
{
    for (int64_t j = 0; j < n; j += STRIP, panel += k * STRIP) {
        const int64_t width = n - j < STRIP ? n - j : STRIP;
        const int64_t vectors = (width + VF_LANES - 1) / VF_LANES, whole = width / VF_LANES;
        const vm rest = vm_first(width - whole * VF_LANES);
        for (int64_t l = 0; l < k; l++) {
            const float *from = b + l * ldb + j;
            float *to = panel + l * STRIP;
            for (int64_t v = 0; v < whole; v++)
                vf_store(to + v * VF_LANES, vf_load(from + v * VF_LANES));
            if (whole < vectors)
                vf_store(to + whole * VF_LANES, vf_load_m(from + whole * VF_LANES, rest));
        }
    }
}

/* The same from the transposed matrix, whose rows are the columns here. */
static void pack_columns(float *panel, const float *b, int64_t ldb, int64_t k, int64_t n)
{
    for (int64_t j0 = 0; j0 < n; j0 += STRIP, panel += k * STRIP) {
        const int64_t width = n - j0 < STRIP ? n - j0 : STRIP;
        const int64_t padded = (width + VF_LANES - 1) / VF_LANES * VF_LANES;
        for (int64_t j = 0; j < padded; j += VD_LANES) {
            const int64_t columns = width - j < VD_LANES ? width - j : VD_LANES; /* may be less than 1 */
            for (int64_t l = 0; l < k; l += VD_LANES) {
                const int64_t depth = k - l < VD_LANES ? k - l : VD_LANES;
                const vdm some = vdm_first(depth);
                vd v[VD_LANES];
                VF_UNROLL
                for (int i = 0; i < VD_LANES; i++)
                    v[i] = i < columns ? vd_load_m(b + (j0 + j + i) * ldb + l, some) : vd_set1(0);
                vd_transpose(v);
                for (int64_t i = 0; i < depth; i++)
                    vd_store(panel + (l + i) * STRIP + j, v[i]);
            }
        }
    }
}

/* Rows of op(a) from columns of a: tile after tile, in each the ROWS elements of one l side by side. Goes along the rows of a,
 * which are often a power of two apart, so that each line of the cache is met once. */
static void pack_a(float *to, const float *a, int64_t lda, int64_t m, int64_t k)
{
    const int64_t tile = k * ROWS;
    for (int64_t l = 0; l < k; l++, a += lda, to += ROWS) {
        float *at = to;
        int64_t i = 0;
        /* A vector at a time, whose last lanes are written again with the next l. */
        for (; (int)VD_LANES >= (int)ROWS && l + 1 < k && i + VD_LANES <= m; i += ROWS, at += tile)
            vd_store(at, vd_load(a + i));
        for (; i < m; i += ROWS, at += tile)
            for (int64_t j = 0; j < ROWS && i + j < m; j++)
                at[j] = a[i + j];
    }
}

typedef struct {
    const float *a;
    int64_t lda;
    const float *b;
    int64_t ldb;
    float *c;
    int64_t ldc;
    const float *bias;
    bool transpose_a, transpose_b, add, copy_b;
} product;

/* All columns of m rows, for k that fit a panel; a as tile_args has it. */
VF_INLINE void block(const product *p, float *panel, int64_t m, int64_t n, int64_t k, const float *a,
                     int64_t a_row, int64_t a_step, int64_t a_tile)
{
    for (int64_t j0 = 0; j0 < n; j0 += PANEL) {
        const int64_t width = n - j0 < PANEL ? n - j0 : PANEL;
        if (p->transpose_b)
            pack_columns(panel, p->b + j0 * p->ldb, p->ldb, k, width);
        else if (p->copy_b)
            pack_rows(panel, p->b + j0, p->ldb, k, width);
        for (int64_t j = 0; j < width; j += STRIP) {
            const int64_t columns = width - j < STRIP ? width - j : STRIP;
            const int64_t vectors = (columns + VF_LANES - 1) / VF_LANES;
            const tile_args t = {
                .a = a,
                .a_row = a_row,
                .a_step = a_step,
                .b = p->copy_b ? panel + j * k : p->b + j0 + j,
                .b_step = p->copy_b ? STRIP : p->ldb,
                .k = k,
                .c = p->c + j0 + j,
                .ldc = p->ldc,
                .bias = p->bias ? p->bias + j0 + j : NULL,
                .add = p->add,
                .last = vm_first(columns - (vectors - 1) * VF_LANES),
            };
            strips[vectors - 1](&t, m, a_tile);
        }
    }
}

static int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Takes 48 KB of the stack, 192 KB if a is transposed. */
static void __attribute__((noinline)) blocks(product p, int64_t m, int64_t n, int64_t k)
{
    _Alignas(64) float panel[DEPTH * PANEL];
    for (int64_t l = 0; l < k; l += DEPTH) {
        const int64_t depth = smaller(DEPTH, k - l);
        if (p.transpose_a)
            block(&p, panel, m, n, depth, p.a, 1, p.lda, ROWS);
        else
            block(&p, panel, m, n, depth, p.a, p.lda, 1, ROWS * p.lda);
        p.a += p.transpose_a ? depth * p.lda : depth;
        p.b += p.transpose_b ? depth : depth * p.ldb;
        p.add = true;
        p.bias = NULL;
    }
}

static void __attribute__((noinline)) blocks_copying_a(product p, int64_t m, int64_t n, int64_t k)
{
    _Alignas(64) float panel[DEPTH * PANEL], some[BLOCK_ROWS * DEPTH];
    for (int64_t l = 0; l < k; l += DEPTH) {
        const int64_t depth = smaller(DEPTH, k - l);
        product q = p;
        for (int64_t i = 0; i < m; i += BLOCK_ROWS) {
            const int64_t rows = smaller(BLOCK_ROWS, m - i);
            pack_a(some, p.a + i, p.lda, rows, depth);
            q.c = p.c + i * p.ldc;
            block(&q, panel, rows, n, depth, some, 1, ROWS, depth * ROWS);
        }
        p.a += depth * p.lda;
        p.b += p.transpose_b ? depth : depth * p.ldb;
        p.add = true;
        p.bias = NULL;
    }
}

void MR__LEVEL(gemm_bias)(bool transpose_a, bool transpose_b, int64_t m, int64_t n, int64_t k, const float *a,
                          int64_t lda, const float *b, int64_t ldb, float *c, int64_t ldc, const float *bias,
                          bool add)
{
    product p = { a, lda, b, ldb, c, ldc, bias, transpose_a, transpose_b, add, true };
    p.copy_b = transpose_b || n % VF_LANES != 0 || m > 32;
    if (k <= 0)
        block(&p, c, m, n, 0, a, 0, 0, 0); /* a panel of no rows: any address will do */
    else if (transpose_a && k > 64 && n > STRIP)
        blocks_copying_a(p, m, n, k);
    else
        blocks(p, m, n, k);
}

void MR__LEVEL(gemm)(bool transpose_a, bool transpose_b, int64_t m, int64_t n, int64_t k, const float *a,
                     int64_t lda, const float *b, int64_t ldb, float *c, int64_t ldc, bool add)
{
    if (m == 1 && !transpose_a && transpose_b)
        MR__LEVEL(dots)(c, 1, b, ldb, a, NULL, 0, n, k, add);
    else if (n == 1 && !transpose_a && (transpose_b || ldb == 1))
        MR__LEVEL(dots)(c, ldc, a, lda, b, NULL, 0, m, k, add);
    else
        MR__LEVEL(gemm_bias)(transpose_a, transpose_b, m, n, k, a, lda, b, ldb, c, ldc, NULL, add);
}

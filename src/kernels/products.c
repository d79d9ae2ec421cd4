#include "products.h"

#include "kernels.h"
#include "parallel.h"

#include <stddef.h>

/* Parts begin at whole tiles of gemm's. */
enum { ROW_UNIT = 48, COLUMN_UNIT = 64 };

typedef struct product {
    bool transpose_a, transpose_b, add, relu;
    int64_t m, n, k, lda, ldb, ldc;
    const float *a, *b, *bias;
    float *c;
} product;

/* A part of c as it comes out of the cache. */
static void rectify(const product *p, float *c, int64_t rows, int64_t columns)
{
    if (columns == p->ldc)
        mr__k->relu(c, c, rows * columns);
    else
        for (int64_t i = 0; i < rows; i++)
            mr__k->relu(c + i * p->ldc, c + i * p->ldc, columns);
}

static void some_rows(void *work, int64_t begin, int64_t end)
{
    const product *p = work;
    mr__k->gemm_bias(p->transpose_a, p->transpose_b, end - begin, p->n, p->k,
                     p->a + (p->transpose_a ? begin : begin * p->lda), p->lda, p->b, p->ldb,
                     p->c + begin * p->ldc, p->ldc, p->bias, p->add);
    if (p->relu)
        rectify(p, p->c + begin * p->ldc, end - begin, p->n);
}

static void some_columns(void *work, int64_t begin, int64_t end)
{
    const product *p = work;
    mr__k->gemm_bias(p->transpose_a, p->transpose_b, p->m, end - begin, p->k, p->a, p->lda,
                     p->b + (p->transpose_b ? begin * p->ldb : begin), p->ldb, p->c + begin, p->ldc,
                     p->bias ? p->bias + begin : NULL, p->add);
    if (p->relu)
        rectify(p, p->c + begin, p->m, end - begin);
}

static bool is_large(int64_t m, int64_t n, int64_t k)
{
    return m * n >= 2 && (double)m * (double)n * (double)k >= 2.0 * MR__GRAIN_PRODUCTS;
}

/* Along the longer side of c. */
static void divide(product p)
{
    bool by_rows = p.m > p.n;
    int64_t count = by_rows ? p.m : p.n, each = p.k * (by_rows ? p.n : p.m),
            unit = by_rows ? ROW_UNIT : COLUMN_UNIT;
    int64_t grain = each >= MR__GRAIN_PRODUCTS ? 1 : MR__GRAIN_PRODUCTS / each;
    mr__parallel(by_rows ? some_rows : some_columns, &p, count, grain < unit ? unit : grain, unit);
}

void mr__product(bool transpose_a, bool transpose_b, int64_t m, int64_t n, int64_t k, const float *a,
                 int64_t lda, const float *b, int64_t ldb, float *c, int64_t ldc, bool add)
{
    if (is_large(m, n, k))
        divide((product){ transpose_a, transpose_b, add, false, m, n, k, lda, ldb, ldc, a, b, NULL, c });
    else
        mr__k->gemm(transpose_a, transpose_b, m, n, k, a, lda, b, ldb, c, ldc, add);
}

void mr__linear(float *y, const float *x, const float *w, const float *b, int64_t m, int64_t k, int64_t n)
{
    if (is_large(m, n, k))
        divide((product){ false, true, false, false, m, n, k, k, k, n, x, w, b, y });
    else
        mr__k->linear(y, x, w, b, m, k, n);
}

void mr__linear_relu(float *y, const float *x, const float *w, const float *b, int64_t m, int64_t k,
                     int64_t n)
{
    if (is_large(m, n, k)) {
        divide((product){ false, true, false, true, m, n, k, k, k, n, x, w, b, y });
    } else {
        mr__k->linear(y, x, w, b, m, k, n);
        mr__k->relu(y, y, m * n);
    }
}

void mr__linear_dx(float *dx, const float *dy, const float *w, int64_t m, int64_t k, int64_t n, bool add)
{
    if (is_large(m, n, k))
        divide((product){ false, false, add, false, m, k, n, n, k, k, dy, w, NULL, dx });
    else
        mr__k->linear_dx(dx, dy, w, m, k, n, add);
}

/* ---- the gradient of a bias: sums over rows ---- */

typedef struct sums {
    float *out;
    const float *rows;
    int64_t m, n;
    bool add;
} sums;

static void sum_some(void *work, int64_t begin, int64_t end)
{
    const sums *s = work;
    mr__k->column_sums(s->out + begin, s->rows + begin, s->n, s->m, end - begin, s->add);
}

void mr__linear_dw(float *dw, float *db, const float *dy, const float *x, int64_t m, int64_t k, int64_t n,
                   bool add_dw, bool add_db)
{
    if (!is_large(m, n, k)) {
        mr__k->linear_dw(dw, db, dy, x, m, k, n, add_dw, add_db);
        return;
    }
    divide((product){ true, false, add_dw, false, n, k, m, n, k, k, dy, x, NULL, dw });
    if (db) {
        sums s = { db, dy, m, n, add_db };
        int64_t grain = MR__GRAIN_ELEMENTS / m;
        mr__parallel(sum_some, &s, n, grain < COLUMN_UNIT ? COLUMN_UNIT : grain, COLUMN_UNIT);
    }
}

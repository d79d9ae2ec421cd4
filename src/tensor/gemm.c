#include "gemm.h"

#include "kernels/products.h"

/* ---- float32: by the kernel ---- */

/* How the kernel reads a matrix. */
typedef struct layout {
    bool transposed;
    int64_t ld;
} layout;

static bool find_layout(mr__matrix x, int64_t rows, int64_t columns, layout *l)
{
    if ((x.column_step == 1 || columns <= 1) && (x.row_step >= columns || rows <= 1)) {
        *l = (layout){ false, rows <= 1 ? columns : x.row_step };
        return true;
    }
    if ((x.row_step == 1 || rows <= 1) && (x.column_step >= rows || columns <= 1)) {
        *l = (layout){ true, columns <= 1 ? rows : x.column_step };
        return true;
    }
    return false;
}

bool mr__gemm_takes(mr_dtype dtype, mr__matrix x, int64_t rows, int64_t columns)
{
    layout l;
    return dtype != MR_FLOAT32 || find_layout(x, rows, columns, &l);
}

static void gemm_f32(int64_t m, int64_t n, int64_t k, mr__matrix a, mr__matrix b, float *c, bool add)
{
    layout la = { 0 }, lb = { 0 };
    find_layout(a, m, k, &la);
    find_layout(b, k, n, &lb);
    mr__product(la.transposed, lb.transposed, m, n, k, (const float *)a.data, la.ld, (const float *)b.data,
                lb.ld, c, n, add);
}

/* ---- the others: plain loops, over parts of b that stay in the cache ---- */

enum { PART_ROWS = 64, PART_COLUMNS = 256 };

static inline int64_t end_of_part(int64_t start, int64_t part, int64_t size)
{
    return size - start < part ? size : start + part;
}

#define DEFINE_GEMM(name, type)                                                                           \
    /* Rows of b whose elements are neighbours: added to rows of c. */                                    \
    static void name##_rows(int64_t m, int64_t n, int64_t k, mr__matrix a, mr__matrix b, type *c)         \
    {                                                                                                     \
        for (int64_t l0 = 0; l0 < k; l0 += PART_ROWS)                                                     \
            for (int64_t j0 = 0; j0 < n; j0 += PART_COLUMNS) {                                            \
                int64_t l1 = end_of_part(l0, PART_ROWS, k), j1 = end_of_part(j0, PART_COLUMNS, n);        \
                for (int64_t i = 0; i < m; i++)                                                           \
                    for (int64_t l = l0; l < l1; l++) {                                                   \
                        type v = ((const type *)a.data)[i * a.row_step + l * a.column_step];              \
                        const type *row = (const type *)b.data + l * b.row_step;                          \
                        for (int64_t j = j0; j < j1; j++)                                                 \
                            c[i * n + j] = (type)(c[i * n + j] + v * row[j]);                             \
                    }                                                                                     \
            }                                                                                             \
    }                                                                                                     \
    /* Any strides: a sum for each element of c. */                                                       \
    static void name##_sums(int64_t m, int64_t n, int64_t k, mr__matrix a, mr__matrix b, type *c)         \
    {                                                                                                     \
        for (int64_t l0 = 0; l0 < k; l0 += PART_COLUMNS)                                                  \
            for (int64_t j0 = 0; j0 < n; j0 += PART_ROWS) {                                               \
                int64_t l1 = end_of_part(l0, PART_COLUMNS, k), j1 = end_of_part(j0, PART_ROWS, n);        \
                for (int64_t i = 0; i < m; i++)                                                           \
                    for (int64_t j = j0; j < j1; j++) {                                                   \
                        const type *x = (const type *)a.data + i * a.row_step;                            \
                        const type *y = (const type *)b.data + j * b.column_step;                         \
                        type sums[2] = { c[i * n + j], 0 };                                               \
                        for (int64_t l = l0; l < l1; l++)                                                 \
                            sums[l & 1] = (type)(sums[l & 1] + x[l * a.column_step] * y[l * b.row_step]); \
                        c[i * n + j] = (type)(sums[0] + sums[1]);                                         \
                    }                                                                                     \
            }                                                                                             \
    }                                                                                                     \
    static void name(int64_t m, int64_t n, int64_t k, mr__matrix a, mr__matrix b, type *c, bool add)      \
    {                                                                                                     \
        if (!add)                                                                                         \
            memset(c, 0, (size_t)(m * n) * sizeof *c);                                                    \
        if (b.column_step == 1 && n > 1)                                                                  \
            name##_rows(m, n, k, a, b, c);                                                                \
        else                                                                                              \
            name##_sums(m, n, k, a, b, c);                                                                \
    }
DEFINE_GEMM(gemm_f64, double)
DEFINE_GEMM(gemm_u64, uint64_t)
DEFINE_GEMM(gemm_u32, uint32_t)
DEFINE_GEMM(gemm_u8, uint8_t)

void mr__gemm(mr_dtype dtype, int64_t m, int64_t n, int64_t k, mr__matrix a, mr__matrix b, void *c, bool add)
{
    if (dtype == MR_FLOAT32)
        gemm_f32(m, n, k, a, b, c, add);
    else if (dtype == MR_FLOAT64)
        gemm_f64(m, n, k, a, b, c, add);
    else if (dtype == MR_INT64)
        gemm_u64(m, n, k, a, b, c, add);
    else if (dtype == MR_INT32)
        gemm_u32(m, n, k, a, b, c, add);
    else
        gemm_u8(m, n, k, a, b, c, add);
}

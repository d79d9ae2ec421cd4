/* The product of two matrices of any type that is computed with. */
#ifndef MILLRACE_TENSOR_GEMM_H
#define MILLRACE_TENSOR_GEMM_H

#include "tensor/tensor.h"

/* Where a matrix lies: steps are in elements. */
typedef struct mr__matrix {
    const char *data;
    int64_t row_step, column_step;
} mr__matrix;

static inline mr__matrix mr__transposed(mr__matrix x)
{
    return (mr__matrix){ x.data, x.column_step, x.row_step };
}

/* Whether mr__gemm takes a matrix of `rows` x `columns` as it lies. In float32 the elements of its rows, or of its
 * columns, must be neighbours; every transposed matrix of one that is taken is taken too. */
bool mr__gemm_takes(mr_dtype dtype, mr__matrix x, int64_t rows, int64_t columns);

/* c (m,n), dense, = a (m,k) b (k,n), or += when `add`. Integers wrap. */
void mr__gemm(mr_dtype dtype, int64_t m, int64_t n, int64_t k, mr__matrix a, mr__matrix b, void *c, bool add);

#endif

/* The products of kernels.h, divided among threads where they are large. */
#ifndef MILLRACE_KERNELS_PRODUCTS_H
#define MILLRACE_KERNELS_PRODUCTS_H

#include <stdbool.h>
#include <stdint.h>

void mr__product(bool transpose_a, bool transpose_b, int64_t m, int64_t n, int64_t k, const float *a,
                 int64_t lda, const float *b, int64_t ldb, float *c, int64_t ldc, bool add);

void mr__linear(float *y, const float *x, const float *w, const float *b, int64_t m, int64_t k, int64_t n);
/* y = relu(x w^T + b), with the bits of the two one after the other. */
void mr__linear_relu(float *y, const float *x, const float *w, const float *b, int64_t m, int64_t k,
                     int64_t n);
void mr__linear_dx(float *dx, const float *dy, const float *w, int64_t m, int64_t k, int64_t n, bool add);
void mr__linear_dw(float *dw, float *db, const float *dy, const float *x, int64_t m, int64_t k, int64_t n,
                   bool add_dw, bool add_db);

#endif

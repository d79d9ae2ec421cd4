/* What the files of this directory share. Each is compiled once per level, with MR_LEVEL=avx512, avx2 or plain. */
#ifndef MILLRACE_KERNELS_LEVEL_LEVEL_H
#define MILLRACE_KERNELS_LEVEL_LEVEL_H

#include "kernels/kernels.h"
#include "kernels/level/vec.h"

/* MR__LEVEL(exp) is mr__exp_avx512: the name of a function that another file of the same level uses. */
#define MR__PASTE_(a, b) a##_##b
#define MR__PASTE(a, b) MR__PASTE_(a, b)
#define MR__LEVEL(name) MR__PASTE(mr__##name, MR_LEVEL)

void MR__LEVEL(linear)(float *y, const float *x, const float *w, const float *b, int64_t m, int64_t k,
                       int64_t n);
void MR__LEVEL(linear_dx)(float *dx, const float *dy, const float *w, int64_t m, int64_t k, int64_t n,
                          bool add);
void MR__LEVEL(linear_dw)(float *dw, float *db, const float *dy, const float *x, int64_t m, int64_t k,
                          int64_t n, bool add_dw, bool add_db);
void MR__LEVEL(gemm)(bool transpose_a, bool transpose_b, int64_t m, int64_t n, int64_t k, const float *a,
                     int64_t lda, const float *b, int64_t ldb, float *c, int64_t ldc, bool add);

void MR__LEVEL(column_sums)(float *out, const float *a, int64_t ld, int64_t m, int64_t n, bool add);

void MR__LEVEL(add)(float *out, const float *a, const float *b, int64_t n);
void MR__LEVEL(sub)(float *out, const float *a, const float *b, int64_t n);
void MR__LEVEL(mul)(float *out, const float *a, const float *b, int64_t n);
void MR__LEVEL(div)(float *out, const float *a, const float *b, int64_t n);
void MR__LEVEL(affine)(float *out, const float *x, float scale, float shift, int64_t n);
void MR__LEVEL(add_scaled)(float *y, float alpha, const float *x, int64_t n);
void MR__LEVEL(fill)(float *out, float value, int64_t n);
void MR__LEVEL(relu)(float *out, const float *x, int64_t n);
void MR__LEVEL(sigmoid)(float *out, const float *x, int64_t n);
void MR__LEVEL(tanh)(float *out, const float *x, int64_t n);
void MR__LEVEL(exp)(float *out, const float *x, int64_t n);
void MR__LEVEL(log)(float *out, const float *x, int64_t n);
void MR__LEVEL(sin)(float *out, const float *x, int64_t n);
void MR__LEVEL(cos)(float *out, const float *x, int64_t n);

void MR__LEVEL(relu_backward)(float *dx, const float *dy, const float *y, int64_t n, bool add);
void MR__LEVEL(sigmoid_backward)(float *dx, const float *dy, const float *y, int64_t n, bool add);
void MR__LEVEL(tanh_backward)(float *dx, const float *dy, const float *y, int64_t n, bool add);
void MR__LEVEL(mul_backward)(float *da, const float *dy, const float *b, int64_t n, bool add);
void MR__LEVEL(scale)(float *out, const float *x, float alpha, int64_t n, bool add);

float MR__LEVEL(sum)(const float *x, int64_t n);
float MR__LEVEL(sum_squared_difference)(const float *a, const float *b, int64_t n);
void MR__LEVEL(mse_backward)(float *da, float *db, const float *a, const float *b, float scale, int64_t n,
                             bool add_da, bool add_db);
bool MR__LEVEL(all_finite)(const float *x, int64_t n);

void MR__LEVEL(activation)(mr__activation kind, float *out, const float *x, float a, float b, int64_t n);
void MR__LEVEL(activation_backward)(mr__activation kind, float *dx, const float *dy, const float *x, float a,
                                    float b, int64_t n, bool add);

double MR__LEVEL(norm_squares)(const float *x, float center, int64_t n);
void MR__LEVEL(norm_sums)(double *sums, const float *dy, const float *gamma, const float *x, float center,
                          int64_t n);
void MR__LEVEL(norm_apply)(float *y, const float *x, float center, float scale, float shift, int64_t n);
void MR__LEVEL(norm_apply_each)(float *y, const float *x, float center, float scale, const float *gamma,
                                const float *beta, int64_t n);
void MR__LEVEL(norm_dx)(float *dx, const float *dy, const float *gamma, const float *x, float center, float a,
                        float b, float c, int64_t n, bool add);
void MR__LEVEL(norm_dw)(float *dgamma, float *dbeta, const float *dy, const float *x, float center,
                        float scale, int64_t n);
void MR__LEVEL(norm_column_products)(float *out, const float *a, const float *b, const float *center,
                                     int64_t ld, int64_t rows, int64_t n);
void MR__LEVEL(norm_column_apply)(float *y, const float *x, const float *center, const float *scale,
                                  const float *shift, int64_t ld, int64_t rows, int64_t n);
void MR__LEVEL(norm_column_dx)(float *dx, const float *dy, const float *x, const float *center,
                               const float *a, const float *b, const float *c, int64_t ld, int64_t rows,
                               int64_t n, bool add);

void MR__LEVEL(pool_max)(float *best, int32_t *at, const float *line, int64_t step, int32_t start, int64_t n);
void MR__LEVEL(pool_max_pairs)(float *y, float *which, const float *upper, const float *lower, int64_t n);
void MR__LEVEL(pool_spread_pairs)(float *upper, float *lower, const float *dy, const float *which, int64_t n,
                                  bool add);

void MR__LEVEL(pool_relu)(float *y, float *which, int64_t n);

void MR__LEVEL(winograd_input)(float *out, int64_t step, const float *padded, int64_t row_step, int64_t rows,
                               int64_t columns);
void MR__LEVEL(winograd_output)(float *y, const float *m, int64_t step, int64_t height, int64_t width,
                                float bias, bool add);
void MR__LEVEL(winograd_output_gradient)(float *m, int64_t step, const float *dy, int64_t height,
                                         int64_t width);
void MR__LEVEL(softmax)(float *y, const float *x, int64_t outer, int64_t n, int64_t inner);
void MR__LEVEL(log_softmax)(float *y, const float *x, int64_t outer, int64_t n, int64_t inner);
void MR__LEVEL(softmax_parts)(float *powers, float *top, float *total, const float *x, int64_t outer,
                              int64_t n, int64_t inner);
void MR__LEVEL(softmax_backward)(float *dx, const float *dy, const float *y, int64_t outer, int64_t n,
                                 int64_t inner, bool add);
void MR__LEVEL(log_softmax_backward)(float *dx, const float *dy, const float *y, int64_t outer, int64_t n,
                                     int64_t inner, bool add);
void MR__LEVEL(scale_rows)(float *out, const float *x, const float *factor, int64_t outer, int64_t n,
                           int64_t inner, bool add);
void MR__LEVEL(attention_weights)(float *x, float *top, float *inverse, int64_t rows, int64_t n, int64_t seen,
                                  bool again);
void MR__LEVEL(attention_slopes)(float *dx, const float *x, int64_t rows, int64_t n, float scale);
void MR__LEVEL(loss_terms)(mr__loss_kind kind, float *out, const float *a, const float *b, const float *c,
                           float parameter, int64_t n);
void MR__LEVEL(loss_slopes)(mr__loss_kind kind, bool of_b, float *out, const float *a, const float *b,
                            const float *c, float parameter, int64_t n);

void MR__LEVEL(lstm_forward)(float *gates, const float *c_before, float *c, float *tanh_c, float *h,
                             int64_t n);
void MR__LEVEL(lstm_backward)(float *gates, const float *c_before, const float *tanh_c, const float *dh,
                              float *dc, int64_t n);
void MR__LEVEL(gru_forward)(float *gates, const float *hidden, const float *h_before, float *h, int64_t n);
void MR__LEVEL(gru_backward)(float *gates, float *hidden, const float *h_before, float *dh, int64_t n);

void MR__LEVEL(adam)(float *p, const float *g, float *m, float *v, float *v_max, int64_t n,
                     const mr__adam_step *s);
void MR__LEVEL(sgd)(float *p, const float *g, float *momentum, int64_t n, const mr__sgd_step *s);
void MR__LEVEL(rmsprop)(float *p, const float *g, float *square, float *momentum, float *mean, int64_t n,
                        const mr__rmsprop_step *s);
void MR__LEVEL(adagrad)(float *p, const float *g, float *sum, int64_t n, const mr__adagrad_step *s);
void MR__LEVEL(adadelta)(float *p, const float *g, float *square, float *steps, int64_t n,
                         const mr__adadelta_step *s);
void MR__LEVEL(adamax)(float *p, const float *g, float *m, float *u, int64_t n, const mr__adamax_step *s);
void MR__LEVEL(nadam)(float *p, const float *g, float *m, float *v, int64_t n, const mr__nadam_step *s);
void MR__LEVEL(radam)(float *p, const float *g, float *m, float *v, int64_t n, const mr__radam_step *s);

float MR__LEVEL(sum_squares)(const float *x, int64_t n);
float MR__LEVEL(sum_magnitudes)(const float *x, int64_t n);
float MR__LEVEL(largest_magnitude)(const float *x, int64_t n);
void MR__LEVEL(clip)(float *x, float bound, int64_t n);

/* gemm with a bias: at the end b[j] is added to column j of c, which is then stored; bias and add exclude each other. */
void MR__LEVEL(gemm_bias)(bool transpose_a, bool transpose_b, int64_t m, int64_t n, int64_t k, const float *a,
                          int64_t lda, const float *b, int64_t ldb, float *c, int64_t ldc, const float *bias,
                          bool add);

/* out[i*step] = the product of row i of a (m,k; ld floats apart) with the vector x (k), plus bias[i*bias_step]. */
void MR__LEVEL(dots)(float *out, int64_t step, const float *a, int64_t ld, const float *x, const float *bias,
                     int64_t bias_step, int64_t m, int64_t k, bool add);

#endif

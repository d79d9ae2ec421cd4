/*
 * The float32 kernels that exist once per processor level (AVX-512, AVX2, plain): src/kernels/level/ is
 * compiled once for each, and mr__k points to the best table that the machine can run.
 *
 * All arrays are dense and row-major; sizes may be zero; no array overlaps one that is written, except
 * where a comment says that it may be the same. `add` says whether a result is added to what is there or
 * stored over it (what is there may then be uninitialised memory, NaNs included).
 *
 * Results do not depend on alignment, nor on threads: a kernel runs on the calling thread.
 */
#ifndef MILLRACE_KERNELS_KERNELS_H
#define MILLRACE_KERNELS_KERNELS_H

#include <stdbool.h>
#include <stdint.h>

/* What Adam needs for one step; see optim/adam.c for the formula. */
typedef struct mr__adam_step {
    float beta1, one_minus_beta1;
    float beta2, one_minus_beta2; /* 1 - beta computed in double, then rounded */
    float sqrt_correction2;       /* sqrt(1 - beta2^t) */
    float eps;
    float minus_step_size; /* -lr / (1 - beta1^t) */
    float weight_decay;    /* added to the gradient as weight_decay * p; 0: none */
    float decay_factor;    /* p is first multiplied by it (AdamW: 1 - lr * decay); 1: none */
} mr__adam_step;

typedef struct mr__sgd_step {
    float minus_lr, momentum, one_minus_dampening, weight_decay;
    bool nesterov, first; /* first: the momentum buffer starts as the gradient */
} mr__sgd_step;

typedef struct mr__rmsprop_step {
    float alpha, one_minus_alpha, eps, minus_lr, weight_decay, momentum;
} mr__rmsprop_step;

typedef struct mr__adagrad_step {
    float minus_lr, eps, weight_decay;
} mr__adagrad_step;

typedef struct mr__adadelta_step {
    float minus_lr, rho, one_minus_rho, eps, weight_decay;
} mr__adadelta_step;

typedef struct mr__adamax_step {
    float beta1, one_minus_beta1, beta2, eps;
    float minus_step_size; /* -lr / (1 - beta1^t) */
    float weight_decay;
} mr__adamax_step;

/* What NAdam and RAdam have in common. */
typedef struct mr__moments {
    float beta1, one_minus_beta1, beta2, one_minus_beta2, eps, weight_decay;
} mr__moments;

typedef struct mr__nadam_step {
    mr__moments moments;
    float correction2;                  /* 1 - beta2^t */
    float gradient_step, momentum_step; /* what the gradient and m are multiplied by, both negative */
} mr__nadam_step;

typedef struct mr__radam_step {
    mr__moments moments;
    float correction1, lr;  /* 1 - beta1^t */
    float sqrt_correction2; /* sqrt(1 - beta2^t) */
    float rectification;    /* 0: the step is not divided by the root of v */
} mr__radam_step;

/*
 * Losses that are computed element by element from a and b, some with a third array c or a parameter p:
 *
 *     L1               |a - b|
 *     SMOOTH_L1        (a - b)^2 / (2 p) where |a - b| < p, else |a - b| - p/2
 *     HUBER            (a - b)^2 / 2 where |a - b| <= p, else p (|a - b| - p/2)
 *     BCE              (b - 1) max(ln(1 - a), -100) - b max(ln(a), -100)
 *     BCE_LOGITS       (1 - b) a + ln(1 + exp(-a))
 *     BCE_LOGITS_POS   (1 - b) a + (1 + (c - 1) b) ln(1 + exp(-a))
 *     KL               b ln(b) - b a, where 0 ln(0) is 0
 *     KL_LOG           exp(b) (b - a)
 *     POISSON          a - b ln(a + p)
 *     POISSON_LOG      exp(a) - b a
 *     STIRLING         b ln(b) - b + ln(2 pi b) / 2 where b > 1, else 0
 *     GAUSSIAN         (ln(v) + a / v) / 2 with v = max(b, p); its derivative by b is the one by v
 *     HINGE            max(p - a b, 0)
 */
typedef enum mr__loss_kind {
    MR__LOSS_L1,
    MR__LOSS_SMOOTH_L1,
    MR__LOSS_HUBER,
    MR__LOSS_BCE,
    MR__LOSS_BCE_LOGITS,
    MR__LOSS_BCE_LOGITS_POS,
    MR__LOSS_KL,
    MR__LOSS_KL_LOG,
    MR__LOSS_POISSON,
    MR__LOSS_POISSON_LOG,
    MR__LOSS_STIRLING,
    MR__LOSS_GAUSSIAN,
    MR__LOSS_HINGE
} mr__loss_kind;

/*
 * Activations of x, some with parameters a and b:
 *
 *     LEAKY_RELU   x where x > 0, else a x
 *     ELU          b x where x > 0, else a b (exp(x) - 1)
 *     GELU         x times the probability that a standard normal number is below x
 *     GELU_TANH    x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2
 *     SILU         x / (1 + exp(-x))
 *     MISH         x tanh(ln(1 + exp(x)))
 *     SOFTPLUS     ln(1 + exp(a x)) / a where a x <= b, else x
 *     HARDTANH     x limited to [a, b]
 *     HARDSWISH    x times x + 3 limited to [0, 6], divided by 6
 */
typedef enum mr__activation {
    MR__LEAKY_RELU,
    MR__ELU,
    MR__GELU,
    MR__GELU_TANH,
    MR__SILU,
    MR__MISH,
    MR__SOFTPLUS,
    MR__HARDTANH,
    MR__HARDSWISH
} mr__activation;

typedef struct mr__kernels {
    const char *level; /* "avx512", "avx2", "plain" */

    /* ---- linear layers: y (m,n) = x (m,k) w (n,k)^T + b (n); b may be NULL ---- */
    void (*linear)(float *y, const float *x, const float *w, const float *b, int64_t m, int64_t k, int64_t n);
    /* dx (m,k) = dy (m,n) w (n,k) */
    void (*linear_dx)(float *dx, const float *dy, const float *w, int64_t m, int64_t k, int64_t n, bool add);
    /* dw (n,k) = dy (m,n)^T x (m,k), and db (n) = column sums of dy; db may be NULL */
    void (*linear_dw)(float *dw, float *db, const float *dy, const float *x, int64_t m, int64_t k, int64_t n,
                      bool add_dw, bool add_db);

    /* ---- products: c (m,n) = op(a) op(b); op(a) is (m,k): a[i*lda + l], transposed a[l*lda + i];
     * op(b) is (k,n): b[l*ldb + j], transposed b[j*ldb + l] ---- */
    void (*gemm)(bool transpose_a, bool transpose_b, int64_t m, int64_t n, int64_t k, const float *a,
                 int64_t lda, const float *b, int64_t ldb, float *c, int64_t ldc, bool add);

    /* the same with bias[j] added to column j at the end; bias may be NULL, and excludes add */
    void (*gemm_bias)(bool transpose_a, bool transpose_b, int64_t m, int64_t n, int64_t k, const float *a,
                      int64_t lda, const float *b, int64_t ldb, float *c, int64_t ldc, const float *bias,
                      bool add);

    /* out[j] = the sum of column j of a (m,n), whose rows lie ld apart */
    void (*column_sums)(float *out, const float *a, int64_t ld, int64_t m, int64_t n, bool add);

    /* ---- elementwise, out may be the same as an input ---- */
    void (*add)(float *out, const float *a, const float *b, int64_t n);
    void (*sub)(float *out, const float *a, const float *b, int64_t n);
    void (*mul)(float *out, const float *a, const float *b, int64_t n);
    void (*div)(float *out, const float *a, const float *b, int64_t n);
    void (*affine)(float *out, const float *x, float scale, float shift,
                   int64_t n); /* x * scale + shift, two roundings */
    void (*add_scaled)(float *y, float alpha, const float *x, int64_t n); /* y += alpha * x, one rounding */
    void (*fill)(float *out, float value, int64_t n);
    void (*relu)(float *out, const float *x, int64_t n); /* NaN stays NaN */
    void (*sigmoid)(float *out, const float *x,
                    int64_t n); /* 1 / (1 + exp(-x)); within 3 ulp, NaN and infinities right */
    void (*tanh)(float *out, const float *x, int64_t n); /* within 3 ulp, odd, exact near zero */
    void (*exp)(float *out, const float *x,
                int64_t n); /* within 2 ulp; overflow to inf, underflow through denormals to 0 */
    void (*log)(float *out, const float *x, int64_t n); /* within 2 ulp; -inf of 0, NaN below */
    void (*sin)(float *out, const float *x, int64_t n); /* within 3 ulp; NaN of infinities */
    void (*cos)(float *out, const float *x, int64_t n); /* the same */

    /* ---- their gradients: dx = dy * f'(x), from the result y or the input x ---- */
    void (*relu_backward)(float *dx, const float *dy, const float *y, int64_t n, bool add);
    void (*sigmoid_backward)(float *dx, const float *dy, const float *y, int64_t n,
                             bool add); /* dy * (1 - y) * y */
    void (*tanh_backward)(float *dx, const float *dy, const float *y, int64_t n,
                          bool add); /* dy * (1 - y*y) */
    void (*mul_backward)(float *da, const float *dy, const float *b, int64_t n, bool add); /* dy * b */
    void (*scale)(float *out, const float *x, float alpha, int64_t n, bool add);           /* alpha * x */

    /* ---- reductions: several partial sums, added pairwise, so that the error grows like log n ---- */
    float (*sum)(const float *x, int64_t n);
    float (*sum_squared_difference)(const float *a, const float *b, int64_t n);
    /* da = scale * (a - b), db = -da; either may be NULL */
    void (*mse_backward)(float *da, float *db, const float *a, const float *b, float scale, int64_t n,
                         bool add_da, bool add_db);
    bool (*all_finite)(const float *x, int64_t n);

    /* ---- activations, and dx = dy times the derivative at x ---- */
    void (*activation)(mr__activation kind, float *out, const float *x, float a, float b, int64_t n);
    void (*activation_backward)(mr__activation kind, float *dx, const float *dy, const float *x, float a,
                                float b, int64_t n, bool add);

    /* ---- normalisation: of a row, and then of rows that lie ld apart, with a value for each column ---- */
    /* the sum of (x - center)^2 */
    double (*norm_squares)(const float *x, float center, int64_t n);
    /* the sums of g and of g (x - center), with g = dy gamma; gamma may be NULL */
    void (*norm_sums)(double *sums, const float *dy, const float *gamma, const float *x, float center,
                      int64_t n);
    /* y = (x - center) scale + shift */
    void (*norm_apply)(float *y, const float *x, float center, float scale, float shift, int64_t n);
    /* the same, times gamma[i] plus beta[i] */
    void (*norm_apply_each)(float *y, const float *x, float center, float scale, const float *gamma,
                            const float *beta, int64_t n);
    /* dx = a g + b (x - center) + c, with g as above */
    void (*norm_dx)(float *dx, const float *dy, const float *gamma, const float *x, float center, float a,
                    float b, float c, int64_t n, bool add);
    /* dgamma[i] += dy (x - center) scale, dbeta[i] += dy */
    void (*norm_dw)(float *dgamma, float *dbeta, const float *dy, const float *x, float center, float scale,
                    int64_t n);
    /* sums over the rows of a (b - center[i]); a NULL: of (b - center[i])^2 */
    void (*norm_column_products)(float *out, const float *a, const float *b, const float *center, int64_t ld,
                                 int64_t rows, int64_t n);
    void (*norm_column_apply)(float *y, const float *x, const float *center, const float *scale,
                              const float *shift, int64_t ld, int64_t rows, int64_t n);
    void (*norm_column_dx)(float *dx, const float *dy, const float *x, const float *center, const float *a,
                           const float *b, const float *c, int64_t ld, int64_t rows, int64_t n, bool add);

    /* ---- max pooling: one element of all windows of a row: where line[i * step] is greater than best[i], or NaN, it
     * becomes best[i], and its place, start + i * step, at[i] ---- */
    void (*pool_max)(float *best, int32_t *at, const float *line, int64_t step, int32_t start, int64_t n);
    /* n windows of 2 x 2 side by side, of two rows of 2 n: the greatest of each, or its last NaN, and which it is, 0 to 3;
     * and the gradient of the rows */
    void (*pool_max_pairs)(float *y, float *which, const float *upper, const float *lower, int64_t n);
    void (*pool_spread_pairs)(float *upper, float *lower, const float *dy, const float *which, int64_t n,
                              bool add);
    /* y = 0 and which = 4 where y is not greater than zero, nor NaN */
    void (*pool_relu)(float *y, float *which, int64_t n);

    /* ---- Winograd's F(2x2, 3x3): planes to and from the 16 values of each tile of 2 x 2 pixels of the result; see
     * kernels/winograd.c. What is written of tiles may go up to 15 floats beyond the last, so they are written in the order
     * of their addresses. ---- */
    /* `padded` has 2 rows + 2 rows, row_step apart, each of 2 columns + 2 floats; 64 floats behind are read too */
    void (*winograd_input)(float *out, int64_t step, const float *padded, int64_t row_step, int64_t rows,
                           int64_t columns);
    /* y (height, width) from its tiles, plus bias; with `add` to what is in y */
    void (*winograd_output)(float *y, const float *m, int64_t step, int64_t height, int64_t width, float bias,
                            bool add);
    /* the gradient of m from dy */
    void (*winograd_output_gradient)(float *m, int64_t step, const float *dy, int64_t height, int64_t width);

    /* ---- recurrent cells, for one row of n units. Gates hold the sums of a step and become their values (input,
     * forget, cell, output; reset, update, new), then in backward their gradients; so does what a GRU's state
     * contributes to them, `hidden`. dh and dc become what goes to the step before past the products. ---- */
    void (*lstm_forward)(float *gates, const float *c_before, float *c, float *tanh_c, float *h, int64_t n);
    void (*lstm_backward)(float *gates, const float *c_before, const float *tanh_c, const float *dh,
                          float *dc, int64_t n);
    void (*gru_forward)(float *gates, const float *hidden, const float *h_before, float *h, int64_t n);
    void (*gru_backward)(float *gates, float *hidden, const float *h_before, float *dh, int64_t n);

    /* ---- softmax along the middle of (outer, n, inner) ----
     * Powers below 2^-126 are 0. Parts: powers = exp(x - top), top the greatest x and total the sum of the powers of each
     * (outer, inner); powers may be NULL. Gradients are made from the result y. */
    void (*softmax)(float *y, const float *x, int64_t outer, int64_t n, int64_t inner);
    void (*log_softmax)(float *y, const float *x, int64_t outer, int64_t n, int64_t inner);
    void (*softmax_parts)(float *powers, float *top, float *total, const float *x, int64_t outer, int64_t n,
                          int64_t inner);
    void (*softmax_backward)(float *dx, const float *dy, const float *y, int64_t outer, int64_t n,
                             int64_t inner, bool add);
    void (*log_softmax_backward)(float *dx, const float *dy, const float *y, int64_t outer, int64_t n,
                                 int64_t inner, bool add);
    /* out = x times the factor of its (outer, inner) */
    void (*scale_rows)(float *out, const float *x, const float *factor, int64_t outer, int64_t n,
                       int64_t inner, bool add);

    /* ---- attention: rows of n. A row r sees its first `seen` + r elements, and weights are its softmax there, 0
     * elsewhere; top and inverse get each row's greatest element and the inverse of its sum of powers, or give them
     * when `again`. And dx, the gradient of such weights x, becomes that of what they were made from, times scale. ---- */
    void (*attention_weights)(float *x, float *top, float *inverse, int64_t rows, int64_t n, int64_t seen,
                              bool again);
    void (*attention_slopes)(float *dx, const float *x, int64_t rows, int64_t n, float scale);

    /* ---- losses: each element's, and its derivative by a or b; c is only read where the formula has one ---- */
    void (*loss_terms)(mr__loss_kind kind, float *out, const float *a, const float *b, const float *c,
                       float parameter, int64_t n);
    void (*loss_slopes)(mr__loss_kind kind, bool of_b, float *out, const float *a, const float *b,
                        const float *c, float parameter, int64_t n);

    /* ---- optimizers, over flat ranges ---- */
    void (*adam)(float *p, const float *g, float *m, float *v, float *v_max, int64_t n,
                 const mr__adam_step *s); /* v_max: NULL without amsgrad */
    void (*sgd)(float *p, const float *g, float *momentum, int64_t n,
                const mr__sgd_step *s); /* momentum: NULL without */
    void (*rmsprop)(float *p, const float *g, float *square, float *momentum, float *mean, int64_t n,
                    const mr__rmsprop_step *s); /* momentum, mean: NULL without */
    void (*adagrad)(float *p, const float *g, float *sum, int64_t n, const mr__adagrad_step *s);
    void (*adadelta)(float *p, const float *g, float *square, float *steps, int64_t n,
                     const mr__adadelta_step *s);
    void (*adamax)(float *p, const float *g, float *m, float *u, int64_t n, const mr__adamax_step *s);
    void (*nadam)(float *p, const float *g, float *m, float *v, int64_t n, const mr__nadam_step *s);
    void (*radam)(float *p, const float *g, float *m, float *v, int64_t n, const mr__radam_step *s);

    /* ---- clipping: NaN gives NaN ---- */
    float (*sum_squares)(const float *x, int64_t n);
    float (*sum_magnitudes)(const float *x, int64_t n);
    float (*largest_magnitude)(const float *x, int64_t n);
    void (*clip)(float *x, float bound, int64_t n); /* to [-bound, bound] */
} mr__kernels;

/* The table in use. Chosen when the library is loaded; the environment variable MILLRACE_CPU (avx512, avx2,
 * plain) chooses a lower level. */
extern const mr__kernels *mr__k;

extern const mr__kernels mr__kernels_plain;
#ifdef MR_HAVE_X86_LEVELS
extern const mr__kernels mr__kernels_avx2;
extern const mr__kernels mr__kernels_avx512;
#endif

#endif

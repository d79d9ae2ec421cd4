/* What the normalisations share: kernels of both floating types under one interface, and the checks of weights. */
#ifndef MILLRACE_TENSOR_NORM_H
#define MILLRACE_TENSOR_NORM_H

#include "tensor/tape.h"

#include <millrace/functions.h>

/* Arrays are of the type; numbers are double. kernels.h says what each computes. */
typedef struct mr__norm_kernels {
    size_t size; /* of an element */
    double (*sum)(const void *x, int64_t n);
    double (*squares)(const void *x, double center, int64_t n);
    void (*sums)(double *sums, const void *dy, const void *gamma, const void *x, double center, int64_t n);
    void (*apply)(void *y, const void *x, double center, double scale, double shift, int64_t n);
    void (*apply_each)(void *y, const void *x, double center, double scale, const void *gamma,
                       const void *beta, int64_t n);
    void (*dx)(void *dx, const void *dy, const void *gamma, const void *x, double center, double a, double b,
               double c, int64_t n, bool add);
    void (*dw)(void *dgamma, void *dbeta, const void *dy, const void *x, double center, double scale,
               int64_t n);
    void (*column_sums)(void *out, const void *a, int64_t ld, int64_t rows, int64_t n);
    void (*column_products)(void *out, const void *a, const void *b, const void *center, int64_t ld,
                            int64_t rows, int64_t n);
    void (*column_apply)(void *y, const void *x, const void *center, const void *scale, const void *shift,
                         int64_t ld, int64_t rows, int64_t n);
    void (*column_dx)(void *dx, const void *dy, const void *x, const void *center, const void *a,
                      const void *b, const void *c, int64_t ld, int64_t rows, int64_t n, bool add);
    double (*get)(const void *x, int64_t i);
    void (*put)(void *x, int64_t i, double value);
} mr__norm_kernels;

const mr__norm_kernels *mr__norm_kernels_of(uint8_t dtype);

/* A place in an array of elements of `k`'s type; NULL of NULL. */
static inline void *mr__norm_at(const mr__norm_kernels *k, const void *x, int64_t i)
{
    return x ? (char *)(uintptr_t)x + (size_t)i * k->size : NULL;
}

/* The mean of n numbers as the type can hold it, and the sum of squares around it. */
static inline double mr__norm_moments(const mr__norm_kernels *k, const void *x, int64_t n, double *squares)
{
    double mean[1];
    k->put(mean, 0, k->sum(x, n) / (double)n);
    mean[0] = k->get(mean, 0);
    *squares = k->squares(x, mean[0], n);
    return mean[0];
}

double mr__norm_eps(double given);

/* Arrays on the tape of `count` elements of `size` bytes; NULL when memory is out (the tape has stopped then). */
void *mr__norm_array(mr_tape *tape, int64_t count, size_t size);

/* False, and the tape has stopped, unless x is of a floating type. */
bool mr__norm_check_input(mr_tape *tape, const char *op, const mr_tensor *x);

/* False, and the tape has stopped, unless `w` is a vector of x's type with a value for each of the channels,
 * dimension 1 of x. */
bool mr__norm_check_channels(mr_tape *tape, const char *op, const mr_tensor *x, const mr_tensor *w,
                             const char *what);

/* x seen as (outer, channels, inner). */
typedef struct mr__planes {
    int64_t outer, channels, inner;
} mr__planes;
mr__planes mr__planes_of(const mr_tensor *x);

/* In backward: where to sum up the gradient of a weight, zeroed; *add tells that it is scratch memory, to be given to
 * mr__norm_add_weight in the end. Also when the weight is NULL or takes no gradient. NULL when memory is out. */
void *mr__norm_weight_sum(mr_tape *tape, mr_tensor *w, mr_dtype dtype, int64_t count, bool *add);
void mr__norm_add_weight(mr_tape *tape, mr_tensor *w, const void *sum, bool add);

/* Batch normalisation of x by its own statistics, or by those given when not `training`, with what may be absent
 * as NULL. */
mr_tensor *mr__batch_norm(mr_tape *tape, const char *op, mr_tensor *x, mr_tensor *weight, mr_tensor *bias,
                          mr_tensor *running_mean, mr_tensor *running_var, bool training, double eps,
                          double momentum);

/* The same of each image's channels alone. */
mr_tensor *mr__instance_norm(mr_tape *tape, const char *op, mr_tensor *x, mr_tensor *weight, mr_tensor *bias,
                             mr_tensor *running_mean, mr_tensor *running_var, bool training, double eps,
                             double momentum);

/* False, and the tape has stopped, unless both can be kept up to date for the channels of x. */
bool mr__norm_check_running(mr_tape *tape, const char *op, const mr_tensor *x, const mr_tensor *mean,
                            const mr_tensor *var);

#endif

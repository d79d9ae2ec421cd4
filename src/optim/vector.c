/* Arithmetic of L-BFGS's vectors. */
#include "lbfgs.h"

#include <math.h>

/* Sums are made in float over so many, and in double from there. */
enum { BLOCK = 1024 };

double mr__vector_dot(const mr__lbfgs *l, const mr__vector *a, const mr__vector *b)
{
    double sum = 0;
    if (l->dtype == MR_FLOAT64) {
        const double *x = a, *y = b;
        for (int64_t i = 0; i < l->n; i++)
            sum += x[i] * y[i];
        return sum;
    }
    const float *x = a, *y = b;
    for (int64_t i = 0; i < l->n; i += BLOCK) {
        float part;
        mr__k->linear(&part, x + i, y + i, NULL, 1, l->n - i < BLOCK ? l->n - i : BLOCK, 1);
        sum += (double)part;
    }
    return sum;
}

double mr__vector_largest(const mr__lbfgs *l, const mr__vector *a)
{
    if (l->dtype == MR_FLOAT32)
        return (double)mr__k->largest_magnitude(a, l->n);
    const double *x = a;
    double largest = 0;
    for (int64_t i = 0; i < l->n; i++)
        largest = isnan(largest) || largest > fabs(x[i]) ? largest : fabs(x[i]);
    return largest;
}

double mr__vector_sum(const mr__lbfgs *l, const mr__vector *a)
{
    double sum = 0;
    if (l->dtype == MR_FLOAT64) {
        const double *x = a;
        for (int64_t i = 0; i < l->n; i++)
            sum += fabs(x[i]);
        return sum;
    }
    const float *x = a;
    for (int64_t i = 0; i < l->n; i += BLOCK)
        sum += (double)mr__k->sum_magnitudes(x + i, l->n - i < BLOCK ? l->n - i : BLOCK);
    return sum;
}

void mr__vector_add(const mr__lbfgs *l, mr__vector *y, double alpha, const mr__vector *x)
{
    if (l->dtype == MR_FLOAT32) {
        mr__k->add_scaled(y, (float)alpha, x, l->n);
        return;
    }
    for (int64_t i = 0; i < l->n; i++)
        ((double *)y)[i] += alpha * ((const double *)x)[i];
}

void mr__vector_scale(const mr__lbfgs *l, mr__vector *out, const mr__vector *x, double alpha)
{
    if (l->dtype == MR_FLOAT32) {
        mr__k->scale(out, x, (float)alpha, l->n, false);
        return;
    }
    for (int64_t i = 0; i < l->n; i++)
        ((double *)out)[i] = alpha * ((const double *)x)[i];
}

void mr__vector_copy(const mr__lbfgs *l, mr__vector *to, const mr__vector *from)
{
    memcpy(to, from, (size_t)l->n * mr_dtype_size(l->dtype));
}

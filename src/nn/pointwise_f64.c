/* The terms of elementwise losses and their derivatives in float64; kernels.h has the formulas. */
#include "nn/losses.h"

#include <math.h>

static const double half_log_2pi = 0.91893853320467274178;
static const double bce_least = (double)1e-12f; /* a float in torch, too */

static double sign(double x)
{
    return (double)((x > 0) - (x < 0));
}

static double limited(double x, double p)
{
    return x < -p ? -p : x > p ? p : x;
}

static double sigmoid(double x)
{
    return 1 / (1 + exp(-x));
}

/* ln(1 + exp(-x)) */
static double softplus_of_minus(double x)
{
    return log1p(exp(-fabs(x))) + (x < 0 ? -x : x > 0 ? 0 : x * 0);
}

static double log_above(double x)
{
    double y = log(x);
    return y < -100 ? -100 : y;
}

static double at_least(double x, double bound)
{
    return x < bound ? bound : x;
}

static double smooth_l1(double d, double p)
{
    double z = fabs(d);
    return z < p ? 0.5 * z * z / p : z - 0.5 * p;
}

static double huber(double d, double p)
{
    double z = fabs(d);
    return z > p ? p * (z - 0.5 * p) : 0.5 * z * z;
}

static double hinge_passes(double a, double b, double p)
{
    return p - a * b < 0 ? 0 : 1;
}

/* `value` is an expression of elements a, b and weight. */
#define EACH(kind, value)                                      \
    case kind:                                                 \
        for (int64_t i = 0; i < n; i++) {                      \
            const double a = x[i], b = z[i], c = w ? w[i] : 1; \
            (void)a, (void)b, (void)c;                         \
            out[i] = (value);                                  \
        }                                                      \
        break;

void mr__loss_terms_f64(mr__loss_kind kind, double *out, const double *x, const double *z, const double *w,
                        double p, int64_t n)
{
    switch (kind) {
        EACH(MR__LOSS_L1, fabs(a - b))
        EACH(MR__LOSS_SMOOTH_L1, smooth_l1(a - b, p))
        EACH(MR__LOSS_HUBER, huber(a - b, p))
        EACH(MR__LOSS_BCE, (b - 1) * log_above(1 - a) - b * log_above(a))
        EACH(MR__LOSS_BCE_LOGITS, (1 - b) * a + softplus_of_minus(a))
        EACH(MR__LOSS_BCE_LOGITS_POS, (1 - b) * a + (1 + (c - 1) * b) * softplus_of_minus(a))
        EACH(MR__LOSS_KL, (b == 0 ? 0 : b * log(b)) - b * a)
        EACH(MR__LOSS_KL_LOG, exp(b) * (b - a))
        EACH(MR__LOSS_POISSON, a - b * log(a + p))
        EACH(MR__LOSS_POISSON_LOG, exp(a) - b * a)
        EACH(MR__LOSS_STIRLING, b > 1 ? b * log(b) - b + 0.5 * log(b) + half_log_2pi : 0)
        EACH(MR__LOSS_GAUSSIAN, 0.5 * (log(at_least(b, p)) + a / at_least(b, p)))
        EACH(MR__LOSS_HINGE, at_least(p - a * b, 0))
    }
}

static void slopes_a(mr__loss_kind kind, double *out, const double *x, const double *z, const double *w,
                     double p, int64_t n)
{
    switch (kind) {
        EACH(MR__LOSS_L1, sign(a - b))
        EACH(MR__LOSS_SMOOTH_L1, limited(a - b, p) / p)
        EACH(MR__LOSS_HUBER, limited(a - b, p))
        EACH(MR__LOSS_BCE, (a - b) / at_least((1 - a) * a, bce_least))
        EACH(MR__LOSS_BCE_LOGITS, sigmoid(a) - b)
        EACH(MR__LOSS_BCE_LOGITS_POS, (1 + (c - 1) * b) * sigmoid(a) - b * c)
        EACH(MR__LOSS_KL, -b)
        EACH(MR__LOSS_KL_LOG, -exp(b))
        EACH(MR__LOSS_POISSON, 1 - b / (a + p))
        EACH(MR__LOSS_POISSON_LOG, exp(a) - b)
        EACH(MR__LOSS_STIRLING, 0)
        EACH(MR__LOSS_GAUSSIAN, 0.5 / at_least(b, p))
        EACH(MR__LOSS_HINGE, hinge_passes(a, b, p) * -b)
    }
}

static void slopes_b(mr__loss_kind kind, double *out, const double *x, const double *z, const double *w,
                     double p, int64_t n)
{
    switch (kind) {
        EACH(MR__LOSS_L1, -sign(a - b))
        EACH(MR__LOSS_SMOOTH_L1, -limited(a - b, p) / p)
        EACH(MR__LOSS_HUBER, -limited(a - b, p))
        EACH(MR__LOSS_BCE, log_above(1 - a) - log_above(a))
        EACH(MR__LOSS_BCE_LOGITS, -a)
        EACH(MR__LOSS_BCE_LOGITS_POS, (c - 1) * softplus_of_minus(a) - a)
        EACH(MR__LOSS_KL, log(b) + 1 - a)
        EACH(MR__LOSS_KL_LOG, exp(b) * (b - a) + exp(b))
        EACH(MR__LOSS_POISSON, -log(a + p))
        EACH(MR__LOSS_POISSON_LOG, -a)
        EACH(MR__LOSS_STIRLING, b > 1 ? log(b) + 0.5 / b : 0)
        EACH(MR__LOSS_GAUSSIAN, 0.5 * (1 - a / at_least(b, p)) / at_least(b, p))
        EACH(MR__LOSS_HINGE, hinge_passes(a, b, p) * -a)
    }
}

void mr__loss_slopes_f64(mr__loss_kind kind, bool of_b, double *out, const double *a, const double *b,
                         const double *c, double parameter, int64_t n)
{
    (of_b ? slopes_b : slopes_a)(kind, out, a, b, c, parameter, n);
}

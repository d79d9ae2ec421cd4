#include <millrace/init.h>

#include "base/alloc.h"
#include "base/option.h"
#include "tensor/tensor.h"

#include <math.h>

static double gain_of(const mr_init_opts *opts)
{
    return opts ? mr__option(opts->gain, 1) : 1;
}

/* ---- what is taken ---- */

static bool is_right(const char *call, const mr_tensor *x, const mr_rng *rng)
{
    if (!x)
        mr__null(call, "tensor");
    else if (!rng)
        mr__null(call, "rng");
    else if (x->tape)
        mr__raise(MR_ERR_ARGUMENT, "%s: only for tensors of your own, not for results on a tape", call);
    else if (!mr__is_float(x->dtype))
        mr__raise(MR_ERR_DTYPE, "%s: %s is %s, not a floating type", call, mr__tensor_text(x).text,
                  mr_dtype_name((mr_dtype)x->dtype));
    else
        return true;
    return false;
}

static bool has_fans(const char *call, const mr_tensor *x, double *in, double *out)
{
    double receptive = 1;
    if (x->ndim < 2) {
        mr__raise(MR_ERR_SHAPE, "%s: %s has not at least two dimensions", call, mr__tensor_text(x).text);
        return false;
    }
    for (int i = 2; i < x->ndim; i++)
        receptive *= (double)x->shape[i];
    *in = (double)x->shape[1] * receptive;
    *out = (double)x->shape[0] * receptive;
    return true;
}

/* ---- plain draws ---- */

static mr_status draw_uniform(mr_tensor *x, double low, double high, mr_rng *rng)
{
    if (x->dtype == MR_FLOAT32)
        mr_rng_fill_uniform(rng, (float *)(void *)x->data, x->numel, low, high);
    else
        mr_rng_fill_uniform_f64(rng, (double *)(void *)x->data, x->numel, low, high);
    mr__bump(x);
    return MR_OK;
}

static mr_status draw_normal(mr_tensor *x, double mean, double std, mr_rng *rng)
{
    if (x->dtype == MR_FLOAT32)
        mr_rng_fill_normal(rng, (float *)(void *)x->data, x->numel, mean, std);
    else
        mr_rng_fill_normal_f64(rng, (double *)(void *)x->data, x->numel, mean, std);
    mr__bump(x);
    return MR_OK;
}

mr_status mr_init_uniform(mr_tensor *x, double low, double high, mr_rng *rng)
{
    if (!is_right("init_uniform", x, rng))
        return mr_error_status();
    if (!(low <= high) || isinf(high - low))
        return mr__raise(MR_ERR_ARGUMENT, "init_uniform: from %g to %g", low, high);
    return draw_uniform(x, low, high, rng);
}

static bool std_is_right(const char *call, double std)
{
    if (std >= 0 && !isinf(std))
        return true;
    mr__raise(MR_ERR_ARGUMENT, "%s: a standard deviation of %g", call, std);
    return false;
}

mr_status mr_init_normal(mr_tensor *x, double mean, double std, mr_rng *rng)
{
    if (!is_right("init_normal", x, rng) || !std_is_right("init_normal", std))
        return mr_error_status();
    return draw_normal(x, mean, std, rng);
}

mr_status mr_init_constant(mr_tensor *x, double value)
{
    if (!x)
        return mr__null("init_constant", "tensor");
    return mr_tensor_fill(x, value);
}

/* ---- truncated normal ---- */

static double normal_below(double x)
{
    return 0.5 * erfc(-x / sqrt(2.0));
}

/* The inverse of erf: a rational approximation, made better by two steps of Newton's. */
static double inverse_erf(double y)
{
    static const double a[] = { 0.886226899, -1.645349621, 0.914624893, -0.140543331 };
    static const double b[] = { -2.118377725, 1.442710462, -0.329097515, 0.012229801 };
    static const double c[] = { -1.970840454, -1.624906493, 3.429567803, 1.641345311 };
    static const double d[] = { 3.543889200, 1.637067800 };
    double x, size = fabs(y);
    if (!(size < 1))
        return size == 1 ? copysign(INFINITY, y) : NAN;
    if (size <= 0.7) {
        double z = y * y;
        x = y * (((a[3] * z + a[2]) * z + a[1]) * z + a[0]) /
            ((((b[3] * z + b[2]) * z + b[1]) * z + b[0]) * z + 1);
    } else {
        double z = sqrt(-log((1 - size) / 2));
        x = copysign((((c[3] * z + c[2]) * z + c[1]) * z + c[0]) / ((d[1] * z + d[0]) * z + 1), y);
    }
    for (int i = 0; i < 2; i++)
        x -= (erf(x) - y) / (1.12837916709551257390 * exp(-x * x)); /* 2 / sqrt(pi) */
    return x;
}

static double truncated(double u, double mean, double std, double low, double high)
{
    return fmin(fmax(inverse_erf(u) * (std * sqrt(2.0)) + mean, low), high);
}

mr_status mr_init_trunc_normal(mr_tensor *x, double mean, double std, double low, double high, mr_rng *rng)
{
    static const char call[] = "init_trunc_normal";
    if (!is_right(call, x, rng) || !std_is_right(call, std))
        return mr_error_status();
    if (!(low <= high) || std == 0)
        return mr__raise(MR_ERR_ARGUMENT, "%s: between %g and %g with a standard deviation of %g", call, low,
                         high, std);
    draw_uniform(x, 2 * normal_below((low - mean) / std) - 1, 2 * normal_below((high - mean) / std) - 1, rng);
    for (int64_t i = 0; i < x->numel; i++)
        if (x->dtype == MR_FLOAT32) {
            float *p = (float *)(void *)x->data + i;
            *p = (float)truncated((double)*p, mean, std, low, high);
        } else {
            double *p = (double *)(void *)x->data + i;
            *p = truncated(*p, mean, std, low, high);
        }
    return MR_OK;
}

/* ---- xavier and kaiming ---- */

mr_status mr_init_xavier_uniform(mr_tensor *x, mr_rng *rng, const mr_init_opts *opts)
{
    double in, out;
    if (!is_right("init_xavier_uniform", x, rng) || !has_fans("init_xavier_uniform", x, &in, &out))
        return mr_error_status();
    double bound = sqrt(3.0) * (gain_of(opts) * sqrt(2.0 / (in + out)));
    return x->numel ? draw_uniform(x, -bound, bound, rng) : MR_OK;
}

mr_status mr_init_xavier_normal(mr_tensor *x, mr_rng *rng, const mr_init_opts *opts)
{
    double in, out;
    if (!is_right("init_xavier_normal", x, rng) || !has_fans("init_xavier_normal", x, &in, &out))
        return mr_error_status();
    return x->numel ? draw_normal(x, 0, gain_of(opts) * sqrt(2.0 / (in + out)), rng) : MR_OK;
}

double mr_init_gain(mr_nonlinearity nonlinearity, double slope)
{
    switch (nonlinearity) {
    case MR_LEAKY_RELU:
        return sqrt(2.0 / (1 + slope * slope));
    case MR_RELU:
        return sqrt(2.0);
    case MR_LINEAR:
        return 1;
    case MR_TANH:
        return 5.0 / 3;
    case MR_SELU:
        return 3.0 / 4;
    }
    mr__raise(MR_ERR_ARGUMENT, "init_gain: %d is no nonlinearity", (int)nonlinearity);
    return NAN;
}

/* The standard deviation of kaiming's weights; negative after a failure. */
static double kaiming_std(const char *call, const mr_tensor *x, const mr_rng *rng,
                          const mr_kaiming_opts *opts)
{
    static const mr_kaiming_opts defaults = { 0 };
    double in, out;
    opts = opts ? opts : &defaults;
    if (!is_right(call, x, rng) || !has_fans(call, x, &in, &out))
        return -1;
    double gain = mr_init_gain(opts->nonlinearity, opts->slope);
    return isnan(gain) ? -1 : gain / sqrt(opts->fan_out ? out : in);
}

mr_status mr_init_kaiming_uniform(mr_tensor *x, mr_rng *rng, const mr_kaiming_opts *opts)
{
    double std = kaiming_std("init_kaiming_uniform", x, rng, opts);
    if (std < 0)
        return mr_error_status();
    double bound = sqrt(3.0) * std;
    return x->numel ? draw_uniform(x, -bound, bound, rng) : MR_OK;
}

mr_status mr_init_kaiming_normal(mr_tensor *x, mr_rng *rng, const mr_kaiming_opts *opts)
{
    double std = kaiming_std("init_kaiming_normal", x, rng, opts);
    if (std < 0)
        return mr_error_status();
    return x->numel ? draw_normal(x, 0, std, rng) : MR_OK;
}

/* ---- orthogonal ---- */

static double dot(const double *a, const double *b, int64_t n)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

/* Makes `count` vectors of n numbers orthonormal (Gram and Schmidt, each twice). What a QR decomposition gives whose R
 * has a positive diagonal, as torch makes it. */
static void make_orthonormal(double *vectors, int64_t count, int64_t n)
{
    for (int64_t i = 0; i < count; i++) {
        double *v = vectors + i * n;
        for (int turn = 0; turn < 2; turn++)
            for (int64_t k = 0; k < i; k++) {
                const double *u = vectors + k * n;
                double part = dot(u, v, n);
                for (int64_t j = 0; j < n; j++)
                    v[j] -= part * u[j];
            }
        double length = sqrt(dot(v, v, n));
        for (int64_t j = 0; j < n; j++)
            v[j] /= length;
    }
}

/* Between the elements of x, (rows, columns), and vectors that are its rows, or its columns when those are fewer. */
static void exchange(mr_tensor *x, double *vectors, int64_t rows, int64_t columns, double gain, bool back)
{
    for (int64_t i = 0; i < rows * columns; i++) {
        int64_t at = rows < columns ? i : i % columns * rows + i / columns;
        float *f = (float *)(void *)x->data + i;
        double *d = (double *)(void *)x->data + i;
        if (!back)
            vectors[at] = x->dtype == MR_FLOAT32 ? (double)*f : *d;
        else if (x->dtype == MR_FLOAT32)
            *f = (float)vectors[at] * (float)gain;
        else
            *d = vectors[at] * gain;
    }
}

mr_status mr_init_orthogonal(mr_tensor *x, mr_rng *rng, const mr_init_opts *opts)
{
    static const char call[] = "init_orthogonal";
    double in, out;
    if (!is_right(call, x, rng) || !has_fans(call, x, &in, &out))
        return mr_error_status();
    if (x->numel == 0)
        return MR_OK;
    int64_t rows = x->shape[0], columns = x->numel / rows;
    double *vectors = mr__alloc_array((size_t)x->numel, sizeof *vectors);
    if (!vectors)
        return MR_ERR_MEMORY;
    draw_normal(x, 0, 1, rng);
    exchange(x, vectors, rows, columns, 1, false);
    make_orthonormal(vectors, rows < columns ? rows : columns, rows < columns ? columns : rows);
    exchange(x, vectors, rows, columns, gain_of(opts), true);
    mr__free(vectors);
    return MR_OK;
}

/* ---- sparse ---- */

mr_status mr_init_sparse(mr_tensor *x, double sparsity, double std, mr_rng *rng)
{
    static const char call[] = "init_sparse";
    if (!is_right(call, x, rng) || !std_is_right(call, std))
        return mr_error_status();
    if (x->ndim != 2)
        return mr__raise(MR_ERR_SHAPE, "%s: %s is no matrix", call, mr__tensor_text(x).text);
    if (!(sparsity >= 0 && sparsity <= 1))
        return mr__raise(MR_ERR_ARGUMENT, "%s: sparsity %g is not in [0, 1]", call, sparsity);
    int64_t rows = x->shape[0], columns = x->shape[1], zeros = (int64_t)ceil(sparsity * (double)rows);
    int64_t *order = mr__alloc_array((size_t)rows + 1, sizeof *order);
    if (!order)
        return MR_ERR_MEMORY;
    size_t size = mr_dtype_size((mr_dtype)x->dtype);
    draw_normal(x, 0, std, rng);
    for (int64_t c = 0; c < columns; c++) {
        mr_rng_permutation(rng, order, rows);
        for (int64_t i = 0; i < zeros; i++)
            memset(x->data + (size_t)(order[i] * columns + c) * size, 0, size);
    }
    mr__free(order);
    return MR_OK;
}

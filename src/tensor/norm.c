#include "norm.h"

#include "base/option.h"
#include "kernels/kernels.h"

/* ---- float32 ---- */

static double sum_f32(const void *x, int64_t n)
{
    return (double)mr__k->sum(x, n);
}

static double squares_f32(const void *x, double center, int64_t n)
{
    return mr__k->norm_squares(x, (float)center, n);
}

static void sums_f32(double *sums, const void *dy, const void *gamma, const void *x, double center, int64_t n)
{
    mr__k->norm_sums(sums, dy, gamma, x, (float)center, n);
}

static void apply_f32(void *y, const void *x, double center, double scale, double shift, int64_t n)
{
    mr__k->norm_apply(y, x, (float)center, (float)scale, (float)shift, n);
}

static void apply_each_f32(void *y, const void *x, double center, double scale, const void *gamma,
                           const void *beta, int64_t n)
{
    mr__k->norm_apply_each(y, x, (float)center, (float)scale, gamma, beta, n);
}

static void dx_f32(void *dx, const void *dy, const void *gamma, const void *x, double center, double a,
                   double b, double c, int64_t n, bool add)
{
    mr__k->norm_dx(dx, dy, gamma, x, (float)center, (float)a, (float)b, (float)c, n, add);
}

static void dw_f32(void *dgamma, void *dbeta, const void *dy, const void *x, double center, double scale,
                   int64_t n)
{
    mr__k->norm_dw(dgamma, dbeta, dy, x, (float)center, (float)scale, n);
}

static void column_sums_f32(void *out, const void *a, int64_t ld, int64_t rows, int64_t n)
{
    mr__k->column_sums(out, a, ld, rows, n, false);
}

static void column_products_f32(void *out, const void *a, const void *b, const void *center, int64_t ld,
                                int64_t rows, int64_t n)
{
    mr__k->norm_column_products(out, a, b, center, ld, rows, n);
}

static void column_apply_f32(void *y, const void *x, const void *center, const void *scale, const void *shift,
                             int64_t ld, int64_t rows, int64_t n)
{
    mr__k->norm_column_apply(y, x, center, scale, shift, ld, rows, n);
}

static void column_dx_f32(void *dx, const void *dy, const void *x, const void *center, const void *a,
                          const void *b, const void *c, int64_t ld, int64_t rows, int64_t n, bool add)
{
    mr__k->norm_column_dx(dx, dy, x, center, a, b, c, ld, rows, n, add);
}

static double get_f32(const void *x, int64_t i)
{
    return (double)((const float *)x)[i];
}

static void put_f32(void *x, int64_t i, double value)
{
    ((float *)x)[i] = (float)value;
}

/* ---- float64 ---- */

static double sum_f64(const void *x, int64_t n)
{
    const double *p = x;
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += p[i];
    return sum;
}

static double squares_f64(const void *x, double center, int64_t n)
{
    const double *p = x;
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += (p[i] - center) * (p[i] - center);
    return sum;
}

static void sums_f64(double *sums, const void *dy, const void *gamma, const void *x, double center, int64_t n)
{
    const double *g = dy, *w = gamma, *p = x;
    sums[0] = sums[1] = 0;
    for (int64_t i = 0; i < n; i++) {
        double v = w ? g[i] * w[i] : g[i];
        sums[0] += v;
        sums[1] += v * (p[i] - center);
    }
}

static void apply_f64(void *y, const void *x, double center, double scale, double shift, int64_t n)
{
    const double *p = x;
    for (int64_t i = 0; i < n; i++)
        ((double *)y)[i] = (p[i] - center) * scale + shift;
}

static void apply_each_f64(void *y, const void *x, double center, double scale, const void *gamma,
                           const void *beta, int64_t n)
{
    const double *p = x, *w = gamma, *b = beta;
    for (int64_t i = 0; i < n; i++)
        ((double *)y)[i] = (p[i] - center) * scale * w[i] + b[i];
}

static void dx_f64(void *dx, const void *dy, const void *gamma, const void *x, double center, double a,
                   double b, double c, int64_t n, bool add)
{
    const double *g = dy, *w = gamma, *p = x;
    double *out = dx;
    for (int64_t i = 0; i < n; i++) {
        double d = a * (w ? g[i] * w[i] : g[i]) + b * (p[i] - center) + c;
        out[i] = add ? out[i] + d : d;
    }
}

static void dw_f64(void *dgamma, void *dbeta, const void *dy, const void *x, double center, double scale,
                   int64_t n)
{
    const double *g = dy, *p = x;
    for (int64_t i = 0; i < n; i++) {
        ((double *)dgamma)[i] += g[i] * (p[i] - center) * scale;
        ((double *)dbeta)[i] += g[i];
    }
}

static void column_sums_f64(void *out, const void *a, int64_t ld, int64_t rows, int64_t n)
{
    double *sum = out;
    const double *p = a;
    memset(sum, 0, (size_t)n * sizeof *sum);
    for (int64_t r = 0; r < rows; r++)
        for (int64_t i = 0; i < n; i++)
            sum[i] += p[r * ld + i];
}

static void column_products_f64(void *out, const void *a, const void *b, const void *center, int64_t ld,
                                int64_t rows, int64_t n)
{
    double *sum = out;
    const double *p = a, *q = b, *c = center;
    memset(sum, 0, (size_t)n * sizeof *sum);
    for (int64_t r = 0; r < rows; r++)
        for (int64_t i = 0; i < n; i++) {
            double d = q[r * ld + i] - c[i];
            sum[i] += (p ? p[r * ld + i] : d) * d;
        }
}

static void column_apply_f64(void *y, const void *x, const void *center, const void *scale, const void *shift,
                             int64_t ld, int64_t rows, int64_t n)
{
    const double *p = x, *c = center, *s = scale, *t = shift;
    for (int64_t r = 0; r < rows; r++)
        for (int64_t i = 0; i < n; i++)
            ((double *)y)[r * ld + i] = (p[r * ld + i] - c[i]) * s[i] + t[i];
}

static void column_dx_f64(void *dx, const void *dy, const void *x, const void *center, const void *a,
                          const void *b, const void *c, int64_t ld, int64_t rows, int64_t n, bool add)
{
    const double *g = dy, *p = x, *m = center, *va = a, *vb = b, *vc = c;
    double *out = dx;
    for (int64_t r = 0; r < rows; r++)
        for (int64_t i = 0; i < n; i++) {
            int64_t at = r * ld + i;
            double d = va[i] * g[at] + vb[i] * (p[at] - m[i]) + vc[i];
            out[at] = add ? out[at] + d : d;
        }
}

static double get_f64(const void *x, int64_t i)
{
    return ((const double *)x)[i];
}

static void put_f64(void *x, int64_t i, double value)
{
    ((double *)x)[i] = value;
}

#define TABLE(type, suffix)                                                                                  \
    {                                                                                                        \
        sizeof(type), sum_##suffix, squares_##suffix, sums_##suffix, apply_##suffix, apply_each_##suffix,    \
            dx_##suffix, dw_##suffix, column_sums_##suffix, column_products_##suffix, column_apply_##suffix, \
            column_dx_##suffix, get_##suffix, put_##suffix                                                   \
    }

const mr__norm_kernels *mr__norm_kernels_of(uint8_t dtype)
{
    static const mr__norm_kernels f32 = TABLE(float, f32), f64 = TABLE(double, f64);
    return dtype == MR_FLOAT32 ? &f32 : &f64;
}

/* ---- what they share ---- */

double mr__norm_eps(double given)
{
    return mr__option(given, 1e-5);
}

void *mr__norm_array(mr_tape *tape, int64_t count, size_t size)
{
    void *array = mr__arena_alloc(&tape->arena, mr__mul_size((size_t)count, size));
    if (!array)
        mr__stop(tape);
    return array;
}

bool mr__norm_check_input(mr_tape *tape, const char *op, const mr_tensor *x)
{
    if (mr__is_float(x->dtype))
        return true;
    mr__fail(tape, MR_ERR_DTYPE, "%s: input %s is %s, not a floating type", op, mr__tensor_text(x).text,
             mr_dtype_name((mr_dtype)x->dtype));
    return false;
}

bool mr__norm_check_channels(mr_tape *tape, const char *op, const mr_tensor *x, const mr_tensor *w,
                             const char *what)
{
    if (w->ndim != 1 || w->shape[0] != x->shape[1])
        mr__fail(tape, MR_ERR_SHAPE, "%s: %s %s has no value for each of the %lld channels of input %s", op,
                 what, mr__tensor_text(w).text, (long long)x->shape[1], mr__tensor_text(x).text);
    else if (w->dtype != x->dtype)
        mr__fail(tape, MR_ERR_DTYPE, "%s: %s %s is %s, input %s %s", op, what, mr__tensor_text(w).text,
                 mr_dtype_name((mr_dtype)w->dtype), mr__tensor_text(x).text,
                 mr_dtype_name((mr_dtype)x->dtype));
    else
        return true;
    return false;
}

bool mr__norm_check_running(mr_tape *tape, const char *op, const mr_tensor *x, const mr_tensor *mean,
                            const mr_tensor *var)
{
    if (!mr__norm_check_channels(tape, op, x, mean, "running mean") ||
        !mr__norm_check_channels(tape, op, x, var, "running variance"))
        return false;
    if (!mean->tape && !var->tape)
        return true;
    mr__fail(tape, MR_ERR_ARGUMENT, "%s: running mean and variance are not tensors of your own", op);
    return false;
}

mr__planes mr__planes_of(const mr_tensor *x)
{
    mr__planes p = { x->shape[0], x->shape[1], 1 };
    for (int i = 2; i < x->ndim; i++)
        p.inner *= x->shape[i];
    return p;
}

void *mr__norm_weight_sum(mr_tape *tape, mr_tensor *w, mr_dtype dtype, int64_t count, bool *add)
{
    *add = false;
    void *sum = w && w->grad ? mr__grad_target(tape, w, add) : NULL;
    if (!sum || *add)
        sum = mr__scratch(tape, dtype, count);
    if (sum)
        memset(sum, 0, (size_t)count * mr_dtype_size(dtype));
    return sum;
}

void mr__norm_add_weight(mr_tape *tape, mr_tensor *w, const void *sum, bool add)
{
    mr_shape shape = w ? mr__shape_of(w) : MR_SCALAR;
    if (w && w->grad && add)
        mr__grad_add(tape, w, sum, &shape);
}

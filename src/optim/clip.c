/* Clipping gradients: by the norm of all of them, or each number by itself. */
#include "optim.h"

#include "base/error.h"
#include "base/option.h"
#include "kernels/kernels.h"
#include "tensor/tensor.h"

#include <millrace/optim.h>

#include <math.h>

/* Sums are made in float over so many, and in double from there. */
enum { BLOCK = 1024 };

/* ---- the norm of one gradient, as the sum of |g|^order, or the largest |g| ---- */

static double sum_in_double(const float *g, int64_t n, double order)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++) {
        double size = fabs((double)g[i]);
        sum += order == 2 ? size * size : order == 1 ? size : pow(size, order);
    }
    return sum;
}

static double sum_f32(const float *g, int64_t n, double order)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i += BLOCK) {
        int64_t count = n - i < BLOCK ? n - i : BLOCK;
        double part = INFINITY;
        if (order == 2)
            part = (double)mr__k->sum_squares(g + i, count);
        else if (order == 1)
            part = (double)mr__k->sum_magnitudes(g + i, count);
        sum += isfinite(part) ? part : sum_in_double(g + i, count, order); /* too large for a float? */
    }
    return sum;
}

static double sum_f64(const double *g, int64_t n, double order)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += order == 2 ? g[i] * g[i] : order == 1 ? fabs(g[i]) : pow(fabs(g[i]), order);
    return sum;
}

double mr__power_sum(mr_dtype dtype, const void *x, int64_t n, double order)
{
    return dtype == MR_FLOAT64 ? sum_f64(x, n, order) : sum_f32(x, n, order);
}

static double larger(double a, double b)
{
    return isnan(a) || a > b ? a : b;
}

static double largest_f64(const double *g, int64_t n)
{
    double largest = 0;
    for (int64_t i = 0; i < n; i++)
        largest = larger(largest, fabs(g[i]));
    return largest;
}

static double measure(const mr_tensor *x, double order)
{
    const void *g = x->own_grad.data;
    if (x->own_grad.state != MR__GRAD_WRITTEN)
        return 0;
    if (isinf(order))
        return x->dtype == MR_FLOAT64 ? largest_f64(g, x->numel)
                                      : (double)mr__k->largest_magnitude(g, x->numel);
    return mr__power_sum((mr_dtype)x->dtype, g, x->numel, order);
}

/* ---- of all ---- */

static bool acceptable(const char *call, mr_params params)
{
    if (!params.item) {
        mr__null(call, "params");
        return false;
    }
    for (size_t i = 0; i < params.count; i++) {
        const mr_tensor *x = params.item[i].tensor;
        const char *name = params.item[i].name && *params.item[i].name ? params.item[i].name : "a parameter";
        if (!x) {
            mr__null(call, name);
            return false;
        }
        if (x->tape) {
            mr__raise(MR_ERR_ARGUMENT, "%s: %s%s lives on a tape: it is no parameter", call, name,
                      mr__tensor_text(x).text);
            return false;
        }
    }
    return true;
}

static bool has_gradient(const mr_tensor *x)
{
    return x->grad && x->own_grad.state == MR__GRAD_WRITTEN;
}

/* The norm of all gradients; *culprit becomes the first whose own is not finite. */
static double norm_of(mr_params params, double order, const mr_param **culprit)
{
    double total = 0;
    *culprit = NULL;
    for (size_t i = 0; i < params.count; i++) {
        if (!has_gradient(params.item[i].tensor))
            continue;
        double part = measure(params.item[i].tensor, order);
        if (!isfinite(part) && !*culprit)
            *culprit = &params.item[i];
        total = isinf(order) ? larger(part, total) : total + part;
    }
    return isinf(order) || order == 1 ? total : order == 2 ? sqrt(total) : pow(total, 1 / order);
}

static void scale(mr_tensor *x, double factor)
{
    if (x->dtype == MR_FLOAT64) {
        double *g = x->own_grad.data;
        for (int64_t i = 0; i < x->numel; i++)
            g[i] *= factor;
    } else {
        float *g = x->own_grad.data;
        mr__k->scale(g, g, (float)factor, x->numel, false);
    }
}

void mr__scale_grads(mr_params params, double factor)
{
    for (size_t i = 0; i < params.count; i++)
        if (has_gradient(params.item[i].tensor))
            scale(params.item[i].tensor, factor);
}

static mr_status check_norm(double max_norm, double order)
{
    if (!(max_norm >= 0))
        return mr__raise(MR_ERR_ARGUMENT, "clip_grad_norm: max_norm %g is negative or not a number",
                         max_norm);
    if (!(order > 0))
        return mr__raise(MR_ERR_ARGUMENT, "clip_grad_norm: norm_type %g is not greater than 0", order);
    return MR_OK;
}

mr_status mr_clip_grad_norm(mr_params params, double max_norm, const mr_clip_grad_norm_opts *opts,
                            double *total_norm)
{
    double order = mr__option(opts ? opts->norm_type : 0, 2);
    if (total_norm)
        *total_norm = NAN;
    mr_status status = check_norm(max_norm, order);
    if (status || !acceptable("clip_grad_norm", params))
        return mr__settle(mr_error_status());
    const mr_param *culprit;
    double total = norm_of(params, order, &culprit);
    if (total_norm)
        *total_norm = total;
    if (!isfinite(total) && opts && opts->error_if_nonfinite)
        return mr__settle(mr__raise(MR_ERR_NONFINITE, "clip_grad_norm: the norm of the gradients is %s%s%s",
                                    isnan(total) ? "nan" : "inf", culprit ? ", by that of " : "",
                                    culprit ? mr__tensor_text(culprit->tensor).text : ""));
    double factor = max_norm / (total + 1e-6);
    for (size_t i = 0; !(factor >= 1) && i < params.count; i++)
        if (has_gradient(params.item[i].tensor))
            scale(params.item[i].tensor, factor);
    return MR_OK;
}

mr_status mr_clip_grad_value(mr_params params, double clip_value)
{
    if (!(clip_value >= 0))
        return mr__settle(mr__raise(
            MR_ERR_ARGUMENT, "clip_grad_value: clip_value %g is negative or not a number", clip_value));
    if (!acceptable("clip_grad_value", params))
        return mr__settle(mr_error_status());
    for (size_t i = 0; i < params.count; i++) {
        mr_tensor *x = params.item[i].tensor;
        if (!has_gradient(x))
            continue;
        if (x->dtype == MR_FLOAT64) {
            double *g = x->own_grad.data;
            for (int64_t k = 0; k < x->numel; k++)
                g[k] = g[k] > clip_value ? clip_value : g[k] < -clip_value ? -clip_value : g[k];
        } else {
            mr__k->clip(x->own_grad.data, (float)clip_value, x->numel);
        }
    }
    return MR_OK;
}

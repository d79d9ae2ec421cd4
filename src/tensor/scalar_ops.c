/* Arithmetic of a tensor and a number. The number is a float, as in Python: integers and bool become float32. */
#include "iterate.h"

#include "kernels/kernels.h"

#include <math.h>

/* y = scale * x + shift, where one of the two is 1 or 0, so that there is one rounding. */
typedef struct affine_node {
    mr__node node;
    double scale; /* of the gradient */
    bool divide;  /* by it, which is rounded otherwise than multiplying */
} affine_node;

static void scale_f64(double *out, const double *x, double alpha, int64_t n, bool add)
{
    for (int64_t i = 0; i < n; i++)
        out[i] = add ? out[i] + alpha * x[i] : alpha * x[i];
}

static void divide_f32(float *out, const float *x, float by, int64_t n, bool add)
{
    for (int64_t i = 0; i < n; i++)
        out[i] = add ? out[i] + x[i] / by : x[i] / by;
}

static void divide_f64(double *out, const double *x, double by, int64_t n, bool add)
{
    for (int64_t i = 0; i < n; i++)
        out[i] = add ? out[i] + x[i] / by : x[i] / by;
}

static void affine_backward(mr_tape *tape, mr__node *node)
{
    mr_tensor *x = node->in[0];
    double scale = ((const affine_node *)node)->scale;
    bool divide = ((const affine_node *)node)->divide;
    bool add = false;
    void *dx = mr__grad_target(tape, x, &add);
    if (dx && divide && x->dtype == MR_FLOAT32)
        divide_f32(dx, mr__grad_of(node->out), (float)scale, x->numel, add);
    else if (dx && divide)
        divide_f64(dx, mr__grad_of(node->out), scale, x->numel, add);
    else if (dx && x->dtype == MR_FLOAT32)
        mr__k->scale(dx, mr__grad_of(node->out), (float)scale, x->numel, add);
    else if (dx)
        scale_f64(dx, mr__grad_of(node->out), scale, x->numel, add);
}

/* x dense and of a floating type; NULL when that cannot be. */
static mr_tensor *prepared(mr_tape *tape, const char *op, mr_tensor *x)
{
    if (!mr__ready1(tape, op, x) || !mr__check_computes(tape, op, x))
        return NULL;
    if (!mr__is_float(x->dtype))
        x = mr_cast(tape, x, MR_FLOAT32);
    return x ? mr_contiguous(tape, x) : NULL;
}

static mr_tensor *shifted(mr_tape *tape, const char *op, mr_tensor *x, double sign, double shift)
{
    x = prepared(tape, op, x);
    mr_tensor *y = x ? mr__result_like(tape, (mr_dtype)x->dtype, x) : NULL;
    if (!y)
        return NULL;
    if (x->dtype == MR_FLOAT32)
        mr__k->affine((float *)y->data, (const float *)x->data, (float)sign, (float)shift, x->numel);
    else
        for (int64_t i = 0; i < x->numel; i++)
            ((double *)y->data)[i] = sign * ((const double *)x->data)[i] + shift;
    if (!mr__tracks(tape, x))
        return y;
    affine_node *node = mr__record(tape, sizeof *node, op, y, affine_backward);
    if (!node)
        return NULL;
    mr__add_input(&node->node, x, false);
    node->scale = sign;
    node->divide = false;
    return y;
}

/* x * factor, or x / factor where that is rounded otherwise. */
static mr_tensor *scaled(mr_tape *tape, const char *op, mr_tensor *x, double factor, bool divide)
{
    x = prepared(tape, op, x);
    mr_tensor *y = x ? mr__result_like(tape, (mr_dtype)x->dtype, x) : NULL;
    if (!y)
        return NULL;
    int64_t n = x->numel;
    if (x->dtype == MR_FLOAT32 && !divide)
        mr__k->scale((float *)y->data, (const float *)x->data, (float)factor, n, false);
    else if (x->dtype == MR_FLOAT32)
        for (int64_t i = 0; i < n; i++)
            ((float *)y->data)[i] = ((const float *)x->data)[i] / (float)factor;
    else
        for (int64_t i = 0; i < n; i++) {
            double v = ((const double *)x->data)[i];
            ((double *)y->data)[i] = divide ? v / factor : v * factor;
        }
    if (!mr__tracks(tape, x))
        return y;
    affine_node *node = mr__record(tape, sizeof *node, op, y, affine_backward);
    if (!node)
        return NULL;
    mr__add_input(&node->node, x, false);
    node->scale = factor;
    node->divide = divide;
    return y;
}

mr_tensor *mr_add_scalar(mr_tape *tape, mr_tensor *x, double value)
{
    return shifted(tape, "add_scalar", x, 1, value);
}

mr_tensor *mr_sub_scalar(mr_tape *tape, mr_tensor *x, double value)
{
    if (x && x->dtype == MR_BOOL && tape && !tape->failed)
        return mr__fail(tape, MR_ERR_DTYPE, "sub_scalar: not defined for bool %s", mr__tensor_text(x).text);
    return shifted(tape, "sub_scalar", x, 1, -value);
}

mr_tensor *mr_rsub_scalar(mr_tape *tape, mr_tensor *x, double value)
{
    if (x && x->dtype == MR_BOOL && tape && !tape->failed)
        return mr__fail(tape, MR_ERR_DTYPE, "rsub_scalar: not defined for bool %s", mr__tensor_text(x).text);
    return shifted(tape, "rsub_scalar", x, -1, value);
}

mr_tensor *mr_mul_scalar(mr_tape *tape, mr_tensor *x, double value)
{
    return scaled(tape, "mul_scalar", x, value, false);
}

mr_tensor *mr_div_scalar(mr_tape *tape, mr_tensor *x, double value)
{
    return scaled(tape, "div_scalar", x, value, true);
}

/* ---- powers ---- */

typedef struct power_node {
    mr__node node;
    double exponent;
} power_node;

/* The exponent stays a double, also for float32, and the square root is one, as in torch. */
static double power(double x, double exponent)
{
    return exponent == 0.5 ? sqrt(x) : exponent == -0.5 ? 1 / sqrt(x) : pow(x, exponent);
}

/* The derivative is 0 for exponent 0, also at 0. */
#define DEFINE_POWER(type)                                                                                 \
    static void power_##type(type *y, const type *x, double exponent, int64_t n)                           \
    {                                                                                                      \
        for (int64_t i = 0; i < n; i++)                                                                    \
            y[i] = exponent == 2 ? x[i] * x[i] : (type)power((double)x[i], exponent);                      \
    }                                                                                                      \
    static void power_gradient_##type(type *dx, const type *dy, const type *x, double exponent, int64_t n, \
                                      bool add)                                                            \
    {                                                                                                      \
        for (int64_t i = 0; i < n; i++) {                                                                  \
            type slope = (type)exponent * (type)power((double)x[i], exponent - 1);                         \
            type d = exponent == 0 ? 0 : dy[i] * slope;                                                    \
            dx[i] = add ? dx[i] + d : d;                                                                   \
        }                                                                                                  \
    }
DEFINE_POWER(float)
DEFINE_POWER(double)

static void power_backward(mr_tape *tape, mr__node *node)
{
    mr_tensor *x = node->in[0];
    double exponent = ((const power_node *)node)->exponent;
    bool add = false;
    void *dx = mr__grad_target(tape, x, &add);
    if (dx && x->dtype == MR_FLOAT32)
        power_gradient_float(dx, mr__grad_of(node->out), (const float *)x->data, exponent, x->numel, add);
    else if (dx)
        power_gradient_double(dx, mr__grad_of(node->out), (const double *)x->data, exponent, x->numel, add);
}

mr_tensor *mr_pow_scalar(mr_tape *tape, mr_tensor *x, double exponent)
{
    x = prepared(tape, "pow_scalar", x);
    mr_tensor *y = x ? mr__result_like(tape, (mr_dtype)x->dtype, x) : NULL;
    if (!y)
        return NULL;
    if (x->dtype == MR_FLOAT32)
        power_float((float *)y->data, (const float *)x->data, exponent, x->numel);
    else
        power_double((double *)y->data, (const double *)x->data, exponent, x->numel);
    if (!mr__tracks(tape, x))
        return y;
    power_node *node = mr__record(tape, sizeof *node, "pow_scalar", y, power_backward);
    if (!node)
        return NULL;
    mr__add_input(&node->node, x, true);
    node->exponent = exponent;
    return y;
}

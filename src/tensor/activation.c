/* Activations: elementwise functions with up to two parameters, whose gradient is made from the input. */
#include "tape.h"

#include "base/option.h"
#include "kernels/kernels.h"
#include "kernels/parallel.h"

#include <millrace/functions.h>

#include <math.h>

/* ---- float64 ---- */

static double sigmoid(double x)
{
    return 1 / (1 + exp(-x));
}

static const double root_half = 0.70710678118654752440, root_2_over_pi = 0.79788456080286535588;

/* tanh(ln(1 + e^x)) */
static double mish_part(double x)
{
    return tanh(x > 20 ? x : log1p(exp(x)));
}

static double value_of(mr__activation kind, double x, double a, double b)
{
    switch (kind) {
    case MR__LEAKY_RELU:
        return x > 0 ? x : a * x;
    case MR__ELU:
        return x > 0 ? b * x : a * b * expm1(x);
    case MR__GELU:
        return x * 0.5 * erfc(-x * root_half);
    case MR__GELU_TANH:
        return 0.5 * x * (1 + tanh(root_2_over_pi * (x + 0.044715 * x * x * x)));
    case MR__SILU:
        return x / (1 + exp(-x));
    case MR__MISH:
        return x * mish_part(x);
    case MR__SOFTPLUS:
        return a * x > b ? x : log1p(exp(a * x)) / a;
    case MR__HARDTANH:
        return x < a ? a : x > b ? b : x;
    case MR__HARDSWISH:
        break;
    }
    return x * fmin(fmax(x + 3, 0), 6) / 6;
}

static double slope_of(mr__activation kind, double x, double a, double b)
{
    double s, t;
    switch (kind) {
    case MR__LEAKY_RELU:
        return x > 0 ? 1 : a;
    case MR__ELU:
        return x > 0 ? b : a * b * exp(x);
    case MR__GELU:
        return 0.5 * erfc(-x * root_half) + x * exp(-0.5 * x * x) * 0.39894228040143267794;
    case MR__GELU_TANH:
        t = tanh(root_2_over_pi * (x + 0.044715 * x * x * x));
        return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * root_2_over_pi * (1 + 3 * 0.044715 * x * x);
    case MR__SILU:
        s = sigmoid(x);
        return s * (1 + x * (1 - s));
    case MR__MISH:
        t = mish_part(x);
        return t + x * sigmoid(x) * (1 - t * t);
    case MR__SOFTPLUS:
        return a * x > b ? 1 : sigmoid(a * x);
    case MR__HARDTANH:
        return x <= a || x >= b ? 0 : 1;
    case MR__HARDSWISH:
        break;
    }
    return x < -3 ? 0 : x < 3 ? x / 3 + 0.5 : 1;
}

/* ---- parts of a tensor ---- */

typedef struct job {
    mr__activation kind;
    bool f32, add;
    double a, b;
    void *out;
    const void *x, *dy;
} job;

static void forward_part(void *work, int64_t begin, int64_t end)
{
    const job *j = work;
    if (j->f32)
        mr__k->activation(j->kind, (float *)j->out + begin, (const float *)j->x + begin, (float)j->a,
                          (float)j->b, end - begin);
    else
        for (int64_t i = begin; i < end; i++)
            ((double *)j->out)[i] = value_of(j->kind, ((const double *)j->x)[i], j->a, j->b);
}

static void backward_part(void *work, int64_t begin, int64_t end)
{
    const job *j = work;
    if (j->f32) {
        mr__k->activation_backward(j->kind, (float *)j->out + begin, (const float *)j->dy + begin,
                                   (const float *)j->x + begin, (float)j->a, (float)j->b, end - begin,
                                   j->add);
        return;
    }
    for (int64_t i = begin; i < end; i++) {
        double *dx = (double *)j->out + i;
        double d = ((const double *)j->dy)[i] * slope_of(j->kind, ((const double *)j->x)[i], j->a, j->b);
        *dx = j->add ? *dx + d : d;
    }
}

static void run_all(mr__part *part, job *j, int64_t n)
{
    if (MR__LIKELY(n < 2 * MR__GRAIN_ELEMENTS))
        part(j, 0, n);
    else
        mr__parallel(part, j, n, MR__GRAIN_ELEMENTS, MR__ALIGNMENT);
}

/* ---- the operations ---- */

typedef struct activation {
    mr__node node;
    mr__activation kind;
    double a, b;
} activation;

static void backward(mr_tape *tape, mr__node *node)
{
    const activation *n = (const activation *)node;
    mr_tensor *x = node->in[0];
    job j = { n->kind, x->dtype == MR_FLOAT32, false, n->a, n->b, NULL, x->data, mr__grad_of(node->out) };
    j.out = mr__grad_target(tape, x, &j.add);
    if (j.out)
        run_all(backward_part, &j, x->numel);
}

static bool check(mr_tape *tape, const char *op, const mr_tensor *x)
{
    if (MR__LIKELY(mr__is_float(x->dtype)))
        return true;
    mr__fail(tape, MR_ERR_DTYPE, "%s: input %s is %s, not a floating type", op, mr__tensor_text(x).text,
             mr_dtype_name((mr_dtype)x->dtype));
    return false;
}

static mr_tensor *apply(mr_tape *tape, const char *op, mr_tensor *x, mr__activation kind, double a, double b)
{
    if (!mr__ready1(tape, op, x) || !check(tape, op, x))
        return NULL;
    if (MR__UNLIKELY(!x->contiguous)) {
        x = mr_contiguous(tape, x);
        if (!x)
            return NULL;
    }
    mr_tensor *y = mr__result_like(tape, (mr_dtype)x->dtype, x);
    if (!y)
        return NULL;
    job j = { kind, x->dtype == MR_FLOAT32, false, a, b, y->data, x->data, NULL };
    run_all(forward_part, &j, y->numel);
    if (!mr__tracks(tape, x))
        return y;
    activation *node = mr__record(tape, sizeof *node, op, y, backward);
    if (!node)
        return NULL;
    mr__add_input(&node->node, x, true);
    node->kind = kind;
    node->a = a;
    node->b = b;
    return y;
}

mr_tensor *mr_leaky_relu(mr_tape *tape, mr_tensor *x, double slope)
{
    return apply(tape, "leaky_relu", x, MR__LEAKY_RELU, slope, 0);
}

mr_tensor *mr_elu(mr_tape *tape, mr_tensor *x, double alpha)
{
    return apply(tape, "elu", x, MR__ELU, alpha, 1);
}

mr_tensor *mr_selu(mr_tape *tape, mr_tensor *x)
{
    return apply(tape, "selu", x, MR__ELU, 1.6732632423543772848170429916717,
                 1.0507009873554804934193349852946);
}

mr_tensor *mr_gelu(mr_tape *tape, mr_tensor *x)
{
    return apply(tape, "gelu", x, MR__GELU, 0, 0);
}

mr_tensor *mr_gelu_tanh(mr_tape *tape, mr_tensor *x)
{
    return apply(tape, "gelu_tanh", x, MR__GELU_TANH, 0, 0);
}

mr_tensor *mr_silu(mr_tape *tape, mr_tensor *x)
{
    return apply(tape, "silu", x, MR__SILU, 0, 0);
}

mr_tensor *mr_mish(mr_tape *tape, mr_tensor *x)
{
    return apply(tape, "mish", x, MR__MISH, 0, 0);
}

mr_tensor *mr_softplus(mr_tape *tape, mr_tensor *x, const mr_softplus_opts *opts)
{
    double beta = opts ? mr__option(opts->beta, 1) : 1;
    double threshold = opts ? mr__option(opts->threshold, 20) : 20;
    if (beta == 0 && tape && !tape->failed)
        return mr__fail(tape, MR_ERR_ARGUMENT, "softplus: a beta of 0");
    return apply(tape, "softplus", x, MR__SOFTPLUS, beta, threshold);
}

mr_tensor *mr_hardtanh(mr_tape *tape, mr_tensor *x, double low, double high)
{
    if (!(low <= high) && tape && !tape->failed)
        return mr__fail(tape, MR_ERR_ARGUMENT, "hardtanh: low %g is above high %g", low, high);
    return apply(tape, "hardtanh", x, MR__HARDTANH, low, high);
}

mr_tensor *mr_hardswish(mr_tape *tape, mr_tensor *x)
{
    return apply(tape, "hardswish", x, MR__HARDSWISH, 0, 0);
}

mr_tensor *mr_glu(mr_tape *tape, mr_tensor *x, int dim)
{
    if (!mr__ready1(tape, "glu", x) || !check(tape, "glu", x))
        return NULL;
    int at = mr__dim("glu", x, dim);
    if (at < 0)
        return mr__stop(tape);
    if (x->ndim == 0 || x->shape[at] % 2)
        return mr__fail(tape, MR_ERR_SHAPE, "glu: dimension %d of input %s has no halves", dim,
                        mr__tensor_text(x).text);
    int64_t half = x->shape[at] / 2;
    mr_tensor *first = mr_slice(tape, x, at, 0, half, 1), *second = mr_slice(tape, x, at, half, 2 * half, 1);
    return mr_mul(tape, first, mr_sigmoid(tape, second));
}

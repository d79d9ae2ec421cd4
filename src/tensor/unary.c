/* Elementwise functions of one tensor. Each is a row of a table: how it is computed in each type, and its
 * gradient from dy and either the input or the result. */
#include "iterate.h"

#include "kernels/kernels.h"
#include "kernels/parallel.h"

#include <math.h>

typedef void (*map_fn)(void *out, const void *in, int64_t n);
typedef void (*gradient_fn)(void *dx, const void *dy, const void *at, int64_t n, bool add);

typedef struct unary {
    const char *name;
    map_fn map[MR_UINT8 + 1]; /* an integer type without one is computed in float32 */
    gradient_fn gradient[2];  /* float32, float64 */
    bool of_input;            /* the gradient is made from the input, else from the result */
    mr_dtype of_bool;         /* the type that bool is computed in; MR_BOOL: not defined for it */
} unary;

typedef struct unary_node {
    mr__node node;
    const unary *op;
} unary_node;

/* `value` is an expression of an element x. */
#define DEFINE_MAP(name, type, value)                      \
    static void name(void *out, const void *in, int64_t n) \
    {                                                      \
        type *restrict o = out;                            \
        const type *p = in;                                \
        for (int64_t i = 0; i < n; i++) {                  \
            const type x = p[i];                           \
            o[i] = (type)(value);                          \
        }                                                  \
    }

/* `value` is an expression of dy and of an element of the input, x, or of the result, y. */
#define DEFINE_GRADIENT(name, type, at, value)                                              \
    static void name(void *dx, const void *gradient, const void *from, int64_t n, bool add) \
    {                                                                                       \
        type *restrict o = dx;                                                              \
        const type *g = gradient, *p = from;                                                \
        for (int64_t i = 0; i < n; i++) {                                                   \
            const type dy = g[i], at = p[i];                                                \
            const type d = (type)(value);                                                   \
            o[i] = add ? o[i] + d : d;                                                      \
        }                                                                                   \
    }

#define DEFINE_KERNEL_MAP(name, kernel)                    \
    static void name(void *out, const void *in, int64_t n) \
    {                                                      \
        mr__k->kernel(out, in, n);                         \
    }

#define DEFINE_KERNEL_GRADIENT(name, kernel)                                        \
    static void name(void *dx, const void *dy, const void *at, int64_t n, bool add) \
    {                                                                               \
        mr__k->kernel(dx, dy, at, n, add);                                          \
    }

/* ---- large tensors, part by part on several threads ---- */

typedef struct map_work {
    map_fn map;
    size_t size;
    char *out;
    const char *in;
} map_work;

static void map_part(void *work, int64_t begin, int64_t end)
{
    const map_work *w = work;
    w->map(w->out + (size_t)begin * w->size, w->in + (size_t)begin * w->size, end - begin);
}

static void map_all(map_fn map, mr_tensor *y, const mr_tensor *x)
{
    if (MR__LIKELY(y->numel < 2 * MR__GRAIN_ELEMENTS)) {
        map(y->data, x->data, y->numel);
        return;
    }
    map_work w = { map, mr_dtype_size((mr_dtype)y->dtype), y->data, x->data };
    mr__parallel(map_part, &w, y->numel, MR__GRAIN_ELEMENTS, MR__ALIGNMENT);
}

typedef struct gradient_work {
    gradient_fn gradient;
    size_t size;
    char *dx;
    const char *dy, *at;
    bool add;
} gradient_work;

static void gradient_part(void *work, int64_t begin, int64_t end)
{
    const gradient_work *w = work;
    size_t from = (size_t)begin * w->size;
    w->gradient(w->dx + from, w->dy + from, w->at + from, end - begin, w->add);
}

static void gradient_all(gradient_fn gradient, void *dx, const mr_tensor *y, const mr_tensor *at, bool add)
{
    if (MR__LIKELY(y->numel < 2 * MR__GRAIN_ELEMENTS)) {
        gradient(dx, mr__grad_of(y), at->data, y->numel, add);
        return;
    }
    gradient_work w = { gradient, mr_dtype_size((mr_dtype)y->dtype), dx, mr__grad_of(y), at->data, add };
    mr__parallel(gradient_part, &w, y->numel, MR__GRAIN_ELEMENTS, MR__ALIGNMENT);
}

/* ---- all operations ---- */

static void unary_backward(mr_tape *tape, mr__node *node)
{
    const unary *op = ((const unary_node *)node)->op;
    mr_tensor *x = node->in[0];
    const mr_tensor *y = node->out;
    bool add = false;
    void *dx = mr__grad_target(tape, x, &add);
    if (dx)
        gradient_all(op->gradient[y->dtype], dx, y, op->of_input ? x : y, add);
}

/* x contiguous and in a type that the operation computes in. NULL when there is none. */
static mr_tensor *prepared(mr_tape *tape, const unary *op, mr_tensor *x)
{
    if (!mr__check_computes(tape, op->name, x))
        return NULL;
    if (x->dtype == MR_BOOL && op->of_bool == MR_BOOL)
        return mr__fail(tape, MR_ERR_DTYPE, "%s: not defined for bool %s", op->name, mr__tensor_text(x).text);
    if (x->dtype == MR_BOOL)
        x = mr_cast(tape, x, op->of_bool);
    else if (!op->map[x->dtype])
        x = mr_cast(tape, x, MR_FLOAT32);
    return x ? mr_contiguous(tape, x) : NULL;
}

static mr_tensor *apply(mr_tape *tape, const unary *op, mr_tensor *x)
{
    if (!mr__ready1(tape, op->name, x))
        return NULL;
    if (MR__UNLIKELY(!mr__is_float(x->dtype) || !x->contiguous)) {
        x = prepared(tape, op, x);
        if (!x)
            return NULL;
    }
    mr_tensor *y = mr__result_like(tape, (mr_dtype)x->dtype, x);
    if (!y)
        return NULL;
    map_all(op->map[x->dtype], y, x);
    if (!mr__tracks(tape, x))
        return y;
    unary_node *node = mr__record(tape, sizeof *node, op->name, y, unary_backward);
    if (!node)
        return NULL;
    mr__add_input(&node->node, x, op->of_input);
    node->op = op;
    return y;
}

/* ---- neg, abs, square, relu: integers stay integers and wrap around ---- */

static void neg_f32(void *out, const void *in, int64_t n)
{
    mr__k->scale(out, in, -1.0f, n, false);
}
DEFINE_MAP(neg_f64, double, -x)
DEFINE_MAP(neg_i64, int64_t, 0 - (uint64_t)x)
DEFINE_MAP(neg_i32, int32_t, 0 - (uint32_t)x)
DEFINE_MAP(neg_u8, uint8_t, 0 - x)

static void neg_gradient_f32(void *dx, const void *dy, const void *at, int64_t n, bool add)
{
    (void)at;
    mr__k->scale(dx, dy, -1.0f, n, add);
}

static void neg_gradient_f64(void *dx, const void *dy, const void *at, int64_t n, bool add)
{
    double *o = dx;
    const double *g = dy;
    (void)at;
    for (int64_t i = 0; i < n; i++)
        o[i] = add ? o[i] - g[i] : -g[i];
}

mr_tensor *mr_neg(mr_tape *tape, mr_tensor *x)
{
    static const unary op = { .name = "neg",
                              .map = { neg_f32, neg_f64, neg_i64, neg_i32, neg_u8 },
                              .gradient = { neg_gradient_f32, neg_gradient_f64 },
                              .of_bool = MR_BOOL };
    return apply(tape, &op, x);
}

DEFINE_MAP(abs_f32, float, fabsf(x))
DEFINE_MAP(abs_f64, double, fabs(x))
DEFINE_MAP(abs_i64, int64_t, x < 0 ? 0 - (uint64_t)x : (uint64_t)x)
DEFINE_MAP(abs_i32, int32_t, x < 0 ? 0 - (uint32_t)x : (uint32_t)x)
DEFINE_MAP(abs_u8, uint8_t, x)
DEFINE_GRADIENT(abs_gradient_f32, float, x, dy *(float)((x > 0) - (x < 0)))
DEFINE_GRADIENT(abs_gradient_f64, double, x, dy *(double)((x > 0) - (x < 0)))

mr_tensor *mr_abs(mr_tape *tape, mr_tensor *x)
{
    static const unary op = { .name = "abs",
                              .map = { abs_f32, abs_f64, abs_i64, abs_i32, abs_u8 },
                              .gradient = { abs_gradient_f32, abs_gradient_f64 },
                              .of_input = true,
                              .of_bool = MR_BOOL };
    return apply(tape, &op, x);
}

static void square_f32(void *out, const void *in, int64_t n)
{
    mr__k->mul(out, in, in, n);
}
DEFINE_MAP(square_f64, double, (x) * (x))
DEFINE_MAP(square_i64, int64_t, (uint64_t)x *(uint64_t)x)
DEFINE_MAP(square_i32, int32_t, (uint32_t)x *(uint32_t)x)
DEFINE_MAP(square_u8, uint8_t, (x) * (x))
DEFINE_GRADIENT(square_gradient_f32, float, x, dy *(2 * x))
DEFINE_GRADIENT(square_gradient_f64, double, x, dy *(2 * x))

mr_tensor *mr_square(mr_tape *tape, mr_tensor *x)
{
    static const unary op = { .name = "square",
                              .map = { square_f32, square_f64, square_i64, square_i32, square_u8 },
                              .gradient = { square_gradient_f32, square_gradient_f64 },
                              .of_input = true,
                              .of_bool = MR_INT64 };
    return apply(tape, &op, x);
}

DEFINE_KERNEL_MAP(relu_f32, relu)
DEFINE_MAP(relu_f64, double, x <= 0 ? 0 : x)
DEFINE_MAP(relu_i64, int64_t, x <= 0 ? 0 : x)
DEFINE_MAP(relu_i32, int32_t, x <= 0 ? 0 : x)
DEFINE_MAP(relu_u8, uint8_t, x)
DEFINE_KERNEL_GRADIENT(relu_gradient_f32, relu_backward)
DEFINE_GRADIENT(relu_gradient_f64, double, y, y <= 0 ? 0 : dy)

mr_tensor *mr_relu(mr_tape *tape, mr_tensor *x)
{
    static const unary op = { .name = "relu",
                              .map = { relu_f32, relu_f64, relu_i64, relu_i32, relu_u8 },
                              .gradient = { relu_gradient_f32, relu_gradient_f64 },
                              .of_bool = MR_BOOL };
    return apply(tape, &op, x);
}

/* ---- the others: integers and bool give float32 ---- */

DEFINE_MAP(reciprocal_f32, float, 1 / x)
DEFINE_MAP(reciprocal_f64, double, 1 / x)
DEFINE_GRADIENT(reciprocal_gradient_f32, float, y, -dy *(y *y))
DEFINE_GRADIENT(reciprocal_gradient_f64, double, y, -dy *(y *y))

mr_tensor *mr_reciprocal(mr_tape *tape, mr_tensor *x)
{
    static const unary op = { .name = "reciprocal",
                              .map = { reciprocal_f32, reciprocal_f64 },
                              .gradient = { reciprocal_gradient_f32, reciprocal_gradient_f64 } };
    return apply(tape, &op, x);
}

DEFINE_KERNEL_MAP(exp_f32, exp)
DEFINE_MAP(exp_f64, double, exp(x))
DEFINE_KERNEL_GRADIENT(exp_gradient_f32, mul_backward)
DEFINE_GRADIENT(exp_gradient_f64, double, y, dy *y)

mr_tensor *mr_exp(mr_tape *tape, mr_tensor *x)
{
    static const unary op = { .name = "exp",
                              .map = { exp_f32, exp_f64 },
                              .gradient = { exp_gradient_f32, exp_gradient_f64 } };
    return apply(tape, &op, x);
}

DEFINE_KERNEL_MAP(ln_f32, log)
DEFINE_MAP(ln_f64, double, log(x))
DEFINE_GRADIENT(ln_gradient_f32, float, x, dy / x)
DEFINE_GRADIENT(ln_gradient_f64, double, x, dy / x)

mr_tensor *mr_ln(mr_tape *tape, mr_tensor *x)
{
    static const unary op = { .name = "ln",
                              .map = { ln_f32, ln_f64 },
                              .gradient = { ln_gradient_f32, ln_gradient_f64 },
                              .of_input = true };
    return apply(tape, &op, x);
}

DEFINE_MAP(sqrt_f32, float, sqrtf(x))
DEFINE_MAP(sqrt_f64, double, sqrt(x))
DEFINE_GRADIENT(sqrt_gradient_f32, float, y, dy / (2 * y))
DEFINE_GRADIENT(sqrt_gradient_f64, double, y, dy / (2 * y))

mr_tensor *mr_sqrt(mr_tape *tape, mr_tensor *x)
{
    static const unary op = { .name = "sqrt",
                              .map = { sqrt_f32, sqrt_f64 },
                              .gradient = { sqrt_gradient_f32, sqrt_gradient_f64 } };
    return apply(tape, &op, x);
}

DEFINE_KERNEL_MAP(sin_f32, sin)
DEFINE_MAP(sin_f64, double, sin(x))
DEFINE_GRADIENT(sin_gradient_f32, float, x, dy *cosf(x))
DEFINE_GRADIENT(sin_gradient_f64, double, x, dy *cos(x))

mr_tensor *mr_sin(mr_tape *tape, mr_tensor *x)
{
    static const unary op = { .name = "sin",
                              .map = { sin_f32, sin_f64 },
                              .gradient = { sin_gradient_f32, sin_gradient_f64 },
                              .of_input = true };
    return apply(tape, &op, x);
}

DEFINE_KERNEL_MAP(cos_f32, cos)
DEFINE_MAP(cos_f64, double, cos(x))
DEFINE_GRADIENT(cos_gradient_f32, float, x, dy * -sinf(x))
DEFINE_GRADIENT(cos_gradient_f64, double, x, dy * -sin(x))

mr_tensor *mr_cos(mr_tape *tape, mr_tensor *x)
{
    static const unary op = { .name = "cos",
                              .map = { cos_f32, cos_f64 },
                              .gradient = { cos_gradient_f32, cos_gradient_f64 },
                              .of_input = true };
    return apply(tape, &op, x);
}

DEFINE_KERNEL_MAP(tanh_f32, tanh)
DEFINE_MAP(tanh_f64, double, tanh(x))
DEFINE_KERNEL_GRADIENT(tanh_gradient_f32, tanh_backward)
DEFINE_GRADIENT(tanh_gradient_f64, double, y, dy *(1 - y * y))

mr_tensor *mr_tanh(mr_tape *tape, mr_tensor *x)
{
    static const unary op = { .name = "tanh",
                              .map = { tanh_f32, tanh_f64 },
                              .gradient = { tanh_gradient_f32, tanh_gradient_f64 } };
    return apply(tape, &op, x);
}

DEFINE_KERNEL_MAP(sigmoid_f32, sigmoid)
DEFINE_MAP(sigmoid_f64, double, 1 / (1 + exp(-x)))
DEFINE_KERNEL_GRADIENT(sigmoid_gradient_f32, sigmoid_backward)
DEFINE_GRADIENT(sigmoid_gradient_f64, double, y, dy *(1 - y) * y)

mr_tensor *mr_sigmoid(mr_tape *tape, mr_tensor *x)
{
    static const unary op = { .name = "sigmoid",
                              .map = { sigmoid_f32, sigmoid_f64 },
                              .gradient = { sigmoid_gradient_f32, sigmoid_gradient_f64 } };
    return apply(tape, &op, x);
}

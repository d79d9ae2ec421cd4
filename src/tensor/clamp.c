/* Limiting elements to a range. */
#include "iterate.h"

#include <math.h>

typedef struct clamp_node {
    mr__node node;
    double low, high;
} clamp_node;

/* An element that is NaN stays; where the bounds cross, the upper one wins. */
#define DEFINE_CLAMP(name, type)                                                \
    static void name(void *out, const void *in, type low, type high, int64_t n) \
    {                                                                           \
        type *restrict o = out;                                                 \
        const type *x = in;                                                     \
        for (int64_t i = 0; i < n; i++) {                                       \
            const type raised = x[i] < low ? low : x[i];                        \
            o[i] = raised > high ? high : raised;                               \
        }                                                                       \
    }
DEFINE_CLAMP(clamp_f32, float)
DEFINE_CLAMP(clamp_f64, double)
DEFINE_CLAMP(clamp_i64, int64_t)
DEFINE_CLAMP(clamp_i32, int32_t)
DEFINE_CLAMP(clamp_u8, uint8_t)

/* The bounds themselves pass the gradient on. */
#define DEFINE_GRADIENT(name, type)                                                                      \
    static void name(void *dx, const void *dy, const void *in, type low, type high, int64_t n, bool add) \
    {                                                                                                    \
        type *restrict o = dx;                                                                           \
        const type *g = dy, *x = in;                                                                     \
        for (int64_t i = 0; i < n; i++) {                                                                \
            const type passed = x[i] >= low && x[i] <= high ? g[i] : 0;                                  \
            o[i] = add ? o[i] + passed : passed;                                                         \
        }                                                                                                \
    }
DEFINE_GRADIENT(gradient_f32, float)
DEFINE_GRADIENT(gradient_f64, double)

static void clamp_backward(mr_tape *tape, mr__node *node)
{
    const clamp_node *c = (const clamp_node *)node;
    mr_tensor *x = node->in[0];
    const void *dy = mr__grad_of(node->out);
    bool add = false;
    if (isinf(c->low) && isinf(c->high)) { /* open on both sides: NaN passes the gradient on, too */
        const mr_shape shape = mr__shape_of(x);
        mr__grad_add(tape, x, dy, &shape);
        return;
    }
    void *dx = mr__grad_target(tape, x, &add);
    if (dx && x->dtype == MR_FLOAT32)
        gradient_f32(dx, dy, x->data, (float)c->low, (float)c->high, x->numel, add);
    else if (dx)
        gradient_f64(dx, dy, x->data, c->low, c->high, x->numel, add);
}

/* A bound of integers: a whole number, or infinite. One that the type cannot hold is as good as its end. */
static int64_t bound(double value, int64_t least, int64_t most)
{
    return value <= (double)least ? least : value >= (double)most ? most : (int64_t)value;
}

static void compute(mr_tensor *y, const mr_tensor *x, double low, double high)
{
    int64_t n = x->numel;
    switch (x->dtype) {
    case MR_FLOAT32:
        clamp_f32(y->data, x->data, (float)low, (float)high, n);
        break;
    case MR_FLOAT64:
        clamp_f64(y->data, x->data, low, high, n);
        break;
    case MR_INT64:
        clamp_i64(y->data, x->data, bound(low, INT64_MIN, INT64_MAX), bound(high, INT64_MIN, INT64_MAX), n);
        break;
    case MR_INT32:
        clamp_i32(y->data, x->data, (int32_t)bound(low, INT32_MIN, INT32_MAX),
                  (int32_t)bound(high, INT32_MIN, INT32_MAX), n);
        break;
    case MR_UINT8:
        clamp_u8(y->data, x->data, (uint8_t)(isinf(low) ? 0 : (int64_t)low),
                 (uint8_t)(isinf(high) ? UINT8_MAX : (int64_t)high), n);
        break;
    }
}

static bool acceptable(mr_tape *tape, const mr_tensor *x, double low, double high)
{
    bool whole = (isinf(low) || low == floor(low)) && (isinf(high) || high == floor(high));
    if (!mr__check_computes(tape, "clamp", x))
        return false;
    if (x->dtype == MR_BOOL)
        mr__fail(tape, MR_ERR_DTYPE, "clamp: not defined for bool %s", mr__tensor_text(x).text);
    else if (isnan(low) || isnan(high))
        mr__fail(tape, MR_ERR_ARGUMENT, "clamp: a bound is NaN");
    else if (!mr__is_float(x->dtype) && !whole)
        mr__fail(tape, MR_ERR_ARGUMENT, "clamp: bounds %g and %g of %s %s are not whole", low, high,
                 mr_dtype_name((mr_dtype)x->dtype), mr__tensor_text(x).text);
    return !tape->failed;
}

mr_tensor *mr_clamp(mr_tape *tape, mr_tensor *x, double low, double high)
{
    if (!mr__ready1(tape, "clamp", x) || !acceptable(tape, x, low, high))
        return NULL;
    x = mr_contiguous(tape, x);
    mr_tensor *y = x ? mr__result_like(tape, (mr_dtype)x->dtype, x) : NULL;
    if (!y)
        return NULL;
    compute(y, x, low, high);
    if (!mr__tracks(tape, x))
        return y;
    clamp_node *node = mr__record(tape, sizeof *node, "clamp", y, clamp_backward);
    if (!node)
        return NULL;
    mr__add_input(&node->node, x, true);
    node->low = low;
    node->high = high;
    return y;
}

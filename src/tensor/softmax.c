/* Softmax and its logarithm along one dimension. */
#include "tape.h"

#include "kernels/kernels.h"

#include <millrace/functions.h>

#include <math.h>

/* The dimension with what lies before and behind it. */
typedef struct softmax_node {
    mr__node node;
    int64_t outer, n, inner;
    bool logarithm;
} softmax_node;

/* ---- float64, one row: `step` elements apart ---- */

static void row_f64(double *y, const double *x, int64_t n, int64_t step, bool logarithm)
{
    double top = -INFINITY, total = 0;
    for (int64_t k = 0; k < n; k++)
        top = x[k * step] > top ? x[k * step] : top;
    for (int64_t k = 0; k < n; k++)
        total += exp(x[k * step] - top);
    for (int64_t k = 0; k < n; k++)
        y[k * step] = logarithm ? x[k * step] - top - log(total) : exp(x[k * step] - top) / total;
}

static void row_gradient_f64(double *dx, const double *dy, const double *y, int64_t n, int64_t step,
                             bool logarithm, bool add)
{
    double sum = 0;
    for (int64_t k = 0; k < n; k++)
        sum += logarithm ? dy[k * step] : dy[k * step] * y[k * step];
    for (int64_t k = 0; k < n; k++) {
        const double g = dy[k * step], v = y[k * step];
        const double d = logarithm ? g - exp(v) * sum : (g - sum) * v;
        dx[k * step] = add ? dx[k * step] + d : d;
    }
}

static void forward_f64(double *y, const double *x, const softmax_node *s)
{
    for (int64_t o = 0; o < s->outer; o++)
        for (int64_t i = 0; i < s->inner; i++) {
            const int64_t at = o * s->n * s->inner + i;
            row_f64(y + at, x + at, s->n, s->inner, s->logarithm);
        }
}

static void gradient_f64(double *dx, const double *dy, const double *y, const softmax_node *s, bool add)
{
    for (int64_t o = 0; o < s->outer; o++)
        for (int64_t i = 0; i < s->inner; i++) {
            const int64_t at = o * s->n * s->inner + i;
            row_gradient_f64(dx + at, dy + at, y + at, s->n, s->inner, s->logarithm, add);
        }
}

/* ---- the operation ---- */

static void softmax_backward(mr_tape *tape, mr__node *node)
{
    const softmax_node *s = (const softmax_node *)node;
    const mr_tensor *y = node->out;
    bool add = false;
    void *dx = mr__grad_target(tape, node->in[0], &add);
    if (!dx)
        return;
    if (y->dtype == MR_FLOAT64)
        gradient_f64(dx, mr__grad_of(y), (const double *)y->data, s, add);
    else if (s->logarithm)
        mr__k->log_softmax_backward(dx, mr__grad_of(y), (const float *)y->data, s->outer, s->n, s->inner,
                                    add);
    else
        mr__k->softmax_backward(dx, mr__grad_of(y), (const float *)y->data, s->outer, s->n, s->inner, add);
}

static mr_tensor *softmax(mr_tape *tape, const char *op, mr_tensor *x, int dim, bool logarithm)
{
    if (!mr__ready1(tape, op, x))
        return NULL;
    if (!mr__is_float(x->dtype))
        return mr__fail(tape, MR_ERR_DTYPE, "%s: not defined for %s %s", op,
                        mr_dtype_name((mr_dtype)x->dtype), mr__tensor_text(x).text);
    dim = mr__dim(op, x, dim);
    if (dim < 0)
        return mr__stop(tape);
    x = mr_contiguous(tape, x);
    mr_tensor *y = x ? mr__result_like(tape, (mr_dtype)x->dtype, x) : NULL;
    if (!y)
        return NULL;
    softmax_node s = { .outer = 1, .n = x->ndim ? x->shape[dim] : 1, .inner = 1, .logarithm = logarithm };
    for (int d = 0; d < x->ndim; d++) {
        s.outer *= d < dim ? x->shape[d] : 1;
        s.inner *= d > dim ? x->shape[d] : 1;
    }
    if (x->dtype == MR_FLOAT64)
        forward_f64((double *)y->data, (const double *)x->data, &s);
    else if (logarithm)
        mr__k->log_softmax((float *)y->data, (const float *)x->data, s.outer, s.n, s.inner);
    else
        mr__k->softmax((float *)y->data, (const float *)x->data, s.outer, s.n, s.inner);
    if (!mr__tracks(tape, x))
        return y;
    softmax_node *node = mr__record(tape, sizeof *node, op, y, softmax_backward);
    if (!node)
        return NULL;
    mr__add_input(&node->node, x, false);
    node->outer = s.outer;
    node->n = s.n;
    node->inner = s.inner;
    node->logarithm = logarithm;
    return y;
}

mr_tensor *mr_softmax(mr_tape *tape, mr_tensor *x, int dim)
{
    return softmax(tape, "softmax", x, dim, false);
}

mr_tensor *mr_log_softmax(mr_tape *tape, mr_tensor *x, int dim)
{
    return softmax(tape, "log_softmax", x, dim, true);
}

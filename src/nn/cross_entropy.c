/* Cross entropy of logits with class numbers: log-softmax and negative log-likelihood in one. */
#include "tensor/tape.h"

#include <millrace/nn.h>

#include <math.h>

/* With K classes and smoothing e, the loss of row i is
 *     (1 - e) * -logp[target] + e/K * sum over k of -logp[k],
 * and its gradient (softmax - (1 - e) * onehot(target) - e/K) for rows that are not ignored. */
typedef struct entropy_node {
    mr__node node;
    int64_t rows, classes, ignored; /* ignored: the class number that does not count */
    double smoothing;
    double divisor; /* rows that count, for the mean; 1 otherwise */
    bool per_row;   /* reduction none: a gradient for each row */
} entropy_node;

#define DEFINE_TYPED(type, exp_, log_)                                                                  \
    static double row_loss_##type(const type *x, int64_t classes, int64_t target, double smoothing)     \
    {                                                                                                   \
        type largest = x[0], total = 0;                                                                 \
        double sum_x = 0;                                                                               \
        for (int64_t k = 1; k < classes; k++)                                                           \
            largest = x[k] > largest ? x[k] : largest;                                                  \
        for (int64_t k = 0; k < classes; k++)                                                           \
            total += exp_(x[k] - largest);                                                              \
        type log_total = log_(total);                                                                   \
        double nll = -(double)(x[target] - largest - log_total);                                        \
        if (smoothing == 0)                                                                             \
            return nll;                                                                                 \
        for (int64_t k = 0; k < classes; k++)                                                           \
            sum_x -= (double)(x[k] - largest - log_total);                                              \
        return (1 - smoothing) * nll + smoothing / (double)classes * sum_x;                             \
    }                                                                                                   \
    static void row_gradient_##type(type *dx, const type *x, int64_t classes, int64_t target,           \
                                    double smoothing, type scale, bool add)                             \
    {                                                                                                   \
        type largest = x[0], total = 0, spread = (type)(smoothing / (double)classes);                   \
        for (int64_t k = 1; k < classes; k++)                                                           \
            largest = x[k] > largest ? x[k] : largest;                                                  \
        for (int64_t k = 0; k < classes; k++)                                                           \
            total += exp_(x[k] - largest);                                                              \
        for (int64_t k = 0; k < classes; k++) {                                                         \
            type g = exp_(x[k] - largest) / total - spread - (k == target ? (type)(1 - smoothing) : 0); \
            dx[k] = add ? dx[k] + scale * g : scale * g;                                                \
        }                                                                                               \
    }
DEFINE_TYPED(float, expf, logf)
DEFINE_TYPED(double, exp, log)

static void entropy_backward(mr_tape *tape, mr__node *base)
{
    entropy_node *node = (entropy_node *)base;
    mr_tensor *x = base->in[0];
    const int64_t *target = (const int64_t *)base->in[1]->data;
    int64_t classes = node->classes;
    bool add = false;
    char *dx = mr__grad_target(tape, x, &add);
    if (!dx)
        return;
    size_t size = mr_dtype_size((mr_dtype)x->dtype), row_bytes = (size_t)classes * size;
    for (int64_t i = 0; i < node->rows; i++, dx += row_bytes) {
        int64_t at = node->per_row ? i : 0;
        if (target[i] == node->ignored) {
            if (!add)
                memset(dx, 0, row_bytes);
        } else if (x->dtype == MR_FLOAT32) {
            float g = ((const float *)mr__grad_of(base->out))[at] / (float)node->divisor;
            row_gradient_float((float *)dx, (const float *)x->data + i * classes, classes, target[i],
                               node->smoothing, g, add);
        } else {
            double g = ((const double *)mr__grad_of(base->out))[at] / node->divisor;
            row_gradient_double((double *)dx, (const double *)x->data + i * classes, classes, target[i],
                                node->smoothing, g, add);
        }
    }
}

static bool acceptable(mr_tape *tape, const mr_tensor *x, const mr_tensor *target, mr_reduction reduction,
                       double smoothing)
{
    if ((unsigned)reduction > MR_REDUCE_NONE)
        mr__fail(tape, MR_ERR_ARGUMENT, "cross_entropy: %d is no reduction", (int)reduction);
    else if (!mr__is_float(x->dtype) || target->dtype != MR_INT64)
        mr__fail(tape, MR_ERR_DTYPE,
                 "cross_entropy: input is %s and target %s, not a floating type and int64",
                 mr_dtype_name((mr_dtype)x->dtype), mr_dtype_name((mr_dtype)target->dtype));
    else if (x->ndim < 1 || x->ndim > 2 || target->ndim != x->ndim - 1 ||
             (x->ndim == 2 && x->shape[0] != target->shape[0]))
        mr__fail(tape, MR_ERR_SHAPE, "cross_entropy: input %s and target %s, not (N,C) and (N)",
                 mr__tensor_text(x).text, mr__tensor_text(target).text);
    else if (!(smoothing >= 0 && smoothing <= 1))
        mr__fail(tape, MR_ERR_ARGUMENT, "cross_entropy: label smoothing %g is not from 0 to 1", smoothing);
    return !tape->failed;
}

/* Fills in the loss of each row, and counts the rows that are not ignored; -1 after a failure. */
static int64_t row_losses(mr_tape *tape, const entropy_node *sizes, const mr_tensor *x,
                          const mr_tensor *target, double *loss)
{
    const int64_t *t = (const int64_t *)target->data;
    int64_t counted = 0, classes = sizes->classes;
    for (int64_t i = 0; i < sizes->rows; i++) {
        loss[i] = 0;
        if (t[i] == sizes->ignored)
            continue;
        if (t[i] < 0 || t[i] >= classes) {
            mr__fail(tape, MR_ERR_ARGUMENT, "cross_entropy: target %lld of row %lld is no class of %lld",
                     (long long)t[i], (long long)i, (long long)classes);
            return -1;
        }
        counted++;
        loss[i] =
            x->dtype == MR_FLOAT32
                ? row_loss_float((const float *)x->data + i * classes, classes, t[i], sizes->smoothing)
                : row_loss_double((const double *)x->data + i * classes, classes, t[i], sizes->smoothing);
    }
    return counted;
}

static mr_tensor *reduce_rows(mr_tape *tape, const mr_tensor *target, mr_dtype dtype, mr_reduction reduction,
                              const double *loss, int64_t rows, double divisor)
{
    bool none = reduction == MR_REDUCE_NONE;
    mr_tensor *y =
        none ? mr__result(tape, dtype, target->ndim, target->shape) : mr__result(tape, dtype, 0, NULL);
    if (!y)
        return NULL;
    if (none) {
        mr__cast_elements(dtype, y->data, MR_FLOAT64, loss, 1, rows);
        return y;
    }
    double sum = 0;
    for (int64_t i = 0; i < rows; i++)
        sum += loss[i];
    sum /= divisor;
    mr__cast_elements(dtype, y->data, MR_FLOAT64, &sum, 1, 1);
    return y;
}

mr_tensor *mr_cross_entropy(mr_tape *tape, mr_tensor *input, mr_tensor *target,
                            const mr_cross_entropy_opts *opts)
{
    static const mr_cross_entropy_opts defaults = { 0 };
    opts = opts ? opts : &defaults;
    double smoothing = opts->label_smoothing == MR_ZERO ? 0 : opts->label_smoothing;
    if (!mr__ready2(tape, "cross_entropy", input, target) ||
        !acceptable(tape, input, target, opts->reduction, smoothing))
        return NULL;
    input = mr_contiguous(tape, input);
    target = mr_contiguous(tape, target);
    if (tape->failed)
        return NULL;
    entropy_node sizes = { .rows = target->numel,
                           .classes = input->shape[input->ndim - 1],
                           .ignored = opts->has_ignore_index ? opts->ignore_index : -100,
                           .smoothing = smoothing,
                           .per_row = opts->reduction == MR_REDUCE_NONE };
    double *loss = mr__arena_alloc(&tape->arena, (size_t)sizes.rows * sizeof *loss);
    if (!loss)
        return mr__stop(tape);
    int64_t counted = row_losses(tape, &sizes, input, target, loss);
    if (counted < 0)
        return NULL;
    sizes.divisor =
        opts->reduction == MR_REDUCE_MEAN ? (double)counted : 1; /* none count: 0/0, NaN as in torch */
    mr_tensor *y =
        reduce_rows(tape, target, (mr_dtype)input->dtype, opts->reduction, loss, sizes.rows, sizes.divisor);
    if (!y || !mr__tracks(tape, input))
        return y;
    entropy_node *node = mr__record(tape, sizeof *node, "cross_entropy", y, entropy_backward);
    if (!node)
        return NULL;
    mr__add_input(&node->node, input, true);
    mr__add_input(&node->node, target, true);
    node->rows = sizes.rows;
    node->classes = sizes.classes;
    node->ignored = sizes.ignored;
    node->smoothing = sizes.smoothing;
    node->divisor = sizes.divisor;
    node->per_row = sizes.per_row;
    return y;
}

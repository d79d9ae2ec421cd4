/* Cross entropy of logits with probabilities. */
#include "nn/cross_entropy.h"

#include "tensor/shape.h"

/* With K classes, weights w and smoothing e, q = (1 - e) target + e/K, and the loss of a row is the sum over k of
 * w[k] q[k] * -logp[k]. Its gradients are softmax * sum of w q - w q, and (1 - e) w * -logp. */
typedef struct soft_node {
    mr__node node;
    mr__classes sizes;
    mr__softmax_parts parts;
    const void *weight;
    double smoothing;
    double divisor; /* of the gradient */
    bool per_row;   /* reduction none: a gradient for each row */
} soft_node;

#define DEFINE_TYPED(type)                                                                              \
    static type share_##type(const type *q, int64_t at, int64_t k, const soft_node *n)                  \
    {                                                                                                   \
        const type *weight = n->weight;                                                                 \
        type value = q[at];                                                                             \
        if (n->smoothing != 0)                                                                          \
            value = value * (type)(1 - n->smoothing) + (type)(n->smoothing / (double)n->sizes.classes); \
        return weight ? value * weight[k] : value;                                                      \
    }                                                                                                   \
    static void losses_##type(double *loss, const type *x, const type *q, const soft_node *n)           \
    {                                                                                                   \
        const type *top = n->parts.top, *logarithm = n->parts.logarithm;                                \
        const mr__classes *s = &n->sizes;                                                               \
        MR__EACH_ROW(s, i, begin)                                                                       \
        {                                                                                               \
            double sum = 0;                                                                             \
            for (int64_t k = 0, at = begin; k < s->classes; k++, at += s->inner)                        \
                sum += (double)((logarithm[i] - (x[at] - top[i])) * share_##type(q, at, k, n));         \
            loss[i] = sum;                                                                              \
        }                                                                                               \
    }                                                                                                   \
    static void input_gradient_##type(type *dx, const type *dy, const type *q, type *factor,            \
                                      const soft_node *n, bool add)                                     \
    {                                                                                                   \
        const type *total = n->parts.total;                                                             \
        const mr__classes *s = &n->sizes;                                                               \
        MR__EACH_ROW(s, i, begin)                                                                       \
        {                                                                                               \
            type sum = 0;                                                                               \
            for (int64_t k = 0, at = begin; k < s->classes; k++, at += s->inner)                        \
                sum += share_##type(q, at, k, n);                                                       \
            factor[i] = dy[n->per_row ? i : 0] / (type)n->divisor * sum / total[i];                     \
        }                                                                                               \
        mr__scale_rows((mr_dtype)n->node.out->dtype, dx, n->parts.powers, factor, s, add);              \
        MR__EACH_ROW(s, i, begin)                                                                       \
        {                                                                                               \
            const type g = dy[n->per_row ? i : 0] / (type)n->divisor;                                   \
            for (int64_t k = 0, at = begin; k < s->classes; k++, at += s->inner)                        \
                dx[at] -= g * share_##type(q, at, k, n);                                                \
        }                                                                                               \
    }                                                                                                   \
    static void target_gradient_##type(type *dq, const type *dy, const type *x, const soft_node *n,     \
                                       bool add)                                                        \
    {                                                                                                   \
        const type *top = n->parts.top, *logarithm = n->parts.logarithm, *weight = n->weight;           \
        const mr__classes *s = &n->sizes;                                                               \
        MR__EACH_ROW(s, i, begin)                                                                       \
        {                                                                                               \
            const type g = dy[n->per_row ? i : 0] / (type)n->divisor * (type)(1 - n->smoothing);        \
            for (int64_t k = 0, at = begin; k < s->classes; k++, at += s->inner) {                      \
                const type d = g * (weight ? weight[k] : 1) * (logarithm[i] - (x[at] - top[i]));        \
                dq[at] = add ? dq[at] + d : d;                                                          \
            }                                                                                           \
        }                                                                                               \
    }
DEFINE_TYPED(float)
DEFINE_TYPED(double)

static void soft_backward(mr_tape *tape, mr__node *node)
{
    const soft_node *n = (const soft_node *)node;
    mr_tensor *x = node->in[0], *q = node->in[1];
    const void *dy = mr__grad_of(node->out);
    bool add = false, f32 = x->dtype == MR_FLOAT32;
    void *dx = mr__grad_target(tape, x, &add);
    void *factor = dx ? mr__scratch(tape, (mr_dtype)x->dtype, n->sizes.rows) : NULL;
    if (factor && f32)
        input_gradient_float(dx, dy, (const float *)q->data, factor, n, add);
    else if (factor)
        input_gradient_double(dx, dy, (const double *)q->data, factor, n, add);
    void *dq = tape->failed ? NULL : mr__grad_target(tape, q, &add);
    if (dq && f32)
        target_gradient_float(dq, dy, (const float *)x->data, n, add);
    else if (dq)
        target_gradient_double(dq, dy, (const double *)x->data, n, add);
}

/* A header without elements that has the shape of a loss for each row. */
static mr_tensor *row_shape(mr_tape *tape, const mr_tensor *input)
{
    mr_tensor *y = mr__header(tape, (mr_dtype)input->dtype);
    mr_shape shape = { 0, { 0 } };
    for (int d = 0; d < input->ndim; d++)
        if (d != (input->ndim > 1))
            shape.dim[shape.ndim++] = input->shape[d];
    if (y)
        mr__set_shape(y, shape.ndim, shape.dim);
    return y;
}

mr_tensor *mr__soft_cross_entropy(mr_tape *tape, mr_tensor *input, mr_tensor *target, mr_tensor *weight,
                                  mr_reduction reduction, double smoothing)
{
    if (!mr__loss_operands(tape, &input, &target) ||
        (weight && !mr__class_weight(tape, "cross_entropy", input, weight)))
        return NULL;
    weight = weight ? mr_contiguous(tape, weight) : NULL;
    if (tape->failed)
        return NULL;
    bool tracks = mr__tracks(tape, input) || mr__tracks(tape, target), f32 = input->dtype == MR_FLOAT32;
    soft_node n = { .sizes = mr__classes_of(input),
                    .weight = weight ? weight->data : NULL,
                    .smoothing = smoothing,
                    .per_row = reduction == MR_REDUCE_NONE };
    n.divisor = reduction == MR_REDUCE_MEAN ? (double)n.sizes.rows : 1;
    double *loss = mr__arena_alloc(&tape->arena, (size_t)n.sizes.rows * sizeof *loss);
    mr_tensor *like = row_shape(tape, input);
    if (!loss || !like)
        return mr__stop(tape);
    if (!mr__softmax_parts_of(tape, input, &n.sizes, tracks, &n.parts))
        return NULL;
    if (f32)
        losses_float(loss, (const float *)input->data, (const float *)target->data, &n);
    else
        losses_double(loss, (const double *)input->data, (const double *)target->data, &n);
    mr_tensor *y = mr__reduce_rows(tape, like, input, reduction, loss, n.sizes.rows, n.divisor);
    if (!y || !tracks)
        return y;
    soft_node *node = mr__record(tape, sizeof *node, "cross_entropy", y, soft_backward);
    if (!node)
        return NULL;
    mr__add_input(&node->node, input, true);
    mr__add_input(&node->node, target, true);
    if (weight)
        mr__add_input(&node->node, weight, true);
    n.node = node->node;
    *node = n;
    return y;
}

/* Cross entropy of logits with class numbers: log-softmax and negative log-likelihood in one. */
#include "nn/cross_entropy.h"

#include "tensor/shape.h"

#include <math.h>

/* With K classes, weights w and smoothing e, the loss of row i is
 *     (1 - e) w[target] * -logp[target] + e/K * sum over k of w[k] * -logp[k],
 * and its gradient, for rows that are not ignored,
 *     softmax * ((1 - e) w[target] + e/K * sum of w) - (1 - e) w[target] * onehot(target) - e/K * w. */
typedef struct entropy_node {
    mr__node node;
    mr__classes sizes;
    mr__targets targets;
    mr__softmax_parts parts;
    double smoothing;
    double divisor; /* of the gradient */
    bool per_row;   /* reduction none: a gradient for each row */
    bool even;      /* no row is ignored, none has a weight, and nothing is smoothed */
} entropy_node;

#define DEFINE_TYPED(type)                                                                                \
    /* The sum of all losses without weights and smoothing; -1 in *counted when a number is no class. */  \
    static double sum_##type(const type *x, const entropy_node *n, int64_t *counted)                      \
    {                                                                                                     \
        const type *top = n->parts.top, *logarithm = n->parts.logarithm;                                  \
        const mr__classes *s = &n->sizes;                                                                 \
        double s0 = 0, s1 = 0, s2 = 0, s3 = 0; /* take turns */                                           \
        int64_t count = 0;                                                                                \
        bool right = true;                                                                                \
        MR__EACH_ROW(s, i, begin)                                                                         \
        {                                                                                                 \
            const int64_t number = n->targets.number[i];                                                  \
            if ((uint64_t)number < (uint64_t)s->classes && number != n->targets.ignored) {                \
                const double sum = s0 + (double)(logarithm[i] - (x[begin + number * s->inner] - top[i])); \
                s0 = s1, s1 = s2, s2 = s3, s3 = sum;                                                      \
                count++;                                                                                  \
            } else {                                                                                      \
                right = right && number == n->targets.ignored;                                            \
            }                                                                                             \
        }                                                                                                 \
        *counted = right ? count : -1;                                                                    \
        return (s0 + s1) + (s2 + s3);                                                                     \
    }                                                                                                     \
    static void losses_##type(double *loss, const type *x, const entropy_node *n)                         \
    {                                                                                                     \
        const type *top = n->parts.top, *logarithm = n->parts.logarithm, *weight = n->targets.weight;     \
        const mr__classes *s = &n->sizes;                                                                 \
        MR__EACH_ROW(s, i, begin)                                                                         \
        {                                                                                                 \
            const int64_t number = n->targets.number[i];                                                  \
            loss[i] = 0;                                                                                  \
            if (number == n->targets.ignored)                                                             \
                continue;                                                                                 \
            loss[i] = (double)(logarithm[i] - (x[begin + number * s->inner] - top[i]));                   \
            if (weight)                                                                                   \
                loss[i] *= (double)weight[number];                                                        \
        }                                                                                                 \
    }                                                                                                     \
    static void smooth_##type(double *loss, const type *x, const entropy_node *n)                         \
    {                                                                                                     \
        const type *top = n->parts.top, *logarithm = n->parts.logarithm, *weight = n->targets.weight;     \
        const mr__classes *s = &n->sizes;                                                                 \
        MR__EACH_ROW(s, i, begin)                                                                         \
        {                                                                                                 \
            double sum = 0;                                                                               \
            if (n->targets.number[i] == n->targets.ignored)                                               \
                continue;                                                                                 \
            for (int64_t k = 0; k < s->classes; k++)                                                      \
                sum += (double)((logarithm[i] - (x[begin + k * s->inner] - top[i])) *                     \
                                (weight ? weight[k] : 1));                                                \
            loss[i] = (1 - n->smoothing) * loss[i] + n->smoothing / (double)s->classes * sum;             \
        }                                                                                                 \
    }                                                                                                     \
    /* Of one row: what its powers are multiplied by, from g over their sum. */                           \
    static type factor_##type(type g, int64_t number, type rest, type all, const entropy_node *n)         \
    {                                                                                                     \
        const type *weight = n->targets.weight;                                                           \
        return number == n->targets.ignored ? 0 : g * ((weight ? rest * weight[number] : rest) + all);    \
    }                                                                                                     \
    static void gradient_##type(type *dx, const type *dy, type *factor, const entropy_node *n, bool add)  \
    {                                                                                                     \
        const type *total = n->parts.total, *weight = n->targets.weight;                                  \
        const mr__classes *s = &n->sizes;                                                                 \
        const type spread = (type)(n->smoothing / (double)s->classes), rest = (type)(1 - n->smoothing);   \
        const type divisor = (type)n->divisor, one = n->per_row ? 0 : dy[0] / divisor;                    \
        type all = 0;                                                                                     \
        for (int64_t k = 0; spread != 0 && k < s->classes; k++)                                           \
            all += spread * (weight ? weight[k] : 1);                                                     \
        for (int64_t i = 0; i < s->rows; i++)                                                             \
            factor[i] = (n->per_row ? dy[i] / divisor : one) / total[i];                                  \
        for (int64_t i = 0; !n->even && i < s->rows; i++)                                                 \
            factor[i] = factor_##type(factor[i], n->targets.number[i], rest, all, n);                     \
        mr__scale_rows((mr_dtype)n->node.out->dtype, dx, n->parts.powers, factor, s, add);                \
        MR__EACH_ROW(s, i, begin)                                                                         \
        {                                                                                                 \
            const int64_t number = n->targets.number[i];                                                  \
            const type g = n->per_row ? dy[i] / divisor : one;                                            \
            if (number == n->targets.ignored)                                                             \
                continue;                                                                                 \
            dx[begin + number * s->inner] -= weight ? g * rest * weight[number] : g * rest;               \
            for (int64_t k = 0; spread != 0 && k < s->classes; k++)                                       \
                dx[begin + k * s->inner] -= g * spread * (weight ? weight[k] : 1);                        \
        }                                                                                                 \
    }
DEFINE_TYPED(float)
DEFINE_TYPED(double)

static void entropy_backward(mr_tape *tape, mr__node *node)
{
    const entropy_node *n = (const entropy_node *)node;
    mr_tensor *x = node->in[0];
    bool add = false;
    void *dx = mr__grad_target(tape, x, &add);
    void *factor = dx ? mr__scratch(tape, (mr_dtype)x->dtype, n->sizes.rows) : NULL;
    if (!factor)
        return;
    if (x->dtype == MR_FLOAT32)
        gradient_float(dx, mr__grad_of(node->out), factor, n, add);
    else
        gradient_double(dx, mr__grad_of(node->out), factor, n, add);
}

/* The usual case: no weights, nothing smoothed, a sum or mean. */
static mr_tensor *plain(mr_tape *tape, const mr_tensor *input, const mr_tensor *target,
                        mr_reduction reduction, entropy_node *n)
{
    int64_t counted;
    const bool f32 = input->dtype == MR_FLOAT32;
    const double sum = f32 ? sum_float((const float *)input->data, n, &counted)
                           : sum_double((const double *)input->data, n, &counted);
    if (counted < 0) {
        mr__class_targets(tape, "cross_entropy", &n->sizes, target, (mr_dtype)input->dtype, &n->targets);
        return NULL;
    }
    n->divisor = reduction == MR_REDUCE_MEAN ? (double)counted : 1;
    n->even = counted == n->sizes.rows;
    mr_tensor *y = mr__result(tape, (mr_dtype)input->dtype, 0, NULL);
    if (y && f32)
        *(float *)y->data = (float)(sum / n->divisor);
    else if (y)
        *(double *)y->data = sum / n->divisor;
    return y;
}

/* All cases. */
static mr_tensor *general(mr_tape *tape, const mr_tensor *input, const mr_tensor *target,
                          mr_reduction reduction, entropy_node *n)
{
    mr_dtype dtype = (mr_dtype)input->dtype;
    if (!mr__class_targets(tape, "cross_entropy", &n->sizes, target, dtype, &n->targets))
        return NULL;
    n->divisor = reduction == MR_REDUCE_MEAN ? n->targets.divisor : 1;
    double *loss = mr__arena_alloc(&tape->arena, (size_t)n->sizes.rows * sizeof *loss);
    if (!loss)
        return mr__stop(tape);
    if (dtype == MR_FLOAT32)
        losses_float(loss, (const float *)input->data, n);
    else
        losses_double(loss, (const double *)input->data, n);
    if (n->smoothing != 0 && dtype == MR_FLOAT32)
        smooth_float(loss, (const float *)input->data, n);
    else if (n->smoothing != 0)
        smooth_double(loss, (const double *)input->data, n);
    /* What is smoothed has a sum even where no target counts; the mean is NaN there. */
    if (n->smoothing != 0 && n->divisor == 0 && n->sizes.rows)
        loss[0] = NAN;
    return mr__reduce_rows(tape, target, input, reduction, loss, n->sizes.rows, n->divisor);
}

static mr_tensor *hard(mr_tape *tape, mr_tensor *input, mr_tensor *target, mr_tensor *weight,
                       const mr_cross_entropy_opts *opts, double smoothing)
{
    if (!mr__class_inputs(tape, "cross_entropy", input, target, weight))
        return NULL;
    input = mr_contiguous(tape, input);
    target = mr_contiguous(tape, target);
    weight = weight ? mr_contiguous(tape, weight) : NULL;
    if (tape->failed)
        return NULL;
    bool tracks = mr__tracks(tape, input), none = opts->reduction == MR_REDUCE_NONE;
    entropy_node n = { .sizes = mr__classes_of(input),
                       .targets = { .number = (const int64_t *)target->data,
                                    .ignored = mr__index(opts->has_ignore_index, opts->ignore_index, -100),
                                    .weight = weight ? weight->data : NULL },
                       .smoothing = smoothing,
                       .per_row = none };
    if (!mr__softmax_parts_of(tape, input, &n.sizes, tracks, &n.parts))
        return NULL;
    mr_tensor *y = weight || smoothing != 0 || none ? general(tape, input, target, opts->reduction, &n)
                                                    : plain(tape, input, target, opts->reduction, &n);
    if (!y || !tracks)
        return y;
    entropy_node *node = mr__record(tape, sizeof *node, "cross_entropy", y, entropy_backward);
    if (!node)
        return NULL;
    mr__add_input(&node->node, input, false);
    mr__add_input(&node->node, target, true);
    if (weight)
        mr__add_input(&node->node, weight, true);
    n.node = node->node;
    *node = n;
    return y;
}

static mr_tensor *cross_entropy(mr_tape *tape, mr_tensor *input, mr_tensor *target, mr_tensor *weight,
                                const mr_cross_entropy_opts *opts)
{
    static const mr_cross_entropy_opts defaults = { 0 };
    opts = opts ? opts : &defaults;
    const double smoothing = mr__option(opts->label_smoothing, 0);
    if (!mr__loss_reduction(tape, "cross_entropy", opts->reduction))
        return NULL;
    if (!(smoothing >= 0 && smoothing <= 1))
        return mr__fail(tape, MR_ERR_ARGUMENT, "cross_entropy: label smoothing %g is not from 0 to 1",
                        smoothing);
    bool soft = mr__is_float(target->dtype) && mr__is_float(input->dtype) && mr__same_shape(input, target) &&
                input->ndim;
    if (!soft)
        return hard(tape, input, target, weight, opts, smoothing);
    if (mr__has_index(opts->has_ignore_index, opts->ignore_index))
        return mr__fail(tape, MR_ERR_ARGUMENT,
                        "cross_entropy: with probabilities as target %s there is no index to ignore",
                        mr__tensor_text(target).text);
    return mr__soft_cross_entropy(tape, input, target, weight, opts->reduction, smoothing);
}

mr_tensor *mr_cross_entropy(mr_tape *tape, mr_tensor *input, mr_tensor *target,
                            const mr_cross_entropy_opts *opts)
{
    return mr__ready2(tape, "cross_entropy", input, target) ? cross_entropy(tape, input, target, NULL, opts)
                                                            : NULL;
}

mr_tensor *mr_cross_entropy_weighted(mr_tape *tape, mr_tensor *input, mr_tensor *target, mr_tensor *weight,
                                     const mr_cross_entropy_opts *opts)
{
    if (!mr__ready2(tape, "cross_entropy", input, target))
        return NULL;
    if (!mr__usable(weight))
        return mr__not_ready(tape, "cross_entropy", weight, "weight");
    return cross_entropy(tape, input, target, weight, opts);
}

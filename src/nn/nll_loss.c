/* The negative log-likelihood of class numbers. */
#include "nn/losses.h"

typedef struct nll_node {
    mr__node node;
    mr__classes sizes;
    mr__targets targets;
    double divisor; /* of the gradient */
    bool per_row;   /* reduction none: a gradient for each row */
} nll_node;

#define DEFINE_TYPED(type)                                                                             \
    static void losses_##type(double *loss, const type *x, const mr__classes *s, const mr__targets *t) \
    {                                                                                                  \
        const type *weight = t->weight;                                                                \
        MR__EACH_ROW(s, i, begin)                                                                      \
        {                                                                                              \
            const int64_t number = t->number[i];                                                       \
            loss[i] = 0;                                                                               \
            if (number != t->ignored)                                                                  \
                loss[i] = -(double)(x[begin + number * s->inner] * (weight ? weight[number] : 1));     \
        }                                                                                              \
    }                                                                                                  \
    static void gradient_##type(type *dx, const type *dy, const nll_node *n)                           \
    {                                                                                                  \
        const mr__classes *s = &n->sizes;                                                              \
        const type *weight = n->targets.weight;                                                        \
        MR__EACH_ROW(s, i, begin)                                                                      \
        {                                                                                              \
            const int64_t number = n->targets.number[i];                                               \
            if (number == n->targets.ignored)                                                          \
                continue;                                                                              \
            const type g = dy[n->per_row ? i : 0] * (weight ? weight[number] : 1);                     \
            dx[begin + number * s->inner] -= g / (type)n->divisor;                                     \
        }                                                                                              \
    }
DEFINE_TYPED(float)
DEFINE_TYPED(double)

static void nll_backward(mr_tape *tape, mr__node *node)
{
    mr_tensor *x = node->in[0];
    bool add = false, f32 = x->dtype == MR_FLOAT32;
    void *dx = mr__grad_target(tape, x, &add);
    if (!dx)
        return;
    if (!add)
        memset(dx, 0, (size_t)x->numel * mr_dtype_size((mr_dtype)x->dtype));
    if (f32)
        gradient_float(dx, mr__grad_of(node->out), (const nll_node *)node);
    else
        gradient_double(dx, mr__grad_of(node->out), (const nll_node *)node);
}

static mr_tensor *nll(mr_tape *tape, mr_tensor *input, mr_tensor *target, mr_tensor *weight,
                      const mr_nll_opts *opts)
{
    static const mr_nll_opts defaults = { 0 };
    opts = opts ? opts : &defaults;
    if (!mr__loss_reduction(tape, "nll_loss", opts->reduction) ||
        !mr__class_inputs(tape, "nll_loss", input, target, weight))
        return NULL;
    input = mr_contiguous(tape, input);
    target = mr_contiguous(tape, target);
    weight = weight ? mr_contiguous(tape, weight) : NULL;
    if (tape->failed)
        return NULL;
    const mr__classes sizes = mr__classes_of(input);
    mr__targets targets = { .ignored = mr__index(opts->has_ignore_index, opts->ignore_index, -100),
                            .weight = weight ? weight->data : NULL };
    if (!mr__class_targets(tape, "nll_loss", &sizes, target, (mr_dtype)input->dtype, &targets))
        return NULL;
    double *loss = mr__arena_alloc(&tape->arena, (size_t)sizes.rows * sizeof *loss);
    if (!loss)
        return mr__stop(tape);
    if (input->dtype == MR_FLOAT32)
        losses_float(loss, (const float *)input->data, &sizes, &targets);
    else
        losses_double(loss, (const double *)input->data, &sizes, &targets);
    const double divisor = opts->reduction == MR_REDUCE_MEAN ? targets.divisor : 1;
    mr_tensor *y = mr__reduce_rows(tape, target, input, opts->reduction, loss, sizes.rows, divisor);
    if (!y || !mr__tracks(tape, input))
        return y;
    nll_node *node = mr__record(tape, sizeof *node, "nll_loss", y, nll_backward);
    if (!node)
        return NULL;
    mr__add_input(&node->node, input, false);
    mr__add_input(&node->node, target, true);
    if (weight)
        mr__add_input(&node->node, weight, true);
    node->sizes = sizes;
    node->targets = targets;
    node->divisor = divisor;
    node->per_row = opts->reduction == MR_REDUCE_NONE;
    return y;
}

mr_tensor *mr_nll_loss(mr_tape *tape, mr_tensor *input, mr_tensor *target, const mr_nll_opts *opts)
{
    return mr__ready2(tape, "nll_loss", input, target) ? nll(tape, input, target, NULL, opts) : NULL;
}

mr_tensor *mr_nll_loss_weighted(mr_tape *tape, mr_tensor *input, mr_tensor *target, mr_tensor *weight,
                                const mr_nll_opts *opts)
{
    if (!mr__ready2(tape, "nll_loss", input, target))
        return NULL;
    if (!mr__usable(weight))
        return mr__not_ready(tape, "nll_loss", weight, "weight");
    return nll(tape, input, target, weight, opts);
}

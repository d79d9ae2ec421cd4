/* The mean squared error. */
#include "nn/losses.h"

#include "tensor/shape.h"

typedef struct mse_node {
    mr__node node;
    double scale; /* of the result's gradient: 2/n for the mean, 2 for the sum */
} mse_node;

static void add_mse_gradients_f64(double *da, double *db, const double *a, const double *b, double scale,
                                  int64_t n, bool add_a, bool add_b)
{
    for (int64_t i = 0; i < n; i++) {
        double d = scale * (a[i] - b[i]);
        if (da)
            da[i] = add_a ? da[i] + d : d;
        if (db)
            db[i] = add_b ? db[i] - d : -d;
    }
}

static void mse_backward(mr_tape *tape, mr__node *node)
{
    mr_tensor *a = node->in[0], *b = node->in[1];
    double scale = ((mse_node *)node)->scale;
    bool add_a = false, add_b = false;
    void *da = mr__grad_target(tape, a, &add_a), *db = mr__grad_target(tape, b, &add_b);
    if (tape->failed)
        return;
    if (a->dtype == MR_FLOAT32)
        mr__k->mse_backward(da, db, (const float *)a->data, (const float *)b->data,
                            (float)scale * *(const float *)mr__grad_of(node->out), a->numel, add_a, add_b);
    else
        add_mse_gradients_f64(da, db, (const double *)a->data, (const double *)b->data,
                              scale * *(const double *)mr__grad_of(node->out), a->numel, add_a, add_b);
}

static double sum_squares_f64(const double *a, const double *b, int64_t n)
{
    double sums[4] = { 0, 0, 0, 0 };
    for (int64_t i = 0; i < n; i++)
        sums[i & 3] += (a[i] - b[i]) * (a[i] - b[i]);
    return (sums[0] + sums[1]) + (sums[2] + sums[3]);
}

/* Equal shapes and one floating type, dense, reduced to a scalar: one pass each way. */
static mr_tensor *mse_fused(mr_tape *tape, mr_tensor *a, mr_tensor *b, bool mean)
{
    mr_tensor *y = mr__result(tape, (mr_dtype)a->dtype, 0, NULL);
    if (!y)
        return NULL;
    int64_t n = a->numel;
    if (a->dtype == MR_FLOAT32) {
        float sum = mr__k->sum_squared_difference((const float *)a->data, (const float *)b->data, n);
        *(float *)y->data = mean ? sum / (float)n : sum;
    } else {
        double sum = sum_squares_f64((const double *)a->data, (const double *)b->data, n);
        *(double *)y->data = mean ? sum / (double)n : sum;
    }
    if (!mr__tracks(tape, a) && !mr__tracks(tape, b))
        return y;
    mse_node *node = mr__record(tape, sizeof *node, "mse_loss", y, mse_backward);
    if (!node)
        return NULL;
    mr__add_input(&node->node, a, true);
    mr__add_input(&node->node, b, true);
    node->scale = mean ? 2.0 / (double)n : 2.0;
    return y;
}

mr_tensor *mr_mse_loss(mr_tape *tape, mr_tensor *input, mr_tensor *target, const mr_loss_opts *opts)
{
    mr_reduction reduction = opts ? opts->reduction : MR_REDUCE_MEAN;
    if (!mr__ready2(tape, "mse_loss", input, target))
        return NULL;
    if (MR__LIKELY((unsigned)reduction <= MR_REDUCE_SUM && input->dtype == target->dtype &&
                   mr__is_float(input->dtype) && input->contiguous && target->contiguous &&
                   mr__same_shape(input, target)))
        return mse_fused(tape, input, target, reduction == MR_REDUCE_MEAN);
    if (!mr__loss_reduction(tape, "mse_loss", reduction) ||
        !mr__loss_inputs(tape, "mse_loss", input, target, reduction != MR_REDUCE_MEAN))
        return NULL;
    mr__loss_warn("mse_loss", input, target);
    return mr__loss_reduced(tape, mr_square(tape, mr_sub(tape, input, target)), reduction);
}

#include "flops.h"

#include "tensor/attention.h"
#include "tensor/rnn.h"

static bool is(const mr__node *node, const char *op)
{
    return strcmp(node->op, op) == 0;
}

static int64_t last_size(const mr_tensor *x)
{
    return x->ndim ? x->shape[x->ndim - 1] : 1;
}

/* How many products each element of the result is a sum of. */
static double summands(const mr__node *node)
{
    const mr_tensor *w = node->count > 1 ? node->in[1] : NULL;
    if (is(node, "linear") || is(node, "matmul"))
        return (double)last_size(node->in[0]);
    if ((is(node, "conv1d") || is(node, "conv2d")) && w->shape[0])
        return (double)w->numel / (double)w->shape[0];
    return 0;
}

double mr__node_flops(const mr__node *node)
{
    double flops;
    if (mr__attention_flops(node, &flops) || mr__rnn_flops(node, &flops))
        return flops;
    if (is(node, "conv_transpose2d") &&
        node->in[1]->shape[0]) /* each element of the input meets its channel's weights */
        return 2 * (double)node->in[0]->numel * (double)node->in[1]->numel / (double)node->in[1]->shape[0];
    return 2 * (double)node->out->numel * summands(node);
}

double mr__node_bytes(const mr__node *node)
{
    const mr_tensor *y = node->out;
    const size_t size = mr_dtype_size((mr_dtype)y->dtype);
    for (int i = 0; i < node->count; i++) {
        const mr_tensor *x = node->in[i];
        const char *begin = x->data, *at = y->data;
        if (at >= begin && at < begin + (size_t)x->numel * size)
            return 0;
    }
    return (double)y->numel * (double)size;
}

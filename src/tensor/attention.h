/* Attention as an operation: heads that lie in any order in dense tensors. */
#ifndef MILLRACE_TENSOR_ATTENTION_H
#define MILLRACE_TENSOR_ATTENTION_H

#include "kernels/attention.h"
#include "tensor/tape.h"

#include <millrace/functions.h>

/* One input: it begins `offset` elements behind the first of a contiguous tensor. Parts of one tensor, such as q, k
 * and v that one product has made, together are the whole of it, or the same. */
typedef struct mr__attention_part {
    mr_tensor *x;
    int64_t offset;
    mr__heads at;
} mr__attention_part;

typedef struct mr__attention_call {
    const char *op;
    mr__attention_part q, k, v;
    int64_t batch, heads, queries, keys, size, value_size;
    mr_attention_opts opts;
    mr_tensor *mask[MR__ATTENTION_MASKS]; /* each broadcasts to `weights`; NULL: none */
    mr_shape weights, out;                /* (…, queries, keys); the result */
    mr__heads out_at;
} mr__attention_call;

/* NULL with a failure raised, also for masks that do not fit. */
mr_tensor *mr__attend(mr_tape *tape, const mr__attention_call *call);

/* Multiplications and additions of a node that is one of attention; false of another. */
bool mr__attention_flops(const mr__node *node, double *flops);

/* The options that are wrong whatever the tensors; false with a failure raised. */
bool mr__attention_options(mr_tape *tape, const char *op, const mr_attention_opts *opts);

/* A mask as one that is added: x itself if it is of this floating type, -inf for true and 0 for false. NULL with a
 * failure raised. */
mr_tensor *mr__additive_mask(mr_tape *tape, const char *op, mr_tensor *mask, mr_dtype dtype);

#endif

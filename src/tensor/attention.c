#include "attention.h"

#include "shape.h"

#include "base/option.h"
#include "base/rng.h"
#include "kernels/parallel.h"

#include <math.h>

typedef struct attention {
    mr__node node; /* inputs: q, k, v, then the masks */
    mr__attention a;
    int64_t offset[3];
    mr_shape weights;
} attention;

/* ---- backward ---- */

/* The targets of q, k and v, NULL where none is wanted. clear[i]: it must be set to 0 first. Inputs may share a gradient:
 * then the first says whether it is new, and each part of it is set to 0 once. */
static void find_targets(mr_tape *tape, const attention *n, void **target, bool *clear)
{
    mr_tensor *const *in = n->node.in;
    bool is_new[3];
    for (int i = 0; i < 3; i++) {
        bool add = false, done = false;
        char *data = mr__grad_target(tape, in[i], &add);
        is_new[i] = !add;
        for (int j = i - 1; j >= 0; j--)
            if (data && in[j]->grad == in[i]->grad) {
                is_new[i] = is_new[j];
                done = done || n->offset[j] == n->offset[i];
            }
        clear[i] = data && is_new[i] && !done;
        target[i] = data ? data + (size_t)n->offset[i] * mr_dtype_size((mr_dtype)in[i]->dtype) : NULL;
    }
}

static void backward(mr_tape *tape, mr__node *node)
{
    const attention *n = (const attention *)node;
    mr__attention a = n->a;
    bool clear[3], masks = false;
    void *target[3];
    mr_dtype dtype = (mr_dtype)node->out->dtype;
    a.dout = mr__grad_of(node->out);
    find_targets(tape, n, target, clear);
    a.dq = target[0], a.dk = target[1], a.dv = target[2];
    a.clear_q = clear[0], a.clear_k = clear[1], a.clear_v = clear[2];
    for (int i = 3; i < node->count; i++)
        masks = masks || node->in[i]->grad;
    if (tape->failed)
        return;
    const int64_t room = mr__attention_plan(&a, true);
    a.scratch = mr__work(tape, dtype, room);
    a.dscores = masks ? mr__scratch(tape, dtype, a.batch * a.heads * a.queries * a.keys) : NULL;
    if (tape->failed)
        return;
    mr__attention_backward(&a);
    for (int i = 3; i < node->count; i++)
        if (node->in[i]->grad)
            mr__grad_add(tape, node->in[i], a.dscores, &n->weights);
}

/* ---- masks ---- */

mr_tensor *mr__additive_mask(mr_tape *tape, const char *op, mr_tensor *mask, mr_dtype dtype)
{
    if (mask->dtype == dtype)
        return mr_contiguous(tape, mask);
    if (mask->dtype != MR_BOOL)
        return mr__fail(tape, MR_ERR_DTYPE, "%s: mask %s is %s, neither bool nor %s", op,
                        mr__tensor_text(mask).text, mr_dtype_name((mr_dtype)mask->dtype),
                        mr_dtype_name(dtype));
    mask = mr_contiguous(tape, mask);
    mr_tensor *y = mask ? mr__result_like(tape, dtype, mask) : NULL;
    for (int64_t i = 0; y && i < y->numel; i++)
        if (dtype == MR_FLOAT32)
            ((float *)(void *)y->data)[i] = mask->data[i] ? -INFINITY : 0;
        else
            ((double *)(void *)y->data)[i] = mask->data[i] ? -INFINITY : 0;
    return y;
}

static bool broadcasts(const mr_tensor *x, const mr_shape *shape)
{
    bool fits = x->ndim <= shape->ndim;
    for (int i = 0; fits && i < x->ndim; i++) {
        int64_t size = shape->dim[shape->ndim - x->ndim + i];
        fits = x->shape[i] == size || x->shape[i] == 1;
    }
    return fits;
}

/* The strides of a mask, if those of all dimensions before the heads are multiples of one and keys are neighbours. */
static bool find_strides(const mr_tensor *mask, const mr_shape *weights, mr__heads *at)
{
    int64_t stride[MR_MAX_DIMS];
    const int n = weights->ndim;
    mr__broadcast_strides(mask, weights, stride);
    *at = (mr__heads){ 0, n > 2 ? stride[n - 3] : 0, stride[n - 2] };
    int64_t next = -1; /* what the stride of the dimension before must be; one of size 1 has any */
    for (int i = n - 4; i >= 0; i--) {
        if (weights->dim[i] == 1)
            continue;
        if (next >= 0 && stride[i] != next)
            return false;
        if (next < 0)
            at->batch = stride[i];
        next = stride[i] * weights->dim[i];
    }
    return weights->dim[n - 1] <= 1 || stride[n - 1] == 1;
}

/* Makes mask i of the call one to be added, and enters it; *recorded is what takes its gradient. */
static bool set_mask(mr_tape *tape, const mr__attention_call *call, int i, mr__attention *a,
                     mr_tensor **recorded)
{
    mr_tensor *mask = call->mask[i];
    if (!broadcasts(mask, &call->weights)) {
        mr__fail(tape, MR_ERR_SHAPE, "%s: mask %s does not broadcast to the weights %s", call->op,
                 mr__tensor_text(mask).text, mr__shape_text(&call->weights).text);
        return false;
    }
    mask = mr__additive_mask(tape, call->op, mask, (mr_dtype)call->q.x->dtype);
    if (mask && !find_strides(mask, &call->weights, &a->mask_at[i])) {
        mask = mr_contiguous(tape, mr_expand(tape, mask, call->weights));
        if (mask && !find_strides(mask, &call->weights, &a->mask_at[i]))
            mask = mr__fail(tape, MR_ERR_SHAPE, "%s: mask %s is not laid out as the weights %s", call->op,
                            mr__tensor_text(mask).text, mr__shape_text(&call->weights).text);
    }
    a->mask[i] = mask ? mask->data : NULL;
    *recorded = mask;
    return mask;
}

/* ---- forward ---- */

bool mr__attention_options(mr_tape *tape, const char *op, const mr_attention_opts *opts)
{
    if (opts->dropout >= 0 && opts->dropout <= 1)
        return true;
    mr__fail(tape, MR_ERR_ARGUMENT, "%s: dropout %g is not in [0, 1]", op, opts->dropout);
    return false;
}

static void *on_tape(mr_tape *tape, mr_dtype dtype, int64_t count)
{
    void *memory = mr__arena_alloc(&tape->arena, mr__mul_size((size_t)count, mr_dtype_size(dtype)));
    if (!memory)
        mr__stop(tape);
    return memory;
}

static const void *draw_noise(mr_tape *tape, mr_dtype dtype, int64_t count, double p)
{
    void *noise = on_tape(tape, dtype, count);
    if (!noise)
        return NULL;
    if (p == 1)
        memset(noise, 0, (size_t)count * mr_dtype_size(dtype));
    else if (dtype == MR_FLOAT32)
        mr__rng_fill_bernoulli(tape->rng, noise, count, 1 - p, 1 / (float)(1 - p));
    else
        mr__rng_fill_bernoulli_f64(tape->rng, noise, count, 1 - p, 1 / (1 - p));
    return noise;
}

static const void *data_of(const mr__attention_part *part)
{
    return part->x->data + (size_t)part->offset * mr_dtype_size((mr_dtype)part->x->dtype);
}

static mr__attention arrays_of(const mr__attention_call *c)
{
    const double size = c->size ? (double)c->size : 1;
    return (mr__attention){ .f32 = c->q.x->dtype == MR_FLOAT32,
                            .batch = c->batch,
                            .heads = c->heads,
                            .queries = c->queries,
                            .keys = c->keys,
                            .size = c->size,
                            .value_size = c->value_size,
                            .scale = mr__option(c->opts.scale, 1 / sqrt(size)),
                            .causal = c->opts.causal,
                            .q = data_of(&c->q),
                            .k = data_of(&c->k),
                            .v = data_of(&c->v),
                            .q_at = c->q.at,
                            .k_at = c->k.at,
                            .v_at = c->v.at,
                            .out_at = c->out_at };
}

bool mr__attention_flops(const mr__node *node, double *flops)
{
    const mr__attention *a = &((const attention *)node)->a;
    if (node->backward != backward)
        return false;
    *flops = 2. * (double)(a->batch * a->heads) * (double)(a->queries * a->keys) *
             (double)(a->size + a->value_size);
    return true;
}

static mr_tensor *record(mr_tape *tape, const mr__attention_call *call, const mr__attention *a, mr_tensor *y,
                         mr_tensor *const *mask)
{
    const mr__attention_part *part[3] = { &call->q, &call->k, &call->v };
    bool scores = mr__tracks(tape, call->q.x) || mr__tracks(tape, call->k.x);
    for (int i = 0; i < MR__ATTENTION_MASKS; i++)
        scores = scores || (mask[i] && mr__tracks(tape, mask[i]));
    if (!scores && !mr__tracks(tape, call->v.x))
        return y;
    attention *node = mr__record(tape, sizeof *node, call->op, y, backward);
    if (!node)
        return NULL;
    for (int i = 0; i < 3; i++) {
        mr__add_input(&node->node, part[i]->x, i < 2 || scores);
        node->offset[i] = part[i]->offset;
    }
    for (int i = 0; i < MR__ATTENTION_MASKS; i++)
        if (mask[i])
            mr__add_input(&node->node, mask[i], true);
    node->a = *a;
    node->weights = call->weights;
    return y;
}

mr_tensor *mr__attend(mr_tape *tape, const mr__attention_call *call)
{
    mr__attention a = arrays_of(call);
    mr_dtype dtype = (mr_dtype)call->q.x->dtype;
    mr_tensor *mask[MR__ATTENTION_MASKS] = { NULL };
    const mr_shape room = MR_SHAPE(256, mr__threads(), call->size + call->keys);
    const int64_t weights = mr__numel(call->op, &call->weights, dtype);
    if (!mr__attention_options(tape, call->op, &call->opts))
        return NULL;
    if (weights < 0 || mr__numel(call->op, &call->out, dtype) < 0 || mr__numel(call->op, &room, dtype) < 0)
        return mr__stop(tape);
    for (int i = 0; i < MR__ATTENTION_MASKS; i++)
        if (call->mask[i] && !set_mask(tape, call, i, &a, &mask[i]))
            return NULL;
    if (call->opts.dropout > 0)
        a.noise = draw_noise(tape, dtype, weights, call->opts.dropout);
    mr_tensor *y = tape->failed ? NULL : mr__result(tape, dtype, call->out.ndim, call->out.dim);
    if (!y)
        return NULL;
    const int64_t rows = call->batch * call->heads * call->queries, scratch = mr__attention_plan(&a, false);
    a.out = y->data;
    a.top = on_tape(tape, dtype, rows);
    a.inverse = on_tape(tape, dtype, rows);
    a.scratch = mr__work(tape, dtype, scratch);
    if (tape->failed)
        return NULL;
    if (rows)
        mr__attention_forward(&a);
    return record(tape, call, &a, y, mask);
}

/* ---- the operations ---- */

static bool same_in_front(const mr_tensor *a, const mr_tensor *b)
{
    bool same = a->ndim == b->ndim;
    for (int i = 0; same && i + 2 < a->ndim; i++)
        same = a->shape[i] == b->shape[i];
    return same;
}

static bool check(mr_tape *tape, const char *op, const mr_tensor *q, const mr_tensor *k, const mr_tensor *v)
{
    const int n = q->ndim;
    if (!mr__is_float(q->dtype))
        mr__fail(tape, MR_ERR_DTYPE, "%s: input %s is %s, not a floating type", op, mr__tensor_text(q).text,
                 mr_dtype_name((mr_dtype)q->dtype));
    else if (k->dtype != q->dtype || v->dtype != q->dtype)
        mr__fail(tape, MR_ERR_DTYPE, "%s: q %s is %s, k %s %s, v %s %s, and all must be of one floating type",
                 op, mr__tensor_text(q).text, mr_dtype_name((mr_dtype)q->dtype), mr__tensor_text(k).text,
                 mr_dtype_name((mr_dtype)k->dtype), mr__tensor_text(v).text,
                 mr_dtype_name((mr_dtype)v->dtype));
    else if (n < 2 || !same_in_front(q, k) || q->shape[n - 1] != k->shape[n - 1])
        mr__fail(tape, MR_ERR_SHAPE, "%s: k %s does not go with q %s", op, mr__tensor_text(k).text,
                 mr__tensor_text(q).text);
    else if (!same_in_front(k, v) || k->shape[n - 2] != v->shape[n - 2])
        mr__fail(tape, MR_ERR_SHAPE, "%s: v %s does not go with k %s", op, mr__tensor_text(v).text,
                 mr__tensor_text(k).text);
    else
        return true;
    return false;
}

/* x as (batch, heads, rows, size): heads is the dimension before the last two. */
static mr__attention_part part_of(mr_tensor *x)
{
    const int n = x->ndim;
    const int64_t heads = n > 2 ? x->shape[n - 3] : 1, row = x->shape[n - 1], head = row * x->shape[n - 2];
    return (mr__attention_part){ x, 0, { heads * head, head, row } };
}

static mr_tensor *attention_of(mr_tape *tape, const char *op, mr_tensor *q, mr_tensor *k, mr_tensor *v,
                               mr_tensor *mask, const mr_attention_opts *opts)
{
    if (!check(tape, op, q, k, v))
        return NULL;
    q = mr_contiguous(tape, q);
    k = mr_contiguous(tape, k);
    v = mr_contiguous(tape, v);
    if (tape->failed)
        return NULL;
    const int n = q->ndim;
    mr__attention_call call = { .op = op, .q = part_of(q), .k = part_of(k), .v = part_of(v), .batch = 1 };
    call.heads = n > 2 ? q->shape[n - 3] : 1;
    for (int i = 0; i + 3 < n; i++)
        call.batch *= q->shape[i];
    call.queries = q->shape[n - 2];
    call.keys = k->shape[n - 2];
    call.size = q->shape[n - 1];
    call.value_size = v->shape[n - 1];
    call.opts = opts ? *opts : (mr_attention_opts){ 0 };
    call.mask[0] = mask;
    call.weights = call.out = mr__shape_of(q);
    call.weights.dim[n - 1] = call.keys;
    call.out.dim[n - 1] = call.value_size;
    const int64_t head = call.queries * call.value_size;
    call.out_at = (mr__heads){ call.heads * head, head, call.value_size };
    return mr__attend(tape, &call);
}

/* Whether the first `count` of q, k, v and a mask can be read. */
static bool ready(mr_tape *tape, const char *op, mr_tensor *const *x, int count)
{
    static const char *const name[] = { "q", "k", "v", "mask" };
    if (!tape || tape->failed) {
        mr__not_ready(tape, op, NULL, name[0]);
        return false;
    }
    for (int i = 0; i < count; i++)
        if (!mr__usable(x[i])) {
            mr__not_ready(tape, op, x[i], name[i]);
            return false;
        }
    return true;
}

mr_tensor *mr_attention(mr_tape *tape, mr_tensor *q, mr_tensor *k, mr_tensor *v,
                        const mr_attention_opts *opts)
{
    static const char op[] = "attention";
    return ready(tape, op, (mr_tensor *[]){ q, k, v }, 3) ? attention_of(tape, op, q, k, v, NULL, opts)
                                                          : NULL;
}

mr_tensor *mr_attention_masked(mr_tape *tape, mr_tensor *q, mr_tensor *k, mr_tensor *v, mr_tensor *mask,
                               const mr_attention_opts *opts)
{
    static const char op[] = "attention_masked";
    return ready(tape, op, (mr_tensor *[]){ q, k, v, mask }, 4) ? attention_of(tape, op, q, k, v, mask, opts)
                                                                : NULL;
}

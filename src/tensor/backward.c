#include "tape.h"

#include "kernels/kernels.h"
#include "kernels/parallel.h"

#include <stdio.h>

/* ---- memory ---- */

void *mr__scratch(mr_tape *tape, mr_dtype dtype, int64_t count)
{
    void *memory = mr__arena_alloc(&tape->grads, mr__mul_size((size_t)count, mr_dtype_size(dtype)));
    if (!memory)
        mr__stop(tape);
    return memory;
}

/* Results keep their gradient in the arena: of this backward, or of the tape when it is to be retained.
 * Leaves keep theirs on the heap, for good. */
void *mr__grad_memory(mr_tape *tape, mr_tensor *x)
{
    mr__grad *g = x->grad;
    size_t bytes = mr__mul_size((size_t)x->numel, mr_dtype_size((mr_dtype)x->dtype));
    if (x->tape && x->grad == &x->own_grad) {
        g->data = mr__arena_alloc(g->retain ? &tape->arena : &tape->grads, bytes);
    } else {
        /* The owner of a shared gradient is the leaf that embeds it. */
        mr_tensor *leaf = (mr_tensor *)((char *)g - offsetof(mr_tensor, own_grad));
        if (leaf->tape) {
            g->data = mr__arena_alloc(g->retain ? &tape->arena : &tape->grads, bytes);
        } else {
            leaf->grad_memory = mr__memory_new(bytes);
            g->data = leaf->grad_memory ? mr__memory_data(leaf->grad_memory) : NULL;
        }
    }
    if (!g->data)
        mr__stop(tape);
    return g->data;
}

/* ---- summing a gradient over broadcast dimensions ---- */

#define DEFINE_REDUCE(name, type)                                                                            \
    /* target[j] += sum of the gradient's elements that x's element j was broadcast to; stride 0 repeats. */ \
    static void name(type *target, const type *gradient, const mr_shape *shape, const int64_t *stride)       \
    {                                                                                                        \
        int64_t index[MR_MAX_DIMS] = { 0 };                                                                  \
        int last = shape->ndim - 1;                                                                          \
        int64_t n = last < 0 ? 1 : shape->dim[last], step = last < 0 ? 0 : stride[last];                     \
        for (;;) {                                                                                           \
            int64_t at = 0;                                                                                  \
            for (int d = 0; d < last; d++)                                                                   \
                at += index[d] * stride[d];                                                                  \
            if (step == 0) {                                                                                 \
                type sums[4] = { 0, 0, 0, 0 };                                                               \
                for (int64_t i = 0; i < n; i++)                                                              \
                    sums[i & 3] += gradient[i];                                                              \
                target[at] += (sums[0] + sums[1]) + (sums[2] + sums[3]);                                     \
            } else {                                                                                         \
                for (int64_t i = 0; i < n; i++)                                                              \
                    target[at + i * step] += gradient[i];                                                    \
            }                                                                                                \
            gradient += n;                                                                                   \
            int d = last - 1;                                                                                \
            while (d >= 0 && ++index[d] == shape->dim[d])                                                    \
                index[d--] = 0;                                                                              \
            if (d < 0)                                                                                       \
                return;                                                                                      \
        }                                                                                                    \
    }
DEFINE_REDUCE(reduce_f32, float)
DEFINE_REDUCE(reduce_f64, double)

typedef struct sum_job {
    bool f32, add;
    void *target;
    const void *gradient;
} sum_job;

static void add_part(void *work, int64_t begin, int64_t end)
{
    const sum_job *j = work;
    if (j->f32) {
        mr__k->scale((float *)j->target + begin, (const float *)j->gradient + begin, 1.0f, end - begin,
                     j->add);
        return;
    }
    double *target = j->target;
    const double *gradient = j->gradient;
    for (int64_t i = begin; i < end; i++)
        target[i] = j->add ? target[i] + gradient[i] : gradient[i];
}

void mr__grad_add(mr_tape *tape, mr_tensor *x, const void *gradient, const mr_shape *shape)
{
    bool add = false;
    void *target = mr__grad_target(tape, x, &add);
    if (!target)
        return;
    int64_t n = 1;
    for (int d = 0; d < shape->ndim; d++)
        n *= shape->dim[d];
    bool f32 = x->dtype == MR_FLOAT32;
    if (n == x->numel) { /* only dimensions of size 1 may differ, so the order is the same */
        sum_job j = { f32, add, target, gradient };
        if (MR__LIKELY(n < 2 * MR__GRAIN_ELEMENTS))
            add_part(&j, 0, n);
        else
            mr__parallel(add_part, &j, n, MR__GRAIN_ELEMENTS, MR__ALIGNMENT);
        return;
    }
    if (!add)
        memset(target, 0, (size_t)x->numel * (f32 ? sizeof(float) : sizeof(double)));
    if (n == 0)
        return;
    int64_t stride[MR_MAX_DIMS], s = 1;
    for (int d = shape->ndim - 1, e = x->ndim - 1; d >= 0; d--, e--) {
        bool repeats = e < 0 || x->shape[e] != shape->dim[d];
        stride[d] = repeats || x->shape[e] == 1 ? 0 : s;
        if (e >= 0)
            s *= x->shape[e];
    }
    if (f32)
        reduce_f32(target, gradient, shape, stride);
    else
        reduce_f64(target, gradient, shape, stride);
}

/* ---- the walk ---- */

static bool inputs_unchanged(mr_tape *tape, const mr__node *node)
{
    for (int i = 0; i < node->count; i++) {
        const mr_tensor *x = node->in[i];
        if (!(node->saves & 1 << i) || !x->version || *x->version == node->version[i])
            continue;
        mr__fail(tape, MR_ERR_STATE,
                 "backward: %s needs the elements of %s as they were, but they have been changed since",
                 node->op, mr__tensor_text(x).text);
        return false;
    }
    return true;
}

static void walk(mr_tape *tape)
{
    for (mr__node *node = tape->last; node && !tape->failed; node = node->previous) {
        mr__grad *g = node->out->grad;
        if (g->state != MR__GRAD_WRITTEN)
            continue; /* nothing that was differentiated depends on it */
        if (MR__LIKELY(!node->saves) || inputs_unchanged(tape, node))
            node->backward(tape, node);
    }
}

static mr_status start(mr_tape *tape, mr_tensor *output, const char *call, const char *name)
{
    if (!tape)
        return mr__null(call, "tape");
    if (MR__UNLIKELY(mr__pending()))
        return mr__pending_status();
    if (tape->failed)
        return mr__failure_raise(&tape->failure);
    if (!mr__usable(output)) {
        mr__not_ready(tape, call, output, name);
        return tape->failure.status;
    }
    if (output->tape && output->tape != tape) {
        mr__fail(tape, MR_ERR_STATE, "%s: the %s lives on another tape", call, name);
        return tape->failure.status;
    }
    if (tape->used_up) {
        mr__fail(tape, MR_ERR_STATE,
                 "%s: the tape's record was used up by an earlier backward; "
                 "reset the tape and run the forward again",
                 call);
        return tape->failure.status;
    }
    if (!output->grad) {
        mr__fail(tape, MR_ERR_STATE, "%s: the %s does not depend on any tensor that requires a gradient",
                 call, name);
        return tape->failure.status;
    }
    return MR_OK;
}

static mr_status run(mr_tape *tape)
{
    walk(tape);
    size_t used = mr__arena_used(&tape->grads);
    if (used > tape->backward_bytes)
        tape->backward_bytes = used;
    tape->used_up = true;
    tape->last = NULL;
    mr__arena_reset(&tape->grads);
    return tape->failed ? tape->failure.status : MR_OK;
}

mr_status mr_backward(mr_tape *tape, mr_tensor *loss)
{
    mr_status status = start(tape, loss, "backward", "loss");
    if (status)
        return mr__settle(status);
    if (loss->numel != 1) {
        mr__fail(tape, MR_ERR_SHAPE,
                 "backward: the loss has shape %s, not one element; reduce it, or use "
                 "mr_backward_from",
                 mr__tensor_text(loss).text);
        return mr__settle(tape->failure.status);
    }
    bool add = false;
    void *target = mr__grad_target(tape, loss, &add);
    if (target && loss->dtype == MR_FLOAT32)
        *(float *)target = add ? *(float *)target + 1.0f : 1.0f;
    else if (target)
        *(double *)target = add ? *(double *)target + 1.0 : 1.0;
    return mr__settle(run(tape));
}

mr_status mr_backward_from(mr_tape *tape, mr_tensor *output, const mr_tensor *gradient)
{
    mr_status status = start(tape, output, "backward_from", "output");
    if (status)
        return mr__settle(status);
    if (!mr__usable(gradient)) {
        mr__not_ready(tape, "backward_from", gradient, "gradient");
        return mr__settle(tape->failure.status);
    }
    mr_shape shape = mr__shape_of(output), given = mr__shape_of(gradient);
    bool same = shape.ndim == given.ndim && output->dtype == gradient->dtype;
    for (int i = 0; same && i < shape.ndim; i++)
        same = shape.dim[i] == given.dim[i];
    if (!same) {
        mr__fail(tape, MR_ERR_SHAPE, "backward_from: the gradient is %s%s, the output %s%s",
                 mr_dtype_name((mr_dtype)gradient->dtype), mr__tensor_text(gradient).text,
                 mr_dtype_name((mr_dtype)output->dtype), mr__tensor_text(output).text);
        return mr__settle(tape->failure.status);
    }
    void *dense = mr__scratch(tape, (mr_dtype)gradient->dtype, gradient->numel);
    if (dense) {
        mr__gather_elements((mr_dtype)gradient->dtype, dense, gradient);
        mr__grad_add(tape, output, dense, &shape);
    }
    return mr__settle(run(tape));
}

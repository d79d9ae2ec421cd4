#include "iterate.h"

#include "shape.h"

/* ---- the loop ---- */

/* The dimensions that are left when those of size 1 are dropped and neighbours along which every operand goes
 * on without a gap are joined. */
typedef struct walk {
    int ndim;
    int64_t dim[MR_MAX_DIMS];
    int64_t stride[MR__MAX_OPERANDS][MR_MAX_DIMS];
} walk;

static void plan(walk *w, const mr_shape *shape, const mr__operand *in, int count)
{
    int64_t stride[MR__MAX_OPERANDS][MR_MAX_DIMS];
    for (int k = 0; k < count; k++)
        mr__broadcast_strides(in[k].layout, shape, stride[k]);
    w->ndim = 0;
    for (int d = 0; d < shape->ndim; d++) {
        if (shape->dim[d] == 1)
            continue;
        int last = w->ndim - 1;
        bool joins = last >= 0;
        for (int k = 0; joins && k < count; k++)
            joins = w->stride[k][last] == stride[k][d] * shape->dim[d];
        int at = joins ? last : w->ndim++;
        w->dim[at] = joins ? w->dim[at] * shape->dim[d] : shape->dim[d];
        for (int k = 0; k < count; k++)
            w->stride[k][at] = stride[k][d];
    }
    if (w->ndim == 0) {
        w->ndim = 1;
        w->dim[0] = 1;
        for (int k = 0; k < count; k++)
            w->stride[k][0] = 1;
    }
}

void mr__each(mr__loop loop, void *out, mr_dtype dtype, const mr_shape *shape, const mr__operand *in,
              int count)
{
    for (int d = 0; d < shape->ndim; d++)
        if (shape->dim[d] == 0)
            return;
    walk w;
    plan(&w, shape, in, count);
    int last = w.ndim - 1;
    int64_t step[MR__MAX_OPERANDS], index[MR_MAX_DIMS] = { 0 }, n = w.dim[last];
    size_t size[MR__MAX_OPERANDS], row = (size_t)n * mr_dtype_size(dtype);
    const char *at[MR__MAX_OPERANDS];
    for (int k = 0; k < count; k++) {
        step[k] = w.stride[k][last];
        size[k] = mr_dtype_size((mr_dtype)in[k].layout->dtype);
        at[k] = in[k].data;
    }
    for (char *to = out;; to += row) {
        const void *const from[MR__MAX_OPERANDS] = { at[0], count > 1 ? at[1] : NULL,
                                                     count > 2 ? at[2] : NULL };
        loop(to, from, step, n);
        int d = last - 1;
        for (; d >= 0; d--) {
            bool wraps = ++index[d] == w.dim[d];
            for (int k = 0; k < count; k++)
                at[k] += w.stride[k][d] * (wraps ? 1 - w.dim[d] : 1) * (int64_t)size[k];
            if (!wraps)
                break;
            index[d] = 0;
        }
        if (d < 0)
            return;
    }
}

void mr__each_to_grad(mr_tape *tape, mr_tensor *x, const mr_tensor *out, mr__loop loop, const mr__operand *in,
                      int count)
{
    if (!x->grad)
        return;
    mr_dtype dtype = (mr_dtype)out->dtype;
    mr_shape shape = mr__shape_of(out);
    if (x->numel == out->numel && x->grad->state != MR__GRAD_WRITTEN) {
        bool add = false;
        void *target = mr__grad_target(tape, x, &add);
        if (target)
            mr__each(loop, target, dtype, &shape, in, count);
        return;
    }
    void *gradient = mr__scratch(tape, dtype, out->numel);
    if (!gradient)
        return;
    mr__each(loop, gradient, dtype, &shape, in, count);
    mr__grad_add(tape, x, gradient, &shape);
}

/* ---- inputs and results ---- */

bool mr__check_computes(mr_tape *tape, const char *op, const mr_tensor *x)
{
    if (MR__LIKELY(mr__computes(x->dtype)))
        return true;
    mr__fail(tape, MR_ERR_DTYPE, "%s: %s is %s, which is for loading only; cast it first", op,
             mr__tensor_text(x).text, mr_dtype_name((mr_dtype)x->dtype));
    return false;
}

bool mr__to_one_type(mr_tape *tape, const char *op, mr_tensor **a, mr_tensor **b)
{
    if (!mr__check_computes(tape, op, *a) || !mr__check_computes(tape, op, *b))
        return false;
    mr_dtype dtype = mr__promote(*a, *b);
    *a = mr_cast(tape, *a, dtype);
    *b = mr_cast(tape, *b, dtype);
    return *a && *b;
}

mr_tensor *mr__broadcast_result(mr_tape *tape, const char *op, mr_dtype dtype, const mr_tensor *a,
                                const mr_tensor *b)
{
    mr_shape shape;
    if (!mr__broadcast(op, a, b, &shape))
        return mr__stop(tape);
    return mr__result(tape, dtype, shape.ndim, shape.dim);
}

bool mr__alike(const mr_tensor *a, const mr_tensor *b)
{
    return a->contiguous && b->contiguous && mr__same_shape(a, b);
}

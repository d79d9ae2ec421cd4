#include "iterate.h"

#include "shape.h"

#include "kernels/parallel.h"

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

/* A walk over rows, or over the elements of a row alone. */
typedef struct rows {
    mr__loop loop;
    walk w;
    int count;
    size_t size[MR__MAX_OPERANDS + 1]; /* of an element; the last one: of the result */
    int64_t step[MR__MAX_OPERANDS];
    const char *in[MR__MAX_OPERANDS];
    char *out;
} rows;

static void walk_rows(void *work, int64_t begin, int64_t end)
{
    const rows *r = work;
    const int last = r->w.ndim - 1, count = r->count;
    const mr__loop loop = r->loop;
    int64_t index[MR_MAX_DIMS], n = r->w.dim[last], rest = begin;
    size_t row = (size_t)n * r->size[MR__MAX_OPERANDS];
    const char *at[MR__MAX_OPERANDS] = { r->in[0], r->in[1], r->in[2] };
    for (int d = last - 1; d >= 0; d--) {
        index[d] = rest ? rest % r->w.dim[d] : 0;
        rest /= r->w.dim[d];
        for (int k = 0; index[d] && k < r->count; k++)
            at[k] += r->w.stride[k][d] * index[d] * (int64_t)r->size[k];
    }
    char *to = r->out + (size_t)begin * row;
    for (int64_t i = begin;; to += row) {
        const void *const from[MR__MAX_OPERANDS] = { at[0], count > 1 ? at[1] : NULL,
                                                     count > 2 ? at[2] : NULL };
        loop(to, from, r->step, n);
        if (++i == end)
            return;
        for (int d = last - 1; d >= 0; d--) {
            bool wraps = ++index[d] == r->w.dim[d];
            for (int k = 0; k < count; k++)
                at[k] += r->w.stride[k][d] * (wraps ? 1 - r->w.dim[d] : 1) * (int64_t)r->size[k];
            if (!wraps)
                break;
            index[d] = 0;
        }
    }
}

static void walk_elements(void *work, int64_t begin, int64_t end)
{
    const rows *r = work;
    const void *from[MR__MAX_OPERANDS] = { NULL };
    for (int k = 0; k < r->count; k++)
        from[k] = r->in[k] + r->step[k] * begin * (int64_t)r->size[k];
    r->loop(r->out + (size_t)begin * r->size[MR__MAX_OPERANDS], from, r->step, end - begin);
}

void mr__each(mr__loop loop, void *out, mr_dtype dtype, const mr_shape *shape, const mr__operand *in,
              int count)
{
    int64_t total = 1;
    for (int d = 0; d < shape->ndim; d++)
        total *= shape->dim[d];
    if (total == 0)
        return;
    rows r; /* what is used of it is set: it is large */
    plan(&r.w, shape, in, count);
    r.loop = loop;
    r.out = out;
    r.count = count;
    r.size[MR__MAX_OPERANDS] = mr_dtype_size(dtype);
    for (int k = 0; k < MR__MAX_OPERANDS; k++) {
        r.in[k] = k < count ? in[k].data : NULL;
        r.size[k] = k < count ? mr_dtype_size((mr_dtype)in[k].layout->dtype) : 0;
        r.step[k] = k < count ? r.w.stride[k][r.w.ndim - 1] : 0;
    }
    int64_t n = r.w.dim[r.w.ndim - 1];
    if (MR__LIKELY(total < 2 * MR__GRAIN_ELEMENTS))
        walk_rows(&r, 0, total / n);
    else if (n == total)
        mr__parallel(walk_elements, &r, total, MR__GRAIN_ELEMENTS, MR__ALIGNMENT);
    else
        mr__parallel(walk_rows, &r, total / n, (MR__GRAIN_ELEMENTS + n - 1) / n, 1);
}

typedef struct pair {
    mr__loop loop;
    size_t size, out_size;
    const char *a, *b;
    char *out;
} pair;

static void pair_part(void *work, int64_t begin, int64_t end)
{
    const pair *p = work;
    size_t at = (size_t)begin * p->size;
    p->loop(p->out + (size_t)begin * p->out_size, (const void *[]){ p->a + at, p->b + at },
            (const int64_t[]){ 1, 1 }, end - begin);
}

void mr__each_alike(mr__loop loop, mr_tensor *y, const mr_tensor *a, const mr_tensor *b)
{
    if (MR__LIKELY(y->numel < 2 * MR__GRAIN_ELEMENTS)) {
        loop(y->data, (const void *[]){ a->data, b->data }, (const int64_t[]){ 1, 1 }, y->numel);
        return;
    }
    pair p = { loop,   mr_dtype_size((mr_dtype)a->dtype), mr_dtype_size((mr_dtype)y->dtype), a->data, b->data,
               y->data };
    mr__parallel(pair_part, &p, y->numel, MR__GRAIN_ELEMENTS, MR__ALIGNMENT);
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

#include "reduction.h"
#include "iterate.h"

static void push_axis(mr__axes *axes, int64_t size, int64_t step)
{
    int last = axes->count - 1;
    if (size == 1)
        return;
    if (last >= 0 && axes->step[last] == size * step) { /* lies behind the one before without a gap */
        axes->size[last] *= size;
        axes->step[last] = step;
        return;
    }
    axes->size[axes->count] = size;
    axes->step[axes->count++] = step;
}

static void plan(const mr_tensor *x, const int64_t *stride, uint32_t mask, bool keepdim, mr__reduction *r)
{
    r->mask = mask;
    r->results = r->count = 1;
    r->shape.ndim = 0;
    r->kept.count = r->reduced.count = 0;
    for (int d = 0; d < x->ndim; d++) {
        bool reduced = mask >> d & 1;
        push_axis(reduced ? &r->reduced : &r->kept, x->shape[d], stride[d]);
        if (reduced)
            r->count *= x->shape[d];
        else
            r->results *= x->shape[d];
        if (!reduced || keepdim)
            r->shape.dim[r->shape.ndim++] = reduced ? 1 : x->shape[d];
    }
}

bool mr__reduction_plan(mr_tape *tape, const char *op, const mr_tensor *x, mr_dims dims, bool keepdim,
                        mr__reduction *r)
{
    uint32_t mask = 0;
    if (!mr__check_computes(tape, op, x))
        return false;
    if (dims.count < 0 || dims.count > MR_MAX_DIMS) {
        mr__fail(tape, MR_ERR_ARGUMENT, "%s: %d dimensions given for %s", op, dims.count,
                 mr__tensor_text(x).text);
        return false;
    }
    for (int i = 0; i < dims.count; i++) {
        int d = mr__dim(op, x, dims.dim[i]);
        if (d < 0) {
            mr__stop(tape);
            return false;
        }
        if (mask >> d & 1) {
            mr__fail(tape, MR_ERR_ARGUMENT, "%s: dimension %d of %s is given twice", op, dims.dim[i],
                     mr__tensor_text(x).text);
            return false;
        }
        mask |= 1u << d;
    }
    plan(x, x->stride, dims.count ? mask : UINT32_MAX, keepdim, r);
    return true;
}

void mr__reduction_dense(const mr_tensor *x, uint32_t mask, mr__reduction *r)
{
    int64_t stride[MR_MAX_DIMS], n = 1;
    for (int d = x->ndim - 1; d >= 0; d--) {
        stride[d] = n;
        n *= x->shape[d];
    }
    plan(x, stride, mask, false, r);
}

/* The offset of the next index over all axes but the last; false after the last one. */
static bool next(const mr__axes *axes, int64_t *index, int64_t *offset)
{
    for (int a = axes->count - 2; a >= 0; a--) {
        *offset += axes->step[a];
        if (++index[a] < axes->size[a])
            return true;
        *offset -= axes->step[a] * axes->size[a];
        index[a] = 0;
    }
    return false;
}

/* All blocks of one range of columns. */
static void reduce_columns(const mr__reduction *r, mr__block *b, mr__block_fn fn, void *self)
{
    int64_t index[MR_MAX_DIMS] = { 0 }, start = b->offset, within = 0;
    b->first = true;
    do {
        int64_t at = within;
        b->last = !next(&r->reduced, index, &within);
        b->offset = start + at;
        fn(self, b);
        b->first = false;
    } while (!b->last);
}

void mr__reduce(const mr__reduction *r, mr__block_fn fn, void *self)
{
    int64_t index[MR_MAX_DIMS] = { 0 }, offset = 0;
    int k = r->kept.count - 1, d = r->reduced.count - 1;
    int64_t columns = k < 0 ? 1 : r->kept.size[k];
    mr__block b = { .rows = d < 0 ? 1 : r->reduced.size[d], .row_step = d < 0 ? 0 : r->reduced.step[d] };
    b.column_step = k < 0 ? 0 : r->kept.step[k];
    if (r->results == 0)
        return;
    mr__reduction nothing;
    if (r->count == 0) { /* a block without rows for each column, however many axes have none */
        nothing = *r;
        nothing.reduced.count = 0;
        r = &nothing;
        b.rows = 0;
    }
    do {
        for (int64_t c = 0; c < columns; c += MR__COLUMNS) {
            b.columns = columns - c < MR__COLUMNS ? columns - c : MR__COLUMNS;
            b.offset = offset + c * b.column_step;
            reduce_columns(r, &b, fn, self);
            b.result += b.columns;
        }
    } while (next(&r->kept, index, &offset));
}

const void *mr__dense_scratch(mr_tape *tape, const mr_tensor *x)
{
    if (x->contiguous)
        return x->data;
    void *copy = mr__scratch(tape, (mr_dtype)x->dtype, x->numel);
    if (copy)
        mr__gather_elements((mr_dtype)x->dtype, copy, x);
    return copy;
}

/*
 * Joining tensors. Seen from the dimension that is joined, each tensor has the same number of blocks of neighbouring
 * elements, and the result has as many rows, each with one block of every tensor.
 */
#include "shape.h"
#include "tape.h"

#include "kernels/kernels.h"

typedef struct join_node {
    mr__node node; /* with no inputs of its own: their elements are not needed */
    int count;
    int64_t rows;
    mr_tensor **inputs;
} join_node;

/* ---- backward: each input's gradient is its blocks of the result's ---- */

static void add_block(mr_dtype dtype, void *target, const void *gradient, int64_t n, bool add)
{
    if (dtype == MR_FLOAT32)
        mr__k->scale(target, gradient, 1.0f, n, add);
    else if (!add)
        memcpy(target, gradient, (size_t)n * sizeof(double));
    else
        for (int64_t i = 0; i < n; i++)
            ((double *)target)[i] += ((const double *)gradient)[i];
}

static void join_backward(mr_tape *tape, mr__node *node)
{
    const join_node *join = (const join_node *)node;
    mr_dtype from = (mr_dtype)node->out->dtype;
    const char *gradient = mr__grad_of(node->out);
    int64_t rows = join->rows, row = rows ? node->out->numel / rows : 0, start = 0;
    for (int i = 0; i < join->count; i++) {
        mr_tensor *x = join->inputs[i];
        mr_dtype to = (mr_dtype)x->dtype;
        int64_t block = rows ? x->numel / rows : 0;
        bool add = false;
        char *target = x->grad ? mr__grad_target(tape, x, &add) : NULL;
        char *cast = target && to != from ? mr__scratch(tape, to, block) : NULL;
        if (tape->failed)
            return;
        for (int64_t r = 0; target && r < rows; r++) {
            const char *part = gradient + (size_t)(r * row + start) * mr_dtype_size(from);
            if (cast)
                mr__cast_elements(to, cast, from, part, 1, block);
            add_block(to, target + (size_t)(r * block) * mr_dtype_size(to), cast ? cast : part, block, add);
        }
        start += block;
    }
}

/* ---- forward ---- */

/* The type of the result: that of all together. */
static mr_dtype common_type(mr_tensor *const *tensors, int count)
{
    mr_dtype dtype = (mr_dtype)tensors[0]->dtype;
    for (int i = 1; i < count; i++)
        dtype = mr_dtype_promote(dtype, (mr_dtype)tensors[i]->dtype);
    return dtype;
}

static bool record(mr_tape *tape, const char *op, mr_tensor *y, mr_tensor *const *tensors, int count,
                   int64_t rows)
{
    bool tracked = false;
    for (int i = 0; i < count; i++)
        tracked = tracked || mr__tracks(tape, tensors[i]);
    if (!tracked)
        return true;
    size_t bytes = (size_t)count * sizeof(mr_tensor *);
    mr_tensor **inputs = mr__arena_alloc(&tape->arena, bytes);
    join_node *node = inputs ? mr__record(tape, sizeof *node, op, y, join_backward) : NULL;
    if (!node) {
        mr__stop(tape);
        return false;
    }
    memcpy(inputs, tensors, bytes);
    node->count = count;
    node->rows = rows;
    node->inputs = inputs;
    return true;
}

/* Joins tensors that fit, in `rows` rows. */
static mr_tensor *join(mr_tape *tape, const char *op, mr_tensor *const *tensors, int count, int64_t rows,
                       const mr_shape *shape)
{
    mr_dtype dtype = common_type(tensors, count);
    if (mr__numel(op, shape, dtype) < 0)
        return mr__stop(tape);
    mr_tensor *y = mr__result(tape, dtype, shape->ndim, shape->dim);
    if (!y)
        return NULL;
    size_t size = mr_dtype_size(dtype);
    int64_t row = rows ? y->numel / rows : 0;
    char *to = y->data;
    for (int i = 0; i < count; i++) {
        mr_tensor *x = tensors[i]->contiguous ? tensors[i] : mr__dense_as(tape, tensors[i], dtype);
        if (!x)
            return NULL;
        int64_t block = rows ? x->numel / rows : 0;
        size_t from_bytes = (size_t)block * mr_dtype_size((mr_dtype)x->dtype);
        for (int64_t r = 0; r < rows; r++)
            mr__cast_elements(dtype, to + (size_t)(r * row) * size, (mr_dtype)x->dtype,
                              x->data + (size_t)r * from_bytes, 1, block);
        to += (size_t)block * size;
    }
    return record(tape, op, y, tensors, count, rows) ? y : NULL;
}

/* Whether there are tensors, and all can be used. */
static bool ready(mr_tape *tape, const char *op, mr_tensor *const *tensors, int count)
{
    if (tape && !tape->failed && (count < 1 || !tensors)) {
        mr__fail(tape, MR_ERR_ARGUMENT, "%s: no tensors given", op);
        return false;
    }
    if (!tape || tape->failed) {
        mr__ready1(tape, op, NULL);
        return false;
    }
    for (int i = 0; i < count; i++)
        if (!mr__ready1(tape, op, tensors[i]))
            return false;
    return true;
}

/* ---- cat ---- */

/* torch's cat passes over tensors of shape [0], whatever the others are. */
static bool passed_over(const mr_tensor *x)
{
    return x->ndim == 1 && x->shape[0] == 0;
}

static bool fits(const mr_tensor *x, const mr_tensor *first, int dim)
{
    bool same = x->ndim == first->ndim;
    for (int d = 0; same && d < x->ndim; d++)
        same = d == dim || x->shape[d] == first->shape[d];
    return same;
}

mr_tensor *mr_cat(mr_tape *tape, mr_tensor *const *tensors, int count, int dim)
{
    if (!ready(tape, "cat", tensors, count))
        return NULL;
    const mr_tensor *first = NULL;
    int number = 0;
    for (int i = 0; i < count; i++) {
        if (tensors[i]->ndim == 0)
            return mr__fail(tape, MR_ERR_SHAPE,
                            "cat: tensor %d is a scalar, which has no dimension to join; mr_stack "
                            "makes one",
                            i);
        if (!first && !passed_over(tensors[i])) {
            first = tensors[i];
            number = i;
        }
    }
    int at = first ? mr__dim("cat", first, dim) : 0;
    if (at < 0)
        return mr__stop(tape);
    first = first ? first : tensors[0];
    mr_shape shape = mr__shape_of(first);
    int64_t rows = 1;
    for (int d = 0; d < at; d++)
        rows *= shape.dim[d];
    shape.dim[at] = 0;
    for (int i = 0; i < count; i++) {
        const mr_tensor *x = tensors[i];
        if (passed_over(x))
            continue;
        if (!fits(x, first, at))
            return mr__fail(tape, MR_ERR_SHAPE,
                            "cat: sizes differ outside of dimension %d: tensor %d is %s, tensor %d %s", dim,
                            number, mr__tensor_text(first).text, i, mr__tensor_text(x).text);
        if (__builtin_add_overflow(shape.dim[at], x->shape[at], &shape.dim[at]))
            return mr__fail(tape, MR_ERR_SHAPE, "cat: the joined size does not fit 64 bits");
    }
    return join(tape, "cat", tensors, count, rows, &shape);
}

/* ---- stack ---- */

mr_tensor *mr_stack(mr_tape *tape, mr_tensor *const *tensors, int count, int dim)
{
    if (!ready(tape, "stack", tensors, count))
        return NULL;
    const mr_tensor *first = tensors[0];
    int n = first->ndim + 1, at = dim < 0 ? dim + n : dim;
    if (at < 0 || at >= n)
        return mr__fail(tape, MR_ERR_ARGUMENT,
                        "stack: dimension %d of a stack of %s is out of range (%d to %d)", dim,
                        mr__tensor_text(first).text, -n, n - 1);
    if (n > MR_MAX_DIMS)
        return mr__fail(tape, MR_ERR_SHAPE, "stack: %s has %d dimensions already",
                        mr__tensor_text(first).text, MR_MAX_DIMS);
    for (int i = 1; i < count; i++)
        if (!mr__same_shape(tensors[i], first))
            return mr__fail(tape, MR_ERR_SHAPE, "stack: sizes differ: tensor 0 is %s, tensor %d %s",
                            mr__tensor_text(first).text, i, mr__tensor_text(tensors[i]).text);
    mr_shape shape = { .ndim = n };
    int64_t rows = 1;
    for (int d = 0; d < n; d++) {
        shape.dim[d] = d < at ? first->shape[d] : d == at ? count : first->shape[d - 1];
        rows *= d < at ? shape.dim[d] : 1;
    }
    return join(tape, "stack", tensors, count, rows, &shape);
}

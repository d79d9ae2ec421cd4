/* Operations that only change shape and strides. A view of the whole of a contiguous tensor shares its
 * gradient and needs no node; any other one has a dense gradient of its own, which backward scatters. */
#include "shape.h"
#include "tape.h"

/* What backward needs to find the viewed elements in the gradient of the base: the view's strides as if
 * the base were dense. */
typedef struct view_node {
    mr__node node;
    int64_t offset;
    int64_t stride[MR_MAX_DIMS];
} view_node;

#define DEFINE_SCATTER(name, type)                                                                  \
    static void name(type *target, const type *gradient, const mr_tensor *v, const int64_t *stride) \
    {                                                                                               \
        int64_t index[MR_MAX_DIMS] = { 0 };                                                         \
        int last = v->ndim - 1;                                                                     \
        int64_t n = last < 0 ? 1 : v->shape[last], step = last < 0 ? 0 : stride[last];              \
        for (;;) {                                                                                  \
            int64_t at = 0;                                                                         \
            for (int d = 0; d < last; d++)                                                          \
                at += index[d] * stride[d];                                                         \
            for (int64_t i = 0; i < n; i++)                                                         \
                target[at + i * step] += gradient[i];                                               \
            gradient += n;                                                                          \
            int d = last - 1;                                                                       \
            while (d >= 0 && ++index[d] == v->shape[d])                                             \
                index[d--] = 0;                                                                     \
            if (d < 0)                                                                              \
                return;                                                                             \
        }                                                                                           \
    }
DEFINE_SCATTER(scatter_f32, float)
DEFINE_SCATTER(scatter_f64, double)

static void view_backward(mr_tape *tape, mr__node *node)
{
    const view_node *v = (const view_node *)node;
    mr_tensor *x = node->in[0];
    size_t size = mr_dtype_size((mr_dtype)x->dtype);
    bool add = false;
    char *target = mr__grad_target(tape, x, &add);
    if (!target)
        return;
    if (!add)
        memset(target, 0, (size_t)x->numel * size);
    if (node->out->numel == 0)
        return;
    target += v->offset * (int64_t)size;
    if (x->dtype == MR_FLOAT32)
        scatter_f32((float *)target, mr__grad_of(node->out), node->out, v->stride);
    else
        scatter_f64((double *)target, mr__grad_of(node->out), node->out, v->stride);
}

static bool is_contiguous(const mr_tensor *x)
{
    int64_t n = 1;
    if (x->numel <= 1)
        return true;
    for (int i = x->ndim - 1; i >= 0; i--) {
        if (x->shape[i] != 1 && x->stride[i] != n)
            return false;
        n *= x->shape[i];
    }
    return true;
}

/* A view of x with x's number of elements in x's order: its gradient is x's. */
static mr_tensor *whole_view(mr_tape *tape, mr_tensor *x, int ndim, const int64_t *shape,
                             const int64_t *stride)
{
    mr_tensor *v = mr__view_header(tape, x);
    if (!v)
        return NULL;
    mr__set_shape(v, ndim, shape);
    if (stride)
        memcpy(v->stride, stride, (size_t)ndim * sizeof *stride);
    v->contiguous = x->contiguous;
    if (!mr__tracks(tape, x))
        return v;
    v->grad = x->grad; /* dense and in the same order, so it can be the same memory */
    return v;
}

/* A view of some of x's elements or in another order. `stride` and `offset` are in x's memory,
 * `dense_stride` and `dense_offset` in x as if it were dense. */
static mr_tensor *part_view(mr_tape *tape, const char *op, mr_tensor *x, const mr_shape *shape,
                            const int64_t *stride, int64_t offset, const int64_t *dense_stride,
                            int64_t dense_offset)
{
    mr_tensor *v = mr__view_header(tape, x);
    if (!v)
        return NULL;
    mr__set_shape(v, shape->ndim, shape->dim);
    memcpy(v->stride, stride, (size_t)shape->ndim * sizeof *stride);
    v->data += offset * (int64_t)mr_dtype_size((mr_dtype)x->dtype);
    v->contiguous = is_contiguous(v);
    if (!mr__tracks(tape, x))
        return v;
    view_node *node = mr__record(tape, sizeof *node, op, v, view_backward);
    if (!node)
        return NULL;
    mr__add_input(&node->node, x, false);
    node->offset = dense_offset;
    memcpy(node->stride, dense_stride, (size_t)shape->ndim * sizeof *stride);
    return v;
}

static void dense_strides(const mr_tensor *x, int64_t *stride)
{
    int64_t n = 1;
    for (int i = x->ndim - 1; i >= 0; i--) {
        stride[i] = n;
        n *= x->shape[i];
    }
}

/* ---- squeeze, unsqueeze ---- */

mr_tensor *mr_squeeze(mr_tape *tape, mr_tensor *x, int dim)
{
    if (!mr__ready1(tape, "squeeze", x))
        return NULL;
    int at = mr__dim("squeeze", x, dim);
    if (at < 0)
        return mr__stop(tape);
    int64_t shape[MR_MAX_DIMS], stride[MR_MAX_DIMS];
    int ndim = 0;
    for (int i = 0; i < x->ndim; i++)
        if (i != at || x->shape[i] != 1) {
            shape[ndim] = x->shape[i];
            stride[ndim++] = x->stride[i];
        }
    return whole_view(tape, x, ndim, shape, stride);
}

mr_tensor *mr_squeeze_all(mr_tape *tape, mr_tensor *x)
{
    if (!mr__ready1(tape, "squeeze_all", x))
        return NULL;
    int64_t shape[MR_MAX_DIMS], stride[MR_MAX_DIMS];
    int ndim = 0;
    for (int i = 0; i < x->ndim; i++)
        if (x->shape[i] != 1) {
            shape[ndim] = x->shape[i];
            stride[ndim++] = x->stride[i];
        }
    return whole_view(tape, x, ndim, shape, stride);
}

mr_tensor *mr_unsqueeze(mr_tape *tape, mr_tensor *x, int dim)
{
    if (!mr__ready1(tape, "unsqueeze", x))
        return NULL;
    if (x->ndim == MR_MAX_DIMS)
        return mr__fail(tape, MR_ERR_SHAPE, "unsqueeze: %s has %d dimensions already",
                        mr__tensor_text(x).text, MR_MAX_DIMS);
    int n = x->ndim + 1;
    if (dim < -n || dim >= n)
        return mr__fail(tape, MR_ERR_ARGUMENT, "unsqueeze: dimension %d of %s is out of range (%d to %d)",
                        dim, mr__tensor_text(x).text, -n, n - 1);
    if (dim < 0)
        dim += n;
    int64_t shape[MR_MAX_DIMS], stride[MR_MAX_DIMS];
    for (int i = 0, j = 0; i < n; i++) {
        if (i == dim) {
            shape[i] = 1;
            stride[i] = j < x->ndim ? x->shape[j] * x->stride[j] : 1;
        } else {
            shape[i] = x->shape[j];
            stride[i] = x->stride[j++];
        }
    }
    return whole_view(tape, x, n, shape, stride);
}

/* ---- view, reshape, flatten ---- */

/* Fills in a size of -1; false with a failure raised when the shape does not hold x's elements. */
static bool resolve_shape(const char *op, const mr_tensor *x, mr_shape *shape)
{
    mr_shape asked = *shape;
    int open = -1;
    int64_t known = 1;
    bool fits = shape->ndim >= 0 && shape->ndim <= MR_MAX_DIMS;
    for (int i = 0; fits && i < shape->ndim; i++) {
        if (shape->dim[i] == -1 && open < 0)
            open = i;
        else if (shape->dim[i] < 0 || __builtin_mul_overflow(known, shape->dim[i], &known))
            fits = false;
    }
    if (fits && open >= 0 && known > 0 && x->numel % known == 0)
        shape->dim[open] = x->numel / known;
    else if (open >= 0 || known != x->numel)
        fits = false;
    if (fits) /* an empty shape may have sizes whose strides do not fit */
        return mr__numel(op, shape, (mr_dtype)x->dtype) >= 0;
    mr__raise(MR_ERR_SHAPE, "%s: %s does not have the elements of shape %s", op, mr__tensor_text(x).text,
              mr__shape_text(&asked).text);
    return false;
}

/* Strides for viewing x in another shape without moving elements; false when there are none. Walks both
 * shapes from the end: runs of x's dimensions that lie without gaps can be cut anew. */
static bool view_strides(const mr_tensor *x, const mr_shape *shape, int64_t *stride)
{
    int v = shape->ndim - 1;
    int64_t run = 1, cut = 1, base = x->ndim ? x->stride[x->ndim - 1] : 1;
    for (int d = x->ndim - 1; d >= 0; d--) {
        run *= x->shape[d];
        bool ends = d == 0 || (x->shape[d - 1] != 1 && x->stride[d - 1] != run * base);
        if (!ends)
            continue;
        while (v >= 0 && (cut < run || shape->dim[v] == 1)) {
            stride[v] = cut * base;
            cut *= shape->dim[v--];
        }
        if (cut != run)
            return false;
        if (d > 0) {
            base = x->stride[d - 1];
            run = cut = 1;
        }
    }
    while (v >= 0)
        stride[v--] = 1;
    return true;
}

static mr_tensor *view_or_copy(mr_tape *tape, const char *op, mr_tensor *x, mr_shape shape, bool may_copy)
{
    int64_t stride[MR_MAX_DIMS];
    if (!mr__ready1(tape, op, x))
        return NULL;
    if (!resolve_shape(op, x, &shape))
        return mr__stop(tape);
    if (x->contiguous)
        return whole_view(tape, x, shape.ndim, shape.dim, NULL);
    if (view_strides(x, &shape, stride))
        return whole_view(tape, x, shape.ndim, shape.dim, stride);
    if (may_copy)
        return view_or_copy(tape, op, mr_contiguous(tape, x), shape, false);
    return mr__fail(tape, MR_ERR_SHAPE, "%s: the strides of %s do not allow shape %s; mr_reshape copies", op,
                    mr__tensor_text(x).text, mr__shape_text(&shape).text);
}

mr_tensor *mr_view(mr_tape *tape, mr_tensor *x, mr_shape shape)
{
    return view_or_copy(tape, "view", x, shape, false);
}

mr_tensor *mr_reshape(mr_tape *tape, mr_tensor *x, mr_shape shape)
{
    return view_or_copy(tape, "reshape", x, shape, true);
}

mr_tensor *mr_flatten(mr_tape *tape, mr_tensor *x, int first, int last)
{
    if (!mr__ready1(tape, "flatten", x))
        return NULL;
    int from = mr__dim("flatten", x, first), to = from < 0 ? -1 : mr__dim("flatten", x, last);
    if (from < 0 || to < 0)
        return mr__stop(tape);
    if (from > to)
        return mr__fail(tape, MR_ERR_ARGUMENT, "flatten: first dimension %d lies behind the last, %d", first,
                        last);
    mr_shape shape = { .ndim = 0 };
    int64_t joined = 1;
    for (int i = 0; i < x->ndim; i++) {
        joined = i > from && i <= to ? joined * x->shape[i] : x->shape[i];
        if (i < from || i >= to)
            shape.dim[shape.ndim++] = joined;
    }
    if (x->ndim == 0)
        shape = (mr_shape){ 1, { 1 } };
    return view_or_copy(tape, "flatten", x, shape, true);
}

mr_tensor *mr_unflatten(mr_tape *tape, mr_tensor *x, int dim, mr_shape sizes)
{
    if (!mr__ready1(tape, "unflatten", x))
        return NULL;
    int at = mr__dim("unflatten", x, dim);
    if (at < 0)
        return mr__stop(tape);
    int64_t size = x->ndim ? x->shape[at] : 1, known = 1;
    int open = -1, ones = 0;
    bool wrong = sizes.ndim < 1 || x->ndim == 0 || x->ndim - 1 + sizes.ndim > MR_MAX_DIMS;
    for (int i = 0; i < sizes.ndim && !wrong; i++)
        if (sizes.dim[i] == -1) {
            open = i;
            wrong = ones++ > 0;
        } else {
            wrong = sizes.dim[i] < 0 || __builtin_mul_overflow(known, sizes.dim[i], &known);
        }
    wrong = wrong || (open < 0 ? known != size : known == 0 || size % known);
    if (wrong)
        return mr__fail(tape, MR_ERR_SHAPE, "unflatten: dimension %d of %s cannot be split into %s", dim,
                        mr__tensor_text(x).text, mr__shape_text(&sizes).text);
    if (open >= 0)
        sizes.dim[open] = size / known;
    mr_shape shape = { .ndim = 0 };
    for (int i = 0; i < x->ndim; i++)
        if (i != at)
            shape.dim[shape.ndim++] = x->shape[i];
        else
            for (int k = 0; k < sizes.ndim; k++)
                shape.dim[shape.ndim++] = sizes.dim[k];
    return view_or_copy(tape, "unflatten", x, shape, true);
}

/* ---- transpose, permute, expand ---- */

static mr_tensor *permuted(mr_tape *tape, const char *op, mr_tensor *x, const int *order)
{
    int64_t dense[MR_MAX_DIMS], stride[MR_MAX_DIMS], dense_stride[MR_MAX_DIMS];
    mr_shape shape = { .ndim = x->ndim };
    dense_strides(x, dense);
    for (int i = 0; i < x->ndim; i++) {
        shape.dim[i] = x->shape[order[i]];
        stride[i] = x->stride[order[i]];
        dense_stride[i] = dense[order[i]];
    }
    return part_view(tape, op, x, &shape, stride, 0, dense_stride, 0);
}

mr_tensor *mr_transpose(mr_tape *tape, mr_tensor *x, int dim0, int dim1)
{
    if (!mr__ready1(tape, "transpose", x))
        return NULL;
    int a = mr__dim("transpose", x, dim0), b = a < 0 ? -1 : mr__dim("transpose", x, dim1);
    if (a < 0 || b < 0)
        return mr__stop(tape);
    int order[MR_MAX_DIMS];
    for (int i = 0; i < MR_MAX_DIMS; i++)
        order[i] = i;
    order[a] = b;
    order[b] = a;
    return permuted(tape, "transpose", x, order);
}

mr_tensor *mr_permute(mr_tape *tape, mr_tensor *x, mr_dims dims)
{
    if (!mr__ready1(tape, "permute", x))
        return NULL;
    unsigned seen = 0;
    int order[MR_MAX_DIMS];
    if (dims.count != x->ndim)
        return mr__fail(tape, MR_ERR_ARGUMENT, "permute: %d dimensions given for %s", dims.count,
                        mr__tensor_text(x).text);
    for (int i = 0; i < dims.count; i++) {
        order[i] = mr__dim("permute", x, dims.dim[i]);
        if (order[i] < 0)
            return mr__stop(tape);
        if (seen & 1u << order[i])
            return mr__fail(tape, MR_ERR_ARGUMENT, "permute: dimension %d is given twice", dims.dim[i]);
        seen |= 1u << order[i];
    }
    return permuted(tape, "permute", x, order);
}

mr_tensor *mr_expand(mr_tape *tape, mr_tensor *x, mr_shape shape)
{
    if (!mr__ready1(tape, "expand", x))
        return NULL;
    mr_shape asked = shape;
    int64_t dense[MR_MAX_DIMS], stride[MR_MAX_DIMS], dense_stride[MR_MAX_DIMS];
    bool fits = shape.ndim >= x->ndim && shape.ndim <= MR_MAX_DIMS;
    dense_strides(x, dense);
    for (int d = shape.ndim - 1, e = x->ndim - 1; fits && d >= 0; d--, e--) {
        if (shape.dim[d] == -1 && e >= 0)
            shape.dim[d] = x->shape[e];
        bool repeats = e < 0 || (x->shape[e] == 1 && shape.dim[d] != 1);
        fits = shape.dim[d] >= 0 && (repeats || x->shape[e] == shape.dim[d]);
        stride[d] = repeats ? 0 : x->stride[e];
        dense_stride[d] = repeats ? 0 : dense[e];
    }
    if (!fits)
        return mr__fail(tape, MR_ERR_SHAPE, "expand: %s does not expand to %s", mr__tensor_text(x).text,
                        mr__shape_text(&asked).text);
    if (mr__numel("expand", &shape, (mr_dtype)x->dtype) < 0)
        return mr__stop(tape);
    return part_view(tape, "expand", x, &shape, stride, 0, dense_stride, 0);
}

/* ---- slice, select ---- */

mr_tensor *mr_slice(mr_tape *tape, mr_tensor *x, int dim, int64_t start, int64_t end, int64_t step)
{
    if (!mr__ready1(tape, "slice", x))
        return NULL;
    if (x->ndim == 0)
        return mr__fail(tape, MR_ERR_SHAPE, "slice: a scalar has no dimension to slice");
    int at = mr__dim("slice", x, dim);
    if (at < 0)
        return mr__stop(tape);
    if (step < 1)
        return mr__fail(tape, MR_ERR_ARGUMENT, "slice: step %lld is not positive", (long long)step);
    int64_t n = x->shape[at], dense[MR_MAX_DIMS], stride[MR_MAX_DIMS], dense_stride[MR_MAX_DIMS];
    if (step > n) /* takes one element at most, and no stride overflows */
        step = n > 1 ? n : 1;
    start = start < 0 ? start + n : start;
    end = end < 0 ? end + n : end;
    start = start < 0 ? 0 : start > n ? n : start;
    end = end < start ? start : end > n ? n : end;
    mr_shape shape = mr__shape_of(x);
    shape.dim[at] = end > start ? (end - start - 1) / step + 1 : 0;
    dense_strides(x, dense);
    memcpy(stride, x->stride, sizeof stride);
    memcpy(dense_stride, dense, sizeof dense_stride);
    stride[at] *= step;
    dense_stride[at] *= step;
    return part_view(tape, "slice", x, &shape, stride, start * x->stride[at], dense_stride,
                     start * dense[at]);
}

mr_tensor *mr_select(mr_tape *tape, mr_tensor *x, int dim, int64_t index)
{
    if (!mr__ready1(tape, "select", x))
        return NULL;
    if (x->ndim == 0)
        return mr__fail(tape, MR_ERR_SHAPE, "select: a scalar has no dimension to select from");
    int at = mr__dim("select", x, dim);
    if (at < 0)
        return mr__stop(tape);
    int64_t n = x->shape[at], i = index < 0 ? index + n : index;
    if (i < 0 || i >= n)
        return mr__fail(tape, MR_ERR_ARGUMENT, "select: index %lld is out of range for dimension %d of %s",
                        (long long)index, dim, mr__tensor_text(x).text);
    int64_t dense[MR_MAX_DIMS], stride[MR_MAX_DIMS], dense_stride[MR_MAX_DIMS];
    mr_shape shape = { .ndim = 0 };
    dense_strides(x, dense);
    for (int d = 0; d < x->ndim; d++)
        if (d != at) {
            shape.dim[shape.ndim] = x->shape[d];
            stride[shape.ndim] = x->stride[d];
            dense_stride[shape.ndim++] = dense[d];
        }
    return part_view(tape, "select", x, &shape, stride, i * x->stride[at], dense_stride, i * dense[at]);
}

/* ---- detach ---- */

mr_tensor *mr_detach(mr_tape *tape, mr_tensor *x)
{
    if (!mr__ready1(tape, "detach", x))
        return NULL;
    mr_tensor *v = mr__view_header(tape, x);
    if (!v)
        return NULL;
    mr__set_shape(v, x->ndim, x->shape);
    memcpy(v->stride, x->stride, sizeof v->stride);
    v->contiguous = x->contiguous;
    return v;
}

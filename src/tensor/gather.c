/* Single elements of x, each found by its own place in the index and the position that stands there. */
#include "positions.h"

typedef struct gather_node {
    mr__node node;
    const int64_t *offsets; /* in x as if it were dense, of each element of the result */
} gather_node;

static void gather_backward(mr_tape *tape, mr__node *node)
{
    const int64_t *offsets = ((const gather_node *)node)->offsets;
    mr_tensor *x = node->in[0];
    bool add = false;
    void *target = mr__grad_target(tape, x, &add);
    if (!target)
        return;
    if (!add)
        memset(target, 0, (size_t)x->numel * mr_dtype_size((mr_dtype)x->dtype));
    const void *gradient = mr__grad_of(node->out);
    for (int64_t i = 0; i < node->out->numel; i++)
        if (x->dtype == MR_FLOAT32)
            ((float *)target)[offsets[i]] += ((const float *)gradient)[i];
        else
            ((double *)target)[offsets[i]] += ((const double *)gradient)[i];
}

/* Where the positions lie in a tensor with these strides: at the index's own place, but for dimension `dim`. */
static void find_offsets(int64_t *offsets, const int64_t *positions, const mr_tensor *index, int dim,
                         const int64_t *stride)
{
    int64_t place[MR_MAX_DIMS] = { 0 };
    int last = index->ndim - 1;
    int64_t n = last < 0 ? 1 : index->shape[last], step = last < 0 || last == dim ? 0 : stride[last];
    for (int64_t done = 0; done < index->numel; done += n) {
        int64_t at = 0;
        for (int d = 0; d < last; d++)
            at += d == dim ? 0 : place[d] * stride[d];
        for (int64_t i = 0; i < n; i++)
            offsets[done + i] = at + i * step + positions[done + i] * stride[dim];
        for (int d = last - 1; d >= 0 && ++place[d] == index->shape[d]; d--)
            place[d] = 0;
    }
}

static void copy_elements(void *out, const void *x, const int64_t *offsets, int64_t n, size_t size)
{
#define COPY(type)                  \
    for (int64_t i = 0; i < n; i++) \
        ((type *)out)[i] = ((const type *)x)[offsets[i]];
    if (size == 8)
        COPY(uint64_t)
    else if (size == 4)
        COPY(uint32_t)
    else if (size == 2)
        COPY(uint16_t)
    else
        COPY(uint8_t)
#undef COPY
}

static bool fits(const mr_tensor *x, int dim, const mr_tensor *index)
{
    if (index->numel == 0)
        return true;
    bool same = (x->ndim ? x->ndim : 1) == (index->ndim ? index->ndim : 1);
    for (int d = 0; same && d < x->ndim && d < index->ndim; d++)
        same = d == dim || index->shape[d] <= x->shape[d];
    return same;
}

mr_tensor *mr_gather(mr_tape *tape, mr_tensor *x, int dim, mr_tensor *index)
{
    if (!mr__ready2(tape, "gather", x, index))
        return NULL;
    if (index->dtype == MR_INT32)
        return mr__fail(tape, MR_ERR_DTYPE, "gather: index %s is %s, not int64", mr__tensor_text(index).text,
                        mr_dtype_name((mr_dtype)index->dtype));
    int at = mr__dim("gather", x, dim);
    if (at < 0)
        return mr__stop(tape);
    if (!fits(x, at, index))
        return mr__fail(tape, MR_ERR_SHAPE, "gather: index %s does not fit into %s outside of dimension %d",
                        mr__tensor_text(index).text, mr__tensor_text(x).text, dim);
    int64_t *positions = mr__positions(tape, "gather", x, at, index);
    int64_t *offsets = mr__arena_alloc(&tape->arena, (size_t)index->numel * sizeof *offsets);
    mr_tensor *y = mr__result_like(tape, (mr_dtype)x->dtype, index);
    if (!positions || !offsets || !y)
        return mr__stop(tape);
    int64_t stride[MR_MAX_DIMS] = { 0 }, n = 1;
    memcpy(stride, x->stride, (size_t)x->ndim * sizeof *stride);
    find_offsets(offsets, positions, index, at, stride);
    copy_elements(y->data, x->data, offsets, y->numel, mr_dtype_size((mr_dtype)x->dtype));
    if (!mr__tracks(tape, x))
        return y;
    for (int d = x->ndim - 1; d >= 0; d--) {
        stride[d] = n;
        n *= x->shape[d];
    }
    find_offsets(offsets, positions, index, at, stride);
    gather_node *node = mr__record(tape, sizeof *node, "gather", y, gather_backward);
    if (!node)
        return NULL;
    mr__add_input(&node->node, x, false);
    node->offsets = offsets;
    return y;
}

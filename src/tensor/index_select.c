/* Rows of one dimension, by a vector of positions. */
#include "positions.h"

/* x as `outer` groups of `size` rows of `inner` neighbouring elements. */
typedef struct rows {
    int64_t outer, size, inner;
} rows;

typedef struct select_node {
    mr__node node;
    rows rows;
    int64_t count;
    const int64_t *positions;
} select_node;

static rows rows_of(const mr_tensor *x, int dim)
{
    rows r = { 1, x->ndim ? x->shape[dim] : 1, 1 };
    for (int d = 0; d < x->ndim; d++)
        if (d < dim)
            r.outer *= x->shape[d];
        else if (d > dim)
            r.inner *= x->shape[d];
    return r;
}

/* ---- backward ---- */

#define DEFINE_SCATTER(name, type)                                             \
    static void name(type *target, const type *gradient, const select_node *s) \
    {                                                                          \
        rows r = s->rows;                                                      \
        for (int64_t o = 0; o < r.outer; o++, target += r.size * r.inner)      \
            for (int64_t i = 0; i < s->count; i++, gradient += r.inner) {      \
                type *row = target + s->positions[i] * r.inner;                \
                for (int64_t j = 0; j < r.inner; j++)                          \
                    row[j] += gradient[j];                                     \
            }                                                                  \
    }
DEFINE_SCATTER(scatter_f32, float)
DEFINE_SCATTER(scatter_f64, double)

static void select_backward(mr_tape *tape, mr__node *node)
{
    mr_tensor *x = node->in[0];
    bool add = false;
    void *target = mr__grad_target(tape, x, &add);
    if (!target)
        return;
    if (!add)
        memset(target, 0, (size_t)x->numel * mr_dtype_size((mr_dtype)x->dtype));
    if (x->dtype == MR_FLOAT32)
        scatter_f32(target, mr__grad_of(node->out), (const select_node *)node);
    else
        scatter_f64(target, mr__grad_of(node->out), (const select_node *)node);
}

/* ---- forward ---- */

static void copy_rows(char *out, const char *x, rows r, const int64_t *positions, int64_t count, size_t size)
{
    size_t bytes = (size_t)r.inner * size;
    for (int64_t o = 0; o < r.outer; o++, x += (size_t)r.size * bytes)
        for (int64_t i = 0; i < count; i++, out += bytes)
            memcpy(out, x + (size_t)positions[i] * bytes, bytes);
}

static mr_tensor *select_rows(mr_tape *tape, mr_tensor *x, int dim, const int64_t *positions, int64_t count)
{
    mr_shape shape = mr__shape_of(x);
    shape.dim[dim] = count;
    if (mr__numel("index_select", &shape, (mr_dtype)x->dtype) < 0)
        return mr__stop(tape);
    mr_tensor *y = mr__result(tape, (mr_dtype)x->dtype, shape.ndim, shape.dim);
    const mr_tensor *dense = y ? mr__dense(tape, x) : NULL;
    if (!dense)
        return NULL;
    rows r = rows_of(x, dim);
    copy_rows(y->data, dense->data, r, positions, count, mr_dtype_size((mr_dtype)x->dtype));
    if (!mr__tracks(tape, x))
        return y;
    select_node *node = mr__record(tape, sizeof *node, "index_select", y, select_backward);
    if (!node)
        return NULL;
    mr__add_input(&node->node, x, false);
    node->rows = r;
    node->count = count;
    node->positions = positions;
    return y;
}

mr_tensor *mr_index_select(mr_tape *tape, mr_tensor *x, int dim, mr_tensor *index)
{
    if (!mr__ready2(tape, "index_select", x, index))
        return NULL;
    int at = mr__dim("index_select", x, dim);
    if (at < 0)
        return mr__stop(tape);
    if (index->ndim > 1 || (x->ndim == 0 && index->numel != 1))
        return mr__fail(tape, MR_ERR_SHAPE, "index_select: index %s of %s is not a vector of positions",
                        mr__tensor_text(index).text, mr__tensor_text(x).text);
    int64_t *positions = mr__positions(tape, "index_select", x, at, index);
    return positions ? select_rows(tape, x, at, positions, index->numel) : NULL;
}

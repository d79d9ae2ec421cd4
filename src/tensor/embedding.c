/* Rows of a weight by their positions, alone or summed up in bags. */
#include "positions.h"

#include "base/option.h"
#include "kernels/kernels.h"

#include <millrace/functions.h>

/* A bag is the positions from one offset up to the next. Without offsets every position is one. */
typedef struct embedding {
    mr__node node;
    const int64_t *positions, *offsets; /* offsets: one more than there are bags */
    int64_t bags, count,
        padding; /* padding: a row that counts for nothing in a bag and takes no gradient; or -1 */
    bool mean;
} embedding;

/* ---- rows ---- */

static void add_row(bool f32, void *to, const void *from, double scale, int64_t n)
{
    if (f32 && scale == 1)
        mr__k->add(to, to, from, n);
    else if (f32)
        mr__k->add_scaled(to, (float)scale, from, n);
    else
        for (int64_t i = 0; i < n; i++)
            ((double *)to)[i] += scale * ((const double *)from)[i];
}

static void scale_row(bool f32, void *row, double scale, int64_t n)
{
    if (f32)
        mr__k->scale(row, row, (float)scale, n, false);
    else
        for (int64_t i = 0; i < n; i++)
            ((double *)row)[i] *= scale;
}

/* What a bag's sum is multiplied by. */
static double factor_of(const embedding *e, int64_t bag)
{
    int64_t members = 0;
    if (!e->mean)
        return 1;
    for (int64_t i = e->offsets[bag]; i < e->offsets[bag + 1]; i++)
        members += e->positions[i] != e->padding;
    return members ? 1 / (double)members : 1;
}

/* ---- backward ---- */

static void backward(mr_tape *tape, mr__node *node)
{
    const embedding *e = (const embedding *)node;
    mr_tensor *weight = node->in[0];
    bool add = false, f32 = weight->dtype == MR_FLOAT32;
    size_t bytes = (size_t)weight->shape[1] * mr_dtype_size((mr_dtype)weight->dtype);
    char *dw = mr__grad_target(tape, weight, &add);
    const char *dy = mr__grad_of(node->out);
    if (!dw)
        return;
    if (!add)
        memset(dw, 0, (size_t)weight->shape[0] * bytes);
    for (int64_t bag = 0; bag < e->bags; bag++) {
        double factor = e->offsets ? factor_of(e, bag) : 1;
        int64_t first = e->offsets ? e->offsets[bag] : bag, end = e->offsets ? e->offsets[bag + 1] : bag + 1;
        for (int64_t i = first; i < end; i++)
            if (e->positions[i] != e->padding)
                add_row(f32, dw + (size_t)e->positions[i] * bytes, dy + (size_t)bag * bytes, factor,
                        weight->shape[1]);
    }
}

/* ---- forward ---- */

static bool check_weight(mr_tape *tape, const char *op, const mr_tensor *weight, bool has_padding,
                         int64_t padding, embedding *e)
{
    if (weight->ndim != 2) {
        mr__fail(tape, MR_ERR_SHAPE, "%s: weight %s is no matrix of rows", op, mr__tensor_text(weight).text);
        return false;
    }
    if (!mr__is_float(weight->dtype)) {
        mr__fail(tape, MR_ERR_DTYPE, "%s: weight %s is %s, not a floating type", op,
                 mr__tensor_text(weight).text, mr_dtype_name((mr_dtype)weight->dtype));
        return false;
    }
    e->padding = -1;
    if (!has_padding)
        return true;
    e->padding = padding < 0 ? padding + weight->shape[0] : padding;
    if (e->padding >= 0 && e->padding < weight->shape[0])
        return true;
    mr__fail(tape, MR_ERR_ARGUMENT, "%s: padding_idx %lld is no row of weight %s", op, (long long)padding,
             mr__tensor_text(weight).text);
    return false;
}

static mr_tensor *recorded(mr_tape *tape, const char *op, mr_tensor *y, mr_tensor *weight, const embedding *e)
{
    if (!mr__tracks(tape, weight))
        return y;
    embedding *node = mr__record(tape, sizeof *node, op, y, backward);
    if (!node)
        return NULL;
    mr__node head = node->node;
    *node = *e;
    node->node = head;
    mr__add_input(&node->node, weight, false);
    return y;
}

mr_tensor *mr_embedding(mr_tape *tape, mr_tensor *index, mr_tensor *weight, const mr_embedding_opts *opts)
{
    static const char op[] = "embedding";
    embedding e = { 0 };
    if (!mr__ready2(tape, op, index, weight) ||
        !check_weight(tape, op, weight, opts && mr__has_index(opts->has_padding_idx, opts->padding_idx),
                      opts ? mr__index(false, opts->padding_idx, 0) : 0, &e))
        return NULL;
    mr_shape shape = mr__shape_of(index);
    if (shape.ndim == MR_MAX_DIMS)
        return mr__fail(tape, MR_ERR_SHAPE, "%s: index %s has too many dimensions", op,
                        mr__tensor_text(index).text);
    shape.dim[shape.ndim++] = weight->shape[1];
    int64_t *positions = mr__positions(tape, op, weight, 0, index);
    weight = positions ? mr_contiguous(tape, weight) : NULL;
    if (!weight)
        return NULL;
    if (mr__numel(op, &shape, (mr_dtype)weight->dtype) < 0)
        return mr__stop(tape);
    mr_tensor *y = mr__result(tape, (mr_dtype)weight->dtype, shape.ndim, shape.dim);
    if (!y)
        return NULL;
    e.positions = positions;
    e.bags = e.count = index->numel;
    size_t bytes = (size_t)weight->shape[1] * mr_dtype_size((mr_dtype)weight->dtype);
    for (int64_t i = 0; i < e.count && bytes; i++)
        memcpy(y->data + (size_t)i * bytes, weight->data + (size_t)positions[i] * bytes, bytes);
    return recorded(tape, op, y, weight, &e);
}

/* ---- bags ---- */

static mr_tensor *bags_of(mr_tape *tape, mr_tensor *weight, embedding *e)
{
    static const char op[] = "embedding_bag";
    mr_shape shape = MR_SHAPE(e->bags, weight->shape[1]);
    if (mr__numel(op, &shape, (mr_dtype)weight->dtype) < 0)
        return mr__stop(tape);
    mr_tensor *y = mr__result(tape, (mr_dtype)weight->dtype, shape.ndim, shape.dim);
    weight = y ? mr_contiguous(tape, weight) : NULL;
    if (!weight)
        return NULL;
    bool f32 = weight->dtype == MR_FLOAT32;
    size_t bytes = (size_t)weight->shape[1] * mr_dtype_size((mr_dtype)weight->dtype);
    memset(y->data, 0, (size_t)e->bags * bytes);
    for (int64_t bag = 0; bag < e->bags; bag++) {
        char *row = y->data + (size_t)bag * bytes;
        for (int64_t i = e->offsets[bag]; i < e->offsets[bag + 1]; i++)
            if (e->positions[i] != e->padding)
                add_row(f32, row, weight->data + (size_t)e->positions[i] * bytes, 1, weight->shape[1]);
        if (e->mean)
            scale_row(f32, row, factor_of(e, bag), weight->shape[1]);
    }
    return recorded(tape, op, y, weight, e);
}

static bool begin_bags(mr_tape *tape, mr_tensor *index, mr_tensor *weight, const mr_embedding_bag_opts *opts,
                       int dims, embedding *e)
{
    static const char op[] = "embedding_bag";
    if (!check_weight(tape, op, weight, opts && mr__has_index(opts->has_padding_idx, opts->padding_idx),
                      opts ? mr__index(false, opts->padding_idx, 0) : 0, e))
        return false;
    e->mean = !opts || opts->mode == MR_BAG_MEAN;
    if (opts && opts->mode != MR_BAG_MEAN && opts->mode != MR_BAG_SUM) {
        mr__fail(tape, MR_ERR_ARGUMENT, "%s: %d is no mode", op, (int)opts->mode);
        return false;
    }
    if (index->ndim != dims) {
        mr__fail(tape, MR_ERR_SHAPE, "%s: index %s has not %d dimension%s", op, mr__tensor_text(index).text,
                 dims, dims == 1 ? "" : "s: offsets say where bags of a vector begin");
        return false;
    }
    e->count = index->numel;
    e->positions = mr__positions(tape, op, weight, 0, index);
    return e->positions != NULL;
}

static int64_t *offsets_array(mr_tape *tape, embedding *e)
{
    int64_t *offsets = mr__arena_alloc(&tape->arena, mr__mul_size((size_t)e->bags + 1, sizeof *offsets));
    if (!offsets)
        mr__stop(tape);
    e->offsets = offsets;
    return offsets;
}

mr_tensor *mr_embedding_bag(mr_tape *tape, mr_tensor *index, mr_tensor *weight,
                            const mr_embedding_bag_opts *opts)
{
    embedding e = { 0 };
    if (!mr__ready2(tape, "embedding_bag", index, weight) || !begin_bags(tape, index, weight, opts, 2, &e))
        return NULL;
    e.bags = index->shape[0];
    int64_t *offsets = offsets_array(tape, &e);
    for (int64_t i = 0; offsets && i <= e.bags; i++)
        offsets[i] = i * index->shape[1];
    return offsets ? bags_of(tape, weight, &e) : NULL;
}

mr_tensor *mr_embedding_bag_offsets(mr_tape *tape, mr_tensor *index, mr_tensor *offsets, mr_tensor *weight,
                                    const mr_embedding_bag_opts *opts)
{
    static const char op[] = "embedding_bag";
    embedding e = { 0 };
    if (!mr__ready2(tape, op, index, weight) || !mr__ready1(tape, op, offsets) ||
        !begin_bags(tape, index, weight, opts, 1, &e))
        return NULL;
    if (offsets->ndim != 1 || (offsets->dtype != MR_INT64 && offsets->dtype != MR_INT32))
        return mr__fail(tape, MR_ERR_SHAPE, "%s: offsets %s are no vector of int64 or int32", op,
                        mr__tensor_text(offsets).text);
    e.bags = offsets->numel;
    int64_t *at = offsets_array(tape, &e);
    if (!at)
        return NULL;
    mr__gather_elements(MR_INT64, at, offsets);
    at[e.bags] = e.count;
    for (int64_t i = 0; i < e.bags; i++)
        if ((i == 0 && at[i] != 0) || at[i] > at[i + 1])
            return mr__fail(tape, MR_ERR_ARGUMENT,
                            "%s: offset %lld at element %lld: offsets begin with 0, and none is greater than "
                            "the next or the length of index %s",
                            op, (long long)at[i], (long long)i, mr__tensor_text(index).text);
    return bags_of(tape, weight, &e);
}

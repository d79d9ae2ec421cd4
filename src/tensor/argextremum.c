/* The largest and smallest values along one dimension together with where they are: the first of equal ones. */
#include "reduction.h"

typedef struct search {
    const void *x;
    void *values;     /* NULL: not wanted */
    int64_t *indices; /* NULL: not wanted */
} search;

/* v is further out than best, or the first NaN. */
#define LARGER(v, best) ((v) > (best) || ((v) != (v) && (best) == (best)))
#define SMALLER(v, best) ((v) < (best) || ((v) != (v) && (best) == (best)))

/* One dimension is searched, so a block has all the rows of its columns. */
#define DEFINE_SEARCH(name, type, beats)                                                    \
    static void name(void *self, const mr__block *b)                                        \
    {                                                                                       \
        search *s = self;                                                                   \
        type best[MR__COLUMNS];                                                             \
        int64_t where[MR__COLUMNS];                                                         \
        const type *x = (const type *)s->x + b->offset;                                     \
        for (int64_t j = 0; j < b->columns; j++) {                                          \
            best[j] = x[j * b->column_step];                                                \
            where[j] = 0;                                                                   \
        }                                                                                   \
        if (mr__by_columns(b))                                                              \
            for (int64_t j = 0; j < b->columns; j++, x += b->column_step)                   \
                for (int64_t i = 1; i < b->rows; i++) {                                     \
                    type v = x[i * b->row_step];                                            \
                    if (beats(v, best[j])) {                                                \
                        best[j] = v;                                                        \
                        where[j] = i;                                                       \
                    }                                                                       \
                }                                                                           \
        else                                                                                \
            for (int64_t i = 1; i < b->rows; i++)                                           \
                for (int64_t j = 0; j < b->columns; j++) {                                  \
                    type v = x[i * b->row_step + j * b->column_step];                       \
                    if (beats(v, best[j])) {                                                \
                        best[j] = v;                                                        \
                        where[j] = i;                                                       \
                    }                                                                       \
                }                                                                           \
        if (s->values)                                                                      \
            memcpy((type *)s->values + b->result, best, (size_t)b->columns * sizeof *best); \
        if (s->indices)                                                                     \
            memcpy(s->indices + b->result, where, (size_t)b->columns * sizeof *where);      \
    }
DEFINE_SEARCH(max_f32, float, LARGER)
DEFINE_SEARCH(max_f64, double, LARGER)
DEFINE_SEARCH(max_i64, int64_t, LARGER)
DEFINE_SEARCH(max_i32, int32_t, LARGER)
DEFINE_SEARCH(max_u8, uint8_t, LARGER)
DEFINE_SEARCH(min_f32, float, SMALLER)
DEFINE_SEARCH(min_f64, double, SMALLER)
DEFINE_SEARCH(min_i64, int64_t, SMALLER)
DEFINE_SEARCH(min_i32, int32_t, SMALLER)
DEFINE_SEARCH(min_u8, uint8_t, SMALLER)

static const mr__block_fn max_of[] = {
    [MR_FLOAT32] = max_f32, [MR_FLOAT64] = max_f64, [MR_INT64] = max_i64,
    [MR_INT32] = max_i32,   [MR_UINT8] = max_u8,    [MR_BOOL] = max_u8,
};
static const mr__block_fn min_of[] = {
    [MR_FLOAT32] = min_f32, [MR_FLOAT64] = min_f64, [MR_INT64] = min_i64,
    [MR_INT32] = min_i32,   [MR_UINT8] = min_u8,    [MR_BOOL] = min_u8,
};

/* Plans to search x along one dimension; false when that cannot be (the tape has stopped then). */
static bool plan(mr_tape *tape, const char *op, const mr_tensor *x, mr_dims dims, bool keepdim,
                 mr__reduction *r)
{
    if (!mr__reduction_plan(tape, op, x, dims, keepdim, r))
        return false;
    if (r->count == 0)
        mr__fail(tape, MR_ERR_SHAPE, "%s: %s has no elements to choose from", op, mr__tensor_text(x).text);
    return r->count > 0;
}

/* ---- values and positions ---- */

typedef struct pick_node {
    mr__node node;
    uint32_t mask;
    const int64_t *indices;
} pick_node;

typedef struct picks {
    void *target;
    const void *gradient;
    const int64_t *indices;
    bool f32;
} picks;

static void add_picks(void *self, const mr__block *b)
{
    const picks *p = self;
    for (int64_t j = 0; j < b->columns; j++) {
        int64_t from = b->result + j;
        int64_t to = b->offset + j * b->column_step + p->indices[from] * b->row_step;
        if (p->f32)
            ((float *)p->target)[to] += ((const float *)p->gradient)[from];
        else
            ((double *)p->target)[to] += ((const double *)p->gradient)[from];
    }
}

static void pick_backward(mr_tape *tape, mr__node *node)
{
    const pick_node *pick = (const pick_node *)node;
    mr_tensor *x = node->in[0];
    bool add = false;
    mr__reduction r;
    picks p = { mr__grad_target(tape, x, &add), mr__grad_of(node->out), pick->indices,
                x->dtype == MR_FLOAT32 };
    if (!p.target)
        return;
    if (!add)
        memset(p.target, 0, (size_t)x->numel * mr_dtype_size((mr_dtype)x->dtype));
    mr__reduction_dense(x, pick->mask, &r);
    mr__reduce(&r, add_picks, &p);
}

static mr_tensor *values_and_indices(mr_tape *tape, const char *op, mr_tensor *x, int dim, bool keepdim,
                                     mr_tensor **indices, const mr__block_fn *fn_of)
{
    mr__reduction r;
    if (indices)
        *indices = NULL;
    if (!mr__ready1(tape, op, x))
        return NULL;
    if (!plan(tape, op, x, MR_DIMS(dim), keepdim, &r))
        return NULL;
    mr_tensor *values = mr__result(tape, (mr_dtype)x->dtype, r.shape.ndim, r.shape.dim);
    mr_tensor *where = values ? mr__result(tape, MR_INT64, r.shape.ndim, r.shape.dim) : NULL;
    if (!where)
        return NULL;
    search s = { x->data, values->data, (int64_t *)where->data };
    mr__reduce(&r, fn_of[x->dtype], &s);
    if (mr__tracks(tape, x)) {
        pick_node *node = mr__record(tape, sizeof *node, op, values, pick_backward);
        if (!node)
            return NULL;
        mr__add_input(&node->node, x, false);
        node->mask = r.mask;
        node->indices = s.indices;
    }
    if (indices)
        *indices = where;
    return values;
}

mr_tensor *mr_max_dim(mr_tape *tape, mr_tensor *x, int dim, bool keepdim, mr_tensor **indices)
{
    return values_and_indices(tape, "max_dim", x, dim, keepdim, indices, max_of);
}

mr_tensor *mr_min_dim(mr_tape *tape, mr_tensor *x, int dim, bool keepdim, mr_tensor **indices)
{
    return values_and_indices(tape, "min_dim", x, dim, keepdim, indices, min_of);
}

/* ---- positions alone ---- */

static mr_tensor *positions(mr_tape *tape, const char *op, mr_tensor *x, mr_dims dims, bool keepdim,
                            const mr__block_fn *fn_of)
{
    mr__reduction r;
    if (!mr__ready1(tape, op, x))
        return NULL;
    if (dims.count > 1)
        return mr__fail(tape, MR_ERR_ARGUMENT, "%s: %d dimensions given; it takes one, or MR_ALL", op,
                        dims.count);
    if (dims.count == 0 && !(x = mr__dense(tape, x))) /* dense, it is one run */
        return NULL;
    if (!plan(tape, op, x, dims, keepdim, &r))
        return NULL;
    mr_tensor *where = mr__result(tape, MR_INT64, r.shape.ndim, r.shape.dim);
    if (!where)
        return NULL;
    search s = { x->data, NULL, (int64_t *)where->data };
    mr__reduce(&r, fn_of[x->dtype], &s);
    return where;
}

mr_tensor *mr_argmax(mr_tape *tape, mr_tensor *x, mr_dims dims, bool keepdim)
{
    return positions(tape, "argmax", x, dims, keepdim, max_of);
}

mr_tensor *mr_argmin(mr_tape *tape, mr_tensor *x, mr_dims dims, bool keepdim)
{
    return positions(tape, "argmin", x, dims, keepdim, min_of);
}

/* The largest and smallest values over any dimensions. Equal ones share the gradient evenly. */
#include "reduction.h"

typedef struct extremes {
    const void *x;
    void *out;
    union {
        float f32[MR__COLUMNS];
        double f64[MR__COLUMNS];
        int64_t i64[MR__COLUMNS];
        int32_t i32[MR__COLUMNS];
        uint8_t u8[MR__COLUMNS];
    } so_far;
} extremes;

/* v rather than best: it lies further out, or it is NaN. A best of NaN stays, since nothing lies beyond it. */
#define LARGER(v, best) ((v) > (best) || (v) != (v) ? (v) : (best))
#define SMALLER(v, best) ((v) < (best) || (v) != (v) ? (v) : (best))

/* A run is searched in four parts, so that the comparisons need not wait for each other. */
#define DEFINE_EXTREMUM(name, type, member, pick)                                            \
    static type name##_run(const type *x, int64_t step, int64_t n)                           \
    {                                                                                        \
        type best[4] = { x[0], x[0], x[0], x[0] };                                           \
        int64_t i = 0;                                                                       \
        for (; i + 4 <= n; i += 4, x += 4 * step) {                                          \
            best[0] = pick(x[0], best[0]);                                                   \
            best[1] = pick(x[step], best[1]);                                                \
            best[2] = pick(x[2 * step], best[2]);                                            \
            best[3] = pick(x[3 * step], best[3]);                                            \
        }                                                                                    \
        for (; i < n; i++, x += step)                                                        \
            best[0] = pick(x[0], best[0]);                                                   \
        best[0] = pick(best[1], best[0]);                                                    \
        best[2] = pick(best[3], best[2]);                                                    \
        return pick(best[2], best[0]);                                                       \
    }                                                                                        \
    static void name(void *self, const mr__block *b)                                         \
    {                                                                                        \
        extremes *e = self;                                                                  \
        const type *x = (const type *)e->x + b->offset;                                      \
        type *so_far = e->so_far.member;                                                     \
        if (b->first)                                                                        \
            for (int64_t j = 0; j < b->columns; j++)                                         \
                so_far[j] = x[j * b->column_step];                                           \
        if (mr__by_columns(b))                                                               \
            for (int64_t j = 0; j < b->columns; j++, x += b->column_step) {                  \
                type best = name##_run(x, b->row_step, b->rows);                             \
                so_far[j] = pick(best, so_far[j]);                                           \
            }                                                                                \
        else                                                                                 \
            for (int64_t i = 0; i < b->rows; i++, x += b->row_step)                          \
                for (int64_t j = 0; j < b->columns; j++)                                     \
                    so_far[j] = pick(x[j * b->column_step], so_far[j]);                      \
        if (b->last)                                                                         \
            memcpy((type *)e->out + b->result, so_far, (size_t)b->columns * sizeof *so_far); \
    }
DEFINE_EXTREMUM(max_f32, float, f32, LARGER)
DEFINE_EXTREMUM(max_f64, double, f64, LARGER)
DEFINE_EXTREMUM(max_i64, int64_t, i64, LARGER)
DEFINE_EXTREMUM(max_i32, int32_t, i32, LARGER)
DEFINE_EXTREMUM(max_u8, uint8_t, u8, LARGER)
DEFINE_EXTREMUM(min_f32, float, f32, SMALLER)
DEFINE_EXTREMUM(min_f64, double, f64, SMALLER)
DEFINE_EXTREMUM(min_i64, int64_t, i64, SMALLER)
DEFINE_EXTREMUM(min_i32, int32_t, i32, SMALLER)
DEFINE_EXTREMUM(min_u8, uint8_t, u8, SMALLER)

static const mr__block_fn max_of[] = {
    [MR_FLOAT32] = max_f32, [MR_FLOAT64] = max_f64, [MR_INT64] = max_i64,
    [MR_INT32] = max_i32,   [MR_UINT8] = max_u8,    [MR_BOOL] = max_u8,
};
static const mr__block_fn min_of[] = {
    [MR_FLOAT32] = min_f32, [MR_FLOAT64] = min_f64, [MR_INT64] = min_i64,
    [MR_INT32] = min_i32,   [MR_UINT8] = min_u8,    [MR_BOOL] = min_u8,
};

/* ---- backward ---- */

typedef struct extremum_node {
    mr__node node;
    uint32_t mask;
} extremum_node;

typedef struct sharing {
    const void *x; /* dense */
    const void *y;
    const void *gradient;
    void *shares; /* of each result: its gradient divided by the number of elements that equal it */
    void *target;
    bool add;
    double equal[MR__COLUMNS];
} sharing;

/* The share is multiplied by zero, not left out, so that a NaN among the gradients reaches all of x; a result of
 * NaN equals nothing, and so gives NaN: both as in torch. */
#define DEFINE_SHARE(type, suffix)                                                                    \
    static void count_##suffix(void *self, const mr__block *b)                                        \
    {                                                                                                 \
        sharing *s = self;                                                                            \
        const type *x = (const type *)s->x + b->offset, *y = (const type *)s->y + b->result;          \
        if (b->first)                                                                                 \
            memset(s->equal, 0, (size_t)b->columns * sizeof *s->equal);                               \
        for (int64_t i = 0; i < b->rows; i++, x += b->row_step)                                       \
            for (int64_t j = 0; j < b->columns; j++)                                                  \
                s->equal[j] += x[j * b->column_step] == y[j];                                         \
        for (int64_t j = 0; b->last && j < b->columns; j++) {                                         \
            type gradient = ((const type *)s->gradient)[b->result + j];                               \
            type numerator = s->equal[j] > 0 ? gradient : 0;                                          \
            ((type *)s->shares)[b->result + j] = numerator / (type)s->equal[j];                       \
        }                                                                                             \
    }                                                                                                 \
    static void share_##suffix(void *self, const mr__block *b)                                        \
    {                                                                                                 \
        const sharing *s = self;                                                                      \
        const type *y = (const type *)s->y + b->result, *share = (const type *)s->shares + b->result; \
        for (int64_t i = 0; i < b->rows; i++)                                                         \
            for (int64_t j = 0; j < b->columns; j++) {                                                \
                int64_t at = b->offset + i * b->row_step + j * b->column_step;                        \
                type value = ((const type *)s->x)[at] == y[j] ? share[j] : share[j] * 0;              \
                type *t = (type *)s->target + at;                                                     \
                *t = s->add ? *t + value : value;                                                     \
            }                                                                                         \
    }
DEFINE_SHARE(float, f32)
DEFINE_SHARE(double, f64)

static void extremum_backward(mr_tape *tape, mr__node *node)
{
    mr_tensor *x = node->in[0], *y = node->out;
    bool f32 = x->dtype == MR_FLOAT32;
    mr__reduction r;
    sharing s; /* not initialised as a whole: it is large */
    s.x = mr__dense_scratch(tape, x);
    s.y = y->data;
    s.gradient = mr__grad_of(y);
    s.shares = mr__scratch(tape, (mr_dtype)y->dtype, y->numel);
    s.target = mr__grad_target(tape, x, &s.add);
    if (!s.x || !s.shares || !s.target)
        return;
    mr__reduction_dense(x, ((const extremum_node *)node)->mask, &r);
    mr__reduce(&r, f32 ? count_f32 : count_f64, &s);
    mr__reduce(&r, f32 ? share_f32 : share_f64, &s);
}

/* ---- the operations ---- */

static mr_tensor *extremum(mr_tape *tape, const char *op, mr_tensor *x, mr_dims dims, bool keepdim,
                           const mr__block_fn *fn_of)
{
    mr__reduction r;
    extremes e; /* not initialised as a whole: it is large */
    if (!mr__ready1(tape, op, x))
        return NULL;
    if (!mr__reduction_plan(tape, op, x, dims, keepdim, &r))
        return NULL;
    if (r.count == 0)
        return mr__fail(tape, MR_ERR_SHAPE, "%s: %s has no elements to choose from", op,
                        mr__tensor_text(x).text);
    mr_tensor *y = mr__result(tape, (mr_dtype)x->dtype, r.shape.ndim, r.shape.dim);
    if (!y)
        return NULL;
    e.x = x->data;
    e.out = y->data;
    mr__reduce(&r, fn_of[x->dtype], &e);
    if (!mr__tracks(tape, x))
        return y;
    extremum_node *node = mr__record(tape, sizeof *node, op, y, extremum_backward);
    if (!node)
        return NULL;
    mr__add_input(&node->node, x, true);
    node->mask = r.mask;
    return y;
}

mr_tensor *mr_max(mr_tape *tape, mr_tensor *x, mr_dims dims, bool keepdim)
{
    return extremum(tape, "max", x, dims, keepdim, max_of);
}

mr_tensor *mr_min(mr_tape *tape, mr_tensor *x, mr_dims dims, bool keepdim)
{
    return extremum(tape, "min", x, dims, keepdim, min_of);
}

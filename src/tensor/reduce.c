/* Sum and mean. Floats are summed in double, except for dense runs, which the kernel sums pairwise. */
#include "reduction.h"

#include "kernels/kernels.h"

/* ---- the sum of each column ---- */

typedef struct sums {
    const void *x;
    void *out;
    mr_dtype dtype; /* of out */
    double divisor; /* for the mean; 1 for the sum */
    union {
        double real[MR__COLUMNS];
        uint64_t integer[MR__COLUMNS]; /* overflow wraps */
    } so_far;
} sums;

static void put_results(const sums *s, const mr__block *b)
{
    for (int64_t j = 0; j < b->columns; j++)
        if (s->dtype == MR_FLOAT32)
            ((float *)s->out)[b->result + j] = (float)s->so_far.real[j] / (float)s->divisor;
        else if (s->dtype == MR_FLOAT64)
            ((double *)s->out)[b->result + j] = s->so_far.real[j] / s->divisor;
        else
            ((int64_t *)s->out)[b->result + j] = (int64_t)s->so_far.integer[j];
}

#define VALUE(x) (x)
#define TRUTH(x) ((x) != 0)

/* One column, in four partial sums. */
#define DEFINE_RUN(name, type, sum_type, read)                   \
    static sum_type name(const type *x, int64_t step, int64_t n) \
    {                                                            \
        sum_type s0 = 0, s1 = 0, s2 = 0, s3 = 0;                 \
        int64_t i = 0;                                           \
        for (; i + 4 <= n; i += 4, x += 4 * step) {              \
            s0 += (sum_type)read(x[0]);                          \
            s1 += (sum_type)read(x[step]);                       \
            s2 += (sum_type)read(x[2 * step]);                   \
            s3 += (sum_type)read(x[3 * step]);                   \
        }                                                        \
        for (; i < n; i++, x += step)                            \
            s0 += (sum_type)read(x[0]);                          \
        return (s0 + s1) + (s2 + s3);                            \
    }

#define DEFINE_SUM(name, run, type, member, sum_type, read)                     \
    static void name(void *self, const mr__block *b)                            \
    {                                                                           \
        sums *s = self;                                                         \
        const type *x = (const type *)s->x + b->offset;                         \
        sum_type *so_far = s->so_far.member;                                    \
        if (b->first)                                                           \
            memset(so_far, 0, (size_t)b->columns * sizeof *so_far);             \
        if (mr__by_columns(b))                                                  \
            for (int64_t j = 0; j < b->columns; j++)                            \
                so_far[j] += run(x + j * b->column_step, b->row_step, b->rows); \
        else if (b->column_step == 1)                                           \
            for (int64_t i = 0; i < b->rows; i++, x += b->row_step)             \
                for (int64_t j = 0; j < b->columns; j++)                        \
                    so_far[j] += (sum_type)read(x[j]);                          \
        else                                                                    \
            for (int64_t i = 0; i < b->rows; i++, x += b->row_step)             \
                for (int64_t j = 0; j < b->columns; j++)                        \
                    so_far[j] += (sum_type)read(x[j * b->column_step]);         \
        if (b->last)                                                            \
            put_results(s, b);                                                  \
    }

DEFINE_RUN(strided_run_f32, float, double, VALUE)
DEFINE_RUN(run_f64, double, double, VALUE)
DEFINE_RUN(run_i64, int64_t, uint64_t, VALUE)
DEFINE_RUN(run_i32, int32_t, uint64_t, VALUE)
DEFINE_RUN(run_u8, uint8_t, uint64_t, VALUE)
DEFINE_RUN(run_bool, uint8_t, uint64_t, TRUTH)

static double run_f32(const float *x, int64_t step, int64_t n)
{
    return step == 1 && n >= 16 ? (double)mr__k->sum(x, n) : strided_run_f32(x, step, n);
}

DEFINE_SUM(sum_f32, run_f32, float, real, double, VALUE)
DEFINE_SUM(sum_f64, run_f64, double, real, double, VALUE)
DEFINE_SUM(sum_i64, run_i64, int64_t, integer, uint64_t, VALUE)
DEFINE_SUM(sum_i32, run_i32, int32_t, integer, uint64_t, VALUE)
DEFINE_SUM(sum_u8, run_u8, uint8_t, integer, uint64_t, VALUE)
DEFINE_SUM(sum_bool, run_bool, uint8_t, integer, uint64_t, TRUTH)

static const mr__block_fn sum_of[] = {
    [MR_FLOAT32] = sum_f32, [MR_FLOAT64] = sum_f64, [MR_INT64] = sum_i64,
    [MR_INT32] = sum_i32,   [MR_UINT8] = sum_u8,    [MR_BOOL] = sum_bool,
};

/* ---- backward: each element of x gets the gradient of the result that it went into ---- */

typedef struct sum_node {
    mr__node node;
    uint32_t mask;
    double divisor;
} sum_node;

typedef struct spreading {
    void *target;
    const void *gradient;
    bool add;
} spreading;

#define DEFINE_SPREAD(name, type)                                              \
    static void name(void *self, const mr__block *b)                           \
    {                                                                          \
        const spreading *s = self;                                             \
        const type *gradient = (const type *)s->gradient + b->result;          \
        type *target = (type *)s->target + b->offset;                          \
        if (mr__by_columns(b))                                                 \
            for (int64_t j = 0; j < b->columns; j++, target += b->column_step) \
                for (int64_t i = 0; i < b->rows; i++) {                        \
                    type *t = target + i * b->row_step;                        \
                    *t = s->add ? *t + gradient[j] : gradient[j];              \
                }                                                              \
        else                                                                   \
            for (int64_t i = 0; i < b->rows; i++, target += b->row_step)       \
                for (int64_t j = 0; j < b->columns; j++) {                     \
                    type *t = target + j * b->column_step;                     \
                    *t = s->add ? *t + gradient[j] : gradient[j];              \
                }                                                              \
    }
DEFINE_SPREAD(spread_f32, float)
DEFINE_SPREAD(spread_f64, double)

/* The result's gradient divided by the mean's divisor; NULL when memory is out. */
static const void *divided_gradient(mr_tape *tape, const mr_tensor *y, double divisor)
{
    const void *gradient = mr__grad_of(y);
    if (divisor == 1)
        return gradient;
    void *quotient = mr__scratch(tape, (mr_dtype)y->dtype, y->numel);
    for (int64_t i = 0; quotient && i < y->numel; i++)
        if (y->dtype == MR_FLOAT32)
            ((float *)quotient)[i] = ((const float *)gradient)[i] / (float)divisor;
        else
            ((double *)quotient)[i] = ((const double *)gradient)[i] / divisor;
    return quotient;
}

static void sum_backward(mr_tape *tape, mr__node *node)
{
    const sum_node *sum = (const sum_node *)node;
    mr_tensor *x = node->in[0];
    mr__reduction r;
    spreading s = { .gradient = divided_gradient(tape, node->out, sum->divisor) };
    s.target = mr__grad_target(tape, x, &s.add);
    if (!s.target || !s.gradient)
        return;
    if (x->dtype == MR_FLOAT32 && node->out->numel == 1 && !s.add) { /* as in most losses */
        mr__k->fill(s.target, *(const float *)s.gradient, x->numel);
        return;
    }
    mr__reduction_dense(x, sum->mask, &r);
    mr__reduce(&r, x->dtype == MR_FLOAT32 ? spread_f32 : spread_f64, &s);
}

/* ---- the operations ---- */

static mr_tensor *summed(mr_tape *tape, const char *op, mr_tensor *x, const mr__reduction *r, double divisor)
{
    mr_dtype dtype = mr__is_float(x->dtype) ? (mr_dtype)x->dtype : MR_INT64;
    mr_tensor *y = mr__result(tape, dtype, r->shape.ndim, r->shape.dim);
    if (!y)
        return NULL;
    sums s; /* not initialised as a whole: it is large */
    s.x = x->data;
    s.out = y->data;
    s.dtype = dtype;
    s.divisor = divisor;
    mr__reduce(r, sum_of[x->dtype], &s);
    if (!mr__tracks(tape, x))
        return y;
    sum_node *node = mr__record(tape, sizeof *node, op, y, sum_backward);
    if (!node)
        return NULL;
    mr__add_input(&node->node, x, false);
    node->mask = r->mask;
    node->divisor = divisor;
    return y;
}

mr_tensor *mr_sum(mr_tape *tape, mr_tensor *x, mr_dims dims, bool keepdim)
{
    mr__reduction r;
    if (!mr__ready1(tape, "sum", x))
        return NULL;
    if (!mr__reduction_plan(tape, "sum", x, dims, keepdim, &r))
        return NULL;
    return summed(tape, "sum", x, &r, 1);
}

mr_tensor *mr_mean(mr_tape *tape, mr_tensor *x, mr_dims dims, bool keepdim)
{
    mr__reduction r;
    if (!mr__ready1(tape, "mean", x))
        return NULL;
    if (!mr__reduction_plan(tape, "mean", x, dims, keepdim, &r))
        return NULL;
    if (!mr__is_float(x->dtype))
        return mr__fail(tape, MR_ERR_DTYPE, "mean: %s is %s, not a floating type; cast it first",
                        mr__tensor_text(x).text, mr_dtype_name((mr_dtype)x->dtype));
    return summed(tape, "mean", x, &r, (double)r.count);
}

/* The variance, in two passes, both in double: the means, then the squares of the distances from them. */
#include "reduction.h"

typedef struct moments {
    const void *x;
    mr_tensor *out;
    double *means;  /* of each result; what the first pass finds */
    double divisor; /* n in the first pass, n - 1 or n in the second */
    double so_far[MR__COLUMNS];
} moments;

static void put_means(moments *m, const mr__block *b)
{
    for (int64_t j = 0; j < b->columns; j++)
        m->means[b->result + j] = m->so_far[j] / m->divisor;
}

static void put_variances(moments *m, const mr__block *b)
{
    for (int64_t j = 0; j < b->columns; j++)
        if (m->out->dtype == MR_FLOAT32)
            ((float *)m->out->data)[b->result + j] = (float)(m->so_far[j] / m->divisor);
        else
            ((double *)m->out->data)[b->result + j] = m->so_far[j] / m->divisor;
}

#define ITSELF(x, mean) ((double)(x))
#define SQUARE(x, mean) (((double)(x) - (mean)) * ((double)(x) - (mean)))

/* Adds term(x, mean) up for each column, in four partial sums where a column is a run. */
#define DEFINE_PASS(name, type, term, put)                                                \
    static void name(void *self, const mr__block *b)                                      \
    {                                                                                     \
        moments *m = self;                                                                \
        const type *x = (const type *)m->x + b->offset;                                   \
        if (b->first)                                                                     \
            memset(m->so_far, 0, (size_t)b->columns * sizeof *m->so_far);                 \
        if (mr__by_columns(b))                                                            \
            for (int64_t j = 0; j < b->columns; j++, x += b->column_step) {               \
                double sums[4] = { 0, 0, 0, 0 };                                          \
                for (int64_t i = 0; i < b->rows; i++)                                     \
                    sums[i & 3] += term(x[i * b->row_step], m->means[b->result + j]);     \
                m->so_far[j] += (sums[0] + sums[1]) + (sums[2] + sums[3]);                \
            }                                                                             \
        else                                                                              \
            for (int64_t i = 0; i < b->rows; i++, x += b->row_step)                       \
                for (int64_t j = 0; j < b->columns; j++)                                  \
                    m->so_far[j] += term(x[j * b->column_step], m->means[b->result + j]); \
        if (b->last)                                                                      \
            put(m, b);                                                                    \
    }
DEFINE_PASS(sum_f32, float, ITSELF, put_means)
DEFINE_PASS(sum_f64, double, ITSELF, put_means)
DEFINE_PASS(squares_f32, float, SQUARE, put_variances)
DEFINE_PASS(squares_f64, double, SQUARE, put_variances)

/* ---- backward: 2 / divisor * gradient * (x - mean) ---- */

typedef struct var_node {
    mr__node node;
    uint32_t mask;
    double divisor;
    const double *means;
} var_node;

typedef struct derivatives {
    const void *x; /* dense */
    void *target;
    const void *gradient;
    const double *means;
    double factor;
    bool add;
} derivatives;

#define DEFINE_DERIVE(name, type)                                                \
    static void name(void *self, const mr__block *b)                             \
    {                                                                            \
        const derivatives *v = self;                                             \
        const type *gradient = (const type *)v->gradient + b->result;            \
        const double *mean = v->means + b->result;                               \
        for (int64_t i = 0; i < b->rows; i++)                                    \
            for (int64_t j = 0; j < b->columns; j++) {                           \
                int64_t at = b->offset + i * b->row_step + j * b->column_step;   \
                double distance = (double)((const type *)v->x)[at] - mean[j];    \
                type value = (type)(v->factor * (double)gradient[j] * distance); \
                type *t = (type *)v->target + at;                                \
                *t = v->add ? *t + value : value;                                \
            }                                                                    \
    }
DEFINE_DERIVE(derive_f32, float)
DEFINE_DERIVE(derive_f64, double)

static void var_backward(mr_tape *tape, mr__node *node)
{
    const var_node *var = (const var_node *)node;
    mr_tensor *x = node->in[0];
    mr__reduction r;
    derivatives v = { .gradient = mr__grad_of(node->out), .means = var->means, .factor = 2 / var->divisor };
    v.x = mr__dense_scratch(tape, x);
    v.target = mr__grad_target(tape, x, &v.add);
    if (!v.x || !v.target)
        return;
    mr__reduction_dense(x, var->mask, &r);
    mr__reduce(&r, x->dtype == MR_FLOAT32 ? derive_f32 : derive_f64, &v);
}

/* ---- the operation ---- */

mr_tensor *mr_var(mr_tape *tape, mr_tensor *x, mr_dims dims, bool keepdim, const mr_var_opts *opts)
{
    mr__reduction r;
    moments m; /* not initialised as a whole: it is large */
    if (!mr__ready1(tape, "var", x))
        return NULL;
    if (!mr__reduction_plan(tape, "var", x, dims, keepdim, &r))
        return NULL;
    if (!mr__is_float(x->dtype))
        return mr__fail(tape, MR_ERR_DTYPE, "var: %s is %s, not a floating type; cast it first",
                        mr__tensor_text(x).text, mr_dtype_name((mr_dtype)x->dtype));
    m.x = x->data;
    m.out = mr__result(tape, (mr_dtype)x->dtype, r.shape.ndim, r.shape.dim);
    m.means = m.out ? mr__arena_alloc(&tape->arena, (size_t)r.results * sizeof(double)) : NULL;
    if (!m.means)
        return mr__stop(tape);
    m.divisor = (double)r.count;
    mr__reduce(&r, x->dtype == MR_FLOAT32 ? sum_f32 : sum_f64, &m);
    if (!(opts && opts->biased)) /* of one element or none: 0 / 0 */
        m.divisor = r.count > 1 ? (double)(r.count - 1) : 0;
    mr__reduce(&r, x->dtype == MR_FLOAT32 ? squares_f32 : squares_f64, &m);
    if (!mr__tracks(tape, x))
        return m.out;
    var_node *node = mr__record(tape, sizeof *node, "var", m.out, var_backward);
    if (!node)
        return NULL;
    mr__add_input(&node->node, x, true);
    node->mask = r.mask;
    node->divisor = m.divisor;
    node->means = m.means;
    return m.out;
}

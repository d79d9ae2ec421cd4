/* Softmax and its logarithm along one dimension. */
#include "tape.h"

#include "kernels/kernels.h"
#include "kernels/parallel.h"

#include <millrace/functions.h>

#include <math.h>

/* The dimension with what lies before and behind it. */
typedef struct softmax_node {
    mr__node node;
    int64_t outer, n, inner;
    bool logarithm;
} softmax_node;

/* ---- float64, one row: `step` elements apart ---- */

static void row_f64(double *y, const double *x, int64_t n, int64_t step, bool logarithm)
{
    double top = -INFINITY, total = 0;
    for (int64_t k = 0; k < n; k++)
        top = x[k * step] > top ? x[k * step] : top;
    for (int64_t k = 0; k < n; k++)
        total += exp(x[k * step] - top);
    for (int64_t k = 0; k < n; k++)
        y[k * step] = logarithm ? x[k * step] - top - log(total) : exp(x[k * step] - top) / total;
}

static void row_gradient_f64(double *dx, const double *dy, const double *y, int64_t n, int64_t step,
                             bool logarithm, bool add)
{
    double sum = 0;
    for (int64_t k = 0; k < n; k++)
        sum += logarithm ? dy[k * step] : dy[k * step] * y[k * step];
    for (int64_t k = 0; k < n; k++) {
        const double g = dy[k * step], v = y[k * step];
        const double d = logarithm ? g - exp(v) * sum : (g - sum) * v;
        dx[k * step] = add ? dx[k * step] + d : d;
    }
}

/* ---- the rows, divided among threads: parts begin at multiples of ROWS, where kernels begin anew ---- */

enum { ROWS = 64 };

typedef struct job {
    const softmax_node *s;
    bool f32, add;
    void *out;          /* y, or its input's gradient */
    const void *x, *dy; /* x, or y and its gradient */
} job;

static void forward_part(void *work, int64_t begin, int64_t end)
{
    const job *j = work;
    const softmax_node *s = j->s;
    int64_t each = s->n * s->inner, at = begin * each;
    if (!j->f32)
        for (int64_t o = begin; o < end; o++)
            for (int64_t i = o * each; i < o * each + s->inner; i++)
                row_f64((double *)j->out + i, (const double *)j->x + i, s->n, s->inner, s->logarithm);
    else if (s->logarithm)
        mr__k->log_softmax((float *)j->out + at, (const float *)j->x + at, end - begin, s->n, s->inner);
    else
        mr__k->softmax((float *)j->out + at, (const float *)j->x + at, end - begin, s->n, s->inner);
}

static void backward_part(void *work, int64_t begin, int64_t end)
{
    const job *j = work;
    const softmax_node *s = j->s;
    int64_t each = s->n * s->inner, at = begin * each;
    if (!j->f32)
        for (int64_t o = begin; o < end; o++)
            for (int64_t i = o * each; i < o * each + s->inner; i++)
                row_gradient_f64((double *)j->out + i, (const double *)j->dy + i, (const double *)j->x + i,
                                 s->n, s->inner, s->logarithm, j->add);
    else if (s->logarithm)
        mr__k->log_softmax_backward((float *)j->out + at, (const float *)j->dy + at, (const float *)j->x + at,
                                    end - begin, s->n, s->inner, j->add);
    else
        mr__k->softmax_backward((float *)j->out + at, (const float *)j->dy + at, (const float *)j->x + at,
                                end - begin, s->n, s->inner, j->add);
}

static void divide_rows(mr__part *part, job *j)
{
    if (MR__LIKELY(j->s->outer * j->s->n * j->s->inner < 2 * MR__GRAIN_ELEMENTS))
        part(j, 0, j->s->outer);
    else
        mr__parallel(part, j, j->s->outer, MR__GRAIN_ELEMENTS / (j->s->n * j->s->inner + 1), ROWS);
}

/* ---- the operation ---- */

static void softmax_backward(mr_tape *tape, mr__node *node)
{
    const mr_tensor *y = node->out;
    job j = {
        .s = (const softmax_node *)node, .f32 = y->dtype == MR_FLOAT32, .x = y->data, .dy = mr__grad_of(y)
    };
    j.out = mr__grad_target(tape, node->in[0], &j.add);
    if (j.out && y->numel)
        divide_rows(backward_part, &j);
}

static mr_tensor *softmax(mr_tape *tape, const char *op, mr_tensor *x, int dim, bool logarithm)
{
    if (!mr__ready1(tape, op, x))
        return NULL;
    if (!mr__is_float(x->dtype))
        return mr__fail(tape, MR_ERR_DTYPE, "%s: not defined for %s %s", op,
                        mr_dtype_name((mr_dtype)x->dtype), mr__tensor_text(x).text);
    dim = mr__dim(op, x, dim);
    if (dim < 0)
        return mr__stop(tape);
    x = mr_contiguous(tape, x);
    mr_tensor *y = x ? mr__result_like(tape, (mr_dtype)x->dtype, x) : NULL;
    if (!y)
        return NULL;
    softmax_node s = { .outer = 1, .n = x->ndim ? x->shape[dim] : 1, .inner = 1, .logarithm = logarithm };
    for (int d = 0; d < x->ndim; d++) {
        s.outer *= d < dim ? x->shape[d] : 1;
        s.inner *= d > dim ? x->shape[d] : 1;
    }
    if (x->numel == 0) /* of rows without elements there may be any number */
        ;
    else if (MR__LIKELY(x->dtype == MR_FLOAT32 && x->numel < 2 * MR__GRAIN_ELEMENTS))
        (logarithm ? mr__k->log_softmax : mr__k->softmax)((float *)y->data, (const float *)x->data, s.outer,
                                                          s.n, s.inner);
    else
        divide_rows(forward_part,
                    &(job){ .s = &s, .f32 = x->dtype == MR_FLOAT32, .out = y->data, .x = x->data });
    if (!mr__tracks(tape, x))
        return y;
    softmax_node *node = mr__record(tape, sizeof *node, op, y, softmax_backward);
    if (!node)
        return NULL;
    mr__add_input(&node->node, x, false);
    node->outer = s.outer;
    node->n = s.n;
    node->inner = s.inner;
    node->logarithm = logarithm;
    return y;
}

mr_tensor *mr_softmax(mr_tape *tape, mr_tensor *x, int dim)
{
    return softmax(tape, "softmax", x, dim, false);
}

mr_tensor *mr_log_softmax(mr_tape *tape, mr_tensor *x, int dim)
{
    return softmax(tape, "log_softmax", x, dim, true);
}

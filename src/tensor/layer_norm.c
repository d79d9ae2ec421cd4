/* Normalisation over the last dimensions: of rows, with a weight for each element of a row. */
#include "norm.h"

#include "kernels/parallel.h"

#include <math.h>

typedef struct layer_norm {
    mr__node node;
    const mr__norm_kernels *k;
    int64_t rows, size;
    double *center, *scale; /* of each row */
    mr_tensor *weight;      /* NULL: none */
    mr_tensor *bias;
} layer_norm;

/* ---- forward ---- */

typedef struct forward_job {
    const layer_norm *n;
    void *y;
    const void *x, *weight, *bias;
    double eps;
} forward_job;

static void forward_rows(void *work, int64_t begin, int64_t end)
{
    const forward_job *job = work;
    const layer_norm *n = job->n;
    for (int64_t r = begin; r < end; r++) {
        const void *x = mr__norm_at(n->k, job->x, r * n->size);
        void *y = mr__norm_at(n->k, job->y, r * n->size);
        double squares, center = mr__norm_moments(n->k, x, n->size, &squares);
        double scale = 1 / sqrt(squares / (double)n->size + job->eps);
        if (job->weight)
            n->k->apply_each(y, x, center, scale, job->weight, job->bias, n->size);
        else
            n->k->apply(y, x, center, scale, 0, n->size);
        n->center[r] = center;
        n->scale[r] = scale;
    }
}

/* ---- backward ---- */

typedef struct backward_job {
    const layer_norm *n;
    const void *dy, *x, *weight;
    void *dx, *dweight, *dbias;
    bool add;
} backward_job;

/* With g = dy weight, its mean m and the mean p of g (x - center): scale (g - m - scale^2 p (x - center)). */
static void backward_rows(void *work, int64_t begin, int64_t end)
{
    const backward_job *job = work;
    const layer_norm *n = job->n;
    for (int64_t r = begin; r < end; r++) {
        const void *x = mr__norm_at(n->k, job->x, r * n->size), *dy = mr__norm_at(n->k, job->dy, r * n->size);
        double sums[2], s = n->scale[r], size = (double)n->size;
        n->k->sums(sums, dy, job->weight, x, n->center[r], n->size);
        n->k->dx(mr__norm_at(n->k, job->dx, r * n->size), dy, job->weight, x, n->center[r], s,
                 -s * s * s * sums[1] / size, -s * sums[0] / size, n->size, job->add);
    }
}

/* The columns [begin, end) of all rows, so that each sum is made by one thread in the order of the rows. */
static void backward_columns(void *work, int64_t begin, int64_t end)
{
    const backward_job *job = work;
    const layer_norm *n = job->n;
    for (int64_t r = 0; r < n->rows; r++) {
        int64_t at = r * n->size + begin;
        n->k->dw(mr__norm_at(n->k, job->dweight, begin), mr__norm_at(n->k, job->dbias, begin),
                 mr__norm_at(n->k, job->dy, at), mr__norm_at(n->k, job->x, at), n->center[r], n->scale[r],
                 end - begin);
    }
}

static void backward(mr_tape *tape, mr__node *node)
{
    const layer_norm *n = (const layer_norm *)node;
    mr_tensor *x = node->in[0];
    backward_job job = { .n = n, .dy = mr__grad_of(node->out), .x = x->data };
    job.weight = n->weight ? n->weight->data : NULL;
    job.dx = x->grad ? mr__grad_target(tape, x, &job.add) : NULL;
    if (job.dx && n->size)
        mr__parallel(backward_rows, &job, n->rows, MR__GRAIN_ELEMENTS / n->size, 1);
    if (!n->weight || !(n->weight->grad || n->bias->grad) || tape->failed)
        return;
    bool add_weight, add_bias;
    mr_dtype dtype = (mr_dtype)x->dtype;
    job.dweight = mr__norm_weight_sum(tape, n->weight, dtype, n->size, &add_weight);
    job.dbias = mr__norm_weight_sum(tape, n->bias, dtype, n->size, &add_bias);
    if (!job.dweight || !job.dbias)
        return;
    mr__parallel(backward_columns, &job, n->size, n->rows ? MR__GRAIN_ELEMENTS / n->rows : n->size,
                 MR__ALIGNMENT / (int64_t)sizeof(float));
    mr__norm_add_weight(tape, n->weight, job.dweight, add_weight);
    mr__norm_add_weight(tape, n->bias, job.dbias, add_bias);
}

/* ---- the operation ---- */

static bool fits(const mr_tensor *x, const mr_shape *sizes)
{
    bool same = sizes->ndim > 0 && sizes->ndim <= x->ndim;
    for (int i = 0; same && i < sizes->ndim; i++)
        same = x->shape[x->ndim - sizes->ndim + i] == sizes->dim[i];
    return same;
}

static mr_tensor *run(mr_tape *tape, mr_tensor *x, const mr_shape *sizes, mr_tensor *weight, mr_tensor *bias,
                      double eps)
{
    layer_norm n = { .k = mr__norm_kernels_of(x->dtype), .size = 1, .weight = weight, .bias = bias };
    for (int i = 0; i < sizes->ndim; i++)
        n.size *= sizes->dim[i];
    n.rows = n.size ? x->numel / n.size : 0;
    mr_tensor *y = mr__result_like(tape, (mr_dtype)x->dtype, x);
    n.center = y ? mr__norm_array(tape, 2 * n.rows, sizeof *n.center) : NULL;
    if (!n.center)
        return NULL;
    n.scale = n.center + n.rows;
    forward_job job = { &n, y->data, x->data, weight ? weight->data : NULL, bias ? bias->data : NULL, eps };
    if (n.size)
        mr__parallel(forward_rows, &job, n.rows, MR__GRAIN_ELEMENTS / n.size, 1);
    if (!mr__tracks(tape, x) && !(weight && (mr__tracks(tape, weight) || mr__tracks(tape, bias))))
        return y;
    layer_norm *node = mr__record(tape, sizeof *node, "layer_norm", y, backward);
    if (!node)
        return NULL;
    n.node = node->node;
    *node = n;
    mr__add_input(&node->node, x, true);
    if (weight) {
        mr__add_input(&node->node, weight, true);
        mr__add_input(&node->node, bias, false);
    }
    return y;
}

mr_tensor *mr_layer_norm(mr_tape *tape, mr_tensor *x, mr_tensor *weight, mr_tensor *bias,
                         const mr_norm_opts *opts)
{
    static const char op[] = "layer_norm";
    if (!mr__ready2(tape, op, x, weight) || !mr__ready1(tape, op, bias) || !mr__norm_check_input(tape, op, x))
        return NULL;
    mr_shape sizes = mr__shape_of(weight), others = mr__shape_of(bias);
    if (!fits(x, &sizes) || sizes.ndim != others.ndim || !fits(x, &others))
        return mr__fail(tape, MR_ERR_SHAPE, "%s: weight %s and bias %s are not the last sizes of input %s",
                        op, mr__tensor_text(weight).text, mr__tensor_text(bias).text,
                        mr__tensor_text(x).text);
    if (weight->dtype != x->dtype || bias->dtype != x->dtype)
        return mr__fail(tape, MR_ERR_DTYPE, "%s: weight %s is %s, bias %s %s, input %s %s", op,
                        mr__tensor_text(weight).text, mr_dtype_name((mr_dtype)weight->dtype),
                        mr__tensor_text(bias).text, mr_dtype_name((mr_dtype)bias->dtype),
                        mr__tensor_text(x).text, mr_dtype_name((mr_dtype)x->dtype));
    x = mr_contiguous(tape, x);
    weight = mr_contiguous(tape, weight);
    bias = mr_contiguous(tape, bias);
    return bias ? run(tape, x, &sizes, weight, bias, mr__norm_eps(opts ? opts->eps : 0)) : NULL;
}

mr_tensor *mr_layer_norm_plain(mr_tape *tape, mr_tensor *x, mr_shape sizes, const mr_norm_opts *opts)
{
    static const char op[] = "layer_norm";
    if (!mr__ready1(tape, op, x) || !mr__norm_check_input(tape, op, x))
        return NULL;
    if (!fits(x, &sizes))
        return mr__fail(tape, MR_ERR_SHAPE, "%s: %s are not the last sizes of input %s", op,
                        mr__shape_text(&sizes).text, mr__tensor_text(x).text);
    x = mr_contiguous(tape, x);
    return x ? run(tape, x, &sizes, NULL, NULL, mr__norm_eps(opts ? opts->eps : 0)) : NULL;
}

/* Normalisation of each channel over all images and their pixels. */
#include "norm.h"

#include "base/option.h"
#include "kernels/parallel.h"

#include <math.h>

typedef struct batch_norm {
    mr__node node;
    const mr__norm_kernels *k;
    mr__planes planes;
    bool training; /* by statistics of x itself */
    /* Of each channel, in x's type: y = (x - center) scale + shift, where scale is weight times `deviation`, the
     * reciprocal of the standard deviation. */
    void *center, *scale, *shift, *deviation;
    double *squares;
    mr_tensor *weight, *bias; /* NULL: none */
} batch_norm;

/* Of the values of a channel; 1 when there are none, so that nothing becomes NaN. */
static double count_of(const batch_norm *n)
{
    int64_t count = n->planes.outer * n->planes.inner;
    return count ? (double)count : 1;
}

static int64_t plane_at(const batch_norm *n, int64_t image, int64_t channel)
{
    return (image * n->planes.channels + channel) * n->planes.inner;
}

/* ---- forward ---- */

typedef struct forward_job {
    const batch_norm *n;
    void *y;
    const void *x;
    const mr_tensor *mean, *var; /* used unless training */
    double eps;
} forward_job;

static void moments_of_planes(const batch_norm *n, const void *x, int64_t c)
{
    double sum = 0, squares = 0;
    for (int64_t i = 0; i < n->planes.outer; i++)
        sum += n->k->sum(mr__norm_at(n->k, x, plane_at(n, i, c)), n->planes.inner);
    n->k->put(n->center, c, sum / count_of(n));
    double center = n->k->get(n->center, c);
    for (int64_t i = 0; i < n->planes.outer; i++)
        squares += n->k->squares(mr__norm_at(n->k, x, plane_at(n, i, c)), center, n->planes.inner);
    n->squares[c] = squares;
}

/* Channels that are columns: `deviation` holds the sums for a while. */
static void moments_of_columns(const batch_norm *n, const void *x, int64_t begin, int64_t end)
{
    int64_t channels = n->planes.channels, rows = n->planes.outer;
    const void *from = mr__norm_at(n->k, x, begin);
    void *sums = mr__norm_at(n->k, n->deviation, begin), *center = mr__norm_at(n->k, n->center, begin);
    n->k->column_sums(sums, from, channels, rows, end - begin);
    for (int64_t c = begin; c < end; c++)
        n->k->put(n->center, c, n->k->get(n->deviation, c) / (double)rows);
    n->k->column_products(sums, NULL, from, center, channels, rows, end - begin);
    for (int64_t c = begin; c < end; c++)
        n->squares[c] = n->k->get(n->deviation, c);
}

static void set_factors(const forward_job *job, int64_t c)
{
    const batch_norm *n = job->n;
    double var = n->training ? n->squares[c] / count_of(n) : n->k->get(job->var->data, c);
    double deviation = 1 / sqrt(var + job->eps);
    if (!n->training)
        n->k->put(n->center, c, n->k->get(job->mean->data, c));
    n->k->put(n->deviation, c, deviation);
    n->k->put(n->scale, c, n->weight ? deviation * n->k->get(n->weight->data, c) : deviation);
    n->k->put(n->shift, c, n->bias ? n->k->get(n->bias->data, c) : 0);
}

static void forward_channels(void *work, int64_t begin, int64_t end)
{
    const forward_job *job = work;
    const batch_norm *n = job->n;
    const mr__norm_kernels *k = n->k;
    int64_t inner = n->planes.inner;
    if (n->training && inner == 1)
        moments_of_columns(n, job->x, begin, end);
    for (int64_t c = begin; c < end; c++) {
        if (n->training && inner != 1)
            moments_of_planes(n, job->x, c);
        set_factors(job, c);
        for (int64_t i = 0; inner != 1 && i < n->planes.outer; i++)
            k->apply(mr__norm_at(k, job->y, plane_at(n, i, c)), mr__norm_at(k, job->x, plane_at(n, i, c)),
                     k->get(n->center, c), k->get(n->scale, c), k->get(n->shift, c), inner);
    }
    if (inner == 1)
        k->column_apply(mr__norm_at(k, job->y, begin), mr__norm_at(k, job->x, begin),
                        mr__norm_at(k, n->center, begin), mr__norm_at(k, n->scale, begin),
                        mr__norm_at(k, n->shift, begin), n->planes.channels, n->planes.outer, end - begin);
}

/* ---- backward ---- */

typedef struct backward_job {
    const batch_norm *n;
    const void *dy, *x;
    void *dx; /* NULL: not wanted */
    bool add;
    void *dweight, *dbias;
    void *products, *shift; /* scratch for each channel */
} backward_job;

static void sums_of_planes(const backward_job *job, int64_t c)
{
    const batch_norm *n = job->n;
    double g = 0, gx = 0, center = n->k->get(n->center, c);
    for (int64_t i = 0; i < n->planes.outer; i++) {
        double sums[2];
        int64_t at = plane_at(n, i, c);
        n->k->sums(sums, mr__norm_at(n->k, job->dy, at), NULL, mr__norm_at(n->k, job->x, at), center,
                   n->planes.inner);
        g += sums[0];
        gx += sums[1];
    }
    n->k->put(job->dbias, c, g);
    n->k->put(job->products, c, gx);
}

/* dx = scale (dy - m - deviation^2 p (x - center)) with the means m of dy and p of dy (x - center); those are
 * nothing where the statistics do not depend on x. */
static void backward_channels(void *work, int64_t begin, int64_t end)
{
    const backward_job *job = work;
    const batch_norm *n = job->n;
    const mr__norm_kernels *k = n->k;
    int64_t inner = n->planes.inner, channels = n->planes.channels, rows = n->planes.outer;
    const void *dy = mr__norm_at(k, job->dy, begin), *x = mr__norm_at(k, job->x, begin);
    const void *center = mr__norm_at(k, n->center, begin);
    if (inner == 1) {
        k->column_sums(mr__norm_at(k, job->dbias, begin), dy, channels, rows, end - begin);
        k->column_products(mr__norm_at(k, job->products, begin), dy, x, center, channels, rows, end - begin);
    }
    for (int64_t c = begin; c < end; c++) {
        if (inner != 1)
            sums_of_planes(job, c);
        double g = k->get(job->dbias, c), gx = k->get(job->products, c), d = k->get(n->deviation, c);
        double scale = k->get(n->scale, c);
        double b = n->training ? -scale * d * d * gx / count_of(n) : 0;
        double shift = n->training ? -scale * g / count_of(n) : 0;
        k->put(job->dweight, c, gx * d);
        for (int64_t i = 0; inner != 1 && job->dx && i < rows; i++) {
            int64_t at = plane_at(n, i, c);
            k->dx(mr__norm_at(k, job->dx, at), mr__norm_at(k, job->dy, at), NULL, mr__norm_at(k, job->x, at),
                  k->get(n->center, c), scale, b, shift, inner, job->add);
        }
        k->put(job->products, c, b);
        k->put(job->shift, c, shift);
    }
    if (inner == 1 && job->dx)
        k->column_dx(mr__norm_at(k, job->dx, begin), dy, x, center, mr__norm_at(k, n->scale, begin),
                     mr__norm_at(k, job->products, begin), mr__norm_at(k, job->shift, begin), channels, rows,
                     end - begin, job->add);
}

/* Columns are shared out by whole vectors, so that no two threads write to one cache line. */
static void divide_channels(mr__part *part, void *job, const batch_norm *n)
{
    int64_t each = n->planes.outer * n->planes.inner + 1;
    mr__parallel(part, job, n->planes.channels, MR__GRAIN_ELEMENTS / each,
                 n->planes.inner == 1 ? MR__ALIGNMENT / (int64_t)sizeof(float) : 1);
}

static void backward(mr_tape *tape, mr__node *node)
{
    const batch_norm *n = (const batch_norm *)node;
    mr_tensor *x = node->in[0];
    mr_dtype dtype = (mr_dtype)x->dtype;
    bool add_weight, add_bias;
    backward_job job = { .n = n, .dy = mr__grad_of(node->out), .x = x->data };
    job.dx = x->grad ? mr__grad_target(tape, x, &job.add) : NULL;
    job.dweight = mr__norm_weight_sum(tape, n->weight, dtype, n->planes.channels, &add_weight);
    job.dbias = mr__norm_weight_sum(tape, n->bias, dtype, n->planes.channels, &add_bias);
    job.products = mr__scratch(tape, dtype, n->planes.channels);
    job.shift = mr__scratch(tape, dtype, n->planes.channels);
    if (tape->failed)
        return;
    divide_channels(backward_channels, &job, n);
    mr__norm_add_weight(tape, n->weight, job.dweight, add_weight);
    mr__norm_add_weight(tape, n->bias, job.dbias, add_bias);
}

/* ---- the operation ---- */

static void update_running(const batch_norm *n, mr_tensor *mean, mr_tensor *var, double momentum)
{
    double count = count_of(n);
    for (int64_t c = 0; c < n->planes.channels; c++) {
        double m = n->k->get(n->center, c), v = n->squares[c] / (count - 1);
        n->k->put(mean->data, c, momentum * m + (1 - momentum) * n->k->get(mean->data, c));
        n->k->put(var->data, c, momentum * v + (1 - momentum) * n->k->get(var->data, c));
    }
    mr__bump(mean);
    mr__bump(var);
}

static bool check(mr_tape *tape, const char *op, const mr_tensor *x, const mr_tensor *weight,
                  const mr_tensor *bias, const mr_tensor *mean, const mr_tensor *var, bool training)
{
    if (!mr__norm_check_input(tape, op, x))
        return false;
    if (x->ndim < 2) {
        mr__fail(tape, MR_ERR_SHAPE, "%s: input %s has no channels, dimension 1", op,
                 mr__tensor_text(x).text);
        return false;
    }
    if ((weight && (!mr__norm_check_channels(tape, op, x, weight, "weight") ||
                    !mr__norm_check_channels(tape, op, x, bias, "bias"))) ||
        (mean && !mr__norm_check_running(tape, op, x, mean, var)))
        return false;
    if (!training || x->numel == 0 || x->numel != x->shape[1])
        return true;
    mr__fail(tape, MR_ERR_SHAPE, "%s: one value alone for each channel, in input %s, has no variance", op,
             mr__tensor_text(x).text);
    return false;
}

static bool make_arrays(mr_tape *tape, batch_norm *n)
{
    int64_t channels = n->planes.channels;
    char *arrays = mr__norm_array(tape, 4 * channels, n->k->size);
    n->squares = arrays ? mr__norm_array(tape, channels, sizeof *n->squares) : NULL;
    if (!n->squares)
        return false;
    n->center = arrays;
    n->scale = mr__norm_at(n->k, arrays, channels);
    n->shift = mr__norm_at(n->k, arrays, 2 * channels);
    n->deviation = mr__norm_at(n->k, arrays, 3 * channels);
    return true;
}

mr_tensor *mr__batch_norm(mr_tape *tape, const char *op, mr_tensor *x, mr_tensor *weight, mr_tensor *bias,
                          mr_tensor *running_mean, mr_tensor *running_var, bool training, double eps,
                          double momentum)
{
    if (!check(tape, op, x, weight, bias, running_mean, running_var, training))
        return NULL;
    x = mr_contiguous(tape, x);
    weight = weight ? mr_contiguous(tape, weight) : NULL;
    bias = bias ? mr_contiguous(tape, bias) : NULL;
    if (tape->failed)
        return NULL;
    batch_norm n = { .k = mr__norm_kernels_of(x->dtype),
                     .planes = mr__planes_of(x),
                     .training = training,
                     .weight = weight,
                     .bias = bias };
    mr_tensor *y = mr__result_like(tape, (mr_dtype)x->dtype, x);
    if (!y || !make_arrays(tape, &n))
        return NULL;
    forward_job job = { &n, y->data, x->data, running_mean, running_var, eps };
    divide_channels(forward_channels, &job, &n);
    if (training && running_mean && x->numel)
        update_running(&n, running_mean, running_var, momentum);
    if (!mr__tracks(tape, x) && !(weight && (mr__tracks(tape, weight) || mr__tracks(tape, bias))))
        return y;
    batch_norm *node = mr__record(tape, sizeof *node, op, y, backward);
    if (!node)
        return NULL;
    n.node = node->node;
    *node = n;
    mr__add_input(&node->node, x, true);
    if (weight) {
        mr__add_input(&node->node, weight, false); /* its values are in `scale` */
        mr__add_input(&node->node, bias, false);
    }
    return y;
}

static double momentum_of(const mr_batch_norm_opts *opts)
{
    return opts ? mr__option(opts->momentum, 0.1) : 0.1;
}

static mr_tensor *run(mr_tape *tape, mr_tensor *x, mr_tensor *weight, mr_tensor *bias, mr_tensor *mean,
                      mr_tensor *var, bool training, const mr_batch_norm_opts *opts)
{
    return mr__batch_norm(tape, "batch_norm", x, weight, bias, mean, var, training,
                          mr__norm_eps(opts ? opts->eps : 0), momentum_of(opts));
}

mr_tensor *mr_batch_norm(mr_tape *tape, mr_tensor *x, mr_tensor *weight, mr_tensor *bias,
                         mr_tensor *running_mean, mr_tensor *running_var, bool training,
                         const mr_batch_norm_opts *opts)
{
    static const char op[] = "batch_norm";
    if (!mr__ready2(tape, op, x, weight) || !mr__ready1(tape, op, bias) ||
        !mr__ready2(tape, op, running_mean, running_var))
        return NULL;
    return run(tape, x, weight, bias, running_mean, running_var, training, opts);
}

mr_tensor *mr_batch_norm_plain(mr_tape *tape, mr_tensor *x, mr_tensor *running_mean, mr_tensor *running_var,
                               bool training, const mr_batch_norm_opts *opts)
{
    if (!mr__ready1(tape, "batch_norm", x) || !mr__ready2(tape, "batch_norm", running_mean, running_var))
        return NULL;
    return run(tape, x, NULL, NULL, running_mean, running_var, training, opts);
}

mr_tensor *mr_batch_norm_no_stats(mr_tape *tape, mr_tensor *x, mr_tensor *weight, mr_tensor *bias,
                                  const mr_batch_norm_opts *opts)
{
    if (!mr__ready2(tape, "batch_norm", x, weight) || !mr__ready1(tape, "batch_norm", bias))
        return NULL;
    return run(tape, x, weight, bias, NULL, NULL, true, opts);
}

mr_tensor *mr_batch_norm_no_stats_plain(mr_tape *tape, mr_tensor *x, const mr_batch_norm_opts *opts)
{
    return mr__ready1(tape, "batch_norm", x) ? run(tape, x, NULL, NULL, NULL, NULL, true, opts) : NULL;
}

/* Normalisation of groups of an image's channels, each over its pixels; a group of one channel is instance
 * normalisation. A row is one group of one image. */
#include "norm.h"

#include "kernels/parallel.h"

#include <math.h>

typedef struct group_norm {
    mr__node node;
    const mr__norm_kernels *k;
    mr__planes planes;
    int64_t groups, each;             /* channels of a group */
    double *center, *scale, *squares; /* of each row */
    mr_tensor *weight, *bias;         /* NULL: none */
} group_norm;

static double weight_of(const group_norm *n, int64_t channel)
{
    return n->weight ? n->k->get(n->weight->data, channel) : 1;
}

/* ---- forward ---- */

typedef struct forward_job {
    const group_norm *n;
    void *y;
    const void *x;
    double eps;
} forward_job;

static void apply(const group_norm *n, void *y, const void *x, int64_t row)
{
    double center = n->center[row], scale = n->scale[row];
    int64_t channel = row % n->groups * n->each, inner = n->planes.inner;
    if (!n->weight)
        n->k->apply(y, x, center, scale, 0, n->each * inner);
    else if (inner == 1)
        n->k->apply_each(y, x, center, scale, mr__norm_at(n->k, n->weight->data, channel),
                         mr__norm_at(n->k, n->bias->data, channel), n->each);
    else
        for (int64_t c = 0; c < n->each; c++)
            n->k->apply(mr__norm_at(n->k, y, c * inner), mr__norm_at(n->k, x, c * inner), center,
                        scale * weight_of(n, channel + c), n->k->get(n->bias->data, channel + c), inner);
}

static void forward_rows(void *work, int64_t begin, int64_t end)
{
    const forward_job *job = work;
    const group_norm *n = job->n;
    int64_t size = n->each * n->planes.inner;
    for (int64_t r = begin; r < end; r++) {
        const void *x = mr__norm_at(n->k, job->x, r * size);
        n->center[r] = mr__norm_moments(n->k, x, size, &n->squares[r]);
        n->scale[r] = 1 / sqrt(n->squares[r] / (double)size + job->eps);
        apply(n, mr__norm_at(n->k, job->y, r * size), x, r);
    }
}

/* ---- backward ---- */

typedef struct backward_job {
    const group_norm *n;
    const void *dy, *x;
    void *dx;     /* NULL: not wanted */
    double *sums; /* of dy and of dy (x - center), for each channel of each image */
    bool add;
} backward_job;

static void backward_rows(void *work, int64_t begin, int64_t end)
{
    const backward_job *job = work;
    const group_norm *n = job->n;
    int64_t inner = n->planes.inner, size = n->each * inner;
    for (int64_t r = begin; r < end; r++) {
        const void *x = mr__norm_at(n->k, job->x, r * size), *dy = mr__norm_at(n->k, job->dy, r * size);
        double *sums = job->sums + 2 * r * n->each, s = n->scale[r], g = 0, gx = 0;
        int64_t channel = r % n->groups * n->each;
        for (int64_t c = 0; c < n->each; c++) {
            n->k->sums(sums + 2 * c, mr__norm_at(n->k, dy, c * inner), NULL, mr__norm_at(n->k, x, c * inner),
                       n->center[r], inner);
            g += sums[2 * c] * weight_of(n, channel + c);
            gx += sums[2 * c + 1] * weight_of(n, channel + c);
        }
        for (int64_t c = 0; job->dx && c < n->each; c++)
            n->k->dx(mr__norm_at(n->k, job->dx, r * size + c * inner), mr__norm_at(n->k, dy, c * inner), NULL,
                     mr__norm_at(n->k, x, c * inner), n->center[r], s * weight_of(n, channel + c),
                     -s * s * s * gx / (double)size, -s * g / (double)size, inner, job->add);
    }
}

static void add_weights(mr_tape *tape, const group_norm *n, const double *sums, mr_dtype dtype)
{
    bool add_weight, add_bias;
    int64_t channels = n->planes.channels;
    void *dw = mr__norm_weight_sum(tape, n->weight, dtype, channels, &add_weight);
    void *db = mr__norm_weight_sum(tape, n->bias, dtype, channels, &add_bias);
    if (!dw || !db)
        return;
    for (int64_t c = 0; c < channels; c++) {
        double w = 0, b = 0;
        for (int64_t i = 0; i < n->planes.outer; i++) {
            const double *s = sums + 2 * (i * channels + c);
            b += s[0];
            w += s[1] * n->scale[i * n->groups + c / n->each];
        }
        n->k->put(dw, c, w);
        n->k->put(db, c, b);
    }
    mr__norm_add_weight(tape, n->weight, dw, add_weight);
    mr__norm_add_weight(tape, n->bias, db, add_bias);
}

static void backward(mr_tape *tape, mr__node *node)
{
    const group_norm *n = (const group_norm *)node;
    mr_tensor *x = node->in[0];
    int64_t rows = n->planes.outer * n->groups, size = n->each * n->planes.inner;
    backward_job job = { .n = n, .dy = mr__grad_of(node->out), .x = x->data };
    job.dx = x->grad ? mr__grad_target(tape, x, &job.add) : NULL;
    job.sums = mr__scratch(tape, MR_FLOAT64, 2 * rows * n->each);
    if (!job.sums || tape->failed)
        return;
    if (size)
        mr__parallel(backward_rows, &job, rows, MR__GRAIN_ELEMENTS / size, 1);
    else
        memset(job.sums, 0, (size_t)(2 * rows * n->each) * sizeof *job.sums);
    if (n->weight && (n->weight->grad || n->bias->grad))
        add_weights(tape, n, job.sums, (mr_dtype)x->dtype);
}

/* ---- the operations ---- */

static mr_tensor *run(mr_tape *tape, const char *op, mr_tensor *x, group_norm *n, double eps)
{
    int64_t rows = n->planes.outer * n->groups, size = n->each * n->planes.inner;
    mr_tensor *y = mr__result_like(tape, (mr_dtype)x->dtype, x);
    n->center = y ? mr__norm_array(tape, 3 * rows, sizeof *n->center) : NULL;
    if (!n->center)
        return NULL;
    n->scale = n->center + rows;
    n->squares = n->scale + rows;
    forward_job job = { n, y->data, x->data, eps };
    if (size)
        mr__parallel(forward_rows, &job, rows, MR__GRAIN_ELEMENTS / size, 1);
    if (!mr__tracks(tape, x) && !(n->weight && (mr__tracks(tape, n->weight) || mr__tracks(tape, n->bias))))
        return y;
    group_norm *node = mr__record(tape, sizeof *node, op, y, backward);
    if (!node)
        return NULL;
    n->node = node->node;
    *node = *n;
    mr__add_input(&node->node, x, true);
    if (n->weight) {
        mr__add_input(&node->node, n->weight, true);
        mr__add_input(&node->node, n->bias, false);
    }
    return y;
}

static bool prepare(mr_tape *tape, const char *op, mr_tensor **x, mr_tensor *weight, mr_tensor *bias,
                    int64_t groups, group_norm *n)
{
    if (!mr__norm_check_input(tape, op, *x))
        return false;
    int64_t channels = (*x)->ndim >= 2 ? (*x)->shape[1] : 0;
    if ((*x)->ndim < 2 || groups < 1 || channels % groups) {
        mr__fail(tape, MR_ERR_SHAPE,
                 "%s: input %s has no channels, dimension 1, that can be divided into %lld groups", op,
                 mr__tensor_text(*x).text, (long long)groups);
        return false;
    }
    if (weight && (!mr__norm_check_channels(tape, op, *x, weight, "weight") ||
                   !mr__norm_check_channels(tape, op, *x, bias, "bias")))
        return false;
    *x = mr_contiguous(tape, *x);
    if (weight) {
        weight = mr_contiguous(tape, weight);
        bias = mr_contiguous(tape, bias);
    }
    *n = (group_norm){ .k = mr__norm_kernels_of(*x ? (*x)->dtype : 0),
                       .groups = groups,
                       .each = channels / groups,
                       .weight = weight,
                       .bias = bias };
    if (*x)
        n->planes = mr__planes_of(*x);
    return !tape->failed;
}

static mr_tensor *group_norm_of(mr_tape *tape, mr_tensor *x, int64_t groups, mr_tensor *weight,
                                mr_tensor *bias, const mr_norm_opts *opts)
{
    group_norm n;
    if (!prepare(tape, "group_norm", &x, weight, bias, groups, &n))
        return NULL;
    return run(tape, "group_norm", x, &n, mr__norm_eps(opts ? opts->eps : 0));
}

mr_tensor *mr_group_norm(mr_tape *tape, mr_tensor *x, int64_t groups, mr_tensor *weight, mr_tensor *bias,
                         const mr_norm_opts *opts)
{
    if (!mr__ready2(tape, "group_norm", x, weight) || !mr__ready1(tape, "group_norm", bias))
        return NULL;
    return group_norm_of(tape, x, groups, weight, bias, opts);
}

mr_tensor *mr_group_norm_plain(mr_tape *tape, mr_tensor *x, int64_t groups, const mr_norm_opts *opts)
{
    return mr__ready1(tape, "group_norm", x) ? group_norm_of(tape, x, groups, NULL, NULL, opts) : NULL;
}

/* The running values become the mean over images of what each image alone would make of them. */
static void update_running(const group_norm *n, mr_tensor *mean, mr_tensor *var, double momentum)
{
    int64_t size = n->planes.inner, images = n->planes.outer;
    for (int64_t c = 0; c < n->planes.channels; c++) {
        double m = 0, v = 0, old_mean = n->k->get(mean->data, c), old_var = n->k->get(var->data, c);
        for (int64_t i = 0; i < images; i++) {
            int64_t row = i * n->planes.channels + c;
            m += momentum * n->center[row] + (1 - momentum) * old_mean;
            v += momentum * n->squares[row] / (double)(size - 1) + (1 - momentum) * old_var;
        }
        n->k->put(mean->data, c, m / (double)images);
        n->k->put(var->data, c, v / (double)images);
    }
    mr__bump(mean);
    mr__bump(var);
}

mr_tensor *mr__instance_norm(mr_tape *tape, const char *op, mr_tensor *x, mr_tensor *weight, mr_tensor *bias,
                             mr_tensor *running_mean, mr_tensor *running_var, bool training, double eps,
                             double momentum)
{
    group_norm n;
    if (running_mean && !training)
        return mr__batch_norm(tape, op, x, weight, bias, running_mean, running_var, false, eps, momentum);
    int64_t channels = x->ndim >= 2 && x->shape[1] > 0 ? x->shape[1] : 1;
    if (!prepare(tape, op, &x, weight, bias, channels, &n) ||
        (running_mean && !mr__norm_check_running(tape, op, x, running_mean, running_var)))
        return NULL;
    if (n.planes.inner == 1)
        return mr__fail(tape, MR_ERR_SHAPE, "%s: one pixel alone, in input %s, has no variance", op,
                        mr__tensor_text(x).text);
    mr_tensor *y = run(tape, op, x, &n, eps);
    if (y && running_mean && x->numel)
        update_running(&n, running_mean, running_var, momentum);
    return y;
}

mr_tensor *mr_instance_norm(mr_tape *tape, mr_tensor *x, mr_tensor *weight, mr_tensor *bias,
                            const mr_norm_opts *opts)
{
    static const char op[] = "instance_norm";
    if (!mr__ready2(tape, op, x, weight) || !mr__ready1(tape, op, bias))
        return NULL;
    return mr__instance_norm(tape, op, x, weight, bias, NULL, NULL, true, mr__norm_eps(opts ? opts->eps : 0),
                             0);
}

mr_tensor *mr_instance_norm_plain(mr_tape *tape, mr_tensor *x, const mr_norm_opts *opts)
{
    static const char op[] = "instance_norm";
    if (!mr__ready1(tape, op, x))
        return NULL;
    return mr__instance_norm(tape, op, x, NULL, NULL, NULL, NULL, true, mr__norm_eps(opts ? opts->eps : 0),
                             0);
}

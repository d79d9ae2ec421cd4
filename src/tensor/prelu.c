/* Leaky ReLU with learned slopes: one, or one for each channel. */
#include "tape.h"

#include "kernels/kernels.h"
#include "kernels/parallel.h"

#include <millrace/functions.h>

/* Planes of `inner` elements; channel `plane % channels` is whose slope is taken. */
typedef struct prelu {
    mr__node node;
    int64_t planes, channels, inner;
} prelu;

static double slope_of(const mr_tensor *weight, int64_t channel)
{
    return weight->dtype == MR_FLOAT32 ? (double)((const float *)(const void *)weight->data)[channel]
                                       : ((const double *)(const void *)weight->data)[channel];
}

typedef struct job {
    const prelu *p;
    const mr_tensor *x, *weight;
    const void *dy;
    void *out;    /* of forward, or dx */
    double *sums; /* of dy x where x is not positive, for each plane */
    bool add;
} job;

static void forward_planes(void *work, int64_t begin, int64_t end)
{
    const job *j = work;
    int64_t n = j->p->inner;
    for (int64_t i = begin; i < end; i++) {
        double slope = slope_of(j->weight, i % j->p->channels);
        if (j->x->dtype == MR_FLOAT32) {
            mr__k->activation(MR__LEAKY_RELU, (float *)j->out + i * n,
                              (const float *)(void *)j->x->data + i * n, (float)slope, 0, n);
            continue;
        }
        const double *x = (const double *)(void *)j->x->data + i * n;
        for (int64_t k = 0; k < n; k++)
            ((double *)j->out)[i * n + k] = x[k] > 0 ? x[k] : slope * x[k];
    }
}

static void dx_planes(void *work, int64_t begin, int64_t end)
{
    const job *j = work;
    int64_t n = j->p->inner;
    for (int64_t i = begin; i < end; i++) {
        double slope = slope_of(j->weight, i % j->p->channels);
        if (j->x->dtype == MR_FLOAT32) {
            mr__k->activation_backward(MR__LEAKY_RELU, (float *)j->out + i * n, (const float *)j->dy + i * n,
                                       (const float *)(void *)j->x->data + i * n, (float)slope, 0, n, j->add);
            continue;
        }
        const double *x = (const double *)(void *)j->x->data + i * n, *dy = (const double *)j->dy + i * n;
        double *dx = (double *)j->out + i * n;
        for (int64_t k = 0; k < n; k++) {
            double d = x[k] > 0 ? dy[k] : slope * dy[k];
            dx[k] = j->add ? dx[k] + d : d;
        }
    }
}

#define DEFINE_SUM(name, type)                                   \
    static double name(const type *x, const type *dy, int64_t n) \
    {                                                            \
        double sum = 0;                                          \
        for (int64_t i = 0; i < n; i++)                          \
            sum += x[i] > 0 ? 0 : (double)x[i] * (double)dy[i];  \
        return sum;                                              \
    }
DEFINE_SUM(sum_f32, float)
DEFINE_SUM(sum_f64, double)

static void sum_planes(void *work, int64_t begin, int64_t end)
{
    const job *j = work;
    int64_t n = j->p->inner;
    for (int64_t i = begin; i < end; i++)
        j->sums[i] =
            j->x->dtype == MR_FLOAT32
                ? sum_f32((const float *)(void *)j->x->data + i * n, (const float *)j->dy + i * n, n)
                : sum_f64((const double *)(void *)j->x->data + i * n, (const double *)j->dy + i * n, n);
}

static void divide(mr__part *part, job *j)
{
    mr__parallel(part, j, j->p->planes, MR__GRAIN_ELEMENTS / (j->p->inner + 1), MR__ALIGNMENT / 4);
}

static void add_weight(mr_tape *tape, mr_tensor *weight, const job *j)
{
    bool add = false;
    void *dw = mr__grad_target(tape, weight, &add);
    for (int64_t c = 0; dw && c < j->p->channels; c++) {
        double sum = 0;
        for (int64_t i = c; i < j->p->planes; i += j->p->channels)
            sum += j->sums[i];
        if (weight->dtype == MR_FLOAT32)
            ((float *)dw)[c] = (add ? ((float *)dw)[c] : 0) + (float)sum;
        else
            ((double *)dw)[c] = (add ? ((double *)dw)[c] : 0) + sum;
    }
}

static void backward(mr_tape *tape, mr__node *node)
{
    mr_tensor *x = node->in[0], *weight = node->in[1];
    job j = { .p = (const prelu *)node, .x = x, .weight = weight, .dy = mr__grad_of(node->out) };
    j.out = x->grad ? mr__grad_target(tape, x, &j.add) : NULL;
    if (j.out)
        divide(dx_planes, &j);
    if (!weight->grad || tape->failed)
        return;
    j.sums = mr__scratch(tape, MR_FLOAT64, j.p->planes);
    if (!j.sums)
        return;
    divide(sum_planes, &j);
    add_weight(tape, weight, &j);
}

mr_tensor *mr_prelu(mr_tape *tape, mr_tensor *x, mr_tensor *weight)
{
    static const char op[] = "prelu";
    if (!mr__ready2(tape, op, x, weight))
        return NULL;
    if (!mr__is_float(x->dtype) || weight->dtype != x->dtype)
        return mr__fail(tape, MR_ERR_DTYPE, "%s: input %s is %s and weight %s %s, not one floating type", op,
                        mr__tensor_text(x).text, mr_dtype_name((mr_dtype)x->dtype),
                        mr__tensor_text(weight).text, mr_dtype_name((mr_dtype)weight->dtype));
    int64_t channels = x->ndim >= 2 ? x->shape[1] : 1;
    if (weight->ndim > 1 || (weight->numel != 1 && weight->numel != channels))
        return mr__fail(tape, MR_ERR_SHAPE,
                        "%s: weight %s has neither one value nor one for each channel of input %s", op,
                        mr__tensor_text(weight).text, mr__tensor_text(x).text);
    x = mr_contiguous(tape, x);
    weight = mr_contiguous(tape, weight);
    mr_tensor *y = weight ? mr__result_like(tape, (mr_dtype)x->dtype, x) : NULL;
    if (!y)
        return NULL;
    prelu p = { .channels = weight->numel, .inner = 1 };
    for (int i = weight->numel == 1 ? 1 : 2; i < x->ndim; i++)
        p.inner *= x->shape[i];
    p.planes = p.inner ? x->numel / p.inner : 0;
    job j = { .p = &p, .x = x, .weight = weight, .out = y->data };
    divide(forward_planes, &j);
    if (!mr__tracks(tape, x) && !mr__tracks(tape, weight))
        return y;
    prelu *node = mr__record(tape, sizeof *node, op, y, backward);
    if (!node)
        return NULL;
    mr__node head = node->node;
    *node = p;
    node->node = head;
    mr__add_input(&node->node, x, true);
    mr__add_input(&node->node, weight, true);
    return y;
}

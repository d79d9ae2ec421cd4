/* Dropout: a product with noise that is 0 or 1 / (1 - p). */
#include "dropout.h"
#include "tape.h"

#include "base/rng.h"
#include "kernels/kernels.h"
#include "kernels/parallel.h"

#include <millrace/functions.h>

typedef struct dropout {
    mr__node node;
    void *noise;
    int64_t each; /* elements for one number of noise */
} dropout;

/* ---- the noise ---- */

void mr__draw_dropout(mr_tape *tape, mr_dtype dtype, void *noise, int64_t count, double p)
{
    if (p == 1)
        memset(noise, 0, (size_t)count * mr_dtype_size(dtype));
    else if (dtype == MR_FLOAT32)
        mr__rng_fill_bernoulli(tape->rng, noise, count, 1 - p, 1 / (float)(1 - p));
    else
        mr__rng_fill_bernoulli_f64(tape->rng, noise, count, 1 - p, 1 / (1 - p));
}

static void *noise_for(mr_tape *tape, const mr_tensor *x, int64_t each, double p)
{
    size_t size = mr_dtype_size((mr_dtype)x->dtype);
    int64_t count = x->numel / each;
    void *noise = mr__arena_alloc(&tape->arena, mr__mul_size((size_t)count, size));
    if (!noise)
        return mr__stop(tape);
    mr__draw_dropout(tape, (mr_dtype)x->dtype, noise, count, p);
    return noise;
}

/* ---- the product ---- */

typedef struct job {
    bool f32, add;
    int64_t each;
    void *out;
    const void *x, *noise;
} job;

static void multiply_f64(double *out, const double *x, double by, int64_t n, bool add)
{
    for (int64_t i = 0; i < n; i++)
        out[i] = add ? out[i] + x[i] * by : x[i] * by;
}

/* For numbers [begin, end) of noise. */
static void multiply(void *work, int64_t begin, int64_t end)
{
    const job *j = work;
    const float *noise = j->noise;
    if (j->f32 && j->each == 1)
        mr__k->mul_backward((float *)j->out + begin, (const float *)j->x + begin, noise + begin, end - begin,
                            j->add);
    for (int64_t i = begin; i < end && !(j->f32 && j->each == 1); i++) {
        int64_t at = i * j->each;
        if (j->f32)
            mr__k->scale((float *)j->out + at, (const float *)j->x + at, noise[i], j->each, j->add);
        else
            multiply_f64((double *)j->out + at, (const double *)j->x + at, ((const double *)j->noise)[i],
                         j->each, j->add);
    }
}

static void multiply_all(const mr_tensor *like, void *out, const void *x, const void *noise, int64_t each,
                         bool add)
{
    job j = { like->dtype == MR_FLOAT32, add, each, out, x, noise };
    mr__parallel(multiply, &j, like->numel / each, MR__GRAIN_ELEMENTS / each, MR__ALIGNMENT);
}

static void backward(mr_tape *tape, mr__node *node)
{
    const dropout *d = (const dropout *)node;
    mr_tensor *x = node->in[0];
    bool add = false;
    void *dx = mr__grad_target(tape, x, &add);
    if (dx && x->numel)
        multiply_all(x, dx, mr__grad_of(node->out), d->noise, d->each, add);
}

/* ---- the operations ---- */

static mr_tensor *apply(mr_tape *tape, const char *op, mr_tensor *x, double p, bool training, bool channels)
{
    if (!mr__ready1(tape, op, x))
        return NULL;
    if (!(p >= 0 && p <= 1))
        return mr__fail(tape, MR_ERR_ARGUMENT, "%s: probability %g is not in [0, 1]", op, p);
    if (!mr__is_float(x->dtype))
        return mr__fail(tape, MR_ERR_DTYPE, "%s: input %s is %s, not a floating type", op,
                        mr__tensor_text(x).text, mr_dtype_name((mr_dtype)x->dtype));
    if (channels && x->ndim < 2)
        return mr__fail(tape, MR_ERR_SHAPE, "%s: input %s has no channels, dimension 1", op,
                        mr__tensor_text(x).text);
    if (p == 0 || !training || x->numel == 0)
        return x;
    int64_t each = channels ? x->numel / (x->shape[0] * x->shape[1]) : 1;
    void *noise = noise_for(tape, x, each, p);
    x = noise ? mr_contiguous(tape, x) : NULL;
    mr_tensor *y = x ? mr__result_like(tape, (mr_dtype)x->dtype, x) : NULL;
    if (!y)
        return NULL;
    multiply_all(x, y->data, x->data, noise, each, false);
    if (!mr__tracks(tape, x))
        return y;
    dropout *d = mr__record(tape, sizeof *d, op, y, backward);
    if (!d)
        return NULL;
    mr__add_input(&d->node, x, false);
    d->noise = noise;
    d->each = each;
    return y;
}

mr_tensor *mr_dropout(mr_tape *tape, mr_tensor *x, double p, bool training)
{
    return apply(tape, "dropout", x, p, training, false);
}

mr_tensor *mr_dropout2d(mr_tape *tape, mr_tensor *x, double p, bool training)
{
    return apply(tape, "dropout2d", x, p, training, true);
}

/* Images made larger or smaller, by the nearest pixel or linearly. Along one dimension they are a pixel high. */
#include "tape.h"

#include "kernels/parallel.h"

#include <millrace/functions.h>

#include <math.h>

/* One dimension: element i of the result is (1 - share[i]) x[first[i]] + share[i] x[second[i]]. */
typedef struct side {
    int64_t size, out;
    int64_t *first, *second;
    double *share;
} side;

typedef struct upsample {
    bool linear;
    int64_t planes;
    side h, w;
} upsample;

typedef struct upsample_node {
    mr__node node;
    upsample u;
} upsample_node;

typedef struct job {
    const upsample *u;
    void *y, *x; /* or their gradients */
    bool f32, add;
} job;

/* ---- a plane ---- */

#define DEFINE_PLANE(suffix, type)                                                                  \
    static void forward_##suffix(const upsample *u, type *y, const type *x)                         \
    {                                                                                               \
        for (int64_t row = 0; row < u->h.out; row++, y += u->w.out) {                               \
            const type *a = x + u->h.first[row] * u->w.size, *b = x + u->h.second[row] * u->w.size; \
            type down = (type)u->h.share[row], up = 1 - down;                                       \
            if (!u->linear)                                                                         \
                for (int64_t i = 0; i < u->w.out; i++)                                              \
                    y[i] = a[u->w.first[i]];                                                        \
            for (int64_t i = 0; u->linear && i < u->w.out; i++) {                                   \
                int64_t j = u->w.first[i], k = u->w.second[i];                                      \
                type right = (type)u->w.share[i], left = 1 - right;                                 \
                y[i] = up * (left * a[j] + right * a[k]) + down * (left * b[j] + right * b[k]);     \
            }                                                                                       \
        }                                                                                           \
    }                                                                                               \
    static void backward_##suffix(const upsample *u, const type *dy, type *dx)                      \
    {                                                                                               \
        for (int64_t row = 0; row < u->h.out; row++, dy += u->w.out) {                              \
            type *a = dx + u->h.first[row] * u->w.size, *b = dx + u->h.second[row] * u->w.size;     \
            type down = (type)u->h.share[row], up = 1 - down;                                       \
            if (!u->linear)                                                                         \
                for (int64_t i = 0; i < u->w.out; i++)                                              \
                    a[u->w.first[i]] += dy[i];                                                      \
            for (int64_t i = 0; u->linear && i < u->w.out; i++) {                                   \
                int64_t j = u->w.first[i], k = u->w.second[i];                                      \
                type right = (type)u->w.share[i], left = 1 - right;                                 \
                a[j] += up * left * dy[i];                                                          \
                a[k] += up * right * dy[i];                                                         \
                b[j] += down * left * dy[i];                                                        \
                b[k] += down * right * dy[i];                                                       \
            }                                                                                       \
        }                                                                                           \
    }
DEFINE_PLANE(f32, float)
DEFINE_PLANE(f64, double)

static void forward_planes(void *work, int64_t begin, int64_t end)
{
    const job *j = work;
    int64_t in = j->u->h.size * j->u->w.size, out = j->u->h.out * j->u->w.out;
    for (int64_t i = begin; i < end; i++)
        if (j->f32)
            forward_f32(j->u, (float *)j->y + i * out, (const float *)j->x + i * in);
        else
            forward_f64(j->u, (double *)j->y + i * out, (const double *)j->x + i * in);
}

static void backward_planes(void *work, int64_t begin, int64_t end)
{
    const job *j = work;
    int64_t in = j->u->h.size * j->u->w.size, out = j->u->h.out * j->u->w.out;
    size_t size = j->f32 ? sizeof(float) : sizeof(double);
    for (int64_t i = begin; i < end; i++) {
        if (!j->add)
            memset((char *)j->x + (size_t)(i * in) * size, 0, (size_t)in * size);
        if (j->f32)
            backward_f32(j->u, (const float *)j->y + i * out, (float *)j->x + i * in);
        else
            backward_f64(j->u, (const double *)j->y + i * out, (double *)j->x + i * in);
    }
}

static void divide_planes(mr__part *part, job *j)
{
    int64_t each = j->u->h.out * j->u->w.out + 1;
    mr__parallel(part, j, j->u->planes, MR__GRAIN_ELEMENTS / each, 1);
}

static void backward(mr_tape *tape, mr__node *node)
{
    const upsample_node *n = (const upsample_node *)node;
    mr_tensor *x = node->in[0];
    job j = { .u = &n->u, .y = mr__grad_of(node->out), .f32 = x->dtype == MR_FLOAT32 };
    j.x = mr__grad_target(tape, x, &j.add);
    if (j.x)
        divide_planes(backward_planes, &j);
}

/* ---- tables ---- */

/* torch works out places in the type of the elements, those of the nearest pixels in float always. */
static double rounded(double x, bool f32)
{
    return f32 ? (double)(float)x : x;
}

static void nearest(side *s, double scale)
{
    float step = (float)(scale > 0 ? 1 / scale : (double)((float)s->size / (float)s->out));
    for (int64_t i = 0; i < s->out; i++) {
        int64_t at = s->out == s->size ? i : s->out == 2 * s->size ? i / 2 : (int64_t)floorf((float)i * step);
        s->first[i] = s->second[i] = at < s->size ? at : s->size - 1;
        s->share[i] = 0;
    }
}

static void linear(side *s, double scale, bool corners, bool f32)
{
    double step = scale > 0 ? 1 / scale : rounded((double)s->size, f32) / rounded((double)s->out, f32);
    if (corners)
        step = s->out > 1 ? (double)(s->size - 1) / (double)(s->out - 1) : 0;
    step = rounded(step, f32);
    for (int64_t i = 0; i < s->out; i++) {
        double at = corners ? rounded(step * (double)i, f32)
                            : rounded(rounded(step * ((double)i + 0.5), f32) - 0.5, f32);
        at = s->out == s->size ? (double)i : at > 0 ? at : 0; /* whatever the scale, as in torch */
        s->first[i] = (int64_t)at < s->size ? (int64_t)at : s->size - 1;
        s->second[i] = s->first[i] + (s->first[i] < s->size - 1);
        s->share[i] = fmin(at - (double)s->first[i], 1);
    }
}

static bool make_side(mr_tape *tape, side *s, double scale, const mr_upsample_opts *opts, bool f32)
{
    size_t bytes = mr__mul_size((size_t)s->out, sizeof *s->first);
    s->first = mr_tape_memory(tape, bytes);
    s->second = mr_tape_memory(tape, bytes);
    s->share = mr_tape_memory(tape, bytes);
    if (tape->failed)
        return false;
    if (opts->mode == MR_UPSAMPLE_NEAREST)
        nearest(s, scale);
    else
        linear(s, scale, opts->align_corners, f32);
    return true;
}

/* ---- the operations ---- */

static bool check_input(mr_tape *tape, const mr_tensor *x, const mr_upsample_opts *opts)
{
    if (opts->mode != MR_UPSAMPLE_NEAREST && opts->mode != MR_UPSAMPLE_LINEAR)
        mr__fail(tape, MR_ERR_ARGUMENT, "upsample: %d is no mode", (int)opts->mode);
    else if (opts->align_corners && opts->mode == MR_UPSAMPLE_NEAREST)
        mr__fail(tape, MR_ERR_ARGUMENT, "upsample: align_corners is for linear ones");
    else if (!mr__is_float(x->dtype))
        mr__fail(tape, MR_ERR_DTYPE, "upsample: input %s is %s, not a floating type", mr__tensor_text(x).text,
                 mr_dtype_name((mr_dtype)x->dtype));
    else if (x->ndim != 3 && x->ndim != 4)
        mr__fail(tape, MR_ERR_SHAPE, "upsample: input %s has not 3 or 4 dimensions", mr__tensor_text(x).text);
    else
        return true;
    return false;
}

/* scale: of each dimension, 0 where the size alone is given. */
static mr_tensor *apply(mr_tape *tape, mr_tensor *x, const mr_shape *size, const double *scale,
                        const mr_upsample_opts *opts)
{
    upsample u = { .linear = opts->mode == MR_UPSAMPLE_LINEAR, .planes = x->shape[0] * x->shape[1] };
    mr_shape shape = mr__shape_of(x);
    bool f32 = x->dtype == MR_FLOAT32, image = x->ndim == 4;
    for (int i = 0; i < size->ndim; i++) {
        shape.dim[2 + i] = size->dim[i];
        if (size->dim[i] < 1 || x->shape[2 + i] < 1)
            return mr__fail(tape, MR_ERR_SHAPE, "upsample: input %s cannot be brought to size %s",
                            mr__tensor_text(x).text, mr__shape_text(size).text);
    }
    if (mr__numel("upsample", &shape, (mr_dtype)x->dtype) < 0)
        return mr__stop(tape);
    u.h = (side){ .size = image ? x->shape[2] : 1, .out = image ? size->dim[0] : 1 };
    u.w = (side){ .size = x->shape[x->ndim - 1], .out = size->dim[size->ndim - 1] };
    if (!make_side(tape, &u.h, image ? scale[0] : 0, opts, f32) ||
        !make_side(tape, &u.w, scale[image], opts, f32))
        return NULL;
    x = mr_contiguous(tape, x);
    mr_tensor *y = x ? mr__result(tape, (mr_dtype)x->dtype, shape.ndim, shape.dim) : NULL;
    if (!y)
        return NULL;
    divide_planes(forward_planes, &(job){ .u = &u, .y = y->data, .x = x->data, .f32 = f32 });
    if (!mr__tracks(tape, x))
        return y;
    upsample_node *n = mr__record(tape, sizeof *n, "upsample", y, backward);
    if (!n)
        return NULL;
    mr__add_input(&n->node, x, false);
    n->u = u;
    return y;
}

static const mr_upsample_opts defaults = { 0 };

mr_tensor *mr_upsample(mr_tape *tape, mr_tensor *x, mr_shape size, const mr_upsample_opts *opts)
{
    opts = opts ? opts : &defaults;
    if (!mr__ready1(tape, "upsample", x) || !check_input(tape, x, opts))
        return NULL;
    if (size.ndim != x->ndim - 2)
        return mr__fail(tape, MR_ERR_SHAPE,
                        "upsample: size %s is not that of the last %d dimensions of input %s",
                        mr__shape_text(&size).text, x->ndim - 2, mr__tensor_text(x).text);
    return apply(tape, x, &size, (const double[]){ 0, 0 }, opts);
}

mr_tensor *mr_upsample_scale(mr_tape *tape, mr_tensor *x, double scale, const mr_upsample_opts *opts)
{
    opts = opts ? opts : &defaults;
    if (!mr__ready1(tape, "upsample", x) || !check_input(tape, x, opts))
        return NULL;
    double scales[2] = { scale, opts->scale_w != 0 ? opts->scale_w : scale };
    mr_shape size = { .ndim = x->ndim - 2 };
    for (int i = 0; i < size.ndim; i++) {
        double out = floor((double)x->shape[2 + i] * scales[i]);
        if (!(scales[i] > 0 && out < 0x1p53))
            return mr__fail(tape, MR_ERR_ARGUMENT, "upsample: %g is no scale for input %s", scales[i],
                            mr__tensor_text(x).text);
        size.dim[i] = (int64_t)out;
    }
    return apply(tape, x, &size, scales, opts);
}

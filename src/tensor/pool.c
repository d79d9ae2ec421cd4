/* Pooling of images. Along one dimension it is that of images that are a pixel high. */
#include "conv.h"
#include "tape.h"

#include "kernels/conv_tail.h"
#include "kernels/kernels.h"
#include "kernels/parallel.h"

#include <millrace/functions.h>

#include <math.h>

typedef struct side {
    int64_t size, kernel, stride, padding, dilation, out;
} side;

/* Each plane is a channel of an image. */
typedef struct pool {
    int64_t planes;
    side h, w;
    bool exclude_padding;
    int64_t divisor; /* 0: the window's size */
} pool;

/* ---- the largest ---- */

enum { NOWHERE = -1 };

/* The windows [*first, *end) of a row whose element `at` lies inside. */
static void inside(const side *s, int64_t at, int64_t *first, int64_t *end)
{
    int64_t offset = at * s->dilation - s->padding;
    *first = offset >= 0 ? 0 : (-offset - 1) / s->stride + 1;
    *end = offset >= s->size ? 0 : (s->size - 1 - offset) / s->stride + 1;
    *end = *end < s->out ? *end : s->out;
    *first = *first < *end ? *first : *end;
}

/* Where a window begins, the padding in front not counted. */
static int64_t place_of(const side *s, int64_t window)
{
    return window * s->stride - s->padding;
}

/* The elements [*first, *end) of a window that lie inside; a padding may be much larger than the image. */
static void elements_inside(const side *s, int64_t window, int64_t *first, int64_t *end)
{
    int64_t at = place_of(s, window);
    *first = at >= 0 ? 0 : (-at - 1) / s->dilation + 1;
    *end = at >= s->size ? 0 : (s->size - 1 - at) / s->dilation + 1;
    *end = *end < s->kernel ? *end : s->kernel;
}

/* Until something is met a window has -inf of its first element inside; NOWHERE when all of it is padding. */
static int32_t first_place(const pool *p, int64_t row, int64_t column)
{
    int64_t h, w, h_end, w_end;
    elements_inside(&p->h, row, &h, &h_end);
    elements_inside(&p->w, column, &w, &w_end);
    if (h >= h_end || w >= w_end)
        return NOWHERE;
    return (int32_t)((place_of(&p->h, row) + h * p->h.dilation) * p->w.size + place_of(&p->w, column) +
                     w * p->w.dilation);
}

static void pool_row_f64(double *best, int32_t *at, const double *line, int64_t step, int32_t start,
                         int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        double x = line[i * step];
        if (x > best[i] || isnan(x)) {
            best[i] = x;
            at[i] = start + (int32_t)(i * step);
        }
    }
}

static void max_plane(const pool *p, bool f32, char *y, int32_t *at, const char *x)
{
    size_t size = f32 ? sizeof(float) : sizeof(double);
    int64_t h0, h1, w0, w1, unused;
    elements_inside(&p->w, p->w.out - 1, &w0, &unused); /* of all windows of a row together */
    elements_inside(&p->w, 0, &unused, &w1);
    for (int64_t row = 0; row < p->h.out; row++, y += (size_t)p->w.out * size, at += p->w.out) {
        for (int64_t i = 0; i < p->w.out; i++) {
            at[i] = first_place(p, row, i);
            if (f32)
                ((float *)(void *)y)[i] = -INFINITY;
            else
                ((double *)(void *)y)[i] = -INFINITY;
        }
        elements_inside(&p->h, row, &h0, &h1);
        for (int64_t i = h0; i < h1; i++) {
            int64_t h = place_of(&p->h, row) + i * p->h.dilation;
            for (int64_t j = w0; j < w1; j++) {
                int64_t first, end;
                inside(&p->w, j, &first, &end);
                int64_t place = h * p->w.size + j * p->w.dilation - p->w.padding + first * p->w.stride;
                if (f32)
                    mr__k->pool_max((float *)(void *)y + first, at + first,
                                    (const float *)(const void *)x + place, p->w.stride, (int32_t)place,
                                    end - first);
                else
                    pool_row_f64((double *)(void *)y + first, at + first,
                                 (const double *)(const void *)x + place, p->w.stride, (int32_t)place,
                                 end - first);
            }
        }
    }
}

typedef struct max_job {
    const pool *p;
    bool f32, add;
    char *y, *x; /* or their gradients */
    int32_t *at;
} max_job;

static size_t size_of(bool f32)
{
    return f32 ? sizeof(float) : sizeof(double);
}

/* Windows of 2 x 2 that lie side by side have kernels of their own, which say with a number from 0 to 3, as a float, what was
 * taken. */
static bool in_pairs(const pool *p, bool f32)
{
    return f32 && p->h.kernel == 2 && p->w.kernel == 2 && p->h.stride == 2 && p->w.stride == 2 &&
           p->h.padding == 0 && p->w.padding == 0 && p->h.dilation == 1 && p->w.dilation == 1 &&
           p->h.out == p->h.size / 2 && p->w.out == p->w.size / 2;
}

static void max_planes(void *work, int64_t begin, int64_t end)
{
    const max_job *d = work;
    int64_t in = d->p->h.size * d->p->w.size, out = d->p->h.out * d->p->w.out;
    const bool pairs = in_pairs(d->p, d->f32);
    for (int64_t i = begin; i < end; i++)
        if (pairs)
            mr__pool_pairs((float *)(void *)d->y + i * out, (float *)(void *)d->at + i * out,
                           (float *)(void *)d->x + i * in, d->p->h.size, d->p->w.size);
        else
            max_plane(d->p, d->f32, d->y + (size_t)(i * out) * size_of(d->f32), d->at + i * out,
                      d->x + (size_t)(i * in) * size_of(d->f32));
}

static void spread_f32(float *dx, const float *dy, const int32_t *at, int64_t out)
{
    for (int64_t j = 0; j < out; j++)
        if (at[j] != NOWHERE)
            dx[at[j]] += dy[j];
}

static void spread_f64(double *dx, const double *dy, const int32_t *at, int64_t out)
{
    for (int64_t j = 0; j < out; j++)
        if (at[j] != NOWHERE)
            dx[at[j]] += dy[j];
}

static void spread_planes(void *work, int64_t begin, int64_t end)
{
    const max_job *d = work;
    const bool pairs = in_pairs(d->p, d->f32);
    int64_t in = d->p->h.size * d->p->w.size, out = d->p->h.out * d->p->w.out;
    for (int64_t i = begin; i < end; i++) {
        char *dx = d->x + (size_t)(i * in) * size_of(d->f32),
             *dy = d->y + (size_t)(i * out) * size_of(d->f32);
        const int32_t *at = d->at + i * out;
        if (pairs) {
            mr__pool_pairs_dx((float *)(void *)dx, (float *)(void *)dy, (const float *)(const void *)at,
                              d->p->h.size, d->p->w.size, d->add);
            continue;
        }
        if (!d->add)
            memset(dx, 0, (size_t)in * size_of(d->f32));
        if (d->f32)
            spread_f32((float *)(void *)dx, (const float *)(const void *)dy, at, out);
        else
            spread_f64((double *)(void *)dx, (const double *)(const void *)dy, at, out);
    }
}

typedef struct pool_node {
    mr__node node;
    pool pool;
    int32_t *at; /* of max pooling: where in the plane each element was found; see in_pairs */
} pool_node;

static void divide_planes(mr__part *part, void *job, const pool *p)
{
    int64_t each = p->h.size * p->w.size + 1;
    mr__parallel(part, job, p->planes, MR__GRAIN_ELEMENTS / each, 1);
}

static void max_backward(mr_tape *tape, mr__node *node)
{
    const pool_node *n = (const pool_node *)node;
    mr_tensor *x = node->in[0];
    max_job d = { .p = &n->pool, .f32 = x->dtype == MR_FLOAT32, .y = mr__grad_of(node->out), .at = n->at };
    d.x = mr__grad_target(tape, x, &d.add);
    if (d.x)
        divide_planes(spread_planes, &d, d.p);
}

/* ---- the mean ---- */

/* What a window is divided by, and its part inside. */
static double window(const pool *p, int64_t row, int64_t column, int64_t *h0, int64_t *h1, int64_t *w0,
                     int64_t *w1)
{
    *h0 = row * p->h.stride - p->h.padding;
    *w0 = column * p->w.stride - p->w.padding;
    *h1 = *h0 + p->h.kernel < p->h.size + p->h.padding ? *h0 + p->h.kernel : p->h.size + p->h.padding;
    *w1 = *w0 + p->w.kernel < p->w.size + p->w.padding ? *w0 + p->w.kernel : p->w.size + p->w.padding;
    double all = (double)(*h1 - *h0) * (double)(*w1 - *w0);
    *h0 = *h0 > 0 ? *h0 : 0;
    *w0 = *w0 > 0 ? *w0 : 0;
    *h1 = *h1 < p->h.size ? *h1 : p->h.size;
    *w1 = *w1 < p->w.size ? *w1 : p->w.size;
    if (p->divisor)
        return (double)p->divisor;
    return p->exclude_padding ? (double)((*h1 - *h0) * (*w1 - *w0)) : all;
}

/* The windows of adaptive pooling: from floor(i size / out) to ceil((i + 1) size / out). */
static double adaptive_window(const pool *p, int64_t row, int64_t column, int64_t *h0, int64_t *h1,
                              int64_t *w0, int64_t *w1)
{
    *h0 = row * p->h.size / p->h.out;
    *h1 = ((row + 1) * p->h.size + p->h.out - 1) / p->h.out;
    *w0 = column * p->w.size / p->w.out;
    *w1 = ((column + 1) * p->w.size + p->w.out - 1) / p->w.out;
    return (double)((*h1 - *h0) * (*w1 - *w0));
}

typedef struct mean_job {
    const pool *p;
    void *y, *x; /* or their gradients */
    bool add;
} mean_job;

#define DEFINE_MEANS(name, type)                                                                   \
    static void name##_forward(void *work, int64_t begin, int64_t end)                             \
    {                                                                                              \
        const mean_job *d = work;                                                                  \
        const pool *p = d->p;                                                                      \
        const int64_t rows = p->w.out ? p->h.out : 0; /* of none there may be any number */        \
        for (int64_t i = begin; i < end; i++) {                                                    \
            const type *x = (const type *)d->x + i * p->h.size * p->w.size;                        \
            type *y = (type *)d->y + i * p->h.out * p->w.out;                                      \
            for (int64_t row = 0; row < rows; row++)                                               \
                for (int64_t column = 0; column < p->w.out; column++) {                            \
                    int64_t h0, h1, w0, w1;                                                        \
                    double by = p->h.kernel ? window(p, row, column, &h0, &h1, &w0, &w1)           \
                                            : adaptive_window(p, row, column, &h0, &h1, &w0, &w1); \
                    type sum = 0;                                                                  \
                    for (int64_t h = h0; h < h1; h++)                                              \
                        for (int64_t w = w0; w < w1; w++)                                          \
                            sum += x[h * p->w.size + w];                                           \
                    *y++ = sum / (type)by;                                                         \
                }                                                                                  \
        }                                                                                          \
    }                                                                                              \
    static void name##_backward(void *work, int64_t begin, int64_t end)                            \
    {                                                                                              \
        const mean_job *d = work;                                                                  \
        const pool *p = d->p;                                                                      \
        const int64_t rows = p->w.out ? p->h.out : 0; /* of none there may be any number */        \
        for (int64_t i = begin; i < end; i++) {                                                    \
            type *dx = (type *)d->x + i * p->h.size * p->w.size;                                   \
            const type *dy = (const type *)d->y + i * p->h.out * p->w.out;                         \
            if (!d->add)                                                                           \
                memset(dx, 0, (size_t)(p->h.size * p->w.size) * sizeof *dx);                       \
            for (int64_t row = 0; row < rows; row++)                                               \
                for (int64_t column = 0; column < p->w.out; column++) {                            \
                    int64_t h0, h1, w0, w1;                                                        \
                    double by = p->h.kernel ? window(p, row, column, &h0, &h1, &w0, &w1)           \
                                            : adaptive_window(p, row, column, &h0, &h1, &w0, &w1); \
                    const type part = *dy++ / (type)by;                                            \
                    for (int64_t h = h0; h < h1; h++)                                              \
                        for (int64_t w = w0; w < w1; w++)                                          \
                            dx[h * p->w.size + w] += part;                                         \
                }                                                                                  \
        }                                                                                          \
    }
DEFINE_MEANS(means_f32, float)
DEFINE_MEANS(means_f64, double)

static void mean_backward(mr_tape *tape, mr__node *node)
{
    mr_tensor *x = node->in[0];
    mean_job d = { .p = &((const pool_node *)node)->pool, .y = mr__grad_of(node->out) };
    d.x = mr__grad_target(tape, x, &d.add);
    if (d.x)
        divide_planes(x->dtype == MR_FLOAT32 ? means_f32_backward : means_f64_backward, &d, d.p);
}

/* ---- the geometry ---- */

static bool plan_side(mr_tape *tape, const char *op, const mr_tensor *x, bool ceil, side *s)
{
    int64_t reach, padded;
    if (s->kernel < 1 || s->stride < 1 || s->dilation < 1 || s->padding < 0 || s->padding > s->kernel / 2) {
        mr__fail(
            tape, MR_ERR_ARGUMENT,
            "%s: kernel %lld, stride %lld, padding %lld, dilation %lld: the padding is from 0 to half of the "
            "kernel, the others are at least 1",
            op, (long long)s->kernel, (long long)s->stride, (long long)s->padding, (long long)s->dilation);
        return false;
    }
    if (__builtin_mul_overflow(s->dilation, s->kernel - 1, &reach) ||
        __builtin_add_overflow(s->size, 2 * s->padding, &padded) ||
        (reach >= padded && !(ceil && reach - padded < s->stride - 1))) {
        mr__fail(tape, MR_ERR_SHAPE, "%s: a window of %lld does not fit input %s", op, (long long)s->kernel,
                 mr__tensor_text(x).text);
        return false;
    }
    int64_t room = padded - reach - 1; /* below 0: one window, which ends outside */
    s->out = room < 0 ? 1 : room / s->stride + (ceil && room % s->stride) + 1;
    if (ceil && (s->out - 1) * s->stride >= s->size + s->padding)
        s->out--; /* the last window begins inside */
    return true;
}

static bool check(mr_tape *tape, const char *op, const mr_tensor *x, int dims)
{
    if (!mr__is_float(x->dtype)) {
        mr__fail(tape, MR_ERR_DTYPE, "%s: input %s is %s, not a floating type", op, mr__tensor_text(x).text,
                 mr_dtype_name((mr_dtype)x->dtype));
        return false;
    }
    if (x->ndim != dims + 1 && x->ndim != dims + 2) {
        mr__fail(tape, MR_ERR_SHAPE, "%s: input %s has not %d or %d dimensions", op, mr__tensor_text(x).text,
                 dims + 1, dims + 2);
        return false;
    }
    return true;
}

static bool plan(mr_tape *tape, const char *op, const mr_tensor *x, int dims, int64_t kernel,
                 const mr_pool_opts *o, pool *p)
{
    static const mr_pool_opts defaults = { 0 };
    o = o ? o : &defaults;
    if (!check(tape, op, x, dims))
        return false;
    side first = { .kernel = kernel,
                   .stride = mr__option_int(o->stride, kernel),
                   .padding = mr__option_int(o->padding, 0),
                   .dilation = mr__option_int(o->dilation, 1) };
    side second = { .kernel = mr__option_int(o->kernel_w, kernel),
                    .padding = mr__option_int(o->padding_w, first.padding),
                    .dilation = mr__option_int(o->dilation_w, first.dilation) };
    second.stride = mr__option_int(o->stride_w, o->stride ? o->stride : second.kernel);
    p->h = first;
    p->w = second;
    if (dims == 1) {
        p->h = (side){ .size = 1, .kernel = 1, .stride = 1, .dilation = 1 };
        p->w = first;
    } else {
        p->h.size = x->shape[x->ndim - 2];
    }
    p->w.size = x->shape[x->ndim - 1];
    p->exclude_padding = o->exclude_padding;
    p->divisor = o->divisor;
    if (o->divisor < 0) {
        mr__fail(tape, MR_ERR_ARGUMENT, "%s: divisor %lld is negative", op, (long long)o->divisor);
        return false;
    }
    return plan_side(tape, op, x, o->ceil, &p->h) && plan_side(tape, op, x, o->ceil, &p->w);
}

/* The result's header; x's dimensions before the last one or two are planes. */
static mr_tensor *result(mr_tape *tape, const char *op, const mr_tensor *x, int dims, pool *p)
{
    mr_shape shape = mr__shape_of(x);
    p->planes = 1;
    for (int i = 0; i < x->ndim - dims; i++)
        p->planes *= x->shape[i];
    shape.dim[x->ndim - 1] = p->w.out;
    if (dims == 2)
        shape.dim[x->ndim - 2] = p->h.out;
    if (mr__numel(op, &shape, (mr_dtype)x->dtype) < 0)
        return mr__stop(tape);
    if (p->h.size * p->w.size > INT32_MAX)
        return mr__fail(tape, MR_ERR_SHAPE, "%s: images of input %s are too large", op,
                        mr__tensor_text(x).text);
    return mr__result(tape, (mr_dtype)x->dtype, shape.ndim, shape.dim);
}

static mr_tensor *recorded(mr_tape *tape, const char *op, mr_tensor *y, mr_tensor *x,
                           mr__backward_fn backward, const pool *p, int32_t *at)
{
    if (!mr__tracks(tape, x))
        return y;
    pool_node *node = mr__record(tape, sizeof *node, op, y, backward);
    if (!node)
        return NULL;
    mr__add_input(&node->node, x, false);
    node->pool = *p;
    node->at = at;
    return y;
}

/* ---- the operations ---- */

static mr_tensor *max_pool(mr_tape *tape, const char *op, mr_tensor *x, int dims, int64_t kernel,
                           const mr_pool_opts *opts)
{
    pool p;
    if (!mr__ready1(tape, op, x) || !plan(tape, op, x, dims, kernel, opts, &p))
        return NULL;
    x = mr_contiguous(tape, x);
    mr_tensor *y = x ? result(tape, op, x, dims, &p) : NULL;
    int32_t *at = y ? mr__arena_alloc(&tape->arena, (size_t)y->numel * sizeof *at) : NULL;
    if (!at)
        return tape->failed ? NULL : mr__stop(tape);
    max_job d = { .p = &p, .f32 = x->dtype == MR_FLOAT32, .y = y->data, .x = x->data, .at = at };
    divide_planes(max_planes, &d, &p);
    return recorded(tape, op, y, x, max_backward, &p, at);
}

static mr_tensor *means(mr_tape *tape, const char *op, mr_tensor *x, int dims, pool *p)
{
    x = mr_contiguous(tape, x);
    mr_tensor *y = x ? result(tape, op, x, dims, p) : NULL;
    if (!y)
        return NULL;
    mean_job d = { .p = p, .y = y->data, .x = x->data };
    divide_planes(x->dtype == MR_FLOAT32 ? means_f32_forward : means_f64_forward, &d, p);
    return recorded(tape, op, y, x, mean_backward, p, NULL);
}

static mr_tensor *avg_pool(mr_tape *tape, const char *op, mr_tensor *x, int dims, int64_t kernel,
                           const mr_pool_opts *opts)
{
    pool p;
    if (!mr__ready1(tape, op, x) || !plan(tape, op, x, dims, kernel, opts, &p))
        return NULL;
    if (p.h.dilation != 1 || p.w.dilation != 1)
        return mr__fail(tape, MR_ERR_ARGUMENT, "%s: the windows of averages have no dilation", op);
    return means(tape, op, x, dims, &p);
}

mr_tensor *mr_max_pool2d(mr_tape *tape, mr_tensor *x, int64_t kernel, const mr_pool_opts *opts)
{
    return max_pool(tape, "max_pool2d", x, 2, kernel, opts);
}

mr_tensor *mr_max_pool1d(mr_tape *tape, mr_tensor *x, int64_t kernel, const mr_pool_opts *opts)
{
    return max_pool(tape, "max_pool1d", x, 1, kernel, opts);
}

mr_tensor *mr_avg_pool2d(mr_tape *tape, mr_tensor *x, int64_t kernel, const mr_pool_opts *opts)
{
    return avg_pool(tape, "avg_pool2d", x, 2, kernel, opts);
}

mr_tensor *mr_avg_pool1d(mr_tape *tape, mr_tensor *x, int64_t kernel, const mr_pool_opts *opts)
{
    return avg_pool(tape, "avg_pool1d", x, 1, kernel, opts);
}

mr_tensor *mr_adaptive_avg_pool2d(mr_tape *tape, mr_tensor *x, int64_t height, int64_t width)
{
    static const char op[] = "adaptive_avg_pool2d";
    if (!mr__ready1(tape, op, x) || !check(tape, op, x, 2))
        return NULL;
    pool p = { .h.size = x->shape[x->ndim - 2], .w.size = x->shape[x->ndim - 1] };
    p.h.out = height == -1 ? p.h.size : height;
    p.w.out = width == -1 ? p.w.size : width;
    if (p.h.out < 0 || p.w.out < 0 || p.h.size < 1 || p.w.size < 1)
        return mr__fail(tape, MR_ERR_SHAPE, "%s: input %s to a size of %lld x %lld", op,
                        mr__tensor_text(x).text, (long long)height, (long long)width);
    return means(tape, op, x, 2, &p);
}

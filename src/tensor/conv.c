/* Convolutions. One along a single dimension is one of images that are a pixel high. */
#include "conv.h"
#include "tape.h"

#include <millrace/functions.h>

/* ---- float64 ---- */

static void forward_f64(const mr__conv *c, double *y, double *x, double *w, const double *b)
{
    int64_t pixels = c->out_h * c->out_w;
    for (int64_t i = 0; i < c->images * c->filters; i++)
        for (int64_t p = 0; p < pixels; p++)
            y[i * pixels + p] = b ? b[i % c->filters] : 0;
    mr__conv_visit(c, MR__CONV_FORWARD, y, x, w);
}

/* ---- backward ---- */

typedef struct conv_node {
    mr__node node;
    mr__conv conv;
    mr__conv_tail tail;
} conv_node;

static void to_x_f64(const mr__conv *c, double *dx, double *dy, double *w, bool add)
{
    if (!add)
        memset(dx, 0, (size_t)(c->images * c->channels * c->height * c->width) * sizeof *dx);
    mr__conv_visit(c, MR__CONV_TO_X, dy, dx, w);
}

static void to_w_f64(const mr__conv *c, double *dw, double *dy, double *x, bool add)
{
    if (!add)
        memset(dw, 0,
               (size_t)(c->filters * (c->channels / c->groups) * c->kernel_h * c->kernel_w) * sizeof *dw);
    mr__conv_visit(c, MR__CONV_TO_W, dy, x, dw);
}

static void conv_backward(mr_tape *tape, mr__node *node)
{
    const mr__conv *c = &((const conv_node *)node)->conv;
    const mr__conv_tail *tail = &((const conv_node *)node)->tail;
    mr_tensor *x = node->in[0], *w = node->in[1], *b = node->count > 2 ? node->in[2] : NULL;
    void *dy = mr__grad_of(node->out);
    bool f32 = x->dtype == MR_FLOAT32, add_x = false, add_w = false, add_b = false;
    int64_t room = f32 ? mr__conv_scratch(c) : 0;
    float *scratch = f32 ? mr__work(tape, MR_FLOAT32, room + c->images * c->filters) : NULL;
    void *dw = mr__grad_target(tape, w, &add_w), *db = b ? mr__grad_target(tape, b, &add_b) : NULL;
    void *dx = mr__grad_target(tape, x, &add_x);
    if (tape->failed)
        return;
    if (f32) {
        float *sums = dw && db ? scratch + room : NULL;
        if (dw)
            mr__conv_dw(c, dw, dy, (const float *)x->data, add_w, tail, sums, scratch);
        if (db)
            mr__conv_db(c, db, dy, add_b, tail, sums, scratch);
        if (dx)
            mr__conv_dx(c, dx, dy, (const float *)w->data, add_x, tail, scratch);
        return;
    }
    if (dw)
        to_w_f64(c, dw, dy, (double *)x->data, add_w);
    if (db)
        mr__conv_channel_sums(db, dy, c->images, c->filters, c->out_h * c->out_w, add_b);
    if (dx)
        to_x_f64(c, dx, dy, (double *)w->data, add_x);
}

/* ---- the geometry ---- */

/* One of the two dimensions of an image: what the options say of it, and what follows. */
typedef struct side {
    int64_t size, kernel, stride, padding, dilation, out;
} side;

static bool plan_side(mr_tape *tape, const char *op, const mr_tensor *x, const mr_tensor *w, bool same,
                      side *s)
{
    if (s->stride < 1 || s->dilation < 1 || s->padding < 0) {
        mr__fail(tape, MR_ERR_ARGUMENT, "%s: stride %lld, padding %lld, dilation %lld: one is too small", op,
                 (long long)s->stride, (long long)s->padding, (long long)s->dilation);
        return false;
    }
    int64_t reach, padded, total = 0;
    if (__builtin_mul_overflow(s->dilation, s->kernel - 1, &reach) ||
        __builtin_add_overflow(reach, 1, &reach) || __builtin_mul_overflow(s->padding, 2, &padded) ||
        __builtin_add_overflow(padded, s->size, &padded) || (same && reach > INT64_MAX - s->size)) {
        mr__fail(tape, MR_ERR_ARGUMENT, "%s: the sizes overflow", op);
        return false;
    }
    if (same) { /* torch puts the odd one behind */
        total = reach - 1;
        s->padding = total / 2;
        padded = s->size + total;
    }
    if (s->kernel < 1 || reach > padded) {
        mr__fail(tape, MR_ERR_SHAPE,
                 "%s: a filter of weight %s reaches over %lld, input %s has %lld with its padding", op,
                 mr__tensor_text(w).text, (long long)reach, mr__tensor_text(x).text, (long long)padded);
        return false;
    }
    s->out = (padded - reach) / s->stride + 1;
    return true;
}

static bool check(mr_tape *tape, const char *op, const mr_tensor *x, const mr_tensor *w, const mr_tensor *b,
                  int ndim, int64_t groups)
{
    if (!mr__is_float(x->dtype) || w->dtype != x->dtype || (b && b->dtype != x->dtype)) {
        mr__fail(tape, MR_ERR_DTYPE, "%s: input %s is %s, weight %s %s, and all must be of one floating type",
                 op, mr__tensor_text(x).text, mr_dtype_name((mr_dtype)x->dtype), mr__tensor_text(w).text,
                 mr_dtype_name((mr_dtype)w->dtype));
        return false;
    }
    if (w->ndim != ndim || (x->ndim != ndim && x->ndim != ndim - 1)) {
        mr__fail(tape, MR_ERR_SHAPE, "%s: input %s and weight %s: %d or %d dimensions go with %d", op,
                 mr__tensor_text(x).text, mr__tensor_text(w).text, ndim, ndim - 1, ndim);
        return false;
    }
    int64_t channels = x->shape[x->ndim - ndim + 1];
    if (groups < 1 || channels % groups || w->shape[0] % groups || w->shape[1] != channels / groups) {
        mr__fail(tape, MR_ERR_SHAPE,
                 "%s: input %s has %lld channels, which in %lld groups do not fit weight %s", op,
                 mr__tensor_text(x).text, (long long)channels, (long long)groups, mr__tensor_text(w).text);
        return false;
    }
    if (b && (b->ndim != 1 || b->shape[0] != w->shape[0])) {
        mr__fail(tape, MR_ERR_SHAPE, "%s: bias %s does not go with weight %s", op, mr__tensor_text(b).text,
                 mr__tensor_text(w).text);
        return false;
    }
    return true;
}

/* For two dimensions (ndim 4) or one (ndim 3). */
static bool plan(mr_tape *tape, const char *op, const mr_tensor *x, const mr_tensor *w, int ndim,
                 const mr_conv_opts *o, mr__conv *c)
{
    side h = { .size = 1, .kernel = 1, .stride = 1, .dilation = 1 }, v = h;
    bool flat = ndim == 3;
    side *first = flat ? &v : &h;
    first->stride = mr__option_int(o->stride, 1);
    first->padding = mr__option_int(o->padding, 0);
    first->dilation = mr__option_int(o->dilation, 1);
    if (!flat) {
        v.stride = mr__option_int(o->stride_w, h.stride);
        v.padding = mr__option_int(o->padding_w, h.padding);
        v.dilation = mr__option_int(o->dilation_w, h.dilation);
        h.size = x->shape[x->ndim - 2];
        h.kernel = w->shape[2];
    }
    v.size = x->shape[x->ndim - 1];
    v.kernel = w->shape[ndim - 1];
    if (o->same && (h.stride != 1 || v.stride != 1 || o->padding || (!flat && o->padding_w))) {
        mr__fail(tape, MR_ERR_ARGUMENT, "%s: same goes with a stride of 1 and without a padding", op);
        return false;
    }
    if (!plan_side(tape, op, x, w, o->same, &h) || !plan_side(tape, op, x, w, o->same, &v))
        return false;
    *c = (mr__conv){ .images = x->ndim == ndim ? x->shape[0] : 1,
                     .channels = x->shape[x->ndim - ndim + 1],
                     .height = h.size,
                     .width = v.size,
                     .filters = w->shape[0],
                     .kernel_h = h.kernel,
                     .kernel_w = v.kernel,
                     .out_h = h.out,
                     .out_w = v.out,
                     .stride_h = h.stride,
                     .stride_w = v.stride,
                     .pad_top = h.padding,
                     .pad_left = v.padding,
                     .dilation_h = h.dilation,
                     .dilation_w = v.dilation,
                     .groups = mr__option_int(o->groups, 1) };
    return true;
}

/* ---- the operation ---- */

static mr_tensor *computed(mr_tape *tape, const mr__conv *c, mr_tensor *y, const mr_tensor *x,
                           const mr_tensor *w, const mr_tensor *b, const mr__conv_tail *tail)
{
    if (x->dtype == MR_FLOAT64) {
        forward_f64(c, (double *)y->data, (double *)x->data, (double *)w->data, b ? (double *)b->data : NULL);
        return y;
    }
    float *scratch = mr__work(tape, MR_FLOAT32, mr__conv_scratch(c));
    if (!scratch)
        return NULL;
    mr__conv_forward(c, (float *)y->data, (float *)x->data, (float *)w->data, b ? (float *)b->data : NULL,
                     false, tail, scratch);
    return y;
}

/* The result's header, and what the tail needs beside it. */
static mr_tensor *result(mr_tape *tape, const char *op, int ndim, const mr_tensor *x, const mr__conv *c,
                         mr__conv_tail *tail)
{
    const int64_t each = tail->kind == MR__TAIL_RELU_POOL ? 2 : 1;
    mr_shape shape = { 0 };
    if (x->ndim == ndim)
        shape.dim[shape.ndim++] = c->images;
    shape.dim[shape.ndim++] = c->filters;
    if (ndim == 4)
        shape.dim[shape.ndim++] = c->out_h / each;
    shape.dim[shape.ndim++] = c->out_w / each;
    if (mr__numel(op, &shape, (mr_dtype)x->dtype) < 0)
        return mr__stop(tape);
    mr_tensor *y = mr__result(tape, (mr_dtype)x->dtype, shape.ndim, shape.dim);
    if (!y)
        return NULL;
    tail->y = (const float *)y->data;
    if (tail->kind == MR__TAIL_RELU_POOL &&
        !(tail->which = mr__arena_alloc(&tape->arena, (size_t)y->numel * sizeof *tail->which)))
        return mr__stop(tape);
    return y;
}

static mr_tensor *conv(mr_tape *tape, const char *op, int ndim, mr_tensor *x, mr_tensor *w, mr_tensor *b,
                       const mr_conv_opts *opts, mr__conv_tail *tail)
{
    static const mr_conv_opts defaults = { 0 };
    mr__conv c;
    opts = opts ? opts : &defaults;
    if (!check(tape, op, x, w, b, ndim, mr__option_int(opts->groups, 1)) ||
        !plan(tape, op, x, w, ndim, opts, &c))
        return NULL;
    x = mr_contiguous(tape, x);
    w = mr_contiguous(tape, w);
    b = b ? mr_contiguous(tape, b) : NULL;
    if (tape->failed)
        return NULL;
    if (tail->kind == MR__TAIL_RELU_POOL && (c.out_h < 2 || c.out_w < 2))
        tail->kind = MR__TAIL_RELU;
    mr_tensor *y = result(tape, op, ndim, x, &c, tail);
    if (!y || !computed(tape, &c, y, x, w, b, tail))
        return NULL;
    if (!mr__tracks(tape, x) && !mr__tracks(tape, w) && !(b && mr__tracks(tape, b)))
        return y;
    conv_node *node = mr__record(tape, sizeof *node, op, y, conv_backward);
    if (!node)
        return NULL;
    mr__add_input(&node->node, x, w->grad != NULL);
    mr__add_input(&node->node, w, x->grad != NULL);
    if (b)
        mr__add_input(&node->node, b, false);
    node->conv = c;
    node->tail = *tail;
    return y;
}

static mr_tensor *plain_conv(mr_tape *tape, const char *op, int ndim, mr_tensor *x, mr_tensor *w,
                             mr_tensor *b, const mr_conv_opts *opts)
{
    mr__conv_tail none = mr__no_tail;
    return conv(tape, op, ndim, x, w, b, opts, &none);
}

mr_tensor *mr__conv2d_tail(mr_tape *tape, mr_tensor *x, mr_tensor *weight, mr_tensor *bias,
                           const mr_conv_opts *opts, bool *pool)
{
    mr__conv_tail tail = { *pool ? MR__TAIL_RELU_POOL : MR__TAIL_RELU, NULL, NULL };
    mr_tensor *y = mr__ready_layer(tape, "conv2d", x, weight, bias ? bias : weight)
                       ? conv(tape, "conv2d", 4, x, weight, bias, opts, &tail)
                       : NULL;
    *pool = tail.kind == MR__TAIL_RELU_POOL;
    return y;
}

mr_tensor *mr_conv2d(mr_tape *tape, mr_tensor *x, mr_tensor *weight, mr_tensor *bias,
                     const mr_conv_opts *opts)
{
    if (!mr__ready_layer(tape, "conv2d", x, weight, bias))
        return NULL;
    return plain_conv(tape, "conv2d", 4, x, weight, bias, opts);
}

mr_tensor *mr_conv2d_no_bias(mr_tape *tape, mr_tensor *x, mr_tensor *weight, const mr_conv_opts *opts)
{
    return mr__ready_layer(tape, "conv2d", x, weight, weight)
               ? plain_conv(tape, "conv2d", 4, x, weight, NULL, opts)
               : NULL;
}

mr_tensor *mr_conv1d(mr_tape *tape, mr_tensor *x, mr_tensor *weight, mr_tensor *bias,
                     const mr_conv_opts *opts)
{
    if (!mr__ready_layer(tape, "conv1d", x, weight, bias))
        return NULL;
    return plain_conv(tape, "conv1d", 3, x, weight, bias, opts);
}

mr_tensor *mr_conv1d_no_bias(mr_tape *tape, mr_tensor *x, mr_tensor *weight, const mr_conv_opts *opts)
{
    return mr__ready_layer(tape, "conv1d", x, weight, weight)
               ? plain_conv(tape, "conv1d", 3, x, weight, NULL, opts)
               : NULL;
}

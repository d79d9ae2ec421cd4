/* Transposed convolutions: forward is what backward of a convolution does to its input, and the other way round. In
 * mr__conv's words x is the result of a convolution of y. */
#include "conv.h"
#include "tape.h"

typedef struct transpose_node {
    mr__node node;
    mr__conv conv;
} transpose_node;

/* ---- backward ---- */

static void backward_f64(const mr__conv *c, double *dx, double *dw, double *dy, double *x, double *w,
                         bool add_x, bool add_w)
{
    if (dx && !add_x)
        memset(dx, 0, (size_t)(c->images * c->filters * c->out_h * c->out_w) * sizeof *dx);
    if (dx)
        mr__conv_visit(c, MR__CONV_FORWARD, dx, dy, w);
    if (dw && !add_w)
        memset(dw, 0,
               (size_t)(c->filters * (c->channels / c->groups) * c->kernel_h * c->kernel_w) * sizeof *dw);
    if (dw)
        mr__conv_visit(c, MR__CONV_TO_W, x, dy, dw);
}

static void transpose_backward(mr_tape *tape, mr__node *node)
{
    const mr__conv *c = &((const transpose_node *)node)->conv;
    mr_tensor *x = node->in[0], *w = node->in[1], *b = node->count > 2 ? node->in[2] : NULL;
    void *dy = mr__grad_of(node->out);
    bool f32 = x->dtype == MR_FLOAT32, add_x = false, add_w = false, add_b = false;
    void *scratch = f32 ? mr__work(tape, MR_FLOAT32, mr__conv_scratch(c)) : NULL;
    void *dw = mr__grad_target(tape, w, &add_w), *db = b ? mr__grad_target(tape, b, &add_b) : NULL;
    void *dx = mr__grad_target(tape, x, &add_x);
    if (tape->failed)
        return;
    int64_t pixels = c->height * c->width;
    if (db && f32)
        mr__channel_sums(db, dy, c->images, c->channels, pixels, add_b);
    else if (db)
        mr__conv_channel_sums(db, dy, c->images, c->channels, pixels, add_b);
    if (!f32) {
        backward_f64(c, dx, dw, dy, (double *)x->data, (double *)w->data, add_x, add_w);
        return;
    }
    if (dw)
        mr__conv_dw(c, dw, (const float *)x->data, dy, add_w, &mr__no_tail, NULL, scratch);
    if (dx)
        mr__conv_forward(c, dx, dy, (const float *)w->data, NULL, add_x, &mr__no_tail, scratch);
}

/* ---- the geometry ---- */

typedef struct side {
    int64_t size, kernel, stride, padding, dilation, spare, out;
} side;

static bool plan_side(mr_tape *tape, const mr_tensor *x, const mr_tensor *w, side *s)
{
    if (s->stride < 1 || s->dilation < 1 || s->padding < 0 || s->spare < 0 ||
        (s->spare >= s->stride && s->spare >= s->dilation)) {
        mr__fail(tape, MR_ERR_ARGUMENT,
                 "conv_transpose2d: stride %lld, padding %lld, dilation %lld, output padding %lld: one is "
                 "too small, or "
                 "the last not less than stride or dilation",
                 (long long)s->stride, (long long)s->padding, (long long)s->dilation, (long long)s->spare);
        return false;
    }
    int64_t apart, reach, twice;
    if (__builtin_mul_overflow(s->size - 1, s->stride, &apart) ||
        __builtin_mul_overflow(s->kernel - 1, s->dilation, &reach) ||
        __builtin_mul_overflow(s->padding, 2, &twice) || __builtin_add_overflow(apart, reach, &s->out) ||
        __builtin_add_overflow(s->out, s->spare + 1, &s->out) ||
        __builtin_sub_overflow(s->out, twice, &s->out)) {
        mr__fail(tape, MR_ERR_ARGUMENT, "conv_transpose2d: the sizes overflow");
        return false;
    }
    if (s->kernel < 1 || s->size < 1 || s->out < 1) {
        mr__fail(tape, MR_ERR_SHAPE, "conv_transpose2d: input %s and weight %s leave a result without pixels",
                 mr__tensor_text(x).text, mr__tensor_text(w).text);
        return false;
    }
    return true;
}

static bool check(mr_tape *tape, const mr_tensor *x, const mr_tensor *w, const mr_tensor *b, int64_t groups)
{
    static const char op[] = "conv_transpose2d";
    if (!mr__is_float(x->dtype) || w->dtype != x->dtype || (b && b->dtype != x->dtype))
        mr__fail(tape, MR_ERR_DTYPE, "%s: input %s is %s, weight %s %s, and all must be of one floating type",
                 op, mr__tensor_text(x).text, mr_dtype_name((mr_dtype)x->dtype), mr__tensor_text(w).text,
                 mr_dtype_name((mr_dtype)w->dtype));
    else if (w->ndim != 4 || (x->ndim != 4 && x->ndim != 3))
        mr__fail(tape, MR_ERR_SHAPE, "%s: input %s and weight %s: 4 or 3 dimensions go with 4", op,
                 mr__tensor_text(x).text, mr__tensor_text(w).text);
    else if (groups < 1 || x->shape[x->ndim - 3] % groups || x->shape[x->ndim - 3] != w->shape[0])
        mr__fail(tape, MR_ERR_SHAPE,
                 "%s: input %s has %lld channels, which in %lld groups do not fit weight %s", op,
                 mr__tensor_text(x).text, (long long)x->shape[x->ndim - 3], (long long)groups,
                 mr__tensor_text(w).text);
    else if (b && (b->ndim != 1 || b->shape[0] != w->shape[1] * groups))
        mr__fail(tape, MR_ERR_SHAPE, "%s: bias %s does not go with weight %s in %lld groups", op,
                 mr__tensor_text(b).text, mr__tensor_text(w).text, (long long)groups);
    else
        return true;
    return false;
}

static bool plan(mr_tape *tape, const mr_tensor *x, const mr_tensor *w, const mr_conv_opts *o, mr__conv *c)
{
    side h = { .size = x->shape[x->ndim - 2],
               .kernel = w->shape[2],
               .stride = mr__option_int(o->stride, 1),
               .padding = mr__option_int(o->padding, 0),
               .dilation = mr__option_int(o->dilation, 1),
               .spare = mr__option_int(o->output_padding, 0) };
    side v = { .size = x->shape[x->ndim - 1],
               .kernel = w->shape[3],
               .stride = mr__option_int(o->stride_w, h.stride),
               .padding = mr__option_int(o->padding_w, h.padding),
               .dilation = mr__option_int(o->dilation_w, h.dilation),
               .spare = mr__option_int(o->output_padding_w, h.spare) };
    if (o->same) {
        mr__fail(tape, MR_ERR_ARGUMENT, "conv_transpose2d: same is for convolutions");
        return false;
    }
    if (!plan_side(tape, x, w, &h) || !plan_side(tape, x, w, &v))
        return false;
    int64_t groups = mr__option_int(o->groups, 1);
    *c = (mr__conv){ .images = x->ndim == 4 ? x->shape[0] : 1,
                     .channels = w->shape[1] * groups,
                     .height = h.out,
                     .width = v.out,
                     .filters = w->shape[0],
                     .kernel_h = h.kernel,
                     .kernel_w = v.kernel,
                     .out_h = h.size,
                     .out_w = v.size,
                     .stride_h = h.stride,
                     .stride_w = v.stride,
                     .pad_top = h.padding,
                     .pad_left = v.padding,
                     .dilation_h = h.dilation,
                     .dilation_w = v.dilation,
                     .groups = groups };
    return true;
}

/* ---- forward ---- */

#define DEFINE_ADD_BIAS(name, type)                                                            \
    static void name(type *y, const type *b, int64_t images, int64_t channels, int64_t pixels) \
    {                                                                                          \
        for (int64_t i = 0; i < images * channels; i++)                                        \
            for (int64_t p = 0; p < pixels; p++)                                               \
                y[i * pixels + p] += b[i % channels];                                          \
    }
DEFINE_ADD_BIAS(add_bias_f32, float)
DEFINE_ADD_BIAS(add_bias_f64, double)

static bool computed(mr_tape *tape, const mr__conv *c, mr_tensor *y, const mr_tensor *x, const mr_tensor *w,
                     const mr_tensor *b)
{
    int64_t pixels = c->height * c->width;
    if (x->dtype == MR_FLOAT64) {
        memset(y->data, 0, (size_t)y->numel * sizeof(double));
        mr__conv_visit(c, MR__CONV_TO_X, (double *)x->data, (double *)y->data, (double *)w->data);
        if (b)
            add_bias_f64((double *)y->data, (double *)b->data, c->images, c->channels, pixels);
        return true;
    }
    float *scratch = mr__work(tape, MR_FLOAT32, mr__conv_scratch(c));
    if (!scratch)
        return false;
    mr__conv_dx(c, (float *)y->data, (float *)x->data, (float *)w->data, false, &mr__no_tail, scratch);
    if (b)
        add_bias_f32((float *)y->data, (float *)b->data, c->images, c->channels, pixels);
    return true;
}

static mr_tensor *transpose(mr_tape *tape, mr_tensor *x, mr_tensor *w, mr_tensor *b, const mr_conv_opts *opts)
{
    static const mr_conv_opts defaults = { 0 };
    mr__conv c;
    opts = opts ? opts : &defaults;
    if (!check(tape, x, w, b, mr__option_int(opts->groups, 1)) || !plan(tape, x, w, opts, &c))
        return NULL;
    x = mr_contiguous(tape, x);
    w = mr_contiguous(tape, w);
    b = b ? mr_contiguous(tape, b) : NULL;
    if (tape->failed)
        return NULL;
    mr_shape shape = MR_SHAPE(c.images, c.channels, c.height, c.width);
    if (x->ndim == 3)
        shape = MR_SHAPE(c.channels, c.height, c.width);
    if (mr__numel("conv_transpose2d", &shape, (mr_dtype)x->dtype) < 0)
        return mr__stop(tape);
    mr_tensor *y = mr__result(tape, (mr_dtype)x->dtype, shape.ndim, shape.dim);
    if (!y || !computed(tape, &c, y, x, w, b))
        return NULL;
    if (!mr__tracks(tape, x) && !mr__tracks(tape, w) && !(b && mr__tracks(tape, b)))
        return y;
    transpose_node *node = mr__record(tape, sizeof *node, "conv_transpose2d", y, transpose_backward);
    if (!node)
        return NULL;
    mr__add_input(&node->node, x, w->grad != NULL);
    mr__add_input(&node->node, w, x->grad != NULL);
    if (b)
        mr__add_input(&node->node, b, false);
    node->conv = c;
    return y;
}

mr_tensor *mr_conv_transpose2d(mr_tape *tape, mr_tensor *x, mr_tensor *weight, mr_tensor *bias,
                               const mr_conv_opts *opts)
{
    if (!mr__ready_layer(tape, "conv_transpose2d", x, weight, bias))
        return NULL;
    return transpose(tape, x, weight, bias, opts);
}

mr_tensor *mr_conv_transpose2d_no_bias(mr_tape *tape, mr_tensor *x, mr_tensor *weight,
                                       const mr_conv_opts *opts)
{
    return mr__ready_layer(tape, "conv_transpose2d", x, weight, weight)
               ? transpose(tape, x, weight, NULL, opts)
               : NULL;
}

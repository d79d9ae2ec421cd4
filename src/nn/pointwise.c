/* Losses that are computed element by element, reduced in the same pass. */
#include "nn/losses.h"

/* Terms and derivatives are made for so many elements at a time, and reduced while they are in the cache. */
enum { BLOCK = 1024 };

typedef union block {
    float f32[BLOCK];
    double f64[BLOCK];
} block;

typedef struct pointwise_node {
    mr__node node;
    mr__loss_kind kind;
    double parameter, divisor;
    bool reduced, weighted; /* weighted: the third input multiplies each term */
} pointwise_node;

static const void *from(const mr_tensor *x, int64_t i)
{
    return x ? x->data + (size_t)i * (x->dtype == MR_FLOAT32 ? sizeof(float) : sizeof(double)) : NULL;
}

static void multiply(mr_dtype dtype, void *out, const void *by, int64_t n)
{
    if (dtype == MR_FLOAT32)
        mr__k->mul(out, out, by, n);
    else
        for (int64_t i = 0; i < n; i++)
            ((double *)out)[i] *= ((const double *)by)[i];
}

/* Elements i to i + n of the terms. */
static void terms(const pointwise_node *s, void *out, const mr_tensor *a, const mr_tensor *b,
                  const mr_tensor *c, int64_t i, int64_t n)
{
    if (a->dtype == MR_FLOAT32)
        mr__k->loss_terms(s->kind, out, from(a, i), from(b, i), from(c, i), (float)s->parameter, n);
    else
        mr__loss_terms_f64(s->kind, out, from(a, i), from(b, i), from(c, i), s->parameter, n);
    if (s->weighted)
        multiply((mr_dtype)a->dtype, out, from(c, i), n);
}

static double sum_of(mr_dtype dtype, const block *x, int64_t n)
{
    if (dtype == MR_FLOAT32)
        return (double)mr__k->sum(x->f32, n);
    double sums[4] = { 0, 0, 0, 0 };
    for (int64_t i = 0; i < n; i++)
        sums[i & 3] += x->f64[i];
    return (sums[0] + sums[1]) + (sums[2] + sums[3]);
}

static double sum_of_terms(const pointwise_node *s, const mr_tensor *a, const mr_tensor *b,
                           const mr_tensor *c)
{
    block some;
    double sum = 0;
    for (int64_t i = 0; i < a->numel; i += BLOCK) {
        int64_t n = a->numel - i < BLOCK ? a->numel - i : BLOCK;
        terms(s, &some, a, b, c, i, n);
        sum += sum_of((mr_dtype)a->dtype, &some, n);
    }
    return sum;
}

/* ---- backward ---- */

/* dx = g times x, or dy times x */
static void put_f64(double *dx, const double *x, const double *dy, double g, int64_t n, bool add)
{
    for (int64_t i = 0; i < n; i++) {
        const double d = x[i] * (dy ? dy[i] : g);
        dx[i] = add ? dx[i] + d : d;
    }
}

static void gradient(mr_tape *tape, const pointwise_node *s, bool of_b)
{
    const mr__node *node = &s->node;
    const mr_tensor *a = node->in[0], *b = node->in[1], *c = node->count > 2 ? node->in[2] : NULL;
    const void *dy = mr__grad_of(node->out);
    bool f32 = a->dtype == MR_FLOAT32, add = false;
    char *dx = mr__grad_target(tape, node->in[of_b], &add);
    if (!dx)
        return;
    double g = 0;
    if (s->reduced)
        g = f32 ? (double)(*(const float *)dy / (float)s->divisor) : *(const double *)dy / s->divisor;
    block some;
    for (int64_t i = 0; i < a->numel; i += BLOCK) {
        int64_t n = a->numel - i < BLOCK ? a->numel - i : BLOCK;
        if (f32)
            mr__k->loss_slopes(s->kind, of_b, some.f32, from(a, i), from(b, i), from(c, i),
                               (float)s->parameter, n);
        else
            mr__loss_slopes_f64(s->kind, of_b, some.f64, from(a, i), from(b, i), from(c, i), s->parameter, n);
        if (s->weighted)
            multiply((mr_dtype)a->dtype, &some, from(c, i), n);
        if (!f32)
            put_f64((double *)dx + i, some.f64, s->reduced ? NULL : (const double *)dy + i, g, n, add);
        else if (s->reduced)
            mr__k->scale((float *)dx + i, some.f32, (float)g, n, add);
        else
            mr__k->mul_backward((float *)dx + i, some.f32, (const float *)dy + i, n, add);
    }
}

static void pointwise_backward(mr_tape *tape, mr__node *node)
{
    gradient(tape, (const pointwise_node *)node, false);
    gradient(tape, (const pointwise_node *)node, true);
}

/* ---- forward ---- */

static double divisor_of(const mr__pointwise *loss, const mr_tensor *a)
{
    return loss->reduction == MR_REDUCE_MEAN        ? (double)a->numel
           : loss->reduction == MR_REDUCE_BATCHMEAN ? loss->batch
                                                    : 1;
}

mr_tensor *mr__pointwise_loss(mr_tape *tape, const mr__pointwise *loss, mr_tensor *a, mr_tensor *b,
                              mr_tensor *c)
{
    if (!mr__loss_operands(tape, &a, &b))
        return NULL;
    bool reduced = loss->reduction != MR_REDUCE_NONE;
    mr_dtype dtype = (mr_dtype)a->dtype;
    mr_tensor *y = reduced ? mr__result(tape, dtype, 0, NULL) : mr__result_like(tape, dtype, a);
    if (!y)
        return NULL;
    pointwise_node s = { .kind = loss->kind,
                         .parameter = loss->parameter,
                         .divisor = divisor_of(loss, a),
                         .reduced = reduced,
                         .weighted = c && loss->kind != MR__LOSS_BCE_LOGITS_POS };
    if (!reduced)
        terms(&s, y->data, a, b, c, 0, a->numel);
    else if (dtype == MR_FLOAT32)
        *(float *)y->data = (float)sum_of_terms(&s, a, b, c) / (float)s.divisor;
    else
        *(double *)y->data = sum_of_terms(&s, a, b, c) / s.divisor;
    if (!mr__tracks(tape, a) && !mr__tracks(tape, b))
        return y;
    pointwise_node *node = mr__record(tape, sizeof *node, loss->name, y, pointwise_backward);
    if (!node)
        return NULL;
    mr__add_input(&node->node, a, true);
    mr__add_input(&node->node, b, true);
    if (c)
        mr__add_input(&node->node, c, true);
    node->kind = s.kind;
    node->parameter = s.parameter;
    node->divisor = s.divisor;
    node->reduced = s.reduced;
    node->weighted = s.weighted;
    return y;
}

/* The product of a linear layer: y = x w^T + b. */
#include "tape.h"

#include "kernels/kernels.h"
#include "kernels/parallel.h"
#include "kernels/products.h"

/* rows = all of x's dimensions but the last */
typedef struct linear_sizes {
    int64_t m, k, n;
} linear_sizes;

static linear_sizes sizes_of(const mr_tensor *x, const mr_tensor *w)
{
    linear_sizes s = { .m = 1, .k = w->shape[1], .n = w->shape[0] };
    for (int i = 0; i + 1 < x->ndim; i++)
        s.m *= x->shape[i];
    return s;
}

/* ---- float64 ---- */

static void linear_f64(double *y, const double *x, const double *w, const double *b, linear_sizes s)
{
    for (int64_t i = 0; i < s.m; i++)
        for (int64_t j = 0; j < s.n; j++) {
            double sum = 0;
            for (int64_t l = 0; l < s.k; l++)
                sum += x[i * s.k + l] * w[j * s.k + l];
            y[i * s.n + j] = b ? sum + b[j] : sum;
        }
}

static void linear_dx_f64(double *dx, const double *dy, const double *w, linear_sizes s, bool add)
{
    if (!add)
        memset(dx, 0, (size_t)(s.m * s.k) * sizeof *dx);
    for (int64_t i = 0; i < s.m; i++)
        for (int64_t j = 0; j < s.n; j++)
            for (int64_t l = 0; l < s.k; l++)
                dx[i * s.k + l] += dy[i * s.n + j] * w[j * s.k + l];
}

static void linear_dw_f64(double *dw, const double *dy, const double *x, linear_sizes s, bool add)
{
    if (!add)
        memset(dw, 0, (size_t)(s.n * s.k) * sizeof *dw);
    for (int64_t i = 0; i < s.m; i++)
        for (int64_t j = 0; j < s.n; j++)
            for (int64_t l = 0; l < s.k; l++)
                dw[j * s.k + l] += dy[i * s.n + j] * x[i * s.k + l];
}

#define DEFINE_COLUMN_SUMS(name, type)                                   \
    static void name(type *db, const type *dy, linear_sizes s, bool add) \
    {                                                                    \
        if (!add)                                                        \
            memset(db, 0, (size_t)s.n * sizeof *db);                     \
        for (int64_t i = 0; i < s.m; i++)                                \
            for (int64_t j = 0; j < s.n; j++)                            \
                db[j] += dy[i * s.n + j];                                \
    }
DEFINE_COLUMN_SUMS(column_sums_f32, float)
DEFINE_COLUMN_SUMS(column_sums_f64, double)

/* ---- backward ---- */

static void give_gradients(mr_tape *tape, mr__node *node, const void *dy)
{
    mr_tensor *x = node->in[0], *w = node->in[1], *b = node->count > 2 ? node->in[2] : NULL;
    linear_sizes s = sizes_of(x, w);
    bool f32 = w->dtype == MR_FLOAT32, add = false, add_b = false;
    void *dw = mr__grad_target(tape, w, &add);
    void *db = b ? mr__grad_target(tape, b, &add_b) : NULL;
    if (tape->failed)
        return;
    if (dw && f32)
        mr__linear_dw(dw, db, dy, (const float *)x->data, s.m, s.k, s.n, add, add_b);
    else if (dw)
        linear_dw_f64(dw, dy, (const double *)x->data, s, add);
    if (db && !f32)
        column_sums_f64(db, dy, s, add_b);
    else if (db && !dw) /* a frozen weight */
        column_sums_f32(db, dy, s, add_b);
    void *dx = mr__grad_target(tape, x, &add);
    if (dx && f32)
        mr__linear_dx(dx, dy, (const float *)w->data, s.m, s.k, s.n, add);
    else if (dx)
        linear_dx_f64(dx, dy, (const double *)w->data, s, add);
}

static void linear_backward(mr_tape *tape, mr__node *node)
{
    give_gradients(tape, node, mr__grad_of(node->out));
}

typedef struct mask_job {
    float *to;
    const float *dy, *y;
} mask_job;

static void mask_some(void *work, int64_t begin, int64_t end)
{
    const mask_job *j = work;
    mr__k->relu_backward(j->to + begin, j->dy + begin, j->y + begin, end - begin, false);
}

/* The gradient before the ReLU takes the place of the one behind it, which nobody else reads unless it is retained. */
static void linear_relu_backward(mr_tape *tape, mr__node *node)
{
    const mr_tensor *y = node->out;
    float *dy = mr__grad_of(node->out);
    mask_job j = { .to = y->grad->retain ? mr__work(tape, MR_FLOAT32, y->numel) : dy,
                   .dy = dy,
                   .y = (const float *)y->data };
    if (!j.to)
        return;
    mr__parallel(mask_some, &j, y->numel, MR__GRAIN_ELEMENTS, 16);
    give_gradients(tape, node, j.to);
}

/* ---- forward ---- */

static mr_tensor *wrong_shapes(mr_tape *tape, const mr_tensor *x, const mr_tensor *w, const mr_tensor *b)
{
    if (x->dtype != w->dtype || !mr__is_float(w->dtype) || (b && b->dtype != w->dtype))
        return mr__fail(tape, MR_ERR_DTYPE,
                        "linear: input %s is %s, weight %s %s, and all must be of one floating "
                        "type",
                        mr__tensor_text(x).text, mr_dtype_name((mr_dtype)x->dtype), mr__tensor_text(w).text,
                        mr_dtype_name((mr_dtype)w->dtype));
    if (w->ndim != 2)
        return mr__fail(tape, MR_ERR_SHAPE, "linear: weight %s is no matrix", mr__tensor_text(w).text);
    if (x->ndim == 0 || x->shape[x->ndim - 1] != w->shape[1])
        return mr__fail(tape, MR_ERR_SHAPE, "linear: the last size of input %s is not the last of weight %s",
                        mr__tensor_text(x).text, mr__tensor_text(w).text);
    return mr__fail(tape, MR_ERR_SHAPE, "linear: bias %s does not go with weight %s", mr__tensor_text(b).text,
                    mr__tensor_text(w).text);
}

static bool fits(const mr_tensor *x, const mr_tensor *w, const mr_tensor *b)
{
    return x->dtype == w->dtype && mr__is_float(w->dtype) && w->ndim == 2 && x->ndim > 0 &&
           x->shape[x->ndim - 1] == w->shape[1] &&
           (!b || (b->dtype == w->dtype && b->ndim == 1 && b->shape[0] == w->shape[0]));
}

enum { MOST_CHECKED = 1 << 30 }; /* elements of a result that need no closer look */

/* Whether a result as large as this can be counted; with a failure raised when not. */
static bool has_numel(const mr_tensor *x, const int64_t *shape)
{
    mr_shape s = { x->ndim, { 0 } };
    memcpy(s.dim, shape, (size_t)x->ndim * sizeof *shape);
    return mr__numel("linear", &s, (mr_dtype)x->dtype) >= 0;
}

static mr_tensor *linear(mr_tape *tape, mr_tensor *x, mr_tensor *w, mr_tensor *b, bool relu)
{
    if (MR__UNLIKELY(!fits(x, w, b)))
        return wrong_shapes(tape, x, w, b);
    if (MR__UNLIKELY(!x->contiguous || !w->contiguous || (b && !b->contiguous))) {
        x = mr_contiguous(tape, x);
        w = mr_contiguous(tape, w);
        b = b ? mr_contiguous(tape, b) : NULL;
        if (tape->failed)
            return NULL;
    }
    linear_sizes s = sizes_of(x, w);
    int64_t shape[MR_MAX_DIMS], numel;
    for (int i = 0; i + 1 < x->ndim; i++)
        shape[i] = x->shape[i];
    shape[x->ndim - 1] = s.n;
    if (MR__UNLIKELY(__builtin_mul_overflow(s.m, s.n, &numel) || numel > MOST_CHECKED || x->numel == 0) &&
        !has_numel(x, shape))
        return mr__stop(tape);
    mr_tensor *y = mr__result(tape, (mr_dtype)x->dtype, x->ndim, shape);
    if (!y)
        return NULL;
    if (MR__UNLIKELY(relu))
        mr__linear_relu((float *)y->data, (const float *)x->data, (const float *)w->data,
                        b ? (const float *)b->data : NULL, s.m, s.k, s.n);
    else if (x->dtype == MR_FLOAT32)
        mr__linear((float *)y->data, (const float *)x->data, (const float *)w->data,
                   b ? (const float *)b->data : NULL, s.m, s.k, s.n);
    else
        linear_f64((double *)y->data, (const double *)x->data, (const double *)w->data,
                   b ? (const double *)b->data : NULL, s);
    if (!mr__tracks(tape, x) && !mr__tracks(tape, w) && !(b && mr__tracks(tape, b)))
        return y;
    mr__node *node =
        mr__record(tape, sizeof *node, "linear", y, relu ? linear_relu_backward : linear_backward);
    if (!node)
        return NULL;
    mr__add_input(node, x, w->grad != NULL);
    mr__add_input(node, w, x->grad != NULL);
    if (b)
        mr__add_input(node, b, false);
    return y;
}

mr_tensor *mr_linear(mr_tape *tape, mr_tensor *x, mr_tensor *weight, mr_tensor *bias)
{
    return mr__ready_layer(tape, "linear", x, weight, bias) ? linear(tape, x, weight, bias, false) : NULL;
}

mr_tensor *mr_linear_no_bias(mr_tape *tape, mr_tensor *x, mr_tensor *weight)
{
    return mr__ready_layer(tape, "linear", x, weight, weight) ? linear(tape, x, weight, NULL, false) : NULL;
}

mr_tensor *mr__linear_then_relu(mr_tape *tape, mr_tensor *x, mr_tensor *weight, mr_tensor *bias)
{
    if (!mr__ready_layer(tape, "linear", x, weight, bias ? bias : weight))
        return NULL;
    if (weight->dtype == MR_FLOAT32)
        return linear(tape, x, weight, bias, true);
    return mr_relu(tape, linear(tape, x, weight, bias, false));
}

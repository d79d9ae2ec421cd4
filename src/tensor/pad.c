/*
 * Padding. Each padded dimension has a table of where its elements come from; the dimensions in front of them are planes
 * that are divided among threads.
 */
#include "iterate.h"
#include "tape.h"

#include "kernels/kernels.h"
#include "kernels/parallel.h"

#include <millrace/functions.h>

enum { MOST_PADDED = MR_MAX_DIMS / 2 };

/* One dimension: [lead, lead + middle) of the result are elements from `start` on; the others lie where `from` says, -1
 * for the constant. */
typedef struct side {
    int64_t size, out, lead, middle, start;
    const int64_t *from;
} side;

typedef struct geometry {
    int count; /* of padded dimensions */
    int64_t planes, plane_in, plane_out, rows_out;
    side side[MOST_PADDED]; /* the last one is the fastest */
    bool constant;
} geometry;

typedef struct pad_node {
    mr__node node;
    geometry p;
} pad_node;

typedef struct job {
    const geometry *p;
    size_t size;
    char *y, *x; /* or their gradients */
    char value[8];
    bool add;
} job;

/* Where row `row` of a result's plane comes from, in elements of x's plane; -1: it is constant. */
static int64_t source_row(const geometry *p, int64_t row)
{
    int64_t at = 0, stride = p->side[p->count - 1].size;
    for (int d = p->count - 2; d >= 0; d--) {
        const side *s = &p->side[d];
        int64_t from = s->from[row % s->out];
        if (from < 0)
            return -1;
        at += from * stride;
        stride *= s->size;
        row /= s->out;
    }
    return at;
}

static void put(char *y, const char *x, size_t size, int64_t n, int64_t step)
{
    for (int64_t i = 0; i < n; i++)
        memcpy(y + (size_t)i * size, x + (size_t)(i * step) * size, size);
}

/* Elements [begin, end) of a row. */
static void fill(const job *j, char *y, const char *x, int64_t begin, int64_t end)
{
    const side *last = &j->p->side[j->p->count - 1];
    for (int64_t i = begin; i < end; i++)
        put(y + (size_t)i * j->size, !x || last->from[i] < 0 ? j->value : x + (size_t)last->from[i] * j->size,
            j->size, 1, 0);
}

static void pad_rows(void *work, int64_t begin, int64_t end)
{
    const job *j = work;
    const geometry *p = j->p;
    const side *last = &p->side[p->count - 1];
    for (int64_t row = begin; row < end; row++) {
        char *y = j->y + (size_t)(row * last->out) * j->size;
        int64_t from = source_row(p, row % p->rows_out);
        if (from < 0) {
            fill(j, y, NULL, 0, last->out);
            continue;
        }
        const char *x = j->x + (size_t)(row / p->rows_out * p->plane_in + from) * j->size;
        fill(j, y, x, 0, last->lead);
        if (last->middle)
            memcpy(y + (size_t)last->lead * j->size, x + (size_t)last->start * j->size,
                   (size_t)last->middle * j->size);
        fill(j, y, x, last->lead + last->middle, last->out);
    }
}

/* ---- backward ---- */

#define DEFINE_COLLECT(name, type)                                    \
    /* Adds the gradient of a row to that of the row it came from. */ \
    static void name(const side *s, type *dx, const type *dy)         \
    {                                                                 \
        int64_t behind = s->lead + s->middle;                         \
        for (int64_t i = 0; i < s->lead; i++)                         \
            if (s->from[i] >= 0)                                      \
                dx[s->from[i]] += dy[i];                              \
        for (int64_t i = 0; i < s->middle; i++)                       \
            dx[s->start + i] += dy[s->lead + i];                      \
        for (int64_t i = behind; i < s->out; i++)                     \
            if (s->from[i] >= 0)                                      \
                dx[s->from[i]] += dy[i];                              \
    }
DEFINE_COLLECT(collect_f32, float)
DEFINE_COLLECT(collect_f64, double)

static void collect_planes(void *work, int64_t begin, int64_t end)
{
    const job *j = work;
    const geometry *p = j->p;
    const side *last = &p->side[p->count - 1];
    for (int64_t plane = begin; plane < end; plane++) {
        char *dx = j->x + (size_t)(plane * p->plane_in) * j->size;
        if (!j->add)
            memset(dx, 0, (size_t)p->plane_in * j->size);
        for (int64_t row = 0; row < p->rows_out; row++) {
            int64_t from = source_row(p, row), to = (plane * p->rows_out + row) * last->out;
            if (from < 0)
                continue;
            if (j->size == sizeof(float))
                collect_f32(last, (float *)(void *)dx + from, (const float *)(const void *)j->y + to);
            else
                collect_f64(last, (double *)(void *)dx + from, (const double *)(const void *)j->y + to);
        }
    }
}

static void backward(mr_tape *tape, mr__node *node)
{
    const pad_node *n = (const pad_node *)node;
    mr_tensor *x = node->in[0];
    job j = { .p = &n->p, .size = mr_dtype_size((mr_dtype)x->dtype), .y = mr__grad_of(node->out) };
    j.x = mr__grad_target(tape, x, &j.add);
    if (j.x)
        mr__parallel(collect_planes, &j, n->p.planes, MR__GRAIN_ELEMENTS / (n->p.plane_out + 1), 1);
}

/* ---- forward ---- */

static int64_t mirrored(int64_t i, int64_t size)
{
    i = i < 0 ? -i : i;
    return i < size ? i : 2 * (size - 1) - i;
}

static int64_t element(mr_pad_mode mode, int64_t i, int64_t size)
{
    if (i >= 0 && i < size)
        return i;
    switch (mode) {
    case MR_PAD_REFLECT:
        return mirrored(i, size);
    case MR_PAD_REPLICATE:
        return i < 0 ? 0 : size - 1;
    case MR_PAD_CIRCULAR:
        return i < 0 ? i + size : i - size;
    default:
        return -1;
    }
}

static bool make_side(mr_tape *tape, side *s, mr_pad_mode mode, int64_t size, int64_t before, int64_t behind)
{
    s->size = size;
    s->out = before + size + behind;
    s->lead = before > 0 ? before : 0;
    s->start = before < 0 ? -before : 0;
    s->middle = s->out - s->lead - (behind > 0 ? behind : 0);
    int64_t *from = mr_tape_memory(tape, mr__mul_size((size_t)s->out, sizeof *from));
    for (int64_t i = 0; from && i < s->out; i++)
        from[i] = element(mode, i - before, size);
    s->from = from;
    return from;
}

/* Whether a dimension can be padded so; if not, says why. */
static bool fits(mr_tape *tape, const mr_tensor *x, int dim, mr_pad_mode mode, int64_t before, int64_t behind)
{
    int64_t size = x->shape[dim], most = before > behind ? before : behind, out;
    if (__builtin_add_overflow(size, before, &out) || __builtin_add_overflow(out, behind, &out) || out < 0 ||
        size + (before < 0 ? before : 0) < 0 || size + (behind < 0 ? behind : 0) < 0)
        mr__fail(tape, MR_ERR_SHAPE, "pad: dimension %d of input %s cannot be padded with %lld and %lld", dim,
                 mr__tensor_text(x).text, (long long)before, (long long)behind);
    else if (mode != MR_PAD_CONSTANT && (before < 0 || behind < 0))
        mr__fail(tape, MR_ERR_ARGUMENT, "pad: only constant padding can be negative, not %lld and %lld",
                 (long long)before, (long long)behind);
    else if (mode == MR_PAD_REFLECT && most >= size)
        mr__fail(tape, MR_ERR_SHAPE, "pad: %lld elements cannot be reflected in dimension %d of input %s",
                 (long long)most, dim, mr__tensor_text(x).text);
    else if (mode == MR_PAD_CIRCULAR && most > size)
        mr__fail(tape, MR_ERR_SHAPE, "pad: %lld elements are not there in dimension %d of input %s",
                 (long long)most, dim, mr__tensor_text(x).text);
    else if (mode == MR_PAD_REPLICATE && size == 0)
        mr__fail(tape, MR_ERR_SHAPE, "pad: dimension %d of input %s has nothing to replicate", dim,
                 mr__tensor_text(x).text);
    else
        return true;
    return false;
}

static bool plan(mr_tape *tape, const mr_tensor *x, const mr_shape *pads, mr_pad_mode mode, geometry *p,
                 mr_shape *shape)
{
    p->count = pads->ndim / 2;
    p->constant = mode == MR_PAD_CONSTANT;
    p->planes = p->plane_in = p->plane_out = p->rows_out = 1;
    *shape = mr__shape_of(x);
    for (int d = 0; d < x->ndim - p->count; d++)
        p->planes *= x->shape[d];
    for (int i = 0; i < p->count; i++) {
        int dim = x->ndim - p->count + i;
        const int64_t *pad = &pads->dim[2 * (p->count - 1 - i)];
        if (!fits(tape, x, dim, mode, pad[0], pad[1]))
            return false;
        shape->dim[dim] += pad[0] + pad[1];
    }
    if (mr__numel("pad", shape, (mr_dtype)x->dtype) < 0)
        return mr__stop(tape);
    for (int i = 0; i < p->count; i++) {
        int dim = x->ndim - p->count + i;
        const int64_t *pad = &pads->dim[2 * (p->count - 1 - i)];
        if (!make_side(tape, &p->side[i], mode, x->shape[dim], pad[0], pad[1]))
            return false;
        p->plane_in *= p->side[i].size;
        p->plane_out *= p->side[i].out;
        if (i < p->count - 1)
            p->rows_out *= p->side[i].out;
    }
    return true;
}

static mr_tensor *pad(mr_tape *tape, mr_tensor *x, const mr_shape *pads, const mr_pad_opts *opts)
{
    pad_node made = { 0 }, *n;
    mr_shape shape;
    if (!plan(tape, x, pads, opts->mode, &made.p, &shape))
        return NULL;
    x = mr_contiguous(tape, x);
    mr_tensor *y = x ? mr__result(tape, (mr_dtype)x->dtype, shape.ndim, shape.dim) : NULL;
    if (!y)
        return NULL;
    job j = { .p = &made.p, .size = mr_dtype_size((mr_dtype)x->dtype), .y = y->data, .x = x->data };
    mr__cast_elements((mr_dtype)x->dtype, j.value, MR_FLOAT64, &opts->value, 1, 1);
    int64_t width = made.p.side[made.p.count - 1].out;
    mr__parallel(pad_rows, &j, y->numel ? made.p.planes * made.p.rows_out : 0,
                 MR__GRAIN_ELEMENTS / (width + 1), 1);
    if (!mr__tracks(tape, x))
        return y;
    n = mr__record(tape, sizeof *n, "pad", y, backward);
    if (!n)
        return NULL;
    mr__add_input(&n->node, x, false);
    n->p = made.p;
    return y;
}

mr_tensor *mr_pad(mr_tape *tape, mr_tensor *x, mr_shape padding, const mr_pad_opts *opts)
{
    static const mr_pad_opts defaults = { 0 };
    opts = opts ? opts : &defaults;
    if (!mr__ready1(tape, "pad", x))
        return NULL;
    if (padding.ndim < 0 || padding.ndim > MR_MAX_DIMS || padding.ndim % 2 || padding.ndim / 2 > x->ndim)
        return mr__fail(tape, MR_ERR_SHAPE,
                        "pad: padding %s is not of pairs, one at most for a dimension of input %s",
                        mr__shape_text(&padding).text, mr__tensor_text(x).text);
    if (opts->mode < MR_PAD_CONSTANT || opts->mode > MR_PAD_CIRCULAR)
        return mr__fail(tape, MR_ERR_ARGUMENT, "pad: %d is no mode", (int)opts->mode);
    if (!mr__check_computes(tape, "pad", x))
        return NULL;
    return padding.ndim ? pad(tape, x, &padding, opts) : mr_clone(tape, x);
}

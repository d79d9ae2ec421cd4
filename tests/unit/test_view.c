/* Views: their elements, strides and gradients, alone and in random chains, and what they refuse. */
#include "check.h"

#include "tensor/tape.h"

static mr_rng *rng;
static mr_tape *tape;

static mr_tensor *numbered(mr_shape shape) /* 0, 1, 2, … in float64, with a gradient */
{
    mr_tensor *x = mr_tensor_zeros(MR_FLOAT64, shape);
    for (int64_t i = 0; i < mr_tensor_numel(x); i++)
        ((double *)mr_tensor_data(x))[i] = (double)i;
    CHECK(mr_tensor_set_requires_grad(x, true) == MR_OK);
    return x;
}

static bool has_shape(const mr_tensor *x, mr_shape shape)
{
    if (!x || x->ndim != shape.ndim)
        return false;
    for (int d = 0; d < shape.ndim; d++)
        if (x->shape[d] != shape.dim[d])
            return false;
    return true;
}

/* Whether x has the shape and these elements. */
static bool is(const mr_tensor *x, mr_shape shape, const double *elements)
{
    double values[64];
    if (!has_shape(x, shape) || mr_copy_out(x, MR_FLOAT64, values, x->numel) != MR_OK)
        return false;
    return memcmp(values, elements, (size_t)x->numel * sizeof *values) == 0;
}
#define VALUES(...)  \
    (const double[]) \
    {                \
        __VA_ARGS__  \
    }

/* The tape's failure must be this; starts the next case. */
#define FAILS(call, text)                \
    do {                                 \
        CHECK((call) == NULL);           \
        CHECK(mr_tape_status(tape) < 0); \
        CHECK_EQ_STR(mr_error(), text);  \
        mr_tape_reset(tape);             \
    } while (0)

/* ---- each of them ---- */

static void test_shapes(void)
{
    mr_tensor *x = numbered(MR_SHAPE(1, 3, 1, 2)), *s = numbered(MR_SCALAR);
    CHECK(has_shape(mr_squeeze(tape, x, 0), MR_SHAPE(3, 1, 2)));
    CHECK(has_shape(mr_squeeze(tape, x, -2), MR_SHAPE(1, 3, 2)));
    CHECK(has_shape(mr_squeeze(tape, x, 1), MR_SHAPE(1, 3, 1, 2)));
    CHECK(has_shape(mr_squeeze_all(tape, x), MR_SHAPE(3, 2)));
    CHECK(has_shape(mr_squeeze(tape, s, -1), MR_SCALAR));
    CHECK(has_shape(mr_unsqueeze(tape, x, 0), MR_SHAPE(1, 1, 3, 1, 2)));
    CHECK(has_shape(mr_unsqueeze(tape, x, -1), MR_SHAPE(1, 3, 1, 2, 1)));
    CHECK(has_shape(mr_unsqueeze(tape, s, 0), MR_SHAPE(1)));
    CHECK(has_shape(mr_view(tape, x, MR_SHAPE(2, -1)), MR_SHAPE(2, 3)));
    CHECK(has_shape(mr_view(tape, s, MR_SHAPE(1, -1, 1)), MR_SHAPE(1, 1, 1)));
    CHECK(has_shape(mr_reshape(tape, x, MR_SHAPE(6)), MR_SHAPE(6)));
    CHECK(has_shape(mr_flatten(tape, x, 0, -1), MR_SHAPE(6)));
    CHECK(has_shape(mr_flatten(tape, x, 1, 2), MR_SHAPE(1, 3, 2)));
    CHECK(has_shape(mr_flatten(tape, x, 1, 1), MR_SHAPE(1, 3, 1, 2)));
    CHECK(has_shape(mr_flatten(tape, s, 0, -1), MR_SHAPE(1)));
    CHECK(has_shape(mr_detach(tape, x), MR_SHAPE(1, 3, 1, 2)));
    CHECK(mr_tensor_data(mr_view(tape, x, MR_SHAPE(6))) == mr_tensor_data(x));
    CHECK(mr_tape_status(tape) == MR_OK);
    mr_tape_reset(tape);
    mr_tensor_free(s);
    mr_tensor_free(x);
}

static void test_elements(void)
{
    mr_tensor *x = numbered(MR_SHAPE(2, 3)), *s = numbered(MR_SCALAR);
    CHECK(is(mr_transpose(tape, x, 0, -1), MR_SHAPE(3, 2), VALUES(0, 3, 1, 4, 2, 5)));
    CHECK(is(mr_transpose(tape, s, 0, -1), MR_SCALAR, VALUES(0)));
    CHECK(is(mr_permute(tape, x, MR_DIMS(-1, 0)), MR_SHAPE(3, 2), VALUES(0, 3, 1, 4, 2, 5)));
    CHECK(is(mr_permute(tape, s, MR_ALL), MR_SCALAR, VALUES(0)));
    CHECK(is(mr_slice(tape, x, 1, 0, MR_TO_END, 2), MR_SHAPE(2, 2), VALUES(0, 2, 3, 5)));
    CHECK(is(mr_slice(tape, x, 1, -2, -1, 1), MR_SHAPE(2, 1), VALUES(1, 4)));
    CHECK(is(mr_slice(tape, x, -2, 1, 100, 1), MR_SHAPE(1, 3), VALUES(3, 4, 5)));
    CHECK(is(mr_slice(tape, x, 1, -100, 2, 1), MR_SHAPE(2, 2), VALUES(0, 1, 3, 4)));
    CHECK(is(mr_slice(tape, x, 1, 1, MR_TO_END, INT64_MAX), MR_SHAPE(2, 1), VALUES(1, 4)));
    CHECK(is(mr_slice(tape, x, 1, INT64_MIN, INT64_MIN, 1), MR_SHAPE(2, 0), VALUES(0)));
    CHECK(is(mr_slice(tape, x, 1, 2, 1, 1), MR_SHAPE(2, 0), VALUES(0)));
    CHECK(is(mr_select(tape, x, 0, 1), MR_SHAPE(3), VALUES(3, 4, 5)));
    CHECK(is(mr_select(tape, x, -1, -3), MR_SHAPE(2), VALUES(0, 3)));
    CHECK(is(mr_select(tape, mr_select(tape, x, 0, 1), 0, 1), MR_SCALAR, VALUES(4)));
    CHECK(is(mr_expand(tape, mr_slice(tape, x, 1, 1, 2, 1), MR_SHAPE(2, -1, 2)), MR_SHAPE(2, 2, 2),
             VALUES(1, 1, 4, 4, 1, 1, 4, 4)));
    CHECK(is(mr_expand(tape, s, MR_SHAPE(3)), MR_SHAPE(3), VALUES(0, 0, 0)));
    CHECK(is(mr_expand(tape, s, MR_SCALAR), MR_SCALAR, VALUES(0)));
    CHECK(is(mr_view(tape, x, MR_SHAPE(3, 2)), MR_SHAPE(3, 2), VALUES(0, 1, 2, 3, 4, 5)));
    CHECK(is(mr_reshape(tape, mr_transpose(tape, x, 0, 1), MR_SHAPE(2, 3)), MR_SHAPE(2, 3),
             VALUES(0, 3, 1, 4, 2, 5)));
    CHECK(is(mr_flatten(tape, mr_transpose(tape, x, 0, 1), 0, 1), MR_SHAPE(6), VALUES(0, 3, 1, 4, 2, 5)));
    CHECK(mr_tape_status(tape) == MR_OK);
    mr_tape_reset(tape);
    mr_tensor_free(s);
    mr_tensor_free(x);
}

static void test_contiguous(void)
{
    mr_tensor *x = numbered(MR_SHAPE(4, 1, 3));
    CHECK(!mr_tensor_is_contiguous(mr_transpose(tape, x, 0, 2)));
    CHECK(mr_tensor_is_contiguous(mr_transpose(tape, x, 0, 1))); /* only a size of 1 has moved */
    CHECK(mr_tensor_is_contiguous(mr_slice(tape, x, 0, 1, 3, 1)));
    CHECK(!mr_tensor_is_contiguous(mr_slice(tape, x, 0, 0, 4, 2)));
    CHECK(mr_tensor_is_contiguous(mr_slice(tape, x, 0, 0, 2, 2))); /* of one row */
    CHECK(!mr_tensor_is_contiguous(mr_slice(tape, x, 2, 0, 2, 1)));
    CHECK(mr_tensor_is_contiguous(mr_slice(tape, x, 2, 3, 3, 1))); /* empty */
    CHECK(mr_tensor_is_contiguous(mr_select(tape, x, 0, 1)));
    CHECK(!mr_tensor_is_contiguous(mr_select(tape, x, 2, 1)));
    CHECK(!mr_tensor_is_contiguous(mr_expand(tape, x, MR_SHAPE(4, 2, 3))));
    mr_tensor *t = mr_transpose(tape, x, 0, 2);
    CHECK(!mr_tensor_is_contiguous(mr_squeeze(tape, t, 1)));
    CHECK(!mr_tensor_is_contiguous(mr_detach(tape, t)));
    CHECK_EQ_I64(mr_tensor_stride(mr_detach(tape, t), 0), 1);
    CHECK_EQ_I64(mr_tensor_stride(mr_unsqueeze(tape, t, 1), 0), 1);
    CHECK_EQ_I64(mr_tensor_stride(mr_unsqueeze(tape, x, 1), 1), 3);
    CHECK(mr_tape_status(tape) == MR_OK);
    mr_tape_reset(tape);
    mr_tensor_free(x);
}

static void test_empty(void)
{
    mr_tensor *x = numbered(MR_SHAPE(2, 0, 3)), *gradient = mr_tensor_zeros(MR_FLOAT64, MR_SHAPE(3, 0));
    CHECK(has_shape(mr_view(tape, x, MR_SHAPE(0, 7)), MR_SHAPE(0, 7)));
    CHECK(has_shape(mr_view(tape, x, MR_SHAPE(-1, 3)), MR_SHAPE(0, 3)));
    CHECK(has_shape(mr_reshape(tape, mr_transpose(tape, x, 0, 2), MR_SHAPE(0)), MR_SHAPE(0)));
    CHECK(has_shape(mr_flatten(tape, x, 0, 1), MR_SHAPE(0, 3)));
    CHECK(has_shape(mr_flatten(tape, x, 1, 2), MR_SHAPE(2, 0)));
    CHECK(has_shape(mr_permute(tape, x, MR_DIMS(2, 1, 0)), MR_SHAPE(3, 0, 2)));
    CHECK(has_shape(mr_slice(tape, x, 1, 0, 5, 3), MR_SHAPE(2, 0, 3)));
    CHECK(has_shape(mr_expand(tape, mr_unsqueeze(tape, x, 0), MR_SHAPE(4, 2, 0, 3)), MR_SHAPE(4, 2, 0, 3)));
    mr_tensor *y = mr_transpose(tape, mr_select(tape, x, 0, 1), 0, 1);
    CHECK(mr_tape_status(tape) == MR_OK);
    CHECK(mr_backward_from(tape, y, gradient) == MR_OK);
    CHECK(mr_tape_status(tape) == MR_OK);
    CHECK(mr_tensor_has_grad(x) && has_shape(mr_tensor_grad(x), MR_SHAPE(2, 0, 3)));
    mr_tape_reset(tape);

    /* Nothing of something: the whole gradient is zero. */
    mr_tensor *z = numbered(MR_SHAPE(3)), *nothing = mr_tensor_zeros(MR_FLOAT64, MR_SHAPE(0));
    y = mr_slice(tape, z, 0, 1, 1, 1);
    CHECK(mr_backward_from(tape, y, nothing) == MR_OK);
    CHECK(is(mr_tensor_grad(z), MR_SHAPE(3), VALUES(0, 0, 0)));
    y = mr_expand(tape, mr_unsqueeze(tape, z, 0), MR_SHAPE(0, 3));
    mr_tape_reset(tape);
    mr_tensor_free(nothing);
    mr_tensor_free(z);
    mr_tensor_free(gradient);
    mr_tensor_free(x);
}

/* ---- gradients ---- */

static void test_gradients(void)
{
    mr_tensor *x = numbered(MR_SHAPE(2, 3)),
              *g = mr_tensor_from(MR_FLOAT64, MR_SHAPE(2, 2), VALUES(1, 2, 3, 4));
    /* Two columns, swapped, seen through views that share x's gradient. */
    mr_tensor *y = mr_slice(tape, mr_view(tape, mr_unsqueeze(tape, x, 0), MR_SHAPE(2, 3)), 1, 1, 3, 1);
    CHECK(mr_backward_from(tape, mr_transpose(tape, y, 0, 1), g) == MR_OK);
    CHECK(is(mr_tensor_grad(x), MR_SHAPE(2, 3), VALUES(0, 1, 3, 0, 2, 4)));
    mr_tape_reset(tape);

    /* Backward adds to what is there. */
    y = mr_expand(tape, mr_slice(tape, x, 1, 0, 1, 1), MR_SHAPE(2, 2));
    CHECK(mr_backward_from(tape, y, g) == MR_OK);
    CHECK(is(mr_tensor_grad(x), MR_SHAPE(2, 3), VALUES(3, 1, 3, 7, 2, 4)));
    mr_tape_reset(tape);

    /* The view of a leaf is the end of a chain, too: its gradient is the leaf's. */
    mr_tensor_zero_grad(x);
    y = mr_slice(tape, x, 1, 0, 2, 1);
    CHECK(mr_tensor_requires_grad(y));
    CHECK(mr_tensor_retain_grad(y) == MR_OK);
    CHECK(mr_backward_from(tape, mr_transpose(tape, y, 0, 1), g) == MR_OK);
    CHECK(is(mr_tensor_grad(y), MR_SHAPE(2, 2), VALUES(1, 3, 2, 4)));
    CHECK(is(mr_tensor_grad(x), MR_SHAPE(2, 3), VALUES(1, 3, 0, 2, 4, 0)));
    mr_tape_reset(tape);

    CHECK(!mr_tensor_requires_grad(mr_detach(tape, x)));
    bool was = mr_tape_set_grad(tape, false);
    CHECK(!mr_tensor_requires_grad(mr_transpose(tape, x, 0, 1)));
    CHECK(!mr_tensor_requires_grad(mr_view(tape, x, MR_SHAPE(6))));
    mr_tape_set_grad(tape, was);
    mr_tape_reset(tape);
    mr_tensor_free(g);
    mr_tensor_free(x);
}

static void test_float32_gradient(void)
{
    float values[] = { 1, 2, 3, 4, 5, 6 }, gradient[6];
    mr_tensor *x = mr_tensor_from(MR_FLOAT32, MR_SHAPE(2, 3), values);
    mr_tensor *g = mr_tensor_from(MR_FLOAT32, MR_SHAPE(3, 2), values);
    CHECK(mr_tensor_set_requires_grad(x, true) == MR_OK);
    CHECK(mr_backward_from(tape, mr_transpose(tape, x, 0, 1), g) == MR_OK);
    CHECK(mr_copy_out(mr_tensor_grad(x), MR_FLOAT32, gradient, 6) == MR_OK);
    CHECK(gradient[0] == 1 && gradient[1] == 3 && gradient[2] == 5 && gradient[3] == 2 && gradient[5] == 6);
    mr_tape_reset(tape);
    mr_tensor_free(g);
    mr_tensor_free(x);
}

/* ---- random chains, against a list of where each element comes from ---- */

enum { MOST = 4096 };

typedef struct model {
    mr_shape shape;
    int64_t count, from[MOST];
} model;

static int64_t draw(int64_t n) /* 0 … n - 1 */
{
    return (int64_t)(mr_rng_u32(rng) % (uint32_t)n);
}

static int64_t product(const mr_shape *s)
{
    int64_t n = 1;
    for (int d = 0; d < s->ndim; d++)
        n *= s->dim[d];
    return n;
}

/* The model with the shape `shape`, whose element at an index comes from base + index * step of m. */
static void remap(model *m, mr_shape shape, int64_t base, const int64_t *step)
{
    static int64_t from[MOST];
    int64_t index[MR_MAX_DIMS] = { 0 };
    m->count = product(&shape);
    for (int64_t i = 0; i < m->count; i++) {
        int64_t at = base;
        for (int d = 0; d < shape.ndim; d++)
            at += index[d] * step[d];
        from[i] = m->from[at];
        for (int d = shape.ndim - 1; d >= 0 && ++index[d] == shape.dim[d]; d--)
            index[d] = 0;
    }
    memcpy(m->from, from, sizeof from);
    m->shape = shape;
}

static void steps_of(const mr_shape *s, int64_t *step)
{
    int64_t n = 1;
    for (int d = s->ndim - 1; d >= 0; d--) {
        step[d] = n;
        n *= s->dim[d];
    }
}

static mr_shape random_shape(int64_t count)
{
    mr_shape s = { .ndim = 0 };
    while (count > 1 && s.ndim < 4) {
        int64_t f = 1 + draw(4);
        if (count % f == 0) {
            s.dim[s.ndim++] = f;
            count /= f;
        }
    }
    s.dim[s.ndim++] = count;
    return s;
}

/* Whether equal steps lead through x's elements in the order of another shape. */
static bool can_view(const mr_tensor *x, const mr_shape *shape)
{
    static int64_t offset[MOST];
    int64_t index[MR_MAX_DIMS] = { 0 }, step[MR_MAX_DIMS], dense[MR_MAX_DIMS];
    for (int64_t i = 0; i < x->numel; i++) {
        offset[i] = 0;
        for (int d = 0; d < x->ndim; d++)
            offset[i] += index[d] * x->stride[d];
        for (int d = x->ndim - 1; d >= 0 && ++index[d] == x->shape[d]; d--)
            index[d] = 0;
    }
    steps_of(shape, dense);
    for (int d = 0; d < shape->ndim; d++)
        step[d] = shape->dim[d] > 1 ? offset[dense[d]] - offset[0] : 0;
    memset(index, 0, sizeof index);
    for (int64_t i = 0; i < x->numel; i++) {
        int64_t at = offset[0];
        for (int d = 0; d < shape->ndim; d++)
            at += index[d] * step[d];
        if (at != offset[i])
            return false;
        for (int d = shape->ndim - 1; d >= 0 && ++index[d] == shape->dim[d]; d--)
            index[d] = 0;
    }
    return true;
}

static mr_tensor *random_permute(mr_tensor *x, model *m)
{
    mr_dims order = { .count = m->shape.ndim };
    mr_shape shape = m->shape;
    int64_t dense[MR_MAX_DIMS], step[MR_MAX_DIMS];
    steps_of(&m->shape, dense);
    for (int d = 0; d < order.count; d++)
        order.dim[d] = d;
    for (int d = order.count - 1; d > 0; d--) {
        int e = (int)draw(d + 1), t = order.dim[d];
        order.dim[d] = order.dim[e];
        order.dim[e] = t;
    }
    for (int d = 0; d < order.count; d++) {
        shape.dim[d] = m->shape.dim[order.dim[d]];
        step[d] = dense[order.dim[d]];
    }
    remap(m, shape, 0, step);
    return mr_permute(tape, x, order);
}

static mr_tensor *random_slice(mr_tensor *x, model *m)
{
    mr_shape shape = m->shape;
    int64_t dense[MR_MAX_DIMS];
    int d = (int)draw(m->shape.ndim);
    int64_t n = shape.dim[d], start = draw(n), end = start + 1 + draw(n - start), step = 1 + draw(3);
    steps_of(&m->shape, dense);
    int64_t base = start * dense[d];
    dense[d] *= step;
    shape.dim[d] = (end - start + step - 1) / step;
    remap(m, shape, base, dense);
    return mr_slice(tape, x, d - m->shape.ndim, start, end, step);
}

static mr_tensor *random_select(mr_tensor *x, model *m)
{
    mr_shape shape = { .ndim = 0 };
    int64_t dense[MR_MAX_DIMS], step[MR_MAX_DIMS];
    int at = (int)draw(m->shape.ndim);
    int64_t index = draw(m->shape.dim[at]);
    steps_of(&m->shape, dense);
    for (int d = 0; d < m->shape.ndim; d++)
        if (d != at) {
            step[shape.ndim] = dense[d];
            shape.dim[shape.ndim++] = m->shape.dim[d];
        }
    remap(m, shape, index * dense[at], step);
    return mr_select(tape, x, at, index);
}

static mr_tensor *random_expand(mr_tensor *x, model *m)
{
    mr_shape shape = { .ndim = m->shape.ndim + 1 };
    int64_t dense[MR_MAX_DIMS], step[MR_MAX_DIMS];
    steps_of(&m->shape, dense);
    shape.dim[0] = 1 + draw(3);
    step[0] = 0;
    for (int d = 0; d < m->shape.ndim; d++) {
        bool repeats = m->shape.dim[d] == 1 && draw(2);
        shape.dim[d + 1] = repeats ? 1 + draw(3) : m->shape.dim[d];
        step[d + 1] = repeats ? 0 : dense[d];
    }
    if (product(&shape) > 256)
        return x;
    remap(m, shape, 0, step);
    return mr_expand(tape, x, shape);
}

static mr_tensor *random_reshape(mr_tensor *x, model *m)
{
    mr_shape shape = random_shape(m->count);
    bool possible = can_view(x, &shape);
    mr_tensor *v;
    m->shape = shape;
    if (possible && draw(2)) {
        v = mr_view(tape, x, shape);
    } else {
        v = mr_reshape(tape, x, shape);
        CHECK(!v || (v->data == x->data) == possible || v->numel < 2);
    }
    return v;
}

static mr_tensor *random_sizes_of_one(mr_tensor *x, model *m)
{
    int d = (int)draw(m->shape.ndim + 1);
    if (d < m->shape.ndim && m->shape.dim[d] == 1) {
        memmove(m->shape.dim + d, m->shape.dim + d + 1, sizeof(int64_t) * (size_t)(m->shape.ndim-- - d - 1));
        return mr_squeeze(tape, x, d);
    }
    memmove(m->shape.dim + d + 1, m->shape.dim + d, sizeof(int64_t) * (size_t)(m->shape.ndim++ - d));
    m->shape.dim[d] = 1;
    return mr_unsqueeze(tape, x, d);
}

static bool matches(const mr_tensor *x, const model *m)
{
    static double values[MOST];
    int64_t run = 1;
    bool dense = true;
    if (!has_shape(x, m->shape) || mr_copy_out(x, MR_FLOAT64, values, m->count) != MR_OK)
        return false;
    for (int64_t i = 0; i < m->count; i++)
        if (values[i] != (double)m->from[i])
            return false;
    for (int d = x->ndim - 1; d >= 0; d--) {
        dense = dense && (x->shape[d] == 1 || x->stride[d] == run);
        run *= x->shape[d];
    }
    return x->contiguous == (dense || x->numel <= 1);
}

static void random_chain(void)
{
    static model m;
    static double weights[MOST], expected[MOST];
    mr_shape shape = random_shape(2 * 2 * 3 * 4);
    mr_tensor *leaf = numbered(shape), *x = leaf;
    int64_t total = leaf->numel;
    m = (model){ .shape = shape, .count = total };
    for (int64_t i = 0; i < total; i++)
        m.from[i] = i;
    for (int step = (int)draw(7); step >= 0; step--) {
        int64_t kind = m.shape.ndim == 0 || m.shape.ndim > 5 ? (m.shape.ndim ? 1 : 5) : draw(8);
        x = kind == 0   ? random_slice(x, &m)
            : kind == 1 ? random_select(x, &m)
            : kind == 2 ? random_expand(x, &m)
            : kind == 3 ? random_reshape(x, &m)
            : kind < 6  ? random_sizes_of_one(x, &m)
                        : random_permute(x, &m);
        if (!CHECK(matches(x, &m)))
            break;
    }
    memset(expected, 0, sizeof expected);
    for (int64_t i = 0; i < m.count; i++) {
        weights[i] = (double)(1 + draw(9));
        expected[m.from[i]] += weights[i];
    }
    mr_tensor *w = mr_tensor_from(MR_FLOAT64, m.shape, weights);
    CHECK(mr_backward_from(tape, x, w) == MR_OK);
    CHECK(mr_tensor_has_grad(leaf) &&
          memcmp(leaf->own_grad.data, expected, (size_t)total * sizeof *expected) == 0);
    mr_tape_reset(tape);
    mr_tensor_free(w);
    mr_tensor_free(leaf);
}

static void test_random_chains(void)
{
    for (int i = 0; i < 3000; i++)
        random_chain();
}

/* ---- failures ---- */

static void test_failures(void)
{
    mr_tensor *x = numbered(MR_SHAPE(2, 3)), *s = numbered(MR_SCALAR);
    mr_tensor *deep = numbered(MR_SHAPE(1, 1, 1, 1, 1, 1, 1, 1));
    mr_tensor *empty = numbered(MR_SHAPE(0, 3));
    mr_tensor_set_name(x, "w");
    FAILS(mr_squeeze(tape, x, 2), "squeeze: dimension 2 of w[2,3] is out of range (-2 to 1)");
    FAILS(mr_squeeze(tape, s, 1), "squeeze: dimension 1 of [] is out of range (-1 to 0)");
    FAILS(mr_squeeze(tape, NULL, 0), "squeeze: input is NULL");
    FAILS(mr_squeeze_all(tape, NULL), "squeeze_all: input is NULL");
    FAILS(mr_unsqueeze(tape, x, 3), "unsqueeze: dimension 3 of w[2,3] is out of range (-3 to 2)");
    FAILS(mr_unsqueeze(tape, deep, 0), "unsqueeze: [1,1,1,1,1,1,1,1] has 8 dimensions already");
    FAILS(mr_view(tape, x, MR_SHAPE(4)), "view: w[2,3] does not have the elements of shape [4]");
    FAILS(mr_view(tape, x, MR_SHAPE(4, -1)), "view: w[2,3] does not have the elements of shape [4,-1]");
    FAILS(mr_view(tape, x, MR_SHAPE(-1, -1)), "view: w[2,3] does not have the elements of shape [-1,-1]");
    FAILS(mr_view(tape, x, MR_SHAPE(-2, -3)), "view: w[2,3] does not have the elements of shape [-2,-3]");
    FAILS(mr_view(tape, x, MR_SHAPE(0, -1)), "view: w[2,3] does not have the elements of shape [0,-1]");
    FAILS(mr_view(tape, empty, MR_SHAPE(0, -1)), "view: [0,3] does not have the elements of shape [0,-1]");
    FAILS(mr_view(tape, empty, MR_SHAPE(0, INT64_MAX, 2)),
          "view: shape [0,9223372036854775807,2] has too many elements");
    FAILS(mr_view(tape, mr_transpose(tape, x, 0, 1), MR_SHAPE(6)),
          "view: the strides of [3,2] do not allow shape [6]; mr_reshape copies");
    FAILS(mr_reshape(tape, x, MR_SHAPE(7)), "reshape: w[2,3] does not have the elements of shape [7]");
    FAILS(mr_flatten(tape, x, 1, 0), "flatten: first dimension 1 lies behind the last, 0");
    FAILS(mr_flatten(tape, x, 0, 2), "flatten: dimension 2 of w[2,3] is out of range (-2 to 1)");
    FAILS(mr_transpose(tape, x, 0, -3), "transpose: dimension -3 of w[2,3] is out of range (-2 to 1)");
    FAILS(mr_permute(tape, x, MR_DIMS(0)), "permute: 1 dimensions given for w[2,3]");
    FAILS(mr_permute(tape, x, MR_DIMS(0, -2)), "permute: dimension -2 is given twice");
    FAILS(mr_permute(tape, x, MR_DIMS(0, 2)), "permute: dimension 2 of w[2,3] is out of range (-2 to 1)");
    FAILS(mr_expand(tape, x, MR_SHAPE(4, 3)), "expand: w[2,3] does not expand to [4,3]");
    FAILS(mr_expand(tape, x, MR_SHAPE(3)), "expand: w[2,3] does not expand to [3]");
    FAILS(mr_expand(tape, x, MR_SHAPE(-1, 2, 3)), "expand: w[2,3] does not expand to [-1,2,3]");
    FAILS(mr_expand(tape, x, MR_SHAPE(INT64_MAX, 2, 3)),
          "expand: shape [9223372036854775807,2,3] has too many elements");
    FAILS(mr_slice(tape, s, 0, 0, 1, 1), "slice: a scalar has no dimension to slice");
    FAILS(mr_slice(tape, x, 0, 0, 1, 0), "slice: step 0 is not positive");
    FAILS(mr_slice(tape, x, 2, 0, 1, 1), "slice: dimension 2 of w[2,3] is out of range (-2 to 1)");
    FAILS(mr_select(tape, s, 0, 0), "select: a scalar has no dimension to select from");
    FAILS(mr_select(tape, x, 1, 3), "select: index 3 is out of range for dimension 1 of w[2,3]");
    FAILS(mr_select(tape, x, 1, -4), "select: index -4 is out of range for dimension 1 of w[2,3]");
    FAILS(mr_select(tape, empty, 0, 0), "select: index 0 is out of range for dimension 0 of [0,3]");
    FAILS(mr_detach(tape, NULL), "detach: input is NULL");
    mr_tensor_free(empty);
    mr_tensor_free(deep);
    mr_tensor_free(s);
    mr_tensor_free(x);
}

int main(void)
{
    rng = mr_rng_new(1);
    tape = mr_tape_new(rng);
    RUN(test_shapes);
    RUN(test_elements);
    RUN(test_contiguous);
    RUN(test_empty);
    RUN(test_gradients);
    RUN(test_float32_gradient);
    RUN(test_random_chains);
    RUN(test_failures);
    mr_tape_free(tape);
    mr_rng_free(rng);
    return check_report();
}

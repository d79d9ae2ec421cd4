/* cat, stack, index_select and gather: elements, types, gradients, and what they refuse. */
#include "check.h"

#include "tensor/tape.h"

static mr_rng *rng;
static mr_tape *tape;

static mr_tensor *numbered(mr_dtype dtype, mr_shape shape) /* 0, 1, 2, … */
{
    mr_tensor *x = mr_tensor_zeros(dtype, shape);
    for (int64_t i = 0; i < mr_tensor_numel(x); i++)
        mr__cast_elements(dtype, x->data + (size_t)i * mr_dtype_size(dtype), MR_INT64, &i, 1, 1);
    return x;
}

static mr_tensor *vector(int64_t count, const int64_t *values)
{
    return mr_tensor_from(MR_INT64, MR_SHAPE(count), values);
}
#define POSITIONS(...) \
    (const int64_t[])  \
    {                  \
        __VA_ARGS__    \
    }
#define VALUES(...)  \
    (const double[]) \
    {                \
        __VA_ARGS__  \
    }

static bool is(const mr_tensor *x, mr_dtype dtype, mr_shape shape, const double *elements)
{
    double values[64];
    if (!x || (mr_dtype)x->dtype != dtype || x->ndim != shape.ndim)
        return false;
    for (int d = 0; d < shape.ndim; d++)
        if (x->shape[d] != shape.dim[d])
            return false;
    if (mr_copy_out(x, MR_FLOAT64, values, x->numel) != MR_OK)
        return false;
    return memcmp(values, elements, (size_t)x->numel * sizeof *values) == 0;
}

#define FAILS(call, text)                \
    do {                                 \
        CHECK((call) == NULL);           \
        CHECK(mr_tape_status(tape) < 0); \
        CHECK_EQ_STR(mr_error(), text);  \
        mr_tape_reset(tape);             \
    } while (0)

static mr_tensor *cat2(mr_tensor *a, mr_tensor *b, int dim)
{
    return mr_cat(tape, (mr_tensor *[]){ a, b }, 2, dim);
}

static mr_tensor *stack2(mr_tensor *a, mr_tensor *b, int dim)
{
    return mr_stack(tape, (mr_tensor *[]){ a, b }, 2, dim);
}

/* ---- joining ---- */

static void test_cat(void)
{
    static const mr_dtype types[] = { MR_FLOAT32, MR_FLOAT64, MR_INT64, MR_INT32,
                                      MR_UINT8,   MR_FLOAT16, MR_INT16 };
    for (int i = 0; i < 7; i++) {
        mr_dtype t = types[i];
        mr_tensor *x = numbered(t, MR_SHAPE(2, 3)), *y = numbered(t, MR_SHAPE(1, 3)),
                  *z = numbered(t, MR_SHAPE(2, 1));
        mr_tensor *none = numbered(t, MR_SHAPE(0)), *flat = numbered(t, MR_SHAPE(2, 0));
        CHECK(is(cat2(x, y, 0), t, MR_SHAPE(3, 3), VALUES(0, 1, 2, 3, 4, 5, 0, 1, 2)));
        CHECK(is(cat2(x, z, 1), t, MR_SHAPE(2, 4), VALUES(0, 1, 2, 0, 3, 4, 5, 1)));
        CHECK(is(cat2(z, x, -1), t, MR_SHAPE(2, 4), VALUES(0, 0, 1, 2, 1, 3, 4, 5)));
        CHECK(is(cat2(mr_transpose(tape, x, 0, 1), mr_transpose(tape, x, 0, 1), 1), t, MR_SHAPE(3, 4),
                 VALUES(0, 3, 0, 3, 1, 4, 1, 4, 2, 5, 2, 5)));
        CHECK(is(mr_cat(tape, &x, 1, 0), t, MR_SHAPE(2, 3), VALUES(0, 1, 2, 3, 4, 5)));
        CHECK(is(cat2(x, flat, 1), t, MR_SHAPE(2, 3), VALUES(0, 1, 2, 3, 4, 5)));
        CHECK(is(cat2(flat, flat, 0), t, MR_SHAPE(4, 0), VALUES(0)));

        /* Tensors of shape [0] go with any shape. */
        CHECK(is(cat2(none, x, 1), t, MR_SHAPE(2, 3), VALUES(0, 1, 2, 3, 4, 5)));
        CHECK(is(cat2(z, none, -2), t, MR_SHAPE(2, 1), VALUES(0, 1)));
        CHECK(is(cat2(none, none, 1), t, MR_SHAPE(0), VALUES(0)));
        CHECK(mr_tape_status(tape) == MR_OK);
        mr_tape_reset(tape);
        mr_tensor *all[] = { x, y, z, none, flat };
        for (int j = 0; j < 5; j++)
            mr_tensor_free(all[j]);
    }
}

static void test_stack(void)
{
    mr_tensor *x = numbered(MR_INT64, MR_SHAPE(2, 3)), *s = mr_tensor_full(MR_INT64, MR_SCALAR, 7);
    mr_tensor *flat = numbered(MR_INT64, MR_SHAPE(2, 0));
    CHECK(is(stack2(x, x, 0), MR_INT64, MR_SHAPE(2, 2, 3), VALUES(0, 1, 2, 3, 4, 5, 0, 1, 2, 3, 4, 5)));
    CHECK(is(stack2(x, x, 1), MR_INT64, MR_SHAPE(2, 2, 3), VALUES(0, 1, 2, 0, 1, 2, 3, 4, 5, 3, 4, 5)));
    CHECK(is(stack2(x, x, -1), MR_INT64, MR_SHAPE(2, 3, 2), VALUES(0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5)));
    CHECK(is(stack2(x, x, -3), MR_INT64, MR_SHAPE(2, 2, 3), VALUES(0, 1, 2, 3, 4, 5, 0, 1, 2, 3, 4, 5)));
    CHECK(is(stack2(s, s, 0), MR_INT64, MR_SHAPE(2), VALUES(7, 7)));
    CHECK(is(stack2(flat, flat, 1), MR_INT64, MR_SHAPE(2, 2, 0), VALUES(0)));
    CHECK(mr_tape_status(tape) == MR_OK);
    mr_tape_reset(tape);
    mr_tensor_free(flat);
    mr_tensor_free(s);
    mr_tensor_free(x);
}

static void test_types(void)
{
    mr_tensor *f = mr_tensor_full(MR_FLOAT32, MR_SHAPE(1), 0.5),
              *d = mr_tensor_full(MR_FLOAT64, MR_SHAPE(1), 0.25);
    mr_tensor *n = mr_tensor_full(MR_INT64, MR_SHAPE(1), 3), *b = mr_tensor_ones(MR_BOOL, MR_SHAPE(1));
    mr_tensor *none = mr_tensor_zeros(MR_FLOAT64, MR_SHAPE(0));
    CHECK(is(cat2(f, d, 0), MR_FLOAT64, MR_SHAPE(2), VALUES(0.5, 0.25)));
    CHECK(is(cat2(n, f, 0), MR_FLOAT32, MR_SHAPE(2), VALUES(3, 0.5)));
    CHECK(is(cat2(b, n, 0), MR_INT64, MR_SHAPE(2), VALUES(1, 3)));
    CHECK(is(cat2(b, b, 0), MR_BOOL, MR_SHAPE(2), VALUES(1, 1)));
    CHECK(is(cat2(none, f, 0), MR_FLOAT64, MR_SHAPE(1), VALUES(0.5))); /* as in torch */
    CHECK(is(stack2(n, d, 1), MR_FLOAT64, MR_SHAPE(1, 2), VALUES(3, 0.25)));

    /* Gradients go back in each input's own type; integers take none. */
    CHECK(mr_tensor_set_requires_grad(f, true) == MR_OK && mr_tensor_set_requires_grad(d, true) == MR_OK);
    mr_tensor *w = mr_tensor_from(MR_FLOAT64, MR_SHAPE(4), VALUES(1, 2, 3, 4));
    mr_tensor *y = mr_cat(tape, (mr_tensor *[]){ f, n, d, f }, 4, 0);
    CHECK(mr_backward_from(tape, y, w) == MR_OK);
    CHECK(is(mr_tensor_grad(f), MR_FLOAT32, MR_SHAPE(1), VALUES(5)));
    CHECK(is(mr_tensor_grad(d), MR_FLOAT64, MR_SHAPE(1), VALUES(3)));
    mr_tape_reset(tape);
    mr_tensor *all[] = { f, d, n, b, none, w };
    for (int i = 0; i < 6; i++)
        mr_tensor_free(all[i]);
}

static void test_float32_gradients(void)
{
    mr_tensor *x = numbered(MR_FLOAT32, MR_SHAPE(2, 2)), *y = numbered(MR_FLOAT32, MR_SHAPE(2, 1));
    mr_tensor *w = numbered(MR_FLOAT32, MR_SHAPE(2, 3)), *index = vector(3, POSITIONS(1, 0, 1));
    mr_tensor *places = mr_tensor_from(MR_INT64, MR_SHAPE(2, 3), POSITIONS(0, 1, 1, 1, 1, 1));
    CHECK(mr_tensor_set_requires_grad(x, true) == MR_OK && mr_tensor_set_requires_grad(y, true) == MR_OK);
    CHECK(mr_backward_from(tape, cat2(x, y, 1), w) == MR_OK);
    CHECK(is(mr_tensor_grad(x), MR_FLOAT32, MR_SHAPE(2, 2), VALUES(0, 1, 3, 4)));
    CHECK(is(mr_tensor_grad(y), MR_FLOAT32, MR_SHAPE(2, 1), VALUES(2, 5)));
    mr_tape_reset(tape);
    mr_tensor_zero_grad(x);
    CHECK(mr_backward_from(tape, mr_index_select(tape, x, 1, index), w) == MR_OK);
    CHECK(is(mr_tensor_grad(x), MR_FLOAT32, MR_SHAPE(2, 2), VALUES(1, 2, 4, 8)));
    mr_tape_reset(tape);
    CHECK(mr_backward_from(tape, mr_gather(tape, x, 1, places), w) == MR_OK); /* added */
    CHECK(is(mr_tensor_grad(x), MR_FLOAT32, MR_SHAPE(2, 2), VALUES(1, 5, 4, 20)));
    mr_tape_reset(tape);
    mr_tensor *all[] = { x, y, w, index, places };
    for (int i = 0; i < 5; i++)
        mr_tensor_free(all[i]);
}

/* ---- picking ---- */

static void test_index_select(void)
{
    static const mr_dtype types[] = { MR_FLOAT32, MR_FLOAT64, MR_INT64, MR_UINT8, MR_FLOAT16 };
    int32_t short_positions[] = { 2, 9, 0 };
    mr_tensor *index = vector(4, POSITIONS(2, 0, 0, 1)), *none = vector(0, POSITIONS(0));
    mr_tensor *narrow = mr_tensor_from(MR_INT32, MR_SHAPE(3), short_positions);
    mr_tensor *one = mr_tensor_full(MR_INT64, MR_SCALAR, 1), *zero = vector(1, POSITIONS(0));
    mr_tensor *s = mr_tensor_full(MR_INT64, MR_SCALAR, 5);
    for (int i = 0; i < 5; i++) {
        mr_dtype t = types[i];
        mr_tensor *x = numbered(t, MR_SHAPE(3, 2)), *cube = numbered(t, MR_SHAPE(2, 3, 2));
        CHECK(is(mr_index_select(tape, x, 0, index), t, MR_SHAPE(4, 2), VALUES(4, 5, 0, 1, 0, 1, 2, 3)));
        CHECK(is(mr_index_select(tape, mr_transpose(tape, x, 0, 1), -1, index), t, MR_SHAPE(2, 4),
                 VALUES(4, 0, 0, 2, 5, 1, 1, 3)));
        CHECK(is(mr_index_select(tape, cube, 1, mr_slice(tape, narrow, 0, 0, 3, 2)), t, MR_SHAPE(2, 2, 2),
                 VALUES(4, 5, 0, 1, 10, 11, 6, 7)));
        CHECK(is(mr_index_select(tape, x, 1, none), t, MR_SHAPE(3, 0), VALUES(0)));
        CHECK(is(mr_index_select(tape, x, 0, one), t, MR_SHAPE(1, 2), VALUES(2, 3)));
        CHECK(mr_tape_status(tape) == MR_OK);
        mr_tape_reset(tape);
        mr_tensor_free(cube);
        mr_tensor_free(x);
    }
    CHECK(is(mr_index_select(tape, s, 0, zero), MR_INT64, MR_SCALAR, VALUES(5)));
    mr_tensor *all[] = { index, none, narrow, one, zero, s };
    for (int i = 0; i < 6; i++)
        mr_tensor_free(all[i]);
}

static void test_gather(void)
{
    static const mr_dtype types[] = { MR_FLOAT32, MR_FLOAT64, MR_INT32, MR_BOOL, MR_FLOAT16 };
    mr_tensor *rows = mr_tensor_from(MR_INT64, MR_SHAPE(2, 2), POSITIONS(2, 0, 1, 1));
    mr_tensor *columns = mr_tensor_from(MR_INT64, MR_SHAPE(2, 4), POSITIONS(1, 0, 0, 1, 0, 0, 1, 1));
    mr_tensor *deep = mr_tensor_from(MR_INT64, MR_SHAPE(1, 2, 2), POSITIONS(2, 1, 0, 1));
    mr_tensor *none = mr_tensor_zeros(MR_INT64, MR_SHAPE(0, 2)), *s = mr_tensor_full(MR_INT64, MR_SCALAR, 5);
    mr_tensor *zero = mr_tensor_zeros(MR_INT64, MR_SCALAR), *zeros = mr_tensor_zeros(MR_INT64, MR_SHAPE(2));
    for (int i = 0; i < 5; i++) {
        mr_dtype t = types[i];
        mr_tensor *x = numbered(t, MR_SHAPE(3, 2)), *cube = numbered(t, MR_SHAPE(2, 3, 2));
#define TRUTH(v) (t == MR_BOOL ? (v) != 0 : (v))
        CHECK(is(mr_gather(tape, x, 0, rows), t, MR_SHAPE(2, 2), VALUES(TRUTH(4), 1, TRUTH(2), TRUTH(3))));
        CHECK(is(mr_gather(tape, x, 1, columns), t, MR_SHAPE(2, 4),
                 VALUES(1, 0, 0, 1, TRUTH(2), TRUTH(2), TRUTH(3), TRUTH(3))));
        CHECK(is(mr_gather(tape, mr_transpose(tape, x, 0, 1), -1, rows), t, MR_SHAPE(2, 2),
                 VALUES(TRUTH(4), 0, TRUTH(3), TRUTH(3))));
        CHECK(is(mr_gather(tape, cube, 1, deep), t, MR_SHAPE(1, 2, 2),
                 VALUES(TRUTH(4), TRUTH(3), 0, TRUTH(3))));
        CHECK(is(mr_gather(tape, x, 0, mr_transpose(tape, rows, 0, 1)), t, MR_SHAPE(2, 2),
                 VALUES(TRUTH(4), TRUTH(3), 0, TRUTH(3))));
        CHECK(is(mr_gather(tape, x, 0, none), t, MR_SHAPE(0, 2), VALUES(0)));
        CHECK(mr_tape_status(tape) == MR_OK);
        mr_tape_reset(tape);
        mr_tensor_free(cube);
        mr_tensor_free(x);
    }
    CHECK(is(mr_gather(tape, s, 0, zero), MR_INT64, MR_SCALAR, VALUES(5)));
    CHECK(is(mr_gather(tape, s, 0, zeros), MR_INT64, MR_SHAPE(2), VALUES(5, 5)));
    CHECK(is(mr_gather(tape, zeros, 0, zero), MR_INT64, MR_SCALAR, VALUES(0)));
    mr_tensor *all[] = { rows, columns, deep, none, s, zero, zeros };
    for (int i = 0; i < 7; i++)
        mr_tensor_free(all[i]);
}

/* The record keeps the positions, so an index may be refilled before backward. */
static void test_index_may_change(void)
{
    mr_tensor *x = numbered(MR_FLOAT64, MR_SHAPE(3)), *index = vector(2, POSITIONS(2, 2));
    mr_tensor *w = mr_tensor_from(MR_FLOAT64, MR_SHAPE(2), VALUES(1, 2));
    CHECK(mr_tensor_set_requires_grad(x, true) == MR_OK);
    for (int i = 0; i < 2; i++) {
        mr_tensor *y = i ? mr_gather(tape, x, 0, index) : mr_index_select(tape, x, 0, index);
        CHECK(mr_tensor_fill(index, 1000) == MR_OK);
        mr_tensor_zero_grad(x);
        CHECK(mr_backward_from(tape, y, w) == MR_OK);
        CHECK(is(mr_tensor_grad(x), MR_FLOAT64, MR_SHAPE(3), VALUES(0, 0, 3)));
        mr_tape_reset(tape);
        CHECK(mr_tensor_fill(index, 2) == MR_OK);
    }
    mr_tensor_free(w);
    mr_tensor_free(index);
    mr_tensor_free(x);
}

/* ---- gradients against differences ---- */

enum { CAT, STACK, STACK_SQUARED, INDEX_SELECT, GATHER, SELECT_LEAF, GATHER_LEAF, KINDS };

typedef struct call {
    int kind, dim;
} call;

static mr_tensor *picked_or_joined(void *user, mr_tape *t, mr_tensor *const *inputs, int count)
{
    const call *c = user;
    mr_tensor *a = inputs[0], *b = inputs[1], *index = inputs[2];
    (void)count;
    switch (c->kind) {
    case CAT:
        return mr_cat(t, (mr_tensor *[]){ a, mr_transpose(t, b, 0, 1), a }, 3, c->dim);
    case STACK:
        return mr_stack(t, (mr_tensor *[]){ mr_transpose(t, b, 0, 1), a, a }, 3, c->dim);
    case STACK_SQUARED: {
        mr_tensor *pair = mr_stack(t, (mr_tensor *[]){ a, mr_transpose(t, b, 0, 1) }, 2, c->dim);
        return mr_matmul(t, mr_transpose(t, pair, -1, -2), pair);
    }
    case INDEX_SELECT:
        return mr_index_select(t, mr_transpose(t, b, 0, 1), c->dim, mr_select(t, index, 0, 1));
    case GATHER:
        return mr_gather(t, mr_transpose(t, b, 0, 1), c->dim, index);
    case SELECT_LEAF:
        return mr_index_select(t, a, c->dim, mr_select(t, index, 0, 1));
    default:
        return mr_gather(t, a, c->dim, index);
    }
}

static void test_gradcheck(void)
{
    mr_tensor *in[] = { mr_tensor_randn(rng, MR_FLOAT64, MR_SHAPE(3, 4)),
                        mr_tensor_randn(rng, MR_FLOAT64, MR_SHAPE(4, 3)),
                        mr_tensor_from(MR_INT64, MR_SHAPE(2, 4), POSITIONS(0, 2, 2, 1, 1, 1, 0, 2)) };
    CHECK(mr_tensor_set_requires_grad(in[0], true) == MR_OK &&
          mr_tensor_set_requires_grad(in[1], true) == MR_OK);
    for (int kind = 0; kind < KINDS; kind++)
        for (int dim = -2; dim < 2; dim++) {
            call c = { kind, dim };
            if (!CHECK(mr_gradcheck(picked_or_joined, &c, in, 3, NULL) == MR_OK))
                printf("    kind %d, dimension %d: %s\n", kind, dim, mr_error());
        }
    /* Only some inputs take a gradient. */
    CHECK(mr_tensor_set_requires_grad(in[0], false) == MR_OK);
    CHECK(mr_gradcheck(picked_or_joined, &(call){ CAT, 1 }, in, 3, NULL) == MR_OK);
    for (int i = 0; i < 3; i++)
        mr_tensor_free(in[i]);
}

static void test_recording(void)
{
    mr_tensor *x = numbered(MR_FLOAT32, MR_SHAPE(2, 0)), *y = numbered(MR_FLOAT32, MR_SHAPE(2, 1));
    mr_tensor *list[] = { y, y };
    CHECK(!mr_tensor_requires_grad(mr_cat(tape, list, 2, 0)));
    CHECK(mr_tensor_set_requires_grad(x, true) == MR_OK && mr_tensor_set_requires_grad(y, true) == MR_OK);
    bool was = mr_tape_set_grad(tape, false);
    CHECK(!mr_tensor_requires_grad(mr_cat(tape, list, 2, 0)));
    mr_tape_set_grad(tape, was);

    /* The list is the caller's; the elements are not needed. An input without elements gets its gradient. */
    mr_tensor *z = cat2(x, y, 1);
    list[0] = list[1] = mr_cat(tape, list, 2, 0);
    CHECK(mr_tensor_fill(y, 5) == MR_OK);
    mr_tensor *w = mr_tensor_ones(MR_FLOAT32, MR_SHAPE(2, 1));
    CHECK(mr_backward_from(tape, z, w) == MR_OK);
    CHECK(is(mr_tensor_grad(y), MR_FLOAT32, MR_SHAPE(2, 1), VALUES(1, 1)));
    CHECK(is(mr_tensor_grad(x), MR_FLOAT32, MR_SHAPE(2, 0), VALUES(0)));
    mr_tape_reset(tape);
    mr_tensor_free(w);
    mr_tensor_free(y);
    mr_tensor_free(x);
}

/* ---- failures ---- */

static void test_failures(void)
{
    mr_tensor *x = numbered(MR_FLOAT32, MR_SHAPE(2, 3)), *y = numbered(MR_FLOAT32, MR_SHAPE(3, 2));
    mr_tensor *s = numbered(MR_FLOAT32, MR_SCALAR), *none = numbered(MR_FLOAT32, MR_SHAPE(0));
    mr_tensor *deep = numbered(MR_FLOAT32, MR_SHAPE(1, 1, 1, 1, 1, 1, 1, 1)),
              *index = vector(3, POSITIONS(0, 1, 2));
    mr_tensor *negative = vector(2, POSITIONS(1, -1)), *table = mr_tensor_zeros(MR_INT64, MR_SHAPE(3, 3));
    mr_tensor_set_name(x, "w");
    FAILS(cat2(x, y, 0), "cat: sizes differ outside of dimension 0: tensor 0 is w[2,3], tensor 1 [3,2]");
    FAILS(mr_cat(tape, (mr_tensor *[]){ none, x, x, y }, 4, -1),
          "cat: sizes differ outside of dimension -1: tensor 1 is w[2,3], tensor 3 [3,2]");
    FAILS(cat2(x, index, 0), "cat: sizes differ outside of dimension 0: tensor 0 is w[2,3], tensor 1 [3]");
    FAILS(cat2(x, x, 2), "cat: dimension 2 of w[2,3] is out of range (-2 to 1)");
    FAILS(cat2(x, s, 0), "cat: tensor 1 is a scalar, which has no dimension to join; mr_stack makes one");
    FAILS(cat2(x, NULL, 0), "cat: input is NULL");
    FAILS(mr_cat(tape, NULL, 2, 0), "cat: no tensors given");
    FAILS(mr_cat(tape, &x, 0, 0), "cat: no tensors given");
    mr_tensor *huge = mr_expand(tape, none, MR_SHAPE(INT64_MAX / 16, 0));
    FAILS(mr_cat(tape, (mr_tensor *[]){ huge, huge, huge, huge, huge }, 5, 0),
          "cat: shape [2882303761517117435,0] has too many elements");
    FAILS(stack2(x, y, 0), "stack: sizes differ: tensor 0 is w[2,3], tensor 1 [3,2]");
    FAILS(stack2(x, x, 3), "stack: dimension 3 of a stack of w[2,3] is out of range (-3 to 2)");
    FAILS(stack2(x, x, -4), "stack: dimension -4 of a stack of w[2,3] is out of range (-3 to 2)");
    FAILS(stack2(deep, deep, 0), "stack: [1,1,1,1,1,1,1,1] has 8 dimensions already");
    FAILS(stack2(NULL, x, 0), "stack: input is NULL");
    FAILS(mr_stack(tape, NULL, 0, 0), "stack: no tensors given");

    FAILS(mr_index_select(tape, x, 0, index),
          "index_select: index 2 at element 2 is out of range for dimension 0 of w[2,3]");
    FAILS(mr_index_select(tape, x, -2, negative),
          "index_select: index -1 at element 1 is out of range for dimension 0 of w[2,3]");
    FAILS(mr_index_select(tape, x, 2, index),
          "index_select: dimension 2 of w[2,3] is out of range (-2 to 1)");
    FAILS(mr_index_select(tape, x, 0, table),
          "index_select: index [3,3] of w[2,3] is not a vector of positions");
    FAILS(mr_index_select(tape, s, 0, index), "index_select: index [3] of [] is not a vector of positions");
    FAILS(mr_index_select(tape, x, 0, none), "index_select: index [0] is float32, not int64 or int32");
    FAILS(mr_index_select(tape, NULL, 0, index), "index_select: first input is NULL");
    FAILS(mr_index_select(tape, x, 0, NULL), "index_select: second input is NULL");

    FAILS(mr_gather(tape, x, 1, table),
          "gather: index [3,3] does not fit into w[2,3] outside of dimension 1");
    FAILS(mr_gather(tape, x, 0, index), "gather: index [3] does not fit into w[2,3] outside of dimension 0");
    FAILS(mr_gather(tape, y, 0, y), "gather: index [3,2] is float32, not int64 or int32");
    FAILS(mr_gather(tape, index, 0, negative),
          "gather: index -1 at element 1 is out of range for dimension 0 of [3]");
    FAILS(mr_gather(tape, none, 0, index),
          "gather: index 0 at element 0 is out of range for dimension 0 of [0]");
    FAILS(mr_gather(tape, x, 5, index), "gather: dimension 5 of w[2,3] is out of range (-2 to 1)");
    FAILS(mr_gather(tape, NULL, 0, index), "gather: first input is NULL");
    mr_tensor *all[] = { x, y, s, none, deep, index, negative, table };
    for (int i = 0; i < 8; i++)
        mr_tensor_free(all[i]);
}

int main(void)
{
    rng = mr_rng_new(1);
    tape = mr_tape_new(rng);
    RUN(test_cat);
    RUN(test_stack);
    RUN(test_types);
    RUN(test_float32_gradients);
    RUN(test_index_select);
    RUN(test_gather);
    RUN(test_index_may_change);
    RUN(test_gradcheck);
    RUN(test_recording);
    RUN(test_failures);
    mr_tape_free(tape);
    mr_rng_free(rng);
    return check_report();
}

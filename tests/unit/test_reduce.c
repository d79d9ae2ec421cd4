/* Reductions against a plain loop over all elements, for every type and for strided inputs; their gradients
 * against differences; ties, NaN, empty tensors, and what they refuse. */
#include "check.h"

#include "tensor/tape.h"

static mr_rng *rng;
static mr_tape *tape;

enum { MOST = 8192 };

static int64_t draw(int64_t n) /* 0 … n - 1 */
{
    return (int64_t)(mr_rng_u32(rng) % (uint32_t)n);
}

static bool has_shape(const mr_tensor *x, mr_shape shape)
{
    bool same = x && x->ndim == shape.ndim;
    for (int d = 0; same && d < shape.ndim; d++)
        same = x->shape[d] == shape.dim[d];
    return same;
}

/* Whether x has these elements; NaN equals NaN. */
static bool has(const mr_tensor *x, int64_t count, const double *elements)
{
    double values[64];
    if (!x || x->numel != count || mr_copy_out(x, MR_FLOAT64, values, count) != MR_OK)
        return false;
    for (int64_t i = 0; i < count; i++)
        if (!(values[i] == elements[i] || (isnan(values[i]) && isnan(elements[i]))))
            return false;
    return true;
}
#define VALUES(...)  \
    (const double[]) \
    {                \
        __VA_ARGS__  \
    }

#define FAILS(call, text)                \
    do {                                 \
        CHECK((call) == NULL);           \
        CHECK(mr_tape_status(tape) < 0); \
        CHECK_EQ_STR(mr_error(), text);  \
        mr_tape_reset(tape);             \
    } while (0)

/* ---- against a plain loop ---- */

/* A result's elements, one after the other, and what follows from them. */
typedef struct group {
    int64_t count, largest, smallest; /* positions of the first */
    double elements[MOST];
    double sum, mean, squares;
} group;

static void finish_group(group *g)
{
    g->sum = g->squares = 0;
    g->largest = g->smallest = 0;
    for (int64_t i = 0; i < g->count; i++) {
        g->sum += g->elements[i];
        if (g->elements[i] > g->elements[g->largest])
            g->largest = i;
        if (g->elements[i] < g->elements[g->smallest])
            g->smallest = i;
    }
    g->mean = g->sum / (double)g->count;
    for (int64_t i = 0; i < g->count; i++)
        g->squares += (g->elements[i] - g->mean) * (g->elements[i] - g->mean);
}

/* Collects the elements behind result `number`, reducing the dimensions of `mask`. */
static void collect(const mr_tensor *x, const double *values, unsigned mask, int64_t number, group *g)
{
    int64_t index[MR_MAX_DIMS] = { 0 };
    g->count = 0;
    for (int64_t i = 0; i < x->numel; i++) {
        int64_t at = 0;
        for (int d = 0; d < x->ndim; d++)
            at = mask >> d & 1 ? at : at * x->shape[d] + index[d];
        if (at == number)
            g->elements[g->count++] = values[i];
        for (int d = x->ndim - 1; d >= 0 && ++index[d] == x->shape[d]; d--)
            index[d] = 0;
    }
    finish_group(g);
}

static double element(const mr_tensor *x, int64_t i)
{
    static double values[MOST];
    return x && mr_copy_out(x, MR_FLOAT64, values, x->numel) == MR_OK ? values[i] : NAN;
}

static mr_tensor *random_input(mr_dtype dtype)
{
    mr_shape shape = { .ndim = (int)draw(5) };
    int64_t n = 1;
    for (int d = 0; d < shape.ndim; d++) {
        int64_t most = draw(6) ? 5 : 600;
        shape.dim[d] = 1 + draw(most < 2000 / n ? most : 2000 / n);
        n *= shape.dim[d];
    }
    return mr_tensor_randint(rng, dtype,
                             dtype == MR_BOOL    ? 0
                             : dtype == MR_UINT8 ? 3
                                                 : -20,
                             dtype == MR_BOOL ? 2 : 250, shape);
}

/* The same elements in another order of dimensions, or some of them. */
static mr_tensor *random_view(mr_tensor *x)
{
    if (x->ndim > 1 && draw(2)) {
        int d = (int)draw(x->ndim), e = (int)draw(x->ndim);
        x = mr_transpose(tape, x, d, e);
    }
    if (x->ndim && draw(3) == 0) {
        int d = (int)draw(x->ndim);
        int64_t start = draw(x->shape[d]), step = 1 + draw(2);
        x = mr_slice(tape, x, d, start, MR_TO_END, step);
    }
    if (x->ndim < 5 && x->numel < 1000 && draw(4) == 0) {
        mr_shape shape = { .ndim = x->ndim + 1, .dim = { 1 + draw(3) } };
        for (int d = 0; d < x->ndim; d++)
            shape.dim[d + 1] = x->shape[d];
        x = mr_expand(tape, x, shape);
    }
    return x;
}

typedef struct choice {
    mr_dims dims;
    unsigned mask;
    mr_shape shape; /* of the result */
    bool keepdim;
} choice;

static choice random_choice(const mr_tensor *x)
{
    choice c = { .mask = 0, .keepdim = draw(2) };
    for (int d = x->ndim - 1; d >= 0; d--)
        if (draw(2)) {
            c.mask |= 1u << d;
            c.dims.dim[c.dims.count++] = draw(2) ? d : d - x->ndim;
        }
    if (c.dims.count == 0)
        c.mask = ~0u;
    for (int d = 0; d < x->ndim; d++)
        if (!(c.mask >> d & 1) || c.keepdim)
            c.shape.dim[c.shape.ndim++] = c.mask >> d & 1 ? 1 : x->shape[d];
    return c;
}

static void compare(mr_tensor *x, const double *values, choice c)
{
    static group g;
    mr_dtype dtype = (mr_dtype)x->dtype, sum_type = mr__is_float(x->dtype) ? dtype : MR_INT64;
    bool real = mr__is_float(x->dtype);
    mr_tensor *sum = mr_sum(tape, x, c.dims, c.keepdim);
    mr_tensor *max = mr_max(tape, x, c.dims, c.keepdim), *min = mr_min(tape, x, c.dims, c.keepdim);
    mr_tensor *mean = real ? mr_mean(tape, x, c.dims, c.keepdim) : sum;
    mr_tensor *var = real ? mr_var(tape, x, c.dims, c.keepdim, NULL) : sum;
    mr_tensor *biased = real ? mr_var(tape, x, c.dims, c.keepdim, &(mr_var_opts){ .biased = true }) : sum;
    CHECK(mr_tape_status(tape) == MR_OK);
    CHECK(mr_tensor_dtype(sum) == sum_type && mr_tensor_dtype(max) == dtype && mr_tensor_dtype(min) == dtype);
    CHECK(has_shape(sum, c.shape) && has_shape(max, c.shape) && has_shape(min, c.shape));
    CHECK(has_shape(mean, c.shape) && has_shape(var, c.shape) && has_shape(biased, c.shape));
    double tolerance = dtype == MR_FLOAT32 ? 1e-6 : 1e-13;
    for (int64_t i = 0; i < sum->numel && i < 40; i++) {
        int64_t number = i < 20 || sum->numel <= 40 ? i : sum->numel - 40 + i; /* some, from both ends */
        collect(x, values, c.mask, number, &g);
        bool ok = element(sum, number) == g.sum; /* integers: exact in every type */
        ok &= element(max, number) == g.elements[g.largest];
        ok &= element(min, number) == g.elements[g.smallest];
        CHECK(ok);
        if (!real)
            continue;
        CHECK_CLOSE(element(mean, number), g.mean, tolerance, 0);
        CHECK_CLOSE(element(biased, number), g.squares / (double)g.count, tolerance, 0);
        CHECK_CLOSE(element(var, number), g.count > 1 ? g.squares / (double)(g.count - 1) : NAN, tolerance,
                    0);
    }
}

static void compare_positions(mr_tensor *x, const double *values, bool all)
{
    static group g;
    int dim = x->ndim ? (int)draw(x->ndim) : 0;
    unsigned mask = all ? ~0u : 1u << dim;
    mr_dims dims = all ? MR_ALL : MR_DIMS(draw(2) && x->ndim ? dim - x->ndim : dim);
    mr_tensor *argmax = mr_argmax(tape, x, dims, false), *argmin = mr_argmin(tape, x, dims, true);
    mr_tensor *at_max = argmax, *at_min = argmin, *max = NULL, *min = NULL;
    if (!all) {
        max = mr_max_dim(tape, x, dim, true, &at_max);
        min = mr_min_dim(tape, x, dims.dim[0], false, &at_min);
    }
    CHECK(mr_tape_status(tape) == MR_OK);
    CHECK(mr_tensor_dtype(argmax) == MR_INT64 && mr_tensor_dtype(at_max) == MR_INT64);
    CHECK_EQ_I64(argmin->ndim, x->ndim);
    CHECK_EQ_I64(argmax->ndim, all || !x->ndim ? 0 : x->ndim - 1);
    for (int64_t i = 0; i < argmax->numel && i < 40; i++) {
        int64_t number = i < 20 || argmax->numel <= 40 ? i : argmax->numel - 40 + i;
        collect(x, values, mask, number, &g);
        bool ok =
            (int64_t)element(argmax, number) == g.largest && (int64_t)element(at_max, number) == g.largest;
        ok &=
            (int64_t)element(argmin, number) == g.smallest && (int64_t)element(at_min, number) == g.smallest;
        ok &= all || element(max, number) == g.elements[g.largest];
        ok &= all || element(min, number) == g.elements[g.smallest];
        CHECK(ok);
    }
}

static void test_against_loop(void)
{
    static double values[MOST];
    for (int i = 0; i < 1500; i++) {
        mr_tensor *leaf = random_input((mr_dtype)(i % 6)), *x = random_view(leaf);
        if (CHECK(x && mr_copy_out(x, MR_FLOAT64, values, x->numel) == MR_OK)) {
            compare(x, values, random_choice(x));
            compare_positions(x, values, draw(3) == 0);
        }
        mr_tape_reset(tape);
        mr_tensor_free(leaf);
    }
}

/* ---- accuracy ---- */

static void test_long_sums(void)
{
    enum { ROWS = 3000, COLUMNS = 40 };
    mr_tensor *x = mr_tensor_rand(rng, MR_FLOAT32, MR_SHAPE(ROWS, COLUMNS));
    const float *values = mr_tensor_data(x);
    double total = 0, column = 0, far = 0, squares = 0;
    for (int64_t i = 0; i < ROWS * COLUMNS; i++)
        total += (double)values[i];
    for (int64_t i = 0; i < ROWS; i++)
        column += (double)values[i * COLUMNS + 7];
    CHECK_CLOSE(mr_item(mr_sum(tape, x, MR_ALL, false)), total, 2e-7, 0);
    CHECK_CLOSE(mr_item(mr_mean(tape, x, MR_ALL, false)), total / (ROWS * COLUMNS), 2e-7, 0);
    CHECK_CLOSE(element(mr_sum(tape, x, MR_DIMS(0), false), 7), column, 1e-7, 0);
    CHECK_CLOSE(element(mr_sum(tape, mr_transpose(tape, x, 0, 1), MR_DIMS(1), false), 7), column, 1e-7, 0);

    /* A variance far from zero: one pass in float32 would lose it. */
    mr_tensor *y = mr_tensor_zeros(MR_FLOAT32, MR_SHAPE(ROWS));
    float *shifted = mr_tensor_data(y);
    for (int64_t i = 0; i < ROWS; i++) {
        shifted[i] = 10000.0f + values[i];
        far += (double)shifted[i];
    }
    for (int64_t i = 0; i < ROWS; i++)
        squares += ((double)shifted[i] - far / ROWS) * ((double)shifted[i] - far / ROWS);
    CHECK_CLOSE(mr_item(mr_var(tape, y, MR_ALL, false, NULL)), squares / (ROWS - 1), 1e-7, 0);
    mr_tape_reset(tape);
    mr_tensor_free(y);
    mr_tensor_free(x);
}

static void test_integer_sums_wrap(void)
{
    int64_t large[] = { INT64_MAX, 1 };
    mr_tensor *x = mr_tensor_from(MR_INT64, MR_SHAPE(2), large);
    CHECK_EQ_I64(mr_item_int64(mr_sum(tape, x, MR_ALL, false)), INT64_MIN);
    int32_t negative[] = { -5, INT32_MAX, INT32_MAX };
    mr_tensor *y = mr_tensor_from(MR_INT32, MR_SHAPE(3), negative);
    CHECK_EQ_I64(mr_item_int64(mr_sum(tape, y, MR_ALL, false)), 2 * (int64_t)INT32_MAX - 5);
    mr_tape_reset(tape);
    mr_tensor_free(y);
    mr_tensor_free(x);
}

/* ---- NaN, ties, nothing ---- */

static void test_nan(void)
{
    for (int i = 0; i < 2; i++) {
        mr_dtype dtype = i ? MR_FLOAT64 : MR_FLOAT32;
        double values[] = { 1, 9, NAN, -3, NAN, 5, 7, 2, 3, 8, 1, 0 };
        mr_tensor *wide = mr_tensor_from(MR_FLOAT64, MR_SHAPE(2, 6), values), *x = mr_cast(tape, wide, dtype),
                  *at;
        CHECK(has(mr_max(tape, x, MR_DIMS(1), false), 2, VALUES(NAN, 8)));
        CHECK(has(mr_min(tape, x, MR_DIMS(1), false), 2, VALUES(NAN, 0)));
        CHECK(has(mr_max(tape, x, MR_DIMS(0), false), 6, VALUES(7, 9, NAN, 8, NAN, 5)));
        CHECK(has(mr_min(tape, x, MR_DIMS(0), false), 6, VALUES(1, 2, NAN, -3, NAN, 0)));
        CHECK(has(mr_argmax(tape, x, MR_DIMS(1), false), 2, VALUES(2, 3)));
        CHECK(has(mr_argmin(tape, x, MR_DIMS(1), false), 2, VALUES(2, 5)));
        CHECK(has(mr_argmax(tape, x, MR_DIMS(0), false), 6, VALUES(1, 0, 0, 1, 0, 0)));
        CHECK(has(mr_max_dim(tape, x, 1, false, &at), 2, VALUES(NAN, 8)) && has(at, 2, VALUES(2, 3)));
        CHECK(has(mr_min_dim(tape, x, 0, false, NULL), 6, VALUES(1, 2, NAN, -3, NAN, 0)));
        CHECK(has(mr_sum(tape, x, MR_DIMS(1), false), 2, VALUES(NAN, 21)));
        mr_tensor *var = mr_var(tape, x, MR_DIMS(1), false, NULL);
        CHECK_NEAR(element(var, 0), NAN, 0);
        CHECK_NEAR(element(var, 1), 10.7, 1e-6);
        mr_tape_reset(tape);
        mr_tensor_free(wide);
    }
}

/* The gradient of x after backward from y, weighted 1, 2, 3, … */
static const mr_tensor *gradient(mr_tensor *x, mr_tensor *y)
{
    mr_shape shape = mr_tensor_shape(y);
    mr_tensor *w = mr_tensor_zeros((mr_dtype)y->dtype, shape);
    for (int64_t i = 0; i < w->numel; i++)
        if (w->dtype == MR_FLOAT32)
            ((float *)w->data)[i] = (float)(i + 1);
        else
            ((double *)w->data)[i] = (double)(i + 1);
    mr_tensor_zero_grad(x);
    CHECK(mr_backward_from(tape, y, w) == MR_OK);
    mr_tensor_free(w);
    mr_tape_reset(tape);
    return mr_tensor_grad(x);
}

static void test_gradients_by_hand(void)
{
    for (int i = 0; i < 2; i++) {
        double values[] = { 2, 5, 5, 1, 1, 1 }, odd[] = { 1, NAN, 3 };
        mr_tensor *x = mr_tensor_zeros(i ? MR_FLOAT64 : MR_FLOAT32, MR_SHAPE(2, 3));
        mr_tensor *y = mr_tensor_zeros(i ? MR_FLOAT64 : MR_FLOAT32, MR_SHAPE(3));
        mr__cast_elements((mr_dtype)x->dtype, x->data, MR_FLOAT64, values, 1, 6);
        mr__cast_elements((mr_dtype)y->dtype, y->data, MR_FLOAT64, odd, 1, 3);
        CHECK(mr_tensor_set_requires_grad(x, true) == MR_OK && mr_tensor_set_requires_grad(y, true) == MR_OK);
        CHECK(has(gradient(x, mr_sum(tape, x, MR_ALL, false)), 6, VALUES(1, 1, 1, 1, 1, 1)));
        CHECK(has(gradient(x, mr_sum(tape, x, MR_DIMS(1), true)), 6, VALUES(1, 1, 1, 2, 2, 2)));
        CHECK(has(gradient(x, mr_mean(tape, x, MR_DIMS(0), false)), 6, VALUES(0.5, 1, 1.5, 0.5, 1, 1.5)));
        CHECK(has(gradient(x, mr_sum(tape, mr_transpose(tape, x, 0, 1), MR_DIMS(0), false)), 6,
                  VALUES(1, 1, 1, 2, 2, 2)));
        /* Equal ones share, or the first takes all. */
        CHECK(has(gradient(x, mr_max(tape, x, MR_DIMS(1), false)), 6,
                  i ? VALUES(0, 0.5, 0.5, 2.0 / 3, 2.0 / 3, 2.0 / 3)
                    : VALUES(0, 0.5, 0.5, 2.0f / 3, 2.0f / 3, 2.0f / 3)));
        CHECK(has(gradient(x, mr_min(tape, x, MR_DIMS(1), false)), 6,
                  i ? VALUES(1, 0, 0, 2.0 / 3, 2.0 / 3, 2.0 / 3)
                    : VALUES(1, 0, 0, 2.0f / 3, 2.0f / 3, 2.0f / 3)));
        CHECK(has(gradient(x, mr_max(tape, mr_transpose(tape, x, 0, 1), MR_ALL, false)), 6,
                  VALUES(0, 0.5, 0.5, 0, 0, 0)));
        CHECK(has(gradient(x, mr_max_dim(tape, x, 1, false, NULL)), 6, VALUES(0, 1, 0, 2, 0, 0)));
        CHECK(has(gradient(x, mr_min_dim(tape, mr_transpose(tape, x, 0, 1), 0, true, NULL)), 6,
                  VALUES(1, 0, 0, 2, 0, 0)));
        /* Backward adds to what is there. */
        mr_tensor_zero_grad(x);
        for (int twice = 0; twice < 2; twice++) {
            CHECK(mr_backward(tape, mr_mean(tape, x, MR_ALL, false)) == MR_OK);
            mr_tape_reset(tape);
        }
        CHECK_CLOSE(element(mr_tensor_grad(x), 5), 2.0 / 6, 1e-7, 0);
        /* A largest value of NaN equals nothing: 0 / 0 for all. */
        CHECK(has(gradient(y, mr_max(tape, y, MR_ALL, false)), 3, VALUES(NAN, NAN, NAN)));
        CHECK(has(gradient(y, mr_max_dim(tape, y, 0, false, NULL)), 3, VALUES(0, 1, 0)));
        mr_tensor_free(y);
        mr_tensor_free(x);
    }
}

static void test_empty(void)
{
    mr_tensor *x = mr_tensor_zeros(MR_FLOAT64, MR_SHAPE(0, 3)),
              *n = mr_tensor_zeros(MR_INT32, MR_SHAPE(2, 0)), *at;
    mr_tensor *one = mr_tensor_ones(MR_FLOAT64, MR_SHAPE(1)), *s = mr_tensor_full(MR_FLOAT64, MR_SCALAR, 4);
    mr_tensor *full = mr_tensor_ones(MR_FLOAT64, MR_SHAPE(4, 2, 3));
    CHECK(mr_tensor_set_requires_grad(x, true) == MR_OK);
    CHECK(has(mr_sum(tape, x, MR_ALL, false), 1, VALUES(0)));
    CHECK(has(mr_sum(tape, x, MR_DIMS(0), false), 3, VALUES(0, 0, 0)));
    CHECK(has_shape(mr_sum(tape, x, MR_DIMS(1), false), MR_SHAPE(0)));
    CHECK(has_shape(mr_sum(tape, x, MR_DIMS(1), true), MR_SHAPE(0, 1)));
    CHECK(has(mr_sum(tape, n, MR_DIMS(1), false), 2, VALUES(0, 0)));
    mr_tensor *none = mr_slice(tape, full, 0, 0, 0, 1); /* there are elements where it begins */
    CHECK(has(mr_sum(tape, none, MR_DIMS(0, 2), false), 2, VALUES(0, 0)));
    CHECK(has(mr_mean(tape, x, MR_ALL, false), 1, VALUES(NAN)));
    CHECK(has(mr_mean(tape, x, MR_DIMS(0), false), 3, VALUES(NAN, NAN, NAN)));
    CHECK(has(mr_var(tape, x, MR_DIMS(0), false, NULL), 3, VALUES(NAN, NAN, NAN)));
    CHECK(has(mr_var(tape, x, MR_ALL, false, &(mr_var_opts){ .biased = true }), 1, VALUES(NAN)));
    CHECK(has(mr_var(tape, one, MR_ALL, false, NULL), 1, VALUES(NAN)));
    CHECK(has(mr_var(tape, one, MR_ALL, false, &(mr_var_opts){ .biased = true }), 1, VALUES(0)));
    CHECK(has_shape(mr_max(tape, x, MR_DIMS(1), false), MR_SHAPE(0)));
    CHECK(has_shape(mr_argmin(tape, x, MR_DIMS(1), true), MR_SHAPE(0, 1)));
    CHECK(has_shape(mr_max_dim(tape, x, 1, false, &at), MR_SHAPE(0)) && has_shape(at, MR_SHAPE(0)));

    /* A scalar has one dimension to reduce. */
    CHECK(has(mr_sum(tape, s, MR_DIMS(0), true), 1, VALUES(4)) &&
          has(mr_mean(tape, s, MR_DIMS(-1), false), 1, VALUES(4)));
    CHECK(has_shape(mr_max_dim(tape, s, -1, true, &at), MR_SCALAR) && has(at, 1, VALUES(0)));
    CHECK(has(mr_argmax(tape, s, MR_ALL, true), 1, VALUES(0)) &&
          has(mr_min(tape, s, MR_ALL, false), 1, VALUES(4)));
    CHECK(mr_tape_status(tape) == MR_OK);

    CHECK(has_shape(gradient(x, mr_mean(tape, x, MR_ALL, false)), MR_SHAPE(0, 3)));
    CHECK(has_shape(gradient(x, mr_var(tape, x, MR_DIMS(0), false, NULL)), MR_SHAPE(0, 3)));
    CHECK(has_shape(gradient(x, mr_max(tape, x, MR_DIMS(1), false)), MR_SHAPE(0, 3)));
    CHECK(has_shape(gradient(x, mr_min_dim(tape, x, 1, false, NULL)), MR_SHAPE(0, 3)));
    mr_tensor_free(full);
    mr_tensor_free(s);
    mr_tensor_free(one);
    mr_tensor_free(n);
    mr_tensor_free(x);
}

/* ---- gradients against differences ---- */

enum { SUM, MEAN, VAR, BIASED_VAR, MAX, MIN, MAX_DIM, MIN_DIM, OPS };

typedef struct reduction_call {
    int op;
    mr_dims dims;
    bool keepdim, transpose;
} reduction_call;

static mr_tensor *reduce(void *user, mr_tape *t, mr_tensor *const *inputs, int count)
{
    const reduction_call *c = user;
    mr_tensor *x = c->transpose ? mr_transpose(t, inputs[count - 1], 0, -1) : inputs[count - 1];
    switch (c->op) {
    case SUM:
        return mr_sum(t, x, c->dims, c->keepdim);
    case MEAN:
        return mr_mean(t, x, c->dims, c->keepdim);
    case VAR:
        return mr_var(t, x, c->dims, c->keepdim, NULL);
    case BIASED_VAR:
        return mr_var(t, x, c->dims, c->keepdim, &(mr_var_opts){ .biased = true });
    case MAX:
        return mr_max(t, x, c->dims, c->keepdim);
    case MIN:
        return mr_min(t, x, c->dims, c->keepdim);
    case MAX_DIM:
        return mr_max_dim(t, x, c->dims.dim[0], c->keepdim, NULL);
    default:
        return mr_min_dim(t, x, c->dims.dim[0], c->keepdim, NULL);
    }
}

static void test_gradcheck(void)
{
    const mr_dims dims[] = { MR_ALL, MR_DIMS(0), MR_DIMS(1), MR_DIMS(-1), MR_DIMS(0, 2), MR_DIMS(1, 2) };
    mr_tensor *x = mr_tensor_randn(rng, MR_FLOAT64, MR_SHAPE(3, 4, 5));
    CHECK(mr_tensor_set_requires_grad(x, true) == MR_OK);
    for (int i = 0; i < OPS * 6 * 2; i++) {
        reduction_call c = { i % OPS, dims[i / OPS % 6], i & 1, i / OPS / 6 };
        if (!CHECK(mr_gradcheck(reduce, &c, &x, 1, NULL) == MR_OK))
            printf("    op %d: %s\n", c.op, mr_error());
    }
    mr_tensor *s = mr_tensor_ones(MR_FLOAT64, MR_SCALAR);
    CHECK(mr_tensor_set_requires_grad(s, true) == MR_OK);
    for (int op = 0; op < OPS; op++)
        if (op != VAR)
            CHECK(mr_gradcheck(reduce, &(reduction_call){ .op = op }, &s, 1, NULL) == MR_OK);
    mr_tensor_free(s);
    mr_tensor_free(x);
}

/* ---- failures ---- */

static void test_changed_input(void)
{
    mr_tensor *x = mr_tensor_ones(MR_FLOAT64, MR_SHAPE(2));
    CHECK(mr_tensor_set_requires_grad(x, true) == MR_OK);
    mr_tensor_set_name(x, "w");
    mr_tensor *y = mr_sum(tape, x, MR_ALL, false); /* needs no elements */
    CHECK(mr_tensor_fill(x, 2) == MR_OK);
    CHECK(mr_backward(tape, y) == MR_OK);
    mr_tape_reset(tape);
    for (int op = VAR; op <= MAX; op++) {
        y = reduce(&(reduction_call){ .op = op }, tape, &x, 1);
        CHECK(mr_tensor_fill(x, 3) == MR_OK);
        CHECK(mr_backward(tape, y) == MR_ERR_STATE);
        CHECK(strstr(mr_error(), "needs the elements of w[2] as they were"));
        mr_tape_reset(tape);
    }
    mr_tensor_free(x);
}

static void test_failures(void)
{
    mr_tensor *x = mr_tensor_zeros(MR_FLOAT32, MR_SHAPE(2, 3)), *s = mr_tensor_zeros(MR_FLOAT32, MR_SCALAR);
    mr_tensor *n = mr_tensor_zeros(MR_INT64, MR_SHAPE(2)), *half = mr_tensor_zeros(MR_FLOAT16, MR_SHAPE(2)),
              *at = x;
    mr_tensor *empty = mr_tensor_zeros(MR_FLOAT32, MR_SHAPE(3, 0));
    mr_tensor_set_name(x, "w");
    FAILS(mr_sum(tape, x, MR_DIMS(2), false), "sum: dimension 2 of w[2,3] is out of range (-2 to 1)");
    FAILS(mr_sum(tape, x, MR_DIMS(1, -1), false), "sum: dimension -1 of w[2,3] is given twice");
    FAILS(mr_sum(tape, s, MR_DIMS(0, -1), false), "sum: dimension -1 of [] is given twice");
    FAILS(mr_sum(tape, x, ((mr_dims){ .count = 9 }), false), "sum: 9 dimensions given for w[2,3]");
    FAILS(mr_sum(tape, half, MR_ALL, false), "sum: [2] is float16, which is for loading only; cast it first");
    FAILS(mr_sum(tape, NULL, MR_ALL, false), "sum: input is NULL");
    FAILS(mr_mean(tape, n, MR_ALL, false), "mean: [2] is int64, not a floating type; cast it first");
    FAILS(mr_mean(tape, x, MR_DIMS(-3), false), "mean: dimension -3 of w[2,3] is out of range (-2 to 1)");
    FAILS(mr_mean(tape, NULL, MR_ALL, false), "mean: input is NULL");
    FAILS(mr_var(tape, n, MR_ALL, false, NULL), "var: [2] is int64, not a floating type; cast it first");
    FAILS(mr_var(tape, NULL, MR_ALL, false, NULL), "var: input is NULL");
    FAILS(mr_max(tape, empty, MR_ALL, false), "max: [3,0] has no elements to choose from");
    FAILS(mr_min(tape, empty, MR_DIMS(0, 1), false), "min: [3,0] has no elements to choose from");
    FAILS(mr_max(tape, NULL, MR_ALL, false), "max: input is NULL");
    FAILS(mr_max_dim(tape, empty, 1, false, &at), "max_dim: [3,0] has no elements to choose from");
    CHECK(at == NULL);
    FAILS(mr_min_dim(tape, x, 5, false, &at), "min_dim: dimension 5 of w[2,3] is out of range (-2 to 1)");
    FAILS(mr_argmax(tape, x, MR_DIMS(0, 1), false), "argmax: 2 dimensions given; it takes one, or MR_ALL");
    FAILS(mr_argmax(tape, empty, MR_ALL, false), "argmax: [3,0] has no elements to choose from");
    FAILS(mr_argmin(tape, x, MR_DIMS(2), false), "argmin: dimension 2 of w[2,3] is out of range (-2 to 1)");
    FAILS(mr_argmin(tape, NULL, MR_ALL, false), "argmin: input is NULL");
    mr_tensor_free(empty);
    mr_tensor_free(half);
    mr_tensor_free(n);
    mr_tensor_free(s);
    mr_tensor_free(x);
}

int main(void)
{
    rng = mr_rng_new(1);
    tape = mr_tape_new(rng);
    RUN(test_against_loop);
    RUN(test_long_sums);
    RUN(test_integer_sums_wrap);
    RUN(test_nan);
    RUN(test_gradients_by_hand);
    RUN(test_empty);
    RUN(test_gradcheck);
    RUN(test_changed_input);
    RUN(test_failures);
    mr_tape_free(tape);
    mr_rng_free(rng);
    return check_report();
}

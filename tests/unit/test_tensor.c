/* Tensors of the user's own: what they share with their maker, asking, reading and writing them, and what each call
 * refuses. Values are tests/ops/test_create.c's. */
#include "check.h"

#include <millrace/ops.h>

#include <stdlib.h>

static mr_rng *rng;
static mr_tape *tape;

/* Whether x has these elements, as double. */
static bool is(const mr_tensor *x, int64_t n, const double *values)
{
    double got[64];
    bool ok = n <= 64 && mr_copy_out(x, MR_FLOAT64, got, n) == MR_OK;
    for (int64_t i = 0; ok && i < n; i++)
        ok = got[i] == values[i] || (isnan(got[i]) && isnan(values[i]));
    return ok;
}
#define IS(x, ...) \
    is((x), (int64_t)(sizeof((double[]){ __VA_ARGS__ }) / sizeof(double)), (double[]){ __VA_ARGS__ })

/* A call that makes a tensor and must fail. */
#define MAKES_NONE(call, status, text)           \
    do {                                         \
        CHECK(!(call));                          \
        CHECK_EQ_I64(mr_error_status(), status); \
        CHECK_EQ_STR(mr_error(), text);          \
        mr_error_clear();                        \
    } while (0)

#define REFUSES(call, status, text)     \
    do {                                \
        CHECK_EQ_I64((call), status);   \
        CHECK_EQ_STR(mr_error(), text); \
        mr_error_clear();               \
    } while (0)

/* ---- making ---- */

static void test_from_and_wrap(void)
{
    float data[] = { 1, 2, 3, 4, 5, 6 };
    mr_tensor *copy = mr_tensor_from(MR_FLOAT32, MR_SHAPE(2, 3), data);
    mr_tensor *wrap = mr_tensor_wrap(MR_FLOAT32, MR_SHAPE(3, 2), data);
    CHECK(mr_tensor_data(wrap) == data && mr_tensor_data(copy) != data);
    data[0] = 9;
    CHECK(IS(copy, 1, 2, 3, 4, 5, 6) && IS(wrap, 9, 2, 3, 4, 5, 6));
    CHECK(mr_tensor_fill(wrap, 7) == MR_OK && data[5] == 7);
    CHECK(mr_tensor_set_requires_grad(wrap, true) == MR_OK);
    CHECK(mr_backward(tape, mr_sum(tape, wrap, MR_ALL, false)) == MR_OK);
    CHECK(IS(mr_tensor_grad(wrap), 1, 1, 1, 1, 1, 1));
    mr_tape_reset(tape);
    mr_tensor_free(wrap); /* leaves the elements alone */
    CHECK(data[5] == 7);
    mr_tensor_free(copy);
    /* Nothing is needed for nothing. */
    mr_tensor *none = mr_tensor_from(MR_INT64, MR_SHAPE(0, 3), NULL),
              *also = mr_tensor_wrap(MR_BOOL, MR_SHAPE(2, 0), NULL);
    CHECK(none && also && mr_tensor_numel(none) == 0 && mr_tensor_size(also, 0) == 2);
    mr_tensor_free(also);
    mr_tensor_free(none);
    mr_tensor_free(NULL);
}

static void test_keep(void)
{
    mr_tensor *x = mr_tensor_arange(MR_FLOAT64, 0, 6, 1);
    CHECK(mr_tensor_set_requires_grad(x, true) == MR_OK);
    mr_tensor *turned = mr_transpose(tape, mr_reshape(tape, x, MR_SHAPE(2, 3)), 0, 1);
    mr_tensor *kept = mr_tensor_keep(turned), *leaf = mr_tensor_keep(x);
    mr_tensor_free(turned); /* belongs to the tape */
    CHECK(IS(turned, 0, 3, 1, 4, 2, 5));
    mr_tape_reset(tape);
    CHECK(mr_tensor_fill(x, 0) == MR_OK);
    CHECK(IS(kept, 0, 3, 1, 4, 2, 5) && mr_tensor_is_contiguous(kept) && mr_tensor_size(kept, 0) == 3);
    CHECK(!mr_tensor_requires_grad(kept) && !mr_tensor_requires_grad(leaf) && IS(leaf, 0, 1, 2, 3, 4, 5));
    mr_tensor_free(leaf);
    mr_tensor_free(kept);
    mr_tensor_free(x);
    MAKES_NONE(mr_tensor_keep(NULL), MR_ERR_ARGUMENT, "tensor_keep: tensor is NULL");
}

static void test_shapes_and_types_that_are_none(void)
{
    const mr_shape nine = { .ndim = 9 }, minus = { .ndim = -1 };
    double some[2] = { 0 };
    MAKES_NONE(mr_tensor_zeros(MR_FLOAT32, nine), MR_ERR_SHAPE,
               "tensor_zeros: 9 dimensions; a tensor has at most 8");
    MAKES_NONE(mr_tensor_ones(MR_FLOAT32, minus), MR_ERR_SHAPE,
               "tensor_ones: -1 dimensions; a tensor has at most 8");
    MAKES_NONE(mr_tensor_full(MR_FLOAT32, MR_SHAPE(2, -3), 1), MR_ERR_SHAPE,
               "tensor_full: negative size in shape [2,-3]");
    MAKES_NONE(mr_tensor_zeros((mr_dtype)11, MR_SHAPE(2)), MR_ERR_DTYPE, "tensor_zeros: 11 is no dtype");
    MAKES_NONE(mr_tensor_scalar((mr_dtype)-1, 2), MR_ERR_DTYPE, "tensor_scalar: -1 is no dtype");
    MAKES_NONE(mr_tensor_from((mr_dtype)11, MR_SHAPE(2), some), MR_ERR_DTYPE, "tensor_from: 11 is no dtype");
    MAKES_NONE(mr_tensor_wrap((mr_dtype)11, MR_SHAPE(2), some), MR_ERR_DTYPE, "tensor_wrap: 11 is no dtype");
    MAKES_NONE(mr_tensor_arange((mr_dtype)11, 0, 2, 1), MR_ERR_DTYPE, "tensor_arange: 11 is no dtype");
    MAKES_NONE(mr_tensor_linspace((mr_dtype)11, 0, 2, 2), MR_ERR_DTYPE, "tensor_linspace: 11 is no dtype");
    MAKES_NONE(mr_tensor_randint(rng, (mr_dtype)11, 0, 2, MR_SHAPE(2)), MR_ERR_DTYPE,
               "tensor_randint: 11 is no dtype");
    MAKES_NONE(mr_tensor_zeros(MR_INT64, MR_SHAPE(INT64_MAX, INT64_MAX)), MR_ERR_SHAPE,
               "tensor_zeros: shape [9223372036854775807,9223372036854775807] has too many elements");
    MAKES_NONE(mr_tensor_zeros(MR_INT64, MR_SHAPE(INT64_MAX, 2, 0)), MR_ERR_SHAPE,
               "tensor_zeros: shape [9223372036854775807,2,0] has too many elements");
    MAKES_NONE(mr_tensor_rand(rng, MR_FLOAT32, MR_SHAPE(-1)), MR_ERR_SHAPE,
               "tensor_rand: negative size in shape [-1]");
    MAKES_NONE(mr_tensor_randn(rng, MR_FLOAT64, nine), MR_ERR_SHAPE,
               "tensor_randn: 9 dimensions; a tensor has at most 8");
    MAKES_NONE(mr_tensor_from(MR_FLOAT32, MR_SHAPE(2), NULL), MR_ERR_ARGUMENT, "tensor_from: data is NULL");
    MAKES_NONE(mr_tensor_wrap(MR_FLOAT32, MR_SCALAR, NULL), MR_ERR_ARGUMENT, "tensor_wrap: data is NULL");
}

static void test_ranges_that_are_none(void)
{
    MAKES_NONE(mr_tensor_arange(MR_FLOAT32, 0, 5, -1), MR_ERR_ARGUMENT,
               "tensor_arange: no range of float32 from 0 to 5 in steps of -1");
    MAKES_NONE(mr_tensor_arange(MR_FLOAT64, 1.5, INFINITY, 0.25), MR_ERR_ARGUMENT,
               "tensor_arange: no range of float64 from 1.5 to inf in steps of 0.25");
    MAKES_NONE(mr_tensor_arange(MR_INT64, 0, 5, 0.5), MR_ERR_ARGUMENT,
               "tensor_arange: no range of int64 from 0 to 5 in steps of 0.5");
    MAKES_NONE(mr_tensor_arange(MR_BOOL, 0, 2, 1), MR_ERR_DTYPE, "tensor_arange: not defined for bool");
    MAKES_NONE(mr_tensor_linspace(MR_FLOAT32, 0, 1, -1), MR_ERR_ARGUMENT, "tensor_linspace: -1 steps");
    MAKES_NONE(mr_tensor_linspace(MR_BOOL, 0, 1, 2), MR_ERR_DTYPE, "tensor_linspace: not defined for bool");
    MAKES_NONE(mr_tensor_linspace(MR_UINT8, 0, 256.5, 2), MR_ERR_ARGUMENT,
               "tensor_linspace: uint8 does not hold the values from 0 to 256.5");
    MAKES_NONE(mr_tensor_linspace(MR_INT32, NAN, 1, 2), MR_ERR_ARGUMENT,
               "tensor_linspace: int32 does not hold the values from nan to 1");
}

static void test_draws_that_are_none(void)
{
    MAKES_NONE(mr_tensor_rand(NULL, MR_FLOAT32, MR_SHAPE(2)), MR_ERR_ARGUMENT, "tensor_rand: rng is NULL");
    MAKES_NONE(mr_tensor_randn(NULL, MR_FLOAT32, MR_SHAPE(2)), MR_ERR_ARGUMENT, "tensor_randn: rng is NULL");
    MAKES_NONE(mr_tensor_randint(NULL, MR_INT64, 0, 2, MR_SHAPE(2)), MR_ERR_ARGUMENT,
               "tensor_randint: rng is NULL");
    MAKES_NONE(mr_tensor_randperm(NULL, 2), MR_ERR_ARGUMENT, "tensor_randperm: rng is NULL");
    MAKES_NONE(mr_tensor_rand(rng, MR_INT64, MR_SHAPE(2)), MR_ERR_DTYPE,
               "tensor_rand: int64 is not a floating type that can be drawn");
    MAKES_NONE(mr_tensor_randn(rng, MR_FLOAT16, MR_SHAPE(2)), MR_ERR_DTYPE,
               "tensor_randn: float16 is not a floating type that can be drawn");
    MAKES_NONE(mr_tensor_randint(rng, MR_INT64, 5, 5, MR_SHAPE(2)), MR_ERR_ARGUMENT,
               "tensor_randint: low 5 is not below high 5");
    MAKES_NONE(mr_tensor_randint(rng, MR_FLOAT32, 1073741825, 1073741826, MR_SHAPE(2)), MR_ERR_ARGUMENT,
               "tensor_randint: low 1073741825 is not below high 1073741826");
    MAKES_NONE(mr_tensor_randint(rng, MR_UINT8, -1, 300, MR_SHAPE(2)), MR_ERR_ARGUMENT,
               "tensor_randint: uint8 does not hold the values from -1 to 299");
    MAKES_NONE(mr_tensor_randint(rng, MR_UINT16, 0, 65537, MR_SHAPE(2)), MR_ERR_ARGUMENT,
               "tensor_randint: uint16 does not hold the values from 0 to 65536");
    MAKES_NONE(mr_tensor_randperm(rng, -1), MR_ERR_ARGUMENT,
               "tensor_randperm: count -1 is not from 0 to 2^32-1");
    MAKES_NONE(mr_tensor_randperm(rng, INT64_C(1) << 32), MR_ERR_ARGUMENT,
               "tensor_randperm: count 4294967296 is not from 0 to 2^32-1");
}

/* ---- asking ---- */

static void test_asking(void)
{
    mr_tensor *x = mr_tensor_zeros(MR_INT32, MR_SHAPE(2, 3, 4));
    CHECK(mr_tensor_dtype(x) == MR_INT32 && mr_tensor_ndim(x) == 3 && mr_tensor_numel(x) == 24);
    CHECK(mr_tensor_size(x, 0) == 2 && mr_tensor_size(x, -1) == 4 && mr_tensor_size(x, -3) == 2);
    CHECK(mr_tensor_stride(x, 0) == 12 && mr_tensor_stride(x, -2) == 4 && mr_tensor_stride(x, 2) == 1);
    CHECK(mr_tensor_size(x, 3) == -1 && mr_tensor_size(x, -4) == -1);
    CHECK(mr_tensor_stride(x, 3) == -1 && mr_tensor_stride(x, -4) == -1);
    mr_shape shape = mr_tensor_shape(x);
    CHECK(shape.ndim == 3 && shape.dim[0] == 2 && shape.dim[1] == 3 && shape.dim[2] == 4);
    CHECK(mr_tensor_is_contiguous(x));
    CHECK(!mr_tensor_is_contiguous(mr_transpose(tape, x, 0, 1)));
    mr_tape_reset(tape);
    mr_tensor_free(x);
    CHECK(mr_tensor_dtype(NULL) == MR_FLOAT32 && mr_tensor_ndim(NULL) == 0 && mr_tensor_numel(NULL) == 0);
    CHECK(mr_tensor_shape(NULL).ndim == 0 && mr_tensor_size(NULL, 0) == -1 &&
          mr_tensor_stride(NULL, 0) == -1);
    CHECK(!mr_tensor_is_contiguous(NULL) && !mr_tensor_data(NULL));
}

static void test_names(void)
{
    mr_tensor *x = mr_tensor_zeros(MR_FLOAT32, MR_SHAPE(2));
    char name[] = "layer1.bias", longer[200];
    CHECK_EQ_STR(mr_tensor_name(x), "");
    mr_tensor_set_name(x, name);
    name[0] = 'L';
    CHECK_EQ_STR(mr_tensor_name(x), "layer1.bias");
    mr_tensor_set_name(x, "w");
    CHECK_EQ_STR(mr_tensor_name(x), "w");
    mr_tensor *y = mr_exp(tape, x); /* results have none */
    mr_tensor_set_name(y, "y");
    CHECK_EQ_STR(mr_tensor_name(y), "");
    memset(longer, 'n', sizeof longer);
    longer[sizeof longer - 1] = 0;
    mr_tensor_set_name(x, longer); /* kept whole, and cut in messages */
    CHECK_EQ_STR(mr_tensor_name(x), longer);
    CHECK(isnan(mr_item(x)));
    CHECK_EQ_STR(mr_error(),
                 "item: nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn[2] "
                 "has 2 elements, not one");
    mr_tensor_set_name(x, NULL);
    CHECK_EQ_STR(mr_tensor_name(x), "");
    mr_tensor_set_name(NULL, "w");
    CHECK_EQ_STR(mr_tensor_name(NULL), "");
    mr_tape_reset(tape);
    mr_tensor_free(x);
}

/* ---- reading ---- */

static void test_item(void)
{
    static const struct {
        mr_dtype dtype;
        double value, item;
        int64_t integer;
    } table[] = { { MR_FLOAT32, 0.1, 0.1f, 0 },
                  { MR_FLOAT64, -2.75, -2.75, -2 },
                  { MR_INT64, -7, -7, -7 },
                  { MR_INT32, 7, 7, 7 },
                  { MR_UINT8, 200, 200, 200 },
                  { MR_BOOL, 5, 1, 1 },
                  { MR_FLOAT16, 0.5, 0.5, 0 },
                  { MR_BFLOAT16, -3, -3, -3 },
                  { MR_INT8, -7, -7, -7 },
                  { MR_INT16, -700, -700, -700 },
                  { MR_UINT16, 65535, 65535, 65535 },
                  { MR_FLOAT64, INFINITY, INFINITY, INT64_MIN } };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        mr_tensor *x = mr_tensor_full(table[i].dtype, MR_SHAPE(1, 1), table[i].value);
        CHECK(mr_item(x) == table[i].item);
        CHECK_EQ_I64(mr_item_int64(x), table[i].integer);
        mr_tensor_free(x);
    }
    const int64_t large = INT64_C(9007199254740993);
    mr_tensor *x = mr_tensor_from(MR_INT64, MR_SCALAR, &large),
              *two = mr_tensor_zeros(MR_FLOAT32, MR_SHAPE(2, 3)),
              *none = mr_tensor_zeros(MR_FLOAT32, MR_SHAPE(0));
    CHECK_EQ_I64(mr_item_int64(x), large);
    CHECK(isnan(mr_item(two)));
    CHECK_EQ_STR(mr_error(), "item: [2,3] has 6 elements, not one");
    CHECK(mr_error_status() == MR_ERR_SHAPE);
    CHECK(mr_item_int64(none) == 0);
    CHECK_EQ_STR(mr_error(), "item: [0] has 0 elements, not one");
    CHECK(isnan(mr_item(NULL)));
    CHECK_EQ_STR(mr_error(), "item: tensor is NULL");
    CHECK(mr_item(mr_select(tape, mr_select(tape, two, 0, 1), 0, 2)) == 0); /* of a view */
    mr_tape_reset(tape);
    mr_tensor_free(none);
    mr_tensor_free(two);
    mr_tensor_free(x);
}

static void test_copy_out(void)
{
    mr_tensor *x = mr_tensor_arange(MR_FLOAT32, 0.5, 6, 1),
              *none = mr_tensor_zeros(MR_FLOAT32, MR_SHAPE(2, 0));
    int32_t whole[6] = { 0 };
    CHECK(mr_copy_out(mr_transpose(tape, mr_reshape(tape, x, MR_SHAPE(2, 3)), 0, 1), MR_INT32, whole, 6) ==
          MR_OK);
    CHECK(whole[0] == 0 && whole[1] == 3 && whole[2] == 1 && whole[5] == 5);
    CHECK(mr_copy_out(none, MR_INT32, NULL, 0) == MR_OK);
    mr_tensor_set_name(x, "w");
    REFUSES(mr_copy_out(NULL, MR_INT32, whole, 6), MR_ERR_ARGUMENT, "copy_out: tensor is NULL");
    REFUSES(mr_copy_out(x, MR_INT32, NULL, 6), MR_ERR_ARGUMENT, "copy_out: out is NULL");
    REFUSES(mr_copy_out(x, (mr_dtype)11, whole, 6), MR_ERR_DTYPE, "copy_out: 11 is no dtype");
    REFUSES(mr_copy_out(x, MR_INT32, whole, 5), MR_ERR_ARGUMENT,
            "copy_out: w[6] has 6 elements, the buffer 5");
    mr_tape_reset(tape);
    mr_tensor_free(none);
    mr_tensor_free(x);
}

/* ---- writing ---- */

static void test_fill(void)
{
    static const struct {
        mr_dtype dtype;
        double value, held;
    } table[] = { { MR_FLOAT32, 0.1, 0.1f },
                  { MR_FLOAT64, 0.1, 0.1 },
                  { MR_INT64, -2.75, -2 },
                  { MR_INT32, 2.75, 2 },
                  { MR_UINT8, 255, 255 },
                  { MR_BOOL, 0.5, 1 },
                  { MR_FLOAT16, 0.1, 0.0999755859375 },
                  { MR_INT8, -3, -3 },
                  { MR_BFLOAT16, 0.1, 0.10009765625 },
                  { MR_INT16, 300, 300 },
                  { MR_UINT16, 300, 300 } };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        mr_tensor *x = mr_tensor_zeros(table[i].dtype, MR_SHAPE(1, 3));
        CHECK(mr_tensor_fill(x, table[i].value) == MR_OK);
        CHECK(IS(x, table[i].held, table[i].held, table[i].held));
        mr_tensor_free(x);
    }
    mr_tensor *none = mr_tensor_ones(MR_FLOAT32, MR_SHAPE(0));
    CHECK(mr_tensor_fill(none, 3) == MR_OK);
    REFUSES(mr_tensor_fill(NULL, 3), MR_ERR_ARGUMENT, "tensor_fill: dst is NULL");
    REFUSES(mr_tensor_fill(mr_exp(tape, none), 3), MR_ERR_ARGUMENT,
            "tensor_fill: dst is a result on a tape, which nothing may change");
    mr_tape_reset(tape);
    mr_tensor_free(none);
}

static void test_copy(void)
{
    mr_tensor *dst = mr_tensor_zeros(MR_FLOAT32, MR_SHAPE(2, 3)), *row = mr_tensor_arange(MR_INT64, 1, 4, 1),
              *one = mr_tensor_scalar(MR_BOOL, 1), *x = mr_tensor_arange(MR_FLOAT64, 0.5, 6, 1);
    CHECK(mr_tensor_copy(dst, row) == MR_OK && IS(dst, 1, 2, 3, 1, 2, 3));
    CHECK(mr_tensor_copy(dst, one) == MR_OK && IS(dst, 1, 1, 1, 1, 1, 1));
    CHECK(mr_tensor_copy(dst, mr_transpose(tape, mr_reshape(tape, x, MR_SHAPE(3, 2)), 0, 1)) == MR_OK);
    CHECK(IS(dst, 0.5, 2.5, 4.5, 1.5, 3.5, 5.5));
    CHECK(mr_tensor_copy(dst, mr_reshape(tape, mr_slice(tape, x, 0, 0, 2, 1), MR_SHAPE(2, 1))) == MR_OK);
    CHECK(IS(dst, 0.5, 0.5, 0.5, 1.5, 1.5, 1.5));
    CHECK(mr_tensor_copy(dst, mr_expand(tape, row, MR_SHAPE(2, 3))) == MR_OK && IS(dst, 1, 2, 3, 1, 2, 3));
    CHECK(mr_tensor_copy(dst, dst) == MR_OK && IS(dst, 1, 2, 3, 1, 2, 3));
    /* Of a recorded tensor: the copy is detached, so that a hidden state can go into the next step. */
    CHECK(mr_tensor_set_requires_grad(x, true) == MR_OK);
    mr_tensor *hidden = mr_tensor_zeros(MR_FLOAT64, MR_SHAPE(6));
    CHECK(mr_tensor_copy(hidden, mr_mul_scalar(tape, x, 2)) == MR_OK && IS(hidden, 1, 3, 5, 7, 9, 11));
    CHECK(!mr_tensor_requires_grad(hidden));
    mr_tensor *none = mr_tensor_zeros(MR_FLOAT32, MR_SHAPE(0, 3));
    CHECK(mr_tensor_copy(none, row) == MR_OK && mr_tensor_copy(none, none) == MR_OK);
    mr_tensor_set_name(dst, "state");
    REFUSES(mr_tensor_copy(NULL, row), MR_ERR_ARGUMENT, "tensor_copy: dst is NULL");
    REFUSES(mr_tensor_copy(dst, NULL), MR_ERR_ARGUMENT, "tensor_copy: src is NULL");
    REFUSES(mr_tensor_copy(mr_exp(tape, x), x), MR_ERR_ARGUMENT,
            "tensor_copy: dst is a result on a tape, which nothing may change");
    REFUSES(mr_tensor_copy(dst, x), MR_ERR_SHAPE, "tensor_copy: [6] does not broadcast to state[2,3]");
    REFUSES(mr_tensor_copy(row, dst), MR_ERR_SHAPE, "tensor_copy: state[2,3] does not broadcast to [3]");
    REFUSES(mr_tensor_copy(one, row), MR_ERR_SHAPE, "tensor_copy: [3] does not broadcast to []");
    REFUSES(mr_tensor_copy(dst, none), MR_ERR_SHAPE, "tensor_copy: [0,3] does not broadcast to state[2,3]");
    CHECK(IS(dst, 1, 2, 3, 1, 2, 3));
    mr_tape_reset(tape);
    mr_tensor *all[] = { dst, row, one, x, hidden, none };
    for (int i = 0; i < 6; i++)
        mr_tensor_free(all[i]);
}

static void test_add_scaled(void)
{
    for (int dtype = MR_FLOAT32; dtype <= MR_FLOAT64; dtype++) {
        mr_tensor *p = mr_tensor_full((mr_dtype)dtype, MR_SHAPE(3, 7), 1),
                  *g = mr_tensor_full((mr_dtype)dtype, MR_SHAPE(3, 7), 2);
        CHECK(mr_tensor_add_scaled(p, -0.25, g) == MR_OK);
        bool half = true;
        for (int i = 0; i < 21; i++)
            half = half && mr_item(mr_select(tape, mr_reshape(tape, p, MR_SHAPE(21)), 0, i)) == 0.5;
        CHECK(half);
        CHECK(mr_tensor_add_scaled(p, 1, p) == MR_OK);
        CHECK(mr_item(mr_max(tape, p, MR_ALL, false)) == 1 && mr_item(mr_min(tape, p, MR_ALL, false)) == 1);
        mr_tape_reset(tape);
        mr_tensor_free(g);
        mr_tensor_free(p);
    }
    /* torch's p.sub_(lr * p.grad) in one line. */
    mr_tensor *p = mr_tensor_full(MR_FLOAT32, MR_SHAPE(2), 3);
    CHECK(mr_tensor_set_requires_grad(p, true) == MR_OK);
    CHECK(mr_backward(tape, mr_sum(tape, mr_mul(tape, p, p), MR_ALL, false)) == MR_OK);
    CHECK(mr_tensor_add_scaled(p, -0.5, mr_tensor_grad(p)) == MR_OK && IS(p, 0, 0));
    CHECK(mr_tensor_requires_grad(p));
    mr_tape_reset(tape);
    mr_tensor_set_name(p, "w");
    mr_tensor *d = mr_tensor_ones(MR_FLOAT64, MR_SHAPE(2)), *n = mr_tensor_ones(MR_INT64, MR_SHAPE(2)),
              *s = mr_tensor_ones(MR_FLOAT32, MR_SHAPE(1, 2));
    REFUSES(mr_tensor_add_scaled(NULL, 1, p), MR_ERR_ARGUMENT, "tensor_add_scaled: dst is NULL");
    REFUSES(mr_tensor_add_scaled(p, 1, NULL), MR_ERR_ARGUMENT, "tensor_add_scaled: src is NULL");
    REFUSES(mr_tensor_add_scaled(mr_exp(tape, p), 1, p), MR_ERR_ARGUMENT,
            "tensor_add_scaled: dst is a result on a tape, which nothing may change");
    REFUSES(mr_tensor_add_scaled(p, 1, d), MR_ERR_SHAPE,
            "tensor_add_scaled: dst is float32w[2], src float64[2]; both must be of one floating type and "
            "shape, and "
            "contiguous");
    REFUSES(mr_tensor_add_scaled(p, 1, s), MR_ERR_SHAPE,
            "tensor_add_scaled: dst is float32w[2], src float32[1,2]; both must be of one floating type and "
            "shape, and "
            "contiguous");
    REFUSES(
        mr_tensor_add_scaled(n, 1, n), MR_ERR_SHAPE,
        "tensor_add_scaled: dst is int64[2], src int64[2]; both must be of one floating type and shape, and "
        "contiguous");
    mr_tensor *four = mr_tensor_ones(MR_FLOAT32, MR_SHAPE(4));
    REFUSES(mr_tensor_add_scaled(p, 1, mr_slice(tape, four, 0, 0, 4, 2)), MR_ERR_SHAPE,
            "tensor_add_scaled: dst is float32w[2], src float32[2]; both must be of one floating type and "
            "shape, and "
            "contiguous");
    CHECK(IS(p, 0, 0));
    mr_tape_reset(tape);
    mr_tensor *all[] = { p, d, n, s, four };
    for (int i = 0; i < 5; i++)
        mr_tensor_free(all[i]);
}

int main(void)
{
    rng = mr_rng_new(1);
    tape = mr_tape_new(rng);
    RUN(test_from_and_wrap);
    RUN(test_keep);
    RUN(test_shapes_and_types_that_are_none);
    RUN(test_ranges_that_are_none);
    RUN(test_draws_that_are_none);
    RUN(test_asking);
    RUN(test_names);
    RUN(test_item);
    RUN(test_copy_out);
    RUN(test_fill);
    RUN(test_copy);
    RUN(test_add_scaled);
    mr_tape_free(tape);
    mr_rng_free(rng);
    return check_report();
}

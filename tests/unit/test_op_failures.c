/* What every operation says to a NULL tape, NULL tensors, tensors from before a reset and types that are for loading
 * only, that it does nothing on a tape that has failed, and the texts that no other test asks for. */
#include "all_ops.h"
#include "check.h"

static mr_rng *rng;
static mr_tape *tape;

/* Runs the operation, which must fail with this text and status. */
static void fails(const op *o, mr_tape *t, mr_tensor **x, mr_status status, const char *text)
{
    CHECK(!o->run(t, x));
    CHECK_EQ_I64(mr_error_status(), status);
    CHECK_EQ_STR(mr_error(), text);
    if (t)
        CHECK_EQ_I64(mr_tape_status(t), status);
    mr_tape_reset(t);
    mr_error_clear();
}

static void test_they_work(void)
{
    for (int i = 0; i < OPS; i++) {
        mr_tensor *x[MOST];
        make_inputs(&ops[i], MR_FLOAT32, x);
        const mr_tensor *y = ops[i].run(tape, x);
        if (!CHECK(y != NULL))
            printf("    %s: %s\n", ops[i].name, mr_error());
        CHECK(mr_tape_status(tape) == MR_OK);
        mr_tape_reset(tape);
        free_inputs(x);
    }
}

static void test_null_tape(void)
{
    char text[64];
    for (int i = 0; i < OPS; i++) {
        mr_tensor *x[MOST];
        make_inputs(&ops[i], MR_FLOAT32, x);
        snprintf(text, sizeof text, "%s: tape is NULL", ops[i].name);
        fails(&ops[i], NULL, x, MR_ERR_ARGUMENT, text);
        free_inputs(x);
    }
}

static void test_null_inputs(void)
{
    char text[64];
    for (int i = 0; i < OPS; i++)
        for (int k = 0; k < ops[i].inputs; k++) {
            mr_tensor *x[MOST], *given;
            make_inputs(&ops[i], MR_FLOAT32, x);
            given = x[k];
            x[k] = NULL;
            snprintf(text, sizeof text, "%s: %s is NULL", ops[i].name, ops[i].input[k]);
            fails(&ops[i], tape, x, MR_ERR_ARGUMENT, text);
            /* Beside an earlier failure NULL is silent, and the tape's failure is that one. */
            CHECK(mr_fail(MR_ERR_FORMAT, "the first cause") == MR_ERR_FORMAT);
            fails(&ops[i], tape, x, MR_ERR_FORMAT, "the first cause");
            x[k] = given;
            free_inputs(x);
        }
}

static void test_failed_tape(void)
{
    mr_tensor *odd = mr_tensor_zeros(MR_FLOAT32, MR_SHAPE(3));
    for (int i = 0; i < OPS; i++) {
        mr_tensor *x[MOST];
        make_inputs(&ops[i], MR_FLOAT32, x);
        CHECK(!mr_add(tape, x[0], odd));
        CHECK(*mr_error()); /* settles it */
        size_t before = mr_tape_bytes(tape);
        CHECK(!ops[i].run(tape, x));
        CHECK(!ops[i].run(tape, (mr_tensor *[MOST]){ NULL }));
        CHECK(mr_tape_bytes(tape) == before);
        CHECK(mr_tape_status(tape) == MR_ERR_SHAPE);
        CHECK_EQ_STR(mr_error(), "add: shapes do not broadcast: [2,2] and [3]");
        mr_tape_reset(tape);
        mr_error_clear();
        free_inputs(x);
    }
    mr_tensor_free(odd);
}

/* ---- tensors from before a reset: only Debug sees them ---- */

static void test_stale_inputs(void)
{
#ifndef NDEBUG
    char text[128];
    for (int i = 0; i < OPS; i++)
        for (int k = 0; k < ops[i].inputs; k++)
            for (int resets = 1; resets <= 2; resets++) {
                mr_tensor *x[MOST], *given;
                make_inputs(&ops[i], MR_FLOAT32, x);
                given = x[k];
                x[k] = mr_clone(tape, given);
                for (int r = 0; r < resets; r++)
                    mr_tape_reset(tape);
                snprintf(text, sizeof text, "%s: %s is a tensor from before its tape's reset", ops[i].name,
                         ops[i].input[k]);
                fails(&ops[i], tape, x, MR_ERR_STATE, text);
                x[k] = given;
                free_inputs(x);
            }
#endif
}

/* ---- types ---- */

static void test_types_for_loading(void)
{
    static const mr_dtype loading[] = { MR_FLOAT16, MR_BFLOAT16, MR_INT8, MR_INT16, MR_UINT16 };
    char text[128];
    for (int i = 0; i < OPS; i++)
        for (int d = 0; d < 5; d++) {
            mr_tensor *x[MOST];
            const char *type = mr_dtype_name(loading[d]);
            make_inputs(&ops[i], loading[d], x);
            if (ops[i].moves) {
                if (!CHECK(ops[i].run(tape, x) != NULL))
                    printf("    %s: %s\n", ops[i].name, mr_error());
                mr_tape_reset(tape);
            } else {
                if (strcmp(ops[i].name, "linear") == 0)
                    snprintf(
                        text, sizeof text,
                        "linear: input [2,2] is %s, weight [2,2] %s, and all must be of one floating type",
                        type, type);
                else if (ops[i].floats)
                    snprintf(text, sizeof text, "%s: input [2,2] is %s, not a floating type", ops[i].name,
                             type);
                else
                    snprintf(text, sizeof text, "%s: [2,2] is %s, which is for loading only; cast it first",
                             ops[i].name, type);
                fails(&ops[i], tape, x, MR_ERR_DTYPE, text);
            }
            free_inputs(x);
        }
}

/* The second of two alone. */
static void test_second_type(void)
{
    char text[128];
    for (int i = 0; i < OPS; i++) {
        if (ops[i].moves || ops[i].inputs != 2 || strcmp(ops[i].name, "linear") == 0)
            continue;
        for (int k = 0; k < 2; k++) {
            mr_tensor *x[MOST], *half = mr_tensor_zeros(MR_FLOAT16, MR_SHAPE(2, 2)), *given;
            make_inputs(&ops[i], MR_INT64, x);
            given = x[k];
            x[k] = half;
            snprintf(text, sizeof text, "%s: [2,2] is float16, which is for loading only; cast it first",
                     ops[i].name);
            fails(&ops[i], tape, x, MR_ERR_DTYPE, text);
            x[k] = given;
            mr_tensor_free(half);
            free_inputs(x);
        }
    }
}

/* ---- what else can be wrong ---- */

#define FAILS(call, status, text)                   \
    do {                                            \
        CHECK(!(call));                             \
        CHECK_EQ_I64(mr_error_status(), status);    \
        CHECK_EQ_STR(mr_error(), text);             \
        CHECK_EQ_I64(mr_tape_status(tape), status); \
        mr_tape_reset(tape);                        \
        mr_error_clear();                           \
    } while (0)

static void test_broadcasting(void)
{
    static const struct {
        const char *name;
        mr_tensor *(*run)(mr_tape *, mr_tensor *, mr_tensor *);
    } all[] = { { "add", mr_add }, { "sub", mr_sub },         { "mul", mr_mul },         { "div", mr_div },
                { "pow", mr_pow }, { "minimum", mr_minimum }, { "maximum", mr_maximum }, { "eq", mr_eq },
                { "ne", mr_ne },   { "lt", mr_lt },           { "le", mr_le },           { "gt", mr_gt },
                { "ge", mr_ge } };
    mr_tensor *a = mr_tensor_zeros(MR_FLOAT32, MR_SHAPE(2, 3)), *b = mr_tensor_zeros(MR_FLOAT32, MR_SHAPE(2)),
              *one = mr_tensor_zeros(MR_FLOAT32, MR_SCALAR);
    char text[128];
    mr_tensor_set_name(a, "layer1.weight");
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        snprintf(text, sizeof text, "%s: shapes do not broadcast: layer1.weight[2,3] and [2]", all[i].name);
        FAILS(all[i].run(tape, a, b), MR_ERR_SHAPE, text);
        snprintf(text, sizeof text, "%s: shapes do not broadcast: [2] and layer1.weight[2,3]", all[i].name);
        FAILS(all[i].run(tape, b, a), MR_ERR_SHAPE, text);
        /* More elements than there can be, from two that have one. */
        mr_tensor *tall = mr_expand(tape, one, MR_SHAPE(INT64_C(1) << 40, 1)),
                  *wide = mr_expand(tape, one, MR_SHAPE(1, INT64_C(1) << 40));
        snprintf(text, sizeof text, "%s: shape [1099511627776,1099511627776] has too many elements",
                 all[i].name);
        FAILS(all[i].run(tape, tall, wide), MR_ERR_SHAPE, text);
    }
    mr_tensor *c = mr_tensor_zeros(MR_BOOL, MR_SHAPE(4));
    FAILS(mr_where(tape, c, a, b), MR_ERR_SHAPE,
          "where: shapes do not broadcast: layer1.weight[2,3] and [2]");
    FAILS(mr_where(tape, c, a, one), MR_ERR_SHAPE, "where: shapes do not broadcast: [4] and [2,3]");
    FAILS(mr_where(tape, a, b, b), MR_ERR_DTYPE,
          "where: the condition layer1.weight[2,3] is float32, not bool");
    mr_tensor_free(c);
    mr_tensor_free(one);
    mr_tensor_free(b);
    mr_tensor_free(a);
}

static void test_elementwise_types(void)
{
    mr_tensor *t = mr_tensor_ones(MR_BOOL, MR_SHAPE(2)), *f = mr_tensor_ones(MR_FLOAT32, MR_SCALAR);
    mr_tensor *i = mr_tensor_full(MR_INT64, MR_SHAPE(2), -3), *u = mr_tensor_ones(MR_UINT8, MR_SHAPE(2));
    mr_tensor_set_name(t, "mask");
    FAILS(mr_sub(tape, t, t), MR_ERR_DTYPE, "sub: not defined for bool mask[2] and bool mask[2]");
    FAILS(mr_sub(tape, f, t), MR_ERR_DTYPE, "sub: not defined for float32 [] and bool mask[2]");
    FAILS(mr_pow(tape, t, t), MR_ERR_DTYPE, "pow: not defined for bool mask[2] and bool mask[2]");
    FAILS(mr_pow(tape, u, i), MR_ERR_ARGUMENT, "pow: integers [2] to the negative power -3 of [2]");
    FAILS(mr_neg(tape, t), MR_ERR_DTYPE, "neg: not defined for bool mask[2]");
    FAILS(mr_relu(tape, t), MR_ERR_DTYPE, "relu: not defined for bool mask[2]");
    FAILS(mr_sub_scalar(tape, t, 1), MR_ERR_DTYPE, "sub_scalar: not defined for bool mask[2]");
    FAILS(mr_rsub_scalar(tape, t, 1), MR_ERR_DTYPE, "rsub_scalar: not defined for bool mask[2]");
    FAILS(mr_clamp(tape, t, 0, 1), MR_ERR_DTYPE, "clamp: not defined for bool mask[2]");
    FAILS(mr_clamp(tape, f, NAN, 1), MR_ERR_ARGUMENT, "clamp: a bound is NaN");
    FAILS(mr_clamp(tape, f, 0, NAN), MR_ERR_ARGUMENT, "clamp: a bound is NaN");
    FAILS(mr_clamp(tape, i, -0.5, 2), MR_ERR_ARGUMENT, "clamp: bounds -0.5 and 2 of int64 [2] are not whole");
    FAILS(mr_clamp(tape, u, -INFINITY, 2.5), MR_ERR_ARGUMENT,
          "clamp: bounds -inf and 2.5 of uint8 [2] are not whole");
    mr_tensor_free(u);
    mr_tensor_free(i);
    mr_tensor_free(f);
    mr_tensor_free(t);
}

static void test_linear(void)
{
    mr_tensor *x = mr_tensor_ones(MR_FLOAT32, MR_SHAPE(3, 5)),
              *w = mr_tensor_ones(MR_FLOAT32, MR_SHAPE(7, 5)), *b = mr_tensor_ones(MR_FLOAT32, MR_SHAPE(7)),
              *d = mr_tensor_ones(MR_FLOAT64, MR_SHAPE(7, 5)), *s = mr_tensor_ones(MR_FLOAT32, MR_SCALAR),
              *n = mr_tensor_ones(MR_INT64, MR_SHAPE(7, 5));
    mr_tensor_set_name(w, "layer1.weight");
    mr_tensor_set_name(b, "layer1.bias");
    FAILS(mr_linear(tape, x, d, b), MR_ERR_DTYPE,
          "linear: input [3,5] is float32, weight [7,5] float64, and all must be of one floating type");
    FAILS(mr_linear(tape, n, n, n), MR_ERR_DTYPE,
          "linear: input [7,5] is int64, weight [7,5] int64, and all must be of one floating type");
    FAILS(mr_linear(tape, x, b, b), MR_ERR_SHAPE, "linear: weight layer1.bias[7] is no matrix");
    FAILS(mr_linear(tape, w, x, b), MR_ERR_SHAPE,
          "linear: bias layer1.bias[7] does not go with weight [3,5]");
    FAILS(mr_linear(tape, x, w, w), MR_ERR_SHAPE,
          "linear: bias layer1.weight[7,5] does not go with weight layer1.weight[7,5]");
    FAILS(mr_linear(tape, b, w, b), MR_ERR_SHAPE,
          "linear: the last size of input layer1.bias[7] is not the last of weight layer1.weight[7,5]");
    FAILS(mr_linear_no_bias(tape, s, w), MR_ERR_SHAPE,
          "linear: the last size of input [] is not the last of weight layer1.weight[7,5]");
    mr_tensor *all[] = { x, w, b, d, s, n };
    for (int i = 0; i < 6; i++)
        mr_tensor_free(all[i]);
}

static void test_constants_and_copies(void)
{
    mr_tensor *x = mr_tensor_ones(MR_FLOAT32, MR_SHAPE(2)), *n = mr_tensor_ones(MR_INT32, MR_SHAPE(1, 2));
    const mr_shape deep = { .ndim = 9 };
    FAILS(mr_cast(tape, x, (mr_dtype)11), MR_ERR_DTYPE, "cast: 11 is no dtype");
    FAILS(mr_full(tape, MR_FLOAT32, MR_SHAPE(2, -1), 0), MR_ERR_SHAPE, "full: negative size in shape [2,-1]");
    FAILS(mr_full(tape, (mr_dtype)-1, MR_SHAPE(2), 0), MR_ERR_DTYPE, "full: -1 is no dtype");
    FAILS(mr_full(tape, MR_FLOAT32, deep, 0), MR_ERR_SHAPE, "full: 9 dimensions; a tensor has at most 8");
    FAILS(mr_scalar(tape, (mr_dtype)99, 0), MR_ERR_DTYPE, "scalar: 99 is no dtype");
    FAILS(mr_gather(tape, x, 0, n), MR_ERR_DTYPE, "gather: index [1,2] is int32, not int64");
    CHECK(!mr_full(NULL, MR_FLOAT32, MR_SHAPE(2), 0));
    CHECK_EQ_STR(mr_error(), "full: tape is NULL");
    CHECK(!mr_scalar(NULL, MR_FLOAT32, 0));
    CHECK_EQ_STR(mr_error(), "scalar: tape is NULL");
    mr_tensor_free(n);
    mr_tensor_free(x);
}

/* Eight dimensions are the most, and sizes must fit, whatever makes them. */
static void test_limits(void)
{
    mr_tensor *x = mr_tensor_ones(MR_FLOAT32, MR_SHAPE(1, 2, 1, 1, 2, 1, 1, 1)),
              *s = mr_tensor_ones(MR_FLOAT32, MR_SCALAR);
    const mr_shape nine = { .ndim = 9, .dim = { 1, 1, 1, 1, 1, 1, 1, 1 } };
    mr_tensor *y = mr_sum(tape, mr_mul(tape, x, x), MR_DIMS(1, 4), true);
    CHECK(y && mr_tensor_ndim(y) == 8 && mr_item(y) == 4);
    FAILS(mr_unsqueeze(tape, x, 0), MR_ERR_SHAPE, "unsqueeze: [1,2,1,1,2,1,1,1] has 8 dimensions already");
    FAILS(mr_stack(tape, &x, 1, 0), MR_ERR_SHAPE, "stack: [1,2,1,1,2,1,1,1] has 8 dimensions already");
    FAILS(mr_view(tape, x, nine), MR_ERR_SHAPE,
          "view: [1,2,1,1,2,1,1,1] does not have the elements of shape [1,1,1,1,1,1,1,1]");
    FAILS(mr_expand(tape, s, nine), MR_ERR_SHAPE, "expand: [] does not expand to [1,1,1,1,1,1,1,1]");
    FAILS(mr_reshape(tape, x, ((mr_shape){ .ndim = -1 })), MR_ERR_SHAPE,
          "reshape: [1,2,1,1,2,1,1,1] does not have the elements of shape []");
    FAILS(mr_permute(tape, x, ((mr_dims){ .count = 9 })), MR_ERR_ARGUMENT,
          "permute: 9 dimensions given for [1,2,1,1,2,1,1,1]");
    FAILS(mr_sum(tape, x, ((mr_dims){ .count = -1 }), false), MR_ERR_ARGUMENT,
          "sum: -1 dimensions given for [1,2,1,1,2,1,1,1]");
    mr_tensor *large = mr_expand(tape, s, MR_SHAPE(INT64_C(1) << 58));
    mr_tensor *list[] = { large, large, large, large, large, large, large, large };
    FAILS(mr_cat(tape, list, 8, 0), MR_ERR_SHAPE, "cat: shape [2305843009213693952] has too many elements");
    mr_tensor *byte = mr_tensor_ones(MR_UINT8, MR_SCALAR);
    list[0] = list[1] = list[2] = mr_expand(tape, byte, MR_SHAPE((INT64_C(1) << 62) - 1));
    FAILS(mr_cat(tape, list, 3, 0), MR_ERR_SHAPE, "cat: the joined size does not fit 64 bits");
    mr_tensor_free(byte);
    mr_tensor_free(s);
    mr_tensor_free(x);
}

int main(void)
{
    rng = mr_rng_new(1);
    tape = mr_tape_new(rng);
    RUN(test_they_work);
    RUN(test_null_tape);
    RUN(test_null_inputs);
    RUN(test_failed_tape);
    RUN(test_stale_inputs);
    RUN(test_types_for_loading);
    RUN(test_second_type);
    RUN(test_broadcasting);
    RUN(test_elementwise_types);
    RUN(test_linear);
    RUN(test_constants_and_copies);
    RUN(test_limits);
    mr_tape_free(tape);
    mr_rng_free(rng);
    return check_report();
}

/* Upsampling and padding, against PyTorch. */
#include "golden_run.h"

#include <millrace/functions.h>

static mr_shape numbers(const golden_case *c, const char *key)
{
    const golden_parameter *p = golden_find(c, key);
    mr_shape s = { 0 };
    for (int i = 0; p && i < p->count; i++)
        s.dim[s.ndim++] = (int64_t)p->value[i];
    return s;
}

static const mr_upsample_opts *upsample_opts(const golden_case *c)
{
    static mr_upsample_opts o;
    const golden_parameter *scale = golden_find(c, "scale");
    o = (mr_upsample_opts){ .mode = (mr_upsample_mode)(int)golden_number(c, "linear", 0),
                            .align_corners = golden_number(c, "corners", 0) != 0,
                            .scale_w = scale && scale->count > 1 ? scale->value[1] : 0 };
    return &o;
}

GOLDEN_CALL(upsample, in[0], numbers(c, "size"), upsample_opts(c))
GOLDEN_CALL(upsample_scale, in[0], golden_find(c, "scale")->value[0], upsample_opts(c))
GOLDEN_CALL(pad, in[0], numbers(c, "padding"),
            &(mr_pad_opts){ .mode = (mr_pad_mode)(int)golden_number(c, "mode", 0),
                            .value = golden_number(c, "value", 0) })

static golden_op ops[] = {
    GOLDEN_OP(upsample, 4, 8, 4, "shares of pixels, and sums in another order"),
    GOLDEN_OP(upsample_scale, 4, 8, 4, "the same"),
    GOLDEN_OP(pad, 0, 4, 1, "sums in another order"),
};

static void test_golden(void)
{
    GOLDEN_RUN("resize", ops);
}

/* ---- gradients ---- */

static mr_tensor *upsampled(void *user, mr_tape *tape, mr_tensor *const *inputs, int count)
{
    (void)count;
    return mr_upsample(tape, inputs[0], MR_SHAPE(5, 7), user);
}

static mr_tensor *padded(void *user, mr_tape *tape, mr_tensor *const *inputs, int count)
{
    (void)count;
    return mr_pad(tape, inputs[0], MR_SHAPE(1, 2, 2, 0), user);
}

static void test_gradients(void)
{
    mr_rng *rng = mr_rng_new(1);
    mr_tensor *x = mr_tensor_randn(rng, MR_FLOAT64, MR_SHAPE(2, 1, 3, 3));
    CHECK(mr_tensor_set_requires_grad(x, true) == MR_OK);
    for (int i = 0; i < 3; i++) {
        mr_upsample_opts o = { .mode = i ? MR_UPSAMPLE_LINEAR : MR_UPSAMPLE_NEAREST,
                               .align_corners = i == 2 };
        CHECK_EQ_I64(mr_gradcheck(upsampled, &o, &x, 1, NULL), MR_OK);
    }
    for (int i = MR_PAD_CONSTANT; i <= MR_PAD_CIRCULAR; i++)
        CHECK_EQ_I64(mr_gradcheck(padded, &(mr_pad_opts){ .mode = (mr_pad_mode)i }, &x, 1, NULL), MR_OK);
    mr_tensor_free(x);
    mr_rng_free(rng);
}

/* ---- what is refused ---- */

static mr_tape *tape;

static void refused(const mr_tensor *y, mr_status status, const char *text)
{
    CHECK(y == NULL);
    CHECK_EQ_I64(mr_tape_status(tape), status);
    CHECK_EQ_STR(mr_error(), text);
    mr_tape_reset(tape);
    mr_error_clear();
}

static void test_refused(void)
{
    mr_rng *rng = mr_rng_new(1);
    tape = mr_tape_new(rng);
    mr_tensor *x = mr_tensor_ones(MR_FLOAT32, MR_SHAPE(1, 2, 3)),
              *n = mr_tensor_ones(MR_INT64, MR_SHAPE(1, 2, 3)),
              *flat = mr_tensor_ones(MR_FLOAT32, MR_SHAPE(3)),
              *empty = mr_tensor_ones(MR_FLOAT32, MR_SHAPE(1, 2, 0)),
              *half = mr_tensor_ones(MR_FLOAT16, MR_SHAPE(3));
    mr_shape one = MR_SHAPE(3), pair = MR_SHAPE(1, 1);
    refused(mr_upsample(tape, flat, one, NULL), MR_ERR_SHAPE,
            "upsample: input [3] has not 3 or 4 dimensions");
    refused(mr_upsample(tape, n, one, NULL), MR_ERR_DTYPE,
            "upsample: input [1,2,3] is int64, not a floating type");
    refused(mr_upsample(tape, x, MR_SHAPE(3, 3), NULL), MR_ERR_SHAPE,
            "upsample: size [3,3] is not that of the last 1 dimensions of input [1,2,3]");
    refused(mr_upsample(tape, x, MR_SHAPE(0), NULL), MR_ERR_SHAPE,
            "upsample: input [1,2,3] cannot be brought to size [0]");
    refused(mr_upsample(tape, empty, one, NULL), MR_ERR_SHAPE,
            "upsample: input [1,2,0] cannot be brought to size [3]");
    refused(mr_upsample(tape, x, one, &(mr_upsample_opts){ .mode = (mr_upsample_mode)2 }), MR_ERR_ARGUMENT,
            "upsample: 2 is no mode");
    refused(mr_upsample(tape, x, one, &(mr_upsample_opts){ .align_corners = true }), MR_ERR_ARGUMENT,
            "upsample: align_corners is for linear ones");
    refused(mr_upsample_scale(tape, x, -2, NULL), MR_ERR_ARGUMENT,
            "upsample: -2 is no scale for input [1,2,3]");
    refused(mr_upsample_scale(tape, x, NAN, NULL), MR_ERR_ARGUMENT,
            "upsample: nan is no scale for input [1,2,3]");
    refused(mr_upsample_scale(tape, x, 1e300, NULL), MR_ERR_ARGUMENT,
            "upsample: 1e+300 is no scale for input [1,2,3]");
    refused(mr_pad(tape, flat, MR_SHAPE(1), NULL), MR_ERR_SHAPE,
            "pad: padding [1] is not of pairs, one at most for a dimension of input [3]");
    refused(mr_pad(tape, flat, MR_SHAPE(1, 1, 1, 1), NULL), MR_ERR_SHAPE,
            "pad: padding [1,1,1,1] is not of pairs, one at most for a dimension of input [3]");
    refused(mr_pad(tape, half, pair, NULL), MR_ERR_DTYPE,
            "pad: [3] is float16, which is for loading only; cast it first");
    refused(mr_pad(tape, flat, pair, &(mr_pad_opts){ .mode = (mr_pad_mode)4 }), MR_ERR_ARGUMENT,
            "pad: 4 is no mode");
    refused(mr_pad(tape, flat, MR_SHAPE(-2, -2), NULL), MR_ERR_SHAPE,
            "pad: dimension 0 of input [3] cannot be padded with -2 and -2");
    refused(mr_pad(tape, flat, MR_SHAPE(INT64_MAX, 1), NULL), MR_ERR_SHAPE,
            "pad: dimension 0 of input [3] cannot be padded with 9223372036854775807 and 1");
    refused(mr_pad(tape, flat, MR_SHAPE(-1, 0), &(mr_pad_opts){ .mode = MR_PAD_REFLECT }), MR_ERR_ARGUMENT,
            "pad: only constant padding can be negative, not -1 and 0");
    refused(mr_pad(tape, x, MR_SHAPE(1, 3), &(mr_pad_opts){ .mode = MR_PAD_REFLECT }), MR_ERR_SHAPE,
            "pad: 3 elements cannot be reflected in dimension 2 of input [1,2,3]");
    refused(mr_pad(tape, x, MR_SHAPE(4, 3), &(mr_pad_opts){ .mode = MR_PAD_CIRCULAR }), MR_ERR_SHAPE,
            "pad: 4 elements are not there in dimension 2 of input [1,2,3]");
    refused(mr_pad(tape, empty, pair, &(mr_pad_opts){ .mode = MR_PAD_REPLICATE }), MR_ERR_SHAPE,
            "pad: dimension 2 of input [1,2,0] has nothing to replicate");
    refused(mr_pad(tape, NULL, pair, NULL), MR_ERR_ARGUMENT, "pad: input is NULL");
    refused(mr_upsample(tape, NULL, one, NULL), MR_ERR_ARGUMENT, "upsample: input is NULL");
    mr_tensor_free(x);
    mr_tensor_free(n);
    mr_tensor_free(flat);
    mr_tensor_free(empty);
    mr_tensor_free(half);
    mr_tape_free(tape);
    mr_rng_free(rng);
}

int main(void)
{
    RUN(test_golden);
    RUN(test_gradients);
    RUN(test_refused);
    return check_report();
}

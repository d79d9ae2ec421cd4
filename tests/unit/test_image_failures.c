/* What convolutions and pooling refuse, word for word. Values are tests/ops/test_conv.c's and test_pool.c's. */
#include "check.h"

#include <millrace/functions.h>

static mr_rng *rng;
static mr_tape *tape;

#define FAILS(call, status, text)                   \
    do {                                            \
        CHECK(!(call));                             \
        CHECK_EQ_I64(mr_error_status(), status);    \
        CHECK_EQ_STR(mr_error(), text);             \
        CHECK_EQ_I64(mr_tape_status(tape), status); \
        mr_tape_reset(tape);                        \
        mr_error_clear();                           \
    } while (0)

#define WITHOUT_TAPE(call, text)        \
    do {                                \
        CHECK(!(call));                 \
        CHECK_EQ_STR(mr_error(), text); \
    } while (0)

static mr_tensor *zeros(mr_shape shape)
{
    return mr_tensor_zeros(MR_FLOAT32, shape);
}

/* ---- transposed convolutions ---- */

static void test_conv_transpose(void)
{
    mr_tensor *x = zeros(MR_SHAPE(2, 4, 6, 7)), *w = zeros(MR_SHAPE(4, 2, 3, 3)), *b = zeros(MR_SHAPE(2));
    mr_tensor *other = zeros(MR_SHAPE(3, 2, 3, 3)), *d = mr_tensor_zeros(MR_FLOAT64, MR_SHAPE(2));
    WITHOUT_TAPE(mr_conv_transpose2d(NULL, x, w, b, NULL), "conv_transpose2d: tape is NULL");
    FAILS(mr_conv_transpose2d(tape, x, w, NULL, NULL), MR_ERR_ARGUMENT, "conv_transpose2d: bias is NULL");
    FAILS(mr_conv_transpose2d_no_bias(tape, x, NULL, NULL), MR_ERR_ARGUMENT,
          "conv_transpose2d: weight is NULL");
    FAILS(mr_conv_transpose2d(tape, x, w, d, NULL), MR_ERR_DTYPE,
          "conv_transpose2d: input [2,4,6,7] is float32, weight [4,2,3,3] float32, and all must be of one "
          "floating type");
    FAILS(mr_conv_transpose2d(tape, b, w, b, NULL), MR_ERR_SHAPE,
          "conv_transpose2d: input [2] and weight [4,2,3,3]: 4 or 3 dimensions go with 4");
    FAILS(mr_conv_transpose2d(tape, x, other, b, NULL), MR_ERR_SHAPE,
          "conv_transpose2d: input [2,4,6,7] has 4 channels, which in 1 groups do not fit weight [3,2,3,3]");
    FAILS(mr_conv_transpose2d(tape, x, w, b, &(mr_conv_opts){ .groups = 2 }), MR_ERR_SHAPE,
          "conv_transpose2d: bias [2] does not go with weight [4,2,3,3] in 2 groups");
    FAILS(mr_conv_transpose2d(tape, x, w, b, &(mr_conv_opts){ .same = true }), MR_ERR_ARGUMENT,
          "conv_transpose2d: same is for convolutions");
    FAILS(mr_conv_transpose2d(tape, x, w, b, &(mr_conv_opts){ .stride = 2, .output_padding = 2 }),
          MR_ERR_ARGUMENT,
          "conv_transpose2d: stride 2, padding 0, dilation 1, output padding 2: one is too small, or the "
          "last not "
          "less than stride or dilation");
    FAILS(mr_conv_transpose2d(tape, x, w, b, &(mr_conv_opts){ .padding = 4 }), MR_ERR_SHAPE,
          "conv_transpose2d: input [2,4,6,7] and weight [4,2,3,3] leave a result without pixels");
    FAILS(mr_conv_transpose2d(tape, x, w, b, &(mr_conv_opts){ .stride = INT64_MAX }), MR_ERR_ARGUMENT,
          "conv_transpose2d: the sizes overflow");
    mr_tensor_free(x);
    mr_tensor_free(w);
    mr_tensor_free(b);
    mr_tensor_free(other);
    mr_tensor_free(d);
}

/* ---- convolutions ---- */

static void test_conv_inputs(void)
{
    mr_tensor *x = zeros(MR_SHAPE(2, 4, 6, 7)), *w = zeros(MR_SHAPE(8, 4, 3, 3)), *b = zeros(MR_SHAPE(8));
    mr_tensor *row = zeros(MR_SHAPE(4, 7)), *f = zeros(MR_SHAPE(8, 4, 3)),
              *d = mr_tensor_zeros(MR_FLOAT64, MR_SHAPE(8));
    mr_tensor *n = mr_tensor_zeros(MR_INT64, MR_SHAPE(8, 4, 3, 3));
    mr_tensor_set_name(w, "conv1.weight");
    mr_tensor_set_name(b, "conv1.bias");
    WITHOUT_TAPE(mr_conv2d(NULL, x, w, b, NULL), "conv2d: tape is NULL");
    WITHOUT_TAPE(mr_conv1d_no_bias(NULL, row, f, NULL), "conv1d: tape is NULL");
    FAILS(mr_conv2d(tape, NULL, w, b, NULL), MR_ERR_ARGUMENT, "conv2d: input is NULL");
    FAILS(mr_conv2d(tape, x, NULL, b, NULL), MR_ERR_ARGUMENT, "conv2d: weight is NULL");
    FAILS(mr_conv2d(tape, x, w, NULL, NULL), MR_ERR_ARGUMENT, "conv2d: bias is NULL");
    FAILS(mr_conv2d_no_bias(tape, x, NULL, NULL), MR_ERR_ARGUMENT, "conv2d: weight is NULL");
    FAILS(mr_conv1d(tape, row, f, NULL, NULL), MR_ERR_ARGUMENT, "conv1d: bias is NULL");
    FAILS(mr_conv1d_no_bias(tape, NULL, f, NULL), MR_ERR_ARGUMENT, "conv1d: input is NULL");
    FAILS(mr_conv2d(tape, x, n, b, NULL), MR_ERR_DTYPE,
          "conv2d: input [2,4,6,7] is float32, weight [8,4,3,3] int64, and all must be of one floating type");
    FAILS(mr_conv2d(tape, x, w, d, NULL), MR_ERR_DTYPE,
          "conv2d: input [2,4,6,7] is float32, weight conv1.weight[8,4,3,3] float32, and all must be of one "
          "floating type");
    FAILS(mr_conv2d(tape, row, w, b, NULL), MR_ERR_SHAPE,
          "conv2d: input [4,7] and weight conv1.weight[8,4,3,3]: 4 or 3 dimensions go with 4");
    FAILS(mr_conv1d(tape, x, f, b, NULL), MR_ERR_SHAPE,
          "conv1d: input [2,4,6,7] and weight [8,4,3]: 3 or 2 dimensions go with 3");
    FAILS(mr_conv2d_no_bias(tape, w, x, NULL), MR_ERR_SHAPE,
          "conv2d: a filter of weight [2,4,6,7] reaches over 6, input conv1.weight[8,4,3,3] has 3 with its "
          "padding");
    FAILS(
        mr_conv2d(tape, x, w, b, &(mr_conv_opts){ .groups = 2 }), MR_ERR_SHAPE,
        "conv2d: input [2,4,6,7] has 4 channels, which in 2 groups do not fit weight conv1.weight[8,4,3,3]");
    FAILS(
        mr_conv2d(tape, x, w, b, &(mr_conv_opts){ .groups = -1 }), MR_ERR_SHAPE,
        "conv2d: input [2,4,6,7] has 4 channels, which in -1 groups do not fit weight conv1.weight[8,4,3,3]");
    FAILS(mr_conv2d(tape, x, w, row, NULL), MR_ERR_SHAPE,
          "conv2d: bias [4,7] does not go with weight conv1.weight[8,4,3,3]");
    mr_tensor *all[] = { x, w, b, row, f, d, n };
    for (int i = 0; i < 7; i++)
        mr_tensor_free(all[i]);
}

static void test_conv_options(void)
{
    mr_tensor *x = zeros(MR_SHAPE(4, 6, 7)), *w = zeros(MR_SHAPE(8, 4, 3, 3)),
              *none = zeros(MR_SHAPE(8, 4, 3, 0));
    FAILS(mr_conv2d_no_bias(tape, x, w, &(mr_conv_opts){ .stride = -1 }), MR_ERR_ARGUMENT,
          "conv2d: stride -1, padding 0, dilation 1: one is too small");
    FAILS(mr_conv2d_no_bias(tape, x, w, &(mr_conv_opts){ .padding_w = -2 }), MR_ERR_ARGUMENT,
          "conv2d: stride 1, padding -2, dilation 1: one is too small");
    FAILS(mr_conv2d_no_bias(tape, x, w, &(mr_conv_opts){ .dilation = MR_ZERO_INT }), MR_ERR_ARGUMENT,
          "conv2d: stride 1, padding 0, dilation 0: one is too small");
    FAILS(mr_conv2d_no_bias(tape, x, w, &(mr_conv_opts){ .dilation = 3 }), MR_ERR_SHAPE,
          "conv2d: a filter of weight [8,4,3,3] reaches over 7, input [4,6,7] has 6 with its padding");
    FAILS(mr_conv2d_no_bias(tape, x, none, NULL), MR_ERR_SHAPE,
          "conv2d: a filter of weight [8,4,3,0] reaches over 0, input [4,6,7] has 7 with its padding");
    FAILS(mr_conv2d_no_bias(tape, x, w, &(mr_conv_opts){ .dilation = INT64_MAX }), MR_ERR_ARGUMENT,
          "conv2d: the sizes overflow");
    FAILS(mr_conv2d_no_bias(tape, x, w, &(mr_conv_opts){ .padding = INT64_MAX / 2 + 1 }), MR_ERR_ARGUMENT,
          "conv2d: the sizes overflow");
    FAILS(mr_conv2d_no_bias(tape, x, w, &(mr_conv_opts){ .padding = INT64_MAX / 4 }), MR_ERR_SHAPE,
          "conv2d: shape [8,4611686018427387906,4611686018427387907] has too many elements");
    FAILS(mr_conv2d_no_bias(tape, x, w, &(mr_conv_opts){ .same = true, .stride_w = 2 }), MR_ERR_ARGUMENT,
          "conv2d: same goes with a stride of 1 and without a padding");
    FAILS(mr_conv2d_no_bias(tape, x, w, &(mr_conv_opts){ .same = true, .padding = 1 }), MR_ERR_ARGUMENT,
          "conv2d: same goes with a stride of 1 and without a padding");
    mr_tensor_free(none);
    mr_tensor_free(w);
    mr_tensor_free(x);
}

/* ---- pooling ---- */

static void test_pool_inputs(void)
{
    mr_tensor *x = zeros(MR_SHAPE(2, 3, 6, 7)), *row = zeros(MR_SHAPE(3, 7)), *flat = zeros(MR_SHAPE(7)),
              *n = mr_tensor_zeros(MR_INT64, MR_SHAPE(3, 6, 7)), *s = zeros(MR_SCALAR),
              *none = zeros(MR_SHAPE(3, 0, 7));
    WITHOUT_TAPE(mr_max_pool2d(NULL, x, 2, NULL), "max_pool2d: tape is NULL");
    WITHOUT_TAPE(mr_avg_pool1d(NULL, row, 2, NULL), "avg_pool1d: tape is NULL");
    WITHOUT_TAPE(mr_adaptive_avg_pool2d(NULL, x, 1, 1), "adaptive_avg_pool2d: tape is NULL");
    FAILS(mr_max_pool2d(tape, NULL, 2, NULL), MR_ERR_ARGUMENT, "max_pool2d: input is NULL");
    FAILS(mr_max_pool1d(tape, NULL, 2, NULL), MR_ERR_ARGUMENT, "max_pool1d: input is NULL");
    FAILS(mr_avg_pool2d(tape, NULL, 2, NULL), MR_ERR_ARGUMENT, "avg_pool2d: input is NULL");
    FAILS(mr_avg_pool1d(tape, NULL, 2, NULL), MR_ERR_ARGUMENT, "avg_pool1d: input is NULL");
    FAILS(mr_adaptive_avg_pool2d(tape, NULL, 1, 1), MR_ERR_ARGUMENT, "adaptive_avg_pool2d: input is NULL");
    FAILS(mr_max_pool2d(tape, n, 2, NULL), MR_ERR_DTYPE,
          "max_pool2d: input [3,6,7] is int64, not a floating type");
    FAILS(mr_adaptive_avg_pool2d(tape, n, 1, 1), MR_ERR_DTYPE,
          "adaptive_avg_pool2d: input [3,6,7] is int64, not a floating type");
    FAILS(mr_avg_pool2d(tape, row, 2, NULL), MR_ERR_SHAPE,
          "avg_pool2d: input [3,7] has not 3 or 4 dimensions");
    FAILS(mr_max_pool1d(tape, flat, 2, NULL), MR_ERR_SHAPE,
          "max_pool1d: input [7] has not 2 or 3 dimensions");
    FAILS(mr_max_pool2d(tape, x, 7, NULL), MR_ERR_SHAPE,
          "max_pool2d: a window of 7 does not fit input [2,3,6,7]");
    FAILS(mr_adaptive_avg_pool2d(tape, x, -2, 3), MR_ERR_SHAPE,
          "adaptive_avg_pool2d: input [2,3,6,7] to a size of -2 x 3");
    FAILS(mr_adaptive_avg_pool2d(tape, none, 2, 2), MR_ERR_SHAPE,
          "adaptive_avg_pool2d: input [3,0,7] to a size of 2 x 2");
    mr_tensor *large =
        mr_expand(tape, s, MR_SHAPE(0, 65536, 65536)); /* no elements, so that nothing is copied */
    FAILS(mr_max_pool2d(tape, large, 2, NULL), MR_ERR_SHAPE,
          "max_pool2d: images of input [0,65536,65536] are too large");
    mr_tensor *all[] = { x, row, flat, n, s, none };
    for (int i = 0; i < 6; i++)
        mr_tensor_free(all[i]);
}

static void test_pool_options(void)
{
    mr_tensor *x = zeros(MR_SHAPE(3, 6, 7));
    FAILS(mr_max_pool2d(tape, x, 0, NULL), MR_ERR_ARGUMENT,
          "max_pool2d: kernel 0, stride 0, padding 0, dilation 1: the padding is from 0 to half of the "
          "kernel, the "
          "others are at least 1");
    FAILS(mr_avg_pool2d(tape, x, 3, &(mr_pool_opts){ .padding = 2 }), MR_ERR_ARGUMENT,
          "avg_pool2d: kernel 3, stride 3, padding 2, dilation 1: the padding is from 0 to half of the "
          "kernel, the "
          "others are at least 1");
    FAILS(mr_avg_pool2d(tape, x, 3, &(mr_pool_opts){ .padding = -1 }), MR_ERR_ARGUMENT,
          "avg_pool2d: kernel 3, stride 3, padding -1, dilation 1: the padding is from 0 to half of the "
          "kernel, the "
          "others are at least 1");
    FAILS(mr_max_pool1d(tape, x, 2, &(mr_pool_opts){ .stride = -2 }), MR_ERR_ARGUMENT,
          "max_pool1d: kernel 2, stride -2, padding 0, dilation 1: the padding is from 0 to half of the "
          "kernel, the "
          "others are at least 1");
    FAILS(mr_max_pool2d(tape, x, 2, &(mr_pool_opts){ .dilation_w = 7 }), MR_ERR_SHAPE,
          "max_pool2d: a window of 2 does not fit input [3,6,7]");
    FAILS(mr_max_pool2d(tape, x, INT64_MAX, &(mr_pool_opts){ .padding = INT64_MAX / 2 }), MR_ERR_SHAPE,
          "max_pool2d: a window of 9223372036854775807 does not fit input [3,6,7]");
    FAILS(mr_max_pool2d(tape, x, 3, &(mr_pool_opts){ .dilation = INT64_MAX }), MR_ERR_SHAPE,
          "max_pool2d: a window of 3 does not fit input [3,6,7]");
    FAILS(mr_avg_pool2d(tape, x, 2, &(mr_pool_opts){ .divisor = -3 }), MR_ERR_ARGUMENT,
          "avg_pool2d: divisor -3 is negative");
    FAILS(mr_avg_pool1d(tape, x, 2, &(mr_pool_opts){ .dilation = 2 }), MR_ERR_ARGUMENT,
          "avg_pool1d: the windows of averages have no dilation");
    /* A stride larger than all there is takes one window. */
    mr_tensor *y = mr_max_pool2d(tape, x, 2, &(mr_pool_opts){ .stride = INT64_MAX, .ceil = true });
    CHECK(mr_tensor_size(y, 1) == 1 && mr_tensor_size(y, 2) == 1);
    mr_tape_reset(tape);
    mr_tensor_free(x);
}

int main(void)
{
    rng = mr_rng_new(1);
    tape = mr_tape_new(rng);
    RUN(test_conv_transpose);
    RUN(test_conv_inputs);
    RUN(test_conv_options);
    RUN(test_pool_inputs);
    RUN(test_pool_options);
    mr_tape_free(tape);
    mr_rng_free(rng);
    return check_report();
}

/* What modules that lie deep in a model say to inputs that do not fit: where the module is, by its path or the name of its
 * parameter, and both sides. And what is said of modules that could not be made. */
#include "check.h"

#include <millrace/layers.h>

static mr_rng *rng;
static mr_tape *tape;

/* A model whose encoder.layers.1.it is `m`, which is adopted. */
static mr_module *model_of(mr_module *m)
{
    mr_module *model = mr_sequential_new(), *encoder = mr_sequential_new(), *layers = mr_sequential_new(),
              *layer = mr_sequential_new();
    mr_module_add(layer, "it", m);
    mr_sequential_add(layers, mr_identity_new());
    mr_sequential_add(layers, layer);
    mr_module_add(encoder, "layers", layers);
    mr_module_add(model, "encoder", encoder);
    return model;
}

static void check(mr_module *m, mr_dtype dtype, mr_shape shape, const char *text)
{
    mr_module *model = model_of(m);
    mr_tensor *x = mr_tensor_ones(dtype, shape);
    mr_error_clear();
    CHECK(mr_forward(model, tape, x) == NULL);
    CHECK(mr_tape_status(tape) < 0);
    CHECK_EQ_STR(mr_error(), text);
    mr_error_clear();
    mr_tape_reset(tape);
    mr_tensor_free(x);
    mr_module_free(model);
}

static void test_inputs(void)
{
    check(mr_linear_new(3, 4, rng, NULL), MR_FLOAT32, MR_SHAPE(2, 7),
          "linear: the last size of input [2,7] is not the last of weight encoder.layers.1.it.weight[4,3]");
    check(mr_linear_new(3, 4, rng, NULL), MR_FLOAT64, MR_SHAPE(2, 3),
          "linear: input [2,3] is float64, weight encoder.layers.1.it.weight[4,3] float32, and all must be "
          "of one floating type");
    check(mr_linear_new(3, 4, rng, &(mr_linear_opts){ .no_bias = true }), MR_FLOAT32, MR_SHAPE(7),
          "linear: the last size of input [7] is not the last of weight encoder.layers.1.it.weight[4,3]");
    check(mr_conv1d_new(3, 4, 3, rng, NULL), MR_FLOAT32, MR_SHAPE(2, 7, 5),
          "conv1d: input [2,7,5] has 7 channels, which in 1 groups do not fit weight "
          "encoder.layers.1.it.weight[4,3,3]");
    check(mr_conv2d_new(3, 4, 3, rng, NULL), MR_FLOAT32, MR_SHAPE(2, 7),
          "conv2d: input [2,7] and weight encoder.layers.1.it.weight[4,3,3,3]: 4 or 3 dimensions go with 4");
    check(mr_conv2d_new(7, 4, 9, rng, NULL), MR_FLOAT32, MR_SHAPE(7, 5, 5),
          "conv2d: a filter of weight encoder.layers.1.it.weight[4,7,9,9] reaches over 9, input [7,5,5] has "
          "5 with its padding");
    check(mr_conv2d_new(3, 4, 3, rng, NULL), MR_INT32, MR_SHAPE(3, 5, 5),
          "conv2d: input [3,5,5] is int32, weight encoder.layers.1.it.weight[4,3,3,3] float32, and all must "
          "be of one floating type");
    check(mr_conv2d_new(3, 4, 2, rng, &(mr_conv_opts){ .stride = -1 }), MR_FLOAT32, MR_SHAPE(3, 5, 5),
          "encoder.layers.1.it: conv2d: stride -1, padding 0, dilation 1: one is too small");
    check(mr_conv_transpose2d_new(3, 4, 3, rng, NULL), MR_FLOAT32, MR_SHAPE(2, 7, 5, 5),
          "conv_transpose2d: input [2,7,5,5] has 7 channels, which in 1 groups do not fit weight "
          "encoder.layers.1.it.weight[3,4,3,3]");
    check(mr_max_pool2d_new(9, NULL), MR_FLOAT32, MR_SHAPE(7, 5, 5),
          "encoder.layers.1.it: max_pool2d: a window of 9 does not fit input [7,5,5]");
    check(mr_max_pool1d_new(3, NULL), MR_FLOAT32, MR_SHAPE(7),
          "encoder.layers.1.it: max_pool1d: input [7] has not 2 or 3 dimensions");
    check(mr_max_pool2d_new(2, &(mr_pool_opts){ .padding = 2 }), MR_FLOAT32, MR_SHAPE(7, 5, 5),
          "encoder.layers.1.it: max_pool2d: kernel 2, stride 2, padding 2, dilation 1: the padding is from 0 "
          "to half of the kernel, the others are at least 1");
    check(mr_avg_pool2d_new(9, NULL), MR_FLOAT32, MR_SHAPE(7, 5, 5),
          "encoder.layers.1.it: avg_pool2d: a window of 9 does not fit input [7,5,5]");
    check(mr_avg_pool1d_new(3, NULL), MR_FLOAT32, MR_SHAPE(7),
          "encoder.layers.1.it: avg_pool1d: input [7] has not 2 or 3 dimensions");
    check(mr_avg_pool2d_new(2, &(mr_pool_opts){ .padding = 2 }), MR_FLOAT32, MR_SHAPE(7, 5, 5),
          "encoder.layers.1.it: avg_pool2d: kernel 2, stride 2, padding 2, dilation 1: the padding is from 0 "
          "to half of the kernel, the others are at least 1");
    check(mr_max_pool2d_new(3, NULL), MR_INT32, MR_SHAPE(7, 5, 5),
          "encoder.layers.1.it: max_pool2d: input [7,5,5] is int32, not a floating type");
    check(mr_adaptive_avg_pool2d_new(3, -4), MR_FLOAT32, MR_SHAPE(7, 5, 5),
          "encoder.layers.1.it: adaptive_avg_pool2d: input [7,5,5] to a size of 3 x -4");
    check(mr_layer_norm_new(MR_SHAPE(3), NULL), MR_FLOAT32, MR_SHAPE(2, 7),
          "layer_norm: weight encoder.layers.1.it.weight[3] and bias encoder.layers.1.it.bias[3] are not the "
          "last sizes of input [2,7]");
    check(mr_layer_norm_new(MR_SHAPE(3), &(mr_norm_opts){ .no_affine = true }), MR_FLOAT32, MR_SHAPE(2, 7),
          "encoder.layers.1.it: layer_norm: [3] are not the last sizes of input [2,7]");
    check(mr_group_norm_new(2, 4, NULL), MR_FLOAT32, MR_SHAPE(2, 7),
          "encoder.layers.1.it: group_norm: input [2,7] has no channels, dimension 1, that can be divided "
          "into 2 groups");
    check(mr_group_norm_new(2, 4, NULL), MR_FLOAT32, MR_SHAPE(2, 6),
          "group_norm: weight encoder.layers.1.it.weight[4] has no value for each of the 6 channels of input "
          "[2,6]");
    check(mr_batch_norm1d_new(3, NULL), MR_FLOAT32, MR_SHAPE(2, 7),
          "encoder.layers.1.it: batch_norm: input [2,7] has not 3 channels, dimension 1");
    check(mr_batch_norm1d_new(3, NULL), MR_FLOAT64, MR_SHAPE(2, 3),
          "batch_norm: weight encoder.layers.1.it.weight[3] is float32, input [2,3] float64");
    check(mr_batch_norm2d_new(3, NULL), MR_FLOAT32, MR_SHAPE(2, 3),
          "encoder.layers.1.it: batch_norm2d: input [2,3] has not 4 dimensions");
    check(mr_instance_norm2d_new(3, NULL), MR_FLOAT32, MR_SHAPE(7, 5, 5),
          "encoder.layers.1.it: instance_norm2d: input [7,5,5] has not 3 channels");
    check(mr_dropout_new(0.5), MR_INT64, MR_SHAPE(3),
          "encoder.layers.1.it: dropout: input [3] is int64, not a floating type");
    check(mr_dropout2d_new(0.5), MR_FLOAT32, MR_SHAPE(3),
          "encoder.layers.1.it: dropout2d: input [3] has no channels, dimension 1");
    check(
        mr_embedding_new(1, 3, rng, NULL), MR_INT64, MR_SHAPE(2, 2),
        "embedding: index 1 at element 0 is out of range for dimension 0 of encoder.layers.1.it.weight[1,3]");
    check(mr_embedding_new(1, 3, rng, NULL), MR_FLOAT32, MR_SHAPE(2, 2),
          "encoder.layers.1.it: embedding: index [2,2] is float32, not int64 or int32");
    check(mr_embedding_bag_new(1, 3, rng, NULL), MR_INT64, MR_SHAPE(2),
          "encoder.layers.1.it: embedding_bag: index [2] has not 2 dimensions: offsets say where bags of a "
          "vector begin");
    check(mr_rnn_new(3, 4, rng, NULL), MR_FLOAT32, MR_SHAPE(5, 2, 7),
          "RNN: the last size of input [5,2,7] is not the last of weight "
          "encoder.layers.1.it.weight_ih_l0[4,3]");
    check(mr_lstm_new(3, 4, rng, NULL), MR_FLOAT32, MR_SHAPE(5, 2, 7),
          "LSTM: the last size of input [5,2,7] is not the last of weight "
          "encoder.layers.1.it.weight_ih_l0[16,3]");
    check(mr_gru_new(3, 4, rng, NULL), MR_FLOAT32, MR_SHAPE(5, 2, 7),
          "GRU: the last size of input [5,2,7] is not the last of weight "
          "encoder.layers.1.it.weight_ih_l0[12,3]");
    check(mr_lstm_new(3, 4, rng, NULL), MR_FLOAT64, MR_SHAPE(5, 3),
          "LSTM: input [5,3] is float64, weight encoder.layers.1.it.weight_ih_l0[16,3] float32");
    check(mr_gru_new(3, 4, rng, NULL), MR_FLOAT32, MR_SHAPE(3),
          "encoder.layers.1.it: GRU: input [3] has not 2 or 3 dimensions");
    check(mr_prelu_new(3, 0.1, MR_FLOAT32), MR_FLOAT32, MR_SHAPE(2, 7),
          "prelu: weight encoder.layers.1.it.weight[3] has neither one value nor one for each channel of "
          "input [2,7]");
    check(mr_glu_new(1), MR_FLOAT32, MR_SHAPE(2, 7),
          "encoder.layers.1.it: glu: dimension 1 of input [2,7] has no halves");
    check(mr_gelu_new(), MR_INT64, MR_SHAPE(2),
          "encoder.layers.1.it: gelu: input [2] is int64, not a floating type");
    check(mr_hardtanh_new(1, -1), MR_FLOAT32, MR_SHAPE(2),
          "encoder.layers.1.it: hardtanh: low 1 is above high -1");
    check(mr_softmax_new(2), MR_FLOAT32, MR_SHAPE(2, 7),
          "encoder.layers.1.it: softmax: dimension 2 of [2,7] is out of range (-2 to 1)");
    check(mr_log_softmax_new(0), MR_INT64, MR_SHAPE(2),
          "encoder.layers.1.it: log_softmax: not defined for int64 [2]");
    check(mr_flatten_dims_new(1, 2), MR_FLOAT32, MR_SHAPE(2, 7),
          "encoder.layers.1.it: flatten: dimension 2 of [2,7] is out of range (-2 to 1)");
    check(mr_unflatten_new(1, MR_SHAPE(2, 3)), MR_FLOAT32, MR_SHAPE(2, 7),
          "encoder.layers.1.it: unflatten: dimension 1 of [2,7] cannot be split into [2,3]");
    check(mr_upsample_new(MR_SHAPE(2, 2), NULL), MR_FLOAT32, MR_SHAPE(2, 7, 5),
          "encoder.layers.1.it: upsample: size [2,2] is not that of the last 1 dimensions of input [2,7,5]");
    check(mr_zero_pad2d_new(MR_SHAPE(-6)), MR_FLOAT32, MR_SHAPE(7, 5, 5),
          "encoder.layers.1.it: pad: dimension 1 of input [7,5,5] cannot be padded with -6 and -6");
    check(mr_reflection_pad1d_new(MR_SHAPE(6)), MR_FLOAT32, MR_SHAPE(7, 5),
          "encoder.layers.1.it: pad: 6 elements cannot be reflected in dimension 1 of input [7,5]");
    check(mr_module_list_new(), MR_FLOAT32, MR_SHAPE(2),
          "encoder.layers.1.it: module_list: a list of modules has no forward; run its children");
}

/* Options that cannot be, found when the module is made. */
static void test_options(void)
{
    mr_shape x = MR_SHAPE(2, 3);
    check(mr_linear_new(-3, 4, rng, NULL), MR_FLOAT32, x,
          "encoder.layers.1.it: linear_new: -3 in and 4 out features");
    check(mr_dropout_new(2), MR_FLOAT32, x,
          "encoder.layers.1.it: dropout_new: probability 2 is not in [0, 1]");
    check(mr_group_norm_new(3, 4, NULL), MR_FLOAT32, x,
          "encoder.layers.1.it: group_norm_new: 4 channels cannot be divided into 3 groups");
    check(NULL, MR_FLOAT32, x, "encoder.layers.1: module_add: it is NULL");
}

/* Calls of modules other than mr_forward, in a module of the user's. */
static mr_tensor *runs_rnn(mr_module *m, mr_tape *t, mr_tensor *x)
{
    return mr_rnn_forward(mr_module_child(m, 0, NULL), t, x, NULL);
}

static mr_tensor *runs_bag(mr_module *m, mr_tape *t, mr_tensor *x)
{
    static const int64_t first[1] = { 1 };
    return mr_embedding_bag_forward(mr_module_child(m, 0, NULL), t, x,
                                    mr_tape_wrap(t, MR_INT64, MR_SHAPE(1), first));
}

static void test_other_calls(void)
{
    static const mr_module_vtable rnn = { .type = "Mine", .forward = runs_rnn },
                                  bag = { .type = "Mine", .forward = runs_bag };
    mr_module *m = mr_module_new(&rnn, NULL, 0);
    mr_module_add(m, "gru", mr_gru_new(3, 4, rng, NULL));
    check(m, MR_FLOAT32, MR_SHAPE(3), "encoder.layers.1.it.gru: GRU: input [3] has not 2 or 3 dimensions");
    m = mr_module_new(&bag, NULL, 0);
    mr_module_add(m, "bag", mr_embedding_bag_new(2, 3, rng, NULL));
    check(m, MR_INT64, MR_SHAPE(3),
          "encoder.layers.1.it.bag: embedding_bag: offset 1 at element 0: offsets begin with 0, and none is "
          "greater than the next or the length of index [3]");
}

int main(void)
{
    rng = mr_rng_new(0);
    tape = mr_tape_new(rng);
    RUN(test_inputs);
    RUN(test_options);
    RUN(test_other_calls);
    mr_tape_free(tape);
    mr_rng_free(rng);
    return check_report();
}

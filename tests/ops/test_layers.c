/* Modules of layers.h that keep or draw something, against PyTorch: names and order of their state, draws, forward and
 * backward in training, what that makes of their buffers, and evaluation. golden/make_layers.py describes the file. */
#include "golden_run.h"

#include <millrace/layers.h>

/* Moments of a few values, and exponentials. */
static golden_op tolerance = { .forward = 16, .gradient = 64, .floor = 1 };
static golden_op exact = { .forward = 0 };

static golden_file file;
static golden_case c; /* names the module in messages */
static mr_rng *rng;
static mr_tape *tape;
static mr_dtype dtype;

/* ---- the modules ---- */

static mr_module *batch_norm1d(mr_batch_norm_opts opts)
{
    opts.dtype = dtype;
    return mr_batch_norm1d_new(4, &opts);
}

static mr_module *batch_norm2d(mr_batch_norm_opts opts)
{
    opts.dtype = dtype;
    return mr_batch_norm2d_new(3, &opts);
}

static mr_module *instance_norm2d(mr_instance_norm_opts opts)
{
    opts.dtype = dtype;
    return mr_instance_norm2d_new(3, &opts);
}

#define NORM(...)                   \
    &(mr_norm_opts)                 \
    {                               \
        .dtype = dtype, __VA_ARGS__ \
    }
#define NONE .eps = 0

/* The table: a name, and the module's type and constructor. */
#define MODULES(ROW)                                                                                        \
    ROW("LayerNorm(5)", "LayerNorm", mr_layer_norm_new(MR_SHAPE(5), NORM(NONE)))                            \
    ROW("LayerNorm(3,2,noaffine)", "LayerNorm", mr_layer_norm_new(MR_SHAPE(3, 2), NORM(.no_affine = true))) \
    ROW("LayerNorm(4,eps)", "LayerNorm", mr_layer_norm_new(MR_SHAPE(4), NORM(.eps = 0.5)))                  \
    ROW("GroupNorm(2,4)", "GroupNorm", mr_group_norm_new(2, 4, NORM(NONE)))                                 \
    ROW("GroupNorm(2,4,noaffine)", "GroupNorm", mr_group_norm_new(2, 4, NORM(.no_affine = true)))           \
    ROW("BatchNorm1d(4)", "BatchNorm1d", batch_norm1d((mr_batch_norm_opts){ 0 }))                           \
    ROW("BatchNorm1d(4)_of_3", "BatchNorm1d", batch_norm1d((mr_batch_norm_opts){ 0 }))                      \
    ROW("BatchNorm1d(4,momentum)", "BatchNorm1d",                                                           \
        batch_norm1d((mr_batch_norm_opts){ .momentum = 0.5, .eps = 0.25 }))                                 \
    ROW("BatchNorm2d(3)", "BatchNorm2d", batch_norm2d((mr_batch_norm_opts){ 0 }))                           \
    ROW("BatchNorm2d(3,cumulative)", "BatchNorm2d",                                                         \
        batch_norm2d((mr_batch_norm_opts){ .cumulative = true }))                                           \
    ROW("BatchNorm2d(3,nostats)", "BatchNorm2d",                                                            \
        batch_norm2d((mr_batch_norm_opts){ .no_running_stats = true }))                                     \
    ROW("BatchNorm2d(3,noaffine)", "BatchNorm2d", batch_norm2d((mr_batch_norm_opts){ .no_affine = true }))  \
    ROW("InstanceNorm2d(3)", "InstanceNorm2d", instance_norm2d((mr_instance_norm_opts){ 0 }))               \
    ROW("InstanceNorm2d(3)_of_3", "InstanceNorm2d", instance_norm2d((mr_instance_norm_opts){ 0 }))          \
    ROW("InstanceNorm2d(3,all)", "InstanceNorm2d",                                                          \
        instance_norm2d((mr_instance_norm_opts){ .affine = true, .running_stats = true, .momentum = 0.3 })) \
    ROW("Dropout(0.3)", "Dropout", mr_dropout_new(0.3))                                                     \
    ROW("Dropout2d(0.5)", "Dropout2d", mr_dropout2d_new(0.5))                                               \
    ROW("PReLU(1)", "PReLU", mr_prelu_new(1, 0.25, dtype))                                                  \
    ROW("PReLU(3)", "PReLU", mr_prelu_new(3, 0.5, dtype))                                                   \
    ROW("LeakyReLU", "LeakyReLU", mr_leaky_relu_new(0.01))                                                  \
    ROW("ELU", "ELU", mr_elu_new(1))                                                                        \
    ROW("SELU", "SELU", mr_selu_new())                                                                      \
    ROW("GELU", "GELU", mr_gelu_new())                                                                      \
    ROW("GELU(tanh)", "GELU", mr_gelu_tanh_new())                                                           \
    ROW("SiLU", "SiLU", mr_silu_new())                                                                      \
    ROW("Mish", "Mish", mr_mish_new())                                                                      \
    ROW("Softplus", "Softplus", mr_softplus_new(NULL))                                                      \
    ROW("Softplus(3,2)", "Softplus", mr_softplus_new(&(mr_softplus_opts){ .beta = 3, .threshold = 2 }))     \
    ROW("Hardtanh", "Hardtanh", mr_hardtanh_new(-1, 1))                                                     \
    ROW("Hardswish", "Hardswish", mr_hardswish_new())                                                       \
    ROW("GLU", "GLU", mr_glu_new(-1))                                                                       \
    ROW("Upsample(5,3)", "Upsample", mr_upsample_new(MR_SHAPE(5, 3), NULL))                                 \
    ROW("Upsample(x2.5,linear)", "Upsample",                                                                \
        mr_upsample_scale_new(2.5, &(mr_upsample_opts){ .mode = MR_UPSAMPLE_LINEAR }))                      \
    ROW("Upsample(4,corners)", "Upsample",                                                                  \
        mr_upsample_new(MR_SHAPE(4, 4),                                                                     \
                        &(mr_upsample_opts){ .mode = MR_UPSAMPLE_LINEAR, .align_corners = true }))          \
    ROW("ZeroPad2d(1)", "ZeroPad2d", mr_zero_pad2d_new(MR_SHAPE(1)))                                        \
    ROW("ConstantPad1d(1,2)", "ConstantPad1d", mr_constant_pad1d_new(MR_SHAPE(1, 2), 3.5))                  \
    ROW("ConstantPad2d", "ConstantPad2d", mr_constant_pad2d_new(MR_SHAPE(1, 0, 2, -1), -1))                 \
    ROW("ReflectionPad1d(2)", "ReflectionPad1d", mr_reflection_pad1d_new(MR_SHAPE(2)))                      \
    ROW("ReflectionPad2d", "ReflectionPad2d", mr_reflection_pad2d_new(MR_SHAPE(1, 2, 0, 1)))                \
    ROW("ReplicationPad1d(2)", "ReplicationPad1d", mr_replication_pad1d_new(MR_SHAPE(2)))                   \
    ROW("ReplicationPad2d", "ReplicationPad2d", mr_replication_pad2d_new(MR_SHAPE(1, 2, 0, 1)))             \
    ROW("Softmax(1)", "Softmax", mr_softmax_new(1))                                                         \
    ROW("LogSoftmax(-1)", "LogSoftmax", mr_log_softmax_new(-1))                                             \
    ROW("Embedding(5,3)", "Embedding", mr_embedding_new(5, 3, rng, &(mr_embedding_opts){ .dtype = dtype })) \
    ROW("Embedding(7,4,padding)", "Embedding",                                                              \
        mr_embedding_new(                                                                                   \
            7, 4, rng, &(mr_embedding_opts){ .has_padding_idx = true, .padding_idx = -2, .dtype = dtype })) \
    ROW("EmbeddingBag(5,3)", "EmbeddingBag",                                                                \
        mr_embedding_bag_new(5, 3, rng, &(mr_embedding_bag_opts){ .dtype = dtype }))                        \
    ROW("EmbeddingBag(5,3,sum)", "EmbeddingBag",                                                            \
        mr_embedding_bag_new(                                                                               \
            5, 3, rng,                                                                                      \
            &(mr_embedding_bag_opts){                                                                       \
                .mode = MR_BAG_SUM, .has_padding_idx = true, .padding_idx = 1, .dtype = dtype }))

static mr_module *made(const char *name)
{
    mr_module *m = NULL;
    const char *type = "";
#define ROW(row_name, row_type, constructor) \
    if (strcmp(name, row_name) == 0) {       \
        type = row_type;                     \
        m = constructor;                     \
    }
    MODULES(ROW)
#undef ROW
    if (!CHECK(m != NULL))
        printf("    %s: %s\n", name, mr_error());
    CHECK_EQ_STR(mr_module_type(m), type);
    return m;
}

/* ---- a case ---- */

static void compare(golden_op *op, const char *what, const golden_tensor *want, const mr_tensor *got,
                    bool gradient)
{
    golden_compare(&c, op, what, want, got, gradient);
}

/* The next line when it begins with `word`; the values of `like`'s shape stand behind it. */
static bool next_word(const char *word)
{
    char *before = file.at + strspn(file.at, " \n");
    size_t n = strlen(word);
    if (strncmp(before, word, n) != 0 || before[n] != ' ')
        return false;
    golden_word(&file);
    return true;
}

static void read_like(golden_tensor *t, const mr_tensor *like)
{
    golden_tensor shape = { .dtype = mr_tensor_dtype(like), .shape = mr_tensor_shape(like) };
    free(t->values);
    t->values = NULL;
    golden_read_like(&file, t, &shape);
}

static void check_state(mr_module *m, golden_tensor *t)
{
    mr_params state = mr_module_state(m);
    size_t i = 0;
    for (; next_word("state"); i++) {
        char name[32];
        snprintf(name, sizeof name, "%s", golden_word(&file));
        free(t->values);
        t->values = NULL;
        golden_read_tensor(&file, t);
        if (!CHECK(i < state.count))
            continue;
        CHECK_EQ_STR(state.item[i].name, name);
        compare(&exact, name, t, state.item[i].tensor, false);
    }
    CHECK_EQ_I64(i, state.count);
}

/* Forward and backward in training mode. Returns the input, to be freed. */
static mr_tensor *check_training(mr_module *m, golden_tensor *t)
{
    golden_tensor in = { 0 };
    CHECK(next_word("in") && golden_read_tensor(&file, &in));
    mr_tensor *x = mr_tensor_from(in.dtype, in.shape, in.values);
    CHECK_EQ_I64(mr_tensor_set_requires_grad(x, in.grad), MR_OK);
    free(in.values);
    mr_tensor *y = mr_forward(m, tape, x);
    free(t->values);
    t->values = NULL;
    CHECK(next_word("out") && golden_read_tensor(&file, t));
    compare(&tolerance, "output", t, y, false);
    if (next_word("up")) {
        read_like(t, y);
        mr_tensor *up = mr_tensor_from(t->dtype, t->shape, t->values);
        CHECK_EQ_I64(mr_backward_from(tape, y, up), MR_OK);
        mr_tensor_free(up);
    }
    if (next_word("gradient")) {
        read_like(t, x);
        compare(&tolerance, "gradient", t, mr_tensor_grad(x), true);
    }
    mr_params p = mr_module_parameters(m);
    for (size_t i = 0; next_word("paramgrad"); i++) {
        read_like(t, p.item[i].tensor);
        compare(&tolerance, p.item[i].name, t, mr_tensor_grad(p.item[i].tensor), true);
    }
    mr_tape_reset(tape);
    return x;
}

static void check_module(void)
{
    golden_tensor t = { 0 };
    char name[sizeof c.op];
    int number = atoi(golden_word(&file));
    CHECK_EQ_I64(number, file.seen + 1);
    file.seen = c.number = number;
    mr_rng_seed(rng, (uint64_t)atoi(golden_word(&file)));
    golden_dtype(golden_word(&file), &dtype);
    snprintf(name, sizeof name, "%s", golden_word(&file));
    snprintf(c.op, sizeof c.op, "%s", name);
    mr_module *m = made(name);
    check_state(m, &t);
    free(t.values);
    t.values = NULL;
    CHECK(next_word("next") && golden_read_tensor(&file, &t));
    mr_tensor *next = mr_tensor_rand(rng, dtype, MR_SHAPE(1));
    compare(&exact, "next draw", &t, next, false);
    mr_tensor_free(next);

    mr_tensor *x = check_training(m, &t);
    CHECK(mr_forward(m, tape, x) != NULL);
    mr_params state = mr_module_state(m);
    for (size_t i = 0; i < state.count && next_word("after"); i++) {
        read_like(&t, state.item[i].tensor);
        compare(&tolerance, state.item[i].name, &t, state.item[i].tensor, false);
    }
    mr_module_train(m, false);
    mr_tensor *y = mr_forward(m, tape, x);
    CHECK(next_word("eval"));
    read_like(&t, y);
    compare(&tolerance, "output in evaluation", &t, y, false);
    mr_tape_reset(tape);
    mr_tensor_free(x);
    mr_module_free(m);
    free(t.values);
}

static void test_golden(void)
{
    if (!golden_open(&file, "layers"))
        return;
    c.file = "layers";
    while (!file.bad && next_word("module"))
        check_module();
    golden_close(&file);
}

/* ---- what is refused ---- */

static void check_none(mr_module *m, const char *text)
{
    CHECK(m == NULL);
    CHECK_EQ_STR(mr_error(), text);
}

static void test_cannot_be_made(void)
{
    check_none(mr_layer_norm_new(MR_SCALAR, NULL), "layer_norm_new: no sizes to normalise over");
    check_none(mr_layer_norm_new(MR_SHAPE(3), &(mr_norm_opts){ .dtype = MR_INT64 }),
               "layer_norm_new: int64 is not a floating type that can be trained");
    check_none(mr_group_norm_new(3, 4, NULL), "group_norm_new: 4 channels cannot be divided into 3 groups");
    check_none(mr_batch_norm1d_new(-1, NULL), "batch_norm1d_new: -1 channels");
    check_none(mr_instance_norm2d_new(-2, NULL), "instance_norm2d_new: -2 channels");
    check_none(mr_dropout_new(1.5), "dropout_new: probability 1.5 is not in [0, 1]");
    check_none(mr_dropout2d_new(NAN), "dropout2d_new: probability nan is not in [0, 1]");
    check_none(mr_embedding_new(3, 2, NULL, NULL), "embedding_new: rng is NULL");
    check_none(mr_embedding_new(-3, 2, rng, NULL), "embedding_new: -3 rows of 2");
    check_none(mr_embedding_new(3, 2, rng, &(mr_embedding_opts){ .has_padding_idx = true, .padding_idx = 3 }),
               "embedding_new: padding_idx 3 is none of 3 rows");
    check_none(mr_embedding_bag_new(3, 2, rng, &(mr_embedding_bag_opts){ .dtype = MR_BOOL }),
               "embedding_bag_new: bool is not a floating type that can be trained");
    check_none(mr_upsample_scale_new(0, NULL), "upsample_scale_new: 0 is no scale");
    check_none(mr_zero_pad2d_new(MR_SHAPE(1, 2)), "zero_pad2d_new: padding [1,2] is not of 1 or 4 numbers");
    check_none(mr_constant_pad1d_new(MR_SHAPE(1, 2, 3, 4), 0),
               "constant_pad1d_new: padding [1,2,3,4] is not of 1 or 2 numbers");
    check_none(mr_prelu_new(1, 0.25, MR_INT32),
               "prelu_new: int32 is not a floating type that can be trained");
}

/* Adopts the module. */
static void check_refuses(mr_module *m, mr_shape shape, const char *text)
{
    mr_module *net = mr_sequential_add(mr_sequential_new(), m);
    mr_tensor *x = mr_tensor_ones(MR_FLOAT32, shape);
    CHECK(mr_forward(net, tape, x) == NULL);
    CHECK(mr_tape_status(tape) != MR_OK);
    CHECK_EQ_STR(mr_error(), text);
    mr_tape_reset(tape);
    mr_tensor_free(x);
    mr_module_free(net);
}

static void test_wrong_inputs(void)
{
    check_refuses(mr_batch_norm1d_new(3, NULL), MR_SHAPE(2, 3, 4, 5),
                  "0: batch_norm1d: input [2,3,4,5] has not 2 or 3 dimensions");
    check_refuses(mr_batch_norm2d_new(3, NULL), MR_SHAPE(2, 3),
                  "0: batch_norm2d: input [2,3] has not 4 dimensions");
    check_refuses(
        mr_batch_norm2d_new(3, &(mr_batch_norm_opts){ .no_affine = true, .no_running_stats = true }),
        MR_SHAPE(2, 4, 1, 1), "0: batch_norm: input [2,4,1,1] has not 3 channels, dimension 1");
    check_refuses(mr_batch_norm1d_new(3, NULL), MR_SHAPE(1, 3),
                  "0: batch_norm: one value alone for each channel, in input [1,3], has no variance");
    check_refuses(mr_instance_norm2d_new(3, NULL), MR_SHAPE(2, 3),
                  "0: instance_norm2d: input [2,3] has not 3 or 4 dimensions");
    check_refuses(mr_instance_norm2d_new(3, NULL), MR_SHAPE(2, 4, 5),
                  "0: instance_norm2d: input [2,4,5] has not 3 channels");
    check_refuses(mr_layer_norm_new(MR_SHAPE(3), NULL), MR_SHAPE(2, 4),
                  "layer_norm: weight 0.weight[3] and bias 0.bias[3] are not the last sizes of input [2,4]");
    check_refuses(mr_embedding_new(3, 2, rng, NULL), MR_SHAPE(2),
                  "0: embedding: index [2] is float32, not int64 or int32");
}

/* A batch norm that failed has counted no batch, and evaluation changes nothing. */
static void test_what_counts_as_a_batch(void)
{
    mr_module *m = mr_batch_norm1d_new(2, NULL);
    mr_tensor *x = mr_tensor_from(MR_FLOAT32, MR_SHAPE(2, 2), (float[]){ 1, 2, 3, 4 });
    mr_tensor *one = mr_tensor_ones(MR_FLOAT32, MR_SHAPE(1, 2)), *seen = mr_module_state(m).item[4].tensor;
    CHECK(mr_forward(m, tape, one) == NULL);
    CHECK_EQ_STR(
        mr_error(),
        "BatchNorm1d: batch_norm: one value alone for each channel, in input [1,2], has no variance");
    mr_tape_reset(tape);
    CHECK_EQ_I64(mr_item_int64(seen), 0);
    CHECK(mr_forward(m, tape, x) != NULL);
    CHECK_EQ_I64(mr_item_int64(seen), 1);
    mr_module_train(m, false);
    CHECK(mr_forward(m, tape, one) != NULL);
    CHECK_EQ_I64(mr_item_int64(seen), 1);
    CHECK_NEAR((double)*(float *)mr_tensor_data(mr_module_state(m).item[2].tensor), 0.2, 1e-7);
    mr_tape_reset(tape);
    mr_tensor_free(x);
    mr_tensor_free(one);
    mr_module_free(m);
}

static void test_bag_with_offsets(void)
{
    mr_module *bag = mr_embedding_bag_new(3, 2, rng, NULL), *other = mr_embedding_new(3, 2, rng, NULL);
    mr_tensor *index = mr_tensor_from(MR_INT64, MR_SHAPE(3), (int64_t[]){ 0, 2, 2 });
    mr_tensor *offsets = mr_tensor_from(MR_INT64, MR_SHAPE(2), (int64_t[]){ 0, 1 });
    const float *w = mr_tensor_data(mr_module_parameters(bag).item[0].tensor);
    const float *y = mr_tensor_data(mr_embedding_bag_forward(bag, tape, index, offsets));
    if (CHECK(y != NULL))
        for (int i = 0; i < 2; i++) {
            CHECK_NEAR((double)y[i], (double)w[i], 0);
            CHECK_NEAR((double)y[2 + i], (double)w[4 + i], 0);
        }
    CHECK(mr_embedding_bag_forward(other, tape, index, offsets) == NULL);
    CHECK_EQ_STR(mr_error(), "embedding_bag: the module is Embedding, no EmbeddingBag");
    mr_tape_reset(tape);
    mr_tensor_free(index);
    mr_tensor_free(offsets);
    mr_module_free(bag);
    mr_module_free(other);
}

int main(void)
{
    rng = mr_rng_new(0);
    tape = mr_tape_new(rng);
    RUN(test_golden);
    RUN(test_cannot_be_made);
    RUN(test_wrong_inputs);
    RUN(test_what_counts_as_a_batch);
    RUN(test_bag_with_offsets);
    mr_tape_free(tape);
    mr_rng_free(rng);
    return check_report();
}

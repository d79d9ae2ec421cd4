/* Models trained beside PyTorch on generated data, as follow.h says; golden/make_follow.py is the other side. */
#include "follow.h"

/* ---- the models ---- */

static mr_module *norm_cnn(void)
{
    mr_module *m = mr_sequential_add(mr_sequential_new(), conv(1, 6, 1, 1, false));
    mr_sequential_add(m, mr_batch_norm2d_new(6, &(mr_batch_norm_opts){ .dtype = dtype }));
    mr_sequential_add(m, mr_relu_new());
    mr_sequential_add(m, mr_avg_pool2d_new(2, NULL));
    mr_sequential_add(m, conv(6, 8, 0, 2, true));
    mr_sequential_add(m, mr_batch_norm2d_new(8, &(mr_batch_norm_opts){ .dtype = dtype }));
    mr_sequential_add(m, mr_relu_new());
    mr_sequential_add(m, mr_flatten_new());
    return mr_sequential_add(m, linear(32, 10));
}

static mr_module *pool_cnn(int64_t first, int64_t second)
{
    mr_module *m = mr_sequential_add(mr_sequential_new(), conv(1, first, 1, 1, false));
    mr_sequential_add(m, mr_relu_new());
    mr_sequential_add(m, mr_max_pool2d_new(2, NULL));
    mr_sequential_add(m, conv(first, second, 1, 1, false));
    mr_sequential_add(m, mr_relu_new());
    mr_sequential_add(m, mr_max_pool2d_new(2, NULL));
    mr_sequential_add(m, mr_flatten_new());
    return mr_sequential_add(m, linear(second * 9, 10));
}

/* An LSTM's last output, to one value. */
static mr_tensor *last_lstm_forward(mr_module *m, mr_tape *t, mr_tensor *x)
{
    mr_tensor *y = mr_forward(mr_module_child(m, 0, NULL), t, x);
    return mr_forward(mr_module_child(m, 1, NULL), t, mr_select(t, y, 1, -1));
}

static mr_module *last_lstm(int64_t features, int64_t hidden, int64_t layers)
{
    static const mr_module_vtable vtable = { .type = "LastLSTM", .forward = last_lstm_forward };
    mr_module *m = mr_module_new(&vtable, NULL, 0);
    mr_module_add(m, "lstm",
                  mr_lstm_new(features, hidden, rng,
                              &(mr_rnn_opts){ .layers = layers, .batch_first = true, .dtype = dtype }));
    mr_module_add(m, "out", linear(hidden, 1));
    return m;
}

/* Two causal layers on projected inputs; the last step is classified. */
static mr_tensor *transformer_forward(mr_module *m, mr_tape *t, mr_tensor *x)
{
    x = mr_forward(mr_module_child(m, 0, NULL), t, x);
    mr_module *layers = mr_module_child(m, 1, NULL);
    for (size_t i = 0; i < 2; i++)
        x = mr_transformer_encoder_forward(mr_module_child(layers, i, NULL), t, x,
                                           &(mr_attention_masks){ .causal = true });
    x = mr_forward(mr_module_child(m, 2, NULL), t, x);
    return mr_select(t, mr_forward(mr_module_child(m, 3, NULL), t, x), 1, -1);
}

static mr_module *transformer(int64_t features, int64_t width, int64_t heads, int64_t classes)
{
    static const mr_module_vtable vtable = { .type = "CausalTransformer", .forward = transformer_forward };
    const mr_transformer_opts opts = { .feedforward = 2 * width,
                                       .dropout = MR_ZERO,
                                       .gelu = true,
                                       .norm_first = true,
                                       .batch_first = true,
                                       .dtype = dtype };
    mr_module *m = mr_module_new(&vtable, NULL, 0), *layers = mr_module_list_new();
    mr_module_add(m, "inputs", linear(features, width));
    mr_module_list_add(layers, mr_transformer_encoder_layer_new(width, heads, rng, &opts));
    mr_module_list_add(layers, mr_transformer_encoder_layer_new(width, heads, rng, &opts));
    mr_module_add(m, "layers", layers);
    mr_module_add(m, "norm", mr_layer_norm_new(MR_SHAPE(width), &(mr_norm_opts){ .dtype = dtype }));
    mr_module_add(m, "out", linear(width, classes));
    return m;
}

/* ---- the table: NAME, type, constructor, inputs, classes (0: one value), batch, allowed of a loss ---- */

#define MODELS(ROW)                                                                                   \
    ROW("mlp_f64", MR_FLOAT64, mlp(20, 64, 32, 5), MR_SHAPE(320, 20), 5, 32, 1e-9)                    \
    ROW("cnn_f64", MR_FLOAT64, norm_cnn(), MR_SHAPE(160, 1, 12, 12), 10, 16, 1e-9)                    \
    ROW("lstm_f64", MR_FLOAT64, last_lstm(5, 16, 2), MR_SHAPE(160, 12, 5), 0, 16, 1e-9)               \
    ROW("transformer_f64", MR_FLOAT64, transformer(6, 16, 4, 5), MR_SHAPE(160, 10, 6), 5, 16, 1e-9)   \
    ROW("lstm_f32", MR_FLOAT32, last_lstm(8, 32, 1), MR_SHAPE(320, 24, 8), 0, 32, 1e-5)               \
    ROW("mlp_f32", MR_FLOAT32, mlp(784, 128, 10, 0), MR_SHAPE(640, 784), 10, 64, 1e-5)                \
    ROW("transformer_f32", MR_FLOAT32, transformer(8, 32, 4, 10), MR_SHAPE(320, 24, 8), 10, 32, 1e-5) \
    ROW("pool_cnn_f32", MR_FLOAT32, pool_cnn(8, 16), MR_SHAPE(160, 1, 12, 12), 10, 16, 1e-4)          \
    ROW("wide_mlp_f32", MR_FLOAT32, mlp(8, 64, 4, 0), MR_SHAPE(320, 8), 4, 32, 1e-5)                  \
    ROW("small_cnn_f32", MR_FLOAT32, pool_cnn(3, 4), MR_SHAPE(160, 1, 12, 12), 10, 16, 1e-5)

static void follow_make(follow_run *r, const char *name)
{
    mr_shape shape = MR_SCALAR;
    int classes = 0;
#define ROW(row, type, constructor, inputs, number, rows, tolerance) \
    if (strcmp(name, row) == 0) {                                    \
        dtype = type;                                                \
        r->model = constructor;                                      \
        shape = inputs;                                              \
        classes = number;                                            \
        r->batch = rows;                                             \
        r->allowed = tolerance;                                      \
    }
    MODELS(ROW)
#undef ROW
    r->x = mr_tensor_rand(rng, dtype, shape);
    r->target = classes ? mr_tensor_randint(rng, MR_INT64, 0, classes, MR_SHAPE(shape.dim[0]))
                        : mr_tensor_rand(rng, dtype, MR_SHAPE(shape.dim[0], 1));
}

static void test_follow(void)
{
    if (golden_open(&file, "follow"))
        follow_cases();
}

int main(void)
{
    RUN(test_follow);
    return check_report();
}

/*
 * Models trained beside PyTorch from the same seed: their losses follow, step by step. Where a step's last digit decides
 * between two ways (the larger of two equal ones, a relu at 0) they part after a while, and are looked at again from
 * PyTorch's own weights and moments. golden/make_follow.py describes the file.
 */
#include "golden_run.h"

#include <millrace/layers.h>
#include <millrace/optim.h>

/* ---- the models ---- */

static mr_dtype dtype;
static mr_rng *rng;

static mr_module *linear(int64_t in, int64_t out)
{
    return mr_linear_new(in, out, rng, &(mr_linear_opts){ .dtype = dtype });
}

static mr_module *mlp(int64_t a, int64_t b, int64_t c, int64_t d)
{
    mr_module *m = mr_sequential_add(mr_sequential_new(), linear(a, b));
    mr_sequential_add(m, mr_relu_new());
    mr_sequential_add(m, linear(b, c));
    if (d) {
        mr_sequential_add(m, mr_relu_new());
        mr_sequential_add(m, linear(c, d));
    }
    return m;
}

static mr_module *conv(int64_t in, int64_t out, int64_t padding, int64_t stride, bool no_bias)
{
    return mr_conv2d_new(
        in, out, 3, rng,
        &(mr_conv_opts){ .padding = padding, .stride = stride, .no_bias = no_bias, .dtype = dtype });
}

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

typedef struct run {
    mr_module *model;
    mr_tensor *x, *target;
    int64_t batch;
    int classes;
    double allowed;
    mr_optim *adam;
    mr_tape *tape;
} run;

static void begin(run *r, const char *name)
{
    mr_shape shape = MR_SCALAR;
    rng = mr_rng_new(0);
    *r = (run){ .tape = mr_tape_new(rng) };
#define ROW(row, type, constructor, inputs, number, rows, tolerance) \
    if (strcmp(name, row) == 0) {                                    \
        dtype = type;                                                \
        r->model = constructor;                                      \
        shape = inputs;                                              \
        r->classes = number;                                         \
        r->batch = rows;                                             \
        r->allowed = tolerance;                                      \
    }
    MODELS(ROW)
#undef ROW
    if (!CHECK(r->model != NULL))
        printf("    %s: %s\n", name, mr_error());
    r->x = mr_tensor_rand(rng, dtype, shape);
    r->target = r->classes ? mr_tensor_randint(rng, MR_INT64, 0, r->classes, MR_SHAPE(shape.dim[0]))
                           : mr_tensor_rand(rng, dtype, MR_SHAPE(shape.dim[0], 1));
    r->adam = mr_adam_new(mr_module_parameters(r->model), 1e-3, NULL);
}

static void end(run *r)
{
    mr_optim_free(r->adam);
    mr_module_free(r->model);
    mr_tensor_free(r->x);
    mr_tensor_free(r->target);
    mr_tape_free(r->tape);
    mr_rng_free(rng);
}

/* The loss of a step, and backward from it. */
static double loss_of(run *r, int64_t step)
{
    int64_t at = step * r->batch % mr_tensor_size(r->x, 0);
    mr_tensor *y = mr_forward(r->model, r->tape, mr_slice(r->tape, r->x, 0, at, at + r->batch, 1));
    mr_tensor *target = mr_slice(r->tape, r->target, 0, at, at + r->batch, 1);
    mr_tensor *loss =
        r->classes ? mr_cross_entropy(r->tape, y, target, NULL) : mr_mse_loss(r->tape, y, target, NULL);
    mr_optim_zero_grad(r->adam);
    bool ok = CHECK_EQ_I64(mr_backward(r->tape, loss), MR_OK);
    return ok ? mr_item(loss) : NAN;
}

/* ---- following ---- */

static golden_file file;

static void follow(void)
{
    char name[32];
    run r;
    snprintf(name, sizeof name, "%s", golden_word(&file));
    int64_t steps = strtoll(golden_word(&file), NULL, 10), parted = -1;
    double worst = 0;
    begin(&r, name);
    CHECK_EQ_STR(golden_word(&file), ":");
    for (int64_t i = 0; i < steps; i++) {
        double want = strtod(golden_word(&file), NULL), got = loss_of(&r, i), error = fabs(got - want) / want;
        worst = error > worst ? error : worst;
        if (!(error <= r.allowed) && parted < 0)
            parted = i;
        CHECK(mr_optim_step(r.adam) == MR_OK);
        mr_tape_reset(r.tape);
    }
    if (!CHECK(parted < 0) || getenv("MR_GOLDEN_WORST"))
        printf("    %s: off by %.3g of %g; beyond it at step %lld\n", name, worst, r.allowed,
               (long long)parted);
    end(&r);
}

/* ---- one step from PyTorch's state ---- */

enum { MOST = 64 };

static bool next_is(const char *word)
{
    char *next = file.at + strspn(file.at, " \n");
    size_t n = strlen(word);
    if (strncmp(next, word, n) || next[n] != ' ')
        return false;
    golden_word(&file);
    return true;
}

static mr_tensor *find(mr_params list, const char *name)
{
    for (size_t i = 0; i < list.count; i++)
        if (strcmp(list.item[i].name, name) == 0)
            return list.item[i].tensor;
    return NULL;
}

/* Reads weights into the model and moments into the optimizer, which is told that it has made `step` updates. */
static void read_state(run *r, int64_t step)
{
    mr_params params = mr_module_parameters(r->model), kept = mr_optim_state(r->adam);
    mr_param copy[MOST];
    mr_params state = { copy, kept.count };
    if (!CHECK(kept.count && kept.count <= MOST))
        return;
    for (size_t i = 0; i < kept.count; i++) {
        size_t n = strlen(kept.item[i].name);
        copy[i] = (mr_param){ kept.item[i].name, mr_tensor_keep(kept.item[i].tensor) };
        if (n >= 5 &&
            (strcmp(kept.item[i].name + n - 5, ".step") == 0 || strcmp(kept.item[i].name, "steps") == 0))
            CHECK(mr_tensor_fill(copy[i].tensor, (double)step) == MR_OK);
    }
    while (next_is("state")) {
        char name[64];
        golden_tensor t = { 0 };
        snprintf(name, sizeof name, "%s", golden_word(&file));
        mr_tensor *to = find(params, name);
        to = to ? to : find(state, name);
        if (CHECK(to != NULL) && CHECK(golden_read_tensor(&file, &t))) {
            mr_tensor *from = mr_tensor_from(t.dtype, t.shape, t.values);
            CHECK(mr_tensor_copy(to, from) == MR_OK);
            mr_tensor_free(from);
        }
        free(t.values);
    }
    CHECK_EQ_I64(mr_optim_load_state(r->adam, state), MR_OK);
    for (size_t i = 0; i < state.count; i++)
        mr_tensor_free(copy[i].tensor);
}

/* The norm of a - b over that of b. */
static double difference(const float *a, const float *b, int64_t n)
{
    double off = 0, all = 0;
    for (int64_t i = 0; i < n; i++) {
        off += ((double)a[i] - (double)b[i]) * ((double)a[i] - (double)b[i]);
        all += (double)b[i] * (double)b[i];
    }
    return sqrt(off / all);
}

static void restart(void)
{
    char name[32];
    run r;
    snprintf(name, sizeof name, "%s", golden_word(&file));
    int64_t step = strtoll(golden_word(&file), NULL, 10);
    double want = strtod(golden_word(&file), NULL), next = strtod(golden_word(&file), NULL), worst = 0;
    begin(&r, name);
    read_state(&r, step);
    double off = fabs(loss_of(&r, step) - want) / want;
    mr_params params = mr_module_parameters(r.model);
    for (size_t i = 0; i < params.count; i++) {
        golden_tensor t = { 0 };
        if (CHECK(next_is("gradient") && golden_read_tensor(&file, &t))) {
            double d = difference(mr_tensor_data(mr_tensor_grad(params.item[i].tensor)), t.values, t.numel);
            worst = d > worst ? d : worst;
        }
        free(t.values);
    }
    CHECK(mr_optim_step(r.adam) == MR_OK);
    mr_tape_reset(r.tape);
    double then = fabs(loss_of(&r, step + 1) - next) / next;
    if (!CHECK(off <= r.allowed && then <= r.allowed && worst <= 1e-4) || getenv("MR_GOLDEN_WORST"))
        printf("    %s from step %lld: losses off by %.3g and %.3g, gradients by %.3g\n", name,
               (long long)step, off, then, worst);
    end(&r);
}

static void test_follow(void)
{
    int cases = 0;
    if (!golden_open(&file, "follow"))
        return;
    for (;; cases++) {
        if (next_is("follow"))
            follow();
        else if (next_is("restart"))
            restart();
        else
            break;
    }
    CHECK_EQ_I64(cases, file.promised);
    CHECK_EQ_STR(golden_word(&file), "end");
    file.seen = cases;
    golden_close(&file);
}

int main(void)
{
    RUN(test_follow);
    return check_report();
}

/*
 * One training step of a model of some size, timed: `bench-models NAME`. The models are those of peers/models_torch.py,
 * with the same draws from the same seed, so that both start from equal weights, inputs and targets.
 *
 *   bench-models NAME [--threads N]            the best and the median milliseconds of a step, over a second or more
 *   bench-models NAME [--threads N] --losses   the first five losses, a line each
 *   bench-models NAME [--threads N] --memory   and then the bytes that training takes
 */
#include <millrace/millrace.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef struct model {
    mr_module *module;
    mr_tensor *x, *target;
    mr_tensor *(*loss)(mr_tape *tape, mr_tensor *y, mr_tensor *target);
    mr_optim *optim;
} model;

static mr_tensor *cross_entropy(mr_tape *tape, mr_tensor *y, mr_tensor *target)
{
    return mr_cross_entropy(tape, y, target, NULL);
}

/* ---- the models ---- */

static model mlp_of(mr_rng *rng, int64_t batch)
{
    mr_module *m = mr_sequential_new();
    mr_sequential_add(m, mr_linear_new(784, 512, rng, NULL));
    mr_sequential_add(m, mr_relu_new());
    mr_sequential_add(m, mr_linear_new(512, 512, rng, NULL));
    mr_sequential_add(m, mr_relu_new());
    mr_sequential_add(m, mr_linear_new(512, 10, rng, NULL));
    model all = { .module = m, .loss = cross_entropy };
    all.x = mr_tensor_rand(rng, MR_FLOAT32, MR_SHAPE(batch, 784));
    all.target = mr_tensor_randint(rng, MR_INT64, 0, 10, MR_SHAPE(batch));
    all.optim = mr_adam_new(mr_module_parameters(m), 1e-3, NULL);
    return all;
}

static model mlp(mr_rng *rng)
{
    return mlp_of(rng, 128);
}

static model mlp_512(mr_rng *rng)
{
    return mlp_of(rng, 512);
}

static model cnn(mr_rng *rng)
{
    const mr_conv_opts padded = { .padding = 1 };
    mr_module *m = mr_sequential_new();
    mr_sequential_add(m, mr_conv2d_new(1, 32, 3, rng, &padded));
    mr_sequential_add(m, mr_relu_new());
    mr_sequential_add(m, mr_max_pool2d_new(2, NULL));
    mr_sequential_add(m, mr_conv2d_new(32, 64, 3, rng, &padded));
    mr_sequential_add(m, mr_relu_new());
    mr_sequential_add(m, mr_max_pool2d_new(2, NULL));
    mr_sequential_add(m, mr_flatten_new());
    mr_sequential_add(m, mr_linear_new(64 * 49, 128, rng, NULL));
    mr_sequential_add(m, mr_relu_new());
    mr_sequential_add(m, mr_linear_new(128, 10, rng, NULL));
    model all = { .module = m, .loss = cross_entropy };
    all.x = mr_tensor_rand(rng, MR_FLOAT32, MR_SHAPE(64, 1, 28, 28));
    all.target = mr_tensor_randint(rng, MR_INT64, 0, 10, MR_SHAPE(64));
    all.optim = mr_adam_new(mr_module_parameters(m), 1e-3, NULL);
    return all;
}

/* The last output of an LSTM, to one value. */
typedef struct last_lstm {
    mr_module *lstm, *out;
} last_lstm;

static mr_tensor *last_lstm_forward(mr_module *m, mr_tape *t, mr_tensor *x)
{
    const last_lstm *l = mr_module_self(m);
    return mr_forward(l->out, t, mr_select(t, mr_forward(l->lstm, t, x), 1, -1));
}

static mr_tensor *squared_error(mr_tape *tape, mr_tensor *y, mr_tensor *target)
{
    return mr_mse_loss(tape, y, target, NULL);
}

static model lstm(mr_rng *rng)
{
    static const mr_module_vtable vtable = { .type = "LastLSTM", .forward = last_lstm_forward };
    last_lstm l;
    l.lstm = mr_lstm_new(32, 128, rng, &(mr_rnn_opts){ .batch_first = true });
    l.out = mr_linear_new(128, 1, rng, NULL);
    mr_module *m = mr_module_new(&vtable, &l, sizeof l);
    mr_module_add(m, "lstm", l.lstm);
    mr_module_add(m, "out", l.out);
    model all = { .module = m, .loss = squared_error };
    all.x = mr_tensor_rand(rng, MR_FLOAT32, MR_SHAPE(32, 64, 32));
    all.target = mr_tensor_rand(rng, MR_FLOAT32, MR_SHAPE(32, 1));
    all.optim = mr_adam_new(mr_module_parameters(m), 1e-3, NULL);
    return all;
}

/* A small language model: each position says what the next token is. */
typedef struct language {
    mr_module *tok, *pos, *blocks, *norm, *out;
} language;

static mr_tensor *language_forward(mr_module *m, mr_tape *t, mr_tensor *tokens)
{
    const language *l = mr_module_self(m);
    mr_tensor *x = mr_add(t, mr_forward(l->tok, t, tokens), mr_module_parameters(l->pos).item[0].tensor);
    for (int i = 0; mr_module_child(l->blocks, (size_t)i, NULL); i++)
        x = mr_transformer_encoder_forward(mr_module_child(l->blocks, (size_t)i, NULL), t, x,
                                           &(mr_attention_masks){ .causal = true });
    return mr_transpose(t, mr_forward(l->out, t, mr_forward(l->norm, t, x)), 1, 2);
}

static model transformer(mr_rng *rng)
{
    enum { VOCABULARY = 96, WIDTH = 128, LENGTH = 128, HEADS = 4, LAYERS = 2, SEQUENCES = 16 };
    static const mr_module_vtable vtable = { .type = "LM", .forward = language_forward };
    language l;
    l.tok = mr_embedding_new(VOCABULARY, WIDTH, rng, NULL);
    l.pos = mr_embedding_new(LENGTH, WIDTH, rng, NULL);
    l.blocks = mr_module_list_new();
    for (int i = 0; i < LAYERS; i++)
        mr_module_list_add(l.blocks,
                           mr_transformer_encoder_layer_new(WIDTH, HEADS, rng,
                                                            &(mr_transformer_opts){ .feedforward = 4 * WIDTH,
                                                                                    .dropout = MR_ZERO,
                                                                                    .gelu = true,
                                                                                    .batch_first = true,
                                                                                    .norm_first = true }));
    l.norm = mr_layer_norm_new(MR_SHAPE(WIDTH), NULL);
    l.out = mr_linear_new(WIDTH, VOCABULARY, rng, NULL);
    mr_module *m = mr_module_new(&vtable, &l, sizeof l);
    mr_module_add(m, "tok", l.tok);
    mr_module_add(m, "pos", l.pos);
    mr_module_add(m, "blocks", l.blocks);
    mr_module_add(m, "norm", l.norm);
    mr_module_add(m, "out", l.out);
    model all = { .module = m, .loss = cross_entropy };
    all.x = mr_tensor_randint(rng, MR_INT64, 0, VOCABULARY, MR_SHAPE(SEQUENCES, LENGTH));
    all.target = mr_tensor_randint(rng, MR_INT64, 0, VOCABULARY, MR_SHAPE(SEQUENCES, LENGTH));
    all.optim = mr_adamw_new(mr_module_parameters(m), 1e-3, NULL);
    return all;
}

static const struct {
    const char *name;
    model (*make)(mr_rng *rng);
} models[] = {
    { "mlp", mlp }, { "mlp-512", mlp_512 }, { "cnn", cnn }, { "lstm", lstm }, { "transformer", transformer }
};

/* ---- running one ---- */

static mr_status step(const model *m, mr_tape *tape, double *loss)
{
    mr_optim_zero_grad(m->optim);
    mr_tensor *l = m->loss(tape, mr_forward(m->module, tape, m->x), m->target);
    mr_status status = mr_backward(tape, l);
    if (status == MR_OK && loss)
        *loss = mr_item(l);
    if (status == MR_OK)
        status = mr_optim_step(m->optim);
    mr_tape_reset(tape);
    return status;
}

static double milliseconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static mr_status print_losses(const model *m, mr_tape *tape)
{
    mr_status status = MR_OK;
    for (int i = 0; i < 5 && status == MR_OK; i++) {
        double loss = 0;
        if ((status = step(m, tape, &loss)) == MR_OK)
            printf("%.9g\n", loss);
    }
    return status;
}

static void print_memory(mr_memory m)
{
    printf("parameters %zu, gradients %zu, buffers %zu, optimizer %zu, step %zu, together %zu bytes\n",
           m.parameters, m.gradients, m.buffers, m.optimizer, m.step, m.total);
}

static mr_status print_times(const model *m, mr_tape *tape)
{
    enum { WARM = 5, FEWEST = 20, MOST = 100000 };
    static double times[MOST];
    int count = 0;
    double begin = 0;
    for (int i = 0; i < WARM + MOST; i++) {
        double before = milliseconds();
        mr_status status = step(m, tape, NULL);
        if (status != MR_OK)
            return status;
        double now = milliseconds();
        if (i < WARM)
            begin = now;
        else
            times[count++] = now - before;
        if (count >= FEWEST && now - begin > 1000)
            break;
    }
    qsort(times, (size_t)count, sizeof *times, by_value);
    printf("%.4f %.4f\n", times[0], times[count / 2]);
    return MR_OK;
}

int main(int argc, char **argv)
{
    model (*make)(mr_rng * rng) = NULL;
    bool losses = false, memory = false, wrong = argc < 2;
    int threads = 2;
    for (size_t i = 0; !wrong && i < sizeof models / sizeof *models; i++)
        if (strcmp(argv[1], models[i].name) == 0)
            make = models[i].make;
    for (int i = 2; i < argc; i++)
        if (strcmp(argv[i], "--losses") == 0)
            losses = true;
        else if (strcmp(argv[i], "--memory") == 0)
            memory = true;
        else if (strcmp(argv[i], "--threads") == 0 && i + 1 < argc)
            threads = atoi(argv[++i]);
        else
            wrong = true;
    if (wrong || !make) {
        fprintf(stderr, "usage: bench-models NAME [--threads N] [--losses | --memory]\n");
        return 2;
    }
    mr_status status = mr_set_num_threads(threads);
    mr_rng *rng = mr_rng_new(0);
    model m = make(rng);
    mr_tape *tape = mr_tape_new(rng);
    if (status == MR_OK)
        status = losses || memory ? print_losses(&m, tape) : print_times(&m, tape);
    if (status == MR_OK && memory)
        print_memory(mr_memory_of(m.module, m.optim, tape));
    if (status != MR_OK)
        fprintf(stderr, "bench-models: %s\n", mr_error());
    mr_tape_free(tape);
    mr_optim_free(m.optim);
    mr_module_free(m.module);
    mr_tensor_free(m.x);
    mr_tensor_free(m.target);
    mr_rng_free(rng);
    return status != MR_OK;
}

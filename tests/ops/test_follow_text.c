/* Language models trained beside PyTorch, as follow.h says, on the text of the GPL, version 3, that Debian has;
 * golden/make_follow_text.py is the other side and says how rows are made. Where the text is missing or another one, this
 * is left out. */
#include "follow.h"

static const char path[] = "/usr/share/common-licenses/GPL-3";

enum { STEPS = 32, BYTES = 256, LEFT_OUT = 77 };

static char *text;
static size_t length;
static int64_t place[BYTES], characters; /* of each byte among those that occur */

/* ---- the models ---- */

static mr_module *tokens(int64_t rows, int64_t width)
{
    return mr_embedding_new(rows, width, rng, &(mr_embedding_opts){ .dtype = dtype });
}

static mr_tensor *lstm_forward(mr_module *m, mr_tape *t, mr_tensor *x)
{
    for (size_t i = 0; i < 3; i++)
        x = mr_forward(mr_module_child(m, i, NULL), t, x);
    return x;
}

static mr_module *lstm(int64_t width, int64_t hidden, int64_t layers)
{
    static const mr_module_vtable vtable = { .type = "LSTM", .forward = lstm_forward };
    const mr_rnn_opts opts = { .layers = layers, .batch_first = true, .dtype = dtype };
    mr_module *m = mr_module_new(&vtable, NULL, 0);
    mr_module_add(m, "tokens", tokens(characters, width));
    mr_module_add(m, "lstm", mr_lstm_new(width, hidden, rng, &opts));
    mr_module_add(m, "out", linear(hidden, characters));
    return m;
}

typedef struct net {
    mr_module *tokens, *positions, *layer[2], *norm, *out;
    mr_tensor *index;
} net;

static mr_tensor *transformer_forward(mr_module *m, mr_tape *t, mr_tensor *x)
{
    const net *n = mr_module_self(m);
    x = mr_add(t, mr_forward(n->tokens, t, x), mr_forward(n->positions, t, n->index));
    for (int i = 0; i < 2; i++)
        x = mr_transformer_encoder_forward(n->layer[i], t, x, &(mr_attention_masks){ .causal = true });
    return mr_forward(n->out, t, mr_forward(n->norm, t, x));
}

static mr_module *transformer(int64_t width, int64_t heads)
{
    static const mr_module_vtable vtable = { .type = "Transformer", .forward = transformer_forward };
    const mr_transformer_opts opts = { .feedforward = 4 * width,
                                       .dropout = MR_ZERO,
                                       .gelu = true,
                                       .norm_first = true,
                                       .batch_first = true,
                                       .dtype = dtype };
    net n;
    mr_module *layers = mr_module_list_new();
    n.tokens = tokens(characters, width);
    n.positions = tokens(STEPS, width);
    for (int i = 0; i < 2; i++)
        mr_module_list_add(layers, n.layer[i] = mr_transformer_encoder_layer_new(width, heads, rng, &opts));
    n.norm = mr_layer_norm_new(MR_SHAPE(width), &(mr_norm_opts){ .dtype = dtype });
    n.out = linear(width, characters);
    n.index = mr_tensor_arange(MR_INT64, 0, STEPS, 1);
    mr_module *m = mr_module_new(&vtable, &n, sizeof n);
    mr_module_add(m, "tokens", n.tokens);
    mr_module_add(m, "positions", n.positions);
    mr_module_add(m, "layers", layers);
    mr_module_add(m, "norm", n.norm);
    mr_module_add(m, "out", n.out);
    mr_module_add_buffer(m, "index", n.index);
    return m;
}

/* ---- the table: NAME, type, constructor, batch, allowed of a loss ---- */

#define MODELS(ROW)                                                 \
    ROW("lstm_f64", MR_FLOAT64, lstm(16, 32, 2), 8, 1e-9)           \
    ROW("transformer_f64", MR_FLOAT64, transformer(32, 4), 8, 1e-9) \
    ROW("lstm_f32", MR_FLOAT32, lstm(32, 64, 1), 16, 1e-5)          \
    ROW("transformer_f32", MR_FLOAT32, transformer(32, 4), 16, 1e-5)

static void follow_make(follow_run *r, const char *name)
{
#define ROW(row, type, constructor, rows, tolerance) \
    if (strcmp(name, row) == 0) {                    \
        dtype = type;                                \
        r->model = constructor;                      \
        r->batch = rows;                             \
        r->allowed = tolerance;                      \
    }
    MODELS(ROW)
#undef ROW
    int64_t rows = ((int64_t)length - 1) / STEPS / r->batch * r->batch;
    r->x = mr_tensor_zeros(MR_INT64, MR_SHAPE(rows, STEPS));
    r->target = mr_tensor_zeros(MR_INT64, MR_SHAPE(rows, STEPS));
    int64_t *x = mr_tensor_data(r->x), *target = mr_tensor_data(r->target);
    for (int64_t i = 0; i < rows * STEPS; i++) {
        x[i] = place[(unsigned char)text[i]];
        target[i] = place[(unsigned char)text[i + 1]];
    }
}

static void number_characters(void)
{
    bool occurs[BYTES] = { false };
    for (size_t i = 0; i < length; i++)
        occurs[(unsigned char)text[i]] = true;
    for (int b = 0; b < BYTES; b++)
        if (occurs[b])
            place[b] = characters++;
}

static bool left_out;

static void test_text(void)
{
    if (!golden_open(&file, "follow_text"))
        return;
    text = golden_text(path);
    length = text ? strlen(text) : 0;
    left_out = !follow_source_is(text, length);
    if (left_out) {
        printf("note: %s is %s: left out\n", path, text ? "another text" : "missing");
        free(file.text);
    } else {
        number_characters();
        follow_cases();
    }
    free(text);
}

int main(void)
{
    CHECK(mr_set_num_threads(1) == MR_OK); /* changes no bit, and beside other tests is many times faster */
    RUN(test_text);
    int failed = check_report();
    return left_out && !failed ? LEFT_OUT : failed;
}

/* Multi-head attention and the transformer's encoder, against PyTorch; golden/make_transformer.py describes the specs. */
#include "golden_modules.h"

#include <millrace/layers.h>

#include <math.h>

typedef struct shown {
    mr_module *net;
    mr_tensor *key, *value; /* NULL: self-attention, the keys */
    int64_t heads, causal, mask, padding, weights;
    bool batch_first, is_encoder;
} shown;

/* ---- masks ---- */

enum { MOST = 256 };
static double additive[MOST];
static float single[MOST];
static uint8_t hidden[MOST];

static mr_tensor *floats(mr_tape *t, mr_dtype type, mr_shape shape)
{
    for (int i = 0; i < MOST; i++)
        single[i] = (float)additive[i];
    /* the tape borrows, so each mask is cloned */
    return mr_clone(t, mr_tape_wrap(t, type, shape, type == MR_FLOAT32 ? (void *)single : (void *)additive));
}

static mr_tensor *mask_of(const shown *s, mr_tape *t, mr_dtype type, int64_t rows, int64_t steps,
                          int64_t keys)
{
    int64_t copies = s->mask == 3 ? rows * s->heads : 1;
    mr_shape shape = s->mask == 3 ? MR_SHAPE(copies, steps, keys) : MR_SHAPE(steps, keys);
    if (!s->mask || !CHECK(copies * steps * keys <= MOST))
        return NULL;
    for (int64_t c = 0; c < copies; c++)
        for (int64_t i = 0; i < steps; i++)
            for (int64_t j = 0; j < keys; j++) {
                int64_t n = (c * steps + i) * keys + j;
                hidden[n] = (3 * i + 5 * j) % 4 == 1;
                additive[n] = (double)((i + 2 * j) % 5 - 2) / 2 + (double)c / 8;
            }
    return s->mask == 1 ? mr_clone(t, mr_tape_wrap(t, MR_BOOL, shape, hidden)) : floats(t, type, shape);
}

static mr_tensor *padding_of(const shown *s, mr_tape *t, mr_dtype type, int64_t rows, int64_t keys,
                             bool one_row)
{
    mr_shape shape = one_row ? MR_SHAPE(keys) : MR_SHAPE(rows, keys);
    if (!s->padding || !CHECK(rows * keys <= MOST))
        return NULL;
    for (int64_t r = 0; r < rows; r++)
        for (int64_t j = 0; j < keys; j++) {
            hidden[r * keys + j] = j >= keys - r % keys;
            additive[r * keys + j] = j >= keys - r % keys ? -INFINITY : 0;
        }
    return s->padding == 1 ? mr_clone(t, mr_tape_wrap(t, MR_BOOL, shape, hidden)) : floats(t, type, shape);
}

/* ---- what is run ---- */

static mr_tensor *shown_forward(mr_module *m, mr_tape *t, mr_tensor *x)
{
    const shown *s = mr_module_self(m);
    bool one_row = mr_tensor_ndim(x) == 2;
    mr_tensor *key = s->key ? s->key : x, *value = s->value ? s->value : key;
    int step = one_row ? 0 : s->batch_first;
    int64_t rows = one_row ? 1 : mr_tensor_size(x, !step);
    int64_t steps = mr_tensor_size(x, step), keys = mr_tensor_size(key, step);
    mr_attention_masks masks = { .causal = s->causal };
    masks.mask = mask_of(s, t, mr_tensor_dtype(x), rows, steps, keys);
    masks.key_padding = padding_of(s, t, mr_tensor_dtype(x), rows, keys, one_row);
    mr_tensor *all[2] = { NULL, NULL };
    if (s->is_encoder)
        all[0] = mr_transformer_encoder_forward(s->net, t, x, &masks);
    else if (s->weights)
        all[0] = mr_multihead_attention_weights(s->net, t, x, key, value, &masks, s->weights == 2, &all[1]);
    else if (!s->key && !masks.causal && !masks.mask && !masks.key_padding)
        all[0] = mr_forward(s->net, t, x);
    else
        all[0] = mr_multihead_attention_forward(s->net, t, x, key, value, &masks);
    for (int i = 0; i < 2 && all[i]; i++)
        all[i] = mr_reshape(t, all[i], MR_SHAPE(-1));
    return all[1] ? mr_cat(t, all, 2, 0) : all[0];
}

static const mr_module_vtable shown_vtable = { .type = "Shown", .forward = shown_forward };

/* ---- reading specs ---- */

typedef struct spec {
    int64_t size[4], keys, rows, same, bias, kdim, vdim, dropout, gelu, norm_first, norm, eps, batch_first;
} spec;

static int64_t *option_of(spec *o, shown *s, const char *name)
{
    const struct {
        const char *name;
        int64_t *value;
    } all[] = { { "keys", &o->keys },       { "rows", &o->rows }, { "same", &o->same },
                { "bias", &o->bias },       { "kdim", &o->kdim }, { "vdim", &o->vdim },
                { "dropout", &o->dropout }, { "gelu", &o->gelu }, { "norm_first", &o->norm_first },
                { "norm", &o->norm },       { "eps", &o->eps },   { "batch_first", &o->batch_first },
                { "causal", &s->causal },   { "mask", &s->mask }, { "padding", &s->padding },
                { "weights", &s->weights } };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (strcmp(all[i].name, name) == 0)
            return all[i].value;
    CHECK_EQ_STR(name, "an option");
    return &o->keys;
}

static void read_options(spec *o, shown *s)
{
    int count = 0;
    CHECK(next_is('('));
    do {
        char name[32], *end;
        int64_t *value = &o->size[count & 3];
        if (*at >= '0' && *at <= '9') {
            count++;
        } else {
            read_name(name, sizeof name);
            CHECK(next_is('='));
            value = option_of(o, s, name);
        }
        *value = strtoll(at, &end, 10);
        at = end;
    } while (next_is(','));
    CHECK(next_is(')'));
}

static mr_tensor *drawn_key(mr_module *m, const char *name, const spec *o, int64_t features)
{
    int64_t width = features ? features : o->size[0];
    mr_shape shape = !o->rows         ? MR_SHAPE(o->keys, width)
                     : o->batch_first ? MR_SHAPE(o->rows, o->keys, width)
                                      : MR_SHAPE(o->keys, o->rows, width);
    return mr_module_add_parameter(m, name, mr_tensor_rand(rng, dtype, shape));
}

static mr_module *other_module(const char *type)
{
    shown s = { 0 };
    spec o = { .bias = 1 };
    bool attend = strcmp(type, "Attend") == 0, layer = strcmp(type, "Layer") == 0;
    if (!attend && !layer && strcmp(type, "Encoder") != 0)
        return NULL;
    read_options(&o, &s);
    s.heads = o.size[1];
    s.batch_first = o.batch_first;
    s.is_encoder = !attend;
    mr_multihead_attention_opts mo = { .kdim = o.kdim,
                                       .vdim = o.vdim,
                                       .dropout = 0.5 * (double)o.dropout,
                                       .batch_first = o.batch_first,
                                       .no_bias = !o.bias,
                                       .dtype = dtype };
    mr_transformer_opts to = { .feedforward = o.size[2],
                               .dropout = o.dropout ? 0.5 : MR_ZERO,
                               .layer_norm_eps = o.eps ? 0.01 : 0,
                               .gelu = o.gelu,
                               .norm_first = o.norm_first,
                               .batch_first = o.batch_first,
                               .final_norm = o.norm,
                               .dtype = dtype };
    s.net = attend  ? mr_multihead_attention_new(o.size[0], o.size[1], rng, &mo)
            : layer ? mr_transformer_encoder_layer_new(o.size[0], o.size[1], rng, &to)
                    : mr_transformer_encoder_new(o.size[0], o.size[1], o.size[3], rng, &to);
    mr_module *m = mr_module_new(&shown_vtable, &s, sizeof s);
    mr_module_add(m, "net", s.net);
    shown *self = mr_module_self(m);
    if (o.keys && self) {
        self->key = drawn_key(m, "key", &o, o.kdim);
        if (!o.same)
            self->value = drawn_key(m, "value", &o, o.vdim);
    }
    return m;
}

static void test_transformer(void)
{
    tolerance.forward = 32, tolerance.gradient = 64;
    golden_run_modules("transformer");
}

int main(void)
{
    RUN(test_transformer);
    return check_report();
}

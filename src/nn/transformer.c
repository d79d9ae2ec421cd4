/* Layers of a transformer's encoder, and a stack of them. */
#include "attention.h"
#include "initial.h"

#include "base/option.h"
#include "tensor/tape.h"

#include <stdio.h>

typedef struct layer {
    mr_module *attention, *linear1, *linear2, *norm1, *norm2, *dropout, *dropout1, *dropout2;
    bool gelu, norm_first;
} layer;

/* ---- a layer ---- */

static mr_tensor *attend(const layer *l, mr_tape *t, mr_tensor *x, const mr_attention_masks *masks)
{
    return mr_forward(l->dropout1, t, mr_multihead_attention_forward(l->attention, t, x, x, x, masks));
}

static mr_tensor *feed_forward(const layer *l, mr_tape *t, mr_tensor *x)
{
    x = mr_forward(l->linear1, t, x);
    x = mr_forward(l->dropout, t, l->gelu ? mr_gelu(t, x) : mr_relu(t, x));
    return mr_forward(l->dropout2, t, mr_forward(l->linear2, t, x));
}

static mr_tensor *run_layer(mr_module *module, mr_tape *t, mr_tensor *x, const mr_attention_masks *masks)
{
    const layer *l = mr_module_self(module);
    if (l->norm_first) {
        x = mr_add(t, x, attend(l, t, mr_forward(l->norm1, t, x), masks));
        return mr_add(t, x, feed_forward(l, t, mr_forward(l->norm2, t, x)));
    }
    x = mr_forward(l->norm1, t, mr_add(t, x, attend(l, t, x, masks)));
    return mr_forward(l->norm2, t, mr_add(t, x, feed_forward(l, t, x)));
}

static mr_tensor *layer_forward(mr_module *module, mr_tape *tape, mr_tensor *x)
{
    return run_layer(module, tape, x, NULL);
}

static void add_children(mr_module *module, int64_t width, int64_t heads, mr_rng *rng,
                         const mr_transformer_opts *o)
{
    layer *l = mr_module_self(module);
    const double p = mr__option(o->dropout, 0.1);
    const int64_t inner = o->feedforward ? o->feedforward : 2048;
    const mr_linear_opts linear = { .dtype = o->dtype };
    const mr_norm_opts norm = { .eps = o->layer_norm_eps, .dtype = o->dtype };
    const mr_multihead_attention_opts attention = { .dropout = p,
                                                    .batch_first = o->batch_first,
                                                    .dtype = o->dtype };
    l->gelu = o->gelu;
    l->norm_first = o->norm_first;
    l->attention = mr_multihead_attention_new(width, heads, rng, &attention);
    mr_module_add(module, "self_attn", l->attention);
    if (module->failed) /* what is wrong is said already, and sizes need not be looked at again */
        return;
    l->linear1 = mr_linear_new(width, inner, rng, &linear);
    mr_module_add(module, "linear1", l->linear1);
    mr_module_add(module, "dropout", l->dropout = mr_dropout_new(p));
    l->linear2 = mr_linear_new(inner, width, rng, &linear);
    mr_module_add(module, "linear2", l->linear2);
    mr_module_add(module, "norm1", l->norm1 = mr_layer_norm_new(MR_SHAPE(width), &norm));
    mr_module_add(module, "norm2", l->norm2 = mr_layer_norm_new(MR_SHAPE(width), &norm));
    mr_module_add(module, "dropout1", l->dropout1 = mr_dropout_new(p));
    mr_module_add(module, "dropout2", l->dropout2 = mr_dropout_new(p));
}

mr_module *mr_transformer_encoder_layer_new(int64_t width, int64_t heads, mr_rng *rng,
                                            const mr_transformer_opts *opts)
{
    static const mr_module_vtable vtable = { .type = "TransformerEncoderLayer", .forward = layer_forward };
    static const mr_transformer_opts defaults = { 0 };
    opts = opts ? opts : &defaults;
    if (!mr__initial_ready("transformer_encoder_layer_new", rng, opts->dtype))
        return NULL;
    mr_module *module = mr_module_new(&vtable, &(layer){ 0 }, sizeof(layer));
    if (!module)
        return NULL;
    add_children(module, width, heads, rng, opts);
    if (module->failed) {
        mr_module_free(module);
        return NULL;
    }
    return module;
}

/* ---- a stack of them ---- */

typedef struct encoder {
    mr_module *layers, *norm; /* norm: NULL for none */
} encoder;

static mr_tensor *run_encoder(mr_module *module, mr_tape *t, mr_tensor *x, const mr_attention_masks *masks)
{
    const encoder *e = mr_module_self(module);
    mr_module *one;
    for (size_t i = 0; (one = mr_module_child(e->layers, i, NULL)) != NULL; i++)
        x = mr_transformer_encoder_forward(one, t, x, masks);
    return e->norm ? mr_forward(e->norm, t, x) : x;
}

static mr_tensor *encoder_forward(mr_module *module, mr_tape *tape, mr_tensor *x)
{
    return run_encoder(module, tape, x, NULL);
}

mr_tensor *mr_transformer_encoder_forward(mr_module *module, mr_tape *tape, mr_tensor *x,
                                          const mr_attention_masks *masks)
{
    static const char call[] = "transformer_encoder_forward";
    if (!mr__ready1(tape, call, x))
        return NULL;
    if (module && module->vtable->forward == layer_forward && mr__module_ready(call, module))
        return mr__module_gave(module, tape, run_layer(module, tape, x, masks));
    if (!mr__is_kind(module, tape, call, encoder_forward, "transformer's encoder"))
        return NULL;
    return mr__module_gave(module, tape, run_encoder(module, tape, x, masks));
}

/* Two modules of one kind; false with a failure raised when memory is out. */
static bool copy_parameters(mr_module *to, mr_module *from)
{
    mr_params a = mr_module_parameters(to), b = mr_module_parameters(from);
    if (!a.item || !b.item)
        return false;
    for (size_t i = 0; i < a.count; i++)
        memcpy(a.item[i].tensor->data, b.item[i].tensor->data,
               (size_t)a.item[i].tensor->numel * mr_dtype_size((mr_dtype)a.item[i].tensor->dtype));
    return true;
}

/* As many layers as there are to be, all with the values of the first one, which is drawn. */
static void add_layers(mr_module *list, int64_t width, int64_t heads, int64_t count, mr_rng *rng,
                       const mr_transformer_opts *opts)
{
    mr_rng *spare = mr_rng_new(0);
    for (int64_t i = 0; i < count && spare && !list->failed; i++) {
        mr_module *one = mr_transformer_encoder_layer_new(width, heads, i ? spare : rng, opts);
        if (i && one && !copy_parameters(one, mr_module_child(list, 0, NULL))) {
            mr_module_free(one);
            one = NULL;
        }
        mr_module_list_add(list, one);
    }
    if (!spare)
        mr__module_fail(list);
    mr_rng_free(spare);
}

mr_module *mr_transformer_encoder_new(int64_t width, int64_t heads, int64_t layers, mr_rng *rng,
                                      const mr_transformer_opts *opts)
{
    static const char call[] = "transformer_encoder_new";
    static const mr_module_vtable vtable = { .type = "TransformerEncoder", .forward = encoder_forward };
    static const mr_transformer_opts defaults = { 0 };
    opts = opts ? opts : &defaults;
    if (!mr__initial_ready(call, rng, opts->dtype))
        return NULL;
    if (layers < 1) {
        mr__raise(MR_ERR_ARGUMENT, "%s: %lld layers: there is at least one", call, (long long)layers);
        return NULL;
    }
    encoder e = { .layers = mr_module_list_new() };
    if (e.layers)
        add_layers(e.layers, width, heads, layers, rng, opts);
    if (e.layers && !e.layers->failed && opts->final_norm)
        e.norm = mr_layer_norm_new(MR_SHAPE(width),
                                   &(mr_norm_opts){ .eps = opts->layer_norm_eps, .dtype = opts->dtype });
    mr_module *module = e.layers && !e.layers->failed ? mr_module_new(&vtable, &e, sizeof e) : NULL;
    if (!module) {
        mr_module_free(e.layers);
        mr_module_free(e.norm);
        return NULL;
    }
    mr_module_add(module, "layers", e.layers);
    if (opts->final_norm)
        mr_module_add(module, "norm", e.norm);
    if (module->failed) {
        mr_module_free(module);
        return NULL;
    }
    return module;
}

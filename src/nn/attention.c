/* Attention of several heads. */
#include "attention.h"
#include "initial.h"

#include "tensor/attention.h"

#include <millrace/init.h>

#include <math.h>

typedef struct multihead {
    mr_tensor *in, *q, *k, *v; /* weights: `in`, or the other three */
    mr_tensor *bias;           /* NULL: none */
    mr_module *out;
    int64_t size, k_size, v_size, heads;
    double dropout;
    bool batch_first;
    mr_dtype dtype;
} multihead;

/* One call. Sequences have three dimensions. */
typedef struct run {
    mr_module *module;
    mr_tape *tape;
    const multihead *m;
    mr_tensor *query, *key, *value;
    bool one_row;
    int64_t rows, steps, keys;
    bool causal;
    mr_tensor *mask, *padding; /* to broadcast to (rows, heads, steps, keys); NULL: none */
    mr__attention_part part[3];
} run;

static const char op[] = "multihead_attention";

/* ---- the inputs ---- */

static bool check_input(const run *r, const mr_tensor *x, const char *name, int64_t size)
{
    if (x->dtype != r->m->dtype)
        mr__fail(r->tape, MR_ERR_DTYPE, "%s: %s %s is %s, the weights are %s", op, name,
                 mr__tensor_text(x).text, mr_dtype_name((mr_dtype)x->dtype), mr_dtype_name(r->m->dtype));
    else if ((x->ndim != 2 && x->ndim != 3) || x->shape[x->ndim - 1] != size)
        mr__fail(r->tape, MR_ERR_SHAPE, "%s: %s %s: it has %lld features at the end of 2 or 3 dimensions", op,
                 name, mr__tensor_text(x).text, (long long)size);
    else
        return true;
    return false;
}

static bool check_pair(const run *r, const mr_tensor *x, const char *name, const mr_tensor *other,
                       const char *other_name, bool steps)
{
    const int step = r->m->batch_first && x->ndim == 3;
    bool same = x->ndim == other->ndim && (!steps || x->shape[step] == other->shape[step]) &&
                (x->ndim == 2 || x->shape[!step] == other->shape[!step]);
    if (!same)
        mr__fail(r->tape, MR_ERR_SHAPE, "%s: %s %s does not go with %s %s", op, name, mr__tensor_text(x).text,
                 other_name, mr__tensor_text(other).text);
    return same;
}

static bool set_inputs(run *r, mr_tensor *query, mr_tensor *key, mr_tensor *value)
{
    const int step = r->m->batch_first;
    if (!check_input(r, query, "query", r->m->size) || !check_input(r, key, "key", r->m->k_size) ||
        !check_input(r, value, "value", r->m->v_size) || !check_pair(r, key, "key", query, "query", false) ||
        !check_pair(r, value, "value", key, "key", true))
        return false;
    r->one_row = query->ndim == 2;
    r->query = r->one_row ? mr_unsqueeze(r->tape, query, !step) : query;
    r->key = key == query ? r->query : r->one_row ? mr_unsqueeze(r->tape, key, !step) : key;
    r->value = value == key     ? r->key
               : value == query ? r->query
               : r->one_row     ? mr_unsqueeze(r->tape, value, !step)
                                : value;
    if (r->tape->failed)
        return false;
    r->rows = r->query->shape[!step];
    r->steps = r->query->shape[step];
    r->keys = r->key->shape[step];
    return true;
}

/* ---- masks ---- */

/* Whether a mask is there; false, too, with the tape stopped when it is missing after a failure. */
static bool is_given(const run *r, const mr_tensor *mask, const char *name)
{
    if (!mask && mr__pending())
        mr__stop(r->tape);
    return mask && mr__ready1(r->tape, name, mask);
}

static bool set_mask(run *r, mr_tensor *mask)
{
    const int64_t heads = r->m->heads;
    const int n = mask->ndim;
    if ((n != 2 && n != 3) || mask->shape[n - 2] != r->steps || mask->shape[n - 1] != r->keys ||
        (n == 3 && mask->shape[0] != r->rows * heads)) {
        mr_shape all = MR_SHAPE(r->rows * heads, r->steps, r->keys), one = MR_SHAPE(r->steps, r->keys);
        mr__fail(r->tape, MR_ERR_SHAPE, "%s: mask %s is neither %s nor %s", op, mr__tensor_text(mask).text,
                 mr__shape_text(&one).text, mr__shape_text(&all).text);
        return false;
    }
    r->mask = n == 2 ? mask : mr_reshape(r->tape, mask, MR_SHAPE(r->rows, heads, r->steps, r->keys));
    return r->mask;
}

static bool set_padding(run *r, mr_tensor *padding)
{
    const int n = r->one_row ? 1 : 2;
    mr_shape wanted = MR_SHAPE(r->rows, r->keys);
    if (r->one_row)
        wanted = MR_SHAPE(r->keys);
    if (padding->ndim != n || padding->shape[n - 1] != r->keys || (n == 2 && padding->shape[0] != r->rows)) {
        mr__fail(r->tape, MR_ERR_SHAPE, "%s: key padding %s is not %s", op, mr__tensor_text(padding).text,
                 mr__shape_text(&wanted).text);
        return false;
    }
    r->padding = mr_reshape(r->tape, padding, MR_SHAPE(r->rows, 1, 1, r->keys));
    return r->padding;
}

static bool set_masks(run *r, const mr_attention_masks *masks)
{
    if (!masks)
        return true;
    r->causal = masks->causal;
    if (is_given(r, masks->mask, op) && !set_mask(r, masks->mask))
        return false;
    if (!r->tape->failed && is_given(r, masks->key_padding, op) && !set_padding(r, masks->key_padding))
        return false;
    return !r->tape->failed;
}

/* ---- from features to heads ---- */

/* x as linear layers make it, by the rows [from, to) of weight and bias, in units of `size`. */
static mr_tensor *project(const run *r, mr_tensor *x, mr_tensor *weight, int from, int to)
{
    const int64_t n = r->m->size;
    mr_tensor *bias = r->m->bias;
    if (r->m->in && to - from < 3)
        weight = mr_slice(r->tape, weight, 0, from * n, to * n, 1);
    if (bias && to - from < 3)
        bias = mr_slice(r->tape, bias, 0, from * n, to * n, 1);
    return bias ? mr_linear(r->tape, x, weight, bias) : mr_linear_no_bias(r->tape, x, weight);
}

/* Part `index` of what is `width` wide. */
static mr__attention_part part_of(const run *r, mr_tensor *x, int index, int64_t steps, int width)
{
    const int64_t n = r->m->size, row = width * n;
    const bool first = r->m->batch_first;
    return (mr__attention_part){
        x, index * n, { first ? steps * row : row, n / r->m->heads, first ? row : r->rows * row }
    };
}

static bool project_all(run *r)
{
    const multihead *m = r->m;
    mr__attention_part *part = r->part;
    if (m->in && r->query == r->key && r->key == r->value) {
        mr_tensor *all = project(r, r->query, m->in, 0, 3);
        for (int i = 0; i < 3; i++)
            part[i] = part_of(r, all, i, r->steps, 3);
        return all;
    }
    part[0] = part_of(r, project(r, r->query, m->in ? m->in : m->q, 0, 1), 0, r->steps, 1);
    if (m->in && r->key == r->value) {
        mr_tensor *both = project(r, r->key, m->in, 1, 3);
        for (int i = 1; i < 3; i++)
            part[i] = part_of(r, both, i - 1, r->keys, 2);
    } else {
        part[1] = part_of(r, project(r, r->key, m->in ? m->in : m->k, 1, 2), 0, r->keys, 1);
        part[2] = part_of(r, project(r, r->value, m->in ? m->in : m->v, 2, 3), 0, r->keys, 1);
    }
    return !r->tape->failed;
}

/* ---- attention, in one operation ---- */

static double dropout_of(const run *r)
{
    return r->module->training ? r->m->dropout : 0;
}

static mr_tensor *attend(const run *r)
{
    const int64_t n = r->m->size, heads = r->m->heads;
    mr__attention_call call = { .op = op, .q = r->part[0], .k = r->part[1], .v = r->part[2] };
    call.batch = r->rows;
    call.heads = heads;
    call.queries = r->steps;
    call.keys = r->keys;
    call.size = call.value_size = n / heads;
    call.opts = (mr_attention_opts){ .causal = r->causal, .dropout = dropout_of(r) };
    call.mask[0] = r->mask;
    call.mask[1] = r->padding;
    call.weights = MR_SHAPE(r->rows, heads, r->steps, r->keys);
    call.out = mr__shape_of(r->query);
    call.out_at = part_of(r, r->query, 0, r->steps, 1).at;
    return mr__attend(r->tape, &call);
}

/* ---- attention with its weights, by several operations ---- */

/* A part as (rows, heads, steps, size of a head). */
static mr_tensor *heads_of(const run *r, const mr__attention_part *part)
{
    const int64_t n = r->m->size, heads = r->m->heads;
    mr_tensor *x = mr_slice(r->tape, part->x, 2, part->offset, part->offset + n, 1);
    x = mr_unflatten(r->tape, x, 2, MR_SHAPE(heads, n / heads));
    return mr_permute(r->tape, x, r->m->batch_first ? MR_DIMS(0, 2, 1, 3) : MR_DIMS(1, 2, 0, 3));
}

static mr_tensor *with_mask(const run *r, mr_tensor *scores, mr_tensor *mask)
{
    mask = scores && mask ? mr__additive_mask(r->tape, op, mask, r->m->dtype) : NULL;
    return mask ? mr_add(r->tape, scores, mask) : scores;
}

/* Bool (steps, keys), true above the diagonal. */
static mr_tensor *causal_mask(const run *r)
{
    const mr_shape shape = MR_SHAPE(r->steps, r->keys);
    mr_tensor *mask = mr__result(r->tape, MR_BOOL, 2, shape.dim);
    for (int64_t i = 0; mask && i < r->steps; i++)
        for (int64_t j = 0; j < r->keys; j++)
            mask->data[i * r->keys + j] = j > i;
    return mask;
}

static mr_tensor *attend_keeping(const run *r, bool each_head, mr_tensor **weights)
{
    mr_tape *t = r->tape;
    const int64_t n = r->m->size, heads = r->m->heads;
    mr_tensor *q = heads_of(r, &r->part[0]), *k = heads_of(r, &r->part[1]), *v = heads_of(r, &r->part[2]);
    mr_tensor *w = mr_matmul(t, mr_mul_scalar(t, q, 1 / sqrt((double)(n / heads))), mr_transpose(t, k, 2, 3));
    w = with_mask(r, w, r->mask);
    w = with_mask(r, w, r->padding);
    if (r->causal && w)
        w = with_mask(r, w, causal_mask(r));
    w = mr_dropout(t, mr_softmax(t, w, 3), dropout_of(r), true);
    *weights = each_head ? w : mr_mean(t, w, MR_DIMS(1), false);
    if (r->one_row)
        *weights = mr_squeeze(t, *weights, 0);
    mr_tensor *y =
        mr_permute(t, mr_matmul(t, w, v), r->m->batch_first ? MR_DIMS(0, 2, 1, 3) : MR_DIMS(2, 0, 1, 3));
    return y ? mr_reshape(t, y, mr__shape_of(r->query)) : NULL;
}

/* ---- the module ---- */

/* weights: NULL when they are not wanted. */
static mr_tensor *run_attention(mr_module *module, mr_tape *tape, mr_tensor *query, mr_tensor *key,
                                mr_tensor *value, const mr_attention_masks *masks, bool each_head,
                                mr_tensor **weights)
{
    run r = { .module = module, .tape = tape, .m = mr_module_self(module) };
    if (!set_inputs(&r, query, key, value) || !set_masks(&r, masks) || !project_all(&r))
        return NULL;
    mr_tensor *y = weights ? attend_keeping(&r, each_head, weights) : attend(&r);
    y = y ? mr_forward(r.m->out, tape, y) : NULL;
    return r.one_row ? mr_squeeze(tape, y, !r.m->batch_first) : y;
}

static mr_tensor *forward(mr_module *module, mr_tape *tape, mr_tensor *x)
{
    return run_attention(module, tape, x, x, x, NULL, false, NULL);
}

bool mr__is_kind(mr_module *module, mr_tape *tape, const char *call,
                 mr_tensor *(*function)(mr_module *, mr_tape *, mr_tensor *), const char *what)
{
    if (!mr__module_ready(call, module)) {
        mr__stop(tape);
        return false;
    }
    if (module->vtable->forward == function)
        return true;
    mr__fail(tape, MR_ERR_ARGUMENT, "%s: %s is no %s", call, mr_module_type(module), what);
    return false;
}

static bool ready(mr_module *module, mr_tape *tape, const char *call, const mr_tensor *query,
                  const mr_tensor *key, const mr_tensor *value)
{
    if (!mr__ready1(tape, call, query))
        return false;
    if (!mr__usable(key) || !mr__usable(value)) {
        mr__not_ready(tape, call, mr__usable(key) ? value : key, mr__usable(key) ? "value" : "key");
        return false;
    }
    return mr__is_kind(module, tape, call, forward, "multihead attention");
}

mr_tensor *mr_multihead_attention_forward(mr_module *attention, mr_tape *tape, mr_tensor *query,
                                          mr_tensor *key, mr_tensor *value, const mr_attention_masks *masks)
{
    if (!ready(attention, tape, "multihead_attention_forward", query, key, value))
        return NULL;
    return mr__module_gave(attention, tape,
                           run_attention(attention, tape, query, key, value, masks, false, NULL));
}

mr_tensor *mr_multihead_attention_weights(mr_module *attention, mr_tape *tape, mr_tensor *query,
                                          mr_tensor *key, mr_tensor *value, const mr_attention_masks *masks,
                                          bool each_head, mr_tensor **weights)
{
    mr_tensor *rest;
    weights = weights ? weights : &rest;
    *weights = NULL;
    if (!ready(attention, tape, "multihead_attention_weights", query, key, value))
        return NULL;
    mr_tensor *y = run_attention(attention, tape, query, key, value, masks, each_head, weights);
    if (!y)
        *weights = NULL;
    return mr__module_gave(attention, tape, y);
}

/* ---- making ---- */

static mr_tensor *weight(mr_module *module, mr_rng *rng, const char *name, int64_t rows, int64_t columns)
{
    const multihead *m = mr_module_self(module);
    mr_tensor *x = mr_tensor_zeros(m->dtype, MR_SHAPE(rows, columns));
    if (x && rows && columns && mr_init_xavier_uniform(x, rng, NULL) != MR_OK) {
        mr_tensor_free(x);
        x = NULL;
    }
    return mr_module_add_parameter(module, name, x);
}

/* In torch's order of draws, out_proj first, and of names, out_proj last. */
static void add_parameters(mr_module *module, mr_rng *rng, bool biased)
{
    multihead *m = mr_module_self(module);
    const int64_t n = m->size;
    m->out = mr_linear_new(n, n, rng, &(mr_linear_opts){ .no_bias = !biased, .dtype = m->dtype });
    if (m->k_size == n && m->v_size == n) {
        m->in = weight(module, rng, "in_proj_weight", 3 * n, n);
    } else {
        m->q = weight(module, rng, "q_proj_weight", n, n);
        m->k = weight(module, rng, "k_proj_weight", n, m->k_size);
        m->v = weight(module, rng, "v_proj_weight", n, m->v_size);
    }
    if (biased)
        m->bias = mr_module_add_parameter(module, "in_proj_bias", mr_tensor_zeros(m->dtype, MR_SHAPE(3 * n)));
    if (biased && m->out)
        (void)mr_tensor_fill(m->out->parameters.item[1].tensor, 0);
    mr_module_add(module, "out_proj", m->out);
}

mr_module *mr_multihead_attention_new(int64_t embed_dim, int64_t heads, mr_rng *rng,
                                      const mr_multihead_attention_opts *opts)
{
    static const char call[] = "multihead_attention_new";
    static const mr_module_vtable vtable = { .type = "MultiheadAttention", .forward = forward };
    static const mr_multihead_attention_opts defaults = { 0 };
    opts = opts ? opts : &defaults;
    const int64_t kdim = opts->kdim ? opts->kdim : embed_dim, vdim = opts->vdim ? opts->vdim : embed_dim;
    if (!mr__initial_ready(call, rng, opts->dtype))
        return NULL;
    if (embed_dim < 1 || heads < 1 || embed_dim % heads || kdim < 1 || vdim < 1 ||
        embed_dim > INT64_MAX / 3) {
        mr__raise(
            MR_ERR_ARGUMENT,
            "%s: embed_dim %lld, %lld heads, kdim %lld, vdim %lld: all are at least 1, and embed_dim is a "
            "multiple of the heads",
            call, (long long)embed_dim, (long long)heads, (long long)kdim, (long long)vdim);
        return NULL;
    }
    if (!(opts->dropout >= 0 && opts->dropout <= 1)) {
        mr__raise(MR_ERR_ARGUMENT, "%s: dropout %g is not in [0, 1]", call, opts->dropout);
        return NULL;
    }
    multihead m = { .size = embed_dim, .k_size = kdim, .v_size = vdim, .heads = heads };
    m.dropout = opts->dropout;
    m.batch_first = opts->batch_first;
    m.dtype = opts->dtype;
    mr_module *module = mr_module_new(&vtable, &m, sizeof m);
    if (!module)
        return NULL;
    add_parameters(module, rng, !opts->no_bias);
    if (module->failed) {
        mr_module_free(module);
        return NULL;
    }
    return module;
}

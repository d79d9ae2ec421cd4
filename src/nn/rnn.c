/* Recurrent networks: layers of one or two directions, one after the other. */
#include "initial.h"
#include "module.h"

#include "base/log.h"
#include "tensor/dropout.h"
#include "tensor/rnn.h"
#include "tensor/tape.h"

#include <millrace/layers.h>

#include <math.h>
#include <stdio.h>

typedef struct direction {
    mr_tensor *w_ih, *w_hh, *b_ih, *b_hh;
} direction;

typedef struct network {
    mr__rnn_kind kind;
    int64_t features, units;
    int layers, ways; /* ways: 1, or 2 when bidirectional */
    bool batch_first;
    double dropout; /* of what goes from one layer to the next, in training */
    mr_dtype dtype;
    direction part[]; /* layers * ways; in the module's struct, where shared parameters are looked for */
} network;

/* ---- going through it ---- */

/* One call: the sequences as (steps, rows, features), and what limits them. */
typedef struct run {
    mr_tape *tape;
    const char *op;
    const network *net;
    bool training;
    int64_t steps, rows;
    mr_tensor *reversed;        /* steps - 1, …, 0 */
    mr_tensor *mask;            /* (steps, rows, 1): 1 where a row has a step; NULL without lengths */
    int64_t *first[2], *end[2]; /* the steps that each row takes part in, each way; NULL without lengths */
    mr_rnn_state initial;       /* (layers * ways, rows, units) each */
} run;

static void *on_tape(mr_tape *tape, size_t count, size_t size)
{
    void *memory = mr__arena_alloc(&tape->arena, mr__mul_size(count, size));
    if (!memory)
        mr__stop(tape);
    return memory;
}

static mr_tensor *zeros(mr_tape *tape, mr_dtype dtype, mr_shape shape)
{
    if (mr__numel("rnn", &shape, dtype) < 0)
        return mr__stop(tape);
    mr_tensor *x = mr__result(tape, dtype, shape.ndim, shape.dim);
    if (x)
        memset(x->data, 0, (size_t)x->numel * mr_dtype_size(dtype));
    return x;
}

static bool make_reversed(run *r)
{
    int64_t *index = on_tape(r->tape, (size_t)r->steps, sizeof *index);
    if (!index)
        return false;
    for (int64_t i = 0; i < r->steps; i++)
        index[i] = r->steps - 1 - i;
    r->reversed = mr_tape_wrap(r->tape, MR_INT64, MR_SHAPE(r->steps), index);
    return r->reversed;
}

/* Fills in what follows from lengths (rows), int64 from 1 to steps. */
static bool set_lengths(run *r, mr_tensor *lengths)
{
    if (lengths->dtype != MR_INT64) {
        mr__fail(r->tape, MR_ERR_DTYPE, "%s: lengths %s are %s, not int64", r->op,
                 mr__tensor_text(lengths).text, mr_dtype_name((mr_dtype)lengths->dtype));
        return false;
    }
    if (lengths->ndim != 1 || lengths->shape[0] != r->rows) {
        mr__fail(r->tape, MR_ERR_SHAPE, "%s: lengths %s are not one for each of %lld rows", r->op,
                 mr__tensor_text(lengths).text, (long long)r->rows);
        return false;
    }
    r->mask = zeros(r->tape, r->net->dtype, MR_SHAPE(r->steps, r->rows, 1));
    for (int way = 0; way < 2; way++) {
        r->first[way] = on_tape(r->tape, (size_t)r->rows, sizeof(int64_t));
        r->end[way] = on_tape(r->tape, (size_t)r->rows, sizeof(int64_t));
    }
    if (r->tape->failed)
        return false;
    for (int64_t row = 0; row < r->rows; row++) {
        int64_t n = ((const int64_t *)(const void *)lengths->data)[row * lengths->stride[0]];
        if (n < 1 || n > r->steps) {
            mr__fail(r->tape, MR_ERR_ARGUMENT, "%s: length %lld of row %lld is not from 1 to %lld", r->op,
                     (long long)n, (long long)row, (long long)r->steps);
            return false;
        }
        r->first[0][row] = 0;
        r->end[0][row] = n;
        r->first[1][row] = r->steps - n;
        r->end[1][row] = r->steps;
        for (int64_t step = 0; step < n; step++)
            if (r->net->dtype == MR_FLOAT32)
                ((float *)(void *)r->mask->data)[step * r->rows + row] = 1;
            else
                ((double *)(void *)r->mask->data)[step * r->rows + row] = 1;
    }
    return true;
}

/* One direction of a layer: its outputs (steps, rows, units), and its last states. */
static mr_tensor *one_way(run *r, int index, int way, mr_tensor *x, mr_tensor **h, mr_tensor **c)
{
    mr_tape *t = r->tape;
    const direction *d = &r->net->part[index];
    bool lstm = r->net->kind == MR__RNN_LSTM;
    if (way)
        x = mr_index_select(t, x, 0, r->reversed);
    mr__rnn_layer layer = { .kind = r->net->kind,
                            .x = mr_contiguous(t, x),
                            .w_ih = mr_contiguous(t, d->w_ih),
                            .w_hh = mr_contiguous(t, d->w_hh),
                            .b_ih = d->b_ih,
                            .b_hh = d->b_hh,
                            .h0 = mr_contiguous(t, mr_select(t, r->initial.h, 0, index)),
                            .c0 = lstm ? mr_contiguous(t, mr_select(t, r->initial.c, 0, index)) : NULL,
                            .first = r->first[way],
                            .end = r->end[way] };
    mr_tensor *states = t->failed ? NULL : mr__rnn(t, r->op, &layer);
    *h = mr_select(t, states, 0, r->steps);
    *c = lstm ? mr_select(t, states, 0, r->steps + 1) : NULL;
    mr_tensor *out = mr_slice(t, states, 0, 1, r->steps + 1, 1);
    if (way)
        out = mr_index_select(t, out, 0, r->reversed);
    return r->mask ? mr_mul(t, out, r->mask) : out;
}

static int64_t longest_first(const run *r, int64_t *order)
{
    int64_t total = 0;
    for (int64_t row = 0; row < r->rows; row++) {
        int64_t at = row, length = r->end[0][row];
        for (; at > 0 && r->end[0][order[at - 1]] < length; at--)
            order[at] = order[at - 1];
        order[at] = row;
        total += length;
    }
    return total;
}

/* Noise for sequences of several lengths, (steps, rows, width): torch draws it for a packed sequence, which is the rows
 * that have a step, the longest first, step by step. */
static mr_tensor *packed_noise(run *r, int64_t width)
{
    mr_dtype dtype = r->net->dtype;
    size_t line = (size_t)width * mr_dtype_size(dtype);
    mr_tensor *noise = zeros(r->tape, dtype, MR_SHAPE(r->steps, r->rows, width));
    int64_t *order = on_tape(r->tape, (size_t)r->rows, sizeof *order);
    if (!noise || !order)
        return NULL;
    mr_tensor *packed = mr_tape_empty(r->tape, dtype, MR_SHAPE(longest_first(r, order), width));
    if (!packed)
        return NULL;
    mr__draw_dropout(r->tape, dtype, packed->data, packed->numel, r->net->dropout);
    const char *from = packed->data;
    for (int64_t step = 0; step < r->steps; step++)
        for (int64_t i = 0; i < r->rows && r->end[0][order[i]] > step; i++, from += line)
            memcpy(noise->data + (size_t)(step * r->rows + order[i]) * line, from, line);
    return noise;
}

static mr_tensor *drop(run *r, mr_tensor *x)
{
    if (!r->mask || !x || r->net->dropout == 0)
        return mr_dropout(r->tape, x, r->net->dropout, true);
    return mr_mul(r->tape, x, packed_noise(r, x->shape[2]));
}

static mr_tensor *all_layers(run *r, mr_tensor *x, mr_rnn_state *last)
{
    const network *net = r->net;
    int count = net->layers * net->ways;
    mr_tensor **h = on_tape(r->tape, (size_t)count, sizeof *h),
              **c = on_tape(r->tape, (size_t)count, sizeof *c);
    for (int layer = 0; layer < net->layers && !r->tape->failed; layer++) {
        mr_tensor *out[2] = { NULL, NULL };
        for (int way = 0; way < net->ways; way++) {
            int index = layer * net->ways + way;
            out[way] = one_way(r, index, way, x, &h[index], &c[index]);
        }
        x = net->ways == 2 ? mr_cat(r->tape, out, 2, 2) : out[0];
        if (r->training && layer < net->layers - 1)
            x = drop(r, x);
    }
    if (last && !r->tape->failed) {
        last->h = mr_stack(r->tape, h, count, 0);
        last->c = net->kind == MR__RNN_LSTM ? mr_stack(r->tape, c, count, 0) : NULL;
    }
    return r->tape->failed ? NULL : x;
}

/* ---- checking, and the ways to write sequences ---- */

static bool check_input(mr_tape *tape, const char *op, const network *net, const mr_tensor *x)
{
    const mr_tensor *w = net->part[0].w_ih;
    if (x->dtype != net->dtype)
        mr__fail(tape, MR_ERR_DTYPE, "%s: input %s is %s, weight %s %s", op, mr__tensor_text(x).text,
                 mr_dtype_name((mr_dtype)x->dtype), mr__tensor_text(w).text, mr_dtype_name(net->dtype));
    else if (x->ndim != 2 && x->ndim != 3)
        mr__fail(tape, MR_ERR_SHAPE, "%s: input %s has not 2 or 3 dimensions", op, mr__tensor_text(x).text);
    else if (x->shape[x->ndim - 1] != net->features)
        mr__fail(tape, MR_ERR_SHAPE, "%s: the last size of input %s is not the last of weight %s", op,
                 mr__tensor_text(x).text, mr__tensor_text(w).text);
    else if (x->shape[x->ndim == 2 || !net->batch_first ? 0 : 1] < 1)
        mr__fail(tape, MR_ERR_SHAPE, "%s: input %s has no steps", op, mr__tensor_text(x).text);
    else
        return true;
    return false;
}

/* A state as (layers * ways, rows, units); without rows in the input it has none either. */
static mr_tensor *initial(run *r, mr_tensor *x, bool unbatched, const char *name)
{
    mr_shape wanted = MR_SHAPE(r->net->layers * r->net->ways, r->rows, r->net->units);
    if (unbatched && x->ndim == 2)
        x = mr_unsqueeze(r->tape, x, 1);
    if (!x)
        return NULL;
    bool same = x->ndim == 3 && x->dtype == r->net->dtype;
    for (int i = 0; same && i < 3; i++)
        same = x->shape[i] == wanted.dim[i];
    if (same)
        return x;
    return mr__fail(r->tape, MR_ERR_SHAPE, "%s: %s %s%s is not %s%s", r->op, name,
                    mr_dtype_name((mr_dtype)x->dtype), mr__tensor_text(x).text, mr_dtype_name(r->net->dtype),
                    mr__shape_text(&wanted).text);
}

static bool set_initial(run *r, const mr_rnn_state *given, bool unbatched)
{
    const network *net = r->net;
    if (!given) {
        mr_tensor *none = zeros(r->tape, net->dtype, MR_SHAPE(net->layers * net->ways, r->rows, net->units));
        r->initial = (mr_rnn_state){ none, none };
        return none;
    }
    bool lstm = net->kind == MR__RNN_LSTM;
    if (r->tape->failed || !mr__usable(given->h) || (lstm && !mr__usable(given->c))) {
        mr__not_ready(r->tape, r->op, mr__usable(given->h) ? given->c : given->h,
                      mr__usable(given->h) ? "initial c" : "initial h");
        return false;
    }
    r->initial.h = initial(r, given->h, unbatched, "initial h");
    r->initial.c = lstm && r->initial.h ? initial(r, given->c, unbatched, "initial c") : NULL;
    return !r->tape->failed;
}

static void without_rows(mr_tape *tape, mr_rnn_state *last)
{
    if (last && last->h)
        last->h = mr_squeeze(tape, last->h, 1);
    if (last && last->c)
        last->c = mr_squeeze(tape, last->c, 1);
}

static mr_tensor *run_network(mr_module *module, mr_tape *tape, mr_tensor *x, mr_tensor *lengths,
                              const mr_rnn_state *given, mr_rnn_state *last)
{
    const network *net = mr_module_self(module);
    const char *op = module->vtable->type;
    bool unbatched = x->ndim == 2, turned = net->batch_first && !unbatched;
    if (last)
        *last = (mr_rnn_state){ NULL, NULL };
    if (!check_input(tape, op, net, x))
        return NULL;
    if (unbatched)
        x = mr_unsqueeze(tape, x, 1);
    if (turned)
        x = mr_transpose(tape, x, 0, 1);
    if (!x)
        return NULL;
    run r = { .tape = tape,
              .op = op,
              .net = net,
              .training = module->training,
              .steps = x->shape[0],
              .rows = x->shape[1] };
    if ((net->ways == 2 && !make_reversed(&r)) || (lengths && !set_lengths(&r, lengths)) ||
        !set_initial(&r, given, unbatched))
        return NULL;
    mr_tensor *y = all_layers(&r, x, last);
    if (unbatched) {
        y = mr_squeeze(tape, y, 1);
        without_rows(tape, last);
    }
    return turned ? mr_transpose(tape, y, 0, 1) : y;
}

static mr_tensor *forward(mr_module *module, mr_tape *tape, mr_tensor *x)
{
    return run_network(module, tape, x, NULL, NULL, NULL);
}

/* False with a failure raised unless `module` is one of these here. */
static bool is_network(mr_module *module, mr_tape *tape)
{
    if (!mr__module_ready("rnn_forward", module)) {
        if (tape)
            mr__stop(tape);
        return false;
    }
    if (module->vtable->forward == forward)
        return true;
    if (tape)
        mr__fail(tape, MR_ERR_ARGUMENT, "rnn_forward: %s is no recurrent network", mr_module_type(module));
    return false;
}

mr_tensor *mr_rnn_forward(mr_module *module, mr_tape *tape, mr_tensor *x, mr_rnn_state *last)
{
    if (!mr__ready1(tape, "rnn_forward", x) || !is_network(module, tape))
        return NULL;
    return mr__module_gave(module, tape, run_network(module, tape, x, NULL, NULL, last));
}

/* A state that has nothing is none, unless something that was to be in it has failed. */
static const mr_rnn_state *given_state(const mr_rnn_state *state)
{
    return state->h || state->c || mr__pending() ? state : NULL;
}

mr_tensor *mr_rnn_forward_from(mr_module *module, mr_tape *tape, mr_tensor *x, mr_rnn_state initial_state,
                               mr_rnn_state *last)
{
    if (!mr__ready1(tape, "rnn_forward", x) || !is_network(module, tape))
        return NULL;
    const mr_rnn_state *given = given_state(&initial_state);
    return mr__module_gave(module, tape, run_network(module, tape, x, NULL, given, last));
}

mr_tensor *mr_rnn_forward_padded(mr_module *module, mr_tape *tape, mr_tensor *x, mr_tensor *lengths,
                                 mr_rnn_state *last)
{
    if (!mr__ready2(tape, "rnn_forward", x, lengths) || !is_network(module, tape))
        return NULL;
    return mr__module_gave(module, tape, run_network(module, tape, x, lengths, NULL, last));
}

mr_tensor *mr_rnn_forward_padded_from(mr_module *module, mr_tape *tape, mr_tensor *x, mr_tensor *lengths,
                                      mr_rnn_state initial_state, mr_rnn_state *last)
{
    if (!mr__ready2(tape, "rnn_forward", x, lengths) || !is_network(module, tape))
        return NULL;
    const mr_rnn_state *given = given_state(&initial_state);
    return mr__module_gave(module, tape, run_network(module, tape, x, lengths, given, last));
}

/* ---- making ---- */

static mr_tensor *parameter(mr_module *module, mr_rng *rng, const char *kind, int layer, int way,
                            mr_shape shape)
{
    char name[40];
    const network *net = mr_module_self(module);
    double bound = net->units ? 1 / sqrt((double)net->units) : 0;
    snprintf(name, sizeof name, "%s_l%d%s", kind, layer, way ? "_reverse" : "");
    mr_tensor *x = mr_tensor_zeros(net->dtype, shape);
    if (x && net->dtype == MR_FLOAT32)
        mr_rng_fill_uniform(rng, mr_tensor_data(x), mr_tensor_numel(x), -bound, bound);
    else if (x)
        mr_rng_fill_uniform_f64(rng, mr_tensor_data(x), mr_tensor_numel(x), -bound, bound);
    return mr_module_add_parameter(module, name, x);
}

static void add_parameters(mr_module *module, mr_rng *rng, bool biased)
{
    network *net = mr_module_self(module);
    int64_t sums = mr__rnn_gates(net->kind) * net->units;
    for (int layer = 0; layer < net->layers; layer++)
        for (int way = 0; way < net->ways; way++) {
            direction *d = &net->part[layer * net->ways + way];
            int64_t features = layer ? net->ways * net->units : net->features;
            d->w_ih = parameter(module, rng, "weight_ih", layer, way, MR_SHAPE(sums, features));
            d->w_hh = parameter(module, rng, "weight_hh", layer, way, MR_SHAPE(sums, net->units));
            if (biased) {
                d->b_ih = parameter(module, rng, "bias_ih", layer, way, MR_SHAPE(sums));
                d->b_hh = parameter(module, rng, "bias_hh", layer, way, MR_SHAPE(sums));
            }
        }
}

static mr_module *network_new(const char *call, const mr_module_vtable *vtable, mr__rnn_kind kind,
                              int64_t input_size, int64_t hidden_size, mr_rng *rng, const mr_rnn_opts *opts)
{
    enum { MOST_LAYERS = 1000 };
    static const mr_rnn_opts defaults = { 0 };
    opts = opts ? opts : &defaults;
    int64_t layers = opts->layers ? opts->layers : 1;
    if (!mr__initial_ready(call, rng, opts->dtype))
        return NULL;
    if (input_size < 1 || hidden_size < 1 || layers < 1 || layers > MOST_LAYERS ||
        hidden_size > INT64_MAX / 4) {
        mr__raise(MR_ERR_ARGUMENT,
                  "%s: input size %lld, hidden size %lld, %lld layers: all are at least 1, and the "
                  "layers at most %d",
                  call, (long long)input_size, (long long)hidden_size, (long long)layers, MOST_LAYERS);
        return NULL;
    }
    if (!(opts->dropout >= 0 && opts->dropout <= 1)) {
        mr__raise(MR_ERR_ARGUMENT, "%s: dropout %g is not in [0, 1]", call, opts->dropout);
        return NULL;
    }
    if (opts->dropout > 0 && layers == 1)
        mr__log(MR_LOG_WARNING, "%s: dropout %g is for between layers, and there is one layer alone", call,
                opts->dropout);
    const int ways = opts->bidirectional ? 2 : 1;
    const size_t bytes = sizeof(network) + (size_t)(layers * ways) * sizeof(direction);
    network *net = mr__alloc_zeroed(bytes);
    if (!net)
        return NULL;
    net->kind = kind;
    net->features = input_size;
    net->units = hidden_size;
    net->layers = (int)layers;
    net->ways = ways;
    net->batch_first = opts->batch_first;
    net->dropout = opts->dropout;
    net->dtype = opts->dtype;
    mr_module *module = mr_module_new(vtable, net, bytes);
    mr__free(net);
    if (!module)
        return NULL;
    add_parameters(module, rng, !opts->no_bias);
    if (module->failed) {
        mr_module_free(module);
        return NULL;
    }
    return module;
}

mr_module *mr_rnn_new(int64_t input_size, int64_t hidden_size, mr_rng *rng, const mr_rnn_opts *opts)
{
    static const mr_module_vtable vtable = { .type = "RNN", .forward = forward };
    mr__rnn_kind kind = opts && opts->relu ? MR__RNN_RELU : MR__RNN_TANH;
    return network_new("rnn_new", &vtable, kind, input_size, hidden_size, rng, opts);
}

mr_module *mr_lstm_new(int64_t input_size, int64_t hidden_size, mr_rng *rng, const mr_rnn_opts *opts)
{
    static const mr_module_vtable vtable = { .type = "LSTM", .forward = forward };
    return network_new("lstm_new", &vtable, MR__RNN_LSTM, input_size, hidden_size, rng, opts);
}

mr_module *mr_gru_new(int64_t input_size, int64_t hidden_size, mr_rng *rng, const mr_rnn_opts *opts)
{
    static const mr_module_vtable vtable = { .type = "GRU", .forward = forward };
    return network_new("gru_new", &vtable, MR__RNN_GRU, input_size, hidden_size, rng, opts);
}

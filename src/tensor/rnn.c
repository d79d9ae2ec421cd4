#include "rnn.h"

#include "gemm.h"
#include "tape.h"

#include "kernels/kernels.h"
#include "kernels/parallel.h"
#include "kernels/products.h"

#include <math.h>

/*
 * The products of all inputs come first, as one product. Then the rows are divided among threads, and each takes its
 * rows through all steps; in backward the same the other way round, after which the gradients of the weights are one
 * product each.
 */

int mr__rnn_gates(mr__rnn_kind kind)
{
    return kind == MR__RNN_LSTM ? 4 : kind == MR__RNN_GRU ? 3 : 1;
}

typedef struct rnn_node {
    mr__node node;
    mr__rnn_kind kind;
    bool f32, biased;
    int64_t steps, rows, units, features, sums; /* sums: gates * units */
    const int64_t *first, *end;                 /* of each row; NULL: all steps */
    char *gates;                                /* (steps, rows, sums) */
    char *hidden;                               /* GRU: the same, of the state */
    char *states;                               /* (steps + 2, rows, units): the result */
    char *cells, *tanh_cells;                   /* LSTM: (steps + 1, rows, units), (steps, rows, units) */
} rnn_node;

static size_t size_of(const rnn_node *r)
{
    return r->f32 ? sizeof(float) : sizeof(double);
}

/* Where row `row` of step `step` lies in an array with `width` numbers a row. */
static void *at(const rnn_node *r, const char *array, int64_t step, int64_t row, int64_t width)
{
    return (char *)(uintptr_t)array + (size_t)((step * r->rows + row) * width) * size_of(r);
}

static bool takes_part(const rnn_node *r, int64_t step, int64_t row)
{
    return !r->first || (step >= r->first[row] && step < r->end[row]);
}

static mr_dtype type_of(const rnn_node *r)
{
    return r->f32 ? MR_FLOAT32 : MR_FLOAT64;
}

static mr__matrix rows_of(const void *data, int64_t width)
{
    return (mr__matrix){ data, width, 1 };
}

/* ---- cells in float64 ---- */

static double sigmoid(double x)
{
    return 1 / (1 + exp(-x));
}

static void lstm_forward_f64(double *g, const double *c_before, double *c, double *tanh_c, double *h,
                             int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        g[i] = sigmoid(g[i]);
        g[n + i] = sigmoid(g[n + i]);
        g[2 * n + i] = tanh(g[2 * n + i]);
        g[3 * n + i] = sigmoid(g[3 * n + i]);
        c[i] = g[n + i] * c_before[i] + g[i] * g[2 * n + i];
        tanh_c[i] = tanh(c[i]);
        h[i] = g[3 * n + i] * tanh_c[i];
    }
}

static void lstm_backward_f64(double *g, const double *c_before, const double *tanh_c, const double *dh,
                              double *dc, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        const double in = g[i], forget = g[n + i], cell = g[2 * n + i], out = g[3 * n + i], t = tanh_c[i];
        const double d = dc[i] + dh[i] * out * (1 - t * t);
        g[i] = d * cell * (1 - in) * in;
        g[n + i] = d * c_before[i] * (1 - forget) * forget;
        g[2 * n + i] = d * in * (1 - cell * cell);
        g[3 * n + i] = dh[i] * t * (1 - out) * out;
        dc[i] = d * forget;
    }
}

static void gru_forward_f64(double *g, const double *hidden, const double *h_before, double *h, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        g[i] = sigmoid(g[i] + hidden[i]);
        g[n + i] = sigmoid(g[n + i] + hidden[n + i]);
        g[2 * n + i] = tanh(g[2 * n + i] + g[i] * hidden[2 * n + i]);
        h[i] = g[2 * n + i] + g[n + i] * (h_before[i] - g[2 * n + i]);
    }
}

static void gru_backward_f64(double *g, double *hidden, const double *h_before, double *dh, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        const double reset = g[i], update = g[n + i], new = g[2 * n + i], inner = hidden[2 * n + i];
        const double d_new = dh[i] * (1 - update) * (1 - new *new);
        g[n + i] = hidden[n + i] = dh[i] * (h_before[i] - new) * (1 - update) * update;
        g[i] = hidden[i] = d_new * inner * (1 - reset) * reset;
        g[2 * n + i] = d_new;
        hidden[2 * n + i] = d_new * reset;
        dh[i] *= update;
    }
}

static void plain_forward_f64(bool relu, const double *g, double *h, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        h[i] = relu ? (g[i] <= 0 ? 0 : g[i]) : tanh(g[i]);
}

static void plain_backward_f64(bool relu, double *g, const double *h, const double *dh, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        g[i] = relu ? (h[i] <= 0 ? 0 : dh[i]) : dh[i] * (1 - h[i] * h[i]);
}

/* ---- one row of one step ---- */

static void forward_row(const rnn_node *r, int64_t step, int64_t row)
{
    int64_t n = r->units;
    void *g = at(r, r->gates, step, row, r->sums), *before = at(r, r->states, step, row, n);
    void *h = at(r, r->states, step + 1, row, n), *c = NULL, *c_before = NULL, *tanh_c = NULL;
    if (r->kind == MR__RNN_LSTM) {
        c_before = at(r, r->cells, step, row, n);
        c = at(r, r->cells, step + 1, row, n);
        tanh_c = at(r, r->tanh_cells, step, row, n);
    }
    if (!takes_part(r, step, row)) {
        memcpy(h, before, (size_t)n * size_of(r));
        if (c)
            memcpy(c, c_before, (size_t)n * size_of(r));
        return;
    }
    if (r->kind == MR__RNN_LSTM && r->f32)
        mr__k->lstm_forward(g, c_before, c, tanh_c, h, n);
    else if (r->kind == MR__RNN_LSTM)
        lstm_forward_f64(g, c_before, c, tanh_c, h, n);
    else if (r->kind == MR__RNN_GRU && r->f32)
        mr__k->gru_forward(g, at(r, r->hidden, step, row, r->sums), before, h, n);
    else if (r->kind == MR__RNN_GRU)
        gru_forward_f64(g, at(r, r->hidden, step, row, r->sums), before, h, n);
    else if (!r->f32)
        plain_forward_f64(r->kind == MR__RNN_RELU, g, h, n);
    else if (r->kind == MR__RNN_RELU)
        mr__k->relu(h, g, n);
    else
        mr__k->tanh(h, g, n);
}

/* The gates become their gradients; dh and dc what goes to the step before, but for the products. */
static void backward_row(const rnn_node *r, int64_t step, int64_t row, void *dh, void *dc)
{
    int64_t n = r->units;
    void *g = at(r, r->gates, step, row, r->sums);
    if (!takes_part(r, step, row)) {
        memset(g, 0, (size_t)r->sums * size_of(r));
        if (r->kind == MR__RNN_GRU)
            memset(at(r, r->hidden, step, row, r->sums), 0, (size_t)r->sums * size_of(r));
        return;
    }
    if (r->kind == MR__RNN_GRU) {
        void *hidden = at(r, r->hidden, step, row, r->sums), *before = at(r, r->states, step, row, n);
        if (r->f32)
            mr__k->gru_backward(g, hidden, before, dh, n);
        else
            gru_backward_f64(g, hidden, before, dh, n);
        return;
    }
    if (r->kind == MR__RNN_LSTM && r->f32)
        mr__k->lstm_backward(g, at(r, r->cells, step, row, n), at(r, r->tanh_cells, step, row, n), dh, dc, n);
    else if (r->kind == MR__RNN_LSTM)
        lstm_backward_f64(g, at(r, r->cells, step, row, n), at(r, r->tanh_cells, step, row, n), dh, dc, n);
    else if (!r->f32)
        plain_backward_f64(r->kind == MR__RNN_RELU, g, at(r, r->states, step + 1, row, n), dh, n);
    else if (r->kind == MR__RNN_RELU)
        mr__k->relu_backward(g, dh, at(r, r->states, step + 1, row, n), n, false);
    else
        mr__k->tanh_backward(g, dh, at(r, r->states, step + 1, row, n), n, false);
    memset(dh, 0, (size_t)n * size_of(r));
}

/* ---- all steps of some rows ---- */

typedef struct job {
    rnn_node *r;
    const void *weights; /* forward: w_hh transposed, (units, sums); backward: as it is */
    const void *bias;    /* GRU, forward: b_hh, or NULL */
    const char *dz;      /* backward: the gradient of the result */
    char *dh, *dc;       /* backward: (rows, units) */
} job;

static void forward_rows(void *work, int64_t begin, int64_t end)
{
    const job *j = work;
    rnn_node *r = j->r;
    int64_t rows = end - begin;
    for (int64_t step = 0; step < r->steps; step++) {
        void *sums = at(r, r->kind == MR__RNN_GRU ? r->hidden : r->gates, step, begin, r->sums);
        for (int64_t row = begin; j->bias && row < end; row++)
            memcpy(at(r, r->hidden, step, row, r->sums), j->bias, (size_t)r->sums * size_of(r));
        mr__gemm(type_of(r), rows, r->sums, r->units,
                 rows_of(at(r, r->states, step, begin, r->units), r->units), rows_of(j->weights, r->sums),
                 sums, r->kind != MR__RNN_GRU || j->bias);
        for (int64_t row = begin; row < end; row++)
            forward_row(r, step, row);
    }
}

static void add_to(const rnn_node *r, char *to, const void *from, int64_t n)
{
    if (r->f32)
        mr__k->add((float *)(void *)to, (float *)(void *)to, from, n);
    else
        for (int64_t i = 0; i < n; i++)
            ((double *)(void *)to)[i] += ((const double *)from)[i];
}

static void backward_rows(void *work, int64_t begin, int64_t end)
{
    const job *j = work;
    rnn_node *r = j->r;
    int64_t rows = end - begin, n = r->units;
    size_t row_bytes = (size_t)n * size_of(r);
    for (int64_t step = r->steps - 1; step >= 0; step--) {
        add_to(r, j->dh + (size_t)begin * row_bytes, at(r, j->dz, step + 1, begin, n), rows * n);
        for (int64_t row = begin; row < end; row++)
            backward_row(r, step, row, j->dh + (size_t)row * row_bytes, j->dc + (size_t)row * row_bytes);
        const void *sums = at(r, r->kind == MR__RNN_GRU ? r->hidden : r->gates, step, begin, r->sums);
        mr__gemm(type_of(r), rows, n, r->sums, rows_of(sums, r->sums), rows_of(j->weights, n),
                 j->dh + (size_t)begin * row_bytes, true);
    }
    add_to(r, j->dh + (size_t)begin * row_bytes, at(r, j->dz, 0, begin, n), rows * n);
}

static void divide_rows(mr__part *part, job *j)
{
    const rnn_node *r = j->r;
    double each = (double)r->steps * (double)r->sums * (double)r->units + 1;
    mr__parallel(part, j, r->rows, each >= MR__GRAIN_PRODUCTS ? 1 : (int64_t)(MR__GRAIN_PRODUCTS / each), 1);
}

/* ---- backward ---- */

static void column_sums(const rnn_node *r, void *out, const char *sums, bool add)
{
    int64_t all = r->steps * r->rows;
    if (r->f32) {
        mr__k->column_sums(out, (const float *)(const void *)sums, r->sums, all, r->sums, add);
        return;
    }
    double *o = out;
    for (int64_t j = 0; !add && j < r->sums; j++)
        o[j] = 0;
    for (int64_t i = 0; i < all; i++)
        for (int64_t j = 0; j < r->sums; j++)
            o[j] += ((const double *)(const void *)sums)[i * r->sums + j];
}

static void give_state(mr_tape *tape, const rnn_node *r, mr_tensor *x, const char *gradient)
{
    const mr_shape shape = { 2, { r->rows, r->units } };
    if (x && x->grad)
        mr__grad_add(tape, x, gradient, &shape);
}

static void rnn_backward(mr_tape *tape, mr__node *node)
{
    rnn_node *r = (rnn_node *)node;
    int64_t all = r->steps * r->rows, n = r->units;
    mr_dtype dtype = type_of(r);
    int biases = r->biased ? 2 : 0;
    mr_tensor *x = node->in[0], *w_ih = node->in[1], *w_hh = node->in[2];
    mr_tensor *h0 = node->in[3 + biases], *c0 = r->kind == MR__RNN_LSTM ? node->in[4 + biases] : NULL;
    size_t state_bytes = (size_t)(r->rows * n) * size_of(r);
    job j = { .r = r, .weights = w_hh->data, .dz = mr__grad_of(node->out) };
    j.dh = mr__scratch(tape, dtype, r->rows * n);
    j.dc = mr__scratch(tape, dtype, r->rows * n);
    if (!j.dh || !j.dc)
        return;
    memset(j.dh, 0, state_bytes);
    memcpy(j.dc, at(r, j.dz, r->steps + 1, 0, n), state_bytes);
    divide_rows(backward_rows, &j);
    const char *hidden = r->kind == MR__RNN_GRU ? r->hidden : r->gates;
    bool add = false;
    void *dw_ih = mr__grad_target(tape, w_ih, &add);
    if (dw_ih)
        mr__gemm(dtype, r->sums, r->features, all, mr__transposed(rows_of(r->gates, r->sums)),
                 rows_of(x->data, r->features), dw_ih, add);
    void *dw_hh = mr__grad_target(tape, w_hh, &add);
    if (dw_hh)
        mr__gemm(dtype, r->sums, n, all, mr__transposed(rows_of(hidden, r->sums)), rows_of(r->states, n),
                 dw_hh, add);
    for (int b = 0; b < biases; b++) {
        void *db = mr__grad_target(tape, node->in[3 + b], &add);
        if (db)
            column_sums(r, db, b == 0 ? r->gates : hidden, add);
    }
    void *dx = mr__grad_target(tape, x, &add);
    if (dx)
        mr__gemm(dtype, all, r->features, r->sums, rows_of(r->gates, r->sums),
                 rows_of(w_ih->data, r->features), dx, add);
    give_state(tape, r, h0, j.dh);
    give_state(tape, r, c0, j.dc);
}

/* ---- forward ---- */

static char *array(mr_tape *tape, const rnn_node *r, int64_t steps, int64_t width)
{
    size_t count = mr__mul_size(mr__mul_size((size_t)steps, (size_t)r->rows), (size_t)width);
    char *data = mr__arena_alloc(&tape->arena, mr__mul_size(count, size_of(r)));
    if (!data)
        mr__stop(tape);
    return data;
}

static bool copy_limits(mr_tape *tape, rnn_node *r, const mr__rnn_layer *l)
{
    size_t bytes = (size_t)r->rows * sizeof(int64_t);
    if (!l->first)
        return true;
    int64_t *both = mr__arena_alloc(&tape->arena, 2 * bytes);
    if (!both) {
        mr__stop(tape);
        return false;
    }
    memcpy(both, l->first, bytes);
    memcpy(both + r->rows, l->end, bytes);
    r->first = both;
    r->end = both + r->rows;
    return true;
}

static bool make_arrays(mr_tape *tape, rnn_node *r)
{
    r->gates = array(tape, r, r->steps, r->sums);
    if (r->kind == MR__RNN_GRU)
        r->hidden = array(tape, r, r->steps, r->sums);
    if (r->kind == MR__RNN_LSTM) {
        r->cells = array(tape, r, r->steps + 1, r->units);
        r->tanh_cells = array(tape, r, r->steps, r->units);
    }
    return !tape->failed;
}

/* The sums of the inputs and of the biases that go with them. False when memory is out. */
static bool add_inputs(mr_tape *tape, const rnn_node *r, const mr__rnn_layer *l)
{
    int64_t all = r->steps * r->rows;
    char *bias = NULL;
    if (r->biased) {
        bias = mr__arena_alloc(&tape->arena, (size_t)r->sums * size_of(r));
        if (!bias) {
            mr__stop(tape);
            return false;
        }
        memcpy(bias, l->b_ih->data, (size_t)r->sums * size_of(r));
        if (r->kind != MR__RNN_GRU)
            add_to(r, bias, l->b_hh->data, r->sums);
    }
    if (r->f32) {
        mr__linear((float *)(void *)r->gates, (float *)(void *)l->x->data, (float *)(void *)l->w_ih->data,
                   (float *)(void *)bias, all, r->features, r->sums);
        return true;
    }
    for (int64_t i = 0; bias && i < all; i++)
        memcpy(r->gates + (size_t)(i * r->sums) * size_of(r), bias, (size_t)r->sums * size_of(r));
    mr__gemm(MR_FLOAT64, all, r->sums, r->features, rows_of(l->x->data, r->features),
             mr__transposed(rows_of(l->w_ih->data, r->features)), r->gates, bias != NULL);
    return true;
}

/* w_hh with rows and columns exchanged, so that a step need not do it. */
static char *transposed_weights(mr_tape *tape, const rnn_node *r, const mr_tensor *w)
{
    char *out = mr__arena_alloc(&tape->arena, (size_t)(r->units * r->sums) * size_of(r));
    if (!out) {
        mr__stop(tape);
        return NULL;
    }
    for (int64_t i = 0; i < r->sums; i++)
        for (int64_t k = 0; k < r->units; k++)
            if (r->f32)
                ((float *)(void *)out)[k * r->sums + i] =
                    ((const float *)(const void *)w->data)[i * r->units + k];
            else
                ((double *)(void *)out)[k * r->sums + i] =
                    ((const double *)(const void *)w->data)[i * r->units + k];
    return out;
}

static bool computed(mr_tape *tape, rnn_node *r, const mr__rnn_layer *l)
{
    size_t state_bytes = (size_t)(r->rows * r->units) * size_of(r);
    job j = { .r = r, .bias = r->kind == MR__RNN_GRU && r->biased ? l->b_hh->data : NULL };
    j.weights = transposed_weights(tape, r, l->w_hh);
    if (!j.weights || !add_inputs(tape, r, l))
        return false;
    memcpy(r->states, l->h0->data, state_bytes);
    if (r->kind == MR__RNN_LSTM)
        memcpy(r->cells, l->c0->data, state_bytes);
    divide_rows(forward_rows, &j);
    char *last = at(r, r->states, r->steps + 1, 0, r->units);
    if (r->kind == MR__RNN_LSTM)
        memcpy(last, at(r, r->cells, r->steps, 0, r->units), state_bytes);
    else
        memset(last, 0, state_bytes);
    return true;
}

bool mr__rnn_flops(const mr__node *node, double *flops)
{
    const rnn_node *r = (const rnn_node *)node;
    if (node->backward != rnn_backward)
        return false;
    *flops = 2. * (double)(r->steps * r->rows) * (double)r->sums * (double)(r->features + r->units);
    return true;
}

mr_tensor *mr__rnn(mr_tape *tape, const char *op, const mr__rnn_layer *l)
{
    mr_tensor *inputs[] = { l->x, l->w_ih, l->w_hh, l->b_ih, l->b_hh, l->h0, l->c0 };
    bool tracked = false;
    rnn_node r = { .kind = l->kind,
                   .f32 = l->x->dtype == MR_FLOAT32,
                   .biased = l->b_ih != NULL,
                   .steps = l->x->shape[0],
                   .rows = l->x->shape[1],
                   .features = l->x->shape[2],
                   .units = l->w_hh->shape[1],
                   .sums = l->w_hh->shape[0] };
    mr_tensor *y = mr__result(tape, type_of(&r), 3, (int64_t[]){ r.steps + 2, r.rows, r.units });
    if (!y || !copy_limits(tape, &r, l) || !make_arrays(tape, &r))
        return NULL;
    r.states = y->data;
    if (!computed(tape, &r, l))
        return NULL;
    for (int i = 0; i < 7; i++)
        tracked = tracked || (inputs[i] && mr__tracks(tape, inputs[i]));
    if (!tracked)
        return y;
    rnn_node *node = mr__record(tape, sizeof *node, op, y, rnn_backward);
    if (!node)
        return NULL;
    r.node = node->node;
    *node = r;
    for (int i = 0; i < 7; i++)
        if (inputs[i])
            mr__add_input(&node->node, inputs[i], i != 3 && i != 4);
    return y;
}

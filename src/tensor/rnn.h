/* One layer of a recurrent network, in one direction; nn/rnn.c makes networks of it. */
#ifndef MILLRACE_TENSOR_RNN_H
#define MILLRACE_TENSOR_RNN_H

#include "tensor/tape.h"

typedef enum mr__rnn_kind { MR__RNN_TANH, MR__RNN_RELU, MR__RNN_LSTM, MR__RNN_GRU } mr__rnn_kind;

/* How many rows of the weights belong to a unit: 1, 1, 4, 3. */
int mr__rnn_gates(mr__rnn_kind kind);

/* What a layer is given, all dense and of one floating type. */
typedef struct mr__rnn_layer {
    mr__rnn_kind kind;
    mr_tensor *x;           /* (steps, rows, features) */
    mr_tensor *w_ih, *w_hh; /* (gates * units, features), (gates * units, units) */
    mr_tensor *b_ih, *b_hh; /* (gates * units); both NULL without biases */
    mr_tensor *h0, *c0;     /* (rows, units); c0: of an LSTM only, else NULL */
    /* The steps [first, end) that row i takes part in; outside of them its state stays as it is. Copied. NULL: all. */
    const int64_t *first, *end;
} mr__rnn_layer;

/* (steps + 2, rows, units): h0, the state after each step, and at last the cell's (zeros but for an LSTM).
 * Differentiable in everything that the layer is given. */
mr_tensor *mr__rnn(mr_tape *tape, const char *op, const mr__rnn_layer *layer);

/* Multiplications and additions of a node that is such a layer; false of another. */
bool mr__rnn_flops(const mr__node *node, double *flops);

#endif

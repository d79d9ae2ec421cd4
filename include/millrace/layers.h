/*
 * Millrace, nn layer: the layers of convolutional, recurrent and attention models, with torch's names of parameters,
 * initial values and order of draws. A constructor draws from `rng` during the call only; it makes a module.
 */
#ifndef MILLRACE_LAYERS_H
#define MILLRACE_LAYERS_H

#include <millrace/functions.h>
#include <millrace/nn.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- convolutions: weight, then bias ------------------------------------------------------------------- */

/* torch.nn.Conv2d and Conv1d: mr_conv2d and mr_conv1d with filters of their own, `kernel` wide and high (opts may
 * give another width). */
MR_API mr_module *mr_conv2d_new(int64_t in_channels, int64_t out_channels, int64_t kernel, mr_rng *rng,
                                const mr_conv_opts *opts);
MR_API mr_module *mr_conv1d_new(int64_t in_channels, int64_t out_channels, int64_t kernel, mr_rng *rng,
                                const mr_conv_opts *opts);

/* torch.nn.ConvTranspose2d: weight (in_channels, out_channels / groups, kernel, kernel). */
MR_API mr_module *mr_conv_transpose2d_new(int64_t in_channels, int64_t out_channels, int64_t kernel,
                                          mr_rng *rng, const mr_conv_opts *opts);

/* ---- pooling -------------------------------------------------------------------------------------------- */

/* torch.nn.MaxPool2d and so on: the functions of these names. */
MR_API mr_module *mr_max_pool2d_new(int64_t kernel, const mr_pool_opts *opts);
MR_API mr_module *mr_max_pool1d_new(int64_t kernel, const mr_pool_opts *opts);
MR_API mr_module *mr_avg_pool2d_new(int64_t kernel, const mr_pool_opts *opts);
MR_API mr_module *mr_avg_pool1d_new(int64_t kernel, const mr_pool_opts *opts);
MR_API mr_module *mr_adaptive_avg_pool2d_new(int64_t height, int64_t width);

/* ---- recurrent networks ----------------------------------------------------------------------------------- */

typedef struct mr_rnn_opts {
    int64_t layers; /* default 1 */
    bool bidirectional;
    bool batch_first; /* sequences are (rows, steps, features); states never change their shape */
    bool no_bias;
    bool relu;      /* RNN: relu instead of tanh */
    mr_dtype dtype; /* default float32 */
} mr_rnn_opts;

/* torch.nn.RNN, LSTM and GRU. mr_forward takes sequences (steps, rows, features), or (steps, features) of one row, and
 * gives the last layer's outputs (steps, rows, hidden_size), twice as wide when bidirectional. Parameters
 * weight_ih_l0, weight_hh_l0, bias_ih_l0, bias_hh_l0, weight_ih_l0_reverse, …, drawn in this order from
 * U(-1/sqrt(hidden_size), 1/sqrt(hidden_size)). */
MR_API mr_module *mr_rnn_new(int64_t input_size, int64_t hidden_size, mr_rng *rng, const mr_rnn_opts *opts);
MR_API mr_module *mr_lstm_new(int64_t input_size, int64_t hidden_size, mr_rng *rng, const mr_rnn_opts *opts);
MR_API mr_module *mr_gru_new(int64_t input_size, int64_t hidden_size, mr_rng *rng, const mr_rnn_opts *opts);

/* The state of every layer and direction, (layers * directions, rows, hidden_size); c is an LSTM's, else NULL. */
typedef struct mr_rnn_state {
    mr_tensor *h, *c;
} mr_rnn_state;

/* The same with more to say. `last`, which may be NULL, gets the states after the last step, tensors on the tape;
 * `initial` are those before the first (otherwise zeros). With `lengths` (rows; int64, each from 1 to the number of
 * steps) row i ends after lengths[i] steps: outputs behind that are zeros, its last state is the one there, and the
 * reverse direction begins there (torch's pack_padded_sequence and pad_packed_sequence). */
MR_API mr_tensor *mr_rnn_forward(mr_module *module, mr_tape *tape, mr_tensor *x, mr_rnn_state *last);
MR_API mr_tensor *mr_rnn_forward_from(mr_module *module, mr_tape *tape, mr_tensor *x, mr_rnn_state initial,
                                      mr_rnn_state *last);
MR_API mr_tensor *mr_rnn_forward_padded(mr_module *module, mr_tape *tape, mr_tensor *x, mr_tensor *lengths,
                                        mr_rnn_state *last);
MR_API mr_tensor *mr_rnn_forward_padded_from(mr_module *module, mr_tape *tape, mr_tensor *x,
                                             mr_tensor *lengths, mr_rnn_state initial, mr_rnn_state *last);

#ifdef __cplusplus
}
#endif
#endif

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

/* ---- containers and shapes ------------------------------------------------------------------------------- */

/* A list of modules without a forward of its own: its owner runs the children (mr_module_child) as it likes. They
 * are named "0", "1", …. mr_module_list_add adopts `child` and returns the list. */
MR_API mr_module *mr_module_list_new(void);
MR_API mr_module *mr_module_list_add(mr_module *list, mr_module *child);

/* x itself. */
MR_API mr_module *mr_identity_new(void);

/* mr_flatten of dimensions first … last, and mr_unflatten. */
MR_API mr_module *mr_flatten_dims_new(int first, int last);
MR_API mr_module *mr_unflatten_new(int dim, mr_shape sizes);

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

/* ---- upsampling and padding -------------------------------------------------------------------------------- */

/* torch.nn.Upsample: mr_upsample and mr_upsample_scale. */
MR_API mr_module *mr_upsample_new(mr_shape size, const mr_upsample_opts *opts);
MR_API mr_module *mr_upsample_scale_new(double scale, const mr_upsample_opts *opts);

/* torch.nn.ZeroPad2d and so on: mr_pad by MR_SHAPE(left, right) or MR_SHAPE(left, right, top, bottom); one number is
 * for all sides. */
MR_API mr_module *mr_zero_pad2d_new(mr_shape padding);
MR_API mr_module *mr_constant_pad1d_new(mr_shape padding, double value);
MR_API mr_module *mr_constant_pad2d_new(mr_shape padding, double value);
MR_API mr_module *mr_reflection_pad1d_new(mr_shape padding);
MR_API mr_module *mr_reflection_pad2d_new(mr_shape padding);
MR_API mr_module *mr_replication_pad1d_new(mr_shape padding);
MR_API mr_module *mr_replication_pad2d_new(mr_shape padding);

/* ---- activations --------------------------------------------------------------------------------------------- */

/* The functions of these names. PReLU's weight has `count` values, 1 or the number of channels, each `initial`
 * at first (torch: 0.25). */
MR_API mr_module *mr_leaky_relu_new(double slope);
MR_API mr_module *mr_prelu_new(int64_t count, double initial, mr_dtype dtype);
MR_API mr_module *mr_elu_new(double alpha);
MR_API mr_module *mr_selu_new(void);
MR_API mr_module *mr_gelu_new(void);
MR_API mr_module *mr_gelu_tanh_new(void);
MR_API mr_module *mr_silu_new(void);
MR_API mr_module *mr_mish_new(void);
MR_API mr_module *mr_softplus_new(const mr_softplus_opts *opts);
MR_API mr_module *mr_hardtanh_new(double low, double high);
MR_API mr_module *mr_hardswish_new(void);
MR_API mr_module *mr_glu_new(int dim);
MR_API mr_module *mr_softmax_new(int dim);
MR_API mr_module *mr_log_softmax_new(int dim);

/* ---- normalisation: weight (ones), then bias (zeros) ------------------------------------------------------ */

/* torch.nn.LayerNorm over the last dimensions, whose sizes are `sizes`, and GroupNorm. */
MR_API mr_module *mr_layer_norm_new(mr_shape sizes, const mr_norm_opts *opts);
MR_API mr_module *mr_group_norm_new(int64_t groups, int64_t channels, const mr_norm_opts *opts);

/* torch.nn.BatchNorm1d, for (N, C) and (N, C, L), and BatchNorm2d, for (N, C, H, W), with the buffers running_mean,
 * running_var and num_batches_tracked. In training mode a forward changes the buffers: one thread at a time. */
MR_API mr_module *mr_batch_norm1d_new(int64_t channels, const mr_batch_norm_opts *opts);
MR_API mr_module *mr_batch_norm2d_new(int64_t channels, const mr_batch_norm_opts *opts);

typedef struct mr_instance_norm_opts {
    double eps;         /* default 1e-5 */
    double momentum;    /* default 0.1 */
    bool affine;        /* with weight and bias */
    bool running_stats; /* keep running values, and take them in evaluation */
    mr_dtype dtype;     /* default float32 */
} mr_instance_norm_opts;

/* torch.nn.InstanceNorm2d, for (N, C, H, W) and (C, H, W). */
MR_API mr_module *mr_instance_norm2d_new(int64_t channels, const mr_instance_norm_opts *opts);

/* ---- dropout ------------------------------------------------------------------------------------------------ */

/* torch.nn.Dropout and Dropout2d: mr_dropout and mr_dropout2d in training mode. */
MR_API mr_module *mr_dropout_new(double p);
MR_API mr_module *mr_dropout2d_new(double p);

/* ---- embeddings: weight (rows, size), drawn from N(0, 1), zeros for the row of padding --------------------- */

/* torch.nn.Embedding and EmbeddingBag: mr_embedding and mr_embedding_bag. */
MR_API mr_module *mr_embedding_new(int64_t rows, int64_t size, mr_rng *rng, const mr_embedding_opts *opts);
MR_API mr_module *mr_embedding_bag_new(int64_t rows, int64_t size, mr_rng *rng,
                                       const mr_embedding_bag_opts *opts);

/* mr_embedding_bag_offsets of such a module. */
MR_API mr_tensor *mr_embedding_bag_forward(mr_module *bag, mr_tape *tape, mr_tensor *index,
                                           mr_tensor *offsets);

/* ---- recurrent networks ----------------------------------------------------------------------------------- */

typedef struct mr_rnn_opts {
    int64_t layers; /* default 1 */
    bool bidirectional;
    bool batch_first; /* sequences are (rows, steps, features); states never change their shape */
    bool no_bias;
    bool relu;      /* RNN: relu instead of tanh */
    mr_dtype dtype; /* default float32 */
    double dropout; /* in training, of what each layer but the last gives to the next */
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
 * `initial` are those before the first; h and c that are both NULL, as at the start of a text, are zeros. With
 * `lengths` (rows; int64, each from 1 to the number of steps) row i ends after lengths[i] steps: outputs behind that
 * are zeros, its last state is the one there, and the reverse direction begins there (torch's pack_padded_sequence and
 * pad_packed_sequence). */
MR_API mr_tensor *mr_rnn_forward(mr_module *module, mr_tape *tape, mr_tensor *x, mr_rnn_state *last);
MR_API mr_tensor *mr_rnn_forward_from(mr_module *module, mr_tape *tape, mr_tensor *x, mr_rnn_state initial,
                                      mr_rnn_state *last);
MR_API mr_tensor *mr_rnn_forward_padded(mr_module *module, mr_tape *tape, mr_tensor *x, mr_tensor *lengths,
                                        mr_rnn_state *last);
MR_API mr_tensor *mr_rnn_forward_padded_from(mr_module *module, mr_tape *tape, mr_tensor *x,
                                             mr_tensor *lengths, mr_rnn_state initial, mr_rnn_state *last);

/* ---- attention --------------------------------------------------------------------------------------------- */

typedef struct mr_multihead_attention_opts {
    int64_t kdim, vdim; /* sizes of keys and values; default embed_dim */
    double dropout;     /* of the weights, in training mode; default 0 */
    bool batch_first;   /* sequences are (rows, steps, features) */
    bool no_bias;
    mr_dtype dtype; /* default float32 */
} mr_multihead_attention_opts;

/* torch.nn.MultiheadAttention: in_proj_weight (3 embed_dim, embed_dim), or, when kdim or vdim is another,
 * q_proj_weight, k_proj_weight and v_proj_weight, then in_proj_bias, out_proj.weight and out_proj.bias. out_proj is
 * drawn as a Linear, then the others by xavier_uniform_; biases are zeros. mr_forward is self-attention, of sequences
 * (steps, rows, features), or (steps, features) of one row. `heads` divides embed_dim. */
MR_API mr_module *mr_multihead_attention_new(int64_t embed_dim, int64_t heads, mr_rng *rng,
                                             const mr_multihead_attention_opts *opts);

/* What is not to be seen. A tensor that is NULL is none; but it is a failure while one is pending. Bool ones are true
 * where a key may NOT be seen; those of the module's type are added to the products. */
typedef struct mr_attention_masks {
    bool causal;     /* step i sees the keys 0 … i; blocks of keys that lie behind are not computed */
    mr_tensor *mask; /* (L, S), or (rows * heads, L, S), for L steps and S keys */
    mr_tensor *key_padding; /* (rows, S), or (S) for one row */
} mr_attention_masks;

/* Attention of `query` (L, rows, embed_dim) to `key` (S, rows, kdim) and `value` (S, rows, vdim): (L, rows, embed_dim).
 * One tensor for two or three of them saves work. masks may be NULL. */
MR_API mr_tensor *mr_multihead_attention_forward(mr_module *attention, mr_tape *tape, mr_tensor *query,
                                                 mr_tensor *key, mr_tensor *value,
                                                 const mr_attention_masks *masks);

/* The same, and *weights, what softmax and dropout have made: their mean over the heads (rows, L, S), or those of each
 * (rows, heads, L, S); differentiable. It keeps them all, so it takes more time and memory. */
MR_API mr_tensor *mr_multihead_attention_weights(mr_module *attention, mr_tape *tape, mr_tensor *query,
                                                 mr_tensor *key, mr_tensor *value,
                                                 const mr_attention_masks *masks, bool each_head,
                                                 mr_tensor **weights);

typedef struct mr_transformer_opts {
    int64_t feedforward;   /* width between linear1 and linear2; default 2048 */
    double dropout;        /* in training mode; default 0.1; MR_ZERO for none */
    double layer_norm_eps; /* default 1e-5 */
    bool gelu;             /* instead of relu */
    bool norm_first;       /* x + f(norm(x)) instead of norm(x + f(x)) */
    bool batch_first;      /* sequences are (rows, steps, features) */
    bool final_norm;       /* of an encoder: `norm` behind the last layer */
    mr_dtype dtype;        /* default float32 */
} mr_transformer_opts;

/* torch.nn.TransformerEncoderLayer: self_attn, linear1, linear2, norm1, norm2, and dropout, dropout1, dropout2. */
MR_API mr_module *mr_transformer_encoder_layer_new(int64_t width, int64_t heads, mr_rng *rng,
                                                   const mr_transformer_opts *opts);

/* torch.nn.TransformerEncoder: layers.0, layers.1, …, and norm. As in torch the first layer is drawn and the others
 * begin as copies of it. */
MR_API mr_module *mr_transformer_encoder_new(int64_t width, int64_t heads, int64_t layers, mr_rng *rng,
                                             const mr_transformer_opts *opts);

/* mr_forward of either with masks, for attention of each step to all of its row. */
MR_API mr_tensor *mr_transformer_encoder_forward(mr_module *encoder, mr_tape *tape, mr_tensor *x,
                                                 const mr_attention_masks *masks);

#ifdef __cplusplus
}
#endif
#endif

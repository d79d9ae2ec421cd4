/*
 * Millrace, tensor layer: the functions that layers are made of. Like the operations of ops.h they take a tape
 * first and return a tensor on it; all of them are differentiable, in float32 and float64.
 */
#ifndef MILLRACE_FUNCTIONS_H
#define MILLRACE_FUNCTIONS_H

#include <millrace/ops.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- convolutions ------------------------------------------------------------------------------------- */

/* Of functions and modules alike. A field for the width alone is by default the same as the one before it. */
typedef struct mr_conv_opts {
    int64_t stride, stride_w;     /* default 1 */
    int64_t padding, padding_w;   /* zeros on each side; default 0; MR_ZERO_INT for a width without any */
    int64_t dilation, dilation_w; /* distance of a filter's elements; default 1 */
    int64_t output_padding, output_padding_w; /* transposed ones: pixels more at the end; default 0 */
    int64_t groups;                           /* default 1; both numbers of channels are multiples of it */
    bool same;                                /* pad so that the result is as large as x; for a stride of 1 */
    int64_t kernel_w;                         /* modules: the width of a filter; default: its height */
    bool no_bias;                             /* modules */
    mr_dtype dtype;                           /* modules: of the parameters; default float32 */
} mr_conv_opts;

/* torch.nn.functional.conv2d. x: (images, channels, height, width), or one image without the first; weight:
 * (filters, channels / groups, kernel height, kernel width); bias: (filters). Result: (images, filters, height,
 * width), each floor((size + 2 padding - dilation (kernel - 1) - 1) / stride) + 1. */
MR_API mr_tensor *mr_conv2d(mr_tape *tape, mr_tensor *x, mr_tensor *weight, mr_tensor *bias,
                            const mr_conv_opts *opts);
MR_API mr_tensor *mr_conv2d_no_bias(mr_tape *tape, mr_tensor *x, mr_tensor *weight, const mr_conv_opts *opts);

/* The same along one dimension: x (rows, channels, length), or without the first; weight (filters, channels /
 * groups, kernel). */
MR_API mr_tensor *mr_conv1d(mr_tape *tape, mr_tensor *x, mr_tensor *weight, mr_tensor *bias,
                            const mr_conv_opts *opts);
MR_API mr_tensor *mr_conv1d_no_bias(mr_tape *tape, mr_tensor *x, mr_tensor *weight, const mr_conv_opts *opts);

/* torch.nn.functional.conv_transpose2d, the gradient of a convolution by its input. x: (images, channels, height,
 * width), or one image without the first; weight: (channels, filters / groups, kernel height, kernel width); bias:
 * (filters). Result: (images, filters, height, width), each (size - 1) stride - 2 padding + dilation (kernel - 1) +
 * output padding + 1. */
MR_API mr_tensor *mr_conv_transpose2d(mr_tape *tape, mr_tensor *x, mr_tensor *weight, mr_tensor *bias,
                                      const mr_conv_opts *opts);
MR_API mr_tensor *mr_conv_transpose2d_no_bias(mr_tape *tape, mr_tensor *x, mr_tensor *weight,
                                              const mr_conv_opts *opts);

/* ---- pooling ------------------------------------------------------------------------------------------- */

typedef struct mr_pool_opts {
    int64_t kernel_w;         /* default: the kernel's height */
    int64_t stride, stride_w; /* default: the kernel's sizes, so that windows do not overlap */
    int64_t padding,
        padding_w; /* at most half of the kernel; default 0; MR_ZERO_INT for a width without any */
    int64_t dilation, dilation_w; /* of max pooling; default 1 */
    bool ceil;                    /* windows may begin inside and end outside */
    bool exclude_padding;         /* averages: divide by what lies inside (count_include_pad=False) */
    int64_t divisor;              /* averages: divide by this instead; default: the window's size */
} mr_pool_opts;

/* torch.nn.functional.max_pool2d and max_pool1d: the largest of each window; equal ones: the gradient goes to the
 * first; NaN wins. x: (images, channels, height, width), or (rows, channels, length); without the first dimension
 * too. */
MR_API mr_tensor *mr_max_pool2d(mr_tape *tape, mr_tensor *x, int64_t kernel, const mr_pool_opts *opts);
MR_API mr_tensor *mr_max_pool1d(mr_tape *tape, mr_tensor *x, int64_t kernel, const mr_pool_opts *opts);

/* avg_pool2d and avg_pool1d: the mean of each window, padding counted as zeros. */
MR_API mr_tensor *mr_avg_pool2d(mr_tape *tape, mr_tensor *x, int64_t kernel, const mr_pool_opts *opts);
MR_API mr_tensor *mr_avg_pool1d(mr_tape *tape, mr_tensor *x, int64_t kernel, const mr_pool_opts *opts);

/* adaptive_avg_pool2d: means of windows such that the result has this size; -1 keeps x's. */
MR_API mr_tensor *mr_adaptive_avg_pool2d(mr_tape *tape, mr_tensor *x, int64_t height, int64_t width);

/* ---- upsampling and padding ------------------------------------------------------------------------------ */

typedef enum mr_upsample_mode { MR_UPSAMPLE_NEAREST = 0, MR_UPSAMPLE_LINEAR } mr_upsample_mode;

typedef struct mr_upsample_opts {
    mr_upsample_mode mode;
    bool align_corners; /* linear: the centres of the corners keep their places, not the corners' edges */
    double scale_w;     /* of mr_upsample_scale: default: the height's */
} mr_upsample_opts;

/* torch.nn.functional.interpolate by nearest pixels or linearly: x (images, channels, height, width), which mode
 * 'bilinear' is for there, or (rows, channels, length); brought to a size, MR_SHAPE(height, width) or MR_SHAPE(length),
 * or made `scale` times as large, rounded down. A size may be smaller. */
MR_API mr_tensor *mr_upsample(mr_tape *tape, mr_tensor *x, mr_shape size, const mr_upsample_opts *opts);
MR_API mr_tensor *mr_upsample_scale(mr_tape *tape, mr_tensor *x, double scale, const mr_upsample_opts *opts);

typedef enum mr_pad_mode {
    MR_PAD_CONSTANT = 0,
    MR_PAD_REFLECT,   /* about the outermost element, fewer than there are */
    MR_PAD_REPLICATE, /* that element */
    MR_PAD_CIRCULAR   /* from the other end, at most as many as there are */
} mr_pad_mode;

typedef struct mr_pad_opts {
    mr_pad_mode mode;
    double value; /* of constant padding, of any type; default 0 */
} mr_pad_opts;

/* torch.nn.functional.pad: MR_SHAPE(left, right, top, bottom) elements more at the ends of the last dimensions, the last
 * one first. Constant padding may be negative: then there are fewer. */
MR_API mr_tensor *mr_pad(mr_tape *tape, mr_tensor *x, mr_shape padding, const mr_pad_opts *opts);

/* ---- softmax ------------------------------------------------------------------------------------------- */

/* exp(x) / sum of exp(x) along a dimension, and its logarithm. Floating types only. In float32 a probability below
 * 2^-126 is 0. */
MR_API mr_tensor *mr_softmax(mr_tape *tape, mr_tensor *x, int dim);
MR_API mr_tensor *mr_log_softmax(mr_tape *tape, mr_tensor *x, int dim);

/* ---- activations: of a floating type, element by element ------------------------------------------------ */

/* x where it is positive, else slope x; with a slope for each channel, dimension 1 of x, or one for all: weight (C)
 * or (1), differentiable. */
MR_API mr_tensor *mr_leaky_relu(mr_tape *tape, mr_tensor *x, double slope);
MR_API mr_tensor *mr_prelu(mr_tape *tape, mr_tensor *x, mr_tensor *weight);

/* x where it is positive, else alpha (e^x - 1); selu has an alpha of 1.6732… and multiplies all by 1.0507… */
MR_API mr_tensor *mr_elu(mr_tape *tape, mr_tensor *x, double alpha);
MR_API mr_tensor *mr_selu(mr_tape *tape, mr_tensor *x);

/* x times the probability that a standard normal number is below x; its approximation by tanh; x sigmoid(x);
 * x tanh(ln(1 + e^x)). */
MR_API mr_tensor *mr_gelu(mr_tape *tape, mr_tensor *x);
MR_API mr_tensor *mr_gelu_tanh(mr_tape *tape, mr_tensor *x);
MR_API mr_tensor *mr_silu(mr_tape *tape, mr_tensor *x);
MR_API mr_tensor *mr_mish(mr_tape *tape, mr_tensor *x);

typedef struct mr_softplus_opts {
    double beta;      /* default 1 */
    double threshold; /* default 20 */
} mr_softplus_opts;

/* ln(1 + e^(beta x)) / beta, and x itself where beta x is above the threshold. */
MR_API mr_tensor *mr_softplus(mr_tape *tape, mr_tensor *x, const mr_softplus_opts *opts);

/* x limited to [low, high], without a gradient at the ends; x times x + 3 limited to [0, 6], divided by 6. */
MR_API mr_tensor *mr_hardtanh(mr_tape *tape, mr_tensor *x, double low, double high);
MR_API mr_tensor *mr_hardswish(mr_tape *tape, mr_tensor *x);

/* a sigmoid(b) for the halves a and b of x along a dimension. */
MR_API mr_tensor *mr_glu(mr_tape *tape, mr_tensor *x, int dim);

/* ---- normalisation ------------------------------------------------------------------------------------- */

/* (x - mean) / sqrt(variance + eps) weight + bias, with the biased variance. Weights are of x's type. Those that end
 * in _plain have neither weight nor bias. */
typedef struct mr_norm_opts {
    double eps;     /* default 1e-5 */
    bool no_affine; /* modules: neither weight nor bias */
    mr_dtype dtype; /* modules: of the parameters; default float32 */
} mr_norm_opts;

/* Over the last dimensions of x, whose sizes are those of weight and bias, or `sizes`. */
MR_API mr_tensor *mr_layer_norm(mr_tape *tape, mr_tensor *x, mr_tensor *weight, mr_tensor *bias,
                                const mr_norm_opts *opts);
MR_API mr_tensor *mr_layer_norm_plain(mr_tape *tape, mr_tensor *x, mr_shape sizes, const mr_norm_opts *opts);

/* x: (N, C, …). For each of N over C / groups channels and all that follows; weight and bias: (C). */
MR_API mr_tensor *mr_group_norm(mr_tape *tape, mr_tensor *x, int64_t groups, mr_tensor *weight,
                                mr_tensor *bias, const mr_norm_opts *opts);
MR_API mr_tensor *mr_group_norm_plain(mr_tape *tape, mr_tensor *x, int64_t groups, const mr_norm_opts *opts);

/* The same with groups of one channel. x has more than one pixel. */
MR_API mr_tensor *mr_instance_norm(mr_tape *tape, mr_tensor *x, mr_tensor *weight, mr_tensor *bias,
                                   const mr_norm_opts *opts);
MR_API mr_tensor *mr_instance_norm_plain(mr_tape *tape, mr_tensor *x, const mr_norm_opts *opts);

typedef struct mr_batch_norm_opts {
    double eps;      /* default 1e-5 */
    double momentum; /* of the running values: they become momentum new + (1 - momentum) old; default 0.1 */
    bool cumulative; /* modules: they are the mean over all batches so far (torch's momentum=None) */
    bool no_affine;  /* modules: neither weight nor bias */
    bool no_running_stats; /* modules: a batch's own statistics, in evaluation, too */
    mr_dtype dtype;        /* modules: of parameters and buffers; default float32 */
} mr_batch_norm_opts;

/* x: (N, C, …), over all but C; weight, bias and the running values: (C). Training takes the batch's own mean and
 * variance and brings the running values, which are tensors of your own, up to date (with the unbiased variance);
 * otherwise these are taken. With no_stats there are none, and the batch's own are taken always. */
MR_API mr_tensor *mr_batch_norm(mr_tape *tape, mr_tensor *x, mr_tensor *weight, mr_tensor *bias,
                                mr_tensor *running_mean, mr_tensor *running_var, bool training,
                                const mr_batch_norm_opts *opts);
MR_API mr_tensor *mr_batch_norm_plain(mr_tape *tape, mr_tensor *x, mr_tensor *running_mean,
                                      mr_tensor *running_var, bool training, const mr_batch_norm_opts *opts);
MR_API mr_tensor *mr_batch_norm_no_stats(mr_tape *tape, mr_tensor *x, mr_tensor *weight, mr_tensor *bias,
                                         const mr_batch_norm_opts *opts);
MR_API mr_tensor *mr_batch_norm_no_stats_plain(mr_tape *tape, mr_tensor *x, const mr_batch_norm_opts *opts);

/* ---- dropout ------------------------------------------------------------------------------------------- */

/* x with elements set to 0 with probability p, and the others divided by 1 - p; x itself unless `training`. Draws
 * from the tape's generator, one draw for each element, as torch does. Floating types only. */
MR_API mr_tensor *mr_dropout(mr_tape *tape, mr_tensor *x, double p, bool training);

/* The same for whole channels: x is (N, C, …), and one draw is for all that follows. */
MR_API mr_tensor *mr_dropout2d(mr_tape *tape, mr_tensor *x, double p, bool training);

/* ---- embeddings ---------------------------------------------------------------------------------------- */

typedef struct mr_embedding_opts {
    bool has_padding_idx; /* needed for row 0 only */
    int64_t padding_idx;  /* a row that takes no gradient; negative: from the end; default: none */
    mr_dtype dtype;       /* modules: of the parameter; default float32 */
} mr_embedding_opts;

/* Rows of a weight (rows, size) by positions of any shape, int64 or int32: the result has the shape of `index` and
 * `size` behind. A position out of range fails with its place and value. Differentiable in the weight. */
MR_API mr_tensor *mr_embedding(mr_tape *tape, mr_tensor *index, mr_tensor *weight,
                               const mr_embedding_opts *opts);

typedef enum mr_bag_mode { MR_BAG_MEAN = 0, MR_BAG_SUM } mr_bag_mode;

typedef struct mr_embedding_bag_opts {
    mr_bag_mode mode; /* default: the mean */
    bool has_padding_idx;
    int64_t padding_idx; /* as above; and its row counts for nothing in a bag */
    mr_dtype dtype;      /* modules */
} mr_embedding_bag_opts;

/* The mean or sum of the rows of each bag, (bags, size), zeros for an empty one. Bags are the rows of an index (bags,
 * length); with offsets, a vector of int64 or int32 that begins with 0, they are the parts of a vector from one
 * offset up to the next. */
MR_API mr_tensor *mr_embedding_bag(mr_tape *tape, mr_tensor *index, mr_tensor *weight,
                                   const mr_embedding_bag_opts *opts);
MR_API mr_tensor *mr_embedding_bag_offsets(mr_tape *tape, mr_tensor *index, mr_tensor *offsets,
                                           mr_tensor *weight, const mr_embedding_bag_opts *opts);

/* ---- attention ------------------------------------------------------------------------------------------ */

typedef struct mr_attention_opts {
    bool causal;  /* row i of q sees only rows 0 … i of k and v */
    double scale; /* of the products; default 1 / sqrt(d); MR_ZERO for 0 */
    double
        dropout; /* each weight is set to 0 with this probability, the others are divided by 1 - dropout; draws from
                     * the tape's generator, one for each weight, as torch does; default 0 */
} mr_attention_opts;

/* Scaled dot-product attention: softmax(scale q k^T) v for q (…, L, d), k (…, S, d), v (…, S, e) with the same sizes
 * in front; result (…, L, e). Of one floating type. Weights are not kept: backward makes them again, so memory grows
 * with L, not with L S. In float32 a weight below 2^-126 is 0. */
MR_API mr_tensor *mr_attention(mr_tape *tape, mr_tensor *q, mr_tensor *k, mr_tensor *v,
                               const mr_attention_opts *opts);

/* The same with a mask that broadcasts to (…, L, S). A bool mask is torch.nn.MultiheadAttention's: true where a row of q
 * may NOT see a row of k (in torch 2's scaled_dot_product_attention it is the other way round). One of the floating
 * type is added to the scaled products, and differentiable. A row that sees nothing is NaN, as in torch. */
MR_API mr_tensor *mr_attention_masked(mr_tape *tape, mr_tensor *q, mr_tensor *k, mr_tensor *v,
                                      mr_tensor *mask, const mr_attention_opts *opts);

#ifdef __cplusplus
}
#endif
#endif

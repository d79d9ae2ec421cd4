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

/* ---- softmax ------------------------------------------------------------------------------------------- */

/* exp(x) / sum of exp(x) along a dimension, and its logarithm. Floating types only. In float32 a probability below
 * 2^-126 is 0. */
MR_API mr_tensor *mr_softmax(mr_tape *tape, mr_tensor *x, int dim);
MR_API mr_tensor *mr_log_softmax(mr_tape *tape, mr_tensor *x, int dim);

#ifdef __cplusplus
}
#endif
#endif

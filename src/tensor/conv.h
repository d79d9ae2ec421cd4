/* What convolutions and transposed ones have in common. */
#ifndef MILLRACE_TENSOR_CONV_H
#define MILLRACE_TENSOR_CONV_H

#include "base/option.h"
#include "kernels/conv.h"

#include <millrace/functions.h>

typedef enum { MR__CONV_FORWARD, MR__CONV_TO_X, MR__CONV_TO_W } mr__conv_way;

/* ReLU of a convolution of images, float32 alone; with *pool followed by max pooling of 2 x 2, if its result has as much:
 * *pool says whether it was done. `bias` may be NULL. */
mr_tensor *mr__conv2d_tail(mr_tape *tape, mr_tensor *x, mr_tensor *weight, mr_tensor *bias,
                           const mr_conv_opts *opts, bool *pool);

/* In float64, by plain loops: visits every product x * w of every y, and adds it to y; or y * w to x, or y * x to
 * w. */
void mr__conv_visit(const mr__conv *c, mr__conv_way way, double *y, double *x, double *w);

/* mr__channel_sums in float64. */
void mr__conv_channel_sums(double *db, const double *dy, int64_t images, int64_t channels, int64_t pixels,
                           bool add);

#endif

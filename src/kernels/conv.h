/* Convolutions of images in float32: products of matrices, on the columns that a filter sees. */
#ifndef MILLRACE_KERNELS_CONV_H
#define MILLRACE_KERNELS_CONV_H

#include "conv_tail.h"

#include <stdbool.h>
#include <stdint.h>

/* x (images, channels, height, width), w (filters, channels / groups, kernel_h, kernel_w), y (images, filters,
 * out_h, out_w), all dense. */
typedef struct mr__conv {
    int64_t images, channels, height, width;
    int64_t filters, kernel_h, kernel_w, out_h, out_w;
    int64_t stride_h, stride_w, pad_top, pad_left, dilation_h, dilation_w, groups;
} mr__conv;

/* Floats of working memory that the calls below need for as many threads as there are now. */
int64_t mr__conv_scratch(const mr__conv *c);

/* A convolution without a tail. */
extern const mr__conv_tail mr__no_tail;

/* y = tail(x * w + b); b (filters) may be NULL. With `add` to what is in y, and then no b and no tail. */
void mr__conv_forward(const mr__conv *c, float *y, const float *x, const float *w, const float *b, bool add,
                      const mr__conv_tail *tail, float *scratch);

/* dx from dy, the gradient of what the tail gave; and dw, with `sums` of each plane of the gradient (images, filters),
 * which may be NULL. */
void mr__conv_dx(const mr__conv *c, float *dx, const float *dy, const float *w, bool add,
                 const mr__conv_tail *tail, float *scratch);
void mr__conv_dw(const mr__conv *c, float *dw, const float *dy, const float *x, bool add,
                 const mr__conv_tail *tail, float *sums, float *scratch);

/* db (filters) = sums over images and pixels; from the sums of planes if dw made them. */
void mr__conv_db(const mr__conv *c, float *db, const float *dy, bool add, const mr__conv_tail *tail,
                 const float *sums, float *scratch);

/* db (channels of y) = sums of dy (images, channels, pixels). */
void mr__channel_sums(float *db, const float *dy, int64_t images, int64_t channels, int64_t pixels, bool add);

#endif

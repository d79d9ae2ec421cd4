/*
 * What may follow a convolution on each plane of its result (a channel of an image) while that is in the cache: a ReLU, and
 * then max pooling of 2 x 2. The whole result is then never in memory, and neither is its gradient.
 *
 * max_pool(relu(x)) is computed as relu(max_pool(x)), which gives the same bits, forward and backward.
 */
#ifndef MILLRACE_KERNELS_CONV_TAIL_H
#define MILLRACE_KERNELS_CONV_TAIL_H

#include <stdbool.h>
#include <stdint.h>

typedef enum { MR__TAIL_NONE, MR__TAIL_RELU, MR__TAIL_RELU_POOL } mr__tail_kind;

typedef struct mr__conv_tail {
    mr__tail_kind kind;
    float *which;   /* with pooling: of each pooled element, 0 to 3, or 4 where the ReLU made it zero */
    const float *y; /* backward, ReLU alone: the result */
} mr__conv_tail;

/* Where plane `plane` of a convolution of height x width is to be written: in `room`, or at its place in y. */
float *mr__tail_target(const mr__conv_tail *t, float *y, int64_t plane, int64_t height, int64_t width,
                       float *room);

/* Finishes a plane that was written there. */
void mr__tail_finish(const mr__conv_tail *t, float *y, int64_t plane, int64_t height, int64_t width,
                     const float *room);

/* The gradient of a plane of the convolution, from dy, that of what the tail gave: made in `room`, or dy's own memory. */
const float *mr__tail_gradient(const mr__conv_tail *t, const float *dy, int64_t plane, int64_t height,
                               int64_t width, float *room);

/* ---- max pooling of 2 x 2, of one plane; an odd last row or column is left out ---- */

void mr__pool_pairs(float *y, float *which, const float *x, int64_t height, int64_t width);
void mr__pool_pairs_dx(float *dx, const float *dy, const float *which, int64_t height, int64_t width,
                       bool add);

#endif

/* Convolutions with filters of 3 x 3 by Winograd's F(2x2, 3x3), which takes 4 products where the plain way takes 9. */
#ifndef MILLRACE_KERNELS_WINOGRAD_H
#define MILLRACE_KERNELS_WINOGRAD_H

#include "conv.h"

/* Whether a convolution can be done so, and is large enough to gain by it. */
bool mr__winograd_serves(const mr__conv *c);

/* As the functions of conv.h. Errors are about those of the plain way, 1e-6 of the largest value; dx and y have the same
 * bits whatever the number of threads, dw too. */
int64_t mr__winograd_scratch(const mr__conv *c);
void mr__winograd_forward(const mr__conv *c, float *y, const float *x, const float *w, const float *b,
                          bool add, const mr__conv_tail *tail, float *scratch);
void mr__winograd_dx(const mr__conv *c, float *dx, const float *dy, const float *w, bool add,
                     const mr__conv_tail *tail, float *scratch);
void mr__winograd_dw(const mr__conv *c, float *dw, const float *dy, const float *x, bool add,
                     const mr__conv_tail *tail, float *sums, float *scratch);

#endif

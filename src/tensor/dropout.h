/* The noise of dropout, for layers that apply it in a way of their own. */
#ifndef MILLRACE_TENSOR_DROPOUT_H
#define MILLRACE_TENSOR_DROPOUT_H

#include "tensor.h"

/* Draws `count` numbers, each 0 with probability p, otherwise 1 / (1 - p). All of them are 0, and nothing is drawn,
 * when p is 1. */
void mr__draw_dropout(mr_tape *tape, mr_dtype dtype, void *noise, int64_t count, double p);

#endif

/* Reading an index tensor. */
#ifndef MILLRACE_TENSOR_POSITIONS_H
#define MILLRACE_TENSOR_POSITIONS_H

#include "tensor/tape.h"

/* The elements of `index` as a dense array of their own on the tape, so that the index may change before backward,
 * each checked to be a position in dimension `dim` of x. NULL with a failure raised (the tape has stopped then). */
int64_t *mr__positions(mr_tape *tape, const char *op, const mr_tensor *x, int dim, const mr_tensor *index);

#endif

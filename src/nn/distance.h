/* The distance of vectors along the last dimension. */
#ifndef MILLRACE_NN_DISTANCE_H
#define MILLRACE_NN_DISTANCE_H

#include "tensor/tape.h"

/* The p-norm of a - b + eps, which broadcast and have a dimension; p >= 0. Differentiable in both; 0 where a norm is 0.
 * `op` is the name that the record has for it. */
mr_tensor *mr__distance(mr_tape *tape, const char *op, mr_tensor *a, mr_tensor *b, double p, double eps);

#endif

/* The two kinds of cross entropy: of class numbers and of probabilities. */
#ifndef MILLRACE_NN_CROSS_ENTROPY_H
#define MILLRACE_NN_CROSS_ENTROPY_H

#include "nn/losses.h"

/* What log-softmax is made of, for each row. */
typedef struct mr__softmax_parts {
    void *powers; /* exp(x - top), of the input's shape; NULL when no gradient is wanted */
    void *top;    /* the greatest element */
    void *total;  /* the sum of the powers, and its logarithm */
    void *logarithm;
} mr__softmax_parts;

/* Of the dense input, on the tape. False when memory is out; the tape has stopped then. */
bool mr__softmax_parts_of(mr_tape *tape, const mr_tensor *input, const mr__classes *sizes, bool powers,
                          mr__softmax_parts *parts);

/* dx = powers times a factor for each row. */
void mr__scale_rows(mr_dtype dtype, void *dx, const void *powers, const void *factor,
                    const mr__classes *sizes, bool add);

/* With a target of probabilities; all was checked but types and shapes. */
mr_tensor *mr__soft_cross_entropy(mr_tape *tape, mr_tensor *input, mr_tensor *target, mr_tensor *weight,
                                  mr_reduction reduction, double smoothing);

#endif

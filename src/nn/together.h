/* Children of a Sequential that are computed as one operation, with the results that they have one by one. */
#ifndef MILLRACE_NN_TOGETHER_H
#define MILLRACE_NN_TOGETHER_H

#include "module.h"

/* Runs the first of some children on *x, and those behind it that go with it; *x becomes the result. Returns how many were
 * run. */
size_t mr__run_together(const mr__child *children, size_t count, mr_tape *tape, mr_tensor **x);

/* What the modules tell of themselves. */
extern const mr_module_vtable mr__conv2d_vtable, mr__linear_vtable, mr__relu_vtable;

/* The linear layer and a ReLU. */
mr_tensor *mr__linear_relu_of(mr_module *linear, mr_tape *tape, mr_tensor *x);

/* The convolution and a ReLU; with *pool followed by max pooling of 2 x 2, and *pool says whether that was done. */
mr_tensor *mr__conv2d_relu(mr_module *conv, mr_tape *tape, mr_tensor *x, bool *pool);

/* Whether a module pools the greatest of 2 x 2, two apart. */
bool mr__pools_pairs(const mr_module *module);

#endif

/* Broadcasting and type promotion of two tensors. */
#ifndef MILLRACE_TENSOR_SHAPE_H
#define MILLRACE_TENSOR_SHAPE_H

#include "tensor/tensor.h"

/* The shape that a and b broadcast to; false with a failure raised in the name of `call`. */
bool mr__broadcast(const char *call, const mr_tensor *a, const mr_tensor *b, mr_shape *out);

/* x's strides along the dimensions of `shape`, which x broadcasts to: 0 where it repeats. */
void mr__broadcast_strides(const mr_tensor *x, const mr_shape *shape, int64_t *stride);

bool mr__same_shape(const mr_tensor *a, const mr_tensor *b);

/* The type of an arithmetic operation on a and b (torch.result_type). */
mr_dtype mr__promote(const mr_tensor *a, const mr_tensor *b);

#endif

/* The initial values that torch gives layers with weights. */
#ifndef MILLRACE_NN_INITIAL_H
#define MILLRACE_NN_INITIAL_H

#include <millrace/nn.h>

/* False with a failure raised in the name of `call` unless there is a generator and the type can be trained. */
bool mr__initial_ready(const char *call, const mr_rng *rng, mr_dtype dtype);

/* A weight drawn by kaiming_uniform_(a = sqrt 5), and a bias by uniform_(-1 / sqrt(fan_in), 1 / sqrt(fan_in)). NULL
 * with a failure raised. */
mr_tensor *mr__initial_weight(mr_rng *rng, mr_dtype dtype, mr_shape shape, int64_t fan_in);
mr_tensor *mr__initial_bias(mr_rng *rng, mr_dtype dtype, int64_t count, int64_t fan_in);

#endif

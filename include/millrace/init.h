/*
 * Millrace, nn layer: initial values for parameters, as torch.nn.init has them, with its draws.
 *
 * Each overwrites all elements of a tensor of your own and returns MR_OK or a failure. Except for
 * mr_init_constant the type is a floating one. Fans are those of a weight (out, in, …): fan_in is the product of all
 * sizes but the first, fan_out that of all but the second; such a tensor has at least two dimensions.
 */
#ifndef MILLRACE_INIT_H
#define MILLRACE_INIT_H

#include <millrace/nn.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Uniform in [low, high); normal; one value. */
MR_API mr_status mr_init_uniform(mr_tensor *x, double low, double high, mr_rng *rng);
MR_API mr_status mr_init_normal(mr_tensor *x, double mean, double std, mr_rng *rng);
MR_API mr_status mr_init_constant(mr_tensor *x, double value);

/* Normal, cut off at low and high: drawn from the distribution that is left between them. Agrees with torch to the last
 * few bits. */
MR_API mr_status mr_init_trunc_normal(mr_tensor *x, double mean, double std, double low, double high,
                                      mr_rng *rng);

typedef struct mr_init_opts {
    double gain; /* default 1 */
} mr_init_opts;

/* Glorot and Bengio, 2010: variance gain^2 2 / (fan_in + fan_out). */
MR_API mr_status mr_init_xavier_uniform(mr_tensor *x, mr_rng *rng, const mr_init_opts *opts);
MR_API mr_status mr_init_xavier_normal(mr_tensor *x, mr_rng *rng, const mr_init_opts *opts);

/* What comes behind a weight. */
typedef enum mr_nonlinearity {
    MR_LEAKY_RELU = 0,
    MR_RELU,
    MR_LINEAR, /* nothing, a convolution, or a sigmoid */
    MR_TANH,
    MR_SELU
} mr_nonlinearity;

/* torch.nn.init.calculate_gain: sqrt(2 / (1 + slope^2)), sqrt(2), 1, 5/3, 3/4. The slope is a leaky ReLU's. NAN with a
 * failure raised when it is none of them. */
MR_API double mr_init_gain(mr_nonlinearity nonlinearity, double slope);

typedef struct mr_kaiming_opts {
    double slope;                 /* of the leaky ReLU (torch's `a`); default 0 */
    bool fan_out;                 /* keep the size of gradients instead of values */
    mr_nonlinearity nonlinearity; /* default: leaky ReLU */
} mr_kaiming_opts;

/* He and others, 2015: variance gain^2 / fan. */
MR_API mr_status mr_init_kaiming_uniform(mr_tensor *x, mr_rng *rng, const mr_kaiming_opts *opts);
MR_API mr_status mr_init_kaiming_normal(mr_tensor *x, mr_rng *rng, const mr_kaiming_opts *opts);

/* Saxe and others, 2013: gain times a matrix (first size, all others) with orthonormal rows or columns, whichever are
 * fewer. Agrees with torch to 1e-5. */
MR_API mr_status mr_init_orthogonal(mr_tensor *x, mr_rng *rng, const mr_init_opts *opts);

/* Martens, 2010: a matrix from N(0, std^2) in each of whose columns a share of ceil(sparsity rows) elements is 0. */
MR_API mr_status mr_init_sparse(mr_tensor *x, double sparsity, double std, mr_rng *rng);

#ifdef __cplusplus
}
#endif
#endif

/*
 * Millrace, nn layer: the layers of convolutional, recurrent and attention models, with torch's names of parameters,
 * initial values and order of draws. A constructor draws from `rng` during the call only; it makes a module.
 */
#ifndef MILLRACE_LAYERS_H
#define MILLRACE_LAYERS_H

#include <millrace/functions.h>
#include <millrace/nn.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- containers and shapes ------------------------------------------------------------------------------- */

/* A list of modules without a forward of its own: its owner runs the children (mr_module_child) as it likes. They
 * are named "0", "1", …. mr_module_list_add adopts `child` and returns the list. */
MR_API mr_module *mr_module_list_new(void);
MR_API mr_module *mr_module_list_add(mr_module *list, mr_module *child);

/* x itself. */
MR_API mr_module *mr_identity_new(void);

/* mr_flatten of dimensions first … last, and mr_unflatten. */
MR_API mr_module *mr_flatten_dims_new(int first, int last);
MR_API mr_module *mr_unflatten_new(int dim, mr_shape sizes);

/* ---- convolutions: weight, then bias ------------------------------------------------------------------- */

/* torch.nn.Conv2d and Conv1d: mr_conv2d and mr_conv1d with filters of their own, `kernel` wide and high (opts may
 * give another width). */
MR_API mr_module *mr_conv2d_new(int64_t in_channels, int64_t out_channels, int64_t kernel, mr_rng *rng,
                                const mr_conv_opts *opts);
MR_API mr_module *mr_conv1d_new(int64_t in_channels, int64_t out_channels, int64_t kernel, mr_rng *rng,
                                const mr_conv_opts *opts);

/* ---- pooling -------------------------------------------------------------------------------------------- */

/* torch.nn.MaxPool2d and so on: the functions of these names. */
MR_API mr_module *mr_max_pool2d_new(int64_t kernel, const mr_pool_opts *opts);
MR_API mr_module *mr_max_pool1d_new(int64_t kernel, const mr_pool_opts *opts);
MR_API mr_module *mr_avg_pool2d_new(int64_t kernel, const mr_pool_opts *opts);
MR_API mr_module *mr_avg_pool1d_new(int64_t kernel, const mr_pool_opts *opts);
MR_API mr_module *mr_adaptive_avg_pool2d_new(int64_t height, int64_t width);

#ifdef __cplusplus
}
#endif
#endif

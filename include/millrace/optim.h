/*
 * Millrace, optim layer: optimizers.
 *
 * Making an optimizer moves the parameters, their gradients and the optimizer's state into flat ranges of
 * memory, once, so that a step is one pass over them. Parameters stay usable as before, also after the
 * optimizer is freed; each may belong to one optimizer at a time.
 *
 * A constructor makes one group of parameters with a learning rate and options; NAME_add_group adds another, with
 * its own. It takes the same arguments, and parameters that are in no group yet. When it fails the optimizer is
 * unchanged, and the failure is pending until a status call such as mr_optim_step returns it.
 */
#ifndef MILLRACE_OPTIM_H
#define MILLRACE_OPTIM_H

#include <millrace/nn.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct mr_optim mr_optim;

typedef struct mr_sgd_opts {
    double momentum;     /* default 0 */
    double dampening;    /* default 0 */
    double weight_decay; /* default 0 */
    bool nesterov;       /* needs a momentum, and no dampening */
} mr_sgd_opts;

/* g += decay * p; buf = g at first, then momentum * buf + (1 - dampening) * g; p -= lr * (nesterov ?
 * g + momentum * buf : buf). As torch.optim.SGD. */
MR_API mr_optim *mr_sgd_new(mr_params params, double lr, const mr_sgd_opts *opts);
MR_API mr_status mr_sgd_add_group(mr_optim *optim, mr_params params, double lr, const mr_sgd_opts *opts);

typedef struct mr_adam_opts {
    double beta1;        /* default 0.9 */
    double beta2;        /* default 0.999 */
    double eps;          /* default 1e-8 */
    double weight_decay; /* default 0 */
    bool amsgrad;
} mr_adam_opts;

/* Kingma and Ba, 2015 (amsgrad: Reddi and others, 2018), with torch.optim.Adam's order of operations:
 * p -= lr / (1 - beta1^t) * m / (sqrt(v) / sqrt(1 - beta2^t) + eps). */
MR_API mr_optim *mr_adam_new(mr_params params, double lr, const mr_adam_opts *opts);
MR_API mr_status mr_adam_add_group(mr_optim *optim, mr_params params, double lr, const mr_adam_opts *opts);

typedef struct mr_adamw_opts {
    double beta1;        /* default 0.9 */
    double beta2;        /* default 0.999 */
    double eps;          /* default 1e-8 */
    double weight_decay; /* default 0.01 */
    bool amsgrad;
} mr_adamw_opts;

/* Adam with decoupled weight decay (Loshchilov and Hutter, 2019): p *= 1 - lr * decay first. */
MR_API mr_optim *mr_adamw_new(mr_params params, double lr, const mr_adamw_opts *opts);
MR_API mr_status mr_adamw_add_group(mr_optim *optim, mr_params params, double lr, const mr_adamw_opts *opts);

/* Frees the optimizer; its parameters stay where they are. */
MR_API void mr_optim_free(mr_optim *optim);

/* One update from the gradients that are there. A parameter that has never had a gradient is left as it is;
 * one whose gradient was zeroed and not written since counts as having gradient zero, as in torch 1.13. */
MR_API MR_CHECKED mr_status mr_optim_step(mr_optim *optim);

/* Zeroes the gradients of its parameters. */
MR_API void mr_optim_zero_grad(mr_optim *optim);

/* The learning rate of the first group; setting it sets that of all groups. And the number of steps made. */
MR_API double mr_optim_lr(const mr_optim *optim);
MR_API void mr_optim_set_lr(mr_optim *optim, double lr);
MR_API int64_t mr_optim_steps(const mr_optim *optim);

/* ---- groups -------------------------------------------------------------------------------------------- */

/* How many there are. They are counted from 0, in the order of adding. */
MR_API int mr_optim_group_count(const mr_optim *optim);

/* The learning rate of one group. A group that is not there is a failure, and NAN. */
MR_API double mr_optim_group_lr(const mr_optim *optim, int group);
MR_API void mr_optim_set_group_lr(mr_optim *optim, int group, double lr);

/* What schedules call its momentum: momentum itself, or beta1 of those that have betas. NAN, and false, where an
 * optimizer has neither; that is no failure. A momentum that is set for the first time begins with an empty
 * buffer, as if it had been given to the constructor. */
MR_API double mr_optim_group_momentum(const mr_optim *optim, int group);
MR_API bool mr_optim_set_group_momentum(mr_optim *optim, int group, double momentum);

#ifdef __cplusplus
}
#endif
#endif

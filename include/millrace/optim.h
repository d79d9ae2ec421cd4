/*
 * Millrace, optim layer: optimizers.
 *
 * Making an optimizer moves the parameters, their gradients and the optimizer's state into flat ranges of
 * memory, once, so that a step is one pass over them. Parameters stay usable as before, also after the
 * optimizer is freed; each may belong to one optimizer at a time. Make an optimizer before the first forward: views on
 * a tape and pointers from mr_tensor_data that were taken before it lead to where the parameters were.
 *
 * A constructor makes one group of parameters with a learning rate and options; NAME_add_group adds another, with
 * its own. It takes the same arguments, and parameters that are in no group yet. When it fails the optimizer is
 * unchanged, and the failure is pending until a status call such as mr_optim_step returns it.
 *
 * Threads: an optimizer and its parameters belong to one thread at a time.
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
    double weight_decay; /* default 0.01; MR_ZERO for none */
    bool amsgrad;
} mr_adamw_opts;

/* Adam with decoupled weight decay (Loshchilov and Hutter, 2019): p *= 1 - lr * decay first. */
MR_API mr_optim *mr_adamw_new(mr_params params, double lr, const mr_adamw_opts *opts);
MR_API mr_status mr_adamw_add_group(mr_optim *optim, mr_params params, double lr, const mr_adamw_opts *opts);

typedef struct mr_rmsprop_opts {
    double alpha;        /* default 0.99 */
    double eps;          /* default 1e-8 */
    double weight_decay; /* default 0 */
    double momentum;     /* default 0 */
    bool centered;       /* divide by the root of the variance, not of the mean of squares */
} mr_rmsprop_opts;

/* Hinton's lecture 6; centered: Graves, 2013. s = alpha * s + (1 - alpha) * g^2; d = g / (sqrt(s) + eps), with a
 * momentum buf = momentum * buf + d in its place; p -= lr * d. As torch.optim.RMSprop. */
MR_API mr_optim *mr_rmsprop_new(mr_params params, double lr, const mr_rmsprop_opts *opts);
MR_API mr_status mr_rmsprop_add_group(mr_optim *optim, mr_params params, double lr,
                                      const mr_rmsprop_opts *opts);

typedef struct mr_adagrad_opts {
    double lr_decay;                  /* default 0 */
    double weight_decay;              /* default 0 */
    double initial_accumulator_value; /* what the sum of squares begins with; default 0 */
    double eps;                       /* default 1e-10 */
} mr_adagrad_opts;

/* Duchi and others, 2011. s += g^2; p -= lr / (1 + (t - 1) * lr_decay) * g / (sqrt(s) + eps). As
 * torch.optim.Adagrad. */
MR_API mr_optim *mr_adagrad_new(mr_params params, double lr, const mr_adagrad_opts *opts);
MR_API mr_status mr_adagrad_add_group(mr_optim *optim, mr_params params, double lr,
                                      const mr_adagrad_opts *opts);

typedef struct mr_adadelta_opts {
    double rho;          /* default 0.9 */
    double eps;          /* default 1e-6 */
    double weight_decay; /* default 0 */
} mr_adadelta_opts;

/* Zeiler, 2012; lr is usually 1. s = rho * s + (1 - rho) * g^2; d = sqrt(a + eps) / sqrt(s + eps) * g;
 * a = rho * a + (1 - rho) * d^2; p -= lr * d. As torch.optim.Adadelta. */
MR_API mr_optim *mr_adadelta_new(mr_params params, double lr, const mr_adadelta_opts *opts);
MR_API mr_status mr_adadelta_add_group(mr_optim *optim, mr_params params, double lr,
                                       const mr_adadelta_opts *opts);

typedef struct mr_adamax_opts {
    double beta1;        /* default 0.9 */
    double beta2;        /* default 0.999 */
    double eps;          /* default 1e-8 */
    double weight_decay; /* default 0 */
} mr_adamax_opts;

/* Kingma and Ba, 2015, section 7. u = max(beta2 * u, |g| + eps); p -= lr / (1 - beta1^t) * m / u. As
 * torch.optim.Adamax. */
MR_API mr_optim *mr_adamax_new(mr_params params, double lr, const mr_adamax_opts *opts);
MR_API mr_status mr_adamax_add_group(mr_optim *optim, mr_params params, double lr,
                                     const mr_adamax_opts *opts);

typedef struct mr_nadam_opts {
    double beta1;          /* default 0.9 */
    double beta2;          /* default 0.999 */
    double eps;            /* default 1e-8 */
    double weight_decay;   /* default 0 */
    double momentum_decay; /* default 4e-3 */
} mr_nadam_opts;

/* Dozat, 2016. mu_t = beta1 * (1 - 0.96^(t * momentum_decay) / 2), M_t = mu_1 * … * mu_t;
 * p -= lr * ((1 - mu_t) / (1 - M_t) * g + mu_(t+1) / (1 - M_(t+1)) * m) / (sqrt(v / (1 - beta2^t)) + eps).
 * torch 1.13 has M_t * mu_t * mu_(t+1) for M_(t+1); this is torch 2's (docs/differences.md). */
MR_API mr_optim *mr_nadam_new(mr_params params, double lr, const mr_nadam_opts *opts);
MR_API mr_status mr_nadam_add_group(mr_optim *optim, mr_params params, double lr, const mr_nadam_opts *opts);

typedef struct mr_radam_opts {
    double beta1;        /* default 0.9 */
    double beta2;        /* default 0.999 */
    double eps;          /* default 1e-8 */
    double weight_decay; /* default 0 */
} mr_radam_opts;

/* Liu and others, 2020: Adam's step times a rectification; while v is the mean of too few squares,
 * p -= lr / (1 - beta1^t) * m. As torch.optim.RAdam. */
MR_API mr_optim *mr_radam_new(mr_params params, double lr, const mr_radam_opts *opts);
MR_API mr_status mr_radam_add_group(mr_optim *optim, mr_params params, double lr, const mr_radam_opts *opts);

typedef struct mr_lbfgs_opts {
    int64_t max_iter; /* iterations in a step; default 20 */
    /* Evaluations in a step, after which no further iteration begins; default max_iter * 5 / 4. */
    int64_t max_eval;
    double tolerance_grad;   /* the largest magnitude of a gradient at an optimum; default 1e-7 */
    double tolerance_change; /* changes of loss and parameters that are none; default 1e-9 */
    int64_t history_size;    /* default 100 */
    bool strong_wolfe;       /* search along the line for a step that meets the strong Wolfe conditions */
} mr_lbfgs_opts;

/* Nocedal, 1980, as torch.optim.LBFGS, which follows minFunc; lr is usually 1. Each step takes several iterations, and
 * needs a closure: mr_optim_step_closure. It has one group, of parameters of one type, and 2 * history_size vectors of
 * their size as the history grows. */
MR_API mr_optim *mr_lbfgs_new(mr_params params, double lr, const mr_lbfgs_opts *opts);

/* Frees the optimizer; its parameters stay where they are. */
MR_API void mr_optim_free(mr_optim *optim);

/* One update from the gradients that are there. A parameter that has never had a gradient is left as it is;
 * one whose gradient was zeroed and not written since counts as having gradient zero, as in torch 1.13. */
MR_API MR_CHECKED mr_status mr_optim_step(mr_optim *optim);

/* Works out the loss and all gradients where the parameters are now: zeroes the gradients, runs the model and backward,
 * and puts the loss into *loss. Anything but MR_OK ends the step, and is what it returns. */
typedef mr_status (*mr_closure)(void *user, double *loss);

/* A step that calls for the gradients itself: lbfgs several times, where it may move the parameters in between; all
 * others once, before mr_optim_step. *loss (NULL: not wanted) becomes the first loss. */
MR_API MR_CHECKED mr_status mr_optim_step_closure(mr_optim *optim, mr_closure closure, void *user,
                                                  double *loss);

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

/* ---- clipping, between backward and the step ---------------------------------------------------------------- */

typedef struct mr_clip_grad_norm_opts {
    double norm_type; /* the order of the norm, greater than 0; default 2; INFINITY: the largest magnitude */
    bool error_if_nonfinite; /* fail instead of multiplying by 0 or NaN */
} mr_clip_grad_norm_opts;

/* Multiplies all gradients by max_norm / (norm + 1e-6) if that is less than 1, where norm is that of all of them taken
 * as one vector; *total_norm (NULL: not wanted) becomes the norm as it was. Parameters without a gradient are passed
 * over. As torch.nn.utils.clip_grad_norm_: a norm that is infinite makes gradients zero (and infinite ones NaN), one
 * that is NaN makes them NaN, unless error_if_nonfinite asks for MR_ERR_NONFINITE, which leaves them alone. */
MR_API MR_CHECKED mr_status mr_clip_grad_norm(mr_params params, double max_norm,
                                              const mr_clip_grad_norm_opts *opts, double *total_norm);

/* Brings each number in the gradients into [-clip_value, clip_value]; NaN stays. */
MR_API MR_CHECKED mr_status mr_clip_grad_value(mr_params params, double clip_value);

/* ---- state ------------------------------------------------------------------------------------------------ */

/* All that an optimizer keeps from one step to the next, so that another, made alike, can go on from there. For each
 * parameter, in order: "layer1.weight.step" (int64; how many updates it has had) and what torch's optimizer keeps by
 * torch's names, "layer1.weight.exp_avg", …; a parameter without a name, or with one that another has, goes by its
 * number. Then for each group "param_groups.0.lr" and "param_groups.0.momentum" (or beta1), those of the Adam family's
 * bias correction ("param_groups.0.beta1_power", …, which a list may lack when it is loaded), and "steps". SGD counts
 * as steps the updates of momentum_buffer.
 *
 * Views tensors over the optimizer's own memory, for reading. The list is valid until a group is added, a momentum is
 * set where there was none, state is loaded or the optimizer is freed; that of lbfgs also only until the next step.
 * `item` is NULL after a failure. */
MR_API mr_params mr_optim_state(mr_optim *optim);

/* Copies such a list into an optimizer made with the same parameters and groups; element types are cast. Learning rates and
 * momenta are then the list's, whatever the optimizer was made with, as with torch's load_state_dict; all other options stay. A
 * name that is missing or that it does not know, or another shape, is a failure, and changes nothing. */
MR_API MR_CHECKED mr_status mr_optim_load_state(mr_optim *optim, mr_params state);

/* ---- memory ----------------------------------------------------------------------------------------------- */

/* Bytes that training takes, data aside. Tensors that are shared count once. */
typedef struct mr_memory {
    size_t parameters;
    size_t gradients; /* of parameters, once there are some */
    size_t buffers;
    size_t optimizer; /* what it keeps from step to step */
    size_t step;      /* mr_tape_peak_bytes: results, and their gradients */
    size_t total;
} mr_memory;

/* Each of them may be NULL: then it counts nothing. */
MR_API mr_memory mr_memory_of(const mr_module *model, const mr_optim *optim, const mr_tape *tape);

#ifdef __cplusplus
}
#endif
#endif

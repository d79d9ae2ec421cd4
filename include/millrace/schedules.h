/*
 * Millrace, optim layer: schedules, which change the learning rates of an optimizer's groups, as
 * torch.optim.lr_scheduler does and by its formulas in their chainable form: most make the next learning rate from the
 * one that is there, so that several may work on one optimizer, and a rate that was set by hand is gone on from.
 *
 * Making a schedule is its step 0, which may set the learning rate already. After that mr_schedule_step is called once
 * after each epoch, or each batch, whichever a schedule is meant for; `step` below is the number of those calls.
 *
 * The first schedule of an optimizer notes the learning rates that it finds: the *initial* ones, which later schedules
 * begin with as well (one_cycle_lr notes its own). A schedule is about the groups that were there when it was made;
 * groups that are added later are left alone. It borrows the optimizer, which is not touched when it is freed.
 *
 * Threads: one at a time for an optimizer and its schedules.
 */
#ifndef MILLRACE_SCHEDULES_H
#define MILLRACE_SCHEDULES_H

#include <millrace/optim.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct mr_schedule mr_schedule;

/* ---- using schedules -------------------------------------------------------------------------------------- */

/* The next step: sets the learning rate of each group, and the momentum where a schedule does that. A failure
 * changes nothing, but that in a chain the schedules before the one that failed have stepped. */
MR_API MR_CHECKED mr_status mr_schedule_step(mr_schedule *schedule);

/* The next step of reduce_lr_on_plateau, which looks at a metric. */
MR_API MR_CHECKED mr_status mr_schedule_step_metric(mr_schedule *schedule, double metric);

/* The learning rate that the last step gave a group; NAN after a failure. */
MR_API double mr_schedule_last_lr(const mr_schedule *schedule, int group);

/* Frees it, with the schedules that it has adopted. */
MR_API void mr_schedule_free(mr_schedule *schedule);

/* All that a schedule keeps from one step to the next, by torch's names: "last_epoch", "base_lrs", "last_lr", …, those
 * of an adopted schedule behind "schedules.0.". Views tensors over the schedule's own memory, for reading, that are
 * valid until it is freed. `item` is NULL after a failure. */
MR_API mr_params mr_schedule_state(mr_schedule *schedule);

/* Copies such a list into a schedule that was made alike. The learning rates themselves, and momenta, belong to the
 * optimizer's state: to go on where a run ended, make the optimizer, then the schedules, then load both. A name that is
 * missing or unknown, or another shape, is a failure, and changes nothing. */
MR_API MR_CHECKED mr_status mr_schedule_load_state(mr_schedule *schedule, mr_params state);

/* ---- decay ---------------------------------------------------------------------------------------------------- */

typedef struct mr_step_lr_opts {
    double gamma; /* default 0.1 */
} mr_step_lr_opts;

/* lr *= gamma every `step_size` steps. */
MR_API mr_schedule *mr_step_lr_new(mr_optim *optim, int64_t step_size, const mr_step_lr_opts *opts);

typedef struct mr_multi_step_lr_opts {
    double gamma; /* default 0.1 */
} mr_multi_step_lr_opts;

/* lr *= gamma at each of `count` milestones; one that is there twice counts twice. */
MR_API mr_schedule *mr_multi_step_lr_new(mr_optim *optim, const int64_t *milestones, size_t count,
                                         const mr_multi_step_lr_opts *opts);

/* lr *= gamma at every step. */
MR_API mr_schedule *mr_exponential_lr_new(mr_optim *optim, double gamma);

typedef struct mr_constant_lr_opts {
    double factor;       /* in (0, 1]; default 1/3 */
    int64_t total_iters; /* default 5 */
} mr_constant_lr_opts;

/* lr *= factor at step 0, lr /= factor at step `total_iters`. */
MR_API mr_schedule *mr_constant_lr_new(mr_optim *optim, const mr_constant_lr_opts *opts);

typedef struct mr_linear_lr_opts {
    double start_factor; /* in (0, 1]; default 1/3 */
    double end_factor;   /* in [0, 1]; default 1 */
    int64_t total_iters; /* default 5 */
} mr_linear_lr_opts;

/* lr times a factor that goes from start_factor to end_factor in a straight line over `total_iters` steps. */
MR_API mr_schedule *mr_linear_lr_new(mr_optim *optim, const mr_linear_lr_opts *opts);

typedef struct mr_polynomial_lr_opts {
    int64_t total_iters; /* default 5 */
    double power;        /* default 1 */
} mr_polynomial_lr_opts;

/* lr * (1 - step / total_iters)^power, and 0 from `total_iters` on. */
MR_API mr_schedule *mr_polynomial_lr_new(mr_optim *optim, const mr_polynomial_lr_opts *opts);

/* ---- cosines --------------------------------------------------------------------------------------------------- */

typedef struct mr_cosine_annealing_lr_opts {
    double eta_min; /* default 0 */
} mr_cosine_annealing_lr_opts;

/* eta_min + (lr - eta_min) * (1 + cos(pi * step / t_max)) / 2; it rises again after `t_max` steps. */
MR_API mr_schedule *mr_cosine_annealing_lr_new(mr_optim *optim, int64_t t_max,
                                               const mr_cosine_annealing_lr_opts *opts);

typedef struct mr_cosine_annealing_warm_restarts_opts {
    int64_t t_mult; /* default 1 */
    double eta_min; /* default 0 */
} mr_cosine_annealing_warm_restarts_opts;

/* The same falling half only, begun anew from the initial learning rate after `t_0` steps, then t_0 * t_mult, … */
MR_API mr_schedule *mr_cosine_annealing_warm_restarts_new(mr_optim *optim, int64_t t_0,
                                                          const mr_cosine_annealing_warm_restarts_opts *opts);

/* ---- functions of your own --------------------------------------------------------------------------------------- */

/* A factor for a group at a step. One that is negative or not finite, or a failure that it raises (mr_fail), is the
 * failure of the step. */
typedef double (*mr_lr_factor)(void *user, int group, int64_t step);

/* lr = initial lr * factor, and lr *= factor (from step 1 on). `user` is borrowed. */
MR_API mr_schedule *mr_lambda_lr_new(mr_optim *optim, mr_lr_factor factor, void *user);
MR_API mr_schedule *mr_multiplicative_lr_new(mr_optim *optim, mr_lr_factor factor, void *user);

/* ---- cycles, for a step after every batch -------------------------------------------------------------------------- */

/* In the options of these, an array has one value for each group; it is read in the call only, and stands in place of
 * the one value for all. Momentum is what mr_optim_group_momentum calls so; an optimizer that has none needs
 * no_cycle_momentum. */

typedef enum mr_anneal { MR_ANNEAL_COS = 0, MR_ANNEAL_LINEAR } mr_anneal;

typedef struct mr_one_cycle_lr_opts {
    double pct_start; /* the share of the rise, in [0, 1]; default 0.3 */
    mr_anneal anneal; /* default: cosine */
    bool no_cycle_momentum;
    double base_momentum;    /* at the peak; default 0.85 */
    double max_momentum;     /* at both ends; default 0.95 */
    double div_factor;       /* default 25 */
    double final_div_factor; /* default 1e4 */
    bool three_phase;        /* fall to the initial rate as slowly as it rose, then to the lowest one */
    const double *max_lrs, *base_momenta, *max_momenta;
} mr_one_cycle_lr_opts;

/* Smith and Topin, 2017: from max_lr / div_factor up to max_lr, then down to max_lr / div_factor / final_div_factor
 * within `total_steps` (epochs times batches). The momentum goes the other way. Step
 * `total_steps`, behind the last batch, goes on in the last curve as in torch; one more is a failure. */
MR_API mr_schedule *mr_one_cycle_lr_new(mr_optim *optim, double max_lr, int64_t total_steps,
                                        const mr_one_cycle_lr_opts *opts);

typedef enum mr_cyclic_mode {
    MR_CYCLIC_TRIANGULAR = 0, /* all cycles equally high */
    MR_CYCLIC_TRIANGULAR2,    /* each half as high as the one before */
    MR_CYCLIC_EXP_RANGE       /* times gamma^step */
} mr_cyclic_mode;

typedef struct mr_cyclic_lr_opts {
    int64_t step_size_up;   /* default 2000 */
    int64_t step_size_down; /* default: as many as up */
    mr_cyclic_mode mode;
    double gamma; /* of MR_CYCLIC_EXP_RANGE; default 1 */
    bool no_cycle_momentum;
    double base_momentum; /* at the peak; default 0.8 */
    double max_momentum;  /* default 0.9 */
    const double *base_lrs, *max_lrs, *base_momenta, *max_momenta;
    /* In place of `mode`: the height of a cycle from its number, from 1, or if by_step from the step. */
    double (*scale)(void *user, double x);
    void *user; /* borrowed */
    bool by_step;
} mr_cyclic_lr_opts;

/* Smith, 2017: up and down between base_lr and max_lr, in straight lines. The momentum goes the other way. */
MR_API mr_schedule *mr_cyclic_lr_new(mr_optim *optim, double base_lr, double max_lr,
                                     const mr_cyclic_lr_opts *opts);

/* ---- by a metric ------------------------------------------------------------------------------------------------- */

typedef enum mr_plateau_mode { MR_PLATEAU_MIN = 0, MR_PLATEAU_MAX } mr_plateau_mode;
typedef enum mr_threshold_mode { MR_THRESHOLD_REL = 0, MR_THRESHOLD_ABS } mr_threshold_mode;

typedef struct mr_reduce_lr_on_plateau_opts {
    mr_plateau_mode mode;             /* whether less is better (the default), or more */
    double factor;                    /* in [0, 1); default 0.1 */
    int64_t patience;                 /* steps without improvement that are let pass; default 10 */
    double threshold;                 /* what counts as an improvement; default 1e-4 */
    mr_threshold_mode threshold_mode; /* of the best value (the default), or as such */
    int64_t cooldown;                 /* steps after a reduction in which nothing is counted; default 0 */
    double min_lr;                    /* default 0 */
    double eps;                       /* a change that is not larger is not made; default 1e-8 */
    const double *min_lrs;            /* one for each group, in place of min_lr; read in the call only */
} mr_reduce_lr_on_plateau_opts;

/* lr *= factor when a metric has not improved for more than `patience` steps. NaN is no improvement. It goes on by
 * mr_schedule_step_metric. */
MR_API mr_schedule *mr_reduce_lr_on_plateau_new(mr_optim *optim, const mr_reduce_lr_on_plateau_opts *opts);

/* ---- for stochastic weight averaging ---------------------------------------------------------------------------- */

typedef struct mr_swa_lr_opts {
    int64_t anneal_epochs; /* default 10; MR_ZERO_INT: the rate is swa_lr at once */
    mr_anneal anneal;      /* default: cosine */
    const double *swa_lrs; /* one for each group, in place of swa_lr; read in the call only */
} mr_swa_lr_opts;

/* Izmailov and others, 2018: from the rate that is there to swa_lr within `anneal_epochs` steps, and stays there. As
 * torch.optim.swa_utils.SWALR. */
MR_API mr_schedule *mr_swa_lr_new(mr_optim *optim, double swa_lr, const mr_swa_lr_opts *opts);

/* ---- several schedules -------------------------------------------------------------------------------------------- */

/* Both adopt the schedules of the list, also when they fail, but those that were adopted before; all are for one
 * optimizer, and none looks at a metric. */

/* One after the other: schedule i + 1 begins at step milestones[i], from the initial learning rates. There is one
 * milestone less than there are schedules, in increasing order. Making it sets the learning rates back to the initial
 * ones and begins with schedule 0. Its schedules are none of these two kinds. */
MR_API mr_schedule *mr_sequential_lr_new(mr_optim *optim, mr_schedule *const *schedules, size_t count,
                                         const int64_t *milestones);

/* All at each step, in this order. */
MR_API mr_schedule *mr_chained_scheduler_new(mr_schedule *const *schedules, size_t count);

#ifdef __cplusplus
}
#endif
#endif

/*
 * Millrace, train layer: callbacks, which are called at the events of a training, can change what follows, and keep a state
 * that checkpoints hold.
 *
 * Threads: all hooks run on the thread that called fit.
 */
#ifndef MILLRACE_CALLBACKS_H
#define MILLRACE_CALLBACKS_H

#include <millrace/train.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- callbacks of your own --------------------------------------------------------------------------------- */

/* A hook. `step` says where the training is: its `batch`, and behind training_step its `loss`, where there are some. MR_OK,
 * mr_fail(…), which ends the fit, or where that is said MR_END; any other status fails with MR_ERR_CALLBACK. */
typedef mr_status mr_hook(void *self, mr_step *step);

/* All are optional. The order is Lightning's; at each event the callbacks come in the order of adding, and then the task with
 * its own hooks (mr_task_vtable). */
typedef struct mr_callback_vtable {
    const char *name; /* "EarlyStopping": in messages, and in the names of its state */
    mr_hook *on_fit_start;
    mr_hook *on_train_start;       /* also of a fit that was resumed */
    mr_hook *on_train_epoch_start; /* not of an epoch that was resumed within */
    mr_hook *on_train_batch_start; /* MR_END: leave the rest of the epoch, this batch and its
                                     validation included */
    mr_hook *on_before_zero_grad;  /* behind training_step, if a window of accumulated batches begins */
    mr_hook *on_before_backward;   /* MR_END: leave this batch out */
    mr_hook *on_after_backward;
    /* the gradients are complete, and not clipped yet; MR_END: no update */
    mr_hook *on_before_optimizer_step;
    mr_hook *on_train_batch_end; /* global_step counts the update, if there was one */
    mr_hook *on_validation_start;
    mr_hook *on_validation_batch_start;
    mr_hook *on_validation_batch_end;
    mr_hook *on_validation_end;  /* mr_log of a value for the validation */
    mr_hook *on_train_epoch_end; /* mr_log of a value for the epoch */
    /* The values of a validation, and then those of an epoch, have been worked out: mr_trainer_metric has them. */
    mr_hook *on_metrics;
    mr_hook *on_train_end; /* also after an interruption, not after a failure */
    mr_hook *on_fit_end;   /* the same; also when a fit that was resumed has nothing left to do */
    /* The fit has failed, in anything from `setup` on: mr_error has the text. Once, before teardown, in place of
     * on_fit_end; behind that if it was what failed, or the logs when they were closed. mr_trainer_save has an effect
     * in it from the sanity check to on_train_end. */
    mr_hook *on_exception;
    /* What it keeps, as a task's `state` (mr_task_vtable). Asked for once, after on_fit_start. */
    mr_params (*state)(void *self);
    mr_hook *on_restored; /* the state has been read from a checkpoint */
    /* Frees what `self` holds. */
    void (*destroy)(void *self);

    /* Of a fit, and of mr_trainer_validate, test and predict, which step->stage tells apart. */
    mr_hook *setup;    /* first of all, before there is an optimizer */
    mr_hook *teardown; /* last of all, also after a failure */
    /* Around the validation before the training, in which step->sanity_checking is true: it calls the hooks of a validation but
     * on_metrics. What a callback's `state` lists, and all else that a checkpoint holds, is put back after it. */
    mr_hook *on_sanity_check_start;
    mr_hook *on_sanity_check_end;
    mr_hook *on_validation_epoch_start; /* behind on_validation_start, and before on_validation_end */
    mr_hook *on_validation_epoch_end;
    /* Those of mr_trainer_test are as those of a validation, those of mr_trainer_predict without logging. */
    mr_hook *on_test_start;
    mr_hook *on_test_epoch_start;
    mr_hook *on_test_batch_start;
    mr_hook *on_test_batch_end;
    mr_hook *on_test_epoch_end;
    mr_hook *on_test_end;
    mr_hook *on_predict_start;
    mr_hook *on_predict_epoch_start;
    mr_hook *on_predict_batch_start;
    mr_hook *on_predict_batch_end;
    mr_hook *on_predict_epoch_end;
    mr_hook *on_predict_end;
    /* A validation has been broken off, by a signal or a failure: its on_validation_end does not come. */
    mr_hook *on_validation_left;
    /* Behind each update: what is logged goes into its row, global_step does not count it yet. Where the end of an epoch cuts a
     * window of accumulated batches short it comes behind the last on_train_batch_end. */
    mr_hook *on_after_optimizer_step;
} mr_callback_vtable;

typedef struct mr_callback mr_callback;

/* Makes a callback; the `size` bytes at `self` are copied, `vtable` is borrowed. */
MR_API mr_callback *mr_callback_new(const mr_callback_vtable *vtable, const void *self, size_t size);
MR_API void mr_callback_free(mr_callback *callback);

/* The copy of the struct. Views it. */
MR_API void *mr_callback_self(const mr_callback *callback);

/* Adopts a callback, for all fits of this trainer from now on. */
MR_API mr_status mr_trainer_add_callback(mr_trainer *trainer, mr_callback *callback);

/* ---- what hooks can do ------------------------------------------------------------------------------------------ */

/* Ends the training behind this batch (with its window of accumulated ones), or this epoch in a hook at its end, as soon as
 * min_epochs and min_steps allow. The fit then ends as one that has come to its limit. */
MR_API void mr_trainer_stop(mr_trainer *trainer);

/* Writes a checkpoint to this path as soon as the training is between two batches: in the background, and without being
 * passed over for a newer one. `remove` (NULL: none) is removed after that. Paths are copied. Nothing happens in a fast
 * development run. */
MR_API mr_status mr_trainer_save(mr_trainer *trainer, const char *path, const char *remove);

/* ---- callbacks that are there ------------------------------------------------------------------------------------ */

typedef enum mr_better { MR_LESS_IS_BETTER = 0, MR_MORE_IS_BETTER } mr_better;

typedef struct mr_early_stopping_opts {
    mr_better mode;
    double min_delta; /* a change that is not larger is no improvement; default 0 */
    /* checks without improvement until the end; default 3; MR_ZERO_INT: the first one ends it */
    int64_t patience;
    bool not_strict;      /* that the metric is missing is no failure */
    bool no_finite_check; /* NaN and infinity are values like others */
    bool has_stopping_threshold, has_divergence_threshold;
    double stopping_threshold;   /* stop once it is better than that */
    double divergence_threshold; /* stop once it is worse than that */
    /* When the fit ends, give the model the weights, and buffers, of the best check, those that the monitored value was
     * computed with: behind a validation with an average (mr_ema_new) the average as it was then, and otherwise the
     * model's own. Nothing is given before a first check. An average that the model would have at the end without
     * having been validated (mr_swa_new; mr_ema_new with not_in_validation) is refused beside it, unless it has
     * not_at_end. */
    bool restore_best;
    bool verbose; /* a line for each improvement */
} mr_early_stopping_opts;

/* Stops when a metric, one of mr_trainer_metric, has not improved for `patience` of its values (Lightning's
 * EarlyStopping, which counts in the same way, and restores nothing). What is logged for steps ("loss_step") has one at
 * the end of each epoch, the last step's. `monitor` is copied. A training that it has ended is done, also for a fit that is
 * resumed with a higher limit or patience: to train on, load the weights (mr_module_load) and fit anew. */
MR_API mr_callback *mr_early_stopping_new(const char *monitor, const mr_early_stopping_opts *opts);

typedef struct mr_model_checkpoint_opts {
    /* the metric, one of mr_trainer_metric, that says which are best; default: none, the latest are kept */
    const char *monitor;
    mr_better mode;
    int64_t save_top_k; /* how many are kept; default 1; MR_ZERO_INT: none; -1: all */
    bool save_last; /* also as last.safetensors, each time; a second one of them in this dir: last-v1, … */
    /* a duration, looked at when an epoch or validation has its values; default: each time */
    const char *every;
    /* As exception.safetensors, which goes on behind the batch that failed, as if that had been left out
     * (mr_step_skip); but with its gradients if its backward had been done. Gradients that were accumulated before it
     * are kept, unless it was backward itself that failed. An update that failed is left out. A validation that failed
     * is done again. From the sanity check to on_train_end: a fit that fails before has nothing to be kept, one that
     * fails later has its last checkpoint. */
    bool save_on_exception;
    const char *dir; /* default: checkpoints in the version folder */
    /* {epoch}, {step} and {METRIC} stand for "epoch=3", …; {val_loss:.2f} and {epoch:02d} for that with a format; other
     * text for itself. A slash in a metric's name becomes _. Default "best-{epoch}-{step}". ".safetensors" comes behind
     * it, and "-v1", "-v2", … before that where a file of that name is kept by another one of these, or by this one;
     * one that keeps all remembers its last 1024 names. If `dir` had such files when the fit began, all new ones have a
     * higher version, and last.safetensors too. */
    const char *filename;
    bool verbose; /* a line for each that is written */
    /* Look at `every` after each batch, too, with the monitor's value of that step if steps log it, or its last one, if
     * there is one yet: "100ba" is Lightning's every_n_train_steps, "600s" its train_time_interval. Where gradients are
     * accumulated it waits for the update. */
    bool within_epochs;
} mr_model_checkpoint_opts;

/* Keeps the best checkpoints, besides the trainer's own, which are for resuming. They are complete: any can be resumed. */
MR_API mr_callback *mr_model_checkpoint_new(const mr_model_checkpoint_opts *opts);

/* The path of the best so far, or of the latest without a monitor; "". Views it. And its metric; NAN. */
MR_API const char *mr_model_checkpoint_best_path(const mr_callback *callback);
MR_API double mr_model_checkpoint_best_score(const mr_callback *callback);

typedef struct mr_lr_monitor_opts {
    bool at_epochs;    /* once an epoch, what it begins with, not at each step */
    bool log_momentum; /* also the momentum, or beta1 */
} mr_lr_monitor_opts;

/* Logs the learning rate as lr-NAME ("lr-adam"), of several groups as lr-NAME/pg1, …, of a second optimizer of that kind as
 * lr-NAME-1. */
MR_API mr_callback *mr_lr_monitor_new(const mr_lr_monitor_opts *opts);

typedef struct mr_optimizer_monitor_opts {
    int64_t every_n_steps; /* default: where the trainer writes a row */
    /* one norm for the parameters of each module that has some, in place of one for each of them */
    bool by_module;
    bool only_global; /* none for single parameters */
    bool no_updates;
    bool parameters; /* also those of the parameters themselves, before the update */
    bool moments;    /* also those of what the optimizer keeps for each parameter, behind the update */
} mr_optimizer_monitor_opts;

/* Logs the L2 norms of gradients, as they are before clipping, and of updates, how far the parameters were moved, in the row
 * of their step (Composer's OptimizerMonitor): l2_norm/grad/NAME and l2_norm/update/NAME, with NAME "layer1.weight", …, or by
 * module "layer1", and "global" for all of them as one vector; l2_norm/param/NAME; and l2_norm/exp_avg/NAME, …, by the names of
 * mr_optim_state. A parameter without a gradient counts as having gradient zero. Of several optimizers each has its own
 * parameters measured at its updates, and the norms over those of the second one end in "global-1". A fit can log 256 names. */
MR_API mr_callback *mr_optimizer_monitor_new(const mr_optimizer_monitor_opts *opts);

/* Makes a callback of single functions (Lightning's LambdaCallback): copies the table, in which `name` may be NULL; `user` is
 * borrowed, and is the hooks' `self`:
 *
 *     mr_lambda_callback_new(&(mr_callback_vtable){ .on_train_end = done }, &program)
 */
MR_API mr_callback *mr_lambda_callback_new(const mr_callback_vtable *hooks, void *user);

typedef struct mr_timer_opts {
    const char *duration; /* of training, over all resumptions, in seconds: "3600s"; default: no limit */
    bool at_epochs;       /* look at it at the end of each epoch only; otherwise ten times a second */
    bool quiet;           /* without a line when it is over */
} mr_timer_opts;

/* Measures how long stages take, and ends the training behind a duration by mr_trainer_stop, so not before min_epochs and
 * min_steps (Lightning's Timer). Checkpoints hold the time if it has a limit. */
MR_API mr_callback *mr_timer_new(const mr_timer_opts *opts);

/* Seconds that a stage has taken: in the last fit of training (its validations included), of all its validations; or in calls
 * of mr_trainer_validate, test and predict since. NAN of another callback. And what is left of the duration; INFINITY
 * without one. */
MR_API double mr_timer_elapsed(const mr_callback *callback, mr_stage stage);
MR_API double mr_timer_remaining(const mr_callback *callback);

typedef struct mr_throughput_opts {
    double window; /* seconds over which a rate is taken; default 1 */
    /* floating point operations of a sample's training step, for FLOP/s; default: not known */
    double flops_per_sample;
    double peak_flops; /* those that the machine can do in a second: shows which share of them is used, MFU */
    bool no_prog_bar;
    /* Also to the loggers, as throughput/samples_per_sec, batches_per_sec, flops_per_sec, mfu and data_wait, those of the last
     * window in the next row of a step that is written. Such a log is not the same twice. */
    bool log;
    bool quiet; /* no line at the end, when the loader was waited for */
} mr_throughput_opts;

/* Shows in the bar how many samples go by in a second, FLOP/s, and the share of the time that is spent waiting for
 * batches; when that is more than half, with what may help: "loader-bound: give the loader workers; data_wait=0.83".
 * The loader's own stats are looked at ten times a second, so no clock in a step. Validations are left out. */
MR_API mr_callback *mr_throughput_new(const mr_throughput_opts *opts);

/* ---- averages of the weights ------------------------------------------------------------------------------------- */

typedef struct mr_ema_opts {
    double decay; /* default 0.999; MR_ZERO */
    /* a duration, from which on the average is made: "2ep", "1000ba"; default: the beginning */
    const char *start;
    int64_t every_n_steps; /* updates of the weights to one of the average; default 1 */
    bool use_buffers; /* average floating buffers, too; otherwise the model's own are used with the average */
    bool not_in_validation; /* validate the model's own weights, not the average */
    /* leave the model its own weights when the fit ends; otherwise it gets the average, and then no other one of the
     * trainer's may be for the end: two are refused, of mr_swa_new, too */
    bool not_at_end;
} mr_ema_opts;

/* Keeps an exponential moving average of the weights: a copy at first, then after each update average = decay * average
 * + (1 - decay) * weight, in this order, as torch.optim.swa_utils.AveragedModel with that avg_fn. The model has it
 * during validations (which is for one of a trainer's averages), and when the fit has ended. Checkpoints hold the
 * model's own weights as such, from which the training goes on, and the average as trainer.callback.N.EMA.average.NAME,
 * with N its number among the callbacks that keep a state: mr_module_load with `.average = "EMA"` takes that. */
MR_API mr_callback *mr_ema_new(const mr_ema_opts *opts);

/* The average under the names of the parameters, for mr_module_set_state or a file. Views it, until the next fit or the
 * end of the callback; `item` is NULL while there is none. */
MR_API mr_params mr_ema_params(const mr_callback *callback);

typedef struct mr_swa_opts {
    /* from the end of which epoch on: "3ep", after three others; or a share of max_epochs; default "0.8dur" */
    const char *start;
    int64_t annealing_epochs; /* default 10; MR_ZERO_INT: none */
    mr_anneal annealing;      /* default: cosine */
    bool no_batch_norm_update;
    bool not_at_end; /* leave the model its own weights when the fit ends; as of mr_ema_opts */
    /* A rate for each of so many groups, in place of swa_lr; copied. */
    const double *swa_lrs;
    int groups;
} mr_swa_opts;

/* Stochastic weight averaging (Izmailov and others, 2018): from `start` on, the learning rate goes from what it is to
 * swa_lr within so many epochs, as mr_swa_lr_new, in place of the task's schedule, and the mean of the weights at the
 * ends of these epochs is kept. When the fit has ended the model gets it, and its batch norms' running values are
 * worked out anew (mr_trainer_update_batch_norm). Checkpoints hold the mean as
 * trainer.callback.N.StochasticWeightAveraging.average.NAME; mr_module_load takes it with `.average =
 * "StochasticWeightAveraging"`, and batch norms want mr_trainer_update_batch_norm then.
 *
 * Lightning's StochasticWeightAveraging takes the weights at the beginnings of epochs, and so not those of the last
 * one; this is torch.optim.swa_utils. */
MR_API mr_callback *mr_swa_new(double swa_lr, const mr_swa_opts *opts);

/* The mean under the names of the parameters, as mr_ema_params. */
MR_API mr_params mr_swa_params(const mr_callback *callback);

/* Works out the running values of the model's batch norms anew, as plain means over the loader's batches
 * (`limit_train_batches` of them): training_step is run on each, in training mode, without gradients, and what it logs
 * is thrown away. Its step->optim is NULL. That of a task with configure_manual runs as in training, but that
 * mr_step_backward and mr_step_update do nothing, and give MR_OK; mr_step_optim and mr_step_schedule give NULL, unless
 * this is done at the end of a fit (mr_swa_new). For weights that were averaged; torch.optim.swa_utils.update_bn. */
MR_API MR_CHECKED mr_status mr_trainer_update_batch_norm(mr_trainer *trainer, mr_task *task,
                                                         mr_loader *loader);

#ifdef __cplusplus
}
#endif
#endif

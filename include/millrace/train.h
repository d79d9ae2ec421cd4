/*
 * Millrace, train layer: a task (module, loss and optimizer in one) and the trainer that fits it, in the
 * manner of PyTorch Lightning.
 *
 * Threads: a fit runs on the calling thread, and so do all callbacks; a background thread writes log, bar and
 * checkpoints. Trainer, task, model and loader belong to the caller's thread meanwhile.
 */
#ifndef MILLRACE_TRAIN_H
#define MILLRACE_TRAIN_H

#include <millrace/data.h>
#include <millrace/formats.h>
#include <millrace/loggers.h>
#include <millrace/nn.h>
#include <millrace/schedules.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct mr_task mr_task;
typedef struct mr_trainer mr_trainer;

/* ---- durations ------------------------------------------------------------------------------------------ */

/* What a duration counts. */
typedef enum mr_unit {
    MR_NO_UNIT = 0, /* no duration */
    MR_EPOCHS,      /* "2ep", "0.5ep" */
    MR_BATCHES,     /* "500ba": batches of the training loader */
    MR_SAMPLES,     /* "10000sp": rows of those batches */
    MR_SECONDS,     /* "90s", "0.5s" */
    MR_SHARE        /* "0.3dur": a share of the whole training, up to its limit */
} mr_unit;

/* How long, or how often: one notation for all options of the trainer. */
typedef struct mr_duration {
    double amount; /* greater than 0; whole for batches and samples, at most 1 for a share */
    mr_unit unit;
} mr_duration;

/* Reads digits, maybe with a point, and a unit: "2ep", "500ba", "10000sp", "90s", "0.3dur". Nothing else may stand there,
 * no space and no sign. A failure (MR_ERR_ARGUMENT) says what is wrong, and leaves *duration as it was. */
MR_API MR_CHECKED mr_status mr_duration_parse(const char *text, mr_duration *duration);

/* ---- the task (LightningModule) ------------------------------------------------------------------------ */

/* What a task that optimizes by hand makes: optimizers, of which the first NULL is the end, and schedules for some of them. */
#define MR_MAX_OPTIMIZERS 8
typedef struct mr_optimizers {
    mr_optim *optim[MR_MAX_OPTIMIZERS];
    mr_schedule *schedule[MR_MAX_OPTIMIZERS]; /* of the optimizer with the same number; NULL: none */
} mr_optimizers;

/* What the trainer has been called for. */
typedef enum mr_stage { MR_STAGE_FIT = 0, MR_STAGE_VALIDATE, MR_STAGE_TEST, MR_STAGE_PREDICT } mr_stage;

/* What a training step gets. Valid during the call. */
typedef struct mr_step {
    mr_module *model;
    mr_tape *tape;       /* reset after each step */
    void *self;          /* the task's copy of your struct */
    int64_t epoch;       /* from 0 */
    int64_t batch_index; /* in this epoch, from 0 */
    int64_t global_step; /* optimizer steps made so far */
    mr_trainer *trainer;
    mr_optim *optim;
    const mr_batch *batch; /* NULL between batches */
    const mr_tensor *loss; /* what training_step gave; NULL elsewhere */
    mr_stage stage;
    bool sanity_checking; /* in the validation before the training */
    int loader_index;     /* of several loaders, which one the batch is of (of those together: the first) */
    /* Of several training loaders together, a batch of each, NULL of one that has no more; NULL, 0 otherwise. `batch` is the
     * first that there is. */
    const mr_batch *const *batches;
    int batch_count;
    /* in a validation of a fit, and in the on_metrics that follows it: not in that of an epoch */
    bool validating;
} mr_step;

/* All are optional, but a task that is trained has the first and the second, or configure_manual. */
typedef struct mr_task_vtable {
    /* The loss of a batch, a scalar on step->tape; NULL after a failure. */
    mr_tensor *(*training_step)(mr_step *step, const mr_batch *batch);
    /* Makes the optimizer, which the trainer adopts. */
    mr_optim *(*configure_optimizers)(void *self, mr_module *model);
    /* Optional: frees what `self` holds. */
    void (*destroy)(void *self);
    /* Optional: makes the schedule of the learning rate, which the trainer adopts. It steps with the last batch of each
     * epoch, before on_train_batch_end, or with `schedule_each_step` after each update; with `schedule_monitor` it
     * steps at the end of each epoch, by what mr_trainer_metric has under that name (reduce_lr_on_plateau); not before
     * the first validation. */
    mr_schedule *(*configure_schedule)(void *self, mr_optim *optim);
    bool schedule_each_step;
    const char *schedule_monitor;
    /* Optional: what is done with a batch of the validation loader: compute and mr_log. The model is in evaluation mode, and
     * the tape records nothing. MR_OK, or mr_fail(…). */
    mr_status (*validation_step)(mr_step *step, const mr_batch *batch);
    /* Optional: what the task keeps from step to step besides the model (a hidden state, counts), so that checkpoints hold
     * it and a fit that is resumed goes on with it. Views tensors that stay where they are while the fit runs;
     * mr_tensor_wrap makes one of a number in your struct. Asked for once, when a fit begins. */
    mr_params (*state)(void *self);
    /* Optional: what is done with a batch of mr_trainer_test, as validation_step; and the predictions for a batch, on the
     * tape, of mr_trainer_predict. Without it the model is run on the batch's first field. */
    mr_status (*test_step)(mr_step *step, const mr_batch *batch);
    mr_tensor *(*predict_step)(mr_step *step, const mr_batch *batch);
    /* Optional: hooks of the task's own, with its struct as `self`, called behind those of the callbacks. Borrowed. Of
     * this table (<millrace/callbacks.h>) `name`, `state` and `destroy` are not looked at: the task has its own. */
    const struct mr_callback_vtable *hooks;
    /* Optional: what is done in place of the trainer's doing, at the same place in Lightning's order: mr_backward of the loss;
     * mr_optim_zero_grad; clipping by gradient_clip_norm and gradient_clip_value; mr_optim_step; and the schedule's step, with
     * the metric if it looks at one, otherwise NAN. MR_OK, or mr_fail(…). */
    mr_status (*backward)(mr_step *step, mr_tensor *loss);
    mr_status (*optimizer_zero_grad)(mr_step *step);
    mr_status (*configure_gradient_clipping)(mr_step *step);
    mr_status (*optimizer_step)(mr_step *step);
    mr_status (*lr_scheduler_step)(mr_step *step, mr_schedule *schedule, double metric);
    /* Optional, in place of configure_optimizers, which is refused beside it, and configure_schedule: makes the
     * optimizers of a task that optimizes by hand (Lightning's automatic_optimization = False), which the trainer
     * adopts. Its training_step calls mr_optim_zero_grad, mr_step_backward and mr_step_update for each as it likes,
     * steps schedules itself, clips itself, and may return NULL. What it logs is a row for each batch, under the number
     * of the batch. */
    mr_status (*configure_manual)(void *self, mr_module *model, mr_optimizers *made);
    /* The schedule steps in every so many epochs, or with `schedule_each_step` with the update behind every so many
     * batches, counted in each epoch anew (Lightning's frequency); default 1. */
    int64_t schedule_frequency;
} mr_task_vtable;

/* Makes a task. `vtable` and `model` are borrowed; the `size` bytes at `self` are copied (size 0: none). */
MR_API mr_task *mr_task_new(const mr_task_vtable *vtable, mr_module *model, const void *self, size_t size);
MR_API void mr_task_free(mr_task *task);

typedef enum mr_over_epoch {
    MR_OVER_EPOCH_MEAN = 0,
    MR_OVER_EPOCH_SUM,
    MR_OVER_EPOCH_MIN,
    MR_OVER_EPOCH_MAX
} mr_over_epoch;

typedef struct mr_log_opts {
    bool prog_bar;  /* show the latest value in the progress bar */
    bool no_logger; /* do not write it to the loggers */
    /* In a training step: also the value over the epoch, at its end. Both are then logged, as NAME_step and NAME_epoch;
     * with `no_step` only that of the epoch, under its own name. In a validation or test step the epoch's is logged,
     * unless `on_step` and `no_epoch` below say something else. */
    bool on_epoch;
    bool no_step;
    mr_over_epoch reduction; /* over the epoch's batches; a mean (the default) counts each by its rows … */
    double weight;           /* … or by this; default: the rows */
    bool no_loader_index; /* of several loaders, add up what is logged under this name, without the suffix */
    /* In a validation or test step: also the value of each batch, as NAME_step, beside NAME_epoch; with `no_epoch` only
     * that, under its own name. Each batch gives a row, of no epoch, whose step is the number of the batch among those
     * of its loader: in all validations of the fit, or in this test. The rows of a validation come when it has ended.
     * No metric for monitors. */
    bool on_step;
    bool no_epoch;
} mr_log_opts;

/* Logs a scalar tensor of this step under a name (a number of your own: `mr_scalar(step->tape, MR_FLOAT64, lr)`).
 * Called in a training step, under one name with the same options each time; the value is read now, and written every
 * `log_every_n_steps` steps. The last one of a step counts. `name` is borrowed: a string literal, or one that outlives
 * the fit and does not change. A failure (another shape, other options, some that contradict each other or leave
 * nothing to be logged, more than 256 names) fails the step. */
MR_API void mr_log(mr_step *step, const char *name, const mr_tensor *value, const mr_log_opts *opts);

/* The same for a number. */
MR_API void mr_log_value(mr_step *step, const char *name, double value, const mr_log_opts *opts);

/* In a training step: leaves this batch out, as if it were not there: no gradient of it counts, none of what it logs, and the
 * model's buffers (running means) are as they were before it. What it has drawn from generators stays drawn. What the step
 * returns does not matter (Lightning's None). A task that optimizes by hand calls it before its updates. */
MR_API void mr_step_skip(mr_step *step);

/* In a training step: what its loss counts when gradients are accumulated over several batches, in place of the batch's
 * rows: the number of tokens, say. Greater than 0. */
MR_API void mr_step_set_weight(mr_step *step, double weight);

/* ---- optimizing by hand: in the training step of a task with configure_manual ---- */

/* Its optimizer and schedule of that number. NULL past the last, and in mr_trainer_update_batch_norm, where the next
 * two do nothing. */
MR_API mr_optim *mr_step_optim(mr_step *step, int index);
MR_API mr_schedule *mr_step_schedule(mr_step *step, int index);

/* Backward from a loss on step->tape, with the callbacks' hooks around it. The record is used up by it: reset the tape
 * before the operations of the next loss. MR_END: a hook, or what is to be done about a loss that is not finite, leaves
 * the batch out; then so do all calls of these two in this step. */
MR_API MR_CHECKED mr_status mr_step_backward(mr_step *step, mr_tensor *loss);

/* One step of an optimizer, with its hooks, which global_step counts. MR_END: a hook wants none, or as above. */
MR_API MR_CHECKED mr_status mr_step_update(mr_step *step, int index);

/* ---- the trainer -------------------------------------------------------------------------------------------- */

/* What is done when the loss of a batch, or before an update a gradient, is NaN or infinite: the fit ends with
 * MR_ERR_NONFINITE; or, with a line in the log, the batch or the update is left out, buffers (running means) as they
 * were before it; or besides that model, optimizers, the task's `state` and averages (mr_ema_new, mr_swa_new) are put
 * back to how they were before an update that was made some time ago, and learning rates shrink. The data go on,
 * counters and schedules too. Gradients that were added up, by the trainer or by the task, are zeroed: with an update
 * that is left out those of its optimizer, and all of them when the state is put back. Checkpoints then hold the kept
 * state as well, as trainer.rollback.*. */
typedef enum mr_nonfinite { MR_NONFINITE_STOP = 0, MR_NONFINITE_SKIP, MR_NONFINITE_ROLLBACK } mr_nonfinite;

typedef struct mr_trainer_opts {
    int64_t max_epochs; /* default 1000, or no limit when max_steps or max_time is given; -1: no limit */
    int64_t max_steps;  /* default -1: no limit */
    const char *csv;    /* log to csv/name/version_N/metrics.csv; default: no log and no checkpoint */
    const char *name;   /* default "lightning_logs" */
    int64_t log_every_n_steps; /* default 50; MR_ZERO_INT: never. A warning if an epoch has fewer batches */
    bool no_progress;          /* no progress bar on stdout */
    bool no_checkpoint;        /* no checkpoint after each epoch */
    bool no_summary;           /* no table of the model and no line at the end on stderr */
    /* Batches to an update; default 1. The gradient is that of the batches as one: the sum of n_i g_i divided by that of
     * n_i, with n_i a batch's rows, or its mr_step_set_weight; fewer batches at the end of an epoch are an update too. What
     * a step logs is written with the update that it is the last of. */
    int64_t accumulate_grad_batches;
    double gradient_clip_norm;       /* mr_clip_grad_norm before each update; default: none; MR_ZERO: to 0 */
    double gradient_clip_value;      /* mr_clip_grad_value, after that; the same */
    int64_t limit_train_batches;     /* batches of an epoch; default: all */
    int64_t limit_val_batches;       /* the same of a validation; MR_ZERO_INT: none takes place */
    int64_t check_val_every_n_epoch; /* default 1 */
    /* How often a checkpoint is written, as a duration: "7ba", "10ep", "90s"; default "1ep", at the end of each epoch. One
     * that falls due while gradients are accumulated is taken after their update; the clock is looked at ten times a second.
     * Each is written in the background, unless the next one comes before its turn. A last one is always written at the end. */
    const char *checkpoint_every;
    /* Go on from a checkpoint as if nothing had happened since: its path, that of a version folder, or "last": the
     * newest of the version folder with the highest number under csv/name (or save_dir/name), or if there is none the
     * beginning, in that same folder, whatever else is in it: its logs begin anew, also those of a training that kept
     * no checkpoints, and other files are left alone. A path goes on in the version folder that it is of, whatever csv
     * (or save_dir) and name say; a checkpoint that lies in none begins a new one there. */
    const char *resume;
    /* While fit runs, SIGINT and SIGTERM end it in order: it ends the update that it is at (or leaves a validation), writes a
     * checkpoint and the logs, and returns MR_INTERRUPTED; a second signal has its default action. SIGUSR1 writes a
     * checkpoint, and the training goes on. For one fit at a time in a process; without it no signal is touched. */
    bool handle_signals;
    int64_t min_epochs,
        min_steps; /* before that neither mr_trainer_stop (early stopping) nor max_time ends it; default 0 */
    /* How often to validate, as a duration, instead of at the end of epochs: "0.25ep" is in every epoch after each quarter
     * of its batches (rounded down, as in Lightning), "100ba" after every 100 batches, counted over all epochs, for which
     * check_val_every_n_epoch has to be 1; "90s". */
    const char *val_check_interval;
    /* batches of validation before the training, from which nothing is kept; default: none; -1: all */
    int64_t num_sanity_val_steps;
    /* "3600s": the time of training, over all resumptions, after which it ends, within an epoch with a validation;
     * default: no limit */
    const char *max_time;
    /* so many batches of training and validation, from the beginning, no files, no early stopping or model
     * checkpoints */
    int64_t fast_dev_run;
    /* what is done about a loss or a gradient that is NaN or infinite; default: stop */
    mr_nonfinite nonfinite;
    /* Of MR_NONFINITE_ROLLBACK: every so many updates the state is kept (default 100); the factor by which learning rates count
     * from then on (default 0.5); and how many times, after which it is MR_NONFINITE_STOP (default 10; -1: no limit). */
    int64_t rollback_every_n_steps;
    double rollback_factor;
    int64_t max_rollbacks;
    /* As csv, but without a metrics.csv: save_dir/name/version_N has the checkpoints, and the logs that are added. */
    const char *save_dir;
    /* Batches of a test, and of a prediction; default: all. And shares of a loader's batches in place of the four numbers,
     * rounded down; a share of less than one batch is a failure of the call. */
    int64_t limit_test_batches, limit_predict_batches;
    double limit_train_share, limit_val_share, limit_test_share, limit_predict_share;
    /* Trains on so many batches of the training loader, or that share of them, always the same: in the order of the
     * dataset, without shuffling and samplers; validations use the same batches in place of their own. To see whether a
     * model can learn them. */
    int64_t overfit_batches;
    double overfit_share;
    /* Of the table of the model: how deep it goes (default 1; -1: all), and an input of the model, borrowed, for sizes,
     * FLOPs and activations: as mr_summary_new. */
    int summary_depth;
    const mr_tensor *summary_example;
} mr_trainer_opts;

/* Makes a trainer; strings are copied. */
MR_API mr_trainer *mr_trainer_new(const mr_trainer_opts *opts);
MR_API void mr_trainer_free(mr_trainer *trainer);

/* Trains task's model on the loader's batches until a limit is reached. Each step runs training_step, zeroes the
 * gradients, runs backward, clips, and runs one step of the optimizer and of a schedule. With a `csv` folder, each call
 * writes to a new version folder: metrics.csv and hparams.yaml as Lightning 2.0's CSVLogger writes them, and
 * checkpoints/epoch=E-step=S.safetensors, of which the latest is kept: the one before goes when the next is on the
 * disk.
 *
 * A checkpoint holds all that the training hangs on: model, optimizer, schedule, generators, the loaders' places, what
 * was logged over the epoch, and how far the logs were. A program that makes everything anew and fits with .resume
 * gives the same weights, rows and checkpoints, byte for byte, as if it had not been interrupted; the logs are cut back
 * to the checkpoint and continued. The loaders may have other numbers of workers. A checkpoint that is damaged is
 * passed over ("last", or a folder) or refused. One is refused with what differs (MR_ERR_ARGUMENT, MR_ERR_SHAPE, …),
 * and nothing on the disk is changed then, if its model has other names or shapes, its optimizers and schedules are of
 * other kinds or numbers, the callbacks that keep a state are others or come in another order, a loader is another, or
 * a log does not begin with what it had. Going on from an earlier checkpoint by its path, one that is accepted, removes
 * the trainer's later ones of that folder. Learning rates and momenta are the checkpoint's, whatever the optimizer is
 * made with, as with torch's load_state_dict; all other options (weight decay, a schedule's gamma) are the program's.
 * What a checkpoint does not hold is not compared: an activation, the code of a step, callbacks without a state.
 * MR_NONFINITE_ROLLBACK and max_time may be asked for only now. Of a training that had come to its end nothing is done,
 * and no file touched, unless the limits are higher now: then it goes on as one that had them from the start, but for
 * the validation that max_time has ended it with.
 *
 * The status is the first failure of anything: a step, a sample, a row or a checkpoint that cannot be written (the
 * message has the file and the reason, and the log says which checkpoint is the last; the one before goes only when the
 * next is on the disk). A loss or a gradient that is NaN or infinite ends the fit with MR_ERR_NONFINITE (unless
 * `nonfinite` says something else), before the weights are touched; the log says which samples the batch had, and which
 * field, parameter or module went wrong first (training_step is run once more for that), or which gradient. A loader
 * without batches is no failure, nor are several of which none has any: the fit says so, and ends, as Lightning's does.
 * MR_INTERRUPTED: see handle_signals. Uses one background thread, for log, bar and checkpoints; it has ended when this
 * returns. */
MR_API MR_CHECKED mr_status mr_trainer_fit(mr_trainer *trainer, mr_task *task, mr_loader *loader);

/* Has checkpoints hold the state of this generator too, which the task draws from; those of the loaders (and so of the
 * tape) they hold anyway. `name`, of letters, digits and _, is copied; `rng` is borrowed. Before the fit. */
MR_API mr_status mr_trainer_add_rng(mr_trainer *trainer, const char *name, mr_rng *rng);

/* Adopts a logger, for all fits of this trainer from now on, up to 16 of them; not those of a fast development run. With `csv`
 * a trainer has mr_csv_logger_new(NULL) from the start. */
MR_API mr_status mr_trainer_add_logger(mr_trainer *trainer, mr_logger *logger);

/* Sets a hyperparameter of the fits to come, for loggers and for hparams.yaml in the version folder (which that of a
 * fit that is resumed keeps as it is). Name and text are copied; they are UTF-8, the name at most 100 bytes. */
MR_API mr_status mr_trainer_set_hparam(mr_trainer *trainer, const char *name, double value);
MR_API mr_status mr_trainer_set_hparam_int(mr_trainer *trainer, const char *name, int64_t value);
MR_API mr_status mr_trainer_set_hparam_bool(mr_trainer *trainer, const char *name, bool value);
MR_API mr_status mr_trainer_set_hparam_text(mr_trainer *trainer, const char *name, const char *text);

/* How batches of several training loaders come, in each epoch. Together, each step has one of each: until the longest ends,
 * others beginning anew (the default; one without batches beside others, which cannot, is a failure); until the shortest ends;
 * until the longest ends, others having no more. Or one loader after the other. As the modes of Lightning's CombinedLoader. */
typedef enum mr_loaders_mode {
    MR_LOADERS_MAX_SIZE_CYCLE = 0,
    MR_LOADERS_MIN_SIZE,
    MR_LOADERS_MAX_SIZE,
    MR_LOADERS_SEQUENTIAL
} mr_loaders_mode;

/* mr_trainer_fit on `count` different loaders, up to 16. training_step gets the first one's batch, and finds all of them in
 * step->batches; one after the other, step->loader_index says whose it is. Rows and samples are counted of the first. */
MR_API MR_CHECKED mr_status mr_trainer_fit_loaders(mr_trainer *trainer, mr_task *task,
                                                   mr_loader *const *loaders, int count,
                                                   mr_loaders_mode mode);

/* Validates at the end of epochs, on all batches of `loader`, which is borrowed; the task has a validation_step. With a
 * val_check_interval within epochs it is another one than that of the training. */
MR_API mr_status mr_trainer_set_val_loader(mr_trainer *trainer, mr_loader *loader);

/* One more of them, up to 16: step->loader_index says whose batch validation_step gets, and what it logs is logged for each, as
 * NAME/dataloader_idx_0, … */
MR_API mr_status mr_trainer_add_val_loader(mr_trainer *trainer, mr_loader *loader);

/* ---- without training --------------------------------------------------------------------------------------- */

/* Runs validation_step, or test_step, on all batches of a loader, with the model in evaluation mode and nothing recorded. What
 * the steps log is reduced over the batches; mr_trainer_metric has it then, and a table of it goes to the log (unless
 * no_summary), as Lightning prints it. Not while the trainer fits.
 *
 * Loggers get it, too, as a row with the number of epochs that the trainer's last fit has begun, and of updates that it
 * has made (0 and 0 without a fit), behind the rows of that fit; without one in a folder of its own,
 * .../NAME/evaluation_N, which later calls go on with until the next fit. A fit that is resumed cuts these rows off,
 * unless it has nothing to do; then the calls behind it do, for their own rows: so a program that is begun again logs
 * them once. */
MR_API MR_CHECKED mr_status mr_trainer_validate(mr_trainer *trainer, mr_task *task, mr_loader *loader);
MR_API MR_CHECKED mr_status mr_trainer_test(mr_trainer *trainer, mr_task *task, mr_loader *loader);

/* The same over several loaders, as mr_trainer_add_val_loader says; the table has a column for each. */
MR_API MR_CHECKED mr_status mr_trainer_validate_loaders(mr_trainer *trainer, mr_task *task,
                                                        mr_loader *const *loaders, int count);
MR_API MR_CHECKED mr_status mr_trainer_test_loaders(mr_trainer *trainer, mr_task *task,
                                                    mr_loader *const *loaders, int count);

/* The predictions for all batches of a loader, one behind the other along the first dimension. Makes a tensor; NULL after a
 * failure, such as batches whose predictions do not fit together, or none. */
MR_API mr_tensor *mr_trainer_predict(mr_trainer *trainer, mr_task *task, mr_loader *loader);

/* The predictions for each of several loaders, written to `predictions`, which has room for `count`. Makes tensors; none after
 * a failure. */
MR_API MR_CHECKED mr_status mr_trainer_predict_loaders(mr_trainer *trainer, mr_task *task,
                                                       mr_loader *const *loaders, int count,
                                                       mr_tensor **predictions);

/* ---- what came of it ------------------------------------------------------------------------------------------ */

/* What was last logged under this name for a whole epoch or a validation; NAN when there is none. NAME is also
 * NAME_epoch; what is logged for steps has the last step's value, from the end of the epoch on, as NAME_step where it
 * is logged for the epoch, too, otherwise as NAME. A NAME that a validation logs as well is the validation's. */
MR_API double mr_trainer_metric(const mr_trainer *trainer, const char *name);

/* All that the last validation, test or epoch has given, one by one, counted from 0: the name, a view, valid until the
 * next call on the trainer, and *value (NULL: not wanted). NULL past the last. */
MR_API const char *mr_trainer_result(const mr_trainer *trainer, size_t index, double *value);

/* A value that was logged for an epoch or a validation. */
typedef struct mr_point {
    int64_t epoch, step; /* step: updates made so far */
    double value;
} mr_point;

/* The history of the last fit: all values under this name, in order. Views *count points, valid until the next fit; NULL
 * when there are none. Of a fit that was resumed, what it did itself. */
MR_API const mr_point *mr_trainer_history(const mr_trainer *trainer, const char *name, size_t *count);

/* Of the last fit: its version folder, its metrics file, its last checkpoint; "" when there is none. Views, valid
 * until the next fit. Without a fit the first two are those of the validations and tests. And the optimizer steps made. */
MR_API const char *mr_trainer_log_dir(const mr_trainer *trainer);
MR_API const char *mr_trainer_metrics_path(const mr_trainer *trainer);
MR_API const char *mr_trainer_checkpoint_path(const mr_trainer *trainer);
MR_API int64_t mr_trainer_global_step(const mr_trainer *trainer);

/* The number of the signal that interrupted the last fit, with which a program is to end (exit status 128 + number); 0: none. */
MR_API int mr_trainer_signal(const mr_trainer *trainer);

/* The updates that the running fit makes in all, if nothing but max_epochs and max_steps ends it (Lightning's
 * estimated_stepping_batches): for a schedule that wants to know. From configure_optimizers on; a task that needs it
 * keeps the trainer in its struct. For those that finders have made it is what a fit on that loader would make. -1 when
 * there is no limit, when an epoch's length is not known, or outside a fit. */
MR_API int64_t mr_trainer_estimated_steps(const mr_trainer *trainer);

/* What the last fit took, data aside. */
MR_API mr_memory mr_trainer_memory(const mr_trainer *trainer);

#ifdef __cplusplus
}
#endif
#endif

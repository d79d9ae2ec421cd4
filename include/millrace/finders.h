/*
 * Millrace, train layer: finding a learning rate and a batch size by trying some, before the training. Model, task,
 * generators and loaders stand afterwards exactly where they stood; callbacks, loggers and checkpoints take no part.
 *
 * Threads: as mr_trainer_fit.
 */
#ifndef MILLRACE_FINDERS_H
#define MILLRACE_FINDERS_H

#include <millrace/train.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- the learning rate ---------------------------------------------------------------------------------------- */

typedef enum mr_lr_find_mode { MR_LR_FIND_EXPONENTIAL = 0, MR_LR_FIND_LINEAR } mr_lr_find_mode;

typedef struct mr_lr_find_opts {
    double min_lr;        /* default 1e-8 */
    double max_lr;        /* default 1 */
    int64_t num_training; /* updates; default 100 */
    mr_lr_find_mode mode;
    double early_stop_threshold; /* ends when the loss is more than so many times the best; default 4 */
    bool no_early_stop;
    double smoothing;   /* of the loss: how much of its mean so far is kept; default 0.98; MR_ZERO: none */
    int64_t skip_begin; /* points at both ends that are not suggested; default 10 and 1; MR_ZERO_INT */
    int64_t skip_end;
} mr_lr_find_opts;

typedef struct mr_lr_finder mr_lr_finder;

/* Trains with learning rates that grow from min_lr to max_lr, one update with each, all groups alike, and notes the
 * smoothed loss (Smith, 2017; Lightning's lr_find and its numbers). A loss that is NaN or infinite ends it, and is
 * noted. A line in the log says where it has ended, if that is before max_lr, and why. Epochs follow each other as they
 * have to. Not for tasks that optimize by hand. Makes a finder; NULL after a failure. */
MR_API mr_lr_finder *mr_trainer_lr_find(mr_trainer *trainer, mr_task *task, mr_loader *loader,
                                        const mr_lr_find_opts *opts);
MR_API void mr_lr_finder_free(mr_lr_finder *finder);

/* The rate where the loss falls fastest from point to point, by central differences over the finite ones; NAN when there are
 * fewer than two of them. */
MR_API double mr_lr_finder_suggestion(const mr_lr_finder *finder);

/* The rates, and the losses. Both view *count numbers, valid as long as the finder. */
MR_API const double *mr_lr_finder_rates(const mr_lr_finder *finder, size_t *count);
MR_API const double *mr_lr_finder_losses(const mr_lr_finder *finder, size_t *count);

/* Draws the losses over the rates, on a logarithmic axis unless the mode is MR_LR_FIND_LINEAR, and marks the
 * suggestion, if there is one. The file is that of mr_plot_save (<millrace/plot.h>). */
MR_API MR_CHECKED mr_status mr_lr_finder_plot(const mr_lr_finder *finder, const char *path);

/* ---- the batch size ---------------------------------------------------------------------------------------------- */

/* Makes a loader of batches of this size, which the finder frees; NULL after a failure. */
typedef mr_loader *(*mr_loader_maker)(void *user, int64_t batch_size);

typedef enum mr_batch_size_mode { MR_BATCH_SIZE_POWER = 0, MR_BATCH_SIZE_BINSEARCH } mr_batch_size_mode;

typedef struct mr_batch_size_opts {
    /* that training may take: mr_memory, and a batch; default: three quarters of the machine's memory */
    size_t max_bytes;
    mr_batch_size_mode mode; /* double it until it does not fit; then also look between the last two */
    int64_t init_val;        /* default 2 */
    int64_t max_val;         /* default 8192; never more than there are samples */
    int64_t steps_per_trial; /* updates with each size; default 3 */
    int64_t max_trials;      /* default 25 */
    double margin; /* binsearch ends when it knows the size to this part of it; default 0.05; MR_ZERO */
} mr_batch_size_opts;

/* The largest batch size that fits of those that it tries (Lightning's scale_batch_size), with a line in the log for
 * each; 0 after a failure, which also is that not even one row fits. Memory is not taken beyond the limit: a step that
 * would is broken off. `make` and `user` are borrowed. */
MR_API int64_t mr_trainer_scale_batch_size(mr_trainer *trainer, mr_task *task, mr_loader_maker make,
                                           void *user, const mr_batch_size_opts *opts);

#ifdef __cplusplus
}
#endif
#endif

/* The inside of the task and the trainer. */
#ifndef MILLRACE_TRAIN_TRAINER_H
#define MILLRACE_TRAIN_TRAINER_H

#include "callback.h"
#include "duration.h"
#include "held_rows.h"
#include "limits.h"
#include "loaders.h"
#include "log.h"
#include "reporter.h"
#include "saved.h"

#include "loggers/hparams.h"
#include "nn/module.h"

#include <millrace/summary.h>
#include <millrace/train.h>

struct mr_task {
    const mr_task_vtable *vtable;
    mr_module *model; /* borrowed */
    void *self;
};

enum { MR__MAX_CALLBACKS = 32 };

#define MR__NO_ROWS INT64_MAX /* how often there are rows of steps: never */

/* Where a validation began, for one that is broken off and may be followed by a checkpoint. */
typedef struct mr__val_start {
    mr__loader_bytes loader[MR__MAX_LOADERS];
    mr_rng *rng; /* as many as the fit has */
    char *list;  /* what the fit's list of saved tensors held */
} mr__val_start;

/* Where a fit on several loaders stands among them. */
typedef struct mr__feed {
    mr_loaders_mode mode;
    int64_t at;                    /* of one after the other: whose turn it is */
    uint8_t over[MR__MAX_LOADERS]; /* of together: which have come to their end in this epoch */
    const mr_batch *batch[MR__MAX_LOADERS];
} mr__feed;

/* One fit, while it runs. `step` is what the task's training_step gets, and comes first. */
struct mr__fit {
    mr_step step;
    mr_trainer *trainer;
    mr_task *task;
    mr_loader *loader;
    mr_optim *optim;
    mr_schedule *schedule; /* NULL: none */
    mr_params params;      /* the model's */
    mr_tape *tape;
    mr__reporter *reporter;
    /* the update in the making: batches, and their weights */
    int64_t window;
    double window_weight;
    int64_t failed_rows; /* of the batch that a failure came in, behind which the training goes on */
    /* what this step says of itself */
    bool skipped;
    double weight;
    bool left_out; /* this batch, by its step, a hook or the trainer: none of its values count */
    /* how far it is, besides what `step` says */
    int64_t batches, samples; /* that were trained on, in all */
    int64_t phase;            /* an mr__phase */
    int64_t stop;             /* 1: a callback has asked for the end */
    int64_t finished;         /* 1: a limit was reached, and all that comes behind it is done */
    /* checkpoints */
    mr__saved saved;
    mr__trigger checkpoint, validation;
    int64_t val_period; /* batches of an epoch from validation to validation; 0: not in this way */
    bool val_due;
    int64_t time_over; /* 1: max_time has asked for the end */
    bool clocked;      /* something goes by the clock */
    double began,
        elapsed; /* seconds of training: when this fit began, and of all up to the last checkpoint */
    double elapsed_before; /* of those before */
    bool checkpoint_due;
    mr__save save[MR__MAX_SAVES]; /* what mr_trainer_save has asked for */
    size_t saves;
    uint64_t events; /* that anybody listens to */
    bool left;       /* a hook has left the epoch */
    bool stopped;    /* within an epoch, by the limit of steps or by a callback */
    bool signals;    /* it has taken them over */
    int signal;      /* which has asked for the end; 0: none */
    unsigned ticks;  /* the reporter's, when they were last looked at */
    bool resumed;
    /* validation */
    mr_tape *val_tape; /* NULL: there is none */
    mr__loaders val;
    int64_t val_limit[MR__MAX_LOADERS];   /* batches of each; -1: all */
    int64_t val_most;                     /* of any in this validation; -1: all */
    int64_t val_batches[MR__MAX_LOADERS]; /* of each, in all validations so far */
    mr__held_rows val_rows;               /* of the validation that runs */
    mr_status (*val_step)(mr_step *step, const mr_batch *batch);
    const char *val_what; /* "validation" */
    mr__event pass;       /* MR__ON_VALIDATION, … */
    mr__modes modes;
    mr__val_start val_start;
    mr__fit_log log;
    bool validated;      /* a validation has ended in this fit */
    bool schedule_held;  /* a callback sets the rates in its place */
    bool epoch_complete; /* the epoch that ends has had all of its batches */
    mr_status (*next)(mr__fit *fit, const mr_batch **batch); /* what gives batches; NULL: the loader */
    struct mr__profile *profile;                             /* NULL: nobody wants one */
    mr_optimizers made;            /* all optimizers and schedules; `optim` and `schedule` are the first */
    int optims;                    /* how many */
    bool manual;                   /* the task optimizes by hand */
    bool abandoned;                /* this batch is left out, in the middle of its step */
    bool forward_only;             /* steps are run for what modules see of the batches: nothing is updated */
    mr__failure step_failure;      /* of this step's own calls: status MR_OK: none */
    char *buffers;                 /* as they were before this update's first batch; NULL: there are none */
    char *batch_buffers;           /* before this batch, where that is another one */
    mr_params buffer_list;         /* owned */
    struct mr__rollback *rollback; /* NULL: not wanted */
    mr__loaders train;             /* all; `loader` is the first */
    mr__feed feed;
    int64_t limit; /* training batches of an epoch; -1: all */
    bool quiet,
        nonfinite; /* of a finder: nothing is said of a loss that is no number, but that there was one */
    /* the average that the model had in the last validation; NULL: its own weights */
    struct mr__average *validated_with;
    bool ends_as_best; /* a callback has given the model its best weights, at the end of the fit */
    bool in_training;  /* which can be gone on with: it has begun, and its end has changed nothing yet */
    bool again;        /* the end of a training that had ended is done once more: all files are there */
    /* what mr_loader_bad_samples said of the training's loaders when it began */
    int64_t bad_before[MR__MAX_LOADERS];
    mr_loader *overfit[2]; /* of the same few batches, for training and validation; NULL */
};

struct mr_trainer {
    int64_t max_epochs, max_steps; /* -1: no limit */
    int64_t min_epochs, min_steps;
    int64_t sanity_batches; /* -1: all */
    mr_duration val_interval, max_time;
    bool fast_dev_run;
    mr_nonfinite nonfinite;
    int64_t rollback_every, max_rollbacks; /* -1: no limit */
    double rollback_factor;
    int64_t log_every, accumulate, check_val_every;
    mr__limit limit_train, limit_val, limit_test, limit_predict, overfit;
    double clip_norm, clip_value; /* -1: none */
    mr__loaders val;
    mr_summary_opts summary;
    char *save_dir, *name; /* save_dir: NULL for no files */
    bool no_progress, no_checkpoint, no_summary, handle_signals;
    mr_duration checkpoint_every;
    bool prompt;  /* checkpoints are to be written at once */
    char *resume; /* NULL: begin anew */
    mr__named_rng rng[MR__MAX_RNGS];
    size_t rngs;
    mr_callback *callback[MR__MAX_CALLBACKS]; /* adopted */
    size_t callbacks;
    mr_logger *logger[MR__MAX_LOGGERS]; /* adopted */
    size_t loggers;
    mr__hparams hparams;
    mr__fit *fit; /* that is running; NULL */
    /* of the last fit; a path is NULL where there is none */
    int64_t global_step;
    int64_t epochs, log_step; /* with which evaluations log: epochs begun, and updates, or batches */
    mr__log_ends log_ends;    /* and behind what */
    int signal;
    mr_memory memory;
    mr__epoch_values epoch_values;
    mr__history history;
    char *log_dir, *metrics_path, *checkpoint_path;
};

/* Whether a task has what training needs; otherwise raises what is missing. */
mr_status mr__task_trains(const char *call, const mr_task *task);

/* Frees a fit with all that it has made. */
void mr__fit_free(mr__fit *fit);

/* Whether it trains on a few batches that stay the same. */
static inline bool mr__overfits(const mr_trainer *trainer)
{
    return trainer->overfit.batches >= 0 || trainer->overfit.share > 0;
}

/* Forgets the path of metrics.csv if it is not there: without a row there is no file. */
void mr__forget_missing_metrics(mr_trainer *trainer);

/* Calls the hooks of an event. */
static inline mr_status mr__hooks(mr__fit *fit, mr__event event)
{
    return MR__LIKELY(!(fit->events & MR__EVENT_BIT(event))) ? MR_OK : mr__run_hooks(fit, event);
}

/* Whether the reporter has woken up since a hook has looked: about ten times a second, if `reporter->clock` was set in
 * on_fit_start. What goes by the clock looks at it then, and not in each step. */
static inline bool mr__ticked(const mr_step *step, unsigned *seen)
{
    const unsigned ticks =
        atomic_load_explicit(&((const mr__fit *)step)->reporter->ticks, memory_order_relaxed);
    if (MR__LIKELY(ticks == *seen))
        return false;
    *seen = ticks;
    return true;
}

/* The number, from 1, of the row that the update belongs to that is being made, before it is counted: that of the
 * update, or of a task that optimizes by hand, of the batch. And whether it is one that is written. */
static inline int64_t mr__row_number(const mr__fit *fit)
{
    return (fit->manual ? fit->batches : fit->step.global_step) + 1;
}

static inline bool mr__row_due(const mr__fit *fit)
{
    return mr__row_number(fit) % fit->trainer->log_every == 0;
}

static inline mr_status mr__pass_hooks(mr__fit *fit, mr__pass pass)
{
    return mr__hooks(fit, (mr__event)((int)fit->pass + (int)pass));
}

#endif

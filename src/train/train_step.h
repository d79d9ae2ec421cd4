/* One batch of training: the task's step, backward, and where a window of batches ends the update of the weights. */
#ifndef MILLRACE_TRAIN_TRAIN_STEP_H
#define MILLRACE_TRAIN_TRAIN_STEP_H

#include "trainer.h"

/* MR_OK with *updated, whether the optimizer has stepped. */
mr_status mr__train_batch(mr__fit *fit, const mr_batch *batch, bool *updated);

/* The same of a task that optimizes by hand, which counts its updates itself. */
mr_status mr__train_by_hand(mr__fit *fit, const mr_batch *batch);

/* One step of an optimizer, its rates multiplied by what rollbacks have left of them. */
mr_status mr__step_optimizer(mr__fit *fit, mr_optim *optim);

/* Says where in the training the thread's failure, settled or not, came about. */
mr_status mr__train_failed(const mr__fit *fit, mr_status status);

/* Whether a batch that runs is the last of its epoch; false also where that is not known. */
static inline bool mr__is_last(const mr__fit *fit)
{
    return fit->step.batch_index + 1 == fit->reporter->total;
}

/* Ends a window that the epoch's end has cut short, if one is open: of an epoch whose end came unforeseen. */
mr_status mr__train_rest(mr__fit *fit, bool *updated);

/* The schedule's step at the end of an epoch, unless it goes by updates or by a metric. */
mr_status mr__train_epoch_ended(mr__fit *fit);

/* That of a schedule that looks at a metric, when the epoch has its values. */
mr_status mr__train_epoch_measured(mr__fit *fit);

#endif

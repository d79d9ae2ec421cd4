/* One batch of training: the task's step, backward, and where a window of batches ends the update of the weights. */
#ifndef MILLRACE_TRAIN_TRAIN_STEP_H
#define MILLRACE_TRAIN_TRAIN_STEP_H

#include "trainer.h"

/* MR_OK with *updated, whether the optimizer has stepped. */
mr_status mr__train_batch(mr__fit *fit, const mr_batch *batch, bool *updated);

/* Ends a window that the epoch's end has cut short, if one is open. */
mr_status mr__train_rest(mr__fit *fit, bool *updated);

/* The schedule's step at the end of an epoch, unless it goes by updates or by a metric. */
mr_status mr__train_epoch_ended(mr__fit *fit);

/* That of a schedule that looks at a metric, after a validation. */
mr_status mr__train_validated(mr__fit *fit);

#endif

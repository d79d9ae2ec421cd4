/* The training loop. */
#ifndef MILLRACE_TRAIN_LOOP_H
#define MILLRACE_TRAIN_LOOP_H

#include "trainer.h"

/* Runs epochs from where the fit stands until a limit is reached: MR_OK; MR_END: there were no batches; MR_INTERRUPTED. */
mr_status mr__run_epochs(mr__fit *fit);

/* Does once more what came behind the last checkpoint of a fit that has ended within an epoch, which was resumed from there:
 * so callbacks and metrics are what they were. */
mr_status mr__end_again(mr__fit *fit);

/* Takes the snapshots that mr_trainer_save has asked for; `epoch` is that of the last step. */
mr_status mr__take_saves(mr__fit *fit, int64_t epoch);

/* Behind a failure, before such a snapshot: the batch that it came in, if there was one, will be one that is left out or, where
 * backward had been done, one of its window, which is saved. */
mr_status mr__keep_failed(mr__fit *fit);

#endif

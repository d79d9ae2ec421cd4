/* What a fit needs before it begins, and where it begins. */
#ifndef MILLRACE_TRAIN_SETUP_H
#define MILLRACE_TRAIN_SETUP_H

#include "trainer.h"

/* Makes optimizer, schedule and tapes, goes back to the checkpoint that is to be resumed, opens the logs and starts the
 * reporter. MR_END: the fit that was resumed is finished, and no file was touched. */
mr_status mr__set_up(mr__fit *fit);

/* Gives the reporter the trainer's loggers, and a run for them, of the trainer's folder and the reporter's version; none in a
 * fast development run. */
void mr__attach_loggers(mr__fit *fit);

/* Makes the task's optimizers and schedules. */
mr_status mr__make_optimizers(mr__fit *fit);

/* What durations are to be understood from in this fit, from on_fit_start on. */
mr__extent mr__extent_of(const mr__fit *fit);

/* Whether a count has come to a limit; -1 is none. */
static inline bool mr__reached(int64_t limit, int64_t count)
{
    return limit >= 0 && count >= limit;
}

#endif

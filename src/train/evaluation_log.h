/* The loggers of a validation or test outside a fit. */
#ifndef MILLRACE_TRAIN_EVALUATION_LOG_H
#define MILLRACE_TRAIN_EVALUATION_LOG_H

#include "trainer.h"

/* Has the fit's reporter log to the folder of the trainer's last fit, behind what is there; without one to a folder of its own,
 * which later evaluations go on with. `fit` stands for an evaluation, and its reporter has not begun. */
mr_status mr__evaluation_log_begin(mr__fit *fit);

/* Ends the reporter: `status`, or the first failure. */
mr_status mr__evaluation_log_end(mr__fit *fit, mr_status status);

#endif

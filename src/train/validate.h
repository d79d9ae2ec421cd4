/* Validation at the end of an epoch. */
#ifndef MILLRACE_TRAIN_VALIDATE_H
#define MILLRACE_TRAIN_VALIDATE_H

#include "trainer.h"

/* What a validation needs, if the trainer has a loader for it. */
mr_status mr__validate_prepare(mr__fit *fit);

/* Runs it if this epoch has one; *done says so. MR_INTERRUPTED: a signal asked for the end, and all is as before. */
mr_status mr__validate(mr__fit *fit, bool *done);

#endif

/* Validation at the end of an epoch. */
#ifndef MILLRACE_TRAIN_VALIDATE_H
#define MILLRACE_TRAIN_VALIDATE_H

#include "trainer.h"

/* What a validation needs, if the trainer has a loader for it. */
mr_status mr__validate_prepare(mr__fit *fit);

/* Works out how many batches of each of fit->val there are to be. */
mr_status mr__validate_limit(mr__fit *fit, const mr__limit *limit, const char *call);

/* The same for any loaders and step, which are set in `fit`. */
mr_status mr__validate_open(mr__fit *fit);

/* Runs a validation: the status as below. */
mr_status mr__validate_run(mr__fit *fit);

/* Whether this epoch is one of those that validate at all. */
bool mr__validates(const mr__fit *fit);

/* Runs it if this epoch ends with one; *done says so. MR_INTERRUPTED: a signal asked for the end, and all is as before. */
mr_status mr__validate(mr__fit *fit, bool *done);

/* A few batches of validation before the training, if the trainer wants that: all is as before then, and nothing logged. */
mr_status mr__sanity_check(mr__fit *fit);

#endif

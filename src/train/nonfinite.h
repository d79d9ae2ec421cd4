/* A loss that is no number. */
#ifndef MILLRACE_TRAIN_NONFINITE_H
#define MILLRACE_TRAIN_NONFINITE_H

#include "trainer.h"

/* Says in the log which samples the batch has, and where the first number that is not finite comes from: a field of the
 * batch, a parameter, or the result of a module, for which training_step is run once more. */
void mr__explain_nonfinite(mr__fit *fit, const mr_batch *batch);

#endif

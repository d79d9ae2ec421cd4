/* Running values of batch norms, worked out anew. */
#ifndef MILLRACE_TRAIN_BATCH_NORM_H
#define MILLRACE_TRAIN_BATCH_NORM_H

#include "trainer.h"

/* Runs training_step, without gradients, updates and logging, on all training batches of an epoch, so that the running values
 * of the model's batch norms are means over them. Without such modules nothing is done. */
mr_status mr__batch_norm_pass(mr__fit *fit);

#endif

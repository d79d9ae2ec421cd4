/* A loss or a gradient that is no number: what is said of it, and what is done. */
#ifndef MILLRACE_TRAIN_NONFINITE_H
#define MILLRACE_TRAIN_NONFINITE_H

#include "trainer.h"

#include <math.h>

static inline bool mr__loss_finite(const mr_tensor *loss)
{
    if (loss->numel != 1)
        return true; /* backward says what is wrong with it */
    return loss->dtype == MR_FLOAT32 ? isfinite(*(const float *)loss->data)
                                     : loss->dtype != MR_FLOAT64 || isfinite(*(const double *)loss->data);
}

/* What the trainer's option says: MR_OK when the batch is to be left out, or the update not to be made; or raises the failure,
 * after having said in the log which samples the batch has (NULL: not known), and where the first number that is not finite
 * comes from: a field of the batch, a parameter, or the result of a module, for which training_step is run once more. An
 * optimizer's gradients go with the update that is not made, all gradients with a rollback. */
mr_status mr__loss_nonfinite(mr__fit *fit, const mr_batch *batch, const mr_tensor *loss);
mr_status mr__gradient_nonfinite(mr__fit *fit, mr_optim *optim, const mr_batch *batch);

/* Buffers (running means) are kept before each step, whose batch may be left out, and put back then. */
mr_status mr__buffers_begin(mr__fit *fit);
void mr__buffers_keep(mr__fit *fit);
void mr__buffers_put_back(mr__fit *fit);
void mr__buffers_free(mr__fit *fit);

#endif

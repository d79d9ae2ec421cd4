/* Some steps of training after which everything is as it was. */
#ifndef MILLRACE_TRAIN_TRIAL_H
#define MILLRACE_TRAIN_TRIAL_H

#include "trainer.h"

typedef struct mr__trial {
    const char *call;
    mr_trainer trainer; /* a copy of the caller's without callbacks, loggers and files */
    mr__fit *fit;       /* NULL: it could not begin */
    mr__loader_bytes loader;
    mr_rng *rng; /* where generators stood */
    char *model, *list, *gradients;
    uint8_t *flags;
    double loss;  /* of the last batch */
    int64_t idle; /* batches since one has added to a gradient */
} mr__trial;

/* Keeps how everything is, and makes the optimizer, in the name of `call`; followed by an end, also when it fails. */
mr_status mr__trial_begin(mr__trial *trial, const char *call, mr_trainer *trainer, mr_task *task,
                          mr_loader *loader);

/* Trains until there was an update: MR_OK. MR_ERR_NONFINITE, with nothing raised: a loss or gradient is no number. */
mr_status mr__trial_step(mr__trial *trial);

/* Puts everything back; a failure stays the first one. */
mr_status mr__trial_end(mr__trial *trial, mr_status status);

#endif

/* What a training is made of: the kinds of its optimizers and schedules, and which callbacks keep a state. Tensors may have
 * the same names and shapes where these are others, so checkpoints say them in their metadata, as JSON under "parts". */
#ifndef MILLRACE_TRAIN_PARTS_H
#define MILLRACE_TRAIN_PARTS_H

#include "trainer.h"

#include "formats/safetensors.h"

#define MR__PARTS_KEY "parts"

/* Makes fit->saved.parts. */
mr_status mr__parts_describe(mr__fit *fit);

/* Raises what is another in the checkpoint than here. */
mr_status mr__parts_check(const mr__fit *fit, const char *path, const mr__safetensors *file);

#endif

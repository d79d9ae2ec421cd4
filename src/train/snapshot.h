/*
 * A copy of everything a checkpoint holds, made by the training thread between two steps, so that the
 * reporter can write it while training goes on. Its memory and names are made once, when fit starts.
 */
#ifndef MILLRACE_TRAIN_SNAPSHOT_H
#define MILLRACE_TRAIN_SNAPSHOT_H

#include "formats/safetensors.h"

#include <millrace/nn.h>
#include <millrace/optim.h>

typedef struct mr__snapshot mr__snapshot;

/* Borrows the model and the optimizer. NULL after a failure. */
mr__snapshot *mr__snapshot_new(mr_module *model, mr_optim *optim);
void mr__snapshot_free(mr__snapshot *snapshot);

/* Copies the current values in. */
void mr__snapshot_take(mr__snapshot *snapshot, int64_t epoch, int64_t global_step);

/* Writes dir/epoch=E-step=S.safetensors, then removes `previous` (NULL: none) if it is another file. Fills
 * in `path`, which has room for `room` bytes. */
mr_status mr__snapshot_write(const mr__snapshot *snapshot, const char *dir, const char *previous, char *path,
                             size_t room);

#endif

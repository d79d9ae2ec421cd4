/*
 * Copies of everything a checkpoint holds, made by the training thread between two steps, so that the
 * reporter can write them while training goes on. There is room for two: while one is being written, the other
 * may be taken. Memory and names are made once, when fit starts; the system need not find memory for a copy
 * that is never taken.
 */
#ifndef MILLRACE_TRAIN_SNAPSHOT_H
#define MILLRACE_TRAIN_SNAPSHOT_H

#include "formats/safetensors.h"

#include <millrace/nn.h>
#include <millrace/optim.h>

enum { MR__SNAPSHOTS = 2 };

typedef struct mr__snapshot mr__snapshot;

/* Borrows the model and the optimizer. NULL after a failure. */
mr__snapshot *mr__snapshot_new(mr_module *model, mr_optim *optim);
void mr__snapshot_free(mr__snapshot *snapshot);

/* Copies the current values into copy `which`. */
void mr__snapshot_take(mr__snapshot *snapshot, int which, int64_t epoch, int64_t global_step);

/* Writes copy `which` to dir/epoch=E-step=S.safetensors, then removes `previous` (NULL: none) if it is another
 * file. Fills in `path`, which has room for `room` bytes. For one thread at a time, but the other copy may be
 * taken meanwhile. */
mr_status mr__snapshot_write(mr__snapshot *snapshot, int which, const char *dir, const char *previous,
                             char *path, size_t room);

#endif

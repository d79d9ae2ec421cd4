/*
 * Copies of everything a checkpoint holds, made by the training thread between two steps, so that the
 * reporter can write them while training goes on. There is room for two: while one is being written, the other
 * may be taken. Memory and names are made when fit starts, and again only when there is more to be saved. So that no step waits
 * until the system has found the memory, the reporter touches it before.
 */
#ifndef MILLRACE_TRAIN_SNAPSHOT_H
#define MILLRACE_TRAIN_SNAPSHOT_H

#include "loggers/logger.h"

#include <millrace/nn.h>
#include <millrace/optim.h>

enum { MR__SNAPSHOTS = 2 };

typedef struct mr__snapshot mr__snapshot;
typedef struct mr__fit mr__fit;

/* Borrows the fit, which is set up. NULL after a failure. */
mr__snapshot *mr__snapshot_new(const mr__fit *fit);
void mr__snapshot_free(mr__snapshot *snapshot);

/* Copies the current values into copy `which`. `epoch` is that of the last step, which names the file. */
mr_status mr__snapshot_take(mr__snapshot *snapshot, int which, int64_t epoch);

/* Touches some more of the memory of copy `which`; false when it has all been touched, or taken. Not while one is taken. */
bool mr__snapshot_touch(mr__snapshot *snapshot, int which);

/* Says that of copy `which`, which was taken, nothing is left to be done. */
void mr__snapshot_finish(mr__snapshot *snapshot, int which);

/* Writes the path of copy `which`, dir/epoch=E-step=S.safetensors, to `path`, which has room for `room` bytes. */
mr_status mr__snapshot_path(const mr__snapshot *snapshot, int which, const char *dir, char *path,
                            size_t room);

/* Tells copy `which` how far the trainer's loggers were when it was taken: copied. The first time counts. */
mr_status mr__snapshot_mark(mr__snapshot *snapshot, int which, const mr__position *positions);

/* And how far they are where the training has ended, behind that; when it has ended there. Copied. */
mr_status mr__snapshot_mark_end(mr__snapshot *snapshot, int which, const mr__position *positions);

/* Writes copy `which`, which has been told that, there. For one thread at a time, but the other copy may be taken meanwhile. */
mr_status mr__snapshot_write(mr__snapshot *snapshot, int which, const char *path);

/* The name of a checkpoint, and back: false for other names. */
void mr__checkpoint_name(char *name, size_t room, int64_t epoch, int64_t step);
bool mr__checkpoint_step(const char *name, int64_t *epoch, int64_t *step);

/* Removes the other checkpoints in the folder of this one, which a training that was interrupted has left. */
void mr__checkpoint_remove_others(const char *path);

#endif

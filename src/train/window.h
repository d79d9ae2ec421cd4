/*
 * A window of accumulated batches in a checkpoint. One that falls due in its midst waits for its end; what a failure leaves
 * (save_on_exception) is taken where the training stands. That has then besides (saved.h):
 *
 *     trainer.window.rows               rows of the batch that the failure came in; 0: it came between two
 *     trainer.window.batches, .weight   how many there are in the window, and the sum of what they count; 0: none is open
 *     trainer.window.due                what waits for its end: a validation (1), a checkpoint (2)
 *     trainer.window.row                which of the logged names its row has so far: their numbers, -1 behind the last
 *     trainer.window.buffers.*          the model's buffers before its first batch, if one is open
 *     trainer.gradient.*                and the gradients, as of a task that zeroes them when it likes
 */
#ifndef MILLRACE_TRAIN_WINDOW_H
#define MILLRACE_TRAIN_WINDOW_H

#include "trainer.h"

#include "formats/safetensors.h"

struct mr__window {
    mr__state list;
    char *gradients; /* copies of them */
    int64_t due, row[MR__MAX_METRICS];
};

/* Lists all that, as it is now, for the checkpoint that follows. */
mr_status mr__window_list(mr__fit *fit);
void mr__window_drop(mr__saved *saved);

/* What is listed, or nothing. */
mr_params mr__window_saved(const mr__saved *saved);

/* Lists what a checkpoint has of all that, which may be nothing, to be read to there; or raises why this fit cannot go
 * on with it. */
mr_status mr__window_find(mr__fit *fit, const char *path, const mr__safetensors *file);

/* Goes on in the window whose values have been read to where the list has them, and drops the list. */
void mr__window_go_on(mr__fit *fit);

#endif

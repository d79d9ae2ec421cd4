/* Putting back what a checkpoint holds. */
#ifndef MILLRACE_TRAIN_RESTORE_H
#define MILLRACE_TRAIN_RESTORE_H

#include "trainer.h"

#include "formats/safetensors.h"

/* Puts it into a fit that is set up and has not begun. A failure names the path, and what does not fit. */
mr_status mr__restore(mr__fit *fit, const char *path, const mr__safetensors *file);

/* How far a logger's log was, or with `end` how far it is for what comes behind the training; nothing: the training did
 * not have it. A view of the file. */
mr__position mr__restore_position(const mr__safetensors *file, const mr_logger *logger, bool end);

#endif

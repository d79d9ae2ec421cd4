/* Putting back what a checkpoint holds. */
#ifndef MILLRACE_TRAIN_RESTORE_H
#define MILLRACE_TRAIN_RESTORE_H

#include "trainer.h"

#include "formats/safetensors.h"

/* Puts it into a fit that is set up and has not begun. A failure names the path, and what does not fit. */
mr_status mr__restore(mr__fit *fit, const char *path, const mr__safetensors *file);

/* How far the log was; false: the training had none. The header is a view of the file. */
bool mr__restore_mark(const mr__safetensors *file, mr__csv_mark *mark);

#endif

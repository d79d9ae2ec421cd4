/* Batches of several training loaders at once, or of one after the other. */
#ifndef MILLRACE_TRAIN_FEED_H
#define MILLRACE_TRAIN_FEED_H

#include "trainer.h"

/* Has the fit's `next` give batches of all of fit->train; with one loader there is nothing to do. */
void mr__feed_begin(mr__fit *fit);

/* Adds where it stands to what is saved. */
mr_status mr__feed_saved(mr__fit *fit);

/* Leaves the epoch. */
void mr__feed_rewind(mr__fit *fit);

/* Batches of an epoch; -1 when that is not known. */
int64_t mr__feed_len(const mr__fit *fit);

#endif

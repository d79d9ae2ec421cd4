/* Saves of a fit that has stopped: what a training of more steps would go on from. */
#ifndef MILLRACE_TRAIN_LAST_SAVES_H
#define MILLRACE_TRAIN_LAST_SAVES_H

#include "trainer.h"

/* Writes what mr_trainer_save has asked for since the fit stopped, each as a copy of its last checkpoint: what ends an
 * epoch has been done by then, and must not be part of it, since the epoch goes on for a training of more steps. */
void mr__take_last_saves(mr__fit *fit);

#endif

/* Finding the checkpoint that a fit goes on from, and the folder that it goes on in. */
#ifndef MILLRACE_TRAIN_RESUME_H
#define MILLRACE_TRAIN_RESUME_H

#include "trainer.h"

#include "formats/safetensors.h"

typedef struct mr__resume {
    char *dir; /* the version folder; NULL: a new one */
    int64_t version;
    char *path;            /* of the checkpoint; NULL: there is none, and the fit begins anew */
    mr__safetensors *file; /* with a checksum that holds */
    bool newest;           /* of its folder */
} mr__resume;

/* For the trainer's .resume. A checkpoint that is damaged is passed over if another one will do. */
mr_status mr__resume_find(const mr_trainer *trainer, mr__resume *found);
void mr__resume_free(mr__resume *found);

/* Makes a checkpoint that was named the newest of its folder: later ones go, since the logs are about to be cut to it. */
mr_status mr__resume_go_back(const mr__resume *found);

/* Removes what a process that was killed has left half done in the version folder. */
void mr__resume_clean(const char *dir);

/* The same in a folder that others may be writing to: what processes that are no more have left. */
void mr__resume_clean_shared(const char *dir);

#endif

/* The file of a checkpoint: saved.h says what is in it. Its bytes depend on nothing but the state of the training. */
#ifndef MILLRACE_TRAIN_CHECKPOINT_H
#define MILLRACE_TRAIN_CHECKPOINT_H

#include "loaders.h"
#include "log.h"
#include "saved.h"
#include "snapshot.h"

#include "formats/safetensors.h"

typedef struct mr__checkpoint {
    int64_t epoch, step;
    const mr__safetensor *entries; /* all that lies in tensors */
    size_t count;
    const mr_rng *rng;
    size_t rngs;
    const char *rng_users, *parts;
    const uint8_t *gradients;
    size_t params;                  /* how many of them */
    const mr__saved *loaders;       /* which they are, … */
    const mr__loader_bytes *loader; /* … and where each stands */
    const mr__log_state *logged;
    const mr__loggers *loggers;
    const mr__position *position; /* of each */
    const mr__position *end;      /* of each, where the training ended behind that; of 0 bytes: it did not */
} mr__checkpoint;

/* Writes it. A failure names the path. */
mr_status mr__checkpoint_write(const char *path, const mr__checkpoint *contents);

#endif

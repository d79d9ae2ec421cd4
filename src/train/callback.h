/* The inside of callbacks, and how a fit calls them. */
#ifndef MILLRACE_TRAIN_CALLBACK_H
#define MILLRACE_TRAIN_CALLBACK_H

#include <millrace/callbacks.h>

typedef struct mr__fit mr__fit;

struct mr_callback {
    const mr_callback_vtable *vtable;
    void *self;
    bool adopted; /* by a trainer, which frees it */
};

/* The hooks in the order of the vtable. */
typedef enum mr__event {
    MR__ON_FIT_START,
    MR__ON_TRAIN_START,
    MR__ON_TRAIN_EPOCH_START,
    MR__ON_TRAIN_BATCH_START,
    MR__ON_BEFORE_ZERO_GRAD,
    MR__ON_BEFORE_BACKWARD,
    MR__ON_AFTER_BACKWARD,
    MR__ON_BEFORE_OPTIMIZER_STEP,
    MR__ON_TRAIN_BATCH_END,
    MR__ON_VALIDATION_START,
    MR__ON_VALIDATION_BATCH_START,
    MR__ON_VALIDATION_BATCH_END,
    MR__ON_VALIDATION_END,
    MR__ON_TRAIN_EPOCH_END,
    MR__ON_METRICS,
    MR__ON_TRAIN_END,
    MR__ON_FIT_END,
    MR__ON_EXCEPTION,
    MR__ON_RESTORED,
    MR__EVENTS
} mr__event;

/* Which events anybody listens to: a bit for each. */
uint32_t mr__events_wanted(const mr_trainer *trainer);

/* Calls the hooks of an event: the first status that is not MR_OK. */
mr_status mr__run_hooks(mr__fit *fit, mr__event event);

#endif

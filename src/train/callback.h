/* The inside of callbacks, and how a fit calls them. */
#ifndef MILLRACE_TRAIN_CALLBACK_H
#define MILLRACE_TRAIN_CALLBACK_H

#include <millrace/callbacks.h>

typedef struct mr__fit mr__fit;

struct mr_callback {
    const mr_callback_vtable *vtable;
    void *self;
    bool adopted; /* by a trainer, which frees it */
    bool borrows; /* self is the user's own */
};

/* The hooks, which for the most part come in the order of the vtable. */
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
    MR__ON_TRAIN_EPOCH_END,
    MR__ON_METRICS,
    MR__ON_TRAIN_END,
    MR__ON_FIT_END,
    MR__ON_EXCEPTION,
    MR__ON_RESTORED,
    MR__SETUP,
    MR__TEARDOWN,
    MR__ON_SANITY_CHECK_START,
    MR__ON_SANITY_CHECK_END,
    MR__ON_VALIDATION_LEFT,
    MR__ON_AFTER_OPTIMIZER_STEP,
    MR__ON_VALIDATION, /* that and the next ones: see mr__pass */
    MR__ON_TEST = MR__ON_VALIDATION + 6,
    MR__ON_PREDICT = MR__ON_TEST + 6,
    MR__EVENTS = MR__ON_PREDICT + 6
} mr__event;

/* The hooks of a pass over a loader without training, to be added to MR__ON_VALIDATION, …. */
typedef enum mr__pass {
    MR__PASS_START,
    MR__PASS_EPOCH_START,
    MR__PASS_BATCH_START,
    MR__PASS_BATCH_END,
    MR__PASS_EPOCH_END,
    MR__PASS_END
} mr__pass;

#define MR__EVENT_BIT(event) (UINT64_C(1) << (event))

/* Which events anybody listens to: a bit for each. */
uint64_t mr__events_wanted(const mr_trainer *trainer, const mr_task *task);

/* Calls the hooks of an event: the first status that is not MR_OK: a failure, or of the three that say so MR_END. */
mr_status mr__run_hooks(mr__fit *fit, mr__event event);

/* The same behind something that has come to `status`: a failure stays the one that the caller hears of, and the hooks can
 * read its text. */
mr_status mr__hooks_behind(mr__fit *fit, mr__event event, mr_status status);

#endif

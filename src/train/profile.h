/*
 * Where the time of a fit goes, for a profiler that was added. Always one stage is running; each event of the fit ends it, and
 * after the event's hooks, which are a stage as well, another one begins.
 */
#ifndef MILLRACE_TRAIN_PROFILE_H
#define MILLRACE_TRAIN_PROFILE_H

#include "callback.h"

#include <millrace/data.h>

typedef enum mr__profile_stage {
    MR__P_DATA,
    MR__P_TRAINING_STEP,
    MR__P_ZERO_GRAD,
    MR__P_BACKWARD,
    MR__P_OPTIMIZER_STEP,
    MR__P_VALIDATION_DATA,
    MR__P_VALIDATION_STEP,
    MR__P_CALLBACKS,
    MR__P_LOGGING,
    MR__P_CHECKPOINT,
    MR__P_OTHER,
    MR__P_STAGES
} mr__profile_stage;

typedef struct mr__profile {
    mr__profile_stage running;
    double since;
    double seconds[MR__P_STAGES];
    int64_t calls[MR__P_STAGES];
    mr_status (*next)(mr__fit *fit, const mr_batch **batch); /* what gives batches; NULL: the loader */
} mr__profile;

/* Begins a stage, which counts as a call: the one that it ends. */
mr__profile_stage mr__profile_begin(mr__profile *profile, mr__profile_stage stage);

/* Goes on with a stage, which was counted before. */
void mr__profile_go_on(mr__profile *profile, mr__profile_stage stage);

/* What runs behind an event's hooks; `manual`: training_step does the optimizing. */
void mr__profile_behind(mr__profile *profile, mr__event event, bool manual);

#endif

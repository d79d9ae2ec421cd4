/* Durations, and when what happens every so often is due. */
#ifndef MILLRACE_TRAIN_DURATION_H
#define MILLRACE_TRAIN_DURATION_H

#include <millrace/train.h>

/* Reads the duration that is option `name` of `call`; NULL leaves *duration. Raises what is wrong, under both names. */
mr_status mr__duration_option(const char *call, const char *name, const char *text, mr_duration *duration);

/* The same of one that can only be of seconds. */
mr_status mr__duration_seconds(const char *call, const char *name, const char *text, mr_duration *duration);

/* Something that happens again and again. It is a function of what it counts, and of nothing else, so that a training
 * that was interrupted finds it due where the other would. */
typedef struct mr__trigger {
    enum { MR__NEVER, MR__BY_COUNT, MR__BY_EPOCH, MR__BY_CLOCK } by;
    const int64_t *count; /* what is counted, of MR__BY_COUNT */
    double period;        /* in that; epochs; seconds */
    int64_t next;         /* the count at which it is due */
    double at;            /* the time */
} mr__trigger;

/* What a duration is to be understood from. */
typedef struct mr__extent {
    const int64_t *batches, *samples, *steps; /* counted so far */
    int64_t epoch_batches;                    /* of an epoch; -1: not known */
    int64_t accumulate;                       /* batches to a step */
    int64_t max_epochs, max_steps;            /* -1: no limit */
    double max_seconds;                       /* 0: no limit */
} mr__extent;

/* Sets it up to be due every so often, from `now` on. Raises a failure in the name of `what` where that has no meaning. */
mr_status mr__trigger_set(mr__trigger *trigger, const char *what, mr_duration every, const mr__extent *extent,
                          double now);

/* The next time after what has been counted by now. */
void mr__trigger_advance(mr__trigger *trigger);

/* After a batch: whether it is due, by count; then it is set to the next time. */
static inline bool mr__trigger_counted(mr__trigger *trigger)
{
    if (trigger->by != MR__BY_COUNT || *trigger->count < trigger->next)
        return false;
    mr__trigger_advance(trigger);
    return true;
}

/* Whether it has been due by now, once or more; not for one that goes by the clock. `ended`: epochs. */
static inline bool mr__trigger_reached(const mr__trigger *trigger, int64_t ended)
{
    return trigger->by == MR__BY_COUNT   ? (double)*trigger->count >= trigger->period
           : trigger->by == MR__BY_EPOCH ? (double)ended >= trigger->period
                                         : trigger->by == MR__NEVER;
}

/* The same by the clock, and at the end of an epoch of which so many have ended. */
bool mr__trigger_clock(mr__trigger *trigger, double now);
bool mr__trigger_epoch(const mr__trigger *trigger, int64_t ended);

#endif

/* Timer: how long training, validation and the rest take, and an end after so long. */
#include "trainer.h"

#include "base/log.h"

#include <math.h>

enum { STAGES = MR_STAGE_PREDICT + 1 };

typedef struct timer {
    mr_timer_opts opts;
    double limit;           /* of training; INFINITY: none */
    double elapsed[STAGES]; /* up to `began`, or in all */
    double began[STAGES];   /* on the clock; 0: it is not running */
    double saved;           /* of training, as checkpoints have it */
    unsigned ticks;
    bool over;
    mr__state state;
} timer;

static void start(timer *t, mr_stage stage)
{
    t->began[stage] = mr__now();
}

static void stop(timer *t, mr_stage stage)
{
    if (t->began[stage] > 0)
        t->elapsed[stage] += mr__now() - t->began[stage];
    t->began[stage] = 0;
}

static double elapsed(const timer *t, mr_stage stage)
{
    return t->elapsed[stage] + (t->began[stage] > 0 ? mr__now() - t->began[stage] : 0);
}

/* ---- a fit ---- */

static mr_status fit_begins(void *self, mr_step *step)
{
    timer *t = self;
    memset(t->elapsed, 0, sizeof t->elapsed);
    memset(t->began, 0, sizeof t->began);
    t->saved = 0;
    t->over = false;
    mr__state_drop(&t->state);
    if (!isinf(t->limit))
        ((mr__fit *)step)->reporter->clock = true;
    return MR_OK;
}

static mr_params state(void *self)
{
    timer *t = self;
    if (!isinf(t->limit) && !mr__state_add(&t->state, "", "elapsed", MR_FLOAT64, MR_SCALAR, &t->saved))
        return (mr_params){ NULL, 0 };
    static const mr_param none;
    return isinf(t->limit) ? (mr_params){ &none, 0 } : (mr_params){ t->state.item, t->state.count };
}

static mr_status restored(void *self, mr_step *step)
{
    timer *t = self;
    (void)step;
    t->elapsed[MR_STAGE_FIT] = t->saved;
    return MR_OK;
}

static void look(timer *t, mr_step *step)
{
    t->saved = elapsed(t, MR_STAGE_FIT);
    if (t->over || t->saved < t->limit)
        return;
    t->over = true;
    const long long seconds = (long long)t->saved;
    if (!t->opts.quiet)
        mr__log(MR_LOG_INFO,
                "Time limit reached. Elapsed time is %lld:%02lld:%02lld. Signaling Trainer to stop.",
                seconds / 3600, seconds / 60 % 60, seconds % 60);
    mr_trainer_stop(step->trainer);
}

static mr_status train_begins(void *self, mr_step *step)
{
    timer *t = self;
    start(t, MR_STAGE_FIT);
    look(t, step);
    return MR_OK;
}

static mr_status train_ends(void *self, mr_step *step)
{
    (void)step;
    stop(self, MR_STAGE_FIT);
    return MR_OK;
}

static mr_status batch_ends(void *self, mr_step *step)
{
    timer *t = self;
    if (!isinf(t->limit) && mr__ticked(step, &t->ticks) && !t->opts.at_epochs)
        look(t, step);
    return MR_OK;
}

static mr_status epoch_ends(void *self, mr_step *step)
{
    look(self, step);
    return MR_OK;
}

/* ---- the other stages, those of a fit included ---- */

#define PASS(name, stage)                                     \
    static mr_status name##_begins(void *self, mr_step *step) \
    {                                                         \
        (void)step;                                           \
        start(self, stage);                                   \
        return MR_OK;                                         \
    }                                                         \
    static mr_status name##_ends(void *self, mr_step *step)   \
    {                                                         \
        (void)step;                                           \
        stop(self, stage);                                    \
        return MR_OK;                                         \
    }

PASS(validation, MR_STAGE_VALIDATE)
PASS(test, MR_STAGE_TEST)
PASS(predict, MR_STAGE_PREDICT)

static void destroy(void *self)
{
    mr__state_drop(&((timer *)self)->state);
}

static const mr_callback_vtable vtable = { .name = "Timer",
                                           .on_fit_start = fit_begins,
                                           .on_train_start = train_begins,
                                           .on_train_batch_end = batch_ends,
                                           .on_train_epoch_end = epoch_ends,
                                           .on_train_end = train_ends,
                                           .on_exception = train_ends,
                                           .on_validation_start = validation_begins,
                                           .on_validation_end = validation_ends,
                                           .on_validation_left = validation_ends,
                                           .on_test_start = test_begins,
                                           .on_test_end = test_ends,
                                           .on_predict_start = predict_begins,
                                           .on_predict_end = predict_ends,
                                           .state = state,
                                           .on_restored = restored,
                                           .destroy = destroy };

mr_callback *mr_timer_new(const mr_timer_opts *opts)
{
    static const char call[] = "timer";
    timer t = { .opts = opts ? *opts : (mr_timer_opts){ 0 }, .limit = INFINITY };
    mr_duration limit = { 0 };
    if (mr__duration_seconds(call, "duration", t.opts.duration, &limit))
        return NULL;
    t.opts.duration = NULL;
    t.limit = limit.unit ? limit.amount : INFINITY;
    return mr_callback_new(&vtable, &t, sizeof t);
}

static const timer *timer_of(const mr_callback *callback)
{
    return callback && callback->vtable == &vtable ? callback->self : NULL;
}

double mr_timer_elapsed(const mr_callback *callback, mr_stage stage)
{
    const timer *t = timer_of(callback);
    return t && (unsigned)stage < STAGES ? elapsed(t, stage) : (double)NAN;
}

double mr_timer_remaining(const mr_callback *callback)
{
    const timer *t = timer_of(callback);
    return t ? t->limit - elapsed(t, MR_STAGE_FIT) : (double)NAN;
}

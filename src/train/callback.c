#include "callback.h"

#include "profile.h"
#include "trainer.h"

#include "base/alloc.h"

#include <assert.h>
#include <stddef.h>
#include <stdio.h>

/* ---- making ---- */

mr_callback *mr_callback_new(const mr_callback_vtable *vtable, const void *self, size_t size)
{
    void *copy;
    if (!vtable) {
        mr__null("callback_new", "vtable");
        return NULL;
    }
    if (!vtable->name || !*vtable->name) {
        mr__raise(MR_ERR_ARGUMENT, "callback_new: the vtable needs a name");
        return NULL;
    }
    mr_callback *callback = mr__alloc_zeroed(sizeof *callback);
    if (!callback || !mr__copy_self("callback_new", self, size, &copy)) {
        mr__free(callback);
        return NULL;
    }
    callback->vtable = vtable;
    callback->self = copy;
    return callback;
}

void mr_callback_free(mr_callback *callback)
{
    if (!callback || callback->adopted)
        return;
    if (callback->vtable->destroy)
        callback->vtable->destroy(callback->self);
    if (!callback->borrows)
        mr__free(callback->self);
    mr__free(callback);
}

void *mr_callback_self(const mr_callback *callback)
{
    return callback ? callback->self : NULL;
}

mr_status mr_trainer_add_callback(mr_trainer *trainer, mr_callback *callback)
{
    mr_status status = MR_OK;
    if (!trainer || !callback)
        status = mr__null("trainer_add_callback", trainer ? "callback" : "trainer");
    else if (callback->adopted)
        return mr__raise(MR_ERR_ARGUMENT, "trainer_add_callback: %s belongs to a trainer already",
                         callback->vtable->name);
    else if (trainer->callbacks == MR__MAX_CALLBACKS)
        status = mr__raise(MR_ERR_ARGUMENT,
                           "trainer_add_callback: %s is one more than the %d that a trainer can have",
                           callback->vtable->name, MR__MAX_CALLBACKS);
    if (status) {
        mr_callback_free(callback);
        return status;
    }
    callback->adopted = true;
    trainer->callback[trainer->callbacks++] = callback;
    return MR_OK;
}

/* ---- calling ---- */

static const struct {
    const char *name;
    size_t at;
} events[MR__EVENTS] = {
#define EVENT(number, hook) [number] = { #hook, offsetof(mr_callback_vtable, hook) }
#define PASS(stage, of)                                             \
    EVENT(stage + MR__PASS_START, on_##of##_start),                 \
        EVENT(stage + MR__PASS_EPOCH_START, on_##of##_epoch_start), \
        EVENT(stage + MR__PASS_BATCH_START, on_##of##_batch_start), \
        EVENT(stage + MR__PASS_BATCH_END, on_##of##_batch_end),     \
        EVENT(stage + MR__PASS_EPOCH_END, on_##of##_epoch_end), EVENT(stage + MR__PASS_END, on_##of##_end)
    EVENT(MR__ON_FIT_START, on_fit_start),
    EVENT(MR__ON_TRAIN_START, on_train_start),
    EVENT(MR__ON_TRAIN_EPOCH_START, on_train_epoch_start),
    EVENT(MR__ON_TRAIN_BATCH_START, on_train_batch_start),
    EVENT(MR__ON_BEFORE_ZERO_GRAD, on_before_zero_grad),
    EVENT(MR__ON_BEFORE_BACKWARD, on_before_backward),
    EVENT(MR__ON_AFTER_BACKWARD, on_after_backward),
    EVENT(MR__ON_BEFORE_OPTIMIZER_STEP, on_before_optimizer_step),
    EVENT(MR__ON_TRAIN_BATCH_END, on_train_batch_end),
    EVENT(MR__ON_TRAIN_EPOCH_END, on_train_epoch_end),
    EVENT(MR__ON_METRICS, on_metrics),
    EVENT(MR__ON_TRAIN_END, on_train_end),
    EVENT(MR__ON_FIT_END, on_fit_end),
    EVENT(MR__ON_EXCEPTION, on_exception),
    EVENT(MR__ON_RESTORED, on_restored),
    EVENT(MR__SETUP, setup),
    EVENT(MR__TEARDOWN, teardown),
    EVENT(MR__ON_SANITY_CHECK_START, on_sanity_check_start),
    EVENT(MR__ON_SANITY_CHECK_END, on_sanity_check_end),
    EVENT(MR__ON_VALIDATION_LEFT, on_validation_left),
    EVENT(MR__ON_AFTER_OPTIMIZER_STEP, on_after_optimizer_step),
    PASS(MR__ON_VALIDATION, validation),
    PASS(MR__ON_TEST, test),
    PASS(MR__ON_PREDICT, predict),
#undef PASS
#undef EVENT
};

static_assert(MR__EVENTS <= 64, "a bit for each");

static mr_hook *hook_of(const mr_callback_vtable *vtable, mr__event event)
{
    mr_hook *hook = NULL;
    if (vtable)
        memcpy(&hook, (const char *)vtable + events[event].at, sizeof hook);
    return hook;
}

/* A fast development run has no use for those that keep files or end the training. */
static bool takes_part(const mr_trainer *trainer, const mr_callback *callback)
{
    const char *name = callback->vtable->name;
    return !trainer->fast_dev_run ||
           (strcmp(name, "EarlyStopping") != 0 && strcmp(name, "ModelCheckpoint") != 0);
}

static uint64_t wanted_by(const mr_callback_vtable *vtable)
{
    uint64_t wanted = 0;
    for (int event = 0; event < MR__EVENTS; event++)
        if (hook_of(vtable, (mr__event)event))
            wanted |= MR__EVENT_BIT(event);
    return wanted;
}

uint64_t mr__events_wanted(const mr_trainer *trainer, const mr_task *task)
{
    uint64_t wanted = wanted_by(task->vtable->hooks);
    for (size_t i = 0; i < trainer->callbacks; i++)
        wanted |= wanted_by(trainer->callback[i]->vtable);
    return wanted;
}

/* Those whose hooks can leave out what follows. */
static const uint64_t takes_end = MR__EVENT_BIT(MR__ON_TRAIN_BATCH_START) |
                                  MR__EVENT_BIT(MR__ON_BEFORE_BACKWARD) |
                                  MR__EVENT_BIT(MR__ON_BEFORE_OPTIMIZER_STEP);

/* A status that is no failure, and means nothing there. */
static mr_status makes_no_sense(const char *call, const char *whose, mr__event event, mr_status status)
{
    char number[32];
    snprintf(number, sizeof number, "status %d", (int)status);
    return mr__raise(MR_ERR_CALLBACK, "%s: %s: %s gave %s, not MR_OK%s or a failure", call, whose,
                     events[event].name,
                     status == MR_END           ? "MR_END"
                     : status == MR_INTERRUPTED ? "MR_INTERRUPTED"
                                                : number,
                     takes_end & MR__EVENT_BIT(event) ? ", MR_END" : "");
}

/* What becomes of the status of a hook that has something to say. */
static mr_status said(const mr__fit *fit, const char *whose, mr__event event, mr_status status)
{
    static const char *const calls[] = { "fit", "validation", "test", "predict" };
    const char *call = calls[fit->step.stage];
    if (status < 0 ? mr__has_cause(status) : mr__pending()) {
        mr__add_context("%s: %s", call, whose);
        return mr_error_status();
    }
    if (status < 0)
        return mr__raise(status, "%s: %s: %s failed without a message", call, whose, events[event].name);
    return status == MR_END && (takes_end & MR__EVENT_BIT(event))
               ? status
               : makes_no_sense(call, whose, event, status);
}

static mr_status run_hooks(mr__fit *fit, mr__event event)
{
    const mr_trainer *t = fit->trainer;
    mr_status status = MR_OK;
    for (size_t i = 0; i < t->callbacks; i++) {
        const mr_callback *callback = t->callback[i];
        mr_hook *hook = takes_part(t, callback) ? hook_of(callback->vtable, event) : NULL;
        status = hook ? hook(callback->self, &fit->step) : MR_OK;
        if (MR__UNLIKELY(status != MR_OK || mr__pending()))
            return said(fit, callback->vtable->name, event, status);
    }
    mr_hook *own = hook_of(fit->task->vtable->hooks, event);
    if (!own)
        return MR_OK;
    status = own(fit->task->self, &fit->step);
    return MR__UNLIKELY(status != MR_OK || mr__pending()) ? said(fit, "the task", event, status) : MR_OK;
}

mr_status mr__run_hooks(mr__fit *fit, mr__event event)
{
    if (MR__LIKELY(!fit->profile))
        return run_hooks(fit, event);
    mr__profile_begin(fit->profile, MR__P_CALLBACKS);
    mr_status status = run_hooks(fit, event);
    if (fit->profile) /* or it was the end */
        mr__profile_behind(fit->profile, event, fit->manual);
    return status;
}

mr_status mr__hooks_behind(mr__fit *fit, mr__event event, mr_status status)
{
    mr__failure first;
    if (status >= 0) {
        const mr_status behind = mr__hooks(fit, event);
        return behind < 0 ? behind : status;
    }
    mr__failure_take(&first);
    mr_error_clear();
    mr__failure_raise(&first);
    (void)mr_error(); /* read: it is not pending for the hook */
    (void)mr__hooks(fit, event);
    mr_error_clear();
    return mr__failure_raise(&first);
}

/* ---- what hooks can do ---- */

void mr_trainer_stop(mr_trainer *trainer)
{
    if (trainer && trainer->fit)
        trainer->fit->stop = 1;
}

mr_status mr_trainer_save(mr_trainer *trainer, const char *path, const char *remove)
{
    if (!trainer || !path)
        return mr__null("trainer_save", trainer ? "path" : "trainer");
    mr__fit *fit = trainer->fit;
    if (fit && (fit->again || fit->trainer->fast_dev_run))
        return MR_OK;
    if (!fit || !fit->reporter->snapshot)
        return mr__raise(MR_ERR_STATE, "trainer_save: %s",
                         fit ? "the trainer keeps no checkpoints" : "there is no fit");
    if (fit->saves == MR__MAX_SAVES)
        return mr__raise(MR_ERR_STATE, "trainer_save: there are %d to be written already", MR__MAX_SAVES);
    mr__save *save = &fit->save[fit->saves];
    save->path = mr__strdup(path);
    save->remove = mr__strdup(remove);
    if (!save->path || (remove && !save->remove)) {
        mr__free(save->path);
        return MR_ERR_MEMORY;
    }
    fit->saves++;
    return MR_OK;
}

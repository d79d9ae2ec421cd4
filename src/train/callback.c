#include "callback.h"

#include "trainer.h"

#include "base/alloc.h"

#include <stddef.h>

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
    EVENT(MR__ON_FIT_START, on_fit_start),
    EVENT(MR__ON_TRAIN_START, on_train_start),
    EVENT(MR__ON_TRAIN_EPOCH_START, on_train_epoch_start),
    EVENT(MR__ON_TRAIN_BATCH_START, on_train_batch_start),
    EVENT(MR__ON_BEFORE_ZERO_GRAD, on_before_zero_grad),
    EVENT(MR__ON_BEFORE_BACKWARD, on_before_backward),
    EVENT(MR__ON_AFTER_BACKWARD, on_after_backward),
    EVENT(MR__ON_BEFORE_OPTIMIZER_STEP, on_before_optimizer_step),
    EVENT(MR__ON_TRAIN_BATCH_END, on_train_batch_end),
    EVENT(MR__ON_VALIDATION_START, on_validation_start),
    EVENT(MR__ON_VALIDATION_BATCH_START, on_validation_batch_start),
    EVENT(MR__ON_VALIDATION_BATCH_END, on_validation_batch_end),
    EVENT(MR__ON_VALIDATION_END, on_validation_end),
    EVENT(MR__ON_TRAIN_EPOCH_END, on_train_epoch_end),
    EVENT(MR__ON_METRICS, on_metrics),
    EVENT(MR__ON_TRAIN_END, on_train_end),
    EVENT(MR__ON_FIT_END, on_fit_end),
    EVENT(MR__ON_EXCEPTION, on_exception),
    EVENT(MR__ON_RESTORED, on_restored),
#undef EVENT
};

static mr_hook *hook_of(const mr_callback *callback, mr__event event)
{
    mr_hook *hook;
    memcpy(&hook, (const char *)callback->vtable + events[event].at, sizeof hook);
    return hook;
}

/* A fast development run has no use for those that keep files or end the training. */
static bool takes_part(const mr_trainer *trainer, const mr_callback *callback)
{
    const char *name = callback->vtable->name;
    return !trainer->fast_dev_run ||
           (strcmp(name, "EarlyStopping") != 0 && strcmp(name, "ModelCheckpoint") != 0);
}

uint32_t mr__events_wanted(const mr_trainer *trainer)
{
    uint32_t wanted = 0;
    for (size_t i = 0; i < trainer->callbacks; i++)
        for (int event = 0; event < MR__EVENTS; event++)
            if (hook_of(trainer->callback[i], (mr__event)event))
                wanted |= 1u << event;
    return wanted;
}

static mr_status failed(const mr_callback *callback, mr__event event, mr_status status)
{
    if (!mr__pending())
        return mr__raise(status < 0 ? status : MR_ERR_CALLBACK, "fit: %s: %s failed without a message",
                         callback->vtable->name, events[event].name);
    mr__add_context("fit: %s", callback->vtable->name);
    return mr_error_status();
}

mr_status mr__run_hooks(mr__fit *fit, mr__event event)
{
    const mr_trainer *t = fit->trainer;
    for (size_t i = 0; i < t->callbacks; i++) {
        mr_hook *hook = takes_part(t, t->callback[i]) ? hook_of(t->callback[i], event) : NULL;
        mr_status status = hook ? hook(t->callback[i]->self, &fit->step) : MR_OK;
        if (status < 0 || mr__pending())
            return failed(t->callback[i], event, status);
        if (status)
            return status;
    }
    return MR_OK;
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

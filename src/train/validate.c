#include "validate.h"

#include "signals.h"

#include "base/alloc.h"
#include "base/rng.h"
#include "data/loader.h"
#include "tensor/tape.h"

mr_status mr__validate_prepare(mr__fit *fit)
{
    if (!fit->trainer->val_loader)
        return MR_OK;
    if (!fit->task->vtable->validation_step)
        return mr__raise(MR_ERR_ARGUMENT,
                         "fit: there is a loader for validation, but the task has no validation_step");
    fit->val_loader = fit->trainer->val_loader;
    fit->val_step = fit->task->vtable->validation_step;
    fit->val_what = "validation";
    fit->pass = MR__ON_VALIDATION;
    return mr__validate_open(fit);
}

mr_status mr__validate_open(mr__fit *fit)
{
    fit->val_tape = mr_tape_new(fit->loader->order.shared);
    if (!fit->val_tape)
        return MR_ERR_MEMORY;
    mr_tape_set_grad(fit->val_tape, false);
    return mr__modes_init(&fit->modes, fit->task->model);
}

static mr_status failed_at(const mr__fit *fit, mr_status status)
{
    mr__failure failure;
    if (!mr__pending() && fit->val_tape->failed)
        mr__failure_raise(&fit->val_tape->failure);
    if (!mr__pending())
        mr__raise(status < 0 ? status : MR_ERR_CALLBACK, "%s_step failed without a message", fit->val_what);
    status = mr_error_status();
    mr__failure_take(&failure);
    mr_error_clear();
    if (fit->optim)
        return mr__raise(status, "fit: validation of epoch %lld, batch %lld: %s", (long long)fit->step.epoch,
                         (long long)fit->step.batch_index, failure.text);
    return mr__raise(status, "%s: batch %lld: %s", fit->val_what, (long long)fit->step.batch_index,
                     failure.text);
}

/* ---- one that a signal breaks off: it is as if it had not begun ---- */

static mr_status keep_start(mr__fit *fit)
{
    mr__val_start *s = &fit->val_start;
    const void *from;
    size_t size;
    mr_status status = mr_loader_save(fit->val_loader, &from, &size);
    if (status)
        return status;
    if (s->room < size) {
        mr__free(s->loader);
        s->room = 0;
        if (!(s->loader = mr__alloc(size)))
            return MR_ERR_MEMORY;
        s->room = size;
    }
    memcpy(s->loader, from, size);
    s->size = size;
    if (!s->rng && !(s->rng = mr__alloc_array(fit->saved.rngs, sizeof *s->rng)))
        return MR_ERR_MEMORY;
    for (size_t i = 0; i < fit->saved.rngs; i++)
        s->rng[i] = *fit->saved.rng[i];
    return mr__saved_keep(&fit->saved, &s->list) ? MR_OK : MR_ERR_MEMORY;
}

static mr_status back_to_start(mr__fit *fit)
{
    const mr__val_start *s = &fit->val_start;
    mr_status status = mr_loader_restore(fit->val_loader, s->loader, s->size);
    for (size_t i = 0; i < fit->saved.rngs; i++)
        *fit->saved.rng[i] = s->rng[i];
    mr__saved_put_back(&fit->saved, s->list);
    mr__log_forget(&fit->log, true);
    return status ? status : MR_INTERRUPTED;
}

/* ---- running ---- */

static mr_status run_batches(mr__fit *fit)
{
    const mr_trainer *t = fit->trainer;
    const mr_batch *batch;
    mr_status status = MR_OK;
    for (fit->step.batch_index = 0; t->limit_val_batches < 0 || fit->step.batch_index < t->limit_val_batches;
         fit->step.batch_index++) {
        status = mr_loader_next(fit->val_loader, &batch);
        if (status != MR_OK)
            break;
        mr__log_begin(&fit->log, true, batch->rows);
        fit->step.batch = batch;
        status = mr__pass_hooks(fit, MR__PASS_BATCH_START);
        if (status == MR_OK)
            status = fit->val_step(&fit->step, batch);
        if (status == MR_OK && !fit->val_tape->failed)
            status = mr__pass_hooks(fit, MR__PASS_BATCH_END);
        fit->step.batch = NULL;
        if (status != MR_OK || fit->val_tape->failed || mr__pending())
            return failed_at(fit, status);
        mr__log_batch_ended(&fit->log);
        mr_tape_reset(fit->val_tape);
        if (MR__UNLIKELY(fit->signals && mr__signals_end()))
            return MR_INTERRUPTED;
    }
    return status < 0 ? status : MR_OK;
}

/* What hooks have changed for the validation they put back before all else is. */
static mr_status leave(mr__fit *fit, mr_status status)
{
    if (fit->pass == MR__ON_VALIDATION)
        status = mr__hooks_behind(fit, MR__ON_VALIDATION_LEFT, status);
    return status == MR_INTERRUPTED ? back_to_start(fit) : status;
}

static mr_status run(mr__fit *fit)
{
    mr_loader_rewind(fit->val_loader);
    mr_status status = fit->signals ? keep_start(fit) : MR_OK;
    if (status)
        return status;
    status = mr__pass_hooks(fit, MR__PASS_START);
    if (!status)
        status = mr__pass_hooks(fit, MR__PASS_EPOCH_START);
    if (!status)
        status = run_batches(fit);
    if (!status) {
        mr__log_between(&fit->log, true);
        status = mr__pass_hooks(fit, MR__PASS_EPOCH_END);
    }
    if (!status)
        status = mr__pass_hooks(fit, MR__PASS_END);
    return status ? leave(fit, status) : MR_OK;
}

mr_status mr__validate_run(mr__fit *fit)
{
    const int64_t batches = fit->step.batch_index;
    mr__modes_save(&fit->modes, fit->task->model);
    mr_module_train(fit->task->model, false);
    fit->step.tape = fit->val_tape;
    mr_status status = run(fit);
    if (status != MR_INTERRUPTED)
        mr_loader_rewind(fit->val_loader);
    fit->step.tape = fit->tape;
    fit->step.batch_index = batches;
    mr__modes_restore(&fit->modes, fit->task->model);
    if (!status)
        status = mr__log_epoch(fit, true);
    return status ? status : mr__hooks(fit, MR__ON_METRICS);
}

mr_status mr__validate(mr__fit *fit, bool *done)
{
    const bool by_interval = fit->val_period || fit->validation.by != MR__NEVER;
    *done = fit->val_tape && (fit->step.epoch + 1) % fit->trainer->check_val_every == 0 &&
            (!by_interval || mr__trigger_epoch(&fit->validation, fit->step.epoch + 1));
    return *done ? mr__validate_run(fit) : MR_OK;
}

static mr_status run_sanity_check(mr__fit *fit)
{
    mr_trainer *t = fit->trainer;
    const int64_t limit = t->limit_val_batches, batches = t->sanity_batches;
    const uint64_t events = fit->events;
    t->limit_val_batches = batches < 0 || (limit >= 0 && limit < batches) ? limit : batches;
    fit->events &= ~MR__EVENT_BIT(MR__ON_METRICS);
    fit->log.muted = fit->step.sanity_checking = true;
    mr_status status = mr__hooks(fit, MR__ON_SANITY_CHECK_START);
    if (!status)
        status = mr__validate_run(fit);
    if (!status)
        status = mr__hooks(fit, MR__ON_SANITY_CHECK_END);
    fit->log.muted = fit->step.sanity_checking = false;
    fit->events = events;
    t->limit_val_batches = limit;
    return status;
}

mr_status mr__sanity_check(mr__fit *fit)
{
    if (!fit->val_tape || !fit->trainer->sanity_batches || fit->resumed)
        return MR_OK;
    mr_status status = keep_start(fit);
    if (!status)
        status = run_sanity_check(fit);
    if (status == MR_INTERRUPTED)
        fit->signal = mr__signals_end();
    if (status)
        return status;
    status = back_to_start(fit);
    return status == MR_INTERRUPTED ? MR_OK : status;
}

mr_status mr_trainer_set_val_loader(mr_trainer *trainer, mr_loader *loader)
{
    if (!trainer || !loader)
        return mr__null("trainer_set_val_loader", trainer ? "loader" : "trainer");
    trainer->val_loader = loader;
    return MR_OK;
}

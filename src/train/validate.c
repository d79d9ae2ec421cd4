#include "validate.h"

#include "setup.h"
#include "signals.h"

#include "base/alloc.h"
#include "base/rng.h"
#include "data/loader.h"
#include "tensor/tape.h"

mr_status mr__validate_prepare(mr__fit *fit)
{
    const mr_trainer *t = fit->trainer;
    if (!t->val.count || t->limit_val.batches == 0)
        return MR_OK;
    if (!fit->task->vtable->validation_step)
        return mr__raise(MR_ERR_ARGUMENT,
                         "fit: there is a loader for validation, but the task has no validation_step");
    fit->val = t->val;
    if (fit->overfit[1])
        fit->val = (mr__loaders){ { fit->overfit[1] }, 1 };
    mr_status status = mr__validate_limit(fit, fit->overfit[1] ? &t->overfit : &t->limit_val, "fit");
    if (status)
        return status;
    fit->val_step = fit->task->vtable->validation_step;
    fit->val_what = "validation";
    fit->pass = MR__ON_VALIDATION;
    return mr__validate_open(fit);
}

mr_status mr__validate_limit(mr__fit *fit, const mr__limit *limit, const char *call)
{
    mr_status status = MR_OK;
    fit->val_most = -1;
    for (int i = 0; i < fit->val.count && !status; i++)
        status = mr__limit_of(call, limit, mr_loader_len(fit->val.item[i]), &fit->val_limit[i]);
    return status;
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
    if (!mr__has_cause(status < 0 ? status : MR_ERR_CALLBACK))
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

/* ---- one that a signal or a failure breaks off: it is as if it had not begun ---- */

/* Whether a checkpoint may follow. */
static bool may_be_saved(const mr__fit *fit)
{
    return fit->signals || (fit->reporter->snapshot && fit->events & MR__EVENT_BIT(MR__ON_EXCEPTION));
}

static mr_status keep_start(mr__fit *fit)
{
    mr__val_start *s = &fit->val_start;
    for (int i = 0; i < fit->val.count; i++) {
        mr_status status = mr__loader_bytes_take(&s->loader[i], fit->val.item[i]);
        if (status)
            return status;
    }
    if (!s->rng && !(s->rng = mr__alloc_array(fit->saved.rngs, sizeof *s->rng)))
        return MR_ERR_MEMORY;
    for (size_t i = 0; i < fit->saved.rngs; i++)
        s->rng[i] = *fit->saved.rng[i];
    return mr__saved_keep(&fit->saved, &s->list) ? MR_OK : MR_ERR_MEMORY;
}

static mr_status back_to_start(mr__fit *fit)
{
    const mr__val_start *s = &fit->val_start;
    mr_status status = MR_OK;
    for (int i = 0; i < fit->val.count && !status; i++)
        status = mr_loader_restore(fit->val.item[i], s->loader[i].data, s->loader[i].size);
    for (size_t i = 0; i < fit->saved.rngs; i++)
        *fit->saved.rng[i] = s->rng[i];
    mr__saved_put_back(&fit->saved, s->list);
    mr__log_forget(&fit->log, true);
    return status ? status : MR_INTERRUPTED;
}

/* The failure stays the one that is heard of. */
static mr_status failed_back_to_start(mr__fit *fit)
{
    mr__failure first;
    mr__failure_take(&first);
    mr_error_clear();
    (void)back_to_start(fit);
    mr_error_clear();
    return mr__failure_raise(&first);
}

/* ---- running ---- */

/* What a batch has logged of itself, under its number among those of its loader. One of a fit is held back until the validation
 * has ended: one that is broken off begins anew, and its rows with it. */
static mr_status report_batch(mr__fit *fit)
{
    const mr__fit_log *log = &fit->log;
    const mr_row_kind kind = fit->pass == MR__ON_TEST ? MR_ROW_TEST_STEP : MR_ROW_VALIDATION_STEP;
    const int64_t number = fit->val_batches[fit->step.loader_index]++;
    if (MR__LIKELY(!log->logged || !fit->reporter->loggers.count))
        return MR_OK;
    if (fit->optim)
        return mr__held_rows_add(&fit->val_rows, kind, number, log->logged, log->metric, log->row_value);
    mr__reporter_row(fit->reporter, kind, -1, number, log->logged, log->metric, log->row_value);
    return mr__reporter_status(fit->reporter);
}

static mr_status run_batch(mr__fit *fit, const mr_batch *batch)
{
    mr__log_begin(&fit->log, true, batch->rows);
    fit->step.batch = batch;
    mr_status status = mr__pass_hooks(fit, MR__PASS_BATCH_START);
    if (status == MR_OK)
        status = fit->val_step(&fit->step, batch);
    if (status == MR_OK && !fit->val_tape->failed)
        status = mr__pass_hooks(fit, MR__PASS_BATCH_END);
    fit->step.batch = NULL;
    if (status != MR_OK || fit->val_tape->failed || mr__pending())
        return failed_at(fit, status);
    mr__log_batch_ended(&fit->log);
    mr_tape_reset(fit->val_tape);
    status = report_batch(fit);
    if (MR__UNLIKELY(status))
        return status;
    return MR__UNLIKELY(fit->signals && mr__signals_end()) ? MR_INTERRUPTED : MR_OK;
}

/* All of one loader. */
static mr_status run_loader(mr__fit *fit, int index)
{
    const mr_batch *batch;
    mr_status status = MR_OK;
    fit->step.loader_index = index;
    fit->log.loader = fit->val.count > 1 ? index + 1 : 0;
    for (fit->step.batch_index = 0; !mr__reached(fit->val_limit[index], fit->step.batch_index) &&
                                    !mr__reached(fit->val_most, fit->step.batch_index);
         fit->step.batch_index++) {
        status = mr_loader_next(fit->val.item[index], &batch);
        if (status == MR_OK)
            status = run_batch(fit, batch);
        if (status != MR_OK)
            break;
    }
    return status == MR_END ? MR_OK : status;
}

static mr_status run_loaders(mr__fit *fit)
{
    mr_status status = MR_OK;
    for (int i = 0; i < fit->val.count && !status; i++)
        status = run_loader(fit, i);
    fit->step.loader_index = 0;
    fit->log.loader = 0;
    return status;
}

/* What hooks have changed for the validation they put back before all else is. */
static mr_status leave(mr__fit *fit, mr_status status)
{
    if (fit->pass == MR__ON_VALIDATION)
        status = mr__hooks_behind(fit, MR__ON_VALIDATION_LEFT, status);
    if (status < 0)
        return may_be_saved(fit) ? failed_back_to_start(fit) : status;
    return status == MR_INTERRUPTED ? back_to_start(fit) : status;
}

static mr_status run(mr__fit *fit)
{
    mr__loaders_rewind(&fit->val);
    mr_status status = may_be_saved(fit) ? keep_start(fit) : MR_OK;
    if (status)
        return status;
    mr__log_between(&fit->log, true);
    status = mr__pass_hooks(fit, MR__PASS_START);
    if (!status)
        status = mr__pass_hooks(fit, MR__PASS_EPOCH_START);
    if (!status)
        status = run_loaders(fit);
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
    fit->step.validating = true;
    mr_status status = run(fit);
    if (!(status && may_be_saved(fit))) /* it was put back */
        mr__loaders_rewind(&fit->val);
    fit->step.tape = fit->tape;
    fit->step.batch_index = batches;
    mr__modes_restore(&fit->modes, fit->task->model);
    fit->validated |= !status && !fit->step.sanity_checking;
    mr__held_rows_end(&fit->val_rows, status ? NULL : fit->reporter);
    if (!status)
        status = mr__log_epoch(fit, true);
    if (!status)
        status = mr__hooks(fit, MR__ON_METRICS);
    fit->step.validating = false;
    return status;
}

bool mr__validates(const mr__fit *fit)
{
    return fit->val_tape && (fit->step.epoch + 1) % fit->trainer->check_val_every == 0;
}

mr_status mr__validate(mr__fit *fit, bool *done)
{
    const bool by_interval = fit->val_period || fit->validation.by != MR__NEVER;
    *done = mr__validates(fit) && (!by_interval || mr__trigger_epoch(&fit->validation, fit->step.epoch + 1));
    return *done ? mr__validate_run(fit) : MR_OK;
}

static mr_status run_sanity_check(mr__fit *fit)
{
    const uint64_t events = fit->events;
    fit->val_most = fit->trainer->sanity_batches;
    fit->events &= ~MR__EVENT_BIT(MR__ON_METRICS);
    fit->log.muted = fit->step.sanity_checking = true;
    mr_status status = mr__hooks(fit, MR__ON_SANITY_CHECK_START);
    if (!status)
        status = mr__validate_run(fit);
    if (!status)
        status = mr__hooks(fit, MR__ON_SANITY_CHECK_END);
    fit->log.muted = fit->step.sanity_checking = false;
    fit->events = events;
    fit->val_most = -1;
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
    trainer->val = (mr__loaders){ { loader }, 1 };
    return MR_OK;
}

mr_status mr_trainer_add_val_loader(mr_trainer *trainer, mr_loader *loader)
{
    static const char call[] = "trainer_add_val_loader";
    if (!trainer || !loader)
        return mr__null(call, trainer ? "loader" : "trainer");
    mr_loader *all[MR__MAX_LOADERS + 1];
    memcpy(all, trainer->val.item, sizeof trainer->val.item);
    all[trainer->val.count] = loader;
    return mr__loaders_of(call, all, trainer->val.count + 1, &trainer->val);
}

#include "batch_norm.h"

#include "feed.h"
#include "setup.h"

#include "base/alloc.h"
#include "data/loader.h"
#include "tensor/tape.h"

static mr_status failed_at(const mr__fit *fit)
{
    mr__failure failure;
    const mr_status status = mr_error_status();
    mr__failure_take(&failure);
    mr_error_clear();
    return mr__raise(status, "update_batch_norm: batch %lld: %s", (long long)fit->step.batch_index,
                     failure.text);
}

static mr_status run_step(mr__fit *fit, const mr_batch *batch)
{
    fit->skipped = fit->abandoned = false;
    fit->step_failure.status = MR_OK;
    fit->step.batch = batch;
    (void)fit->task->vtable->training_step(&fit->step, batch);
    fit->step.batch = NULL;
    if (!mr__pending() && fit->step_failure.status)
        mr__failure_raise(&fit->step_failure);
    if (!mr__pending() && fit->tape->failed)
        mr__failure_raise(&fit->tape->failure);
    mr_status status = mr__pending() ? failed_at(fit) : MR_OK;
    mr_tape_reset(fit->tape);
    return status;
}

static mr_status run_batches(mr__fit *fit)
{
    const mr_batch *batch;
    mr_status status = MR_OK;
    mr__feed_rewind(fit);
    for (fit->step.batch_index = 0; !status && !mr__reached(fit->limit, fit->step.batch_index);
         fit->step.batch_index++) {
        status = fit->next ? fit->next(fit, &batch) : mr_loader_next(fit->loader, &batch);
        if (!status)
            status = run_step(fit, batch);
    }
    mr__feed_rewind(fit);
    return status < 0 ? status : MR_OK;
}

/* The steps see that there is no optimizer, and say to nobody what they log. */
static mr_status run_forward_only(mr__fit *fit)
{
    const mr_step step = fit->step;
    const bool muted = fit->log.muted;
    const bool had_grad = mr_tape_set_grad(fit->tape, false);
    fit->step.tape = fit->tape;
    fit->step.optim = NULL;
    fit->log.muted = fit->forward_only = true;
    mr_status status = run_batches(fit);
    fit->log.muted = muted;
    fit->forward_only = fit->skipped = fit->abandoned = false;
    fit->step_failure.status = MR_OK;
    fit->step = step;
    (void)mr_tape_set_grad(fit->tape, had_grad);
    return status;
}

mr_status mr__batch_norm_pass(mr__fit *fit)
{
    mr_module *model = fit->task->model;
    mr__modes modes;
    mr_status status = mr__modes_init(&modes, model);
    if (status)
        return status;
    if (mr__batch_norms_begin(model)) {
        mr__modes_save(&modes, model);
        mr_module_train(model, true);
        status = run_forward_only(fit);
        mr__modes_restore(&modes, model);
    }
    mr__batch_norms_end(model);
    mr__modes_free(&modes);
    return status;
}

mr_status mr_trainer_update_batch_norm(mr_trainer *trainer, mr_task *task, mr_loader *loader)
{
    static const char call[] = "update_batch_norm";
    if (!trainer || !task || !loader)
        return mr__settle(mr__null(call, !trainer ? "trainer" : !task ? "task" : "loader"));
    if (mr__pending())
        return mr__settle(mr_error_status());
    if (trainer->fit)
        return mr__settle(mr__raise(MR_ERR_STATE, "%s: the trainer is in a fit", call));
    if (!task->vtable->training_step)
        return mr__settle(mr__raise(MR_ERR_ARGUMENT, "%s: the task has no training_step", call));
    mr__fit *fit = mr__alloc_zeroed(sizeof *fit);
    if (!fit)
        return mr__settle(MR_ERR_MEMORY);
    fit->trainer = trainer;
    fit->task = task;
    fit->loader = loader;
    fit->train = (mr__loaders){ { loader }, 1 };
    fit->manual = task->vtable->configure_manual;
    fit->tape = mr_tape_new(loader->order.shared);
    fit->step = (mr_step){ .model = task->model, .self = task->self, .trainer = trainer, .tape = fit->tape };
    mr_status status = fit->tape ? MR_OK : MR_ERR_MEMORY;
    if (!status)
        status = mr__limit_of(call, &trainer->limit_train, mr_loader_len(loader), &fit->limit);
    if (!status)
        status = mr__batch_norm_pass(fit);
    mr_tape_free(fit->tape);
    mr__free(fit);
    return mr__settle(status);
}

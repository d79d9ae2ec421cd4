#include "batch_norm.h"

#include "feed.h"
#include "setup.h"

#include "base/alloc.h"
#include "data/loader.h"
#include "tensor/tape.h"

static mr_status failed_at(const mr__fit *fit, mr_status status)
{
    mr__failure failure;
    if (!mr__pending() && fit->tape->failed)
        mr__failure_raise(&fit->tape->failure);
    status = mr__pending() ? mr_error_status() : status;
    mr__failure_take(&failure);
    mr_error_clear();
    return mr__raise(status, "update_batch_norm: batch %lld: %s", (long long)fit->step.batch_index,
                     failure.text);
}

static mr_status run_batches(mr__fit *fit)
{
    const mr_batch *batch;
    mr_status status = MR_OK;
    mr__feed_rewind(fit);
    for (fit->step.batch_index = 0; !status && !mr__reached(fit->limit, fit->step.batch_index);
         fit->step.batch_index++) {
        if ((status = fit->next ? fit->next(fit, &batch) : mr_loader_next(fit->loader, &batch)))
            break;
        fit->step.batch = batch;
        (void)fit->task->vtable->training_step(&fit->step, batch);
        fit->step.batch = NULL;
        if (fit->tape->failed || mr__pending())
            status = failed_at(fit, MR_ERR_CALLBACK);
        mr_tape_reset(fit->tape);
    }
    mr__feed_rewind(fit);
    return status < 0 ? status : MR_OK;
}

mr_status mr__batch_norm_pass(mr__fit *fit)
{
    mr_module *model = fit->task->model;
    mr__modes modes;
    mr_tape *tape = fit->step.tape;
    const int64_t at = fit->step.batch_index;
    const bool muted = fit->log.muted;
    mr_status status = mr__modes_init(&modes, model);
    if (status)
        return status;
    if (mr__batch_norms_begin(model)) {
        const bool had_grad = mr_tape_set_grad(fit->tape, false);
        mr__modes_save(&modes, model);
        mr_module_train(model, true);
        fit->step.tape = fit->tape;
        fit->log.muted = true;
        status = run_batches(fit);
        fit->log.muted = muted;
        fit->step.tape = tape;
        fit->step.batch_index = at;
        mr__modes_restore(&modes, model);
        (void)mr_tape_set_grad(fit->tape, had_grad);
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

/* The training loop. */
#include "trainer.h"

#include "summary.h"
#include "train_step.h"
#include "validate.h"
#include "version_dir.h"

#include "base/alloc.h"
#include "base/file.h"
#include "base/log.h"
#include "data/loader.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* ---- setting up ---- */

static mr_status open_logs(mr__fit *fit)
{
    mr_trainer *trainer = fit->trainer;
    mr__reporter *r = fit->reporter;
    trainer->log_dir = mr__version_dir_make(trainer->csv, trainer->name, &r->version);
    if (!trainer->log_dir)
        return mr_error_status();
    r->csv = mr__csv_logger_open(trainer->log_dir);
    trainer->metrics_path = r->csv ? mr__strdup(mr__csv_logger_path(r->csv)) : NULL;
    if (!trainer->metrics_path)
        return mr_error_status();
    if (trainer->no_checkpoint)
        return MR_OK;
    r->checkpoint_dir = mr__path_join(trainer->log_dir, "checkpoints");
    if (!r->checkpoint_dir)
        return mr_error_status();
    if (mkdir(r->checkpoint_dir, 0777))
        return mr__io_failed("make folder", r->checkpoint_dir, errno);
    r->snapshot = mr__snapshot_new(fit->task->model, fit->optim);
    return r->snapshot ? MR_OK : mr_error_status();
}

static mr_status set_up(mr__fit *fit)
{
    mr_task *task = fit->task;
    mr_trainer *trainer = fit->trainer;
    fit->params = mr_module_parameters(task->model);
    if (!fit->params.item)
        return mr_error_status();
    fit->optim = task->vtable->configure_optimizers(task->self, task->model);
    if (!fit->optim) {
        if (!mr__pending())
            mr__raise(MR_ERR_CALLBACK, "fit: configure_optimizers gave no optimizer");
        return mr_error_status();
    }
    if (task->vtable->configure_schedule &&
        !(fit->schedule = task->vtable->configure_schedule(task->self, fit->optim))) {
        if (!mr__pending())
            mr__raise(MR_ERR_CALLBACK, "fit: configure_schedule gave no schedule");
        return mr_error_status();
    }
    fit->tape = mr_tape_new(fit->loader->order.shared);
    fit->reporter = mr__reporter_new();
    if (!fit->tape || !fit->reporter)
        return MR_ERR_MEMORY;
    mr_status status = trainer->csv ? open_logs(fit) : MR_OK;
    if (!status && !trainer->no_summary)
        status = mr__summary_log(task->model);
    fit->reporter->bar = !trainer->no_progress;
    fit->reporter->total = mr_loader_len(fit->loader);
    if (trainer->limit_batches >= 0 &&
        (fit->reporter->total < 0 || fit->reporter->total > trainer->limit_batches))
        fit->reporter->total = trainer->limit_batches;
    fit->step.model = task->model;
    fit->step.tape = fit->tape;
    fit->step.self = task->self;
    if (!status)
        status = mr__validate_prepare(fit);
    return status ? status : mr__reporter_start(fit->reporter);
}

/* ---- the loop ---- */

static bool reached(int64_t limit, int64_t count)
{
    return limit >= 0 && count >= limit;
}

/* After an update. */
static void report_step(mr__fit *fit)
{
    if ((fit->step.global_step + 1) % fit->trainer->log_every == 0 && fit->log.logged)
        mr__reporter_row(fit->reporter, fit->step.epoch, fit->step.global_step, fit->log.logged,
                         fit->log.metric, fit->log.row_value);
    fit->step.global_step++;
}

/* MR_OK at the end of the epoch, which is then complete, or of the steps. */
static mr_status run_batches(mr__fit *fit, bool *complete)
{
    const mr_trainer *t = fit->trainer;
    const mr_batch *batch;
    mr_status status = MR_OK;
    bool updated;
    while (!reached(t->limit_batches, fit->step.batch_index) &&
           (status = mr_loader_next(fit->loader, &batch)) == MR_OK) {
        status = mr__reporter_status(fit->reporter);
        if (!status)
            status = mr__train_batch(fit, batch, &updated);
        if (status)
            return status;
        if (updated)
            report_step(fit);
        fit->step.batch_index++;
        mr__reporter_progress(fit->reporter, fit->step.batch_index);
        if (reached(t->max_steps, fit->step.global_step)) {
            *complete = fit->step.batch_index == fit->reporter->total;
            return MR_OK;
        }
    }
    *complete = true;
    if (status < 0)
        return status;
    status = mr__train_rest(fit, &updated);
    if (!status && updated)
        report_step(fit);
    return status;
}

/* In Lightning's order: the schedule, validation and its row, the epoch's row, a schedule that looks at a metric. */
static mr_status end_epoch(mr__fit *fit, bool complete)
{
    bool validated = false;
    mr_status status = complete ? mr__train_epoch_ended(fit) : MR_OK;
    if (!status && complete)
        status = mr__validate(fit, &validated);
    if (!status)
        status = mr__log_epoch(fit, false);
    return !status && validated ? mr__train_validated(fit) : status;
}

static mr_status run_epoch(mr__fit *fit)
{
    mr__reporter *r = fit->reporter;
    fit->step.batch_index = 0;
    if (r->bar) {
        mr__reporter_progress(r, 0);
        atomic_store_explicit(&r->epoch, fit->step.epoch, memory_order_relaxed);
        atomic_store_explicit(&r->epoch_began, mr__now(), memory_order_relaxed);
    }
    bool complete = false;
    mr_status status = run_batches(fit, &complete);
    if (!status && fit->trainer->limit_batches >= 0)
        mr_loader_rewind(fit->loader);
    return !status && fit->step.batch_index ? end_epoch(fit, complete) : status;
}

static mr_status run_epochs(mr__fit *fit)
{
    const mr_trainer *t = fit->trainer;
    while (!reached(t->max_epochs, fit->step.epoch) && !reached(t->max_steps, fit->step.global_step)) {
        mr_status status = run_epoch(fit);
        if (status)
            return status;
        if (fit->step.batch_index == 0)
            return MR_END; /* an epoch without batches: the next ones would have none either */
        mr__reporter_snapshot(fit->reporter, fit->step.epoch, fit->step.global_step);
        fit->step.epoch++;
    }
    return MR_OK;
}

static void say_why(const mr__fit *fit, mr_status status)
{
    const mr_trainer *t = fit->trainer;
    if (t->no_summary)
        return;
    if (status == MR_END)
        mr__log(MR_LOG_INFO, "`Trainer.fit` stopped: No training batches.");
    else if (reached(t->max_steps, fit->step.global_step))
        mr__log(MR_LOG_INFO, "`Trainer.fit` stopped: `max_steps=%lld` reached.", (long long)t->max_steps);
    else
        mr__log(MR_LOG_INFO, "`Trainer.fit` stopped: `max_epochs=%lld` reached.", (long long)t->max_epochs);
}

/* Ends the reporter: MR_OK, or what it failed with. */
static mr_status finish(mr__fit *fit, mr_status status)
{
    mr_trainer *trainer = fit->trainer;
    mr__reporter *r = fit->reporter;
    mr_status reported = r ? mr__reporter_finish(r) : MR_OK;
    trainer->global_step = fit->step.global_step;
    if (r && atomic_load(&r->written) == 0) { /* without a row there is no file */
        mr__free(trainer->metrics_path);
        trainer->metrics_path = NULL;
    }
    if (r && *r->path && !(trainer->checkpoint_path = mr__strdup(r->path)) && !reported)
        reported = MR_ERR_MEMORY;
    if (status >= 0 && !reported)
        say_why(fit, status);
    return reported;
}

/* Ends what set_up began. What failed first, in the training, is what the caller hears of. */
static mr_status wind_up(mr__fit *fit, mr_status status)
{
    mr__failure first;
    if (status >= 0)
        return finish(fit, status);
    mr__failure_take(&first);
    finish(fit, status);
    mr_error_clear();
    mr__failure_raise(&first);
    return status;
}

mr_status mr_trainer_fit(mr_trainer *trainer, mr_task *task, mr_loader *loader)
{
    if (!trainer || !task || !loader)
        return mr__settle(mr__null("fit", !trainer ? "trainer" : !task ? "task" : "loader"));
    if (mr__pending())
        return mr__settle(mr_error_status());
    mr__fit *fit = mr__alloc_zeroed(sizeof *fit);
    if (!fit)
        return mr__settle(MR_ERR_MEMORY);
    char **stale[] = { &trainer->log_dir, &trainer->metrics_path, &trainer->checkpoint_path };
    for (int i = 0; i < 3; i++) {
        mr__free(*stale[i]);
        *stale[i] = NULL;
    }
    mr__epoch_values_free(&trainer->epoch_values);
    fit->trainer = trainer;
    fit->task = task;
    fit->loader = loader;
    mr_loader_rewind(loader); /* an epoch that somebody has begun is not ours to end */
    mr_status status = set_up(fit);
    if (!status)
        status = run_epochs(fit);
    status = wind_up(fit, status);
    mr_loader_rewind(loader);
    trainer->memory = mr_memory_of(task->model, fit->optim, fit->tape);
    mr__reporter_free(fit->reporter);
    mr_tape_free(fit->tape);
    mr_tape_free(fit->val_tape);
    mr__modes_free(&fit->modes);
    mr__log_free(&fit->log);
    mr_schedule_free(fit->schedule);
    mr_optim_free(fit->optim);
    mr__free(fit);
    return mr__settle(status);
}

/* The training loop. */
#include "trainer.h"

#include "setup.h"
#include "signals.h"
#include "train_step.h"
#include "validate.h"

#include "base/alloc.h"
#include "base/log.h"

#include <signal.h>

/* ---- the loop ---- */

/* After an update. */
static void report_step(mr__fit *fit)
{
    if ((fit->step.global_step + 1) % fit->trainer->log_every == 0 && fit->log.logged)
        mr__reporter_row(fit->reporter, fit->step.epoch, fit->step.global_step, fit->log.logged,
                         fit->log.metric, fit->log.row_value);
    fit->step.global_step++;
}

/* ---- checkpoints ---- */

/* The file is named after the epoch of the last step. */
static mr_status take_checkpoint(mr__fit *fit, mr__phase phase, int64_t epoch)
{
    fit->phase = phase;
    fit->checkpoint_due = false;
    return mr__reporter_snapshot(fit->reporter, epoch);
}

/* After a batch. The clock is looked at when the reporter has woken up. */
static bool falls_due(mr__fit *fit)
{
    mr__trigger *trigger = &fit->checkpoint;
    if (trigger->by != MR__BY_CLOCK)
        return mr__trigger_counted(trigger);
    const unsigned ticks = atomic_load_explicit(&fit->reporter->ticks, memory_order_relaxed);
    if (ticks == fit->ticks)
        return false;
    fit->ticks = ticks;
    return mr__trigger_clock(trigger, mr__now());
}

static void look_at_signals(mr__fit *fit)
{
    fit->signal = mr__signals_end();
    if (mr__signals_save() || fit->signal)
        fit->checkpoint_due = true;
}

/* One that falls due while gradients are added up is taken after their update. */
static mr_status checkpoint_if_due(mr__fit *fit)
{
    if (MR__UNLIKELY(falls_due(fit)))
        fit->checkpoint_due = true;
    if (MR__UNLIKELY(fit->signals && mr__signals_any()))
        look_at_signals(fit);
    if (MR__LIKELY(!fit->checkpoint_due) || fit->window)
        return MR_OK;
    mr_status status = take_checkpoint(fit, MR__IN_BATCHES, fit->step.epoch);
    return !status && fit->signal ? MR_INTERRUPTED : status;
}

/* ---- an epoch ---- */

static mr_status run_batch(mr__fit *fit, const mr_batch *batch)
{
    bool updated;
    mr_status status = mr__reporter_status(fit->reporter);
    if (!status)
        status = mr__train_batch(fit, batch, &updated);
    if (status)
        return status;
    if (updated)
        report_step(fit);
    fit->batches++;
    fit->samples += batch->rows;
    fit->step.batch_index++;
    mr__reporter_progress(fit->reporter, fit->step.batch_index);
    return checkpoint_if_due(fit);
}

/* A window that the end of the epoch has cut short. */
static mr_status end_batches(mr__fit *fit)
{
    bool updated;
    mr_status status = mr__train_rest(fit, &updated);
    if (!status && updated)
        report_step(fit);
    if (!status && fit->checkpoint_due)
        status = take_checkpoint(fit, MR__AT_EPOCH_END, fit->step.epoch);
    return !status && fit->signal ? MR_INTERRUPTED : status;
}

/* MR_OK at the end of the epoch, which is then complete, or of the steps. That end is within an epoch for a training that
 * goes on to more steps later: so what is kept of it is how it stands here. */
static mr_status run_batches(mr__fit *fit, bool *complete)
{
    const mr_trainer *t = fit->trainer;
    const mr_batch *batch;
    while (!mr__reached(t->max_steps, fit->step.global_step)) {
        mr_status status = MR_END;
        if (!mr__reached(t->limit_batches, fit->step.batch_index))
            status = mr_loader_next(fit->loader, &batch);
        if (status == MR_END) {
            *complete = true;
            return end_batches(fit);
        }
        if (!status)
            status = run_batch(fit, batch);
        if (status)
            return status;
    }
    *complete = fit->step.batch_index == fit->reporter->total;
    fit->stopped = true;
    return take_checkpoint(fit, MR__IN_BATCHES, fit->step.epoch);
}

/* In Lightning's order: the schedule, validation and its row, the epoch's row, a schedule that looks at a metric. */
static mr_status end_epoch(mr__fit *fit, bool complete)
{
    bool validated = false;
    mr_status status = MR_OK;
    if (complete && fit->phase != MR__AT_VALIDATION)
        status = mr__train_epoch_ended(fit);
    if (!status && complete)
        status = mr__validate(fit, &validated);
    if (status == MR_INTERRUPTED)
        fit->signal = mr__signals_end();
    if (status == MR_INTERRUPTED && !fit->stopped) {
        mr_status taken = take_checkpoint(fit, MR__AT_VALIDATION, fit->step.epoch);
        return taken ? taken : status;
    }
    if (!status)
        status = mr__log_epoch(fit, false);
    return !status && validated ? mr__train_validated(fit) : status;
}

static mr_status run_epoch(mr__fit *fit)
{
    mr__reporter *r = fit->reporter;
    if (r->bar) {
        mr__reporter_progress(r, fit->step.batch_index);
        atomic_store_explicit(&r->epoch, fit->step.epoch, memory_order_relaxed);
        atomic_store_explicit(&r->epoch_began, mr__now(), memory_order_relaxed);
    }
    bool complete = true;
    mr_status status = fit->phase == MR__IN_BATCHES ? run_batches(fit, &complete) : MR_OK;
    if (!status && fit->trainer->limit_batches >= 0)
        mr_loader_rewind(fit->loader);
    return !status && fit->step.batch_index ? end_epoch(fit, complete) : status;
}

/* ---- all of them ---- */

static mr_status end_of_epoch(mr__fit *fit)
{
    const int64_t epoch = fit->step.epoch++;
    fit->step.batch_index = 0;
    fit->phase = MR__IN_BATCHES;
    fit->finished = mr__reached(fit->trainer->max_epochs, fit->step.epoch) ||
                    mr__reached(fit->trainer->max_steps, fit->step.global_step);
    if (fit->finished || fit->checkpoint_due || mr__trigger_epoch(&fit->checkpoint, fit->step.epoch))
        return take_checkpoint(fit, MR__IN_BATCHES, epoch);
    return MR_OK;
}

/* A fit that was resumed within an epoch ends that first, whatever the limit of steps. */
static mr_status run_epochs(mr__fit *fit)
{
    const mr_trainer *t = fit->trainer;
    bool within = fit->step.batch_index > 0;
    while (!mr__reached(t->max_epochs, fit->step.epoch) &&
           (within || !mr__reached(t->max_steps, fit->step.global_step))) {
        within = false;
        mr_status status = run_epoch(fit);
        if (status)
            return status;
        if (fit->step.batch_index == 0)
            return MR_END; /* an epoch without batches: the next ones would have none either */
        if (fit->stopped) {
            mr__reporter_finish_snapshot(fit->reporter);
            return MR_OK;
        }
        if ((status = end_of_epoch(fit)))
            return status;
    }
    return MR_OK;
}

static void say_why(const mr__fit *fit, mr_status status)
{
    const mr_trainer *t = fit->trainer;
    if (t->no_summary)
        return;
    if (status == MR_INTERRUPTED)
        mr__log(MR_LOG_INFO, "`Trainer.fit` stopped: %s.", t->signal == SIGINT ? "SIGINT" : "SIGTERM");
    else if (status == MR_END)
        mr__log(MR_LOG_INFO, "`Trainer.fit` stopped: No training batches.");
    else if (mr__reached(t->max_steps, fit->step.global_step))
        mr__log(MR_LOG_INFO, "`Trainer.fit` stopped: `max_steps=%lld` reached.", (long long)t->max_steps);
    else
        mr__log(MR_LOG_INFO, "`Trainer.fit` stopped: `max_epochs=%lld` reached.", (long long)t->max_epochs);
}

/* Ends the reporter: the status that the fit had if it was no failure, or what the reporter failed with. */
static mr_status finish(mr__fit *fit, mr_status status)
{
    mr_trainer *trainer = fit->trainer;
    mr__reporter *r = fit->reporter;
    mr_status reported = r ? mr__reporter_finish(r) : MR_OK;
    trainer->global_step = fit->step.global_step;
    trainer->signal = status == MR_INTERRUPTED ? fit->signal : 0;
    if (r && atomic_load(&r->written) == 0 && !r->any_rows) { /* without a row there is no file */
        mr__free(trainer->metrics_path);
        trainer->metrics_path = NULL;
    }
    if (r && *r->path && !(trainer->checkpoint_path = mr__strdup(r->path)) && !reported)
        reported = MR_ERR_MEMORY;
    if (status >= 0 && !reported)
        say_why(fit, status);
    return reported ? reported : status == MR_INTERRUPTED ? status : MR_OK;
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
    mr_status status = trainer->handle_signals ? mr__signals_take() : MR_OK;
    fit->signals = trainer->handle_signals && !status;
    if (!status)
        status = mr__set_up(fit);
    if (status == MR_END) {
        trainer->global_step = fit->step.global_step;
        status = MR_OK;
    } else {
        status = status ? status : run_epochs(fit);
        if (!status && fit->signals && (fit->signal = mr__signals_end()))
            status = MR_INTERRUPTED; /* too late to matter to the fit, but not to the program */
        status = wind_up(fit, status);
    }
    if (fit->signals)
        mr__signals_give_back();
    mr_loader_rewind(loader);
    trainer->memory = mr_memory_of(task->model, fit->optim, fit->tape);
    mr__reporter_free(fit->reporter);
    mr_tape_free(fit->tape);
    mr_tape_free(fit->val_tape);
    mr__modes_free(&fit->modes);
    mr__saved_free(&fit->saved);
    mr__free(fit->val_start.loader);
    mr__free(fit->val_start.rng);
    mr__log_free(&fit->log);
    mr_schedule_free(fit->schedule);
    mr_optim_free(fit->optim);
    mr__free(fit);
    return mr__settle(status);
}

/* A fit from its beginning to its end. */
#include "last_saves.h"
#include "loop.h"
#include "nonfinite.h"
#include "rollback.h"
#include "setup.h"
#include "signals.h"
#include "validate.h"

#include "base/alloc.h"
#include "base/log.h"

#include <signal.h>

/* A limit that was reached comes before who has asked for the end, and may have had to wait for it (Lightning's order). */
static void say_why(const mr__fit *fit, mr_status status)
{
    const mr_trainer *t = fit->trainer;
    if (t->no_summary)
        return;
    if (status == MR_INTERRUPTED)
        mr__log(MR_LOG_INFO, "`Trainer.fit` stopped: %s.", t->signal == SIGINT ? "SIGINT" : "SIGTERM");
    else if (mr__reached(t->max_steps, fit->step.global_step))
        mr__log(MR_LOG_INFO, "`Trainer.fit` stopped: `max_steps=%lld` reached.", (long long)t->max_steps);
    else if (mr__reached(t->max_epochs, fit->step.epoch))
        mr__log(MR_LOG_INFO, "`Trainer.fit` stopped: `max_epochs=%lld` reached.", (long long)t->max_epochs);
    else if (fit->time_over)
        mr__log(MR_LOG_INFO, "`Trainer.fit` stopped: `max_time=%g` seconds reached.", t->max_time.amount);
    else if (fit->stop)
        mr__log(MR_LOG_INFO, "`Trainer.fit` stopped: a callback has asked for it.");
    else
        mr__log(MR_LOG_INFO, "`Trainer.fit` stopped: No training batches.");
}

/* Samples that were left out since there were so many. */
static void say_left_out(const mr_loader *loader, int64_t before)
{
    const mr_bad_sample *list;
    int64_t listed, count = mr_loader_bad_samples(loader, &list, &listed) - before;
    if (count > 0)
        mr__log(MR_LOG_WARNING, "fit: %lld bad sample%s left out%s%s", (long long)count,
                count == 1 ? " was" : "s were", before < listed ? ", the first: " : "",
                before < listed ? list[before].message : "");
}

/* Where it stands, as evaluations behind it say; an epoch that was begun counts, unless it was broken off. */
static void note_place(const mr__fit *fit, mr_status status)
{
    mr_trainer *t = fit->trainer;
    t->global_step = fit->step.global_step;
    t->log_step = fit->manual ? fit->batches : fit->step.global_step;
    t->epochs = fit->step.epoch + (status >= 0 && status != MR_INTERRUPTED && fit->step.batch_index > 0);
}

/* The reporter has failed while the training went on: what with, and what the disk has of it. */
static void say_what_is_left(const mr__fit *fit)
{
    const mr__reporter *r = fit->reporter;
    mr__log(MR_LOG_WARNING, "fit: %s: the training ends at step %lld", r->failure.text,
            (long long)fit->step.global_step);
    if (*r->path)
        mr__log(MR_LOG_WARNING, "fit: the last checkpoint is '%s'", r->path);
    else if (r->snapshot)
        mr__log(MR_LOG_WARNING, "fit: there is no checkpoint%s",
                fit->resumed ? " but the one it has gone on from" : "");
}

/* Those who wait for metrics have waited in vain. */
static void warn_of_no_validation(const mr__fit *fit)
{
    const mr_trainer *t = fit->trainer;
    const char *schedule = fit->manual ? NULL : fit->task->vtable->schedule_monitor;
    char who[300] = "";
    size_t used = 0;
    for (int i = 0; i < fit->val.count; i++)
        if (fit->val_batches[i])
            return;
    if (!fit->val_tape || fit->validated || !fit->batches ||
        (!t->val_interval.unit && t->check_val_every == 1))
        return;
    for (size_t i = 0; i <= t->callbacks && used < sizeof who; i++) {
        const mr_callback_vtable *v = i < t->callbacks ? t->callback[i]->vtable : NULL;
        const char *name =
            v ? (v->on_metrics || v->on_validation_end ? v->name : NULL) : (schedule ? "the schedule" : NULL);
        if (name)
            used += (size_t)snprintf(who + used, sizeof who - used, "%s%.60s", used ? ", " : "", name);
    }
    mr__log(MR_LOG_WARNING, "fit: there was no validation in %lld batches, %s never fell due%s%s",
            (long long)fit->batches, t->val_interval.unit ? "val_check_interval" : "check_val_every_n_epoch",
            used ? ": nothing of it was seen by " : "", who);
}

static void warn_of_no_update(const mr__fit *fit)
{
    if (fit->manual && fit->batches && !fit->step.global_step)
        mr__log(
            MR_LOG_WARNING,
            "fit: no update was made in %lld batches: a task with configure_manual makes them itself, with "
            "mr_step_update",
            (long long)fit->batches);
}

/* Ends the reporter: the status that the fit had if it was no failure, or what the reporter failed with. */
static mr_status finish(mr__fit *fit, mr_status status)
{
    mr_trainer *trainer = fit->trainer;
    mr__reporter *r = fit->reporter;
    mr_status reported = r ? mr__reporter_finish(r) : MR_OK;
    note_place(fit, status);
    trainer->signal = status == MR_INTERRUPTED ? fit->signal : 0;
    mr__forget_missing_metrics(trainer);
    if (reported)
        say_what_is_left(fit);
    if (r && *r->path && !(trainer->checkpoint_path = mr__strdup(r->path)) && !reported)
        reported = MR_ERR_MEMORY;
    if (status >= 0 && !reported) {
        say_why(fit, status);
        if (status != MR_INTERRUPTED) {
            warn_of_no_validation(fit);
            warn_of_no_update(fit);
        }
        for (int i = 0; i < fit->train.count; i++)
            say_left_out(fit->train.item[i], fit->bad_before[i]);
    }
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

/* Tells the callbacks of a failure, and writes what they want to have saved while there is a training. `ended`: it is
 * one behind its last checkpoint, of which that is a copy: what was done since is no part of what a longer training
 * goes on from. */
static mr_status say_failed(mr__fit *fit, mr_status status, bool ended)
{
    mr__failure first;
    status = mr__hooks_behind(fit, MR__ON_EXCEPTION, status);
    if (!fit->in_training || !fit->saves)
        return status;
    mr__failure_take(&first);
    mr_error_clear();
    if (ended && fit->reporter->last >= 0)
        mr__take_last_saves(fit);
    else if (mr__keep_failed(fit) == MR_OK)
        (void)mr__take_saves(fit, fit->step.epoch);
    mr_error_clear();
    return mr__failure_raise(&first);
}

/* The callbacks' last words, by which the model may be changed: what fails then has no place to go on from. */
static mr_status say_goodbye(mr__fit *fit, mr_status status)
{
    const bool complete = status == MR_OK;
    status = mr__hooks_behind(fit, MR__ON_TRAIN_END, status);
    if (status < 0)
        return say_failed(fit, status, complete);
    fit->in_training = false;
    status = mr__hooks_behind(fit, MR__ON_FIT_END, status);
    return status < 0 ? say_failed(fit, status, complete) : status;
}

static mr_status train(mr__fit *fit)
{
    fit->in_training = true;
    mr_status status = mr__sanity_check(fit);
    mr__log_between(&fit->log, false);
    fit->log.muted = fit->resumed; /* the checkpoint has what was logged there */
    if (!status)
        status = mr__hooks(fit, MR__ON_TRAIN_START);
    fit->log.muted = false;
    if (!status)
        status = mr__run_epochs(fit);
    if (!status && fit->signals && (fit->signal = mr__signals_end()))
        status = MR_INTERRUPTED; /* too late to matter to the fit, but not to the program */
    return status < 0 ? say_failed(fit, status, false) : say_goodbye(fit, status);
}

/* Of a training that had come to its end before. */
static mr_status end_again(mr__fit *fit)
{
    note_place(fit, MR_OK);
    mr__forget_missing_metrics(fit->trainer);
    mr_status status = mr__hooks_behind(fit, MR__ON_FIT_END, MR_OK);
    return status < 0 ? say_failed(fit, status, true) : status;
}

static mr_status run(mr__fit *fit)
{
    mr_status status = mr__set_up(fit);
    if (status == MR_END)
        return mr__hooks_behind(fit, MR__TEARDOWN, end_again(fit));
    status = status ? say_failed(fit, status, false) : train(fit);
    const mr_status wound_up = wind_up(fit, status);
    if (status >= 0 && wound_up < 0)
        (void)say_failed(fit, wound_up, true);
    return mr__hooks_behind(fit, MR__TEARDOWN, wound_up);
}

void mr__fit_free(mr__fit *fit)
{
    mr__reporter_free(fit->reporter);
    mr_tape_free(fit->tape);
    mr_tape_free(fit->val_tape);
    mr__modes_free(&fit->modes);
    mr__saved_free(&fit->saved);
    for (size_t i = 0; i < fit->saves; i++) {
        mr__free(fit->save[i].path);
        mr__free(fit->save[i].remove);
    }
    for (int i = 0; i < MR__MAX_LOADERS; i++)
        mr__free(fit->val_start.loader[i].data);
    mr_loader_free(fit->overfit[0]);
    mr_loader_free(fit->overfit[1]);
    mr__free(fit->val_start.rng);
    mr__free(fit->val_start.list);
    mr__held_rows_free(&fit->val_rows);
    mr__log_free(&fit->log);
    mr__buffers_free(fit);
    mr__rollback_free(fit);
    for (int i = 0; i < MR_MAX_OPTIMIZERS; i++)
        mr_schedule_free(fit->made.schedule[i]);
    for (int i = 0; i < MR_MAX_OPTIMIZERS; i++)
        mr_optim_free(fit->made.optim[i]);
    mr__free(fit);
}

/* What the last fit has left in the trainer. */
static void forget(mr_trainer *trainer)
{
    char **stale[] = { &trainer->log_dir, &trainer->metrics_path, &trainer->checkpoint_path };
    for (int i = 0; i < 3; i++) {
        mr__free(*stale[i]);
        *stale[i] = NULL;
    }
    mr__epoch_values_free(&trainer->epoch_values);
    mr__history_free(&trainer->history);
    trainer->signal = 0;
    trainer->epochs = trainer->log_step = 0;
    trainer->log_ends.known = false;
}

static mr_memory memory_of(const mr__fit *fit)
{
    mr_memory m = mr_memory_of(fit->task->model, fit->optim, fit->tape);
    for (int i = 1; i < fit->optims; i++) {
        const size_t more = mr_memory_of(NULL, fit->made.optim[i], NULL).optimizer;
        m.optimizer += more;
        m.total += more;
    }
    return m;
}

static mr_status fit_all(mr_trainer *trainer, mr_task *task, const mr__loaders *loaders, mr_loaders_mode mode)
{
    if (mr__pending())
        return mr_error_status();
    if (trainer->fit)
        return mr__raise(MR_ERR_STATE, "fit: the trainer is in a fit already");
    if (mr__task_trains("fit", task))
        return mr_error_status();
    mr__fit *fit = mr__alloc_zeroed(sizeof *fit);
    if (!fit)
        return MR_ERR_MEMORY;
    forget(trainer);
    fit->trainer = trainer;
    fit->task = task;
    fit->train = *loaders;
    fit->feed.mode = mode;
    fit->loader = loaders->item[0];
    for (int i = 0; i < loaders->count; i++)
        fit->bad_before[i] = mr_loader_bad_samples(loaders->item[i], NULL, NULL);
    trainer->fit = fit;
    mr__error_mark();
    mr__loaders_rewind(loaders); /* an epoch that somebody has begun is not ours to end */
    mr_status status = trainer->handle_signals ? mr__signals_take() : MR_OK;
    fit->signals = trainer->handle_signals && !status;
    if (!status)
        status = run(fit);
    if (fit->signals)
        mr__signals_give_back();
    mr__loaders_rewind(loaders);
    trainer->memory = memory_of(fit);
    trainer->fit = NULL;
    mr__fit_free(fit);
    return status;
}

mr_status mr_trainer_fit(mr_trainer *trainer, mr_task *task, mr_loader *loader)
{
    if (!trainer || !task || !loader)
        return mr__settle(mr__null("fit", !trainer ? "trainer" : !task ? "task" : "loader"));
    return mr__settle(fit_all(trainer, task, &(mr__loaders){ { loader }, 1 }, MR_LOADERS_MAX_SIZE_CYCLE));
}

mr_status mr_trainer_fit_loaders(mr_trainer *trainer, mr_task *task, mr_loader *const *loaders, int count,
                                 mr_loaders_mode mode)
{
    static const char call[] = "fit_loaders";
    mr__loaders list;
    if (!trainer || !task)
        return mr__settle(mr__null(call, trainer ? "task" : "trainer"));
    if ((unsigned)mode > MR_LOADERS_SEQUENTIAL)
        return mr__settle(mr__raise(MR_ERR_ARGUMENT, "%s: there is no mode %d", call, (int)mode));
    mr_status status = mr__loaders_of(call, loaders, count, &list);
    return mr__settle(status ? status : fit_all(trainer, task, &list, mode));
}

/* The training loop: epochs, their batches, and the checkpoints between them. */
#include "loop.h"

#include "feed.h"
#include "last_saves.h"
#include "profile.h"
#include "setup.h"
#include "signals.h"
#include "train_step.h"
#include "validate.h"
#include "window.h"

#include "base/alloc.h"

/* By a callback or the clock. */
static bool is_asked_to_end(const mr__fit *fit)
{
    return fit->stop || fit->time_over;
}

/* After an update, which is counted; its row has the number that it had before. Once the end is asked for there is
 * always one. Of a task that optimizes by hand, after each batch, with that one's number (Lightning's). */
static void report_step(mr__fit *fit)
{
    const int64_t done = fit->manual ? fit->batches + 1 : fit->step.global_step;
    if ((done % fit->trainer->log_every == 0 || MR__UNLIKELY(is_asked_to_end(fit))) && fit->log.logged)
        mr__reporter_row(fit->reporter, MR_ROW_STEP, fit->step.epoch, done - 1, fit->log.logged,
                         fit->log.metric, fit->log.row_value);
}

/* ---- checkpoints ---- */

/* What mr_trainer_save has asked for is written, and a checkpoint of the trainer's own if it is `own`. */
static mr_status take_snapshot(mr__fit *fit, int64_t epoch, bool own)
{
    const size_t saves = fit->saves;
    fit->saves = 0;
    return mr__reporter_snapshot(fit->reporter, epoch, own, fit->save, saves);
}

mr_status mr__take_saves(mr__fit *fit, int64_t epoch)
{
    return fit->saves ? take_snapshot(fit, epoch, false) : MR_OK;
}

/* The file is named after the epoch of the last step. What callbacks count as kept is written with it. */
static mr_status take_checkpoint(mr__fit *fit, mr__phase phase, int64_t epoch)
{
    fit->phase = phase;
    fit->checkpoint_due = false;
    fit->elapsed = fit->elapsed_before + mr__now() - fit->began;
    if (MR__LIKELY(!fit->profile))
        return take_snapshot(fit, epoch, true);
    const mr__profile_stage before = mr__profile_begin(fit->profile, MR__P_CHECKPOINT);
    mr_status status = take_snapshot(fit, epoch, true);
    mr__profile_go_on(fit->profile, before);
    return status;
}

/* What goes by the clock, which is looked at when the reporter has woken up. */
static void look_at_clock(mr__fit *fit)
{
    const mr_trainer *t = fit->trainer;
    const unsigned ticks = atomic_load_explicit(&fit->reporter->ticks, memory_order_relaxed);
    if (ticks == fit->ticks)
        return;
    fit->ticks = ticks;
    const double now = mr__now();
    fit->checkpoint_due |= mr__trigger_clock(&fit->checkpoint, now);
    fit->val_due |= mr__trigger_clock(&fit->validation, now);
    if (t->max_time.unit && fit->elapsed_before + now - fit->began >= t->max_time.amount)
        fit->time_over = 1;
}

static void look_at_signals(mr__fit *fit)
{
    fit->signal = mr__signals_end();
    if (mr__signals_save() || fit->signal)
        fit->checkpoint_due = true;
}

static bool is_interrupted(const mr__fit *fit)
{
    return fit->signal != 0;
}

/* A validation within an epoch. `phase`: where a resumption goes on if it is broken off. */
static mr_status validate_if_due(mr__fit *fit, mr__phase phase)
{
    if (!fit->val_due)
        return MR_OK;
    fit->val_due = false;
    fit->phase = phase;
    mr_status status = mr__take_saves(fit, fit->step.epoch); /* before it, whether it is broken off or not */
    if (!status)
        status = mr__validate_run(fit);
    if (status == MR_INTERRUPTED) {
        fit->signal = mr__signals_end();
        mr_status taken = take_checkpoint(fit, phase, fit->step.epoch);
        return taken ? taken : status;
    }
    return status;
}

/* A validation behind the last batch, but not of an epoch that a hook has left. */
static mr_status validate_last(mr__fit *fit)
{
    mr_status status = fit->left ? MR_OK : validate_if_due(fit, MR__LAST_VALIDATION);
    fit->phase = fit->left ? MR__AT_EARLY_END : MR__AT_EPOCH_END;
    return status || fit->checkpoint_due ? status : mr__take_saves(fit, fit->step.epoch);
}

/* What is due between two batches. */
static mr_status do_what_is_due(mr__fit *fit)
{
    mr_status status = validate_if_due(fit, MR__MID_VALIDATION);
    if (!status)
        fit->phase = MR__IN_BATCHES;
    if (!status && (fit->checkpoint_due || is_interrupted(fit)))
        status = take_checkpoint(fit, MR__IN_BATCHES, fit->step.epoch);
    else if (!status)
        status = mr__take_saves(fit, fit->step.epoch);
    return !status && is_interrupted(fit) ? MR_INTERRUPTED : status;
}

/* The end was asked for, and may be here. */
static bool may_stop(const mr__fit *fit)
{
    const mr_trainer *t = fit->trainer;
    return MR__UNLIKELY(is_asked_to_end(fit)) && !fit->window && fit->step.global_step >= t->min_steps &&
           fit->step.epoch >= t->min_epochs;
}

/* What falls due while gradients are added up is done after their update. Before an end within the epoch it is validated. */
static mr_status between_batches(mr__fit *fit)
{
    fit->checkpoint_due |= mr__trigger_counted(&fit->checkpoint);
    if (MR__UNLIKELY(fit->val_period || fit->validation.by == MR__BY_COUNT))
        fit->val_due |= fit->val_period ? fit->step.batch_index % fit->val_period == 0
                                        : mr__trigger_counted(&fit->validation);
    if (MR__UNLIKELY(is_asked_to_end(fit)))
        fit->val_due |= may_stop(fit) && fit->step.batch_index != fit->reporter->total;
    if (MR__UNLIKELY(fit->val_due))
        fit->val_due = mr__validates(fit);
    if (MR__UNLIKELY(fit->signals && mr__signals_any()))
        look_at_signals(fit);
    if (MR__LIKELY(!fit->checkpoint_due && !fit->val_due && !fit->saves) || fit->window)
        return MR_OK;
    return do_what_is_due(fit);
}

/* ---- an epoch ---- */

/* MR_END: a hook leaves the rest of the epoch. */
static mr_status run_batch(mr__fit *fit, const mr_batch *batch)
{
    bool updated = false;
    mr_status status = mr__reporter_status(fit->reporter);
    if (status)
        return status;
    fit->step.batch = batch;
    fit->log.kept = 0;
    if (MR__UNLIKELY(fit->window))
        mr__log_keep_row(&fit->log);
    mr__log_begin(&fit->log, false, batch->rows);
    status = mr__hooks(fit, MR__ON_TRAIN_BATCH_START);
    if (MR__UNLIKELY(status)) {
        fit->left_out = true;
        return status;
    }
    status = MR__LIKELY(!fit->manual) ? mr__train_batch(fit, batch, &updated) : mr__train_by_hand(fit, batch);
    if (MR__UNLIKELY(status))
        return status;
    fit->step.global_step += updated;
    if (MR__UNLIKELY(mr__is_last(fit)) && (status = mr__train_epoch_ended(fit)))
        return status;
    status = mr__hooks(fit, MR__ON_TRAIN_BATCH_END);
    fit->step.batch = NULL;
    if (MR__LIKELY(!fit->left_out))
        mr__log_batch_ended(&fit->log);
    if (MR__UNLIKELY(fit->clocked)) /* first, since it may ask for the end */
        look_at_clock(fit);
    if (updated || MR__UNLIKELY(fit->manual))
        report_step(fit);
    fit->batches++;
    fit->samples += batch->rows;
    fit->step.batch_index++;
    mr__reporter_progress(fit->reporter, fit->step.batch_index);
    return status < 0 ? status : between_batches(fit);
}

mr_status mr__keep_failed(mr__fit *fit)
{
    const mr_batch *batch = fit->step.batch;
    if (batch) {
        if (fit->left_out)
            mr__log_leave_out(&fit->log);
        else
            mr__log_batch_ended(&fit->log);
        fit->failed_rows = batch->rows;
        fit->phase = MR__IN_BATCH;
    }
    return batch || fit->window ? mr__window_list(fit) : MR_OK;
}

/* What comes behind a batch, of one that has failed before the training went on from there. */
static mr_status end_failed(mr__fit *fit)
{
    const bool last = mr__is_last(fit);
    bool updated = false;
    mr_status status = MR_OK;
    fit->step.batch_index++;
    if (last || fit->window >= fit->trainer->accumulate)
        status = mr__train_rest(fit, &updated);
    fit->step.global_step += updated;
    if (!status && last)
        status = mr__train_epoch_ended(fit);
    if (status) {
        fit->step.batch_index--;
        return status;
    }
    if (updated)
        report_step(fit);
    fit->batches++;
    fit->samples += fit->failed_rows;
    fit->phase = MR__IN_BATCHES;
    mr__reporter_progress(fit->reporter, fit->step.batch_index);
    return between_batches(fit);
}

/* A window that the end of the epoch has cut short. */
static mr_status end_batches(mr__fit *fit)
{
    bool updated;
    fit->step.batch = NULL;
    fit->phase = fit->left ? MR__AT_EARLY_END : MR__AT_EPOCH_END;
    mr_status status = mr__train_rest(fit, &updated);
    if (!status && updated) {
        fit->step.global_step++;
        report_step(fit);
    }
    if (!status)
        status = validate_last(fit);
    if (!status && fit->checkpoint_due)
        status = take_checkpoint(fit, fit->left ? MR__AT_EARLY_END : MR__AT_EPOCH_END, fit->step.epoch);
    return !status && fit->signal ? MR_INTERRUPTED : status;
}

/* That of the last step. */
static int64_t last_epoch(const mr__fit *fit)
{
    return fit->step.epoch - (fit->step.batch_index == 0 && fit->step.epoch > 0);
}

/* MR_OK at the end of the epoch, which is then complete, or of the steps. That end is within an epoch for a training that
 * goes on to more steps later: so what is kept of it is how it stands here. */
static mr_status run_batches(mr__fit *fit, bool *complete)
{
    const mr_trainer *t = fit->trainer;
    const mr_batch *batch;
    while (!mr__reached(t->max_steps, fit->step.global_step) && !may_stop(fit)) {
        mr_status status = MR_END;
        if (!mr__reached(fit->limit, fit->step.batch_index))
            status = MR__LIKELY(!fit->next) ? mr_loader_next(fit->loader, &batch) : fit->next(fit, &batch);
        if (MR__LIKELY(!status) && (status = run_batch(fit, batch)) == MR_END) {
            mr__feed_rewind(fit);
            fit->left = true;
        }
        if (status == MR_END) {
            *complete = true;
            return end_batches(fit);
        }
        if (status)
            return status;
    }
    *complete = fit->step.batch_index == fit->reporter->total;
    fit->stopped = true;
    return take_checkpoint(fit, MR__IN_BATCHES, last_epoch(fit));
}

/* A part of it is only for an epoch that no hook has left. In Lightning's order: the schedule, validation and its row,
 * the epoch's row, a schedule that looks at a metric. */
static mr_status end_epoch(mr__fit *fit, bool complete)
{
    bool validated = false;
    mr_status status = MR_OK;
    fit->epoch_complete = complete;
    complete = complete && !fit->left;
    if (complete && fit->phase != MR__AT_VALIDATION) {
        fit->phase = MR__AT_EPOCH_END;
        if (fit->step.batch_index != fit->reporter->total) /* the last batch was not known to be that */
            status = mr__train_epoch_ended(fit);
    }
    if (!status && complete) {
        fit->phase = MR__AT_VALIDATION;
        status = mr__validate(fit, &validated);
    }
    if (status == MR_INTERRUPTED)
        fit->signal = mr__signals_end();
    if (status == MR_INTERRUPTED && !fit->stopped) {
        mr_status taken = take_checkpoint(fit, MR__AT_VALIDATION, fit->step.epoch);
        return taken ? taken : status;
    }
    mr__log_between(&fit->log, false);
    if (!status)
        status = mr__hooks(fit, MR__ON_TRAIN_EPOCH_END);
    if (!status)
        status = mr__log_epoch(fit, false);
    if (!status)
        status = mr__hooks(fit, MR__ON_METRICS);
    return !status && complete ? mr__train_epoch_measured(fit) : status;
}

static mr_status resume_validation(mr__fit *fit)
{
    fit->val_due = true;
    return fit->phase == MR__MID_VALIDATION ? do_what_is_due(fit) : validate_last(fit);
}

static mr_status run_epoch(mr__fit *fit)
{
    mr__reporter *r = fit->reporter;
    if (r->bar) {
        mr__reporter_progress(r, fit->step.batch_index);
        atomic_store_explicit(&r->initial, fit->step.batch_index, memory_order_relaxed);
        atomic_store_explicit(&r->epoch, fit->step.epoch, memory_order_relaxed);
        atomic_store_explicit(&r->epoch_began, mr__now(), memory_order_relaxed);
    }
    bool complete = true;
    mr_status status = MR_OK;
    mr__error_mark();
    fit->left = fit->phase == MR__AT_EARLY_END;
    if (fit->phase == MR__MID_VALIDATION || fit->phase == MR__LAST_VALIDATION)
        status = resume_validation(fit);
    else if (fit->phase == MR__IN_BATCH)
        status = end_failed(fit);
    if (fit->phase == MR__IN_BATCHES && fit->step.batch_index == 0) {
        mr__log_between(&fit->log, false);
        status = mr__hooks(fit, MR__ON_TRAIN_EPOCH_START);
    }
    if (!status && fit->phase == MR__IN_BATCHES)
        status = run_batches(fit, &complete);
    if (!status && fit->limit >= 0)
        mr__feed_rewind(fit);
    return !status && (fit->step.batch_index || fit->left) ? end_epoch(fit, complete) : status;
}

mr_status mr__end_again(mr__fit *fit)
{
    if (fit->step.batch_index == 0)
        return MR_OK; /* all was done before it */
    fit->stopped = fit->again = true;
    return end_epoch(fit, fit->step.batch_index == fit->reporter->total);
}

/* ---- all of them ---- */

static mr_status end_of_epoch(mr__fit *fit)
{
    const int64_t epoch = fit->step.epoch++;
    fit->step.batch_index = 0;
    fit->phase = MR__IN_BATCHES;
    fit->finished = mr__reached(fit->trainer->max_epochs, fit->step.epoch) ||
                    mr__reached(fit->trainer->max_steps, fit->step.global_step) || may_stop(fit);
    if (fit->finished || fit->checkpoint_due || mr__trigger_epoch(&fit->checkpoint, fit->step.epoch))
        return take_checkpoint(fit, MR__IN_BATCHES, epoch);
    return mr__take_saves(fit, epoch);
}

/* One that was resumed within an epoch ends that first, whatever the limit of steps. */
mr_status mr__run_epochs(mr__fit *fit)
{
    const mr_trainer *t = fit->trainer;
    bool within = fit->step.batch_index > 0 || fit->phase == MR__IN_BATCH;
    while (!mr__reached(t->max_epochs, fit->step.epoch) &&
           (within || !(mr__reached(t->max_steps, fit->step.global_step) || may_stop(fit)))) {
        within = false;
        mr_status status = run_epoch(fit);
        if (status)
            return status;
        if (fit->stopped) {
            mr__take_last_saves(fit);
            mr__reporter_finish_snapshot(fit->reporter);
            return MR_OK;
        }
        if (fit->step.batch_index == 0 && !fit->left)
            return MR_END; /* an epoch without batches: the next ones would have none either */
        if ((status = end_of_epoch(fit)))
            return status;
    }
    if (fit->finished || !fit->resumed)
        return MR_OK;
    fit->finished = 1; /* it has come to a limit that was farther away when its checkpoint was written */
    return take_checkpoint(fit, MR__IN_BATCHES, last_epoch(fit));
}

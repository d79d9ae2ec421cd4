#include "setup.h"

#include "feed.h"
#include "loop.h"
#include "nonfinite.h"
#include "restore.h"
#include "resume.h"
#include "summary.h"
#include "validate.h"
#include "version_dir.h"

#include "base/alloc.h"
#include "base/file.h"
#include "base/log.h"
#include "data/loader.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- what the task makes ---- */

static mr_status made_nothing(const char *call, const char *what)
{
    return mr__has_cause(MR_OK) ? mr_error_status()
                                : mr__raise(MR_ERR_CALLBACK, "fit: %s gave no %s", call, what);
}

static mr_status make_optimizer(mr__fit *fit)
{
    const mr_task *task = fit->task;
    fit->made.optim[0] = task->vtable->configure_optimizers(task->self, task->model);
    if (!fit->made.optim[0])
        return made_nothing("configure_optimizers", "optimizer");
    if (task->vtable->configure_schedule &&
        !(fit->made.schedule[0] = task->vtable->configure_schedule(task->self, fit->made.optim[0])))
        return made_nothing("configure_schedule", "schedule");
    if (task->vtable->schedule_each_step && task->vtable->schedule_monitor)
        return mr__raise(MR_ERR_ARGUMENT,
                         "fit: a schedule that looks at a metric steps at the end of epochs, not "
                         "with schedule_each_step");
    if (task->vtable->schedule_frequency < 0)
        return mr__raise(MR_ERR_ARGUMENT, "fit: schedule_frequency is %lld, less than 1",
                         (long long)task->vtable->schedule_frequency);
    return MR_OK;
}

/* Those of a task that optimizes by hand. */
static mr_status make_by_hand(mr__fit *fit)
{
    static const char call[] = "configure_manual";
    const mr_trainer *t = fit->trainer;
    mr_status status = fit->task->vtable->configure_manual(fit->task->self, fit->task->model, &fit->made);
    if (status < 0 && !mr__has_cause(status))
        mr__raise(status, "fit: %s failed without a message", call);
    if (mr__pending())
        return mr_error_status();
    if (!fit->made.optim[0])
        return made_nothing(call, "optimizer");
    if (t->accumulate > 1 || t->clip_norm >= 0 || t->clip_value >= 0)
        return mr__raise(MR_ERR_ARGUMENT, "fit: %s is not for a task that optimizes by hand",
                         t->accumulate > 1   ? "accumulate_grad_batches"
                         : t->clip_norm >= 0 ? "gradient_clip_norm"
                                             : "gradient_clip_value");
    return MR_OK;
}

mr_status mr__make_optimizers(mr__fit *fit)
{
    fit->manual = fit->task->vtable->configure_manual;
    mr__error_mark();
    mr_status status = fit->manual ? make_by_hand(fit) : make_optimizer(fit);
    while (fit->optims < MR_MAX_OPTIMIZERS && fit->made.optim[fit->optims])
        fit->optims++;
    fit->step.optim = fit->optim = fit->made.optim[0];
    fit->schedule = fit->manual ? NULL : fit->made.schedule[0]; /* that the trainer steps */
    return status;
}

/* Loaders of a few batches that stay the same. */
static mr_status make_overfit(mr__fit *fit)
{
    const mr_trainer *t = fit->trainer;
    if (!mr__overfits(t))
        return MR_OK;
    if (fit->train.count > 1)
        return mr__raise(MR_ERR_ARGUMENT, "fit: overfitting is for one loader, not %d", fit->train.count);
    for (int i = 0; i < 1 + (t->val.count > 0); i++)
        if (!(fit->overfit[i] = mr__loader_in_order(fit->loader)))
            return mr_error_status();
    fit->loader = fit->train.item[0] = fit->overfit[0];
    return MR_OK;
}

/* How many batches an epoch has; -1 when that is not known. */
static mr_status limit_epoch(mr__fit *fit)
{
    const mr_trainer *t = fit->trainer;
    const mr__limit *limit = fit->overfit[0] ? &t->overfit : &t->limit_train;
    int64_t *total = &fit->reporter->total;
    *total = mr__feed_len(fit);
    mr_status status = mr__limit_of("fit", limit, *total, &fit->limit);
    if (!status && fit->limit >= 0 && (*total < 0 || *total > fit->limit))
        *total = fit->limit;
    return status;
}

static mr_status make_parts(mr__fit *fit)
{
    mr_task *task = fit->task;
    fit->params = mr_module_parameters(task->model);
    if (!fit->params.item || make_overfit(fit))
        return mr_error_status();
    fit->tape = mr_tape_new(fit->loader->order.shared);
    fit->reporter = mr__reporter_new();
    if (!fit->tape || !fit->reporter)
        return MR_ERR_MEMORY;
    fit->step.model = task->model;
    fit->step.tape = fit->tape;
    fit->step.self = task->self;
    fit->step.trainer = fit->trainer;
    fit->reporter->bar = !fit->trainer->no_progress;
    mr__feed_begin(fit);
    mr_status status = limit_epoch(fit);
    if (!status) {
        fit->events = mr__events_wanted(fit->trainer, task); /* from here on they hear of all */
        status = mr__hooks(fit, MR__SETUP);
    }
    if (!status)
        status = mr__make_optimizers(fit);
    if (!status)
        status = mr__buffers_begin(fit);
    if (!status)
        status = mr__validate_prepare(fit);
    if (!status)
        status = mr__hooks(fit, MR__ON_FIT_START);
    return status ? status : mr__saved_init(fit);
}

/* ---- logs ---- */

static mr_status open_folder(mr__fit *fit, mr__resume *found)
{
    mr_trainer *t = fit->trainer;
    mr__reporter *r = fit->reporter;
    if (found->dir) {
        t->log_dir = mr__strdup(found->dir);
        r->version = found->version;
    } else {
        t->log_dir = mr__version_dir_make(t->save_dir, t->name, &r->version);
        if (t->log_dir && t->resume && !found->file)
            mr__log(MR_LOG_WARNING, "resume: there is no checkpoint: starting from the beginning in '%s'",
                    t->log_dir);
    }
    return t->log_dir ? MR_OK : mr_error_status();
}

static mr_status prepare_checkpoints(mr__fit *fit, mr__resume *found)
{
    mr_trainer *t = fit->trainer;
    mr__reporter *r = fit->reporter;
    if (t->no_checkpoint)
        return MR_OK;
    r->checkpoint_dir = mr__path_join(t->log_dir, "checkpoints");
    if (!r->checkpoint_dir)
        return mr_error_status();
    if (mkdir(r->checkpoint_dir, 0777) && !(found->dir && errno == EEXIST))
        return mr__io_failed("make folder", r->checkpoint_dir, errno);
    r->clean = found->dir;
    r->prompt = t->prompt;
    r->snapshot = mr__snapshot_new(fit);
    return r->snapshot ? MR_OK : mr_error_status();
}

static bool logs_metrics(const mr_trainer *t)
{
    for (size_t i = 0; i < t->loggers; i++)
        if (strcmp(t->logger[i]->vtable->name, "csv") == 0)
            return true;
    return false;
}

/* In a folder that was there: a training goes on, or begins where another has left no checkpoint. Logs are the new one's then,
 * files that are no logs stay. */
static void take_folder_over(const mr__fit *fit, const mr__resume *found)
{
    const mr_trainer *t = fit->trainer;
    if (found->file && !t->no_summary)
        mr__log(MR_LOG_INFO, "resume: going on from '%s'", found->path);
    else if (!found->file)
        mr__log(MR_LOG_WARNING, "resume: there is no checkpoint in '%s': starting from the beginning",
                t->log_dir);
    if (!found->file && logs_metrics(t) && access(t->metrics_path, F_OK) == 0)
        mr__log(MR_LOG_WARNING, "resume: '%s' begins anew", t->metrics_path);
    mr__resume_clean(found->dir);
}

static mr_status prepare_files(mr__fit *fit, mr__resume *found)
{
    mr_trainer *t = fit->trainer;
    mr_status status = open_folder(fit, found);
    if (!status && !(t->metrics_path = mr__path_join(t->log_dir, "metrics.csv")))
        status = mr_error_status();
    if (!status && found->dir)
        take_folder_over(fit, found);
    if (!status && !(found->dir && found->file))
        status = mr__hparams_write(&t->hparams, t->log_dir);
    return status ? status : prepare_checkpoints(fit, found);
}

/* The reporter opens them. */
static void prepare_loggers(mr__fit *fit, const mr__resume *found)
{
    const mr_trainer *t = fit->trainer;
    mr__reporter *r = fit->reporter;
    mr__attach_loggers(fit);
    r->run.resumed = found->file;
    r->run.again = found->dir && !found->file;
    for (size_t i = 0; found->file && found->dir && t->log_dir && i < t->loggers; i++)
        r->position[i] = mr__restore_position(found->file, t->logger[i], false);
}

void mr__attach_loggers(mr__fit *fit)
{
    mr_trainer *t = fit->trainer;
    mr__reporter *r = fit->reporter;
    if (t->fast_dev_run)
        return;
    r->loggers = (mr__loggers){ t->logger, t->loggers, 0 };
    r->ends = &t->log_ends;
    r->run = (mr_log_run){ .name = t->name,
                           .dir = t->log_dir,
                           .version = r->version,
                           .hparams = t->hparams.item,
                           .hparam_count = t->hparams.count };
}

/* Logs that cannot go on refuse the checkpoint before anything is changed: then later ones go, and the logs are cut. */
static mr_status start_reporter(mr__fit *fit, const mr__resume *found)
{
    mr__reporter *r = fit->reporter;
    mr_status status = mr__loggers_check(&r->loggers, &r->run, r->position);
    if (!status && found->dir && found->file && strcmp(fit->trainer->resume, "last") != 0)
        status = mr__resume_go_back(found);
    return status ? status : mr__reporter_start(r);
}

/* ---- where it begins ---- */

/* A part of an epoch is counted in each anew, as Lightning does. */
static mr_status set_validation(mr__fit *fit, const mr__extent *extent)
{
    const mr_duration every = fit->trainer->val_interval;
    if (!every.unit || !fit->val_tape)
        return MR_OK;
    if (every.unit != MR_EPOCHS || every.amount >= 1)
        return mr__trigger_set(&fit->validation, "fit: val_check_interval", every, extent, mr__now());
    if (extent->epoch_batches <= 0)
        return mr__raise(MR_ERR_ARGUMENT,
                         "fit: val_check_interval: how many batches an epoch has is not known");
    fit->val_period = (int64_t)((double)extent->epoch_batches * every.amount);
    fit->val_period = fit->val_period > 0 ? fit->val_period : 1;
    return MR_OK;
}

static mr_status check_every(const mr__fit *fit)
{
    return fit->validation.by == MR__BY_COUNT && fit->trainer->check_val_every > 1
               ? mr__raise(MR_ERR_ARGUMENT,
                           "fit: check_val_every_n_epoch is not for a val_check_interval that is "
                           "counted over all epochs")
               : MR_OK;
}

/* A loader stands at one place, from which a validation within an epoch would take the training away. */
static mr_status check_loaders(const mr__fit *fit)
{
    const bool within =
        fit->val_period || fit->validation.by == MR__BY_COUNT || fit->validation.by == MR__BY_CLOCK;
    for (int i = 0; within && i < fit->val.count; i++)
        for (int k = 0; k < fit->train.count; k++)
            if (fit->val.item[i] == fit->train.item[k])
                return mr__raise(
                    MR_ERR_ARGUMENT,
                    "fit: val_check_interval: validation within an epoch needs a loader of its own");
    return MR_OK;
}

mr__extent mr__extent_of(const mr__fit *fit)
{
    const mr_trainer *t = fit->trainer;
    return (mr__extent){ .batches = &fit->batches,
                         .samples = &fit->samples,
                         .steps = &fit->step.global_step,
                         .epoch_batches = fit->reporter->total,
                         .accumulate = t->accumulate,
                         .max_epochs = t->max_epochs,
                         .max_steps = t->max_steps,
                         .max_seconds = t->max_time.amount };
}

int64_t mr_trainer_estimated_steps(const mr_trainer *trainer)
{
    const mr__fit *fit = trainer ? trainer->fit : NULL;
    if (!fit || !fit->reporter)
        return -1;
    const int64_t batches = fit->reporter->total, most = trainer->max_steps;
    if (trainer->max_epochs < 0 || batches < 0)
        return most;
    const int64_t each = batches / trainer->accumulate + (batches % trainer->accumulate != 0);
    const bool fits = !each || trainer->max_epochs <= INT64_MAX / each;
    const int64_t steps = fits ? each * trainer->max_epochs : INT64_MAX;
    return most >= 0 && most < steps ? most : steps;
}

static mr_status set_triggers(mr__fit *fit)
{
    const mr_trainer *t = fit->trainer;
    const mr__extent extent = mr__extent_of(fit);
    mr_status status =
        mr__trigger_set(&fit->checkpoint, "fit: checkpoint_every", t->checkpoint_every, &extent, mr__now());
    if (!status)
        status = set_validation(fit, &extent);
    if (!status)
        status = check_every(fit);
    if (!status)
        status = check_loaders(fit);
    fit->began = mr__now();
    fit->elapsed_before = fit->elapsed;
    fit->clocked =
        t->max_time.unit || fit->checkpoint.by == MR__BY_CLOCK || fit->validation.by == MR__BY_CLOCK;
    fit->reporter->clock |= fit->clocked;
    return status;
}

/* The paths of a fit of which nothing is left to be done. */
static mr_status name_files(mr__fit *fit, const mr__resume *found)
{
    mr_trainer *t = fit->trainer;
    t->checkpoint_path = mr__strdup(found->path);
    t->log_dir = mr__strdup(found->dir);
    if (found->dir)
        t->metrics_path = mr__path_join(found->dir, "metrics.csv");
    return mr__pending() ? mr_error_status() : MR_OK;
}

/* Evaluations behind a fit of which nothing is left to be done log behind its end, in place of those there were. Not where the
 * training has gone on from this checkpoint since. */
static mr_status keep_ends(mr_trainer *t, const mr__resume *found)
{
    mr_status status = MR_OK;
    for (size_t i = 0; found->newest && i < t->loggers && !status; i++) {
        const mr__position end = mr__restore_position(found->file, t->logger[i], true);
        status = mr__loader_bytes_keep(&t->log_ends.at[i], end.data, end.bytes);
    }
    t->log_ends.known = found->newest && !status;
    return status;
}

static mr_status restore(mr__fit *fit, const mr__resume *found)
{
    mr_status status = mr__restore(fit, found->path, found->file);
    fit->resumed = !status;
    return status ? status : mr__hooks(fit, MR__ON_RESTORED);
}

/* What a training that was restored, with its triggers, has to do; MR_END: nothing, and its end is done. */
static mr_status go_on(mr__fit *fit, const mr__resume *found)
{
    const mr_trainer *t = fit->trainer;
    mr_status status = MR_OK;
    const bool out_of_time = t->max_time.unit && fit->elapsed >= t->max_time.amount;
    const bool at_limit = fit->stop || out_of_time || mr__reached(t->max_epochs, fit->step.epoch) ||
                          mr__reached(t->max_steps, fit->step.global_step);
    if (fit->finished && at_limit) {
        status = name_files(fit, found);
        if (!status)
            status = keep_ends(fit->trainer, found);
        if (!status && !t->no_summary)
            mr__log(MR_LOG_INFO, "resume: nothing to do: '%s' is the end of a training", found->path);
        if (!status && strcmp(t->resume, "last") == 0) {
            /* It may have been killed when all was done, but for this. */
            mr__checkpoint_remove_others(found->path);
            mr__resume_clean(found->dir);
        }
        if (!status)
            status = mr__end_again(fit);
        return status ? status : MR_END;
    }
    fit->finished = 0;
    fit->time_over = fit->time_over && out_of_time; /* or there is more of it now */
    if (t->max_epochs >= 0 && fit->step.epoch > t->max_epochs)
        return mr__load_failed(MR_ERR_ARGUMENT, found->path,
                               "it has made %lld epochs, more than max_epochs, %lld",
                               (long long)fit->step.epoch, (long long)t->max_epochs);
    return MR_OK;
}

/* Where an epoch ends before a row is due: one looks in vain for its steps. */
static void warn_of_interval(const mr__fit *fit)
{
    const int64_t batches = fit->reporter->total, every = fit->trainer->log_every;
    if (fit->reporter->loggers.count && batches > 0 && batches < every && every != MR__NO_ROWS)
        mr__log(MR_LOG_WARNING,
                "fit: an epoch has %lld batches, fewer than log_every_n_steps, %lld: set it lower to see the "
                "steps of each epoch in the log",
                (long long)batches, (long long)every);
}

static void warn_of_checkpoints(const mr__fit *fit)
{
    const mr_trainer *t = fit->trainer;
    if (t->prompt && !t->fast_dev_run && (t->no_checkpoint || !t->save_dir))
        mr__log(MR_LOG_WARNING, "fit: checkpoint_every makes no checkpoints %s",
                t->no_checkpoint ? "with no_checkpoint" : "without csv or save_dir");
}

static mr_status begin(mr__fit *fit, mr__resume *found)
{
    mr_trainer *t = fit->trainer;
    mr_status status = t->resume ? mr__resume_find(t, found) : MR_OK;
    if (!status && found->file)
        status = restore(fit, found);
    if (!status) /* behind that, since they look at what was counted */
        status = set_triggers(fit);
    if (!status && found->file)
        status = go_on(fit, found);
    if (!status && t->save_dir)
        status = prepare_files(fit, found);
    if (!status)
        prepare_loggers(fit, found);
    if (!status && !t->no_summary)
        status = mr__summary_log(fit->task->model, &t->summary);
    if (!status) {
        warn_of_interval(fit);
        warn_of_checkpoints(fit);
    }
    return status;
}

mr_status mr__set_up(mr__fit *fit)
{
    mr__resume found = { .version = -1 };
    mr_status status = make_parts(fit);
    if (!status)
        status = begin(fit, &found);
    if (!status)
        status = start_reporter(fit, &found);
    mr__resume_free(&found);
    return status;
}

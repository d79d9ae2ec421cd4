/* Making tasks and trainers. */
#include "trainer.h"

#include "base/alloc.h"
#include "base/option.h"

#include <string.h>
#include <unistd.h>

mr_task *mr_task_new(const mr_task_vtable *vtable, mr_module *model, const void *self, size_t size)
{
    if (!vtable || !model) {
        mr__null("task_new", vtable ? "model" : "vtable");
        return NULL;
    }
    void *copy;
    mr_task *task = mr__alloc_zeroed(sizeof *task);
    if (!task || !mr__copy_self("task_new", self, size, &copy)) {
        mr__free(task);
        return NULL;
    }
    task->vtable = vtable;
    task->model = model;
    task->self = copy;
    return task;
}

mr_status mr__task_trains(const char *call, const mr_task *task)
{
    if (!task->vtable->training_step)
        return mr__raise(MR_ERR_ARGUMENT, "%s: the task has no training_step", call);
    if (!task->vtable->configure_optimizers && !task->vtable->configure_manual)
        return mr__raise(MR_ERR_ARGUMENT, "%s: the task has no configure_optimizers", call);
    if (task->vtable->configure_optimizers && task->vtable->configure_manual)
        return mr__raise(MR_ERR_ARGUMENT, "%s: configure_optimizers and configure_manual exclude each other",
                         call);
    return MR_OK;
}

void mr_task_free(mr_task *task)
{
    if (!task)
        return;
    if (task->vtable->destroy)
        task->vtable->destroy(task->self);
    mr__free(task->self);
    mr__free(task);
}

static bool is_limit(int64_t value)
{
    return value >= -1 || value == MR_ZERO_INT;
}

static bool is_bound(double value)
{
    return value >= 0; /* MR_ZERO too */
}

static bool acceptable(const mr_trainer_opts *opts)
{
    if (!is_limit(opts->max_epochs))
        mr__raise(MR_ERR_ARGUMENT, "trainer_new: max_epochs %lld is neither a number nor -1, no limit",
                  (long long)opts->max_epochs);
    else if (!is_limit(opts->max_steps))
        mr__raise(MR_ERR_ARGUMENT, "trainer_new: max_steps %lld is neither a number nor -1, no limit",
                  (long long)opts->max_steps);
    else if (opts->log_every_n_steps < 0 && opts->log_every_n_steps != MR_ZERO_INT)
        mr__raise(MR_ERR_ARGUMENT, "trainer_new: log_every_n_steps %lld is negative",
                  (long long)opts->log_every_n_steps);
    else if (opts->accumulate_grad_batches < 0)
        mr__raise(MR_ERR_ARGUMENT, "trainer_new: accumulate_grad_batches %lld is not at least 1",
                  (long long)opts->accumulate_grad_batches);
    else if (!is_bound(opts->gradient_clip_norm))
        mr__raise(MR_ERR_ARGUMENT, "trainer_new: gradient_clip_norm %g is negative",
                  opts->gradient_clip_norm);
    else if (!is_bound(opts->gradient_clip_value))
        mr__raise(MR_ERR_ARGUMENT, "trainer_new: gradient_clip_value %g is negative",
                  opts->gradient_clip_value);
    else if (opts->check_val_every_n_epoch < 0)
        mr__raise(MR_ERR_ARGUMENT, "trainer_new: check_val_every_n_epoch %lld is not at least 1",
                  (long long)opts->check_val_every_n_epoch);
    else if (opts->num_sanity_val_steps < -1)
        mr__raise(MR_ERR_ARGUMENT, "trainer_new: num_sanity_val_steps %lld is neither a number nor -1, all",
                  (long long)opts->num_sanity_val_steps);
    else if (opts->fast_dev_run < 0)
        mr__raise(MR_ERR_ARGUMENT, "trainer_new: fast_dev_run %lld is negative",
                  (long long)opts->fast_dev_run);
    else if (opts->min_epochs < 0)
        mr__raise(MR_ERR_ARGUMENT, "trainer_new: min_epochs %lld is negative", (long long)opts->min_epochs);
    else if (opts->min_steps < 0)
        mr__raise(MR_ERR_ARGUMENT, "trainer_new: min_steps %lld is negative", (long long)opts->min_steps);
    else if ((unsigned)opts->nonfinite > MR_NONFINITE_ROLLBACK)
        mr__raise(MR_ERR_ARGUMENT, "trainer_new: %d is no mr_nonfinite", (int)opts->nonfinite);
    else if (opts->rollback_every_n_steps < 0)
        mr__raise(MR_ERR_ARGUMENT, "trainer_new: rollback_every_n_steps %lld is not at least 1",
                  (long long)opts->rollback_every_n_steps);
    else if (!(opts->rollback_factor >= 0 && opts->rollback_factor <= 1))
        mr__raise(MR_ERR_ARGUMENT, "trainer_new: rollback_factor %g is not in [0, 1]", opts->rollback_factor);
    else if (!is_limit(opts->max_rollbacks))
        mr__raise(MR_ERR_ARGUMENT, "trainer_new: max_rollbacks %lld is neither a number nor -1, no limit",
                  (long long)opts->max_rollbacks);
    else if (opts->summary_depth < -1)
        mr__raise(MR_ERR_ARGUMENT, "trainer_new: summary_depth %d is neither a number nor -1, all",
                  opts->summary_depth);
    else if (opts->csv && opts->save_dir)
        mr__raise(MR_ERR_ARGUMENT, "trainer_new: csv and save_dir exclude each other");
    else
        return true;
    return false;
}

static mr_status take_limits(mr_trainer *t, const mr_trainer_opts *o)
{
    const bool no_val = o->limit_val_batches == MR_ZERO_INT;
    const struct {
        mr__limit *limit;
        const char *name;
        int64_t batches;
        double share;
    } limits[] = { { &t->limit_train, "limit_train", o->limit_train_batches, o->limit_train_share },
                   { &t->limit_val, "limit_val", no_val ? 0 : o->limit_val_batches, o->limit_val_share },
                   { &t->limit_test, "limit_test", o->limit_test_batches, o->limit_test_share },
                   { &t->limit_predict, "limit_predict", o->limit_predict_batches, o->limit_predict_share },
                   { &t->overfit, "overfit", o->overfit_batches, o->overfit_share } };
    mr_status status = MR_OK;
    for (size_t i = 0; i < sizeof limits / sizeof *limits && !status; i++)
        status = mr__limit_option(limits[i].limit, limits[i].name, limits[i].batches, limits[i].share);
    if (no_val) {
        t->limit_val.batches = 0;
        t->limit_val.share = 0;
    }
    return status;
}

/* A few batches of everything, to see whether it runs. */
static void develop_fast(mr_trainer *t, int64_t batches)
{
    t->fast_dev_run = true;
    t->max_epochs = 1;
    t->max_steps = -1;
    mr__limit *const limits[] = { &t->limit_train, &t->limit_val, &t->limit_test, &t->limit_predict,
                                  &t->overfit };
    for (int i = 0; i < 5; i++) {
        limits[i]->batches = limits[i] == &t->overfit ? -1 : batches;
        limits[i]->share = 0;
    }
    t->min_epochs = t->min_steps = t->sanity_batches = 0;
    t->check_val_every = 1;
    t->val_interval = (mr_duration){ 0 };
    mr__free(t->save_dir);
    mr__free(t->resume);
    t->save_dir = t->resume = NULL;
}

/* Where its files go, and metrics.csv among them. */
static bool set_folder(mr_trainer *t, const mr_trainer_opts *opts)
{
    const char *save_dir = opts->csv ? opts->csv : opts->save_dir;
    if (save_dir && !(t->save_dir = mr__strdup(save_dir)))
        return false;
    return !opts->csv || mr_trainer_add_logger(t, mr_csv_logger_new(NULL)) == MR_OK;
}

mr_trainer *mr_trainer_new(const mr_trainer_opts *opts)
{
    static const mr_trainer_opts defaults = { 0 };
    static const char call[] = "trainer_new";
    mr_duration checkpoint_every = { 1, MR_EPOCHS }, val_interval = { 0 }, max_time = { 0 };
    opts = opts ? opts : &defaults;
    if (!acceptable(opts) ||
        mr__duration_option(call, "checkpoint_every", opts->checkpoint_every, &checkpoint_every) ||
        mr__duration_option(call, "val_check_interval", opts->val_check_interval, &val_interval) ||
        mr__duration_seconds(call, "max_time", opts->max_time, &max_time))
        return NULL;
    mr_trainer *trainer = mr__alloc_zeroed(sizeof *trainer);
    if (!trainer || take_limits(trainer, opts)) {
        mr__free(trainer);
        return NULL;
    }
    trainer->max_steps = mr__option_int(opts->max_steps, -1);
    trainer->max_epochs =
        mr__option_int(opts->max_epochs, trainer->max_steps < 0 && !max_time.unit ? 1000 : -1);
    trainer->log_every = mr__option_int(opts->log_every_n_steps, 50);
    if (trainer->log_every == 0)
        trainer->log_every = MR__NO_ROWS;
    trainer->accumulate = mr__option_int(opts->accumulate_grad_batches, 1);
    trainer->check_val_every = mr__option_int(opts->check_val_every_n_epoch, 1);
    trainer->clip_norm = mr__option(opts->gradient_clip_norm, -1);
    trainer->clip_value = mr__option(opts->gradient_clip_value, -1);
    trainer->no_progress = opts->no_progress;
    trainer->no_checkpoint = opts->no_checkpoint;
    trainer->no_summary = opts->no_summary;
    trainer->summary = (mr_summary_opts){ opts->summary_depth, opts->summary_example };
    trainer->val_interval = val_interval;
    trainer->max_time = max_time;
    trainer->sanity_batches = opts->num_sanity_val_steps;
    trainer->nonfinite = opts->nonfinite;
    trainer->rollback_every = mr__option_int(opts->rollback_every_n_steps, 100);
    trainer->rollback_factor = mr__option(opts->rollback_factor, 0.5);
    trainer->max_rollbacks = mr__option_int(opts->max_rollbacks, 10);
    trainer->min_epochs = opts->min_epochs;
    trainer->min_steps = opts->min_steps;
    trainer->handle_signals = opts->handle_signals;
    trainer->checkpoint_every = checkpoint_every;
    trainer->prompt = opts->checkpoint_every;
    trainer->resume = mr__strdup(opts->resume);
    trainer->name = mr__strdup(opts->name ? opts->name : "lightning_logs");
    if ((opts->resume && !trainer->resume) || !trainer->name || !set_folder(trainer, opts)) {
        mr_trainer_free(trainer);
        return NULL;
    }
    if (opts->fast_dev_run)
        develop_fast(trainer, opts->fast_dev_run);
    return trainer;
}

void mr_trainer_free(mr_trainer *trainer)
{
    if (!trainer)
        return;
    mr__epoch_values_free(&trainer->epoch_values);
    mr__history_free(&trainer->history);
    for (size_t i = 0; i < trainer->callbacks; i++) {
        trainer->callback[i]->adopted = false;
        mr_callback_free(trainer->callback[i]);
    }
    for (size_t i = 0; i < trainer->loggers; i++) {
        trainer->logger[i]->adopted = false;
        mr_logger_free(trainer->logger[i]);
    }
    for (size_t i = 0; i < MR__MAX_LOGGERS; i++)
        mr__free(trainer->log_ends.at[i].data);
    mr__hparams_free(&trainer->hparams);
    for (size_t i = 0; i < trainer->rngs; i++)
        mr__free(trainer->rng[i].name);
    mr__free(trainer->resume);
    mr__free(trainer->save_dir);
    mr__free(trainer->name);
    mr__free(trainer->log_dir);
    mr__free(trainer->metrics_path);
    mr__free(trainer->checkpoint_path);
    mr__free(trainer);
}

void mr__forget_missing_metrics(mr_trainer *trainer)
{
    if (trainer->metrics_path && access(trainer->metrics_path, F_OK) == 0)
        return;
    mr__free(trainer->metrics_path);
    trainer->metrics_path = NULL;
}

static const char *or_empty(const char *text)
{
    return text ? text : "";
}

const char *mr_trainer_log_dir(const mr_trainer *trainer)
{
    return trainer ? or_empty(trainer->log_dir) : "";
}

const char *mr_trainer_metrics_path(const mr_trainer *trainer)
{
    return trainer ? or_empty(trainer->metrics_path) : "";
}

const char *mr_trainer_checkpoint_path(const mr_trainer *trainer)
{
    return trainer ? or_empty(trainer->checkpoint_path) : "";
}

mr_memory mr_trainer_memory(const mr_trainer *trainer)
{
    return trainer ? trainer->memory : (mr_memory){ 0 };
}

int mr_trainer_signal(const mr_trainer *trainer)
{
    return trainer ? trainer->signal : 0;
}

int64_t mr_trainer_global_step(const mr_trainer *trainer)
{
    return trainer ? trainer->global_step : 0;
}

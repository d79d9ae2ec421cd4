#include "trial.h"

#include "copies.h"
#include "feed.h"
#include "setup.h"
#include "train_step.h"

#include "base/alloc.h"
#include "base/rng.h"
#include "data/loader.h"
#include "tensor/tape.h"

#include <math.h>

/* ---- what is kept ---- */

static mr_params model_of(const mr__trial *t)
{
    return mr_module_state(t->fit->task->model);
}

static bool keep_gradients(mr__trial *t)
{
    const mr_params params = t->fit->params;
    t->flags = mr__alloc(params.count + 1);
    t->gradients = mr__alloc(mr__copies_bytes(params));
    if (!t->flags || !t->gradients)
        return false;
    mr__saved_gradients(params, t->flags);
    mr__gradients_take(params, t->gradients);
    return true;
}

/* All but the optimizer, which moves parameters and is not there yet. */
static mr_status keep(mr__trial *t)
{
    mr__fit *fit = t->fit;
    const mr_params model = model_of(t);
    if (!model.item || !(t->model = mr__alloc(mr__copies_bytes(model))) || !keep_gradients(t))
        return mr_error_status();
    mr__copies_take(model, t->model);
    mr_status status = mr__loader_bytes_take(&t->loader, fit->loader);
    if (!status)
        status = mr__saved_init(fit);
    if (status)
        return status;
    t->rng = mr__alloc_array(fit->saved.rngs, sizeof *t->rng);
    if (!t->rng || !mr__saved_keep(&fit->saved, &t->list))
        return MR_ERR_MEMORY;
    for (size_t i = 0; i < fit->saved.rngs; i++)
        t->rng[i] = *fit->saved.rng[i];
    return MR_OK;
}

/* Generators last, since a loader's restoring may draw. */
static mr_status put_back(mr__trial *t)
{
    mr__fit *fit = t->fit;
    mr_status status =
        t->loader.data ? mr_loader_restore(fit->loader, t->loader.data, t->loader.size) : MR_OK;
    if (t->list) {
        mr__saved_put_back(&fit->saved, t->list);
        mr__copies_put_back(model_of(t), t->model);
        mr__restore_gradients(fit->params, t->flags);
        mr__gradients_put_back(fit->params, t->gradients);
        for (size_t i = 0; i < fit->saved.rngs; i++)
            *fit->saved.rng[i] = t->rng[i];
    }
    return status;
}

/* ---- beginning and end ---- */

static mr_status note_loss(void *self, mr_step *step)
{
    ((mr__trial *)self)->loss = mr_item(step->loss);
    return MR_OK;
}

/* Nobody but the finder listens, and nothing is written. */
static mr_status make_trainer(mr__trial *t, const mr_trainer *of)
{
    static const mr_callback_vtable hooks = { .name = "Finder", .on_before_backward = note_loss };
    t->trainer = *of;
    t->trainer.callbacks = t->trainer.loggers = 0;
    t->trainer.val.count = 0;
    t->trainer.nonfinite = MR_NONFINITE_SKIP; /* it is looked at here */
    t->trainer.fit = NULL;
    memset(&t->trainer.epoch_values, 0, sizeof t->trainer.epoch_values);
    memset(&t->trainer.history, 0, sizeof t->trainer.history);
    t->trainer.callback[0] = mr_lambda_callback_new(&hooks, t);
    t->trainer.callbacks = t->trainer.callback[0] != NULL;
    return t->trainer.callback[0] ? MR_OK : MR_ERR_MEMORY;
}

/* An epoch's batches, as a fit would count them; at least one, since a fit says better what is wrong with none. */
static int64_t epoch_batches(const mr__fit *fit)
{
    const mr_trainer *t = fit->trainer;
    const mr__limit *limit = mr__overfits(t) ? &t->overfit : &t->limit_train;
    const int64_t len = mr__feed_len(fit);
    int64_t most;
    if (mr__limit_of("fit", limit, len, &most)) {
        mr_error_clear();
        return 1;
    }
    const int64_t batches = most >= 0 && (len < 0 || len > most) ? most : len;
    return batches ? batches : 1;
}

/* Meanwhile the trainer can be asked for its steps, as in a fit. */
static mr_status make_optimizers(mr__trial *t, mr_trainer *trainer)
{
    mr__fit *fit = t->fit;
    const int64_t not_known = fit->reporter->total;
    fit->reporter->total = epoch_batches(fit);
    trainer->fit = fit;
    mr_status status = mr__make_optimizers(fit);
    trainer->fit = NULL;
    fit->reporter->total = not_known; /* the trial's own epochs go on to the loader's end */
    return status;
}

mr_status mr__trial_begin(mr__trial *t, const char *call, mr_trainer *trainer, mr_task *task,
                          mr_loader *loader)
{
    *t = (mr__trial){ .call = call, .loss = NAN };
    if (trainer->fit)
        return mr__raise(MR_ERR_STATE, "%s: the trainer is in a fit", call);
    if (task->vtable->configure_manual)
        return mr__raise(MR_ERR_ARGUMENT, "%s: it is not for a task that optimizes by hand", call);
    mr_status status = mr__task_trains(call, task);
    if (!status)
        status = make_trainer(t, trainer);
    mr__fit *fit = t->fit = status ? NULL : mr__alloc_zeroed(sizeof *fit);
    if (!fit)
        return status ? status : MR_ERR_MEMORY;
    fit->trainer = &t->trainer;
    fit->task = task;
    fit->train = (mr__loaders){ { loader }, 1 };
    fit->loader = loader;
    fit->log.muted = true;
    fit->schedule_held = true; /* the rates are the finder's, and steps more than it may have been made for */
    fit->params = mr_module_parameters(task->model);
    fit->tape = mr_tape_new(loader->order.shared);
    fit->reporter = mr__reporter_new();
    if (!fit->params.item || !fit->tape || !fit->reporter)
        return mr_error_status();
    fit->step =
        (mr_step){ .model = task->model, .self = task->self, .trainer = &t->trainer, .tape = fit->tape };
    fit->events = mr__events_wanted(&t->trainer, task) & MR__EVENT_BIT(MR__ON_BEFORE_BACKWARD);
    status = keep(t);
    if (!status)
        status = make_optimizers(t, trainer);
    mr_loader_rewind(loader);
    return status;
}

mr_status mr__trial_end(mr__trial *t, mr_status status)
{
    mr__failure first;
    const bool failed = status < 0;
    if (failed) {
        mr__failure_take(&first);
        mr_error_clear();
    }
    if (t->fit) {
        const mr_status put = put_back(t);
        status = status ? status : put;
        mr__fit_free(t->fit);
    }
    mr_callback_free(t->trainer.callback[0]);
    mr__epoch_values_free(&t->trainer.epoch_values);
    mr__history_free(&t->trainer.history);
    mr__free(t->loader.data);
    mr__free(t->rng);
    mr__free(t->model);
    mr__free(t->list);
    mr__free(t->gradients);
    mr__free(t->flags);
    if (failed) {
        mr_error_clear();
        mr__failure_raise(&first);
    }
    return status;
}

/* ---- steps ---- */

static mr_status next_batch(const mr__trial *t, const mr_batch **batch)
{
    mr__fit *fit = t->fit;
    mr_status status = mr_loader_next(fit->loader, batch);
    if (status != MR_END)
        return status;
    if (t->idle && t->idle >= fit->step.batch_index)
        return mr__raise(MR_ERR_ARGUMENT, "%s: the task leaves out all batches of an epoch", t->call);
    fit->step.epoch++;
    fit->step.batch_index = 0;
    status = mr_loader_next(fit->loader, batch);
    return status == MR_END ? mr__raise(MR_ERR_ARGUMENT, "%s: the loader has no batches", t->call) : status;
}

mr_status mr__trial_step(mr__trial *t)
{
    mr__fit *fit = t->fit;
    const mr_batch *batch;
    bool updated = false;
    fit->quiet = true;
    while (!updated) {
        mr_status status = next_batch(t, &batch);
        if (status)
            return status;
        const int64_t window = fit->window;
        fit->step.batch = batch;
        mr__log_begin(&fit->log, false, batch->rows);
        status = mr__train_batch(fit, batch, &updated);
        fit->step.batch = NULL;
        fit->step.batch_index++;
        t->idle = updated || fit->window > window ? 0 : t->idle + 1;
        if (status)
            return status;
        if (fit->nonfinite)
            return MR_ERR_NONFINITE;
    }
    fit->step.global_step++;
    return MR_OK;
}

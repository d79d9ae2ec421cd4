#include "train_step.h"

#include "nonfinite.h"
#include "rollback.h"

#include "optim/optim.h"
#include "tensor/tape.h"

#include <math.h>

mr_status mr__train_failed(const mr__fit *fit, mr_status status)
{
    mr__failure failure;
    mr__failure_take(&failure);
    mr_error_clear();
    return mr__raise(status, "fit: epoch %lld, step %lld: %s", (long long)fit->step.epoch,
                     (long long)fit->step.global_step, failure.text);
}

/* Those that this batch has logged. */
static void forget_values(mr__fit *fit)
{
    mr__log_leave_out(&fit->log);
    fit->left_out = true;
}

static void leave_out(mr__fit *fit)
{
    mr__buffers_put_back(fit);
    forget_values(fit);
}

/* The task's loss; NULL after a failure, or for a batch that is passed over. */
static mr_tensor *loss_of(mr__fit *fit, const mr_batch *batch, mr_status *status)
{
    fit->skipped = fit->left_out = false;
    fit->weight = (double)batch->rows;
    if (MR__UNLIKELY(fit->buffers != NULL))
        mr__buffers_keep(fit);
    mr_tensor *loss = fit->task->vtable->training_step(&fit->step, batch);
    *status = MR_OK;
    if (MR__UNLIKELY(fit->skipped) && !fit->tape->failed && !mr__pending()) {
        leave_out(fit);
        return NULL;
    }
    if (MR__UNLIKELY(!loss || fit->tape->failed)) {
        leave_out(fit);
        if (!fit->tape->failed && !mr__has_cause(MR_OK))
            mr__raise(MR_ERR_CALLBACK, "training_step gave no loss");
        if (fit->tape->failed && !mr__pending())
            mr__failure_raise(&fit->tape->failure);
        *status = mr__train_failed(fit, mr_error_status());
        return NULL;
    }
    if (MR__UNLIKELY(!mr__loss_finite(loss))) {
        *status = mr__loss_nonfinite(fit, batch, loss);
        forget_values(fit);
        return NULL;
    }
    return loss;
}

/* What a function of the task's has come to. */
static mr_status of_task(mr_status status, const char *function)
{
    if (MR__LIKELY(status == MR_OK && !mr__pending()))
        return MR_OK;
    if (!mr__has_cause(status))
        return mr__raise(status < 0 ? status : MR_ERR_CALLBACK, "%s failed without a message", function);
    return mr_error_status();
}

static mr_status clip(mr__fit *fit)
{
    const mr_trainer *t = fit->trainer;
    mr_status status = MR_OK;
    if (MR__UNLIKELY(fit->task->vtable->configure_gradient_clipping != NULL))
        return of_task(fit->task->vtable->configure_gradient_clipping(&fit->step),
                       "configure_gradient_clipping");
    if (t->clip_norm >= 0)
        status = mr_clip_grad_norm(fit->params, t->clip_norm, NULL, NULL);
    if (!status && t->clip_value >= 0)
        status = mr_clip_grad_value(fit->params, t->clip_value);
    return status;
}

/* A function of the task's that stands for a part of the step. */
typedef mr_status of_step(mr_step *step);
typedef mr_status of_loss(mr_step *step, mr_tensor *loss);

static mr_status step_optimizer(mr__fit *fit, mr_optim *optim)
{
    of_step *own = fit->manual ? NULL : fit->task->vtable->optimizer_step;
    return MR__LIKELY(!own) ? mr_optim_step(optim) : of_task(own(&fit->step), "optimizer_step");
}

mr_status mr__step_optimizer(mr__fit *fit, mr_optim *optim)
{
    const double factor = mr__rate_factor(fit);
    if (MR__LIKELY(factor == 1))
        return step_optimizer(fit, optim);
    mr__optim_scale_rates(optim, factor);
    mr_status status = step_optimizer(fit, optim);
    mr__optim_rates_back(optim);
    return status;
}

/* Whether a schedule of some frequency steps behind the batch, or epoch, of that number, from 1. */
static bool schedule_due(const mr__fit *fit, int64_t number)
{
    const int64_t frequency = fit->task->vtable->schedule_frequency;
    return frequency <= 1 || number % frequency == 0;
}

static mr_status step_schedule(mr__fit *fit, double metric)
{
    const mr_task_vtable *vtable = fit->task->vtable;
    if (vtable->lr_scheduler_step)
        return of_task(vtable->lr_scheduler_step(&fit->step, fit->schedule, metric), "lr_scheduler_step");
    return vtable->schedule_monitor ? mr_schedule_step_metric(fit->schedule, metric)
                                    : mr_schedule_step(fit->schedule);
}

/* The gradients are sums of n_i g_i; divided by the sum of n_i they are those of the window as one batch. */
static mr_status update(mr__fit *fit, bool *updated)
{
    if (fit->trainer->accumulate > 1)
        mr__scale_grads(fit->params, 1 / fit->window_weight);
    fit->window = 0;
    fit->window_weight = 0;
    if (MR__UNLIKELY(!mr__gradients_finite(fit->optim)))
        return mr__gradient_nonfinite(fit, fit->optim, fit->step.batch);
    if (MR__UNLIKELY(fit->rollback != NULL))
        mr__rollback_keep(fit);
    mr_status status = mr__hooks(fit, MR__ON_BEFORE_OPTIMIZER_STEP);
    if (MR__UNLIKELY(status))
        return status == MR_END ? MR_OK : mr__train_failed(fit, status);
    status = clip(fit);
    if (!status)
        status = mr__step_optimizer(fit, fit->optim);
    if (!status)
        status = mr__hooks(fit, MR__ON_AFTER_OPTIMIZER_STEP);
    if (!status && fit->schedule && fit->task->vtable->schedule_each_step && !fit->schedule_held &&
        schedule_due(fit, fit->step.batch_index + (fit->step.batch != NULL)))
        status = step_schedule(fit, (double)NAN);
    *updated = !status;
    return status < 0 ? mr__train_failed(fit, status) : MR_OK;
}

static mr_status zero_grad(mr__fit *fit)
{
    of_step *own = fit->task->vtable->optimizer_zero_grad;
    if (MR__UNLIKELY(own != NULL))
        return of_task(own(&fit->step), "optimizer_zero_grad");
    mr_optim_zero_grad(fit->optim);
    return MR_OK;
}

/* The batch has failed, or a hook leaves it out. Where backward has begun, some of the window's gradients may have its
 * own in them: then the window is lost, too. */
static mr_status without_batch(mr__fit *fit, mr_status status)
{
    leave_out(fit);
    if (status < 0 && fit->tape->used_up) {
        fit->window = 0;
        fit->window_weight = 0;
    }
    return status;
}

/* The loss's gradients are added to those of the window. MR_END: a hook leaves the batch out. */
static mr_status add_gradients(mr__fit *fit, mr_tensor *loss)
{
    mr_status status = MR_OK;
    fit->step.loss = loss;
    if (fit->window == 0) {
        if (MR__UNLIKELY((status = mr__hooks(fit, MR__ON_BEFORE_ZERO_GRAD)) != MR_OK))
            return without_batch(fit, status);
        if (MR__UNLIKELY((status = zero_grad(fit)) != MR_OK))
            return without_batch(fit, status);
    }
    if (MR__UNLIKELY((status = mr__hooks(fit, MR__ON_BEFORE_BACKWARD)) != MR_OK))
        return without_batch(fit, status);
    if (fit->trainer->accumulate > 1)
        loss = mr_mul_scalar(fit->tape, loss, fit->weight);
    of_loss *own = fit->task->vtable->backward;
    status = MR__LIKELY(!own) ? mr_backward(fit->tape, loss) : of_task(own(&fit->step, loss), "backward");
    if (MR__UNLIKELY(status < 0))
        return without_batch(fit, status);
    if (fit->trainer->accumulate > 1)
        fit->window_weight += fit->weight;
    fit->window++;
    status = mr__hooks(fit, MR__ON_AFTER_BACKWARD);
    return status < 0 ? status : MR_OK;
}

mr_status mr__train_batch(mr__fit *fit, const mr_batch *batch, bool *updated)
{
    mr_status status;
    mr_tensor *loss = loss_of(fit, batch, &status);
    *updated = false;
    if (MR__LIKELY(loss)) {
        status = add_gradients(fit, loss);
        fit->step.loss = NULL;
        if (MR__UNLIKELY(status < 0))
            return mr__train_failed(fit, status);
    }
    mr_tape_reset(fit->tape);
    if (MR__UNLIKELY(status < 0))
        return status;
    return fit->window >= fit->trainer->accumulate || (fit->window && mr__is_last(fit)) ? update(fit, updated)
                                                                                        : MR_OK;
}

mr_status mr__train_rest(mr__fit *fit, bool *updated)
{
    *updated = false;
    return fit->window ? update(fit, updated) : MR_OK;
}

mr_status mr__train_epoch_ended(mr__fit *fit)
{
    const mr_task_vtable *vtable = fit->task->vtable;
    if (!fit->schedule || vtable->schedule_each_step || vtable->schedule_monitor || fit->schedule_held ||
        !schedule_due(fit, fit->step.epoch + 1))
        return MR_OK;
    mr_status status = step_schedule(fit, (double)NAN);
    return status < 0 ? mr__train_failed(fit, status) : MR_OK;
}

/* Before the first validation there is nothing to look at yet. */
mr_status mr__train_epoch_measured(mr__fit *fit)
{
    const char *monitor = fit->task->vtable->schedule_monitor;
    if (!fit->schedule || !monitor || fit->schedule_held || !schedule_due(fit, fit->step.epoch + 1))
        return MR_OK;
    const double *metric = mr__epoch_value(&fit->trainer->epoch_values, monitor);
    if (!metric && fit->val_tape && !fit->validated)
        return MR_OK;
    if (!metric)
        return mr__raise(MR_ERR_ARGUMENT,
                         "fit: the schedule looks at '%s', which was not logged for epoch %lld", monitor,
                         (long long)fit->step.epoch);
    mr_status status = step_schedule(fit, *metric);
    return status < 0 ? mr__train_failed(fit, status) : MR_OK;
}

/* ---- what a training step says of itself ---- */

void mr_step_skip(mr_step *step)
{
    if (step)
        ((mr__fit *)step)->skipped = true;
}

void mr_step_set_weight(mr_step *step, double weight)
{
    mr__fit *fit = (mr__fit *)step;
    if (!step)
        return;
    if (!(weight > 0) || isinf(weight))
        mr__fail(fit->tape, MR_ERR_ARGUMENT, "step_set_weight: %g is no weight", weight);
    else
        fit->weight = weight;
}

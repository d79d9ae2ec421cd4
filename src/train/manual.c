/* Optimizing by hand: what a training step of such a task calls. */
#include "nonfinite.h"
#include "rollback.h"
#include "train_step.h"

#include "optim/optim.h"
#include "tensor/tape.h"

mr_optim *mr_step_optim(mr_step *step, int index)
{
    const mr__fit *fit = (const mr__fit *)step;
    return step && index >= 0 && index < fit->optims ? fit->made.optim[index] : NULL;
}

mr_schedule *mr_step_schedule(mr_step *step, int index)
{
    const mr__fit *fit = (const mr__fit *)step;
    return step && index >= 0 && index < fit->optims ? fit->made.schedule[index] : NULL;
}

/* ---- in a step ---- */

/* Whether a call has something to do: MR_OK; MR_END: not any more in this step; or a failure. */
static mr_status ready(const char *call, const mr__fit *fit)
{
    if (!fit)
        return mr__null(call, "step");
    if (!fit->manual || !fit->step.batch)
        return mr__raise(MR_ERR_STATE, "%s: it is for the training step of a task with configure_manual",
                         call);
    if (fit->step_failure.status)
        return mr__failure_raise(&fit->step_failure);
    if (mr__pending())
        return mr_error_status();
    return fit->abandoned ? MR_END : MR_OK;
}

/* Whether the step is run for what it computes on the way, and nothing is to come of its losses. */
static bool computes_only(const mr__fit *fit)
{
    return fit->forward_only || fit->tape->watching;
}

/* What a call comes to: a failure is the step's, even if the step does not say so. */
static mr_status came_to(mr__fit *fit, mr_status status)
{
    if (fit && status < 0 && fit->step_failure.status == MR_OK)
        mr__failure_take(&fit->step_failure);
    return mr__settle(status);
}

/* From here on nothing is done in this step. */
static mr_status abandon(mr__fit *fit, mr_status status)
{
    fit->abandoned = !status;
    return status ? status : MR_END;
}

static mr_status backward(mr__fit *fit, mr_tensor *loss)
{
    if (loss && !fit->tape->failed && !mr__loss_finite(loss))
        return abandon(fit, mr__loss_nonfinite(fit, fit->step.batch, loss));
    fit->step.loss = loss;
    mr_status status = mr__hooks(fit, MR__ON_BEFORE_BACKWARD);
    if (status == MR_END)
        return abandon(fit, MR_OK);
    if (!status)
        status = mr_backward(fit->tape, loss);
    if (!status)
        status = mr__hooks(fit, MR__ON_AFTER_BACKWARD);
    fit->step.loss = NULL;
    return status < 0 ? status : MR_OK;
}

mr_status mr_step_backward(mr_step *step, mr_tensor *loss)
{
    mr__fit *fit = (mr__fit *)step;
    mr_status status = ready("step_backward", fit);
    if (!status && !computes_only(fit))
        status = backward(fit, loss);
    return came_to(fit, status);
}

static mr_status update(mr__fit *fit, int index)
{
    if (index < 0 || index >= fit->optims)
        return mr__raise(MR_ERR_ARGUMENT, "step_update: there is no optimizer %d of %d", index, fit->optims);
    mr_optim *optim = fit->made.optim[index];
    if (!mr__gradients_finite(optim))
        return abandon(fit, mr__gradient_nonfinite(fit, optim, fit->step.batch));
    fit->step.optim = optim;
    mr_status status = mr__hooks(fit, MR__ON_BEFORE_OPTIMIZER_STEP);
    if (!status)
        status = mr__step_optimizer(fit, optim);
    if (!status)
        status = mr__hooks(fit, MR__ON_AFTER_OPTIMIZER_STEP);
    fit->step.optim = fit->optim;
    fit->step.global_step += !status;
    return status;
}

mr_status mr_step_update(mr_step *step, int index)
{
    mr__fit *fit = (mr__fit *)step;
    mr_status status = ready("step_update", fit);
    if (!status && !computes_only(fit))
        status = update(fit, index);
    return came_to(fit, status);
}

/* ---- the trainer's side ---- */

static mr_status outcome(mr__fit *fit)
{
    if (!mr__pending() && fit->step_failure.status)
        mr__failure_raise(&fit->step_failure);
    if (!mr__pending() && fit->tape->failed)
        mr__failure_raise(&fit->tape->failure);
    if (!mr__pending())
        return MR_OK;
    return mr_error_status() == MR_ERR_NONFINITE ? mr_error_status()
                                                 : mr__train_failed(fit, mr_error_status());
}

mr_status mr__train_by_hand(mr__fit *fit, const mr_batch *batch)
{
    const int64_t updates = fit->step.global_step;
    fit->skipped = fit->abandoned = false;
    fit->step_failure.status = MR_OK;
    if (fit->buffers)
        mr__buffers_keep(fit);
    if (fit->rollback)
        mr__rollback_take(fit);
    (void)fit->task->vtable->training_step(&fit->step, batch);
    mr_status status = outcome(fit);
    mr_tape_reset(fit->tape);
    const bool good = !status && !fit->abandoned;
    if (fit->rollback)
        mr__rollback_took(fit, good);
    fit->left_out = !good || fit->skipped;
    if ((status || (good && fit->skipped)) && fit->step.global_step == updates) {
        mr__buffers_put_back(fit);
        mr__log_leave_out(&fit->log);
    }
    return status;
}

#include "rollback.h"

#include "average.h"

#include "base/log.h"

/* ---- what is kept ---- */

static bool begins_with(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

static bool add(mr__state *list, const char *key, const mr_param *of)
{
    const mr_tensor *x = of->tensor;
    return mr__state_add(list, key, of->name, (mr_dtype)x->dtype, mr__shape_of(x), x->data);
}

/* Rates and momenta are what schedules, and the rollbacks, make of them. */
static bool add_optimizer(mr__state *list, const char *key, mr_optim *optim)
{
    const mr_params state = mr_optim_state(optim);
    for (size_t i = 0; i < state.count; i++) {
        const void *data = state.item[i].tensor->data;
        bool of_schedule = false;
        for (mr__group *group = &optim->first; group; group = group->next)
            of_schedule = of_schedule || data == &group->lr ||
                          (optim->kind->momentum && data == mr__momentum_of(optim, group));
        if (!of_schedule && !add(list, key, &state.item[i]))
            return false;
    }
    return state.item;
}

/* Averages have taken in the weights that are gone. The number is that of the callback's saved state. */
static bool add_averages(mr__state *list, const mr_trainer *t)
{
    for (size_t i = 0, number = 0; i < t->callbacks; i++) {
        const mr__average_use ema = mr__ema_use(t->callback[i]), swa = mr__swa_use(t->callback[i]);
        mr__average *average = ema.average ? ema.average : swa.average;
        mr__text key;
        snprintf(key.text, sizeof key.text, "callback.%zu", number);
        if (average && !mr__average_list(average, list, key.text))
            return false;
        number += t->callback[i]->vtable->state != NULL;
    }
    return true;
}

static bool add_all(mr__fit *fit, mr__rollback *r)
{
    static const char task[] = "trainer.task.";
    const mr_params model = mr_module_state(fit->task->model);
    const mr__state *saved = &fit->saved.list;
    bool listed = model.item;
    for (size_t i = 0; i < model.count && listed; i++)
        listed = add(&r->list, "model", &model.item[i]);
    for (int i = 0; i < fit->optims && listed; i++) {
        mr__text key;
        snprintf(key.text, sizeof key.text, "optimizers.%d", i);
        listed = add_optimizer(&r->list, key.text, fit->made.optim[i]);
    }
    for (size_t i = 0; i < saved->count && listed; i++)
        if (begins_with(saved->item[i].name, task))
            listed = add(&r->list, "task",
                         &(mr_param){ saved->item[i].name + strlen(task), saved->item[i].tensor });
    return listed && add_averages(&r->list, fit->trainer);
}

static mr_params all(const mr__rollback *r)
{
    return (mr_params){ r->list.item, r->list.count };
}

/* ---- setting up ---- */

mr_status mr__rollback_begin(mr__fit *fit)
{
    mr__state *saved = &fit->saved.list;
    if (fit->trainer->nonfinite != MR_NONFINITE_ROLLBACK)
        return MR_OK;
    for (int i = 0; i < fit->optims; i++)
        if (fit->made.optim[i]->kind->step)
            return mr__raise(MR_ERR_ARGUMENT, "fit: nonfinite: %s, whose state grows, cannot be rolled back",
                             fit->made.optim[i]->kind->name);
    mr__rollback *r = fit->rollback = mr__alloc_zeroed(sizeof *r);
    if (!r || !add_all(fit, r))
        return mr_error_status();
    r->rate = 1;
    r->block = mr__alloc_zeroed(mr__copies_bytes(all(r)));
    r->taken = fit->manual && r->block ? mr__alloc(mr__copies_bytes(all(r))) : NULL;
    const bool made = r->block && (r->taken || !fit->manual) &&
                      mr__state_add(saved, "trainer.rollback", "kept", MR_INT64, MR_SCALAR, &r->kept) &&
                      mr__state_add(saved, "trainer.rollback", "at", MR_INT64, MR_SCALAR, &r->at) &&
                      mr__state_add(saved, "trainer.rollback", "count", MR_INT64, MR_SCALAR, &r->count) &&
                      mr__state_add(saved, "trainer.rollback", "rate", MR_FLOAT64, MR_SCALAR, &r->rate) &&
                      mr__copies_list(saved, "trainer.rollback.kept_state", all(r), r->block);
    return made ? MR_OK : MR_ERR_MEMORY;
}

void mr__rollback_free(mr__fit *fit)
{
    mr__rollback *r = fit->rollback;
    if (!r)
        return;
    mr__state_drop(&r->list);
    mr__free(r->block);
    mr__free(r->taken);
    mr__free(r);
    fit->rollback = NULL;
}

/* ---- keeping ---- */

/* A function of what is saved, so that a training that was resumed keeps the same. */
static bool is_due(const mr__fit *fit)
{
    const mr__rollback *r = fit->rollback;
    const int64_t every = fit->trainer->rollback_every;
    return !r->kept || fit->step.global_step / every > r->at / every;
}

void mr__rollback_keep(mr__fit *fit)
{
    mr__rollback *r = fit->rollback;
    if (!is_due(fit))
        return;
    mr__copies_take(all(r), r->block);
    r->kept = 1;
    r->at = fit->step.global_step;
}

void mr__rollback_take(mr__fit *fit)
{
    mr__rollback *r = fit->rollback;
    r->candidate = is_due(fit);
    r->candidate_at = fit->step.global_step;
    if (r->candidate)
        mr__copies_take(all(r), r->taken);
}

void mr__rollback_took(mr__fit *fit, bool good)
{
    mr__rollback *r = fit->rollback;
    if (!r->candidate || !good || r->candidate_at == fit->step.global_step)
        return;
    memcpy(r->block, r->taken, mr__copies_bytes(all(r)));
    r->kept = 1;
    r->at = r->candidate_at;
}

/* ---- going back ---- */

bool mr__goes_on(const mr__fit *fit)
{
    const mr__rollback *r = fit->rollback;
    const int64_t most = fit->trainer->max_rollbacks;
    if (!r)
        return fit->trainer->nonfinite == MR_NONFINITE_SKIP;
    return r->kept && (most < 0 || r->count < most);
}

mr_status mr__roll_back(mr__fit *fit, const char *what, const char *where)
{
    mr__rollback *r = fit->rollback;
    if (!r->kept)
        return mr__raise(MR_ERR_NONFINITE, "fit: %s%s, and there is no state to go back to", what, where);
    if (!mr__goes_on(fit))
        return mr__raise(MR_ERR_NONFINITE, "fit: %s%s, after %lld rollbacks", what, where,
                         (long long)r->count);
    mr__copies_put_back(all(r), r->block);
    mr_module_zero_grad(fit->task->model); /* they are of weights that are gone */
    r->count++;
    r->rate *= fit->trainer->rollback_factor;
    fit->window = 0;
    fit->window_weight = 0;
    mr__log(MR_LOG_WARNING, "fit: %s%s: back to the state of step %lld, learning rates count %g times", what,
            where, (long long)r->at, r->rate);
    return MR_OK;
}

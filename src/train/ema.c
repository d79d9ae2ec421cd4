/* An exponential moving average of the weights. */
#include "average.h"
#include "setup.h"

#include "base/option.h"

typedef struct ema {
    mr_ema_opts opts;
    mr_duration start;
    mr__trigger from;
    mr__average average;
    int64_t updates; /* of the weights, since the beginning or the start */
} ema;

/* The model cannot have two of them. */
static mr_status check_others(const ema *e, const mr__fit *fit)
{
    const mr_trainer *t = fit->trainer;
    for (size_t i = 0; fit->val_tape && !e->opts.not_in_validation && t->callback[i]->self != e; i++)
        if (mr__ema_use(t->callback[i]).validated)
            return mr__raise(MR_ERR_ARGUMENT,
                             "another average is validated already, which not_in_validation leaves out");
    return mr__average_alone(t, &e->average);
}

static mr_status begin(void *self, mr_step *step)
{
    ema *e = self;
    const mr__extent extent = mr__extent_of((mr__fit *)step);
    e->updates = 0;
    if (check_others(e, (const mr__fit *)step))
        return mr_error_status();
    mr_status status = mr__trigger_set(&e->from, "start", e->start, &extent, 0);
    if (!status && e->from.by == MR__BY_CLOCK)
        status =
            mr__raise(MR_ERR_ARGUMENT, "start: it goes by the clock, by which nothing begins twice alike");
    return status ? status : mr__average_begin(&e->average, step->model, e->opts.use_buffers);
}

static mr_params state(void *self)
{
    ema *e = self;
    mr__state *s = &e->average.state;
    const bool listed = mr__state_add(s, "", "updates", MR_INT64, MR_SCALAR, &e->updates) &&
                        mr__average_list(&e->average, s, "");
    return listed ? (mr_params){ s->item, s->count } : (mr_params){ NULL, 0 };
}

static mr_status updated(void *self, mr_step *step)
{
    ema *e = self;
    if (!mr__trigger_reached(&e->from, step->epoch))
        return MR_OK;
    if (e->updates++ % e->opts.every_n_steps == 0)
        mr__average_update(&e->average, e->opts.decay, 1 - e->opts.decay);
    return MR_OK;
}

static mr_status validation_begins(void *self, mr_step *step)
{
    ema *e = self;
    if (step->stage != MR_STAGE_FIT || e->opts.not_in_validation)
        return MR_OK;
    mr__average_swap_in(&e->average);
    ((mr__fit *)step)->validated_with = e->average.swapped ? &e->average : NULL;
    return MR_OK;
}

static mr_status validation_ends(void *self, mr_step *step)
{
    (void)step;
    mr__average_swap_out(&((ema *)self)->average);
    return MR_OK;
}

static mr_status end(void *self, mr_step *step)
{
    const ema *e = self;
    const mr__fit *fit = (const mr__fit *)step;
    if (!e->opts.not_at_end && !fit->signal && !fit->ends_as_best)
        mr__average_put(&e->average);
    return MR_OK;
}

static void destroy(void *self)
{
    mr__average_drop(&((ema *)self)->average);
}

static const mr_callback_vtable vtable = { .name = "EMA",
                                           .on_fit_start = begin,
                                           .on_after_optimizer_step = updated,
                                           .on_validation_start = validation_begins,
                                           .on_validation_end = validation_ends,
                                           .on_validation_left = validation_ends,
                                           .on_fit_end = end,
                                           .state = state,
                                           .destroy = destroy };

mr_callback *mr_ema_new(const mr_ema_opts *opts)
{
    static const char call[] = "ema";
    ema e = { .opts = opts ? *opts : (mr_ema_opts){ 0 } };
    e.opts.decay = mr__option(e.opts.decay, 0.999);
    e.opts.every_n_steps = mr__option_int(e.opts.every_n_steps, 1);
    if (!(e.opts.decay >= 0 && e.opts.decay <= 1))
        mr__raise(MR_ERR_ARGUMENT, "%s: decay %g is not in [0, 1]", call, e.opts.decay);
    else if (e.opts.every_n_steps < 1)
        mr__raise(MR_ERR_ARGUMENT, "%s: every_n_steps %lld is not at least 1", call,
                  (long long)e.opts.every_n_steps);
    else if (mr__duration_option(call, "start", e.opts.start, &e.start) == MR_OK)
        return mr_callback_new(&vtable, &e, sizeof e);
    return NULL;
}

mr__average_use mr__ema_use(const mr_callback *callback)
{
    ema *e = callback->vtable == &vtable ? callback->self : NULL;
    return e ? (mr__average_use){ !e->opts.not_in_validation, !e->opts.not_at_end, &e->average }
             : (mr__average_use){ .average = NULL };
}

mr_params mr_ema_params(const mr_callback *callback)
{
    if (callback && callback->vtable == &vtable)
        return mr__average_view(&((const ema *)callback->self)->average);
    return (mr_params){ NULL, 0 };
}

/* Making, stepping and freeing schedules. */
#include "schedule.h"

#include "base/alloc.h"

#include <math.h>

/* ---- options ---- */

bool mr__schedule_at_least(const char *call, const char *name, int64_t value, int64_t low)
{
    if (value >= low)
        return true;
    mr__raise(MR_ERR_ARGUMENT, "%s: %s %lld is less than %lld", call, name, (long long)value, (long long)low);
    return false;
}

bool mr__schedule_finite(const char *call, const char *name, double value)
{
    return mr__option_within(call, name, value, 0, INFINITY);
}

bool mr__schedule_factor(const char *call, const char *name, double factor, bool zero)
{
    if (factor <= 1 && (factor > 0 || (zero && factor == 0)))
        return true;
    mr__raise(MR_ERR_ARGUMENT, "%s: %s %g is not in %c0, 1]", call, name, factor, zero ? '[' : '(');
    return false;
}

bool mr__schedule_spread(const mr_schedule *s, const char *name, double *to, const double *array,
                         double value)
{
    for (size_t i = 0; i < s->groups; i++) {
        to[i] = array ? array[i] : value;
        if (!mr__schedule_finite(s->kind->name, name, to[i]))
            return false;
    }
    return true;
}

/* ---- initial learning rates, which the optimizer keeps ---- */

static mr__group *group_at(mr_optim *optim, size_t index)
{
    mr__group *group = &optim->first;
    while (index--)
        group = group->next;
    return group;
}

void mr__set_initial_lr(mr_optim *optim, size_t group, double lr)
{
    mr__group *at = group_at(optim, group);
    at->initial_lr = lr;
    at->has_initial_lr = true;
}

double mr__initial_lr(mr_optim *optim, size_t group)
{
    mr__group *at = group_at(optim, group);
    if (!at->has_initial_lr)
        mr__set_initial_lr(optim, group, at->lr);
    return at->initial_lr;
}

/* ---- making ---- */

mr_schedule *mr__schedule_new(const mr__schedule_kind *kind, mr_optim *optim)
{
    if (!optim) {
        mr__null(kind->name, "optim");
        return NULL;
    }
    enum { ARRAYS = 6 };
    size_t groups = optim->groups;
    mr_schedule *s = mr__alloc_zeroed(sizeof *s);
    double *arrays = s ? mr__alloc_zeroed(mr__mul_size(groups, ARRAYS * sizeof *arrays)) : NULL;
    if (!arrays) {
        mr__free(s);
        return NULL;
    }
    s->kind = kind;
    s->optim = optim;
    s->groups = groups;
    s->last_epoch = -1;
    double **const field[ARRAYS] = { &s->base,   &s->last,          &s->next,
                                     &s->max_lr, &s->base_momentum, &s->max_momentum };
    for (size_t k = 0; k < ARRAYS; k++)
        *field[k] = arrays + k * groups;
    for (size_t i = 0; i < groups; i++)
        s->last[i] = group_at(optim, i)->lr;
    return s;
}

mr_schedule *mr__schedule_begin(mr_schedule *s)
{
    if (!s)
        return NULL;
    for (size_t i = 0; i < s->groups; i++)
        s->base[i] = mr__initial_lr(s->optim, i);
    if (mr__schedule_advance(s, false) == MR_OK)
        return s;
    mr_schedule_free(s);
    return NULL;
}

void mr_schedule_free(mr_schedule *s)
{
    /* One that was adopted goes with the schedule that has it. */
    if (!s || s->adopted)
        return;
    if (s->kind->destroy)
        s->kind->destroy(s);
    mr__state_drop(&s->state);
    mr__free(s->base);
    mr__free(s);
}

/* ---- steps ---- */

/* Sets the momenta that belong to this step. */
static bool set_momenta(const mr_schedule *s)
{
    for (size_t i = 0; s->kind->momentum && i < s->groups; i++)
        if (!mr_optim_set_group_momentum(s->optim, (int)i, s->kind->momentum(s, i)))
            return false;
    return true;
}

mr_status mr__schedule_advance(mr_schedule *s, bool anew)
{
    const int64_t before = s->last_epoch;
    bool ok = true;
    s->last_epoch = anew ? 0 : before + 1;
    if (s->kind->move)
        s->kind->move(s);
    for (size_t i = 0; ok && i < s->groups; i++) {
        double now = anew && !s->kind->relative ? s->base[i] : group_at(s->optim, i)->lr;
        ok = s->kind->rate(s, i, now, &s->next[i]);
    }
    if (!ok || !set_momenta(s)) {
        s->last_epoch = before;
        return mr_error_status();
    }
    for (size_t i = 0; i < s->groups; i++)
        s->last[i] = group_at(s->optim, i)->lr = s->next[i];
    return MR_OK;
}

mr_status mr_schedule_step(mr_schedule *schedule)
{
    if (!schedule)
        return mr__settle(mr__null("schedule_step", "schedule"));
    if (mr__pending())
        return mr__settle(mr_error_status());
    const mr__schedule_kind *kind = schedule->kind;
    if (kind->step_metric)
        return mr__settle(mr__raise(
            MR_ERR_STATE, "schedule_step: %s looks at a metric: call schedule_step_metric", kind->name));
    return mr__settle(kind->step ? kind->step(schedule) : mr__schedule_advance(schedule, false));
}

mr_status mr_schedule_step_metric(mr_schedule *schedule, double metric)
{
    if (!schedule)
        return mr__settle(mr__null("schedule_step_metric", "schedule"));
    if (mr__pending())
        return mr__settle(mr_error_status());
    if (!schedule->kind->step_metric)
        return mr__settle(mr__raise(MR_ERR_STATE,
                                    "schedule_step_metric: %s looks at no metric: call schedule_step",
                                    schedule->kind->name));
    return mr__settle(schedule->kind->step_metric(schedule, metric));
}

double mr_schedule_last_lr(const mr_schedule *schedule, int group)
{
    if (!schedule) {
        mr__null("schedule_last_lr", "schedule");
        return NAN;
    }
    if (group < 0 || (size_t)group >= schedule->groups) {
        mr__raise(MR_ERR_ARGUMENT, "schedule_last_lr: there is no group %d of %zu", group, schedule->groups);
        return NAN;
    }
    return schedule->last[group];
}

/* SequentialLR and ChainedScheduler. */
#include "schedule.h"

#include "base/alloc.h"

/* ---- stepping ---- */

static mr_status sequential_step(mr_schedule *s)
{
    const int64_t at = s->last_epoch + 1;
    const int64_t *milestones = s->of.list.milestones;
    size_t i = 0;
    while (i + 1 < s->of.list.count && milestones[i] <= at)
        i++;
    mr_schedule *child = s->of.list.child[i];
    mr_status status = mr__schedule_advance(child, i > 0 && milestones[i - 1] == at);
    if (status)
        return status;
    s->last_epoch = at;
    memcpy(s->last, child->last, s->groups * sizeof *s->last);
    return MR_OK;
}

static mr_status chained_step(mr_schedule *s)
{
    for (size_t i = 0; i < s->of.list.count; i++) {
        mr_schedule *child = s->of.list.child[i];
        mr_status status = child->kind->step ? child->kind->step(child) : mr__schedule_advance(child, false);
        if (status)
            return status;
    }
    s->last_epoch++;
    for (size_t i = 0; i < s->groups; i++)
        s->last[i] = mr_optim_group_lr(s->optim, (int)i);
    return MR_OK;
}

static void free_children(mr_schedule *s)
{
    for (size_t i = 0; i < s->of.list.count; i++) {
        s->of.list.child[i]->adopted = false;
        mr_schedule_free(s->of.list.child[i]);
    }
    mr__free(s->of.list.child);
    mr__free(s->of.list.milestones);
}

static const mr__schedule_kind sequential_kind = { .name = "sequential_lr",
                                                   .step = sequential_step,
                                                   .destroy = free_children };
static const mr__schedule_kind chained_kind = { .name = "chained_scheduler",
                                                .step = chained_step,
                                                .destroy = free_children };

/* ---- making ---- */

static bool acceptable(const mr__schedule_kind *kind, const mr_optim *optim, mr_schedule *const *list,
                       size_t i)
{
    const mr_schedule *s = list[i];
    const char *wrong = NULL;
    if (!s) {
        mr__null(kind->name, "a schedule");
        return false;
    }
    for (size_t j = 0; !wrong && j < i; j++)
        wrong = list[j] == s ? "is in the list twice" : NULL;
    if (!wrong && s->adopted)
        wrong = "belongs to another schedule";
    else if (!wrong && s->optim != optim)
        wrong = "is for another optimizer";
    else if (!wrong && s->kind->step_metric)
        wrong = "looks at a metric";
    else if (!wrong && s->kind->step && kind == &sequential_kind)
        wrong = "cannot begin anew";
    if (wrong)
        mr__raise(MR_ERR_ARGUMENT, "%s: schedule %zu, %s, %s", kind->name, i, s->kind->name, wrong);
    return !wrong;
}

static bool check_milestones(const char *call, const int64_t *milestones, size_t count)
{
    if (count > 1 && !milestones) {
        mr__null(call, "milestones");
        return false;
    }
    for (size_t i = 0; i + 1 < count; i++)
        if (milestones[i] < 1 || (i && milestones[i] <= milestones[i - 1])) {
            mr__raise(MR_ERR_ARGUMENT, "%s: milestone %zu is %lld, after %lld", call, i,
                      (long long)milestones[i], (long long)(i ? milestones[i - 1] : 0));
            return false;
        }
    return true;
}

/* What the constructor was given and cannot use. */
static void free_list(mr_schedule *const *list, size_t count)
{
    for (size_t i = 0; list && i < count; i++) {
        bool again = false;
        for (size_t j = 0; j < i; j++)
            again = again || list[j] == list[i];
        if (!again)
            mr_schedule_free(list[i]);
    }
}

static mr_schedule *make(const mr__schedule_kind *kind, mr_optim *optim, mr_schedule *const *list,
                         size_t count)
{
    if (!list) {
        mr__null(kind->name, "schedules");
        return NULL;
    }
    if (!count) {
        mr__raise(MR_ERR_ARGUMENT, "%s: the list of schedules is empty", kind->name);
        return NULL;
    }
    for (size_t i = 0; i < count; i++)
        if (!acceptable(kind, optim, list, i))
            return NULL;
    mr_schedule *s = mr__schedule_new(kind, optim);
    if (!s)
        return NULL;
    s->of.list.child = mr__alloc_array(count, sizeof *list);
    if (!s->of.list.child) {
        mr_schedule_free(s);
        return NULL;
    }
    memcpy(s->of.list.child, list, count * sizeof *list);
    s->of.list.count = count; /* adopted only when nothing can fail any more */
    s->last_epoch = 0;
    return s;
}

static void adopt(mr_schedule *s)
{
    for (size_t i = 0; i < s->of.list.count; i++)
        s->of.list.child[i]->adopted = true;
}

mr_schedule *mr_chained_scheduler_new(mr_schedule *const *schedules, size_t count)
{
    mr_optim *optim = schedules && count && schedules[0] ? schedules[0]->optim : NULL;
    mr_schedule *s = make(&chained_kind, optim, schedules, count);
    if (s)
        adopt(s);
    else
        free_list(schedules, count);
    return s;
}

/* Takes back what the schedules did when they were made, as far as torch does, and begins with the first. */
static bool begin_sequence(mr_schedule *s)
{
    for (size_t i = 0; i < s->groups; i++)
        mr_optim_set_group_lr(s->optim, (int)i, mr__initial_lr(s->optim, i));
    for (size_t i = 0; i < s->of.list.count; i++)
        s->of.list.child[i]->last_epoch--;
    if (mr__schedule_advance(s->of.list.child[0], false))
        return false;
    memcpy(s->last, s->of.list.child[0]->last, s->groups * sizeof *s->last);
    return true;
}

mr_schedule *mr_sequential_lr_new(mr_optim *optim, mr_schedule *const *schedules, size_t count,
                                  const int64_t *milestones)
{
    const char *call = sequential_kind.name;
    mr_schedule *s = NULL;
    if (!optim)
        mr__null(call, "optim");
    else if (check_milestones(call, milestones, count))
        s = make(&sequential_kind, optim, schedules, count);
    if (!s) {
        free_list(schedules, count);
        return NULL;
    }
    adopt(s);
    if (count > 1) {
        s->of.list.milestones = mr__alloc_array(count - 1, sizeof *milestones);
        if (s->of.list.milestones)
            memcpy(s->of.list.milestones, milestones, (count - 1) * sizeof *milestones);
    }
    if ((count > 1 && !s->of.list.milestones) || !begin_sequence(s)) {
        mr_schedule_free(s);
        return NULL;
    }
    return s;
}

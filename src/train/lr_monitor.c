/* LearningRateMonitor. */
#include "rollback.h"

#include "optim/optim.h"

#include <stdio.h>

enum { MOST_GROUPS = 16, NAME_BYTES = 80 };

typedef struct watch {
    mr_lr_monitor_opts opts;
    int groups; /* of all optimizers */
    const mr_optim *optim[MOST_GROUPS];
    int group[MOST_GROUPS]; /* its number there */
    char lr[MOST_GROUPS][NAME_BYTES], momentum[MOST_GROUPS][NAME_BYTES];
} watch;

/* How many optimizers before this one are of its kind. */
static int same_before(const mr__fit *fit, int index)
{
    int same = 0;
    for (int i = 0; i < index; i++)
        same += fit->made.optim[i]->kind == fit->made.optim[index]->kind;
    return same;
}

static void add(watch *w, const mr__fit *fit, int index)
{
    const mr_optim *optim = fit->made.optim[index];
    const int count = mr_optim_group_count(optim), same = same_before(fit, index);
    for (int i = 0; i < count && w->groups < MOST_GROUPS; i++) {
        char name[60];
        int length = same ? snprintf(name, sizeof name, "lr-%.30s-%d", optim->kind->name, same)
                          : snprintf(name, sizeof name, "lr-%.30s", optim->kind->name);
        if (count > 1)
            snprintf(name + length, sizeof name - (size_t)length, "/pg%d", i + 1);
        snprintf(w->lr[w->groups], NAME_BYTES, "%s", name);
        snprintf(w->momentum[w->groups], NAME_BYTES, "%s-momentum", name);
        w->optim[w->groups] = optim;
        w->group[w->groups++] = i;
    }
}

static mr_status begin(void *self, mr_step *step)
{
    watch *w = self;
    const mr__fit *fit = (const mr__fit *)step;
    w->groups = 0;
    for (int i = 0; i < fit->optims; i++)
        add(w, fit, i);
    return MR_OK;
}

static void log_all(watch *w, mr_step *step)
{
    const double factor = mr__rate_factor((const mr__fit *)step);
    for (int i = 0; i < w->groups; i++) {
        mr_log_value(step, w->lr[i], factor * mr_optim_group_lr(w->optim[i], w->group[i]), NULL);
        if (w->opts.log_momentum)
            mr_log_value(step, w->momentum[i], mr_optim_group_momentum(w->optim[i], w->group[i]), NULL);
    }
}

/* The rate that the update of this batch goes by. */
static mr_status batch_begins(void *self, mr_step *step)
{
    watch *w = self;
    if (!w->opts.at_epochs)
        log_all(w, step);
    return MR_OK;
}

/* The rate that the epoch begins with. */
static mr_status epoch_begins(void *self, mr_step *step)
{
    watch *w = self;
    if (w->opts.at_epochs)
        log_all(w, step);
    return MR_OK;
}

static const mr_callback_vtable vtable = { .name = "LearningRateMonitor",
                                           .on_fit_start = begin,
                                           .on_train_batch_start = batch_begins,
                                           .on_train_epoch_start = epoch_begins };

mr_callback *mr_lr_monitor_new(const mr_lr_monitor_opts *opts)
{
    watch w = { .opts = opts ? *opts : (mr_lr_monitor_opts){ 0 } };
    return mr_callback_new(&vtable, &w, sizeof w);
}

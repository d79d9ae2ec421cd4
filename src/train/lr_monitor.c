/* LearningRateMonitor. */
#include "trainer.h"

#include "optim/optim.h"

#include <stdio.h>

enum { MOST_GROUPS = 16, NAME_BYTES = 80 };

typedef struct watch {
    mr_lr_monitor_opts opts;
    int groups;
    char lr[MOST_GROUPS][NAME_BYTES], momentum[MOST_GROUPS][NAME_BYTES];
} watch;

static mr_status begin(void *self, mr_step *step)
{
    watch *w = self;
    const char *name = step->optim->kind->name;
    w->groups = mr_optim_group_count(step->optim);
    if (w->groups > MOST_GROUPS)
        w->groups = MOST_GROUPS;
    for (int i = 0; i < w->groups; i++) {
        char group[24] = "";
        if (w->groups > 1)
            snprintf(group, sizeof group, "/pg%d", i + 1);
        snprintf(w->lr[i], NAME_BYTES, "lr-%.40s%s", name, group);
        snprintf(w->momentum[i], NAME_BYTES, "lr-%.40s%s-momentum", name, group);
    }
    return MR_OK;
}

static void log_all(watch *w, mr_step *step)
{
    for (int i = 0; i < w->groups; i++) {
        mr_log_value(step, w->lr[i], mr_optim_group_lr(step->optim, i), NULL);
        if (w->opts.log_momentum)
            mr_log_value(step, w->momentum[i], mr_optim_group_momentum(step->optim, i), NULL);
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

static mr_status epoch_ends(void *self, mr_step *step)
{
    watch *w = self;
    if (w->opts.at_epochs)
        log_all(w, step);
    return MR_OK;
}

static const mr_callback_vtable vtable = { .name = "LearningRateMonitor",
                                           .on_fit_start = begin,
                                           .on_train_batch_start = batch_begins,
                                           .on_train_epoch_end = epoch_ends };

mr_callback *mr_lr_monitor_new(const mr_lr_monitor_opts *opts)
{
    watch w = { .opts = opts ? *opts : (mr_lr_monitor_opts){ 0 } };
    return mr_callback_new(&vtable, &w, sizeof w);
}

/* Stochastic weight averaging. */
#include "average.h"
#include "batch_norm.h"
#include "setup.h"

#include "base/option.h"
#include "optim/schedule.h"

enum { MOST_GROUPS = 16 };

typedef struct swa {
    mr_swa_opts opts;
    double rate[MOST_GROUPS]; /* of each group, or only the first: of all */
    mr_duration start;
    int64_t start_epoch;
    mr__average average;
    int64_t steps; /* of the annealing; -1: it has not begun */
} swa;

/* ---- setting up ---- */

static mr_status find_start(swa *s, const mr_trainer *t)
{
    if (s->start.unit == MR_EPOCHS) {
        s->start_epoch = (int64_t)s->start.amount;
        return MR_OK;
    }
    if (t->max_epochs < 0)
        return mr__raise(MR_ERR_ARGUMENT, "start: there is no max_epochs of which %g could be a share",
                         s->start.amount);
    s->start_epoch = (int64_t)((double)t->max_epochs * s->start.amount);
    return MR_OK;
}

static mr_status begin(void *self, mr_step *step)
{
    swa *s = self;
    const int groups = mr_optim_group_count(step->optim);
    s->steps = -1;
    if (s->opts.groups && s->opts.groups != groups)
        return mr__raise(MR_ERR_ARGUMENT, "there are rates for %d groups, the optimizer has %d",
                         s->opts.groups, groups);
    mr_status status = mr__average_alone(step->trainer, &s->average);
    if (!status)
        status = find_start(s, step->trainer);
    return status ? status : mr__average_begin(&s->average, step->model, false);
}

static mr_params state(void *self)
{
    swa *s = self;
    mr__state *list = &s->average.state;
    const bool listed = mr__state_add(list, "", "annealing_steps", MR_INT64, MR_SCALAR, &s->steps) &&
                        mr__average_list(&s->average, list, "");
    return listed ? (mr_params){ list->item, list->count } : (mr_params){ NULL, 0 };
}

/* From its beginning on the rate is the annealing's, and not the schedule's. */
static mr_status restored(void *self, mr_step *step)
{
    ((mr__fit *)step)->schedule_held = ((swa *)self)->steps >= 0;
    return MR_OK;
}

/* ---- averaging ---- */

static void anneal(swa *s, mr_optim *optim)
{
    s->steps++;
    for (int i = 0; i < mr_optim_group_count(optim); i++) {
        const double swa_lr = s->rate[s->opts.groups ? i : 0];
        mr_optim_set_group_lr(optim, i,
                              mr__swa_rate(mr_optim_group_lr(optim, i), swa_lr, s->steps,
                                           s->opts.annealing_epochs, s->opts.annealing));
    }
}

static mr_status epoch_begins(void *self, mr_step *step)
{
    swa *s = self;
    if (s->steps >= 0 || step->epoch < s->start_epoch)
        return MR_OK;
    ((mr__fit *)step)->schedule_held = true;
    anneal(s, step->optim);
    return MR_OK;
}

static mr_status epoch_ends(void *self, mr_step *step)
{
    swa *s = self;
    if (s->steps < 0 || !((mr__fit *)step)->epoch_complete)
        return MR_OK;
    mr__average_update_mean(&s->average);
    anneal(s, step->optim);
    return MR_OK;
}

static mr_status end(void *self, mr_step *step)
{
    swa *s = self;
    if (s->opts.not_at_end || !s->average.n_averaged || ((const mr__fit *)step)->signal)
        return MR_OK;
    mr__average_put(&s->average);
    return s->opts.no_batch_norm_update ? MR_OK : mr__batch_norm_pass((mr__fit *)step);
}

static void destroy(void *self)
{
    mr__average_drop(&((swa *)self)->average);
}

static const mr_callback_vtable vtable = { .name = "StochasticWeightAveraging",
                                           .on_fit_start = begin,
                                           .on_train_epoch_start = epoch_begins,
                                           .on_train_epoch_end = epoch_ends,
                                           .on_fit_end = end,
                                           .state = state,
                                           .on_restored = restored,
                                           .destroy = destroy };

/* ---- making ---- */

/* Copies the rates. */
static mr_status take_rates(const char *call, swa *s, double swa_lr)
{
    const mr_swa_opts *o = &s->opts;
    if ((o->groups > 0) != (o->swa_lrs != NULL) || o->groups < 0 || o->groups > MOST_GROUPS)
        return mr__raise(MR_ERR_ARGUMENT, "%s: swa_lrs is for as many groups as `groups` says, 1 to %d", call,
                         MOST_GROUPS);
    for (int i = 0; i == 0 || i < o->groups; i++) {
        s->rate[i] = o->swa_lrs ? o->swa_lrs[i] : swa_lr;
        if (!mr__schedule_finite(call, "swa_lr", s->rate[i]))
            return mr_error_status();
    }
    s->opts.swa_lrs = NULL;
    return MR_OK;
}

static mr_status acceptable(const char *call, swa *s)
{
    const mr_swa_opts *o = &s->opts;
    if (o->annealing_epochs < 0)
        return mr__raise(MR_ERR_ARGUMENT, "%s: annealing_epochs %lld is negative", call,
                         (long long)o->annealing_epochs);
    if ((unsigned)o->annealing > MR_ANNEAL_LINEAR)
        return mr__raise(MR_ERR_ARGUMENT, "%s: there is no annealing %d", call, (int)o->annealing);
    mr_status status = mr__duration_option(call, "start", o->start, &s->start);
    if (!status && s->start.unit != MR_SHARE &&
        !(s->start.unit == MR_EPOCHS && s->start.amount == (double)(int64_t)s->start.amount))
        status = mr__raise(MR_ERR_ARGUMENT, "%s: start '%.60s' is neither a number of epochs nor a share",
                           call, o->start);
    return status;
}

mr_callback *mr_swa_new(double swa_lr, const mr_swa_opts *opts)
{
    static const char call[] = "swa";
    swa s = { .opts = opts ? *opts : (mr_swa_opts){ 0 }, .start = { 0.8, MR_SHARE } };
    s.opts.annealing_epochs = mr__option_int(s.opts.annealing_epochs, 10);
    if (acceptable(call, &s) || take_rates(call, &s, swa_lr))
        return NULL;
    return mr_callback_new(&vtable, &s, sizeof s);
}

mr__average_use mr__swa_use(const mr_callback *callback)
{
    swa *s = callback->vtable == &vtable ? callback->self : NULL;
    return s ? (mr__average_use){ .at_end = !s->opts.not_at_end, .average = &s->average }
             : (mr__average_use){ .average = NULL };
}

mr_params mr_swa_params(const mr_callback *callback)
{
    if (callback && callback->vtable == &vtable)
        return mr__average_view(&((const swa *)callback->self)->average);
    return (mr_params){ NULL, 0 };
}

/* The batch-size finder. */
#include "trial.h"

#include "base/alloc.h"
#include "base/log.h"
#include "base/option.h"
#include "data/loader.h"
#include "tensor/tape.h"

#include <millrace/finders.h>

static const char call[] = "scale_batch_size";

typedef struct search {
    mr_trainer *trainer;
    mr_task *task;
    mr_loader_maker make;
    void *user;
    mr_batch_size_opts opts;
    int64_t most; /* samples that there are, or max_val */
    int64_t trials;
    size_t bytes; /* that the last size has taken */
} search;

/* ---- one size ---- */

/* What it takes besides the step, of which is then known how much may be left for it. */
static size_t bytes_besides(const mr__fit *fit, const mr_loader *loader, int64_t size)
{
    return mr_memory_of(fit->task->model, fit->optim, NULL).total + (size_t)(size * loader->sample_bytes);
}

static mr_status run(search *s, mr__trial *trial, mr_loader *loader, int64_t size)
{
    mr__fit *fit = trial->fit;
    const size_t besides = bytes_besides(fit, loader, size);
    s->bytes = besides;
    if (besides >= s->opts.max_bytes)
        return MR_ERR_MEMORY;
    mr_tape_set_max_bytes(fit->tape, s->opts.max_bytes - besides);
    mr_status status = MR_OK;
    for (int64_t i = 0; i < s->opts.steps_per_trial && !status; i++)
        status = mr__trial_step(trial);
    s->bytes =
        mr_memory_of(fit->task->model, fit->optim, fit->tape).total + (size_t)(size * loader->sample_bytes);
    if (status == MR_ERR_NONFINITE && !mr__pending())
        status = MR_OK; /* of no matter here */
    return !status && s->bytes > s->opts.max_bytes ? MR_ERR_MEMORY : status;
}

/* There is no loader of that size: want of memory is no failure. */
static mr_status made_none(const search *s, int64_t size)
{
    if (!mr__pending())
        return mr__raise(MR_ERR_CALLBACK, "%s: there is no loader of batches of %lld", call, (long long)size);
    const mr_status status = mr_error_status();
    if (status != MR_ERR_MEMORY)
        return status;
    mr_error_clear();
    if (!s->trainer->no_summary)
        mr__log(MR_LOG_INFO, "%s: batches of %lld do not fit: there is no memory for their loader", call,
                (long long)size);
    return MR_ERR_MEMORY;
}

/* Whether a size fits: MR_OK, MR_ERR_MEMORY with nothing raised, or another failure. */
static mr_status try_size(search *s, int64_t size)
{
    mr__trial trial;
    s->trials++;
    mr_loader *loader = s->make(s->user, size);
    if (!loader)
        return made_none(s, size);
    mr_status status = mr__trial_begin(&trial, call, s->trainer, s->task, loader);
    if (!status) {
        if (loader->order.len >= 0 && loader->order.len < s->most)
            s->most = loader->order.len;
        status = run(s, &trial, loader, size);
    }
    status = mr__trial_end(&trial, status);
    mr_loader_free(loader);
    if (status == MR_ERR_MEMORY)
        mr_error_clear();
    if (!s->trainer->no_summary && (!status || status == MR_ERR_MEMORY))
        mr__log(MR_LOG_INFO, "%s: batches of %lld %s, with %zu bytes of %zu", call, (long long)size,
                status ? "do not fit" : "fit", s->bytes, s->opts.max_bytes);
    return status;
}

/* ---- the search ---- */

static bool goes_on(const search *s)
{
    return s->trials < s->opts.max_trials;
}

/* Doubles the size while it fits, or halves it until it does: *low fits, 0 if none did; *high does not, 0 if all did. */
static mr_status find_power(search *s, int64_t *low, int64_t *high)
{
    int64_t size = s->opts.init_val;
    mr_status status = MR_OK;
    while (size >= 1 && goes_on(s)) {
        status = try_size(s, size);
        if (status && status != MR_ERR_MEMORY)
            return status;
        if (status) {
            *high = size;
            if (*low)
                return MR_OK;
            size /= 2;
            continue;
        }
        *low = size < s->most ? size : s->most;
        if (*high || size >= s->most)
            return MR_OK;
        size = size > s->most / 2 ? s->most : 2 * size;
    }
    return MR_OK;
}

static mr_status find_between(search *s, int64_t *low, int64_t high)
{
    while (*low && high && goes_on(s)) {
        const double margin = s->opts.margin * (double)*low;
        if (high - *low <= (margin > 1 ? (int64_t)margin : 1))
            break;
        const int64_t middle = *low + (high - *low) / 2;
        const mr_status status = try_size(s, middle);
        if (status && status != MR_ERR_MEMORY)
            return status;
        if (status)
            high = middle;
        else
            *low = middle;
    }
    return MR_OK;
}

/* ---- the call ---- */

static bool acceptable(mr_batch_size_opts *o)
{
    o->max_bytes = o->max_bytes ? o->max_bytes : mr__tape_default_bytes();
    o->margin = mr__option(o->margin, 0.05);
    const struct {
        const char *name;
        int64_t *value, fallback;
    } numbers[] = { { "init_val", &o->init_val, 2 },
                    { "max_val", &o->max_val, 8192 },
                    { "steps_per_trial", &o->steps_per_trial, 3 },
                    { "max_trials", &o->max_trials, 25 } };
    for (int i = 0; i < 4; i++) {
        *numbers[i].value = *numbers[i].value ? *numbers[i].value : numbers[i].fallback;
        if (*numbers[i].value < 1) {
            mr__raise(MR_ERR_ARGUMENT, "%s: %s %lld is not at least 1", call, numbers[i].name,
                      (long long)*numbers[i].value);
            return false;
        }
    }
    if ((unsigned)o->mode > MR_BATCH_SIZE_BINSEARCH)
        mr__raise(MR_ERR_ARGUMENT, "%s: there is no mode %d", call, (int)o->mode);
    else if (!(o->margin >= 0 && o->margin < 1))
        mr__raise(MR_ERR_ARGUMENT, "%s: margin %g is not in [0, 1)", call, o->margin);
    else
        return true;
    return false;
}

int64_t mr_trainer_scale_batch_size(mr_trainer *trainer, mr_task *task, mr_loader_maker make, void *user,
                                    const mr_batch_size_opts *opts)
{
    if (!trainer || !task || !make) {
        mr__null(call, !trainer ? "trainer" : !task ? "task" : "make");
        return 0;
    }
    search s = { trainer, task, make, user, opts ? *opts : (mr_batch_size_opts){ 0 }, 0, 0, 0 };
    int64_t low = 0, high = 0;
    if (mr__pending() || !acceptable(&s.opts))
        return 0;
    s.most = s.opts.max_val;
    if (s.opts.init_val > s.most)
        s.opts.init_val = s.most;
    mr_status status = find_power(&s, &low, &high);
    if (!status && s.opts.mode == MR_BATCH_SIZE_BINSEARCH)
        status = find_between(&s, &low, high);
    if (!status && !low)
        mr__raise(MR_ERR_MEMORY, "%s: not even batches of %lld fit into %zu bytes", call, (long long)high,
                  s.opts.max_bytes);
    return status || mr__pending() ? 0 : low;
}

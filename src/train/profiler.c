/* The profiler: a table of where a fit's time goes. */
#include "profile.h"
#include "trainer.h"

#include "base/log.h"

#include <millrace/profiler.h>

#include <stdio.h>

typedef struct profiler {
    mr_profiler_opts opts;
    mr__profile profile;
    mr_profile_row row[MR__P_STAGES + 1];
    size_t rows; /* of the last fit; 0: there was none */
} profiler;

static const char *const names[MR__P_STAGES] = {
    [MR__P_DATA] = "data",
    [MR__P_TRAINING_STEP] = "training_step",
    [MR__P_ZERO_GRAD] = "zero_grad",
    [MR__P_BACKWARD] = "backward",
    [MR__P_OPTIMIZER_STEP] = "optimizer_step",
    [MR__P_VALIDATION_DATA] = "validation data",
    [MR__P_VALIDATION_STEP] = "validation_step",
    [MR__P_CALLBACKS] = "callbacks",
    [MR__P_LOGGING] = "logging",
    [MR__P_CHECKPOINT] = "checkpoint",
    [MR__P_OTHER] = "other",
};

static mr_status timed_next(mr__fit *fit, const mr_batch **batch)
{
    mr__profile *p = fit->profile;
    mr__profile_begin(p, MR__P_DATA);
    mr_status status = p->next ? p->next(fit, batch) : mr_loader_next(fit->loader, batch);
    mr__profile_go_on(p, MR__P_OTHER);
    return status;
}

static mr_status begin(void *self, mr_step *step)
{
    profiler *r = self;
    mr__fit *fit = (mr__fit *)step;
    if (fit->profile)
        return mr__raise(MR_ERR_STATE, "another profiler is there already");
    r->rows = 0;
    r->profile = (mr__profile){ .running = MR__P_OTHER, .since = mr__now(), .next = fit->next };
    fit->next = timed_next;
    fit->profile = &r->profile;
    fit->events = ~UINT64_C(0); /* each ends a stage */
    return MR_OK;
}

static void fill_rows(profiler *r)
{
    mr_profile_row *total = &r->row[MR__P_STAGES];
    *total = (mr_profile_row){ .stage = "total" };
    for (int i = 0; i < MR__P_STAGES; i++) {
        r->row[i] = (mr_profile_row){ names[i], i == MR__P_OTHER ? 0 : r->profile.calls[i],
                                      r->profile.seconds[i], 0 };
        total->seconds += r->profile.seconds[i];
    }
    total->calls = r->profile.calls[MR__P_TRAINING_STEP];
    for (int i = 0; i <= MR__P_STAGES; i++)
        r->row[i].share = total->seconds > 0 ? r->row[i].seconds / total->seconds : 0;
    r->rows = MR__P_STAGES + 1;
}

static void log_table(const profiler *r)
{
    mr__log(MR_LOG_INFO, "%-16s %10s %12s %12s %8s", "Stage", "Calls", "Total (s)", "Mean (us)", "Share");
    for (size_t i = 0; i < r->rows; i++) {
        const mr_profile_row *row = &r->row[i];
        char calls[24] = "-", mean[24] = "-";
        if (row->calls) {
            snprintf(calls, sizeof calls, "%lld", (long long)row->calls);
            snprintf(mean, sizeof mean, "%.3f", row->seconds / (double)row->calls * 1e6);
        }
        if (row->calls || row->seconds > 0)
            mr__log(MR_LOG_INFO, "%-16s %10s %12.6f %12s %6.2f %%", row->stage, calls, row->seconds, mean,
                    100 * row->share);
    }
}

/* Also after a failure. */
static mr_status end(void *self, mr_step *step)
{
    profiler *r = self;
    mr__fit *fit = (mr__fit *)step;
    if (fit->profile != &r->profile)
        return MR_OK;
    mr__profile_go_on(&r->profile, MR__P_OTHER);
    fit->profile = NULL;
    fit->next = r->profile.next;
    fill_rows(r);
    if (!r->opts.quiet)
        log_table(r);
    return MR_OK;
}

static const mr_callback_vtable vtable = { .name = "Profiler", .on_fit_start = begin, .teardown = end };

mr_callback *mr_profiler_new(const mr_profiler_opts *opts)
{
    const profiler r = { .opts = opts ? *opts : (mr_profiler_opts){ 0 } };
    return mr_callback_new(&vtable, &r, sizeof r);
}

const mr_profile_row *mr_profiler_rows(const mr_callback *callback, size_t *count)
{
    const profiler *r = callback && callback->vtable == &vtable ? callback->self : NULL;
    if (count)
        *count = r ? r->rows : 0;
    return r && r->rows ? r->row : NULL;
}

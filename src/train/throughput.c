/* Throughput: samples and operations a second, and whether the loader is waited for. */
#include "throughput.h"

#include "trainer.h"

#include "base/log.h"
#include "base/option.h"
#include "data/loader.h"

#include <stdio.h>

typedef struct gauge {
    mr_throughput_opts opts;
    unsigned ticks;
    double at;               /* when this window began */
    mr_loader_stats from;    /* what the loader said then, … */
    mr_loader_stats from_on; /* … and when training began */
    double paused_at;        /* when the validation that runs began, … */
    mr_loader_stats paused;  /* … and what the loader said then */
    bool bound;              /* that the loader is waited for has been shown last */
    char bar_name[120];      /* under which it is */
    mr__rates rates;         /* of the last window, … */
    bool fresh;              /* … that no row has yet */
} gauge;

/* In the bar, and in the logs. */
static const char samples_name[] = "samples/s", flops_name[] = "FLOP/s", wait_name[] = "data_wait";
static const char samples_logged[] = "throughput/samples_per_sec",
                  batches_logged[] = "throughput/batches_per_sec",
                  flops_logged[] = "throughput/flops_per_sec", mfu_logged[] = "throughput/mfu",
                  wait_logged[] = "throughput/data_wait";

/* ---- numbers ---- */

mr__rates mr__rates_between(const mr_loader_stats *from, const mr_loader_stats *to, double seconds)
{
    const double wait = to->wait.seconds - from->wait.seconds,
                 caller = to->caller.seconds - from->caller.seconds;
    return (mr__rates){ .samples = (double)(to->samples - from->samples) / seconds,
                        .batches = (double)(to->batches - from->batches) / seconds,
                        .data_wait = wait + caller > 0 ? wait / (wait + caller) : 0 };
}

const char *mr__loader_advice(int workers, const mr_loader_stats *stats)
{
    if (workers == 0)
        return "give the loader workers";
    /* Each has been busy for most of the time that the caller has waited and computed. */
    if (stats->fill.seconds > 0.5 * workers * stats->all.seconds)
        return "more workers, or samples that are made faster";
    return "more batches ahead (prefetch)";
}

/* ---- showing ---- */

static void show_value(const gauge *g, mr_step *step, const char *name, double value)
{
    if (!g->opts.no_prog_bar)
        mr__bar_show((mr__fit *)step, name, value);
}

/* One of the two names is in the bar. */
static void show_wait(gauge *g, mr_step *step, const mr_loader_stats *now)
{
    const bool bound = g->rates.data_wait > 0.5;
    mr__fit *fit = (mr__fit *)step;
    if (bound && !*g->bar_name)
        snprintf(g->bar_name, sizeof g->bar_name, "loader-bound: %s; %s",
                 mr__loader_advice(fit->loader->ahead.opts.workers, now), wait_name);
    if (bound != g->bound)
        mr__bar_hide(fit, bound ? wait_name : g->bar_name);
    g->bound = bound;
    show_value(g, step, bound ? g->bar_name : wait_name, g->rates.data_wait);
}

static double mfu(const gauge *g)
{
    return g->rates.samples * g->opts.flops_per_sample / g->opts.peak_flops;
}

static void show(gauge *g, mr_step *step, double now)
{
    mr_loader_stats stats;
    const mr_throughput_opts *o = &g->opts;
    mr_loader_get_stats(((mr__fit *)step)->loader, &stats);
    g->rates = mr__rates_between(&g->from, &stats, now - g->at);
    g->fresh = true;
    g->at = now;
    g->from = stats;
    show_value(g, step, samples_name, g->rates.samples);
    if (o->flops_per_sample > 0)
        show_value(g, step, flops_name, g->rates.samples * o->flops_per_sample);
    if (o->flops_per_sample > 0 && o->peak_flops > 0)
        show_value(g, step, "MFU", mfu(g));
    show_wait(g, step, &stats);
}

/* ---- hooks ---- */

static mr_status fit_begins(void *self, mr_step *step)
{
    gauge *g = self;
    g->bound = false;
    *g->bar_name = '\0';
    ((mr__fit *)step)->reporter->clock = true;
    return MR_OK;
}

static mr_status train_begins(void *self, mr_step *step)
{
    gauge *g = self;
    g->at = mr__now();
    g->fresh = false;
    mr_loader_get_stats(((mr__fit *)step)->loader, &g->from);
    g->from_on = g->from;
    return MR_OK;
}

static mr_status batch_ends(void *self, mr_step *step)
{
    gauge *g = self;
    if (MR__LIKELY(!mr__ticked(step, &g->ticks)))
        return MR_OK;
    const double now = mr__now();
    if (now - g->at >= g->opts.window)
        show(g, step, now);
    return MR_OK;
}

/* The last window's rates are in the next row that is written. */
static mr_status after_update(void *self, mr_step *step)
{
    gauge *g = self;
    const mr_throughput_opts *o = &g->opts;
    if (MR__LIKELY(!g->fresh) || !mr__row_due((const mr__fit *)step))
        return MR_OK;
    g->fresh = false;
    mr_log_value(step, samples_logged, g->rates.samples, NULL);
    mr_log_value(step, batches_logged, g->rates.batches, NULL);
    if (o->flops_per_sample > 0)
        mr_log_value(step, flops_logged, g->rates.samples * o->flops_per_sample, NULL);
    if (o->flops_per_sample > 0 && o->peak_flops > 0)
        mr_log_value(step, mfu_logged, mfu(g), NULL);
    mr_log_value(step, wait_logged, g->rates.data_wait, NULL);
    return MR_OK;
}

/* A validation is left out of time and counts, also where it has the same loader. */
static mr_status pause_begins(void *self, mr_step *step)
{
    gauge *g = self;
    mr_loader *loader = ((mr__fit *)step)->loader;
    if (step->stage != MR_STAGE_FIT)
        return MR_OK;
    mr__stats_leave_out(&loader->stats);
    g->paused_at = mr__now();
    mr_loader_get_stats(loader, &g->paused);
    return MR_OK;
}

static void move_on(mr_loader_stats *stats, const mr_loader_stats *from, const mr_loader_stats *to)
{
    stats->batches += to->batches - from->batches;
    stats->samples += to->samples - from->samples;
    stats->wait.seconds += to->wait.seconds - from->wait.seconds;
    stats->caller.seconds += to->caller.seconds - from->caller.seconds;
}

static mr_status pause_ends(void *self, mr_step *step)
{
    gauge *g = self;
    mr_loader *loader = ((mr__fit *)step)->loader;
    mr_loader_stats now;
    if (step->stage != MR_STAGE_FIT)
        return MR_OK;
    mr__stats_leave_out(&loader->stats);
    mr_loader_get_stats(loader, &now);
    g->at += mr__now() - g->paused_at;
    move_on(&g->from, &g->paused, &now);
    move_on(&g->from_on, &g->paused, &now);
    return MR_OK;
}

static mr_status train_ends(void *self, mr_step *step)
{
    const gauge *g = self;
    const mr__fit *fit = (const mr__fit *)step;
    mr_loader_stats stats;
    char text[400];
    mr_loader_get_stats(fit->loader, &stats);
    if (g->opts.quiet || stats.batches == g->from_on.batches ||
        mr__rates_between(&g->from_on, &stats, 1).data_wait <= 0.5)
        return MR_OK;
    mr_loader_explain(fit->loader, text, sizeof text);
    mr__log(MR_LOG_INFO, "fit: %s: %s", text, mr__loader_advice(fit->loader->ahead.opts.workers, &stats));
    return MR_OK;
}

#define HOOKS                                                                                               \
    .name = "Throughput", .on_fit_start = fit_begins, .on_train_start = train_begins,                       \
    .on_train_batch_end = batch_ends, .on_validation_start = pause_begins, .on_validation_end = pause_ends, \
    .on_validation_left = pause_ends, .on_train_end = train_ends

static const mr_callback_vtable vtable = { HOOKS },
                                logging_vtable = { HOOKS, .on_after_optimizer_step = after_update };

mr_callback *mr_throughput_new(const mr_throughput_opts *opts)
{
    static const char call[] = "throughput";
    gauge g = { .opts = opts ? *opts : (mr_throughput_opts){ 0 } };
    g.opts.window = mr__option(g.opts.window, 1);
    const struct {
        const char *name;
        double value;
    } numbers[] = { { "window", g.opts.window },
                    { "flops_per_sample", g.opts.flops_per_sample },
                    { "peak_flops", g.opts.peak_flops } };
    for (int i = 0; i < 3; i++)
        if (!(numbers[i].value >= 0)) {
            mr__raise(MR_ERR_ARGUMENT, "%s: %s %g is negative", call, numbers[i].name, numbers[i].value);
            return NULL;
        }
    return mr_callback_new(g.opts.log ? &logging_vtable : &vtable, &g, sizeof g);
}

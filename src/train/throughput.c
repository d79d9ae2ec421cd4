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
    bool bound;              /* that the loader is waited for has been shown last */
    char bar_name[120];      /* under which it is */
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

static void log_value(const gauge *g, mr_step *step, const char *bar, const char *logged, double value)
{
    if (bar && !g->opts.no_prog_bar)
        mr__bar_show((mr__fit *)step, bar, value);
    if (g->opts.log)
        mr_log_value(step, logged, value, NULL);
}

/* One of the two names is in the bar. */
static void show_wait(gauge *g, mr_step *step, const mr_loader_stats *now, double wait)
{
    const bool bound = wait > 0.5;
    mr__fit *fit = (mr__fit *)step;
    if (bound && !*g->bar_name)
        snprintf(g->bar_name, sizeof g->bar_name, "loader-bound: %s; %s",
                 mr__loader_advice(fit->loader->ahead.opts.workers, now), wait_name);
    if (bound != g->bound)
        mr__bar_hide(fit, bound ? wait_name : g->bar_name);
    g->bound = bound;
    log_value(g, step, bound ? g->bar_name : wait_name, wait_logged, wait);
}

static void show(gauge *g, mr_step *step, double now)
{
    mr_loader_stats stats;
    const mr_throughput_opts *o = &g->opts;
    mr_loader_get_stats(((mr__fit *)step)->loader, &stats);
    const mr__rates rates = mr__rates_between(&g->from, &stats, now - g->at);
    g->at = now;
    g->from = stats;
    log_value(g, step, samples_name, samples_logged, rates.samples);
    log_value(g, step, NULL, batches_logged, rates.batches);
    if (o->flops_per_sample > 0)
        log_value(g, step, flops_name, flops_logged, rates.samples * o->flops_per_sample);
    if (o->flops_per_sample > 0 && o->peak_flops > 0)
        log_value(g, step, "MFU", mfu_logged, rates.samples * o->flops_per_sample / o->peak_flops);
    show_wait(g, step, &stats, rates.data_wait);
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

static mr_status window_begins(void *self, mr_step *step)
{
    gauge *g = self;
    if (step->stage != MR_STAGE_FIT)
        return MR_OK;
    g->at = mr__now();
    mr_loader_get_stats(((mr__fit *)step)->loader, &g->from);
    return MR_OK;
}

static mr_status train_begins(void *self, mr_step *step)
{
    gauge *g = self;
    window_begins(self, step);
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

static const mr_callback_vtable vtable = { .name = "Throughput",
                                           .on_fit_start = fit_begins,
                                           .on_train_start = train_begins,
                                           .on_train_batch_end = batch_ends,
                                           .on_validation_end = window_begins,
                                           .on_train_end = train_ends };

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
    return mr_callback_new(&vtable, &g, sizeof g);
}

#include "stats.h"

#include "loader.h"

#include <stdio.h>

enum { STRIDE = 16, QUICK = 20 * 1000 /* nanoseconds */ };

void mr__stats_enter_timed(mr__stats *s)
{
    const int64_t now = mr__clock();
    if (s->left) {
        s->gap = now - s->left;
        s->elsewhere += s->gap * s->stride;
        s->left = 0;
        if (s->stride > 1) {
            s->skip = s->stride - 2;
            return;
        }
    }
    s->stride = s->quick ? STRIDE : 1;
    s->entered = now;
}

void mr__stats_leave_timed(mr__stats *s, int64_t rows)
{
    const int64_t now = mr__clock(), spent = now - s->entered;
    s->waiting += spent * s->stride;
    if (s->own && rows > 0) {
        s->filling += spent * s->stride;
        s->filled += rows * s->stride;
    }
    s->entered = 0;
    s->quick = spent + s->gap < QUICK;
    if (rows > 0)
        s->left = now;
    else
        s->skip = s->stride - 1;
}

/* ---- for the user ---- */

static mr_loader_stage stage(double nanoseconds, double samples, double bytes)
{
    mr_loader_stage s = { .seconds = nanoseconds * 1e-9 };
    if (s.seconds > 0) {
        s.samples = samples / s.seconds;
        s.bytes = s.samples * bytes;
    }
    return s;
}

void mr_loader_get_stats(const mr_loader *loader, mr_loader_stats *stats)
{
    if (!stats) {
        mr__null("loader_get_stats", "stats");
        return;
    }
    *stats = (mr_loader_stats){ 0 };
    if (!loader)
        return;
    const mr__stats *s = &loader->stats;
    const int64_t all = s->samples * loader->sample_bytes + s->item_bytes;
    const double samples = (double)s->samples, bytes = s->samples ? (double)all / samples : 0;
    stats->batches = s->batches;
    stats->samples = s->samples;
    stats->bytes = all;
    stats->fill = stage((double)s->filling, (double)s->filled, bytes);
    stats->collate = stage((double)s->collating, samples, bytes);
    stats->wait = stage((double)s->waiting, samples, bytes);
    stats->caller = stage((double)s->elsewhere, samples, bytes);
    stats->all = stage((double)(s->waiting + s->elsewhere), samples, bytes);
    stats->ready = s->looks ? (double)s->ready / (double)s->looks : 0;
    stats->prefetch = loader->ahead.opts.workers ? loader->ahead.opts.slots - 1 : 0;
    stats->loader_bound = s->waiting > s->elsewhere;
}

int mr_loader_explain(const mr_loader *loader, char *text, size_t room)
{
    mr_loader_stats s;
    if (!loader || (!text && room)) {
        mr__null("loader_explain", loader ? "text" : "loader");
        if (text && room)
            *text = '\0';
        return 0;
    }
    mr_loader_get_stats(loader, &s);
    if (!s.batches)
        return snprintf(text, room, "no batch was delivered yet");
    const double share = s.wait.seconds / (s.all.seconds > 0 ? s.all.seconds : 1);
    int workers = loader->ahead.opts.workers, length;
    length =
        snprintf(text, room,
                 "%s: of %.3g s, %.0f %% were spent waiting for batches and %.0f %% by the caller; %.4g "
                 "samples/s (%.4g MB/s); the dataset gives %.4g samples/s to a thread, the caller takes %.4g",
                 s.loader_bound ? "loader-bound" : "model-bound", s.all.seconds, 100 * share,
                 100 * (1 - share), s.all.samples, s.all.bytes * 1e-6, s.fill.samples, s.caller.samples);
    if (length < 0)
        return length;
    char *rest = (size_t)length < room ? text + length : NULL;
    const size_t left = rest ? room - (size_t)length : 0;
    if (workers)
        return length + snprintf(rest, left, "; %d workers, %.2g of %lld batches ready on average", workers,
                                 s.ready, (long long)s.prefetch);
    return length + snprintf(rest, left, "; no workers");
}

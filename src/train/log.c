/* mr_log: takes a value in a step; what it costs is a comparison and two stores. */
#include "trainer.h"

#include "tensor/tape.h"

static int find_metric(const mr__fit *fit, size_t count, const char *name)
{
    const mr__reporter *r = fit->reporter;
    if (MR__LIKELY(fit->calls < count && r->metric[fit->calls].name == name))
        return (int)fit->calls; /* steps log the same names in the same order */
    for (size_t i = 0; i < count; i++)
        if (strcmp(r->metric[i].name, name) == 0)
            return (int)i;
    return -1;
}

/* The number of the metric of that name; a new one is appended. -1 after a failure. */
static int metric_of(mr__fit *fit, const char *name, bool prog_bar, bool logged)
{
    mr__reporter *r = fit->reporter;
    size_t count = atomic_load_explicit(&r->metric_count, memory_order_relaxed);
    int at = find_metric(fit, count, name);
    if (MR__LIKELY(at >= 0 && r->metric[at].prog_bar == prog_bar && r->metric[at].logged == logged))
        return at;
    if (at >= 0) {
        mr__fail(fit->tape, MR_ERR_ARGUMENT, "log: '%s' has been logged with other options before", name);
        return -1;
    }
    if (count == MR__MAX_METRICS) {
        mr__fail(fit->tape, MR_ERR_ARGUMENT, "log: '%s' is one name more than the %d that a fit can log",
                 name, MR__MAX_METRICS);
        return -1;
    }
    r->metric[count].name = name;
    r->metric[count].prog_bar = prog_bar;
    r->metric[count].logged = logged;
    atomic_store_explicit(&r->metric_count, count + 1, memory_order_release);
    return (int)count;
}

static double value_of(const mr_tensor *x)
{
    double value;
    if (x->dtype == MR_FLOAT32)
        return *(const float *)x->data;
    mr__cast_elements(MR_FLOAT64, &value, (mr_dtype)x->dtype, x->data, 1, 1);
    return value;
}

void mr_log(mr_step *step, const char *name, const mr_tensor *value, const mr_log_opts *opts)
{
    mr__fit *fit = (mr__fit *)step;
    if (!step || !mr__ready1(fit->tape, "log", value))
        return;
    if (MR__UNLIKELY(!name || !*name || value->numel != 1)) {
        if (!name || !*name)
            mr__fail(fit->tape, MR_ERR_ARGUMENT, "log: name is %s", name ? "empty" : "NULL");
        else
            mr__fail(fit->tape, MR_ERR_SHAPE, "log: '%s' has shape %s, not one element", name,
                     mr__tensor_text(value).text);
        return;
    }
    int at = metric_of(fit, name, opts && opts->prog_bar, !opts || !opts->no_logger);
    if (at < 0)
        return;
    fit->calls++;
    mr__metric *metric = &fit->reporter->metric[at];
    double x = value_of(value);
    if (metric->prog_bar) {
        atomic_store_explicit(&metric->latest, x, memory_order_relaxed);
        atomic_store_explicit(&metric->seen, true, memory_order_relaxed);
    }
    if (!metric->logged)
        return;
    size_t i = 0;
    while (i < fit->logged && fit->metric[i] != (uint32_t)at)
        i++;
    fit->metric[i] = (uint32_t)at;
    fit->value[i] = x;
    if (i == fit->logged)
        fit->logged++;
}

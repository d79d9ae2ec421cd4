/* Making, updating, merging and freeing metrics. */
#include "metrics.h"

#include <math.h>

mr_metric *mr__metric_new(const mr__metric_kind *kind, size_t counted)
{
    mr_metric *m = mr__alloc_zeroed(sizeof *m);
    if (!m)
        return NULL;
    m->kind = kind;
    m->counted = counted;
    m->counts = mr__alloc_zeroed(mr__mul_size(counted ? counted : 1, sizeof *m->counts));
    if (m->counts)
        return m;
    mr__free(m);
    return NULL;
}

void mr_metric_free(mr_metric *metric)
{
    if (!metric)
        return;
    mr__free(metric->counts);
    mr__free(metric->column);
    mr__free(metric->score);
    mr__free(metric->label);
    mr__free(metric->scratch);
    mr__free(metric);
}

void mr_metric_reset(mr_metric *metric)
{
    if (!metric)
        return;
    memset(metric->counts, 0, metric->counted * sizeof *metric->counts);
    metric->count = 0;
    metric->sum = (mr__sum){ 0, 0 };
    metric->columns = 0;
}

/* ---- counting ---- */

bool mr__metric_merge_counts(mr_metric *m, const mr_metric *from)
{
    for (size_t i = 0; i < m->counted; i++)
        m->counts[i] += from->counts[i];
    return true;
}

mr_status mr_metric_update(mr_metric *metric, const mr_tensor *predictions, const mr_tensor *targets)
{
    mr__batch batch;
    if (!metric)
        return mr__settle(mr__null("metric_update", "metric"));
    if (mr__pending())
        return mr__settle(mr_error_status());
    if (!mr__metric_read(metric, predictions, targets, &batch) || !metric->kind->update(metric, &batch))
        return mr__settle(mr_error_status());
    return MR_OK;
}

mr_status mr_metric_merge(mr_metric *metric, const mr_metric *from)
{
    if (!metric || !from)
        return mr__settle(mr__null("metric_merge", metric ? "from" : "metric"));
    if (mr__pending())
        return mr__settle(mr_error_status());
    const mr_metric *a = metric, *b = from;
    if (a == b)
        return mr__settle(mr__raise(MR_ERR_ARGUMENT, "metric_merge: %s and itself", a->kind->name));
    if (a->kind != b->kind)
        return mr__settle(
            mr__raise(MR_ERR_ARGUMENT, "metric_merge: %s and %s", a->kind->name, b->kind->name));
    if (a->classes != b->classes || a->average != b->average || a->top_k != b->top_k ||
        a->threshold != b->threshold || a->has_ignore != b->has_ignore || a->ignore != b->ignore)
        return mr__settle(mr__raise(MR_ERR_ARGUMENT, "metric_merge: %s with other options", a->kind->name));
    if (!metric->kind->merge(metric, from))
        return mr__settle(mr_error_status());
    metric->count += from->count;
    return MR_OK;
}

/* ---- values ---- */

static mr_shape shape_of(const mr_metric *m)
{
    if (m->kind->integer)
        return MR_SHAPE(m->classes, m->classes);
    return m->average == MR_AVERAGE_NONE ? MR_SHAPE(m->classes) : MR_SCALAR;
}

static bool has_value(const mr_metric *m)
{
    if (m->count >= m->kind->needs)
        return true;
    mr__raise(MR_ERR_STATE, "%s: %lld samples, needs %lld", m->kind->name, (long long)m->count,
              (long long)m->kind->needs);
    return false;
}

double mr_metric_value(const mr_metric *metric)
{
    double value = NAN;
    if (!metric) {
        mr__null("metric_value", "metric");
        return NAN;
    }
    if (shape_of(metric).ndim) {
        mr__raise(MR_ERR_STATE, "%s: there is more than one value: call metric_values", metric->kind->name);
        return NAN;
    }
    return has_value(metric) && metric->kind->values(metric, &value) ? value : NAN;
}

mr_tensor *mr_metric_values(const mr_metric *metric)
{
    if (!metric) {
        mr__null("metric_values", "metric");
        return NULL;
    }
    if (!has_value(metric))
        return NULL;
    mr_tensor *values = mr_tensor_zeros(MR_FLOAT64, shape_of(metric));
    if (!values || !metric->kind->values(metric, mr_tensor_data(values))) {
        mr_tensor_free(values);
        return NULL;
    }
    if (!metric->kind->integer)
        return values;
    mr_tensor *integers = mr_tensor_zeros(MR_INT64, shape_of(metric));
    if (integers)
        mr__gather_elements(MR_INT64, mr_tensor_data(integers), values);
    mr_tensor_free(values);
    return integers;
}

int64_t mr_metric_count(const mr_metric *metric)
{
    return metric ? metric->count : 0;
}

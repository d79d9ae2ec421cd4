/* Reading a batch of predictions and targets, and checking it. */
#include "metrics.h"

#include <math.h>

static bool is_floating(const mr_tensor *x)
{
    return mr__is_float(x->dtype) || x->dtype == MR_FLOAT16 || x->dtype == MR_BFLOAT16;
}

static bool same_shape(const mr_tensor *a, const mr_tensor *b)
{
    return a->ndim == b->ndim && memcmp(a->shape, b->shape, a->ndim * sizeof *a->shape) == 0;
}

/* (N, C, d1, …) for (N, d1, …), (C) for a scalar. */
static bool is_scores_for(const mr_tensor *x, const mr_tensor *targets)
{
    if (x->ndim != targets->ndim + 1)
        return false;
    for (int i = 0; i < targets->ndim; i++)
        if (x->shape[i ? i + 1 : 0] != targets->shape[i])
            return false;
    return true;
}

static bool do_not_fit(const mr_metric *m, const char *why, const mr_tensor *predictions,
                       const mr_tensor *targets)
{
    mr__raise(MR_ERR_SHAPE, "%s: %s: predictions %s, targets %s", m->kind->name, why,
              mr__tensor_text(predictions).text, mr__tensor_text(targets).text);
    return false;
}

/* ---- shapes ---- */

static bool read_class_shapes(const mr_metric *m, const mr_tensor *predictions, const mr_tensor *targets,
                              mr__batch *b)
{
    const bool two = m->classes == 0 || m->classes == 2;
    b->samples = targets->numel;
    b->width = 0;
    b->inner = 1;
    if (is_scores_for(predictions, targets) && is_floating(predictions)) {
        const int at = targets->ndim ? 1 : 0;
        b->width = predictions->shape[at];
        for (int i = at + 1; i < predictions->ndim; i++)
            b->inner *= predictions->shape[i];
        if (b->inner == 0) /* there are no samples */
            b->inner = 1;
        if (b->width < 2 || (m->classes && b->width != m->classes)) {
            mr__raise(MR_ERR_SHAPE, "%s: predictions %s have scores of %lld classes, not %lld", m->kind->name,
                      mr__tensor_text(predictions).text, (long long)b->width,
                      (long long)(m->classes ? m->classes : 2));
            return false;
        }
        return true;
    }
    if (!same_shape(predictions, targets))
        return do_not_fit(m, "shapes do not fit", predictions, targets);
    if (is_floating(predictions)) {
        b->width = 1;
        return two ? true : do_not_fit(m, "one score is for two classes", predictions, targets);
    }
    if (m->kind->scores || m->top_k > 1) {
        mr__raise(MR_ERR_DTYPE, "%s: predictions %s are class numbers, not scores", m->kind->name,
                  mr__tensor_text(predictions).text);
        return false;
    }
    return true;
}

static bool read_number_shapes(const mr_metric *m, const mr_tensor *predictions, const mr_tensor *targets,
                               mr__batch *b)
{
    if (!same_shape(predictions, targets))
        return do_not_fit(m, "shapes differ", predictions, targets);
    b->samples = targets->numel;
    b->width = 1;
    b->inner = 1;
    if (m->kind->needs < 2) /* not r2 */
        return true;
    if (targets->ndim < 1 || targets->ndim > 2)
        return do_not_fit(m, "needs (N) or (N, D)", predictions, targets);
    b->width = targets->ndim == 2 ? targets->shape[1] : 1;
    b->samples = targets->shape[0];
    if (b->width < 1 || (m->columns && b->width != m->columns)) {
        mr__raise(MR_ERR_SHAPE, "%s: targets %s have %lld columns, not %lld", m->kind->name,
                  mr__tensor_text(targets).text, (long long)b->width,
                  (long long)(m->columns ? m->columns : 1));
        return false;
    }
    return true;
}

/* ---- values ---- */

static bool check_class(const mr_metric *m, const char *what, double value, int64_t at, int64_t classes)
{
    if (value >= 0 && value == floor(value) && (classes == 0 || value < (double)classes))
        return true;
    if (classes)
        mr__raise(MR_ERR_ARGUMENT, "%s: %s %lld is %g, of %lld classes", m->kind->name, what, (long long)at,
                  value, (long long)classes);
    else
        mr__raise(MR_ERR_ARGUMENT, "%s: %s %lld is %g, which is no class", m->kind->name, what, (long long)at,
                  value);
    return false;
}

static bool check_classes(const mr_metric *m, const mr__batch *b)
{
    const int64_t classes = m->classes ? m->classes : b->width == 1 ? 2 : b->width;
    for (int64_t i = 0; i < b->samples; i++) {
        if (mr__metric_ignores(m, b->targets[i]))
            continue;
        if (!check_class(m, "target", b->targets[i], i, classes) ||
            (b->width == 0 && !check_class(m, "prediction", b->predictions[i], i, classes)))
            return false;
    }
    return true;
}

static bool reserve(mr_metric *m, size_t numbers)
{
    if (m->scratch && numbers <= m->scratch_room) /* also for no numbers there is an address */
        return true;
    double *more = mr__alloc_array(numbers, sizeof *more);
    if (!more)
        return false;
    mr__free(m->scratch);
    m->scratch = more;
    m->scratch_room = numbers;
    return true;
}

bool mr__metric_read(mr_metric *m, const mr_tensor *predictions, const mr_tensor *targets, mr__batch *batch)
{
    if (!mr__live(m->kind->name, predictions, "predictions") || !mr__live(m->kind->name, targets, "targets"))
        return false;
    if (m->kind->numbers ? !read_number_shapes(m, predictions, targets, batch)
                         : !read_class_shapes(m, predictions, targets, batch))
        return false;
    if (!reserve(m, (size_t)(predictions->numel + targets->numel)))
        return false;
    if (predictions->numel)
        mr__gather_elements(MR_FLOAT64, m->scratch, predictions);
    if (targets->numel)
        mr__gather_elements(MR_FLOAT64, m->scratch + predictions->numel, targets);
    batch->predictions = m->scratch;
    batch->targets = m->scratch + predictions->numel;
    return m->kind->numbers || check_classes(m, batch);
}

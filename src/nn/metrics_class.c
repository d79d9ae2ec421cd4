/* Accuracy, precision, recall, F1 and the confusion matrix: counts of class numbers. */
#include "metrics.h"

#include "base/option.h"

#include <math.h>

/* ---- options ---- */

bool mr__metric_classes(const char *call, mr_metric *to, int64_t classes, mr_average average,
                        const mr_class_metric_opts *opts)
{
    if (classes < 2) {
        mr__raise(MR_ERR_ARGUMENT, "%s: %lld classes are fewer than two", call, (long long)classes);
        return false;
    }
    if ((unsigned)average > MR_AVERAGE_NONE) {
        mr__raise(MR_ERR_ARGUMENT, "%s: there is no average %d", call, (int)average);
        return false;
    }
    if (average == MR_AVERAGE_BINARY && classes != 2) {
        mr__raise(MR_ERR_ARGUMENT, "%s: a binary value of %lld classes: choose another average", call,
                  (long long)classes);
        return false;
    }
    to->classes = classes;
    to->average = average;
    to->threshold = mr__option(opts ? opts->threshold : 0, 0.5);
    to->has_ignore = opts && mr__has_index(opts->has_ignore_index, opts->ignore_index);
    to->ignore = to->has_ignore ? mr__index(true, opts->ignore_index, 0) : 0;
    return true;
}

/* ---- what is predicted ---- */

/* Whether a score comes before another in the order from large to small: NaN is the largest. */
static bool before(double a, double b)
{
    return a > b || (isnan(a) && !isnan(b));
}

static int64_t predicted(const mr_metric *m, const mr__batch *b, int64_t sample)
{
    if (b->width == 0)
        return (int64_t)b->predictions[sample];
    if (b->width == 1)
        return b->predictions[sample] > m->threshold;
    int64_t best = 0;
    for (int64_t c = 1; c < b->width; c++)
        if (before(mr__batch_score(b, sample, c), mr__batch_score(b, sample, best)))
            best = c;
    return best;
}

/* ---- accuracy ---- */

static bool in_top(const mr_metric *m, const mr__batch *b, int64_t sample, int64_t target)
{
    const double own = mr__batch_score(b, sample, target);
    int64_t ahead = 0;
    for (int64_t c = 0; c < b->width; c++) {
        double score = mr__batch_score(b, sample, c);
        ahead += before(score, own) || (c < target && !before(own, score));
    }
    return ahead < m->top_k;
}

static bool accuracy_update(mr_metric *m, const mr__batch *b)
{
    if (m->top_k > 1 && b->width < m->top_k) {
        mr__raise(MR_ERR_ARGUMENT, "%s: the %lld largest of %lld scores", m->kind->name, (long long)m->top_k,
                  (long long)b->width);
        return false;
    }
    for (int64_t i = 0; i < b->samples; i++) {
        if (mr__metric_ignores(m, b->targets[i]))
            continue;
        const int64_t target = (int64_t)b->targets[i];
        m->counts[0] += m->top_k > 1 ? in_top(m, b, i, target) : predicted(m, b, i) == target;
        m->count++;
    }
    return true;
}

static bool accuracy_values(const mr_metric *m, double *values)
{
    *values = (double)m->counts[0] / (double)m->count;
    return true;
}

mr_metric *mr_accuracy_new(const mr_accuracy_opts *opts)
{
    static const mr__metric_kind kind = { .name = "accuracy",
                                          .needs = 1,
                                          .update = accuracy_update,
                                          .merge = mr__metric_merge_counts,
                                          .values = accuracy_values };
    const mr_accuracy_opts o = opts ? *opts : (mr_accuracy_opts){ 0 };
    const int64_t top_k = mr__option_int(o.top_k, 1);
    if (top_k < 1) {
        mr__raise(MR_ERR_ARGUMENT, "%s: top_k %lld is less than 1", kind.name, (long long)top_k);
        return NULL;
    }
    mr_metric *m = mr__metric_new(&kind, 1);
    if (!m)
        return NULL;
    m->top_k = top_k;
    m->threshold = mr__option(o.threshold, 0.5);
    m->has_ignore = mr__has_index(o.has_ignore_index, o.ignore_index);
    m->ignore = mr__index(m->has_ignore, o.ignore_index, 0);
    return m;
}

/* ---- precision, recall, F1 ---- */

/* Counts for each class: predicted rightly, predicted, and targets. */
typedef struct counts {
    const int64_t *right, *predicted, *actual;
} counts;

static counts counts_of(const mr_metric *m)
{
    return (counts){ m->counts, m->counts + m->classes, m->counts + 2 * m->classes };
}

static bool share_update(mr_metric *m, const mr__batch *b)
{
    for (int64_t i = 0; i < b->samples; i++) {
        if (mr__metric_ignores(m, b->targets[i]))
            continue;
        const int64_t target = (int64_t)b->targets[i], guess = predicted(m, b, i);
        m->counts[target] += guess == target;
        m->counts[m->classes + guess]++;
        m->counts[2 * m->classes + target]++;
        m->count++;
    }
    return true;
}

static double precision(int64_t right, int64_t predicted, int64_t actual)
{
    (void)actual;
    return predicted ? (double)right / (double)predicted : 0;
}

static double recall(int64_t right, int64_t predicted, int64_t actual)
{
    (void)predicted;
    return actual ? (double)right / (double)actual : 0;
}

static double f1(int64_t right, int64_t predicted, int64_t actual)
{
    return predicted + actual ? 2 * (double)right / (double)(predicted + actual) : 0;
}

static void share_values(const mr_metric *m, double *values,
                         double (*share)(int64_t right, int64_t predicted, int64_t actual))
{
    const counts n = counts_of(m);
    int64_t right = 0, seen = 0;
    double sum = 0, weighted = 0;
    for (int64_t c = 0; c < m->classes; c++) {
        const double own = share(n.right[c], n.predicted[c], n.actual[c]);
        if (m->average == MR_AVERAGE_NONE)
            values[c] = own;
        right += n.right[c];
        seen += n.predicted[c] + n.actual[c] > 0;
        sum += own;
        weighted += own * (double)n.actual[c];
    }
    if (m->average == MR_AVERAGE_BINARY)
        *values = share(n.right[1], n.predicted[1], n.actual[1]);
    else if (m->average == MR_AVERAGE_MICRO)
        *values = share(right, m->count, m->count);
    else if (m->average != MR_AVERAGE_NONE)
        *values = m->average == MR_AVERAGE_MACRO ? sum / (double)seen : weighted / (double)m->count;
}

static bool precision_values(const mr_metric *m, double *values)
{
    share_values(m, values, precision);
    return true;
}

static bool recall_values(const mr_metric *m, double *values)
{
    share_values(m, values, recall);
    return true;
}

static bool f1_values(const mr_metric *m, double *values)
{
    share_values(m, values, f1);
    return true;
}

static mr_metric *new_of_classes(const mr__metric_kind *kind, int64_t classes, mr_average average,
                                 const mr_class_metric_opts *opts, size_t counted)
{
    mr_metric given = { 0 };
    if (!mr__metric_classes(kind->name, &given, classes, average, opts))
        return NULL;
    mr_metric *m = mr__metric_new(kind, mr__mul_size((size_t)classes, counted));
    if (m)
        mr__metric_classes(kind->name, m, classes, average, opts);
    return m;
}

mr_metric *mr_precision_new(int64_t classes, mr_average average, const mr_class_metric_opts *opts)
{
    static const mr__metric_kind kind = { .name = "precision",
                                          .needs = 1,
                                          .update = share_update,
                                          .merge = mr__metric_merge_counts,
                                          .values = precision_values };
    return new_of_classes(&kind, classes, average, opts, 3);
}

mr_metric *mr_recall_new(int64_t classes, mr_average average, const mr_class_metric_opts *opts)
{
    static const mr__metric_kind kind = { .name = "recall",
                                          .needs = 1,
                                          .update = share_update,
                                          .merge = mr__metric_merge_counts,
                                          .values = recall_values };
    return new_of_classes(&kind, classes, average, opts, 3);
}

mr_metric *mr_f1_new(int64_t classes, mr_average average, const mr_class_metric_opts *opts)
{
    static const mr__metric_kind kind = { .name = "f1",
                                          .needs = 1,
                                          .update = share_update,
                                          .merge = mr__metric_merge_counts,
                                          .values = f1_values };
    return new_of_classes(&kind, classes, average, opts, 3);
}

/* ---- the confusion matrix ---- */

static bool matrix_update(mr_metric *m, const mr__batch *b)
{
    for (int64_t i = 0; i < b->samples; i++) {
        if (mr__metric_ignores(m, b->targets[i]))
            continue;
        m->counts[(int64_t)b->targets[i] * m->classes + predicted(m, b, i)]++;
        m->count++;
    }
    return true;
}

static bool matrix_values(const mr_metric *m, double *values)
{
    for (size_t i = 0; i < m->counted; i++)
        values[i] = (double)m->counts[i];
    return true;
}

mr_metric *mr_confusion_matrix_new(int64_t classes, const mr_class_metric_opts *opts)
{
    static const mr__metric_kind kind = { .name = "confusion_matrix",
                                          .integer = true,
                                          .needs = 1,
                                          .update = matrix_update,
                                          .merge = mr__metric_merge_counts,
                                          .values = matrix_values };
    return new_of_classes(&kind, classes, MR_AVERAGE_NONE, opts, classes > 0 ? (size_t)classes : 0);
}

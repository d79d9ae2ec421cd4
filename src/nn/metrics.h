/* The inside of a metric. */
#ifndef MILLRACE_NN_METRICS_H
#define MILLRACE_NN_METRICS_H

#include "base/alloc.h"
#include "tensor/tensor.h"

#include <millrace/metrics.h>

/* A batch, all of it checked and cast. */
typedef struct mr__batch {
    const double *predictions, *targets;
    int64_t samples;
    int64_t width; /* scores a sample; 0: class numbers */
    int64_t inner; /* score c of sample i lies at (i / inner * width + c) * inner + i % inner */
} mr__batch;

/* What a kind of metric does; in each file static consts. */
typedef struct mr__metric_kind {
    const char *name;
    bool numbers;  /* not about classes */
    bool scores;   /* predictions are scores, not class numbers */
    bool integer;  /* values are int64 */
    int64_t needs; /* how many samples a value takes */
    /* Counts a batch in, after reserving what it needs; false, with nothing counted, after a failure. */
    bool (*update)(mr_metric *m, const mr__batch *batch);
    bool (*merge)(mr_metric *m, const mr_metric *from);
    /* Fills in as many values as the metric has; false after a failure. */
    bool (*values)(const mr_metric *m, double *values);
} mr__metric_kind;

/* A sum with twice a double's digits: the value is high + low. */
typedef struct mr__sum {
    double high, low;
} mr__sum;

/* What r2 keeps of a column. */
typedef struct mr__column {
    mr__sum errors, targets, squares; /* squares: of the targets */
    double lowest, highest;           /* targets */
} mr__column;

struct mr_metric {
    const mr__metric_kind *kind;
    int64_t classes; /* 0: as many as there are scores */
    mr_average average;
    int64_t top_k;
    double threshold;
    bool has_ignore;
    int64_t ignore;

    int64_t count;
    int64_t *counts; /* what the kind counts */
    size_t counted;  /* how many numbers */
    mr__sum sum;
    mr__column *column;
    int64_t columns;
    double *score; /* auroc's: `width` a sample, and the classes */
    int64_t *label;
    int64_t score_width;
    size_t room; /* samples that there is room for */

    double *scratch; /* for a batch's numbers */
    size_t scratch_room;
};

/* A metric of a kind that keeps `counted` integers; NULL after a failure. */
mr_metric *mr__metric_new(const mr__metric_kind *kind, size_t counted);

/* Reads a batch into the metric's scratch memory; false after a failure. Samples that are ignored are still in it. */
bool mr__metric_read(mr_metric *m, const mr_tensor *predictions, const mr_tensor *targets, mr__batch *batch);

static inline double mr__batch_score(const mr__batch *b, int64_t sample, int64_t c)
{
    return b->predictions[(sample / b->inner * b->width + c) * b->inner + sample % b->inner];
}

/* Whether a target is not to be counted. */
static inline bool mr__metric_ignores(const mr_metric *m, double target)
{
    return m->has_ignore && target == (double)m->ignore;
}

/* Adds to the counts those of another metric of the kind. */
bool mr__metric_merge_counts(mr_metric *m, const mr_metric *from);

/* Fills in what the options of metrics of classes say; false after a failure. */
bool mr__metric_classes(const char *call, mr_metric *to, int64_t classes, mr_average average,
                        const mr_class_metric_opts *opts);

#endif

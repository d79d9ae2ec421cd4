/*
 * Millrace, nn layer: metrics, objects that are shown batches of predictions and targets, of any sizes, and say in the
 * end what all of them together amount to. Nothing is averaged over batches: the value is that of one large batch.
 *
 * Counts are integers, and sums have twice a double's digits, so that neither the sizes of the batches nor their order
 * is seen in a value. Predictions and targets may be of any element type and lie on a tape; nothing is recorded.
 *
 * Threads: one at a time for a metric; give each thread one of its own, and merge them in the end.
 *
 * Where a metric is about classes, a target is a class number, from 0, and predictions are one of
 *   class numbers  integers (or bool) of the targets' shape;
 *   scores         floats with one dimension more than the targets: (N, C) for (N), (N, C, d1, …) for (N, d1, …), (C) for
 *                  a scalar. The class with the largest counts, of equal ones the first; NaN is larger than any number;
 *   one score      floats of the targets' shape, for two classes: class 1 where it is greater than `threshold`.
 */
#ifndef MILLRACE_METRICS_H
#define MILLRACE_METRICS_H

#include <millrace/nn.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct mr_metric mr_metric;

/* ---- using metrics ---------------------------------------------------------------------------------------- */

/* Counts a batch in. A failure leaves the metric as it was. */
MR_API MR_CHECKED mr_status mr_metric_update(mr_metric *metric, const mr_tensor *predictions,
                                             const mr_tensor *targets);

/* What all batches since the last reset amount to; NAN after a failure. A value that the samples do not suffice for
 * (there are none; one class alone has no area under its curve) is a failure. */
MR_API double mr_metric_value(const mr_metric *metric);

/* The same as a tensor: float64, a scalar, or with MR_AVERAGE_NONE (C); the confusion matrix is int64 (C, C). Makes. */
MR_API mr_tensor *mr_metric_values(const mr_metric *metric);

/* How many samples have been counted: those that are ignored are not. */
MR_API int64_t mr_metric_count(const mr_metric *metric);

/* Begins again. */
MR_API void mr_metric_reset(mr_metric *metric);

/* Counts in all that `from` has counted, which stays as it is. Both were made by the same call. */
MR_API MR_CHECKED mr_status mr_metric_merge(mr_metric *metric, const mr_metric *from);

/* Frees it. NULL is allowed. */
MR_API void mr_metric_free(mr_metric *metric);

/* ---- classes ------------------------------------------------------------------------------------------------ */

typedef struct mr_accuracy_opts {
    /* A prediction is right when the target is among the classes with the k largest scores; default 1. */
    int64_t top_k;
    double threshold;      /* of one score; default 0.5 */
    bool has_ignore_index; /* needed for class 0 only */
    int64_t ignore_index;  /* targets that are not counted; default: none */
} mr_accuracy_opts;

/* The share of right predictions. */
MR_API mr_metric *mr_accuracy_new(const mr_accuracy_opts *opts);

typedef enum mr_average {
    MR_AVERAGE_BINARY = 0, /* that of class 1, of two classes */
    MR_AVERAGE_MACRO,      /* the mean over the classes that were seen, as targets or predictions */
    MR_AVERAGE_MICRO,      /* of the counts of all classes */
    MR_AVERAGE_WEIGHTED,   /* the mean weighted with the numbers of targets */
    MR_AVERAGE_NONE        /* for each class: see mr_metric_values */
} mr_average;

typedef struct mr_class_metric_opts {
    double threshold;      /* of one score; default 0.5 */
    bool has_ignore_index; /* needed for class 0 only */
    int64_t ignore_index;  /* targets that are not counted; default: none */
} mr_class_metric_opts;

/* For a class: of what was predicted as it, the share that is; of what is it, the share that was predicted; their
 * harmonic mean, 2 tp / (2 tp + fp + fn). 0 where it is 0/0. As sklearn's precision_score, recall_score, f1_score. */
MR_API mr_metric *mr_precision_new(int64_t classes, mr_average average, const mr_class_metric_opts *opts);
MR_API mr_metric *mr_recall_new(int64_t classes, mr_average average, const mr_class_metric_opts *opts);
MR_API mr_metric *mr_f1_new(int64_t classes, mr_average average, const mr_class_metric_opts *opts);

/* How often class `column` was predicted for targets of class `row`. */
MR_API mr_metric *mr_confusion_matrix_new(int64_t classes, const mr_class_metric_opts *opts);

/* The area under the curve of true over false positive rates, as sklearn's roc_auc_score: the chance that of two samples
 * the one of the class has the larger score, equal scores counting half. With MR_AVERAGE_BINARY predictions are one
 * score, or two of which the second is taken; otherwise scores, each class against the rest (not MR_AVERAGE_MICRO).
 * Keeps all scores, as doubles. NaN among them is a failure. `threshold` is not looked at. */
MR_API mr_metric *mr_auroc_new(int64_t classes, mr_average average, const mr_class_metric_opts *opts);

/* ---- numbers ------------------------------------------------------------------------------------------------- */

/* The mean of |prediction - target| and of (prediction - target)^2 over all elements. Equal shapes, any. */
MR_API mr_metric *mr_mae_new(void);
MR_API mr_metric *mr_mse_new(void);

/* 1 - sum of (prediction - target)^2 / sum of (target - mean target)^2 for shapes (N); for (N, D) the mean over the D
 * columns. Where targets are all the same, 1 if the predictions are right and else 0. Needs two samples. As sklearn's
 * r2_score. */
MR_API mr_metric *mr_r2_new(void);

#ifdef __cplusplus
}
#endif
#endif

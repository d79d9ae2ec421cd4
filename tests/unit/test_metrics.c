/* Metrics: what is refused and in which words, options, ties and NaN, merging. Values are tested in tests/ops. */
#include "check.h"

#include <millrace/metrics.h>

static mr_tensor *vector(mr_dtype dtype, int64_t n, const double *values)
{
    mr_tensor *x = mr_tensor_from(MR_FLOAT64, MR_SHAPE(n), values);
    mr_tensor *y = mr_tensor_zeros(dtype, MR_SHAPE(n));
    CHECK_EQ_I64(mr_tensor_copy(y, x), MR_OK);
    mr_tensor_free(x);
    return y;
}

#define VECTOR(dtype, ...) \
    vector(dtype, (int64_t)(sizeof((double[]){ __VA_ARGS__ }) / sizeof(double)), (double[]){ __VA_ARGS__ })

static mr_tensor *matrix(int64_t rows, int64_t columns, const float *values)
{
    return mr_tensor_from(MR_FLOAT32, MR_SHAPE(rows, columns), values);
}

/* Updates and frees the tensors. */
static mr_status count(mr_metric *m, mr_tensor *predictions, mr_tensor *targets)
{
    mr_status status = mr_metric_update(m, predictions, targets);
    mr_tensor_free(predictions);
    mr_tensor_free(targets);
    return status;
}

#define FAILS(call, want, text) (CHECK_EQ_I64(call, want), CHECK_EQ_STR(mr_error(), text))
#define REFUSED(call, text) CHECK((call) == NULL && CHECK_EQ_STR(mr_error(), text))

/* ---- making ---- */

static void test_arguments(void)
{
    const mr_average none = MR_AVERAGE_NONE, macro = MR_AVERAGE_MACRO, binary = MR_AVERAGE_BINARY;
    REFUSED(mr_accuracy_new(&(mr_accuracy_opts){ .top_k = -1 }), "accuracy: top_k -1 is less than 1");
    REFUSED(mr_accuracy_new(&(mr_accuracy_opts){ .top_k = MR_ZERO_INT }), "accuracy: top_k 0 is less than 1");
    REFUSED(mr_precision_new(1, macro, NULL), "precision: 1 classes are fewer than two");
    REFUSED(mr_recall_new(-3, none, NULL), "recall: -3 classes are fewer than two");
    REFUSED(mr_f1_new(3, binary, NULL), "f1: a binary value of 3 classes: choose another average");
    REFUSED(mr_f1_new(3, (mr_average)5, NULL), "f1: there is no average 5");
    REFUSED(mr_confusion_matrix_new(0, NULL), "confusion_matrix: 0 classes are fewer than two");
    REFUSED(mr_auroc_new(3, binary, NULL), "auroc: a binary value of 3 classes: choose another average");
    REFUSED(mr_auroc_new(3, MR_AVERAGE_MICRO, NULL), "auroc: there is no micro average of it");
    REFUSED(mr_auroc_new(0, macro, NULL), "auroc: 0 classes are fewer than two");

    FAILS(mr_metric_update(NULL, NULL, NULL), MR_ERR_ARGUMENT, "metric_update: metric is NULL");
    FAILS(mr_metric_merge(NULL, NULL), MR_ERR_ARGUMENT, "metric_merge: metric is NULL");
    CHECK(isnan(mr_metric_value(NULL)));
    CHECK_EQ_STR(mr_error(), "metric_value: metric is NULL");
    REFUSED(mr_metric_values(NULL), "metric_values: metric is NULL");
    CHECK_EQ_I64(mr_metric_count(NULL), 0);
    mr_metric_reset(NULL);
    mr_metric_free(NULL);
}

/* ---- batches ---- */

static void test_refused_batches(void)
{
    const float s[6] = { 0, 1, 2, 3, 4, 5 };
    mr_metric *accuracy = mr_accuracy_new(NULL), *f1 = mr_f1_new(3, MR_AVERAGE_MACRO, NULL);
    mr_metric *top = mr_accuracy_new(&(mr_accuracy_opts){ .top_k = 3 });
    mr_tensor *y = VECTOR(MR_INT64, 1, 0);
    FAILS(mr_metric_update(accuracy, NULL, y), MR_ERR_ARGUMENT, "accuracy: predictions is NULL");
    FAILS(mr_metric_update(accuracy, y, NULL), MR_ERR_ARGUMENT, "accuracy: targets is NULL");
    mr_tensor_free(y);
    FAILS(count(accuracy, matrix(3, 2, s), VECTOR(MR_INT64, 0, 1)), MR_ERR_SHAPE,
          "accuracy: shapes do not fit: predictions [3,2], targets [2]");
    FAILS(count(accuracy, mr_tensor_zeros(MR_FLOAT32, MR_SHAPE(2, 1)), VECTOR(MR_INT64, 0, 1)), MR_ERR_SHAPE,
          "accuracy: predictions [2,1] have scores of 1 classes, not 2");
    FAILS(count(f1, matrix(3, 2, s), VECTOR(MR_INT64, 0, 1, 2)), MR_ERR_SHAPE,
          "f1: predictions [3,2] have scores of 2 classes, not 3");
    FAILS(count(f1, VECTOR(MR_FLOAT32, 0, 1), VECTOR(MR_INT64, 0, 1)), MR_ERR_SHAPE,
          "f1: one score is for two classes: predictions [2], targets [2]");
    FAILS(count(f1, mr_tensor_zeros(MR_INT64, MR_SHAPE(2, 3)), VECTOR(MR_INT64, 0, 1)), MR_ERR_SHAPE,
          "f1: shapes do not fit: predictions [2,3], targets [2]");
    FAILS(count(top, VECTOR(MR_INT64, 0, 1), VECTOR(MR_INT64, 0, 1)), MR_ERR_DTYPE,
          "accuracy: predictions [2] are class numbers, not scores");
    FAILS(count(top, matrix(3, 2, s), VECTOR(MR_INT64, 0, 1, 1)), MR_ERR_ARGUMENT,
          "accuracy: the 3 largest of 2 scores");
    /* The last target is wrong: those before it are not counted either. */
    FAILS(count(accuracy, matrix(2, 3, s), VECTOR(MR_INT64, 2, 3)), MR_ERR_ARGUMENT,
          "accuracy: target 1 is 3, of 3 classes");
    FAILS(count(accuracy, VECTOR(MR_FLOAT64, 0.5, 1), VECTOR(MR_INT64, 1, 2)), MR_ERR_ARGUMENT,
          "accuracy: target 1 is 2, of 2 classes");
    FAILS(count(accuracy, VECTOR(MR_INT64, 5, 1), VECTOR(MR_FLOAT32, 5, 0.5)), MR_ERR_ARGUMENT,
          "accuracy: target 1 is 0.5, which is no class");
    FAILS(count(accuracy, VECTOR(MR_INT64, 5, -1), VECTOR(MR_INT64, 5, 1)), MR_ERR_ARGUMENT,
          "accuracy: prediction 1 is -1, which is no class");
    FAILS(count(f1, VECTOR(MR_INT64, 2, 7), VECTOR(MR_INT64, 2, 1)), MR_ERR_ARGUMENT,
          "f1: prediction 1 is 7, of 3 classes");
    FAILS(count(f1, VECTOR(MR_INT64, 2, 1), VECTOR(MR_INT64, 2, -1)), MR_ERR_ARGUMENT,
          "f1: target 1 is -1, of 3 classes");
    FAILS(count(f1, VECTOR(MR_INT64, 2, 1), VECTOR(MR_FLOAT32, 2, NAN)), MR_ERR_ARGUMENT,
          "f1: target 1 is nan, of 3 classes");
    CHECK_EQ_I64(mr_metric_count(accuracy) + mr_metric_count(f1) + mr_metric_count(top), 0);
    CHECK(isnan(mr_metric_value(accuracy)));
    CHECK_EQ_STR(mr_error(), "accuracy: 0 samples, needs 1");
    REFUSED(mr_metric_values(f1), "f1: 0 samples, needs 1");
    mr_metric_free(accuracy);
    mr_metric_free(f1);
    mr_metric_free(top);
}

static void test_refused_numbers(void)
{
    mr_metric *mae = mr_mae_new(), *r2 = mr_r2_new();
    FAILS(count(mae, VECTOR(MR_FLOAT32, 1, 2), VECTOR(MR_FLOAT32, 1, 2, 3)), MR_ERR_SHAPE,
          "mae: shapes differ: predictions [2], targets [3]");
    FAILS(count(mae, mr_tensor_zeros(MR_FLOAT32, MR_SHAPE(2, 1)), VECTOR(MR_FLOAT32, 1, 2)), MR_ERR_SHAPE,
          "mae: shapes differ: predictions [2,1], targets [2]");
    FAILS(count(r2, mr_tensor_scalar(MR_FLOAT32, 1), mr_tensor_scalar(MR_FLOAT32, 1)), MR_ERR_SHAPE,
          "r2: needs (N) or (N, D): predictions [], targets []");
    FAILS(count(r2, mr_tensor_zeros(MR_FLOAT32, MR_SHAPE(2, 0)), mr_tensor_zeros(MR_FLOAT32, MR_SHAPE(2, 0))),
          MR_ERR_SHAPE, "r2: targets [2,0] have 0 columns, not 1");
    CHECK_EQ_I64(
        count(r2, mr_tensor_zeros(MR_FLOAT32, MR_SHAPE(1, 3)), mr_tensor_zeros(MR_FLOAT32, MR_SHAPE(1, 3))),
        MR_OK);
    FAILS(count(r2, mr_tensor_zeros(MR_FLOAT32, MR_SHAPE(2, 4)), mr_tensor_zeros(MR_FLOAT32, MR_SHAPE(2, 4))),
          MR_ERR_SHAPE, "r2: targets [2,4] have 4 columns, not 3");
    CHECK(isnan(mr_metric_value(r2)));
    CHECK_EQ_STR(mr_error(), "r2: 1 samples, needs 2");
    mr_metric *other = mr_r2_new();
    CHECK_EQ_I64(mr_metric_merge(r2, other), MR_OK);
    CHECK_EQ_I64(count(other, VECTOR(MR_FLOAT32, 1, 2), VECTOR(MR_FLOAT32, 1, 2)), MR_OK);
    FAILS(mr_metric_merge(r2, other), MR_ERR_SHAPE, "metric_merge: r2 of 3 columns and of 1");
    /* After a reset there may be other columns. */
    mr_metric_reset(r2);
    CHECK_EQ_I64(mr_metric_merge(r2, other), MR_OK);
    CHECK_NEAR(mr_metric_value(r2), 1, 0);

    /* What is not finite shows, and goes with a reset. */
    CHECK_EQ_I64(count(mae, VECTOR(MR_FLOAT32, 1, INFINITY, 2), VECTOR(MR_FLOAT32, 1, 2, 3)), MR_OK);
    CHECK_NEAR(mr_metric_value(mae), INFINITY, 0);
    CHECK_EQ_I64(count(mae, VECTOR(MR_FLOAT32, NAN), VECTOR(MR_FLOAT32, 1)), MR_OK);
    CHECK(isnan(mr_metric_value(mae)));
    mr_metric_reset(mae);
    CHECK_EQ_I64(count(mae, VECTOR(MR_FLOAT32, 1), VECTOR(MR_FLOAT32, 3)), MR_OK);
    CHECK_NEAR(mr_metric_value(mae), 2, 0);
    CHECK_EQ_I64(count(r2, VECTOR(MR_FLOAT32, 1, NAN), VECTOR(MR_FLOAT32, 1, 2)), MR_OK);
    CHECK(isnan(mr_metric_value(r2)));
    mr_metric_free(mae);
    mr_metric_free(r2);
    mr_metric_free(other);
}

static void test_refused_scores(void)
{
    const float s[6] = { 0, 1, 2, 3, NAN, 5 };
    mr_metric *two = mr_auroc_new(2, MR_AVERAGE_BINARY, NULL), *each = mr_auroc_new(2, MR_AVERAGE_NONE, NULL);
    FAILS(count(two, VECTOR(MR_INT64, 0, 1), VECTOR(MR_INT64, 0, 1)), MR_ERR_DTYPE,
          "auroc: predictions [2] are class numbers, not scores");
    FAILS(count(each, VECTOR(MR_FLOAT32, 0, 1), VECTOR(MR_INT64, 0, 1)), MR_ERR_SHAPE,
          "auroc: one score a sample, needs those of 2 classes");
    FAILS(count(each, matrix(3, 2, s), VECTOR(MR_INT64, 0, 1, 1)), MR_ERR_NONFINITE,
          "auroc: a score of sample 2 is nan");
    CHECK_EQ_I64(mr_metric_count(each), 0);
    CHECK_EQ_I64(count(two, VECTOR(MR_FLOAT32, 0, 1, INFINITY), VECTOR(MR_INT64, 1, 1, 1)), MR_OK);
    CHECK(isnan(mr_metric_value(two)));
    CHECK_EQ_STR(mr_error(), "auroc: every sample is of class 1");
    mr_metric_reset(two);
    CHECK_EQ_I64(count(two, VECTOR(MR_FLOAT32, 0, 1), VECTOR(MR_INT64, 0, 0)), MR_OK);
    CHECK(isnan(mr_metric_value(two)));
    CHECK_EQ_STR(mr_error(), "auroc: no sample is of class 1");
    CHECK_EQ_I64(count(two, VECTOR(MR_FLOAT32, INFINITY), VECTOR(MR_INT64, 1)), MR_OK);
    CHECK_NEAR(mr_metric_value(two), 1, 0);
    mr_metric_free(two);
    mr_metric_free(each);
}

/* ---- values ---- */

static void test_more_than_one_value(void)
{
    mr_metric *each = mr_recall_new(3, MR_AVERAGE_NONE, NULL), *m = mr_confusion_matrix_new(2, NULL);
    CHECK_EQ_I64(count(each, VECTOR(MR_INT64, 2, 1), VECTOR(MR_INT64, 2, 2)), MR_OK);
    CHECK_EQ_I64(count(m, VECTOR(MR_INT64, 1, 1), VECTOR(MR_INT64, 0, 1)), MR_OK);
    CHECK(isnan(mr_metric_value(each)));
    CHECK_EQ_STR(mr_error(), "recall: there is more than one value: call metric_values");
    CHECK(isnan(mr_metric_value(m)));
    CHECK_EQ_STR(mr_error(), "confusion_matrix: there is more than one value: call metric_values");
    mr_metric_free(each);
    mr_metric_free(m);
}

/* Of equal scores the first is the larger, and NaN is larger than any number. */
static void test_order_of_scores(void)
{
    const float s[8] = { 1, 1, 1, 0, 2, NAN, INFINITY, NAN };
    static const struct {
        int64_t top_k;
        double right[4]; /* for the targets 0 … 3, of one row */
    } rows[2][2] = { { { 1, { 1, 0, 0, 0 } }, { 2, { 1, 1, 0, 0 } } },
                     { { 1, { 0, 1, 0, 0 } }, { 2, { 0, 1, 0, 1 } } } };
    for (int row = 0; row < 2; row++)
        for (int k = 0; k < 2; k++)
            for (int target = 0; target < 4; target++) {
                mr_metric *m = mr_accuracy_new(&(mr_accuracy_opts){ .top_k = rows[row][k].top_k });
                CHECK_EQ_I64(count(m, matrix(1, 4, s + 4 * row), VECTOR(MR_INT64, target)), MR_OK);
                CHECK_NEAR(mr_metric_value(m), rows[row][k].right[target], 0);
                mr_metric_free(m);
            }
}

static double of_options(const mr_accuracy_opts *opts)
{
    mr_metric *m = mr_accuracy_new(opts);
    CHECK_EQ_I64(count(m, VECTOR(MR_FLOAT64, 0.5, 0.25, 0, -1), VECTOR(MR_INT64, 1, 1, 0, 0)), MR_OK);
    const double value = mr_metric_value(m);
    mr_metric_free(m);
    return value;
}

static double of_class_options(const mr_class_metric_opts *opts)
{
    mr_metric *m = mr_recall_new(2, MR_AVERAGE_WEIGHTED, opts);
    CHECK_EQ_I64(count(m, VECTOR(MR_FLOAT64, 0.5, 0.25, 0, -1), VECTOR(MR_INT64, 1, 1, 0, 0)), MR_OK);
    const double value = mr_metric_value(m);
    mr_metric_free(m);
    return value;
}

/* Weighted recall is accuracy, so both have the same values. */
static void test_options(void)
{
#define BOTH(want, ...)                                                                \
    do {                                                                               \
        CHECK_NEAR(of_options(&(mr_accuracy_opts){ __VA_ARGS__ }), want, 0);           \
        CHECK_NEAR(of_class_options(&(mr_class_metric_opts){ __VA_ARGS__ }), want, 0); \
    } while (0)
    CHECK_NEAR(of_options(NULL), 0.5, 0);
    CHECK_NEAR(of_class_options(NULL), 0.5, 0);
    BOTH(0.5, .threshold = 0);
    BOTH(0.5, .threshold = 0.5);
    BOTH(0.75, .threshold = 0.25);
    BOTH(1, .threshold = MR_ZERO);
    BOTH(0.75, .threshold = -0.5);
    BOTH(1, .ignore_index = 1);
    BOTH(0, .ignore_index = MR_ZERO_INT);
    BOTH(1, .has_ignore_index = true, .ignore_index = 1);
    BOTH(0, .has_ignore_index = true);
    BOTH(0.5, .has_ignore_index = true, .ignore_index = 7);
    CHECK_NEAR(of_options(&(mr_accuracy_opts){ .top_k = 1 }), 0.5, 0);
}

/* ---- merging ---- */

static void test_merge(void)
{
    const mr_class_metric_opts ignore = { .has_ignore_index = true }, low = { .threshold = 0.25 };
    mr_metric *m = mr_f1_new(2, MR_AVERAGE_MACRO, NULL);
    mr_metric *others[] = { mr_f1_new(3, MR_AVERAGE_MACRO, NULL), mr_f1_new(2, MR_AVERAGE_BINARY, NULL),
                            mr_f1_new(2, MR_AVERAGE_MACRO, &ignore), mr_f1_new(2, MR_AVERAGE_MACRO, &low) };
    mr_metric *recall = mr_recall_new(2, MR_AVERAGE_MACRO, NULL);
    FAILS(mr_metric_merge(m, NULL), MR_ERR_ARGUMENT, "metric_merge: from is NULL");
    FAILS(mr_metric_merge(m, m), MR_ERR_ARGUMENT, "metric_merge: f1 and itself");
    FAILS(mr_metric_merge(m, recall), MR_ERR_ARGUMENT, "metric_merge: f1 and recall");
    for (int i = 0; i < 4; i++) {
        FAILS(mr_metric_merge(m, others[i]), MR_ERR_ARGUMENT, "metric_merge: f1 with other options");
        mr_metric_free(others[i]);
    }
    mr_metric_free(m);
    mr_metric_free(recall);
    mr_metric *one = mr_accuracy_new(NULL), *two = mr_accuracy_new(&(mr_accuracy_opts){ .top_k = 2 });
    FAILS(mr_metric_merge(one, two), MR_ERR_ARGUMENT, "metric_merge: accuracy with other options");
    mr_metric_free(one);
    mr_metric_free(two);

    /* What is merged stays; an empty one may be merged, and merged into. */
    mr_metric *a = mr_auroc_new(2, MR_AVERAGE_BINARY, NULL), *b = mr_auroc_new(2, MR_AVERAGE_BINARY, NULL);
    CHECK_EQ_I64(count(b, VECTOR(MR_FLOAT32, 1, 2, 3), VECTOR(MR_INT64, 0, 1, 0)), MR_OK);
    CHECK_EQ_I64(mr_metric_merge(a, b), MR_OK);
    CHECK_EQ_I64(mr_metric_merge(a, b), MR_OK);
    mr_metric_reset(b);
    CHECK_EQ_I64(mr_metric_merge(a, b), MR_OK);
    CHECK_EQ_I64(mr_metric_count(a), 6);
    CHECK_NEAR(mr_metric_value(a), 0.5, 0);
    mr_metric_free(a);
    mr_metric_free(b);
}

/* A failure from before is returned, and nothing is counted. */
static void test_pending(void)
{
    mr_rng *rng = mr_rng_new(0);
    mr_tape *tape = mr_tape_new(rng);
    mr_metric *m = mr_mse_new(), *from = mr_mse_new();
    mr_tensor *x = VECTOR(MR_FLOAT32, 1, 2), *y = VECTOR(MR_FLOAT32, 1, 2, 3);
    mr_tensor *sum = mr_add(tape, x, y);
    CHECK(sum == NULL);
    CHECK_EQ_I64(mr_metric_update(m, sum, x), MR_ERR_SHAPE);
    CHECK_EQ_I64(mr_metric_count(m), 0);
    mr_tape_reset(tape);
    (void)mr_add(tape, x, y);
    CHECK_EQ_I64(mr_metric_update(m, x, x), MR_ERR_SHAPE);
    (void)mr_accuracy_new(&(mr_accuracy_opts){ .top_k = -1 });
    CHECK_EQ_I64(mr_metric_merge(m, from), MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(), "accuracy: top_k -1 is less than 1");
    CHECK_EQ_I64(mr_metric_update(m, x, x), MR_OK);
    CHECK_NEAR(mr_metric_value(m), 0, 0);
    mr_metric_free(m);
    mr_metric_free(from);
    mr_tensor_free(x);
    mr_tensor_free(y);
    mr_tape_free(tape);
    mr_rng_free(rng);
}

int main(void)
{
    RUN(test_arguments);
    RUN(test_refused_batches);
    RUN(test_refused_numbers);
    RUN(test_refused_scores);
    RUN(test_more_than_one_value);
    RUN(test_order_of_scores);
    RUN(test_options);
    RUN(test_merge);
    RUN(test_pending);
    return check_report();
}

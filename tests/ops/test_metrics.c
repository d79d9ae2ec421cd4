/* Metrics against scikit-learn's, of all samples at once, in batches, and merged from two; the file is described in
 * golden/make_metrics.py. Values differ by the rounding of its sums. */
#include "golden_run.h"

#include <millrace/metrics.h>

static golden_op exact = { .name = "metric", .forward = 32, .floor = 0.125, .why = "numpy's sums" };

static mr_metric *make(const golden_case *c)
{
    const double threshold = golden_find(c, "threshold") ? golden_number(c, "threshold", 0) : 0.5;
    const bool ignores = golden_find(c, "ignore") != NULL;
    const int64_t ignore = (int64_t)golden_number(c, "ignore", 0);
    const mr_class_metric_opts opts = { threshold == 0 ? MR_ZERO : threshold, ignores, ignore };
    const int64_t classes = (int64_t)golden_number(c, "classes", 0);
    const mr_average average = (mr_average)golden_number(c, "average", 0);
    if (strcmp(c->op, "accuracy") == 0)
        return mr_accuracy_new(
            &(mr_accuracy_opts){ (int64_t)golden_number(c, "top_k", 0), opts.threshold, ignores, ignore });
    if (strcmp(c->op, "precision") == 0)
        return mr_precision_new(classes, average, &opts);
    if (strcmp(c->op, "recall") == 0)
        return mr_recall_new(classes, average, &opts);
    if (strcmp(c->op, "f1") == 0)
        return mr_f1_new(classes, average, &opts);
    if (strcmp(c->op, "confusion_matrix") == 0)
        return mr_confusion_matrix_new(classes, &opts);
    if (strcmp(c->op, "auroc") == 0)
        return mr_auroc_new(classes, average, &opts);
    return strcmp(c->op, "mae") == 0 ? mr_mae_new() : strcmp(c->op, "mse") == 0 ? mr_mse_new() : mr_r2_new();
}

static void check_value(const golden_case *c, const mr_metric *m, const char *what)
{
    if (c->fails) {
        CHECK(mr_metric_values(m) == NULL && mr_error_status() == MR_ERR_STATE && *mr_error());
        return;
    }
    mr_tensor *values = mr_metric_values(m);
    if (golden_compare(c, &exact, what, &c->out[0], values, false) && c->out[0].shape.ndim == 0)
        CHECK(mr_metric_value(m) == mr_item(values));
    mr_tensor_free(values);
}

/* Counts in the samples from `first` to before `end`, views of all. */
static void update(mr_metric *m, mr_tape *tape, mr_tensor *x, mr_tensor *y, int64_t first, int64_t end)
{
    mr_status status =
        mr_metric_update(m, mr_slice(tape, x, 0, first, end, 1), mr_slice(tape, y, 0, first, end, 1));
    if (!CHECK(status == MR_OK))
        printf("    %s\n", mr_error());
    mr_tape_reset(tape);
}

static void run(const golden_case *c, mr_tape *tape)
{
    mr_tensor *x = mr_tensor_from(c->in[0].dtype, c->in[0].shape, c->in[0].values);
    mr_tensor *y = mr_tensor_from(c->in[1].dtype, c->in[1].shape, c->in[1].values);
    mr_metric *m = make(c), *batched = make(c), *rest = make(c);
    if (!CHECK(m && batched && rest && mr_metric_update(m, x, y) == MR_OK))
        printf("    case %d: %s\n", c->number, mr_error());
    check_value(c, m, "all at once");
    const golden_parameter *batches = golden_find(c, "batches");
    int64_t at = 0;
    for (int i = 0; batches && i < batches->count; at += (int64_t)batches->value[i++])
        update(batched, tape, x, y, at, at + (int64_t)batches->value[i]);
    if (batches) {
        CHECK_EQ_I64(at, c->in[1].shape.dim[0]);
        CHECK_EQ_I64(mr_metric_count(batched), mr_metric_count(m));
        check_value(c, batched, "in batches");
        /* Once more, the first batch in one metric and the others, last first, in another. */
        mr_metric_reset(batched);
        const int64_t first = (int64_t)batches->value[0];
        update(batched, tape, x, y, 0, first);
        for (int i = batches->count - 1; i > 0; i--) {
            at -= (int64_t)batches->value[i];
            update(rest, tape, x, y, at, at + (int64_t)batches->value[i]);
        }
        CHECK_EQ_I64(mr_metric_merge(batched, rest), MR_OK);
        CHECK_EQ_I64(mr_metric_count(batched), mr_metric_count(m));
        check_value(c, batched, "merged");
    }
    mr_metric_free(m);
    mr_metric_free(batched);
    mr_metric_free(rest);
    mr_tensor_free(x);
    mr_tensor_free(y);
}

static void test_values(void)
{
    golden_file f;
    golden_case c = { 0 };
    mr_rng *rng = mr_rng_new(0);
    mr_tape *tape = mr_tape_new(rng);
    if (golden_open(&f, "metrics")) {
        while (golden_next(&f, &c))
            run(&c, tape);
        golden_close(&f);
    }
    mr_tape_free(tape);
    mr_rng_free(rng);
}

int main(void)
{
    RUN(test_values);
    return check_report();
}

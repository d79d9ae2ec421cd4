/* Memory runs out in schedules and metrics. */
#include "refuse.h"

#include <millrace/metrics.h>
#include <millrace/schedules.h>

/* ---- schedules ---- */

static const int64_t stones[] = { 1, 3 }, starts[] = { 2, 4 };

static mr_schedule *make_schedules(mr_optim *optim)
{
    mr_schedule *first = mr_multi_step_lr_new(optim, stones, 2, NULL);
    mr_schedule *second = mr_cyclic_lr_new(optim, 0.1, 0.5, &(mr_cyclic_lr_opts){ .step_size_up = 2 });
    mr_schedule *third = mr_one_cycle_lr_new(optim, 1, 8, NULL);
    mr_schedule *sequence = mr_sequential_lr_new(optim, (mr_schedule *[]){ first, second, third }, 3, starts);
    mr_schedule *more = mr_exponential_lr_new(optim, 0.5);
    return mr_chained_scheduler_new((mr_schedule *[]){ sequence, more }, 2);
}

static double schedules_program(mr_status *status)
{
    mr_tensor *p[2] = { mr_tensor_ones(MR_FLOAT32, MR_SHAPE(3)), mr_tensor_ones(MR_FLOAT64, MR_SHAPE(2)) };
    for (int i = 0; i < 2; i++)
        mr_tensor_set_requires_grad(p[i], true);
    mr_optim *optim = mr_sgd_new((mr_params){ &(mr_param){ "a", p[0] }, 1 }, 0.1, NULL);
    mr_sgd_add_group(optim, (mr_params){ &(mr_param){ "b", p[1] }, 1 }, 0.2, NULL);
    mr_schedule *one = make_schedules(optim), *plateau = mr_reduce_lr_on_plateau_new(optim, NULL);
    mr_status s = MR_OK;
    for (int step = 0; step < 3 && s == MR_OK; step++) {
        s = mr_schedule_step(one);
        if (s == MR_OK)
            s = mr_schedule_step_metric(plateau, step);
    }
    mr_schedule *two = s == MR_OK ? make_schedules(optim) : NULL;
    if (s == MR_OK)
        s = mr_schedule_load_state(two, mr_schedule_state(one));
    for (int step = 0; step < 3 && s == MR_OK; step++)
        s = mr_schedule_step(two);
    const double result = s == MR_OK ? mr_schedule_last_lr(two, 0) + mr_schedule_last_lr(two, 1) +
                                           mr_optim_group_momentum(optim, 1)
                                     : 0;
    *status = s;
    mr_schedule_free(one);
    mr_schedule_free(two);
    mr_schedule_free(plateau);
    mr_optim_free(optim);
    mr_tensor_free(p[0]);
    mr_tensor_free(p[1]);
    return result;
}

/* ---- metrics ---- */

/* What a metric and one that is merged into it say in the end. Frees both. */
static double follow(mr_metric *m, mr_metric *other, const mr_tensor *predictions, const mr_tensor *targets,
                     mr_status *status)
{
    mr_status s = mr_metric_update(m, predictions, targets);
    for (int i = 0; i < 3 && s == MR_OK; i++)
        s = mr_metric_update(other, predictions, targets);
    if (s == MR_OK)
        s = mr_metric_merge(m, other);
    mr_tensor *values = s == MR_OK ? mr_metric_values(m) : NULL;
    double out[4] = { 0 };
    if (s == MR_OK)
        s = mr_copy_out(values, MR_FLOAT64, out, mr_tensor_numel(values));
    mr_tensor_free(values);
    mr_metric_free(m);
    mr_metric_free(other);
    *status = s;
    return out[0] + 2 * out[1] + 3 * out[2];
}

static double metrics_program(mr_status *status)
{
    static const int64_t classes[] = { 0, 1, 1, 0, 1 };
    mr_rng *rng = mr_rng_new(1);
    mr_tensor *x = mr_tensor_rand(rng, MR_FLOAT32, MR_SHAPE(5, 2));
    mr_tensor *y = mr_tensor_from(MR_INT64, MR_SHAPE(5), classes);
    const mr_average none = MR_AVERAGE_NONE;
    double sum = follow(mr_accuracy_new(NULL), mr_accuracy_new(NULL), x, y, status);
    if (*status == MR_OK)
        sum += follow(mr_f1_new(2, none, NULL), mr_f1_new(2, none, NULL), x, y, status);
    if (*status == MR_OK)
        sum += follow(mr_confusion_matrix_new(2, NULL), mr_confusion_matrix_new(2, NULL), x, y, status);
    if (*status == MR_OK)
        sum += follow(mr_auroc_new(2, none, NULL), mr_auroc_new(2, none, NULL), x, y, status);
    if (*status == MR_OK)
        sum += follow(mr_mse_new(), mr_mse_new(), x, x, status);
    if (*status == MR_OK)
        sum += follow(mr_r2_new(), mr_r2_new(), x, x, status);
    mr_tensor_free(x);
    mr_tensor_free(y);
    mr_rng_free(rng);
    return sum;
}

static void test_schedules(void)
{
    refuse_each("schedules", schedules_program, 60);
}

static void test_metrics(void)
{
    refuse_each("metrics", metrics_program, 50);
}

int main(void)
{
    refuse_begin();
    RUN(test_schedules);
    RUN(test_metrics);
    refuse_end();
    return check_report();
}

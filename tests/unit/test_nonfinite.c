/* A loss that is no number: what is said of it, and leaving the batch out. */
#include "check.h"
#include "fit.h"

#include <math.h>

static int where; /* 0: the loss itself, 1: a field, 2: a parameter, 3: a module */

static mr_tensor *spoil(mr_step *s, const mr_batch *b, mr_tensor *loss)
{
    if (s->global_step != 1)
        return loss;
    if (where == 0)
        return mr_mul_scalar(s->tape, loss, INFINITY);
    if (where == 1)
        ((float *)mr_tensor_data(b->field[1]))[0] = NAN;
    if (where == 2)
        *(float *)mr_tensor_data(mr_module_parameters(s->model).item[1].tensor) = INFINITY;
    mr_tensor *huge = mr_scalar(s->tape, MR_FLOAT32, where == 3 ? 3e38 : 1);
    mr_tensor *y =
        mr_forward(s->model, s->tape,
                   mr_mul(s->tape, mr_unsqueeze(s->tape, mr_add_scalar(s->tape, b->field[0], 1), 1), huge));
    return mr_mse_loss(s->tape, mr_squeeze(s->tape, y, 1), b->field[1], NULL);
}

static mr_status train(bool skip)
{
    fit f = fit_new(10);
    hook.step = spoil;
    *(float *)mr_tensor_data(mr_module_parameters(f.model).item[0].tensor) = 1.5f;
    mr_set_log_hook(hear, NULL);
    *heard = '\0';
    mr_trainer *t =
        mr_trainer_new(&(mr_trainer_opts){ .max_epochs = 2,
                                           .no_progress = true,
                                           .no_summary = true,
                                           .nonfinite = skip ? MR_NONFINITE_SKIP : MR_NONFINITE_STOP });
    mr_status status = mr_trainer_fit(t, f.task, f.loader);
    if (skip)
        CHECK_EQ_I64(mr_trainer_global_step(t), 1);
    mr_trainer_free(t);
    mr_set_log_hook(NULL, NULL);
    fit_free(&f);
    return status;
}

static void test_saying(void)
{
    static const char *const lines[] = {
        "fit: the results of all modules are finite\n", "fit: field y of the batch is not finite\n",
        "fit: parameter bias is not finite\n",
        "fit: the first module with a result that is not finite is Linear (Linear)\n"
    };
    for (where = 0; where < 4; where++) {
        char wanted[300];
        CHECK_EQ_I64(train(false), MR_ERR_NONFINITE);
        CHECK(strstr(mr_error(), "fit: the loss is ") && strstr(mr_error(), " at epoch 0, step 1"));
        snprintf(wanted, sizeof wanted, "fit: the batch has the samples 4, 5, 6, 7\n%s", lines[where]);
        CHECK_EQ_STR(heard, wanted);
    }
}

/* The step is not counted, and so the hook spoils each batch behind it. */
static void test_skipping(void)
{
    where = 0;
    CHECK_EQ_I64(train(true), MR_OK);
    CHECK(strncmp(heard,
                  "fit: the loss is inf at epoch 0, step 1: batch 1 is left out\n"
                  "fit: the loss is inf at epoch 0, step 1: batch 2 is left out\n"
                  "fit: the loss is inf at epoch 1, step 1: batch 0 is left out\n",
                  180) == 0);
}

/* ---- buffers ---- */

static bool bad_gradient, bad_loss;

static mr_tensor *spoil_some(mr_step *s, const mr_batch *b)
{
    mr_tensor *y = mr_forward(s->model, s->tape, mr_unsqueeze(s->tape, b->field[0], 1));
    mr_tensor *loss = mr_mse_loss(s->tape, mr_squeeze(s->tape, y, 1), b->field[1], NULL);
    mr_tensor *zero = mr_mul_scalar(s->tape, loss, 0);
    if (bad_gradient) /* of a root at 0 */
        loss = mr_add(s->tape, loss, mr_sqrt(s->tape, zero));
    return bad_loss && s->batch_index == 1 ? mr_mul_scalar(s->tape, loss, NAN) : loss;
}

/* The running mean after two epochs of two batches, 0, 1, 2, 3 and 4, 5, 6, 7 of eighths. */
static double mean_after(int64_t accumulate)
{
    static const mr_task_vtable vtable = { .training_step = spoil_some,
                                           .configure_optimizers = fit_optimizers };
    fit f = fit_new(8);
    mr_module *norm = mr_batch_norm1d_new(1, NULL);
    mr_task *task = mr_task_new(&vtable, norm, NULL, 0);
    mr_set_log_hook(hear, NULL);
    mr_trainer *t = mr_trainer_new(&(mr_trainer_opts){ .max_epochs = 2,
                                                       .accumulate_grad_batches = accumulate,
                                                       .nonfinite = MR_NONFINITE_SKIP,
                                                       .no_progress = true,
                                                       .no_summary = true });
    CHECK_EQ_I64(mr_trainer_fit(t, task, f.loader), MR_OK);
    mr_set_log_hook(NULL, NULL);
    const mr_params state = mr_module_state(norm);
    double mean = (double)NAN;
    for (size_t i = 0; i < state.count; i++)
        if (strcmp(state.item[i].name, "running_mean") == 0)
            mean = (double)*(float *)mr_tensor_data(state.item[i].tensor);
    mr_trainer_free(t);
    mr_task_free(task);
    mr_module_free(norm);
    fit_free(&f);
    return mean;
}

static double running(double mean, double batch)
{
    return 0.9 * mean + 0.1 * batch;
}

/* Those of an update that is left out are as they were before its first batch, of a batch as before that. */
static void test_buffers(void)
{
    const double first = 1.5 / 8, second = 5.5 / 8;
    for (int64_t accumulate = 1; accumulate <= 2; accumulate++) {
        CHECK_NEAR(mean_after(accumulate),
                   running(running(running(running(0, first), second), first), second), 1e-6);
        bad_loss = true;
        CHECK_NEAR(mean_after(accumulate), running(running(0, first), first), 1e-6);
        bad_loss = false;
        bad_gradient = true;
        CHECK_NEAR(mean_after(accumulate), 0, 0);
        bad_gradient = false;
    }
}

int main(void)
{
    RUN(test_saying);
    RUN(test_skipping);
    RUN(test_buffers);
    return check_report();
}

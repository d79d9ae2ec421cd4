/* Validation, test and prediction without a fit, their tables; when a fit validates; the history; limits of time. */
#include "check.h"
#include "fit.h"

static int64_t seen, trained;
static char when[2000];

static double error_of(const mr_step *s, const mr_batch *b)
{
    double sum = 0;
    mr_params p = mr_module_parameters(s->model);
    for (int64_t i = 0; i < b->rows; i++) {
        const double x = (double)((float *)mr_tensor_data(b->field[0]))[i];
        const double e = mr_item(p.item[0].tensor) * x + mr_item(p.item[1].tensor) - 2 * x;
        sum += e * e;
    }
    return sum / (double)b->rows;
}

static mr_status validation_step(mr_step *s, const mr_batch *b)
{
    seen++;
    CHECK(!mr_module_is_training(s->model));
    mr_log_value(s, "val_loss", error_of(s, b), NULL);
    return MR_OK;
}

static mr_status test_step(mr_step *s, const mr_batch *b)
{
    mr_log_value(s, "test_loss", error_of(s, b), NULL);
    mr_log_value(s, "a_metric", 0.5, NULL);
    mr_log_value(s, "rows", (double)b->rows, &(mr_log_opts){ .reduction = MR_OVER_EPOCH_SUM });
    return MR_OK;
}

static mr_tensor *predict_step(mr_step *s, const mr_batch *b)
{
    return mr_forward(s->model, s->tape, mr_unsqueeze(s->tape, b->field[0], 1));
}

static mr_task_vtable vtable = { .training_step = fit_step,
                                 .configure_optimizers = fit_optimizers,
                                 .validation_step = validation_step,
                                 .test_step = test_step,
                                 .predict_step = predict_step };

/* ---- without a fit ---- */

static void test_test(void)
{
    fit f = fit_new(10);
    mr_task *task = mr_task_new(&vtable, f.model, NULL, 0);
    mr_trainer *t = mr_trainer_new(NULL);
    mr_set_log_hook(hear, NULL);
    *heard = '\0';
    CHECK_EQ_I64(mr_trainer_test(t, task, f.loader), MR_OK);
    CHECK(mr_trainer_metric(t, "rows") == 10);
    CHECK(mr_trainer_metric(t, "a_metric") == 0.5);
    char bar[400] = "", wanted[3000];
    for (int i = 0; i < 120; i++)
        strcat(bar, "─");
    int length = snprintf(
        wanted, sizeof wanted,
        "%s\n       Test metric             DataLoader 0\n%s\n        a_metric                    0.5\n"
        "          rows                     10.0\n        test_loss",
        bar, bar);
    CHECK(length > 0 && strncmp(heard, wanted, (size_t)length) == 0);
    CHECK(strlen(heard) > strlen(bar) &&
          strncmp(heard + strlen(heard) - strlen(bar) - 1, bar, strlen(bar)) == 0);
    CHECK(mr_module_is_training(f.model));
    *heard = '\0';
    CHECK_EQ_I64(mr_trainer_validate(t, task, f.loader), MR_OK);
    CHECK(strstr(heard, "     Validate metric           DataLoader 0\n") != NULL);
    CHECK_CLOSE(mr_trainer_metric(t, "val_loss"), mr_trainer_metric(t, "test_loss"), 1e-12, 0);
    CHECK(strstr(heard, "test_loss") == NULL);
    mr_set_log_hook(NULL, NULL);
    mr_trainer_free(t);
    mr_task_free(task);
    fit_free(&f);
}

static void test_predict(void)
{
    fit f = fit_new(10);
    mr_task *task = mr_task_new(&vtable, f.model, NULL, 0);
    mr_trainer *t = mr_trainer_new(NULL);
    mr_tensor *y = mr_trainer_predict(t, task, f.loader);
    if (CHECK(y != NULL)) {
        mr_shape shape = mr_tensor_shape(y);
        CHECK(shape.ndim == 2 && shape.dim[0] == 10 && shape.dim[1] == 1);
        for (int i = 0; i < 10; i++)
            CHECK_CLOSE(((float *)mr_tensor_data(y))[i], fit_weight(&f) * (float)i / 10 + fit_bias(&f), 1e-6,
                        1e-7);
    }
    mr_tensor_free(y);
    CHECK(!mr_trainer_predict(t, f.task, f.loader)); /* Linear takes no vector of ten rows */
    CHECK(strncmp(mr_error(), "predict: batch 0: ", strlen("predict: batch 0: ")) == 0);
    CHECK(!mr_trainer_predict(NULL, task, f.loader));
    CHECK_EQ_STR(mr_error(), "predict: trainer is NULL");
    CHECK(!mr_trainer_predict(t, NULL, f.loader));
    CHECK_EQ_STR(mr_error(), "predict: task is NULL");
    CHECK(!mr_trainer_predict(t, task, NULL));
    CHECK_EQ_STR(mr_error(), "predict: loader is NULL");
    mr_trainer_free(t);
    mr_task_free(task);
    fit_free(&f);
    f = fit_new(0);
    t = mr_trainer_new(NULL);
    task = mr_task_new(&vtable, f.model, NULL, 0);
    CHECK(!mr_trainer_predict(t, task, f.loader));
    CHECK_EQ_STR(mr_error(), "predict: the loader has no batches");
    mr_trainer_free(t);
    mr_task_free(task);
    fit_free(&f);
}

static mr_status fails(mr_step *s, const mr_batch *b)
{
    (void)b;
    return s->batch_index == 1 ? mr_fail(MR_ERR_FORMAT, "no more") : MR_OK;
}

static void test_failures(void)
{
    static const mr_task_vtable failing = { .training_step = fit_step,
                                            .configure_optimizers = fit_optimizers,
                                            .test_step = fails };
    fit f = fit_new(10);
    mr_task *task = mr_task_new(&failing, f.model, NULL, 0);
    mr_trainer *t = mr_trainer_new(NULL);
    CHECK_EQ_I64(mr_trainer_test(t, task, f.loader), MR_ERR_FORMAT);
    CHECK_EQ_STR(mr_error(), "test: batch 1: no more");
    CHECK_EQ_I64(mr_trainer_validate(t, task, f.loader), MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(), "validation: the task has no validation_step");
    CHECK_EQ_I64(mr_trainer_test(t, f.task, f.loader), MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(), "test: the task has no test_step");
    CHECK_EQ_I64(mr_trainer_test(NULL, task, f.loader), MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(), "test: trainer is NULL");
    CHECK_EQ_I64(mr_trainer_test(t, NULL, f.loader), MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(), "test: task is NULL");
    CHECK_EQ_I64(mr_trainer_validate(t, task, NULL), MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(), "validate: loader is NULL");
    mr_trainer_free(t);
    mr_task_free(task);
    fit_free(&f);
}

/* ---- logging ---- */

static mr_tensor *predict_and_log(mr_step *s, const mr_batch *b)
{
    mr_log_value(s, "mean", 1, NULL);
    return predict_step(s, b);
}

static mr_status log_in_hook(void *self, mr_step *s)
{
    (void)self;
    mr_log(s, "started", fit_value(s, 1), NULL);
    return MR_OK;
}

static void test_log_in_prediction(void)
{
    static const mr_task_vtable logging = { .training_step = fit_step,
                                            .configure_optimizers = fit_optimizers,
                                            .predict_step = predict_and_log };
    static const mr_callback_vtable hooks = { .name = "Logging", .on_predict_start = log_in_hook };
    fit f = fit_new(10);
    mr_task *task = mr_task_new(&logging, f.model, NULL, 0);
    mr_trainer *t = mr_trainer_new(NULL);
    CHECK(!mr_trainer_predict(t, task, f.loader));
    CHECK_EQ_I64(mr_error_status(), MR_ERR_STATE);
    CHECK_EQ_STR(mr_error(), "predict: batch 0: log: 'mean': a prediction has no log");
    mr_task_free(task);
    task = mr_task_new(&vtable, f.model, NULL, 0);
    CHECK_EQ_I64(mr_trainer_add_callback(t, mr_lambda_callback_new(&hooks, NULL)), MR_OK);
    CHECK(!mr_trainer_predict(t, task, f.loader));
    CHECK_EQ_STR(mr_error(), "predict: Logging: log: 'started': a prediction has no log");
    mr_trainer_free(t);
    mr_task_free(task);
    fit_free(&f);
}

enum { MANY = 250 };
static char many[2][MANY][8];

static void log_many(mr_step *s, int of, const mr_log_opts *opts)
{
    for (int i = 0; i < MANY; i++) {
        snprintf(many[of][i], sizeof many[of][i], "%c%d", "ab"[of], i);
        mr_log_value(s, many[of][i], i, opts);
    }
}

static mr_tensor *train_many(mr_step *s, const mr_batch *b, mr_tensor *loss)
{
    (void)b;
    log_many(s, 0, &(mr_log_opts){ .on_epoch = true, .no_step = true });
    return loss;
}

static mr_status test_many_step(mr_step *s, const mr_batch *b)
{
    (void)b;
    log_many(s, 1, NULL);
    return MR_OK;
}

/* The values of a fit stay beside those of the test behind it. */
static void test_many_names(void)
{
    static const mr_task_vtable logging = { .training_step = fit_step,
                                            .configure_optimizers = fit_optimizers,
                                            .test_step = test_many_step };
    fit f = fit_new(10);
    mr_task *task = mr_task_new(&logging, f.model, NULL, 0);
    mr_trainer *t =
        mr_trainer_new(&(mr_trainer_opts){ .max_epochs = 1, .no_progress = true, .no_summary = true });
    hook.step = train_many;
    CHECK_EQ_I64(mr_trainer_fit(t, task, f.loader), MR_OK);
    CHECK_EQ_I64(mr_trainer_test(t, task, f.loader), MR_OK);
    for (int of = 0; of < 2; of++)
        for (int i = 0; i < MANY; i++)
            CHECK(mr_trainer_metric(t, many[of][i]) == i);
    mr_trainer_free(t);
    mr_task_free(task);
    fit_free(&f);
}

/* ---- when a fit validates ---- */

static mr_status validated(void *self, mr_step *s)
{
    (void)self;
    if (s->sanity_checking)
        return MR_OK;
    snprintf(when + strlen(when), sizeof when - strlen(when), "%lld.%lld ", (long long)s->epoch,
             (long long)trained);
    return MR_OK;
}

static mr_tensor *count_step(mr_step *s, const mr_batch *b, mr_tensor *loss)
{
    (void)s;
    (void)b;
    trained++;
    return loss;
}

static mr_trainer *last;
static mr_callback *another; /* NULL: none */
static double rate;
static mr_tensor *(*own_step)(mr_step *, const mr_batch *, mr_tensor *); /* in place of count_step */

/* 34 samples in batches of four: nine in an epoch. Leaves the trainer in `last`. */
static mr_status train(mr_trainer_opts opts)
{
    static const mr_callback_vtable watching = { .name = "Watching", .on_validation_end = validated };
    fit f = fit_new(34);
    mr_task *task = mr_task_new(&vtable, f.model, NULL, 0);
    mr_loader *val = mr_loader_new(f.data, f.rng, &(mr_loader_opts){ .batch_size = 10 });
    opts.no_progress = opts.no_summary = true;
    mr_trainer_free(last);
    last = mr_trainer_new(&opts);
    hook.step = own_step ? own_step : count_step;
    seen = trained = 0;
    *when = '\0';
    if (CHECK(last != NULL)) {
        CHECK_EQ_I64(mr_trainer_set_val_loader(last, val), MR_OK);
        CHECK_EQ_I64(mr_trainer_add_callback(last, mr_callback_new(&watching, NULL, 0)), MR_OK);
    }
    if (another)
        CHECK_EQ_I64(mr_trainer_add_callback(last, another), MR_OK);
    another = NULL;
    mr_status status = mr_trainer_fit(last, task, f.loader);
    mr_loader_free(val);
    mr_task_free(task);
    fit_free(&f);
    return status;
}

static void check_when(mr_trainer_opts opts, const char *wanted)
{
    CHECK_EQ_I64(train(opts), MR_OK);
    CHECK_EQ_STR(when, wanted);
}

static void test_when(void)
{
    check_when((mr_trainer_opts){ .max_epochs = 2 }, "0.9 1.18 ");
    check_when((mr_trainer_opts){ .max_epochs = 2, .val_check_interval = "0.25ep" },
               "0.2 0.4 0.6 0.8 1.11 1.13 1.15 1.17 ");
    check_when((mr_trainer_opts){ .max_epochs = 2, .val_check_interval = "0.34ep" },
               "0.3 0.6 0.9 1.12 1.15 1.18 ");
    check_when((mr_trainer_opts){ .max_epochs = 1, .val_check_interval = "0.01ep" },
               "0.1 0.2 0.3 0.4 0.5 0.6 0.7 0.8 0.9 ");
    check_when((mr_trainer_opts){ .max_epochs = 2, .val_check_interval = "4ba" }, "0.4 0.8 1.12 1.16 ");
    check_when((mr_trainer_opts){ .max_epochs = 4, .val_check_interval = "2ep" }, "1.18 3.36 ");
    check_when(
        (mr_trainer_opts){ .max_epochs = 1, .val_check_interval = "2ba", .accumulate_grad_batches = 3 },
        "0.3 0.6 0.9 ");
    check_when(
        (mr_trainer_opts){ .max_epochs = 4, .check_val_every_n_epoch = 2, .val_check_interval = "0.5ep" },
        "1.13 1.17 3.31 3.35 ");
    check_when(
        (mr_trainer_opts){ .max_epochs = 4, .check_val_every_n_epoch = 2, .val_check_interval = "2ep" },
        "1.18 3.36 ");
    CHECK_EQ_I64(train((mr_trainer_opts){
                     .max_epochs = 4, .check_val_every_n_epoch = 2, .val_check_interval = "4ba" }),
                 MR_ERR_ARGUMENT);
    CHECK_EQ_STR(
        mr_error(),
        "fit: check_val_every_n_epoch is not for a val_check_interval that is counted over all epochs");
    check_when((mr_trainer_opts){ .max_epochs = 1, .num_sanity_val_steps = 2 }, "0.9 ");
    CHECK_EQ_I64(seen, 2 + 4);
    check_when(
        (mr_trainer_opts){ .max_epochs = 2, .limit_val_batches = MR_ZERO_INT, .num_sanity_val_steps = 2 },
        "");
    CHECK_EQ_I64(seen, 0);
    check_when((mr_trainer_opts){ .max_epochs = 1, .num_sanity_val_steps = -1 }, "0.9 ");
    CHECK_EQ_I64(seen, 4 + 4);
    check_when(
        (mr_trainer_opts){
            .max_epochs = 7, .fast_dev_run = 2, .csv = files_folder, .name = "fast", .resume = "last" },
        "0.2 ");
    CHECK_EQ_I64(trained, 2);
    CHECK_EQ_I64(seen, 2);
    CHECK(!file_exists(in_folder("fast")));
}

static int64_t stop_at;

static mr_tensor *stop_there(mr_step *s, const mr_batch *b, mr_tensor *loss)
{
    (void)b;
    trained++;
    mr_log(s, "loss", loss, NULL);
    if (trained == stop_at + 1)
        mr_trainer_stop(s->trainer);
    return loss;
}

/* A training that is stopped within an epoch is validated then, one that is at its end once. */
static void test_when_stopped(void)
{
    own_step = stop_there;
    stop_at = 2;
    check_when(
        (mr_trainer_opts){
            .max_epochs = 4, .log_every_n_steps = 100, .csv = files_folder, .name = "stopped" },
        "0.3 ");
    const char *rows = file_contents(mr_trainer_metrics_path(last), NULL);
    CHECK(strncmp(rows, "loss,epoch,step,", 16) == 0 && strstr(rows, ",0,2,\r\n,0,2,"));
    check_when((mr_trainer_opts){ .max_epochs = 4, .min_epochs = 2 }, "0.9 1.18 ");
    check_when((mr_trainer_opts){ .max_epochs = 4, .min_steps = 12 }, "0.9 1.12 ");
    check_when((mr_trainer_opts){ .max_epochs = 4, .accumulate_grad_batches = 2 }, "0.4 ");
    check_when((mr_trainer_opts){ .max_epochs = 4, .check_val_every_n_epoch = 2 }, "");
    check_when((mr_trainer_opts){ .max_epochs = 4, .val_check_interval = "3ba" }, "0.3 ");
    stop_at = 8;
    check_when((mr_trainer_opts){ .max_epochs = 4 }, "0.9 ");
    own_step = NULL;
}

static mr_schedule *halving(void *self, mr_optim *optim)
{
    (void)self;
    return mr_step_lr_new(optim, 1, &(mr_step_lr_opts){ .gamma = 0.5 });
}

static mr_tensor *note_rate(mr_step *s, const mr_batch *b, mr_tensor *loss)
{
    (void)b;
    trained++;
    rate = mr_optim_lr(s->optim);
    return loss;
}

static mr_status leave_first(void *self, mr_step *s)
{
    (void)self;
    return s->epoch == 0 && s->batch_index == 2 ? MR_END : MR_OK;
}

/* An epoch that a hook leaves has neither a validation nor a step of the schedule. */
static void test_when_left(void)
{
    static const mr_callback_vtable leaving = { .name = "Leaving", .on_train_batch_start = leave_first };
    own_step = note_rate;
    vtable.configure_schedule = halving;
    for (int64_t epochs = 2; epochs <= 3; epochs++) {
        another = mr_callback_new(&leaving, NULL, 0);
        check_when((mr_trainer_opts){ .max_epochs = epochs }, epochs == 2 ? "1.11 " : "1.11 2.20 ");
        CHECK_NEAR(rate, epochs == 2 ? 0.1 : 0.05, 1e-12);
    }
    vtable.configure_schedule = NULL;
    own_step = NULL;
}

static void test_history(void)
{
    size_t count;
    CHECK_EQ_I64(train((mr_trainer_opts){ .max_epochs = 3, .num_sanity_val_steps = 1 }), MR_OK);
    const mr_point *points = mr_trainer_history(last, "val_loss", &count);
    if (!CHECK_EQ_I64(count, 3))
        return;
    for (int64_t i = 0; i < 3; i++) {
        CHECK_EQ_I64(points[i].epoch, i);
        CHECK_EQ_I64(points[i].step, 9 * (i + 1));
        CHECK(isfinite(points[i].value) && (i == 0 || points[i].value != points[i - 1].value));
    }
    CHECK(points[2].value == mr_trainer_metric(last, "val_loss"));
    CHECK(!mr_trainer_history(last, "nothing", &count) && count == 0);
    CHECK(!mr_trainer_history(NULL, "val_loss", NULL));
}

static mr_tensor *stop_late(mr_step *s, const mr_batch *b, mr_tensor *loss)
{
    (void)b;
    if (s->epoch == 1001)
        mr_trainer_stop(s->trainer);
    return loss;
}

static mr_tensor *sleep_first(mr_step *s, const mr_batch *b, mr_tensor *loss)
{
    (void)b;
    if (s->global_step == 0)
        (void)usleep(300000); /* until the clock has been looked at */
    return loss;
}

/* It is a limit like max_steps, without which epochs have none, but the least that is wanted comes before it. */
static void test_limits_of_time(void)
{
    own_step = stop_late;
    CHECK_EQ_I64(
        train((mr_trainer_opts){ .max_time = "1000s", .limit_train_batches = 1, .limit_val_batches = 1 }),
        MR_OK);
    CHECK_EQ_I64(mr_trainer_global_step(last), 1002);
    own_step = sleep_first;
    CHECK_EQ_I64(train((mr_trainer_opts){ .max_time = "0.1s", .min_epochs = 3 }), MR_OK);
    CHECK(mr_trainer_global_step(last) >= 27);
    CHECK_EQ_I64(train((mr_trainer_opts){ .max_time = "0.1s", .min_steps = 20 }), MR_OK);
    CHECK(mr_trainer_global_step(last) >= 20);
    own_step = NULL;
}

static void test_max_time(void)
{
    CHECK_EQ_I64(train((mr_trainer_opts){ .max_epochs = -1, .max_time = "0.25s" }), MR_OK);
    CHECK(trained > 0);
    CHECK(!mr_trainer_new(&(mr_trainer_opts){ .max_time = "3ep" }));
    CHECK_EQ_STR(mr_error(), "trainer_new: max_time '3ep' is not a number of seconds, such as 3600s");
    CHECK(!mr_trainer_new(&(mr_trainer_opts){ .max_time = "10min" }));
    CHECK_EQ_STR(mr_error(), "trainer_new: max_time '10min' is not a number of seconds, such as 3600s");
    CHECK(!mr_trainer_new(&(mr_trainer_opts){ .max_time = "x" }));
    CHECK_EQ_STR(mr_error(), "trainer_new: max_time 'x' does not begin with a number");
    CHECK(!mr_trainer_new(&(mr_trainer_opts){ .val_check_interval = "x" }));
    CHECK_EQ_STR(mr_error(), "trainer_new: val_check_interval 'x' does not begin with a number");
    CHECK(!mr_trainer_new(&(mr_trainer_opts){ .num_sanity_val_steps = -2 }));
    CHECK_EQ_STR(mr_error(), "trainer_new: num_sanity_val_steps -2 is neither a number nor -1, all");
    CHECK(!mr_trainer_new(&(mr_trainer_opts){ .fast_dev_run = -2 }));
    CHECK_EQ_STR(mr_error(), "trainer_new: fast_dev_run -2 is negative");
}

int main(void)
{
    if (!files_begin())
        return 1;
    RUN(test_test);
    RUN(test_predict);
    RUN(test_failures);
    RUN(test_log_in_prediction);
    RUN(test_many_names);
    RUN(test_when);
    RUN(test_when_stopped);
    RUN(test_when_left);
    RUN(test_history);
    RUN(test_max_time);
    RUN(test_limits_of_time);
    mr_trainer_free(last);
    return files_report();
}

/* Validation in a fit, and values that are logged for whole epochs. */
#include "check.h"
#include "fit.h"

static char rows[4096];
static int seen;

/* What a validation step does, if not its own loss. */
static mr_status (*validation_hook)(mr_step *s, const mr_batch *b);

static double squared_error(const mr_step *s, const mr_batch *b, int row)
{
    const double x = (double)((float *)mr_tensor_data(b->field[0]))[row],
                 y = (double)((float *)mr_tensor_data(b->field[1]))[row];
    mr_params p = mr_module_parameters(s->model);
    const double e = (double)*(float *)mr_tensor_data(p.item[0].tensor) * x +
                     (double)*(float *)mr_tensor_data(p.item[1].tensor) - y;
    return e * e;
}

static mr_status validation_step(mr_step *s, const mr_batch *b)
{
    seen++;
    if (validation_hook)
        return validation_hook(s, b);
    mr_tensor *y =
        mr_squeeze(s->tape, mr_forward(s->model, s->tape, mr_unsqueeze(s->tape, b->field[0], 1)), 1);
    mr_log(s, "val_loss", mr_mse_loss(s->tape, y, b->field[1], NULL), &(mr_log_opts){ .prog_bar = true });
    return MR_OK;
}

static mr_schedule *plateau(void *self, mr_optim *optim)
{
    (void)self;
    return mr_reduce_lr_on_plateau_new(
        optim,
        &(mr_reduce_lr_on_plateau_opts){ .patience = MR_ZERO_INT, .factor = 0.5, .mode = MR_PLATEAU_MAX });
}

static const mr_task_vtable task_of_tests = { .training_step = fit_step,
                                              .configure_optimizers = fit_optimizers,
                                              .validation_step = validation_step },
                            task_of_plateau = { .training_step = fit_step,
                                                .configure_optimizers = fit_optimizers,
                                                .configure_schedule = plateau,
                                                .schedule_monitor = "val_loss",
                                                .validation_step = validation_step },
                            task_of_other = { .training_step = fit_step,
                                              .configure_optimizers = fit_optimizers,
                                              .configure_schedule = plateau,
                                              .schedule_monitor = "other",
                                              .validation_step = validation_step };

static mr_callback *watching; /* one more for the trainer; NULL: none */

static double metric; /* what mr_trainer_metric says of val_loss */

/* Ten samples in batches of four; the same ten are validated in batches of `val_batch`, 0: not. */
static mr_status train(const mr_task_vtable *vtable, int64_t val_batch, mr_trainer_opts opts)
{
    static int number;
    char name[24];
    fit f = fit_new(10);
    mr_task *task = mr_task_new(vtable, f.model, NULL, 0);
    mr_rng *rng = mr_rng_new(5);
    mr_loader *val =
        val_batch ? mr_loader_new(f.data, rng, &(mr_loader_opts){ .batch_size = val_batch }) : NULL;
    snprintf(name, sizeof name, "validation%d", number++);
    opts.csv = files_folder;
    opts.name = name;
    opts.log_every_n_steps = opts.log_every_n_steps ? opts.log_every_n_steps : 1;
    opts.no_progress = opts.no_summary = opts.no_checkpoint = true;
    mr_trainer *t = mr_trainer_new(&opts);
    if (val)
        CHECK_EQ_I64(mr_trainer_set_val_loader(t, val), MR_OK);
    if (watching)
        CHECK_EQ_I64(mr_trainer_add_callback(t, watching), MR_OK);
    watching = NULL;
    seen = 0;
    mr_status status = mr_trainer_fit(t, task, f.loader);
    const char *path = mr_trainer_metrics_path(t);
    snprintf(rows, sizeof rows, "%s", *path ? file_contents(path, NULL) : "");
    metric = mr_trainer_metric(t, "val_loss");
    CHECK(isnan(mr_trainer_metric(t, "nothing")));
    mr_trainer_free(t);
    mr_loader_free(val);
    mr_rng_free(rng);
    mr_task_free(task);
    fit_free(&f);
    validation_hook = NULL;
    return status;
}

static mr_tensor *log_loss(mr_step *s, const mr_batch *b, mr_tensor *loss)
{
    (void)b;
    mr_log(s, "loss", fit_value(s, 0.5), NULL);
    return loss;
}

/* The row of a validation has the number of the last update; the mean counts each sample once. */
static void test_rows(void)
{
    double whole[2];
    for (int i = 0; i < 2; i++) {
        hook.step = log_loss;
        CHECK_EQ_I64(train(&task_of_tests, i ? 10 : 3, (mr_trainer_opts){ .max_epochs = 2 }), MR_OK);
        whole[i] = metric;
        CHECK_EQ_I64(seen, i ? 2 : 8);
    }
    CHECK_CLOSE(whole[0], whole[1], 1e-6, 0);
    CHECK((double)(float)whole[0] == whole[0]);
    char want[300];
    CHECK(strlen(rows) < sizeof want);
    snprintf(want, sizeof want, "loss,epoch,step,val_loss\r\n0.5,0,0,\r\n0.5,0,1,\r\n0.5,0,2,\r\n,0,2,");
    CHECK(strncmp(rows, want, strlen(want)) == 0);
    int lines = 0;
    for (const char *c = rows; *c; c++)
        lines += *c == '\n';
    CHECK_EQ_I64(lines, 1 + 2 * (3 + 1));
    CHECK(strstr(rows, "\r\n,1,5,0.") != NULL);
}

static mr_status check_mode(mr_step *s, const mr_batch *b)
{
    mr_tensor *x = mr_forward(s->model, s->tape, mr_unsqueeze(s->tape, b->field[0], 1));
    CHECK(!mr_tensor_requires_grad(x));
    CHECK_EQ_I64(s->batch_index, seen - 1);
    CHECK_EQ_I64(s->global_step, 3);
    double sum = 0;
    for (int i = 0; i < b->rows; i++)
        sum += squared_error(s, b, i);
    mr_log(s, "val_loss", mr_scalar(s->tape, MR_FLOAT64, sum),
           &(mr_log_opts){ .reduction = MR_OVER_EPOCH_SUM });
    mr_log(s, "least", mr_scalar(s->tape, MR_FLOAT64, 10 - seen),
           &(mr_log_opts){ .reduction = MR_OVER_EPOCH_MIN });
    mr_log(s, "most", mr_scalar(s->tape, MR_FLOAT64, 10 - seen),
           &(mr_log_opts){ .reduction = MR_OVER_EPOCH_MAX });
    mr_log(s, "weighed", mr_scalar(s->tape, MR_FLOAT64, seen),
           &(mr_log_opts){ .weight = seen == 2 ? 3 : 1, .no_logger = true });
    return MR_OK;
}

static void test_reductions(void)
{
    validation_hook = check_mode;
    CHECK_EQ_I64(train(&task_of_tests, 4, (mr_trainer_opts){ .max_epochs = 1 }), MR_OK);
    CHECK_EQ_I64(seen, 3);
    const char head[] = "val_loss,least,most,epoch,step\r\n";
    CHECK(strncmp(rows, head, strlen(head)) == 0);
    CHECK(metric > 0 && strtod(rows + strlen(head), NULL) == metric);
    CHECK(strstr(rows, ",7.0,9.0,0,2\r\n") != NULL);
}

static void test_how_often(void)
{
    CHECK_EQ_I64(train(&task_of_tests, 4, (mr_trainer_opts){ .max_epochs = 5, .check_val_every_n_epoch = 2 }),
                 MR_OK);
    CHECK_EQ_I64(seen, 2 * 3);
    CHECK_EQ_I64(train(&task_of_tests, 4, (mr_trainer_opts){ .max_epochs = 2, .limit_val_batches = 2 }),
                 MR_OK);
    CHECK_EQ_I64(seen, 2 * 2);
    CHECK_EQ_I64(train(&task_of_tests, 4, (mr_trainer_opts){ .max_steps = 4 }),
                 MR_OK); /* the second epoch is cut */
    CHECK_EQ_I64(seen, 3);
    CHECK_EQ_I64(train(&task_of_tests, 0, (mr_trainer_opts){ .max_epochs = 2 }), MR_OK);
    CHECK_EQ_I64(seen, 0);
    CHECK(isnan(metric));
}

/* ---- values of training over an epoch ---- */

static mr_tensor *log_forks(mr_step *s, const mr_batch *b, mr_tensor *loss)
{
    (void)b;
    mr_log(s, "x", fit_value(s, (double)s->batch_index), &(mr_log_opts){ .on_epoch = true });
    mr_log(s, "y", fit_value(s, (double)s->batch_index), &(mr_log_opts){ .on_epoch = true, .no_step = true });
    return loss;
}

/* Batches 0, 1, 2 of 4, 4 and 2 samples: the mean is 0.8. */
static void test_forks(void)
{
    hook.step = log_forks;
    CHECK_EQ_I64(train(&task_of_tests, 0, (mr_trainer_opts){ .max_epochs = 2, .log_every_n_steps = 2 }),
                 MR_OK);
    CHECK_EQ_STR(rows,
                 "x_step,epoch,step,x_epoch,y\r\n1.0,0,1,,\r\n,0,2,0.800000011920929,0.800000011920929\r\n"
                 "0.0,1,3,,\r\n2.0,1,5,,\r\n,1,5,0.800000011920929,0.800000011920929\r\n");
    hook.step = log_forks; /* and of an epoch that max_steps cuts */
    CHECK_EQ_I64(train(&task_of_tests, 0, (mr_trainer_opts){ .max_steps = 2, .log_every_n_steps = 10 }),
                 MR_OK);
    CHECK_EQ_STR(rows, "x_epoch,y,epoch,step\r\n0.5,0.5,0,1\r\n");
}

/* ---- a schedule that looks at a metric ---- */

static double rates[8];
static mr_optim *the_optim;

static mr_optim *remember(mr_module *model)
{
    return the_optim = mr_sgd_new(mr_module_parameters(model), 0.1, NULL);
}

static mr_status note_rate(mr_step *s, const mr_batch *b)
{
    (void)b;
    rates[s->epoch] = mr_optim_lr(the_optim);
    mr_log(s, "val_loss", fit_value(s, s->epoch == 0 ? 5 : 4 - (double)s->epoch), NULL);
    return MR_OK;
}

/* More is better, and it falls: the rate is halved after the second validation and each that follows. */
static void test_plateau(void)
{
    validation_hook = note_rate;
    hook.optimizers = remember;
    CHECK_EQ_I64(train(&task_of_plateau, 10, (mr_trainer_opts){ .max_epochs = 4 }), MR_OK);
    CHECK_NEAR(rates[0], 0.1, 0);
    CHECK_NEAR(rates[1], 0.1, 0);
    CHECK_NEAR(rates[2], 0.05, 0);
    CHECK_NEAR(rates[3], 0.025, 0);
    CHECK_EQ_I64(train(&task_of_other, 10, (mr_trainer_opts){ .max_epochs = 4 }), MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(), "fit: the schedule looks at 'other', which was not logged for epoch 0");
}

static mr_tensor *log_falling(mr_step *s, const mr_batch *b, mr_tensor *loss)
{
    (void)b;
    rates[s->epoch] = mr_optim_lr(the_optim);
    mr_log_value(s, "val_loss", 9 - (double)s->epoch, &(mr_log_opts){ .on_epoch = true, .no_step = true });
    return loss;
}

/* Once at the end of each epoch, however often it is validated, and by a value of the training too. */
static void test_plateau_once(void)
{
    mr_task_vtable wrong = task_of_plateau;
    validation_hook = note_rate;
    hook.optimizers = remember;
    CHECK_EQ_I64(
        train(&task_of_plateau, 10, (mr_trainer_opts){ .max_epochs = 4, .val_check_interval = "0.4ep" }),
        MR_OK);
    CHECK_NEAR(rates[1], 0.1, 0);
    CHECK_NEAR(rates[2], 0.05, 0);
    CHECK_NEAR(rates[3], 0.025, 0);
    validation_hook = note_rate; /* 3, 3 again, 1, 1 again */
    hook.optimizers = remember;
    CHECK_EQ_I64(
        train(&task_of_plateau, 10, (mr_trainer_opts){ .max_epochs = 6, .check_val_every_n_epoch = 2 }),
        MR_OK);
    CHECK_NEAR(rates[1], 0.1, 0);
    CHECK_NEAR(rates[3], 0.05, 0);
    CHECK_NEAR(rates[5], 0.0125, 0);
    hook.step = log_falling;
    hook.optimizers = remember;
    CHECK_EQ_I64(train(&task_of_plateau, 0, (mr_trainer_opts){ .max_epochs = 4 }), MR_OK);
    CHECK_NEAR(rates[3], 0.025, 0);
    hook.optimizers = remember;
    CHECK_EQ_I64(train(&task_of_plateau, 0, (mr_trainer_opts){ .max_epochs = 4 }), MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(), "fit: the schedule looks at 'val_loss', which was not logged for epoch 0");
    wrong.schedule_each_step = true;
    CHECK_EQ_I64(train(&wrong, 10, (mr_trainer_opts){ .max_epochs = 4 }), MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(), "fit: a schedule that looks at a metric steps at the end of epochs, not with "
                             "schedule_each_step");
}

/* ---- modes ---- */

static mr_module *frozen, *dropout;

static mr_status modes_in_validation(mr_step *s, const mr_batch *b)
{
    (void)s, (void)b;
    CHECK(!mr_module_is_training(frozen) && !mr_module_is_training(dropout));
    return MR_OK;
}

static mr_tensor *modes_in_training(mr_step *s, const mr_batch *b, mr_tensor *loss)
{
    (void)s, (void)b;
    CHECK(!mr_module_is_training(frozen) && mr_module_is_training(dropout));
    return loss;
}

static mr_tensor *through(mr_step *s, const mr_batch *b)
{
    mr_tensor *y =
        mr_squeeze(s->tape, mr_forward(s->model, s->tape, mr_unsqueeze(s->tape, b->field[0], 1)), 1);
    mr_tensor *loss = mr_mse_loss(s->tape, y, b->field[1], NULL);
    return hook.step ? hook.step(s, b, loss) : loss;
}

static void test_modes(void)
{
    static const mr_task_vtable vtable = { .training_step = through,
                                           .configure_optimizers = fit_optimizers,
                                           .validation_step = validation_step };
    fit f = fit_new(10);
    mr_module *net = mr_sequential_new();
    mr_sequential_add(net, mr_linear_new(1, 1, f.rng, NULL));
    mr_sequential_add(net, frozen = mr_identity_new());
    mr_sequential_add(net, dropout = mr_dropout_new(0.5));
    mr_module_train(frozen, false);
    mr_task *task = mr_task_new(&vtable, net, NULL, 0);
    mr_trainer *t =
        mr_trainer_new(&(mr_trainer_opts){ .max_epochs = 2, .no_progress = true, .no_summary = true });
    mr_loader *val = mr_loader_new(f.data, f.rng, NULL);
    CHECK_EQ_I64(mr_trainer_set_val_loader(t, val), MR_OK);
    hook.step = modes_in_training;
    validation_hook = modes_in_validation;
    seen = 0;
    CHECK_EQ_I64(mr_trainer_fit(t, task, f.loader), MR_OK);
    CHECK_EQ_I64(seen, 20);
    CHECK(!mr_module_is_training(frozen) && mr_module_is_training(dropout));
    validation_hook = NULL;
    mr_trainer_free(t);
    mr_loader_free(val);
    mr_task_free(task);
    mr_module_free(net);
    fit_free(&f);
}

/* ---- failures ---- */

static mr_status fail_at_second(mr_step *s, const mr_batch *b)
{
    (void)b;
    return s->batch_index == 1 ? mr_fail(MR_ERR_FORMAT, "no good") : MR_OK;
}

static mr_status fail_on_tape(mr_step *s, const mr_batch *b)
{
    mr_matmul(s->tape, b->field[0], mr_full(s->tape, MR_FLOAT32, MR_SHAPE(7), 0));
    return MR_OK;
}

static mr_status fail_silently(mr_step *s, const mr_batch *b)
{
    (void)s, (void)b;
    return MR_ERR_CALLBACK;
}

static mr_status other_options(mr_step *s, const mr_batch *b)
{
    (void)b;
    mr_log(s, "x", fit_value(s, 1), s->batch_index ? &(mr_log_opts){ .prog_bar = true } : NULL);
    return MR_OK;
}

static void test_failures(void)
{
    const mr_trainer_opts one = { .max_epochs = 1 };
    validation_hook = fail_at_second;
    CHECK_EQ_I64(train(&task_of_tests, 4, one), MR_ERR_FORMAT);
    CHECK_EQ_STR(mr_error(), "fit: validation of epoch 0, batch 1: no good");
    validation_hook = fail_on_tape;
    CHECK_EQ_I64(train(&task_of_tests, 4, one), MR_ERR_SHAPE);
    CHECK(strncmp(mr_error(), "fit: validation of epoch 0, batch 0: matmul: ", 45) == 0);
    validation_hook = fail_silently;
    CHECK_EQ_I64(train(&task_of_tests, 4, one), MR_ERR_CALLBACK);
    CHECK_EQ_STR(mr_error(), "fit: validation of epoch 0, batch 0: validation_step failed without a message");
    validation_hook = other_options;
    CHECK_EQ_I64(train(&task_of_tests, 4, one), MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(),
                 "fit: validation of epoch 0, batch 1: log: 'x' has been logged with other options before");
    CHECK_EQ_I64(train(&fit_task, 4, one), MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(), "fit: there is a loader for validation, but the task has no validation_step");
    CHECK_EQ_I64(mr_trainer_set_val_loader(NULL, NULL), MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(), "trainer_set_val_loader: trainer is NULL");
    CHECK(mr_trainer_new(&(mr_trainer_opts){ .limit_val_batches = -1 }) == NULL);
    CHECK_EQ_STR(mr_error(), "trainer_new: limit_val_batches -1 is not at least 1");
    CHECK(mr_trainer_new(&(mr_trainer_opts){ .check_val_every_n_epoch = -1 }) == NULL);
    CHECK_EQ_STR(mr_error(), "trainer_new: check_val_every_n_epoch -1 is not at least 1");
}

static mr_tensor *log_three(mr_step *s, const mr_batch *b, mr_tensor *loss)
{
    const double x = 9 - (double)s->epoch - (double)s->batch_index;
    (void)b;
    mr_log_value(s, "both", x, &(mr_log_opts){ .on_epoch = true });
    mr_log_value(s, "step", x, NULL);
    mr_log_value(s, "val_loss", x, NULL);
    return loss;
}

static mr_status check_names(void *self, mr_step *s)
{
    (void)self;
    if (s->epoch == 0)
        return MR_OK;
    CHECK_NEAR(mr_trainer_metric(s->trainer, "both"), 9 - 0.8, 1e-12);
    CHECK_NEAR(mr_trainer_metric(s->trainer, "both_epoch"), 9 - 0.8, 1e-12);
    CHECK_NEAR(mr_trainer_metric(s->trainer, "step"), 7, 0);
    CHECK(mr_trainer_metric(s->trainer, "val_loss") < 5); /* that of the validation */
    return MR_OK;
}

/* The names that monitors find: the plain one for the epoch's, and that of steps. */
static void test_plain_names(void)
{
    static const mr_callback_vtable looking = { .name = "Looking", .on_train_epoch_start = check_names };
    static const char *const names[] = { "both", "both_epoch", "step" };
    hook.step = log_three;
    watching = mr_callback_new(&looking, NULL, 0);
    CHECK_EQ_I64(train(&task_of_tests, 4, (mr_trainer_opts){ .max_epochs = 2 }), MR_OK);
    for (int i = 0; i < 3; i++) {
        hook.step = log_three;
        watching = mr_early_stopping_new(names[i], &(mr_early_stopping_opts){ .mode = MR_MORE_IS_BETTER });
        CHECK_EQ_I64(train(&task_of_tests, 0, (mr_trainer_opts){ .max_epochs = 9, .log_every_n_steps = 100 }),
                     MR_OK);
        CHECK(strstr(rows, ",3,11") || strstr(rows, "3,11,")); /* three epochs without improvement */
        CHECK(!strstr(rows, ",4,14"));
    }
}

static mr_status log_one(void *self, mr_step *s)
{
    (void)self;
    mr_log_value(s, "x", 1 + (double)s->epoch, NULL);
    return MR_OK;
}

static mr_tensor *log_hidden(mr_step *s, const mr_batch *b, mr_tensor *loss)
{
    (void)b;
    mr_log_value(s, "loss", 1, &(mr_log_opts){ .no_logger = true });
    mr_log_value(s, "error", 2, NULL);
    return loss;
}

static mr_status log_shown(mr_step *s, const mr_batch *b)
{
    (void)b;
    mr_log_value(s, "loss", 3, NULL);
    mr_log_value(s, "error", 4, &(mr_log_opts){ .no_logger = true });
    return MR_OK;
}

/* Training and validation each have their own options of one name. */
static void test_one_name(void)
{
    hook.step = log_hidden;
    validation_hook = log_shown;
    CHECK_EQ_I64(train(&task_of_tests, 4, (mr_trainer_opts){ .max_epochs = 1, .log_every_n_steps = 2 }),
                 MR_OK);
    CHECK_EQ_STR(rows, "error,epoch,step,loss\r\n2.0,0,1,\r\n,0,2,3.0\r\n");
}

static mr_status log_nothing(mr_step *s, const mr_batch *b)
{
    (void)s, (void)b;
    return MR_OK;
}

/* What hooks log before the first batch is the epoch's, or the validation's, and comes with its row. */
static void test_before_batches(void)
{
    static const mr_callback_vtable vtables[] = {
        { .name = "A", .on_train_start = log_one },
        { .name = "B", .on_train_epoch_start = log_one },
        { .name = "C", .on_validation_start = log_one },
        { .name = "D", .on_validation_epoch_start = log_one },
    };
    for (int i = 0; i < 4; i++) {
        watching = mr_callback_new(&vtables[i], NULL, 0);
        validation_hook = log_nothing;
        CHECK_EQ_I64(
            train(&task_of_tests, 4, (mr_trainer_opts){ .max_epochs = 2, .num_sanity_val_steps = 1 }), MR_OK);
        CHECK_EQ_STR(rows, i ? "x,epoch,step\r\n1.0,0,2\r\n2.0,1,5\r\n" : "x,epoch,step\r\n1.0,0,2\r\n");
    }
}

/* A metric is only missed when a validation has ended without it, and without validation an epoch. */
static void test_monitors(void)
{
    static const char *const intervals[] = { "3ep", "7ba", "1.5ep", "0.5ep", NULL };
    for (int i = 0; i < 20; i++) {
        const char *name = i / 10 ? "other" : "val_loss", *interval = intervals[i / 2 % 5];
        watching = i % 2 ? mr_model_checkpoint_new(&(mr_model_checkpoint_opts){
                               .monitor = name, .dir = files_folder, .save_top_k = MR_ZERO_INT })
                         : mr_early_stopping_new(name, &(mr_early_stopping_opts){ .patience = 100 });
        const mr_trainer_opts opts = { .max_epochs = 4, .val_check_interval = interval };
        CHECK_EQ_I64(train(&task_of_tests, 10, opts), i / 10 ? MR_ERR_ARGUMENT : MR_OK);
        if (i / 10)
            CHECK(strstr(mr_error(), "there is no metric 'other' of an epoch or a validation, but val_loss"));
        CHECK_EQ_I64(seen > 0, 1);
    }
    watching = mr_early_stopping_new("val_loss", NULL);
    CHECK_EQ_I64(train(&task_of_tests, 0, (mr_trainer_opts){ .max_epochs = 1 }), MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(),
                 "fit: EarlyStopping: there is no metric 'val_loss' of an epoch or a validation, but none");
}

/* Behind an epoch one loader can do for both; within it the training would never come to its end. */
static void test_shared_loader(void)
{
    static const char *const intervals[] = { NULL, "0.5ep", "2ba", "100s" };
    for (int i = 0; i < 4; i++) {
        fit f = fit_new(10);
        mr_task *task = mr_task_new(&task_of_tests, f.model, NULL, 0);
        mr_trainer *t = mr_trainer_new(&(mr_trainer_opts){ .max_epochs = 2,
                                                           .max_steps = 20,
                                                           .val_check_interval = intervals[i],
                                                           .no_progress = true,
                                                           .no_summary = true });
        CHECK_EQ_I64(mr_trainer_set_val_loader(t, f.loader), MR_OK);
        CHECK_EQ_I64(mr_trainer_fit(t, task, f.loader), i ? MR_ERR_ARGUMENT : MR_OK);
        if (i)
            CHECK_EQ_STR(mr_error(),
                         "fit: val_check_interval: validation within an epoch needs a loader of its own");
        else
            CHECK_EQ_I64(mr_trainer_global_step(t), 6);
        mr_trainer_free(t);
        mr_task_free(task);
        fit_free(&f);
    }
}

int main(void)
{
    if (!files_begin())
        return 1;
    RUN(test_rows);
    RUN(test_reductions);
    RUN(test_how_often);
    RUN(test_forks);
    RUN(test_plateau);
    RUN(test_plateau_once);
    RUN(test_modes);
    RUN(test_failures);
    RUN(test_plain_names);
    RUN(test_one_name);
    RUN(test_before_batches);
    RUN(test_monitors);
    RUN(test_shared_loader);
    return files_report();
}

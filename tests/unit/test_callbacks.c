/* Callbacks: which hooks are called in which order, what they can do, and what happens when they fail. */
#include "check.h"
#include "fit.h"

static char order[8192];

static mr_status note(const char *what, const mr_step *s)
{
    size_t used = strlen(order);
    snprintf(order + used, sizeof order - used, "%s %lld.%lld/%lld%s%s\n", what, (long long)s->epoch,
             (long long)s->batch_index, (long long)s->global_step, s->batch ? " batch" : "",
             s->loss ? " loss" : "");
    return MR_OK;
}

/* What a hook gives, where a test wants it to give something. */
static const char *answer_at;
static mr_status answer;
static int64_t answer_step;

#define NOTE(hook)                                                                         \
    static mr_status hook(void *self, mr_step *s)                                          \
    {                                                                                      \
        note(self ? #hook : "none", s);                                                    \
        if (answer_at && strcmp(answer_at, #hook) == 0 && s->global_step == answer_step) { \
            if (answer == MR_INTERRUPTED) {                                                \
                mr_trainer_stop(s->trainer);                                               \
                return MR_OK;                                                              \
            }                                                                              \
            return answer < 0 ? mr_fail(answer, "no more") : answer;                       \
        }                                                                                  \
        return MR_OK;                                                                      \
    }

NOTE(fit_start)
NOTE(train_start)
NOTE(epoch_start)
NOTE(batch_start)
NOTE(zero_grad)
NOTE(before_backward)
NOTE(after_backward)
NOTE(optimizer_step)
NOTE(batch_end)
NOTE(val_start)
NOTE(val_batch_start)
NOTE(val_batch_end)
NOTE(val_end)
NOTE(epoch_end)
NOTE(metrics)
NOTE(train_end)
NOTE(fit_end)
NOTE(exception)
NOTE(restored)

static const mr_callback_vtable noting = { .name = "Noting",
                                           .on_fit_start = fit_start,
                                           .on_train_start = train_start,
                                           .on_train_epoch_start = epoch_start,
                                           .on_train_batch_start = batch_start,
                                           .on_before_zero_grad = zero_grad,
                                           .on_before_backward = before_backward,
                                           .on_after_backward = after_backward,
                                           .on_before_optimizer_step = optimizer_step,
                                           .on_train_batch_end = batch_end,
                                           .on_validation_start = val_start,
                                           .on_validation_batch_start = val_batch_start,
                                           .on_validation_batch_end = val_batch_end,
                                           .on_validation_end = val_end,
                                           .on_train_epoch_end = epoch_end,
                                           .on_metrics = metrics,
                                           .on_train_end = train_end,
                                           .on_fit_end = fit_end,
                                           .on_exception = exception,
                                           .on_restored = restored };

static mr_status validation_step(mr_step *s, const mr_batch *b)
{
    (void)b;
    note("validation_step", s);
    mr_log(s, "val_loss", fit_value(s, 1. / (double)(1 + s->epoch)), NULL);
    return MR_OK;
}

static mr_tensor *noted_step(mr_step *s, const mr_batch *b, mr_tensor *loss)
{
    (void)b;
    note("training_step", s);
    return loss;
}

static const mr_task_vtable validated = { .training_step = fit_step,
                                          .configure_optimizers = fit_optimizers,
                                          .validation_step = validation_step };

static int64_t steps;

/* Ten samples in batches of four. */
static mr_status train(const mr_callback_vtable *vtable, mr_trainer_opts opts)
{
    int self = 1;
    fit f = fit_new(10);
    hook.step = noted_step;
    *order = '\0';
    mr_task *task = mr_task_new(&validated, f.model, NULL, 0);
    mr_loader *val = mr_loader_new(f.data, f.rng, &(mr_loader_opts){ .batch_size = 10 });
    opts.no_progress = opts.no_summary = true;
    mr_trainer *t = mr_trainer_new(&opts);
    CHECK_EQ_I64(mr_trainer_set_val_loader(t, val), MR_OK);
    CHECK_EQ_I64(mr_trainer_add_callback(t, mr_callback_new(vtable, &self, sizeof self)), MR_OK);
    mr_status status = mr_trainer_fit(t, task, f.loader);
    steps = mr_trainer_global_step(t);
    mr_trainer_free(t);
    mr_loader_free(val);
    mr_task_free(task);
    fit_free(&f);
    answer_at = NULL;
    return status;
}

static void test_order(void)
{
    CHECK_EQ_I64(train(&noting, (mr_trainer_opts){ .max_epochs = 1, .accumulate_grad_batches = 2 }), MR_OK);
    CHECK_EQ_STR(order, "fit_start 0.0/0\n"
                        "train_start 0.0/0\n"
                        "epoch_start 0.0/0\n"
                        "batch_start 0.0/0 batch\n"
                        "training_step 0.0/0 batch\n"
                        "zero_grad 0.0/0 batch loss\n"
                        "before_backward 0.0/0 batch loss\n"
                        "after_backward 0.0/0 batch loss\n"
                        "batch_end 0.0/0 batch\n"
                        "batch_start 0.1/0 batch\n"
                        "training_step 0.1/0 batch\n"
                        "before_backward 0.1/0 batch loss\n"
                        "after_backward 0.1/0 batch loss\n"
                        "optimizer_step 0.1/0 batch\n"
                        "batch_end 0.1/1 batch\n"
                        "batch_start 0.2/1 batch\n"
                        "training_step 0.2/1 batch\n"
                        "zero_grad 0.2/1 batch loss\n"
                        "before_backward 0.2/1 batch loss\n"
                        "after_backward 0.2/1 batch loss\n"
                        "optimizer_step 0.2/1 batch\n"
                        "batch_end 0.2/2 batch\n"
                        "val_start 0.3/2\n"
                        "val_batch_start 0.0/2 batch\n"
                        "validation_step 0.0/2 batch\n"
                        "val_batch_end 0.0/2 batch\n"
                        "val_end 0.1/2\n"
                        "metrics 0.3/2\n"
                        "epoch_end 0.3/2\n"
                        "metrics 0.3/2\n"
                        "train_end 1.0/2\n"
                        "fit_end 1.0/2\n");
}

/* How often a word begins a line. */
static int count(const char *word)
{
    int n = 0;
    for (const char *c = order; (c = strstr(c, word)); c++)
        n += (c == order || c[-1] == '\n') && c[strlen(word)] == ' ';
    return n;
}

static void test_control(void)
{
    const mr_trainer_opts opts = { .max_epochs = 3 };
    answer = MR_END;
    answer_step = 1;
    answer_at = "batch_start"; /* leaves the rest of the epoch */
    CHECK_EQ_I64(train(&noting, opts), MR_OK);
    CHECK_EQ_I64(steps, 1); /* in each epoch but the first none is made: the answer is the same */
    CHECK_EQ_I64(count("epoch_end"), 3);
    answer_step = 4;
    answer_at = "batch_start";
    CHECK_EQ_I64(train(&noting, (mr_trainer_opts){ .max_epochs = 2 }), MR_OK);
    CHECK_EQ_I64(steps, 4);
    CHECK_EQ_I64(count("epoch_end"), 2);
    answer_at = "optimizer_step"; /* no update */
    CHECK_EQ_I64(train(&noting, opts), MR_OK);
    CHECK_EQ_I64(steps, 4);
    CHECK_EQ_I64(count("batch_end"), 9);
    answer_at = "before_backward"; /* leaves the batch out */
    CHECK_EQ_I64(train(&noting, opts), MR_OK);
    CHECK_EQ_I64(steps, 4);
    CHECK_EQ_I64(count("after_backward"), 4);
}

static void test_stop(void)
{
    answer = MR_INTERRUPTED; /* calls mr_trainer_stop */
    answer_step = 4;
    answer_at = "batch_end";
    CHECK_EQ_I64(train(&noting, (mr_trainer_opts){ .max_epochs = 5 }), MR_OK);
    CHECK_EQ_I64(steps, 4);
    CHECK_EQ_I64(count("epoch_end"), 2);
    CHECK_EQ_I64(count("train_end"), 1);
    answer_at = "batch_end";
    CHECK_EQ_I64(train(&noting, (mr_trainer_opts){ .max_epochs = 5, .min_steps = 7 }), MR_OK);
    CHECK_EQ_I64(steps, 7);
    answer_at = "batch_end";
    CHECK_EQ_I64(train(&noting, (mr_trainer_opts){ .max_epochs = 5, .min_epochs = 3 }), MR_OK);
    CHECK_EQ_I64(steps, 9);
    answer_at = "batch_end"; /* a window is completed */
    answer_step = 0;
    CHECK_EQ_I64(train(&noting, (mr_trainer_opts){ .max_epochs = 5, .accumulate_grad_batches = 2 }), MR_OK);
    CHECK_EQ_I64(steps, 1);
    answer_step = 3;
    answer_at = "epoch_end";
    CHECK_EQ_I64(train(&noting, (mr_trainer_opts){ .max_epochs = 5 }), MR_OK);
    CHECK_EQ_I64(steps, 3);
    mr_trainer_stop(NULL);
    mr_trainer *t = mr_trainer_new(&(mr_trainer_opts){ .min_epochs = -1 });
    CHECK(!t);
    CHECK_EQ_STR(mr_error(), "trainer_new: min_epochs -1 is negative");
    t = mr_trainer_new(&(mr_trainer_opts){ .min_steps = -2 });
    CHECK(!t);
    CHECK_EQ_STR(mr_error(), "trainer_new: min_steps -2 is negative");
}

static mr_status silent(void *self, mr_step *s)
{
    (void)self;
    (void)s;
    return MR_ERR_STATE;
}

static void test_failures(void)
{
    static const char *const hooks[] = { "fit_start", "train_start", "epoch_start", "val_start", "val_end",
                                         "epoch_end", "metrics",     "train_end",   "fit_end" };
    static const mr_callback_vtable quiet = { .name = "Quiet", .on_train_start = silent };
    answer = MR_ERR_FORMAT;
    for (size_t i = 0; i < sizeof hooks / sizeof *hooks; i++) {
        answer_at = hooks[i];
        answer_step = i < 3 ? 0 : 3;
        CHECK_EQ_I64(train(&noting, (mr_trainer_opts){ .max_epochs = 1 }), MR_ERR_FORMAT);
        if (!CHECK_EQ_STR(mr_error(), "fit: Noting: no more"))
            printf("    %s\n", hooks[i]);
    }
    static const char *const in_steps[] = { "zero_grad", "before_backward", "after_backward",
                                            "optimizer_step" };
    for (size_t i = 0; i < 4; i++) {
        answer_at = in_steps[i];
        answer_step = 1;
        CHECK_EQ_I64(train(&noting, (mr_trainer_opts){ .max_epochs = 1 }), MR_ERR_FORMAT);
        CHECK_EQ_STR(mr_error(), "fit: epoch 0, step 1: fit: Noting: no more");
        CHECK_EQ_I64(count("exception"), 1);
        CHECK_EQ_I64(count("train_end"), 0);
    }
    answer_at = "val_batch_start";
    answer_step = 3;
    CHECK_EQ_I64(train(&noting, (mr_trainer_opts){ .max_epochs = 1 }), MR_ERR_FORMAT);
    CHECK_EQ_STR(mr_error(), "fit: validation of epoch 0, batch 0: fit: Noting: no more");
    CHECK_EQ_I64(train(&quiet, (mr_trainer_opts){ .max_epochs = 1 }), MR_ERR_STATE);
    CHECK_EQ_STR(mr_error(), "fit: Quiet: on_train_start failed without a message");
    CHECK(!mr_callback_new(NULL, NULL, 0));
    CHECK_EQ_STR(mr_error(), "callback_new: vtable is NULL");
    CHECK(!mr_callback_new(&(mr_callback_vtable){ .name = "" }, NULL, 0));
    CHECK_EQ_STR(mr_error(), "callback_new: the vtable needs a name");
    CHECK_EQ_I64(mr_trainer_add_callback(NULL, mr_callback_new(&quiet, NULL, 0)), MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(), "trainer_add_callback: trainer is NULL");
    mr_trainer *t = mr_trainer_new(NULL);
    CHECK_EQ_I64(mr_trainer_add_callback(t, NULL), MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(), "trainer_add_callback: callback is NULL");
    mr_callback *c = mr_callback_new(&quiet, NULL, 0);
    CHECK_EQ_I64(mr_trainer_add_callback(t, c), MR_OK);
    CHECK_EQ_I64(mr_trainer_add_callback(t, c), MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(), "trainer_add_callback: Quiet belongs to a trainer already");
    for (int i = 0; i < 31; i++)
        CHECK_EQ_I64(mr_trainer_add_callback(t, mr_callback_new(&quiet, NULL, 0)), MR_OK);
    CHECK_EQ_I64(mr_trainer_add_callback(t, mr_callback_new(&quiet, NULL, 0)), MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(), "trainer_add_callback: Quiet is one more than the 32 that a trainer can have");
    CHECK_EQ_I64(mr_trainer_save(t, "x", NULL), MR_ERR_STATE);
    CHECK_EQ_STR(mr_error(), "trainer_save: there is no fit");
    CHECK_EQ_I64(mr_trainer_save(t, NULL, NULL), MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(), "trainer_save: path is NULL");
    CHECK_EQ_I64(mr_trainer_save(NULL, "x", NULL), MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(), "trainer_save: trainer is NULL");
    mr_trainer_free(t);
}

static mr_status saves_here(void *self, mr_step *s)
{
    (void)self;
    return mr_trainer_save(s->trainer, in_folder("saved.safetensors"), NULL);
}

/* A fast development run, which makes no files, takes callbacks that save as they are. */
static void test_save_in_a_fast_run(void)
{
    const mr_callback_vtable hooks = { .on_fit_start = saves_here, .on_train_epoch_end = saves_here };
    fit f = fit_new(10);
    mr_trainer *t = mr_trainer_new(&(mr_trainer_opts){
        .max_epochs = 2, .csv = files_folder, .fast_dev_run = 1, .no_progress = true, .no_summary = true });
    CHECK_EQ_I64(mr_trainer_add_callback(t, mr_lambda_callback_new(&hooks, NULL)), MR_OK);
    if (!CHECK_EQ_I64(mr_trainer_fit(t, f.task, f.loader), MR_OK))
        printf("    %s\n", mr_error());
    CHECK_EQ_I64(count_entries(files_folder), 0);
    mr_trainer_free(t);
    fit_free(&f);
}

/* ---- early stopping ---- */

static const double *curve; /* what val_loss is in each epoch */
static double reached;      /* the weight when it was best */

static mr_status validate_curve(mr_step *s, const mr_batch *b)
{
    (void)b;
    mr_log(s, "val_loss", mr_scalar(s->tape, MR_FLOAT64, curve[s->epoch]), NULL);
    if (curve[s->epoch] == 2)
        reached = mr_item(mr_module_parameters(s->model).item[1].tensor);
    return MR_OK;
}

static double weight_at_end;
static int64_t least; /* epochs */

/* How many epochs a training has with this early stopping. */
static int64_t epochs_of(const double *values, const mr_early_stopping_opts *opts, mr_status *status)
{
    static const mr_task_vtable vtable = { .training_step = fit_step,
                                           .configure_optimizers = fit_optimizers,
                                           .validation_step = validate_curve };
    fit f = fit_new(10);
    curve = values;
    *order = '\0';
    mr_task *task = mr_task_new(&vtable, f.model, NULL, 0);
    mr_loader *val = mr_loader_new(f.data, f.rng, &(mr_loader_opts){ .batch_size = 10 });
    mr_trainer *t = mr_trainer_new(
        &(mr_trainer_opts){ .max_epochs = 10, .min_epochs = least, .no_progress = true, .no_summary = true });
    CHECK_EQ_I64(mr_trainer_set_val_loader(t, val), MR_OK);
    CHECK_EQ_I64(mr_trainer_add_callback(
                     t, mr_early_stopping_new(opts && opts->verbose ? "val_loss" : "val_loss", opts)),
                 MR_OK);
    *status = mr_trainer_fit(t, task, f.loader);
    int64_t epochs = mr_trainer_global_step(t) / 3;
    weight_at_end = (double)fit_bias(&f);
    mr_trainer_free(t);
    mr_loader_free(val);
    mr_task_free(task);
    fit_free(&f);
    return epochs;
}

static void check_stops(const double *values, mr_early_stopping_opts opts, int64_t wanted)
{
    mr_status status;
    CHECK_EQ_I64(epochs_of(values, &opts, &status), wanted);
    CHECK_EQ_I64(status, MR_OK);
}

static void test_early_stopping(void)
{
    const double down[] = { 9, 8, 7, 6, 5, 4, 3, 2, 1, 0 };
    const double bumpy[] = { 5, 4, 4.5, 4.2, 2, 3, 3, 3, 1, 0 };
    const double odd[] = { 5, 4, (double)NAN, 3, 2, 1, 1, 1, 1, 1 };
    check_stops(down, (mr_early_stopping_opts){ 0 }, 10);
    check_stops(bumpy, (mr_early_stopping_opts){ 0 },
                8); /* patience 3: the third check without improvement */
    check_stops(bumpy, (mr_early_stopping_opts){ .patience = 2 }, 4);
    check_stops(bumpy, (mr_early_stopping_opts){ .patience = 1 }, 3);
    check_stops(bumpy, (mr_early_stopping_opts){ .patience = MR_ZERO_INT }, 3);
    check_stops(bumpy, (mr_early_stopping_opts){ .patience = 4 }, 10);
    check_stops(down, (mr_early_stopping_opts){ .mode = MR_MORE_IS_BETTER }, 4);
    check_stops(down, (mr_early_stopping_opts){ .min_delta = 3 }, 4); /* not larger than that */
    check_stops(down, (mr_early_stopping_opts){ .min_delta = 0.9 }, 10);
    check_stops(down, (mr_early_stopping_opts){ .has_stopping_threshold = true, .stopping_threshold = 6.5 },
                4);
    check_stops(bumpy,
                (mr_early_stopping_opts){ .has_divergence_threshold = true, .divergence_threshold = 4.4 }, 1);
    check_stops(bumpy,
                (mr_early_stopping_opts){ .mode = MR_MORE_IS_BETTER,
                                          .has_divergence_threshold = true,
                                          .divergence_threshold = 4.4,
                                          .patience = 9 },
                2);
    check_stops(odd, (mr_early_stopping_opts){ .patience = 5 }, 3);
    check_stops(odd, (mr_early_stopping_opts){ .patience = 5, .no_finite_check = true }, 10);
    check_stops(bumpy, (mr_early_stopping_opts){ .restore_best = true }, 8);
    CHECK(reached == weight_at_end);
    check_stops(bumpy, (mr_early_stopping_opts){ 0 }, 8);
    CHECK(reached != weight_at_end);
}

/* A stop that has to wait for min_epochs: the best may come behind it. */
static void test_best_behind_a_stop(void)
{
    const double late[] = { 5, 4, 4.5, 4.2, 4.1, 3, 2, 6, 1, 0 };
    least = 8;
    check_stops(late, (mr_early_stopping_opts){ .restore_best = true }, 8);
    CHECK(weight_at_end == reached);
    check_stops(late, (mr_early_stopping_opts){ 0 }, 8);
    CHECK(weight_at_end != reached);
    least = 0;
}

static void test_early_stopping_says(void)
{
    const double bumpy[] = { 5, 4, 4.5, 4.2, 4.1, 3, 3, 3, 1, 0 };
    mr_set_log_hook(hear, NULL);
    *heard = '\0';
    check_stops(bumpy, (mr_early_stopping_opts){ .verbose = true }, 5);
    CHECK_EQ_STR(
        heard,
        "Metric val_loss improved. New best score: 5.000\n"
        "Metric val_loss improved by 1.000 >= min_delta = 0. New best score: 4.000\n"
        "Monitored metric val_loss did not improve any more: 4.1, best score: 4.000. Signaling Trainer to "
        "stop.\n");
    mr_set_log_hook(NULL, NULL);
}

static void test_early_stopping_refuses(void)
{
    CHECK(!mr_early_stopping_new(NULL, NULL));
    CHECK_EQ_STR(mr_error(), "early_stopping: monitor is NULL");
    CHECK(!mr_early_stopping_new("", NULL));
    CHECK_EQ_STR(mr_error(), "early_stopping: monitor is empty");
    CHECK(!mr_early_stopping_new("x", &(mr_early_stopping_opts){ .patience = -1 }));
    CHECK_EQ_STR(mr_error(), "early_stopping: patience -1 is negative");
    CHECK(!mr_early_stopping_new("x", &(mr_early_stopping_opts){ .min_delta = -0.5 }));
    CHECK_EQ_STR(mr_error(), "early_stopping: min_delta -0.5 is negative");
    CHECK(!mr_early_stopping_new("x", &(mr_early_stopping_opts){ .mode = (mr_better)2 }));
    CHECK_EQ_STR(mr_error(), "early_stopping: there is no mode 2");
    for (int strict = 0; strict < 2; strict++) {
        fit f = fit_new(10);
        mr_trainer *t =
            mr_trainer_new(&(mr_trainer_opts){ .max_epochs = 3, .no_progress = true, .no_summary = true });
        CHECK_EQ_I64(mr_trainer_add_callback(
                         t, mr_early_stopping_new("x", &(mr_early_stopping_opts){ .not_strict = !strict })),
                     MR_OK);
        CHECK_EQ_I64(mr_trainer_fit(t, f.task, f.loader), strict ? MR_ERR_ARGUMENT : MR_OK);
        if (strict)
            CHECK_EQ_STR(mr_error(),
                         "fit: EarlyStopping: there is no metric 'x' of an epoch or a validation, but none");
        mr_trainer_free(t);
        fit_free(&f);
    }
}

/* ---- values of hooks in the log ---- */

static mr_status log_epoch(void *self, mr_step *s)
{
    (void)self;
    mr_log_value(s, "of_epoch", (double)s->epoch + 0.25, NULL);
    return MR_OK;
}

static mr_status log_batch(void *self, mr_step *s)
{
    (void)self;
    mr_log_value(s, "of_batch", (double)s->global_step, NULL);
    mr_log_value(s, "mean", (double)s->global_step, &(mr_log_opts){ .on_epoch = true, .no_step = true });
    return MR_OK;
}

static mr_tensor *log_loss(mr_step *s, const mr_batch *b, mr_tensor *loss)
{
    (void)b;
    mr_log(s, "loss", fit_value(s, 0.5), NULL);
    return loss;
}

static void test_logging(void)
{
    static const mr_callback_vtable vtable = { .name = "Logging",
                                               .on_train_batch_end = log_batch,
                                               .on_train_epoch_end = log_epoch };
    fit f = fit_new(10);
    hook.step = log_loss;
    mr_trainer *t = mr_trainer_new(&(mr_trainer_opts){ .max_epochs = 2,
                                                       .csv = files_folder,
                                                       .name = "logging",
                                                       .log_every_n_steps = 1,
                                                       .no_checkpoint = true,
                                                       .no_progress = true,
                                                       .no_summary = true });
    CHECK_EQ_I64(mr_trainer_add_callback(t, mr_callback_new(&vtable, NULL, 0)), MR_OK);
    CHECK_EQ_I64(mr_trainer_add_callback(t, mr_lr_monitor_new(NULL)), MR_OK);
    CHECK_EQ_I64(mr_trainer_fit(t, f.task, f.loader), MR_OK);
    CHECK_EQ_STR(file_contents(mr_trainer_metrics_path(t), NULL),
                 "lr-sgd,loss,of_batch,epoch,step,mean,of_epoch\r\n"
                 "0.1,0.5,1.0,0,0,,\r\n0.1,0.5,2.0,0,1,,\r\n0.1,0.5,3.0,0,2,,\r\n,,,0,2,1.8,0.25\r\n"
                 "0.1,0.5,4.0,1,3,,\r\n0.1,0.5,5.0,1,4,,\r\n0.1,0.5,6.0,1,5,,\r\n,,,1,5,4.8,1.25\r\n");
    mr_trainer_free(t);
    fit_free(&f);
}

static mr_status ask_in_second(void *self, mr_step *s)
{
    (void)self;
    if (s->epoch == 1)
        mr_trainer_stop(s->trainer);
    return MR_OK;
}

/* Who asks for the end is named where that is why it came, and not a limit. */
static void test_why_it_stops(void)
{
    static const struct {
        int64_t max_epochs, max_steps, min_epochs;
        const char *why;
    } cases[] = {
        { 4, 0, 0, "a callback has asked for it.\n" }, { 4, 0, 3, "a callback has asked for it.\n" },
        { 4, 0, 4, "`max_epochs=4` reached.\n" },      { 2, 0, 0, "`max_epochs=2` reached.\n" },
        { -1, 7, 5, "`max_steps=7` reached.\n" },      { -1, 6, 0, "`max_steps=6` reached.\n" },
        { -1, 0, 3, "a callback has asked for it.\n" }
    };
    mr_set_log_hook(hear, NULL);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fit f = fit_new(10);
        mr_trainer *t = mr_trainer_new(&(mr_trainer_opts){ .max_epochs = cases[i].max_epochs,
                                                           .max_steps = cases[i].max_steps,
                                                           .min_epochs = cases[i].min_epochs,
                                                           .no_progress = true });
        (void)mr_trainer_add_callback(
            t, mr_lambda_callback_new(&(mr_callback_vtable){ .on_train_epoch_end = ask_in_second }, NULL));
        CHECK_EQ_I64(mr_trainer_fit(t, f.task, f.loader), MR_OK);
        const char *said = strstr(heard, "stopped: ");
        CHECK_EQ_STR(said ? said + strlen("stopped: ") : heard, cases[i].why);
        mr_trainer_free(t);
        fit_free(&f);
    }
    mr_set_log_hook(NULL, NULL);
}

static mr_schedule *halving(void *self, mr_optim *optim)
{
    (void)self;
    return mr_exponential_lr_new(optim, 0.5);
}

/* An epoch's rate is the one that it begins with (Lightning's logging_interval 'epoch'). */
static void test_rates_of_epochs(void)
{
    static const mr_task_vtable vtable = { .training_step = fit_step,
                                           .configure_optimizers = fit_optimizers,
                                           .configure_schedule = halving };
    fit f = fit_new(8);
    mr_task *task = mr_task_new(&vtable, f.model, NULL, 0);
    mr_trainer *t = mr_trainer_new(&(mr_trainer_opts){ .max_epochs = 3,
                                                       .csv = files_folder,
                                                       .name = "rates",
                                                       .no_checkpoint = true,
                                                       .no_progress = true,
                                                       .no_summary = true });
    (void)mr_trainer_add_callback(
        t, mr_lr_monitor_new(&(mr_lr_monitor_opts){ .at_epochs = true, .log_momentum = true }));
    CHECK_EQ_I64(mr_trainer_fit(t, task, f.loader), MR_OK);
    CHECK_EQ_STR(file_contents(mr_trainer_metrics_path(t), NULL),
                 "lr-sgd,lr-sgd-momentum,epoch,step\r\n0.1,0.0,0,1\r\n0.05,0.0,1,3\r\n0.025,0.0,2,5\r\n");
    mr_trainer_free(t);
    mr_task_free(task);
    fit_free(&f);
}

int main(void)
{
    if (!files_begin())
        return 1;
    RUN(test_order);
    RUN(test_control);
    RUN(test_stop);
    RUN(test_failures);
    RUN(test_save_in_a_fast_run);
    RUN(test_early_stopping);
    RUN(test_best_behind_a_stop);
    RUN(test_early_stopping_says);
    RUN(test_early_stopping_refuses);
    RUN(test_why_it_stops);
    RUN(test_logging);
    RUN(test_rates_of_epochs);
    return files_report();
}

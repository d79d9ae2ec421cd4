/* An average of the weights together with the best weights, which are those that a check has seen; and an average loaded from a
 * checkpoint into a model of its own. */
#include "resume.h"

#include "formats/safetensors.h"

enum { MOST_VALUES = 200 };

/* ---- what a validation sees ---- */

static double script[EPOCHS];              /* what val_loss is in each epoch */
static double seen[EPOCHS][MOST_VALUES];   /* the model's state in the validation of each epoch, */
static double behind[EPOCHS][MOST_VALUES]; /* behind each epoch, */
static double at_end[MOST_VALUES];         /* and behind the fit */
static size_t values;

/* All numbers of a model. */
static void look_at(mr_module *model, double *to)
{
    mr_params p = mr_module_state(model);
    values = 0;
    for (size_t i = 0; i < p.count; i++)
        for (int64_t k = 0; k < mr_tensor_numel(p.item[i].tensor) && values < MOST_VALUES; k++)
            to[values++] = mr_tensor_dtype(p.item[i].tensor) == MR_FLOAT32
                               ? (double)((const float *)mr_tensor_data(p.item[i].tensor))[k]
                               : 0;
}

static bool equal(const double *a, const double *b)
{
    return memcmp(a, b, values * sizeof *a) == 0;
}

static mr_status validate_script(mr_step *s, const mr_batch *b)
{
    (void)b;
    look_at(s->model, seen[s->epoch]);
    mr_log_value(s, "val_loss", script[s->epoch], NULL);
    return MR_OK;
}

static mr_tensor *step_with_script(mr_step *s, const mr_batch *b)
{
    mr_log_value(s, "scripted", script[s->epoch], &(mr_log_opts){ .on_epoch = true, .no_step = true });
    return training_step(s, b);
}

static mr_status look_behind(void *self, mr_step *s)
{
    (void)self;
    look_at(s->model, behind[s->epoch]);
    return MR_OK;
}

static const char *monitor = "val_loss";
static mr_callback *averaging;
static mr_ema_opts ema_opts;
static double average[MOST_VALUES];

static mr_callback *best(void)
{
    return mr_early_stopping_new(
        monitor, &(mr_early_stopping_opts){ .patience = 50, .restore_best = true, .not_strict = true });
}

static mr_callback *watching(void)
{
    return mr_lambda_callback_new(&(mr_callback_vtable){ .on_train_epoch_end = look_behind }, NULL);
}

static void ema_then_best(mr_trainer *t)
{
    (void)mr_trainer_add_callback(t, averaging = mr_ema_new(&ema_opts));
    (void)mr_trainer_add_callback(t, best());
    (void)mr_trainer_add_callback(t, watching());
}

static void best_then_ema(mr_trainer *t)
{
    (void)mr_trainer_add_callback(t, best());
    (void)mr_trainer_add_callback(t, averaging = mr_ema_new(&ema_opts));
    (void)mr_trainer_add_callback(t, watching());
}

/* What fit_on does, with a task of the same kind, and a look at the model behind it. */
static mr_status fit_and_look(mr_trainer *t, mr_task *task, mr_loader *train, mr_dataset *data, mr_rng *rng)
{
    (void)task;
    (void)data;
    own o = { .rng = rng };
    mr_module *model = model_new(rng);
    mr_task *same_task = mr_task_new(task_kind, model, &o, sizeof o);
    mr_status status = mr_trainer_fit(t, same_task, train);
    look_at(model, at_end);
    mr_params p = mr_ema_params(averaging);
    if (p.item) { /* as the model would have it */
        CHECK_EQ_I64(mr_module_set_state(model, p, &(mr_state_opts){ .not_strict = true }), MR_OK);
        look_at(model, average);
    }
    mr_task_free(same_task);
    mr_module_free(model);
    return status;
}

static void set_script(double a, double b, double c, double d)
{
    const double all[] = { a, b, c, d };
    memcpy(script, all, sizeof all);
}

static mr_status train(const char *name, void (*callbacks)(mr_trainer *), mr_trainer_opts opts)
{
    mr_task_vtable kind = task_vtable;
    kind.training_step = step_with_script;
    kind.validation_step = validate_script;
    kind.schedule_monitor = NULL;
    kind.configure_schedule = NULL;
    opts.max_epochs = 4;
    task_kind = &kind;
    add_callbacks = callbacks;
    fit_on = fit_and_look;
    averaging = NULL;
    mr_status status = fit(name, NULL, &opts, 0, false);
    task_kind = &task_vtable;
    add_callbacks = NULL;
    fit_on = NULL;
    return status;
}

/* ---- the best weights ---- */

static void test_best_average(void)
{
    for (int buffers = 0; buffers < 2; buffers++)
        for (int order = 0; order < 2; order++) {
            ema_opts = (mr_ema_opts){ .decay = 0.8, .use_buffers = buffers };
            set_script(3, 1, 2, 4);
            CHECK_EQ_I64(train("best", order ? best_then_ema : ema_then_best, (mr_trainer_opts){ 0 }), MR_OK);
            CHECK(equal(at_end, seen[1]));    /* what the best validation has seen: the average of then */
            CHECK(!equal(at_end, behind[1])); /* and not the weights */
            CHECK(!equal(at_end, average));   /* nor the average of now */
            CHECK_EQ_I64(train("within", order ? best_then_ema : ema_then_best,
                               (mr_trainer_opts){ .val_check_interval = "1ep" }),
                         MR_OK);
            CHECK(equal(at_end, seen[1]));
        }
}

/* An average that begins later: before that validations see the weights. */
static void test_late_average(void)
{
    ema_opts = (mr_ema_opts){ .decay = 0.8, .start = "2ep" };
    set_script(3, 1, 2, 4);
    CHECK_EQ_I64(train("late", ema_then_best, (mr_trainer_opts){ 0 }), MR_OK);
    CHECK(equal(at_end, behind[1]) && equal(at_end, seen[1]));
    set_script(3, 2, 2.5, 1);
    CHECK_EQ_I64(train("late", best_then_ema, (mr_trainer_opts){ 0 }), MR_OK);
    CHECK(equal(at_end, seen[3]) && !equal(at_end, behind[3]));
}

/* A metric of the training is one of the weights. */
static void test_monitor_of_training(void)
{
    ema_opts = (mr_ema_opts){ .decay = 0.8 };
    monitor = "scripted";
    set_script(3, 1, 2, 4);
    CHECK_EQ_I64(train("trained", ema_then_best, (mr_trainer_opts){ 0 }), MR_OK);
    CHECK(equal(at_end, behind[1]) && !equal(at_end, seen[1]));
    CHECK_EQ_I64(train("trained", best_then_ema, (mr_trainer_opts){ 0 }), MR_OK);
    CHECK(equal(at_end, behind[1]));
    monitor = "val_loss";
}

/* Where no check has been there is no best, and the model ends as without it. */
static void test_without_a_check(void)
{
    ema_opts = (mr_ema_opts){ .decay = 0.8 };
    monitor = "never";
    CHECK_EQ_I64(train("unchecked", best_then_ema, (mr_trainer_opts){ 0 }), MR_OK);
    CHECK(equal(at_end, average));
    ema_opts.not_at_end = true;
    CHECK_EQ_I64(train("unchecked", best_then_ema, (mr_trainer_opts){ 0 }), MR_OK);
    CHECK(equal(at_end, behind[3]));
    monitor = "val_loss";
}

static int64_t signal_behind; /* so many batches; 0: never */

static mr_status look_and_signal(void *self, mr_step *s)
{
    (void)self;
    look_at(s->model, behind[0]);
    if (s->batch_index + 1 == signal_behind)
        raise(SIGINT);
    return MR_OK;
}

static void strict_alone(mr_trainer *t)
{
    (void)mr_trainer_add_callback(
        t, mr_early_stopping_new("val_loss", &(mr_early_stopping_opts){ .restore_best = true }));
    (void)mr_trainer_add_callback(
        t, mr_lambda_callback_new(&(mr_callback_vtable){ .on_train_batch_end = look_and_signal }, NULL));
}

/* An end within the first epoch, before any validation: the model keeps what it has learned by then, and does not get
 * the weights that it began with. */
static void test_end_before_a_check(void)
{
    memset(at_end, 0, sizeof at_end);
    memset(behind, 0, sizeof behind);
    CHECK_EQ_I64(train("by_steps", strict_alone, (mr_trainer_opts){ .max_steps = 5 }), MR_OK);
    CHECK(behind[0][0] != 0 && equal(at_end, behind[0]));
    memset(at_end, 0, sizeof at_end);
    signal_behind = 3;
    CHECK_EQ_I64(train("by_signal", strict_alone, (mr_trainer_opts){ .handle_signals = true }),
                 MR_INTERRUPTED);
    signal_behind = 0;
    CHECK(behind[0][0] != 0 && equal(at_end, behind[0]));
}

/* ---- what does not go together ---- */

static mr_swa_opts swa_opts;

static void swa_and_best(mr_trainer *t)
{
    (void)mr_trainer_add_callback(t, mr_swa_new(0.01, &swa_opts));
    (void)mr_trainer_add_callback(t, best());
}

static void two_averages(mr_trainer *t)
{
    (void)mr_trainer_add_callback(t, mr_ema_new(&(mr_ema_opts){ .not_at_end = true }));
    (void)mr_trainer_add_callback(t, mr_ema_new(&ema_opts));
}

static void test_refuses(void)
{
    static const char swa[] = "fit: EarlyStopping: restore_best: StochasticWeightAveraging would give the "
                              "model an average that was "
                              "not validated: it needs not_at_end";
    static const char ema[] =
        "fit: EarlyStopping: restore_best: EMA would give the model an average that was "
        "not validated: it needs not_at_end";
    CHECK_EQ_I64(train("refused", swa_and_best, (mr_trainer_opts){ 0 }), MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(), swa);
    swa_opts = (mr_swa_opts){ .not_at_end = true };
    CHECK_EQ_I64(train("refused", swa_and_best, (mr_trainer_opts){ 0 }), MR_OK);
    ema_opts = (mr_ema_opts){ .not_in_validation = true };
    CHECK_EQ_I64(train("refused", best_then_ema, (mr_trainer_opts){ 0 }), MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(), ema);
    ema_opts.not_at_end = true;
    CHECK_EQ_I64(train("refused", best_then_ema, (mr_trainer_opts){ 0 }), MR_OK);
    ema_opts = (mr_ema_opts){ 0 };
    CHECK_EQ_I64(train("refused", best_then_ema, (mr_trainer_opts){ .limit_val_batches = MR_ZERO_INT }),
                 MR_ERR_ARGUMENT); /* there are no validations */
    CHECK_EQ_STR(mr_error(), ema);
    CHECK_EQ_I64(train("refused", two_averages, (mr_trainer_opts){ 0 }), MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(),
                 "fit: EMA: another average is validated already, which not_in_validation leaves out");
    ema_opts.not_in_validation = true;
    CHECK_EQ_I64(train("refused", two_averages, (mr_trainer_opts){ 0 }), MR_OK);
    ema_opts.not_in_validation = false;
    CHECK_EQ_I64(train("refused", two_averages, (mr_trainer_opts){ .limit_val_batches = MR_ZERO_INT }),
                 MR_OK);
}

/* ---- killed ---- */

static void average_and_best(mr_trainer *t)
{
    (void)mr_trainer_add_callback(t, mr_ema_new(&(mr_ema_opts){ .decay = 0.9, .use_buffers = true }));
    (void)mr_trainer_add_callback(
        t,
        mr_early_stopping_new("val_loss", &(mr_early_stopping_opts){ .patience = 50, .restore_best = true }));
}

static void test_killed(void)
{
    const mr_trainer_opts opts = {
        .max_epochs = EPOCHS, .log_every_n_steps = 1, .checkpoint_every = "1ba", .val_check_interval = "4ba"
    };
    add_callbacks = average_and_best;
    check_killed("killed", &opts, 2);
    CHECK_EQ_I64(fit("killed_0", "last", &opts, 0, false), MR_OK); /* nothing to do, but the best weights */
    CHECK(same("killed_whole", "killed_0"));
    check_interrupted("interrupted", opts, 12);
    add_callbacks = NULL;
}

/* ---- loading an average ---- */

static char checkpoint[400];
static double weights[MOST_VALUES];

static mr_status load(const char *by)
{
    mr_rng *rng = mr_rng_new(7);
    mr_module *model = model_new(rng);
    mr_status status = mr_module_load(model, checkpoint, &(mr_load_opts){ .average = by });
    look_at(model, weights);
    mr_module_free(model);
    mr_rng_free(rng);
    return status;
}

static void expect(mr_status status, mr_status wanted, const char *text)
{
    const char *end = strstr(mr_error(), "safetensors': ");
    CHECK_EQ_I64(status, wanted);
    CHECK_EQ_STR(end ? end + strlen("safetensors': ") : mr_error(), text);
}

static void ema_alone(mr_trainer *t)
{
    (void)mr_trainer_add_callback(t, averaging = mr_ema_new(&ema_opts));
    (void)mr_trainer_add_callback(t, watching());
}

static void watching_alone(mr_trainer *t)
{
    (void)mr_trainer_add_callback(t, watching());
}

static void both_kinds(mr_trainer *t)
{
    (void)mr_trainer_add_callback(t, mr_swa_new(0.01, &(mr_swa_opts){ .start = "3ep", .not_at_end = true }));
    (void)mr_trainer_add_callback(t, averaging = mr_ema_new(&ema_opts));
}

static void several(mr_trainer *t)
{
    (void)mr_trainer_add_callback(
        t, mr_ema_new(&(mr_ema_opts){ .decay = 0.5, .not_in_validation = true, .not_at_end = true }));
    (void)mr_trainer_add_callback(t, averaging = mr_ema_new(&ema_opts));
}

static void train_for(const char *name, void (*callbacks)(mr_trainer *), mr_trainer_opts opts,
                      const char *file)
{
    char path[300];
    CHECK_EQ_I64(train(name, callbacks, opts), MR_OK);
    snprintf(path, sizeof path, "%s/version_0/checkpoints/%s.safetensors", name, file);
    snprintf(checkpoint, sizeof checkpoint, "%s", in_folder(path));
    CHECK(file_exists(checkpoint));
}

static void test_load(void)
{
    for (int buffers = 0; buffers < 2; buffers++) {
        ema_opts = (mr_ema_opts){ .decay = 0.8, .use_buffers = buffers };
        train_for(buffers ? "buffers" : "loaded", ema_alone, (mr_trainer_opts){ 0 }, "epoch=3-step=31");
        CHECK_EQ_I64(load("EMA"), MR_OK);
        CHECK(equal(weights, average) && equal(weights, at_end));
        CHECK_EQ_I64(load("0.EMA"), MR_OK);
        CHECK(equal(weights, average));
        CHECK_EQ_I64(load(NULL), MR_OK);
        CHECK(equal(weights, behind[3]) && !equal(weights, average)); /* the weights themselves */
    }
    expect(load("StochasticWeightAveraging"), MR_ERR_ARGUMENT,
           "it has no average by StochasticWeightAveraging, but by 0.EMA");
    expect(load("MA"), MR_ERR_ARGUMENT, "it has no average by MA, but by 0.EMA");
    expect(load(""), MR_ERR_ARGUMENT, "it has no average by , but by 0.EMA");
    train_for("two_kinds", both_kinds, (mr_trainer_opts){ 0 }, "epoch=3-step=31");
    CHECK_EQ_I64(load("EMA"), MR_OK);
    CHECK(equal(weights, average));
    CHECK_EQ_I64(load("StochasticWeightAveraging"), MR_OK);
    CHECK(!equal(weights, average));
    train_for("not_begun", both_kinds, (mr_trainer_opts){ .max_steps = 3 }, "epoch=0-step=3");
    expect(load("StochasticWeightAveraging"), MR_ERR_STATE,
           "the average by StochasticWeightAveraging has not begun yet");
    train_for("several", several, (mr_trainer_opts){ 0 }, "epoch=3-step=31");
    expect(load("EMA"), MR_ERR_ARGUMENT, "it has several averages by EMA: 0.EMA, 1.EMA");
    CHECK_EQ_I64(load("1.EMA"), MR_OK);
    CHECK(equal(weights, average));
    CHECK_EQ_I64(load("0.EMA"), MR_OK);
    CHECK(!equal(weights, average));
    train_for("none", watching_alone, (mr_trainer_opts){ 0 }, "epoch=3-step=31");
    expect(load("EMA"), MR_ERR_ARGUMENT, "it has no average by EMA");
}

/* A parameter with two names is averaged under one; another shape is refused, and changes nothing. */
static void test_load_shared_and_wrong(void)
{
    mr_rng *rng = mr_rng_new(1);
    const mr_shape two = MR_SHAPE(1, 2);
    const float own_values[] = { 1, 2 }, averaged[] = { 3, 4 };
    const int64_t updates = 5;
    mr__safetensor tensors[] = {
        { "0.weight", MR_FLOAT32, two, own_values, 0 },
        { "1.weight", MR_FLOAT32, two, own_values, 0 },
        { "trainer.callback.0.EMA.average.0.weight", MR_FLOAT32, two, averaged, 0 },
        { "trainer.callback.0.EMA.n_averaged", MR_INT64, { 0, { 0 } }, &updates, 0 },
    };
    mr_module *model = mr_sequential_new();
    mr_module *first = mr_linear_new(2, 1, rng, &(mr_linear_opts){ .no_bias = true });
    model = mr_sequential_add(model, first);
    model = mr_sequential_add(model, mr_linear_new(2, 1, rng, &(mr_linear_opts){ .no_bias = true }));
    CHECK(mr_module_share_parameter(mr_module_child(model, 1, NULL), "weight", first, "weight") != NULL);
    snprintf(checkpoint, sizeof checkpoint, "%s", in_folder("shared.safetensors"));
    CHECK_EQ_I64(mr__safetensors_write(checkpoint, tensors, 4, NULL, 0), MR_OK);
    CHECK_EQ_I64(mr_module_load(model, checkpoint, &(mr_load_opts){ .average = "EMA" }), MR_OK);
    const float *data = mr_tensor_data(mr_module_parameters(model).item[0].tensor);
    CHECK(data[0] == 3 && data[1] == 4);
    tensors[2].shape = MR_SHAPE(2);
    CHECK_EQ_I64(mr__safetensors_write(checkpoint, tensors, 4, NULL, 0), MR_OK);
    CHECK_EQ_I64(mr_module_load(model, checkpoint, NULL), MR_OK);
    expect(mr_module_load(model, checkpoint, &(mr_load_opts){ .average = "EMA" }), MR_ERR_SHAPE,
           "0.weight is [2] in the file, [1,2] in the module");
    CHECK(data[0] == 1 && data[1] == 2);
    mr_module_free(model);
    mr_rng_free(rng);
}

int main(void)
{
    if (!files_begin_in_memory())
        return 1;
    RUN(test_best_average);
    RUN(test_late_average);
    RUN(test_monitor_of_training);
    RUN(test_without_a_check);
    RUN(test_end_before_a_check);
    RUN(test_refuses);
    RUN(test_killed);
    RUN(test_load);
    RUN(test_load_shared_and_wrong);
    return files_report();
}

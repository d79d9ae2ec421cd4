/* The order of all hooks, those of callbacks and of the task, in a fit with validation and without a fit; what a task can
 * do in place of the trainer. */
#include "check.h"
#include "fit.h"

static char order[8192];

static void note(const void *self, const char *what)
{
    strcat(order, self ? *(const char *const *)self : "");
    strcat(order, what);
    strcat(order, "\n");
}

static const char *failing; /* the hook that is to fail */
static bool logging;

static mr_status in_hook(void *self, const mr_step *s, const char *what)
{
    if (s->batch_index == 0 || !s->batch) /* one batch is like the other */
        note(self, what);
    CHECK(s->model && s->self && s->trainer && s->tape);
    if (logging && strcmp(what, "on_validation_end") == 0)
        mr_log_value((mr_step *)(uintptr_t)s, "of_hook", 1, NULL);
    return failing && strcmp(failing, what) == 0 ? mr_fail(MR_ERR_FORMAT, "no more") : MR_OK;
}

/* clang-format off */
#define HOOKS(NOTE)                                                                           \
    NOTE(setup) NOTE(on_fit_start) NOTE(on_sanity_check_start) NOTE(on_sanity_check_end)      \
    NOTE(on_train_start) NOTE(on_train_epoch_start) NOTE(on_train_batch_start)                \
    NOTE(on_before_zero_grad) NOTE(on_before_backward) NOTE(on_after_backward)                \
    NOTE(on_before_optimizer_step) NOTE(on_after_optimizer_step) NOTE(on_train_batch_end)     \
    NOTE(on_validation_start) NOTE(on_validation_epoch_start) NOTE(on_validation_batch_start) \
    NOTE(on_validation_batch_end) NOTE(on_validation_epoch_end) NOTE(on_validation_end)       \
    NOTE(on_validation_left) NOTE(on_train_epoch_end) NOTE(on_metrics) NOTE(on_train_end)     \
    NOTE(on_fit_end) NOTE(on_exception) NOTE(teardown) NOTE(on_test_start)                    \
    NOTE(on_test_epoch_start) NOTE(on_test_batch_start) NOTE(on_test_batch_end)               \
    NOTE(on_test_epoch_end) NOTE(on_test_end) NOTE(on_predict_start)                          \
    NOTE(on_predict_epoch_start) NOTE(on_predict_batch_start) NOTE(on_predict_batch_end)      \
    NOTE(on_predict_epoch_end) NOTE(on_predict_end)
/* clang-format on */

#define FUNCTION(hook)                            \
    static mr_status hook(void *self, mr_step *s) \
    {                                             \
        return in_hook(self, s, #hook);           \
    }
#define ENTRY(hook) .hook = hook,

HOOKS(FUNCTION)

static const mr_callback_vtable all = { .name = "All", HOOKS(ENTRY) };

/* ---- the task ---- */

static mr_tensor *training_step(mr_step *s, const mr_batch *b)
{
    if (s->batch_index == 0)
        note(NULL, "training_step");
    mr_log_value(s, "loss", 1, NULL);
    return fit_step(s, b);
}

static mr_status validation_step(mr_step *s, const mr_batch *b)
{
    (void)b;
    if (s->batch_index == 0)
        note(NULL, "validation_step");
    mr_log_value(s, "val_loss", 1, NULL);
    return MR_OK;
}

static mr_tensor *predict_step(mr_step *s, const mr_batch *b)
{
    if (s->batch_index == 0)
        note(NULL, "predict_step");
    return mr_unsqueeze(s->tape, b->field[0], 1);
}

static mr_optim *optimizers(void *self, mr_module *model)
{
    note(NULL, "configure_optimizers");
    return fit_optimizers(self, model);
}

static mr_status backward(mr_step *s, mr_tensor *loss)
{
    note(NULL, "backward");
    return mr_backward(s->tape, loss);
}

static mr_status zero_grad(mr_step *s)
{
    note(NULL, "optimizer_zero_grad");
    mr_optim_zero_grad(s->optim);
    return MR_OK;
}

static mr_status clipping(mr_step *s)
{
    note(NULL, "configure_gradient_clipping");
    return mr_clip_grad_norm(mr_module_parameters(s->model), 1e9, NULL, NULL);
}

static mr_status optimizer_step(mr_step *s)
{
    note(NULL, "optimizer_step");
    return mr_optim_step(s->optim);
}

static mr_schedule *schedule(void *self, mr_optim *optim)
{
    (void)self;
    return mr_exponential_lr_new(optim, 0.5);
}

static mr_status lr_scheduler_step(mr_step *s, mr_schedule *of, double metric)
{
    (void)s;
    note(NULL, "lr_scheduler_step");
    CHECK(isnan(metric));
    return mr_schedule_step(of);
}

static const mr_task_vtable plain = { .training_step = training_step,
                                      .configure_optimizers = optimizers,
                                      .validation_step = validation_step,
                                      .test_step = validation_step,
                                      .predict_step = predict_step,
                                      .hooks = &all },
                            whole = { .training_step = training_step,
                                      .configure_optimizers = optimizers,
                                      .configure_schedule = schedule,
                                      .validation_step = validation_step,
                                      .hooks = &all,
                                      .backward = backward,
                                      .optimizer_zero_grad = zero_grad,
                                      .configure_gradient_clipping = clipping,
                                      .optimizer_step = optimizer_step,
                                      .lr_scheduler_step = lr_scheduler_step };

enum call { FIT, VALIDATE, TEST, PREDICT };

static float weight;
static char path[600];

/* Five samples in two batches, in training and elsewhere, with a callback and the task's hooks. */
static mr_status call(enum call what, const mr_task_vtable *vtable, mr_trainer_opts opts)
{
    const char *of_callback = "callback.", *of_task = "task.";
    mr_status status;
    fit f = fit_new(5);
    *order = '\0';
    mr_task *task = mr_task_new(vtable, f.model, &of_task, sizeof of_task);
    mr_loader *val = mr_loader_new(f.data, f.rng, &(mr_loader_opts){ .batch_size = 4 });
    opts.no_progress = opts.no_summary = opts.no_checkpoint = true;
    mr_trainer *t = mr_trainer_new(&opts);
    (void)mr_trainer_set_val_loader(t, val);
    (void)mr_trainer_add_callback(t, mr_callback_new(&all, &of_callback, sizeof of_callback));
    if (what == PREDICT) {
        mr_tensor *y = mr_trainer_predict(t, task, val);
        status = y ? MR_OK : mr_error_status();
        mr_tensor_free(y);
    } else {
        status = what == FIT        ? mr_trainer_fit(t, task, f.loader)
                 : what == VALIDATE ? mr_trainer_validate(t, task, val)
                                    : mr_trainer_test(t, task, val);
    }
    weight = fit_weight(&f);
    snprintf(path, sizeof path, "%s", mr_trainer_metrics_path(t));
    mr_trainer_free(t);
    mr_loader_free(val);
    mr_task_free(task);
    fit_free(&f);
    return status;
}

/* Each hook of `wanted`, one a line, comes from the callback and then from the task; a line "=x" comes as "x", once. */
static void expect(const char *wanted)
{
    char text[8192] = "", line[80];
    for (const char *at = wanted; *at; at += strlen(line) + 1) {
        snprintf(line, sizeof line, "%.*s", (int)strcspn(at, "\n"), at);
        const size_t used = strlen(text);
        if (*line == '=')
            snprintf(text + used, sizeof text - used, "%s\n", line + 1);
        else
            snprintf(text + used, sizeof text - used, "callback.%s\ntask.%s\n", line, line);
    }
    CHECK_EQ_STR(order, text);
}

#define VALIDATION                                                                                  \
    "on_validation_start\non_validation_epoch_start\non_validation_batch_start\n=validation_step\n" \
    "on_validation_batch_end\non_validation_epoch_end\non_validation_end\n"

static void test_fit(void)
{
    CHECK_EQ_I64(
        call(FIT, &whole,
             (mr_trainer_opts){ .max_epochs = 1, .num_sanity_val_steps = 2, .limit_train_batches = 1 }),
        MR_OK);
    expect("setup\n=configure_optimizers\non_fit_start\n"
           "on_sanity_check_start\n" VALIDATION "on_sanity_check_end\n"
           "on_train_start\non_train_epoch_start\non_train_batch_start\n=training_step\n"
           "on_before_zero_grad\n=optimizer_zero_grad\non_before_backward\n=backward\non_after_backward\n"
           "on_before_optimizer_step\n=configure_gradient_clipping\n=optimizer_step\non_after_optimizer_"
           "step\n=lr_scheduler_step\non_train_batch_end\n" VALIDATION
           "on_metrics\non_train_epoch_end\non_metrics\n"
           "on_train_end\non_fit_end\nteardown\n");
    const float with = weight;
    CHECK_EQ_I64(call(FIT, &plain, (mr_trainer_opts){ .max_epochs = 1, .limit_train_batches = 1 }), MR_OK);
    CHECK(with == weight);
}

static void test_without_a_fit(void)
{
    CHECK_EQ_I64(call(VALIDATE, &plain, (mr_trainer_opts){ 0 }), MR_OK);
    expect("setup\n" VALIDATION "teardown\n");
    CHECK_EQ_I64(call(TEST, &plain, (mr_trainer_opts){ 0 }), MR_OK);
    expect("setup\non_test_start\non_test_epoch_start\non_test_batch_start\n=validation_step\n"
           "on_test_batch_end\non_test_epoch_end\non_test_end\nteardown\n");
    CHECK_EQ_I64(call(PREDICT, &plain, (mr_trainer_opts){ 0 }), MR_OK);
    expect("setup\non_predict_start\non_predict_epoch_start\non_predict_batch_start\n=predict_step\n"
           "on_predict_batch_end\non_predict_epoch_end\non_predict_end\nteardown\n");
}

/* What hooks of the validation before the training log is thrown away. */
static void test_sanity(void)
{
    logging = true;
    CHECK_EQ_I64(
        call(FIT, &plain,
             (mr_trainer_opts){
                 .max_epochs = 1, .num_sanity_val_steps = -1, .csv = files_folder, .name = "sanity" }),
        MR_OK);
    CHECK_EQ_STR(file_contents(path, NULL), "val_loss,of_hook,epoch,step\r\n1.0,1.0,0,1\r\n");
    logging = false;
}

static void test_failures(void)
{
    static const struct {
        const char *hook;
        enum call call;
        const char *text;
    } cases[] = {
        { "setup", FIT, "fit: All: no more" },
        { "on_sanity_check_start", FIT, "fit: All: no more" },
        { "on_sanity_check_end", FIT, "fit: All: no more" },
        { "on_validation_epoch_start", FIT, "fit: All: no more" },
        { "on_validation_epoch_end", VALIDATE, "validation: All: no more" },
        { "on_validation_batch_end", VALIDATE, "validation: batch 0: validation: All: no more" },
        { "teardown", FIT, "fit: All: no more" },
        { "setup", TEST, "test: All: no more" },
        { "on_test_end", TEST, "test: All: no more" },
        { "teardown", TEST, "test: All: no more" },
        { "on_predict_start", PREDICT, "predict: All: no more" },
        { "on_predict_batch_start", PREDICT, "predict: batch 0: predict: All: no more" },
        { "on_predict_end", PREDICT, "predict: All: no more" },
        { "teardown", PREDICT, "predict: All: no more" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        failing = cases[i].hook;
        CHECK_EQ_I64(
            call(cases[i].call, &plain, (mr_trainer_opts){ .max_epochs = 1, .num_sanity_val_steps = 1 }),
            MR_ERR_FORMAT);
        CHECK_EQ_STR(mr_error(), cases[i].text);
        CHECK(strstr(order, "callback.teardown\n") != NULL);
    }
    failing = "on_validation_batch_start";
    CHECK_EQ_I64(call(FIT, &plain, (mr_trainer_opts){ .max_epochs = 1 }), MR_ERR_FORMAT);
    CHECK(strstr(order, "task.on_validation_left\ncallback.on_exception\ntask.on_exception\n"
                        "callback.teardown\ntask.teardown\n") != NULL);
    failing = NULL;
}

static int count_of(const char *line)
{
    int count = 0;
    for (const char *at = order; (at = strstr(at, line)); at += strlen(line))
        count++;
    return count;
}

/* Wherever a fit fails, its callbacks hear of it once, and it has not come to its end. */
static void test_exceptions(void)
{
    static const char *const hooks[] = {
        "setup",        "on_fit_start",       "on_sanity_check_start",   "on_sanity_check_end",
        "on_train_end", "on_train_start",     "on_train_batch_start",    "on_validation_end",
        "on_fit_end",   "on_train_epoch_end", "on_before_optimizer_step"
    };
    for (size_t i = 0; i < sizeof hooks / sizeof *hooks; i++) {
        failing = hooks[i];
        CHECK_EQ_I64(call(FIT, &plain, (mr_trainer_opts){ .max_epochs = 1, .num_sanity_val_steps = 1 }),
                     MR_ERR_FORMAT);
        if (!CHECK(count_of("callback.on_exception\ntask.on_exception\ncallback.teardown\n") == 1 &&
                   count_of("callback.on_exception\n") == 1 &&
                   count_of("callback.on_fit_end\n") == (strcmp(failing, "on_fit_end") == 0)))
            printf("    %s:\n%s", failing, order);
    }
    failing = NULL;
    file_put(in_folder("in_the_way"), "", 0);
    CHECK_EQ_I64(call(FIT, &plain, (mr_trainer_opts){ .max_epochs = 1, .csv = in_folder("in_the_way") }),
                 MR_ERR_IO);
    CHECK_EQ_I64(count_of("callback.on_exception\ntask.on_exception\ncallback.teardown\n"), 1);
    CHECK_EQ_I64(count_of("on_train_start\n"), 0);
    CHECK_EQ_I64(call(FIT, &plain, (mr_trainer_opts){ .max_epochs = 1, .limit_train_share = 1e-3 }),
                 MR_ERR_ARGUMENT);
    CHECK_EQ_STR(order, ""); /* nobody was set up */
}

/* What fails when all was trained, and nothing but the last row is to be written. */
static mr_status closing(void *self)
{
    (void)self;
    return mr_fail(MR_ERR_IO, "no disk");
}

static mr_status no_row(void *self, const mr_log_row *row)
{
    (void)self;
    (void)row;
    return MR_OK;
}

static void test_late_exception(void)
{
    static const mr_logger_vtable closes = { .name = "closes", .row = no_row, .close = closing };
    const char *of_callback = "callback.", *of_task = "task.";
    fit f = fit_new(5);
    *order = '\0';
    mr_task *task = mr_task_new(&plain, f.model, &of_task, sizeof of_task);
    mr_trainer *t =
        mr_trainer_new(&(mr_trainer_opts){ .max_epochs = 1, .no_progress = true, .no_summary = true });
    (void)mr_trainer_add_callback(t, mr_callback_new(&all, &of_callback, sizeof of_callback));
    CHECK_EQ_I64(mr_trainer_add_logger(t, mr_logger_new(&closes, "", 1)), MR_OK);
    CHECK_EQ_I64(mr_trainer_fit(t, task, f.loader), MR_ERR_IO);
    CHECK(strstr(mr_error(), "no disk") != NULL);
    CHECK_EQ_I64(count_of("task.on_fit_end\ncallback.on_exception\ntask.on_exception\ncallback.teardown\n"),
                 1);
    mr_trainer_free(t);
    mr_task_free(task);
    fit_free(&f);
}

/* ---- failures of the task's own ---- */

static mr_status silent(void *self, mr_step *s)
{
    (void)self;
    (void)s;
    return MR_ERR_STATE;
}

static mr_status raises(mr_step *s)
{
    (void)s;
    return mr_fail(MR_ERR_FORMAT, "no more");
}

static mr_status says_nothing(mr_step *s)
{
    (void)s;
    return MR_ERR_DTYPE;
}

static void test_failures_of_the_task(void)
{
    static const mr_callback_vtable quiet = { .on_train_start = silent };
    mr_task_vtable vtable = { .training_step = training_step,
                              .configure_optimizers = optimizers,
                              .hooks = &quiet };
    CHECK_EQ_I64(call(FIT, &vtable, (mr_trainer_opts){ .fast_dev_run = 1 }), MR_ERR_ARGUMENT);
    vtable.validation_step = validation_step;
    CHECK_EQ_I64(call(FIT, &vtable, (mr_trainer_opts){ .fast_dev_run = 1 }), MR_ERR_STATE);
    CHECK_EQ_STR(mr_error(), "fit: the task: on_train_start failed without a message");
    vtable.hooks = NULL;
    mr_status (**own[])(mr_step *) = { &vtable.optimizer_zero_grad, &vtable.configure_gradient_clipping,
                                       &vtable.optimizer_step };
    static const char *const names[] = { "optimizer_zero_grad", "configure_gradient_clipping",
                                         "optimizer_step" };
    for (int i = 0; i < 3; i++) {
        char text[200];
        *own[i] = raises;
        CHECK_EQ_I64(call(FIT, &vtable, (mr_trainer_opts){ .fast_dev_run = 1 }), MR_ERR_FORMAT);
        CHECK_EQ_STR(mr_error(), "fit: epoch 0, step 0: no more");
        *own[i] = says_nothing;
        CHECK_EQ_I64(call(FIT, &vtable, (mr_trainer_opts){ .fast_dev_run = 1 }), MR_ERR_DTYPE);
        snprintf(text, sizeof text, "fit: epoch 0, step 0: %s failed without a message", names[i]);
        CHECK_EQ_STR(mr_error(), text);
        *own[i] = NULL;
    }
}

/* ---- statuses that mean nothing there ---- */

static mr_status given;

static mr_status give(void *self, mr_step *s)
{
    (void)self;
    (void)s;
    return given;
}

static void check_given(size_t at, const char *name, mr_status status, const char *text)
{
    mr_callback_vtable hooks = { 0 };
    mr_hook *const giving = give;
    memcpy((char *)&hooks + at, &giving, sizeof giving);
    mr_task_vtable vtable = plain;
    vtable.hooks = &hooks;
    char wanted[200];
    given = status;
    mr_status got = call(FIT, &vtable, (mr_trainer_opts){ .max_epochs = 1, .num_sanity_val_steps = 1 });
    snprintf(wanted, sizeof wanted, "fit: the task: %s gave %s", name, text);
    if (strncmp(name, "on_test", 7) == 0) {
        CHECK_EQ_I64(got, MR_OK);
        got = call(TEST, &vtable, (mr_trainer_opts){ 0 });
        snprintf(wanted, sizeof wanted, "test: the task: %s gave %s", name, text);
    }
    CHECK_EQ_I64(got, MR_ERR_CALLBACK);
    CHECK_EQ_STR(mr_error(), wanted);
}

/* MR_END is for the three that say so, and no hook is a signal. */
static void test_given(void)
{
#define HOOK(name)                                \
    {                                             \
        offsetof(mr_callback_vtable, name), #name \
    }
    static const struct {
        size_t at;
        const char *name;
    } hooks[] = { HOOK(setup),
                  HOOK(on_fit_start),
                  HOOK(on_sanity_check_start),
                  HOOK(on_sanity_check_end),
                  HOOK(on_train_start),
                  HOOK(on_train_epoch_start),
                  HOOK(on_train_batch_end),
                  HOOK(on_validation_start),
                  HOOK(on_validation_epoch_start),
                  HOOK(on_validation_epoch_end),
                  HOOK(on_validation_end),
                  HOOK(on_train_epoch_end),
                  HOOK(on_metrics),
                  HOOK(on_train_end),
                  HOOK(on_fit_end),
                  HOOK(teardown),
                  HOOK(on_test_start),
                  HOOK(on_test_end) };
    for (size_t i = 0; i < sizeof hooks / sizeof *hooks; i++) {
        check_given(hooks[i].at, hooks[i].name, MR_END, "MR_END, not MR_OK or a failure");
        check_given(hooks[i].at, hooks[i].name, MR_INTERRUPTED, "MR_INTERRUPTED, not MR_OK or a failure");
    }
    check_given(hooks[4].at, hooks[4].name, (mr_status)7, "status 7, not MR_OK or a failure");
    mr_callback_vtable leaving = { .on_train_batch_start = give };
    mr_task_vtable vtable = plain;
    vtable.hooks = &leaving;
    given = MR_END;
    CHECK_EQ_I64(call(FIT, &vtable, (mr_trainer_opts){ .max_epochs = 1 }), MR_OK);
    given = MR_INTERRUPTED;
    CHECK_EQ_I64(call(FIT, &vtable, (mr_trainer_opts){ .max_epochs = 1 }), MR_ERR_CALLBACK);
    CHECK_EQ_STR(mr_error(),
                 "fit: the task: on_train_batch_start gave MR_INTERRUPTED, not MR_OK, MR_END or a failure");
}

int main(void)
{
    if (!files_begin())
        return 1;
    RUN(test_fit);
    RUN(test_without_a_fit);
    RUN(test_sanity);
    RUN(test_failures);
    RUN(test_exceptions);
    RUN(test_late_exception);
    RUN(test_failures_of_the_task);
    RUN(test_given);
    return files_report();
}

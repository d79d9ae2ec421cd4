/* Updates of the weights: over several batches, clipped, with a schedule, and batches that are passed over. */
#include "check.h"
#include "fit.h"

static char rows_text[4096];

/* Ten samples in batches of four: 4, 4, 2. Returns the status; the weight and bias after it. */
static mr_status train(mr_trainer_opts opts, float *weight, float *bias)
{
    static int number;
    char name[20];
    fit f = fit_new(10);
    snprintf(name, sizeof name, "updates%d", number++);
    opts.csv = files_folder;
    opts.name = name;
    opts.log_every_n_steps = 1;
    opts.no_progress = opts.no_summary = opts.no_checkpoint = true;
    mr_trainer *t = mr_trainer_new(&opts);
    mr_status status = mr_trainer_fit(t, f.task, f.loader);
    const char *path = mr_trainer_metrics_path(t);
    snprintf(rows_text, sizeof rows_text, "%s", *path ? file_contents(path, NULL) : "");
    *weight = fit_weight(&f);
    *bias = fit_bias(&f);
    mr_trainer_free(t);
    fit_free(&f);
    return status;
}

/* One step of gradient descent over samples first … end - 1 of ten, y = 2x, by hand. */
static void descend(double *w, double *b, int first, int end, double most)
{
    double dw = 0, db = 0;
    for (int i = first; i < end; i++) {
        const double x = i / 10.0, e = *w * x + *b - 2 * x;
        dw += 2 * e * x / (end - first);
        db += 2 * e / (end - first);
    }
    const double norm = sqrt(dw * dw + db * db), factor = most > 0 && norm > most ? most / (norm + 1e-6) : 1;
    *w -= 0.1 * factor * dw;
    *b -= 0.1 * factor * db;
}

static void begin(double *w, double *b)
{
    fit f = fit_new(10);
    *w = (double)fit_weight(&f);
    *b = (double)fit_bias(&f);
    fit_free(&f);
}

static mr_tensor *log_index(mr_step *s, const mr_batch *batch, mr_tensor *loss)
{
    (void)batch;
    mr_log(s, "batch", fit_value(s, (double)s->batch_index), NULL);
    return loss;
}

/* Two batches of four are one of eight; what is left at the end of the epoch is one of two. */
static void test_accumulation(void)
{
    double w, b;
    float weight, bias;
    begin(&w, &b);
    hook.step = log_index;
    CHECK_EQ_I64(train((mr_trainer_opts){ .max_epochs = 2, .accumulate_grad_batches = 2 }, &weight, &bias),
                 MR_OK);
    for (int epoch = 0; epoch < 2; epoch++) {
        descend(&w, &b, 0, 8, 0);
        descend(&w, &b, 8, 10, 0);
    }
    CHECK_CLOSE(weight, w, 1e-5, 0);
    CHECK_CLOSE(bias, b, 1e-5, 0);
    CHECK_EQ_STR(rows_text, "batch,epoch,step\r\n1.0,0,0\r\n2.0,0,1\r\n1.0,1,2\r\n2.0,1,3\r\n");
}

/* All three as one: batches count by their rows, 4, 4 and 2. */
static void test_ragged_window(void)
{
    double w, b;
    float weight, bias;
    begin(&w, &b);
    CHECK_EQ_I64(train((mr_trainer_opts){ .max_epochs = 1, .accumulate_grad_batches = 5 }, &weight, &bias),
                 MR_OK);
    descend(&w, &b, 0, 10, 0);
    CHECK_CLOSE(weight, w, 1e-5, 0);
    CHECK_CLOSE(bias, b, 1e-5, 0);
}

static mr_tensor *weigh(mr_step *s, const mr_batch *batch, mr_tensor *loss)
{
    (void)batch;
    mr_step_set_weight(s, s->batch_index == 2 ? 1e9 : 1e-9);
    return loss;
}

static void test_weights(void)
{
    double w, b;
    float weight, bias;
    begin(&w, &b);
    hook.step = weigh;
    CHECK_EQ_I64(train((mr_trainer_opts){ .max_epochs = 1, .accumulate_grad_batches = 3 }, &weight, &bias),
                 MR_OK);
    descend(&w, &b, 8, 10, 0);
    CHECK_CLOSE(weight, w, 1e-5, 0);
    CHECK_CLOSE(bias, b, 1e-5, 0);
}

static mr_tensor *weigh_wrongly(mr_step *s, const mr_batch *batch, mr_tensor *loss)
{
    (void)batch;
    mr_step_set_weight(s, 0);
    return loss;
}

static void test_clipping(void)
{
    double w, b;
    float weight, bias;
    begin(&w, &b);
    CHECK_EQ_I64(train((mr_trainer_opts){ .max_epochs = 1, .gradient_clip_norm = 0.25 }, &weight, &bias),
                 MR_OK);
    for (int i = 0; i < 10; i += 4)
        descend(&w, &b, i, i + 4 < 10 ? i + 4 : 10, 0.25);
    CHECK_CLOSE(weight, w, 1e-5, 0);
    CHECK_CLOSE(bias, b, 1e-5, 0);

    double w0, b0; /* each number in [-1e-3, 1e-3]: all three steps are of that size, whatever the sign */
    begin(&w0, &b0);
    CHECK_EQ_I64(train((mr_trainer_opts){ .max_steps = 1, .gradient_clip_value = 1e-3 }, &weight, &bias),
                 MR_OK);
    CHECK_CLOSE(fabs((double)weight - w0), 1e-4, 1e-2, 0);
    CHECK_CLOSE(fabs((double)bias - b0), 1e-4, 1e-2, 0);

    CHECK_EQ_I64(train((mr_trainer_opts){ .max_epochs = 1, .gradient_clip_value = MR_ZERO }, &weight, &bias),
                 MR_OK);
    CHECK((double)weight == w0 && (double)bias == b0);
    CHECK_EQ_I64(train((mr_trainer_opts){ .max_epochs = 1, .gradient_clip_norm = MR_ZERO }, &weight, &bias),
                 MR_OK);
    CHECK((double)weight == w0 && (double)bias == b0);
}

static mr_tensor *skip_first(mr_step *s, const mr_batch *batch, mr_tensor *loss)
{
    (void)loss, (void)batch;
    mr_log(s, "batch", fit_value(s, (double)s->batch_index), NULL);
    if (s->batch_index != 1)
        return loss;
    mr_step_skip(s);
    return NULL;
}

static void test_skipping(void)
{
    double w, b;
    float weight, bias;
    begin(&w, &b);
    hook.step = skip_first;
    CHECK_EQ_I64(train((mr_trainer_opts){ .max_epochs = 1 }, &weight, &bias), MR_OK);
    descend(&w, &b, 0, 4, 0);
    descend(&w, &b, 8, 10, 0);
    CHECK_CLOSE(weight, w, 1e-5, 0);
    CHECK_EQ_STR(rows_text, "batch,epoch,step\r\n0.0,0,0\r\n2.0,0,1\r\n");
}

static void test_limit(void)
{
    double w, b;
    float weight, bias;
    begin(&w, &b);
    hook.step = log_index;
    CHECK_EQ_I64(train((mr_trainer_opts){ .max_epochs = 2, .limit_train_batches = 2 }, &weight, &bias),
                 MR_OK);
    CHECK_EQ_STR(rows_text, "batch,epoch,step\r\n0.0,0,0\r\n1.0,0,1\r\n0.0,1,2\r\n1.0,1,3\r\n");
}

/* ---- schedules ---- */

static mr_optim *the_optim;

static mr_optim *remember(mr_module *model)
{
    return the_optim = mr_sgd_new(mr_module_parameters(model), 0.8, NULL);
}

static mr_schedule *halving(void *self, mr_optim *optim)
{
    (void)self;
    CHECK(optim == the_optim);
    return mr_exponential_lr_new(optim, 0.5);
}

static mr_tensor *log_lr(mr_step *s, const mr_batch *batch, mr_tensor *loss)
{
    (void)batch;
    mr_log(s, "lr", mr_scalar(s->tape, MR_FLOAT64, mr_optim_lr(the_optim)), NULL);
    return loss;
}

static mr_schedule *none(void *self, mr_optim *optim)
{
    (void)self, (void)optim;
    return NULL;
}

static mr_status with_schedule(const mr_task_vtable *vtable, mr_trainer_opts opts)
{
    static int number;
    char name[20];
    fit f = fit_new(10);
    mr_task *task = mr_task_new(vtable, f.model, NULL, 0);
    snprintf(name, sizeof name, "schedule%d", number++);
    hook.step = log_lr;
    hook.optimizers = remember;
    opts.csv = files_folder;
    opts.name = name;
    opts.log_every_n_steps = 1;
    opts.no_progress = opts.no_summary = opts.no_checkpoint = true;
    mr_trainer *t = mr_trainer_new(&opts);
    mr_status status = mr_trainer_fit(t, task, f.loader);
    snprintf(rows_text, sizeof rows_text, "%s",
             status ? "" : file_contents(mr_trainer_metrics_path(t), NULL));
    mr_trainer_free(t);
    mr_task_free(task);
    fit_free(&f);
    return status;
}

static void test_schedules(void)
{
    static const mr_task_vtable each_epoch = { .training_step = fit_step,
                                               .configure_optimizers = fit_optimizers,
                                               .configure_schedule = halving };
    static const mr_task_vtable each_step = { .training_step = fit_step,
                                              .configure_optimizers = fit_optimizers,
                                              .configure_schedule = halving,
                                              .schedule_each_step = true };
    static const mr_task_vtable without = { .training_step = fit_step,
                                            .configure_optimizers = fit_optimizers,
                                            .configure_schedule = none };
    CHECK_EQ_I64(with_schedule(&each_epoch, (mr_trainer_opts){ .max_epochs = 2 }), MR_OK);
    CHECK_EQ_STR(rows_text,
                 "lr,epoch,step\r\n0.8,0,0\r\n0.8,0,1\r\n0.8,0,2\r\n0.4,1,3\r\n0.4,1,4\r\n0.4,1,5\r\n");
    CHECK_EQ_I64(with_schedule(&each_step, (mr_trainer_opts){ .max_epochs = 1 }), MR_OK);
    CHECK_EQ_STR(rows_text, "lr,epoch,step\r\n0.8,0,0\r\n0.4,0,1\r\n0.2,0,2\r\n");
    CHECK_EQ_I64(
        with_schedule(&each_step, (mr_trainer_opts){ .max_epochs = 2, .accumulate_grad_batches = 2 }), MR_OK);
    CHECK_EQ_STR(rows_text, "lr,epoch,step\r\n0.8,0,0\r\n0.4,0,1\r\n0.2,1,2\r\n0.1,1,3\r\n");
    CHECK_EQ_I64(with_schedule(&without, (mr_trainer_opts){ .max_epochs = 1 }), MR_ERR_CALLBACK);
    CHECK_EQ_STR(mr_error(), "fit: configure_schedule gave no schedule");
}

/* Three batches in an epoch. */
static void test_schedule_frequency(void)
{
    mr_task_vtable task = { .training_step = fit_step,
                            .configure_optimizers = fit_optimizers,
                            .configure_schedule = halving,
                            .schedule_frequency = 2 };
    CHECK_EQ_I64(with_schedule(&task, (mr_trainer_opts){ .max_epochs = 3 }), MR_OK);
    CHECK_EQ_STR(rows_text,
                 "lr,epoch,step\r\n0.8,0,0\r\n0.8,0,1\r\n0.8,0,2\r\n0.8,1,3\r\n0.8,1,4\r\n0.8,1,5\r\n"
                 "0.4,2,6\r\n0.4,2,7\r\n0.4,2,8\r\n");
    task.schedule_each_step = true;
    CHECK_EQ_I64(with_schedule(&task, (mr_trainer_opts){ .max_epochs = 2 }), MR_OK);
    CHECK_EQ_STR(rows_text,
                 "lr,epoch,step\r\n0.8,0,0\r\n0.8,0,1\r\n0.4,0,2\r\n0.4,1,3\r\n0.4,1,4\r\n0.2,1,5\r\n");
    /* the window that the end of the epoch cuts short ends with the third batch */
    task.schedule_frequency = 3;
    CHECK_EQ_I64(with_schedule(&task, (mr_trainer_opts){ .max_epochs = 2, .accumulate_grad_batches = 2 }),
                 MR_OK);
    CHECK_EQ_STR(rows_text, "lr,epoch,step\r\n0.8,0,0\r\n0.8,0,1\r\n0.4,1,2\r\n0.4,1,3\r\n");
    task.schedule_frequency = -1;
    CHECK_EQ_I64(with_schedule(&task, (mr_trainer_opts){ .max_epochs = 1 }), MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(), "fit: schedule_frequency is -1, less than 1");
}

/* ---- how many there will be ---- */

static mr_trainer *asked;
static int64_t estimated;

static mr_optim *ask(mr_module *model)
{
    estimated = mr_trainer_estimated_steps(asked);
    return mr_sgd_new(mr_module_parameters(model), 0.1, NULL);
}

static int64_t estimated_steps(mr_trainer_opts opts)
{
    fit f = fit_new(10);
    opts.no_progress = opts.no_summary = true;
    hook.optimizers = ask;
    asked = mr_trainer_new(&opts);
    CHECK_EQ_I64(mr_trainer_estimated_steps(asked), -1);
    estimated = -2;
    CHECK_EQ_I64(mr_trainer_fit(asked, f.task, f.loader), MR_OK);
    CHECK_EQ_I64(mr_trainer_estimated_steps(asked), -1);
    mr_trainer_free(asked);
    fit_free(&f);
    return estimated;
}

static void test_estimated_steps(void)
{
    CHECK_EQ_I64(mr_trainer_estimated_steps(NULL), -1);
    CHECK_EQ_I64(estimated_steps((mr_trainer_opts){ .max_epochs = 4 }), 12);
    CHECK_EQ_I64(estimated_steps((mr_trainer_opts){ .max_epochs = 4, .accumulate_grad_batches = 2 }), 8);
    CHECK_EQ_I64(estimated_steps((mr_trainer_opts){ .max_epochs = 4, .limit_train_batches = 2 }), 8);
    CHECK_EQ_I64(estimated_steps((mr_trainer_opts){ .max_epochs = 4, .max_steps = 5 }), 5);
    CHECK_EQ_I64(estimated_steps((mr_trainer_opts){ .max_steps = 5 }), 5);
    CHECK_EQ_I64(estimated_steps((mr_trainer_opts){ .max_time = "0.001s" }), -1);
}

/* ---- what is refused ---- */

#define REFUSED(text, ...)                                                \
    do {                                                                  \
        CHECK(mr_trainer_new(&(mr_trainer_opts){ __VA_ARGS__ }) == NULL); \
        CHECK_EQ_STR(mr_error(), text);                                   \
    } while (0)

static void test_refused(void)
{
    float weight, bias;
    REFUSED("trainer_new: accumulate_grad_batches -1 is not at least 1", .accumulate_grad_batches = -1);
    REFUSED("trainer_new: limit_train_batches -2 is not at least 1", .limit_train_batches = -2);
    REFUSED("trainer_new: gradient_clip_norm -1 is negative", .gradient_clip_norm = -1);
    REFUSED("trainer_new: gradient_clip_value -0.5 is negative", .gradient_clip_value = -0.5);
    hook.step = weigh_wrongly;
    CHECK_EQ_I64(train((mr_trainer_opts){ .max_epochs = 1 }, &weight, &bias), MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(), "fit: epoch 0, step 0: step_set_weight: 0 is no weight");
}

int main(void)
{
    if (!files_begin())
        return 1;
    RUN(test_accumulation);
    RUN(test_ragged_window);
    RUN(test_weights);
    RUN(test_clipping);
    RUN(test_skipping);
    RUN(test_limit);
    RUN(test_schedules);
    RUN(test_schedule_frequency);
    RUN(test_estimated_steps);
    RUN(test_refused);
    return files_report();
}

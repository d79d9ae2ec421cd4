/* Callbacks that go by the clock, and the one of single functions. What is looked at here does not hang on how fast the machine
 * is. */
#include "train/throughput.h"
#include "train/trainer.h"

#include "check.h"
#include "fit.h"

#include <time.h>

static void pause_for(long milliseconds)
{
    nanosleep(&(struct timespec){ milliseconds / 1000, milliseconds % 1000 * 1000000 }, NULL);
}

static mr_tensor *slow_step(mr_step *s, const mr_batch *b, mr_tensor *loss)
{
    (void)s;
    (void)b;
    pause_for(10);
    return loss;
}

static mr_status nothing(mr_step *s, const mr_batch *b)
{
    (void)s;
    (void)b;
    pause_for(1);
    return MR_OK;
}

static const mr_task_vtable task_vtable = { .training_step = fit_step,
                                            .configure_optimizers = fit_optimizers,
                                            .validation_step = nothing,
                                            .test_step = nothing };

static int64_t steps;

/* Ten samples in batches of four; validated when `validate`. The callback is freed. */
static mr_status train(mr_callback *callback, bool validate, mr_trainer_opts opts,
                       void (*look)(mr_trainer *, const mr_callback *))
{
    fit f = fit_new(10);
    hook.step = slow_step;
    mr_task *task = mr_task_new(&task_vtable, f.model, NULL, 0);
    mr_loader *val = mr_loader_new(f.data, f.rng, NULL);
    opts.no_summary = true;
    mr_trainer *t = mr_trainer_new(&opts);
    (void)mr_trainer_add_callback(t, callback);
    if (validate)
        (void)mr_trainer_set_val_loader(t, val);
    mr_status status = mr_trainer_fit(t, task, f.loader);
    steps = mr_trainer_global_step(t);
    if (look) {
        CHECK_EQ_I64(mr_trainer_test(t, task, val), MR_OK);
        look(t, callback);
    }
    mr_trainer_free(t);
    mr_loader_free(val);
    mr_task_free(task);
    fit_free(&f);
    return status;
}

/* ---- Timer ---- */

static void look_at_stages(mr_trainer *t, const mr_callback *timer)
{
    (void)t;
    const double all = mr_timer_elapsed(timer, MR_STAGE_FIT),
                 part = mr_timer_elapsed(timer, MR_STAGE_VALIDATE);
    CHECK(part >= 2 * 10 * 0.001); /* two validations of ten batches */
    CHECK(all >= 2 * 3 * 0.01 + part);
    CHECK(mr_timer_elapsed(timer, MR_STAGE_TEST) >= 10 * 0.001);
    CHECK(mr_timer_elapsed(timer, MR_STAGE_PREDICT) == 0);
    CHECK(mr_timer_elapsed(timer, MR_STAGE_FIT) == all); /* it stands still */
    CHECK(mr_timer_remaining(timer) == INFINITY);
    CHECK(isnan(mr_timer_elapsed(timer, (mr_stage)7)));
}

static void test_timer(void)
{
    CHECK_EQ_I64(train(mr_timer_new(NULL), true, (mr_trainer_opts){ .max_epochs = 2, .no_progress = true },
                       look_at_stages),
                 MR_OK);
    CHECK_EQ_I64(steps, 6);
    CHECK(isnan(mr_timer_elapsed(NULL, MR_STAGE_FIT)) && isnan(mr_timer_remaining(NULL)));
}

static void look_at_rest(mr_trainer *t, const mr_callback *timer)
{
    (void)t;
    CHECK(mr_timer_remaining(timer) <= 0);
}

static void test_time_limit(void)
{
    const mr_trainer_opts endless = { .max_epochs = -1, .no_progress = true };
    mr_set_log_hook(hear, NULL);
    CHECK_EQ_I64(train(mr_timer_new(&(mr_timer_opts){ .duration = "0.2s" }), false, endless, look_at_rest),
                 MR_OK);
    CHECK(strstr(heard, "Time limit reached. Elapsed time is 0:00:0") != NULL);
    CHECK(steps > 0);
    *heard = '\0';
    CHECK_EQ_I64(train(mr_timer_new(&(mr_timer_opts){ .duration = "0.1s", .at_epochs = true, .quiet = true }),
                       false, endless, NULL),
                 MR_OK);
    CHECK(steps > 0 && steps % 3 == 0); /* whole epochs */
    CHECK(!strstr(heard, "Time limit"));
    mr_set_log_hook(NULL, NULL);
    CHECK(!mr_timer_new(&(mr_timer_opts){ .duration = "3ep" }));
    CHECK_EQ_STR(mr_error(), "timer: duration '3ep' is not a number of seconds, such as 3600s");
    CHECK(!mr_timer_new(&(mr_timer_opts){ .duration = "x" }));
    CHECK_EQ_STR(mr_error(), "timer: duration 'x' does not begin with a number");
}

static mr_tensor *slow_and_logged(mr_step *s, const mr_batch *b, mr_tensor *loss)
{
    mr_log_value(s, "number", (double)s->global_step, NULL);
    return slow_step(s, b, loss);
}

static mr_status count_up(void *self, mr_step *s);

/* By its own limit as by a callback's a training that ends within an epoch is validated, and has a row of its last step. */
static void test_end_within_an_epoch(void)
{
    for (int i = 0; i < 2; i++) {
        int validations = 0;
        char wanted[80];
        fit f = fit_new(40000);
        hook.step = slow_and_logged;
        mr_task *task = mr_task_new(&task_vtable, f.model, NULL, 0);
        mr_loader *val = mr_loader_new(f.data, f.rng, NULL);
        mr_trainer *t = mr_trainer_new(&(mr_trainer_opts){ .max_epochs = 1,
                                                           .max_time = i ? NULL : "0.15s",
                                                           .limit_val_batches = 1,
                                                           .csv = files_folder,
                                                           .name = "within",
                                                           .log_every_n_steps = 10000,
                                                           .no_progress = true,
                                                           .no_checkpoint = true,
                                                           .no_summary = true });
        (void)mr_trainer_set_val_loader(t, val);
        if (i)
            (void)mr_trainer_add_callback(
                t, mr_timer_new(&(mr_timer_opts){ .duration = "0.15s", .quiet = true }));
        (void)mr_trainer_add_callback(
            t, mr_lambda_callback_new(&(mr_callback_vtable){ .on_validation_end = count_up }, &validations));
        CHECK_EQ_I64(mr_trainer_fit(t, task, f.loader), MR_OK);
        const long long last = mr_trainer_global_step(t) - 1;
        CHECK(last < 9999);
        CHECK_EQ_I64(validations, 1);
        snprintf(wanted, sizeof wanted, "number,epoch,step\r\n%lld.0,0,%lld\r\n", last, last);
        CHECK_EQ_STR(file_contents(mr_trainer_metrics_path(t), NULL), wanted);
        mr_trainer_free(t);
        mr_loader_free(val);
        mr_task_free(task);
        fit_free(&f);
    }
}

static mr_status stop_late(void *self, mr_step *s)
{
    (void)self;
    (void)s;
    pause_for(5);
    return MR_OK;
}

/* The time of a training that was interrupted counts. */
static void test_time_resumed(void)
{
    for (int i = 0; i < 2; i++) {
        fit f = fit_new(10);
        mr_callback *timer = mr_timer_new(&(mr_timer_opts){ .duration = i ? "0.2s" : "1000s" });
        mr_trainer *t = mr_trainer_new(&(mr_trainer_opts){ .max_epochs = i ? 1000000 : 30,
                                                           .csv = files_folder,
                                                           .name = "timer",
                                                           .resume = "last",
                                                           .no_progress = true,
                                                           .no_summary = true });
        (void)mr_trainer_add_callback(t, timer);
        (void)mr_trainer_add_callback(
            t, mr_lambda_callback_new(&(mr_callback_vtable){ .on_train_batch_end = stop_late }, NULL));
        CHECK_EQ_I64(mr_trainer_fit(t, f.task, f.loader), MR_OK);
        if (i == 0)
            CHECK(mr_timer_elapsed(timer, MR_STAGE_FIT) >= 30 * 3 * 0.005);
        else
            CHECK_EQ_I64(mr_trainer_global_step(t), 30 * 3); /* it was over at once */
        mr_trainer_free(t);
        fit_free(&f);
    }
}

/* ---- Throughput ---- */

static void test_rates(void)
{
    const mr_loader_stats
        from = { .samples = 100, .batches = 10, .wait = { .seconds = 1 }, .caller = { .seconds = 2 } },
        to = { .samples = 400, .batches = 40, .wait = { .seconds = 1.5 }, .caller = { .seconds = 3.5 } };
    const mr__rates rates = mr__rates_between(&from, &to, 2);
    CHECK(rates.samples == 150 && rates.batches == 15 && rates.data_wait == 0.25);
    CHECK(mr__rates_between(&from, &from, 1).data_wait == 0);
    mr_loader_stats busy = { .fill = { .seconds = 9 }, .all = { .seconds = 5 } };
    CHECK_EQ_STR(mr__loader_advice(0, &busy), "give the loader workers");
    CHECK_EQ_STR(mr__loader_advice(2, &busy), "more workers, or samples that are made faster");
    busy.fill.seconds = 1;
    CHECK_EQ_STR(mr__loader_advice(2, &busy), "more batches ahead (prefetch)");
}

static bool lazy;

static mr_status slow_sample(int64_t index)
{
    (void)index;
    if (lazy)
        pause_for(20);
    return MR_OK;
}

static char bar[400];

/* What the bar would show; the callback is the second, so the values are there. */
static mr_status look_at_bar(void *self, mr_step *s)
{
    const mr__reporter *r = ((mr__fit *)s)->reporter;
    (void)self;
    *bar = '\0';
    for (size_t i = 0; i < r->metric_count; i++)
        if (r->metric[i].seen) {
            CHECK(isfinite(r->metric[i].latest) && r->metric[i].latest >= 0);
            strcat(bar, r->metric[i].name);
            strcat(bar, "|");
        }
    return MR_OK;
}

static mr_status slow_validation(mr_step *s, const mr_batch *b)
{
    (void)s, (void)b;
    pause_for(150);
    return MR_OK;
}

static const char *validation; /* how often; NULL: there is none */
static int64_t log_every = 1;

static mr_status run(const mr_throughput_opts *opts, int64_t epochs, mr_frame **frame)
{
    static int number;
    char name[30];
    snprintf(name, sizeof name, "throughput%d", number++);
    fit f = fit_new(10);
    hook.step = lazy ? NULL : slow_step;
    hook.sample = slow_sample;
    mr_trainer *t = mr_trainer_new(&(mr_trainer_opts){ .max_epochs = epochs,
                                                       .csv = files_folder,
                                                       .name = name,
                                                       .log_every_n_steps = log_every,
                                                       .val_check_interval = validation,
                                                       .no_progress = true,
                                                       .no_checkpoint = true,
                                                       .no_summary = true });
    static const mr_task_vtable validated = { .training_step = fit_step,
                                              .configure_optimizers = fit_optimizers,
                                              .validation_step = slow_validation };
    mr_task *task = mr_task_new(&validated, f.model, NULL, 0);
    mr_loader *val = mr_loader_new(f.data, f.rng, &(mr_loader_opts){ .batch_size = 10 });
    if (validation)
        (void)mr_trainer_set_val_loader(t, val);
    (void)mr_trainer_add_callback(t, mr_throughput_new(opts));
    (void)mr_trainer_add_callback(
        t, mr_lambda_callback_new(&(mr_callback_vtable){ .on_train_batch_end = look_at_bar }, NULL));
    mr_set_log_hook(hear, NULL);
    mr_status status = mr_trainer_fit(t, task, f.loader);
    mr_set_log_hook(NULL, NULL);
    if (frame)
        *frame = mr_frame_read_csv(mr_trainer_metrics_path(t));
    mr_trainer_free(t);
    mr_task_free(task);
    mr_loader_free(val);
    fit_free(&f);
    return status;
}

static int numbers(const double *column, int64_t rows)
{
    int count = 0;
    for (int64_t i = 0; column && i < rows; i++)
        count += !isnan(column[i]);
    return count;
}

/* Epochs, and steps to a row, that are shorter and longer than a window; validations that take most of the time. */
static void test_throughput_windows(void)
{
    static const char name[] = "throughput/samples_per_sec";
    const mr_throughput_opts opts = { .window = 0.05, .log = true };
    mr_frame *frame;
    lazy = false;
    validation = "1ep";
    CHECK_EQ_I64(run(&opts, 6, &frame), MR_OK);
    const int64_t rows = mr_frame_rows(frame);
    const double *samples = mr_frame_column(frame, name);
    CHECK(numbers(samples, rows) > 0);
    for (int64_t i = 0; samples && i < rows; i++)
        CHECK(isnan(samples[i]) || samples[i] > 25); /* 4 samples in 10 ms, or with the validations in 60 */
    mr_frame_free(frame);
    validation = NULL;
    log_every = 12;
    CHECK_EQ_I64(run(&opts, 16, &frame), MR_OK);
    CHECK_EQ_I64(mr_frame_rows(frame), 4);
    CHECK_EQ_I64(numbers(mr_frame_column(frame, name), 4), 4);
    mr_frame_free(frame);
    log_every = 1;
}

static void test_throughput(void)
{
    mr_frame *frame;
    lazy = false;
    CHECK_EQ_I64(
        run(&(mr_throughput_opts){ .window = 0.05, .flops_per_sample = 8, .peak_flops = 1e3, .log = true },
            10, &frame),
        MR_OK);
    CHECK_EQ_STR(bar, "samples/s|FLOP/s|MFU|data_wait|");
    CHECK(!strstr(heard, "bound"));
    if (CHECK(frame && mr_frame_rows(frame) > 0)) {
        const double *samples = mr_frame_column(frame, "throughput/samples_per_sec"),
                     *flops = mr_frame_column(frame, "throughput/flops_per_sec"),
                     *mfu = mr_frame_column(frame, "throughput/mfu"),
                     *batches = mr_frame_column(frame, "throughput/batches_per_sec"),
                     *wait = mr_frame_column(frame, "throughput/data_wait");
        CHECK(samples && samples[0] > 0 && samples[0] < 400); /* ten milliseconds for four */
        CHECK(flops && flops[0] == 8 * samples[0] && mfu && mfu[0] == flops[0] / 1e3);
        CHECK(batches && samples[0] > 2 * batches[0] && samples[0] <= 4 * batches[0]);
        CHECK(wait && wait[0] < 0.5);
    }
    mr_frame_free(frame);
    lazy = true;
    CHECK_EQ_I64(run(&(mr_throughput_opts){ .window = 0.05 }, 2, NULL), MR_OK);
    CHECK_EQ_STR(bar, "samples/s|loader-bound: give the loader workers; data_wait|");
    const char *line = strstr(heard, "fit: loader-bound: of ");
    CHECK(line && strstr(line, ": give the loader workers\n"));
    *heard = '\0';
    CHECK_EQ_I64(run(&(mr_throughput_opts){ .window = 0.05, .quiet = true, .no_prog_bar = true }, 2, NULL),
                 MR_OK);
    CHECK_EQ_STR(bar, "");
    CHECK_EQ_STR(heard, "");
    static const mr_throughput_opts wrong[] = { { .window = -1 },
                                                { .flops_per_sample = -2 },
                                                { .peak_flops = -3 } };
    static const char *const texts[] = { "throughput: window -1 is negative",
                                         "throughput: flops_per_sample -2 is negative",
                                         "throughput: peak_flops -3 is negative" };
    for (int i = 0; i < 3; i++) {
        CHECK(!mr_throughput_new(&wrong[i]));
        CHECK_EQ_STR(mr_error(), texts[i]);
    }
}

/* ---- single functions ---- */

static mr_status count_up(void *self, mr_step *s)
{
    (void)s;
    ++*(int *)self;
    return MR_OK;
}

static mr_status refuse(void *self, mr_step *s)
{
    (void)self;
    (void)s;
    return MR_ERR_STATE;
}

static void destroyed(void *self)
{
    *(int *)self = 77;
}

static void test_lambda(void)
{
    int count = 0;
    mr_callback *c = mr_lambda_callback_new(
        &(mr_callback_vtable){ .on_train_batch_end = count_up, .destroy = destroyed }, &count);
    CHECK(mr_callback_self(c) == &count);
    fit f = fit_new(10);
    mr_trainer *t =
        mr_trainer_new(&(mr_trainer_opts){ .max_epochs = 2, .no_progress = true, .no_summary = true });
    CHECK_EQ_I64(mr_trainer_add_callback(t, c), MR_OK);
    CHECK_EQ_I64(mr_trainer_fit(t, f.task, f.loader), MR_OK);
    CHECK_EQ_I64(count, 6);
    CHECK_EQ_I64(mr_trainer_add_callback(
                     t, mr_lambda_callback_new(&(mr_callback_vtable){ .on_train_end = refuse }, NULL)),
                 MR_OK);
    CHECK_EQ_I64(mr_trainer_fit(t, f.task, f.loader), MR_ERR_STATE);
    CHECK_EQ_STR(mr_error(), "fit: LambdaCallback: on_train_end failed without a message");
    mr_trainer_free(t);
    CHECK_EQ_I64(count, 77);
    mr_callback_free(mr_lambda_callback_new(&(mr_callback_vtable){ .name = "Mine" }, NULL));
    CHECK(!mr_lambda_callback_new(NULL, NULL));
    CHECK_EQ_STR(mr_error(), "lambda_callback: hooks is NULL");
    fit_free(&f);
}

int main(void)
{
    if (!files_begin())
        return 1;
    RUN(test_timer);
    RUN(test_time_limit);
    RUN(test_end_within_an_epoch);
    RUN(test_time_resumed);
    RUN(test_rates);
    RUN(test_throughput);
    RUN(test_throughput_windows);
    RUN(test_lambda);
    return files_report();
}

/* The profiler: stages that are made slow take at least as long, each is counted, and together they are all there is. */
#include "check.h"
#include "fit.h"

#include <time.h>

static void pause_for(long milliseconds)
{
    nanosleep(&(struct timespec){ 0, milliseconds * 1000000 }, NULL);
}

static mr_status slow_sample(int64_t index)
{
    if (index % 4 == 0)
        pause_for(3);
    return MR_OK;
}

static mr_tensor *slow_step(mr_step *s, const mr_batch *b, mr_tensor *loss)
{
    (void)b;
    pause_for(5);
    mr_log(s, "loss", loss, NULL);
    return loss;
}

static mr_status slow_validation(mr_step *s, const mr_batch *b)
{
    (void)b;
    pause_for(7);
    mr_log_value(s, "val_loss", 1, NULL);
    return MR_OK;
}

static mr_status slow_hook(void *self, mr_step *s)
{
    (void)self;
    (void)s;
    pause_for(4);
    return MR_OK;
}

static mr_status slow_backward(mr_step *s, mr_tensor *loss)
{
    pause_for(6);
    return mr_backward(s->tape, loss);
}

static mr_status slow_update(mr_step *s)
{
    pause_for(8);
    return mr_optim_step(s->optim);
}

static const mr_task_vtable task_vtable = { .training_step = fit_step,
                                            .configure_optimizers = fit_optimizers,
                                            .validation_step = slow_validation,
                                            .backward = slow_backward,
                                            .optimizer_step = slow_update };

static mr_profile_row row[16];
static size_t rows;

static const mr_profile_row *stage(const char *name)
{
    size_t i = 0;
    while (i < rows && strcmp(row[i].stage, name) != 0)
        i++;
    return CHECK(i < rows) ? &row[i] : row;
}

/* Ten samples in three batches, two windows of up to two; validated as one batch. */
static mr_status train(mr_trainer *t, mr_callback *profiler)
{
    fit f = fit_new(10);
    hook.step = slow_step;
    hook.sample = slow_sample;
    mr_task *task = mr_task_new(&task_vtable, f.model, NULL, 0);
    mr_loader *val = mr_loader_new(f.data, f.rng, &(mr_loader_opts){ .batch_size = 10 });
    (void)mr_trainer_set_val_loader(t, val);
    mr_status status = mr_trainer_fit(t, task, f.loader);
    const mr_profile_row *found = mr_profiler_rows(profiler, &rows);
    if (found && CHECK(rows <= sizeof row / sizeof *row))
        memcpy(row, found, rows * sizeof *row);
    mr_loader_free(val);
    mr_task_free(task);
    fit_free(&f);
    return status;
}

static mr_trainer *trainer_new(const char *name)
{
    return mr_trainer_new(&(mr_trainer_opts){ .max_epochs = 2,
                                              .accumulate_grad_batches = 2,
                                              .csv = files_folder,
                                              .name = name,
                                              .log_every_n_steps = 1,
                                              .no_progress = true,
                                              .no_summary = true });
}

static void check_stage(const char *name, int64_t calls, double milliseconds)
{
    const mr_profile_row *r = stage(name);
    if (!CHECK_EQ_I64(r->calls, calls) || !CHECK(r->seconds >= milliseconds * 1e-3))
        printf("    %s: %g ms\n", name, r->seconds * 1e3);
}

static void test_stages(void)
{
    mr_trainer *t = trainer_new("stages");
    mr_callback *profiler = mr_profiler_new(NULL);
    (void)mr_trainer_add_callback(t, profiler);
    (void)mr_trainer_add_callback(
        t, mr_lambda_callback_new(&(mr_callback_vtable){ .on_train_batch_start = slow_hook }, NULL));
    size_t none = 7;
    CHECK(!mr_profiler_rows(profiler, &none) && none == 0);
    mr_set_log_hook(hear, NULL);
    CHECK_EQ_I64(train(t, profiler), MR_OK);
    mr_set_log_hook(NULL, NULL);
    CHECK_EQ_I64(rows, 12);
    check_stage("data", 2 * 4, 2 * 3 * 3); /* the end of an epoch is a call, too */
    check_stage("training_step", 2 * 3, 2 * 3 * 5);
    check_stage("zero_grad", 2 * 2, 0);
    check_stage("backward", 2 * 3, 2 * 3 * 6);
    check_stage("optimizer_step", 2 * 2, 2 * 2 * 8);
    check_stage("validation data", 2 * 2, 2 * 3 * 3);
    check_stage("validation_step", 2, 2 * 7);
    CHECK(stage("callbacks")->seconds >= 2 * 3 * 0.004);
    check_stage("checkpoint", 2, 0);
    CHECK(stage("logging")->calls >= 2 * 3 && stage("logging")->seconds > 0);
    CHECK_EQ_I64(stage("total")->calls, 6);
    double seconds = 0, share = 0;
    for (size_t i = 0; i + 1 < rows; i++) {
        seconds += row[i].seconds;
        share += row[i].share;
        CHECK(row[i].share >= 0 && row[i].share == row[i].seconds / stage("total")->seconds);
    }
    CHECK_CLOSE(seconds, stage("total")->seconds, 1e-9, 0);
    CHECK_CLOSE(share, 1, 1e-9, 0);
    static const char head[] = "Stage                 Calls    Total (s)    Mean (us)    Share\n";
    CHECK(strncmp(heard, head, strlen(head)) == 0);
    CHECK(strstr(heard, "\ntraining_step             6 ") != NULL);
    CHECK(strstr(heard, "100.00 %") != NULL);
    mr_trainer_free(t);
}

/* Of several loaders, too, the time for their batches is that of data. */
static void test_loaders(void)
{
    mr_trainer *t =
        mr_trainer_new(&(mr_trainer_opts){ .max_epochs = 1, .no_progress = true, .no_summary = true });
    mr_callback *profiler = mr_profiler_new(&(mr_profiler_opts){ .quiet = true });
    (void)mr_trainer_add_callback(t, profiler);
    fit f = fit_new(10);
    mr_loader *loaders[] = { f.loader, mr_loader_new(f.data, f.rng, &(mr_loader_opts){ .batch_size = 4 }) };
    hook.sample = slow_sample;
    CHECK_EQ_I64(mr_trainer_fit_loaders(t, f.task, loaders, 2, MR_LOADERS_MIN_SIZE), MR_OK);
    const mr_profile_row *found = mr_profiler_rows(profiler, &rows);
    if (CHECK(found && rows <= sizeof row / sizeof *row))
        memcpy(row, found, rows * sizeof *row);
    check_stage("data", 4, 2 * 3 * 3);
    mr_trainer_free(t);
    mr_loader_free(loaders[1]);
    fit_free(&f);
}

static void test_others(void)
{
    mr_trainer *t = trainer_new("quiet");
    mr_callback *profiler = mr_profiler_new(&(mr_profiler_opts){ .quiet = true });
    (void)mr_trainer_add_callback(t, profiler);
    mr_set_log_hook(hear, NULL);
    CHECK_EQ_I64(train(t, profiler), MR_OK);
    CHECK_EQ_STR(heard, "");
    (void)mr_trainer_add_callback(t, mr_profiler_new(NULL));
    CHECK_EQ_I64(train(t, profiler), MR_ERR_STATE);
    mr_set_log_hook(NULL, NULL);
    CHECK_EQ_STR(mr_error(), "fit: Profiler: another profiler is there already");
    CHECK(!mr_profiler_rows(NULL, NULL));
    mr_trainer_free(t);
}

int main(void)
{
    if (!files_begin())
        return 1;
    RUN(test_stages);
    RUN(test_loaders);
    RUN(test_others);
    return files_report();
}

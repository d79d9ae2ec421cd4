/* The trainer: when it stops, which rows it writes, and what two fits share. */
#include "check.h"
#include "fit.h"

/* ---- when it stops ---- */

static void check_limits(int64_t epochs, int64_t steps, int64_t wanted, const char *line)
{
    fit f = fit_new(10);
    mr_trainer *t =
        mr_trainer_new(&(mr_trainer_opts){ .max_epochs = epochs, .max_steps = steps, .no_progress = true });
    float before = fit_weight(&f);
    CHECK_EQ_I64(mr_trainer_fit(t, f.task, f.loader), MR_OK);
    if (!CHECK_EQ_I64(mr_trainer_global_step(t), wanted))
        printf("    max_epochs %lld, max_steps %lld\n", (long long)epochs, (long long)steps);
    CHECK((fit_weight(&f) == before) == (wanted == 0));
    size_t length = strlen(heard), end = strlen(line);
    CHECK_EQ_STR(heard + (length > end ? length - end : 0), line); /* the last line */
    CHECK_EQ_STR(mr_trainer_log_dir(t), "");
    CHECK_EQ_STR(mr_trainer_metrics_path(t), "");
    CHECK_EQ_STR(mr_trainer_checkpoint_path(t), "");
    mr_trainer_free(t);
    fit_free(&f);
}

#define STOPPED "`Trainer.fit` stopped: "

static void test_limits(void)
{
    check_limits(5, 0, 15, "\n" STOPPED "`max_epochs=5` reached.\n");
    check_limits(1, 0, 3, "\n" STOPPED "`max_epochs=1` reached.\n");
    check_limits(0, 7, 7, "\n" STOPPED "`max_steps=7` reached.\n"); /* in the middle of an epoch */
    check_limits(0, 6, 6, "\n" STOPPED "`max_steps=6` reached.\n"); /* at the end of one */
    check_limits(2, 100, 6, "\n" STOPPED "`max_epochs=2` reached.\n");
    check_limits(2, 5, 5, "\n" STOPPED "`max_steps=5` reached.\n");
    check_limits(2, 6, 6, "\n" STOPPED "`max_steps=6` reached.\n"); /* both */
    check_limits(-1, 4, 4, "\n" STOPPED "`max_steps=4` reached.\n");
    check_limits(2, -1, 6, "\n" STOPPED "`max_epochs=2` reached.\n");
    check_limits(0, 0, 3000, "\n" STOPPED "`max_epochs=1000` reached.\n");
    check_limits(0, -1, 3000, "\n" STOPPED "`max_epochs=1000` reached.\n");
    check_limits(0, 3500, 3500, "\n" STOPPED "`max_steps=3500` reached.\n"); /* more than 1000 epochs */
    check_limits(MR_ZERO_INT, 0, 0, "\n" STOPPED "`max_epochs=0` reached.\n");
    check_limits(0, MR_ZERO_INT, 0, "\n" STOPPED "`max_steps=0` reached.\n");
}

static mr_tensor *stop_at_4000(mr_step *s, const mr_batch *b, mr_tensor *loss)
{
    (void)b;
    if (s->global_step == 4000)
        mr_fail(MR_ERR_STATE, "enough");
    return s->global_step == 4000 ? NULL : loss;
}

/* -1 is no limit: epochs go on behind the 1000 that are the default. */
static void test_no_limit(void)
{
    for (int64_t steps = -1; steps <= 0; steps++) {
        fit f = fit_new(10);
        hook.step = stop_at_4000;
        mr_trainer *t = mr_trainer_new(&(mr_trainer_opts){
            .max_epochs = -1, .max_steps = steps, .no_progress = true, .no_summary = true });
        CHECK_EQ_I64(mr_trainer_fit(t, f.task, f.loader), MR_ERR_STATE);
        CHECK_EQ_STR(mr_error(), "fit: epoch 1333, step 4000: enough");
        CHECK_EQ_I64(mr_trainer_global_step(t), 4000);
        mr_trainer_free(t);
        fit_free(&f);
    }
}

static void test_no_batches(void)
{
    fit f = fit_new(0);
    mr_trainer *t = mr_trainer_new(&(mr_trainer_opts){ .no_progress = true });
    CHECK_EQ_I64(mr_trainer_fit(t, f.task, f.loader), MR_OK);
    CHECK_EQ_I64(mr_trainer_global_step(t), 0);
    CHECK(strstr(heard, "\n" STOPPED "No training batches.\n") != NULL);
    mr_trainer_free(t);
    fit_free(&f);
}

/* ---- what a step sees ---- */

static int64_t seen[12][4];

static mr_tensor *look(mr_step *s, const mr_batch *b, mr_tensor *loss)
{
    if (s->global_step < 12) {
        int64_t *row = seen[s->global_step];
        row[0] = s->epoch;
        row[1] = s->batch_index;
        row[2] = b->rows;
        row[3] = *(int64_t *)s->self;
        *(int64_t *)s->self += 10; /* the task's copy, which lasts */
    }
    return loss;
}

static void test_what_a_step_sees(void)
{
    int64_t self = 5;
    fit f = fit_new(10);
    hook.step = look;
    mr_task *task = mr_task_new(&fit_task, f.model, &self, sizeof self);
    mr_trainer *t = mr_trainer_new(&(mr_trainer_opts){ .max_epochs = 4, .no_progress = true });
    CHECK_EQ_I64(mr_trainer_fit(t, task, f.loader), MR_OK);
    for (int64_t i = 0; i < 12; i++) {
        CHECK_EQ_I64(seen[i][0], i / 3);
        CHECK_EQ_I64(seen[i][1], i % 3);
        CHECK_EQ_I64(seen[i][2], i % 3 == 2 ? 2 : 4);
        CHECK_EQ_I64(seen[i][3], 5 + 10 * i);
    }
    CHECK_EQ_I64(self, 5);
    mr_trainer_free(t);
    mr_task_free(task);
    fit_free(&f);
}

/* ---- rows ---- */

static mr_tensor *log_step(mr_step *s, const mr_batch *b, mr_tensor *loss)
{
    (void)b;
    mr_log(s, "loss", fit_value(s, (double)s->global_step / 8), NULL);
    return loss;
}

static mr_tensor *log_late(mr_step *s, const mr_batch *b, mr_tensor *loss)
{
    if (s->epoch > 0)
        mr_log(s, "late", fit_value(s, -(double)s->global_step), NULL);
    return log_step(s, b, loss);
}

/* Fits ten samples, three batches an epoch, and compares metrics.csv; NULL: there is none, and no path of one. */
static void check_rows(const mr_trainer_opts *opts, const char *wanted)
{
    fit f = fit_new(10);
    hook.step = opts->name && strcmp(opts->name, "late") == 0 ? log_late : log_step;
    mr_trainer *t = mr_trainer_new(opts);
    CHECK_EQ_I64(mr_trainer_fit(t, f.task, f.loader), MR_OK);
    char path[600];
    snprintf(path, sizeof path, "%s/metrics.csv", mr_trainer_log_dir(t));
    CHECK_EQ_STR(mr_trainer_metrics_path(t), wanted ? path : ""); /* where no row was due, there is no file */
    CHECK_EQ_I64(file_exists(path), wanted != NULL);
    CHECK_EQ_STR(file_contents(path, NULL), wanted ? wanted : "");
    snprintf(path, sizeof path, "%s/hparams.yaml", mr_trainer_log_dir(t));
    CHECK_EQ_STR(file_contents(path, NULL), "{}\n");
    snprintf(path, sizeof path, "%s/checkpoints", mr_trainer_log_dir(t));
    CHECK_EQ_I64(count_entries(path), opts->no_checkpoint ? -1 : 1);
    mr_trainer_free(t);
    fit_free(&f);
}

/* A row for every n-th step, counted over all epochs; it has the number of the step before it was made. */
static void test_rows(void)
{
    mr_trainer_opts o = { .max_epochs = 4, .csv = files_folder, .no_progress = true, .no_summary = true };
    o.log_every_n_steps = 2;
    check_rows(&o, "loss,epoch,step\r\n"
                   "0.125,0,1\r\n0.375,1,3\r\n0.625,1,5\r\n0.875,2,7\r\n1.125,3,9\r\n1.375,3,11\r\n");
    o.log_every_n_steps = 5;
    o.no_checkpoint = true;
    check_rows(&o, "loss,epoch,step\r\n0.5,1,4\r\n1.125,3,9\r\n");
    o.log_every_n_steps = 12;
    check_rows(&o, "loss,epoch,step\r\n1.375,3,11\r\n");
    o.log_every_n_steps = 13;
    check_rows(&o, NULL);
    o.log_every_n_steps = 0; /* 50 */
    check_rows(&o, NULL);
    o.log_every_n_steps = MR_ZERO_INT; /* never */
    check_rows(&o, NULL);
    o.log_every_n_steps = 1;
    o.max_epochs = 0;
    o.max_steps = 4; /* in the middle of an epoch */
    check_rows(&o, "loss,epoch,step\r\n0.0,0,0\r\n0.125,0,1\r\n0.25,0,2\r\n0.375,1,3\r\n");
    o.name = "late";
    check_rows(&o, "loss,epoch,step,late\r\n0.0,0,0,\r\n0.125,0,1,\r\n0.25,0,2,\r\n0.375,1,3,-3.0\r\n");
    o.max_steps = 17;
    o.max_epochs = 17;
    o.log_every_n_steps = 0; /* 50 */
    check_rows(&o, NULL);
    o.max_steps = 99;
    o.max_epochs = 99;
    check_rows(&o, "late,loss,epoch,step\r\n-49.0,6.125,16,49\r\n");
}

/* ---- version folders, two fits ---- */

static void check_dir(const mr_trainer *t, const char *wanted)
{
    char path[700];
    CHECK_EQ_STR(mr_trainer_log_dir(t), in_folder(wanted));
    snprintf(path, sizeof path, "%s/metrics.csv", in_folder(wanted));
    CHECK_EQ_STR(mr_trainer_metrics_path(t), path);
    CHECK(strncmp(mr_trainer_checkpoint_path(t), in_folder(wanted), strlen(in_folder(wanted))) == 0);
    CHECK(file_exists(mr_trainer_checkpoint_path(t)));
}

/* The second fit of a trainer begins at step 0 and logs to a folder of its own; so does that of another. */
static void test_two_fits(void)
{
    static const char rows[] = "loss,epoch,step\r\n0.125,0,1\r\n0.375,1,3\r\n0.625,1,5\r\n";
    fit f = fit_new(10);
    mr_trainer_opts o = { .max_epochs = 2, .csv = files_folder, .name = "two", .log_every_n_steps = 2 };
    o.no_progress = true;
    mr_trainer *t = mr_trainer_new(&o), *u = mr_trainer_new(&o);
    hook.step = log_step;
    CHECK_EQ_STR(mr_trainer_log_dir(t), "");
    CHECK_EQ_STR(mr_trainer_checkpoint_path(t), "");
    CHECK_EQ_I64(mr_trainer_global_step(t), 0);
    CHECK_EQ_I64(mr_trainer_fit(t, f.task, f.loader), MR_OK);
    check_dir(t, "two/version_0");
    float first = fit_weight(&f);
    CHECK_EQ_I64(mr_trainer_fit(t, f.task, f.loader), MR_OK);
    check_dir(t, "two/version_1");
    CHECK_EQ_I64(mr_trainer_global_step(t), 6);
    CHECK(fit_weight(&f) != first); /* it went on from the weights that were there */
    CHECK_EQ_I64(mkdir(in_folder("two/version_7"), 0777), 0);
    CHECK_EQ_I64(mr_trainer_fit(u, f.task, f.loader), MR_OK);
    check_dir(u, "two/version_8");
    check_dir(t, "two/version_1");
    CHECK_EQ_STR(file_contents(in_folder("two/version_0/metrics.csv"), NULL), rows);
    CHECK_EQ_STR(file_contents(in_folder("two/version_1/metrics.csv"), NULL), rows);
    CHECK_EQ_STR(file_contents(in_folder("two/version_8/metrics.csv"), NULL), rows);
    mr_trainer_free(t);
    mr_trainer_free(u);
    fit_free(&f);
}

/* Names: the default, none, and folders that are made. */
static void test_names(void)
{
    static const char *const names[] = { NULL, "", "a/b" };
    static const char *const dirs[] = { "deep/er/lightning_logs/version_0", "deep/er/version_0",
                                        "deep/er/a/b/version_0" };
    char csv[300];
    snprintf(csv, sizeof csv, "%s", in_folder("deep/er"));
    for (int i = 0; i < 3; i++) {
        fit f = fit_new(10);
        char name[8] = "";
        if (names[i])
            snprintf(name, sizeof name, "%s", names[i]);
        mr_trainer *t = mr_trainer_new(&(mr_trainer_opts){ .max_epochs = 1,
                                                           .csv = csv,
                                                           .name = names[i] ? name : NULL,
                                                           .log_every_n_steps = 3,
                                                           .no_progress = true });
        hook.step = log_step;
        memset(name, 'x', sizeof name - 1); /* it was copied */
        CHECK_EQ_I64(mr_trainer_fit(t, f.task, f.loader), MR_OK);
        check_dir(t, dirs[i]);
        mr_trainer_free(t);
        fit_free(&f);
    }
}

static mr_status fail_once(int64_t index)
{
    static int calls;
    if (index == 4 && calls++ == 0)
        return mr_fail(MR_ERR_IO, "not now");
    return MR_OK;
}

/* Every fit begins an epoch: wherever the loader stands, because the last fit failed or the caller had taken
 * batches himself. */
static void test_fit_begins_an_epoch(void)
{
    const mr_batch *batch;
    fit f = fit_new(10);
    mr_trainer *t = mr_trainer_new(&(mr_trainer_opts){ .max_epochs = 1, .no_progress = true });
    CHECK_EQ_I64(mr_loader_next(f.loader, &batch), MR_OK);
    CHECK_EQ_I64(mr_trainer_fit(t, f.task, f.loader), MR_OK);
    CHECK_EQ_I64(mr_trainer_global_step(t), 3);
    hook.sample = fail_once;
    CHECK_EQ_I64(mr_trainer_fit(t, f.task, f.loader), MR_ERR_IO);
    CHECK_EQ_I64(mr_trainer_global_step(t), 1);
    CHECK_EQ_I64(mr_trainer_fit(t, f.task, f.loader), MR_OK);
    CHECK_EQ_I64(mr_trainer_global_step(t), 3);
    hook.sample = NULL;
    hook.step = stop_at_4000;
    mr_trainer *u = mr_trainer_new(&(mr_trainer_opts){ .max_epochs = -1, .no_progress = true });
    CHECK_EQ_I64(mr_trainer_fit(u, f.task, f.loader), MR_ERR_STATE); /* in the middle of an epoch */
    CHECK_EQ_I64(mr_loader_next(f.loader, &batch), MR_OK);
    CHECK_EQ_I64(batch->position, 0);
    mr_trainer_free(t);
    mr_trainer_free(u);
    fit_free(&f);
}

/* What is said when nothing is to be said. */
static void test_no_summary(void)
{
    fit f = fit_new(10);
    mr_trainer *t =
        mr_trainer_new(&(mr_trainer_opts){ .max_epochs = 1, .no_progress = true, .no_summary = true });
    CHECK_EQ_I64(mr_trainer_fit(t, f.task, f.loader), MR_OK);
    CHECK_EQ_STR(heard, "");
    mr_trainer_free(t);
    fit_free(&f);
}

int main(void)
{
    if (!files_begin())
        return 1;
    mr_set_log_hook(hear, NULL);
    RUN(test_limits);
    RUN(test_no_limit);
    RUN(test_no_batches);
    RUN(test_what_a_step_sees);
    RUN(test_rows);
    RUN(test_two_fits);
    RUN(test_names);
    RUN(test_fit_begins_an_epoch);
    RUN(test_no_summary);
    return files_report();
}

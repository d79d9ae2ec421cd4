/* mr_log with on_step in validation and test steps: a row for each batch, under a count of its loader's own. */
#include "check.h"
#include "fit.h"
#include "said.h"

/* What a validation step logs, and a hook behind it. */
static void (*log_values)(mr_step *s);

static mr_status validation_step(mr_step *s, const mr_batch *b)
{
    (void)b;
    if (log_values)
        log_values(s);
    return MR_OK;
}

static const mr_task_vtable task_vtable = { .training_step = fit_step,
                                            .configure_optimizers = fit_optimizers,
                                            .validation_step = validation_step,
                                            .test_step = validation_step };

typedef struct bench {
    fit f;
    mr_task *task;
    mr_loader *loader[2];
    mr_trainer *trainer;
} bench;

/* Ten samples: three batches to train on, two loaders of two and three batches to validate. */
static bench begin(mr_trainer_opts opts)
{
    static int number;
    static char name[24];
    bench b = { .f = fit_new(10) };
    snprintf(name, sizeof name, "steps%d", number++);
    b.task = mr_task_new(&task_vtable, b.f.model, NULL, 0);
    b.loader[0] = mr_loader_new(b.f.data, b.f.rng, &(mr_loader_opts){ .batch_size = 6 });
    b.loader[1] = mr_loader_new(b.f.data, b.f.rng, &(mr_loader_opts){ .batch_size = 4 });
    opts.csv = files_folder;
    opts.name = name;
    opts.max_epochs = opts.max_epochs ? opts.max_epochs : 2;
    opts.log_every_n_steps = opts.log_every_n_steps ? opts.log_every_n_steps : 1;
    opts.no_progress = opts.no_summary = opts.no_checkpoint = true;
    b.trainer = mr_trainer_new(&opts);
    return b;
}

static void end(bench *b)
{
    mr_trainer_free(b->trainer);
    mr_task_free(b->task);
    mr_loader_free(b->loader[0]);
    mr_loader_free(b->loader[1]);
    fit_free(&b->f);
    log_values = NULL;
}

static mr_tensor *log_loss(mr_step *s, const mr_batch *b, mr_tensor *loss)
{
    (void)b;
    mr_log_value(s, "loss", (double)s->batch_index, NULL);
    return loss;
}

/* ---- rows ---- */

static void log_some(mr_step *s)
{
    const double x = (double)(10 * s->epoch + s->batch_index);
    mr_log_value(s, "both", x, &(mr_log_opts){ .on_step = true });
    mr_log_value(s, "quiet", x, &(mr_log_opts){ .on_step = true, .no_epoch = true, .no_logger = true });
    mr_log_value(s, "alone", x, &(mr_log_opts){ .on_step = true, .no_epoch = true });
    mr_log_value(s, "epochs", x, NULL);
}

/* In each validation the count goes on, whatever log_every_n_steps is; the sanity check does not count. Without an epoch. */
static void test_rows(void)
{
    bench b = begin((mr_trainer_opts){ .log_every_n_steps = 3, .num_sanity_val_steps = 1 });
    log_values = log_some;
    hook.step = log_loss;
    CHECK_EQ_I64(mr_trainer_set_val_loader(b.trainer, b.loader[0]), MR_OK);
    CHECK_EQ_I64(mr_trainer_fit(b.trainer, b.task, b.f.loader), MR_OK);
    CHECK_EQ_STR(file_contents(mr_trainer_metrics_path(b.trainer), NULL),
                 "loss,epoch,step,both_step,alone,both_epoch,epochs\r\n"
                 "2.0,0,2,,,,\r\n"
                 ",,0,0.0,0.0,,\r\n"
                 ",,1,1.0,1.0,,\r\n"
                 ",0,2,,,0.4,0.4\r\n"
                 "2.0,1,5,,,,\r\n"
                 ",,2,10.0,10.0,,\r\n"
                 ",,3,11.0,11.0,,\r\n"
                 ",1,5,,,10.4,10.4\r\n");
    /* What monitors look at: values of epochs alone, under both names. */
    CHECK(mr_trainer_metric(b.trainer, "both") == 10.4);
    CHECK(mr_trainer_metric(b.trainer, "both_epoch") == 10.4);
    CHECK(mr_trainer_metric(b.trainer, "epochs") == 10.4);
    CHECK(isnan(mr_trainer_metric(b.trainer, "both_step")));
    CHECK(isnan(mr_trainer_metric(b.trainer, "alone")) && isnan(mr_trainer_metric(b.trainer, "quiet")));
    end(&b);
}

static void log_one(mr_step *s)
{
    mr_log_value(s, "v", (double)s->batch_index, &(mr_log_opts){ .on_step = true });
    mr_log_value(
        s, "all", 1,
        &(mr_log_opts){ .on_step = true, .no_epoch = true, .no_loader_index = s->loader_index == 1 });
}

/* Each loader has a count of its own, and an end behind the names. */
static void test_loaders(void)
{
    bench b = begin((mr_trainer_opts){ .limit_train_batches = 1 });
    log_values = log_one;
    for (int i = 0; i < 2; i++)
        CHECK_EQ_I64(mr_trainer_add_val_loader(b.trainer, b.loader[i]), MR_OK);
    CHECK_EQ_I64(mr_trainer_fit(b.trainer, b.task, b.f.loader), MR_OK);
    CHECK_EQ_STR(file_contents(mr_trainer_metrics_path(b.trainer), NULL),
                 "v_step/dataloader_idx_0,all/dataloader_idx_0,step,v_step/dataloader_idx_1,all,"
                 "v_epoch/dataloader_idx_0,v_epoch/dataloader_idx_1,epoch\r\n"
                 "0.0,1.0,0,,,,,\r\n"
                 "1.0,1.0,1,,,,,\r\n"
                 ",,0,0.0,1.0,,,\r\n"
                 ",,1,1.0,1.0,,,\r\n"
                 ",,2,2.0,1.0,,,\r\n"
                 ",,0,,,0.4,0.8,0\r\n"
                 "0.0,1.0,2,,,,,\r\n"
                 "1.0,1.0,3,,,,,\r\n"
                 ",,3,0.0,1.0,,,\r\n"
                 ",,4,1.0,1.0,,,\r\n"
                 ",,5,2.0,1.0,,,\r\n"
                 ",,1,,,0.4,0.8,1\r\n");
    CHECK(mr_trainer_metric(b.trainer, "v/dataloader_idx_1") == 0.8);
    CHECK(mr_trainer_metric(b.trainer, "v_epoch/dataloader_idx_1") == 0.8);
    end(&b);
}

static mr_status log_in_hook(void *user, mr_step *s)
{
    (void)user;
    mr_log_value(s, "hook", 3, &(mr_log_opts){ .on_step = true, .no_epoch = true });
    return MR_OK;
}

/* Hooks around a batch log into its row; a row of a count of its own leaves that of a step, which is not complete, alone. */
static void test_merged(void)
{
    bench b = begin((mr_trainer_opts){ .max_epochs = 1 });
    hook.step = log_loss;
    log_values = log_one;
    CHECK_EQ_I64(mr_trainer_set_val_loader(b.trainer, b.loader[0]), MR_OK);
    CHECK_EQ_I64(mr_trainer_add_logger(b.trainer, mr_csv_logger_new(&(mr_csv_logger_opts){ .merged = true })),
                 MR_OK);
    CHECK_EQ_I64(mr_trainer_add_logger(b.trainer, mr_jsonl_logger_new(NULL)), MR_OK);
    CHECK_EQ_I64(mr_trainer_add_callback(
                     b.trainer, mr_lambda_callback_new(
                                    &(mr_callback_vtable){ .on_validation_batch_end = log_in_hook }, NULL)),
                 MR_OK);
    CHECK_EQ_I64(mr_trainer_fit(b.trainer, b.task, b.f.loader), MR_OK);
    char path[600];
    snprintf(path, sizeof path, "%s/merged.csv", mr_trainer_log_dir(b.trainer));
    CHECK_EQ_STR(file_contents(path, NULL), "epoch,step,loss,v_step,all,hook,v_epoch\r\n"
                                            "0,0,0.0,,,,\r\n"
                                            "0,1,1.0,,,,\r\n"
                                            ",0,,0.0,1.0,3.0,\r\n"
                                            ",1,,1.0,1.0,3.0,\r\n"
                                            "0,2,2.0,,,,0.4\r\n");
    snprintf(path, sizeof path, "%s/metrics.jsonl", mr_trainer_log_dir(b.trainer));
    CHECK(strstr(file_contents(path, NULL),
                 "{\"kind\":\"validation_step\",\"step\":1,\"v_step\":1.0,\"all\":1.0,\"hook\":3.0}\n") !=
          NULL);
    end(&b);
}

/* ---- refusals ---- */

static mr_log_opts given;

static void log_given(mr_step *s)
{
    mr_log_value(s, "x", 1, &given);
}

static mr_tensor *log_in_training(mr_step *s, const mr_batch *b, mr_tensor *loss)
{
    (void)b;
    log_given(s);
    return loss;
}

static mr_status log_between(void *user, mr_step *s)
{
    (void)user;
    log_given(s);
    return MR_OK;
}

static void check_refused(mr_log_opts opts, int where, const char *text)
{
    bench b = begin((mr_trainer_opts){ .max_epochs = 1 });
    given = opts;
    if (where == 0)
        hook.step = log_in_training;
    else if (where == 1)
        log_values = log_given;
    else
        (void)mr_trainer_add_callback(
            b.trainer,
            mr_lambda_callback_new(&(mr_callback_vtable){ .on_validation_epoch_end = log_between }, NULL));
    (void)mr_trainer_set_val_loader(b.trainer, b.loader[0]);
    CHECK_EQ_I64(mr_trainer_fit(b.trainer, b.task, b.f.loader), MR_ERR_ARGUMENT);
    check_said(text);
    end(&b);
}

static void test_refusals(void)
{
    check_refused((mr_log_opts){ .on_step = true, .no_step = true }, 0,
                  "log: 'x' has both on_step and no_step");
    check_refused((mr_log_opts){ .on_epoch = true, .no_epoch = true }, 1,
                  "log: 'x' has both on_epoch and no_epoch");
    check_refused((mr_log_opts){ .no_epoch = true }, 1,
                  "log: 'x' has no_epoch without on_step, so nothing would be logged");
    check_refused((mr_log_opts){ .no_step = true }, 0,
                  "log: 'x' has no_step without on_epoch, so nothing would be logged");
    check_refused((mr_log_opts){ .on_step = true }, 2, "log: 'x' has on_step where there is no batch");
    check_refused((mr_log_opts){ .no_epoch = true }, 2, "log: 'x' has no_epoch where there is no batch");
}

/* What says again what is so anyway is right. */
static void log_plainly(mr_step *s)
{
    mr_log_value(s, "y", 1, &(mr_log_opts){ .no_step = true, .on_epoch = true });
}

static mr_tensor *log_plainly_in_training(mr_step *s, const mr_batch *b, mr_tensor *loss)
{
    (void)b;
    mr_log_value(s, "x", 1, &(mr_log_opts){ .on_step = true, .no_epoch = true });
    return loss;
}

static void test_defaults(void)
{
    bench b = begin((mr_trainer_opts){ .max_epochs = 1 });
    hook.step = log_plainly_in_training;
    log_values = log_plainly;
    CHECK_EQ_I64(mr_trainer_set_val_loader(b.trainer, b.loader[0]), MR_OK);
    CHECK_EQ_I64(mr_trainer_fit(b.trainer, b.task, b.f.loader), MR_OK);
    CHECK_EQ_STR(file_contents(mr_trainer_metrics_path(b.trainer), NULL),
                 "x,epoch,step,y\r\n1.0,0,0,\r\n1.0,0,1,\r\n1.0,0,2,\r\n,0,2,1.0\r\n");
    end(&b);
}

int main(void)
{
    if (!files_begin())
        return 1;
    RUN(test_rows);
    RUN(test_loaders);
    RUN(test_merged);
    RUN(test_refusals);
    RUN(test_defaults);
    return files_report();
}

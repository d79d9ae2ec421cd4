/* What validations and tests outside a fit log, and where. */
#include "check.h"
#include "fit.h"
#include "said.h"

static mr_status log_batch(mr_step *s, const char *name)
{
    mr_log_value(s, name, (double)s->batch_index, &(mr_log_opts){ .on_step = true });
    return MR_OK;
}

static mr_status validation_step(mr_step *s, const mr_batch *b)
{
    (void)b;
    return log_batch(s, "v");
}

static mr_status test_step(mr_step *s, const mr_batch *b)
{
    (void)b;
    mr_log_value(s, "place", (double)(100 * s->epoch + s->global_step), NULL);
    return log_batch(s, "t");
}

static const mr_task_vtable task_vtable = { .training_step = fit_step,
                                            .configure_optimizers = fit_optimizers,
                                            .validation_step = validation_step,
                                            .test_step = test_step };

static mr_tensor *log_loss(mr_step *s, const mr_batch *b, mr_tensor *loss)
{
    (void)b;
    mr_log_value(s, "loss", (double)s->batch_index, NULL);
    return loss;
}

typedef struct bench {
    fit f;
    mr_task *task;
    mr_loader *loader; /* two batches, of six and four samples */
    mr_trainer *trainer;
} bench;

static bench begin(const char *name, mr_trainer_opts opts)
{
    bench b = { .f = fit_new(10) };
    b.task = mr_task_new(&task_vtable, b.f.model, NULL, 0);
    b.loader = mr_loader_new(b.f.data, b.f.rng, &(mr_loader_opts){ .batch_size = 6 });
    if (!opts.csv)
        opts.save_dir = files_folder;
    opts.name = name;
    opts.log_every_n_steps = 3;
    opts.max_epochs = opts.max_epochs ? opts.max_epochs : opts.max_steps ? -1 : 1;
    opts.no_progress = opts.no_summary = true;
    b.trainer = mr_trainer_new(&opts);
    hook.step = log_loss;
    return b;
}

static void end(bench *b)
{
    mr_trainer_free(b->trainer);
    mr_task_free(b->task);
    mr_loader_free(b->loader);
    fit_free(&b->f);
}

static const char *log_of(const char *path)
{
    return file_contents(in_folder(path), NULL);
}

/* ---- behind a fit ---- */

/* Epochs and updates that were made; batches count from 0 each time. */
static void test_behind_fit(void)
{
    bench b = begin("behind", (mr_trainer_opts){ .csv = files_folder, .no_checkpoint = true });
    CHECK_EQ_I64(mr_trainer_add_logger(b.trainer, mr_csv_logger_new(&(mr_csv_logger_opts){ .merged = true })),
                 MR_OK);
    CHECK_EQ_I64(mr_trainer_add_logger(b.trainer, mr_jsonl_logger_new(NULL)), MR_OK);
    CHECK_EQ_I64(mr_trainer_add_logger(b.trainer, mr_tensorboard_logger_new(NULL)), MR_OK);
    CHECK_EQ_I64(mr_trainer_fit(b.trainer, b.task, b.f.loader), MR_OK);
    CHECK_EQ_I64(mr_trainer_validate(b.trainer, b.task, b.loader), MR_OK);
    CHECK_EQ_I64(mr_trainer_test(b.trainer, b.task, b.loader), MR_OK);
    CHECK_EQ_STR(mr_trainer_log_dir(b.trainer), in_folder("behind/version_0"));
    CHECK_EQ_STR(mr_trainer_metrics_path(b.trainer), in_folder("behind/version_0/metrics.csv"));
    CHECK_EQ_STR(log_of("behind/version_0/metrics.csv"),
                 "loss,epoch,step,v_step,v_epoch,t_step,place,t_epoch\r\n"
                 "2.0,0,2,,,,,\r\n"
                 ",,0,0.0,,,,\r\n"
                 ",,1,1.0,,,,\r\n"
                 ",1,3,,0.4,,,\r\n"
                 ",,0,,,0.0,,\r\n"
                 ",,1,,,1.0,,\r\n"
                 ",1,3,,,,103.0,0.4\r\n");
    CHECK_EQ_STR(log_of("behind/version_0/merged.csv"),
                 "epoch,step,loss,v_step,v_epoch,t_step,place,t_epoch\r\n"
                 "0,2,2.0,,,,,\r\n"
                 ",0,,0.0,,,,\r\n"
                 ",1,,1.0,,,,\r\n"
                 "1,3,,,0.4,,,\r\n"
                 ",0,,,,0.0,,\r\n"
                 ",1,,,,1.0,,\r\n"
                 "1,3,,,,,103.0,0.4\r\n");
    CHECK_EQ_STR(log_of("behind/version_0/metrics.jsonl"),
                 "{\"kind\":\"step\",\"epoch\":0,\"step\":2,\"loss\":2.0}\n"
                 "{\"kind\":\"validation_step\",\"step\":0,\"v_step\":0.0}\n"
                 "{\"kind\":\"validation_step\",\"step\":1,\"v_step\":1.0}\n"
                 "{\"kind\":\"validation\",\"epoch\":1,\"step\":3,\"v_epoch\":0.4}\n"
                 "{\"kind\":\"test_step\",\"step\":0,\"t_step\":0.0}\n"
                 "{\"kind\":\"test_step\",\"step\":1,\"t_step\":1.0}\n"
                 "{\"kind\":\"test\",\"epoch\":1,\"step\":3,\"place\":103.0,\"t_epoch\":0.4}\n");
    CHECK(mr_trainer_metric(b.trainer, "v") == 0.4 && mr_trainer_metric(b.trainer, "t_epoch") == 0.4);
    CHECK_EQ_I64(count_entries(in_folder("behind")), 1);
    end(&b);
}

/* A fit that ended within an epoch has begun that one. */
static void test_within_epoch(void)
{
    bench b = begin("within", (mr_trainer_opts){ .csv = files_folder, .max_steps = 4 });
    CHECK_EQ_I64(mr_trainer_fit(b.trainer, b.task, b.f.loader), MR_OK);
    CHECK_EQ_I64(mr_trainer_test(b.trainer, b.task, b.loader), MR_OK);
    CHECK(strstr(log_of("within/version_0/metrics.csv"), "\r\n,2,4,,204.0,0.4\r\n") != NULL);
    end(&b);
}

/* ---- without one ---- */

/* A folder of their own, which they share until a fit has one; hyperparameters are in it. */
static void test_without_fit(void)
{
    bench b = begin("fresh", (mr_trainer_opts){ .csv = files_folder });
    CHECK_EQ_I64(mr_trainer_set_hparam(b.trainer, "lr", 0.5), MR_OK);
    CHECK_EQ_I64(mr_trainer_test(b.trainer, b.task, b.loader), MR_OK);
    CHECK_EQ_I64(mr_trainer_test(b.trainer, b.task, b.loader), MR_OK);
    CHECK_EQ_STR(mr_trainer_log_dir(b.trainer), in_folder("fresh/evaluation_0"));
    CHECK_EQ_STR(mr_trainer_metrics_path(b.trainer), in_folder("fresh/evaluation_0/metrics.csv"));
    CHECK_EQ_STR(log_of("fresh/evaluation_0/hparams.yaml"), "lr: 0.5\n");
    CHECK_EQ_I64(mr_trainer_fit(b.trainer, b.task, b.f.loader), MR_OK);
    CHECK_EQ_STR(mr_trainer_log_dir(b.trainer), in_folder("fresh/version_0"));
    CHECK_EQ_I64(mr_trainer_test(b.trainer, b.task, b.loader), MR_OK);
    static const char row[] = ",,0,0.0,,\r\n";
    CHECK_EQ_STR(log_of("fresh/evaluation_0/metrics.csv"), "t_step,step,place,t_epoch,epoch\r\n"
                                                           "0.0,0,,,\r\n"
                                                           "1.0,1,,,\r\n"
                                                           ",0,0.0,0.4,0\r\n"
                                                           "0.0,0,,,\r\n"
                                                           "1.0,1,,,\r\n"
                                                           ",0,0.0,0.4,0\r\n");
    CHECK(strstr(log_of("fresh/version_0/metrics.csv"), row) != NULL);
    CHECK_EQ_I64(count_entries(in_folder("fresh")), 2);
    end(&b);
    b = begin("fresh", (mr_trainer_opts){ .csv = files_folder });
    CHECK_EQ_I64(mr_trainer_validate(b.trainer, b.task, b.loader), MR_OK);
    CHECK_EQ_STR(mr_trainer_log_dir(b.trainer), in_folder("fresh/evaluation_1"));
    end(&b);
}

static void test_nothing_to_log_to(void)
{
    bench b = begin("no_logger", (mr_trainer_opts){ 0 });
    CHECK_EQ_I64(mr_trainer_test(b.trainer, b.task, b.loader), MR_OK);
    CHECK(!file_exists(in_folder("no_logger")));
    end(&b);
    b = begin("fast", (mr_trainer_opts){ .csv = files_folder, .fast_dev_run = 1 });
    CHECK_EQ_I64(mr_trainer_test(b.trainer, b.task, b.loader), MR_OK);
    CHECK(!file_exists(in_folder("fast")));
    end(&b);
}

/* ---- and trainings that are resumed ---- */

static void add_with_paths(mr_trainer *t, const char *name)
{
    char path[600];
    snprintf(path, sizeof path, "%s/%s.csv", files_folder, name);
    (void)mr_trainer_add_logger(t, mr_csv_logger_new(&(mr_csv_logger_opts){ .path = path }));
    snprintf(path, sizeof path, "%s/%s_merged.csv", files_folder, name);
    (void)mr_trainer_add_logger(t, mr_csv_logger_new(&(mr_csv_logger_opts){ .path = path, .merged = true }));
    snprintf(path, sizeof path, "%s/%s.jsonl", files_folder, name);
    (void)mr_trainer_add_logger(t, mr_jsonl_logger_new(&(mr_jsonl_logger_opts){ .path = path }));
    snprintf(path, sizeof path, "%s/%s.tfevents", files_folder, name);
    (void)mr_trainer_add_logger(t, mr_tensorboard_logger_new(&(mr_tensorboard_logger_opts){ .path = path }));
}

static bool same(const char *a, const char *b)
{
    char command[1100];
    snprintf(command, sizeof command, "diff -rq '%s/%s' '%s/%s'", files_folder, a, files_folder, b);
    return system(command) == 0;
}

static void append(const char *path, const char *text)
{
    FILE *file = fopen(path, "a");
    fputs(text, file);
    fclose(file);
}

/* What a training has logged to paths of its own stays in front of what others evaluate, and the training goes on with it. */
static void test_paths(void)
{
    static const char *const ends[] = { ".csv", "_merged.csv", ".jsonl", ".tfevents" };
    for (int by_whole = 1; by_whole >= 0; by_whole--) {
        for (int epochs = by_whole ? 2 : 1; epochs <= 2; epochs++) {
            const char *name = by_whole ? "whole" : "parts";
            bench b = begin(name, (mr_trainer_opts){ .max_epochs = epochs, .resume = "last" });
            add_with_paths(b.trainer, name);
            if (epochs == 2 && !by_whole) {
                append(in_folder("parts.csv"), "torn");
                append(in_folder("parts.jsonl"), "{\"torn");
                CHECK_EQ_I64(mr_trainer_test(b.trainer, b.task, b.loader), MR_OK);
                CHECK(strstr(log_of("parts.csv"), "2.0,0,2,,,\r\n0.0") == NULL);
                CHECK(strncmp(log_of("parts.csv"),
                              "loss,epoch,step,t_step,place,t_epoch\r\n2.0,0,2,,,\r\n,,0,0.0",
                              strlen("loss,epoch,step,t_step,place,t_epoch\r\n2.0,0,2,,,\r\n,,0,0.0")) == 0);
                CHECK(strstr(log_of("parts.jsonl"), "\"loss\":2.0}\n{\"kind\":\"test_step\"") != NULL);
                CHECK(strstr(log_of("parts_merged.csv"), "\r\n0,2,2.0,,,\r\n,0,,0.0") != NULL);
            }
            CHECK_EQ_I64(mr_trainer_fit(b.trainer, b.task, b.f.loader), MR_OK);
            end(&b);
        }
    }
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        char a[60], c[60];
        snprintf(a, sizeof a, "whole%s", ends[i]);
        snprintf(c, sizeof c, "parts%s", ends[i]);
        CHECK(same(a, c));
    }
    CHECK(same("whole/version_0", "parts/version_0"));
}

/* Where nothing is left to be done the rows that a test has left behind the fit's give way to those of this one, ... */
static void test_again(void)
{
    static const mr_trainer_opts limits[] = { { .max_epochs = 2 }, { .max_steps = 4 }, { .max_steps = 6 } };
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        char name[24], path[60];
        snprintf(name, sizeof name, "again%zu", i);
        snprintf(path, sizeof path, "again%zu/version_0/metrics.csv", i);
        char *first = NULL;
        for (int times = 0; times < 3; times++) {
            mr_trainer_opts opts = limits[i];
            opts.csv = files_folder;
            opts.resume = "last";
            bench b = begin(name, opts);
            CHECK_EQ_I64(mr_trainer_fit(b.trainer, b.task, b.f.loader), MR_OK);
            CHECK_EQ_I64(mr_trainer_validate(b.trainer, b.task, b.loader), MR_OK);
            CHECK_EQ_I64(mr_trainer_test(b.trainer, b.task, b.loader), MR_OK);
            if (first)
                CHECK_EQ_STR(log_of(path), first);
            else
                first = strdup(log_of(path));
            end(&b);
        }
        CHECK(strstr(first, i == 1 ? ",2,4,,0.4,,,\r\n" : ",2,6,,0.4,,,\r\n") != NULL);
        CHECK_EQ_I64(count_entries(in_folder(name)), 1);
        free(first);
    }
}

/* ... but not where it has gone on since: an older checkpoint than the last is only looked at. */
static void test_older(void)
{
    bench b = begin("older", (mr_trainer_opts){ .csv = files_folder, .max_epochs = 2 });
    CHECK_EQ_I64(mr_trainer_add_callback(
                     b.trainer, mr_model_checkpoint_new(&(mr_model_checkpoint_opts){ .save_top_k = -1 })),
                 MR_OK);
    CHECK_EQ_I64(mr_trainer_fit(b.trainer, b.task, b.f.loader), MR_OK);
    end(&b);
    char older[600];
    snprintf(older, sizeof older, "%s",
             in_folder("older/version_0/checkpoints/best-epoch=1-step=6.safetensors"));
    for (int i = 0; i < 3; i++) {
        b = begin("older", (mr_trainer_opts){ .csv = files_folder,
                                              .max_epochs = i == 1 ? 2 : 4,
                                              .resume = i == 1 ? older : "last" });
        CHECK_EQ_I64(mr_trainer_add_callback(
                         b.trainer, mr_model_checkpoint_new(&(mr_model_checkpoint_opts){ .save_top_k = -1 })),
                     MR_OK);
        CHECK_EQ_I64(mr_trainer_fit(b.trainer, b.task, b.f.loader), MR_OK);
        if (i == 1)
            CHECK_EQ_I64(mr_trainer_test(b.trainer, b.task, b.loader), MR_OK);
        end(&b);
    }
    const char *log = log_of("older/version_0/metrics.csv");
    CHECK(strstr(log, "2.0,3,11,,,\r\n,,0,0.0,,\r\n,,1,1.0,,\r\n,2,6,,206.0,0.4\r\n") != NULL);
}

/* ---- failures ---- */

static mr_status fails(mr_step *s, const mr_batch *b)
{
    log_batch(s, "t");
    return b->rows == 4 ? mr_fail(MR_ERR_FORMAT, "no more") : MR_OK;
}

static void test_failures(void)
{
    bench b = begin("full", (mr_trainer_opts){ 0 });
    CHECK_EQ_I64(
        mr_trainer_add_logger(b.trainer, mr_jsonl_logger_new(&(mr_jsonl_logger_opts){ .path = "/dev/full" })),
        MR_OK);
    CHECK_EQ_I64(mr_trainer_test(b.trainer, b.task, b.loader), MR_ERR_IO);
    check_said("cannot write '/dev/full': No space left on device");
    end(&b);
    b = begin("file_in_the_way", (mr_trainer_opts){ .csv = files_folder });
    append(in_folder("file_in_the_way"), "");
    CHECK_EQ_I64(mr_trainer_test(b.trainer, b.task, b.loader), MR_ERR_IO);
    check_said("cannot make folder");
    end(&b);
    b = begin("folder", (mr_trainer_opts){ 0 });
    CHECK_EQ_I64(mr_trainer_add_logger(
                     b.trainer, mr_csv_logger_new(&(mr_csv_logger_opts){ .path = in_folder("text.csv") })),
                 MR_OK);
    append(in_folder("text.csv"), "not,a,table\n");
    CHECK_EQ_I64(mr_trainer_test(b.trainer, b.task, b.loader), MR_ERR_FORMAT);
    check_said("text.csv': its header makes no sense");
    CHECK_EQ_STR(log_of("text.csv"), "not,a,table\n");
    end(&b);
    /* What failed first is what is said, and what was logged before is there. */
    static const mr_task_vtable failing = { .training_step = fit_step,
                                            .configure_optimizers = fit_optimizers,
                                            .test_step = fails };
    b = begin("failing", (mr_trainer_opts){ .csv = files_folder });
    mr_task *task = mr_task_new(&failing, b.f.model, NULL, 0);
    CHECK_EQ_I64(mr_trainer_test(b.trainer, task, b.loader), MR_ERR_FORMAT);
    CHECK_EQ_STR(mr_error(), "test: batch 1: no more");
    CHECK_EQ_STR(log_of("failing/evaluation_0/metrics.csv"), "t_step,step\r\n0.0,0\r\n");
    mr_task_free(task);
    end(&b);
}

/* A device has no beginning that could be looked at, and no end. */
static void test_device(void)
{
    bench b = begin("device", (mr_trainer_opts){ 0 });
    CHECK_EQ_I64(
        mr_trainer_add_logger(b.trainer, mr_jsonl_logger_new(&(mr_jsonl_logger_opts){ .path = "/dev/null" })),
        MR_OK);
    CHECK_EQ_I64(mr_trainer_test(b.trainer, b.task, b.loader), MR_OK);
    CHECK_EQ_I64(mr_trainer_fit(b.trainer, b.task, b.f.loader), MR_OK);
    CHECK_EQ_I64(mr_trainer_test(b.trainer, b.task, b.loader), MR_OK);
    end(&b);
}

int main(void)
{
    if (!files_begin())
        return 1;
    RUN(test_behind_fit);
    RUN(test_within_epoch);
    RUN(test_without_fit);
    RUN(test_nothing_to_log_to);
    RUN(test_paths);
    RUN(test_again);
    RUN(test_older);
    RUN(test_failures);
    RUN(test_device);
    return files_report();
}

/* Exact resuming of a training that has all that a training can have, killed and interrupted by signals. */
#include "resume.h"

#include <dlfcn.h>
#include <errno.h>

static void callbacks_and_loggers(mr_trainer *t)
{
    (void)mr_trainer_add_callback(
        t,
        mr_early_stopping_new("val_loss", &(mr_early_stopping_opts){ .patience = 50, .restore_best = true }));
    (void)mr_trainer_add_callback(
        t, mr_model_checkpoint_new(&(mr_model_checkpoint_opts){ .monitor = "val_loss",
                                                                .save_top_k = 2,
                                                                .save_last = true,
                                                                .filename = "{epoch}-{val_loss:.3f}" }));
    (void)mr_trainer_add_callback(t, mr_lr_monitor_new(&(mr_lr_monitor_opts){ .log_momentum = true }));
    (void)mr_trainer_add_logger(t, mr_csv_logger_new(&(mr_csv_logger_opts){ .merged = true }));
    (void)mr_trainer_add_logger(t, mr_jsonl_logger_new(NULL));
    (void)mr_trainer_add_logger(t, mr_tensorboard_logger_new(NULL));
    (void)mr_trainer_set_hparam(t, "lr", 0.05);
}

/* ---- tests ---- */

static void test_killed(void)
{
    mr_trainer_opts opts = { .max_epochs = EPOCHS,
                             .log_every_n_steps = 1,
                             .checkpoint_every = "1ba",
                             .accumulate_grad_batches = 2,
                             .gradient_clip_norm = 0.5 };
    check_killed("every", &opts, 3);
    add_callbacks = callbacks_and_loggers;
    check_killed("callbacks", &opts, 3);
    add_callbacks = NULL;
    opts.accumulate_grad_batches = 4; /* of nine batches: a window of one is left at the end of an epoch */
    opts.checkpoint_every = "3ba";
    check_killed("windows", &opts, 3);
    opts.val_check_interval = "0.3ep";
    opts.num_sanity_val_steps = 2;
    check_killed("intervals", &opts, 2);
    opts.val_check_interval = "4ba";
    opts.accumulate_grad_batches = 2;
    check_killed("intervals_of_batches", &opts, 2);
    opts.val_check_interval = NULL;
    opts.num_sanity_val_steps = 0;
    opts.accumulate_grad_batches = 0;
    opts.limit_train_batches = 5;
    opts.limit_val_batches = 2;
    opts.check_val_every_n_epoch = 2;
    opts.checkpoint_every = "0.4ep";
    check_killed("limits", &opts, 3);
    opts.max_epochs = -1;
    opts.max_steps = 33; /* within an epoch */
    opts.limit_train_batches = 0;
    opts.checkpoint_every = "10sp";
    check_killed("steps", &opts, 3);
    opts.max_steps = 25;
    opts.accumulate_grad_batches = 3;
    opts.checkpoint_every = "0.1s";
    pause_us = 10000;
    check_killed("clock", &opts, 1);
    pause_us = 200;
}

static mr_status fit_and_evaluate(mr_trainer *t, mr_task *task, mr_loader *train, mr_dataset *data,
                                  mr_rng *rng)
{
    mr_loader *val = mr_loader_new(data, rng, &(mr_loader_opts){ .batch_size = 4 });
    mr_status status = mr_trainer_fit(t, task, train);
    for (int i = 0; i < 2 && !status; i++)
        status = mr_trainer_validate(t, task, val);
    mr_loader_free(val);
    return status;
}

/* What is evaluated behind the fit is logged once, too, wherever processes are killed. */
static void test_evaluated(void)
{
    mr_trainer_opts opts = { .max_epochs = 2, .log_every_n_steps = 1, .checkpoint_every = "3ba" };
    add_callbacks = callbacks_and_loggers;
    fit_on = fit_and_evaluate;
    check_killed("evaluated", &opts, 3);
    opts.max_epochs = -1;
    opts.max_steps = 13; /* within an epoch, whose end comes behind the last checkpoint */
    check_killed("evaluated_steps", &opts, 3);
    add_callbacks = NULL;
    fit_on = NULL;
}

/* A training that is given more epochs or steps, wherever it ended, is the one that had them from the start. */
static void test_longer(void)
{
    mr_trainer_opts opts = { .max_epochs = EPOCHS, .log_every_n_steps = 1, .accumulate_grad_batches = 2 };
    CHECK_EQ_I64(fit("longer_whole", NULL, &opts, 0, false), MR_OK);
    for (int i = 1; i < EPOCHS; i++) {
        opts.max_epochs = i;
        CHECK_EQ_I64(fit("longer", "last", &opts, 0, false), MR_OK);
    }
    opts.max_epochs = EPOCHS;
    CHECK_EQ_I64(fit("longer", "last", &opts, 0, false), MR_OK);
    CHECK(same("longer_whole", "longer"));
    for (int i = 1; i <= 12; i += 3) { /* at the end of an epoch, too */
        opts.max_steps = i;
        CHECK_EQ_I64(fit("steps_longer", "last", &opts, 0, false), MR_OK);
        CHECK_EQ_I64(fit("steps_longer", "last", &opts, 0, false), MR_OK); /* nothing to do */
    }
    opts.max_steps = 0;
    CHECK_EQ_I64(fit("steps_longer", "last", &opts, 0, false), MR_OK);
    CHECK(same("longer_whole", "steps_longer"));
}

/* Nothing in a checkpoint depends on how often it was resumed, or when. */
static void test_every_step(void)
{
    mr_trainer_opts opts = { .max_epochs = 3, .log_every_n_steps = 1 };
    CHECK_EQ_I64(fit("each_whole", NULL, &opts, 0, false), MR_OK);
    for (int i = 1; i <= 30; i++) {
        opts.max_steps = i;
        CHECK_EQ_I64(fit("each", "last", &opts, 0, false), MR_OK);
    }
    opts.max_steps = 0;
    CHECK_EQ_I64(fit("each", "last", &opts, 0, false), MR_OK);
    CHECK(same("each_whole", "each"));
}

/* ---- signals ---- */

static void test_interrupted(void)
{
    mr_trainer_opts opts = { .max_epochs = EPOCHS, .log_every_n_steps = 1 };
    check_interrupted("int", opts, 12);
    add_callbacks = callbacks_and_loggers;
    check_interrupted("int_callbacks", opts, 12);
    add_callbacks = NULL;
    opts.accumulate_grad_batches = 4;
    check_interrupted("int_windows", opts, 12);
    opts.val_check_interval = "5ba";
    opts.num_sanity_val_steps = -1;
    check_interrupted("int_intervals", opts, 12);
    opts.val_check_interval = NULL;
    opts.num_sanity_val_steps = 0;
    opts.max_steps = 13;
    check_interrupted("int_steps", opts, 8);
}

/* What a process does with these signals, the second after the first: its status, or minus the signal. */
static int send(int first, int second, bool handle)
{
    int how;
    mr_trainer_opts opts = { .max_epochs = EPOCHS, .handle_signals = handle };
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        kill_by = first;
        kill_after = 5;
        second_signal = second;
        _exit(fit("sent", NULL, &opts, 0, false) == MR_INTERRUPTED ? 100 + last_signal : 0);
    }
    if (!CHECK(child > 0 && waitpid(child, &how, 0) == child))
        return 0;
    return WIFSIGNALED(how) ? -WTERMSIG(how) : WEXITSTATUS(how);
}

static void test_signals(void)
{
    CHECK_EQ_I64(send(SIGINT, 0, true), 100 + SIGINT);
    CHECK_EQ_I64(send(SIGTERM, 0, true), 100 + SIGTERM);
    CHECK_EQ_I64(send(SIGTERM, SIGTERM, true), -SIGTERM);
    CHECK_EQ_I64(send(SIGTERM, SIGINT, true), -SIGINT);
    CHECK_EQ_I64(send(SIGINT, SIGTERM, true), -SIGTERM);
    CHECK_EQ_I64(send(SIGUSR1, 0, true), 0);
    CHECK_EQ_I64(send(SIGUSR1, SIGINT, true), 100 + SIGINT);
    CHECK_EQ_I64(send(SIGINT, 0, false), -SIGINT);
    CHECK_EQ_I64(send(SIGTERM, 0, false), -SIGTERM);
    CHECK_EQ_I64(send(SIGUSR1, 0, false), -SIGUSR1);
}

/* SIGUSR1 writes a checkpoint that was not due, and the training goes on from there, or to its end. */
static void test_saving(void)
{
    mr_trainer_opts opts = { .max_epochs = 3, .log_every_n_steps = 1, .checkpoint_every = "1000ba" };
    opts.handle_signals = true;
    CHECK_EQ_I64(fit("saved_whole", NULL, &opts, 0, false), MR_OK);
    pause_us = 10000;
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        kill_by = SIGUSR1;
        kill_after = 4;
        second_signal = -20; /* and killed so many steps later */
        _exit(fit("saved", "last", &opts, 0, false));
    }
    CHECK(child > 0 && waitpid(child, NULL, 0) == child);
    pause_us = 200;
    CHECK_EQ_I64(count_entries(in_folder("saved/version_0/checkpoints")), 1);
    CHECK(file_exists(in_folder("saved/version_0/checkpoints/epoch=0-step=3.safetensors")));
    CHECK_EQ_I64(fit("saved", "last", &opts, 0, false), MR_OK);
    CHECK(same("saved_whole", "saved"));
}

static mr_status inner_status;

static mr_tensor *fit_within(mr_step *s, const mr_batch *b)
{
    static const mr_trainer_opts opts = { .max_epochs = 1, .handle_signals = true };
    static bool within;
    if (!within) {
        within = true;
        inner_status = fit("inner", NULL, &opts, 0, false);
    }
    return training_step(s, b);
}

/* Handlers belong to the process. */
static void test_two_fits(void)
{
    static const mr_task_vtable vtable = { .training_step = fit_within, .configure_optimizers = optimizers };
    mr_rng *rng = mr_rng_new(1);
    mr_dataset *data = mr_dataset_new(&data_vtable, NULL, 0, fields, 2);
    mr_loader *train = mr_loader_new(data, rng, &(mr_loader_opts){ .batch_size = 25 });
    mr_module *model = model_new(rng);
    own o = { .rng = rng };
    mr_task *task = mr_task_new(&vtable, model, &o, sizeof o);
    mr_trainer *t = mr_trainer_new(&(mr_trainer_opts){
        .max_epochs = 1, .handle_signals = true, .no_progress = true, .no_summary = true });
    CHECK_EQ_I64(mr_trainer_fit(t, task, train), MR_OK);
    CHECK_EQ_I64(inner_status, MR_ERR_STATE);
    CHECK_EQ_STR(mr_error(), "fit: another fit handles signals already");
    mr_trainer_free(t);
    mr_task_free(task);
    mr_module_free(model);
    mr_loader_free(train);
    mr_dataset_free(data);
    mr_rng_free(rng);
}

/* ---- what does not fit ---- */

/* The library's calls of readdir come here; those for folders of trainings are not of interest. */
static bool listing_fails;

struct dirent *readdir(DIR *folder)
{
    static struct dirent *(*real)(DIR *);
    char link[40], path[400] = "";
    if (!real)
        *(void **)&real = dlsym(RTLD_NEXT, "readdir");
    snprintf(link, sizeof link, "/proc/self/fd/%d", dirfd(folder));
    if (listing_fails && readlink(link, path, sizeof path - 1) > 0 && strstr(path, "/checkpoints")) {
        errno = EIO;
        return NULL;
    }
    return real(folder);
}

static void expect(const char *text)
{
    const char *end = strstr(mr_error(), "safetensors': ");
    CHECK_EQ_STR(end ? end + strlen("safetensors': ") : mr_error(), text);
}

static void test_failures(void)
{
    mr_trainer_opts opts = { .max_epochs = 4, .checkpoint_every = "1ep" };
    pause_us = 10000;
    kill_by = SIGKILL;
    CHECK(!fit_in_child("failures", &opts, 9 + 4 + 9 + 4 + 9 + 2, 0)); /* nearly three epochs */
    pause_us = 200;
    opts.max_epochs = 1;
    CHECK_EQ_I64(fit("failures", "last", &opts, 0, false), MR_ERR_ARGUMENT);
    expect("it has made 2 epochs, more than max_epochs, 1");
    opts.max_epochs = 4;
    CHECK_EQ_I64(fit("failures", "last", &opts, 0, true), MR_ERR_ARGUMENT);
    expect("its generators are those of [[\"loader\",\"val_loader\"],[\"val_loader.generator\"],[\"task\"]], "
           "here of "
           "[[\"loader\",\"val_loader\",\"task\"],[\"val_loader.generator\"]]");
    CHECK_EQ_I64(fit("failures", "last", &opts, 0, false), MR_OK);
    mr_trainer *t = mr_trainer_new(&(mr_trainer_opts){ .checkpoint_every = "7" });
    CHECK(!t);
    CHECK_EQ_STR(mr_error(),
                 "trainer_new: checkpoint_every '7' does not end with a unit, ep, ba, sp, s or dur");
}

/* ---- trainings that have come to their end ---- */

/* Where no checkpoint is there it begins in that same folder, whatever else there is: the log anew, other files untouched. */
static void test_without_checkpoints(void)
{
    mr_trainer_opts opts = { .max_epochs = 2, .no_checkpoint = true, .log_every_n_steps = 1 };
    CHECK_EQ_I64(fit("whole", NULL, &(mr_trainer_opts){ .max_epochs = 1, .log_every_n_steps = 1 }, 0, false),
                 MR_OK);
    CHECK_EQ_I64(fit("without", "last", &opts, 0, false), MR_OK);
    opts = (mr_trainer_opts){ .max_epochs = 1, .log_every_n_steps = 1 };
    CHECK_EQ_I64(fit("without", "last", &opts, 0, false), MR_OK);
    CHECK(same("whole", "without"));

    CHECK(mkdir(in_folder("notes"), 0777) == 0 && mkdir(in_folder("notes/version_3"), 0777) == 0);
    file_put(in_folder("notes/version_3/notes.txt"), "mine", 4);
    CHECK_EQ_I64(fit("notes", "last", &opts, 0, false), MR_OK);
    CHECK_EQ_STR(file_contents(in_folder("notes/version_3/notes.txt"), NULL), "mine");
    CHECK(unlink(in_folder("notes/version_3/notes.txt")) == 0);
    CHECK(same("whole/version_0", "notes/version_3"));
    CHECK_EQ_I64(count_entries(in_folder("notes")), 2); /* with the model */
}

static int64_t starts;

static mr_status stop_at_once(void *self, mr_step *s)
{
    (void)self;
    starts++;
    if (s->epoch == 1)
        mr_trainer_stop(s->trainer);
    return MR_OK;
}

static void stopping(mr_trainer *t)
{
    (void)mr_trainer_add_callback(
        t, mr_lambda_callback_new(&(mr_callback_vtable){ .on_train_epoch_start = stop_at_once }, NULL));
}

/* One that is stopped before an epoch's first batch has ended, with the epoch before. */
static void test_stopped_at_start(void)
{
    const mr_trainer_opts opts = { .max_epochs = 4 };
    add_callbacks = stopping;
    CHECK_EQ_I64(fit("stopped", NULL, &opts, 0, false), MR_OK);
    CHECK_EQ_I64(count_entries(in_folder("stopped/version_0/checkpoints")), 1);
    CHECK(file_exists(in_folder("stopped/version_0/checkpoints/epoch=0-step=8.safetensors")));
    CHECK_EQ_I64(starts, 2);
    CHECK_EQ_I64(fit("stopped", "last", &opts, 0, false), MR_OK);
    CHECK_EQ_I64(starts, 2); /* nothing to do */
    add_callbacks = NULL;
}

/* One whose limit is lowered to where it stands has ended, and says so from then on. */
static void test_lowered(void)
{
    mr_trainer_opts opts = { .max_epochs = 4, .checkpoint_every = "1ep" };
    pause_us = 10000;
    CHECK(!fit_in_child("lowered", &opts, 9 + 4 + 9 + 4 + 5, 0));
    pause_us = 200;
    opts.max_epochs = 2;
    CHECK_EQ_I64(fit("short", NULL, &opts, 0, false), MR_OK);
    CHECK_EQ_I64(fit("lowered", "last", &opts, 0, false), MR_OK);
    CHECK(same("short", "lowered"));
}

/* A folder that cannot be listed is not one without checkpoints: nothing begins anew there. */
static void test_unreadable(void)
{
    const mr_trainer_opts opts = { .max_epochs = 1 };
    char checkpoints[300], wanted[400];
    CHECK_EQ_I64(fit("unreadable", NULL, &opts, 0, false), MR_OK);
    snprintf(checkpoints, sizeof checkpoints, "%s", in_folder("unreadable/version_0/checkpoints"));
    CHECK(chmod(in_folder("unreadable/version_0"), 0777) == 0 && chmod(checkpoints, 0) == 0);
    files_be_nobody(true);
    CHECK_EQ_I64(fit("unreadable", "last", &opts, 0, false), MR_ERR_IO);
    files_be_nobody(false);
    snprintf(wanted, sizeof wanted, "cannot list folder '%s': Permission denied", checkpoints);
    CHECK_EQ_STR(mr_error(), wanted);
    CHECK(file_exists(in_folder("unreadable/version_0/metrics.csv")));
    listing_fails = true;
    CHECK(chmod(checkpoints, 0777) == 0);
    CHECK_EQ_I64(fit("unreadable", "last", &opts, 0, false), MR_ERR_IO);
    listing_fails = false;
    snprintf(wanted, sizeof wanted, "cannot list folder '%s': Input/output error", checkpoints);
    CHECK_EQ_STR(mr_error(), wanted);
    CHECK(file_exists(in_folder("unreadable/version_0/metrics.csv")));
}

static void test_generators(void)
{
    mr_rng *rng = mr_rng_new(1);
    mr_trainer *t = mr_trainer_new(NULL);
    static const char *const wrong[] = { "", "a b", "a\"", "ä", "loader", "val_loader" };
    CHECK_EQ_I64(mr_trainer_add_rng(NULL, "a", rng), MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(), "trainer_add_rng: trainer is NULL");
    CHECK_EQ_I64(mr_trainer_add_rng(t, NULL, rng), MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(), "trainer_add_rng: name is NULL");
    CHECK_EQ_I64(mr_trainer_add_rng(t, "a", NULL), MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(), "trainer_add_rng: rng is NULL");
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char text[100];
        CHECK_EQ_I64(mr_trainer_add_rng(t, wrong[i], rng), MR_ERR_ARGUMENT);
        snprintf(text, sizeof text, "trainer_add_rng: '%s' is no name of letters and digits of its own",
                 wrong[i]);
        CHECK_EQ_STR(mr_error(), text);
    }
    CHECK_EQ_I64(mr_trainer_add_rng(t, "a", rng), MR_OK);
    CHECK_EQ_I64(mr_trainer_add_rng(t, "a", rng), MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(), "trainer_add_rng: 'a' has been added before");
    for (int i = 0; i < 27; i++) {
        char name[8];
        snprintf(name, sizeof name, "r%d", i);
        CHECK_EQ_I64(mr_trainer_add_rng(t, name, rng), MR_OK);
    }
    CHECK_EQ_I64(mr_trainer_add_rng(t, "more", rng), MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(), "trainer_add_rng: 'more' is one more than the 28 that a trainer can have");
    mr_trainer_free(t);
    mr_rng_free(rng);
}

int main(void)
{
    if (!files_begin())
        return 1;
    RUN(test_longer);
    RUN(test_every_step);
    RUN(test_killed);
    RUN(test_evaluated);
    RUN(test_interrupted);
    RUN(test_signals);
    RUN(test_saving);
    RUN(test_two_fits);
    RUN(test_failures);
    RUN(test_without_checkpoints);
    RUN(test_stopped_at_start);
    RUN(test_lowered);
    RUN(test_unreadable);
    RUN(test_generators);
    return files_report();
}

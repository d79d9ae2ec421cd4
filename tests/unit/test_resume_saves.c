/* Resuming from the files that ModelCheckpoint keeps. */
#include "resume.h"

static void keep_all(mr_trainer *t)
{
    (void)mr_trainer_add_callback(t, mr_model_checkpoint_new(&(mr_model_checkpoint_opts){
                                         .save_top_k = -1, .filename = "{epoch}-{step}-kept" }));
    (void)mr_trainer_add_callback(
        t, mr_early_stopping_new("val_loss", &(mr_early_stopping_opts){ .patience = 50 }));
}

/* The last checkpoint, the weights and the rows of two trainings are equal. */
static void check_same(const char *a, const char *b, const char *checkpoint)
{
    const char *files[] = { "version_0/metrics.csv", "model.safetensors", checkpoint };
    char command[1500];
    for (int i = 0; i < 3; i++) {
        snprintf(command, sizeof command, "cmp '%s/%s/%s' '%s/%s/%s'", files_folder, a, files[i],
                 files_folder, b, files[i]);
        CHECK(system(command) == 0);
    }
}

/* A fit that ends within an epoch keeps a file; a training of more steps goes on from it as if it had not ended. */
static void test_within_an_epoch(void)
{
    static const char last[] = "version_0/checkpoints/epoch=3-step=31.safetensors";
    mr_trainer_opts opts = { .max_steps = 31, .log_every_n_steps = 1 };
    add_callbacks = keep_all;
    CHECK_EQ_I64(fit("whole", NULL, &opts, 0, false), MR_OK);
    CHECK(file_exists(in_folder("whole/version_0/checkpoints/epoch=3-step=31-kept.safetensors")));
    for (int at = 1; at <= 26; at += 5) {
        char name[40], path[100];
        const int epoch = at <= 7 ? 0 : at <= 15 ? 1 : at <= 23 ? 2 : 3; /* batches are left out */
        snprintf(name, sizeof name, "part_%d", at);
        snprintf(path, sizeof path, "%s/version_0/checkpoints/epoch=%d-step=%d-kept.safetensors", name, epoch,
                 at);
        opts.max_steps = at;
        CHECK_EQ_I64(fit(name, NULL, &opts, 0, false), MR_OK);
        if (!CHECK(file_exists(in_folder(path))))
            continue;
        CHECK_EQ_I64(fit(name, in_folder(path), &opts, 0, false), MR_OK); /* nothing to do */
        opts.max_steps = 31;
        CHECK_EQ_I64(fit(name, in_folder(path), &opts, 0, false), MR_OK);
        check_same("whole", name, last);
    }
    add_callbacks = NULL;
}

static void keep_within(mr_trainer *t)
{
    (void)mr_trainer_add_callback(
        t, mr_model_checkpoint_new(&(mr_model_checkpoint_opts){ .monitor = "val_loss",
                                                                .save_top_k = 2,
                                                                .filename = "a{step}",
                                                                .every = "7ba",
                                                                .within_epochs = true }));
    /* Due in the midst of an epoch, and done at its end. */
    (void)mr_trainer_add_callback(t, mr_model_checkpoint_new(&(mr_model_checkpoint_opts){
                                         .save_top_k = -1, .filename = "b{step}", .every = "14ba" }));
}

static void test_how_often(void)
{
    mr_trainer_opts opts = { .max_epochs = EPOCHS, .log_every_n_steps = 1, .checkpoint_every = "1ba" };
    add_callbacks = keep_within;
    check_killed("often", &opts, 3);
    opts.accumulate_grad_batches = 4;
    check_killed("often_windows", &opts, 2);
    add_callbacks = NULL;
}

/* ---- a checkpoint between what is to be kept and its turn ---- */

static const char *awaited; /* a file that is waited for at the end of an epoch, for a death there; NULL */

static mr_status die_behind(void *self, mr_step *s)
{
    (void)self;
    (void)s;
    for (int i = 0; awaited && i < 1000; i++) {
        if (file_exists(awaited))
            raise(SIGKILL);
        nanosleep(&(struct timespec){ 0, 10 * 1000 * 1000 }, NULL);
    }
    return MR_OK;
}

static void keep_best_and_die(mr_trainer *t)
{
    (void)mr_trainer_add_callback(
        t, mr_model_checkpoint_new(&(mr_model_checkpoint_opts){ .monitor = "val_loss" }));
    (void)mr_trainer_add_callback(
        t, mr_lambda_callback_new(&(mr_callback_vtable){ .on_train_epoch_end = die_behind }, NULL));
}

/* The validation of the last batch comes before the checkpoint of the epoch's end. */
static void test_kept_at_the_end(void)
{
    const mr_trainer_opts opts = {
        .max_epochs = 1, .checkpoint_every = "9ba", .val_check_interval = "9ba", .accumulate_grad_batches = 3
    };
    add_callbacks = keep_best_and_die;
    CHECK_EQ_I64(fit("kept_whole", NULL, &opts, 0, false), MR_OK);
    awaited = in_folder("kept/version_0/checkpoints/epoch=0-step=3.safetensors");
    CHECK(!fit_in_child("kept", &opts, 0, 0));
    awaited = NULL;
    CHECK_EQ_I64(fit("kept", "last", &opts, 0, false), MR_OK);
    CHECK(same("kept_whole", "kept"));
    add_callbacks = NULL;
}

static void keep_every(mr_trainer *t)
{
    (void)mr_trainer_add_callback(t, mr_model_checkpoint_new(&(mr_model_checkpoint_opts){
                                         .save_top_k = 3, .every = "4ba", .within_epochs = true }));
}

static void test_kept_before_a_signal(void)
{
    add_callbacks = keep_every;
    check_interrupted("kept_int", (mr_trainer_opts){ .max_epochs = 4, .val_check_interval = "4ba" }, 8);
    add_callbacks = NULL;
}

/* ---- going back ---- */

/* A training that goes on from an older checkpoint is killed before its first own one: the last one is the older one then. */
static void test_going_back(void)
{
    static const char older[] = "back/version_0/checkpoints/epoch=1-step=15-kept.safetensors";
    const mr_trainer_opts opts = { .max_epochs = 4, .checkpoint_every = "100ep" };
    int how;
    add_callbacks = keep_all;
    CHECK_EQ_I64(fit("back_whole", NULL, &opts, 0, false), MR_OK);
    CHECK_EQ_I64(fit("back", NULL, &opts, 0, false), MR_OK);
    CHECK(file_exists(in_folder(older)));
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        kill_after = 3;
        _exit(fit("back", in_folder(older), &opts, 0, false));
    }
    CHECK(child > 0 && waitpid(child, &how, 0) == child && WIFSIGNALED(how));
    CHECK(file_exists(in_folder("back/version_0/checkpoints/epoch=1-step=15.safetensors")));
    CHECK(!file_exists(in_folder("back/version_0/checkpoints/epoch=3-step=31.safetensors")));
    CHECK_EQ_I64(fit("back", "last", &opts, 0, false), MR_OK);
    CHECK(same("back_whole", "back"));
    add_callbacks = NULL;
}

/* ---- a folder of its own ---- */

static void keep_apart(mr_trainer *t)
{
    (void)mr_trainer_add_callback(
        t, mr_model_checkpoint_new(&(mr_model_checkpoint_opts){ .dir = in_folder("apart_kept") }));
}

/* What a process that is no more has left half done goes, and what one that lives is writing stays. */
static void test_left_half_done(void)
{
    char left[60], writing[60];
    pid_t child = fork();
    if (child == 0)
        _exit(0);
    CHECK(child > 0 && waitpid(child, NULL, 0) == child);
    snprintf(left, sizeof left, "apart_kept/.mr-%ld-3.tmp", (long)child);
    snprintf(writing, sizeof writing, "apart_kept/.mr-%ld-9999.tmp", (long)getpid());
    CHECK(mkdir(in_folder("apart_kept"), 0777) == 0);
    file_put(in_folder(left), "x", 1);
    file_put(in_folder(writing), "x", 1);
    add_callbacks = keep_apart;
    CHECK_EQ_I64(fit("apart", "last", &(mr_trainer_opts){ .max_epochs = 1 }, 0, false), MR_OK);
    CHECK(!file_exists(in_folder(left)));
    CHECK(file_exists(in_folder(writing)));
    add_callbacks = NULL;
}

int main(void)
{
    if (!files_begin())
        return 1;
    RUN(test_within_an_epoch);
    RUN(test_how_often);
    RUN(test_kept_at_the_end);
    RUN(test_kept_before_a_signal);
    RUN(test_going_back);
    RUN(test_left_half_done);
    return files_report();
}

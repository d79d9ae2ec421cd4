/* Exact resuming of a training with several callbacks at once, each with a state of its own, killed and interrupted. */
#include "resume.h"

#include <math.h>

static void averages(mr_trainer *t)
{
    (void)mr_trainer_add_callback(
        t, mr_optimizer_monitor_new(&(mr_optimizer_monitor_opts){ .by_module = true, .moments = true }));
    (void)mr_trainer_add_callback(
        t, mr_ema_new(&(mr_ema_opts){
               .decay = 0.9, .start = "11ba", .every_n_steps = 3, .use_buffers = true, .not_at_end = true }));
    (void)mr_trainer_add_callback(
        t, mr_swa_new(0.01, &(mr_swa_opts){ .start = "0.4dur", .annealing_epochs = 3 }));
    (void)mr_trainer_add_callback(
        t, mr_early_stopping_new("val_loss", &(mr_early_stopping_opts){ .patience = 50 }));
}

static void test_averages(void)
{
    mr_trainer_opts opts = { .max_epochs = EPOCHS, .log_every_n_steps = 1, .checkpoint_every = "1ba" };
    add_callbacks = averages;
    check_killed("averages", &opts, 3);
    opts.accumulate_grad_batches = 4;
    opts.val_check_interval = "4ba";
    opts.num_sanity_val_steps = 1;
    opts.checkpoint_every = "3ba";
    check_killed("averages_windows", &opts, 2);
    opts.checkpoint_every = NULL;
    opts.accumulate_grad_batches = 0;
    check_interrupted("averages_int", opts, 12);
    add_callbacks = NULL;
}

static void rates_of_epochs(mr_trainer *t)
{
    (void)mr_trainer_add_callback(t, mr_lr_monitor_new(&(mr_lr_monitor_opts){ .at_epochs = true }));
}

/* What is logged when an epoch begins is in the row of one that is resumed. */
static void test_rates_of_epochs(void)
{
    add_callbacks = rates_of_epochs;
    check_killed(
        "rates",
        &(mr_trainer_opts){ .max_epochs = EPOCHS, .log_every_n_steps = 1, .checkpoint_every = "1ba" }, 2);
    add_callbacks = NULL;
}

/* An average is of the epochs that there are: so it is of as many when they come one by one. */
static void test_longer(void)
{
    mr_trainer_opts opts = { .max_steps = 40, .log_every_n_steps = 1, .max_epochs = 100 };
    add_callbacks = averages;
    CHECK_EQ_I64(fit("longer_whole", NULL, &opts, 0, false), MR_OK);
    for (int i = 7; i < 40; i += 8) {
        opts.max_steps = i;
        CHECK_EQ_I64(fit("longer", "last", &opts, 0, false), MR_OK);
        CHECK_EQ_I64(fit("longer", "last", &opts, 0, false), MR_OK); /* nothing to do, but the average */
    }
    opts.max_steps = 40;
    CHECK_EQ_I64(fit("longer", "last", &opts, 0, false), MR_OK);
    CHECK(same("longer_whole", "longer"));
    add_callbacks = NULL;
}

/* ---- nothing left to do ---- */

static mr_callback *keeping;
static char best_path[300];
static double of_fit[3];
static size_t validations;

static void keep_and_restore(mr_trainer *t)
{
    keeping = mr_model_checkpoint_new(&(mr_model_checkpoint_opts){ .monitor = "val_loss" });
    (void)mr_trainer_add_callback(t, keeping);
    (void)mr_trainer_add_callback(
        t, mr_early_stopping_new("loss_epoch",
                                 &(mr_early_stopping_opts){ .patience = 50, .restore_best = true }));
}

static void keep_and_average(mr_trainer *t)
{
    keeping = mr_model_checkpoint_new(&(mr_model_checkpoint_opts){ .monitor = "val_loss" });
    (void)mr_trainer_add_callback(t, keeping);
    (void)mr_trainer_add_callback(t, mr_swa_new(0.02, &(mr_swa_opts){ .start = "1ep" }));
}

/* Stops in the second validation. */
static mr_status stop_second(void *self, mr_step *step)
{
    size_t count;
    (void)self;
    if (mr_trainer_history(step->trainer, "val_loss", &count) && count == 2)
        mr_trainer_stop(step->trainer);
    return MR_OK;
}

static void stop_and_average(mr_trainer *t)
{
    keep_and_average(t);
    (void)mr_trainer_add_callback(
        t, mr_lambda_callback_new(&(mr_callback_vtable){ .on_metrics = stop_second }, NULL));
}

static mr_status fit_and_look(mr_trainer *t, mr_task *task, mr_loader *train, mr_dataset *data, mr_rng *rng)
{
    (void)data;
    (void)rng;
    mr_status status = mr_trainer_fit(t, task, train);
    snprintf(best_path, sizeof best_path, "%s", mr_model_checkpoint_best_path(keeping));
    of_fit[0] = mr_model_checkpoint_best_score(keeping);
    of_fit[1] = mr_trainer_metric(t, "val_loss");
    of_fit[2] = mr_trainer_metric(t, "loss_epoch");
    (void)mr_trainer_history(t, "val_loss", &validations);
    return status;
}

/* A fit of which nothing is left to be done is the one that has done it: weights, metrics, and what callbacks say. `again`: how
 * many validations its end has. */
static void check_nothing_to_do(const char *name, const mr_trainer_opts *opts, size_t again)
{
    char folder[60], path[300], command[400];
    double whole[3];
    CHECK_EQ_I64(fit(name, NULL, opts, 0, false), MR_OK);
    snprintf(path, sizeof path, "%s", best_path);
    memcpy(whole, of_fit, sizeof whole);
    CHECK(isfinite(whole[0]) && isfinite(whole[1]) && isfinite(whole[2]) && file_exists(path));
    snprintf(folder, sizeof folder, "%s_before", name);
    snprintf(command, sizeof command, "cp -r '%s/%s' '%s/%s'", files_folder, name, files_folder, folder);
    CHECK(system(command) == 0);
    CHECK_EQ_I64(fit(name, "last", opts, 0, false), MR_OK);
    CHECK_EQ_I64(validations, again);
    CHECK(same(name, folder));
    CHECK_EQ_STR(best_path, path);
    CHECK(memcmp(whole, of_fit, sizeof whole) == 0);
}

static void test_nothing_to_do(void)
{
    fit_on = fit_and_look;
    add_callbacks = keep_and_restore;
    check_nothing_to_do("nothing_steps", &(mr_trainer_opts){ .max_steps = 15 }, 1);
    check_nothing_to_do("nothing_epochs", &(mr_trainer_opts){ .max_epochs = 2 }, 0);
    check_nothing_to_do("nothing_within", &(mr_trainer_opts){ .max_steps = 20 }, 0);
    add_callbacks = keep_and_average;
    check_nothing_to_do("nothing_average", &(mr_trainer_opts){ .max_steps = 23, .max_epochs = 5 }, 1);
    /* one that goes by its own interval, and is not due at the end: of three epochs, or behind the last batch of the second */
    const char *const intervals[] = { "2ep", "0.4ep", "7ba", "0.5ep" };
    for (int i = 0; i < 4; i++) {
        char name[40];
        snprintf(name, sizeof name, "nothing_interval_%d", i);
        check_nothing_to_do(name, &(mr_trainer_opts){ .max_steps = 23, .val_check_interval = intervals[i] },
                            0);
    }
    add_callbacks = stop_and_average;
    check_nothing_to_do("nothing_stopped", &(mr_trainer_opts){ .max_epochs = 5, .val_check_interval = "9ba" },
                        0);
    add_callbacks = NULL;
    fit_on = NULL;
}

static void only_ema(mr_trainer *t)
{
    (void)mr_trainer_add_callback(t, mr_ema_new(NULL));
}

static void other_ema(mr_trainer *t)
{
    (void)mr_trainer_add_callback(t, mr_ema_new(&(mr_ema_opts){ .use_buffers = true }));
}

/* What a checkpoint has not, or a training has not. */
static void test_others(void)
{
    mr_trainer_opts opts = { .max_steps = 5 };
    add_callbacks = only_ema;
    CHECK_EQ_I64(fit("others", NULL, &opts, 0, false), MR_OK);
    opts.max_steps = 7;
    add_callbacks = NULL;
    CHECK_EQ_I64(fit("others", "last", &opts, 0, false), MR_ERR_ARGUMENT);
    CHECK(strstr(mr_error(), "the callbacks that keep a state are [EMA] in the file, [] here") != NULL);
    add_callbacks = other_ema;
    CHECK_EQ_I64(fit("others", "last", &opts, 0, false), MR_ERR_FORMAT);
    CHECK(strstr(mr_error(), "trainer.callback.0.EMA.average.norm.running_mean is not in it") != NULL);
    add_callbacks = NULL;
}

int main(void)
{
    if (!files_begin())
        return 1;
    RUN(test_averages);
    RUN(test_rates_of_epochs);
    RUN(test_longer);
    RUN(test_nothing_to_do);
    RUN(test_others);
    return files_report();
}

/* Exact resuming of a training with several callbacks at once, each with a state of its own, killed and interrupted. */
#include "resume.h"

static void averages(mr_trainer *t)
{
    (void)mr_trainer_add_callback(
        t, mr_optimizer_monitor_new(&(mr_optimizer_monitor_opts){ .by_module = true, .moments = true }));
    (void)mr_trainer_add_callback(
        t,
        mr_ema_new(&(mr_ema_opts){ .decay = 0.9, .start = "11ba", .every_n_steps = 3, .use_buffers = true }));
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
    CHECK(strstr(mr_error(), "this training has no trainer.callback.0.EMA.") != NULL);
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
    RUN(test_longer);
    RUN(test_others);
    return files_report();
}

/* NAME_step, and what is logged for steps alone, as what callbacks and schedules look at. */
#include "check.h"
#include "fit.h"

/* The loss that is logged in step k, counted over the epochs, of which each has three. */
static const double *losses;

static mr_tensor *log_loss(mr_step *s, const mr_batch *b, mr_tensor *loss)
{
    (void)b;
    mr_log_value(s, "loss", losses[s->epoch * 3 + s->batch_index], &(mr_log_opts){ .on_epoch = true });
    mr_log_value(s, "alone", losses[s->epoch * 3 + s->batch_index], NULL);
    return loss;
}

static double rates[8];

static mr_schedule *plateau(void *self, mr_optim *optim)
{
    (void)self;
    return mr_reduce_lr_on_plateau_new(
        optim, &(mr_reduce_lr_on_plateau_opts){ .patience = MR_ZERO_INT, .factor = 0.5 });
}

static mr_status note_rate(void *user, mr_step *s)
{
    (void)user;
    rates[s->epoch] = mr_optim_lr(s->optim);
    return MR_OK;
}

static mr_trainer *trainer_new(const char *name, int64_t epochs)
{
    return mr_trainer_new(&(mr_trainer_opts){ .max_epochs = epochs,
                                              .csv = files_folder,
                                              .name = name,
                                              .log_every_n_steps = 1,
                                              .no_progress = true,
                                              .no_summary = true });
}

/* The last step's value, when an epoch has ended; beside the epoch's, under both of its names. */
static void test_metrics(void)
{
    static const double down[] = { 9, 5, 4, 8, 3, 1 };
    fit f = fit_new(12);
    mr_trainer *t = trainer_new("metrics", 2);
    losses = down;
    hook.step = log_loss;
    CHECK_EQ_I64(mr_trainer_fit(t, f.task, f.loader), MR_OK);
    CHECK(mr_trainer_metric(t, "loss_step") == 1 && mr_trainer_metric(t, "alone") == 1);
    CHECK(mr_trainer_metric(t, "loss") == 4 && mr_trainer_metric(t, "loss_epoch") == 4);
    CHECK(isnan(mr_trainer_metric(t, "alone_step")));
    mr_trainer_free(t);
    fit_free(&f);
}

/* Means fall, last values do not. */
static const double stalling[] = { 9, 9, 1, 8, 8, 2, 7, 7, 3, 6, 6, 4, 5, 5, 5, 4, 4, 6 };

static int64_t steps_until_end(const char *name)
{
    fit f = fit_new(12);
    mr_trainer *t = trainer_new("stopping", 6);
    losses = stalling;
    hook.step = log_loss;
    CHECK_EQ_I64(
        mr_trainer_add_callback(t, mr_early_stopping_new(name, &(mr_early_stopping_opts){ .patience = 2 })),
        MR_OK);
    CHECK_EQ_I64(mr_trainer_fit(t, f.task, f.loader), MR_OK);
    const int64_t steps = mr_trainer_global_step(t);
    mr_trainer_free(t);
    fit_free(&f);
    return steps;
}

static void test_early_stopping(void)
{
    CHECK_EQ_I64(steps_until_end("loss_step"), 9);
    CHECK_EQ_I64(steps_until_end("alone"), 9);
    CHECK_EQ_I64(steps_until_end("loss_epoch"), 18);
}

static void test_plateau(void)
{
    static const char *const names[] = { "loss_step", "loss_epoch" };
    for (int i = 0; i < 2; i++) {
        const mr_task_vtable vtable = { .training_step = fit_step,
                                        .configure_optimizers = fit_optimizers,
                                        .configure_schedule = plateau,
                                        .schedule_monitor = names[i] };
        fit f = fit_new(12);
        mr_task *task = mr_task_new(&vtable, f.model, NULL, 0);
        mr_trainer *t = trainer_new("plateau", 4);
        losses = stalling;
        hook.step = log_loss;
        CHECK_EQ_I64(
            mr_trainer_add_callback(
                t, mr_lambda_callback_new(&(mr_callback_vtable){ .on_train_epoch_start = note_rate }, NULL)),
            MR_OK);
        CHECK_EQ_I64(mr_trainer_fit(t, task, f.loader), MR_OK);
        CHECK_NEAR(rates[1], 0.1, 0);
        CHECK_NEAR(rates[2], i ? 0.1 : 0.05, 0);
        CHECK_NEAR(rates[3], i ? 0.1 : 0.025, 0);
        mr_trainer_free(t);
        mr_task_free(task);
        fit_free(&f);
    }
}

/* ---- within epochs it is the batch that has just been ---- */

static void check_kept(const char *name, const mr_model_checkpoint_opts *opts, double score, const char *best)
{
    static const double waves[] = { 9, 2, 7, 3, 1, 8 };
    fit f = fit_new(12);
    mr_trainer *t = trainer_new(name, 2);
    losses = waves;
    hook.step = log_loss;
    mr_callback *c = mr_model_checkpoint_new(opts);
    CHECK_EQ_I64(mr_trainer_add_callback(t, c), MR_OK);
    CHECK_EQ_I64(mr_trainer_fit(t, f.task, f.loader), MR_OK);
    CHECK_NEAR(mr_model_checkpoint_best_score(c), score, 0);
    const char *path = mr_model_checkpoint_best_path(c);
    CHECK_EQ_STR(strrchr(path, '/') ? strrchr(path, '/') + 1 : path, best);
    CHECK(file_exists(path));
    mr_trainer_free(t);
    fit_free(&f);
}

static void test_model_checkpoint(void)
{
    static const char *const names[] = { "loss_step", "loss", "alone" };
    for (int i = 0; i < 3; i++) {
        char name[24], format[40], best[60];
        snprintf(name, sizeof name, "kept%d", i);
        snprintf(format, sizeof format, "{step}-{%s:.1f}", names[i]);
        snprintf(best, sizeof best, "step=5-%s=1.0.safetensors", names[i]);
        check_kept(name,
                   &(mr_model_checkpoint_opts){
                       .monitor = names[i], .filename = format, .every = "1ba", .within_epochs = true },
                   1, best);
    }
    /* Behind epochs: the mean of 9, 2, 7 and of 3, 1, 8; the last values 7 and 8. */
    check_kept("behind", &(mr_model_checkpoint_opts){ .monitor = "loss", .filename = "{epoch}-{loss:.0f}" },
               4, "epoch=1-loss=4.safetensors");
    check_kept("behind_step",
               &(mr_model_checkpoint_opts){ .monitor = "loss_step", .filename = "{epoch}-{loss_step:.0f}" },
               7, "epoch=0-loss_step=7.safetensors");
}

int main(void)
{
    if (!files_begin())
        return 1;
    RUN(test_metrics);
    RUN(test_early_stopping);
    RUN(test_plateau);
    RUN(test_model_checkpoint);
    return files_report();
}

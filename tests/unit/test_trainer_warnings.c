/* What a trainer says of options that come to nothing, and what it refuses since parts would be in each other's way. */
#include "check.h"
#include "fit.h"

static mr_callback *added[2]; /* to the next trainer, which adopts them */

static mr_status validation_step(mr_step *s, const mr_batch *b)
{
    (void)b;
    mr_log_value(s, "val_loss", 1, NULL);
    return MR_OK;
}

static mr_status manual(void *self, mr_module *model, mr_optimizers *made)
{
    (void)self;
    made->optim[0] = mr_sgd_new(mr_module_parameters(model), 0.1, NULL);
    return MR_OK;
}

static mr_tensor *updating_step(mr_step *s, const mr_batch *b)
{
    mr_optim_zero_grad(mr_step_optim(s, 0));
    CHECK_EQ_I64(mr_step_backward(s, fit_step(s, b)), MR_OK);
    CHECK_EQ_I64(mr_step_update(s, 0), MR_OK);
    return NULL;
}

static mr_status train(mr_task_vtable vtable, mr_trainer_opts opts)
{
    opts.no_progress = opts.no_summary = true;
    opts.log_every_n_steps = 1;
    fit f = fit_new(10);
    mr_rng *rng = mr_rng_new(2);
    mr_loader *val = mr_loader_new(f.data, rng, &(mr_loader_opts){ .batch_size = 5 });
    mr_task *task = mr_task_new(&vtable, f.model, NULL, 0);
    mr_trainer *t = mr_trainer_new(&opts);
    for (int i = 0; i < 2 && added[i]; i++)
        CHECK_EQ_I64(mr_trainer_add_callback(t, added[i]), MR_OK);
    added[0] = added[1] = NULL;
    if (vtable.validation_step)
        CHECK_EQ_I64(mr_trainer_set_val_loader(t, val), MR_OK);
    mr_status status = mr_trainer_fit(t, task, f.loader);
    mr_trainer_free(t);
    mr_task_free(task);
    mr_loader_free(val);
    mr_rng_free(rng);
    fit_free(&f);
    return status;
}

static void test_checkpoint_every(void)
{
    CHECK_EQ_I64(train(fit_task, (mr_trainer_opts){ .max_epochs = 1, .checkpoint_every = "2ba" }), MR_OK);
    CHECK_EQ_STR(heard, "fit: checkpoint_every makes no checkpoints without csv or save_dir\n");
    CHECK_EQ_I64(train(fit_task, (mr_trainer_opts){ .max_epochs = 1,
                                                    .checkpoint_every = "2ba",
                                                    .csv = files_folder,
                                                    .no_checkpoint = true }),
                 MR_OK);
    CHECK_EQ_STR(heard, "fit: checkpoint_every makes no checkpoints with no_checkpoint\n");
    CHECK_EQ_I64(train(fit_task, (mr_trainer_opts){ .max_epochs = 1 }), MR_OK);
    CHECK_EQ_STR(heard, "");
}

static void test_no_validation(void)
{
    mr_task_vtable v = fit_task;
    v.validation_step = validation_step;
    CHECK_EQ_I64(train(v, (mr_trainer_opts){ .max_epochs = 2, .val_check_interval = "100ba" }), MR_OK);
    CHECK_EQ_STR(heard, "fit: there was no validation in 6 batches, val_check_interval never fell due\n");
    added[0] = mr_early_stopping_new("val_loss", NULL);
    v.schedule_monitor = "val_loss";
    CHECK_EQ_I64(train(v, (mr_trainer_opts){ .max_epochs = 2, .check_val_every_n_epoch = 3 }), MR_OK);
    CHECK_EQ_STR(heard, "fit: there was no validation in 6 batches, check_val_every_n_epoch never fell due: "
                        "nothing of it was seen by EarlyStopping, the schedule\n");
    CHECK_EQ_I64(train(v, (mr_trainer_opts){ .max_epochs = 2, .val_check_interval = "6ba" }), MR_OK);
    CHECK_EQ_STR(heard, "");
}

static void test_no_update(void)
{
    mr_task_vtable v = { .training_step = fit_step, .configure_manual = manual };
    CHECK_EQ_I64(train(v, (mr_trainer_opts){ .max_epochs = 1 }), MR_OK);
    CHECK_EQ_STR(heard, "fit: no update was made in 3 batches: a task with configure_manual makes them "
                        "itself, with mr_step_update\n");
    v.training_step = updating_step;
    CHECK_EQ_I64(train(v, (mr_trainer_opts){ .max_epochs = 1 }), MR_OK);
    CHECK_EQ_STR(heard, "");
    v.configure_optimizers = fit_optimizers;
    CHECK_EQ_I64(train(v, (mr_trainer_opts){ .max_epochs = 1 }), MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(), "fit: configure_optimizers and configure_manual exclude each other");
}

/* The model can end with one of them. */
static void test_two_averages(void)
{
    const mr_trainer_opts opts = { .max_epochs = 2 };
    const mr_ema_opts beside = { .not_at_end = true };
    const mr_swa_opts swa = { .start = "1ep" };
    added[0] = mr_ema_new(NULL);
    added[1] = mr_swa_new(0.1, &swa);
    CHECK_EQ_I64(train(fit_task, opts), MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(), "fit: StochasticWeightAveraging: at the end the model gets the average of EMA "
                             "already, which not_at_end leaves out");
    added[0] = mr_swa_new(0.1, &swa);
    added[1] = mr_ema_new(NULL);
    CHECK_EQ_I64(train(fit_task, opts), MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(), "fit: EMA: at the end the model gets the average of StochasticWeightAveraging "
                             "already, which not_at_end leaves out");
    added[0] = mr_ema_new(&beside);
    added[1] = mr_swa_new(0.1, &swa);
    CHECK_EQ_I64(train(fit_task, opts), MR_OK);
    added[0] = mr_swa_new(0.1, &swa);
    added[1] = mr_ema_new(&beside);
    CHECK_EQ_I64(train(fit_task, opts), MR_OK);
}

static void test_resume(void)
{
    CHECK_EQ_I64(train(fit_task, (mr_trainer_opts){ .max_epochs = 1, .resume = "" }), MR_ERR_IO);
    CHECK_EQ_STR(mr_error(), "resume: cannot read '': No such file or directory");
    CHECK_EQ_I64(train(fit_task, (mr_trainer_opts){ .max_epochs = 1, .resume = "/nonexist/x" }), MR_ERR_IO);
    CHECK_EQ_STR(mr_error(), "resume: cannot read '/nonexist/x': No such file or directory");
}

int main(void)
{
    if (!files_begin())
        return 1;
    mr_set_log_hook(hear, NULL);
    RUN(test_checkpoint_every);
    RUN(test_no_validation);
    RUN(test_no_update);
    RUN(test_two_averages);
    RUN(test_resume);
    return files_report();
}

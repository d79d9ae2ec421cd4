/* Exact resuming of trainings that go back to an older state, and of those that optimize by hand. */
#include "resume.h"

/* ---- rollbacks ---- */

/* Some losses, of certain batches, are no numbers; and one gradient. */
static mr_tensor *spoiled_step(mr_step *s, const mr_batch *b)
{
    const int64_t at = 9 * s->epoch + s->batch_index;
    mr_tensor *loss = training_step(s, b);
    if (at == 7 || at == 20 || at == 38)
        return mr_mul_scalar(s->tape, loss, NAN);
    if (at == 30) /* the root of zero: 0, but with an infinite slope */
        return mr_add(
            s->tape, loss,
            mr_sqrt(s->tape,
                    mr_mul_scalar(
                        s->tape,
                        mr_sum(s->tape, mr_module_parameters(s->model).item[0].tensor, MR_ALL, false), 0)));
    return loss;
}

static mr_task_vtable spoiled;

static void test_rollbacks(void)
{
    mr_trainer_opts opts = { .max_epochs = EPOCHS,
                             .log_every_n_steps = 1,
                             .checkpoint_every = "1ba",
                             .nonfinite = MR_NONFINITE_ROLLBACK,
                             .rollback_every_n_steps = 5 };
    spoiled = task_vtable;
    spoiled.training_step = spoiled_step;
    task_kind = &spoiled;
    check_killed("rollback", &opts, 2);
    opts.accumulate_grad_batches = 3;
    opts.rollback_every_n_steps = 2;
    check_killed("rollback_windows", &opts, 2);
    opts.nonfinite = MR_NONFINITE_SKIP;
    check_killed("skip", &opts, 2);
    task_kind = &task_vtable;
}

/* ---- by hand ---- */

static bool one_optimizer;

static mr_status configure_manual(void *self, mr_module *model, mr_optimizers *made)
{
    (void)self;
    mr_params p = mr_module_parameters(model);
    made->optim[0] = mr_adam_new((mr_params){ p.item, 4 }, 0.01, NULL);
    made->optim[1] =
        mr_sgd_new((mr_params){ p.item + 4, p.count - 4 }, 0.02, &(mr_sgd_opts){ .momentum = 0.9 });
    if (one_optimizer) {
        mr_optim_free(made->optim[1]);
        made->optim[1] = NULL;
        return MR_OK;
    }
    made->schedule[1] = mr_exponential_lr_new(made->optim[1], 0.9);
    return MR_OK;
}

static mr_tensor *step_by_hand(mr_step *s, const mr_batch *b)
{
    const int64_t at = 9 * s->epoch + s->batch_index;
    for (int i = 0; i < (one_optimizer ? 1 : 2); i++) {
        mr_optim *optim = mr_step_optim(s, i);
        mr_optim_zero_grad(optim);
        mr_tensor *loss = training_step(s, b);
        if (s->trainer && at % 17 == 11 && i == 1)
            loss = mr_mul_scalar(s->tape, loss, NAN);
        if (mr_step_backward(s, loss) != MR_OK || mr_step_update(s, i) != MR_OK)
            return NULL;
        mr_tape_reset(s->tape);
    }
    if (s->batch_index % 4 == 3 && mr_step_schedule(s, 1))
        (void)!mr_schedule_step(mr_step_schedule(s, 1));
    return NULL;
}

static const mr_task_vtable by_hand = { .training_step = step_by_hand,
                                        .configure_manual = configure_manual,
                                        .validation_step = validation_step,
                                        .destroy = task_destroy,
                                        .state = task_state };

static void monitors(mr_trainer *t)
{
    (void)mr_trainer_add_callback(t, mr_lr_monitor_new(NULL));
    (void)mr_trainer_add_callback(t, mr_ema_new(&(mr_ema_opts){ .decay = 0.9 }));
}

static void test_by_hand(void)
{
    mr_trainer_opts opts = { .max_epochs = EPOCHS,
                             .log_every_n_steps = 1,
                             .checkpoint_every = "1ba",
                             .nonfinite = MR_NONFINITE_ROLLBACK,
                             .rollback_every_n_steps = 6,
                             .val_check_interval = "4ba" };
    task_kind = &by_hand;
    add_callbacks = monitors;
    check_killed("by_hand", &opts, 2);
    opts.nonfinite = MR_NONFINITE_SKIP;
    check_killed("by_hand_skip", &opts, 2);
    opts.checkpoint_every = NULL;
    check_interrupted("by_hand_int", opts, 12);
    task_kind = &task_vtable;
    add_callbacks = NULL;
}

/* ---- gradients that the task zeroes when it likes ---- */

static mr_tensor *(*loss_to_add)(mr_step *s, const mr_batch *b) = training_step;

static mr_tensor *add_up_by_hand(mr_step *s, const mr_batch *b)
{
    mr_tensor *loss = loss_to_add(s, b);
    if (s->batch_index % 4 == 0)
        for (int i = 0; i < 2; i++)
            mr_optim_zero_grad(mr_step_optim(s, i));
    if (mr_step_backward(s, loss) != MR_OK)
        return NULL;
    for (int i = 0; s->batch_index % 4 == 3 && i < 2; i++)
        if (mr_step_update(s, i) != MR_OK)
            return NULL;
    return NULL;
}

/* A part of the parameters, so that the others' gradients are in no optimizer. */
static mr_status configure_part(void *self, mr_module *model, mr_optimizers *made)
{
    (void)self;
    mr_params p = mr_module_parameters(model);
    made->optim[0] = mr_adam_new((mr_params){ p.item, 2 }, 0.01, NULL);
    made->optim[1] = mr_sgd_new((mr_params){ p.item + 2, 2 }, 0.02, &(mr_sgd_opts){ .momentum = 0.9 });
    return MR_OK;
}

/* The sum of all gradients is logged by the step behind them. */
static mr_tensor *look_at_gradients(mr_step *s, const mr_batch *b)
{
    double sum = 0;
    mr_params p = mr_module_parameters(s->model);
    for (size_t i = 0; i < p.count; i++) {
        mr_tensor *x = p.item[i].tensor;
        if (mr_tensor_has_grad(x))
            sum += mr_item(mr_sum(s->tape, mr_tensor_grad(x), MR_ALL, false));
    }
    mr_log_value(s, "gradients", sum, NULL);
    return add_up_by_hand(s, b);
}

static mr_status zero_now_and_then(mr_step *s)
{
    if (s->batch_index % 4 == 0)
        mr_optim_zero_grad(s->optim);
    return MR_OK;
}

static void test_gradients(void)
{
    static const mr_task_vtable parts = { .training_step = look_at_gradients,
                                          .configure_manual = configure_part,
                                          .validation_step = validation_step,
                                          .destroy = task_destroy,
                                          .state = task_state };
    mr_trainer_opts opts = { .max_epochs = EPOCHS, .log_every_n_steps = 1, .checkpoint_every = "1ba" };
    mr_task_vtable kind = by_hand;
    task_kind = &kind;
    kind.training_step = add_up_by_hand;
    check_killed("gradients", &opts, 2);
    loss_to_add = spoiled_step;
    opts.rollback_every_n_steps = 4;
    opts.nonfinite = MR_NONFINITE_ROLLBACK;
    check_killed("gradients_rollback", &opts, 2);
    opts.nonfinite = MR_NONFINITE_SKIP;
    check_killed("gradients_skip", &opts, 2);
    opts.nonfinite = MR_NONFINITE_STOP;
    loss_to_add = training_step;
    task_kind = &parts;
    check_killed("gradients_parts", &opts, 2);
    kind = task_vtable;
    task_kind = &kind;
    kind.optimizer_zero_grad = zero_now_and_then;
    check_killed("gradients_own", &opts, 2);
    task_kind = &task_vtable;
    CHECK_EQ_I64(fit("gradients_own_0", "last", &(mr_trainer_opts){ .max_epochs = EPOCHS + 1 }, 0, false),
                 MR_ERR_ARGUMENT);
    CHECK(strstr(mr_error(), "this training has no trainer.gradient.") != NULL);
}

/* What was saved of another kind of training is refused. */
static void test_others(void)
{
    mr_trainer_opts opts = { .max_steps = 4 };
    CHECK_EQ_I64(fit("automatic", NULL, &opts, 0, false), MR_OK);
    task_kind = &by_hand;
    CHECK_EQ_I64(fit("others", NULL, &opts, 0, false), MR_OK);
    opts.max_steps = 6;
    CHECK_EQ_I64(fit("automatic", "last", &opts, 0, false), MR_ERR_ARGUMENT);
    CHECK(strstr(mr_error(), "its task does not optimize by hand, this one does") != NULL);
    task_kind = &task_vtable;
    CHECK_EQ_I64(fit("others", "last", &opts, 0, false), MR_ERR_ARGUMENT);
    CHECK(strstr(mr_error(), "its task optimizes by hand, this one does not") != NULL);
    one_optimizer = true;
    task_kind = &by_hand;
    CHECK_EQ_I64(fit("others", "last", &opts, 0, false), MR_ERR_ARGUMENT);
    CHECK(strstr(mr_error(), "the optimizers are [adam, sgd] in the file, [adam] here") != NULL);
    one_optimizer = false;
    task_kind = &task_vtable;
}

static void keep_quiet(void *user, mr_log_level level, const char *line)
{
    (void)user;
    (void)level;
    (void)line;
}

int main(void)
{
    if (!files_begin())
        return 1;
    mr_set_log_hook(keep_quiet, NULL);
    RUN(test_rollbacks);
    RUN(test_by_hand);
    RUN(test_gradients);
    RUN(test_others);
    return files_report();
}

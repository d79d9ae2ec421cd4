/* Exact resuming of trainings with several loaders, and of those on a few batches that stay the same. */
#include "resume.h"

static mr_loaders_mode mode;

/* A second loader for training, which has a generator of its own, and a second one for validation. */
static mr_status fit_on_two(mr_trainer *t, mr_task *task, mr_loader *train, mr_dataset *data, mr_rng *rng)
{
    mr_rng *own_rng = mr_rng_new(9);
    mr_loader *second = mr_loader_new(data, rng, &(mr_loader_opts){ .batch_size = 11, .shuffle = true });
    mr_loader *val = mr_loader_new(data, rng, &(mr_loader_opts){ .batch_size = 20, .shuffle = true });
    (void)mr_loader_set_generator(second, own_rng);
    (void)mr_trainer_add_val_loader(t, val);
    mr_status status = mr_trainer_fit_loaders(t, task, (mr_loader *[]){ train, second }, 2, mode);
    mr_loader_free(second);
    mr_loader_free(val);
    mr_rng_free(own_rng);
    return status;
}

/* The loss of both batches; which metric is looked at has a suffix. */
static mr_tensor *step_of_two(mr_step *s, const mr_batch *b)
{
    mr_tensor *loss = training_step(s, b);
    const mr_batch *other = s->batch_count > 1 ? s->batches[1] : NULL;
    if (!other || other == b)
        return loss;
    mr_tensor *y = mr_forward(s->model, s->tape, other->field[0]);
    return mr_add(s->tape, loss, mr_mse_loss(s->tape, y, other->field[1], NULL));
}

static mr_task_vtable of_two;

static void test_several(void)
{
    mr_trainer_opts opts = { .max_epochs = EPOCHS, .log_every_n_steps = 1, .checkpoint_every = "1ba" };
    of_two = task_vtable;
    of_two.training_step = step_of_two;
    of_two.schedule_monitor = "val_loss/dataloader_idx_1";
    task_kind = &of_two;
    fit_on = fit_on_two;
    mode = MR_LOADERS_MAX_SIZE_CYCLE;
    check_killed("cycle", &opts, 2);
    mode = MR_LOADERS_MAX_SIZE;
    check_interrupted("longest", opts, 12);
    mode = MR_LOADERS_SEQUENTIAL;
    opts.accumulate_grad_batches = 2;
    opts.val_check_interval = "3ba";
    check_killed("sequential", &opts, 2);
    mode = MR_LOADERS_MIN_SIZE;
    opts.num_sanity_val_steps = 1;
    opts.limit_val_share = 0.7;
    check_killed("shortest", &opts, 1);
    fit_on = NULL;
    task_kind = &task_vtable;
}

static void test_overfit(void)
{
    const mr_trainer_opts opts = {
        .max_epochs = EPOCHS, .log_every_n_steps = 1, .checkpoint_every = "1ba", .overfit_batches = 3
    };
    check_killed("overfit", &opts, 2);
}

/* What another number of loaders has left. */
static void test_others(void)
{
    mr_trainer_opts opts = { .max_steps = 3 };
    mode = MR_LOADERS_MIN_SIZE;
    of_two.schedule_monitor = NULL;
    CHECK_EQ_I64(fit("one", NULL, &opts, 0, false), MR_OK);
    fit_on = fit_on_two;
    CHECK_EQ_I64(fit("two", NULL, &opts, 0, false), MR_OK);
    opts.max_steps = 5;
    CHECK_EQ_I64(fit("one", "last", &opts, 0, false), MR_ERR_ARGUMENT);
    CHECK(strstr(mr_error(), "its generators are those of ") != NULL);
    fit_on = NULL;
    CHECK_EQ_I64(fit("two", "last", &opts, 0, false), MR_ERR_ARGUMENT);
    CHECK(strstr(mr_error(), "[\"loader.1.generator\"]") != NULL);
}

int main(void)
{
    if (!files_begin())
        return 1;
    RUN(test_several);
    RUN(test_overfit);
    RUN(test_others);
    return files_report();
}

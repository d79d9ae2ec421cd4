/* Exact resuming of trainings with several loaders, and of those on a few batches that stay the same. */
#include "resume.h"

#include <millrace/samplers.h>

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

/* ---- samplers that draw from another generator than the loader ---- */

static mr_sampler *(*make_sampler)(mr_rng *rng);

static mr_sampler *random_batches(mr_rng *rng)
{
    return mr_batch_sampler_new(mr_random_sampler_new(SAMPLES, rng, NULL), 6, false);
}

static mr_sampler *weighted_part(mr_rng *rng)
{
    double weights[SAMPLES];
    for (int i = 0; i < SAMPLES; i++)
        weights[i] = 1 + i % 3;
    return mr_replica_sampler_new(mr_weighted_sampler_new(weights, SAMPLES, 2 * SAMPLES, rng, NULL), 1, 2,
                                  MR_REMAINDER_PAD);
}

static mr_sampler *subset(mr_rng *rng)
{
    static const int64_t chosen[] = { 3, 1, 4, 15, 9, 2, 6, 5, 35, 8, 7, 32, 38, 46 };
    return mr_subset_random_sampler_new(chosen, 14, rng, NULL);
}

static mr_status fit_sampled(mr_trainer *t, mr_task *task, mr_loader *train, mr_dataset *data, mr_rng *rng)
{
    (void)train;
    mr_rng *other = mr_rng_new(9);
    mr_loader *loader = mr_loader_new(data, rng, &(mr_loader_opts){ .batch_size = 6, .workers = 2 });
    mr_status status = mr_loader_set_sampler(loader, make_sampler(other));
    if (!status)
        status = mr_trainer_fit(t, task, loader);
    mr_loader_free(loader);
    mr_rng_free(other);
    return status;
}

static void test_samplers(void)
{
    const mr_trainer_opts opts = { .max_epochs = EPOCHS, .log_every_n_steps = 1, .checkpoint_every = "1ba" };
    fit_on = fit_sampled;
    make_sampler = random_batches;
    check_killed("sampled", &opts, 2);
    make_sampler = weighted_part;
    check_killed("weighted", &opts, 2);
    make_sampler = subset;
    check_killed("subset", &opts, 2);
    fit_on = NULL;
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
    RUN(test_samplers);
    RUN(test_overfit);
    RUN(test_others);
    return files_report();
}

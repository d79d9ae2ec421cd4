/* Callbacks that only pass on what a library's call has said: its words are what the caller hears. */
#include "check.h"
#include "fit.h"

#define CAUSE "cannot write '/nonexist/x.safetensors': No such file or directory"

static mr_module *linear; /* of whom a file cannot be written */
static bool silent;       /* passes on no reason: the status alone */

static mr_status bad(void)
{
    return silent ? MR_ERR_IO : mr_module_save(linear, "/nonexist/x.safetensors");
}

static mr_status hook_fails(void *self, mr_step *step)
{
    (void)self;
    (void)step;
    return bad();
}

static mr_status step_fails(mr_step *step)
{
    (void)step;
    return bad();
}

static mr_status validation_fails(mr_step *step, const mr_batch *batch)
{
    (void)step;
    (void)batch;
    return bad();
}

static mr_tensor *gives_null(mr_step *step, const mr_batch *batch)
{
    (void)step;
    (void)batch;
    return bad() ? NULL : NULL;
}

static mr_optim *no_optimizer(void *self, mr_module *model)
{
    (void)self;
    (void)model;
    return bad() ? NULL : NULL;
}

static mr_schedule *no_schedule(void *self, mr_optim *optim)
{
    (void)self;
    (void)optim;
    return bad() ? NULL : NULL;
}

static mr_status manual_fails(void *self, mr_module *model, mr_optimizers *made)
{
    (void)self;
    (void)model;
    (void)made;
    return bad();
}

static mr_status row_fails(void *self, const mr_log_row *row)
{
    (void)self;
    (void)row;
    return bad();
}

static mr_tensor *logs(mr_step *step, const mr_batch *batch)
{
    mr_tensor *loss = fit_step(step, batch);
    mr_log(step, "loss", loss, NULL);
    return loss;
}

/* A fit of one epoch with that task. Both texts: of a reason that is passed on, and of a status alone. */
static void check_fit(mr_task_vtable vtable, const mr_logger_vtable *logger, const char *text,
                      const char *without)
{
    for (int alone = 0; alone < 2; alone++) {
        fit f = fit_new(8);
        mr_task *task = mr_task_new(&vtable, f.model, NULL, 0);
        mr_trainer *t = mr_trainer_new(&(mr_trainer_opts){
            .max_epochs = 1, .log_every_n_steps = 1, .no_summary = true, .no_progress = true });
        linear = f.model;
        if (vtable.validation_step)
            CHECK_EQ_I64(mr_trainer_set_val_loader(t, f.loader), MR_OK);
        if (logger)
            CHECK_EQ_I64(mr_trainer_add_logger(t, mr_logger_new(logger, NULL, 0)), MR_OK);
        silent = false;
        CHECK_EQ_I64(bad(), MR_ERR_IO); /* an old failure, which is not the reason */
        silent = alone;
        CHECK(mr_trainer_fit(t, task, f.loader) < 0);
        CHECK_EQ_STR(mr_error(), alone ? without : text);
        mr_trainer_free(t);
        mr_task_free(task);
        fit_free(&f);
    }
}

static void test_fit(void)
{
    static const mr_callback_vtable at_start = { .on_train_start = hook_fails };
    static const mr_callback_vtable at_end = { .on_train_epoch_end = hook_fails };
    static const mr_logger_vtable logger = { .name = "spy", .row = row_fails };
    mr_task_vtable v = fit_task;
    v.hooks = &at_start;
    check_fit(v, NULL, "fit: the task: " CAUSE, "fit: the task: on_train_start failed without a message");
    v.hooks = &at_end;
    check_fit(v, NULL, "fit: the task: " CAUSE, "fit: the task: on_train_epoch_end failed without a message");
    v = fit_task;
    v.validation_step = validation_fails;
    check_fit(v, NULL, "fit: validation of epoch 0, batch 0: " CAUSE,
              "fit: validation of epoch 0, batch 0: validation_step failed without a message");
    v = fit_task;
    v.training_step = gives_null;
    check_fit(v, NULL, "fit: epoch 0, step 0: " CAUSE, "fit: epoch 0, step 0: training_step gave no loss");
    v = fit_task;
    v.optimizer_step = step_fails;
    check_fit(v, NULL, "fit: epoch 0, step 0: " CAUSE,
              "fit: epoch 0, step 0: optimizer_step failed without a message");
    v = fit_task;
    v.configure_optimizers = no_optimizer;
    check_fit(v, NULL, CAUSE, "fit: configure_optimizers gave no optimizer");
    v = fit_task;
    v.configure_schedule = no_schedule;
    check_fit(v, NULL, CAUSE, "fit: configure_schedule gave no schedule");
    v = (mr_task_vtable){ .training_step = gives_null, .configure_manual = manual_fails };
    check_fit(v, NULL, CAUSE, "fit: configure_manual failed without a message");
    v = fit_task;
    v.training_step = logs;
    check_fit(v, &logger, CAUSE, "logger spy: row failed without a message");
}

/* ---- data ---- */

static mr_status get_fails(int64_t index)
{
    return index == 3 ? bad() : MR_OK;
}

static mr_status change_fails(void *user, void *const *in, void *const *out, int64_t index, mr_random *random)
{
    (void)user;
    (void)in;
    (void)out;
    (void)random;
    return get_fails(index);
}

static mr_status collate_fails(void *user, const mr_batch *samples, mr_collated *out)
{
    (void)user;
    (void)samples;
    (void)out;
    return bad();
}

static void check_loader(mr_dataset *data, mr_loader_opts opts, mr_collate_function collate, const char *text)
{
    const mr_batch *batch;
    mr_rng *rng = mr_rng_new(1);
    mr_loader *loader = mr_loader_new(data, rng, &opts);
    if (collate)
        CHECK_EQ_I64(mr_loader_set_collate(loader, collate, NULL), MR_OK);
    silent = false;
    CHECK_EQ_I64(bad(), MR_ERR_IO);
    CHECK_EQ_I64(mr_loader_next(loader, &batch), MR_ERR_IO);
    CHECK_EQ_STR(mr_error(), text);
    mr_loader_free(loader);
    mr_rng_free(rng);
}

static void test_loader(void)
{
    fit f = fit_new(8);
    linear = f.model;
    mr_dataset *map = mr_map_new(f.data, change_fails, NULL, NULL);
    for (int workers = 0; workers < 2; workers++) {
        const mr_loader_opts opts = { .batch_size = 4, .workers = workers };
        check_loader(map, opts, NULL, "loader: sample 3: map: sample 3: " CAUSE);
        hook.sample = get_fails;
        check_loader(f.data, opts, NULL, "loader: sample 3: " CAUSE);
        hook.sample = NULL;
    }
    check_loader(f.data, (mr_loader_opts){ .batch_size = 4 }, collate_fails,
                 "loader: batch at position 0: " CAUSE);
    mr_dataset_free(map);
    fit_free(&f);
}

int main(void)
{
    if (!files_begin())
        return 1;
    RUN(test_fit);
    RUN(test_loader);
    return files_report();
}

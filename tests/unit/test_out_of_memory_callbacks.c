/* Memory runs out in callbacks, in rollbacks, where a task optimizes by hand, with several loaders, in summaries and finders. */
#include "fit.h"
#include "refuse.h"

static mr_tensor *log_loss(mr_step *s, const mr_batch *b, mr_tensor *loss)
{
    (void)b;
    mr_log(s, "loss", loss, &(mr_log_opts){ .on_epoch = true });
    return loss;
}

static mr_tensor *by_hand(mr_step *s, const mr_batch *b)
{
    mr_tensor *loss = fit_step(s, b);
    mr_optim_zero_grad(mr_step_optim(s, 0));
    if (mr_step_backward(s, loss) || mr_step_update(s, 0) || mr_step_update(s, 1))
        return NULL;
    return loss;
}

static mr_status validation_step(mr_step *s, const mr_batch *b)
{
    mr_log(s, "val_loss", fit_step(s, b), NULL);
    return MR_OK;
}

static mr_optim *optimizers(void *self, mr_module *model)
{
    (void)self;
    return mr_adam_new(mr_module_parameters(model), 0.1, NULL);
}

static mr_status two_optimizers(void *self, mr_module *model, mr_optimizers *made)
{
    (void)self;
    mr_params p = mr_module_parameters(model);
    made->optim[0] = mr_adam_new((mr_params){ p.item, 1 }, 0.1, NULL);
    made->optim[1] = mr_sgd_new((mr_params){ p.item + 1, p.count - 1 }, 0.1, NULL);
    return MR_OK;
}

static const mr_task_vtable automatic = { .training_step = fit_step,
                                          .configure_optimizers = optimizers,
                                          .validation_step = validation_step,
                                          .test_step = validation_step },
                            manual = { .training_step = by_hand,
                                       .configure_manual = two_optimizers,
                                       .validation_step = validation_step };

/* ---- programs ---- */

typedef struct bench {
    mr_rng *rng;
    mr_dataset *data;
    mr_loader *loader[2];
    mr_module *model;
    mr_task *task;
    mr_trainer *trainer;
} bench;

static bench begin(const mr_task_vtable *vtable, mr_trainer_opts opts)
{
    bench b = { .rng = mr_rng_new(1) };
    b.data = mr_dataset_new(&fit_data, &(int64_t){ 10 }, sizeof(int64_t), fit_fields, 2);
    for (int i = 0; i < 2; i++)
        b.loader[i] = mr_loader_new(b.data, b.rng, &(mr_loader_opts){ .batch_size = 4 + i, .shuffle = true });
    b.model = mr_sequential_add(mr_sequential_new(), mr_linear_new(1, 1, b.rng, NULL));
    b.model = mr_sequential_add(b.model, mr_batch_norm1d_new(1, NULL));
    b.task = mr_task_new(vtable, b.model, NULL, 0);
    opts.no_progress = opts.no_summary = true;
    b.trainer = mr_trainer_new(&opts);
    return b;
}

static double end(bench *b, mr_status status)
{
    double sum = 0;
    if (status == MR_OK)
        sum = mr_item(mr_module_parameters(b->model).item[0].tensor);
    mr_trainer_free(b->trainer);
    mr_task_free(b->task);
    mr_module_free(b->model);
    mr_loader_free(b->loader[0]);
    mr_loader_free(b->loader[1]);
    mr_dataset_free(b->data);
    mr_rng_free(b->rng);
    return sum;
}

static double callbacks_program(mr_status *status)
{
    bench b = begin(&automatic, (mr_trainer_opts){ .max_epochs = 2 });
    mr_callback *added[] = {
        mr_optimizer_monitor_new(&(mr_optimizer_monitor_opts){ .moments = true, .parameters = true }),
        mr_ema_new(&(mr_ema_opts){ .use_buffers = true, .not_at_end = true }),
        mr_swa_new(0.1, &(mr_swa_opts){ .start = "1ep" }),
        mr_timer_new(&(mr_timer_opts){ .duration = "1000s" }),
        mr_throughput_new(NULL),
        mr_profiler_new(&(mr_profiler_opts){ .quiet = true }),
    };
    for (size_t i = 0; i < sizeof added / sizeof *added; i++)
        (void)mr_trainer_add_callback(b.trainer, added[i]);
    *status = mr_trainer_fit(b.trainer, b.task, b.loader[0]);
    return end(&b, *status);
}

static double rollback_program(mr_status *status)
{
    bench b = begin(&automatic, (mr_trainer_opts){ .max_epochs = 2, .nonfinite = MR_NONFINITE_ROLLBACK });
    *status = mr_trainer_fit(b.trainer, b.task, b.loader[0]);
    return end(&b, *status);
}

static double manual_program(mr_status *status)
{
    bench b = begin(&manual, (mr_trainer_opts){ .max_epochs = 1, .nonfinite = MR_NONFINITE_ROLLBACK });
    *status = mr_trainer_fit(b.trainer, b.task, b.loader[0]);
    return end(&b, *status);
}

static double loaders_program(mr_status *status)
{
    bench b = begin(&automatic, (mr_trainer_opts){ .max_epochs = 1, .num_sanity_val_steps = 1 });
    for (int i = 0; i < 2; i++)
        (void)mr_trainer_add_val_loader(b.trainer, b.loader[i]);
    mr_loader *training[2];
    for (int i = 0; i < 2; i++)
        training[i] = mr_loader_new(b.data, b.rng, &(mr_loader_opts){ .batch_size = 4 + i });
    *status = mr_trainer_fit_loaders(b.trainer, b.task, training, 2, MR_LOADERS_MIN_SIZE);
    if (*status == MR_OK)
        *status = mr_trainer_test_loaders(b.trainer, b.task, b.loader, 2);
    mr_loader_free(training[0]);
    mr_loader_free(training[1]);
    return end(&b, *status);
}

static double overfit_program(mr_status *status)
{
    bench b = begin(&automatic, (mr_trainer_opts){ .max_epochs = 1, .overfit_batches = 2 });
    (void)mr_trainer_set_val_loader(b.trainer, b.loader[1]);
    *status = mr_trainer_fit(b.trainer, b.task, b.loader[0]);
    return end(&b, *status);
}

/* What the program that was given NULL makes of it. */
static mr_status settled(const void *made)
{
    (void)(made ? NULL : mr_error());
    return made ? MR_OK : mr_error_status();
}

static double finder_program(mr_status *status)
{
    bench b = begin(&automatic, (mr_trainer_opts){ .max_epochs = 1 });
    mr_lr_finder *f = mr_trainer_lr_find(b.trainer, b.task, b.loader[0],
                                         &(mr_lr_find_opts){ .num_training = 15, .no_early_stop = true });
    *status = settled(f);
    const double suggestion = mr_lr_finder_suggestion(f);
    mr_lr_finder_free(f);
    return end(&b, *status) + (*status ? 0 : suggestion);
}

static double summary_program(mr_status *status)
{
    bench b = begin(&automatic, (mr_trainer_opts){ .max_epochs = 1 });
    mr_tensor *x = mr_tensor_ones(MR_FLOAT32, MR_SHAPE(4, 1));
    mr_summary *s = mr_summary_new(b.model, &(mr_summary_opts){ .max_depth = -1, .example = x });
    *status = settled(s);
    const double sum = s ? mr_summary_total(s)->flops + (double)strlen(mr_summary_text(s)) : 0;
    mr_summary_free(s);
    mr_tensor_free(x);
    return end(&b, *status) + sum;
}

static void keep_quiet(void *user, mr_log_level level, const char *line)
{
    (void)user;
    (void)level;
    (void)line;
}

static void test_all(void)
{
    refuse_each("callbacks", callbacks_program, 200);
    refuse_each("rollback", rollback_program, 120);
    refuse_each("manual", manual_program, 120);
    refuse_each("loaders", loaders_program, 150);
    refuse_each("overfit", overfit_program, 60);
    refuse_each("finder", finder_program, 60);
    refuse_each("summary", summary_program, 60);
}

int main(void)
{
    mr_set_log_hook(keep_quiet, NULL);
    hook.step = log_loss;
    refuse_begin();
    RUN(test_all);
    refuse_end();
    return check_report();
}

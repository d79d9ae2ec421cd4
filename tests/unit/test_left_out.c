/* A training that leaves batches out is the one without them: weights, running means, rows, metrics; and what it says
 * of bad samples. */
#include "check.h"
#include "files.h"
#include "fit.h"

/* The number of its first sample, of sixteen. */
static double first_of(const mr_batch *b)
{
    return 16 * (double)*(const float *)mr_tensor_data(b->field[0]);
}

/* Samples 4 to 7 and 12 to 15 are left out, in batches of four. */
static bool unwanted(const mr_batch *b)
{
    return (int)first_of(b) % 8 == 4;
}

static enum { BY_STEP, BY_LOSS, BY_HOOK } how;

static mr_tensor *forward(mr_module *m, mr_tape *t, mr_tensor *x)
{
    x = mr_forward(mr_module_child(m, 0, NULL), t, mr_unsqueeze(t, x, 1));
    x = mr_forward(mr_module_child(m, 1, NULL), t, x);
    return mr_squeeze(t, mr_forward(mr_module_child(m, 2, NULL), t, x), 1);
}

static mr_module *model_new(mr_rng *rng)
{
    static const mr_module_vtable vtable = { .type = "Net", .forward = forward };
    mr_module *m = mr_module_new(&vtable, NULL, 0);
    mr_module_add(m, "in", mr_linear_new(1, 3, rng, NULL));
    mr_module_add(m, "norm", mr_batch_norm1d_new(3, NULL));
    mr_module_add(m, "out", mr_linear_new(3, 1, rng, NULL));
    return m;
}

static mr_tensor *step(mr_step *s, const mr_batch *b)
{
    mr_tensor *loss = mr_mse_loss(s->tape, mr_forward(s->model, s->tape, b->field[0]), b->field[1], NULL);
    if (unwanted(b)) {
        mr_log_value(s, "unwanted", 1, NULL);
        if (how == BY_STEP)
            mr_step_skip(s);
        if (how == BY_LOSS)
            loss = mr_mul_scalar(s->tape, loss, INFINITY);
    }
    mr_log(s, "loss", loss, NULL);
    mr_log_value(s, "first", first_of(b), &(mr_log_opts){ .on_epoch = true });
    mr_log_value(s, "hidden", first_of(b), &(mr_log_opts){ .no_logger = true });
    return loss;
}

static mr_tensor *step_by_hand(mr_step *s, const mr_batch *b)
{
    mr_tensor *loss = step(s, b);
    if (unwanted(b))
        return NULL;
    mr_optim_zero_grad(mr_step_optim(s, 0));
    (void)(mr_step_backward(s, loss) || mr_step_update(s, 0));
    return NULL;
}

static mr_status make_one(void *self, mr_module *model, mr_optimizers *made)
{
    made->optim[0] = fit_optimizers(self, model);
    return MR_OK;
}

static mr_status leave_out(void *self, mr_step *s)
{
    (void)self;
    return how == BY_HOOK && unwanted(s->batch) ? MR_END : MR_OK;
}

/* Two epochs; of the batches that are left alone if `without`. What came of it in words. */
static void train(const mr_task_vtable *vtable, int64_t accumulate, bool without, char words[2000])
{
    static const int64_t wanted[] = { 0, 1, 2, 3, 8, 9, 10, 11 };
    fit f = fit_new(16);
    mr_dataset *part = mr_subset_new(f.data, wanted, 8);
    mr_loader *loader = mr_loader_new(without ? part : f.data, f.rng, &(mr_loader_opts){ .batch_size = 4 });
    mr_module *model = model_new(f.rng);
    mr_task *task = mr_task_new(vtable, model, NULL, 0);
    mr_trainer *t = mr_trainer_new(&(mr_trainer_opts){ .max_epochs = 2,
                                                       .csv = files_folder,
                                                       .log_every_n_steps = 1,
                                                       .accumulate_grad_batches = accumulate,
                                                       .nonfinite = MR_NONFINITE_SKIP,
                                                       .no_checkpoint = true,
                                                       .no_progress = true,
                                                       .no_summary = true });
    (void)mr_trainer_add_callback(t, mr_lr_monitor_new(NULL));
    (void)mr_trainer_add_callback(
        t, mr_lambda_callback_new(&(mr_callback_vtable){ .on_before_backward = leave_out }, NULL));
    CHECK_EQ_I64(mr_trainer_fit(t, task, loader), MR_OK);
    int used = snprintf(words, 2000, "%lld steps; ", (long long)mr_trainer_global_step(t));
    static const char *const names[] = { "loss", "first", "first_epoch", "hidden" };
    for (int i = 0; i < 4; i++)
        used += snprintf(words + used, 2000 - (size_t)used, "%s %.9g, ", names[i],
                         mr_trainer_metric(t, names[i]));
    const mr_params state = mr_module_state(model);
    for (size_t i = 0; i < state.count; i++) {
        double value[3];
        CHECK_EQ_I64(
            mr_copy_out(state.item[i].tensor, MR_FLOAT64, value, mr_tensor_numel(state.item[i].tensor)),
            MR_OK);
        used += snprintf(words + used, 2000 - (size_t)used, "%s %.9g, ", state.item[i].name, value[0]);
    }
    if (!vtable->configure_manual) /* there a row has the number of its batch */
        snprintf(words + used, 2000 - (size_t)used, "\n%s", file_contents(mr_trainer_metrics_path(t), NULL));
    mr_trainer_free(t);
    mr_task_free(task);
    mr_module_free(model);
    mr_loader_free(loader);
    mr_dataset_free(part);
    fit_free(&f);
}

static void check_all(const mr_task_vtable *vtable, int64_t most)
{
    static char with[2000], without[2000];
    for (int64_t accumulate = 1; accumulate <= most; accumulate++) {
        train(vtable, accumulate, true, without);
        train(vtable, accumulate, false, with);
        if (strstr(without, "unwanted") || !CHECK_EQ_STR(with, without))
            printf("    accumulate %lld\n", (long long)accumulate);
    }
}

static void test_automatic(void)
{
    static const mr_task_vtable vtable = { .training_step = step, .configure_optimizers = fit_optimizers };
    for (how = BY_STEP; how <= BY_HOOK; how++)
        check_all(&vtable, 4);
}

static void test_by_hand(void)
{
    static const mr_task_vtable vtable = { .training_step = step_by_hand, .configure_manual = make_one };
    how = BY_STEP;
    check_all(&vtable, 1);
}

/* Samples that are left out are told of when the fit ends. */
static mr_status third_is_bad(int64_t index)
{
    return index == 3 || index == 7 ? mr_fail(MR_ERR_FORMAT, "file '%d' is damaged", (int)index) : MR_OK;
}

static void test_bad_samples(void)
{
    fit f = fit_new(10);
    hook.sample = third_is_bad;
    mr_loader *loader =
        mr_loader_new(f.data, f.rng, &(mr_loader_opts){ .batch_size = 4, .on_bad_sample = MR_BAD_SKIP });
    mr_trainer *t =
        mr_trainer_new(&(mr_trainer_opts){ .max_epochs = 2, .no_progress = true, .no_summary = true });
    mr_set_log_hook(hear, NULL);
    for (int i = 0; i < 2; i++) { /* each fit tells of its own */
        *heard = '\0';
        CHECK_EQ_I64(mr_trainer_fit(t, f.task, loader), MR_OK);
        CHECK_EQ_STR(heard,
                     "fit: 4 bad samples were left out, the first: loader: sample 3: file '3' is damaged\n");
    }
    mr_set_log_hook(NULL, NULL);
    mr_trainer_free(t);
    mr_loader_free(loader);
    fit_free(&f);
}

int main(void)
{
    if (!files_begin())
        return 1;
    mr_set_log_hook(hear, NULL);
    RUN(test_automatic);
    RUN(test_by_hand);
    RUN(test_bad_samples);
    return files_report();
}

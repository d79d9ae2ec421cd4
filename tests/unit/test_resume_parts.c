/* What a resumption says when the training is made of other things than the one that wrote the checkpoint: another kind of
 * optimizer or schedule, other callbacks, another model, another version. And whose learning rates count. */
#include "resume.h"

#include "formats/safetensors.h"

/* ---- what the trainings are made of ---- */

static mr_optim *(*make_optimizer)(mr_params params, double lr);
static mr_schedule *(*make_schedule)(mr_optim *optim);

static mr_optim *sgd(mr_params params, double lr)
{
    return mr_sgd_new(params, lr, &(mr_sgd_opts){ .momentum = 0.9 });
}

static mr_optim *plain_sgd(mr_params params, double lr)
{
    return mr_sgd_new(params, lr, NULL);
}

static mr_optim *adam(mr_params params, double lr)
{
    return mr_adam_new(params, lr, NULL);
}

static mr_optim *adamw(mr_params params, double lr)
{
    return mr_adamw_new(params, lr, NULL);
}

static mr_optim *nadam(mr_params params, double lr)
{
    return mr_nadam_new(params, lr, NULL);
}

static mr_schedule *step_lr(mr_optim *optim)
{
    return mr_step_lr_new(optim, 3, NULL);
}

static mr_schedule *exponential(mr_optim *optim)
{
    return mr_exponential_lr_new(optim, 0.9);
}

static mr_schedule *two(mr_optim *optim, mr_schedule *first, mr_schedule *second)
{
    mr_schedule *both[2] = { first, second };
    return mr_sequential_lr_new(optim, both, 2, (int64_t[]){ 2 });
}

static mr_schedule *step_then_exponential(mr_optim *optim)
{
    return two(optim, step_lr(optim), exponential(optim));
}

static mr_schedule *exponential_then_step(mr_optim *optim)
{
    return two(optim, exponential(optim), step_lr(optim));
}

static mr_optim *made_optimizer(void *self, mr_module *model)
{
    (void)self;
    return make_optimizer(mr_module_parameters(model), 0.05);
}

static mr_schedule *made_schedule(void *self, mr_optim *optim)
{
    (void)self;
    return make_schedule(optim);
}

static void expect(mr_status status, mr_status wanted, const char *text)
{
    const char *end = strstr(mr_error(), "safetensors': ");
    CHECK_EQ_I64(status, wanted);
    CHECK_EQ_STR(end ? end + strlen("safetensors': ") : mr_error(), text);
}

/* Of a training of four steps, six: with this optimizer, with that schedule (NULL: none). */
static mr_status fit_kinds(const char *name, const char *resume, mr_optim *(*optimizer)(mr_params, double),
                           mr_schedule *(*schedule_of)(mr_optim *))
{
    mr_task_vtable kind = task_vtable;
    make_optimizer = optimizer;
    make_schedule = schedule_of;
    kind.configure_optimizers = made_optimizer;
    kind.configure_schedule = schedule_of ? made_schedule : NULL;
    kind.schedule_monitor = NULL;
    task_kind = &kind;
    mr_status status = fit(name, resume, &(mr_trainer_opts){ .max_steps = resume ? 6 : 4 }, 0, false);
    task_kind = &task_vtable;
    return status;
}

static void test_optimizer(void)
{
    CHECK_EQ_I64(fit_kinds("optimizer", NULL, adam, NULL), MR_OK);
    expect(fit_kinds("optimizer", "last", sgd, NULL), MR_ERR_ARGUMENT,
           "the optimizer is adam in the file, sgd here");
    expect(fit_kinds("optimizer", "last", plain_sgd, NULL), MR_ERR_ARGUMENT,
           "the optimizer is adam in the file, sgd here");
    expect(fit_kinds("optimizer", "last", adamw, NULL), MR_ERR_ARGUMENT, /* which keeps the same */
           "the optimizer is adam in the file, adamw here");
    expect(fit_kinds("optimizer", "last", nadam, NULL), MR_ERR_ARGUMENT,
           "the optimizer is adam in the file, nadam here");
    CHECK(file_exists(in_folder("optimizer/version_0/checkpoints/epoch=0-step=4.safetensors")));
    CHECK_EQ_I64(fit_kinds("optimizer", "last", adam, NULL), MR_OK);
}

static void test_schedule(void)
{
    CHECK_EQ_I64(fit_kinds("schedule", NULL, adam, step_lr), MR_OK);
    expect(fit_kinds("schedule", "last", adam, exponential), MR_ERR_ARGUMENT, /* which keeps the same */
           "the schedule is step_lr in the file, exponential_lr here");
    expect(fit_kinds("schedule", "last", adam, NULL), MR_ERR_ARGUMENT,
           "the schedule is step_lr in the file, none here");
    CHECK_EQ_I64(fit_kinds("schedule", "last", adam, step_lr), MR_OK);
    CHECK_EQ_I64(fit_kinds("no_schedule", NULL, adam, NULL), MR_OK);
    expect(fit_kinds("no_schedule", "last", adam, step_then_exponential), MR_ERR_ARGUMENT,
           "the schedule is none in the file, sequential_lr(step_lr, exponential_lr) here");
    CHECK_EQ_I64(fit_kinds("sequence", NULL, adam, step_then_exponential), MR_OK);
    expect(fit_kinds("sequence", "last", adam, exponential_then_step), MR_ERR_ARGUMENT,
           "the schedule is sequential_lr(step_lr, exponential_lr) in the file, "
           "sequential_lr(exponential_lr, step_lr) here");
    CHECK_EQ_I64(fit_kinds("sequence", "last", adam, step_then_exponential), MR_OK);
}

/* ---- several optimizers ---- */

static const char *by_hand; /* a letter for each optimizer, a capital for one with a schedule */

static mr_status configure_manual(void *self, mr_module *model, mr_optimizers *made)
{
    (void)self;
    mr_params p = mr_module_parameters(model);
    for (int i = 0; by_hand[i]; i++) {
        const mr_params one = { p.item + i, 1 };
        made->optim[i] = by_hand[i] == 'a' || by_hand[i] == 'A' ? adam(one, 0.05) : sgd(one, 0.05);
        if (by_hand[i] == 'A' || by_hand[i] == 'S')
            made->schedule[i] = exponential(made->optim[i]);
    }
    return MR_OK;
}

static mr_tensor *step_by_hand(mr_step *s, const mr_batch *b)
{
    mr_tensor *loss = training_step(s, b);
    mr_optim_zero_grad(mr_step_optim(s, 0));
    if (!mr_step_backward(s, loss))
        (void)!mr_step_update(s, 0);
    return NULL;
}

static mr_status fit_by_hand(const char *name, const char *resume, const char *optimizers_of)
{
    mr_task_vtable kind = task_vtable;
    kind.training_step = step_by_hand;
    kind.configure_optimizers = NULL;
    kind.configure_manual = configure_manual;
    by_hand = optimizers_of;
    task_kind = &kind;
    mr_status status = fit(name, resume, &(mr_trainer_opts){ .max_steps = resume ? 6 : 4 }, 0, false);
    task_kind = &task_vtable;
    return status;
}

static void test_several_optimizers(void)
{
    CHECK_EQ_I64(fit_by_hand("several", NULL, "aS"), MR_OK);
    expect(fit_by_hand("several", "last", "aA"), MR_ERR_ARGUMENT,
           "optimizer 1 is sgd in the file, adam here");
    expect(fit_by_hand("several", "last", "sA"), MR_ERR_ARGUMENT,
           "optimizer 0 is adam in the file, sgd here");
    expect(fit_by_hand("several", "last", "a"), MR_ERR_ARGUMENT,
           "the optimizers are [adam, sgd] in the file, [adam] here");
    expect(fit_by_hand("several", "last", "aSs"), MR_ERR_ARGUMENT,
           "the optimizers are [adam, sgd] in the file, [adam, sgd, sgd] here");
    expect(fit_by_hand("several", "last", "as"), MR_ERR_ARGUMENT,
           "the schedule of optimizer 1 is exponential_lr in the file, none here");
    expect(fit_by_hand("several", "last", "AS"), MR_ERR_ARGUMENT,
           "the schedule of optimizer 0 is none in the file, exponential_lr here");
    expect(fit_kinds("several", "last", adam, NULL), MR_ERR_ARGUMENT,
           "its task optimizes by hand, this one does not");
    CHECK_EQ_I64(fit_by_hand("several", "last", "aS"), MR_OK);
    CHECK_EQ_I64(fit_kinds("automatic", NULL, adam, NULL), MR_OK);
    expect(fit_by_hand("automatic", "last", "a"), MR_ERR_ARGUMENT,
           "its task does not optimize by hand, this one does");
}

/* ---- callbacks ---- */

static void ema(mr_trainer *t)
{
    (void)mr_trainer_add_callback(t, mr_ema_new(NULL));
}

static void stopping(mr_trainer *t)
{
    (void)mr_trainer_add_callback(
        t, mr_early_stopping_new("val_loss", &(mr_early_stopping_opts){ .patience = 50 }));
}

static void ema_and_stopping(mr_trainer *t)
{
    ema(t);
    stopping(t);
}

static void stopping_and_ema(mr_trainer *t)
{
    stopping(t);
    ema(t);
}

static mr_status look_on(void *self, mr_step *step)
{
    (void)self;
    (void)step;
    return MR_OK;
}

/* Those that keep nothing are no part of the training. */
static void with_onlookers(mr_trainer *t)
{
    static const mr_callback_vtable onlooker = { .name = "Onlooker", .on_train_start = look_on };
    (void)mr_trainer_add_callback(t, mr_callback_new(&onlooker, NULL, 0));
    (void)mr_trainer_add_callback(t, mr_ema_new(NULL));
    (void)mr_trainer_add_callback(t, mr_callback_new(&onlooker, NULL, 0));
    stopping(t);
}

static mr_status fit_with(const char *name, const char *resume, void (*callbacks)(mr_trainer *))
{
    add_callbacks = callbacks;
    mr_status status = fit(name, resume, &(mr_trainer_opts){ .max_epochs = resume ? 2 : 1 }, 0, false);
    add_callbacks = NULL;
    return status;
}

static void test_callbacks(void)
{
    CHECK_EQ_I64(fit_with("callbacks", NULL, ema_and_stopping), MR_OK);
    expect(fit_with("callbacks", "last", ema), MR_ERR_ARGUMENT,
           "the callbacks that keep a state are [EMA, EarlyStopping] in the file, [EMA] here");
    expect(fit_with("callbacks", "last", stopping_and_ema), MR_ERR_ARGUMENT,
           "the callbacks that keep a state are [EMA, EarlyStopping] in the file, [EarlyStopping, EMA] here");
    expect(fit_with("callbacks", "last", NULL), MR_ERR_ARGUMENT,
           "the callbacks that keep a state are [EMA, EarlyStopping] in the file, [] here");
    CHECK_EQ_I64(fit_with("onlookers", NULL, ema_and_stopping), MR_OK);
    CHECK_EQ_I64(fit_with("callbacks", "last", ema_and_stopping), MR_OK);
    CHECK_EQ_I64(fit_with("onlookers", "last", with_onlookers), MR_OK);
    CHECK(same("callbacks", "onlookers"));
}

static void badly_named(mr_trainer *t)
{
    static const mr_callback_vtable bad = { .name = "E\xffMA", .on_train_start = look_on };
    (void)mr_trainer_add_callback(t, mr_callback_new(&bad, NULL, 0));
}

static void test_name(void)
{
    expect(fit_with("named", NULL, badly_named), MR_ERR_ARGUMENT,
           "fit: the name of a callback is not UTF-8: 'E\xffMA'");
}

/* ---- whose options count ---- */

static double rate, momentum_seen, new_rate, new_momentum;

static mr_optim *newly_made(mr_params params, double lr)
{
    (void)lr;
    return mr_sgd_new(params, new_rate, &(mr_sgd_opts){ .momentum = new_momentum });
}

static mr_status look_at_rate(void *self, mr_step *s)
{
    (void)self;
    rate = mr_optim_lr(s->optim);
    momentum_seen = mr_optim_group_momentum(s->optim, 0);
    return MR_OK;
}

static void looking(mr_trainer *t)
{
    (void)mr_trainer_add_callback(
        t, mr_lambda_callback_new(&(mr_callback_vtable){ .on_before_optimizer_step = look_at_rate }, NULL));
}

/* As torch's load_state_dict: the checkpoint's learning rate and momentum, whatever the optimizer is made with now. */
static void test_rates(void)
{
    add_callbacks = looking;
    new_rate = 0.05;
    new_momentum = 0.9;
    CHECK_EQ_I64(fit_kinds("rates_whole", NULL, newly_made, exponential), MR_OK);
    CHECK_EQ_I64(fit_kinds("rates_whole", "last", newly_made, exponential), MR_OK);
    CHECK(rate == 0.05 && momentum_seen == 0.9);
    CHECK_EQ_I64(fit_kinds("rates", NULL, newly_made, exponential), MR_OK);
    new_rate = 1;
    new_momentum = 0.3;
    CHECK_EQ_I64(fit_kinds("rates", "last", newly_made, exponential), MR_OK);
    CHECK(rate == 0.05 && momentum_seen == 0.9);
    CHECK(same("rates_whole", "rates"));
    new_rate = 0.05;
    new_momentum = 0; /* and one that is made with a momentum goes on without, if the checkpoint has none */
    CHECK_EQ_I64(fit_kinds("none_whole", NULL, newly_made, NULL), MR_OK);
    CHECK_EQ_I64(fit_kinds("none_whole", "last", newly_made, NULL), MR_OK);
    CHECK_EQ_I64(fit_kinds("none", NULL, newly_made, NULL), MR_OK);
    new_momentum = 0.9;
    CHECK_EQ_I64(fit_kinds("none", "last", newly_made, NULL), MR_OK);
    CHECK(momentum_seen == 0);
    CHECK(same("none_whole", "none"));
    add_callbacks = NULL;
}

/* ---- another model ---- */

static mr_optim *one_group(void *self, mr_module *model)
{
    (void)self;
    return sgd(mr_module_parameters(model), 0.05);
}

static int64_t hidden, layers;

/* A fit of a model of this test's, on the same data. */
static mr_status fit_model(mr_trainer *t, mr_task *task, mr_loader *train, mr_dataset *data, mr_rng *rng)
{
    static const mr_module_vtable vtable = { .type = "Net", .forward = forward };
    static const mr_task_vtable kind = { .training_step = training_step,
                                         .validation_step = validation_step,
                                         .configure_optimizers = one_group };
    (void)task;
    (void)data;
    own o = { .rng = rng };
    mr_module *m = mr_module_new(&vtable, NULL, 0);
    mr_module_add(m, "in", mr_linear_new(1, hidden, rng, NULL));
    mr_module_add(m, "norm", mr_batch_norm1d_new(hidden, NULL));
    mr_module_add(m, "drop", mr_dropout_new(0.2));
    mr_module_add(m, "out", mr_linear_new(hidden, 1, rng, NULL));
    for (int64_t i = 0; i < layers; i++)
        mr_module_add(m, i ? "more" : "last", mr_linear_new(1, 1, rng, NULL));
    mr_task *own_task = mr_task_new(&kind, m, &o, sizeof o);
    mr_status status = mr_trainer_fit(t, own_task, train);
    mr_task_free(own_task);
    mr_module_free(m);
    return status;
}

static mr_status fit_sized(const char *resume, int64_t with_hidden, int64_t with_layers)
{
    hidden = with_hidden;
    layers = with_layers;
    fit_on = fit_model;
    mr_status status = fit("model", resume, &(mr_trainer_opts){ .max_steps = resume ? 6 : 4 }, 0, false);
    fit_on = NULL;
    return status;
}

static void test_model(void)
{
    CHECK_EQ_I64(fit_sized(NULL, 8, 1), MR_OK);
    expect(fit_sized("last", 9, 1), MR_ERR_SHAPE, "in.weight is [8,1] in the file, [9,1] in the module");
    expect(fit_sized("last", 8, 2), MR_ERR_FORMAT, "not in the file: more.weight, more.bias");
    expect(fit_sized("last", 8, 0), MR_ERR_FORMAT, "not in the module: last.bias, last.weight");
    CHECK_EQ_I64(fit_sized("last", 8, 1), MR_OK);
}

/* ---- what is asked for only now ---- */

static void test_asked_for_later(void)
{
    mr_trainer_opts opts = { .max_epochs = 1 };
    CHECK_EQ_I64(fit("later", NULL, &opts, 0, false), MR_OK);
    opts.max_epochs = 2;
    opts.max_time = "1000s";
    CHECK_EQ_I64(fit("later", "last", &opts, 0, false), MR_OK);
    opts.max_epochs = 3;
    opts.max_time = NULL;
    opts.nonfinite = MR_NONFINITE_ROLLBACK;
    CHECK_EQ_I64(fit("later", "last", &opts, 0, false), MR_OK);
    opts.max_epochs = 4;
    CHECK_EQ_I64(fit("later", "last", &opts, 0, false), MR_OK);
    opts.max_epochs = 5;
    opts.nonfinite = MR_NONFINITE_SKIP;
    expect(fit("later", "last", &opts, 0, false), MR_ERR_ARGUMENT,
           "it is of a training with MR_NONFINITE_ROLLBACK, whose rates and kept state have no place in this "
           "one");
}

/* ---- versions ---- */

/* Writes the file again, as one of that version and with other parts; NULL: without. */
static void rewrite(const char *path, const char *version, const char *parts)
{
    mr__safetensors *file = mr__safetensors_read(path);
    size_t count = 0;
    mr__metadata metadata[16];
    if (!CHECK(file != NULL))
        return;
    for (size_t i = 0; i < file->metadata_count; i++) {
        mr__metadata m = file->metadata[i];
        m.text = strcmp(m.key, "millrace.checkpoint") == 0 ? version : m.text;
        m.text = strcmp(m.key, "checksum") == 0 ? MR__SAFETENSORS_NO_CHECKSUM : m.text;
        m.text = strcmp(m.key, "parts") == 0 ? parts : m.text;
        if (m.text)
            metadata[count++] = m;
    }
    CHECK_EQ_I64(mr__safetensors_write(path, file->tensors, file->count, metadata, count), MR_OK);
    mr__safetensors_free(file);
}

static void test_versions(void)
{
    static const char path[] = "versions/version_0/checkpoints/epoch=0-step=4.safetensors";
    CHECK_EQ_I64(fit_kinds("versions", NULL, adam, step_lr), MR_OK);
    rewrite(in_folder(path), "1", NULL);
    expect(fit_kinds("versions", "last", adam, step_lr), MR_ERR_STATE,
           "it is a checkpoint of version 1, this Millrace reads 3");
    rewrite(in_folder(path), "4", NULL);
    expect(fit_kinds("versions", "last", adam, step_lr), MR_ERR_STATE,
           "it is a checkpoint of version 4, this Millrace reads 3");
}

static void test_nonsense(void)
{
    static const char path[] = "nonsense/version_0/checkpoints/epoch=0-step=4.safetensors";
    static const char *const wrong[] = { "",
                                         "7",
                                         "{}",
                                         "{\"callbacks\":[],\"optimizers\":[7],\"schedules\":[]}",
                                         "{\"callbacks\":[],\"optimizers\":[],\"schedules\":{}}",
                                         "{\"callbacks\":\"\",\"optimizers\":[],\"schedules\":[]}" };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        CHECK_EQ_I64(fit_kinds("nonsense", NULL, adam, NULL), MR_OK);
        char text[100];
        snprintf(text, sizeof text, "nonsense/version_%zu/checkpoints/epoch=0-step=4.safetensors", i);
        rewrite(in_folder(i ? text : path), "3", wrong[i]);
        expect(fit_kinds("nonsense", in_folder(text), adam, NULL), MR_ERR_FORMAT,
               "what it says of its parts makes no sense");
    }
}

int main(void)
{
    if (!files_begin_in_memory())
        return 1;
    RUN(test_optimizer);
    RUN(test_schedule);
    RUN(test_several_optimizers);
    RUN(test_callbacks);
    RUN(test_name);
    RUN(test_rates);
    RUN(test_model);
    RUN(test_asked_for_later);
    RUN(test_versions);
    RUN(test_nonsense);
    return files_report();
}

/* Optimizing by hand: a generator and a discriminator, each with its optimizer, beside a loop of one's own; rows, counters and
 * hooks; what is refused. That it resumes exactly is tested in test_resume_by_hand.c. */
#include "check.h"
#include "fit.h"

enum { SAMPLES = 10 };

/* ---- y is to be told from what the generator makes of x ---- */

static mr_tensor *no_forward(mr_module *m, mr_tape *t, mr_tensor *x)
{
    (void)m;
    (void)t;
    return x;
}

static mr_module *gan_new(mr_rng *rng)
{
    static const mr_module_vtable vtable = { .type = "GAN", .forward = no_forward };
    mr_module *m = mr_module_new(&vtable, NULL, 0);
    mr_module_add(m, "generator", mr_linear_new(1, 1, rng, NULL));
    mr_module_add(m, "discriminator", mr_linear_new(1, 1, rng, NULL));
    return m;
}

static mr_tensor *judge(mr_module *model, mr_tape *t, mr_tensor *x, double truth)
{
    mr_tensor *y = mr_forward(mr_module_child(model, 1, NULL), t, x);
    mr_tensor *target = mr_add_scalar(t, mr_mul_scalar(t, y, 0), truth);
    return mr_binary_cross_entropy_with_logits(t, y, target, NULL);
}

static mr_tensor *loss_of(mr_module *model, mr_tape *t, const mr_batch *b, int part)
{
    mr_tensor *fake = mr_forward(mr_module_child(model, 0, NULL), t, mr_unsqueeze(t, b->field[0], 1));
    if (part == 0)
        return judge(model, t, fake, 1);
    return mr_add(t, judge(model, t, fake, 0), judge(model, t, mr_unsqueeze(t, b->field[1], 1), 1));
}

static void make(mr_module *model, mr_optimizers *made)
{
    for (int i = 0; i < 2; i++)
        made->optim[i] =
            mr_adam_new(mr_module_parameters(mr_module_child(model, (size_t)i, NULL)), 0.05, NULL);
    made->schedule[0] = mr_exponential_lr_new(made->optim[0], 0.5);
}

static mr_status configure(void *self, mr_module *model, mr_optimizers *made)
{
    (void)self;
    make(model, made);
    return MR_OK;
}

static mr_tensor *step_by_hand(mr_step *s, const mr_batch *b)
{
    CHECK(s->optim == mr_step_optim(s, 0) && !mr_step_optim(s, 2) && !mr_step_optim(s, -1));
    CHECK(mr_step_schedule(s, 0) && !mr_step_schedule(s, 1));
    for (int part = 0; part < 2; part++) {
        mr_tensor *loss = loss_of(s->model, s->tape, b, part);
        mr_log(s, part ? "d_loss" : "g_loss", loss, NULL);
        mr_optim_zero_grad(mr_step_optim(s, part));
        if (mr_step_backward(s, loss) || mr_step_update(s, part))
            return NULL;
        mr_tape_reset(s->tape);
    }
    if (s->batch_index == 2 && mr_schedule_step(mr_step_schedule(s, 0)))
        return NULL;
    return NULL;
}

static const mr_task_vtable by_hand = { .training_step = step_by_hand, .configure_manual = configure };

/* ---- a loop of one's own ---- */

static size_t state_bytes; /* of both optimizers */

static void loop(mr_module *model, mr_loader *loader, mr_rng *rng, int epochs)
{
    mr_optimizers made = { .optim = { NULL } };
    const mr_batch *b;
    make(model, &made);
    mr_tape *t = mr_tape_new(rng);
    for (int epoch = 0; epoch < epochs; epoch++) {
        while (mr_loader_next(loader, &b) == MR_OK)
            for (int part = 0; part < 2; part++) {
                mr_tensor *loss = loss_of(model, t, b, part);
                mr_optim_zero_grad(made.optim[part]);
                CHECK_EQ_I64(mr_backward(t, loss), MR_OK);
                CHECK_EQ_I64(mr_optim_step(made.optim[part]), MR_OK);
                mr_tape_reset(t);
            }
        CHECK_EQ_I64(mr_schedule_step(made.schedule[0]), MR_OK);
    }
    mr_tape_free(t);
    state_bytes =
        mr_memory_of(NULL, made.optim[0], NULL).optimizer + mr_memory_of(NULL, made.optim[1], NULL).optimizer;
    mr_schedule_free(made.schedule[0]);
    mr_optim_free(made.optim[0]);
    mr_optim_free(made.optim[1]);
}

static float last[4];
static int64_t steps;
static mr_memory memory;
static char rows[4096], order[4096];

static mr_status train(const mr_task_vtable *vtable, mr_trainer_opts opts, mr_callback *callback)
{
    static int number;
    char name[20];
    snprintf(name, sizeof name, "manual%d", number++);
    fit f = fit_new(SAMPLES);
    mr_module *model = gan_new(f.rng);
    mr_task *task = mr_task_new(vtable, model, NULL, 0);
    opts.csv = files_folder;
    opts.name = name;
    opts.no_progress = opts.no_summary = true;
    mr_trainer *t = mr_trainer_new(&opts);
    if (callback)
        (void)mr_trainer_add_callback(t, callback);
    *order = *rows = '\0';
    mr_status status = mr_trainer_fit(t, task, f.loader);
    for (int i = 0; i < 4; i++)
        last[i] = *(float *)mr_tensor_data(mr_module_parameters(model).item[i].tensor);
    steps = mr_trainer_global_step(t);
    memory = mr_trainer_memory(t);
    if (*mr_trainer_metrics_path(t))
        snprintf(rows, sizeof rows, "%s", file_contents(mr_trainer_metrics_path(t), NULL));
    mr_trainer_free(t);
    mr_task_free(task);
    mr_module_free(model);
    fit_free(&f);
    return status;
}

static void test_values(void)
{
    fit f = fit_new(SAMPLES);
    mr_module *model = gan_new(f.rng);
    loop(model, f.loader, f.rng, 4);
    CHECK_EQ_I64(train(&by_hand, (mr_trainer_opts){ .max_epochs = 4 }, NULL), MR_OK);
    for (int i = 0; i < 4; i++)
        CHECK(last[i] == *(float *)mr_tensor_data(mr_module_parameters(model).item[i].tensor));
    CHECK_EQ_I64(steps, 2 * 3 * 4); /* each update is one */
    CHECK_EQ_I64(memory.optimizer, state_bytes);
    mr_module_free(model);
    fit_free(&f);
}

/* Rows have the numbers of batches, whatever an update counts; max_steps counts updates. */
static void test_rows(void)
{
    CHECK_EQ_I64(train(&by_hand, (mr_trainer_opts){ .max_epochs = 2, .log_every_n_steps = 2 },
                       mr_lr_monitor_new(NULL)),
                 MR_OK);
    static const char head[] = "lr-adam,lr-adam-1,g_loss,d_loss,epoch,step\r\n";
    CHECK(strncmp(rows, head, strlen(head)) == 0);
    CHECK(strstr(rows, ",0,1\r\n0.025,0.05,") != NULL); /* the schedule of the first has stepped */
    CHECK(strstr(rows, ",1,3\r\n0.025,0.05,") != NULL && strstr(rows, ",1,5\r\n") != NULL);
    CHECK_EQ_I64(train(&by_hand, (mr_trainer_opts){ .max_steps = 5 }, NULL), MR_OK);
    CHECK_EQ_I64(steps, 6);
}

/* ---- hooks ---- */

static mr_hook *answer_at;
static mr_status answer;

#define NOTE(hook)                                                                                    \
    static mr_status hook(void *self, mr_step *s)                                                     \
    {                                                                                                 \
        (void)self;                                                                                   \
        snprintf(order + strlen(order), sizeof order - strlen(order), "%s %d/%lld%s\n", #hook,        \
                 s->optim == mr_step_optim(s, 1), (long long)s->global_step, s->loss ? " loss" : ""); \
        return answer_at == hook ? answer < 0 ? mr_fail(answer, "no more") : answer : MR_OK;          \
    }

NOTE(before_backward)
NOTE(after_backward)
NOTE(before_step)
NOTE(after_step)
NOTE(zero_grad)

static mr_callback *noting(void)
{
    return mr_lambda_callback_new(&(mr_callback_vtable){ .on_before_zero_grad = zero_grad,
                                                         .on_before_backward = before_backward,
                                                         .on_after_backward = after_backward,
                                                         .on_before_optimizer_step = before_step,
                                                         .on_after_optimizer_step = after_step },
                                  NULL);
}

static void test_hooks(void)
{
    const mr_trainer_opts one = { .max_epochs = 1, .limit_train_batches = 1 };
    CHECK_EQ_I64(train(&by_hand, one, noting()), MR_OK);
    CHECK_EQ_STR(order,
                 "before_backward 0/0 loss\nafter_backward 0/0 loss\nbefore_step 0/0\nafter_step 0/0\n"
                 "before_backward 0/1 loss\nafter_backward 0/1 loss\nbefore_step 1/1\nafter_step 1/1\n");
    answer_at = before_backward;
    answer = MR_END;
    CHECK_EQ_I64(train(&by_hand, one, noting()), MR_OK);
    CHECK_EQ_STR(order, "before_backward 0/0 loss\n");
    CHECK_EQ_I64(steps, 0);
    answer_at = before_step;
    CHECK_EQ_I64(train(&by_hand, one, noting()), MR_OK);
    CHECK_EQ_I64(steps, 0);
    answer = MR_ERR_FORMAT;
    CHECK_EQ_I64(train(&by_hand, one, noting()), MR_ERR_FORMAT);
    CHECK_EQ_STR(mr_error(), "fit: epoch 0, step 0: fit: LambdaCallback: no more");
    answer_at = NULL;
}

/* ---- numbers that are not finite ---- */

static int64_t ended; /* calls that came to MR_END */

static mr_tensor *spoiled_step(mr_step *s, const mr_batch *b)
{
    mr_tensor *loss = loss_of(s->model, s->tape, b, 0);
    if (s->batch_index == 1)
        loss = mr_mul_scalar(s->tape, loss, INFINITY);
    mr_optim_zero_grad(mr_step_optim(s, 0));
    ended += mr_step_backward(s, loss) == MR_END;
    ended += mr_step_update(s, 0) == MR_END;
    ended += mr_step_update(s, 0) == MR_END;
    return NULL;
}

static const mr_task_vtable spoiled = { .training_step = spoiled_step, .configure_manual = configure };

static mr_status train_spoiled(mr_nonfinite nonfinite)
{
    ended = 0;
    mr_set_log_hook(hear, NULL);
    mr_status status = train(
        &spoiled, (mr_trainer_opts){ .max_epochs = 1, .log_every_n_steps = 1, .nonfinite = nonfinite }, NULL);
    mr_set_log_hook(NULL, NULL);
    return status;
}

static void test_nonfinite(void)
{
    CHECK_EQ_I64(train_spoiled(MR_NONFINITE_SKIP), MR_OK);
    CHECK_EQ_I64(ended, 3);
    CHECK_EQ_I64(steps, 4);
    CHECK_EQ_STR(heard, "fit: the loss is inf at epoch 0, step 2: batch 1 is left out\n");
    CHECK_EQ_I64(train_spoiled(MR_NONFINITE_ROLLBACK), MR_OK);
    CHECK_EQ_I64(steps, 4);
    CHECK_EQ_STR(heard,
                 "fit: the loss is inf at epoch 0, step 2: back to the state of step 0, learning rates "
                 "count 0.5 times\n");
    CHECK_EQ_I64(train_spoiled(MR_NONFINITE_STOP), MR_ERR_NONFINITE);
    CHECK_EQ_STR(mr_error(), "fit: the loss is inf at epoch 0, step 2");
    CHECK_EQ_STR(heard, "fit: the batch has the samples 4, 5, 6, 7\n"
                        "fit: the results of all modules are finite\n");
    CHECK_EQ_I64(steps, 2);
}

/* ---- what is refused ---- */

static mr_tensor *failing_step(mr_step *s, const mr_batch *b)
{
    (void)b;
    if (mr_step_update(s, 7)) /* the step does not say so */
        return NULL;
    return NULL;
}

static mr_status status_here;

static mr_tensor *automatic_step(mr_step *s, const mr_batch *b)
{
    mr_tensor *loss = loss_of(s->model, s->tape, b, 0);
    status_here = mr_step_backward(s, loss);
    CHECK_EQ_STR(mr_error(), "step_backward: it is for the training step of a task with configure_manual");
    CHECK_EQ_I64(mr_step_update(s, 0), MR_ERR_STATE);
    CHECK_EQ_STR(mr_error(), "step_update: it is for the training step of a task with configure_manual");
    return loss;
}

static mr_status configure_nothing(void *self, mr_module *model, mr_optimizers *made)
{
    (void)self;
    (void)model;
    (void)made;
    return MR_OK;
}

static mr_status configure_wrong(void *self, mr_module *model, mr_optimizers *made)
{
    (void)self;
    made->optim[0] = mr_adam_new(mr_module_parameters(model), -1, NULL);
    return MR_OK;
}

static mr_status configure_silent(void *self, mr_module *model, mr_optimizers *made)
{
    (void)self;
    (void)model;
    (void)made;
    return MR_ERR_STATE;
}

static mr_status configure_lbfgs(void *self, mr_module *model, mr_optimizers *made)
{
    (void)self;
    made->optim[0] = mr_lbfgs_new(mr_module_parameters(model), 1, NULL);
    return MR_OK;
}

static void test_refuses(void)
{
    const mr_trainer_opts one = { .max_epochs = 1 };
    mr_task_vtable v = by_hand;
    v.training_step = failing_step;
    CHECK_EQ_I64(train(&v, one, NULL), MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(), "fit: epoch 0, step 0: step_update: there is no optimizer 7 of 2");
    v.training_step = automatic_step;
    v.configure_manual = NULL;
    v.configure_optimizers = fit_optimizers;
    CHECK_EQ_I64(train(&v, one, NULL), MR_OK);
    CHECK_EQ_I64(status_here, MR_ERR_STATE);
    static const struct {
        mr_status (*configure)(void *self, mr_module *model, mr_optimizers *made);
        mr_trainer_opts opts;
        const char *text;
    } cases[] = {
        { configure_nothing, { 0 }, "fit: configure_manual gave no optimizer" },
        { configure_wrong, { 0 }, "adam: learning rate -1 is negative or not finite" },
        { configure_silent, { 0 }, "fit: configure_manual failed without a message" },
        { configure,
          { .accumulate_grad_batches = 2 },
          "fit: accumulate_grad_batches is not for a task that optimizes by hand" },
        { configure,
          { .gradient_clip_norm = 1 },
          "fit: gradient_clip_norm is not for a task that optimizes by hand" },
        { configure,
          { .gradient_clip_value = 1 },
          "fit: gradient_clip_value is not for a task that optimizes by hand" },
        { configure_lbfgs,
          { .nonfinite = MR_NONFINITE_ROLLBACK },
          "fit: nonfinite: lbfgs, whose state grows, cannot be rolled back" },
    };
    v = by_hand;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        v.configure_manual = cases[i].configure;
        CHECK(train(&v, cases[i].opts, NULL) < 0);
        CHECK_EQ_STR(mr_error(), cases[i].text);
    }
    CHECK(!mr_step_optim(NULL, 0) && !mr_step_schedule(NULL, 0));
    CHECK_EQ_I64(mr_step_backward(NULL, NULL), MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(), "step_backward: step is NULL");
    CHECK_EQ_I64(mr_step_update(NULL, 0), MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(), "step_update: step is NULL");
}

int main(void)
{
    if (!files_begin())
        return 1;
    RUN(test_values);
    RUN(test_rows);
    RUN(test_hooks);
    RUN(test_nonfinite);
    RUN(test_refuses);
    return files_report();
}

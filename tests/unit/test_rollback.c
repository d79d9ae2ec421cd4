/* Numbers that are not finite: leaving a batch or an update out, and going back to an older state, with the values that the
 * weights have then. */
#include "check.h"
#include "fit.h"

enum { SAMPLES = 40, BATCH = 4, BATCHES = 10 };

static int spoil_loss[4], spoil_gradient = -1, enlarge = -1; /* numbers of batches, from 0; -1 */
static int done;                                             /* batches so far */
static double before[64][2]; /* the parameters before each update that was made */
static int64_t step_of[64], updates;
static int64_t counted; /* the task's state */

static mr_tensor *count_tensor;

static mr_params count_state(void *self)
{
    static mr_param item;
    (void)self;
    item = (mr_param){ "counted", count_tensor };
    return (mr_params){ &item, 1 };
}

static bool is_spoiled(int batch)
{
    for (int i = 0; i < 4; i++)
        if (spoil_loss[i] == batch)
            return true;
    return false;
}

static mr_tensor *spoil(mr_step *s, const mr_batch *b, mr_tensor *loss)
{
    (void)b;
    const int batch = done++;
    counted++;
    mr_log(s, "loss", loss, &(mr_log_opts){ .on_epoch = true, .no_step = true });
    if (is_spoiled(batch))
        return mr_mul_scalar(s->tape, loss, NAN);
    if (batch == enlarge) /* the update is finite, the next loss is not */
        return mr_mul_scalar(s->tape, loss, 1e30);
    if (batch == spoil_gradient) { /* the root of 0 is 0, and its slope infinite */
        mr_tensor *w = mr_module_parameters(s->model).item[0].tensor;
        mr_tensor *zero = mr_mul_scalar(s->tape, mr_sum(s->tape, w, MR_ALL, false), 0);
        return mr_add(s->tape, loss, mr_sqrt(s->tape, zero));
    }
    return loss;
}

static mr_status note(void *self, mr_step *s)
{
    (void)self;
    mr_params p = mr_module_parameters(s->model);
    before[updates][0] = mr_item(p.item[0].tensor);
    before[updates][1] = mr_item(p.item[1].tensor);
    step_of[updates++] = s->global_step;
    return MR_OK;
}

static double after[2];
static mr_callback *averaging; /* adopted by the next fit; NULL */
static double average;         /* of the weight, in the end */

static mr_status train(mr_trainer_opts opts)
{
    static const mr_task_vtable vtable = { .training_step = fit_step,
                                           .configure_optimizers = fit_optimizers,
                                           .state = count_state };
    fit f = fit_new(SAMPLES);
    hook.step = spoil;
    done = 0;
    updates = counted = 0;
    count_tensor = mr_tensor_wrap(MR_INT64, MR_SCALAR, &counted);
    opts.max_epochs = opts.max_epochs ? opts.max_epochs : 1;
    opts.no_progress = opts.no_summary = true;
    mr_trainer *t = mr_trainer_new(&opts);
    mr_task *task = mr_task_new(&vtable, f.model, NULL, 0);
    (void)mr_trainer_add_callback(
        t, mr_lambda_callback_new(&(mr_callback_vtable){ .on_before_optimizer_step = note }, NULL));
    if (averaging)
        (void)mr_trainer_add_callback(t, averaging);
    mr_set_log_hook(hear, NULL);
    *heard = '\0';
    mr_status status = mr_trainer_fit(t, task, f.loader);
    mr_set_log_hook(NULL, NULL);
    after[0] = (double)fit_weight(&f);
    after[1] = (double)fit_bias(&f);
    mr_params p = mr_ema_params(averaging);
    p = p.item ? p : mr_swa_params(averaging);
    average = p.item ? mr_item(p.item[0].tensor) : (double)NAN;
    averaging = NULL;
    mr_trainer_free(t);
    mr_task_free(task);
    mr_tensor_free(count_tensor);
    fit_free(&f);
    return status;
}

static void spoil_at(int a, int b, int c, int gradient)
{
    spoil_loss[0] = a;
    spoil_loss[1] = b;
    spoil_loss[2] = c;
    spoil_loss[3] = -1;
    spoil_gradient = gradient;
}

/* What a step of SGD makes of the parameters with this batch. */
static void check_update(const double p[2], const double next[2], int batch, double lr)
{
    double g[2] = { 0, 0 };
    for (int i = BATCH * batch; i < BATCH * (batch + 1); i++) {
        const double x = (double)i / SAMPLES, e = p[0] * x + p[1] - 2 * x;
        g[0] += 2 * e * x / BATCH;
        g[1] += 2 * e / BATCH;
    }
    for (int i = 0; i < 2; i++)
        CHECK_CLOSE(next[i] - p[i], -lr * g[i], 1e-4, 1e-7);
}

static void test_skip(void)
{
    spoil_at(2, 5, -1, 7);
    CHECK_EQ_I64(train((mr_trainer_opts){ .nonfinite = MR_NONFINITE_SKIP }), MR_OK);
    CHECK_EQ_I64(updates, 7);
    static const int batch_of[] = { 0, 1, 3, 4, 6, 8, 9 };
    for (int i = 0; i < 6; i++) {
        CHECK_EQ_I64(step_of[i], i);
        check_update(before[i], before[i + 1], batch_of[i], 0.1);
    }
    CHECK_EQ_STR(heard, "fit: the loss is nan at epoch 0, step 2: batch 2 is left out\n"
                        "fit: the loss is nan at epoch 0, step 4: batch 5 is left out\n"
                        "fit: the gradient of weight is not finite at epoch 0, step 5: there is no update\n");
}

static void test_stop_at_a_gradient(void)
{
    spoil_at(-1, -1, -1, 3);
    CHECK_EQ_I64(train((mr_trainer_opts){ 0 }), MR_ERR_NONFINITE);
    CHECK_EQ_STR(mr_error(), "fit: the gradient of weight is not finite at epoch 0, step 3");
    CHECK_EQ_STR(heard, "fit: the batch has the samples 12, 13, 14, 15\n");
    CHECK_EQ_I64(updates, 3);
    CHECK(isfinite(after[0]) && isfinite(after[1])); /* the weights were not touched */
    check_update(before[2], after, 2, 0.1);
    CHECK_EQ_I64(train((mr_trainer_opts){ .gradient_clip_norm = 1, .accumulate_grad_batches = 2 }),
                 MR_ERR_NONFINITE);
    CHECK_EQ_STR(mr_error(), "fit: the gradient of weight is not finite at epoch 0, step 1");
}

/* Kept before the updates 0, 4 and 8; the sixth and the eighth batch send the training back. */
static void test_rollback(void)
{
    spoil_at(6, -1, -1, 8);
    CHECK_EQ_I64(train((mr_trainer_opts){ .nonfinite = MR_NONFINITE_ROLLBACK,
                                          .rollback_every_n_steps = 4,
                                          .rollback_factor = 0.25 }),
                 MR_OK);
    CHECK_EQ_I64(updates, 8);
    for (int i = 0; i < 5; i++)
        check_update(before[i], before[i + 1], i, 0.1);
    CHECK(before[6][0] == before[4][0] && before[6][1] == before[4][1]); /* the state of step 4 */
    CHECK_EQ_I64(step_of[6], 6);                                         /* counters go on */
    CHECK(before[7][0] == before[4][0] && before[7][1] == before[4][1]); /* and once more */
    CHECK_EQ_I64(step_of[7], 7);
    check_update(before[7], after, 9, 0.1 / 16);
    CHECK_EQ_I64(counted, 5 + 1); /* the task's count was of five batches then */
    CHECK_EQ_STR(heard,
                 "fit: the loss is nan at epoch 0, step 6: back to the state of step 4, learning rates "
                 "count 0.25 times\n"
                 "fit: the gradient of weight is not finite at epoch 0, step 7: back to the state of "
                 "step 4, learning rates count 0.0625 times\n");
    spoil_at(6, -1, -1, -1);
    CHECK_EQ_I64(train((mr_trainer_opts){ .nonfinite = MR_NONFINITE_ROLLBACK, .rollback_every_n_steps = 4 }),
                 MR_OK);
    check_update(before[6], before[7], 7, 0.05); /* a half by default */
    CHECK_EQ_I64(train((mr_trainer_opts){ .nonfinite = MR_NONFINITE_ROLLBACK }), MR_OK);
    CHECK(before[6][0] == before[0][0]); /* a hundred by default: that of the beginning */
}

/* The gradients of a window are dropped with the batch. */
static void test_rollback_in_a_window(void)
{
    spoil_at(5, -1, -1, -1);
    CHECK_EQ_I64(train((mr_trainer_opts){ .nonfinite = MR_NONFINITE_ROLLBACK,
                                          .rollback_every_n_steps = 1,
                                          .accumulate_grad_batches = 2 }),
                 MR_OK);
    CHECK_EQ_I64(updates, 4); /* of 0 and 1, 2 and 3, 6 and 7, 8 and 9 */
    CHECK(before[2][0] == before[1][0]);
    CHECK_EQ_I64(step_of[2], 2);
}

/* An average that has taken in the weights that are gone is as it was before them, too. */
static void test_averages(void)
{
    const mr_trainer_opts opts = { .nonfinite = MR_NONFINITE_ROLLBACK, .rollback_every_n_steps = 1 };
    spoil_at(-1, -1, -1, -1);
    for (enlarge = 0; enlarge <= 4; enlarge += 4) {
        averaging = mr_ema_new(&(mr_ema_opts){ .decay = 0.75, .not_at_end = true });
        CHECK_EQ_I64(train(opts), MR_OK);
        CHECK(strstr(heard, "the loss is inf") != NULL);
        CHECK_EQ_I64(updates, 9);
        double wanted = (double)NAN;
        for (int i = 0; i < 9; i++) {
            const double w = i < 8 ? before[i + 1][0] : after[0];
            if (i != enlarge)
                wanted = isnan(wanted) ? w : 0.75 * wanted + 0.25 * w;
        }
        CHECK_CLOSE(average, wanted, 1e-6, 0);
    }
    /* The last batch of an epoch, whose weights the mean has taken in when the next one begins. */
    enlarge = 2 * BATCHES - 1;
    averaging = mr_swa_new(0.1, &(mr_swa_opts){ .start = "1ep", .not_at_end = true });
    mr_trainer_opts three = opts;
    three.max_epochs = 3;
    CHECK_EQ_I64(train(three), MR_OK);
    CHECK(strstr(heard, "the loss is inf at epoch 2, step 20: back to the state of step 19") != NULL);
    CHECK_CLOSE(average, after[0], 1e-7, 0); /* of the third epoch alone */
    enlarge = -1;
}

static void test_no_way_back(void)
{
    spoil_at(0, -1, -1, -1);
    CHECK_EQ_I64(train((mr_trainer_opts){ .nonfinite = MR_NONFINITE_ROLLBACK }), MR_ERR_NONFINITE);
    CHECK_EQ_STR(mr_error(), "fit: the loss is nan at epoch 0, step 0, and there is no state to go back to");
    CHECK(strncmp(heard, "fit: the batch has the samples 0, 1, 2, 3\n", 40) == 0);
    spoil_at(3, 5, 7, -1);
    CHECK_EQ_I64(train((mr_trainer_opts){ .nonfinite = MR_NONFINITE_ROLLBACK, .max_rollbacks = 2 }),
                 MR_ERR_NONFINITE);
    CHECK_EQ_STR(mr_error(), "fit: the loss is nan at epoch 0, step 5, after 2 rollbacks");
    CHECK(strstr(heard, "fit: the batch has the samples 28, 29, 30, 31\n") != NULL);
    CHECK_EQ_I64(train((mr_trainer_opts){ .nonfinite = MR_NONFINITE_ROLLBACK, .max_rollbacks = -1 }), MR_OK);
    CHECK_EQ_I64(train((mr_trainer_opts){ .nonfinite = MR_NONFINITE_ROLLBACK, .max_rollbacks = MR_ZERO_INT }),
                 MR_ERR_NONFINITE);
    CHECK_EQ_STR(mr_error(), "fit: the loss is nan at epoch 0, step 3, after 0 rollbacks");
}

static void test_options(void)
{
    static const struct {
        mr_trainer_opts opts;
        const char *text;
    } wrong[] = {
        { { .nonfinite = (mr_nonfinite)3 }, "trainer_new: 3 is no mr_nonfinite" },
        { { .rollback_every_n_steps = -1 }, "trainer_new: rollback_every_n_steps -1 is not at least 1" },
        { { .rollback_factor = 1.5 }, "trainer_new: rollback_factor 1.5 is not in [0, 1]" },
        { { .max_rollbacks = -2 }, "trainer_new: max_rollbacks -2 is neither a number nor -1, no limit" },
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        CHECK(!mr_trainer_new(&wrong[i].opts));
        CHECK_EQ_STR(mr_error(), wrong[i].text);
    }
}

/* ---- buffers ---- */

static mr_tensor *norm_step(mr_step *s, const mr_batch *b)
{
    mr_tensor *x = mr_unsqueeze(s->tape, b->field[0], 1);
    if (s->batch_index == 1)
        x = mr_mul_scalar(s->tape, x, NAN);
    return mr_sum(s->tape, mr_forward(s->model, s->tape, x), MR_ALL, false);
}

/* A batch that is left out has moved no running mean. */
static void test_buffers(void)
{
    static const mr_task_vtable vtable = { .training_step = norm_step,
                                           .configure_optimizers = fit_optimizers };
    fit f = fit_new(8);
    mr_module *model = mr_sequential_add(mr_sequential_new(), mr_batch_norm1d_new(1, NULL));
    mr_task *task = mr_task_new(&vtable, model, NULL, 0);
    mr_trainer *t = mr_trainer_new(&(mr_trainer_opts){
        .max_epochs = 1, .nonfinite = MR_NONFINITE_SKIP, .no_progress = true, .no_summary = true });
    mr_set_log_hook(hear, NULL);
    CHECK_EQ_I64(mr_trainer_fit(t, task, f.loader), MR_OK);
    mr_set_log_hook(NULL, NULL);
    mr_params state = mr_module_state(model);
    CHECK_CLOSE(mr_item(state.item[2].tensor), 0.1 * (0 + 1 + 2 + 3) / 4 / 8, 1e-5, 0);
    CHECK_EQ_I64(mr_item_int64(state.item[4].tensor), 1);
    mr_trainer_free(t);
    mr_task_free(task);
    mr_module_free(model);
    fit_free(&f);
}

int main(void)
{
    RUN(test_skip);
    RUN(test_stop_at_a_gradient);
    RUN(test_rollback);
    RUN(test_rollback_in_a_window);
    RUN(test_averages);
    RUN(test_no_way_back);
    RUN(test_options);
    RUN(test_buffers);
    return check_report();
}

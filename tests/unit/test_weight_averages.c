/* EMA and stochastic weight averaging: when they begin, what the learning rate does, batch norms, and what is refused. */
#include "check.h"
#include "fit.h"

static double seen[64], rates[64]; /* the weight after each update; the rate in each epoch */
static size_t updates, epochs;

static mr_status note_update(void *self, mr_step *s)
{
    (void)self;
    seen[updates++] = mr_item(mr_module_parameters(s->model).item[0].tensor);
    return MR_OK;
}

static mr_status note_epoch(void *self, mr_step *s)
{
    (void)self;
    rates[epochs++] = mr_optim_lr(s->optim);
    return MR_OK;
}

static double validated;

static mr_status validation_step(mr_step *s, const mr_batch *b)
{
    (void)b;
    validated = mr_item(mr_module_parameters(s->model).item[0].tensor);
    return MR_OK;
}

static mr_schedule *halving(void *self, mr_optim *optim)
{
    (void)self;
    return mr_exponential_lr_new(optim, 0.5);
}

static const mr_task_vtable task_vtable = { .training_step = fit_step,
                                            .configure_optimizers = fit_optimizers,
                                            .configure_schedule = halving,
                                            .validation_step = validation_step };
static double weight, average;

/* Ten samples in batches of four, three updates an epoch. */
static mr_status train(mr_callback *callback, mr_trainer_opts opts)
{
    static const mr_callback_vtable watching = { .name = "Watching",
                                                 .on_after_optimizer_step = note_update,
                                                 .on_train_epoch_start = note_epoch };
    fit f = fit_new(10);
    mr_task *task = mr_task_new(&task_vtable, f.model, NULL, 0);
    opts.no_progress = opts.no_summary = true;
    mr_trainer *t = mr_trainer_new(&opts);
    updates = epochs = 0;
    (void)mr_trainer_add_callback(t, callback);
    (void)mr_trainer_add_callback(t, mr_callback_new(&watching, NULL, 0));
    (void)mr_trainer_set_val_loader(t, f.loader);
    mr_status status = mr_trainer_fit(t, task, f.loader);
    weight = (double)fit_weight(&f);
    mr_params p = mr_ema_params(callback);
    p = p.item ? p : mr_swa_params(callback);
    average = p.item ? mr_item(p.item[0].tensor) : (double)NAN;
    mr_trainer_free(t);
    mr_task_free(task);
    fit_free(&f);
    return status;
}

static double ema_of(size_t from, size_t to, size_t every, double decay)
{
    double a = seen[from];
    for (size_t i = from + every; i < to; i += every)
        a = decay * a + (1 - decay) * seen[i];
    return a;
}

static void test_ema(void)
{
    const mr_trainer_opts three = { .max_epochs = 3 };
    CHECK_EQ_I64(train(mr_ema_new(&(mr_ema_opts){ .decay = 0.8 }), three), MR_OK);
    CHECK_EQ_I64(updates, 9);
    CHECK_CLOSE(average, ema_of(0, 9, 1, 0.8), 1e-6, 0);
    CHECK(weight == average && validated == average && weight != seen[8]);
    CHECK_EQ_I64(train(mr_ema_new(NULL), three), MR_OK);
    CHECK_CLOSE(average, ema_of(0, 9, 1, 0.999), 1e-6, 0);
    CHECK_EQ_I64(train(mr_ema_new(&(mr_ema_opts){ .decay = 0.8, .every_n_steps = 2 }), three), MR_OK);
    CHECK_CLOSE(average, ema_of(0, 9, 2, 0.8), 1e-6, 0);
    CHECK_EQ_I64(train(mr_ema_new(&(mr_ema_opts){ .decay = 0.8, .start = "4ba" }), three), MR_OK);
    CHECK_CLOSE(average, ema_of(4, 9, 1, 0.8), 1e-6, 0);
    CHECK_EQ_I64(train(mr_ema_new(&(mr_ema_opts){ .decay = 0.8, .start = "2ep" }), three), MR_OK);
    CHECK_CLOSE(average, ema_of(6, 9, 1, 0.8), 1e-6, 0);
    CHECK_EQ_I64(train(mr_ema_new(&(mr_ema_opts){ .decay = 0.8, .start = "0.5dur" }), three), MR_OK);
    CHECK_CLOSE(average, ema_of(5, 9, 1, 0.8), 1e-6, 0); /* 4.5 batches are behind at the sixth */
    CHECK_EQ_I64(
        train(mr_ema_new(&(mr_ema_opts){ .decay = 0.8, .not_in_validation = true, .not_at_end = true }),
              three),
        MR_OK);
    CHECK(weight == seen[8] && validated == seen[8] && average != weight);
    CHECK_EQ_I64(train(mr_ema_new(&(mr_ema_opts){ .start = "7ep" }), three), MR_OK); /* it has not begun */
    CHECK(isnan(average) && weight == seen[8] && validated == weight);
}

/* From the first update of a window on, also of one that the end of the epoch cuts short. */
static void test_windows(void)
{
    CHECK_EQ_I64(train(mr_ema_new(&(mr_ema_opts){ .decay = 0.5 }),
                       (mr_trainer_opts){ .max_epochs = 2, .accumulate_grad_batches = 2 }),
                 MR_OK);
    CHECK_EQ_I64(updates, 4);
    CHECK_CLOSE(average, ema_of(0, 4, 1, 0.5), 1e-6, 0);
    CHECK(validated == average);
}

static void test_swa(void)
{
    const mr_trainer_opts six = { .max_epochs = 6 };
    CHECK_EQ_I64(train(mr_swa_new(0.3, &(mr_swa_opts){ .start = "2ep",
                                                       .annealing_epochs = 2,
                                                       .annealing = MR_ANNEAL_LINEAR }),
                       six),
                 MR_OK);
    /* Two epochs of the schedule, then from 0.025 to 0.3 in two steps. */
    const double wanted[] = { 0.1, 0.05, 0.025, 0.1625, 0.3, 0.3 };
    for (int i = 0; i < 6; i++)
        CHECK_CLOSE(rates[i], wanted[i], 1e-12, 0);
    CHECK_CLOSE(average, (seen[8] + seen[11] + seen[14] + seen[17]) / 4, 1e-6, 0);
    CHECK(weight == average);
    CHECK_EQ_I64(
        train(mr_swa_new(0.3, &(mr_swa_opts){ .annealing_epochs = MR_ZERO_INT, .not_at_end = true }), six),
        MR_OK); /* from 0.8 of six on: the fifth */
    CHECK(rates[3] == 0.0125 && rates[4] == 0.3 && rates[5] == 0.3);
    CHECK_CLOSE(average, (seen[14] + seen[17]) / 2, 1e-6, 0);
    CHECK(weight == seen[17]);
    const double of_groups[] = { 0.7 };
    CHECK_EQ_I64(
        train(mr_swa_new(
                  0.3,
                  &(mr_swa_opts){ .start = "1ep", .annealing_epochs = 1, .swa_lrs = of_groups, .groups = 1 }),
              six),
        MR_OK);
    CHECK(rates[1] == 0.05 && rates[2] == 0.7);
    /* An epoch that the limit of steps cuts short is none. */
    CHECK_EQ_I64(
        train(mr_swa_new(0.3, &(mr_swa_opts){ .start = "1ep" }), (mr_trainer_opts){ .max_steps = 8 }), MR_OK);
    CHECK_CLOSE(average, seen[5], 1e-7, 0);
}

/* ---- batch norms ---- */

static mr_tensor *norm_step(mr_step *s, const mr_batch *b)
{
    mr_tensor *x = mr_unsqueeze(s->tape, b->field[0], 1);
    CHECK(mr_module_is_training(s->model));
    mr_log_value(s, "loss", 1, NULL);
    return mr_sum(s->tape, mr_forward(s->model, s->tape, x), MR_ALL, false);
}

/* The running values are means over batches of their means and unbiased variances. */
static void test_batch_norm(void)
{
    static const mr_task_vtable vtable = { .training_step = norm_step,
                                           .configure_optimizers = fit_optimizers };
    fit f = fit_new(10);
    mr_module *model = mr_sequential_add(mr_sequential_new(), mr_batch_norm1d_new(1, NULL));
    mr_task *task = mr_task_new(&vtable, model, NULL, 0);
    mr_trainer *t = mr_trainer_new(NULL);
    mr_params state = mr_module_state(model);
    const double means[] = { 0.15, 0.55, 0.85 }, variances[] = { 0.05 / 3, 0.05 / 3, 0.005 };
    for (int limit = 0; limit < 3; limit += 2) {
        mr_trainer *with = limit ? mr_trainer_new(&(mr_trainer_opts){ .limit_train_batches = limit }) : t;
        const int batches = limit ? limit : 3;
        double mean = 0, variance = 0;
        for (int i = 0; i < batches; i++) {
            mean += means[i] / batches;
            variance += variances[i] / batches;
        }
        (void)mr_tensor_fill(state.item[2].tensor, 77);
        mr_module_train(model, false);
        CHECK_EQ_I64(mr_trainer_update_batch_norm(with, task, f.loader), MR_OK);
        CHECK(!mr_module_is_training(model));
        mr_module_train(model, true);
        CHECK_CLOSE(mr_item(state.item[2].tensor), mean, 1e-6, 0);
        CHECK_CLOSE(mr_item(state.item[3].tensor), variance, 1e-5, 0);
        CHECK_EQ_I64(mr_item_int64(state.item[4].tensor), batches);
        if (limit)
            mr_trainer_free(with);
    }
    /* Then it goes on by momentum as before. */
    const double before = mr_item(state.item[2].tensor);
    mr_tape *tape = mr_tape_new(f.rng);
    mr_tensor *x = mr_tensor_from(MR_FLOAT32, MR_SHAPE(2, 1), (float[]){ 4, 6 });
    (void)mr_forward(model, tape, x);
    CHECK_CLOSE(mr_item(state.item[2].tensor), 0.9 * before + 0.1 * 5, 1e-6, 0);
    mr_tensor_free(x);
    mr_tape_free(tape);
    CHECK_EQ_I64(mr_trainer_update_batch_norm(NULL, task, f.loader), MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(), "update_batch_norm: trainer is NULL");
    CHECK_EQ_I64(mr_trainer_update_batch_norm(t, NULL, f.loader), MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(), "update_batch_norm: task is NULL");
    CHECK_EQ_I64(mr_trainer_update_batch_norm(t, task, NULL), MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(), "update_batch_norm: loader is NULL");
    mr_trainer_free(t);
    mr_task_free(task);
    mr_module_free(model);
    fit_free(&f);
}

static mr_tensor *failing_step(mr_step *s, const mr_batch *b)
{
    if (s->batch_index == 1)
        mr_fail(MR_ERR_FORMAT, "no more");
    return norm_step(s, b);
}

static void test_batch_norm_fails(void)
{
    static const mr_task_vtable vtable = { .training_step = failing_step,
                                           .configure_optimizers = fit_optimizers };
    fit f = fit_new(10);
    mr_module *model = mr_sequential_add(mr_sequential_new(), mr_batch_norm1d_new(1, NULL));
    mr_task *task = mr_task_new(&vtable, model, NULL, 0);
    mr_trainer *t = mr_trainer_new(NULL);
    CHECK_EQ_I64(mr_trainer_update_batch_norm(t, task, f.loader), MR_ERR_FORMAT);
    CHECK_EQ_STR(mr_error(), "update_batch_norm: batch 1: no more");
    CHECK_EQ_I64(mr_trainer_update_batch_norm(t, f.task, f.loader), MR_OK); /* a model that has none */
    mr_trainer_free(t);
    mr_task_free(task);
    mr_module_free(model);
    fit_free(&f);
}

static void test_refuses(void)
{
    const double rate = -1;
#define REFUSED(call, text) CHECK((call) == NULL && mr_error_status() < 0 && CHECK_EQ_STR(mr_error(), text))
    REFUSED(mr_ema_new(&(mr_ema_opts){ .decay = 1.5 }), "ema: decay 1.5 is not in [0, 1]");
    REFUSED(mr_ema_new(&(mr_ema_opts){ .every_n_steps = -1 }), "ema: every_n_steps -1 is not at least 1");
    REFUSED(mr_ema_new(&(mr_ema_opts){ .start = "x" }), "ema: start 'x' does not begin with a number");
    REFUSED(mr_swa_new(-1, NULL), "swa: swa_lr -1 is not in [0, inf)");
    REFUSED(mr_swa_new(1, &(mr_swa_opts){ .swa_lrs = &rate, .groups = 1 }),
            "swa: swa_lr -1 is not in [0, inf)");
    REFUSED(mr_swa_new(1, &(mr_swa_opts){ .groups = 1 }),
            "swa: swa_lrs is for as many groups as `groups` says, 1 to 16");
    REFUSED(mr_swa_new(1, &(mr_swa_opts){ .annealing_epochs = -1 }), "swa: annealing_epochs -1 is negative");
    REFUSED(mr_swa_new(1, &(mr_swa_opts){ .annealing = (mr_anneal)2 }), "swa: there is no annealing 2");
    REFUSED(mr_swa_new(1, &(mr_swa_opts){ .start = "9ba" }),
            "swa: start '9ba' is neither a number of epochs nor a share");
    REFUSED(mr_swa_new(1, &(mr_swa_opts){ .start = "1.5ep" }),
            "swa: start '1.5ep' is neither a number of epochs nor a share");
    CHECK_EQ_I64(train(mr_ema_new(&(mr_ema_opts){ .start = "9s" }), (mr_trainer_opts){ .max_epochs = 1 }),
                 MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(), "fit: EMA: start: it goes by the clock, by which nothing begins twice alike");
    CHECK_EQ_I64(train(mr_swa_new(1, NULL), (mr_trainer_opts){ .max_steps = 3 }), MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(), "fit: StochasticWeightAveraging: start: there is no max_epochs of which 0.8 "
                             "could be a share");
    const double two[] = { 1, 2 };
    CHECK_EQ_I64(train(mr_swa_new(1, &(mr_swa_opts){ .swa_lrs = two, .groups = 2 }),
                       (mr_trainer_opts){ .max_epochs = 3 }),
                 MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(),
                 "fit: StochasticWeightAveraging: there are rates for 2 groups, the optimizer has 1");
    CHECK(!mr_ema_params(NULL).item && !mr_swa_params(NULL).item);
}

int main(void)
{
    RUN(test_ema);
    RUN(test_windows);
    RUN(test_swa);
    RUN(test_batch_norm);
    RUN(test_batch_norm_fails);
    RUN(test_refuses);
    return check_report();
}

/* Running values of batch norms behind an average, of a task that optimizes by hand: its steps run as they do in
 * training, but for what they ask of optimizers. */
#include "check.h"
#include "fit.h"

enum { SAMPLES = 10, BATCHES = 3, STATES = 5 /* of a batch norm: weight, bias, mean, variance, count */ };

static int without; /* steps that found no optimizer in the step */
static bool leaves, fails;
static int64_t largest; /* the number of updates that a step has seen */

static mr_tensor *loss_of(mr_step *s, const mr_batch *b, double scale)
{
    mr_tensor *x = mr_mul_scalar(s->tape, mr_unsqueeze(s->tape, b->field[0], 1), scale);
    CHECK(mr_module_is_training(s->model));
    return mr_mse_loss(s->tape, mr_squeeze(s->tape, mr_forward(s->model, s->tape, x), 1), b->field[1], NULL);
}

/* Two losses, with an update for each: the second one is computed behind the first one's. */
static mr_tensor *step_by_hand(mr_step *s, const mr_batch *b)
{
    without += !s->optim;
    if (fails && !s->optim)
        mr_fail(MR_ERR_FORMAT, "no more");
    for (int part = 0; part < 2; part++) {
        mr_tensor *loss = loss_of(s, b, 1 + part);
        mr_log(s, part ? "second" : "first", loss, NULL);
        mr_optim_zero_grad(mr_step_optim(s, 0));
        if (mr_step_backward(s, loss) || mr_step_update(s, 0))
            return NULL;
        mr_tape_reset(s->tape);
    }
    largest = s->global_step > largest ? s->global_step : largest;
    if (leaves && s->optim) { /* the batch is left out from here on */
        mr_tensor *loss = mr_mul_scalar(s->tape, loss_of(s, b, 1), INFINITY);
        CHECK_EQ_I64(mr_step_backward(s, loss), MR_END);
    }
    return NULL;
}

static mr_tensor *plain_step(mr_step *s, const mr_batch *b)
{
    (void)loss_of(s, b, 1);
    return loss_of(s, b, 2);
}

static mr_status configure(void *self, mr_module *model, mr_optimizers *made)
{
    (void)self;
    made->optim[0] = mr_sgd_new(mr_module_parameters(model), 0.01, NULL);
    return MR_OK;
}

static const mr_task_vtable by_hand = { .training_step = step_by_hand, .configure_manual = configure };
static const mr_task_vtable plain = { .training_step = plain_step, .configure_optimizers = fit_optimizers };

static mr_module *model_new(mr_rng *rng)
{
    mr_module *m = mr_sequential_add(mr_sequential_new(), mr_linear_new(1, 4, rng, NULL));
    mr_sequential_add(m, mr_batch_norm1d_new(4, NULL));
    return mr_sequential_add(m, mr_linear_new(4, 1, rng, NULL));
}

typedef struct running {
    float mean[4], variance[4];
    int64_t count;
} running;

static running running_of(mr_module *model)
{
    const mr_param *norm = mr_module_state(mr_module_child(model, 1, NULL)).item;
    running r;
    memcpy(r.mean, mr_tensor_data(norm[2].tensor), sizeof r.mean);
    memcpy(r.variance, mr_tensor_data(norm[3].tensor), sizeof r.variance);
    r.count = mr_item_int64(norm[STATES - 1].tensor);
    return r;
}

static void check_same(running a, running b)
{
    CHECK(memcmp(a.mean, b.mean, sizeof a.mean) == 0);
    CHECK(memcmp(a.variance, b.variance, sizeof a.variance) == 0);
    CHECK_EQ_I64(a.count, b.count);
}

/* The values that a task which does the same without updates leads to; and by hand outside a fit. */
static void check_against_others(mr_module *model, mr_loader *loader)
{
    const running here = running_of(model);
    const mr_task_vtable *vtables[] = { &plain, &by_hand };
    CHECK_EQ_I64(here.count, 2 * BATCHES);
    mr_trainer *t = mr_trainer_new(NULL);
    for (int i = 0; i < 2; i++) {
        mr_task *task = mr_task_new(vtables[i], model, NULL, 0);
        without = 0;
        CHECK_EQ_I64(mr_trainer_update_batch_norm(t, task, loader), MR_OK);
        CHECK_EQ_I64(without, i ? BATCHES : 0);
        check_same(running_of(model), here);
        mr_task_free(task);
    }
    mr_trainer_free(t);
}

static mr_status train(const char *resume, running *found, float *bias)
{
    fit f = fit_new(SAMPLES);
    mr_module *model = model_new(f.rng);
    mr_task *task = mr_task_new(&by_hand, model, NULL, 0);
    mr_trainer *t = mr_trainer_new(&(mr_trainer_opts){ .max_epochs = 3,
                                                       .csv = files_folder,
                                                       .nonfinite = MR_NONFINITE_SKIP,
                                                       .no_progress = true,
                                                       .no_summary = true,
                                                       .resume = resume });
    mr_callback *swa = mr_swa_new(0.02, &(mr_swa_opts){ .start = "1ep" });
    (void)mr_trainer_add_callback(t, swa);
    without = 0;
    largest = 0;
    mr_set_log_hook(hear, NULL);
    mr_status status = mr_trainer_fit(t, task, f.loader);
    mr_set_log_hook(NULL, NULL);
    if (status == MR_OK) {
        const mr_params p = mr_module_parameters(model), mean = mr_swa_params(swa);
        *bias = *(float *)mr_tensor_data(p.item[p.count - 1].tensor);
        CHECK(*bias ==
              *(float *)mr_tensor_data(mean.item[mean.count - 1].tensor)); /* no update has moved it */
        CHECK_EQ_I64(without, BATCHES);
        CHECK_EQ_I64(mr_trainer_global_step(t), 2 * 3 * BATCHES);
        CHECK_EQ_I64(largest, 2 * 3 * BATCHES);
        *found = running_of(model);
        check_against_others(model, f.loader);
    }
    mr_trainer_free(t);
    mr_task_free(task);
    mr_module_free(model);
    fit_free(&f);
    return status;
}

/* At the end of a fit, whatever its last step has come to; and when nothing is left to be done. */
static void test_in_a_fit(void)
{
    running whole, again;
    float bias, bias_again;
    for (int i = 0; i < 2; i++) {
        leaves = i;
        if (!CHECK_EQ_I64(train(NULL, &whole, &bias), MR_OK) ||
            !CHECK_EQ_I64(train("last", &again, &bias_again), MR_OK)) {
            printf("    %s\n", mr_error());
            continue;
        }
        CHECK(strstr(heard, "left out") == NULL || leaves);
        check_same(whole, again);
        CHECK(bias == bias_again);
    }
    leaves = false;
}

/* A step's failure is heard of, also where its calls have settled it. */
static void test_fails(void)
{
    running found;
    float bias;
    fails = true;
    CHECK_EQ_I64(train(NULL, &found, &bias), MR_ERR_FORMAT);
    CHECK_EQ_STR(mr_error(), "fit: StochasticWeightAveraging: update_batch_norm: batch 0: no more");
    fails = false;
}

int main(void)
{
    if (!files_begin())
        return 1;
    RUN(test_in_a_fit);
    RUN(test_fails);
    return files_report();
}

/* Numbers that are not finite in a task that adds up gradients by hand: what becomes of the gradients, beside a loop
 * that is worked out here. */
#include "check.h"
#include "fit.h"

enum { SAMPLES = 48, BATCHES = 12, WINDOW = 3 };
#define RATE 0.1

static bool zero_behind;                   /* zero the gradients behind an update, not before a window */
static int spoiled_loss, spoiled_gradient; /* batches; -1: none */
static double weights[BATCHES + 1][2];     /* before each batch, and at the end */
static int64_t updates;

static mr_tensor *loss_of(mr_step *s, const mr_batch *b)
{
    mr_tensor *loss = fit_step(s, b);
    if (s->batch_index == spoiled_loss)
        return mr_mul_scalar(s->tape, loss, NAN);
    if (s->batch_index == spoiled_gradient) { /* the root of 0 is 0, and its slope infinite */
        mr_tensor *w = mr_module_parameters(s->model).item[0].tensor;
        mr_tensor *zero = mr_mul_scalar(s->tape, mr_sum(s->tape, w, MR_ALL, false), 0);
        return mr_add(s->tape, loss, mr_sqrt(s->tape, zero));
    }
    return loss;
}

static void note_weights(mr_module *model, double to[2])
{
    for (size_t i = 0; i < 2; i++)
        to[i] = mr_item(mr_module_parameters(model).item[i].tensor);
}

static mr_tensor *add_up(mr_step *s, const mr_batch *b)
{
    note_weights(s->model, weights[s->batch_index]);
    if (!zero_behind && s->batch_index % WINDOW == 0)
        mr_optim_zero_grad(mr_step_optim(s, 0));
    if (mr_step_backward(s, loss_of(s, b)))
        return NULL;
    if (s->batch_index % WINDOW == WINDOW - 1) {
        if (mr_step_update(s, 0))
            return NULL;
        updates++;
        if (zero_behind)
            mr_optim_zero_grad(mr_step_optim(s, 0));
    }
    return NULL;
}

static mr_status by_hand(void *self, mr_module *model, mr_optimizers *made)
{
    (void)self;
    made->optim[0] = mr_sgd_new(mr_module_parameters(model), RATE, NULL);
    return MR_OK;
}

/* The same by the trainer's steps, for a task that zeroes its gradients behind its updates. */
static mr_tensor *noted_loss(mr_step *s, const mr_batch *b)
{
    note_weights(s->model, weights[s->batch_index]);
    return loss_of(s, b);
}

static mr_status never(mr_step *s)
{
    (void)s;
    return MR_OK;
}

static mr_status step_if_due(mr_step *s)
{
    if (s->batch_index % WINDOW != WINDOW - 1)
        return MR_OK;
    mr_status status = mr_optim_step(s->optim);
    mr_optim_zero_grad(s->optim);
    updates++;
    return status;
}

static const mr_task_vtable hand_vtable = { .training_step = add_up, .configure_manual = by_hand };
static const mr_task_vtable own_vtable = { .training_step = noted_loss,
                                           .configure_optimizers = fit_optimizers,
                                           .optimizer_zero_grad = never,
                                           .optimizer_step = step_if_due };

static mr_status train(const mr_task_vtable *vtable, mr_nonfinite nonfinite)
{
    fit f = fit_new(SAMPLES);
    mr_task *task = mr_task_new(vtable, f.model, NULL, 0);
    mr_trainer *t = mr_trainer_new(&(mr_trainer_opts){ .max_epochs = 1,
                                                       .nonfinite = nonfinite,
                                                       .rollback_every_n_steps = 1,
                                                       .rollback_factor = 1,
                                                       .no_progress = true,
                                                       .no_summary = true });
    updates = 0;
    mr_set_log_hook(hear, NULL);
    *heard = '\0';
    mr_status status = mr_trainer_fit(t, task, f.loader);
    mr_set_log_hook(NULL, NULL);
    note_weights(f.model, weights[BATCHES]);
    mr_trainer_free(t);
    mr_task_free(task);
    fit_free(&f);
    return status;
}

/* ---- the loop ---- */

static void add_gradient(const double p[2], int batch, double g[2])
{
    const int rows = SAMPLES / BATCHES;
    for (int i = rows * batch; i < rows * (batch + 1); i++) {
        const double x = (double)i / SAMPLES, e = p[0] * x + p[1] - 2 * x;
        g[0] += 2 * e * x / rows;
        g[1] += 2 * e / rows;
    }
}

/* The weights before each batch are those of a loop in which gradients begin from zero with each window, and again
 * where `zeroed` says so: behind that batch. The weights are then those of before batch `back` (-1: as they are). */
static void check_weights(int zeroed, int left_out, int back)
{
    double p[2] = { weights[0][0], weights[0][1] }, g[2] = { 0, 0 }, kept[BATCHES][2];
    for (int i = 0; i < BATCHES; i++) {
        memcpy(kept[i], p, sizeof p);
        for (int k = 0; k < 2; k++)
            if (!CHECK_CLOSE(weights[i][k], p[k], 1e-5, 1e-7))
                printf("    before batch %d\n", i);
        if (i % WINDOW == 0)
            memset(g, 0, sizeof g);
        if (i != left_out)
            add_gradient(p, i, g);
        if (i == zeroed)
            memset(g, 0, sizeof g);
        if (i == zeroed && back >= 0)
            memcpy(p, kept[back], sizeof p);
        if (i % WINDOW == WINDOW - 1 && i != zeroed)
            for (int k = 0; k < 2; k++)
                p[k] -= RATE * g[k];
    }
    for (int k = 0; k < 2; k++)
        CHECK_CLOSE(weights[BATCHES][k], p[k], 1e-5, 1e-7);
}

/* ---- tests ---- */

static void test_nothing(void)
{
    spoiled_loss = spoiled_gradient = -1;
    for (int i = 0; i < 2; i++) {
        zero_behind = i;
        CHECK_EQ_I64(train(&hand_vtable, MR_NONFINITE_SKIP), MR_OK);
        CHECK_EQ_I64(updates, 4);
        check_weights(-1, -1, -1);
    }
}

/* Kept before the batches 2 and 5, which lead to updates. What was added up since the last update is of weights that are gone. */
static void test_rollback(void)
{
    for (int i = 0; i < 2; i++) {
        zero_behind = i;
        spoiled_gradient = -1;
        spoiled_loss = 7; /* the second of its window: the third's gradient is that of the update */
        CHECK_EQ_I64(train(&hand_vtable, MR_NONFINITE_ROLLBACK), MR_OK);
        CHECK_EQ_I64(updates, 4);
        check_weights(7, 7, 5);
        CHECK_EQ_STR(heard,
                     "fit: the loss is nan at epoch 0, step 2: back to the state of step 1, learning rates "
                     "count 1 times\n");
        spoiled_loss = -1;
        spoiled_gradient = 6; /* it is found at the update, of which nothing is left */
        CHECK_EQ_I64(train(&hand_vtable, MR_NONFINITE_ROLLBACK), MR_OK);
        CHECK_EQ_I64(updates, 3);
        check_weights(8, -1, 5);
    }
}

static void test_skip(void)
{
    for (int i = 0; i < 2; i++) {
        zero_behind = i;
        spoiled_gradient = -1;
        spoiled_loss = 4; /* a batch less, and nothing else */
        CHECK_EQ_I64(train(&hand_vtable, MR_NONFINITE_SKIP), MR_OK);
        CHECK_EQ_I64(updates, 4);
        check_weights(-1, 4, -1);
        spoiled_loss = -1;
        spoiled_gradient = 4;
        CHECK_EQ_I64(train(&hand_vtable, MR_NONFINITE_SKIP), MR_OK);
        CHECK_EQ_I64(updates, 3);
        check_weights(5, -1, -1);
    }
}

/* A task of the trainer's steps that zeroes its gradients itself. There the gradients are looked at behind each batch. */
static void test_own_zero_grad(void)
{
    spoiled_gradient = 4;
    CHECK_EQ_I64(train(&own_vtable, MR_NONFINITE_SKIP), MR_OK);
    CHECK_EQ_I64(updates, 4);
    CHECK(isfinite(weights[BATCHES][0]) && isfinite(weights[BATCHES][1]));
    CHECK_EQ_I64(train(&own_vtable, MR_NONFINITE_ROLLBACK), MR_OK);
    CHECK_EQ_I64(updates, 4);
    CHECK(isfinite(weights[BATCHES][0]) && isfinite(weights[BATCHES][1]));
    spoiled_gradient = -1;
}

int main(void)
{
    RUN(test_nothing);
    RUN(test_rollback);
    RUN(test_skip);
    RUN(test_own_zero_grad);
    return check_report();
}

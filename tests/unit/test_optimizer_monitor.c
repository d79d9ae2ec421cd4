/* OptimizerMonitor: its norms beside those that are worked out here, and the rows that they are in. */
#include "check.h"
#include "fit.h"

static double before[2]; /* the parameters when the fit began */

static mr_tensor *two_layers(mr_module *m, mr_tape *t, mr_tensor *x)
{
    x = mr_forward(mr_module_child(m, 0, NULL), t, x);
    return mr_forward(mr_module_child(m, 1, NULL), t, x);
}

static mr_optim *adam(mr_module *model)
{
    return mr_adam_new(mr_module_parameters(model), 0.1, NULL);
}

static mr_frame *rows;
static const mr_task_vtable *task_vtable = &fit_task;

/* Ten samples in batches of four. Leaves the rows in `rows`. */
static mr_status train(mr_module *model, const mr_optimizer_monitor_opts *monitor, mr_trainer_opts opts)
{
    static int number;
    char name[24];
    fit f = fit_new(10);
    snprintf(name, sizeof name, "monitor%d", number++);
    opts.csv = files_folder;
    opts.name = name;
    opts.no_progress = opts.no_summary = opts.no_checkpoint = true;
    mr_trainer *t = mr_trainer_new(&opts);
    mr_task *task = mr_task_new(task_vtable, model ? model : f.model, NULL, 0);
    (void)mr_trainer_add_callback(t, mr_optimizer_monitor_new(monitor));
    before[0] = (double)fit_weight(&f);
    before[1] = (double)fit_bias(&f);
    mr_status status = mr_trainer_fit(t, task, f.loader);
    mr_frame_free(rows);
    rows = status ? NULL : mr_frame_read_csv(mr_trainer_metrics_path(t));
    mr_trainer_free(t);
    mr_task_free(task);
    fit_free(&f);
    return status;
}

static double cell(const char *column, int row)
{
    const double *values = mr_frame_column(rows, column);
    CHECK(values && row < mr_frame_rows(rows));
    return values && row < mr_frame_rows(rows) ? values[row] : (double)NAN;
}

/* The gradient of the mean squared error of 2x over samples `from` to `to`. */
static void gradient(const double p[2], int from, int to, double g[2])
{
    g[0] = g[1] = 0;
    for (int i = from; i < to; i++) {
        const double x = i / 10., e = p[0] * x + p[1] - 2 * x;
        g[0] += 2 * e * x / (to - from);
        g[1] += 2 * e / (to - from);
    }
}

static void check_row(int row, const double p[2], const double g[2], double clipped)
{
    const double all = hypot(g[0], g[1]), lr = 0.1;
    CHECK_CLOSE(cell("l2_norm/grad/weight", row), fabs(g[0]), 1e-5, 0);
    CHECK_CLOSE(cell("l2_norm/grad/bias", row), fabs(g[1]), 1e-5, 0);
    CHECK_CLOSE(cell("l2_norm/grad/global", row), all, 1e-5, 0);
    CHECK_CLOSE(cell("l2_norm/update/weight", row), lr * clipped * fabs(g[0]), 1e-4, 0);
    CHECK_CLOSE(cell("l2_norm/update/bias", row), lr * clipped * fabs(g[1]), 1e-4, 0);
    CHECK_CLOSE(cell("l2_norm/update/global", row), lr * clipped * all, 1e-4, 0);
    CHECK_CLOSE(cell("l2_norm/param/weight", row), fabs(p[0]), 1e-5, 0);
    CHECK_CLOSE(cell("l2_norm/param/global", row), hypot(p[0], p[1]), 1e-5, 0);
}

static void move(double p[2], const double g[2], double by)
{
    p[0] -= by * g[0];
    p[1] -= by * g[1];
}

static void test_norms(void)
{
    double p[2], g[2];
    CHECK_EQ_I64(train(NULL, &(mr_optimizer_monitor_opts){ .parameters = true },
                       (mr_trainer_opts){ .max_epochs = 1, .log_every_n_steps = 1 }),
                 MR_OK);
    CHECK_EQ_I64(mr_frame_rows(rows), 3);
    memcpy(p, before, sizeof p);
    for (int i = 0; i < 3; i++) {
        gradient(p, 4 * i, i < 2 ? 4 * i + 4 : 10, g);
        check_row(i, p, g, 1);
        move(p, g, 0.1);
    }
}

/* Gradients are those of a window, before clipping; the last window has one batch. */
static void test_windows(void)
{
    double p[2], g[2];
    CHECK_EQ_I64(train(NULL, &(mr_optimizer_monitor_opts){ .parameters = true },
                       (mr_trainer_opts){ .max_epochs = 1,
                                          .log_every_n_steps = 1,
                                          .accumulate_grad_batches = 2,
                                          .gradient_clip_norm = 0.01 }),
                 MR_OK);
    CHECK_EQ_I64(mr_frame_rows(rows), 2);
    memcpy(p, before, sizeof p);
    gradient(p, 0, 8, g);
    const double clipped = 0.01 / hypot(g[0], g[1]);
    check_row(0, p, g, clipped);
    move(p, g, 0.1 * clipped);
    gradient(p, 8, 10, g);
    check_row(1, p, g, 0.01 / hypot(g[0], g[1]));
}

static void test_how_often(void)
{
    CHECK_EQ_I64(train(NULL, &(mr_optimizer_monitor_opts){ .only_global = true },
                       (mr_trainer_opts){ .max_epochs = 4, .log_every_n_steps = 5 }),
                 MR_OK);
    CHECK_EQ_I64(mr_frame_rows(rows), 2); /* of twelve steps */
    CHECK_EQ_I64(mr_frame_columns(rows), 4);
    CHECK(cell("step", 0) == 4 && cell("step", 1) == 9);
    CHECK(cell("l2_norm/grad/global", 0) > 0 && cell("l2_norm/update/global", 1) > 0);
    CHECK_EQ_I64(train(NULL, &(mr_optimizer_monitor_opts){ .every_n_steps = 2, .no_updates = true },
                       (mr_trainer_opts){ .max_epochs = 1, .log_every_n_steps = 1 }),
                 MR_OK);
    CHECK_EQ_I64(mr_frame_rows(rows), 1);
    CHECK(cell("step", 0) == 1);
    CHECK_EQ_I64(mr_frame_columns(rows), 5);
}

static void test_modules_and_moments(void)
{
    static const mr_module_vtable vtable = { .type = "Two", .forward = two_layers };
    mr_rng *rng = mr_rng_new(3);
    mr_module *m = mr_module_new(&vtable, NULL, 0);
    mr_module_add(m, "first", mr_linear_new(1, 3, rng, NULL));
    mr_module_add(m, "second", mr_linear_new(3, 1, rng, NULL));
    hook.optimizers = adam;
    CHECK_EQ_I64(train(m,
                       &(mr_optimizer_monitor_opts){ .by_module = true, .moments = true, .parameters = true },
                       (mr_trainer_opts){ .max_epochs = 1, .log_every_n_steps = 1 }),
                 MR_OK);
    CHECK_EQ_I64(mr_frame_columns(rows), 5 * 3 + 2);
    for (int row = 0; row < 3; row++) {
        static const char *const kinds[] = { "grad", "update", "param", "exp_avg", "exp_avg_sq" };
        for (int i = 0; i < 5; i++) {
            char first[40], second[40], all[40];
            snprintf(first, sizeof first, "l2_norm/%s/first", kinds[i]);
            snprintf(second, sizeof second, "l2_norm/%s/second", kinds[i]);
            snprintf(all, sizeof all, "l2_norm/%s/global", kinds[i]);
            CHECK(cell(first, row) > 0 && cell(second, row) > 0);
            CHECK_CLOSE(cell(all, row), hypot(cell(first, row), cell(second, row)), 1e-12, 0);
        }
    }
    CHECK_CLOSE(cell("l2_norm/exp_avg/first", 0), 0.1 * cell("l2_norm/grad/first", 0), 1e-6, 0);
    CHECK_CLOSE(cell("l2_norm/update/second", 0), 0.1 * sqrt(4), 1e-4, 0); /* Adam's first: lr for each */
    mr_module_free(m);
    mr_rng_free(rng);
}

static void test_refuses(void)
{
    CHECK(!mr_optimizer_monitor_new(&(mr_optimizer_monitor_opts){ .every_n_steps = -1 }));
    CHECK_EQ_STR(mr_error(), "optimizer_monitor: every_n_steps -1 is negative");
}

/* ---- several optimizers ---- */

/* The weight is moved by one, the bias by another. */
static mr_status make_two(void *self, mr_module *model, mr_optimizers *made)
{
    const mr_params p = mr_module_parameters(model);
    (void)self;
    made->optim[0] = mr_sgd_new((mr_params){ p.item, 1 }, 0.1, &(mr_sgd_opts){ .momentum = 0.9 });
    made->optim[1] = mr_adam_new((mr_params){ p.item + 1, 1 }, 0.01, NULL);
    return MR_OK;
}

static mr_tensor *step_by_hand(mr_step *s, const mr_batch *b)
{
    mr_tensor *loss = fit_step(s, b);
    mr_optim_zero_grad(mr_step_optim(s, 0));
    mr_optim_zero_grad(mr_step_optim(s, 1));
    (void)(mr_step_backward(s, loss) || mr_step_update(s, 0) || mr_step_update(s, 1));
    return NULL;
}

static void test_several_optimizers(void)
{
    static const mr_task_vtable by_hand = { .training_step = step_by_hand, .configure_manual = make_two };
    const mr_optimizer_monitor_opts all = { .moments = true, .parameters = true };
    double p[2], g[2];
    task_vtable = &by_hand;
    CHECK_EQ_I64(train(NULL, &all, (mr_trainer_opts){ .max_epochs = 2, .log_every_n_steps = 3 }), MR_OK);
    CHECK_EQ_I64(mr_frame_rows(rows), 2); /* of six batches, in each of which are two updates */
    CHECK(cell("step", 0) == 2 && cell("step", 1) == 5);
    CHECK_EQ_I64(train(NULL, &all, (mr_trainer_opts){ .max_epochs = 1, .log_every_n_steps = 1 }), MR_OK);
    task_vtable = &fit_task;
    CHECK_EQ_I64(mr_frame_rows(rows), 3);
    memcpy(p, before, sizeof p);
    gradient(p, 0, 4, g);
    static const char *const same[][2] = {
        { "l2_norm/grad/weight", "l2_norm/grad/global" },
        { "l2_norm/grad/bias", "l2_norm/grad/global-1" },
        { "l2_norm/update/weight", "l2_norm/update/global" },
        { "l2_norm/update/bias", "l2_norm/update/global-1" },
        { "l2_norm/param/weight", "l2_norm/param/global" },
        { "l2_norm/param/bias", "l2_norm/param/global-1" },
        { "l2_norm/momentum_buffer/weight", "l2_norm/momentum_buffer/global" },
        { "l2_norm/exp_avg/bias", "l2_norm/exp_avg/global-1" },
    };
    const double wanted[] = { fabs(g[0]), fabs(g[1]), 0.1 * fabs(g[0]), 0.01,
                              fabs(p[0]), fabs(p[1]), fabs(g[0]),       0.1 * fabs(g[1]) };
    for (int i = 0; i < 8; i++)
        for (int k = 0; k < 2; k++)
            CHECK_CLOSE(cell(same[i][k], 0), wanted[i], 1e-4, 0);
    CHECK(!mr_frame_column(rows, "l2_norm/exp_avg/weight"));
    mr_error_clear();
    CHECK(!mr_frame_column(rows, "l2_norm/momentum_buffer/bias"));
    mr_error_clear();
}

int main(void)
{
    if (!files_begin())
        return 1;
    RUN(test_norms);
    RUN(test_windows);
    RUN(test_how_often);
    RUN(test_modules_and_moments);
    RUN(test_refuses);
    RUN(test_several_optimizers);
    mr_frame_free(rows);
    return files_report();
}

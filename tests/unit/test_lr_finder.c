/* The learning-rate finder: its numbers beside golden/make_lr_find.py, and that everything stands where it stood. */
#include "gnuplot.h"
#include "golden.h"

#include <millrace/millrace.h>

enum { SAMPLES = 40 };

static int64_t data_len(void *self)
{
    (void)self;
    return SAMPLES;
}

static mr_status data_get(void *self, int64_t index, const mr_sample *sample)
{
    const float x = (float)(17 * index % SAMPLES) / SAMPLES;
    (void)self;
    *(float *)sample->field[0] = x;
    *(float *)sample->field[1] = 2 * x;
    return MR_OK;
}

typedef struct own {
    int64_t steps;
    int spoil; /* the step whose loss is none; -1 */
    mr_param state;
} own;

static mr_tensor *training_step(mr_step *s, const mr_batch *b)
{
    own *o = s->self;
    mr_tensor *x = mr_unsqueeze(s->tape, b->field[0], 1);
    mr_tensor *loss =
        mr_mse_loss(s->tape, mr_squeeze(s->tape, mr_forward(s->model, s->tape, x), 1), b->field[1], NULL);
    mr_log(s, "loss", loss, NULL);
    return o->steps++ == o->spoil ? mr_mul_scalar(s->tape, loss, NAN) : loss;
}

static mr_optim *optimizers(void *self, mr_module *model)
{
    (void)self;
    return mr_sgd_new(mr_module_parameters(model), 0.7, NULL);
}

static mr_params state(void *self)
{
    own *o = self;
    if (!o->state.tensor)
        o->state = (mr_param){ "steps", mr_tensor_wrap(MR_INT64, MR_SCALAR, &o->steps) };
    return (mr_params){ &o->state, 1 };
}

static void destroy(void *self)
{
    mr_tensor_free(((own *)self)->state.tensor);
}

static const mr_task_vtable task_vtable = {
    .training_step = training_step, .configure_optimizers = optimizers, .state = state, .destroy = destroy
};

typedef struct bench {
    mr_rng *rng;
    mr_dataset *data;
    mr_loader *loader;
    mr_module *model;
    mr_task *task;
    mr_trainer *trainer;
} bench;

static bench begin(const mr_task_vtable *vtable, int spoil, mr_loader_opts loader, mr_trainer_opts opts)
{
    static const mr_dataset_vtable data = { .len = data_len, .get = data_get };
    static const mr_field fields[] = { { .name = "x" }, { .name = "y" } };
    const own o = { .spoil = spoil };
    bench b = { .rng = mr_rng_new(3), .data = mr_dataset_new(&data, NULL, 0, fields, 2) };
    loader.batch_size = 4;
    b.loader = mr_loader_new(b.data, b.rng, &loader);
    b.model = mr_linear_new(1, 1, b.rng, NULL);
    b.task = mr_task_new(vtable, b.model, &o, sizeof o);
    opts.no_progress = opts.no_summary = true;
    b.trainer = mr_trainer_new(&opts);
    return b;
}

static void end(bench *b)
{
    mr_trainer_free(b->trainer);
    mr_task_free(b->task);
    mr_module_free(b->model);
    mr_loader_free(b->loader);
    mr_dataset_free(b->data);
    mr_rng_free(b->rng);
}

/* ---- numbers ---- */

static double or_zero(const golden_case *c, const char *key)
{
    const double value = golden_number(c, key, 0);
    return value == 0 ? MR_ZERO : value;
}

static int64_t whole(const golden_case *c, const char *key)
{
    const int64_t value = (int64_t)golden_number(c, key, 0);
    return value ? value : MR_ZERO_INT;
}

static void check_case(const golden_case *c)
{
    bench b =
        begin(&task_vtable, -1, (mr_loader_opts){ 0 },
              (mr_trainer_opts){ .accumulate_grad_batches = (int64_t)golden_number(c, "accumulate", 1) });
    mr_params p = mr_module_parameters(b.model);
    for (int i = 0; i < 2; i++)
        memcpy(mr_tensor_data(p.item[i].tensor), c->in[i].values, sizeof(float));
    const double threshold = golden_number(c, "threshold", 4), suggestion = golden_number(c, "suggestion", 0);
    mr_lr_finder *f = mr_trainer_lr_find(
        b.trainer, b.task, b.loader,
        &(mr_lr_find_opts){ .min_lr = golden_number(c, "min_lr", 0),
                            .max_lr = golden_number(c, "max_lr", 0),
                            .num_training = (int64_t)golden_number(c, "n", 0),
                            .mode = golden_number(c, "linear", 0) > 0 ? MR_LR_FIND_LINEAR
                                                                      : MR_LR_FIND_EXPONENTIAL,
                            .early_stop_threshold = threshold,
                            .no_early_stop = threshold == 0,
                            .smoothing = or_zero(c, "beta"),
                            .skip_begin = whole(c, "skip_begin"),
                            .skip_end = whole(c, "skip_end") });
    size_t count, losses;
    const double *rate = mr_lr_finder_rates(f, &count), *loss = mr_lr_finder_losses(f, &losses);
    if (!CHECK(f && rate && loss)) {
        printf("    %s\n", mr_error());
    } else if (CHECK_EQ_I64(count, c->out[0].numel) && CHECK_EQ_I64(losses, count)) {
        for (size_t i = 0; i < count; i++) {
            CHECK_CLOSE(rate[i], ((const double *)c->out[0].values)[i], 1e-12, 0);
            CHECK_CLOSE(loss[i], ((const double *)c->out[1].values)[i], 2e-5, 0);
        }
        if (suggestion < 0)
            CHECK(isnan(mr_lr_finder_suggestion(f)));
        else
            CHECK_CLOSE(mr_lr_finder_suggestion(f), suggestion, 1e-12, 0);
    }
    mr_lr_finder_free(f);
    end(&b);
}

static void test_numbers(void)
{
    golden_file file;
    golden_case c = { 0 };
    if (!golden_open(&file, "lr_find"))
        return;
    while (golden_next(&file, &c))
        check_case(&c);
    golden_free_case(&c);
    golden_close(&file);
}

static void test_defaults(void)
{
    size_t count;
    bench b = begin(&task_vtable, -1, (mr_loader_opts){ 0 }, (mr_trainer_opts){ 0 });
    mr_lr_finder *f =
        mr_trainer_lr_find(b.trainer, b.task, b.loader, &(mr_lr_find_opts){ .no_early_stop = true });
    const double *rate = mr_lr_finder_rates(f, &count);
    CHECK(count == 100 && rate[0] == 1e-8);
    CHECK_CLOSE(rate[99], 1, 1e-12, 0);
    CHECK(mr_lr_finder_suggestion(f) > 1e-4);
    mr_lr_finder_free(f);
    end(&b);
}

/* ---- an end before its time, and the picture ---- */

static char said[400];

static void hear(void *user, mr_log_level level, const char *line)
{
    (void)user;
    (void)level;
    snprintf(said + strlen(said), sizeof said - strlen(said), "%s\n", line);
}

static mr_lr_finder *find(int spoil, const mr_lr_find_opts *opts)
{
    bench b = begin(&task_vtable, spoil, (mr_loader_opts){ 0 }, (mr_trainer_opts){ 0 });
    *said = '\0';
    mr_set_log_hook(hear, NULL);
    mr_lr_finder *f = mr_trainer_lr_find(b.trainer, b.task, b.loader, opts);
    mr_set_log_hook(NULL, NULL);
    end(&b);
    return f;
}

static void test_early_end(void)
{
    char wanted[200];
    size_t count;
    mr_lr_finder *f = find(-1, &(mr_lr_find_opts){ .min_lr = 1e-3, .max_lr = 1e3 });
    const double *rate = mr_lr_finder_rates(f, &count);
    CHECK(count > 10 && count < 100);
    snprintf(wanted, sizeof wanted,
             "lr_find: stopped early, after %zu of 100 steps: at the learning rate %.3g the loss is more "
             "than 4 times "
             "the best\n",
             count, rate[count - 1]);
    CHECK_EQ_STR(said, wanted);
    mr_lr_finder_free(f);
    f = find(4, &(mr_lr_find_opts){ .num_training = 20 });
    rate = mr_lr_finder_rates(f, &count);
    snprintf(wanted, sizeof wanted,
             "lr_find: stopped early, after 5 of 20 steps: at the learning rate %.3g the loss or a gradient "
             "is not "
             "finite\n",
             rate[4]);
    CHECK(count == 5);
    CHECK_EQ_STR(said, wanted);
    mr_lr_finder_free(f);
    f = find(-1, &(mr_lr_find_opts){ .no_early_stop = true });
    CHECK_EQ_STR(said, "");
    mr_lr_finder_free(f);
}

static const char *told(const mr_lr_finder *f)
{
    const char *path = in_folder("told.svg");
    if (!CHECK_EQ_I64(mr_lr_finder_plot(f, path), MR_OK))
        printf("    %s\n", mr_error());
    return file_contents(path, NULL);
}

static void test_picture(void)
{
    gnuplot_replaced(true);
    mr_lr_finder *f = find(
        4, &(mr_lr_find_opts){
               .min_lr = 0.125, .max_lr = 2, .num_training = 4, .no_early_stop = true, .skip_begin = 1 });
    char mark[200];
    snprintf(mark, sizeof mark, "title \"suggestion: %.3g\" noenhanced\n", mr_lr_finder_suggestion(f));
    const char *script = told(f);
    CHECK(strstr(script, "set xlabel \"learning rate\" noenhanced\nset ylabel \"smoothed loss\" noenhanced\n"
                         "set logscale x\nset mxtics 10\n$line0 << EOD\n0.125 ") != NULL);
    CHECK(strstr(script, "\n0.5 ") && strstr(script, "\n1.0 ") && strstr(script, "\n2.0 "));
    CHECK(strstr(script, mark) != NULL);
    mr_lr_finder_free(f);
    f = find(-1, &(mr_lr_find_opts){ .num_training = 4, .mode = MR_LR_FIND_LINEAR }); /* nothing to suggest */
    script = told(f);
    CHECK(!strstr(script, "logscale") && !strstr(script, "suggestion"));
    mr_lr_finder_free(f);
    gnuplot_replaced(false);
    f = find(-1, &(mr_lr_find_opts){ .min_lr = 1e-3, .max_lr = 1e3 });
    if (system("gnuplot --version >/dev/null 2>&1") == 0) {
        CHECK_EQ_I64(mr_lr_finder_plot(f, in_folder("rates.png")), MR_OK);
        CHECK(file_exists(in_folder("rates.png")));
    }
    CHECK_EQ_I64(mr_lr_finder_plot(f, "a.gif"), MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(), "plot: 'a.gif' ends neither in .png nor in .svg");
    CHECK_EQ_I64(mr_lr_finder_plot(f, NULL), MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(), "lr_finder_plot: path is NULL");
    CHECK_EQ_I64(mr_lr_finder_plot(NULL, "a.png"), MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(), "lr_finder_plot: finder is NULL");
    mr_lr_finder_free(f);
    f = find(0, NULL);
    CHECK_EQ_I64(mr_lr_finder_plot(f, in_folder("none.png")), MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(),
                 "plot: no line has a point to draw: on a logarithmic axis only values above 0 have a place");
    mr_lr_finder_free(f);
}

/* ---- everything stands where it stood ---- */

static void snapshot(bench *b, char *text, size_t room)
{
    const void *bytes;
    size_t size;
    uint8_t rng[MR_RNG_STATE_BYTES];
    uint64_t sum = 5381;
    CHECK_EQ_I64(mr_loader_save(b->loader, &bytes, &size), MR_OK);
    for (size_t i = 0; i < size; i++)
        sum = sum * 33 + ((const uint8_t *)bytes)[i];
    mr_rng_get_state(b->rng, rng);
    for (size_t i = 0; i < sizeof rng; i++)
        sum = sum * 33 + rng[i];
    mr_params p = mr_module_parameters(b->model);
    snprintf(text, room, "%llx %a %a %d", (unsigned long long)sum, mr_item(p.item[0].tensor),
             mr_item(p.item[1].tensor), mr_tensor_has_grad(p.item[0].tensor));
}

static double fitted(bench *b)
{
    CHECK_EQ_I64(mr_trainer_fit(b->trainer, b->task, b->loader), MR_OK);
    mr_params p = mr_module_parameters(b->model);
    return mr_item(p.item[0].tensor) + 3 * mr_item(p.item[1].tensor);
}

static void test_put_back(void)
{
    const mr_loader_opts shuffled = { .shuffle = true };
    const mr_trainer_opts opts = { .max_epochs = 2 };
    char before[200], after[200];
    const mr_batch *batch;
    for (int spoil = -1; spoil < 50; spoil += 37) { /* never, or at a step */
        bench a = begin(&task_vtable, -1, shuffled, opts), b = begin(&task_vtable, spoil, shuffled, opts);
        for (int i = 0; i < 3; i++) /* both stand within an epoch */
            CHECK(mr_loader_next(a.loader, &batch) == MR_OK && mr_loader_next(b.loader, &batch) == MR_OK);
        snapshot(&b, before, sizeof before);
        mr_lr_finder *f = mr_trainer_lr_find(b.trainer, b.task, b.loader, NULL);
        snapshot(&b, after, sizeof after);
        CHECK_EQ_STR(after, before);
        size_t count;
        const double *loss = mr_lr_finder_losses(f, &count);
        if (spoil >= 0)
            CHECK(count == (size_t)spoil + 1 && isnan(loss[count - 1]));
        mr_lr_finder_free(f);
        CHECK(mr_loader_next(a.loader, &batch) == MR_OK); /* the same batch is next */
        const int64_t first = batch->indices[0];
        CHECK(mr_loader_next(b.loader, &batch) == MR_OK && batch->indices[0] == first);
        if (spoil < 0)
            CHECK(fitted(&a) == fitted(&b));
        end(&a);
        end(&b);
    }
}

/* ---- failures ---- */

static mr_tensor *failing_step(mr_step *s, const mr_batch *b)
{
    own *o = s->self;
    if (o->steps == 4 && mr_fail(MR_ERR_FORMAT, "no more"))
        return NULL;
    return training_step(s, b);
}

static mr_status by_hand(void *self, mr_module *model, mr_optimizers *made)
{
    made->optim[0] = optimizers(self, model);
    return MR_OK;
}

/* ---- tasks with ways of their own ---- */

static mr_schedule *short_schedule(void *self, mr_optim *optim)
{
    (void)self;
    return mr_one_cycle_lr_new(optim, 0.1, 20, &(mr_one_cycle_lr_opts){ .no_cycle_momentum = true });
}

/* A schedule that has fewer steps than the finder takes, and would change the rates. */
static void test_schedule(void)
{
    mr_task_vtable vtable = task_vtable;
    const mr_lr_find_opts opts = { .no_early_stop = true };
    size_t count, with;
    bench b = begin(&vtable, -1, (mr_loader_opts){ 0 }, (mr_trainer_opts){ 0 });
    mr_lr_finder *plain = mr_trainer_lr_find(b.trainer, b.task, b.loader, &opts);
    vtable.configure_schedule = short_schedule;
    vtable.schedule_each_step = true;
    mr_lr_finder *f = mr_trainer_lr_find(b.trainer, b.task, b.loader, &opts);
    if (CHECK(plain && f)) {
        const double *wanted = mr_lr_finder_losses(plain, &count), *losses = mr_lr_finder_losses(f, &with);
        CHECK_EQ_I64(with, count);
        CHECK(memcmp(losses, wanted, count * sizeof *wanted) == 0);
    }
    mr_lr_finder_free(plain);
    mr_lr_finder_free(f);
    end(&b);
}

/* ---- tasks that ask for the number of steps ---- */

static mr_trainer *asked;
static int64_t at_optimizers, at_schedule;

static mr_optim *asking_optimizers(void *self, mr_module *model)
{
    at_optimizers = mr_trainer_estimated_steps(asked);
    return optimizers(self, model);
}

static mr_schedule *asking_schedule(void *self, mr_optim *optim)
{
    (void)self;
    at_schedule = mr_trainer_estimated_steps(asked);
    return mr_one_cycle_lr_new(optim, 0.1, at_schedule, NULL);
}

/* They are told what a fit would tell them, where there are none with those of an epoch of one batch. */
static void test_estimated_steps(void)
{
    static const mr_trainer_opts cases[] = { { .max_epochs = 2 },
                                             { .max_epochs = 2, .limit_train_batches = 3 },
                                             { .max_epochs = 3, .overfit_batches = 2 },
                                             { .max_epochs = 3, .accumulate_grad_batches = 4 },
                                             { .max_steps = 7 },
                                             { .max_epochs = 4, .limit_train_share = 1e-3 } };
    mr_task_vtable vtable = task_vtable;
    vtable.configure_optimizers = asking_optimizers;
    vtable.configure_schedule = asking_schedule;
    vtable.schedule_each_step = true;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const bool refused = cases[i].limit_train_share > 0;
        bench b = begin(&vtable, -1, (mr_loader_opts){ 0 }, cases[i]);
        asked = b.trainer;
        at_optimizers = at_schedule = -2;
        CHECK_EQ_I64(mr_trainer_fit(b.trainer, b.task, b.loader), refused ? MR_ERR_ARGUMENT : MR_OK);
        mr_error_clear();
        const int64_t wanted = refused ? 4 : at_schedule;
        at_optimizers = at_schedule = -2;
        mr_lr_finder *f = mr_trainer_lr_find(b.trainer, b.task, b.loader, NULL);
        if (!CHECK(f != NULL))
            printf("    %s\n", mr_error());
        CHECK_EQ_I64(at_optimizers, wanted);
        CHECK_EQ_I64(at_schedule, wanted);
        CHECK_EQ_I64(mr_trainer_estimated_steps(b.trainer), -1);
        mr_lr_finder_free(f);
        end(&b);
    }
}

/* ---- more tasks with ways of their own ---- */

static mr_tensor *leave_out(mr_step *s, const mr_batch *b)
{
    mr_tensor *loss = training_step(s, b);
    if (((own *)s->self)->spoil == -2 || s->batch_index != 2)
        mr_step_skip(s);
    return loss;
}

/* A task that leaves out all is told so; one that takes a batch of each epoch is not. */
static void test_batches_left_out(void)
{
    mr_task_vtable vtable = task_vtable;
    vtable.training_step = leave_out;
    bench b = begin(&vtable, -2, (mr_loader_opts){ 0 }, (mr_trainer_opts){ 0 });
    CHECK(!mr_trainer_lr_find(b.trainer, b.task, b.loader, NULL));
    CHECK_EQ_I64(mr_error_status(), MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(), "lr_find: the task leaves out all batches of an epoch");
    end(&b);
    b = begin(&vtable, -1, (mr_loader_opts){ 0 }, (mr_trainer_opts){ .accumulate_grad_batches = 3 });
    mr_lr_finder *f =
        mr_trainer_lr_find(b.trainer, b.task, b.loader, &(mr_lr_find_opts){ .num_training = 4 });
    CHECK(f != NULL);
    mr_lr_finder_free(f);
    end(&b);
}

static void test_failures(void)
{
    char before[200], after[200];
    mr_task_vtable vtable = task_vtable;
    vtable.training_step = failing_step;
    bench b = begin(&vtable, -1, (mr_loader_opts){ .shuffle = true }, (mr_trainer_opts){ 0 });
    snapshot(&b, before, sizeof before);
    CHECK(!mr_trainer_lr_find(b.trainer, b.task, b.loader, NULL));
    CHECK_EQ_STR(mr_error(), "fit: epoch 0, step 4: no more");
    snapshot(&b, after, sizeof after);
    CHECK_EQ_STR(after, before);
    end(&b);
    vtable = task_vtable;
    vtable.configure_optimizers = NULL;
    vtable.configure_manual = by_hand;
    b = begin(&vtable, -1, (mr_loader_opts){ 0 }, (mr_trainer_opts){ 0 });
    CHECK(!mr_trainer_lr_find(b.trainer, b.task, b.loader, NULL));
    CHECK_EQ_STR(mr_error(), "lr_find: it is not for a task that optimizes by hand");
    static const struct {
        mr_lr_find_opts opts;
        const char *text;
    } wrong[] = {
        { { .min_lr = -1 }, "lr_find: min_lr -1 and max_lr 1 are no range of rates above 0" },
        { { .min_lr = 1, .max_lr = 1 }, "lr_find: min_lr 1 and max_lr 1 are no range of rates above 0" },
        { { .num_training = -5 }, "lr_find: num_training -5 is not at least 1" },
        { { .mode = (mr_lr_find_mode)2 }, "lr_find: there is no mode 2" },
        { { .early_stop_threshold = -1 }, "lr_find: early_stop_threshold -1 is not greater than 0" },
        { { .smoothing = 1 }, "lr_find: smoothing 1 is not in [0, 1)" },
        { { .skip_begin = -1 }, "lr_find: skip_begin -1 is negative" },
        { { .skip_end = -2 }, "lr_find: skip_end -2 is negative" },
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        CHECK(!mr_trainer_lr_find(b.trainer, b.task, b.loader, &wrong[i].opts));
        CHECK_EQ_STR(mr_error(), wrong[i].text);
    }
    CHECK(!mr_trainer_lr_find(NULL, b.task, b.loader, NULL));
    CHECK_EQ_STR(mr_error(), "lr_find: trainer is NULL");
    CHECK(!mr_lr_finder_rates(NULL, NULL) && !mr_lr_finder_losses(NULL, NULL));
    CHECK(isnan(mr_lr_finder_suggestion(NULL)));
    end(&b);
}

int main(void)
{
    if (!files_begin())
        return 1;
    RUN(test_numbers);
    RUN(test_defaults);
    RUN(test_early_end);
    RUN(test_picture);
    RUN(test_put_back);
    RUN(test_schedule);
    RUN(test_estimated_steps);
    RUN(test_batches_left_out);
    RUN(test_failures);
    return files_report();
}

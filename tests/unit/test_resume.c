/* Exact resuming of a training that has all that a training can have: batches that are accumulated and left out, validation
 * by a shuffling loader with a generator of its own, a schedule that looks at its metric, dropout, a parameter that has
 * no gradient any more, a state and a generator of the task's, columns that come late. Processes are killed at random
 * steps, in training and in validation, and the next one goes on; what is there in the end is compared byte by byte. */
#include "check.h"
#include "files.h"

#include <millrace/millrace.h>

#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { SAMPLES = 50, EPOCHS = 6 };

/* ---- the training ---- */

static int64_t data_len(void *self)
{
    (void)self;
    return SAMPLES;
}

static mr_status data_get(void *self, int64_t index, const mr_sample *sample)
{
    (void)self;
    float x = (float)index / SAMPLES;
    *(float *)sample->field[0] = x;
    *(float *)sample->field[1] = 2 * x - x * x;
    return MR_OK;
}

static const mr_dataset_vtable data_vtable = { .len = data_len, .get = data_get };
static const mr_field fields[] = { { .name = "x" }, { .name = "y" } };

typedef struct own {
    mr_rng *rng;
    double drawn; /* the sum of all that was drawn */
    int64_t steps;
    mr_param state[2];
} own;

static int kill_after; /* so many steps of this process; 0: never */
static int kill_by = SIGKILL;
static int second_signal; /* behind that; negative: SIGKILL so many steps later */
static int last_signal;
static bool with_callbacks;
static long pause_us = 200; /* microseconds in each step, so that there are checkpoints */

static void maybe_die(void)
{
    nanosleep(&(struct timespec){ 0, pause_us * 1000 }, NULL);
    if (kill_after && --kill_after == 0) {
        raise(kill_by);
        if (second_signal > 0)
            raise(second_signal);
    } else if (kill_after == 0 && second_signal < 0 && ++second_signal == 0) {
        raise(SIGKILL);
    }
}

static mr_tensor *forward(mr_module *m, mr_tape *t, mr_tensor *x)
{
    x = mr_tanh(t, mr_forward(mr_module_child(m, 0, NULL), t, mr_unsqueeze(t, x, 1)));
    x = mr_forward(mr_module_child(m, 1, NULL), t, x); /* batch norm */
    x = mr_forward(mr_module_child(m, 2, NULL), t, x); /* dropout */
    return mr_squeeze(t, mr_forward(mr_module_child(m, 3, NULL), t, x), 1);
}

static mr_tensor *training_step(mr_step *s, const mr_batch *b)
{
    own *o = s->self;
    maybe_die();
    o->steps++;
    o->drawn += mr_rng_uniform(o->rng);
    mr_tensor *loss = mr_mse_loss(s->tape, mr_forward(s->model, s->tape, b->field[0]), b->field[1], NULL);
    if (s->epoch < 2) { /* later this one has no gradient, and is moved by momentum alone */
        mr_params p = mr_module_parameters(s->model);
        mr_tensor *extra = p.item[p.count - 1].tensor;
        loss = mr_add(s->tape, loss, mr_mul_scalar(s->tape, mr_sum(s->tape, extra, MR_ALL, false), 0.01));
    }
    mr_log(s, "loss", loss, &(mr_log_opts){ .on_epoch = true });
    mr_log(s, "most", loss,
           &(mr_log_opts){ .on_epoch = true, .no_step = true, .reduction = MR_OVER_EPOCH_MAX });
    if (s->epoch > 2) {
        mr_tensor *drawn = mr_scalar(s->tape, MR_FLOAT64, o->drawn);
        mr_log(s, "late, \"quoted\"", drawn, NULL);
    }
    if (o->steps % 7 == 3)
        mr_step_skip(s);
    if (o->steps % 5 == 1)
        mr_step_set_weight(s, 2.5);
    return loss;
}

static mr_status validation_step(mr_step *s, const mr_batch *b)
{
    maybe_die();
    mr_log(s, "val_loss", mr_mse_loss(s->tape, mr_forward(s->model, s->tape, b->field[0]), b->field[1], NULL),
           NULL);
    return MR_OK;
}

static mr_optim *optimizers(void *self, mr_module *model)
{
    (void)self;
    mr_params p = mr_module_parameters(model);
    mr_optim *optim = mr_sgd_new((mr_params){ p.item, 2 }, 0.05, &(mr_sgd_opts){ .momentum = 0.9 });
    (void)mr_sgd_add_group(optim, (mr_params){ p.item + 2, p.count - 2 }, 0.02,
                           &(mr_sgd_opts){ .momentum = 0.8 });
    return optim;
}

static mr_schedule *schedule(void *self, mr_optim *optim)
{
    (void)self;
    return mr_reduce_lr_on_plateau_new(
        optim, &(mr_reduce_lr_on_plateau_opts){ .patience = MR_ZERO_INT, .factor = 0.5, .threshold = 0.1 });
}

static mr_params task_state(void *self)
{
    own *o = self;
    if (!o->state[0].tensor)
        o->state[0] = (mr_param){ "drawn", mr_tensor_wrap(MR_FLOAT64, MR_SCALAR, &o->drawn) };
    if (!o->state[1].tensor)
        o->state[1] = (mr_param){ "steps", mr_tensor_wrap(MR_INT64, MR_SCALAR, &o->steps) };
    return (mr_params){ o->state, 2 };
}

static void task_destroy(void *self)
{
    own *o = self;
    mr_tensor_free(o->state[0].tensor);
    mr_tensor_free(o->state[1].tensor);
}

static const mr_task_vtable task_vtable = { .training_step = training_step,
                                            .configure_optimizers = optimizers,
                                            .configure_schedule = schedule,
                                            .schedule_monitor = "val_loss",
                                            .validation_step = validation_step,
                                            .destroy = task_destroy,
                                            .state = task_state };

static mr_module *model_new(mr_rng *rng)
{
    static const mr_module_vtable vtable = { .type = "Net", .forward = forward };
    mr_module *m = mr_module_new(&vtable, NULL, 0);
    mr_module_add(m, "in", mr_linear_new(1, 8, rng, NULL));
    mr_module_add(m, "norm", mr_batch_norm1d_new(8, NULL));
    mr_module_add(m, "drop", mr_dropout_new(0.2));
    mr_module_add(m, "out", mr_linear_new(8, 1, rng, NULL));
    mr_module *extra = mr_linear_new(1, 1, rng, NULL);
    mr_module_add(m, "extra", extra);
    return m;
}

/* Fits in this process, with everything made anew; `sharing`: the task draws from the loader's generator. */
static mr_status fit(const char *name, const char *resume, const mr_trainer_opts *given, int workers,
                     bool sharing)
{
    mr_rng *rng = mr_rng_new(1), *of_val = mr_rng_new(2), *of_task = sharing ? rng : mr_rng_new(3);
    mr_dataset *data = mr_dataset_new(&data_vtable, NULL, 0, fields, 2);
    mr_loader *train =
        mr_loader_new(data, rng, &(mr_loader_opts){ .batch_size = 6, .shuffle = true, .workers = workers });
    mr_loader *val = mr_loader_new(data, rng, &(mr_loader_opts){ .batch_size = 16, .shuffle = true });
    (void)mr_loader_set_generator(val, of_val);
    mr_module *model = model_new(rng);
    own o = { .rng = of_task };
    mr_task *task = mr_task_new(&task_vtable, model, &o, sizeof o);
    mr_trainer_opts opts = *given;
    opts.csv = files_folder;
    opts.name = name;
    opts.no_progress = opts.no_summary = true;
    opts.resume = resume;
    mr_trainer *t = mr_trainer_new(&opts);
    (void)mr_trainer_set_val_loader(t, val);
    (void)mr_trainer_add_rng(t, "task", of_task);
    if (with_callbacks) {
        (void)mr_trainer_add_callback(
            t, mr_early_stopping_new("val_loss",
                                     &(mr_early_stopping_opts){ .patience = 50, .restore_best = true }));
        (void)mr_trainer_add_callback(
            t, mr_model_checkpoint_new(&(mr_model_checkpoint_opts){ .monitor = "val_loss",
                                                                    .save_top_k = 2,
                                                                    .save_last = true,
                                                                    .filename = "{epoch}-{val_loss:.3f}" }));
        (void)mr_trainer_add_callback(t, mr_lr_monitor_new(&(mr_lr_monitor_opts){ .log_momentum = true }));
    }
    mr_status status = mr_trainer_fit(t, task, train);
    if (status < 0 && with_callbacks)
        printf("    %s\n", mr_error());
    last_signal = mr_trainer_signal(t);
    mr_trainer_free(t);
    mr_task_free(task);
    mr_module_free(model);
    mr_loader_free(train);
    mr_loader_free(val);
    mr_dataset_free(data);
    mr_rng_free(rng);
    mr_rng_free(of_val);
    if (!sharing)
        mr_rng_free(of_task);
    return status;
}

/* The same in a process of its own, killed after so many steps; whether it came to its end. */
static bool fit_in_child(const char *name, const mr_trainer_opts *opts, int after, int workers)
{
    int how;
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        kill_after = after;
        _exit(fit(name, "last", opts, workers, false) == MR_OK ? 0 : 1);
    }
    if (!CHECK(child > 0 && waitpid(child, &how, 0) == child))
        return true;
    CHECK(WIFSIGNALED(how) ? WTERMSIG(how) == SIGKILL : WEXITSTATUS(how) == 0);
    return !WIFSIGNALED(how);
}

/* Two folders are equal, names and contents. */
static bool same(const char *a, const char *b)
{
    char command[1100];
    snprintf(command, sizeof command, "diff -rq '%s/%s' '%s/%s'", files_folder, a, files_folder, b);
    return system(command) == 0;
}

static unsigned random_below(unsigned count)
{
    static unsigned state = 12345;
    state = state * 1103515245u + 12345u;
    return (state >> 16) % count;
}

/* ---- tests ---- */

/* Whole, and killed until it is done. */
static void check_killed(const char *name, const mr_trainer_opts *opts, int rounds)
{
    char whole[60], killed[60];
    snprintf(whole, sizeof whole, "%s_whole", name);
    CHECK_EQ_I64(fit(whole, NULL, opts, 0, false), MR_OK);
    for (int i = 0; i < rounds; i++) {
        int kills = 0;
        snprintf(killed, sizeof killed, "%s_%d", name, i);
        const long pause_before = pause_us;
        while (kills < 100 && !fit_in_child(killed, opts, 1 + (int)random_below(40), (int)random_below(3))) {
            kills++;
            pause_us += 100; /* on a slow machine checkpoints need more time */
        }
        pause_us = pause_before;
        CHECK(kills < 100);
        CHECK(same(whole, killed));
    }
}

static void test_killed(void)
{
    mr_trainer_opts opts = { .max_epochs = EPOCHS,
                             .log_every_n_steps = 1,
                             .checkpoint_every = "1ba",
                             .accumulate_grad_batches = 2,
                             .gradient_clip_norm = 0.5 };
    check_killed("every", &opts, 3);
    with_callbacks = true;
    check_killed("callbacks", &opts, 3);
    with_callbacks = false;
    opts.accumulate_grad_batches = 4; /* of nine batches: a window of one is left at the end of an epoch */
    opts.checkpoint_every = "3ba";
    check_killed("windows", &opts, 3);
    opts.val_check_interval = "0.3ep";
    opts.num_sanity_val_steps = 2;
    check_killed("intervals", &opts, 2);
    opts.val_check_interval = "4ba";
    opts.accumulate_grad_batches = 2;
    check_killed("intervals_of_batches", &opts, 2);
    opts.val_check_interval = NULL;
    opts.num_sanity_val_steps = 0;
    opts.accumulate_grad_batches = 0;
    opts.limit_train_batches = 5;
    opts.limit_val_batches = 2;
    opts.check_val_every_n_epoch = 2;
    opts.checkpoint_every = "0.4ep";
    check_killed("limits", &opts, 3);
    opts.max_epochs = -1;
    opts.max_steps = 33; /* within an epoch */
    opts.limit_train_batches = 0;
    opts.checkpoint_every = "10sp";
    check_killed("steps", &opts, 3);
    opts.max_steps = 25;
    opts.accumulate_grad_batches = 3;
    opts.checkpoint_every = "0.1s";
    pause_us = 10000;
    check_killed("clock", &opts, 1);
    pause_us = 200;
}

/* A training that is given more epochs or steps, wherever it ended, is the one that had them from the start. */
static void test_longer(void)
{
    mr_trainer_opts opts = { .max_epochs = EPOCHS, .log_every_n_steps = 1, .accumulate_grad_batches = 2 };
    CHECK_EQ_I64(fit("longer_whole", NULL, &opts, 0, false), MR_OK);
    for (int i = 1; i < EPOCHS; i++) {
        opts.max_epochs = i;
        CHECK_EQ_I64(fit("longer", "last", &opts, 0, false), MR_OK);
    }
    opts.max_epochs = EPOCHS;
    CHECK_EQ_I64(fit("longer", "last", &opts, 0, false), MR_OK);
    CHECK(same("longer_whole", "longer"));
    for (int i = 1; i <= 12; i += 3) { /* at the end of an epoch, too */
        opts.max_steps = i;
        CHECK_EQ_I64(fit("steps_longer", "last", &opts, 0, false), MR_OK);
        CHECK_EQ_I64(fit("steps_longer", "last", &opts, 0, false), MR_OK); /* nothing to do */
    }
    opts.max_steps = 0;
    CHECK_EQ_I64(fit("steps_longer", "last", &opts, 0, false), MR_OK);
    CHECK(same("longer_whole", "steps_longer"));
}

/* Nothing in a checkpoint depends on how often it was resumed, or when. */
static void test_every_step(void)
{
    mr_trainer_opts opts = { .max_epochs = 3, .log_every_n_steps = 1 };
    CHECK_EQ_I64(fit("each_whole", NULL, &opts, 0, false), MR_OK);
    for (int i = 1; i <= 30; i++) {
        opts.max_steps = i;
        CHECK_EQ_I64(fit("each", "last", &opts, 0, false), MR_OK);
    }
    opts.max_steps = 0;
    CHECK_EQ_I64(fit("each", "last", &opts, 0, false), MR_OK);
    CHECK(same("each_whole", "each"));
}

/* ---- signals ---- */

/* Interrupted by one signal after the other, in training and in validation, until it comes to its end. */
static void check_interrupted(const char *name, mr_trainer_opts opts, int most)
{
    char whole[60];
    int times = 0;
    mr_status status = MR_INTERRUPTED;
    opts.checkpoint_every = "100ep";
    opts.handle_signals = true;
    snprintf(whole, sizeof whole, "%s_whole", name);
    CHECK_EQ_I64(fit(whole, NULL, &opts, 0, false), MR_OK);
    for (; status == MR_INTERRUPTED && times < 200; times++) {
        kill_by = times % 2 ? SIGINT : SIGTERM;
        kill_after = 1 + (int)random_below((unsigned)most);
        status = fit(name, "last", &opts, 0, false);
        CHECK_EQ_I64(last_signal, status == MR_INTERRUPTED ? kill_by : 0);
    }
    kill_after = 0;
    CHECK_EQ_I64(status, MR_OK);
    CHECK(times > 5);
    CHECK(same(whole, name));
}

static void test_interrupted(void)
{
    mr_trainer_opts opts = { .max_epochs = EPOCHS, .log_every_n_steps = 1 };
    check_interrupted("int", opts, 12);
    with_callbacks = true;
    check_interrupted("int_callbacks", opts, 12);
    with_callbacks = false;
    opts.accumulate_grad_batches = 4;
    check_interrupted("int_windows", opts, 12);
    opts.val_check_interval = "5ba";
    opts.num_sanity_val_steps = -1;
    check_interrupted("int_intervals", opts, 12);
    opts.val_check_interval = NULL;
    opts.num_sanity_val_steps = 0;
    opts.max_steps = 13;
    check_interrupted("int_steps", opts, 8);
}

/* What a process does with these signals, the second after the first: its status, or minus the signal. */
static int send(int first, int second, bool handle)
{
    int how;
    mr_trainer_opts opts = { .max_epochs = EPOCHS, .handle_signals = handle };
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        kill_by = first;
        kill_after = 5;
        second_signal = second;
        _exit(fit("sent", NULL, &opts, 0, false) == MR_INTERRUPTED ? 100 + last_signal : 0);
    }
    if (!CHECK(child > 0 && waitpid(child, &how, 0) == child))
        return 0;
    return WIFSIGNALED(how) ? -WTERMSIG(how) : WEXITSTATUS(how);
}

static void test_signals(void)
{
    CHECK_EQ_I64(send(SIGINT, 0, true), 100 + SIGINT);
    CHECK_EQ_I64(send(SIGTERM, 0, true), 100 + SIGTERM);
    CHECK_EQ_I64(send(SIGTERM, SIGTERM, true), -SIGTERM);
    CHECK_EQ_I64(send(SIGTERM, SIGINT, true), -SIGINT);
    CHECK_EQ_I64(send(SIGINT, SIGTERM, true), -SIGTERM);
    CHECK_EQ_I64(send(SIGUSR1, 0, true), 0);
    CHECK_EQ_I64(send(SIGUSR1, SIGINT, true), 100 + SIGINT);
    CHECK_EQ_I64(send(SIGINT, 0, false), -SIGINT);
    CHECK_EQ_I64(send(SIGTERM, 0, false), -SIGTERM);
    CHECK_EQ_I64(send(SIGUSR1, 0, false), -SIGUSR1);
}

/* SIGUSR1 writes a checkpoint that was not due, and the training goes on from there, or to its end. */
static void test_saving(void)
{
    mr_trainer_opts opts = { .max_epochs = 3, .log_every_n_steps = 1, .checkpoint_every = "1000ba" };
    opts.handle_signals = true;
    CHECK_EQ_I64(fit("saved_whole", NULL, &opts, 0, false), MR_OK);
    pause_us = 10000;
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        kill_by = SIGUSR1;
        kill_after = 4;
        second_signal = -20; /* and killed so many steps later */
        _exit(fit("saved", "last", &opts, 0, false));
    }
    CHECK(child > 0 && waitpid(child, NULL, 0) == child);
    pause_us = 200;
    CHECK_EQ_I64(count_entries(in_folder("saved/version_0/checkpoints")), 1);
    CHECK(file_exists(in_folder("saved/version_0/checkpoints/epoch=0-step=3.safetensors")));
    CHECK_EQ_I64(fit("saved", "last", &opts, 0, false), MR_OK);
    CHECK(same("saved_whole", "saved"));
}

static mr_status inner_status;

static mr_tensor *fit_within(mr_step *s, const mr_batch *b)
{
    static const mr_trainer_opts opts = { .max_epochs = 1, .handle_signals = true };
    static bool within;
    if (!within) {
        within = true;
        inner_status = fit("inner", NULL, &opts, 0, false);
    }
    return training_step(s, b);
}

/* Handlers belong to the process. */
static void test_two_fits(void)
{
    static const mr_task_vtable vtable = { .training_step = fit_within, .configure_optimizers = optimizers };
    mr_rng *rng = mr_rng_new(1);
    mr_dataset *data = mr_dataset_new(&data_vtable, NULL, 0, fields, 2);
    mr_loader *train = mr_loader_new(data, rng, &(mr_loader_opts){ .batch_size = 25 });
    mr_module *model = model_new(rng);
    own o = { .rng = rng };
    mr_task *task = mr_task_new(&vtable, model, &o, sizeof o);
    mr_trainer *t = mr_trainer_new(&(mr_trainer_opts){
        .max_epochs = 1, .handle_signals = true, .no_progress = true, .no_summary = true });
    CHECK_EQ_I64(mr_trainer_fit(t, task, train), MR_OK);
    CHECK_EQ_I64(inner_status, MR_ERR_STATE);
    CHECK_EQ_STR(mr_error(), "fit: another fit handles signals already");
    mr_trainer_free(t);
    mr_task_free(task);
    mr_module_free(model);
    mr_loader_free(train);
    mr_dataset_free(data);
    mr_rng_free(rng);
}

/* ---- what does not fit ---- */

static void expect(const char *text)
{
    const char *end = strstr(mr_error(), "safetensors': ");
    CHECK_EQ_STR(end ? end + strlen("safetensors': ") : mr_error(), text);
}

static void test_failures(void)
{
    mr_trainer_opts opts = { .max_epochs = 4, .checkpoint_every = "1ep" };
    pause_us = 10000;
    kill_by = SIGKILL;
    CHECK(!fit_in_child("failures", &opts, 9 + 4 + 9 + 4 + 9 + 2, 0)); /* nearly three epochs */
    pause_us = 200;
    opts.max_epochs = 1;
    CHECK_EQ_I64(fit("failures", "last", &opts, 0, false), MR_ERR_ARGUMENT);
    expect("it has made 2 epochs, more than max_epochs, 1");
    opts.max_epochs = 4;
    CHECK_EQ_I64(fit("failures", "last", &opts, 0, true), MR_ERR_ARGUMENT);
    expect("its generators are those of [[\"loader\",\"val_loader\"],[\"val_loader.generator\"],[\"task\"]], "
           "here of "
           "[[\"loader\",\"val_loader\",\"task\"],[\"val_loader.generator\"]]");
    CHECK_EQ_I64(fit("failures", "last", &opts, 0, false), MR_OK);
    mr_trainer *t = mr_trainer_new(&(mr_trainer_opts){ .checkpoint_every = "7" });
    CHECK(!t);
    CHECK_EQ_STR(mr_error(),
                 "trainer_new: checkpoint_every '7' does not end with a unit, ep, ba, sp, s or dur");
}

static void test_generators(void)
{
    mr_rng *rng = mr_rng_new(1);
    mr_trainer *t = mr_trainer_new(NULL);
    static const char *const wrong[] = { "", "a b", "a\"", "ä", "loader", "val_loader" };
    CHECK_EQ_I64(mr_trainer_add_rng(NULL, "a", rng), MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(), "trainer_add_rng: trainer is NULL");
    CHECK_EQ_I64(mr_trainer_add_rng(t, NULL, rng), MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(), "trainer_add_rng: name is NULL");
    CHECK_EQ_I64(mr_trainer_add_rng(t, "a", NULL), MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(), "trainer_add_rng: rng is NULL");
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char text[100];
        CHECK_EQ_I64(mr_trainer_add_rng(t, wrong[i], rng), MR_ERR_ARGUMENT);
        snprintf(text, sizeof text, "trainer_add_rng: '%s' is no name of letters and digits of its own",
                 wrong[i]);
        CHECK_EQ_STR(mr_error(), text);
    }
    CHECK_EQ_I64(mr_trainer_add_rng(t, "a", rng), MR_OK);
    CHECK_EQ_I64(mr_trainer_add_rng(t, "a", rng), MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(), "trainer_add_rng: 'a' has been added before");
    for (int i = 0; i < 27; i++) {
        char name[8];
        snprintf(name, sizeof name, "r%d", i);
        CHECK_EQ_I64(mr_trainer_add_rng(t, name, rng), MR_OK);
    }
    CHECK_EQ_I64(mr_trainer_add_rng(t, "more", rng), MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(), "trainer_add_rng: 'more' is one more than the 28 that a trainer can have");
    mr_trainer_free(t);
    mr_rng_free(rng);
}

int main(void)
{
    if (!files_begin())
        return 1;
    RUN(test_longer);
    RUN(test_every_step);
    RUN(test_killed);
    RUN(test_interrupted);
    RUN(test_signals);
    RUN(test_saving);
    RUN(test_two_fits);
    RUN(test_failures);
    RUN(test_generators);
    return files_report();
}

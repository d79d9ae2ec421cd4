/* A training that has all that a training can have: batches that are accumulated and left out, validation by a
 * shuffling loader with a generator of its own, a schedule that looks at its metric, dropout, a parameter that has no
 * gradient any more, a state and a generator of the task's, columns that come late. Processes are killed at random steps,
 * in training and in validation, and the next one goes on; what is there in the end is compared byte by byte. */
#ifndef RESUME_H
#define RESUME_H

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
static void (*add_callbacks)(mr_trainer *trainer);
static mr_status (*fit_on)(mr_trainer *trainer, mr_task *task, mr_loader *train, mr_dataset *data,
                           mr_rng *rng);
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
    mr_tensor *loss = mr_mse_loss(s->tape, mr_forward(s->model, s->tape, b->field[0]), b->field[1], NULL);
    mr_log(s, "val_loss", loss, NULL);
    mr_log(s, "val", loss, &(mr_log_opts){ .on_step = true });
    if (s->batch_index % 2)
        mr_log(s, "val odd", loss, &(mr_log_opts){ .on_step = true, .no_epoch = true });
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

static const mr_task_vtable *task_kind = &task_vtable; /* what a test fits in its place */

static inline mr_module *model_new(mr_rng *rng)
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
static inline mr_status fit(const char *name, const char *resume, const mr_trainer_opts *given, int workers,
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
    mr_task *task = mr_task_new(task_kind, model, &o, sizeof o);
    mr_trainer_opts opts = *given;
    opts.csv = files_folder;
    opts.name = name;
    opts.no_progress = opts.no_summary = true;
    opts.resume = resume;
    mr_trainer *t = mr_trainer_new(&opts);
    (void)mr_trainer_set_val_loader(t, val);
    (void)mr_trainer_add_rng(t, "task", of_task);
    if (add_callbacks)
        add_callbacks(t);
    mr_status status = fit_on ? fit_on(t, task, train, data, rng) : mr_trainer_fit(t, task, train);
    if (status < 0 && add_callbacks)
        printf("    %s\n", mr_error());
    if (status == MR_OK) { /* what callbacks have made of it counts, too */
        char path[200];
        snprintf(path, sizeof path, "%s/%s/model.safetensors", files_folder, name);
        CHECK_EQ_I64(mr_module_save(model, path), MR_OK);
    }
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
static inline bool fit_in_child(const char *name, const mr_trainer_opts *opts, int after, int workers)
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
static inline bool same(const char *a, const char *b)
{
    char command[1100];
    snprintf(command, sizeof command, "diff -rq '%s/%s' '%s/%s'", files_folder, a, files_folder, b);
    return system(command) == 0;
}

static inline unsigned random_below(unsigned count)
{
    static unsigned state = 12345;
    state = state * 1103515245u + 12345u;
    return (state >> 16) % count;
}

/* Whole, and killed until it is done. */
static inline void check_killed(const char *name, const mr_trainer_opts *opts, int rounds)
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

/* Interrupted by one signal after the other, in training and in validation, until it comes to its end. */
static inline void check_interrupted(const char *name, mr_trainer_opts opts, int most)
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
    kill_by = SIGKILL;
    CHECK_EQ_I64(status, MR_OK);
    CHECK(times > 5);
    CHECK(same(whole, name));
}

#endif

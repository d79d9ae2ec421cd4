/* Trainings that end at, or beside, the end of an epoch, by a limit of steps or of batches, by a callback or where a
 * hook leaves the epoch, and go on from there: as if they had not ended. */
#include "resume.h"

/* ---- kinds of trainings ---- */

static mr_schedule *exponential(void *self, mr_optim *optim)
{
    (void)self;
    return mr_exponential_lr_new(optim, 0.8);
}

static mr_task_vtable kind_of(bool each_step)
{
    mr_task_vtable kind = task_vtable;
    kind.configure_schedule = exponential;
    kind.schedule_each_step = each_step;
    kind.schedule_monitor = NULL;
    return kind;
}

static mr_status leave_early(void *self, mr_step *s)
{
    (void)self;
    return s->batch_index == 5 - s->epoch ? MR_END : MR_OK;
}

static mr_callback *leaving(void)
{
    return mr_lambda_callback_new(&(mr_callback_vtable){ .on_train_batch_start = leave_early }, NULL);
}

static void add_leaving(mr_trainer *t)
{
    (void)mr_trainer_add_callback(t, leaving());
}

static void add_many(mr_trainer *t)
{
    (void)mr_trainer_add_callback(t, mr_ema_new(&(mr_ema_opts){ .decay = 0.9 }));
    (void)mr_trainer_add_callback(
        t,
        mr_early_stopping_new("val_loss", &(mr_early_stopping_opts){ .patience = 50, .restore_best = true }));
    (void)mr_trainer_add_callback(t, mr_lr_monitor_new(NULL));
}

static void add_swa(mr_trainer *t)
{
    (void)mr_trainer_add_callback(
        t, mr_swa_new(0.01, &(mr_swa_opts){ .start = "1ep", .annealing_epochs = 2, .not_at_end = true }));
}

/* The data as a stream, of which nobody knows where it ends. */
static void *stream_open(void *self, int64_t shard, int64_t shards)
{
    int64_t *at = mr_alloc(sizeof *at);
    (void)self;
    (void)shards;
    if (at)
        *at = shard ? SAMPLES : 0;
    return at;
}

static mr_status stream_next(void *cursor, const mr_sample *sample)
{
    int64_t *at = cursor;
    return *at < SAMPLES ? data_get(NULL, (*at)++, sample) : MR_END;
}

static mr_status fit_stream(mr_trainer *t, mr_task *task, mr_loader *train, mr_dataset *data, mr_rng *rng)
{
    static const mr_stream_vtable vtable = { .open = stream_open, .next = stream_next, .close = mr_free };
    (void)train;
    (void)data;
    mr_dataset *stream = mr_stream_new(&vtable, NULL, 0, fields, 2);
    mr_loader *loader = mr_loader_new(stream, rng, &(mr_loader_opts){ .batch_size = 6 });
    CHECK_EQ_I64(mr_loader_len(loader), -1);
    mr_status status = mr_trainer_fit(t, task, loader);
    mr_loader_free(loader);
    mr_dataset_free(stream);
    return status;
}

static mr_status fit_two(mr_trainer *t, mr_task *task, mr_loader *train, mr_dataset *data, mr_rng *rng)
{
    mr_loader *second = mr_loader_new(data, rng, &(mr_loader_opts){ .batch_size = 15, .shuffle = true });
    mr_status status =
        mr_trainer_fit_loaders(t, task, (mr_loader *[]){ train, second }, 2, MR_LOADERS_SEQUENTIAL);
    mr_loader_free(second);
    return status;
}

/* ---- a limit of steps, at every step ---- */

enum { MOST_STEPS = 20 };

/* Ended after each number of steps, and gone on with: some once, and one each time. */
static void check_every_end(const char *name, const mr_trainer_opts *given)
{
    char whole[60], part[60], stepwise[60];
    mr_trainer_opts opts = *given;
    opts.log_every_n_steps = 1;
    opts.max_epochs = 2;
    snprintf(whole, sizeof whole, "%s_whole", name);
    snprintf(stepwise, sizeof stepwise, "%s_stepwise", name);
    CHECK_EQ_I64(fit(whole, NULL, &opts, 0, false), MR_OK);
    for (int i = 1; i < MOST_STEPS; i++) {
        opts.max_steps = i;
        CHECK_EQ_I64(fit(stepwise, "last", &opts, 0, false), MR_OK);
        if (i % 8)
            continue;
        CHECK_EQ_I64(fit(stepwise, "last", &opts, 0, false), MR_OK); /* nothing to do */
        snprintf(part, sizeof part, "%s_%d", name, i);
        CHECK_EQ_I64(fit(part, NULL, &opts, 0, false), MR_OK);
        opts.max_steps = 0;
        CHECK_EQ_I64(fit(part, "last", &opts, 0, false), MR_OK);
        if (!CHECK(same(whole, part)))
            printf("    %s\n", part);
    }
    opts.max_steps = 0;
    CHECK_EQ_I64(fit(stepwise, "last", &opts, 0, false), MR_OK);
    CHECK(same(whole, stepwise));
}

static void test_limit_of_steps(void)
{
    mr_trainer_opts opts = { 0 };
    mr_task_vtable by_epoch = kind_of(false), by_step = kind_of(true);
    pause_us = 0;
    check_every_end("plain", &opts);
    task_kind = &by_epoch;
    opts.accumulate_grad_batches = 2;
    check_every_end("accumulated", &opts);
    opts.limit_train_batches = 5;
    check_every_end("limited", &opts);
    opts.val_check_interval = "5ba";
    task_kind = &by_step;
    check_every_end("limited_interval", &opts);
    opts = (mr_trainer_opts){ .val_check_interval = "0.34ep" };
    check_every_end("interval", &opts);
    opts = (mr_trainer_opts){ .check_val_every_n_epoch = 2, .checkpoint_every = "4ba" };
    check_every_end("seldom", &opts);
    task_kind = &task_vtable;
    pause_us = 200;
}

static void test_of_many_parts(void)
{
    mr_trainer_opts opts = { 0 };
    mr_task_vtable by_epoch = kind_of(false);
    task_kind = &by_epoch;
    pause_us = 0;
    add_callbacks = add_leaving;
    check_every_end("left", &opts);
    opts.accumulate_grad_batches = 4;
    check_every_end("left_accumulated", &opts);
    opts.accumulate_grad_batches = 0;
    add_callbacks = add_many;
    check_every_end("many", &opts);
    add_callbacks = add_swa;
    check_every_end("swa", &opts);
    add_callbacks = NULL;
    fit_on = fit_stream;
    check_every_end("stream", &opts);
    opts.limit_train_batches = 4;
    check_every_end("stream_limited", &opts);
    opts.limit_train_batches = 0;
    fit_on = fit_two;
    check_every_end("two", &opts);
    fit_on = NULL;
    task_kind = &task_vtable;
    pause_us = 200;
}

/* ---- a callback that asks for the end ---- */

static const char *stop_in; /* a hook, */
static int64_t stop_epoch;  /* and from which epoch on */
static bool stop_last;      /* only behind the last batch of an epoch */

static mr_status maybe_stop(void *self, mr_step *s)
{
    if (strcmp(self, stop_in) == 0 && s->epoch >= stop_epoch && (!stop_last || s->batch_index == 8))
        mr_trainer_stop(s->trainer);
    return MR_OK;
}

static char epoch_end[] = "epoch_end", batch_end[] = "batch_end", val_end[] = "val_end",
            metrics[] = "metrics";

static void add_stopping(mr_trainer *t)
{
    (void)mr_trainer_add_callback(
        t, mr_lambda_callback_new(&(mr_callback_vtable){ .on_train_epoch_end = maybe_stop }, epoch_end));
    (void)mr_trainer_add_callback(
        t, mr_lambda_callback_new(&(mr_callback_vtable){ .on_train_batch_end = maybe_stop }, batch_end));
    (void)mr_trainer_add_callback(
        t, mr_lambda_callback_new(&(mr_callback_vtable){ .on_validation_end = maybe_stop }, val_end));
    (void)mr_trainer_add_callback(
        t, mr_lambda_callback_new(&(mr_callback_vtable){ .on_metrics = maybe_stop }, metrics));
    (void)mr_trainer_add_callback(t, mr_ema_new(&(mr_ema_opts){ .decay = 0.9 }));
}

/* One that has ended so is the same when it was killed meanwhile, and stays as it is, whatever the limit. */
static void check_stopped(const char *name, const char *in, mr_trainer_opts opts)
{
    char folder[60], command[600];
    stop_in = in;
    check_killed(name, &opts, 1);
    snprintf(folder, sizeof folder, "%s_0", name);
    snprintf(command, sizeof command, "cp -r '%s/%s' '%s/%s_before'", files_folder, folder, files_folder,
             name);
    CHECK(system(command) == 0);
    opts.max_epochs++;
    CHECK_EQ_I64(fit(folder, "last", &opts, 0, false), MR_OK);
    snprintf(command, sizeof command, "%s_before", name);
    CHECK(same(folder, command));
}

static void test_stopped(void)
{
    const mr_trainer_opts opts = { .max_epochs = EPOCHS, .log_every_n_steps = 1, .checkpoint_every = "1ba" };
    mr_trainer_opts later = opts, windows = opts;
    later.min_epochs = 4;
    windows.accumulate_grad_batches = 4;
    windows.val_check_interval = "9ba";
    add_callbacks = add_stopping;
    stop_epoch = 2;
    check_stopped("stop_epoch", epoch_end, opts);
    check_stopped("stop_epoch_later", epoch_end, later);
    check_stopped("stop_metrics", metrics, opts);
    check_stopped("stop_validation", val_end, windows);
    stop_last = true;
    check_stopped("stop_last", batch_end, opts);
    check_stopped("stop_last_windows", batch_end, windows);
    check_stopped("stop_last_later", batch_end, later);
    stop_last = false;
    add_callbacks = NULL;
}

/* ---- a signal that comes in a hook ---- */

static int signal_in; /* after so many hooks; 0: never */

static mr_status maybe_signal(void *self, mr_step *s)
{
    (void)self;
    (void)s;
    if (signal_in && --signal_in == 0)
        raise(SIGTERM);
    return MR_OK;
}

static void add_signals(mr_trainer *t)
{
    const mr_callback_vtable hooks = { .on_train_start = maybe_signal,
                                       .on_train_epoch_start = maybe_signal,
                                       .on_train_epoch_end = maybe_signal,
                                       .on_validation_start = maybe_signal,
                                       .on_validation_end = maybe_signal,
                                       .on_metrics = maybe_signal,
                                       .on_train_end = maybe_signal };
    (void)mr_trainer_add_callback(t, mr_lambda_callback_new(&hooks, NULL));
    (void)mr_trainer_add_callback(t, mr_ema_new(&(mr_ema_opts){ .decay = 0.9 }));
    (void)mr_trainer_add_callback(t, mr_lambda_callback_new(&hooks, NULL));
}

/* In each hook around an end of an epoch: what goes on from there is the same. */
static void check_signals(const char *name, mr_trainer_opts opts)
{
    char whole[60], part[60];
    mr_status status = MR_INTERRUPTED;
    opts.log_every_n_steps = 1;
    opts.max_epochs = 2;
    opts.handle_signals = true;
    snprintf(whole, sizeof whole, "%s_whole", name);
    CHECK_EQ_I64(fit(whole, NULL, &opts, 0, false), MR_OK);
    for (int i = 1; status == MR_INTERRUPTED; i++) {
        snprintf(part, sizeof part, "%s_%d", name, i);
        signal_in = i;
        status = fit(part, NULL, &opts, 0, false);
        signal_in = 0;
        CHECK_EQ_I64(fit(part, "last", &opts, 0, false), MR_OK);
        if (!CHECK(same(whole, part)))
            printf("    %s\n", part);
    }
    CHECK_EQ_I64(status, MR_OK);
}

static void test_signals(void)
{
    mr_trainer_opts opts = { 0 };
    pause_us = 0;
    add_callbacks = add_signals;
    check_signals("signal", opts);
    opts.accumulate_grad_batches = 4;
    opts.val_check_interval = "0.5ep";
    check_signals("signal_windows", opts);
    opts = (mr_trainer_opts){ .max_steps = 8, .limit_train_batches = 5, .num_sanity_val_steps = 1 };
    check_signals("signal_steps", opts);
    add_callbacks = NULL;
    pause_us = 200;
}

/* ---- when the time is over ---- */

static int trained, validated;
static bool interrupts;

static mr_status count_batch(void *self, mr_step *s)
{
    (void)self;
    (void)s;
    trained++;
    return MR_OK;
}

static mr_status count_validation(void *self, mr_step *s)
{
    (void)self;
    (void)s;
    validated++;
    if (interrupts)
        raise(SIGTERM);
    return MR_OK;
}

static void add_counts(mr_trainer *t)
{
    (void)mr_trainer_add_callback(
        t, mr_lambda_callback_new(&(mr_callback_vtable){ .on_train_batch_start = count_batch,
                                                         .on_validation_start = count_validation },
                                  NULL));
}

/* The validation that ends it, within an epoch or behind one, is broken off: it is done again, and nothing else. */
static void test_interrupted_when_time_is_over(void)
{
    const long pause_before = pause_us;
    add_callbacks = add_counts;
    for (int batches = 0; batches <= 1; batches++) {
        const char *name = batches ? "time_behind" : "time_within";
        mr_trainer_opts opts = {
            .max_epochs = 50, .max_time = "0.05s", .limit_train_batches = batches, .handle_signals = true
        };
        pause_us = batches ? 400000 : 100000;
        trained = validated = 0;
        interrupts = true;
        CHECK_EQ_I64(fit(name, NULL, &opts, 0, false), MR_INTERRUPTED);
        CHECK_EQ_I64(validated, 1);
        CHECK(batches ? trained == 1 : trained > 0 && trained < 9);
        pause_us = 0;
        trained = validated = 0;
        interrupts = false;
        CHECK_EQ_I64(fit(name, "last", &opts, 0, false), MR_OK);
        CHECK_EQ_I64(trained, 0);
        CHECK_EQ_I64(validated, 1);
        CHECK_EQ_I64(fit(name, "last", &opts, 0, false), MR_OK); /* nothing to do */
        CHECK_EQ_I64(trained, 0);
        opts.max_time = "1000s";
        opts.max_epochs = 2;
        CHECK_EQ_I64(fit(name, "last", &opts, 0, false), MR_OK); /* there is time again */
        CHECK(trained > 0);
    }
    pause_us = pause_before;
    add_callbacks = NULL;
}

int main(void)
{
    if (!files_begin_in_memory())
        return 1;
    RUN(test_limit_of_steps);
    RUN(test_of_many_parts);
    RUN(test_stopped);
    RUN(test_signals);
    RUN(test_interrupted_when_time_is_over);
    return files_report();
}

/* Loggers of one's own: what they are called with, when and on which thread; what becomes of their failures; folders. */
#include "check.h"
#include "files.h"
#include "fit.h"

#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stdatomic.h>

/* ---- a logger that writes down how it is called ---- */

enum { OPEN, ROW, FLUSH, SYNC, TELL, CLOSE, DESTROY, CALLS };

static const char *const call_names[] = { "open", "row", "flush", "sync", "tell", "close", "destroy" };

static struct {
    int count[CALLS];
    char story[8192]; /* open, rows, sync and close, in words */
    pthread_t thread; /* that has opened it */
    bool one_thread;
    int fails; /* which call; -1: none */
    bool wordless;
    int64_t rows_at_sync;
    char position[40], opened_at[40];
    atomic_int wait_for; /* steps, in sync */
} saw;

static atomic_int steps;

static mr_status called(int call)
{
    if (call == OPEN) {
        saw.thread = pthread_self();
        saw.one_thread = true;
    }
    saw.one_thread = saw.one_thread && pthread_equal(saw.thread, pthread_self());
    saw.count[call]++;
    if (saw.fails != call)
        return MR_OK;
    return saw.wordless ? MR_ERR_IO : mr_fail(MR_ERR_MISSING, "%s has failed", call_names[call]);
}

static void tell_story(const char *format, ...)
{
    va_list args;
    size_t used = strlen(saw.story);
    va_start(args, format);
    vsnprintf(saw.story + used, sizeof saw.story - used, format, args);
    va_end(args);
}

static mr_status on_open(void *self, const mr_log_run *run)
{
    CHECK_EQ_I64(*(int *)self, 17);
    tell_story("open %s %s v%lld", run->name, run->dir ? strrchr(run->dir, '/') + 1 : "nowhere",
               (long long)run->version);
    for (size_t i = 0; i < run->hparam_count; i++)
        tell_story(" %s", run->hparams[i].name);
    tell_story("%s%s", run->resumed ? " resumed" : "", run->again ? " again" : "");
    if (run->position)
        tell_story(" at %.*s", (int)run->position_bytes, (const char *)run->position);
    tell_story("\n");
    return called(OPEN);
}

static mr_status on_row(void *self, const mr_log_row *row)
{
    static const char *const kinds[] = { "step", "val", "epoch" };
    (void)self;
    tell_story("%s %lld %lld", kinds[row->kind], (long long)row->epoch, (long long)row->step);
    for (size_t i = 0; i < row->count; i++)
        tell_story(" %s=%g", row->names[i], row->values[i]);
    tell_story("\n");
    return called(ROW);
}

static mr_status on_flush(void *self)
{
    (void)self;
    return called(FLUSH);
}

static mr_status on_sync(void *self)
{
    (void)self;
    saw.rows_at_sync = saw.count[ROW];
    while (atomic_load(&saw.wait_for) > atomic_load(&steps))
        sched_yield();
    return called(SYNC);
}

static mr_status on_tell(void *self, const void **position, size_t *bytes)
{
    (void)self;
    *bytes = (size_t)snprintf(saw.position, sizeof saw.position, "row %d", saw.count[ROW]);
    *position = saw.position;
    return called(TELL);
}

static mr_status on_close(void *self)
{
    (void)self;
    tell_story("close\n");
    return called(CLOSE);
}

static void on_destroy(void *self)
{
    CHECK_EQ_I64(*(int *)self, 17);
    saw.count[DESTROY]++;
}

static const mr_logger_vtable spy_vtable = { .name = "spy",
                                             .open = on_open,
                                             .row = on_row,
                                             .flush = on_flush,
                                             .sync = on_sync,
                                             .tell = on_tell,
                                             .close = on_close,
                                             .destroy = on_destroy };

static mr_logger *spy_new(void)
{
    const int seventeen = 17;
    memset(&saw, 0, sizeof saw);
    saw.fails = -1;
    atomic_store(&steps, 0);
    return mr_logger_new(&spy_vtable, &seventeen, sizeof seventeen);
}

/* ---- trainings ---- */

static mr_tensor *log_step(mr_step *s, const mr_batch *b, mr_tensor *loss)
{
    (void)b;
    atomic_fetch_add(&steps, 1);
    mr_log_value(s, "a", (double)s->global_step, &(mr_log_opts){ .on_epoch = true });
    return loss;
}

static mr_status validate(mr_step *s, const mr_batch *b)
{
    (void)b;
    mr_log_value(s, "v", 0.5, NULL);
    return MR_OK;
}

static const mr_task_vtable with_validation = { .training_step = fit_step,
                                                .configure_optimizers = fit_optimizers,
                                                .validation_step = validate };

/* A fit of 12 samples in batches of four, with validation. */
static mr_status train(mr_trainer *t)
{
    fit f = fit_new(12);
    mr_loader *val = mr_loader_new(f.data, f.rng, &(mr_loader_opts){ .batch_size = 12 });
    mr_task *task = mr_task_new(&with_validation, f.model, NULL, 0);
    hook.step = log_step;
    (void)mr_trainer_set_val_loader(t, val);
    mr_status status = mr_trainer_fit(t, task, f.loader);
    mr_task_free(task);
    mr_loader_free(val);
    fit_free(&f);
    return status;
}

static mr_trainer *trainer_new(mr_trainer_opts opts, mr_logger *logger)
{
    opts.name = opts.name ? opts.name : "net";
    opts.log_every_n_steps = opts.log_every_n_steps ? opts.log_every_n_steps : 2;
    opts.no_progress = opts.no_summary = true;
    mr_trainer *t = mr_trainer_new(&opts);
    CHECK_EQ_I64(mr_trainer_add_logger(t, logger), MR_OK);
    return t;
}

static void test_story(void)
{
    mr_trainer *t = trainer_new((mr_trainer_opts){ .max_epochs = 2 }, spy_new());
    CHECK_EQ_I64(mr_trainer_set_hparam(t, "lr", 0.1), MR_OK);
    CHECK_EQ_I64(mr_trainer_set_hparam_text(t, "adam", "no"), MR_OK);
    CHECK_EQ_I64(train(t), MR_OK);
    CHECK_EQ_STR(saw.story, "open net nowhere v-1 adam lr\n"
                            "step 0 1 a_step=1\n"
                            "val 0 2 v=0.5\n"
                            "epoch 0 2 a_epoch=1\n"
                            "step 1 3 a_step=3\n"
                            "step 1 5 a_step=5\n"
                            "val 1 5 v=0.5\n"
                            "epoch 1 5 a_epoch=4\n"
                            "close\n");
    CHECK(saw.one_thread && !pthread_equal(saw.thread, pthread_self()));
    CHECK(saw.count[FLUSH] >= 1);
    CHECK_EQ_I64(saw.count[SYNC], 0); /* without a folder there are no checkpoints */
    CHECK_EQ_I64(saw.count[TELL], 1); /* for tests that follow */
    CHECK_EQ_I64(saw.count[DESTROY], 0);
    *saw.story = '\0';
    CHECK_EQ_I64(train(t), MR_OK); /* the same logger for the next fit */
    CHECK_EQ_I64(saw.count[OPEN], 2);
    CHECK_EQ_I64(saw.count[CLOSE], 2);
    mr_trainer_free(t);
    CHECK_EQ_I64(saw.count[DESTROY], 1);
}

/* Only what is in its table is called. */
static void test_least(void)
{
    static const mr_logger_vtable least = { .name = "least_1", .row = on_row };
    mr_trainer *t = trainer_new((mr_trainer_opts){ .max_epochs = 1, .csv = files_folder, .name = "least" },
                                mr_logger_new(&least, NULL, 0));
    memset(&saw, 0, sizeof saw);
    saw.fails = -1;
    CHECK_EQ_I64(train(t), MR_OK);
    CHECK_EQ_I64(saw.count[ROW], 3);
    mr_trainer_free(t);
}

/* ---- folders, and going on ---- */

static void test_folder(void)
{
    mr_trainer_opts opts = { .max_epochs = 1, .save_dir = files_folder, .name = "folder" };
    mr_trainer *t = trainer_new(opts, spy_new());
    CHECK_EQ_I64(train(t), MR_OK);
    CHECK(strncmp(saw.story, "open folder version_0 v0\n", 25) == 0);
    CHECK(saw.count[SYNC] > 0 && saw.count[TELL] == saw.count[SYNC] + 1);
    CHECK_EQ_STR(mr_trainer_log_dir(t), in_folder("folder/version_0"));
    CHECK_EQ_STR(mr_trainer_metrics_path(t), "");
    CHECK(!file_exists(in_folder("folder/version_0/metrics.csv")));
    CHECK_EQ_STR(file_contents(in_folder("folder/version_0/hparams.yaml"), NULL), "{}\n");
    CHECK(file_exists(mr_trainer_checkpoint_path(t)));
    mr_trainer_free(t);

    opts.max_epochs = 2;
    opts.resume = "last";
    t = trainer_new(opts, spy_new());
    CHECK_EQ_I64(mr_trainer_set_hparam(t, "lr", 0.1), MR_OK); /* too late for hparams.yaml */
    CHECK_EQ_I64(train(t), MR_OK);
    CHECK(strncmp(saw.story, "open folder version_0 v0 lr resumed at row 3\nstep 1 3", 53) == 0);
    CHECK_EQ_STR(file_contents(in_folder("folder/version_0/hparams.yaml"), NULL), "{}\n");
    CHECK_EQ_I64(train(t), MR_OK); /* nothing to do, and nobody is asked */
    CHECK_EQ_I64(saw.count[OPEN], 1);
    mr_trainer_free(t);

    opts.max_epochs = 3;
    opts.csv = opts.save_dir; /* a logger that was not there */
    opts.save_dir = NULL;
    t = trainer_new(opts, spy_new());
    CHECK_EQ_I64(train(t), MR_OK);
    CHECK_EQ_STR(file_contents(in_folder("folder/version_0/metrics.csv"), NULL),
                 "a_step,epoch,step,v,a_epoch\r\n7.0,2,7,,\r\n,2,8,0.5,\r\n,2,8,,7.0\r\n");
    mr_trainer_free(t);
}

static const char *checkpoint_of(const char *folder)
{
    static char path[600];
    snprintf(path, sizeof path, "%s/copy.safetensors", folder);
    return path;
}

/* Began in a folder without a checkpoint; and a checkpoint without a folder, which begins a new one. */
static void test_again(void)
{
    mr_trainer_opts opts = { .max_epochs = 1, .save_dir = files_folder, .name = "again", .resume = "last" };
    CHECK(mkdir(in_folder("again"), 0777) == 0 && mkdir(in_folder("again/version_0"), 0777) == 0);
    mr_trainer *t = trainer_new(opts, spy_new());
    CHECK_EQ_I64(mr_trainer_set_hparam_int(t, "n", -3), MR_OK);
    CHECK_EQ_I64(train(t), MR_OK);
    CHECK(strncmp(saw.story, "open again version_0 v0 n again\n", 32) == 0);
    CHECK_EQ_STR(file_contents(in_folder("again/version_0/hparams.yaml"), NULL), "n: -3\n");
    CHECK(rename(mr_trainer_checkpoint_path(t), checkpoint_of(files_folder)) == 0);
    mr_trainer_free(t);

    opts.max_epochs = 2;
    opts.resume = checkpoint_of(files_folder);
    t = trainer_new(opts, spy_new());
    CHECK_EQ_I64(mr_trainer_set_hparam_bool(t, "b", true), MR_OK);
    CHECK_EQ_I64(train(t), MR_OK);
    CHECK(strncmp(saw.story, "open again version_1 v1 b resumed\nstep 1", 40) == 0);
    CHECK_EQ_STR(file_contents(in_folder("again/version_1/hparams.yaml"), NULL), "b: true\n");
    mr_trainer_free(t);
}

static void test_fast_dev_run(void)
{
    mr_trainer *t =
        trainer_new((mr_trainer_opts){ .fast_dev_run = 2, .csv = files_folder, .name = "fast" }, spy_new());
    CHECK_EQ_I64(train(t), MR_OK);
    CHECK_EQ_I64(saw.count[OPEN] + saw.count[ROW], 0);
    CHECK(!file_exists(in_folder("fast")));
    mr_trainer_free(t);
}

/* A training that ends within an epoch: its last checkpoint says that all is done, so all rows are on the disk before. */
static void test_last_rows(void)
{
    mr_trainer *t = trainer_new(
        (mr_trainer_opts){ .max_steps = 2, .log_every_n_steps = 1, .save_dir = files_folder, .name = "rows" },
        spy_new());
    CHECK_EQ_I64(train(t), MR_OK);
    CHECK_EQ_I64(saw.count[ROW], 3); /* two steps, and the epoch */
    CHECK_EQ_I64(saw.rows_at_sync, 3);
    CHECK_EQ_STR(saw.position, "row 3");
    mr_trainer_free(t);
    t = trainer_new((mr_trainer_opts){ .max_epochs = 1,
                                       .log_every_n_steps = 1,
                                       .save_dir = files_folder,
                                       .name = "rows",
                                       .resume = "last" },
                    spy_new());
    CHECK_EQ_I64(train(t), MR_OK);
    CHECK(strncmp(saw.story, "open rows version_0 v0 resumed at row 2\n", 40) == 0);
    mr_trainer_free(t);
}

/* While a logger waits for the disk, the training goes on: more rows than fit into blocks that were ever used. */
static void test_slow_disk(void)
{
    enum { ROWS = 12000 };
    mr_trainer *t = trainer_new((mr_trainer_opts){ .max_steps = ROWS + 2000,
                                                   .log_every_n_steps = 1,
                                                   .save_dir = files_folder,
                                                   .name = "slow",
                                                   .checkpoint_every = "1ep" },
                                spy_new());
    atomic_store(&saw.wait_for, ROWS);
    CHECK_EQ_I64(train(t), MR_OK);
    CHECK(saw.count[ROW] > ROWS + 2000);
    mr_trainer_free(t);
}

/* ---- failures ---- */

static void test_failures(void)
{
    static const char *const names[] = { "with words", "without" };
    for (int wordless = 0; wordless < 2; wordless++)
        for (int call = OPEN; call < DESTROY; call++) {
            char wanted[100], folder[100];
            snprintf(folder, sizeof folder, "%s_%s", names[wordless], call_names[call]);
            mr_trainer *t = trainer_new(
                (mr_trainer_opts){ .max_epochs = -1, .csv = files_folder, .name = folder }, spy_new());
            saw.fails = call;
            saw.wordless = wordless;
            if (call == CLOSE) { /* of a training that ends */
                mr_trainer_free(t);
                t = trainer_new((mr_trainer_opts){ .max_epochs = 1, .csv = files_folder, .name = folder },
                                spy_new());
                saw.fails = call;
                saw.wordless = wordless;
            }
            CHECK_EQ_I64(train(t), wordless ? MR_ERR_IO : MR_ERR_MISSING);
            snprintf(wanted, sizeof wanted,
                     wordless ? "logger spy: %s failed without a message" : "%s has failed",
                     call_names[call]);
            CHECK_EQ_STR(mr_error(), wanted);
            CHECK_EQ_I64(saw.count[CLOSE], call != OPEN);
            CHECK_EQ_I64(atomic_load(&steps) == 0, call == OPEN);
            CHECK_EQ_I64(saw.count[call], 1); /* a logger that has failed is left alone, but for close */
            mr_trainer_free(t);
        }
}

/* What an earlier failure is does not change by a later one. */
static void test_first_failure(void)
{
    mr_trainer *t = trainer_new((mr_trainer_opts){ .max_epochs = -1 }, spy_new());
    static const mr_logger_vtable other = { .name = "other", .row = on_row, .close = on_close };
    CHECK_EQ_I64(mr_trainer_add_logger(t, mr_logger_new(&other, NULL, 0)), MR_OK);
    saw.fails = ROW;
    CHECK_EQ_I64(train(t), MR_ERR_MISSING);
    CHECK_EQ_I64(saw.count[ROW], 1); /* the second one is not asked any more */
    CHECK_EQ_I64(saw.count[CLOSE], 2);
    mr_trainer_free(t);

    t = trainer_new((mr_trainer_opts){ .max_epochs = 1 }, spy_new());
    CHECK_EQ_I64(mr_trainer_add_logger(t, mr_logger_new(&other, NULL, 0)), MR_OK);
    saw.fails = CLOSE;
    CHECK_EQ_I64(train(t), MR_ERR_MISSING);
    CHECK_EQ_I64(saw.count[CLOSE], 2);
    mr_trainer_free(t);
}

static mr_status pend(void *self, const mr_log_row *row)
{
    (void)self;
    (void)row;
    mr_tensor_free(mr_tensor_zeros(MR_FLOAT32, MR_SHAPE(-1)));
    return MR_OK;
}

/* A failure that the logger has not looked at. */
static void test_pending(void)
{
    static const mr_logger_vtable vtable = { .name = "pending", .row = pend };
    mr_trainer *t = trainer_new((mr_trainer_opts){ .max_epochs = -1 }, mr_logger_new(&vtable, NULL, 0));
    CHECK_EQ_I64(train(t), MR_ERR_SHAPE);
    mr_trainer_free(t);
}

/* ---- what is refused ---- */

static mr_status add_within(mr_step *s)
{
    return mr_trainer_add_logger(s->trainer, mr_csv_logger_new(NULL));
}

static mr_tensor *add_logger(mr_step *s, const mr_batch *b, mr_tensor *loss)
{
    (void)b;
    CHECK_EQ_I64(add_within(s), MR_ERR_STATE);
    CHECK_EQ_STR(mr_error(), "trainer_add_logger: the trainer is in a fit");
    return loss;
}

static void test_refused(void)
{
    static const mr_logger_vtable nameless = { .row = on_row }, rowless = { .name = "a" },
                                  odd = { .name = "a b", .row = on_row },
                                  empty = { .name = "", .row = on_row },
                                  long_name = { .name = "a1234567890123456789012345678901234567890",
                                                .row = on_row };
    static const char needs[] = "logger_new: the vtable needs name and row";
    CHECK(!mr_logger_new(NULL, NULL, 0));
    CHECK_EQ_STR(mr_error(), "logger_new: vtable is NULL");
    CHECK(!mr_logger_new(&nameless, NULL, 0));
    CHECK_EQ_STR(mr_error(), needs);
    CHECK(!mr_logger_new(&rowless, NULL, 0));
    CHECK_EQ_STR(mr_error(), needs);
    CHECK(!mr_logger_new(&odd, NULL, 0));
    CHECK_EQ_STR(mr_error(), "logger_new: 'a b' is no name of 1 to 40 letters, digits and _");
    CHECK(!mr_logger_new(&empty, NULL, 0));
    CHECK_EQ_STR(mr_error(), "logger_new: '' is no name of 1 to 40 letters, digits and _");
    CHECK(!mr_logger_new(&long_name, NULL, 0));
    (void)mr_error();
    CHECK(!mr_logger_self(NULL));

    mr_trainer *t = mr_trainer_new(NULL);
    CHECK_EQ_I64(mr_trainer_add_logger(NULL, spy_new()), MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(), "trainer_add_logger: trainer is NULL");
    CHECK_EQ_I64(saw.count[DESTROY], 1); /* adopted, and freed */
    CHECK_EQ_I64(mr_trainer_add_logger(t, NULL), MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(), "trainer_add_logger: logger is NULL");
    mr_logger *spy = spy_new();
    CHECK_EQ_I64(*(int *)mr_logger_self(spy), 17);
    CHECK_EQ_I64(mr_trainer_add_logger(t, spy), MR_OK);
    CHECK_EQ_I64(mr_trainer_add_logger(t, spy), MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(), "trainer_add_logger: spy belongs to a trainer already");
    mr_logger_free(spy); /* which it keeps */
    CHECK_EQ_I64(saw.count[DESTROY], 0);
    CHECK_EQ_I64(mr_trainer_add_logger(t, spy_new()), MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(), "trainer_add_logger: there is a logger spy already");
    CHECK_EQ_I64(saw.count[DESTROY], 1);
    mr_logger_vtable many[16];
    char names[16][8];
    for (int i = 0; i < 16; i++) {
        snprintf(names[i], sizeof names[i], "l%d", i);
        many[i] = (mr_logger_vtable){ .name = names[i], .row = on_row };
        CHECK_EQ_I64(mr_trainer_add_logger(t, mr_logger_new(&many[i], NULL, 0)),
                     i < 15 ? MR_OK : MR_ERR_ARGUMENT);
    }
    CHECK_EQ_STR(mr_error(), "trainer_add_logger: l15 is one more than the 16 that a trainer can have");
    mr_trainer_free(t);

    CHECK(!mr_trainer_new(&(mr_trainer_opts){ .csv = "a", .save_dir = "a" }));
    CHECK_EQ_STR(mr_error(), "trainer_new: csv and save_dir exclude each other");

    fit f = fit_new(12);
    hook.step = add_logger;
    t = mr_trainer_new(&(mr_trainer_opts){ .max_steps = 1, .no_progress = true, .no_summary = true });
    CHECK_EQ_I64(mr_trainer_fit(t, f.task, f.loader), MR_OK);
    mr_trainer_free(t);
    fit_free(&f);
}

int main(void)
{
    if (!files_begin())
        return 1;
    mr_set_log_hook(hear, NULL);
    RUN(test_story);
    RUN(test_least);
    RUN(test_folder);
    RUN(test_again);
    RUN(test_fast_dev_run);
    RUN(test_last_rows);
    RUN(test_slow_disk);
    RUN(test_failures);
    RUN(test_first_failure);
    RUN(test_pending);
    RUN(test_refused);
    return files_report();
}

/* What a fit says when something goes wrong, in its exact words, and the weights that it leaves: those of the
 * last good step. */
#include "check.h"
#include "fit.h"

#include "base/alloc.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/resource.h>

/* ---- one failure ---- */

static const mr_trainer_opts quiet = { .max_epochs = 4, .no_progress = true, .no_summary = true };

/* The weights after so many good steps. */
static void weights_after(int64_t steps, float *weight, float *bias)
{
    mr_trainer_opts o = quiet;
    fit f = fit_new(10);
    o.max_steps = steps ? steps : MR_ZERO_INT;
    mr_trainer *t = mr_trainer_new(&o);
    CHECK_EQ_I64(mr_trainer_fit(t, f.task, f.loader), MR_OK);
    *weight = fit_weight(&f);
    *bias = fit_bias(&f);
    mr_trainer_free(t);
    fit_free(&f);
}

/* Fits with the hooks that are set: fails with this text after so many steps. */
static void check_fit(const mr_trainer_opts *opts, int64_t steps, mr_status status, const char *text)
{
    float weight = 0, bias = 0;
    fit f = fit_new(10);
    mr_trainer *t = mr_trainer_new(opts);
    CHECK_EQ_I64(mr_trainer_fit(t, f.task, f.loader), status);
    CHECK_EQ_I64(mr_error_status(), status);
    CHECK_EQ_STR(mr_error(), text);
    CHECK(strstr(heard, "stopped") == NULL); /* nothing was reached */
    CHECK_EQ_I64(mr_trainer_global_step(t), steps);
    float got_weight = fit_weight(&f), got_bias = fit_bias(&f);
    mr_trainer_free(t);
    fit_free(&f);
    weights_after(steps, &weight, &bias);
    CHECK(got_weight == weight && got_bias == bias);
}

static int64_t at; /* the step at which the hook below fails */

/* ---- the loss ---- */

static double factor;

static mr_tensor *multiply(mr_step *s, const mr_batch *b, mr_tensor *loss)
{
    (void)b;
    return s->global_step == at ? mr_mul_scalar(s->tape, loss, factor) : loss;
}

static void check_loss(int64_t step, double by, const char *text)
{
    at = step;
    factor = by;
    hook.step = multiply;
    check_fit(&quiet, step, MR_ERR_NONFINITE, text);
}

static void test_nonfinite(void)
{
    check_loss(0, NAN, "fit: the loss is nan at epoch 0, step 0");
    check_loss(4, NAN, "fit: the loss is nan at epoch 1, step 4");
    check_loss(4, -NAN, "fit: the loss is nan at epoch 1, step 4");
    check_loss(11, INFINITY, "fit: the loss is inf at epoch 3, step 11");
    check_loss(5, -INFINITY, "fit: the loss is -inf at epoch 1, step 5");
}

static mr_tensor *in_double(mr_step *s, const mr_batch *b, mr_tensor *loss)
{
    loss = mr_cast(s->tape, loss, MR_FLOAT64);
    return multiply(s, b, loss);
}

static void test_nonfinite_double(void)
{
    at = 2;
    factor = NAN;
    hook.step = in_double;
    check_fit(&quiet, 2, MR_ERR_NONFINITE, "fit: the loss is nan at epoch 0, step 2");
}

/* ---- the training step ---- */

static enum step_way { NOTHING, MESSAGE, PENDING, LINES, VECTOR, CONSTANT, BATCH, PRODUCT } way;

static mr_tensor *fail_step(mr_step *s, const mr_batch *b, mr_tensor *loss)
{
    if (s->global_step != at)
        return loss;
    if (way == MESSAGE || way == PENDING)
        mr_fail(MR_ERR_FORMAT, "batch %lld is odd", (long long)s->batch_index);
    if (way == LINES)
        mr_fail(MR_ERR_FORMAT, "one line\nand another");
    if (way == VECTOR)
        return mr_mul(s->tape, loss, b->field[0]);
    if (way == CONSTANT)
        return fit_value(s, 1);
    if (way == BATCH)
        return b->field[0];
    if (way == PRODUCT)
        return mr_mean(s->tape, mr_forward(s->model, s->tape, b->field[0]), MR_ALL, false);
    return way == PENDING ? loss : NULL;
}

static void check_step(enum step_way how, mr_status status, const char *text)
{
    at = 4;
    way = how;
    hook.step = fail_step;
    check_fit(&quiet, 4, status, text);
}

static void test_training_step(void)
{
    check_step(NOTHING, MR_ERR_CALLBACK, "fit: epoch 1, step 4: training_step gave no loss");
    check_step(MESSAGE, MR_ERR_FORMAT, "fit: epoch 1, step 4: batch 1 is odd");
    check_step(PENDING, MR_ERR_FORMAT, "fit: epoch 1, step 4: batch 1 is odd");
    check_step(LINES, MR_ERR_FORMAT, "fit: epoch 1, step 4: one line and another");
    check_step(VECTOR, MR_ERR_SHAPE,
               "fit: epoch 1, step 4: backward: the loss has shape [4], not one element; reduce it, or use "
               "mr_backward_from");
    check_step(
        CONSTANT, MR_ERR_STATE,
        "fit: epoch 1, step 4: backward: the loss does not depend on any tensor that requires a gradient");
    check_step(
        BATCH, MR_ERR_STATE,
        "fit: epoch 1, step 4: backward: the loss does not depend on any tensor that requires a gradient");
    check_step(PRODUCT, MR_ERR_SHAPE,
               "fit: epoch 1, step 4: Linear: linear: the last size of input x[4] is not the last of weight "
               "weight[1,1]");
}

/* ---- the optimizer ---- */

static mr_optim *no_optimizer(mr_module *model)
{
    (void)model;
    if (way == MESSAGE)
        mr_fail(MR_ERR_MISSING, "no optimizer is good enough");
    return NULL;
}

static mr_optim *wrong_optimizer(mr_module *model)
{
    return mr_sgd_new(mr_module_parameters(model), -1, NULL);
}

static mr_optim *two_optimizers(mr_module *model)
{
    mr_optim *first = mr_sgd_new(mr_module_parameters(model), 0.1, NULL);
    mr_optim_free(mr_sgd_new(mr_module_parameters(model), 0.1, NULL));
    return first;
}

static void test_optimizers(void)
{
    mr_trainer_opts logged = quiet;
    logged.csv = files_folder;
    logged.name = "optimizers";
    hook.optimizers = no_optimizer;
    way = NOTHING;
    check_fit(&logged, 0, MR_ERR_CALLBACK, "fit: configure_optimizers gave no optimizer");
    hook.optimizers = no_optimizer;
    way = MESSAGE;
    check_fit(&logged, 0, MR_ERR_MISSING, "no optimizer is good enough");
    hook.optimizers = wrong_optimizer;
    check_fit(&logged, 0, MR_ERR_ARGUMENT, "sgd: learning rate -1 is negative or not finite");
    CHECK(!file_exists(in_folder("optimizers"))); /* before any folder was made */
    hook.optimizers = two_optimizers;
    check_fit(&quiet, 0, MR_ERR_STATE,
              "fit: epoch 0, step 0: optim_step: weight[1,1] belongs to another optimizer by now");
}

/* ---- samples ---- */

static mr_status wordless(int64_t index)
{
    return index == 6 ? MR_ERR_IO : MR_OK;
}

static mr_status with_words(int64_t index)
{
    static int calls;
    if (index != 9 || ++calls % 3 != 0) /* in the third epoch */
        return MR_OK;
    return mr_fail(MR_ERR_IO, "picture %lld.png is gone", (long long)index);
}

static void test_samples(void)
{
    hook.sample = wordless;
    check_fit(&quiet, 1, MR_ERR_IO, "loader: sample 6: the callback failed without a message");
    hook.sample = with_words;
    check_fit(&quiet, 8, MR_ERR_IO, "loader: sample 9: picture 9.png is gone");
}

/* ---- arguments ---- */

static void check_opts(mr_trainer_opts opts, const char *text)
{
    CHECK(mr_trainer_new(&opts) == NULL);
    CHECK_EQ_I64(mr_error_status(), MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(), text);
}

/* Such a task is for predictions, say. */
static void check_cannot_train(const fit *f, const mr_task_vtable *vtable, const char *text)
{
    char wanted[100];
    mr_trainer *t = mr_trainer_new(&(mr_trainer_opts){ .no_progress = true, .no_summary = true });
    mr_task *task = mr_task_new(vtable, f->model, NULL, 0);
    CHECK_EQ_I64(mr_trainer_fit(t, task, f->loader), MR_ERR_ARGUMENT);
    snprintf(wanted, sizeof wanted, "fit: %s", text);
    CHECK_EQ_STR(mr_error(), wanted);
    CHECK(!mr_trainer_lr_find(t, task, f->loader, NULL));
    snprintf(wanted, sizeof wanted, "lr_find: %s", text);
    CHECK_EQ_STR(mr_error(), wanted);
    mr_error_clear();
    mr_task_free(task);
    mr_trainer_free(t);
}

static void test_arguments(void)
{
    static const mr_task_vtable no_step = { .configure_optimizers = fit_optimizers };
    static const mr_task_vtable no_optimizers = { .training_step = fit_step };
    fit f = fit_new(10);
    check_opts((mr_trainer_opts){ .max_epochs = -2 },
               "trainer_new: max_epochs -2 is neither a number nor -1, no limit");
    check_opts((mr_trainer_opts){ .max_steps = -2 },
               "trainer_new: max_steps -2 is neither a number nor -1, no limit");
    check_opts((mr_trainer_opts){ .log_every_n_steps = -1 }, "trainer_new: log_every_n_steps -1 is negative");
    CHECK(mr_task_new(NULL, f.model, NULL, 0) == NULL);
    CHECK_EQ_STR(mr_error(), "task_new: vtable is NULL");
    check_cannot_train(&f, &no_step, "the task has no training_step");
    check_cannot_train(&f, &no_optimizers, "the task has no configure_optimizers");
    CHECK(mr_task_new(&fit_task, NULL, NULL, 0) == NULL);
    CHECK_EQ_STR(mr_error(), "task_new: model is NULL");
    mr_task_free(NULL);
    mr_trainer_free(NULL);
    CHECK_EQ_STR(mr_trainer_log_dir(NULL), "");
    CHECK_EQ_STR(mr_trainer_metrics_path(NULL), "");
    CHECK_EQ_STR(mr_trainer_checkpoint_path(NULL), "");
    CHECK_EQ_I64(mr_trainer_global_step(NULL), 0);
    fit_free(&f);
}

static void test_null_handles(void)
{
    fit f = fit_new(10);
    mr_trainer *t = mr_trainer_new(&quiet);
    CHECK_EQ_I64(mr_trainer_fit(NULL, f.task, f.loader), MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(), "fit: trainer is NULL");
    CHECK_EQ_I64(mr_trainer_fit(t, NULL, f.loader), MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(), "fit: task is NULL");
    CHECK_EQ_I64(mr_trainer_fit(t, f.task, NULL), MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(), "fit: loader is NULL");
    mr_task *task = mr_task_new(&fit_task, mr_linear_new(-1, 1, NULL, NULL), NULL, 0);
    CHECK(task == NULL);
    CHECK_EQ_I64(mr_trainer_fit(t, task, NULL), MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(), "linear_new: rng is NULL"); /* the first cause of all that was NULL since */
    float before = fit_weight(&f);
    mr_tensor_free(mr_tensor_zeros(MR_FLOAT32, MR_SHAPE(-1))); /* a failure that nobody has looked at */
    CHECK_EQ_I64(mr_trainer_fit(t, f.task, f.loader), MR_ERR_SHAPE);
    CHECK(fit_weight(&f) == before);
    mr_trainer_free(t);
    fit_free(&f);
}

/* A module that could not be completed. */
static void test_failed_model(void)
{
    fit f = fit_new(10);
    mr_module *broken = mr_sequential_new();
    mr_module_add(broken, "", mr_relu_new());
    mr_error_clear();
    mr_task *task = mr_task_new(&fit_task, broken, NULL, 0);
    mr_trainer *t = mr_trainer_new(&quiet);
    CHECK_EQ_I64(mr_trainer_fit(t, task, f.loader), MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(), "module_add: '' cannot be a name: it is empty or has a dot");
    mr_trainer_free(t);
    mr_task_free(task);
    mr_module_free(broken);
    fit_free(&f);
}

/* ---- folders and files ---- */

static mr_trainer_opts logging(const char *csv)
{
    mr_trainer_opts o = quiet;
    o.csv = csv;
    o.name = "net";
    o.log_every_n_steps = 1;
    return o;
}

static void test_log_dir(void)
{
    char csv[400], wanted[700];
    snprintf(csv, sizeof csv, "%s", in_folder("file"));
    file_put(csv, "x", 1);
    const mr_trainer_opts opts = logging(csv);
    snprintf(wanted, sizeof wanted, "cannot make folder '%s/net': Not a directory", csv);
    check_fit(&opts, 0, MR_ERR_IO, wanted);

    snprintf(csv, sizeof csv, "%s", in_folder("closed"));
    CHECK(mkdir(csv, 0777) == 0 && chmod(csv, 0555) == 0);
    snprintf(wanted, sizeof wanted, "cannot make folder '%s/net': Permission denied", csv);
    files_be_nobody(true);
    check_fit(&opts, 0, MR_ERR_IO, wanted);
    files_be_nobody(false);
    CHECK_EQ_I64(count_entries(csv), 0);

    snprintf(csv, sizeof csv, "%s", in_folder("masked"));
    snprintf(wanted, sizeof wanted, "cannot write '%s/net/version_0/hparams.yaml': Permission denied", csv);
    CHECK(mkdir(csv, 0777) == 0 && chmod(csv, 0777) == 0);
    CHECK(mkdir(in_folder("masked/net"), 0777) == 0 && chmod(in_folder("masked/net"), 0777) == 0);
    files_be_nobody(true);
    mode_t mask = umask(0777);
    check_fit(&opts, 0, MR_ERR_IO, wanted);
    umask(mask);
    files_be_nobody(false);
}

/* The library's calls of mkdir come here. */
static bool no_checkpoints;

int mkdir(const char *path, mode_t mode)
{
    size_t length = strlen(path);
    if (no_checkpoints && length > 12 && strcmp(path + length - 12, "/checkpoints") == 0) {
        errno = EDQUOT;
        return -1;
    }
    return mkdirat(AT_FDCWD, path, mode);
}

static void test_checkpoints_folder(void)
{
    char csv[400], wanted[700];
    snprintf(csv, sizeof csv, "%s", in_folder("quota"));
    snprintf(wanted, sizeof wanted, "cannot make folder '%s/net/version_0/checkpoints': %s", csv,
             strerror(EDQUOT));
    const mr_trainer_opts opts = logging(csv);
    no_checkpoints = true;
    check_fit(&opts, 0, MR_ERR_IO, wanted);
    no_checkpoints = false;
}

static int64_t calls; /* of the hook below */

static mr_tensor *log_loss(mr_step *s, const mr_batch *b, mr_tensor *loss)
{
    (void)b;
    calls++;
    mr_log(s, "loss", loss, NULL);
    return loss;
}

/* Fits without an end but by failure, logging each step. The number of steps; the text is in mr_error. */
static int64_t fit_on(const char *csv, bool no_checkpoint)
{
    mr_trainer_opts opts = logging(csv);
    opts.max_epochs = -1;
    opts.no_checkpoint = no_checkpoint;
    calls = 0;
    fit f = fit_new(10);
    mr_trainer *t = mr_trainer_new(&opts);
    CHECK_EQ_I64(mr_trainer_fit(t, f.task, f.loader), MR_ERR_IO);
    CHECK(isfinite(fit_weight(&f)));
    int64_t steps = mr_trainer_global_step(t);
    CHECK_EQ_I64(calls, steps); /* each step that was made is counted */
    mr_trainer_free(t);
    fit_free(&f);
    return steps;
}

/* The disk is full after some rows: the fit ends soon after. */
static void test_disk_full(void)
{
    struct rlimit old, small;
    char csv[300], wanted[600];
    snprintf(csv, sizeof csv, "%s", in_folder("full"));
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &old);
    small = (struct rlimit){ 3000, old.rlim_max };
    setrlimit(RLIMIT_FSIZE, &small);
    hook.step = log_loss;
    int64_t steps = fit_on(csv, true);
    setrlimit(RLIMIT_FSIZE, &old);
    signal(SIGXFSZ, SIG_DFL);
    snprintf(wanted, sizeof wanted, "cannot write '%s/net/version_0/metrics.csv': File too large", csv);
    CHECK_EQ_STR(mr_error(), wanted);
    CHECK(steps > 80); /* rows of at most 35 bytes */
    const char *rows = file_contents(in_folder("full/net/version_0/metrics.csv"), NULL);
    CHECK_EQ_I64(strlen(rows), 3000);
    CHECK(strncmp(rows, "loss,epoch,step\r\n", 17) == 0);
}

/* Under another name first, so that no checkpoint comes into it meanwhile. */
static void remove_folder(void)
{
    if (!file_exists(in_folder("vanishing/net")))
        return; /* a step whose loss is not finite is done once more */
    CHECK(rename(in_folder("vanishing/net"), in_folder("vanishing/gone")) == 0);
    folder_remove(in_folder("vanishing/gone"));
}

static mr_tensor *remove_logs(mr_step *s, const mr_batch *b, mr_tensor *loss)
{
    if (s->global_step == at)
        remove_folder();
    return log_loss(s, b, loss);
}

/* The log's folder goes away, before the first row or after it, with checkpoints and without. */
static void test_log_dir_vanishes(void)
{
    char csv[300], row[600], checkpoint[600];
    snprintf(csv, sizeof csv, "%s", in_folder("vanishing"));
    for (int i = 0; i < 4; i++) {
        at = i < 2 ? 0 : 60000;
        hook.step = remove_logs;
        CHECK(fit_on(csv, i % 2) >= at);
        const char *text = mr_error();
        snprintf(row, sizeof row, "cannot write '%s/net/version_0/metrics.csv': No such file or directory",
                 csv);
        snprintf(checkpoint, sizeof checkpoint, "cannot write '%s/net/version_0/checkpoints/epoch=", csv);
        if (!CHECK(strcmp(text, row) == 0 ||
                   (i % 2 == 0 && strncmp(text, checkpoint, strlen(checkpoint)) == 0 &&
                    strstr(text, ".safetensors': No such file or directory"))))
            printf("    %s\n", text);
        CHECK(!file_exists(in_folder("vanishing/net")));
    }
}

/* ---- the first failure is what is heard of ---- */

static mr_tensor *remove_logs_and_fail(mr_step *s, const mr_batch *b, mr_tensor *loss)
{
    loss = remove_logs(s, b, loss);
    return s->global_step == at ? mr_mul_scalar(s->tape, loss, NAN) : loss;
}

static mr_status remove_logs_and_fail_loading(int64_t index)
{
    if (index == 5)
        remove_folder();
    return index == 5 ? mr_fail(MR_ERR_IO, "gone, too") : MR_OK;
}

static void test_first_failure(void)
{
    char csv[300];
    snprintf(csv, sizeof csv, "%s", in_folder("vanishing"));
    const mr_trainer_opts opts = logging(csv);
    at = 1;
    hook.step = remove_logs_and_fail;
    check_fit(&opts, 1, MR_ERR_NONFINITE, "fit: the loss is nan at epoch 0, step 1");
    at = -1;
    hook.step = remove_logs;
    hook.sample = remove_logs_and_fail_loading;
    check_fit(&opts, 1, MR_ERR_IO, "loader: sample 5: gone, too");
}

/* Steps before a failure are logged. */
static void test_rows_before_a_failure(void)
{
    char csv[300];
    snprintf(csv, sizeof csv, "%s", in_folder("before"));
    const mr_trainer_opts opts = logging(csv);
    at = 2;
    hook.step = log_loss;
    hook.sample = wordless;
    check_fit(&opts, 1, MR_ERR_IO, "loader: sample 6: the callback failed without a message");
    const char *rows = file_contents(in_folder("before/net/version_0/metrics.csv"), NULL);
    const char *row = strchr(rows, '\n');
    CHECK(row && strstr(row, ",0,0\r\n") == row + strlen(row) - 6);
    CHECK_EQ_I64(count_entries(in_folder("before/net/version_0/checkpoints")), 0);
}

/* ---- no thread, no memory ---- */

/* Threads whose stack would not fit the address space cannot be made. */
static void test_no_thread(void)
{
    pthread_attr_t normal, huge;
    mr_trainer_opts opts = quiet;
    opts.csv = files_folder;
    opts.name = "threads";
    CHECK(pthread_getattr_default_np(&normal) == 0 && pthread_attr_init(&huge) == 0);
    CHECK(pthread_attr_setstacksize(&huge, (size_t)1 << 50) == 0 && pthread_setattr_default_np(&huge) == 0);
    fit f = fit_new(10);
    mr_trainer *t = mr_trainer_new(&opts);
    mr_status status = mr_trainer_fit(t, f.task, f.loader);
    CHECK(pthread_setattr_default_np(&normal) == 0);
    CHECK_EQ_I64(status, MR_ERR_MEMORY);
    CHECK_EQ_STR(mr_error(), "fit: cannot start a thread: Resource temporarily unavailable");
    CHECK_EQ_I64(mr_trainer_global_step(t), 0);
    mr_trainer_free(t);
    fit_free(&f);
    pthread_attr_destroy(&huge);
    pthread_attr_destroy(&normal);
}

static atomic_int left, out;

static void *few_allocate(void *user, size_t bytes, size_t alignment)
{
    (void)user;
    if (atomic_fetch_sub(&left, 1) <= 0)
        return NULL;
    atomic_fetch_add(&out, 1);
    return aligned_alloc(alignment, mr__round_up(bytes, alignment));
}

static void few_release(void *user, void *memory)
{
    (void)user;
    atomic_fetch_sub(&out, 1);
    free(memory);
}

/* Every allocation of a fit fails once, on either thread: it ends with a message, and nothing is lost. */
static void test_without_memory(void)
{
    static const mr_allocator few = { few_allocate, few_release, NULL };
    mr_trainer_opts opts = quiet;
    char csv[300];
    int allowed = 0;
    snprintf(csv, sizeof csv, "%s", in_folder("memory"));
    opts.csv = csv;
    opts.max_epochs = 1;
    opts.log_every_n_steps = 1;
    mr_set_allocator(&few);
    for (mr_status status = MR_ERR_MEMORY; status && allowed < 500; allowed += status != MR_OK) {
        left = 1000000;
        fit f = fit_new(10);
        hook.step = log_loss;
        mr_trainer *t = mr_trainer_new(&opts);
        left = allowed;
        status = mr_trainer_fit(t, f.task, f.loader);
        left = 1000000;
        CHECK(status == MR_OK || status == MR_ERR_MEMORY);
        if (status && !CHECK(strstr(mr_error(), "out of memory: ") != NULL))
            printf("    %s\n", mr_error());
        CHECK_EQ_I64(mr_error_status(), status ? MR_ERR_MEMORY : MR_OK);
        mr_trainer_free(t);
        fit_free(&f);
        CHECK_EQ_I64(out, 0);
        mr_error_clear();
    }
    CHECK(allowed > 30 && allowed < 500);
    mr_set_allocator(NULL);
}

int main(void)
{
    if (!files_begin())
        return 1;
    mr_set_log_hook(hear, NULL);
    RUN(test_nonfinite);
    RUN(test_nonfinite_double);
    RUN(test_training_step);
    RUN(test_optimizers);
    RUN(test_samples);
    RUN(test_arguments);
    RUN(test_null_handles);
    RUN(test_failed_model);
    RUN(test_log_dir);
    RUN(test_checkpoints_folder);
    RUN(test_disk_full);
    RUN(test_log_dir_vanishes);
    RUN(test_first_failure);
    RUN(test_rows_before_a_failure);
    RUN(test_no_thread);
    RUN(test_without_memory);
    return files_report();
}

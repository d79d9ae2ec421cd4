/* Checkpoints of a fit: what is in them, which are kept, and that one that cannot be written takes nothing with
 * it. */
#include "check.h"
#include "fit.h"

#include "base/file.h"
#include "formats/safetensors.h"
#include "optim/optim.h"

#include <signal.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>

static const mr_trainer_opts quiet = { .max_epochs = 3, .no_progress = true, .no_summary = true };

static mr_trainer_opts into(const char *name)
{
    mr_trainer_opts o = quiet;
    o.csv = files_folder;
    o.name = name;
    return o;
}

/* ---- what is in one ---- */

static mr_optim *amsgrad(mr_module *model)
{
    return mr_adam_new(mr_module_parameters(model), 0.01, &(mr_adam_opts){ .amsgrad = true });
}

static mr_optim *momentum(mr_module *model)
{
    return mr_sgd_new(mr_module_parameters(model), 0.1, &(mr_sgd_opts){ .momentum = 0.9 });
}

static mr_optim *two_groups(mr_module *model)
{
    mr_params params = mr_module_parameters(model);
    mr_optim *optim = mr_adam_new((mr_params){ params.item, 1 }, 0.1, NULL);
    (void)mr_adam_add_group(optim, (mr_params){ params.item + 1, 1 }, 0.2, NULL);
    return optim;
}

/* The trainer's steps without a trainer. */
static mr_optim *train_by_hand(fit *f, mr_optim *(*optimizers)(mr_module *), int64_t steps)
{
    const mr_batch *b;
    mr_step step = { .model = f->model, .tape = mr_tape_new(f->rng) };
    mr_optim *optim = optimizers ? optimizers(f->model) : fit_optimizers(NULL, f->model);
    while (step.global_step < steps) {
        if (mr_loader_next(f->loader, &b) == MR_END)
            continue;
        mr_tensor *loss = fit_step(&step, b);
        mr_optim_zero_grad(optim);
        CHECK_EQ_I64(mr_backward(step.tape, loss), MR_OK);
        CHECK_EQ_I64(mr_optim_step(optim), MR_OK);
        mr_tape_reset(step.tape);
        step.global_step++;
    }
    mr_tape_free(step.tape);
    return optim;
}

static void check_tensor(const mr__safetensors *file, const char *name, mr_dtype dtype, mr_shape shape,
                         const void *data)
{
    const mr__safetensor *x = mr__safetensors_find(file, name);
    if (!CHECK(x != NULL)) {
        printf("    %s\n", name);
        return;
    }
    CHECK_EQ_I64(x->dtype, dtype);
    CHECK_EQ_I64(x->shape.ndim, shape.ndim);
    for (int i = 0; i < shape.ndim; i++)
        CHECK_EQ_I64(x->shape.dim[i], shape.dim[i]);
    if (!CHECK(memcmp(x->data, data, x->bytes) == 0))
        printf("    %s\n", name);
}

/* Eight counters, the loader, its generator, what gradients there are, and where the log is. */
enum { OTHERS = 12 };

/* In the file are the model's parameters and the optimizer's state, bit for bit those of a fit by hand. */
static void check_contents(const char *path, mr_optim *(*optimizers)(mr_module *), int64_t steps,
                           const char *epoch, const char *global_step)
{
    char name[100];
    const struct fit_hooks in_use = hook;
    memset(&hook, 0, sizeof hook);
    fit f = fit_new(10);
    mr_optim *optim = train_by_hand(&f, optimizers, steps);
    mr__safetensors *file = mr__safetensors_read(path);
    mr_params params = mr_module_parameters(f.model);
    if (!CHECK(file != NULL))
        return;
    mr_params state = mr_optim_state(optim);
    CHECK_EQ_I64(file->count, params.count + state.count + OTHERS);
    CHECK(file->checked);
    for (size_t i = 0; i < params.count; i++) {
        const mr_tensor *x = params.item[i].tensor;
        check_tensor(file, params.item[i].name, MR_FLOAT32, mr__shape_of(x), x->data);
    }
    check_tensor(file, "optimizer.steps", MR_INT64, MR_SCALAR, &steps);
    for (size_t i = 0; i < state.count; i++) {
        const mr_tensor *x = state.item[i].tensor;
        snprintf(name, sizeof name, "optimizer.%s", state.item[i].name);
        check_tensor(file, name, (mr_dtype)x->dtype, mr__shape_of(x), x->data);
    }
    CHECK_EQ_I64(file->metadata_count, 9);
    CHECK_EQ_STR(mr__safetensors_text(file, "epoch"), epoch);
    CHECK_EQ_STR(mr__safetensors_text(file, "global_step"), global_step);
    CHECK_EQ_STR(mr__safetensors_text(file, "format"), "pt");
    mr__safetensors_free(file);
    mr_optim_free(optim);
    fit_free(&f);
    hook = in_use;
}

static void check_kind(mr_optim *(*optimizers)(mr_module *), const char *state)
{
    const mr_trainer_opts opts = into("contents");
    char path[600];
    fit f = fit_new(10), fresh = fit_new(10);
    hook.optimizers = optimizers;
    mr_trainer *t = mr_trainer_new(&opts);
    CHECK_EQ_I64(mr_trainer_fit(t, f.task, f.loader), MR_OK);
    snprintf(path, sizeof path, "%s/checkpoints/epoch=2-step=9.safetensors", mr_trainer_log_dir(t));
    CHECK_EQ_STR(mr_trainer_checkpoint_path(t), path);
    check_contents(path, optimizers, 9, "2", "9");
    mr__safetensors *file = mr__safetensors_read(path);
    CHECK(file && (!state || mr__safetensors_find(file, state)));
    mr__safetensors_free(file);
    CHECK(fit_weight(&f) != fit_weight(&fresh));
    CHECK_EQ_I64(mr_module_load(fresh.model, path, NULL), MR_OK); /* strictly: state is passed over */
    CHECK(fit_weight(&f) == fit_weight(&fresh) && fit_bias(&f) == fit_bias(&fresh));
    mr_trainer_free(t);
    fit_free(&f);
    fit_free(&fresh);
}

static void test_contents(void)
{
    check_kind(NULL, NULL);
    check_kind(momentum, "optimizer.weight.momentum_buffer");
    check_kind(amsgrad, "optimizer.bias.max_exp_avg_sq");
    check_kind(two_groups, "optimizer.param_groups.1.lr");
}

/* Another optimizer, made alike, takes up what a checkpoint holds of the one that fit used. */
static void test_going_on(void)
{
    const mr_trainer_opts opts = into("going_on");
    mr_param loaded[32] = { { NULL, NULL } };
    char name[100];
    fit f = fit_new(10);
    hook.optimizers = two_groups;
    mr_trainer *t = mr_trainer_new(&opts);
    CHECK_EQ_I64(mr_trainer_fit(t, f.task, f.loader), MR_OK);
    mr__safetensors *file = mr__safetensors_read(mr_trainer_checkpoint_path(t));
    mr_optim *optim = two_groups(f.model);
    mr_params state = mr_optim_state(optim);
    CHECK(file && state.count < 32);
    for (size_t i = 0; file && i < state.count; i++) {
        snprintf(name, sizeof name, "optimizer.%s", state.item[i].name);
        const mr__safetensor *x = mr__safetensors_find(file, name);
        if (CHECK(x != NULL))
            loaded[i] = (mr_param){ state.item[i].name, mr_tensor_from(x->dtype, x->shape, x->data) };
    }
    CHECK_EQ_I64(mr_optim_load_state(optim, (mr_params){ loaded, state.count }), MR_OK);
    CHECK_EQ_I64(mr_optim_steps(optim), 9);
    CHECK_EQ_STR(state.item[1].name, "weight.exp_avg");
    CHECK(mr_item(state.item[1].tensor) != 0);
    for (size_t i = 0; i < state.count; i++)
        mr_tensor_free(loaded[i].tensor);
    mr__safetensors_free(file);
    mr_optim_free(optim);
    mr_trainer_free(t);
    fit_free(&f);
}

/* ---- which are kept ---- */

/* A fit so fast that most checkpoints are overtaken: the last one is there, and it alone. */
static void test_overtaken(void)
{
    const int64_t epochs[] = { 1, 2, 100, 3000 };
    char path[600], dir[600], epoch[24], step[24];
    for (int i = 0; i < 4; i++) {
        mr_trainer_opts opts = into("overtaken");
        opts.max_epochs = epochs[i];
        fit f = fit_new(10);
        mr_trainer *t = mr_trainer_new(&opts);
        CHECK_EQ_I64(mr_trainer_fit(t, f.task, f.loader), MR_OK);
        snprintf(dir, sizeof dir, "%s/checkpoints", mr_trainer_log_dir(t));
        snprintf(epoch, sizeof epoch, "%lld", (long long)epochs[i] - 1);
        snprintf(step, sizeof step, "%lld", 3 * (long long)epochs[i]);
        snprintf(path, sizeof path, "%s/checkpoints/epoch=%s-step=%s.safetensors", mr_trainer_log_dir(t),
                 epoch, step);
        CHECK_EQ_STR(mr_trainer_checkpoint_path(t), path);
        CHECK_EQ_I64(count_entries(dir), 1);
        check_contents(path, NULL, 3 * epochs[i], epoch, step);
        mr_trainer_free(t);
        fit_free(&f);
    }
}

/* The last epoch may be a part of one. */
static void test_part_of_an_epoch(void)
{
    char path[600];
    mr_trainer_opts opts = into("part");
    opts.max_epochs = 0;
    opts.max_steps = 4;
    fit f = fit_new(10);
    mr_trainer *t = mr_trainer_new(&opts);
    CHECK_EQ_I64(mr_trainer_fit(t, f.task, f.loader), MR_OK);
    snprintf(path, sizeof path, "%s/checkpoints/epoch=1-step=4.safetensors", mr_trainer_log_dir(t));
    CHECK_EQ_STR(mr_trainer_checkpoint_path(t), path);
    check_contents(path, NULL, 4, "1", "4");
    mr_trainer_free(t);
    fit_free(&f);
}

/* Waits up to ten seconds for a file to come, or to go. */
static bool wait_for(const char *path, bool there)
{
    for (int i = 0; i < 1000 && file_exists(path) != there; i++)
        nanosleep(&(struct timespec){ 0, 10 * 1000 * 1000 }, NULL);
    return file_exists(path) == there;
}

/* At the beginning of an epoch, waits for the last one's checkpoint: it has the weights of now. */
static mr_tensor *look(mr_step *s, const mr_batch *b, mr_tensor *loss)
{
    (void)b;
    if (s->batch_index > 0)
        return loss;
    if (s->epoch == 1 &&
        CHECK(wait_for(in_folder("kept/version_0/checkpoints/epoch=0-step=3.safetensors"), true)))
        check_contents(in_folder("kept/version_0/checkpoints/epoch=0-step=3.safetensors"), NULL, 3, "0", "3");
    if (s->epoch == 2) {
        CHECK(wait_for(in_folder("kept/version_0/checkpoints/epoch=1-step=6.safetensors"), true));
        CHECK(wait_for(in_folder("kept/version_0/checkpoints/epoch=0-step=3.safetensors"), false));
        CHECK_EQ_I64(count_entries(in_folder("kept/version_0/checkpoints")), 1);
    }
    return loss;
}

static void test_while_training(void)
{
    const mr_trainer_opts opts = into("kept");
    fit f = fit_new(10);
    hook.step = look;
    mr_trainer *t = mr_trainer_new(&opts);
    CHECK_EQ_I64(mr_trainer_fit(t, f.task, f.loader), MR_OK);
    CHECK_EQ_I64(count_entries(in_folder("kept/version_0/checkpoints")), 1);
    CHECK_EQ_STR(mr_trainer_checkpoint_path(t),
                 in_folder("kept/version_0/checkpoints/epoch=2-step=9.safetensors"));
    mr_trainer_free(t);
    fit_free(&f);
}

/* ---- one that is being written ---- */

enum { BALLAST = 50000 }; /* floats: too many to be gathered, they are written from where they lie */

static atomic_bool hold, held;
static mr_tensor *ballast;

/* The library's calls of write come here. A large one waits while `hold` is set. */
ssize_t write(int fd, const void *bytes, size_t count)
{
    while (count >= BALLAST * sizeof(float) && atomic_load(&hold)) {
        atomic_store(&held, true);
        nanosleep(&(struct timespec){ 0, 1000 * 1000 }, NULL);
    }
    return syscall(SYS_write, fd, bytes, count);
}

/* Whether all of the ballast in a file is this number. */
static bool ballast_is(const char *path, float value)
{
    mr__safetensors *file = mr__safetensors_read(path);
    const mr__safetensor *x = file ? mr__safetensors_find(file, "ballast") : NULL;
    bool same = x && x->bytes == BALLAST * sizeof value;
    for (size_t i = 0; same && i < BALLAST; i++)
        same = memcmp((const char *)x->data + i * sizeof value, &value, sizeof value) == 0;
    mr__safetensors_free(file);
    return same;
}

/* Epoch 0's checkpoint is held up until the snapshots of the epochs 1 and 2 were taken. */
static mr_tensor *hold_up(mr_step *s, const mr_batch *b, mr_tensor *loss)
{
    (void)b;
    if (s->batch_index > 0)
        return loss;
    CHECK_EQ_I64(mr_tensor_fill(ballast, (double)s->epoch), MR_OK);
    for (int i = 0; s->epoch == 1 && i < 10000 && !atomic_load(&held); i++)
        nanosleep(&(struct timespec){ 0, 1000 * 1000 }, NULL);
    if (s->epoch == 3) {
        const char *first = in_folder("held/version_0/checkpoints/epoch=0-step=3.safetensors");
        const char *third = in_folder("held/version_0/checkpoints/epoch=2-step=9.safetensors");
        CHECK(atomic_load(&held) && !file_exists(first));
        atomic_store(&hold, false);
        CHECK(wait_for(first, true) && ballast_is(first, 0));
        CHECK(wait_for(third, true) && ballast_is(third, 2));
    }
    return loss;
}

static mr_tensor *ballasted(mr_module *module, mr_tape *tape, mr_tensor *x)
{
    return mr_forward(mr_module_child(module, 0, NULL), tape, x);
}

static void test_while_writing(void)
{
    static const mr_module_vtable kind = { .type = "Ballasted", .forward = ballasted };
    mr_trainer_opts opts = into("held");
    opts.max_epochs = 4;
    fit f = fit_new(10);
    mr_module *model = mr_module_new(&kind, NULL, 0);
    mr_module_add(model, "linear", mr_linear_new(1, 1, f.rng, NULL));
    ballast = mr_module_add_parameter(model, "ballast", mr_tensor_zeros(MR_FLOAT32, MR_SHAPE(BALLAST)));
    mr_task *task = mr_task_new(&fit_task, model, NULL, 0);
    mr_trainer *t = mr_trainer_new(&opts);
    hook.step = hold_up;
    atomic_store(&hold, true);
    CHECK_EQ_I64(mr_trainer_fit(t, task, f.loader), MR_OK);
    CHECK_EQ_I64(count_entries(in_folder("held/version_0/checkpoints")), 1);
    CHECK(ballast_is(in_folder("held/version_0/checkpoints/epoch=3-step=12.safetensors"), 3));
    mr_trainer_free(t);
    mr_task_free(task);
    mr_module_free(model);
    fit_free(&f);
}

/* ---- a fit that fails ---- */

static mr_tensor *fail_later(mr_step *s, const mr_batch *b, mr_tensor *loss)
{
    (void)b;
    if (s->epoch == 1)
        CHECK(wait_for(in_folder("failed/version_0/checkpoints/epoch=0-step=3.safetensors"), true));
    return s->global_step == 5 ? mr_mul_scalar(s->tape, loss, NAN) : loss;
}

/* A fit that fails keeps the checkpoint that it has. */
static void test_failed_fit(void)
{
    const mr_trainer_opts opts = into("failed");
    fit f = fit_new(10);
    hook.step = fail_later;
    mr_trainer *t = mr_trainer_new(&opts);
    CHECK_EQ_I64(mr_trainer_fit(t, f.task, f.loader), MR_ERR_NONFINITE);
    CHECK_EQ_STR(mr_error(), "fit: the loss is nan at epoch 1, step 5");
    CHECK_EQ_STR(mr_trainer_checkpoint_path(t),
                 in_folder("failed/version_0/checkpoints/epoch=0-step=3.safetensors"));
    check_contents(mr_trainer_checkpoint_path(t), NULL, 3, "0", "3");
    CHECK_EQ_I64(count_entries(in_folder("failed/version_0/checkpoints")), 1);
    mr_trainer_free(t);
    fit_free(&f);
}

static void test_no_checkpoint(void)
{
    mr_trainer_opts opts = into("none");
    opts.no_checkpoint = true;
    fit f = fit_new(10);
    mr_trainer *t = mr_trainer_new(&opts);
    CHECK_EQ_I64(mr_trainer_fit(t, f.task, f.loader), MR_OK);
    CHECK_EQ_STR(mr_trainer_checkpoint_path(t), "");
    CHECK(!file_exists(in_folder("none/version_0/checkpoints")));
    mr_trainer_free(t);
    fit_free(&f);
}

/* ---- one that cannot be written ---- */

static void (*spoil)(const char *dir);

/* When the first checkpoint is there, does something to its folder, and waits for the second to fail. */
static mr_tensor *wait_and_spoil(mr_step *s, const mr_batch *b, mr_tensor *loss)
{
    (void)b;
    if (s->global_step == 3 &&
        CHECK(wait_for(in_folder("spoilt/version_0/checkpoints/epoch=0-step=3.safetensors"), true)))
        spoil(in_folder("spoilt/version_0/checkpoints"));
    return loss;
}

/* The fit fails with "cannot write 'path': <reason>", and the first checkpoint is as it was. */
static void check_spoilt(void (*how)(const char *), const char *reason)
{
    mr_trainer_opts opts = into("spoilt");
    char wanted[700];
    opts.max_epochs = 2;
    spoil = how;
    fit f = fit_new(10);
    hook.step = wait_and_spoil;
    mr_trainer *t = mr_trainer_new(&opts);
    files_be_nobody(true);
    mr_status status = mr_trainer_fit(t, f.task, f.loader);
    files_be_nobody(false);
    CHECK_EQ_I64(status, MR_ERR_IO);
    snprintf(wanted, sizeof wanted, "cannot write '%s/epoch=1-step=6.safetensors': %s",
             in_folder("spoilt/version_0/checkpoints"), reason);
    CHECK_EQ_STR(mr_error(), wanted);
    CHECK_EQ_STR(mr_trainer_checkpoint_path(t),
                 in_folder("spoilt/version_0/checkpoints/epoch=0-step=3.safetensors"));
    CHECK_EQ_I64(count_entries(in_folder("spoilt/version_0/checkpoints")), 1);
    mr_trainer_free(t);
    fit_free(&f);
    check_contents(in_folder("spoilt/version_0/checkpoints/epoch=0-step=3.safetensors"), NULL, 3, "0", "3");
    folder_remove(in_folder("spoilt"));
}

static void make_read_only(const char *dir)
{
    CHECK(chmod(dir, 0555) == 0);
}

static void set_size_limit(rlim_t bytes)
{
    struct rlimit limit;
    getrlimit(RLIMIT_FSIZE, &limit);
    limit.rlim_cur = bytes < limit.rlim_max ? bytes : limit.rlim_max;
    CHECK(setrlimit(RLIMIT_FSIZE, &limit) == 0);
}

static void fill_disk(const char *dir)
{
    (void)dir;
    set_size_limit(100);
}

static void test_read_only(void)
{
    check_spoilt(make_read_only, "Permission denied");
}

static void test_disk_full(void)
{
    signal(SIGXFSZ, SIG_IGN);
    check_spoilt(fill_disk, "File too large");
    set_size_limit(RLIM_INFINITY);
    signal(SIGXFSZ, SIG_DFL);
}

/* The folder's path is nearly as long as a path may be, and that of a checkpoint in it too long. */
static void test_long_path(void)
{
    enum { LONGEST = 4095 };
    char csv[LONGEST + 1], wanted[300];
    size_t tail = strlen("/n/version_0/hparams.yaml"), used = strlen(files_folder);
    mr_trainer_opts opts = quiet;
    memcpy(csv, files_folder, used);
    while (used + 1 < LONGEST - tail) {
        csv[used++] = '/';
        csv[used++] = '.';
    }
    csv[used] = '\0';
    opts.csv = csv;
    opts.name = "n";
    fit f = fit_new(10);
    mr_trainer *t = mr_trainer_new(&opts);
    CHECK_EQ_I64(mr_trainer_fit(t, f.task, f.loader), MR_ERR_IO);
    snprintf(wanted, sizeof wanted, "checkpoint: the path of '%.200s…' is too long", csv);
    CHECK_EQ_STR(mr_error(), wanted);
    mr_trainer_free(t);
    fit_free(&f);
}

int main(void)
{
    if (!files_begin())
        return 1;
    RUN(test_contents);
    RUN(test_going_on);
    RUN(test_overtaken);
    RUN(test_part_of_an_epoch);
    RUN(test_while_training);
    RUN(test_while_writing);
    RUN(test_failed_fit);
    RUN(test_no_checkpoint);
    RUN(test_read_only);
    RUN(test_disk_full);
    RUN(test_long_path);
    return files_report();
}

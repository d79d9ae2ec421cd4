/* The trainer: what it writes, when it stops, and what it says when something goes wrong. */
#include "check.h"

#include <millrace/millrace.h>

#include <dirent.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- y = 2x, and the ways in which training on it can fail ---- */

typedef struct fault {
    int64_t sample;  /* fails to load */
    int64_t nan_at;  /* the global step whose loss is NaN */
    int64_t null_at; /* gives no loss */
    bool shapes;     /* a product that does not fit */
} fault;

static fault none = { -1, -1, -1, false }, now;

static int64_t line_len(void *self)
{
    return *(int64_t *)self;
}

static mr_status line_get(void *self, int64_t index, const mr_sample *sample)
{
    if (index == now.sample)
        return mr_fail(MR_ERR_IO, "file is gone");
    float x = (float)index / (float)line_len(self);
    *(float *)sample->field[0] = x;
    *(float *)sample->field[1] = 2 * x;
    return MR_OK;
}

static mr_tensor *training_step(mr_step *s, const mr_batch *b)
{
    mr_tensor *y =
        mr_forward(s->model, s->tape, now.shapes ? b->field[0] : mr_unsqueeze(s->tape, b->field[0], 1));
    mr_tensor *loss = mr_mse_loss(s->tape, mr_squeeze(s->tape, y, 1), b->field[1], NULL);
    if (s->global_step == now.null_at)
        return NULL;
    if (s->global_step == now.nan_at)
        loss = mr_mul_scalar(s->tape, loss, NAN);
    mr_log(s, "loss", loss, &(mr_log_opts){ .prog_bar = true });
    if (s->epoch > 0)
        mr_log(s, "late", loss, NULL);
    return loss;
}

static mr_optim *optimizers(void *self, mr_module *model)
{
    (void)self;
    return mr_sgd_new(mr_module_parameters(model), 0.1, NULL);
}

static const mr_dataset_vtable line_vtable = { .len = line_len, .get = line_get };
static const mr_task_vtable task_vtable = { .training_step = training_step,
                                            .configure_optimizers = optimizers };
static const mr_field fields[] = { { .name = "x" }, { .name = "y" } };

/* ---- what every test stands on ---- */

static char dir[] = "/tmp/millrace-trainer-XXXXXX";
static char heard[8192]; /* the log */

static void hear(void *user, mr_log_level level, const char *line)
{
    (void)user;
    (void)level;
    strncat(heard, line, sizeof heard - strlen(heard) - 2);
    strcat(heard, "\n");
}

typedef struct bench {
    mr_rng *rng;
    mr_dataset *data;
    mr_loader *loader;
    mr_module *model;
    mr_task *task;
} bench;

static bench set_up(int64_t samples, fault f)
{
    bench b;
    now = f;
    *heard = '\0';
    b.rng = mr_rng_new(1);
    b.data = mr_dataset_new(&line_vtable, &samples, sizeof samples, fields, 2);
    b.loader = mr_loader_new(b.data, b.rng, &(mr_loader_opts){ .batch_size = 4 });
    b.model = mr_linear_new(1, 1, b.rng, NULL);
    b.task = mr_task_new(&task_vtable, b.model, NULL, 0);
    return b;
}

static void tear_down(bench *b)
{
    mr_task_free(b->task);
    mr_module_free(b->model);
    mr_loader_free(b->loader);
    mr_dataset_free(b->data);
    mr_rng_free(b->rng);
}

static bool exists(const char *path)
{
    struct stat s;
    return stat(path, &s) == 0;
}

static int count_entries(const char *path)
{
    DIR *d = opendir(path);
    int n = 0;
    for (struct dirent *e; d && (e = readdir(d));)
        n += e->d_name[0] != '.';
    if (d)
        closedir(d);
    return n;
}

static float weight(const bench *b)
{
    return *(float *)mr_tensor_data(mr_module_parameters(b->model).item[0].tensor);
}

/* ---- tests ---- */

static void test_files_and_lines(void)
{
    char path[400], text[4096] = "";
    bench b = set_up(10, none);
    mr_trainer *t = mr_trainer_new(&(mr_trainer_opts){
        .max_epochs = 4, .csv = dir, .name = "files", .log_every_n_steps = 2, .no_progress = true });
    CHECK_EQ_I64(mr_trainer_fit(t, b.task, b.loader), MR_OK);
    CHECK_EQ_I64(mr_trainer_global_step(t), 12);
    snprintf(path, sizeof path, "%s/files/version_0", dir);
    CHECK_EQ_STR(mr_trainer_log_dir(t), path);
    snprintf(path, sizeof path, "%s/files/version_0/checkpoints/epoch=3-step=12.safetensors", dir);
    CHECK_EQ_STR(mr_trainer_checkpoint_path(t), path);
    CHECK(exists(path));
    snprintf(path, sizeof path, "%s/files/version_0/checkpoints", dir);
    CHECK_EQ_I64(count_entries(path), 1); /* the latest alone, and no temporary */
    snprintf(path, sizeof path, "%s/files/version_0/hparams.yaml", dir);
    CHECK(exists(path));
    FILE *f = fopen(mr_trainer_metrics_path(t), "r");
    if (CHECK(f != NULL)) {
        text[fread(text, 1, sizeof text - 1, f)] = '\0';
        fclose(f);
        int rows = 0;
        for (char *c = text; *c; c++)
            rows += *c == '\n';
        CHECK_EQ_I64(rows, 7); /* a header, and steps 1, 3, 5, 7, 9, 11 */
        CHECK(strncmp(text, "loss,epoch,step,late\r\n", 22) == 0);
        CHECK(strstr(text, ",3,11,") != NULL);
    }
    CHECK(strstr(heard, "`Trainer.fit` stopped: `max_epochs=4` reached.") != NULL);
    CHECK(strstr(heard, "2         Trainable params") != NULL);
    CHECK_EQ_I64(mr_trainer_fit(t, b.task, b.loader), MR_OK);
    snprintf(path, sizeof path, "%s/files/version_1", dir);
    CHECK_EQ_STR(mr_trainer_log_dir(t), path);
    mr_trainer_free(t);
    tear_down(&b);
}

/* Where no row was due there is no file, and no path of one. */
static void test_no_row(void)
{
    bench b = set_up(10, none);
    mr_trainer *t = mr_trainer_new(
        &(mr_trainer_opts){ .max_epochs = 4, .csv = dir, .name = "rowless", .no_progress = true });
    CHECK_EQ_I64(mr_trainer_fit(t, b.task, b.loader), MR_OK);
    CHECK_EQ_STR(mr_trainer_metrics_path(t), "");
    CHECK(*mr_trainer_log_dir(t) && *mr_trainer_checkpoint_path(t));
    mr_trainer_free(t);
    tear_down(&b);
}

static void test_checkpoint_is_the_model(void)
{
    bench b = set_up(10, none), fresh = set_up(10, none);
    mr_trainer *t = mr_trainer_new(&(mr_trainer_opts){
        .max_epochs = 3, .csv = dir, .name = "weights", .no_progress = true, .no_summary = true });
    CHECK_EQ_I64(mr_trainer_fit(t, b.task, b.loader), MR_OK);
    CHECK(weight(&b) != weight(&fresh));
    CHECK_EQ_I64(mr_module_load(fresh.model, mr_trainer_checkpoint_path(t), NULL), MR_OK);
    CHECK(weight(&b) == weight(&fresh));
    CHECK_EQ_STR(heard, "");
    mr_trainer_free(t);
    tear_down(&b);
    tear_down(&fresh);
}

static void test_limits(void)
{
    static const struct {
        int64_t epochs, steps, want;
        const char *line;
    } table[] = { { 5, 0, 15, "`max_epochs=5` reached." },
                  { 0, 7, 7, "`max_steps=7` reached." },
                  { 2, 100, 6, "`max_epochs=2` reached." },
                  { -1, 4, 4, "`max_steps=4` reached." } };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        bench b = set_up(10, none);
        mr_trainer *t = mr_trainer_new(&(mr_trainer_opts){
            .max_epochs = table[i].epochs, .max_steps = table[i].steps, .no_progress = true });
        CHECK_EQ_I64(mr_trainer_fit(t, b.task, b.loader), MR_OK);
        CHECK_EQ_I64(mr_trainer_global_step(t), table[i].want);
        CHECK(strstr(heard, table[i].line) != NULL);
        CHECK_EQ_STR(mr_trainer_log_dir(t), "");
        mr_trainer_free(t);
        tear_down(&b);
    }
    bench b = set_up(0, none);
    mr_trainer *t = mr_trainer_new(&(mr_trainer_opts){ .no_progress = true });
    CHECK_EQ_I64(mr_trainer_fit(t, b.task, b.loader), MR_OK);
    CHECK(strstr(heard, "`Trainer.fit` stopped: No training batches.") != NULL);
    mr_trainer_free(t);
    tear_down(&b);
}

/* Trains with a fault and compares status and text; the weights are those of the last good step. */
static void expect_failure(fault f, mr_status status, const char *text)
{
    bench b = set_up(10, f);
    float before = weight(&b);
    mr_trainer *t =
        mr_trainer_new(&(mr_trainer_opts){ .max_epochs = 2, .no_progress = true, .no_summary = true });
    CHECK_EQ_I64(mr_trainer_fit(t, b.task, b.loader), status);
    CHECK_EQ_STR(mr_error(), text);
    if (f.nan_at == 0 || f.null_at == 0 || f.shapes)
        CHECK(weight(&b) == before);
    CHECK(isfinite(weight(&b)));
    mr_trainer_free(t);
    tear_down(&b);
}

static void test_failures(void)
{
    fault f = none;
    f.sample = 6;
    expect_failure(f, MR_ERR_IO, "loader: sample 6: file is gone");
    f = none;
    f.nan_at = 0;
    expect_failure(f, MR_ERR_NONFINITE, "fit: the loss is nan at epoch 0, step 0");
    f.nan_at = 4;
    expect_failure(f, MR_ERR_NONFINITE, "fit: the loss is nan at epoch 1, step 4");
    f = none;
    f.null_at = 0;
    expect_failure(f, MR_ERR_CALLBACK, "fit: epoch 0, step 0: training_step gave no loss");
    f = none;
    f.shapes = true;
    expect_failure(
        f, MR_ERR_SHAPE,
        "fit: epoch 0, step 0: Linear: linear: the last size of input x[4] is not the last of weight "
        "weight[1,1]");
}

static void test_unwritable_log(void)
{
    char file[300], text[600];
    snprintf(file, sizeof file, "%s/in_the_way", dir);
    FILE *f = fopen(file, "w");
    CHECK(f != NULL && fclose(f) == 0);
    bench b = set_up(10, none);
    mr_trainer *t =
        mr_trainer_new(&(mr_trainer_opts){ .max_epochs = 1, .csv = file, .name = "x", .no_progress = true });
    CHECK_EQ_I64(mr_trainer_fit(t, b.task, b.loader), MR_ERR_IO);
    snprintf(text, sizeof text, "%s", mr_error());
    CHECK(strstr(text, file) != NULL);
    CHECK(strstr(text, "Not a directory") != NULL);
    mr_trainer_free(t);
    tear_down(&b);
}

static void test_null_handles(void)
{
    mr_trainer *t = mr_trainer_new(NULL);
    mr_task *task = mr_task_new(&task_vtable, mr_linear_new(-1, 1, NULL, NULL), NULL, 0);
    CHECK(task == NULL);
    CHECK_EQ_I64(mr_trainer_fit(t, task, NULL), MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(), "linear_new: rng is NULL"); /* the first cause of all that was NULL since */
    CHECK_EQ_I64(mr_trainer_fit(t, task, NULL), MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(), "fit: task is NULL");
    mr_trainer_free(t);
    CHECK(mr_trainer_new(&(mr_trainer_opts){ .max_epochs = -2 }) == NULL);
    CHECK_EQ_STR(mr_error(), "trainer_new: max_epochs -2 is neither a number nor -1, no limit");
}

int main(void)
{
    char command[300];
    if (!mkdtemp(dir))
        return 1;
    mr_set_log_hook(hear, NULL);
    RUN(test_files_and_lines);
    RUN(test_no_row);
    RUN(test_checkpoint_is_the_model);
    RUN(test_limits);
    RUN(test_failures);
    RUN(test_unwritable_log);
    RUN(test_null_handles);
    snprintf(command, sizeof command, "rm -rf '%s'", dir);
    if (system(command))
        return 1;
    return check_report();
}

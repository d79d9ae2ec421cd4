/* Memory runs out in a training by the trainer: on its own thread, or on the
 * one that writes log and checkpoints. */
#include "refuse.h"

#include <millrace/millrace.h>

#include <fcntl.h>
#include <ftw.h>
#include <unistd.h>

/* ---- y = 2x ---- */

enum { ROWS = 10 };

static int64_t line_len(void *self)
{
    (void)self;
    return ROWS;
}

static mr_status line_get(void *self, int64_t index, const mr_sample *sample)
{
    (void)self;
    *(float *)sample->field[0] = (float)index / ROWS;
    *(float *)sample->field[1] = 2 * (float)index / ROWS;
    return MR_OK;
}

static const mr_dataset_vtable line_vtable = { .len = line_len, .get = line_get };
static const mr_field line_fields[] = { { .name = "x" }, { .name = "y" } };

static mr_tensor *training_step(mr_step *s, const mr_batch *b)
{
    mr_tensor *y =
        mr_squeeze(s->tape, mr_forward(s->model, s->tape, mr_unsqueeze(s->tape, b->field[0], 1)), 1);
    mr_tensor *loss = mr_mse_loss(s->tape, y, b->field[1], NULL);
    mr_log(s, "loss", loss, &(mr_log_opts){ .prog_bar = true });
    if (s->epoch > 0) /* a column that is new then: the file is written anew */
        mr_log(s, "late", loss, NULL);
    return loss;
}

static mr_optim *optimizers(void *self, mr_module *model)
{
    return mr_adam_new(mr_module_parameters(model), *(double *)self, NULL);
}

static mr_status test_step(mr_step *s, const mr_batch *b)
{
    mr_log_value(s, "rows", (double)b->rows, &(mr_log_opts){ .on_step = true });
    return MR_OK;
}

static const mr_task_vtable task_vtable = { .training_step = training_step,
                                            .configure_optimizers = optimizers,
                                            .validation_step = test_step,
                                            .test_step = test_step };

/* ---- what it leaves on the disk ---- */

static char dir[] = "/tmp/millrace-refused-XXXXXX";

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *at)
{
    (void)status;
    (void)type;
    return at->level ? remove(path) : 0;
}

static void empty_dir(void)
{
    nftw(dir, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

static double bytes_of(const char *path)
{
    struct stat there;
    return stat(path, &there) == 0 ? (double)there.st_size : 0;
}

/* ---- programs ---- */

static mr_trainer_opts opts_now;
static bool evaluates; /* before and behind the fit, and in it */

/* The bar is drawn on stdout, which is for the checks. */
static mr_status fit_quietly(mr_trainer *trainer, mr_task *task, mr_loader *loader)
{
    int was = dup(STDOUT_FILENO), nowhere = open("/dev/null", O_WRONLY);
    fflush(stdout);
    dup2(nowhere, STDOUT_FILENO);
    close(nowhere);
    mr_status status = mr_trainer_fit(trainer, task, loader);
    fflush(stdout);
    dup2(was, STDOUT_FILENO);
    close(was);
    return status;
}

/* The result: the weight, and the sizes of what was written. */
static double fit_here(mr_status *status)
{
    double lr = 0.1, sum = 0;
    mr_rng *rng = mr_rng_new(1);
    mr_dataset *data = mr_dataset_new(&line_vtable, NULL, 0, line_fields, 2);
    mr_loader *loader = mr_loader_new(data, rng, &(mr_loader_opts){ .batch_size = 4, .shuffle = true });
    mr_module *model = mr_sequential_add(mr_sequential_new(), mr_linear_new(1, 1, rng, NULL));
    mr_task *task = mr_task_new(&task_vtable, model, &lr, sizeof lr);
    mr_trainer *trainer = mr_trainer_new(&opts_now);
    *status = MR_OK;
    if (evaluates) {
        (void)mr_trainer_set_val_loader(trainer, loader);
        (void)mr_trainer_add_logger(trainer, mr_csv_logger_new(&(mr_csv_logger_opts){ .merged = true }));
        (void)mr_trainer_add_logger(trainer, mr_jsonl_logger_new(NULL));
        *status = mr_trainer_test(trainer, task, loader);
    }
    if (!*status)
        *status = fit_quietly(trainer, task, loader);
    if (!*status && evaluates)
        *status = mr_trainer_test(trainer, task, loader);
    if (*status == MR_OK) {
        sum = mr_item(mr_module_parameters(model).item[0].tensor) + (double)mr_trainer_global_step(trainer);
        sum += bytes_of(mr_trainer_metrics_path(trainer)) * 1e3;
        sum += bytes_of(mr_trainer_checkpoint_path(trainer)) * 1e6;
    }
    mr_trainer_free(trainer);
    mr_task_free(task);
    mr_module_free(model);
    mr_loader_free(loader);
    mr_dataset_free(data);
    mr_rng_free(rng);
    return sum;
}

static double fit_program(mr_status *status)
{
    empty_dir();
    return fit_here(status);
}

static char half_way[] = "/tmp/millrace-half-XXXXXX.safetensors";

/* The second half of a training, from the checkpoint of the first. */
static double resume_program(mr_status *status)
{
    empty_dir();
    opts_now.resume = half_way;
    opts_now.max_epochs = 2;
    return fit_here(status);
}

/* Has all the memory that it wants. */
static void make_half(void)
{
    char command[500];
    mr_status status;
    refuse_end();
    opts_now.max_epochs = 1;
    fit_program(&status);
    CHECK_EQ_I64(status, MR_OK);
    CHECK(close(mkstemps(half_way, 12)) == 0);
    snprintf(command, sizeof command, "cp '%s/lightning_logs/version_0/checkpoints/'* '%s'", dir, half_way);
    CHECK(system(command) == 0);
    refuse_begin();
}

static void keep_quiet(void *user, mr_log_level level, const char *line)
{
    (void)user;
    (void)level;
    (void)line;
}

static void test_bare_fit(void)
{
    opts_now = (mr_trainer_opts){ .max_epochs = 2, .no_progress = true, .no_summary = true };
    refuse_each("bare", fit_program, 40);
}

static void test_fit_with_a_log(void)
{
    opts_now = (mr_trainer_opts){
        .max_epochs = 2, .log_every_n_steps = 1, .csv = dir, .name = "run", .no_checkpoint = true
    };
    refuse_each("log", fit_program, 60);
}

static void test_fit_with_checkpoints(void)
{
    opts_now = (mr_trainer_opts){ .max_epochs = 2, .log_every_n_steps = 2, .csv = dir };
    refuse_each("checkpoints", fit_program, 120);
}

static void test_evaluations(void)
{
    opts_now = (mr_trainer_opts){ .max_epochs = 1, .csv = dir, .no_checkpoint = true, .no_summary = true };
    evaluates = true;
    refuse_each("evaluations", fit_program, 120);
    evaluates = false;
}

static void test_resumed_fit(void)
{
    opts_now = (mr_trainer_opts){ .log_every_n_steps = 1, .csv = dir };
    make_half();
    opts_now.no_checkpoint = true; /* they are tested above */
    refuse.any_failure = true;     /* jansson's parser does not say that memory was out */
    refuse_each("resume", resume_program, 200);
    refuse.any_failure = false;
    unlink(half_way);
}

int main(void)
{
    if (!mkdtemp(dir))
        return 1;
    mr_set_log_hook(keep_quiet, NULL);
    refuse_begin();
    RUN(test_bare_fit);
    RUN(test_fit_with_a_log);
    RUN(test_fit_with_checkpoints);
    RUN(test_evaluations);
    RUN(test_resumed_fit);
    refuse_end();
    empty_dir();
    rmdir(dir);
    return check_report();
}

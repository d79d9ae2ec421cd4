/* Checkpoints that are cut at every byte, or have a bit that is wrong, are refused in words and passed over for an
 * older one; disks that are full and folders that are closed leave the last good one, and the training goes on from it
 * when there is room again. */
#include "resume.h"

#include "train/resume.h"

/* ---- the log ---- */

static char heard[1 << 16];

static void hear(void *user, mr_log_level level, const char *line)
{
    (void)user;
    if (level != MR_LOG_WARNING || strlen(heard) + strlen(line) + 2 > sizeof heard)
        return;
    strcat(heard, line);
    strcat(heard, "\n");
}

static bool was_heard(const char *line)
{
    char whole[1200];
    snprintf(whole, sizeof whole, "%s\n", line);
    return strstr(heard, whole) != NULL;
}

/* ---- one that is damaged ---- */

static char contents[1 << 16], good[1 << 16];
static size_t size;
static char newest[400], older[400];

static mr_tensor *line_step(mr_step *s, const mr_batch *b)
{
    mr_tensor *y = mr_forward(s->model, s->tape, mr_unsqueeze(s->tape, b->field[0], 1));
    mr_tensor *loss = mr_mse_loss(s->tape, mr_squeeze(s->tape, y, 1), b->field[1], NULL);
    mr_log(s, "loss", loss, &(mr_log_opts){ .on_epoch = true });
    return loss;
}

static mr_optim *line_optimizer(void *self, mr_module *model)
{
    (void)self;
    return mr_adam_new(mr_module_parameters(model), 0.05, NULL);
}

/* A training with a small checkpoint. */
static mr_status fit_line(const char *name, int64_t steps)
{
    static const mr_task_vtable vtable = { .training_step = line_step,
                                           .configure_optimizers = line_optimizer };
    mr_rng *rng = mr_rng_new(1);
    mr_dataset *data = mr_dataset_new(&data_vtable, NULL, 0, fields, 2);
    mr_loader *loader = mr_loader_new(data, rng, &(mr_loader_opts){ .batch_size = 10, .shuffle = true });
    mr_module *model = mr_linear_new(1, 1, rng, NULL);
    mr_task *task = mr_task_new(&vtable, model, NULL, 0);
    mr_trainer *t = mr_trainer_new(&(mr_trainer_opts){ .csv = files_folder,
                                                       .name = name,
                                                       .max_steps = steps,
                                                       .log_every_n_steps = 1,
                                                       .resume = "last",
                                                       .no_progress = true,
                                                       .no_summary = true });
    mr_status status = mr_trainer_fit(t, task, loader);
    mr_trainer_free(t);
    mr_task_free(task);
    mr_module_free(model);
    mr_loader_free(loader);
    mr_dataset_free(data);
    mr_rng_free(rng);
    return status;
}

/* A training that was ended within its second epoch, and its checkpoint once more under an older name. */
static bool begin_damaged(void)
{
    CHECK_EQ_I64(fit_line("damaged", 8), MR_OK);
    snprintf(newest, sizeof newest, "%s",
             in_folder("damaged/version_0/checkpoints/epoch=1-step=8.safetensors"));
    snprintf(older, sizeof older, "%s",
             in_folder("damaged/version_0/checkpoints/epoch=0-step=5.safetensors"));
    memcpy(contents, file_contents(newest, &size), sizeof contents - 1);
    memcpy(good, contents, sizeof good);
    file_put(older, good, size);
    return CHECK(size > 5000);
}

/* Looks for the newest, of which `count` bytes are there. */
static void look(size_t count)
{
    char wanted[1000];
    mr__resume found;
    mr_trainer *t = mr_trainer_new(
        &(mr_trainer_opts){ .csv = files_folder, .name = "damaged", .resume = "last", .no_progress = true });
    mr_trainer *direct = mr_trainer_new(&(mr_trainer_opts){ .resume = newest, .no_progress = true });
    file_put(newest, contents, count);
    *heard = '\0';
    CHECK_EQ_I64(mr__resume_find(t, &found), MR_OK);
    CHECK_EQ_STR(found.path, older);
    snprintf(wanted, sizeof wanted, "resume: passed over a checkpoint: load '%s': ", newest);
    CHECK(strncmp(heard, wanted, strlen(wanted)) == 0 && strlen(heard) > strlen(wanted) + 10);
    mr__resume_free(&found);
    CHECK_EQ_I64(mr__resume_find(direct, &found), MR_ERR_FORMAT);
    snprintf(wanted, sizeof wanted, "load '%s': ", newest);
    CHECK(strncmp(mr_error(), wanted, strlen(wanted)) == 0 && strlen(mr_error()) > strlen(wanted) + 10);
    mr__resume_free(&found);
    mr_trainer_free(t);
    mr_trainer_free(direct);
}

static void test_cut(void)
{
    for (size_t cut = 0; cut < size; cut++)
        look(cut);
    contents[size] = 'x';
    look(size + 1);
}

/* The bit is another one in each byte. */
static void test_bits(void)
{
    for (size_t at = 0; at < size; at++) {
        contents[at] = (char)(contents[at] ^ 1 << at % 8);
        look(size);
        contents[at] = good[at];
    }
}

static void test_goes_on(void)
{
    CHECK_EQ_I64(fit_line("undamaged", 13), MR_OK);
    file_put(newest, contents, size / 2);
    CHECK_EQ_I64(fit_line("damaged", 13), MR_OK);
    CHECK(same("undamaged", "damaged"));
}

/* ---- a full disk ---- */

static void all_logs(mr_trainer *t)
{
    (void)mr_trainer_add_callback(
        t, mr_model_checkpoint_new(&(mr_model_checkpoint_opts){ .monitor = "val_loss",
                                                                .save_top_k = 2,
                                                                .save_last = true,
                                                                .filename = "{epoch}-{val_loss:.3f}" }));
    (void)mr_trainer_add_callback(t, mr_ema_new(&(mr_ema_opts){ .decay = 0.9 }));
    (void)mr_trainer_add_logger(t, mr_csv_logger_new(&(mr_csv_logger_opts){ .merged = true }));
    (void)mr_trainer_add_logger(t, mr_jsonl_logger_new(NULL));
    (void)mr_trainer_add_logger(t, mr_tensorboard_logger_new(NULL));
    (void)mr_trainer_set_hparam(t, "lr", 0.05);
}

/* How many of the trainer's own checkpoints there are in a folder. */
static int count_own(const char *name)
{
    int64_t epoch, step;
    int count = 0;
    char path[100];
    snprintf(path, sizeof path, "%s/version_0/checkpoints", name);
    DIR *dir = opendir(in_folder(path));
    for (const struct dirent *entry; dir && (entry = readdir(dir));) {
        count += mr__checkpoint_step(entry->d_name, &epoch, &step);
        CHECK(entry->d_name[0] == '.' ? strlen(entry->d_name) < 3 : true); /* nothing is left half done */
    }
    if (dir)
        closedir(dir);
    return count;
}

/* There is room for files of more and more bytes: each time it gets a bit farther. What failed is said with the file
 * and the reason, in the message and in the log, and a checkpoint that was there is there. */
static void test_full_disk(void)
{
    const mr_trainer_opts opts = { .max_epochs = EPOCHS, .log_every_n_steps = 1, .checkpoint_every = "2ba" };
    mr_status status = MR_ERR_IO;
    int failures = 0;
    add_callbacks = all_logs;
    CHECK_EQ_I64(fit("room", NULL, &opts, 0, false), MR_OK);
    for (size_t bytes = 10; status; bytes += bytes / 4 + 100) {
        const int before = count_own("full");
        char said[1000];
        *heard = '\0';
        files_limit(bytes);
        status = fit("full", "last", &opts, 0, false);
        files_limit(0);
        if (status == MR_OK)
            break;
        failures++;
        CHECK_EQ_I64(status, MR_ERR_IO);
        CHECK(strncmp(mr_error(), "cannot write '/tmp/", 18) == 0 ||
              strncmp(mr_error(), "cannot write '/dev/", 18) == 0);
        CHECK(strstr(mr_error(), "': File too large") != NULL);
        CHECK(count_own("full") >= before && count_own("full") <= 1);
        if (strstr(mr_error(), "hparams.yaml"))
            continue; /* before the training */
        snprintf(said, sizeof said, "fit: %s: the training ends at step ", mr_error());
        CHECK(strstr(heard, said) != NULL);
        CHECK(strstr(heard, "\nfit: the last checkpoint is '") || was_heard("fit: there is no checkpoint") ||
              was_heard("fit: there is no checkpoint but the one it has gone on from"));
        if (bytes > 100000 && !CHECK(status == MR_OK))
            break;
    }
    CHECK(failures > 5);
    CHECK(same("room", "full"));
    add_callbacks = NULL;
}

/* It becomes full when there is a checkpoint. */
static void test_full_later(void)
{
    mr_trainer_opts opts = { .max_epochs = 2, .log_every_n_steps = 1, .checkpoint_every = "2ba" };
    add_callbacks = all_logs;
    CHECK_EQ_I64(fit("filling", NULL, &opts, 0, false), MR_OK);
    opts.max_epochs = EPOCHS;
    for (size_t bytes = 20000; bytes < 80000; bytes += 20000) {
        *heard = '\0';
        files_limit(bytes);
        mr_status status = fit("filling", "last", &opts, 0, false);
        files_limit(0);
        CHECK_EQ_I64(count_own("filling"), 1);
        if (status == MR_OK)
            break;
        CHECK_EQ_I64(status, MR_ERR_IO);
        CHECK(strstr(mr_error(), "safetensors': File too large") != NULL);
        CHECK(was_heard("fit: there is no checkpoint but the one it has gone on from"));
    }
    CHECK(same("room", "filling"));
    add_callbacks = NULL;
}

/* ---- a closed folder ---- */

static void test_closed_folder(void)
{
    mr_trainer_opts opts = { .max_epochs = 1 };
    char checkpoints[300], wanted[600];
    CHECK_EQ_I64(fit("open", NULL, &opts, 0, false), MR_OK);
    snprintf(checkpoints, sizeof checkpoints, "%s", in_folder("open/version_0/checkpoints"));
    CHECK(system(NULL));
    snprintf(wanted, sizeof wanted, "chmod -R a+rwX '%s/open' && chmod a-w '%s'", files_folder, checkpoints);
    CHECK(system(wanted) == 0);
    *heard = '\0';
    files_be_nobody(true);
    opts.max_epochs = 2;
    CHECK_EQ_I64(fit("open", "last", &opts, 0, false), MR_ERR_IO);
    files_be_nobody(false);
    snprintf(wanted, sizeof wanted, "cannot write '%s/epoch=1-step=15.safetensors': Permission denied",
             checkpoints);
    CHECK_EQ_STR(mr_error(), wanted);
    CHECK(was_heard("fit: there is no checkpoint but the one it has gone on from"));
    CHECK_EQ_I64(count_own("open"), 1);
    CHECK(chmod(checkpoints, 0777) == 0);
    CHECK_EQ_I64(fit("open", "last", &opts, 0, false), MR_OK);
    CHECK_EQ_I64(fit("opened", NULL, &opts, 0, false), MR_OK);
    CHECK(same("opened", "open"));
}

static const char *kept_dir;

static void keep_there(mr_trainer *t)
{
    (void)mr_trainer_add_callback(
        t, mr_model_checkpoint_new(&(mr_model_checkpoint_opts){ .filename = "a", .dir = kept_dir }));
}

static void test_closed_dir_of_best(void)
{
    char dir[300], wanted[600];
    snprintf(dir, sizeof dir, "%s", in_folder("closed"));
    kept_dir = dir;
    CHECK(mkdir(dir, 0777) == 0 && chmod(dir, 0555) == 0);
    add_callbacks = keep_there;
    files_be_nobody(true);
    CHECK_EQ_I64(fit("best", NULL, &(mr_trainer_opts){ .max_epochs = 1 }, 0, false), MR_ERR_IO);
    snprintf(wanted, sizeof wanted, "cannot write '%s/a.safetensors': Permission denied", dir);
    CHECK_EQ_STR(mr_error(), wanted);
    snprintf(dir, sizeof dir, "%s", in_folder("closed/below"));
    CHECK_EQ_I64(fit("best", NULL, &(mr_trainer_opts){ .max_epochs = 1 }, 0, false), MR_ERR_IO);
    files_be_nobody(false);
    snprintf(wanted, sizeof wanted, "fit: ModelCheckpoint: cannot make folder '%s': Permission denied", dir);
    CHECK_EQ_STR(mr_error(), wanted);
    add_callbacks = NULL;
}

int main(void)
{
    if (!files_begin_in_memory() || chmod(files_folder, 0777) != 0)
        return 1;
    mr_set_log_hook(hear, NULL);
    if (begin_damaged()) {
        RUN(test_cut);
        RUN(test_bits);
        RUN(test_goes_on);
    }
    RUN(test_full_disk);
    RUN(test_full_later);
    RUN(test_closed_folder);
    RUN(test_closed_dir_of_best);
    return files_report();
}

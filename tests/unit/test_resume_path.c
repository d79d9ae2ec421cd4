/* Going back to an earlier checkpoint by its path: later ones go, but not when the training is refused. */
#include "resume.h"

static char older[300];

static void command(const char *format, const char *a, const char *b)
{
    char text[1200];
    snprintf(text, sizeof text, format, files_folder, a, files_folder, b);
    CHECK(system(text) == 0);
}

static mr_status no_row(void *self, const mr_log_row *row)
{
    (void)self;
    (void)row;
    return MR_OK;
}

static mr_status tell(void *self, const void **position, size_t *bytes)
{
    (void)self;
    *position = "here";
    *bytes = 4;
    return MR_OK;
}

static bool refuses;
static int checked, opened;

static mr_status check(void *self, const mr_log_run *run)
{
    (void)self;
    CHECK(run->resumed && run->position_bytes == 4 && memcmp(run->position, "here", 4) == 0);
    checked++;
    return refuses ? mr_fail(MR_ERR_STATE, "not from there") : MR_OK;
}

static mr_status open_log(void *self, const mr_log_run *run)
{
    (void)self;
    opened++;
    CHECK(!run->resumed || checked > 0);
    return MR_OK;
}

static void loggers(mr_trainer *t)
{
    static const mr_logger_vtable vtable = {
        .name = "own", .open = open_log, .row = no_row, .tell = tell, .check = check
    };
    checked = opened = 0;
    (void)mr_trainer_add_logger(t, mr_jsonl_logger_new(NULL));
    (void)mr_trainer_add_logger(t, mr_csv_logger_new(&(mr_csv_logger_opts){ .merged = true }));
    (void)mr_trainer_add_logger(t, mr_logger_new(&vtable, NULL, 0));
}

/* A training of four epochs, and its checkpoint after two besides its last one. */
static void make(const char *name)
{
    mr_trainer_opts opts = { .max_epochs = 2, .log_every_n_steps = 1 };
    char last[200];
    add_callbacks = loggers;
    CHECK_EQ_I64(fit(name, NULL, &opts, 0, false), MR_OK);
    snprintf(last, sizeof last, "%s/version_0/checkpoints/epoch=1-step=15.safetensors", name);
    command("cp '%s/%s' '%s/%s'", last, "older");
    opts.max_epochs = 4;
    CHECK_EQ_I64(fit(name, "last", &opts, 0, false), MR_OK);
    command("cp '%s/%s' '%s/%s'", "older", last);
    snprintf(older, sizeof older, "%s", in_folder(last));
    snprintf(last, sizeof last, "%s/version_0/checkpoints/epoch=3-step=31.safetensors", name);
    CHECK(file_exists(in_folder(last)));
}

/* Going back fails, and leaves all files as they are: going on does not fail then. */
static void check_refused(const char *name, const mr_trainer_opts *opts, mr_status wanted, const char *text)
{
    command("cp -r '%s/%s' '%s/%s'", name, "before");
    mr_status status = fit(name, older, opts, 0, false);
    const char *end = strstr(mr_error(), text);
    CHECK_EQ_I64(status, wanted);
    CHECK_EQ_STR(end ? end : mr_error(), text);
    CHECK_EQ_I64(opened, 0);
    CHECK(same(name, "before"));
    command("rm -rf '%s/%s' '%s/%s'", "before", "before");
}

/* Changes a letter of a log, or back: b for a. */
static void change(const char *file, const char *edit)
{
    char text[1200];
    snprintf(text, sizeof text, "sed -i '1%s' '%s/refused/version_0/%s'", edit, files_folder, file);
    CHECK(system(text) == 0);
}

static void test_refused(void)
{
    mr_trainer_opts opts = { .max_epochs = 6, .log_every_n_steps = 1 };
    make("refused");
    change("metrics.csv", "s/loss/lost/");
    check_refused("refused", &opts, MR_ERR_FORMAT,
                  "does not begin with the 27 rows that the checkpoint was written behind");
    change("metrics.csv", "s/lost/loss/");
    change("merged.csv", "s/loss/lost/"); /* neither are the logs before it cut */
    check_refused("refused", &opts, MR_ERR_FORMAT,
                  "does not begin with the 22 rows that the checkpoint was written behind");
    change("merged.csv", "s/lost/loss/");
    change("metrics.jsonl", "s/loss/lost/");
    check_refused("refused", &opts, MR_ERR_FORMAT, " bytes that the checkpoint was written behind");
    change("metrics.jsonl", "s/lost/loss/");
    refuses = true;
    check_refused("refused", &opts, MR_ERR_STATE, "not from there");
    refuses = false;
    opts.val_check_interval = "3ba";
    opts.check_val_every_n_epoch = 2;
    check_refused(
        "refused", &opts, MR_ERR_ARGUMENT,
        "fit: check_val_every_n_epoch is not for a val_check_interval that is counted over all epochs");
    opts.val_check_interval = NULL;
    opts.check_val_every_n_epoch = 1;
    CHECK_EQ_I64(fit("refused", "last", &opts, 0, false), MR_OK);
    CHECK_EQ_I64(fit("refused_whole", NULL, &opts, 0, false), MR_OK);
    CHECK(same("refused_whole", "refused"));
}

static void test_gone_back(void)
{
    const mr_trainer_opts opts = { .max_epochs = 6, .log_every_n_steps = 1 };
    make("back");
    CHECK_EQ_I64(fit("back", older, &opts, 0, false), MR_OK);
    CHECK_EQ_I64(checked, 1);
    CHECK_EQ_I64(opened, 1);
    CHECK(same("refused_whole", "back"));
}

int main(void)
{
    if (!files_begin_in_memory())
        return 1;
    RUN(test_refused);
    RUN(test_gone_back);
    return files_report();
}

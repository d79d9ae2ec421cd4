/* Memory runs out in loggers, in all of them at once: while a log is begun, written and gone on with. */
#include "refuse.h"

#include "loggers/logger.h"

#include <millrace/train.h>

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[] = "/tmp/millrace-refused-XXXXXX";

enum { LOGGERS = 4 };

static mr_status put(mr__loggers *all, int64_t step, const char *name, double value)
{
    return mr__loggers_row(all, &(mr_log_row){ MR_ROW_STEP, step, 0, 1, &name, &value });
}

/* Two rows, of which the second has a new column. */
static mr_status put_rows(mr__loggers *all, int64_t step)
{
    mr_status s = put(all, step, "loss", 0.5);
    if (!s)
        s = put(all, step + 1, "a name that is rather long, \"with quotes\"", 0.25);
    return s ? s : mr__loggers_flush(all);
}

static mr_status log_twice(mr__loggers *all)
{
    const mr_hparam hparams[] = { { .name = "lr", .real = 0.1 },
                                  { .name = "o", .kind = MR_HPARAM_TEXT, .text = "adam" } };
    mr_log_run run = { .name = "net", .dir = dir, .hparams = hparams, .hparam_count = 2 };
    mr__position at[LOGGERS] = { { NULL, 0 } };
    char kept[LOGGERS][512];
    mr_status s = mr__loggers_open(all, &run, at);
    if (!s)
        s = put_rows(all, 0);
    if (!s)
        s = mr__loggers_sync(all, at);
    for (int i = 0; i < LOGGERS && !s; i++)
        at[i].data = memcpy(kept[i], at[i].data, at[i].bytes);
    if (!s)
        s = put_rows(all, 2);
    mr_status closed = mr__loggers_close(all);
    if (s || closed)
        return s ? s : closed;
    run.resumed = true;
    s = mr__loggers_open(all, &run, at);
    if (!s)
        s = put_rows(all, 4);
    closed = mr__loggers_close(all);
    return s ? s : closed;
}

static double size_of(const char *name)
{
    char path[100];
    struct stat there;
    snprintf(path, sizeof path, "%s/%s", dir, name);
    return stat(path, &there) == 0 ? (double)there.st_size : 0;
}

static double program(mr_status *status)
{
    mr_logger *item[LOGGERS] = { mr_csv_logger_new(NULL),
                                 mr_csv_logger_new(&(mr_csv_logger_opts){ .merged = true }),
                                 mr_jsonl_logger_new(NULL), mr_tensorboard_logger_new(NULL) };
    mr__loggers all = { item, LOGGERS, 0 };
    *status = mr__pending() ? mr_error_status() : log_twice(&all);
    (void)mr__settle(*status);
    for (int i = 0; i < LOGGERS; i++)
        mr_logger_free(item[i]);
    return size_of("metrics.csv") + 1e3 * size_of("merged.csv") + 1e6 * size_of("metrics.jsonl") +
           1e9 * size_of("events.out.tfevents.millrace");
}

/* Paths and hyperparameters. */
static double making(mr_status *status)
{
    mr_trainer *t = mr_trainer_new(&(mr_trainer_opts){ .save_dir = dir });
    (void)mr_trainer_add_logger(t, mr_csv_logger_new(&(mr_csv_logger_opts){ .path = "a path" }));
    (void)mr_trainer_add_logger(t, mr_jsonl_logger_new(&(mr_jsonl_logger_opts){ .path = "a path" }));
    for (int i = 0; i < 10; i++) {
        char name[] = { (char)('a' + i), '\0' };
        (void)mr_trainer_set_hparam_text(t, name, "a text");
        (void)mr_trainer_set_hparam(t, name, 1);
    }
    *status = mr__pending() ? mr_error_status() : MR_OK;
    (void)mr__settle(*status);
    mr_trainer_free(t);
    return 1;
}

int main(void)
{
    char command[64];
    if (!mkdtemp(dir))
        return 1;
    refuse_begin();
    refuse_each("logging", program, 60);
    refuse_each("making", making, 15);
    refuse_end();
    snprintf(command, sizeof command, "rm -r '%s'", dir);
    CHECK(system(command) == 0);
    return check_report();
}

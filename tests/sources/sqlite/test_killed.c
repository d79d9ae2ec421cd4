/* A training with all that a training has (accumulation, validations within epochs, a schedule that looks at a metric,
 * an average, the best checkpoints, early stopping, all loggers) is killed from outside, at any moment, again and
 * again, with other numbers of workers; in the end its checkpoints, weights and logs are those of one that was not
 * killed. */
#include <millrace/loggers/sqlite.h>

#include "resume.h"

#include <sqlite3.h>

/* ---- the training ---- */

static char database[500];
static bool stops; /* early */

static void add_everything(mr_trainer *t)
{
    (void)mr_trainer_add_callback(t, mr_ema_new(&(mr_ema_opts){ .decay = 0.9, .use_buffers = true }));
    (void)mr_trainer_add_callback(
        t, mr_model_checkpoint_new(&(mr_model_checkpoint_opts){ .monitor = "val_loss",
                                                                .save_top_k = 3,
                                                                .save_last = true,
                                                                .filename = "{epoch}-{val_loss:.4f}" }));
    (void)mr_trainer_add_callback(
        t, mr_early_stopping_new("val_loss", &(mr_early_stopping_opts){ .patience = 100,
                                                                        .has_stopping_threshold = stops,
                                                                        .stopping_threshold = 0.3,
                                                                        .restore_best = true }));
    (void)mr_trainer_add_callback(t, mr_lr_monitor_new(NULL));
    (void)mr_trainer_add_logger(t, mr_csv_logger_new(&(mr_csv_logger_opts){ .merged = true }));
    (void)mr_trainer_add_logger(t, mr_jsonl_logger_new(NULL));
    (void)mr_trainer_add_logger(t, mr_tensorboard_logger_new(NULL));
    (void)mr_trainer_add_logger(t, mr_sqlite_logger_new(database, NULL));
    (void)mr_trainer_set_hparam(t, "lr", 0.05);
}

static mr_status fit_logged(const char *name, const mr_trainer_opts *opts, int workers)
{
    snprintf(database, sizeof database, "%s/%s.db", files_folder, name);
    return fit(name, "last", opts, workers, false);
}

/* ---- killing ---- */

static long duration; /* nanoseconds that a whole training takes, started anew */

static long now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000L + t.tv_nsec;
}

/* In a process of its own, killed from here after `wait` nanoseconds (0: never); whether it was. */
static bool killed_after(const char *name, const mr_trainer_opts *opts, int workers, long wait)
{
    int how = 0;
    fflush(stdout);
    pid_t child = fork();
    if (child == 0)
        _exit(fit_logged(name, opts, workers) == MR_OK ? 0 : 1);
    if (!CHECK(child > 0))
        return false;
    if (wait) {
        nanosleep(&(struct timespec){ wait / 1000000000L, wait % 1000000000L }, NULL);
        kill(child, SIGKILL);
    }
    CHECK(waitpid(child, &how, 0) == child);
    CHECK(WIFSIGNALED(how) ? WTERMSIG(how) == SIGKILL : WEXITSTATUS(how) == 0);
    return WIFSIGNALED(how);
}

/* ---- what a database holds ---- */

/* The rows of all runs, without what is another in each: names and times. */
static char *rows_of(const char *name, size_t *count)
{
    static const char *const questions[] = {
        "SELECT id, version FROM runs ORDER BY id",
        "SELECT run, name, value FROM params ORDER BY run, name",
        "SELECT number, kind, epoch, step, name, printf('%!.17g', value) FROM metrics ORDER BY number, name",
    };
    char path[600], *text = NULL;
    size_t bytes = 0;
    sqlite3 *db = NULL;
    FILE *out = open_memstream(&text, &bytes);
    snprintf(path, sizeof path, "%s/%s.db", files_folder, name);
    CHECK(out && sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL) == SQLITE_OK);
    *count = 0;
    for (int i = 0; i < 3; i++) {
        sqlite3_stmt *statement = NULL;
        CHECK(sqlite3_prepare_v2(db, questions[i], -1, &statement, NULL) == SQLITE_OK);
        for (; sqlite3_step(statement) == SQLITE_ROW; ++*count)
            for (int k = 0; k < sqlite3_column_count(statement); k++)
                fprintf(out, "%s%c", (const char *)sqlite3_column_text(statement, k),
                        k + 1 < sqlite3_column_count(statement) ? '|' : '\n');
        sqlite3_finalize(statement);
    }
    sqlite3_close(db);
    fclose(out);
    return text;
}

static bool same_rows(const char *a, const char *b)
{
    size_t of_a, of_b;
    char *x = rows_of(a, &of_a), *y = rows_of(b, &of_b);
    const bool equal = strcmp(x, y) == 0 && of_a > 60;
    if (!equal)
        printf("    %zu and %zu rows\n", of_a, of_b);
    free(x);
    free(y);
    return equal;
}

/* The version folders are equal, and the weights. What was killed may have left half of a file of weights. */
static bool same_files(const char *a, const char *b)
{
    char of_a[100], of_b[100], command[800];
    snprintf(of_a, sizeof of_a, "%s/version_0", a);
    snprintf(of_b, sizeof of_b, "%s/version_0", b);
    snprintf(command, sizeof command, "cmp '%s/%s/model.safetensors' '%s/%s/model.safetensors'", files_folder,
             a, files_folder, b);
    return same(of_a, of_b) && system(command) == 0;
}

/* ---- tests ---- */

static int kills_in_all, at_start;

static bool has_checkpoint(const char *name)
{
    char path[200];
    snprintf(path, sizeof path, "%s/version_0/checkpoints", name);
    return count_entries(in_folder(path)) > 0;
}

/* Killed up to so many times, at moments that are drawn anew, and then let come to its end. */
static void check_rounds(const char *name, const mr_trainer_opts *opts, int rounds, int most)
{
    char whole[60], killed[60];
    snprintf(whole, sizeof whole, "%s_whole", name);
    duration = now();
    CHECK(!killed_after(whole, opts, 0, 0));
    duration = now() - duration;
    for (int i = 0; i < rounds; i++) {
        int kills = 0;
        snprintf(killed, sizeof killed, "%s_%d", name, i);
        /* Half of them early: until its first checkpoint a training begins anew. */
        while (kills < most &&
               killed_after(killed, opts, (int)random_below(4),
                            1 + (long)random_below(10000) * (duration / 10000) / (random_below(2) ? 8 : 2))) {
            kills++;
            at_start += !has_checkpoint(killed);
        }
        kills_in_all += kills;
        CHECK(!killed_after(killed, opts, (int)random_below(4), 0));
        CHECK(same_files(whole, killed));
        CHECK(same_rows(whole, killed));
    }
}

static void test_killed(void)
{
    mr_trainer_opts opts = { .max_epochs = EPOCHS,
                             .log_every_n_steps = 1,
                             .checkpoint_every = "1ba",
                             .accumulate_grad_batches = 4,
                             .gradient_clip_norm = 0.5,
                             .val_check_interval = "0.5ep",
                             .num_sanity_val_steps = 1 };
    add_callbacks = add_everything;
    pause_us = 1000;
    check_rounds("windows", &opts, 5, 15);
    stops = true;
    opts.val_check_interval = NULL;
    opts.accumulate_grad_batches = 2;
    opts.checkpoint_every = "3ba";
    check_rounds("stops", &opts, 4, 15);
    CHECK(!file_exists(in_folder("stops_whole/version_0/checkpoints/epoch=5-step=24.safetensors")));
    printf("note: killed %d times, %d of them before the first checkpoint\n", kills_in_all, at_start);
}

int main(void)
{
    if (!files_begin_in_memory())
        return 1;
    RUN(test_killed);
    return files_report();
}

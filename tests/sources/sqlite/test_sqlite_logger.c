/* Trainings in a SQLite database: what SQL finds there; many runs in one file; going on; killed and resumed; faults in words. */
#include <millrace/loggers/sqlite.h>

#include "check.h"
#include "fit.h"
#include "logger.h"

#include <signal.h>
#include <sqlite3.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

static const char *base(void)
{
    return in_folder("runs.db");
}

/* What a query gives: cells with | between them, rows with lines. */
static const char *ask(const char *sql)
{
    static char text[1 << 14];
    size_t used = 0;
    sqlite3 *db = NULL;
    sqlite3_stmt *statement = NULL;
    text[0] = '\0';
    CHECK(sqlite3_open_v2(base(), &db, SQLITE_OPEN_READONLY, NULL) == SQLITE_OK);
    if (!CHECK(sqlite3_prepare_v2(db, sql, -1, &statement, NULL) == SQLITE_OK))
        printf("    %s\n", sqlite3_errmsg(db));
    while (sqlite3_step(statement) == SQLITE_ROW)
        for (int i = 0; i < sqlite3_column_count(statement); i++) {
            const unsigned char *cell = sqlite3_column_text(statement, i);
            used +=
                (size_t)snprintf(text + used, sizeof text - used, "%s%s", cell ? (const char *)cell : "NULL",
                                 i + 1 < sqlite3_column_count(statement) ? "|" : "\n");
        }
    sqlite3_finalize(statement);
    sqlite3_close(db);
    return text;
}

static mr_logger *logger(void)
{
    return mr_sqlite_logger_new(base(), NULL);
}

static void begin_anew(void)
{
    unlink(base());
    unlink(in_folder("runs.db-wal"));
    unlink(in_folder("runs.db-shm"));
}

static const char metrics[] = "SELECT run, number, kind, epoch, step, name, value, time FROM metrics";

/* ---- what is written ---- */

static void test_rows(void)
{
    static const mr_hparam hparams[] = { { .name = "bias", .kind = MR_HPARAM_BOOL, .integer = 1 },
                                         { .name = "layers", .kind = MR_HPARAM_INT, .integer = 3 },
                                         { .name = "lr", .real = 0.1 },
                                         { .name = "o", .kind = MR_HPARAM_TEXT, .text = "it's" } };
    static const char *const names[] = { "loss", "step" };
    const double values[] = { 0.5, 7 };
    begin_anew();
    const mr_log_run run = { .name = "net", .version = -1, .hparams = hparams, .hparam_count = 4 };
    CHECK_EQ_I64(log_open_run(logger(), &run, (mr__position){ NULL, 0 }), MR_OK);
    CHECK_EQ_I64(log_row((mr_log_row){ MR_ROW_STEP, 0, 0, 2, names, values }), MR_OK);
    CHECK_EQ_STR(ask(metrics), ""); /* not committed yet */
    CHECK_EQ_I64(log_flush(), MR_OK);
    CHECK_EQ_STR(ask(metrics), "1|0|step|0|0|loss|0.5|NULL\n1|1|step|0|0|step|7.0|NULL\n");
    CHECK_EQ_I64(log_row((mr_log_row){ MR_ROW_VALIDATION, 5, -1, 1, names, values }), MR_OK);
    CHECK_EQ_I64(log_row((mr_log_row){ MR_ROW_EPOCH, 5, 1, 0, names, values }), MR_OK);
    CHECK_EQ_I64(log_one("x", NAN, 2, 6), MR_OK);
    CHECK_EQ_I64(log_one("x", -INFINITY, 2, 6), MR_OK);
    CHECK_EQ_I64(log_one("x", 1.0 / 3, 2, INT64_C(1) << 40), MR_OK);
    CHECK_EQ_I64(log_close(), MR_OK);
    CHECK(!file_exists(in_folder("runs.db-wal"))); /* it is one file */
    CHECK_EQ_STR(ask("SELECT number, kind, epoch, step, value FROM metrics WHERE number > 1"),
                 "2|validation|NULL|5|0.5\n3|step|2|6|NULL\n4|step|2|6|-Inf\n5|step|2|1099511627776|0."
                 "333333333333333\n");
    CHECK_EQ_STR(ask("SELECT value = 1.0 / 3 FROM metrics WHERE number = 5"), "1\n");
    CHECK_EQ_STR(ask("SELECT * FROM runs"), "1|net|NULL|NULL\n");
    CHECK_EQ_STR(ask("SELECT name, value, typeof(value) FROM params"),
                 "bias|1|integer\nlayers|3|integer\nlr|0.1|real\no|it's|text\n");
}

/* The question that is in the header. */
static void test_question(void)
{
    begin_anew();
    for (int i = 0; i < 2; i++) {
        CHECK_EQ_I64(log_open(logger(), i ? "b" : "a", false), MR_OK);
        for (int k = 0; k < 3; k++)
            CHECK_EQ_I64(log_one("val_loss", i + (k - 1) * (k - 1), k, k), MR_OK);
        CHECK_EQ_I64(log_close(), MR_OK);
    }
    CHECK_EQ_STR(ask("SELECT id, runs.name, min(value) FROM runs JOIN metrics ON run = id AND metrics.name = "
                     "'val_loss' "
                     "GROUP BY id"),
                 "1|net|0.0\n2|net|1.0\n");
}

static void test_clock(void)
{
    const double before = (double)time(NULL);
    begin_anew();
    mr_logger *timed = mr_sqlite_logger_new(base(), &(mr_sqlite_logger_opts){ .clock = true });
    CHECK_EQ_I64(log_open(timed, "a", false), MR_OK);
    CHECK_EQ_I64(log_one("x", 1, 0, 0), MR_OK);
    CHECK_EQ_I64(log_close(), MR_OK);
    const double then = strtod(ask("SELECT time FROM metrics"), NULL);
    CHECK(then >= before && then < before + 1000);
}

/* ---- going on ---- */

static void test_resumed(void)
{
    char dir[512], wanted[600];
    begin_anew();
    for (int i = 0; i < 2; i++) {
        CHECK_EQ_I64(log_open(logger(), i ? "b" : "a", false), MR_OK);
        CHECK_EQ_I64(log_one("x", 1 + i, 0, 0), MR_OK);
        CHECK_EQ_I64(log_sync(), MR_OK);
        CHECK_EQ_I64(log_one("x", 3 + i, 0, 1), MR_OK);
        CHECK_EQ_I64(log_one("y", 5, 0, 1), MR_OK);
        CHECK_EQ_I64(log_close(), MR_OK);
    }
    CHECK_EQ_I64(log_open(logger(), "a", true), MR_OK); /* one row is kept */
    CHECK_EQ_I64(log_one("x", 9, 0, 1), MR_OK);
    CHECK_EQ_I64(log_close(), MR_OK);
    CHECK_EQ_STR(ask("SELECT run, number, value FROM metrics"),
                 "1|0|1.0\n1|1|9.0\n2|0|2.0\n2|1|4.0\n2|2|5.0\n");
    CHECK_EQ_STR(ask("SELECT count(*) FROM runs"), "2\n");

    /* A training that begins again in its folder; and one in a folder that nobody knows. */
    snprintf(dir, sizeof dir, "%s", in_folder("b"));
    const mr_hparam lr = { .name = "lr", .real = 2 };
    const mr_log_run again = {
        .name = "net", .dir = dir, .version = 0, .again = true, .hparams = &lr, .hparam_count = 1
    };
    for (int i = 0; i < 2; i++) {
        CHECK_EQ_I64(log_open_run(logger(), &again, (mr__position){ NULL, 0 }), MR_OK);
        CHECK_EQ_I64(log_one("x", 7, 0, 0), MR_OK);
        CHECK_EQ_I64(log_close(), MR_OK);
    }
    CHECK_EQ_STR(ask("SELECT run, number, value FROM metrics WHERE run = 2"), "2|0|7.0\n");
    CHECK_EQ_STR(ask("SELECT * FROM params"), "2|lr|2.0\n");
    CHECK_EQ_I64(log_open(logger(), "b", false), MR_OK); /* the same folder, made anew */
    CHECK_EQ_I64(log_close(), MR_OK);
    CHECK_EQ_STR(ask("SELECT id FROM runs"), "1\n2\n3\n");
    CHECK_EQ_I64(log_open(logger(), "c", true), MR_ERR_FORMAT);
    snprintf(wanted, sizeof wanted, "logger sqlite: '%s' has no run of the folder '%s'", base(),
             in_folder("c"));
    CHECK_EQ_STR(mr_error(), wanted);
    CHECK_EQ_I64(log_open(logger(), "b", true), MR_ERR_FORMAT);
    snprintf(wanted, sizeof wanted,
             "logger sqlite: run 3 of '%s' does not have the 1 rows that the checkpoint was written behind",
             base());
    CHECK_EQ_STR(mr_error(), wanted);
    log_now.kept_bytes = 7;
    CHECK_EQ_I64(log_open(logger(), "b", true), MR_ERR_FORMAT);
    snprintf(wanted, sizeof wanted, "logger sqlite: what the checkpoint says of '%s' makes no sense", base());
    CHECK_EQ_STR(mr_error(), wanted);
    CHECK_EQ_STR(ask("SELECT run, count(*) FROM metrics GROUP BY run"), "1|2\n2|1\n");
}

/* ---- a training, killed and resumed ---- */

static int kill_after;    /* steps; 0: never */
static long pause_ms = 1; /* in each step, so that there are checkpoints */

static mr_tensor *log_and_die(mr_step *s, const mr_batch *b, mr_tensor *loss)
{
    (void)b;
    mr_log(s, "loss", loss, &(mr_log_opts){ .on_epoch = true });
    nanosleep(&(struct timespec){ 0, pause_ms * 1000000 }, NULL);
    if (kill_after && --kill_after == 0)
        raise(SIGKILL);
    return loss;
}

static mr_status train(const char *name, const char *resume)
{
    fit f = fit_new(20);
    hook.step = log_and_die;
    mr_trainer *t = mr_trainer_new(&(mr_trainer_opts){ .max_epochs = 6,
                                                       .log_every_n_steps = 1,
                                                       .save_dir = files_folder,
                                                       .name = name,
                                                       .checkpoint_every = "1ba",
                                                       .resume = resume,
                                                       .no_progress = true,
                                                       .no_summary = true });
    (void)mr_trainer_set_hparam(t, "lr", 0.1);
    (void)mr_trainer_add_logger(t, logger());
    mr_status status = mr_trainer_fit(t, f.task, f.loader);
    if (status)
        printf("    %s\n", mr_error());
    mr_trainer_free(t);
    fit_free(&f);
    return status;
}

static mr_status log_rows(mr_step *s, const mr_batch *b)
{
    mr_log_value(s, "rows", (double)b->rows, &(mr_log_opts){ .on_step = true });
    return MR_OK;
}

/* A test behind a fit is of its run, with a folder or without; one before a fit has a run of its own. */
static void test_evaluations(void)
{
    static const mr_task_vtable vtable = { .training_step = fit_step,
                                           .configure_optimizers = fit_optimizers,
                                           .test_step = log_rows };
    for (int folder = 1; folder >= 0; folder--) {
        begin_anew();
        fit f = fit_new(4);
        mr_task *task = mr_task_new(&vtable, f.model, NULL, 0);
        hook.step = log_and_die;
        mr_trainer *t = mr_trainer_new(&(mr_trainer_opts){ .max_epochs = 1,
                                                           .log_every_n_steps = 1,
                                                           .save_dir = folder ? files_folder : NULL,
                                                           .name = "tested",
                                                           .no_progress = true,
                                                           .no_summary = true });
        (void)mr_trainer_add_logger(t, logger());
        CHECK_EQ_I64(mr_trainer_test(t, task, f.loader), MR_OK);
        CHECK_EQ_I64(mr_trainer_test(t, task, f.loader), MR_OK);
        CHECK_EQ_I64(mr_trainer_fit(t, task, f.loader), MR_OK);
        CHECK_EQ_I64(mr_trainer_test(t, task, f.loader), MR_OK);
        CHECK_EQ_STR(ask("SELECT run, number, kind, epoch, step, name FROM metrics"),
                     "1|0|test_step|NULL|0|rows_step\n1|1|test|0|0|rows_epoch\n"
                     "1|2|test_step|NULL|0|rows_step\n1|3|test|0|0|rows_epoch\n"
                     "2|0|step|0|0|loss_step\n2|1|epoch|0|0|loss_epoch\n"
                     "2|2|test_step|NULL|0|rows_step\n2|3|test|1|1|rows_epoch\n");
        CHECK_EQ_STR(ask("SELECT name, version FROM runs"),
                     folder ? "tested|NULL\ntested|0\n" : "tested|NULL\ntested|NULL\n");
        mr_trainer_free(t);
        mr_task_free(task);
        fit_free(&f);
    }
}

/* A training whose folder has moved, beside one that has not. */
static void test_moved(void)
{
    char wanted[600], to[512];
    begin_anew();
    CHECK_EQ_I64(log_open(logger(), "stays", false), MR_OK);
    CHECK_EQ_I64(log_close(), MR_OK);
    CHECK_EQ_I64(log_open(logger(), "moves", false), MR_OK);
    CHECK_EQ_I64(log_one("x", 1, 0, 0), MR_OK);
    CHECK_EQ_I64(log_sync(), MR_OK);
    CHECK_EQ_I64(log_close(), MR_OK);
    snprintf(to, sizeof to, "%s", in_folder("moved"));
    CHECK(rename(in_folder("moves"), to) == 0);
    for (int i = 0; i < 2; i++) {
        CHECK_EQ_I64(log_open(logger(), "moved", true), MR_OK);
        CHECK_EQ_I64(log_one("x", 2, 0, 1), MR_OK);
        CHECK_EQ_I64(log_close(), MR_OK);
    }
    CHECK_EQ_STR(ask("SELECT run, number, value FROM metrics"), "2|0|1.0\n2|1|2.0\n");
    snprintf(wanted, sizeof wanted, "%s\n", to);
    CHECK_EQ_STR(ask("SELECT dir FROM runs WHERE id = 2"), wanted);

    /* Of two that are gone nobody knows which it was. */
    CHECK(rename(to, in_folder("gone")) == 0 && rename(in_folder("stays"), in_folder("gone_too")) == 0);
    CHECK_EQ_I64(log_open(logger(), "gone", true), MR_ERR_FORMAT);
    snprintf(wanted, sizeof wanted, "logger sqlite: '%s' has no run of the folder '%s'", base(),
             in_folder("gone"));
    CHECK_EQ_STR(mr_error(), wanted);
}

static void test_killed(void)
{
    begin_anew();
    CHECK_EQ_I64(train("whole", NULL), MR_OK);
    int how = 1;
    for (int kills = 0; kills < 30 && how; kills++) {
        fflush(stdout);
        pid_t child = fork();
        if (child == 0) {
            kill_after = kills == 0 ? 2 : 3 + kills % 7;
            pause_ms = 1 + kills; /* on a slow machine they need more time */
            _exit(train("killed", "last") != MR_OK);
        }
        CHECK(child > 0 && waitpid(child, &how, 0) == child);
        CHECK(how == 0 || (WIFSIGNALED(how) && WTERMSIG(how) == SIGKILL));
    }
    if (how) /* on a slow machine it may not have got far */
        CHECK_EQ_I64(train("killed", "last"), MR_OK);
    CHECK_EQ_STR(ask("SELECT id, name, version FROM runs"), "1|whole|0\n2|killed|0\n");
    CHECK_EQ_STR(ask("SELECT run, count(*) FROM metrics GROUP BY run"), "1|36\n2|36\n");
    CHECK_EQ_STR(
        ask("SELECT count(*) FROM metrics a JOIN metrics b USING (number, kind, epoch, step, name, value) "
            "WHERE a.run = 1 AND b.run = 2"),
        "36\n");
    CHECK_EQ_STR(ask("SELECT * FROM params"), "1|lr|0.1\n2|lr|0.1\n");
}

/* ---- faults ---- */

static void expect(const char *why)
{
    char wanted[600];
    snprintf(wanted, sizeof wanted, "logger sqlite: '%s': %s", base(), why);
    CHECK_EQ_STR(mr_error(), wanted);
}

static void test_not_to_be_opened(void)
{
    CHECK(!mr_sqlite_logger_new(NULL, NULL));
    CHECK_EQ_STR(mr_error(), "sqlite_logger_new: path is NULL");
    CHECK_EQ_I64(log_open(mr_sqlite_logger_new("/nowhere/runs.db", NULL), "a", false), MR_ERR_IO);
    CHECK_EQ_STR(mr_error(), "logger sqlite: '/nowhere/runs.db': unable to open database file");
    begin_anew();
    file_put(
        base(),
        "This is a text, and no database; it is as long as a header, and longer, so that SQLite sees that. "
        "One hundred bytes and more.",
        122);
    CHECK_EQ_I64(log_open(logger(), "a", false), MR_ERR_IO);
    expect("file is not a database");
    begin_anew();
    sqlite3 *db = NULL;
    CHECK(sqlite3_open(base(), &db) == SQLITE_OK);
    CHECK(sqlite3_exec(db, "CREATE TABLE runs (a)", NULL, NULL, NULL) == SQLITE_OK);
    CHECK_EQ_I64(log_open(logger(), "a", false), MR_ERR_IO);
    expect("table runs has no column named name");
    CHECK(sqlite3_exec(db, "PRAGMA user_version = 7", NULL, NULL, NULL) == SQLITE_OK);
    CHECK_EQ_I64(log_open(logger(), "a", false), MR_ERR_FORMAT);
    char wanted[600];
    snprintf(wanted, sizeof wanted, "logger sqlite: '%s' has tables of version 7, this Millrace writes 1",
             base());
    CHECK_EQ_STR(mr_error(), wanted);
    sqlite3_close(db);
    begin_anew();
    CHECK_EQ_I64(log_open(logger(), "a", false), MR_OK);
    CHECK_EQ_I64(log_close(), MR_OK);
    CHECK(chmod(base(), 0444) == 0);
    files_be_nobody(true);
    CHECK_EQ_I64(log_open(logger(), "a", false), MR_ERR_IO);
    files_be_nobody(false);
    expect("attempt to write a readonly database");
}

/* Rows that there is no room for; those before stay. */
static void test_disk_full(void)
{
    struct rlimit old, small;
    begin_anew();
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &old);
    small = (struct rlimit){ 200000, old.rlim_max };
    setrlimit(RLIMIT_FSIZE, &small);
    mr_status status = log_open(logger(), "a", false);
    for (int i = 0; i < 100000 && !status; i++) {
        status = log_one("loss", 0.5, 0, i);
        if (!status && i % 100 == 99)
            status = log_flush();
    }
    CHECK_EQ_I64(status, MR_ERR_IO);
    expect("disk I/O error");
    setrlimit(RLIMIT_FSIZE, &old);
    signal(SIGXFSZ, SIG_DFL);
    (void)log_close();
    CHECK(strtol(ask("SELECT count(*) FROM metrics"), NULL, 10) >= 100);
    CHECK_EQ_STR(ask("PRAGMA integrity_check"), "ok\n");
}

static void test_without_memory(void)
{
    begin_anew();
    sqlite3_int64 before = sqlite3_hard_heap_limit64(20000);
    CHECK_EQ_I64(log_open(logger(), "a", false), MR_ERR_MEMORY);
    sqlite3_hard_heap_limit64(before ? before : 0);
    expect("out of memory");
    CHECK_EQ_I64(log_open(logger(), "a", false), MR_OK);
    CHECK_EQ_I64(log_close(), MR_OK);
}

/* Two trainings at once in one file: each waits for the other's commits. */
static void test_two_at_once(void)
{
    char dirs[2][512];
    mr_logger *two[2] = { logger(), logger() };
    mr__loggers set[2] = { { &two[0], 1, 0 }, { &two[1], 1, 0 } };
    const mr__position none = { NULL, 0 };
    const char *name = "x";
    const double value = 1;
    begin_anew();
    for (int i = 0; i < 2; i++) {
        snprintf(dirs[i], sizeof dirs[i], "%s", in_folder(i ? "b" : "a"));
        CHECK_EQ_I64(mr__loggers_open(&set[i], &(mr_log_run){ .name = "n", .dir = dirs[i] }, &none), MR_OK);
    }
    for (int i = 0; i < 40; i++) {
        const mr_log_row row = { MR_ROW_STEP, i, 0, 1, &name, &value };
        CHECK_EQ_I64(mr__loggers_row(&set[i % 2], &row), MR_OK);
        CHECK_EQ_I64(mr__loggers_flush(&set[i % 2]), MR_OK);
    }
    for (int i = 0; i < 2; i++) {
        CHECK_EQ_I64(mr__loggers_close(&set[i]), MR_OK);
        mr_logger_free(two[i]);
    }
    CHECK_EQ_STR(ask("SELECT run, max(number) FROM metrics GROUP BY run"), "1|19\n2|19\n");
}

int main(void)
{
    if (!files_begin())
        return 1;
    mr_set_log_hook(hear, NULL);
    RUN(test_rows);
    RUN(test_question);
    RUN(test_clock);
    RUN(test_resumed);
    RUN(test_evaluations);
    RUN(test_moved);
    RUN(test_killed);
    RUN(test_not_to_be_opened);
    RUN(test_disk_full);
    RUN(test_without_memory);
    RUN(test_two_at_once);
    return files_report();
}

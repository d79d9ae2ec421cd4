/* metrics.csv byte for byte, and its errors. */
#include "check.h"
#include "logger.h"

#include "base/alloc.h"

#include <errno.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>

static void begin(const char *name)
{
    CHECK_EQ_I64(log_open(mr_csv_logger_new(NULL), name, false), MR_OK);
}

static const char *metrics(const char *name)
{
    char path[64];
    snprintf(path, sizeof path, "%s/metrics.csv", name);
    return in_folder(path);
}

static const char *contents(const char *name)
{
    return file_contents(metrics(name), NULL);
}

/* The chapter's file, with the values of float32 that Lightning widened. */
static void test_lightning(void)
{
    begin("plain");
    CHECK_EQ_I64(log_one("loss", (double)1.6151371f, 1, 49), MR_OK);
    CHECK_EQ_I64(log_one("loss", (double)1.05548465f, 3, 99), MR_OK);
    CHECK_EQ_I64(log_one("loss", 0.5, 4, 149), MR_OK);
    CHECK_EQ_I64(log_one("loss", 1e-5, 6, 199), MR_OK);
    CHECK_EQ_I64(log_one("loss", NAN, 7, 249), MR_OK);
    CHECK_EQ_I64(log_one("loss", 3.0, 7, INT64_C(12345678901)), MR_OK);
    CHECK_EQ_I64(log_close(), MR_OK);
    CHECK_EQ_STR(contents("plain"), "loss,epoch,step\r\n"
                                    "1.6151371002197266,1,49\r\n"
                                    "1.055484652519226,3,99\r\n"
                                    "0.5,4,149\r\n"
                                    "1e-05,6,199\r\n"
                                    "nan,7,249\r\n"
                                    "3.0,7,12345678901\r\n");
}

/* Without a row there is no file, and one that was there goes. */
static void test_no_row(void)
{
    mkdir(in_folder("none"), 0777);
    file_put(metrics("none"), "old", 3);
    begin("none");
    CHECK_EQ_I64(log_flush(), MR_OK);
    CHECK_EQ_I64(log_sync(), MR_OK);
    CHECK_EQ_I64(log_close(), MR_OK);
    CHECK_EQ_I64(count_entries(in_folder("none")), 0);
    mr_logger_free(NULL);
}

/* Rows as a fit with validation and a monitor of the learning rate writes them. */
static void test_new_columns(void)
{
    static const char *const names[] = { "train_loss", "grad", "val_loss" };
    const double values[] = { 0.5, 2.0, 0.25 };
    begin("columns");
    CHECK_EQ_I64(log_one("lr-Adam", 0.01, -1, 9), MR_OK);
    CHECK_EQ_I64(log_row((mr_log_row){ MR_ROW_STEP, 9, 0, 2, names, values }), MR_OK);
    CHECK_EQ_I64(log_row((mr_log_row){ MR_ROW_VALIDATION, 9, 0, 1, names + 2, values + 2 }), MR_OK);
    CHECK_EQ_I64(log_one("lr-Adam", 0.001, -1, 19), MR_OK);
    CHECK_EQ_I64(log_flush(), MR_OK);
    CHECK_EQ_STR(contents("columns"), "lr-Adam,step,train_loss,grad,epoch,val_loss\r\n"
                                      "0.01,9,,,,\r\n"
                                      ",9,0.5,2.0,0,\r\n"
                                      ",9,,,0,0.25\r\n"
                                      "0.001,19,,,,\r\n");
    CHECK_EQ_I64(log_one("test,\"loss\"", 0.125, 1, 20), MR_OK);
    CHECK_EQ_I64(log_row((mr_log_row){ .epoch = 2, .step = 21 }), MR_OK);
    CHECK_EQ_I64(log_close(), MR_OK);
    CHECK_EQ_STR(contents("columns"), "lr-Adam,step,train_loss,grad,epoch,val_loss,\"test,\"\"loss\"\"\"\r\n"
                                      "0.01,9,,,,,\r\n"
                                      ",9,0.5,2.0,0,,\r\n"
                                      ",9,,,0,0.25,\r\n"
                                      "0.001,19,,,,,\r\n"
                                      ",20,,,1,,0.125\r\n"
                                      ",21,,,2,,\r\n");
}

/* A metric that is called epoch stands where it was logged; one that is called step is the row's. */
static void test_own_epoch_and_step(void)
{
    static const char *const epoch[] = { "epoch", "loss" }, *const step[] = { "step", "loss" };
    const double values[] = { 7.0, 0.5 };
    begin("own");
    CHECK_EQ_I64(log_row((mr_log_row){ MR_ROW_STEP, 49, 1, 2, epoch, values }), MR_OK);
    CHECK_EQ_I64(log_row((mr_log_row){ MR_ROW_STEP, 99, 2, 2, step, values }), MR_OK);
    CHECK_EQ_I64(log_close(), MR_OK);
    CHECK_EQ_STR(contents("own"), "epoch,loss,step\r\n7.0,0.5,49\r\n,0.5,7.0\r\n");
}

/* More rows than are kept in memory: they arrive by themselves, and in order, also when columns are added. */
static void test_many_rows(void)
{
    enum { ROWS = 30000 };
    begin("many");
    struct stat before, after;
    for (int i = 0; i < ROWS; i++)
        if (!CHECK_EQ_I64(log_one(i == ROWS / 2 ? "late" : "loss", 0.5, 0, i), MR_OK))
            break;
    CHECK(stat(metrics("many"), &before) == 0 && before.st_size > 100000);
    CHECK_EQ_I64(log_close(), MR_OK);
    CHECK(stat(metrics("many"), &after) == 0 && after.st_size > before.st_size);
    FILE *file = fopen(metrics("many"), "r");
    char line[100], wanted[100];
    if (!CHECK(file != NULL))
        return;
    CHECK_EQ_STR(fgets(line, sizeof line, file), "loss,epoch,step,late\r\n");
    for (int i = 0; i < ROWS; i++) {
        bool late = i == ROWS / 2;
        snprintf(wanted, sizeof wanted, "%s,0,%d,%s\r\n", late ? "" : "0.5", i, late ? "0.5" : "");
        if (!CHECK_EQ_STR(fgets(line, sizeof line, file), wanted))
            break;
    }
    CHECK(fgets(line, sizeof line, file) == NULL);
    fclose(file);
}

/* ---- going on ---- */

static void test_resumed(void)
{
    begin("resumed");
    CHECK_EQ_I64(log_one("loss", 1, 0, 0), MR_OK);
    CHECK_EQ_I64(log_one("a,b", 2, 0, 1), MR_OK);
    CHECK_EQ_I64(log_sync(), MR_OK);
    const char *at_sync = "loss,epoch,step,\"a,b\"\r\n1.0,0,0,\r\n,0,1,2.0\r\n";
    CHECK_EQ_STR(contents("resumed"), at_sync);
    CHECK_EQ_I64(log_one("loss", 3, 0, 2), MR_OK);
    CHECK_EQ_I64(log_one("late", 4, 0, 3), MR_OK); /* a column more */
    CHECK_EQ_I64(log_close(), MR_OK);
    CHECK_EQ_I64(log_open(mr_csv_logger_new(NULL), "resumed", true), MR_OK);
    CHECK_EQ_STR(contents("resumed"), at_sync);
    CHECK_EQ_I64(log_one("loss", 5, 0, 2), MR_OK);
    CHECK_EQ_I64(log_close(), MR_OK);
    CHECK_EQ_STR(contents("resumed"), "loss,epoch,step,\"a,b\"\r\n1.0,0,0,\r\n,0,1,2.0\r\n5.0,0,2,\r\n");
}

/* Line ends within names, which stand in quotes, end no line: of one that was there, of one that came later, and at the end. */
static void test_lines_in_names(void)
{
    const char *at_sync = "\"a\r\nb\",epoch,step\r\n1.0,0,0\r\n", *const late[] = { "late", "\"\r\n,\"" };
    char dir[512];
    for (int i = 0; i < 3; i++) {
        begin("lines");
        CHECK_EQ_I64(log_one("a\r\nb", 1, 0, 0), MR_OK);
        CHECK_EQ_I64(log_sync(), MR_OK);
        CHECK_EQ_STR(contents("lines"), at_sync);
        CHECK_EQ_I64(log_one(i < 2 ? late[i] : "a\r\nb", 2, 0, 1), MR_OK);
        CHECK_EQ_I64(log_close(), MR_OK);
        CHECK_EQ_I64(log_open(mr_csv_logger_new(NULL), "lines", true), MR_OK);
        CHECK_EQ_STR(contents("lines"), at_sync);
        CHECK_EQ_I64(log_close(), MR_OK);
    }
    snprintf(dir, sizeof dir, "%s", in_folder("lines"));
    const mr_log_run behind = { .name = "net", .dir = dir, .evaluation = true };
    CHECK_EQ_I64(log_open_run(mr_csv_logger_new(NULL), &behind, (mr__position){ 0 }), MR_OK);
    CHECK_EQ_I64(log_one("a\r\nb", 3, 0, 1), MR_OK);
    CHECK_EQ_I64(log_close(), MR_OK);
    CHECK_EQ_STR(contents("lines"), "\"a\r\nb\",epoch,step\r\n1.0,0,0\r\n3.0,0,1\r\n");
}

static void refuses(const char *format)
{
    char wanted[600];
    CHECK_EQ_I64(log_open(mr_csv_logger_new(NULL), "wrong", true), MR_ERR_FORMAT);
    snprintf(wanted, sizeof wanted, format, metrics("wrong"));
    CHECK_EQ_STR(mr_error(), wanted);
}

/* Files and positions that do not belong together; the file is left alone. */
static void test_wrong_resumption(void)
{
    static const char rows[] =
        "cannot go on with '%s': it does not begin with the 2 rows that the checkpoint was written behind";
    static const char sense[] = "what the checkpoint says of '%s' makes no sense";
    static const char *const wrong[] = { "loss,epoch,step\r\n1.0,0,0\r\n2.0,0,",
                                         "loss,epoch,stop\r\n1.0,0,0\r\n2.0,0,1\r\n",
                                         "loss,epoch,step,b\r\n1.0,0,0,\r\n2.0,0,1,3\r\n",
                                         "loss,epoch,step\r\n1.0,0,0\r\n2.0,0,12\r\n", "" };
    begin("wrong");
    CHECK_EQ_I64(log_one("loss", 1, 0, 0), MR_OK);
    CHECK_EQ_I64(log_one("loss", 2, 0, 1), MR_OK);
    CHECK_EQ_I64(log_sync(), MR_OK);
    CHECK_EQ_I64(log_close(), MR_OK);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        file_put(metrics("wrong"), wrong[i], strlen(wrong[i]));
        refuses(rows);
        CHECK_EQ_STR(contents("wrong"), wrong[i]);
    }
    const size_t whole = log_now.kept_bytes;
    for (log_now.kept_bytes = 1; log_now.kept_bytes < whole; log_now.kept_bytes += 7)
        refuses(sense);
    log_now.kept_bytes = whole + 8; /* cells of a row that is not complete, of which there are none */
    file_put(metrics("wrong"), "loss,epoch,step\r\n1.0,0,0\r\n2.0,0,1\r\n", 36 - 1);
    refuses(sense);
    unlink(metrics("wrong"));
    log_now.kept_bytes = whole;
    CHECK_EQ_I64(log_open(mr_csv_logger_new(NULL), "wrong", true), MR_ERR_IO);
}

/* ---- errors ---- */

static void expect(const char *verb, const char *name, const char *why)
{
    char wanted[600];
    snprintf(wanted, sizeof wanted, "cannot %s '%s': %s", verb, metrics(name), why);
    CHECK_EQ_STR(mr_error(), wanted);
}

static void test_disk_full(void)
{
    if (access("/dev/full", W_OK) != 0)
        return;
    begin("full");
    CHECK(symlink("/dev/full", metrics("full")) == 0);
    CHECK_EQ_I64(log_one("loss", 0.5, 0, 0), MR_OK);
    CHECK_EQ_I64(log_flush(), MR_ERR_IO);
    expect("write", "full", "No space left on device");
    CHECK_EQ_I64(log_close(), MR_ERR_IO); /* it was tried again */
    expect("write", "full", "No space left on device");
}

static void test_unwritable(void)
{
    begin("blocked");
    mkdir(metrics("blocked"), 0777);
    CHECK_EQ_I64(log_one("loss", 0.5, 0, 0), MR_ERR_IO);
    expect("write", "blocked", "Is a directory");
    rmdir(metrics("blocked"));
    CHECK_EQ_I64(log_one("acc", 0.5, 0, 0), MR_OK); /* the failed row has left nothing behind */
    CHECK_EQ_I64(log_close(), MR_OK);
    CHECK_EQ_STR(contents("blocked"), "acc,epoch,step\r\n0.5,0,0\r\n");

    CHECK_EQ_I64(log_open_run(mr_csv_logger_new(NULL), &(mr_log_run){ .name = "" }, (mr__position){ 0 }),
                 MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(), "logger csv: it has no path, and the trainer no folder (.csv or .save_dir)");
}

static void test_changed_by_others(void)
{
    begin("changed");
    CHECK_EQ_I64(log_one("loss", 0.5, 0, 0), MR_OK);
    CHECK_EQ_I64(log_flush(), MR_OK);
    FILE *file = fopen(metrics("changed"), "w");
    CHECK(file && fputs("other\r\n", file) >= 0 && fclose(file) == 0);
    CHECK_EQ_I64(log_one("acc", 0.5, 0, 0), MR_ERR_STATE);
    char wanted[600];
    snprintf(wanted, sizeof wanted, "cannot add a column to '%s': somebody else has changed it",
             metrics("changed"));
    CHECK_EQ_STR(mr_error(), wanted);
    CHECK_EQ_I64(log_close(), MR_OK);
}

/* The folder goes away: rows are not written to where nobody will find them. */
static void test_removed(void)
{
    begin("removed");
    CHECK_EQ_I64(log_one("loss", 0.5, 0, 0), MR_OK);
    CHECK_EQ_I64(log_flush(), MR_OK);
    CHECK(unlink(metrics("removed")) == 0 && rmdir(in_folder("removed")) == 0);
    CHECK_EQ_I64(log_flush(), MR_OK); /* there is nothing to write */
    CHECK_EQ_I64(log_one("loss", 0.5, 0, 1), MR_OK);
    CHECK_EQ_I64(log_flush(), MR_ERR_IO);
    expect("write", "removed", "No such file or directory");
    CHECK_EQ_I64(log_close(), MR_ERR_IO);
    expect("write", "removed", "No such file or directory");
}

/* A column appears when the file is gone, or its folder is not to be written to. */
static void test_new_column_fails(void)
{
    for (int gone = 0; gone < 2; gone++) {
        begin("closed");
        CHECK_EQ_I64(log_one("loss", 0.5, 0, 0), MR_OK);
        CHECK_EQ_I64(log_flush(), MR_OK);
        CHECK(gone ? unlink(metrics("closed")) == 0 : chmod(in_folder("closed"), 0555) == 0);
        files_be_nobody(true);
        CHECK_EQ_I64(log_one("acc", 0.5, 0, 0), MR_ERR_IO);
        files_be_nobody(false);
        expect(gone ? "read" : "write", "closed", gone ? "No such file or directory" : "Permission denied");
        if (!gone)
            CHECK_EQ_STR(contents("closed"), "loss,epoch,step\r\n0.5,0,0\r\n");
        CHECK_EQ_I64(log_close(), MR_OK);
        CHECK(chmod(in_folder("closed"), 0777) == 0);
    }
}

/* The library's calls of close come here. */
static int close_fails;

int close(int fd)
{
    long result = syscall(SYS_close, fd);
    if (close_fails)
        errno = close_fails;
    return close_fails ? -1 : (int)result;
}

/* What network file systems tell when a file is closed; and a disk without room for two bytes. */
static void test_late_failures(void)
{
    struct rlimit old, small;
    begin("late");
    CHECK_EQ_I64(log_one("loss", 0.5, 0, 0), MR_OK);
    close_fails = EIO;
    CHECK_EQ_I64(log_close(), MR_ERR_IO);
    expect("write", "late", "Input/output error");
    close_fails = 0;
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &old);
    small = (struct rlimit){ 1, old.rlim_max };
    setrlimit(RLIMIT_FSIZE, &small);
    begin("late");
    CHECK_EQ_I64(log_one("loss", 0.5, 0, 0), MR_OK);
    CHECK_EQ_I64(log_sync(), MR_ERR_IO);
    expect("write", "late", "File too large");
    setrlimit(RLIMIT_FSIZE, &old);
    signal(SIGXFSZ, SIG_DFL);
    CHECK_EQ_I64(log_close(), MR_OK); /* now there is room for the rest */
    CHECK_EQ_STR(contents("late"), "loss,epoch,step\r\n0.5,0,0\r\n");
}

static int left;

static void *few_allocate(void *user, size_t bytes, size_t alignment)
{
    (void)user;
    return left-- > 0 ? aligned_alloc(alignment, mr__round_up(bytes, alignment)) : NULL;
}

static void few_release(void *user, void *memory)
{
    (void)user;
    free(memory);
}

/* A row that did not fit into memory is lost, and so the later ones are refused; nothing of it is written. */
static void test_without_memory(void)
{
    static const mr_allocator few = { few_allocate, few_release, NULL };
    char wanted[600];
    mr_set_allocator(&few);
    left = 1000;
    begin("memory");
    CHECK_EQ_I64(log_one("loss", 0.5, 0, 0), MR_OK);
    mr_status status = MR_OK;
    left = 0;
    for (int i = 0; status == MR_OK && i < 1000; i++)
        status = log_one("loss", 0.5, 0, i);
    CHECK_EQ_I64(status, MR_ERR_MEMORY);
    CHECK(strncmp(mr_error(), "out of memory: ", 15) == 0);
    left = 1000;
    CHECK_EQ_I64(log_one("loss", 0.5, 0, 0), MR_ERR_MEMORY);
    snprintf(wanted, sizeof wanted, "out of memory: a row for '%s' wanted", metrics("memory"));
    CHECK_EQ_STR(mr_error(), wanted);
    CHECK_EQ_I64(log_close(), MR_OK);
    mr_set_allocator(NULL);
    const char *rows = contents("memory");
    CHECK(strlen(rows) > 40 && strcmp(rows + strlen(rows) - 2, "\r\n") == 0);
}

int main(void)
{
    if (!files_begin())
        return 1;
    RUN(test_lightning);
    RUN(test_no_row);
    RUN(test_new_columns);
    RUN(test_own_epoch_and_step);
    RUN(test_many_rows);
    RUN(test_resumed);
    RUN(test_lines_in_names);
    RUN(test_wrong_resumption);
    RUN(test_disk_full);
    RUN(test_unwritable);
    RUN(test_changed_by_others);
    RUN(test_removed);
    RUN(test_new_column_fails);
    RUN(test_late_failures);
    RUN(test_without_memory);
    return files_report();
}

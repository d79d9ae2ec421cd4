/* metrics.csv byte for byte, its errors, and the numbering of version folders. */
#include "check.h"

#include "base/alloc.h"
#include "base/file.h"
#include "train/csv_logger.h"
#include "train/version_dir.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static char folder[64];

/* A path in this program's folder; valid until the fourth call after. */
static const char *in_folder(const char *name)
{
    static char paths[4][512];
    static int at;
    at = (at + 1) % 4;
    snprintf(paths[at], sizeof *paths, "%s/%s", folder, name);
    return paths[at];
}

static const char *contents(const char *path)
{
    static char text[1 << 16];
    char *bytes = NULL;
    size_t size = 0;
    text[0] = '\0';
    if (mr__file_read_all(path, &bytes, &size, sizeof text - 1) == MR_OK)
        memcpy(text, bytes, size + 1);
    else
        printf("    %s\n", mr_error());
    mr__free(bytes);
    return text;
}

static mr__csv_logger *open_logger(const char *name)
{
    char path[512];
    snprintf(path, sizeof path, "%s", in_folder(name));
    mkdir(path, 0777);
    mr__csv_logger *logger = mr__csv_logger_open(path);
    CHECK(logger != NULL);
    return logger;
}

static mr_status write_one(mr__csv_logger *logger, const char *name, double value, int64_t epoch,
                           int64_t step)
{
    return mr__csv_logger_write_row(logger, &(mr__csv_row){ 1, &name, &value, NULL, epoch, step });
}

/* The chapter's file, with the values of float32 that Lightning widened. */
static void test_lightning(void)
{
    mr__csv_logger *logger = open_logger("plain");
    CHECK_EQ_I64(write_one(logger, "loss", (double)1.6151371f, 1, 49), MR_OK);
    CHECK_EQ_I64(write_one(logger, "loss", (double)1.05548465f, 3, 99), MR_OK);
    CHECK_EQ_I64(write_one(logger, "loss", 0.5, 4, 149), MR_OK);
    CHECK_EQ_I64(write_one(logger, "loss", 1e-5, 6, 199), MR_OK);
    CHECK_EQ_I64(write_one(logger, "loss", NAN, 7, 249), MR_OK);
    CHECK_EQ_I64(write_one(logger, "loss", 3.0, 7, INT64_C(12345678901)), MR_OK);
    CHECK_EQ_STR(mr__csv_logger_path(logger), in_folder("plain/metrics.csv"));
    CHECK_EQ_I64(mr__csv_logger_close(logger), MR_OK);
    CHECK_EQ_STR(contents(in_folder("plain/metrics.csv")), "loss,epoch,step\r\n"
                                                           "1.6151371002197266,1,49\r\n"
                                                           "1.055484652519226,3,99\r\n"
                                                           "0.5,4,149\r\n"
                                                           "1e-05,6,199\r\n"
                                                           "nan,7,249\r\n"
                                                           "3.0,7,12345678901\r\n");
    CHECK_EQ_STR(contents(in_folder("plain/hparams.yaml")), "{}\n");
}

static void test_no_row(void)
{
    CHECK_EQ_I64(mr__csv_logger_close(open_logger("none")), MR_OK);
    CHECK(access(in_folder("none/metrics.csv"), F_OK) != 0);
    CHECK_EQ_STR(contents(in_folder("none/hparams.yaml")), "{}\n");
    CHECK_EQ_I64(mr__csv_logger_close(NULL), MR_OK);
}

/* Rows as a fit with validation and a monitor of the learning rate writes them. */
static void test_new_columns(void)
{
    static const char *const names[] = { "train_loss", "grad", "val_loss" };
    const double values[] = { 0.5, 2.0, 0.25 };
    const bool first[] = { true, true, false }, second[] = { false, false, true };
    mr__csv_logger *logger = open_logger("columns");
    CHECK_EQ_I64(write_one(logger, "lr-Adam", 0.01, -1, 9), MR_OK);
    CHECK_EQ_I64(mr__csv_logger_write_row(logger, &(mr__csv_row){ 3, names, values, first, 0, 9 }), MR_OK);
    CHECK_EQ_I64(mr__csv_logger_write_row(logger, &(mr__csv_row){ 3, names, values, second, 0, 9 }), MR_OK);
    CHECK_EQ_I64(write_one(logger, "lr-Adam", 0.001, -1, 19), MR_OK);
    CHECK_EQ_I64(mr__csv_logger_flush(logger), MR_OK);
    CHECK_EQ_STR(contents(in_folder("columns/metrics.csv")), "lr-Adam,step,train_loss,grad,epoch,val_loss\r\n"
                                                             "0.01,9,,,,\r\n"
                                                             ",9,0.5,2.0,0,\r\n"
                                                             ",9,,,0,0.25\r\n"
                                                             "0.001,19,,,,\r\n");
    CHECK_EQ_I64(write_one(logger, "test,\"loss\"", 0.125, 1, 20), MR_OK);
    CHECK_EQ_I64(mr__csv_logger_write_row(logger, &(mr__csv_row){ .epoch = 2, .step = 21 }), MR_OK);
    CHECK_EQ_I64(mr__csv_logger_close(logger), MR_OK);
    CHECK_EQ_STR(contents(in_folder("columns/metrics.csv")),
                 "lr-Adam,step,train_loss,grad,epoch,val_loss,\"test,\"\"loss\"\"\"\r\n"
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
    mr__csv_logger *logger = open_logger("own");
    CHECK_EQ_I64(mr__csv_logger_write_row(logger, &(mr__csv_row){ 2, epoch, values, NULL, 1, 49 }), MR_OK);
    CHECK_EQ_I64(mr__csv_logger_write_row(logger, &(mr__csv_row){ 2, step, values, NULL, 2, 99 }), MR_OK);
    CHECK_EQ_I64(mr__csv_logger_close(logger), MR_OK);
    CHECK_EQ_STR(contents(in_folder("own/metrics.csv")), "epoch,loss,step\r\n7.0,0.5,49\r\n,0.5,7.0\r\n");
}

/* More rows than are kept in memory: they arrive by themselves, and in order, also when columns are added. */
static void test_many_rows(void)
{
    enum { ROWS = 30000 };
    mr__csv_logger *logger = open_logger("many");
    struct stat before, after;
    for (int i = 0; i < ROWS; i++)
        if (!CHECK_EQ_I64(write_one(logger, i == ROWS / 2 ? "late" : "loss", 0.5, 0, i), MR_OK))
            break;
    CHECK(stat(in_folder("many/metrics.csv"), &before) == 0 && before.st_size > 100000);
    CHECK_EQ_I64(mr__csv_logger_close(logger), MR_OK);
    CHECK(stat(in_folder("many/metrics.csv"), &after) == 0 && after.st_size > before.st_size);
    FILE *file = fopen(in_folder("many/metrics.csv"), "r");
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

/* ---- errors ---- */

static void test_disk_full(void)
{
    if (access("/dev/full", W_OK) != 0)
        return;
    mr__csv_logger *logger = open_logger("full");
    CHECK(symlink("/dev/full", in_folder("full/metrics.csv")) == 0);
    CHECK_EQ_I64(write_one(logger, "loss", 0.5, 0, 0), MR_OK);
    CHECK_EQ_I64(mr__csv_logger_flush(logger), MR_ERR_IO);
    char wanted[600];
    snprintf(wanted, sizeof wanted, "cannot write '%s': No space left on device",
             in_folder("full/metrics.csv"));
    CHECK_EQ_STR(mr_error(), wanted);
    CHECK_EQ_I64(mr__csv_logger_close(logger), MR_ERR_IO); /* it was tried again */
    CHECK_EQ_STR(mr_error(), wanted);
}

static void test_unwritable(void)
{
    char wanted[600];
    CHECK(mr__csv_logger_open(in_folder("missing")) == NULL);
    snprintf(wanted, sizeof wanted, "cannot write '%s': No such file or directory",
             in_folder("missing/hparams.yaml"));
    CHECK_EQ_STR(mr_error(), wanted);

    mr__csv_logger *logger = open_logger("blocked");
    mkdir(in_folder("blocked/metrics.csv"), 0777);
    CHECK_EQ_I64(write_one(logger, "loss", 0.5, 0, 0), MR_ERR_IO);
    snprintf(wanted, sizeof wanted, "cannot write '%s': Is a directory", in_folder("blocked/metrics.csv"));
    CHECK_EQ_STR(mr_error(), wanted);
    rmdir(in_folder("blocked/metrics.csv"));
    CHECK_EQ_I64(write_one(logger, "acc", 0.5, 0, 0), MR_OK); /* the failed row has left nothing behind */
    CHECK_EQ_I64(mr__csv_logger_close(logger), MR_OK);
    CHECK_EQ_STR(contents(in_folder("blocked/metrics.csv")), "acc,epoch,step\r\n0.5,0,0\r\n");
}

static void test_changed_by_others(void)
{
    mr__csv_logger *logger = open_logger("changed");
    CHECK_EQ_I64(write_one(logger, "loss", 0.5, 0, 0), MR_OK);
    CHECK_EQ_I64(mr__csv_logger_flush(logger), MR_OK);
    FILE *file = fopen(in_folder("changed/metrics.csv"), "w");
    CHECK(file && fputs("other\r\n", file) >= 0 && fclose(file) == 0);
    CHECK_EQ_I64(write_one(logger, "acc", 0.5, 0, 0), MR_ERR_STATE);
    char wanted[600];
    snprintf(wanted, sizeof wanted, "cannot add a column to '%s': somebody else has changed it",
             in_folder("changed/metrics.csv"));
    CHECK_EQ_STR(mr_error(), wanted);
    CHECK_EQ_I64(mr__csv_logger_close(logger), MR_OK);
}

/* The folder goes away: rows are not written to where nobody will find them. */
static void test_removed(void)
{
    char wanted[600];
    mr__csv_logger *logger = open_logger("removed");
    CHECK_EQ_I64(write_one(logger, "loss", 0.5, 0, 0), MR_OK);
    CHECK_EQ_I64(mr__csv_logger_flush(logger), MR_OK);
    CHECK(unlink(in_folder("removed/metrics.csv")) == 0 && unlink(in_folder("removed/hparams.yaml")) == 0);
    CHECK(rmdir(in_folder("removed")) == 0);
    CHECK_EQ_I64(mr__csv_logger_flush(logger), MR_OK); /* there is nothing to write */
    CHECK_EQ_I64(write_one(logger, "loss", 0.5, 0, 1), MR_OK);
    CHECK_EQ_I64(mr__csv_logger_flush(logger), MR_ERR_IO);
    snprintf(wanted, sizeof wanted, "cannot write '%s': No such file or directory",
             in_folder("removed/metrics.csv"));
    CHECK_EQ_STR(mr_error(), wanted);
    CHECK_EQ_I64(mr__csv_logger_close(logger), MR_ERR_IO);
    CHECK_EQ_STR(mr_error(), wanted);
}

/* A column appears when the file is gone, or its folder is not to be written to. */
static void test_new_column_fails(void)
{
    char wanted[600], dir[300];
    snprintf(dir, sizeof dir, "/tmp/millrace-columns-%ld", (long)getpid());
    for (int gone = 0; gone < 2; gone++) {
        char path[320];
        snprintf(path, sizeof path, "%s/metrics.csv", dir);
        CHECK(mkdir(dir, 0777) == 0);
        mr__csv_logger *logger = mr__csv_logger_open(dir);
        if (!CHECK(logger != NULL))
            return;
        CHECK_EQ_I64(write_one(logger, "loss", 0.5, 0, 0), MR_OK);
        CHECK_EQ_I64(mr__csv_logger_flush(logger), MR_OK);
        CHECK(gone ? unlink(path) == 0 : chmod(dir, 0555) == 0);
        if (getuid() == 0)
            CHECK(seteuid(65534) == 0); /* root may do everything */
        CHECK_EQ_I64(write_one(logger, "acc", 0.5, 0, 0), MR_ERR_IO);
        if (getuid() == 0)
            CHECK(seteuid(0) == 0);
        snprintf(wanted, sizeof wanted, "cannot %s '%s': %s", gone ? "read" : "write", path,
                 gone ? "No such file or directory" : "Permission denied");
        CHECK_EQ_STR(mr_error(), wanted);
        if (!gone)
            CHECK_EQ_STR(contents(path), "loss,epoch,step\r\n0.5,0,0\r\n");
        CHECK_EQ_I64(mr__csv_logger_close(logger), MR_OK);
        CHECK(chmod(dir, 0777) == 0);
        snprintf(wanted, sizeof wanted, "rm -r '%s'", dir);
        CHECK(system(wanted) == 0);
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
    char wanted[600];
    struct rlimit old, small;
    mr__csv_logger *logger = open_logger("late");
    CHECK_EQ_I64(write_one(logger, "loss", 0.5, 0, 0), MR_OK);
    close_fails = EIO;
    CHECK_EQ_I64(mr__csv_logger_close(logger), MR_ERR_IO);
    snprintf(wanted, sizeof wanted, "cannot write '%s': Input/output error", in_folder("late/metrics.csv"));
    CHECK_EQ_STR(mr_error(), wanted);
    snprintf(wanted, sizeof wanted, "cannot write '%s': Input/output error", in_folder("late/hparams.yaml"));
    CHECK(mr__csv_logger_open(in_folder("late")) == NULL);
    CHECK_EQ_STR(mr_error(), wanted);
    close_fails = 0;
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &old);
    small = (struct rlimit){ 1, old.rlim_max };
    setrlimit(RLIMIT_FSIZE, &small);
    CHECK(mr__csv_logger_open(in_folder("late")) == NULL);
    setrlimit(RLIMIT_FSIZE, &old);
    signal(SIGXFSZ, SIG_DFL);
    snprintf(wanted, sizeof wanted, "cannot write '%s': File too large", in_folder("late/hparams.yaml"));
    CHECK_EQ_STR(mr_error(), wanted);
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

/* A row that did not fit into memory is lost, and so the later ones are refused. */
static void test_without_memory(void)
{
    static const mr_allocator few = { few_allocate, few_release, NULL };
    char wanted[600];
    mr_set_allocator(&few);
    left = 1000;
    mr__csv_logger *logger = open_logger("memory");
    CHECK_EQ_I64(write_one(logger, "loss", 0.5, 0, 0), MR_OK);
    mr_status status = MR_OK;
    left = 0;
    for (int i = 0; status == MR_OK && i < 1000; i++)
        status = write_one(logger, "loss", 0.5, 0, i);
    CHECK_EQ_I64(status, MR_ERR_MEMORY);
    CHECK(strncmp(mr_error(), "out of memory: ", 15) == 0);
    left = 1000;
    CHECK_EQ_I64(write_one(logger, "loss", 0.5, 0, 0), MR_ERR_MEMORY);
    snprintf(wanted, sizeof wanted, "out of memory: a row for '%s' wanted", in_folder("memory/metrics.csv"));
    CHECK_EQ_STR(mr_error(), wanted);
    CHECK_EQ_I64(mr__csv_logger_close(logger), MR_OK);
    mr_set_allocator(NULL);
}

/* ---- version folders ---- */

static void check_version(const char *save_dir, const char *name, int64_t wanted, const char *wanted_path)
{
    int64_t version = -1;
    char *path = mr__version_dir_make(save_dir, name, &version);
    CHECK_EQ_I64(version, wanted);
    CHECK_EQ_STR(path, wanted_path);
    struct stat there;
    CHECK(path && stat(path, &there) == 0 && S_ISDIR(there.st_mode));
    mr__free(path);
}

static void test_versions(void)
{
    char save_dir[128];
    snprintf(save_dir, sizeof save_dir, "%s", in_folder("logs"));
    check_version(save_dir, "net", 0, in_folder("logs/net/version_0"));
    check_version(save_dir, "net", 1, in_folder("logs/net/version_1"));
    mkdir(in_folder("logs/net/version_7"), 0777); /* gaps are not filled */
    mkdir(in_folder("logs/net/version_x"), 0777);
    mkdir(in_folder("logs/net/version_"), 0777);
    mkdir(in_folder("logs/net/version_30_old"), 0777);
    mkdir(in_folder("logs/net/version_99999999999999999999"), 0777);
    mkdir(in_folder("logs/net/aversion_40"), 0777);
    check_version(save_dir, "net", 8, in_folder("logs/net/version_8"));
    mkdir(in_folder("logs/net/version_0010"), 0777);
    check_version(save_dir, "net", 11, in_folder("logs/net/version_11"));
    fclose(fopen(in_folder("logs/net/version_20"), "w")); /* a file is no version, but in the way */
    fclose(fopen(in_folder("logs/net/version_12"), "w"));
    check_version(save_dir, "net", 13, in_folder("logs/net/version_13"));
    check_version(save_dir, "", 0, in_folder("logs/version_0"));
    check_version(save_dir, NULL, 1, in_folder("logs/version_1"));
}

static void test_version_errors(void)
{
    int64_t version = 0;
    fclose(fopen(in_folder("a_file"), "w"));
    char save_dir[128], wanted[600];
    snprintf(save_dir, sizeof save_dir, "%s", in_folder("a_file"));
    CHECK(mr__version_dir_make(save_dir, "net", &version) == NULL);
    CHECK_EQ_I64(mr_error_status(), MR_ERR_IO);
    snprintf(wanted, sizeof wanted, "cannot make folder '%s/net': Not a directory", save_dir);
    CHECK_EQ_STR(mr_error(), wanted);
}

/* Folders in which one may not write, not look, or neither. */
static void test_version_permissions(void)
{
    int64_t version = 0;
    char save_dir[300], parent[320], wanted[600];
    snprintf(save_dir, sizeof save_dir, "/tmp/millrace-versions-%ld", (long)getpid());
    snprintf(parent, sizeof parent, "%s/net", save_dir);
    CHECK(mkdir(save_dir, 0777) == 0 && mkdir(parent, 0777) == 0);
    for (int mode = 0; mode < 3; mode++) {
        CHECK(chmod(parent, mode == 0 ? 0555 : 0333) == 0 && chmod(save_dir, mode == 2 ? 0555 : 0777) == 0);
        if (getuid() == 0)
            CHECK(seteuid(65534) == 0); /* root may do everything */
        CHECK(mr__version_dir_make(save_dir, mode == 2 ? "other" : "net", &version) == NULL);
        if (getuid() == 0)
            CHECK(seteuid(0) == 0);
        CHECK_EQ_I64(mr_error_status(), MR_ERR_IO);
        snprintf(wanted, sizeof wanted, "cannot %s '%s%s': Permission denied",
                 mode == 1 ? "list folder" : "make folder", mode == 2 ? save_dir : parent,
                 mode == 0   ? "/version_0"
                 : mode == 1 ? ""
                             : "/other");
        CHECK_EQ_STR(mr_error(), wanted);
    }
    CHECK(chmod(save_dir, 0777) == 0 && rmdir(parent) == 0 && rmdir(save_dir) == 0);
}

enum { THREADS = 4, EACH = 25 };

static void *make_versions(void *user)
{
    int64_t *versions = user;
    char save_dir[128];
    snprintf(save_dir, sizeof save_dir, "%s/race", folder);
    for (int i = 0; i < EACH; i++) {
        versions[i] = -1;
        mr__free(mr__version_dir_make(save_dir, "net", &versions[i]));
    }
    return NULL;
}

/* Nobody gets a folder that somebody else got. */
static void test_race(void)
{
    pthread_t threads[THREADS];
    int64_t versions[THREADS][EACH];
    int taken[THREADS * EACH] = { 0 };
    for (int t = 0; t < THREADS; t++)
        CHECK(pthread_create(&threads[t], NULL, make_versions, versions[t]) == 0);
    for (int t = 0; t < THREADS; t++)
        pthread_join(threads[t], NULL);
    for (int t = 0; t < THREADS; t++)
        for (int i = 0; i < EACH; i++)
            if (CHECK(versions[t][i] >= 0 && versions[t][i] < THREADS * EACH))
                taken[versions[t][i]]++;
    for (int i = 0; i < THREADS * EACH; i++)
        CHECK_EQ_I64(taken[i], 1);
}

int main(void)
{
    char command[128];
    snprintf(folder, sizeof folder, "csv_logger.%ld", (long)getpid());
    mkdir(folder, 0777);
    RUN(test_lightning);
    RUN(test_no_row);
    RUN(test_new_columns);
    RUN(test_own_epoch_and_step);
    RUN(test_many_rows);
    RUN(test_disk_full);
    RUN(test_unwritable);
    RUN(test_changed_by_others);
    RUN(test_removed);
    RUN(test_new_column_fails);
    RUN(test_late_failures);
    RUN(test_without_memory);
    RUN(test_versions);
    RUN(test_version_errors);
    RUN(test_version_permissions);
    RUN(test_race);
    snprintf(command, sizeof command, "rm -rf %s", folder);
    CHECK(system(command) == 0);
    return check_report();
}

/* What all loggers have in common whose log is a file: going on from a position, what does not belong to it, disks that are
 * full, folders that are closed or go away. */
#include "check.h"
#include "logger.h"

#include <signal.h>
#include <sys/resource.h>

static mr_logger *csv(const char *path)
{
    return mr_csv_logger_new(&(mr_csv_logger_opts){ .path = path });
}

static mr_logger *merged(const char *path)
{
    return mr_csv_logger_new(&(mr_csv_logger_opts){ .path = path, .merged = true });
}

static mr_logger *jsonl(const char *path)
{
    return mr_jsonl_logger_new(&(mr_jsonl_logger_opts){ .path = path });
}

static mr_logger *tensorboard(const char *path)
{
    return mr_tensorboard_logger_new(&(mr_tensorboard_logger_opts){ .path = path });
}

static const struct {
    const char *name, *file;
    mr_logger *(*make)(const char *path);
    bool early; /* it makes its file when it is opened */
} kinds[] = { { "csv", "metrics.csv", csv, false },
              { "csv_merged", "merged.csv", merged, false },
              { "jsonl", "metrics.jsonl", jsonl, true },
              { "tensorboard", "events.out.tfevents.millrace", tensorboard, true } };

enum { KINDS = sizeof kinds / sizeof *kinds };

static const char *file_of(const char *folder, int kind)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, kinds[kind].file);
    return in_folder(path);
}

static bool equal(const char *a, const char *b)
{
    static char first[1 << 16];
    size_t size, size_b;
    memcpy(first, file_contents(a, &size), sizeof first);
    const char *second = file_contents(b, &size_b);
    return size > 0 && size == size_b && memcmp(first, second, size) == 0;
}

/* Row `i` of a training: of one to three values; a name is new now and then. */
static void put_row(int i)
{
    static const char *const names[] = { "loss", "a,b", "late", "later" };
    const double values[] = { i * 0.1, -i, 1e-7 * i, 3 };
    const size_t count = i > 20 ? 4 : i > 10 ? 3 : i % 2 ? 2 : 1;
    const mr_row_kind kind = i % 5 == 4 ? MR_ROW_VALIDATION : MR_ROW_STEP;
    CHECK_EQ_I64(log_row((mr_log_row){ kind, i - (i % 5 == 4), i / 10, count, names, values }), MR_OK);
    if (i % 3 == 0)
        CHECK_EQ_I64(log_flush(), MR_OK);
}

/* Interrupted behind any row, and gone on with, when other rows had been written already, or none. */
static void test_resumed(void)
{
    enum { ROWS = 30 };
    for (int kind = 0; kind < KINDS; kind++) {
        CHECK_EQ_I64(log_open(kinds[kind].make(NULL), "whole", false), MR_OK);
        for (int i = 0; i < ROWS; i++)
            put_row(i);
        CHECK_EQ_I64(log_close(), MR_OK);
        for (int cut = 0; cut <= ROWS; cut += 2)
            for (int more = 0; more < ROWS - cut && more <= 14; more += 7) {
                CHECK_EQ_I64(log_open(kinds[kind].make(NULL), "cut", false), MR_OK);
                for (int i = 0; i < cut; i++)
                    put_row(i);
                CHECK_EQ_I64(log_sync(), MR_OK);
                for (int i = cut; i < cut + more; i++)
                    put_row(i);
                CHECK_EQ_I64(log_close(), MR_OK);
                CHECK_EQ_I64(log_open(kinds[kind].make(NULL), "cut", true), MR_OK);
                for (int i = cut; i < ROWS; i++)
                    put_row(i);
                CHECK_EQ_I64(log_close(), MR_OK);
                if (!CHECK(equal(file_of("whole", kind), file_of("cut", kind))))
                    printf("    %s, cut behind %d, with %d more\n", kinds[kind].name, cut, more);
            }
    }
}

/* Killed right behind sync, the file is the whole one's beginning, and complete at the end of a training. */
static void test_synced(void)
{
    for (int kind = 0; kind < KINDS; kind++) {
        CHECK_EQ_I64(log_open(kinds[kind].make(NULL), "synced", false), MR_OK);
        for (int i = 0; i < 8; i++)
            put_row(i);
        CHECK_EQ_I64(log_sync(), MR_OK);
        size_t size, closed;
        file_contents(file_of("synced", kind), &size);
        CHECK_EQ_I64(log_close(), MR_OK);
        file_contents(file_of("synced", kind), &closed);
        CHECK(size > 0 && size == closed);
    }
}

static void expect(const char *verb, const char *path, const char *why)
{
    char wanted[600];
    snprintf(wanted, sizeof wanted, "cannot %s '%s': %s", verb, path, why);
    CHECK_EQ_STR(mr_error(), wanted);
}

/* A file that is shorter than the position, or another one; it is left alone. Of CSV test_csv_logger.c has more. */
static void test_other_file(void)
{
    static char text[1 << 16];
    for (int kind = 0; kind < KINDS; kind++) {
        size_t size;
        char path[300], wanted[600];
        snprintf(path, sizeof path, "%s", file_of("other", kind));
        CHECK_EQ_I64(log_open(kinds[kind].make(NULL), "other", false), MR_OK);
        for (int i = 0; i < 8; i++)
            put_row(2 * i);
        CHECK_EQ_I64(log_sync(), MR_OK);
        CHECK_EQ_I64(log_close(), MR_OK);
        memcpy(text, file_contents(path, &size), sizeof text);
        file_put(path, text, size / 2);
        CHECK_EQ_I64(log_open(kinds[kind].make(NULL), "other", true), MR_ERR_FORMAT);
        text[1] ^= 1;
        file_put(path, text, size);
        CHECK_EQ_I64(log_open(kinds[kind].make(NULL), "other", true), MR_ERR_FORMAT);
        if (kinds[kind].early) {
            snprintf(wanted, sizeof wanted,
                     "cannot go on with '%s': it does not begin with the %zu bytes that the checkpoint was "
                     "written behind",
                     path, size);
            CHECK_EQ_STR(mr_error(), wanted);
        }
        CHECK(memcmp(text, file_contents(path, NULL), size) == 0);
        unlink(path);
        CHECK_EQ_I64(log_open(kinds[kind].make(NULL), "other", true), MR_ERR_IO);
        expect("read", path, "No such file or directory");
        log_now.kept_bytes = 3;
        CHECK_EQ_I64(log_open(kinds[kind].make(NULL), "other", true), MR_ERR_FORMAT);
        snprintf(wanted, sizeof wanted, "what the checkpoint says of '%s' makes no sense", path);
        CHECK_EQ_STR(mr_error(), wanted);
    }
}

/* ---- paths ---- */

static void test_paths(void)
{
    const mr_log_run nowhere = { .name = "net", .version = -1 };
    for (int kind = 0; kind < KINDS; kind++) {
        char wanted[200];
        CHECK_EQ_I64(log_open_run(kinds[kind].make(NULL), &nowhere, (mr__position){ NULL, 0 }),
                     MR_ERR_ARGUMENT);
        snprintf(wanted, sizeof wanted,
                 "logger %s: it has no path, and the trainer no folder (.csv or .save_dir)",
                 kinds[kind].name);
        CHECK_EQ_STR(mr_error(), wanted);
        const char *path = in_folder("own");
        file_put(path, "old", 3);
        CHECK_EQ_I64(log_open_run(kinds[kind].make(path), &nowhere, (mr__position){ NULL, 0 }), MR_OK);
        put_row(0);
        CHECK_EQ_I64(log_close(), MR_OK);
        CHECK(strncmp(file_contents(path, NULL), "old", 3) != 0);
        CHECK_EQ_I64(log_open(kinds[kind].make(path), "elsewhere", false), MR_OK);
        put_row(0);
        CHECK_EQ_I64(log_close(), MR_OK);
        CHECK_EQ_I64(count_entries(in_folder("elsewhere")), 0);
    }
}

/* The same logger for one training after the other. */
static void test_opened_again(void)
{
    for (int kind = 0; kind < KINDS; kind++) {
        const mr__position none = { NULL, 0 };
        char dirs[2][512];
        mr_logger *logger = kinds[kind].make(NULL);
        for (int i = 0; i < 2; i++) {
            snprintf(dirs[i], sizeof dirs[i], "%s", in_folder(i ? "second" : "first"));
            mkdir(dirs[i], 0777);
            mr__loggers set = { &logger, 1, 0 };
            CHECK_EQ_I64(mr__loggers_open(&set, &(mr_log_run){ .name = "a", .dir = dirs[i] }, &none), MR_OK);
            const char *name = "loss";
            const double value = 0.5;
            CHECK_EQ_I64(mr__loggers_row(&set, &(mr_log_row){ .count = 1, .names = &name, .values = &value }),
                         MR_OK);
            CHECK_EQ_I64(mr__loggers_close(&set), MR_OK);
        }
        mr_logger_free(logger);
        CHECK(equal(file_of("first", kind), file_of("second", kind)));
    }
}

/* ---- writing fails ---- */

/* All that a training does until something fails; what did. */
static const char *run_until_failure(mr_logger *logger, const char *folder, mr_status wanted)
{
    mr_status status = log_open(logger, folder, false);
    for (int i = 0; i < 4000 && !status; i++) {
        status = log_one("loss", 0.5, 0, i);
        if (!status && i % 100 == 0)
            status = i % 200 ? log_flush() : log_sync();
    }
    CHECK_EQ_I64(status, wanted);
    static char text[600];
    snprintf(text, sizeof text, "%s", mr_error());
    log_close();
    return text;
}

static void test_full_device(void)
{
    struct stat there;
    if (stat("/dev/full", &there) != 0)
        return;
    for (int kind = 0; kind < KINDS; kind++) {
        const char *said = run_until_failure(kinds[kind].make("/dev/full"), "full", MR_ERR_IO);
        CHECK_EQ_STR(said, "cannot write '/dev/full': No space left on device");
        CHECK(stat("/dev/full", &there) == 0 && S_ISCHR(there.st_mode)); /* it is not a log's to replace */
    }
}

static void test_full_disk(void)
{
    struct rlimit old, small;
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &old);
    for (int kind = 0; kind < KINDS; kind++) {
        char wanted[600];
        size_t size;
        small = (struct rlimit){ 3000, old.rlim_max };
        setrlimit(RLIMIT_FSIZE, &small);
        const char *said = run_until_failure(kinds[kind].make(NULL), "limited", MR_ERR_IO);
        setrlimit(RLIMIT_FSIZE, &old);
        snprintf(wanted, sizeof wanted, "cannot write '%s': File too large", file_of("limited", kind));
        CHECK_EQ_STR(said, wanted);
        file_contents(file_of("limited", kind), &size);
        CHECK(size > 2900 && size <= 3000); /* what there was room for is there */
    }
    signal(SIGXFSZ, SIG_DFL);
}

static void test_closed_folder(void)
{
    for (int kind = 0; kind < KINDS; kind++) {
        mkdir(in_folder("closed"), 0777);
        CHECK(chmod(in_folder("closed"), 0555) == 0);
        files_be_nobody(true);
        const char *said = run_until_failure(kinds[kind].make(NULL), "closed", MR_ERR_IO);
        files_be_nobody(false);
        char wanted[600];
        snprintf(wanted, sizeof wanted, "cannot write '%s': Permission denied", file_of("closed", kind));
        CHECK_EQ_STR(said, wanted);
        CHECK_EQ_I64(count_entries(in_folder("closed")), 0);
    }
}

static void test_removed(void)
{
    for (int kind = 0; kind < KINDS; kind++) {
        CHECK_EQ_I64(log_open(kinds[kind].make(NULL), "removed", false), MR_OK);
        CHECK_EQ_I64(log_one("loss", 1, 0, 0), MR_OK);
        CHECK_EQ_I64(log_flush(), MR_OK);
        folder_remove(in_folder("removed"));
        CHECK_EQ_I64(log_one("loss", 1, 0, 1), MR_OK);
        mr_status status = log_sync();
        if (!status)
            status = log_close();
        CHECK_EQ_I64(status, MR_ERR_IO);
        expect("write", file_of("removed", kind), "No such file or directory");
        log_close();
    }
}

int main(void)
{
    if (!files_begin())
        return 1;
    RUN(test_resumed);
    RUN(test_synced);
    RUN(test_other_file);
    RUN(test_paths);
    RUN(test_opened_again);
    RUN(test_full_device);
    RUN(test_full_disk);
    RUN(test_closed_folder);
    RUN(test_removed);
    return files_report();
}

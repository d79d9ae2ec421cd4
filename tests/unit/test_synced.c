/* What is on the disk when a checkpoint is: the folders that lead to it and to the logs, and not only the files. */
#include "check.h"
#include "fit.h"

#include <errno.h>
#include <time.h>

/* The library's calls of fsync come here, from the reporter's thread; read when that has ended. */
static char synced[1 << 14];
static int failing = -1; /* in that many calls for the version folder; -1: never */

int fsync(int fd)
{
    char link[40], path[400] = "";
    struct stat there;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    if (readlink(link, path, sizeof path - 1) > 0 && fstat(fd, &there) == 0 && S_ISDIR(there.st_mode)) {
        const size_t used = strlen(synced), length = strlen(path);
        snprintf(synced + used, sizeof synced - used, "%s\n", path);
        if (length > 10 && strcmp(path + length - 10, "/version_0") == 0 && failing-- == 0) {
            errno = EIO;
            return -1;
        }
    }
    return 0;
}

/* Where that folder was synced first, or behind a place; NULL. */
static const char *find(const char *from, const char *name)
{
    char line[600];
    snprintf(line, sizeof line, "%s\n", *name ? in_folder(name) : files_folder);
    return from ? strstr(from, line) : NULL;
}

static const char *awaited; /* a file that the second epoch waits for, some seconds; NULL */

static mr_tensor *logging(mr_step *s, const mr_batch *b, mr_tensor *loss)
{
    (void)b;
    for (int left = 1000; awaited && s->epoch == 1 && left && !file_exists(in_folder(awaited)); left--)
        nanosleep(&(struct timespec){ 0, 10 * 1000 * 1000 }, NULL);
    mr_log(s, "loss", loss, NULL);
    return loss;
}

static mr_status train(const char *name, mr_trainer_opts opts)
{
    fit f = fit_new(10);
    hook.step = logging;
    *synced = '\0';
    opts.csv = in_folder(name);
    opts.name = "net";
    opts.no_progress = opts.no_summary = true;
    mr_trainer *t = mr_trainer_new(&opts);
    mr_status status = mr_trainer_fit(t, f.task, f.loader);
    mr_trainer_free(t);
    fit_free(&f);
    return status;
}

/* All folders from that of the version to the one that was there before; then the checkpoint's own, with which it counts. */
static void test_folders(void)
{
    CHECK_EQ_I64(train("a/runs", (mr_trainer_opts){ .max_epochs = 1, .log_every_n_steps = 1 }), MR_OK);
    const char *checkpoint = find(synced, "a/runs/net/version_0/checkpoints");
    static const char *const above[] = { "a/runs/net/version_0", "a/runs/net", "a/runs", "a", "" };
    for (int i = 0; i < 5; i++)
        CHECK(find(synced, above[i]) && find(synced, above[i]) < checkpoint);
    CHECK(!find(find(checkpoint, "a/runs/net/version_0/checkpoints"), "a/runs/net")); /* once */
}

/* A log that begins behind the first checkpoint is in its folder before the next one is. */
static void test_late_log(void)
{
    awaited = "late/net/version_0/checkpoints/epoch=0-step=3.safetensors";
    CHECK_EQ_I64(train("late", (mr_trainer_opts){ .max_epochs = 2, .log_every_n_steps = 4 }), MR_OK);
    awaited = NULL;
    const char *first = find(synced, "late/net/version_0/checkpoints");
    const char *log = find(first, "late/net/version_0");
    CHECK(log && find(log, "late/net/version_0/checkpoints"));
}

/* Where that is not so there is no checkpoint. */
static void test_failure(void)
{
    char wanted[600];
    failing = 0;
    CHECK_EQ_I64(train("fails", (mr_trainer_opts){ .max_epochs = 1, .log_every_n_steps = MR_ZERO_INT }),
                 MR_ERR_IO);
    snprintf(wanted, sizeof wanted, "cannot sync the folder '%s': Input/output error",
             in_folder("fails/net/version_0"));
    CHECK_EQ_STR(mr_error(), wanted);
    CHECK_EQ_I64(count_entries(in_folder("fails/net/version_0/checkpoints")), 0);
    failing = 0;
    CHECK_EQ_I64(train("log", (mr_trainer_opts){ .max_epochs = 1, .log_every_n_steps = 1 }), MR_ERR_IO);
    snprintf(wanted, sizeof wanted, "cannot sync the folder of '%s': Input/output error",
             in_folder("log/net/version_0/metrics.csv"));
    CHECK_EQ_STR(mr_error(), wanted);
}

int main(void)
{
    if (!files_begin())
        return 1;
    RUN(test_folders);
    RUN(test_late_log);
    RUN(test_failure);
    return files_report();
}

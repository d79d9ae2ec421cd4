/* Runs in a folder of its own, made and removed here. */
#include "check.h"

#include "base/alloc.h"
#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

/* ---- helpers --------------------------------------------------------------------------------- */

static void put(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    if (CHECK(file)) {
        fputs(text, file);
        fclose(file);
    }
}

static void check_contents(const char *path, const char *want)
{
    char *bytes = NULL;
    size_t size = 0;
    CHECK_EQ_I64(mr__file_read_all(path, &bytes, &size, 0), MR_OK);
    CHECK_EQ_STR(bytes, want);
    CHECK_EQ_I64(size, strlen(want));
    mr__free(bytes);
}

static int count_entries(const char *folder)
{
    int count = 0;
    DIR *entries = opendir(folder);
    if (!CHECK(entries))
        return -1;
    while (readdir(entries))
        count++;
    closedir(entries);
    return count - 2; /* "." and ".." */
}

static bool there(const char *path)
{
    struct stat status;
    return lstat(path, &status) == 0;
}

static void check_failure(mr_status got, mr_status status, const char *text)
{
    CHECK_EQ_I64(got, status);
    CHECK_EQ_I64(mr_error_status(), status);
    CHECK_EQ_STR(mr_error(), text);
    mr_error_clear();
}

static mr_status write_text(const char *path, const char *text)
{
    mr__file_replace file;
    mr__file_replace_begin(&file, path);
    mr__file_replace_write(&file, text, strlen(text));
    return mr__file_replace_commit(&file);
}

/* An allocator that gives `left` blocks, and counts those that are out. */
static int left, out;

static void *few_allocate(void *user, size_t bytes, size_t alignment)
{
    (void)user;
    if (left-- <= 0)
        return NULL;
    out++;
    return aligned_alloc(alignment, mr__round_up(bytes, alignment));
}

static void few_release(void *user, void *memory)
{
    (void)user;
    out--;
    free(memory);
    errno = 0; /* an allocator may, and no message may depend on it */
}

static void allow_blocks(int blocks)
{
    static const mr_allocator few = { few_allocate, few_release, NULL };
    mr_set_allocator(&few);
    left = blocks;
}

/* ---- paths and folders ----------------------------------------------------------------------- */

static void check_join(const char *folder, const char *name, const char *want)
{
    char *path = mr__path_join(folder, name);
    CHECK_EQ_STR(path, want);
    mr__free(path);
}

static void test_join(void)
{
    check_join("a", "b", "a/b");
    check_join("a/", "b", "a/b");
    check_join("", "b", "b");
    check_join("/", "b", "/b");
    check_join("a", "", "a/");
    check_join("", "", "");
    check_join("a", "/b", "/b");
    check_join("a/b", "c/d", "a/b/c/d");
}

static void test_mkdirs(void)
{
    CHECK_EQ_I64(mr__mkdirs("one"), MR_OK);
    CHECK_EQ_I64(mr__mkdirs("one"), MR_OK);
    CHECK_EQ_I64(mr__mkdirs("one/two//three/"), MR_OK);
    CHECK_EQ_I64(mr__mkdirs("./one/../four/five"), MR_OK);
    CHECK_EQ_I64(mr__mkdirs("."), MR_OK);
    CHECK_EQ_I64(mr__mkdirs("/"), MR_OK);
    CHECK(there("one/two/three") && there("four/five"));
    put("one/file", "");
    check_failure(mr__mkdirs("one/file"), MR_ERR_IO, "cannot make folder 'one/file': File exists");
    check_failure(mr__mkdirs("one/file/x"), MR_ERR_IO, "cannot make folder 'one/file/x': Not a directory");
    check_failure(mr__mkdirs("one/file/x/y"), MR_ERR_IO,
                  "cannot make folder 'one/file/x/y': Not a directory");
    check_failure(mr__mkdirs(""), MR_ERR_IO, "cannot make folder '': No such file or directory");
    CHECK(!mr__pending());
}

/* The reason is never cut off, however long the path. */
static void test_long_paths(void)
{
    char path[3000], *bytes;
    size_t size;
    memset(path, 'p', sizeof path);
    memcpy(path + sizeof path - 6, "/last", 6);
    CHECK_EQ_I64(mr__file_read_all(path, &bytes, &size, 0), MR_ERR_IO);
    const char *text = mr_error(), *end = strrchr(text, '/');
    CHECK(strlen(text) < MR__ERROR_BYTES - 1);
    CHECK(strncmp(text, "cannot read '...ppp", 19) == 0);
    CHECK_EQ_STR(end, "/last': File name too long");
    CHECK_EQ_I64(write_text(path, "x"), MR_ERR_IO);
    mr_error_clear();
    CHECK_EQ_I64(mr__mkdirs(path), MR_ERR_IO);
    mr_error_clear();
}

/* ---- reading --------------------------------------------------------------------------------- */

static void test_read(void)
{
    const size_t sizes[] = { 0, 1, 4095, 4096, 65535, 65536, 65537, 1000003 };
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        char *want = malloc(sizes[i] + 1);
        for (size_t j = 0; j < sizes[i]; j++)
            want[j] = (char)('a' + j % 23);
        want[sizes[i]] = '\0';
        put("read", want);
        check_contents("read", want);
        free(want);
    }
}

static void test_read_failures(void)
{
    char *bytes = (char *)1;
    size_t size = 1;
    mr_status status = mr__file_read_all("no/such", &bytes, &size, 0);
    CHECK(bytes == NULL && size == 0);
    check_failure(status, MR_ERR_IO, "cannot read 'no/such': No such file or directory");
    check_failure(mr__file_read_all(".", &bytes, &size, 0), MR_ERR_IO, "cannot read '.': Is a directory");
    allow_blocks(9); /* whose release forgets errno */
    check_failure(mr__file_read_all(".", &bytes, &size, 0), MR_ERR_IO, "cannot read '.': Is a directory");
    put("read", "0123456789");
    allow_blocks(0);
    check_failure(mr__file_read_all("read", &bytes, &size, 0), MR_ERR_MEMORY,
                  "out of memory: 11 bytes wanted");
    CHECK(bytes == NULL);
    CHECK_EQ_I64(out, 0);
    mr_set_allocator(NULL);
}

static void test_read_limit(void)
{
    char *bytes = NULL;
    size_t size = 0;
    put("read", "0123456789");
    CHECK_EQ_I64(mr__file_read_all("read", &bytes, &size, 10), MR_OK);
    CHECK_EQ_STR(bytes, "0123456789");
    mr__free(bytes);
    CHECK_EQ_I64(mr__file_read_all("read", &bytes, &size, SIZE_MAX), MR_OK);
    mr__free(bytes);
    check_failure(mr__file_read_all("read", &bytes, &size, 9), MR_ERR_MEMORY,
                  "cannot read 'read': it has more than 9 bytes");
    CHECK(bytes == NULL);
    check_failure(mr__file_read_all("/dev/zero", &bytes, &size, 3000000), MR_ERR_MEMORY,
                  "cannot read '/dev/zero': it has more than 3000000 bytes");
}

static void nap(long milliseconds)
{
    struct timespec time = { 0, milliseconds * 1000000 };
    while (nanosleep(&time, &time) != 0) {}
}

/* What the thread sends through the pipe: three pieces with pauses, more than a first guess holds. */
enum { PIECES = 3, PIECE_BYTES = 50000 };

static void *feed(void *path)
{
    static char piece[PIECE_BYTES];
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, NULL);
    nap(30);
    int fd = open(path, O_WRONLY);
    for (int i = 0; i < PIECES; i++) {
        memset(piece, 'a' + i, sizeof piece);
        for (size_t done = 0; done < sizeof piece;) {
            ssize_t count = write(fd, piece + done, sizeof piece - done);
            if (count < 0)
                return NULL;
            done += (size_t)count;
        }
        nap(30);
    }
    close(fd);
    return NULL;
}

static volatile sig_atomic_t alarms;

static void on_alarm(int number)
{
    (void)number;
    alarms++;
}

/* A pipe whose other end is slow, and a signal every two milliseconds that interrupts open and read. */
static void test_read_pipe_under_signals(void)
{
    const struct itimerval often = { { 0, 2000 }, { 0, 2000 } }, never = { { 0, 0 }, { 0, 0 } };
    struct sigaction action = { .sa_handler = on_alarm }; /* without SA_RESTART */
    pthread_t thread;
    char *bytes = NULL;
    size_t size = 0;
    if (!CHECK(mkfifo("pipe", 0600) == 0) || !CHECK(pthread_create(&thread, NULL, feed, "pipe") == 0))
        return;
    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &often, NULL);
    CHECK_EQ_I64(mr__file_read_all("pipe", &bytes, &size, 0), MR_OK);
    setitimer(ITIMER_REAL, &never, NULL);
    pthread_join(thread, NULL);
    CHECK(alarms > 3);
    CHECK_EQ_I64(size, PIECES * PIECE_BYTES);
    CHECK(bytes && bytes[0] == 'a' && bytes[size - 1] == 'a' + PIECES - 1 && bytes[size] == '\0');
    mr__free(bytes);
    unlink("pipe");
}

/* ---- replacing ------------------------------------------------------------------------------- */

static void test_replace(void)
{
    mr__mkdirs("new");
    CHECK_EQ_I64(write_text("new/file", "one"), MR_OK);
    check_contents("new/file", "one");
    CHECK_EQ_I64(write_text("new/file", "two and more"), MR_OK);
    check_contents("new/file", "two and more");
    CHECK_EQ_I64(write_text("new/empty", ""), MR_OK);
    check_contents("new/empty", "");
    CHECK_EQ_I64(count_entries("new"), 2);
    CHECK_EQ_I64(write_text("here", "beside us"), MR_OK); /* a path without a folder */
    check_contents("here", "beside us");
}

/* Until the commit the old file is there, whole, and the new one is beside it, in the same folder. */
static void test_old_contents_until_commit(void)
{
    mr__file_replace file;
    mr__mkdirs("until");
    put("until/file", "old");
    CHECK_EQ_I64(mr__file_replace_begin(&file, "until/file"), MR_OK);
    CHECK_EQ_I64(mr__file_replace_write(&file, "ne", 2), MR_OK);
    CHECK_EQ_I64(mr__file_replace_write(&file, "w", 1), MR_OK);
    CHECK_EQ_I64(mr__file_replace_write(&file, NULL, 0), MR_OK);
    check_contents("until/file", "old");
    CHECK_EQ_I64(count_entries("until"), 2);
    CHECK_EQ_I64(mr__file_replace_commit(&file), MR_OK);
    check_contents("until/file", "new");
    CHECK_EQ_I64(count_entries("until"), 1);
    mr__file_replace_abandon(&file); /* does nothing any more */
    check_contents("until/file", "new");
}

static void test_abandon(void)
{
    mr__file_replace file;
    mr__mkdirs("abandon");
    put("abandon/file", "old");
    mr__file_replace_begin(&file, "abandon/file");
    mr__file_replace_write(&file, "new", 3);
    mr__file_replace_abandon(&file);
    mr__file_replace_abandon(&file);
    check_contents("abandon/file", "old");
    CHECK_EQ_I64(count_entries("abandon"), 1);
}

/* Two at once, of one file and in one folder, do not meet: the last commit wins. */
static void test_two_writers(void)
{
    mr__file_replace a, b;
    mr__mkdirs("two");
    mr__file_replace_begin(&a, "two/file");
    mr__file_replace_begin(&b, "two/file");
    mr__file_replace_write(&a, "aaaa", 4);
    mr__file_replace_write(&b, "bb", 2);
    CHECK_EQ_I64(mr__file_replace_commit(&b), MR_OK);
    check_contents("two/file", "bb");
    CHECK_EQ_I64(mr__file_replace_commit(&a), MR_OK);
    check_contents("two/file", "aaaa");
    CHECK_EQ_I64(count_entries("two"), 1);
}

static int permissions(const char *path)
{
    struct stat status;
    return lstat(path, &status) == 0 ? (int)(status.st_mode & 07777) : -1;
}

static void test_permissions(void)
{
    mode_t mask = umask(027);
    unlink("mode");
    CHECK_EQ_I64(write_text("mode", "a"), MR_OK);
    CHECK_EQ_I64(permissions("mode"), 0640);
    chmod("mode", 0606); /* more than the mask lets a new one have */
    CHECK_EQ_I64(write_text("mode", "b"), MR_OK);
    CHECK_EQ_I64(permissions("mode"), 0606);
    chmod("mode", 0400);
    CHECK_EQ_I64(write_text("mode", "c"), MR_OK);
    CHECK_EQ_I64(permissions("mode"), 0400);
    umask(mask);
}

static void test_links(void)
{
    put("target", "old");
    CHECK(symlink("target", "link") == 0);
    CHECK_EQ_I64(write_text("link", "new"), MR_OK);
    check_contents("target", "new");
    check_contents("link", "new");
    struct stat link;
    CHECK(lstat("link", &link) == 0 && S_ISLNK(link.st_mode));
    CHECK(symlink("nowhere", "dangling") == 0);
    CHECK_EQ_I64(write_text("dangling", "new"), MR_OK);
    check_contents("dangling", "new");
    CHECK(!there("nowhere"));
}

static void test_long_names(void)
{
    char name[256];
    memset(name, 'n', 255);
    name[255] = '\0';
    CHECK_EQ_I64(write_text(name, "as long as a name may be"), MR_OK);
    check_contents(name, "as long as a name may be");
    unlink(name);
}

static void test_targets_that_are_refused(void)
{
    mr__mkdirs("refused/folder");
    put("refused/file", "");
    check_failure(write_text("refused/folder", "x"), MR_ERR_IO,
                  "cannot write 'refused/folder': Is a directory");
    check_failure(write_text("refused/", "x"), MR_ERR_IO, "cannot write 'refused/': Is a directory");
    check_failure(write_text("", "x"), MR_ERR_IO, "cannot write '': No such file or directory");
    check_failure(write_text("refused/no/x", "x"), MR_ERR_IO,
                  "cannot write 'refused/no/x': No such file or directory");
    check_failure(write_text("refused/file/x", "x"), MR_ERR_IO,
                  "cannot write 'refused/file/x': Not a directory");
    CHECK(mkfifo("refused/pipe", 0600) == 0);
    check_failure(write_text("refused/pipe", "x"), MR_ERR_IO,
                  "cannot write 'refused/pipe': it is not a regular file");
    CHECK(there("refused/pipe"));
    CHECK_EQ_I64(count_entries("refused"), 3);
    unlink("refused/pipe");
}

/* Files may have 1000 bytes from here on: a write is cut short there, and the next one fails. */
static void test_disk_full(void)
{
    static char bytes[4000];
    struct rlimit old, small;
    mr__file_replace file;
    const char *const message = "cannot write 'full/file': File too large";
    mr__mkdirs("full");
    put("full/file", "old");
    memset(bytes, 'x', sizeof bytes);
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &old);
    small = (struct rlimit){ 1000, old.rlim_max };
    setrlimit(RLIMIT_FSIZE, &small);
    allow_blocks(99);

    CHECK_EQ_I64(mr__file_replace_begin(&file, "full/file"), MR_OK);
    CHECK_EQ_I64(mr__file_replace_write(&file, bytes, 1000), MR_OK);
    check_failure(mr__file_replace_write(&file, bytes, 1), MR_ERR_IO, message);
    check_contents("full/file", "old");
    CHECK_EQ_I64(count_entries("full"), 1); /* gone at once, not only at the end */
    check_failure(mr__file_replace_write(&file, bytes, 1), MR_ERR_IO, message);
    check_failure(mr__file_replace_commit(&file), MR_ERR_IO, message);
    mr__file_replace_abandon(&file);

    mr__file_replace_begin(&file, "full/file");
    check_failure(mr__file_replace_write(&file, bytes, sizeof bytes), MR_ERR_IO,
                  message); /* short, then none */
    mr__file_replace_abandon(&file);
    setrlimit(RLIMIT_FSIZE, &old);
    signal(SIGXFSZ, SIG_DFL);
    check_contents("full/file", "old");
    CHECK_EQ_I64(count_entries("full"), 1);
    CHECK_EQ_I64(out, 0);
    mr_set_allocator(NULL);
}

/* The rename fails: the path has become a folder since. */
static void test_commit_fails(void)
{
    mr__file_replace file;
    mr__mkdirs("late");
    allow_blocks(99);
    mr__file_replace_begin(&file, "late/file");
    mr__file_replace_write(&file, "new", 3);
    mr__mkdirs("late/file");
    check_failure(mr__file_replace_commit(&file), MR_ERR_IO, "cannot write 'late/file': Is a directory");
    CHECK_EQ_I64(count_entries("late"), 1);
    check_failure(mr__file_replace_commit(&file), MR_ERR_IO, "cannot write 'late/file': Is a directory");
    mr__file_replace_abandon(&file);
    CHECK_EQ_I64(out, 0);
    mr_set_allocator(NULL);
}

/* Every allocation fails once, and whatever happened, no temporary stays. */
static void test_without_memory(void)
{
    mr_status status = MR_ERR_MEMORY;
    mr__mkdirs("memory");
    for (int blocks = 0; blocks < 20 && status; blocks++) {
        allow_blocks(blocks);
        status = write_text("memory/file", "text");
        CHECK(status == MR_OK || status == MR_ERR_MEMORY);
        CHECK_EQ_I64(mr_error_status(), status);
        CHECK_EQ_I64(out, 0);
        mr_set_allocator(NULL);
        mr_error_clear();
        CHECK(count_entries("memory") <= 1);
        CHECK(!there("memory/file") || count_entries("memory") == 1);
    }
    CHECK_EQ_I64(status, MR_OK);
    check_contents("memory/file", "text");
}

static int count_open_files(void)
{
    return count_entries("/proc/self/fd");
}

/* ---- */

int main(void)
{
    char folder[] = "test_file.XXXXXX", command[64];
    if (!mkdtemp(folder) || chdir(folder) != 0)
        return 1;
    int before = count_open_files();
    RUN(test_join);
    RUN(test_mkdirs);
    RUN(test_long_paths);
    RUN(test_read);
    RUN(test_read_failures);
    RUN(test_read_limit);
    RUN(test_read_pipe_under_signals);
    RUN(test_replace);
    RUN(test_old_contents_until_commit);
    RUN(test_abandon);
    RUN(test_two_writers);
    RUN(test_permissions);
    RUN(test_links);
    RUN(test_long_names);
    RUN(test_targets_that_are_refused);
    RUN(test_disk_full);
    RUN(test_commit_fails);
    RUN(test_without_memory);
    CHECK_EQ_I64(count_open_files(), before);
    snprintf(command, sizeof command, "rm -rf %s", folder);
    if (chdir("..") != 0 || system(command) != 0)
        return 1;
    return check_report();
}

/* Times whole processes, in turn, and prints the best wall time of each command in nanoseconds, on one line.
 *
 *   bench-spawn_timer [-n ROUNDS] [-s SECONDS] -- COMMAND ARG... [-- COMMAND ARG...]...
 *
 * Each round runs every command once, so that a slow phase of the machine meets them all. It ends after
 * ROUNDS (default 5), or at the first round past SECONDS (default 60), but never before 5 rounds. An
 * argument's "{}" becomes an empty directory that is made before each run and removed after it, outside the
 * measured time. Output of the commands is thrown away; a command that fails ends everything.
 */
#define _XOPEN_SOURCE 700
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

enum { MAX_COMMANDS = 16, LEAST_ROUNDS = 5 };

static char scratch[256]; /* what "{}" stands for */

static void die(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fputs("spawn_timer: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    exit(1);
}

static int remove_entry(const char *path, const struct stat *info, int kind, struct FTW *where)
{
    (void)info, (void)kind, (void)where;
    return remove(path);
}

static void remove_scratch(void)
{
    nftw(scratch, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

static void name_scratch(void)
{
    const char *parent = getenv("TMPDIR");
    snprintf(scratch, sizeof scratch, "%s/spawn_timer.%ld", parent && *parent ? parent : "/tmp",
             (long)getpid());
    atexit(remove_scratch);
}

/* Puts the scratch directory's name in place of the first "{}" of each argument. */
static void fill_in_scratch(char **argv)
{
    for (; *argv; argv++) {
        const char *mark = strstr(*argv, "{}");
        if (!mark)
            continue;
        const size_t size = strlen(*argv) + strlen(scratch) + 1;
        char *text = malloc(size);
        if (!text)
            die("out of memory");
        snprintf(text, size, "%.*s%s%s", (int)(mark - *argv), *argv, scratch, mark + 2);
        *argv = text;
    }
}

static long long now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static long long run(char **argv, const posix_spawn_file_actions_t *quiet)
{
    pid_t child;
    int status;
    remove_scratch();
    if (mkdir(scratch, 0700) != 0)
        die("cannot make %s: %s", scratch, strerror(errno));
    const long long begin = now();
    const int error = posix_spawnp(&child, argv[0], quiet, NULL, argv, environ);
    if (error)
        die("cannot run %s: %s", argv[0], strerror(error));
    if (waitpid(child, &status, 0) != child)
        die("lost %s", argv[0]);
    const long long taken = now() - begin;
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        die("%s failed with wait status %d", argv[0], status);
    return taken;
}

/* Cuts the arguments at each "--" into commands that end with NULL, in place. */
static int split_commands(int argc, char **argv, char **commands[MAX_COMMANDS])
{
    int count = 0;
    for (int i = 0; i < argc; i++) {
        if (strcmp(argv[i], "--") != 0)
            continue;
        argv[i] = NULL;
        if (count == MAX_COMMANDS || i + 1 == argc || strcmp(argv[i + 1], "--") == 0)
            die("wants 1 to %d commands, each after a --", MAX_COMMANDS);
        commands[count++] = argv + i + 1;
    }
    return count;
}

int main(int argc, char **argv)
{
    char **commands[MAX_COMMANDS];
    long long best[MAX_COMMANDS];
    long rounds = LEAST_ROUNDS, seconds = 60;
    int i = 1;
    for (; i + 1 < argc && strcmp(argv[i], "--") != 0; i += 2) {
        if (strcmp(argv[i], "-n") == 0)
            rounds = strtol(argv[i + 1], NULL, 10);
        else if (strcmp(argv[i], "-s") == 0)
            seconds = strtol(argv[i + 1], NULL, 10);
        else
            die("unknown flag %s", argv[i]);
    }
    const int count = split_commands(argc - i, argv + i, commands);
    if (count == 0 || rounds < 1)
        die("usage: [-n ROUNDS] [-s SECONDS] -- COMMAND ARG... [-- COMMAND ARG...]...");

    posix_spawn_file_actions_t quiet;
    posix_spawn_file_actions_init(&quiet);
    posix_spawn_file_actions_addopen(&quiet, 1, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_addopen(&quiet, 2, "/dev/null", O_WRONLY, 0);
    name_scratch();
    for (int c = 0; c < count; c++)
        fill_in_scratch(commands[c]);

    const long long end = now() + seconds * 1000000000LL;
    for (long round = 0; round < rounds && (round < LEAST_ROUNDS || now() < end); round++) {
        for (int c = 0; c < count; c++) {
            const long long taken = run(commands[c], &quiet);
            if (round == 0 || taken < best[c])
                best[c] = taken;
        }
    }
    for (int c = 0; c < count; c++)
        printf("%lld%c", best[c], c + 1 < count ? ' ' : '\n');
    return 0;
}

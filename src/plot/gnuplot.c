/* gnuplot as a child: commands go in through a pipe, complaints come back through another. */
#include "gnuplot.h"

#include "base/error.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

enum { COMPLAINT = 2048 };

/* The last of what gnuplot writes to its stderr. */
typedef struct complaint {
    char text[COMPLAINT + 1];
    size_t length;
} complaint;

/* ---- starting it ---- */

static int spawn(pid_t *child, int in, int err, int picture)
{
    /* -d: as gnuplot is by default, whatever the user's ~/.gnuplot says */
    static const char *const argv[] = { "gnuplot", "-d", "-", NULL };
    posix_spawn_file_actions_t actions;
    int code = posix_spawn_file_actions_init(&actions);
    if (code)
        return code;
    code = posix_spawn_file_actions_adddup2(&actions, in, 0);
    if (!code)
        code = posix_spawn_file_actions_adddup2(&actions, picture, 1);
    if (!code)
        code = posix_spawn_file_actions_adddup2(&actions, err, 2);
    if (!code)
        code = posix_spawnp(child, "gnuplot", &actions, NULL, (char *const *)(uintptr_t)argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    return code;
}

/* A program that was started without standard input or output may have them as 0 to 2 itself, and one would take the
 * other's place: so they are numbered higher first. */
static int spawn_high(pid_t *child, int in, int err, int picture)
{
    int high[3] = { fcntl(in, F_DUPFD_CLOEXEC, 3), fcntl(err, F_DUPFD_CLOEXEC, 3),
                    fcntl(picture, F_DUPFD_CLOEXEC, 3) };
    int code = high[0] < 0 || high[1] < 0 || high[2] < 0 ? errno : spawn(child, high[0], high[1], high[2]);
    for (int i = 0; i < 3; i++)
        if (high[i] >= 0)
            close(high[i]);
    return code;
}

/* ---- talking with it ---- */

/* Sends what the pipe takes; false when there is no more to send. */
static bool send_some(int pipe, const char **script, size_t *bytes)
{
    ssize_t n = write(pipe, *script, *bytes);
    if (n < 0)
        return errno == EINTR || errno == EAGAIN;
    *script += n;
    *bytes -= (size_t)n;
    return *bytes > 0;
}

/* Keeps the end of what comes; false at its end. */
static bool hear_some(int pipe, complaint *said)
{
    if (said->length > COMPLAINT / 2) {
        said->length -= COMPLAINT / 4;
        memmove(said->text, said->text + COMPLAINT / 4, said->length);
    }
    ssize_t n = read(pipe, said->text + said->length, COMPLAINT - said->length);
    if (n > 0)
        said->length += (size_t)n;
    return n > 0 || (n < 0 && errno == EINTR);
}

/* Sends the script and hears the complaints, both at once, so that neither waits for the other. Closes `in`. */
static void converse(int in, int err, const char *script, size_t bytes, complaint *said)
{
    bool sending = bytes > 0, hearing = true;
    fcntl(in, F_SETFL, O_NONBLOCK);
    while (sending || hearing) {
        struct pollfd wait[] = { { .fd = hearing ? err : -1, .events = POLLIN },
                                 { .fd = sending ? in : -1, .events = POLLOUT } };
        if (poll(wait, 2, -1) < 0 && errno != EINTR)
            break;
        if (sending && wait[1].revents)
            sending = send_some(in, &script, &bytes);
        if (!sending && in >= 0) {
            close(in);
            in = -1;
        }
        if (hearing && wait[0].revents)
            hearing = hear_some(err, said);
    }
    if (in >= 0)
        close(in);
}

/* The same without the signal that a pipe raises when its reader has gone. */
static void converse_quietly(int in, int err, const char *script, size_t bytes, complaint *said)
{
    const struct timespec none = { 0, 0 };
    sigset_t broken, before, waiting;
    sigemptyset(&broken);
    sigaddset(&broken, SIGPIPE);
    sigpending(&waiting);
    pthread_sigmask(SIG_BLOCK, &broken, &before);
    converse(in, err, script, bytes, said);
    if (!sigismember(&waiting, SIGPIPE))
        while (sigtimedwait(&broken, NULL, &none) < 0 && errno == EINTR)
            ;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

/* ---- what it said ---- */

/* gnuplot shows the command, points into it, and then says "line 7: what is wrong": that. */
static const char *gist(complaint *said)
{
    char *text = said->text, *end = text + said->length;
    while (end > text && isspace((unsigned char)end[-1]))
        end--;
    *end = '\0';
    char *line = strrchr(text, '\n');
    line = line ? line + 1 : text;
    line += strspn(line, " \t");
    if (strncmp(line, "line ", 5) == 0) {
        char *what = line + 5 + strspn(line + 5, "0123456789");
        if (strncmp(what, ": ", 2) == 0)
            line = what + 2;
    }
    return line;
}

static mr_status judge(int status, complaint *said)
{
    const char *what = gist(said);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return MR_OK;
    if (WIFSIGNALED(status))
        return mr__raise(MR_ERR_IO, "plot: gnuplot was ended by signal %d", WTERMSIG(status));
    return mr__raise(MR_ERR_IO, "plot: gnuplot failed with status %d%s%.300s", WEXITSTATUS(status),
                     *what ? ": " : "", what);
}

static mr_status not_started(int code)
{
    if (code == ENOENT)
        return mr__raise(MR_ERR_MISSING,
                         "plot: gnuplot is not installed (Debian: apt-get install gnuplot-nox)");
    return mr__raise(MR_ERR_IO, "plot: cannot run gnuplot: %s", strerror(code));
}

mr_status mr__gnuplot(const char *script, size_t bytes, int picture)
{
    int in[2], err[2], status = 0;
    complaint said = { .length = 0 };
    pid_t child = -1;
    if (pipe2(in, O_CLOEXEC))
        return mr__raise(MR_ERR_IO, "plot: cannot make a pipe: %s", strerror(errno));
    if (pipe2(err, O_CLOEXEC)) {
        mr__raise(MR_ERR_IO, "plot: cannot make a pipe: %s", strerror(errno));
        close(in[0]);
        close(in[1]);
        return MR_ERR_IO;
    }
    int code = spawn_high(&child, in[0], err[1], picture);
    close(in[0]);
    close(err[1]);
    if (code)
        close(in[1]);
    else
        converse_quietly(in[1], err[0], script, bytes, &said);
    close(err[0]);
    if (code)
        return not_started(code);
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    return judge(status, &said);
}

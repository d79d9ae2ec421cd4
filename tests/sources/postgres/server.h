/* A PostgreSQL server of a test's own, in the test's folder, on a socket there: no network, nothing that others could
 * see. Programs are Debian's, under /usr/lib/postgresql. Root, which the server refuses to run as, becomes postgres. */
#ifndef SERVER_H
#define SERVER_H

#include "files.h"

#include <libpq-fe.h>

#include <fcntl.h>
#include <glob.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>

static char server_bin[256];
static pid_t server_pid;

/* How libpq is told of it. The password is one that no message may have. */
static char server_name[600];
#define SERVER_PASSWORD "open sesame"

/* Finds the programs; false when they are not there. */
static inline bool server_installed(void)
{
    glob_t found;
    if (glob("/usr/lib/postgresql/*/bin/initdb", 0, NULL, &found) == 0)
        snprintf(server_bin, sizeof server_bin, "%.*s",
                 (int)(strrchr(found.gl_pathv[found.gl_pathc - 1], '/') - found.gl_pathv[found.gl_pathc - 1]),
                 found.gl_pathv[found.gl_pathc - 1]);
    globfree(&found);
    return *server_bin != 0;
}

/* In a child: somebody whom the server accepts, and silent. */
static inline void server_become_user(void)
{
    struct passwd *user = getpwnam("postgres");
    user = user ? user : getpwnam("nobody");
    int nothing = open("/dev/null", O_WRONLY);
    dup2(nothing, STDOUT_FILENO);
    dup2(nothing, STDERR_FILENO);
    if (getuid() == 0 && (!user || setgroups(0, NULL) || setgid(user->pw_gid) || setuid(user->pw_uid)))
        _exit(126);
    if (chdir("/")) /* out of a folder that may be closed to this one */
        _exit(126);
    prctl(PR_SET_PDEATHSIG, SIGQUIT); /* it does not outlive a test that dies */
}

static inline pid_t server_run(char *const *arguments)
{
    char path[400];
    snprintf(path, sizeof path, "%s/%s", server_bin, arguments[0]);
    pid_t pid = fork();
    if (pid == 0) {
        char *with_path[32] = { path }; /* by which it finds the others */
        for (int i = 1; i < 31 && arguments[i]; i++)
            with_path[i] = arguments[i];
        server_become_user();
        execv(path, with_path);
        _exit(127);
    }
    return pid;
}

static inline bool server_wait_ready(void)
{
    for (int i = 0; i < 3000; i++) {
        if (PQping(server_name) == PQPING_OK)
            return true;
        nanosleep(&(struct timespec){ 0, 10000000 }, NULL);
        if (waitpid(server_pid, NULL, WNOHANG) != 0)
            break;
    }
    return false;
}

/* Starts it on the data that are there. */
static inline bool server_start(void)
{
    char data[512], socket[512];
    snprintf(data, sizeof data, "%s/data", files_folder);
    snprintf(socket, sizeof socket, "unix_socket_directories=%s", files_folder);
    char *const arguments[] = { "postgres",
                                "-D",
                                data,
                                "-c",
                                socket,
                                "-c",
                                "listen_addresses=",
                                "-c",
                                "fsync=off",
                                "-c",
                                "shared_buffers=4MB",
                                "-c",
                                "autovacuum=off",
                                "-c",
                                "max_wal_senders=0",
                                "-c",
                                "wal_level=minimal",
                                NULL };
    server_pid = server_run(arguments);
    return server_wait_ready();
}

/* A new one. It trusts everybody but the role `locked`, whom it asks for a password. */
static inline bool server_begin(void)
{
    static const char who[] = "local all locked scram-sha-256\nlocal all all trust\n";
    char data[512];
    int status = 0;
    snprintf(data, sizeof data, "%s/data", files_folder);
    snprintf(server_name, sizeof server_name, "host=%s user=tester dbname=postgres password='%s'",
             files_folder, SERVER_PASSWORD);
    char *const arguments[] = { "initdb",          "-D",         data,           "-U", "tester", "--no-sync",
                                "--encoding=UTF8", "--locale=C", "--auth=trust", NULL };
    pid_t pid = server_run(arguments);
    if (pid < 0 || waitpid(pid, &status, 0) != pid || status)
        return false;
    file_put(in_folder("data/pg_hba.conf"), who, sizeof who - 1);
    CHECK(chmod(in_folder("data/pg_hba.conf"), 0644) == 0);
    return server_start();
}

/* Stops it by a signal: SIGINT breaks connections off in order, SIGQUIT at once. */
static inline void server_stop(int signal)
{
    if (server_pid > 0) {
        kill(server_pid, signal);
        waitpid(server_pid, NULL, 0);
    }
    server_pid = 0;
}

/* Runs statements beside the program that is tested; the first value of the last result, "" without one. */
static inline const char *server_do(const char *statements)
{
    static char value[256];
    PGconn *conn = PQconnectdb(server_name);
    PGresult *result = PQexec(conn, statements);
    ExecStatusType status = PQresultStatus(result);
    if (!CHECK(status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK))
        printf("    %s", PQerrorMessage(conn));
    snprintf(value, sizeof value, "%s", PQntuples(result) ? PQgetvalue(result, 0, 0) : "");
    PQclear(result);
    PQfinish(conn);
    return value;
}

#endif

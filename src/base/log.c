#include "log.h"

#include <stdarg.h>
#include <stdio.h>

static void to_stderr(void *user, mr_log_level level, const char *line)
{
    (void)user;
    (void)level;
    fprintf(stderr, "%s\n", line);
}

static struct {
    mr_log_hook hook;
    void *user;
} target = { to_stderr, NULL };

void mr_set_log_hook(mr_log_hook hook, void *user)
{
    target.hook = hook ? hook : to_stderr;
    target.user = user;
}

static void say(mr_log_level level, const char *format, va_list args)
{
    char line[1024];
    vsnprintf(line, sizeof line, format, args);
    target.hook(target.user, level, line);
}

void mr__log(mr_log_level level, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    say(level, format, args);
    va_end(args);
}

void mr_log_line(mr_log_level level, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    say(level, format, args);
    va_end(args);
}

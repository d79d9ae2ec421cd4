#include "error.h"

#include <stdio.h>
#include <string.h>

/* The thread's last failure. `text` stays readable after it was settled; `settled`: since the last mark. */
static _Thread_local struct {
    bool pending, settled;
    mr__failure failure;
} last;

bool mr__pending(void)
{
    return last.pending;
}

mr_status mr__pending_status(void)
{
    return last.pending ? last.failure.status : MR_OK;
}

/* Makes one line of a text, whatever a user's callback, or a name in a file, wrote. */
static void join_lines(char *text)
{
    for (char *c = text; *c; c++)
        if (*c == '\n' || *c == '\r')
            *c = ' ';
}

mr_status mr__raise_va(mr_status status, const char *format, va_list args)
{
    if (last.pending)
        return status;
    char text[MR__ERROR_BYTES]; /* the arguments may point into the old text */
    vsnprintf(text, sizeof text, format, args);
    memcpy(last.failure.text, text, sizeof text);
    last.pending = true;
    last.settled = false;
    last.failure.status = status;
    join_lines(last.failure.text);
    return status;
}

mr_status mr__raise(mr_status status, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    mr__raise_va(status, format, args);
    va_end(args);
    return status;
}

mr_status mr_fail(mr_status status, const char *format, ...)
{
    va_list args;
    if (status >= 0)
        status = MR_ERR_CALLBACK;
    va_start(args, format);
    mr__raise_va(status, format, args);
    va_end(args);
    return status;
}

static void add_context(const char *format, va_list args)
{
    char context[MR__ERROR_BYTES], text[MR__ERROR_BYTES];
    if (!last.pending)
        return;
    vsnprintf(context, sizeof context, format, args);
    join_lines(context);
    memcpy(text, last.failure.text, sizeof text);
    size_t used = strlen(context);
    if (used > sizeof text - 3)
        used = sizeof text - 3;
    memcpy(last.failure.text, context, used);
    memcpy(last.failure.text + used, ": ", 2);
    used += 2;
    size_t rest = strlen(text);
    if (rest > sizeof text - 1 - used)
        rest = sizeof text - 1 - used;
    memcpy(last.failure.text + used, text, rest);
    last.failure.text[used + rest] = '\0';
}

void mr__add_context(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    add_context(format, args);
    va_end(args);
}

void mr_fail_context(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    add_context(format, args);
    va_end(args);
}

mr_status mr__null(const char *call, const char *what)
{
    if (last.pending)
        return last.failure.status;
    return mr__raise(MR_ERR_ARGUMENT, "%s: %s is NULL", call, what);
}

mr_status mr__settle(mr_status status)
{
    if (status < 0) {
        last.settled |= last.pending;
        last.pending = false;
    }
    return status;
}

bool mr__has_cause(mr_status status)
{
    if (!last.pending && last.settled && (status == MR_OK || status == last.failure.status)) {
        last.pending = true;
        last.settled = false;
    }
    return last.pending;
}

void mr__error_mark(void)
{
    last.settled = false;
}

void mr__failure_take(mr__failure *to)
{
    *to = last.failure;
}

mr_status mr__failure_raise(const mr__failure *from)
{
    return mr__raise(from->status, "%s", from->text);
}

const char *mr_error(void)
{
    last.settled |= last.pending;
    last.pending = false;
    return last.failure.text;
}

mr_status mr_error_status(void)
{
    return last.failure.status;
}

void mr_error_clear(void)
{
    last.pending = last.settled = false;
    last.failure.status = MR_OK;
    last.failure.text[0] = '\0';
}

/* Values on a command line: parsed whole, within bounds, or refused in one line. */
#ifndef MILLRACE_CLI_ARGS_H
#define MILLRACE_CLI_ARGS_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/* The status of a program that was called wrongly. */
#define ARGS_WRONG 2

/* A whole number from `low` to `high`; exits with a line that names the flag. */
static inline int64_t args_integer(const char *program, const char *flag, const char *text, int64_t low,
                                   int64_t high)
{
    char *end;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (errno || end == text || *end || value < low || value > high) {
        fprintf(stderr, "%s: --%s takes a whole number from %lld to %lld, not '%s'\n", program, flag,
                (long long)low, (long long)high, text);
        exit(ARGS_WRONG);
    }
    return value;
}

/* A finite number that is not negative. */
static inline double args_real(const char *program, const char *flag, const char *text)
{
    char *end;
    double value = strtod(text, &end);
    if (end == text || *end || !(value >= 0) || value > 1e300) {
        fprintf(stderr, "%s: --%s takes a number that is not negative, not '%s'\n", program, flag, text);
        exit(ARGS_WRONG);
    }
    return value;
}

#endif

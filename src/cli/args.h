/*
 * The command line of a program: flags with a value, which follows (--seed 1) or is attached (--seed=1), and
 * switches. Values are read whole and within bounds, or refused in one line and with status 2.
 */
#ifndef MILLRACE_CLI_ARGS_H
#define MILLRACE_CLI_ARGS_H

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The status of a program that was called wrongly. */
#define ARGS_WRONG 2

/* A flag. The one pointer that is set says what it takes, and where that goes. */
typedef struct args_flag {
    const char *name; /* without the dashes */
    bool *on;         /* a switch */
    double *real;     /* finite and not negative */
    const char **text;
    const char *const *one_of; /* the texts there are, up to NULL; NULL: any */
    int64_t *integer;
    int64_t low, high; /* its bounds */
    uint64_t *bits;    /* any number of 64 bits without a sign: a seed */
    bool needed;       /* must be given */
} args_flag;

/* A program: its name, what --help prints, its flags up to one without a name. */
typedef struct args_program {
    const char *name, *usage;
    const args_flag *flags;
} args_program;

_Noreturn static inline void args_wrong(const args_program *program, const char *format, ...)
{
    va_list values;
    fprintf(stderr, "%s: ", program->name);
    va_start(values, format);
    vfprintf(stderr, format, values);
    va_end(values);
    fputc('\n', stderr);
    exit(ARGS_WRONG);
}

static inline void args_read_integer(const args_program *program, const args_flag *flag, const char *text)
{
    const char *digits = text + (*text == '-');
    size_t count = strspn(digits, "0123456789");
    long long value = strtoll(text, NULL, 10); /* of more digits than it holds, a bound that is no one's */
    if (!count || digits[count] || value < flag->low || value > flag->high)
        args_wrong(program, "--%s takes a whole number from %lld to %lld, not '%s'", flag->name,
                   (long long)flag->low, (long long)flag->high, text);
    *flag->integer = value;
}

static inline void args_read_bits(const args_program *program, const args_flag *flag, const char *text)
{
    size_t count = strspn(text, "0123456789");
    errno = 0;
    unsigned long long value = strtoull(text, NULL, 10);
    if (!count || text[count] || errno)
        args_wrong(program, "--%s takes a whole number from 0 to 18446744073709551615, not '%s'", flag->name,
                   text);
    *flag->bits = value;
}

static inline void args_read_real(const args_program *program, const args_flag *flag, const char *text)
{
    char *end; /* strtod takes more than decimal numbers */
    double value = strtod(text, &end);
    if (end == text || *end || text[strspn(text, "0123456789.eE+-")] || !isfinite(value) || value < 0)
        args_wrong(program, "--%s takes a finite number that is not negative, not '%s'", flag->name, text);
    *flag->real = value;
}

static inline void args_read_text(const args_program *program, const args_flag *flag, const char *text)
{
    char list[256] = "";
    *flag->text = text;
    if (!flag->one_of)
        return;
    for (const char *const *one = flag->one_of; *one; one++) {
        if (strcmp(text, *one) == 0)
            return;
        size_t used = strlen(list);
        snprintf(list + used, sizeof list - used, "%s%s", !used ? "" : one[1] ? ", " : " or ", *one);
    }
    args_wrong(program, "--%s is %s, not '%s'; see %s --help", flag->name, list, text, program->name);
}

static inline void args_read_value(const args_program *program, const args_flag *flag, const char *text)
{
    if (flag->integer)
        args_read_integer(program, flag, text);
    else if (flag->bits)
        args_read_bits(program, flag, text);
    else if (flag->real)
        args_read_real(program, flag, text);
    else
        args_read_text(program, flag, text);
}

/* The flag of an argument "--name" or "--name=…"; NULL if there is none. */
static inline const args_flag *args_find(const args_program *program, const char *arg)
{
    size_t length = strcspn(arg + 2, "=");
    for (const args_flag *flag = program->flags; flag->name; flag++)
        if (strlen(flag->name) == length && strncmp(flag->name, arg + 2, length) == 0)
            return flag;
    return NULL;
}

/* Whether an argument is the flag, or the flag with its value. */
static inline bool args_has(const args_flag *flag, int argc, char **argv)
{
    size_t length = strlen(flag->name);
    for (int i = 1; i < argc; i++)
        if (strncmp(argv[i], "--", 2) == 0 && strcspn(argv[i] + 2, "=") == length &&
            strncmp(argv[i] + 2, flag->name, length) == 0)
            return true;
    return false;
}

/* Reads all arguments; does not return when one is wrong or missing, or --help. */
static inline void args_parse(const args_program *program, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        const char *arg = argv[i], *value = strchr(arg, '=');
        bool dashes = strncmp(arg, "--", 2) == 0;
        if (strcmp(arg, "--help") == 0) {
            fputs(program->usage, stdout);
            exit(fflush(stdout) ? EXIT_FAILURE : EXIT_SUCCESS);
        }
        const args_flag *flag = dashes ? args_find(program, arg) : NULL;
        if (!flag)
            args_wrong(program, "unknown %s '%s'; see %s --help", arg[0] == '-' ? "flag" : "argument", arg,
                       program->name);
        if (flag->on && value)
            args_wrong(program, "--%s takes no value, not '%s'; see %s --help", flag->name, value + 1,
                       program->name);
        if (flag->on)
            *flag->on = true;
        else if (value)
            args_read_value(program, flag, value + 1);
        else if (i + 1 < argc && strncmp(argv[i + 1], "--", 2) != 0)
            args_read_value(program, flag, argv[++i]);
        else
            args_wrong(program, "a value is missing behind '%s'; see %s --help", arg, program->name);
    }
    for (const args_flag *flag = program->flags; flag->name; flag++)
        if (flag->needed && !args_has(flag, argc, argv))
            args_wrong(program, "--%s is missing; see %s --help", flag->name, program->name);
}

#endif

#include "pattern.h"

#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_NAMES = 1000000 };

void mr__names_free(mr__names *names)
{
    for (int64_t i = 0; i < names->count; i++)
        mr_free(names->name[i]);
    mr_free(names->name);
    *names = (mr__names){ 0 };
}

static mr_status add(mr__names *names, const char *name)
{
    if (names->count == MOST_NAMES)
        return mr_fail(MR_ERR_ARGUMENT, "tar_stream_new: a pattern of more than %d names", MOST_NAMES);
    if (names->count == names->room) {
        int64_t room = names->room ? names->room * 2 : 16;
        char **list = mr_grow(names->name, (size_t)names->count * sizeof *list, (size_t)room * sizeof *list);
        if (!list)
            return mr_error_status();
        names->name = list;
        names->room = room;
    }
    char *copy = mr_strdup(name);
    if (!copy)
        return mr_error_status();
    names->name[names->count++] = copy;
    return MR_OK;
}

/* ---- braces ---- */

/* The brace that closes the one at `open`, with the commas between them counted; NULL when there is none. */
static const char *closing(const char *open, int *commas)
{
    int depth = 0;
    *commas = 0;
    for (const char *p = open; *p; p++) {
        depth += (*p == '{') - (*p == '}');
        *commas += depth == 1 && *p == ',';
        if (depth == 0)
            return p;
    }
    return NULL;
}

/* "000..127": the numbers, and how many digits they have at least. */
static bool read_range(const char *at, const char *end, long long *first, long long *last, int *digits)
{
    char text[48], *stop, *other;
    if (end - at >= (long)sizeof text || *at < '0' || *at > '9')
        return false;
    memcpy(text, at, (size_t)(end - at));
    text[end - at] = 0;
    errno = 0;
    *first = strtoll(text, &stop, 10);
    if (strncmp(stop, "..", 2) != 0 || stop[2] < '0' || stop[2] > '9')
        return false;
    *last = strtoll(stop + 2, &other, 10);
    const int a = (int)(stop - text), b = (int)(other - stop) - 2;
    *digits = (text[0] == '0' && a > 1) || (stop[2] == '0' && b > 1) ? (a > b ? a : b) : 1;
    return !*other && !errno;
}

static mr_status expand(mr__names *names, const char *pattern);

/* The pattern with `middle` in place of what is between its first braces, and so on with what is behind. */
static mr_status expand_with(mr__names *names, const char *pattern, const char *open, const char *close,
                             const char *middle, size_t length)
{
    size_t front = (size_t)(open - pattern), back = strlen(close + 1);
    char *text = mr_alloc(front + length + back + 1);
    if (!text)
        return mr_error_status();
    memcpy(text, pattern, front);
    memcpy(text + front, middle, length);
    memcpy(text + front + length, close + 1, back + 1);
    mr_status s = expand(names, text);
    mr_free(text);
    return s;
}

static mr_status expand_list(mr__names *names, const char *pattern, const char *open, const char *close)
{
    int depth = 0;
    mr_status s = MR_OK;
    for (const char *p = open + 1, *from = p; s == MR_OK && p <= close; p++) {
        depth += (*p == '{') - (*p == '}' && p < close);
        if (depth == 0 && (*p == ',' || p == close)) {
            s = expand_with(names, pattern, open, close, from, (size_t)(p - from));
            from = p + 1;
        }
    }
    return s;
}

static mr_status expand_range(mr__names *names, const char *pattern, const char *open, const char *close,
                              const long long range[2], int digits)
{
    mr_status s = MR_OK;
    const int step = range[0] <= range[1] ? 1 : -1;
    for (long long i = range[0]; s == MR_OK; i += step) {
        char number[48];
        int length = snprintf(number, sizeof number, "%0*lld", digits, i);
        s = expand_with(names, pattern, open, close, number, (size_t)length);
        if (i == range[1])
            break;
    }
    return s;
}

/* Braces without a comma or a range stand for themselves. */
static mr_status expand(mr__names *names, const char *pattern)
{
    for (const char *open = strchr(pattern, '{'); open; open = strchr(open + 1, '{')) {
        long long range[2];
        int commas, digits;
        const char *close = closing(open, &commas);
        if (close && commas)
            return expand_list(names, pattern, open, close);
        if (close && read_range(open + 1, close, &range[0], &range[1], &digits))
            return expand_range(names, pattern, open, close, range, digits);
    }
    return add(names, pattern);
}

/* ---- what is there ---- */

static int by_bytes(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static mr_status look(mr__names *names, const char *pattern)
{
    glob_t found = { 0 };
    int code = glob(pattern, GLOB_NOSORT, NULL, &found);
    mr_status s = MR_OK;
    if (code == GLOB_NOMATCH)
        s = mr_fail(MR_ERR_IO, "tar_stream_new: there is no file '%s'", pattern);
    else if (code)
        s = mr_fail(code == GLOB_NOSPACE ? MR_ERR_MEMORY : MR_ERR_IO, "tar_stream_new: cannot look for '%s'",
                    pattern);
    if (s == MR_OK)
        qsort(found.gl_pathv, found.gl_pathc, sizeof *found.gl_pathv, by_bytes);
    for (size_t i = 0; s == MR_OK && i < found.gl_pathc; i++)
        s = add(names, found.gl_pathv[i]);
    globfree(&found);
    return s;
}

mr_status mr__names_of(mr__names *names, const char *pattern, bool on_disk)
{
    mr__names patterns = { 0 };
    mr_status s = expand(&patterns, pattern);
    for (int64_t i = 0; s == MR_OK && i < patterns.count; i++)
        s = on_disk && strpbrk(patterns.name[i], "*?[") ? look(names, patterns.name[i])
                                                        : add(names, patterns.name[i]);
    mr__names_free(&patterns);
    return s;
}

#include "answer.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

/* ---- values ---- */

/* A value without blanks around it; one that has no room is none. */
static void copy_value(char *to, size_t room, const char *at, size_t length)
{
    while (length && (*at == ' ' || *at == '\t')) {
        at++;
        length--;
    }
    while (length && strchr(" \t\r\n", at[length - 1]))
        length--;
    if (length >= room)
        length = 0;
    memcpy(to, at, length);
    to[length] = 0;
}

/* Digits, and nothing but digits up to `end`, as a number; -1 when it is none. */
static int64_t read_number(const char *at, const char *end)
{
    int64_t number = 0;
    if (at == end)
        return -1;
    for (; at < end; at++)
        if (*at < '0' || *at > '9' || __builtin_mul_overflow(number, 10, &number) ||
            __builtin_add_overflow(number, *at - '0', &number))
            return -1;
    return number;
}

/* RFC 9110, 14.4: "bytes 0-499/1234"; a star for either side says nothing of it. So does what is nothing of the kind. The last
 * of several lines counts. */
static void read_range(mr__answer *a, const char *text)
{
    const char *slash = strchr(text, '/'), *minus = strchr(text, '-');
    a->first = a->last = a->identity.size = -1;
    if (strncasecmp(text, "bytes ", 6) != 0 || !slash)
        return;
    const int64_t size = read_number(slash + 1, text + strlen(text));
    if (size < 0 && strcmp(slash + 1, "*") != 0)
        return;
    if (minus && minus < slash) {
        const int64_t first = read_number(text + 6, minus), last = read_number(minus + 1, slash);
        if (first < 0 || last < first || (size >= 0 && last >= size))
            return;
        a->first = first;
        a->last = last;
    }
    a->identity.size = size;
}

/* RFC 9110, 8.4. One that is too long is none that anybody knows. */
static void read_encoding(mr__identity *identity, const char *text)
{
    const bool none = strcasecmp(text, "identity") == 0;
    const int n = snprintf(identity->encoding, sizeof identity->encoding, "%s", none ? "" : text);
    if (n >= (int)sizeof identity->encoding)
        strcpy(identity->encoding, "another");
}

/* Seconds, or a date. */
static double read_delay(const char *text)
{
    const int64_t seconds = read_number(text, text + strlen(text));
    if (seconds >= 0)
        return (double)seconds;
    const time_t when = curl_getdate(text, NULL);
    const double left = difftime(when, time(NULL));
    return when < 0 ? -1 : left > 0 ? left : 0;
}

/* ---- lines ---- */

static void begin(mr__answer *a, const char *text)
{
    *a = (mr__answer){ .identity.size = -1, .first = -1, .last = -1, .length = -1, .retry_after = -1 };
    const char *blank = strchr(text, ' ');
    a->status = blank ? atoi(blank + 1) : 0;
    blank = blank ? strchr(blank + 1, ' ') : NULL;
    if (blank)
        snprintf(a->reason, sizeof a->reason, "%s", blank + 1);
}

bool mr__answer_line(mr__answer *a, const char *line, size_t length)
{
    char text[512];
    const char *colon = memchr(line, ':', length);
    if (length >= 5 && strncmp(line, "HTTP/", 5) == 0) {
        copy_value(text, sizeof text, line, length < sizeof text ? length : sizeof text - 1);
        begin(a, text);
        return false;
    }
    if (!colon)
        return length == 0 || *line == '\r' || *line == '\n';
    const size_t name = (size_t)(colon - line), rest = length - name - 1;
#define IS(word) (name == sizeof word - 1 && strncasecmp(line, word, name) == 0)
    if (IS("etag")) {
        copy_value(a->identity.etag, sizeof a->identity.etag, colon + 1, rest);
    } else if (IS("last-modified")) {
        copy_value(a->identity.modified, sizeof a->identity.modified, colon + 1, rest);
    } else if (IS("location")) {
        a->redirects = a->status >= 300 && a->status < 400;
    } else {
        copy_value(text, sizeof text, colon + 1, rest);
        if (IS("content-range"))
            read_range(a, text);
        else if (IS("content-encoding"))
            read_encoding(&a->identity, text);
        else if (IS("content-length"))
            a->length = read_number(text, text + strlen(text));
        else if (IS("retry-after"))
            a->retry_after = read_delay(text);
    }
#undef IS
    return false;
}

/* ---- identities ---- */

bool mr__identity_readable(const mr__identity *identity)
{
    static const char *const known[] = { "", "gzip", "x-gzip", "zstd" };
    for (int i = 0; i < 4; i++)
        if (strcasecmp(identity->encoding, known[i]) == 0)
            return true;
    return false;
}

bool mr__identity_same(const mr__identity *a, const mr__identity *b)
{
    const bool etags = *a->etag && *b->etag, dates = *a->modified && *b->modified;
    if (etags && strcmp(a->etag, b->etag) != 0)
        return false;
    if (!etags && dates && strcmp(a->modified, b->modified) != 0)
        return false;
    if (*a->encoding && *b->encoding && strcasecmp(a->encoding, b->encoding) != 0)
        return false;
    return a->size < 0 || b->size < 0 || a->size == b->size;
}

uint64_t mr__identity_stamp(const mr__identity *identity)
{
    const char *text = *identity->etag ? identity->etag : identity->modified;
    uint64_t h = 14695981039346656037u ^ (uint64_t)identity->size;
    if (!*text)
        return 0;
    for (; *text; text++)
        h = (h ^ (unsigned char)*text) * 1099511628211u;
    h ^= h >> 29;
    return h ? h : 1;
}

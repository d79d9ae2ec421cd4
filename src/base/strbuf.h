/*
 * A string that grows. Its first failure is raised and sticks: every later call on it does nothing, so a
 * caller that writes a whole file checks once, at the end.
 *
 *     mr__strbuf line = { 0 };
 *     mr__strbuf_append(&line, "loss,");
 *     mr__strbuf_appendf(&line, "%d\r\n", step);
 *     if (line.failed) …
 *     mr__strbuf_free(&line);
 */
#ifndef MILLRACE_BASE_STRBUF_H
#define MILLRACE_BASE_STRBUF_H

#include <millrace/base.h>

#include <stdarg.h>

typedef struct mr__strbuf {
    char *text;      /* ends in '\0'; NULL before the first byte: mr__strbuf_text is never NULL */
    size_t length;   /* without the '\0'; bytes that are '\0' themselves may be among them */
    size_t capacity; /* with it */
    bool failed;
} mr__strbuf;

void mr__strbuf_append(mr__strbuf *buf, const char *text);
void mr__strbuf_append_bytes(mr__strbuf *buf, const void *bytes, size_t count);
void mr__strbuf_appendf(mr__strbuf *buf, const char *format, ...) MR_PRINTF(2, 3);
void mr__strbuf_appendf_va(mr__strbuf *buf, const char *format, va_list args) MR_PRINTF(2, 0);

/* A whole number, many times faster than by a format. */
void mr__strbuf_append_integer(mr__strbuf *buf, int64_t value);

/* A number as Python writes it (float_text.h). */
void mr__strbuf_append_double(mr__strbuf *buf, double value);

/* Empties it and keeps its memory, for the next line. A failure sticks. */
void mr__strbuf_clear(mr__strbuf *buf);

/* Views the text until the next call on `buf`; "" when there is none. */
const char *mr__strbuf_text(const mr__strbuf *buf);

/* Makes the text the caller's, to be freed by mr__free, and leaves `buf` empty; NULL if it had failed. */
char *mr__strbuf_take(mr__strbuf *buf);

/* Frees the memory; `buf` is then as new. */
void mr__strbuf_free(mr__strbuf *buf);

#endif

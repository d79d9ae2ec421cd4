#include "strbuf.h"

#include "alloc.h"
#include "digits.h"
#include "error.h"
#include "float_text.h"

#include <stdio.h>
#include <string.h>

enum { FIRST_BYTES = 256 };

/* Makes room for `more` bytes and the '\0' behind them. */
static bool reserve(mr__strbuf *buf, size_t more)
{
    if (buf->failed)
        return false;
    if (buf->capacity > buf->length && more < buf->capacity - buf->length)
        return true;
    size_t wanted = SIZE_MAX, doubled = buf->capacity < SIZE_MAX / 2 ? 2 * buf->capacity : SIZE_MAX;
    if (more < SIZE_MAX - buf->length)
        wanted = buf->length + more + 1;
    if (wanted < doubled)
        wanted = doubled;
    if (wanted < FIRST_BYTES)
        wanted = FIRST_BYTES;
    char *larger = mr__grow(buf->text, buf->length, wanted);
    if (!larger) {
        buf->failed = true;
        return false;
    }
    buf->text = larger;
    buf->text[buf->length] = '\0';
    buf->capacity = wanted;
    return true;
}

void mr__strbuf_append_bytes(mr__strbuf *buf, const void *bytes, size_t count)
{
    if (!reserve(buf, count))
        return;
    if (count)
        memcpy(buf->text + buf->length, bytes, count);
    buf->length += count;
    buf->text[buf->length] = '\0';
}

void mr__strbuf_append(mr__strbuf *buf, const char *text)
{
    mr__strbuf_append_bytes(buf, text, strlen(text));
}

void mr__strbuf_append_integer(mr__strbuf *buf, int64_t value)
{
    char text[24], *at = text + sizeof text;
    uint64_t rest = value < 0 ? -(uint64_t)value : (uint64_t)value;
    for (; rest >= 10; rest /= 100)
        mr__put_pair(at -= 2, (uint32_t)(rest % 100));
    if (rest || at == text + sizeof text)
        *--at = (char)('0' + rest);
    if (value < 0)
        *--at = '-';
    mr__strbuf_append_bytes(buf, at, (size_t)(text + sizeof text - at));
}

void mr__strbuf_append_double(mr__strbuf *buf, double value)
{
    if (!reserve(buf, MR__FLOAT_TEXT_BYTES))
        return;
    buf->length += mr__put_double(buf->text + buf->length, value);
    buf->text[buf->length] = '\0';
}

void mr__strbuf_appendf_va(mr__strbuf *buf, const char *format, va_list args)
{
    va_list again;
    int wanted = -1;
    if (!reserve(buf, 0))
        return;
    va_copy(again, args);
    size_t room = buf->capacity - buf->length;
    wanted = vsnprintf(buf->text + buf->length, room, format, args);
    if (wanted < 0) {
        mr__raise(MR_ERR_ARGUMENT, "a text cannot be formatted: '%s'", format);
        buf->text[buf->length] = '\0';
        buf->failed = true;
    } else if ((size_t)wanted < room) {
        buf->length += (size_t)wanted;
    } else {
        buf->text[buf->length] = '\0';
        if (reserve(buf, (size_t)wanted)) {
            vsnprintf(buf->text + buf->length, (size_t)wanted + 1, format, again);
            buf->length += (size_t)wanted;
        }
    }
    va_end(again);
}

void mr__strbuf_appendf(mr__strbuf *buf, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    mr__strbuf_appendf_va(buf, format, args);
    va_end(args);
}

void mr__strbuf_clear(mr__strbuf *buf)
{
    buf->length = 0;
    if (buf->text)
        buf->text[0] = '\0';
}

const char *mr__strbuf_text(const mr__strbuf *buf)
{
    return buf->text ? buf->text : "";
}

char *mr__strbuf_take(mr__strbuf *buf)
{
    char *text = reserve(buf, 0) ? buf->text : NULL;
    if (text)
        *buf = (mr__strbuf){ 0 };
    return text;
}

void mr__strbuf_free(mr__strbuf *buf)
{
    mr__free(buf->text);
    *buf = (mr__strbuf){ 0 };
}

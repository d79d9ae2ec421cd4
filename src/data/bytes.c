#include "bytes.h"

void mr__write_int(mr__strbuf *to, uint64_t value, int bytes)
{
    unsigned char text[8];
    for (int i = 0; i < bytes; i++)
        text[i] = (unsigned char)(value >> 8 * i);
    mr__strbuf_append_bytes(to, text, (size_t)bytes);
}

void mr__write_i64(mr__strbuf *to, int64_t value)
{
    mr__write_int(to, (uint64_t)value, 8);
}

void mr__write_bool(mr__strbuf *to, bool value)
{
    mr__write_int(to, value, 1);
}

const unsigned char *mr__read_bytes(mr__reader *from, size_t count)
{
    if (from->failed || count > (size_t)(from->end - from->at)) {
        from->failed = true;
        return NULL;
    }
    from->at += count;
    return from->at - count;
}

uint64_t mr__read_int(mr__reader *from, int bytes)
{
    const unsigned char *at = mr__read_bytes(from, (size_t)bytes);
    uint64_t value = 0;
    for (int i = 0; at && i < bytes; i++)
        value |= (uint64_t)at[i] << 8 * i;
    return value;
}

int64_t mr__read_i64(mr__reader *from)
{
    return (int64_t)mr__read_int(from, 8);
}

int64_t mr__read_count(mr__reader *from)
{
    const int64_t value = mr__read_i64(from);
    if (value < 0 || value > INT64_MAX / 64)
        from->failed = true;
    return from->failed ? 0 : value;
}

bool mr__read_bool(mr__reader *from)
{
    uint64_t value = mr__read_int(from, 1);
    from->failed = from->failed || value > 1;
    return value == 1;
}

uint64_t mr__hash_bytes(const void *bytes, size_t count)
{
    const unsigned char *c = bytes;
    uint64_t hash = 14695981039346656037u; /* FNV-1a */
    for (size_t i = 0; i < count; i++)
        hash = (hash ^ c[i]) * UINT64_C(1099511628211);
    return hash;
}

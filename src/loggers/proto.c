#include "proto.h"

#include <string.h>

/* How a field's value is written. */
enum { VARINT = 0, EIGHT_BYTES = 1, COUNTED = 2, FOUR_BYTES = 5 };

static void put_varint(mr__strbuf *to, uint64_t value)
{
    unsigned char bytes[10];
    size_t count = 0;
    do {
        bytes[count++] = (unsigned char)(value | 0x80);
        value >>= 7;
    } while (value);
    bytes[count - 1] &= 0x7f;
    mr__strbuf_append_bytes(to, bytes, count);
}

void mr__put_little_endian(mr__strbuf *to, uint64_t number, size_t bytes)
{
    unsigned char text[8];
    for (size_t i = 0; i < bytes; i++)
        text[i] = (unsigned char)(number >> 8 * i);
    mr__strbuf_append_bytes(to, text, bytes);
}

static void put_key(mr__strbuf *to, unsigned field, unsigned how)
{
    put_varint(to, field << 3 | how);
}

void mr__proto_integer(mr__strbuf *message, unsigned field, int64_t value)
{
    put_key(message, field, VARINT);
    put_varint(message, (uint64_t)value);
}

void mr__proto_float(mr__strbuf *message, unsigned field, float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    put_key(message, field, FOUR_BYTES);
    mr__put_little_endian(message, bits, sizeof bits);
}

void mr__proto_double(mr__strbuf *message, unsigned field, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    put_key(message, field, EIGHT_BYTES);
    mr__put_little_endian(message, bits, sizeof bits);
}

static void put_counted(mr__strbuf *message, unsigned field, const char *bytes, size_t count)
{
    put_key(message, field, COUNTED);
    put_varint(message, count);
    mr__strbuf_append_bytes(message, bytes, count);
}

void mr__proto_text(mr__strbuf *message, unsigned field, const char *text)
{
    put_counted(message, field, text, strlen(text));
}

void mr__proto_message(mr__strbuf *message, unsigned field, const mr__strbuf *inner)
{
    put_counted(message, field, inner->text, inner->length);
    message->failed |= inner->failed;
}

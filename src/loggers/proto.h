/* Fields of protobuf messages, appended to a text. A message within a message is made first, and then appended as bytes. */
#ifndef MILLRACE_LOGGERS_PROTO_H
#define MILLRACE_LOGGERS_PROTO_H

#include "base/strbuf.h"

/* The lowest bytes of a number, the low one first, whatever the machine. */
void mr__put_little_endian(mr__strbuf *to, uint64_t number, size_t bytes);

void mr__proto_integer(mr__strbuf *message, unsigned field, int64_t value);
void mr__proto_float(mr__strbuf *message, unsigned field, float value);
void mr__proto_double(mr__strbuf *message, unsigned field, double value);
void mr__proto_text(mr__strbuf *message, unsigned field, const char *text);
void mr__proto_message(mr__strbuf *message, unsigned field, const mr__strbuf *inner);

#endif

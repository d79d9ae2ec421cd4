/*
 * Values written to a byte string and read back, little end first whatever the machine. The writer is a strbuf, whose
 * failure sticks; so does the reader's, which gives zeros after it.
 */
#ifndef MILLRACE_DATA_BYTES_H
#define MILLRACE_DATA_BYTES_H

#include "base/strbuf.h"

void mr__write_int(mr__strbuf *to, uint64_t value, int bytes);
void mr__write_i64(mr__strbuf *to, int64_t value);
void mr__write_bool(mr__strbuf *to, bool value);

typedef struct mr__reader {
    const unsigned char *at, *end;
    bool failed; /* more was asked for than there is, or a value was none */
} mr__reader;

uint64_t mr__read_int(mr__reader *from, int bytes);
int64_t mr__read_i64(mr__reader *from);

/* A number of something, or a place: from 0 up to what nothing reaches, and what a little can be added to. */
int64_t mr__read_count(mr__reader *from);

bool mr__read_bool(mr__reader *from);

/* Views `count` bytes; NULL when there are not so many. */
const unsigned char *mr__read_bytes(mr__reader *from, size_t count);

/* A number that hangs on every byte. */
uint64_t mr__hash_bytes(const void *bytes, size_t count);

#endif

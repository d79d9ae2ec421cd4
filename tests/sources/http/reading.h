/* A file of a stub, and reading it. */
#ifndef READING_H
#define READING_H

#include <millrace/sources/http.h>

#include "stub.h"

enum { SIZE = 3000000 };

static char content[SIZE + 64]; /* for a server that gives more than there is */

static const mr_http_opts hasty = { .backoff = 0.001, .most_backoff = 1, .retries = 3, .stall_timeout = 0.5 };

static inline void make_content(void)
{
    for (int i = 0; i < SIZE; i++)
        content[i] = (char)((unsigned)i * 2654435761u >> 24);
}

/* Reads from byte `at` to the end and compares; the bytes that were read, -1 after a failure. */
static inline int64_t read_on(mr_file *file, int64_t at, size_t piece)
{
    static char bytes[1 << 16];
    int64_t sum = 0, n = 1;
    while (n > 0) {
        n = mr_file_read(file, bytes, piece);
        if (n > 0 && !CHECK(at + n <= SIZE && memcmp(bytes, content + at, (size_t)n) == 0))
            return -1;
        at += n > 0 ? n : 0;
        sum += n > 0 ? n : 0;
    }
    return n < 0 ? -1 : sum;
}

/* Serves as `s` says, and reads all of the file: how many bytes, -1 after a failure. */
static inline int64_t read_all(stub *s, const mr_http_opts *opts, mr_http_counts *counts)
{
    stub_begin(s);
    mr_storage *web = mr_storage_from_http(opts);
    mr_file *file = mr_file_open(web, s->url);
    int64_t n = file ? read_on(file, 0, 50000) : -1;
    if (counts)
        CHECK_EQ_I64(mr_http_count(web, counts), MR_OK);
    mr_file_close(file);
    mr_storage_free(web);
    stub_end(s);
    return n;
}

static inline stub good(void)
{
    return (stub){ .bytes = content, .size = SIZE, .etag = "\"one\"" };
}

#endif

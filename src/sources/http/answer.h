/* What the head of a server's answer says. */
#ifndef MILLRACE_SOURCES_HTTP_ANSWER_H
#define MILLRACE_SOURCES_HTTP_ANSWER_H

#include <millrace/base.h>

/* By what a file is known to be the same. */
typedef struct mr__identity {
    char etag[200];    /* as it is written, with quotes; "": there is none */
    char modified[64]; /* Last-Modified, as it is written */
    char encoding[16]; /* Content-Encoding: what it is packed with; "": nothing */
    int64_t size;      /* -1: not known */
} mr__identity;

typedef struct mr__answer {
    int status;
    char reason[64];
    mr__identity identity; /* the size is the whole file's */
    int64_t first, last;   /* of a part: its bytes; -1: none are said */
    int64_t length;        /* of what follows; -1: not said */
    double retry_after;    /* seconds; -1: not said */
    bool redirects;
} mr__answer;

/* Takes in a line of a head; a status line begins a new one. True behind the last line of one. */
bool mr__answer_line(mr__answer *answer, const char *line, size_t length);

/* Whether what the file is packed with, if anything, is known to readers. */
bool mr__identity_readable(const mr__identity *identity);

/* Whether two identities may be of the same file: nothing that both say differs. */
bool mr__identity_same(const mr__identity *a, const mr__identity *b);

/* A number that differs where they do; 0 when there is neither an ETag nor a date. */
uint64_t mr__identity_stamp(const mr__identity *identity);

#endif

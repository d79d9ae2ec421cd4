/*
 * Requests on their way: one thread makes them all, and makes those again that fail.
 *
 * Whoever wants bytes owns a transfer, and gives it to the fetcher by mr__fetcher_start. From then on its fields belong
 * to the fetcher's lock, until it is done, failed or taken back by mr__fetcher_stop; but the bytes from `taken` up to
 * `filled` may be read without.
 */
#ifndef MILLRACE_SOURCES_HTTP_FETCHER_H
#define MILLRACE_SOURCES_HTTP_FETCHER_H

#include "answer.h"

#include <millrace/sources/http.h>

#include <curl/curl.h>

typedef struct mr__fetcher mr__fetcher;

typedef enum mr__progress {
    MR__WAITS,  /* for its first or next try */
    MR__RUNS,   /* a request is on its way */
    MR__PAUSES, /* there is no room for more bytes */
    MR__DONE,   /* all bytes are there */
    MR__FAILED, /* for good */
    MR__OWNERS  /* the fetcher does not know it */
} mr__progress;

typedef struct mr__transfer {
    /* What is asked for, set by the owner. */
    const char *url;          /* borrowed */
    int64_t offset, length;   /* of a part; length -1: all that there is, from the front */
    const mr__identity *same; /* what the file is known by, if it has been; borrowed */
    /* what it was once, in a cache: that may be the answer, without bytes; borrowed */
    const mr__identity *known;
    char *bytes;
    size_t room;

    /* What has come of it. */
    mr__progress progress;
    size_t filled, taken; /* of `bytes` */
    int64_t got;          /* bytes that have come in all */
    bool answered;        /* `answer` is the head of a good answer: */
    mr__answer answer;
    bool whole;     /* it is the whole file, not the part that was asked for */
    bool unchanged; /* the file is what `known` says */
    mr_status status;
    char text[400]; /* of a failure, without the URL */

    /* The fetcher's. */
    mr__fetcher *fetcher;
    bool unwanted; /* its owner wants it back */
    CURL *curl;
    struct curl_slist *headers;
    char said[CURL_ERROR_SIZE];
    mr__answer head;   /* that is coming in */
    bool good;         /* it is one whose bytes are wanted */
    int64_t before;    /* `got` when the try began, */
    int64_t passed;    /* bytes of the try that had come then, and are passed over */
    int64_t thrown;    /* bytes of a bad answer */
    int redirects;     /* in the try */
    int tries;         /* that brought nothing, one after the other */
    double next, last; /* times: of the next try, of the last byte */
    struct mr__transfer *link;
} mr__transfer;

/* Makes it, with its thread. The options' strings are copied. */
mr__fetcher *mr__fetcher_new(const mr_http_opts *opts);
void mr__fetcher_free(mr__fetcher *fetcher);

void mr__fetcher_lock(mr__fetcher *fetcher);
void mr__fetcher_unlock(mr__fetcher *fetcher);

/* With the lock held: waits until something has happened to some transfer. False when it was interrupted. */
bool mr__fetcher_wait(mr__fetcher *fetcher);

/* With the lock held: begins a transfer; goes on with one that pauses, when there is room again; takes one back. */
void mr__fetcher_start(mr__fetcher *fetcher, mr__transfer *transfer);
void mr__fetcher_go_on(mr__fetcher *fetcher, mr__transfer *transfer);
void mr__fetcher_stop(mr__fetcher *fetcher, mr__transfer *transfer);

/* All waits end, and those that follow. Async-signal-safe. */
void mr__fetcher_interrupt(mr__fetcher *fetcher);
bool mr__fetcher_interrupted(const mr__fetcher *fetcher);

/* With the lock held, by what runs on its thread: something has happened; bytes have come. */
void mr__fetcher_tell(mr__fetcher *fetcher);
void mr__fetcher_came(mr__fetcher *fetcher, mr__transfer *transfer, size_t bytes);

void mr__fetcher_counts(mr__fetcher *fetcher, mr_http_counts *counts);
void mr__fetcher_count_cached(mr__fetcher *fetcher, int64_t bytes);

#endif

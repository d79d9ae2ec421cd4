/* One try of a transfer: a request, its answer, and what is to be made of that. By the fetcher's thread. */
#ifndef MILLRACE_SOURCES_HTTP_REQUEST_H
#define MILLRACE_SOURCES_HTTP_REQUEST_H

#include "fetcher.h"

/* What all requests have in common. */
typedef struct mr__request_opts {
    double connect_timeout;
    char *ca_file;
    struct curl_slist *headers;
} mr__request_opts;

/* Makes transfer->curl; false when there is no memory. */
bool mr__request_begin(mr__transfer *transfer, const mr__request_opts *opts);
void mr__request_end(mr__transfer *transfer);

/* With the lock held: whether the try goes on at another URL, of which transfer->curl then is to ask. */
bool mr__request_follow(mr__transfer *transfer, CURLcode code, const mr__request_opts *opts);

typedef enum mr__verdict {
    MR__COMPLETE,
    MR__GO_ON,   /* there is more to ask for */
    MR__TRY,     /* it failed, and another try may help: the reason is in transfer->text */
    MR__HOPELESS /* the reason is in transfer->text and status */
} mr__verdict;

/* With the lock held. */
mr__verdict mr__request_judge(mr__transfer *transfer, CURLcode code);

#endif

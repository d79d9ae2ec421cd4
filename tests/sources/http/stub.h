/*
 * A web server for tests that does as it is told: serves one file in parts or whole, cuts, stalls, changes, lies. Each
 * connection has a thread, and takes one request after the other.
 */
#ifndef STUB_H
#define STUB_H

#include "check.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

typedef struct stub {
    const char *bytes; /* the file */
    int64_t size;
    const char *etag, *modified; /* NULL: not said */
    const char *encoding;        /* Content-Encoding; NULL: not said */
    bool no_parts;               /* it gives the whole file, whatever is asked for */
    bool chunked;                /* and does not say how long it is */
    int64_t cut;                 /* breaks off behind so many bytes of an answer; 0: never */
    int cuts;                    /* so many times */
    int64_t stall;               /* sends nothing behind so many bytes of an answer; 0: never */
    int stalls;                  /* so many times */
    int refusals;                /* so many requests get `refusal` instead */
    const char *refusal;         /* a whole answer */
    int changes_after;           /* requests after which `etag` and `bytes` are these; 0: never */
    const char *other_etag, *other_bytes;
    const char *range; /* instead of what is true; "": not said */
    int64_t more;      /* bytes more than it says, or fewer */
    int64_t at_most;   /* bytes of an answer, if that is fewer than asked for; 0: any */
    bool endless;      /* the bytes come again and again, in chunks */
    int delay;         /* milliseconds before an answer */

    int socket, port;
    char url[64];
    pthread_t thread;
    atomic_int requests, open, most_open, unconditional;
    atomic_bool gone;
    char first[2][2000], last[2000]; /* the first two requests, and the last one */
    pthread_mutex_t lock;
} stub;

typedef struct stub_connection {
    stub *stub;
    int fd;
} stub_connection;

static inline bool stub_send(int fd, const char *bytes, int64_t count)
{
    while (count > 0) {
        ssize_t n = send(fd, bytes, (size_t)count, MSG_NOSIGNAL);
        if (n <= 0)
            return false;
        bytes += n;
        count -= n;
    }
    return true;
}

static inline void stub_sleep(int milliseconds)
{
    nanosleep(&(struct timespec){ .tv_sec = milliseconds / 1000, .tv_nsec = milliseconds % 1000 * 1000000L },
              NULL);
}

/* One of `times` left? */
static inline bool stub_takes(stub *s, int *times)
{
    pthread_mutex_lock(&s->lock);
    bool taken = *times > 0;
    *times -= taken;
    pthread_mutex_unlock(&s->lock);
    return taken;
}

static inline bool stub_body(stub *s, int fd, const char *bytes, int64_t count, bool chunked)
{
    int64_t end = count;
    const bool cuts = s->cut && s->cut < count && stub_takes(s, &s->cuts);
    const bool stalls = !cuts && s->stall && s->stall < count && stub_takes(s, &s->stalls);
    if (cuts || stalls)
        end = cuts ? s->cut : s->stall;
    for (int64_t at = 0; at < end || (s->endless && (at = 0, true));) {
        const int64_t n = chunked && end - at > 1000 ? 1000 : end - at;
        char line[32];
        snprintf(line, sizeof line, "%llx\r\n", (long long)n);
        if ((chunked && !stub_send(fd, line, (int64_t)strlen(line))) || !stub_send(fd, bytes + at, n) ||
            (chunked && !stub_send(fd, "\r\n", 2)))
            return false;
        at += n;
    }
    while (stalls && !atomic_load(&s->gone)) { /* until the other side has had enough */
        char byte;
        if (recv(fd, &byte, 1, MSG_DONTWAIT) == 0)
            return false;
        stub_sleep(2);
    }
    return !cuts && !stalls && (!chunked || stub_send(fd, "0\r\n\r\n", 5));
}

/* True when the connection goes on. */
static inline bool stub_answer(stub *s, int fd, const char *request)
{
    char head[1200], range[128] = "";
    const int number = atomic_fetch_add(&s->requests, 1) + 1;
    const bool other = s->changes_after && number > s->changes_after;
    const char *etag = other ? s->other_etag : s->etag,
               *bytes = other && s->other_bytes ? s->other_bytes : s->bytes;
    const char *asked = strstr(request, "\r\nRange: bytes="), *match = strstr(request, "\r\nIf-Match: "),
               *none = strstr(request, "\r\nIf-None-Match: ");
    long long first = 0, last = s->size - 1;
    if (s->delay)
        stub_sleep(s->delay);
    if (s->refusal && stub_takes(s, &s->refusals))
        return stub_send(fd, s->refusal, (int64_t)strlen(s->refusal)) &&
               strstr(s->refusal, "Content-Length: 0") != NULL;
    if (match && etag && strncmp(match + 12, etag, strlen(etag)) != 0)
        return stub_send(fd, "HTTP/1.1 412 Precondition Failed\r\nContent-Length: 0\r\n\r\n", 55);
    if (none && etag && strncmp(none + 17, etag, strlen(etag)) == 0)
        return stub_send(fd, "HTTP/1.1 304 Not Modified\r\nContent-Length: 0\r\n\r\n", 48);
    if (!match && !none)
        atomic_fetch_add(&s->unconditional, 1);
    const bool part =
        asked && !s->no_parts && !s->endless && sscanf(asked + 15, "%lld-%lld", &first, &last) == 2;
    last = last < s->size ? last : s->size - 1;
    if (part && first >= s->size) {
        snprintf(head, sizeof head,
                 "HTTP/1.1 416 Range Not Satisfiable\r\nContent-Range: bytes */%lld\r\nContent-Length: "
                 "4\r\n\r\nnone",
                 (long long)s->size);
        return stub_send(fd, head, (int64_t)strlen(head));
    }
    if (part && s->at_most && last - first + 1 > s->at_most)
        last = first + s->at_most - 1;
    if (s->range && *s->range)
        snprintf(range, sizeof range, "Content-Range: %s\r\n", s->range);
    else if (!s->range && part)
        snprintf(range, sizeof range, "Content-Range: bytes %lld-%lld/%lld\r\n", first, last,
                 (long long)s->size);
    int n = snprintf(head, sizeof head, "HTTP/1.1 %s\r\n%s%s%s%s%s%s%s",
                     part ? "206 Partial Content" : "200 OK", range, etag ? "ETag: " : "", etag ? etag : "",
                     etag ? "\r\n" : "", s->modified ? "Last-Modified: " : "", s->modified ? s->modified : "",
                     s->modified ? "\r\n" : "");
    if (s->encoding)
        n += snprintf(head + n, sizeof head - (size_t)n, "Content-Encoding: %s\r\n", s->encoding);
    if (s->chunked || s->endless)
        n += snprintf(head + n, sizeof head - (size_t)n, "Transfer-Encoding: chunked\r\n\r\n");
    else
        n += snprintf(head + n, sizeof head - (size_t)n, "Content-Length: %lld\r\n\r\n", last - first + 1);
    return stub_send(fd, head, n) &&
           stub_body(s, fd, bytes + first, last - first + 1 + s->more, s->chunked || s->endless) && !s->more;
}

static inline void *stub_connection_run(void *user)
{
    stub_connection *c = user;
    stub *s = c->stub;
    char request[4000];
    size_t filled = 0;
    for (;;) {
        ssize_t n = recv(c->fd, request + filled, sizeof request - 1 - filled, 0);
        if (n <= 0)
            break;
        filled += (size_t)n;
        request[filled] = 0;
        if (!strstr(request, "\r\n\r\n"))
            continue;
        pthread_mutex_lock(&s->lock);
        snprintf(s->last, sizeof s->last, "%.*s", (int)sizeof s->last - 1, request);
        char *first = s->first[*s->first[0] != 0];
        if (!*first)
            strcpy(first, s->last);
        pthread_mutex_unlock(&s->lock);
        filled = 0;
        if (!stub_answer(s, c->fd, request))
            break;
    }
    shutdown(c->fd, SHUT_RDWR);
    close(c->fd);
    atomic_fetch_sub(&s->open, 1);
    free(c);
    return NULL;
}

static inline void *stub_run(void *user)
{
    stub *s = user;
    for (int fd; (fd = accept(s->socket, NULL, NULL)) >= 0;) {
        stub_connection *c = malloc(sizeof *c);
        pthread_t thread;
        *c = (stub_connection){ s, fd };
        const int open = atomic_fetch_add(&s->open, 1) + 1;
        for (int most = atomic_load(&s->most_open);
             open > most && !atomic_compare_exchange_weak(&s->most_open, &most, open);)
            continue;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
        if (pthread_create(&thread, NULL, stub_connection_run, c) == 0)
            pthread_detach(thread);
    }
    return NULL;
}

/* A socket that listens, at a port of its own. */
static inline int stub_listen(int *port)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t length = sizeof address;
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(bind(fd, (struct sockaddr *)&address, sizeof address) == 0 && listen(fd, 64) == 0 &&
          getsockname(fd, (struct sockaddr *)&address, &length) == 0);
    *port = ntohs(address.sin_port);
    return fd;
}

/* Begins to serve what the fields say; s->url is the file's. */
static inline void stub_begin(stub *s)
{
    s->socket = stub_listen(&s->port);
    snprintf(s->url, sizeof s->url, "http://127.0.0.1:%d/file", s->port);
    pthread_mutex_init(&s->lock, NULL);
    CHECK(pthread_create(&s->thread, NULL, stub_run, s) == 0);
}

/* Waits until the other side has closed all connections. */
static inline void stub_end(stub *s)
{
    atomic_store(&s->gone, true);
    shutdown(s->socket, SHUT_RDWR);
    pthread_join(s->thread, NULL);
    close(s->socket);
    for (int i = 0; i < 5000 && atomic_load(&s->open); i++)
        stub_sleep(1);
    CHECK_EQ_I64(atomic_load(&s->open), 0);
    pthread_mutex_destroy(&s->lock);
}

#endif

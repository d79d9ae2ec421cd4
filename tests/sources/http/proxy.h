/* A proxy for tests that opens tunnels (CONNECT), and does nothing else: a thread for each. */
#ifndef PROXY_H
#define PROXY_H

#include "stub.h"

#include <poll.h>

typedef struct proxy {
    const char *refusal; /* instead of a tunnel; NULL: none */
    int socket, port;
    char url[64];
    pthread_t thread;
    atomic_int tunnels, asked, open;
} proxy;

typedef struct proxy_connection {
    proxy *proxy;
    int fd;
} proxy_connection;

/* What comes from one side goes to the other, until one has had enough. */
static inline void proxy_carry(int a, int b)
{
    struct pollfd side[2] = { { .fd = a, .events = POLLIN }, { .fd = b, .events = POLLIN } };
    char bytes[16384];
    for (;;) {
        if (poll(side, 2, -1) < 0)
            return;
        for (int i = 0; i < 2; i++) {
            const ssize_t n = side[i].revents ? recv(side[i].fd, bytes, sizeof bytes, 0) : -1;
            if (side[i].revents && (n <= 0 || !stub_send(side[!i].fd, bytes, n)))
                return;
        }
    }
}

static inline void proxy_tunnel(proxy *p, int fd, int port)
{
    static const char answer[] = "HTTP/1.1 200 Connection established\r\nProxy-Agent: millrace\r\n\r\n";
    const struct sockaddr_in to = { .sin_family = AF_INET,
                                    .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                                    .sin_port = htons((uint16_t)port) };
    const int other = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(other, (const struct sockaddr *)&to, sizeof to) == 0 &&
        stub_send(fd, answer, sizeof answer - 1)) {
        atomic_fetch_add(&p->tunnels, 1);
        proxy_carry(fd, other);
    }
    close(other);
}

static inline void *proxy_connection_run(void *user)
{
    proxy_connection *c = user;
    char request[4000] = "", host[100];
    int port;
    ssize_t n = 1;
    for (size_t filled = 0; n > 0 && !strstr(request, "\r\n\r\n"); request[filled] = 0) {
        n = recv(c->fd, request + filled, sizeof request - 1 - filled, 0);
        filled += n > 0 ? (size_t)n : 0;
    }
    if (n > 0 && sscanf(request, "CONNECT %99[^:]:%d", host, &port) == 2) {
        atomic_fetch_add(&c->proxy->asked, 1);
        if (c->proxy->refusal)
            stub_send(c->fd, c->proxy->refusal, (int64_t)strlen(c->proxy->refusal));
        else
            proxy_tunnel(c->proxy, c->fd, port);
    }
    shutdown(c->fd, SHUT_RDWR);
    close(c->fd);
    atomic_fetch_sub(&c->proxy->open, 1);
    free(c);
    return NULL;
}

static inline void *proxy_run(void *user)
{
    proxy *p = user;
    for (int fd; (fd = accept(p->socket, NULL, NULL)) >= 0;) {
        proxy_connection *c = malloc(sizeof *c);
        pthread_t thread;
        *c = (proxy_connection){ p, fd };
        atomic_fetch_add(&p->open, 1);
        if (pthread_create(&thread, NULL, proxy_connection_run, c) == 0)
            pthread_detach(thread);
    }
    return NULL;
}

/* Begins, and is from then on the proxy of what this program asks for by HTTPS. */
static inline void proxy_begin(proxy *p)
{
    p->socket = stub_listen(&p->port);
    snprintf(p->url, sizeof p->url, "http://127.0.0.1:%d", p->port);
    CHECK(pthread_create(&p->thread, NULL, proxy_run, p) == 0);
    unsetenv("no_proxy");
    unsetenv("NO_PROXY");
    setenv("https_proxy", p->url, 1);
}

static inline void proxy_end(proxy *p)
{
    unsetenv("https_proxy");
    setenv("no_proxy", "*", 1);
    shutdown(p->socket, SHUT_RDWR);
    pthread_join(p->thread, NULL);
    close(p->socket);
    for (int i = 0; i < 5000 && atomic_load(&p->open); i++)
        stub_sleep(1);
    CHECK_EQ_I64(atomic_load(&p->open), 0);
}

#endif

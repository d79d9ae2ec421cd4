/*
 * A web server in a thread, for an example that has none: to whoever comes it sends points of the chapter's curve as lines of a
 * CSV file, "x,y", until that one has had enough. It serves one at a time, on this machine only.
 */
#ifndef EXAMPLES_ENDLESS_SERVER_H
#define EXAMPLES_ENDLESS_SERVER_H

#include <arpa/inet.h>
#include <math.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

typedef struct endless_server {
    int listener;
    char url[64];
    pthread_t thread;
} endless_server;

static bool send_all(int to, const char *text, size_t bytes)
{
    while (bytes) {
        ssize_t sent = send(to, text, bytes, MSG_NOSIGNAL);
        if (sent <= 0)
            return false; /* that one has gone */
        text += sent;
        bytes -= (size_t)sent;
    }
    return true;
}

/* An answer without a length lasts as long as the connection. The points are spread over [0, 1] by the golden section. */
static void send_points(int to)
{
    static const char head[] = "HTTP/1.1 200 OK\r\nContent-Type: text/csv\r\nConnection: close\r\n\r\nx,y\n";
    char lines[4096];
    double x = 0;
    bool there = send_all(to, head, sizeof head - 1);
    while (there) {
        size_t length = 0;
        while (length < sizeof lines - 64) {
            x = fmod(x + 0.618033988749895, 1);
            length += (size_t)snprintf(lines + length, sizeof lines - length, "%.6f,%.6f\n", x,
                                       3 * x + sin(6 * x) + 1);
        }
        there = send_all(to, lines, length);
    }
}

static void *serve(void *user)
{
    endless_server *server = user;
    for (;;) {
        int client = accept(server->listener, NULL, NULL);
        if (client < 0)
            return NULL; /* it has been stopped */
        char request[2048];
        if (recv(client, request, sizeof request, 0) > 0)
            send_points(client);
        close(client);
    }
}

/* Starts it on a free port; false when that cannot be. */
static inline bool endless_server_start(endless_server *server)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof address;
    server->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (server->listener < 0)
        return false;
    if (bind(server->listener, (struct sockaddr *)&address, size) != 0 || listen(server->listener, 8) != 0 ||
        getsockname(server->listener, (struct sockaddr *)&address, &size) != 0 ||
        pthread_create(&server->thread, NULL, serve, server) != 0) {
        close(server->listener);
        return false;
    }
    snprintf(server->url, sizeof server->url, "http://127.0.0.1:%d/curve.csv", ntohs(address.sin_port));
    return true;
}

/* When nobody reads from it any more. */
static inline void endless_server_stop(endless_server *server)
{
    shutdown(server->listener, SHUT_RDWR);
    pthread_join(server->thread, NULL);
    close(server->listener);
}

#endif

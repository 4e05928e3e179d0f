/*
 * What lives here: the yardstick of the echoes, as plain as C on epoll allows: one thread,
 * edge-triggered, one receive buffer, one `recv` and one `send` for what came.
 * What it must not know: the loops that are compared with it.
 *
 * echo     takes a free port of 127.0.0.1; the first line printed is "PORT n".
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../native/load_failure.h"

enum { BUFFER_SIZE = 256 * 1024, MOST_EVENTS = 512 };

/* What the socket would not take yet; while there is any, nothing more is received. */
static struct rest {
    char *data;
    size_t start, length;
} *rests;
static char buffer[BUFFER_SIZE];

static void drop(int fd) {
    free(rests[fd].data);
    memset(&rests[fd], 0, sizeof rests[fd]);
    close(fd);
}

/* How much left; -1 when the peer is gone. */
static ssize_t transmit(int fd, const char *data, size_t length) {
    const ssize_t sent = send(fd, data, length, MSG_NOSIGNAL);
    return sent < 0 && errno == EAGAIN ? 0 : sent;
}

static void serve(int fd) {
    struct rest *rest = &rests[fd];
    for (;;) {
        if (rest->length > 0) {
            const ssize_t sent = transmit(fd, rest->data + rest->start, rest->length);
            if (sent < 0) {
                drop(fd);
                return;
            }
            rest->start += (size_t)sent;
            rest->length -= (size_t)sent;
            if (rest->length > 0)
                return;
            free(rest->data);
            rest->data = NULL;
        }
        const ssize_t got = recv(fd, buffer, sizeof buffer, 0);
        if (got < 0 && errno == EAGAIN)
            return;
        const ssize_t sent = got <= 0 ? -1 : transmit(fd, buffer, (size_t)got);
        if (sent < 0) {
            drop(fd);
            return;
        }
        if (sent < got) {
            rest->length = (size_t)(got - sent);
            rest->start = 0;
            rest->data = malloc(rest->length);
            if (rest->data == NULL)
                fail("malloc");
            memcpy(rest->data, buffer + sent, rest->length);
        } else if ((size_t)got < sizeof buffer) {
            return; /* a short read: the kernel owes a new edge */
        }
    }
}

static void take(int poller, int listener) {
    const int on = 1;
    for (int fd; (fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0;) {
        struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.fd = fd};
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        if (epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event) < 0)
            fail("epoll_ctl");
    }
}

int main(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        fail("getrlimit");
    rests = calloc(limit.rlim_cur, sizeof *rests);
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    const int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    const int poller = epoll_create1(0);
    if (rests == NULL || listener < 0 || poller < 0 ||
        bind(listener, (struct sockaddr *)&address, length) < 0 || listen(listener, 1024) < 0 ||
        getsockname(listener, (struct sockaddr *)&address, &length) < 0)
        fail("listen");
    struct epoll_event event = {.events = EPOLLIN, .data.fd = listener};
    if (epoll_ctl(poller, EPOLL_CTL_ADD, listener, &event) < 0)
        fail("epoll_ctl");
    printf("PORT %d\n", ntohs(address.sin_port));
    fflush(stdout);
    for (;;) {
        struct epoll_event events[MOST_EVENTS];
        const int count = epoll_wait(poller, events, MOST_EVENTS, -1);
        for (int index = 0; index < count; index++) {
            if (events[index].data.fd == listener)
                take(poller, listener);
            else
                serve(events[index].data.fd);
        }
    }
}

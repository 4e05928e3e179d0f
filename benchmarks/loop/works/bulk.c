/*
 * What lives here: the yardstick of the bulk transfers, as plain as C on epoll allows: to everybody
 * who connects it sends messages of SIZE bytes, one `send` each, for as long as the socket takes
 * them.
 * What it must not know: the loops that are compared with it.
 *
 * bulk SIZE     takes a free port of 127.0.0.1; the first line printed is "PORT n".
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

enum { MOST_EVENTS = 512, TURNS = 64 };

static char *message;
static size_t size;
static size_t *sent; /* of the message at hand, for each descriptor */

/* As much as it has a turn for; epoll asks again where the socket would take more. */
static void serve(int fd) {
    for (int turn = 0; turn < TURNS;) {
        const ssize_t taken = send(fd, message + sent[fd], size - sent[fd], MSG_NOSIGNAL);
        if (taken < 0 && errno != EAGAIN)
            close(fd);
        if (taken < 0)
            return;
        sent[fd] += (size_t)taken;
        if (sent[fd] == size) {
            sent[fd] = 0;
            turn++;
        }
    }
}

static void take(int poller, int listener) {
    const int on = 1;
    const int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
    struct epoll_event event = {.events = EPOLLOUT, .data.fd = fd};
    if (fd < 0)
        return;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    sent[fd] = 0;
    if (epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event) < 0)
        fail("epoll_ctl");
}

int main(int argc, char **argv) {
    struct rlimit limit;
    if (argc != 2 || getrlimit(RLIMIT_NOFILE, &limit) < 0)
        die("usage: bulk SIZE");
    size = strtoul(argv[1], NULL, 10);
    sent = calloc(limit.rlim_cur, sizeof *sent);
    message = malloc(size);
    if (size == 0 || sent == NULL || message == NULL)
        fail("malloc");
    for (size_t index = 0; index < size; index++)
        message[index] = (char)(index * 31 + index / 256);
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    const int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    const int poller = epoll_create1(0);
    if (listener < 0 || poller < 0 || bind(listener, (struct sockaddr *)&address, length) < 0 ||
        listen(listener, 1024) < 0 ||
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

/*
 * What lives here: the yardstick, a WebSocket echo server as plain as C on epoll allows: one
 * thread, edge-triggered, one receive buffer, unmasking in place, one send for all replies
 * of a batch. It answers what the benchmark asks; text is not checked for UTF-8.
 * What it must not know: tether, and any trick that an ordinary good C program would not use.
 *
 * bare_epoll [--port N]     N = 0 takes a free port; the first line printed is "PORT n".
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "handshake.h"

enum {
    BUFFER_SIZE = 256 * 1024,
    LARGEST_HEAD = 8 * 1024,
    LARGEST_MESSAGE = 1024 * 1024,
    /* Room beyond an awaited frame, so that its end is seen as a short read, which says
     * that the socket is empty without asking it once more. */
    SPARE = 4 * 1024,
    MOST_CONNECTIONS = 1024 * 1024,
    MOST_EVENTS = 512,
};

/* One per descriptor, in a table that the kernel fills with memory as it is touched. */
struct connection {
    unsigned char *input;  /* an incomplete head or frame, or NULL */
    unsigned char *output; /* replies that the socket would not take yet, or NULL */
    uint32_t input_length, input_capacity;
    uint32_t output_start, output_length;
    bool upgraded;
    bool closing; /* closed once the output has left */
};

static unsigned char receive_buffer[BUFFER_SIZE];
static struct connection *connections;
static size_t connection_limit;
static volatile sig_atomic_t stopped;

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static void *allocate(void *old, size_t size) {
    void *memory = realloc(old, size);
    if (memory == NULL)
        fail("realloc");
    return memory;
}

static void drop(int fd) {
    struct connection *connection = &connections[fd];
    free(connection->input);
    free(connection->output);
    memset(connection, 0, sizeof *connection);
    close(fd); /* takes it out of the epoll set too */
}

/* Sends, and keeps what would block. False when the peer is gone. */
static bool transmit(int fd, const unsigned char *data, size_t length) {
    struct connection *connection = &connections[fd];
    size_t sent = 0;
    if (connection->output == NULL) {
        const ssize_t result = send(fd, data, length, MSG_NOSIGNAL);
        if (result < 0 && errno != EAGAIN)
            return false;
        sent = result < 0 ? 0 : (size_t)result;
    }
    if (sent < length) {
        size_t rest = length - sent, kept = connection->output_length;
        connection->output = allocate(connection->output, kept + rest);
        memcpy(connection->output + kept, data + sent, rest);
        connection->output_length = (uint32_t)(kept + rest);
    }
    return true;
}

/* Sends what was kept. False when the peer is gone. */
static bool flush(int fd) {
    struct connection *connection = &connections[fd];
    while (connection->output_start < connection->output_length) {
        const ssize_t result =
            send(fd, connection->output + connection->output_start,
                 connection->output_length - connection->output_start, MSG_NOSIGNAL);
        if (result < 0)
            return errno == EAGAIN;
        connection->output_start += (uint32_t)result;
    }
    free(connection->output);
    connection->output = NULL;
    connection->output_start = connection->output_length = 0;
    return true;
}

/* Keeps the `rest` bytes at `data`, with room for `needed`, for the next read to go on from. */
static void keep(struct connection *connection, const unsigned char *data, size_t rest,
                 size_t needed) {
    if (rest == 0) {
        free(connection->input);
        connection->input = NULL;
        connection->input_length = connection->input_capacity = 0;
        return;
    }
    /* Moved before it grows: `data` may point into the input that realloc moves. */
    if (connection->input != NULL)
        memmove(connection->input, data, rest);
    if (connection->input_capacity < needed + SPARE) {
        bool first = connection->input == NULL;
        connection->input = allocate(connection->input, needed + SPARE);
        connection->input_capacity = (uint32_t)(needed + SPARE);
        if (first)
            memcpy(connection->input, data, rest);
    }
    connection->input_length = (uint32_t)rest;
}

static void unmask(unsigned char *payload, size_t length, const unsigned char mask[4]) {
    uint32_t half;
    memcpy(&half, mask, sizeof half);
    const uint64_t key = (uint64_t)half << 32 | half;
    size_t i = 0;
    for (; i + 32 <= length; i += 32) {
        uint64_t words[4];
        memcpy(words, payload + i, sizeof words);
        for (size_t k = 0; k < 4; k++)
            words[k] ^= key;
        memcpy(payload + i, words, sizeof words);
    }
    for (; i < length; i++)
        payload[i] ^= mask[i & 3];
}

/* The value of a header within a head, without the white space around it, or NULL. */
static const char *header(const char *head, size_t head_length, const char *name,
                          size_t *value_length) {
    const size_t name_length = strlen(name);
    const char *end = head + head_length;
    const char *line = memmem(head, head_length, "\r\n", 2);
    while (line != NULL && (line += 2) < end) {
        const char *next = memmem(line, (size_t)(end - line), "\r\n", 2);
        const char *stop = next != NULL ? next : end;
        if ((size_t)(stop - line) > name_length && line[name_length] == ':' &&
            strncasecmp(line, name, name_length) == 0) {
            const char *value = line + name_length + 1;
            while (value < stop && (*value == ' ' || *value == '\t'))
                value++;
            while (value < stop && (stop[-1] == ' ' || stop[-1] == '\t'))
                stop--;
            *value_length = (size_t)(stop - value);
            return value;
        }
        line = next;
    }
    return NULL;
}

/* Answers the upgrade request. False when the peer is gone. */
static bool upgrade(int fd, const char *head, size_t length) {
    static const char refusal[] =
        "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    size_t key_length = 0, upgrade_length = 0, version_length = 0;
    const char *key = header(head, length, "Sec-WebSocket-Key", &key_length);
    const char *protocol = header(head, length, "Upgrade", &upgrade_length);
    const char *version = header(head, length, "Sec-WebSocket-Version", &version_length);
    if (length < 4 || memcmp(head, "GET ", 4) != 0 || key_length != KEY_LENGTH ||
        upgrade_length != 9 || strncasecmp(protocol, "websocket", 9) != 0 ||
        version_length != 2 || memcmp(version, "13", 2) != 0) {
        connections[fd].closing = true;
        return transmit(fd, (const unsigned char *)refusal, sizeof refusal - 1);
    }
    char accept[ACCEPT_LENGTH + 1], reply[256];
    websocket_accept(key, accept);
    int written = snprintf(reply, sizeof reply,
                           "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                           "Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
                           accept);
    connections[fd].upgraded = true;
    return transmit(fd, (const unsigned char *)reply, (size_t)written);
}

/*
 * Echoes every complete frame in data[0..length) and keeps what is incomplete. A reply is its
 * frame without the mask, so it is built where the frame lies, 4 bytes further on, and moved
 * up against the reply before it. False when the peer is gone.
 */
static bool echo(int fd, unsigned char *data, size_t length) {
    struct connection *connection = &connections[fd];
    unsigned char *cursor = data, *const end = data + length;
    unsigned char *replies = data, *tail = data;
    size_t needed = 0;
    unsigned refused = 0;

    while (end - cursor >= 2 && !connection->closing) {
        const size_t available = (size_t)(end - cursor);
        const unsigned char opcode = cursor[0] & 0x0F;
        size_t header_length = 2, payload_length = cursor[1] & 0x7F;
        if ((cursor[0] & 0x70) != 0 || (cursor[1] & 0x80) == 0 || (opcode & 0x07) > 2 ||
            (opcode >= 8 && ((cursor[0] & 0x80) == 0 || payload_length > 125))) {
            refused = 1002;
            break;
        }
        if (payload_length >= 126) {
            const size_t extended = payload_length == 126 ? 2 : 8;
            header_length += extended;
            if (available < header_length)
                break;
            payload_length = 0;
            for (size_t i = 0; i < extended; i++)
                payload_length = payload_length << 8 | cursor[2 + i];
        }
        if (payload_length > LARGEST_MESSAGE) {
            refused = 1009;
            break;
        }
        const size_t frame_length = header_length + 4 + payload_length;
        if (available < frame_length) {
            needed = frame_length;
            break;
        }
        unsigned char mask[4];
        memcpy(mask, cursor + header_length, sizeof mask);
        unmask(cursor + header_length + 4, payload_length, mask);

        unsigned char *reply = cursor + 4;
        const size_t reply_length = frame_length - 4;
        memmove(reply, cursor, header_length);
        reply[1] &= 0x7F;
        cursor += frame_length;
        if (opcode == 10) /* a pong asks for nothing */
            continue;
        if (opcode == 9)
            reply[0] = 0x8A;
        if (opcode == 8)
            connection->closing = true;
        if (tail == replies)
            replies = tail = reply;
        else
            memmove(tail, reply, reply_length);
        tail += reply_length;
    }
    if (tail > replies && !transmit(fd, replies, (size_t)(tail - replies)))
        return false;
    if (refused != 0) {
        const unsigned char reply[] = {0x88, 2, (unsigned char)(refused >> 8),
                                       (unsigned char)refused};
        connection->closing = true;
        if (!transmit(fd, reply, sizeof reply))
            return false;
    }
    keep(connection, cursor, connection->closing ? 0 : (size_t)(end - cursor), needed);
    return true;
}

/* Takes what was read: first the head of the request, then frames. False: drop it. */
static bool consume(int fd, unsigned char *data, size_t length) {
    struct connection *connection = &connections[fd];
    if (connection->upgraded)
        return echo(fd, data, length);
    const unsigned char *stop = memmem(data, length, "\r\n\r\n", 4);
    if (stop == NULL) {
        if (length > LARGEST_HEAD)
            return false;
        keep(connection, data, length, LARGEST_HEAD);
        return true;
    }
    const size_t head_length = (size_t)(stop - data) + 2;
    if (!upgrade(fd, (const char *)data, head_length))
        return false;
    const size_t taken = head_length + 2;
    if (connection->closing) {
        keep(connection, data, 0, 0);
        return true;
    }
    return echo(fd, data + taken, length - taken);
}

static void serve(int fd, uint32_t events) {
    struct connection *connection = &connections[fd];
    if (connection->output != NULL && !flush(fd)) {
        drop(fd);
        return;
    }
    /* While replies wait nothing is read; the edge of EPOLLOUT leads back here. */
    while (connection->output == NULL) {
        if (connection->closing) {
            drop(fd);
            return;
        }
        unsigned char *buffer = receive_buffer;
        size_t kept = 0, capacity = BUFFER_SIZE;
        if (connection->input != NULL) {
            buffer = connection->input;
            kept = connection->input_length;
            capacity = connection->input_capacity;
        }
        const ssize_t got = recv(fd, buffer + kept, capacity - kept, 0);
        if (got < 0 && errno == EAGAIN)
            return;
        if (got <= 0 || !consume(fd, buffer, kept + (size_t)got)) {
            drop(fd);
            return;
        }
        /* A short read emptied the socket, unless its end is still to be read. */
        const bool ending = (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;
        if ((size_t)got < capacity - kept && !ending && !connection->closing)
            return;
    }
}

static void accept_all(int epoll, int listener) {
    for (;;) {
        const int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0 && errno == EAGAIN)
            return;
        if (fd < 0 && errno == ECONNABORTED)
            continue;
        if (fd < 0)
            fail("accept4");
        if ((size_t)fd >= connection_limit) {
            close(fd);
            continue;
        }
        const int on = 1;
        struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
                                    .data.fd = fd};
        if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) < 0 ||
            epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0)
            fail("accept");
    }
}

static int listen_on(unsigned long port) {
    const int on = 1;
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    const int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (listener < 0 || setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0 ||
        bind(listener, (struct sockaddr *)&address, sizeof address) < 0 ||
        listen(listener, 4096) < 0 ||
        getsockname(listener, (struct sockaddr *)&address, &length) < 0)
        fail("listen");
    printf("PORT %u\n", (unsigned)ntohs(address.sin_port));
    if (fflush(stdout) != 0)
        fail("stdout");
    return listener;
}

static void make_table(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        fail("getrlimit");
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
        fail("setrlimit");
    connection_limit = limit.rlim_cur < MOST_CONNECTIONS ? limit.rlim_cur : MOST_CONNECTIONS;
    connections = calloc(connection_limit, sizeof *connections);
    if (connections == NULL)
        fail("calloc");
}

static void on_signal(int number) {
    (void)number;
    stopped = 1;
}

int main(int argc, char **argv) {
    unsigned long port = 0;
    if (argc == 3 && strcmp(argv[1], "--port") == 0) {
        char *end;
        port = strtoul(argv[2], &end, 10);
        if (*end != '\0' || end == argv[2] || port > 65535)
            argc = 0;
    }
    if (argc != 1 && argc != 3) {
        fprintf(stderr, "usage: bare_epoll [--port N]\n");
        return 2;
    }
    /* Let in only while epoll_pwait sleeps: none slips in between, no other call sees EINTR. */
    struct sigaction action = {.sa_handler = on_signal};
    sigset_t blocked, while_waiting;
    if (sigemptyset(&blocked) < 0 || sigaddset(&blocked, SIGTERM) < 0 ||
        sigaddset(&blocked, SIGINT) < 0 ||
        sigprocmask(SIG_BLOCK, &blocked, &while_waiting) < 0 ||
        sigdelset(&while_waiting, SIGTERM) < 0 || sigdelset(&while_waiting, SIGINT) < 0 ||
        sigaction(SIGTERM, &action, NULL) < 0 || sigaction(SIGINT, &action, NULL) < 0)
        fail("signals");

    make_table();
    const int epoll = epoll_create1(EPOLL_CLOEXEC);
    const int listener = listen_on(port);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = listener};
    if (epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event) < 0)
        fail("epoll");

    static struct epoll_event events[MOST_EVENTS];
    while (!stopped) {
        const int count = epoll_pwait(epoll, events, MOST_EVENTS, -1, &while_waiting);
        if (count < 0 && errno != EINTR)
            fail("epoll_pwait");
        for (int i = 0; i < count; i++) {
            if (events[i].data.fd == listener)
                accept_all(epoll, listener);
            else
                serve(events[i].data.fd, events[i].events);
        }
    }
    for (size_t fd = 0; fd < connection_limit; fd++) {
        free(connections[fd].input);
        free(connections[fd].output);
    }
    free(connections);
    return 0;
}

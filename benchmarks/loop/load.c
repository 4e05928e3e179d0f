/*
 * What lives here: the load of the echo works: connections, plain or TLS, that each have one
 * message in flight, and one line of JSON: how many came back, how fast, how late, and what the
 * server's processor time was meanwhile.
 * What it must not know: which server it talks to.
 *
 * With --reconnect every message has a connection of its own: what counts is the handshake. With
 * --sink nothing is sent: the server sends messages one after another, and they are counted.
 * With --hold each connection has one message, then READY is printed and they stay, idle, until
 * standard input ends.
 * It ends with status 1 when a byte is not the one expected.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../native/load_clock.h"
#include "../native/load_failure.h"
#include "../native/load_latency.h"

enum { MOST_EVENTS = 512, BUFFER_SIZE = 256 * 1024, COUNTER_LENGTH = 8 };

static const uint64_t PATIENCE = 10 * NANOSECONDS; /* without any echo */

static struct {
    uint16_t port;
    size_t connections, size;
    double seconds, warmup;
    pid_t server;
    bool tls, reconnect, sink, hold;
} options = {.connections = 1, .size = 1024, .seconds = 1, .warmup = 0.5};

static struct connection {
    int fd;
    SSL *tls;
    uint32_t interest;
    uint64_t began, counter; /* when the message was sent, or the connection opened */
    size_t sent, received;   /* bytes of the message in flight */
    bool is_open;            /* its handshake is done */
} *connections;

static SSL_CTX *context;
static int epoll;
static unsigned char *message, buffer[BUFFER_SIZE];
static struct latencies latencies;
static uint64_t now, last_progress;
static bool is_counting;
static uint64_t sunk; /* bytes, since counting began */
static size_t held;   /* connections that had their message */

static void want(struct connection *connection, uint32_t interest) {
    struct epoll_event event = {.events = interest, .data.ptr = connection};
    if (connection->interest == interest)
        return;
    if (epoll_ctl(epoll, connection->interest ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, connection->fd,
                  &event) < 0)
        fail("epoll_ctl");
    connection->interest = interest;
}

/* What the counter of a message is made of, so that no echo passes for another's. */
static void stamp(const struct connection *connection, unsigned char *target) {
    const uint64_t value = connection->counter * options.connections +
                           (uint64_t)(connection - connections);
    memcpy(target, &value, COUNTER_LENGTH);
}

/* The piece of the message from `start` on; its first bytes carry the counter. */
static const unsigned char *piece(const struct connection *connection, size_t start) {
    if (options.size >= COUNTER_LENGTH)
        stamp(connection, message);
    return message + start;
}

/* 0 where it would block: then it waits for what TLS or the socket wants. */
static size_t transferred(struct connection *connection, ssize_t count, bool writing) {
    if (count > 0)
        return (size_t)count;
    if (connection->tls == NULL) {
        if (count == 0 && !writing)
            die("the server closed a connection");
        if (errno != EAGAIN && errno != EINTR)
            fail(writing ? "send" : "recv");
        want(connection, writing ? EPOLLIN | EPOLLOUT : EPOLLIN);
        return 0;
    }
    switch (SSL_get_error(connection->tls, (int)count)) {
    case SSL_ERROR_WANT_READ:
        want(connection, EPOLLIN);
        return 0;
    case SSL_ERROR_WANT_WRITE:
        want(connection, EPOLLIN | EPOLLOUT);
        return 0;
    default:
        die("TLS: %s", ERR_reason_error_string(ERR_get_error()) ?: "the connection ended");
    }
}

static void send_piece(struct connection *connection) {
    while (connection->sent < options.size) {
        const unsigned char *data = piece(connection, connection->sent);
        const size_t length = options.size - connection->sent;
        const ssize_t count =
            connection->tls ? (ssize_t)SSL_write(connection->tls, data, (int)length)
                            : send(connection->fd, data, length, MSG_NOSIGNAL);
        const size_t taken = transferred(connection, count, true);
        if (taken == 0)
            return;
        connection->sent += taken;
    }
    want(connection, EPOLLIN);
}

static void send_message(struct connection *connection) {
    connection->counter++;
    connection->sent = connection->received = 0;
    if (!options.reconnect)
        connection->began = now;
    send_piece(connection);
}

static void shake_hands(struct connection *connection) {
    if (options.tls) {
        const int result = SSL_connect(connection->tls);
        if (result != 1) {
            transferred(connection, result, true);
            return;
        }
    }
    connection->is_open = true;
    if (options.sink)
        want(connection, EPOLLIN);
    else
        send_message(connection);
}

static void open_connection(struct connection *connection) {
    const struct sockaddr_in address = {.sin_family = AF_INET,
                                        .sin_port = htons(options.port),
                                        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const int yes = 1;
    connection->began = monotonic();
    connection->is_open = false;
    connection->interest = 0;
    connection->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connection->fd < 0)
        fail("socket");
    if (connect(connection->fd, (const struct sockaddr *)&address, sizeof address) < 0)
        fail("connect");
    if (fcntl(connection->fd, F_SETFL, O_NONBLOCK) < 0 ||
        setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes) < 0)
        fail("a socket's options");
    if (options.tls) {
        connection->tls = SSL_new(context);
        if (connection->tls == NULL || SSL_set_fd(connection->tls, connection->fd) != 1)
            die("TLS: no memory for a connection");
    }
    want(connection, EPOLLIN);
    shake_hands(connection);
}

static void close_connection(struct connection *connection) {
    if (connection->tls != NULL) {
        SSL_shutdown(connection->tls);
        SSL_free(connection->tls);
        connection->tls = NULL;
    }
    close(connection->fd);
}

static void check(const struct connection *connection, size_t length) {
    if (connection->received + length > options.size ||
        memcmp(buffer, piece(connection, connection->received), length) != 0)
        die("a byte is not the echo of what was sent");
}

static void came_back(struct connection *connection) {
    now = last_progress = monotonic();
    if (is_counting)
        record_latency(&latencies, now - connection->began);
    if (options.hold) {
        held++;
    } else if (options.reconnect) {
        close_connection(connection);
        open_connection(connection);
    } else {
        send_message(connection);
    }
}

/* The load must not be the slower one: only the first byte of each piece is looked at. */
static void sink(struct connection *connection) {
    const ssize_t count = connection->tls ? (ssize_t)SSL_read(connection->tls, buffer, BUFFER_SIZE)
                                          : recv(connection->fd, buffer, BUFFER_SIZE, 0);
    const size_t length = transferred(connection, count, false);
    if (length > 0 && buffer[0] != message[connection->received])
        die("a byte is not the one that was expected");
    connection->received = (connection->received + length) % options.size;
    last_progress = now;
    if (is_counting)
        sunk += length;
}

static void receive(struct connection *connection) {
    for (;;) {
        const ssize_t count = connection->tls
                                  ? (ssize_t)SSL_read(connection->tls, buffer, BUFFER_SIZE)
                                  : recv(connection->fd, buffer, BUFFER_SIZE, 0);
        const size_t length = transferred(connection, count, false);
        if (length == 0)
            return;
        check(connection, length);
        connection->received += length;
        if (connection->received == options.size) {
            came_back(connection);
            return;
        }
        if (connection->tls == NULL)
            return;
    }
}

static void on_event(struct connection *connection) {
    if (!connection->is_open) {
        shake_hands(connection);
        return;
    }
    if (options.sink) {
        sink(connection);
        return;
    }
    if (connection->sent < options.size)
        send_piece(connection);
    if (connection->is_open)
        receive(connection);
}

static void run_until(uint64_t deadline) {
    static struct epoll_event events[MOST_EVENTS];
    for (now = monotonic(); now < deadline; now = monotonic()) {
        const int timeout = (int)((deadline - now + 999999) / 1000000);
        const int count = epoll_wait(epoll, events, MOST_EVENTS, timeout);
        if (count < 0 && errno != EINTR)
            fail("epoll_wait");
        now = monotonic();
        if (now - last_progress > PATIENCE)
            die("no echo for %" PRIu64 " s", PATIENCE / NANOSECONDS);
        for (int i = 0; i < count; i++)
            on_event(events[i].data.ptr);
    }
}

static void hold(void) {
    char byte;
    last_progress = monotonic();
    for (size_t n = 0; n < options.connections; n++)
        open_connection(&connections[n]);
    while (held < options.connections)
        run_until(monotonic() + NANOSECONDS / 100);
    printf("READY %zu\n", held);
    fflush(stdout);
    while (read(STDIN_FILENO, &byte, 1) > 0)
        ;
}

static void measure(void) {
    clockid_t server_clock;
    if (clock_getcpuclockid(options.server, &server_clock) != 0)
        die("there is no process %d", (int)options.server);
    last_progress = monotonic();
    for (size_t n = 0; n < options.connections; n++) {
        now = monotonic();
        open_connection(&connections[n]);
    }
    run_until(monotonic() + (uint64_t)(options.warmup * (double)NANOSECONDS));

    const uint64_t waited_before = waited(getpid()), server_waited_before = waited(options.server);
    const uint64_t server_start = clock_nanoseconds(server_clock);
    const uint64_t load_start = clock_nanoseconds(CLOCK_PROCESS_CPUTIME_ID);
    const uint64_t start = monotonic();
    is_counting = true;
    run_until(start + (uint64_t)(options.seconds * (double)NANOSECONDS));
    const double elapsed = (double)(monotonic() - start) / 1e9;
    const uint64_t messages = options.sink ? sunk / options.size : latencies.total;
    printf("{\"messages\": %" PRIu64 ", \"seconds\": %.6f, \"rate\": %.1f, \"p50_us\": %.1f, "
           "\"p99_us\": %.1f, \"load_cpu_seconds\": %.6f, \"load_waited_seconds\": %.6f, "
           "\"server_cpu_seconds\": %.6f, \"server_waited_seconds\": %.6f}\n",
           messages, elapsed, (double)messages / elapsed, latency_percentile(&latencies, 0.50),
           latency_percentile(&latencies, 0.99),
           (double)(clock_nanoseconds(CLOCK_PROCESS_CPUTIME_ID) - load_start) / 1e9,
           (double)(waited(getpid()) - waited_before) / 1e9,
           (double)(clock_nanoseconds(server_clock) - server_start) / 1e9,
           (double)(waited(options.server) - server_waited_before) / 1e9);
}

static void read_options(int argc, char **argv) {
    for (int i = 1; i < argc; i++) {
        const char *name = argv[i];
        if (strcmp(name, "--tls") == 0) {
            options.tls = true;
            continue;
        }
        if (strcmp(name, "--reconnect") == 0) {
            options.reconnect = true;
            continue;
        }
        if (strcmp(name, "--hold") == 0) {
            options.hold = true;
            continue;
        }
        if (strcmp(name, "--sink") == 0) {
            options.sink = true;
            continue;
        }
        if (i + 1 == argc)
            die("%s needs a value", name);
        const char *value = argv[++i];
        if (strcmp(name, "--port") == 0)
            options.port = (uint16_t)atoi(value);
        else if (strcmp(name, "--connections") == 0)
            options.connections = strtoul(value, NULL, 10);
        else if (strcmp(name, "--size") == 0)
            options.size = strtoul(value, NULL, 10);
        else if (strcmp(name, "--seconds") == 0)
            options.seconds = atof(value);
        else if (strcmp(name, "--warmup") == 0)
            options.warmup = atof(value);
        else if (strcmp(name, "--server-pid") == 0)
            options.server = atoi(value);
        else
            die("unknown option %s", name);
    }
    if (options.port == 0 || options.server == 0 || options.size == 0 || options.connections == 0)
        die("usage: load --port P --server-pid PID [--connections 1] [--size 1024] [--seconds 1] "
            "[--warmup 0.5] [--tls] [--reconnect] [--sink] [--hold]");
}

int main(int argc, char **argv) {
    read_options(argc, argv);
    epoll = epoll_create1(EPOLL_CLOEXEC);
    connections = calloc(options.connections, sizeof *connections);
    message = malloc(options.size);
    if (epoll < 0 || connections == NULL || message == NULL)
        fail("the load could not be set up");
    for (size_t index = 0; index < options.size; index++)
        message[index] = (unsigned char)(index * 31 + index / 256);
    if (options.tls) {
        context = SSL_CTX_new(TLS_client_method());
        if (context == NULL)
            die("TLS: no context");
        /* The certificate is of our own making; a session that is resumed would be no handshake. */
        SSL_CTX_set_verify(context, SSL_VERIFY_NONE, NULL);
        SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
        SSL_CTX_set_mode(context,
                         SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    }
    if (options.hold)
        hold();
    else
        measure();
    return 0;
}

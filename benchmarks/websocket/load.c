/*
 * What lives here: the load generator's run. It opens WebSocket sessions to an echo server,
 * keeps a fixed number of messages in flight on each, and prints one line of JSON: how many,
 * how fast, how late, and what the server's processor time was meanwhile.
 * What it must not know: which server it talks to, and what a frame looks like.
 *
 * The run: open all; exchange (warm-up, then the window that counts); drain what is in flight;
 * close every session properly. It ends with status 1 when anything is not as it must be.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "../native/load_clock.h"
#include "../native/load_failure.h"
#include "load_session.h"

enum { MOST_EVENTS = 512 };

static const uint64_t PATIENCE = 10 * NANOSECONDS; /* without any echo */

static const char usage[] =
    "usage: load --port P [--host 127.0.0.1] [--path /] [--connections 1] [--in-flight 1]\n"
    "            [--size 32] [--seconds 2] [--warmup 0.5] [--server-pid PID] [--hold]\n"
    "  --size        bytes in a message, at most 1 MiB\n"
    "  --server-pid  also report the processor time that this process used in the window, and\n"
    "                how long it waited for others to leave its core\n"
    "  --hold        exchange one message on each connection, print READY, and keep the\n"
    "                sessions open, idle, until standard input ends\n";

static struct {
    size_t connections;
    double seconds, warmup;
    pid_t server;
    bool hold;
} options = {.connections = 1, .seconds = 2, .warmup = 0.5};

static struct session *sessions;
static int epoll;

/* One after another and blocking: simple, and no listen queue can overflow. */
static void open_sessions(void) {
    epoll = epoll_create1(EPOLL_CLOEXEC);
    if (epoll < 0)
        fail("epoll_create1");
    sessions = allocate(options.connections, sizeof *sessions);
    for (size_t n = 0; n < options.connections; n++) {
        struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
                                    .data.ptr = &sessions[n]};
        open_session(&sessions[n], n);
        if (epoll_ctl(epoll, EPOLL_CTL_ADD, sessions[n].fd, &event) < 0)
            fail("epoll_ctl");
    }
}

static void turn(uint64_t deadline) {
    static struct epoll_event events[MOST_EVENTS];
    const uint64_t left = deadline > tally.now ? deadline - tally.now : 0;
    const int count = epoll_wait(epoll, events, MOST_EVENTS, (int)((left + 999999) / 1000000));
    if (count < 0 && errno != EINTR)
        fail("epoll_wait");
    tally.now = monotonic();
    for (int i = 0; i < count; i++)
        on_session_event(events[i].data.ptr, events[i].events);
}

static void turn_until(uint64_t deadline) {
    while (tally.now < deadline) {
        turn(deadline);
        if (tally.in_flight > 0 && tally.now - tally.last_progress > PATIENCE)
            die("no echo for %" PRIu64 " s, %" PRIu64 " messages are missing",
                PATIENCE / NANOSECONDS, tally.in_flight);
    }
}

static void drain(void) {
    tally.counting = false;
    tally.draining = true;
    while (tally.in_flight > 0)
        turn_until(tally.now + NANOSECONDS / 1000);
}

static void close_sessions(void) {
    tally.now = monotonic();
    const uint64_t deadline = tally.now + PATIENCE;
    for (size_t n = 0; n < options.connections; n++)
        send_close(&sessions[n]);
    for (size_t n = 0; n < options.connections; n++) {
        struct session *session = &sessions[n];
        while (!session->close_received) {
            turn(deadline);
            if (tally.now >= deadline)
                die("session %zu: the server did not answer the close frame", n);
        }
    }
    for (size_t n = 0; n < options.connections; n++)
        free_session(&sessions[n]);
    free(sessions);
    free_frames();
    close(epoll);
}

/* One exchange on each, so that what a session takes on first use is there; then stillness. */
static void hold(void) {
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL}, happened;
    tally.draining = true;
    for (size_t n = 0; n < options.connections; n++)
        send_messages(&sessions[n], 1);
    drain();
    printf("READY %zu\n", options.connections);
    if (fflush(stdout) != 0)
        fail("stdout");

    /* Nested, so that the connections' events stay where turn() looks for them. */
    const int outer = epoll_create1(EPOLL_CLOEXEC);
    if (outer < 0 || epoll_ctl(outer, EPOLL_CTL_ADD, STDIN_FILENO, &event) < 0)
        fail("standard input must be a pipe or a terminal");
    event.data.ptr = &epoll;
    if (epoll_ctl(outer, EPOLL_CTL_ADD, epoll, &event) < 0)
        fail("epoll_ctl");
    for (;;) {
        char ignored[64];
        const int count = epoll_wait(outer, &happened, 1, -1);
        if (count < 0 && errno != EINTR)
            fail("epoll_wait");
        if (count == 1 && happened.data.ptr == &epoll)
            turn(tally.now);
        else if (count == 1 && read(STDIN_FILENO, ignored, sizeof ignored) <= 0)
            break;
    }
    close(outer);
}

static void measure(void) {
    clockid_t server_clock = CLOCK_MONOTONIC;
    if (options.server > 0 && clock_getcpuclockid(options.server, &server_clock) != 0)
        die("there is no process %d", (int)options.server);
    for (size_t n = 0; n < options.connections; n++)
        send_messages(&sessions[n], traffic.in_flight);
    turn_until(tally.now + (uint64_t)(options.warmup * (double)NANOSECONDS));

    const uint64_t waited_before = waited(getpid()), server_waited_before = waited(options.server);
    const uint64_t server_start = clock_nanoseconds(server_clock);
    const uint64_t load_start = clock_nanoseconds(CLOCK_PROCESS_CPUTIME_ID);
    const uint64_t start = tally.now = monotonic();
    tally.counting = true;
    turn_until(start + (uint64_t)(options.seconds * (double)NANOSECONDS));
    const double elapsed = (double)(monotonic() - start) / 1e9;
    const double load_cpu = (double)(clock_nanoseconds(CLOCK_PROCESS_CPUTIME_ID) - load_start) / 1e9;
    const double server_cpu = (double)(clock_nanoseconds(server_clock) - server_start) / 1e9;
    const double load_waited = (double)(waited(getpid()) - waited_before) / 1e9;
    const double server_waited = (double)(waited(options.server) - server_waited_before) / 1e9;
    drain();

    const struct latencies *counted = &tally.latencies;
    printf("{\"connections\": %zu, \"in_flight\": %zu, \"size\": %zu, \"messages\": %" PRIu64
           ", \"seconds\": %.6f, \"rate\": %.1f, \"p50_us\": %.1f, \"p99_us\": %.1f, "
           "\"load_cpu_seconds\": %.6f, \"load_waited_seconds\": %.6f",
           options.connections, traffic.in_flight, traffic.size, counted->total, elapsed,
           (double)counted->total / elapsed, latency_percentile(counted, 0.50),
           latency_percentile(counted, 0.99), load_cpu, load_waited);
    if (options.server > 0)
        printf(", \"server_cpu_seconds\": %.6f, \"server_waited_seconds\": %.6f", server_cpu,
               server_waited);
    printf("}\n");
    if (fflush(stdout) != 0)
        fail("stdout");
}

static double number(const char *name, const char *text, double least, double most) {
    char *end;
    const double value = strtod(text, &end);
    if (end == text || *end != '\0' || !(value >= least && value <= most))
        die("%s takes a number from %g to %g, not %s", name, least, most, text);
    return value;
}

static void read_options(int argc, char **argv) {
    for (int i = 1; i < argc; i++) {
        const char *name = argv[i];
        if (strcmp(name, "--hold") == 0) {
            options.hold = true;
            continue;
        }
        if (strcmp(name, "--help") == 0) {
            fputs(usage, stdout);
            exit(0);
        }
        const char *value = i + 1 < argc ? argv[++i] : NULL;
        if (value == NULL)
            die("%s needs a value\n%s", name, usage);
        if (strcmp(name, "--host") == 0)
            traffic.host = value;
        else if (strcmp(name, "--path") == 0)
            traffic.path = value;
        else if (strcmp(name, "--port") == 0)
            traffic.port = (uint16_t)number(name, value, 1, 65535);
        else if (strcmp(name, "--connections") == 0)
            options.connections = (size_t)number(name, value, 1, 1000000);
        else if (strcmp(name, "--in-flight") == 0)
            traffic.in_flight = (size_t)number(name, value, 1, 100000);
        else if (strcmp(name, "--size") == 0)
            traffic.size = (size_t)number(name, value, 0, LARGEST_MESSAGE);
        else if (strcmp(name, "--seconds") == 0)
            options.seconds = number(name, value, 0.01, 3600);
        else if (strcmp(name, "--warmup") == 0)
            options.warmup = number(name, value, 0, 3600);
        else if (strcmp(name, "--server-pid") == 0)
            options.server = (pid_t)number(name, value, 1, 1 << 30);
        else
            die("unknown option %s\n%s", name, usage);
    }
    if (traffic.port == 0)
        die("--port is needed\n%s", usage);
}

static void raise_descriptor_limit(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        fail("getrlimit");
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
        fail("setrlimit");
}

int main(int argc, char **argv) {
    read_options(argc, argv);
    raise_descriptor_limit();
    make_frames();
    tally.now = tally.last_progress = monotonic();
    open_sessions();
    tally.now = tally.last_progress = monotonic();
    if (options.hold)
        hold();
    else
        measure();
    close_sessions();
    return 0;
}

/*
 * What lives here: libevent's own benchmark, as pipes.py has it, on libevent in C: the yardstick.
 * What it must not know: the loops that are compared with it.
 */
#define _GNU_SOURCE
#include <event2/event.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "../../native/load_clock.h"
#include "../../native/load_failure.h"

static struct pipe_ends {
    int own, other;
    struct event *event;
} *ends;
static size_t pipes, active, writes, left, reading;

static struct tally {
    uint64_t operations, time, cpu, waited;
} tally;

static void on_readable(evutil_socket_t descriptor, short what, void *argument) {
    const size_t index = (size_t)((struct pipe_ends *)argument - ends);
    char byte;
    (void)what;
    if (read(descriptor, &byte, 1) != 1)
        fail("read");
    reading--;
    if (left > 0) {
        left--;
        if (write(ends[(index + 1) % pipes].other, "e", 1) != 1)
            fail("write");
    }
}

static void walk(struct event_base *base) {
    left = writes - active;
    reading = writes;
    const uint64_t waited_before = waited(getpid());
    const uint64_t cpu_before = clock_nanoseconds(CLOCK_PROCESS_CPUTIME_ID);
    const uint64_t before = monotonic();
    for (size_t index = 0; index < active; index++)
        if (write(ends[index * (pipes / active)].other, "e", 1) != 1)
            fail("write");
    while (reading > 0)
        if (event_base_loop(base, EVLOOP_ONCE) < 0)
            die("event_base_loop failed");
    tally.time += monotonic() - before;
    tally.cpu += clock_nanoseconds(CLOCK_PROCESS_CPUTIME_ID) - cpu_before;
    tally.waited += waited(getpid()) - waited_before;
    tally.operations += writes;
}

static void repeat(struct event_base *base, double seconds) {
    tally = (struct tally){0};
    do
        walk(base);
    while ((double)tally.time / 1e9 < seconds);
}

int main(int argc, char **argv) {
    if (argc != 6)
        die("usage: pipes PIPES ACTIVE WRITES SECONDS WARMUP");
    pipes = strtoul(argv[1], NULL, 10);
    active = strtoul(argv[2], NULL, 10);
    writes = strtoul(argv[3], NULL, 10);
    if (active < 1 || active > pipes || writes < active)
        die("it needs 1 <= ACTIVE <= PIPES and ACTIVE <= WRITES");
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
    struct event_base *base = event_base_new();
    ends = calloc(pipes, sizeof *ends);
    if (base == NULL || ends == NULL)
        die("out of memory");
    for (size_t index = 0; index < pipes; index++) {
        int descriptors[2];
        if (pipe(descriptors) < 0)
            fail("pipe");
        ends[index].own = descriptors[0];
        ends[index].other = descriptors[1];
        ends[index].event =
            event_new(base, descriptors[0], EV_READ | EV_PERSIST, on_readable, &ends[index]);
        if (ends[index].event == NULL || event_add(ends[index].event, NULL) < 0)
            die("event_add failed");
    }
    repeat(base, strtod(argv[5], NULL));
    repeat(base, strtod(argv[4], NULL));
    printf("{\"operations\": %" PRIu64 ", \"seconds\": %.6f, \"cpu_seconds\": %.6f, "
           "\"waited_seconds\": %.6f}\n",
           tally.operations, (double)tally.time / 1e9, (double)tally.cpu / 1e9,
           (double)tally.waited / 1e9);
    return 0;
}

/*
 * What lives here: the clocks a load generator reads: the time, what a process used of its core,
 * and how long it waited for it.
 * What it must not know: what is measured with them.
 */
#ifndef TETHER_BENCHMARKS_LOAD_CLOCK_H
#define TETHER_BENCHMARKS_LOAD_CLOCK_H

#include <errno.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>
#include <time.h>

#include "load_failure.h"

#define NANOSECONDS UINT64_C(1000000000)

static inline uint64_t clock_nanoseconds(clockid_t clock) {
    struct timespec time;
    if (clock_gettime(clock, &time) < 0)
        die("a clock is gone, and the process it was of: %s", strerror(errno));
    return (uint64_t)time.tv_sec * NANOSECONDS + (uint64_t)time.tv_nsec;
}

static inline uint64_t monotonic(void) {
    return clock_nanoseconds(CLOCK_MONOTONIC);
}

/* How long a process, ready to run, has waited for others to leave its core. The kernel says it
 * of the main thread only, which is where each of the servers runs; 0 where it does not say. */
static inline uint64_t waited(pid_t process) {
    char name[64];
    uint64_t waiting = 0;
    snprintf(name, sizeof name, "/proc/%d/schedstat", (int)process);
    FILE *file = fopen(name, "r");
    if (file == NULL)
        return 0;
    if (fscanf(file, "%*u %" SCNu64, &waiting) != 1)
        waiting = 0;
    fclose(file);
    return waiting;
}

#endif

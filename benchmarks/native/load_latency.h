/*
 * What lives here: a histogram of latencies, exact to 1.6 %, that costs a few instructions for
 * each and always the same memory.
 * What it must not know: where latencies come from.
 */
#ifndef TETHER_BENCHMARKS_LOAD_LATENCY_H
#define TETHER_BENCHMARKS_LOAD_LATENCY_H

#include <stddef.h>
#include <stdint.h>

enum {
    STEPS_LOG2 = 6, /* 64 steps to each doubling */
    STEPS = 1 << STEPS_LOG2,
    BUCKETS = STEPS * (64 - STEPS_LOG2 + 1),
};

struct latencies {
    uint64_t total;
    uint64_t buckets[BUCKETS];
};

static inline void record_latency(struct latencies *latencies, uint64_t nanoseconds) {
    size_t bucket = (size_t)nanoseconds;
    if (nanoseconds >= STEPS) {
        const unsigned doubling = 63 - (unsigned)__builtin_clzll(nanoseconds) - STEPS_LOG2;
        bucket = STEPS * (size_t)doubling + (size_t)(nanoseconds >> doubling);
    }
    latencies->buckets[bucket]++;
    latencies->total++;
}

/* The middle of the bucket that holds the latency which that share (0 to 1) of all do not
 * exceed, in microseconds; 0 where there is none. */
static inline double latency_percentile(const struct latencies *latencies, double share) {
    const double wanted = share * (double)latencies->total;
    uint64_t seen = 0;
    for (size_t bucket = 0; bucket < BUCKETS; bucket++) {
        seen += latencies->buckets[bucket];
        if (seen == 0 || (double)seen < wanted)
            continue;
        if (bucket < STEPS)
            return (double)bucket / 1000;
        const unsigned doubling = (unsigned)(bucket / STEPS) - 1;
        return ((double)(bucket % STEPS + STEPS) + 0.5) * (double)(1ULL << doubling) / 1000;
    }
    return 0;
}

#endif

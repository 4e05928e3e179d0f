/*
 * What lives here: one session of the load generator: its handshake, the messages it has in
 * flight, and the check of every echo.
 * What it must not know: how many sessions there are, for how long they run, and the poller.
 */
#ifndef TETHER_BENCHMARKS_LOAD_SESSION_H
#define TETHER_BENCHMARKS_LOAD_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../native/load_latency.h"

enum { LARGEST_MESSAGE = 1024 * 1024 };

/* What every session sends, and where to; set before the first one opens. */
struct traffic {
    const char *host, *path;
    uint16_t port;
    size_t in_flight, size;
};

/* What all sessions of this process have done. */
struct tally {
    uint64_t now; /* nanoseconds, taken after each wait and each read */
    uint64_t last_progress;
    uint64_t in_flight;
    bool counting; /* echoes count from now on */
    bool draining; /* an echo is no longer answered by another message */
    struct latencies latencies;
};

struct session {
    size_t number;
    int fd;
    bool close_sent, close_received;
    uint64_t sent, received; /* messages */
    uint64_t *times;         /* when each message in flight was sent, by its number */
    unsigned char *output;   /* what the socket would not take yet, or NULL */
    size_t output_start, output_length;
    unsigned char header[10]; /* of the frame that is arriving */
    size_t header_length, header_got;
    uint64_t payload_length, payload_got;
    unsigned char control[125]; /* payload of a control frame */
};

extern struct traffic traffic;
extern struct tally tally;

void *allocate(size_t count, size_t size);

void make_frames(void);
void free_frames(void);

/* Connects and upgrades, blocking; then the descriptor is non-blocking. */
void open_session(struct session *session, size_t number);
void send_messages(struct session *session, size_t count);
void send_close(struct session *session);
/* Takes edge-triggered events: writes what waited, reads and checks what came. */
void on_session_event(struct session *session, uint32_t events);
void free_session(struct session *session);

#endif

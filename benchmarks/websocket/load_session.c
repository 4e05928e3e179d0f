/*
 * What lives here: see load_session.h. Any byte that is not the expected echo, and any failure
 * of the connection, ends the process with an explanation.
 */
#define _GNU_SOURCE
#include "load_session.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "../native/load_clock.h"
#include "../native/load_failure.h"
#include "handshake.h"

enum {
    BUFFER_SIZE = 256 * 1024,
    LARGEST_HEAD = 8 * 1024,
    MASK_LENGTH = 4,
    COUNTER_LENGTH = 8,
    /* Of every piece of an echo that a read brings, this many bytes at both its ends are
     * compared; all of them in the first messages of a session. */
    CHECKED_ENDS = 64,
    CHECKED_MESSAGES = 2,
};

struct traffic traffic = {.host = "127.0.0.1", .path = "/", .in_flight = 1, .size = 32};
struct tally tally;

static unsigned char receive_buffer[BUFFER_SIZE];

/* `in_flight` frames, one after another, ready to be sent but for their counters. */
static unsigned char *frames;
static size_t frame_length, frame_header_length;
static unsigned char *pattern;         /* the payload, counter aside */
static unsigned char reply_header[10]; /* of the only frame that is a right answer */
static size_t reply_header_length, counter_length;
static uint64_t counter_mask;
static size_t times_mask; /* a power of two, less one: at least `in_flight` times are kept */

void *allocate(size_t count, size_t size) {
    void *memory = calloc(count, size);
    if (memory == NULL)
        fail("calloc");
    return memory;
}

static void random_bytes(void *target, size_t length) {
    if (getrandom(target, length, 0) != (ssize_t)length)
        fail("getrandom");
}

/* ---- messages ------------------------------------------------------------------------ */

static size_t write_length(unsigned char *header, size_t length) {
    if (length < 126) {
        header[1] = (unsigned char)length;
        return 2;
    }
    const size_t extended = length < 65536 ? 2 : 8;
    header[1] = extended == 2 ? 126 : 127;
    for (size_t i = 0; i < extended; i++)
        header[2 + i] = (unsigned char)((uint64_t)length >> 8 * (extended - 1 - i));
    return 2 + extended;
}

/* One mask for the whole run: unmasking costs a server the same whatever its value. */
void make_frames(void) {
    unsigned char mask[MASK_LENGTH], masks[COUNTER_LENGTH];
    do
        random_bytes(mask, sizeof mask);
    while (mask[0] == 0);
    for (size_t i = 0; i < COUNTER_LENGTH; i++)
        masks[i] = mask[i % MASK_LENGTH];
    memcpy(&counter_mask, masks, sizeof counter_mask);

    const size_t size = traffic.size;
    counter_length = size < COUNTER_LENGTH ? size : COUNTER_LENGTH;
    pattern = allocate(size + 1, 1);
    /* No two places look alike, so that a shifted echo is caught. */
    uint64_t state = 0x9E3779B97F4A7C15;
    for (size_t i = 0; i < size; i++) {
        state = state * 6364136223846793005 + 1442695040888963407;
        pattern[i] = (unsigned char)(state >> 56);
    }
    reply_header[0] = 0x82;
    reply_header_length = write_length(reply_header, size);

    while (times_mask + 1 < traffic.in_flight)
        times_mask = times_mask * 2 + 1;
    frame_header_length = reply_header_length + MASK_LENGTH;
    frame_length = frame_header_length + size;
    frames = allocate(traffic.in_flight, frame_length);
    for (size_t n = 0; n < traffic.in_flight; n++) {
        unsigned char *frame = frames + n * frame_length;
        memcpy(frame, reply_header, reply_header_length);
        frame[1] |= 0x80;
        memcpy(frame + reply_header_length, mask, sizeof mask);
        for (size_t i = 0; i < size; i++)
            frame[frame_header_length + i] = pattern[i] ^ mask[i % MASK_LENGTH];
    }
}

/* What a message carries in its first bytes: no two in flight anywhere are the same. */
static uint64_t counter_of(const struct session *session, uint64_t message) {
    return (uint64_t)session->number << 40 ^ message;
}

void free_frames(void) {
    free(frames);
    free(pattern);
}

/* ---- writing ------------------------------------------------------------------------- */

static void transmit(struct session *session, const unsigned char *data, size_t length) {
    size_t sent = 0;
    if (session->output == NULL) {
        const ssize_t result = send(session->fd, data, length, MSG_NOSIGNAL);
        if (result < 0 && errno != EAGAIN)
            die("session %zu: send: %s", session->number, strerror(errno));
        sent = result < 0 ? 0 : (size_t)result;
    }
    if (sent < length) {
        const size_t rest = length - sent, kept = session->output_length;
        session->output = realloc(session->output, kept + rest);
        if (session->output == NULL)
            fail("realloc");
        memcpy(session->output + kept, data + sent, rest);
        session->output_length = kept + rest;
    }
}

static void flush(struct session *session) {
    while (session->output_start < session->output_length) {
        const ssize_t result =
            send(session->fd, session->output + session->output_start,
                 session->output_length - session->output_start, MSG_NOSIGNAL);
        if (result < 0 && errno == EAGAIN)
            return;
        if (result < 0)
            die("session %zu: send: %s", session->number, strerror(errno));
        session->output_start += (size_t)result;
    }
    free(session->output);
    session->output = NULL;
    session->output_start = session->output_length = 0;
}

void send_messages(struct session *session, size_t count) {
    for (size_t n = 0; n < count; n++) {
        const uint64_t counter = counter_of(session, session->sent) ^ counter_mask;
        memcpy(frames + n * frame_length + frame_header_length, &counter, counter_length);
        session->times[session->sent & times_mask] = tally.now;
        session->sent++;
    }
    tally.in_flight += count;
    transmit(session, frames, count * frame_length);
}

/* `payload` is masked with zeros: control frames of a load generator hide nothing. */
static void send_control(struct session *session, unsigned char opcode,
                         const unsigned char *payload, size_t length) {
    unsigned char frame[2 + MASK_LENGTH + 125] = {0};
    frame[0] = (unsigned char)(0x80 | opcode);
    frame[1] = (unsigned char)(0x80 | length);
    memcpy(frame + 2 + MASK_LENGTH, payload, length);
    transmit(session, frame, 2 + MASK_LENGTH + length);
}

void send_close(struct session *session) {
    static const unsigned char normal[] = {1000 >> 8, 1000 & 0xFF};
    send_control(session, 8, normal, sizeof normal);
    session->close_sent = true;
}

/* ---- reading and checking ------------------------------------------------------------ */

static void check(const struct session *session, size_t start, const unsigned char *piece,
                  size_t length) {
    const uint64_t counter = counter_of(session, session->received);
    unsigned char expected[COUNTER_LENGTH];
    bool right = true;
    memcpy(expected, &counter, sizeof counter);
    if (start < counter_length) {
        const size_t rest = counter_length - start, part = length < rest ? length : rest;
        right = memcmp(piece, expected + start, part) == 0;
        start += part;
        piece += part;
        length -= part;
    }
    if (length <= 2 * CHECKED_ENDS || session->received < CHECKED_MESSAGES) {
        right = right && memcmp(piece, pattern + start, length) == 0;
    } else {
        const size_t end = length - CHECKED_ENDS;
        right = right && memcmp(piece, pattern + start, CHECKED_ENDS) == 0 &&
                memcmp(piece + end, pattern + start + end, CHECKED_ENDS) == 0;
    }
    if (!right)
        die("session %zu: echo %" PRIu64 " is not what was sent", session->number,
            session->received);
}

static void on_echo(struct session *session) {
    if (session->received == session->sent)
        die("session %zu: an echo of nothing", session->number);
    if (tally.counting)
        record_latency(&tally.latencies,
                       tally.now - session->times[session->received & times_mask]);
    session->received++;
}

static void on_control(struct session *session) {
    const unsigned char opcode = session->header[0] & 0x0F;
    const size_t length = (size_t)session->payload_length;
    const unsigned char *payload = session->control;
    if (opcode == 9) {
        send_control(session, 10, payload, length);
    } else if (opcode == 8) {
        if (!session->close_sent)
            die("session %zu: closed by the server with code %u", session->number,
                length < 2 ? 1005 : (unsigned)(payload[0] << 8 | payload[1]));
        session->close_received = true;
    }
}

/* Reads the header that is complete in session->header; an echo has exactly one form. */
static void on_header(struct session *session) {
    const unsigned char *header = session->header;
    uint64_t length = header[1] & 0x7F;
    if (length >= 126) {
        length = 0;
        for (size_t i = 2; i < session->header_length; i++)
            length = length << 8 | header[i];
    }
    const bool control = (header[0] & 0xF8) == 0x88 && (header[0] & 0x07) <= 2 && length <= 125;
    if (!control && (session->header_length != reply_header_length ||
                     memcmp(header, reply_header, reply_header_length) != 0))
        die("session %zu: unexpected frame %02x %02x of %" PRIu64 " bytes",
            session->number, header[0], header[1], length);
    session->payload_length = length;
    session->payload_got = 0;
}

/* Takes a piece of the stream, cut anywhere. */
static void consume(struct session *session, const unsigned char *data, size_t length) {
    const unsigned char *const end = data + length;
    while (data < end) {
        /* Most often: a whole echo lies there. */
        while (session->header_got == 0 &&
               (size_t)(end - data) >= reply_header_length + traffic.size &&
               memcmp(data, reply_header, reply_header_length) == 0) {
            check(session, 0, data + reply_header_length, traffic.size);
            on_echo(session);
            data += reply_header_length + traffic.size;
        }
        if (session->header_got == 0)
            session->header_length = 2;
        while (session->header_got < session->header_length && data < end) {
            session->header[session->header_got++] = *data++;
            if (session->header_got == 2 && (session->header[1] & 0x7F) >= 126)
                session->header_length = (session->header[1] & 0x7F) == 126 ? 4 : 10;
            if (session->header_got == session->header_length)
                on_header(session);
        }
        if (session->header_got < session->header_length)
            return;
        const bool control = (session->header[0] & 0x08) != 0;
        const uint64_t rest = session->payload_length - session->payload_got;
        const size_t available = (size_t)(end - data);
        const size_t piece = available < rest ? available : (size_t)rest;
        if (control)
            memcpy(session->control + session->payload_got, data, piece);
        else
            check(session, (size_t)session->payload_got, data, piece);
        data += piece;
        session->payload_got += piece;
        if (session->payload_got < session->payload_length)
            return;
        session->header_got = 0;
        if (control)
            on_control(session);
        else
            on_echo(session);
    }
}

static void receive(struct session *session, bool ending) {
    bool more = true;
    while (more) {
        const ssize_t got = recv(session->fd, receive_buffer, BUFFER_SIZE, 0);
        if (got < 0 && errno == EAGAIN)
            return;
        if (got <= 0 && session->close_received)
            return;
        if (got < 0)
            die("session %zu: recv: %s", session->number, strerror(errno));
        if (got == 0)
            die("session %zu: ended by the server without a close frame",
                session->number);
        tally.now = monotonic();
        const uint64_t before = session->received;
        consume(session, receive_buffer, (size_t)got);
        const size_t echoed = (size_t)(session->received - before);
        tally.in_flight -= echoed;
        if (echoed > 0)
            tally.last_progress = tally.now;
        if (echoed > 0 && !tally.draining)
            send_messages(session, echoed);
        more = got == BUFFER_SIZE || ending;
    }
}

void on_session_event(struct session *session, uint32_t events) {
    if (session->output != NULL)
        flush(session);
    if ((events & ~(uint32_t)EPOLLOUT) != 0)
        receive(session, (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0);
}

/* ---- connecting ---------------------------------------------------------------------- */

static void handshake(struct session *session) {
    unsigned char nonce[16];
    char key[KEY_LENGTH + 1], accept[ACCEPT_LENGTH + 1], request[1024], expected[128];
    random_bytes(nonce, sizeof nonce);
    key[base64(nonce, sizeof nonce, key)] = '\0';
    websocket_accept(key, accept);
    const int length =
        snprintf(request, sizeof request,
                 "GET %s HTTP/1.1\r\nHost: %s:%u\r\nUpgrade: websocket\r\n"
                 "Connection: Upgrade\r\nSec-WebSocket-Key: %s\r\n"
                 "Sec-WebSocket-Version: 13\r\n\r\n",
                 traffic.path, traffic.host, traffic.port, key);
    if (length < 0 || (size_t)length >= sizeof request)
        die("the path is too long");
    if (send(session->fd, request, (size_t)length, MSG_NOSIGNAL) != length)
        fail("send of the handshake");

    char *head = (char *)receive_buffer, *stop = NULL;
    size_t got = 0;
    while (stop == NULL) {
        const ssize_t result = recv(session->fd, head + got, LARGEST_HEAD - got, 0);
        if (result < 0)
            fail("recv of the handshake");
        if (result == 0 || got + (size_t)result == LARGEST_HEAD)
            die("the server did not answer the handshake with a head");
        got += (size_t)result;
        stop = memmem(head, got, "\r\n\r\n", 4);
    }
    *stop = '\0';
    const size_t head_length = (size_t)(stop - head) + 4;
    snprintf(expected, sizeof expected, "\r\nSec-WebSocket-Accept: %s", accept);
    if (strncmp(head, "HTTP/1.1 101 ", 13) != 0 || strcasestr(head, expected) == NULL)
        die("the server refused the handshake: %.*s", (int)strcspn(head, "\r"), head);
    consume(session, receive_buffer + head_length, got - head_length);
}

void open_session(struct session *session, size_t number) {
    const int on = 1;
    const struct timeval deadline = {.tv_sec = 10};
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(traffic.port)};
    if (inet_pton(AF_INET, traffic.host, &address.sin_addr) != 1)
        die("--host takes an IPv4 address, not %s", traffic.host);
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    session->number = number;
    session->fd = fd;
    session->times = allocate(times_mask + 1, sizeof *session->times);
    if (fd < 0)
        fail("socket");
    if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) < 0 ||
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &deadline, sizeof deadline) < 0)
        fail("setsockopt");
    if (connect(fd, (const struct sockaddr *)&address, sizeof address) < 0)
        fail("connect");
    handshake(session);
    const int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
        fail("fcntl");
}

void free_session(struct session *session) {
    close(session->fd);
    free(session->output);
    free(session->times);
}

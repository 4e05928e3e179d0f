/*
 * What lives here: the one piece of arithmetic that both ends of a WebSocket
 * handshake need, Sec-WebSocket-Accept from Sec-WebSocket-Key (RFC 6455, 4.2.2),
 * with a SHA-1 and a base64 just large enough for it.
 * What it must not know: sockets, frames, and which end it is compiled into.
 */
#ifndef TETHER_BENCHMARKS_HANDSHAKE_H
#define TETHER_BENCHMARKS_HANDSHAKE_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum {
    KEY_LENGTH = 24,    /* base64 of 16 bytes */
    ACCEPT_LENGTH = 28, /* base64 of a SHA-1 */
    SHA1_BLOCK = 64,
    SHA1_LENGTH = 20,
};

static uint32_t rotate_left(uint32_t value, unsigned bits) {
    return (value << bits) | (value >> (32 - bits));
}

static void sha1_block(uint32_t state[5], const unsigned char *block) {
    uint32_t words[80];
    for (size_t i = 0; i < 16; i++)
        words[i] = (uint32_t)block[4 * i] << 24 | (uint32_t)block[4 * i + 1] << 16 |
                   (uint32_t)block[4 * i + 2] << 8 | (uint32_t)block[4 * i + 3];
    for (size_t i = 16; i < 80; i++)
        words[i] = rotate_left(words[i - 3] ^ words[i - 8] ^ words[i - 14] ^ words[i - 16], 1);

    uint32_t a = state[0], b = state[1], c = state[2], d = state[3], e = state[4];
    for (size_t i = 0; i < 80; i++) {
        uint32_t mixed, constant;
        if (i < 20) {
            mixed = (b & c) | (~b & d);
            constant = 0x5A827999;
        } else if (i < 40) {
            mixed = b ^ c ^ d;
            constant = 0x6ED9EBA1;
        } else if (i < 60) {
            mixed = (b & c) | (b & d) | (c & d);
            constant = 0x8F1BBCDC;
        } else {
            mixed = b ^ c ^ d;
            constant = 0xCA62C1D6;
        }
        uint32_t next = rotate_left(a, 5) + mixed + e + constant + words[i];
        e = d;
        d = c;
        c = rotate_left(b, 30);
        b = a;
        a = next;
    }
    state[0] += a;
    state[1] += b;
    state[2] += c;
    state[3] += d;
    state[4] += e;
}

static size_t base64(const unsigned char *data, size_t length, char *text) {
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t written = 0;
    for (size_t i = 0; i < length; i += 3) {
        size_t left = length - i;
        uint32_t group = (uint32_t)data[i] << 16;
        if (left > 1)
            group |= (uint32_t)data[i + 1] << 8;
        if (left > 2)
            group |= (uint32_t)data[i + 2];
        text[written++] = alphabet[group >> 18 & 63];
        text[written++] = alphabet[group >> 12 & 63];
        text[written++] = left > 1 ? alphabet[group >> 6 & 63] : '=';
        text[written++] = left > 2 ? alphabet[group & 63] : '=';
    }
    return written;
}

/* Writes ACCEPT_LENGTH characters and a NUL. `key` is KEY_LENGTH characters. */
static void websocket_accept(const char *key, char accept[ACCEPT_LENGTH + 1]) {
    static const char suffix[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    const size_t length = KEY_LENGTH + sizeof suffix - 1;
    unsigned char padded[2 * SHA1_BLOCK] = {0};
    memcpy(padded, key, KEY_LENGTH);
    memcpy(padded + KEY_LENGTH, suffix, sizeof suffix - 1);
    padded[length] = 0x80;
    /* The length in bits ends the last block; 480 needs its two lowest bytes only. */
    padded[sizeof padded - 2] = (unsigned char)(length * 8 >> 8);
    padded[sizeof padded - 1] = (unsigned char)(length * 8);

    uint32_t state[5] = {0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476, 0xC3D2E1F0};
    sha1_block(state, padded);
    sha1_block(state, padded + SHA1_BLOCK);

    unsigned char digest[SHA1_LENGTH];
    for (size_t i = 0; i < SHA1_LENGTH; i++)
        digest[i] = (unsigned char)(state[i / 4] >> (24 - 8 * (i % 4)));
    accept[base64(digest, sizeof digest, accept)] = '\0';
}

#endif

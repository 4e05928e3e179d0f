/*
 * What lives here: how the load generator ends when something is not as it must be.
 * What it must not know: what the load generator does.
 */
#ifndef TETHER_BENCHMARKS_LOAD_FAILURE_H
#define TETHER_BENCHMARKS_LOAD_FAILURE_H

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Noreturn static void die(const char *format, ...) __attribute__((format(printf, 1, 2)));

_Noreturn static void die(const char *format, ...) {
    va_list arguments;
    fputs("load: ", stderr);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    exit(1);
}

_Noreturn static void fail(const char *what) {
    die("%s: %s", what, strerror(errno));
}

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The whole program inside a fuzzer: two ports, a worker, a control socket and a metrics listener,
 * in a directory and, as root, a network namespace of its own. Its event loop runs when it is told.
 */
#ifndef FUZZ_PROGRAM_H
#define FUZZ_PROGRAM_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "fuzz/fuzz.h"

#define FUZZ_CONTROL "control" /* socket names in the current directory */
#define FUZZ_METRICS "metrics"

struct app;

/** Start the program once. */
struct app *fuzz_app(void);

/** Everything that is due on the event loop. */
void fuzz_iteration(struct app *app);

/** The output for answers: /dev/null. */
FILE *fuzz_nowhere(void);

/** The input with '/' replaced, so that it names files here only; zero-terminated. Free it. */
char *fuzz_text(const uint8_t *data, size_t size);

/** A client of the socket @p path sends the input, reads what comes and leaves. */
void fuzz_client(struct app *app, const char *path, const void *data, size_t size);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Metrics, a page for browsers and the JSON it shows on a unix socket or a loopback port, by
 * libmicrohttpd on the event loop. Nothing can be changed through it. Connections, the size of a
 * request and the time it may take are limited.
 *
 * Control thread.
 */
#ifndef APP_METRICS_HTTP_H
#define APP_METRICS_HTTP_H

#include <stddef.h>

struct app;
struct metrics_http;

/**
 * Listen at @p where: "unix:PATH", or "ADDRESS:PORT" with an address of the
 * host itself. NULL with a sentence in @p err.
 */
struct metrics_http *metrics_http_new(struct app *app, const char *where, char *err, size_t errlen);

/** NULL is fine. */
void metrics_http_free(struct metrics_http *h);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * "GET /metrics" on a unix socket or a loopback port: as much of HTTP/1.0 as a
 * scraper needs. Nothing can be changed through it. A client is served on the
 * event loop without ever waiting for it, and is dropped when it dawdles.
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

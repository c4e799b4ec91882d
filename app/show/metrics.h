/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * All counters as text for Prometheus and programs that understand its formats.
 * Series are never reset by "clear": a scraper wants counters that only grow.
 *
 * A thousand ports have megabytes of them, so they are made in parts of a few kilobytes, which
 * control makes when the one before is sent. Each part is of one moment. Control thread.
 */
#ifndef APP_SHOW_METRICS_H
#define APP_SHOW_METRICS_H

#include <stddef.h>
#include <sys/types.h>

struct app;
struct metrics;

enum metrics_format {
	METRICS_OPEN, /* OpenMetrics 1.0.0 */
	METRICS_TEXT, /* Prometheus text format 0.0.4 */
};

/** Begin an exposition; NULL: out of memory. Ends with metrics_free(). */
struct metrics *metrics_new(struct app *app, enum metrics_format format);
void metrics_free(struct metrics *m);

/** The next bytes of it, @p max at most, to @p buf. Returns how many, 0: the end, -1: no memory. */
ssize_t metrics_read(struct metrics *m, char *buf, size_t max);

#endif

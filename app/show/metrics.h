/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * All counters as text for Prometheus and programs that understand its formats.
 * Series are never reset by "clear": a scraper wants counters that only grow.
 */
#ifndef APP_SHOW_METRICS_H
#define APP_SHOW_METRICS_H

#include <stdio.h>

struct app;

enum metrics_format {
	METRICS_OPEN, /* OpenMetrics 1.0.0 */
	METRICS_TEXT, /* Prometheus text format 0.0.4 */
};

/** Write the whole exposition. Control thread. */
void metrics_write(struct app *app, enum metrics_format format, FILE *out);

#endif

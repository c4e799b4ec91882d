/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * All counters as OpenMetrics text, for Prometheus and what understands it.
 * Series are never reset by "clear": a scraper wants what only grows.
 */
#ifndef APP_SHOW_METRICS_H
#define APP_SHOW_METRICS_H

#include <stdio.h>

struct app;

/** Write the whole exposition, "# EOF" included. Control thread. */
void metrics_write(struct app *app, FILE *out);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/* The sFlow agent as text and as JSON. Control thread. */
#ifndef APP_SHOW_SHOW_SFLOW_H
#define APP_SHOW_SHOW_SFLOW_H

#include <stdio.h>

#include <jansson.h>

struct app;

void show_sflow(const struct app *app, FILE *out);

/** A new reference; NULL: out of memory. */
json_t *report_sflow(const struct app *app);

#endif

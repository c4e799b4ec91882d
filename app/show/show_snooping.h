/* SPDX-License-Identifier: BSD-3-Clause */
/* Snooping of multicast as text and as JSON. Control thread. */
#ifndef APP_SHOW_SHOW_SNOOPING_H
#define APP_SHOW_SHOW_SNOOPING_H

#include <stdio.h>

#include <jansson.h>

struct app;

/** Settings of the domains where it is on, and counters. */
void show_snooping(const struct app *app, FILE *out);

/** A line for each group of each port, and for each port with a router. */
void show_snooping_groups(const struct app *app, FILE *out);

/** The same as new references; NULL: out of memory. */
json_t *report_snooping(const struct app *app);
json_t *report_snooping_groups(const struct app *app);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What "show" prints about ports, in dpdk-testpmd's format to the byte: scripts
 * parse it. Control thread.
 */
#ifndef APP_SHOW_SHOW_H
#define APP_SHOW_SHOW_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct app;
struct port;

/* counters (show.c) */
void show_port_stats(struct app *app, const struct port *p, FILE *out);
void show_port_xstats(const struct app *app, const struct port *p, FILE *out);

/** --stats-period: every port's statistics on a cleared screen. */
void show_periodic(struct app *app, FILE *out);

/** "The valid ports array is [ 0 1 ]" */
void show_valid_ports(const struct app *app, FILE *out);

/* what a port is (show_info.c) */
void show_port_info(const struct app *app, const struct port *p, FILE *out);
void show_port_summary_head(const struct app *app, FILE *out);
void show_port_summary(const struct app *app, const struct port *p, FILE *out);
void show_device(const struct app *app, const struct port *p, FILE *out);
void show_offload_capabilities(const struct app *app, const struct port *p, bool tx, FILE *out);
void show_offload_configuration(const struct app *app, const struct port *p, bool tx, FILE *out);

#endif

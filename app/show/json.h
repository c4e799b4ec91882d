/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The state of the switch as JSON values: the one source of what "show ... json"
 * prints and telemetry answers. Control thread. Every function returns a new
 * reference; NULL when out of memory.
 */
#ifndef APP_SHOW_JSON_H
#define APP_SHOW_JSON_H

#include <stdint.h>

#include <jansson.h>

struct app;
struct fdb_entry_info;
struct port;
struct pktq_stats;

/** Parts of a port's report. */
#define REPORT_INFO 0x1u    /* what it is */
#define REPORT_STATS 0x2u   /* counters, sums over its queues */
#define REPORT_QUEUES 0x4u  /* counters by queue */
#define REPORT_DETAILS 0x8u /* socket and negotiation of a vhost port */

json_t *report_switch(const struct app *app);
json_t *report_port(const struct app *app, const struct port *p, uint32_t parts);
json_t *report_drops(const struct port *p);
json_t *report_why(const struct app *app, const struct port *p);
json_t *report_worker(struct app *app, uint32_t i);
json_t *report_vdpa(void);                 /* every device */
json_t *report_fdb(const struct app *app); /* counters */
json_t *report_fdb_entry(const struct app *app, const struct fdb_entry_info *e);

/* counters of a queue */
json_t *report_rx_queue(const struct pktq_stats *s);
json_t *report_tx_queue(const struct pktq_stats *s);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * dpdk-testpmd's idea of forwarding on top of the switch: a list of ports, a
 * number of cores, streams from a queue of one port to a queue of its peer,
 * and statistics from "start" to "stop". Control thread only.
 */
#ifndef APP_TESTPMD_FWD_H
#define APP_TESTPMD_FWD_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "options.h"
#include "switch/port.h"
#include "switch/sw.h"

struct app;

/** testpmd's unit of forwarding: from queue to queue of the same number. */
struct fwd_stream {
	const struct port *rx, *tx;
	uint16_t queue;
};

struct fwd_streams {
	uint16_t nports;
	uint16_t ports[DP_PORTS_MAX]; /* ids of those that forward: an order, nothing of a port's */
	uint32_t n;
	struct fwd_stream *s; /* to be freed; NULL with n = 0 when out of memory */
};

struct fwd {
	const struct fwd_mode *mode;  /* "set fwd" */
	const struct fwd_mode *shown; /* of the configuration "show config fwd" shows */
	bool retry;
	uint32_t retry_num, retry_us;
	uint32_t burst;
	const char *txsplit; /* off, on, rand */
	uint32_t txtimes[2];
	uint32_t nb_cores; /* that forward, the first of ... */
	uint32_t ncores;
	uint8_t core[DP_WORKERS_MAX]; /* ... these workers */
	uint32_t verbose;
	bool no_link_check;
	bool warned_odd;      /* said once that the last port is its own peer */
	uint64_t mark_cycles; /* of all workers at "start" */
	uint64_t mark_iterations[DP_WORKERS_MAX];
};

/** Defaults and what the command line says; the ports are there. 0, or -EINVAL with a sentence. */
int fwd_init(struct app *app, char *err, size_t errlen);

/** Ports that forward, in their order; returns how many. @p list has DP_PORTS_MAX entries. */
uint16_t fwd_ports(const struct app *app, uint16_t *list);

/** Streams as testpmd would set them up now. */
void fwd_list_streams(const struct app *app, struct fwd_streams *out);

/** Streams that begin at @p p. */
uint16_t fwd_stream_queues(const struct app *app, const struct port *p);

/** The address mode mac sends frames from @p p to, unless set: 02:00:00:00 and its number. */
struct rte_ether_addr fwd_default_peer(const struct port *p);

/** A port joins or leaves the list. */
void fwd_port_added(struct app *app, struct port *p);
void fwd_port_removed(struct app *app, struct port *p);

/** Make @p list the ports that forward, and say so if their number changes. */
void fwd_set_ports(struct app *app, const uint16_t *list, uint16_t n, FILE *out);

void fwd_set_mode(struct app *app, const struct fwd_mode *mode);
/** Generated frames are as long as these @p n <= OPT_TXPKTS_MAX segments. */
void fwd_set_frame(struct app *app, const uint32_t *len, uint32_t n);

void fwd_set_burst(struct app *app, uint32_t burst);
void fwd_set_cores(struct app *app, uint32_t n); /* <= fwd.ncores */

/**
 * Make the workers on these lcores those that forward. -EINVAL after a sentence was
 * written to @p out.
 */
int fwd_list_cores(struct app *app, const uint32_t *lcores, uint32_t n, FILE *out);

/** "set verbose", "set record-burst-stats", "set fwd MODE retry": tell the workers. */
void fwd_set_watch(struct app *app);

/** Take over what was set for the next start, as testpmd does at several places. */
void fwd_setup(struct app *app, FILE *out);

/** "start": prints the configuration, sends @p first bursts from every port, lets workers run. */
void fwd_start(struct app *app, uint32_t first, FILE *out);

/** "stop": prints the statistics since "start". */
void fwd_stop(struct app *app, FILE *out);

void fwd_show_config(struct app *app, FILE *out);     /* show config fwd */
void fwd_show_rxtx(const struct app *app, FILE *out); /* show config rxtx */
void fwd_show_cores(const struct app *app, FILE *out);
void fwd_show_stats(const struct app *app, FILE *out); /* show fwd stats all */
void fwd_clear_stats(struct app *app);

/** Send @p bursts of generated frames from @p p's tx queues; no worker touches them. (txfirst.c) */
void fwd_send_first(struct app *app, struct port *p, uint32_t bursts);

#endif

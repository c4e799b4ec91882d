/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a port is, in the terms of an ethdev, whatever kind it is: the one place
 * that knows the kinds apart when ports are displayed. For a vhost port these
 * are the values DPDK's net_vhost PMD reports. Control thread.
 */
#ifndef APP_SHOW_FACTS_H
#define APP_SHOW_FACTS_H

#include <stdbool.h>

#include <rte_ethdev.h>

#include "switch/port.h"

struct app;

struct port_facts {
	struct rte_eth_dev_info info; /* driver_name, limits, offloads, RSS */
	struct rte_eth_link link;
	const char *devargs; /* NULL: none */
	char firmware[64];
	int socket;
	uint16_t nrx, ntx; /* queues in use */
	bool promisc, allmulti;
	uint64_t rx_offloads, tx_offloads; /* configured */
	bool bus_vdev;
};

void facts_get(const struct app *app, const struct port *p, struct port_facts *out);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs on: control.
 *
 * IP addresses of the stations behind a port, for a guest that migrates. The table that has them
 * (drivers/vxlan/neigh.h) is the struct sw_stations of the switch.
 */
#ifndef SWITCH_STATIONS_H
#define SWITCH_STATIONS_H

#include <stdbool.h>
#include <stdint.h>

#include <rte_ether.h>

/** An IP address, and the MAC address it goes with. */
struct sw_station {
	struct rte_ether_addr mac;
	uint16_t fid;
	bool router;      /* it says that it is one */
	uint8_t len;      /* of the address: 4 or 16 */
	uint8_t addr[16]; /* network order, zeros behind it */
};

struct sw_stations {
	/** Calls @p fn for each address behind a port until it returns false. */
	void (*walk)(struct sw_stations *s, uint16_t port,
		     bool (*fn)(const struct sw_station *i, void *arg), void *arg);
	/**
	 * The port has an address as if a frame from there had said so: the same limits hold, its
	 * MAC address has to be known behind the port. It may be no host's.
	 */
	void (*learn)(struct sw_stations *s, uint16_t port, const struct sw_station *i);
};

#endif

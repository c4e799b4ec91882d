/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A port on any DPDK poll-mode driver: a NIC, a tap, a ring.
 *
 * Frames that come from the device are views on its mbufs. A frame that
 * already is an mbuf leaves on another device without being copied; a frame in
 * guest memory is copied once, into an mbuf of the switch's pool. Checksum and
 * segmentation are asked of the device when it has them.
 *
 * Control thread only. Link and removal events arrive on EAL's interrupt
 * thread and are handed over to control.
 */
#ifndef ETHDEV_ETHDEV_H
#define ETHDEV_ETHDEV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "switch/port.h"
#include "switch/sw.h"

/** Settings of a device by the user; 0: as suits the device. */
struct ethdev_config {
	uint16_t rxq, txq;    /* queues; fewer when the device has fewer */
	uint16_t rxd, txd;    /* descriptors of each */
	uint64_t rx_offloads; /* RTE_ETH_RX_OFFLOAD_*, besides those that are used anyway */
	uint64_t tx_offloads;
	uint64_t rss_hf; /* RTE_ETH_RSS_*, with several rx queues */
	bool no_rss;
	bool rehearsal; /* a null device stands in for the one that would take all settings */
	bool simulated; /* of simulated hardware, which no other process knows */
	uint16_t mtu;
	uint16_t id; /* the lowest number its port may get */
};

/**
 * Make a port of the probed device @p dev, add it to the switch and start it.
 * NULL with a sentence in @p err. sw_port_remove() ends it, closes
 * the device and, with its last port, unplugs it.
 */
struct port *ethdev_port_new(struct sw *sw, uint16_t dev, const struct ethdev_config *cfg,
			     char *err, size_t errlen);

/**
 * "port attach": probe @p devargs ("net_tap1,iface=t1", a PCI address) and make
 * ports of what appears. The first one, or NULL with a sentence in @p err.
 */
struct port *ethdev_port_attach(struct sw *sw, const char *devargs, const struct ethdev_config *cfg,
				char *err, size_t errlen);

/** "port detach": close all ports of @p p's device. */
void ethdev_port_detach(struct port *p);

/**
 * Make the port of @p devargs in a successor: a null device @p name stands in for the device, which
 * the predecessor still has. NULL with a sentence in @p err.
 */
struct port *ethdev_port_expect(struct sw *sw, const char *devargs, const char *name,
				const struct ethdev_config *cfg, char *err, size_t errlen);

/** Change queues, descriptors or offloads ("port config all rxq"). Stopped ports only: -EBUSY. */
int ethdev_port_configure(struct port *p, const struct ethdev_config *cfg);

#endif

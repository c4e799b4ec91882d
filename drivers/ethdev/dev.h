/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The device under an ethdev port: how it is configured, started and stopped.
 * Internal to drivers/ethdev; control thread only, except as marked.
 */
#ifndef ETHDEV_DEV_H
#define ETHDEV_DEV_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <rte_ethdev.h>

#include "base/ev.h"
#include "base/log.h"
#include "ethdev/ethdev.h"
#include "ethdev/queue.h"

#define ETHDEV_QUEUES_MAX 128

#define ETHDEV_NONE RTE_MAX_ETHPORTS /* the port has no device: DPDK refuses that number */

#define ETHDEV_EVENT_LINK 0x1u
#define ETHDEV_EVENT_REMOVED 0x2u

#define ETHDEV_HAND_MEMBERS 16 /* of a bond */

/** A device that is closed, for who opens it. */
struct ethdev_closed {
	/* device arguments in the order in which they are opened, members of a bond first; owned */
	char *devargs[ETHDEV_HAND_MEMBERS + 1];
	uint32_t n;
	struct rte_ether_addr mac;
	uint16_t mtu;
	bool promisc, allmulti;
	/* descriptors of the driver's, queues of a tap that were given back instead; 0: none */
	int tap[ETHDEV_QUEUES_MAX];
	uint32_t ntap;
};

struct ethdev_port {
	struct port port; /* first member */
	uint16_t dev;
	struct ethdev_config cfg;
	struct rte_eth_dev_info info;

	/* as it is configured */
	uint16_t nrx, ntx;
	uint64_t rx_offloads, tx_offloads;
	bool interrupts;
	bool running;

	/* made when first used, then kept for their counters */
	struct ethdev_rxq *rx[ETHDEV_QUEUES_MAX];
	struct ethdev_txq *tx[ETHDEV_QUEUES_MAX];

	bool mac_set;   /* by the operator */
	bool link_down; /* by the operator */
	bool still;     /* the device is on its way to another process, or from it */
	char *argument; /* as the operator gave it, once it was opened by another. NULL: its own */
	struct ethdev_closed closed_dev;
	bool was_up;
	struct log_limit log_limit; /* of log lines that the other end of the wire causes */
	bool closed;                /* freed by the work item that is still queued */
	atomic_uint events;         /* [atomic] ETHDEV_EVENT_*; not 0: the work below is queued */
	struct ev_work work;
};

/** Configure the device as e->cfg says, set its queues up and start it. 0 or -errno; logged. */
int ethdev_dev_start(struct ethdev_port *e);

/** Stop the device; its queues are not published. Harmless when it is stopped. */
void ethdev_dev_stop(struct ethdev_port *e);

/** The queue of that number, made if need be; NULL: out of memory. */
struct pktq *ethdev_dev_queue(struct ethdev_port *e, bool tx, uint16_t index);

/** Use the device e->dev, which was opened for a port that had another or none. 0 or -errno. */
int ethdev_port_adopt(struct ethdev_port *e);

/** Close the device of that number, and unplug it. Harmless if there is none. */
void ethdev_close_number(uint16_t dev);

/** Close the device and, of a bond, its members, all unplugged. Harmless if there is none. */
void ethdev_port_close_device(struct ethdev_port *e);

int ethdev_dev_set_mtu(struct ethdev_port *e, uint16_t mtu);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs on: control.
 *
 * Kinds of ports: how the program makes one and what it may ask of it.
 *
 * A kind is a folder below drivers/ that offers a struct port_kind; the table of
 * app/kinds.c lists them. The program knows ports by struct port_ops only.
 */
#ifndef SWITCH_PORT_KIND_H
#define SWITCH_PORT_KIND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <rte_ethdev.h>

#include "switch/port.h"

#define PORT_ARGUMENT_MAX 1536 /* of a device argument, with its NUL */
#define PORT_DETAILS_MAX 44
#define PORT_STATE_MAX 24 /* name of a state, with its NUL */

/** Options of the program, for all ports whose device argument does not override them. */
struct port_defaults {
	const char *state_dir; /* for ring journals; NULL: a restart does not carry on */
	mode_t socket_mode;    /* 0: the kind's */
	uid_t socket_owner;    /* -1: unchanged */
	gid_t socket_group;
	uint16_t rxq, txq; /* queues and their descriptors; 0: as suits the device */
	uint16_t rxd, txd;
	uint64_t rx_offloads, tx_offloads; /* RTE_ETH_RX_OFFLOAD_*, RTE_ETH_TX_OFFLOAD_* */
	/* a predecessor still serves: what is not its to give is opened in the loop, after it */
	bool successor;
	bool rehearsal; /* --check: nothing outside the process is made, opened or changed */
};

/** A port to be made. */
struct port_request {
	struct sw *sw;
	const char *devargs; /* "net_vhost0,iface=/run/vm1.sock" */
	uint16_t id;         /* the lowest number it may get */
	const struct port_defaults *defaults;
	char *err; /* gets a sentence when it fails */
	size_t errlen;
};

struct port_kind {
	const char *name;
	const char *usage; /* device arguments, for help: "net_vhostN,iface=PATH[,queues=N]..." */
	/**
	 * Whether a device argument belongs to this kind. NULL: EAL's devices that no other kind
	 * takes.
	 */
	bool (*ours)(const char *devargs);
	/** Before EAL runs: whether @p r->devargs make sense (sw is NULL). 0 or -EINVAL. */
	int (*check)(const struct port_request *r);
	/** Make the port, add it to the switch and start it. NULL: failed. */
	struct port *(*attach)(const struct port_request *r);
	/**
	 * The same at the start, for a --vdev that EAL has probed: 0 or -1. NULL: as attach().
	 * Devices that are no network devices are ignored.
	 */
	int (*attach_probed)(const struct port_request *r);
	/**
	 * Work that goes on for ports that are no more and would end with the process, static
	 * text; NULL: none. May be NULL.
	 */
	const char *(*busy)(void);
	/**
	 * At the start, before those: ports of the devices EAL found that have none of the names in
	 * @p eal_vdev. May be NULL. 0 or -1.
	 */
	int (*attach_found)(const struct port_request *r, const char *const *eal_vdev,
			    int eal_nvdev);
};

/** Facts about a port, in the terms of an ethdev. */
struct port_facts {
	struct rte_eth_dev_info info; /* driver_name, limits, offloads, RSS */
	struct rte_eth_link link;
	const char *devargs; /* without the name; NULL: none */
	char firmware[64];
	int socket;
	uint16_t nrx, ntx; /* queues in use */
	bool promisc, allmulti;
	uint64_t rx_offloads, tx_offloads; /* configured */
	bool is_eal_vdev;
};

/** A fact of one kind of port alone, for "show ... json" and telemetry. */
struct port_detail {
	const char *name;
	const char *text; /* NULL: a number */
	uint64_t number;
};

/** A queue as "show rxq info" prints it. */
struct port_queue_info {
	const char *pool; /* rx: of its buffers; NULL: not a mempool of this process */
	bool scattered;   /* rx: a frame may take several buffers */
	uint16_t ndesc;
};

/**
 * States of ports that can be quiesced and moved. Those of ports with the same table can change
 * together, @p n at the same moment: all or, with -errno, none.
 */
struct port_state_ops {
	/** "running", "running-p2p" ... */
	const char *(*get)(const struct port *p);
	/** Whether frames move in the state of that name, which exists. */
	bool (*moves)(const char *state);
	/** -EINVAL: no such state, or not every port can get there. */
	int (*set)(struct port *const *p, uint32_t n, const char *state);
	int (*quiesce)(struct port *const *p, uint32_t n);
	int (*resume)(struct port *const *p, uint32_t n);
	/** The VM the port belongs to, by its device argument; "": none. */
	const char *(*vm)(const struct port *p);
};

#endif

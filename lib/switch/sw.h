/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs on: control.
 *
 * The switch that holds the ports: its state. Other functions are in sw_ports.h, publish.h and
 * sw_capture.h.
 */
#ifndef SWITCH_SW_H
#define SWITCH_SW_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include <rte_common.h>

#include "base/ev.h"
#include "switch/capture.h"
#include "switch/dataplane.h"
#include "switch/vlan.h"

struct capture;
struct inject;
struct port;
struct rte_mempool;
struct sampling;
struct snoop;
struct sw;
struct vlan_table;

/**
 * The other end of a port in the wire modes (io, mac, ...): neighbours by twos, the next
 * one, itself.
 */
enum sw_topology { SW_PAIRED, SW_CHAINED, SW_LOOP };

/**
 * Is told of all ports that come and go, by command or by themselves. Embedded in the struct of its
 * owner. [ctl]
 */
struct sw_listener {
	/** @p p has its id and name, no queue runs yet. -errno: sw_port_add() returns that. */
	int (*added)(struct sw_listener *l, struct port *p);
	/** @p p is about to leave the switch. */
	void (*leaving)(struct sw_listener *l, struct port *p);
	/** Its link, peer, negotiation or datapath may be another one. May be NULL. */
	void (*changed)(struct sw_listener *l, struct port *p);
};

/** A capture, running or the last one. [ctl] */
struct sw_capture {
	uint16_t port; /* SW_CAPTURE_ALL: every port, later ones too */
	char path[PATH_MAX];
	bool live;     /* to a client that passed a descriptor; path is empty */
	bool attended; /* a client waits for its end, and ends it when it leaves */
	uint32_t snaplen;
	uint64_t count;            /* frames after which it ends, 0: none */
	struct capture_stats last; /* when it ended */
	uint32_t serial;           /* which one it is: the first is 1 */
};

#define SW_CAPTURE_ALL UINT16_MAX

/** The rest of snooping (snoop.h), for those below it. */
struct sw_snooping {
	/** Add what is known of multicast to a snapshot. False: out of memory. */
	bool (*build)(const struct sw *s, struct dataplane *dp);
	/** Forget what is known of a port, whose FIDs are others. */
	void (*forget_port)(struct port *p);
};

/** [ctl] */
struct sw {
	struct dp_ctl dp;
	struct fdb *fdb;
	struct rte_mempool *mp;
	struct ev_loop *loop;
	const struct fwd_mode *mode; /* selected */
	bool forwarding;             /* started */
	bool ending; /* the process is: peers that can wait for a successor are left to it */
	enum sw_topology topology;
	struct sw_listener *listener; /* the program; NULL: none */
	struct fwd_gen gen;           /* for modes that make frames */
	struct watch watch;           /* the log, if there is one, is freed by sw_fini() */
	uint32_t nactive;             /* workers that get queues, 0: all */
	uint8_t active[DP_WORKERS_MAX];
	uint16_t group_fwd;              /* for all ports; sw_set_group_fwd() */
	uint16_t nports;                 /* highest id in use, plus one */
	struct port *port[DP_PORTS_MAX]; /* by id: the one such index, all else is in the port */
	/* ports that forward, in this order, if there is a list ("set portlist"); else all */
	bool listed;
	uint16_t nlist;
	uint16_t list[DP_PORTS_MAX]; /* ids: an order, nothing of a port's */
	uint64_t generation;
	uint64_t serial;           /* of the queue published first last: pktq.serial */
	struct sampling *sampling; /* NULL: none; sw_set_sampling() */
	struct capture *capture;   /* NULL: none is running */
	struct capture *expected;  /* buffers of one that a predecessor hands over, NULL: none */
	struct sw_capture captured;
	struct inject *inject;
	uint8_t inject_owner;               /* the worker that polls it, PORT_WORKER_NONE */
	struct vlan_table *vlans;           /* made when first needed */
	struct snoop *snoop;                /* likewise; snoop.h */
	const struct sw_snooping *snooping; /* NULL: nothing was snooped so far */
	/* of ports in a domain that have none of their own; sw_intercept_domain() */
	const struct dp_intercept *intercept[VLAN_DOMAINS];
	struct sw_stations *stations; /* NULL: no one keeps IP addresses; stations.h */
	/* the longest IP packets that pass all of a domain, 0: any; sw_limit_mtu() */
	uint16_t mtu_most[VLAN_DOMAINS];
	struct dataplane *spare; /* an empty snapshot, should memory run out */
	struct ev_timer lldp;    /* frames of LLDP are due; lldp.h */
	struct ev_timer soon;    /* armed: sw_publish() is due, see sw_publish_soon() */
};

/** How many workers get queues; never 0: there is no data plane without workers. */
static inline uint32_t
sw_active_workers(const struct sw *s)
{
	return s->nactive != 0 ? s->nactive : RTE_MAX(s->dp.nworkers, 1u);
}

/** Number @p i of them. */
static inline uint8_t
sw_active_worker(const struct sw *s, uint32_t i)
{
	return s->nactive != 0 ? s->active[i] : (uint8_t)i;
}

#endif

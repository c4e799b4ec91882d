/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs on: control.
 *
 * Ports as control sees them.
 *
 * A port kind (vhost, ethdev, ...) embeds struct port and implements port_ops.
 * sw_publish() (sw.h) asks every port for its running queues, spreads them over the
 * workers and publishes the result; a port calls it whenever the set of its
 * running queues changed. Control thread only.
 */
#ifndef SWITCH_PORT_H
#define SWITCH_PORT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include <rte_ether.h>

#include "switch/acl.h"
#include "switch/dataplane.h"
#include "switch/guard.h"
#include "switch/limit.h"
#include "switch/mirror_filter.h"
#include "switch/vlan.h"

struct app_port;
struct capture_port;
struct ct;
struct inject_port;
struct port;
struct port_defaults;
struct port_detail;
struct port_facts;
struct port_handover_ops;
struct port_queue_info;
struct port_request;
struct port_state_ops;
struct sw;

#define PORT_NAME_MAX 64
#define PORT_WORKER_NONE 0xff

/**
 * Sum over a port's queues, seen from the port as testpmd does: rx counts the frames that the peer
 * sent.
 */
struct port_stats {
	struct pktq_stats rx;
	struct pktq_stats tx;
};

/**
 * Counters of a port at one moment, to be subtracted from those of later: the counters themselves
 * are their queues' and never reset. "clear port stats", "start" and a display of rates each have
 * one. Zero-initialised: the moment the port was made.
 */
struct baseline {
	uint64_t ns;           /* of ev_now_ns(); 0: never taken */
	struct port_stats sum; /* with the frames sent in the port's name */
	uint16_t n[2];         /* queues by direction, tx: 1 */
	struct pktq_stats *q[2];
};

/**
 * Running queues of a port, for the snapshot. Arrays of @p max entries each, filled by
 * port_ops.queues.
 */
struct port_queues {
	uint16_t max; /* DP_QUEUES_MAX */
	uint16_t nrx, ntx;
	struct pktq **rx;
	struct pktq **tx; /* ascending by queue pair */
	bool *discard;    /* per rx */
};

struct port_ops {
	const char *kind; /* "vhost", "ethdev" */
	/* Frames of tunnels can leave by it: its tx queues take mbufs and defer nothing. */
	bool carries_tunnels;
	/* Drives a device that can be all of one guest's: a port may join it. */
	bool joinable;
	/**
	 * Whether the port exchanges frames with one joinable port and no third: @p with gets that
	 * one, NULL while there is none of its name. NULL: it does not.
	 */
	bool (*joins)(const struct port *p, const struct port **with);
	/** List what runs now. */
	void (*queues)(struct port *p, struct port_queues *out);
	/**
	 * The counters of a queue since it was made, of all that were ever used, running or not.
	 * False, and @p out zeroed, past the last one. @p tx selects the direction.
	 */
	bool (*stats)(const struct port *p, bool tx, uint16_t index, struct pktq_stats *out);
	bool (*link_up)(const struct port *p);
	/**
	 * One sentence, static or in @p buf: the reason for which the other end exchanges no frames
	 * with the port. NULL: there is none.
	 */
	const char *(*why)(const struct port *p, char *buf, size_t len);
	/** The same where some frames pass and others do not, by what they are. May be NULL. */
	const char *(*why_some)(const struct port *p, char *buf, size_t len);
	/**
	 * The NUMA node of what its frames are in when workers poll its queues, and (static text)
	 * that: "the guest's memory". NULL: not known, or spread. May be NULL.
	 */
	const char *(*node)(const struct port *p, int *node);
	/** Stop, disconnect, free @p p. Called after the port has left the snapshot. */
	void (*close)(struct port *p);

	/* for display (port_kind.h has the structs) */
	/** The device argument that makes the port again, options of the program included. */
	void (*argument)(const struct port *p, FILE *out);
	/** Whether @p r asks for the very device the port has, however it is written. */
	bool (*same)(const struct port *p, const struct port_request *r);
	void (*facts)(const struct port *p, const struct port_defaults *d, struct port_facts *out);

	/* Any of the rest may be NULL: the kind has no such thing. 0 or -errno. */
	/** Lines for "show port info". */
	void (*show)(const struct port *p, FILE *out);
	/** Fills @p out of PORT_DETAILS_MAX entries, whose texts live as long as the port. */
	uint32_t (*details)(const struct port *p, struct port_detail *out);
	/** Commands that give a port just made from argument() the settings it has. */
	void (*running)(const struct port *p, FILE *out);
	/** Of a queue that is in use. */
	int (*queue_info)(const struct port *p, bool tx, uint16_t index,
			  struct port_queue_info *out);
	/**
	 * The outcome of the negotiation with the peer, and the reason against traffic, if there is
	 * one.
	 */
	void (*negotiation)(const struct port *p, FILE *out);
	const struct port_state_ops *states;
	/** "port start": ready the device. The caller then sets p->started and publishes. */
	int (*start)(struct port *p);
	/** "port stop": called after the port has left the snapshot. */
	void (*stop)(struct port *p);
	int (*set_mtu)(struct port *p, uint16_t mtu);
	int (*set_mac)(struct port *p, const struct rte_ether_addr *mac);
	int (*set_promisc)(struct port *p, bool on);
	int (*set_allmulti)(struct port *p, bool on);
	int (*set_link)(struct port *p, bool up);
	/** Data formats of guests to serve, by name: "any", "modern-only" ... */
	int (*set_format)(struct port *p, const char *format);
	/** Take other queues, descriptors or offloads. -EBUSY: not while it is started. */
	int (*configure)(struct port *p, const struct port_defaults *d);
	/**
	 * Whether hardware may move its frames: "prefer", "require", "never". -ENODEV: it has none.
	 */
	int (*set_hw)(struct port *p, const char *hw);
	/**
	 * Lines for "why port" that are no reason against traffic: who moves its frames, and why
	 * hardware it might have does not. There with set_hw.
	 */
	void (*datapath)(const struct port *p, FILE *out);
	/** Whether hardware moves its frames, or is about to. */
	bool (*in_hardware)(const struct port *p);
	/** Going on in another process (handover.h). NULL: it cannot. */
	const struct port_handover_ops *handover;
	/** A publication has been made: settings, other ports and modes may differ. */
	void (*published)(struct port *p);
};

/* Whether multicast routers are behind a port; see snoop.h. */
enum snoop_router { SNOOP_ROUTER_AUTO, SNOOP_ROUTER_ALWAYS, SNOOP_ROUTER_NEVER };

/** A port where multicast is snooped. [ctl] */
struct port_snoop {
	enum snoop_router router; /* as set, */
	uint32_t limit;           /* likewise: groups it may join, 0: SNOOP_PORT_GROUPS */
	uint32_t n;               /* that it has joined, with the FIDs it has routers in */
	uint64_t refused;         /* joins beyond the limit */
	uint32_t tick, asks;      /* queries for single groups, in that tick */
	bool asked;               /* for its groups, since it came */
	uint32_t next;            /* FID that is asked for next, see snoop_querier.c */
};

/** All that control has of a port lies in it, or is reached from it. [ctl] */
struct port {
	const struct port_ops *ops;
	struct sw *sw;
	uint16_t id;
	uint16_t domain;
	bool started;          /* "port stop" takes it out of the snapshot */
	bool leaves;           /* sw_port_leave(), */
	uint64_t leaves_since; /* when this was sw.generation */
	bool isolated;
	bool tunnel;        /* the end of one: frames never go from tunnel to tunnel */
	bool no_learning;   /* sw_set_learning() */
	bool not_sampled;   /* sw_set_port_sampled() */
	uint16_t group_fwd; /* sw_set_group_fwd() */
	uint16_t mtu;
	char name[PORT_NAME_MAX];
	struct rte_ether_addr mac;
	struct rte_ether_addr eth_peer; /* destination that mode "mac" writes */
	struct dp_flows *flows;         /* made when the port has more than one tx queue */
	struct fwd_csum csum;           /* of mode csum */
	struct vlan_config vlan;        /* as set; port_set_vlan() */
	struct dp_vlan *vlans;          /* while it is on */
	struct limits limits;           /* as set; port_set_limits() */
	struct limits migrated;         /* its guest's; port_set_migrated_limits() */
	struct limiter *limiter;        /* of both, while there are any */
	struct limits egress_limits;    /* as set; port_set_egress_limits() */
	struct limiter *egress_limiter;
	struct guard_config guard_set; /* as set; port_set_guard() */
	bool lldp;                     /* lldp_set() */
	uint64_t lldp_sent;
	struct port_snoop snoop;
	struct guard *guard;                  /* the same at work, if there is any of it */
	struct acl *acl[ACL_DIRS];            /* while there are rules; port_set_acl() */
	struct ct *ct;                        /* while one of them tracks connections; ct.h */
	uint32_t ct_limit;                    /* as set, 0: CT_LIMIT_DEFAULT */
	struct watch_queues *bursts;          /* made when they are to be counted */
	struct inject_port *inject;           /* frames sent in its name; inject.h */
	struct port_cost *cost;               /* by worker: what it costs each; worker.h */
	const struct dp_intercept *intercept; /* of a tunnel's kind of port; NULL: none */
	/*
	 * hardware moves its frames past the workers, which reach it through this port: frames for
	 * it go there. Set by port_ops.queues; NULL: none
	 */
	const struct port *uplink;
	bool has_hardware; /* its frames may be given to some; by its kind when it is made */
	/* by join_update(): exchanges frames with its partner alone; NULL: with no port */
	bool joined, was_joined;
	const struct port *partner;
	struct capture_port *captured;       /* while the switch has a capture that it is part of */
	struct mirror_filter *mirror_filter; /* NULL: of all of them; sw_mirror_filter() */
	struct mirror_seen mirror_seen;      /* [atomic] */
	struct port *mirror;     /* gets copies of frames it sends and is sent; NULL: none */
	struct baseline cleared; /* "clear port stats" */
	struct app_port *app;    /* the program's, which makes and frees it (struct sw_listener) */
	/*
	 * by queue pair: the worker the operator wants for its rx queue (sw_set_rxq_worker()), the
	 * one that is to poll it, and the one that does; PORT_WORKER_NONE
	 */
	uint8_t wanted[DP_QUEUES_MAX];
	uint8_t placed[DP_QUEUES_MAX];
	uint8_t owner[DP_QUEUES_MAX];
};

/** Whether it is not to have a multicast router, by setting or because its guard refuses them. */
static inline bool
port_has_no_mcast_router(const struct port *p)
{
	return p->snoop.router == SNOOP_ROUTER_NEVER ||
	       (p->snoop.router == SNOOP_ROUTER_AUTO && (p->guard_set.checks & GUARD_RA) != 0);
}

/** The sums over all queues since they were cleared (baseline_take(&p->cleared)). */
void port_get_stats(const struct port *p, struct port_stats *out);

/**
 * The counters of one queue, running or not, since it was made: copied one by one, since its owner
 * may be counting. False: @p index is past the last queue. Control thread.
 */
bool port_queue_stats(const struct port *p, bool tx, uint16_t index, struct pktq_stats *out);

/** How many queues of that direction have counters. */
uint16_t port_queue_count(const struct port *p, bool tx);

/** For port_ops.stats: copy the counters of @p q, one by one. NULL: false, and zeroes. */
bool port_read_queue(const struct pktq *q, struct pktq_stats *out);

/** The sums over all queues since the port was made, whatever was cleared. */
void port_sum_stats(const struct port *p, struct port_stats *out);

/** Now. Out of memory for them, queues count from when they were made. */
void baseline_take(struct baseline *b, const struct port *p);

/** The same without the queues, which then count from when they were made. */
void baseline_take_sum(struct baseline *b, const struct port *p);

/** The counters since, of the port and of one of its queues. False: past the last queue. */
void baseline_stats(const struct baseline *b, const struct port *p, struct port_stats *out);
bool baseline_queue(const struct baseline *b, const struct port *p, bool tx, uint16_t index,
		    struct pktq_stats *out);

void baseline_free(struct baseline *b);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs on: control.
 *
 * Ports as control sees them, and the switch that holds them.
 *
 * A port kind (vhost, ethdev, ...) embeds struct port and implements port_ops.
 * sw_publish() asks every port for its running queues, spreads them over the
 * workers and publishes the result; a port calls it whenever the set of its
 * running queues changed. Control thread only.
 */
#ifndef SWITCH_PORT_H
#define SWITCH_PORT_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include <rte_ether.h>

#include "base/ev.h"
#include "switch/capture.h"
#include "switch/dataplane.h"
#include "switch/fdb.h"
#include "switch/limit.h"
#include "switch/vlan.h"

struct inject;
struct inject_port;
struct port;
struct port_defaults;
struct port_detail;
struct port_facts;
struct port_queue_info;
struct port_request;
struct port_state_ops;
struct sw;
struct rte_mbuf;
struct rte_mempool;
struct ev_loop;

#define PORT_NAME_MAX 64
#define PORT_WORKER_NONE 0xff

/** Sum over a port's queues, seen from the port as testpmd does: rx is what the peer sent to us. */
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
	/* Frames of tunnels can leave by it: its tx queues defer nothing (decide, flush). */
	bool carries_tunnels;
	/** List what runs now. */
	void (*queues)(struct port *p, struct port_queues *out);
	/**
	 * The counters of a queue since it was made, of all that were ever used, running or not.
	 * False, and @p out zeroed, past the last one. @p tx selects the direction.
	 */
	bool (*stats)(const struct port *p, bool tx, uint16_t index, struct pktq_stats *out);
	bool (*link_up)(const struct port *p);
	/**
	 * One sentence, static or in @p buf: what keeps the other end from exchanging frames with
	 * us. NULL: nothing does.
	 */
	const char *(*why)(const struct port *p, char *buf, size_t len);
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
	/** What was agreed with the peer, and what keeps traffic from flowing, if anything does. */
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
	/** Lines: who moves its frames, and why hardware it might have does not. With set_hw. */
	void (*datapath)(const struct port *p, FILE *out);
	/** Whether hardware moves its frames, or is about to. */
	bool (*in_hardware)(const struct port *p);
	/** A publication has been made: settings, other ports and modes may differ. */
	void (*published)(struct port *p);
};

/** Frames of control's own sent in the name of a port (inject.h). */
struct inject_port {
	struct pktq q;        /* [worker] accounts only: an rx queue that is never polled */
	uint32_t serial;      /* [fixed] no port before or after it has the same one */
	struct bucket bucket; /* [ctl] */
	uint64_t refused;     /* [ctl] frames no worker has seen: over the limit */
};

/** [ctl] */
struct port {
	const struct port_ops *ops;
	struct sw *sw;
	uint16_t id;
	uint16_t domain;
	bool started; /* "port stop" takes it out of the snapshot */
	bool isolated;
	bool tunnel;        /* the end of one: frames never go from tunnel to tunnel */
	bool no_learning;   /* sw_set_learning() */
	uint16_t group_fwd; /* sw_set_group_fwd() */
	uint16_t mtu;
	char name[PORT_NAME_MAX];
	struct rte_ether_addr mac;
	struct rte_ether_addr eth_peer;       /* destination that mode "mac" writes */
	struct dp_flows *flows;               /* made when the port has more than one tx queue */
	struct fwd_csum csum;                 /* of mode csum */
	struct vlan_config vlan;              /* as set; port_set_vlan() */
	struct dp_vlan *vlans;                /* while it is on */
	struct limits limits;                 /* as set; port_set_limits() */
	struct limits migrated;               /* its guest's; port_set_migrated_limits() */
	struct limiter *limiter;              /* of both, while there are any */
	struct watch_queues *bursts;          /* made when they are to be counted */
	struct inject_port *inject;           /* frames sent in its name; inject.h */
	const struct dp_intercept *intercept; /* of a tunnel's kind of port; NULL: none */
	/*
	 * hardware moves its frames past the workers, who reach it through this port: what is for
	 * it goes there. Said by port_ops.queues; NULL: none
	 */
	const struct port *uplink;
	struct port *mirror;     /* gets copies of what it sends and is sent; NULL: none */
	struct baseline cleared; /* "clear port stats" */
	/*
	 * by queue pair: the worker that is to poll its rx queue, and the one that does;
	 * PORT_WORKER_NONE
	 */
	uint8_t placed[DP_QUEUES_MAX];
	uint8_t owner[DP_QUEUES_MAX];
};

/**
 * Who is the other end of a port in the wire modes (io, mac, ...): neighbours by twos, the next
 * one, itself.
 */
enum sw_topology { SW_PAIRED, SW_CHAINED, SW_LOOP };

/** A capture: what is or was last captured. [ctl] */
struct sw_capture {
	uint16_t port; /* SW_CAPTURE_ALL: every port, later ones too */
	char path[PATH_MAX];
	uint32_t snaplen;
	uint64_t count;            /* frames after which it ends, 0: none */
	struct capture_stats last; /* when it ended */
	uint32_t serial;           /* which one it is: the first is 1 */
};

#define SW_CAPTURE_ALL UINT16_MAX

/** [ctl] */
struct sw {
	struct dp_ctl dp;
	struct fdb *fdb;
	struct rte_mempool *mp;
	struct ev_loop *loop;
	const struct fwd_mode *mode; /* selected */
	bool forwarding;             /* started */
	enum sw_topology topology;
	struct fwd_gen gen; /* for modes that make frames */
	struct watch watch; /* the log, if there is one, is freed by sw_fini() */
	uint32_t nactive;   /* workers that get queues, 0: all */
	uint8_t active[DP_WORKERS_MAX];
	uint16_t group_fwd; /* for all ports; sw_set_group_fwd() */
	uint16_t nports;    /* highest id in use, plus one */
	struct port *port[DP_PORTS_MAX];
	/* ports that forward, in this order, if there is a list ("set portlist"); else all */
	bool listed;
	uint16_t nlist;
	uint16_t list[DP_PORTS_MAX];
	uint64_t generation;
	struct capture *capture; /* NULL: none is running */
	struct sw_capture captured;
	struct inject *inject;
	uint8_t inject_owner;     /* the worker that polls it, PORT_WORKER_NONE */
	struct vlan_table *vlans; /* made when first needed */
	struct dataplane *spare;  /* an empty snapshot, should memory run out */
	struct ev_timer soon;     /* armed: sw_publish() is due, see sw_publish_soon() */
};

/** 0 or -errno. @p fdb_cfg->qsbr and workers are filled in. */
int sw_init(struct sw *s, uint32_t nworkers, const struct fdb_config *fdb_cfg,
	    struct rte_mempool *mp, struct ev_loop *loop);
void sw_fini(struct sw *s); /* closes all ports; workers are offline */

/** Give @p p the lowest free id from p->id on, start and add it. 0, -EEXIST, -ENOSPC, -ENOMEM. */
int sw_port_add(struct sw *s, struct port *p);
/** Take @p p out of the snapshot, flush its addresses, close and free it. */
void sw_port_remove(struct sw *s, struct port *p);
struct port *sw_port_by_name(const struct sw *s, const char *name);

/** Whether @p p is among those that forward: sw_list_ports(). */
bool sw_port_listed(const struct port *p);

/** Let these forward, from the next sw_publish() on. @p list: ids of ports, each once. */
void sw_list_ports(struct sw *s, const uint16_t *list, uint16_t n);

/**
 * Rebuild the snapshot from the ports and publish it. On return no worker uses
 * a queue that is not running any more.
 */
void sw_publish(struct sw *s);

/**
 * sw_publish() before the control loop waits again, once however often it is asked for; at once
 * without a loop. For changes nobody waits for: what starts, what is enabled or disabled.
 */
void sw_publish_soon(struct sw *s);

/** Count bursts from 0 again (WATCH_BURSTS). Publishes. */
void sw_clear_bursts(struct sw *s);

/* MAC control frames (PAUSE) are never relayed: they speak to one end of a link. */
#define SW_GROUP_FWD_MAX 0xfffdu

/**
 * Let the learning switch relay frames to reserved groups 01:80:c2:00:00:0X (802.1Q 8.6.3) that
 * come in at @p p (NULL: at any port), by bit X of @p mask. -EINVAL: not within SW_GROUP_FWD_MAX.
 */
int sw_set_group_fwd(struct sw *s, struct port *p, uint64_t mask);

/**
 * Whether addresses are learned from frames that come in at @p p, as they are at first. Switched
 * off, those it has are forgotten.
 */
void sw_set_learning(struct port *p, bool on);

/** Start or stop forwarding. Stopped, queues stay published but no worker touches one. */
void sw_start(struct sw *s, bool on);

/**
 * Have a frame forwarded, soon, as if it had come in at @p from. Takes @p m, one segment without
 * offloads. False: not forwarding, @p from has no running queue, or (counted as DROP_RX_INJECT) too
 * many frames are sent in its name; see inject.h.
 */
bool sw_inject(struct sw *s, struct port *from, struct rte_mbuf *m);

/**
 * Have @p to (NULL: nobody) get copies of all frames @p p sends and is sent, whatever domain and
 * VLANs it is in itself. -EINVAL: the same port.
 */
int sw_mirror(struct port *p, struct port *to);

/**
 * Write what a port, or all, send and are sent to a file (of @p cfg, last and serial are not looked
 * at). 0, -EBUSY (there is a capture), or what capture_start() says.
 */
int sw_capture_start(struct sw *s, const struct sw_capture *cfg);
void sw_capture_stop(struct sw *s); /* nothing when there is none; numbers in s->captured.last */
void sw_capture_stats(const struct sw *s, struct capture_stats *out); /* running, or the last */

/**
 * The snapshot for the ports' state now (snapshot.c). @p *again: a queue changes workers; publish
 * and build once more.
 */
struct dataplane *snapshot_build(struct sw *s, bool *again);

/**
 * One sentence, static or in @p buf: what keeps @p p from passing traffic, the reason nearest to
 * the cause (why.c). NULL: nothing does.
 */
const char *sw_why(struct sw *s, const struct port *p, char *buf, size_t len);

/**
 * Replace the limits of what @p p sends. 0, -ERANGE (over LIMIT_RATE_MAX), -EINVAL (not a unicast
 * address), -ENOMEM.
 */
int port_set_limits(struct port *p, const struct limits *l);

/**
 * Replace the limits that migrated with the guest behind @p p from its former port (NULL: none, it
 * is gone). Of two rates the lower one holds; a lock that is set is the one that holds. Same
 * errors.
 */
int port_set_migrated_limits(struct port *p, const struct limits *l);

/** The limits as set, with the address the port was locked to by sending first. */
void port_get_limits(const struct port *p, struct limits *out);

/** What holds: those and the guest's. */
void port_limits_in_force(const struct port *p, struct limits *out);

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

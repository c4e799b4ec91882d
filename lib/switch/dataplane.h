/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs on: control and workers.
 *
 * The dataplane snapshot: everything a worker needs to know, immutable after
 * publication, replaced as a whole.
 *
 * dp_publish() is the only way anything reaches a worker: it stores the new
 * snapshot, wakes sleeping workers, waits until every worker has passed a
 * quiescent state (rte_rcu_qsbr; sleepers are offline) and frees the old one.
 * When it returns, a queue that is not in the new snapshot belongs to control.
 *
 * A queue must not go from one worker to another in one publication: for the
 * length of a grace period both would own it. sw_publish() does it in two.
 */
#ifndef SWITCH_DATAPLANE_H
#define SWITCH_DATAPLANE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <rte_ether.h>
#include <rte_rcu_qsbr.h>

#include "pkt/pktq.h"
#include "switch/fdb.h"
#include "switch/mode.h"
#include "switch/watch.h"

#define DP_QUEUES_MAX 128 /* of a port, per direction */
#define DP_WORKERS_MAX 128
#define DP_NAP_MS 1          /* how long an idle worker leaves queues alone that cannot wake it */
#define DP_FLOWS 1024        /* buckets of a port's flow -> queue table, a power of two */
#define DP_FLOW_UNKNOWN 0xff /* nothing was sent on this flow yet */

struct acl;
struct capture_port;
struct ct;
struct dataplane;
struct dp_fids;
struct dp_intercept;
struct dp_mcast;
struct dp_vlan;
struct guard;
struct inject_port;
struct limiter;
struct mirror_filter;
struct mirror_seen;
struct rte_ring;
struct sampling;
struct worker;

/**
 * A flow's egress queue on a multiqueue port: the one the guest last sent the reverse flow on (spec
 * 5.1.6.5.6.1).
 */
struct dp_flows {
	atomic_uchar
		queue[DP_FLOWS]; /* [atomic] queue pair, written by workers only when it changes */
	atomic_uint_fast64_t busy; /* [atomic] queues the port sends from: send.c */
};

/* Kinds of isolation. A frame from a tunnel never goes into another one: split horizon. */
#define DP_ISOLATED_SET 0x1u    /* by the operator */
#define DP_ISOLATED_TUNNEL 0x2u /* the port is the end of a tunnel */
#define DP_ISOLATIONS 4         /* values of both together */

/** A port as workers see it. [fixed] */
struct dp_port {
	uint16_t id;
	uint16_t domain;    /* bridge: frames stay within equal domains */
	uint16_t nrx, ntx;  /* running queues */
	uint16_t group_fwd; /* reserved groups 01:80:c2:00:00:0X it may send to, by bit X */
	bool learns;        /* addresses its frames come from */
	uint8_t isolated;   /* DP_ISOLATED_*: exchanges nothing with ports that have one of them */
	struct fwd_csum csum;
	struct rte_ether_addr mac;
	struct rte_ether_addr eth_peer; /* where mode "mac" sends frames that leave here */
	const struct dp_port
		*peer;             /* where the wire modes send what comes in here; may be itself */
	struct pktq **rx;          /* nrx */
	struct pktq **tx;          /* ntx, enabled ones only, ascending by queue pair */
	struct dp_flows *flows;    /* ntx > 1; owned by the port, outlives snapshots */
	struct dp_vlan *vlan;      /* NULL: in no VLAN; of one or more ports, outlives snapshots */
	struct limiter *limiter;   /* of what comes in, NULL: none; owned by the port, too */
	const struct guard *guard; /* likewise */
	struct limiter *egress_limiter; /* of what goes out, likewise */
	struct acl *acl_in, *acl_out;   /* of what comes in and goes out, likewise */
	struct ct *ct;                  /* connections, NULL: not tracked; there with both lists */
	/* takes incoming frames before the mode does; NULL: none */
	const struct dp_intercept *intercept;
	struct watch_queues *bursts;               /* NULL: not counted; owned by the port, too */
	struct sampling *sampling;                 /* of what comes in, NULL: none; the switch's */
	struct capture_port *capture;              /* gets copies of all frames; NULL: none */
	const struct mirror_filter *mirror_filter; /* NULL: of all; owned by the port */
	struct mirror_seen *mirror_seen;           /* by that filter; the port's */
	const struct dp_port *mirror;              /* gets copies, too; NULL: none */
	bool no_mcast_router;                      /* is not to have a multicast router */
	bool joined;  /* to its peer alone (NULL: none), in every mode */
	bool copied;  /* to one of them */
	bool checked; /* frames it is sent are: forward_check() */
	bool plain;   /* they are not, and it has one tx queue */
};

/**
 * Takes frames out of those that come in at a port, such as frames of tunnels over it, for ports
 * that are not polled: they are handed on with ingress_receive(), the rest with ingress_rest().
 * Embedded in a struct of its maker's; the learning switch only.
 */
struct dp_intercept {
	dp_forward_fn fn;
};

/** One entry of a worker's poll list. */
struct dp_poll {
	struct pktq *q;
	const struct dp_port *port;
	dp_forward_fn forward; /* the mode's, or one that checks frames before (ingress.h) */
	bool discard;          /* started but disabled: drop what it sends (DROP_RX_DISABLED) */
	bool several;          /* the worker polls other queues of its port, too */
	bool joined;           /* its port is: what polls of it take is counted */
	bool accounted;        /* either of them */
};

struct dp_worker {
	uint32_t n;
	bool must_poll; /* a queue that cannot wake the worker: it only naps (DP_NAP_MS) */
	struct dp_poll *poll;
	struct dp_poll *list;  /* [worker] room for its copy of poll, in an order of its own */
	struct dp_poll inject; /* q NULL: another worker's; see inject.h */
	const struct rte_ring *injected; /* frames that wait there */
	/* egress queues this worker flushes while they have a backlog (pktq.backlog) */
	uint32_t nflush;
	struct pktq **flush;
};

struct dataplane {
	uint64_t generation;
	const struct fwd_mode *mode; /* NULL: stopped, workers touch no queue */
	struct fwd_gen gen;
	struct watch watch;
	struct fdb *fdb;
	uint16_t nports;
	const struct dp_port **by_id; /* DP_PORTS_MAX, NULL: no such port */
	const struct dp_port **ports; /* nports, dense: those that can be sent to */
	struct dp_fids *fids;         /* members of each FID (members.h); freed with the snapshot */
	struct dp_mcast *mcast;       /* NULL: nothing is snooped (mcast.h); freed with it, too */
	uint16_t ninject;
	struct inject_port **inject; /* ninject, by port id, NULL: no such port */
	uint32_t nworkers;
	struct dp_worker worker[DP_WORKERS_MAX];
	void *arena; /* everything above that is not inline lives here; freed with the snapshot */
};

/** How control reaches one worker. */
struct dp_wait {
	int epfd;      /* [ctl] a sleeping worker waits here; control keeps its interest list */
	int wake_fd;   /* [ctl] eventfd in that list: wakes the worker */
	int *fds;      /* [ctl] event fds in that list, ascending */
	uint32_t nfds; /* [ctl] */
	atomic_bool asleep; /* [atomic] set by the worker */
};

/** Publication state, one per program. */
struct dp_ctl {
	_Atomic(struct dataplane *) live; /* [atomic] never NULL */
	atomic_bool waiting; /* [atomic] control waits for a grace period: let it have the CPU */
	struct rte_rcu_qsbr *qsbr;
	uint32_t nworkers;
	struct dp_wait worker[DP_WORKERS_MAX] __rte_cache_aligned;
};

/** 0 or -errno. Publishes an empty, stopped snapshot; no worker is online yet. */
int dp_ctl_init(struct dp_ctl *c, uint32_t nworkers);

/** After the last worker has gone offline. */
void dp_ctl_fini(struct dp_ctl *c);

/** Publish @p dp (taken) and return after the grace period with the old snapshot freed. Control. */
void dp_publish(struct dp_ctl *c, struct dataplane *dp);

/**
 * Wait until every worker has passed a quiescent state. Control; about a microsecond while workers
 * poll.
 */
void dp_grace(struct dp_ctl *c);

/** Make every worker that sleeps, or is about to, return from dp_sleep(). Any thread. */
void dp_wake(struct dp_ctl *c);

void dp_free(struct dataplane *dp);

/** The live snapshot: a worker's until its next dp_quiescent() or dp_sleep(). */
static inline const struct dataplane *
dp_live(struct dp_ctl *c)
{
	return atomic_load_explicit(&c->live, memory_order_acquire);
}

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The dataplane snapshot: everything a worker needs to know, immutable after
 * publication, replaced as a whole.
 *
 * dp_publish() is the only way anything reaches a worker: it stores the new
 * snapshot, wakes sleeping workers, waits until every worker has passed a
 * quiescent state (rte_rcu_qsbr; sleepers are offline) and frees the old one.
 * When it returns, a queue that is not in the new snapshot belongs to control.
 */
#ifndef SWITCH_DATAPLANE_H
#define SWITCH_DATAPLANE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <rte_ether.h>
#include <rte_rcu_qsbr.h>

#include "pkt/pktq.h"

#define DP_PORTS_MAX 2048
#define DP_WORKERS_MAX 128
#define DP_FLOWS 1024 /* buckets of a port's flow -> queue table */

struct dataplane;
struct fdb;
struct worker;

/** A flow's egress queue on a multiqueue port: the one the guest last sent the reverse flow on (spec 5.1.6.5.6.1). */
struct dp_flows {
	atomic_uchar queue[DP_FLOWS]; /* [atomic], written by workers only when it changes */
};

/** A port as workers see it. [fixed] */
struct dp_port {
	uint16_t id;
	uint16_t domain;    /* bridge: frames stay within equal domains */
	uint16_t nrx, ntx;  /* running queues */
	bool isolated;      /* not flooded to from other isolated ports */
	struct rte_ether_addr mac;
	struct pktq **rx;   /* nrx */
	struct pktq **tx;   /* ntx, enabled ones only */
	bool *discard;      /* nrx: started but disabled, drop what it sends (DROP_RX_DISABLED) */
	struct dp_flows *flows; /* ntx > 1; owned by the port, outlives snapshots */
};

/** One entry of a worker's poll list. */
struct dp_poll {
	struct pktq *q;
	const struct dp_port *port;
	bool discard;
};

struct dp_worker {
	uint32_t n;
	bool must_poll; /* a queue without event fd: the worker cannot sleep */
	struct dp_poll *poll;
	/* egress queues this worker flushes while they hold frames (pktq.held) */
	uint32_t nflush;
	struct pktq **flush;
};

/** What a forwarding mode does with a batch: every frame is handed to a tx() or dropped, in rx order per egress. Worker. */
typedef void (*dp_forward_fn)(struct worker *w, const struct dataplane *dp,
			      const struct dp_port *in, struct pktq *rxq, struct pkt_batch *batch);

struct dataplane {
	uint64_t generation;
	dp_forward_fn forward; /* NULL: stopped, rings are not polled */
	struct fdb *fdb;
	uint16_t nports;
	const struct dp_port **by_id;  /* DP_PORTS_MAX, NULL: no such port */
	const struct dp_port **ports;  /* nports, dense: the flood list */
	uint32_t nworkers;
	struct dp_worker worker[DP_WORKERS_MAX];
	void *arena; /* everything above that is not inline lives here */
};

/** Publication state, one per program. [ctl] except as marked. */
struct dp_ctl {
	_Atomic(struct dataplane *) live; /* [atomic] */
	struct rte_rcu_qsbr *qsbr;
	uint32_t nworkers;
	struct {
		int epfd;    /* a sleeping worker waits here; control keeps its interest list */
		int wake_fd; /* eventfd in that list: wakes the worker for a new snapshot */
		atomic_bool asleep; /* [atomic] set by the worker */
	} worker[DP_WORKERS_MAX];
};

int dp_ctl_init(struct dp_ctl *c, uint32_t nworkers);
void dp_ctl_fini(struct dp_ctl *c);

/** Publish @p dp (taken) and return after the grace period with the old snapshot freed. Control. */
void dp_publish(struct dp_ctl *c, struct dataplane *dp);

/** Wait until every worker has passed a quiescent state. Control; about a microsecond while workers poll. */
void dp_grace(struct dp_ctl *c);

void dp_free(struct dataplane *dp);

/* --- workers --- */
static inline const struct dataplane *
dp_live(struct dp_ctl *c)
{
	return atomic_load_explicit(&c->live, memory_order_acquire);
}

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs on: control and one worker, by the fields.
 *
 * The queue of injected frames. Internal to lib/switch.
 */
#ifndef SWITCH_INJECT_QUEUE_H
#define SWITCH_INJECT_QUEUE_H

#include "switch/dataplane.h"

struct rte_mbuf;
struct rte_ring;

struct inject {
	struct pktq q;         /* its counters are of frames whose port is gone */
	struct rte_ring *ring; /* SP: control, SC: a worker, or control while none polls it */
	struct rte_mbuf *m;    /* [worker] the frame at hand; after rx_done(): it was left */
	uint64_t generation;   /* [worker] of the snapshot it was handed on in */
	uint32_t serial;       /* [ctl] of the newest port */
};

/* mbuf.hash.fdir.hi: whether the frame comes in at its port or goes out there */
enum inject_way { INJECT_IN, INJECT_OUT };

/** [worker] The operations of the queue, and dp_poll.forward for it. */
extern const struct pktq_ops inject_ops;
void inject_forward(struct worker *w, const struct dataplane *dp, const struct dp_port *none,
		    struct pktq *rxq, struct pkt_batch *batch);

#endif

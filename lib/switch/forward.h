/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A worker and what it does with a batch of frames.
 */
#ifndef SWITCH_FORWARD_H
#define SWITCH_FORWARD_H

#include "dataplane.h"

struct rte_mempool;

/** One poll-mode worker's private state. Made by control, then touched by its worker only. */
struct worker {
	uint32_t id;       /* index into dataplane.worker and learn rings */
	unsigned int lcore;
	struct dp_ctl *ctl;
	struct rte_mempool *mp; /* software offload, held frames */
	/* the last source and destination that were resolved: skips the table for a repeated pair */
	uint64_t last_src, last_dst;
	uint16_t last_src_port, last_dst_port;
	uint64_t last_generation;
	uint32_t last_seen_s;
	/* scratch */
	struct pkt_batch batch;
	struct pkt *list[PKT_BATCH_MAX];
	uint16_t egress[PKT_BATCH_MAX];
	/* counters for "show worker", relaxed readers */
	uint64_t turns, busy_turns, frames, sleeps;
} __rte_cache_aligned;

/** Learning L2 switch (the default mode). See dp_forward_fn. */
void forward_switch(struct worker *w, const struct dataplane *dp, const struct dp_port *in,
		    struct pktq *rxq, struct pkt_batch *batch);

/**
 * Send @p n frames of one batch to @p out in order: picks the queue (flow-sticky
 * when there are several), finishes offloads in software when the receiver did
 * not accept them, takes the lock of a shared queue, and keeps the accounts of
 * @p rxq (offered, replicated, drops). Forwarding modes send only through this.
 */
void forward_send(struct worker *w, const struct dp_port *out, struct pktq *rxq,
		  struct pkt *const *pkts, uint16_t n);

/** One turn: poll every queue of the worker once. Returns the number of chains handled. */
uint32_t worker_turn(struct worker *w, const struct dataplane *dp);

/** Before sleeping: arm every queue; true when frames arrived and the worker must not sleep (all disarmed again). */
bool worker_arm(struct worker *w, const struct dataplane *dp);
void worker_disarm(struct worker *w, const struct dataplane *dp);

#endif

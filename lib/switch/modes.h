/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs on: workers.
 *
 * The forwarding modes beside the switch: dpdk-testpmd's. All but icmpecho are
 * wires: what comes in at a port leaves at its peer, on the queue of the same
 * number. The learning switch has its flooding here. Internal to lib/switch.
 *
 * A frame in guest memory is not written to. A mode that changes more than the
 * Ethernet header works on a copy of the headers and lets the view begin there.
 */
#ifndef SWITCH_MODES_H
#define SWITCH_MODES_H

#include "switch/fdb.h"
#include "switch/forward.h"

/* Verdicts of forward_decide() beside port ids. */
#define EGRESS_FLOOD FDB_PORT_NONE
#define EGRESS_BAD_SOURCE DP_PORTS_MAX
#define EGRESS_RESERVED (DP_PORTS_MAX + 1)

/** Why a frame that came in at @p in with verdict @p egress, no other port's id, is dropped. */
static inline enum drop_reason
egress_drop(const struct dp_port *in, uint16_t egress)
{
	if (egress == EGRESS_BAD_SOURCE)
		return DROP_RX_BAD_SOURCE;
	if (egress == EGRESS_RESERVED)
		return DROP_RX_RESERVED;
	return egress == in->id ? DROP_RX_SAME_PORT : DROP_RX_NO_EGRESS;
}

/* forward.c: where each frame goes, to w->egress; @p domain: of each, instead of the port's */
void forward_decide(struct worker *w, const struct dataplane *dp, const struct dp_port *in,
		    const struct pkt_batch *batch, const uint16_t *domain);

/* vlan.c */
void forward_vlan(struct worker *w, const struct dataplane *dp, const struct dp_port *in,
		  struct pktq *rxq, struct pkt_batch *batch);

/* wire.c */
void forward_io(struct worker *w, const struct dataplane *dp, const struct dp_port *in,
		struct pktq *rxq, struct pkt_batch *batch);
void forward_mac(struct worker *w, const struct dataplane *dp, const struct dp_port *in,
		 struct pktq *rxq, struct pkt_batch *batch);
void forward_macswap(struct worker *w, const struct dataplane *dp, const struct dp_port *in,
		     struct pktq *rxq, struct pkt_batch *batch);
void forward_rxonly(struct worker *w, const struct dataplane *dp, const struct dp_port *in,
		    struct pktq *rxq, struct pkt_batch *batch);

/* swap.c, csum.c, icmpecho.c */
void forward_5tswap(struct worker *w, const struct dataplane *dp, const struct dp_port *in,
		    struct pktq *rxq, struct pkt_batch *batch);
void forward_csum(struct worker *w, const struct dataplane *dp, const struct dp_port *in,
		  struct pktq *rxq, struct pkt_batch *batch);
void forward_icmpecho(struct worker *w, const struct dataplane *dp, const struct dp_port *in,
		      struct pktq *rxq, struct pkt_batch *batch);

/* generate.c */
void generate_txonly(struct worker *w, const struct dataplane *dp, const struct dp_port *port,
		     struct pktq *rxq);
void generate_flows(struct worker *w, const struct dataplane *dp, const struct dp_port *port,
		    struct pktq *rxq);

/** The queue of @p out that has the number of @p rxq; there is one. */
static inline struct pktq *
wire_queue(const struct dp_port *out, const struct pktq *rxq)
{
	return out->tx[rxq->index % out->ntx];
}

/** Send to that queue. */
static inline void
wire_send(struct worker *w, const struct dp_port *out, struct pktq *rxq, struct pkt *const *pkts,
	  uint16_t n)
{
	if (unlikely(out->copied))
		forward_copy(w, out, true, rxq, pkts, n);
	if (unlikely(out->ntx == 0))
		pktq_drop(rxq, DROP_RX_NO_EGRESS, n);
	else
		forward_send_queue(w, wire_queue(out, rxq), rxq, pkts, n);
}

/** All frames of the batch, in w->list. */
static inline struct pkt *const *
wire_list(struct worker *w, struct pkt_batch *batch)
{
	for (uint16_t i = 0; i < batch->n; i++)
		w->list[i] = &batch->pkt[i];
	return w->list;
}

/** The addresses a frame has when a router sends it on through @p out. */
static inline void
wire_set_macs(struct rte_ether_hdr *eth, const struct dp_port *out)
{
	eth->src_addr = out->mac;
	eth->dst_addr = out->eth_peer;
}

static inline void
wire_swap_macs(struct rte_ether_hdr *eth)
{
	struct rte_ether_addr src = eth->src_addr;

	eth->src_addr = eth->dst_addr;
	eth->dst_addr = src;
}

/* --- flooding ---
 *
 * One frame may become two thousand copies of 64 KiB. So copies are what counts
 * against an iteration's budget (worker.flood_left), frames that do not fit stay in
 * their ring, and one that is too dear by itself is copied to some receivers in
 * each iteration.
 */

#define FLOOD_COPY 512u /* a copy costs as much as so many bytes more */
#define FLOOD_CUT 8u    /* and so many times as much when it is cut in software */

/** Frames of a batch with the same source queue that all flood. */
struct flood {
	const struct dp_port *in;
	struct pktq *rxq;
	struct pkt *const *pkts;
	uint16_t n;
	bool may_leave; /* what does not fit stays in the ring; else it is dropped */
};

/** The bytes @p p stands for when it is sent to a receiver that takes PKT_NEED_* @p offloads. */
static inline uint32_t
flood_cost(const struct pkt *p, uint32_t offloads)
{
	uint32_t cost = p->len + FLOOD_COPY;

	return (p->need & ~offloads) == 0 ? cost : cost * FLOOD_CUT;
}

/** What a queue may use now. */
static inline uint32_t
flood_budget(const struct worker *w)
{
	return RTE_MAX(w->flood_left, w->flood_least);
}

static inline void
flood_spend(struct worker *w, uint64_t cost)
{
	w->flood_left -= (uint32_t)RTE_MIN(cost, w->flood_left);
}

/** How many of the frames, one at least, may be copied to @p receivers ports each. */
static inline uint16_t
flood_portion(const struct worker *w, const struct flood *f, uint32_t receivers)
{
	uint64_t cost = 0, budget = flood_budget(w);
	uint16_t i;

	for (i = 0; i < f->n; i++) {
		cost += (uint64_t)receivers * flood_cost(f->pkts[i], 0);
		if (cost > budget)
			break;
	}
	return f->rxq->flood_next != 0 ? 1 : RTE_MAX(i, (uint16_t)1);
}

/** What copies of all of them to @p out stand for. */
static inline uint64_t
flood_costs(const struct flood *f, const struct dp_port *out)
{
	uint64_t cost = 0;

	for (uint16_t i = 0; i < f->n; i++)
		cost += flood_cost(f->pkts[i], out->tx[0]->offloads);
	return cost;
}

/** For how much they may be copied now. */
static inline uint64_t
flood_limit(const struct worker *w, const struct flood *f)
{
	return f->n == 1 && f->may_leave ? flood_budget(w) : UINT64_MAX;
}

/**
 * @p copies were made for @p cost, and receivers from number @p next on, 0: none, are left. False:
 * there are such.
 */
static inline bool
flood_account(struct worker *w, const struct flood *f, uint32_t copies, uint64_t cost,
	      uint16_t next)
{
	bool begun = f->rxq->flood_next != 0;

	flood_spend(w, cost);
	f->rxq->stats.replicated += (uint64_t)copies * f->n;
	f->rxq->flood_next = next;
	if (next != 0)
		return false;
	/* one copy is the frame itself */
	if (copies == 0 && !begun)
		pktq_drop(f->rxq, DROP_RX_NO_EGRESS, f->n);
	else
		f->rxq->stats.replicated -= f->n;
	return true;
}

/**
 * Whether frames of the batch can stay in their ring, to be seen once more: nothing was done with
 * them so far, all of its chains are frames, and the ring is that of the port they come from.
 */
static inline bool
flood_may_leave(const struct worker *w, const struct dp_port *in, const struct pkt_batch *b)
{
	return b->n == b->ndone && in->limiter == NULL && !in->copied && w->watch == NULL &&
	       (in->isolated & DP_ISOLATED_TUNNEL) == 0;
}

/** Leave all frames from number @p from on. */
static inline void
flood_leave(struct pktq *rxq, struct pkt_batch *b, uint16_t from)
{
	for (uint16_t i = from; i < b->n; i++)
		pktq_uncount(&rxq->stats, &b->pkt[i]);
	b->left = b->n - from;
	b->n = b->ndone = from;
}

#endif

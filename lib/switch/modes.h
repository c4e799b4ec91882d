/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The forwarding modes beside the switch: dpdk-testpmd's. All but icmpecho are
 * wires: what comes in at a port leaves at its peer, on the queue of the same
 * number. Internal to lib/switch.
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

#endif

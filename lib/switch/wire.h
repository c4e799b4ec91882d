/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs on: workers.
 *
 * Steps of the modes that are wires: frames that come in at a port leave at its peer, on the queue
 * of the same number. Internal to lib/switch.
 *
 * A frame in guest memory is not written to. A mode that changes more than the Ethernet header
 * works on a copy of the headers, with which the view then begins.
 */
#ifndef SWITCH_WIRE_H
#define SWITCH_WIRE_H

#include "switch/send.h"

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
	if (unlikely(out->checked))
		n = forward_check(w, out, rxq, &pkts, n);
	if (unlikely(out->ntx == 0))
		pktq_drop(rxq, DROP_RX_NO_EGRESS, n);
	else if (likely(n > 0))
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

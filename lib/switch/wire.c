/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs on: workers.
 *
 * Modes that send every frame on to the port's peer and touch the Ethernet
 * header at most; and the one that sends nothing.
 */
#include "switch/wire.h"

#include "switch/modes.h"

void
forward_io(struct worker *w, const struct dataplane *dp, const struct dp_port *in, struct pktq *rxq,
	   struct pkt_batch *batch)
{
	wire_send(w, in->peer, rxq, wire_list(w, batch), batch->n);
}

/* To the partner, in every mode. */
void
forward_joined(struct worker *w, const struct dataplane *dp, const struct dp_port *in,
	       struct pktq *rxq, struct pkt_batch *batch)
{
	w->fid = (struct dp_fid){.fid = VLAN_FID_NONE};
	if (likely(in->peer != NULL))
		wire_send(w, in->peer, rxq, wire_list(w, batch), batch->n);
	else
		pktq_drop(rxq, DROP_RX_NO_EGRESS, batch->n);
}

void
forward_mac(struct worker *w, const struct dataplane *dp, const struct dp_port *in,
	    struct pktq *rxq, struct pkt_batch *batch)
{
	for (uint16_t i = 0; i < batch->n; i++)
		wire_set_macs(&batch->pkt[i].eth, in->peer);
	wire_send(w, in->peer, rxq, wire_list(w, batch), batch->n);
}

void
forward_macswap(struct worker *w, const struct dataplane *dp, const struct dp_port *in,
		struct pktq *rxq, struct pkt_batch *batch)
{
	for (uint16_t i = 0; i < batch->n; i++)
		wire_swap_macs(&batch->pkt[i].eth);
	wire_send(w, in->peer, rxq, wire_list(w, batch), batch->n);
}

void
forward_rxonly(struct worker *w, const struct dataplane *dp, const struct dp_port *in,
	       struct pktq *rxq, struct pkt_batch *batch)
{
	pktq_drop(rxq, DROP_RX_CONSUMED, batch->n);
}

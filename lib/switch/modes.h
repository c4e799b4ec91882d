/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs on: any thread the table, workers the rest.
 *
 * The forwarding modes, by the file each is in: the learning switch, and those
 * of dpdk-testpmd.
 */
#ifndef SWITCH_MODES_H
#define SWITCH_MODES_H

#include "pkt/hdrs.h"
#include "switch/mode.h"

/* --- modes.c --- */

/** Every forwarding mode, the default first; ends with a NULL name. Any thread. */
extern const struct fwd_mode fwd_modes[];
const struct fwd_mode *fwd_mode_by_name(const char *name);

/* --- dp_forward_fn and dp_generate_fn --- */

/* forward.c */
void forward_switch(struct worker *w, const struct dataplane *dp, const struct dp_port *in,
		    struct pktq *rxq, struct pkt_batch *batch);

/* vlan_forward.c */
void forward_vlan(struct worker *w, const struct dataplane *dp, const struct dp_port *in,
		  struct pktq *rxq, struct pkt_batch *batch);

/* wire.c */
void forward_io(struct worker *w, const struct dataplane *dp, const struct dp_port *in,
		struct pktq *rxq, struct pkt_batch *batch);
void forward_joined(struct worker *w, const struct dataplane *dp, const struct dp_port *in,
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

/**
 * A frame as mode txonly makes it for @p out (its mac and eth_peer): a view on @p h
 * and, when it is long, on zeros described by @p payload. Any thread.
 */
void forward_make_frame(struct pkt *p, struct pkt_hdrs *h, struct pkt_seg *payload,
			const struct fwd_gen *gen, const struct dp_port *out);

#endif

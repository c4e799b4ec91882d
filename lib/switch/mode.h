/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs on: control and workers, types only.
 *
 * A forwarding mode and the settings of modes. They are part of a snapshot, of its ports or of the
 * switch.
 */
#ifndef SWITCH_MODE_H
#define SWITCH_MODE_H

#include <stdbool.h>
#include <stdint.h>

#include "pkt/pktq.h"

struct dataplane;
struct dp_port;
struct worker;

/**
 * Forward a batch: every frame is handed to a tx() or dropped, in rx order
 * per egress. Worker.
 */
typedef void (*dp_forward_fn)(struct worker *w, const struct dataplane *dp,
			      const struct dp_port *in, struct pktq *rxq, struct pkt_batch *batch);

/**
 * A source of frames: called once in a poll iteration for every rx queue, sends through
 * forward_send(). Worker.
 */
typedef void (*dp_generate_fn)(struct worker *w, const struct dataplane *dp,
			       const struct dp_port *port, struct pktq *rxq);

/** A forwarding mode ("set fwd NAME"). */
struct fwd_mode {
	const char *name;
	dp_forward_fn forward;   /* NULL: received frames stay in the rings */
	dp_generate_fn generate; /* NULL: makes no frames of its own */
	dp_forward_fn vlan;      /* forward for ports that have VLANs; NULL: as for all */
};

#define FWD_GEN_SEGS_MAX 8

/** The ends of a flow, in host order. */
struct fwd_gen_flow {
	uint32_t src, dst;
	uint16_t sport, dport;
};

/* testpmd's: the network for benchmarks and the discard port; and how many flows flowgen makes */
#define FWD_GEN_FLOW ((struct fwd_gen_flow){0xc6120001, 0xc6120002, 9, 9}) /* 198.18.0.1, .2 */
#define FWD_GEN_FLOWS 1024

/** Frames of generating modes: as long as the sum of these lengths ("set txpkts"). */
struct fwd_gen {
	struct fwd_gen_flow flow; /* of mode txonly */
	bool many;                /* ... whose source address is counted up in its third byte */
	uint32_t flows;           /* of mode flowgen, >= 1 */
	uint16_t nsegs;
	bool random; /* txonly: of the first few of these lengths ("set txsplit rand") */
	uint16_t len[FWD_GEN_SEGS_MAX];
};

/* The layers "csum set" knows. */
enum csum_layer {
	CSUM_IP,
	CSUM_UDP,
	CSUM_TCP,
	CSUM_SCTP,
	CSUM_OUTER_IP,
	CSUM_OUTER_UDP,
	CSUM_LAYERS
};

/** Settings of mode csum for frames that leave at a port, or come in there. */
struct fwd_csum {
	uint8_t hw;         /* bit by layer: its sum is left to a receiver that accepts that */
	bool tunnels;       /* out: sums of what is inside a tunnel are made right, too */
	bool keep_macs;     /* out: addresses are not rewritten */
	bool gro;           /* in: TCP segments are joined */
	uint16_t tso_segsz; /* out: payload of a TCP segment, 0: as its sender says */
	uint16_t gso_len;   /* out: longest frame, longer ones are cut here; 0: none is */
};

#endif

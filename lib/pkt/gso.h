/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Segmentation of one large frame: TCP and UDP_L4 (USO) over IPv4 and IPv6,
 * and UFO, which is IP fragmentation. Internal to lib/pkt.
 *
 * rte_gso is not used: 22.11 has neither IPv6 nor USO, leaves CWR set on every
 * segment, and wants the frame in mbufs that each segment then references
 * atomically. Since IPv6 needs a loop anyway, the same one serves IPv4 and
 * copies straight out of guest memory.
 */
#ifndef PKT_GSO_H
#define PKT_GSO_H

#include <stdbool.h>
#include <stdint.h>

#include "pkt/pkt.h"

struct rte_mbuf;
struct rte_mempool;

/** Where the segments go. */
struct gso_out {
	struct rte_mempool *mp;
	struct pkt *pkts;     /* room for max views */
	struct pkt_seg *segs; /* room for nsegs fragments */
	uint16_t n, max, nsegs;
	bool partial; /* the receiver takes partial checksums */
};

/**
 * Segment @p p as p->need and p->vnet.gso_size say. The frame's headers are
 * read and checked again: they may have changed since offload_check().
 * False: headers do not fit, too many segments, or out of mbufs; nothing is kept then.
 */
bool gso_segment(struct gso_out *o, const struct pkt *p);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Checksum and segmentation in software, for a receiver that did not accept
 * what the sender left undone. The slow path: frames are copied to mbufs.
 *
 * Workers only; the mempool is shared and multi-producer/consumer.
 */
#ifndef PKT_OFFLOAD_H
#define PKT_OFFLOAD_H

#include <stdbool.h>
#include <stdint.h>

#include "pkt/gso.h"
#include "pkt/pkt.h"

struct rte_mempool;

/**
 * Check a header a guest wrote against the frame it came with (security rule 10):
 * csum_start + csum_offset + 2 <= len, gso_size not 0, hdr_len <= len, gso type
 * known and consistent with the EtherType and the L4 protocol found in the frame.
 * Sets p->need, and hdr_len of a frame to be segmented to its headers' length. One whose payload
 * fits into a segment is not to be segmented: gso_type is NONE then.
 * False: the frame must be dropped as DROP_RX_BAD_OFFLOAD.
 * Call only when vnet.flags or vnet.gso_type is not 0; NEEDS_CSUM with no GSO
 * is the common case and cheap. Worker.
 *
 * A frame to be segmented without NEEDS_CSUM is against VIRTIO 5.1.6.2.1, but senders exist and
 * Linux accepts it. It is accepted, and always segmented here (PKT_NEED_SUM), because receivers
 * expect the pseudo header's sum in its checksum.
 */
bool offload_check(struct pkt *p);

/** A frame being turned into frames its receiver takes. */
struct offload_work {
	struct gso_job job;
	bool cut, done;
};

/**
 * Begin to turn a frame into mbuf-backed frames a receiver with @p accept can take: checksums are
 * finished, TSO4/6, UFO and USO segmented. @p mp has the mbufs, @p p stays in use. @p pos: where
 * an earlier work stopped (offload_pos()), or NULL. False: the frame cannot be handled. Worker.
 */
bool offload_begin(struct offload_work *o, struct rte_mempool *mp, const struct pkt *p,
		   uint32_t accept, const struct gso_pos *pos);

/**
 * Make the next frames, as many as there is room for.
 *
 * @param out   receives up to @p max views; each owns its mbuf (pkt->mbuf)
 * @param segs  scratch for fragments of the views, @p nsegs entries
 * @return      number of views; 0: nothing is left (o->done), or memory ran out
 *
 * Release with offload_free(). Worker.
 */
uint16_t offload_next(struct offload_work *o, struct pkt *out, uint16_t max, struct pkt_seg *segs,
		      uint16_t nsegs);
void offload_free(struct pkt *pkts, uint16_t n);

/** The position reached: a new work on the same frame, or on a copy of it, can begin there. */
static inline struct gso_pos
offload_pos(const struct offload_work *o)
{
	return o->job.pos;
}

/* A frame made costs about as much as copying and summing up this many bytes. */
#define OFFLOAD_COST_BYTES 256

/** Cost of making a frame of @p len bytes, in frames of the smallest size. */
static inline uint32_t
offload_frame_cost(uint32_t len)
{
	return 1 + len / OFFLOAD_COST_BYTES;
}

/** Cost of segmenting @p p, in the same; 0: it needs no segmentation. */
static inline uint32_t
offload_cost(const struct pkt *p)
{
	if ((p->need & PKT_NEED_GSO) == 0)
		return 0;
	return (p->len / p->vnet.gso_size + 1) *
	       offload_frame_cost((uint32_t)p->vnet.hdr_len + p->vnet.gso_size);
}

#endif

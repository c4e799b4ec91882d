/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Segmentation of one large frame: TCP and UDP_L4 (USO) over IPv4 and IPv6,
 * and UFO, which is IP fragmentation. Internal to lib/pkt.
 *
 * rte_gso is not used: 22.11 has neither IPv6 nor USO, leaves CWR set on every
 * segment, and wants the frame in mbufs that each segment then references
 * atomically. Since IPv6 needs a loop anyway, the same one serves IPv4 and
 * copies straight out of guest memory.
 *
 * A frame is segmented in portions, which may be far apart in time; struct gso_pos is the position
 * between them.
 */
#ifndef PKT_GSO_H
#define PKT_GSO_H

#include <stdbool.h>
#include <stdint.h>

#include "pkt/copy.h"
#include "pkt/hdrs.h"
#include "pkt/pkt.h"

struct rte_mempool;
struct gso_kind;

/** Position in the segmentation of a frame; all zero: its beginning. */
struct gso_pos {
	uint32_t off;   /* payload bytes before the next segment */
	uint32_t index; /* number of the next segment */
	uint32_t id;    /* of IPv6 fragments */
};

/** Segmentation of one frame. One worker's. */
struct gso_job {
	struct rte_mempool *mp;
	const struct pkt *p;
	const struct gso_kind *kind;
	struct pkt_cursor c; /* the next payload byte */
	struct gso_pos pos;
	uint32_t hdr_len; /* bytes of h.b in front of every segment */
	uint32_t size;    /* payload of all segments but the last */
	uint32_t payload; /* payload of the frame */
	uint32_t len;     /* payload of the current segment */
	uint16_t pseudo;  /* sum of the pseudo header without a length */
	uint16_t sum;     /* fragments: checksum of the datagram, if set_sum */
	bool partial;     /* the receiver takes partial checksums */
	bool no_sum;      /* UDP without a checksum */
	bool set_sum;
	struct pkt_hdrs h; /* the headers every segment starts from */
};

/** Room for segments. */
struct gso_out {
	struct pkt *pkts;     /* room for max views */
	struct pkt_seg *segs; /* room for nsegs fragments */
	uint16_t n, max, nsegs;
};

/**
 * Begin with the segmentation of @p p as p->need and p->vnet.gso_size say, or go on at @p pos. The
 * frame's headers are read and checked again: they may have changed since offload_check(). @p p
 * stays in use. False: the headers are not those of a frame that can be segmented.
 */
bool gso_begin(struct gso_job *j, const struct pkt *p, const struct gso_pos *pos);

/**
 * Make the next segments, as many as @p o takes; the caller sends and frees them and calls again.
 * Returns their number. 0: out of mbufs, or not even one fits @p o.
 */
uint16_t gso_next(struct gso_job *j, struct gso_out *o);

static inline bool
gso_is_done(const struct gso_job *j)
{
	return j->pos.index != 0 && j->pos.off >= j->payload;
}

#endif

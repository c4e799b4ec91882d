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

#include "pkt/pkt.h"

struct rte_mbuf;
struct rte_mempool;

/**
 * Check a header a guest wrote against the frame it came with (security rule 10):
 * csum_start + csum_offset + 2 <= len, gso_size not 0, hdr_len <= len, gso type
 * known and consistent with the EtherType and the L4 protocol found in the frame.
 * Sets p->need. False: the frame must be dropped as DROP_RX_BAD_OFFLOAD.
 * Call only when vnet.flags or vnet.gso_type is not 0; NEEDS_CSUM with no GSO
 * is the common case and cheap.
 */
bool offload_check(struct pkt *p);

/**
 * Turn one frame into mbuf-backed frames a receiver with @p accept can take:
 * finishes checksums, segments TSO4/6, UFO and USO.
 *
 * @param out   receives up to @p max views; each owns its mbuf (pkt->mbuf)
 * @param segs  scratch for fragments of the views, @p nsegs entries
 * @return      number of views, or 0 when memory ran out or the frame cannot be handled
 *
 * Release with offload_free().
 */
uint16_t offload_finish(struct rte_mempool *mp, const struct pkt *p, uint32_t accept,
			struct pkt *out, uint16_t max, struct pkt_seg *segs, uint16_t nsegs);
void offload_free(struct pkt *pkts, uint16_t n);

/**
 * Complete a partial checksum: sum from @p start to the end of the frame, the
 * field at @p field holding the pseudo header's sum. False: outside the frame.
 */
bool pkt_mbuf_finish_csum(struct rte_mbuf *m, uint32_t start, uint32_t field);

/** Copy a frame into a (chained) mbuf: eth copy first, then the fragments. NULL: out of mbufs. */
struct rte_mbuf *pkt_to_mbuf(struct rte_mempool *mp, const struct pkt *p);

/**
 * View on an mbuf; fragments beyond the first go to @p segs. False: more than @p nsegs fragments.
 */
bool pkt_from_mbuf(struct pkt *p, struct rte_mbuf *m, struct pkt_seg *segs, uint16_t nsegs);

/**
 * Symmetric flow hash (A->B equals B->A) over IP addresses and ports, MACs for the rest. Never 0.
 */
uint32_t pkt_flow_hash(const struct pkt *p);

#endif

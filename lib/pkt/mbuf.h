/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Frames in mbufs: from a view to a (chained) mbuf, a view on one, and checksums over one.
 *
 * Any thread; the mempool is shared and multi-producer/consumer.
 */
#ifndef PKT_MBUF_H
#define PKT_MBUF_H

#include <stdbool.h>
#include <stdint.h>

#include <rte_mbuf.h>

#include "pkt/copy.h"
#include "pkt/pkt.h"

/**
 * Complete a partial checksum: sum from @p start to the end of the frame, the
 * field at @p field holding the pseudo header's sum. False: outside the frame.
 */
bool pkt_mbuf_finish_csum(struct rte_mbuf *m, uint32_t start, uint32_t field);

/** The ones' complement sum of a (chained) mbuf from byte @p off on, in network order. */
uint16_t pkt_mbuf_sum(const struct rte_mbuf *m, uint32_t off);

/** Copy a frame into a (chained) mbuf: eth copy first, then the fragments. NULL: out of mbufs. */
struct rte_mbuf *pkt_to_mbuf(struct rte_mempool *mp, const struct pkt *p);

/** The same where each mbuf of @p mp has @p room bytes: a frame that fits is copied at once. */
static inline struct rte_mbuf *
pkt_to_mbuf_of(struct rte_mempool *mp, const struct pkt *p, uint32_t room)
{
	struct rte_mbuf *m;

	if (unlikely(p->len > room))
		return pkt_to_mbuf(mp, p);
	m = rte_pktmbuf_alloc(mp);
	if (unlikely(m == NULL))
		return NULL;
	pkt_copy(p, rte_pktmbuf_mtod(m, uint8_t *));
	m->data_len = (uint16_t)p->len;
	m->pkt_len = p->len;
	return m;
}

/**
 * Have an mbuf as its pool gives it (rte_mbuf_raw_alloc()) be one of @p len bytes that begin
 * @p off bytes into its memory; returns where.
 */
static inline uint8_t *
pkt_mbuf_begin(struct rte_mbuf *m, uint16_t off, uint16_t len)
{
	/* the other fields of the line are written by drivers for received frames only */
	m->data_off = off;
	m->port = RTE_MBUF_PORT_INVALID;
	m->ol_flags = 0;
	m->packet_type = 0;
	m->pkt_len = len;
	m->data_len = len;
	m->tx_offload = 0;
	return (uint8_t *)m->buf_addr + off;
}

/**
 * View on an mbuf; fragments beyond the first go to @p segs. False: more than @p nsegs fragments.
 */
bool pkt_from_mbuf(struct pkt *p, struct rte_mbuf *m, struct pkt_seg *segs, uint16_t nsegs);

#endif

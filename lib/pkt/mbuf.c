/* SPDX-License-Identifier: BSD-3-Clause */
#include "pkt/mbuf.h"

#include <rte_byteorder.h>
#include <rte_ip.h>
#include <rte_mbuf.h>

#include "pkt/copy.h"
#include "pkt/pool_order.h"

#define CSUM_SIZE 2u

struct rte_mbuf *
pkt_to_mbuf(struct rte_mempool *mp, const struct pkt *p)
{
	struct rte_mbuf *head = NULL, **link = &head, *m;
	struct pkt_cursor c;
	uint32_t len;

	pkt_cursor_init(&c, p);
	do {
		m = pool_take(mp);
		if (unlikely(m == NULL)) {
			rte_pktmbuf_free(head);
			return NULL;
		}
		len = RTE_MIN(p->len - c.done, (uint32_t)rte_pktmbuf_tailroom(m));
		pkt_copy_next(&c, rte_pktmbuf_mtod(m, uint8_t *), len);
		m->data_len = (uint16_t)len;
		*link = m;
		link = &m->next;
		if (m != head)
			head->nb_segs++;
	} while (c.done < p->len);
	head->pkt_len = p->len;
	return head;
}

bool
pkt_from_mbuf(struct pkt *p, struct rte_mbuf *m, struct pkt_seg *segs, uint16_t nsegs)
{
	const struct rte_ether_hdr *eth;

	*p = (struct pkt){
		.data = rte_pktmbuf_mtod(m, uint8_t *),
		.segs = segs,
		.mbuf = m,
		.len = m->pkt_len,
		.data_len = m->data_len,
		.nsegs = m->nb_segs,
	};
	if (unlikely(m->nb_segs - 1u > nsegs))
		return false;
	eth = rte_pktmbuf_read(m, 0, sizeof(*eth), &p->eth);
	if (unlikely(eth == NULL))
		return false;
	if (likely(eth != &p->eth))
		p->eth = *eth;
	while ((m = m->next) != NULL)
		*segs++ = (struct pkt_seg){rte_pktmbuf_mtod(m, uint8_t *), m->data_len};
	return true;
}

/* Store a 16-bit word at any offset of a chain; the caller has checked that it lies inside. */
static void
mbuf_put16(struct rte_mbuf *m, uint32_t off, uint16_t val)
{
	const uint8_t *b = (const uint8_t *)&val;

	for (uint32_t i = 0; i < sizeof(val); i++, off++) {
		for (; off >= m->data_len; m = m->next)
			off -= m->data_len;
		*rte_pktmbuf_mtod_offset(m, uint8_t *, off) = b[i];
	}
}

/* rte_raw_cksum_mbuf() of 22.11 loses carries behind a segment of odd length. */
uint16_t
pkt_mbuf_sum(const struct rte_mbuf *m, uint32_t off)
{
	uint32_t sum = 0, done = 0;
	uint16_t part;

	for (; m != NULL; m = m->next) {
		if (off >= m->data_len) {
			off -= m->data_len;
			continue;
		}
		part = rte_raw_cksum(rte_pktmbuf_mtod_offset(m, uint8_t *, off), m->data_len - off);
		sum += (done & 1) != 0 ? rte_bswap16(part) : part;
		done += m->data_len - off;
		off = 0;
	}
	return __rte_raw_cksum_reduce(sum);
}

bool
pkt_mbuf_finish_csum(struct rte_mbuf *m, uint32_t start, uint32_t field)
{
	uint16_t sum;

	if (field + CSUM_SIZE > m->pkt_len || start >= m->pkt_len)
		return false;
	sum = pkt_mbuf_sum(m, start);
	/* 0 means "no checksum" to UDP; 0xffff is the same sum for all protocols */
	mbuf_put16(m, field, sum == 0xffff ? 0xffff : (uint16_t)~sum);
	return true;
}

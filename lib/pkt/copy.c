/* SPDX-License-Identifier: BSD-3-Clause */
#include "pkt/copy.h"

/** Copy fragment by fragment, the Ethernet header too. */
static void
copy_fragments(struct pkt_cursor *c, uint8_t *dst, uint32_t len)
{
	const struct pkt *p = c->p;

	while (len > 0 && c->seg < p->nsegs) {
		const struct pkt_seg s =
			c->seg == 0 ? (struct pkt_seg){p->data, p->data_len} : p->segs[c->seg - 1];
		uint32_t n = RTE_MIN(len, s.len - c->seg_off);

		rte_memcpy(dst, s.data + c->seg_off, n);
		dst += n;
		len -= n;
		c->seg_off += n;
		if (c->seg_off == s.len) {
			c->seg++;
			c->seg_off = 0;
		}
	}
}

void
pkt_copy_parts(const struct pkt *p, uint8_t *dst)
{
	uint32_t at = RTE_MIN(p->data_len, p->len), n;

	pkt_copy_bytes(dst, p->data, at);
	for (uint32_t i = 0; i < p->nsegs - 1u && at < p->len; i++, at += n) {
		n = RTE_MIN(p->segs[i].len, p->len - at);
		pkt_copy_bytes(dst + at, p->segs[i].data, n);
	}
	memcpy(dst, p->eth_bytes, RTE_ETHER_HDR_LEN);
}

void
pkt_copy_next(struct pkt_cursor *c, uint8_t *dst, uint32_t len)
{
	uint32_t from = c->done;

	copy_fragments(c, dst, len);
	c->done += len;
	if (from < RTE_ETHER_HDR_LEN)
		memcpy(dst, c->p->eth_bytes + from, RTE_MIN(len, RTE_ETHER_HDR_LEN - from));
}

void
pkt_cursor_skip(struct pkt_cursor *c, uint32_t len)
{
	const struct pkt *p = c->p;

	c->done += len;
	while (len > 0 && c->seg < p->nsegs) {
		uint32_t left = (c->seg == 0 ? p->data_len : p->segs[c->seg - 1].len) - c->seg_off;

		if (len < left) {
			c->seg_off += len;
			return;
		}
		len -= left;
		c->seg++;
		c->seg_off = 0;
	}
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the guest transmits: chains become borrowed views, and are given back
 * when the views are done with. Included by body.h only (FMT, see ring.h).
 *
 * Two passes over a burst: the first finds out where the frames are and
 * prefetches them, the second reads their headers.
 */
#ifndef VIRTQ_RX_H
#define VIRTQ_RX_H

#include "virtq/chain.h"
#include "pkt/offload.h"
#include "virtq/publish.h"

/* Longest chain worth remembering in full, header included. */
#define RX_LEN_CAP (PKT_LEN_MAX + NET_HDR_LEN)

/*
 * Descriptors one rx() looks at before it calls it a day: a guest's long chains must not starve its
 * neighbours.
 */
#define RX_BUDGET (2 * PKT_SEGS_MAX)

/** Begin the view of the next frame of the batch. */
static __rte_always_inline struct pkt *
rx_view(struct pkt_batch *b, uint8_t *data, uint32_t len)
{
	struct pkt *p = &b->pkt[b->n];

	p->data = data;
	p->data_len = len;
	p->len = len;
	p->segs = &b->segs[b->nsegs];
	p->mbuf = NULL;
	p->nsegs = 1;
	return p;
}

static __rte_always_inline void
rx_done_with(struct pkt_batch *b, uint16_t id, uint16_t ndesc)
{
	b->done[b->ndone++] = (struct pkt_cookie){.id = id, .ndesc = ndesc};
}

/** Collect the fragments of a chain as frame b->pkt[b->n], header included. */
static enum vq_step
rx_walk(struct chain *c, struct pkt_batch *b)
{
	struct pkt *p = rx_view(b, NULL, 0);
	struct vq_piece piece;
	uint64_t len = 0;
	enum vq_step r;
	bool full = false;

	p->nsegs = 0;
	while ((r = chain_piece(c, CHAIN_READ, &piece)) == VQ_OK) {
		len += piece.len;
		if (p->nsegs == 0) {
			p->data = piece.data;
			p->data_len = piece.len;
		} else if (b->nsegs + p->nsegs <= PKT_SEGS_MAX) {
			p->segs[p->nsegs - 1] = (struct pkt_seg){piece.data, piece.len};
		} else {
			full = true;
			continue;
		}
		p->nsegs++;
	}
	p->len = RTE_MIN(len, RX_LEN_CAP + 1u);
	return r == VQ_END && full ? VQ_FULL : r;
}

/**
 * Take a chain that is not one descriptor in one region. VQ_OK: it is in the
 * batch, as a frame or only to be given back; otherwise it stays in the ring.
 */
static __rte_noinline enum vq_step
rx_chain(struct vq *vq, const struct vq_mem *mem, struct pkt_batch *b, struct ring_pos *pos,
	 uint16_t head)
{
	struct chain c;
	enum vq_step r;

	chain_start(&c, vq, mem, *pos, head);
	r = rx_walk(&c, b);
	if (r == VQ_BAD)
		r = chain_skip(&c);
	if (r == VQ_MISS || r == VQ_BROKEN || (r == VQ_FULL && b->ndone > 0))
		return r;
	if (r == VQ_BAD) {
		pktq_drop(&vq->q, DROP_RX_BAD_CHAIN, 1);
	} else if (r == VQ_FULL) {
		pktq_drop(&vq->q, DROP_RX_TOO_LONG, 1);
	} else {
		b->nsegs += b->pkt[b->n].nsegs - (b->pkt[b->n].nsegs > 0);
		b->n++;
	}
	rx_done_with(b, c.id, c.ndesc);
	*pos = ring_advance(vq, *pos, c.ndesc);
	vq->rx_budget -= RTE_MIN(vq->rx_budget, vq->size - c.budget);
	return VQ_OK;
}

/** Look at one chain; anything but VQ_OK ends the batch before it. */
static __rte_always_inline enum vq_step
rx_take(struct vq *vq, const struct vq_mem *mem, struct pkt_batch *b, struct ring_pos *pos)
{
	const uint16_t special = VRING_DESC_F_NEXT | VRING_DESC_F_WRITE | VRING_DESC_F_INDIRECT;
	struct vq_piece piece;
	struct vq_desc d;
	uint16_t id;
	enum vq_step r;

	r = ring_head(vq, *pos, &d, &id);
	if (unlikely(r != VQ_OK))
		return r;
	if (unlikely(d.flags & special) || unlikely(d.len == 0) ||
	    unlikely(xlate(vq, mem, d.addr, d.len, CHAIN_READ, &piece) != VQ_OK) ||
	    unlikely(piece.len != d.len))
		return rx_chain(vq, mem, b, pos, id);
	rte_prefetch0(piece.data);
	rx_view(b, piece.data, piece.len);
	b->n++;
	rx_done_with(b, id, 1);
	*pos = ring_advance(vq, *pos, 1);
	return VQ_OK;
}

/** First pass: chains to frames that still begin with the virtio-net header. */
static __rte_always_inline void
rx_collect(struct vq *vq, const struct vq_mem *mem, struct pkt_batch *b)
{
	struct ring_pos pos = ring_avail_pos(vq);
	uint16_t n = ring_available(vq, pos, b->max);
	uint16_t i;

	vq->rx_budget = RX_BUDGET;
	for (i = 0; i < n && vq->rx_budget > 0; i++)
		if (rx_take(vq, mem, b, &pos) != VQ_OK)
			break;
}

/** Copy the first @p n bytes of a frame, and take them off it if @p strip; false: it is shorter. */
static bool
rx_copy_head(struct pkt *p, uint8_t *dst, uint32_t n, bool strip)
{
	struct pkt v = *p;

	if (v.len < n || v.nsegs == 0)
		return false;
	v.len -= n;
	while (n > 0) {
		uint32_t k = RTE_MIN(n, v.data_len);

		memcpy(dst, v.data, k);
		dst += k;
		n -= k;
		v.data += k;
		v.data_len -= k;
		if (v.data_len == 0 && v.nsegs > 1) {
			v.data = v.segs->data;
			v.data_len = v.segs->len;
			v.segs++;
			v.nsegs--;
		}
	}
	if (strip)
		*p = v;
	return true;
}

static __rte_always_inline void
rx_vnet_set(const struct vq *vq, struct pkt *p, const struct net_hdr *h)
{
	p->vnet = (struct pkt_vnet){
		.flags = h->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.gso_type = h->gso_type,
		.hdr_len = vq16_get(FMT, h->hdr_len),
		.gso_size = vq16_get(FMT, h->gso_size),
		.csum_start = vq16_get(FMT, h->csum_start),
		.csum_offset = vq16_get(FMT, h->csum_offset),
	};
}

/** Header and frame over several fragments, at any boundary. */
static __rte_noinline enum drop_reason
rx_split_headers(const struct vq *vq, struct pkt *p, struct net_hdr *h)
{
	if (!rx_copy_head(p, (uint8_t *)h, vq->hdr_len, true))
		return DROP_RX_BAD_CHAIN;
	return rx_copy_head(p, p->eth_bytes, RTE_ETHER_HDR_LEN, false) ? DROP_NUM : DROP_RX_RUNT;
}

/** The usual case: both headers in the first fragment. */
static __rte_always_inline void
rx_plain_headers(const struct vq *vq, struct pkt *p, struct net_hdr *h)
{
	const uint8_t *src = p->data;
	uint64_t w[2] = {vq_read64(src), vq_read16(src + 8)};
	uint64_t e[2];

	memcpy(h, w, NET_HDR_LEN_LEGACY);
	src += vq->hdr_len;
	e[0] = vq_read64(src);
	e[1] = vq_read64(src + RTE_ETHER_HDR_LEN - 8);
	memcpy(p->eth_bytes, &e[0], 8);
	memcpy(p->eth_bytes + RTE_ETHER_HDR_LEN - 8, &e[1], 8);
	p->data += vq->hdr_len;
	p->data_len -= vq->hdr_len;
	p->len -= vq->hdr_len;
}

/** Take the virtio-net header off a frame and check it. DROP_NUM: the frame is fine. */
static __rte_always_inline enum drop_reason
rx_frame(const struct vq *vq, struct pkt *p)
{
	enum drop_reason why = DROP_NUM;
	uint16_t offload;
	struct net_hdr h;

	if (likely(p->data_len >= (uint32_t)vq->hdr_len + RTE_ETHER_HDR_LEN && p->nsegs > 0))
		rx_plain_headers(vq, p, &h);
	else
		why = rx_split_headers(vq, p, &h);
	if (unlikely(why != DROP_NUM))
		return why;
	if (unlikely(p->len > PKT_LEN_MAX))
		return DROP_RX_TOO_LONG;
	p->need = 0;
	memcpy(&offload, &h, sizeof(offload));
	if (likely((offload & vq->hdr_mask) == 0)) {
		p->vnet = (struct pkt_vnet){0};
		return DROP_NUM;
	}
	rx_vnet_set(vq, p, &h);
	return offload_check(p) ? DROP_NUM : DROP_RX_BAD_OFFLOAD;
}

/** Second pass: frames to what the switch wants to see. */
static __rte_always_inline void
rx_parse(struct vq *vq, struct pkt_batch *b)
{
	uint16_t i, n = 0;

	for (i = 0; i < b->n; i++) {
		struct pkt *p = &b->pkt[i];
		enum drop_reason why = rx_frame(vq, p);

		if (unlikely(why != DROP_NUM)) {
			pktq_drop(&vq->q, why, 1);
			continue;
		}
		pktq_count(&vq->q.stats, p);
		if (unlikely(n != i))
			b->pkt[n] = *p;
		n++;
	}
	vq->q.stats.frames += b->ndone - n; /* bad ones count as taken */
	b->n = n;
}

/** pktq_ops.rx */
static uint16_t
rx_burst(struct pktq *q, struct pkt_batch *b)
{
	struct vq *vq = (struct vq *)q;

	b->n = b->ndone = b->nsegs = 0;
	if (unlikely(vq_unusable(vq)))
		return 0;
	rx_collect(vq, vq_mem(vq), b);
	rx_parse(vq, b);
	return b->ndone;
}

/**
 * In-order packed rings are told of the last chain only; the driver works out the ones before it
 * (spec 2.8.9).
 */
static inline void
rx_publish_in_order(struct vq *vq, const struct vq_mem *mem, const struct pkt_batch *b,
		    uint16_t slots)
{
	const struct pkt_cookie last = {.id = b->done[b->ndone - 1].id, .ndesc = slots};

	publish(vq, mem, &last, 1, slots);
}

static __rte_always_inline uint16_t
rx_slots(const struct pkt_batch *b)
{
	uint16_t i, slots = 0;

	if (!FMT.packed)
		return b->ndone;
	for (i = 0; i < b->ndone; i++)
		slots += b->done[i].ndesc;
	return slots;
}

/** pktq_ops.rx_done */
static void
rx_release(struct pktq *q, struct pkt_batch *b)
{
	struct vq *vq = (struct vq *)q;
	const struct vq_mem *mem = vq_mem(vq);
	uint16_t slots = rx_slots(b);

	if (b->ndone == 0 || unlikely(atomic_load_explicit(&vq->fault->dead, memory_order_relaxed)))
		return;
	if (FMT.packed && vq->in_order)
		rx_publish_in_order(vq, mem, b, slots);
	else
		publish(vq, mem, b->done, b->ndone, slots);
	b->n = b->ndone = b->nsegs = 0;
	publish_notify(vq);
}

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Receiving what the guest transmits: chains become borrowed views, and are given back when the
 * views are no longer used. Included by body.h only (FMT, see ring.h).
 *
 * Two passes over a burst: the first finds the frames and prefetches them, the second reads their
 * headers.
 */
#ifndef VIRTQ_RX_H
#define VIRTQ_RX_H

#include "virtq/chain.h"
#include "pkt/offload.h"
#include "virtq/net.h"
#include "virtq/publish.h"

/* Longest chain worth remembering in full, header included. */
#define RX_LEN_CAP (PKT_LEN_MAX + NET_HDR_LEN)

/* Lookups after which one rx() takes no further chain of several descriptors. */
#define RX_WORK_MAX PKT_SEGS_MAX

/** The results of the first pass for the frames that are to become b->pkt[], in their order. */
struct rx_found {
	/* virtio-net header first; NULL: the view is made, but with it. Of a table: behind it */
	uint8_t *data[PKT_BATCH_MAX];
	/* with the header; 0: not one fragment, so that one comparison finds those that are */
	uint32_t len[PKT_BATCH_MAX];
	uint64_t tables; /* by frame: it has an entry of table[] */
	uint16_t ahead;  /* chains whose tables are prefetched */
	struct rx_table {
		const uint8_t *hdr;
		struct pkt_seg *segs; /* the nsegs - 1 fragments after the first */
		uint32_t len;         /* of the frame, without the header */
		uint32_t data_len;    /* of the first fragment, without the header */
		uint32_t nsegs;
	} table[PKT_BATCH_MAX];
};

/** A view on one fragment. */
static __rte_always_inline void
rx_view(struct pkt *p, uint8_t *data, uint32_t len)
{
	p->data = data;
	p->segs = NULL;
	p->mbuf = NULL;
	p->len = len;
	p->data_len = len;
	p->nsegs = 1;
	p->hash = 0;
}

/** Collect the fragments of a chain as frame b->pkt[b->n], header included. */
static __rte_always_inline enum vq_step
rx_walk(struct chain *c, struct pkt_batch *b)
{
	struct pkt *p = &b->pkt[b->n];
	struct pkt_seg *segs = &b->segs[b->nsegs];
	uint32_t room = PKT_SEGS_MAX - b->nsegs, n = 0;
	struct vq_segment segment;
	uint64_t len = 0;
	enum vq_step r;

	rx_view(p, NULL, 0);
	while ((r = chain_segment(c, CHAIN_READ, &segment)) == VQ_OK) {
		len += segment.len;
		if (n == 0) {
			p->data = segment.data;
			p->data_len = segment.len;
			rte_prefetch0(segment.data);
		} else if (likely(n <= room && len <= RX_LEN_CAP)) {
			segs[n - 1] = (struct pkt_seg){segment.data, segment.len};
		} else {
			return n > room && room < PKT_SEGS_MAX ? VQ_FULL : VQ_LONG;
		}
		n++;
	}
	p->segs = segs;
	p->nsegs = n;
	p->len = RTE_MIN(len, RX_LEN_CAP + 1u);
	return r;
}

/**
 * Take a chain that is not one descriptor in one region. Returns its ring slots
 * once it is in the batch, as a frame or only to be given back; 0: it stays in
 * the ring. @p left: slots it may take.
 */
static __rte_noinline uint16_t
rx_chain(struct vq *vq, const struct vq_mem *mem, struct pkt_batch *b, struct ring_pos pos,
	 uint16_t head, uint32_t left)
{
	uint32_t bad = 0; /* else the reason plus 1; rx_count_bad() counts it */
	struct chain c;
	enum vq_step r;

	chain_start(&c, vq, mem, pos, head, left);
	r = rx_walk(&c, b);
	chain_account(&c);
	if (unlikely(r == VQ_BAD || r == VQ_LONG))
		r = chain_skip(&c, r);
	if (FMT.full && unlikely(r == VQ_MISS))
		chain_ask(vq, mem, pos, left, CHAIN_READ, RX_LEN_CAP);
	/* a frame that fits an empty batch only is the first of the next batch */
	if (unlikely(r == VQ_MISS || r == VQ_BROKEN || r == VQ_FULL))
		return 0;
	if (likely(r == VQ_END)) {
		b->nsegs += b->pkt[b->n].nsegs - (b->pkt[b->n].nsegs > 0);
		b->n++;
	} else {
		bad = 1u + (r == VQ_LONG ? DROP_RX_TOO_LONG : DROP_RX_BAD_CHAIN);
	}
	b->done[b->ndone++] = (struct pkt_used){.id = c.id, .ndesc = c.ndesc, .len = bad};
	return c.ndesc;
}

/** The beginning of a chain that is not one descriptor in one region. */
struct rx_head {
	struct ring_pos pos;
	struct vq_desc d;
	uint16_t id;
	uint16_t want; /* chains to be taken, it included */
	uint32_t left; /* slots it may take */
};

/* Longest indirect table of the shape below: header, headers and 17 fragments of a TCP segment. */
#define RX_TABLE_MAX 20u

/** Whether a chain is one indirect descriptor with a table of such a length. */
static __rte_always_inline bool
rx_is_table(const struct vq *vq, const struct vq_desc *d)
{
	const uint16_t special = VRING_DESC_F_NEXT | VRING_DESC_F_WRITE | VRING_DESC_F_INDIRECT;
	uint32_t n = d->len / sizeof(struct split_desc);

	return (d->flags & special) == VRING_DESC_F_INDIRECT && vq->indirect && n > 0 &&
	       n <= RTE_MIN(vq->size, RX_TABLE_MAX) && d->len % sizeof(struct split_desc) == 0;
}

#define RX_TABLES_AHEAD 16u

/** Prefetch the tables of the next chains from @p h on. Returns the number of chains. */
static __rte_always_inline uint16_t
rx_prefetch_tables(const struct vq *vq, const struct gmem_region *r, const struct rx_head *h)
{
	const struct ring_base rb = ring_base(vq);
	const uint16_t n = RTE_MIN(h->want, RX_TABLES_AHEAD);
	struct ring_pos pos = h->pos;
	struct vq_desc d;
	uint16_t i, id;

	for (i = 0; i < n && ring_head(&rb, pos, &d, &id) && rx_is_table(vq, &d); i++) {
		const uint8_t *table = xlate_in(r, d.addr, d.len);

		if (table != NULL)
			rte_prefetch0(table);
		pos = ring_step(rb.size, pos, 1);
	}
	return i;
}

/** A table being looked at. */
struct rx_walked {
	struct vq *vq;
	const struct vq_mem *mem;
	struct gmem_region *r; /* of what was found last */
	uint32_t n;            /* entries */
};

/**
 * Entry @p i of a table as drivers make them: one fragment after the other, none empty, all for
 * reading, each in one region. NULL: it is another.
 */
static __rte_always_inline uint8_t *
rx_table_entry(const struct rx_walked *w, const struct vq_desc *d, uint32_t i)
{
	const uint32_t n = w->n;
	const uint16_t next = VRING_DESC_F_NEXT;
	/* see chain_allows() for the first entry of a packed one */
	const uint16_t mask =
		FMT.packed ? (i == 0 ? 0 : VRING_DESC_F_WRITE) : VRING_DESC_F_WRITE | next;

	if (unlikely((d->flags & (mask | VRING_DESC_F_INDIRECT)) !=
			     (!FMT.packed && i + 1 < n ? next : 0) ||
		     d->len == 0))
		return NULL;
	if (!FMT.packed && unlikely(i + 1 < n && d->link != i + 1))
		return NULL;
	return xlate_whole(w->vq, w->mem, w->r, d->addr, d->len);
}

/**
 * Begin the frame of a table with its first one or two fragments: the virtio-net header alone, or
 * both headers. Returns the number of entries used, 0: it is another shape.
 */
static __rte_always_inline uint32_t
rx_table_begin(const struct rx_walked *w, const uint8_t *table, struct rx_table *t, uint8_t **eth)
{
	const uint16_t hdr_len = w->vq->hdr_len;
	struct vq_desc d = desc_read(table);
	uint8_t *data = rx_table_entry(w, &d, 0);

	t->hdr = data;
	if (unlikely(data == NULL))
		return 0;
	rte_prefetch0(data);
	if (d.len >= (uint32_t)hdr_len + RTE_ETHER_HDR_LEN) {
		*eth = data + hdr_len;
		t->data_len = d.len - hdr_len;
		return 1;
	}
	if (unlikely(d.len != hdr_len || w->n == 1))
		return 0;
	d = desc_read(table + sizeof(struct split_desc));
	*eth = rx_table_entry(w, &d, 1);
	t->data_len = d.len;
	if (unlikely(*eth == NULL || d.len < RTE_ETHER_HDR_LEN))
		return 0;
	rte_prefetch0(*eth);
	return 2;
}

/**
 * Find the frame of an indirect table as drivers make them, to be b->pkt[b->n]. False: it is
 * another shape, or there is no room, and rx_chain() has to look at it.
 */
static __rte_always_inline bool
rx_indirect(struct vq *vq, const struct vq_mem *mem, struct gmem_region *r,
	    const struct vq_desc *head, struct pkt_batch *b, struct rx_found *f)
{
	const uint8_t *table = xlate_whole(vq, mem, r, head->addr, head->len);
	const uint16_t k = b->n;
	const uint32_t n = head->len / sizeof(struct split_desc);
	const struct rx_walked w = {vq, mem, r, n};
	struct rx_table *t = &f->table[k];
	struct pkt_seg *segs = &b->segs[b->nsegs];
	uint32_t i, first;
	uint64_t len;

	if (unlikely(table == NULL || b->nsegs + n > PKT_SEGS_MAX))
		return false;
	vq->q.work += 2 * n; /* also if it is looked at once more */
	i = first = rx_table_begin(&w, table, t, &f->data[k]);
	if (unlikely(first == 0))
		return false;
	for (len = t->data_len; i < n; i++, segs++) {
		struct vq_desc d = desc_read(table + i * sizeof(struct split_desc));

		*segs = (struct pkt_seg){rx_table_entry(&w, &d, i), d.len};
		if (unlikely(segs->data == NULL))
			return false;
		len += d.len;
	}
	if (unlikely(len > PKT_LEN_MAX))
		return false;
	t->segs = &b->segs[b->nsegs];
	t->nsegs = n - first + 1;
	t->len = (uint32_t)len;
	f->tables |= UINT64_C(1) << k;
	b->nsegs += n - first;
	return true;
}

/** The frame of a descriptor that has all of it, or NULL. */
static __rte_always_inline uint8_t *
rx_simple(struct vq *vq, const struct vq_mem *mem, struct gmem_region *r, const struct vq_desc *d)
{
	const uint16_t special = VRING_DESC_F_NEXT | VRING_DESC_F_WRITE | VRING_DESC_F_INDIRECT;

	if (unlikely(d->flags & special))
		return NULL;
	return xlate_whole(vq, mem, r, d->addr, d->len);
}

/**
 * Take such a chain: the frame is found or its view made, or the chain is only to be given back.
 * Returns its slots, 0: it stays in the ring.
 */
static __rte_noinline uint16_t
rx_unusual(struct vq *vq, const struct vq_mem *mem, struct pkt_batch *b, struct rx_found *f,
	   const struct rx_head *h)
{
	struct gmem_region r = xlate_region(vq, mem);
	const uint16_t n = b->n;

	f->len[n] = 0;
	if (!rx_is_table(vq, &h->d))
		return rx_chain(vq, mem, b, h->pos, h->id, h->left);
	if (f->ahead == 0)
		f->ahead = rx_prefetch_tables(vq, &r, h);
	f->ahead -= f->ahead != 0; /* the guest may have changed it meanwhile */
	if (!rx_indirect(vq, mem, &r, &h->d, b, f)) {
		f->data[n] = NULL;
		return rx_chain(vq, mem, b, h->pos, h->id, h->left);
	}
	b->n++;
	return 1;
}

/** First pass: find the frames. */
static __rte_always_inline void
rx_collect(struct vq *vq, const struct vq_mem *mem, struct pkt_batch *b, struct rx_found *f)
{
	const struct ring_base rb = ring_base(vq);
	struct gmem_region r = xlate_region(vq, mem);
	struct ring_pos pos = ring_avail_pos(vq);
	/* no more slots than the ring has, or the guest could make this loop endless */
	uint16_t i, max = ring_available(vq, pos, RTE_MIN(b->max, rb.size));
	uint16_t n = 0, slots, more = 0, id;
	struct vq_desc d;
	uint8_t *data;

	vq->q.work = 0;
	vq->rx_cost = 0;
	f->tables = 0;
	f->ahead = 0;
	ring_prefetch_used(vq, max);
	for (i = 0; i < max; i++) {
		if (unlikely(!ring_head(&rb, pos, &d, &id))) {
			ring_no_head(vq);
			break;
		}
		data = rx_simple(vq, mem, &r, &d);
		f->data[n] = data;
		f->len[n] = d.len;
		b->done[i] = (struct pkt_used){.id = id, .ndesc = 1};
		if (likely(data != NULL)) {
			rte_prefetch0(data);
			rte_prefetch0(data + RTE_CACHE_LINE_SIZE);
			slots = 1;
			n++;
		} else {
			b->n = n;
			b->ndone = i;
			slots = rx_unusual(vq, mem, b, f,
					   &(struct rx_head){pos, d, id, max - i,
							     rb.size - i - more});
			n = b->n;
			if (slots == 0)
				break;
			more += slots - 1;
			max = vq->q.work >= RX_WORK_MAX ? 0 : RTE_MIN(max, rb.size - more);
		}
		pos = ring_step(rb.size, pos, slots);
	}
	b->n = n;
	b->ndone = i;
	vq->rx_slots = i + more;
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

/** Header and frame over several fragments, at any boundary. */
static __rte_noinline enum drop_reason
rx_split_headers(const struct vq *vq, struct pkt *p, struct net_hdr *h)
{
	if (!rx_copy_head(p, (uint8_t *)h, vq->hdr_len, true))
		return DROP_RX_BAD_CHAIN;
	return rx_copy_head(p, p->eth_bytes, RTE_ETHER_HDR_LEN, false) ? DROP_NUM : DROP_RX_RUNT;
}

/* Results of the second pass for a frame besides a drop reason; DROP_NUM: it is valid. */
#define RX_LAST (DROP_NUM + 1) /* this frame and the following ones stay in the ring */

/* Frames that are longer in one segment are accounted; others cost little however many they are. */
#define RX_CHEAP_MAX 16384
#define RX_COPY_BYTES 1024 /* copying so many costs as much as making the smallest segment */

/** Add a frame to the cost of the batch: segments made of it, and one copy. */
static inline unsigned int
rx_charge(struct vq *vq, const struct pkt *p)
{
	vq->rx_cost += offload_cost(p) + p->len / RX_COPY_BYTES;
	return vq->rx_cost >= PKT_BATCH_COST ? RX_LAST : DROP_NUM;
}

/** The virtio-net header has flags or GSO: check it. */
static __rte_noinline unsigned int
rx_offload(struct vq *vq, struct pkt *p, const struct net_hdr *h)
{
	p->vnet = net_hdr_get(FMT, h);
	return likely(offload_check(p)) ? rx_charge(vq, p) : DROP_RX_BAD_OFFLOAD;
}

/** Whether a header whose first two bytes are @p w has flags or GSO. */
static __rte_always_inline bool
rx_has_offload(const struct vq *vq, uint16_t w)
{
	return unlikely(w & vq->hdr_mask);
}

/** The virtio-net header alone in the first fragment, the Ethernet header whole in the second. */
static __rte_always_inline void
rx_header_alone(struct pkt *p, struct net_hdr *h)
{
	uint64_t w[2] = {vq_read64(p->data), vq_read16(p->data + 8)};
	uint64_t first, rest;

	memcpy(h, w, NET_HDR_LEN_LEGACY);
	p->len -= p->data_len;
	p->data = p->segs->data;
	p->data_len = p->segs->len;
	p->segs++;
	p->nsegs--;
	first = vq_read64(p->data);
	rest = vq_read64(p->data + RTE_ETHER_HDR_LEN - 8);
	pkt_set_eth(p, first, rest);
}

/** Take the header off a view of any shape. DROP_NUM: the frame is valid. */
static __rte_noinline unsigned int
rx_frame_parts(struct vq *vq, struct pkt *p)
{
	const uint16_t hdr_len = vq->hdr_len;
	unsigned int why = DROP_NUM;
	struct net_hdr h;

	if (likely(p->data_len == hdr_len && p->nsegs > 1 && p->segs->len >= RTE_ETHER_HDR_LEN))
		rx_header_alone(p, &h);
	else
		why = rx_split_headers(vq, p, &h);
	if (why != DROP_NUM)
		return why;
	if (p->len > PKT_LEN_MAX)
		return DROP_RX_TOO_LONG;
	p->need = 0;
	p->vnet = (struct pkt_vnet){0};
	return rx_has_offload(vq, vq_read16(&h)) ? rx_offload(vq, p, &h) : rx_charge(vq, p);
}

/** The headers of a frame whose view is made; virtio-net header: @p hdr. @p cheap: constant. */
static __rte_always_inline unsigned int
rx_headers(struct vq *vq, struct pkt *p, const uint8_t *hdr, bool cheap)
{
	uint64_t start = vq_read64(hdr);
	uint64_t first = vq_read64(p->data);
	uint64_t rest = vq_read64(p->data + RTE_ETHER_HDR_LEN - 8);
	struct net_hdr h;
	uint16_t tail;

	pkt_set_eth(p, first, rest);
	p->vnet = (struct pkt_vnet){0};
	memcpy(&h, &start, sizeof(start));
	if (likely(!rx_has_offload(vq, vq_read16(&start))))
		return cheap || p->len <= RX_CHEAP_MAX ? (unsigned int)DROP_NUM : rx_charge(vq, p);
	tail = vq_read16(hdr + 8);
	memcpy((uint8_t *)&h + 8, &tail, sizeof(tail));
	return rx_offload(vq, p, &h);
}

/** A frame in one fragment of @p len bytes that holds both headers at least. @p cheap: constant. */
static __rte_always_inline unsigned int
rx_frame_plain(struct vq *vq, struct pkt *p, uint8_t *data, uint32_t len, bool cheap)
{
	const uint16_t hdr_len = vq->hdr_len;

	rx_view(p, data + hdr_len, len - hdr_len);
	return rx_headers(vq, p, data, cheap);
}

/** Frame @p i of those found, in the fragments of a table. */
static __rte_always_inline unsigned int
rx_frame_table(struct vq *vq, struct pkt *p, const struct rx_found *f, uint16_t i)
{
	const struct rx_table *t = &f->table[i];

	rx_view(p, f->data[i], t->len);
	p->data_len = t->data_len;
	p->segs = t->segs;
	p->nsegs = (uint16_t)t->nsegs;
	return rx_headers(vq, p, t->hdr, false);
}

/**
 * A frame that rx_chain() made the view @p made of (@p data is NULL), or one fragment that is long,
 * too long or too short.
 */
static __rte_noinline unsigned int
rx_frame_other(struct vq *vq, struct pkt *p, const struct pkt *made, uint8_t *data, uint32_t len)
{
	const uint32_t least = vq->hdr_len + RTE_ETHER_HDR_LEN;

	if (data != NULL && len - least <= PKT_LEN_MAX - RTE_ETHER_HDR_LEN)
		return rx_frame_plain(vq, p, data, len, false);
	if (data != NULL)
		rx_view(p, data, len);
	else if (p != made)
		*p = *made;
	return rx_frame_parts(vq, p);
}

/**
 * Leave the frames behind number @p i of those found in the ring. Returns the number found then.
 */
static __rte_noinline uint16_t
rx_leave_rest(struct vq *vq, struct pkt_batch *b, uint16_t i)
{
	uint16_t frames = 0, slots = 0, k = 0;

	while (frames <= i) {
		frames += b->done[k].len == 0;
		slots += b->done[k++].ndesc;
	}
	b->ndone = k;
	vq->rx_slots = slots;
	return frames;
}

/** Account the chains given back that are no frames. */
static __rte_noinline void
rx_count_bad(struct vq *vq, struct pkt_batch *b)
{
	for (uint16_t i = 0; i < b->ndone; i++) {
		if (b->done[i].len != 0)
			pktq_drop(&vq->q, b->done[i].len - 1, 1);
		b->done[i].len = 0;
	}
}

/**
 * Second pass: headers to struct pkt_vnet, Ethernet headers copied; f->len[] is reused for the
 * lengths.
 */
static __rte_always_inline void
rx_parse(struct vq *vq, struct pkt_batch *b, struct rx_found *f)
{
	const uint32_t least = vq->hdr_len + RTE_ETHER_HDR_LEN;
	const uint32_t cheap = RX_CHEAP_MAX - RTE_ETHER_HDR_LEN; /* beyond the least */
	uint16_t i, n = 0, found = b->n;

	for (i = 0; i < found; i++) {
		struct pkt *p = &b->pkt[n];
		uint32_t len = f->len[i];
		unsigned int why;

		if (likely(len - least <= cheap))
			why = rx_frame_plain(vq, p, f->data[i], len, true);
		else if (f->tables >> i & 1)
			why = rx_frame_table(vq, p, f, i);
		else
			why = rx_frame_other(vq, p, &b->pkt[i], f->data[i], len);
		if (unlikely(why != DROP_NUM)) {
			if (why != RX_LAST) {
				pktq_drop(&vq->q, why, 1);
				continue;
			}
			found = rx_leave_rest(vq, b, i);
		}
		pktq_count_cast(&vq->q.stats, p);
		f->len[n++] = p->len;
	}
	if (unlikely(b->ndone != found))
		rx_count_bad(vq, b);
	pktq_count_sizes(&vq->q.stats, f->len, n);
	counter_add(&vq->q.stats.frames, b->ndone); /* malformed ones count as taken */
	b->n = n;
}

/** pktq_ops.rx */
static uint16_t
rx_burst(struct pktq *q, struct pkt_batch *b)
{
	struct vq *vq = (struct vq *)q;
	struct rx_found found;

	b->n = b->ndone = b->nsegs = 0;
	if (unlikely(vq_unusable(vq)))
		return 0;
	if (FMT.full && ring_waits(vq))
		return 0;
	rx_collect(vq, vq_mem(vq), b, &found);
	rx_parse(vq, b, &found);
	if (q->deferred)
		publish_notify(vq);
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
	const struct pkt_used last = {.id = b->done[b->ndone - 1].id, .ndesc = slots};

	publish(vq, mem, &last, 1, slots);
}

/** pktq_ops.rx_done */
static void
rx_release(struct pktq *q, struct pkt_batch *b)
{
	struct vq *vq = (struct vq *)q;
	const struct vq_mem *mem = vq_mem(vq);
	uint16_t slots = vq->rx_slots;

	for (uint16_t i = 0; i < b->left; i++)
		slots -= b->done[b->ndone + i].ndesc;
	if (b->ndone == 0 || unlikely(atomic_load_explicit(&vq->fault->dead, memory_order_relaxed)))
		return;
	if (FMT.packed && vq->in_order)
		rx_publish_in_order(vq, mem, b, slots);
	else
		publish(vq, mem, b->done, b->ndone, slots);
	b->n = b->ndone = b->nsegs = 0;
	publish_notify_later(vq);
}

#endif

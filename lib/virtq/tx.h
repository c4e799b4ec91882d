/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Sending to the guest: frames are copied into the buffers it made available. Included by body.h
 * only (FMT, see ring.h).
 *
 * Buffers are looked at ahead of the frames that will use them, in ring order, and consumed from
 * the front; those not consumed are forgotten and read again next time. So a frame that does not
 * fit needs no undoing.
 */
#ifndef VIRTQ_TX_H
#define VIRTQ_TX_H

#include <rte_cycles.h>

#include "virtq/chain.h"
#include "virtq/guest_write.h"
#include "pkt/copy.h"
#include "virtq/net.h"
#include "virtq/publish.h"

#define TX_FRAGS_MAX 1024 /* segments of the buffers looked at ahead, beyond the first of each */

/*
 * Lookups after which one tx() takes no further unusual buffer, nor several for one frame; the
 * other frames find none.
 */
#define TX_WORK_MAX (2 * CHAIN_LOOKUPS_MAX)

/** One chain of the guest, looked at but not consumed. */
struct tx_buf {
	uint8_t *data;     /* first segment */
	uint32_t data_len; /* 0: malformed */
	uint32_t len;      /* of the whole buffer */
	uint16_t frag;     /* index of its second segment */
	uint16_t nfrags;   /* segments after the first */
	uint64_t gpa;      /* of the first, for the dirty log */
};

/** One tx() at work. Large and on the stack: only the needed part is initialised. */
struct tx {
	struct vq *vq;
	const struct vq_mem *mem;
	struct ring_pos pos;     /* of the next chain to look at */
	enum vq_step stop;       /* reason for which no more can be looked at; VQ_OK: none */
	uint32_t enough;         /* bytes of a buffer: no frame takes more of one */
	struct pkt *const *pkts; /* the frames to be sent */
	uint16_t npkts;
	uint32_t left;  /* ring slots that may be looked at: one lap */
	uint16_t slots; /* ring slots of the buffers consumed */
	uint16_t nbuf;  /* looked at */
	uint16_t nused; /* consumed; also index of the next buffer, and of how it is given back */
	uint16_t nfrag;
	uint16_t sent;  /* before the last commit */
	uint16_t nsent; /* since, see len */
	struct tx_buf buf[VQ_USED_MAX];
	struct pkt_used used[VQ_USED_MAX];
	uint32_t len[PKT_BATCH_MAX]; /* of frames sent, to be counted */
	struct vq_segment frag[TX_FRAGS_MAX];
};

static __rte_always_inline void
tx_begin(struct tx *t, struct vq *vq, struct pkt *const *pkts, uint16_t n)
{
	vq->q.work = 0;
	t->vq = vq;
	t->pkts = pkts;
	t->npkts = n;
	t->mem = vq_mem(vq);
	t->pos = ring_avail_pos(vq);
	t->stop = VQ_OK;
	t->enough = 0;
	t->left = vq->size;
	t->slots = 0;
	t->nbuf = t->nused = t->nfrag = 0;
	t->sent = t->nsent = 0;
}

/* --- buffers --- */

/** The bytes the longest of the frames takes: sets t->enough. */
static __rte_noinline void
tx_measure(struct tx *t)
{
	uint32_t len = 0;
	uint16_t i;

	for (i = 0; i < t->npkts; i++)
		len = RTE_MAX(len, t->pkts[i]->len);
	t->enough = len + t->vq->hdr_len;
}

/**
 * Collect the segments of a chain in @p b, as many as a frame can need; the rest of the chain is
 * not looked at.
 */
static __rte_always_inline enum vq_step
tx_walk(struct tx *t, struct chain *c, struct tx_buf *b)
{
	uint16_t frag = t->nfrag, n = 0;
	enum vq_step r = VQ_OK;
	struct vq_segment segment;
	uint64_t len = 0;

	b->data_len = 0;
	while (len < t->enough && (r = chain_segment(c, CHAIN_WRITE, &segment)) == VQ_OK) {
		if (n == 0) {
			b->data = segment.data;
			b->data_len = segment.len;
			b->gpa = segment.gpa;
			rte_prefetch0_write(segment.data);
		} else if (frag < TX_FRAGS_MAX) {
			t->frag[frag++] = segment;
		} else if (t->nfrag > 0) {
			return VQ_FULL;
		} else {
			break; /* space for the first so many only */
		}
		len += segment.len;
		n++;
	}
	b->len = RTE_MIN(len, UINT32_MAX);
	b->frag = t->nfrag;
	b->nfrags = frag - t->nfrag;
	if (r == VQ_END && len < t->vq->hdr_len)
		return VQ_BAD;
	t->nfrag = frag;
	if (FMT.packed && r == VQ_OK && c->ring_more)
		return chain_skip(c, VQ_END);
	return r == VQ_OK ? VQ_END : r;
}

/** Look at a chain that is not one descriptor in one region: buffer number @p i. */
static __rte_noinline enum vq_step
tx_chain(struct tx *t, uint16_t i, struct ring_pos pos, uint16_t head)
{
	struct tx_buf *b = &t->buf[i];
	struct chain c;
	enum vq_step r;

	if (t->vq->q.work >= TX_WORK_MAX)
		return VQ_END;
	if (t->enough == 0)
		tx_measure(t);
	chain_start(&c, t->vq, t->mem, pos, head, t->left);
	r = tx_walk(t, &c, b);
	chain_account(&c);
	if (unlikely(r == VQ_BAD || r == VQ_LONG))
		r = chain_skip(&c, VQ_BAD);
	if (FMT.full && unlikely(r == VQ_MISS))
		chain_ask(t->vq, t->mem, pos, t->left, CHAIN_WRITE, t->enough);
	if (unlikely(r != VQ_END && r != VQ_BAD))
		return r;
	if (unlikely(r == VQ_BAD))
		*b = (struct tx_buf){.data_len = 0};
	t->used[i] = (struct pkt_used){.id = c.id, .ndesc = c.ndesc};
	return VQ_OK;
}

/** The memory of a descriptor that is a whole buffer by itself, or NULL. */
static __rte_always_inline uint8_t *
tx_simple(struct vq *vq, const struct vq_mem *mem, struct gmem_region *r, const struct vq_desc *d)
{
	const uint16_t special = VRING_DESC_F_NEXT | VRING_DESC_F_WRITE | VRING_DESC_F_INDIRECT;

	if (unlikely((d->flags & special) != VRING_DESC_F_WRITE || d->len < vq->hdr_len))
		return NULL;
	return xlate_whole(vq, mem, r, d->addr, d->len);
}

/** Look at up to @p want more chains; sets t->stop when there is a reason not to. */
static __rte_noinline void
tx_look_ahead(struct tx *t, uint16_t want)
{
	struct vq *vq = t->vq;
	const struct ring_base rb = ring_base(vq);
	struct gmem_region r = xlate_region(vq, t->mem);
	struct ring_pos pos = t->pos;
	uint16_t room = VQ_USED_MAX - t->nbuf;
	uint16_t i, n = ring_available(vq, pos, RTE_MIN(want, room));
	struct tx_buf *b = &t->buf[t->nbuf];
	struct pkt_used *u = &t->used[t->nbuf];
	struct vq_desc d;
	uint16_t id;

	if (unlikely(n < want))
		t->stop = vq->broken ? VQ_BROKEN : n == room ? VQ_FULL : VQ_END;
	ring_prefetch_used(vq, n);
	for (i = 0; i < n; i++, b++, u++) {
		if (unlikely(t->left == 0)) {
			t->stop = VQ_END;
			break;
		}
		if (unlikely(!ring_head(&rb, pos, &d, &id))) {
			t->stop = ring_no_head(vq);
			break;
		}
		b->data = tx_simple(vq, t->mem, &r, &d);
		if (likely(b->data != NULL)) {
			rte_prefetch0_write(b->data);
			rte_prefetch0_write(b->data + RTE_CACHE_LINE_SIZE);
			b->data_len = d.len;
			b->len = d.len;
			b->frag = 0;
			b->nfrags = 0;
			*u = (struct pkt_used){.id = id, .ndesc = 1};
			if (FMT.full)
				b->gpa = d.addr;
		} else {
			enum vq_step step = tx_chain(t, t->nbuf + i, pos, id);

			if (unlikely(step != VQ_OK)) {
				t->stop = step;
				break;
			}
		}
		pos = ring_step(rb.size, pos, u->ndesc);
		t->left -= u->ndesc;
	}
	t->pos = pos;
	t->nbuf += i;
}

/** Consume the next buffer, @p len bytes of it written. */
static __rte_always_inline void
tx_use(struct tx *t, uint32_t len)
{
	struct pkt_used *u = &t->used[t->nused++];

	u->len = len;
	t->slots += u->ndesc;
}

/** Publish the consumed buffers and start over with none looked at. */
static __rte_always_inline void
tx_commit(struct tx *t)
{
	if (t->nused > 0) {
		publish(t->vq, t->mem, t->used, t->nused, t->slots);
		publish_notify_later(t->vq);
	}
	t->pos = ring_avail_pos(t->vq);
	t->left = t->vq->size;
	t->slots = 0;
	t->nbuf = t->nused = t->nfrag = 0;
}

/** Count the frames sent that are not counted yet. */
static __rte_always_inline void
tx_count(struct tx *t)
{
	struct pktq_stats *s = &t->vq->q.stats;

	pktq_count_sizes(s, t->len, t->nsent);
	counter_add(&s->frames, t->nsent);
	t->sent += t->nsent;
	t->nsent = 0;
}

/** Account a frame that was sent. */
static __rte_always_inline void
tx_sent(struct tx *t, const struct pkt *p)
{
	pktq_count_cast(&t->vq->q.stats, p);
	t->len[t->nsent++] = p->len;
	if (unlikely(t->nsent == RTE_DIM(t->len)))
		tx_count(t);
}

/* --- frames --- */

static void
tx_header(const struct vq *vq, const struct pkt *p, uint16_t nbuf, struct net_hdr *h)
{
	*h = net_hdr_make(FMT, &p->vnet, nbuf);
	/* a receiver without GUEST_CSUM has not agreed to any flag */
	if (!(vq->q.offloads & PKT_NEED_CSUM))
		h->flags = 0;
}

static __rte_noinline void
tx_put_offload(const struct vq *vq, const struct pkt *p, uint8_t *dst)
{
	struct net_hdr h;

	tx_header(vq, p, 1, &h);
	memcpy(dst, &h, vq->hdr_len);
}

/** Write a header of @p hdr_len bytes that is in one segment, for one buffer. */
static __rte_always_inline void
tx_put_header(const struct vq *vq, const struct pkt *p, uint8_t *dst, uint16_t hdr_len)
{
	struct net_hdr *h = (struct net_hdr *)dst;

	if (unlikely((p->vnet.flags | p->vnet.gso_type) != 0)) {
		tx_put_offload(vq, p, dst);
		return;
	}
	memset(h, 0, NET_HDR_LEN_LEGACY);
	if (likely(hdr_len == NET_HDR_LEN))
		h->num_buffers = vq16_make(FMT, 1);
}

static __rte_always_inline void
tx_log(const struct tx *t, uint64_t gpa, uint32_t len)
{
	if (FMT.full && unlikely(t->mem->log != NULL))
		dirty_mark(t->mem->log, gpa, len);
}

/** A frame being scattered: first the header, then the frame. */
struct tx_source {
	struct net_hdr hdr;
	uint32_t hdr_done, hdr_len;
	struct pkt_cursor cursor;
};

static uint32_t
tx_fill_segment(const struct tx *t, struct tx_source *s, const struct vq_segment *segment)
{
	uint32_t hdr = RTE_MIN(segment->len, s->hdr_len - s->hdr_done);
	uint32_t data = RTE_MIN(segment->len - hdr, s->cursor.p->len - s->cursor.done);

	guest_write_begin();
	memcpy(segment->data, (const uint8_t *)&s->hdr + s->hdr_done, hdr);
	s->hdr_done += hdr;
	if (data > 0)
		pkt_copy_next(&s->cursor, segment->data + hdr, data);
	guest_write_end();
	tx_log(t, segment->gpa, hdr + data);
	return hdr + data;
}

/** Fill one buffer and consume it. */
static void
tx_fill(struct tx *t, struct tx_source *s)
{
	const struct tx_buf *b = &t->buf[t->nused];
	const struct vq_segment first = {b->data, b->data_len, b->gpa};
	uint32_t len = tx_fill_segment(t, s, &first);
	uint16_t i;

	for (i = 0; i < b->nfrags; i++)
		len += tx_fill_segment(t, s, &t->frag[b->frag + i]);
	tx_use(t, len);
}

/** How many buffers @p len bytes may take, going by the last one looked at. */
static uint16_t
tx_guess(const struct tx *t, uint32_t len)
{
	uint32_t last = t->nbuf > 0 ? t->buf[t->nbuf - 1].len : 0;

	return last > 0 ? len / last + 1 : 1;
}

/** Buffers whose sum is @p need bytes, or as many as there are: *nbuf, and why no more. */
static enum vq_step
tx_sum_up(struct tx *t, uint32_t need, uint16_t *nbuf)
{
	uint32_t sum = 0;

	for (*nbuf = 0; sum < need;) {
		const struct tx_buf *b = &t->buf[t->nused + *nbuf];

		if (*nbuf > 0 && !t->vq->mergeable)
			return VQ_FULL;
		if (t->nused + *nbuf == t->nbuf && t->stop == VQ_OK)
			tx_look_ahead(t, tx_guess(t, need - sum));
		if (t->nused + *nbuf == t->nbuf)
			return t->stop;
		sum += b->len;
		++*nbuf;
		if (unlikely(b->data_len == 0))
			return VQ_BAD;
	}
	return VQ_OK;
}

/**
 * Find how many buffers @p p takes, looking further ahead where needed.
 * VQ_OK: *nbuf of them; VQ_BAD: the last of *nbuf is malformed.
 */
static enum vq_step
tx_fit(struct tx *t, const struct pkt *p, uint16_t *nbuf)
{
	enum vq_step r;

	if (unlikely(t->vq->q.work >= TX_WORK_MAX))
		return VQ_END;
	r = tx_sum_up(t, t->vq->hdr_len + p->len, nbuf);
	t->vq->q.work += *nbuf; /* whether they are enough or not */
	return r;
}

/**
 * Give @p n buffers back unused: the last is malformed, and the ones before it cannot stay behind
 * it.
 */
static void
tx_give_back(struct tx *t, uint16_t n)
{
	while (n-- > 0)
		tx_use(t, 0);
}

static void
tx_scatter(struct tx *t, const struct pkt *p, uint16_t nbuf)
{
	struct tx_source s = {.hdr_len = t->vq->hdr_len};

	tx_header(t->vq, p, nbuf, &s.hdr);
	pkt_cursor_init(&s.cursor, p);
	while (nbuf-- > 0)
		tx_fill(t, &s);
}

/** Send a frame that takes more than a copy to one place. VQ_OK: it was sent or dropped. */
static __rte_noinline enum vq_step
tx_frame_parts(struct tx *t, const struct pkt *p)
{
	enum drop_reason why = DROP_TX_NO_BUFFER;
	enum vq_step r;
	uint16_t nbuf;

	r = tx_fit(t, p, &nbuf);
	if (t->stop == VQ_FULL && r == VQ_FULL && t->nused > 0) {
		/* out of scratch space, not of buffers: make room */
		tx_commit(t);
		t->stop = VQ_OK;
		r = tx_fit(t, p, &nbuf);
	}
	if (r == VQ_OK) {
		tx_scatter(t, p, nbuf);
		tx_sent(t, p);
		return VQ_OK;
	}
	if (r == VQ_MISS || r == VQ_BROKEN)
		return r;
	if (r == VQ_FULL)
		why = DROP_TX_TOO_BIG;
	if (r == VQ_BAD) {
		why = DROP_TX_BAD_CHAIN;
		tx_give_back(t, nbuf);
	}
	pktq_drop(&t->vq->q, why, 1);
	return VQ_OK;
}

/** Whether the frame exceeds the receiver's MTU. */
static __rte_always_inline bool
tx_too_long(const struct pkt *p, uint32_t len_max)
{
	return unlikely(p->len > len_max) && p->vnet.gso_type == VIRTIO_NET_HDR_GSO_NONE;
}

/**
 * Send frames to buffers in one segment, until there is another. Returns how many.
 * The loop keeps its state in locals, since the compiler must assume that each copy overwrites the
 * rest.
 */
static __rte_always_inline uint16_t
tx_frames_plain(struct tx *t, struct pkt *const *pkts, uint16_t n)
{
	const uint16_t room = RTE_MIN(t->nbuf - t->nused, PKT_BATCH_MAX - t->nsent);
	const uint16_t max = RTE_MIN(n, room);
	const struct tx_buf *b = &t->buf[t->nused];
	struct pkt_used *u = &t->used[t->nused];
	const uint32_t len_max = t->vq->len_max;
	const uint16_t hdr_len = t->vq->hdr_len;
	uint32_t *len = &t->len[t->nsent];
	uint32_t slots = 0;
	uint16_t i;

	for (i = 0; i < max; i++) {
		const struct pkt *p = pkts[i];
		uint32_t need = hdr_len + p->len;

		if (unlikely(b[i].data_len < need || tx_too_long(p, len_max)))
			break;
		guest_write_begin();
		tx_put_header(t->vq, p, b[i].data, hdr_len);
		pkt_copy(p, b[i].data + hdr_len);
		guest_write_end();
		tx_log(t, b[i].gpa, need);
		pktq_count_cast(&t->vq->q.stats, p);
		u[i].len = need;
		len[i] = p->len;
		slots += u[i].ndesc;
	}
	t->slots += slots;
	t->nused += i;
	t->nsent += i;
	if (unlikely(t->nsent == PKT_BATCH_MAX))
		tx_count(t);
	return i;
}

/** Send one frame, in one segment or not, to a buffer with the header alone in the first of two. */
static __rte_always_inline bool
tx_frame_header_alone(struct tx *t, const struct pkt *p)
{
	const struct tx_buf *b = &t->buf[t->nused];
	const struct vq *vq = t->vq;
	const struct vq_segment *data;

	if (t->nused == t->nbuf || b->data_len != vq->hdr_len || b->nfrags == 0)
		return false;
	data = &t->frag[b->frag];
	if (data->len < p->len)
		return false;
	guest_write_begin();
	tx_put_header(vq, p, b->data, vq->hdr_len);
	pkt_copy(p, data->data);
	guest_write_end();
	tx_log(t, b->gpa, vq->hdr_len);
	tx_log(t, data->gpa, p->len);
	tx_use(t, vq->hdr_len + p->len);
	tx_sent(t, p);
	return true;
}

/**
 * Send or drop at least one frame, of any kind, and those that follow it to buffers with the header
 * alone. Returns how many were sent or dropped; *r: the result for the next frame, VQ_OK: none yet.
 */
static __rte_noinline uint16_t
tx_frames_odd(struct tx *t, struct pkt *const *pkts, uint16_t n, enum vq_step *r)
{
	uint16_t i;

	for (i = 0; i < n; i++) {
		if (tx_too_long(pkts[i], t->vq->len_max)) {
			pktq_drop(&t->vq->q, DROP_TX_TOO_BIG, 1);
		} else if (!tx_frame_header_alone(t, pkts[i])) {
			*r = tx_frame_parts(t, pkts[i]);
			return *r == VQ_OK ? i + 1 : i;
		}
	}
	return n;
}

/** Send frames until one lacks a translation; returns the number sent or dropped. */
static __rte_always_inline uint16_t
tx_frames(struct tx *t, struct pkt *const *pkts, uint16_t n)
{
	struct vq *vq = t->vq;
	uint64_t start = 0;
	enum vq_step r = VQ_OK;
	uint16_t i = 0;

	tx_look_ahead(t, n);
	if (unlikely(vq->q.copy_cycles != NULL))
		start = rte_rdtsc();
	while (r == VQ_OK && (i += tx_frames_plain(t, pkts + i, n - i)) < n)
		i += tx_frames_odd(t, pkts + i, n - i, &r);
	if (unlikely(start != 0))
		*vq->q.copy_cycles += rte_rdtsc() - start;
	tx_commit(t);
	tx_count(t); /* the receiver need not wait for it */
	if (unlikely(r == VQ_BROKEN)) {
		pktq_drop(&t->vq->q, DROP_TX_BROKEN, n - i);
		i = n;
	}
	return i;
}

/** tx_frames() with its scratch space. */
static __rte_always_inline uint16_t
tx_send(struct vq *vq, struct pkt *const *pkts, uint16_t n, uint16_t *sent)
{
	struct tx t;
	uint16_t done;

	tx_begin(&t, vq, pkts, n);
	done = tx_frames(&t, pkts, n);
	*sent = t.sent;
	return done;
}

#define TX_FLUSH_BURST 16
#define TX_FLUSH_SEGS 128 /* a frame of PKT_LEN_MAX in the smallest mbufs takes fewer */

/**
 * Try to send the frames of the backlog. Their order is kept: stops at the first that still misses.
 */
static __rte_noinline void
tx_flush(struct pktq *q)
{
	struct vq *vq = (struct vq *)q;
	struct pkt_seg segs[TX_FLUSH_BURST][TX_FLUSH_SEGS];
	struct pkt view[TX_FLUSH_BURST], *list[TX_FLUSH_BURST];
	uint16_t n, done, sent;
	uint32_t work = 0;

	while (work < TX_WORK_MAX && q->backlog > 0 && !vq_unusable(vq) && !ring_waits(vq)) {
		for (n = 0; n < TX_FLUSH_BURST && n < q->backlog; n++) {
			if (!vq_backlog_view(vq, n, &view[n], segs[n], TX_FLUSH_SEGS))
				break;
			list[n] = &view[n];
		}
		if (unlikely(n == 0)) {
			pktq_drop(q, DROP_TX_TOO_BIG, 1);
			vq_backlog_free(vq, 1);
			continue;
		}
		done = tx_send(vq, list, n, &sent);
		vq_backlog_free(vq, done);
		work += q->work;
		if (done < n)
			break;
	}
	q->work = work;
}

/** pktq_ops.tx */
static uint16_t
tx_burst(struct pktq *q, struct pkt *const *pkts, uint16_t n)
{
	struct vq *vq = (struct vq *)q;
	uint16_t done, sent;

	counter_add(&q->stats.offered, n);
	if (unlikely(vq_unusable(vq))) {
		pktq_drop(q, DROP_TX_BROKEN, n);
		return 0;
	}
	if (unlikely(q->backlog > 0)) {
		tx_flush(q);
		if (q->backlog > 0) /* new frames must not overtake the backlog */
			return vq_backlog_add(vq, pkts, n);
	}
	done = tx_send(vq, pkts, n, &sent);
	if (FMT.full && unlikely(done < n))
		sent += vq_backlog_add(vq, pkts + done, n - done);
	return sent;
}

#endif

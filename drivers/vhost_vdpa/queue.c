/* SPDX-License-Identifier: BSD-3-Clause */
/* Runs on: the worker that owns the queue, but for vv_rxq_use() and vv_txq_use(). */
#include "vhost_vdpa/queue.h"

#include <string.h>
#include <unistd.h>

#include "pkt/copy.h"
#include "pkt/offload.h"
#include "virtq/net.h"

#define COPY_BYTES 1024 /* copying so many costs as much as making the smallest segment */

/* The device is a modern one. */
static const struct vq_fmt little = {.swap = VQ_SWAP_LE};

static struct vv_rxq *
to_rxq(struct pktq *q)
{
	return (struct vv_rxq *)q;
}

static struct vv_txq *
to_txq(struct pktq *q)
{
	return (struct vv_txq *)q;
}

void
vv_rxq_use(struct vv_rxq *r, struct link *l, uint32_t i)
{
	r->ring = &l->queue[2 * i];
	r->hdr_len = net_hdr_len(l->features);
	r->mergeable = l->mergeable;
	r->believes = VQ_HAS(l->features, VIRTIO_NET_F_GUEST_CSUM);
	r->n = 0;
	r->q.event_fd = r->ring->call_fd;
}

void
vv_txq_use(struct vv_txq *t, struct link *l, uint32_t i)
{
	t->ring = &l->queue[2 * i + 1];
	t->hdr_len = net_hdr_len(l->features);
	t->room = l->frame_max;
	t->q.offloads = net_offloads(l->features, NET_DEVICE);
	t->q.max_len = 0;
}

/* --- receiving --- */

/** A frame that is not handed on, counted. */
static void
reject(struct pktq *q, uint32_t len, enum drop_reason why)
{
	counter_add(&q->stats.frames, 1);
	counter_add(&q->stats.bytes, len);
	counter_add(&q->stats.size[pktq_size_bin(len)], 1);
	pktq_drop(q, why, 1);
}

/** Buffers of the frame that begins with held buffer @p i; 0: not all of them are here. */
static uint16_t
buffers_of(const struct vv_rxq *r, uint16_t i)
{
	struct net_hdr h;
	uint16_t n;

	if (!r->mergeable || r->held[i].len < NET_HDR_LEN)
		return 1;
	memcpy(&h, r->held[i].data, sizeof(h));
	n = vq16_get(little, h.num_buffers);
	/* more than a frame or the ring can have never come: the first is taken for all of it */
	if (n == 0 || n > RTE_MIN(r->ring->vqd.size, RXQ_HELD_MAX / 2u))
		return 1;
	return n <= r->n - i ? n : 0;
}

/** View the frame of @p n buffers from held buffer @p i on. False: it is not one. */
static bool
view(const struct vv_rxq *r, uint16_t i, uint16_t n, struct pkt_batch *b)
{
	const struct vqd_net_frame *f = &r->held[i];
	struct pkt *p = &b->pkt[b->n];
	uint16_t k;

	if (f->len < r->hdr_len + (uint32_t)RTE_ETHER_HDR_LEN)
		return false;
	*p = (struct pkt){
		.data = f->data + r->hdr_len,
		.segs = &b->segs[b->nsegs],
		.len = f->len - r->hdr_len,
		.data_len = f->len - r->hdr_len,
		.nsegs = n,
	};
	for (k = 1; k < n; k++) {
		b->segs[b->nsegs + k - 1] = (struct pkt_seg){f[k].data, f[k].len};
		p->len += f[k].len;
	}
	memcpy(p->eth_bytes, p->data, RTE_ETHER_HDR_LEN);
	return true;
}

/** Checksum and segmentation as the device reports them. False: they contradict the frame. */
static bool
read_offload(const struct vv_rxq *r, const uint8_t *hdr, struct pkt *p)
{
	struct net_hdr h;

	memcpy(&h, hdr, NET_HDR_LEN_LEGACY);
	if (likely(h.flags == 0 && h.gso_type == VIRTIO_NET_HDR_GSO_NONE))
		return true;
	p->vnet = net_hdr_get(little, &h);
	if ((h.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) || h.gso_type != VIRTIO_NET_HDR_GSO_NONE)
		return offload_check(p);
	p->vnet = (struct pkt_vnet){.flags = h.flags & VIRTIO_NET_HDR_F_DATA_VALID};
	if (!r->believes)
		p->vnet.flags = 0;
	return true;
}

static void
take(struct vv_rxq *r, uint16_t i, uint16_t n, struct pkt_batch *b)
{
	struct pkt *p = &b->pkt[b->n];

	if (unlikely(!view(r, i, n, b))) {
		reject(&r->q, r->held[i].len, DROP_RX_RUNT);
		return;
	}
	if (unlikely(p->len > PKT_LEN_MAX)) {
		reject(&r->q, p->len, DROP_RX_TOO_LONG);
		return;
	}
	if (unlikely(!read_offload(r, r->held[i].data, p))) {
		reject(&r->q, p->len, DROP_RX_BAD_OFFLOAD);
		return;
	}
	pktq_count(&r->q.stats, p);
	r->cost += p->len / COPY_BYTES;
	if (p->vnet.gso_size != 0)
		r->cost += offload_cost(p);
	b->nsegs += n - 1;
	b->n++;
}

static void
fill(struct vv_rxq *r)
{
	r->n += vqd_net_recv(&r->ring->vqd, r->held + r->n, RXQ_HELD_MAX - r->n);
}

static uint16_t
vv_rx(struct pktq *q, struct pkt_batch *b)
{
	struct vv_rxq *r = to_rxq(q);
	uint16_t at = 0, n;

	b->n = b->ndone = b->nsegs = 0;
	r->cost = 0;
	if (r->n < RXQ_HELD_MAX)
		fill(r);
	while (b->ndone < b->max && at < r->n && r->cost < PKT_BATCH_COST) {
		n = buffers_of(r, at);
		if (n == 0 || b->nsegs + n > PKT_SEGS_MAX)
			break;
		take(r, at, n, b);
		r->buffers[b->ndone++] = n;
		at += n;
	}
	return b->ndone;
}

static void
vv_rx_done(struct pktq *q, struct pkt_batch *b)
{
	struct vv_rxq *r = to_rxq(q);
	uint16_t i, n = 0;

	for (i = 0; i < b->ndone; i++)
		n += r->buffers[i];
	vqd_net_refill(&r->ring->vqd, n);
	r->n -= n;
	if (unlikely(r->n != 0))
		memmove(r->held, r->held + n, r->n * sizeof(r->held[0]));
}

static bool
vv_arm(struct pktq *q)
{
	struct vv_rxq *r = to_rxq(q);

	/* the rest of a frame comes with an interrupt */
	return vqd_arm(&r->ring->vqd) || (r->n != 0 && buffers_of(r, 0) != 0);
}

static void
vv_disarm(struct pktq *q)
{
	struct vv_rxq *r = to_rxq(q);
	uint64_t count;

	vqd_disarm(&r->ring->vqd);
	if (read(q->event_fd, &count, sizeof(count)) < 0)
		return; /* it was another queue's interrupt */
}

/* --- sending --- */

static void
put_header(const struct vv_txq *t, uint8_t *to, const struct pkt *p)
{
	struct pkt_vnet v = {0};
	struct net_hdr h;

	if (unlikely(p->need != 0)) {
		v = p->vnet;
		v.flags &= VIRTIO_NET_HDR_F_NEEDS_CSUM;
	}
	h = net_hdr_make(little, &v, 0);
	memcpy(to, &h, t->hdr_len);
}

/** Up to a batch. How many were sent. */
static uint16_t
send_some(struct vv_txq *t, struct pkt *const *pkts, uint16_t n)
{
	struct vqd *d = &t->ring->vqd;
	uint32_t len[PKT_BATCH_MAX];
	uint16_t i, k = 0, room = vqd_net_room(d);

	for (i = 0; i < n; i++) {
		const struct pkt *p = pkts[i];
		uint8_t *to;

		if (unlikely(p->len > t->room)) {
			pktq_drop(&t->q, DROP_TX_TOO_BIG, 1);
			continue;
		}
		if (unlikely(k == room)) {
			pktq_drop(&t->q, DROP_TX_NO_BUFFER, 1);
			continue;
		}
		to = vqd_net_buf(d, k);
		put_header(t, to, p);
		pkt_copy(p, to + t->hdr_len);
		len[k++] = t->hdr_len + p->len;
		pktq_count(&t->q.stats, p);
	}
	if (k != 0)
		vqd_net_send(d, len, k);
	return k;
}

static uint16_t
vv_tx(struct pktq *q, struct pkt *const *pkts, uint16_t n)
{
	uint16_t i, sent = 0;

	counter_add(&q->stats.offered, n);
	for (i = 0; i < n; i += PKT_BATCH_MAX)
		sent += send_some(to_txq(q), pkts + i, RTE_MIN(n - i, PKT_BATCH_MAX));
	return sent;
}

const struct pktq_ops vv_rx_ops = {
	.rx = vv_rx,
	.rx_done = vv_rx_done,
	.arm = vv_arm,
	.disarm = vv_disarm,
};

const struct pktq_ops vv_tx_ops = {
	.tx = vv_tx,
};

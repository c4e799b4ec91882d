/* SPDX-License-Identifier: BSD-3-Clause */
#include "ethdev/queue.h"

#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include <linux/virtio_net.h>

#include <rte_ethdev.h>
#include <rte_prefetch.h>
#include <rte_tcp.h>
#include <rte_udp.h>

#include "pkt/hdrs.h"
#include "pkt/mbuf.h"

#define PREFETCH_AHEAD 4

static struct ethdev_rxq *
to_rxq(struct pktq *q)
{
	return (struct ethdev_rxq *)q;
}

/* --- checksum and segmentation as the device reports them --- */

static uint16_t
csum_offset(uint8_t proto)
{
	return proto == IPPROTO_TCP ? offsetof(struct rte_tcp_hdr, cksum)
				    : offsetof(struct rte_udp_hdr, dgram_cksum);
}

/* The checksum covers the pseudo header only (another guest's driver left it so). */
static void
set_partial(struct pkt *p, const struct pkt_hdrs *h)
{
	p->vnet.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
	p->vnet.csum_start = h->l2_len + h->l3_len;
	p->vnet.csum_offset = csum_offset(h->proto);
	p->need = PKT_NEED_CSUM;
}

/*
 * Segments the device put together. It verified their checksums and left one
 * that covers nothing; a receiver that takes segmentation apart again expects
 * the pseudo header's sum in its place.
 */
static bool
set_merged(struct pkt *p, const struct pkt_hdrs *h)
{
	bool v4 = h->ether_type == RTE_ETHER_TYPE_IPV4;
	uint32_t l4 = (uint32_t)h->l2_len + h->l3_len;
	struct rte_tcp_hdr *tcp = rte_pktmbuf_mtod_offset(p->mbuf, struct rte_tcp_hdr *, l4);
	uint16_t sum;

	if (h->proto != IPPROTO_TCP || h->l4_len == 0 || l4 + h->l4_len > p->data_len ||
	    p->mbuf->tso_segsz == 0 || rte_mbuf_refcnt_read(p->mbuf) != 1)
		return false;
	if (!pkt_hdrs_pseudo_sum(h, p->len - l4, &sum))
		return false;
	tcp->cksum = sum;
	set_partial(p, h);
	p->vnet.gso_type = v4 ? VIRTIO_NET_HDR_GSO_TCPV4 : VIRTIO_NET_HDR_GSO_TCPV6;
	p->vnet.gso_size = p->mbuf->tso_segsz;
	p->vnet.hdr_len = (uint16_t)(l4 + h->l4_len);
	p->need |= (v4 ? PKT_NEED_TSO4 : PKT_NEED_TSO6) | (h->plain ? 0 : PKT_NEED_EXT);
	return true;
}

/*
 * A datagram without a checksum: some drivers (net_tap) say of it, too, that its checksum is none.
 * The sum of a pseudo header is never 0.
 */
static bool
is_unsummed(const struct pkt *p, const struct pkt_hdrs *h)
{
	uint32_t at = (uint32_t)h->l2_len + h->l3_len + offsetof(struct rte_udp_hdr, dgram_cksum);
	uint16_t sum;

	if (h->proto != IPPROTO_UDP || at + sizeof(sum) > p->data_len)
		return false;
	memcpy(&sum, rte_pktmbuf_mtod_offset(p->mbuf, const uint8_t *, at), sizeof(sum));
	return sum == 0;
}

/* False: the frame cannot be passed on. */
static bool
read_offload(struct pkt *p)
{
	uint64_t flags = p->mbuf->ol_flags;
	uint64_t l4 = flags & RTE_MBUF_F_RX_L4_CKSUM_MASK;
	struct pkt_hdrs h;

	if (likely((flags & RTE_MBUF_F_RX_LRO) == 0 && l4 != RTE_MBUF_F_RX_L4_CKSUM_NONE)) {
		if (l4 == RTE_MBUF_F_RX_L4_CKSUM_GOOD)
			p->vnet.flags = VIRTIO_NET_HDR_F_DATA_VALID;
		return true;
	}
	pkt_hdrs_read(&h, p, PKT_HDRS_MOST);
	if (flags & RTE_MBUF_F_RX_LRO)
		return set_merged(p, &h);
	if (h.l4_len != 0 && !is_unsummed(p, &h))
		set_partial(p, &h);
	return true;
}

/* --- rx --- */

static void
reject(struct pktq *q, const struct rte_mbuf *m, enum drop_reason why)
{
	counter_add(&q->stats.frames, 1);
	counter_add(&q->stats.bytes, m->pkt_len);
	counter_add(&q->stats.size[pktq_size_bin(m->pkt_len)], 1);
	pktq_drop(q, why, 1);
}

static void
view(struct pktq *q, struct pkt_batch *b, struct rte_mbuf *m)
{
	struct pkt *p = &b->pkt[b->n];

	if (unlikely(m->pkt_len < RTE_ETHER_HDR_LEN)) {
		reject(q, m, DROP_RX_RUNT);
		return;
	}
	if (unlikely(m->pkt_len > PKT_LEN_MAX ||
		     !pkt_from_mbuf(p, m, b->segs + b->nsegs, PKT_SEGS_MAX - b->nsegs))) {
		reject(q, m, DROP_RX_TOO_LONG);
		return;
	}
	/* a ring's other end may have left its own requests in the mbuf */
	if (unlikely((m->ol_flags & RTE_MBUF_F_TX_OFFLOAD_MASK) != 0))
		m->ol_flags &= ~RTE_MBUF_F_TX_OFFLOAD_MASK;
	if (m->ol_flags != 0 && unlikely(!read_offload(p))) {
		reject(q, m, DROP_RX_BAD_OFFLOAD);
		return;
	}
	pktq_count(&q->stats, p);
	b->nsegs += p->nsegs - 1;
	b->n++;
}

/*
 * Whether there is room for its fragments; behind others there may not be, as the first one there
 * is.
 */
static bool
fits(const struct pkt_batch *b, const struct rte_mbuf *m)
{
	return likely(m->nb_segs == 1 || b->nsegs == 0) ||
	       m->nb_segs - 1u <= (uint32_t)PKT_SEGS_MAX - b->nsegs;
}

static uint16_t
ethdev_rx(struct pktq *q, struct pkt_batch *b)
{
	struct ethdev_rxq *r = to_rxq(q);
	uint16_t i, n;

	if (likely(r->n == 0))
		r->n = rte_eth_rx_burst(r->dev, r->queue, r->mbuf, b->max);
	n = RTE_MIN(r->n, b->max);
	b->n = 0;
	b->nsegs = 0;
	for (i = 0; i < n && i < PREFETCH_AHEAD; i++)
		rte_prefetch0(rte_pktmbuf_mtod(r->mbuf[i], void *));
	for (i = 0; i < n && fits(b, r->mbuf[i]); i++) {
		if (i + PREFETCH_AHEAD < n)
			rte_prefetch0(rte_pktmbuf_mtod(r->mbuf[i + PREFETCH_AHEAD], void *));
		view(q, b, r->mbuf[i]);
	}
	b->ndone = i;
	return i;
}

static void
ethdev_rx_done(struct pktq *q, struct pkt_batch *b)
{
	struct ethdev_rxq *r = to_rxq(q);

	rte_pktmbuf_free_bulk(r->mbuf, b->ndone);
	r->n -= b->ndone;
	if (unlikely(r->n != 0))
		memmove(r->mbuf, r->mbuf + b->ndone, r->n * sizeof(r->mbuf[0]));
}

/* --- sleeping --- */

/* There is a frame, which the driver finds when another thread has run: let it have the CPU. */
static bool
has_hidden(const struct ethdev_rxq *r)
{
	struct pollfd fd = {.fd = r->q.event_fd, .events = POLLIN};

	if (!r->late || poll(&fd, 1, 0) <= 0 || (fd.revents & POLLIN) == 0)
		return false;
	sched_yield();
	return true;
}

/*
 * Whether a driver raises an interrupt for frames that were there before it was
 * armed differs, and not every driver can count them: so look. Vector receive
 * functions return nothing when asked for less than a handful.
 */
static bool
ethdev_arm(struct pktq *q)
{
	struct ethdev_rxq *r = to_rxq(q);

	/* not supported: the descriptor itself says whether there are frames (tap) */
	rte_eth_dev_rx_intr_enable(r->dev, r->queue);
	if (r->n == 0)
		r->n = rte_eth_rx_burst(r->dev, r->queue, r->mbuf, PKT_BATCH_MAX);
	return r->n != 0 || has_hidden(r);
}

static void
ethdev_disarm(struct pktq *q)
{
	struct ethdev_rxq *r = to_rxq(q);
	uint64_t count;

	rte_eth_dev_rx_intr_disable(r->dev, r->queue);
	if (r->drain && read(q->event_fd, &count, sizeof(count)) < 0)
		return; /* it was another queue's interrupt */
}

void
ethdev_rxq_flush(struct ethdev_rxq *r)
{
	rte_pktmbuf_free_bulk(r->mbuf, r->n);
	r->n = 0;
}

const struct pktq_ops ethdev_rx_poll_ops = {
	.rx = ethdev_rx,
	.rx_done = ethdev_rx_done,
};

const struct pktq_ops ethdev_rx_ops = {
	.rx = ethdev_rx,
	.rx_done = ethdev_rx_done,
	.arm = ethdev_arm,
	.disarm = ethdev_disarm,
};

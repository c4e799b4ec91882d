/* SPDX-License-Identifier: BSD-3-Clause */
#include "ethdev/queue.h"

#include <netinet/in.h>
#include <stddef.h>
#include <string.h>

#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_ip.h>
#include <rte_tcp.h>
#include <rte_udp.h>

#include "pkt/hdrs.h"
#include "pkt/mbuf.h"

#define CSUM_OFFLOADS (RTE_ETH_TX_OFFLOAD_TCP_CKSUM | RTE_ETH_TX_OFFLOAD_UDP_CKSUM)
#define TSO_OFFLOADS                                                                  \
	(CSUM_OFFLOADS | RTE_ETH_TX_OFFLOAD_IPV4_CKSUM | RTE_ETH_TX_OFFLOAD_TCP_TSO | \
	 RTE_ETH_TX_OFFLOAD_MULTI_SEGS)

uint32_t
ethdev_tx_accepts(uint64_t offloads, uint32_t longest)
{
	/*
	 * No ECN: whether a device clears CWR behind the first segment is not
	 * known. No USO: RTE_MBUF_F_TX_UDP_SEG means UFO to some drivers.
	 */
	if ((offloads & TSO_OFFLOADS) == TSO_OFFLOADS && longest >= PKT_LEN_MAX)
		return PKT_NEED_CSUM | PKT_NEED_TSO4 | PKT_NEED_TSO6;
	return (offloads & CSUM_OFFLOADS) == CSUM_OFFLOADS ? PKT_NEED_CSUM : 0;
}

static struct ethdev_txq *
to_txq(struct pktq *q)
{
	return (struct ethdev_txq *)q;
}

/* --- asking the device to finish a frame --- */

/* The headers of an mbuf, which no other thread can change. They lie in its first segment. */
static void
read_headers(struct pkt_hdrs *h, const struct rte_mbuf *m)
{
	struct pkt v = {
		.data = rte_pktmbuf_mtod(m, uint8_t *),
		.len = m->data_len,
		.data_len = m->data_len,
		.nsegs = 1,
	};

	memcpy(v.eth_bytes, v.data, RTE_ETHER_HDR_LEN);
	pkt_hdrs_read(h, &v, PKT_HDRS_MOST);
}

/*
 * Whether the checksum is the one a device finds by itself: TCP or UDP behind one IP header, whose
 * addresses are those of the pseudo header. Devices and drivers take the protocol, the length and
 * the addresses from the fixed IPv6 header, whatever follows it.
 */
static bool
plain_l4(const struct pkt *p, const struct pkt_hdrs *h)
{
	uint16_t off = h->proto == IPPROTO_TCP ? offsetof(struct rte_tcp_hdr, cksum)
					       : offsetof(struct rte_udp_hdr, dgram_cksum);

	return h->plain && h->l4_len != 0 && p->vnet.csum_start == h->l2_len + h->l3_len &&
	       p->vnet.csum_offset == off;
}

static void
ask_csum(struct rte_mbuf *m, const struct pkt_hdrs *h)
{
	m->l2_len = h->l2_len;
	m->l3_len = h->l3_len;
	m->l4_len = h->l4_len;
	m->ol_flags |= h->proto == IPPROTO_TCP ? RTE_MBUF_F_TX_TCP_CKSUM : RTE_MBUF_F_TX_UDP_CKSUM;
	m->ol_flags |=
		h->ether_type == RTE_ETHER_TYPE_IPV4 ? RTE_MBUF_F_TX_IPV4 : RTE_MBUF_F_TX_IPV6;
}

/* The frame must be a private copy: its headers are rewritten to the form that DPDK prescribes. */
static void
ask_tso(struct rte_mbuf *m, const struct pkt *p, const struct pkt_hdrs *h)
{
	uint32_t l4 = (uint32_t)h->l2_len + h->l3_len;
	struct rte_ipv4_hdr *ip = rte_pktmbuf_mtod_offset(m, struct rte_ipv4_hdr *, h->l2_len);
	struct rte_tcp_hdr *tcp = rte_pktmbuf_mtod_offset(m, struct rte_tcp_hdr *, l4);
	uint16_t sum;

	ask_csum(m, h);
	m->tso_segsz = p->vnet.gso_size;
	m->ol_flags |= RTE_MBUF_F_TX_TCP_SEG;
	pkt_hdrs_pseudo_sum(h, 0, &sum);
	tcp->cksum = sum;
	if (h->ether_type == RTE_ETHER_TYPE_IPV4) {
		m->ol_flags |= RTE_MBUF_F_TX_IP_CKSUM;
		ip->hdr_checksum = 0;
	}
}

/*
 * A copied frame whose checksum or segmentation its sender left to others. The headers are read
 * from the copy: those that were checked may have changed.
 */
static bool
ask_device(struct rte_mbuf *m, const struct pkt *p)
{
	struct pkt_hdrs h;

	read_headers(&h, m);
	if ((p->need & PKT_NEED_GSO) != 0) {
		if (!plain_l4(p, &h) || h.proto != IPPROTO_TCP || p->vnet.gso_size == 0)
			return false;
		ask_tso(m, p, &h);
		return true;
	}
	if (plain_l4(p, &h)) {
		ask_csum(m, &h);
		return true;
	}
	return pkt_mbuf_finish_csum(m, p->vnet.csum_start,
				    (uint32_t)p->vnet.csum_start + p->vnet.csum_offset);
}

/* --- from a frame to an mbuf --- */

/*
 * Whether the frame can leave as the mbuf it is in. Not when a forwarding mode
 * changed it in the view only, and not when the device has to find other
 * headers than the other receivers of the same mbuf.
 */
static bool
can_share(const struct ethdev_txq *t, const struct pkt *p)
{
	struct rte_mbuf *m = p->mbuf;

	if (p->need != 0 || p->data != rte_pktmbuf_mtod(m, uint8_t *) || p->len != m->pkt_len)
		return false;
	if (m->nb_segs > 1 && (t->offloads & RTE_ETH_TX_OFFLOAD_MULTI_SEGS) == 0)
		return false;
	if (likely(memcmp(p->data, p->eth_bytes, RTE_ETHER_HDR_LEN) == 0))
		return true;
	/* addresses were rewritten; without another reader the mbuf may be, too */
	if (rte_mbuf_refcnt_read(m) != 1 || m->data_len < RTE_ETHER_HDR_LEN)
		return false;
	memcpy(p->data, p->eth_bytes, RTE_ETHER_HDR_LEN);
	return true;
}

static bool
too_long(const struct ethdev_txq *t, const struct pkt *p)
{
	uint32_t len = p->len;

	if (len > t->room && (t->offloads & RTE_ETH_TX_OFFLOAD_MULTI_SEGS) == 0)
		return true;
	if (likely(t->frame_max == 0 || len <= t->frame_max))
		return false;
	if ((p->need & PKT_NEED_GSO) == 0)
		return true;
	/* limits apply to a segment with all its headers */
	return (uint32_t)p->vnet.gso_size + RTE_MAX(p->vnet.hdr_len, RTE_ETHER_HDR_LEN) >
	       t->frame_max;
}

static void
drop(struct ethdev_txq *t, struct rte_mbuf *m, enum drop_reason why)
{
	rte_pktmbuf_free(m);
	pktq_drop(&t->q, why, 1);
}

/* Append a frame to the burst, or count it as dropped. */
static void
add(struct ethdev_txq *t, const struct pkt *p)
{
	struct rte_mbuf *m;

	if (unlikely(too_long(t, p))) {
		drop(t, NULL, DROP_TX_TOO_BIG);
		return;
	}
	if (p->mbuf != NULL && can_share(t, p)) {
		m = p->mbuf;
		rte_pktmbuf_refcnt_update(m, 1);
	} else {
		/* one mbuf, or a chain when the device takes chains */
		m = pkt_to_mbuf_of(t->mp, p, t->room);
		if (unlikely(m == NULL)) {
			drop(t, NULL, DROP_TX_NO_MEMORY);
			return;
		}
		if (p->need != 0 && unlikely(!ask_device(m, p))) {
			drop(t, m, DROP_TX_OFFLOAD);
			return;
		}
	}
	t->mbuf[t->n] = m;
	t->pkt[t->n++] = p;
}

/* --- a burst --- */

static void
remove_at(struct ethdev_txq *t, uint16_t i)
{
	uint16_t after = t->n - i - 1;

	drop(t, t->mbuf[i], DROP_TX_OFFLOAD);
	memmove(&t->mbuf[i], &t->mbuf[i + 1], after * sizeof(t->mbuf[0]));
	memmove(&t->pkt[i], &t->pkt[i + 1], after * sizeof(t->pkt[0]));
	t->n--;
}

/* The driver's own preparations (checksum seeds); it stops at a frame it cannot send. */
static void
prepare(struct ethdev_txq *t)
{
	uint16_t done = 0;

	for (;;) {
		done += rte_eth_tx_prepare(t->dev, t->queue, t->mbuf + done, t->n - done);
		if (done == t->n)
			return;
		remove_at(t, done);
	}
}

static uint16_t
send_burst(struct ethdev_txq *t)
{
	uint16_t i, sent;

	sent = rte_eth_tx_burst(t->dev, t->queue, t->mbuf, t->n);
	for (i = 0; i < sent; i++)
		pktq_count(&t->q.stats, t->pkt[i]);
	if (unlikely(sent < t->n)) {
		rte_pktmbuf_free_bulk(t->mbuf + sent, t->n - sent);
		pktq_drop(&t->q, DROP_TX_NO_BUFFER, t->n - sent);
	}
	return sent;
}

static uint16_t
ethdev_tx(struct pktq *q, struct pkt *const *pkts, uint16_t n)
{
	struct ethdev_txq *t = to_txq(q);
	uint16_t sent = 0, i = 0;
	uint32_t need;

	counter_add(&q->stats.offered, n);
	while (i < n) {
		t->n = 0;
		for (need = 0; i < n && t->n < PKT_BATCH_MAX; i++) {
			need |= pkts[i]->need;
			add(t, pkts[i]);
		}
		if (need != 0)
			prepare(t);
		sent += send_burst(t);
	}
	return sent;
}

/* As too_long(), of a frame that needs nothing. */
static bool
fits(const struct ethdev_txq *t, const struct rte_mbuf *m)
{
	return (m->nb_segs == 1 || (t->offloads & RTE_ETH_TX_OFFLOAD_MULTI_SEGS) != 0) &&
	       (t->frame_max == 0 || m->pkt_len <= t->frame_max);
}

/* Send up to PKT_BATCH_MAX of them; they are the driver's, or freed, afterwards. */
static uint16_t
send_mbufs(struct ethdev_txq *t, struct rte_mbuf **m, uint16_t n)
{
	uint32_t len[RTE_ALIGN_CEIL(PKT_BATCH_MAX, PKTQ_COUNT_ROUND)];
	uint16_t sent, ready = 0;

	for (uint16_t i = 0; i < n; i++) {
		if (unlikely(!fits(t, m[i]))) {
			drop(t, m[i], DROP_TX_TOO_BIG);
			continue;
		}
		len[ready] = m[i]->pkt_len;
		m[ready++] = m[i];
	}
	sent = rte_eth_tx_burst(t->dev, t->queue, m, ready);
	counter_add(&t->q.stats.frames, sent);
	pktq_count_sizes(&t->q.stats, len, sent);
	if (unlikely(sent < ready)) {
		rte_pktmbuf_free_bulk(m + sent, ready - sent);
		pktq_drop(&t->q, DROP_TX_NO_BUFFER, ready - sent);
	}
	return sent;
}

static uint16_t
ethdev_tx_mbufs(struct pktq *q, struct rte_mbuf **m, uint16_t n)
{
	uint16_t sent = 0;

	counter_add(&q->stats.offered, n);
	for (uint16_t i = 0; i < n; i += PKT_BATCH_MAX)
		sent += send_mbufs(to_txq(q), m + i, (uint16_t)RTE_MIN(n - i, PKT_BATCH_MAX));
	return sent;
}

/* The driver of a bond sends what LACP has to say with a burst, also with an empty one. */
static void
ethdev_keep_alive(struct pktq *q)
{
	struct ethdev_txq *t = to_txq(q);
	uint64_t now = rte_rdtsc();

	if (now - t->burst_tsc < t->idle_max)
		return;
	t->burst_tsc = now;
	t->n = 0;
	(void)rte_eth_tx_burst(t->dev, t->queue, t->mbuf, 0);
}

const struct pktq_ops ethdev_tx_ops = {
	.tx = ethdev_tx,
	.tx_mbufs = ethdev_tx_mbufs,
};

const struct pktq_ops ethdev_tx_lacp_ops = {
	.tx = ethdev_tx,
	.tx_mbufs = ethdev_tx_mbufs,
	.flush = ethdev_keep_alive,
};
